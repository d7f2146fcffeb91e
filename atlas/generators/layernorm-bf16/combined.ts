import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { affine, blockSum, packing, typeOf, values, warpSum, widthOf, type Width } from "./parts.ts";

/** Running mean and squared deviations, merged across threads. */
export const welford: Template = template({
  id: "welford",
  from: "block-per-row",
  idea: "Keep a running mean and variance per thread and merge them, so that one pass gives stable statistics.",
  options: {
    update: ["each", "pack"],
    merge: ["shuffle", "shared", "sums"],
    width: ["eight", "pair", "one"],
    division: ["plain", "fast", "reciprocal"],
    team: ["block", "warp"],
    block: [256, 128, 512],
    streaming: [false, true],
  },
  valid: ({ update, merge, width, team, streaming }) =>
    (update === "each" || width === "eight") &&
    (team === "block" || merge === "shuffle") &&
    (!streaming || width === "eight"),
  count: 29,
  write: ({ update, merge, width, division, team, block, streaming }, { rows = 0, cols = 0 }) => {
    const type = typeOf[width];
    const warps = team === "warp";
    const head = "for (int j = me; j < LENGTH; j += TEAM) {";
    const body = update === "each" ? values(width, "in[j]", (v) => `add(mine, ${v});`) : packUpdate;
    const mergeCall = warps ? "merge_warp(mine)" : "merge_block(mine)";
    const source = `
      #include <cuda_bf16.h>

      #define COLS ${cols}
      #define LENGTH (COLS / ${widthOf[width]})
      #define TEAM ${warps ? 32 : block}  // threads per row
      ${on(warps, `#define BLOCK ${block}`)}

      ${on(width === "eight", packing("convert"))}
      ${on(merge === "sums", blockSum("every-warp"))}
      ${welfordFunctions(division)}
      ${warps ? mergeWarp : mergeBlock(merge)}
      extern "C" __global__ void welford_norm(const ${type}* __restrict__ x, const ${type}* __restrict__ gamma, const ${type}* __restrict__ beta, ${type}* __restrict__ y) {
        ${warps ? "int me = threadIdx.x % 32;\nint row = blockIdx.x * (BLOCK / 32) + threadIdx.x / 32;" : "int me = threadIdx.x;\nint row = blockIdx.x;"}
        const ${type}* in = x + (size_t)row * LENGTH;
        ${type}* out = y + (size_t)row * LENGTH;
        Running mine = {0.0f, 0.0f, 0.0f};
        ${head}
          ${body}
        }
        Running all = ${mergeCall};
        float mean = all.mean;
        float scale = rsqrtf(all.squares / COLS + 1e-5f);
        ${head}
          ${affine(width, "in[j]", "out[j]", "j", streaming ? "streaming" : "plain")}
        }
      }
    `;
    const grid = warps ? rows / (block / 32) : rows;
    return styled(
      { source, launches: [launch("welford_norm", grid, block, ["x", "gamma", "beta", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

const packUpdate = `
  float f[8];
  unpack(in[j], f);
  Running eight = {0.0f, 0.0f, 8.0f};
  #pragma unroll
  for (int p = 0; p < 8; ++p) eight.mean += f[p] * 0.125f;
  #pragma unroll
  for (int p = 0; p < 8; ++p) eight.squares += (f[p] - eight.mean) * (f[p] - eight.mean);
  mine = merge(mine, eight);`;

function welfordFunctions(division: "plain" | "fast" | "reciprocal"): string {
  const over = (a: string, b: string): string =>
    ({ plain: `${a} / ${b}`, fast: `__fdividef(${a}, ${b})`, reciprocal: `${a} * __frcp_rn(${b})` })[division];
  return `
    struct Running {
      float mean;
      float squares;  // sum of squared deviations from the mean
      float count;
    };

    __device__ __forceinline__ void add(Running& r, float v) {
      r.count += 1.0f;
      float d = v - r.mean;
      r.mean += ${over("d", "r.count")};
      r.squares += d * (v - r.mean);
    }

    __device__ __forceinline__ Running merge(Running a, Running b) {
      Running c;
      c.count = a.count + b.count;
      float d = b.mean - a.mean;
      float share = ${over("b.count", "c.count")};
      c.mean = a.mean + d * share;
      c.squares = a.squares + b.squares + d * d * a.count * share;
      return c;
    }
  `;
}

const shuffleMerge = `
  #pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) {
    Running other;
    other.mean = __shfl_xor_sync(0xffffffffu, mine.mean, offset);
    other.squares = __shfl_xor_sync(0xffffffffu, mine.squares, offset);
    other.count = __shfl_xor_sync(0xffffffffu, mine.count, offset);
    mine = merge(mine, other);
  }`;

const mergeWarp = `
  __device__ __forceinline__ Running merge_warp(Running mine) {
    ${shuffleMerge}
    return mine;
  }
`;

function mergeBlock(merge: "shuffle" | "shared" | "sums"): string {
  const bodies = {
    shuffle: `
      __shared__ Running parts[TEAM / 32];
      ${shuffleMerge}
      if (threadIdx.x % 32 == 0) {
        parts[threadIdx.x / 32] = mine;
      }
      __syncthreads();
      Running all = parts[0];
      for (int w = 1; w < TEAM / 32; ++w) {
        all = merge(all, parts[w]);
      }
      return all;`,
    shared: `
      __shared__ Running cells[TEAM];
      cells[threadIdx.x] = mine;
      __syncthreads();
      for (int half = TEAM / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
          cells[threadIdx.x] = merge(cells[threadIdx.x], cells[threadIdx.x + half]);
        }
        __syncthreads();
      }
      return cells[0];`,
    sums: `
      // Equal counts: the mean of the means, then every thread's deviations about it.
      Running all;
      all.count = COLS;
      all.mean = block_sum<TEAM>(mine.mean) / TEAM;
      float d = mine.mean - all.mean;
      all.squares = block_sum<TEAM>(mine.squares + d * d * mine.count);
      return all;`,
  };
  return `
    __device__ Running merge_block(Running mine) {
      ${bodies[merge]}
    }
  `;
}

/** One launch for the statistics, one to apply them. */
export const twoLaunches: Template = template({
  id: "stats-then-apply",
  from: "block-per-row",
  idea: "Split the work into a kernel for the statistics and an elementwise kernel.",
  options: {
    by: ["block", "warp"],
    method: ["moments", "two-pass"],
    apply: ["flat", "row", "grid-stride"],
    width: ["eight", "pair", "one"],
    stored: ["mean-scale", "sums"],
    paired: [false, true],
    block: [256, 128, 512],
  },
  valid: ({ method, stored }) => stored === "mean-scale" || method === "moments",
  count: 30,
  write: ({ by, method, apply, width, stored, paired, block }, { rows = 0, cols = 0 }) => {
    const type = typeOf[width];
    const total = (rows * cols) / widthOf[width];
    const slots = paired ? ["stats[2 * row]", "stats[2 * row + 1]"] : ["stats[row]", "stats[rows + row]"];
    const sum = (v: string): string => (by === "warp" ? `warp_sum(${v})` : `block_sum<BLOCK>(${v})`);
    const loop = (line: (v: string) => string): string =>
      `for (int j = me; j < LENGTH; j += ${by === "warp" ? "32" : "BLOCK"}) {\n${values(width, "in[j]", line)}\n}`;
    const find =
      method === "moments"
        ? `
        float sum = 0.0f, squares = 0.0f;
        ${loop((v) => (width === "one" ? `float value = ${v};\nsum += value;\nsquares += value * value;` : `sum += ${v};\nsquares += ${v} * ${v};`))}
        sum = ${sum("sum")};
        squares = ${sum("squares")};
        ${on(stored === "mean-scale", "float mean = sum / COLS;\nfloat scale = rsqrtf(squares / COLS - mean * mean + 1e-5f);")}`
        : `
        float sum = 0.0f, squares = 0.0f;
        ${loop((v) => `sum += ${v};`)}
        float mean = ${sum("sum")} / COLS;
        ${loop((v) => (width === "one" ? `float d = ${v} - mean;\nsquares += d * d;` : `squares += (${v} - mean) * (${v} - mean);`))}
        float scale = rsqrtf(${sum("squares")} / COLS + 1e-5f);`;
    const kept = stored === "mean-scale" ? ["mean", "scale"] : ["sum", "squares"];
    const recall =
      stored === "mean-scale"
        ? `float mean = ${slots[0]};\nfloat scale = ${slots[1]};`
        : `float mean = ${slots[0]} / COLS;\nfloat scale = rsqrtf(${slots[1]} / COLS - mean * mean + 1e-5f);`;
    const source = `
      #include <cuda_bf16.h>

      #define BLOCK ${block}
      #define COLS ${cols}
      #define LENGTH (COLS / ${widthOf[width]})

      ${on(width === "eight", packing("shift"))}
      ${by === "warp" ? warpSum() : blockSum("first-warp")}
      extern "C" __global__ void row_stats(const ${type}* __restrict__ x, float* __restrict__ stats, int rows) {
        ${by === "warp" ? "int me = threadIdx.x % 32;\nint row = blockIdx.x * (BLOCK / 32) + threadIdx.x / 32;" : "int me = threadIdx.x;\nint row = blockIdx.x;"}
        const ${type}* in = x + (size_t)row * LENGTH;
        ${find}
        if (me == 0) {
          ${slots[0]} = ${kept[0]};
          ${slots[1]} = ${kept[1]};
        }
      }

      ${applyKernel(apply, type, width, recall)}
    `;
    const grid = { flat: Math.ceil(total / 256), row: rows, "grid-stride": 132 * 8 }[apply];
    const launches = [
      launch("row_stats", by === "warp" ? rows / (block / 32) : rows, block, ["x", "stats", { i32: rows }]),
      launch("apply", grid, 256, ["x", "gamma", "beta", "stats", "y", { i32: rows }]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

function applyKernel(apply: "flat" | "row" | "grid-stride", type: string, width: Width, recall: string): string {
  const element = `int row = i / LENGTH;\nint j = i % LENGTH;\n${recall}\n${affine(width, "x[i]", "y[i]", "j")}`;
  const body = {
    flat: `int i = blockIdx.x * blockDim.x + threadIdx.x;\nif (i >= rows * LENGTH) return;\n${element}`,
    "grid-stride": `for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * LENGTH; i += gridDim.x * blockDim.x) {\n${element}\n}`,
    row: `
      int row = blockIdx.x;
      ${recall}
      for (int j = threadIdx.x; j < LENGTH; j += blockDim.x) {
        size_t i = (size_t)row * LENGTH + j;
        ${affine(width, "x[i]", "y[i]", "j")}
      }`,
  }[apply];
  return `
    extern "C" __global__ void apply(const ${type}* __restrict__ x, const ${type}* __restrict__ gamma, const ${type}* __restrict__ beta, const float* __restrict__ stats, ${type}* __restrict__ y, int rows) {
      ${body}
    }
  `;
}

/** Sums of chunks of rows, added up by atomics. */
export const atomicSums: Template = template({
  id: "atomic-sums",
  from: "stats-then-apply",
  idea: "Sum chunks of rows in parallel and combine them with atomic additions.",
  options: {
    unit: ["warp", "block", "thread"],
    chunk: [1024, 2048, 4096],
    width: ["pair", "eight", "one"],
    finish: ["in-place", "launch"],
    shifted: [false, true],
    block: [128, 64],
    apply: ["flat", "row"],
  },
  count: 30,
  write: ({ unit, chunk, width, finish, shifted, block, apply }, { rows = 0, cols = 0 }) => {
    const type = typeOf[width];
    const total = (rows * cols) / widthOf[width];
    const line = (v: string): string => {
      const text = `float d = ${v}${on(shifted, " - shift")};\nsum += d;\nsquares += d * d;`;
      return width === "pair" ? `{\n${text}\n}` : text;
    };
    const add = "atomicAdd(&stats[row], sum);\natomicAdd(&stats[rows + row], squares);";
    const ends = {
      thread: add,
      warp: `sum = warp_sum(sum);\nsquares = warp_sum(squares);\nif (threadIdx.x % 32 == 0) {\n${add}\n}`,
      block: `sum = block_sum<BLOCK>(sum);\nsquares = block_sum<BLOCK>(squares);\nif (threadIdx.x == 0) {\n${add}\n}`,
    }[unit];
    const first = "__bfloat162float(*reinterpret_cast<const __nv_bfloat16*>(x + (size_t)row * LENGTH))";
    const moments = `
      float mean = stats[row] / COLS;
      float scale = rsqrtf(stats[rows + row] / COLS - mean * mean + 1e-5f);
      ${on(shifted, `mean += ${first};`)}`;
    const recall = finish === "launch" ? "float mean = stats[row];\nfloat scale = stats[rows + row];" : moments;
    const source = `
      #include <cuda_bf16.h>

      #define BLOCK ${block}
      #define COLS ${cols}
      #define LENGTH (COLS / ${widthOf[width]})
      #define CHUNK ${chunk / widthOf[width]}

      ${on(width === "eight", packing("convert"))}
      ${on(unit !== "thread", unit === "warp" ? warpSum() : blockSum("tree"))}
      extern "C" __global__ void clear(float* stats, int count) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < count) stats[i] = 0.0f;
      }

      extern "C" __global__ void add_chunks(const ${type}* __restrict__ x, float* stats, int rows) {
        int row = blockIdx.y;
        const ${type}* in = x + (size_t)row * LENGTH + blockIdx.x * CHUNK;
        ${on(shifted, `float shift = ${first};`)}
        float sum = 0.0f, squares = 0.0f;
        for (int j = threadIdx.x; j < CHUNK; j += BLOCK) {
          ${values(width, "in[j]", line)}
        }
        ${ends}
      }

      ${on(
        finish === "launch",
        `
      extern "C" __global__ void finish(const ${type}* x, float* stats, int rows) {
        int row = blockIdx.x * blockDim.x + threadIdx.x;
        if (row >= rows) return;
        ${moments}
        stats[row] = mean;
        stats[rows + row] = scale;
      }
      `,
      )}
      ${applyKernel(apply, type, width, recall)}
    `;
    const launches = [
      launch("clear", Math.ceil((2 * rows) / 256), 256, ["stats", { i32: 2 * rows }]),
      launch("add_chunks", [cols / chunk, rows], block, ["x", "stats", { i32: rows }]),
      ...(finish === "launch" ? [launch("finish", Math.ceil(rows / 128), 128, ["x", "stats", { i32: rows }])] : []),
      launch("apply", apply === "row" ? rows : Math.ceil(total / 256), 256, [
        "x",
        "gamma",
        "beta",
        "stats",
        "y",
        { i32: rows },
      ]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
