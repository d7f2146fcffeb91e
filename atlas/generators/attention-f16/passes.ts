import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { dimensions, exponential, launch, numberOf, unpackEight, when, type Sizes } from "./common.ts";

function scoresKernel(o: Options): string {
  const short = o["extent"] === "causal";
  const value = short ? "s * 0.125f" : "j <= i ? s * 0.125f : -1e30f";
  if (o["scores"] === "tiled")
    return `extern "C" __global__ void qk(const half* __restrict__ q, const half* __restrict__ k, float* __restrict__ w) {
  __shared__ float qs[16][D + 1];
  __shared__ float ks[16][D + 1];
  int j = blockIdx.x * 16 + threadIdx.x;
  int i = blockIdx.y * 16 + threadIdx.y;
${when(short, "  if (blockIdx.x > blockIdx.y) return;\n")}  int head = blockIdx.z;
  for (int d = threadIdx.x; d < D; d += 16) {
    qs[threadIdx.y][d] = __half2float(q[((size_t)head * S + i) * D + d]);
    ks[threadIdx.y][d] = __half2float(k[((size_t)head * S + blockIdx.x * 16 + threadIdx.y) * D + d]);
  }
  __syncthreads();
  float s = 0.0f;
${when(o["unroll"], "  #pragma unroll\n")}  for (int d = 0; d < D; ++d) s += qs[threadIdx.y][d] * ks[threadIdx.x][d];
  ${when(short, "if (j <= i) ")}w[((size_t)head * S + i) * S + j] = ${value};
}
`;
  const body =
    o["scores"] === "vector"
      ? `  for (int d = 0; d < D; d += 8) {
    float x[8], y[8];
    unpack8(*(const uint4*)(a + d), x);
    unpack8(*(const uint4*)(b + d), y);
    #pragma unroll
    for (int u = 0; u < 8; ++u) s += x[u] * y[u];
  }`
      : `  for (int d = 0; d < D; d += 2) {
    float2 x = __half22float2(*(const half2*)(a + d));
    float2 y = __half22float2(*(const half2*)(b + d));
    s += x.x * y.x + x.y * y.y;
  }`;
  return `extern "C" __global__ void qk(const half* __restrict__ q, const half* __restrict__ k, float* __restrict__ w) {
  int j = blockIdx.x * 32 + threadIdx.x;
  int i = blockIdx.y * 8 + threadIdx.y;
${when(short, "  if (j > i) return;\n")}  const half* a = q + ((size_t)blockIdx.z * S + i) * D;
  const half* b = k + ((size_t)blockIdx.z * S + j) * D;
  float s = 0.0f;
${when(o["unroll"], "  #pragma unroll\n")}${body}
  w[((size_t)blockIdx.z * S + i) * S + j] = ${value};
}
`;
}

function softmaxKernel(o: Options): string {
  const end = o["extent"] === "causal" ? "i + 1" : "S";
  const late = o["normalise"] === "late";
  const exp = String(o["exp"]);
  if (o["softmax"] === "warp")
    return `extern "C" __global__ void row_softmax(float* w) {
  int i = blockIdx.x * 8 + threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  float* row = w + ((size_t)blockIdx.y * S + i) * S;
  float top = -1e30f, sum = 0.0f;
  for (int j = lane; j < ${end}; j += 32) top = fmaxf(top, row[j]);
  for (int d = 16; d > 0; d /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, d));
  for (int j = lane; j < ${end}; j += 32) {
    float e = ${exp}(row[j] - top);
    row[j] = e;
    sum += e;
  }
${when(
  !late,
  `  for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
  float inverse = 1.0f / sum;
  for (int j = lane; j < ${end}; j += 32) row[j] *= inverse;
`,
)}}
`;
  return `__device__ float block_reduce(float x, float* partial, bool maximum) {
  partial[threadIdx.x] = x;
  __syncthreads();
  for (int step = 64; step > 0; step /= 2) {
    if (threadIdx.x < step) {
      float y = partial[threadIdx.x + step];
      partial[threadIdx.x] = maximum ? fmaxf(partial[threadIdx.x], y) : partial[threadIdx.x] + y;
    }
    __syncthreads();
  }
  float result = partial[0];
  __syncthreads();
  return result;
}

extern "C" __global__ void row_softmax(float* w) {
  __shared__ float partial[128];
  int i = blockIdx.x;
  float* row = w + ((size_t)blockIdx.y * S + i) * S;
  float top = -1e30f, sum = 0.0f;
  for (int j = threadIdx.x; j < ${end}; j += 128) top = fmaxf(top, row[j]);
  top = block_reduce(top, partial, true);
  for (int j = threadIdx.x; j < ${end}; j += 128) {
    float e = ${exp}(row[j] - top);
    row[j] = e;
    sum += e;
  }
${when(
  !late,
  `  sum = block_reduce(sum, partial, false);
  for (int j = threadIdx.x; j < ${end}; j += 128) row[j] /= sum;
`,
)}}
`;
}

function valuesKernel(o: Options): string {
  const end = o["extent"] === "causal" ? "i + 1" : "S";
  const late = o["normalise"] === "late";
  const staged = Boolean(o["stage"]);
  const pairs = Boolean(o["pairs"]);
  const add = pairs
    ? `float2 x = __half22float2(*(const half2*)(vh + (size_t)j * D + 2 * d));
      sum.x += p * x.x;
      sum.y += p * x.y;`
    : `sum += p * __half2float(vh[(size_t)j * D + d]);`;
  const tally = when(late, "\n      total += p;");
  const loop = staged
    ? `  __shared__ float ps[4][64];
  for (int j0 = 0; j0 < ${o["extent"] === "causal" ? "blockIdx.x * 4 + 4" : "S"}; j0 += 64) {
    __syncthreads();
    for (int e = d; e < 64; e += blockDim.x) ps[threadIdx.y][e] = j0 + e <= i ? row[j0 + e] : 0.0f;
    __syncthreads();
${when(o["unroll"], "    #pragma unroll 8\n")}    for (int e = 0; e < 64; ++e) {
      int j = j0 + e;
      float p = ps[threadIdx.y][e];
      ${add}${tally}
    }
  }`
    : `${when(o["unroll"], "  #pragma unroll 4\n")}  for (int j = 0; j < ${end}; ++j) {
      float p = row[j];
      ${add}${tally}
  }`;
  const scale = late ? " / total" : "";
  const store = pairs
    ? `*(half2*)(o + ((size_t)blockIdx.y * S + i) * D + 2 * d) = __floats2half2_rn(sum.x${scale}, sum.y${scale});`
    : `o[((size_t)blockIdx.y * S + i) * D + d] = __float2half(sum${scale});`;
  return `extern "C" __global__ void pv(const float* __restrict__ w, const half* __restrict__ v, half* __restrict__ o) {
  int d = threadIdx.x;
  int i = blockIdx.x * 4 + threadIdx.y;
  const float* row = w + ((size_t)blockIdx.y * S + i) * S;
  const half* vh = v + (size_t)blockIdx.y * S * D;
  ${pairs ? "float2 sum = make_float2(0.0f, 0.0f);" : "float sum = 0.0f;"}
${when(late, "  float total = 0.0f;\n")}${loop}
  ${store}
}
`;
}

function writeThreePass(o: Options, s: Sizes): KernelDraft {
  const { heads, seq } = dimensions(s);
  const source = `#include <cuda_fp16.h>

#define S ${seq}
#define D 64

${when(o["scores"] === "vector", unpackEight)}${scoresKernel(o)}
${softmaxKernel(o)}
${valuesKernel(o)}`;
  const tiled = o["scores"] === "tiled";
  return {
    source,
    launches: [
      launch("qk", [seq / (tiled ? 16 : 32), seq / (tiled ? 16 : 8), heads], tiled ? [16, 16] : [32, 8], [
        "q",
        "k",
        "workspace",
      ]),
      o["softmax"] === "warp"
        ? launch("row_softmax", [seq / 8, heads, 1], [256, 1], ["workspace"])
        : launch("row_softmax", [seq, heads, 1], [128, 1], ["workspace"]),
      launch("pv", [seq / 4, heads, 1], [o["pairs"] ? 32 : 64, 4], ["workspace", "v", "o"]),
    ],
  };
}

export const threePass: Template = {
  id: "three-pass",
  from: null,
  count: 32,
  idea: "scores, softmax and weighted sum as passes over a stored score matrix",
  options: {
    scores: ["plain", "vector", "tiled"],
    extent: ["causal", "causal", "all"],
    softmax: ["block", "warp"],
    normalise: ["early", "late"],
    exp: ["expf", "__expf"],
    stage: [false, true],
    pairs: [false, true],
    unroll: [false, true],
  },
  write: writeThreePass,
};

/** Partial results of key ranges: a running maximum, a sum and 64 accumulators per query. */
function slot(layout: string, field: string): string {
  return layout === "planes" ? `(part * 66 + ${field}) * S + i` : `(part * S + i) * 66 + ${field}`;
}

function rangeStep(o: Options): string {
  const exp = exponential(String(o["exp"]));
  return `      float s = 0.0f;
      #pragma unroll
      for (int d = 0; d < D; d += 8) {
        float x[8];
        unpack8(*(const uint4*)&ks[jj][d], x);
        #pragma unroll
        for (int u = 0; u < 8; ++u) s += qr[d + u] * x[u];
      }
      s *= ${exp.scale};
      float next = fmaxf(top, s);
      float fade = ${exp.call("top - next")}, p = ${exp.call("s - next")};
      sum = sum * fade + p;
      top = next;
      #pragma unroll
      for (int d = 0; d < D; d += 8) {
        float x[8];
        unpack8(*(const uint4*)&vs[jj][d], x);
        #pragma unroll
        for (int u = 0; u < 8; ++u) acc[d + u] = acc[d + u] * fade + p * x[u];
      }`;
}

function rangeKernel(o: Options): string {
  const layout = String(o["layout"]);
  return `// One thread per query and key range.
extern "C" __global__ void ${when(o["bounds"], "__launch_bounds__(T) ")}partial_attention(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, float* __restrict__ parts) {
  __shared__ __align__(16) half ks[TILE][D];
  __shared__ __align__(16) half vs[TILE][D];
  const int i = blockIdx.x * T + threadIdx.x, head = blockIdx.y, first = blockIdx.z * LENGTH;
  const size_t part = (size_t)head * RANGES + blockIdx.z;
  float qr[D], acc[D];
  #pragma unroll
  for (int d = 0; d < D; d += 8) unpack8(*(const uint4*)(q + ((size_t)head * S + i) * D + d), qr + d);
  #pragma unroll
  for (int d = 0; d < D; ++d) acc[d] = 0.0f;
  float top = -1e30f, sum = 0.0f;
  const int stop = min(first + LENGTH, ${o["extent"] === "causal" ? "(int)(blockIdx.x + 1) * T" : "S"});
  for (int j0 = first; j0 < stop; j0 += TILE) {
    __syncthreads();
    for (int e = threadIdx.x; e < TILE * 8; e += T) {
      *(uint4*)&ks[e / 8][e % 8 * 8] = *(const uint4*)(k + ((size_t)head * S + j0 + e / 8) * D + e % 8 * 8);
      *(uint4*)&vs[e / 8][e % 8 * 8] = *(const uint4*)(v + ((size_t)head * S + j0 + e / 8) * D + e % 8 * 8);
    }
    __syncthreads();
${when(o["unroll"], "    #pragma unroll 2\n")}    for (int jj = 0; jj < TILE; ++jj) {
      if (j0 + jj > i) break;
${rangeStep(o)}
    }
  }
  parts[${slot(layout, "0")}] = top;
  parts[${slot(layout, "1")}] = sum;
  #pragma unroll
  for (int d = 0; d < D; ++d) parts[${slot(layout, "(2 + d)")}] = acc[d];
}
`;
}

function mergeKernel(o: Options): string {
  const layout = String(o["layout"]);
  const exp = exponential(String(o["exp"]));
  const mapping = o["combine"] === "thread";
  return `extern "C" __global__ void merge(const float* __restrict__ parts, half* __restrict__ o) {
${
  mapping
    ? "  const int i = blockIdx.x * 4 + threadIdx.x / 64, d = threadIdx.x % 64, head = blockIdx.y;"
    : "  const int i = blockIdx.x * 256 + threadIdx.x, head = blockIdx.y;"
}
  float top = -1e30f, sum = 0.0f;
  for (int r = 0; r < RANGES; ++r) {
    const size_t part = (size_t)head * RANGES + r;
    top = fmaxf(top, parts[${slot(layout, "0")}]);
  }
${
  mapping
    ? `  float total = 0.0f;
  for (int r = 0; r < RANGES; ++r) {
    const size_t part = (size_t)head * RANGES + r;
    const float weight = ${exp.call(`parts[${slot(layout, "0")}] - top`)};
    sum += weight * parts[${slot(layout, "1")}];
    total += weight * parts[${slot(layout, "(2 + d)")}];
  }
  o[((size_t)head * S + i) * D + d] = __float2half(total / sum);`
    : `  float weight[RANGES];
  #pragma unroll
  for (int r = 0; r < RANGES; ++r) {
    const size_t part = (size_t)head * RANGES + r;
    weight[r] = ${exp.call(`parts[${slot(layout, "0")}] - top`)};
    sum += weight[r] * parts[${slot(layout, "1")}];
  }
  for (int d = 0; d < D; ++d) {
    float total = 0.0f;
    #pragma unroll
    for (int r = 0; r < RANGES; ++r) {
      const size_t part = (size_t)head * RANGES + r;
      total += weight[r] * parts[${slot(layout, "(2 + d)")}];
    }
    o[((size_t)head * S + i) * D + d] = __float2half(total / sum);
  }`
}
}
`;
}

function writeSplitKeys(o: Options, s: Sizes): KernelDraft {
  const { heads, seq } = dimensions(s);
  const [threads, ranges, tile] = [numberOf(o, "threads"), numberOf(o, "ranges"), numberOf(o, "tile")];
  const mapping = o["combine"] === "thread";
  const source = `#include <cuda_fp16.h>

constexpr int S = ${seq}, D = 64, T = ${threads}, TILE = ${tile}, RANGES = ${ranges}, LENGTH = S / RANGES;

${unpackEight}
${rangeKernel(o)}
${mergeKernel(o)}`;
  return {
    source,
    launches: [
      launch("partial_attention", [seq / threads, heads, ranges], [threads, 1], ["q", "k", "v", "workspace"]),
      launch("merge", [seq / (mapping ? 4 : 256), heads, 1], [256, 1], ["workspace", "o"]),
    ],
  };
}

export const splitKeys: Template = {
  id: "split-keys",
  from: "thread-per-query",
  count: 22,
  idea: "cut the keys into ranges for more parallel work and merge the partial softmaxes",
  options: {
    threads: [128, 64, 256],
    ranges: [4, 2, 8],
    tile: [32, 64, 16],
    layout: ["planes", "records"],
    exp: ["__expf", "expf", "exp2f"],
    combine: ["thread", "row"],
    extent: ["causal", "all"],
    unroll: [false, true],
    bounds: [true, false],
  },
  write: writeSplitKeys,
};
