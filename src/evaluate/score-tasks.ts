import { bootstrapGroups, countPairs, keyedStream, mean, type Interval } from "../domain/index.ts";
import { workingForecasts, type JudgedTask } from "./judged-task.ts";
import { probabilityTransform, scoreNames, scoreTask, type ScoreName, type TaskScores } from "./score-task.ts";
import { calibrationIfTrue, calibrationOf, winForecasts, type WinForecast } from "./win-forecasts.ts";

/** A score's mean over the tasks that have it, with the 95 % interval of a bootstrap over tasks; none of a single task. */
export interface MeanScore extends Partial<Interval> {
  readonly mean: number | undefined;
  readonly tasks: number;
}

export interface ForecastScores {
  readonly tasks: number;
  readonly kernels: number;
  /** Pairs of working kernels whose runtimes differ by 10 % or more. */
  readonly pairs: number;
  readonly scores: Readonly<Record<ScoreName, MeanScore>>;
  /** Calibration error over the kernels of all tasks together, instead of the mean over tasks. */
  readonly pooledEce: MeanScore;
  /** What that would be if all probabilities were right. */
  readonly pooledEceIfCalibrated: number | undefined;
  /** Shares of the truths in the twentieths of their forecasts, macro-averaged over tasks: 0.05 each for a calibrated forecaster. */
  readonly pit: readonly number[];
  readonly byTask: Readonly<Record<string, TaskScores>>;
}

/** Scores forecasts by DESIGN §10: macro-averages over tasks. Deterministic for a seed. */
export function scoreTasks(tasks: readonly JudgedTask[], seed: number): ForecastScores {
  const all = tasks.map((task) => scoreTask(task, seed));
  const wins = tasks.map(winForecasts).filter(({ length }) => length > 0);
  const entries = scoreNames.map(
    (name) =>
      [
        name,
        meanOver(
          all.map((scores) => scores[name]),
          seed,
          name,
        ),
      ] as const,
  );
  return {
    tasks: tasks.length,
    kernels: tasks.reduce((sum, { judged }) => sum + judged.length, 0),
    pairs: tasks.reduce((sum, task) => sum + decidedPairs(task), 0),
    scores: Object.fromEntries(entries) as Record<ScoreName, MeanScore>,
    pooledEce: pooledCalibration(wins, seed),
    pooledEceIfCalibrated: calibrationIfTrue(wins.flat(), seed, "pooled"),
    pit: transformHistogram(tasks),
    byTask: Object.fromEntries(tasks.map(({ taskId }, index) => [taskId, all[index] as TaskScores])),
  };
}

/** Mean of one score over the tasks that have it. The draws depend on the seed and the name alone. */
export function meanOver(values: readonly (number | undefined)[], seed: number, name: string): MeanScore {
  const known = values.filter((value) => value !== undefined);
  const uniform = keyedStream(seed, "bootstrap", name);
  const interval = known.length > 1 ? bootstrapGroups(known, mean, { uniform }) : undefined;
  return { mean: mean(known), tasks: known.length, ...interval };
}

function decidedPairs(task: JudgedTask): number {
  const truth = workingForecasts(task).map(({ log2Us }) => 2 ** log2Us);
  return countPairs(truth, truth).pairs;
}

/** Binning thousands of kernels anew is slow, so it is done less often than means are drawn. */
const pooledReplicates = 300;

function pooledCalibration(groups: readonly (readonly WinForecast[])[], seed: number): MeanScore {
  const pooled = (drawn: typeof groups): number | undefined => calibrationOf(drawn.flat());
  const options = { uniform: keyedStream(seed, "bootstrap", "pooled ece"), replicates: pooledReplicates };
  const interval = groups.length > 1 ? bootstrapGroups(groups, pooled, options) : undefined;
  return { mean: pooled(groups), tasks: groups.length, ...interval };
}

/** Bins of the histogram of where truths lie in their forecasts. */
const transformBins = 20;

function transformHistogram(tasks: readonly JudgedTask[]): number[] {
  const histograms = tasks
    .map(workingForecasts)
    .filter((working) => working.length > 0)
    .map((working) => {
      const shares = Array.from({ length: transformBins }, () => 0);
      for (const one of working) {
        const bin = Math.min(transformBins - 1, Math.floor(transformBins * probabilityTransform(one)));
        shares[bin] = (shares[bin] ?? 0) + 1 / working.length;
      }
      return shares;
    });
  return Array.from({ length: transformBins }, (_, bin) => mean(histograms.map((shares) => shares[bin] ?? 0)) ?? 0);
}
