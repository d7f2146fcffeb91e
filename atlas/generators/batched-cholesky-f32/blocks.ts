import type { Launch } from "../../../src/domain/index.ts";
import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import {
  batchOf,
  count,
  on,
  orders,
  pivot,
  pivots,
  scaled,
  serialFactor,
  single,
  text,
  type Sizes,
} from "./fragments.ts";

function step(kernel: string, grid: number, block: readonly [number, number, number], args: Launch["args"]): Launch {
  return { kernel, grid: [grid, 1, 1], block: [...block], smemBytes: 0, args };
}

/** Kernels that turn the batch into the interleaved layout (entry by entry, all matrices) and back. */
function layoutKernels(kind: string): { code: string; gather: readonly [number, number] } {
  const lower = "e % 16 <= e / 16 ? work[(size_t)e * BATCH + m] : 0.0f";
  if (kind === "tiled") {
    return {
      gather: [8, 32],
      code: `extern "C" __global__ void interleave(const float* a, float* work) {
  __shared__ float tile[32][33];
  int e0 = blockIdx.x % 8 * 32, m0 = blockIdx.x / 8 * 32;
  for (int r = threadIdx.y; r < 32; r += 8) tile[r][threadIdx.x] = a[(size_t)(m0 + r) * 256 + e0 + threadIdx.x];
  __syncthreads();
  for (int r = threadIdx.y; r < 32; r += 8) work[(size_t)(e0 + r) * BATCH + m0 + threadIdx.x] = tile[threadIdx.x][r];
}

extern "C" __global__ void restore(const float* work, float* l) {
  __shared__ float tile[32][33];
  int e0 = blockIdx.x % 8 * 32, m0 = blockIdx.x / 8 * 32;
  for (int r = threadIdx.y; r < 32; r += 8) tile[r][threadIdx.x] = work[(size_t)(e0 + r) * BATCH + m0 + threadIdx.x];
  __syncthreads();
  int e = e0 + threadIdx.x;
  for (int r = threadIdx.y; r < 32; r += 8) l[(size_t)(m0 + r) * 256 + e] = e % 16 <= e / 16 ? tile[threadIdx.x][r] : 0.0f;
}
`,
    };
  }
  const split = kind === "by matrix" ? "int m = i / 256, e = i % 256;" : "int e = i / BATCH, m = i % BATCH;";
  return {
    gather: [1, 256],
    code: `extern "C" __global__ void interleave(const float* a, float* work) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  ${split}
  work[(size_t)e * BATCH + m] = a[(size_t)m * 256 + e];
}

extern "C" __global__ void restore(const float* work, float* l) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  ${split}
  l[(size_t)m * 256 + e] = ${lower};
}
`,
  };
}

const entryOfAll = (r: string, c: string): string => `work[(size_t)(${r} * 16 + ${c}) * BATCH + id]`;

const loadRegisters = `float v[16][16];
#pragma unroll
  for (int r = 0; r < 16; ++r)
#pragma unroll
    for (int c = 0; c <= r; ++c) v[r][c] = ${entryOfAll("r", "c")};`;

/** Statements that write the factors, to the result or back to scratch. */
function storeFactors(direct: boolean, registers: boolean, at: (r: string, c: string) => string): string {
  const target = direct ? "l[(size_t)id * 256 + r * 16 + c]" : entryOfAll("r", "c");
  return direct
    ? `${registers ? "#pragma unroll\n" : ""}  for (int r = 0; r < 16; ++r)
${registers ? "#pragma unroll\n" : ""}    for (int c = 0; c < 16; ++c) ${target} = c <= r ? ${at("r", "c")} : 0.0f;`
    : registers
      ? `#pragma unroll
  for (int r = 0; r < 16; ++r)
#pragma unroll
    for (int c = 0; c <= r; ++c) ${target} = v[r][c];`
      : "";
}

function writeInterleaved(options: Options, sizes: Sizes): KernelDraft {
  const batch = batchOf(sizes);
  const block = count(options, "block");
  const layout = layoutKernels(text(options, "layout"));
  const direct = on(options, "restore_inside");
  const registers = on(options, "registers");
  const at = registers ? (r: string, c: string): string => `v[${r}][${c}]` : entryOfAll;
  const unroll = registers ? "#pragma unroll\n    " : on(options, "unroll") ? "#pragma unroll 4\n    " : "";
  const source = `#define BATCH ${batch}

${layout.code}
extern "C" __global__ void factor(float* work${direct ? ", float* l" : ""}) {
  int id = blockIdx.x * blockDim.x + threadIdx.x;
  ${registers ? loadRegisters : ""}
  ${serialFactor(text(options, "order"), text(options, "pivot"), at, unroll)}
  ${storeFactors(direct, registers, at)}
}
`;
  const tiled = text(options, "layout") === "tiled";
  const grid = tiled ? (batch / 32) * 8 : batch;
  const shape: readonly [number, number, number] = tiled ? [32, 8, 1] : [256, 1, 1];
  return {
    source,
    launches: [
      step("interleave", grid, shape, ["a", "work"]),
      step("factor", batch / block, [block, 1, 1], direct ? ["work", "l"] : ["work"]),
      ...(direct ? [] : [step("restore", grid, shape, ["work", "l"])]),
    ],
  };
}

function elementLoop(options: Options): string {
  const kind = text(options, "pivot");
  if (text(options, "keep") === "tile") {
    const leader = on(options, "every_thread")
      ? `const float d = s[k][k];
      ${pivot(kind, "d")}
      __syncthreads();
      if (c == k && r >= k) s[r][k] = r == k ? root : ${scaled(kind, "s[r][k]")};
      __syncthreads();`
      : `if (r == k && c == k) s[k][k] = sqrtf(s[k][k]);
      __syncthreads();
      if (c == k && r > k) s[r][k] /= s[k][k];
      __syncthreads();`;
    return `s[r][c] = a[matrix * 256 + r * 16 + c];
  __syncthreads();
  for (int k = 0; k < 16; k++) {
      ${leader}
      if (c > k && r >= c) s[r][c] -= s[r][k] * s[c][k];
      __syncthreads();
  }
  l[matrix * 256 + r * 16 + c] = r >= c ? s[r][c] : 0.0f;`;
  }
  const twice = on(options, "two_columns");
  const column = twice ? "column[k & 1]" : "column";
  return `float v = a[matrix * 256 + r * 16 + c];
  ${on(options, "unroll") ? "#pragma unroll\n  " : ""}for (int k = 0; k < 16; k++) {
      if (c == k) ${column}[threadIdx.z][r] = v;
      __syncthreads();
      const float d = ${column}[threadIdx.z][k];
      ${pivot(kind, "d")}
      if (c == k) v = r == k ? root : ${scaled(kind, "v")};
      if (c > k && r >= c) v -= (${scaled(kind, `${column}[threadIdx.z][r]`)}) * (${scaled(kind, `${column}[threadIdx.z][c]`)});
      ${twice ? "" : "__syncthreads();"}
  }
  l[matrix * 256 + r * 16 + c] = r >= c ? v : 0.0f;`;
}

/** One thread per entry of the matrix. */
function writeElements(options: Options, sizes: Sizes): KernelDraft {
  const batch = batchOf(sizes);
  const depth = count(options, "depth");
  const tile = text(options, "keep") === "tile";
  const shared = tile
    ? `__shared__ float tiles[${depth}][16][16${on(options, "padded") ? " + 1" : ""}];
  auto& s = tiles[threadIdx.z];`
    : `__shared__ float column${on(options, "two_columns") ? "[2]" : ""}[${depth}][16];`;
  const swap = on(options, "swap");
  const source = `extern "C" __global__ void cholesky_elements(const float* ${on(options, "restrict") ? "__restrict__ " : ""}a, float* ${on(options, "restrict") ? "__restrict__ " : ""}l) {
  ${shared}
  const int r = threadIdx.${swap ? "x" : "y"};
  const int c = threadIdx.${swap ? "y" : "x"};
  const size_t matrix = (size_t)blockIdx.x * ${depth} + threadIdx.z;
  ${elementLoop(options)}
}
`;
  return single(source, "cholesky_elements", batch / depth, [16, 16, depth], ["a", "l"]);
}

const warpLoops: Readonly<Record<string, (kind: string) => string>> = {
  "split dots": (kind) => `for (int j = 0; j < 16; ++j) {
      float sum = 0.0f;
      for (int k = half; k < j; k += 2) sum += s[r][k] * s[j][k];
      sum += __shfl_xor_sync(0xffffffffu, sum, 16);
      const float v = s[r][j] - sum;
      const float d = __shfl_sync(0xffffffffu, v, j);
      ${pivot(kind, "d")}
      __syncwarp();
      if (half == 0 && r >= j) s[r][j] = r == j ? root : ${scaled(kind, "v")};
      __syncwarp();
    }`,
  "row dots": (kind) => `for (int j = 0; j < 16; ++j) {
      float v = s[r][j];
      for (int k = 0; k < j; ++k) v -= s[r][k] * s[j][k];
      const float d = __shfl_sync(0xffffffffu, v, j);
      ${pivot(kind, "d")}
      __syncwarp();
      if (half == 0 && r >= j) s[r][j] = r == j ? root : ${scaled(kind, "v")};
      __syncwarp();
    }`,
  "outer products": (kind) => `for (int k = 0; k < 16; ++k) {
      const float d = s[k][k];
      ${pivot(kind, "d")}
      __syncwarp();
      if (half == 0 && r >= k) s[r][k] = r == k ? root : ${scaled(kind, "s[r][k]")};
      __syncwarp();
      for (int c = k + 1 + half; c <= r; c += 2) s[r][c] -= s[r][k] * s[c][k];
      __syncwarp();
    }`,
  "flat updates": (kind) => `for (int k = 0; k < 16; ++k) {
      const float d = s[k][k];
      ${pivot(kind, "d")}
      __syncwarp();
      if (lane < 16 && lane >= k) s[lane][k] = lane == k ? root : ${scaled(kind, "s[lane][k]")};
      __syncwarp();
      for (int i = lane; i < 256; i += 32) {
        const int row = i / 16, col = i % 16;
        if (col > k && row >= col) s[row][col] -= s[row][k] * s[col][k];
      }
      __syncwarp();
    }`,
};

/** Statements that bring a matrix into the warp's tile. */
function loadTile(vector: boolean, asynchronous: boolean): string {
  const loadVector = asynchronous
    ? `__pipeline_memcpy_async(&s[i / 4][i % 4 * 4], reinterpret_cast<const float4*>(src) + i, 16);`
    : `*reinterpret_cast<float4*>(&s[i / 4][i % 4 * 4]) = reinterpret_cast<const float4*>(src)[i];`;
  return vector
    ? `for (int i = lane; i < 64; i += 32) ${loadVector}${asynchronous ? "\n    __pipeline_commit();\n    __pipeline_wait_prior(0);" : ""}`
    : `for (int i = lane; i < 256; i += 32) s[i / 16][i % 16] = src[i];`;
}

/** One warp per matrix, which stays in shared memory. */
function writeWarp(options: Options, sizes: Sizes): KernelDraft {
  const batch = batchOf(sizes);
  const warps = count(options, "warps");
  const asynchronous = on(options, "asynchronous");
  const vector = on(options, "vector") || asynchronous;
  const pitch = vector ? (on(options, "padded") ? 20 : 16) : on(options, "padded") ? 17 : 16;
  const persistent = on(options, "persistent");
  const loop = warpLoops[text(options, "loop")];
  if (!loop) throw new Error("unknown loop");
  const source = `${asynchronous ? "#include <cuda_pipeline.h>\n\n" : ""}#define WARPS ${warps}

extern "C" __global__ void choleskyWarp(const float* __restrict__ a, float* __restrict__ l, int batch) {
  __shared__ __align__(16) float tiles[WARPS][16][${pitch}];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int r = lane % 16, half = lane / 16;
  auto& s = tiles[warp];
  ${persistent ? "for (int matrix = blockIdx.x * WARPS + warp; matrix < batch; matrix += gridDim.x * WARPS) {" : "const int matrix = blockIdx.x * WARPS + warp;\n  if (matrix < batch) {"}
    const float* src = a + (size_t)matrix * 256;
    float* dst = l + (size_t)matrix * 256;
    ${loadTile(vector, asynchronous)}
    __syncwarp();
    ${on(options, "unroll") ? "#pragma unroll\n    " : ""}${loop(text(options, "pivot"))}
    for (int i = lane; i < 256; i += 32) dst[i] = i % 16 <= i / 16 ? s[i / 16][i % 16] : 0.0f;
    __syncwarp();
  }
}
`;
  const needed = Math.ceil(batch / warps);
  const grid = persistent ? Math.min(needed, 132 * Math.floor(64 / warps)) : needed;
  return single(source, "choleskyWarp", grid, [warps * 32, 1, 1], ["a", "l", { i32: batch }]);
}

export const blockTemplates: readonly Template[] = [
  {
    id: "interleaved",
    from: "thread-registers",
    count: 30,
    idea: "interleave the matrices in scratch so that one thread per matrix coalesces",
    options: {
      layout: ["by matrix", "by entry", "tiled"],
      registers: [false, true],
      restore_inside: [false, true],
      order: [...orders],
      pivot: [...pivots],
      unroll: [false, true],
      block: [128, 64, 256],
    },
    write: writeInterleaved,
  },
  {
    id: "thread-per-entry",
    from: "thread-global",
    count: 32,
    idea: "give every entry of a matrix its own thread",
    options: {
      keep: ["tile", "register"],
      pivot: [...pivots],
      padded: [false, true],
      every_thread: [false, true],
      two_columns: [false, true],
      swap: [false, true],
      restrict: [false, true],
      unroll: [false, true],
      depth: [1, 2, 4],
    },
    write: writeElements,
  },
  {
    id: "warp-shared",
    from: "thread-per-entry",
    count: 34,
    idea: "give a matrix in shared memory to a warp, without block-wide barriers",
    options: {
      loop: Object.keys(warpLoops),
      pivot: [...pivots],
      vector: [false, true],
      asynchronous: [false, true],
      padded: [false, true],
      persistent: [false, true],
      unroll: [false, true],
      warps: [4, 2, 8, 16],
    },
    write: writeWarp,
  },
];
