import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forecastCdf, keyedStream, normalQuantile, type Forecaster } from "../../domain/index.ts";
import { syntheticRequest } from "../../testing/index.ts";
import type { CalibrationPair } from "./fit-curve.ts";
import { applyIsotonicRecipe, fitIsotonicRecipe, isotonicForecaster } from "./isotonic-recipe.ts";

/** Forecasts whose widths are `width` times what they should be, medians `shift` true widths too high, and p_ok too sure. */
function pairs({ count = 2000, width = 1, shift = 0 } = {}): CalibrationPair[] {
  const uniform = keyedStream(1, "isotonic", count);
  return Array.from({ length: count }, () => {
    const [m, sigma] = [4 + 6 * uniform(), 0.2 + uniform()];
    const z = normalQuantile(0.001 + 0.998 * uniform());
    const works = uniform() < 0.8;
    const raw = { pOk: 0.999, m: m + shift * sigma, sigmaLow: width * sigma, sigmaHigh: width * sigma };
    return { raw, reference: undefined, log2Us: works ? m + z * sigma : undefined, weight: 1 };
  });
}

/** Share of the truths below a level of their calibrated forecasts. */
function shareBelow(all: readonly CalibrationPair[], level: number): number {
  const recipe = fitIsotonicRecipe(all);
  const working = all.filter(({ log2Us }) => log2Us !== undefined);
  const below = working.filter(
    ({ raw, log2Us }) => forecastCdf(applyIsotonicRecipe(recipe, raw), log2Us as number) <= level,
  );
  return below.length / working.length;
}

describe("isotonic recalibration", () => {
  it.each([
    { width: 0.1, shift: 0 },
    { width: 5, shift: 0 },
    { width: 0.5, shift: 2 },
    { width: 1, shift: -1 },
  ])("of widths times $width and medians off by $shift brings each tenth where it belongs", (fault) => {
    for (const level of [0.1, 0.5, 0.9]) expect(shareBelow(pairs(fault), level)).toBeCloseTo(level, 2);
  });

  it("leaves what is calibrated about as it is, but for p_ok", () => {
    const all = pairs({ count: 20_000 });
    const recipe = fitIsotonicRecipe(all);
    const raw = { pOk: 0.999, m: 5, sigmaLow: 0.5, sigmaHigh: 0.8 };
    const after = applyIsotonicRecipe(recipe, raw);
    expect(after.m).toBeCloseTo(5, 1);
    expect(after.sigmaLow / 0.5).toBeCloseTo(1, 1);
    expect(after.sigmaHigh / 0.8).toBeCloseTo(1, 1);
    expect(after.pOk).toBeCloseTo(0.8, 1);
  });

  it("weighs outcomes: one task's many kernels count no more than another's few", () => {
    const many = pairs({ count: 1000, shift: 3 }).map((pair) => ({ ...pair, weight: 1 / 1000 }));
    const few = pairs({ count: 100, shift: -3 }).map((pair) => ({ ...pair, weight: 1 / 100 }));
    const { places } = fitIsotonicRecipe([...many, ...few]);
    expect(Math.abs(places?.[1] ?? 9)).toBeLessThan(1.5);
    expect(places?.[0]).toBeLessThan(-2);
    expect(places?.[2]).toBeGreaterThan(2);
  });

  it("orders p_ok as it was, and gives a proper forecast whatever it is given", () => {
    const recipe = fitIsotonicRecipe(
      pairs().map((pair, index) => ({ ...pair, raw: { ...pair.raw, pOk: (1 + (index % 50)) / 51 } })),
    );
    const numbers = fc.record({
      pOk: fc.double({ min: 0, max: 1, noNaN: true }),
      m: fc.double({ min: -2, max: 20, noNaN: true }),
      sigmaLow: fc.double({ min: 1e-6, max: 10, noNaN: true }),
      sigmaHigh: fc.double({ min: 1e-6, max: 10, noNaN: true }),
    });
    fc.assert(
      fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (raw, other) => {
        const after = applyIsotonicRecipe(recipe, raw);
        expect([after.m, after.sigmaLow, after.sigmaHigh].every(Number.isFinite)).toBe(true);
        expect(Math.min(after.sigmaLow, after.sigmaHigh)).toBeGreaterThan(0);
        expect(after.pOk).toBeGreaterThan(0);
        expect(after.pOk).toBeLessThan(1);
        const second = applyIsotonicRecipe(recipe, { ...raw, pOk: other }).pOk;
        expect(Math.sign(second - after.pOk) * Math.sign(other - raw.pOk)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("knows no places where nothing worked, and nothing where nothing was asked", () => {
    const failed = pairs({ count: 20 }).map((pair) => ({ ...pair, log2Us: undefined }));
    const raw = { pOk: 0.5, m: 5, sigmaLow: 0.5, sigmaHigh: 0.8 };
    expect(applyIsotonicRecipe(fitIsotonicRecipe(failed), raw)).toMatchObject({ m: 5, sigmaLow: 0.5, sigmaHigh: 0.8 });
    expect(() => fitIsotonicRecipe([])).toThrow(/no outcome/);
  });

  it("of a forecaster changes its forecasts, and nothing else of its answers", async () => {
    const recipe = fitIsotonicRecipe(pairs({ width: 0.1 }));
    const cost = { cpuSeconds: 1, tokens: 2, usd: 3 };
    const forecaster: Forecaster = {
      name: "sure",
      forecast: async ({ candidates }) => ({
        cost,
        forecasts: candidates.map(({ kernelId }) => ({ kernelId, pOk: 0.999, m: 5, sigmaLow: 0.1, sigmaHigh: 0.1 })),
      }),
    };
    const request = syntheticRequest();
    const answer = await isotonicForecaster(forecaster, recipe, "less sure").forecast(request);
    expect(answer.cost).toEqual(cost);
    expect(answer.forecasts.map(({ kernelId }) => kernelId)).toEqual(
      request.candidates.map(({ kernelId }) => kernelId),
    );
    for (const { sigmaLow } of answer.forecasts) expect(sigmaLow).toBeGreaterThan(0.8);
  });
});
