import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import type { Recording } from "../domain/index.ts";
import { loadRecording, type LoadOptions } from "./load-recording.ts";
import { mergeRecordingFolders } from "./merge-recordings.ts";
import { recordingInfo } from "./recording-info.ts";

type Row = Record<string, unknown>;
interface Tables {
  readonly tasks: Row[];
  readonly kernels: Row[];
  readonly measurements: Row[];
}

const device = "NVIDIA H100 PCIe";
const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

/** Required columns alone: one task, four kernels in a chain that get faster. */
function tables(): Tables {
  const args = [
    { name: "x", dtype: "f32", shape: [64], role: "in" },
    { name: "y", dtype: "f32", shape: [64], role: "out" },
  ];
  const task = { task_id: "t", args, flops: 64, bytes_min: 512, tolerance: { type: "exact" }, reference: "" };
  const kernel = (index: number): Row => ({
    kernel_id: `k${index}`,
    task_id: "t",
    parent_id: index === 0 ? null : `k${index - 1}`,
    source: `extern "C" __global__ void copy(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x] + ${index}; }`,
    launches: [{ kernel: "copy", grid: [1, 1, 1], block: [64, 1, 1], smem_bytes: 0, args: ["x", "y"] }],
  });
  const measurement = (index: number): Row => ({
    kernel_id: `k${index}`,
    device,
    status: "ok",
    runtime_us: 40 - 8 * index,
  });
  const indices = [0, 1, 2, 3];
  return { tasks: [task], kernels: indices.map(kernel), measurements: indices.map(measurement) };
}

async function write(change: (rows: Tables) => void, encode = encodeLines): Promise<string> {
  const rows = tables();
  change(rows);
  const folder = await mkdtemp(join(tmpdir(), "kernelcast-foreign-"));
  folders.push(folder);
  for (const name of ["tasks", "kernels", "measurements"] as const) {
    const { suffix, bytes } = encode(rows[name]);
    await writeFile(join(folder, `${name}.${suffix}`), bytes);
  }
  return folder;
}

function encodeLines(rows: readonly Row[]): { suffix: string; bytes: Uint8Array | string } {
  return { suffix: "jsonl", bytes: rows.map((row) => `${JSON.stringify(row)}\n`).join("") };
}

async function load(change: (rows: Tables) => void, options?: LoadOptions): Promise<Recording> {
  return loadRecording(await write(change), options);
}

async function failure(change: (rows: Tables) => void): Promise<string> {
  return load(change).then(
    () => "",
    (error: Error) => error.message,
  );
}

const seedOf = (recording: Recording): string | undefined => recording.tasks.get("t")?.task.seedKernel.kernelId;
const first = (rows: readonly Row[]): Row => rows[0] as Row;
const launch = (rows: Tables): Row => first(first(rows.kernels)["launches"] as Row[]);

describe("files of foreign recordings", () => {
  it("reads compressed lines, a byte order mark and Windows line ends", async () => {
    const encoders = [
      (text: string) => ({ suffix: "jsonl.gz", bytes: gzipSync(text) }),
      (text: string) => ({ suffix: "jsonl", bytes: `\uFEFF${text}` }),
      (text: string) => ({ suffix: "jsonl", bytes: text.replaceAll("\n", "\r\n\r\n") }),
    ];
    for (const encode of encoders) {
      const folder = await write(
        () => undefined,
        (rows) => encode(encodeLines(rows).bytes as string),
      );
      expect((await loadRecording(folder)).kernels("t")).toHaveLength(4);
      expect((await loadRecording(folder, { tasks: ["t"] })).measurements("t", device).size).toBe(4);
    }
  });

  it("takes the NaN that Python writes as nothing", async () => {
    const folder = await write(
      ({ measurements }) => Object.assign(first(measurements), { regs: "NAN", error: 'it said "NaN"' }),
      (rows) => ({ suffix: "jsonl", bytes: (encodeLines(rows).bytes as string).replaceAll('"NAN"', "NaN") }),
    );
    const measured = (await loadRecording(folder)).measurements("t", device).get("k0");
    expect(measured?.evidence?.regs).toBeUndefined();
    expect(measured?.error).toBe('it said "NaN"');
  });

  it("reads one task of many as it reads all", async () => {
    const two = ({ tasks, kernels, measurements }: Tables): void => {
      const rename = (row: Row, column: string): Row => ({ ...row, [column]: `é ${String(row[column])}` });
      tasks.push(rename(first(tasks), "task_id"));
      const others = kernels.map((row) => rename(rename(row, "task_id"), "kernel_id"));
      kernels.push(...others.map((row) => ({ ...row, parent_id: null })));
      measurements.push(...measurements.map((row) => rename(row, "kernel_id")));
    };
    const whole = await load(two);
    for (const taskId of ["t", "é t"]) {
      const alone = await load(two, { tasks: [taskId] });
      expect(alone.kernels(taskId)).toEqual(whole.kernels(taskId));
      expect(alone.measurements(taskId, device)).toEqual(whole.measurements(taskId, device));
      expect(alone.tasks.size).toBe(1);
    }
  });

  it("reads nested Parquet of PyArrow: structs, maps, decimals, ZSTD, interleaved tasks", async () => {
    const folder = fileURLToPath(new URL("__fixtures__/pyarrow-nested", import.meta.url));
    const whole = await loadRecording(folder);
    const [name = ""] = whole.devices;
    const measured = whole.measurements("foreign-0", name);
    expect(measured.get("foreign-0-k000")).toMatchObject({ status: "ok", evidence: { regs: 32, sass: { FFMA: 3 } } });
    expect(measured.get("foreign-0-k000")?.runtimePass2?.medianUs).toBeCloseTo(40.305, 1);
    expect(measured.get("foreign-0-k002")).toMatchObject({ status: "compile_error" });
    expect(measured.get("foreign-0-k002")).not.toHaveProperty("runtime");
    expect(measured.get("foreign-0-k002")?.evidence).not.toHaveProperty("regs");
    expect(whole.kernels("foreign-1")[0]?.kernel.launches[0]?.args).toEqual(["x", "y", { i64: 8388608 }, { f32: 2 }]);
    for (const taskId of ["foreign-0", "foreign-1"]) {
      const alone = await loadRecording(folder, { tasks: [taskId] });
      expect(alone.kernels(taskId)).toEqual(whole.kernels(taskId));
      expect(alone.measurements(taskId, name)).toEqual(whole.measurements(taskId, name));
    }
  });
});

describe("values of foreign recordings", () => {
  it.each([
    ["torch.float32", "f32"],
    ["np.int64", "i64"],
    ["unsigned int", "u32"],
    ["bool", "u8"],
    ["__half", "f16"],
  ])("knows the element type %s", async (foreign, own) => {
    const recording = await load(({ tasks }) =>
      Object.assign(first(first(tasks)["args"] as Row[]), { dtype: foreign }),
    );
    expect(recording.tasks.get("t")?.task.workload.args[0]?.dtype).toBe(own);
  });

  it("gives bare numbers the type of the parameter, of templates and aliases too", async () => {
    const recording = await load((rows) => {
      first(rows.kernels)["source"] =
        "using real = double;\ntemplate <typename T, int N> __global__ void f(const T* x, T* y, T a, real b, long long n, " +
        "unsigned u, bool flag, size_t z) {}";
      Object.assign(launch(rows), { kernel: "f<float, 4>", args: ["x", "y", 2, 3, 4, 5, true, 6] });
    });
    const [launched] = recording.kernels("t")[0]?.kernel.launches ?? [];
    const numbers = [{ f32: 2 }, { f64: 3 }, { i64: 4 }, { u32: 5 }, { u8: 1 }, { u64: 6 }];
    expect(launched?.args).toEqual(["x", "y", ...numbers]);
  });

  it("reads typed arguments by other names, as text and as structs with a member for every type", async () => {
    const args = [
      { float: 2 },
      { int64: "7" },
      '{"bool": true}',
      { name: "x", i32: null },
      { name: null, i32: 3 },
      "4",
    ];
    const recording = await load((rows) => Object.assign(launch(rows), { args, grid: { x: 2 }, block: 64 }));
    expect(recording.kernels("t")[0]?.kernel.launches[0]).toMatchObject({
      grid: [2, 1, 1],
      block: [64, 1, 1],
      args: [{ f32: 2 }, { i64: 7 }, { u8: 1 }, "x", { i32: 3 }, { i32: 4 }],
    });
  });

  it.each([
    [
      { type: "mismatch_frac", rtol: 0.1, frac: 0.01 },
      { type: "mismatch_frac", rtol: 0.1, atol: 0, maxFraction: 0.01 },
    ],
    [
      { type: "allclose", rtol: null, atol: 1 },
      { type: "allclose", rtol: 0, atol: 1 },
    ],
    ["exact", { type: "exact" }],
  ])("reads the tolerance %j", async (foreign, own) => {
    const recording = await load(({ tasks }) => Object.assign(first(tasks), { tolerance: foreign }));
    expect(recording.tasks.get("t")?.task.tolerance).toEqual(own);
  });

  it("ignores what stands as the runtime of a failed kernel, and reads runtimes as text", async () => {
    const recording = await load(({ measurements }) => {
      Object.assign(first(measurements), { status: "timeout", runtime_us: { median: -1 }, runtime_us_pass2: 0 });
      Object.assign(measurements[1] as Row, { runtime_us: "32.5", runtime_us_pass2: '{"median": 33}' });
    });
    expect(recording.measurements("t", device).get("k0")).toEqual({ kernelId: "k0", device, status: "timeout" });
    expect(recording.measurements("t", device).get("k1")).toMatchObject({
      runtime: { medianUs: 32.5 },
      runtimePass2: { medianUs: 33 },
    });
  });

  it("keeps how inputs are drawn with the reference, also through a merge", async () => {
    const source = "def make_inputs(sizes, rng):\n    return {}";
    const folder = await write(({ tasks }) =>
      Object.assign(first(tasks), { reference: "def reference(): pass", make_inputs: source }),
    );
    const out = join(folder, "merged");
    await mkdir(out);
    await mergeRecordingFolders([folder], out);
    const reference = (await loadRecording(out)).tasks.get("t")?.task.reference ?? "";
    expect(reference.match(/def make_inputs/g)).toHaveLength(1);
    expect(reference).toMatch(/^def reference\(\): pass\n/);
  });

  it("counts the first of several workloads of a task", async () => {
    const recording = await load(({ tasks, measurements }) => {
      Object.assign(first(tasks), { workload_id: "large" });
      tasks.push({ ...first(tasks), workload_id: "small", flops: 1 });
      for (const row of measurements.splice(0)) {
        measurements.push({ ...row, workload_id: "small", runtime_us: 1 }, { ...row, workload_id: "large" });
      }
    });
    expect(recording.tasks.get("t")?.task.workload.flops).toBe(64);
    expect(recordingInfo(recording).byTask[0]).toMatchObject({ seedUs: 40, bestUs: 16 });
  });

  it("counts equal rows once", async () => {
    const recording = await load(({ tasks, kernels, measurements }) => {
      for (const rows of [tasks, kernels, measurements]) rows.push(...rows.map((row) => ({ ...row })));
    });
    expect(recording.kernels("t")).toHaveLength(4);
    expect(recording.measurements("t", device).get("k0")).not.toHaveProperty("runtimePass2");
  });
});

describe("the seed of a foreign recording", () => {
  const fail = (row: Row | undefined): void => void Object.assign(row as Row, { status: "incorrect" });
  it.each<[string, (rows: Tables) => void, string]>([
    ["the root", () => undefined, "k0"],
    ["the first of many roots", ({ kernels }) => kernels.forEach((row) => delete row["parent_id"]), "k0"],
    [
      "a root that says it is",
      ({ kernels }) =>
        kernels.forEach((row, index) => Object.assign(row, { parent_id: "", origin: index === 2 ? "seed" : "x" })),
      "k2",
    ],
    ["a root that is its own parent", ({ kernels }) => Object.assign(first(kernels), { parent_id: "k0" }), "k0"],
    [
      "the first root that is ok",
      ({ kernels, measurements }) => {
        Object.assign(kernels[2] as Row, { parent_id: null });
        fail(measurements[0]);
      },
      "k2",
    ],
    ["the first ok kernel when no root is", ({ measurements }) => fail(measurements[0]), "k1"],
    ["the first kernel in a circle", ({ kernels }) => Object.assign(first(kernels), { parent_id: "k3" }), "k0"],
    ["the root when none is ok", ({ measurements }) => measurements.forEach(fail), "k0"],
  ])("is %s", async (_what, change, seed) => {
    expect(seedOf(await load(change))).toBe(seed);
  });
});

describe("faults of foreign recordings name file, row and column", () => {
  it.each<[(rows: Tables) => void, RegExp]>([
    [(rows) => Object.assign(launch(rows), { grid: [0, 1, 1] }), /kernels\.jsonl:1: launches: grid dimension "0" is 0/],
    [(rows) => Object.assign(launch(rows), { block: ["n", 1, 1] }), /kernels\.jsonl:1: launches: .*unknown name "n"/],
    [
      (rows) => Object.assign(launch(rows), { args: [[1]] }),
      /kernels\.jsonl:1: launches\.0\.args\.0: must be the name/,
    ],
    [
      ({ kernels }) => kernels.push({ ...first(kernels), source: "other" }),
      /kernels\.jsonl:5: kernel_id "k0" is there twice with different contents, first at .*kernels\.jsonl:1; keep one/,
    ],
    [
      ({ measurements }) => Object.assign(first(measurements), { runtime_us: -1 }),
      /measurements\.jsonl:1: runtime_us: .*0/,
    ],
    [
      ({ measurements }) => Object.assign(first(measurements), { runtime_us: [1, 2] }),
      /measurements\.jsonl:1: runtime_us: must be a number above 0 \(µs\), or \{median/,
    ],
    [({ tasks }) => Object.assign(first(tasks), { kind: "triton" }), /tasks\.jsonl:1: kind: must be "cuda"/],
  ])("case %#", async (change, pattern) => {
    const message = await failure(change);
    expect(message).toMatch(pattern);
    expect(message).not.toContain("\n");
  });
});

it("merges into no folder that holds a table in another form", async () => {
  const folder = await write(() => undefined);
  await expect(mergeRecordingFolders([folder], folder)).rejects.toThrow(/holds tasks\.jsonl.*choose an empty folder/);
  expect((await loadRecording(folder)).kernels("t")).toHaveLength(4);
});

it("measures the depth of a chain of any length", async () => {
  const recording = await load(({ kernels }) => {
    const link = first(kernels);
    for (let index = 4; index < 12_000; index++) {
      kernels.push({ ...link, kernel_id: `k${index}`, parent_id: `k${index - 1}` });
    }
  });
  expect(recordingInfo(recording).byTask[0]?.depth).toBe(11_999);
});
