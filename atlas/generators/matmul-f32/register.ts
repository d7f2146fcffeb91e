import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { dimensions, numberOf, single, sizeNames, when, type Sizes } from "./common.ts";
import { blockOrder, copies, positions, readFragment, threadPlace, writeBack } from "./fragments.ts";

function threadsOf(o: Options): number {
  return (Number(o["bm"]) / Number(o["tm"])) * (Number(o["bn"]) / Number(o["tn"]));
}

function shapeLine(o: Options): string {
  return `constexpr int BM = ${numberOf(o, "bm")}, BN = ${numberOf(o, "bn")}, BK = ${numberOf(o, "bk")}, TM = ${numberOf(o, "tm")}, TN = ${numberOf(o, "tn")};
constexpr int NT = (BM / TM) * (BN / TN);
`;
}

/** What every register-tiled template needs to be meaningful. */
function sane(o: Options): boolean {
  const threads = threadsOf(o);
  const [bm, bn, tm, tn] = [Number(o["bm"]), Number(o["bn"]), Number(o["tm"]), Number(o["tn"])];
  const warped = o["place"] !== "warp" || ((bn / tn) % 8 === 0 && (bm / tm) % 4 === 0);
  return threads >= 64 && threads <= 1024 && warped;
}

function writeRegisterTile(o: Options, s: Sizes): KernelDraft {
  const { m, n } = dimensions(s);
  const names = sizeNames(Boolean(o["fixed"]), s);
  const flipped = o["layoutA"] === "kmajor";
  const vector = Boolean(o["vector"]);
  const map = String(o["map"]);
  const wideReads = map !== "strided";
  const sharedA = flipped ? "As[BK][BM + 4]" : "As[BM][BK + 1]";
  const putA = (row: string, col: string): string => (flipped ? `As[${col}][${row}]` : `As[${row}][${col}]`);
  const source = `${shapeLine(o)}${names.head}${positions(map)}
extern "C" __global__ void ${when(o["bounds"], "__launch_bounds__(NT) ")}sgemm(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C${names.parameters}) {
  __shared__ __align__(16) float ${sharedA};
  __shared__ __align__(16) float Bs[BK][BN];
${blockOrder(Boolean(o["grouped"]), m / numberOf(o, "bm"))}
${threadPlace(String(o["place"]))}
  const float* Ap = A + (size_t)by * BM * K;
  const float* Bp = B + bx * BN;
  float acc[TM][TN] = {};
  for (int k0 = 0; k0 < K; k0 += BK) {
${copies(vector, putA, "Bs")}
    __syncthreads();
${when(o["unroll"], "    #pragma unroll\n")}    for (int kk = 0; kk < BK; ++kk) {
      float a[TM], b[TN];
${readFragment("a", "TM", (i) => (flipped ? `As[kk][rowOf(ty, ${i})]` : `As[rowOf(ty, ${i})][kk]`), wideReads && flipped)}
${readFragment("b", "TN", (j) => `Bs[kk][colOf(tx, ${j})]`, wideReads)}
      #pragma unroll
      for (int i = 0; i < TM; ++i)
        #pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] += a[i] * b[j];
    }
    __syncthreads();
  }
${writeBack(wideReads && vector)}
}
`;
  return single("sgemm", source, [n / numberOf(o, "bn"), m / numberOf(o, "bm")], [threadsOf(o), 1], names.args);
}

export const registerTile: Template = {
  id: "register-tile",
  from: "coarse-1d",
  count: 34,
  idea: "a two-dimensional tile of C in each thread's registers",
  options: {
    bm: [64, 128, 32],
    bn: [64, 128],
    bk: [8, 16, 32],
    tm: [4, 8, 2],
    tn: [4, 8],
    map: ["contiguous", "strided", "split"],
    layoutA: ["mmajor", "kmajor"],
    vector: [false, true],
    fixed: [true, false],
    place: ["plain", "warp"],
    grouped: [false, true],
    unroll: [true, false],
    bounds: [true, false],
  },
  valid: (o) => sane(o) && (o["map"] === "strided" || Number(o["tm"]) >= 4),
  write: writeRegisterTile,
};

function prefetchParts(): { fetch: string; stash: (buffer: string) => string } {
  const fetch = `#pragma unroll
      for (int u = 0; u < LA; ++u) {
        const int e = tid + u * NT;
        stageA[u] = *(const float4*)&Ablk[(size_t)(e / (BK / 4)) * K + next + (e % (BK / 4)) * 4];
      }
      #pragma unroll
      for (int u = 0; u < LB; ++u) {
        const int e = tid + u * NT;
        stageB[u] = *(const float4*)&Bblk[(size_t)(next + e / (BN / 4)) * N + (e % (BN / 4)) * 4];
      }`;
  const stash = (buffer: string): string => `#pragma unroll
      for (int u = 0; u < LA; ++u) {
        const int e = tid + u * NT, r = e / (BK / 4), q = (e % (BK / 4)) * 4;
        sa${buffer}[q][r] = stageA[u].x;
        sa${buffer}[q + 1][r] = stageA[u].y;
        sa${buffer}[q + 2][r] = stageA[u].z;
        sa${buffer}[q + 3][r] = stageA[u].w;
      }
      #pragma unroll
      for (int u = 0; u < LB; ++u) {
        const int e = tid + u * NT;
        *(float4*)&sb${buffer}[e / (BN / 4)][(e % (BN / 4)) * 4] = stageB[u];
      }`;
  return { fetch, stash };
}

function innerProduct(o: Options, buffer: string): string {
  const wide = o["map"] !== "strided";
  const readA = (index: string) => (i: string) => `sa${buffer}[${index}][rowOf(ty, ${i})]`;
  const readB = (index: string) => (j: string) => `sb${buffer}[${index}][colOf(tx, ${j})]`;
  const multiply = (a: string, b: string): string => `      #pragma unroll
      for (int i = 0; i < TM; ++i)
        #pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] = fmaf(${a}[i], ${b}[j], acc[i][j]);`;
  if (!o["fragments"])
    return `    #pragma unroll
    for (int kk = 0; kk < BK; ++kk) {
      float fa[TM], fb[TN];
${readFragment("fa", "TM", readA("kk"), wide)}
${readFragment("fb", "TN", readB("kk"), wide)}
${multiply("fa", "fb")}
    }`;
  return `    float fa[2][TM], fb[2][TN];
    {
${readFragment("fa[0]", "TM", readA("0"), wide)}
${readFragment("fb[0]", "TN", readB("0"), wide)}
    }
    #pragma unroll
    for (int kk = 0; kk < BK; ++kk) {
      if (kk + 1 < BK) {
${readFragment("fa[(kk + 1) & 1]", "TM", readA("kk + 1"), wide)}
${readFragment("fb[(kk + 1) & 1]", "TN", readB("kk + 1"), wide)}
      }
${multiply("fa[kk & 1]", "fb[kk & 1]")}
    }`;
}

function writePipelined(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const double = Boolean(o["double"]);
  const { fetch, stash } = prefetchParts();
  const pad = when(o["pad"], " + 4");
  const turn = double
    ? `    if (next < K) {
      ${stash("[cur ^ 1]")}
      __syncthreads();
      cur ^= 1;
    }`
    : `    __syncthreads();
    if (next < K) {
      ${stash("")}
      __syncthreads();
    }`;
  const source = `${shapeLine(o)}constexpr int M = ${m}, N = ${n}, K = ${k};
constexpr int LA = BM * BK / 4 / NT, LB = BN * BK / 4 / NT;
${positions(String(o["map"]))}
extern "C" __global__ void __launch_bounds__(NT${when(o["twoBlocks"], ", 2")}) sgemm_prefetch(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {
  __shared__ __align__(16) float sa${when(double, "[2]")}[BK][BM${pad}];
  __shared__ __align__(16) float sb${when(double, "[2]")}[BK][BN];
${blockOrder(Boolean(o["grouped"]), m / numberOf(o, "bm"))}
${threadPlace(String(o["place"]))}
  const float* Ablk = A + (size_t)by * BM * K;
  const float* Bblk = B + bx * BN;
  float4 stageA[LA], stageB[LB];
  float acc[TM][TN] = {};
${when(double, "  int cur = 0;\n")}  int next = 0;
  {
      ${fetch}
      ${stash(when(double, "[0]"))}
  }
  __syncthreads();
  for (int k0 = 0; k0 < K; k0 += BK) {
    next = k0 + BK;
    if (next < K) {
      ${fetch}
    }
${innerProduct(o, when(double, "[cur]"))}
${turn}
  }
${writeBack(o["map"] !== "strided")}
}
`;
  return single("sgemm_prefetch", source, [n / numberOf(o, "bn"), m / numberOf(o, "bm")], [threadsOf(o), 1]);
}

export const pipelined: Template = {
  id: "pipelined",
  from: "register-tile",
  count: 34,
  idea: "fetch the next tile into registers while the present one is multiplied",
  options: {
    bm: [128, 64],
    bn: [128, 64, 256],
    bk: [8, 16],
    tm: [8, 4],
    tn: [8, 4],
    map: ["split", "contiguous", "strided"],
    double: [true, false],
    fragments: [false, true],
    place: ["plain", "warp"],
    grouped: [false, true],
    pad: [true, false],
    twoBlocks: [false, true],
  },
  valid: (o) => {
    const threads = threadsOf(o);
    const enough =
      (Number(o["bm"]) * Number(o["bk"])) % (4 * threads) === 0 &&
      (Number(o["bn"]) * Number(o["bk"])) % (4 * threads) === 0;
    const shared = Number(o["bk"]) * (Number(o["bm"]) + Number(o["bn"]) + 4) * (o["double"] ? 8 : 4);
    return sane(o) && enough && threads <= (o["twoBlocks"] ? 256 : 512) && shared <= 48 * 1024;
  },
  write: writePipelined,
};
