import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { dimensions, exponential, numberOf, single, unpackEight, when, type Sizes } from "./common.ts";

/** Dot product of the query in registers with one key, then its share of the running softmax, for W dimensions a thread. */
function oneKey(o: Options, key: string, value: string): string {
  const exp = exponential(String(o["exp"]));
  const float = o["tile"] === "float";
  const read = (pointer: string): string =>
    float
      ? `x[0] = (${pointer})[0]; x[1] = (${pointer})[1]; x[2] = (${pointer})[2]; x[3] = (${pointer})[3]; x[4] = (${pointer})[4]; x[5] = (${pointer})[5]; x[6] = (${pointer})[6]; x[7] = (${pointer})[7];`
      : `unpack8(*(const uint4*)(${pointer}), x);`;
  const join = when(o["pair"], "\n      s += __shfl_xor_sync(0xffffffffu, s, 1);");
  const update = o["lazy"]
    ? `      if (s > top) {
        const float fade = ${exp.call("top - s")};
        top = s;
        sum *= fade;
        #pragma unroll
        for (int d = 0; d < W; ++d) acc[d] *= fade;
      }
      const float p = ${exp.call("s - top")};
      sum += p;`
    : `      const float next = fmaxf(top, s);
      const float fade = ${exp.call("top - next")}, p = ${exp.call("s - next")};
      top = next;
      sum = sum * fade + p;
      #pragma unroll
      for (int d = 0; d < W; ++d) acc[d] *= fade;`;
  return `      float s = 0.0f;
      #pragma unroll
      for (int d = 0; d < W; d += 8) {
        float x[8];
        ${read(`${key} + d`)}
        #pragma unroll
        for (int u = 0; u < 8; ++u) s += qr[d + u] * x[u];
      }${join}
      s = j <= i ? s * ${exp.scale} : -1e30f;
${update}
      #pragma unroll
      for (int d = 0; d < W; d += 8) {
        float x[8];
        ${read(`${value} + d`)}
        #pragma unroll
        for (int u = 0; u < 8; ++u) acc[d + u] += p * x[u];
      }`;
}

function writeThread(o: Options, s: Sizes): KernelDraft {
  const { heads, seq } = dimensions(s);
  const [threads, tile] = [numberOf(o, "threads"), numberOf(o, "rows")];
  const split = o["pair"] ? 2 : 1;
  const float = o["tile"] === "float";
  const type = float ? "float" : "half";
  const shared = o["tile"] !== "none";
  const fill = float
    ? `    for (int e = threadIdx.x; e < ROWS * 8; e += T) {
      unpack8(*(const uint4*)(kh + (size_t)(j0 + e / 8) * D + e % 8 * 8), &ks[e / 8][e % 8 * 8]);
      unpack8(*(const uint4*)(vh + (size_t)(j0 + e / 8) * D + e % 8 * 8), &vs[e / 8][e % 8 * 8]);
    }`
    : `    for (int e = threadIdx.x; e < ROWS * 8; e += T) {
      *(uint4*)&ks[e / 8][e % 8 * 8] = *(const uint4*)(kh + (size_t)(j0 + e / 8) * D + e % 8 * 8);
      *(uint4*)&vs[e / 8][e % 8 * 8] = *(const uint4*)(vh + (size_t)(j0 + e / 8) * D + e % 8 * 8);
    }`;
  const last = o["pair"] ? "(i | 15)" : "i";
  const loop = shared
    ? `  const int stop = (blockIdx.x + 1) * PER_BLOCK;
  for (int j0 = 0; j0 < stop; j0 += ROWS) {
    __syncthreads();
${fill}
    __syncthreads();
${when(o["unroll"], "    #pragma unroll 2\n")}    for (int jj = 0; jj < ROWS; ++jj) {
      const int j = j0 + jj;
${oneKey(o, "ks[jj] + at", "vs[jj] + at")}
    }
  }`
    : `${when(o["unroll"], "  #pragma unroll 2\n")}  for (int j = 0; j <= ${last}; ++j) {
${oneKey(o, "kh + (size_t)j * D + at", "vh + (size_t)j * D + at")}
  }`;
  const source = `#include <cuda_fp16.h>

constexpr int S = ${seq}, D = 64, T = ${threads}, PER_BLOCK = T / ${split}, W = D / ${split}${when(shared, `, ROWS = ${tile}`)};

${unpackEight}
extern "C" __global__ void ${when(o["bounds"], "__launch_bounds__(T) ")}attend(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ o) {
${when(shared, `  __shared__ __align__(16) ${type} ks[ROWS][D];\n  __shared__ __align__(16) ${type} vs[ROWS][D];\n`)}  const int i = blockIdx.x * PER_BLOCK + threadIdx.x${when(o["pair"], " / 2")};
  const int at = ${o["pair"] ? "threadIdx.x % 2 * W" : "0"};
  const size_t head = (size_t)blockIdx.y * S * D;
  const half* kh = k + head;
  const half* vh = v + head;
  float qr[W], acc[W];
  #pragma unroll
  for (int d = 0; d < W; d += 8) unpack8(*(const uint4*)(q + head + (size_t)i * D + at + d), qr + d);
  #pragma unroll
  for (int d = 0; d < W; ++d) acc[d] = 0.0f;
  float top = -1e30f, sum = 0.0f;
${loop}
  const float inverse = 1.0f / sum;
  half2* out = (half2*)(o + head + (size_t)i * D + at);
  #pragma unroll
  for (int d = 0; d < W / 2; ++d) out[d] = __floats2half2_rn(acc[2 * d] * inverse, acc[2 * d + 1] * inverse);
}
`;
  return single("attend", source, [(seq * split) / threads, heads, 1], threads);
}

export const threadPerQuery: Template = {
  id: "thread-per-query",
  from: "three-pass",
  count: 34,
  idea: "one pass with a running softmax, one thread per query",
  options: {
    threads: [128, 64, 256],
    rows: [32, 16, 64],
    tile: ["none", "half", "float"],
    pair: [false, true],
    exp: ["expf", "__expf", "exp2f"],
    lazy: [false, true],
    unroll: [false, true],
    bounds: [false, true],
  },
  write: writeThread,
};

const reduceWarp = (name: string, operation: string): string =>
  `for (int d = 16; d > 0; d >>= 1) ${name} = ${operation.replaceAll("$", `__shfl_xor_sync(0xffffffffu, ${name}, d)`)};`;

function dimsBody(o: Options): string {
  const exp = exponential(String(o["exp"]));
  return `  float2 query[R], acc[R];
  float top[R], sum[R];
  #pragma unroll
  for (int r = 0; r < R; ++r) {
    query[r] = __half22float2(*(const half2*)(q + head + (size_t)(i0 + r) * D + 2 * lane));
    acc[r] = make_float2(0.0f, 0.0f);
    top[r] = -1e30f;
    sum[r] = 0.0f;
  }
${when(o["unroll"], "  #pragma unroll 2\n")}  for (int j = 0; j < i0 + R; ++j) {
    const float2 kv = __half22float2(*(const half2*)(k + head + (size_t)j * D + 2 * lane));
    const float2 vv = __half22float2(*(const half2*)(v + head + (size_t)j * D + 2 * lane));
    #pragma unroll
    for (int r = 0; r < R; ++r) {
      float s = query[r].x * kv.x + query[r].y * kv.y;
      ${reduceWarp("s", "s + $")}
      s = j <= i0 + r ? s * ${exp.scale} : -1e30f;
      const float next = fmaxf(top[r], s);
      const float fade = ${exp.call("top[r] - next")}, p = ${exp.call("s - next")};
      top[r] = next;
      sum[r] = sum[r] * fade + p;
      acc[r].x = acc[r].x * fade + p * vv.x;
      acc[r].y = acc[r].y * fade + p * vv.y;
    }
  }`;
}

function keysBody(o: Options): string {
  const exp = exponential(String(o["exp"]));
  const shared = Boolean(o["shareProbabilities"]);
  const weights = shared ? "probability[warp][r][t]" : "__shfl_sync(0xffffffffu, p[r], t)";
  return `  __shared__ float queries[WARPS][R][D];
${when(shared, "  __shared__ float probability[WARPS][R][32];\n")}  for (int e = lane; e < R * D; e += 32) queries[warp][e / D][e % D] = __half2float(q[head + (size_t)i0 * D + e]);
  __syncwarp();
  float2 acc[R];
  float top[R], sum[R];
  #pragma unroll
  for (int r = 0; r < R; ++r) {
    acc[r] = make_float2(0.0f, 0.0f);
    top[r] = -1e30f;
    sum[r] = 0.0f;
  }
  for (int j0 = 0; j0 < i0 + R; j0 += 32) {
    const half* row = k + head + (size_t)(j0 + lane) * D;
    float p[R];
    #pragma unroll
    for (int r = 0; r < R; ++r) p[r] = 0.0f;
${when(o["unroll"], "    #pragma unroll\n")}    for (int d = 0; d < D; d += 8) {
      float x[8];
      unpack8(*(const uint4*)(row + d), x);
      #pragma unroll
      for (int r = 0; r < R; ++r)
        #pragma unroll
        for (int u = 0; u < 8; ++u) p[r] += queries[warp][r][d + u] * x[u];
    }
    #pragma unroll
    for (int r = 0; r < R; ++r) {
      const float s = j0 + lane <= i0 + r ? p[r] * ${exp.scale} : -1e30f;
      float next = s;
      ${reduceWarp("next", "fmaxf(next, $)")}
      next = fmaxf(next, top[r]);
      const float fade = ${exp.call("top[r] - next")};
      p[r] = ${exp.call("s - next")};
      sum[r] = sum[r] * fade + p[r];
      acc[r].x *= fade;
      acc[r].y *= fade;
      top[r] = next;
${when(shared, "      probability[warp][r][lane] = p[r];\n")}    }
${when(shared, "    __syncwarp();\n")}${when(o["unroll"], "    #pragma unroll 8\n")}    for (int t = 0; t < 32; ++t) {
      const float2 vv = __half22float2(*(const half2*)(v + head + (size_t)(j0 + t) * D + 2 * lane));
      #pragma unroll
      for (int r = 0; r < R; ++r) {
        const float weight = ${weights};
        acc[r].x += weight * vv.x;
        acc[r].y += weight * vv.y;
      }
    }
${when(shared, "    __syncwarp();\n")}  }
  #pragma unroll
  for (int r = 0; r < R; ++r) ${reduceWarp("sum[r]", "sum[r] + $")}`;
}

function writeWarp(o: Options, s: Sizes): KernelDraft {
  const { heads, seq } = dimensions(s);
  const [warps, rows] = [numberOf(o, "warps"), numberOf(o, "rows")];
  const keys = o["lanes"] === "keys";
  const reversed = Boolean(o["reversed"]);
  const source = `#include <cuda_fp16.h>

constexpr int S = ${seq}, D = 64, WARPS = ${warps}, R = ${rows};

${when(keys, unpackEight)}
// R neighbouring queries per warp; each lane keeps two dimensions of their outputs.
extern "C" __global__ void ${when(o["bounds"], "__launch_bounds__(WARPS * 32) ")}warp_attention(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ o) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int i0 = (${reversed ? "(gridDim.x - 1 - blockIdx.x)" : "blockIdx.x"} * WARPS + warp) * R;
  const size_t head = (size_t)blockIdx.y * S * D;
${keys ? keysBody(o) : dimsBody(o)}
  #pragma unroll
  for (int r = 0; r < R; ++r)
    *(half2*)(o + head + (size_t)(i0 + r) * D + 2 * lane) = __floats2half2_rn(acc[r].x / sum[r], acc[r].y / sum[r]);
}
`;
  return single("warp_attention", source, [seq / (warps * rows), heads, 1], warps * 32);
}

export const warpPerQuery: Template = {
  id: "warp-per-query",
  from: "thread-per-query",
  count: 31,
  idea: "a warp for a few queries, with its lanes along dimensions or keys",
  options: {
    lanes: ["dims", "keys", "keys"],
    warps: [4, 8, 2],
    rows: [1, 2, 4],
    exp: ["__expf", "expf", "exp2f"],
    shareProbabilities: [false, true],
    reversed: [false, true],
    unroll: [false, true],
    bounds: [false, true],
  },
  write: writeWarp,
};

function blockReduce(o: Options): string {
  if (o["reduce"] === "shuffle")
    return `__device__ __forceinline__ float reduce(float x, float* scratch, bool maximum) {
  for (int d = 16; d > 0; d >>= 1) {
    const float y = __shfl_xor_sync(0xffffffffu, x, d);
    x = maximum ? fmaxf(x, y) : x + y;
  }
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  x = scratch[0];
  for (int w = 1; w < T / 32; ++w) x = maximum ? fmaxf(x, scratch[w]) : x + scratch[w];
  __syncthreads();
  return x;
}
`;
  return `__device__ float reduce(float x, float* scratch, bool maximum) {
  scratch[threadIdx.x] = x;
  __syncthreads();
  for (int half_width = T / 2; half_width > 0; half_width /= 2) {
    if (threadIdx.x < half_width) {
      const float y = scratch[threadIdx.x + half_width];
      scratch[threadIdx.x] = maximum ? fmaxf(scratch[threadIdx.x], y) : scratch[threadIdx.x] + y;
    }
    __syncthreads();
  }
  x = scratch[0];
  __syncthreads();
  return x;
}
`;
}

function rowDot(o: Options): string {
  return o["wide"]
    ? `    for (int d = 0; d < D; d += 8) {
      float x[8];
      unpack8(*(const uint4*)(row + d), x);
      #pragma unroll
      for (int u = 0; u < 8; ++u) s += query[d + u] * x[u];
    }`
    : `    for (int d = 0; d < D; d += 2) {
      const float2 x = __half22float2(*(const half2*)(row + d));
      s += query[d] * x.x + query[d + 1] * x.y;
    }`;
}

function gatherValues(o: Options): string {
  const pairs = Boolean(o["pairs"]);
  const width = pairs ? 32 : 64;
  return pairs
    ? `  float2 part = make_float2(0.0f, 0.0f);
${when(o["unroll"], "  #pragma unroll 4\n")}  for (int j = group; j <= i; j += T / ${width}) {
    const float2 x = __half22float2(*(const half2*)(v + head + (size_t)j * D + 2 * d));
    part.x += score[j] * x.x;
    part.y += score[j] * x.y;
  }
  shares[group][2 * d] = part.x;
  shares[group][2 * d + 1] = part.y;`
    : `  float part = 0.0f;
${when(o["unroll"], "  #pragma unroll 4\n")}  for (int j = group; j <= i; j += T / ${width}) part += score[j] * __half2float(v[head + (size_t)j * D + d]);
  shares[group][d] = part;`;
}

function writeBlock(o: Options, s: Sizes): KernelDraft {
  const { heads, seq } = dimensions(s);
  const threads = numberOf(o, "threads");
  const exp = exponential(String(o["exp"]));
  const width = o["pairs"] ? 32 : 64;
  const source = `#include <cuda_fp16.h>

constexpr int S = ${seq}, D = 64, T = ${threads};

${when(o["wide"], unpackEight)}${blockReduce(o)}
// The whole row of scores of one query stays in shared memory.
extern "C" __global__ void row_attention(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ o) {
  __shared__ float score[S];
  __shared__ float query[D];
  __shared__ float scratch[T];
  __shared__ float shares[T / ${width}][D];
  const int i = ${o["reversed"] ? "S - 1 - blockIdx.x" : "blockIdx.x"};
  const size_t head = (size_t)blockIdx.y * S * D;
  if (threadIdx.x < D) query[threadIdx.x] = __half2float(q[head + (size_t)i * D + threadIdx.x]) * ${exp.scale};
  __syncthreads();
  float top = -1e30f;
  for (int j = threadIdx.x; j <= i; j += T) {
    const half* row = k + head + (size_t)j * D;
    float s = 0.0f;
${when(o["unroll"], "    #pragma unroll\n")}${rowDot(o)}
    score[j] = s;
    top = fmaxf(top, s);
  }
  top = reduce(top, scratch, true);
  float sum = 0.0f;
  for (int j = threadIdx.x; j <= i; j += T) {
    const float p = ${exp.call("score[j] - top")};
    score[j] = p;
    sum += p;
  }
  sum = reduce(sum, scratch, false);
  const int d = threadIdx.x % ${width}, group = threadIdx.x / ${width};
${gatherValues(o)}
  __syncthreads();
  if (threadIdx.x < D) {
    float total = 0.0f;
    for (int g = 0; g < T / ${width}; ++g) total += shares[g][threadIdx.x];
    o[head + (size_t)i * D + threadIdx.x] = __float2half(total / sum);
  }
}
`;
  return single("row_attention", source, [seq, heads, 1], threads);
}

export const blockPerQuery: Template = {
  id: "block-per-query",
  from: "three-pass",
  count: 25,
  idea: "a block per query with its scores in shared memory",
  options: {
    threads: [128, 64, 256],
    exp: ["expf", "__expf", "exp2f"],
    reduce: ["tree", "shuffle"],
    wide: [false, true],
    pairs: [false, true],
    unroll: [false, true],
    reversed: [false, true],
  },
  write: writeBlock,
};
