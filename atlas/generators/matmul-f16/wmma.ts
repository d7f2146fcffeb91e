import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { asyncCopy, blockOrder, dimensions, launch, numberOf, single, when, type Sizes } from "./common.ts";

/** Writes a 16 x 16 tile of floats, staged in shared memory by one warp, as halves. */
function drainTile(wide: boolean, target: string): string {
  return wide
    ? `      {
        const float* from = mine + (lane / 2) * 16 + (lane % 2) * 8;
        uint4 packed;
        half2* h = (half2*)&packed;
        #pragma unroll
        for (int u = 0; u < 4; ++u) h[u] = __floats2half2_rn(from[2 * u], from[2 * u + 1]);
        *(uint4*)&${target}[(size_t)(row + lane / 2) * N + col + (lane % 2) * 8] = packed;
      }`
    : `      for (int e = lane; e < 256; e += 32) ${target}[(size_t)(row + e / 16) * N + col + e % 16] = __float2half(mine[e]);`;
}

function globalLoop(o: Options): string {
  const load = (slot: string, p: string): string => `    #pragma unroll
    for (int i = 0; i < WM; ++i) wmma::load_matrix_sync(fa${slot}[i], a + (size_t)(row0 + 16 * i) * K + ${p}, K);
    #pragma unroll
    for (int j = 0; j < WN; ++j) wmma::load_matrix_sync(fb${slot}[j], b + (size_t)(col0 + 16 * j) * K + ${p}, K);`;
  const multiply = (slot: string): string => `    #pragma unroll
    for (int i = 0; i < WM; ++i)
      #pragma unroll
      for (int j = 0; j < WN; ++j) wmma::mma_sync(acc[i][j], fa${slot}[i], fb${slot}[j], acc[i][j]);`;
  return o["ahead"]
    ? `${load("[0]", "0")}
${when(o["unroll"], "  #pragma unroll 2\n")}  for (int p = 0; p < K; p += 32) {
${load("[1]", "p + 16")}
${multiply("[0]")}
    if (p + 32 < K) {
${load("[0]", "p + 32")}
    }
${multiply("[1]")}
  }`
    : `${when(o["unroll"], "  #pragma unroll 4\n")}  for (int p = 0; p < K; p += 16) {
${load("", "p")}
${multiply("")}
  }`;
}

function narrowKernel(o: Options): string {
  return o["wideStore"]
    ? `extern "C" __global__ void narrow(const float* from, half* to) {
  size_t i = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) * 4;
  float4 v = *(const float4*)(from + i);
  *(half2*)(to + i) = __floats2half2_rn(v.x, v.y);
  *(half2*)(to + i + 2) = __floats2half2_rn(v.z, v.w);
}
`
    : `extern "C" __global__ void narrow(const float* from, half* to) {
  size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
  to[i] = __float2half(from[i]);
}
`;
}

function writeWmmaGlobal(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const [wm, wn, warps] = [numberOf(o, "wm"), numberOf(o, "wn"), numberOf(o, "warps")];
  const workspace = o["finish"] === "workspace";
  const rows = o["warpsAlong"] === "rows";
  const ahead = Boolean(o["ahead"]);
  const drain = workspace
    ? `      wmma::store_matrix_sync(scratch + (size_t)row * N + col, acc[i][j], N, wmma::mem_row_major);`
    : `      wmma::store_matrix_sync(mine, acc[i][j], 16, wmma::mem_row_major);
      __syncwarp();
${drainTile(Boolean(o["wideStore"]), "c")}
      __syncwarp();`;
  const source = `#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

constexpr int N = ${n}, K = ${k};
constexpr int WM = ${wm}, WN = ${wn}, WARPS = ${warps};

${when(workspace, narrowKernel(o))}
// Every warp owns WM x WN fragments of 16 x 16 and reads them from global memory.
extern "C" __global__ void ${when(o["bounds"], "__launch_bounds__(WARPS * 32) ")}wmma_direct(const half* __restrict__ a, const half* __restrict__ b, ${workspace ? "float* __restrict__ scratch" : "half* __restrict__ c"}) {
${when(!workspace, "  __shared__ __align__(128) float stage[WARPS][256];\n")}  const int warp = threadIdx.x / 32;
${when(!workspace, "  const int lane = threadIdx.x % 32;\n  float* mine = stage[warp];\n")}${
    rows
      ? "  const int row0 = (blockIdx.y * WARPS + warp) * 16 * WM;\n  const int col0 = blockIdx.x * 16 * WN;"
      : "  const int row0 = blockIdx.y * 16 * WM;\n  const int col0 = (blockIdx.x * WARPS + warp) * 16 * WN;"
  }
  wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa${when(ahead, "[2]")}[WM];
  wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> fb${when(ahead, "[2]")}[WN];
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> acc[WM][WN];
  #pragma unroll
  for (int i = 0; i < WM; ++i)
    #pragma unroll
    for (int j = 0; j < WN; ++j) wmma::fill_fragment(acc[i][j], 0.0f);
${globalLoop(o)}
  #pragma unroll
  for (int i = 0; i < WM; ++i) {
    #pragma unroll
    for (int j = 0; j < WN; ++j) {
      const int row = row0 + 16 * i, col = col0 + 16 * j;
${drain}
    }
  }
}
`;
  const grid = rows
    ? ([n / (16 * wn), m / (16 * wm * warps)] as const)
    : ([n / (16 * wn * warps), m / (16 * wm)] as const);
  if (!workspace) return single("wmma_direct", source, grid, [32 * warps, 1]);
  return {
    source,
    launches: [
      launch("wmma_direct", [grid[0], grid[1], 1], [32 * warps, 1], ["a", "b", "workspace"]),
      launch("narrow", [(m * n) / (o["wideStore"] ? 1024 : 256), 1, 1], [256, 1], ["workspace", "c"]),
    ],
  };
}

export const wmmaGlobal: Template = {
  id: "wmma-global",
  from: null,
  count: 29,
  idea: "tensor cores through wmma, fragments straight from global memory",
  options: {
    wm: [1, 2, 4],
    wn: [1, 2, 4],
    warps: [4, 8, 2],
    warpsAlong: ["rows", "columns"],
    ahead: [false, true],
    unroll: [false, true],
    finish: ["stage", "workspace"],
    wideStore: [false, true],
    bounds: [false, true],
  },
  valid: (o) => Number(o["wm"]) * Number(o["wn"]) < 16 || !o["ahead"],
  write: writeWmmaGlobal,
};

function sharedBytes(o: Options): number {
  const warps = Number(o["warpsM"]) * Number(o["warpsN"]);
  const stages = o["copy"] === "async" ? Number(o["stages"]) : 1;
  const row = Number(o["bk"]) + (o["pad"] ? 8 : 0);
  return Math.max(2 * stages * row * (Number(o["bm"]) + Number(o["bn"])), warps * 1024);
}

function mainLoop(o: Options): string {
  const multiply = `${when(o["unroll"], "    #pragma unroll\n")}    for (int kk = 0; kk < BK; kk += 16) {
      #pragma unroll
      for (int i = 0; i < FM; ++i) wmma::load_matrix_sync(fa[i], ta + (wr * FM + i) * 16 * LD + kk, LD);
      #pragma unroll
      for (int j = 0; j < FN; ++j) wmma::load_matrix_sync(fb[j], tb + (wc * FN + j) * 16 * LD + kk, LD);
      #pragma unroll
      for (int i = 0; i < FM; ++i)
        #pragma unroll
        for (int j = 0; j < FN; ++j) wmma::mma_sync(acc[i][j], fa[i], fb[j], acc[i][j]);
    }`;
  if (o["copy"] === "async")
    return `  for (int s = 0; s < STAGES - 1; ++s) {
    load_stage(ring + s * STAGE, ablk, bblk, kBegin + s * BK);
    copy_commit();
  }
  for (int t = 0; t < STEPS; ++t) {
    copy_wait<STAGES - 2>();
    __syncthreads();
    if (t + STAGES - 1 < STEPS) load_stage(ring + (t + STAGES - 1) % STAGES * STAGE, ablk, bblk, kBegin + (t + STAGES - 1) * BK);
    copy_commit();
    const half* ta = ring + t % STAGES * STAGE;
    const half* tb = ta + BM * LD;
${multiply}
  }`;
  return `  const half* ta = ring;
  const half* tb = ring + BM * LD;
  for (int t = 0; t < STEPS; ++t) {
    __syncthreads();
    load_stage(ring, ablk, bblk, kBegin + t * BK);
    __syncthreads();
${multiply}
  }`;
}

function stageLoader(o: Options): string {
  const move =
    o["copy"] === "async"
      ? "copy_async((unsigned)__cvta_generic_to_shared(dst + r * LD + q), SRC + (size_t)r * K + k0 + q);"
      : "*(uint4*)(dst + r * LD + q) = *(const uint4*)(SRC + (size_t)r * K + k0 + q);";
  const part = (rows: string, src: string): string => `  for (int e = threadIdx.x; e < ${rows} * BK / 8; e += NT) {
    const int r = e / (BK / 8), q = e % (BK / 8) * 8;
    ${move.replace("SRC", src)}
  }`;
  return `__device__ __forceinline__ void load_stage(half* dst, const half* ablk, const half* bblk, int k0) {
${when(o["unroll"], "  #pragma unroll\n")}${part("BM", "ablk")}
  dst += BM * LD;
${when(o["unroll"], "  #pragma unroll\n")}${part("BN", "bblk")}
}
`;
}

function blockConstants(o: Options, s: Sizes, slices: number): string {
  const { n, k } = dimensions(s);
  return `constexpr int N = ${n}, K = ${k};
constexpr int BM = ${numberOf(o, "bm")}, BN = ${numberOf(o, "bn")}, BK = ${numberOf(o, "bk")};
constexpr int WARPS_M = ${numberOf(o, "warpsM")}, WARPS_N = ${numberOf(o, "warpsN")}, NT = WARPS_M * WARPS_N * 32;
constexpr int FM = BM / WARPS_M / 16, FN = BN / WARPS_N / 16;
constexpr int LD = BK${when(o["pad"], " + 8")};
constexpr int STEPS = K / BK${when(slices > 1, ` / ${slices}`)};
${when(o["copy"] === "async", `constexpr int STAGES = ${numberOf(o, "stages")}, STAGE = (BM + BN) * LD;\n`)}`;
}

function setUp(): string {
  return `  const int warp = threadIdx.x / 32, wr = warp / WARPS_N, wc = warp % WARPS_N;
  const half* ablk = a + (size_t)by * BM * K;
  const half* bblk = b + (size_t)bx * BN * K;
  wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa[FM];
  wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> fb[FN];
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> acc[FM][FN];
  for (int i = 0; i < FM; ++i)
    for (int j = 0; j < FN; ++j) wmma::fill_fragment(acc[i][j], 0.0f);`;
}

function fits(o: Options): boolean {
  const [bm, bn, wm, wn] = [Number(o["bm"]), Number(o["bn"]), Number(o["warpsM"]), Number(o["warpsN"])];
  const fragments = (bm / wm / 16) * (bn / wn / 16);
  return bm / wm >= 16 && bn / wn >= 16 && fragments >= 2 && fragments <= 16;
}

function writeWmmaShared(o: Options, s: Sizes): KernelDraft {
  const { m, n } = dimensions(s);
  const threads = numberOf(o, "warpsM") * numberOf(o, "warpsN") * 32;
  const source = `#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

${blockConstants(o, s, 1)}
${when(o["copy"] === "async", asyncCopy)}
${stageLoader(o)}
extern "C" __global__ void ${when(o["bounds"], "__launch_bounds__(NT) ")}wmma_tiled(const half* __restrict__ a, const half* __restrict__ b, half* __restrict__ c) {
  extern __shared__ __align__(128) unsigned char pool[];
  half* ring = (half*)pool;
${blockOrder(Boolean(o["grouped"]), m / numberOf(o, "bm"))}
${setUp()}
  const int kBegin = 0;
${mainLoop(o)}
  __syncthreads();
  const int lane = threadIdx.x % 32;
  float* mine = (float*)pool + warp * 256;
  #pragma unroll
  for (int i = 0; i < FM; ++i) {
    #pragma unroll
    for (int j = 0; j < FN; ++j) {
      const int row = by * BM + (wr * FM + i) * 16, col = bx * BN + (wc * FN + j) * 16;
      wmma::store_matrix_sync(mine, acc[i][j], 16, wmma::mem_row_major);
      __syncwarp();
${drainTile(Boolean(o["wideStore"]), "c")}
      __syncwarp();
    }
  }
}
`;
  return single("wmma_tiled", source, [n / numberOf(o, "bn"), m / numberOf(o, "bm")], [threads, 1], [], sharedBytes(o));
}

export const wmmaShared: Template = {
  id: "wmma-shared",
  from: "wmma-global",
  count: 36,
  idea: "wmma on tiles in shared memory",
  options: {
    bm: [64, 128],
    bn: [64, 128, 256],
    bk: [32, 16, 64],
    warpsM: [2, 4, 1],
    warpsN: [2, 4],
    copy: ["plain", "async"],
    stages: [2, 3, 4],
    pad: [false, true],
    wideStore: [false, true],
    grouped: [false, true],
    unroll: [true, false],
    bounds: [true, false],
  },
  valid: (o) => fits(o) && sharedBytes(o) <= 220 * 1024,
  write: writeWmmaShared,
};

const sumKernels: Readonly<Record<string, string>> = {
  plain: `extern "C" __global__ void finish(const float* parts, half* c) {
  size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
  float sum = 0.0f;
  for (int s = 0; s < PARTS; ++s) sum += parts[s * (size_t)(M * N) + i];
  c[i] = __float2half(sum);
}
`,
  wide: `extern "C" __global__ void finish(const float* parts, half* c) {
  size_t i = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) * 4;
  float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  #pragma unroll
  for (int s = 0; s < PARTS; ++s) {
    float4 v = *(const float4*)(parts + s * (size_t)(M * N) + i);
    sum.x += v.x; sum.y += v.y; sum.z += v.z; sum.w += v.w;
  }
  *(half2*)(c + i) = __floats2half2_rn(sum.x, sum.y);
  *(half2*)(c + i + 2) = __floats2half2_rn(sum.z, sum.w);
}
`,
};

function writeSplit(o: Options, s: Sizes): KernelDraft {
  const { m, n } = dimensions(s);
  const slices = numberOf(o, "slices");
  const atomic = o["combine"] === "atomic";
  const threads = numberOf(o, "warpsM") * numberOf(o, "warpsN") * 32;
  const clear = `extern "C" __global__ void clear(float4* sums) {
  sums[(size_t)blockIdx.x * blockDim.x + threadIdx.x] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
}
`;
  const keep = atomic
    ? `      wmma::store_matrix_sync(mine, acc[i][j], 16, wmma::mem_row_major);
      __syncwarp();
      for (int e = threadIdx.x % 32; e < 256; e += 32) atomicAdd(&parts[(size_t)(row + e / 16) * N + col + e % 16], mine[e]);
      __syncwarp();`
    : `      wmma::store_matrix_sync(parts + (size_t)blockIdx.z * M * N + (size_t)row * N + col, acc[i][j], N, wmma::mem_row_major);`;
  const source = `#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

${blockConstants(o, s, slices)}constexpr int M = ${m}, PARTS = ${atomic ? 1 : slices};

${when(o["copy"] === "async", asyncCopy)}
${stageLoader(o)}
${when(atomic, clear)}${sumKernels[String(o["finish"])]}
// The grid's third dimension takes a share of k each.
extern "C" __global__ void __launch_bounds__(NT) wmma_slice(const half* __restrict__ a, const half* __restrict__ b, float* __restrict__ parts) {
  extern __shared__ __align__(128) unsigned char pool[];
  half* ring = (half*)pool;
  const int bx = blockIdx.x, by = blockIdx.y;
${setUp()}
  const int kBegin = blockIdx.z * STEPS * BK;
${mainLoop(o)}
${when(atomic, "  __syncthreads();\n  float* mine = (float*)pool + warp * 256;\n")}  #pragma unroll
  for (int i = 0; i < FM; ++i) {
    #pragma unroll
    for (int j = 0; j < FN; ++j) {
      const int row = by * BM + (wr * FM + i) * 16, col = bx * BN + (wc * FN + j) * 16;
${keep}
    }
  }
}
`;
  const main = launch(
    "wmma_slice",
    [n / numberOf(o, "bn"), m / numberOf(o, "bm"), slices],
    [threads, 1],
    ["a", "b", "workspace"],
    sharedBytes(o),
  );
  const finish = launch(
    "finish",
    [(m * n) / (o["finish"] === "wide" ? 1024 : 256), 1, 1],
    [256, 1],
    ["workspace", "c"],
  );
  const clearing = launch("clear", [(m * n) / 1024, 1, 1], [256, 1], ["workspace"]);
  return { source, launches: atomic ? [clearing, main, finish] : [main, finish] };
}

export const split: Template = {
  id: "split-k",
  from: "wmma-shared",
  count: 23,
  idea: "cut k into slices and combine the partial sums in floats",
  options: {
    bm: [128, 64],
    bn: [128, 64],
    bk: [32, 64],
    warpsM: [2, 4],
    warpsN: [4, 2],
    copy: ["async", "plain"],
    stages: [3, 2],
    pad: [true, false],
    slices: [2, 4],
    combine: ["workspace", "atomic"],
    finish: ["plain", "wide"],
    unroll: [true, false],
  },
  valid: fits,
  write: writeSplit,
};
