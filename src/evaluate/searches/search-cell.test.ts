import { describe, expect, it } from "vitest";
import { createPolicy } from "../../decide/policies.ts";
import { recordedRuntimeUs, type Forecaster, type ForecastRequest, type Proposer } from "../../domain/index.ts";
import { searchDefaults } from "../../search/defaults.ts";
import { syntheticForecaster } from "../../testing/synthetic.ts";
import { syntheticRecording } from "../../testing/synthetic-recording.ts";
import { openBenchTask, taskFacts, type BenchTask } from "./bench-task.ts";
import { fullyAdapted, fullyCalibrated, truthForecaster, unadapted } from "./hindsight.ts";
import { publishedGate } from "./published-gate.ts";
import { runCell, type SearchPlan } from "./search-cell.ts";

const taskId = "synthetic-a";
const recording = syntheticRecording({ kernels: 120 });
const task = openBenchTask(recording, "synthetic", taskId);
const { strategy } = searchDefaults;

function plan(policy: SearchPlan["policy"], forecaster?: Forecaster, seed = 1): SearchPlan {
  return { asked: "test", policy, forecaster, strategy, seed, measurements: 20 };
}

describe("one search of a bench", () => {
  it("follows the truth of the kernel that was fastest when it was measured", async () => {
    const cell = await runCell(task, plan(createPolicy("measure-all")));
    const facts = taskFacts(recording, "synthetic", taskId);
    expect(cell.bestUs).toHaveLength(20);
    expect(cell.measured).toBe(20);
    expect(cell.bestUs[0]).toBe(facts?.seedUs);
    const truths = new Set([...recording.measurements(taskId, "synthetic").values()].map(recordedRuntimeUs));
    for (const us of cell.bestUs) expect(truths.has(us)).toBe(true);
    expect(cell.bestUs.at(-1)).toBeLessThan(cell.bestUs[0] as number);
    expect(cell.bestProposedUs).toBeLessThanOrEqual(cell.bestUs.at(-1) as number);
    expect(cell.bestProposedUs).toBeGreaterThanOrEqual(facts?.bestUs as number);
    // 20 screenings of half of 50 ms each, and confirmations.
    expect(cell.gpuSeconds).toBeGreaterThanOrEqual(20 * 0.025);
    expect(cell.stopped).toBe("measurements");
  });

  it("is the same again, whatever was searched before, and another one with another seed", async () => {
    const arms = [plan(createPolicy("random-subset")), plan(createPolicy("top-k"), truthForecaster(task))];
    const first = [];
    for (const arm of arms) first.push(await runCell(task, arm));
    const again = [];
    for (const arm of arms.toReversed())
      again.unshift(await runCell(openBenchTask(recording, "synthetic", taskId), arm));
    expect(again).toEqual(first);
    expect(await runCell(task, plan(createPolicy("random-subset"), undefined, 2))).not.toEqual(first[0]);
  });

  it("sees the same proposals in every arm: the k-th of a parent depends on the seed alone", async () => {
    const streams = new Map<string, string>();
    let shared = 0;
    const watched = (seed: number): BenchTask => {
      const propose: Proposer["propose"] = async (context) => {
        const proposal = await task.proposer.propose(context);
        proposal.candidates.forEach(({ kernel }, place) => {
          const key = JSON.stringify([seed, context.parent.kernel.kernelId, context.firstIndex + place]);
          if (streams.has(key)) shared++;
          expect(streams.get(key) ?? kernel.kernelId).toBe(kernel.kernelId);
          streams.set(key, kernel.kernelId);
        });
        return proposal;
      };
      return { ...task, proposer: { name: "watched", propose } };
    };
    for (const seed of [1, 2]) {
      await runCell(watched(seed), plan(createPolicy("measure-all"), undefined, seed));
      await runCell(watched(seed), plan(createPolicy("top-k"), truthForecaster(task), seed));
      await runCell(watched(seed), plan(publishedGate(task.seedScreenUs), syntheticForecaster(), seed));
      const evolution = {
        ...plan(createPolicy("measure-all"), undefined, seed),
        strategy: { tournament: 3, population: 8 },
      };
      await runCell(watched(seed), evolution);
    }
    expect(shared).toBeGreaterThan(40);
  });

  it("finds more with the truth than without", async () => {
    let wins = 0;
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const blind = await runCell(task, plan(createPolicy("measure-all"), undefined, seed));
      const told = await runCell(task, plan(createPolicy("top-k"), truthForecaster(task), seed));
      if ((told.bestUs.at(-1) as number) <= (blind.bestUs.at(-1) as number)) wins++;
    }
    expect(wins).toBeGreaterThanOrEqual(5);
  });

  it("leaves out tasks where nothing works", () => {
    expect(taskFacts(recording, "synthetic", "absent")).toBe(undefined);
    expect(() => openBenchTask(recording, "another", taskId)).toThrow(/no seed kernel that works/);
  });
});

/** Says what it was asked. */
function watching(): Forecaster & { readonly asked: ForecastRequest[] } {
  const asked: ForecastRequest[] = [];
  const inner = syntheticForecaster();
  return {
    name: "watching",
    asked,
    forecast: async (request) => {
      asked.push(request);
      const { forecasts, cost } = await inner.forecast(request);
      const basis = forecasts.map(({ kernelId, ...own }) => ({ kernelId, members: { own } }));
      return { forecasts, cost, basis };
    },
  };
}

async function requestOf(count: number): Promise<ForecastRequest> {
  const kernels = recording.kernels(taskId).map(({ kernel }) => kernel);
  const measurementOf = (id: string) => {
    const us = task.truthUs.get(id) ?? 1;
    const runtime = { medianUs: us, p10Us: us, p90Us: us, n: 1, samplesUs: [] };
    const cost = { gpuSeconds: 0, cpuSeconds: 0 };
    return { kernelId: id, device: "synthetic", status: "ok", runtime, cost } as const;
  };
  const anchors = kernels.slice(0, 5).map((kernel) => ({ kernel, measurement: measurementOf(kernel.kernelId) }));
  const outcomes = [{ basis: { kernelId: "x", members: {} }, log2Us: 5 }];
  const device = await task.device.describe();
  return { task: task.task, device, anchors, candidates: kernels.slice(10, 10 + count), outcomes };
}

describe("hindsight", () => {
  it("without adaptation tells of the seed kernel alone and asks once for each kernel", async () => {
    const inner = watching();
    const forecaster = unadapted(inner, task);
    const first = await forecaster.forecast(await requestOf(4));
    const again = await forecaster.forecast(await requestOf(6));
    expect(again.forecasts.slice(0, 4)).toEqual(first.forecasts);
    expect(inner.asked.map(({ candidates }) => candidates.length)).toEqual([4, 2]);
    for (const { anchors, outcomes } of inner.asked) {
      expect(anchors.map(({ kernel }) => kernel.kernelId)).toEqual([task.task.seedKernel.kernelId]);
      expect(outcomes).toBe(undefined);
    }
  });

  it("with all outcomes never tells a kernel's own", async () => {
    const inner = watching();
    await fullyAdapted(inner, task).forecast(await requestOf(4));
    const [start, ...alone] = inner.asked;
    expect(start?.candidates.length).toBe(119);
    expect(alone).toHaveLength(4);
    for (const { candidates, anchors, outcomes = [] } of alone) {
      const own = candidates[0]?.kernelId;
      expect(candidates).toHaveLength(1);
      expect(anchors[0]?.kernel.kernelId).toBe(task.task.seedKernel.kernelId);
      expect(anchors).toHaveLength(64);
      expect(anchors.map(({ kernel }) => kernel.kernelId)).not.toContain(own);
      expect(outcomes).toHaveLength(118);
      expect(outcomes.map(({ basis }) => basis.kernelId)).not.toContain(own);
    }
  });

  it("with the task's own calibration undoes a forecaster's bias", async () => {
    const truth = truthForecaster(task);
    const biased: Forecaster = {
      name: "biased",
      forecast: async (request) => {
        const { forecasts, cost } = await truth.forecast(request);
        return { cost, forecasts: forecasts.map((one) => ({ ...one, pOk: 0.5, sigmaLow: 4, sigmaHigh: 4 })) };
      },
    };
    const request = await requestOf(30);
    const { forecasts } = await fullyCalibrated(biased, task).forecast(request);
    const widths = forecasts.map(({ sigmaLow, sigmaHigh }) => Math.max(sigmaLow, sigmaHigh));
    expect(Math.max(...widths)).toBeLessThan(2);
    const pOk = forecasts.map((one) => one.pOk);
    expect(Math.min(...pOk)).toBeGreaterThan(0.8);
  });
});
