import type { Evidence, Kernel, Task } from "../../../domain/index.ts";
import { compareOutputs, type Agreement } from "./compare-outputs.ts";
import { launchFault } from "./launch-faults.ts";
import { sizeOf, wholeBlocks, type Three } from "./lineup.ts";
import type { Budget, Fault } from "./machine.ts";
import type { FaultKind } from "./regions.ts";
import { runLaunch, type LaunchRun } from "./run-launch.ts";
import { prepare, SeedOracle } from "./seed-oracle.ts";

/** What running some of a kernel's blocks showed. */
export interface ExecutionFacts {
  /** True where a launch would be refused. */
  readonly refused: boolean;
  /** Faults by kind; how often each was met. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** True where a loop goes round without changing anything. */
  readonly endless: boolean;
  /** True where a name is unknown or a type does not fit: it would not compile. */
  readonly mistyped: boolean;
  /** How the runs ended: `done`, or what stopped them. */
  readonly ending: LaunchRun["ending"] | "refused";
  /** Elements of the outputs compared with the seed kernel's, and those beyond the loosened tolerance. */
  readonly compared: number;
  readonly differing: number;
  /** True where an input's draw is not known, so that its numbers are a guess. */
  readonly guessed: boolean;
  /** For people: what is wrong, or why there is no verdict; empty where all is well. */
  readonly reason: string;
}

/** Steps for one kernel: some tens of milliseconds. */
const steps = 6e6;
const mostLanes = 768;

const oracles = new WeakMap<Task, SeedOracle>();

function oracleOf(task: Task): SeedOracle {
  const oracle = oracles.get(task) ?? new SeedOracle(task);
  oracles.set(task, oracle);
  return oracle;
}

/** Runs some blocks of a kernel and compares what they write. Never fails on a source. */
export function executionFacts(kernel: Kernel, task: Task, evidence: Evidence | undefined): ExecutionFacts {
  const guessed = task.workload.args.some(({ role, draw }) => (role === "in" || role === "inout") && !draw);
  const nothing = { refused: false, faults: {}, endless: false, mistyped: false, compared: 0, differing: 0, guessed };
  const oracle = oracleOf(task);
  const bench = prepare(kernel, task, oracle.inputs);
  for (const launch of bench.launches) {
    const refusal = launchFault(bench.program, launch, task, evidence);
    if (refusal !== undefined) return { ...nothing, refused: true, ending: "refused", reason: refusal };
  }
  const budget: Budget = { left: steps };
  const faults: Fault[] = [];
  let last: LaunchRun | undefined;
  for (const [index, launch] of bench.launches.entries()) {
    last = runLaunch(bench, launch, index, wholeBlocks(launch.grid, launch.block, sampleBlocks(launch.grid, launch.block)), budget);
    faults.push(...last.faults);
    if (last.ending !== "done") break;
  }
  const ending = last?.ending ?? "done";
  const single = bench.launches.length === 1;
  const agreement: Agreement =
    single && oracle.reason === "" && ending !== "unsupported"
      ? compareOutputs(bench.buffers, oracle, task.tolerance)
      : { compared: 0, differing: 0, text: "" };
  return {
    ...nothing,
    faults: count(single ? faults : faults.filter(({ kind }) => kind !== "unwrittenGlobal")),
    endless: ending === "endless",
    mistyped: ending === "mistyped",
    ending,
    compared: agreement.compared,
    differing: agreement.differing,
    reason: [...faults.map(({ text }) => text), agreement.text, last?.reason ?? ""].find((text) => text !== "") ?? "",
  };
}

function count(faults: readonly Fault[]): Partial<Record<FaultKind, number>> {
  const counts: Partial<Record<FaultKind, number>> = {};
  for (const fault of faults) counts[fault.kind] = (counts[fault.kind] ?? 0) + fault.count;
  return counts;
}

/** The first block, the last, and one from the middle, as far as they may run together. */
function sampleBlocks(grid: Three, block: Three): number[] {
  const blocks = sizeOf(grid);
  const room = Math.max(1, Math.floor(mostLanes / sizeOf(block)));
  return [...new Set([0, blocks - 1, Math.floor(blocks / 2)])].slice(0, room);
}
