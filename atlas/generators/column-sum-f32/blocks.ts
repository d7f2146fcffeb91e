import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { accumulate, atomics, ending, packed, zero } from "./endings.ts";

/** A block of columns by rows that meets in shared memory. */
export const grid2d: Template = template({
  id: "square-blocks",
  from: "row-strips",
  idea: "Use two-dimensional blocks: threads along x take columns, threads along y take rows and meet in shared memory.",
  options: {
    finish: ["atomic", "split", "thread"],
    meet: ["first-row", "tree", "shared-atomic"],
    lanes: [1, 2, 4],
    padded: [false, true],
    unroll: [false, true],
    rowsOf: ["block-step", "grid-step"],
    load: ["plain", "ldcs"],
    shape: ["32x8", "32x16", "64x4", "32x32", "16x16"],
    strips: [64, 128, 32, 256],
  },
  valid: ({ meet, padded }) => meet !== "shared-atomic" || !padded,
  count: 8,
  write: ({ finish, meet, lanes, padded, unroll, rowsOf, load, shape, strips }, { rows = 0, cols = 0 }) => {
    const [tx = 32, ty = 8] = shape.split("x").map(Number);
    const type = packed(lanes);
    const packs = cols / lanes;
    const tail = ending(finish, strips, cols);
    const place = "(size_t)r * PACKS + c";
    const get = load === "plain" ? `a[${place}]` : `__ldcs(a + ${place})`;
    const loop =
      rowsOf === "block-step"
        ? `for (int r = blockIdx.y * (ROWS / ${strips}) + ty; r < (blockIdx.y + 1) * (ROWS / ${strips}); r += TY) {`
        : `for (int r = blockIdx.y * TY + ty; r < ROWS; r += gridDim.y * TY) {`;
    const put = (value: string): string =>
      finish === "atomic" ? atomics(lanes, `out + c * ${lanes}`, value) : `work[blockIdx.y * PACKS + c] = ${value};`;
    const meets = {
      "first-row": `
        cell[ty][tx] = total;
        __syncthreads();
        if (ty == 0) {
          for (int y = 1; y < TY; ++y) {
            ${accumulate(lanes, "total", "cell[y][tx]")}
          }
          ${put("total")}
        }`,
      tree: `
        cell[ty][tx] = total;
        for (int half = TY / 2; half > 0; half >>= 1) {
          __syncthreads();
          if (ty < half) {
            ${accumulate(lanes, "cell[ty][tx]", "cell[ty + half][tx]")}
          }
        }
        if (ty == 0) {
          total = cell[0][tx];
          ${put("total")}
        }`,
      "shared-atomic": `
        float* sums = (float*)cell;
        if (ty == 0) cell[0][tx] = ${zero(lanes)};
        __syncthreads();
        ${atomics(lanes, `sums + tx * ${lanes}`, "total")}
        __syncthreads();
        if (ty == 0) {
          total = cell[0][tx];
          ${put("total")}
        }`,
    };
    const source = `
      constexpr int ROWS = ${rows}, PACKS = ${packs};
      constexpr int TX = ${tx}, TY = ${ty};
      ${tail.source}
      extern "C" __global__ void tile_totals(const ${type}* __restrict__ a, ${finish === "atomic" ? "float* out" : `${type}* __restrict__ work`}) {
        __shared__ ${type} cell[${meet === "shared-atomic" ? "1" : "TY"}][TX${on(padded, " + 1")}];
        const int tx = threadIdx.x, ty = threadIdx.y;
        const int c = blockIdx.x * TX + tx;
        ${type} total = ${zero(lanes)};
        ${on(unroll, "#pragma unroll 4")}
        ${loop}
          const ${type} v = ${get};
          ${accumulate(lanes, "total", "v")}
        }
        ${meets[meet]}
      }
    `;
    const main = launch("tile_totals", [packs / tx, strips], [tx, ty], ["a", finish === "atomic" ? "out" : "work"]);
    return styled({ source, launches: [...tail.before, main, ...tail.after] }, { names: "snake", indent: 4 });
  },
});

/** Accumulators for all columns in shared memory. */
export const sharedTotals: Template = template({
  id: "shared-totals",
  from: "row-strips",
  idea: "Keep one accumulator per column in shared memory and let every thread add whatever numbers it reads to them.",
  options: {
    add: ["atomic", "owned", "warp-copies"],
    finish: ["atomic", "thread", "split"],
    lanes: [1, 4, 2],
    order: ["linear", "rotated"],
    unroll: [false, true],
    restrict: [true, false],
    strips: [264, 132, 528],
    threads: [256, 512, 1024],
  },
  valid: ({ add, order, threads }) =>
    (add === "atomic" || order === "linear") && (add !== "warp-copies" || threads <= 256),
  count: 35,
  write: ({ add, finish, lanes, order, unroll, restrict, strips, threads }, { rows = 0, cols = 0 }) => {
    const type = packed(lanes);
    const tail = ending(finish, strips, cols);
    const mark = on(restrict, " __restrict__");
    const copies = add === "warp-copies" ? threads / 32 : 1;
    const spin = order === "rotated" ? "(i + 32 * r) % PACKS" : "i";
    const each = {
      atomic: `
        for (int r = first; r < last; ++r) {
          ${on(unroll, "#pragma unroll 4")}
          for (int i = threadIdx.x; i < PACKS; i += THREADS) {
            const int c = ${spin};
            const ${type} v = a[(size_t)r * PACKS + c];
            ${atomics(lanes, `totals + ${lanes} * c`, "v")}
          }
        }`,
      owned: `
        // Thread t alone touches the columns t, t + THREADS, ...
        ${on(unroll, "#pragma unroll 2")}
        for (int r = first; r < last; ++r) {
          for (int i = threadIdx.x; i < PACKS; i += THREADS) {
            const ${type} v = a[(size_t)r * PACKS + i];
            ${accumulate(lanes, `reinterpret_cast<${type}*>(totals)[i]`, "v")}
          }
        }`,
      "warp-copies": `
        // Every warp has accumulators of its own and takes every ${copies}th row.
        float* mine = totals + threadIdx.x / 32 * COLS;
        for (int r = first + threadIdx.x / 32; r < last; r += THREADS / 32) {
          ${on(unroll, "#pragma unroll 4")}
          for (int i = threadIdx.x % 32; i < PACKS; i += 32) {
            const ${type} v = a[(size_t)r * PACKS + i];
            ${accumulate(lanes, `reinterpret_cast<${type}*>(mine)[i]`, "v")}
          }
        }`,
    };
    const total = copies > 1 ? "sum" : "totals[i]";
    const source = `
      #define ROWS ${rows}
      #define COLS ${cols}
      #define PACKS ${lanes === 1 ? "COLS" : `(COLS / ${lanes})`}
      #define THREADS ${threads}
      ${tail.source}
      extern "C" __global__ void add_in_shared(const ${type}*${mark} a, float*${mark} ${finish === "atomic" ? "out" : "work"}) {
        __shared__ __align__(16) float totals[${copies > 1 ? "THREADS / 32 * " : ""}COLS];
        const int share = (ROWS + gridDim.x - 1) / gridDim.x;
        const int first = blockIdx.x * share, last = min(ROWS, first + share);
        for (int i = threadIdx.x; i < ${copies > 1 ? "THREADS / 32 * " : ""}COLS; i += THREADS) totals[i] = 0.0f;
        __syncthreads();
        ${each[add]}
        __syncthreads();
        for (int i = threadIdx.x; i < COLS; i += THREADS) {
          ${on(copies > 1, "float sum = 0.0f;\nfor (int w = 0; w < THREADS / 32; ++w) sum += totals[w * COLS + i];")}
          ${finish === "atomic" ? `atomicAdd(out + i, ${total});` : `work[blockIdx.x * COLS + i] = ${total};`}
        }
      }
    `;
    const main = launch("add_in_shared", strips, threads, ["a", finish === "atomic" ? "out" : "work"]);
    return styled({ source, launches: [...tail.before, main, ...tail.after] }, { names: "camel", indent: 2 });
  },
});

/** A block per column, or per few columns. */
export const blockColumn: Template = template({
  id: "column-per-block",
  from: "column-per-thread",
  idea: "Give each block one column, or a few neighbouring ones, and reduce over its threads.",
  options: {
    across: [8, 1, 4, 16, 32],
    fold: ["tree", "shuffle", "atomic"],
    unroll: [false, true],
    split: [false, true],
    index: ["product", "step"],
    size: ["constants", "args"],
    load: ["plain", "ldg"],
    threads: [256, 512, 128, 1024],
  },
  count: 38,
  write: ({ across, fold, unroll, split, index, size, load, threads }, { rows = 0, cols = 0 }) => {
    const parts = split ? 8 : 1;
    const constant = size === "constants";
    const [height, width] = constant ? ["ROWS", "COLS"] : ["rows", "cols"];
    const get = (place: string): string => (load === "plain" ? `a[${place}]` : `__ldg(a + ${place})`);
    const pragma = on(unroll, "#pragma unroll 8");
    const [from, end] = split
      ? [`blockIdx.y * (${height} / 8) + group`, `(int)(blockIdx.y + 1) * (${height} / 8)`]
      : ["group", height];
    const walk =
      index === "product"
        ? `
        ${pragma}
        for (int r = ${from}; r < ${end}; r += GROUPS) sum += ${get(`(size_t)r * ${width} + c`)};`
        : `
        const size_t step = (size_t)GROUPS * ${width};
        size_t at = (size_t)(${from}) * ${width} + c;
        ${pragma}
        for (int r = ${from}; r < ${end}; r += GROUPS, at += step) sum += ${get("at")};`;
    const put = split ? "atomicAdd(out + c, all);" : "out[c] = all;";
    const folds = {
      tree: `
        cell[threadIdx.x] = sum;
        for (int half = THREADS / 2; half >= ACROSS; half /= 2) {
          __syncthreads();
          if (threadIdx.x < half) cell[threadIdx.x] += cell[threadIdx.x + half];
        }
        if (threadIdx.x < ACROSS) {
          const float all = cell[threadIdx.x];
          ${put}
        }`,
      shuffle: `
        // Lanes whose numbers differ by a multiple of ACROSS hold the same column.
        for (int hop = 16; hop >= ACROSS; hop /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, hop);
        if (threadIdx.x % 32 < ACROSS) cell[threadIdx.x / 32 * ACROSS + threadIdx.x % 32] = sum;
        __syncthreads();
        if (threadIdx.x < ACROSS) {
          float all = 0.0f;
          for (int w = 0; w < THREADS / 32; ++w) all += cell[w * ACROSS + threadIdx.x];
          ${put}
        }`,
      atomic: `
        if (threadIdx.x < ACROSS) cell[threadIdx.x] = 0.0f;
        __syncthreads();
        atomicAdd(&cell[threadIdx.x % ACROSS], sum);
        __syncthreads();
        if (threadIdx.x < ACROSS) {
          const float all = cell[threadIdx.x];
          ${put}
        }`,
    };
    const tail = ending("atomic", 0, cols);
    const source = `
      #define THREADS ${threads}
      #define ACROSS ${across}
      #define GROUPS (THREADS / ACROSS)
      ${on(constant, `#define ROWS ${rows}\n#define COLS ${cols}`)}
      ${on(split, tail.source)}
      extern "C" __global__ void narrow_blocks(const float* __restrict__ a, float* __restrict__ out${on(!constant, ", int rows, int cols")}) {
        __shared__ float cell[THREADS];
        const int c = blockIdx.x * ACROSS + threadIdx.x % ACROSS;
        const int group = threadIdx.x / ACROSS;
        float sum = 0.0f;
        ${walk}
        ${folds[fold]}
      }
    `;
    const args = ["a", "out", ...(constant ? [] : [{ i32: rows }, { i32: cols }])];
    const main = launch("narrow_blocks", [cols / across, parts], threads, args);
    return styled({ source, launches: split ? [...tail.before, main] : [main] }, { names: "snake", indent: 2 });
  },
});
