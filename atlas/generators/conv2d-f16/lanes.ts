import { launch, on, repeat, styled, template } from "../kit/code.ts";

const layouts = {
  reading: `extern "C" __global__ void turn_weights(const half* weight, half* packed) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const int c = i % 128, k = i / 128 % 128, tap = i / 16384;
  packed[i] = weight[(tap * 128 + c) * 128 + k];
}
`,
  writing: `extern "C" __global__ void turn_weights(const half* weight, half* packed) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const int k = i % 128, c = i / 128 % 128, tap = i / 16384;
  packed[(tap * 128 + k) * 128 + c] = weight[i];
}
`,
} as const;

/** Sums over the lanes: one filter at a time, or 32 filters by a folding exchange. */
function finish(fold: boolean, pixels: number): string {
  if (!fold)
    return `#pragma unroll
      for (int p = 0; p < PIXELS; ++p) {
        float total = sum[p];
        #pragma unroll
        for (int o = 16; o > 0; o /= 2) total += __shfl_xor_sync(0xffffffffu, total, o);
        if (lane == k % 32) kept[p] = total;
      }
      if (k % 32 == 31) {
        ${repeat(pixels, (p) => `out[(pixel + ${p}) * 128 + k - 31 + lane] = __float2half(kept[${p}]);`)}
      }`;
  return `#pragma unroll
      for (int p = 0; p < PIXELS; ++p) parts[p][kk] = sum[p];`;
}

const foldAll = `#pragma unroll
    for (int p = 0; p < PIXELS; ++p) {
      #pragma unroll
      for (int w = 16; w > 0; w /= 2) {
        const bool high = lane & w;
        #pragma unroll
        for (int i = 0; i < w; ++i) {
          const float away = high ? parts[p][i] : parts[p][i + w];
          parts[p][i] = (high ? parts[p][i + w] : parts[p][i]) + __shfl_xor_sync(0xffffffffu, away, w);
        }
      }
      out[(pixel + p) * 128 + k0 + lane] = __float2half(parts[p][0]);
    }`;

/** A warp a pixel or a few: its lanes have the channels, and all filters pass by. */
export const channelLanes = template({
  id: "channel-lanes",
  from: "direct",
  count: 20,
  idea: "spread a pixel's channels over the lanes of a warp, hold its neighbourhood in registers and pass the filters by",
  options: {
    hold: ["halves", "floats"],
    fold: [false, true],
    layout: ["reading", "writing"],
    border: ["zero", "test"],
    spread: ["next", "far"],
    restrict: [true, false],
    bounded: [false, true],
    unroll: ["", "#pragma unroll\n", "#pragma unroll 1\n"],
    pixels: [1, 2],
    warps: [4, 8],
  },
  valid: (o) => o.pixels === 1 || o.hold === "halves" || !o.fold,
  write(o, { n = 0 }) {
    const q = on(o.restrict, " __restrict__");
    const floats = o.hold === "floats";
    const test = o.border === "test";
    // The lane's four channels are neighbours, or two pairs that lie 64 apart.
    const read = (pointer: string): string =>
      o.spread === "next"
        ? `*reinterpret_cast<const uint2*>(${pointer} + lane * 4)`
        : `make_uint2(*reinterpret_cast<const unsigned*>(${pointer} + lane * 2), *reinterpret_cast<const unsigned*>(${pointer} + 64 + lane * 2))`;
    const store = floats
      ? `const float2 low = pair_of(v.x), high = pair_of(v.y);
        near[p][tap] = make_float4(low.x, low.y, high.x, high.y);`
      : "near[p][tap] = v;";
    const use = floats
      ? `const float4 u = near[p][tap];
            sum[p] += u.x * w0.x + u.y * w0.y + u.z * w1.x + u.w * w1.y;`
      : `const float2 u0 = pair_of(near[p][tap].x), u1 = pair_of(near[p][tap].y);
            sum[p] += u0.x * w0.x + u0.y * w0.y + u1.x * w1.x + u1.y * w1.y;`;
    const filter = `float sum[PIXELS] = {};
      #pragma unroll
      for (int tap = 0; tap < 9; ++tap) {
        ${on(test, "if (!(open_taps >> tap & 1u)) continue;")}
        const uint2 raw = ${read("packed + (tap * 128 + k) * 128")};
        const float2 w0 = pair_of(raw.x), w1 = pair_of(raw.y);
        #pragma unroll
        for (int p = 0; p < PIXELS; ++p) {
          ${use}
        }
      }
      ${finish(o.fold, o.pixels)}`;
    const loops = o.fold
      ? `for (int k0 = 0; k0 < 128; k0 += 32) {
    float parts[PIXELS][32];
    #pragma unroll
    for (int kk = 0; kk < 32; ++kk) {
      const int k = k0 + kk;
      ${filter}
    }
    ${foldAll}
  }`
      : `float kept[PIXELS] = {};
  ${o.unroll === "#pragma unroll\n" ? "#pragma unroll 2\n" : o.unroll}for (int k = 0; k < 128; ++k) {
      ${filter}
  }`;
    const source = `#include <cuda_fp16.h>

#define PIXELS ${o.pixels}

${layouts[o.layout]}
__device__ __forceinline__ float2 pair_of(unsigned bits) {
  return __half22float2(*reinterpret_cast<const half2*>(&bits));
}

extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${32 * o.warps}) `)}conv_lanes(const half*${q} x, const half*${q} packed, half*${q} out) {
  const int lane = threadIdx.x & 31;
  const int pixel = (blockIdx.x * ${o.warps} + (threadIdx.x >> 5)) * PIXELS;
  ${floats ? "float4" : "uint2"} near[PIXELS][9];
  ${on(test, "unsigned open_taps = 0;")}
  #pragma unroll
  for (int p = 0; p < PIXELS; ++p) {
    #pragma unroll
    for (int tap = 0; tap < 9; ++tap) {
      const int y = (pixel + p) / 64 % 64 + tap / 3 - 1, z = (pixel + p) % 64 + tap % 3 - 1;
      uint2 v = make_uint2(0u, 0u);
      if (y >= 0 && y < 64 && z >= 0 && z < 64) {
        const half* from = x + ((pixel + p) / 4096 * 4096 + y * 64 + z) * 128;
        v = ${read("from")};
        ${on(test, "open_taps |= 1u << tap;")}
      }
      {
        ${store}
      }
    }
  }
  ${loops}
}
`;
    const grid = (n * 4096) / (o.warps * o.pixels);
    const launches = [
      launch("turn_weights", 576, 256, ["weight", "packed"]),
      launch("conv_lanes", grid, 32 * o.warps, ["x", "packed", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
