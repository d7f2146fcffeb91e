import { on, styled, template } from "../kit/code.ts";
import { launch3, pair, shapeOf } from "./shape.ts";

/** A channel's weights in registers. */
function holdTaps(held: boolean, tapAt: string): string {
  return on(
    held,
    `float held[FILTERS][25];
      #pragma unroll
      for (int f = 0; f < FILTERS; ++f) {
        #pragma unroll
        for (int ky = 0; ky < 5; ++ky) {
          #pragma unroll
          for (int kx = 0; kx < 5; ++kx) held[f][ky * 5 + kx] = ${tapAt};
        }
      }`,
  );
}

/** The six values of row r that a strip's windows reach. */
function stripRow(masks: boolean, pw: number): string {
  return masks
    ? `const bool rowInside = (unsigned)(top + r) < HEIGHT;
          const float* line = plane + (top + r) * WIDTH + left;
          float v[6];
          v[0] = rowInside && px > 0 ? line[0] : 0.0f;
          v[1] = rowInside && px > 0 ? line[1] : 0.0f;
          v[2] = rowInside ? line[2] : 0.0f;
          v[3] = rowInside ? line[3] : 0.0f;
          v[4] = rowInside && px < ${pw - 1} ? line[4] : 0.0f;
          v[5] = rowInside && px < ${pw - 1} ? line[5] : 0.0f;`
    : `float v[6];
          #pragma unroll
          for (int k = 0; k < 6; ++k)
            v[k] = (unsigned)(top + r) < HEIGHT && (unsigned)(left + k) < WIDTH ? plane[(top + r) * WIDTH + left + k] : 0.0f;`;
}

/** The products of row r with the rows of weights, for all output rows that it reaches. */
function spreadRow(byRows: boolean, tap: string): string {
  const add = `sums[f][y][0] += t * v[kx];\nsums[f][y][1] += t * v[kx + 1];`;
  return byRows
    ? `#pragma unroll
          for (int ky = 0; ky < 5; ++ky) {
            const int y = r - ky;
            if (y >= 0 && y < 2 * POOLED) {
              #pragma unroll
              for (int kx = 0; kx < 5; ++kx) {
                const float t = ${tap};
                ${add}
              }
            }
          }`
    : `#pragma unroll
          for (int y = 0; y < 2 * POOLED; ++y) {
            const int ky = r - y;
            if (ky >= 0 && ky < 5) {
              #pragma unroll
              for (int kx = 0; kx < 5; ++kx) {
                const float t = ${tap};
                ${add}
              }
            }
          }`;
}

/** A thread walks down a strip of pooled pixels; each input row serves all the output rows that it reaches. */
export const columnStrip = template({
  id: "column-strip",
  from: "weights-in-shared",
  idea: "Compute a column of pooled pixels per thread and use each input row for five output rows",
  options: {
    pooled: [2, 4, 1, 8],
    filters: [1, 2],
    weights: ["shared", "global"],
    hold: [true, false],
    border: ["masks", "tests"],
    order: ["rows", "outputs"],
    spread: ["filters in grid", "filters in block"],
    block: ["64x2", "64x4", "32x4", "32x8"],
  },
  valid: (o) => o.pooled * o.filters <= 8,
  count: 24,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const [bx, by] = pair(o.block);
    const { pooled, filters } = o;
    const rows = 2 * pooled + 4;
    const inBlock = o.spread === "filters in block";
    const groups = 16 / filters;
    const shared = o.weights === "shared";
    const staged = shared && !inBlock ? filters : 16;
    const tapAt = shared
      ? `taps[((${inBlock ? "first + f" : "f"}) * 8 + c) * 25 + ky * 5 + kx]`
      : "weight[((first + f) * 8 + c) * 25 + ky * 5 + kx]";
    const tap = o.hold ? "held[f][ky * 5 + kx]" : tapAt;
    const source = `#define HEIGHT ${h}
      #define WIDTH ${w}
      #define POOLED ${pooled}
      #define FILTERS ${filters}

      extern "C" __global__ void strips(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias, float* __restrict__ out) {
        ${on(
          shared,
          `__shared__ float taps[${200 * staged}];
          for (int i = threadIdx.y * ${bx} + threadIdx.x; i < ${200 * staged}; i += ${bx * by}) taps[i] = weight[${on(!inBlock, `blockIdx.z % ${groups} * ${200 * filters} + `)}i];
          __syncthreads();`,
        )}
        const int px = blockIdx.x * ${bx} + threadIdx.x;
        ${
          inBlock
            ? `const int first = (blockIdx.z % ${groups / by} * ${by} + threadIdx.y) * FILTERS;
        const int image = blockIdx.z / ${groups / by};
        const int py = blockIdx.y * POOLED;`
            : `const int first = blockIdx.z % ${groups} * FILTERS;
        const int image = blockIdx.z / ${groups};
        const int py = (blockIdx.y * ${by} + threadIdx.y) * POOLED;`
        }
        const int left = 2 * px - 2, top = 2 * py - 2;
        float sums[FILTERS][2 * POOLED][2];
        #pragma unroll
        for (int f = 0; f < FILTERS; ++f) {
          #pragma unroll
          for (int y = 0; y < 2 * POOLED; ++y) sums[f][y][0] = sums[f][y][1] = bias[first + f];
        }
        #pragma unroll 1
        for (int c = 0; c < 8; ++c) {
          const float* plane = x + (image * 8 + c) * HEIGHT * WIDTH;
          ${holdTaps(o.hold, tapAt)}
          #pragma unroll
          for (int r = 0; r < ${rows}; ++r) {
            ${stripRow(o.border === "masks", pw)}
            #pragma unroll
            for (int f = 0; f < FILTERS; ++f) {
              ${spreadRow(o.order === "rows", tap)}
            }
          }
        }
        #pragma unroll
        for (int f = 0; f < FILTERS; ++f) {
          #pragma unroll
          for (int p = 0; p < POOLED; ++p) {
            const float upper = fmaxf(sums[f][2 * p][0], sums[f][2 * p][1]);
            const float lower = fmaxf(sums[f][2 * p + 1][0], sums[f][2 * p + 1][1]);
            out[((image * 16 + first + f) * ${ph} + py + p) * ${pw} + px] = fmaxf(fmaxf(upper, lower), 0.0f);
          }
        }
      }
    `;
    const grid: [number, number, number] = inBlock
      ? [pw / bx, ph / pooled, (groups / by) * n]
      : [pw / bx, ph / pooled / by, groups * n];
    return styled(
      { source, launches: [launch3("strips", grid, [bx, by, 1], ["x", "weight", "bias", "out"])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Statements that bring the six rows of a pair of output rows into shared memory. */
function bringRows(tile: boolean, width: number, threads: number, h: number, w: number): string {
  return on(
    tile,
    `__syncthreads();
      for (int i = threadIdx.y * ${width} + threadIdx.x; i < 6 * ${width + 4}; i += ${threads}) {
        const int r = i / ${width + 4}, k = i % ${width + 4};
        const int yy = y0 + r - 2, xx = blockIdx.x * ${width} + k - 2;
        rows[r][k] = yy >= 0 && yy < ${h} && xx >= 0 && xx < ${w} ? plane[yy * ${w} + xx] : 0.0f;
      }
      __syncthreads();`,
  );
}

/** The maximum over a pair of rows, of one thread or of two, then what `write` does with `best`. */
function joinRows(two: boolean, write: string): string {
  if (two)
    return `#pragma unroll
      for (int f = 0; f < FILTERS; ++f) {
        float best = fmaxf(sum0[f], sum1[f]);
        ${write}
      }`;
  return `#pragma unroll
      for (int f = 0; f < FILTERS; ++f) {
        if (threadIdx.y == 1) below[f][threadIdx.x] = sum0[f];
      }
      __syncthreads();
      if (threadIdx.y == 0) {
        #pragma unroll
        for (int f = 0; f < FILTERS; ++f) {
          float best = fmaxf(sum0[f], below[f][threadIdx.x]);
          ${write}
        }
      }`;
}

/** A thread per convolution column; neighbours in a warp exchange for the maximum. */
export const pixelThreads = template({
  id: "pixel-threads",
  from: "separate-passes",
  idea: "Give each convolution column a thread and take the maximum over neighbouring lanes",
  options: {
    rows: ["two", "shared"],
    filters: [1, 2, 4, 8],
    exchange: ["xor", "down"],
    input: ["global", "tile"],
    weights: ["shared", "global"],
    restrict: [true, false],
    block: [128, 64, 32],
  },
  count: 24,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const width = o.block;
    const two = o.rows === "two";
    const threads = width * (two ? 1 : 2);
    const tile = o.input === "tile";
    const tap =
      o.weights === "shared" ? "taps[f * 200 + c * 25 + ky * 5 + kx]" : "weight[(f0 + f) * 200 + c * 25 + ky * 5 + kx]";
    const read = (r: string): string =>
      tile
        ? `rows[${r}][threadIdx.x + kx]`
        : `((unsigned)(y0 + ${r} - 2) < ${h}u && (unsigned)(column + kx - 2) < ${w}u ? plane[(y0 + ${r} - 2) * ${w} + column + kx - 2] : 0.0f)`;
    const macs = (dy: number): string =>
      `const float v${dy} = ${read(`ky${dy ? " + 1" : on(!two, " + threadIdx.y")}`)};
      #pragma unroll
      for (int f = 0; f < FILTERS; ++f) sum${dy}[f] += v${dy} * ${tap};`;
    const lanes =
      o.exchange === "xor" ? "__shfl_xor_sync(0xffffffffu, best, 1)" : "__shfl_down_sync(0xffffffffu, best, 1)";
    const write = `best = fmaxf(best, ${lanes});
        if ((threadIdx.x & 1) == 0) out[((image * 16 + f0 + f) * ${ph} + y0 / 2) * ${pw} + column / 2] = fmaxf(best, 0.0f);`;
    const groups = 16 / o.filters;
    const source = `#define FILTERS ${o.filters}

      extern "C" __global__ void conv_columns(${o.restrict ? "const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias, float* __restrict__ out" : "const float* x, const float* weight, const float* bias, float* out"}) {
        ${on(tile, `__shared__ float rows[6][${width + 4}];`)}
        ${on(!two, `__shared__ float below[FILTERS][${width}];`)}
        const int column = blockIdx.x * ${width} + threadIdx.x;
        const int y0 = 2 * blockIdx.y;
        const int f0 = blockIdx.z % ${groups} * FILTERS, image = blockIdx.z / ${groups};
        ${on(
          o.weights === "shared",
          `__shared__ float taps[200 * FILTERS];
          for (int i = threadIdx.y * ${width} + threadIdx.x; i < 200 * FILTERS; i += ${threads}) taps[i] = weight[f0 * 200 + i];
          __syncthreads();`,
        )}
        float sum0[FILTERS]${on(two, ", sum1[FILTERS]")};
        #pragma unroll
        for (int f = 0; f < FILTERS; ++f) ${on(two, "sum1[f] = ")}sum0[f] = bias[f0 + f];
        for (int c = 0; c < 8; ++c) {
          const float* plane = x + (image * 8 + c) * ${h * w};
          ${bringRows(tile, width, threads, h, w)}
          #pragma unroll
          for (int ky = 0; ky < 5; ++ky) {
            #pragma unroll
            for (int kx = 0; kx < 5; ++kx) {
              ${macs(0)}
              ${on(two, macs(1))}
            }
          }
        }
        ${joinRows(two, write)}
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch3(
            "conv_columns",
            [w / width, ph, groups * n],
            [width, threads / width, 1],
            ["x", "weight", "bias", "out"],
          ),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});
