import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { asyncCopy, dimensions, exponential, launch, numberOf, single, when, type Sizes } from "./common.ts";

const preamble = `#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;
typedef wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> FragA;
typedef wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> FragBt;
typedef wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> FragB;
typedef wmma::fragment<wmma::accumulator, 16, 16, 16, float> FragC;
`;

function tileLoader(o: Options): string {
  const move =
    o["copy"] === "async"
      ? "cp16((unsigned)__cvta_generic_to_shared(dst + r * LD + c), src + (size_t)r * D + c);"
      : "*(uint4*)(dst + r * LD + c) = *(const uint4*)(src + (size_t)r * D + c);";
  return `template <int ROWS>
__device__ __forceinline__ void load_rows(half* dst, const half* src) {
${when(o["unroll"], "  #pragma unroll\n")}  for (int e = threadIdx.x; e < ROWS * 8; e += NT) {
    const int r = e / 8, c = e % 8 * 8;
    ${move}
  }
}
`;
}

function scoresToShared(o: Options): string {
  const query = o["holdQuery"] ? "fq[d]" : "fq";
  return `    #pragma unroll
    for (int n = 0; n < BC / 16; ++n) {
      FragC fs;
      wmma::fill_fragment(fs, 0.0f);
      #pragma unroll
      for (int d = 0; d < D / 16; ++d) {
        FragBt fk;
        wmma::load_matrix_sync(fk, ks + n * 16 * LD + d * 16, LD);
${when(!o["holdQuery"], "        wmma::load_matrix_sync(fq, qs + warp * 16 * LD + d * 16, LD);\n")}        wmma::mma_sync(fs, ${query}, fk, fs);
      }
      wmma::store_matrix_sync(mineS + n * 16, fs, LS, wmma::mem_row_major);
    }
    __syncwarp();`;
}

const limit = "const int open = i0 + warp * 16 + row - j0 - side * (BC / 2);";

/** One pass with O in shared memory, rescaled as the maximum grows. */
function runningBody(o: Options): string {
  const exp = exponential(String(o["exp"]));
  return `${scoresToShared(o)}
    {
      ${limit}
      float* srow = mineS + row * LS + side * (BC / 2);
      half* prow = mineP + row * LP + side * (BC / 2);
      float next = top;
${when(o["unroll"], "      #pragma unroll 8\n")}      for (int c = 0; c < BC / 2; ++c) {
        const float s = c <= open ? srow[c] * ${exp.scale} : -1e30f;
        srow[c] = s;
        next = fmaxf(next, s);
      }
      next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 1));
      const float fade = ${exp.call("top - next")};
      top = next;
      sum *= fade;
${when(o["unroll"], "      #pragma unroll 8\n")}      for (int c = 0; c < BC / 2; ++c) {
        const float p = ${exp.call("srow[c] - next")};
        prow[c] = __float2half(p);
        sum += p;
      }
      float* orow = mineO + row * LO + side * 32;
      for (int c = 0; c < 32; ++c) orow[c] *= fade;
    }
    __syncwarp();
    #pragma unroll
    for (int n = 0; n < D / 16; ++n) {
      FragC fo;
      wmma::load_matrix_sync(fo, mineO + n * 16, LO, wmma::mem_row_major);
      #pragma unroll
      for (int t = 0; t < BC / 16; ++t) {
        FragA fp;
        FragB fv;
        wmma::load_matrix_sync(fp, mineP + t * 16, LP);
        wmma::load_matrix_sync(fv, vs + t * 16 * LD + n * 16, LD);
        wmma::mma_sync(fo, fp, fv, fo);
      }
      wmma::store_matrix_sync(mineO + n * 16, fo, LO, wmma::mem_row_major);
    }
    __syncwarp();`;
}

function loop(o: Options, loads: readonly string[], body: string): string {
  const source = { ks: "k", vs: "v" } as Record<string, string>;
  const load = loads.map((name) => `    load_rows<BC>(${name}, ${source[name]} + head + (size_t)j0 * D);`).join("\n");
  const settle = o["copy"] === "async" ? "    cp_commit();\n    cp_wait<0>();\n" : "";
  const stop = o["skip"] ? "i0 + BR" : "S";
  return `  for (int j0 = 0; j0 < ${stop}; j0 += BC) {
    __syncthreads();
${load}
${settle}    __syncthreads();
${body}
  }`;
}

/** Two passes over the keys: maxima and sums first, then the weighted sum with O in fragments. */
function twoPassBody(o: Options): string {
  const exp = exponential(String(o["exp"]));
  const first = `${scoresToShared(o)}
    {
      ${limit}
      const float* srow = mineS + row * LS + side * (BC / 2);
      float next = top;
      for (int c = 0; c < BC / 2; ++c) next = c <= open ? fmaxf(next, srow[c] * ${exp.scale}) : next;
      next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 1));
      sum *= ${exp.call("top - next")};
      top = next;
      for (int c = 0; c < BC / 2; ++c) sum += c <= open ? ${exp.call(`srow[c] * ${exp.scale} - next`)} : 0.0f;
    }
    __syncwarp();`;
  const second = `${scoresToShared(o)}
    {
      ${limit}
      const float* srow = mineS + row * LS + side * (BC / 2);
      half* prow = mineP + row * LP + side * (BC / 2);
${when(o["unroll"], "      #pragma unroll 8\n")}      for (int c = 0; c < BC / 2; ++c)
        prow[c] = __float2half(c <= open ? ${exp.call(`srow[c] * ${exp.scale} - top`)} : 0.0f);
    }
    __syncwarp();
    #pragma unroll
    for (int t = 0; t < BC / 16; ++t) {
      FragA fp;
      wmma::load_matrix_sync(fp, mineP + t * 16, LP);
      #pragma unroll
      for (int n = 0; n < D / 16; ++n) {
        FragB fv;
        wmma::load_matrix_sync(fv, vs + t * 16 * LD + n * 16, LD);
        wmma::mma_sync(fo[n], fp, fv, fo[n]);
      }
    }
    __syncwarp();`;
  return `${loop(o, ["ks"], first)}
  FragC fo[D / 16];
  for (int n = 0; n < D / 16; ++n) wmma::fill_fragment(fo[n], 0.0f);
${loop(o, ["ks", "vs"], second)}
  for (int n = 0; n < D / 16; ++n) wmma::store_matrix_sync(mineO + n * 16, fo[n], LO, wmma::mem_row_major);
  __syncwarp();`;
}

function sharedBytes(o: Options): number {
  const [warps, bc] = [Number(o["warps"]), Number(o["bc"])];
  const ld = 64 + (o["pad"] ? 8 : 0);
  return 2 * ld * (warps * 16 + 2 * bc) + warps * 16 * (4 * (bc + 4) + 2 * (bc + 8) + 4 * 68);
}

function writeFlashWmma(o: Options, s: Sizes): KernelDraft {
  const { heads, seq } = dimensions(s);
  const warps = numberOf(o, "warps");
  const running = o["passes"] === "one";
  const hold = o["holdQuery"]
    ? `  FragA fq[D / 16];
  for (int d = 0; d < D / 16; ++d) wmma::load_matrix_sync(fq[d], qs + warp * 16 * LD + d * 16, LD);`
    : "  FragA fq;";
  const source = `${preamble}
constexpr int S = ${seq}, D = 64, WARPS = ${warps}, NT = WARPS * 32, BR = WARPS * 16, BC = ${numberOf(o, "bc")};
constexpr int LD = D${when(o["pad"], " + 8")}, LS = BC + 4, LP = BC + 8, LO = D + 4;

${when(o["copy"] === "async", asyncCopy)}${tileLoader(o)}
// Each warp owns 16 queries; two lanes share a row of the softmax.
extern "C" __global__ void __launch_bounds__(NT) flash_wmma(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ o) {
  extern __shared__ __align__(128) unsigned char pool[];
  half* qs = (half*)pool;
  half* ks = qs + BR * LD;
  half* vs = ks + BC * LD;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, row = lane / 2, side = lane % 2;
  float* mineS = (float*)(vs + BC * LD) + warp * 16 * LS;
  float* mineO = (float*)(vs + BC * LD) + WARPS * 16 * LS + warp * 16 * LO;
  half* mineP = (half*)((float*)(vs + BC * LD) + WARPS * 16 * (LS + LO)) + warp * 16 * LP;
  const int i0 = ${o["reversed"] ? "(gridDim.x - 1 - blockIdx.x)" : "blockIdx.x"} * BR;
  const size_t head = (size_t)blockIdx.y * S * D;
  load_rows<BR>(qs, q + head + (size_t)i0 * D);
${when(o["copy"] === "async", "  cp_commit();\n  cp_wait<0>();\n")}${when(running, "  for (int e = lane; e < 16 * LO; e += 32) mineO[e] = 0.0f;\n")}  __syncthreads();
${hold}
  float top = -1e30f, sum = 0.0f;
${running ? loop(o, ["ks", "vs"], runningBody(o)) : twoPassBody(o)}
  sum += __shfl_xor_sync(0xffffffffu, sum, 1);
  const float inverse = 1.0f / sum;
  const float* orow = mineO + row * LO + side * 32;
  half2* out = (half2*)(o + head + (size_t)(i0 + warp * 16 + row) * D + side * 32);
  for (int c = 0; c < 16; ++c) out[c] = __floats2half2_rn(orow[2 * c] * inverse, orow[2 * c + 1] * inverse);
}
`;
  return single("flash_wmma", source, [seq / (warps * 16), heads, 1], warps * 32, sharedBytes(o));
}

export const flashWmma: Template = {
  id: "flash-wmma",
  from: "flash-scalar",
  count: 31,
  idea: "the tiled scheme on tensor cores through wmma, softmax through shared memory",
  options: {
    warps: [4, 2, 8],
    bc: [64, 32, 128],
    passes: ["one", "two"],
    holdQuery: [false, true],
    copy: ["plain", "async"],
    pad: [false, true],
    exp: ["__expf", "expf", "exp2f"],
    skip: [true, true, false],
    reversed: [false, true],
    unroll: [true, false],
  },
  write: writeFlashWmma,
};

function halfSoftmax(o: Options): string {
  const exp = exponential(String(o["exp"]));
  if (o["softmax"] === "warp")
    return `extern "C" __global__ void to_probabilities(float* w) {
  const int lane = threadIdx.x % 32, i = blockIdx.x * 4 + threadIdx.x / 32;
  float* row = w + ((size_t)blockIdx.y * S + i) * S;
  half* packed = (half*)row;
  float x[S / 32];
  float top = -1e30f, sum = 0.0f;
  #pragma unroll
  for (int u = 0; u < S / 32; ++u) {
    x[u] = u * 32 + lane <= i ? row[u * 32 + lane] * ${exp.scale} : -1e30f;
    top = fmaxf(top, x[u]);
  }
  for (int d = 16; d > 0; d >>= 1) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, d));
  #pragma unroll
  for (int u = 0; u < S / 32; ++u) {
    x[u] = ${exp.call("x[u] - top")};
    sum += x[u];
  }
  for (int d = 16; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
  const float inverse = 1.0f / sum;
  #pragma unroll
  for (int u = 0; u < S / 32; ++u)
    if (u * 32 < (i | 63) + 1) packed[u * 32 + lane] = __float2half(x[u] * inverse);
}
`;
  return `extern "C" __global__ void to_probabilities(float* w) {
  __shared__ float x[S];
  __shared__ float best[4], total[4];
  const int i = blockIdx.x, t = threadIdx.x;
  float* row = w + ((size_t)blockIdx.y * S + i) * S;
  half* packed = (half*)row;
  float top = -1e30f, sum = 0.0f;
  for (int j = t; j <= i; j += 128) {
    x[j] = row[j] * ${exp.scale};
    top = fmaxf(top, x[j]);
  }
  for (int d = 16; d > 0; d >>= 1) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, d));
  if (t % 32 == 0) best[t / 32] = top;
  __syncthreads();
  top = fmaxf(fmaxf(best[0], best[1]), fmaxf(best[2], best[3]));
  for (int j = t; j <= i; j += 128) {
    x[j] = ${exp.call("x[j] - top")};
    sum += x[j];
  }
  for (int d = 16; d > 0; d >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, d);
  if (t % 32 == 0) total[t / 32] = sum;
  __syncthreads();
  const float inverse = 1.0f / (total[0] + total[1] + total[2] + total[3]);
  for (int j = t; j <= (i | 63); j += 128) packed[j] = __float2half(j <= i ? x[j] * inverse : 0.0f);
}
`;
}

function scoresKernel(o: Options): string {
  const hold = Boolean(o["holdQuery"]);
  const skip = Boolean(o["skip"]);
  return `extern "C" __global__ void scores_wmma(const half* __restrict__ q, const half* __restrict__ k, float* __restrict__ w) {
  const int warp = threadIdx.x / 32;
  const int i0 = (blockIdx.y * WARPS + warp) * 16, j0 = blockIdx.x * 16 * WN;
${when(skip, "  if (j0 > i0 + 15) return;\n")}  const half* qh = q + (size_t)blockIdx.z * S * D + (size_t)i0 * D;
  const half* kh = k + (size_t)blockIdx.z * S * D + (size_t)j0 * D;
${when(
  hold,
  `  FragA fq[D / 16];
  #pragma unroll
  for (int d = 0; d < D / 16; ++d) wmma::load_matrix_sync(fq[d], qh + d * 16, D);
`,
)}${when(o["unroll"], "  #pragma unroll\n")}  for (int n = 0; n < WN; ++n) {
    FragC fs;
    wmma::fill_fragment(fs, 0.0f);
    #pragma unroll
    for (int d = 0; d < D / 16; ++d) {
      FragBt fk;
      wmma::load_matrix_sync(fk, kh + n * 16 * D + d * 16, D);
${when(!hold, "      FragA fq;\n      wmma::load_matrix_sync(fq, qh + d * 16, D);\n")}      wmma::mma_sync(fs, fq${when(hold, "[d]")}, fk, fs);
    }
    wmma::store_matrix_sync(w + ((size_t)blockIdx.z * S + i0) * S + j0 + n * 16, fs, S, wmma::mem_row_major);
  }
}
`;
}

function valuesKernel(o: Options): string {
  return `extern "C" __global__ void values_wmma(const float* __restrict__ w, const half* __restrict__ v, half* __restrict__ o) {
  __shared__ __align__(128) float stage[WARPS][16 * 64];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int i0 = (blockIdx.x * WARPS + warp) * 16;
  const half* p = (const half*)(w + ((size_t)blockIdx.y * S + i0) * S);
  const half* vh = v + (size_t)blockIdx.y * S * D;
  FragC fo[4];
  for (int n = 0; n < 4; ++n) wmma::fill_fragment(fo[n], 0.0f);
${when(o["unroll"], "  #pragma unroll 2\n")}  for (int j = 0; j < i0 + 16; j += 16) {
    FragA fp;
    wmma::load_matrix_sync(fp, p + j, 2 * S);
    #pragma unroll
    for (int n = 0; n < 4; ++n) {
      FragB fv;
      wmma::load_matrix_sync(fv, vh + (size_t)j * D + n * 16, D);
      wmma::mma_sync(fo[n], fp, fv, fo[n]);
    }
  }
  for (int n = 0; n < 4; ++n) wmma::store_matrix_sync(&stage[warp][n * 16], fo[n], 64, wmma::mem_row_major);
  __syncwarp();
${
  o["wideStore"]
    ? `  for (int e = lane; e < 512; e += 32)
    *(half2*)(o + ((size_t)blockIdx.y * S + i0) * D + 2 * e) = __floats2half2_rn(stage[warp][2 * e], stage[warp][2 * e + 1]);`
    : "  for (int e = lane; e < 1024; e += 32) o[((size_t)blockIdx.y * S + i0) * D + e] = __float2half(stage[warp][e]);"
}
}
`;
}

function writeTensorPasses(o: Options, s: Sizes): KernelDraft {
  const { heads, seq } = dimensions(s);
  const [warps, wn] = [numberOf(o, "warps"), numberOf(o, "wn")];
  const source = `${preamble}
constexpr int S = ${seq}, D = 64, WARPS = ${warps}, WN = ${wn};

${scoresKernel(o)}
// Replaces each row of scores by its probabilities, as halves at the row's start.
${halfSoftmax(o)}
${valuesKernel(o)}`;
  return {
    source,
    launches: [
      launch("scores_wmma", [seq / (16 * wn), seq / (16 * warps), heads], [32 * warps, 1], ["q", "k", "workspace"]),
      o["softmax"] === "warp"
        ? launch("to_probabilities", [seq / 4, heads, 1], [128, 1], ["workspace"])
        : launch("to_probabilities", [seq, heads, 1], [128, 1], ["workspace"]),
      launch("values_wmma", [seq / (16 * warps), heads, 1], [32 * warps, 1], ["workspace", "v", "o"]),
    ],
  };
}

export const tensorPasses: Template = {
  id: "tensor-passes",
  from: "three-pass",
  count: 25,
  idea: "keep the three passes and run both products on tensor cores",
  options: {
    warps: [4, 8, 2],
    wn: [4, 2, 8],
    holdQuery: [false, true],
    skip: [true, false],
    softmax: ["block", "warp"],
    exp: ["expf", "__expf", "exp2f"],
    wideStore: [false, true],
    unroll: [false, true],
  },
  write: writeTensorPasses,
};
