import { convertLanes } from "./arithmetic.ts";
import { argument, roundEven } from "./float-intrinsics.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { mapLanes, zipLanes, type Lanes } from "./lanes.ts";
import {
  brainBits,
  brainOf,
  cutToInteger,
  fit,
  floatBits,
  floatOf,
  halfBits,
  halfOf,
  Mistyped,
  Unsupported,
} from "./rounding.ts";
import { builtInType, scalarType, type RecordType, type ScalarName } from "./types.ts";
import { scalarOfValue, scalarValue, type RecordValue, type ScalarValue, type Value } from "./values.ts";

function pairOf(low: Value, high: Value, element: ScalarName): RecordValue {
  const name = element === "f16" ? "__half2" : element === "bf16" ? "__nv_bfloat162" : "float2";
  return { kind: "record", type: builtInType(name) as RecordType, fields: [to(low, element), to(high, element)] };
}

function to(value: Value, name: ScalarName): ScalarValue {
  const { lanes, type } = scalarOfValue(value);
  if (type.kind === "pointer") throw new Mistyped("a pointer where a number is needed");
  return scalarValue(convertLanes(lanes, type, scalarType(name)), name);
}

function part(value: Value | undefined, index: 0 | 1): ScalarValue {
  if (value?.kind !== "record") throw new Mistyped("a pair is missing");
  return scalarOfValue(value.fields[index]);
}

/** Conversions of one number: `[name, from, to]`. */
const conversions: readonly (readonly [RegExp, ScalarName, ScalarName])[] = [
  [/^__float2half(_r[nzud])?$/, "f32", "f16"],
  [/^__half2float$/, "f16", "f32"],
  [/^__double2half$/, "f64", "f16"],
  [/^__float2bfloat16(_r[nzud])?$/, "f32", "bf16"],
  [/^__bfloat162float$/, "bf16", "f32"],
  [/^__(u?int|u?short|u?ll)2half_r[nzud]$/, "i64", "f16"],
  [/^__(u?int|u?short|u?ll)2bfloat16_r[nzud]$/, "i64", "bf16"],
  [/^__u?(int|ll)2float_r[nzud]$/, "i64", "f32"],
  [/^__u?(int|ll)2double_r[nzud]$/, "i64", "f64"],
  [/^__float_to_tf32$/, "f32", "f32"],
];

const rounders: Readonly<Record<string, (x: number) => number>> = {
  rn: roundEven,
  rz: Math.trunc,
  ru: Math.ceil,
  rd: Math.floor,
};

function convertsByName(name: string): Intrinsic | undefined {
  const toInteger = /^__(?:float|double|half|bfloat16)2(u?)(int|ll|short)_(r[nzud])$/.exec(name);
  if (toInteger) {
    const width = toInteger[2] === "ll" ? 64 : toInteger[2] === "short" ? 16 : 32;
    const target = `${toInteger[1] ? "u" : "i"}${width}` as ScalarName;
    const round = rounders[toInteger[3] ?? ""] ?? roundEven;
    return (_run, given) =>
      scalarValue(
        mapLanes(argument(given, 0, scalarType("f64")), (x) => cutToInteger(round(x), target)),
        target,
      );
  }
  const rule = conversions.find(([pattern]) => pattern.test(name));
  return (
    rule &&
    ((_run, given) =>
      scalarValue(
        convertLanes(to(given[0] as Value, rule[1]).lanes, scalarType(rule[1]), scalarType(rule[2])),
        rule[2],
      ))
  );
}

function reads(operation: (x: number) => number, name: ScalarName): Intrinsic {
  return (_run, given) => scalarValue(mapLanes(scalarOfValue(given[0]).lanes, operation), name);
}

/** Builds and takes apart pairs; `half` is either kind of half. */
function pairFunctions(half: ScalarName, word: string, single: string, pair: string): (readonly [string, Intrinsic])[] {
  const fromFloats: Intrinsic = (_run, given) => pairOf(given[0] as Value, given[1] as Value, half);
  return [
    [`__floats2${pair}_rn`, fromFloats],
    [`__halves2${pair}`, fromFloats],
    [`make_${pair}`, fromFloats],
    [`__float22${pair}_rn`, (_run, given) => pairOf(part(given[0], 0), part(given[0], 1), half)],
    [`__${pair}2float2`, (_run, given) => pairOf(part(given[0], 0), part(given[0], 1), "f32")],
    [`__float2${pair}_rn`, (_run, given) => pairOf(given[0] as Value, given[0] as Value, half)],
    [`__${word}2${pair}`, (_run, given) => pairOf(given[0] as Value, given[0] as Value, half)],
    [`__low2${single}`, (_run, given) => part(given[0], 0)],
    [`__high2${single}`, (_run, given) => part(given[0], 1)],
    [`__low2${pair}`, (_run, given) => pairOf(part(given[0], 0), part(given[0], 0), half)],
    [`__high2${pair}`, (_run, given) => pairOf(part(given[0], 1), part(given[0], 1), half)],
    [`__lows2${pair}`, (_run, given) => pairOf(part(given[0], 0), part(given[1], 0), half)],
    [`__highs2${pair}`, (_run, given) => pairOf(part(given[0], 1), part(given[1], 1), half)],
    [`__lowhigh2highlow`, (_run, given) => pairOf(part(given[0], 1), part(given[0], 0), half)],
  ];
}

type Numeric = (x: number, y: number, z: number) => number;

const operations: Readonly<Record<string, Numeric>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  fma: (x, y, z) => x * y + z,
  max: (x, y) => Math.max(x, y),
  min: (x, y) => Math.min(x, y),
  neg: (x) => -x,
  abs: (x) => Math.abs(x),
  exp: (x) => Math.exp(x),
  exp2: (x) => 2 ** x,
  log: (x) => Math.log(x),
  rcp: (x) => 1 / x,
  sqrt: (x) => Math.sqrt(x),
  rsqrt: (x) => 1 / Math.sqrt(x),
  tanh: (x) => Math.tanh(x),
};

const comparisons: Readonly<Record<string, Numeric>> = {
  gt: (x, y) => (x > y ? 1 : 0),
  lt: (x, y) => (x < y ? 1 : 0),
  ge: (x, y) => (x >= y ? 1 : 0),
  le: (x, y) => (x <= y ? 1 : 0),
  eq: (x, y) => (x === y ? 1 : 0),
  ne: (x, y) => (x === y ? 0 : 1),
};

function applyAll(operation: Numeric, values: readonly ScalarValue[], round: (x: number) => number): Lanes {
  const [a, b, c] = values.map(({ lanes }) => lanes);
  if (b === undefined) return mapLanes(a as Lanes, (x) => round(operation(x, 0, 0)));
  if (c === undefined) return zipLanes(a as Lanes, b, (x, y) => round(operation(x, y, 0)));
  const product = zipLanes(a as Lanes, b, (x, y) => operation(x, y, 0));
  return zipLanes(product, c, (x, y) => round(x + y));
}

/** An operation on halves, or on pairs part by part. */
function halves(operation: Numeric): Intrinsic {
  return (_run, given) => {
    const [first] = given;
    if (first?.kind === "record") {
      const fields = first.fields.map((field, index) => {
        const { type } = scalarOfValue(field);
        const name = type.kind === "scalar" ? type.name : "f16";
        return scalarValue(
          applyAll(
            operation,
            given.map((value) => part(value, index as 0 | 1)),
            fit[name],
          ),
          name,
        );
      });
      return { ...first, fields };
    }
    const values = given.map((value) => scalarOfValue(value));
    const type = values[0]?.type;
    const name = type?.kind === "scalar" && type.name === "bf16" ? "bf16" : "f16";
    return scalarValue(
      applyAll(
        operation,
        values.map((value) => to(value, name)),
        fit[name],
      ),
      name,
    );
  };
}

function compares(operation: Numeric): Intrinsic {
  return (_run, given) => {
    if (given[0]?.kind === "record") throw new Unsupported("pairs compared");
    return scalarValue(
      applyAll(
        operation,
        given.map((value) => scalarOfValue(value)),
        (x) => x,
      ),
      "bool",
    );
  };
}

function halfOperations(): (readonly [string, Intrinsic])[] {
  return [
    ...Object.entries(operations).flatMap(([name, operation]): (readonly [string, Intrinsic])[] =>
      [`__h${name}`, `__h${name}2`, `h${name}`, `h2${name}`, `__h${name}_rn`, `__h${name}2_rn`].map((key) => [
        key,
        halves(operation),
      ]),
    ),
    ...Object.entries(comparisons).map(([name, operation]): readonly [string, Intrinsic] => [
      `__h${name}`,
      compares(operation),
    ]),
  ];
}

const bits: readonly (readonly [string, Intrinsic])[] = [
  ["__float_as_int", reads((x) => floatBits(x) | 0, "i32")],
  ["__float_as_uint", reads(floatBits, "u32")],
  ["__int_as_float", reads(floatOf, "f32")],
  ["__uint_as_float", reads(floatOf, "f32")],
  ["__half_as_ushort", reads(halfBits, "u16")],
  ["__half_as_short", reads((x) => (halfBits(x) << 16) >> 16, "i16")],
  ["__ushort_as_half", reads((x) => halfOf(x & 65_535), "f16")],
  ["__short_as_half", reads((x) => halfOf(x & 65_535), "f16")],
  ["__bfloat16_as_ushort", reads(brainBits, "u16")],
  ["__ushort_as_bfloat16", reads((x) => brainOf(x & 65_535), "bf16")],
  ["__low2float", (_run, given) => to(part(given[0], 0), "f32")],
  ["__high2float", (_run, given) => to(part(given[0], 1), "f32")],
];

/** Named conversions are found by pattern, once each. */
class ConversionTable extends Map<string, Intrinsic> {
  override get(name: string): Intrinsic | undefined {
    return super.get(name) ?? convertsByName(name);
  }
}

export const halfIntrinsics: ReadonlyMap<string, Intrinsic> = new ConversionTable([
  ...pairFunctions("f16", "half", "half", "half2"),
  ...pairFunctions("bf16", "bfloat16", "bfloat16", "bfloat162"),
  ...bits,
  ...halfOperations(),
]);
