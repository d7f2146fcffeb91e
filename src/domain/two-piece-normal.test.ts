import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import golden from "./statistics/__fixtures__/golden.json" with { type: "json" };
import { keyedStream } from "./random.ts";
import {
  expectedImprovement,
  forecastCdf,
  forecastCrps,
  forecastLogScore,
  forecastMean,
  forecastPdf,
  forecastQuantile,
  fromQuantiles,
  probabilityBelow,
  shiftBy,
  smallestSigma,
  speedupAgainst,
  toQuantilesUs,
  type RuntimeDistribution,
} from "./two-piece-normal.ts";

const distribution = fc.record({
  m: fc.double({ min: -3, max: 18, noNaN: true }),
  sigmaLow: fc.double({ min: 0.01, max: 4, noNaN: true }),
  sigmaHigh: fc.double({ min: 0.01, max: 4, noNaN: true }),
});
const probability = fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true });
const offset = fc.double({ min: -15, max: 15, noNaN: true });

function integrate(f: (x: number) => number, from: number, to: number, steps = 4000): number {
  const width = (to - from) / steps;
  let sum = f(from) + f(to);
  for (let i = 1; i < steps; i++) sum += f(from + i * width) * (i % 2 === 1 ? 4 : 2);
  return (sum * width) / 3;
}

/** Integrates over pieces that end where the integrand bends. */
function integratePieces(f: (x: number) => number, knots: readonly number[]): number {
  const sorted = [...knots].sort((a, b) => a - b);
  return sorted.slice(1).reduce((sum, to, index) => sum + integrate(f, sorted[index] as number, to), 0);
}

describe.each(golden.forecasts)("m $m, widths $sigmaLow and $sigmaHigh, against SciPy", (row) => {
  const scale = Math.max(1, Math.abs(row.m));
  test("mean", () => expect(forecastMean(row)).toBeCloseTo(row.mean, 9));
  test.each(row.outcomes)("at $y", (outcome) => {
    expect(forecastCdf(row, outcome.y)).toBeCloseTo(outcome.cdf, 13);
    expect(Math.abs(forecastPdf(row, outcome.y) / outcome.pdf - 1)).toBeLessThan(1e-11);
    expect(forecastLogScore(row, outcome.y)).toBeCloseTo(outcome.logScore, 10);
    expect(forecastCrps(row, outcome.y)).toBeCloseTo(outcome.crps, 10);
    expect(expectedImprovement(row, outcome.y)).toBeCloseTo(outcome.expectedImprovement, 10);
  });
  test.each(row.quantiles)("quantile $p", ({ p, y }) => {
    expect(Math.abs(forecastQuantile(row, p) - y)).toBeLessThan(1e-9 * scale);
  });
});

describe("distribution", () => {
  test("half of the mass lies on either side of m, and the density jumps there", () => {
    const forecast: RuntimeDistribution = { m: 6, sigmaLow: 0.2, sigmaHigh: 0.6 };
    expect(forecastCdf(forecast, 6)).toBe(0.5);
    expect(forecastQuantile(forecast, 0.5)).toBe(6);
    expect(forecastPdf(forecast, 6 - 1e-9) / forecastPdf(forecast, 6)).toBeGreaterThan(2.9);
  });

  test("the density integrates to the distribution function", () => {
    fc.assert(
      fc.property(distribution, fc.double({ min: -3, max: 3, noNaN: true }), (forecast, z) => {
        const y = forecast.m + z * (z < 0 ? forecast.sigmaLow : forecast.sigmaHigh);
        const bends = [forecast.m - 8 * forecast.sigmaLow, forecast.m + 8 * forecast.sigmaHigh];
        const left = (x: number): number => forecastPdf(forecast, Math.min(x, forecast.m - 1e-12));
        const belowM = integratePieces(left, [forecast.m - 40, ...bends.slice(0, 1), Math.min(y, forecast.m)]);
        const aboveM = y > forecast.m ? integrate((x) => forecastPdf(forecast, x), forecast.m, y) : 0;
        expect(belowM + aboveM).toBeCloseTo(forecastCdf(forecast, y), 5);
      }),
      { numRuns: 40 },
    );
  });

  test("the distribution function is monotone, and the quantile inverts it", () => {
    fc.assert(
      fc.property(distribution, probability, probability, (forecast, p, q) => {
        const y = forecastQuantile(forecast, p);
        expect(forecastCdf(forecast, y)).toBeCloseTo(p, 10);
        expect((y - forecastQuantile(forecast, q)) * Math.sign(p - q)).toBeGreaterThanOrEqual(-1e-12);
      }),
    );
    expect(forecastQuantile({ m: 0, sigmaLow: 1, sigmaHigh: 1 }, 0)).toBe(Number.NEGATIVE_INFINITY);
    expect(forecastQuantile({ m: 0, sigmaLow: 1, sigmaHigh: 1 }, 1)).toBe(Number.POSITIVE_INFINITY);
    expect(forecastQuantile({ m: 0, sigmaLow: 1, sigmaHigh: 1 }, 1.1)).toBeNaN();
  });

  test("draws by quantile fall into central intervals as often as stated", () => {
    const forecast: RuntimeDistribution = { m: 7, sigmaLow: 0.3, sigmaHigh: 0.8 };
    const uniform = keyedStream(1, "coverage");
    const draws = Array.from({ length: 4000 }, () => forecastQuantile(forecast, uniform()));
    for (const level of [0.5, 0.8, 0.95]) {
      const low = forecastQuantile(forecast, (1 - level) / 2);
      const high = forecastQuantile(forecast, (1 + level) / 2);
      const covered = draws.filter((y) => y >= low && y <= high).length / draws.length;
      expect(Math.abs(covered - level)).toBeLessThan(0.025);
    }
  });
});

describe("scores", () => {
  test("CRPS equals its integral and is not negative", () => {
    fc.assert(
      fc.property(distribution, offset, (forecast, distance) => {
        const y = forecast.m + distance;
        const crps = forecastCrps(forecast, y);
        const far = 45;
        const knots = [-far, -8 * forecast.sigmaLow, 0, 8 * forecast.sigmaHigh, far].map((x) => forecast.m + x);
        const below = integratePieces((x) => forecastCdf(forecast, x) ** 2, [...knots.filter((x) => x < y), y]);
        const above = integratePieces((x) => (1 - forecastCdf(forecast, x)) ** 2, [y, ...knots.filter((x) => x > y)]);
        expect(crps).toBeGreaterThanOrEqual(0);
        expect(crps).toBeCloseTo(below + above, 5);
      }),
      { numRuns: 60 },
    );
  });

  test("CRPS and log score are proper: the true widths score best on average", () => {
    const truth: RuntimeDistribution = { m: 5, sigmaLow: 0.3, sigmaHigh: 0.7 };
    const draws = Array.from({ length: 2000 }, (_, i) => forecastQuantile(truth, (i + 0.5) / 2000));
    const average = (score: (y: number) => number): number =>
      draws.reduce((sum, y) => sum + score(y), 0) / draws.length;
    const others: RuntimeDistribution[] = [
      { m: 5.2, sigmaLow: 0.3, sigmaHigh: 0.7 },
      { m: 5, sigmaLow: 0.5, sigmaHigh: 0.5 },
      { m: 5, sigmaLow: 0.15, sigmaHigh: 0.35 },
      { m: 5, sigmaLow: 0.6, sigmaHigh: 1.4 },
    ];
    for (const other of others) {
      expect(average((y) => forecastCrps(truth, y))).toBeLessThan(average((y) => forecastCrps(other, y)));
      expect(average((y) => forecastLogScore(truth, y))).toBeLessThan(average((y) => forecastLogScore(other, y)));
    }
  });

  test("the log score is finite for outcomes far from the forecast", () => {
    const forecast: RuntimeDistribution = { m: 6, sigmaLow: 0.001, sigmaHigh: 0.001 };
    expect(forecastLogScore(forecast, 16)).toBeLessThan(10);
    expect(forecastLogScore(forecast, 306)).toBeCloseTo(
      0.5 * (300 / 4) ** 2 + Math.log((4 * Math.sqrt(2 * Math.PI)) / 0.02),
      6,
    );
    expect(forecastLogScore({ m: 0, sigmaLow: 1e-9, sigmaHigh: 1e-9 }, -1e4)).toBeLessThan(1e8);
  });

  test("quantiles hold in tails that a probability can name", () => {
    const width = fc.constantFrom(1e-6, 0.001, 0.05, 1, 4, 30);
    const tail = fc.double({ min: -290, max: -0.31, noNaN: true });
    fc.assert(
      fc.property(width, width, tail, (sigmaLow, sigmaHigh, exponent) => {
        const forecast = { m: 0, sigmaLow, sigmaHigh };
        const p = 10 ** exponent;
        expect(forecastCdf(forecast, forecastQuantile(forecast, p)) / p).toBeCloseTo(1, 8);
      }),
    );
  });
});

describe("deciding", () => {
  test("expected improvement: 0 far below, incumbent − mean far above, growing in between", () => {
    fc.assert(
      fc.property(distribution, offset, offset, (forecast, a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const improvement = expectedImprovement(forecast, forecast.m + low);
        expect(improvement).toBeGreaterThanOrEqual(0);
        expect(improvement).toBeLessThanOrEqual(expectedImprovement(forecast, forecast.m + high) + 1e-12);
        expect(expectedImprovement(forecast, forecast.m - 80)).toBeCloseTo(0, 12);
        expect(expectedImprovement(forecast, forecast.m + 80)).toBeCloseTo(forecast.m + 80 - forecastMean(forecast), 8);
      }),
    );
  });

  test("its slope is the probability of a win", () => {
    const forecast: RuntimeDistribution = { m: 6, sigmaLow: 0.4, sigmaHigh: 0.9 };
    for (const y of [4.2, 5.9, 6.1, 8]) {
      const slope = (expectedImprovement(forecast, y + 1e-5) - expectedImprovement(forecast, y - 1e-5)) / 2e-5;
      expect(slope).toBeCloseTo(probabilityBelow(forecast, y), 7);
    }
  });
});

describe("conversions", () => {
  test("quantile answers there and back", () => {
    const us = fc.double({ min: 1, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(us, us, us, (a, b, c) => {
        const [p10, p50, p90] = [a, b, c].sort((x, y) => x - y) as [number, number, number];
        if (Math.log2(p50 / p10) < 0.01 || Math.log2(p90 / p50) < 0.01) return;
        const back = toQuantilesUs(fromQuantiles({ p10, p50, p90 }));
        expect(back.p10 / p10).toBeCloseTo(1, 10);
        expect(back.p50 / p50).toBeCloseTo(1, 10);
        expect(back.p90 / p90).toBeCloseTo(1, 10);
      }),
    );
  });

  test("answers out of order are sorted, equal ones keep a least width, impossible ones are refused", () => {
    expect(fromQuantiles({ p10: 200, p50: 50, p90: 100 })).toEqual(fromQuantiles({ p10: 50, p50: 100, p90: 200 }));
    expect(fromQuantiles({ p10: 64, p50: 64, p90: 64 })).toEqual({
      m: 6,
      sigmaLow: smallestSigma,
      sigmaHigh: smallestSigma,
    });
    expect(() => fromQuantiles({ p10: 0, p50: 1, p90: 2 })).toThrow(RangeError);
    expect(() => fromQuantiles({ p10: 1, p50: Number.NaN, p90: 2 })).toThrow(RangeError);
  });

  test("shifting and mirroring", () => {
    const forecast = { kernelId: "a", pOk: 0.9, m: 6, sigmaLow: 0.2, sigmaHigh: 0.5 };
    expect(shiftBy(forecast, -2)).toEqual({ ...forecast, m: 4 });
    const speedup = speedupAgainst(forecast, 7);
    expect(speedup).toEqual({ m: 1, sigmaLow: 0.5, sigmaHigh: 0.2 });
    expect(1 - forecastCdf(speedup, 0.3)).toBeCloseTo(forecastCdf(forecast, 6.7), 14);
  });
});
