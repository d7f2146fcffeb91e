import { recordedRuntimeUs, type RecordedKernel, type RecordedMeasurement, type Recording } from "../domain/index.ts";

/** A measured kernel of a recording. */
export interface Known {
  readonly recorded: RecordedKernel;
  readonly measurement: RecordedMeasurement;
  readonly us: number | undefined;
}

/** The kernels of a task that a device measured, in recorded order. */
export function knownKernels(recording: Recording, taskId: string, device: string): Known[] {
  const measurements = recording.measurements(taskId, device);
  return recording.kernels(taskId).flatMap((recorded) => {
    const measurement = measurements.get(recorded.kernel.kernelId);
    return measurement ? [{ recorded, measurement, us: recordedRuntimeUs(measurement) }] : [];
  });
}
