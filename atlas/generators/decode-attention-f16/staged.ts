import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { combineKernel, combineLaunch, partials, power, scaleOf, unpack8 } from "./common.ts";

/** Tiles of keys in shared memory, where each thread computes the whole score of one key. */
export const keyTiles: Template = template({
  id: "key-tiles",
  from: "split-chunks",
  idea: "Bring tiles of keys into shared memory so that a thread computes a whole score and no lanes have to exchange sums.",
  options: {
    padding: ["eight", "none", "swizzle"],
    values: ["global", "staged", "pairs"],
    unpack: ["pairs", "halves", "union"],
    tops: ["shuffle", "scan"],
    query: ["floats", "registers"],
    combine: ["two-loops", "shared-weights", "running", "quads"],
    layout: ["separate", "packed"],
    exp: ["fast", "expf", "exp2"],
    splits: [16, 8, 32],
    unroll: [true, false],
  },
  count: 40,
  write: (options, sizes) => {
    const { padding, values, unpack, tops, query, combine, layout, exp, splits, unroll } = options;
    const { heads = 0, seq = 0 } = sizes;
    const place = padding === "swizzle" ? "i / 16 * STRIDE + ((i % 16) ^ (i / 16 % 16))" : "i / 16 * STRIDE + i % 16";
    const word = padding === "swizzle" ? "t * STRIDE + (w ^ (t % 16))" : "t * STRIDE + w";
    const stage = (from: string): string => `
      for (int i = t; i < TILE * 16; i += TILE) tile[${place}] = ${from}[(size_t)start * 16 + i];
      __syncthreads();`;
    const source = `
      #include <cuda_fp16.h>

      ${partials(layout, splits, sizes)}
      enum { TILE = 128, CHUNK = ${seq / splits}, STRIDE = ${padding === "eight" ? 17 : 16} };

      ${unpack8(unpack)}

      extern "C" __global__ void attend_tiles(const half* q, const half* __restrict__ k, const half* __restrict__ v, float* work) {
        __shared__ uint4 tile[TILE * STRIDE];
        __shared__ float query[DIM];
        __shared__ float probs[TILE];
        __shared__ float peaks[4];
        const int t = threadIdx.x;
        const int head = blockIdx.y;
        const int slot = head * SPLITS + blockIdx.x;
        const uint4* keys = (const uint4*)k + (size_t)slot * CHUNK * 16;
        const uint4* rows = (const uint4*)v + (size_t)slot * CHUNK * 16;
        query[t] = __half2float(q[head * DIM + t]) * ${scaleOf(exp)};
        ${on(query === "registers", "__syncthreads();\nfloat own[DIM];\n#pragma unroll\nfor (int d = 0; d < DIM; ++d) own[d] = query[d];")}
        float top = -1.0e30f, sum = 0.0f, ${values === "pairs" ? "acc_x = 0.0f, acc_y = 0.0f" : "acc = 0.0f"};
        for (int start = 0; start < CHUNK; start += TILE) {
          ${stage("keys")}
          float dot = 0.0f;
          ${query === "registers" ? "#pragma unroll" : on(unroll, "#pragma unroll 4")}
          for (int w = 0; w < 16; ++w) {
            float part[8];
            unpack8(tile[${word}], part);
            #pragma unroll
            for (int j = 0; j < 8; ++j) dot += part[j] * ${query === "registers" ? "own" : "query"}[8 * w + j];
          }
          ${peakText(tops)}
          const float keep = ${power(exp, "top - next")};
          top = next;
          probs[t] = ${power(exp, "dot - top")};
          __syncthreads();
          ${weighText(values, stage("rows"), padding === "swizzle", unroll)}
          __syncthreads();
        }
        ${
          values === "pairs"
            ? `
        float2* halves = (float2*)tile;
        halves[t] = make_float2(acc_x, acc_y);
        __syncthreads();
        const float2 low = halves[t / 2], high = halves[t / 2 + 64];
        ACC(slot, t) = t % 2 ? low.y + high.y : low.x + high.x;`
            : "ACC(slot, t) = acc;"
        }
        if (t == 0) {
          TOP(slot) = top;
          SUM(slot) = sum;
        }
      }

      ${combineKernel(combine, exp)}
    `;
    const launches = [
      launch("attend_tiles", [splits, heads], 128, ["q", "k", "v", "work"]),
      combineLaunch(combine, sizes),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

function peakText(tops: "shuffle" | "scan"): string {
  if (tops === "scan") {
    return `
      probs[t] = dot;
      __syncthreads();
      float next = top;
      for (int i = 0; i < TILE; ++i) next = fmaxf(next, probs[i]);
      __syncthreads();`;
  }
  return `
    float next = dot;
    #pragma unroll
    for (int step = 16; step > 0; step >>= 1) next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, step));
    if (t % 32 == 0) peaks[t / 32] = next;
    __syncthreads();
    next = fmaxf(fmaxf(fmaxf(peaks[0], peaks[1]), fmaxf(peaks[2], peaks[3])), top);`;
}

function weighText(values: "global" | "staged" | "pairs", stage: string, swizzled: boolean, unroll: boolean): string {
  const hint = on(unroll, "#pragma unroll 8");
  if (values === "pairs") {
    return `
      sum *= keep;
      acc_x *= keep;
      acc_y *= keep;
      for (int i = 0; i < TILE; ++i) sum += probs[i];
      ${hint}
      for (int i = t / 64; i < TILE; i += 2) {
        const float2 two = __half22float2(((const half2*)rows)[(size_t)(start + i) * 64 + t % 64]);
        acc_x += probs[i] * two.x;
        acc_y += probs[i] * two.y;
      }`;
  }
  const column = swizzled ? "((t / 8) ^ (i % 16)) * 8 + t % 8" : "t";
  return `
    ${on(values === "staged", stage)}
    sum *= keep;
    acc *= keep;
    ${hint}
    for (int i = 0; i < TILE; ++i) {
      sum += probs[i];
      acc += probs[i] * __half2float(${
        values === "staged"
          ? `((const half*)tile)[i * STRIDE * 8 + ${column}]`
          : "((const half*)rows)[(size_t)(start + i) * DIM + t]"
      });
    }`;
}
