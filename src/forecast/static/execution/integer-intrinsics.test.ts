import { expect, it } from "vitest";
import { errorFunction, floatIntrinsics, roundEven } from "./float-intrinsics.ts";
import { halfIntrinsics } from "./half-intrinsics.ts";
import { integerIntrinsics } from "./integer-intrinsics.ts";
import type { Run } from "./run.ts";
import type { ScalarName } from "./types.ts";
import { scalarValue, type ScalarValue } from "./values.ts";

/** Calls a function with plain numbers; none of these looks at the run. */
function call(name: string, type: ScalarName, ...given: readonly number[]): number {
  const table = [integerIntrinsics, floatIntrinsics, halfIntrinsics].find((candidate) => candidate.get(name));
  const found = table?.get(name)?.(
    undefined as unknown as Run,
    given.map((x) => scalarValue(x, type)),
    name,
  );
  return (found as ScalarValue).lanes as number;
}

it.each<readonly [string, ScalarName, readonly number[], number]>([
  ["__popc", "u32", [0xf0f0f0f1], 17],
  ["__ffs", "u32", [0x80], 8],
  ["__ffs", "u32", [0], 0],
  ["__clz", "u32", [1], 31],
  ["__clzll", "u64", [1], 63],
  ["__brev", "u32", [1], 0x80000000],
  ["__umulhi", "u32", [0xffffffff, 0xffffffff], 0xfffffffe],
  ["__mulhi", "i32", [-1, 2], -1],
  ["__byte_perm", "u32", [0x33221100, 0x77665544], 0x33221100],
  ["__byte_perm", "u32", [0x33221100, 0x77665544, 0x7531], 0x77553311],
  ["__funnelshift_r", "u32", [0x1, 0x2, 1], 0],
  ["__funnelshift_l", "u32", [0x80000000, 0x1, 1], 3],
  ["__dp4a", "i32", [0x01ff0203, 0x01010101, 10], 15],
  ["__dp4a", "u32", [0x01ff0203, 0x01010101, 10], 271],
  ["__sad", "i32", [3, -4, 10], 17],
  ["__vminu4", "u32", [0x01ff0340, 0x02018030], 0x01010330],
  ["__vmaxs2", "u32", [0xffff0001, 0x00010000], 0x00010001],
  ["__vcmpeq4", "u32", [0x01020304, 0x01000300], 0xff00ff00],
])("%s of %s numbers", (name, type, given, wanted) => {
  const all = name === "__byte_perm" && given.length === 2 ? [...given, 0x3210] : given;
  expect(call(name, type, ...all)).toBe(wanted);
});

it.each<readonly [string, readonly number[], number]>([
  ["expf", [1], Math.E],
  ["rsqrtf", [4], 0.5],
  ["fmaf", [2, 3, 4], 10],
  ["fmaxf", [Number.NaN, 2], 2],
  ["__fdividef", [1, 4], 0.25],
  ["copysignf", [3, -0], -3],
  ["normcdff", [0], 0.5],
  ["erfcf", [3], 2.209_049_7e-5],
  ["__saturatef", [1.5], 1],
])("%s", (name, given, wanted) => {
  expect(call(name, "f32", ...given)).toBeCloseTo(wanted, 6);
});

it("the error function is odd and known", () => {
  expect(errorFunction(1)).toBeCloseTo(0.842_700_792_949_715, 12);
  expect(errorFunction(-3)).toBeCloseTo(-0.999_977_909_503_001, 12);
});

it("numbers turn into integers as the function's name says", () => {
  expect(call("__float2int_rn", "f32", 2.5)).toBe(2);
  expect(call("__float2int_rd", "f32", -2.5)).toBe(-3);
  expect(call("__float2uint_rz", "f32", -2.5)).toBe(0);
  expect(call("__float2half", "f32", 1 + 2 ** -12)).toBe(1);
  expect(call("__float_as_uint", "f32", 1)).toBe(0x3f800000);
  expect([0.5, 1.5, -0.5, 2.4].map((x) => roundEven(x))).toEqual([0, 2, 0, 2]);
});
