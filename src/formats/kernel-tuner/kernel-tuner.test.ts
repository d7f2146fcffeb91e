import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { loadRecording } from "../load-recording.ts";
import { writeRecording } from "../write-recording.ts";
import { readTunedSpace } from "./read-tuned-space.ts";
import { tunedRecording, type TunedRecordingOptions } from "./tuned-recording.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`__fixtures__/${name}`, import.meta.url));
const openCache = readFileSync(fixture("open-cache.json"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "kernelcast-tuned-"));

function written(content: string, name = "cache.json"): string {
  const path = join(folder, name);
  writeFileSync(path, name.endsWith(".gz") ? gzipSync(content) : content);
  return path;
}

async function imported(path: string, options: TunedRecordingOptions = {}) {
  const { recording, notes } = tunedRecording("tuned", [await readTunedSpace(path)], options);
  const [recorded] = [...recording.tasks.values()];
  if (!recorded) throw new Error("no task");
  const { task } = recorded;
  const kernels = recording.kernels(task.taskId);
  const measured = kernels.map(({ kernel }) =>
    recording.measurements(task.taskId, recording.devices[0] ?? "").get(kernel.kernelId),
  );
  return { recording, notes, task, kernels, measured };
}

describe("a cache of Kernel Tuner", () => {
  it("is read where the tuner left it open", async () => {
    const { task, kernels, measured, recording } = await imported(fixture("open-cache.json"));
    expect(recording.devices).toEqual(["Example GPU"]);
    expect(task).toMatchObject({
      taskId: "scale",
      workload: { sizes: { problem_size_x: 1000, problem_size_y: 30 }, flops: 2e6 },
    });
    expect(measured.map((measurement) => measurement?.status)).toEqual(["launch_error", "ok", "ok", "compile_error"]);
    expect(measured[0]?.error).toMatch(/RuntimeFailedConfig/);
    expect(measured[1]).toMatchObject({ runtime: { medianUs: 500, n: 5 }, gpuMs: 30, evidence: { compileMs: 300.5 } });
    expect(kernels[1]?.kernel.compileOptions).toEqual(["-DBLOCK_SIZE_X=64", "-Dblock_size_y=1", "-Ditems=1"]);
    expect(task.seedKernel).toEqual(kernels[1]?.kernel);
    expect(kernels.filter(({ parentId }) => parentId === null)).toHaveLength(1);
  });

  it("gives launches as the tuner makes them by default: its block, and the problem size over it", async () => {
    const { kernels, notes } = await imported(fixture("open-cache.json"));
    expect(kernels[2]?.kernel.launches[0]).toMatchObject({ kernel: "scale", grid: [16, 8, 1], block: [64, 4, 1] });
    expect(notes).toEqual([
      expect.stringContaining("no source given"),
      expect.stringContaining("do not tell how it is launched"),
    ]);
  });

  it("takes sources and launches", async () => {
    const sources = ["// another's", 'extern "C" __global__ void scale(float* x) {}'];
    const launches = [
      {
        kernel: "scale",
        grid: ["ceil_div(problem_size_x, BLOCK_SIZE_X * items)", 1, 1],
        block: ["BLOCK_SIZE_X", 1, 1],
        smemBytes: 0,
        args: [],
      },
    ] as const;
    const { kernels, notes } = await imported(fixture("open-cache.json"), { sources, launches });
    expect(kernels[3]?.kernel).toMatchObject({
      source: sources[1],
      launches: [{ grid: [16, 1, 1], block: [32, 1, 1] }],
      compileOptions: ["-Dkernel_tuner=1", "-DBLOCK_SIZE_X=32", "-Dblock_size_y=4", "-Ditems=2"],
    });
    expect(notes).toEqual([]);
  });

  it("may show the tuner's own figure instead of the samples' median", async () => {
    const cache = openCache.replace("[0.25, 0.2, 0.3]", "[0.1, 0.1, 0.55]");
    const median = await imported(written(cache));
    const own = await imported(written(cache), { runtime: "tuner" });
    expect(median.measured[2]?.runtime?.medianUs).toBeCloseTo(100);
    expect(own.measured[2]?.runtime?.medianUs).toBe(250);
  });

  it("is read closed, packed, and without a last line that breaks off", async () => {
    const whole = await readTunedSpace(fixture("open-cache.json"));
    for (const [content, name] of [
      [`${openCache.slice(0, -1)}}\n}`, "closed.json"],
      [openCache, "open.json.gz"],
    ] as const) {
      expect((await readTunedSpace(written(content, name))).configurations).toEqual(whole.configurations);
    }
    const broken = await readTunedSpace(written(`${openCache}\n"64,4,2": {"BLOCK_SIZE_X": 64, "blo`));
    expect(broken.configurations).toEqual(whole.configurations);
    expect(broken.notes).toEqual(["cache.json: its last line breaks off and was left out"]);
  });

  it("goes through the files of a recording", async () => {
    const { recording, task, kernels } = await imported(fixture("open-cache.json"));
    const path = join(folder, "recording");
    await writeRecording(path, recording);
    const loaded = await loadRecording(path);
    expect(loaded.kernels("scale")).toEqual(kernels);
    expect(loaded.tasks.get("scale")?.task.tunables).toEqual(task.tunables);
    const ofDevice = [...recording.measurements("scale", "Example GPU")];
    expect([...loaded.measurements("scale", "Example GPU")]).toEqual(ofDevice);
  });

  it.each([
    ["nonsense", /not JSON/],
    ['{"a": 1}', /neither a cache file of Kernel Tuner/],
    [
      openCache.replace('"items": 1, "time": 0.5,', '"time": 0.5,'),
      /cache\["64,1,1"\]: it has no value of the parameter "items"/,
    ],
    [openCache.replace('"time": 0.5, ', ""), /cache\["64,1,1"\]: it has no "time"/],
  ])("that is wrong is told of in one line", async (content, message) => {
    await expect(readTunedSpace(written(content))).rejects.toThrow(message);
    await expect(readTunedSpace(written(content))).rejects.not.toThrow(/\n/);
  });

  it("of another shape is not taken for the same task", async () => {
    const first = await readTunedSpace(fixture("open-cache.json"));
    const second = await readTunedSpace(written(openCache.replace("[1000, 30]", "[2000, 30]")));
    expect(() => tunedRecording("tuned", [first, second])).toThrow(/cannot be the task scale; import them apart/);
    const device = await readTunedSpace(written(openCache.replace("Example GPU", "")));
    const { recording, notes } = tunedRecording("tuned", [first, device]);
    expect(recording.devices).toEqual(["Example GPU", "cache"]);
    expect(recording.kernels("scale")).toHaveLength(4);
    expect(notes).toContainEqual(expect.stringMatching(/cache\.json: it does not name its device; taken to be cache/));
  });
});

describe("results in the T4 format", () => {
  it("are read with what they spell differently", async () => {
    const { task, kernels, measured, notes } = await imported(fixture("results_T4.json"), { device: "Example GPU" });
    expect(task.taskId).toBe("__fixtures__");
    expect(task.tunables).toBeUndefined();
    expect(notes).toContainEqual(expect.stringContaining("--proposer tunables cannot be used"));
    expect(kernels[0]?.kernel.compileOptions).toEqual(["-Dblock_size_x=64", "-Dtype=float", "-Dfast=True"]);
    expect(kernels[0]?.kernel.launches[0]).toMatchObject({ grid: [1, 1, 1], block: [64, 1, 1] });
    expect(measured.map((measurement) => measurement?.status)).toEqual(["ok", "incorrect", "timeout"]);
    expect(measured[0]).toMatchObject({ device: "Example GPU", gpuMs: 3.75, runtime: { medianUs: 500, n: 3 } });
    expect(measured.map((measurement) => measurement?.evidence?.compileMs)).toEqual([300, 310, 290]);
  });

  it("may count in another unit of time", async () => {
    const text = readFileSync(fixture("results_T4.json"), "utf8");
    const { measured } = await imported(written(text.replace("miliseconds", "microseconds")));
    expect(measured[0]?.runtime?.medianUs).toBeCloseTo(0.5);
    await expect(readTunedSpace(written(text.replace("miliseconds", "fortnights")))).rejects.toThrow(
      /unknown unit of time/,
    );
  });
});
