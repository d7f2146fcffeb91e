import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyedUniform, normalQuantile } from "../../domain/index.ts";
import {
  chosenRule,
  fitPoolWeights,
  learnWeights,
  memberWeights,
  opinionLoss,
  untaught,
  type WeightState,
} from "./weights.ts";

const opinion = (m: number) => ({ pOk: 0.9, m, sigmaLow: 0.3, sigmaHigh: 0.3 });
const members = ["good", "bad"];
const even = { good: 0.5, bad: 0.5 };

/** After outcomes that the first member forecasts with its stated error and the second a doubling too high. */
function taught(count: number, from: WeightState = untaught, swapped = false): WeightState {
  let state = from;
  for (let index = 0; index < count; index++) {
    const truth = 5 + 0.3 * normalQuantile(keyedUniform("outcome", index));
    const opinions = swapped ? { good: opinion(6), bad: opinion(5) } : { good: opinion(5), bad: opinion(6) };
    state = learnWeights(state, members, opinions, truth);
  }
  return state;
}

describe("weights", () => {
  it("sum to 1, leave no member without a say, and are the prior's before anything is known", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -50, max: 50, noNaN: true }),
        fc.double({ min: -50, max: 50, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (one, two, prior) => {
          const weights = memberWeights({ scores: { good: one, bad: two } }, { good: prior, bad: 1 - prior });
          expect(Object.values(weights).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
          for (const weight of Object.values(weights)) expect(weight).toBeGreaterThanOrEqual(chosenRule.floor);
        },
      ),
    );
    expect(memberWeights(untaught, even)).toEqual({ good: 0.5, bad: 0.5 });
    expect(memberWeights(untaught, { only: 1 })).toEqual({ only: 1 });
  });

  it("go to the member that is right, and back when it stops being so", () => {
    const after = memberWeights(taught(16), even);
    expect(after["good"]).toBeGreaterThan(0.9);
    const back = memberWeights(taught(60, taught(16), true), even);
    expect(back["bad"]).toBeGreaterThan(0.9);
  });

  it("are not decided by one outcome that nobody expected", () => {
    const state = learnWeights(untaught, members, { good: opinion(5), bad: opinion(5.2) }, 40);
    expect(memberWeights(state, even)["bad"]).toBeCloseTo(0.5, 1);
  });

  it("take silence for the average, and count failures", () => {
    const silent = learnWeights(untaught, [...members, "silent"], { good: opinion(5), bad: opinion(6) }, 5);
    expect(silent.scores["silent"]).toBe(0);
    expect(learnWeights(untaught, members, {}, 5)).toBe(untaught);
    const sure = { ...opinion(5), pOk: 0.99 };
    const state = learnWeights(untaught, members, { good: opinion(5), bad: sure }, null);
    expect(memberWeights(state, even)["good"]).toBeGreaterThan(0.5);
    expect(opinionLoss(sure, null)).toBeCloseTo(-Math.log(0.01), 9);
  });

  it("of a pool are those with which outcomes were drawn", () => {
    // Two members' densities at outcomes of a 70:30 mixture of normals.
    const densities = Array.from({ length: 4000 }, (_, index) => {
      const centre = keyedUniform("which", index) < 0.7 ? 0 : 3;
      const y = centre + normalQuantile(keyedUniform("y", index));
      return [0, 3].map((mean) => Math.exp(-0.5 * (y - mean) ** 2));
    });
    const [first = 0, second = 0] = fitPoolWeights(
      densities,
      densities.map(() => 1),
    );
    expect(first).toBeGreaterThan(0.67);
    expect(first).toBeLessThan(0.73);
    expect(first + second).toBeCloseTo(1, 12);
    expect(fitPoolWeights([[0.2], [0.4]], [1, 1])).toEqual([1]);
  });
});
