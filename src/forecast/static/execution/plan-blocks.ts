import { alongStill, invert, stillCount } from "./affine-map.ts";
import { exploreLaunch, type Exploration } from "./explore-launch.ts";
import { inGroups, sampleBlocks, sizeOf, wholeBlocks } from "./lineup.ts";
import type { Budget } from "./machine.ts";
import type { InputPages } from "./pages.ts";
import type { GlobalBuffer, Watcher } from "./regions.ts";
import { runLaunch } from "./run-launch.ts";
import { makeBuffers, type PreparedKernel } from "./seed-oracle.ts";

const mostThreads = 6144;

/** Blocks of each launch that together make some of the outputs, or why they are not known. */
export type BlockPlan =
  | {
      readonly kind: "plan";
      readonly blocks: readonly (readonly number[])[];
      /** Buffers that each launch writes. */
      readonly made: readonly ReadonlySet<string>[];
      /** Buffers to which several blocks add, all of which are known. */
      readonly sums: ReadonlySet<string>;
    }
  | { readonly kind: "none"; readonly reason: string };

/**
 * Finds which blocks of earlier launches make what sampled blocks of later ones read: dry runs, last launch first, tell
 * the elements read, and the affine places that each launch writes tell the blocks.
 */
export function planBlocks(kernel: PreparedKernel, inputs: readonly InputPages[], budget: Budget): BlockPlan {
  const explored = exploreAll(kernel, inputs, budget);
  if (!explored) return { kind: "none", reason: "launches that cannot be explored" };
  const needed = kernel.launches.map((launch, index) => {
    const writesOutput = outputsOf(kernel).some((name) => lastWriter(explored, name) === index);
    return new Set(writesOutput ? sampleBlocks(launch.grid, launch.block) : []);
  });
  const atomics = explored.map(({ atomics: names }) => names);
  for (let index = needed.length - 1; index >= 0; index--) {
    const launch = kernel.launches[index] as PreparedKernel["launches"][number];
    const own = needed[index] as Set<number>;
    for (const name of outputsOf(kernel)) widen(own, explored[index], name, atomics[index] ?? new Set());
    if (own.size * sizeOf(launch.block) > mostThreads) return { kind: "none", reason: "too many blocks" };
    if (own.size === 0 || index === 0) continue;
    const missing = demand(kernel, inputs, { index, own, explored, budget, needed });
    if (missing !== undefined) return { kind: "none", reason: missing };
  }
  return {
    kind: "plan",
    blocks: needed.map((numbers) => [...numbers].toSorted((a, b) => a - b)),
    made: explored.map(({ maps }) => new Set(maps.keys())),
    sums: new Set(outputsOf(kernel).filter((name) => explored.some((launch) => addsTogether(launch, name)))),
  };
}

type Explored = Exploration & { readonly atomics: ReadonlySet<string> };

/** Number of the last launch that writes a buffer; −1 where none does. */
function lastWriter(explored: readonly Explored[], name: string): number {
  return explored.findLastIndex(({ maps }) => maps.has(name));
}

/** True where blocks along some direction add to the same elements; others may meet in ways that are not known. */
function addsTogether({ maps, atomics }: Explored, name: string): boolean {
  const directions = maps.get(name)?.directions ?? [];
  return atomics.has(name) && directions.some(({ stride }) => stride === 0);
}

function outputsOf({ task }: PreparedKernel): string[] {
  return task.workload.args.filter(({ role }) => role === "out" || role === "inout").map(({ name }) => name);
}

function exploreAll(kernel: PreparedKernel, inputs: readonly InputPages[], budget: Budget): Explored[] | undefined {
  const found: Explored[] = [];
  for (const [index, launch] of kernel.launches.entries()) {
    const buffers = makeBuffers(kernel.task, inputs);
    const exploration = exploreLaunch(kernel, launch, index, { whole: true, budget, buffers });
    if (exploration.run.ending !== "done") return undefined;
    const atomics = new Set(buffers.filter(({ atomic }) => atomic).map(({ name }) => name));
    found.push({ ...exploration, atomics });
  }
  return found;
}

/** Adds the blocks that add to the same elements. */
function widen(numbers: Set<number>, explored: Explored | undefined, name: string, atomics: ReadonlySet<string>): void {
  const map = explored?.maps.get(name);
  if (!map || !atomics.has(name)) return;
  if (stillCount(map) > mostThreads) {
    for (let number = 0; number <= mostThreads; number++) numbers.add(number);
    return;
  }
  for (const number of Array.from(numbers)) {
    if (numbers.size > mostThreads) return;
    for (const other of alongStill(map, number)) numbers.add(other);
  }
}

/** Adds to earlier launches the blocks that make what some blocks read; tells what is not known. */
function demand(
  kernel: PreparedKernel,
  inputs: readonly InputPages[],
  state: {
    readonly index: number;
    readonly own: ReadonlySet<number>;
    readonly explored: readonly Explored[];
    readonly budget: Budget;
    readonly needed: readonly Set<number>[];
  },
): string | undefined {
  const { index, own, explored, budget, needed } = state;
  const launch = kernel.launches[index] as PreparedKernel["launches"][number];
  const read = new Map<string, Set<number>>();
  const buffers = makeBuffers(kernel.task, inputs);
  const note = (buffer: GlobalBuffer, offset: number): void => {
    const elements = read.get(buffer.name) ?? new Set();
    read.set(buffer.name, elements.add(Math.floor(offset / buffer.elementBytes)));
  };
  const watcher: Watcher = {
    read: (buffer, offset) => {
      if (!buffer.isWritten(Math.floor(offset / buffer.elementBytes))) note(buffer, offset);
    },
    write: (buffer, offset) => {
      if (buffer.atomic) note(buffer, offset);
    },
  };
  for (const group of inGroups([...own], launch.block)) {
    const lineup = wholeBlocks(launch.grid, launch.block, group);
    const run = runLaunch({ ...kernel, buffers }, launch, index, lineup, budget, watcher);
    if (run.ending !== "done") return "a launch that does not end";
  }
  for (let earlier = 0; earlier < index; earlier++) {
    const numbers = needed[earlier] as Set<number>;
    const { maps, atomics } = explored[earlier] as Explored;
    for (const [name, elements] of read) {
      if (!maps.has(name)) continue;
      const map = maps.get(name);
      if (!map) return "places that are not affine";
      for (const element of elements) {
        const number = invert(map, element);
        if (number !== undefined) numbers.add(number);
      }
      widen(numbers, explored[earlier], name, atomics);
    }
  }
  return undefined;
}
