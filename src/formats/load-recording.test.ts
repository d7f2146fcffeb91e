import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { loadRecording } from "./load-recording.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`__fixtures__/${name}`, import.meta.url));
const folders: string[] = [];

/** A copy of the JSON Lines fixture with one of its files changed. */
async function damaged(file: string, change: (text: string) => string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "kernelcast-recording-"));
  folders.push(folder);
  await cp(fixture("foreign-jsonl"), folder, { recursive: true });
  const text = await readFile(join(folder, file), "utf8").catch(() => "");
  await writeFile(join(folder, file), change(text));
  return folder;
}

afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

describe("foreign recordings", () => {
  it.each(["foreign-jsonl", "foreign-parquet"])("reads %s", async (name) => {
    const recording = await loadRecording(fixture(name));
    expect(recording.devices).toEqual(["NVIDIA H100 PCIe"]);
    const recorded = recording.tasks.get("axpy");
    expect(recorded?.split).toBeUndefined();
    expect(recorded?.task).toMatchObject({
      family: "axpy",
      workload: { sizes: {}, flops: 8192, bytesMin: 49152 },
      precisions: ["f32"],
      tolerance: { type: "allclose", rtol: 0.00001, atol: 0 },
    });
    expect(recorded?.task.workload.args[0]).toEqual({ name: "x", dtype: "f32", shape: [4096], role: "in" });
    expect(recorded?.task.seedKernel.kernelId).toBe("a");
    const [a, b, c] = recording.kernels("axpy");
    expect(a?.kernel.launches[0]).toEqual({
      kernel: "axpy",
      grid: [16, 1, 1],
      block: [256, 1, 1],
      smemBytes: 0,
      args: ["x", "y", { f32: 2 }, { i32: 4096 }, { u64: 1 }],
    });
    expect(b).toMatchObject({ parentId: "a", idea: "one block" });
    expect(b?.kernel.launches[0]).toMatchObject({ block: [512, 1, 1], args: ["x", "y", { f32: 2.5 }, { i32: 4096 }] });
    expect(c?.kernel.compileOptions).toEqual(["-DN=4096"]);
  });

  it.each(["foreign-jsonl", "foreign-parquet"])("reads the measurements of %s", async (name) => {
    const recording = await loadRecording(fixture(name));
    const measurements = recording.measurements("axpy", "NVIDIA H100 PCIe");
    expect(measurements.get("a")).toMatchObject({
      status: "ok",
      runtime: { medianUs: 12.5, p10Us: 12.4, p90Us: 12.75, n: 3, samplesUs: [12.5, 12.4, 12.75] },
      runtimePass2: { medianUs: 12.6, n: 1 },
      evidence: { regs: 16 },
    });
    expect(measurements.get("b")?.runtime?.medianUs).toBe(80.25);
    expect(measurements.get("c")).toMatchObject({ status: "compile_error", error: "error: expected a ';'" });
    expect(recording.kernels("absent")).toEqual([]);
    expect(recording.measurements("axpy", "absent").size).toBe(0);
  });

  it("accepts structured columns as JSON text and symbolic shapes", async () => {
    const folder = await damaged("tasks.jsonl", (text) => {
      const task = JSON.parse(text) as Record<string, unknown>;
      const args = [{ name: "y", dtype: "f32", shape: ["n"], role: "out" }];
      return JSON.stringify({
        ...task,
        args: JSON.stringify(args),
        sizes: '{"n": 4096}',
        flops: "2*n",
        tolerance: '{"type": "exact"}',
      });
    });
    const task = (await loadRecording(folder)).tasks.get("axpy")?.task;
    expect(task).toMatchObject({ workload: { sizes: { n: 4096 }, flops: 8192 }, tolerance: { type: "exact" } });
    expect(task?.workload.args[0]?.shape).toEqual([4096]);
  });

  it("adds up several rows of one kernel on one device", async () => {
    const folder = await damaged("measurements.jsonl", (text) =>
      text.replace(
        '"runtime_us": 80.25}',
        '"runtime_us": 80.25}\n{"kernel_id": "b", "device": "NVIDIA H100 PCIe", "status": "ok", "runtime_us": 81}',
      ),
    );
    const measurement = (await loadRecording(folder)).measurements("axpy", "NVIDIA H100 PCIe").get("b");
    expect(measurement?.runtimePass2?.medianUs).toBe(81);
  });
});

describe("faults of a recording, one line each", () => {
  const remove =
    (column: string) =>
    (text: string): string =>
      text.replace(new RegExp(`, "${column}": ("[^"]*"|\\d+)`, "g"), "");
  it.each([
    ["tasks.jsonl", remove("flops"), /tasks\.jsonl: required column "flops" is missing \(it has: task_id, /],
    ["kernels.jsonl", remove("task_id"), /kernels\.jsonl: required column "task_id" is missing/],
    ["measurements.jsonl", remove("status"), /measurements\.jsonl: required column "status" is missing/],
    [
      "kernels.jsonl",
      (text: string) => text.replace('"task_id": "axpy"', '"task_id": 7'),
      /kernels\.jsonl:1: task_id: .*expected string/,
    ],
    [
      "kernels.jsonl",
      (text: string) => text.replace(/"source": "(\\"|[^"])*"/, '"source": null'),
      /kernels\.jsonl:1: "source" is missing/,
    ],
    [
      "kernels.jsonl",
      (text: string) => text.replace('"parent_id": "a"', '"parent_id": "z"'),
      /kernels\.jsonl:2: parent_id: the parent z of b is not in kernels/,
    ],
    [
      "kernels.jsonl",
      (text: string) => text.replaceAll('"axpy",', '"other",'),
      /kernels\.jsonl:1: task_id: a is of task "other", which is not in tasks/,
    ],
    [
      "kernels.jsonl",
      (text: string) => text.replace('"kernel_id": "b"', '"kernel_id": "a"'),
      /kernels\.jsonl:2: kernel_id "a" is there twice/,
    ],
    [
      "kernels.jsonl",
      (text: string) => text.replace('{"f32": 2.5}', '{"f33": 2.5}'),
      /kernels\.jsonl:2: launches: argument \{"f33":2\.5\} is not/,
    ],
    ["kernels.jsonl", (text: string) => `${text}{"kernel_id": "d"`, /kernels\.jsonl:5: not JSON/],
    ["kernels.jsonl", (text: string) => `${text}[1]`, /kernels\.jsonl:5: not a JSON object/],
    [
      "measurements.jsonl",
      (text: string) => text.replace('"kernel_id": "c"', '"kernel_id": "d"'),
      /measurements\.jsonl:3: kernel_id: d is not in kernels; add it, or drop the row/,
    ],
    [
      "measurements.jsonl",
      (text: string) => text.replace('"runtime_us": 80.25', '"regs": 1'),
      /measurements\.jsonl:2: status is ok but runtime_us is missing/,
    ],
    [
      "measurements.jsonl",
      (text: string) => text.replace('"compile_error"', '"sad"'),
      /measurements\.jsonl:3: status: .*expected one of/,
    ],
    ["measurements.jsonl", (text: string) => text.replace("80.25", "-1"), /measurements\.jsonl:2: runtime_us/],
    ["tasks.jsonl", (text: string) => text.replace('"float32"', '"float33"'), /tasks\.jsonl:1: args\.0\.dtype/],
    [
      "tasks.jsonl",
      (text: string) => text + text.replace("8192", "8193"),
      /tasks\.jsonl:2: task_id "axpy" is there twice .*first at .*tasks\.jsonl:1/,
    ],
    ["kernels.parquet", () => "PAR1 and nothing more", /the table kernels is there more than once/],
    ["devices.jsonl", () => '{"name": "x"}', /devices\.jsonl:1: "compute_capability" is missing/],
  ])("%s: case %#", async (file, change, pattern) => {
    const folder = await damaged(file, change);
    const failure = await loadRecording(folder).then(
      () => "",
      (error: Error) => error.message,
    );
    expect(failure).toMatch(pattern);
    expect(failure).not.toContain("\n");
  });

  it("says what is not a recording", async () => {
    const folder = await damaged("tasks.jsonl", (text) => text);
    await rm(join(folder, "kernels.jsonl"));
    await expect(loadRecording(folder)).rejects.toThrow(/it has no kernels\.parquet and no kernels\.jsonl/);
    await writeFile(join(folder, "kernels.parquet"), "PAR1 and nothing more");
    await expect(loadRecording(folder)).rejects.toThrow(/kernels\.parquet: cannot be read as Parquet/);
    await expect(loadRecording(join(folder, "absent"))).rejects.toThrow(/no such folder; a recording is a folder/);
    await expect(loadRecording(join(folder, "tasks.jsonl"))).rejects.toThrow(/it is a file; a recording is a folder/);
  });

  it("names the tasks there are when asked for another", async () => {
    await expect(loadRecording(fixture("foreign-jsonl"), { tasks: ["gemm"] })).rejects.toThrow(
      /no task "gemm" in it \(it has: axpy\)/,
    );
  });
});
