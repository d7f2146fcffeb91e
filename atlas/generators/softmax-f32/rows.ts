import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  blockReductions,
  exponential,
  exponentialConstant,
  onlineAdd,
  rescaling,
  rowPasses,
  warpReduce,
  type Walk,
} from "./parts.ts";

const same = (value: string): string => value;

/** One thread walks along a whole row. */
export const threadRow: Template = template({
  id: "thread-per-row",
  from: null,
  idea: "Let one thread handle one row.",
  options: {
    passes: ["three", "store", "online"],
    exp: ["expf", "fast", "folded"],
    vector: [false, true],
    inverse: [false, true],
    unroll: [false, true],
    block: [64, 32, 128, 256],
    branch: [false, true],
  },
  valid: ({ passes, branch }) => passes === "online" || !branch,
  count: 28,
  write: ({ passes, exp, vector, inverse, unroll, block, branch }, { rows = 0, cols = 0 }) => {
    const type = vector ? "float4" : "float";
    const count = vector ? "cols / 4" : "cols";
    const walk: Walk = { first: "0", step: "1", count, vector, unroll };
    const source = `
      ${exponentialConstant(exp)}
      ${on(passes === "online", onlineAdd(exp, branch))}
      extern "C" __global__ void softmax_rows(const float* x, float* y, int rows, int cols) {
        int row = blockIdx.x * blockDim.x + threadIdx.x;
        if (row >= rows) {
          return;
        }
        const ${type}* in = ${on(vector, "(const float4*)")}(x + (size_t)row * cols);
        ${type}* out = ${on(vector, "(float4*)")}(y + (size_t)row * cols);
        ${rowPasses({ walk, exp, passes, inverse, reduceMax: same, reduceSum: same })}
      }
    `;
    const args = ["x", "y", { i32: rows }, { i32: cols }];
    return styled(
      { source, launches: [launch("softmax_rows", Math.ceil(rows / block), block, args)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** One warp per row. */
export const warpRow: Template = template({
  id: "warp-per-row",
  from: "thread-per-row",
  idea: "Let one warp handle one row so that reads coalesce, and reduce with shuffles.",
  options: {
    hold: ["reread", "online", "store", "registers"],
    vector: [true, false],
    exp: ["fast", "expf", "folded"],
    inverse: [true, false],
    warps: [4, 8, 2, 1, 16],
    shuffle: ["xor", "down"],
    unroll: [false, true],
    restrict: [true, false],
  },
  valid: ({ hold, vector, unroll }) => hold !== "registers" || (vector && !unroll),
  count: 36,
  write: ({ hold, vector, exp, inverse, warps, shuffle, unroll, restrict }, { rows = 0, cols = 0 }) => {
    const type = vector ? "float4" : "float";
    const walk: Walk = { first: "lane", step: "32", count: vector ? "COLS / 4" : "COLS", vector, unroll };
    const reductions = {
      reduceMax: (v: string): string => `warp_max(${v})`,
      reduceSum: (v: string): string => `warp_sum(${v})`,
    };
    const passes = hold === "reread" || hold === "registers" ? "three" : hold;
    const body =
      hold === "registers"
        ? warpRegisters(exponential(exp, "#", "peak"), inverse)
        : rowPasses({ walk, exp, passes, inverse, ...reductions });
    const source = `
      #define WARPS ${warps}
      #define COLS ${cols}
      ${exponentialConstant(exp)}

      ${warpReduce("max", shuffle)}
      ${warpReduce("sum", shuffle)}
      ${on(hold === "online", onlineAdd(exp, false))}
      extern "C" __global__ void warp_softmax(const ${type}* ${on(restrict, "__restrict__ ")}x, ${type}* ${on(restrict, "__restrict__ ")}y) {
        int lane = threadIdx.x & 31;
        int row = blockIdx.x * WARPS + (threadIdx.x >> 5);
        const ${type}* in = x + (size_t)row * (${vector ? "COLS / 4" : "COLS"});
        ${type}* out = y + (size_t)row * (${vector ? "COLS / 4" : "COLS"});
        ${body}
      }
    `;
    return styled(
      { source, launches: [launch("warp_softmax", rows / warps, warps * 32, ["x", "y"])] },
      { names: "camel", indent: 4 },
    );
  },
});

function warpRegisters(expOf: string, inverse: boolean): string {
  const e = (value: string): string => expOf.replace("#", value);
  const scale = (part: string): string => (inverse ? `v[k].${part} *= inverse;` : `v[k].${part} /= sum;`);
  const parts = ["x", "y", "z", "w"];
  return `
    // The whole row lives in the warp's registers.
    float4 v[COLS / 128];
    float peak = -3.0e38f;
    #pragma unroll
    for (int k = 0; k < COLS / 128; ++k) {
      v[k] = in[lane + 32 * k];
      peak = fmaxf(peak, fmaxf(fmaxf(v[k].x, v[k].y), fmaxf(v[k].z, v[k].w)));
    }
    peak = warp_max(peak);
    float sum = 0.0f;
    #pragma unroll
    for (int k = 0; k < COLS / 128; ++k) {
      ${parts.map((part) => `v[k].${part} = ${e(`v[k].${part}`)};`).join("\n")}
      sum += (v[k].x + v[k].y) + (v[k].z + v[k].w);
    }
    sum = warp_sum(sum);
    ${on(inverse, "float inverse = 1.0f / sum;")}
    #pragma unroll
    for (int k = 0; k < COLS / 128; ++k) {
      ${parts.map(scale).join("\n")}
      out[lane + 32 * k] = v[k];
    }`;
}

/** One block per row, every pass through global memory. */
export const blockRow: Template = template({
  id: "block-per-row",
  from: "thread-per-row",
  idea: "Let a block handle one row and reduce across it in shared memory.",
  options: {
    passes: ["three", "store", "online"],
    reduce: ["tree", "first-warp", "every-warp"],
    vector: [false, true],
    exp: ["expf", "fast", "folded"],
    inverse: [false, true],
    block: [256, 128, 512, 1024, 64],
    contiguous: [false, true],
    rows: ["one", "loop"],
  },
  count: 36,
  write: ({ passes, reduce, vector, exp, inverse, block, contiguous, rows: rowLoop }, { rows = 0, cols = 0 }) => {
    const type = vector ? "float4" : "float";
    const per = cols / (vector ? 4 : 1);
    const walk: Walk = contiguous
      ? { first: "threadIdx.x * SHARE", step: "1", count: "(threadIdx.x + 1) * SHARE", vector }
      : { first: "threadIdx.x", step: "BLOCK", count: "LENGTH", vector };
    const body = rowPasses({
      walk,
      exp,
      passes,
      inverse,
      reduceMax: (v) => `block_max<BLOCK>(${v})`,
      reduceSum: (v) => `block_sum<BLOCK>(${v})`,
    });
    const grid = rowLoop === "loop" ? 132 * Math.max(1, Math.floor(1024 / block)) : rows;
    const pointers = `
      const ${type}* in = x + (size_t)row * LENGTH;
      ${type}* out = y + (size_t)row * LENGTH;`;
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int LENGTH = ${per};  // ${type} per row
      ${on(contiguous, `constexpr int SHARE = LENGTH / BLOCK;`)}
      ${exponentialConstant(exp)}

      ${blockReductions(reduce)}
      ${on(passes === "online", onlineAdd(exp, true))}
      extern "C" __global__ void block_softmax(const ${type}* x, ${type}* y${on(rowLoop === "loop", ", int rows")}) {
        ${rowLoop === "loop" ? `for (int row = blockIdx.x; row < rows; row += gridDim.x) {\n${pointers}\n${body}\n}` : `int row = blockIdx.x;\n${pointers}\n${body}`}
      }
    `;
    const args = ["x", "y", ...(rowLoop === "loop" ? [{ i32: rows }] : [])];
    return styled({ source, launches: [launch("block_softmax", grid, block, args)] }, { names: "snake", indent: 4 });
  },
});

/** Tiles of several rows in shared memory; each thread owns a row of the tile. */
export const tiles: Template = template({
  id: "row-tiles",
  from: "thread-per-row",
  idea: "Move tiles of several rows through shared memory so that each thread can own a row and global accesses coalesce.",
  options: {
    rowsPerBlock: [32, 64, 128],
    width: [32, 64],
    padding: [true, false],
    passes: ["online", "three"],
    exp: ["expf", "fast", "folded"],
    chunked: [false, true],
    copy: ["rows", "flat"],
  },
  valid: ({ passes, chunked }) => passes === "online" || !chunked,
  count: 26,
  write: ({ rowsPerBlock, width, padding, passes, exp, chunked, copy }, { rows = 0, cols = 0 }) => {
    const e = (value: string): string => exponential(exp, value, "peak");
    const load = copyTile("tile[r][c] = x[base + (size_t)r * COLS + c];", copy);
    const store = copyTile("y[base + (size_t)r * COLS + c] = tile[r][c];", copy);
    const sweep = (line: string): string => `
      for (int start = 0; start < COLS; start += WIDTH) {
        size_t base = (size_t)blockIdx.x * ROWS * COLS + start;
        ${load}
        __syncthreads();
        ${line}
        __syncthreads();
      }`;
    const each = (line: string): string => `for (int c = 0; c < WIDTH; ++c) {\n${line}\n}`;
    const chunk = `
      float top = peak;
      for (int c = 0; c < WIDTH; ++c) top = fmaxf(top, tile[threadIdx.x][c]);
      sum *= ${rescaling(exp, "peak", "top")};
      peak = top;
      for (int c = 0; c < WIDTH; ++c) sum += ${rescaling(exp, "tile[threadIdx.x][c]", "peak")};`;
    const statistics =
      passes === "online"
        ? sweep(chunked ? chunk : each("online_add(peak, sum, tile[threadIdx.x][c]);"))
        : `${sweep(each("peak = fmaxf(peak, tile[threadIdx.x][c]);"))}\n${sweep(each(`sum += ${e("tile[threadIdx.x][c]")};`))}`;
    const source = `
      #define ROWS ${rowsPerBlock}
      #define WIDTH ${width}
      #define COLS ${cols}
      ${exponentialConstant(exp)}

      ${on(passes === "online" && !chunked, onlineAdd(exp, false))}
      extern "C" __global__ void tiled_softmax(const float* __restrict__ x, float* __restrict__ y) {
        __shared__ float tile[ROWS][WIDTH${on(padding, " + 1")}];
        float peak = -3.0e38f, sum = 0.0f;
        ${statistics}
        float inverse = 1.0f / sum;
        ${sweep(`${each(`tile[threadIdx.x][c] = ${e("tile[threadIdx.x][c]")} * inverse;`)}\n__syncthreads();\n${store}`)}
      }
    `;
    return styled(
      { source, launches: [launch("tiled_softmax", rows / rowsPerBlock, rowsPerBlock, ["x", "y"])] },
      { names: "camel", indent: 2 },
    );
  },
});

function copyTile(line: string, copy: "rows" | "flat"): string {
  if (copy === "flat") {
    return `
      for (int i = threadIdx.x; i < ROWS * WIDTH; i += ROWS) {
        int r = i / WIDTH;
        int c = i % WIDTH;
        ${line}
      }`;
  }
  return `
    for (int r = threadIdx.x / 32; r < ROWS; r += ROWS / 32) {
      for (int c = threadIdx.x % 32; c < WIDTH; c += 32) {
        ${line}
      }
    }`;
}
