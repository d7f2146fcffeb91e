import { describe, expect, it } from "vitest";
import { makeKernel, type Evidence, type Task } from "../../../domain/index.ts";
import { kernelOf, taskOf } from "../__fixtures__/small-tasks.ts";
import { executionFacts, withEvidence } from "./execution-facts.ts";

const n = 4096;
const shape = { grid: [16, 1, 1], block: [256, 1, 1] } as const;

/** The task of doubling n floats, their draw known. */
function doubling(): Task {
  const task = taskOf("double", n);
  const args = task.workload.args.map((argument) =>
    argument.role === "in" ? { ...argument, draw: { normal: { mean: 0, std: 1 } } } : argument,
  );
  return { ...task, workload: { ...task.workload, args } };
}

/** Each block's sum of 256 floats. */
function blockSums(): Task {
  const task = doubling();
  const args = task.workload.args.map((argument) =>
    argument.role === "out" ? { ...argument, shape: [16] } : argument,
  );
  const seed = `extern "C" __global__ void k(const float* x, float* y, int n) {
    float sum = 0.0f;
    for (int i = 0; i < 256; ++i) sum += x[blockIdx.x * 256 + i];
    y[blockIdx.x] = sum;
  }`;
  const tolerance = { type: "allclose", rtol: 1e-4, atol: 1e-4 } as const;
  const seedKernel = kernelOf(seed, { grid: [16, 1, 1], block: [1, 1, 1] }, n);
  return { ...task, workload: { ...task.workload, args }, tolerance, seedKernel };
}

function facts(
  body: string,
  task = doubling(),
  at: { grid: typeof shape.grid; block: readonly [number, number, number] } = shape,
) {
  const source = `extern "C" __global__ void k(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    ${body}
  }`;
  return executionFacts(kernelOf(source, at, n), task);
}

describe("executionFacts", () => {
  it("agrees with a kernel that does what the seed kernel does", () => {
    const found = facts("float4 v = reinterpret_cast<const float4*>(x)[i / 4]; y[i] = 2.0f * (&v.x)[i % 4];");
    expect(found).toMatchObject({ ending: "done", faults: {}, differing: 0, reason: "" });
    expect(found.compared).toBeGreaterThan(100);
  });

  it("tells the same whatever ran before", () => {
    const bodies = [
      "y[i] = 2.0f * x[i];",
      "if (i < 700) y[i] = 3.0f * x[i];",
      "for (int j = i; j < n; j += 300) y[j] = x[j] + x[j];",
    ];
    const [forwards, backwards] = [doubling(), doubling()];
    const found = bodies.map((body) => facts(body, forwards));
    expect(bodies.toReversed().map((body) => facts(body, backwards))).toEqual(found.toReversed());
    expect(found.map(({ compared }) => compared > 0)).toEqual([true, true, true]);
  });

  it("sees wrong values", () => {
    const found = facts("y[i] = 2.0f * x[i ^ 1];");
    expect(found.differing).toBe(found.compared);
    expect(found.reason).toMatch(/^writes .* to y\[\d+\], where the seed kernel writes/);
  });

  it("sees a read one behind the end, in the last block alone", () => {
    const found = facts("y[i] = 2.0f * x[i] + 0.0f * x[i + 1];");
    expect(found.faults).toEqual({ globalRead: 1 });
    expect(found.reason).toContain("reads x[4096], whose last element is 4095 (block 15,0,0, thread 255,0,0)");
  });

  it("sees vectors at addresses that they cannot have", () => {
    expect(facts("float2 v = *(const float2*)(x + 1); y[i] = v.x;").faults).toHaveProperty("misaligned");
  });

  it.each([
    ["the barrier is there", "__syncthreads();", undefined],
    ["the barrier is missing", "", "race"],
    ["a barrier of the warp stands for the block's", "__syncwarp();", "race"],
  ])("tells of a race where %s", (_name, barrier, kind) => {
    const found = facts(`__shared__ float tile[256];
      tile[threadIdx.x] = x[i];
      ${barrier}
      float other = tile[255 - threadIdx.x];
      ${barrier}
      tile[255 - threadIdx.x] = other;
      __syncthreads();
      y[i] = 2.0f * tile[threadIdx.x];`);
    if (kind === undefined) expect(found).toMatchObject({ faults: {}, differing: 0 });
    else expect(found.faults).toHaveProperty(kind);
  });

  it("sees indices beyond a shared array, and reads of what nothing has written", () => {
    const body = (extent: number, first: number) => `__shared__ float tile[${extent}];
      if (threadIdx.x >= ${first}) tile[threadIdx.x] = x[i];
      __syncthreads();
      y[i] = 2.0f * tile[threadIdx.x];`;
    expect(facts(body(256, 0)).faults).toEqual({});
    expect(facts(body(255, 0)).faults).toHaveProperty("sharedRange");
    expect(facts(body(256, 1)).faults).toHaveProperty("unwrittenShared");
  });

  it("sees a barrier that only some threads reach", () => {
    expect(facts("if (threadIdx.x < 100) __syncthreads(); y[i] = 2.0f * x[i];").faults).toHaveProperty(
      "divergentBarrier",
    );
    expect(facts("if (blockIdx.x > 3) __syncthreads(); y[i] = 2.0f * x[i];").faults).toEqual({});
  });

  it.each([
    [16, 0],
    [8, 1],
  ])("follows a reduction by shuffles that starts at distance %i", (distance, share) => {
    const found = facts(
      `__shared__ float sums[8];
      float sum = x[i];
      for (int d = ${distance}; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
      if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
      __syncthreads();
      if (threadIdx.x == 0) {
        float total = 0.0f;
        #pragma unroll
        for (int w = 0; w < 8; ++w) total += sums[w];
        y[blockIdx.x] = total;
      }`,
      blockSums(),
    );
    expect(found).toMatchObject({ ending: "done", faults: {} });
    expect(found.differing / found.compared).toBe(share);
  });

  it("follows reductions that the warp does at once, and votes", () => {
    const found = facts(`int bits = __float_as_int(x[i]) & 0xff;
      int most = __reduce_max_sync(0xffffffffu, bits), least = __reduce_min_sync(0xffffffffu, bits);
      bool right = most >= bits && least <= bits && __any_sync(0xffffffffu, bits == most) && most > least;
      unsigned where = __ballot_sync(0xffffffffu, bits == most);
      right = right && ((where >> (threadIdx.x % 32) & 1) == (bits == most));
      y[i] = right ? 2.0f * x[i] : 0.0f;`);
    expect(found).toMatchObject({ ending: "done", differing: 0 });
  });

  it("hands structures with arrays inside from function to function", () => {
    const source = `struct Pair { float cell[2]; };
      __device__ Pair both(const float* x, int i) { Pair p; p.cell[0] = x[i]; p.cell[1] = x[i ^ 1]; return p; }
      __device__ float add(const Pair& a, Pair b) { b.cell[1] = a.cell[0]; return b.cell[0] + b.cell[1]; }
      extern "C" __global__ void k(const float* x, float* y, int n) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        y[i] = add(both(x, i), both(x, i));
      }`;
    expect(executionFacts(kernelOf(source, shape, n), doubling())).toMatchObject({
      reason: "",
      differing: 0,
    });
  });

  it("sees sums that nothing sets to zero", () => {
    const found = facts("float sums[2]; sums[i % 2] += 2.0f * x[i]; y[i] = sums[i % 2];");
    expect(found.differing).toBe(found.compared);
  });

  it("sees an asynchronous copy that is read before it is there", () => {
    const body = (wait: string) => `__shared__ __align__(16) float tile[256];
      if (threadIdx.x < 64) __pipeline_memcpy_async(tile + 4 * threadIdx.x, x + blockIdx.x * 256 + 4 * threadIdx.x, 16);
      __pipeline_commit();
      ${wait}
      __syncthreads();
      y[i] = 2.0f * tile[threadIdx.x];`;
    expect(facts(body("__pipeline_wait_prior(0);"))).toMatchObject({ faults: {}, differing: 0 });
    expect(facts(body("__pipeline_wait_prior(1);")).faults).toHaveProperty("unwrittenShared");
  });

  it.each([
    ["the condition's variable stays", "while (d < 32) { y[i] = 2.0f * x[i]; d += 0; }", { endless: true }],
    ["nothing changes", "while (d < n) { if (d < 0) d *= 2; }", { endless: true }],
    ["it stays for a while", "int left = 200; while (d < 32) { if (--left < 0) d = 32; }", { ending: "done" }],
    ["what is waited for is there", "while (*(const volatile float*)(y + i) > 0.0f) {}", { ending: "done" }],
    ["what is waited for may still come", "while (*(const volatile float*)(x + i) < 9.0f) {}", { ending: "waiting" }],
  ])("follows loops: %s", (_name, loop, wanted) => {
    expect(facts(`int d = 1; ${loop} y[i] = 2.0f * x[i];`)).toMatchObject(wanted);
  });

  it("tells how much of an output can be written at most", () => {
    expect(facts("y[i] = 2.0f * x[i];").coverage).toBe(1);
    expect(facts("if (threadIdx.x % 2 == 0) y[i] = 2.0f * x[i];").coverage).toBe(0.5);
    expect(facts("if (i % 2 == 0) *(float2*)(y + i) = make_float2(2.0f * x[i], 2.0f * x[i + 1]);").coverage).toBe(1);
    const half = facts("if (threadIdx.x < 128) y[i] = 2.0f * x[i]; __shared__ int s; s = 1; __syncthreads();");
    expect(half.coverage).toBe(0.5);
  });

  it.each([
    ["y[i] = 2.0f * z[i];", "the name z"],
    ["float v = x; y[i] = v;", "a pointer converted without a cast"],
    ["float4 v = make_float4(0, 0, 0, 0); y[i] = (v * v).x;", "* of structures"],
  ])("sees what would not compile: %s", (body, reason) => {
    expect(facts(body)).toMatchObject({ mistyped: true, reason });
  });

  it("sees launches that are refused", () => {
    expect(facts("y[i] = 0;", doubling(), { grid: [4, 1, 1], block: [2048, 1, 1] } as never)).toMatchObject({
      refused: true,
      reason: "a block of 2048 threads; k allows 1024",
    });
    const source = `extern "C" __global__ void __launch_bounds__(64 * 2) k(const float* x, float* y, int n) {}`;
    expect(executionFacts(kernelOf(source, shape, n), doubling())).toMatchObject({ refused: true });
    const few = makeKernel(
      {
        source,
        launches: [{ kernel: "k", ...shape, block: [64, 1, 1], smemBytes: 0, args: ["x"] }],
        compileOptions: [],
      },
      {},
    );
    expect(executionFacts(few, doubling()).reason).toBe("1 arguments for the 3 parameters of k");
  });

  it("uses what a compiler says of registers and shared memory", () => {
    const kernel = kernelOf(
      `extern "C" __global__ void k(const float* x, float* y, int n) { y[blockIdx.x * 256 + threadIdx.x] = 0; }`,
      shape,
      n,
    );
    const refusal = (evidence: Evidence) =>
      withEvidence(executionFacts(kernel, doubling()), kernel, doubling(), evidence).refused;
    expect(refusal({ regs: 248 })).toBe(false);
    expect(refusal({ regs: 249 })).toBe(false);
    expect(refusal({ regs: 257 })).toBe(true);
    expect(refusal({ staticSmem: 232_448 })).toBe(false);
    expect(refusal({ staticSmem: 232_449 })).toBe(true);
  });

  it.each([
    [0, 40_000, false],
    [0, 60_000, false],
    [0, 240_000, true],
    [49_152, 4, true],
    [49_153, 4, false],
    [200_000, 32_448, false],
    [200_000, 32_452, true],
  ])("adds %i dynamic and %i static bytes of shared memory up", (smemBytes, bytes, refused) => {
    const source = `extern "C" __global__ void k(const float* x, float* y, int n) {
      extern __shared__ float more[];
      __shared__ char tile[${bytes}];
      tile[threadIdx.x] = 0;
      if (n < 0) more[0] = 0;
      y[blockIdx.x * 256 + threadIdx.x] = 2.0f * x[blockIdx.x * 256 + threadIdx.x];
    }`;
    const launch = { kernel: "k", ...shape, smemBytes, args: ["x", "y", { i32: n }] };
    const kernel = makeKernel({ source, launches: [launch], compileOptions: [] }, {});
    expect(executionFacts(kernel, doubling()).refused).toBe(refused);
  });

  it("gives no verdict on what it does not model", () => {
    const found = facts(`asm volatile("griddepcontrol.wait;"); y[i] = 0.0f;`);
    expect(found).toMatchObject({ ending: "unsupported", compared: 0, reason: "the instruction griddepcontrol.wait" });
  });
});

describe("kernels of several launches", () => {
  const source = `extern "C" __global__ void part(const float* x, float* parts) {
    float sum = 0.0f;
    for (int j = 0; j < 64; ++j) sum += x[(blockIdx.x * 32 + threadIdx.x) * 64 + j];
    parts[blockIdx.x * 32 + threadIdx.x] = sum;
  }
  extern "C" __global__ void total(const float* parts, float* y) {
    float sum = 0.0f;
    for (int j = 0; j < 4; ++j) sum += parts[blockIdx.x * 4 + j];
    y[blockIdx.x] = sum;
  }`;
  const launch = (kernel: string, grid: number, block: number, args: readonly string[]) =>
    ({ kernel, grid: [grid, 1, 1], block: [block, 1, 1], smemBytes: 0, args }) as const;
  const part = launch("part", 2, 32, ["x", "parts"]);
  const total = launch("total", 16, 1, ["parts", "y"]);
  const scratch = { name: "parts", dtype: "f32", shape: [64], role: "scratch" } as const;
  const task = (): Task => {
    const plain = blockSums();
    return { ...plain, workload: { ...plain.workload, args: [...plain.workload.args, scratch] } };
  };

  it("runs the blocks of earlier launches that later ones read from", () => {
    const kernel = makeKernel({ source, launches: [part, total], compileOptions: [] }, {});
    const found = executionFacts(kernel, task());
    expect(found).toMatchObject({ ending: "done", faults: {}, differing: 0 });
    expect(found.compared).toBeGreaterThan(1);
  });

  it("sees launches in the wrong order", () => {
    const kernel = makeKernel({ source, launches: [total, part], compileOptions: [] }, {});
    expect(executionFacts(kernel, task()).faults).toHaveProperty("unwrittenGlobal");
  });
});
