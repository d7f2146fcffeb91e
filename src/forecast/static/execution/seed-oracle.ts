import { dtypeBytes, resolveLaunch, type Kernel, type ResolvedLaunch, type Task } from "../../../domain/index.ts";
import { parseProgram } from "../analysis/parse-program.ts";
import { preprocess } from "../analysis/preprocess.ts";
import { invert, type AffineMap, type Direction } from "./affine-map.ts";
import { accessOf } from "./bytes.ts";
import { scalarOf } from "./inputs.ts";
import { singleThreads, sizeOf, wholeBlocks, type Three } from "./lineup.ts";
import type { Budget } from "./machine.ts";
import { GlobalBuffer, type InputPages } from "./regions.ts";
import { runLaunch, type Bench } from "./run-launch.ts";
import { scalarType } from "./types.ts";

/** Buffers of a task, empty but for inputs, which are drawn as they are touched. */
export function makeBuffers(task: Task, inputs: readonly InputPages[]): GlobalBuffer[] {
  return task.workload.args.map(
    (argument, index) => new GlobalBuffer(argument, index, dtypeBytes(argument.dtype), inputs[index] ?? new Map()),
  );
}

export function prepare(kernel: Kernel, task: Task, inputs: readonly InputPages[]): Bench & { launches: ResolvedLaunch[] } {
  const program = parseProgram(preprocess(kernel.source, kernel.compileOptions));
  const launches = kernel.launches.map((launch) => resolveLaunch(launch, task.workload.sizes));
  return { program, task, buffers: makeBuffers(task, inputs), launches };
}

const totalSteps = 1.5e8;
const mostLanes = 256;

/** Tells what a task's outputs should hold, by running those threads of its seed kernel that write them. */
export class SeedOracle {
  readonly inputs: readonly InputPages[];
  readonly #task: Task;
  readonly #bench: ReturnType<typeof prepare>;
  readonly #budget: Budget = { left: totalSteps };
  readonly #maps = new Map<string, AffineMap | undefined>();
  readonly #known = new Map<string, number>();
  /** Steps that one thread takes; sets how many elements are asked for. */
  #cost = 0;
  #whole = false;
  /** Why it cannot tell; empty where it can. */
  reason = "";

  constructor(task: Task) {
    this.#task = task;
    this.inputs = task.workload.args.map(() => new Map());
    this.#bench = prepare(task.seedKernel, task, this.inputs);
    if (this.#bench.launches.length !== 1) this.reason = "several launches";
    else this.#explore();
  }

  get #launch(): ResolvedLaunch {
    return this.#bench.launches[0] as ResolvedLaunch;
  }

  /** How many elements of an output it is reasonable to ask for. */
  get elements(): number {
    if (this.#whole) return 64;
    return Math.max(12, Math.min(mostLanes, Math.floor(4e6 / Math.max(1, this.#cost))));
  }

  /** Runs the first thread (or block) and its neighbours to see where they write. */
  #explore(): void {
    const { grid, block } = this.#launch;
    const axes = this.#axes(grid, block);
    const numbers = [0, ...axes.map(({ step }) => step)];
    const lowest = new Map<string, number[]>();
    const before = this.#budget.left;
    const size = this.#whole ? sizeOf(block) : 1;
    const lineup = this.#whole ? wholeBlocks(grid, block, numbers) : singleThreads(grid, block, numbers);
    const buffers = makeBuffers(this.#task, this.inputs);
    const run = runLaunch({ ...this.#bench, buffers }, this.#launch, 0, lineup, this.#budget, (buffer, offset, lane, write) => {
      if (!write) return;
      const elements = lowest.get(buffer.name) ?? numbers.map(() => Number.POSITIVE_INFINITY);
      lowest.set(buffer.name, elements);
      const at = Math.floor(lane / size);
      elements[at] = Math.min(elements[at] as number, offset / buffer.elementBytes);
    });
    if (run.ending === "unsupported" && /alone/.test(run.reason) && !this.#whole) {
      this.#whole = true;
      this.#explore();
      return;
    }
    if (run.ending !== "done") {
      this.reason = `${run.ending} ${run.reason}`;
      return;
    }
    this.#cost = (before - this.#budget.left) / numbers.length;
    for (const [name, [base = 0, ...others]] of lowest) {
      const directions = axes.map(({ extent, step }, index): Direction => {
        return { extent, step, stride: (others[index] as number) - base };
      });
      const usable = Number.isFinite(base) && directions.every(({ stride }) => Number.isFinite(stride));
      this.#maps.set(name, usable ? { base, directions } : undefined);
    }
  }

  #axes(grid: Three, block: Three): { readonly extent: number; readonly step: number }[] {
    const size = this.#whole ? 1 : sizeOf(block);
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
    return [...(this.#whole ? [] : threadAxes), ...blockAxes].filter(({ extent }) => extent > 1);
  }

  /** What elements of an output should be; NaN stands for a NaN, undefined for what it cannot tell. */
  values(name: string, elements: readonly number[]): (number | undefined)[] {
    const missing = elements.filter((element) => !this.#known.has(`${name} ${element}`));
    const map = this.#maps.get(name);
    if (map && missing.length > 0) this.#run(name, map, missing);
    return elements.map((element) => this.#known.get(`${name} ${element}`));
  }

  #run(name: string, map: AffineMap, missing: readonly number[]): void {
    const { grid, block } = this.#launch;
    const found = missing.map((element) => invert(map, element)).filter((number) => number !== undefined);
    const numbers = [...new Set(found)].slice(0, this.#whole ? 2 : mostLanes);
    if (numbers.length === 0) return;
    const buffers = makeBuffers(this.#task, this.inputs);
    const lineup = this.#whole ? wholeBlocks(grid, block, numbers) : singleThreads(grid, block, numbers);
    runLaunch({ ...this.#bench, buffers }, this.#launch, 0, lineup, this.#budget);
    const buffer = buffers.find((candidate) => candidate.name === name);
    if (!buffer || buffer.atomic) return;
    const access = accessOf(scalarType(scalarOf(buffer.argument.dtype)));
    for (const element of missing) {
      if (buffer.isWritten(element)) this.#known.set(`${name} ${element}`, buffer.valueOf(element, access));
    }
  }
}
