import type { Dtype } from "./dtype.ts";

/** A number, or arithmetic over the task's named sizes and the kernel's tunables (see `expression.ts`). */
export type Expression = number | string;

export type Dim3 = readonly [number, number, number];

/** One kernel argument: a task argument's name, or a scalar of the given type. */
export type LaunchArgument = string | Readonly<Partial<Record<Dtype, Expression>>>;

/** One launch as written in a task or proposed by a model; the geometry may be symbolic. */
export interface Launch {
  /** Name of an `extern "C" __global__` function of the source. */
  readonly kernel: string;
  readonly grid: readonly [Expression, Expression, Expression];
  readonly block: readonly [Expression, Expression, Expression];
  /** Dynamic shared memory per block in bytes. */
  readonly smemBytes: Expression;
  readonly args: readonly LaunchArgument[];
}

export type ResolvedArgument = string | { readonly dtype: Dtype; readonly value: number };

/** A launch with every expression evaluated for one workload. */
export interface ResolvedLaunch {
  readonly kernel: string;
  readonly grid: Dim3;
  readonly block: Dim3;
  readonly smemBytes: number;
  readonly args: readonly ResolvedArgument[];
}

/** One complete CUDA source with its launches, in order. `kernelId` is a digest of the other fields but `origin`. */
export interface Kernel {
  readonly kernelId: string;
  readonly source: string;
  readonly launches: readonly Launch[];
  readonly compileOptions: readonly string[];
}

/** A kernel not yet measured, with where it came from. `idea` and `origin` are never shown to a forecaster. */
export interface Candidate {
  readonly kernel: Kernel;
  readonly parentId: string | null;
  readonly idea?: string;
  readonly origin: string;
}
