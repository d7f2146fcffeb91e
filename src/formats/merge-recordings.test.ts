import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  measurementStatuses,
  type MeasurementStatus,
  type RecordedMeasurement,
  type Recording,
  type Runtime,
} from "../domain/index.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { addUpMeasurements, combineMeasurements } from "./combine-measurements.ts";
import { loadRecording } from "./load-recording.ts";
import { makeRecording, recordingContents, type RecordingContents } from "./make-recording.ts";
import { mergeRecordingFolders, mergeRecordings } from "./merge-recordings.ts";
import { loadRunTables } from "./run-tables.ts";
import { writeRecording } from "./write-recording.ts";

const pass = (medianUs: number): Runtime => ({ medianUs, p10Us: medianUs, p90Us: medianUs, n: 1, samplesUs: [] });
const ok = (first: number, second?: number, gpuMs = 10, third?: number): RecordedMeasurement => ({
  kernelId: "k",
  device: "d",
  status: "ok",
  runtime: pass(first),
  ...(second === undefined ? {} : { runtimePass2: pass(second) }),
  ...(third === undefined ? {} : { runtimePass3: pass(third) }),
  gpuMs,
});
const failed = (status: MeasurementStatus): RecordedMeasurement => ({
  kernelId: "k",
  device: "d",
  status,
  error: status,
});

describe("combineMeasurements", () => {
  it("makes a second measurement the second pass", () => {
    expect(combineMeasurements(ok(10), ok(11))).toEqual({ measurement: ok(10, 11, 20), outcome: "added" });
  });
  it("counts equal passes once", () => {
    expect(combineMeasurements(ok(10), ok(10))).toEqual({ measurement: ok(10), outcome: "same" });
    expect(combineMeasurements(ok(10, 11), ok(11))).toEqual({ measurement: ok(10, 11), outcome: "same" });
    expect(combineMeasurements(ok(10), ok(10, 11, 20))).toEqual({ measurement: ok(10, 11, 20), outcome: "added" });
  });
  it("makes a further measurement the third pass", () => {
    expect(combineMeasurements(ok(10, 11), ok(12))).toEqual({ measurement: ok(10, 11, 20, 12), outcome: "added" });
    expect(combineMeasurements(ok(10), ok(11, 12))).toEqual({ measurement: ok(10, 11, 20, 12), outcome: "added" });
    expect(combineMeasurements(ok(10, 11, 10, 12), ok(12))).toMatchObject({ outcome: "same" });
  });
  it("keeps no fourth pass", () => {
    const three = ok(10, 11, 10, 12);
    expect(combineMeasurements(three, ok(13))).toEqual({ measurement: three, outcome: "surplus" });
    expect(combineMeasurements(ok(10, 11), ok(12, 13))).toEqual({
      measurement: ok(10, 11, 20, 12),
      outcome: "surplus",
    });
  });
  it("lets a failure in the third pass stand", () => {
    expect(combineMeasurements(ok(10, 11), failed("incorrect")).measurement).toEqual(failed("incorrect"));
  });
  it("lets a failure stand, but a crash yield", () => {
    expect(combineMeasurements(ok(10), failed("incorrect"))).toMatchObject({
      measurement: { status: "incorrect" },
      outcome: "conflict",
    });
    expect(combineMeasurements(failed("crashed"), ok(10)).measurement).toEqual(ok(10));
  });
  it("gives one verdict in any order", () => {
    const status = fc.constantFrom(...measurementStatuses);
    const measurement = status.map((value) => (value === "ok" ? ok(10) : failed(value)));
    fc.assert(
      fc.property(fc.array(measurement, { minLength: 1, maxLength: 5 }), (measurements) => {
        const verdict = (list: readonly RecordedMeasurement[]): unknown =>
          addUpMeasurements(list).measurements[0]?.status;
        expect(verdict(measurements.toReversed())).toBe(verdict(measurements));
      }),
    );
  });
});

/** Part of a recording, as one of several runs would have measured it. */
function part(whole: Recording, keep: (index: number) => boolean): Recording {
  const contents = recordingContents(whole);
  const measurements = contents.measurements.filter((_, index) => keep(index));
  return makeRecording({ ...contents, measurements });
}

function content(recording: Recording): Omit<RecordingContents, "name"> {
  const { name: _name, ...rest } = recordingContents(recording);
  const byId = [...rest.measurements].sort((a, b) => (a.kernelId < b.kernelId ? -1 : 1));
  return { ...rest, measurements: byId };
}

describe("mergeRecordings", () => {
  it("changes nothing when a recording meets itself", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), (kernels) => {
        const recording = syntheticRecording({ kernels });
        const { recording: merged, report } = mergeRecordings([recording, recording], "merged");
        expect(content(merged)).toEqual(content(recording));
        expect(report.outcomes).toMatchObject({ added: 0, surplus: 0, conflict: 0 });
      }),
      { numRuns: 10 },
    );
  });

  it("adds parts up to the whole, in any order", () => {
    const whole = syntheticRecording({ kernels: 40 });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 80, maxLength: 80 }), (owners) => {
        const parts = [0, 1, 2].map((owner) => part(whole, (index) => owners[index] === owner));
        expect(content(mergeRecordings(parts, "m").recording)).toEqual(content(whole));
        expect(content(mergeRecordings(parts.toReversed(), "m").recording)).toEqual(content(whole));
      }),
      { numRuns: 20 },
    );
  });

  it("joins tasks and devices of different recordings", () => {
    const a = syntheticRecording({ taskIds: ["a"], kernels: 5 });
    const b = syntheticRecording({ taskIds: ["b"], kernels: 6 });
    const { recording, report } = mergeRecordings([a, b], "merged");
    expect([...recording.tasks.keys()]).toEqual(["a", "b"]);
    expect(report).toMatchObject({ tasks: 2, kernels: 11, measurements: 11, conflicts: [] });
  });

  it("refuses one id for two things", () => {
    const a = syntheticRecording({ taskIds: ["a"], kernels: 3 });
    const contents = recordingContents(a);
    const [task] = contents.tasks;
    if (!task) throw new Error("no task");
    const otherTask = makeRecording({
      ...contents,
      tasks: [{ ...task, reference: "def reference(inputs, sizes): pass" }],
    });
    expect(() => mergeRecordings([a, otherTask], "m")).toThrow(/task a is not the same .* differ in reference/);
    const kernels = contents.kernels.map((recorded, index) =>
      index === 1 ? { ...recorded, kernel: { ...recorded.kernel, source: "// other" } } : recorded,
    );
    const otherKernel = makeRecording({ ...contents, kernels });
    expect(() => mergeRecordings([a, otherKernel], "m")).toThrow(/kernel \w+ is not the same .* differ in source/);
  });
});

describe("mergeRecordingFolders", () => {
  const folders: string[] = [];
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

  it("writes the sum with the receipts of all", async () => {
    const root = await mkdtemp(join(tmpdir(), "kernelcast-merge-"));
    folders.push(root);
    const whole = syntheticRecording({ kernels: 10 });
    const parts = [part(whole, (index) => index % 2 === 0), part(whole, (index) => index % 2 === 1)];
    const paths = parts.map((_, index) => join(root, `part-${index}`));
    for (const [index, recording] of parts.entries()) {
      const runs = {
        runs: [{ run: `run-${index}` }],
        receipts: [{ run: `run-${index}`, kernel_id: "k", task_id: "t" }],
      };
      await writeRecording(paths[index] as string, recording, { runs });
    }
    const out = join(root, "out");
    const report = await mergeRecordingFolders([...paths, ...paths], out);
    expect(report).toMatchObject({ tasks: 2, kernels: 20, measurements: 20, conflicts: [] });
    expect(content(await loadRecording(out))).toEqual(content(whole));
    const { runs, receipts } = await loadRunTables(out);
    expect([runs.length, receipts.length]).toEqual([2, 2]);
    await expect(mergeRecordingFolders([], out)).rejects.toThrow(/nothing to merge/);
  });
});
