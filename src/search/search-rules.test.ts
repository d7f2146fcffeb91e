import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyedUniform, type Device, type Forecaster, type Measurement, type RunStore } from "../domain/index.ts";
import { createMemoryRunStore } from "../store/memory-run-store.ts";
import { logOf, syntheticRun } from "./__fixtures__/synthetic-run.ts";
import type { SearchConfig, SearchInput, SearchNote } from "./events.ts";
import { replayRun } from "./replay.ts";
import { runSearch, type RunSearchOptions } from "./run-search.ts";

type Overrides = Partial<SearchConfig>;

const wide: Overrides = { measureConcurrency: 3, openBatches: 2 };

function withDevice(run: RunSearchOptions, change: (device: Device) => Partial<Device>): RunSearchOptions {
  const { device } = run.stages;
  return { ...run, stages: { ...run.stages, device: { ...device, ...change(device) } } };
}

interface Heard {
  readonly input: SearchInput;
  readonly notes: readonly SearchNote[];
  readonly gpuSeconds: number;
}

async function listen(run: RunSearchOptions): Promise<{ readonly heard: Heard[]; readonly ended: string | undefined }> {
  const heard: Heard[] = [];
  const state = await runSearch({
    ...run,
    listener: ({ spent }, input, { notes }) => heard.push({ input, notes, gpuSeconds: spent.gpuSeconds }),
  });
  return { heard, ended: state.ended };
}

describe("budgets", () => {
  it.each([1, 7, 40, 100])("considers exactly %i candidates where those are the limit", async (candidates) => {
    const run = syntheticRun("top-k", createMemoryRunStore(), { ...wide, budget: { candidates } });
    const state = await runSearch(run);
    expect(state.counts.considered).toBe(candidates);
    expect(state.ended).toBe("candidates");
  });

  it("makes at most one confirmation after a spending limit, and starts no screening", async () => {
    const limit = 1;
    const arbitrary = fc.record({ seed: fc.nat(1000), measureConcurrency: fc.integer({ min: 1, max: 8 }) });
    await fc.assert(
      fc.asyncProperty(arbitrary, async (overrides) => {
        const budget = { gpuSeconds: limit };
        const run = syntheticRun("measure-all", createMemoryRunStore(), { ...overrides, budget, openBatches: 4 });
        // No confirmation ever holds, so that every contender would like one.
        const doubtful = withDevice(run, (device) => ({
          measure: async (request) => {
            const measurement = await device.measure(request);
            return measurement.status === "ok" && measurement.confirmation
              ? { ...measurement, confirmation: { ...measurement.confirmation, logRatio: 0, high: 0.1 } }
              : measurement;
          },
        }));
        const { heard, ended } = await listen(doubtful);
        const after = heard.filter(({ input, gpuSeconds }) => input.type === "measurement-end" && gpuSeconds > limit);
        expect(after.length).toBeLessThanOrEqual(overrides.measureConcurrency + 1);
        expect(ended).toBe("gpuSeconds");
      }),
      { numRuns: 30 },
    );
  });
});

describe("order of arrival", () => {
  it("decides nothing on recorded devices: answers that come late, and in another order, give the same log", async () => {
    const straight = createMemoryRunStore();
    const run = syntheticRun("top-k", straight, wide);
    // A forecaster answers in any order, and its answers are logged in that order.
    const withoutForecasts = (store: RunStore): string[] =>
      logOf(store, run.runId).filter((event) => !event.includes('"type":"forecast-end"'));
    await runSearch(run);
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (shuffle) => {
        const store = createMemoryRunStore();
        await runSearch(delayed(syntheticRun("top-k", store, wide), shuffle));
        expect(withoutForecasts(store)).toEqual(withoutForecasts(straight));
      }),
      { numRuns: 8 },
    );
  });

  it("breaks ties between contenders by id", async () => {
    const store = createMemoryRunStore();
    const run = syntheticRun("measure-all", store, { measureConcurrency: 4, budget: { measurements: 5 } });
    const { heard } = await listen(
      withDevice(run, (device) => ({
        measure: async (request) => {
          const isSeed = request.kernel.kernelId === run.stages.task.seedKernel.kernelId;
          const medianUs = isSeed ? 100 : 50;
          const runtime = { medianUs, p10Us: medianUs, p90Us: medianUs, n: 5, samplesUs: [] };
          const { kernelId } = request.kernel;
          const cost = { gpuSeconds: 0.1, cpuSeconds: 0 };
          return { kernelId, device: device.name, status: "ok", runtime, cost };
        },
      })),
    );
    const confirmed = heard.flatMap(({ input }) =>
      input.type === "measurement-end" && input.commandId.startsWith("confirm:") ? [input.measurement.kernelId] : [],
    );
    expect(confirmed).toHaveLength(4);
    expect(confirmed).toEqual(confirmed.toSorted());
  });
});

function delayed(run: RunSearchOptions, shuffle: number): RunSearchOptions {
  let calls = 0;
  const later = async <T>(value: Promise<T>): Promise<T> => {
    const turns = Math.floor(6 * keyedUniform(shuffle, calls++));
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    return value;
  };
  const { device, proposer, forecaster } = run.stages;
  return {
    ...run,
    stages: {
      ...run.stages,
      proposer: { ...proposer, propose: (context) => later(proposer.propose(context)) },
      forecaster: forecaster && {
        ...forecaster,
        forecast: async (request) => {
          const answer = await later(forecaster.forecast(request));
          return { ...answer, forecasts: answer.forecasts.toReversed() };
        },
      },
      device: {
        ...device,
        compile: async (task, kernels) => later(device.compile(task, kernels)),
        measure: async (request) => later(device.measure(request)),
      },
    },
  };
}

describe("kernels that prove wrong", () => {
  it("are no parents and no anchors once their confirmation failed", async () => {
    const run = syntheticRun("top-k", createMemoryRunStore(), { budget: { measurements: 60 } });
    const asked: { readonly anchors: readonly string[]; readonly failed: readonly string[] }[] = [];
    const failed: string[] = [];
    const { forecaster } = run.stages;
    const listening: Forecaster = {
      name: "listening",
      forecast: (request) => {
        asked.push({ anchors: request.anchors.map(({ kernel }) => kernel.kernelId), failed: [...failed] });
        return (forecaster as Forecaster).forecast(request);
      },
    };
    const device = withDevice(run, (inner) => ({
      measure: (request) => failSome(inner.measure(request), request.mode),
    }));
    const parents: string[] = [];
    const state = await runSearch({
      ...device,
      stages: { ...device.stages, forecaster: listening },
      listener: (_state, input, { notes }) => {
        if (input.type === "measurement-end" && input.commandId.startsWith("confirm:")) {
          if (input.measurement.status !== "ok") failed.push(input.measurement.kernelId);
        }
        for (const note of notes) {
          if (note.type === "batch-open" && failed.includes(note.parentId)) parents.push(note.parentId);
        }
      },
    });
    expect(failed.length).toBeGreaterThan(0);
    expect(state.counts.measured).toBe(60);
    expect(parents).toEqual([]);
    for (const { anchors, failed: known } of asked) expect(anchors.filter((id) => known.includes(id))).toEqual([]);
  });

  it("that the compiler says nothing of have failed, and the search goes on", async () => {
    const run = syntheticRun("measure-all", createMemoryRunStore());
    const state = await runSearch(
      withDevice(run, (device) => ({
        compile: async (task, kernels) =>
          (await device.compile(task, kernels)).filter(({ kernelId }) => keyedUniform("lost", kernelId) > 0.3),
      })),
    );
    expect(state.counts.measured).toBe(24);
    expect(state.ended).toBe("measurements");
    expect(state.batches.size).toBe(0);
  });
});

describe("a search that cannot go on", () => {
  it("ends when nothing of many batches compiles, though the proposer has no end", async () => {
    const run = syntheticRun("measure-all", createMemoryRunStore(), { budget: {} });
    const broken = withDevice(run, () => ({
      compile: (_task, kernels) =>
        Promise.resolve(kernels.map(({ kernelId }) => ({ kernelId, ok: false, error: "compile: no" }))),
    }));
    const state = await runSearch(broken);
    expect(state.ended).toBe("no-more-proposals");
    expect(state.counts.measured).toBe(1);
    expect(state.counts.failed).toBeLessThan(1000);
  });
});

describe("a live run that was left and taken up again", () => {
  it("does not count the time between as its own", async () => {
    const store = createMemoryRunStore();
    const run = withDevice(syntheticRun("measure-all", store), () => ({ time: "real" }));
    const controller = new AbortController();
    const listener = (state: { readonly counts: { readonly measured: number } }): void => {
      if (state.counts.measured === 10) controller.abort();
    };
    await expect(runSearch({ ...run, signal: controller.signal, listener })).rejects.toThrow(/go on/);
    const downtime = 700;
    await new Promise((resolve) => setTimeout(resolve, downtime));
    const state = await runSearch(run);
    expect(state.counts.measured).toBe(24);
    const events = [...store.events(run.runId)];
    const elapsed = (events.at(-1)?.at ?? 0) - (events[0]?.at ?? 0);
    expect(events.filter(({ type }) => type === "run-continue")).toHaveLength(1);
    expect(elapsed).toBeGreaterThanOrEqual(downtime / 1000);
    expect(state.spent.wallSeconds).toBeLessThanOrEqual(elapsed - downtime / 1000 + 0.01);
    expect(replayRun(store, run.runId, run.policy)?.state.spent).toEqual(state.spent);
  });
});

async function failSome(measured: Promise<Measurement>, mode: "screen" | "confirm"): Promise<Measurement> {
  const { kernelId, device, cost, status } = await measured;
  if (mode === "screen" || status !== "ok" || keyedUniform("fails", kernelId) < 0.3) return measured;
  return { kernelId, device, cost, status: "incorrect", error: "wrong_output: fresh inputs" };
}
