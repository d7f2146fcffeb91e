import { mean, spearman, variance } from "../../domain/index.ts";
import { workingForecasts, type JudgedTask } from "../judged-task.ts";

/** How far forecast medians lie apart, in log2 units, and whether they follow the tasks' times. */
export interface MedianSpread {
  /** Standard deviation of the tasks' mean medians. */
  readonly betweenTasks: number | undefined;
  /** Mean over tasks of the standard deviation within one. */
  readonly withinTasks: number | undefined;
  /** Rank correlation of the tasks' mean medians with their mean times; 0 where all medians are alike. */
  readonly followsTasks: number | undefined;
}

/** Of the medians of kernels that worked. A forecaster that does not read what it is shown says the same of every task. */
export function medianSpread(tasks: readonly JudgedTask[]): MedianSpread {
  return spreadOf(tasks, ({ forecast }) => forecast.m);
}

/** The same of the measured times. */
export function truthSpread(tasks: readonly JudgedTask[]): MedianSpread {
  return spreadOf(tasks, ({ log2Us }) => log2Us);
}

type Working = ReturnType<typeof workingForecasts>[number];

function spreadOf(tasks: readonly JudgedTask[], read: (one: Working) => number): MedianSpread {
  const working = tasks.map(workingForecasts).filter(({ length }) => length > 1);
  const means = working.map((own) => mean(own.map(read)) as number);
  const truths = working.map((own) => mean(own.map(({ log2Us }) => log2Us)) as number);
  const between = variance(means);
  return {
    betweenTasks: between === undefined ? undefined : Math.sqrt(between),
    withinTasks: mean(working.map((own) => Math.sqrt(variance(own.map(read)) as number))),
    followsTasks: working.length > 1 ? (spearman(means, truths) ?? 0) : undefined,
  };
}
