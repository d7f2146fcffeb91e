import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeKernel, type Dim3, type LaunchArgument, type Task } from "../../../domain/index.ts";
import type { LaunchProfile } from "./profile.ts";
import { profileKernel } from "./profile-kernel.ts";

const n = 1 << 20;
const argument = { dtype: "f32", shape: [n] } as const;
const task: Task = {
  taskId: "t",
  kind: "cuda",
  title: "",
  family: "f",
  description: "",
  workload: {
    sizes: { n },
    args: [
      { ...argument, name: "x", role: "in" },
      { ...argument, name: "y", role: "out" },
    ],
    flops: n,
    bytesMin: 8 * n,
  },
  boundaryWorkloads: [],
  tolerance: { type: "exact" },
  precisions: ["f32"],
  reference: "",
  seedKernel: { kernelId: "seed", source: "", launches: [], compileOptions: [] },
};

interface Shape {
  readonly grid?: Dim3;
  readonly block?: Dim3;
  readonly smemBytes?: number;
  readonly args?: readonly LaunchArgument[];
}

function profile(source: string, shape: Shape = {}): LaunchProfile {
  const { grid = [4096, 1, 1], block = [256, 1, 1], smemBytes = 0, args = ["x", "y", { i32: n }] } = shape;
  const launches = [{ kernel: "k", grid, block, smemBytes, args }];
  const read = profileKernel(makeKernel({ source, launches, compileOptions: [] }, {}), task);
  expect(read).toMatchObject({ skipped: 0, missing: 0 });
  const [first] = read.launches;
  if (!first) throw new Error("no launch");
  expect(first.complete).toBe(true);
  return first;
}

function kernel(body: string): string {
  return `extern "C" __global__ void k(const float* x, float* y, int n) { ${body} }`;
}

const index = "int i = blockIdx.x * blockDim.x + threadIdx.x;";

describe("global memory", () => {
  test("neighbouring lanes share sectors, and the grid covers the buffer once", () => {
    const { globalSites, operations } = profile(kernel(`${index} if (i < n) y[i] = 2.0f * x[i];`));
    expect(globalSites.map(({ write, sectors, gridSectors }) => [write, sectors, gridSectors])).toEqual([
      [false, 4, n / 8],
      [true, 4, n / 8],
    ]);
    expect(operations.f32).toBe(1);
    expect(operations.globalLoad).toBe(1);
  });

  test.each<[string, string, number]>([
    ["a stride of two", "x[(i * 2) % n]", 8],
    ["a row per lane", "x[threadIdx.x * 1024]", 32],
    ["one address", "x[blockIdx.x]", 1],
    ["vectors", "reinterpret_cast<const float4*>(x)[i % (n / 4)].x", 16],
    ["vectors by a C cast of an address", "(*(const float4*)&x[(i * 4) % n]).x", 16],
    ["read-only loads", "__ldg(x + i)", 4],
    ["an unknown address", "x[(int)x[i]]", 16],
  ])("%s", (_, read, sectors) => {
    const { globalSites } = profile(kernel(`${index} y[i] = ${read};`));
    expect(Math.max(...globalSites.filter(({ write }) => !write).map((site) => site.sectors))).toBe(sectors);
  });

  test("lanes that do not take part are not counted", () => {
    const { globalSites, operations } = profile(kernel("if (threadIdx.x == 0) y[blockIdx.x] = 1.0f;"));
    expect(globalSites[0]).toMatchObject({ issues: 1 / 8, sectors: 1 / 8 });
    expect(operations.globalStore).toBe(1 / 8);
    expect(profile(kernel("if (threadIdx.x != 0) return; y[blockIdx.x] = 1.0f;")).operations.globalStore).toBe(1 / 8);
  });

  test("what a loop fetches again counts once, what it fetches anew each time", () => {
    const row = profile(
      kernel("float s = 0; for (int j = 0; j < 1024; j++) s += x[threadIdx.x * 1024 + j]; y[threadIdx.x] = s;"),
      {
        grid: [1, 1, 1],
      },
    );
    expect(row.globalSites[0]).toMatchObject({ issues: 1024, sectors: 32, blockSectors: 8 * 32 * 128 });
    const column = profile(
      kernel("float s = 0; for (int j = 0; j < 4096; j++) s += x[j * 256 + threadIdx.x]; y[threadIdx.x] = s;"),
      {
        grid: [1, 1, 1],
      },
    );
    expect(column.globalSites[0]).toMatchObject({
      issues: 4096,
      sectors: 4,
      blockSectors: n / 8,
      gridSectors: n / 8,
    });
  });

  test("a moving pointer is followed from iteration to iteration", () => {
    const { globalSites } = profile(
      kernel(`const float* p = x + threadIdx.x; float s = 0;
        for (int j = 0; j < 64; j++) { s += *p; p += 256; } y[threadIdx.x] = s;`),
    );
    expect(globalSites[0]).toMatchObject({ issues: 64, blockSectors: 8 * 4 * 64 });
  });

  test("neighbours of one iteration are fetched once", () => {
    const { globalSites } = profile(kernel(`${index} y[i] = x[i] + x[i + 1] + x[i + 4096];`));
    expect(globalSites.map(({ repeated }) => repeated)).toEqual([false, true, false, false]);
  });

  test("accesses beyond the buffer are seen", () => {
    expect(profile(kernel(`${index} y[i] = x[i];`)).outOfBounds).toBe(0);
    expect(profile(kernel(`${index} y[i + n] = x[i];`)).outOfBounds).toBe(1);
  });

  test("atomics on one address", () => {
    const { globalSites, operations } = profile(kernel(`${index} atomicAdd(y, x[i]);`));
    expect(operations.globalAtomic).toBe(1);
    expect(globalSites[1]).toMatchObject({ atomic: true, activeLanes: 32, distinctAddresses: 1, gridSectors: 1 });
  });
});

describe("loops", () => {
  test.each<[string, string, number]>([
    ["counting", "for (int j = 0; j < 10; j++)", 10],
    ["counting down", "for (int j = 9; j >= 0; --j)", 10],
    ["in steps", "for (int j = 0; j <= 10; j += 3)", 4],
    ["by halves", "for (int j = 128; j > 0; j >>= 1)", 8],
    ["by doubling", "for (int j = 1; j < 32; j *= 2)", 5],
    ["over the grid", "for (int j = blockIdx.x * 256 + threadIdx.x; j < n; j += gridDim.x * 256)", 1],
    ["to a macro", "for (int j = 0; j < TILE / 2; ++j)", 16],
    ["not at all", "for (int j = 0; j < 0; ++j)", 0],
    ["two bounds", "for (int j = 0; j < 6 && j < n; ++j)", 6],
    ["over unknown bounds", "for (int j = 0; j < (int)x[0]; ++j)", 8],
  ])("%s", (_, head, trips) => {
    const { operations } = profile(
      `#define TILE 32\n${kernel(`float s = 0; ${head} s = __shfl_xor_sync(~0u, s, 1);`)}`,
    );
    expect(operations.shuffle).toBe(trips);
  });

  test("while and do loops change their own variables", () => {
    const { operations } = profile(kernel("int j = 0; while (j < 12) { __syncthreads(); j += 2; }"));
    expect(operations.barrier).toBe(6);
    expect(profile(kernel("int s = 64; while (s > 0) { __syncthreads(); s /= 2; }")).operations.barrier).toBe(7);
  });

  test("conditions that hold in one iteration of many hardly count", () => {
    const { operations } = profile(
      kernel("for (int j = 0; j < 100; ++j) { if (j == 0) __syncthreads(); else __syncwarp(); }"),
    );
    expect(operations.barrier).toBeLessThanOrEqual(1);
    expect(operations.warpBarrier).toBeGreaterThanOrEqual(99);
  });

  test("a loop inside whose bounds depend on the one around it runs as often as on average", () => {
    const { operations } = profile(kernel("for (int a = 0; a < 33; ++a) for (int b = 0; b < a; ++b) __syncthreads();"));
    expect(operations.barrier).toBe(33 * 16);
  });

  test("what toggles or wraps around stays within its bounds", () => {
    const ring = kernel(`__shared__ float s[3][256]; int slot = 0, side = 0;
      for (int j = 0; j < 40; ++j) {
        s[slot][threadIdx.x] = s[side][threadIdx.x];
        slot = slot + 1 == 3 ? 0 : slot + 1; side ^= 1; __syncthreads();
      }`);
    expect(profile(ring).outOfBounds).toBe(0);
  });

  test("nested loops multiply, and a product with a sum is one instruction", () => {
    const { operations } = profile(
      kernel("float s = 0; for (int a = 0; a < 8; ++a) for (int b = 0; b < 16; ++b) s += x[a] * x[b]; y[0] = s;"),
    );
    expect(operations.f32).toBe(128);
  });
});

describe("local arrays", () => {
  test("constant and unrolled indices leave them in registers", () => {
    const body = "float a[8]; for (int j = 0; j < 8; ++j) a[j] = x[j]; y[0] = a[0] + a[7];";
    expect(profile(kernel(body))).toMatchObject({ localBytes: 32, stackBytes: 0, stackTraffic: 0 });
  });

  test.each([
    ["the lane", "y[0] = a[threadIdx.x % 8];"],
    ["data", "y[0] = a[(int)x[0]];"],
    ["a loop that is not unrolled", "for (int j = 0; j < n; ++j) y[j] = a[j % 8];"],
  ])("an index that depends on %s puts them on the stack", (_, read) => {
    const { stackBytes, stackTraffic } = profile(kernel(`float a[8]; a[0] = 1.0f; ${read}`));
    expect(stackBytes).toBe(32);
    expect(stackTraffic).toBeGreaterThan(4);
  });
});

describe("shared memory", () => {
  const tile = (columns: number): string =>
    kernel(`__shared__ float tile[32][${columns}]; tile[threadIdx.y][threadIdx.x] = x[threadIdx.x];
      __syncthreads(); y[threadIdx.x] = tile[threadIdx.x][threadIdx.y];`);

  test("columns of a square tile conflict, of a padded one not", () => {
    const square = profile(tile(32), { block: [32, 8, 1] });
    expect(square).toMatchObject({ sharedWavefronts: 33, sharedConflicts: 31, staticSharedBytes: 4096 });
    expect(profile(tile(33), { block: [32, 8, 1] })).toMatchObject({ sharedWavefronts: 2, sharedConflicts: 0 });
  });

  test("one word for all lanes is one pass; wide accesses take several without conflict", () => {
    expect(profile(kernel("__shared__ float s[64]; y[threadIdx.x] = s[0];")).sharedWavefronts).toBe(1);
    const wide = profile(kernel("extern __shared__ float4 s[]; float4 v = s[threadIdx.x]; y[0] = v.x;"), {
      smemBytes: 4096,
    });
    expect(wide).toMatchObject({
      sharedWavefronts: 4,
      sharedConflicts: 0,
      staticSharedBytes: 0,
      dynamicSharedBytes: 4096,
    });
  });

  test("pointers to rows", () => {
    const rows = kernel(
      `extern __shared__ float pool[]; float (*t)[33] = (float (*)[33])pool; y[0] = t[threadIdx.x][0];`,
    );
    expect(profile(rows, { smemBytes: 8448 }).sharedConflicts).toBe(0);
  });
});

describe("calls", () => {
  test("functions are read in place, with their template and reference arguments", () => {
    const { operations, globalSites } = profile(`
      template <int W> __device__ float sum(float v) { for (int d = W / 2; d > 0; d /= 2) v += __shfl_down_sync(~0u, v, d); return v; }
      __device__ int place(int row, int width) { return row * width; }
      ${kernel("float v = sum<32>(x[place(threadIdx.x, 8)]); y[0] = v;")}`);
    expect(operations.shuffle).toBe(5);
    expect(operations.f32).toBe(5);
    expect(globalSites[0]?.sectors).toBe(32);
  });

  test("lambdas see what is around them", () => {
    const { globalSites } = profile(
      kernel("int width = 8; auto at = [&](int r) { return x[r * width]; }; y[0] = at(threadIdx.x);"),
    );
    expect(globalSites[0]?.sectors).toBe(32);
  });

  test("recursion ends", () => {
    const source = `__device__ int f(int a) { return f(a - 1) + f(a - 2); } ${kernel("y[0] = f(n);")}`;
    expect(profile(source).operations.globalStore).toBe(1);
  });

  test("intrinsics", () => {
    const { operations } = profile(
      kernel(
        "float v = x[0]; v = __expf(v) + expf(v) + v / 3.0f; v = fmaf(v, v, v); v = __half2float(__float2half(v)); y[0] = v; (void)missing_function(v);",
      ),
    );
    expect(operations).toMatchObject({ special: 1, precise: 1, division: 1, f32: 3, conversion: 2, call: 1 });
  });

  test("asynchronous copies, tensor cores and assembly", () => {
    const { operations, matrixFlops, globalSites } = profile(
      `#include <mma.h>
      ${kernel(`__shared__ float s[1024];
        __pipeline_memcpy_async(&s[threadIdx.x * 4], &x[threadIdx.x * 4], 16); __pipeline_commit(); __pipeline_wait_prior(0);
        unsigned at = (unsigned)__cvta_generic_to_shared(s) + threadIdx.x * 16;
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16; // mma.sync.aligned.m64n8k16\\n" :: "r"(at), "l"(x + threadIdx.x * 4));
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0}, {%1};" : "+f"(y[0]) : "r"(1));
        wmma::mma_sync(c, a, b, c);`)}`,
    );
    expect(matrixFlops).toBe(2 * 16 * 8 * 16 + 2 * 16 * 16 * 16);
    expect(operations).toMatchObject({ matrix: 2, asyncWait: 1, asyncCopy: 2 });
    expect(globalSites.filter(({ asynchronous }) => asynchronous).map(({ sectors }) => sectors)).toEqual([16, 16]);
  });

  test("names that nothing declares are counted", () => {
    expect(profile(kernel("y[threadIdx.x] = x[tid];")).unresolved).toBe(1);
    expect(profile(kernel("y[threadIdx.x] = INFINITY;")).unresolved).toBe(0);
  });
});

test("comments, layout and inactive code change nothing", () => {
  const source = kernel(`${index} if (i < n) y[i] = x[i] * 2.0f;`);
  const noisy = `// fast\n#if 0\nnonsense((\n#endif\n${source.replace("if", "/* 4x faster */ if").replaceAll(" ", "  \n")}`;
  expect(profile(noisy)).toEqual(profile(source));
});

test("reading ends for nonsense of every kind", () => {
  const word = fc.constantFrom(
    ..."( ) { } [ ] < > ; , * & = + / % << ++ for while if else return int float x y n k 0 1 7 threadIdx.x blockIdx.y __syncthreads() [&] ? :".split(
      " ",
    ),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 50 }), (words) => {
      const launches = [
        { kernel: "k", grid: [2, 2, 2], block: [7, 3, 1], smemBytes: 0, args: ["x", "y", { i32: 3 }] } as const,
      ];
      const read = profileKernel(
        makeKernel({ source: kernel(words.join(" ")), launches, compileOptions: [] }, {}),
        task,
      );
      expect(read.launches.length + read.missing).toBe(1);
    }),
    { numRuns: 500 },
  );
});
