import type { Expression } from "../analysis/ast.ts";
import { asyncIntrinsics } from "./async-intrinsics.ts";
import { floatIntrinsics } from "./float-intrinsics.ts";
import { halfIntrinsics } from "./half-intrinsics.ts";
import { integerIntrinsics } from "./integer-intrinsics.ts";
import { matrixIntrinsics } from "./matrix-intrinsics.ts";
import { memoryIntrinsics } from "./memory-intrinsics.ts";
import { Mistyped, Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import { builtInType } from "./types.ts";
import { noValue, scalarOfValue, type RecordValue, type Scope, type Value } from "./values.ts";
import { convert } from "./places.ts";
import { warpIntrinsics } from "./warp-intrinsics.ts";

/** What a function of CUDA does with its arguments. */
export type Intrinsic = (run: Run, given: readonly Value[], name: string) => Value;

const tables: readonly ReadonlyMap<string, Intrinsic>[] = [
  floatIntrinsics,
  halfIntrinsics,
  integerIntrinsics,
  memoryIntrinsics,
  warpIntrinsics,
  asyncIntrinsics,
];

const ignored =
  /^(__threadfence\w*|__nanosleep|__prefetch\w*|__builtin_assume|assert|printf|__builtin_prefetch|fence\w*)$/;

export function callIntrinsic(run: Run, name: string, call: Expression & { kind: "call" }, scope: Scope): Value {
  const matrix = matrixIntrinsics.get(name);
  if (matrix) return matrix(run, call.arguments, scope);
  const given = call.arguments.map((argument) => run.evaluate(argument, scope));
  run.machine.step(2 * run.machine.width);
  return intrinsicOf(name)(run, given, name);
}

const mostKept = 4096;
const kept = new Map<string, Intrinsic>();

/** What a name stands for, looked up once. */
function intrinsicOf(name: string): Intrinsic {
  let intrinsic = kept.get(name);
  if (!intrinsic) {
    intrinsic = findIntrinsic(name);
    if (kept.size >= mostKept) kept.clear();
    kept.set(name, intrinsic);
  }
  return intrinsic;
}

function findIntrinsic(name: string): Intrinsic {
  if (ignored.test(name)) return () => noValue;
  if (name.startsWith("make_")) return make;
  for (const table of tables) {
    const intrinsic = table.get(name);
    if (intrinsic) return intrinsic;
  }
  throw unknownFunction(name);
}

/** Names like those of CUDA may be one that is not modelled; others do not exist. */
function unknownFunction(name: string): Error {
  const known =
    /^(this_|tiled_|coalesced_|__brevll|__v(abs|neg|hadd|sad)\w+[24]|__vi\w+_[su]|__nv_cvt|__dp2a|__u?mul64hi|clock)/.test(
      name,
    );
  return known ? new Unsupported(`the function ${name}`) : new Mistyped(`the function ${name}`);
}

function make(run: Run, given: readonly Value[], name: string): Value {
  const type = builtInType(name.slice("make_".length));
  if (type?.kind !== "record") throw new Unsupported(`the function ${name}`);
  const fields = type.fields.map((field, index) => convert(run, scalarOfValue(given[index]), field.type));
  const value: RecordValue = { kind: "record", type, fields };
  return value;
}
