import type { Recording } from "../src/domain/index.ts";

/** Ids of a recording's tasks of one split. */
export function tasksOfSplit(recording: Recording, wanted: string): string[] {
  return [...recording.tasks.values()]
    .filter(({ split, task }) => (split ?? task.split) === wanted)
    .map(({ task }) => task.taskId);
}
