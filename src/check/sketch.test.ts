import { describe, expect, it } from "vitest";
import { sketchKernel, sketchLikeness } from "./sketch.ts";

const tokens = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `t${from + index}`).join(" ");
const sketch = (from: number, to: number): string => sketchKernel(tokens(from, to), [], []);

describe("sketches of kernels", () => {
  it("are equal for equal kernels and differ by launches", () => {
    const launch = { kernel: "k", grid: [1, 1, 1], block: [64, 1, 1], smemBytes: 0, args: [] } as const;
    const one = sketchKernel(tokens(0, 400), [launch], []);
    expect(sketchLikeness(one, one)).toBe(1);
    expect(one).toHaveLength(128);
    const wider = Array.from({ length: 40 }, (_, index) =>
      sketchKernel(tokens(0, 100), [{ ...launch, block: [64 + index, 1, 1] }], []),
    );
    expect(new Set(wider).size).toBeGreaterThan(1);
  });

  it("estimate the share of token runs in common", () => {
    // Runs of [0, n) and [n/2, 3n/2): a third of all is common.
    const estimates = Array.from({ length: 30 }, (_, index) => {
      const base = index * 10_000;
      return sketchLikeness(sketch(base, base + 1000), sketch(base + 500, base + 1500));
    });
    const mean = estimates.reduce((sum, value) => sum + value, 0) / estimates.length;
    expect(mean).toBeGreaterThan(0.28);
    expect(mean).toBeLessThan(0.39);
  });

  it("of unlike kernels are unlike", () => {
    expect(sketchLikeness(sketch(0, 1000), sketch(5000, 6000))).toBeLessThan(0.1);
  });
});
