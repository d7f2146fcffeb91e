import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { recordedRuntimeUs, type RecordedMeasurement, type Recording } from "../domain/index.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { stratifiedSample, unconfirmedKernels } from "./select-kernels.ts";

const recording = syntheticRecording({ taskIds: ["a", "b", "c"], kernels: 120 });
const measured = (source: Recording, taskId: string): ReadonlyMap<string, RecordedMeasurement> =>
  source.measurements(taskId, "synthetic");

describe("stratifiedSample", () => {
  const sample = (count: number, seed = 1): Map<string, string[]> =>
    stratifiedSample(recording, { count, seed, device: "synthetic" });

  it("takes as many of each task, with failed ones in proportion and the seed kernel", () => {
    for (const [taskId, ids] of sample(120)) {
      expect(ids).toHaveLength(40);
      expect(new Set(ids).size).toBe(40);
      const failed = ids.filter((id) => measured(recording, taskId).get(id)?.status !== "ok");
      // 9 of 120 fail.
      expect(failed).toHaveLength(3);
      expect(ids).toContain(recording.tasks.get(taskId)?.task.seedKernel.kernelId);
    }
  });

  it("spreads the ok ones over the whole range of runtimes", () => {
    for (const [taskId, ids] of sample(120)) {
      const runtimes = [...measured(recording, taskId).values()]
        .flatMap((measurement) => recordedRuntimeUs(measurement) ?? [])
        .sort((x, y) => x - y);
      const quarters = [0, 0, 0, 0];
      for (const id of ids) {
        const us = recordedRuntimeUs(measured(recording, taskId).get(id) as RecordedMeasurement);
        if (us !== undefined) (quarters[Math.floor((4 * runtimes.indexOf(us)) / runtimes.length)] as number)++;
      }
      for (const count of quarters.slice(0, 4)) expect(Math.abs(count - 37 / 4)).toBeLessThanOrEqual(1.25);
    }
  });

  it("is a function of the seed, and adds up to the count or to all there is", () => {
    expect(sample(60)).toEqual(sample(60));
    expect(sample(60, 2)).not.toEqual(sample(60, 1));
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 500 }), fc.integer(), (count, seed) => {
        const ids = [...sample(count, seed).values()].flat();
        expect(ids).toHaveLength(Math.min(count, 360));
        expect(new Set(ids).size).toBe(ids.length);
      }),
      { numRuns: 30 },
    );
  });
});

describe("unconfirmedKernels", () => {
  it("names those whose passes differ by more, until they have a third pass", () => {
    const [first, second] = [...measured(recording, "a").values()] as [RecordedMeasurement, RecordedMeasurement];
    const { runtime } = first;
    if (!runtime) throw new Error("not ok");
    const differing = { ...first, runtimePass2: { ...runtime, medianUs: runtime.medianUs * 1.05 } };
    expect(unconfirmedKernels([differing, second], 0.03)).toEqual([first.kernelId]);
    expect(unconfirmedKernels([differing, second], 0.06)).toEqual([]);
    expect(unconfirmedKernels([{ ...differing, runtimePass3: runtime }, second], 0.03)).toEqual([]);
  });
});
