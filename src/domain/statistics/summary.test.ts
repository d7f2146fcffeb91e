import * as fc from "fast-check";
import { expect, test } from "vitest";
import golden from "./__fixtures__/golden.json" with { type: "json" };
import { geometricMean, mean, median, quantile, variance } from "./summary.ts";

test("mean, variance and quantiles agree with NumPy", () => {
  const { values } = golden.summary;
  expect(mean(values)).toBeCloseTo(golden.summary.mean, 13);
  expect(variance(values)).toBeCloseTo(golden.summary.variance, 12);
  for (const { p, value } of golden.summary.quantiles) expect(quantile(values, p)).toBeCloseTo(value, 13);
});

test("closed forms and empty input", () => {
  expect(geometricMean([1, 4, 16])).toBeCloseTo(4, 12);
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(quantile([7], 0.3)).toBe(7);
  for (const statistic of [mean, median, variance, geometricMean]) expect(statistic([])).toBeUndefined();
  expect(variance([1])).toBeUndefined();
});

test("a quantile lies within the sample and grows with p", () => {
  const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 });
  const p = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(values, p, p, (sample, a, b) => {
      const low = quantile(sample, Math.min(a, b)) as number;
      const high = quantile(sample, Math.max(a, b)) as number;
      expect(low).toBeLessThanOrEqual(high + 1e-9);
      expect(low).toBeGreaterThanOrEqual(Math.min(...sample) - 1e-9);
      expect(high).toBeLessThanOrEqual(Math.max(...sample) + 1e-9);
    }),
  );
});
