import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { groupTotal, header, packFunctions, packOf, type Width } from "./halves.ts";

const factorOf = (sum: string): string => `rsqrtf(${sum} / COLS + 1e-6f)`;

function scaleKernel(shape: "flat" | "grid" | "stride", width: Width, value: string): string {
  const type = packOf(width);
  const parameters = `const ${type}* __restrict__ x, const ${type}* __restrict__ w, const float* __restrict__ sums, ${type}* __restrict__ y, int rows`;
  if (shape === "grid")
    return `
      extern "C" __global__ void apply_factor(${parameters}) {
        const int row = blockIdx.y;
        const int c = blockIdx.x * blockDim.x + threadIdx.x;
        if (c >= PACKS) return;
        const int i = row * PACKS + c;
        ${value}
      }
    `;
  if (shape === "stride")
    return `
      extern "C" __global__ void apply_factor(${parameters}) {
        for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * PACKS; i += gridDim.x * blockDim.x) {
          const int row = i / PACKS;
          const int c = i % PACKS;
          ${value}
        }
      }
    `;
  return `
    extern "C" __global__ void apply_factor(${parameters}) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i >= rows * PACKS) return;
      const int row = i / PACKS;
      const int c = i - row * PACKS;
      ${value}
    }
  `;
}

function scaleLaunch(shape: "flat" | "grid" | "stride", packs: number, rows: number) {
  const grid =
    shape === "grid"
      ? ([Math.ceil(packs / 128), rows] as const)
      : shape === "stride"
        ? 132 * 8
        : Math.ceil((packs * rows) / 256);
  return launch("apply_factor", grid, shape === "grid" ? 128 : 256, ["x", "w", "sums", "y", { i32: rows }]);
}

/** Powers of the rows in one launch, the scaling in another. */
export const twoLaunches: Template = template({
  id: "power-then-scale",
  from: "row-per-block",
  idea: "Compute the rows' powers in one launch and scale all elements in a flat second launch.",
  options: {
    power: ["block", "warp", "lane-loop"],
    width: [2, 8, 1, 4],
    unpack: ["cast", "union", "bits"],
    product: ["float", "paired", "half-weight"],
    total: ["board", "tree", "first-warp"],
    shape: ["flat", "grid", "stride"],
    stored: ["sum", "factor"],
    threads: [256, 128, 512],
  },
  valid: ({ width, unpack, product, power, total }) =>
    (width > 2 || unpack === "cast") && (width > 1 || product !== "paired") && (power === "block" || total === "board"),
  count: 26,
  write: ({ power, width, unpack, product, total, shape, stored, threads }, { rows = 0, cols = 0 }) => {
    const type = packOf(width);
    const keep = stored === "factor" ? `sums[row] = ${factorOf("sum")};` : "sums[row] = sum;";
    const factor = stored === "factor" ? "sums[row]" : factorOf("sums[row]");
    const block = power === "block";
    const powers = {
      block: `
        const int row = blockIdx.x;
        float sum = 0.0f;
        for (int c = threadIdx.x; c < PACKS; c += THREADS) sum += power(x[(size_t)row * PACKS + c]);
        sum = total_of(sum);
        if (threadIdx.x == 0) {
          ${keep}
        }`,
      warp: `
        const int row = (blockIdx.x * THREADS + threadIdx.x) / 32;
        const ${type}* in = x + (size_t)row * PACKS + threadIdx.x % 32;
        float sum = 0.0f;
        for (int c = 0; c < PACKS; c += 32) sum += power(in[c]);
        for (int hop = 16; hop > 0; hop >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, hop);
        if (threadIdx.x % 32 == 0) {
          ${keep}
        }`,
      "lane-loop": `
        const int lane = threadIdx.x % 8;
        const int row = (blockIdx.x * THREADS + threadIdx.x) / 8;
        float sum = 0.0f;
        for (int c = lane; c < PACKS; c += 8) sum += power(x[(size_t)row * PACKS + c]);
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        sum += __shfl_xor_sync(0xffffffffu, sum, 4);
        if (lane == 0) {
          ${keep}
        }`,
    };
    const source = `
      ${header}
      #define COLS ${cols}
      #define PACKS ${width === 1 ? "COLS" : `(COLS / ${width})`}
      #define THREADS ${threads}
      ${packFunctions(width, unpack, product)}
      ${on(block, groupTotal(total, "THREADS"))}
      extern "C" __global__ void row_powers(const ${type}* __restrict__ x, float* __restrict__ sums) {
        ${powers[power]}
      }

      ${scaleKernel(shape, width, `y[i] = scaled(x[i], w[c], ${factor});`)}
    `;
    const perRow = { block: threads, warp: 32, "lane-loop": 8 }[power];
    const launches = [
      launch("row_powers", (rows * perRow) / threads, threads, ["x", "sums"]),
      scaleLaunch(shape, cols / width, rows),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** Column pieces add their powers with atomics. */
export const columnPieces: Template = template({
  id: "column-pieces",
  from: "power-then-scale",
  idea: "Cut the columns into pieces that different blocks add up, joined by atomics or by partial sums.",
  options: {
    join: ["atomic", "partials"],
    adder: ["warp", "block", "thread"],
    width: [8, 2, 4],
    unpack: ["cast", "union", "bits"],
    product: ["float", "paired", "half-weight"],
    shape: ["flat", "grid", "stride"],
    pieces: [4, 8, 2, 16],
    threads: [128, 64, 32],
  },
  valid: ({ join, adder, width, unpack, threads }) =>
    (width > 2 || unpack === "cast") &&
    (join === "atomic" || adder === "block") &&
    (adder !== "thread" || threads === 32),
  count: 24,
  write: ({ join, adder, width, unpack, product, shape, pieces, threads }, { rows = 0, cols = 0 }) => {
    const type = packOf(width);
    const atomic = join === "atomic";
    const fold = "for (int hop = 16; hop > 0; hop >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, hop);";
    const adders = {
      thread: "atomicAdd(sums + row, sum);",
      warp: `${fold}\nif (threadIdx.x % 32 == 0) atomicAdd(sums + row, sum);`,
      block: `sum = total_of(sum);\nif (threadIdx.x == 0) ${atomic ? "atomicAdd(sums + row, sum);" : "sums[row * PIECES + piece] = sum;"}`,
    };
    const gathered = atomic
      ? `y[i] = scaled(x[i], w[c], ${factorOf("sums[row]")});`
      : `
        float sum = 0.0f;
        for (int p = 0; p < PIECES; ++p) sum += sums[row * PIECES + p];
        y[i] = scaled(x[i], w[c], ${factorOf("sum")});`;
    const source = `
      ${header}
      #define COLS ${cols}
      #define PACKS (COLS / ${width})
      #define PIECES ${pieces}
      #define THREADS ${threads}
      ${packFunctions(width, unpack, product)}
      ${on(adder === "block", groupTotal("board", "THREADS"))}
      ${on(
        atomic,
        `extern "C" __global__ void zero_sums(float* sums, int rows) {
        int row = blockIdx.x * blockDim.x + threadIdx.x;
        if (row < rows) sums[row] = 0.0f;
      }`,
      )}

      extern "C" __global__ void piece_powers(const ${type}* __restrict__ x, float* __restrict__ sums) {
        const int row = blockIdx.y;
        const int piece = blockIdx.x;
        const ${type}* in = x + (size_t)row * PACKS + piece * (PACKS / PIECES);
        float sum = 0.0f;
        for (int c = threadIdx.x; c < PACKS / PIECES; c += THREADS) sum += power(in[c]);
        ${adders[adder]}
      }

      ${scaleKernel(shape, width, gathered)}
    `;
    const launches = [
      ...(atomic ? [launch("zero_sums", Math.ceil(rows / 256), 256, ["sums", { i32: rows }])] : []),
      launch("piece_powers", [pieces, rows], threads, ["x", "sums"]),
      scaleLaunch(shape, cols / width, rows),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** A block advances through several rows side by side. */
export const rowsTogether: Template = template({
  id: "rows-side-by-side",
  from: "row-per-block",
  idea: "Let one block normalise several rows side by side, so that one load of the weights serves them all.",
  options: {
    keep: ["registers", "reread"],
    unpack: ["cast", "union", "bits"],
    product: ["float", "paired", "half-weight"],
    reduce: ["array", "each"],
    gap: [false, true],
    store: ["plain", "stcs"],
    bounds: [false, true],
    together: [2, 4, 3],
    threads: [320, 640, 160, 128],
  },
  valid: ({ keep, together, threads }) => keep === "reread" || (640 / threads) * together <= 16,
  count: 27,
  write: (options, { rows = 0, cols = 0 }) => {
    const { keep, unpack, product, reduce, gap, store, bounds, together, threads } = options;
    const each = cols / 8 / threads;
    const held = keep === "registers";
    const rowAt = (r: string): string => (gap ? `(blockIdx.x + ${r} * gridDim.x)` : `(blockIdx.x * TOGETHER + ${r})`);
    const place = (r: string): string => `(size_t)${rowAt(r)} * PACKS + tid + k * THREADS`;
    const put = (r: string, value: string): string =>
      store === "plain" ? `y[${place(r)}] = ${value};` : `__stcs(y + ${place(r)}, ${value});`;
    const array = `
      __shared__ float board[TOGETHER][32];
      #pragma unroll
      for (int r = 0; r < TOGETHER; ++r) {
        for (int hop = 16; hop > 0; hop >>= 1) sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], hop);
        if (tid % 32 == 0) board[r][tid / 32] = sum[r];
      }
      __syncthreads();
      #pragma unroll
      for (int r = 0; r < TOGETHER; ++r) {
        float all = 0.0f;
        for (int k = 0; k < THREADS / 32; ++k) all += board[r][k];
        factor[r] = ${factorOf("all")};
      }`;
    const source = `
      ${header}
      #define COLS ${cols}
      #define PACKS (COLS / 8)
      #define THREADS ${threads}
      #define EACH ${each}
      #define TOGETHER ${together}
      ${packFunctions(8, unpack, product)}
      ${on(reduce === "each", groupTotal("board", "THREADS"))}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}rows_together(const uint4* __restrict__ x, const uint4* __restrict__ w, uint4* __restrict__ y) {
        const int tid = threadIdx.x;
        float sum[TOGETHER], factor[TOGETHER];
        ${on(held, "uint4 pack[TOGETHER][EACH];")}
        ${repeat(together, (r) => `sum[${r}] = 0.0f;`)}
        #pragma unroll
        for (int k = 0; k < EACH; ++k) {
          #pragma unroll
          for (int r = 0; r < TOGETHER; ++r) {
            ${held ? `pack[r][k] = x[${place("r")}];` : `sum[r] += power(x[${place("r")}]);`}
          }
        }
        ${on(held, "#pragma unroll\nfor (int r = 0; r < TOGETHER; ++r) {\n#pragma unroll\nfor (int k = 0; k < EACH; ++k) sum[r] += power(pack[r][k]);\n}")}
        ${reduce === "array" ? array : `for (int r = 0; r < TOGETHER; ++r) factor[r] = ${factorOf("total_of(sum[r])")};`}
        #pragma unroll
        for (int k = 0; k < EACH; ++k) {
          const uint4 gain = w[tid + k * THREADS];
          #pragma unroll
          for (int r = 0; r < TOGETHER; ++r) {
            ${put("r", `scaled(${held ? "pack[r][k]" : `x[${place("r")}]`}, gain, factor[r])`)}
          }
        }
      }
    `;
    return styled(
      { source, launches: [launch("rows_together", rows / together, threads, ["x", "w", "y"])] },
      { names: "snake", indent: 4 },
    );
  },
});
