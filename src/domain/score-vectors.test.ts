import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { forecastCdf, forecastCrps, forecastLogScore, type RuntimeDistribution } from "./index.ts";

type Vector = RuntimeDistribution & Readonly<Record<"y" | "crps" | "logScore" | "below", number>>;

const path = new URL("../../python/tests/fixtures/scores.json", import.meta.url);
const vectors = JSON.parse(await readFile(path, "utf8")) as readonly Vector[];

describe("the vectors that training's scores are compared with", () => {
  it("are what the domain computes", () => {
    expect(vectors.length).toBeGreaterThan(30);
    for (const { y, crps, logScore, below, ...distribution } of vectors) {
      expect(forecastCrps(distribution, y)).toBeCloseTo(crps, 12);
      expect(forecastLogScore(distribution, y)).toBeCloseTo(logScore, 12);
      expect(forecastCdf(distribution, y)).toBeCloseTo(below, 12);
    }
  });
});
