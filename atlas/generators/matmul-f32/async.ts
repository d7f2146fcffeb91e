import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { dimensions, numberOf, single, when, type Sizes } from "./common.ts";
import { asyncHelpers, blockOrder, positions, readFragment, threadPlace, writeBack } from "./fragments.ts";

function threadsOf(o: Options): number {
  return (Number(o["bm"]) / Number(o["tm"])) * (Number(o["bn"]) / Number(o["tn"]));
}

function sharedBytes(o: Options): number {
  const [bm, bn, bk, stages] = [Number(o["bm"]), Number(o["bn"]), Number(o["bk"]), Number(o["stages"])];
  const sizeA = o["layoutA"] === "rows" ? bm * (bk + 4) : bk * (bm + 4);
  return 4 * stages * (sizeA + bk * bn);
}

const computeRows = (wide: boolean): string => `    #pragma unroll
    for (int kk = 0; kk < BK; kk += 4) {
      float a[TM][4];
      #pragma unroll
      for (int i = 0; i < TM; ++i) {
        const float4 v = *(const float4*)&As[rowOf(ty, i) * LDA + kk];
        a[i][0] = v.x; a[i][1] = v.y; a[i][2] = v.z; a[i][3] = v.w;
      }
      #pragma unroll
      for (int q = 0; q < 4; ++q) {
        float b[TN];
${readFragment("b", "TN", (j) => `Bs[(kk + q) * BN + colOf(tx, ${j})]`, wide)}
        #pragma unroll
        for (int i = 0; i < TM; ++i)
          #pragma unroll
          for (int j = 0; j < TN; ++j) acc[i][j] += a[i][q] * b[j];
      }
    }`;

const computeColumns = (wide: boolean): string => `    #pragma unroll
    for (int kk = 0; kk < BK; ++kk) {
      float a[TM], b[TN];
${readFragment("a", "TM", (i) => `As[kk * LDA + rowOf(ty, ${i})]`, wide)}
${readFragment("b", "TN", (j) => `Bs[kk * BN + colOf(tx, ${j})]`, wide)}
      #pragma unroll
      for (int i = 0; i < TM; ++i)
        #pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] += a[i] * b[j];
    }`;

function tileLoader(o: Options): string {
  const copyA =
    o["layoutA"] === "rows"
      ? `  for (int e = tid; e < BM * BK / 4; e += NT) {
    const int r = e / (BK / 4), q = (e % (BK / 4)) * 4;
    COPY16(As + r * LDA + q, Ap + (size_t)r * K + k0 + q);
  }`
      : `  for (int e = tid; e < BM * BK; e += NT) {
    const int r = e / BK, q = e % BK;
    COPY4(As + q * LDA + r, Ap + (size_t)r * K + k0 + q);
  }`;
  return `__device__ __forceinline__ void load_tiles(float* As, float* Bs, const float* Ap, const float* Bp, int k0, int tid) {
${when(o["unrollCopies"], "  #pragma unroll\n")}${copyA}
${when(o["unrollCopies"], "  #pragma unroll\n")}  for (int e = tid; e < BK * BN / 4; e += NT) {
    const int r = e / (BN / 4), q = (e % (BN / 4)) * 4;
    COPY16(Bs + r * BN + q, Bp + (size_t)(k0 + r) * N + q);
  }
}
`;
}

function writeAsync(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const rows = o["layoutA"] === "rows";
  const wide = o["map"] !== "strided";
  const source = `${asyncHelpers(String(o["style"]))}
constexpr int M = ${m}, N = ${n}, K = ${k};
constexpr int BM = ${numberOf(o, "bm")}, BN = ${numberOf(o, "bn")}, BK = ${numberOf(o, "bk")}, TM = ${numberOf(o, "tm")}, TN = ${numberOf(o, "tn")};
constexpr int STAGES = ${numberOf(o, "stages")};
constexpr int NT = (BM / TM) * (BN / TN);
constexpr int LDA = ${rows ? "BK + 4" : "BM + 4"};
constexpr int SIZE_A = ${rows ? "BM" : "BK"} * LDA, SIZE_B = BK * BN;
${positions(String(o["map"]))}
${tileLoader(o)}
extern "C" __global__ void __launch_bounds__(NT${when(o["twoBlocks"], ", 2")}) sgemm_async(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {
  extern __shared__ __align__(16) float ring[];
${blockOrder(Boolean(o["grouped"]), m / numberOf(o, "bm"))}
${threadPlace(String(o["place"]))}
  const float* Ap = A + (size_t)by * BM * K;
  const float* Bp = B + bx * BN;
  float acc[TM][TN] = {};
  constexpr int STEPS = K / BK;
  for (int st = 0; st < STAGES - 1; ++st) {
    load_tiles(ring + st * (SIZE_A + SIZE_B), ring + st * (SIZE_A + SIZE_B) + SIZE_A, Ap, Bp, st * BK, tid);
    COMMIT();
  }
  for (int t = 0; t < STEPS; ++t) {
    WAIT(STAGES - 2);
    __syncthreads();
    const int ahead = t + STAGES - 1;
    if (ahead < STEPS) {
      float* dst = ring + (ahead % STAGES) * (SIZE_A + SIZE_B);
      load_tiles(dst, dst + SIZE_A, Ap, Bp, ahead * BK, tid);
    }
    COMMIT();
    const float* As = ring + (t % STAGES) * (SIZE_A + SIZE_B);
    const float* Bs = As + SIZE_A;
${rows ? computeRows(wide) : computeColumns(wide)}
  }
${writeBack(wide)}
}
`;
  return single(
    "sgemm_async",
    source,
    [n / numberOf(o, "bn"), m / numberOf(o, "bm")],
    [threadsOf(o), 1],
    [],
    sharedBytes(o),
  );
}

export const asynchronous: Template = {
  id: "cp-async",
  from: "pipelined",
  count: 34,
  idea: "a ring of shared-memory tiles filled by asynchronous copies",
  options: {
    bm: [128, 64],
    bn: [128, 64],
    bk: [16, 8, 32],
    tm: [8, 4],
    tn: [8, 4],
    stages: [3, 2, 4],
    layoutA: ["rows", "columns"],
    map: ["split", "contiguous", "strided"],
    style: ["intrinsic", "ptx"],
    place: ["plain", "warp"],
    grouped: [false, true],
    twoBlocks: [false, true],
    unrollCopies: [true, false],
  },
  valid: (o) => {
    const threads = threadsOf(o);
    const warped =
      o["place"] !== "warp" ||
      ((Number(o["bn"]) / Number(o["tn"])) % 8 === 0 && (Number(o["bm"]) / Number(o["tm"])) % 4 === 0);
    return threads >= 64 && threads <= (o["twoBlocks"] ? 256 : 512) && warped;
  },
  write: writeAsync,
};
