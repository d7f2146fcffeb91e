import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bitRule, generations, packing, unpacking } from "./parts.ts";

const bitPlanes = { first: "bits", odd: "spare", even: "bits" };
const generationCount = 32;

/** A bit per cell, a generation per launch. */
export const bitSteps: Template = template({
  id: "bit-per-cell",
  from: "cells-in-nibbles",
  idea: "Pack 32 or 64 cells into a word and count neighbours with adders made of logic on whole words.",
  options: {
    adder: ["nine", "eight", "count", "lop"],
    bits: [32, 64],
    rows: [1, 4, 2, 8],
    sides: ["loads", "shuffle", "bounds"],
    pack: ["bytes", "ballot", "multiply"],
    unpack: ["cell", "four", "sixteen"],
    restrict: [true, false],
    funnel: [false, true],
    unroll: [true, false],
    block: ["32x8", "64x4", "128x1"],
  },
  valid: ({ bits, adder, funnel }) => bits === 32 || (adder !== "lop" && !funnel),
  count: 33,
  write: ({ adder, bits, rows, sides, pack, unpack, restrict, funnel, unroll, block }, { height = 0, width = 0 }) => {
    const [bx = 32, by = 8] = block.split("x").map(Number);
    const mark = on(restrict, "__restrict__ ");
    const packed = packing(pack, height, width);
    const unpacked = unpacking(unpack, height, width);
    const words = width / bits;
    const beside = {
      loads: "const Word before = row[(x - 1) & (WORDS - 1)], after = row[(x + 1) & (WORDS - 1)];",
      bounds: `const Word before = x > 0 ? row[x - 1] : row[WORDS - 1];
        const Word after = x < WORDS - 1 ? row[x + 1] : row[0];`,
      shuffle: `Word before = __shfl_up_sync(0xffffffffu, m, 1), after = __shfl_down_sync(0xffffffffu, m, 1);
        const int lane = threadIdx.x % 32;
        if (lane == 0) before = row[(x - 1) & (WORDS - 1)];
        if (lane == 31) after = row[(x + 1) & (WORDS - 1)];`,
    }[sides];
    const source = `
      #define HEIGHT ${height}
      #define WORDS ${words}
      ${bitRule(adder, bits, funnel)}
      ${packed.source}
      ${unpacked.source}
      __device__ __forceinline__ Row load_row(const Word* ${mark}plane, int x, int y) {
        const Word* row = plane + (y & (HEIGHT - 1)) * WORDS;
        const Word m = row[x];
        ${beside}
        return make_row(before, m, after);
      }

      extern "C" __global__ void evolve_bits(const Word* ${mark}from, Word* ${mark}to) {
        const int x = blockIdx.x * ${bx} + threadIdx.x;
        const int y0 = (blockIdx.y * ${by} + threadIdx.y) * ${rows};
        Row up = load_row(from, x, y0 - 1), here = load_row(from, x, y0);
        ${on(unroll, "#pragma unroll", "#pragma unroll 1")}
        for (int y = y0; y < y0 + ${rows}; ++y) {
          const Row down = load_row(from, x, y + 1);
          to[y * WORDS + x] = next_word(up, here, down);
          up = here;
          here = down;
        }
      }
    `;
    const launches = [
      packed.launch,
      ...generations(generationCount, bitPlanes, (from, to) => [
        launch("evolve_bits", [words / bx, height / (by * rows)], [bx, by], [from, to]),
      ]),
      unpacked.launch,
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** The generations of a tile of words in shared memory; `now` and `next` are its planes of SPAN x DEEP words. */
function tileGenerations(
  walk: "cells" | "columns",
  shrink: boolean,
  unroll: boolean,
  threads: number,
  run: number,
  count: string,
): string {
  const low = shrink ? "g" : "1";
  const row = (y: string): string =>
    `make_row(x > 0 ? now[(${y}) * SPAN + x - 1] : 0u, now[(${y}) * SPAN + x], x < SPAN - 1 ? now[(${y}) * SPAN + x + 1] : 0u)`;
  const body =
    walk === "cells"
      ? `for (int e = tid; e < (DEEP - 2 * ${low}) * SPAN; e += ${threads}) {
          const int x = e % SPAN, y = e / SPAN + ${low};
          next[y * SPAN + x] = next_word(${row("y - 1")}, ${row("y")}, ${row("y + 1")});
        }`
      : `for (int e = tid; e < (DEEP - 2 + ${run - 1}) / ${run} * SPAN; e += ${threads}) {
          const int x = e % SPAN, first = e / SPAN * ${run} + 1;
          Row up = ${row("first - 1")}, here = ${row("first")};
          ${on(unroll, "#pragma unroll", "#pragma unroll 1")}
          for (int y = first; y < first + ${run}; ++y) {
            if (y >= DEEP - 1) break;
            const Row down = ${row("y + 1")};
            next[y * SPAN + x] = next_word(up, here, down);
            up = here;
            here = down;
          }
        }`;
  return `
    for (int g = 1; g <= ${count}; ++g) {
      ${body}
      __syncthreads();
      Word* other = now;
      now = next;
      next = other;
    }`;
}

/** Tiles of words with a wide rim in shared memory, several generations per launch. */
export const bitTiles: Template = template({
  id: "bit-tiles",
  from: "bit-per-cell",
  idea: "Keep a tile of words with a wide rim in shared memory and play several generations per launch.",
  options: {
    adder: ["nine", "eight", "count", "lop"],
    depth: [4, 8, 16, 32],
    walk: ["cells", "columns"],
    shrink: [true, false],
    pack: ["multiply", "ballot", "bytes"],
    unpack: ["sixteen", "four", "cell"],
    funnel: [false, true],
    unroll: [false, true],
    run: [8, 4, 16],
    shape: ["32x32", "16x64", "64x32", "32x64"],
    threads: [256, 512, 128],
  },
  valid: ({ walk, shrink, unroll }) => (walk === "cells" ? !unroll : !shrink),
  count: 24,
  write: (
    { adder, depth, walk, shrink, pack, unpack, funnel, unroll, run, shape, threads },
    { height = 0, width = 0 },
  ) => {
    const [tw = 32, th = 32] = shape.split("x").map(Number);
    const words = width / 32;
    const [span, deep] = [tw + 2, th + 2 * depth];
    const packed = packing(pack, height, width);
    const rounds = generationCount / depth;
    const unpacked = unpacking(unpack, height, width, rounds % 2 === 0 ? "bits" : "spare");
    const source = `
      constexpr int HEIGHT = ${height}, WORDS = ${words};
      constexpr int DEPTH = ${depth};
      constexpr int SPAN = ${span}, DEEP = ${deep};  // a word more on each side, DEPTH rows above and below
      ${bitRule(adder, 32, funnel)}
      ${packed.source}
      ${unpacked.source}
      extern "C" __global__ void __launch_bounds__(${threads}) evolve_words(const Word* __restrict__ from, Word* __restrict__ to) {
        extern __shared__ Word both[];
        Word* now = both;
        Word* next = both + SPAN * DEEP;
        const int tid = threadIdx.x;
        const int x0 = blockIdx.x * ${tw}, y0 = blockIdx.y * ${th};
        for (int e = tid; e < SPAN * DEEP; e += ${threads}) {
          const Word word = from[((y0 + e / SPAN - DEPTH) & (HEIGHT - 1)) * WORDS + ((x0 + e % SPAN - 1) & (WORDS - 1))];
          now[e] = word;
          next[e] = word;
        }
        __syncthreads();
        ${tileGenerations(walk, shrink, unroll, threads, run, "DEPTH")}
        for (int e = tid; e < ${tw * th}; e += ${threads}) {
          to[(y0 + e / ${tw}) * WORDS + x0 + e % ${tw}] = now[(e / ${tw} + DEPTH) * SPAN + e % ${tw} + 1];
        }
      }
    `;
    const launches = [
      packed.launch,
      ...generations(rounds, bitPlanes, (from, to) => [
        launch("evolve_words", [words / tw, height / th], threads, [from, to], 8 * span * deep),
      ]),
      unpacked.launch,
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

function gatherBits(gather: "ballot" | "multiply"): string {
  if (gather === "ballot") {
    return `
      for (int e = tid / 32; e < SPAN * DEEP; e += THREADS / 32) {
        const int y = (y0 + e / SPAN - DEPTH) & (HEIGHT - 1), x = (x0 + e % SPAN - 1) & (WORDS - 1);
        const Word word = __ballot_sync(0xffffffffu, from[y * (32 * WORDS) + 32 * x + tid % 32] != 0);
        if (tid % 32 == 0) now[e] = next[e] = word;
      }`;
  }
  return `
    for (int e = tid; e < SPAN * DEEP; e += THREADS) {
      const int y = (y0 + e / SPAN - DEPTH) & (HEIGHT - 1), x = (x0 + e % SPAN - 1) & (WORDS - 1);
      const uint4* quads = reinterpret_cast<const uint4*>(from + y * (32 * WORDS) + 32 * x);
      const uint4 low = quads[0], high = quads[1];
      const unsigned int parts[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      Word word = 0;
      #pragma unroll
      for (int k = 0; k < 8; ++k) word |= (parts[k] * 0x01020408u >> 24 & 15u) << 4 * k;
      now[e] = next[e] = word;
    }`;
}

function spreadBits(spread: "word" | "byte", tw: number, th: number): string {
  if (spread === "byte") {
    return `
      for (int e = tid; e < ${tw * th * 32}; e += THREADS) {
        const int y = e / ${tw * 32}, x = e % ${tw * 32};
        to[(y0 + y) * (32 * WORDS) + 32 * x0 + x] = now[(y + DEPTH) * SPAN + x / 32 + 1] >> x % 32 & 1u;
      }`;
  }
  return `
    for (int e = tid; e < ${tw * th * 8}; e += THREADS) {
      const int y = e / ${tw * 8}, x = e % ${tw * 8};
      const Word four = now[(y + DEPTH) * SPAN + x / 8 + 1] >> 4 * (x % 8) & 15u;
      reinterpret_cast<unsigned int*>(to + (y0 + y) * (32 * WORDS) + 32 * x0)[x] = four * 0x00204081u & 0x01010101u;
    }`;
}

/** Bytes in, bytes out: packing, generations and unpacking in the same launch. */
export const fusedBits: Template = template({
  id: "fused-bits",
  from: "bit-tiles",
  idea: "Pack a tile while reading it, play the generations in shared memory and unpack while writing.",
  options: {
    adder: ["nine", "eight", "lop", "count"],
    depth: [8, 16, 32],
    gather: ["ballot", "multiply"],
    spread: ["byte", "word"],
    walk: ["cells", "columns"],
    shrink: [true, false],
    funnel: [false, true],
    unroll: [false, true],
    run: [8, 4, 16],
    shape: ["16x64", "32x64", "8x128", "16x128"],
    threads: [256, 512, 1024],
  },
  valid: ({ walk, shrink, unroll }) => (walk === "cells" ? !unroll : !shrink),
  count: 22,
  write: (
    { adder, depth, gather, spread, walk, shrink, funnel, unroll, run, shape, threads },
    { height = 0, width = 0 },
  ) => {
    const [tw = 16, th = 64] = shape.split("x").map(Number);
    const words = width / 32;
    const [span, deep] = [tw + 2, th + 2 * depth];
    const source = `
      #define HEIGHT ${height}
      #define WORDS ${words}
      #define DEPTH ${depth}
      #define SPAN ${span}
      #define DEEP ${deep}
      #define THREADS ${threads}
      ${bitRule(adder, 32, funnel)}
      extern "C" __global__ void play_tile(const unsigned char* __restrict__ from, unsigned char* __restrict__ to) {
        extern __shared__ Word planes[];
        Word* now = planes;
        Word* next = planes + SPAN * DEEP;
        const int tid = threadIdx.x;
        const int x0 = blockIdx.x * ${tw}, y0 = blockIdx.y * ${th};  // in words and rows
        ${gatherBits(gather)}
        __syncthreads();
        ${tileGenerations(walk, shrink, unroll, threads, run, "DEPTH")}
        ${spreadBits(spread, tw, th)}
      }
    `;
    const rounds = generationCount / depth;
    const planes =
      rounds % 2 === 0 ? { first: "cells", odd: "ping", even: "out" } : { first: "cells", odd: "out", even: "ping" };
    const launches = generations(rounds, planes, (from, to) => [
      launch("play_tile", [words / tw, height / th], threads, [from, to], 8 * span * deep),
    ]);
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** A warp holds a strip of words in registers; neighbours come by shuffles. */
export const bitRegisters: Template = template({
  id: "bits-in-registers",
  from: "bit-tiles",
  idea: "Hold rows of words in the registers of a warp, get neighbours by shuffles and play several generations in place.",
  options: {
    adder: ["nine", "eight", "lop", "count"],
    depth: [4, 8, 2, 16],
    rows: [16, 32, 64],
    funnel: [true, false],
    shuffle: ["updown", "index"],
    loop: [false, true],
    order: ["across", "down"],
    bounds: [false, true],
    pack: ["multiply", "ballot"],
    unpack: ["four", "sixteen"],
    warps: [4, 8, 2],
  },
  valid: ({ rows, depth, loop }) => rows + 2 * depth <= 80 && (!loop || depth <= 4),
  count: 22,
  write: (
    { adder, depth, rows, funnel, shuffle, loop, order, bounds, pack, unpack, warps },
    { height = 0, width = 0 },
  ) => {
    const words = width / 32;
    const strips = Math.ceil(words / 30);
    const packed = packing(pack, height, width);
    const rounds = generationCount / depth;
    const unpacked = unpacking(unpack, height, width, rounds % 2 === 0 ? "bits" : "spare");
    const [before, after] =
      shuffle === "updown"
        ? ["__shfl_up_sync(0xffffffffu, m, 1)", "__shfl_down_sync(0xffffffffu, m, 1)"]
        : ["__shfl_sync(0xffffffffu, m, lane + 31)", "__shfl_sync(0xffffffffu, m, lane + 1)"];
    const source = `
      #define HEIGHT ${height}
      #define WORDS ${words}
      #define DEPTH ${depth}
      #define HELD ${rows + 2 * depth}
      ${bitRule(adder, 32, funnel)}
      ${packed.source}
      ${unpacked.source}
      // The row of words that the warp holds in \`m\`; what the outer lanes get reaches no cell that is kept.
      __device__ __forceinline__ Row warp_row(Word m, int lane) {
        return make_row(${before}, m, ${after});
      }

      extern "C" __global__ void ${on(bounds, `__launch_bounds__(${32 * warps}) `)}evolve_strip(const Word* __restrict__ from, Word* __restrict__ to) {
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const int strip = ${order === "across" ? "blockIdx.x" : "blockIdx.y"};
        const int y0 = (${order === "across" ? "blockIdx.y" : "blockIdx.x"} * ${warps} + warp) * ${rows};
        const int x = strip * 30 + lane - 1;
        Word held[HELD];
        #pragma unroll
        for (int r = 0; r < HELD; ++r) held[r] = from[((y0 + r - DEPTH) & (HEIGHT - 1)) * WORDS + (x & (WORDS - 1))];
        ${on(loop, "#pragma unroll", "#pragma unroll 1")}
        for (int g = 0; g < DEPTH; ++g) {
          Row up = warp_row(held[0], lane), here = warp_row(held[1], lane);
          #pragma unroll
          for (int r = 1; r < HELD - 1; ++r) {
            const Row down = warp_row(held[r + 1], lane);
            held[r] = next_word(up, here, down);
            up = here;
            here = down;
          }
        }
        if (lane > 0 && lane < 31 && x < WORDS) {
          #pragma unroll
          for (int r = 0; r < ${rows}; ++r) to[(y0 + r) * WORDS + x] = held[r + DEPTH];
        }
      }
    `;
    const across = height / (rows * warps);
    const grid = order === "across" ? ([strips, across] as const) : ([across, strips] as const);
    const launches = [
      packed.launch,
      ...generations(rounds, bitPlanes, (from, to) => [launch("evolve_strip", grid, 32 * warps, [from, to])]),
      unpacked.launch,
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
