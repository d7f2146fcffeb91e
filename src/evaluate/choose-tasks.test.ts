import { describe, expect, it } from "vitest";
import type { Recording, Split } from "../domain/index.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { chooseTasks } from "./choose-tasks.ts";

function recordingOf(...splits: readonly (Split | undefined)[]): Recording {
  const recording = syntheticRecording({ taskIds: splits.map((_, index) => `t${index}`), kernels: 2 });
  const tasks = [...recording.tasks].map(([taskId, { task }], index) => {
    const { split: _split, ...rest } = task;
    const split = splits[index];
    return [taskId, split ? { task: rest, split } : { task: rest }] as const;
  });
  return { ...recording, tasks: new Map(tasks) };
}

describe("choosing tasks", () => {
  it("takes those of the split, or all", () => {
    const recording = recordingOf("train", "test", undefined, "test");
    expect(chooseTasks(recording, "test")).toEqual({ taskIds: ["t1", "t3"], split: "test" });
    expect(chooseTasks(recording, "all").taskIds).toHaveLength(4);
  });

  it("takes all of a recording without splits, and says so", () => {
    const chosen = chooseTasks(recordingOf(undefined, undefined), "test");
    expect(chosen).toMatchObject({ taskIds: ["t0", "t1"], split: "all" });
    expect(chosen.note).toMatch(/no splits/);
  });

  it("refuses a split without tasks, and a recording without any", () => {
    expect(() => chooseTasks(recordingOf("train", "train", "test"), "validation")).toThrow(
      /no task of the split "validation" among the 3 read \(they are: train 2, test 1\)/,
    );
    expect(() => chooseTasks(recordingOf(), "all")).toThrow(/no kernels in it/);
  });
});
