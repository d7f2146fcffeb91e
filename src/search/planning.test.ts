import { describe, expect, it } from "vitest";
import { createGate } from "../decide/gate/gate.ts";
import { defaultGateOptions } from "../decide/gate/options.ts";
import type { Decision, Forecaster, ForecastRequest, Proposer } from "../domain/index.ts";
import { createMemoryRunStore } from "../store/memory-run-store.ts";
import { syntheticForecaster, syntheticProposer } from "../testing/synthetic.ts";
import { syntheticRun } from "./__fixtures__/synthetic-run.ts";
import type { SearchNote } from "./events.ts";
import { replayRun } from "./replay.ts";
import { runSearch, type RunSearchOptions } from "./run-search.ts";
import { summarise } from "./summary.ts";

async function run(options: RunSearchOptions) {
  const notes: SearchNote[] = [];
  const state = await runSearch({ ...options, listener: (_state, _input, step) => notes.push(...step.notes) });
  const decisions = notes.flatMap((note) => (note.type === "decision" ? [note.decision] : []));
  return { state, notes, decisions };
}

/** The synthetic forecaster, with what is changed of each forecast. */
function forecasterWith(
  change: (
    kernelId: string,
    request: ForecastRequest,
  ) => Partial<Record<"m" | "sigmaLow" | "sigmaHigh" | "pOk", number>>,
  cost = { cpuSeconds: 0, tokens: 0, usd: 0 },
): Forecaster & { readonly requests: ForecastRequest[] } {
  const requests: ForecastRequest[] = [];
  return {
    name: "changed",
    requests,
    async forecast(request) {
      requests.push(request);
      const { forecasts } = await syntheticForecaster().forecast(request);
      return { forecasts: forecasts.map((one) => ({ ...one, ...change(one.kernelId, request) })), cost };
    },
  };
}

const actionsOf = (decisions: readonly Decision[], kernelId: string): string[] =>
  decisions.filter((decision) => decision.kernelId === kernelId).map(({ action }) => action);

describe("a search under the gate", () => {
  it("decides with reasons, numbers and an outlook for every batch", async () => {
    const { state, notes, decisions } = await run(syntheticRun("gate", createMemoryRunStore()));
    expect(state.counts.measured).toBe(24);
    expect(decisions.every(({ reason, numbers }) => reason !== "" && "gain_log2" in numbers)).toBe(true);
    const outlooks = notes.filter(({ type }) => type === "outlook");
    expect(outlooks.length).toBeGreaterThan(3);
    const numbers = decisions.flatMap((decision) => Object.values(decision.numbers));
    expect(numbers.filter((value) => !Number.isFinite(value))).toEqual([]);
  });

  it("finds at least as fast kernels as the first of each batch by forecast", async () => {
    const best = async (policy: "gate" | "top-k", seed: number): Promise<number> => {
      const options = syntheticRun(policy, createMemoryRunStore(), { seed });
      return summarise(options.runId, await runSearch(options)).best?.runtime_us ?? Number.NaN;
    };
    let sum = 0;
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8])
      sum += Math.log2((await best("top-k", seed)) / (await best("gate", seed)));
    expect(sum / 8).toBeGreaterThan(0);
  });

  it("keeps what it skips, forecasts it anew as more is known, and takes it up when it is the best left", async () => {
    // What is said of a kernel becomes true only once something was measured of its kind: at first all look slow.
    const forecaster = forecasterWith((_, { anchors }) => (anchors.length < 3 ? { m: 6.05 } : {}));
    const options = syntheticRun("gate", createMemoryRunStore());
    const { decisions } = await run({ ...options, stages: { ...options.stages, forecaster } });
    const asked = forecaster.requests.map(({ candidates }) => candidates.length);
    const { proposalsPerParent, refreshes } = defaultGateOptions;
    expect(Math.max(...asked)).toBe(proposalsPerParent + refreshes);
    const again = decisions.filter(({ kernelId, action, reason }) => {
      return (
        action === "measure" && reason.startsWith("skipped before") && actionsOf(decisions, kernelId)[0] === "skip"
      );
    });
    expect(again.length).toBeGreaterThan(0);
  });

  it("asks the stronger surrogate about some, once a batch, and decides by its answer", async () => {
    const store = createMemoryRunStore();
    const options = syntheticRun("gate", store, { strongForecaster: "strong" });
    const forecaster = forecasterWith(() => ({ m: 5.5, sigmaLow: 1, sigmaHigh: 1 }));
    const strongForecaster = forecasterWith(() => ({ sigmaLow: 0.2, sigmaHigh: 0.2 }));
    const stages = { ...options.stages, forecaster, strongForecaster };
    const { state, decisions } = await run({ ...options, stages });
    const escalated = decisions.filter(({ action }) => action === "escalate");
    expect(escalated.length).toBeGreaterThan(0);
    expect(state.planning.costs.escalating.pieces).toBe(escalated.length);
    expect(strongForecaster.requests.flatMap(({ candidates }) => candidates).length).toBe(escalated.length);
    for (const { kernelId } of escalated) expect(actionsOf(decisions, kernelId).length).toBeGreaterThan(1);
    expect(replayRun(store, options.runId, createGate())?.state.counts).toEqual(state.counts);
  });

  it("finds faster kernels with the stronger surrogate than without", async () => {
    const best = async (seed: number, isEscalating: boolean): Promise<number> => {
      const settings = { seed, ...(isEscalating ? { strongForecaster: "strong" } : {}) };
      const options = syntheticRun("gate", createMemoryRunStore(), settings);
      const stages = {
        ...options.stages,
        forecaster: forecasterWith(() => ({ m: 5.5, sigmaLow: 1, sigmaHigh: 1 })),
        strongForecaster: syntheticForecaster(),
      };
      return summarise("r", await runSearch({ ...options, stages })).best?.runtime_us ?? Number.NaN;
    };
    let sum = 0;
    for (const seed of [1, 2, 3, 4, 5, 6]) sum += Math.log2((await best(seed, false)) / (await best(seed, true)));
    expect(sum / 6).toBeGreaterThan(0.05);
  });

  it("ends with a message when what is left promises little", async () => {
    const options = syntheticRun("gate", createMemoryRunStore(), { budget: { measurements: 200 } });
    const forecaster = forecasterWith(() => ({ m: 12, sigmaLow: 0.05, sigmaHigh: 0.05 }));
    const policy = createGate({ stopLog2: 0.05, auditShare: 0 });
    const { state } = await run({ ...options, policy, stages: { ...options.stages, forecaster } });
    expect(state.ended).toBe("little-to-gain");
    expect(state.counts.measured).toBeLessThan(60);
    expect(summarise("r", state).policy_notes?.[0]).toMatch(/measurements left promise/);
  });

  it("switches a surrogate off that costs more than measuring, says so, and measures all from then on", async () => {
    const options = syntheticRun("gate", createMemoryRunStore(), { budget: { gpuSeconds: 3 } });
    const forecaster = forecasterWith(() => ({}), { cpuSeconds: 0, tokens: 1000, usd: 1 });
    const { state, notes } = await run({ ...options, stages: { ...options.stages, forecaster } });
    expect(notes.filter(({ type }) => type === "surrogate-verdict")).toHaveLength(1);
    expect(summarise("r", state).policy_notes?.[0]).toMatch(/the surrogate is switched off/);
    expect(forecaster.requests.length).toBeLessThan(4);
    expect(state.counts.measured).toBeGreaterThan(40);
  });

  it("keeps a dear surrogate where measurements are rationed, and tells the user", async () => {
    const options = syntheticRun("gate", createMemoryRunStore());
    const forecaster = forecasterWith(() => ({}), { cpuSeconds: 0, tokens: 1000, usd: 1 });
    const { state } = await run({ ...options, stages: { ...options.stages, forecaster } });
    expect(summarise("r", state).policy_notes?.[0]).toMatch(/forecasts go on because measurements are limited/);
    expect(forecaster.requests.length).toBeGreaterThan(3);
  });

  it("takes up what it skipped when nothing new is proposed, until little is left to gain or the budget is spent", async () => {
    const finite: Proposer = {
      name: "finite",
      async propose(context) {
        const proposal = await syntheticProposer().propose({ ...context, seed: 1, parent: seedParent });
        return { ...proposal, exhausted: context.firstIndex + context.count >= 48 };
      },
    };
    const options = syntheticRun("gate", createMemoryRunStore(), { budget: { measurements: 40 } });
    const seedParent = { kernel: options.stages.task.seedKernel, measurement: undefined as never };
    const { state, decisions } = await run({ ...options, stages: { ...options.stages, proposer: finite } });
    const { considered, measured, skipped, duplicates } = state.counts;
    expect(considered).toBe(measured - 1 + skipped + duplicates);
    expect(considered - duplicates).toBe(48);
    expect(measured).toBe(40);
    const again = decisions.filter(({ action, kernelId }) => {
      return action === "measure" && actionsOf(decisions, kernelId)[0] === "skip";
    });
    expect(again.length).toBeGreaterThan(0);
  });
});
