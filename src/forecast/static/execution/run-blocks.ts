import { CoverageCount, coverageOf } from "./coverage.ts";
import { sharedFault } from "./launch-faults.ts";
import { inGroups, sizeOf, wholeBlocks } from "./lineup.ts";
import type { Budget, Fault } from "./machine.ts";
import type { GlobalBuffer, Watcher } from "./regions.ts";
import { runLaunch, type LaunchRun } from "./run-launch.ts";
import type { PreparedKernel } from "./seed-oracle.ts";

/** What running some blocks of a kernel's launches showed. */
export interface BlocksRun {
  readonly ending: LaunchRun["ending"];
  readonly reason: string;
  readonly faults: readonly Fault[];
  readonly firstFaults: readonly Fault[];
  /** False where something was read that an earlier launch should have written, by a block that did not run. */
  readonly complete: boolean;
  readonly coverage: number;
  /** Why a launch would be refused, seen from the shared memory that it declares. */
  readonly refusal: string | undefined;
}

export interface BlocksRequest {
  readonly buffers: readonly GlobalBuffer[];
  /** Blocks of each launch, by number, those first that matter most. */
  readonly blocks: readonly (readonly number[])[];
  readonly budget: Budget;
  /** Buffers that each launch writes. */
  readonly made?: readonly ReadonlySet<string>[];
  /** True where blocks are samples: those after the first run only where the budget has room for one as long. */
  readonly sampled?: boolean;
}

/** Steps for the blocks of a launch that are only samples, from the second on. */
const mostSampledSteps = 3e6;

interface Notes {
  readonly faults: Fault[];
  firstFaults: readonly Fault[];
  complete: boolean;
  refusal: string | undefined;
}

/** Runs some blocks of each launch, few at a time. */
export function runBlocks(kernel: PreparedKernel, request: BlocksRequest): BlocksRun {
  const { buffers, blocks, made = [] } = request;
  const written = new Set<string>();
  const counts: { readonly count: CoverageCount; readonly parts: number }[] = [];
  const notes: Notes = { faults: [], firstFaults: [], complete: true, refusal: undefined };
  for (const [index, launch] of kernel.launches.entries()) {
    const numbers = blocks[index] ?? [];
    if (numbers.length === 0) continue;
    const count = new CoverageCount();
    counts.push({ count, parts: sizeOf(launch.grid) });
    const run = runGroups(kernel, request, { index, numbers, written, count, notes });
    if (index === 0) notes.firstFaults = [...notes.faults];
    if (run && run.ending !== "done") return { ...notes, ending: run.ending, reason: run.reason, coverage: Number.NaN };
    for (const name of made[index] ?? []) written.add(name);
  }
  return { ...notes, ending: "done", reason: "", coverage: coverageOf(buffers, counts) };
}

/** Runs a launch's blocks until one does not end; returns the last run that tells how the launch ends. */
function runGroups(
  kernel: PreparedKernel,
  { buffers, budget, sampled = false }: BlocksRequest,
  launchOf: {
    readonly index: number;
    readonly numbers: readonly number[];
    readonly written: ReadonlySet<string>;
    readonly count: CoverageCount;
    readonly notes: Notes;
  },
): LaunchRun | undefined {
  const { index, numbers, written, count, notes } = launchOf;
  const launch = kernel.launches[index] as PreparedKernel["launches"][number];
  const noteEarly: Watcher["read"] = (buffer, offset) => {
    const early = written.has(buffer.name) && !buffer.isWritten(Math.floor(offset / buffer.elementBytes));
    if (early) notes.complete = false;
  };
  let last: LaunchRun | undefined;
  let cost = 0;
  let spent = 0;
  for (const group of inGroups(numbers, launch.block)) {
    if (sampled && (budget.left < cost || spent + cost > mostSampledSteps)) break;
    const before = budget.left;
    const lineup = wholeBlocks(launch.grid, launch.block, group);
    const watcher: Watcher = {
      ...count.watcher((lane) => group[lineup.blockOf[lane] as number] as number),
      read: written.size === 0 ? undefined : noteEarly,
    };
    const run = runLaunch({ ...kernel, buffers }, launch, index, lineup, budget, watcher);
    cost = Math.max(cost, before - budget.left);
    spent += before - budget.left;
    notes.faults.push(...run.faults);
    notes.refusal ??= sharedFault(launch, run.staticSharedBytes);
    if (sampled && last && run.ending === "steps") break;
    last = run;
    if (run.ending !== "done") break;
  }
  return last;
}
