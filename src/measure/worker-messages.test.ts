import { describe, expect, it } from "vitest";
import { integerDefines, makeKernel, toWireDevice, type Task } from "../domain/index.ts";
import {
  compileAnswerSchema,
  describeAnswerSchema,
  measureAnswerSchema,
  toCompileOutcome,
  toDeviceInfo,
  toMeasurement,
  toWorkerKernel,
  toWorkerTask,
  workerLineSchema,
  workerTaskKey,
} from "./worker-messages.ts";

const source = 'extern "C" __global__ void scale(float* x, int n) {}';

function workload(n: number): Task["workload"] {
  return {
    sizes: { n },
    args: [{ name: "x", dtype: "f32", shape: [n], role: "inout", draw: { constant: 1 } }],
    flops: n,
    bytesMin: 8 * n,
  };
}

const symbolic = {
  kernel: "scale",
  grid: ["ceil_div(n, BLOCK)", 1, 1],
  block: ["BLOCK", 1, 1],
  smemBytes: 0,
  args: ["x", { i32: "n" }],
} as const;

const task: Task = {
  taskId: "scale-f32",
  kind: "cuda",
  title: "Scale",
  family: "elementwise",
  description: "Scales.",
  workload: workload(1024),
  boundaryWorkloads: [workload(1000)],
  tolerance: { type: "mismatch_frac", rtol: 0.001, atol: 0, maxFraction: 0.01 },
  precisions: ["f32"],
  reference: "def reference(inputs, sizes): ...",
  seedKernel: makeKernel({ source, launches: [symbolic], compileOptions: ["-DBLOCK=128"] }, { n: 1024, BLOCK: 128 }),
};

describe("requests", () => {
  it("carries a task in the protocol's spelling", () => {
    const wire = toWorkerTask(task);
    expect(wire.tolerance).toEqual({ type: "mismatch_frac", rtol: 0.001, atol: 0, max_fraction: 0.01 });
    expect(wire.boundary_workloads[0]).toMatchObject({ sizes: { n: 1000 }, bytes_min: 8000 });
    expect(workerTaskKey(wire)).toMatch(/^[0-9a-f]{64}$/);
  });

  it("knows the key that the worker gives to a task", () => {
    const normal = { normal: { mean: 0, std: 0.5 } };
    const key = workerTaskKey({
      task_id: "ü",
      workload: {
        sizes: { n: 1024 },
        args: [{ name: "x", dtype: "f32", shape: [1024], role: "in", draw: normal }],
        flops: 68719476736,
        bytes_min: 4096,
      },
      boundary_workloads: [],
      tolerance: { type: "allclose", rtol: 0.00001, atol: 1.25e-7 },
      precisions: ["f32"],
      reference: 'def reference(inputs, sizes):\n    return {"y": 1}  # \u00b5\n',
    });
    // From the worker: hashlib.sha256(canonical(task).encode()).hexdigest().
    expect(key).toBe("d682ab6af7c91dfc3aea0c68c70e48605bea946ffbdfc16e782be3b1651a7694");
  });

  it("resolves launches for the workload and for each boundary workload", () => {
    const wire = toWorkerKernel(task.seedKernel, task);
    expect(wire.launches[0]).toEqual({
      kernel: "scale",
      grid: [8, 1, 1],
      block: [128, 1, 1],
      smem_bytes: 0,
      args: ["x", { i32: 1024 }],
    });
    expect(wire.boundary_launches?.[0]?.[0]).toMatchObject({ grid: [8, 1, 1], args: ["x", { i32: 1000 }] });
  });

  it("has no boundary launches for a kernel specialised to the workload", () => {
    const launches = [{ ...symbolic, grid: [8, 1, 1], block: [128, 1, 1] }] as const;
    const kernel = makeKernel({ source, launches, compileOptions: [] }, { n: 1024 });
    expect(toWorkerKernel(kernel, task).boundary_launches).toBeNull();
  });

  it("reads integer macros only", () => {
    expect(integerDefines(["-DA=12", "-DB", "-DC=1.5", "--use_fast_math", "--define-macro=D=-3"])).toEqual({
      A: 12,
      D: -3,
    });
  });
});

describe("answers", () => {
  it("tells results, errors and events apart", () => {
    expect(workerLineSchema.safeParse({ id: "1", result: {} }).success).toBe(true);
    expect(workerLineSchema.safeParse({ id: "1", error: { code: "bad_request", message: "no" } }).success).toBe(true);
    expect(workerLineSchema.safeParse({ event: "log", params: {} }).success).toBe(true);
    expect(workerLineSchema.safeParse({ id: "1" }).success).toBe(false);
  });

  const base = {
    request_id: "r1",
    kernel_id: "k1",
    device: "NVIDIA H100",
    cost: { gpu_seconds: 0.5, cpu_seconds: 1 },
    receipt: { anything: 1 },
    of_the_future: true,
  };

  it("turns an ok measurement into a domain value", () => {
    const answer = measureAnswerSchema.parse({
      ...base,
      status: "ok",
      runtime_us: { median: 10, p10: 9, p90: 11, n: 2, samples: [9, 11] },
      evidence: { regs: 32, sass: null },
      confirmation: { anchor_id: "k0", log_ratio: -1, low: -1.1, high: -0.9, blocks: 8 },
    });
    expect(toMeasurement(answer, "abc")).toEqual({
      kernelId: "k1",
      device: "NVIDIA H100",
      status: "ok",
      cost: { gpuSeconds: 0.5, cpuSeconds: 1 },
      evidence: { regs: 32 },
      runtime: { medianUs: 10, p10Us: 9, p90Us: 11, n: 2, samplesUs: [9, 11] },
      confirmation: { anchorId: "k0", logRatio: -1, low: -1.1, high: -0.9, blocks: 8 },
      receiptSha256: "abc",
    });
  });

  it("takes a confirmation that was cut short for none", () => {
    const answer = measureAnswerSchema.parse({
      ...base,
      status: "ok",
      runtime_us: { median: 10, p10: 9, p90: 11, n: 2 },
      confirmation: { anchor_id: "k0", log_ratio: -1, low: null, high: null, blocks: 1 },
    });
    expect(toMeasurement(answer)).not.toHaveProperty("confirmation");
  });

  it("turns a failure into a value, and refuses a failure without a reason", () => {
    const failed = { ...base, status: "incorrect", error: "wrong_output: y[3]" };
    expect(toMeasurement(measureAnswerSchema.parse(failed))).toMatchObject({ status: "incorrect" });
    expect(measureAnswerSchema.safeParse({ ...failed, error: undefined }).success).toBe(false);
    expect(measureAnswerSchema.safeParse({ ...base, status: "ok" }).success).toBe(false);
  });

  it("turns compile results into outcomes", () => {
    const { results } = compileAnswerSchema.parse({
      results: [
        { kernel_id: "a", ok: true, evidence: { regs: 8 } },
        { kernel_id: "b", ok: false, error: "compile: no" },
      ],
    });
    expect(results.map(toCompileOutcome)).toEqual([
      { kernelId: "a", ok: true, evidence: { regs: 8 } },
      { kernelId: "b", ok: false, error: "compile: no" },
    ]);
  });

  it("round-trips a device", () => {
    const device = {
      name: "D",
      compute_capability: "9.0",
      multiprocessors: 132,
      memory_bytes: 1,
      l2_bytes: 2,
      max_threads_per_multiprocessor: 2048,
      registers_per_multiprocessor: 65536,
      shared_memory_per_multiprocessor: 1,
      shared_memory_per_block: 1,
      bandwidth: 3e12,
      flops: { f32: 6e13 },
      launch_floor_us: 4,
      clocks: { sm_max_mhz: 1980 },
    };
    const parsed = describeAnswerSchema.parse({ device, controls: [{ name: "twice", ok: true }] });
    expect(toWireDevice(toDeviceInfo(parsed.device))).toEqual(device);
  });
});
