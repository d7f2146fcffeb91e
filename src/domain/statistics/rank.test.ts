import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import golden from "./__fixtures__/golden.json" with { type: "json" };
import { auroc, countPairs, decidedPairs, pairwiseAccuracy, pearson, ranks, spearman } from "./rank.ts";

test.each(golden.rank)("ranks, correlations and AUROC of $x.length points agree with SciPy", (row) => {
  expect(ranks(row.x)).toEqual(row.ranks);
  expect(pearson(row.x, row.y)).toBeCloseTo(row.pearson, 12);
  expect(spearman(row.x, row.y)).toBeCloseTo(row.spearman, 12);
  expect(auroc(row.x, row.positive)).toBeCloseTo(row.auroc, 12);
});

test("correlations of constants and single points are undefined", () => {
  expect(spearman([1, 1, 1], [1, 2, 3])).toBeUndefined();
  expect(spearman([1], [2])).toBeUndefined();
  expect(auroc([1, 2], [true, true])).toBeUndefined();
  expect(() => pearson([1], [])).toThrow(RangeError);
  expect(() => auroc([1], [])).toThrow(RangeError);
});

describe("pairwise accuracy", () => {
  test("counts only pairs that differ by 10 %", () => {
    const truth = [100, 105, 120];
    expect(countPairs([1, 2, 3], truth)).toEqual({ pairs: 2, right: 2 });
    expect(pairwiseAccuracy([3, 1, 2], truth)).toBe(0.5);
    expect(pairwiseAccuracy([1, 1, 1], truth)).toBe(0.5);
    expect(pairwiseAccuracy([1, 2], [100, 101])).toBeUndefined();
    expect(countPairs([1, 2], [100, 110])).toEqual({ pairs: 1, right: 1 });
    expect(() => pairwiseAccuracy([1], [1, 2])).toThrow(RangeError);
  });

  test("buckets partition the decided pairs", () => {
    const times = fc.array(fc.double({ min: 1, max: 1e4, noNaN: true }), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(times, (truth) => {
        const buckets = [
          { atLeast: 1.1, below: 1.5 },
          { atLeast: 1.5, below: 3 },
          { atLeast: 3, below: Number.POSITIVE_INFINITY },
        ];
        const parts = buckets.map((range) => countPairs(truth, truth, range).pairs);
        expect(parts.reduce((sum, count) => sum + count, 0)).toBe(countPairs(truth, truth, decidedPairs).pairs);
      }),
    );
  });
});

test("rank statistics do not change under increasing maps and flip under reversal", () => {
  const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 40 });
  fc.assert(
    fc.property(values, (x) => {
      const truth = x.map((_, index) => 1.2 ** (index % 7));
      const direct = pairwiseAccuracy(x, truth);
      if (direct === undefined) return;
      const cubes = x.map((value) => value ** 3);
      expect(pairwiseAccuracy(cubes, truth)).toBe(direct);
      const negated = x.map((value) => -value);
      expect(pairwiseAccuracy(negated, truth)).toBeCloseTo(1 - direct, 12);
      const labels = truth.map((value) => value > 1.5);
      expect((auroc(negated, labels) ?? 0.5) + (auroc(x, labels) ?? 0.5)).toBeCloseTo(1, 12);
    }),
  );
});
