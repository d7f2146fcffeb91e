import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forecastPdf, forecastQuantile, keyedStream, type Forecast } from "../../domain/index.ts";
import { broadMost, expectedGain, winProbability, type Target } from "./gain.ts";

const forecasts = fc.record({
  kernelId: fc.constant("k"),
  pOk: fc.double({ min: 0, max: 1, noNaN: true }),
  m: fc.double({ min: 3, max: 9, noNaN: true }),
  sigmaLow: fc.double({ min: 0.05, max: 2, noNaN: true }),
  sigmaHigh: fc.double({ min: 0.05, max: 2, noNaN: true }),
});
const target: Target = { incumbentLog2Us: 6, winLog2: Math.log2(1.02) };

/** Simpson's rule on [low, high], split at the median, where the density may jump. */
function integrate(f: (y: number) => number, low: number, high: number, at: number): number {
  if (at > low && at < high) return integrate(f, low, at, Number.NaN) + integrate(f, at, high, Number.NaN);
  const steps = 4000;
  // Ends are approached from inside: the density at the median itself is the right piece's.
  const width = (high - low) / steps;
  const inside = (index: number): number =>
    index === 0 ? low + width * 1e-9 : index === steps ? high - width * 1e-9 : low + index * width;
  let sum = 0;
  for (let index = 0; index <= steps; index++) {
    const weight = index === 0 || index === steps ? 1 : index % 2 === 1 ? 4 : 2;
    sum += weight * f(inside(index));
  }
  return (sum * width) / 3;
}

/** What the broad part adds beyond its cap, which the closed form leaves out, by integration. */
function beyondCap({ m }: Forecast, limit: number): number {
  const density = (y: number): number => (0.02 / 4) * Math.exp(-0.5 * ((y - m) / 4) ** 2) * 0.3989422804014327;
  return integrate((y) => (limit - broadMost - y) * density(y), m - 40, limit - broadMost, Number.NaN);
}

describe("what a forecast promises", () => {
  it("is P(win), as numeric integration has it", () => {
    fc.assert(
      fc.property(forecasts, (forecast) => {
        const limit = target.incumbentLog2Us - target.winLog2;
        const mass = integrate((y) => forecastPdf(forecast, y), forecast.m - 40, limit, forecast.m);
        expect(winProbability(forecast, target)).toBeCloseTo(forecast.pOk * mass, 5);
      }),
      { numRuns: 40 },
    );
  });

  it("is the expected improvement by wins, as numeric integration has it", () => {
    fc.assert(
      fc.property(forecasts, (forecast) => {
        const { incumbentLog2Us, winLog2 } = target;
        const limit = incumbentLog2Us - winLog2;
        const whole = integrate(
          (y) => (incumbentLog2Us - y) * forecastPdf(forecast, y),
          forecast.m - 40,
          limit,
          forecast.m,
        );
        const capped = forecast.pOk * (whole - beyondCap(forecast, limit));
        expect(expectedGain(forecast, target)).toBeCloseTo(capped, 4);
      }),
      { numRuns: 40 },
    );
  });

  it("is what simulation finds, within its error", () => {
    const forecast = { kernelId: "k", pOk: 0.7, m: 6.1, sigmaLow: 0.4, sigmaHigh: 0.2 };
    const uniform = keyedStream("simulate");
    const draws = 200_000;
    let wins = 0;
    let gain = 0;
    for (let draw = 0; draw < draws; draw++) {
      const y = forecastQuantile(forecast, uniform());
      if (uniform() >= forecast.pOk || y > 6 - target.winLog2) continue;
      wins++;
      gain += 6 - y;
    }
    expect(Math.abs(winProbability(forecast, target) - wins / draws)).toBeLessThan(0.005);
    // The cap of the broad part leaves out about 0.7 · 0.02 · 1 of the simulated mean.
    const left = 0.7 * beyondCap(forecast, 6 - target.winLog2);
    expect(Math.abs(expectedGain(forecast, target) + left - gain / draws)).toBeLessThan(0.005);
  });

  it("falls with the incumbent's runtime and rises with p_ok", () => {
    fc.assert(
      fc.property(forecasts, fc.double({ min: 0.01, max: 2, noNaN: true }), (forecast, faster) => {
        const better = { ...target, incumbentLog2Us: target.incumbentLog2Us - faster };
        expect(expectedGain(forecast, better)).toBeLessThanOrEqual(expectedGain(forecast, target) + 1e-12);
        expect(expectedGain({ ...forecast, pOk: forecast.pOk / 2 }, target)).toBeCloseTo(
          expectedGain(forecast, target) / 2,
          12,
        );
      }),
    );
  });
});
