import {
  canonicalJson,
  KernelcastError,
  type DeviceInfo,
  type RecordedForecast,
  type RecordedKernel,
  type RecordedMeasurement,
  type RecordedTask,
  type Recording,
} from "../domain/index.ts";
import { combineMeasurements } from "./combine-measurements.ts";
import { chooseSeed } from "./choose-seed.ts";
import type { TaskDraft } from "./recording-rows.ts";

/** The rows of a recording, in any order within a table. */
export interface RecordingContents {
  readonly name: string;
  readonly tasks: readonly TaskDraft[];
  readonly kernels: readonly RecordedKernel[];
  readonly measurements: readonly RecordedMeasurement[];
  readonly devices?: readonly DeviceInfo[];
  readonly forecasts?: readonly RecordedForecast[];
  /** Where a task, kernel or measurement stands in its file, for messages. */
  readonly places?: { get(item: object): string | undefined };
}

/**
 * Puts rows together. Tasks without kernels are left out; several measurements of one kernel on one device add up
 * (`combineMeasurements`), and equal tasks or kernels count once. Throws `KernelcastError("recording", …)` for ids that
 * mean two things or lead nowhere.
 */
export function makeRecording(contents: RecordingContents): Recording {
  const { name } = contents;
  const drafts = uniqueTasks(contents);
  const { owners, unique } = uniqueKernels(contents, drafts);
  const kernels = groupBy(unique, ({ taskId }) => taskId);
  checkParents(contents, unique, owners);
  const measurements = groupMeasurements(contents, owners);
  const tasks = new Map<string, RecordedTask>();
  for (const [taskId, draft] of drafts) {
    const recorded = toTask(draft, kernels.get(taskId) ?? [], measurements);
    if (recorded) tasks.set(taskId, recorded);
  }
  const deviceInfos = new Map((contents.devices ?? []).map((device) => [device.name, device]));
  return {
    name,
    devices: [...new Set([...contents.measurements.map(({ device }) => device), ...deviceInfos.keys()])],
    deviceInfos,
    tasks,
    kernels: (taskId) => kernels.get(taskId) ?? [],
    measurements: (taskId, device) => measurements.get(taskId)?.get(device) ?? new Map(),
    ...(contents.forecasts && contents.forecasts.length > 0 ? { forecasts: contents.forecasts } : {}),
  };
}

function fault({ name, places }: RecordingContents, item: object, message: string): KernelcastError {
  return new KernelcastError("recording", `${places?.get(item) ?? name}: ${message}`);
}

function doubled(
  contents: RecordingContents,
  what: string,
  id: string,
  first: object,
  second: object,
): KernelcastError {
  const earlier = contents.places?.get(first);
  const where = earlier === undefined ? "" : `, first at ${earlier}`;
  return fault(contents, second, `${what} "${id}" is there twice with different contents${where}; keep one of them`);
}

function isSame(first: object, second: object): boolean {
  return canonicalJson(first) === canonicalJson(second);
}

function uniqueTasks(contents: RecordingContents): Map<string, TaskDraft> {
  const drafts = new Map<string, TaskDraft>();
  for (const task of contents.tasks) {
    const earlier = drafts.get(task.taskId);
    if (earlier && !isSame(earlier, task)) throw doubled(contents, "task_id", task.taskId, earlier, task);
    if (!earlier) drafts.set(task.taskId, task);
  }
  return drafts;
}

interface UniqueKernels {
  readonly owners: ReadonlyMap<string, string>;
  readonly unique: readonly RecordedKernel[];
}

function uniqueKernels(contents: RecordingContents, tasks: ReadonlyMap<string, unknown>): UniqueKernels {
  const unique = new Map<string, RecordedKernel>();
  for (const recorded of contents.kernels) {
    const { kernel, taskId } = recorded;
    if (!tasks.has(taskId)) {
      throw fault(contents, recorded, `task_id: ${kernel.kernelId} is of task "${taskId}", which is not in tasks`);
    }
    const earlier = unique.get(kernel.kernelId);
    if (earlier && !isSame(earlier, recorded)) {
      throw doubled(contents, "kernel_id", kernel.kernelId, earlier, recorded);
    }
    if (!earlier) unique.set(kernel.kernelId, recorded);
  }
  return { unique: [...unique.values()], owners: new Map([...unique].map(([id, { taskId }]) => [id, taskId])) };
}

function checkParents(
  contents: RecordingContents,
  kernels: readonly RecordedKernel[],
  owners: ReadonlyMap<string, string>,
): void {
  for (const recorded of kernels) {
    const { kernel, parentId, taskId } = recorded;
    if (parentId === null || owners.get(parentId) === taskId) continue;
    const why = owners.has(parentId) ? `is of task "${owners.get(parentId)}"` : "is not in kernels";
    const advice = "name a kernel of the task, or null";
    throw fault(contents, recorded, `parent_id: the parent ${parentId} of ${kernel.kernelId} ${why}; ${advice}`);
  }
}

function toTask(
  draft: TaskDraft,
  kernels: readonly RecordedKernel[],
  measurements: MeasurementIndex,
): RecordedTask | undefined {
  const devices = [...(measurements.get(draft.taskId)?.values() ?? [])];
  const seedKernel = chooseSeed(kernels, (id) => devices.some((measured) => measured.get(id)?.status === "ok"));
  if (!seedKernel) return undefined;
  return { task: { ...draft, seedKernel }, ...(draft.split ? { split: draft.split } : {}) };
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
      throw fault(
        contents,
        measurement,
        `kernel_id: ${measurement.kernelId} is not in kernels; add it, or drop the row`,
      );
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
    forecasts: recording.forecasts ?? [],
  };
}

function toDraft({ task, split }: RecordedTask): TaskDraft {
  const { seedKernel: _seedKernel, ...draft } = task;
  return split ? { ...draft, split } : draft;
}
