import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { clearLaunch, clearOut, pointers, warpCombine } from "./feed.ts";

/** Pairs arrive in shared memory ahead of their use. */
export const stagedPairs: Template = template({
  id: "pairs-in-flight",
  from: "private-bins",
  idea: "Copy the coming pairs asynchronously into shared memory while the present ones are added to the block's bins.",
  options: {
    target: ["bins", "result"],
    read: ["own", "turned"],
    combine: ["none", "peel", "loop"],
    flush: ["all", "non-zero"],
    deal: ["stride", "share"],
    bounds: [false, true],
    stages: [3, 2, 4],
    perSm: [1, 2],
    threads: [512, 256, 1024],
  },
  valid: ({ target, flush, stages, perSm, threads }) =>
    (target === "bins" || flush === "all") &&
    perSm * ((target === "bins" ? 65_536 : 0) + stages * threads * 32) <= 225_000 &&
    perSm * threads <= 2048,
  count: 27,
  write: (options, { n = 0, bins = 0 }) => {
    const { target, read, combine, flush, deal, bounds, stages, perSm, threads } = options;
    const own = target === "bins";
    const blocks = 132 * perSm;
    const rounds = Math.ceil(n / 4 / threads);
    const put = (key: string, value: string): string => `atomicAdd(${own ? "bins" : "out"} + ${key}, ${value});`;
    const take = (key: string, value: string): string =>
      combine === "none" ? put(key, value) : warpCombine(combine, key, value, put);
    const turned = `
          ${on(read === "turned", "__syncthreads();")}
          #pragma unroll
          for (int j = 0; j < 4; ++j) {
            const int key = reinterpret_cast<const int*>(keys + slot)[j * THREADS + threadIdx.x];
            const float value = reinterpret_cast<const float*>(values + slot)[j * THREADS + threadIdx.x];
            ${take("key", "value")}
          }
          __syncthreads();`;
    const quads = `
          const int4 key = keys[slot + threadIdx.x];
          const float4 value = values[slot + threadIdx.x];
          ${repeat(4, (k) => `{\n${take(`key.${"xyzw"[k]}`, `value.${"xyzw"[k]}`)}\n}`)}`;
    const [first, end, step] =
      deal === "stride"
        ? ["blockIdx.x", "ROUNDS", "gridDim.x"]
        : ["blockIdx.x * SHARE", "min(ROUNDS, ((int)blockIdx.x + 1) * SHARE)", "1"];
    const source = `
      #include <cuda_pipeline.h>
      #define BINS ${bins}
      #define THREADS ${threads}
      #define STAGES ${stages}
      #define ROUNDS ${rounds}  // one round is four pairs per thread
      ${on(deal === "share", `#define SHARE ${Math.ceil(rounds / blocks)}`)}
      ${clearOut}
      __device__ __forceinline__ void request(int4* keys, float4* values, const int* index, const float* x, int round, int end, int stage) {
        if (round < end) {
          const int slot = stage % STAGES * THREADS + threadIdx.x;
          const int at = round * THREADS + threadIdx.x;
          __pipeline_memcpy_async(keys + slot, reinterpret_cast<const int4*>(index) + at, 16);
          __pipeline_memcpy_async(values + slot, reinterpret_cast<const float4*>(x) + at, 16);
        }
        __pipeline_commit();
      }

      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}scatter_staged(${pointers(true)}, float* __restrict__ out) {
        extern __shared__ int4 keys[];
        float4* values = reinterpret_cast<float4*>(keys + STAGES * THREADS);
        ${on(combine !== "none", "const int lane = threadIdx.x % 32;")}
        ${on(
          own,
          `float* bins = reinterpret_cast<float*>(values + STAGES * THREADS);
        for (int k = threadIdx.x; k < BINS; k += THREADS) bins[k] = 0.0f;
        __syncthreads();`,
        )}
        const int end = ${end};
        int ahead = ${first};
        for (int s = 0; s < STAGES - 1; ++s, ahead += ${step}) request(keys, values, index, x, ahead, end, s);
        int stage = 0;
        for (int round = ${first}; round < end; round += ${step}, ahead += ${step}, ++stage) {
          request(keys, values, index, x, ahead, end, stage + STAGES - 1);
          __pipeline_wait_prior(STAGES - 1);
          const int slot = stage % STAGES * THREADS;
          ${read === "own" ? quads : turned}
        }
        ${on(
          own,
          `__syncthreads();
        for (int k = threadIdx.x; k < BINS; k += THREADS) {
          ${on(flush === "non-zero", "if (bins[k] != 0.0f) ")}atomicAdd(out + k, bins[k]);
        }`,
        )}
      }
    `;
    const bytes = stages * threads * 32 + (own ? bins * 4 : 0);
    const launches = [clearLaunch(bins), launch("scatter_staged", blocks, threads, ["index", "x", "out"], bytes)];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
