import { setImmediate } from "node:timers/promises";
import { KernelcastError, type DeviceInfo, type Forecaster, type Recording } from "../domain/index.ts";
import { constantPOk, constantPrior } from "../forecast/baseline/baseline-forecaster.ts";
import { judgeForecaster, type JudgedAnswers, type JudgeOptions } from "./judge-forecaster.ts";
import { pairedDifferences, type PairedDifferences } from "./paired-differences.ts";
import type { View } from "./plan-view.ts";
import { scoreTasks, type ForecastScores } from "./score-tasks.ts";

export interface EvaluateOptions {
  readonly device: DeviceInfo;
  readonly taskIds: readonly string[];
  readonly view: View;
  readonly evidence: boolean;
  /** Most kernels of a task that are asked for; by default all. */
  readonly perTask?: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** Told before each task which forecaster is at it. */
  readonly onTask?: (label: string, taskId: string, done: number, all: number) => void;
}

/** A forecaster under the name that the user gave it. */
export interface NamedForecaster {
  readonly label: string;
  readonly forecaster: Forecaster;
  /** Asked for by nobody, shown beside the others. */
  readonly isBaseline: boolean;
}

/** One forecaster's scores and answers. */
export interface Evaluation {
  readonly label: string;
  readonly isBaseline: boolean;
  readonly judged: readonly JudgedAnswers[];
  readonly scores: ForecastScores;
  /** Against the first forecaster; undefined for that one. */
  readonly paired: PairedDifferences | undefined;
}

export interface Evaluations {
  readonly evaluations: readonly Evaluation[];
  /** Tasks that could not be judged: their seed kernel, or all others, have no time on the device. */
  readonly leftOut: readonly string[];
}

/**
 * Asks every forecaster for the same kernels in the same situations, and scores them. Deterministic but for the time taken.
 * Throws `KernelcastError("recording", …)` where no task can be judged.
 */
export async function evaluateForecasters(
  forecasters: readonly NamedForecaster[],
  recording: Recording,
  options: EvaluateOptions,
): Promise<Evaluations> {
  const { device, seed } = options;
  const taskIds = options.taskIds.filter((taskId) => workingKernels(recording, taskId, device.name) > 1);
  if (taskIds.length === 0) {
    const tasks = options.taskIds.length === 1 ? `task ${options.taskIds[0]}` : `${options.taskIds.length} tasks`;
    throw new KernelcastError(
      "recording",
      `${recording.name}: nothing to judge by: in ${tasks} no two kernels have a time on ${device.name}`,
    );
  }
  const evaluations: Evaluation[] = [];
  for (const named of forecasters) {
    const judged = await judgeTasks(named, recording, { ...options, taskIds });
    const scores = scoreTasks(judged, seed);
    const [first] = evaluations;
    const paired = first && pairedDifferences(first.scores, scores, seed);
    evaluations.push({ label: named.label, isBaseline: named.isBaseline, judged, scores, paired });
  }
  return { evaluations, leftOut: options.taskIds.filter((taskId) => !taskIds.includes(taskId)) };
}

function workingKernels(recording: Recording, taskId: string, device: string): number {
  return [...recording.measurements(taskId, device).values()].filter(({ runtime }) => runtime !== undefined).length;
}

async function judgeTasks(
  { label, forecaster }: NamedForecaster,
  recording: Recording,
  { taskIds, onTask, ...options }: EvaluateOptions,
): Promise<JudgedAnswers[]> {
  const common: Omit<JudgeOptions, "taskId"> = { ...options, prior: { ...constantPrior, pOk: constantPOk } };
  const judged: JudgedAnswers[] = [];
  for (const [done, taskId] of taskIds.entries()) {
    // A forecaster that only computes lets no signal through; here one may come.
    await setImmediate();
    options.signal?.throwIfAborted();
    onTask?.(label, taskId, done, taskIds.length);
    const answers = await judgeForecaster(forecaster, recording, { ...common, taskId });
    if (answers) judged.push(answers);
  }
  return judged;
}
