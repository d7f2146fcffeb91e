import type { Confirmation, Measurement, Task } from "../domain/index.ts";
import { verdictOf, type MeasuredKernel, type MeasuredKernels } from "./measure-kernels.ts";

/** The JSON document of `kernelcast measure`. */
export function measureDocument(task: Task, deviceName: string, result: MeasuredKernels): object {
  const { seed, kernels, spent } = result;
  return {
    task: task.taskId,
    device: deviceName,
    measured_on: seed.device,
    seed: { kernel_id: seed.kernelId, runtime_us: seed.runtime.medianUs, receipt_sha256: seed.receiptSha256 ?? null },
    kernels: kernels.map((kernel) => kernelDocument(kernel, seed.runtime.medianUs)),
    spent: { gpu_seconds: spent.gpuSeconds, cpu_seconds: spent.cpuSeconds },
  };
}

function kernelDocument(measured: MeasuredKernel, seedUs: number): object {
  const verdict = verdictOf(measured);
  const common = { file: measured.file, kernel_id: measured.kernel.kernelId, status: verdict.status };
  const receipt = { receipt_sha256: verdict.receiptSha256 ?? null };
  if (verdict.status !== "ok") return { ...common, error: verdict.error, ...receipt };
  const { confirmation, runtime, evidence } = verdict;
  return {
    ...common,
    runtime_us: runtime.medianUs,
    speedup: confirmation ? 2 ** -confirmation.logRatio : seedUs / runtime.medianUs,
    confirmed: confirmation !== undefined,
    ...(confirmation ? { interval: speedupInterval(confirmation), blocks: confirmation.blocks } : {}),
    ...(evidence ? { evidence } : {}),
    ...receipt,
  };
}

/** 95 % interval of the speed relative to the seed's. */
function speedupInterval({ low, high }: Confirmation): [number, number] {
  return [2 ** -high, 2 ** -low];
}

/** The table that a person reads. */
export function measureTable({ seed, kernels }: MeasuredKernels): string[] {
  const seedUs = seed.runtime.medianUs;
  const rows = [
    ["kernel", "status", "µs", "speed", ""],
    ["seed", "ok", seedUs.toFixed(2), "1.000x", ""],
    ...kernels.map((measured) => row(measured.file, verdictOf(measured), seedUs)),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0))) ?? [];
  return rows.map((cells) =>
    cells
      .map((cell, column) => pad(cell, column, widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function row(file: string, verdict: Measurement, seedUs: number): string[] {
  if (verdict.status !== "ok") return [file, verdict.status, "", "", verdict.error];
  const { confirmation, runtime } = verdict;
  const us = runtime.medianUs.toFixed(2);
  if (!confirmation) return [file, "ok", us, `${(seedUs / runtime.medianUs).toFixed(3)}x`, "screened only"];
  const [low, high] = speedupInterval(confirmation);
  return [
    file,
    "ok",
    us,
    `${(2 ** -confirmation.logRatio).toFixed(3)}x`,
    `confirmed ${low.toFixed(3)}–${high.toFixed(3)}`,
  ];
}

/** Numbers to the right, words to the left. */
function pad(cell: string, column: number, width: number): string {
  return column === 2 || column === 3 ? cell.padStart(width) : cell.padEnd(width);
}
