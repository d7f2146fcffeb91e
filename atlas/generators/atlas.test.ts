import { describe, expect, it } from "vitest";
import { expandAtlas } from "../../scripts/atlas-tasks.ts";
import type { RecordedKernel } from "../../src/domain/index.ts";
import { loadRecording } from "../../src/formats/load-recording.ts";

type Row = Pick<RecordedKernel, "kernel" | "parentId" | "templateId" | "idea">;

function rows(taskId: string, kernels: readonly Row[]): string[] {
  return kernels
    .map(({ kernel, parentId, templateId, idea }) => [taskId, kernel.kernelId, parentId, templateId, idea].join(" "))
    .toSorted();
}

describe("the generators", () => {
  it("draw the kernels, parents and ideas of the recording again", { timeout: 120_000 }, async () => {
    const recording = await loadRecording("atlas");
    const atlas = await expandAtlas();
    expect(atlas.map(({ task }) => task.taskId).toSorted()).toEqual([...recording.tasks.keys()].toSorted());
    for (const { task, kernels } of atlas)
      expect(rows(task.taskId, kernels)).toEqual(rows(task.taskId, recording.kernels(task.taskId)));
  });
});
