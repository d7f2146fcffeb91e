import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readBenchSpace } from "../../bench/kernel-tuner/bench-space.ts";
import { compareArms } from "../../bench/kernel-tuner/compare.ts";
import { kernelTunerPage } from "../../scripts/searches/kernel-tuner-page.ts";

const cache = fileURLToPath(new URL("../../src/formats/kernel-tuner/__fixtures__/open-cache.json", import.meta.url));
const space = await readBenchSpace(cache);
// Place 2 is the optimum, 1 takes twice as long, 0 and 3 fail.
const run = (strategy: string, seed: number, tried: readonly number[], limit = 4) => ({
  space: space.name,
  strategy,
  seed,
  limit,
  tried: [...tried],
  seconds: 0.1,
  ...(strategy.startsWith("learn") ? {} : { kernel_tuner: "1.5.0" }),
});
const traces = [
  run("learn/measure-all", 1, [2]),
  run("learn/measure-all", 2, [1, 2]),
  run("slow", 1, [0, 1, 3]),
  run("slow", 2, [0, 1, 3, 2]),
  run("quick", 1, [0, 1, 2]),
  run("quick", 2, [0, 1, 2]),
  { ...run("broken", 1, []), fault: "TypeError: no" },
];

describe("the comparison of arms", () => {
  const comparison = compareArms([space], traces);

  it("has means over the spaces with intervals that hold them, and the best of either side", () => {
    const { arms, best } = comparison;
    expect(arms["learn/measure-all"]?.over_spaces?.["5%"]?.measurements).toEqual({ mean: 1.5, ci: [1, 2] });
    expect(arms["quick"]?.over_spaces?.["5%"]?.measurements).toEqual({ mean: 3, ci: [3, 3] });
    expect(arms["slow"]?.over_spaces?.["5%"]?.measurements.mean).toBe(4);
    expect(best["5%"]).toMatchObject({ kernelcast: "learn/measure-all", kernel_tuner: "quick" });
    expect(best["5%"]?.measurements).toEqual({ mean: 2, ci: [1.5, 3] });
  });

  it("has no mean for an arm that lacks a space, and says why it did not run", () => {
    expect(comparison.arms["broken"]).toEqual({ by: "kernel-tuner", spaces: {}, fault: "TypeError: no" });
  });

  it("refuses traces of different limits", () => {
    expect(() => compareArms([space], [...traces, run("quick", 3, [2], 5)])).toThrow(/limits of 4 and 5/);
  });

  it("is written with every arm, the headline and the faults", () => {
    const page = kernelTunerPage(comparison, { chosenOn: "other", spaces: 1, best: comparison.best });
    expect(page).toContain("`quick`, needs 2 (1.5 to 3) times as many measurements");
    expect(page).toMatch(/\| `slow` \| kernel-tuner \| 4 \(4 to 4\) \|/);
    expect(page).toContain("- `broken` did not run: TypeError: no");
  });
});
