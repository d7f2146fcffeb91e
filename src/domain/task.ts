import type { Dtype, Precision } from "./dtype.ts";
import type { Kernel, Launch } from "./kernel.ts";

export type ArgumentRole = "in" | "out" | "inout" | "scratch";

/** How the worker draws an input. Every draw is keyed by a secret seed. Bounds of `uniform` are [low, high). */
export type InputDraw =
  | { readonly normal: { readonly mean: number; readonly std: number } }
  | { readonly uniform: { readonly low: number; readonly high: number } }
  | { readonly integers: { readonly low: number; readonly high: number } }
  | { readonly constant: number };

/** One parameter of a task's computation; pointers only, row-major, dense. Shape in elements. */
export interface TaskArgument {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly role: ArgumentRole;
  /** Absent when the reference's `make_inputs` draws it, and for outputs and scratch. */
  readonly draw?: InputDraw;
}

/**
 * When an output agrees with its reference. `allclose`: |got − want| ≤ atol + rtol·|want| everywhere; `exact`:
 * equal; `mismatch_frac`: allclose but for at most `maxFraction` of the elements.
 */
export type Tolerance =
  | { readonly type: "allclose"; readonly rtol: number; readonly atol: number }
  | { readonly type: "exact" }
  | { readonly type: "mismatch_frac"; readonly rtol: number; readonly atol: number; readonly maxFraction: number };

/** A task's computation at one set of sizes. */
export interface Workload {
  readonly sizes: Readonly<Record<string, number>>;
  readonly args: readonly TaskArgument[];
  /** Operations the computation needs, counting a multiply-add as two. */
  readonly flops: number;
  /** Fewest bytes through device memory: each input read once, each output written once. */
  readonly bytesMin: number;
}

export type Split = "train" | "validation" | "test";

/** What to optimise. `workload` is timed; `boundaryWorkloads` are only checked for correctness. */
export interface Task {
  readonly taskId: string;
  readonly kind: "cuda";
  readonly title: string;
  readonly family: string;
  readonly description: string;
  readonly workload: Workload;
  readonly boundaryWorkloads: readonly Workload[];
  readonly tolerance: Tolerance;
  /** Arithmetic that the tolerance permits; never empty. */
  readonly precisions: readonly Precision[];
  /** Python source that defines `reference(inputs, sizes)` and, optionally, `make_inputs(sizes, rng)`. */
  readonly reference: string;
  readonly seedKernel: Kernel;
  readonly split?: Split;
  readonly tunables?: TunableSpace;
}

/**
 * A declared parameter space: each point becomes `-Dname=value` compile options of the seed source; values may be
 * used in launch expressions and constraints. Constraints are expressions that must be non-zero.
 */
export interface TunableSpace {
  readonly parameters: Readonly<Record<string, readonly number[]>>;
  readonly constraints: readonly string[];
  /** The seed's launches as written, over sizes and parameters. */
  readonly launches: readonly Launch[];
  /** Compile options of every point, before the parameters'. */
  readonly compileOptions: readonly string[];
}
