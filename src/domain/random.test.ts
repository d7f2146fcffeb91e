import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyedShuffle, keyedStream, keyedUniform } from "./random.ts";

describe("keyed random numbers", () => {
  it("depend on the key alone", () => {
    expect(keyedUniform(1, "audit", "k1")).toBe(keyedUniform(1, "audit", "k1"));
    expect(keyedUniform(1, "audit", "k1")).not.toBe(keyedUniform(2, "audit", "k1"));
    expect(keyedUniform("ab", "c")).not.toBe(keyedUniform("a", "bc"));
  });

  it("are uniform: mean and variance of 20 000 draws within five standard errors", () => {
    const draws = Array.from({ length: 20_000 }, (_, index) => keyedUniform("uniformity", index));
    const stream = keyedStream("uniformity");
    for (const sample of [draws, draws.map(() => stream())]) {
      const mean = sample.reduce((sum, value) => sum + value, 0) / sample.length;
      const variance = sample.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sample.length;
      expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / sample.length));
      expect(Math.abs(variance - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / sample.length));
      expect(Math.min(...sample)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...sample)).toBeLessThan(1);
    }
  });

  it("shuffle into permutations, each item first about equally often", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const byValue = (a: number, b: number): number => a - b;
        expect(keyedShuffle(items, seed).toSorted(byValue)).toEqual(items.toSorted(byValue));
      }),
    );
    const first = [0, 0, 0];
    for (let seed = 0; seed < 3000; seed++) {
      const item = keyedShuffle([0, 1, 2], "first", seed)[0] ?? 0;
      first[item] = (first[item] ?? 0) + 1;
    }
    for (const count of first) expect(Math.abs(count - 1000)).toBeLessThan(130);
  });
});
