import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { blockFolds, power, unpack8, unrolled, type Exponential } from "./common.ts";

type Dots = "thread-scalar" | "thread-pairs" | "thread-words" | "warp" | "half-warp";

/** A launch each for scores, exponentials and weighted values. */
export const passes: Template = template({
  id: "three-passes",
  from: null,
  idea: "Keep a launch per step, and let lanes that lie side by side read a key together.",
  options: {
    dots: ["warp", "thread-scalar", "thread-pairs", "thread-words", "half-warp"],
    query: ["global", "shared"],
    fold: ["shuffle", "tree"],
    normalise: ["values", "weights"],
    values: ["dim-thread", "key-groups", "pair-groups"],
    exp: ["expf", "fast"],
    block: [256, 128, 512],
    restrict: [false, true],
    unroll: [false, true],
  },
  count: 42,
  write: ({ dots, query, fold, normalise, values, exp, block, restrict, unroll }, sizes) => {
    const { heads = 0, seq = 0 } = sizes;
    const keep = restrict ? " __restrict__" : "";
    const perThread = dots.startsWith("thread");
    const source = `
      #include <cuda_fp16.h>

      #define BLOCK ${block}
      #define SEQ ${seq}
      #define HEADS ${heads}

      ${on(dots === "thread-words" || dots === "half-warp", unpack8("pairs"))}
      ${blockFolds(fold)}
      extern "C" __global__ void score_keys(const half*${keep} q, const half*${keep} k, float*${keep} scores) {
        ${queryText(query)}
        ${dotText(dots, unroll)}
      }

      extern "C" __global__ void soften(float* scores) {
        __shared__ float room[BLOCK];
        float* row = scores + (size_t)blockIdx.x * SEQ;
        float top = -1.0e30f;
        ${unrolled(unroll)}
        for (int i = threadIdx.x; i < SEQ; i += BLOCK) top = fmaxf(top, row[i]);
        top = fold_max(top, room);
        float sum = 0.0f;
        for (int i = threadIdx.x; i < SEQ; i += BLOCK) {
          float e = ${power(exp, "row[i] - top")};
          row[i] = e;
          sum += e;
        }
        sum = fold_sum(sum, room);
        ${
          normalise === "weights"
            ? "for (int i = threadIdx.x; i < SEQ; i += BLOCK) row[i] /= sum;"
            : "if (threadIdx.x == 0) scores[HEADS * SEQ + blockIdx.x] = sum;"
        }
      }

      extern "C" __global__ void weigh_values(const float*${keep} scores, const half*${keep} v, half*${keep} o) {
        ${valueText(values, normalise === "values" ? "/ scores[HEADS * SEQ + blockIdx.x]" : "", unroll)}
      }
    `;
    const keysPerBlock = perThread ? block : (block / 32) * (dots === "warp" ? 1 : 2);
    const threads = { "dim-thread": 128, "key-groups": 1024, "pair-groups": 512 }[values];
    const launches = [
      launch("score_keys", [seq / keysPerBlock, heads], block, ["q", "k", "work"]),
      launch("soften", heads, block, ["work"]),
      launch("weigh_values", heads, threads, ["work", "v", "o"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

function queryText(query: "global" | "shared"): string {
  if (query === "global") return "const half* query = q + blockIdx.y * 128;";
  return `
    __shared__ __align__(16) half query[128];
    if (threadIdx.x < 128) query[threadIdx.x] = q[blockIdx.y * 128 + threadIdx.x];
    __syncthreads();`;
}

function dotText(dots: Dots, unroll: boolean): string {
  const store = "scores[(size_t)blockIdx.y * SEQ + pos] = dot * 0.08838835f;";
  const key = "const half* key = k + ((size_t)blockIdx.y * SEQ + pos) * 128;";
  const thread = (body: string): string => `
    int pos = blockIdx.x * BLOCK + threadIdx.x;
    ${key}
    float dot = 0.0f;
    ${body}
    ${store}`;
  const shuffles = (from: number): string => `
    for (int step = ${from}; step > 0; step >>= 1) dot += __shfl_xor_sync(0xffffffffu, dot, step);`;
  return {
    "thread-scalar": thread(`
      ${unrolled(unroll)}
      for (int d = 0; d < 128; ++d) dot += __half2float(query[d]) * __half2float(key[d]);`),
    "thread-pairs": thread(`
      ${unrolled(unroll)}
      for (int d = 0; d < 64; ++d) {
        float2 a = __half22float2(reinterpret_cast<const half2*>(query)[d]);
        float2 b = __half22float2(reinterpret_cast<const half2*>(key)[d]);
        dot += a.x * b.x + a.y * b.y;
      }`),
    "thread-words": thread(`
      ${unrolled(unroll)}
      for (int d = 0; d < 16; ++d) {
        float a[8], b[8];
        unpack8(reinterpret_cast<const uint4*>(query)[d], a);
        unpack8(reinterpret_cast<const uint4*>(key)[d], b);
        for (int i = 0; i < 8; ++i) dot += a[i] * b[i];
      }`),
    warp: `
      int lane = threadIdx.x % 32;
      int pos = blockIdx.x * (BLOCK / 32) + threadIdx.x / 32;
      ${key}
      float dot = 0.0f;
      ${on(unroll, "#pragma unroll")}
      for (int d = lane; d < 64; d += 32) {
        float2 a = __half22float2(reinterpret_cast<const half2*>(query)[d]);
        float2 b = __half22float2(reinterpret_cast<const half2*>(key)[d]);
        dot += a.x * b.x + a.y * b.y;
      }
      ${shuffles(16)}
      if (lane == 0) ${store}`,
    "half-warp": `
      int lane = threadIdx.x % 16;
      int pos = blockIdx.x * (BLOCK / 16) + threadIdx.x / 16;
      ${key}
      float a[8], b[8];
      unpack8(reinterpret_cast<const uint4*>(query)[lane], a);
      unpack8(reinterpret_cast<const uint4*>(key)[lane], b);
      float dot = 0.0f;
      for (int i = 0; i < 8; ++i) dot += a[i] * b[i];
      ${on(unroll, "#pragma unroll")}
      ${shuffles(8)}
      if (lane == 0) ${store}`,
  }[dots];
}

function valueText(values: "dim-thread" | "key-groups" | "pair-groups", divide: string, unroll: boolean): string {
  const start = `
    const float* row = scores + (size_t)blockIdx.x * SEQ;
    const half* rows_of_v = v + (size_t)blockIdx.x * SEQ * 128;`;
  return {
    "dim-thread": `
      ${start}
      float sum = 0.0f;
      ${unrolled(unroll)}
      for (int i = 0; i < SEQ; ++i) sum += row[i] * __half2float(rows_of_v[(size_t)i * 128 + threadIdx.x]);
      o[blockIdx.x * 128 + threadIdx.x] = __float2half(sum ${divide});`,
    "key-groups": `
      __shared__ float cells[8][128];
      ${start}
      int d = threadIdx.x % 128;
      int group = threadIdx.x / 128;
      float sum = 0.0f;
      ${unrolled(unroll)}
      for (int i = group; i < SEQ; i += 8) sum += row[i] * __half2float(rows_of_v[(size_t)i * 128 + d]);
      cells[group][d] = sum;
      __syncthreads();
      if (group == 0) {
        for (int g = 1; g < 8; ++g) sum += cells[g][d];
        o[blockIdx.x * 128 + d] = __float2half(sum ${divide});
      }`,
    "pair-groups": `
      __shared__ float2 cells[8][64];
      ${start}
      int d = threadIdx.x % 64;
      int group = threadIdx.x / 64;
      float2 sum = make_float2(0.0f, 0.0f);
      ${unrolled(unroll)}
      for (int i = group; i < SEQ; i += 8) {
        float2 two = __half22float2(reinterpret_cast<const half2*>(rows_of_v)[(size_t)i * 64 + d]);
        sum.x += row[i] * two.x;
        sum.y += row[i] * two.y;
      }
      cells[group][d] = sum;
      __syncthreads();
      if (group == 0) {
        for (int g = 1; g < 8; ++g) {
          sum.x += cells[g][d].x;
          sum.y += cells[g][d].y;
        }
        reinterpret_cast<half2*>(o)[blockIdx.x * 64 + d] = __floats2half2_rn(sum.x ${divide}, sum.y ${divide});
      }`,
  }[values];
}

/** Global maxima first, then every block adds its share to the head's accumulator. */
export const atomics: Template = template({
  id: "atomic-sums",
  from: "three-passes",
  idea: "Spread the weighted values over the whole device and add the blocks' shares with atomics.",
  options: {
    maxima: ["with-scores", "own-launch"],
    flush: ["block", "group", "eager"],
    words: ["halves", "pairs"],
    exp: ["expf", "fast"],
    splits: [16, 8, 32, 64],
    block: [256, 128],
    totals: ["first-dim", "shuffle"],
    clear: ["loop", "flat"],
    dots: ["half-warp", "warp"],
  },
  valid: ({ totals, flush }) => totals === "first-dim" || flush === "block",
  count: 36,
  write: ({ maxima, flush, words, exp, splits, block, totals, clear, dots }, { heads = 0, seq = 0 }) => {
    const source = `
      #include <cuda_fp16.h>

      const int heads = ${heads};
      const int seq = ${seq};
      const int chunk = ${seq / splits};
      const int state = ${heads * seq};  // tops, sums and values of each head lie behind the scores

      ${unpack8("halves")}

      __device__ unsigned int ordered(float v) {
        unsigned int bits = __float_as_uint(v);
        return (bits >> 31) ? ~bits : (bits | 0x80000000u);
      }

      __device__ float plain(unsigned int bits) {
        return __uint_as_float((bits >> 31) ? (bits & 0x7fffffffu) : ~bits);
      }

      extern "C" __global__ void clear_state(float* work) {
        ${
          clear === "flat"
            ? "int i = blockIdx.x * blockDim.x + threadIdx.x;\nif (i < heads * 130) work[state + i] = 0.0f;"
            : "for (int i = threadIdx.x; i < heads * 130; i += blockDim.x) work[state + i] = 0.0f;"
        }
      }

      extern "C" __global__ void scores(const half* q, const half* k, float* work) {
        ${atomicDots(dots)}
        ${on(maxima === "with-scores", "if (lane == 0) atomicMax(reinterpret_cast<unsigned int*>(work) + state + head, ordered(dot));")}
      }

      ${on(maxima === "own-launch", atomicMaxima)}
      extern "C" __global__ void gather(const half* v, float* work) {
        ${gatherText(flush, words, exp, block, totals)}
      }

      extern "C" __global__ void divide(const float* work, half* o) {
        int head = blockIdx.x;
        float value = work[state + 2 * heads + head * 128 + threadIdx.x];
        o[head * 128 + threadIdx.x] = __float2half(value / work[state + heads + head]);
      }
    `;
    const keys = dots === "warp" ? block / 32 : block / 16;
    const launches = [
      clear === "flat"
        ? launch("clear_state", Math.ceil((heads * 130) / 256), 256, ["work"])
        : launch("clear_state", 1, 1024, ["work"]),
      launch("scores", [seq / keys, heads], block, ["q", "k", "work"]),
      ...(maxima === "own-launch" ? [launch("maxima", [8, heads], 256, ["work"])] : []),
      launch("gather", [splits, heads], block, ["v", "work"]),
      launch("divide", heads, 128, ["work", "o"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

const atomicMaxima = `
  extern "C" __global__ void maxima(float* work) {
    float best = -1.0e30f;
    for (int i = blockIdx.x * 256 + threadIdx.x; i < seq; i += 8 * 256) best = fmaxf(best, work[blockIdx.y * seq + i]);
    for (int step = 16; step > 0; step /= 2) best = fmaxf(best, __shfl_xor_sync(0xffffffffu, best, step));
    if (threadIdx.x % 32 == 0) {
      atomicMax(reinterpret_cast<unsigned int*>(work) + state + blockIdx.y, ordered(best));
    }
  }
`;

function atomicDots(dots: "half-warp" | "warp"): string {
  const lanes = dots === "warp" ? 32 : 16;
  const load =
    dots === "warp"
      ? `
      const half2* a = reinterpret_cast<const half2*>(q + head * 128) + 2 * lane;
      const half2* b = reinterpret_cast<const half2*>(k + ((size_t)head * seq + pos) * 128) + 2 * lane;
      float2 a0 = __half22float2(a[0]), a1 = __half22float2(a[1]);
      float2 b0 = __half22float2(b[0]), b1 = __half22float2(b[1]);
      float dot = a0.x * b0.x + a0.y * b0.y + a1.x * b1.x + a1.y * b1.y;`
      : `
      float a[8], b[8];
      unpack8(reinterpret_cast<const uint4*>(q + head * 128)[lane], a);
      unpack8(reinterpret_cast<const uint4*>(k + ((size_t)head * seq + pos) * 128)[lane], b);
      float dot = 0.0f;
      for (int i = 0; i < 8; ++i) dot += a[i] * b[i];`;
  return `
    int head = blockIdx.y;
    int lane = threadIdx.x % ${lanes};
    int pos = (blockIdx.x * blockDim.x + threadIdx.x) / ${lanes};
    ${load}
    for (int step = ${lanes / 2}; step > 0; step /= 2) dot += __shfl_xor_sync(0xffffffffu, dot, step);
    dot *= 0.08838835f;
    if (lane == 0) work[head * seq + pos] = dot;`;
}

function gatherText(
  flush: "block" | "group" | "eager",
  words: "halves" | "pairs",
  exp: Exponential,
  block: number,
  totals: "first-dim" | "shuffle",
): string {
  const per = words === "pairs" ? 2 : 1;
  const threads = 128 / per;
  const groups = block / threads;
  const type = per === 2 ? "float2" : "float";
  const add =
    per === 2
      ? "float2 two = __half22float2(reinterpret_cast<const half2*>(values)[(size_t)i * 64 + d]);\nsum.x += p * two.x;\nsum.y += p * two.y;"
      : "sum += p * __half2float(values[(size_t)i * 128 + d]);";
  const push = (from: string): string =>
    per === 2
      ? `atomicAdd(target + 2 * d, ${from}.x);\natomicAdd(target + 2 * d + 1, ${from}.y);`
      : `atomicAdd(target + d, ${from});`;
  const zero = per === 2 ? "sum = make_float2(0.0f, 0.0f);" : "sum = 0.0f;";
  const loop = `
    for (int i = group; i < chunk; i += ${groups}) {
      float p = ${power(exp, "row[i] - top")};
      total += p;
      ${add}
      ${on(flush === "eager", `if ((i / ${groups}) % 32 == 31) {\n${push("sum")}\n${zero}\n}`)}
    }`;
  const ends = {
    group: push("sum"),
    eager: push("sum"),
    block: `
      __shared__ ${type} cells[${groups}][${threads}];
      cells[group][d] = sum;
      __syncthreads();
      if (group == 0) {
        for (int g = 1; g < ${groups}; ++g) {
          ${per === 2 ? "sum.x += cells[g][d].x;\nsum.y += cells[g][d].y;" : "sum += cells[g][d];"}
        }
        ${push("sum")}
      }`,
  }[flush];
  const sums =
    totals === "first-dim"
      ? "if (d == 0) atomicAdd(work + state + heads + head, total);"
      : `
      float mine = 0.0f;
      for (int i = threadIdx.x; i < chunk; i += blockDim.x) mine += ${power(exp, "row[i] - top")};
      for (int step = 16; step > 0; step /= 2) mine += __shfl_down_sync(0xffffffffu, mine, step);
      if (threadIdx.x % 32 == 0) atomicAdd(work + state + heads + head, mine);`;
  return `
    int head = blockIdx.y;
    int d = threadIdx.x % ${threads};
    int group = threadIdx.x / ${threads};
    const float* row = work + head * seq + blockIdx.x * chunk;
    const half* values = v + ((size_t)head * seq + blockIdx.x * chunk) * 128;
    float* target = work + state + 2 * heads + head * 128;
    float top = plain(reinterpret_cast<unsigned int*>(work)[state + head]);
    float total = 0.0f;
    ${type} sum;
    ${zero}
    ${loop}
    ${ends}
    ${sums}`;
}
