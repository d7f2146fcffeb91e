import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { accumulate, atomics, ending, packed, zero, type Lanes } from "./endings.ts";

type Walk = "plain" | "pragma" | "sums" | "batch";

/** Adds the rows first, first + step, ... below `end` of the thread's column to `total`. */
function walkRows(
  walk: Walk,
  lanes: Lanes,
  depth: number,
  from: string,
  end: string,
  step: string,
  at: (r: string) => string,
): string {
  const type = packed(lanes);
  const plain = `
        for (int r = ${from}; r < ${end}; r += ${step}) {
          const ${type} v = ${at("r")};
          ${accumulate(lanes, "total", "v")}
        }`;
  if (walk === "plain") return plain;
  if (walk === "pragma") return `#pragma unroll ${depth}${plain}`;
  const rest = `
        for (; r < ${end}; r += ${step}) {
          const ${type} v = ${at("r")};
          ${accumulate(lanes, "total", "v")}
        }`;
  const next = (k: number): string => at(k === 0 ? "r" : `r + ${k} * ${step}`);
  if (walk === "batch")
    return `
        int r = ${from};
        for (; r + ${depth - 1} * ${step} < ${end}; r += ${depth} * ${step}) {
          ${type} v[${depth}];
          #pragma unroll
          for (int k = 0; k < ${depth}; ++k) v[k] = ${at(`r + k * ${step}`)};
          #pragma unroll
          for (int k = 0; k < ${depth}; ++k) {
            ${accumulate(lanes, "total", "v[k]")}
          }
        }
        ${rest}`;
  return `
        ${repeat(depth - 1, (k) => `${type} other${k + 1} = ${zero(lanes)};`)}
        int r = ${from};
        for (; r + ${depth - 1} * ${step} < ${end}; r += ${depth} * ${step}) {
          ${repeat(depth, (k) => `const ${type} v${k} = ${next(k)};`)}
          ${repeat(depth, (k) => accumulate(lanes, k === 0 ? "total" : `other${k}`, `v${k}`))}
        }
        ${repeat(depth - 1, (k) => accumulate(lanes, "total", `other${k + 1}`))}
        ${rest}`;
}

/** One thread per column, or per few columns. */
export const soloColumn: Template = template({
  id: "column-per-thread",
  from: null,
  idea: "Let each thread walk down its own columns.",
  options: {
    walk: ["plain", "pragma", "batch", "sums"],
    lanes: [1, 2, 4],
    index: ["product", "pointer", "size_t"],
    size: ["args", "constants"],
    load: ["plain", "ldg"],
    depth: [8, 4, 16, 32],
    block: [64, 32, 128],
  },
  valid: ({ walk, index }) => index !== "pointer" || walk === "plain" || walk === "pragma",
  count: 34,
  write: ({ walk, lanes, index, size, load, depth, block }, { rows = 0, cols = 0 }) => {
    const type = packed(lanes);
    const width = size === "args" ? "cols" : "COLS";
    const height = size === "args" ? "rows" : "ROWS";
    const read = (place: string): string => (load === "plain" ? place : `__ldg(&${place})`);
    const at = (r: string): string => read(`a[${index === "size_t" ? "(size_t)" : ""}(${r}) * ${width} + c]`);
    const pointer = `
        const ${type}* p = a + c;
        ${on(walk === "pragma", `#pragma unroll ${depth}`)}
        for (int r = 0; r < ${height}; ++r) {
          const ${type} v = ${load === "plain" ? "*p" : "__ldg(p)"};
          ${accumulate(lanes, "total", "v")}
          p += ${width};
        }`;
    const source = `
      ${on(size === "constants", `#define ROWS ${rows}\n#define COLS ${cols / lanes}`)}
      extern "C" __global__ void column_totals(const ${type}* __restrict__ a, ${type}* __restrict__ out${on(size === "args", ", int rows, int cols")}) {
        const int c = blockIdx.x * blockDim.x + threadIdx.x;
        ${type} total = ${zero(lanes)};
        ${index === "pointer" ? pointer : walkRows(walk, lanes, depth, "0", height, "1", at)}
        out[c] = total;
      }
    `;
    const args = ["a", "out", ...(size === "args" ? [{ i32: rows }, { i32: cols / lanes }] : [])];
    return styled(
      {
        source,
        launches: [launch("column_totals", Math.ceil(cols / lanes / block), Math.min(block, cols / lanes), args)],
      },
      { names: "snake", indent: 2 },
    );
  },
});

/** Strips of rows for different blocks. */
export const strips: Template = template({
  id: "row-strips",
  from: "column-per-thread",
  idea: "Cut the rows into strips for different blocks and join the strips' sums.",
  options: {
    finish: ["atomic", "thread", "split", "warp"],
    rowsOf: ["contiguous", "interleaved"],
    walk: ["plain", "batch", "pragma", "sums"],
    lanes: [1, 4, 2],
    load: ["plain", "ldg", "ldcs"],
    order: ["columns-x", "strips-x"],
    depth: [4, 8, 16],
    strips: [64, 128, 256, 512, 32],
    block: [128, 256, 64],
  },
  count: 30,
  write: ({ finish, rowsOf, walk, lanes, load, order, depth, strips: many, block }, { rows = 0, cols = 0 }) => {
    const type = packed(lanes);
    const packs = cols / lanes;
    const threads = Math.min(block, packs);
    const tail = ending(finish, many, cols);
    const get = { plain: "@", ldg: "__ldg(&@)", ldcs: "__ldcs(&@)" }[load];
    const at = (r: string): string => get.replace("@", `a[(size_t)(${r}) * PACKS + c]`);
    const [from, end, step] =
      rowsOf === "contiguous" ? ["strip * STRIP", "(strip + 1) * STRIP", "1"] : ["strip", "ROWS", "STRIPS"];
    const atomic = finish === "atomic";
    const source = `
      #define ROWS ${rows}
      #define PACKS ${packs}
      ${rowsOf === "contiguous" ? `#define STRIP ${rows / many}` : `#define STRIPS ${many}`}
      ${tail.source}
      extern "C" __global__ void strip_totals(const ${type}* __restrict__ a, ${atomic ? "float* out" : `${type}* __restrict__ work`}) {
        const int c = ${order === "columns-x" ? "blockIdx.x" : "blockIdx.y"} * blockDim.x + threadIdx.x;
        const int strip = ${order === "columns-x" ? "blockIdx.y" : "blockIdx.x"};
        ${type} total = ${zero(lanes)};
        ${walkRows(walk, lanes, depth, from, end, step, at)}
        ${atomic ? atomics(lanes, lanes === 1 ? "out + c" : `out + ${lanes} * c`, "total") : "work[strip * PACKS + c] = total;"}
      }
    `;
    const across = packs / threads;
    const grid = order === "columns-x" ? ([across, many] as const) : ([many, across] as const);
    const main = launch("strip_totals", grid, threads, ["a", atomic ? "out" : "work"]);
    return styled({ source, launches: [...tail.before, main, ...tail.after] }, { names: "camel", indent: 4 });
  },
});

/** Resident blocks as wide as the matrix. */
export const fullWidth: Template = template({
  id: "whole-rows",
  from: "row-strips",
  idea: "Let resident blocks read whole rows, one pack of columns per thread, and join their totals at the end.",
  options: {
    finish: ["atomic", "split", "thread", "last-block"],
    rowsOf: ["interleaved", "contiguous"],
    walk: ["batch", "plain", "sums", "pragma"],
    lanes: [4, 2, 1],
    load: ["plain", "ldg", "ldcs"],
    bounds: [false, true],
    depth: [4, 8, 2, 16],
    perSm: [2, 1, 4, 3],
  },
  valid: ({ lanes, perSm }) => perSm * (lanes === 1 ? 1024 : lanes === 2 ? 512 : 256) <= 2048,
  count: 28,
  write: ({ finish, rowsOf, walk, lanes, load, bounds, depth, perSm }, { rows = 0, cols = 0 }) => {
    const type = packed(lanes);
    const packs = cols / lanes;
    const blocks = 132 * perSm;
    const last = finish === "last-block";
    const tail = last ? { before: [], after: [], source: "" } : ending(finish, blocks, cols);
    const get = { plain: "@", ldg: "__ldg(a + @)", ldcs: "__ldcs(a + @)" }[load];
    const at = (r: string): string =>
      load === "plain" ? `a[(size_t)(${r}) * PACKS + c]` : get.replace("@", `(size_t)(${r}) * PACKS + c`);
    const contiguous = rowsOf === "contiguous";
    const [from, end, step] = contiguous
      ? ["blockIdx.x * SHARE", "stop", "1"]
      : ["blockIdx.x", "ROWS", "(int)gridDim.x"];
    const ends = {
      atomic: atomics(lanes, `out + ${lanes} * c`, "total"),
      split: "work[blockIdx.x * PACKS + c] = total;",
      thread: "work[blockIdx.x * PACKS + c] = total;",
      "last-block": lastBlock(lanes),
    }[finish];
    const source = `
      #define ROWS ${rows}
      #define PACKS ${packs}
      ${on(contiguous, `#define SHARE ${Math.ceil(rows / blocks)}`)}
      ${tail.source}
      ${on(
        last,
        `extern "C" __global__ void clear_count(unsigned int* work) {
        work[${blocks} * ${cols}] = 0u;
      }`,
      )}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(PACKS) ")}row_blocks(const ${type}* __restrict__ a, ${finish === "atomic" ? "float* out" : last ? `${type}* work, ${type}* out` : `${type}* __restrict__ work`}) {
        const int c = threadIdx.x;
        ${on(contiguous, "const int stop = min(ROWS, (int)(blockIdx.x + 1) * SHARE);")}
        ${type} total = ${zero(lanes)};
        ${walkRows(walk, lanes, depth, from, end, step, at)}
        ${ends}
      }
    `;
    const args = ["a", ...(finish === "atomic" ? ["out"] : last ? ["work", "out"] : ["work"])];
    const before = last ? [launch("clear_count", 1, 1, ["work"])] : tail.before;
    const main = launch("row_blocks", blocks, packs, args);
    return styled({ source, launches: [...before, main, ...tail.after] }, { names: "snake", indent: 2 });
  },
});

function lastBlock(lanes: Lanes): string {
  return `
        __shared__ bool is_last;
        work[blockIdx.x * PACKS + c] = total;
        __threadfence();
        __syncthreads();
        if (c == 0) {
          unsigned int* count = reinterpret_cast<unsigned int*>(work + gridDim.x * PACKS);
          is_last = atomicAdd(count, 1u) == gridDim.x - 1;
        }
        __syncthreads();
        if (is_last) {
          __threadfence();
          ${packed(lanes)} sum = ${zero(lanes)};
          for (int p = 0; p < (int)gridDim.x; ++p) {
            const ${packed(lanes)} v = __ldcg(work + p * PACKS + c);
            ${accumulate(lanes, "sum", "v")}
          }
          out[c] = sum;
        }`;
}
