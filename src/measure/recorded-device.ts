import {
  KernelcastError,
  mainDevice,
  recordedPasses,
  type CompileOutcome,
  type Device,
  type Kernel,
  type Measurement,
  type MeasurementCost,
  type RecordedMeasurement,
  type Recording,
} from "../domain/index.ts";
import { allPasses, recordedConfirmation } from "./recorded-confirmation.ts";
import { recordedDeviceInfo } from "./recorded-device-figures.ts";

export interface RecordedDeviceOptions {
  /** Name of one of the recording's devices, or a part that only one has (`H100`); by default the one that measured most. */
  readonly device?: string;
  /** How many measurements may overlap; a recording stands for one device, so 1 by default. */
  readonly concurrency?: number;
  /**
   * What a kernel is that was not measured on this device: wrong use, which throws (the default), or, for proposers that write
   * kernels, one that does not compile here.
   */
  readonly unmeasured?: "throw" | "fail";
}

/** Cost of a measurement whose recording does not say: fixed part and per sample (flush, refresh), in seconds. */
const assumedCost = { fixedSeconds: 0.02, perSampleSeconds: 0.0005, compileSeconds: 0.3 } as const;

/**
 * A device that answers from a recording, in virtual time: `screen` gives the first pass, `confirm` all passes and their
 * ratio to the anchor's. A kernel that was not measured on this device is wrong use and throws
 * `KernelcastError("device", …)`, unless `unmeasured` says otherwise.
 */
export function recordedDevice(recording: Recording, options: RecordedDeviceOptions = {}): Device {
  const device = chooseDevice(recording, options.device);
  const find = (taskId: string, kernelId: string): RecordedMeasurement => {
    const found = recording.measurements(taskId, device).get(kernelId);
    if (found) return found;
    throw new KernelcastError("device", whyUnmeasured(recording, taskId, device, kernelId));
  };
  return {
    name: `recorded:${recording.name}${options.device === undefined ? "" : `#${options.device}`}`,
    time: "virtual",
    concurrency: options.concurrency ?? 1,
    describe: () => Promise.resolve(recordedDeviceInfo(recording, device)),
    compile: async (task, kernels, signal) => {
      signal?.throwIfAborted();
      return kernels.map((kernel) => {
        const { kernelId } = kernel;
        const known = recording.measurements(task.taskId, device).has(kernelId);
        if (known || options.unmeasured !== "fail") return toOutcome(kernel, find(task.taskId, kernelId));
        return { kernelId, ok: false, error: `not measured on ${device} in the recording ${recording.name}` };
      });
    },
    measure: async (request, signal) => {
      signal?.throwIfAborted();
      const { taskId } = request.task;
      const measurement = find(taskId, request.kernel.kernelId);
      const confirms = request.mode === "confirm" ? request.anchor : undefined;
      return answer(measurement, confirms && find(taskId, confirms.kernel.kernelId));
    },
    close: () => Promise.resolve(),
  };
}

function whyUnmeasured(recording: Recording, taskId: string, device: string, kernelId: string): string {
  const { name } = recording;
  if (recording.measurements(taskId, device).size > 0) {
    return `kernel ${kernelId} of task ${taskId} was not measured on ${device} in the recording ${name}; a search takes kernels that were with --proposer recorded, and a live device measures any`;
  }
  const others = recording.devices.filter((other) => recording.measurements(taskId, other).size > 0);
  const advice =
    others.length > 0 ? `name another with recorded:${name}#DEVICE (${others.join(", ")})` : "use a live device";
  return `no kernel of task ${taskId} was measured on ${device} in the recording ${name}; ${advice}`;
}

function chooseDevice(recording: Recording, wanted: string | undefined): string {
  if (wanted !== undefined) return findDevice(recording, wanted);
  const main = mainDevice(recording);
  if (main === undefined) throw new KernelcastError("device", `${recording.name}: the recording holds no measurements`);
  return main;
}

/** The device of a recording with a name, or the only one whose name holds it. Throws `KernelcastError("device", …)`. */
export function findDevice({ devices, name }: Recording, wanted: string): string {
  const known = devices.join(", ");
  if (devices.includes(wanted)) return wanted;
  const matches = devices.filter((device) => device.toLowerCase().includes(wanted.toLowerCase()));
  if (matches.length === 1) return matches[0] as string;
  const why = matches.length === 0 ? "is not in the recording" : "fits several devices of the recording";
  throw new KernelcastError("device", `${name}: device "${wanted}" ${why} (it has: ${known})`);
}

function toOutcome({ kernelId }: Kernel, measurement: RecordedMeasurement): CompileOutcome {
  return measurement.status === "compile_error"
    ? { kernelId, ok: false, error: measurement.error ?? "compile: no message was recorded" }
    : { kernelId, ok: true, evidence: measurement.evidence ?? {} };
}

/** `anchor` is present exactly when the request confirms. */
function answer(measurement: RecordedMeasurement, anchor: RecordedMeasurement | undefined): Measurement {
  const { kernelId, device, status, evidence } = measurement;
  const cost = anchor ? confirmCost(measurement, anchor) : screenCost(measurement);
  const base = { kernelId, device, cost, ...(evidence ? { evidence } : {}) };
  const runtime = anchor ? allPasses(measurement) : measurement.runtime;
  if (status !== "ok") {
    return { ...base, status, error: measurement.error ?? `${status}: no message was recorded` };
  }
  if (!runtime) throw new KernelcastError("recording", `kernel ${kernelId} is ok on ${device} but has no runtime`);
  if (!anchor || anchor.status !== "ok") return { ...base, status, runtime };
  return { ...base, status, runtime, confirmation: recordedConfirmation(measurement, anchor) };
}

/** Device time of screening a recorded kernel, as recorded or as its samples tell. */
export function screeningSeconds(measurement: RecordedMeasurement): number {
  return screenCost(measurement).gpuSeconds;
}

function screenCost(measurement: RecordedMeasurement): MeasurementCost {
  const passes = Math.max(1, recordedPasses(measurement).length);
  const compileMs = measurement.evidence?.compileMs;
  return {
    gpuSeconds: gpuSeconds(measurement) / passes,
    cpuSeconds: compileMs === undefined ? assumedCost.compileSeconds : compileMs / 1000,
  };
}

/** A confirmation times the anchor as often as the kernel; both are compiled already. */
function confirmCost(measurement: RecordedMeasurement, anchor: RecordedMeasurement): MeasurementCost {
  return { gpuSeconds: gpuSeconds(measurement) + gpuSeconds(anchor), cpuSeconds: 0 };
}

/** Of all recorded passes. */
function gpuSeconds(measurement: RecordedMeasurement): number {
  if (measurement.gpuMs !== undefined) return measurement.gpuMs / 1000;
  if (measurement.status === "compile_error") return 0;
  const samples = recordedPasses(measurement).map(
    ({ n, medianUs }) => n * (medianUs * 1e-6 + assumedCost.perSampleSeconds),
  );
  return samples.reduce((sum, seconds) => sum + seconds, assumedCost.fixedSeconds);
}
