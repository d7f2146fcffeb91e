import type { Launch } from "../../../src/domain/index.ts";

/** One value of a template's option. Booleans and strings change the structure of the source; numbers may be mere constants. */
export type OptionValue = string | number | boolean;
export type Options = Readonly<Record<string, OptionValue>>;

/** What a template writes for one choice of options: a complete source with its launches. */
export interface KernelDraft {
  readonly source: string;
  readonly launches: readonly Launch[];
  readonly compileOptions?: readonly string[];
}

/** One way to compute the task: a source with options. The first value of each option is where a search would start. */
export interface Template {
  readonly id: string;
  /** The template whose kernels a writer would come from; null for the one that the seed kernel belongs to. */
  readonly from: string | null;
  /** One sentence a proposer would give for moving to this template. */
  readonly idea: string;
  readonly options: Readonly<Record<string, readonly OptionValue[]>>;
  /** False for combinations that make no sense; those that merely fail on the device should stay. */
  readonly valid?: (options: Options) => boolean;
  /** How many kernels to draw from this template. */
  readonly count: number;
  /** `sizes` are the task's. */
  readonly write: (options: Options, sizes: Readonly<Record<string, number>>) => KernelDraft;
}

/** A plausible mistake: edits a drawn kernel of a template so that it fails. */
export interface Mistake {
  readonly id: string;
  readonly template: string;
  readonly idea: string;
  /** What the author expects; the device decides. */
  readonly expect: "compile_error" | "launch_error" | "incorrect" | "timeout";
  readonly options?: Options;
  readonly edit: (draft: KernelDraft) => KernelDraft;
}

export interface Generator {
  readonly taskId: string;
  readonly templates: readonly Template[];
  readonly mistakes: readonly Mistake[];
}

/** Identity with type checking, so that a generator file reads as data. */
export function defineGenerator(generator: Generator): Generator {
  return generator;
}
