import { join } from "node:path";
import { fileFault, KernelcastError, type Recording } from "../domain/index.ts";
import { additionTarget, addToRecording, type AdditionTarget } from "../formats/add-to-recording.ts";
import { loadRecording } from "../formats/load-recording.ts";
import { passAgreement, type PassAgreement } from "../formats/recording-info.ts";
import { recordingOfRuns, type RunReport } from "../formats/recording-of-runs.ts";
import { readWorkerRun, type WorkerRun } from "../formats/worker-responses.ts";
import { kernelsToAdd, type KernelsToAdd, type KernelsToAddRequest } from "./kernels-to-add.ts";
import { measurePasses, type MeasurePassesOptions } from "./measure-passes.ts";

/** What a user asks to be added to a recording. */
export interface AddKernelsRequest
  extends
    KernelsToAddRequest,
    Pick<MeasurePassesOptions, "device" | "passes" | "seed" | "python" | "env" | "signal" | "onNote"> {
  /** A recording, or a folder that is to become one. */
  readonly recording: string;
  readonly out?: string | undefined;
  readonly inPlace: boolean;
  /** Worker output by pass, where the kernels were measured already. */
  readonly passFiles: readonly (readonly string[])[];
}

/** What was added. Counts are of the kernels that this addition measured. */
export interface AddedKernels {
  readonly out: string;
  readonly kernels: number;
  readonly devices: Readonly<Record<string, AddedOnDevice>>;
  readonly conflicts: RunReport["conflicts"];
  readonly refused: RunReport["refused"];
  readonly strangers: number;
  readonly unmeasured: number;
  /** Measurements of the recording that were another pass of a kernel, said nothing new, or were a pass too many. */
  readonly outcomes: RunReport["outcomes"];
}

export interface AddedOnDevice {
  readonly measured: number;
  readonly ok: number;
  readonly failed: number;
  readonly passes: PassAgreement;
}

/**
 * Measures kernels, or takes what a worker said of them, and adds them to a recording. Rejects with `KernelcastError`; answers
 * of an interrupted measurement are kept, and the same request goes on from them.
 */
export async function addKernels(request: AddKernelsRequest): Promise<AddedKernels> {
  const target = await additionTarget(request);
  const base = target.base === undefined ? undefined : await loadRecording(target.base);
  const parts = await kernelsToAdd(request, base);
  const runs = await runsOf(request, parts, target);
  const { recording, tables, report } = recordingOfRuns({ name: target.folder, ...parts, runs });
  if (report.measured === 0) throw nothingMeasured(report, target.folder);
  const sum = await addToRecording(target, recording, tables, base);
  return {
    out: target.folder,
    kernels: sum.report.kernels - kernelCount(base),
    devices: countByDevice(sum.recording, recording),
    conflicts: [...report.conflicts, ...sum.report.conflicts],
    refused: report.refused,
    strangers: report.strangers,
    unmeasured: unmeasured(parts, report),
    outcomes: sum.report.outcomes,
  };
}

async function runsOf(
  request: AddKernelsRequest,
  { task, kernels, asked }: KernelsToAdd,
  target: AdditionTarget,
): Promise<WorkerRun[]> {
  const { passFiles } = request;
  if (passFiles.some((files) => files.length > 0)) {
    const named = passFiles.flatMap((files, index) => files.map((file) => ({ file, pass: index + 1 })));
    return Promise.all(named.map(({ file, pass }) => readRun(file, pass)));
  }
  if (!task || asked === 0) {
    throw new KernelcastError(
      "usage",
      "nothing to add: give --task with --kernels to measure, or worker output with --pass1 and --pass2",
    );
  }
  const wanted = kernels.slice(0, asked).map(({ kernel }) => kernel);
  return measurePasses({ ...request, task, kernels: wanted, folder: join(target.folder, "passes") });
}

async function readRun(file: string, pass: number): Promise<WorkerRun> {
  try {
    return await readWorkerRun(file, pass);
  } catch (cause) {
    if (KernelcastError.isInstance(cause)) throw cause;
    throw new KernelcastError("usage", `--pass${pass} ${file}: cannot be read: ${fileFault(cause)}`, { cause });
  }
}

function nothingMeasured({ strangers, refused }: RunReport, folder: string): KernelcastError {
  const [first] = refused;
  const why = first
    ? `the worker refused ${refused.length} requests: ${first.message}`
    : `${strangers} measurements are of other kernels; name these with --task and --kernels`;
  return new KernelcastError("recording", `nothing was added to ${folder}: ${why}`);
}

function kernelCount(recording: Recording | undefined): number {
  const taskIds = [...(recording?.tasks.keys() ?? [])];
  return taskIds.reduce((sum, taskId) => sum + (recording?.kernels(taskId).length ?? 0), 0);
}

function unmeasured({ kernels, asked }: KernelsToAdd, report: RunReport): number {
  const ids = new Set(kernels.slice(0, asked).map(({ kernel }) => kernel.kernelId));
  return report.unmeasured.filter(({ kernel }) => ids.has(kernel.kernelId)).length;
}

/** What the whole recording now says of the kernels that the addition measured. */
function countByDevice(whole: Recording, addition: Recording): AddedKernels["devices"] {
  const counts: Record<string, AddedOnDevice> = {};
  for (const device of addition.devices) {
    const measurements = [...addition.tasks.keys()].flatMap((taskId) => {
      const all = whole.measurements(taskId, device);
      return [...addition.measurements(taskId, device).keys()].flatMap((kernelId) => all.get(kernelId) ?? []);
    });
    const ok = measurements.filter(({ status }) => status === "ok").length;
    const failed = measurements.length - ok;
    counts[device] = { measured: measurements.length, ok, failed, passes: passAgreement(measurements) };
  }
  return counts;
}
