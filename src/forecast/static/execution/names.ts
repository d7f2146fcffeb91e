import type { Lanes } from "./lanes.ts";
import type { Machine } from "./machine.ts";
import { Mistyped } from "./rounding.ts";
import type { Run } from "./run.ts";
import { builtInType, type RecordType } from "./types.ts";
import { scalarValue, type ScalarValue, type Value } from "./values.ts";

const largestFloat = 3.4028234663852886e38;

const constants: ReadonlyMap<string, ScalarValue> = new Map([
  ["true", scalarValue(1, "bool")],
  ["false", scalarValue(0, "bool")],
  ["nullptr", scalarValue(0, "i32")],
  ["NULL", scalarValue(0, "i32")],
  ["warpSize", scalarValue(32, "i32")],
  ["INFINITY", scalarValue(Number.POSITIVE_INFINITY, "f32")],
  ["CUDART_INF_F", scalarValue(Number.POSITIVE_INFINITY, "f32")],
  ["NAN", scalarValue(Number.NaN, "f32")],
  ["FLT_MAX", scalarValue(largestFloat, "f32")],
  ["FLT_MIN", scalarValue(2 ** -126, "f32")],
  ["FLT_EPSILON", scalarValue(2 ** -23, "f32")],
  ["INT_MAX", scalarValue(2_147_483_647, "i32")],
  ["INT_MIN", scalarValue(-2_147_483_648, "i32")],
  ["UINT_MAX", scalarValue(4_294_967_295, "u32")],
  ["M_PI", scalarValue(Math.PI, "f64")],
  ["CUDART_PI_F", scalarValue(Math.fround(Math.PI), "f32")],
]);

/** Value of a name that the language gives. */
export function builtInName(run: Run, name: string): Value {
  const constant = constants.get(name);
  if (constant) return constant;
  const { lineup } = run.machine;
  if (name === "threadIdx") return positions(run.machine, lineup.threads);
  if (name === "blockIdx") return positions(run.machine, lineup.blocks);
  if (name === "blockDim") return triple(lineup.block);
  if (name === "gridDim") return triple(lineup.grid);
  if (/(^|::)mem_(row|col)_major$/.test(name)) return scalarValue(name.endsWith("row_major") ? 0 : 1, "i32");
  throw new Mistyped(`the name ${name}`);
}

function triple(values: readonly [Lanes, Lanes, Lanes]): Value {
  const fields = values.map((lanes) => scalarValue(lanes, "u32"));
  return { kind: "record", type: builtInType("dim3") as RecordType, fields };
}

const cache = new WeakMap<Machine, Map<unknown, Value>>();

function positions(machine: Machine, given: Machine["lineup"]["threads"]): Value {
  const known = cache.get(machine) ?? new Map<unknown, Value>();
  cache.set(machine, known);
  let value = known.get(given);
  if (!value) {
    const axis = (index: 0 | 1 | 2): Lanes => {
      const first = given[0]?.[index] ?? 0;
      return given.every((position) => position[index] === first) ? first : Float64Array.from(given, (p) => p[index]);
    };
    value = triple([axis(0), axis(1), axis(2)]);
    known.set(given, value);
  }
  return value;
}
