import type { KernelDraft, Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { addWord, decode8, dimensions, warpTotal, type Sizes } from "./parts.ts";

type Finish = "launch" | "atomic";
type Order = "split-major" | "row-major";

const clearKernel = `
  extern "C" __global__ void clear_y(float* y) {
    const int row = blockIdx.x * 256 + threadIdx.x;
    if (row < ROWS) y[row] = 0.0f;
  }
`;

const partAt = (order: Order, split: string, row: string): string =>
  order === "split-major" ? `work[${split} * ROWS + ${row}]` : `work[${row} * SPLITS + ${split}]`;

const addSplits = (order: Order): string => `
  extern "C" __global__ void add_splits(const float* work, float* y) {
    const int row = blockIdx.x * 256 + threadIdx.x;
    if (row >= ROWS) return;
    float sum = 0.0f;
    for (int s = 0; s < SPLITS; ++s) sum += ${partAt(order, "s", "row")};
    y[row] = sum;
  }
`;

const around = (finish: Finish, main: KernelDraft["launches"][number], { rows = 0 }: Sizes): KernelDraft["launches"] =>
  finish === "atomic"
    ? [launch("clear_y", Math.ceil(rows / 256), 256, ["y"]), main]
    : [main, launch("add_splits", Math.ceil(rows / 256), 256, ["work", "y"])];

/** The columns split over blocks; partial sums meet in scratch memory or by atomics. */
export const splitColumns: Template = template({
  id: "split-columns",
  from: "warp-per-row",
  idea: "Split the columns over blocks, so that a block needs only a part of the vector.",
  options: {
    owner: ["warp", "thread"],
    finish: ["launch", "atomic"],
    order: ["split-major", "row-major"],
    vector: ["shared", "global"],
    decode: ["shift", "magic", "halves", "signed", "bytes"],
    products: ["quads", "loop"],
    splits: [4, 8, 2, 16],
    block: [256, 128, 512],
    per: ["one", "four"],
    kind: ["define", "constexpr", "enum"],
  },
  valid: ({ owner, per }) => owner === "warp" || per === "one",
  count: 27,
  write: ({ owner, finish, order, vector, decode, products, splits, block, per, kind }, sizes) => {
    const { rows = 0 } = sizes;
    const shared = vector === "shared";
    const warp = owner === "warp";
    const many = per === "four" ? 4 : 1;
    const rowsPerBlock = warp ? (block / 32) * many : block;
    const x4 = shared ? "piece" : "x4";
    const words = ["x", "y", "z", "w"]
      .map((part, k) => addWord("part", `raw.${part}`, x4, `4 * i + ${k}`, products))
      .join("\n");
    const store = finish === "atomic" ? "atomicAdd(y + row, sum);" : `${partAt(order, "split", "row")} = sum;`;
    const loop = (start: string, hop: string): string => `
      for (int i = ${start}; i < CHUNK / 32; i += ${hop}) {
        const uint4 raw = words[i];
        float part = 0.0f;
        ${words}
        sum += part * __half2float(row_scales[i / 4]);
      }`;
    const rowText = `
      const uint4* words = weights + (size_t)row * (WORDS / 4) + split * (CHUNK / 32);
      const half* row_scales = scales + (size_t)row * GROUPS + split * (CHUNK / 128);
      float sum = 0.0f;
      ${loop(warp ? "lane" : "0", warp ? "32" : "1")}
      ${warp ? `sum = warp_total(sum);\nif (lane == 0) ${store}` : store}`;
    const source = `
      #include <cuda_fp16.h>

      ${dimensions(sizes, kind)}
      #define SPLITS ${splits}
      #define CHUNK (COLS / SPLITS)

      ${decode8(decode)}
      ${on(warp, warpTotal("xor"))}
      ${finish === "atomic" ? clearKernel : addSplits(order)}
      extern "C" __global__ void gemv_chunk(const uint4* __restrict__ weights, const half* __restrict__ scales, const float* __restrict__ x, float* ${finish === "atomic" ? "y" : "work"}) {
        const int split = blockIdx.y;
        const float4* x4 = reinterpret_cast<const float4*>(x + split * CHUNK);
        ${on(shared, "__shared__ float4 piece[CHUNK / 4];\nfor (int i = threadIdx.x; i < CHUNK / 4; i += blockDim.x) piece[i] = x4[i];\n__syncthreads();")}
        ${on(warp, "const int lane = threadIdx.x % 32;")}
        ${
          many === 4
            ? `for (int k = 0; k < 4; ++k) {\nconst int row = (blockIdx.x * ${block / 32} + threadIdx.x / 32) * 4 + k;\n${rowText}\n}`
            : `const int row = ${warp ? `blockIdx.x * ${block / 32} + threadIdx.x / 32` : `blockIdx.x * ${block} + threadIdx.x`};\n${rowText}`
        }
      }
    `;
    const main = launch("gemv_chunk", [rows / rowsPerBlock, splits], block, [
      "weights",
      "scales",
      "x",
      finish === "atomic" ? "y" : "work",
    ]);
    return styled({ source, launches: around(finish, main, sizes) }, { names: "snake", indent: 2 });
  },
});

/** Tables in shared memory instead of products. */
export const tables: Template = template({
  id: "lookup-tables",
  from: "split-columns",
  idea: "Tabulate what four bits can add to a sum for a part of the vector, and replace products by lookups.",
  options: {
    entries: ["bits", "products"],
    owner: ["thread", "warp"],
    finish: ["atomic", "launch"],
    order: ["split-major", "row-major"],
    gather: ["or", "steps"],
    fill: ["entries", "columns"],
    bits: ["unrolled", "horner"],
    block: [256, 512, 128],
    read: ["quad", "word"],
    kind: ["constexpr", "define", "enum"],
  },
  count: 26,
  write: (options, sizes) => {
    const { entries, owner, finish, order, fill, block, read, kind } = options;
    const { rows = 0, cols = 0 } = sizes;
    const chunk = entries === "bits" ? 1024 : 256;
    const splits = cols / chunk;
    const warp = owner === "warp";
    const quad = read === "quad";
    const store = finish === "atomic" ? "atomicAdd(y + row, sum);" : `${partAt(order, "blockIdx.y", "row")} = sum;`;
    const words = quad ? ["raw.x", "raw.y", "raw.z", "raw.w"] : ["raw"];
    const per = words.length;
    const source = `
      #include <cuda_fp16.h>

      ${dimensions(sizes, kind)}
      #define CHUNK ${chunk}
      #define SPLITS (COLS / CHUNK)

      ${finish === "atomic" ? clearKernel : addSplits(order)}
      ${on(warp, warpTotal("down"))}
      extern "C" __global__ void gemv_tables(const ${quad ? "uint4" : "unsigned int"}* __restrict__ weights, const half* __restrict__ scales, const float* __restrict__ x, float* ${finish === "atomic" ? "y" : "work"}) {
        __shared__ float table[${entries === "bits" ? "CHUNK / 4" : "CHUNK"}][16];
        const float* piece = x + blockIdx.y * CHUNK;
        ${fillTable(entries, fill)}
        __syncthreads();
        ${
          warp
            ? `const int lane = threadIdx.x % 32;\nfor (int row = blockIdx.x * 32 + threadIdx.x / 32; row < (blockIdx.x + 1) * 32; row += ${block / 32}) {`
            : `const int row = blockIdx.x * ${block} + threadIdx.x;\n{`
        }
          float sum = 0.0f;
          for (int i = ${warp ? "lane" : "0"}; i < CHUNK / ${8 * per}; i += ${warp ? "32" : "1"}) {
            const auto raw = weights[((size_t)row * WORDS + blockIdx.y * (CHUNK / 8)) / ${per} + i];
            float part = 0.0f;
            ${words.map((word, k) => lookUp(options, word, `(${per} * i + ${k})`)).join("\n")}
            sum += part * __half2float(scales[(size_t)row * GROUPS + blockIdx.y * (CHUNK / 128) + i / ${16 / per}]);
          }
          ${warp ? `sum = warp_total(sum);\nif (lane == 0) ${store}` : store}
        }
      }
    `;
    const main = launch("gemv_tables", [warp ? rows / 32 : rows / block, splits], block, [
      "weights",
      "scales",
      "x",
      finish === "atomic" ? "y" : "work",
    ]);
    return styled({ source, launches: around(finish, main, sizes) }, { names: "camel", indent: 2 });
  },
});

function fillTable(entries: "bits" | "products", fill: "entries" | "columns"): string {
  const value =
    entries === "bits"
      ? "(n & 1 ? piece[4 * c] : 0.0f) + (n & 2 ? piece[4 * c + 1] : 0.0f) + (n & 4 ? piece[4 * c + 2] : 0.0f) + (n & 8 ? piece[4 * c + 3] : 0.0f)"
      : "(float)(n - 8) * piece[c]";
  const count = entries === "bits" ? "CHUNK / 4" : "CHUNK";
  return fill === "entries"
    ? `
      for (int e = threadIdx.x; e < (${count}) * 16; e += blockDim.x) {
        const int c = e / 16;
        const int n = e % 16;
        table[c][n] = ${value};
      }`
    : `
      for (int c = threadIdx.x; c < ${count}; c += blockDim.x) {
        for (int n = 0; n < 16; ++n) table[c][n] = ${value};
      }`;
}

interface Lookup {
  readonly entries: "bits" | "products";
  readonly gather: "or" | "steps";
  readonly bits: "unrolled" | "horner";
}

/** What one word adds to `part`. */
function lookUp({ entries, gather, bits }: Lookup, word: string, at: string): string {
  if (entries === "products") {
    return gather === "or"
      ? `#pragma unroll\nfor (int e = 0; e < 8; ++e) part += table[8 * ${at} + e][(${word} >> (4 * e)) & 15u];`
      : `{\nunsigned int rest = ${word};\n#pragma unroll\nfor (int e = 0; e < 8; ++e) {\npart += table[8 * ${at} + e][rest & 15u];\nrest >>= 4;\n}\n}`;
  }
  const indices =
    gather === "or"
      ? `const unsigned int all = t | (t >> 3) | (t >> 6) | (t >> 9);
      const unsigned int low = all & 15u, high = (all >> 16) & 15u;`
      : `const unsigned int low = (t & 1u) | ((t >> 3) & 2u) | ((t >> 6) & 4u) | ((t >> 9) & 8u);
      const unsigned int high = ((t >> 16) & 1u) | ((t >> 19) & 2u) | ((t >> 22) & 4u) | ((t >> 25) & 8u);`;
  const offset = `part -= 8.0f * (table[2 * ${at}][15] + table[2 * ${at} + 1][15]);`;
  if (bits === "horner") {
    return `{
      float value = 0.0f;
      #pragma unroll
      for (int b = 3; b >= 0; --b) {
        const unsigned int t = (${word} >> b) & 0x11111111u;
        ${indices}
        value = 2.0f * value + table[2 * ${at}][low] + table[2 * ${at} + 1][high];
      }
      part += value;
      ${offset}
    }`;
  }
  return `
    #pragma unroll
    for (int b = 0; b < 4; ++b) {
      const unsigned int t = (${word} >> b) & 0x11111111u;
      ${indices}
      part += (float)(1 << b) * (table[2 * ${at}][low] + table[2 * ${at} + 1][high]);
    }
    ${offset}`;
}
