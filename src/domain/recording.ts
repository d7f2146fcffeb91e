import type { DeviceInfo } from "./device.ts";
import type { Kernel } from "./kernel.ts";
import type { RecordedForecast } from "./recorded-forecast.ts";
import type { Evidence, MeasurementStatus, Runtime } from "./measurement.ts";
import type { Split, Task } from "./task.ts";

/** A kernel of a recording with its place in the derivation tree. Its launches are resolved numbers. */
export interface RecordedKernel {
  readonly kernel: Kernel;
  readonly taskId: string;
  readonly parentId: string | null;
  readonly idea?: string;
  readonly origin?: string;
  readonly templateId?: string;
}

/** What one device said of one kernel, in up to three passes: two of different order, a third where those disagree. */
export interface RecordedMeasurement {
  readonly kernelId: string;
  readonly device: string;
  readonly status: MeasurementStatus;
  readonly error?: string;
  /** Present exactly when status is `ok`. */
  readonly runtime?: Runtime;
  readonly runtimePass2?: Runtime;
  readonly runtimePass3?: Runtime;
  readonly evidence?: Evidence;
  /** Device time that measuring took, all passes, in milliseconds. */
  readonly gpuMs?: number;
}

/** A task of a recording. `task.seedKernel` is a root of the derivation tree where one is ok (see `chooseSeed`). */
export interface RecordedTask {
  readonly task: Task;
  readonly split?: Split;
}

/** Tasks, kernels and measurements in memory; loaded from JSON Lines or Parquet by `formats/`. */
export interface Recording {
  /** Path or name that the user gave. */
  readonly name: string;
  /** Device names in order of first appearance. */
  readonly devices: readonly string[];
  /** What is known of those devices, by name; may lack some. */
  readonly deviceInfos?: ReadonlyMap<string, DeviceInfo>;
  readonly tasks: ReadonlyMap<string, RecordedTask>;
  /** In recorded order; empty for an unknown task. */
  kernels(taskId: string): readonly RecordedKernel[];
  /** By kernel id; empty for an unknown task or device. */
  measurements(taskId: string, device: string): ReadonlyMap<string, RecordedMeasurement>;
  /** What forecasters said of the kernels, in recorded order, where that was kept. */
  readonly forecasts?: readonly RecordedForecast[];
}

/** The passes of a measurement, in order. */
export function recordedPasses({ runtime, runtimePass2, runtimePass3 }: RecordedMeasurement): Runtime[] {
  return [runtime, runtimePass2, runtimePass3].filter((pass) => pass !== undefined);
}

/** One value of those of up to three passes: the geometric mean of two, the median of three; NaN of none. */
export function overPasses(values: readonly number[]): number {
  const [first = Number.NaN, second, third] = values;
  if (second === undefined) return first;
  return third === undefined ? Math.sqrt(first * second) : (values.toSorted((a, b) => a - b)[1] as number);
}

/** The recorded truth of an ok kernel in µs: its passes' medians, taken together by `overPasses`. */
export function recordedRuntimeUs(measurement: RecordedMeasurement): number | undefined {
  if (measurement.runtime === undefined || measurement.status !== "ok") return undefined;
  return overPasses(recordedPasses(measurement).map(({ medianUs }) => medianUs));
}

/** Passes that differ by more than this share call for a third one. */
export const passTolerance = 0.03;

/** How much the slower of the first two passes is above the faster one, for instance 0.004; undefined without two. */
export function passDifference({ runtime, runtimePass2 }: RecordedMeasurement): number | undefined {
  return runtime && runtimePass2 && excess(runtime, runtimePass2);
}

/**
 * How far apart the two passes are that agree best; the same as `passDifference` without a third. Above `passTolerance` the
 * recorded truth is not confirmed.
 */
export function confirmedDifference(measurement: RecordedMeasurement): number | undefined {
  const passes = recordedPasses(measurement);
  const differences = passes.flatMap((pass, index) => passes.slice(index + 1).map((other) => excess(pass, other)));
  return differences.length === 0 ? undefined : Math.min(...differences);
}

function excess(first: Runtime, second: Runtime): number {
  const ratio = first.medianUs / second.medianUs;
  return Math.max(ratio, 1 / ratio) - 1;
}

/** The device that measured most kernels of the recording, the first of several; undefined where none measured any. */
export function mainDevice(recording: Recording): string | undefined {
  const counts = recording.devices.map((device) => measurementCount(recording, device));
  const most = Math.max(0, ...counts);
  return most === 0 ? undefined : recording.devices[counts.indexOf(most)];
}

function measurementCount(recording: Recording, device: string): number {
  return [...recording.tasks.keys()].reduce((sum, taskId) => sum + recording.measurements(taskId, device).size, 0);
}
