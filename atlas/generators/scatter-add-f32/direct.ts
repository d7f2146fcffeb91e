import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { clearLaunch, clearOut, feed, pointers, warpCombine } from "./feed.ts";

/** Atomic additions to the result in global memory. */
export const plainAtomics: Template = template({
  id: "global-atomics",
  from: null,
  idea: "Read the pairs with coalesced loads and add every number with an atomic in global memory.",
  options: {
    walk: ["stride", "quads", "batch", "range", "pairs"],
    load: ["plain", "ldg", "ldcs"],
    restrict: [false, true],
    skip: [false, true],
    address: ["pointer", "element"],
    bounds: [false, true],
    perSm: [8, 4, 2, 16],
    threads: [256, 128, 512],
  },
  count: 26,
  write: ({ walk, load, restrict, skip, address, bounds, perSm, threads }, { n = 0, bins = 0 }) => {
    const put = (key: string, value: string): string =>
      `${on(skip, `if (${value} != 0.0f) `)}atomicAdd(${address === "pointer" ? `out + ${key}` : `&out[${key}]`}, ${value});`;
    const source = `
      #define N ${n}
      #define THREADS ${threads}
      ${clearOut}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}scatter_pairs(${pointers(restrict)}, float*${on(restrict, " __restrict__")} out) {
        ${feed(walk, load, put)}
      }
    `;
    const launches = [clearLaunch(bins), launch("scatter_pairs", 132 * perSm, threads, ["index", "x", "out"])];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Additions made of compare-and-swap or exchange. */
export const handMade: Template = template({
  id: "hand-made-additions",
  from: "private-bins",
  idea: "Build the addition from other atomics, on bins that one block alone uses.",
  options: {
    how: ["cas", "exchange", "cas-peek"],
    place: ["shared", "block-copy"],
    walk: ["stride", "quads", "range", "batch"],
    load: ["plain", "ldcs"],
    flush: ["all", "non-zero"],
    inline: [false, true],
    perSm: [2, 1, 3],
    threads: [512, 256, 1024],
  },
  valid: ({ place, flush, perSm, threads }) => (place === "shared" || flush === "all") && perSm * threads <= 2048,
  count: 26,
  write: ({ how, place, walk, load, flush, inline, perSm, threads }, { n = 0, bins = 0 }) => {
    const shared = place === "shared";
    const blocks = 132 * perSm;
    const ways = {
      cas: `
        int seen = *(volatile int*)cell, before;
        do {
          before = seen;
          seen = atomicCAS((int*)cell, before, __float_as_int(__int_as_float(before) + value));
        } while (seen != before);`,
      "cas-peek": `
        while (true) {
          const float before = *(volatile float*)cell;
          const unsigned int old = __float_as_uint(before);
          if (atomicCAS((unsigned int*)cell, old, __float_as_uint(before + value)) == old) break;
        }`,
      exchange: `
        // Take what is there, add to it, put it back; whoever finds more takes that on.
        float mine = value;
        while (mine != 0.0f) mine = atomicExch(cell, atomicExch(cell, 0.0f) + mine);`,
    };
    const merge = `
      extern "C" __global__ void merge_copies(const float* work, float* out) {
        const int k = blockIdx.x * blockDim.x + threadIdx.x;
        float sum = 0.0f;
        for (int b = 0; b < ${blocks}; ++b) sum += work[b * BINS + k];
        out[k] = sum;
      }
    `;
    const source = `
      #define N ${n}
      #define BINS ${bins}
      #define THREADS ${threads}
      ${clearOut}
      __device__ ${on(inline, "__forceinline__ ")}void add_to(float* cell, float value) {
        ${ways[how]}
      }

      extern "C" __global__ void scatter_loop(${pointers(true)}, float* ${shared ? "out" : "work"}) {
        ${
          shared
            ? `extern __shared__ float board[];
        for (int k = threadIdx.x; k < BINS; k += THREADS) board[k] = 0.0f;
        __syncthreads();`
            : "float* board = work + blockIdx.x * BINS;"
        }
        ${feed(walk, load, (key, value) => `add_to(board + ${key}, ${value});`)}
        ${on(
          shared,
          `__syncthreads();
        for (int k = threadIdx.x; k < BINS; k += THREADS) {
          ${on(flush === "non-zero", "if (board[k] != 0.0f) ")}atomicAdd(out + k, board[k]);
        }`,
        )}
      }
      ${on(!shared, merge)}
    `;
    const buffer = shared ? "out" : "work";
    const count = shared ? bins : bins * blocks;
    const launches = [
      launch("clear_bins", Math.ceil(count / 256), 256, [buffer, { i32: count }]),
      launch("scatter_loop", blocks, threads, ["index", "x", buffer], shared ? bins * 4 : 0),
      ...(shared ? [] : [launch("merge_copies", bins / 128, 128, ["work", "out"])]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

/** Equal keys of a warp are added together first. */
export const warpGroups: Template = template({
  id: "warp-groups",
  from: "global-atomics",
  idea: "Add equal indices of a warp together with match and shuffles, so that only one lane of each group issues an atomic.",
  options: {
    combine: ["loop", "rank-tree", "peel", "same-only"],
    target: ["global", "shared"],
    walk: ["stride", "batch", "quads", "range"],
    load: ["plain", "ldcs", "ldg"],
    sweep: ["strided", "skip-zero"],
    bounds: [false, true],
    perSm: [2, 1, 3],
    threads: [512, 256, 1024],
  },
  valid: ({ target, sweep, perSm, threads }) => (target === "shared" || sweep === "strided") && perSm * threads <= 2048,
  count: 34,
  write: ({ combine, target, walk, load, sweep, bounds, perSm, threads }, { n = 0, bins = 0 }) => {
    const shared = target === "shared";
    const put = (key: string, value: string): string => `atomicAdd(${shared ? "&mine" : "&out"}[${key}], ${value});`;
    const source = `
      constexpr int N = ${n}, BINS = ${bins};
      constexpr int THREADS = ${threads};
      ${clearOut}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}scatter_groups(${pointers(true)}, float* __restrict__ out) {
        const int lane = threadIdx.x & 31;
        ${on(
          shared,
          `extern __shared__ float mine[];
        for (int k = threadIdx.x; k < BINS; k += THREADS) mine[k] = 0.0f;
        __syncthreads();`,
        )}
        ${feed(walk, load, (key, value) => warpCombine(combine, key, value, put))}
        ${on(
          shared,
          `__syncthreads();
        for (int k = threadIdx.x; k < BINS; k += THREADS) {
          const float sum = mine[k];
          ${on(sweep === "skip-zero", "if (sum == 0.0f) continue;")}
          atomicAdd(&out[k], sum);
        }`,
        )}
      }
    `;
    const launches = [
      clearLaunch(bins),
      launch("scatter_groups", 132 * perSm * (shared ? 1 : 2), threads, ["index", "x", "out"], shared ? bins * 4 : 0),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** Every thread keeps the sums of a few recent indices. */
export const threadCache: Template = template({
  id: "thread-cache",
  from: "global-atomics",
  idea: "Let every thread keep sums of a few bins in registers and add them to memory only when they give way.",
  options: {
    keep: ["last", "first-bins", "hashed"],
    slots: [2, 4, 8],
    target: ["global", "shared"],
    walk: ["range", "stride", "quads", "batch"],
    load: ["plain", "ldcs"],
    restrict: [true, false],
    perSm: [2, 1],
    threads: [512, 256, 1024],
  },
  valid: ({ keep, slots, restrict }) => keep !== "last" || (slots === 2 && restrict),
  count: 28,
  write: ({ keep, slots, target, walk, load, restrict, perSm, threads }, { n = 0, bins = 0 }) => {
    const shared = target === "shared";
    const place = shared ? "cells" : "out";
    const { declare, step, finish } = cacheParts(keep, slots, place);
    const source = `
      #define N ${n}
      #define BINS ${bins}
      #define THREADS ${threads}
      ${clearOut}
      extern "C" __global__ void scatter_cached(${pointers(restrict)}, float* out) {
        ${on(
          shared,
          `extern __shared__ float cells[];
        for (int k = threadIdx.x; k < BINS; k += THREADS) cells[k] = 0.0f;
        __syncthreads();`,
        )}
        ${declare}
        ${feed(walk, load, step)}
        ${finish}
        ${on(shared, "__syncthreads();\nfor (int k = threadIdx.x; k < BINS; k += THREADS) atomicAdd(out + k, cells[k]);")}
      }
    `;
    const launches = [
      clearLaunch(bins),
      launch("scatter_cached", 132 * perSm, threads, ["index", "x", "out"], shared ? bins * 4 : 0),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

function cacheParts(keep: "last" | "first-bins" | "hashed", slots: number, place: string) {
  if (keep === "last")
    return {
      declare: "int held = -1;\nfloat sum = 0.0f;",
      step: (key: string, value: string) => `
          if (${key} == held) {
            sum += ${value};
          } else {
            if (held >= 0) atomicAdd(${place} + held, sum);
            held = ${key};
            sum = ${value};
          }`,
      finish: `if (held >= 0) atomicAdd(${place} + held, sum);`,
    };
  if (keep === "first-bins")
    return {
      declare: repeat(slots, (k) => `float sum${k} = 0.0f;`),
      step: (key: string, value: string) => `
          if (${key} >= ${slots}) atomicAdd(${place} + ${key}, ${value});
          ${repeat(slots, (k) => `sum${k} += ${key} == ${k} ? ${value} : 0.0f;`)}`,
      finish: `
        // One atomic per warp for each of the first bins.
        for (int d = 16; d > 0; d >>= 1) {
          ${repeat(slots, (k) => `sum${k} += __shfl_xor_sync(0xffffffffu, sum${k}, d);`)}
        }
        if (threadIdx.x % 32 == 0) {
          ${repeat(slots, (k) => `atomicAdd(${place} + ${k}, sum${k});`)}
        }`,
    };
  return {
    declare: `int held[${slots}];\nfloat sums[${slots}];\nfor (int s = 0; s < ${slots}; ++s) held[s] = -1;`,
    step: (key: string, value: string) => `
          #pragma unroll
          for (int s = 0; s < ${slots}; ++s) {
            if (${key} % ${slots} == s) {
              if (held[s] == ${key}) {
                sums[s] += ${value};
              } else {
                if (held[s] >= 0) atomicAdd(${place} + held[s], sums[s]);
                held[s] = ${key};
                sums[s] = ${value};
              }
            }
          }`,
    finish: `
        #pragma unroll
        for (int s = 0; s < ${slots}; ++s) {
          if (held[s] >= 0) atomicAdd(${place} + held[s], sums[s]);
        }`,
  };
}
