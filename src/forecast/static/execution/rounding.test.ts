import { describe, expect, it } from "vitest";
import {
  brainBits,
  brainOf,
  cutToInteger,
  fit,
  halfBits,
  halfOf,
  roundBrain,
  roundHalf,
  Unsupported,
} from "./rounding.ts";

const allBits = Array.from({ length: 65_536 }, (_, bits) => bits);

describe("halves", () => {
  it("keep their bits, all of them", () => {
    const numbers = allBits.filter((bits) => !Number.isNaN(halfOf(bits)));
    expect(numbers.filter((bits) => halfBits(halfOf(bits)) !== bits)).toEqual([]);
    expect(numbers.filter((bits) => !Object.is(roundHalf(halfOf(bits)), halfOf(bits)))).toEqual([]);
  });

  it("are the nearest to a number", () => {
    for (let bits = 0; bits < 0x7bff; bits += 7) {
      const [low, high] = [halfOf(bits), halfOf(bits + 1)];
      expect(roundHalf(low + 0.49 * (high - low))).toBe(low);
      expect(roundHalf(low + 0.51 * (high - low))).toBe(high);
      expect(roundHalf(-(low + 0.51 * (high - low)))).toBe(-high);
    }
    expect(roundHalf(65_520)).toBe(Number.POSITIVE_INFINITY);
    expect(roundHalf(65_519)).toBe(65_504);
  });
});

it("bfloat16 numbers keep their bits and are the nearest", () => {
  const numbers = allBits.filter((bits) => Number.isFinite(brainOf(bits)) && Math.abs(brainOf(bits)) < 1e37);
  expect(numbers.filter((bits) => brainBits(brainOf(bits)) !== bits)).toEqual([]);
  expect(numbers.filter((bits) => roundBrain(brainOf(bits)) !== brainOf(bits))).toEqual([]);
  expect(roundBrain(1 + 0.49 / 128)).toBe(1);
  expect(roundBrain(1 + 0.51 / 128)).toBe(1 + 1 / 128);
});

describe("integers", () => {
  it("wrap as two's complement does", () => {
    expect(fit.i32(2 ** 31)).toBe(-(2 ** 31));
    expect(fit.u32(-1)).toBe(2 ** 32 - 1);
    expect(fit.i8(200)).toBe(-56);
    expect(fit.u16(65_537)).toBe(1);
  });

  it("are cut from floating numbers, held at their ends", () => {
    expect(cutToInteger(-1.9, "i32")).toBe(-1);
    expect(cutToInteger(1e20, "i32")).toBe(2_147_483_647);
    expect(cutToInteger(-3, "u32")).toBe(0);
    expect(cutToInteger(Number.NaN, "i32")).toBe(0);
  });

  it("of 64 bits are exact or not modelled", () => {
    expect(fit.i64(2 ** 53)).toBe(2 ** 53);
    expect(() => fit.i64(2 ** 54)).toThrow(Unsupported);
  });
});
