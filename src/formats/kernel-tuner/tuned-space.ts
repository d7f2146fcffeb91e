import type { FailureStatus } from "../../domain/index.ts";

/** A parameter's value; text and truth values go into the compile options as Python writes them. */
export type TunedValue = number | string | boolean;

/** What a tuner measured of one configuration. Times in milliseconds. */
export interface TunedConfiguration {
  readonly values: Readonly<Record<string, TunedValue>>;
  readonly outcome:
    | { readonly status: "ok"; readonly timeMs: number; readonly samplesMs: readonly number[] }
    | { readonly status: FailureStatus; readonly error: string };
  readonly compileMs?: number;
  readonly benchmarkMs?: number;
  readonly verificationMs?: number;
  /** Metrics of the user's own, by name. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** What one file of Kernel Tuner's holds. */
export interface TunedSpace {
  readonly path: string;
  readonly kernelName?: string;
  readonly deviceName?: string;
  /** Up to three numbers; absent where the file does not tell, or where it is computed by a program. */
  readonly problemSize?: readonly number[];
  /** Values by parameter, in the order of the configurations' keys. */
  readonly parameters: Readonly<Record<string, readonly TunedValue[]>>;
  readonly configurations: readonly TunedConfiguration[];
  /** One line for each thing about the file that a user should know. */
  readonly notes: readonly string[];
}

const verdicts: Readonly<Record<string, FailureStatus>> = {
  InvalidConfig: "launch_error",
  CompilationFailedConfig: "compile_error",
  RuntimeFailedConfig: "launch_error",
  ErrorConfig: "crashed",
  timeout: "timeout",
  compile: "compile_error",
  runtime: "launch_error",
  correctness: "incorrect",
  constraints: "launch_error",
};

/** The outcome that a name of a failure stands for; names that are not known count as crashes. */
export function failure(name: string): TunedConfiguration["outcome"] {
  return { status: verdicts[name] ?? "crashed", error: `${name}, says Kernel Tuner` };
}

/** Before failures had names, they had this time. */
const failedMs = 1e19;

/** The outcome of a time; one that is no time is a failure. */
export function outcomeOf(timeMs: unknown, samples: unknown): TunedConfiguration["outcome"] {
  if (typeof timeMs === "string") return failure(timeMs);
  if (typeof timeMs !== "number" || !(timeMs > 0) || timeMs >= failedMs) return failure(`a time of ${String(timeMs)}`);
  return { status: "ok", timeMs, samplesMs: numbers(samples) };
}

function numbers(values: unknown): number[] {
  return Array.isArray(values) ? values.filter((value) => typeof value === "number" && value > 0) : [];
}
