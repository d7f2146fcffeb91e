import type { DeviceInfo, RecordedKernel, RecordedMeasurement, Recording } from "../domain/index.ts";
import { addUpMeasurements, type AddedMeasurements } from "./combine-measurements.ts";
import { makeRecording } from "./make-recording.ts";
import type { TaskDraft } from "./recording-rows.ts";
import { mergeRunTables, type RunTables } from "./run-tables.ts";
import { collectRuns, toReceiptRows, toRunRow, type WorkerRun } from "./worker-responses.ts";

/** What workers were asked to measure, and what they answered. */
export interface MeasuredKernels {
  readonly name: string;
  readonly tasks: readonly TaskDraft[];
  readonly kernels: readonly RecordedKernel[];
  readonly runs: readonly WorkerRun[];
  readonly earlier?: EarlierMeasurements;
}

/** What a recording already holds of the kernels. */
export interface EarlierMeasurements {
  readonly devices: readonly DeviceInfo[];
  readonly measurements: readonly RecordedMeasurement[];
  readonly tables: RunTables;
}

/** What putting runs together found, for people. */
export interface RunReport extends Pick<AddedMeasurements, "outcomes" | "conflicts"> {
  /** Kernels with a measurement, and those without one. */
  readonly measured: number;
  readonly unmeasured: readonly RecordedKernel[];
  /** Measurements of kernels that are not among the kernels; they are left out. */
  readonly strangers: number;
  readonly refused: readonly { readonly id: string; readonly code: string; readonly message: string }[];
}

export interface RecordingOfRuns {
  readonly recording: Recording;
  readonly tables: RunTables;
  readonly report: RunReport;
}

/** The recording that workers' answers make of tasks and kernels, with its receipts. */
export function recordingOfRuns({ name, tasks, kernels, runs, earlier }: MeasuredKernels): RecordingOfRuns {
  const found = collectRuns(runs);
  const { measurements, ...sum } = addUpMeasurements([...(earlier?.measurements ?? []), ...found.measurements]);
  const owners = new Map(kernels.map(({ kernel, taskId }) => [kernel.kernelId, taskId]));
  const known = measurements.filter(({ kernelId }) => owners.has(kernelId));
  const measured = new Set(known.map(({ kernelId }) => kernelId));
  const devices = new Map((earlier?.devices ?? []).map((device) => [device.name, device]));
  for (const { device } of runs) if (device) devices.set(device.name, device);
  return {
    recording: makeRecording({ name, tasks, kernels, measurements: known, devices: [...devices.values()] }),
    tables: mergeRunTables([
      ...(earlier ? [earlier.tables] : []),
      {
        runs: runs.map(toRunRow),
        receipts: runs.flatMap((run) => toReceiptRows(run, (kernelId) => owners.get(kernelId))),
      },
    ]),
    report: {
      outcomes: found.outcomes,
      conflicts: [...found.conflicts, ...sum.conflicts],
      measured: measured.size,
      unmeasured: kernels.filter(({ kernel }) => !measured.has(kernel.kernelId)),
      strangers: measurements.length - known.length,
      refused: runs.flatMap(({ errors }) => errors),
    },
  };
}
