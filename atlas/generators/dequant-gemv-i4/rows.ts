import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { addWord, decode8, dimensions, members, warpTotal, wordType } from "./parts.ts";

const wide = { word: 1, pair: 2, quad: 4 } as const;

/** A thread per row. */
export const threadRow: Template = template({
  id: "thread-per-row",
  from: null,
  idea: "Decode a whole word at a time and apply a group's scale once.",
  options: {
    width: ["word", "pair", "quad"],
    decode: ["shift", "signed", "magic", "halves", "table", "bytes"],
    vector: ["global", "chunk", "ldg"],
    products: ["loop", "quads"],
    scale: ["group", "word"],
    block: [64, 128, 32],
    unroll: [false, true],
    kind: ["define", "constexpr"],
  },
  count: 28,
  write: ({ width, decode, vector, products, scale, block, unroll, kind }, sizes) => {
    const { rows = 0 } = sizes;
    const per = wide[width];
    const chunked = vector === "chunk";
    const at = (part: number): string => `${chunked ? "" : "16 * g + "}${per} * i + ${part}`;
    const body = members(per)
      .map((part, index) =>
        addWord("part", `raw${part}`, chunked ? "piece" : "((const float4*)x)", at(index), products),
      )
      .join("\n");
    const source = `
      #include <cuda_fp16.h>

      ${dimensions(sizes, kind)}

      ${decode8(decode)}
      extern "C" __global__ void gemv_rows(const ${wordType(per)}* weights, const half* scales, const float* ${vector === "ldg" ? "__restrict__ " : ""}x, float* y) {
        const int row = blockIdx.x * ${block} + threadIdx.x;
        ${on(chunked, "__shared__ float4 piece[32];")}
        float sum = 0.0f;
        for (int g = 0; g < GROUPS; ++g) {
          ${on(chunked, "__syncthreads();\nif (threadIdx.x < 32) piece[threadIdx.x] = ((const float4*)x)[32 * g + threadIdx.x];\n__syncthreads();")}
          const ${wordType(per)}* words = weights + ((size_t)row * WORDS + 16 * g) / ${per};
          const float scale = __half2float(scales[(size_t)row * GROUPS + g]);
          float part = 0.0f;
          ${on(unroll, "#pragma unroll")}
          for (int i = 0; i < ${16 / per}; ++i) {
            const ${wordType(per)} raw = words[i];
            ${body}
            ${on(scale === "word", "sum += part * scale;\npart = 0.0f;")}
          }
          ${on(scale === "group", "sum += part * scale;")}
        }
        y[row] = sum;
      }
    `;
    return styled(
      { source, launches: [launch("gemv_rows", rows / block, block, ["weights", "scales", "x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A warp per row. */
export const warpRow: Template = template({
  id: "warp-per-row",
  from: "thread-per-row",
  idea: "Give each row to a warp, whose lanes read neighbouring words.",
  options: {
    width: ["quad", "word", "pair"],
    decode: ["shift", "magic", "halves", "signed", "bytes", "table"],
    products: ["quads", "loop"],
    load: ["plain", "streaming", "ldg"],
    total: ["xor", "down"],
    loop: ["row", "persistent"],
    warps: [4, 8, 2, 16],
    unroll: ["none", "four", "two"],
    offset: ["early", "folded"],
    kind: ["constexpr", "define", "enum"],
  },
  valid: ({ offset, decode }) => offset === "early" || decode === "shift" || decode === "bytes",
  count: 32,
  write: ({ width, decode, products, load, total, loop, warps, unroll, offset, kind }, sizes) => {
    const { rows = 0 } = sizes;
    const per = wide[width];
    const read = { plain: "words[i]", streaming: "__ldcs(words + i)", ldg: "__ldg(words + i)" }[load];
    const folded = offset === "folded";
    const decoder = decode8(decode, folded);
    const body = members(per).map((part, index) =>
      addWord("part", `raw${part}`, "x4", `${per} * i + ${index}`, products),
    );
    const offsets = `
      #pragma unroll
      for (int e = 0; e < ${2 * per}; ++e) {
        const float4 v = x4[${2 * per} * i + e];
        part -= 8.0f * (v.x + v.y + v.z + v.w);
      }`;
    const source = `
      #include <cuda_fp16.h>

      ${dimensions(sizes, kind)}

      ${decoder}
      ${warpTotal(total)}
      extern "C" __global__ void gemv_warps(const ${wordType(per)}* __restrict__ weights, const half* __restrict__ scales, const float* __restrict__ x, float* __restrict__ y) {
        const int lane = threadIdx.x % 32;
        const float4* x4 = (const float4*)x;
        ${loop === "persistent" ? `for (int row = blockIdx.x * ${warps} + threadIdx.x / 32; row < ROWS; row += gridDim.x * ${warps}) {` : `const int row = blockIdx.x * ${warps} + threadIdx.x / 32;`}
        const ${wordType(per)}* words = weights + (size_t)row * (WORDS / ${per});
        const half* row_scales = scales + (size_t)row * GROUPS;
        float sum = 0.0f;
        ${{ none: "", two: "#pragma unroll 2", four: "#pragma unroll 4" }[unroll]}
        for (int i = lane; i < WORDS / ${per}; i += 32) {
          const ${wordType(per)} raw = ${read};
          float part = 0.0f;
          ${body.join("\n")}
          ${on(folded, offsets)}
          sum += part * __half2float(row_scales[i / ${16 / per}]);
        }
        sum = warp_total(sum);
        if (lane == 0) y[row] = sum;
        ${on(loop === "persistent", "}")}
      }
    `;
    const grid = loop === "persistent" ? 132 * Math.max(1, Math.floor(32 / warps)) : rows / warps;
    return styled(
      { source, launches: [launch("gemv_warps", grid, warps * 32, ["weights", "scales", "x", "y"])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** A block per row. */
export const blockRow: Template = template({
  id: "block-per-row",
  from: "warp-per-row",
  idea: "Give each row to a whole block, so that the vector is read by many lanes at once.",
  options: {
    width: ["word", "quad", "pair"],
    decode: ["shift", "magic", "halves", "signed", "bytes"],
    sum: ["shuffle", "tree", "atomic", "serial"],
    products: ["quads", "loop"],
    block: [256, 128, 512],
    ahead: [false, true],
    scale: ["each", "shared"],
    rows: ["one", "loop"],
    kind: ["define", "enum", "constexpr"],
  },
  count: 28,
  write: ({ width, decode, sum, products, block, ahead, scale, rows: rowLoop, kind }, sizes) => {
    const { rows = 0, cols = 0 } = sizes;
    const per = wide[width];
    const steps = cols / 8 / per / block;
    const loop = rowLoop === "loop";
    const body = members(per).map((part, index) =>
      addWord("part", `raw${part}`, "((const float4*)x)", `${per} * i + ${index}`, products),
    );
    const held = ahead && steps >= 1;
    const source = `
      #include <cuda_fp16.h>

      ${dimensions(sizes, kind)}
      #define BLOCK ${block}

      ${decode8(decode)}
      extern "C" __global__ void gemv_blocks(const unsigned int* __restrict__ weights, const half* __restrict__ scales, const float* __restrict__ x, float* __restrict__ y) {
        __shared__ float cells[BLOCK];
        ${on(scale === "shared", "__shared__ float row_scales[GROUPS];")}
        ${on(sum === "atomic", "__shared__ float total;")}
        const int t = threadIdx.x;
        ${loop ? "for (int row = blockIdx.x; row < ROWS; row += gridDim.x) {" : "const int row = blockIdx.x;"}
          const ${wordType(per)}* words = (const ${wordType(per)}*)(weights + (size_t)row * WORDS);
          ${on(scale === "shared", "for (int g = t; g < GROUPS; g += BLOCK) row_scales[g] = __half2float(scales[(size_t)row * GROUPS + g]);")}
          ${on(sum === "atomic", "if (t == 0) total = 0.0f;")}
          ${on(scale === "shared" || sum === "atomic", "__syncthreads();")}
          float mine = 0.0f;
          ${on(held, `${wordType(per)} held[${steps}];\n#pragma unroll\nfor (int k = 0; k < ${steps}; ++k) held[k] = words[t + k * BLOCK];\n#pragma unroll`)}
          for (int k = 0; k < ${steps}; ++k) {
            const int i = t + k * BLOCK;
            const ${wordType(per)} raw = ${held ? "held[k]" : "words[i]"};
            float part = 0.0f;
            ${body.join("\n")}
            mine += part * ${scale === "shared" ? `row_scales[i / ${16 / per}]` : `__half2float(scales[(size_t)row * GROUPS + i / ${16 / per}])`};
          }
          ${blockSum(sum)}
          ${on(loop, "__syncthreads();\n}")}
      }
    `;
    return styled(
      { source, launches: [launch("gemv_blocks", loop ? 132 * 4 : rows, block, ["weights", "scales", "x", "y"])] },
      { names: "snake", indent: 4 },
    );
  },
});

function blockSum(sum: "shuffle" | "tree" | "atomic" | "serial"): string {
  const hops = "for (int hop = 16; hop > 0; hop >>= 1) mine += __shfl_xor_sync(0xffffffffu, mine, hop);";
  return {
    shuffle: `
      ${hops}
      if (t % 32 == 0) cells[t / 32] = mine;
      __syncthreads();
      if (t < 32) {
        mine = t < BLOCK / 32 ? cells[t] : 0.0f;
        ${hops}
        if (t == 0) y[row] = mine;
      }`,
    tree: `
      cells[t] = mine;
      __syncthreads();
      for (int half_way = BLOCK / 2; half_way > 0; half_way /= 2) {
        if (t < half_way) cells[t] += cells[t + half_way];
        __syncthreads();
      }
      if (t == 0) y[row] = cells[0];`,
    atomic: `
      ${hops}
      if (t % 32 == 0) atomicAdd(&total, mine);
      __syncthreads();
      if (t == 0) y[row] = total;`,
    serial: `
      cells[t] = mine;
      __syncthreads();
      if (t == 0) {
        float all = 0.0f;
        for (int i = 0; i < BLOCK; ++i) all += cells[i];
        y[row] = all;
      }`,
  }[sum];
}
