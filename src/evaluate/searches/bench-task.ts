import {
  recordedRuntimeUs,
  type Device,
  type OkMeasurement,
  type Proposer,
  type Recording,
  type Task,
} from "../../domain/index.ts";
import { randomOrderNeeds } from "../../formats/random-order.ts";
import { recordedDevice } from "../../measure/recorded-device.ts";
import { recordedProposer } from "../../propose/recorded-proposer.ts";

/** What is known of a task before any search: the figures that all searches of it are judged by. */
export interface TaskFacts {
  readonly taskId: string;
  /** Kernels that the device measured, the seed kernel included. */
  readonly kernels: number;
  readonly seedUs: number;
  /** Of the fastest kernel there is. */
  readonly bestUs: number;
  /** Mean number of measurements until one is within 5 % of that, in random order. */
  readonly randomOrderNeeds: number;
}

/** A recorded task that searches are run on; all share its device and its stream of proposals. */
export interface BenchTask {
  readonly task: Task;
  readonly recording: Recording;
  readonly device: Device;
  readonly deviceName: string;
  readonly proposer: Proposer;
  /** Recorded truth in µs of the kernels that work. */
  readonly truthUs: ReadonlyMap<string, number>;
  /** The seed kernel's time as a search first sees it. */
  readonly seedScreenUs: number;
}

/** What is to be known of the tasks; one where no kernel works or only one does cannot be searched and is left out. */
export function taskFacts(recording: Recording, deviceName: string, taskId: string): TaskFacts | undefined {
  const truthUs = truthOf(recording, taskId, deviceName);
  const seedUs = truthUs.get(recording.tasks.get(taskId)?.task.seedKernel.kernelId ?? "");
  const needs = randomOrderNeeds(recording, taskId, deviceName);
  if (seedUs === undefined || needs === undefined || truthUs.size < 2) return undefined;
  const kernels = recording.measurements(taskId, deviceName).size;
  return { taskId, kernels, seedUs, bestUs: Math.min(...truthUs.values()), randomOrderNeeds: needs };
}

/** Opens a task for searches. Throws where the recording lacks it or its seed kernel does not work. */
export function openBenchTask(recording: Recording, deviceName: string, taskId: string): BenchTask {
  const task = recording.tasks.get(taskId)?.task;
  const seed = task && recording.measurements(taskId, deviceName).get(task.seedKernel.kernelId);
  if (!task || !seed?.runtime) throw new Error(`task ${taskId} has no seed kernel that works on ${deviceName}`);
  return {
    task,
    recording,
    device: recordedDevice(recording, { device: deviceName }),
    deviceName,
    proposer: recordedProposer(recording, taskId, { device: deviceName }),
    truthUs: truthOf(recording, taskId, deviceName),
    seedScreenUs: seed.runtime.medianUs,
  };
}

function truthOf(recording: Recording, taskId: string, deviceName: string): Map<string, number> {
  const truth = new Map<string, number>();
  for (const [kernelId, measurement] of recording.measurements(taskId, deviceName)) {
    const us = recordedRuntimeUs(measurement);
    if (us !== undefined) truth.set(kernelId, us);
  }
  return truth;
}

/** A recorded truth as a measurement, for forecasters that are told of it. */
export function measuredTruth({ deviceName }: BenchTask, kernelId: string, us: number): OkMeasurement {
  const runtime = { medianUs: us, p10Us: us, p90Us: us, n: 1, samplesUs: [] };
  return { kernelId, device: deviceName, status: "ok", runtime, cost: { gpuSeconds: 0, cpuSeconds: 0 } };
}
