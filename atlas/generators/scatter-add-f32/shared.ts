import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { clearLaunch, clearOut, feed, pointers } from "./feed.ts";

/** A private copy of all bins per block. */
export const privateBins: Template = template({
  id: "private-bins",
  from: "global-atomics",
  idea: "Give every block its own bins in shared memory and add them to the result at the end.",
  options: {
    walk: ["stride", "quads", "batch", "range", "pairs"],
    load: ["plain", "ldcs", "ldg"],
    flush: ["all", "non-zero", "rotated", "parts"],
    clear: ["scalar", "quads"],
    bounds: [false, true],
    twice: [false, true],
    perSm: [2, 1, 3],
    threads: [512, 256, 1024, 768],
  },
  valid: ({ twice, perSm, threads, flush }) =>
    perSm * threads <= 2048 && (!twice || perSm === 1) && (flush !== "parts" || perSm === 1),
  count: 34,
  write: ({ walk, load, flush, clear, bounds, twice, perSm, threads }, { n = 0, bins = 0 }) => {
    const copies = twice ? 2 : 1;
    const blocks = 132 * perSm;
    const own = twice ? "bins + (threadIdx.x / 32 % 2) * BINS" : "bins";
    const total = twice ? "bins[k] + bins[BINS + k]" : "bins[k]";
    const loop = "for (int k = threadIdx.x; k < BINS; k += THREADS)";
    const flushes = {
      all: `${loop} atomicAdd(out + k, ${total});`,
      "non-zero": `
        ${loop} {
          const float sum = ${total};
          if (sum != 0.0f) atomicAdd(out + k, sum);
        }`,
      rotated: `
        // Blocks begin at different bins.
        for (int j = threadIdx.x; j < BINS; j += THREADS) {
          const int k = (j + blockIdx.x * 128) % BINS;
          atomicAdd(out + k, ${total});
        }`,
      parts: `${loop} out[(size_t)blockIdx.x * BINS + k] = ${total};`,
    };
    const clears = {
      scalar: `for (int k = threadIdx.x; k < ${copies} * BINS; k += THREADS) bins[k] = 0.0f;`,
      quads: `for (int k = threadIdx.x; k < ${copies} * BINS / 4; k += THREADS) reinterpret_cast<float4*>(bins)[k] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);`,
    };
    const parts = flush === "parts";
    const source = `
      #define N ${n}
      #define BINS ${bins}
      #define THREADS ${threads}
      ${
        parts
          ? `
      extern "C" __global__ void sum_parts(const float* __restrict__ work, float* __restrict__ out, int parts) {
        const int k = blockIdx.x * blockDim.x + threadIdx.x;
        float sum = 0.0f;
        for (int p = 0; p < parts; ++p) sum += work[(size_t)p * BINS + k];
        out[k] = sum;
      }`
          : clearOut
      }
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}scatter_private(${pointers(true)}, float* __restrict__ out) {
        extern __shared__ float4 space[];
        float* bins = reinterpret_cast<float*>(space);
        ${clears[clear]}
        __syncthreads();
        ${on(twice, `float* own = ${own};`)}
        ${feed(walk, load, (key, value) => `atomicAdd(${twice ? "own" : "bins"} + ${key}, ${value});`)}
        __syncthreads();
        ${flushes[flush]}
      }
    `;
    const main = launch("scatter_private", blocks, threads, ["index", "x", parts ? "work" : "out"], bins * 4 * copies);
    const launches = parts
      ? [main, launch("sum_parts", bins / 128, 128, ["work", "out", { i32: blocks }])]
      : [clearLaunch(bins), main];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Frequent bins in shared memory, the others in global memory. */
export const hotBins: Template = template({
  id: "hot-bins",
  from: "private-bins",
  idea: "Keep only the frequent low bins in shared memory, several copies of them, and send the rest to global memory.",
  options: {
    copies: ["one", "per-warp", "per-lane-group"],
    cold: ["direct", "by-warp"],
    walk: ["stride", "quads", "batch", "range"],
    load: ["plain", "ldcs", "ldg"],
    gather: ["loop", "warp"],
    skip: [false, true],
    hot: [512, 128, 1024, 256],
    perSm: [4, 2, 8],
    threads: [256, 512],
  },
  valid: ({ copies, hot, perSm, threads, gather }) =>
    perSm * threads <= 2048 &&
    (copies !== "per-warp" || (threads / 32) * hot * 4 <= 40_000) &&
    (copies !== "per-lane-group" || hot <= 1024) &&
    (gather === "loop" || copies !== "one"),
  count: 32,
  write: ({ copies, cold, walk, load, gather, skip, hot, perSm, threads }, { n = 0, bins = 0 }) => {
    const count = { one: "1", "per-warp": "(THREADS / 32)", "per-lane-group": "8" }[copies];
    const spot = {
      one: (key: string): string => `board[${key}]`,
      "per-warp": (key: string): string => `board[threadIdx.x / 32 * HOT + ${key}]`,
      "per-lane-group": (key: string): string => `board[${key} * 8 + threadIdx.x % 8]`,
    }[copies];
    const add = (key: string, value: string): string => `atomicAdd(out + ${key}, ${value});`;
    const rest = (key: string, value: string): string =>
      cold === "direct"
        ? add(key, value)
        : `
            // Lanes in the same cold bin let the lowest of them add.
            float sum = 0.0f;
            for (unsigned int left = here; left != 0; left &= left - 1) sum += __shfl_sync(here, ${value}, __ffs(left) - 1);
            if ((here & ((1u << threadIdx.x % 32) - 1)) == 0) ${add(key, "sum")}`;
    const copyOf = copies === "per-lane-group" ? "board[k * 8 + c]" : "board[c * HOT + k]";
    const gathers = {
      loop: `
        for (int k = threadIdx.x; k < HOT; k += THREADS) {
          float sum = 0.0f;
          for (int c = 0; c < COPIES; ++c) sum += ${copyOf};
          ${on(skip, "if (sum != 0.0f) ")}atomicAdd(out + k, sum);
        }`,
      warp: `
        // Eight lanes share the copies of one bin.
        for (int j = threadIdx.x; j < HOT * 8; j += THREADS) {
          const int k = j / 8;
          float sum = 0.0f;
          for (int c = j % 8; c < COPIES; c += 8) sum += ${copyOf};
          for (int d = 4; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
          if (j % 8 == 0${on(skip, " && sum != 0.0f")}) atomicAdd(out + k, sum);
        }`,
    };
    const source = `
      #define N ${n}
      #define HOT ${hot}
      #define THREADS ${threads}
      #define COPIES ${count}
      ${clearOut}
      extern "C" __global__ void scatter_hot(${pointers(true)}, float* out) {
        __shared__ float board[COPIES * HOT];
        for (int k = threadIdx.x; k < COPIES * HOT; k += THREADS) board[k] = 0.0f;
        __syncthreads();
        ${feed(
          walk,
          load,
          (key, value) => `
          ${on(cold === "by-warp", `const unsigned int here = __match_any_sync(0xffffffffu, ${key});`)}
          if (${key} < HOT) {
            atomicAdd(&${spot(key)}, ${value});
          } else {
            ${rest(key, value)}
          }`,
        )}
        __syncthreads();
        ${gathers[gather]}
      }
    `;
    const launches = [clearLaunch(bins), launch("scatter_hot", 132 * perSm, threads, ["index", "x", "out"])];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});
