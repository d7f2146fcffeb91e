import { describe, expect, it } from "vitest";
import { forecastCdf, forecastCrps, forecastLogScore, mean } from "../../domain/index.ts";
import { simulatedPairs } from "./__fixtures__/simulated.ts";
import { winLog2 } from "./apply-recipe.ts";
import { fitRecipe, type FamilyPair } from "./fit-recipe.ts";
import { plainRecipe, type CalibrationRecipe } from "./recipe.ts";
import { calibrate } from "./refit.ts";

interface Scores {
  readonly log: number;
  readonly crps: number;
  readonly brierOfWins: number;
  readonly coverage80: number;
  readonly okLoss: number;
}

function scores(recipe: CalibrationRecipe, pairs: readonly FamilyPair[]): Scores {
  const working = pairs.flatMap(({ raw, reference, log2Us }) =>
    log2Us === undefined ? [] : [{ forecast: calibrate(recipe, { raw, reference }), reference, log2Us }],
  );
  const average = (score: (one: (typeof working)[number]) => number): number => mean(working.map(score)) ?? Number.NaN;
  return {
    log: average(({ forecast, log2Us }) => forecastLogScore(forecast, log2Us)),
    crps: average(({ forecast, log2Us }) => forecastCrps(forecast, log2Us)),
    brierOfWins: average(({ forecast, reference, log2Us }) => {
      const limit = (reference?.log2Us ?? 0) - winLog2;
      return (forecastCdf(forecast, limit) - (log2Us < limit ? 1 : 0)) ** 2;
    }),
    coverage80: average(({ forecast, log2Us }) => (Math.abs(forecastCdf(forecast, log2Us) - 0.5) < 0.4 ? 1 : 0)),
    okLoss:
      mean(
        pairs.map(({ raw, reference, log2Us }) => {
          const { pOk } = calibrate(recipe, { raw, reference });
          return -Math.log(log2Us === undefined ? 1 - pOk : pOk);
        }),
      ) ?? Number.NaN,
  };
}

describe("fitRecipe", () => {
  const fresh = simulatedPairs({ key: "fresh", count: 4000 });

  it.each([300, 1200])("makes a calibrated forecaster no worse than sampling explains, from %i outcomes", (count) => {
    const before = scores(plainRecipe, fresh);
    for (const key of ["a", "b", "c"]) {
      const after = scores(fitRecipe(simulatedPairs({ key, count })), fresh);
      // A fit of k numbers to n outcomes loses about k / 2n nats on others.
      expect(after.log - before.log).toBeLessThan(14 / count + 0.005);
      expect(after.crps - before.crps).toBeLessThan(0.01);
      expect(after.okLoss - before.okLoss).toBeLessThan(0.01);
      expect(after.coverage80).toBeGreaterThan(0.75);
      expect(after.coverage80).toBeLessThan(0.85);
    }
  });

  it("corrects widths that are too narrow, and too wide", () => {
    for (const boldness of [0.4, 2.5]) {
      const recipe = fitRecipe(simulatedPairs({ key: "fit", count: 1500, boldness }));
      const judged = simulatedPairs({ key: "judge", count: 3000, boldness });
      const [before, after] = [scores(plainRecipe, judged), scores(recipe, judged)];
      expect(Math.abs(before.coverage80 - 0.8)).toBeGreaterThan(0.15);
      expect(Math.abs(after.coverage80 - 0.8)).toBeLessThan(0.04);
      expect(after.log).toBeLessThan(before.log - 0.1);
      expect(after.crps).toBeLessThan(before.crps);
    }
  });

  it("learns that kin mostly run alike: ties with the reference", () => {
    const recipe = fitRecipe(simulatedPairs({ key: "fit", count: 1500, ties: 0.6 }));
    const judged = simulatedPairs({ key: "judge", count: 3000, ties: 0.6 }).filter(
      ({ reference }) => (reference?.likeness ?? 0) > 0.5,
    );
    const [before, after] = [scores(plainRecipe, judged), scores(recipe, judged)];
    expect(after.log).toBeLessThan(before.log - 0.15);
    expect(after.crps).toBeLessThan(0.95 * before.crps);
    expect(after.brierOfWins).toBeLessThan(before.brierOfWins - 0.01);
  });

  it("learns p_ok of a forecaster that is too sure", () => {
    const overdone = (pairs: readonly FamilyPair[]): FamilyPair[] =>
      pairs.map((pair) => ({ ...pair, raw: { ...pair.raw, pOk: 1 / (1 + (1 / pair.raw.pOk - 1) ** 3) } }));
    const recipe = fitRecipe(overdone(simulatedPairs({ key: "fit", count: 2000 })));
    const judged = overdone(simulatedPairs({ key: "judge", count: 4000 }));
    const truth = scores(plainRecipe, simulatedPairs({ key: "judge", count: 4000 })).okLoss;
    expect(scores(plainRecipe, judged).okLoss).toBeGreaterThan(truth + 0.04);
    expect(scores(recipe, judged).okLoss).toBeLessThan(truth + 0.01);
  });

  it("believes a forecaster of which nothing is known, and repeats itself", () => {
    expect(fitRecipe([])).toEqual(plainRecipe);
    const pairs = simulatedPairs({ key: "again", count: 300 });
    expect(fitRecipe(pairs)).toEqual(fitRecipe(pairs));
    const failures = pairs.map(({ log2Us: _, ...pair }) => ({ ...pair, log2Us: undefined }));
    expect(fitRecipe(failures).curve).toEqual(plainRecipe.curve);
  });
});
