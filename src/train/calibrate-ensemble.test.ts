import { beforeAll, describe, expect, it } from "vitest";
import { forecastCrps, mean, recordedRuntimeUs, type Forecaster } from "../domain/index.ts";
import { h100 } from "../forecast/static/__fixtures__/small-tasks.ts";
import { calibrate } from "../forecast/calibrate/refit.ts";
import { parseEnsembleRecipe, type EnsembleRecipe } from "../forecast/ensemble/ensemble-recipe.ts";
import { syntheticRecording } from "./__fixtures__/synthetic-recording.ts";
import { calibrateEnsemble } from "./calibrate-ensemble.ts";
import { calibrationExamples } from "./calibration-pairs.ts";

const recording = syntheticRecording();
const tasks = [...recording.tasks.values()];
const [fitIds, judgeIds] = ["train", "test"].map((wanted) =>
  tasks.flatMap(({ task, split }) => (split === wanted ? [task.taskId] : [])),
) as [string[], string[]];

/** Knows the truth up to an error of its own, which it states `boldness` times. */
function knowing(name: string, error: number, boldness: number): Forecaster {
  return {
    name,
    forecast: ({ task, candidates }) => {
      const measurements = recording.measurements(task.taskId, h100.name);
      const forecasts = candidates.map(({ kernelId }, index) => {
        const measurement = measurements.get(kernelId);
        const us = (measurement && recordedRuntimeUs(measurement)) ?? 100;
        const sigma = Math.max(0.01, error * boldness);
        return {
          kernelId,
          pOk: 0.9,
          m: Math.log2(us) + error * Math.sin(index + name.length),
          sigmaLow: sigma,
          sigmaHigh: sigma,
        };
      });
      return Promise.resolve({ forecasts, cost: { cpuSeconds: 0, tokens: 0, usd: 0 } });
    },
  };
}

describe("calibrateEnsemble", () => {
  const sharp = { name: "sharp", modelSha256: "a", forecaster: knowing("sharp", 0.2, 5) };
  const vague = { name: "vague", modelSha256: "b", forecaster: knowing("vague", 2, 0.3) };
  let recipe: EnsembleRecipe;
  beforeAll(async () => {
    recipe = await calibrateEnsemble([sharp, vague], recording, { device: h100, taskIds: fitIds, split: "train" });
  });

  it("weighs the better member more, and says what it was fitted on", () => {
    const [first, second] = recipe.members;
    expect(first?.weight).toBeGreaterThan(0.8);
    expect((first?.weight ?? 0) + (second?.weight ?? 0)).toBeCloseTo(1, 3);
    expect(recipe.fittedOn).toMatchObject({ split: "train", device: h100.name, tasks: fitIds });
    expect(parseEnsembleRecipe(JSON.stringify(recipe), "r")).toEqual(recipe);
  });

  it("narrows a member that states five times its error, on tasks that it was not fitted to", async () => {
    const examples = (
      await Promise.all(
        judgeIds.map((taskId) => calibrationExamples(sharp.forecaster, recording, { device: h100, taskId })),
      )
    ).flat();
    const working = examples.flatMap((one) => (one.log2Us === undefined ? [] : [{ ...one, log2Us: one.log2Us }]));
    const before = mean(working.map(({ raw, log2Us }) => forecastCrps(raw, log2Us))) ?? Number.NaN;
    const member = recipe.members[0];
    if (!member) throw new Error("no member");
    const after = mean(working.map((one) => forecastCrps(calibrate(member.recipe, one), one.log2Us))) ?? Number.NaN;
    expect(after).toBeLessThan(0.8 * before);
  });

  it("asks in the views that are named alone", async () => {
    const views = ["seed"] as const;
    const given = { device: h100, taskId: fitIds[0] as string };
    const all = await calibrationExamples(sharp.forecaster, recording, given);
    const some = await calibrationExamples(sharp.forecaster, recording, { ...given, views });
    expect(some).toEqual(all.filter(({ view }) => view === "seed"));
    const narrow = await calibrateEnsemble([sharp], recording, {
      device: h100,
      taskIds: fitIds,
      split: "train",
      views,
    });
    expect(narrow.fittedOn.outcomes).toBeLessThan(recipe.fittedOn.outcomes);
  });

  it("fails where nothing was measured", async () => {
    const options = { device: h100, taskIds: ["absent"], split: "none" };
    await expect(calibrateEnsemble([sharp], recording, options)).rejects.toThrow(/no task of none/);
  });
});

describe("calibrationExamples", () => {
  it("asks in every view, for no anchor, with the parent at hand where there is one", async () => {
    const taskId = fitIds[0] ?? "";
    const shown: { readonly ids: readonly string[]; readonly anchors: readonly string[] }[] = [];
    const plain = knowing("a", 0.2, 1);
    const forecaster: Forecaster = {
      name: "a",
      forecast: (request) => {
        const ids = request.candidates.map(({ kernelId }) => kernelId);
        shown.push({ ids, anchors: request.anchors.map(({ kernel }) => kernel.kernelId) });
        return plain.forecast(request);
      },
    };
    const examples = await calibrationExamples(forecaster, recording, { device: h100, taskId });
    expect(new Set(examples.map(({ view }) => view))).toEqual(new Set(["seed", "anchors", "parent"]));
    for (const { ids, anchors } of shown) expect(ids.filter((id) => anchors.includes(id))).toEqual([]);
    const parents = new Map(recording.kernels(taskId).map(({ kernel, parentId }) => [kernel.kernelId, parentId]));
    const measured = recording.measurements(taskId, h100.name);
    for (const { view, kernelId, log2Us, reference } of examples) {
      const measurement = measured.get(kernelId);
      const us = measurement && recordedRuntimeUs(measurement);
      expect(log2Us).toBe(us === undefined ? undefined : Math.log2(us));
      expect(reference).toBeDefined();
      const question = shown.slice(2).find(({ ids }) => ids.includes(kernelId));
      if (view === "parent") expect(question?.anchors).toContain(parents.get(kernelId));
    }
    const total = examples.filter(({ view }) => view === "seed").reduce((sum, { weight }) => sum + weight, 0);
    expect(total).toBeCloseTo(1, 9);
  });
});
