import { resolveLaunch, type Evidence, type Kernel, type Task } from "../../../domain/index.ts";
import { compareOutputs, type Agreement } from "./compare-outputs.ts";
import { CoverageCount, coverageOf } from "./coverage.ts";
import { launchFault, resourceFault } from "./launch-faults.ts";
import { sampleBlocks, sampleThreads, singleThreads, sizeOf } from "./lineup.ts";
import type { Fault } from "./machine.ts";
import { planBlocks } from "./plan-blocks.ts";
import type { FaultKind, GlobalBuffer } from "./regions.ts";
import { runBlocks, type BlocksRun } from "./run-blocks.ts";
import { runLaunch, type LaunchRun } from "./run-launch.ts";
import { makeBuffers, prepare, SeedOracle, type PreparedKernel } from "./seed-oracle.ts";

/** What running some of a kernel's blocks showed. */
export interface ExecutionFacts {
  /** True where a launch would be refused. */
  readonly refused: boolean;
  /** Faults by kind; how often each was met. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** True where a loop goes round without changing anything or looking at memory. */
  readonly endless: boolean;
  /** True where a name is unknown or a type does not fit: it would not compile. */
  readonly mistyped: boolean;
  /** How the runs ended: `done`, or what stopped them. */
  readonly ending: LaunchRun["ending"] | "refused";
  /** Elements of the outputs compared with the seed kernel's, and those beyond the loosened tolerance. */
  readonly compared: number;
  readonly differing: number;
  /** Largest share of each output that can be written, by what the sampled blocks write; the smallest of the outputs. */
  readonly coverage: number;
  /** True where an input's draw is not known, so that its numbers are a guess. */
  readonly guessed: boolean;
  /** For people: what is wrong, or why there is no verdict; empty where all is well. */
  readonly reason: string;
}

/** Steps for one kernel: some tens of milliseconds. */
const steps = 5e6;
/** Those of one that will need more: what it does wrong shows early or not at all. */
const hopeless = 6e5;
/** Steps to find which blocks of several launches belong together, and to run these. */
const plannedSteps = 3e6;
/** Kernels of more launches are not followed from one to the next. */
const mostLaunches = 8;

/** Tasks whose pages of inputs, some tens of megabytes each, stay in memory. */
const keptTasks = 4;
const oracles = new Map<Task, SeedOracle>();

/** What a task's seed kernel tells; the task then counts as the last one used. */
function oracleOf(task: Task): SeedOracle {
  const oracle = oracles.get(task) ?? new SeedOracle(task);
  oracles.delete(task);
  oracles.set(task, oracle);
  const [oldest] = oracles.keys();
  if (oracles.size > keptTasks && oldest) oracles.delete(oldest);
  return oracle;
}

/** Facts where nothing has run. */
function nothingOf(task: Task): ExecutionFacts {
  return {
    refused: false,
    faults: {},
    endless: false,
    mistyped: false,
    ending: "done",
    compared: 0,
    differing: 0,
    coverage: Number.NaN,
    guessed: task.workload.args.some(({ role, draw }) => (role === "in" || role === "inout") && !draw),
    reason: "",
  };
}

function refusedFacts(task: Task, reason: string): ExecutionFacts {
  return { ...nothingOf(task), refused: true, ending: "refused", reason };
}

/** What was seen of a kernel, and what its compiler's evidence adds: a launch may need more than there is. */
export function withEvidence(
  facts: ExecutionFacts,
  kernel: Kernel,
  task: Task,
  evidence: Evidence | undefined,
): ExecutionFacts {
  if (facts.refused || !evidence || new Set(kernel.launches.map(({ kernel: name }) => name)).size !== 1) return facts;
  for (const launch of kernel.launches) {
    const refusal = resourceFault(resolveLaunch(launch, task.workload.sizes), evidence);
    if (refusal !== undefined) return refusedFacts(task, refusal);
  }
  return facts;
}

/** Runs some blocks of a kernel and compares what they write. Never fails on a source. */
export function executionFacts(kernel: Kernel, task: Task): ExecutionFacts {
  const oracle = oracleOf(task);
  const prepared = prepare(kernel, task, oracle.inputs);
  for (const launch of prepared.launches) {
    const refusal = launchFault(prepared.program, launch, task);
    if (refusal !== undefined) return refusedFacts(task, refusal);
  }
  const trial = runPrepared(prepared, oracle);
  if (trial.refusal !== undefined) return refusedFacts(task, trial.refusal);
  const { ending, faults, agreement } = trial;
  const texts = [...faults.map(({ text }) => text), agreement.text, trial.reason];
  return {
    ...nothingOf(task),
    faults: countFaults(faults),
    endless: ending === "endless",
    mistyped: ending === "mistyped",
    ending,
    compared: agreement.compared,
    differing: agreement.differing,
    coverage: trial.coverage,
    reason: texts.find((text) => text !== "") ?? "",
  };
}

function countFaults(faults: readonly Fault[]): Partial<Record<FaultKind, number>> {
  const counts: Partial<Record<FaultKind, number>> = {};
  for (const fault of faults) counts[fault.kind] = (counts[fault.kind] ?? 0) + fault.count;
  return counts;
}

interface Trial {
  readonly ending: LaunchRun["ending"];
  readonly faults: readonly Fault[];
  readonly agreement: Agreement;
  readonly coverage: number;
  /** Why a launch would be refused, seen from the shared memory that it declares. */
  readonly refusal: string | undefined;
  readonly reason: string;
}

const notCompared: Agreement = { compared: 0, differing: 0, text: "" };

/** What makes threads depend on one another. */
const worksTogether =
  /__shared__|__sync(?!warp)|__(shfl|ballot|any|all|match_\w+|reduce_\w+)_sync|__activemask|wmma|mma\.|bar\.|barrier/;

function runPrepared(kernel: PreparedKernel, oracle: SeedOracle): Trial {
  if (kernel.launches.length === 1 && !worksTogether.test(kernel.source)) {
    const alone = runAlone(kernel, oracle);
    if (alone) return alone;
  }
  const samples = kernel.launches.map(({ grid, block }) => sampleBlocks(grid, block));
  const budget = { left: steps, hopeless };
  const first = runBlocks(kernel, {
    buffers: kernel.buffers,
    blocks: samples,
    budget,
    sampled: true,
  });
  const adds = kernel.buffers.some(({ atomic, argument }) => atomic && argument.role !== "scratch");
  if (kernel.launches.length === 1 && !adds) return judge(kernel, kernel.buffers, first, oracle);
  if (first.ending !== "done" || kernel.launches.length > mostLaunches) return unplanned(first, "");
  if (steps - budget.left > plannedSteps) return unplanned(first, "launches that take long");
  const plan = planBlocks(kernel, oracle.inputs, { left: plannedSteps, hopeless: 0 });
  if (plan.kind === "none") return unplanned(first, plan.reason);
  const buffers = makeBuffers(kernel.task, oracle.inputs);
  const run = runBlocks(kernel, {
    buffers,
    blocks: plan.blocks,
    budget: { left: plannedSteps, hopeless: 0 },
    made: plan.made,
  });
  if (!run.complete) return unplanned(first, "a launch reads what no block that ran has written");
  return judge(kernel, buffers, { ...run, coverage: first.coverage }, oracle, plan.sums);
}

/** How many blocks are sampled where threads do not work together, and in stretches of how many: few where these take long. */
const aloneSamples = [
  [4, 16],
  [3, 2],
] as const;

/** Runs some single threads, which is cheaper; undefined for kernels whose threads work together. */
function runAlone(kernel: PreparedKernel, oracle: SeedOracle): Trial | undefined {
  const [launch] = kernel.launches;
  if (!launch) return undefined;
  let trial: Trial | undefined;
  for (const [blocks, threads] of aloneSamples) {
    const buffers = makeBuffers(kernel.task, oracle.inputs);
    const { length, numbers } = sampleThreads(launch.grid, launch.block, blocks, threads);
    const lineup = singleThreads(launch.grid, launch.block, numbers);
    const count = new CoverageCount();
    const watcher = count.watcher((lane) => Math.floor(lane / length));
    const run = runLaunch({ ...kernel, buffers }, launch, 0, lineup, { left: steps, hopeless }, watcher);
    const together = run.sharedBytes > 0 || run.ending === "unsupported" || buffers.some(({ atomic }) => atomic);
    if (together) return undefined;
    const parts = (sizeOf(launch.grid) * sizeOf(launch.block)) / length;
    const coverage = run.ending === "done" ? coverageOf(buffers, [{ count, parts }]) : Number.NaN;
    trial = judge(
      kernel,
      buffers,
      { ...run, firstFaults: run.faults, complete: true, coverage, refusal: undefined },
      oracle,
    );
    if (run.ending !== "steps" || trial.agreement.compared > 0) break;
  }
  return trial;
}

/** What is certain where the launches' blocks do not belong together: faults of the first launch. */
function unplanned(run: BlocksRun, reason: string): Trial {
  return { ...run, faults: run.firstFaults, agreement: notCompared, reason: run.reason || reason };
}

function judge(
  kernel: PreparedKernel,
  buffers: readonly GlobalBuffer[],
  run: BlocksRun,
  oracle: SeedOracle,
  sums: ReadonlySet<string> = new Set(),
): Trial {
  const known = oracle.reason === "" && (run.ending === "done" || run.ending === "steps");
  const agreement = known ? compareOutputs(buffers, oracle, kernel.task.tolerance, sums) : notCompared;
  return { ...run, agreement };
}
