import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { quadProducts } from "./direct.ts";

/** Consecutive samples per thread from a tile in shared memory, the window sliding through registers. */
export const tileWindows: Template = template({
  id: "tile-windows",
  from: "sample-tile",
  idea: "Slide a window of the shared tile through registers so that every shared read feeds several samples.",
  options: {
    read: ["vector", "scalar"],
    skew: [false, true],
    taps: ["global", "shared"],
    order: ["outputs", "taps"],
    store: ["vector", "through-tile"],
    bounds: [true, false],
    unroll: [true, false],
    run: [8, 4, 16],
    block: [128, 256, 64],
  },
  valid: ({ read, order }) => read === "vector" || order === "outputs",
  count: 28,
  write: (
    { read, skew, taps: tapPlace, order, store, bounds, unroll, run, block },
    { channels = 0, n = 0, taps = 0 },
  ) => {
    const vectors = run / 4;
    const place = (index: string): string => (skew ? `place(${index})` : index);
    const tap =
      tapPlace === "shared"
        ? "*reinterpret_cast<const float4*>(&coefficients[k])"
        : "*reinterpret_cast<const float4*>(h + k)";
    const products = repeat(vectors, (v) =>
      quadProducts(`acc[${v}]`, "c", `now[${v}]`, v === 0 ? "before" : `now[${v - 1}]`, order),
    );
    const shift = repeat(vectors - 1, (v) => `now[${vectors - 1 - v}] = now[${vectors - 2 - v}];`);
    const vectorBody = `
      float4 acc[${vectors}], now[${vectors}];
      #pragma unroll
      for (int v = 0; v < ${vectors}; ++v) {
        acc[v] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        now[v] = *reinterpret_cast<const float4*>(&tile[${place("TAPS + RUN * threadIdx.x + 4 * v")}]);
      }
      ${unroll ? "#pragma unroll" : "#pragma unroll 2"}
      for (int k = 0; k < TAPS; k += 4) {
        const float4 c = ${tap};
        const float4 before = *reinterpret_cast<const float4*>(&tile[${place("TAPS + RUN * threadIdx.x - 4 - k")}]);
        ${products}
        ${shift}
        now[0] = before;
      }`;
    const scalarBody = scalarWindows(place, tapPlace === "shared", unroll);
    const result = (j: string): string =>
      read === "vector"
        ? `acc[${j}]`
        : `make_float4(acc[4 * ${j}], acc[4 * ${j} + 1], acc[4 * ${j} + 2], acc[4 * ${j} + 3])`;
    const direct = repeat(vectors, (v) => `out[${vectors} * threadIdx.x + ${v}] = ${result(String(v))};`);
    const through = `
      __syncthreads();
      ${repeat(vectors, (v) => `*reinterpret_cast<float4*>(&tile[${place(`RUN * threadIdx.x + ${4 * v}`)}]) = ${result(String(v))};`)}
      __syncthreads();
      #pragma unroll
      for (int v = 0; v < ${vectors}; ++v) {
        const int q = threadIdx.x + v * BLOCK;
        out[q] = *reinterpret_cast<const float4*>(&tile[${place("4 * q")}]);
      }`;
    const span = block * run;
    const stored = skew ? span + taps + Math.ceil((span + taps) / 32) * 4 : span + taps;
    const source = `
      #define BLOCK ${block}
      #define RUN ${run}
      #define TAPS ${taps}
      #define LENGTH ${n}
      #define SPAN (BLOCK * RUN)
      ${on(skew, "\n// Four unused floats after every 32 spread the threads' windows over the banks.\n__device__ __forceinline__ int place(int i) {\nreturn i + (i / 32) * 4;\n}\n")}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}fir_windows(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y) {
        __shared__ __align__(16) float tile[${stored}];
        ${on(tapPlace === "shared", "__shared__ __align__(16) float coefficients[TAPS];\nfor (int k = threadIdx.x; k < TAPS; k += BLOCK) coefficients[k] = h[k];")}
        const int start = blockIdx.x * SPAN;
        const float* row = x + (long long)blockIdx.y * LENGTH;
        float4* out = reinterpret_cast<float4*>(y + (long long)blockIdx.y * LENGTH + start);
        for (int q = threadIdx.x; q < (SPAN + TAPS) / 4; q += BLOCK) {
          float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
          if (start + 4 * q >= TAPS) v = *reinterpret_cast<const float4*>(row + start + 4 * q - TAPS);
          *reinterpret_cast<float4*>(&tile[${place("4 * q")}]) = v;
        }
        __syncthreads();
        ${read === "vector" ? vectorBody : scalarBody}
        ${store === "vector" ? direct : through}
      }
    `;
    return styled(
      { source, launches: [launch("fir_windows", [n / span, channels], block, ["x", "h", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

function scalarWindows(place: (index: string) => string, shared: boolean, unroll: boolean): string {
  return `
      float acc[RUN] = {}, win[RUN];
      #pragma unroll
      for (int j = 0; j < RUN; ++j) win[j] = tile[${place("TAPS + RUN * threadIdx.x + j")}];
      ${unroll ? "#pragma unroll" : "#pragma unroll 1"}
      for (int k = 0; k < TAPS; k += RUN) {
        #pragma unroll
        for (int kk = 0; kk < RUN; ++kk) {
          const float c = ${shared ? "coefficients[k + kk]" : "h[k + kk]"};
          #pragma unroll
          for (int j = 0; j < RUN; ++j) acc[j] += c * win[(j - kk + RUN) % RUN];
          win[RUN - 1 - kk] = tile[${place("TAPS + RUN * threadIdx.x - 1 - k - kk")}];
        }
      }`;
}

const zero = "make_float4(0.0f, 0.0f, 0.0f, 0.0f)";

const tapReads = {
  global: "const float4 tap = h[k];",
  shared: "const float4 tap = taps4[k];",
  registers: `
        float4 tap;
        tap.x = __shfl_sync(0xffffffffu, mine.x, k);
        tap.y = __shfl_sync(0xffffffffu, mine.y, k);
        tap.z = __shfl_sync(0xffffffffu, mine.z, k);
        tap.w = __shfl_sync(0xffffffffu, mine.w, k);`,
};
const tapPrepare = {
  global: "",
  shared:
    "__shared__ float4 taps4[GROUPS];\nif (threadIdx.x < GROUPS) taps4[threadIdx.x] = h[threadIdx.x];\n__syncthreads();",
  registers: `const float4 mine = threadIdx.x % 32 < GROUPS ? h[threadIdx.x % 32] : ${zero};`,
};

/** A register tile of channels times samples: each tap read serves several channels. */
export const channelGroups: Template = template({
  id: "channel-groups",
  from: "tile-windows",
  idea: "Filter several channels per thread so that every tap that is read serves all of them.",
  options: {
    place: ["shared", "global"],
    taps: ["global", "shared", "registers"],
    channelLoop: ["array", "inner-block"],
    order: ["outputs", "taps"],
    edge: ["select", "zero-row"],
    unroll: [true, false],
    group: [2, 4, 8],
    block: [128, 256, 64],
  },
  valid: ({ place, edge, group, block }) =>
    (place === "shared" || edge === "select") && group * (4 * block + 96) * 4 <= 48 * 1024 - 512,
  count: 24,
  write: (
    { place, taps: tapPlace, channelLoop, order, edge, unroll, group, block },
    { channels = 0, n = 0, taps = 0 },
  ) => {
    const shared = place === "shared";
    const current = shared ? "tile[g][GROUPS + threadIdx.x]" : "x[(first + g) * WIDTH + at]";
    const previous = shared
      ? "tile[g][GROUPS + threadIdx.x - 1 - k]"
      : `at > k ? x[(first + g) * WIDTH + at - 1 - k] : ${zero}`;
    const zeroed =
      edge === "zero-row"
        ? `
          if (blockIdx.x == 0) {
            for (int j = threadIdx.x; j < GROUP * GROUPS; j += BLOCK) tile[j / GROUPS][j % GROUPS] = ${zero};
          } else {
            for (int j = threadIdx.x; j < GROUP * GROUPS; j += BLOCK)
              tile[j / GROUPS][j % GROUPS] = x[(first + j / GROUPS) * WIDTH + blockIdx.x * BLOCK - GROUPS + j % GROUPS];
          }
          #pragma unroll
          for (int g = 0; g < GROUP; ++g) tile[g][GROUPS + threadIdx.x] = x[(first + g) * WIDTH + at];`
        : `
          for (int g = 0; g < GROUP; ++g) {
            for (int j = threadIdx.x; j < BLOCK + GROUPS; j += BLOCK) {
              const int from = blockIdx.x * BLOCK + j - GROUPS;
              tile[g][j] = from < 0 ? ${zero} : x[(first + g) * WIDTH + from];
            }
          }`;
    const products = quadProducts("acc[g]", "tap", "now[g]", "before", order);
    const step = `
      #pragma unroll
      for (int g = 0; g < GROUP; ++g) {
        const float4 before = ${previous};
        ${products}
        now[g] = before;
      }`;
    const blockStep = repeat(
      group,
      (g) => `step(acc[${g}], now[${g}], ${previous.replaceAll("[g]", `[${g}]`).replaceAll("+ g)", `+ ${g})`)}, tap);`,
    );
    const helper = `
      __device__ __forceinline__ void step(float4& acc, float4& now, float4 before, float4 tap) {
        ${quadProducts("acc", "tap", "now", "before", order)}
        now = before;
      }
    `;
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int GROUP = ${group};  // channels per block
      constexpr int GROUPS = ${taps / 4};
      constexpr int WIDTH = ${n / 4};

      ${on(channelLoop === "inner-block", helper)}
      extern "C" __global__ void bank(const float4* __restrict__ x, const float4* __restrict__ h, float4* __restrict__ y) {
        ${on(shared, "__shared__ float4 tile[GROUP][GROUPS + BLOCK];")}
        const int first = blockIdx.y * GROUP;
        const int at = blockIdx.x * BLOCK + threadIdx.x;
        ${tapPrepare[tapPlace]}
        ${on(shared, `${zeroed}\n__syncthreads();`)}
        float4 acc[GROUP], now[GROUP];
        #pragma unroll
        for (int g = 0; g < GROUP; ++g) {
          acc[g] = ${zero};
          now[g] = ${current};
        }
        ${unroll ? "#pragma unroll" : "#pragma unroll 1"}
        for (int k = 0; k < GROUPS; ++k) {
          ${tapReads[tapPlace]}
          ${channelLoop === "array" ? step : blockStep}
        }
        #pragma unroll
        for (int g = 0; g < GROUP; ++g) y[(first + g) * WIDTH + at] = acc[g];
      }
    `;
    const grid = [n / 4 / block, channels / group] as const;
    return styled({ source, launches: [launch("bank", grid, block, ["x", "h", "y"])] }, { names: "camel", indent: 2 });
  },
});
