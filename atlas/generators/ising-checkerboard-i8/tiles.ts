import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { flips, philox, tableStart, torusOf } from "./shared.ts";

const site = (table: "memory" | "select" | "sure" | "shared", number: string): string => `
  const int at = line * WIDTH + x;
  const int own = tile[at];
  const int k = (own * (tile[at - WIDTH] + tile[at + WIDTH] + tile[at - 1] + tile[at + 1]) + 4) / 2;
  if ${flips(table, "k", number)} tile[at] = -own;`;

function stepBody(work: "groups" | "sites", table: "memory" | "select" | "sure" | "shared", trim: boolean): string {
  const place = `
    const int y = (top + line) & (rows - 1);
    const int parity = (y + step) & 1;`;
  if (work === "groups") {
    return `
      for (int i = threadIdx.x; i < (LINES - 2 - 2 * d) * GROUPS; i += THREADS) {
        const int line = i / GROUPS + 1 + d, group = i % GROUPS;
        ${on(trim, "if (d == DEPTH - 1 && (group == 0 || group == GROUPS - 1)) continue;")}
        ${place}
        const uint4 r = four_words((left / 8 + group) & (columns / 8 - 1), y, step, seed);
        const unsigned int numbers[4] = {r.x, r.y, r.z, r.w};
        #pragma unroll
        for (int w = 0; w < 4; ++w) {
          const int x = 8 * group + 2 * w + parity;
          if (x == 0 || x == WIDTH - 1) continue;
          ${site(table, "numbers[w]")}
        }
      }`;
  }
  return `
    for (int i = threadIdx.x; i < (LINES - 2 - 2 * d) * (WIDTH / 2); i += THREADS) {
      const int line = i / (WIDTH / 2) + 1 + d, q = i % (WIDTH / 2);
      ${on(trim, "if (d == DEPTH - 1 && (q < 4 || q >= WIDTH / 2 - 4)) continue;")}
      ${place}
      const int x = 2 * q + parity;
      if (x == 0 || x == WIDTH - 1) continue;
      const uint4 r = four_words((left / 8 + q / 4) & (columns / 8 - 1), y, step, seed);
      const unsigned int number = (q & 2) ? ((q & 1) ? r.w : r.z) : ((q & 1) ? r.y : r.x);
      ${site(table, "number")}
    }`;
}

/** Tiles with a rim in shared memory for several steps. */
export const tileSteps: Template = template({
  id: "tile-steps",
  from: "group-per-thread",
  idea: "Load a tile with a rim into shared memory and run several steps there before writing it back.",
  options: {
    work: ["groups", "sites"],
    cells: ["signed char", "int"],
    fill: ["linear", "words"],
    table: ["select", "memory", "sure", "shared"],
    random: ["wide", "unrolled", "step"],
    trim: [false, true],
    size: ["constexpr", "define"],
    depth: [2, 4, 1, 8],
    tile: ["128x16", "64x32", "256x8", "128x32"],
    block: [256, 128, 512],
  },
  valid: ({ fill, cells }) => !(fill === "words" && cells === "int"),
  count: 29,
  write: ({ work, cells, fill, table, random, trim, size, depth, tile, block }, sizes) => {
    const torus = torusOf(size, sizes);
    const [width = 0, height = 0] = tile.split("x").map(Number);
    const load =
      fill === "words"
        ? `
          for (int i = threadIdx.x; i < LINES * GROUPS; i += THREADS) {
            const int y = (top + i / GROUPS) & (rows - 1), g = (left / 8 + i % GROUPS) & (columns / 8 - 1);
            reinterpret_cast<unsigned long long*>(tile)[i] = reinterpret_cast<const unsigned long long*>(from)[y * (columns / 8) + g];
          }`
        : `
          for (int i = threadIdx.x; i < LINES * WIDTH; i += THREADS) {
            const int y = (top + i / WIDTH) & (rows - 1), x = (left + i % WIDTH) & (columns - 1);
            tile[i] = from[y * columns + x];
          }`;
    const store =
      fill === "words"
        ? `
          for (int i = threadIdx.x; i < HEIGHT * (GROUPS - 2); i += THREADS) {
            const int line = i / (GROUPS - 2), group = i % (GROUPS - 2) + 1;
            reinterpret_cast<unsigned long long*>(to)[(top + DEPTH + line) * (columns / 8) + left / 8 + group] = reinterpret_cast<const unsigned long long*>(tile)[(line + DEPTH) * GROUPS + group];
          }`
        : `
          for (int i = threadIdx.x; i < HEIGHT * (WIDTH - 16); i += THREADS) {
            const int line = i / (WIDTH - 16), x = i % (WIDTH - 16) + 8;
            to[(top + DEPTH + line) * columns + left + x] = tile[(line + DEPTH) * WIDTH + x];
          }`;
    const source = `
      ${torus.header}
      #define DEPTH ${depth}
      #define HEIGHT ${height}
      #define THREADS ${block}
      // Eight columns on each side, whole groups of the generator, and DEPTH lines above and below.
      #define WIDTH (${width} + 16)
      #define LINES (HEIGHT + 2 * DEPTH)
      #define GROUPS (WIDTH / 8)

      ${philox(random)}
      extern "C" __global__ void tile_steps(const signed char* __restrict__ from, signed char* __restrict__ to, const unsigned int* __restrict__ thresholds, int first) {
        __shared__ __align__(16) ${cells} tile[LINES * WIDTH];
        const int left = blockIdx.x * ${width} - 8, top = blockIdx.y * HEIGHT - DEPTH;
        ${tableStart(table)}
        ${load}
        __syncthreads();
        for (int d = 0; d < DEPTH; ++d) {
          const int step = first + d;
          ${stepBody(work, table, trim)}
          __syncthreads();
        }
        ${store}
      }
    `;
    const turns = torus.steps / depth;
    const launches = Array.from({ length: turns }, (_, turn) =>
      launch("tile_steps", [torus.columns / width, torus.rows / height], block, [
        turn === 0 ? "spins" : turn % 2 === 1 ? "work" : "out",
        turn % 2 === 1 ? "out" : "work",
        "thresholds",
        { i32: turn * depth },
      ]),
    );
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
