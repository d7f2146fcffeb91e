import { describe, expect, it } from "vitest";
import { makeKernel, type Task, type TaskArgument } from "../../../domain/index.ts";
import { kernelOf, taskOf } from "../__fixtures__/small-tasks.ts";
import { executionFacts } from "./execution-facts.ts";
import { Bytes } from "./bytes.ts";
import { fillInput, offsetsOf } from "./inputs.ts";

const n = 4096;
const shape = { grid: [16, 1, 1], block: [256, 1, 1] } as const;

describe("padding of vectors in shared memory", () => {
  const facts = (read: string) => {
    const task = taskOf("double", n);
    const args = task.workload.args.map((argument) =>
      argument.role === "in" ? { ...argument, draw: { normal: { mean: 0, std: 1 } } } : argument,
    );
    const source = `struct Pair { float2 low, high; };
      extern "C" __global__ void k(const float* x, float* y, int n) {
        __shared__ float4 tile[257];
        int i = blockIdx.x * blockDim.x + threadIdx.x, t = threadIdx.x;
        float* cell = reinterpret_cast<float*>(tile + t);
        cell[0] = x[i]; cell[2] = x[i];
        __syncthreads();
        ${read}
      }`;
    return executionFacts(kernelOf(source, shape, n), { ...task, workload: { ...task.workload, args } });
  };

  it.each([
    ["a vector", "float4 v = tile[t]; y[i] = v.x + v.z;"],
    ["a vector by reinterpretation", "float2 v = *(const float2*)(cell + 2); y[i] = 2.0f * v.x;"],
    ["a structure of vectors", "Pair p = *(const Pair*)cell; y[i] = p.low.x + p.high.x;"],
    ["one member alone", "y[i] = 2.0f * tile[t].z;"],
  ])("is no fault where it comes with %s", (_name, read) => {
    expect(facts(read)).toMatchObject({ ending: "done", faults: {}, differing: 0, reason: "" });
  });

  it.each([
    ["alone", "float w = cell[1]; y[i] = 2.0f * x[i] + 0.0f * w;"],
    ["as all of a vector", "float4 v = tile[t + 1]; y[i] = 2.0f * x[i] + 0.0f * v.x;"],
  ])("is one where it is read %s", (_name, read) => {
    expect(facts(read).faults).toHaveProperty("unwrittenShared");
  });

  it("shows in what is written where it is used", () => {
    const found = facts("float4 v = tile[t]; y[i] = v.x + v.y;");
    expect(found.differing).toBe(found.compared);
    expect(found.compared).toBeGreaterThan(100);
  });
});

describe("what is written in an unusual way", () => {
  it.each([
    ["octal", "x[i ^ 0111 ^ 73]"],
    ["binary", "x[i ^ 0b1001 ^ 9]"],
    ["hexadecimal", "x[i ^ 0x49u ^ 73]"],
    ["nothing", "x[i + 0 + 00]"],
  ])("has the value that it has: %s", (_name, value) => {
    const source = `extern "C" __global__ void k(const float* x, float* y, int n) {
      int i = blockIdx.x * blockDim.x + threadIdx.x;
      y[i] = 2.0f * ${value};
    }`;
    const found = executionFacts(kernelOf(source, shape, n), taskOf("double", n));
    expect(found).toMatchObject({ ending: "done", faults: {}, differing: 0 });
    expect(found.compared).toBeGreaterThan(100);
  });

  it.each([
    ["not modelled", "wmma::experimental::precision::b1", { ending: "unsupported", mistyped: false }],
    ["not there", "Unheard", { ending: "mistyped", mistyped: true }],
  ])("is told apart from what would not compile: a type that is %s", (_name, element, wanted) => {
    const source = `typedef wmma::fragment<wmma::matrix_a, 8, 8, 128, ${element}, wmma::row_major> Part;
    extern "C" __global__ void k(const float* x, float* y, int n) {
      Part part;
      wmma::load_matrix_sync(part, x, 128);
      y[threadIdx.x] = x[threadIdx.x];
    }`;
    expect(executionFacts(kernelOf(source, shape, n), taskOf("double", n))).toMatchObject(wanted);
  });
});

describe("inputs that say where parts of a list begin", () => {
  const rows = 512;
  const items = 8192;
  const argument = (name: string, dtype: "i32" | "f32", length: number, role: TaskArgument["role"]): TaskArgument => ({
    name,
    dtype,
    shape: [length],
    role,
  });
  const begins = argument("begins", "i32", rows + 1, "in");
  const list = argument("list", "f32", items, "in");
  const sums = argument("sums", "f32", rows, "out");
  const totals = argument("totals", "f32", rows, "scratch");
  const args = [begins, list, sums, totals];
  const launch = (kernel: string, threads: number, given: readonly string[]) =>
    ({ kernel, grid: [threads / 128, 1, 1], block: [128, 1, 1], smemBytes: 0, args: given }) as const;
  const sumRows = (first: string) =>
    makeKernel(
      {
        source: `extern "C" __global__ void k(const int* begins, const float* list, float* sums) {
          int row = blockIdx.x * blockDim.x + threadIdx.x;
          float sum = 0.0f;
          for (int j = ${first}; j < begins[row + 1]; ++j) sum += list[j];
          sums[row] = sum;
        }`,
        launches: [launch("k", rows, ["begins", "list", "sums"])],
        compileOptions: [],
      },
      {},
    );
  const task = (): Task => {
    const plain = taskOf("sum-rows", n);
    const workload = { ...plain.workload, sizes: { rows, items }, args };
    const tolerance = { type: "allclose", rtol: 1e-4, atol: 1e-4 } as const;
    return { ...plain, workload, tolerance, seedKernel: sumRows("begins[row]") };
  };
  /** Each thread takes 16 items and looks for the row that they begin in. */
  const searching = `__device__ int rowOf(const int* begins, int item) {
    int low = 0, high = ${rows};
    while (high - low > 1) {
      int middle = (low + high) / 2;
      if (begins[middle] <= item) low = middle;
      else high = middle;
    }
    return low;
  }
  extern "C" __global__ void clear(float* totals) { totals[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f; }
  extern "C" __global__ void add(const int* begins, const float* list, float* totals) {
    int first = (blockIdx.x * blockDim.x + threadIdx.x) * 16;
    int row = rowOf(begins, first);
    for (int j = first; j < first + 16; ++j) {
      while (begins[row + 1] <= j) ++row;
      atomicAdd(&totals[row], list[j]);
    }
  }
  extern "C" __global__ void copy(const float* totals, float* sums) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    sums[row] = totals[row];
  }`;

  it("are drawn in order, from the beginning of the list to its end", () => {
    expect([list, sums, totals].map((other) => offsetsOf(other, args))).toEqual([undefined, undefined, undefined]);
    const offsets = offsetsOf(begins, args);
    expect(offsets).toEqual({ count: rows, end: items });
    const bytes = new Bytes(4 * (rows + 1));
    fillInput(begins, 0, { bytes, base: 0 }, { first: 0, count: rows + 1 }, offsets);
    const drawn = [...bytes.i32.subarray(0, rows + 1)];
    expect(drawn[0]).toBe(0);
    expect(drawn[rows]).toBe(items);
    expect(drawn).toEqual(drawn.toSorted((a, b) => a - b));
    expect(new Set(drawn).size).toBeGreaterThan(rows / 2);
  });

  it("are left alone where their draw is known, and where nothing has as many rows", () => {
    expect(offsetsOf({ ...begins, draw: { integers: { low: 0, high: 9 } } }, args)).toBeUndefined();
    expect(offsetsOf({ ...begins, shape: [rows] }, args)).toBeUndefined();
  });

  it("let kernels that go by them be compared", () => {
    expect(executionFacts(sumRows("begins[row]"), task())).toMatchObject({ faults: {}, differing: 0, reason: "" });
    const wrong = executionFacts(sumRows("begins[row] + 1"), task());
    expect(wrong.compared).toBeGreaterThan(10);
    expect(wrong.differing / wrong.compared).toBeGreaterThan(0.8);
  });

  it("leave open which blocks add to a sum", () => {
    const launches = [
      launch("clear", rows, ["totals"]),
      launch("add", items / 16, ["begins", "list", "totals"]),
      launch("copy", rows, ["totals", "sums"]),
    ];
    const found = executionFacts(makeKernel({ source: searching, launches, compileOptions: [] }, {}), task());
    expect(found).toMatchObject({ ending: "done", faults: {}, compared: 0, differing: 0 });
    expect(found.reason).toBe("places that are not affine");
  });
});
