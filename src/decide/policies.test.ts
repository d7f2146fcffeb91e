import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candidate, Forecast, PolicyContext } from "../domain/index.ts";
import { createPolicy, policyNames, topK } from "./policies.ts";

function candidate(kernelId: string): Candidate {
  return { kernel: { kernelId, source: "", launches: [], compileOptions: [] }, parentId: "p", origin: "test" };
}

function context(forecasts: readonly Forecast[], measurementsLeft = 100): PolicyContext {
  return {
    seed: 1,
    candidates: forecasts.map(({ kernelId }) => candidate(kernelId)),
    forecasts: new Map(forecasts.map((forecast) => [forecast.kernelId, forecast])),
    incumbentUs: 128,
    measurementsLeft,
  };
}

const forecast = (kernelId: string, m: number, pOk = 1): Forecast => ({
  kernelId,
  pOk,
  m,
  sigmaLow: 0.3,
  sigmaHigh: 0.3,
});
const measured = (policy: ReturnType<typeof topK>, given: PolicyContext): string[] =>
  policy.decide(given).flatMap(({ action, kernelId }) => (action === "measure" ? [kernelId] : []));

describe("policies", () => {
  it("top-k measures the lowest expected runtimes, and says why", () => {
    const given = context([forecast("a", 8), forecast("b", 5), forecast("c", 6), forecast("d", 7)]);
    expect(measured(topK(2), given)).toEqual(["b", "c"]);
    const [first] = topK(2).decide(given);
    expect(first).toMatchObject({ action: "skip", numbers: { rank: 4, forecast_us: 256, incumbent_us: 128 } });
    expect(first?.reason).toMatch(/rank 4 of 4/);
  });

  it("top-k prefers a sure kernel to a slightly faster one that will probably fail", () => {
    expect(measured(topK(1), context([forecast("risky", 5.8, 0.2), forecast("sure", 6, 0.95)]))).toEqual(["sure"]);
  });

  it("top-k puts candidates without a forecast last", () => {
    const given = { ...context([forecast("a", 8)]), candidates: [candidate("unforecast"), candidate("a")] };
    expect(measured(topK(1), given)).toEqual(["a"]);
  });

  it("never measures more than is left, and decides every candidate once", () => {
    const arbitrary = fc.array(
      fc.tuple(fc.double({ min: 0, max: 12, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(arbitrary, fc.nat(20), fc.constantFrom(...policyNames), (pairs, left, name) => {
        const given = context(
          pairs.map(([m, pOk], index) => forecast(`k${index}`, m, pOk)),
          left,
        );
        const decisions = createPolicy(name).decide(given);
        expect(decisions.map(({ kernelId }) => kernelId)).toEqual(
          given.candidates.map(({ kernel }) => kernel.kernelId),
        );
        expect(decisions.filter(({ action }) => action === "measure").length).toBeLessThanOrEqual(left);
      }),
    );
  });

  it("the random subset depends on the seed and not on the batch's order", () => {
    const forecasts = Array.from({ length: 16 }, (_, index) => forecast(`k${index}`, 7));
    const policy = createPolicy("random-subset");
    const forward = measured(policy, context(forecasts));
    expect(measured(policy, context(forecasts.toReversed())).toSorted()).toEqual(forward.toSorted());
    expect(measured(policy, { ...context(forecasts), seed: 2 })).not.toEqual(forward);
  });
});
