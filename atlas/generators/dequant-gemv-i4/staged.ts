import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { decode8, dimensions, warpTotal } from "./parts.ts";

/** Tiles of words go through shared memory so that each thread can own a row. */
export const rowTiles: Template = template({
  id: "row-tiles",
  from: "thread-per-row",
  idea: "Bring tiles of words through shared memory, so that global reads coalesce and yet each thread owns a row.",
  options: {
    pitch: ["odd", "even", "words"],
    decode: ["shift", "magic", "halves", "signed", "bytes"],
    vector: ["shared", "global"],
    ahead: [false, true],
    splits: [4, 8, 2],
    block: [128, 64, 256],
    scale: ["direct", "staged"],
    kind: ["define", "constexpr", "enum"],
    unroll: [false, true],
  },
  count: 26,
  write: ({ pitch, decode, vector, ahead, splits, block, scale, kind, unroll }, sizes) => {
    const { rows = 0 } = sizes;
    const shared = vector === "shared";
    const quads = pitch === "words";
    const fetch = (to: string, tile: string): string => `
      #pragma unroll
      for (int k = 0; k < 32; ++k) {
        ${to}[k] = weights[(size_t)(first + warp * 32 + k) * WORDS + (${tile}) * 32 + lane];
      }`;
    const products = `
      float w[8];
      decode8(${quads ? "reinterpret_cast<const unsigned int*>(&four)[m]" : "words[t][i]"}, w);
      #pragma unroll
      for (int e = 0; e < 8; ++e) part += w[e] * ${shared ? `piece[8 * ${quads ? "(i + m)" : "i"} + e]` : `x[tile * 256 + 8 * ${quads ? "(i + m)" : "i"} + e]`};`;
    const source = `
      #include <cuda_fp16.h>

      ${dimensions(sizes, kind)}
      #define BLOCK ${block}
      #define PITCH ${{ odd: 33, even: 32, words: 36 }[pitch]}
      #define TILES (WORDS / 32)  // of 32 words, two groups

      ${decode8(decode)}
      extern "C" __global__ void clear_sums(float* y) {
        int row = blockIdx.x * blockDim.x + threadIdx.x;
        if (row < ROWS) y[row] = 0.0f;
      }

      extern "C" __global__ void gemv_tiles(const unsigned int* __restrict__ weights, const half* __restrict__ scales, const float* __restrict__ x, float* y) {
        __shared__ __align__(16) unsigned int words[BLOCK][PITCH];
        ${on(shared, "__shared__ float piece[256];")}
        ${on(scale === "staged", "__shared__ half tile_scales[BLOCK][2];")}
        const int t = threadIdx.x;
        const int warp = t / 32;
        const int lane = t % 32;
        const int first = blockIdx.x * BLOCK;
        float sum = 0.0f;
        ${on(ahead, `unsigned int coming[32];\n${fetch("coming", "blockIdx.y")}`)}
        for (int tile = blockIdx.y; tile < TILES; tile += ${splits}) {
          __syncthreads();
          ${on(!ahead, `unsigned int coming[32];\n${fetch("coming", "tile")}`)}
          #pragma unroll
          for (int k = 0; k < 32; ++k) words[warp * 32 + k][lane] = coming[k];
          ${on(shared, "for (int c = t; c < 256; c += BLOCK) piece[c] = x[tile * 256 + c];")}
          ${on(scale === "staged", "for (int s = t; s < 2 * BLOCK; s += BLOCK) tile_scales[s / 2][s % 2] = scales[(size_t)(first + s / 2) * GROUPS + 2 * tile + s % 2];")}
          __syncthreads();
          ${on(ahead, `if (tile + ${splits} < TILES) {\n${fetch("coming", `tile + ${splits}`)}\n}`)}
          for (int g = 0; g < 2; ++g) {
            float part = 0.0f;
            ${on(unroll, "#pragma unroll")}
            for (int i = 16 * g; i < 16 * g + 16; i += ${quads ? 4 : 1}) {
              ${quads ? `const uint4 four = *reinterpret_cast<const uint4*>(&words[t][i]);\n#pragma unroll\nfor (int m = 0; m < 4; ++m) {\n${products}\n}` : products}
            }
            sum += part * __half2float(${scale === "staged" ? "tile_scales[t][g]" : "scales[(size_t)(first + t) * GROUPS + 2 * tile + g]"});
          }
        }
        atomicAdd(y + first + t, sum);
      }
    `;
    const launches = [
      launch("clear_sums", Math.ceil(rows / 256), 256, ["y"]),
      launch("gemv_tiles", [rows / block, splits], block, ["weights", "scales", "x", "y"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

/** Every lane keeps several of its 16-byte words in flight with asynchronous copies. */
export const asyncWords: Template = template({
  id: "async-words",
  from: "shared-vector",
  idea: "Keep many words in flight per warp with asynchronous copies that run ahead over row ends.",
  options: {
    stages: [4, 8, 2],
    vector: ["shared", "global", "planes"],
    decode: ["magic", "shift", "halves", "signed", "bytes"],
    walk: ["flat", "rows"],
    order: ["blocked", "cyclic"],
    place: ["stage-major", "lane-major"],
    warps: [8, 16, 4],
    total: ["xor", "down"],
    kind: ["constexpr", "enum", "define"],
  },
  valid: ({ stages, warps }) => stages * warps <= 64,
  count: 26,
  write: ({ stages, vector, decode, walk, order, place, warps, total, kind }, sizes) => {
    const { rows = 0, cols = 0 } = sizes;
    const blocks = 132 * (vector === "global" ? Math.max(1, 32 / warps) : 2);
    const share = Math.ceil(rows / (blocks * warps));
    const slot = (s: string): string =>
      place === "stage-major"
        ? `ring[((${s}) % STAGES) * (WARPS * 32) + threadIdx.x]`
        : `ring[threadIdx.x * STAGES + (${s}) % STAGES]`;
    const rowOf = (k: string): string =>
      order === "blocked" ? `(walker * SHARE + ${k})` : `(walker + (${k}) * WALKERS)`;
    const value = {
      shared: "vector[8 * (4 * i + m) + e]",
      planes: "vector[e * WORDS + 4 * i + m]",
      global: "x[8 * (4 * i + m) + e]",
    }[vector];
    const step = (n: string): string => `
      __pipeline_wait_prior(STAGES - 1);
      const int i = c * 32 + lane;
      const uint4 raw = ${slot(n)};
      float part = 0.0f;
      #pragma unroll
      for (int m = 0; m < 4; ++m) {
        float w[8];
        decode8(reinterpret_cast<const unsigned int*>(&raw)[m], w);
        #pragma unroll
        for (int e = 0; e < 8; ++e) part = fmaf(w[e], ${value}, part);
      }
      sum += part * __half2float(scales[(size_t)row * GROUPS + i / 4]);
      if (${n} + STAGES < count) fetch(${n} + STAGES);
      __pipeline_commit();`;
    const end = "const float all = warp_total(sum);\nif (lane == 0) y[row] = all;\nsum = 0.0f;";
    const loop =
      walk === "flat"
        ? `for (int n = 0; n < count; ++n) {\nconst int c = n % STEPS;\nconst int row = ${rowOf("n / STEPS")};\n${step("n")}\nif (c == STEPS - 1) {\n${end}\n}\n}`
        : `for (int k = 0; k < mine; ++k) {\nconst int row = ${rowOf("k")};\nfor (int c = 0; c < STEPS; ++c) {\nconst int n = k * STEPS + c;\n${step("n")}\n}\n${end}\n}`;
    const source = `
      #include <cuda_fp16.h>
      #include <cuda_pipeline.h>

      ${dimensions(sizes, kind)}
      constexpr int STAGES = ${stages}, WARPS = ${warps}, WALKERS = ${blocks * warps}, SHARE = ${share}, STEPS = WORDS / 128;

      ${decode8(decode)}
      ${warpTotal(total)}
      extern "C" __global__ void gemv_async(const uint4* __restrict__ weights, const half* __restrict__ scales, const float* __restrict__ x, float* __restrict__ y) {
        __shared__ uint4 ring[STAGES * WARPS * 32];
        ${on(vector !== "global", `extern __shared__ float vector[];\nfor (int c = threadIdx.x; c < COLS; c += WARPS * 32) vector[${vector === "planes" ? "c % 8 * WORDS + c / 8" : "c"}] = x[c];\n__syncthreads();`)}
        const int lane = threadIdx.x % 32;
        const int walker = blockIdx.x * WARPS + threadIdx.x / 32;
        const int mine = ${order === "blocked" ? "max(0, min(SHARE, ROWS - walker * SHARE))" : "walker < ROWS ? (ROWS - walker + WALKERS - 1) / WALKERS : 0"};
        const int count = mine * STEPS;
        auto fetch = [&](int n) {
          const uint4* from = weights + (size_t)${rowOf("n / STEPS")} * (WORDS / 4) + n % STEPS * 32 + lane;
          __pipeline_memcpy_async(&${slot("n")}, from, 16);
        };
        for (int n = 0; n < STAGES; ++n) {
          if (n < count) fetch(n);
          __pipeline_commit();
        }
        float sum = 0.0f;
        ${loop}
      }
    `;
    const launches = [
      launch("gemv_async", blocks, warps * 32, ["weights", "scales", "x", "y"], vector === "global" ? 0 : 4 * cols),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
