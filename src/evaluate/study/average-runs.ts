import { mean } from "../../domain/index.ts";
import type { JudgedTask } from "../judged-task.ts";
import { scoreNames, scoreTask, type ScoreName, type TaskScores } from "../score-task.ts";
import { meanOver, type MeanScore } from "../score-tasks.ts";

/** The mean over tasks of a score that is averaged over runs, and the least and most of the runs' own means. */
export interface RunsScore extends MeanScore {
  readonly least: number | undefined;
  readonly most: number | undefined;
}

/** Scores of runs that differ by their seed alone. */
export interface RunsScores {
  readonly runs: number;
  readonly tasks: number;
  readonly kernels: number;
  readonly scores: Readonly<Record<ScoreName, RunsScore>>;
  /** Share of the kernels without a valid forecast, which the prior stands for. */
  readonly unanswered: RunsScore;
  /** Each task's scores, averaged over the runs. */
  readonly byTask: Readonly<Record<string, TaskScores>>;
}

/** Scores every run, and averages task by task before tasks are drawn: a bootstrap over tasks, not over seeds. */
export function averageRuns(runs: readonly (readonly JudgedTask[])[], seed: number): RunsScores {
  const scored = runs.map((tasks) => new Map(tasks.map((task) => [task.taskId, scoreTask(task, seed)])));
  const taskIds = [...new Set(runs.flatMap((tasks) => tasks.map(({ taskId }) => taskId)))];
  const byTask = Object.fromEntries(
    taskIds.map((taskId) => [taskId, averageTask(scored.flatMap((run) => run.get(taskId) ?? []))]),
  );
  const score = (name: ScoreName): RunsScore =>
    overTasks(
      scored.map((run) => [...run.values()].map((task) => task[name])),
      { averaged: Object.values(byTask).map((task) => task[name]), seed, name },
    );
  return {
    runs: runs.length,
    tasks: taskIds.length,
    kernels: Math.max(0, ...runs.map((tasks) => tasks.reduce((sum, { judged }) => sum + judged.length, 0))),
    scores: Object.fromEntries(scoreNames.map((name) => [name, score(name)])) as RunsScores["scores"],
    unanswered: unansweredScore(runs, taskIds, seed),
    byTask,
  };
}

function averageTask(runs: readonly TaskScores[]): TaskScores {
  const entries = scoreNames.map((name) => [name, mean(runs.flatMap((run) => run[name] ?? []))]);
  return Object.fromEntries(entries) as TaskScores;
}

type Values = readonly (number | undefined)[];

interface Averaged {
  readonly averaged: Values;
  readonly seed: number;
  readonly name: string;
}

function overTasks(runs: readonly Values[], { averaged, seed, name }: Averaged): RunsScore {
  const means = runs.flatMap((values) => mean(values.filter((value) => value !== undefined)) ?? []);
  const [least, most] = means.length > 0 ? [Math.min(...means), Math.max(...means)] : [undefined, undefined];
  return { ...meanOver(averaged, seed, name), least, most };
}

function unansweredScore(
  runs: readonly (readonly JudgedTask[])[],
  taskIds: readonly string[],
  seed: number,
): RunsScore {
  const shares = runs.map((tasks) => new Map(tasks.map((task) => [task.taskId, unansweredShare(task)])));
  const averaged = taskIds.map((taskId) => mean(shares.flatMap((run) => run.get(taskId) ?? [])));
  const values = shares.map((run) => [...run.values()]);
  return overTasks(values, { averaged, seed, name: "unanswered" });
}

function unansweredShare({ judged }: JudgedTask): number | undefined {
  return mean(judged.map(({ isUnanswered }) => (isUnanswered ? 1 : 0)));
}
