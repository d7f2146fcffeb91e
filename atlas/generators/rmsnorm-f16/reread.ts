import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { groupTotal, header, packFunctions, packOf } from "./halves.ts";

/** A thread per row. */
export const soloRow: Template = template({
  id: "row-per-thread",
  from: null,
  idea: "Walk along one row per thread, first for the power and then for the result.",
  options: {
    width: [1, 2, 8, 4],
    unpack: ["cast", "union", "bits"],
    product: ["float", "paired", "half-weight"],
    mean: ["divide", "multiply"],
    stage: [false, true],
    unroll: [false, true],
    block: [128, 64, 32, 256],
  },
  valid: ({ width, unpack, product }) => (width > 2 || unpack === "cast") && (width > 1 || product !== "paired"),
  count: 24,
  write: ({ width, unpack, product, mean, stage, unroll, block }, { rows = 0, cols = 0 }) => {
    const type = packOf(width);
    const weight = stage ? "shared_w[i]" : "w[i]";
    const source = `
      ${header}
      #define PACKS ${cols / width}
      ${packFunctions(width, unpack, product)}
      extern "C" __global__ void rms_rows(const ${type}* __restrict__ x, const ${type}* __restrict__ w, ${type}* __restrict__ y, int rows) {
        ${on(
          stage,
          `__shared__ ${type} shared_w[PACKS];
        for (int i = threadIdx.x; i < PACKS; i += blockDim.x) shared_w[i] = w[i];
        __syncthreads();`,
        )}
        int row = blockIdx.x * blockDim.x + threadIdx.x;
        if (row >= rows) return;
        const ${type}* in = x + (size_t)row * PACKS;
        ${type}* out = y + (size_t)row * PACKS;
        float sum = 0.0f;
        ${on(unroll, "#pragma unroll 4")}
        for (int i = 0; i < PACKS; ++i) sum += power(in[i]);
        float factor = rsqrtf(${mean === "divide" ? `sum / ${cols}` : `sum * (1.0f / ${cols})`} + 1e-6f);
        ${on(unroll, "#pragma unroll 4")}
        for (int i = 0; i < PACKS; ++i) out[i] = scaled(in[i], ${weight}, factor);
      }
    `;
    return styled(
      { source, launches: [launch("rms_rows", Math.ceil(rows / block), block, ["x", "w", "y", { i32: rows }])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A group of 4 to 32 lanes per row. */
export const laneGroup: Template = template({
  id: "lanes-per-row",
  from: "row-per-thread",
  idea: "Give each row to a few lanes of a warp and sum over them with shuffles.",
  options: {
    width: [2, 8, 4, 1],
    unpack: ["cast", "union", "bits"],
    product: ["float", "paired", "half-weight"],
    fold: ["xor", "down"],
    contiguous: [false, true],
    second: ["forward", "backward"],
    shape: ["flat", "grid2d"],
    lanes: [32, 16, 8, 4],
    block: [256, 128, 512, 64],
  },
  valid: ({ width, unpack, product, contiguous, second }) =>
    (width > 2 || unpack === "cast") && (width > 1 || product !== "paired") && (second === "forward" || !contiguous),
  count: 27,
  write: (options, { rows = 0, cols = 0 }) => {
    const { width, unpack, product, fold, contiguous, second, shape, lanes, block } = options;
    const type = packOf(width);
    const loop = (body: string): string =>
      contiguous
        ? `for (int i = lane * (kPacks / kLanes); i < (lane + 1) * (kPacks / kLanes); ++i) {\n${body}\n}`
        : `for (int i = lane; i < kPacks; i += kLanes) {\n${body}\n}`;
    const reverse = (body: string): string => `for (int i = kPacks - kLanes + lane; i >= 0; i -= kLanes) {\n${body}\n}`;
    const sums = {
      xor: `for (int hop = kLanes / 2; hop > 0; hop /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, hop, kLanes);`,
      down: `for (int hop = kLanes / 2; hop > 0; hop /= 2) sum += __shfl_down_sync(0xffffffffu, sum, hop, kLanes);
        sum = __shfl_sync(0xffffffffu, sum, 0, kLanes);`,
    };
    const place =
      shape === "flat"
        ? `const int lane = threadIdx.x % kLanes;
        const int row = (blockIdx.x * blockDim.x + threadIdx.x) / kLanes;`
        : `const int lane = threadIdx.x;
        const int row = blockIdx.x * blockDim.y + threadIdx.y;`;
    const source = `
      ${header}
      constexpr int kCols = ${cols};
      constexpr int kPacks = ${width === 1 ? "kCols" : `kCols / ${width}`};
      constexpr int kLanes = ${lanes};
      ${packFunctions(width, unpack, product)}
      extern "C" __global__ void group_rms(const ${type}* __restrict__ x, const ${type}* __restrict__ w, ${type}* __restrict__ y) {
        ${place}
        const ${type}* in = x + (size_t)row * kPacks;
        ${type}* out = y + (size_t)row * kPacks;
        float sum = 0.0f;
        ${loop("sum += power(in[i]);")}
        ${sums[fold]}
        const float factor = rsqrtf(sum / kCols + 1e-6f);
        ${(second === "forward" ? loop : reverse)("out[i] = scaled(in[i], w[i], factor);")}
      }
    `;
    const threads = shape === "flat" ? block : ([lanes, block / lanes] as const);
    return styled(
      { source, launches: [launch("group_rms", (rows * lanes) / block, threads, ["x", "w", "y"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** A block per row that reads the row twice. */
export const blockRow: Template = template({
  id: "row-per-block",
  from: "lanes-per-row",
  idea: "Spread one row over a block, reduce in shared memory and read the row a second time for the result.",
  options: {
    width: [1, 2, 4, 8],
    unpack: ["cast", "bits", "union"],
    product: ["float", "half-weight", "paired"],
    total: ["tree", "board", "first-warp", "shared-atomic"],
    second: ["forward", "backward"],
    rowLoop: [false, true],
    weight: ["plain", "ldg"],
    store: ["plain", "stcs"],
    block: [256, 128, 512, 1024],
  },
  valid: ({ width, unpack, product, store }) =>
    (width > 2 || unpack === "cast") && (width > 1 || product !== "paired") && (width > 2 || store === "plain"),
  count: 27,
  write: (options, { rows = 0, cols = 0 }) => {
    const { width, unpack, product, total, second, rowLoop, weight, store, block } = options;
    const type = packOf(width);
    const value = `scaled(in[c], ${weight === "ldg" ? "__ldg(w + c)" : "w[c]"}, factor)`;
    const put = store === "plain" ? `out[c] = ${value};` : `__stcs(out + c, ${value});`;
    const forward = (body: string): string => `for (int c = threadIdx.x; c < N; c += THREADS) ${body}`;
    const backward = (body: string): string => `for (int c = N - 1 - (int)threadIdx.x; c >= 0; c -= THREADS) ${body}`;
    const work = `
      const ${type}* in = x + (size_t)row * N;
      ${type}* out = y + (size_t)row * N;
      float sum = 0.0f;
      ${forward("sum += power(in[c]);")}
      sum = total_of(sum);
      const float factor = rsqrtf(sum / COLS + 1e-6f);
      ${(second === "forward" ? forward : backward)(put)}`;
    const source = `
      ${header}
      #define COLS ${cols}
      #define THREADS ${block}
      #define N ${width === 1 ? "COLS" : `(COLS / ${width})`}
      ${packFunctions(width, unpack, product)}
      ${groupTotal(total, "THREADS")}
      extern "C" __global__ void block_rms(const ${type}* __restrict__ x, const ${type}* __restrict__ w, ${type}* __restrict__ y${on(rowLoop, ", int rows")}) {
        ${rowLoop ? `for (int row = blockIdx.x; row < rows; row += gridDim.x) {\n${work}\n}` : `const int row = blockIdx.x;\n${work}`}
      }
    `;
    const grid = rowLoop ? 132 * (2048 / block) : rows;
    const args = ["x", "w", "y", ...(rowLoop ? [{ i32: rows }] : [])];
    return styled({ source, launches: [launch("block_rms", grid, block, args)] }, { names: "snake", indent: 2 });
  },
});
