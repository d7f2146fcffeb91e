import { describe, expect, it } from "vitest";
import {
  keyedUniform,
  type Candidate,
  type Forecast,
  type PlanningContext,
  type PolicyContext,
  type StageCosts,
} from "../../domain/index.ts";
import { auditProbability, drawAudits } from "./audit.ts";
import { createGate } from "./gate.ts";

const winLog2 = Math.log2(1.02);
const noCost = { pieces: 0, gpuSeconds: 0, cpuSeconds: 0, usd: 0 };
const costs: StageCosts = {
  measuring: { pieces: 10, gpuSeconds: 5, cpuSeconds: 0, usd: 0 },
  compiling: { pieces: 10, gpuSeconds: 0, cpuSeconds: 20, usd: 0 },
  forecasting: noCost,
  escalating: noCost,
};

function candidate(kernelId: string): Candidate {
  return { kernel: { kernelId, source: "", launches: [], compileOptions: [] }, parentId: "p", origin: "test" };
}

const forecast = (kernelId: string, m: number, pOk = 0.95, sigma = 0.3): Forecast => ({
  kernelId,
  pOk,
  m,
  sigmaLow: sigma,
  sigmaHigh: sigma,
});

function context(
  batch: readonly Forecast[],
  planning: Partial<PlanningContext> = {},
  pending: readonly Forecast[] = [],
  measurementsLeft = 20,
): PolicyContext {
  return {
    seed: 1,
    candidates: batch.map(({ kernelId }) => candidate(kernelId)),
    forecasts: new Map([...batch, ...pending].map((one) => [one.kernelId, one])),
    incumbentUs: 128,
    measurementsLeft,
    planning: {
      winLog2,
      pending: pending.map(({ kernelId }) => candidate(kernelId)),
      costs,
      rationed: true,
      canEscalate: false,
      escalated: new Set(),
      surrogateOff: false,
      again: false,
      outlooks: [],
      ...planning,
    },
  };
}

const noAudits = createGate({ auditShare: 0 });
const planOf = (policy: ReturnType<typeof createGate>, given: PolicyContext) =>
  policy.plan?.(given) ?? { decisions: [] };
const measuredBy = (policy: ReturnType<typeof createGate>, given: PolicyContext): string[] =>
  planOf(policy, given).decisions.flatMap(({ action, kernelId }) => (action === "measure" ? [kernelId] : []));

describe("the gate", () => {
  it("measures what may win, skips what will not, and says why with the numbers", () => {
    const given = context([forecast("slow", 9), forecast("fast", 6.5), forecast("broken", 5, 0.001)]);
    const { decisions } = planOf(noAudits, given);
    expect(decisions.map(({ action }) => action)).toEqual(["skip", "measure", "skip"]);
    const [slow, fast, broken] = decisions;
    expect(fast?.numbers).toMatchObject({ incumbent_us: 128, p_ok: 0.95, choice: 1, own_share: 1 });
    expect(fast?.numbers["p_win"]).toBeGreaterThan(0.8);
    expect(fast?.numbers["value_per_usd"]).toBeGreaterThan(0);
    expect(slow?.reason).toMatch(/less than what is measured/);
    expect(broken?.reason).toMatch(/almost surely fails: p_ok 0.1 % is below 2 %/);
  });

  it("prefers the unsure to the sure where both are expected to be as slow", () => {
    const given = context([forecast("sure", 7.1, 0.95, 0.02), forecast("unsure", 7.1, 0.95, 0.6)]);
    expect(measuredBy(noAudits, given)).toEqual(["unsure"]);
  });

  it("takes up a candidate that was skipped before when it is the best now", () => {
    const given = context([forecast("new", 7.6)], {}, [forecast("old", 6.4), forecast("older", 9)]);
    const { decisions } = planOf(noAudits, given);
    expect(decisions.map(({ kernelId, action }) => [kernelId, action])).toEqual([
      ["new", "skip"],
      ["old", "measure"],
    ]);
    expect(decisions[1]?.reason).toMatch(/^skipped before, now /);
  });

  it("does not spend a batch on twins", () => {
    const batch = [forecast("a", 6.5), forecast("twin", 6.5), forecast("stranger", 6.7)];
    const likeness = (one: string, other: string): number => (one === "stranger" || other === "stranger" ? 0 : 1);
    const two = createGate({ auditShare: 0, perBatch: 2, leastShare: 0, errors: { most: 0.99, power: 1 } });
    expect(measuredBy(two, context(batch))).toEqual(["a", "twin"]);
    expect(measuredBy(two, context(batch, { likeness })).toSorted()).toEqual(["a", "stranger"]);
  });

  it("waits for better candidates where the best of late were far better, unless nothing new is proposed", () => {
    const outlooks = [{ gainLog2: 3, bestLog2: 2, measurements: 10 }];
    const batch = [forecast("weak", 7.2)];
    const [decision] = planOf(noAudits, context(batch, { outlooks })).decisions;
    expect(decision?.action).toBe("skip");
    expect(decision?.reason).toMatch(/the next are seen first/);
    expect(measuredBy(noAudits, context(batch, { outlooks, again: true }))).toEqual(["weak"]);
  });

  it("judges a candidate without a forecast by the prior and says so", () => {
    const given = { ...context([forecast("a", 9, 0.95, 0.05)]), candidates: [candidate("a"), candidate("unknown")] };
    const { decisions } = planOf(noAudits, given);
    expect(decisions[1]).toMatchObject({ kernelId: "unknown", action: "measure" });
    expect(decisions[1]?.reason).toMatch(/without a forecast, by the prior/);
    expect(decisions[1]?.forecast).toBeUndefined();
  });

  it("measures nothing once the budget is spent, and says that", () => {
    const { decisions, stop } = planOf(createGate(), context([forecast("fast", 5)], {}, [forecast("old", 5)], 0));
    expect(decisions.map(({ action, reason }) => [action, reason])).toEqual([
      ["skip", "the budget of measurements is spent"],
    ]);
    expect(stop).toBeUndefined();
  });

  it("does not depend on the order of its candidates", () => {
    const batch = Array.from({ length: 30 }, (_, index) =>
      forecast(`k${index}`, 5.5 + 3 * keyedUniform("m", index), keyedUniform("ok", index)),
    );
    const gate = createGate();
    const actions = (given: PolicyContext): Map<string, string> =>
      new Map(planOf(gate, given).decisions.map(({ kernelId, action }) => [kernelId, action]));
    const forward = actions(context(batch));
    for (const [kernelId, action] of actions(context(batch.toReversed()))) expect(forward.get(kernelId)).toBe(action);
  });
});

describe("audits", () => {
  it("are drawn as often as their logged probability says, and are their share of the measurements", () => {
    const gate = createGate({ auditShare: 0.2 });
    let audits = 0;
    let expected = 0;
    let measured = 0;
    for (let round = 0; round < 400; round++) {
      const batch = Array.from({ length: 16 }, (_, index) => forecast(`r${round}k${index}`, 6.5 + index / 5));
      for (const { action, numbers } of planOf(gate, context(batch)).decisions) {
        if (action === "measure") measured++;
        else expected += numbers["audit_probability"] ?? Number.NaN;
        if (action === "audit") audits++;
      }
    }
    expect(audits / (audits + measured)).toBeGreaterThan(0.17);
    expect(audits / (audits + measured)).toBeLessThan(0.23);
    expect(Math.abs(audits - expected)).toBeLessThan(3 * Math.sqrt(expected));
  });

  it("have a probability that makes them the share asked for, as far as there is room", () => {
    expect(auditProbability(0.05, 19, 100, 50)).toBeCloseTo(0.01, 12);
    expect(auditProbability(0.05, 4, 0, 50)).toBe(0);
    expect(auditProbability(0, 4, 12, 50)).toBe(0);
    expect(auditProbability(0.05, 4, 12, 0)).toBe(0);
    expect(auditProbability(0.9, 40, 2, 50)).toBe(1);
    expect(auditProbability(0.9, 40, 12, 3)).toBeCloseTo(3 / 12, 12);
  });

  it("draw each with the same, exact probability, and never more than their expected number rounded up", () => {
    const kernelIds = Array.from({ length: 7 }, (_, index) => `k${index}`);
    for (const probability of [0.05, 0.3, 3 / 7]) {
      const times = new Map(kernelIds.map((kernelId) => [kernelId, 0]));
      const rounds = 4000;
      for (let seed = 0; seed < rounds; seed++) {
        const drawn = drawAudits(seed, kernelIds, probability);
        expect(drawn.size).toBeLessThanOrEqual(Math.ceil(7 * probability - 1e-9));
        for (const kernelId of drawn) times.set(kernelId, (times.get(kernelId) ?? 0) + 1);
      }
      const error = 4 * Math.sqrt((probability * (1 - probability)) / rounds);
      for (const count of times.values()) expect(Math.abs(count / rounds - probability)).toBeLessThan(error);
    }
  });

  it("are not drawn without room for them, nor again for what was skipped before", () => {
    const always = createGate({ auditShare: 0.99 });
    const batch = [forecast("fast", 6), forecast("slow", 9), forecast("slower", 9.5)];
    const actions = (given: PolicyContext): string[] => planOf(always, given).decisions.map(({ action }) => action);
    expect(actions(context(batch))).toEqual(["measure", "audit", "audit"]);
    expect(actions(context(batch, {}, [], 2)).filter((action) => action === "audit")).toHaveLength(1);
    expect(actions(context(batch, {}, [], 1))).toEqual(["measure", "skip", "skip"]);
    expect(actions(context(batch, { again: true }))).toEqual(["measure", "skip", "skip"]);
  });
});

describe("the stop rule", () => {
  const hopeless = [forecast("a", 9, 0.9, 0.05), forecast("b", 9.5, 0.9, 0.05)];
  const quiet = { gainLog2: 0.0001, bestLog2: 0.0001, measurements: 10 };
  const gate = createGate({ stopPatience: 3, stopLog2: 0.02, auditShare: 0 });

  it("ends the run when decisions in a row promise little, with its figures", () => {
    expect(planOf(gate, context(hopeless, { outlooks: [quiet] })).stop).toBeUndefined();
    const { stop, decisions } = planOf(gate, context(hopeless, { outlooks: [quiet, quiet] }));
    expect(stop).toMatch(/the 20 measurements left promise .* in each of the last 3 decisions/);
    expect(decisions.map(({ action, reason }) => [action, reason])).toEqual([
      ["skip", stop],
      ["skip", stop],
    ]);
  });

  it("does not while one of them promised more, or this one does", () => {
    const lively = { ...quiet, gainLog2: 1 };
    expect(planOf(gate, context(hopeless, { outlooks: [quiet, lively] })).stop).toBeUndefined();
    expect(planOf(gate, context([forecast("fast", 6)], { outlooks: [quiet, quiet] })).stop).toBeUndefined();
  });
});

describe("escalation", () => {
  const batch = [forecast("sure", 5, 0.95, 0.05), ...["a", "b", "c", "d", "e"].map((id) => forecast(id, 7, 0.95, 0.5))];

  it("asks the stronger surrogate where its answer could change the decision, once", () => {
    const { decisions } = planOf(createGate({ leastShare: 0 }), context(batch, { canEscalate: true }));
    expect(decisions.length).toBeGreaterThan(1);
    expect(decisions.every(({ action }) => action === "escalate")).toBe(true);
    expect(decisions.map(({ kernelId }) => kernelId)).not.toContain("sure");
    const again = planOf(createGate({ leastShare: 0 }), context(batch, { canEscalate: false }));
    expect(again.decisions.map(({ action }) => action)).not.toContain("escalate");
  });

  it("does not where asking costs more than a measurement is worth", () => {
    const dear = { ...costs, escalating: { pieces: 1, gpuSeconds: 0, cpuSeconds: 0, usd: 5 } };
    const actions = (planning: Partial<PlanningContext>): string[] =>
      planOf(createGate({ leastShare: 0 }), context(batch, { canEscalate: true, ...planning })).decisions.map(
        ({ action }) => action,
      );
    expect(actions({ costs: dear, rationed: false })).not.toContain("escalate");
    expect(actions({ costs: dear, usdLeft: 1 })).not.toContain("escalate");
    expect(actions({ costs: dear, usdLeft: 1000 })).toContain("escalate");
  });
});

describe("the price of forecasts", () => {
  const gate = createGate();
  const forecasting = (usd: number) => ({ ...costs, forecasting: { pieces: 100, gpuSeconds: 0, cpuSeconds: 0, usd } });

  it("switches the surrogate off where measuring is cheaper, and not where measurements are rationed", () => {
    expect(gate.judgeSurrogate?.(forecasting(0.0001), false, 0.25)).toBeUndefined();
    const verdict = gate.judgeSurrogate?.(forecasting(5), false, 0.25);
    expect(verdict).toMatchObject({ off: true });
    expect(verdict?.message).toMatch(/a forecast costs 0.05 USD, a measurement 0.00044 USD, and 75 %/);
    expect(gate.judgeSurrogate?.(forecasting(5), true, 0.25)).toMatchObject({ off: false });
  });

  it("is not judged before it is known", () => {
    const few = { ...forecasting(5), measuring: { ...costs.measuring, pieces: 1 } };
    expect(gate.judgeSurrogate?.(few, false, 0.25)).toBeUndefined();
  });

  it("without a surrogate measures all, in the order proposed", () => {
    const batch = [forecast("slow", 9), forecast("fast", 5)];
    expect(measuredBy(gate, context(batch, { surrogateOff: true }))).toEqual(["slow", "fast"]);
    expect(measuredBy(gate, context(batch, { surrogateOff: true }, [], 1))).toEqual(["slow"]);
  });

  it("forecasts anew the most promising of the skipped, unless forecasts cost money", () => {
    const pending = Array.from({ length: 40 }, (_, index) => forecast(`p${index}`, 6 + index / 10));
    expect(gate.refresh?.(context([], {}, pending))).toEqual(pending.slice(0, 16).map(({ kernelId }) => kernelId));
    expect(gate.refresh?.(context([], { costs: forecasting(1) }, pending))).toEqual([]);
  });
});
