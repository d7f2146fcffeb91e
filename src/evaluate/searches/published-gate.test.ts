import { describe, expect, it } from "vitest";
import { forecastCdf, makeKernel, type Candidate, type Forecast } from "../../domain/index.ts";
import { expectedPublishedBin } from "../published-bins.ts";
import { publishedGate } from "./published-gate.ts";

function forecastOf(kernelId: string, speedup: number, pOk = 1): Forecast {
  return { kernelId, pOk, m: Math.log2(100 / speedup), sigmaLow: 0.01, sigmaHigh: 0.01 };
}

function candidate(index: number): Candidate {
  const kernel = makeKernel({ source: `// ${index}`, launches: [], compileOptions: [] }, {});
  return { kernel, parentId: null, origin: "test" };
}

describe("the published gate", () => {
  it("expects the bin that its probabilities say", () => {
    const wide = { m: Math.log2(100), sigmaLow: 0.7, sigmaHigh: 1.1 };
    const reach = [0.25, 0.5, 0.71, 1, 1.41, 2, 4].map((edge) => forecastCdf(wide, Math.log2(100 / edge)));
    const bounds = [1, ...reach, 0];
    const mean = bounds.slice(0, -1).reduce((sum, bound, bin) => sum + (bin + 1) * (bound - (bounds[bin + 1] ?? 0)), 0);
    expect(expectedPublishedBin(wide, Math.log2(100))).toBeCloseTo(mean, 12);
    const sure = forecastOf("a", 3);
    expect(expectedPublishedBin(sure, Math.log2(100))).toBeCloseTo(7, 1);
  });

  it("measures four by bin against the seed, however likely to fail, the earlier of equals, and none without a forecast", () => {
    const candidates = Array.from({ length: 16 }, (_, index) => candidate(index));
    const ids = candidates.map(({ kernel }) => kernel.kernelId);
    // All but the first are sure to be more than four times as fast as the seed: the published gate cannot tell them apart.
    const forecasts = new Map(ids.slice(0, 15).map((id, place) => [id, forecastOf(id, place === 0 ? 0.1 : 1e9, 0.01)]));
    const decide = (measurementsLeft: number): string[] =>
      publishedGate(100)
        .decide({ seed: 1, candidates, forecasts, incumbentUs: 1, measurementsLeft })
        .filter(({ action }) => action === "measure")
        .map(({ kernelId }) => kernelId);
    expect(decide(32)).toEqual(ids.slice(1, 5));
    expect(decide(2)).toEqual(ids.slice(1, 3));
    forecasts.clear();
    expect(decide(32)).toEqual([]);
  });
});
