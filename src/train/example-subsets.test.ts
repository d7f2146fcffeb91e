import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { h100 } from "../forecast/static/__fixtures__/small-tasks.ts";
import { syntheticRecording } from "./__fixtures__/synthetic-recording.ts";
import { drawFamilies, drawKernels } from "./example-subsets.ts";
import { taskExamples, type Example } from "./static-dataset.ts";
import { trainOnExamples } from "./train-static.ts";

const recording = syntheticRecording();
const examples = [...recording.tasks.keys()].flatMap((taskId) => taskExamples(recording, taskId, h100));

function kernelIds(of: readonly Example[], taskId: string): Set<string> {
  return new Set(of.filter((example) => example.taskId === taskId).map(({ kernelId }) => kernelId));
}

describe("subsets for learning curves", () => {
  it("hold whole families, no more tasks than asked for where two families are that small, and all in the end", () => {
    const tasks = fc.uniqueArray(fc.record({ taskId: fc.uuid(), family: fc.constantFrom("a", "b", "c", "d") }), {
      selector: ({ taskId }) => taskId,
      minLength: 4,
    });
    fc.assert(
      fc.property(tasks, fc.nat(12), fc.nat(5), (all, most, seed) => {
        const chosen = drawFamilies(all, most, seed);
        const families = new Set(chosen.map(({ family }) => family));
        expect(chosen).toEqual(all.filter(({ family }) => families.has(family)));
        expect(families.size).toBeGreaterThanOrEqual(Math.min(2, new Set(all.map(({ family }) => family)).size));
        if (families.size > 2) expect(chosen.length).toBeLessThanOrEqual(most);
        expect(drawFamilies(all, all.length, seed)).toEqual(all);
        expect(drawFamilies(all, most, seed)).toEqual(chosen);
      }),
    );
  });

  it("keep a share of each task's kernels with the seed, at the same weight, other draws for other seeds", () => {
    const half = drawKernels(examples, 0.5, 1);
    const weight = (of: readonly Example[], taskId: string): number =>
      of.filter((one) => one.taskId === taskId && one.view === "bare").reduce((sum, one) => sum + one.weight, 0);
    for (const [taskId, { task }] of recording.tasks) {
      const [all, kept] = [kernelIds(examples, taskId), kernelIds(half, taskId)];
      expect(kept.size).toBe(Math.ceil((all.size - 1) / 2) + 1);
      expect(kept.has(task.seedKernel.kernelId)).toBe(true);
      expect(weight(half, taskId)).toBeCloseTo(weight(examples, taskId), 9);
      expect(kernelIds(drawKernels(examples, 0.5, 2), taskId)).not.toEqual(kept);
      for (const { others } of half.filter((one) => one.taskId === taskId)) {
        expect(others.every(({ kernelId }) => kept.has(kernelId))).toBe(true);
      }
    }
    expect(drawKernels(examples, 1, 1)).toEqual(examples);
  });

  it("can be trained on", () => {
    const { model } = trainOnExamples(drawKernels(examples, 0.5, 1), recording, { device: h100 });
    expect(model.trainedOn.kernels).toBe(4 * 25);
  });
});
