import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";

/** Taps in shared memory, samples through the caches, several interleaved outputs per thread. */
export const sharedTaps: Template = template({
  id: "shared-taps",
  from: "output-per-thread",
  idea: "Keep the taps in shared memory and compute several interleaved samples per thread.",
  options: {
    order: ["forward", "backward"],
    taps: ["scalar", "vector"],
    guard: ["halves", "select"],
    copy: ["if", "loop", "dynamic"],
    outputs: [4, 1, 2, 8],
    channelsPer: ["one", "loop"],
    unroll: [true, false],
    block: [128, 256, 64],
  },
  count: 22,
  write: (
    { order, taps: tapStyle, guard, copy, outputs, channelsPer, unroll, block },
    { channels = 0, n = 0, taps = 0 },
  ) => {
    const backward = order === "backward";
    const looped = channelsPer === "loop";
    const index = backward ? "TAPS - 1 - t" : "t";
    const sample = (k: string, guarded: boolean): string =>
      guarded ? `(i - ${k} >= 0 ? row[i - ${k}] : 0.0f)` : `row[i - ${k}]`;
    const product = (tap: string, k: string, guarded: boolean): string => `
      #pragma unroll
      for (int o = 0; o < OUTPUTS; ++o) {
        const int i = base + o * BLOCK;
        sum[o] += ${tap} * ${sample(k, guarded)};
      }`;
    const loop = (guarded: boolean): string =>
      tapStyle === "vector"
        ? `
          ${on(unroll, "#pragma unroll 3")}
          for (int t = 0; t < TAPS; t += 4) {
            const float4 w = *reinterpret_cast<const float4*>(&weights[t]);
            ${repeat(4, (j) => product(`w.${"xyzw"[j]}`, backward ? `(TAPS - 1 - t - ${j})` : `(t + ${j})`, guarded))}
          }`
        : `
          ${on(unroll, "#pragma unroll 8")}
          for (int t = 0; t < TAPS; ++t) {
            const float w = weights[t];
            ${product("w", backward ? "(TAPS - 1 - t)" : "t", guarded)}
          }`;
    const compute = `
      const float* row = x + (size_t)channel * LENGTH;
      float sum[OUTPUTS];
      #pragma unroll
      for (int o = 0; o < OUTPUTS; ++o) sum[o] = 0.0f;
      ${guard === "halves" ? `if (base >= TAPS) {\n${loop(false)}\n} else {\n${loop(true)}\n}` : loop(true)}
      #pragma unroll
      for (int o = 0; o < OUTPUTS; ++o) y[(size_t)channel * LENGTH + base + o * BLOCK] = sum[o];`;
    const fill = {
      if: `if (threadIdx.x < TAPS) {\nconst int t = threadIdx.x;\nweights[t] = h[${index}];\n}`,
      loop: `for (int t = threadIdx.x; t < TAPS; t += BLOCK) weights[t] = h[${index}];`,
      dynamic: `for (int t = threadIdx.x; t < TAPS; t += BLOCK) weights[t] = h[${index}];`,
    };
    const source = `
      #define BLOCK ${block}
      #define OUTPUTS ${outputs}
      #define TAPS ${taps}
      #define LENGTH ${n}

      extern "C" __global__ void filter(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y) {
        ${copy === "dynamic" ? "extern __shared__ __align__(16) float weights[];" : "__shared__ __align__(16) float weights[TAPS];"}
        ${copy === "if" && block < taps ? fill.loop : fill[copy]}
        __syncthreads();
        const int base = blockIdx.x * (BLOCK * OUTPUTS) + threadIdx.x;
        ${looped ? `for (int channel = blockIdx.y; channel < ${channels}; channel += gridDim.y) {\n${compute}\n}` : `const int channel = blockIdx.y;\n${compute}`}
      }
    `;
    const grid = [n / (block * outputs), looped ? channels / 8 : channels] as const;
    const bytes = copy === "dynamic" ? 4 * taps : 0;
    return styled(
      { source, launches: [launch("filter", grid, block, ["x", "h", "y"], bytes)] },
      { names: "snake", indent: 2 },
    );
  },
});

const sampleFills = {
  linear: `
        for (int j = threadIdx.x; j < SPAN + TAPS; j += BLOCK) {
          const int source_index = start - TAPS + j;
          tile[j] = source_index >= 0 ? row[source_index] : 0.0f;
        }`,
  parts: `
        #pragma unroll
        for (int o = 0; o < OUTPUTS; ++o) tile[TAPS + o * BLOCK + threadIdx.x] = row[start + o * BLOCK + threadIdx.x];
        if (threadIdx.x < TAPS) tile[threadIdx.x] = start > 0 ? row[start - TAPS + threadIdx.x] : 0.0f;`,
  vector: `
        for (int j = threadIdx.x; j < (SPAN + TAPS) / 4; j += BLOCK) {
          float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
          if (start > 0 || j >= TAPS / 4) v = *reinterpret_cast<const float4*>(row + start - TAPS + 4 * j);
          *reinterpret_cast<float4*>(tile + 4 * j) = v;
        }`,
};

/** A tile of samples with its history in shared memory; neighbouring threads compute neighbouring samples. */
export const sampleTile: Template = template({
  id: "sample-tile",
  from: "shared-taps",
  idea: "Stage a tile of samples with its history in shared memory.",
  options: {
    fill: ["linear", "parts", "vector"],
    taps: ["shared", "global", "shared-vector"],
    reversed: [false, true],
    memory: ["static", "dynamic"],
    accumulate: ["inner-outputs", "outer-outputs"],
    unroll: [true, false],
    outputs: [2, 1, 4, 8],
    block: [256, 128, 512],
  },
  count: 24,
  write: (
    { fill, taps: tapPlace, reversed, memory, accumulate, unroll, outputs, block },
    { channels = 0, n = 0, taps = 0 },
  ) => {
    const shared = tapPlace !== "global";
    const weight = (k: string): string => (shared ? `coeff[${reversed ? `TAPS - 1 - (${k})` : k}]` : `h[${k}]`);
    const pragma = on(unroll, "#pragma unroll");
    const step = (sum: string, at: string): string =>
      tapPlace === "shared-vector"
        ? `
          ${pragma}
          for (int k = 0; k < TAPS; k += 4) {
            const float4 c = *reinterpret_cast<const float4*>(&coeff[${reversed ? "TAPS - 4 - k" : "k"}]);
            ${repeat(4, (j) => `${sum} += c.${(reversed ? "wzyx" : "xyzw")[j]} * tile[${at} - k - ${j}];`)}
          }`
        : `${pragma}\nfor (int k = 0; k < TAPS; ++k) ${sum} += ${weight("k")} * tile[${at} - k];`;
    const inner = `
      float acc[OUTPUTS] = {};
      ${pragma}
      for (int k = 0; k < TAPS; ${tapPlace === "shared-vector" ? "k += 2" : "++k"}) {
        ${
          tapPlace === "shared-vector"
            ? `const float2 c = *reinterpret_cast<const float2*>(&coeff[${reversed ? "TAPS - 2 - k" : "k"}]);
              #pragma unroll
              for (int o = 0; o < OUTPUTS; ++o) {
                acc[o] += c.${reversed ? "y" : "x"} * tile[spot + o * BLOCK - k] + c.${reversed ? "x" : "y"} * tile[spot + o * BLOCK - k - 1];
              }`
            : `const float c = ${weight("k")};
              #pragma unroll
              for (int o = 0; o < OUTPUTS; ++o) acc[o] += c * tile[spot + o * BLOCK - k];`
        }
      }
      #pragma unroll
      for (int o = 0; o < OUTPUTS; ++o) out[o * BLOCK] = acc[o];`;
    const outer = `
      for (int o = 0; o < OUTPUTS; ++o) {
        float acc = 0.0f;
        ${step("acc", "spot + o * BLOCK")}
        out[o * BLOCK] = acc;
      }`;
    const span = block * outputs;
    const source = `
      constexpr int BLOCK = ${block}, OUTPUTS = ${outputs};
      constexpr int SPAN = BLOCK * OUTPUTS;
      constexpr int TAPS = ${taps};
      constexpr int LENGTH = ${n};

      extern "C" __global__ void __launch_bounds__(BLOCK) fir_tile(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y) {
        ${memory === "dynamic" ? "extern __shared__ __align__(16) float tile[];" : "__shared__ __align__(16) float tile[SPAN + TAPS];"}
        ${on(shared, "__shared__ __align__(16) float coeff[TAPS];")}
        const int start = blockIdx.x * SPAN;
        const float* row = x + blockIdx.y * LENGTH;
        float* out = y + blockIdx.y * LENGTH + start + threadIdx.x;
        ${on(shared, `if (threadIdx.x < TAPS) coeff[threadIdx.x] = h[${reversed ? "TAPS - 1 - threadIdx.x" : "threadIdx.x"}];`)}
        ${sampleFills[fill]}
        __syncthreads();
        const int spot = TAPS + threadIdx.x;
        ${accumulate === "inner-outputs" ? inner : outer}
      }
    `;
    const bytes = memory === "dynamic" ? 4 * (span + taps) : 0;
    return styled(
      { source, launches: [launch("fir_tile", [n / span, channels], block, ["x", "h", "y"], bytes)] },
      { names: "camel", indent: 2 },
    );
  },
});
