import { readFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { RecordedMeasurement, Recording } from "../../domain/index.ts";
import { createBatchModel } from "../../forecast/llm/batch-model.ts";
import { createLlmForecaster } from "../../forecast/llm/llm-forecaster.ts";
import { judgingRequests } from "../../evaluate/judge-forecaster.ts";
import { syntheticRecording } from "../../testing/synthetic-recording.ts";
import { syntheticDeviceInfo } from "../../testing/synthetic.ts";
import { binAnswer, confirmedTruth, doublingsAnswer, quantilesAnswer, taughtSureness } from "./answers.ts";
import { taskExamples, type ExampleOptions } from "./examples.ts";
import { writeTrainingData } from "./training-data.ts";

const folder = await mkdtemp(join(tmpdir(), "kernelcast-training-"));
afterAll(() => rm(folder, { recursive: true }));

const recording = syntheticRecording({ kernels: 30 });
const place = { taskId: "synthetic-a", split: "test" } as const;
const options: ExampleOptions = {
  device: syntheticDeviceInfo,
  view: "start",
  evidence: false,
  form: "quantiles",
  asked: { list: 4 },
  contextTokens: 16_384,
  spread: { low: 0.5, high: 0.5 },
  draws: 1,
  seed: 1,
};

const runtime = (medianUs: number) => ({ medianUs, p10Us: medianUs, p90Us: medianUs, n: 9, samplesUs: [] });
const measured = { kernelId: "k", device: "d", status: "ok", runtime: runtime(8) } as const;

describe("what is taught", () => {
  it("is a time that two passes agree on, or a failure that lasts", () => {
    expect(confirmedTruth({ ...measured, runtimePass2: runtime(8) })).toBe(3);
    expect(confirmedTruth(measured)).toBeUndefined();
    expect(confirmedTruth({ ...measured, runtimePass2: runtime(9) })).toBeUndefined();
    expect(confirmedTruth({ kernelId: "k", device: "d", status: "incorrect" })).toBeNull();
    expect(confirmedTruth({ kernelId: "k", device: "d", status: "crashed" })).toBeUndefined();
  });

  it("is written as the form's own answer", () => {
    const truths = [
      { label: "K01", kernelId: "a", log2Us: 5 },
      { label: "K02", kernelId: "b", log2Us: null },
    ];
    const told = { sureness: () => taughtSureness({ low: 1, high: 1 }) };
    expect(JSON.parse(quantilesAnswer({ truths, scaleLog2Us: 3, told }))).toEqual({
      forecasts: [
        { kernel: "K01", p_ok: 0.95, us_p10: 16, us_p50: 32, us_p90: 64 },
        { kernel: "K02", p_ok: 0.05, us_p10: 4, us_p50: 8, us_p90: 16 },
      ],
    });
    expect(JSON.parse(doublingsAnswer({ truths, scaleLog2Us: 3, told }))).toEqual({
      forecasts: [
        { kernel: "K01", doublings: 2, less: 1, more: 1, p_ok: 0.95 },
        { kernel: "K02", doublings: 0, less: 1, more: 1, p_ok: 0.05 },
      ],
    });
    const letters = [8, 6, 5, 4, 2, null].map((log2Us) => binAnswer(log2Us, { label: "M1", log2Us: 5 }));
    expect(letters).toEqual(["A", "C", "G", "L", "M", "X"]);
  });
});

describe("how sure taught answers are", () => {
  const drawn = Array.from({ length: 400 }, (_, index) => taughtSureness({ low: 0.25, high: 1 }, index));
  const spreads = drawn.map(({ spread }) => spread);

  it("is drawn evenly in the logarithm of the width, and of p_ok", () => {
    expect(Math.min(...spreads)).toBeGreaterThanOrEqual(0.25);
    expect(Math.max(...spreads)).toBeLessThanOrEqual(1);
    expect(spreads.filter((spread) => spread < 0.5).length / 400).toBeCloseTo(0.5, 1);
    const mean = drawn.reduce((sum, { pOk }) => sum + pOk / 400, 0);
    expect(mean).toBeCloseTo(0.795, 1);
  });

  it("is the same for the same kernel and seed", () => {
    expect(taughtSureness({ low: 0.25, high: 1 }, "a", 1)).toEqual(taughtSureness({ low: 0.25, high: 1 }, "a", 1));
  });
});

describe("examples", () => {
  it.each(["quantiles", "doublings", "bins-logprobs"] as const)(
    "of %s are the prompts that a forecaster writes",
    async (form) => {
      const model = createBatchModel({ name: "m", answers: new Map(), contextTokens: 16_384 });
      const forecaster = createLlmForecaster(model, { form, list: 4 });
      for (const request of judgingRequests(recording, { ...options, taskId: place.taskId })) {
        await forecaster.forecast(request);
      }
      const examples = taskExamples(recording, place, { ...options, form });
      expect(examples.length).toBeGreaterThan(5);
      expect(examples.map(({ promptSha256 }) => promptSha256).sort()).toEqual([...model.asked].sort());
      const known = [...recording.measurements(place.taskId, syntheticDeviceInfo.name).values()];
      const truths = new Map(known.map((one): [string, unknown] => [one.kernelId, confirmedTruth(one)]));
      for (const { kernelId, log2Us } of examples.flatMap(({ kernels }) => kernels)) {
        expect(log2Us).toBe(truths.get(kernelId));
      }
    },
  );

  it("give reasons where they are asked for, from what the prompt shows", () => {
    const asked = { list: 4, reasons: "short" } as const;
    const reasoned = taskExamples(recording, place, { ...options, evidence: true, asked });
    const plain = taskExamples(recording, place, { ...options, evidence: true });
    expect(reasoned.map(({ system }) => system.includes('"because"'))).toEqual(reasoned.map(() => true));
    for (const [index, { answer, prompt }] of reasoned.entries()) {
      const { forecasts } = JSON.parse(answer) as { forecasts: { because: string }[] };
      for (const { because } of forecasts) {
        const figures = because.match(/[\d.]+(?=[;,]|$)/g) ?? [];
        expect(figures.filter((figure) => !prompt.includes(figure))).toEqual([]);
      }
      expect(forecasts.map(({ because: _reason, ...rest }) => rest)).toEqual(
        (JSON.parse(plain[index]?.answer ?? "") as { forecasts: object[] }).forecasts,
      );
    }
  });

  it("have lists of other sizes by turns over the draws", () => {
    const drawn = taskExamples(recording, place, { ...options, draws: 2, lists: [8, 2] });
    const sizes = drawn.map(({ kernels }) => kernels.length);
    expect(new Set(sizes.map((size) => size > 2))).toEqual(new Set([true, false]));
    expect(Math.max(...sizes)).toBe(8);
    expect(taskExamples(recording, place, { ...options, lists: [2] })).toEqual(
      taskExamples(recording, place, { ...options, asked: { list: 2 } }),
    );
  });

  it("leave out what no two passes agree on, also among the measured kernels that are shown", () => {
    const doubtful = taskExamples(recording, place, options)[0]?.kernels[0]?.kernelId;
    const doubt = (one: RecordedMeasurement): RecordedMeasurement => {
      const { runtimePass2: _second, ...rest } = one;
      return one.kernelId === doubtful ? { ...rest, status: "crashed" } : one;
    };
    const doubted: Recording = {
      ...recording,
      measurements: (taskId, device) =>
        new Map([...recording.measurements(taskId, device)].map(([id, one]) => [id, doubt(one)])),
    };
    const ids = (one: Recording): string[] =>
      taskExamples(one, place, { ...options, view: "search" }).flatMap(({ kernels, anchorIds }) => [
        ...kernels.map(({ kernelId }) => kernelId),
        ...anchorIds,
      ]);
    expect(ids(recording)).toContain(doubtful);
    expect(ids(doubted)).not.toContain(doubtful);
  });

  it("come anew with each draw", () => {
    const prompts = taskExamples(recording, place, { ...options, draws: 3 }).map(({ prompt }) => prompt);
    expect(new Set(prompts).size).toBe(prompts.length);
  });
});

describe("a folder of training data", () => {
  it("has a file for each split, and what the trainer must not define anew", async () => {
    const counts = await writeTrainingData(folder, recording, ["synthetic-a", "synthetic-b"], options);
    expect(counts.map(({ split, tasks }) => [split, tasks])).toEqual([
      ["train", 0],
      ["validation", 0],
      ["test", 2],
    ]);
    const lines = (await readFile(join(folder, "test.jsonl"), "utf8")).trim().split("\n");
    expect(lines).toHaveLength(counts[2]?.examples ?? 0);
    const meta = JSON.parse(await readFile(join(folder, "meta.json"), "utf8")) as { bins: { letters: string[] } };
    expect(meta.bins.letters).toHaveLength(13);
  });

  it("is refused where a family is in two splits", async () => {
    const tasks = new Map(recording.tasks);
    const [first, second] = [...tasks.values()];
    if (!first || !second) throw new Error("two tasks are needed");
    tasks.set("synthetic-b", { task: { ...second.task, family: first.task.family }, split: "train" });
    const mixed = writeTrainingData(folder, { ...recording, tasks }, ["synthetic-a", "synthetic-b"], options);
    await expect(mixed).rejects.toThrow(/family "synthetic-a" is in the splits test and train/);
  });
});
