import { dtypes, type Dtype } from "./dtype.ts";
import { canonicalJson, sha256Hex } from "./digest.ts";
import { KernelcastError } from "./errors.ts";
import { evaluateExpression, type Names } from "./expression.ts";
import type { Dim3, Expression, Kernel, Launch, LaunchArgument, ResolvedArgument, ResolvedLaunch } from "./kernel.ts";

/** Evaluates a launch's arithmetic. `names`: the workload's sizes and, for a tuned kernel, its tunables. */
export function resolveLaunch(launch: Launch, names: Names): ResolvedLaunch {
  return {
    kernel: launch.kernel,
    grid: resolveDimensions("grid", launch.grid, names),
    block: resolveDimensions("block", launch.block, names),
    smemBytes: evaluateExpression(launch.smemBytes, names),
    args: launch.args.map((argument) => resolveArgument(argument, names)),
  };
}

function resolveDimensions(what: string, value: Launch["grid"], names: Names): Dim3 {
  const dimension = (expression: Expression): number => {
    const size = evaluateExpression(expression, names);
    if (size < 1)
      throw new KernelcastError("task", `${what} dimension "${expression}" is ${size}; it must be at least 1`);
    return size;
  };
  return [dimension(value[0]), dimension(value[1]), dimension(value[2])];
}

function resolveArgument(argument: LaunchArgument, names: Names): ResolvedArgument {
  if (typeof argument === "string") return argument;
  const dtype = dtypes.find((name) => argument[name] !== undefined);
  if (!dtype) throw new KernelcastError("task", `launch argument ${JSON.stringify(argument)} has no known type`);
  return { dtype, value: scalar(dtype, argument[dtype] as Expression, names) };
}

function scalar(dtype: Dtype, value: Expression, names: Names): number {
  const floating = dtype === "f64" || dtype === "f32" || dtype === "f16" || dtype === "bf16";
  return floating && typeof value === "number" ? value : evaluateExpression(value, names);
}

/** A launch with its arithmetic evaluated, in the form that kernels carry. */
export function bindLaunch(launch: Launch, names: Names): Launch {
  const resolved = resolveLaunch(launch, names);
  const args = resolved.args.map((argument) =>
    typeof argument === "string" ? argument : { [argument.dtype]: argument.value },
  );
  return { ...resolved, args };
}

/** True when no part of the launches depends on a size, so that they hold for one workload only. */
export function isSpecialised(launches: readonly Launch[]): boolean {
  return launches.every((launch) =>
    [...launch.grid, ...launch.block, launch.smemBytes].every((expression) => typeof expression === "number"),
  );
}

/**
 * Makes a kernel and its id: the first 16 hex digits of the SHA-256 of its source, its launches resolved for the task's
 * sizes, and its compile options.
 */
export function makeKernel(parts: Omit<Kernel, "kernelId">, names: Names): Kernel {
  const resolved = parts.launches.map((launch) => resolveLaunch(launch, names));
  const identity = canonicalJson([parts.source, resolved, parts.compileOptions]);
  return { ...parts, kernelId: sha256Hex(identity).slice(0, 16) };
}
