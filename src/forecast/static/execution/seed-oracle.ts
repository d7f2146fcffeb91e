import { dtypeBytes, resolveLaunch, type Kernel, type ResolvedLaunch, type Task } from "../../../domain/index.ts";
import { parseProgram } from "../analysis/parse-program.ts";
import { preprocess } from "../analysis/preprocess.ts";
import { invert } from "./affine-map.ts";
import { accessOf } from "./bytes.ts";
import { exploreLaunch, type Exploration } from "./explore-launch.ts";
import { offsetsOf, scalarOf } from "./inputs.ts";
import { singleThreads, wholeBlocks } from "./lineup.ts";
import type { Budget } from "./machine.ts";
import { InputPages } from "./pages.ts";
import { GlobalBuffer, type Watcher } from "./regions.ts";
import { runLaunch, type Bench } from "./run-launch.ts";
import { scalarType } from "./types.ts";

/** Buffers of a task, empty but for inputs, which are drawn as they are touched. */
export function makeBuffers(task: Task, inputs: readonly InputPages[]): GlobalBuffer[] {
  return task.workload.args.map(
    (argument, index) =>
      new GlobalBuffer(argument, dtypeBytes(argument.dtype), inputs[index] ?? new InputPages(argument, index)),
  );
}

/** A kernel read for a task, with fresh buffers. */
export interface PreparedKernel extends Bench {
  readonly source: string;
  readonly launches: readonly ResolvedLaunch[];
}

export function prepare(kernel: Kernel, task: Task, inputs: readonly InputPages[]): PreparedKernel {
  const program = parseProgram(preprocess(kernel.source, kernel.compileOptions));
  const launches = kernel.launches.map((launch) => resolveLaunch(launch, task.workload.sizes));
  return { source: kernel.source, program, task, buffers: makeBuffers(task, inputs), launches };
}

/** Answers that are kept: kernels alike write the same elements. */
const keptAnswers = 1024;
/** Steps for one answer, and those to see where threads write: a seed kernel that takes more is not followed. */
const answerSteps = 4e7;
const exploringSteps = 3e7;
const mostLanes = 256;
const mostLaunches = 4;

/** Tells what a task's outputs should hold, by running those threads of its seed kernel that write them. */
export class SeedOracle {
  readonly inputs: readonly InputPages[];
  readonly #task: Task;
  readonly #bench: PreparedKernel;
  readonly #explored: Exploration[] = [];
  readonly #known = new Map<string, readonly (number | undefined)[]>();
  /** Steps that one thread takes; sets how many elements are asked for. */
  #cost = 0;
  #whole = false;
  /** Why it cannot tell; empty where it can. */
  reason = "";

  constructor(task: Task) {
    this.#task = task;
    const { args } = task.workload;
    this.inputs = args.map((argument, index) => new InputPages(argument, index, offsetsOf(argument, args)));
    this.#bench = prepare(task.seedKernel, task, this.inputs);
    if (this.#bench.launches.length > mostLaunches) this.reason = "many launches";
    else this.#explore();
  }

  /** How many elements of an output it is reasonable to ask for. */
  get elements(): number {
    if (this.#whole) return 64;
    return Math.max(12, Math.min(mostLanes, Math.floor(4e6 / Math.max(1, this.#cost))));
  }

  #explore(): void {
    const buffers = makeBuffers(this.#task, this.inputs);
    const budget: Budget = { left: exploringSteps };
    for (const [index, launch] of this.#bench.launches.entries()) {
      const options = { whole: this.#whole, budget, buffers };
      const explored = exploreLaunch(this.#bench, launch, index, options);
      const { ending, reason } = explored.run;
      if (ending === "unsupported" && reason.includes("alone") && !this.#whole) {
        this.#whole = true;
        this.#explored.length = 0;
        this.#explore();
        return;
      }
      if (ending !== "done") {
        this.reason = `${ending} ${reason}`;
        return;
      }
      this.#explored.push(explored);
      this.#cost += explored.cost;
    }
  }

  /** What elements of an output should be; undefined for what it cannot tell. Depends on nothing asked before. */
  values(name: string, elements: readonly number[]): readonly (number | undefined)[] {
    const key = `${name} ${elements.join(" ")}`;
    let values = this.#known.get(key);
    if (!values) {
      values = this.reason === "" ? this.#run(name, elements) : elements.map(() => undefined);
      if (this.#known.size >= keptAnswers) this.#known.clear();
      this.#known.set(key, values);
    }
    return values;
  }

  /** Runs of each launch the threads that write the elements, or what lies at the same place in another buffer. */
  #run(name: string, elements: readonly number[]): (number | undefined)[] {
    const buffers = makeBuffers(this.#task, this.inputs);
    const buffer = buffers.find((candidate) => candidate.name === name);
    if (!this.#runLaunches(buffers, name, elements) || !buffer || buffer.atomic) return elements.map(() => undefined);
    const access = accessOf(scalarType(scalarOf(buffer.argument.dtype)));
    return elements.map((element) => (buffer.isWritten(element) ? buffer.valueOf(element, access) : undefined));
  }

  /** False where a launch reads what a thread would have written that did not run. */
  #runLaunches(buffers: readonly GlobalBuffer[], name: string, elements: readonly number[]): boolean {
    const made = new Set<string>();
    let complete = true;
    const budget: Budget = { left: answerSteps };
    const read: Watcher["read"] = (buffer, offset) => {
      if (made.has(buffer.name) && !buffer.isWritten(offset / buffer.elementBytes)) complete = false;
    };
    for (const [index, launch] of this.#bench.launches.entries()) {
      const numbers = this.#threads(index, name, elements);
      if (numbers.length === 0) return false;
      const { grid, block } = launch;
      const lineup = this.#whole ? wholeBlocks(grid, block, numbers) : singleThreads(grid, block, numbers);
      const run = runLaunch({ ...this.#bench, buffers }, launch, index, lineup, budget, { read });
      if (run.ending !== "done") return false;
      for (const written of this.#explored[index]?.maps.keys() ?? []) made.add(written);
    }
    return complete;
  }

  #threads(index: number, name: string, elements: readonly number[]): number[] {
    const maps = this.#explored[index]?.maps ?? new Map<string, undefined>();
    const map = maps.get(name) ?? [...maps.values()].find((candidate) => candidate !== undefined);
    if (!map) return [];
    const found = elements.map((element) => invert(map, element)).filter((number) => number !== undefined);
    return [...new Set(found)].slice(0, this.#whole ? 2 : mostLanes);
  }
}
