import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  combineBody,
  combineKernel,
  combineLaunch,
  partials,
  power,
  scaleOf,
  unpack8,
  type Exponential,
} from "./common.ts";

interface Groups {
  readonly order: "strided" | "blocked";
  readonly ahead: boolean;
  readonly merge: "shuffles" | "shared";
  readonly exp: Exponential;
  readonly load: "plain" | "streaming" | "nc";
}

const loadWord = { plain: "#", streaming: "__ldcs(&#)", nc: "__ldg(&#)" };

/** Groups of lanes read a key each; leaves the block's result in `slot`. Expects head, split, slot and CHUNK. */
function groupsBody({ order, ahead, merge, exp, load }: Groups): string {
  const word = (text: string): string => loadWord[load].replace("#", text);
  const at = order === "strided" ? "i + b * GROUPS + group" : "i + group * BATCH + b";
  return `
    const int lane = threadIdx.x % LANES;
    const int group = threadIdx.x / LANES;
    const uint4* keys = reinterpret_cast<const uint4*>(k) + (size_t)slot * CHUNK * 16 + lane;
    const uint4* values = reinterpret_cast<const uint4*>(v) + (size_t)slot * CHUNK * 16 + lane;
    float query[WIDTH], acc[WIDTH];
    #pragma unroll
    for (int w = 0; w < WORDS; ++w) unpack8(reinterpret_cast<const uint4*>(q)[head * 16 + lane + w * LANES], query + 8 * w);
    #pragma unroll
    for (int j = 0; j < WIDTH; ++j) {
      query[j] *= ${scaleOf(exp)};
      acc[j] = 0.0f;
    }
    float top = -1.0e30f, sum = 0.0f;
    for (int i = 0; i < CHUNK; i += GROUPS * BATCH) {
      uint4 key[BATCH][WORDS]${on(ahead, ", value[BATCH][WORDS]")};
      #pragma unroll
      for (int b = 0; b < BATCH; ++b) {
        #pragma unroll
        for (int w = 0; w < WORDS; ++w) key[b][w] = ${word(`keys[(${at}) * 16 + w * LANES]`)};
      }
      ${on(
        ahead,
        `#pragma unroll
      for (int b = 0; b < BATCH; ++b) {
        #pragma unroll
        for (int w = 0; w < WORDS; ++w) value[b][w] = ${word(`values[(${at}) * 16 + w * LANES]`)};
      }`,
      )}
      float dot[BATCH];
      float next = top;
      #pragma unroll
      for (int b = 0; b < BATCH; ++b) {
        dot[b] = 0.0f;
        #pragma unroll
        for (int w = 0; w < WORDS; ++w) {
          float part[8];
          unpack8(key[b][w], part);
          #pragma unroll
          for (int j = 0; j < 8; ++j) dot[b] += part[j] * query[8 * w + j];
        }
        #pragma unroll
        for (int step = LANES / 2; step > 0; step >>= 1) dot[b] += __shfl_xor_sync(0xffffffffu, dot[b], step);
        next = fmaxf(next, dot[b]);
      }
      const float keep = ${power(exp, "top - next")};
      top = next;
      sum *= keep;
      #pragma unroll
      for (int j = 0; j < WIDTH; ++j) acc[j] *= keep;
      #pragma unroll
      for (int b = 0; b < BATCH; ++b) {
        const float p = ${power(exp, "dot[b] - top")};
        sum += p;
        #pragma unroll
        for (int w = 0; w < WORDS; ++w) {
          float part[8];
          unpack8(${ahead ? "value[b][w]" : word(`values[(${at}) * 16 + w * LANES]`)}, part);
          #pragma unroll
          for (int j = 0; j < 8; ++j) acc[8 * w + j] += p * part[j];
        }
      }
    }
    ${merge === "shuffles" ? mergeShuffles(exp) : ""}
    ${mergeShared(exp, merge)}`;
}

function mergeShuffles(exp: Exponential): string {
  return `
    #pragma unroll
    for (int step = LANES; step < 32; step <<= 1) {
      float other = __shfl_xor_sync(0xffffffffu, top, step);
      float next = fmaxf(top, other);
      float keep = ${power(exp, "top - next")};
      sum *= keep;
      sum += __shfl_xor_sync(0xffffffffu, sum, step);
      #pragma unroll
      for (int j = 0; j < WIDTH; ++j) {
        acc[j] *= keep;
        acc[j] += __shfl_xor_sync(0xffffffffu, acc[j], step);
      }
      top = next;
    }`;
}

function mergeShared(exp: Exponential, merge: "shuffles" | "shared"): string {
  const rows = merge === "shuffles" ? "BLOCK / 32" : "GROUPS";
  const own = merge === "shuffles" ? "threadIdx.x / 32" : "group";
  const writes = `
    for (int w = 0; w < WORDS; ++w) {
      for (int j = 0; j < 8; ++j) cells[${own}][(lane + w * LANES) * 8 + j] = acc[8 * w + j];
    }
    if (lane == 0) {
      cells[${own}][DIM] = top;
      cells[${own}][DIM + 1] = sum;
    }`;
  return `
    __shared__ float cells[${rows}][DIM + 2];
    ${merge === "shuffles" ? `if (threadIdx.x % 32 < LANES) {\n${writes}\n}` : writes}
    __syncthreads();
    if (threadIdx.x < DIM) {
      float best = cells[0][DIM], all = 0.0f, value = 0.0f;
      for (int g = 1; g < ${rows}; ++g) best = fmaxf(best, cells[g][DIM]);
      for (int g = 0; g < ${rows}; ++g) {
        float keep = ${power(exp, "cells[g][DIM] - best")};
        all += keep * cells[g][DIM + 1];
        value += keep * cells[g][threadIdx.x];
      }
      ACC(slot, threadIdx.x) = value;
      if (threadIdx.x == 0) {
        TOP(slot) = best;
        SUM(slot) = all;
      }
    }`;
}

const constants = (block: number, lanes: number, batch: number, chunk: number): string => `
  constexpr int BLOCK = ${block};
  constexpr int LANES = ${lanes};  // per key
  constexpr int WIDTH = DIM / LANES;
  constexpr int WORDS = WIDTH / 8;
  constexpr int GROUPS = BLOCK / LANES;
  constexpr int BATCH = ${batch};
  constexpr int CHUNK = ${chunk};
`;

/** Several keys per warp and step, 16 bytes to a load. */
export const laneGroups: Template = template({
  id: "lane-groups",
  from: "warp-walk",
  idea: "Read several keys per warp with 16-byte loads, a group of lanes to each key, and merge the groups at the end.",
  options: {
    lanes: [16, 8, 4],
    batch: [2, 4, 1, 8],
    order: ["strided", "blocked"],
    ahead: [false, true],
    merge: ["shuffles", "shared"],
    unpack: ["pairs", "halves", "union"],
    load: ["plain", "streaming", "nc"],
    combine: ["two-loops", "quads", "running", "shared-weights"],
    layout: ["packed", "separate"],
    exp: ["fast", "exp2", "expf"],
    splits: [16, 8, 32, 64],
    block: [256, 128, 512],
    bounds: ["none", "block", "resident"],
  },
  valid: ({ lanes, batch, splits, block, merge }) =>
    (8192 / splits) % ((block / lanes) * batch) === 0 && (merge === "shuffles" || block / lanes <= 64),
  count: 15,
  write: (options, sizes) => {
    const { lanes, batch, unpack, combine, layout, exp, splits, block, bounds } = options;
    const { heads = 0, seq = 0 } = sizes;
    const limit = {
      none: "",
      block: "__launch_bounds__(BLOCK) ",
      resident: `__launch_bounds__(BLOCK, ${1024 / block}) `,
    };
    const source = `
      #include <cuda_fp16.h>

      ${partials(layout, splits, sizes)}
      ${constants(block, lanes, batch, seq / splits)}
      ${unpack8(unpack)}

      extern "C" __global__ void ${limit[bounds]}attend_groups(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, float* __restrict__ work) {
        const int head = blockIdx.y;
        const int slot = head * SPLITS + blockIdx.x;
        ${groupsBody(options)}
      }

      ${combineKernel(combine, exp)}
    `;
    const launches = [
      launch("attend_groups", [splits, heads], block, ["q", "k", "v", "work"]),
      combineLaunch(combine, sizes),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** As lane groups; the block that finishes a head last combines its slots. */
export const lastBlock: Template = template({
  id: "last-block",
  from: "lane-groups",
  idea: "Count the finished blocks of a head and let the last one combine, instead of a launch of its own.",
  options: {
    lanes: [16, 8],
    batch: [4, 2],
    order: ["strided", "blocked"],
    ahead: [false, true],
    merge: ["shuffles", "shared"],
    unpack: ["pairs", "union"],
    load: ["plain", "nc"],
    combine: ["two-loops", "running"],
    counter: ["add", "increment"],
    zero: ["launch", "wide"],
    exp: ["exp2", "fast"],
    splits: [16, 32, 8],
    block: [256, 128],
    layout: ["separate", "packed"],
  },
  count: 5,
  write: (options, sizes) => {
    const { lanes, batch, unpack, combine, counter, zero, exp, splits, block, layout } = options;
    const { heads = 0, seq = 0 } = sizes;
    const ticket =
      counter === "add"
        ? "atomicAdd(counters + head, 1u) == SPLITS - 1"
        : "atomicInc(counters + head, SPLITS - 1) == SPLITS - 1";
    const source = `
      #include <cuda_fp16.h>

      ${partials(layout, splits, sizes)}
      ${constants(block, lanes, batch, seq / splits)}
      #define COUNTERS ${heads * seq}  // where they start in work

      ${unpack8(unpack)}

      extern "C" __global__ void zero_counters(float* work) {
        ${
          zero === "launch"
            ? "if (threadIdx.x < HEADS) reinterpret_cast<unsigned int*>(work)[COUNTERS + threadIdx.x] = 0u;"
            : "for (int i = threadIdx.x; i < HEADS; i += blockDim.x) work[COUNTERS + i] = 0.0f;"
        }
      }

      extern "C" __global__ void attend(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, float* work, half* __restrict__ o) {
        const int head = blockIdx.y;
        const int slot = head * SPLITS + blockIdx.x;
        unsigned int* counters = reinterpret_cast<unsigned int*>(work) + COUNTERS;
        ${groupsBody(options)}
        __shared__ bool is_last;
        __threadfence();
        __syncthreads();
        if (threadIdx.x == 0) is_last = ${ticket};
        __syncthreads();
        if (!is_last) return;
        __threadfence();
        if (threadIdx.x < DIM) {
          const int d = threadIdx.x;
          ${combineBody(combine, exp)}
        }
      }
    `;
    const launches = [
      launch("zero_counters", 1, zero === "launch" ? 64 : 32, ["work"]),
      launch("attend", [splits, heads], block, ["q", "k", "v", "work", "o"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
