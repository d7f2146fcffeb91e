import { describe, expect, it } from "vitest";
import { recordedRuntimeUs, type Forecaster, type ForecastRequest } from "../domain/index.ts";
import { syntheticDeviceInfo } from "../testing/synthetic.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { judgeForecaster, type JudgeOptions } from "./judge-forecaster.ts";
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

describe("judging a forecaster", () => {
  it("shows the seed and some measured kernels, asks for all others, and scores no anchor", async () => {
    const forecaster = oracle();
    const judged = await judgeForecaster(forecaster, recording, options);
    const [request] = forecaster.asked;
    const shown = request?.anchors.map(({ kernel }) => kernel.kernelId) ?? [];
    const scored = judged?.judged.map(({ kernelId }) => kernelId) ?? [];
    expect(shown).toHaveLength(6);
    expect(shown[0]).toBe(recording.tasks.get(taskId)?.task.seedKernel.kernelId);
    expect([...shown, ...scored].toSorted()).toEqual([...measurements.keys()].toSorted());
    for (const id of shown) expect(judged?.log2Us.get(id)).toBeCloseTo(log2Of(id) ?? Number.NaN, 12);
    expect(judged?.prior.m).toBeCloseTo(-1 + (log2Of(shown[0] ?? "") ?? Number.NaN), 12);
  });

  it("chooses the same anchors for a seed, and others for another", async () => {
    const anchorsOf = async (seed: number): Promise<readonly string[]> => {
      const forecaster = oracle();
      await judgeForecaster(forecaster, recording, { ...options, seed });
      return forecaster.asked[0]?.anchors.map(({ kernel }) => kernel.kernelId) ?? [];
    };
    expect(await anchorsOf(1)).toEqual(await anchorsOf(1));
    expect(await anchorsOf(2)).not.toEqual(await anchorsOf(1));
  });

  it("scores no kernel whose compile error the evidence tells", async () => {
    const failing = [...measurements.values()].filter(({ status }) => status === "compile_error");
    expect(failing.length).toBeGreaterThan(0);
    const judged = await judgeForecaster(oracle(), recording, { ...options, evidence: true });
    const scored = new Set(judged?.judged.map(({ kernelId }) => kernelId));
    expect(failing.filter(({ kernelId }) => scored.has(kernelId))).toEqual([]);
    expect(scored.size).toBe(measurements.size - 6 - failing.length);
  });

  it("finds nothing wrong with the truth", async () => {
    const judged = await judgeForecaster(oracle(), recording, options);
    const { scores, tasks } = scoreTasks(judged ? [judged] : [], 1);
    expect(tasks).toBe(1);
    expect(scores.pairwise.mean).toBe(1);
    expect(scores.spearman.mean).toBeCloseTo(1, 12);
    expect(scores.crps.mean).toBeLessThan(scores["crps of prior"].mean ?? 0);
  });

  it("does not judge a task that the recording lacks", async () => {
    expect(await judgeForecaster(oracle(), recording, { ...options, taskId: "absent" })).toBe(undefined);
  });
});
