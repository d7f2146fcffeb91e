import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  blockFolds,
  combineKernel,
  combineLaunch,
  partials,
  power,
  scaleOf,
  unpack8,
  unrolled,
  type Exponential,
} from "./common.ts";

type Dots = "warp" | "thread" | "half-warp" | "quarter-warp";
type Values = "dims" | "pairs" | "octets";

/** Scores of `COUNT` keys into shared memory, for the pointers `keys` and `query`. */
function scoreLoop(dots: Dots, scale: string, unroll: boolean): string {
  if (dots === "thread") {
    return `
      for (int i = threadIdx.x; i < COUNT; i += BLOCK) {
        const uint4* row = reinterpret_cast<const uint4*>(keys + (size_t)i * 128);
        float dot = 0.0f;
        ${unrolled(unroll)}
        for (int w = 0; w < 16; ++w) {
          float part[8];
          unpack8(row[w], part);
          for (int j = 0; j < 8; ++j) dot += part[j] * query[8 * w + j];
        }
        weights[i] = dot;
      }`;
  }
  const lanes = { warp: 32, "half-warp": 16, "quarter-warp": 8 }[dots];
  const load = {
    warp: `
      uint2 raw = reinterpret_cast<const uint2*>(keys + (size_t)i * 128)[lane];
      float2 low = __half22float2(*reinterpret_cast<half2*>(&raw.x));
      float2 high = __half22float2(*reinterpret_cast<half2*>(&raw.y));
      float dot = low.x * mine[0] + low.y * mine[1] + high.x * mine[2] + high.y * mine[3];`,
    "half-warp": `
      float part[8];
      unpack8(reinterpret_cast<const uint4*>(keys + (size_t)i * 128)[lane], part);
      float dot = 0.0f;
      for (int j = 0; j < 8; ++j) dot += part[j] * mine[j];`,
    "quarter-warp": `
      float part[16];
      unpack8(reinterpret_cast<const uint4*>(keys + (size_t)i * 128)[2 * lane], part);
      unpack8(reinterpret_cast<const uint4*>(keys + (size_t)i * 128)[2 * lane + 1], part + 8);
      float dot = 0.0f;
      for (int j = 0; j < 16; ++j) dot += part[j] * mine[j];`,
  }[dots];
  return `
    const int lane = threadIdx.x % ${lanes};
    float mine[${128 / lanes}];
    for (int j = 0; j < ${128 / lanes}; ++j) mine[j] = query[lane * ${128 / lanes} + j];
    ${unrolled(unroll)}
    for (int i = threadIdx.x / ${lanes}; i < COUNT; i += BLOCK / ${lanes}) {
      ${load}
      #pragma unroll
      for (int step = ${lanes / 2}; step > 0; step >>= 1) dot += __shfl_xor_sync(0xffffffffu, dot, step);
      if (lane == 0) weights[i] = dot;
    }`.replaceAll("SCALE", scale);
}

/** Weighted values of `COUNT` keys into `cells[0 .. 127]` in shared memory; needs BLOCK / (128 / per thread) * 128 floats. */
function valueLoop(values: Values, unroll: boolean): string {
  const per = { dims: 1, pairs: 2, octets: 8 }[values];
  const load = {
    dims: "sum[0] += p * __half2float(rows[(size_t)i * 128 + column]);",
    pairs:
      "float2 two = __half22float2(reinterpret_cast<const half2*>(rows)[(size_t)i * 64 + column]);\nsum[0] += p * two.x;\nsum[1] += p * two.y;",
    octets:
      "float part[8];\nunpack8(reinterpret_cast<const uint4*>(rows)[(size_t)i * 16 + column], part);\nfor (int j = 0; j < 8; ++j) sum[j] += p * part[j];",
  }[values];
  return `
    const int column = threadIdx.x % ${128 / per};
    const int group = threadIdx.x / ${128 / per};
    float sum[${per}] = {};
    ${unrolled(unroll)}
    for (int i = group; i < COUNT; i += BLOCK * ${per} / 128) {
      float p = weights[i];
      ${load}
    }
    for (int j = 0; j < ${per}; ++j) cells[group * 128 + column * ${per} + j] = sum[j];
    __syncthreads();
    if (threadIdx.x < 128) {
      float value = 0.0f;
      for (int g = 0; g < BLOCK * ${per} / 128; ++g) value += cells[g * 128 + threadIdx.x];
      FINISH
    }`;
}

function softenLoop(exp: Exponential, scaled: boolean): string {
  const weight = scaled ? power(exp, "weights[i] - top") : power(exp, `(weights[i] - top) * ${scaleOf(exp)}`);
  return `
    float top = -1.0e30f;
    for (int i = threadIdx.x; i < COUNT; i += BLOCK) top = fmaxf(top, weights[i]);
    top = fold_max(top, room);
    float total = 0.0f;
    for (int i = threadIdx.x; i < COUNT; i += BLOCK) {
      float e = ${weight};
      weights[i] = e;
      total += e;
    }
    total = fold_sum(total, room);`;
}

const queryLoad = (exp: Exponential, scaled: boolean): string => `
  if (threadIdx.x < 128) query[threadIdx.x] = __half2float(q[head * 128 + threadIdx.x])${scaled ? ` * ${scaleOf(exp)}` : ""};
  __syncthreads();`;

/** A block per head keeps all scores of the head in shared memory. */
export const headBlock: Template = template({
  id: "block-per-head",
  from: "three-passes",
  idea: "Do all steps of a head in one block and keep its scores in shared memory.",
  options: {
    dots: ["warp", "thread", "half-warp", "quarter-warp"],
    values: ["dims", "pairs", "octets"],
    fold: ["tree", "shuffle"],
    unpack: ["halves", "pairs"],
    exp: ["expf", "fast", "exp2"],
    scaled: [true, false],
    block: [512, 256, 1024],
    unroll: [false, true],
    bounds: [false, true],
  },
  count: 36,
  write: ({ dots, values, fold, unpack, exp, scaled, block, unroll, bounds }, { heads = 0, seq = 0 }) => {
    const cells = (block / 128) * { dims: 1, pairs: 2, octets: 8 }[values] * 128;
    const source = `
      #include <cuda_fp16.h>

      constexpr int BLOCK = ${block};
      constexpr int COUNT = ${seq};

      ${on(values === "octets" || dots !== "warp", unpack8(unpack))}
      ${blockFolds(fold)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}attend_head(const half* q, const half* k, const half* v, half* o) {
        extern __shared__ float weights[];  // COUNT scores, then the room for folds and sums
        __shared__ float query[128];
        float* room = weights + COUNT;
        float* cells = weights + COUNT;
        const int head = blockIdx.x;
        const half* keys = k + (size_t)head * COUNT * 128;
        const half* rows = v + (size_t)head * COUNT * 128;
        ${queryLoad(exp, scaled)}
        ${scoreLoop(dots, scaleOf(exp), unroll)}
        __syncthreads();
        ${softenLoop(exp, scaled)}
        ${valueLoop(values, unroll).replace("FINISH", "o[head * 128 + threadIdx.x] = __float2half(value / total);")}
      }
    `;
    const smem = 4 * (seq + Math.max(cells, block));
    const launches = [launch("attend_head", heads, block, ["q", "k", "v", "o"], smem)];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

/** A block per head and chunk of keys; a second launch combines the chunks. */
export const splitChunks: Template = template({
  id: "split-chunks",
  from: "block-per-head",
  idea: "Split each head's keys into chunks, one block each, and combine their partial softmax in a second launch.",
  options: {
    dots: ["warp", "thread", "half-warp", "quarter-warp"],
    values: ["dims", "pairs", "octets"],
    fold: ["shuffle", "tree"],
    unpack: ["pairs", "halves", "union"],
    combine: ["two-loops", "shared-weights", "running", "quads"],
    layout: ["packed", "separate"],
    exp: ["fast", "expf", "exp2"],
    splits: [16, 8, 32, 64],
    block: [256, 128, 512],
    unroll: [false, true],
    order: ["heads-last", "heads-first"],
  },
  count: 24,
  write: (options, sizes) => {
    const { dots, values, fold, unpack, combine, layout, exp, splits, block, unroll, order } = options;
    const { heads = 0, seq = 0 } = sizes;
    const count = seq / splits;
    const cells = (block / 128) * { dims: 1, pairs: 2, octets: 8 }[values] * 128;
    const headsFirst = order === "heads-first";
    const source = `
      #include <cuda_fp16.h>

      ${partials(layout, splits, sizes)}
      #define BLOCK ${block}
      #define COUNT ${count}

      ${on(values === "octets" || dots !== "warp", unpack8(unpack))}
      ${blockFolds(fold)}
      extern "C" __global__ void attend_chunk(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, float* work) {
        __shared__ float weights[COUNT];
        __shared__ float cells[${Math.max(cells, block)}];
        __shared__ float query[128];
        float* room = cells;
        int head = blockIdx.${headsFirst ? "x" : "y"};
        int slot = head * SPLITS + blockIdx.${headsFirst ? "y" : "x"};
        const half* keys = k + (size_t)slot * COUNT * 128;
        const half* rows = v + (size_t)slot * COUNT * 128;
        ${queryLoad(exp, true)}
        ${scoreLoop(dots, scaleOf(exp), unroll)}
        __syncthreads();
        ${softenLoop(exp, true)}
        ${valueLoop(values, unroll).replace("FINISH", "ACC(slot, threadIdx.x) = value;")}
        if (threadIdx.x == 0) {
          TOP(slot) = top;
          SUM(slot) = total;
        }
      }

      ${combineKernel(combine, exp)}
    `;
    const grid = headsFirst ? ([heads, splits] as const) : ([splits, heads] as const);
    const launches = [launch("attend_chunk", grid, block, ["q", "k", "v", "work"]), combineLaunch(combine, sizes)];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
