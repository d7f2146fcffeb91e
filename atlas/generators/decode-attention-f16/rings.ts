import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { combineKernel, combineLaunch, partials, power, scaleOf, unpack8, type Exponential } from "./common.ts";

interface Ring {
  readonly lanes: 16 | 8;
  readonly exp: Exponential;
}

/** Statements that take one key per group and step from `key_tile` and `value_tile`. */
function consume({ lanes, exp }: Ring): string {
  return `
    for (int n = group; n < TILE; n += GROUPS) {
      float dot = 0.0f;
      #pragma unroll
      for (int w = 0; w < ${16 / lanes}; ++w) {
        float part[8];
        unpack8(key_tile[n * 16 + lane + w * ${lanes}], part);
        #pragma unroll
        for (int j = 0; j < 8; ++j) dot += part[j] * query[8 * w + j];
      }
      #pragma unroll
      for (int step = ${lanes / 2}; step > 0; step >>= 1) dot += __shfl_xor_sync(0xffffffffu, dot, step);
      const float next = fmaxf(top, dot);
      const float keep = ${power(exp, "top - next")};
      const float p = ${power(exp, "dot - next")};
      top = next;
      sum = sum * keep + p;
      #pragma unroll
      for (int w = 0; w < ${16 / lanes}; ++w) {
        float part[8];
        unpack8(value_tile[n * 16 + lane + w * ${lanes}], part);
        #pragma unroll
        for (int j = 0; j < 8; ++j) acc[8 * w + j] = acc[8 * w + j] * keep + p * part[j];
      }
    }`;
}

/** As `consume`, but the whole tile's scores come before its values, with one rescaling. */
function consumeBatched({ lanes, exp }: Ring): string {
  return `
    float dots[TILE / GROUPS];
    float next = top;
    #pragma unroll
    for (int b = 0; b < TILE / GROUPS; ++b) {
      dots[b] = 0.0f;
      #pragma unroll
      for (int w = 0; w < ${16 / lanes}; ++w) {
        float part[8];
        unpack8(key_tile[(b * GROUPS + group) * 16 + lane + w * ${lanes}], part);
        #pragma unroll
        for (int j = 0; j < 8; ++j) dots[b] += part[j] * query[8 * w + j];
      }
      #pragma unroll
      for (int step = ${lanes / 2}; step > 0; step >>= 1) dots[b] += __shfl_xor_sync(0xffffffffu, dots[b], step);
      next = fmaxf(next, dots[b]);
    }
    const float keep = ${power(exp, "top - next")};
    top = next;
    sum *= keep;
    #pragma unroll
    for (int j = 0; j < ${128 / lanes}; ++j) acc[j] *= keep;
    #pragma unroll
    for (int b = 0; b < TILE / GROUPS; ++b) {
      const float p = ${power(exp, "dots[b] - top")};
      sum += p;
      #pragma unroll
      for (int w = 0; w < ${16 / lanes}; ++w) {
        float part[8];
        unpack8(value_tile[(b * GROUPS + group) * 16 + lane + w * ${lanes}], part);
        #pragma unroll
        for (int j = 0; j < 8; ++j) acc[8 * w + j] += p * part[j];
      }
    }`;
}

const ringState = ({ lanes, exp }: Ring): string => `
  float query[${128 / lanes}], acc[${128 / lanes}];
  for (int w = 0; w < ${16 / lanes}; ++w) unpack8(((const uint4*)q)[head * 16 + lane + w * ${lanes}], query + 8 * w);
  for (int j = 0; j < ${128 / lanes}; ++j) {
    query[j] *= ${scaleOf(exp)};
    acc[j] = 0.0f;
  }
  float top = -1.0e30f, sum = 0.0f;`;

/** All groups of the block write their state to shared memory, over the ring, and 128 threads merge it. */
const ringMerge = ({ lanes, exp }: Ring): string => `
  __syncthreads();
  float* cells = (float*)ring;
  const int ALL = BLOCK / ${lanes};
  const int cell = threadIdx.x / ${lanes};
  for (int w = 0; w < ${16 / lanes}; ++w) {
    for (int j = 0; j < 8; ++j) cells[cell * DIM + (lane + w * ${lanes}) * 8 + j] = acc[8 * w + j];
  }
  if (lane == 0) {
    cells[ALL * DIM + 2 * cell] = top;
    cells[ALL * DIM + 2 * cell + 1] = sum;
  }
  __syncthreads();
  if (threadIdx.x < DIM) {
    float best = -1.0e30f, all = 0.0f, value = 0.0f;
    for (int c = 0; c < ALL; ++c) best = fmaxf(best, cells[ALL * DIM + 2 * c]);
    for (int c = 0; c < ALL; ++c) {
      float weight = ${power(exp, "cells[ALL * DIM + 2 * c] - best")};
      all += weight * cells[ALL * DIM + 2 * c + 1];
      value += weight * cells[c * DIM + threadIdx.x];
    }
    ACC(slot, threadIdx.x) = value;
    if (threadIdx.x == 0) {
      TOP(slot) = best;
      SUM(slot) = all;
    }
  }`;

/** A ring of tiles filled with asynchronous copies, owned by the block or by each warp. */
export const asyncRing: Template = template({
  id: "async-ring",
  from: "lane-groups",
  idea: "Keep several tiles of keys and values in flight with asynchronous copies into shared memory.",
  options: {
    owner: ["block", "warp"],
    lanes: [16, 8],
    stages: [3, 2, 4],
    work: ["stepwise", "batched"],
    wait: ["top", "bottom"],
    unpack: ["pairs", "halves", "union"],
    copy: ["pipeline", "ptx"],
    combine: ["two-loops", "running", "shared-weights", "quads"],
    layout: ["packed", "separate"],
    exp: ["exp2", "fast", "expf"],
    splits: [16, 8, 32],
    tile: [64, 32],
  },
  count: 5,
  write: (options, sizes) => {
    const { owner, lanes, stages, work, wait, unpack, copy, combine, layout, exp, splits, tile } = options;
    const { heads = 0, seq = 0 } = sizes;
    const block = 128;
    const units = owner === "warp" ? block / 32 : 1;
    const perUnit = tile / units;
    const sync = owner === "warp" ? "__syncwarp();" : "__syncthreads();";
    const source = `
      #include <cuda_fp16.h>
      ${on(copy === "pipeline", "#include <cuda_pipeline.h>")}

      ${partials(layout, splits, sizes)}
      enum { BLOCK = ${block}, UNITS = ${units}, UNIT = BLOCK / UNITS, GROUPS = UNIT / ${lanes}, TILE = ${perUnit}, STAGES = ${stages}, CHUNK = ${seq / splits}, TILES = CHUNK / (TILE * UNITS) };

      ${unpack8(unpack)}
      ${copyFunctions(copy)}

      extern "C" __global__ void attend_ring(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, float* __restrict__ work) {
        extern __shared__ uint4 ring[];  // per unit: STAGES pairs of tiles
        const int head = blockIdx.y;
        const int slot = head * SPLITS + blockIdx.x;
        const int unit = threadIdx.x / UNIT;
        const int me = threadIdx.x % UNIT;
        const int lane = me % ${lanes};
        const int group = me / ${lanes};
        const uint4* keys = (const uint4*)k + ((size_t)slot * CHUNK + unit * TILE) * 16;
        const uint4* values = (const uint4*)v + ((size_t)slot * CHUNK + unit * TILE) * 16;
        uint4* own = ring + unit * STAGES * 2 * TILE * 16;
        ${ringState(options)}
        for (int s = 0; s < STAGES - 1; ++s) {
          fetch(own + s * 2 * TILE * 16, keys, values, s, me);
          commit();
        }
        for (int i = 0; i < TILES; ++i) {
          ${on(wait === "bottom", `if (i + STAGES - 1 < TILES) fetch(own + (i + STAGES - 1) % STAGES * 2 * TILE * 16, keys, values, i + STAGES - 1, me);\ncommit();\nwait_for(STAGES - 1);`, "wait_for(STAGES - 2);")}
          ${sync}
          ${on(wait === "top", `if (i + STAGES - 1 < TILES) fetch(own + (i + STAGES - 1) % STAGES * 2 * TILE * 16, keys, values, i + STAGES - 1, me);\ncommit();`)}
          const uint4* key_tile = own + i % STAGES * 2 * TILE * 16;
          const uint4* value_tile = key_tile + TILE * 16;
          ${work === "batched" ? consumeBatched(options) : consume(options)}
          ${on(wait === "bottom", sync)}
        }
        ${ringMerge(options)}
      }

      ${combineKernel(combine, exp)}
    `;
    const launches = [
      launch("attend_ring", [splits, heads], block, ["q", "k", "v", "work"], stages * 2 * tile * 256),
      combineLaunch(combine, sizes),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

function copyFunctions(copy: "pipeline" | "ptx"): string {
  const calls =
    copy === "pipeline"
      ? {
          copy: "__pipeline_memcpy_async(to, from, 16);",
          commit: "__pipeline_commit();",
          wait: "__pipeline_wait_prior(count);",
        }
      : {
          copy: 'asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned int)__cvta_generic_to_shared(to)), "l"(from));',
          commit: 'asm volatile("cp.async.commit_group;");',
          wait: 'asm volatile("cp.async.wait_group %0;" ::"n"(Count) : "memory");',
        };
  return `
    __device__ __forceinline__ void copy_word(uint4* to, const uint4* from) {
      ${calls.copy}
    }

    __device__ __forceinline__ void commit() {
      ${calls.commit}
    }

    ${
      copy === "ptx"
        ? `template <int Count>\n__device__ __forceinline__ void wait_groups() {\n${calls.wait}\n}\n#define wait_for(count) wait_groups<(count)>()`
        : `#define wait_for(count) __pipeline_wait_prior(count)`
    }

    __device__ __forceinline__ void fetch(uint4* to, const uint4* keys, const uint4* values, int tile, int me) {
      const size_t start = (size_t)tile * TILE * UNITS * 16;
      for (int i = me; i < TILE * 16; i += UNIT) {
        copy_word(to + i, keys + start + i);
        copy_word(to + TILE * 16 + i, values + start + i);
      }
    }
  `;
}

/** Whole tiles arrive by bulk copies that signal a barrier in shared memory. */
export const bulkRing: Template = template({
  id: "bulk-ring",
  from: "async-ring",
  idea: "Let one thread request whole tiles with bulk copies that arrive at a barrier in shared memory.",
  options: {
    lanes: [16, 8],
    work: ["stepwise", "batched"],
    barriers: ["shared", "split"],
    unpack: ["pairs", "halves", "union"],
    spin: ["asm-loop", "c-loop"],
    combine: ["two-loops", "running", "shared-weights", "quads"],
    layout: ["packed", "separate"],
    exp: ["exp2", "fast", "expf"],
    stages: [4, 2, 3, 6],
    tile: [32, 64],
    splits: [16, 8, 32],
    block: [128, 256],
  },
  count: 5,
  write: (options, sizes) => {
    const { lanes, work, barriers, unpack, spin, combine, layout, exp, stages, tile, splits, block } = options;
    const { heads = 0, seq = 0 } = sizes;
    const split = barriers === "split";
    const waits = (text: string): [string, string] =>
      split
        ? [`await(${text}, i / STAGES & 1);`, `await(${text} + 8 * STAGES, i / STAGES & 1);`]
        : [`await(${text}, i / STAGES & 1);`, ""];
    const [keysHere, valuesHere] = waits("bars + 8 * stage");
    const body = work === "batched" ? consumeBatched(options) : consume(options);
    const source = `
      #include <cuda_fp16.h>

      ${partials(layout, splits, sizes)}
      enum { BLOCK = ${block}, GROUPS = BLOCK / ${lanes}, TILE = ${tile}, BYTES = TILE * 256, STAGES = ${stages}, CHUNK = ${seq / splits}, TILES = CHUNK / TILE };

      ${unpack8(unpack)}
      ${bulkFunctions(spin)}

      __device__ __forceinline__ void request(unsigned int ring, unsigned int bars, const half* keys, const half* values, int tile) {
        const int stage = tile % STAGES;
        const unsigned int bar = bars + 8 * stage;
        ${
          split
            ? `
        expect(bar, BYTES);
        pull(ring + stage * 2 * BYTES, keys + (size_t)tile * TILE * DIM, bar);
        expect(bar + 8 * STAGES, BYTES);
        pull(ring + stage * 2 * BYTES + BYTES, values + (size_t)tile * TILE * DIM, bar + 8 * STAGES);`
            : `
        expect(bar, 2 * BYTES);
        pull(ring + stage * 2 * BYTES, keys + (size_t)tile * TILE * DIM, bar);
        pull(ring + stage * 2 * BYTES + BYTES, values + (size_t)tile * TILE * DIM, bar);`
        }
      }

      extern "C" __global__ void attend_bulk(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, float* __restrict__ work) {
        extern __shared__ __align__(128) uint4 ring[];
        __shared__ __align__(8) unsigned long long arrived[${split ? "2 * STAGES" : "STAGES"}];
        const int head = blockIdx.y;
        const int slot = head * SPLITS + blockIdx.x;
        const int lane = threadIdx.x % ${lanes};
        const int group = threadIdx.x / ${lanes};
        const half* keys = k + (size_t)slot * CHUNK * DIM;
        const half* values = v + (size_t)slot * CHUNK * DIM;
        const unsigned int tiles = (unsigned int)__cvta_generic_to_shared(ring);
        const unsigned int bars = (unsigned int)__cvta_generic_to_shared(arrived);
        if (threadIdx.x == 0) {
          for (int s = 0; s < ${split ? "2 * STAGES" : "STAGES"}; ++s) asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(bars + 8 * s));
          asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
          asm volatile("fence.proxy.async;" ::: "memory");
        }
        __syncthreads();
        if (threadIdx.x == 0) {
          for (int s = 0; s < STAGES && s < TILES; ++s) request(tiles, bars, keys, values, s);
        }
        ${ringState(options)}
        for (int i = 0; i < TILES; ++i) {
          const int stage = i % STAGES;
          ${keysHere}
          ${valuesHere}
          const uint4* key_tile = ring + stage * 2 * TILE * 16;
          const uint4* value_tile = key_tile + TILE * 16;
          ${body}
          __syncthreads();
          if (threadIdx.x == 0 && i + STAGES < TILES) request(tiles, bars, keys, values, i + STAGES);
        }
        ${ringMerge(options)}
      }

      ${combineKernel(combine, exp)}
    `;
    const launches = [
      launch("attend_bulk", [splits, heads], block, ["q", "k", "v", "work"], stages * 2 * tile * 256),
      combineLaunch(combine, sizes),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

function bulkFunctions(spin: "asm-loop" | "c-loop"): string {
  const wait =
    spin === "asm-loop"
      ? `
    asm volatile(
      "{\\n"
      ".reg .pred done;\\n"
      "again:\\n"
      "mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\\n"
      "@done bra finished;\\n"
      "bra again;\\n"
      "finished:\\n"
      "}" ::"r"(bar), "r"(parity) : "memory");`
      : `
    unsigned int done = 0;
    while (!done) {
      asm volatile(
        "{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
        : "=r"(done) : "r"(bar), "r"(parity) : "memory");
    }`;
  return `
    __device__ __forceinline__ void expect(unsigned int bar, unsigned int bytes) {
      asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory");
    }

    __device__ __forceinline__ void pull(unsigned int to, const half* from, unsigned int bar) {
      asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
        ::"r"(to), "l"(from), "r"((unsigned int)BYTES), "r"(bar) : "memory");
    }

    __device__ __forceinline__ void await(unsigned int bar, unsigned int parity) {
      ${wait}
    }
  `;
}
