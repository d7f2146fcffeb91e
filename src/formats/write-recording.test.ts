import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { parquetMetadataAsync } from "hyparquet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Recording } from "../domain/index.ts";
import { syntheticRecording } from "../testing/synthetic-recording.ts";
import { loadRecording } from "./load-recording.ts";
import { recordingContents } from "./make-recording.ts";
import { rowGroupSizes } from "./parquet-table.ts";
import { loadRunTables } from "./run-tables.ts";
import { writeRecording } from "./write-recording.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kernelcast-write-"));
});
afterAll(() => rm(root, { recursive: true }));

/** Everything a recording says but its name, with launches as numbers. */
function content(recording: Recording): unknown {
  const { name: _name, ...rest } = recordingContents(recording);
  return rest;
}

describe("writeRecording", () => {
  it.each(["parquet", "jsonl"] as const)("is read back unchanged as %s", async (format) => {
    const options = fc.record({
      kernels: fc.integer({ min: 1, max: 30 }),
      seed: fc.integer({ min: 0, max: 1000 }),
      taskIds: fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1 }),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(options, async (chosen) => {
        const recording = syntheticRecording(chosen);
        const folder = join(root, `${format}-${run++}`);
        await writeRecording(folder, recording, { format });
        expect(content(await loadRecording(folder))).toEqual(content(recording));
      }),
      { numRuns: 10 },
    );
  });

  it("keeps everything of a task, its tunables and its boundary workloads too", async () => {
    const source = syntheticRecording({ taskIds: ["a"], kernels: 3 });
    const recorded = source.tasks.get("a");
    const task = {
      ...(recorded?.task as NonNullable<typeof recorded>["task"]),
      boundaryWorkloads: [{ sizes: { n: 7 }, args: [], flops: 7, bytesMin: 7 }],
      tolerance: { type: "mismatch_frac", rtol: 0.1, atol: 0, maxFraction: 0.01 } as const,
      tunables: {
        parameters: { BLOCK: [64, 128] },
        constraints: ["BLOCK < n"],
        launches: [
          { kernel: "k", grid: ["n", 1, 1], block: ["BLOCK", 1, 1], smemBytes: 0, args: ["out", { i32: "n" }] },
        ] as const,
        compileOptions: ["-DX=1"],
      },
    };
    const recording: Recording = { ...source, tasks: new Map([["a", { task, split: "test" }]]) };
    const folder = join(root, "whole-task");
    await writeRecording(folder, recording);
    expect((await loadRecording(folder)).tasks.get("a")?.task).toEqual(task);
  });

  it("gives each task a row group, so that one can be read alone", async () => {
    const recording = syntheticRecording({ taskIds: ["a", "b", "c"], kernels: 7 });
    const folder = join(root, "groups");
    await writeRecording(folder, recording);
    for (const table of ["kernels", "measurements"]) {
      const bytes = new Uint8Array(await readFile(join(folder, `${table}.parquet`)));
      expect(rowGroupSizes(await parquetMetadataAsync(bytes.buffer))).toEqual([7, 7, 7]);
    }
    const alone = await loadRecording(folder, { tasks: ["b"] });
    expect([...alone.tasks.keys()]).toEqual(["b"]);
    expect(alone.kernels("b")).toEqual(recording.kernels("b"));
    expect(alone.measurements("b", "synthetic")).toEqual(recording.measurements("b", "synthetic"));
    expect(alone.kernels("a")).toEqual([]);
  });

  it("keeps run tables beside the recording", async () => {
    const runs = [{ run: "pass1-0", device: "d", controls: [{ name: "twice", ok: true }] }];
    const receipts = [
      {
        run: "pass1-0",
        task_id: "a",
        kernel_id: "k2",
        checks: { passed: ["correct"] },
        floor_us: 1.5,
        started_at: "2",
      },
      {
        run: "pass1-0",
        task_id: "a",
        kernel_id: "k1",
        checks: { passed: ["correct"] },
        floor_us: 1.5,
        started_at: "1",
      },
    ];
    const folder = join(root, "runs");
    await writeRecording(folder, syntheticRecording(), { runs: { runs, receipts } });
    expect(await loadRunTables(folder)).toEqual({ runs, receipts: receipts.toReversed() });
    expect((await readdir(folder)).toSorted()).toEqual([
      "devices.jsonl",
      "kernels.parquet",
      "measurements.parquet",
      "receipts.parquet",
      "runs.jsonl",
      "tasks.parquet",
    ]);
  });

  it("says where it cannot write", async () => {
    await expect(writeRecording("/dev/null/recording", syntheticRecording())).rejects.toThrow(
      /^\/dev\/null\/recording: cannot be written: /,
    );
  });
});
