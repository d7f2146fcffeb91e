import {
  confirmedDifference,
  mainDevice,
  passDifference,
  passTolerance,
  recordedRuntimeUs,
  type RecordedMeasurement,
  type Recording,
  type Split,
} from "../domain/index.ts";
import { constantFreeText } from "./kernel-structure.ts";

/** Numbers of kernels by verdict. */
export interface VerdictCounts {
  readonly measured: number;
  readonly ok: number;
  readonly failed: number;
}

/** How well the first two passes of one device agree: the slower one's excess as a share, for instance 0.004. */
export interface PassAgreement {
  readonly kernels: number;
  readonly median: number | null;
  readonly p90: number | null;
  /** Kernels whose first two passes differ by more than 3 %. */
  readonly over3Percent: number;
  /** Kernels that were measured a third time. */
  readonly thirdPasses: number;
  /** Kernels no two passes of which agree to 3 %. */
  readonly unconfirmed: number;
}

export interface TaskInfo extends VerdictCounts {
  readonly taskId: string;
  readonly family: string;
  readonly split: Split | null;
  readonly kernels: number;
  readonly templates: number;
  /** Share of kernels that differ from another one in numbers only. */
  readonly constantShare: number;
  /** Longest path from a root, in steps. */
  readonly depth: number;
  readonly seedUs: number | null;
  readonly bestUs: number | null;
  readonly worstUs: number | null;
}

export interface DeviceSummary extends VerdictCounts {
  readonly passes: PassAgreement;
}

export interface SplitSummary {
  readonly tasks: number;
  readonly families: number;
  readonly kernels: number;
}

/**
 * Counts of a recording. `measured` counts kernels with a measurement on any device, `ok` those that are ok wherever
 * they were measured; `byTask` looks at the device that measured most, `mainDevice`.
 */
export interface RecordingInfo extends VerdictCounts {
  readonly mainDevice: string | null;
  readonly tasks: number;
  readonly families: number;
  readonly kernels: number;
  readonly devices: Readonly<Record<string, DeviceSummary>>;
  readonly splits: Readonly<Record<string, SplitSummary>>;
  readonly byTask: readonly TaskInfo[];
  /** Kept forecasts by forecaster; empty where there are none. */
  readonly forecasts: Readonly<Record<string, ForecastCounts>>;
}

export interface ForecastCounts {
  readonly forecasts: number;
  /** Different kernels that they are of. */
  readonly kernels: number;
}

export function recordingInfo(recording: Recording): RecordingInfo {
  const taskIds = [...recording.tasks.keys()];
  const verdicts = taskIds.flatMap((taskId) => [...kernelVerdicts(recording, taskId).values()]);
  const main = mainDevice(recording);
  return {
    mainDevice: main ?? null,
    tasks: taskIds.length,
    families: new Set([...recording.tasks.values()].map(({ task }) => task.family)).size,
    kernels: taskIds.reduce((sum, taskId) => sum + recording.kernels(taskId).length, 0),
    ...countVerdicts(verdicts),
    devices: Object.fromEntries(recording.devices.map((device) => [device, summariseDevice(recording, device)])),
    splits: summariseSplits(recording),
    byTask: taskIds.map((taskId) => summariseTask(recording, taskId, main ?? "")),
    forecasts: countForecasts(recording),
  };
}

function countForecasts({ forecasts = [] }: Recording): Record<string, ForecastCounts> {
  const names = [...new Set(forecasts.map(({ forecaster }) => forecaster))];
  return Object.fromEntries(
    names.map((name) => {
      const own = forecasts.filter(({ forecaster }) => forecaster === name);
      return [name, { forecasts: own.length, kernels: new Set(own.map(({ forecast }) => forecast.kernelId)).size }];
    }),
  );
}

/** By kernel: whether it is ok on every device that measured it. */
function kernelVerdicts(recording: Recording, taskId: string): Map<string, boolean> {
  const verdicts = new Map<string, boolean>();
  for (const device of recording.devices) {
    for (const { kernelId, status } of recording.measurements(taskId, device).values()) {
      verdicts.set(kernelId, (verdicts.get(kernelId) ?? true) && status === "ok");
    }
  }
  return verdicts;
}

function countVerdicts(verdicts: readonly boolean[]): VerdictCounts {
  const ok = verdicts.filter(Boolean).length;
  return { measured: verdicts.length, ok, failed: verdicts.length - ok };
}

function measurementsOf(recording: Recording, device: string): RecordedMeasurement[] {
  return [...recording.tasks.keys()].flatMap((taskId) => [...recording.measurements(taskId, device).values()]);
}

function summariseDevice(recording: Recording, device: string): DeviceSummary {
  const measurements = measurementsOf(recording, device);
  return {
    ...countVerdicts(measurements.map(({ status }) => status === "ok")),
    passes: passAgreement(measurements),
  };
}

/** Agreement of the passes of those measurements that have two. */
export function passAgreement(measurements: readonly RecordedMeasurement[]): PassAgreement {
  const differences = measurements
    .map(passDifference)
    .filter((difference) => difference !== undefined)
    .sort((a, b) => a - b);
  const at = (share: number): number | null => differences[Math.floor(share * (differences.length - 1))] ?? null;
  return {
    kernels: differences.length,
    median: at(0.5),
    p90: at(0.9),
    over3Percent: differences.filter((difference) => difference > passTolerance).length,
    thirdPasses: measurements.filter(({ runtimePass3 }) => runtimePass3).length,
    unconfirmed: measurements.filter((one) => (confirmedDifference(one) ?? 0) > passTolerance).length,
  };
}

function summariseSplits(recording: Recording): Record<string, SplitSummary> {
  const splits: Record<string, SplitSummary> = {};
  for (const name of ["train", "validation", "test"] as const) {
    const tasks = [...recording.tasks.values()].filter(({ split }) => split === name);
    if (tasks.length === 0) continue;
    splits[name] = {
      tasks: tasks.length,
      families: new Set(tasks.map(({ task }) => task.family)).size,
      kernels: tasks.reduce((sum, { task }) => sum + recording.kernels(task.taskId).length, 0),
    };
  }
  return splits;
}

function summariseTask(recording: Recording, taskId: string, device: string): TaskInfo {
  const recorded = recording.tasks.get(taskId);
  const kernels = recording.kernels(taskId);
  const measurements = recording.measurements(taskId, device);
  const structures = new Set(kernels.map(({ kernel }) => constantFreeText(kernel.source)));
  return {
    taskId,
    family: recorded?.task.family ?? taskId,
    split: recorded?.split ?? null,
    kernels: kernels.length,
    ...countVerdicts([...measurements.values()].map(({ status }) => status === "ok")),
    templates: new Set(kernels.flatMap(({ templateId }) => templateId ?? [])).size,
    constantShare: kernels.length === 0 ? 0 : 1 - structures.size / kernels.length,
    depth: treeDepth(recording, taskId),
    ...runtimeRange([...measurements.values()], recorded?.task.seedKernel.kernelId),
  };
}

function runtimeRange(
  measurements: readonly RecordedMeasurement[],
  seedId: string | undefined,
): Pick<TaskInfo, "seedUs" | "bestUs" | "worstUs"> {
  const seed = measurements.find(({ kernelId }) => kernelId === seedId);
  const runtimes = measurements
    .map(recordedRuntimeUs)
    .filter((us) => us !== undefined)
    .sort((a, b) => a - b);
  return {
    seedUs: (seed && recordedRuntimeUs(seed)) ?? null,
    bestUs: runtimes[0] ?? null,
    worstUs: runtimes.at(-1) ?? null,
  };
}

function treeDepth(recording: Recording, taskId: string): number {
  // Not by spreading into one call: a task may have more kernels than a call takes arguments.
  return [...kernelDepths(recording, taskId).values()].reduce((deepest, depth) => Math.max(deepest, depth), 0);
}

/**
 * By kernel id the steps from its root; a circle counts as deep as it is long. Iterates, as a chain may be thousands long.
 */
export function kernelDepths(recording: Recording, taskId: string): Map<string, number> {
  const parents = new Map(recording.kernels(taskId).map(({ kernel, parentId }) => [kernel.kernelId, parentId]));
  const depths = new Map<string, number>();
  for (const start of parents.keys()) {
    const path = new Set<string>();
    let at: string | null = start;
    while (at !== null && !depths.has(at) && !path.has(at)) {
      path.add(at);
      at = parents.get(at) ?? null;
    }
    let depth = at === null ? -1 : (depths.get(at) ?? -1);
    for (const id of [...path].reverse()) depths.set(id, ++depth);
  }
  return depths;
}
