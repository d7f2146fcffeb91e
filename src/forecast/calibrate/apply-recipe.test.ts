import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forecastCdf, normalCdf, type RuntimeDistribution } from "../../domain/index.ts";
import { calibrateOk, calibrateRuntime, calibrateWin, winPlace } from "./apply-recipe.ts";
import { plainCurve, plainRecipe, type CalibrationCurve, type Reference } from "./recipe.ts";
import { calibrate } from "./refit.ts";

const distributions = fc.record<RuntimeDistribution>({
  m: fc.double({ min: 0, max: 12, noNaN: true }),
  sigmaLow: fc.double({ min: 0.01, max: 4, noNaN: true }),
  sigmaHigh: fc.double({ min: 0.01, max: 4, noNaN: true }),
});
const references = fc.record<Reference>({
  log2Us: fc.double({ min: 0, max: 12, noNaN: true }),
  likeness: fc.double({ min: 0, max: 1, noNaN: true }),
});

describe("calibration", () => {
  it("of the plain recipe changes nothing", () => {
    fc.assert(
      fc.property(distributions, fc.option(references, { nil: undefined }), (raw, reference) => {
        const after = calibrate(plainRecipe, { raw: { ...raw, pOk: 0.7 }, reference });
        expect(after.m).toBeCloseTo(raw.m, 6);
        expect(after.sigmaLow).toBeCloseTo(raw.sigmaLow, 12);
        expect(after.sigmaHigh).toBeCloseTo(raw.sigmaHigh, 12);
        expect(after.pOk).toBeCloseTo(0.7, 12);
      }),
    );
  });

  it("gives a proper distribution whatever the recipe", () => {
    const numbers = fc.double({ min: -5, max: 5, noNaN: true });
    const lines = fc.record({
      scale: numbers,
      base: numbers,
      width: numbers,
      unlikeness: numbers,
      gap: numbers,
      side: numbers,
    });
    const curves = fc.record<CalibrationCurve>({ belief: numbers, shift: numbers, low: lines, high: lines });
    fc.assert(
      fc.property(curves, distributions, references, (curve, raw, reference) => {
        const after = calibrateRuntime(curve, raw, reference);
        expect(Number.isFinite(after.m)).toBe(true);
        for (const width of [after.sigmaLow, after.sigmaHigh]) {
          expect(width).toBeGreaterThan(0);
          expect(width).toBeLessThanOrEqual(8);
        }
      }),
    );
  });

  it("leaves forecasts far from every measured kernel to the forecaster", () => {
    const curve = { ...plainCurve, belief: -3, shift: 1, low: { ...plainCurve.low, gap: 1, base: 2 } };
    const raw = { m: 5, sigmaLow: 0.5, sigmaHigh: 0.7 };
    expect(calibrateRuntime(curve, raw, undefined)).toEqual(raw);
    expect(calibrateRuntime(curve, raw, { log2Us: 9, likeness: 0 })).toEqual(raw);
    expect(calibrateRuntime(curve, raw, { log2Us: 9, likeness: 1 }).m).toBeGreaterThan(8);
  });
});

describe("calibrateWin", () => {
  it("moves the time that wins as its line says, in full where the reference is the same kernel", () => {
    fc.assert(
      fc.property(distributions, fc.double({ min: -2, max: 2, noNaN: true }), (forecast, distance) => {
        const reference = { log2Us: forecast.m + distance * forecast.sigmaLow, likeness: 1 };
        const { limit, z } = winPlace(forecast, reference);
        const after = calibrateWin({ slope: 0.8, shift: -0.4 }, forecast, reference);
        const wanted = z + (-0.2 * z - 0.4) * Math.exp((-z * z) / 8);
        expect(winPlace(after, reference).z).toBeCloseTo(wanted, 9);
        expect(forecastCdf(after, limit)).toBeCloseTo(0.98 * normalCdf(wanted), 1);
        expect([after.sigmaLow, after.sigmaHigh]).toEqual([forecast.sigmaLow, forecast.sigmaHigh]);
      }),
    );
  });

  it("leaves forecasts alone that are sure of either outcome", () => {
    const forecast = { m: 5, sigmaLow: 0.1, sigmaHigh: 0.1 };
    for (const log2Us of [4, 6]) {
      const after = calibrateWin({ slope: 0.5, shift: -1 }, forecast, { log2Us, likeness: 1 });
      expect(after.m).toBeCloseTo(5, 3);
    }
  });

  it("has no say over strangers", () => {
    const forecast = { m: 5, sigmaLow: 0.5, sigmaHigh: 0.7 };
    const line = { slope: 0.2, shift: -2 };
    expect(calibrateWin(line, forecast, undefined)).toEqual(forecast);
    expect(calibrateWin(line, forecast, { log2Us: 5, likeness: 0 })).toEqual(forecast);
    const some = calibrateWin(line, forecast, { log2Us: 5, likeness: 0.5 });
    const all = calibrateWin(line, forecast, { log2Us: 5, likeness: 1 });
    expect(some.m).toBeGreaterThan(5);
    expect(all.m).toBeGreaterThan(some.m);
  });
});

describe("calibrateOk", () => {
  it("never falls as p_ok rises, and is never certain", () => {
    const steps = { kind: "isotonic", fit: { x: [-2, 0, 1], y: [0.2, 0.2, 0.97] } } as const;
    const line = { kind: "line", slope: 1.5, shift: -0.3 } as const;
    const probabilities = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.constantFrom(steps, line), probabilities, probabilities, (calibration, one, other) => {
        const [low, high] = [Math.min(one, other), Math.max(one, other)].map((p) => calibrateOk(calibration, p));
        expect(low).toBeLessThanOrEqual(high as number);
        expect(low).toBeGreaterThan(0);
        expect(high).toBeLessThan(1);
      }),
    );
  });
});
