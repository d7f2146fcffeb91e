import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPolicy, policyNames, type PolicyName } from "../decide/policies.ts";
import type { RunStore } from "../domain/index.ts";
import { createMemoryRunStore } from "../store/memory-run-store.ts";
import { syntheticProposer } from "../testing/synthetic.ts";
import { chooseRun } from "./choose-run.ts";
import { copySource, logOf, syntheticConfig, syntheticRun } from "./__fixtures__/synthetic-run.ts";
import { replayRun } from "./replay.ts";
import { runSearch } from "./run-search.ts";
import { summarise } from "./summary.ts";

describe("runSearch", () => {
  it.each(policyNames)("spends exactly its measurements under %s", async (policy) => {
    const store = createMemoryRunStore();
    const { runId, ...rest } = syntheticRun(policy, store);
    const state = await runSearch({ runId, ...rest });
    const summary = summarise(runId, state);
    expect(summary.measured).toBe(24);
    expect(summary.stopped).toBe("measurements");
    expect(summary.considered).toBe(summary.measured - 1 + summary.skipped + summary.duplicates);
    expect(summary.best?.speedup).toBeGreaterThan(1);
    expect(summary.best?.confirmed).toBe(true);
    expect(store.run(runId)?.finishedAt).not.toBeNull();
  });

  it("finds faster kernels by a good forecast than by measuring everything", async () => {
    const best = async (policy: PolicyName, seed: number): Promise<number> => {
      const run = syntheticRun(policy, createMemoryRunStore(), { seed });
      return summarise(run.runId, await runSearch(run)).best?.runtime_us ?? Number.NaN;
    };
    const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
    const logRatios = await Promise.all(
      seeds.map(async (seed) => Math.log2((await best("measure-all", seed)) / (await best("top-k", seed)))),
    );
    expect(logRatios.reduce((sum, ratio) => sum + ratio, 0) / seeds.length).toBeGreaterThan(0.1);
  });

  it("makes the same decisions twice, and others with another seed", async () => {
    const run = async (seed: number): Promise<string[]> => {
      const store = createMemoryRunStore();
      const search = syntheticRun("top-k", store, { seed });
      await runSearch(search);
      return logOf(store, search.runId);
    };
    const [first, second, other] = await Promise.all([run(7), run(7), run(8)]);
    expect(first).toEqual(second);
    expect(first).not.toEqual(other);
  });

  it.each(["top-k", "gate"] as const)(
    "ends with the same log wherever it was cut off and continued: %s",
    async (policy) => {
      const complete = createMemoryRunStore();
      const search = syntheticRun(policy, complete, { measureConcurrency: 3, openBatches: 2 });
      await runSearch(search);
      const events = [...complete.events(search.runId)];
      const inputs = events
        .filter(({ payload }) => JSON.stringify(payload).includes("commandId"))
        .map(({ seq }) => seq);
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...inputs), async (cut) => {
          const store = createMemoryRunStore();
          const resumed = syntheticRun(policy, store, { measureConcurrency: 3, openBatches: 2 });
          for (const { payload } of events) copySource(complete, store, payload);
          store.append(
            resumed.runId,
            events.slice(0, cut).map(({ runId: _, ...event }) => event),
          );
          await runSearch(resumed);
          expect(logOf(store, resumed.runId)).toEqual(logOf(complete, search.runId));
        }),
        { numRuns: 25 },
      );
    },
  );

  it("refuses to continue a log that does not follow from itself", async () => {
    const store = createMemoryRunStore();
    const search = syntheticRun("top-k", store);
    await runSearch(search);
    const forged = createMemoryRunStore();
    forged.createRun({ runId: search.runId, configKey: "k", config: {}, createdAt: 0 });
    const events = [...store.events(search.runId)].map(({ runId: _, ...event }) =>
      event.type === "decision" ? { ...event, payload: { ...(event.payload as object), batchId: "b99" } } : event,
    );
    forged.append(search.runId, events);
    expect(() => replayRun(forged, search.runId, createPolicy("top-k"))).toThrow(/does not follow/);
  });

  it("accepts a log written by an engine whose powers end in other bits, but no other number", async () => {
    const store = createMemoryRunStore();
    const search = syntheticRun("top-k", store);
    await runSearch(search);
    const scaled = (factor: number): RunStore => {
      const copy = createMemoryRunStore();
      copy.createRun({ runId: search.runId, configKey: "k", config: {}, createdAt: 0 });
      const events = [...store.events(search.runId)].map(({ runId: _, ...event }) => {
        if (event.type !== "decision") return event;
        const { decision, ...rest } = event.payload as { decision: { numbers: Record<string, number> } };
        const score = (decision.numbers["score"] ?? 0) * factor;
        return { ...event, payload: { ...rest, decision: { ...decision, numbers: { ...decision.numbers, score } } } };
      });
      copy.append(search.runId, events);
      return copy;
    };
    expect(replayRun(scaled(1 + 1e-14), search.runId, createPolicy("top-k"))?.state.counts.measured).toBe(24);
    expect(() => replayRun(scaled(1.001), search.runId, createPolicy("top-k"))).toThrow(/does not follow/);
  });

  it("stops with what it has when a spending limit is reached", async () => {
    const run = syntheticRun("measure-all", createMemoryRunStore(), { budget: { gpuSeconds: 1 } });
    const state = await runSearch(run);
    expect(state.ended).toBe("gpuSeconds");
    expect(state.spent.gpuSeconds).toBeLessThan(1.3);
  });

  it("stops when its proposer only repeats itself", async () => {
    const run = syntheticRun("measure-all", createMemoryRunStore(), { budget: {} });
    const proposer = { name: "stuck", propose: () => syntheticProposer().propose(first) };
    const first = {
      task: run.stages.task,
      parent: { kernel: run.stages.task.seedKernel, measurement: undefined as never },
      firstIndex: 0,
      count: 4,
      seed: 1,
    };
    const state = await runSearch({ ...run, stages: { ...run.stages, proposer } });
    expect(state.ended).toBe("no-more-proposals");
    expect(state.counts.measured).toBe(5);
  });

  it("can be interrupted and continued", async () => {
    const store = createMemoryRunStore();
    const search = syntheticRun("top-k", store);
    const controller = new AbortController();
    let steps = 0;
    const listener = (): void => {
      if (++steps === 20) controller.abort();
    };
    await expect(runSearch({ ...search, signal: controller.signal, listener })).rejects.toThrow(/same command again/);
    expect(chooseRun(store, search.config, { createdAt: 1 }).runId).toBe(search.runId);
    const state = await runSearch(search);
    expect(state.counts.measured).toBe(24);
    expect(chooseRun(store, search.config, { createdAt: 2 }).runId).toBe(`${search.runId}-2`);
  });

  it("names the setting that differs when a run is continued differently", () => {
    const store = createMemoryRunStore();
    const { runId } = syntheticRun("top-k", store);
    expect(() => chooseRun(store, syntheticConfig("measure-all"), { runId, createdAt: 0 })).toThrow(
      /policy was "top-k", now "measure-all"/,
    );
  });
});
