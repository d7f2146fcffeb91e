import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  speedupBin,
  speedupBinBounds,
  speedupBinCount,
  speedupBinEdges,
  speedupBinProbabilities,
  tieBin,
} from "./bins.ts";
import { keyedStream } from "./random.ts";
import { forecastQuantile } from "./two-piece-normal.ts";

test("thirteen bins, the middle one a tie, symmetric about it", () => {
  expect(speedupBinCount).toBe(13);
  expect(speedupBin(0)).toBe(tieBin);
  expect(tieBin).toBe(6);
  expect(speedupBinEdges.map((edge) => -edge).reverse()).toEqual([...speedupBinEdges]);
  expect(speedupBin(-5)).toBe(0);
  expect(speedupBin(5)).toBe(12);
  expect(speedupBin(0.03)).toBe(7);
  expect(speedupBin(-0.03)).toBe(6);
});

test("bounds as factors meet and cover everything", () => {
  expect(speedupBinBounds(0)).toEqual({ low: 0, high: 0.25 });
  expect(speedupBinBounds(12)).toEqual({ low: 4, high: Number.POSITIVE_INFINITY });
  for (let bin = 1; bin < 13; bin++) expect(speedupBinBounds(bin).low).toBe(speedupBinBounds(bin - 1).high);
  expect(() => speedupBinBounds(13)).toThrow(RangeError);
});

test("probabilities are not negative and sum to one", () => {
  const width = fc.double({ min: 0.01, max: 3, noNaN: true });
  const place = fc.double({ min: -5, max: 15, noNaN: true });
  fc.assert(
    fc.property(place, width, width, place, (m, sigmaLow, sigmaHigh, anchor) => {
      const probabilities = speedupBinProbabilities({ m, sigmaLow, sigmaHigh }, anchor);
      expect(probabilities).toHaveLength(13);
      expect(Math.min(...probabilities)).toBeGreaterThanOrEqual(0);
      expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
    }),
  );
});

test("probabilities agree with how often draws fall into each bin", () => {
  const forecast = { m: 6.4, sigmaLow: 0.5, sigmaHigh: 0.2 };
  const uniform = keyedStream("bins");
  const counts = Array.from({ length: 13 }, () => 0);
  for (let i = 0; i < 4000; i++) {
    const bin = speedupBin(6.5 - forecastQuantile(forecast, uniform()));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  speedupBinProbabilities(forecast, 6.5).forEach((p, bin) => {
    expect(Math.abs((counts[bin] ?? 0) / 4000 - p)).toBeLessThan(0.03);
  });
});
