import { join } from "node:path";
import {
  canonicalJson,
  KernelcastError,
  passTolerance,
  sha256Hex,
  type Kernel,
  type Measurement,
  type Task,
} from "../domain/index.ts";
import { unconfirmedKernels } from "../formats/select-kernels.ts";
import { passOrder, passRequestId } from "../formats/worker-requests.ts";
import { collectRuns, type WorkerRun } from "../formats/worker-responses.ts";
import { openWorkerDevice, workerDeviceKinds, type WorkerDeviceKind } from "../measure/open-worker-device.ts";
import type { WorkerDevice } from "../measure/worker-device.ts";
import { toWorkerTask } from "../measure/worker-messages.ts";
import { mapLimited } from "./map-limited.ts";
import { openPassFile, type PassFile } from "./pass-file.ts";
import { parseSpecification } from "./specification.ts";

export interface MeasurePassesOptions {
  readonly task: Task;
  readonly kernels: readonly Kernel[];
  /** `local[:INDEX]`, `ssh:HOST` or `command:LAUNCHER`. */
  readonly device: string;
  /** One pass, or two with a third one of the kernels where they disagree. */
  readonly passes: 1 | 2;
  /** Folder of the pass files. */
  readonly folder: string;
  readonly seed: number;
  readonly python?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** One line for people. */
  readonly onNote?: (line: string) => void;
}

/**
 * Measures kernels of a task in passes, each in a worker process of its own and in an order of its own; kernels whose two
 * passes differ by more than 3 % once more. Answers are kept in files as they come, named by what is measured, so that the
 * same call goes on where one was interrupted.
 */
export async function measurePasses(options: MeasurePassesOptions): Promise<WorkerRun[]> {
  const { kernels, passes, onNote } = options;
  const runs: WorkerRun[] = [];
  for (let pass = 1; pass <= passes; pass++) runs.push(await measurePass(options, kernels, pass));
  const disagreeing = passes === 2 ? disagreeingKernels(runs, kernels) : [];
  if (disagreeing.length === 0) return runs;
  onNote?.(`the passes of ${disagreeing.length} kernels differ by more than 3 %: measured a third time`);
  return [...runs, await measurePass(options, disagreeing, 3)];
}

function disagreeingKernels(runs: readonly WorkerRun[], kernels: readonly Kernel[]): Kernel[] {
  const ids = new Set(unconfirmedKernels(collectRuns(runs).measurements, passTolerance));
  return kernels.filter(({ kernelId }) => ids.has(kernelId));
}

async function measurePass(
  options: MeasurePassesOptions,
  kernels: readonly Kernel[],
  pass: number,
): Promise<WorkerRun> {
  const { task, seed, folder, onNote } = options;
  const file = openPassFile(join(folder, `${task.taskId}-${passKey(options)}-pass${pass}.jsonl`), pass);
  const done = new Set(file.read().answers.map((answer) => answer.kernel_id));
  const left = passOrder(task, kernels, { pass, seed }).filter(({ kernelId }) => !done.has(kernelId));
  if (left.length === 0) return file.read();
  const start = kernels.length - left.length;
  onNote?.(`pass ${pass}: ${start > 0 ? `${start} of ${kernels.length} are there already, ` : ""}${left.length} to go`);
  await measureAll(options, file, left, pass, start);
  return file.read();
}

async function measureAll(
  options: MeasurePassesOptions,
  file: PassFile,
  left: readonly Kernel[],
  pass: number,
  start: number,
): Promise<void> {
  const { task, signal, onNote } = options;
  const total = start + left.length;
  const kept = new Set<string>();
  const device = await openDevice(options, (id, result) => {
    file.append(id, result);
    kept.add(id);
  });
  try {
    const details = await device.details();
    requireSameDevice(file, details.device.name);
    file.append("describe", details);
    let count = start;
    await mapLimited(left, device.concurrency, async (kernel) => {
      const requestId = passRequestId(task, kernel, pass);
      const measurement = await device.measure({ requestId, task, kernel, mode: "screen" }, signal);
      // A kernel that cannot be launched, or that killed the worker each time, has no answer of the worker's own.
      if (!kept.has(requestId)) file.append(requestId, toAnswer(requestId, measurement));
      if (++count % 50 === 0 || count === total) onNote?.(`pass ${pass}: ${count} of ${total}`);
    });
  } catch (cause) {
    if (!signal?.aborted) throw cause;
    const message = `interrupted in pass ${pass}; the same command goes on from what is kept in ${file.path}`;
    throw new KernelcastError("interrupted", message, { cause });
  } finally {
    await device.close();
  }
}

/** A measurement that was concluded here in the form of a worker's answer; the device is named when it is read. */
function toAnswer(requestId: string, measurement: Measurement): unknown {
  const { kernelId, status, cost } = measurement;
  return {
    request_id: requestId,
    kernel_id: kernelId,
    device: "",
    status,
    ...(measurement.status === "ok" ? {} : { error: measurement.error }),
    cost: { gpu_seconds: cost.gpuSeconds, cpu_seconds: cost.cpuSeconds },
  };
}

/** Names what is measured, on what and in which order. */
function passKey({ task, kernels, device, seed }: MeasurePassesOptions): string {
  const ids = kernels.map(({ kernelId }) => kernelId).sort();
  return sha256Hex(canonicalJson({ task: toWorkerTask(task), ids, device, seed })).slice(0, 12);
}

function openDevice(
  { device, python, env, onNote }: MeasurePassesOptions,
  onAnswer: (requestId: string, result: unknown) => void,
): Promise<WorkerDevice> {
  const { kind, detail } = parseSpecification("device", device, workerDeviceKinds);
  return openWorkerDevice({
    kind: kind as WorkerDeviceKind,
    detail,
    onAnswer,
    ...(python === undefined ? {} : { python }),
    ...(env ? { env } : {}),
    ...(onNote ? { onNote } : {}),
  });
}

/** An interrupted pass goes on with the device that began it: two devices' runtimes are not one pass. */
function requireSameDevice(file: PassFile, found: string): void {
  const { device: begun } = file.read();
  if (!begun || begun.name === found) return;
  throw new KernelcastError(
    "device",
    `${file.path} was measured on ${begun.name}, but this is ${found}; go on there, or delete the file`,
  );
}
