import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { rewardVectors } from "./reward-vectors.ts";
import { reward, rewardNames, unreadReward } from "./rewards.ts";

const file = new URL("../../../python/tests/fixtures/rewards.json", import.meta.url);

const truth = { log2Us: 6, scaleLog2Us: 6.4 };
const belief = { pOk: 0.95, m: 6, sigmaLow: 0.05, sigmaHigh: 0.05 };

describe("rewards of written forecasts", () => {
  it("are those that the trainer's tests compare with", async () => {
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(JSON.parse(JSON.stringify(rewardVectors())));
  });

  it.each(rewardNames)("%s: an answer that cannot be read scores below the worst that can", (name) => {
    const worst = { pOk: 0.999, m: 26, sigmaLow: 0.001, sigmaHigh: 0.001 };
    const scores = [truth, { ...truth, log2Us: null }].map((one) => reward(name, worst, one));
    expect(reward(name, undefined, truth)).toBe(unreadReward[name]);
    expect(Math.min(...scores)).toBeGreaterThan(unreadReward[name]);
  });

  it.each(rewardNames)("%s: right and sure is better than wrong and sure", (name) => {
    expect(reward(name, belief, truth)).toBeGreaterThan(reward(name, { ...belief, m: 7 }, truth));
    expect(reward(name, { ...belief, pOk: 0.02 }, { ...truth, log2Us: null })).toBeGreaterThan(
      reward(name, belief, { ...truth, log2Us: null }),
    );
  });

  it("correctness does not care how sure a right answer is, the others do", () => {
    const vague = { ...belief, sigmaLow: 0.1, sigmaHigh: 0.1, pOk: 0.9 };
    const gain = (name: (typeof rewardNames)[number]): number =>
      reward(name, belief, truth) - reward(name, vague, truth);
    expect(gain("correctness")).toBe(0);
    for (const name of ["correctness+brier", "correctness+crps", "crps", "log"] as const)
      expect(gain(name)).toBeGreaterThan(0);
  });
});
