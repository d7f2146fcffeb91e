import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { quadProducts } from "./direct.ts";

/** The statements that start the copies of step `s`, and those that bring the history of the first step. */
function stageCode(
  history: "slot" | "ring" | "moved",
  copy: 16 | 4,
): { readonly fetch: string; readonly before: string } {
  const ring = history === "ring";
  const moved = history === "moved";
  const fromRow = `row + (first + s) * CHUNK${on(!ring && !moved, " - TAPS")}`;
  const amount = ring || moved ? "CHUNK" : "(CHUNK + TAPS)";
  const slot = ring ? "(s % STAGES) * CHUNK" : moved ? "(s % STAGES) * SLOT + TAPS" : "(s % STAGES) * SLOT";
  const fetch = `
      if (s < STEPS) {
        float* to = buffer + ${slot};
        const float* from = ${fromRow};
        for (int j = threadIdx.x; j < ${amount} / ${copy / 4}; j += BLOCK) {
          ${on(!ring && !moved, `if (first + s > 0 || ${copy === 16 ? "4 * " : ""}j >= TAPS) `)}__pipeline_memcpy_async(to + ${copy === 16 ? "4 * j, from + 4 * j, 16" : "j, from + j, 4"});
          ${on(!ring && !moved, copy === 16 ? "else *reinterpret_cast<float4*>(to + 4 * j) = make_float4(0.0f, 0.0f, 0.0f, 0.0f);" : "else to[j] = 0.0f;")}
        }
      }
      __pipeline_commit();`;
  const before = ring
    ? `
        // The slot before the first one holds the history of the segment.
        for (int j = threadIdx.x; j < TAPS; j += BLOCK) {
          buffer[STAGES * CHUNK - TAPS + j] = first > 0 ? row[first * CHUNK - TAPS + j] : 0.0f;
        }`
    : on(
        moved,
        `for (int j = threadIdx.x; j < TAPS; j += BLOCK) {
            buffer[j] = first > 0 ? row[first * CHUNK - TAPS + j] : 0.0f;
          }`,
      );
  return { fetch, before };
}

/** A block walks along its channel; asynchronous copies bring the samples of later steps. */
export const asyncStream: Template = template({
  id: "async-stream",
  from: "tile-windows",
  idea: "Walk along the channel and bring the next samples into shared memory with asynchronous copies.",
  options: {
    history: ["slot", "ring", "moved"],
    copy: [16, 4],
    taps: ["global", "shared"],
    order: ["outputs", "taps"],
    vectors: ["one", "pair"],
    unroll: [true, false],
    store: ["plain", "__stcs"],
    stages: [2, 3, 4],
    steps: [8, 16, 32],
    block: [128, 64, 256],
  },
  valid: ({ vectors, block, steps, history, stages }) =>
    block * steps * (vectors === "pair" ? 8 : 4) <= 65536 && (history !== "moved" || stages === 2),
  count: 24,
  write: (o, { channels = 0, n = 0, taps = 0 }) => {
    const { history, copy, taps: tapPlace, order, vectors, unroll, store, stages, steps, block } = o;
    const pair = vectors === "pair";
    const chunk = block * (pair ? 8 : 4);
    const ring = history === "ring";
    const moved = history === "moved";
    const { fetch, before: history0 } = stageCode(history, copy);
    const vector = (index: string): string =>
      ring
        ? `*reinterpret_cast<const float4*>(buffer + (s * CHUNK + ${index} + STAGES * CHUNK) % (STAGES * CHUNK))`
        : `*reinterpret_cast<const float4*>(window + ${index})`;
    const compute = (at: string): string => `
      {
        float4 acc = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        float4 now = ${vector(at)};
        ${unroll ? "#pragma unroll" : "#pragma unroll 1"}
        for (int k = 0; k < TAPS / 4; ++k) {
          const float4 c = ${tapPlace === "shared" ? "weights[k]" : "h[k]"};
          const float4 before = ${vector(`${at} - 4 - 4 * k`)};
          ${quadProducts("acc", "c", "now", "before", order)}
          now = before;
        }
        ${store === "plain" ? `*reinterpret_cast<float4*>(out + s * CHUNK + ${at}) = acc;` : `__stcs(reinterpret_cast<float4*>(out + s * CHUNK + ${at}), acc);`}
      }`;
    const keep = on(
      moved,
      `for (int j = threadIdx.x; j < TAPS; j += BLOCK) {
        buffer[((s + 1) % STAGES) * SLOT + j] = buffer[(s % STAGES) * SLOT + CHUNK + j];
      }`,
    );
    // A ring overwrites the slot that still holds the history unless one more step is kept.
    const ahead = ring ? "STAGES - 2" : "STAGES - 1";
    const held = ring ? stages + 1 : stages;
    const source = `
      #include <cuda_pipeline.h>

      #define BLOCK ${block}
      #define STAGES ${held}
      #define STEPS ${steps}
      #define TAPS ${taps}
      #define CHUNK ${chunk}
      ${on(!ring, "#define SLOT (CHUNK + TAPS)")}

      extern "C" __global__ void fir_stream(const float* __restrict__ x, const float4* __restrict__ h, float* __restrict__ y) {
        extern __shared__ __align__(16) float buffer[];
        ${on(tapPlace === "shared", "__shared__ float4 weights[TAPS / 4];\nif (threadIdx.x < TAPS / 4) weights[threadIdx.x] = h[threadIdx.x];")}
        const int first = blockIdx.x * STEPS;
        const float* row = x + (size_t)blockIdx.y * ${n};
        float* out = y + (size_t)blockIdx.y * ${n} + first * CHUNK;
        ${history0}
        for (int s = 0; s < ${ahead}; ++s) {
          ${fetch}
        }
        for (int step = 0; step < STEPS; ++step) {
          {
            const int s = step + ${ahead};
            ${fetch}
          }
          __pipeline_wait_prior(${ahead});
          __syncthreads();
          const int s = step;
          ${on(!ring, "const float* window = buffer + (s % STAGES) * SLOT + TAPS;")}
          ${pair ? `${compute("4 * threadIdx.x")}\n${compute("(4 * BLOCK + 4 * threadIdx.x)")}` : compute("4 * threadIdx.x")}
          ${keep}
          __syncthreads();
        }
      }
    `;
    const bytes = 4 * held * (ring ? chunk : chunk + taps);
    const grid = [n / chunk / steps, channels] as const;
    return styled(
      { source, launches: [launch("fir_stream", grid, block, ["x", "h", "y"], bytes)] },
      { names: "snake", indent: 2 },
    );
  },
});

function scatterBodies(tap: (k: string) => string, pragma: string) {
  const tile = `
      __shared__ float sums[BLOCK + 2 * TAPS];
      for (int j = threadIdx.x; j < BLOCK + 2 * TAPS; j += BLOCK) sums[j] = 0.0f;
      const float own = row[i];
      // The samples before the block reach into it as well.
      const float old = threadIdx.x < TAPS && i >= TAPS ? row[i - TAPS] : 0.0f;
      __syncthreads();`;
  return {
    "shared-steps": `
        ${tile}
        ${pragma}
        for (int k = 0; k < TAPS; ++k) {
          sums[TAPS + threadIdx.x + k] += ${tap("k")} * own;
          __syncthreads();
          if (threadIdx.x < TAPS) sums[threadIdx.x + k] += ${tap("k")} * old;
          __syncthreads();
        }
        out[i] = sums[TAPS + threadIdx.x];`,
    "shared-atomic": `
        ${tile}
        ${pragma}
        for (int k = 0; k < TAPS; ++k) {
          atomicAdd(&sums[TAPS + threadIdx.x + k], ${tap("k")} * own);
          if (threadIdx.x + k >= TAPS && threadIdx.x < TAPS) atomicAdd(&sums[threadIdx.x + k], ${tap("k")} * old);
        }
        __syncthreads();
        out[i] = sums[TAPS + threadIdx.x];`,
    registers: `
        // Transposed form: the pending sums of the next outputs move through registers.
        float pending[8];
        ${repeat(8, (j) => `pending[${j}] = 0.0f;`)}
        const int base = i * 8;
        ${pragma}
        for (int t = -TAPS + 1; t < 8; ++t) {
          const float value = base + t >= 0 ? row[base + t] : 0.0f;
          #pragma unroll
          for (int j = 0; j < 8; ++j) {
            const int k = j - t;
            if (k >= 0 && k < TAPS) pending[j] += ${tap("k")} * value;
          }
        }
        ${repeat(8, (j) => `out[base + ${j}] = pending[${j}];`)}`,
    "global-atomic": `
        const float value = row[i];
        const int reach = min(TAPS, LENGTH - i);
        ${pragma}
        for (int k = 0; k < reach; ++k) atomicAdd(out + i + k, ${tap("k")} * value);`,
  };
}

/** Every sample adds its products to the samples that it reaches. */
export const inputScatter: Template = template({
  id: "input-scatter",
  from: "output-per-thread",
  idea: "Let every input sample add its products to the outputs that it reaches.",
  options: {
    target: ["shared-steps", "shared-atomic", "registers", "global-atomic"],
    taps: ["global", "shared"],
    clear: ["vector", "scalar"],
    unroll: [false, true],
    restrict: [true, false],
    block: [256, 128, 512],
  },
  valid: ({ target, clear }) => target === "global-atomic" || clear === "vector",
  count: 18,
  write: ({ target, taps: tapPlace, clear, unroll, restrict, block }, { channels = 0, n = 0, taps = 0 }) => {
    const mark = on(restrict, " __restrict__");
    const tap = (k: string): string => (tapPlace === "shared" ? `coeffs[${k}]` : `h[${k}]`);
    const pragma = on(unroll, "#pragma unroll 4");
    const load = on(
      tapPlace === "shared",
      "__shared__ float coeffs[TAPS];\nif (threadIdx.x < TAPS) coeffs[threadIdx.x] = h[threadIdx.x];\n__syncthreads();",
    );
    const bodies = scatterBodies(tap, pragma);
    const clearing =
      clear === "vector"
        ? `extern "C" __global__ void zero(float4* y) {
            y[(size_t)blockIdx.x * BLOCK + threadIdx.x] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
          }
          `
        : `extern "C" __global__ void zero(float* y, int count) {
            for (int i = blockIdx.x * BLOCK + threadIdx.x; i < count; i += gridDim.x * BLOCK) y[i] = 0.0f;
          }
          `;
    const source = `
      #define BLOCK ${block}
      #define TAPS ${taps}
      #define LENGTH ${n}

      ${on(target === "global-atomic", clearing)}
      extern "C" __global__ void scatter(const float*${mark} x, const float*${mark} h, float*${mark} y) {
        ${load}
        const int i = blockIdx.x * BLOCK + threadIdx.x;
        const float* row = x + (size_t)blockIdx.y * LENGTH;
        float* out = y + (size_t)blockIdx.y * LENGTH;
        ${bodies[target]}
      }
    `;
    const total = channels * n;
    const first =
      clear === "vector"
        ? launch("zero", total / 4 / block, block, ["y"])
        : launch("zero", 1056, block, ["y", { i32: total }]);
    const main = launch("scatter", [n / block / (target === "registers" ? 8 : 1), channels], block, ["x", "h", "y"]);
    return styled(
      { source, launches: target === "global-atomic" ? [first, main] : [main] },
      { names: "camel", indent: 4 },
    );
  },
});
