import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { generations } from "./parts.ts";

const planes = { first: "cells", odd: "ping", even: "out" };
const generationCount = 32;

type Lookup = "or" | "table" | "pair" | "select";

/** The state after `total` living cells among nine and the state itself. */
function outcome(lookup: Lookup, total: string, state: string): string {
  return {
    or: `((${total} - ${state}) | ${state}) == 3`,
    table: `rule_table[${state} * 10 + ${total}]`,
    pair: `${total} == 3 || (${total} == 4 && ${state} == 1)`,
    select: `${total} == 3 ? 1 : ${total} == 4 ? ${state} : 0`,
  }[lookup];
}

const table = `
  // Indexed by the state and the sum of all nine cells.
  __constant__ unsigned char rule_table[20] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0};
`;

/** A tile with its rim in shared memory, one generation per launch. */
export const sharedTile: Template = template({
  id: "shared-tile",
  from: "cell-per-thread",
  idea: "Stage a tile with its rim in shared memory before counting.",
  options: {
    cell: ["unsigned char", "int"],
    fill: ["linear", "rows", "words"],
    lookup: ["or", "pair", "table", "select"],
    sum: ["nine", "rolling"],
    dynamic: [false, true],
    restrict: [true, false],
    unroll: [true, false],
    run: [1, 4, 8],
    shape: ["32x8", "64x4", "128x4", "32x16"],
  },
  valid: ({ fill, cell, sum, run }) => (fill !== "words" || cell === "unsigned char") && (sum === "nine" || run > 1),
  count: 30,
  write: ({ cell, fill, lookup, sum, dynamic, restrict, unroll, run, shape }, { height = 0, width = 0 }) => {
    const [bx = 32, by = 8] = shape.split("x").map(Number);
    const mark = on(restrict, "__restrict__ ");
    // With words the tile keeps four columns on each side so that whole words fit.
    const rim = fill === "words" ? 4 : 1;
    const pitch = bx + 2 * rim;
    const rows = by * run + 2;
    const at = (dy: string, dx: string): string => `tile[(${dy}) * PITCH + ${dx}]`;
    const bring = {
      linear: `for (int e = tid; e < PITCH * ROWS; e += ${bx * by}) {
          tile[e] = from[((y0 + e / PITCH - 1) & (HEIGHT - 1)) * WIDTH + ((x0 + e % PITCH - 1) & (WIDTH - 1))];
        }`,
      rows: `for (int r = threadIdx.y; r < ROWS; r += ${by}) {
          const unsigned char* row = from + ((y0 + r - 1) & (HEIGHT - 1)) * WIDTH;
          for (int k = threadIdx.x; k < PITCH; k += ${bx}) ${at("r", "k")} = row[(x0 + k - 1) & (WIDTH - 1)];
        }`,
      words: `for (int e = tid; e < PITCH / 4 * ROWS; e += ${bx * by}) {
          const unsigned char* row = from + ((y0 + e / (PITCH / 4) - 1) & (HEIGHT - 1)) * WIDTH;
          reinterpret_cast<unsigned int*>(tile)[e] = *reinterpret_cast<const unsigned int*>(row + ((x0 + 4 * (e % (PITCH / 4)) - 4) & (WIDTH - 1)));
        }`,
    }[fill];
    const near = (row: string): string => `${at(row, "tx - 1")} + ${at(row, "tx")} + ${at(row, "tx + 1")}`;
    const compute =
      sum === "nine"
        ? `for (int k = 0; k < ${run}; ++k) {
          const int ty = threadIdx.y * ${run} + k + 1;
          const int total = ${near("ty - 1")} + ${near("ty")} + ${near("ty + 1")};
          const int state = ${at("ty", "tx")};
          to[(y0 + ty - 1) * WIDTH + x0 + threadIdx.x] = ${outcome(lookup, "total", "state")};
        }`
        : `int up = ${near(`threadIdx.y * ${run}`)}, here = ${near(`threadIdx.y * ${run} + 1`)};
        ${on(unroll, "#pragma unroll", "#pragma unroll 1")}
        for (int k = 0; k < ${run}; ++k) {
          const int ty = threadIdx.y * ${run} + k + 1;
          const int down = ${near("ty + 1")};
          const int total = up + here + down;
          const int state = ${at("ty", "tx")};
          to[(y0 + ty - 1) * WIDTH + x0 + threadIdx.x] = ${outcome(lookup, "total", "state")};
          up = here;
          here = down;
        }`;
    const bytes = pitch * rows * (cell === "int" ? 4 : 1);
    const source = `
      #define HEIGHT ${height}
      #define WIDTH ${width}
      #define PITCH ${pitch}
      #define ROWS ${rows}
      ${on(lookup === "table", table)}
      extern "C" __global__ void evolve_tile(const unsigned char* ${mark}from, unsigned char* ${mark}to) {
        ${dynamic ? `extern __shared__ __align__(16) ${cell} tile[];` : `__shared__ __align__(16) ${cell} tile[PITCH * ROWS];`}
        const int tid = threadIdx.y * ${bx} + threadIdx.x;
        const int x0 = blockIdx.x * ${bx}, y0 = blockIdx.y * ${by * run};
        ${bring}
        __syncthreads();
        const int tx = threadIdx.x + ${rim};
        ${compute}
      }
    `;
    const launches = generations(generationCount, planes, (from, to) => [
      launch("evolve_tile", [width / bx, height / (by * run)], [bx, by], [from, to], dynamic ? bytes : 0),
    ]);
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** Generations in one plane, whose new cells wait in registers for the others. */
function heldSteps(held: number, threads: number, total: string, outcomeText: string): string {
  return `for (int g = 1; g <= DEPTH; ++g) {
          unsigned char fresh[${held}];
          #pragma unroll
          for (int k = 0; k < ${held}; ++k) {
            const int i = tid + k * ${threads};
            if (i < (H - 2) * (W - 2)) {
              const int e = (i / (W - 2) + 1) * W + i % (W - 2) + 1;
              ${total}
              fresh[k] = ${outcomeText};
            }
          }
          __syncthreads();
          #pragma unroll
          for (int k = 0; k < ${held}; ++k) {
            const int i = tid + k * ${threads};
            if (i < (H - 2) * (W - 2)) now[(i / (W - 2) + 1) * W + i % (W - 2) + 1] = fresh[k];
          }
          __syncthreads();
        }`;
}

/** A tile with a wide rim in shared memory, several generations per launch. */
export const deepTile: Template = template({
  id: "deep-tile",
  from: "shared-tile",
  idea: "Take a rim as wide as the number of generations that a launch plays in shared memory.",
  options: {
    depth: [2, 4, 8],
    swap: ["two", "held"],
    shrink: [true, false],
    cell: ["unsigned char", "unsigned short"],
    loop: ["linear", "plane"],
    lookup: ["or", "pair", "table", "select"],
    last: ["copied", "direct"],
    restrict: [true, false],
    shape: ["64x32", "128x16", "64x64", "32x32"],
    block: ["32x8", "32x16", "64x4"],
  },
  valid: ({ swap, loop, shrink, last }) => swap === "two" || (loop === "linear" && !shrink && last === "copied"),
  count: 29,
  write: ({ depth, swap, shrink, cell, loop, lookup, last, restrict, shape, block }, { height = 0, width = 0 }) => {
    const [tw = 64, th = 32] = shape.split("x").map(Number);
    const [bx = 32, by = 8] = block.split("x").map(Number);
    const mark = on(restrict, "__restrict__ ");
    const size = (tw + 2 * depth) * (th + 2 * depth);
    const low = shrink ? "g" : "1";
    const inner = (body: string): string =>
      loop === "plane"
        ? `for (int y = ${low} + threadIdx.y; y < H - ${low}; y += ${by}) {
          for (int x = ${low} + threadIdx.x; x < W - ${low}; x += ${bx}) {
            const int e = y * W + x;
            ${body}
          }
        }`
        : `for (int i = tid; i < (H - 2 * ${low}) * (W - 2 * ${low}); i += ${bx * by}) {
          const int e = (i / (W - 2 * ${low}) + ${low}) * W + i % (W - 2 * ${low}) + ${low};
          ${body}
        }`;
    const total = `const int total = now[e - W - 1] + now[e - W] + now[e - W + 1] + now[e - 1] + now[e] + now[e + 1]
          + now[e + W - 1] + now[e + W] + now[e + W + 1];
          const int state = now[e];`;
    const held = Math.ceil(((th + 2 * depth - 2) * (tw + 2 * depth - 2)) / (bx * by));
    const write = `for (int i = tid; i < ${tw * th}; i += ${bx * by}) {
          to[(y0 + i / ${tw}) * WIDTH + x0 + i % ${tw}] = now[(i / ${tw} + DEPTH) * W + i % ${tw} + DEPTH];
        }`;
    const direct = last === "direct";
    const steps =
      swap === "two"
        ? `for (int g = 1; g <= DEPTH${on(direct, " - 1")}; ++g) {
          ${inner(`${total}\nnext[e] = ${outcome(lookup, "total", "state")};`)}
          __syncthreads();
          ${cell}* other = now;
          now = next;
          next = other;
        }`
        : heldSteps(held, bx * by, total, outcome(lookup, "total", "state"));
    const end = direct
      ? `for (int i = tid; i < ${tw * th}; i += ${bx * by}) {
          const int e = (i / ${tw} + DEPTH) * W + i % ${tw} + DEPTH;
          ${total}
          to[(y0 + i / ${tw}) * WIDTH + x0 + i % ${tw}] = ${outcome(lookup, "total", "state")};
        }`
      : write;
    const source = `
      constexpr int HEIGHT = ${height}, WIDTH = ${width};
      constexpr int DEPTH = ${depth};
      constexpr int W = ${tw + 2 * depth}, H = ${th + 2 * depth};  // the tile with its rim
      ${on(lookup === "table", table)}
      extern "C" __global__ void evolve_deep(const unsigned char* ${mark}from, unsigned char* ${mark}to) {
        __shared__ ${cell} first[W * H]${on(swap === "two", ", second[W * H]")};
        ${cell}* now = first;
        ${on(swap === "two", `${cell}* next = second;`)}
        const int tid = threadIdx.y * ${bx} + threadIdx.x;
        const int x0 = blockIdx.x * ${tw}, y0 = blockIdx.y * ${th};
        for (int e = tid; e < W * H; e += ${bx * by}) {
          const unsigned char state = from[((y0 + e / W - DEPTH) & (HEIGHT - 1)) * WIDTH + ((x0 + e % W - DEPTH) & (WIDTH - 1))];
          first[e] = state;
          ${on(swap === "two", "second[e] = state;")}
        }
        __syncthreads();
        ${steps}
        ${end}
      }
    `;
    if (2 * size * (cell === "unsigned char" ? 1 : 2) > 48 * 1024) throw new Error("the tile exceeds shared memory");
    const launches = generations(generationCount / depth, planes, (from, to) => [
      launch("evolve_deep", [width / tw, height / th], [bx, by], [from, to]),
    ]);
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
