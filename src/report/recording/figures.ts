import {
  confirmedDifference,
  mainDevice,
  passDifference,
  recordedRuntimeUs,
  type FailureStatus,
  type Kernel,
  type RecordedMeasurement,
  type Recording,
  type Split,
} from "../../domain/index.ts";
import { deviceAgreement, type DeviceAgreement } from "../../formats/device-agreement.ts";
import { randomOrderNeeds } from "../../formats/random-order.ts";
import { kernelDepths } from "../../formats/recording-info.ts";

/** What the plots show of one task, on the main device. */
export interface TaskFigures {
  readonly taskId: string;
  readonly family: string;
  readonly split: Split | undefined;
  readonly kernels: number;
  readonly measured: number;
  /** log2(runtime / best) of the ok kernels, ascending, and of the seed. */
  readonly spread: readonly number[];
  readonly seed: number | undefined;
  readonly failures: ReadonlyMap<FailureStatus, number>;
  /** Steps from the root, of each kernel. */
  readonly depths: readonly number[];
  /** Mean number of measurements in random order to within 5 % of the best. */
  readonly randomOrder: number | undefined;
}

/** The passes of one ok kernel. */
export interface PassFigures {
  readonly device: string;
  readonly runtimeUs: number;
  /** Share by which the slower of the first two is above the faster one, and the same after a third pass. */
  readonly difference: number;
  readonly confirmed: number;
}

/** What a compiler said of one ok kernel beside how it did. */
export interface EvidenceFigures {
  readonly registers: number | undefined;
  /** Bytes of shared memory per block, static and dynamic. */
  readonly sharedMemory: number | undefined;
  readonly occupancy: number | undefined;
  /** log2(runtime / the task's best). */
  readonly aboveBest: number;
}

/** Everything that the plots of a recording show. */
export interface RecordingFigures {
  readonly name: string;
  readonly device: string;
  readonly tasks: readonly TaskFigures[];
  readonly passes: readonly PassFigures[];
  readonly evidence: readonly EvidenceFigures[];
  /** The main device against each other one. */
  readonly agreements: readonly DeviceAgreement[];
}

export function recordingFigures(recording: Recording): RecordingFigures {
  const device = mainDevice(recording) ?? "";
  const taskIds = [...recording.tasks.keys()];
  return {
    name: recording.name,
    device,
    tasks: taskIds.map((taskId) => taskFigures(recording, taskId, device)),
    passes: recording.devices.flatMap((one) => taskIds.flatMap((taskId) => passFigures(recording, taskId, one))),
    evidence: taskIds.flatMap((taskId) => evidenceFigures(recording, taskId, device)),
    agreements: recording.devices
      .filter((other) => other !== device)
      .map((other) => deviceAgreement(recording, device, other))
      .filter(({ kernels }) => kernels > 0),
  };
}

function taskFigures(recording: Recording, taskId: string, device: string): TaskFigures {
  const recorded = recording.tasks.get(taskId);
  const measurements = recording.measurements(taskId, device);
  const above = aboveBest(measurements);
  const failures = new Map<FailureStatus, number>();
  for (const { status } of measurements.values()) {
    if (status !== "ok") failures.set(status, (failures.get(status) ?? 0) + 1);
  }
  return {
    taskId,
    family: recorded?.task.family ?? taskId,
    split: recorded?.split,
    kernels: recording.kernels(taskId).length,
    measured: measurements.size,
    spread: [...above.values()].sort((a, b) => a - b),
    seed: above.get(recorded?.task.seedKernel.kernelId ?? ""),
    failures,
    depths: [...kernelDepths(recording, taskId).values()],
    randomOrder: randomOrderNeeds(recording, taskId, device),
  };
}

/** log2(runtime / best) by kernel id. */
function aboveBest(measurements: ReadonlyMap<string, RecordedMeasurement>): Map<string, number> {
  const runtimes = [...measurements.values()].flatMap((measurement): [string, number][] => {
    const us = recordedRuntimeUs(measurement);
    return us === undefined ? [] : [[measurement.kernelId, us]];
  });
  const best = Math.min(...runtimes.map(([, us]) => us));
  return new Map(runtimes.map(([kernelId, us]) => [kernelId, Math.log2(us / best)]));
}

function passFigures(recording: Recording, taskId: string, device: string): PassFigures[] {
  return [...recording.measurements(taskId, device).values()].flatMap((measurement): PassFigures[] => {
    const [difference, confirmed] = [passDifference(measurement), confirmedDifference(measurement)];
    const runtimeUs = recordedRuntimeUs(measurement);
    if (difference === undefined || confirmed === undefined || runtimeUs === undefined) return [];
    return [{ device, runtimeUs, difference, confirmed }];
  });
}

function evidenceFigures(recording: Recording, taskId: string, device: string): EvidenceFigures[] {
  const measurements = recording.measurements(taskId, device);
  const above = aboveBest(measurements);
  return recording.kernels(taskId).flatMap(({ kernel }): EvidenceFigures[] => {
    const ratio = above.get(kernel.kernelId);
    const evidence = measurements.get(kernel.kernelId)?.evidence;
    if (ratio === undefined || !evidence) return [];
    const { regs, staticSmem, occupancy } = evidence;
    const sharedMemory = staticSmem === undefined ? undefined : staticSmem + dynamicSharedMemory(kernel);
    return [{ registers: regs, sharedMemory, occupancy, aboveBest: ratio }];
  });
}

/** Of the launch that asks for most; launches of a recording are numbers. */
function dynamicSharedMemory({ launches }: Kernel): number {
  return Math.max(0, ...launches.map(({ smemBytes }) => (typeof smemBytes === "number" ? smemBytes : 0)));
}
