import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openArm } from "../../bench/kernel-tuner/arms.ts";
import { readBenchSpace } from "../../bench/kernel-tuner/bench-space.ts";
import { costsOf, scoreArm, whenWithin } from "../../bench/kernel-tuner/score.ts";

const cache = fileURLToPath(new URL("../../src/formats/kernel-tuner/__fixtures__/open-cache.json", import.meta.url));
const space = await readBenchSpace(cache);
const costs = costsOf(space);
// Places of the file: 0 fails when it is launched, 1 takes 0.5 ms, 2 takes 0.25 ms, 3 does not compile.
const trace = (tried: readonly number[], limit = 4) => ({
  space: space.name,
  strategy: "s",
  seed: 1,
  limit,
  tried: [...tried],
  seconds: 0.4,
});

describe("the comparison with Kernel Tuner", () => {
  it("knows what trying each configuration costs", () => {
    expect(costs).toMatchObject({ first: [200.5, 330.5, 335, 100], again: [0.5, 20, 15, 0], optimumMs: 0.25 });
  });

  it("counts configurations once, failures too, and the time of confirmations", () => {
    const seconds = (200.5 + 330.5 + 20 + 335) / 1000;
    expect(whenWithin(trace([0, 1, 1, 2]), 0.05, space, costs)).toEqual({ reached: true, measurements: 3, seconds });
    expect(whenWithin(trace([0, 1, 1, 2]), 1, space, costs)).toMatchObject({ reached: true, measurements: 2 });
  });

  it("takes what never comes there, or stops before, for the limit", () => {
    const horizon = (2 * (200.5 + 330.5 + 335 + 100)) / 4 / 1000;
    for (const tried of [[0], [0, 1], [0, 1, 2]]) {
      const reached = { reached: false, measurements: 2, seconds: horizon };
      expect(whenWithin(trace(tried, 2), 0.05, space, costs)).toEqual(reached);
    }
  });

  it("scores an arm by its runs, and none that never tried anything", () => {
    const score = scoreArm([trace([2]), trace([0, 1])], space, costs);
    expect(score).toMatchObject({
      runs: 2,
      tried: 1.5,
      within: { "5%": { reached: 0.5, measurements: { mean: 2.5 } } },
    });
    expect(score?.decide_ms).toBeCloseTo(800 / 3, 0);
    expect(scoreArm([{ ...trace([]), fault: "no such module" }], space, costs)).toBeUndefined();
  });

  it.each(["random", "measure-all", "top-k+static"])(
    "has an arm %s that finds the optimum of a small space",
    async (name) => {
      const arm = await openArm(name);
      const tried = await arm.search(space, 1, 10);
      expect(await arm.search(space, 1, 10)).toEqual(tried);
      expect(whenWithin(trace(tried, 10), 0, space, costs).reached).toBe(true);
      await arm.close?.();
    },
  );

  it("refuses arms that there are not", async () => {
    await expect(openArm("nonsense")).rejects.toThrow(/unknown arm/);
    await expect(openArm("top-k")).rejects.toThrow(/needs a forecaster/);
  });
});
