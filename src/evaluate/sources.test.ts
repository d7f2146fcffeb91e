import { describe, expect, test } from "vitest";
import { recordedRuntimeUs, type Forecast, type Forecaster, type Kernel, type Recording } from "../domain/index.ts";
import { constantPOk, constantPrior } from "../forecast/baseline/baseline-forecaster.ts";
import { loadCompareForecaster } from "../forecast/compare/load-compare-forecaster.ts";
import { h100 } from "../forecast/static/__fixtures__/small-tasks.ts";
import { kernelFacts } from "../forecast/static/kernel-facts.ts";
import { loadStaticForecaster } from "../forecast/static/load-static-forecaster.ts";
import { loadRecording } from "../formats/load-recording.ts";
import { syntheticRecording } from "../train/__fixtures__/synthetic-recording.ts";
import { judgeForecaster, type JudgedAnswers } from "./judge-forecaster.ts";
import { scoreTasks } from "./score-tasks.ts";
import { sourceForms, withSources, type SourceForm } from "./sources.ts";

const plain = syntheticRecording();
const [taskId = ""] = [...plain.tasks.keys()];

/** The recording with each kernel's runtime written into its source. */
function leaking(write: (source: string, us: string) => string): Recording {
  const leak = (kernel: Kernel): Kernel => {
    const measurement = plain.measurements(taskId, h100.name).get(kernel.kernelId);
    const us = measurement && recordedRuntimeUs(measurement);
    return { ...kernel, source: write(kernel.source, (us ?? 1e6).toFixed(3)) };
  };
  const recorded = plain.tasks.get(taskId)!;
  const task = { ...recorded.task, seedKernel: leak(recorded.task.seedKernel) };
  const kernels = plain.kernels(taskId).map((one) => ({ ...one, kernel: leak(one.kernel) }));
  return { ...plain, tasks: new Map([[taskId, { ...recorded, task }]]), kernels: () => kernels };
}

const leaks: Readonly<Record<string, Recording>> = {
  comment: leaking((source, us) => source.replace("{\n", `{ // takes_${us.replace(".", "_")}us\n`)),
  string: leaking((source, us) => source.replace("{\n", `{ static_assert(1, "takes_${us.replace(".", "_")}us");\n`)),
  identifier: leaking((source, us) => source.replace(/\bi\b/g, `takes_${us.replace(".", "_")}us`)),
};

/** Believes what a source says of its runtime. */
const credulous: Forecaster = {
  name: "credulous",
  forecast: ({ candidates }) => {
    const forecasts = candidates.flatMap(({ kernelId, source }): Forecast[] => {
      const said = /takes_(\d+)_(\d+)us/.exec(source);
      if (!said) return [];
      return [{ kernelId, pOk: 0.9, m: Math.log2(Number(`${said[1]}.${said[2]}`)), sigmaLow: 0.1, sigmaHigh: 0.1 }];
    });
    return Promise.resolve({ forecasts, cost: { cpuSeconds: 0, tokens: 0, usd: 0 } });
  },
};

async function judge(forecaster: Forecaster, recording: Recording, form: SourceForm): Promise<JudgedAnswers> {
  const answers = await judgeForecaster(forecaster, withSources(recording, form), {
    device: h100,
    taskId,
    prior: { ...constantPrior, pOk: constantPOk },
    view: "search",
    evidence: true,
    seed: 1,
  });
  return answers!;
}

/** The forecasts alone: what is told beside them holds times. */
async function forecastsOf(load: () => Promise<Forecaster>, recording: Recording, form: SourceForm) {
  return (await judge(await load(), recording, form)).judged;
}

describe("a runtime that leaks", () => {
  test.each([
    ["comment", "sanitised"],
    ["string", "sanitised"],
    ["identifier", "renamed"],
    ["identifier", "renamed-alone"],
  ] as const)("in a %s is read in raw sources and gone from %s ones", async (where, form) => {
    const told = await judge(credulous, leaks[where]!, "raw");
    expect(scoreTasks([told], 1).scores.pairwise.mean).toBe(1);
    const untold = await judge(credulous, leaks[where]!, form);
    expect(untold.missing).toBe(untold.judged.length);
    expect(scoreTasks([untold], 1).scores.pairwise.mean).toBe(0.5);
  });

  test.each([
    ["static", () => loadStaticForecaster("models/static-v1.json")],
    ["compare", () => loadCompareForecaster("models/compare-v1.json")],
  ] as const)("moves no forecast of %s", async (_, load) => {
    const alone = await forecastsOf(load, plain, "raw");
    expect(await forecastsOf(load, leaks["comment"]!, "raw")).toEqual(alone);
    expect(await forecastsOf(load, leaks["comment"]!, "sanitised")).toEqual(alone);
    const neutral = await forecastsOf(load, plain, "renamed-alone");
    expect(await forecastsOf(load, leaks["identifier"]!, "renamed-alone")).toEqual(neutral);
    expect(await forecastsOf(load, leaks["comment"]!, "renamed-alone")).toEqual(neutral);
  });
});

describe("showing the atlas's sources", async () => {
  const atlas = await loadRecording("atlas", { tasks: ["softmax-f32", "sort-rows-i32", "matmul-f16"] });

  test.each(sourceForms)("%s: ids stay, and a reader of the program reads the same", (form) => {
    const shown = withSources(atlas, form);
    for (const [id, { task }] of shown.tasks) {
      const kernels = shown.kernels(id);
      expect(kernels.map(({ kernel }) => kernel.kernelId)).toEqual(
        atlas.kernels(id).map(({ kernel }) => kernel.kernelId),
      );
      expect(kernels.find(({ kernel }) => kernel.kernelId === task.seedKernel.kernelId)?.kernel).toEqual(
        task.seedKernel,
      );
      for (const [place, { kernel }] of kernels.entries()) {
        if (place % 30 !== 0) continue;
        const before = kernelFacts(atlas.kernels(id)[place]!.kernel, task, h100, undefined);
        const after = kernelFacts(kernel, task, h100, undefined);
        expect(after.times).toEqual(before.times);
        expect(after.faults).toEqual(before.faults);
        expect(after.text.tokens).toBe(before.text.tokens);
        expect(after.missing + after.skipped).toBe(before.missing + before.skipped);
      }
    }
  });

  test("a name is renamed alike in all kernels of a task, and none of the author's is left", () => {
    const shown = withSources(atlas, "renamed");
    const [before, after] = [atlas, shown].map((recording) =>
      recording.kernels("softmax-f32").map(({ kernel }) => kernel.launches[0]?.kernel ?? ""),
    ) as [string[], string[]];
    const pairs = new Set(before.map((name, place) => `${name} ${after[place]}`));
    expect(new Set(after).size).toBe(pairs.size);
    expect(new Set(before).size).toBe(pairs.size);
    expect(after.every((name) => /^v\d+$/.test(name))).toBe(true);
    const words = shown.kernels("softmax-f32").flatMap(({ kernel }) => kernel.source.match(/\b[a-zA-Z]{2,}\w*/g) ?? []);
    expect(words).not.toContain("softmax");
    expect(words).toContain("threadIdx");
  });
});
