import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { asyncCopy, blockOrder, dimensions, numberOf, single, when, type Sizes } from "./common.ts";

/** Where the 16-byte chunk `chunk` of tile row `row` lies, in bytes from the tile's start. */
function chunkAddress(layout: string, bk: number): string {
  if (layout === "padded") return "return (row * (BK + 8) + chunk * 8) * 2;";
  if (layout === "linear") return "return (row * BK + chunk * 8) * 2;";
  return bk === 64
    ? "return (row * BK + (chunk ^ (row & 7)) * 8) * 2;"
    : "return (row * BK + (chunk ^ ((row >> 1) & 3)) * 8) * 2;";
}

const instructions = `__device__ __forceinline__ void ldsm4(unsigned& r0, unsigned& r1, unsigned& r2, unsigned& r3, unsigned addr) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r0), "=r"(r1), "=r"(r2), "=r"(r3) : "r"(addr) : "memory");
}
__device__ __forceinline__ void mma16816(float* d, const unsigned* a, const unsigned* b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
`;

/** Loads the fragments of one step of 16 along k, by ldmatrix or by 32-bit shared loads. */
function fragmentLoads(o: Options, slot: string, kk: string): string {
  if (o["fragments"] === "ldmatrix")
    return `      #pragma unroll
      for (int i = 0; i < MI; ++i)
        ldsm4(fa${slot}[i][0], fa${slot}[i][1], fa${slot}[i][2], fa${slot}[i][3], ta + chunk_at(wr + i * 16 + (lane & 15), ${kk} / 8 + (lane >> 4)));
      #pragma unroll
      for (int j = 0; j < NI; j += 2)
        ldsm4(fb${slot}[j][0], fb${slot}[j][1], fb${slot}[j + 1][0], fb${slot}[j + 1][1], tb + chunk_at(wc + j * 8 + ((lane >> 4) << 3) + (lane & 7), ${kk} / 8 + ((lane >> 3) & 1)));`;
  return `      #pragma unroll
      for (int i = 0; i < MI; ++i) {
        const int r = wr + i * 16 + lane / 4;
        fa${slot}[i][0] = *(const unsigned*)(pa + chunk_at(r, ${kk} / 8) + lane % 4 * 4);
        fa${slot}[i][1] = *(const unsigned*)(pa + chunk_at(r + 8, ${kk} / 8) + lane % 4 * 4);
        fa${slot}[i][2] = *(const unsigned*)(pa + chunk_at(r, ${kk} / 8 + 1) + lane % 4 * 4);
        fa${slot}[i][3] = *(const unsigned*)(pa + chunk_at(r + 8, ${kk} / 8 + 1) + lane % 4 * 4);
      }
      #pragma unroll
      for (int j = 0; j < NI; ++j) {
        const int r = wc + j * 8 + lane / 4;
        fb${slot}[j][0] = *(const unsigned*)(pb + chunk_at(r, ${kk} / 8) + lane % 4 * 4);
        fb${slot}[j][1] = *(const unsigned*)(pb + chunk_at(r, ${kk} / 8 + 1) + lane % 4 * 4);
      }`;
}

function multiplyTile(o: Options): string {
  const products = (slot: string): string => `      #pragma unroll
      for (int i = 0; i < MI; ++i)
        #pragma unroll
        for (int j = 0; j < NI; ++j) mma16816(acc[i][j], fa${slot}[i], fb${slot}[j]);`;
  if (!o["ahead"])
    return `    #pragma unroll
    for (int kk = 0; kk < BK; kk += 16) {
      unsigned fa[MI][4], fb[NI][2];
${fragmentLoads(o, "", "kk")}
${products("")}
    }`;
  return `    unsigned fa[2][MI][4], fb[2][NI][2];
    {
${fragmentLoads(o, "[0]", "0")}
    }
    #pragma unroll
    for (int kk = 0; kk < BK; kk += 16) {
      const int now = kk / 16 & 1;
      if (kk + 16 < BK) {
${fragmentLoads(o, "[now ^ 1]", "(kk + 16)")}
      }
${products("[now]")}
    }`;
}

function mainLoop(o: Options): string {
  const views = (slot: string): string =>
    o["fragments"] === "ldmatrix"
      ? `    const unsigned ta = base + ${slot} * STAGE_BYTES, tb = ta + TILE_A;`
      : `    const unsigned char* pa = smem + ${slot} * STAGE_BYTES;\n    const unsigned char* pb = pa + TILE_A;`;
  if (o["copy"] === "async")
    return `  #pragma unroll
  for (int s = 0; s < STAGES - 1; ++s) {
    load_tile<BM>(base + s * STAGE_BYTES, ag, s * BK);
    load_tile<BN>(base + s * STAGE_BYTES + TILE_A, bg, s * BK);
    copy_commit();
  }
  for (int t = 0; t < K / BK; ++t) {
    copy_wait<STAGES - 2>();
    __syncthreads();
    const int ahead = t + STAGES - 1;
    if (ahead < K / BK) {
      load_tile<BM>(base + ahead % STAGES * STAGE_BYTES, ag, ahead * BK);
      load_tile<BN>(base + ahead % STAGES * STAGE_BYTES + TILE_A, bg, ahead * BK);
    }
    copy_commit();
${views("(t % STAGES)")}
${multiplyTile(o)}
  }`;
  return `  uint4 keepA[BM * BK / 8 / NT], keepB[BN * BK / 8 / NT];
  fetch_tile<BM>(keepA, ag, 0);
  fetch_tile<BN>(keepB, bg, 0);
  for (int t = 0; t < K / BK; ++t) {
    __syncthreads();
    put_tile<BM>(smem, keepA);
    put_tile<BN>(smem + TILE_A, keepB);
    __syncthreads();
    if (t + 1 < K / BK) {
      fetch_tile<BM>(keepA, ag, (t + 1) * BK);
      fetch_tile<BN>(keepB, bg, (t + 1) * BK);
    }
${views("0")}
${multiplyTile(o)}
  }`;
}

function tileCopies(o: Options): string {
  if (o["copy"] === "async")
    return `template <int ROWS>
__device__ __forceinline__ void load_tile(unsigned dst, const half* src, int k0) {
  #pragma unroll
  for (int e = threadIdx.x; e < ROWS * BK / 8; e += NT) {
    const int r = e / (BK / 8), ch = e % (BK / 8);
    copy_async(dst + chunk_at(r, ch), src + (size_t)r * K + k0 + ch * 8);
  }
}
`;
  return `template <int ROWS>
__device__ __forceinline__ void fetch_tile(uint4* keep, const half* src, int k0) {
  #pragma unroll
  for (int u = 0; u < ROWS * BK / 8 / NT; ++u) {
    const int e = threadIdx.x + u * NT;
    keep[u] = *(const uint4*)(src + (size_t)(e / (BK / 8)) * K + k0 + e % (BK / 8) * 8);
  }
}
template <int ROWS>
__device__ __forceinline__ void put_tile(unsigned char* dst, const uint4* keep) {
  #pragma unroll
  for (int u = 0; u < ROWS * BK / 8 / NT; ++u) {
    const int e = threadIdx.x + u * NT;
    *(uint4*)(dst + chunk_at(e / (BK / 8), e % (BK / 8))) = keep[u];
  }
}
`;
}

function epilogue(o: Options): string {
  if (o["store"] === "direct")
    return `  #pragma unroll
  for (int i = 0; i < MI; ++i) {
    #pragma unroll
    for (int j = 0; j < NI; ++j) {
      half* out = c + (size_t)(by * BM + wr + i * 16 + lane / 4) * N + bx * BN + wc + j * 8 + lane % 4 * 2;
      *(half2*)out = __floats2half2_rn(acc[i][j][0], acc[i][j][1]);
      *(half2*)(out + 8 * N) = __floats2half2_rn(acc[i][j][2], acc[i][j][3]);
    }
  }`;
  return `  __syncthreads();
  half* board = (half*)smem;
  #pragma unroll
  for (int i = 0; i < MI; ++i) {
    #pragma unroll
    for (int j = 0; j < NI; ++j) {
      half* at = board + (wr + i * 16 + lane / 4) * (BN + 8) + wc + j * 8 + lane % 4 * 2;
      *(half2*)at = __floats2half2_rn(acc[i][j][0], acc[i][j][1]);
      *(half2*)(at + 8 * (BN + 8)) = __floats2half2_rn(acc[i][j][2], acc[i][j][3]);
    }
  }
  __syncthreads();
  for (int e = threadIdx.x; e < BM * BN / 8; e += NT) {
    const int r = e / (BN / 8), q = e % (BN / 8) * 8;
    *(uint4*)(c + (size_t)(by * BM + r) * N + bx * BN + q) = *(const uint4*)(board + r * (BN + 8) + q);
  }`;
}

function sharedBytes(o: Options): number {
  const [bm, bn, bk] = [Number(o["bm"]), Number(o["bn"]), Number(o["bk"])];
  const row = 2 * (bk + (o["layout"] === "padded" ? 8 : 0));
  const ring = (bm + bn) * row * (o["copy"] === "async" ? Number(o["stages"]) : 1);
  return o["store"] === "direct" ? ring : Math.max(ring, bm * (bn + 8) * 2);
}

function writeMma(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const bk = numberOf(o, "bk");
  const threads = numberOf(o, "warpsM") * numberOf(o, "warpsN") * 32;
  const row = o["layout"] === "padded" ? "(BK + 8)" : "BK";
  const ldmatrix = o["fragments"] === "ldmatrix";
  const asynchronous = o["copy"] === "async";
  const helpers = ldmatrix
    ? instructions
    : instructions.slice(instructions.indexOf("__device__ __forceinline__ void mma16816"));
  const source = `#include <cuda_fp16.h>

constexpr int M = ${m}, N = ${n}, K = ${k};
constexpr int BM = ${numberOf(o, "bm")}, BN = ${numberOf(o, "bn")}, BK = ${bk};
constexpr int WARPS_M = ${numberOf(o, "warpsM")}, WARPS_N = ${numberOf(o, "warpsN")}, NT = 32 * WARPS_M * WARPS_N;
constexpr int MI = BM / WARPS_M / 16, NI = BN / WARPS_N / 8;
constexpr int TILE_A = BM * ${row} * 2, TILE_B = BN * ${row} * 2, STAGE_BYTES = TILE_A + TILE_B;
${when(asynchronous, `constexpr int STAGES = ${numberOf(o, "stages")};\n`)}
// Byte offset of an eight-half chunk inside a tile.
__device__ __forceinline__ int chunk_at(int row, int chunk) {
  ${chunkAddress(String(o["layout"]), bk)}
}
${when(asynchronous, asyncCopy)}${helpers}${tileCopies(o)}
extern "C" __global__ void __launch_bounds__(NT${when(o["twoBlocks"], ", 2")}) linear_mma(const half* __restrict__ a, const half* __restrict__ b, half* __restrict__ c) {
  extern __shared__ __align__(128) unsigned char smem[];
${when(ldmatrix || asynchronous, "  const unsigned base = (unsigned)__cvta_generic_to_shared(smem);\n")}${blockOrder(Boolean(o["grouped"]), m / numberOf(o, "bm"))}
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int wr = warp / WARPS_N * (BM / WARPS_M), wc = warp % WARPS_N * (BN / WARPS_N);
  const half* ag = a + (size_t)by * BM * K;
  const half* bg = b + (size_t)bx * BN * K;
  float acc[MI][NI][4] = {};
${mainLoop(o)}
${epilogue(o)}
}
`;
  return single("linear_mma", source, [n / numberOf(o, "bn"), m / numberOf(o, "bm")], [threads, 1], [], sharedBytes(o));
}

export const mmaSync: Template = {
  id: "mma-sync",
  from: "wmma-shared",
  count: 49,
  idea: "mma.sync with explicit fragments from shared memory",
  options: {
    bm: [128, 64, 256],
    bn: [128, 64, 256],
    bk: [32, 64],
    warpsM: [2, 4],
    warpsN: [4, 2],
    stages: [3, 2, 4],
    copy: ["registers", "async", "async"],
    layout: ["padded", "swizzled", "linear"],
    fragments: ["ldmatrix", "loads", "ldmatrix"],
    ahead: [false, true],
    store: ["direct", "board"],
    grouped: [false, true],
    twoBlocks: [false, true],
  },
  valid: (o) => {
    const [bm, bn, wm, wn] = [Number(o["bm"]), Number(o["bn"]), Number(o["warpsM"]), Number(o["warpsN"])];
    const threads = 32 * wm * wn;
    const perThread = (bm * bn) / threads;
    const chunks = (Math.min(bm, bn) * Number(o["bk"])) / 8;
    const roomy = sharedBytes(o) <= (o["twoBlocks"] ? 113 : 220) * 1024;
    return (
      perThread >= 16 && perThread <= (o["twoBlocks"] ? 64 : 128) && bn / wn >= 16 && chunks % threads === 0 && roomy
    );
  },
  write: writeMma,
};
