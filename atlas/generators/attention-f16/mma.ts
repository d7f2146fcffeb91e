import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { asyncCopy, dimensions, exponential, numberOf, single, when, type Sizes } from "./common.ts";

const instructions = `__device__ __forceinline__ void ldsm4(unsigned* r, unsigned addr) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(addr) : "memory");
}
__device__ __forceinline__ void ldsm4_trans(unsigned* r, unsigned addr) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(addr) : "memory");
}
__device__ __forceinline__ void mma(float* d, const unsigned* a, unsigned b0, unsigned b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ unsigned pack(float x, float y) {
  const half2 h = __floats2half2_rn(x, y);
  return *(const unsigned*)&h;
}
`;

function exponent(o: Options): { helper: string; scale: string; call: (x: string) => string } {
  if (o["exp"] !== "ptx") return { helper: "", ...exponential(String(o["exp"])) };
  const helper = `__device__ __forceinline__ float ex2(float x) {
  float y;
  asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
`;
  return { helper, scale: "0.18033688f", call: (x) => `ex2(${x})` };
}

function loader(o: Options): string {
  const address = o["layout"] === "padded" ? "r * 144 + ch * 16" : "r * 128 + ((ch ^ (r & 7)) << 4)";
  const move =
    o["copy"] === "async"
      ? "cp16(dst + at(r, ch), src + (size_t)r * D + ch * 8);"
      : "*(uint4*)(pool + dst + at(r, ch)) = *(const uint4*)(src + (size_t)r * D + ch * 8);";
  const pool = o["copy"] === "async" ? "unsigned dst" : "unsigned char* pool, unsigned dst";
  return `// Byte offset of chunk ch (eight halves) of row r.
__device__ __forceinline__ unsigned at(int r, int ch) {
  return ${address};
}
template <int ROWS>
__device__ __forceinline__ void bring(${pool}, const half* src) {
  #pragma unroll
  for (int e = threadIdx.x; e < ROWS * 8; e += NT) {
    const int r = e >> 3, ch = e & 7;
    ${move}
  }
}
`;
}

function scoreProducts(o: Options): string {
  const reload = o["query"] === "reload";
  return `    float sc[MT][BC / 8][4] = {};
    #pragma unroll
    for (int d = 0; d < 4; ++d) {
${when(
  reload,
  `      unsigned fq[MT][4];
      #pragma unroll
      for (int m = 0; m < MT; ++m) ldsm4(fq[m], qBase + at(warpRow + m * 16 + (lane & 15), d * 2 + (lane >> 4)));
`,
)}      #pragma unroll
      for (int n = 0; n < BC / 16; ++n) {
        unsigned fk[4];
        ldsm4(fk, kBase + at(n * 16 + ((lane >> 4) << 3) + (lane & 7), d * 2 + ((lane >> 3) & 1)));
        #pragma unroll
        for (int m = 0; m < MT; ++m) {
          mma(sc[m][2 * n], fq[m]${when(!reload, "[d]")}, fk[0], fk[1]);
          mma(sc[m][2 * n + 1], fq[m]${when(!reload, "[d]")}, fk[2], fk[3]);
        }
      }
    }`;
}

function maskScores(o: Options): string {
  const open = o["mask"] === "diagonal" ? "if (j0 + BC > i0 + warpRow) " : "";
  return `    ${open}{
      #pragma unroll
      for (int m = 0; m < MT; ++m)
        #pragma unroll
        for (int n = 0; n < BC / 8; ++n)
          #pragma unroll
          for (int e = 0; e < 4; ++e)
            if (j0 + n * 8 + lane % 4 * 2 + (e & 1) > i0 + warpRow + m * 16 + lane / 4 + (e >> 1) * 8) sc[m][n][e] = -1e30f;
    }`;
}

function softmaxStep(o: Options): string {
  const exp = exponent(o);
  const folded = o["scaling"] === "folded";
  const prescale = folded
    ? ""
    : `    #pragma unroll
    for (int m = 0; m < MT; ++m)
      #pragma unroll
      for (int n = 0; n < BC / 8; ++n)
        #pragma unroll
        for (int e = 0; e < 4; ++e) sc[m][n][e] *= ${exp.scale};
`;
  const fade = folded ? exp.call(`(top[m][h] - next) * ${exp.scale}`) : exp.call("top[m][h] - next");
  const shift = folded ? `        const float base = next * ${exp.scale};\n` : "";
  const value = (element: string): string =>
    folded ? exp.call(`fmaf(${element}, ${exp.scale}, -base)`) : exp.call(`${element} - next`);
  return `${prescale}${maskScores(o)}
    #pragma unroll
    for (int m = 0; m < MT; ++m) {
      #pragma unroll
      for (int h = 0; h < 2; ++h) {
        float next = top[m][h];
        #pragma unroll
        for (int n = 0; n < BC / 8; ++n) next = fmaxf(next, fmaxf(sc[m][n][2 * h], sc[m][n][2 * h + 1]));
        next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 1));
        next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 2));
        const float fade = ${fade};
${shift}        top[m][h] = next;
        sum[m][h] *= fade;
        #pragma unroll
        for (int n = 0; n < 8; ++n) {
          acc[m][n][2 * h] *= fade;
          acc[m][n][2 * h + 1] *= fade;
        }
        #pragma unroll
        for (int n = 0; n < BC / 8; ++n) {
          sc[m][n][2 * h] = ${value("sc[m][n][2 * h]")};
          sc[m][n][2 * h + 1] = ${value("sc[m][n][2 * h + 1]")};
          sum[m][h] += sc[m][n][2 * h] + sc[m][n][2 * h + 1];
        }
      }
    }`;
}

const valueProducts = `    #pragma unroll
    for (int t = 0; t < BC / 16; ++t) {
      unsigned fp[MT][4];
      #pragma unroll
      for (int m = 0; m < MT; ++m) {
        fp[m][0] = pack(sc[m][2 * t][0], sc[m][2 * t][1]);
        fp[m][1] = pack(sc[m][2 * t][2], sc[m][2 * t][3]);
        fp[m][2] = pack(sc[m][2 * t + 1][0], sc[m][2 * t + 1][1]);
        fp[m][3] = pack(sc[m][2 * t + 1][2], sc[m][2 * t + 1][3]);
      }
      #pragma unroll
      for (int n = 0; n < 4; ++n) {
        unsigned fv[4];
        ldsm4_trans(fv, vBase + at(t * 16 + (lane & 15), n * 2 + (lane >> 4)));
        #pragma unroll
        for (int m = 0; m < MT; ++m) {
          mma(acc[m][2 * n], fp[m], fv[0], fv[1]);
          mma(acc[m][2 * n + 1], fp[m], fv[2], fv[3]);
        }
      }
    }`;

function tileLoop(o: Options): string {
  const work = `${scoreProducts(o)}
${softmaxStep(o)}
${valueProducts}`;
  const guarded =
    o["mask"] === "diagonal" && o["warpSkip"]
      ? `    if (j0 <= i0 + warpRow + MT * 16 - 1) {
${work}
    }`
      : work;
  if (o["copy"] === "plain")
    return `  for (int j0 = 0; j0 < i0 + BR; j0 += BC) {
    __syncthreads();
    bring<BC>(pool, Q_BYTES, kh + (size_t)j0 * D);
    bring<BC>(pool, Q_BYTES + TILE, vh + (size_t)j0 * D);
    __syncthreads();
    const unsigned kBase = base + Q_BYTES, vBase = kBase + TILE;
${guarded}
  }`;
  return `  const int tiles = (i0 + BR + BC - 1) / BC;
  for (int t = 0; t < tiles; ++t) {
    cp_wait<STAGES - 2>();
    __syncthreads();
    const int ahead = t + STAGES - 1, j0 = t * BC;
    if (ahead < tiles) {
      const unsigned dst = base + Q_BYTES + ahead % STAGES * 2 * TILE;
      bring<BC>(dst, kh + (size_t)ahead * BC * D);
      bring<BC>(dst + TILE, vh + (size_t)ahead * BC * D);
    }
    cp_commit();
    const unsigned kBase = base + Q_BYTES + t % STAGES * 2 * TILE, vBase = kBase + TILE;
${guarded}
  }`;
}

function prologue(o: Options): string {
  const hold =
    o["query"] === "hold"
      ? `  unsigned fq[MT][4][4];
  #pragma unroll
  for (int m = 0; m < MT; ++m)
    #pragma unroll
    for (int d = 0; d < 4; ++d) ldsm4(fq[m][d], qBase + at(warpRow + m * 16 + (lane & 15), d * 2 + (lane >> 4)));
`
      : "";
  if (o["copy"] === "plain") return `  bring<BR>(pool, 0, q + head + (size_t)i0 * D);\n  __syncthreads();\n${hold}`;
  return `  bring<BR>(base, q + head + (size_t)i0 * D);
  cp_commit();
  #pragma unroll
  for (int s = 0; s < STAGES - 1; ++s) {
    if (s * BC < i0 + BR) {
      bring<BC>(base + Q_BYTES + s * 2 * TILE, kh + (size_t)s * BC * D);
      bring<BC>(base + Q_BYTES + s * 2 * TILE + TILE, vh + (size_t)s * BC * D);
    }
    cp_commit();
  }
${when(o["query"] === "hold", "  cp_wait<STAGES - 1>();\n  __syncthreads();\n")}${hold}`;
}

function epilogue(o: Options): string {
  const normal = `  #pragma unroll
  for (int m = 0; m < MT; ++m) {
    #pragma unroll
    for (int h = 0; h < 2; ++h) {
      float total = sum[m][h];
      total += __shfl_xor_sync(0xffffffffu, total, 1);
      total += __shfl_xor_sync(0xffffffffu, total, 2);
      const float inverse = 1.0f / total;
      const int r = warpRow + m * 16 + h * 8 + lane / 4;
      #pragma unroll
      for (int n = 0; n < 8; ++n) {
        const half2 pair = __floats2half2_rn(acc[m][n][2 * h] * inverse, acc[m][n][2 * h + 1] * inverse);
        PLACE = pair;
      }
    }
  }`;
  if (o["store"] === "direct")
    return normal.replace("PLACE", "*(half2*)(o + head + (size_t)(i0 + r) * D + n * 8 + lane % 4 * 2)");
  return `  __syncthreads();
${normal.replace("PLACE", "*(half2*)(pool + at(r, n) + lane % 4 * 4)")}
  __syncwarp();
  for (int e = lane; e < MT * 16 * 8; e += 32) {
    const int r = warpRow + (e >> 3), ch = e & 7;
    *(uint4*)(o + head + (size_t)(i0 + r) * D + ch * 8) = *(const uint4*)(pool + at(r, ch));
  }`;
}

function sharedBytes(o: Options): number {
  const row = o["layout"] === "padded" ? 144 : 128;
  const stages = o["copy"] === "async" ? Number(o["stages"]) : 1;
  return row * (Number(o["warps"]) * 16 * Number(o["rows"]) + 2 * stages * Number(o["bc"]));
}

function writeFlashMma(o: Options, s: Sizes): KernelDraft {
  const { heads, seq } = dimensions(s);
  const [warps, mt] = [numberOf(o, "warps"), numberOf(o, "rows")];
  const row = o["layout"] === "padded" ? 144 : 128;
  const asynchronous = o["copy"] === "async";
  const headsFirst = o["grid"] === "heads-first";
  const [tile, headIndex, tileCount] = headsFirst
    ? ["blockIdx.y", "blockIdx.x", "gridDim.y"]
    : ["blockIdx.x", "blockIdx.y", "gridDim.x"];
  const br = warps * 16 * mt;
  const source = `#include <cuda_fp16.h>

constexpr int S = ${seq}, D = 64, WARPS = ${warps}, NT = WARPS * 32, MT = ${mt}, BR = WARPS * MT * 16, BC = ${numberOf(o, "bc")};
constexpr int Q_BYTES = BR * ${row}, TILE = BC * ${row}${when(asynchronous, `, STAGES = ${numberOf(o, "stages")}`)};

${when(asynchronous, asyncCopy)}${instructions}${exponent(o).helper}${loader(o)}
// Each warp keeps MT x 16 queries with their scores and outputs in registers.
extern "C" __global__ void __launch_bounds__(NT${when(o["twoBlocks"], ", 2")}) flash_mma(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ o) {
  extern __shared__ __align__(128) unsigned char pool[];
  const unsigned base = (unsigned)__cvta_generic_to_shared(pool), qBase = base;
  const int lane = threadIdx.x & 31, warpRow = (threadIdx.x >> 5) * MT * 16;
  const int i0 = ${o["reversed"] ? `(${tileCount} - 1 - ${tile})` : tile} * BR;
  const size_t head = (size_t)${headIndex} * S * D;
  const half* kh = k + head;
  const half* vh = v + head;
${prologue(o)}  float acc[MT][8][4] = {}, top[MT][2], sum[MT][2] = {};
  #pragma unroll
  for (int m = 0; m < MT; ++m) top[m][0] = top[m][1] = -1e30f;
${tileLoop(o)}
${epilogue(o)}
}
`;
  const grid = headsFirst ? ([heads, seq / br, 1] as const) : ([seq / br, heads, 1] as const);
  return single("flash_mma", source, grid, warps * 32, sharedBytes(o));
}

export const flashMma: Template = {
  id: "flash-mma",
  from: "flash-wmma",
  count: 52,
  idea: "mma.sync with scores, probabilities and outputs in registers",
  options: {
    warps: [4, 8],
    rows: [1, 2],
    bc: [64, 32, 128],
    copy: ["plain", "async", "async"],
    stages: [2, 3],
    layout: ["padded", "swizzled"],
    query: ["reload", "hold", "hold"],
    mask: ["every", "diagonal", "diagonal"],
    warpSkip: [false, true],
    scaling: ["separate", "folded"],
    exp: ["__expf", "exp2f", "ptx"],
    store: ["direct", "board"],
    reversed: [false, true],
    grid: ["tiles-first", "heads-first"],
    twoBlocks: [false, true],
  },
  valid: (o) => {
    const heavy = Number(o["rows"]) * Number(o["bc"]);
    return (
      heavy <= 128 &&
      !(o["twoBlocks"] && Number(o["warps"]) === 8 && heavy > 64) &&
      sharedBytes(o) <= 110 * 1024 &&
      (o["mask"] === "diagonal" || !o["warpSkip"])
    );
  },
  write: writeFlashMma,
};
