import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { dimensions, numberOf, single, sizeNames, when, type Sizes } from "./common.ts";

function writeTiled(o: Options, s: Sizes): KernelDraft {
  const { m, n } = dimensions(s);
  const tile = numberOf(o, "tile");
  const names = sizeNames(Boolean(o["fixed"]), s);
  const pad = when(o["pad"], " + 1");
  const flipped = Boolean(o["flipA"]);
  const q = when(o["restrict"], " __restrict__");
  const buffers = o["double"] ? 2 : 1;
  const index = buffers === 2 ? "[cur]" : "";
  const other = buffers === 2 ? "[cur ^ 1]" : "";
  const slotA = flipped ? "[tx][ty]" : "[ty][tx]";
  const readA = flipped ? `As${index}[i][ty]` : `As${index}[ty][i]`;
  const loop =
    buffers === 2
      ? `  int cur = 0;
  As[0]${slotA} = A[row * K + tx];
  Bs[0][ty][tx] = B[ty * N + col];
  __syncthreads();
  for (int t = 0; t < K / TILE; ++t) {
    if (t + 1 < K / TILE) {
      As${other}${slotA} = A[row * K + (t + 1) * TILE + tx];
      Bs${other}[ty][tx] = B[((t + 1) * TILE + ty) * N + col];
    }
${when(o["unroll"], "    #pragma unroll\n")}    for (int i = 0; i < TILE; ++i) acc += ${readA} * Bs${index}[i][tx];
    __syncthreads();
    cur ^= 1;
  }`
      : `  for (int t = 0; t < K / TILE; ++t) {
    As${slotA} = A[row * K + t * TILE + tx];
    Bs[ty][tx] = B[(t * TILE + ty) * N + col];
    __syncthreads();
${when(o["unroll"], "    #pragma unroll\n")}    for (int i = 0; i < TILE; ++i) acc += ${readA} * Bs[i][tx];
    __syncthreads();
  }`;
  const source = `#define TILE ${tile}
${names.head}
extern "C" __global__ void matmul_tiled(const float*${q} A, const float*${q} B, float*${q} C${names.parameters}) {
  __shared__ float As${when(buffers === 2, "[2]")}[TILE][TILE${pad}];
  __shared__ float Bs${when(buffers === 2, "[2]")}[TILE][TILE];
  int tx = threadIdx.x, ty = threadIdx.y;
  int row = blockIdx.y * TILE + ty;
  int col = blockIdx.x * TILE + tx;
  float acc = 0.0f;
${loop}
  C[row * N + col] = acc;
}
`;
  return single("matmul_tiled", source, [n / tile, m / tile], [tile, tile], names.args);
}

export const tiled: Template = {
  id: "tiled",
  from: "naive",
  count: 27,
  idea: "square tiles of A and B in shared memory, one element of C per thread",
  options: {
    tile: [16, 32, 8],
    fixed: [true, false],
    pad: [false, true],
    flipA: [false, true],
    double: [false, true],
    unroll: [true, false],
    restrict: [true, false],
  },
  write: writeTiled,
};

function writeCoarse(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const [bm, bn, bk, per] = [numberOf(o, "bm"), numberOf(o, "bn"), numberOf(o, "bk"), numberOf(o, "per")];
  const threads = (bm * bn) / per;
  const down = o["direction"] === "down";
  const spread = Boolean(o["spread"]);
  const along = down ? "BM" : "BN";
  const place = down
    ? `  const int tc = threadIdx.x % BN;\n  const int tr = threadIdx.x / BN;`
    : `  const int tc = threadIdx.x % (BN / PER);\n  const int tr = threadIdx.x / (BN / PER);`;
  const mine = down ? "tr" : "tc";
  const item = spread ? `${mine} + j * (${along} / PER)` : `${mine} * PER + j`;
  const compute = down
    ? `      const float bv = tileB[p][tc];
      #pragma unroll
      for (int j = 0; j < PER; ++j) sum[j] += tileA[${item}][p] * bv;`
    : `      const float av = tileA[tr][p];
      #pragma unroll
      for (int j = 0; j < PER; ++j) sum[j] += av * tileB[p][${item}];`;
  const store = down
    ? `C[(size_t)(row0 + ${item}) * ${n} + col0 + tc] = sum[j];`
    : `C[(size_t)(row0 + tr) * ${n} + col0 + ${item}] = sum[j];`;
  const source = `constexpr int BM = ${bm}, BN = ${bn}, BK = ${bk}, PER = ${per};
constexpr int THREADS = BM * BN / PER;

extern "C" __global__ void ${when(o["bounds"], "__launch_bounds__(THREADS) ")}matmul_1d(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {
  __shared__ float tileA[BM][BK${when(o["pad"], " + 1")}];
  __shared__ float tileB[BK][BN];
  const int row0 = blockIdx.y * BM;
  const int col0 = blockIdx.x * BN;
${place}
  float sum[PER] = {};
  for (int k0 = 0; k0 < ${k}; k0 += BK) {
    for (int i = threadIdx.x; i < BM * BK; i += THREADS) tileA[i / BK][i % BK] = A[(size_t)(row0 + i / BK) * ${k} + k0 + i % BK];
    for (int i = threadIdx.x; i < BK * BN; i += THREADS) tileB[i / BN][i % BN] = B[(size_t)(k0 + i / BN) * ${n} + col0 + i % BN];
    __syncthreads();
${when(o["unroll"], "    #pragma unroll\n")}    for (int p = 0; p < BK; ++p) {
${compute}
    }
    __syncthreads();
  }
  #pragma unroll
  for (int j = 0; j < PER; ++j) ${store}
}
`;
  return single("matmul_1d", source, [n / bn, m / bm], [threads, 1]);
}

export const coarse: Template = {
  id: "coarse-1d",
  from: "tiled",
  count: 25,
  idea: "several elements of C per thread along one direction, so that each shared value is used more often",
  options: {
    bm: [64, 32, 128],
    bn: [64, 32, 128],
    bk: [8, 16, 32],
    per: [8, 4, 16],
    direction: ["down", "across"],
    spread: [false, true],
    pad: [false, true],
    unroll: [true, false],
    bounds: [false, true],
  },
  valid: (o) => {
    const threads = (Number(o["bm"]) * Number(o["bn"])) / Number(o["per"]);
    return threads >= 64 && threads <= 1024;
  },
  write: writeCoarse,
};
