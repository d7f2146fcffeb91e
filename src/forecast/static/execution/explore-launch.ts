import type { ResolvedLaunch } from "../../../domain/index.ts";
import type { AffineMap, Direction } from "./affine-map.ts";
import { inGroups, singleThreads, sizeOf, wholeBlocks, type Three } from "./lineup.ts";
import type { Budget } from "./machine.ts";
import type { GlobalBuffer, Watcher } from "./regions.ts";
import { runLaunch, type Bench, type LaunchRun } from "./run-launch.ts";

/** Where a launch's threads, or its blocks, write in each buffer, as far as their neighbours tell. */
export interface Exploration {
  readonly run: LaunchRun;
  /** By buffer; undefined where the places are not affine. */
  readonly maps: ReadonlyMap<string, AffineMap | undefined>;
  /** Steps that each thread, or block, took. */
  readonly cost: number;
}

/** Runs the first thread (or block) of a launch and its neighbours along each direction. */
export function exploreLaunch(
  bench: Bench,
  launch: ResolvedLaunch,
  index: number,
  options: { readonly whole: boolean; readonly budget: Budget; readonly buffers: readonly GlobalBuffer[] },
): Exploration {
  const { whole, budget, buffers } = options;
  const { grid, block } = launch;
  const axes = axesOf(grid, block, whole);
  const numbers = [0, ...axes.map(({ step }) => step)];
  const lowest = new Map<string, number[]>();
  const meetings = new Meetings();
  const size = whole ? sizeOf(block) : 1;
  const before = budget.left;
  let run: LaunchRun | undefined;
  let first = 0;
  for (const group of whole ? inGroups(numbers, block) : [numbers]) {
    const lineup = whole ? wholeBlocks(grid, block, group) : singleThreads(grid, block, group);
    const write: Watcher["write"] = (buffer, offset, lane) => {
      const elements = lowest.get(buffer.name) ?? numbers.map(() => Number.POSITIVE_INFINITY);
      lowest.set(buffer.name, elements);
      const at = first + Math.floor(lane / size);
      const element = Math.floor(offset / buffer.elementBytes);
      elements[at] = Math.min(elements[at] as number, element);
      if (buffer.atomic) meetings.note(buffer.name, element, at);
    };
    run = runLaunch({ ...bench, buffers }, launch, index, lineup, budget, { write });
    if (run.ending !== "done") break;
    first += group.length;
  }
  const maps = new Map<string, AffineMap | undefined>();
  for (const [name, [base = 0, ...others]] of lowest) {
    const directions = axes.map(({ extent, step }, axis): Direction => {
      return { extent, step, stride: (others[axis] as number) - base };
    });
    const usable =
      Number.isFinite(base) &&
      directions.every(({ stride }, axis) => {
        return Number.isFinite(stride) && stride >= 0 && !(stride > 0 && meetings.met(name, axis + 1));
      });
    maps.set(name, usable ? { base, directions } : undefined);
  }
  return { run: run as LaunchRun, maps, cost: (before - budget.left) / numbers.length };
}

/** Elements that the first thread (or block) and each of its neighbours add to. */
class Meetings {
  readonly #added = new Map<string, Map<number, Set<number>>>();

  note(name: string, element: number, at: number): void {
    const added = this.#added.get(name) ?? new Map<number, Set<number>>();
    this.#added.set(name, added.set(at, (added.get(at) ?? new Set()).add(element)));
  }

  /** Whether a neighbour adds to an element of the first: where that lies elsewhere on the whole, data say who adds where. */
  met(name: string, at: number): boolean {
    const added = this.#added.get(name);
    const others = added?.get(at) ?? new Set<number>();
    return [...(added?.get(0) ?? [])].some((element) => others.has(element));
  }
}

function axesOf(grid: Three, block: Three, whole: boolean): { readonly extent: number; readonly step: number }[] {
  const size = whole ? 1 : sizeOf(block);
  const blockAxes = [
    { extent: grid[0], step: size },
    { extent: grid[1], step: size * grid[0] },
    { extent: grid[2], step: size * grid[0] * grid[1] },
  ];
  const threadAxes = [
    { extent: block[0], step: 1 },
    { extent: block[1], step: block[0] },
    { extent: block[2], step: block[0] * block[1] },
  ];
  return [...(whole ? [] : threadAxes), ...blockAxes].filter(({ extent }) => extent > 1);
}
