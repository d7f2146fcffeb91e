import { bootstrapGroups, keyedStream, mean, type Interval } from "../domain/index.ts";
import { scoreNames, scoreTask, type JudgedTask, type ScoreName, type TaskScores } from "./score-task.ts";

/** A score's mean over the tasks that have it, with the 95 % interval of a bootstrap over tasks. */
export interface MeanScore extends Partial<Interval> {
  readonly mean: number | undefined;
  readonly tasks: number;
}

export interface ForecastScores {
  readonly tasks: number;
  readonly kernels: number;
  readonly scores: Readonly<Record<ScoreName, MeanScore>>;
  readonly byTask: Readonly<Record<string, TaskScores>>;
}

/** Scores forecasts by DESIGN §10: macro-averages over tasks. Deterministic for a seed. */
export function scoreTasks(tasks: readonly JudgedTask[], seed: number): ForecastScores {
  const all = tasks.map((task) => scoreTask(task, seed));
  const entries = scoreNames.map((name) => {
    const values = all.flatMap((scores) => scores[name] ?? []);
    const uniform = keyedStream(seed, "bootstrap", name);
    return [name, { mean: mean(values), tasks: values.length, ...bootstrapGroups(values, mean, { uniform }) }] as const;
  });
  return {
    tasks: tasks.length,
    kernels: tasks.reduce((sum, { judged }) => sum + judged.length, 0),
    scores: Object.fromEntries(entries) as Record<ScoreName, MeanScore>,
    byTask: Object.fromEntries(tasks.map(({ taskId }, index) => [taskId, all[index] as TaskScores])),
  };
}
