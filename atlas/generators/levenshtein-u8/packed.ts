import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";

/** Several pairs in the parts of one word. */
export const packedPairs: Template = template({
  id: "packed-pairs",
  from: "column-strips",
  idea: "Work on the tables of two or four pairs at once in the parts of 32-bit words.",
  options: {
    parts: [2, 4],
    place: ["strip", "local", "shared"],
    minimum: ["intrinsic", "by-hand"],
    order: ["neighbours", "apart"],
    read: ["bytes", "words"],
    cost: ["minimum", "fold"],
    width: [16, 8, 32],
    block: [64, 128, 32],
    unroll: [false, true],
  },
  valid: ({ place, block }) => place !== "shared" || block <= 128,
  count: 31,
  write: ({ parts, place, minimum, order, read, cost, width, block, unroll }, { pairs = 0 }) => {
    const bits = 32 / parts;
    const one = parts === 2 ? "0x00010001u" : "0x01010101u";
    const high = parts === 2 ? "0x80008000u" : "0x80808080u";
    const least =
      minimum === "intrinsic"
        ? `return __vminu${parts}(x, y);`
        : `
        // No part exceeds 127, so the borrow of a part stays inside it.
        unsigned int keeps = (((x | ${high}) - y) & ${high}) >> ${bits - 1};
        unsigned int mask = (keeps << ${bits - 1}) - keeps;
        return (y & mask) | (x & ~mask);`;
    const unequal = cost === "minimum" ? `least(x ^ y, ${one})` : `((x ^ y) | ((x ^ y) >> 1)) & ${one}`;
    const base = (p: number): string =>
      order === "neighbours" ? `(group * ${parts} + ${p})` : `(group + ${p} * GROUPS)`;
    const gather = (from: string, i: string): string =>
      read === "bytes"
        ? Array.from(
            { length: parts },
            (_, p) => `((unsigned int)${from}[(size_t)${base(p)} * 64 + ${i}] << ${p * bits})`,
          ).join(" | ")
        : Array.from(
            { length: parts },
            (_, p) =>
              `(((reinterpret_cast<const unsigned int*>(${from})[(size_t)${base(p)} * 16 + (${i}) / 4] >> (8 * ((${i}) % 4))) & 255u) << ${p * bits})`,
          ).join("\n| ");
    const strip = place === "strip" ? width : 64;
    const cells = place === "shared" ? `cells[k][threadIdx.x]` : "cells[k]";
    const unrolled = place === "strip" ? "#pragma unroll" : `#pragma unroll ${unroll ? 4 : 1}`;
    const source = `
      #define BLOCK ${block}
      #define GROUPS ${pairs / parts}
      #define WIDTH ${strip}
      #define ONE ${one}

      __device__ __forceinline__ unsigned int least(unsigned int x, unsigned int y) {
        ${least}
      }

      __device__ __forceinline__ unsigned int unequal(unsigned int x, unsigned int y) {
        return ${unequal};
      }

      extern "C" __global__ void distance_packed(const unsigned char* __restrict__ a, const unsigned char* __restrict__ b, int* __restrict__ distance) {
        ${on(place === "shared", "__shared__ unsigned int cells[64][BLOCK];")}
        int group = blockIdx.x * BLOCK + threadIdx.x;
        unsigned int edge[65];
        for (int i = 0; i <= 64; ++i) edge[i] = i * ONE;
        #pragma unroll 1
        for (int first = 0; first < 64; first += WIDTH) {
          unsigned int text[WIDTH];
          ${on(place !== "shared", "unsigned int cells[WIDTH];")}
          ${unrolled}
          for (int k = 0; k < WIDTH; ++k) {
            text[k] = ${gather("b", "first + k")};
            ${cells} = (first + k + 1) * ONE;
          }
          unsigned int corner = first * ONE;
          #pragma unroll ${unroll ? 2 : 1}
          for (int i = 1; i <= 64; ++i) {
            unsigned int symbol = ${gather("a", "i - 1")};
            unsigned int left = edge[i], diagonal = corner;
            corner = left;
            ${unrolled}
            for (int k = 0; k < WIDTH; ++k) {
              unsigned int above = ${cells};
              left = least(diagonal + unequal(symbol, text[k]), least(above, left) + ONE);
              ${cells} = left;
              diagonal = above;
            }
            edge[i] = left;
          }
        }
        ${repeat(parts, (p) => `distance[${base(p)}] = (edge[64] >> ${p * bits}) & ${parts === 2 ? "0xffff" : "0xff"};`)}
      }
    `;
    return styled(
      { source, launches: [launch("distance_packed", pairs / parts / block, block, ["a", "b", "distance"])] },
      { names: "camel", indent: 4 },
    );
  },
});
