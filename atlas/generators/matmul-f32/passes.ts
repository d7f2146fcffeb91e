import type { Launch } from "../../../src/domain/index.ts";
import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { dimensions, numberOf, when, type Sizes } from "./common.ts";
import { asyncHelpers, positions, readFragment, writeBack } from "./fragments.ts";

function launch(
  kernel: string,
  grid: readonly [number, number, number],
  threads: readonly [number, number],
  args: Launch["args"],
  smemBytes = 0,
): Launch {
  return { kernel, grid, block: [threads[0], threads[1], 1], smemBytes, args };
}

function splitCompute(o: Options): string {
  const vector = Boolean(o["vector"]);
  const load = vector
    ? `    for (int e = tid; e < BM * BK / 4; e += NT) {
      int r = e / (BK / 4), q = (e % (BK / 4)) * 4;
      float4 v = *(const float4*)&A[(size_t)(by * BM + r) * K + k0 + q];
      tileA[q][r] = v.x; tileA[q + 1][r] = v.y; tileA[q + 2][r] = v.z; tileA[q + 3][r] = v.w;
    }
    for (int e = tid; e < BK * BN / 4; e += NT) {
      int r = e / (BN / 4), q = (e % (BN / 4)) * 4;
      *(float4*)&tileB[r][q] = *(const float4*)&B[(size_t)(k0 + r) * N + bx * BN + q];
    }`
    : `    for (int e = tid; e < BM * BK; e += NT) tileA[e % BK][e / BK] = A[(size_t)(by * BM + e / BK) * K + k0 + e % BK];
    for (int e = tid; e < BK * BN; e += NT) tileB[e / BN][e % BN] = B[(size_t)(k0 + e / BN) * N + bx * BN + e % BN];`;
  return `  float acc[TM][TN] = {};
  for (int k0 = slice * (K / SLICES); k0 < (slice + 1) * (K / SLICES); k0 += BK) {
${load}
    __syncthreads();
    #pragma unroll
    for (int p = 0; p < BK; ++p) {
      float a[TM], b[TN];
${readFragment("a", "TM", (i) => `tileA[p][rowOf(ty, ${i})]`, vector)}
${readFragment("b", "TN", (j) => `tileB[p][colOf(tx, ${j})]`, vector)}
      #pragma unroll
      for (int i = 0; i < TM; ++i)
        #pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] += a[i] * b[j];
    }
    __syncthreads();
  }`;
}

function reduceKernel(o: Options): string {
  if (o["reduceVector"])
    return `extern "C" __global__ void add_slices(const float4* parts, float4* C) {
  size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
  float4 sum = parts[i];
${when(o["reduceUnroll"], "  #pragma unroll\n")}  for (int s = 1; s < SLICES; ++s) {
    float4 v = parts[(size_t)s * (M * N / 4) + i];
    sum.x += v.x; sum.y += v.y; sum.z += v.z; sum.w += v.w;
  }
  C[i] = sum;
}
`;
  return `extern "C" __global__ void add_slices(const float* parts, float* C) {
  size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
  float sum = 0.0f;
${when(o["reduceUnroll"], "  #pragma unroll\n")}  for (int s = 0; s < SLICES; ++s) sum += parts[(size_t)s * (M * N) + i];
  C[i] = sum;
}
`;
}

const clearKernel = `extern "C" __global__ void clear(float* C) {
  size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
  C[i] = 0.0f;
}
`;

function writeSplit(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const [bm, bn, tile, slices] = [
    numberOf(o, "block"),
    numberOf(o, "block"),
    numberOf(o, "tile"),
    numberOf(o, "slices"),
  ];
  const atomic = o["combine"] === "atomic";
  const threads = (bm / tile) * (bn / tile);
  const vector = Boolean(o["vector"]);
  const finish = atomic
    ? `  for (int i = 0; i < TM; ++i)
    for (int j = 0; j < TN; ++j) atomicAdd(&C[(size_t)(by * BM + rowOf(ty, i)) * N + bx * BN + colOf(tx, j)], acc[i][j]);`
    : `  float* part = parts + (size_t)slice * M * N;\n${writeBack(vector, "part")}`;
  const source = `constexpr int M = ${m}, N = ${n}, K = ${k}, SLICES = ${slices};
constexpr int BM = ${bm}, BN = ${bn}, BK = ${numberOf(o, "bk")}, TM = ${tile}, TN = ${tile};
constexpr int NT = (BM / TM) * (BN / TN);
${positions(vector ? "contiguous" : "strided")}
${atomic ? clearKernel : reduceKernel(o)}
// The grid's third dimension cuts the sum over k into slices.
extern "C" __global__ void ${when(o["bounds"], "__launch_bounds__(NT) ")}gemm_slice(const float* __restrict__ A, const float* __restrict__ B, float* ${atomic ? "C" : "parts"}) {
  __shared__ __align__(16) float tileA[BK][BM + 4];
  __shared__ __align__(16) float tileB[BK][BN];
  int tid = threadIdx.x;
  int tx = tid % (BN / TN), ty = tid / (BN / TN);
  int bx = blockIdx.x, by = blockIdx.y, slice = blockIdx.z;
${splitCompute(o)}
${finish}
}
`;
  const main = launch("gemm_slice", [n / bn, m / bm, slices], [threads, 1], ["a", "b", atomic ? "c" : "workspace"]);
  const perThread = o["reduceVector"] && !atomic ? 4 : 1;
  const passes = (m * n) / (256 * perThread);
  if (atomic) return { source, launches: [launch("clear", [passes, 1, 1], [256, 1], ["c"]), main] };
  return { source, launches: [main, launch("add_slices", [passes, 1, 1], [256, 1], ["workspace", "c"])] };
}

export const split: Template = {
  id: "split-k",
  from: "register-tile",
  count: 23,
  idea: "cut k into slices for more blocks, then combine the partial products",
  options: {
    block: [64, 128, 32],
    bk: [16, 8, 32],
    tile: [4, 8],
    slices: [4, 2, 8],
    combine: ["workspace", "atomic"],
    vector: [true, false],
    reduceVector: [false, true],
    reduceUnroll: [true, false],
    bounds: [false, true],
  },
  valid: (o) => (Number(o["block"]) / Number(o["tile"])) ** 2 >= 32,
  write: writeSplit,
};

function transposeKernel(staged: boolean, pad: boolean): string {
  if (!staged)
    return `extern "C" __global__ void transpose(const float* A, float* At) {
  int p = blockIdx.x * 32 + threadIdx.x;
  for (int r = threadIdx.y; r < 32; r += 8) At[(size_t)p * M + blockIdx.y * 32 + r] = A[(size_t)(blockIdx.y * 32 + r) * K + p];
}
`;
  return `extern "C" __global__ void transpose(const float* A, float* At) {
  __shared__ float tile[32][32${when(pad, " + 1")}];
  for (int r = threadIdx.y; r < 32; r += 8) tile[r][threadIdx.x] = A[(size_t)(blockIdx.y * 32 + r) * K + blockIdx.x * 32 + threadIdx.x];
  __syncthreads();
  for (int r = threadIdx.y; r < 32; r += 8) At[(size_t)(blockIdx.x * 32 + r) * M + blockIdx.y * 32 + threadIdx.x] = tile[threadIdx.x][r];
}
`;
}

function tileSteps(asynchronous: boolean): string {
  return asynchronous
    ? `  #pragma unroll
  for (int st = 0; st < STAGES - 1; ++st) {
    bring<BM>(At + row0, M, st * BK, xa + st * BK * BM);
    bring<BN>(B + col0, N, st * BK, xb + st * BK * BN);
    COMMIT();
  }
  for (int t = 0; t < K / BK; ++t) {
    WAIT(STAGES - 2);
    __syncthreads();
    const int ahead = t + STAGES - 1, slot = ahead % STAGES, cur = t % STAGES;
    if (ahead < K / BK) {
      bring<BM>(At + row0, M, ahead * BK, xa + slot * BK * BM);
      bring<BN>(B + col0, N, ahead * BK, xb + slot * BK * BN);
    }
    COMMIT();`
    : `  for (int t = 0; t < K / BK; ++t) {
    const int cur = 0;
    __syncthreads();
    bring<BM>(At + row0, M, t * BK, xa);
    bring<BN>(B + col0, N, t * BK, xb);
    __syncthreads();`;
}

function writeTransposed(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const [bm, bn, bk, stages] = [numberOf(o, "bm"), numberOf(o, "bn"), numberOf(o, "bk"), numberOf(o, "stages")];
  const asynchronous = o["copy"] !== "plain";
  const move = asynchronous
    ? "COPY16(&dst[r * W + q], &src[(size_t)(k0 + r) * ld + q]);"
    : "*(float4*)&dst[r * W + q] = *(const float4*)&src[(size_t)(k0 + r) * ld + q];";
  const source = `${asynchronous ? asyncHelpers(String(o["copy"])) : ""}
constexpr int M = ${m}, N = ${n}, K = ${k};
constexpr int BM = ${bm}, BN = ${bn}, BK = ${bk}, TM = ${numberOf(o, "tm")}, TN = 8, STAGES = ${asynchronous ? stages : 1};
constexpr int NT = (BM / TM) * (BN / TN);
${positions(String(o["map"]))}
${transposeKernel(Boolean(o["staged"]), Boolean(o["pad"]))}
// Copies BK rows of W floats.
template <int W>
__device__ __forceinline__ void bring(const float* src, int ld, int k0, float* dst) {
  #pragma unroll
  for (int e = threadIdx.x; e < BK * W / 4; e += NT) {
    const int r = e / (W / 4), q = (e % (W / 4)) * 4;
    ${move}
  }
}

extern "C" __global__ void __launch_bounds__(NT) gemm_tn(const float* __restrict__ At, const float* __restrict__ B, float* __restrict__ C) {
  __shared__ __align__(16) float xa[STAGES * BK * BM];
  __shared__ __align__(16) float xb[STAGES * BK * BN];
  const int bx = blockIdx.x, by = blockIdx.y, row0 = by * BM, col0 = bx * BN;
  const int tx = threadIdx.x % (BN / TN), ty = threadIdx.x / (BN / TN);
  float acc[TM][TN] = {};
${tileSteps(asynchronous)}
    #pragma unroll
    for (int kk = 0; kk < BK; ++kk) {
      float a[TM], b[TN];
${readFragment("a", "TM", (i) => `xa[(cur * BK + kk) * BM + rowOf(ty, ${i})]`, true)}
${readFragment("b", "TN", (j) => `xb[(cur * BK + kk) * BN + colOf(tx, ${j})]`, true)}
      #pragma unroll
      for (int i = 0; i < TM; ++i)
        #pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] = fmaf(a[i], b[j], acc[i][j]);
    }
  }
${writeBack(Boolean(o["wideStore"]))}
}
`;
  return {
    source,
    launches: [
      launch("transpose", [k / 32, m / 32, 1], [32, 8], ["a", "workspace"]),
      launch("gemm_tn", [n / bn, m / bm, 1], [(bm / numberOf(o, "tm")) * (bn / 8), 1], ["workspace", "b", "c"]),
    ],
  };
}

export const transposed: Template = {
  id: "transposed",
  from: "register-tile",
  count: 23,
  idea: "transpose A into the workspace first, so that both tiles are read along rows",
  options: {
    bm: [128, 64],
    bn: [128, 64],
    bk: [8, 16],
    tm: [8, 4],
    stages: [3, 2, 4],
    copy: ["plain", "intrinsic", "ptx"],
    map: ["contiguous", "split"],
    staged: [false, true],
    pad: [true, false],
    wideStore: [true, false],
  },
  valid: (o) => {
    const shared =
      4 * Number(o["bk"]) * (Number(o["bm"]) + Number(o["bn"])) * (o["copy"] === "plain" ? 1 : Number(o["stages"]));
    return shared <= 48 * 1024;
  },
  write: writeTransposed,
};
