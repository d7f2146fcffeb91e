import { addSpending, KernelcastError, noSpending } from "../domain/index.ts";
import type { Anchor, Device, Kernel, Measurement, OkMeasurement, Spending, Task } from "../domain/index.ts";
import { mapLimited } from "../serve/map-limited.ts";

/** A kernel to measure, with the file that it came from. */
export interface NamedKernel {
  readonly file: string;
  readonly kernel: Kernel;
}

/** What a device said of one kernel: screened, and confirmed against the seed where that makes sense. */
export interface MeasuredKernel extends NamedKernel {
  readonly screened: Measurement;
  readonly confirmed?: Measurement;
}

export interface MeasuredKernels {
  readonly seed: OkMeasurement;
  readonly kernels: readonly MeasuredKernel[];
  readonly spent: Spending;
}

/** A confirmation alternates with the seed, so it is meant for kernels within this factor of it. */
const confirmWithin = 4;

/** Throws `KernelcastError("task", …)` when the seed itself fails: then nothing can be compared. */
export async function measureKernels(
  device: Device,
  task: Task,
  named: readonly NamedKernel[],
  signal: AbortSignal,
): Promise<MeasuredKernels> {
  const seed = await measureSeed(device, task, signal);
  const anchor: Anchor = { kernel: task.seedKernel, measurement: seed };
  const kernels = await mapLimited(named, device.concurrency, async (item, index) =>
    measureOne(device, task, anchor, item, index, signal),
  );
  const measurements = [
    seed,
    ...kernels.flatMap(({ screened, confirmed }) => (confirmed ? [screened, confirmed] : [screened])),
  ];
  return { seed, kernels, spent: measurements.reduce((spent, { cost }) => addSpending(spent, cost), noSpending) };
}

async function measureSeed(device: Device, task: Task, signal: AbortSignal): Promise<OkMeasurement> {
  const request = { requestId: "seed", task, kernel: task.seedKernel, mode: "screen" } as const;
  const measurement = await device.measure(request, signal);
  if (measurement.status === "ok") return measurement;
  throw new KernelcastError(
    "task",
    `the seed of ${task.taskId} fails on ${device.name} (${measurement.status}): ${measurement.error}`,
  );
}

async function measureOne(
  device: Device,
  task: Task,
  anchor: Anchor,
  item: NamedKernel,
  index: number,
  signal: AbortSignal,
): Promise<MeasuredKernel> {
  const request = { task, kernel: item.kernel, anchor } as const;
  const screened = await device.measure({ ...request, requestId: `${index}:screen`, mode: "screen" }, signal);
  if (screened.status !== "ok") return { ...item, screened };
  const ratio = screened.runtime.medianUs / anchor.measurement.runtime.medianUs;
  if (ratio > confirmWithin || ratio < 1 / confirmWithin) return { ...item, screened };
  const confirmed = await device.measure({ ...request, requestId: `${index}:confirm`, mode: "confirm" }, signal);
  return { ...item, screened, confirmed };
}

/** The verdict on a kernel: the confirmation's where there is one. */
export function verdictOf({ screened, confirmed }: MeasuredKernel): Measurement {
  return confirmed ?? screened;
}
