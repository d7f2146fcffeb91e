import * as fc from "fast-check";
import { expect, test } from "vitest";
import { brierScore, calibrationError, debiasedCalibrationError, reliabilityBins } from "./calibration-error.ts";

/** A small linear congruential generator: tests here need uniforms, not quality. */
function uniforms(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;
}

function drawn(n: number, seed: number, shift: number): { p: number[]; hit: boolean[] } {
  const uniform = uniforms(seed);
  const p = Array.from({ length: n }, () => 0.1 + 0.7 * uniform());
  return { p, hit: p.map((probability) => uniform() < probability + shift) };
}

test("bins hold every forecast once, in order, and equal forecasts together", () => {
  const probability = fc.integer({ min: 0, max: 20 }).map((step) => step / 20);
  fc.assert(
    fc.property(fc.array(fc.tuple(probability, fc.boolean())), (rows) => {
      const p = rows.map(([value]) => value);
      const bins = reliabilityBins(
        p,
        rows.map(([, hit]) => hit),
      );
      expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(p.length);
      expect(bins.length).toBeLessThanOrEqual(Math.min(15, new Set(p).size));
      const means = bins.map(({ meanProbability }) => meanProbability);
      expect(means).toEqual([...means].sort((a, b) => a - b));
    }),
  );
});

test("a constant forecast has the error of its mean", () => {
  const bins = reliabilityBins(
    Array.from({ length: 10 }, () => 0.9),
    Array.from({ length: 10 }, (_, i) => i < 6),
  );
  expect(bins).toHaveLength(1);
  expect(calibrationError(bins)).toBeCloseTo(0.3, 12);
  expect(calibrationError([])).toBeUndefined();
  expect(debiasedCalibrationError([])).toBeUndefined();
  expect(() => reliabilityBins([0.5], [])).toThrow(RangeError);
});

test("certain forecasts that come true have no error", () => {
  const bins = reliabilityBins([0, 0, 1, 1], [false, false, true, true], 2);
  expect(debiasedCalibrationError(bins)).toBe(0);
});

test("debiasing removes most of the error that a perfect forecaster seems to have, and keeps a true one", () => {
  let [plain, debiased, biased] = [0, 0, 0];
  for (let seed = 1; seed <= 40; seed++) {
    const perfect = drawn(600, seed, 0);
    plain += (calibrationError(reliabilityBins(perfect.p, perfect.hit)) ?? 0) / 40;
    debiased += (debiasedCalibrationError(reliabilityBins(perfect.p, perfect.hit)) ?? 0) / 40;
    const shifted = drawn(600, seed, 0.15);
    biased += (debiasedCalibrationError(reliabilityBins(shifted.p, shifted.hit)) ?? 0) / 40;
  }
  expect(plain).toBeGreaterThan(0.045);
  expect(debiased).toBeLessThan(0.75 * plain);
  expect(biased).toBeGreaterThan(0.13);
  expect(biased).toBeLessThan(0.17);
});

test("the Brier score is 0 for the truth, 1/4 for not knowing, and falls apart into calibration and variance", () => {
  expect(brierScore([1, 0], [true, false])).toBe(0);
  expect(brierScore([0.5, 0.5, 0.5], [true, false, true])).toBe(0.25);
  expect(brierScore([0, 1], [true, false])).toBe(1);
  expect(brierScore([], [])).toBeUndefined();
  expect(() => brierScore([0.5], [])).toThrow(RangeError);
  // Of one probability p where the share s comes true: s (1 − s) + (p − s)².
  const hits = Array.from({ length: 10 }, (_, index) => index < 3);
  expect(
    brierScore(
      hits.map(() => 0.8),
      hits,
    ),
  ).toBeCloseTo(0.3 * 0.7 + 0.5 ** 2, 12);
});
