import { setImmediate } from "node:timers/promises";
import { KernelcastError, type DeviceInfo, type Forecaster, type Recording } from "../domain/index.ts";
import { constantPOk, constantPrior } from "../forecast/baseline/baseline-forecaster.ts";
import type { AnsweredBy } from "./answered-by.ts";
import { answeredKernels, keepKernels } from "./common-kernels.ts";
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
  /** Score only the kernels that any, or all, of those asked for have answered; by default the prior stands for what is missing. */
  readonly answered?: AnsweredBy;
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
  /** Kernels left out as not answered by as many as was asked. */
  readonly unanswered?: number;
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
  const asked: Asked[] = [];
  for (const named of forecasters) {
    asked.push({ ...named, judged: await judgeTasks(named, recording, { ...options, taskIds }) });
  }
  const kept = options.answered ? onlyAnswered(asked, options.answered, recording.name) : asked;
  const evaluations: Evaluation[] = [];
  for (const { label, isBaseline, judged } of kept) {
    const scores = scoreTasks(judged, seed);
    const [first] = evaluations;
    const paired = first && pairedDifferences(first.scores, scores, seed);
    evaluations.push({ label, isBaseline, judged, scores, paired });
  }
  const leftOut = options.taskIds.filter((taskId) => !taskIds.includes(taskId));
  return { evaluations, leftOut, ...(options.answered ? { unanswered: kernelsOf(asked) - kernelsOf(kept) } : {}) };
}

type Asked = NamedForecaster & Pick<Evaluation, "judged">;

/** Everybody's answers for the kernels that some or all who were asked for have answered. */
function onlyAnswered(asked: readonly Asked[], by: AnsweredBy, name: string): Asked[] {
  const answered = asked.filter(({ isBaseline }) => !isBaseline).map(({ judged }) => answeredKernels(judged));
  const every = new Set(answered.flatMap((ids) => [...ids]));
  const wanted = by === "any" ? every : new Set([...every].filter((id) => answered.every((ids) => ids.has(id))));
  if (wanted.size === 0) {
    throw new KernelcastError("recording", `${name}: there is no kernel that ${by} of the forecasters have answered`);
  }
  return asked.map((one) => ({ ...one, judged: keepKernels(one.judged, wanted) }));
}

function kernelsOf([first]: readonly Asked[]): number {
  return first?.judged.reduce((sum, { judged }) => sum + judged.length, 0) ?? 0;
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
