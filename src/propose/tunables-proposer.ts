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

/**
 * Proposes points of a task's parameter space. The k-th proposal of a parent is the k-th of all valid points in a keyed
 * random order that favours near ones: a point that differs in d parameters weighs 4^-d (weighted sampling without
 * replacement by exponential keys, Efraimidis and Spirakis 2006). Throws `KernelcastError("task", …)` for a task without
 * tunables, or whose space is too large or empty.
 */
export function tunablesProposer(task: Task): Proposer {
  const { tunables } = task;
  if (!tunables) {
    throw new KernelcastError(
      "task",
      `task ${task.taskId} declares no tunables; add them to task.yaml or use another --proposer`,
    );
  }
  const points = enumeratePoints(task.taskId, tunables, task.workload.sizes);
  const orders = new Map<string, readonly TunablePoint[]>();
  return {
    name: "tunables",
    propose({ parent, firstIndex, count, seed }) {
      const key = `${seed} ${parent.kernel.kernelId}`;
      const order =
        orders.get(key) ?? orderPoints(points, pointOf(parent.kernel, tunables), seed, parent.kernel.kernelId);
      orders.set(key, order);
      const chosen = order.slice(firstIndex, firstIndex + count);
      return Promise.resolve({
        candidates: chosen.map((point) => toCandidate(task, tunables, point, parent.kernel.kernelId)),
        exhausted: firstIndex + count >= order.length,
        cost: { cpuSeconds: 0, tokens: 0, usd: 0 },
      });
    },
  };
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

function orderPoints(
  points: readonly TunablePoint[],
  from: TunablePoint,
  seed: number,
  parentId: string,
): readonly TunablePoint[] {
  return points
    .map((point) => ({ point, distance: distanceBetween(point, from) }))
    .filter(({ distance }) => distance > 0)
    .map(({ point, distance }) => {
      const uniform = keyedUniform(seed, "tunables", parentId, JSON.stringify(point));
      return { point, key: Math.log(1 - uniform) * 4 ** distance };
    })
    .toSorted((a, b) => b.key - a.key)
    .map(({ point }) => point);
}

function distanceBetween(a: TunablePoint, b: TunablePoint): number {
  return Object.keys(a).filter((name) => a[name] !== b[name]).length;
}

/** The point that a kernel was compiled for, from its `-Dname=value` options. */
function pointOf(kernel: Kernel, space: TunableSpace): TunablePoint {
  const values = kernel.compileOptions.flatMap((option) => {
    const match = /^-D(\w+)=(-?\d+)$/.exec(option);
    return match?.[1] !== undefined && match[1] in space.parameters ? [[match[1], Number(match[2])] as const] : [];
  });
  return Object.fromEntries(values);
}

function toCandidate(task: Task, space: TunableSpace, point: TunablePoint, parentId: string): Candidate {
  const names = { ...task.workload.sizes, ...point };
  const options = Object.entries(point).map(([name, value]) => `-D${name}=${value}`);
  const kernel = makeKernel(
    {
      source: task.seedKernel.source,
      launches: space.launches.map((launch) => bindLaunch(launch, names)),
      compileOptions: [...space.compileOptions, ...options],
    },
    names,
  );
  return { kernel, parentId, idea: options.join(" "), origin: "tunables" };
}
