import { describe, expect, it } from "vitest";
import { recordedRuntimeUs, type Forecaster, type ForecastRequest, type Recording } from "../domain/index.ts";
import { createBaseline } from "../forecast/baseline/baseline-forecaster.ts";
import { syntheticDeviceInfo } from "../testing/synthetic.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { judgeForecaster, judgingRequests, type JudgeOptions } from "./judge-forecaster.ts";
import { scoreTasks } from "./score-tasks.ts";

const taskId = "synthetic-a";
const recording = syntheticRecording({ kernels: 60 });
const options: JudgeOptions = {
  device: syntheticDeviceInfo,
  taskId,
  prior: { m: -1, sigmaLow: 1, sigmaHigh: 2, pOk: 0.9 },
  view: "start",
  evidence: false,
  seed: 1,
};
const measurements = recording.measurements(taskId, syntheticDeviceInfo.name);
const log2Of = (kernelId: string): number | undefined => {
  const measurement = measurements.get(kernelId);
  const us = measurement && recordedRuntimeUs(measurement);
  return us === undefined ? undefined : Math.log2(us);
};

/** Knows the truth, and keeps what it was asked. */
function oracle(): Forecaster & { readonly asked: ForecastRequest[] } {
  const asked: ForecastRequest[] = [];
  return {
    name: "oracle",
    asked,
    forecast: (request) => {
      asked.push(request);
      const forecasts = request.candidates.map(({ kernelId }) => {
        const m = log2Of(kernelId);
        return { kernelId, pOk: m === undefined ? 0.01 : 0.99, m: m ?? 5, sigmaLow: 0.01, sigmaHigh: 0.01 };
      });
      return Promise.resolve({ forecasts, cost: { cpuSeconds: 0, tokens: 0, usd: 0 } });
    },
  };
}

const seedId = recording.tasks.get(taskId)?.task.seedKernel.kernelId ?? "";
const parents = new Map(recording.kernels(taskId).map(({ kernel, parentId }) => [kernel.kernelId, parentId]));

function shownIn({ anchors }: ForecastRequest): string[] {
  return anchors.map(({ kernel }) => kernel.kernelId);
}

describe("judging a forecaster at the start of a search", () => {
  it("shows the seed alone, asks for all others at once, and scores all of them", async () => {
    const forecaster = oracle();
    const judged = await judgeForecaster(forecaster, recording, options);
    expect(forecaster.asked.map(shownIn)).toEqual([[seedId]]);
    const scored = judged?.judged.map(({ kernelId }) => kernelId) ?? [];
    expect([seedId, ...scored].toSorted()).toEqual([...measurements.keys()].toSorted());
    expect(judged?.prior.m).toBeCloseTo(-1 + (log2Of(seedId) ?? Number.NaN), 12);
    expect(judged).toMatchObject({ missing: 0, compileErrors: 0, withEvidence: 0 });
  });

  it("shows compile evidence only where asked to, and then scores no kernel that it tells does not compile", async () => {
    const failing = [...measurements.values()].filter(({ status }) => status === "compile_error");
    expect(failing.length).toBeGreaterThan(0);
    const blind = oracle();
    await judgeForecaster(blind, recording, options);
    expect(blind.asked[0]?.evidence).toBeUndefined();
    const forecaster = oracle();
    const judged = await judgeForecaster(forecaster, recording, { ...options, evidence: true });
    const scored = new Set(judged?.judged.map(({ kernelId }) => kernelId));
    expect(failing.filter(({ kernelId }) => scored.has(kernelId))).toEqual([]);
    expect(scored.size).toBe(measurements.size - 1 - failing.length);
    expect(judged?.compileErrors).toBe(failing.length);
    expect(forecaster.asked[0]?.evidence?.size).toBe(judged?.withEvidence);
    expect(forecaster.asked[0]?.anchors[0]?.measurement.evidence).toBeDefined();
  });

  it("scores compile errors of a recording that has no evidence", async () => {
    const bare: Recording = {
      ...recording,
      measurements: () =>
        new Map([...measurements].map(([id, { evidence: _evidence, ...measurement }]) => [id, measurement])),
    };
    const judged = await judgeForecaster(oracle(), bare, { ...options, evidence: true });
    expect(judged?.judged).toHaveLength(measurements.size - 1);
    expect(judged?.compileErrors).toBe(0);
  });

  it("scores a kernel without a valid forecast as the prior, and counts it", async () => {
    const [first = "", second = "", third = ""] = [...measurements.keys()].filter((id) => id !== seedId);
    const forgetful: Forecaster = {
      name: "forgetful",
      forecast: async (request) => {
        const { forecasts, cost } = await oracle().forecast(request);
        const broken = forecasts
          .filter(({ kernelId }) => kernelId !== first)
          .map((forecast) => (forecast.kernelId === second ? { ...forecast, m: Number.NaN } : forecast))
          .map((forecast) => (forecast.kernelId === third ? { ...forecast, sigmaHigh: 0 } : forecast));
        return { forecasts: broken, cost };
      },
    };
    const judged = await judgeForecaster(forgetful, recording, options);
    expect(judged?.missing).toBe(3);
    expect(judged?.judged).toHaveLength(measurements.size - 1);
    for (const kernelId of [first, second, third]) {
      const forecast = judged?.judged.find((one) => one.kernelId === kernelId)?.forecast;
      expect(forecast).toEqual({ ...judged?.prior, kernelId });
    }
  });
});

describe("judging a forecaster within a search", () => {
  const search: JudgeOptions = { ...options, view: "search" };

  it("shows seed, parent and eight others, never a kernel that it asks for, and does not score the eight", async () => {
    const forecaster = oracle();
    const judged = await judgeForecaster(forecaster, recording, search);
    const others = shownIn(forecaster.asked[0] as ForecastRequest).filter((id) => id !== seedId);
    expect(forecaster.asked.length).toBeGreaterThan(3);
    const eight = others.filter((id) => forecaster.asked.every((request) => shownIn(request).includes(id)));
    expect(eight).toHaveLength(8);
    for (const request of forecaster.asked) {
      const shown = shownIn(request);
      expect(shown).toEqual(expect.arrayContaining([seedId, ...eight]));
      const ids = request.candidates.map(({ kernelId }) => kernelId);
      expect(ids.filter((id) => shown.includes(id))).toEqual([]);
      for (const id of ids) {
        const parent = parents.get(id) ?? "";
        expect(shown[0]).toBe(log2Of(parent) === undefined ? seedId : parent);
      }
    }
    const scored = judged?.judged.map(({ kernelId }) => kernelId) ?? [];
    expect([seedId, ...eight, ...scored].toSorted()).toEqual([...measurements.keys()].toSorted());
  });

  it("chooses the same anchors for a seed, and others for another", async () => {
    const anchorsOf = async (seed: number): Promise<readonly string[][]> => {
      const forecaster = oracle();
      await judgeForecaster(forecaster, recording, { ...search, seed });
      return forecaster.asked.map(shownIn);
    };
    expect(await anchorsOf(1)).toEqual(await anchorsOf(1));
    expect(await anchorsOf(2)).not.toEqual(await anchorsOf(1));
  });

  it("makes the parent's time worth more than the seed's", async () => {
    const score = async (view: JudgeOptions["view"]): Promise<number | undefined> => {
      const judged = await judgeForecaster(createBaseline("anchor"), recording, { ...options, view });
      return scoreTasks(judged ? [judged] : [], 1).scores.spearman.mean;
    };
    expect(await score("start")).toBe(0);
    expect(await score("search")).not.toBe(0);
  });
});

describe("judged forecasts", () => {
  it("of one who knows the truth have no fault", async () => {
    const judged = await judgeForecaster(oracle(), recording, options);
    const { scores, tasks } = scoreTasks(judged ? [judged] : [], 1);
    expect(tasks).toBe(1);
    expect(scores.pairwise.mean).toBe(1);
    expect(scores.spearman.mean).toBeCloseTo(1, 12);
    expect(scores.crps.mean).toBeLessThan(scores["crps of prior"].mean ?? 0);
  });

  it("do not exist of a task that the recording lacks", async () => {
    expect(await judgeForecaster(oracle(), recording, { ...options, taskId: "absent" })).toBe(undefined);
  });
});

describe("a sample of a task's kernels", () => {
  const perTask = 10;

  it("is drawn by the seed, and is what a judged forecaster is asked", async () => {
    for (const view of ["start", "search"] as const) {
      const forecaster = oracle();
      const answers = await judgeForecaster(forecaster, recording, { ...options, view, perTask });
      expect(answers?.judged).toHaveLength(perTask);
      expect(judgingRequests(recording, { ...options, view, perTask })).toEqual(forecaster.asked);
    }
    const ids = (seed: number): string[] =>
      judgingRequests(recording, { ...options, seed, perTask }).flatMap(({ candidates }) =>
        candidates.map(({ kernelId }) => kernelId),
      );
    expect(ids(2)).toEqual(ids(2));
    expect(ids(2)).not.toEqual(ids(3));
  });

  it("of more kernels than there are is all of them", async () => {
    const all = await judgeForecaster(oracle(), recording, options);
    const many = await judgeForecaster(oracle(), recording, { ...options, perTask: 1000 });
    expect(many?.judged.map(({ kernelId }) => kernelId)).toEqual(all?.judged.map(({ kernelId }) => kernelId));
  });
});

it("counts what was wrong with answers", async () => {
  const told: Forecaster = {
    name: "told",
    forecast: async () => ({
      forecasts: [],
      cost: { cpuSeconds: 0, tokens: 0, usd: 0 },
      faults: { order: 2, missing: 1 },
    }),
  };
  const answers = await judgeForecaster(told, recording, { ...options, view: "search" });
  const asked = judgingRequests(recording, { ...options, view: "search" }).length;
  expect(answers?.faults).toEqual({ order: 2 * asked, missing: asked });
});
