import { availableParallelism } from "node:os";
import { KernelcastError } from "../../domain/index.ts";
import { taskFacts, type TaskFacts } from "../../evaluate/searches/bench-task.ts";
import type { SearchResults } from "../../evaluate/searches/search-results.ts";
import type { SearchCell } from "../../evaluate/searches/search-cell.ts";
import { chooseTasks, type SplitChoice } from "../../evaluate/choose-tasks.ts";
import { armKey, chooseArms, type Arm } from "./arms.ts";
import { KeptCells, type CellId } from "./kept-cells.ts";
import { loadBenchRecording } from "./load-bench-recording.ts";
import { runJobs } from "./run-jobs.ts";
import type { TaskJob } from "./run-task.ts";

export interface BenchSearchRequest {
  /** `atlas`, or a folder. */
  readonly recording: string;
  /** By default `test`, and of named tasks all. */
  readonly split?: SplitChoice | undefined;
  readonly tasks?: readonly string[] | undefined;
  readonly device?: string | undefined;
  readonly arms: readonly string[];
  /** Searches of each arm on each task. */
  readonly seeds: number;
  /** Budget of a search, the seed kernel included. */
  readonly measurements: number;
  /** Threads; by default as many as the machine has cores. */
  readonly jobs?: number | undefined;
  /** Folder where finished searches are kept. */
  readonly workspace: string;
  readonly signal?: AbortSignal;
  /** Told of how many searches are done, of all. */
  readonly onProgress?: (done: number, all: number, taskId: string) => void;
}

/** What was compared on what. */
export interface BenchSetting {
  readonly recording: string;
  readonly split: string;
  readonly device: string;
  readonly notes: readonly string[];
}

export interface BenchSearchResult {
  readonly results: SearchResults;
  readonly setting: BenchSetting;
}

/**
 * Runs the searches of a bench that are not known yet, and gives all. Paired: the k-th proposal of a parent is the same in every arm
 * of a seed. Rejects with `KernelcastError`; what has ended is kept, and the same command goes on.
 */
export async function benchSearch(request: BenchSearchRequest): Promise<BenchSearchResult> {
  const { seeds, measurements, workspace, signal, onProgress } = request;
  const arms = chooseArms(request.arms);
  const loaded = await loadBenchRecording(request.recording, request.device, request.tasks);
  const { taskIds, split, note } = chooseTasks(loaded.recording, request.split ?? (request.tasks ? "all" : "test"));
  const facts = taskIds.map((taskId) => taskFacts(loaded.recording, loaded.device, taskId));
  const tasks = facts.filter((one): one is TaskFacts => one !== undefined);
  const leftOut = taskIds.filter((_, place) => facts[place] === undefined);
  if (tasks.length === 0) {
    throw new KernelcastError(
      "recording",
      `${request.recording}: no task in it has two kernels that work on ${loaded.device}`,
    );
  }
  const kept = KeptCells.open(workspace, request.recording);
  const cells = createCells(kept, { arms, device: loaded.device, measurements });
  const workers = Math.max(1, request.jobs ?? availableParallelism());
  const jobs = planJobs(tasks, arms, { seeds, workers, isDone: cells.isDone });
  const all = tasks.length * arms.length * seeds;
  let done = all - jobs.flatMap(({ searches }) => searches.flatMap((search) => search.seeds)).length;
  onProgress?.(done, all, "");
  const options = {
    ...loaded,
    recording: request.recording,
    loaded: loaded.recording,
    measurements,
    workers,
    workspace,
    signal,
  };
  const jobOptions = { ...options, taskIds: tasks.map(({ taskId }) => taskId) };
  await untilAborted(
    signal,
    runJobs(jobs, jobOptions, (taskId, arm, seed, cell) => {
      cells.put(arm, taskId, seed, cell);
      onProgress?.(++done, all, taskId);
    }),
  );
  const notes = [
    ...(note === undefined ? [] : [note]),
    ...(leftOut.length > 0 ? [`left out, with fewer than two kernels that work: ${leftOut.join(", ")}`] : []),
  ];
  return {
    results: { tasks, arms: arms.map(({ name }) => name), seeds, measurements, cells: cells.reader(seeds) },
    setting: { recording: request.recording, split, device: loaded.device, notes },
  };
}

/** Waits for work; whatever comes of it after `signal` has aborted, it was interrupted. */
async function untilAborted(signal: AbortSignal | undefined, work: Promise<void>): Promise<void> {
  const interrupted = "interrupted; give the same command again to go on";
  try {
    await work;
  } catch (cause) {
    if (signal?.aborted) throw new KernelcastError("interrupted", interrupted, { cause });
    throw cause;
  }
  if (signal?.aborted) throw new KernelcastError("interrupted", interrupted);
}

interface Cells {
  readonly isDone: (arm: Arm, taskId: string, seed: number) => boolean;
  readonly put: (arm: Arm, taskId: string, seed: number, cell: SearchCell) => void;
  readonly reader: (seeds: number) => SearchResults["cells"];
}

function createCells(
  kept: KeptCells,
  { arms, ...setting }: { readonly arms: readonly Arm[]; readonly device: string; readonly measurements: number },
): Cells {
  const keys = new Map(arms.map((arm) => [arm.name, armKey(arm)]));
  const idOf = (arm: string, taskId: string, seed: number): CellId => {
    return { ...setting, armKey: keys.get(arm) ?? "", taskId, seed };
  };
  return {
    isDone: ({ name }, taskId, seed) => kept.get(idOf(name, taskId, seed)) !== undefined,
    put: ({ name }, taskId, seed, cell) => kept.put(idOf(name, taskId, seed), cell),
    reader: (seeds) => (arm, taskId) =>
      seedsOf(seeds).map((seed) => {
        const cell = kept.get(idOf(arm, taskId, seed));
        if (!cell) throw new Error(`no search of ${arm} on ${taskId} with seed ${seed}`);
        return cell;
      }),
  };
}

function seedsOf(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

interface Planning {
  readonly seeds: number;
  readonly workers: number;
  readonly isDone: Cells["isDone"];
}

/**
 * A job for each task, so that each kernel is read by one worker alone; with fewer tasks than workers, several, each with a part of
 * the seeds. The longest come first.
 */
function planJobs(tasks: readonly TaskFacts[], arms: readonly Arm[], { seeds, workers, isDone }: Planning): TaskJob[] {
  const parts = Math.min(seeds, Math.ceil(workers / tasks.length));
  const jobs = tasks
    .toSorted((a, b) => b.kernels - a.kernels)
    .flatMap(({ taskId }) =>
      Array.from({ length: parts }, (_, part): TaskJob => {
        const own = seedsOf(seeds).filter((seed) => seed % parts === part);
        const searches = arms.map((arm) => ({ arm, seeds: own.filter((seed) => !isDone(arm, taskId, seed)) }));
        return { taskId, searches: searches.filter((search) => search.seeds.length > 0) };
      }),
    );
  return jobs.filter(({ searches }) => searches.length > 0);
}
