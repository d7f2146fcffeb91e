import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { searchFunction } from "./search.ts";

/** A number's place is the sum of its places in all runs. */
export const rankInRuns: Template = template({
  id: "rank-in-runs",
  from: null,
  idea: "Give every number a thread that finds its place in each of the other runs by bisection.",
  options: {
    place: ["memory", "shared"],
    search: ["halving", "steps", "unrolled", "base"],
    ties: ["two-loops", "select"],
    result: ["direct", "staged"],
    map: ["strided", "blocked"],
    restrict: [false, true],
    size: ["define", "constexpr"],
    block: [256, 512, 1024],
  },
  valid: ({ map, block }) => !(map === "blocked" && block === 1024),
  count: 30,
  write: ({ place, search, ties, result, map, restrict, size, block }, { rows = 0 }) => {
    const mark = on(restrict, " __restrict__");
    const shared = place === "shared";
    const runs = shared ? "cells" : "row";
    const others =
      ties === "two-loops"
        ? `
          for (int other = 0; other < run; ++other) place += count_before(${runs} + other * LENGTH, LENGTH, v, true);
          for (int other = run + 1; other < RUNS; ++other) place += count_before(${runs} + other * LENGTH, LENGTH, v, false);`
        : `
          for (int other = 0; other < RUNS; ++other) {
            if (other != run) place += count_before(${runs} + other * LENGTH, LENGTH, v, other < run);
          }`;
    const walk =
      map === "strided"
        ? `for (int i = threadIdx.x; i < ROW; i += ${block}) {`
        : `for (int i = threadIdx.x * ${4096 / block}; i < (threadIdx.x + 1) * ${4096 / block}; ++i) {`;
    const source = `
      ${size === "define" ? "#define RUNS 16\n#define LENGTH 256\n#define ROW (RUNS * LENGTH)" : "constexpr int RUNS = 16, LENGTH = 256;\nconstexpr int ROW = RUNS * LENGTH;"}

      ${searchFunction(search)}
      extern "C" __global__ void place_numbers(const int*${mark} x, int*${mark} y) {
        const int* row = x + blockIdx.x * ROW;
        int* to = y + blockIdx.x * ROW;
        ${on(shared, "__shared__ int cells[ROW];")}
        ${on(result === "staged", "__shared__ int merged[ROW];")}
        ${on(shared, `for (int i = threadIdx.x; i < ROW; i += ${block}) cells[i] = row[i];\n__syncthreads();`)}
        ${walk}
          const int run = i / LENGTH;
          const int v = ${runs}[i];
          int place = i % LENGTH;
          ${others}
          ${result === "staged" ? "merged[place] = v;" : "to[place] = v;"}
        }
        ${on(result === "staged", `__syncthreads();\nfor (int i = threadIdx.x; i < ROW; i += ${block}) to[i] = merged[i];`)}
      }
    `;
    return styled(
      { source, launches: [launch("place_numbers", rows, block, ["x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Levels of pairs through memory, a bisection per number. */
export const pairPasses: Template = template({
  id: "pair-passes",
  from: "rank-in-runs",
  idea: "Merge neighbouring runs in pairs, level by level through memory, with one bisection per number.",
  options: {
    search: ["halving", "steps", "base", "unrolled"],
    width: ["argument", "copies"],
    amount: ["one", "four", "loop"],
    partner: ["xor", "branch"],
    restrict: [false, true],
    load: ["plain", "__ldg"],
    block: [256, 128, 512],
  },
  count: 28,
  write: ({ search, width, amount, partner, restrict, load, block }, { rows = 0 }) => {
    const numbers = rows * 4096;
    const mark = on(restrict, " __restrict__");
    const find =
      partner === "xor"
        ? `
          const int run = i / width;
          const int rank = count_before(from + (run ^ 1) * width, width, v, (run & 1) != 0);
          to[(run & ~1) * width + i % width + rank] = v;`
        : `
          const int pair = i / (2 * width), place = i % (2 * width);
          const int* left = from + pair * 2 * width;
          if (place < width) to[pair * 2 * width + place + count_before(left + width, width, v, false)] = v;
          else to[pair * 2 * width + place - width + count_before(left, width, v, true)] = v;`;
    const read = load === "plain" ? "from[i]" : "__ldg(from + i)";
    const body = {
      one: `const int i = blockIdx.x * blockDim.x + threadIdx.x;\nconst int v = ${read};\n${find}`,
      four: `
        #pragma unroll
        for (int k = 0; k < 4; ++k) {
          const int i = (blockIdx.x * 4 + k) * blockDim.x + threadIdx.x;
          const int v = ${read};
          ${find}
        }`,
      loop: `
        for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < ${numbers}; i += gridDim.x * blockDim.x) {
          const int v = ${read};
          ${find}
        }`,
    }[amount];
    const kernel = (name: string, fixed: number): string => `
      extern "C" __global__ void ${name}(const int*${mark} from, int*${mark} to${on(fixed === 0, ", int width")}) {
        ${on(fixed > 0, `const int width = ${fixed};`)}
        ${body}
      }
    `;
    const levels = [256, 512, 1024, 2048];
    const copies = width === "copies";
    const source = `
      ${searchFunction(search)}
      ${copies ? levels.map((level) => kernel(`merge_pairs_${level}`, level)).join("\n") : kernel("merge_pairs", 0)}
    `;
    const grid = amount === "one" ? numbers / block : amount === "four" ? numbers / block / 4 : 132 * (2048 / block);
    const buffers = ["x", "work", "y", "work", "y"];
    const launches = levels.map((level, turn) =>
      launch(copies ? `merge_pairs_${level}` : "merge_pairs", grid, block, [
        buffers[turn] ?? "",
        buffers[turn + 1] ?? "",
        ...(copies ? [] : [{ i32: level }]),
      ]),
    );
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** A row in shared memory, levels of two or four runs by bisection. */
export const sharedRanks: Template = template({
  id: "shared-ranks",
  from: "rank-in-runs",
  idea: "Keep a row in shared memory and merge groups of runs level by level, a bisection per number and partner.",
  options: {
    ways: ["two", "four", "four-then-two"],
    search: ["halving", "steps", "base", "unrolled"],
    buffer: ["registers", "two"],
    load: ["scalars", "vector"],
    last: ["staged", "direct"],
    levels: ["loop", "written"],
    bounds: [false, true],
    block: [512, 256, 1024],
  },
  count: 32,
  write: ({ ways, search, buffer, load, last, levels, bounds, block }, { rows = 0 }) => {
    const each = 4096 / block;
    const plan = { two: [2, 2, 2, 2], four: [4, 4], "four-then-two": [4, 2, 2] }[ways];
    const two = buffer === "two";
    const place = `
      const int i = threadIdx.x + k * THREADS;
      const int v = from[i];
      const int run = i / width, first = run / WAYS * WAYS;
      int rank = first * width + i % width;
      #pragma unroll
      for (int other = 0; other < WAYS; ++other) {
        if (first + other != run) rank += count_before(from + (first + other) * width, width, v, first + other < run);
      }`;
    const level = (group: string, width: string, final: boolean): string => {
      const text = place.replaceAll("WAYS", group);
      const open = `{\nconst int width = ${width};`;
      if (final && last === "direct") {
        return `${open}\nfor (int k = 0; k < EACH; ++k) {\n${text}\nto[rank] = v;\n}\n}`;
      }
      if (two) {
        return `${open}
          for (int k = 0; k < EACH; ++k) {
            ${text}
            next[rank] = v;
          }
          __syncthreads();
          int* swap = from;
          from = next;
          next = swap;
        }`;
      }
      return `${open}
        int values[EACH], ranks[EACH];
        #pragma unroll
        for (int k = 0; k < EACH; ++k) {
          ${text}
          values[k] = v;
          ranks[k] = rank;
        }
        __syncthreads();
        #pragma unroll
        for (int k = 0; k < EACH; ++k) from[ranks[k]] = values[k];
        __syncthreads();
      }`;
    };
    let width = 256;
    const written = plan.map((group, index) => {
      const text = level(String(group), String(width), index === plan.length - 1);
      width *= group;
      return text;
    });
    const even = plan.every((group) => group === plan[0]);
    const looped = `for (int step = 0, size = 256; step < ${plan.length - 1}; ++step, size *= ${plan[0]}) ${level(String(plan[0]), "size", false)}\n${written.at(-1)}`;
    const source = `
      #define THREADS ${block}
      #define EACH ${each}

      ${searchFunction(search)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}merge_rows(const int* __restrict__ x, int* __restrict__ y) {
        __shared__ __align__(16) int cells[${two ? 2 : 1}][4096];
        int* from = cells[0];
        ${on(two, "int* next = cells[1];")}
        int* to = y + blockIdx.x * 4096;
        ${
          load === "vector"
            ? "for (int i = threadIdx.x; i < 1024; i += THREADS) reinterpret_cast<int4*>(from)[i] = reinterpret_cast<const int4*>(x)[blockIdx.x * 1024 + i];"
            : "for (int i = threadIdx.x; i < 4096; i += THREADS) from[i] = x[blockIdx.x * 4096 + i];"
        }
        __syncthreads();
        ${levels === "loop" && even ? looped : written.join("\n")}
        ${on(last === "staged", load === "vector" ? "for (int i = threadIdx.x; i < 1024; i += THREADS) reinterpret_cast<int4*>(to)[i] = reinterpret_cast<const int4*>(from)[i];" : "for (int i = threadIdx.x; i < 4096; i += THREADS) to[i] = from[i];")}
      }
    `;
    return styled({ source, launches: [launch("merge_rows", rows, block, ["x", "y"])] }, { names: "snake", indent: 4 });
  },
});
