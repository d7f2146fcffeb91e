import { describe, expect, it } from "vitest";
import { commonType, convertLanes, operate } from "./arithmetic.ts";
import type { Lanes } from "./lanes.ts";
import { scalarType, type ScalarName } from "./types.ts";

const edges = [0, 1, 2, 7, 31, 32, 255, 65_535, 65_537, 2 ** 30 + 3, 2 ** 31 - 1, -1, -2, -7, -(2 ** 31), -65_537];
const pairs = edges.flatMap((x) => edges.map((y): readonly [number, number] => [x, y]));

const exactly: Readonly<Record<string, (x: bigint, y: bigint) => bigint>> = {
  "+": (x, y) => x + y,
  "-": (x, y) => x - y,
  "*": (x, y) => x * y,
  "&": (x, y) => x & y,
  "|": (x, y) => x | y,
  "^": (x, y) => x ^ y,
  "/": (x, y) => (y === 0n ? 0n : x / y),
  "%": (x, y) => (y === 0n ? 0n : x % y),
};

function lane(lanes: Lanes, index: number): number {
  return typeof lanes === "number" ? lanes : (lanes[index] as number);
}

describe.each(["i32", "u32"] as const)("arithmetic of %s", (name) => {
  const wrap = (x: bigint): number => Number(name === "i32" ? BigInt.asIntN(32, x) : BigInt.asUintN(32, x));
  const type = scalarType(name);
  const given = pairs.map(([x, y]) => [wrap(BigInt(x)), wrap(BigInt(y))] as const);

  it.each(Object.entries(exactly))("%s wraps, of numbers and of lanes alike", (operator, exact) => {
    const wanted = given.map(([x, y]) => wrap(exact(BigInt(x), BigInt(y))));
    const [left, right] = [Float64Array.from(given, ([x]) => x), Float64Array.from(given, ([, y]) => y)];
    const together = operate(operator, type, left, right);
    given.forEach(([x, y], index) => {
      const results = [
        operate(operator, type, x, y),
        lane(together, index),
        lane(operate(operator, type, Float64Array.of(x), y), 0),
        lane(operate(operator, type, x, Float64Array.of(y)), 0),
      ].map((result) => Number(result) + 0);
      expect(results, `${x} ${operator} ${y}`).toEqual(results.map(() => wanted[index]));
    });
  });
});

it("products of floats are rounded to floats", () => {
  const type = scalarType("f32");
  expect(operate("*", type, 1.1, 1.1)).toBe(Math.fround(1.1 * 1.1));
  expect(operate("+", type, Float64Array.of(1e8), 1)).toEqual(Float64Array.of(1e8));
});

it.each<[ScalarName, ScalarName, ScalarName]>([
  ["u8", "i8", "i32"],
  ["i32", "u32", "u32"],
  ["u32", "i64", "i64"],
  ["f16", "i64", "f16"],
  ["f32", "u64", "f32"],
  ["f32", "f64", "f64"],
])("%s with %s is computed in %s", (a, b, wanted) => {
  expect(commonType(scalarType(a), scalarType(b)).name).toBe(wanted);
  expect(commonType(scalarType(b), scalarType(a)).name).toBe(wanted);
});

it("conversions cut, wrap and round", () => {
  const convert = (x: number, from: ScalarName, to: ScalarName): Lanes =>
    convertLanes(x, scalarType(from), scalarType(to));
  expect(convert(-1, "i32", "u32")).toBe(2 ** 32 - 1);
  expect(convert(300, "i32", "u8")).toBe(44);
  expect(convert(3.99, "f32", "i32")).toBe(3);
  expect(convert(0.1, "f64", "f32")).toBe(Math.fround(0.1));
  expect(convert(5, "i32", "bool")).toBe(1);
});
