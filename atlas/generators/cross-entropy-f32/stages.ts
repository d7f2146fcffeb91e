import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  expDifference,
  lanes4,
  larger,
  logarithm,
  logConstants,
  plus,
  takeIn,
  warpFold,
  type Exponent,
} from "./pieces.ts";

/** One launch for peaks, one for masses, one for the losses. */
export const stages: Template = template({
  id: "kernel-per-stage",
  from: "block-per-row",
  idea: "Use one kernel for the peaks, one for the masses and one for the losses, with segments of rows per block.",
  options: {
    peaks: ["warp-atomic", "thread-atomic", "block-atomic"],
    masses: ["warp-atomic", "block-atomic", "thread-atomic"],
    vector: [false, true],
    exponent: ["libm", "intrinsic", "base2"],
    flat: [false, true],
    restrict: [true, false],
    segment: [2000, 1280, 4000, 8000, 16000],
    threads: [128, 256, 64],
  },
  count: 25,
  write: ({ peaks, masses, vector, exponent, flat, restrict, segment, threads }, { rows = 0, cols = 0 }) => {
    const mark = on(restrict, " __restrict__");
    const type = vector ? "float4" : "float";
    const per = cols / segment;
    const unit = vector ? segment / 4 : segment;
    const where = flat
      ? `const int r = blockIdx.x / PER_ROW, s = blockIdx.x % PER_ROW;`
      : `const int r = blockIdx.y, s = blockIdx.x;`;
    const begin = `
      ${where}
      const ${type}* row = (const ${type}*)(logits + (size_t)r * COLS) + s * UNIT;`;
    const each = (line: (v: string) => string): string =>
      vector ? `${type} v = row[i];\n${lanes4.map((lane) => line(`v.${lane}`)).join("\n")}` : line("row[i]");
    const store = (how: typeof peaks, value: string, fold: string, add: (v: string) => string): string => {
      if (how === "thread-atomic") return add(value);
      if (how === "warp-atomic") return `${value} = ${fold}(${value});\nif (threadIdx.x % 32 == 0) ${add(value)}`;
      return `
      __shared__ float board[THREADS / 32];
      ${value} = ${fold}(${value});
      if (threadIdx.x % 32 == 0) board[threadIdx.x / 32] = ${value};
      __syncthreads();
      if (threadIdx.x == 0) {
        for (int w = 1; w < THREADS / 32; ++w) ${value} = ${fold === "top_of" ? larger(value, "board[w]") : plus(value, "board[w]")};
        ${add(value)}
      }`;
    };
    const source = `
      #define COLS ${cols}
      #define UNIT ${unit}  // ${type} per segment
      #define PER_ROW ${per}
      #define THREADS ${threads}
      ${logConstants(exponent)}
      ${warpFold("top_of", larger, true)}
      ${warpFold("sum_of", plus, true)}
      extern "C" __global__ void reset(float* partial, int count) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < count) partial[i] = 0.0f;
      }

      // The logits are positive, so their bits order like integers.
      extern "C" __global__ void row_peaks(const float*${mark} logits, int*${mark} peaks) {
        ${begin}
        float peak = 0.0f;
        for (int i = threadIdx.x; i < UNIT; i += THREADS) {
          ${each((v) => `peak = fmaxf(peak, ${v});`)}
        }
        ${store(peaks, "peak", "top_of", (v) => `atomicMax(peaks + r, __float_as_int(${v}));`)}
      }

      extern "C" __global__ void row_masses(const float*${mark} logits, float* partial, int rows) {
        ${begin}
        const float peak = partial[r];
        float mass = 0.0f;
        for (int i = threadIdx.x; i < UNIT; i += THREADS) {
          ${each((v) => `mass += ${expDifference(exponent, v, "peak")};`)}
        }
        ${store(masses, "mass", "sum_of", (v) => `atomicAdd(partial + rows + r, ${v});`)}
      }

      extern "C" __global__ void row_losses(const float*${mark} logits, const int*${mark} labels, const float*${mark} partial, float*${mark} loss, int rows) {
        int r = blockIdx.x * blockDim.x + threadIdx.x;
        if (r < rows) loss[r] = partial[r] + ${logarithm(exponent, "partial[rows + r]")} - logits[(size_t)r * COLS + labels[r]];
      }
    `;
    const grid = flat ? rows * per : ([per, rows] as const);
    const launches = [
      launch("reset", Math.ceil((2 * rows) / 256), 256, ["partial", { i32: 2 * rows }]),
      launch("row_peaks", grid, threads, ["logits", "partial"]),
      launch("row_masses", grid, threads, ["logits", "partial", { i32: rows }]),
      launch("row_losses", Math.ceil(rows / 128), 128, ["logits", "labels", "partial", "loss", { i32: rows }]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** Tiles of several rows are turned in shared memory. */
export const turnedTiles: Template = template({
  id: "turned-tiles",
  from: "thread-per-row",
  idea: "Load tiles of several rows with neighbouring threads on neighbouring logits, then let each thread walk its row of the tile.",
  options: {
    pad: [true, false],
    fill: ["linear", "warp-rows", "quads"],
    walk: ["running", "tile-peak"],
    branching: [false, true],
    exponent: ["libm", "intrinsic", "base2"],
    split: ["none", "eight"],
    width: [64, 32, 128],
    tileRows: [32, 64, 16],
  },
  valid: ({ walk, branching, width, tileRows, fill, pad }) =>
    (walk === "running" || !branching) && width * tileRows <= 4096 && (fill !== "quads" || !pad),
  count: 20,
  write: ({ pad, fill, walk, branching, exponent, split, width, tileRows }, { rows = 0, cols = 0 }) => {
    const threads = Math.max(64, tileRows);
    const eight = split === "eight";
    const fills = {
      linear: `
          for (int k = threadIdx.x; k < HEIGHT * WIDTH; k += THREADS) {
            tile[k / WIDTH][k % WIDTH] = corner[(size_t)(k / WIDTH) * COLS + c0 + k % WIDTH];
          }`,
      "warp-rows": `
          for (int y = threadIdx.x / 32; y < HEIGHT; y += THREADS / 32) {
            for (int x = threadIdx.x % 32; x < WIDTH; x += 32) tile[y][x] = corner[(size_t)y * COLS + c0 + x];
          }`,
      quads: `
          for (int k = threadIdx.x; k < HEIGHT * WIDTH / 4; k += THREADS) {
            const int y = k / (WIDTH / 4), x = k % (WIDTH / 4) * 4;
            *(float4*)&tile[y][x] = *(const float4*)(corner + (size_t)y * COLS + c0 + x);
          }`,
    };
    const walks = {
      running: `for (int x = 0; x < WIDTH; ++x) take_in(tile[mine][x], peak, mass);`,
      "tile-peak": `
            float higher = peak;
            for (int x = 0; x < WIDTH; ++x) higher = fmaxf(higher, tile[mine][x]);
            mass *= ${expDifference(exponent, "peak", "higher")};
            for (int x = 0; x < WIDTH; ++x) mass += ${expDifference(exponent, "tile[mine][x]", "higher")};
            peak = higher;`,
    };
    const finish = eight
      ? `
        if (mine < HEIGHT) {
          partial[2 * ((row0 + mine) * 8 + blockIdx.y)] = peak;
          partial[2 * ((row0 + mine) * 8 + blockIdx.y) + 1] = mass;
        }`
      : `
        if (mine < HEIGHT) {
          loss[row0 + mine] = peak + ${logarithm(exponent, "mass")} - corner[(size_t)mine * COLS + labels[row0 + mine]];
        }`;
    const source = `
      #define WIDTH ${width}
      #define HEIGHT ${tileRows}
      #define THREADS ${threads}
      #define COLS ${cols}
      ${logConstants(exponent)}
      ${on(walk === "running", takeIn(exponent, branching))}
      extern "C" __global__ void tile_losses(const float* __restrict__ logits, ${eight ? "float* __restrict__ partial" : "const int* __restrict__ labels, float* __restrict__ loss"}) {
        __shared__ ${on(fill === "quads", "__align__(16) ")}float tile[HEIGHT][WIDTH${on(pad, " + 1")}];
        const int mine = threadIdx.x;
        const int row0 = blockIdx.x * HEIGHT;
        const float* corner = logits + (size_t)row0 * COLS;
        float peak = -3.0e38f, mass = 0.0f;
        for (int t = ${eight ? "blockIdx.y" : "0"}; t < (COLS + WIDTH - 1) / WIDTH; t += ${eight ? "8" : "1"}) {
          const int c0 = t * WIDTH;
          ${fills[fill]}
          __syncthreads();
          if (mine < HEIGHT) {
            ${walks[walk]}
          }
          __syncthreads();
        }
        ${finish}
      }

      ${on(eight, gatherKernel(exponent))}
    `;
    const grid = eight ? ([rows / tileRows, 8] as const) : rows / tileRows;
    const main = launch("tile_losses", grid, threads, ["logits", ...(eight ? ["partial"] : ["labels", "loss"])]);
    const after = launch("gather_losses", Math.ceil(rows / 128), 128, [
      "logits",
      "labels",
      "partial",
      "loss",
      { i32: rows },
    ]);
    return styled({ source, launches: eight ? [main, after] : [main] }, { names: "camel", indent: 2 });
  },
});

function gatherKernel(exponent: Exponent): string {
  return `
      extern "C" __global__ void gather_losses(const float* logits, const int* labels, const float* partial, float* loss, int rows) {
        int r = blockIdx.x * blockDim.x + threadIdx.x;
        if (r >= rows) return;
        const float* mine = partial + 16 * r;
        float peak = mine[0], mass = 0.0f;
        for (int k = 1; k < 8; ++k) peak = fmaxf(peak, mine[2 * k]);
        for (int k = 0; k < 8; ++k) mass += mine[2 * k + 1] * ${expDifference(exponent, "mine[2 * k]", "peak")};
        loss[r] = peak + ${logarithm(exponent, "mass")} - logits[(size_t)r * COLS + labels[r]];
      }
    `;
}
