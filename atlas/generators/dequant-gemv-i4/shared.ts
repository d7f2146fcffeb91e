import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { addWord, decode8, dimensions, warpTotal } from "./parts.ts";

/** The whole vector in shared memory; warps loop over rows. */
export const sharedVector: Template = template({
  id: "shared-vector",
  from: "warp-per-row",
  idea: "Keep the whole vector in shared memory and let each block go through many rows.",
  options: {
    layout: ["plain", "planes", "padded", "halved"],
    decode: ["shift", "magic", "halves", "signed", "bytes"],
    order: ["strided", "contiguous"],
    rows: ["one", "two", "four"],
    block: [512, 256, 1024],
    total: ["xor", "down"],
    load: ["plain", "streaming"],
    unroll: [false, true],
    kind: ["define", "constexpr", "enum"],
  },
  count: 31,
  write: ({ layout, decode, order, rows: batch, block, total, load, unroll, kind }, sizes) => {
    const { rows = 0, cols = 0 } = sizes;
    const count = { one: 1, two: 2, four: 4 }[batch];
    const perSm = 1024 / block > 2 ? 2 : 1024 / block;
    const grid = 132 * perSm;
    const warps = block / 32;
    const share = Math.ceil(rows / (grid * warps) / count) * count;
    const place = {
      plain: { fill: "c", floats: cols },
      planes: { fill: "c % 8 * WORDS + c / 8", floats: cols },
      padded: { fill: "c + c / 32 * 4", floats: cols + cols / 8 },
      halved: { fill: "c / 8 * 4 + c % 4 + c / 4 % 2 * (COLS / 2)", floats: cols },
    }[layout];
    const each = (text: (r: number) => string): string => Array.from({ length: count }, (_, r) => text(r)).join("\n");
    const source = `
      #include <cuda_fp16.h>

      ${dimensions(sizes, kind)}
      const int BLOCK = ${block};
      ${on(order === "contiguous", `const int SHARE = ${share};  // rows per warp`)}

      ${decode8(decode)}
      ${warpTotal(total)}
      extern "C" __global__ void gemv_shared(const uint4* __restrict__ weights, const half* __restrict__ scales, const float* __restrict__ x, float* __restrict__ y) {
        extern __shared__ __align__(16) float vector[];
        for (int c = threadIdx.x; c < COLS; c += BLOCK) vector[${place.fill}] = x[c];
        __syncthreads();
        const int lane = threadIdx.x & 31;
        const int warp = blockIdx.x * (BLOCK / 32) + threadIdx.x / 32;
        ${
          order === "contiguous"
            ? `for (int row = warp * SHARE; row < min(ROWS, (warp + 1) * SHARE); row += ${count}) {`
            : `for (int row = warp * ${count}; row < ROWS; row += gridDim.x * (BLOCK / 32) * ${count}) {`
        }
          const uint4* words = weights + (size_t)row * (WORDS / 4);
          ${each((r) => `float sum_${r} = 0.0f;`)}
          ${on(unroll, "#pragma unroll 2")}
          for (int i = lane; i < WORDS / 4; i += 32) {
            ${each((r) => `const uint4 raw_${r} = ${load === "streaming" ? `__ldcs(words + ${r} * (WORDS / 4) + i)` : `words[${r} * (WORDS / 4) + i]`};\nfloat part_${r} = 0.0f;`)}
            ${["x", "y", "z", "w"].map((part, k) => sharedWord(layout, part, k, count)).join("\n")}
            ${each((r) => `sum_${r} += part_${r} * __half2float(scales[(size_t)(row + ${r}) * GROUPS + i / 4]);`)}
          }
          ${each((r) => `sum_${r} = warp_total(sum_${r});\nif (lane == 0) y[row + ${r}] = sum_${r};`)}
        }
      }
    `;
    return styled(
      { source, launches: [launch("gemv_shared", grid, block, ["weights", "scales", "x", "y"], 4 * place.floats)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Word k of the lane's four, for all rows of the batch. */
function sharedWord(layout: "plain" | "planes" | "padded" | "halved", part: string, k: number, count: number): string {
  const base = {
    plain: `const float* v = vector + 32 * i + ${8 * k};`,
    padded: `const float* v = vector + 36 * i + ${8 * k};`,
    planes: `float v[8];\n#pragma unroll\nfor (int e = 0; e < 8; ++e) v[e] = vector[e * WORDS + 4 * i + ${k}];`,
    halved: `
      alignas(16) float v[8];
      *(float4*)v = *(const float4*)(vector + 4 * (4 * i + ${k}));
      *(float4*)(v + 4) = *(const float4*)(vector + COLS / 2 + 4 * (4 * i + ${k}));`,
  }[layout];
  const rows = Array.from(
    { length: count },
    (_, r) => `
      decode8(raw_${r}.${part}, w);
      #pragma unroll
      for (int e = 0; e < 8; ++e) part_${r} = fmaf(w[e], v[e], part_${r});`,
  );
  return `{\n${base}\nfloat w[8];\n${rows.join("\n")}\n}`;
}

/** Each thread keeps its share of the vector in registers; the block goes through rows. */
export const registerVector: Template = template({
  id: "register-vector",
  from: "block-per-row",
  idea: "Keep each thread's share of the vector in registers and let the block go through many rows.",
  options: {
    decode: ["magic", "shift", "halves", "signed", "bytes"],
    block: [512, 1024, 256],
    finish: ["per-row", "batch", "atomic"],
    ahead: [false, true],
    total: ["xor", "down"],
    deal: ["cyclic", "blocked"],
    parts: ["one", "two"],
    kind: ["constexpr", "define", "enum"],
  },
  valid: ({ block, parts }) => block > 256 || parts === "two",
  count: 28,
  write: ({ decode, block, finish, ahead, total, deal, parts, kind }, sizes) => {
    const { rows = 0, cols = 0 } = sizes;
    const halves = parts === "two" ? 2 : 1;
    const quads = cols / 32 / block / halves;
    const packed = quads >= 1;
    const per = packed ? 4 : cols / 8 / block / halves;
    const vectors = packed ? quads : 1;
    const words = packed ? "uint4" : per === 2 ? "uint2" : "unsigned int";
    const grid = 132 * Math.max(1, 1024 / block);
    const share = Math.ceil(rows / grid / 8) * 8;
    const blocked = deal === "blocked";
    const atomic = finish === "atomic" || halves === 2;
    const scaleAt = (k: string): string =>
      `__half2float(scales[(size_t)row * GROUPS + (first + threadIdx.x + ${k} * BLOCK) / ${16 / per}])`;
    const fetch = (row: string): string => `
      #pragma unroll
      for (int k = 0; k < VECTORS; ++k) ${ahead ? "coming" : "raw"}[k] = weights[(size_t)(${row}) * (WORDS / ${per}) + first + threadIdx.x + k * BLOCK];`;
    const source = `
      #include <cuda_fp16.h>

      ${dimensions(sizes, kind)}
      constexpr int BLOCK = ${block};
      constexpr int VECTORS = ${vectors};  // of ${per} words per thread
      constexpr int SHARE = ${share};  // rows per block

      ${decode8(decode)}
      ${warpTotal(total)}
      ${on(atomic, `extern "C" __global__ void clear_y(float* y) {\nconst int row = blockIdx.x * 256 + threadIdx.x;\nif (row < ROWS) y[row] = 0.0f;\n}`)}

      extern "C" __global__ void __launch_bounds__(BLOCK) gemv_registers(const ${words}* __restrict__ weights, const half* __restrict__ scales, const float* __restrict__ x, float* __restrict__ y) {
        __shared__ float cells[${finish === "batch" ? 8 : 2}][BLOCK / 32];
        const int first = ${halves === 2 ? "blockIdx.y * VECTORS * BLOCK" : "0"};
        float v[VECTORS][${8 * per}];
        #pragma unroll
        for (int k = 0; k < VECTORS; ++k) {
          #pragma unroll
          for (int e = 0; e < ${8 * per}; ++e) v[k][e] = x[(first + threadIdx.x + k * BLOCK) * ${8 * per} + e];
        }
        const int begin = blockIdx.x${blocked ? " * SHARE" : ""}, end = ${blocked ? "min(ROWS, begin + SHARE)" : "ROWS"}, step = ${blocked ? "1" : "gridDim.x"};
        ${words} raw[VECTORS]${on(ahead, ", coming[VECTORS]")};
        ${on(ahead, `if (begin < end) {\n${fetch("begin")}\n}`)}
        int turn = 0;
        for (int row = begin; row < end; row += step) {
          ${ahead ? `#pragma unroll\nfor (int k = 0; k < VECTORS; ++k) raw[k] = coming[k];\nif (row + step < end) {\n${fetch("row + step")}\n}` : fetch("row")}
          float sum = 0.0f;
          #pragma unroll
          for (int k = 0; k < VECTORS; ++k) {
            float part = 0.0f;
            #pragma unroll
            for (int m = 0; m < ${per}; ++m) {
              float w[8];
              decode8(reinterpret_cast<const unsigned int*>(&raw[k])[m], w);
              #pragma unroll
              for (int e = 0; e < 8; ++e) part = fmaf(w[e], v[k][8 * m + e], part);
            }
            sum += part * ${scaleAt("k")};
          }
          sum = warp_total(sum);
          ${finishRow(finish, atomic)}
        }
      }
    `;
    const launches = [
      ...(atomic ? [launch("clear_y", Math.ceil(rows / 256), 256, ["y"])] : []),
      launch("gemv_registers", [grid, halves], block, ["weights", "scales", "x", "y"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

function finishRow(finish: "per-row" | "batch" | "atomic", atomic: boolean): string {
  const put = (row: string, value: string): string =>
    atomic ? `atomicAdd(y + ${row}, ${value});` : `y[${row}] = ${value};`;
  if (finish === "atomic") return "if (threadIdx.x % 32 == 0) atomicAdd(y + row, sum);";
  if (finish === "per-row") {
    return `
      if (threadIdx.x % 32 == 0) cells[turn][threadIdx.x / 32] = sum;
      __syncthreads();
      if (threadIdx.x == 0) {
        float all = 0.0f;
        for (int w = 0; w < BLOCK / 32; ++w) all += cells[turn][w];
        ${put("row", "all")}
      }
      turn ^= 1;`;
  }
  return `
    if (threadIdx.x % 32 == 0) cells[turn][threadIdx.x / 32] = sum;
    ++turn;
    if (turn == 8 || row + step >= end) {
      __syncthreads();
      if (threadIdx.x < turn) {
        float all = 0.0f;
        for (int w = 0; w < BLOCK / 32; ++w) all += cells[threadIdx.x][w];
        const int done = row - (turn - 1 - threadIdx.x) * step;
        ${put("done", "all")}
      }
      __syncthreads();
      turn = 0;
    }`;
}

/** A warp takes several rows at once and reads the vector once for all of them. */
export const manyRows: Template = template({
  id: "rows-per-warp",
  from: "warp-per-row",
  idea: "Let a warp go through several rows together, so that each part of the vector is loaded once for all of them.",
  options: {
    rows: [4, 2, 8],
    decode: ["magic", "shift", "halves", "signed", "bytes"],
    width: ["quad", "pair", "word"],
    hold: ["first", "each"],
    scales: ["lane", "broadcast"],
    sums: ["total-each", "transposed"],
    warps: [4, 8, 2],
    load: ["streaming", "plain", "ldg"],
    kind: ["define", "constexpr", "enum"],
    unroll: [false, true],
  },
  valid: ({ scales, width }) => scales === "lane" || width === "quad",
  count: 33,
  write: ({ rows: count, decode, width, hold, scales, sums, warps, load, kind, unroll }, sizes) => {
    const { rows = 0 } = sizes;
    const per = { quad: 4, pair: 2, word: 1 }[width];
    const type = { quad: "uint4", pair: "uint2", word: "unsigned int" }[width];
    const word = (r: string): string => {
      const place = `words + ${r} * (WORDS / ${per}) + i`;
      return { streaming: `__ldcs(${place})`, plain: `*(${place})`, ldg: `__ldg(${place})` }[load];
    };
    const scaleText =
      scales === "lane"
        ? `__half2float(scales[(size_t)(row + r) * GROUPS + i / ${16 / per}])`
        : "__shfl_sync(0xffffffffu, lane_scale[r], lane / 4)";
    const source = `
      #include <cuda_fp16.h>

      ${dimensions(sizes, kind)}
      #define BATCH ${count}
      #define WARPS ${warps}

      ${decode8(decode)}
      ${warpTotal("xor")}
      extern "C" __global__ void gemv_batches(const ${type}* __restrict__ weights, const half* __restrict__ scales, const float* __restrict__ x, float* __restrict__ y) {
        const int lane = threadIdx.x % 32;
        const int row = (blockIdx.x * WARPS + threadIdx.x / 32) * BATCH;
        const ${type}* words = weights + (size_t)row * (WORDS / ${per});
        float sums[BATCH] = {};
        ${on(unroll, "#pragma unroll 2")}
        for (int i = lane; i < WORDS / ${per}; i += 32) {
          ${type} raw[BATCH];
          #pragma unroll
          for (int r = 0; r < BATCH; ++r) raw[r] = ${word("r")};
          ${on(scales === "broadcast", "float lane_scale[BATCH];\n#pragma unroll\nfor (int r = 0; r < BATCH; ++r) lane_scale[r] = lane < 8 ? __half2float(scales[(size_t)(row + r) * GROUPS + (i - lane) / 4 + lane]) : 0.0f;")}
          ${on(hold === "first", `float v[${8 * per}];\n#pragma unroll\nfor (int e = 0; e < ${2 * per}; ++e) *reinterpret_cast<float4*>(v + 4 * e) = reinterpret_cast<const float4*>(x)[${2 * per} * i + e];`)}
          #pragma unroll
          for (int r = 0; r < BATCH; ++r) {
            float part = 0.0f;
            #pragma unroll
            for (int m = 0; m < ${per}; ++m) {
              ${
                hold === "first"
                  ? `float w[8];\ndecode8(reinterpret_cast<const unsigned int*>(&raw[r])[m], w);\n#pragma unroll\nfor (int e = 0; e < 8; ++e) part = fmaf(w[e], v[8 * m + e], part);`
                  : addWord(
                      "part",
                      "reinterpret_cast<const unsigned int*>(&raw[r])[m]",
                      "reinterpret_cast<const float4*>(x)",
                      `${per} * i + m`,
                    )
              }
            }
            sums[r] = fmaf(part, ${scaleText}, sums[r]);
          }
        }
        ${
          sums === "total-each"
            ? "#pragma unroll\nfor (int r = 0; r < BATCH; ++r) {\nconst float all = warp_total(sums[r]);\nif (lane == r) y[row + r] = all;\n}"
            : transposedSums
        }
      }
    `.replace("float v[", "alignas(16) float v[");
    return styled(
      {
        source,
        launches: [launch("gemv_batches", rows / (warps * count), warps * 32, ["weights", "scales", "x", "y"])],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** Lanes meet in shared memory: lane r adds row r's. */
const transposedSums = `
  __shared__ float cells[WARPS][BATCH][33];
  for (int r = 0; r < BATCH; ++r) cells[threadIdx.x / 32][r][lane] = sums[r];
  __syncwarp();
  if (lane < BATCH) {
    float all = 0.0f;
    for (int l = 0; l < 32; ++l) all += cells[threadIdx.x / 32][lane][l];
    y[row + lane] = all;
  }`;
