import { describe, expect, it } from "vitest";
import type { JudgedForecast } from "./judged-task.ts";
import { sparedMeasurements } from "./worth-of-forecaster.ts";

function judged(kernelId: string, m: number, us: number | undefined, pOk = 1): JudgedForecast {
  const forecast = { kernelId, pOk, m, sigmaLow: 1, sigmaHigh: 1 };
  return {
    kernelId,
    parentId: null,
    templateId: undefined,
    forecast,
    log2Us: us === undefined ? undefined : Math.log2(us),
  };
}

describe("measurements that an order of forecasts spares", () => {
  const times = [100, 90, 80, undefined, 40, 41, 70];
  const inOrder = (scores: readonly number[]) =>
    sparedMeasurements({
      judged: times.map((us, index) => judged(String(index), scores[index] ?? 0, us)),
      seedUs: 100,
    });
  // Two of seven are within 5 % of the fastest: at random the first of them comes at place 8/3.
  const atRandom = 8 / 3;

  it("are those of the mean order less the place of the first fast kernel", () => {
    expect(inOrder([7, 6, 5, 4, 1, 2, 3])).toBeCloseTo(atRandom - 1, 12);
    expect(inOrder([1, 2, 3, 4, 6, 5, 7])).toBeCloseTo(atRandom - 5, 12);
  });

  it("are none where all forecasts tie, or nothing works", () => {
    expect(inOrder([1, 1, 1, 1, 1, 1, 1])).toBeCloseTo(0, 12);
    expect(sparedMeasurements({ judged: [judged("a", 1, undefined)], seedUs: 100 })).toBe(0);
  });

  it("count a probable failure as one", () => {
    const pool = [judged("fast", 5, 32), judged("doubtful", 4.5, undefined, 0.1), judged("slow", 8, 256)];
    expect(sparedMeasurements({ judged: pool, seedUs: 256 })).toBeCloseTo(2 - 1, 12);
  });
});
