import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { flips, perStep, philox, tableStart, torusOf, type Table } from "./shared.ts";

type Spin = "signed" | "bit";

/** Kernels that take the colours apart and put them together again. */
function separation(way: "sites" | "words", spin: Spin): string {
  if (way === "sites") {
    const held = spin === "signed" ? "spins[y * columns + x]" : "(spins[y * columns + x] < 0 ? 1 : 0)";
    const given = spin === "signed" ? "planes[c * PLANE + i]" : "1 - 2 * planes[c * PLANE + i]";
    return `
      extern "C" __global__ void separate(const signed char* __restrict__ spins, signed char* __restrict__ planes) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = i / HALF, q = i % HALF;
        for (int c = 0; c < 2; ++c) {
          const int x = 2 * q + ((y + c) & 1);
          planes[c * PLANE + i] = ${held};
        }
      }

      extern "C" __global__ void unite(const signed char* __restrict__ planes, signed char* __restrict__ out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = i / HALF, q = i % HALF;
        for (int c = 0; c < 2; ++c) {
          const int x = 2 * q + ((y + c) & 1);
          out[y * columns + x] = ${given};
        }
      }
    `;
  }
  const held = (word: string): string => (spin === "signed" ? word : `(${word} >> 7) & 0x01010101u`);
  const given = (word: string): string => (spin === "signed" ? word : `(${word} * 0xfeu) ^ 0x01010101u`);
  return `
    extern "C" __global__ void separate(const uint2* __restrict__ spins, unsigned int* __restrict__ planes) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      const int odd_row = (i / (HALF / 4)) & 1;
      const uint2 v = spins[i];
      const unsigned int even = __byte_perm(v.x, v.y, 0x6420), odd = __byte_perm(v.x, v.y, 0x7531);
      const unsigned int colour0 = odd_row ? odd : even, colour1 = odd_row ? even : odd;
      planes[i] = ${held("colour0")};
      planes[PLANE / 4 + i] = ${held("colour1")};
    }

    extern "C" __global__ void unite(const unsigned int* __restrict__ planes, uint2* __restrict__ out) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      const int odd_row = (i / (HALF / 4)) & 1;
      const unsigned int colour0 = planes[i], colour1 = planes[PLANE / 4 + i];
      unsigned int even = odd_row ? colour1 : colour0, odd = odd_row ? colour0 : colour1;
      even = ${given("even")};
      odd = ${given("odd")};
      out[i] = make_uint2(__byte_perm(even, odd, 0x5140), __byte_perm(even, odd, 0x7362));
    }
  `;
}

function siteUpdate(spin: Spin, table: Table): string {
  const alike =
    spin === "signed"
      ? `
        const int sum = other[up * HALF + q] + other[down * HALF + q] + other[y * HALF + q] + other[y * HALF + beside];
        const int k = (own * sum + 4) >> 1;`
      : `
        const int minus = other[up * HALF + q] + other[down * HALF + q] + other[y * HALF + q] + other[y * HALF + beside];
        const int k = own ? minus : 4 - minus;`;
  return `
    const int y = i / HALF, q = i % HALF;
    const int up = (y + rows - 1) % rows, down = (y + 1) % rows;
    const int beside = ((y + step) & 1 ? q + 1 : q + HALF - 1) % HALF;
    const int own = mine[i];
    ${alike}
    const uint4 r = four_words(q / 4, y, step, seed);
    const unsigned int number = (q & 2) ? ((q & 1) ? r.w : r.z) : ((q & 1) ? r.y : r.x);
    if ${flips(table, "k", "number")} mine[i] = ${spin === "signed" ? "-own" : "own ^ 1"};`;
}

function wordUpdate(spin: Spin, table: Table, sum: "packed" | "bytes"): string {
  const bits = (word: string): string => (spin === "signed" ? `((${word} >> 7) & 0x01010101u)` : word);
  const side = `
    const unsigned int level = other[y * (HALF / 4) + g];
    const bool right = (y + step) & 1;
    const unsigned int outer = reinterpret_cast<const unsigned char*>(other)[y * HALF + (right ? 4 * g + 4 : 4 * g + HALF - 1) % HALF];
    const unsigned int beside = right ? (level >> 8) | (outer << 24) : (level << 8) | outer;`;
  const flip = spin === "signed" ? "0xfeu" : "0x01u";
  const body =
    sum === "packed"
      ? `
        const unsigned int minus = ${bits("above")} + ${bits("below")} + ${bits("level")} + ${bits("beside")};
        const unsigned int sign = ${bits("own")} * 255u;
        const unsigned int alike = (minus & sign) | ((0x04040404u - minus) & ~sign);
        unsigned int change = 0;
        #pragma unroll
        for (int w = 0; w < 4; ++w) {
          const int k = (alike >> (8 * w)) & 7;
          if ${flips(table, "k", "numbers[w]")} change |= ${flip} << (8 * w);
        }`
      : `
        unsigned int change = 0;
        #pragma unroll
        for (int w = 0; w < 4; ++w) {
          const int at = 8 * w;
          const unsigned int me = (own >> at) & 255u;
          const int k = (((above >> at) & 255u) == me) + (((below >> at) & 255u) == me) + (((level >> at) & 255u) == me) + (((beside >> at) & 255u) == me);
          change |= ${flips(table, "k", "numbers[w]")} ? ${flip} << at : 0u;
        }`;
  return `
    const int y = i / (HALF / 4), g = i % (HALF / 4);
    const int up = (y + rows - 1) % rows, down = (y + 1) % rows;
    const unsigned int own = mine[i];
    const unsigned int above = other[up * (HALF / 4) + g], below = other[down * (HALF / 4) + g];
    ${side}
    const uint4 r = four_words(g, y, step, seed);
    const unsigned int numbers[4] = {r.x, r.y, r.z, r.w};
    ${body}
    mine[i] = own ^ change;`;
}

/** The two colours in arrays of their own. */
export const colourPlanes: Template = template({
  id: "colour-planes",
  from: "group-per-thread",
  idea: "Keep the two colours apart, so that the sites of a step are next to each other.",
  options: {
    width: ["words", "site"],
    spin: ["signed", "bit"],
    sum: ["packed", "bytes"],
    table: ["select", "memory", "sure", "shared"],
    random: ["wide", "unrolled", "high", "step"],
    separate: ["sites", "words"],
    volume: ["one", "loop"],
    size: ["constexpr", "define"],
    restrict: [true, false],
    block: [128, 256, 64],
  },
  count: 31,
  write: ({ width, spin, sum, table, random, separate, volume, size, restrict, block }, sizes) => {
    const torus = torusOf(size, sizes);
    const mark = on(restrict, " __restrict__");
    const type = width === "words" ? "unsigned int" : "signed char";
    const plane = (torus.rows * torus.columns) / 2;
    const items = width === "words" ? plane / 4 : plane;
    const body = width === "words" ? wordUpdate(spin, table, sum) : siteUpdate(spin, table);
    const source = `
      ${torus.header}
      #define HALF (columns / 2)
      #define PLANE (rows * HALF)

      ${philox(random)}
      ${separation(separate, spin)}
      // One step: the sites of mine, whose neighbours are all in other.
      extern "C" __global__ void update_colour(${type}* planes, const unsigned int*${mark} thresholds, int step) {
        ${type}*${mark} mine = planes + (step & 1) * (PLANE / (int)sizeof(${type}));
        const ${type}*${mark} other = planes + (1 - (step & 1)) * (PLANE / (int)sizeof(${type}));
        ${tableStart(table)}
        ${
          volume === "one"
            ? `const int i = blockIdx.x * blockDim.x + threadIdx.x;\n${body}`
            : `for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < ${width === "words" ? "PLANE / 4" : "PLANE"}; i += gridDim.x * blockDim.x) {\n${body}\n}`
        }
      }
    `;
    const ends = (separate === "sites" ? plane : plane / 4) / 256;
    const grid = volume === "one" ? items / block : items / block / 4;
    const launches = [
      launch("separate", ends, 256, ["spins", "work"]),
      ...perStep(torus, (step) => launch("update_colour", grid, block, ["work", "thresholds", { i32: step }])),
      launch("unite", ends, 256, ["work", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
