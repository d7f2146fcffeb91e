import {
  KernelcastError,
  type DeviceInfo,
  type RecordedKernel,
  type RecordedMeasurement,
  type RecordedTask,
  type Recording,
} from "../domain/index.ts";
import { combineMeasurements } from "./combine-measurements.ts";
import type { TaskDraft } from "./recording-rows.ts";

/** The rows of a recording, in any order within a table. */
export interface RecordingContents {
  readonly name: string;
  readonly tasks: readonly TaskDraft[];
  readonly kernels: readonly RecordedKernel[];
  readonly measurements: readonly RecordedMeasurement[];
  readonly devices?: readonly DeviceInfo[];
}

/**
 * Puts rows together. Tasks without kernels are left out; several measurements of one kernel on one device add up
 * (`combineMeasurements`). Throws `KernelcastError("recording", …)` for ids that are doubled or lead nowhere.
 */
export function makeRecording(contents: RecordingContents): Recording {
  const { name } = contents;
  const drafts = uniqueTasks(contents);
  const owners = ownersOf(contents, drafts);
  const kernels = groupBy(contents.kernels, ({ taskId }) => taskId);
  checkParents(name, contents.kernels, owners);
  const tasks = new Map<string, RecordedTask>();
  for (const [taskId, draft] of drafts) {
    const ofTask = kernels.get(taskId);
    if (ofTask) tasks.set(taskId, toTask(name, draft, ofTask));
  }
  const measurements = groupMeasurements(contents, owners);
  const deviceInfos = new Map((contents.devices ?? []).map((device) => [device.name, device]));
  return {
    name,
    devices: [...new Set([...contents.measurements.map(({ device }) => device), ...deviceInfos.keys()])],
    deviceInfos,
    tasks,
    kernels: (taskId) => kernels.get(taskId) ?? [],
    measurements: (taskId, device) => measurements.get(taskId)?.get(device) ?? new Map(),
  };
}

function fault(name: string, message: string): KernelcastError {
  return new KernelcastError("recording", `${name}: ${message}`);
}

function uniqueTasks({ name, tasks }: RecordingContents): Map<string, TaskDraft> {
  const drafts = new Map<string, TaskDraft>();
  for (const task of tasks) {
    if (drafts.has(task.taskId)) throw fault(name, `tasks: "${task.taskId}" is there twice`);
    drafts.set(task.taskId, task);
  }
  return drafts;
}

function ownersOf({ name, kernels }: RecordingContents, tasks: ReadonlyMap<string, unknown>): Map<string, string> {
  const owners = new Map<string, string>();
  for (const { kernel, taskId } of kernels) {
    if (!tasks.has(taskId))
      throw fault(name, `kernels: ${kernel.kernelId} is of task "${taskId}", which is not in tasks`);
    if (owners.has(kernel.kernelId)) throw fault(name, `kernels: "${kernel.kernelId}" is there twice`);
    owners.set(kernel.kernelId, taskId);
  }
  return owners;
}

function checkParents(name: string, kernels: readonly RecordedKernel[], owners: ReadonlyMap<string, string>): void {
  for (const { kernel, parentId, taskId } of kernels) {
    if (parentId === null || owners.get(parentId) === taskId) continue;
    const why = owners.has(parentId) ? `is of task "${owners.get(parentId)}"` : "is not in kernels";
    throw fault(name, `kernels: the parent ${parentId} of ${kernel.kernelId} ${why}`);
  }
}

function toTask(name: string, draft: TaskDraft, kernels: readonly RecordedKernel[]): RecordedTask {
  const root = kernels.find(({ parentId }) => parentId === null);
  if (!root) throw fault(name, `kernels: task "${draft.taskId}" has no kernel without a parent to start from`);
  const task = { ...draft, seedKernel: root.kernel };
  return { task, ...(draft.split ? { split: draft.split } : {}) };
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

type MeasurementIndex = Map<string, Map<string, Map<string, RecordedMeasurement>>>;

function groupMeasurements(contents: RecordingContents, owners: ReadonlyMap<string, string>): MeasurementIndex {
  const index: MeasurementIndex = new Map();
  for (const measurement of contents.measurements) {
    const taskId = owners.get(measurement.kernelId);
    if (taskId === undefined) {
      throw fault(contents.name, `measurements: ${measurement.kernelId} is not in kernels`);
    }
    const ofTask = index.get(taskId) ?? new Map<string, Map<string, RecordedMeasurement>>();
    index.set(taskId, ofTask);
    const ofDevice = ofTask.get(measurement.device) ?? new Map<string, RecordedMeasurement>();
    ofTask.set(measurement.device, ofDevice);
    const earlier = ofDevice.get(measurement.kernelId);
    ofDevice.set(measurement.kernelId, earlier ? combineMeasurements(earlier, measurement).measurement : measurement);
  }
  return index;
}

/** The rows of a recording, the inverse of `makeRecording`. */
export function recordingContents(recording: Recording): RecordingContents {
  const taskIds = [...recording.tasks.keys()];
  return {
    name: recording.name,
    tasks: [...recording.tasks.values()].map(toDraft),
    kernels: taskIds.flatMap((taskId) => recording.kernels(taskId)),
    measurements: taskIds.flatMap((taskId) =>
      recording.devices.flatMap((device) => [...recording.measurements(taskId, device).values()]),
    ),
    devices: [...(recording.deviceInfos?.values() ?? [])],
  };
}

function toDraft({ task, split }: RecordedTask): TaskDraft {
  const { seedKernel: _seedKernel, ...draft } = task;
  return split ? { ...draft, split } : draft;
}
