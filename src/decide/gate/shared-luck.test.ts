import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectedImprovement, normalQuantile, type Forecast } from "../../domain/index.ts";
import { chooseBatch } from "./choose-batch.ts";
import { expectedGain, type Target } from "./gain.ts";
import { choleskyFactor, correlations, drawOutcomes, independentDraws, jointGain } from "./shared-luck.ts";

const target: Target = { incumbentLog2Us: 6, winLog2: 0 };
const forecast = (kernelId: string, m: number, pOk = 1): Forecast => ({
  kernelId,
  pOk,
  m,
  sigmaLow: 0.4,
  sigmaHigh: 0.4,
});

function normalsFor(draws: number, stride: number) {
  const both = independentDraws(1, 2 * draws, stride);
  return {
    runtime: both.subarray(0, draws * stride),
    success: both.subarray(draws * stride),
    draws,
    stride,
  };
}

/** Vectors of letters: the share of places where two agree is a positive semidefinite likeness. */
const words = fc.array(fc.array(fc.nat(3), { minLength: 16, maxLength: 16 }), { minLength: 2, maxLength: 12 });

describe("shared luck", () => {
  it("has a factor whose square is the correlation of the errors", () => {
    fc.assert(
      fc.property(words, (made) => {
        const ids = made.map((_, index) => String(index));
        const likeness = (one: string, other: string): number =>
          (made[Number(one)] ?? []).filter((letter, at) => letter === made[Number(other)]?.[at]).length / 16;
        const matrix = correlations(ids, likeness);
        const factor = choleskyFactor(matrix, ids.length);
        for (let row = 0; row < ids.length; row++) {
          for (let column = 0; column < ids.length; column++) {
            let product = 0;
            for (let k = 0; k < ids.length; k++)
              product += (factor[row * ids.length + k] as number) * (factor[column * ids.length + k] as number);
            expect(product).toBeCloseTo(matrix[row * ids.length + column] as number, 9);
          }
        }
      }),
    );
  });

  it("draws the exact gain of one candidate on average, whatever the others", () => {
    const forecasts = [forecast("a", 6.2, 0.8), forecast("b", 5.9, 0.5), forecast("c", 6)];
    const matrix = correlations(["a", "b", "c"], () => 0.9);
    const normals = normalsFor(20_000, 3);
    const outcomes = drawOutcomes(forecasts, target, choleskyFactor(matrix, 3), normals);
    forecasts.forEach((one, row) => {
      // Without the broad part, which the copula leaves out.
      const exact = (one.pOk * expectedImprovement(one, 6, 0)) / 0.98;
      expect(Math.abs(jointGain(outcomes, [row]) - exact)).toBeLessThan(0.01);
    });
  });

  it("makes alike candidates worth less together than unlike ones", () => {
    const forecasts = [forecast("a", 6), forecast("b", 6)];
    const joint = (rho: number): number => {
      const factor = choleskyFactor(Float64Array.of(1, rho, rho, 1), 2);
      return jointGain(drawOutcomes(forecasts, target, factor, normalsFor(20_000, 2)), [0, 1]);
    };
    // E[max(0, z₁, z₂)] of independent standard normals is (1 + √2) / (2 √π), of equal ones 1 / √(2π).
    const single = 0.4 / Math.sqrt(2 * Math.PI);
    expect(joint(1)).toBeCloseTo(single, 2);
    expect(joint(0)).toBeGreaterThan(joint(0.5));
    expect(joint(0.5)).toBeGreaterThan(joint(0.95));
    expect(joint(0)).toBeCloseTo((0.4 * (1 + Math.SQRT2)) / (2 * Math.sqrt(Math.PI)), 2);
  });

  it("prefers a worse stranger to a twin of what was chosen", () => {
    const forecasts = [forecast("a", 5.9), forecast("twin", 5.901), forecast("stranger", 6.02)];
    const alike = (one: string, other: string): number => (one !== "stranger" && other !== "stranger" ? 1 : 0);
    const factor = choleskyFactor(correlations(["a", "twin", "stranger"], alike, { most: 0.999, power: 1 }), 3);
    const outcomes = drawOutcomes(forecasts, target, factor, normalsFor(4000, 3));
    const values = forecasts.map((one) => expectedGain(one, target));
    const rows = chooseBatch(values, outcomes, { most: 2, least: 0, leastShare: 0 }).map(({ row }) => row);
    expect(rows).toEqual([0, 2]);
    const independent = drawOutcomes(
      forecasts,
      target,
      choleskyFactor(correlations(["a", "twin", "stranger"], undefined), 3),
      normalsFor(4000, 3),
    );
    expect(chooseBatch(values, independent, { most: 2, least: 0, leastShare: 0 }).map(({ row }) => row)).toEqual([
      0, 1,
    ]);
  });

  it("chooses none that adds less than asked", () => {
    const forecasts = [forecast("a", 5), forecast("b", 7.5)];
    const outcomes = drawOutcomes(
      forecasts,
      target,
      choleskyFactor(Float64Array.of(1, 0, 0, 1), 2),
      normalsFor(512, 2),
    );
    const values = forecasts.map((one) => expectedGain(one, target));
    const rows = (limits: { least: number; leastShare: number }): number[] =>
      chooseBatch(values, outcomes, { most: 2, ...limits }).map(({ row }) => row);
    expect(rows({ least: 0, leastShare: 0.3 })).toEqual([0]);
    expect(rows({ least: 2, leastShare: 0 })).toEqual([]);
  });

  it("has normal draws of the seed alone", () => {
    const draws = independentDraws(1, 4000, 2);
    expect(draws).toEqual(independentDraws(1, 4000, 2));
    const sorted = draws.toSorted();
    for (const p of [0.1, 0.5, 0.9]) expect(sorted[Math.floor(8000 * p)]).toBeCloseTo(normalQuantile(p), 1);
  });
});
