import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { cell } from "./cells.ts";

/** A row of the table per thread, in local memory or, fully unrolled, in registers. */
export const localRows: Template = template({
  id: "rows-in-local-memory",
  from: null,
  idea: "A thread keeps a row of its pair's table and passes over it once per symbol.",
  options: {
    type: ["int", "short", "unsigned char"],
    way: ["min", "branch", "ternary", "fused"],
    text: ["global", "local", "words"],
    rows: ["one", "two"],
    unroll: ["none", "four", "all"],
    block: [64, 128, 256],
    restrict: [false, true],
  },
  count: 31,
  write: ({ type, way, text, rows, unroll, block, restrict }, { pairs = 0 }) => {
    const q = on(restrict, "__restrict__ ");
    const symbol = {
      global: "b[(size_t)pair * 64 + j - 1]",
      local: "text[j - 1]",
      words: "(int)((text[(j - 1) / 4] >> (8 * ((j - 1) % 4))) & 255u)",
    }[text];
    const hold = {
      global: "",
      local: "unsigned char text[64];\nfor (int j = 0; j < 64; ++j) text[j] = b[(size_t)pair * 64 + j];",
      words: `
        unsigned int text[16];
        #pragma unroll
        for (int w = 0; w < 16; ++w) text[w] = reinterpret_cast<const unsigned int*>(b)[(size_t)pair * 16 + w];`,
    }[text];
    const pragma = { none: "#pragma unroll 1", four: "#pragma unroll 4", all: "#pragma unroll" }[unroll];
    const differ = `symbol != ${symbol}`;
    const body =
      rows === "one"
        ? `
        int diagonal = i - 1, left = i;
        ${pragma}
        for (int j = 1; j <= 64; ++j) {
          int above = row[j];
          int value;
          ${cell(way, "value", differ, "diagonal", "above", "left")}
          row[j] = value;
          diagonal = above;
          left = value;
        }`
        : `
        ${type} next[65];
        next[0] = i;
        ${pragma}
        for (int j = 1; j <= 64; ++j) {
          int above = row[j], left = next[j - 1], diagonal = row[j - 1];
          int value;
          ${cell(way, "value", differ, "diagonal", "above", "left")}
          next[j] = value;
        }
        ${pragma}
        for (int j = 0; j <= 64; ++j) row[j] = next[j];`;
    const source = `
      extern "C" __global__ void distance_rows(const unsigned char* ${q}a, const unsigned char* ${q}b, int* ${q}distance) {
        int pair = blockIdx.x * blockDim.x + threadIdx.x;
        ${hold}
        ${type} row[65];
        ${pragma}
        for (int j = 0; j <= 64; ++j) row[j] = j;
        #pragma unroll 1
        for (int i = 1; i <= 64; ++i) {
          int symbol = a[(size_t)pair * 64 + i - 1];
          ${body}
        }
        distance[pair] = row[64];
      }
    `;
    return styled(
      { source, launches: [launch("distance_rows", pairs / block, block, ["a", "b", "distance"])] },
      { names: "snake", indent: 4 },
    );
  },
});

/** The row lives in shared memory, a column of it per thread. */
export const sharedRows: Template = template({
  id: "rows-in-shared-memory",
  from: "rows-in-local-memory",
  idea: "Keep the rows of a block's threads in shared memory.",
  options: {
    type: ["int", "unsigned short", "unsigned char"],
    layout: ["entries", "threads"],
    way: ["min", "branch", "ternary", "fused"],
    text: ["shared", "global", "words"],
    pattern: ["global", "word"],
    unroll: [false, true],
    block: [64, 128, 32],
    carried: [true, false],
  },
  valid: ({ type, block, text }) => type !== "int" || block < 128 || text !== "shared",
  count: 31,
  write: ({ type, layout, way, text, pattern, unroll, block, carried }, { pairs = 0 }) => {
    const at = (j: string): string => (layout === "entries" ? `rows[${j}][threadIdx.x]` : `rows[threadIdx.x][${j}]`);
    const symbol = {
      shared: "texts[j - 1][threadIdx.x]",
      global: "b[(size_t)pair * 64 + j - 1]",
      words: "(int)((held[(j - 1) / 4] >> (8 * ((j - 1) % 4))) & 255u)",
    }[text];
    const hold = {
      shared: `
        __shared__ unsigned char texts[64][BLOCK];
        for (int k = threadIdx.x; k < 64 * BLOCK; k += BLOCK) texts[k % 64][k / 64] = b[(size_t)blockIdx.x * BLOCK * 64 + k];
        __syncthreads();`,
      global: "",
      words: "const unsigned int* held = reinterpret_cast<const unsigned int*>(b) + (size_t)pair * 16;",
    }[text];
    const source = `
      #define BLOCK ${block}

      extern "C" __global__ void distance_shared(const unsigned char* __restrict__ a, const unsigned char* __restrict__ b, int* __restrict__ distance) {
        __shared__ ${type} rows${layout === "entries" ? "[65][BLOCK]" : "[BLOCK][65]"};
        const int pair = blockIdx.x * BLOCK + threadIdx.x;
        ${hold}
        for (int j = 0; j <= 64; ++j) ${at("j")} = j;
        ${on(pattern === "word", "unsigned int symbols = 0;")}
        for (int i = 1; i <= 64; ++i) {
          ${
            pattern === "word"
              ? `
          if (i % 4 == 1) symbols = reinterpret_cast<const unsigned int*>(a)[(size_t)pair * 16 + (i - 1) / 4];
          const int symbol = symbols & 255u;
          symbols >>= 8;`
              : "const int symbol = a[(size_t)pair * 64 + i - 1];"
          }
          int diagonal = i - 1, left = i;
          ${on(!carried, `${at("0")} = i;`)}
          #pragma unroll ${unroll ? 8 : 1}
          for (int j = 1; j <= 64; ++j) {
            int above = ${at("j")};
            ${on(!carried, `left = ${at("j - 1")};`)}
            int value;
            ${cell(way, "value", `symbol != ${symbol}`, "diagonal", "above", "left")}
            ${at("j")} = value;
            diagonal = above;
            ${on(carried, "left = value;")}
          }
        }
        distance[pair] = ${at("64")};
      }
    `;
    return styled(
      { source, launches: [launch("distance_shared", pairs / block, block, ["a", "b", "distance"])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** The table in strips of columns whose entries stay in registers. */
export const strips: Template = template({
  id: "column-strips",
  from: "rows-in-local-memory",
  idea: "Cut the table into strips of columns, so that a strip's row fits in registers, and keep only the strips' edges in memory.",
  options: {
    width: [16, 8, 32, 64],
    edge: ["local", "shared"],
    type: ["unsigned char", "int", "unsigned short"],
    way: ["min", "branch", "ternary", "fused"],
    symbols: ["bytes", "packed"],
    pattern: ["byte", "word"],
    block: [128, 64, 32],
    bounds: [false, true],
    unroll: [false, true],
  },
  valid: ({ edge, type, block }) => edge === "local" || type !== "int" || block <= 128,
  count: 31,
  write: ({ width, edge, type, way, symbols, pattern, block, bounds, unroll }, { pairs = 0 }) => {
    const at = (i: string): string => (edge === "local" ? `edge[${i}]` : `edges[${i}][threadIdx.x]`);
    const packed = symbols === "packed";
    const symbol = packed ? "(int)((text[k / 4] >> (8 * (k % 4))) & 255u)" : "text[k]";
    const source = `
      constexpr int WIDTH = ${width};
      constexpr int BLOCK = ${block};

      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}distance_strips(const unsigned char* __restrict__ a, const unsigned char* __restrict__ b, int* distance) {
        ${edge === "local" ? `${type} edge[65];` : `__shared__ ${type} edges[65][BLOCK];`}
        const int pair = blockIdx.x * BLOCK + threadIdx.x;
        const unsigned char* pattern = a + (size_t)pair * 64;
        for (int i = 0; i <= 64; ++i) ${at("i")} = i;
        #pragma unroll 1
        for (int first = 0; first < 64; first += WIDTH) {
          ${
            packed
              ? `
          unsigned int text[WIDTH / 4];
          #pragma unroll
          for (int k = 0; k < WIDTH / 4; ++k) text[k] = reinterpret_cast<const unsigned int*>(b + (size_t)pair * 64 + first)[k];`
              : `
          int text[WIDTH];
          #pragma unroll
          for (int k = 0; k < WIDTH; ++k) text[k] = b[(size_t)pair * 64 + first + k];`
          }
          int cells[WIDTH];
          #pragma unroll
          for (int k = 0; k < WIDTH; ++k) cells[k] = first + k + 1;
          int corner = first;
          ${on(pattern === "word", "unsigned int four = 0;")}
          #pragma unroll ${unroll ? 2 : 1}
          for (int i = 1; i <= 64; ++i) {
            ${
              pattern === "word"
                ? `
            if (i % 4 == 1) four = *reinterpret_cast<const unsigned int*>(pattern + i - 1);
            int symbol = four & 255u;
            four >>= 8;`
                : "int symbol = pattern[i - 1];"
            }
            int left = ${at("i")};
            int diagonal = corner;
            corner = left;
            #pragma unroll
            for (int k = 0; k < WIDTH; ++k) {
              int above = cells[k];
              ${cell(way, "left", `symbol != ${symbol}`, "diagonal", "above", "left")}
              cells[k] = left;
              diagonal = above;
            }
            ${at("i")} = left;
          }
        }
        distance[pair] = ${at("64")};
      }
    `;
    return styled(
      { source, launches: [launch("distance_strips", pairs / block, block, ["a", "b", "distance"])] },
      { names: "snake", indent: 2 },
    );
  },
});
