import { integerDefines, KernelcastError, makeKernel, type Kernel, type Launch, type Task } from "../domain/index.ts";

export interface ReadKernelsOptions {
  readonly task: Task;
  /** Of kernels that bring none of their own; those of the task's seed by default. */
  readonly launches?: readonly Launch[];
  readonly compileOptions?: readonly string[];
  /** Ids of kernels of the task that parents may be besides those that are read. */
  readonly known?: ReadonlySet<string>;
}

/** A kernel that was read, by the name that others call it by. */
export interface KernelDraft {
  /** The name of its file, or its id in the table. */
  readonly name: string;
  readonly place: string;
  readonly kernel: Kernel;
  /** The name or id of its parent; undefined where nothing is said. */
  readonly parent?: string | null | undefined;
  readonly idea?: string | undefined;
  readonly origin?: string | undefined;
  readonly templateId?: string | undefined;
}

/** The launches of a kernel that brings none. */
export function defaultLaunches({ launches, task }: ReadKernelsOptions): readonly Launch[] {
  return launches ?? task.seedKernel.launches;
}

/** Builds a kernel of a source; what is wrong in it is said with its place. */
export function buildKernel(
  place: string,
  source: string,
  launches: readonly Launch[],
  { task, compileOptions = task.seedKernel.compileOptions }: ReadKernelsOptions,
): Kernel {
  const names = { ...integerDefines(compileOptions), ...task.workload.sizes };
  return located(place, () => makeKernel({ source, launches, compileOptions }, names));
}

/** Puts the place before a fault's message. */
export function located<T>(place: string, build: () => T): T {
  try {
    return build();
  } catch (cause) {
    if (!KernelcastError.isInstance(cause)) throw cause;
    throw new KernelcastError("recording", `${place}: ${cause.message}`, { cause });
  }
}
