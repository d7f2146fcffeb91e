import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { cell } from "./cells.ts";

/** A pair per group of lanes that march along the anti-diagonals. */
export const laneWave: Template = template({
  id: "wave-over-lanes",
  from: "column-strips",
  idea: "Give each lane some columns and pass the last entry of a row to the next lane by a shuffle.",
  options: {
    columns: [2, 4, 8, 16],
    symbols: ["global", "travel", "shared"],
    way: ["min", "branch", "ternary", "fused"],
    guard: ["if", "select"],
    text: ["bytes", "packed"],
    block: [128, 64, 256],
    unroll: [false, true],
    border: ["branch", "select"],
  },
  valid: ({ columns, text }) => columns >= 4 || text === "bytes",
  count: 31,
  write: ({ columns, symbols, way, guard, text, block, unroll, border }, { pairs = 0 }) => {
    const lanes = 64 / columns;
    const packed = text === "packed";
    const symbol = packed ? "(int)((text[k / 4] >> (8 * (k % 4))) & 255u)" : "text[k]";
    const source = {
      global: "int symbol = a[(size_t)pair * 64 + min(max(i, 0), 63)];",
      shared: "int symbol = patterns[threadIdx.x / LANES][min(max(i, 0), 63)];",
      travel: `
        symbol = __shfl_up_sync(0xffffffffu, symbol, 1, LANES);
        if (lane == 0) symbol = a[(size_t)pair * 64 + min(t, 63)];`,
    }[symbols];
    const advance = `
      int left = incoming, diagonal = corner;
      #pragma unroll
      for (int k = 0; k < COLUMNS; ++k) {
        int above = cells[k];
        ${cell(way, "left", `symbol != ${symbol}`, "diagonal", "above", "left")}
        ${guard === "if" ? "cells[k] = left;" : "cells[k] = active ? left : above;"}
        diagonal = above;
      }
      ${guard === "if" ? "corner = incoming;\nlast = left;" : "corner = active ? incoming : corner;\nlast = active ? left : last;"}`;
    const code = `
      #define COLUMNS ${columns}
      #define LANES ${lanes}
      #define BLOCK ${block}

      extern "C" __global__ void distance_wave(const unsigned char* __restrict__ a, const unsigned char* __restrict__ b, int* __restrict__ distance) {
        const int lane = threadIdx.x % LANES;
        const int pair = (blockIdx.x * BLOCK + threadIdx.x) / LANES;
        ${on(
          symbols === "shared",
          `
        __shared__ unsigned char patterns[BLOCK / LANES][64];
        for (int k = threadIdx.x; k < BLOCK / LANES * 64; k += BLOCK) {
          patterns[k / 64][k % 64] = a[(size_t)blockIdx.x * (BLOCK / LANES) * 64 + k];
        }
        __syncthreads();`,
        )}
        ${
          packed
            ? `
        unsigned int text[COLUMNS / 4];
        #pragma unroll
        for (int k = 0; k < COLUMNS / 4; ++k) text[k] = reinterpret_cast<const unsigned int*>(b)[((size_t)pair * 64 + lane * COLUMNS) / 4 + k];`
            : `
        int text[COLUMNS];
        #pragma unroll
        for (int k = 0; k < COLUMNS; ++k) text[k] = b[(size_t)pair * 64 + lane * COLUMNS + k];`
        }
        int cells[COLUMNS];
        #pragma unroll
        for (int k = 0; k < COLUMNS; ++k) cells[k] = lane * COLUMNS + k + 1;
        int corner = lane * COLUMNS, last = 0;
        ${on(symbols === "travel", "int symbol = 0;")}
        #pragma unroll ${unroll ? 2 : 1}
        for (int t = 0; t < 64 + LANES - 1; ++t) {
          int incoming = __shfl_up_sync(0xffffffffu, last, 1, LANES);
          int i = t - lane;
          ${border === "branch" ? "if (lane == 0) incoming = i + 1;" : "incoming = lane == 0 ? i + 1 : incoming;"}
          ${source}
          ${guard === "if" ? `if (i >= 0 && i < 64) {\n${advance}\n}` : `bool active = (unsigned int)i < 64u;\n${advance}`}
        }
        if (lane == LANES - 1) distance[pair] = last;
      }
    `;
    return styled(
      { source: code, launches: [launch("distance_wave", (pairs * lanes) / block, block, ["a", "b", "distance"])] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Sixty-four threads per pair with the last diagonals in shared memory. */
export const sharedDiagonals: Template = template({
  id: "diagonals-in-shared",
  from: "rows-in-shared-memory",
  idea: "Let 64 threads compute an anti-diagonal at a time from the two before it, with a barrier per diagonal.",
  options: {
    together: [1, 2, 4],
    type: ["int", "unsigned short", "unsigned char"],
    way: ["min", "branch", "ternary", "fused"],
    rotate: ["modulo", "pointers", "copies"],
    symbols: ["shared", "global"],
    own: ["register", "memory"],
    guard: ["nested", "early"],
  },
  count: 31,
  write: ({ together, type, way, rotate, symbols, own, guard }, { pairs = 0 }) => {
    const [current, before, earlier] = {
      modulo: ["lines[t % 3][slot]", "lines[(t + 2) % 3][slot]", "lines[(t + 1) % 3][slot]"],
      pointers: ["now", "before", "earlier"],
      copies: ["lines[2][slot]", "lines[1][slot]", "lines[0][slot]"],
    }[rotate] as [string, string, string];
    const symbol = symbols === "shared" ? "patterns[slot][r - 1]" : "a[(size_t)pair * 64 + r - 1]";
    const text = own === "register" ? "text" : "b[(size_t)pair * 64 + c - 1]";
    const compute = `
      int above = ${before}[c], left = ${before}[c - 1], diagonal = ${earlier}[c - 1];
      int value;
      ${cell(way, "value", `${symbol} != ${text}`, "diagonal", "above", "left")}
      ${current}[c] = value;`;
    const work =
      guard === "nested"
        ? `
        if (r >= 0 && r <= 64) {
          if (r == 0) {
            ${current}[c] = t;
          } else {
            ${compute}
          }
        }`
        : `
        if (r == 0) ${current}[c] = t;
        if (r > 0 && r <= 64) {
          ${compute}
        }`;
    const turn = {
      modulo: "__syncthreads();",
      pointers: `
        __syncthreads();
        ${type}* spare = earlier;
        earlier = before;
        before = now;
        now = spare;`,
      copies: `
        __syncthreads();
        lines[0][slot][c] = lines[1][slot][c];
        if (c == 1) lines[0][slot][0] = lines[1][slot][0];
        __syncthreads();
        lines[1][slot][c] = lines[2][slot][c];
        if (c == 1) lines[1][slot][0] = lines[2][slot][0];
        __syncthreads();`,
    }[rotate];
    const result = { modulo: "lines[128 % 3][slot][64]", pointers: "before[64]", copies: "lines[1][slot][64]" }[rotate];
    const source = `
      constexpr int TOGETHER = ${together};

      extern "C" __global__ void distance_diagonals(const unsigned char* a, const unsigned char* b, int* distance) {
        __shared__ ${type} lines[3][TOGETHER][65];
        ${on(symbols === "shared", "__shared__ unsigned char patterns[TOGETHER][64];")}
        const int slot = threadIdx.x / 64;
        const int c = threadIdx.x % 64 + 1;
        const int pair = blockIdx.x * TOGETHER + slot;
        ${on(own === "register", "const int text = b[(size_t)pair * 64 + c - 1];")}
        ${on(symbols === "shared", "patterns[slot][c - 1] = a[(size_t)pair * 64 + c - 1];")}
        if (c == 1) {
          lines[0][slot][0] = 0;
          lines[1][slot][0] = 1;
          lines[1][slot][1] = 1;
        }
        ${on(rotate === "pointers", `${type}* earlier = lines[0][slot];\n${type}* before = lines[1][slot];\n${type}* now = lines[2][slot];`)}
        __syncthreads();
        for (int t = 2; t <= 128; ++t) {
          int r = t - c;
          ${work}
          if (c == 1) ${current}[0] = t;
          ${turn}
        }
        if (c == 64) distance[pair] = ${result};
      }
    `;
    return styled(
      { source, launches: [launch("distance_diagonals", pairs / together, 64 * together, ["a", "b", "distance"])] },
      { names: "camel", indent: 2 },
    );
  },
});
