import type { Evidence, ResolvedLaunch, Task } from "../../../domain/index.ts";
import type { FunctionDefinition, Program } from "../analysis/ast.ts";
import { sizeOf } from "./lineup.ts";
import { constant, parseTokens, splitTokens } from "./resolve-type.ts";
import { Machine } from "./machine.ts";
import { Run } from "./run.ts";
import { roundUp } from "./types.ts";
import { singleThreads } from "./lineup.ts";

const mostThreads = 1024;
/** Registers are given out by so many to a thread. */
const registerStep = 8;
const registersPerBlock = 65_536;
/** Bytes of shared memory that a block may have. */
const mostSharedBytes = 232_448;
/** Bytes that it may have without asking; one asks for as many dynamic bytes as exceed this. */
const plainSharedBytes = 49_152;
const deepestBlock = 64;
const gridLimit = 65_535;

/** Why a launch would be refused by what its source tells, or undefined where nothing speaks against it. */
export function launchFault(program: Program, launch: ResolvedLaunch, task: Task): string | undefined {
  const definition = program.functions.get(launch.kernel);
  if (!definition) return program.skipped > 0 ? undefined : `no kernel is named ${launch.kernel}`;
  return (
    geometryFault(program, definition, launch) ?? sharedFault(launch, 0) ?? argumentFault(definition, launch, task)
  );
}

function geometryFault(program: Program, definition: FunctionDefinition, launch: ResolvedLaunch): string | undefined {
  const threads = sizeOf(launch.block);
  const allowed = Math.min(mostThreads, boundOf(program, definition) ?? mostThreads);
  if (threads > allowed) return `a block of ${threads} threads; ${launch.kernel} allows ${allowed}`;
  if (launch.block[2] > deepestBlock) return `a block ${launch.block[2]} threads deep; ${deepestBlock} are allowed`;
  if (launch.grid[1] > gridLimit || launch.grid[2] > gridLimit) return "a grid too large along y or z";
  return undefined;
}

/** Why a launch would be refused that takes what the compiler says of its kernel. */
export function resourceFault(launch: ResolvedLaunch, evidence: Evidence): string | undefined {
  const threads = sizeOf(launch.block);
  const registers = roundUp(evidence.regs ?? 0, registerStep);
  if (registers * roundUp(threads, 32) > registersPerBlock)
    return `${registers} registers in each of ${threads} threads`;
  return sharedFault(launch, evidence.staticSmem ?? 0);
}

/** Why a launch of a kernel with so many bytes of static shared memory would be refused. */
export function sharedFault({ smemBytes }: ResolvedLaunch, staticBytes: number): string | undefined {
  const bytes = smemBytes + staticBytes;
  if (bytes > mostSharedBytes) return `${bytes} bytes of shared memory; a block may have ${mostSharedBytes}`;
  const asksForMore = smemBytes === 0 || smemBytes > plainSharedBytes;
  return bytes > plainSharedBytes && !asksForMore
    ? `${bytes} bytes of shared memory, more than ${plainSharedBytes}, though no more are dynamic`
    : undefined;
}

/** Threads that `__launch_bounds__` allows. */
function boundOf(program: Program, { launchBounds }: FunctionDefinition): number | undefined {
  const [first] = launchBounds ? splitTokens(launchBounds) : [];
  if (!first) return undefined;
  try {
    const options = { buffers: [], launch: 0, dynamicSharedBytes: 0, budget: { left: 1e5 } };
    const run = new Run(new Machine(program, singleThreads([1, 1, 1], [1, 1, 1], [0]), options));
    return constant(run, parseTokens(first), run.globals);
  } catch {
    return undefined;
  }
}

function argumentFault(definition: FunctionDefinition, launch: ResolvedLaunch, task: Task): string | undefined {
  const { parameters } = definition;
  if (parameters.length !== launch.args.length) {
    return `${launch.args.length} arguments for the ${parameters.length} parameters of ${launch.kernel}`;
  }
  for (const [index, parameter] of parameters.entries()) {
    const argument = launch.args[index];
    const isBuffer = typeof argument === "string";
    if (isBuffer !== parameter.type.pointers > 0) return `the argument for ${parameter.name} is of another kind`;
    if (isBuffer && !task.workload.args.some(({ name }) => name === argument)) return `no buffer is named ${argument}`;
  }
  return undefined;
}
