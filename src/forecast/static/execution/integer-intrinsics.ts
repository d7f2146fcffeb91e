import { argument } from "./float-intrinsics.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { laneOf, lanesFrom, mapLanes, zipLanes, type Lanes } from "./lanes.ts";
import { scalarType, type ScalarName } from "./types.ts";
import { scalarValue, type Value } from "./values.ts";

type Three = (x: number, y: number, z: number) => number;

function lanes3(a: Lanes, b: Lanes, c: Lanes, operation: Three): Lanes {
  if (typeof a === "number" && typeof b === "number" && typeof c === "number") return operation(a, b, c);
  const { length } = [a, b, c].find((lanes) => typeof lanes !== "number") as Float64Array;
  return lanesFrom(length, (lane) => operation(laneOf(a, lane), laneOf(b, lane), laneOf(c, lane)));
}

function on1(from: ScalarName, to: ScalarName, operation: (x: number) => number): Intrinsic {
  return (_run, given) => scalarValue(mapLanes(argument(given, 0, scalarType(from)), operation), to);
}

function on2(from: ScalarName, to: ScalarName, operation: (x: number, y: number) => number): Intrinsic {
  const type = scalarType(from);
  return (_run, given) => scalarValue(zipLanes(argument(given, 0, type), argument(given, 1, type), operation), to);
}

function on3(from: readonly ScalarName[], to: ScalarName, operation: Three): Intrinsic {
  return (_run, given: readonly Value[]) => {
    const [a, b, c] = [0, 1, 2].map((index) => argument(given, index, scalarType(from[index] ?? from[0] ?? "u32")));
    return scalarValue(lanes3(a as Lanes, b as Lanes, c as Lanes, operation), to);
  };
}

function countBits(x: number): number {
  let rest = x >>> 0;
  let count = 0;
  while (rest !== 0) {
    rest &= rest - 1;
    count++;
  }
  return count;
}

const two32 = 2 ** 32;

function reverseBits(x: number): number {
  let result = 0;
  for (let bit = 0; bit < 32; bit++) if ((x >>> bit) & 1) result |= 1 << (31 - bit);
  return result >>> 0;
}

function firstSet(x: number): number {
  return x === 0 ? 0 : 32 - Math.clz32(x & -x);
}

function highProduct(signed: boolean): (x: number, y: number) => number {
  return (x, y) => {
    const high = (BigInt(x) * BigInt(y)) >> 32n;
    return Number(signed ? BigInt.asIntN(32, high) : BigInt.asUintN(32, high));
  };
}

function funnel(low: number, high: number, shift: number): number {
  return shift === 0 ? low : ((low >>> shift) | (high << (32 - shift))) >>> 0;
}

function permute(x: number, y: number, selector: number): number {
  let result = 0;
  for (let byte = 0; byte < 4; byte++) {
    const pick = (selector >>> (4 * byte)) & 15;
    const source = pick & 4 ? y : x;
    let value = (source >>> (8 * (pick & 3))) & 255;
    if (pick & 8) value = value & 128 ? 255 : 0;
    result |= value << (8 * byte);
  }
  return result >>> 0;
}

function byteOf(x: number, byte: number, signed: boolean): number {
  const value = (x >>> (8 * byte)) & 255;
  return signed && value > 127 ? value - 256 : value;
}

function dot(signed: boolean): Three {
  return (x, y, z) => {
    let sum = z;
    for (let byte = 0; byte < 4; byte++) sum += byteOf(x, byte, signed) * byteOf(y, byte, signed);
    return signed ? sum | 0 : sum >>> 0;
  };
}

/** Applies an operation to each part of `bits` bits. */
function parts(bits: 8 | 16, signed: boolean, operation: (x: number, y: number) => number): Intrinsic {
  const mask = 2 ** bits - 1;
  const value = (x: number, at: number): number => {
    const part = (x >>> at) & mask;
    return signed && part > mask / 2 ? part - mask - 1 : part;
  };
  return on2("u32", "u32", (x, y) => {
    let result = 0;
    for (let at = 0; at < 32; at += bits) result |= (operation(value(x, at), value(y, at)) & mask) << at;
    return result >>> 0;
  });
}

const partOperations: Readonly<Record<string, (x: number, y: number) => number>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  absdiff: (x, y) => Math.abs(x - y),
  min: Math.min,
  max: Math.max,
  avg: (x, y) => (x + y + 1) >> 1,
  cmpeq: (x, y) => (x === y ? -1 : 0),
  cmpne: (x, y) => (x === y ? 0 : -1),
  cmpgt: (x, y) => (x > y ? -1 : 0),
  cmpge: (x, y) => (x >= y ? -1 : 0),
  cmplt: (x, y) => (x < y ? -1 : 0),
  cmple: (x, y) => (x <= y ? -1 : 0),
  seteq: (x, y) => (x === y ? 1 : 0),
  setgt: (x, y) => (x > y ? 1 : 0),
};

function vectorEntries(): (readonly [string, Intrinsic])[] {
  const found: (readonly [string, Intrinsic])[] = [];
  for (const [name, operation] of Object.entries(partOperations)) {
    for (const [suffix, signed] of [
      ["", name.startsWith("cmp")],
      ["u", false],
      ["s", true],
    ] as const) {
      found.push([`__v${name}${suffix}4`, parts(8, suffix === "s", operation)]);
      found.push([`__v${name}${suffix}2`, parts(16, suffix === "s" || (signed && false), operation)]);
    }
  }
  return found;
}

const clamp32 = (x: number): number => x | 0;

export const integerIntrinsics: ReadonlyMap<string, Intrinsic> = new Map<string, Intrinsic>([
  ...vectorEntries(),
  ["__popc", on1("u32", "i32", countBits)],
  ["__popcll", on1("u64", "i32", (x) => countBits(x % two32) + countBits(Math.floor(x / two32)))],
  ["__ffs", on1("i32", "i32", firstSet)],
  [
    "__ffsll",
    on1("u64", "i32", (x) => (x % two32 === 0 ? (x === 0 ? 0 : 32 + firstSet(x / two32)) : firstSet(x % two32))),
  ],
  ["__clz", on1("u32", "i32", Math.clz32)],
  ["__clzll", on1("u64", "i32", (x) => (x >= two32 ? Math.clz32(x / two32) : 32 + Math.clz32(x)))],
  ["__brev", on1("u32", "u32", reverseBits)],
  ["__umulhi", on2("u32", "u32", highProduct(false))],
  ["__mulhi", on2("i32", "i32", highProduct(true))],
  ["__mul24", on2("i32", "i32", (x, y) => Math.imul((x << 8) >> 8, (y << 8) >> 8))],
  ["__umul24", on2("u32", "u32", (x, y) => Math.imul(x & 0xffffff, y & 0xffffff) >>> 0)],
  ["__byte_perm", on3(["u32"], "u32", permute)],
  ["__funnelshift_r", on3(["u32"], "u32", (low, high, shift) => funnel(low, high, shift & 31))],
  ["__funnelshift_rc", on3(["u32"], "u32", (low, high, shift) => (shift >= 32 ? high : funnel(low, high, shift)))],
  [
    "__funnelshift_l",
    on3(["u32"], "u32", (low, high, shift) => ((shift & 31) === 0 ? high : funnel(low, high, 32 - (shift & 31)))),
  ],
  ["__sad", on3(["i32", "i32", "u32"], "u32", (x, y, z) => (Math.abs(x - y) + z) >>> 0)],
  ["__usad", on3(["u32"], "u32", (x, y, z) => (Math.abs(x - y) + z) >>> 0)],
  ["__viaddmin_s32", on3(["i32"], "i32", (x, y, z) => Math.min(clamp32(x + y), z))],
  ["__viaddmax_s32", on3(["i32"], "i32", (x, y, z) => Math.max(clamp32(x + y), z))],
  ["__vimin3_s32", on3(["i32"], "i32", (x, y, z) => Math.min(x, y, z))],
  ["__vimax3_s32", on3(["i32"], "i32", (x, y, z) => Math.max(x, y, z))],
  ["__vimin_s32_relu", on2("i32", "i32", (x, y) => Math.max(0, Math.min(x, y)))],
  [
    "__dp4a",
    (run, given, name) => {
      const type = given[0]?.kind === "scalar" ? given[0].type : undefined;
      const unsigned = type?.kind === "scalar" && type.name === "u32";
      return on3([unsigned ? "u32" : "i32"], unsigned ? "u32" : "i32", dot(!unsigned))(run, given, name);
    },
  ],
]);
