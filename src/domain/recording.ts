import type { DeviceInfo } from "./device.ts";
import type { Kernel } from "./kernel.ts";
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

/** What one device said of one kernel, in up to two passes of different order. */
export interface RecordedMeasurement {
  readonly kernelId: string;
  readonly device: string;
  readonly status: MeasurementStatus;
  readonly error?: string;
  /** Present exactly when status is `ok`. */
  readonly runtime?: Runtime;
  readonly runtimePass2?: Runtime;
  readonly evidence?: Evidence;
  /** Device time that measuring took, both passes, in milliseconds. */
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
}

/** The recorded truth of an ok kernel: the geometric mean of the passes' medians, in µs. */
export function recordedRuntimeUs(measurement: RecordedMeasurement): number | undefined {
  const first = measurement.runtime?.medianUs;
  const second = measurement.runtimePass2?.medianUs;
  if (first === undefined || measurement.status !== "ok") return undefined;
  return second === undefined ? first : Math.sqrt(first * second);
}
