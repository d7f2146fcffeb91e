import { fastOperation } from "./fast-arithmetic.ts";
import { laneOf, mapLanes, zeroLanes, zipLanes, type Lanes } from "./lanes.ts";
import { cutToInteger, fit, Mistyped, Unsupported } from "./rounding.ts";
import { isFloating, scalarType, type ScalarName, type ScalarType } from "./types.ts";

const floatingRanks: readonly ScalarName[] = ["f16", "bf16", "f32", "f64"];
const integerRanks: readonly ScalarName[] = ["i32", "u32", "i64", "u64"];

/** What an operation on two scalars is computed in, by the usual arithmetic conversions. */
export function commonType(a: ScalarType, b: ScalarType): ScalarType {
  if (a === b && a.bytes >= 4) return a;
  if (isFloating(a) || isFloating(b)) {
    const rank = Math.max(floatingRanks.indexOf(a.name), floatingRanks.indexOf(b.name));
    return scalarType(floatingRanks[rank] as ScalarName);
  }
  return scalarType(integerRanks[Math.max(integerRank(a), integerRank(b))] as ScalarName);
}

/** What a scalar is promoted to on its own. */
export function promoted(type: ScalarType): ScalarType {
  return isFloating(type) || type.bytes >= 4 ? type : scalarType("i32");
}

function integerRank({ name, bytes }: ScalarType): number {
  return bytes < 4 ? 0 : integerRanks.indexOf(name);
}

type Conversion = "none" | "floats" | ((x: number) => number);

const conversions = new Map<ScalarType, Map<ScalarType, Conversion>>();

/** A value of one scalar type as one of another. */
export function convertLanes(lanes: Lanes, from: ScalarType, to: ScalarType): Lanes {
  if (from === to) return lanes;
  const conversion = conversionOf(from, to);
  if (conversion === "none") return lanes;
  if (conversion !== "floats") return mapLanes(lanes, conversion);
  return typeof lanes === "number" ? Math.fround(lanes) : toFloats(lanes);
}

function conversionOf(from: ScalarType, to: ScalarType): Conversion {
  const ofType = conversions.get(from) ?? new Map<ScalarType, Conversion>();
  let conversion = ofType.get(to);
  if (conversion === undefined) {
    const isSame = to.name === "void" || widens(from.name, to.name);
    conversion = isSame ? "none" : to.name === "f32" ? "floats" : converter(from, to);
    conversions.set(from, ofType.set(to, conversion));
  }
  return conversion;
}

function converter(from: ScalarType, to: ScalarType): (x: number) => number {
  if (to.name === "bool") return (x) => (x === 0 ? 0 : 1);
  if (isFloating(from) && !isFloating(to)) return (x) => cutToInteger(x, to.name);
  return fit[to.name];
}

/** True where every value of one type is the same number in another. */
function widens(from: ScalarName, to: ScalarName): boolean {
  if (to === "f64") return true;
  if (from === "bool") return true;
  if (to === "f32") return from === "f16" || from === "bf16" || /^[iu](8|16)$/.test(from);
  if (to === "i64") return /^[iu](8|16|32)$/.test(from);
  if (to === "u64") return /^u(8|16|32)$/.test(from);
  if (to === "i32") return /^[iu](8|16)$/.test(from);
  return to === "u32" && /^u(8|16)$/.test(from);
}

function toFloats(lanes: Float64Array): Float64Array {
  const result = zeroLanes(lanes.length);
  for (let lane = 0; lane < lanes.length; lane++) result[lane] = Math.fround(lanes[lane] as number);
  return result;
}

/** Result of `+ - * / % & | ^ << >>` on two values of one type. */
export function operate(operator: string, type: ScalarType, a: Lanes, b: Lanes): Lanes {
  if (typeof a !== "number" || typeof b !== "number") {
    const fast = fastOperation(operator, type.name);
    if (fast) return fast(a, b);
  }
  return zipLanes(a, b, operationOf(operator, type.name));
}

type Operation = (x: number, y: number) => number;

const operations = new Map<ScalarName, Map<string, Operation>>();

function operationOf(operator: string, name: ScalarName): Operation {
  const ofType = operations.get(name) ?? new Map<string, Operation>();
  let operation = ofType.get(operator);
  if (!operation) {
    operation = isFloating(scalarType(name)) ? floatOperation(operator, name) : integerOperation(operator, name);
    operations.set(name, ofType.set(operator, operation));
  }
  return operation;
}

function floatOperation(operator: string, name: ScalarName): Operation {
  const round = fit[name];
  if (operator === "+") return (x, y) => round(x + y);
  if (operator === "-") return (x, y) => round(x - y);
  if (operator === "*") return (x, y) => round(x * y);
  if (operator === "/") return (x, y) => round(x / y);
  throw new Mistyped(`${operator} of floating numbers`);
}

function integerOperation(operator: string, name: ScalarName): Operation {
  if (name === "i32") return signedOperations[operator] ?? unknown(operator);
  if (name === "u32") return unsignedOperations[operator] ?? unknown(operator);
  const wrap = name === "u64" ? wrapUnsigned : wrapSigned;
  const operation = wideOperations[operator] ?? unknown(operator);
  const exactly = bigOperations[operator];
  return (x, y) => {
    const result = operation(x, y);
    if (Number.isSafeInteger(result) && (name !== "u64" || result >= 0)) return result;
    return exactly ? wrap(exactly(BigInt(x), BigInt(y))) : fit[name](result);
  };
}

function wrapUnsigned(x: bigint): number {
  return fit.u64(Number(BigInt.asUintN(64, x)));
}

function wrapSigned(x: bigint): number {
  return fit.i64(Number(BigInt.asIntN(64, x)));
}

function unknown(operator: string): Operation {
  throw new Unsupported(`the operator ${operator}`);
}

function quotient(x: number, y: number): number {
  return y === 0 ? 0 : Math.trunc(x / y);
}

function remainder(x: number, y: number): number {
  return y === 0 ? 0 : x % y;
}

const signedOperations: Readonly<Record<string, Operation>> = {
  "+": (x, y) => (x + y) | 0,
  "-": (x, y) => (x - y) | 0,
  "*": Math.imul,
  "/": (x, y) => quotient(x, y) | 0,
  "%": (x, y) => remainder(x, y) | 0,
  "&": (x, y) => x & y,
  "|": (x, y) => x | y,
  "^": (x, y) => x ^ y,
  "<<": (x, y) => (y > 31 || y < 0 ? 0 : x << y),
  ">>": (x, y) => x >> Math.min(31, y),
};

const unsignedOperations: Readonly<Record<string, Operation>> = {
  "+": (x, y) => (x + y) >>> 0,
  "-": (x, y) => (x - y) >>> 0,
  "*": (x, y) => Math.imul(x, y) >>> 0,
  "/": quotient,
  "%": remainder,
  "&": (x, y) => (x & y) >>> 0,
  "|": (x, y) => (x | y) >>> 0,
  "^": (x, y) => (x ^ y) >>> 0,
  "<<": (x, y) => (y > 31 || y < 0 ? 0 : (x << y) >>> 0),
  ">>": (x, y) => (y > 31 || y < 0 ? 0 : x >>> y),
};

const wideOperations: Readonly<Record<string, Operation>> = {
  "+": (x, y) => x + y,
  "-": (x, y) => x - y,
  "*": (x, y) => x * y,
  "/": quotient,
  "%": remainder,
  "&": (x, y) => bits(x, y, (a, b) => a & b),
  "|": (x, y) => bits(x, y, (a, b) => a | b),
  "^": (x, y) => bits(x, y, (a, b) => a ^ b),
  "<<": (x, y) => x * 2 ** y,
  ">>": (x, y) => Math.floor(x / 2 ** y),
};

/** Exact forms of those that overflow 53 bits. */
const bigOperations: Readonly<Record<string, (x: bigint, y: bigint) => bigint>> = {
  "+": (x, y) => x + y,
  "-": (x, y) => x - y,
  "*": (x, y) => x * y,
  "<<": (x, y) => x << y,
};

function bits(x: number, y: number, operation: (a: bigint, b: bigint) => bigint): number {
  return Number(operation(BigInt(x), BigInt(y)));
}

const comparisons: Readonly<Record<string, Operation>> = {
  "==": (x, y) => (x === y ? 1 : 0),
  "!=": (x, y) => (x === y ? 0 : 1),
  "<": (x, y) => (x < y ? 1 : 0),
  ">": (x, y) => (x > y ? 1 : 0),
  "<=": (x, y) => (x <= y ? 1 : 0),
  ">=": (x, y) => (x >= y ? 1 : 0),
};

export function isComparison(operator: string): boolean {
  return Object.hasOwn(comparisons, operator);
}

function isLess(a: Lanes, b: Lanes): Lanes {
  const result = zeroLanes(typeof a === "number" ? (b as Float64Array).length : a.length);
  for (let lane = 0; lane < result.length; lane++) result[lane] = laneOf(a, lane) < laneOf(b, lane) ? 1 : 0;
  return result;
}

/** 0 or 1 in each lane. */
export function compare(operator: string, a: Lanes, b: Lanes): Lanes {
  if (operator === "<" && (typeof a !== "number" || typeof b !== "number")) return isLess(a, b);
  return zipLanes(a, b, comparisons[operator] as Operation);
}
