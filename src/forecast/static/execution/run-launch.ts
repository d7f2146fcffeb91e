import type { ResolvedLaunch, Task } from "../../../domain/index.ts";
import type { FunctionDefinition, Program } from "../analysis/ast.ts";
import { addressedNames } from "./addressed-names.ts";
import { convertLanes } from "./arithmetic.ts";
import { moveToMemory } from "./calls.ts";
import { scalarOf } from "./inputs.ts";
import { Machine, OutOfSteps, type Budget, type Fault, type Lineup } from "./machine.ts";
import type { GlobalBuffer, Watcher } from "./regions.ts";
import { fit, Mistyped, Unsupported } from "./rounding.ts";
import { Run } from "./run.ts";
import { Endless, Waiting } from "./loop-watch.ts";
import { scalarType, type Type } from "./types.ts";
import { noValue, Scope, scalarValue, type Value } from "./values.ts";

/** How a run of some threads ended. */
export type Ending = "done" | "steps" | "endless" | "waiting" | "unsupported" | "mistyped";

export interface LaunchRun {
  readonly ending: Ending;
  /** What was not modelled; empty otherwise. */
  readonly reason: string;
  readonly faults: readonly Fault[];
  /** Bytes of shared memory that the run came upon. */
  readonly sharedBytes: number;
  readonly staticSharedBytes: number;
}

/** A kernel's program with the memory its launches share. */
export interface Bench {
  readonly program: Program;
  readonly task: Task;
  readonly buffers: readonly GlobalBuffer[];
}

/** Runs some threads of a launch in lockstep. Never fails on a source. */
export function runLaunch(
  bench: Bench,
  launch: ResolvedLaunch,
  index: number,
  lineup: Lineup,
  budget: Budget,
  watcher?: Watcher,
): LaunchRun {
  const machine = new Machine(bench.program, lineup, {
    buffers: bench.buffers,
    launch: index,
    dynamicSharedBytes: launch.smemBytes,
    budget,
    watcher,
  });
  let ending: Ending = "done";
  let reason = "";
  try {
    start(new Run(machine), bench, launch);
  } catch (error) {
    if (error instanceof OutOfSteps) ending = "steps";
    else if (error instanceof Endless) ending = "endless";
    else if (error instanceof Waiting) ending = "waiting";
    else {
      const understood = bench.program.skipped === 0 && !machine.undeclared;
      ending = error instanceof Mistyped && understood ? "mistyped" : "unsupported";
      reason = error instanceof Unsupported ? error.message : `failure: ${String(error)}`;
    }
  }
  const { sharedBytes, staticSharedBytes } = machine;
  const faults = [...machine.faults].map(([kind, fault]) => ({ kind, ...fault }));
  return { ending, reason, faults, sharedBytes, staticSharedBytes };
}

function start(run: Run, bench: Bench, launch: ResolvedLaunch): void {
  const definition = bench.program.functions.get(launch.kernel);
  if (!definition) throw new Unsupported("a kernel that is missing");
  const scope = new Scope(run.globals);
  const addressed = addressedNames(definition.body);
  run.frame = { depth: 0, outermost: true, addressed, returns: undefined, value: noValue };
  bindArguments(run, definition, launch, bench.task, scope);
  moveToMemory(run, definition.parameters, addressed, scope);
  run.visit(definition.body, scope);
}

function bindArguments(
  run: Run,
  definition: FunctionDefinition,
  launch: ResolvedLaunch,
  task: Task,
  scope: Scope,
): void {
  definition.parameters.forEach((parameter, index) => {
    const type = run.type(parameter.type, scope);
    const value = argumentValue(run, launch.args[index], type, task);
    scope.declare(parameter.name, { kind: "variable", type, mask: run.machine.all, value });
  });
}

function argumentValue(run: Run, argument: ResolvedLaunch["args"][number] | undefined, type: Type, task: Task): Value {
  if (argument === undefined) throw new Unsupported("an argument left out");
  if (typeof argument === "string") {
    const address = run.machine.bufferAddress(argument);
    if (address === undefined || type.kind !== "pointer") throw new Unsupported("a buffer that is no pointer");
    if (!task.workload.args.some(({ name }) => name === argument)) throw new Unsupported("an unknown buffer");
    return { kind: "scalar", type, lanes: address };
  }
  if (type.kind !== "scalar") throw new Unsupported("a number that is no parameter");
  const given = scalarOf(argument.dtype);
  return scalarValue(convertLanes(fit[given](argument.value), scalarType(given), type), type.name);
}
