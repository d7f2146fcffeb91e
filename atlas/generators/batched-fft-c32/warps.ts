import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { complexHelpers, power, powerFunction, smallTransforms, tableArgument, tableParameter } from "./parts.ts";

const full = "0xffffffffu";

const exchangeSteps = `
  #pragma unroll
  for (int bit = 1; bit < 32; bit *= 2) {
    #pragma unroll
    for (int i = 0; i < 32; ++i) {
      if (i & bit) continue;
      // One of the pair leaves, the other one stays.
      const bool upper = lane & bit;
      const float2 leaving = upper ? v[i] : v[i + bit];
      float2 coming;
      coming.x = __shfl_xor_sync(${full}, leaving.x, bit);
      coming.y = __shfl_xor_sync(${full}, leaving.y, bit);
      if (upper) v[i] = coming;
      else v[i + bit] = coming;
    }
  }`;

/** A warp holds a row, 32 points per lane, and turns the 32 x 32 square between two transforms in registers. */
export const warpTranspose: Template = template({
  id: "warp-transpose",
  from: "two-launches",
  idea: "Give a row to a warp and turn the 32 by 32 square between two transforms in registers.",
  options: {
    turn: ["tile", "planes", "half-plane", "shuffles"],
    powers: ["sincospif", "table", "__sincosf", "__ldg", "sincosf"],
    chain: [false, true],
    pitch: ["odd", "swizzle"],
    loop: [false, true],
    store: ["plain", "__stcs"],
    bounds: [true, false],
    warps: [2, 4, 1],
  },
  valid: ({ turn, pitch, warps }) =>
    (turn !== "shuffles" || pitch === "odd") && (warps < 4 || turn === "half-plane" || turn === "shuffles"),
  count: 30,
  write: ({ turn, powers, chain, pitch, loop, store, bounds, warps }, { rows = 0 }) => {
    const cell = (array: string, r: string, c: string): string =>
      `${array}[warp][${r}][${pitch === "swizzle" ? `(${c}) ^ (${r})` : c}]`;
    const width = pitch === "swizzle" ? 32 : 33;
    const each = (body: string): string => `#pragma unroll\nfor (int i = 0; i < 32; ++i) ${body}`;
    const plane = (part: string): string =>
      `${each(`${cell("plane", "i", "lane")} = v[i].${part};`)}\n__syncwarp();\n${each(`v[i].${part} = ${cell("plane", "lane", "i")};`)}\n__syncwarp();`;
    const turns = {
      tile: `${each(`${cell("tile", "i", "lane")} = v[i];`)}\n__syncwarp();\n${each(`v[i] = ${cell("tile", "lane", "i")};`)}\n__syncwarp();`,
      planes: `${each(`{\n${cell("re", "i", "lane")} = v[i].x;\n${cell("im", "i", "lane")} = v[i].y;\n}`)}\n__syncwarp();\n${each(`v[i] = make_float2(${cell("re", "lane", "i")}, ${cell("im", "lane", "i")});`)}\n__syncwarp();`,
      "half-plane": `${plane("x")}\n${plane("y")}`,
      shuffles: exchangeSteps,
    };
    const arrays = {
      tile: `__shared__ float2 tile[WARPS][32][${width}];`,
      planes: `__shared__ float re[WARPS][32][${width}], im[WARPS][32][${width}];`,
      "half-plane": `__shared__ float plane[WARPS][32][${width}];`,
      shuffles: "",
    };
    const twist = chain
      ? `
        const float2 one = ${power(powers, "lane")};
        float2 now = one;
        #pragma unroll
        for (int k = 1; k < 32; ++k) {
          v[k] = mul(v[k], now);
          now = mul(now, one);
        }`
      : `#pragma unroll\nfor (int k = 1; k < 32; ++k) v[k] = mul(v[k], ${power(powers, "lane * k")});`;
    const target = "y[(size_t)row * 1024 + 32 * i + lane]";
    const work = `
      float2 v[32];
      ${each("v[i] = x[(size_t)row * 1024 + 32 * i + lane];")}
      fft_32(v);
      ${twist}
      ${turns[turn]}
      fft_32(v);
      ${each(store === "plain" ? `${target} = v[i];` : `__stcs(&${target}, v[i]);`)}`;
    const source = `
      constexpr int WARPS = ${warps};

      ${complexHelpers}
      ${smallTransforms(32)}

      ${powerFunction(powers)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(32 * WARPS) ")}warp_fft(const float2* __restrict__ x, float2* __restrict__ y${tableParameter(powers)}${on(loop, ", int rows")}) {
        ${arrays[turn]}
        const int lane = threadIdx.x & 31;
        const int warp = threadIdx.x >> 5;
        ${loop ? `for (int row = blockIdx.x * WARPS + warp; row < rows; row += gridDim.x * WARPS) {\n${work}\n}` : `const int row = blockIdx.x * WARPS + warp;\n${work}`}
      }`;
    const args = ["x", "y", ...tableArgument(powers), ...(loop ? [{ i32: rows }] : [])];
    const blocks = loop ? (132 * 16) / warps : rows / warps;
    return styled({ source, launches: [launch("warp_fft", blocks, 32 * warps, args)] }, { names: "camel", indent: 2 });
  },
});

const high = "(__brev(lane) >> 27)";
const outputs = {
  scattered: `#pragma unroll\nfor (int k = 0; k < 32; ++k) out[k + 32 * ${high}] = v[k];`,
  shared: `
        #pragma unroll
        for (int k = 0; k < 32; ++k) square[warp][${high}][k] = v[k];
        __syncwarp();
        #pragma unroll
        for (int i = 0; i < 32; ++i) out[32 * i + lane] = square[warp][i][lane];`,
  shuffled: `
        ${exchangeSteps}
        // After the exchange lane is the low part and i the lane it came from.
        #pragma unroll
        for (int i = 0; i < 32; ++i) out[lane + 32 * (__brev(i) >> 27)] = v[i];`,
};

/** Butterflies across the lanes of a warp by shuffles. */
export const warpButterflies: Template = template({
  id: "warp-butterflies",
  from: "warp-transpose",
  idea: "Compute the last five stages as butterflies across the lanes with shuffles.",
  options: {
    inner: ["transform", "stages"],
    powers: ["sincospif", "table", "__sincosf", "__ldg"],
    sign: ["select", "multiply"],
    roots: ["lane", "each"],
    ends: ["scattered", "shared", "shuffled"],
    unroll: [true, false],
    restrictRows: [false, true],
    warps: [2, 4, 1],
  },
  valid: ({ ends, warps }) => ends !== "shared" || warps <= 2,
  count: 26,
  write: ({ inner, powers, sign, roots, ends, unroll, restrictRows, warps }, { rows = 0 }) => {
    const low = "(lane & (half - 1))";
    const root = (k: string): string => power(powers, `${k} * (512 / half)`);
    const meet =
      sign === "select"
        ? `
          const float2 sum = upper ? sub(other, v[k]) : add(v[k], other);
          v[k] = upper ? mul(sum, turn) : sum;`
        : `
          float2 sum = make_float2(fmaf(side, v[k].x, other.x), fmaf(side, v[k].y, other.y));
          v[k] = mul(sum, turn);`;
    const turn = (indent: string): string =>
      sign === "select"
        ? `const float2 turn = ${root(low)};${indent}`
        : `float2 turn = ${root(low)};\nif (!upper) turn = make_float2(1.0f, 0.0f);${indent}`;
    const lanes = `
      // Decimation in frequency: afterwards lane holds the output with its bits reversed.
      ${on(unroll, "#pragma unroll")}
      for (int half = 16; half > 0; half /= 2) {
        const bool upper = lane & half;
        ${on(sign === "multiply", "const float side = upper ? -1.0f : 1.0f;")}
        ${on(roots === "lane", turn(""))}
        #pragma unroll
        for (int k = 0; k < 32; ++k) {
          ${on(roots === "each", turn(""))}
          float2 other;
          other.x = __shfl_xor_sync(${full}, v[k].x, half);
          other.y = __shfl_xor_sync(${full}, v[k].y, half);
          ${meet}
        }
      }`;
    const stages = `
      #pragma unroll
      for (int half = 16; half > 0; half /= 2) {
        #pragma unroll
        for (int j = 0; j < 16; ++j) {
          const int k = j % half;
          const int p = 2 * j - k;
          const float2 a = v[p], b = v[p + half];
          v[p] = add(a, b);
          v[p + half] = mul(sub(a, b), ${power(powers, "k * (512 / half)")});
        }
      }
      // Register i now holds the part whose number is i with its bits reversed.
      float2 sorted[32];
      #pragma unroll
      for (int i = 0; i < 32; ++i) sorted[i] = v[((i & 1) << 4) | ((i & 2) << 2) | (i & 4) | ((i & 8) >> 2) | (i >> 4)];
      #pragma unroll
      for (int i = 0; i < 32; ++i) v[i] = sorted[i];`;
    const source = `
      #define WARPS ${warps}

      ${complexHelpers}
      ${on(inner === "transform", smallTransforms(32))}

      ${powerFunction(powers)}
      extern "C" __global__ void lanes_fft(const float2* __restrict__ x, float2* __restrict__ y${tableParameter(powers)}${on(restrictRows, ", int rows")}) {
        ${on(ends === "shared", "__shared__ float2 square[WARPS][32][33];")}
        const int lane = threadIdx.x % 32;
        const int warp = threadIdx.x / 32;
        const int row = blockIdx.x * WARPS + warp;
        ${on(restrictRows, "if (row >= rows) return;")}
        const float2* in = x + (size_t)row * 1024;
        float2* out = y + (size_t)row * 1024;
        float2 v[32];
        #pragma unroll
        for (int q = 0; q < 32; ++q) v[q] = in[lane + 32 * q];
        ${inner === "transform" ? "fft_32(v);" : stages}
        #pragma unroll
        for (int k = 1; k < 32; ++k) v[k] = mul(v[k], ${power(powers, "lane * k")});
        ${lanes}
        ${outputs[ends]}
      }`;
    const args = ["x", "y", ...tableArgument(powers), ...(restrictRows ? [{ i32: rows }] : [])];
    return styled(
      { source, launches: [launch("lanes_fft", rows / warps, 32 * warps, args)] },
      { names: "snake", indent: 4 },
    );
  },
});
