import type { SearchCell } from "./search-cell.ts";
import type { TaskFacts } from "./bench-task.ts";

/** All searches of a bench. */
export interface SearchResults {
  readonly tasks: readonly TaskFacts[];
  readonly arms: readonly string[];
  readonly seeds: number;
  /** Budget of every search. */
  readonly measurements: number;
  /** The searches of an arm on a task, one for each seed, in order. */
  readonly cells: (arm: string, taskId: string) => readonly SearchCell[];
}

/** Runtime of the best kernel after `measurements`: that after the last one, where a search ended earlier. */
export function bestAfter({ bestUs }: SearchCell, measurements: number): number {
  return bestUs[Math.min(measurements, bestUs.length) - 1] ?? Infinity;
}

/** Measurements until the best kernel is within a share of the task's best; undefined where a search never came so far. */
export function measurementsToWithin({ bestUs }: SearchCell, share: number, taskBestUs: number): number | undefined {
  const place = bestUs.findIndex((us) => us <= (1 + share) * taskBestUs);
  return place < 0 ? undefined : place + 1;
}
