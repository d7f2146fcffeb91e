import { findHostCode, parseCudaKernels, type CudaKernel, type CudaParameter } from "./cuda-signature.ts";
import { dtypeBytes, dtypes, type Dtype } from "./dtype.ts";
import { KernelcastError } from "./errors.ts";
import type { Names } from "./expression.ts";
import type { Dim3, Kernel, Launch, LaunchArgument } from "./kernel.ts";
import { resolveLaunch } from "./launch.ts";
import type { Task } from "./task.ts";
import { integerDefines } from "./wire.ts";

/** Longest source of a kernel, in characters: ten times the longest that was ever recorded. */
const longestSource = 400_000;
/** What CUDA allows; dynamic shared memory as on the device that has most of it. */
const limits = { threads: 1024, blockZ: 64, gridX: 2 ** 31 - 1, gridYz: 65_535, smemBytes: 232_448 } as const;

/**
 * What is wrong with a kernel that somebody wrote for a task, one line each, before any compiler sees it: host code, launches
 * of functions that are not there, arguments that do not fit, limits of a launch, outputs that nothing is given. Empty where
 * nothing is found; a compiler and a device find the rest.
 */
export function kernelFaults(task: Task, kernel: Omit<Kernel, "kernelId">): readonly string[] {
  const { source, launches, compileOptions } = kernel;
  if (source.trim() === "") return ["the source is empty"];
  if (source.length > longestSource)
    return [`the source has ${source.length} characters; at most ${longestSource} are taken`];
  const hostCode = findHostCode(source);
  if (hostCode !== undefined)
    return [`the source has ${hostCode}; only device code is taken, the launches are given apart from it`];
  if (launches.length === 0) return ["there are no launches"];
  const names = { ...integerDefines(compileOptions), ...task.workload.sizes };
  const functions = parseCudaKernels(source);
  const faults = launches.flatMap((launch) => launchFaults(task, source, functions, launch, names));
  return faults.length > 0 ? faults : outputFaults(task, launches);
}

function launchFaults(
  task: Task,
  source: string,
  functions: readonly CudaKernel[],
  launch: Launch,
  names: Names,
): readonly string[] {
  return [
    ...argumentFaults(task, launch),
    ...signatureFaults(task, source, functions, launch),
    ...geometryFaults(launch, names),
  ];
}

function argumentFaults(task: Task, { kernel, args }: Launch): readonly string[] {
  const known = task.workload.args.map(({ name }) => name);
  return args
    .filter((argument) => typeof argument === "string" && !known.includes(argument))
    .map(
      (argument) =>
        `launch of ${kernel}: ${JSON.stringify(argument)} is no argument of the task (it has ${known.join(", ")})`,
    );
}

function signatureFaults(
  task: Task,
  source: string,
  functions: readonly CudaKernel[],
  { kernel: name, args }: Launch,
): readonly string[] {
  const found = functions.find((one) => one.name === name);
  if (!found) {
    // A name that is there may be defined through a macro, which is not followed.
    if (new RegExp(`\\b${name.replaceAll(/\W/g, "\\$&")}\\b`).test(source)) return [];
    const defined = functions.map((one) => one.name).join(", ") || "none";
    return [`launch of ${name}: the source defines no __global__ function of that name (it defines ${defined})`];
  }
  if (!found.externC) return [`${name} is not extern "C", so it cannot be launched by its name`];
  if (found.parameters.length !== args.length)
    return [`launch of ${name}: ${args.length} arguments for ${found.parameters.length} parameters`];
  return args.flatMap((argument, index) => {
    const fault = parameterFault(task, found.parameters[index] as CudaParameter, argument);
    return fault === undefined ? [] : [`launch of ${name}: ${fault}`];
  });
}

function parameterFault(task: Task, parameter: CudaParameter, argument: LaunchArgument): string | undefined {
  const { name, pointer, dtype } = parameter;
  if (typeof argument === "string") {
    const known = task.workload.args.some((one) => one.name === argument);
    return pointer || dtype === undefined || !known
      ? undefined
      : `parameter ${name} is no pointer, but is given the array ${argument}`;
  }
  if (pointer) return `parameter ${name} is a pointer, but is given the scalar ${JSON.stringify(argument)}`;
  const given = dtypes.find((one) => argument[one] !== undefined);
  if (given === undefined || dtype === undefined || isAlike(given, dtype)) return undefined;
  return `parameter ${name} is ${dtype}, but is given ${JSON.stringify(argument)}`;
}

/** Whether the bits of one type mean the same as the other: signed and unsigned of a width do. */
function isAlike(a: Dtype, b: Dtype): boolean {
  if (a === b) return true;
  const isInteger = (dtype: Dtype): boolean => /^[iu]/.test(dtype);
  return isInteger(a) && isInteger(b) && dtypeBytes(a) === dtypeBytes(b);
}

function geometryFaults(launch: Launch, names: Names): readonly string[] {
  try {
    const { grid, block, smemBytes } = resolveLaunch(launch, names);
    return sizeFaults(grid, block, smemBytes).map((fault) => `launch of ${launch.kernel}: ${fault}`);
  } catch (error) {
    if (KernelcastError.isInstance(error)) return [`launch of ${launch.kernel}: ${error.message}`];
    throw error;
  }
}

function sizeFaults(grid: Dim3, block: Dim3, smemBytes: number): readonly string[] {
  const faults: string[] = [];
  const threads = block[0] * block[1] * block[2];
  if (threads > limits.threads) faults.push(`a block has ${threads} threads; at most ${limits.threads} are possible`);
  if (block[2] > limits.blockZ) faults.push(`a block is ${block[2]} deep; at most ${limits.blockZ} are possible`);
  if (grid[0] > limits.gridX || grid[1] > limits.gridYz || grid[2] > limits.gridYz)
    faults.push(
      `the grid is ${grid.join(" x ")}; at most ${limits.gridX} x ${limits.gridYz} x ${limits.gridYz} is possible`,
    );
  if (smemBytes < 0 || smemBytes > limits.smemBytes)
    faults.push(`${smemBytes} bytes of dynamic shared memory; 0 to ${limits.smemBytes} are possible`);
  return faults;
}

function outputFaults(task: Task, launches: readonly Launch[]): readonly string[] {
  const given = new Set(launches.flatMap(({ args }) => args));
  return task.workload.args
    .filter(({ role, name }) => (role === "out" || role === "inout") && !given.has(name))
    .map(({ name, role }) => `no launch is given the output ${name}${role === "inout" ? " (inout)" : ""}`);
}
