import {
  bindLaunch,
  evaluateExpression,
  keyedUniform,
  makeKernel,
  KernelcastError,
  type Candidate,
  type Kernel,
  type Proposer,
  type Task,
  type TunableSpace,
} from "../domain/index.ts";

/** Values of a space's parameters by name. */
export type TunablePoint = Readonly<Record<string, number>>;

/** Largest space that is enumerated; a larger one is refused with advice, since its order would not fit in memory. */
const largestSpace = 200_000;

export interface TunablesProposerOptions {
  /**
   * The kernels that there are, as of a recording: those of them that are points of the space are proposed, and no others. By
   * default every point that meets the constraints.
   */
  readonly kernels?: readonly Kernel[];
}

/**
 * Proposes points of a task's parameter space. The k-th proposal of a parent is the k-th of all valid points in a keyed
 * random order that favours near ones: a point that differs in d parameters weighs 4^-d (weighted sampling without
 * replacement by exponential keys, Efraimidis and Spirakis 2006). Throws `KernelcastError("task", …)` for a task without
 * tunables, or whose space is too large or empty.
 */
export function tunablesProposer(task: Task, { kernels }: TunablesProposerOptions = {}): Proposer {
  const { tunables } = task;
  if (!tunables) {
    throw new KernelcastError(
      "task",
      `task ${task.taskId} declares no tunables; add them to task.yaml or use another --proposer`,
    );
  }
  const choices = kernels
    ? knownChoices(task, tunables, kernels)
    : enumeratePoints(task.taskId, tunables, task.workload.sizes).map((point): Choice => ({
        point,
        text: JSON.stringify(point),
      }));
  const orders = new Map<string, readonly Choice[]>();
  return {
    name: "tunables",
    propose({ parent, firstIndex, count, seed }) {
      const key = `${seed} ${parent.kernel.kernelId}`;
      const order =
        orders.get(key) ?? orderChoices(choices, pointOf(parent.kernel, tunables), seed, parent.kernel.kernelId);
      orders.set(key, order);
      const chosen = order.slice(firstIndex, firstIndex + count);
      return Promise.resolve({
        candidates: chosen.map((choice) => toCandidate(task, tunables, choice, parent.kernel.kernelId)),
        exhausted: firstIndex + count >= order.length,
        cost: { cpuSeconds: 0, tokens: 0, usd: 0 },
      });
    },
  };
}

/** A point, with the kernel that there is of it, if there is one. */
interface Choice {
  readonly point: TunablePoint;
  /** The point as text, the key of its random draws: making it takes longer than drawing. */
  readonly text: string;
  readonly kernel?: Kernel;
}

function knownChoices(task: Task, tunables: TunableSpace, kernels: readonly Kernel[]): readonly Choice[] {
  const names = Object.keys(tunables.parameters);
  const choices = kernels
    .filter(({ source }) => source === task.seedKernel.source)
    .map((kernel): Choice => {
      const point = pointOf(kernel, tunables);
      return { point, text: JSON.stringify(point), kernel };
    })
    .filter(({ point }) => names.every((name) => point[name] !== undefined));
  if (choices.length > 0) return choices;
  throw new KernelcastError("task", `task ${task.taskId}: no kernel of the recording is a point of its tunables`);
}

/** Every point that meets the constraints, in lexicographic order of the declared values. */
export function enumeratePoints(taskId: string, space: TunableSpace, sizes: TunablePoint): readonly TunablePoint[] {
  const entries = Object.entries(space.parameters);
  const total = entries.reduce((product, [, values]) => product * values.length, 1);
  if (total > largestSpace) {
    throw new KernelcastError(
      "task",
      `task ${taskId}: the space has ${total} points; at most ${largestSpace} are supported, so declare fewer values`,
    );
  }
  let points: TunablePoint[] = [{}];
  for (const [name, values] of entries) {
    points = points.flatMap((point) => values.map((value) => ({ ...point, [name]: value })));
  }
  const valid = points.filter((point) =>
    space.constraints.every((constraint) => evaluateExpression(constraint, { ...sizes, ...point }) !== 0),
  );
  if (valid.length === 0)
    throw new KernelcastError("task", `task ${taskId}: no point of the space meets its constraints`);
  return valid;
}

function orderChoices(
  choices: readonly Choice[],
  from: TunablePoint,
  seed: number,
  parentId: string,
): readonly Choice[] {
  const names = Object.keys(from);
  return choices
    .map((choice) => ({ choice, distance: distanceBetween(names, choice.point, from) }))
    .filter(({ distance }) => distance > 0)
    .map(({ choice, distance }) => {
      const uniform = keyedUniform(seed, "tunables", parentId, choice.text);
      return { choice, key: Math.log(1 - uniform) * 4 ** distance };
    })
    .toSorted((a, b) => b.key - a.key)
    .map(({ choice }) => choice);
}

function distanceBetween(names: readonly string[], a: TunablePoint, b: TunablePoint): number {
  let distance = 0;
  for (const name of names) if (a[name] !== b[name]) distance++;
  return distance;
}

/** The point that a kernel was compiled for, from its `-Dname=value` options. */
function pointOf(kernel: Kernel, space: TunableSpace): TunablePoint {
  const values = kernel.compileOptions.flatMap((option) => {
    const match = /^-D(\w+)=(-?\d+)$/.exec(option);
    return match?.[1] !== undefined && match[1] in space.parameters ? [[match[1], Number(match[2])] as const] : [];
  });
  return Object.fromEntries(values);
}

function toCandidate(task: Task, space: TunableSpace, { point, kernel }: Choice, parentId: string): Candidate {
  const options = Object.entries(point).map(([name, value]) => `-D${name}=${value}`);
  return {
    kernel: kernel ?? kernelAt(task, space, point, options),
    parentId,
    idea: options.join(" "),
    origin: "tunables",
  };
}

function kernelAt(task: Task, space: TunableSpace, point: TunablePoint, options: readonly string[]): Kernel {
  const names = { ...task.workload.sizes, ...point };
  return makeKernel(
    {
      source: task.seedKernel.source,
      launches: space.launches.map((launch) => bindLaunch(launch, names)),
      compileOptions: [...space.compileOptions, ...options],
    },
    names,
  );
}
