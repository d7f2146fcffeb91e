import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { expDifference, lanes4, logarithm, logConstants } from "./pieces.ts";
import { pairMerge, quadUpdate } from "./single.ts";

/** The row in the block's registers. */
export const registerRow: Template = template({
  id: "row-in-registers",
  from: "one-pass-block",
  idea: "Hold the whole row in the registers of a block, so that each logit is loaded once and its exponential taken once.",
  options: {
    held: ["array", "array-pad", "half-rows"],
    exponent: ["intrinsic", "libm", "base2"],
    reduce: ["xor", "smem-warp"],
    load: ["plain", "ldg", "ldcs"],
    rowLoop: [false, true],
    prefetchLabel: [false, true],
    bounds: [true, false],
    threads: [1024, 512],
  },
  valid: ({ threads, bounds }) => threads !== 1024 || bounds,
  count: 26,
  write: ({ held, exponent, reduce, load, rowLoop, prefetchLabel, bounds, threads }, { rows = 0, cols = 0 }) => {
    const get = { plain: "row[at]", ldg: "__ldg(&row[at])", ldcs: "__ldcs(&row[at])" }[load];
    const empty = "make_float4(-3.0e38f, -3.0e38f, -3.0e38f, -3.0e38f)";
    const place = held === "half-rows" ? "(k % 2) * (QUADS / 2) + (k / 2) * T + tid" : "k * T + tid";
    const inRow =
      held === "half-rows"
        ? "(k / 2) * T + tid < QUADS / 2"
        : held === "array-pad"
          ? "at < QUADS"
          : "k < FULL || at < QUADS";
    const perThread = held === "half-rows" ? 2 * Math.ceil(cols / 8 / threads) : Math.ceil(cols / 4 / threads);
    const work = `
      const float* base = logits + (size_t)r * COLS;
      const float4* row = reinterpret_cast<const float4*>(base);
      ${on(prefetchLabel, "const float target = base[labels[r]];")}
      float4 held[PER];
      float peak = -3.0e38f;
      #pragma unroll
      for (int k = 0; k < PER; ++k) {
        const int at = ${place};
        held[k] = (${inRow}) ? ${get} : ${empty};
      }
      #pragma unroll
      for (int k = 0; k < PER; ++k) {
        peak = fmaxf(peak, fmaxf(fmaxf(held[k].x, held[k].y), fmaxf(held[k].z, held[k].w)));
      }
      peak = all_max(peak, pads);
      float mass = 0.0f;
      #pragma unroll
      for (int k = 0; k < PER; ++k) {
        ${lanes4.map((lane) => `mass += ${expDifference(exponent, `held[k].${lane}`, "peak")};`).join("\n")}
      }
      mass = all_sum(mass, pads + T / 32 + 1);
      if (tid == 0) {
        loss[r] = ${logarithm(exponent, "mass")} + peak - ${prefetchLabel ? "target" : "base[labels[r]]"};
      }`;
    const source = `
      #define T ${threads}
      #define COLS ${cols}
      #define QUADS (COLS / 4)
      #define PER ${perThread}
      ${on(held === "array", "#define FULL (QUADS / T)")}
      ${logConstants(exponent)}

      ${padFold(reduce, "max", (a, b) => `fmaxf(${a}, ${b})`)}
      ${padFold(reduce, "sum", (a, b) => `${a} + ${b}`)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(T) ")}held_loss(const float* __restrict__ logits, const int* __restrict__ labels, float* __restrict__ loss${on(rowLoop, ", int rows")}) {
        __shared__ float pads[2 * (T / 32 + 1)];
        const int tid = threadIdx.x;
        ${
          rowLoop
            ? `for (int r = blockIdx.x; r < rows; r += gridDim.x) {\n${work}\n__syncthreads();\n}`
            : `const int r = blockIdx.x;\n${work}`
        }
      }
    `;
    const grid = rowLoop ? 132 * (1024 / threads) : rows;
    const args = ["logits", "labels", "loss", ...(rowLoop ? [{ i32: rows }] : [])];
    return styled({ source, launches: [launch("held_loss", grid, threads, args)] }, { names: "camel", indent: 4 });
  },
});

/** Chunks of rows flow through a ring in shared memory. */
export const ring: Template = template({
  id: "chunk-ring",
  from: "one-pass-block",
  idea: "Stream the row through a ring of shared chunks filled by asynchronous copies, several chunks ahead.",
  options: {
    own: [true, false],
    update: ["quad", "guarded", "each"],
    merge: ["butterfly", "peak-first", "tree"],
    exponent: ["intrinsic", "libm", "base2"],
    persistent: [true, false],
    stages: [4, 2, 3, 6],
    quads: [1, 2],
    threads: [256, 128, 512],
  },
  count: 26,
  write: ({ own, update, merge, exponent, persistent, stages, quads, threads }, { rows = 0, cols = 0 }) => {
    const chunk = threads * quads;
    const chunks = Math.ceil(cols / 4 / chunk);
    const bytes = stages * chunk * 16;
    const barrier = on(!own, "__syncthreads();");
    const slot = own ? "tid + k * THREADS" : "(tid ^ 1) + k * THREADS";
    const work = `
      const float4* row = logits + (size_t)r * QUADS;
      Tally mine = {-3.0e38f, 0.0f};
      for (int c = 0; c < STAGES - 1; ++c) fill(ring, row, c);
      for (int c = 0; c < CHUNKS; ++c) {
        fill(ring, row, c + STAGES - 1);
        __pipeline_wait_prior(STAGES - 1);
        ${barrier}
        const float4* now = ring + (c % STAGES) * CHUNK;
        for (int k = 0; k < CHUNK / THREADS; ++k) {
          const int s = ${slot};
          if (c * CHUNK + s < QUADS) {
            const float4 q = now[s];
            ${quadUpdate(exponent, update, "q", "mine")}
          }
        }
        ${barrier}
      }
      const Tally all = join_block(mine);
      if (threadIdx.x == 0) {
        const float target = ((const float*)row)[labels[r]];
        loss[r] = all.peak + ${logarithm(exponent, "all.mass")} - target;
      }`;
    const source = `
      #include <cuda_pipeline.h>
      #define THREADS ${threads}
      #define STAGES ${stages}
      #define CHUNK ${quads === 1 ? "THREADS" : `(${quads} * THREADS)`}  // float4 per stage
      #define QUADS ${cols / 4}
      #define CHUNKS ${chunks}
      ${logConstants(exponent)}
      ${pairMerge(exponent, merge, "THREADS")}
      // Starts the copy of chunk c; an empty group keeps the count of groups in step.
      __device__ __forceinline__ void fill(float4* ring, const float4* row, int c) {
        if (c < CHUNKS) {
          float4* to = ring + (c % STAGES) * CHUNK;
          for (int s = threadIdx.x; s < CHUNK; s += THREADS) {
            if (c * CHUNK + s < QUADS) __pipeline_memcpy_async(to + s, row + c * CHUNK + s, 16);
          }
        }
        __pipeline_commit();
      }

      extern "C" __global__ void ring_loss(const float4* __restrict__ logits, const int* __restrict__ labels, float* __restrict__ loss${on(persistent, ", int rows")}) {
        extern __shared__ float4 ring[];
        const int tid = threadIdx.x;
        ${
          persistent
            ? `for (int r = blockIdx.x; r < rows; r += gridDim.x) {\n${work}\n}`
            : `const int r = blockIdx.x;\n${work}`
        }
      }
    `;
    const perSm = Math.max(1, Math.min(Math.floor(2048 / threads), Math.floor(220_000 / bytes)));
    const args = ["logits", "labels", "loss", ...(persistent ? [{ i32: rows }] : [])];
    return styled(
      { source, launches: [launch("ring_loss", persistent ? 132 * perSm : rows, threads, args, bytes)] },
      { names: "snake", indent: 4 },
    );
  },
});

function padFold(reduce: "xor" | "smem-warp", name: string, join: (a: string, b: string) => string): string {
  return `
      __device__ __forceinline__ float all_${name}(float v, float* pad) {
        #pragma unroll
        for (int m = 16; m > 0; m >>= 1) {
          float u = __shfl_xor_sync(0xffffffffu, v, m);
          v = ${join("v", "u")};
        }
        if ((threadIdx.x & 31) == 0) pad[threadIdx.x >> 5] = v;
        __syncthreads();
        ${
          reduce === "xor"
            ? `v = pad[0];
        for (int w = 1; w < T / 32; ++w) v = ${join("v", "pad[w]")};`
            : `if (threadIdx.x < 32) {
          v = pad[threadIdx.x % (T / 32)];
          for (int m = T / 64; m > 0; m >>= 1) {
            float u = __shfl_xor_sync(0xffffffffu, v, m);
            v = ${join("v", "u")};
          }
          if (threadIdx.x == 0) pad[T / 32] = v;
        }
        __syncthreads();
        v = pad[T / 32];`
        }
        return v;
      }
    `;
}
