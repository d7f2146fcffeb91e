import type { Recording } from "../domain/index.ts";
import type { JudgedTask } from "./judged-task.ts";
import { pairedDifferences, type PairedDifferences } from "./paired-differences.ts";
import { scoreTasks, type ForecastScores } from "./score-tasks.ts";

/** Two sets of answers scored on the tasks and kernels that both have, and how much higher the second is. */
export interface PairedScores {
  readonly first: ForecastScores;
  readonly second: ForecastScores;
  readonly differences: PairedDifferences;
}

export function scorePaired(first: readonly JudgedTask[], second: readonly JudgedTask[], seed: number): PairedScores {
  const scores = [keepCommon(first, second), keepCommon(second, first)].map((tasks) => scoreTasks(tasks, seed));
  const [one, other] = scores as [ForecastScores, ForecastScores];
  return { first: one, second: other, differences: pairedDifferences(one, other, seed) };
}

/** Ids of the kernels that got a valid forecast. */
export function answeredKernels(tasks: readonly JudgedTask[]): Set<string> {
  const answered = tasks.flatMap(({ judged }) => judged.filter(({ isUnanswered }) => !isUnanswered));
  return new Set(answered.map(({ kernelId }) => kernelId));
}

/** The answers for some kernels; tasks without any of them are left out. */
export function keepKernels<T extends JudgedTask>(tasks: readonly T[], kernelIds: ReadonlySet<string>): T[] {
  return tasks
    .map((task) => ({ ...task, judged: task.judged.filter(({ kernelId }) => kernelIds.has(kernelId)) }))
    .filter(({ judged }) => judged.length > 0)
    .map((task) => ({ ...task, ...unansweredOf(task) }));
}

/** The count of what has no answer, where the answers tell it. */
function unansweredOf(task: JudgedTask & { readonly missing?: number }): { readonly missing?: number } {
  if (task.missing === undefined) return {};
  return { missing: task.judged.filter(({ isUnanswered }) => isUnanswered).length };
}

/** What other answers have too. */
function keepCommon(tasks: readonly JudgedTask[], others: readonly JudgedTask[]): JudgedTask[] {
  return tasks.flatMap((task) => {
    const other = others.find(({ taskId }) => taskId === task.taskId);
    const ids = new Set(other?.judged.map(({ kernelId }) => kernelId));
    return other ? [{ ...task, judged: task.judged.filter(({ kernelId }) => ids.has(kernelId)) }] : [];
  });
}

/** The recording with only those measurements whose kernel every one of some devices has measured. */
export function onlyMeasuredByAll(recording: Recording, devices: readonly string[]): Recording {
  return {
    ...recording,
    measurements: (taskId, device) => {
      const measured = devices.map((name) => recording.measurements(taskId, name));
      const own = [...recording.measurements(taskId, device)];
      return new Map(own.filter(([kernelId]) => measured.every((one) => one.has(kernelId))));
    },
  };
}
