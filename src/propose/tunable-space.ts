import {
  bindLaunch,
  evaluateExpression,
  makeKernel,
  KernelcastError,
  type Candidate,
  type Kernel,
  type Task,
  type TunableSpace,
} from "../domain/index.ts";

/** Values of a space's parameters by name. */
export type TunablePoint = Readonly<Record<string, number>>;

/** Largest space that is enumerated; a larger one is refused with advice, since its order would not fit in memory. */
const largestSpace = 200_000;

/** A point, with the kernel that there is of it, if there is one. */
export interface Choice {
  readonly point: TunablePoint;
  readonly kernel?: Kernel;
}

/** A task's parameter space with all its points. */
export interface TunableChoices {
  readonly task: Task;
  readonly space: TunableSpace;
  readonly choices: readonly Choice[];
}

export interface TunablesProposerOptions {
  /**
   * The kernels that there are, as of a recording: those of them that are points of the space are proposed, and no others. By
   * default every point that meets the constraints.
   */
  readonly kernels?: readonly Kernel[];
}

/** Throws `KernelcastError("task", …)` for a task without tunables, or whose space is too large or empty. */
export function tunableChoices(task: Task, { kernels }: TunablesProposerOptions): TunableChoices {
  const { tunables: space } = task;
  if (!space) {
    throw new KernelcastError(
      "task",
      `task ${task.taskId} declares no tunables; add them to task.yaml or use another --proposer`,
    );
  }
  if (kernels) return { task, space, choices: knownChoices(task, space, kernels) };
  const points = enumeratePoints(task.taskId, space, task.workload.sizes);
  return { task, space, choices: points.map((point) => ({ point })) };
}

function knownChoices(task: Task, space: TunableSpace, kernels: readonly Kernel[]): readonly Choice[] {
  const names = Object.keys(space.parameters);
  const choices = kernels
    .filter(({ source }) => source === task.seedKernel.source)
    .map((kernel): Choice => ({ point: pointOf(kernel, space), kernel }))
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

/** The point that a kernel was compiled for, from its `-Dname=value` options. */
export function pointOf(kernel: Kernel, space: TunableSpace): TunablePoint {
  const values = kernel.compileOptions.flatMap((option) => {
    const match = /^-D(\w+)=(-?\d+)$/.exec(option);
    return match?.[1] !== undefined && match[1] in space.parameters ? [[match[1], Number(match[2])] as const] : [];
  });
  return Object.fromEntries(values);
}

/** A point's kernel as a candidate; `why` goes behind its parameters. */
export function toCandidate(
  { task, space }: TunableChoices,
  { point, kernel }: Choice,
  parentId: string,
  why?: string,
): Candidate {
  const options = optionsOf(point);
  return {
    kernel: kernel ?? kernelAt(task, space, point, options),
    parentId,
    idea: [options.join(" "), ...(why === undefined ? [] : [why])].join(": "),
    origin: "tunables",
  };
}

function optionsOf(point: TunablePoint): readonly string[] {
  return Object.entries(point).map(([name, value]) => `-D${name}=${value}`);
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
