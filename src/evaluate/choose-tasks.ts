import { KernelcastError, type Recording, type Split } from "../domain/index.ts";

/** `test`, `validation`, `train`, or `all` tasks whatever their split. */
export const splitChoices = ["test", "validation", "train", "all"] as const;

export type SplitChoice = (typeof splitChoices)[number];

export interface ChosenTasks {
  readonly taskIds: readonly string[];
  readonly split: SplitChoice;
  /** What the reader should know of the choice. */
  readonly note?: string;
}

/**
 * The tasks of a split, of those that the recording holds. A recording without splits is taken whole. Throws
 * `KernelcastError("recording", …)` for a split that is empty.
 */
export function chooseTasks({ name, tasks }: Recording, split: SplitChoice): ChosenTasks {
  const all = [...tasks.values()].map((one) => ({ taskId: one.task.taskId, split: one.split ?? one.task.split }));
  const taskIds = all.map(({ taskId }) => taskId);
  if (taskIds.length === 0)
    throw new KernelcastError("recording", `${name}: there are no kernels in it to be judged on`);
  if (split === "all") return { taskIds, split };
  const known = all.flatMap((one): Split[] => (one.split ? [one.split] : []));
  if (known.length === 0)
    return { taskIds, split: "all", note: "the recording has no splits: all of its tasks are taken" };
  const chosen = all.filter((one) => one.split === split).map(({ taskId }) => taskId);
  if (chosen.length > 0) return { taskIds: chosen, split };
  const counts = [...new Set(known)].map((one) => `${one} ${known.filter((other) => other === one).length}`);
  throw new KernelcastError(
    "recording",
    `${name}: no task of the split "${split}" among the ${all.length} read (they are: ${counts.join(", ")}); give another --split, or all`,
  );
}
