import { launch, on, repeat } from "../kit/code.ts";

export type Walk = "stride" | "quads" | "batch" | "range" | "pairs";

const fields = ["x", "y", "z", "w"];

/**
 * A grid-wide loop over all (index, number) pairs; `body` gets the names of both. Every warp is whole in each round.
 * Needs N and THREADS.
 */
export function feed(walk: Walk, load: "plain" | "ldg" | "ldcs", body: (key: string, value: string) => string): string {
  const get = (place: string): string =>
    ({ plain: `*(${place})`, ldg: `__ldg(${place})`, ldcs: `__ldcs(${place})` })[load];
  const one = `
        const int key = ${get("index + i")};
        const float value = ${get("x + i")};
        ${body("key", "value")}`;
  if (walk === "stride")
    return `
      for (int i = blockIdx.x * THREADS + threadIdx.x; i < N; i += gridDim.x * THREADS) {
        ${one}
      }`;
  if (walk === "range")
    return `
      const int share = (N / 32 + gridDim.x - 1) / gridDim.x * 32;
      const int stop = min(N, (int)(blockIdx.x + 1) * share);
      for (int i = blockIdx.x * share + threadIdx.x; i < stop; i += THREADS) {
        ${one}
      }`;
  if (walk === "batch")
    return `
      const int all = gridDim.x * THREADS;
      int i = blockIdx.x * THREADS + threadIdx.x;
      for (; i + 3 * all < N; i += 4 * all) {
        int keys[4];
        float values[4];
        #pragma unroll
        for (int j = 0; j < 4; ++j) {
          keys[j] = ${get("index + i + j * all")};
          values[j] = ${get("x + i + j * all")};
        }
        #pragma unroll
        for (int j = 0; j < 4; ++j) {
          ${body("keys[j]", "values[j]")}
        }
      }
      for (; i < N; i += all) {
        ${one}
      }`;
  const lanes = walk === "quads" ? 4 : 2;
  return `
      for (int i = blockIdx.x * THREADS + threadIdx.x; i < N / ${lanes}; i += gridDim.x * THREADS) {
        const int${lanes} key = ${get(`reinterpret_cast<const int${lanes}*>(index) + i`)};
        const float${lanes} value = ${get(`reinterpret_cast<const float${lanes}*>(x) + i`)};
        ${repeat(lanes, (k) => `{\n${body(`key.${fields[k]}`, `value.${fields[k]}`)}\n}`)}
      }`;
}

export const clearOut = `
      extern "C" __global__ void clear_bins(float* out, int count) {
        for (int k = blockIdx.x * blockDim.x + threadIdx.x; k < count; k += gridDim.x * blockDim.x) out[k] = 0.0f;
      }
    `;

export const clearLaunch = (bins: number) => launch("clear_bins", Math.ceil(bins / 256), 256, ["out", { i32: bins }]);

export const pointers = (restrict: boolean): string =>
  `const int*${on(restrict, " __restrict__")} index, const float*${on(restrict, " __restrict__")} x`;

/** Adds a warp's equal keys together; the lane that then holds a sum runs `put(sum)`. Needs `lane`. */
export function warpCombine(
  how: "loop" | "rank-tree" | "peel" | "same-only",
  key: string,
  value: string,
  put: (key: string, value: string) => string,
): string {
  if (how === "same-only")
    return `
        if (__all_sync(0xffffffffu, ${key} == __shfl_sync(0xffffffffu, ${key}, 0))) {
          float sum = ${value};
          for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
          if (lane == 0) {
            ${put(key, "sum")}
          }
        } else {
          ${put(key, value)}
        }`;
  if (how === "peel")
    return `
        // The most frequent bin is combined over the warp, all others are added as they are.
        const unsigned int first = __ballot_sync(0xffffffffu, ${key} == 0);
        if (first != 0) {
          float sum = ${key} == 0 ? ${value} : 0.0f;
          for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
          if (lane == __ffs(first) - 1) {
            ${put("0", "sum")}
          }
        }
        if (${key} != 0) {
          ${put(key, value)}
        }`;
  if (how === "loop")
    return `
        const unsigned int peers = __match_any_sync(0xffffffffu, ${key});
        const int leader = __ffs(peers) - 1;
        float sum = 0.0f;
        // All lanes walk as far as the largest group goes.
        for (unsigned int left = peers; __any_sync(0xffffffffu, left != 0); left &= left - 1) {
          const float other = __shfl_sync(0xffffffffu, ${value}, left != 0 ? __ffs(left) - 1 : lane);
          if (left != 0) sum += other;
        }
        if (lane == leader) {
          ${put(key, "sum")}
        }`;
  return `
        unsigned int peers = __match_any_sync(0xffffffffu, ${key});
        int rank = __popc(peers & ((1u << lane) - 1));
        const bool leads = rank == 0;
        float sum = ${value};
        // Each round adds every second peer to the one below it.
        peers &= 0xfffffffeu << lane;
        while (__any_sync(0xffffffffu, peers != 0)) {
          const int next = __ffs(peers);
          const float other = __shfl_sync(0xffffffffu, sum, next > 0 ? next - 1 : lane);
          if (next > 0) sum += other;
          peers &= ~__ballot_sync(0xffffffffu, rank & 1);
          rank >>= 1;
        }
        if (leads) {
          ${put(key, "sum")}
        }`;
}
