import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forecastLogScore, keyedUniform, mean, normalQuantile } from "../../domain/index.ts";
import { simulatedPairs, type Simulation } from "./__fixtures__/simulated.ts";
import type { FamilyPair } from "./fit-recipe.ts";
import { plainRecipe } from "./recipe.ts";
import { calibrate, noRefit, refit, type CalibrationOutcome, type Refit } from "./refit.ts";

function logScore(learned: Refit, pairs: readonly FamilyPair[]): number {
  const scores = pairs.flatMap((pair) =>
    pair.log2Us === undefined ? [] : [forecastLogScore(calibrate(plainRecipe, pair, learned), pair.log2Us)],
  );
  return mean(scores) ?? Number.NaN;
}

/** Mean gain in log score on fresh kernels from what `count` outcomes taught, over many runs. */
function gain(count: number, simulation: (run: number) => Omit<Simulation, "key" | "count">, runs = 40): number {
  const gains = Array.from({ length: runs }, (_, run) => {
    const how = simulation(run);
    const learned = refit(plainRecipe, simulatedPairs({ key: `seen ${run}`, count, ...how }));
    const fresh = simulatedPairs({ key: `fresh ${run}`, count: 200, ...how });
    return logScore(noRefit, fresh) - logScore(learned, fresh);
  });
  return mean(gains) ?? Number.NaN;
}

describe("refit", () => {
  it("is nothing without outcomes", () => {
    expect(refit(plainRecipe, [])).toEqual(noRefit);
    const untold: CalibrationOutcome = {
      raw: { pOk: 0.9, m: 5, sigmaLow: 1, sigmaHigh: 1 },
      reference: undefined,
      log2Us: undefined,
    };
    expect(refit(plainRecipe, [untold])).toMatchObject({ shift: 0, scale: 1, win: 0 });
    expect(refit(plainRecipe, [untold]).ok).toBeLessThan(0);
  });

  it.each([8, 32, 128])("costs a calibrated forecaster next to nothing after %i outcomes", (count) => {
    // Each of three corrections costs about ½ n / (n + 32)² nats.
    expect(gain(count, () => ({}))).toBeGreaterThan(-0.015);
  });

  it("gains in expectation where runs differ as its pseudo-outcomes say", () => {
    // Biases of a run drawn from a normal whose spread is that of a mean of 32 outcomes, and widths off by as much.
    const how = (run: number): Omit<Simulation, "key" | "count"> => ({
      bias: normalQuantile(keyedUniform("bias", run)) / Math.sqrt(32),
      boldness: Math.exp(normalQuantile(keyedUniform("bold", run)) / Math.sqrt(32)),
    });
    expect(gain(64, how, 80)).toBeGreaterThan(0);
  });

  it("gains more the more a forecaster errs and the more it has seen", () => {
    const off = (): Omit<Simulation, "key" | "count"> => ({ bias: 1, boldness: 0.6 });
    const [few, many] = [gain(16, off), gain(256, off)];
    expect(few).toBeGreaterThan(0.05);
    expect(many).toBeGreaterThan(few + 0.1);
  });

  it("finds the bias, the scale and the share of failures", () => {
    const seen = simulatedPairs({ key: "bias", count: 2000, bias: 0.5, boldness: 0.5 });
    const learned = refit(plainRecipe, seen);
    expect(learned.shift).toBeLessThan(-0.3);
    expect(learned.scale).toBeGreaterThan(1.5);
    const failing = seen.map((pair, index) => (index % 2 === 0 ? { ...pair, log2Us: undefined } : pair));
    const okOf = (pairs: readonly FamilyPair[]): number => {
      const taught = refit(plainRecipe, pairs);
      return mean(pairs.map((pair) => calibrate(plainRecipe, pair, taught).pOk)) ?? Number.NaN;
    };
    expect(okOf(seen)).toBeCloseTo(mean(seen.map(({ log2Us }) => (log2Us === undefined ? 0 : 1))) ?? 0, 1);
    expect(okOf(failing)).toBeLessThan(0.55);
  });

  it("depends on the outcomes, not on their order, and stays finite whatever they are", () => {
    const outcomes = fc.array(
      fc.record<CalibrationOutcome>({
        raw: fc.record({
          pOk: fc.double({ min: 0, max: 1, noNaN: true }),
          m: fc.double({ min: 0, max: 12, noNaN: true }),
          sigmaLow: fc.double({ min: 0.001, max: 8, noNaN: true }),
          sigmaHigh: fc.double({ min: 0.001, max: 8, noNaN: true }),
        }),
        reference: fc.option(
          fc.record({
            log2Us: fc.double({ min: 0, max: 12, noNaN: true }),
            likeness: fc.double({ min: 0, max: 1, noNaN: true }),
          }),
          { nil: undefined },
        ),
        log2Us: fc.option(fc.double({ min: -2, max: 20, noNaN: true }), { nil: undefined }),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(outcomes, (list) => {
        const learned = refit(plainRecipe, list);
        expect(Object.values(learned).every(Number.isFinite)).toBe(true);
        expect(learned.scale).toBeGreaterThan(0);
        const turned = refit(plainRecipe, list.toReversed());
        for (const part of ["shift", "scale", "win", "ok"] as const) expect(turned[part]).toBeCloseTo(learned[part], 6);
      }),
    );
  });
});
