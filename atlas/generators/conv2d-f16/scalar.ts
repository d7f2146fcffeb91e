import { launch, on, repeat, styled, template } from "../kit/code.ts";

const weightTypes = { 1: "half", 2: "half2", 4: "uint2", 8: "uint4" } as const;

/** Statements that turn `width` halves at `pointer` into the floats `name[0]` to `name[width - 1]`. */
function widened(width: 1 | 2 | 4 | 8, name: string, pointer: string): string {
  if (width === 1) return `const float ${name}[1] = {__half2float(*(${pointer}))};`;
  const type = weightTypes[width];
  const parts = repeat(width / 2, (i) => `__low2float(${name}_pairs[${i}]), __high2float(${name}_pairs[${i}])`, ", ");
  return `const ${type} ${name}_raw = *reinterpret_cast<const ${type}*>(${pointer});
  const half2* ${name}_pairs = reinterpret_cast<const half2*>(&${name}_raw);
  const float ${name}[${width}] = {${parts}};`;
}

/** `width` floats to halves at `pointer`. */
function narrowed(width: 1 | 2 | 4 | 8, name: string, pointer: string): string {
  if (width === 1) return `*(${pointer}) = __float2half(${name}[0]);`;
  return repeat(
    width / 2,
    (i) =>
      `*reinterpret_cast<half2*>(${pointer} + ${2 * i}) = __floats2half2_rn(${name}[${2 * i}], ${name}[${2 * i + 1}]);`,
  );
}

/** One thread for a few filters at a few neighbouring pixels. */
export const direct = template({
  id: "direct",
  from: null,
  count: 26,
  idea: "fix the sizes and give a thread several filters, whose weights it reads together",
  options: {
    filters: [2, 1, 4, 8],
    pixels: [1, 2, 4],
    order: ["taps", "channels"],
    pairs: [false, true],
    border: ["branch", "select"],
    unroll: ["", "#pragma unroll 4\n", "#pragma unroll 1\n"],
    restrict: [false, true],
    threads: [128, 256],
  },
  write(o, { n = 0 }) {
    const q = on(o.restrict, " __restrict__");
    const step = o.pairs ? 2 : 1;
    const lines = o.threads / (128 / o.filters);
    const values = o.pairs
      ? (at: string): string => `const half2 two = *reinterpret_cast<const half2*>(${at});
          const float v[2] = {__low2float(two), __high2float(two)};`
      : (at: string): string => `const float v[1] = {__half2float(*(${at}))};`;
    const products = repeat(
      step,
      (i) => `#pragma unroll
          for (int j = 0; j < FILTERS; ++j) sum[p][j] += v[${i}] * f${i}[j];`,
    );
    const inside = "z >= 0 && z < 64";
    const at = "image + (y * 64 + z) * 128 + c";
    const pixel =
      o.border === "branch"
        ? `if (${inside}) {
          ${values(at)}
          ${products}
        }`
        : `${values(`image + (${inside} ? (y * 64 + z) * 128 + c : 0)`)}
        if (${inside}) {
          ${products}
        }`;
    const cell = `${repeat(step, (i) => widened(o.filters, `f${i}`, `weight + ((r * 3 + s) * 128 + c + ${i}) * 128 + k`))}
      #pragma unroll
      for (int p = 0; p < PIXELS; ++p) {
        const int z = col + p + s - 1;
        ${pixel}
      }`;
    const taps = (inner: string): string => `for (int r = 0; r < 3; ++r) {
    const int y = row + r - 1;
    if (y < 0 || y >= 64) continue;
    for (int s = 0; s < 3; ++s) {
      ${inner}
    }
  }`;
    const channels = (inner: string): string => `${o.unroll}for (int c = 0; c < 128; c += ${step}) {
      ${inner}
    }`;
    const source = `#include <cuda_fp16.h>

#define FILTERS ${o.filters}
#define PIXELS ${o.pixels}

extern "C" __global__ void conv_direct(const half*${q} x, const half*${q} weight, half*${q} out) {
  const int k = threadIdx.x * FILTERS;
  const int pixel = (blockIdx.x * ${lines} + threadIdx.y) * PIXELS;
  const int col = pixel % 64, row = pixel / 64 % 64;
  const half* image = x + pixel / 4096 * 4096 * 128;
  float sum[PIXELS][FILTERS] = {};
  ${o.order === "taps" ? taps(channels(cell)) : channels(taps(cell))}
  #pragma unroll
  for (int p = 0; p < PIXELS; ++p) {
    half* to = out + (pixel + p) * 128 + k;
    const float* from = sum[p];
    ${narrowed(o.filters, "from", "to")}
  }
}
`;
    const grid = (n * 4096) / (lines * o.pixels);
    const launches = [launch("conv_direct", grid, [128 / o.filters, lines], ["x", "weight", "out"])];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Statements that bring a tile of one stretch of channels, with its border, into shared memory. */
function fillTile(eights: boolean, float: boolean): string {
  return eights
    ? `for (int i = threadIdx.x; i < 10 * (WIDTH + 2) * CHANNELS / 8; i += 256) {
      const int spot = i / (CHANNELS / 8), c = i % (CHANNELS / 8) * 8;
      const int y = y0 + spot / (WIDTH + 2) - 1, z = z0 + spot % (WIDTH + 2) - 1;
      uint4 v = make_uint4(0, 0, 0, 0);
      if (y >= 0 && y < 64 && z >= 0 && z < 64) v = *reinterpret_cast<const uint4*>(image + (y * 64 + z) * 128 + c0 + c);
      *reinterpret_cast<uint4*>(tile + spot * CHANNELS + c) = v;
    }`
    : `for (int i = threadIdx.x; i < 10 * (WIDTH + 2) * CHANNELS / 2; i += 256) {
      const int spot = i / (CHANNELS / 2), c = i % (CHANNELS / 2) * 2;
      const int y = y0 + spot / (WIDTH + 2) - 1, z = z0 + spot % (WIDTH + 2) - 1;
      half2 v = __floats2half2_rn(0.0f, 0.0f);
      if (y >= 0 && y < 64 && z >= 0 && z < 64) v = *reinterpret_cast<const half2*>(image + (y * 64 + z) * 128 + c0 + c);
      ${float ? "*reinterpret_cast<float2*>(tile + spot * CHANNELS + c) = __half22float2(v);" : "*reinterpret_cast<half2*>(tile + spot * CHANNELS + c) = v;"}
    }`;
}

/** A warp per row of a tile: its lanes have the filters, its threads the row's pixels. */
export const staged = template({
  id: "staged",
  from: "direct",
  count: 26,
  idea: "stage a tile of x with its border in shared memory and reuse each value for a row of pixels",
  options: {
    keep: ["half", "float"],
    pairs: [false, true],
    weights: ["global", "shared"],
    order: ["rows", "channels"],
    fill: ["pairs", "eights"],
    bounded: [false, true],
    restrict: [true, false],
    unroll: ["", "#pragma unroll 1\n", "#pragma unroll 4\n"],
    width: [8, 16],
    channels: [32, 16, 64],
  },
  valid: (o) =>
    (o.weights === "global" || o.channels < 64) &&
    (o.fill === "pairs" || o.keep === "half") &&
    (!o.bounded || o.width === 8),
  write(o, { n = 0 }) {
    const float = o.keep === "float";
    const step = o.pairs ? 2 : 1;
    const q = on(o.restrict, " __restrict__");
    const tileBytes = 10 * (o.width + 2) * o.channels * (float ? 4 : 2);
    const sharedWeights = o.weights === "shared";
    const at = "line + i * CHANNELS + c";
    const single = float ? `v[i][0] = *(${at});` : `v[i][0] = __half2float(*(${at}));`;
    const pair = `{
          ${float ? `const float2 two = *reinterpret_cast<const float2*>(${at});` : `const float2 two = __half22float2(*reinterpret_cast<const half2*>(${at}));`}
          v[i][0] = two.x;
          v[i][1] = two.y;
        }`;
    const weightAt = (i: number): string =>
      sharedWeights
        ? `table + ((r * 3 + s) * CHANNELS + c + ${i}) * 128 + k`
        : `weight + ((r * 3 + s) * 128 + c0 + c + ${i}) * 128 + k`;
    const body = `const ${o.keep}* line = tile + (warp + r) * (WIDTH + 2) * CHANNELS;
        float v[WIDTH + 2][${step}];
        #pragma unroll
        for (int i = 0; i < WIDTH + 2; ++i) ${o.pairs ? pair : single}
        #pragma unroll
        for (int s = 0; s < 3; ++s) {
          ${repeat(
            step,
            (i) => `{
            ${widened(4, "f", weightAt(i))}
            #pragma unroll
            for (int p = 0; p < WIDTH; ++p) {
              #pragma unroll
              for (int j = 0; j < 4; ++j) sum[p][j] = fmaf(v[p + s][${i}], f[j], sum[p][j]);
            }
          }`,
          )}
        }`;
    const rows = "for (int r = 0; r < 3; ++r) {";
    const chans = `${o.unroll}for (int c = 0; c < CHANNELS; c += ${step}) {`;
    const loops = o.order === "rows" ? `${rows}\n${chans}` : `${chans}\n${rows}`;
    const source = `#include <cuda_fp16.h>

constexpr int WIDTH = ${o.width}, CHANNELS = ${o.channels};

extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(256, 2) ")}conv_tile(const half*${q} x, const half*${q} weight, half*${q} out) {
  extern __shared__ __align__(16) unsigned char memory[];
  ${o.keep}* tile = reinterpret_cast<${o.keep}*>(memory);
  ${on(sharedWeights, `half* table = reinterpret_cast<half*>(memory + ${tileBytes});`)}
  const int warp = threadIdx.x / 32, k = threadIdx.x % 32 * 4;
  const int z0 = blockIdx.x % (64 / WIDTH) * WIDTH;
  const int y0 = blockIdx.x / (64 / WIDTH) % 8 * 8;
  const int plane = blockIdx.x / (64 / WIDTH) / 8;
  const half* image = x + plane * 4096 * 128;
  float sum[WIDTH][4] = {};
  for (int c0 = 0; c0 < 128; c0 += CHANNELS) {
    __syncthreads();
    ${fillTile(o.fill === "eights", float)}
    ${on(
      sharedWeights,
      `for (int i = threadIdx.x; i < 9 * CHANNELS * 16; i += 256) {
      const int tap = i / (CHANNELS * 16), c = i / 16 % CHANNELS, part = i % 16 * 8;
      *reinterpret_cast<uint4*>(table + (tap * CHANNELS + c) * 128 + part) = *reinterpret_cast<const uint4*>(weight + (tap * 128 + c0 + c) * 128 + part);
    }`,
    )}
    __syncthreads();
    ${loops}
        ${body}
      }
    }
  }
  #pragma unroll
  for (int p = 0; p < WIDTH; ++p) {
    half* to = out + (plane * 4096 + (y0 + warp) * 64 + z0 + p) * 128 + k;
    const float* from = sum[p];
    ${narrowed(4, "from", "to")}
  }
}
`;
    const bytes = tileBytes + (sharedWeights ? 9 * o.channels * 256 : 0);
    const launches = [launch("conv_tile", (64 / o.width) * 8 * n, 256, ["x", "weight", "out"], bytes)];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});
