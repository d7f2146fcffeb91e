import {
  dtypeBytes,
  resolveLaunch,
  type CudaToken,
  type Dtype,
  type Kernel,
  type ResolvedArgument,
  type ResolvedLaunch,
  type Task,
  type TaskArgument,
} from "../../../domain/index.ts";
import type { Program } from "./ast.ts";
import type { Arithmetic } from "./element-types.ts";
import { parseProgram } from "./parse-program.ts";
import { preprocess } from "./preprocess.ts";
import type { LaunchProfile } from "./profile.ts";
import { numberValue, Scope, unknownNumber, type Value } from "./values.ts";
import { Walker } from "./walker.ts";

/** What a kernel's launches do, in order, and how well its source was understood. */
export interface KernelProfile {
  readonly launches: readonly LaunchProfile[];
  readonly resolved: readonly ResolvedLaunch[];
  /** Statements that the parser skipped, and launches of functions that it did not find. */
  readonly skipped: number;
  readonly missing: number;
}

/**
 * Reads a kernel for a task's sizes. Never fails on a source: what is not understood is left out. `tokens` are those of
 * its preprocessed source.
 */
export function profileKernel(
  kernel: Kernel,
  task: Task,
  tokens: readonly CudaToken[] = preprocess(kernel.source, kernel.compileOptions),
): KernelProfile {
  const program = parseProgram(tokens);
  const resolved = kernel.launches.map((launch) => resolveLaunch(launch, task.workload.sizes));
  const launches = resolved.flatMap((launch) => profileLaunch(program, launch, task) ?? []);
  return { launches, resolved, skipped: program.skipped, missing: resolved.length - launches.length };
}

function profileLaunch(program: Program, launch: ResolvedLaunch, task: Task): LaunchProfile | undefined {
  const definition = program.functions.get(launch.kernel);
  if (!definition) return undefined;
  const walker = new Walker(program, launch, launch.smemBytes);
  const given = launch.args.map((argument) => argumentValue(argument, task.workload.args));
  let complete = true;
  try {
    walker.call(definition, given, new Scope(walker.globals));
  } catch {
    complete = false;
  }
  return walker.recorder.finish(launch.smemBytes, complete);
}

function argumentValue(argument: ResolvedArgument, args: readonly TaskArgument[]): Value {
  if (typeof argument !== "string") return numberValue(argument.value, arithmeticOf(argument.dtype));
  const declared = args.find(({ name }) => name === argument);
  if (!declared) return unknownNumber;
  const bytes = dtypeBytes(declared.dtype);
  return {
    kind: "pointer",
    space: "global",
    buffer: declared.name,
    bufferBytes: declared.shape.reduce((product, extent) => product * extent, bytes),
    offset: 0,
    element: { bytes, arithmetic: arithmeticOf(declared.dtype) },
    extents: [],
  };
}

function arithmeticOf(dtype: Dtype): Arithmetic {
  if (dtype === "f64" || dtype === "f32") return dtype;
  return dtype === "f16" || dtype === "bf16" ? "f16" : "integer";
}
