import { beforeAll, describe, expect, test } from "vitest";
import {
  forecastCdf,
  pairwiseAccuracy,
  recordedRuntimeUs,
  type Anchor,
  type Forecaster,
  type Task,
} from "../domain/index.ts";
import { judgeForecaster } from "../evaluate/judge-forecaster.ts";
import { scoreTasks } from "../evaluate/score-tasks.ts";
import { h100, kernelOf } from "../forecast/static/__fixtures__/small-tasks.ts";
import { featureNames } from "../forecast/static/features.ts";
import { createStaticForecaster } from "../forecast/static/static-forecaster.ts";
import { parseStaticModel } from "../forecast/static/static-model.ts";
import { syntheticRecording } from "./__fixtures__/synthetic-recording.ts";
import { taskExamples } from "./static-dataset.ts";
import { trainStatic, type TrainedStatic } from "./train-static.ts";

const recording = syntheticRecording();
const [trainIds, testIds] = ["train", "test"].map((wanted) =>
  [...recording.tasks.values()].filter(({ split }) => split === wanted).map(({ task }) => task.taskId),
) as [string[], string[]];

function anchorOf(task: Task, kernelId: string): Anchor {
  const measurement = recording.measurements(task.taskId, h100.name).get(kernelId);
  const kernel = recording.kernels(task.taskId).find((recorded) => recorded.kernel.kernelId === kernelId)?.kernel;
  if (!kernel || !measurement?.runtime) throw new Error("not an ok kernel");
  const cost = { gpuSeconds: 0, cpuSeconds: 0 };
  return { kernel, measurement: { kernelId, device: h100.name, status: "ok", runtime: measurement.runtime, cost } };
}

describe("training on a synthetic recording", () => {
  let trained: TrainedStatic;
  beforeAll(() => {
    trained = trainStatic(recording, { device: h100, taskIds: trainIds });
  });

  test("forecasts of families left out order kernels and beat a constant prior", () => {
    const { scores, kernels, byTask } = trained.heldOut.seedOnly;
    expect(kernels).toBe(3 * 49);
    expect(scores.pairwise.mean).toBeGreaterThan(0.85);
    expect(scores.spearman.mean).toBeGreaterThan(0.8);
    expect(scores.crps.mean).toBeLessThan(0.6 * (scores["crps of prior"].mean ?? 0));
    expect(Object.keys(byTask)).toEqual(trainIds);
  });

  test.each(["start", "search"] as const)("so do those of tasks never seen, in the view %s", async (view) => {
    const { median: m, sigmaLow, sigmaHigh, pOk } = trained.model.prior;
    const options = { device: h100, prior: { m, sigmaLow, sigmaHigh, pOk }, view, evidence: false, seed: 1 };
    const forecaster = createStaticForecaster(trained.model);
    const judged = await Promise.all(
      testIds.map((taskId) => judgeForecaster(forecaster, recording, { ...options, taskId })),
    );
    const { scores } = scoreTasks(
      judged.filter((one) => one !== undefined),
      1,
    );
    expect(scores.pairwise.mean).toBeGreaterThan(0.85);
    expect(scores["coverage 80"].mean).toBeGreaterThan(0.5);
  });

  test("training again gives the same model, and its file reads back", () => {
    const text = JSON.stringify(trained.model);
    expect(JSON.stringify(trainStatic(recording, { device: h100, taskIds: trainIds }).model)).toBe(text);
    expect(parseStaticModel(text, "m.json")).toEqual(trained.model);
    expect(text.length).toBeLessThan(1e6);
  });

  describe("the forecaster", () => {
    const task = recording.tasks.get(testIds[0] ?? "")?.task as Task;
    const candidates = recording.kernels(task.taskId).map(({ kernel }) => kernel);
    const seed = anchorOf(task, task.seedKernel.kernelId);
    let forecaster: Forecaster;
    beforeAll(() => {
      forecaster = createStaticForecaster(trained.model);
    });

    test("answers every candidate, alike each time, and orders them well", async () => {
      const request = { task, device: h100, anchors: [seed], candidates };
      const { forecasts, cost } = await forecaster.forecast(request);
      expect(forecasts.map(({ kernelId }) => kernelId)).toEqual(candidates.map(({ kernelId }) => kernelId));
      expect((await createStaticForecaster(trained.model).forecast(request)).forecasts).toEqual(forecasts);
      expect(cost).toMatchObject({ tokens: 0, usd: 0 });
      const measured = recording.measurements(task.taskId, h100.name);
      const known = forecasts.flatMap(({ kernelId, m }) => {
        const measurement = measured.get(kernelId);
        const us = measurement && recordedRuntimeUs(measurement);
        return us === undefined ? [] : [{ m, us }];
      });
      expect(
        pairwiseAccuracy(
          known.map(({ m }) => m),
          known.map(({ us }) => us),
        ),
      ).toBeGreaterThan(0.85);
    });

    test("is a proper distribution around the seed's scale", async () => {
      const { forecasts } = await forecaster.forecast({ task, device: h100, anchors: [seed], candidates });
      for (const forecast of forecasts) {
        expect(forecast.pOk).toBeGreaterThan(0);
        expect(forecast.pOk).toBeLessThan(1);
        expect(forecastCdf(forecast, forecast.m)).toBe(0.5);
        expect(Math.abs(forecast.m - Math.log2(seed.measurement.runtime.medianUs))).toBeLessThan(6);
      }
    });

    test("comments and strings change nothing", async () => {
      const plain = candidates[3] ?? task.seedKernel;
      const talkative = {
        ...plain,
        source: `// expected speedup 4x\n${plain.source.replaceAll(";", "; /* optimal */")}`,
      };
      const answers = await forecaster.forecast({
        task,
        device: h100,
        anchors: [seed],
        candidates: [plain, { ...talkative, kernelId: "other" }],
      });
      const [one, other] = answers.forecasts;
      expect({ ...one, kernelId: "other" }).toEqual(other);
    });

    test("uses other anchors and evidence where there are any", async () => {
      const other = anchorOf(task, candidates[1]?.kernelId ?? "");
      const bare = await forecaster.forecast({ task, device: h100, anchors: [seed], candidates });
      const evidence = new Map(candidates.map(({ kernelId }) => [kernelId, { regs: 255, spillBytes: 400 }]));
      const full = await forecaster.forecast({ task, device: h100, anchors: [other, seed], candidates, evidence });
      expect(full.forecasts).toHaveLength(candidates.length);
      expect(full.forecasts).not.toEqual(bare.forecasts);
    });

    test("falls back to the prior for a source that it cannot read, and without an anchor", async () => {
      const unreadable = kernelOf("not a kernel", { grid: [1, 1, 1], block: [1, 1, 1] }, 1);
      const { prior } = trained.model;
      const scaled = await forecaster.forecast({ task, device: h100, anchors: [seed], candidates: [unreadable] });
      expect(scaled.forecasts[0]).toMatchObject({
        m: Math.log2(seed.measurement.runtime.medianUs) + prior.median,
        sigmaLow: prior.sigmaLow,
        pOk: prior.pOk / 2,
      });
      const lost = await forecaster.forecast({ task, device: h100, anchors: [], candidates: [unreadable] });
      expect(lost.forecasts[0]?.sigmaHigh).toBe(prior.sigmaHigh);
    });

    test("stops when told to", async () => {
      const signal = AbortSignal.abort();
      await expect(forecaster.forecast({ task, device: h100, anchors: [seed], candidates }, signal)).rejects.toThrow(
        /abort/,
      );
    });
  });
});

test("examples: failures have no target, compile errors no evidence, others two views", () => {
  const examples = taskExamples(recording, trainIds[0] ?? "", h100);
  const failed = examples.filter(({ ok }) => !ok);
  expect(failed.every(({ target }) => Number.isNaN(target))).toBe(true);
  expect(failed.length).toBeGreaterThan(0);
  expect(examples.every(({ features }) => features.length === featureNames.length)).toBe(true);
  const registers = featureNames.indexOf("compiled registers");
  const withEvidence = examples.filter(({ features }) => !Number.isNaN(features[registers] as number));
  expect(withEvidence.every(({ view }) => view === "compiled")).toBe(true);
  expect(taskExamples(recording, "no-such-task", h100)).toEqual([]);
});

test("one family is not enough to learn from", () => {
  expect(() => trainStatic(recording, { device: h100, taskIds: testIds })).toThrow(/at least two families/);
});
