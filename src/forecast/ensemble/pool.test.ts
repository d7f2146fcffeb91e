import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forecastCdf, forecastQuantile, type RuntimeDistribution } from "../../domain/index.ts";
import { poolCdf, poolOpinions, project, type Weighted } from "./pool.ts";

const distributions = fc.record<RuntimeDistribution>({
  m: fc.double({ min: 0, max: 12, noNaN: true }),
  sigmaLow: fc.double({ min: 0.01, max: 3, noNaN: true }),
  sigmaHigh: fc.double({ min: 0.01, max: 3, noNaN: true }),
});

/** Greatest distance between the distribution functions of a pool and of its projection. */
function error(pool: readonly Weighted<RuntimeDistribution>[]): number {
  const projected = project(pool);
  const places = pool.flatMap(({ value }) =>
    Array.from({ length: 99 }, (_, index) => forecastQuantile(value, (index + 1) / 100)),
  );
  return Math.max(...places.map((y) => Math.abs(poolCdf(pool, y) - forecastCdf(projected, y))));
}

describe("the pool", () => {
  it("of equals is the same, whatever their weights", () => {
    const weights = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(distributions, weights, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (value, list, pOk) => {
        const pooled = poolOpinions(list.map((weight) => ({ value: { ...value, pOk }, weight })));
        expect(pooled.m).toBeCloseTo(value.m, 9);
        expect(pooled.sigmaLow).toBeCloseTo(value.sigmaLow, 6);
        expect(pooled.sigmaHigh).toBeCloseTo(value.sigmaHigh, 6);
        expect(pooled.pOk).toBeCloseTo(pOk, 9);
      }),
    );
  });

  it("keeps the 10, 50 and 90 % quantiles of any members, or the narrowest width", () => {
    fc.assert(
      fc.property(
        distributions,
        distributions,
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        (one, two, weight) => {
          const pool = [
            { value: one, weight },
            { value: two, weight: 1 - weight },
          ];
          const projected = project(pool);
          for (const p of [0.1, 0.5, 0.9]) expect(poolCdf(pool, forecastQuantile(projected, p))).toBeCloseTo(p, 6);
        },
      ),
    );
  });

  it("loses little of members that agree to within their widths, and at most what two modes cost", () => {
    const at = (m: number, sigma = 1): RuntimeDistribution => ({ m, sigmaLow: sigma, sigmaHigh: sigma });
    const half = (one: RuntimeDistribution, two: RuntimeDistribution): Weighted<RuntimeDistribution>[] => [
      { value: one, weight: 0.5 },
      { value: two, weight: 0.5 },
    ];
    expect(error(half(at(5), at(5.5)))).toBeLessThan(0.005);
    expect(error(half(at(5), at(6)))).toBeLessThan(0.02);
    expect(error(half(at(5, 0.5), at(5, 1.5)))).toBeLessThan(0.05);
    expect(error(half(at(2, 0.3), at(9, 0.3)))).toBeLessThan(0.41);
    expect(error(half(at(2, 0.3), at(9, 0.3)))).toBeGreaterThan(0.1);
  });

  it("follows the member with all of the weight, pools p_ok in log odds, and needs some weight", () => {
    const one = { m: 5, sigmaLow: 0.5, sigmaHigh: 1, pOk: 0.9 };
    const two = { m: 8, sigmaLow: 0.1, sigmaHigh: 0.1, pOk: 0.1 };
    const alone = poolOpinions([
      { value: one, weight: 2 },
      { value: two, weight: 0 },
    ]);
    expect(alone.m).toBeCloseTo(5, 9);
    const even = [one, two].map((value) => ({ value, weight: 1 }));
    expect(poolOpinions(even).pOk).toBeCloseTo(0.5, 12);
    expect(() => poolOpinions([{ value: one, weight: 0 }])).toThrow(RangeError);
  });
});
