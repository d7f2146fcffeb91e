import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { generations } from "./parts.ts";

const generationCount = 32;

/** Eight cells per word, four bits each. */
export const nibbles: Template = template({
  id: "cells-in-nibbles",
  from: "bytes-in-words",
  idea: "Pack eight cells into the nibbles of a word, where a sum of nine still fits, and unpack at the end.",
  options: {
    words: [1, 2, 4],
    rows: [1, 4, 2, 8],
    rule: ["folded", "planes", "carry"],
    sides: ["loads", "shuffle"],
    pack: ["word", "bytes"],
    restrict: [true, false],
    unroll: [false, true],
    funnel: [false, true],
    block: ["32x4", "64x4", "128x1"],
  },
  count: 30,
  write: ({ words, rows, rule, sides, pack, restrict, unroll, funnel, block }, { height = 0, width = 0 }) => {
    const [bx = 32, by = 4] = block.split("x").map(Number);
    const parts = words === 1 ? [""] : [".x", ".y", ".z", ".w"].slice(0, words);
    const type = words === 1 ? "unsigned int" : `uint${words}`;
    const mark = on(restrict, "__restrict__ ");
    const count = width / 8 / words;
    const first = parts[0] as string;
    const last = parts[words - 1] as string;
    const beside =
      sides === "loads"
        ? `const unsigned int before = row[(x - 1) & (COUNT - 1)]${last};
          const unsigned int after = row[(x + 1) & (COUNT - 1)]${first};`
        : `unsigned int before = __shfl_up_sync(0xffffffffu, p${last}, 1);
          unsigned int after = __shfl_down_sync(0xffffffffu, p${first}, 1);
          if (threadIdx.x % 32 == 0) before = row[(x - 1) & (COUNT - 1)]${last};
          if (threadIdx.x % 32 == 31) after = row[(x + 1) & (COUNT - 1)]${first};`;
    const [left, right] = funnel
      ? ["__funnelshift_l(before, m, 4)", "__funnelshift_r(m, after, 4)"]
      : ["(m << 4 | before >> 28)", "(m >> 4 | after << 28)"];
    const source = `
      constexpr int HEIGHT = ${height}, COUNT = ${count};  // packs per row
      typedef ${type} Pack;
      struct Line {
        unsigned int cell[${words}], near[${words}];
      };
      ${nibbleEnds(pack)}
      __device__ __forceinline__ unsigned int add_near(unsigned int before, unsigned int m, unsigned int after) {
        return m + ${left} + ${right};
      }

      __device__ __forceinline__ unsigned int next_nibbles(unsigned int total, unsigned int alive) {
        ${nibbleRule(rule)}
      }

      __device__ __forceinline__ Line read_line(const Pack* ${mark}from, int x, int y) {
        const Pack* row = from + (y & (HEIGHT - 1)) * COUNT;
        const Pack p = row[x];
        ${beside}
        Line line;
        ${parts.map((part, index) => `line.cell[${index}] = p${part};`).join("\n")}
        ${repeat(words, (index) => `line.near[${index}] = add_near(${index === 0 ? "before" : `line.cell[${index - 1}]`}, line.cell[${index}], ${index === words - 1 ? "after" : `line.cell[${index + 1}]`});`)}
        return line;
      }

      extern "C" __global__ void evolve_nibbles(const Pack* ${mark}from, Pack* ${mark}to) {
        const int x = blockIdx.x * ${bx} + threadIdx.x;
        const int first = (blockIdx.y * ${by} + threadIdx.y) * ${rows};
        Line up = read_line(from, x, first - 1), here = read_line(from, x, first);
        ${on(unroll, "#pragma unroll", "#pragma unroll 1")}
        for (int y = first; y < first + ${rows}; ++y) {
          const Line down = read_line(from, x, y + 1);
          Pack p;
          ${parts.map((part, index) => `p${part} = next_nibbles(up.near[${index}] + here.near[${index}] + down.near[${index}], here.cell[${index}]);`).join("\n")}
          to[y * COUNT + x] = p;
          up = here;
          here = down;
        }
      }
    `;
    const ends = (height * width) / 8 / 256;
    const launches = [
      launch("pack_nibbles", ends, 256, ["cells", "sums"]),
      ...generations(generationCount, { first: "sums", odd: "ping", even: "sums" }, (from, to) => [
        launch("evolve_nibbles", [count / bx, height / (by * rows)], [bx, by], [from, to]),
      ]),
      launch("unpack_nibbles", ends, 256, ["sums", "out"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

function nibbleRule(rule: "folded" | "planes" | "carry"): string {
  return {
    folded: `unsigned int other = ((total - alive) | alive) ^ 0x33333333u;
      other |= other >> 2;
      other |= other >> 1;
      return ~other & 0x11111111u;`,
    planes: `const unsigned int t = (total - alive) | alive;
      return t & t >> 1 & ~(t >> 2) & ~(t >> 3) & 0x11111111u;`,
    carry: `const unsigned int t = ((total - alive) | alive) ^ 0x33333333u;
      const unsigned int low = (t & 0x77777777u) + 0x77777777u;
      return ~(low | t) >> 3 & 0x11111111u;`,
  }[rule];
}

function nibbleEnds(pack: "word" | "bytes"): string {
  if (pack === "bytes") {
    return `
      extern "C" __global__ void pack_nibbles(const unsigned char* __restrict__ cells, unsigned int* __restrict__ words) {
        const int e = blockIdx.x * 256 + threadIdx.x;
        unsigned int word = 0;
        for (int k = 0; k < 8; ++k) word |= (unsigned int)cells[8 * e + k] << 4 * k;
        words[e] = word;
      }

      extern "C" __global__ void unpack_nibbles(const unsigned int* __restrict__ words, unsigned char* __restrict__ out) {
        const int e = blockIdx.x * 256 + threadIdx.x;
        for (int k = 0; k < 8; ++k) out[8 * e + k] = words[e] >> 4 * k & 1u;
      }
    `;
  }
  return `
    __device__ __forceinline__ unsigned int narrow(unsigned int four) {
      four = (four | four >> 4) & 0x00ff00ffu;
      return (four | four >> 8) & 0xffffu;
    }

    __device__ __forceinline__ unsigned int widen(unsigned int four) {
      four = (four | four << 8) & 0x00ff00ffu;
      return (four | four << 4) & 0x0f0f0f0fu;
    }

    extern "C" __global__ void pack_nibbles(const uint2* __restrict__ cells, unsigned int* __restrict__ words) {
      const int e = blockIdx.x * 256 + threadIdx.x;
      const uint2 eight = cells[e];
      words[e] = narrow(eight.x) | narrow(eight.y) << 16;
    }

    extern "C" __global__ void unpack_nibbles(const unsigned int* __restrict__ words, uint2* __restrict__ out) {
      const int e = blockIdx.x * 256 + threadIdx.x;
      const unsigned int word = words[e];
      out[e] = make_uint2(widen(word & 0xffffu), widen(word >> 16));
    }
  `;
}
