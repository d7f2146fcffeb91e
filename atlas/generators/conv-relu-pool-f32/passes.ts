import { on, repeat, styled, template } from "../kit/code.ts";
import { launch3, pair, shapeOf } from "./shape.ts";

const quad = ["x", "y", "z", "w"];

/** The pass that takes the largest of each window of `work`; `value` completes one sum. */
function poolPass(
  width: "one" | "two" | "four",
  size: { n: number; ph: number; pw: number },
  value: (v: string) => string,
): string {
  const per = { one: 1, two: 1, four: 2 }[width];
  const read = {
    one: `const float a = top[0], b = top[1], c = top[WIDTH], d = top[WIDTH + 1];
      out[i] = ${value("fmaxf(fmaxf(a, b), fmaxf(c, d))")};`,
    two: `const float2 a = *reinterpret_cast<const float2*>(top);
      const float2 b = *reinterpret_cast<const float2*>(top + WIDTH);
      out[i] = ${value("fmaxf(fmaxf(a.x, a.y), fmaxf(b.x, b.y))")};`,
    four: `const float4 a = *reinterpret_cast<const float4*>(top);
      const float4 b = *reinterpret_cast<const float4*>(top + WIDTH);
      float2 best;
      best.x = ${value("fmaxf(fmaxf(a.x, a.y), fmaxf(b.x, b.y))")};
      best.y = ${value("fmaxf(fmaxf(a.z, a.w), fmaxf(b.z, b.w))")};
      reinterpret_cast<float2*>(out)[i] = best;`,
  }[width];
  return `extern "C" __global__ void pool(const float* __restrict__ work, const float* __restrict__ bias, float* __restrict__ out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int column = i % ${size.pw / per} * ${2 * per};
        const int row = i / ${size.pw / per} % ${size.ph};
        const int plane = i / ${(size.pw / per) * size.ph};
        const float* top = work + (plane * HEIGHT + 2 * row) * WIDTH + column;
        ${read}
      }`;
}

function poolLaunch(width: "one" | "two" | "four", size: { n: number; ph: number; pw: number }) {
  const outputs = (16 * size.n * size.ph * size.pw) / (width === "four" ? 2 : 1);
  return launch3("pool", [outputs / 256, 1, 1], [256, 1, 1], ["work", "bias", "out"]);
}

/** Convolution into scratch, then the maximum. */
export const separatePasses = template({
  id: "separate-passes",
  from: "pooled-thread",
  idea: "Write the convolution to scratch and pool in a pass of its own",
  options: {
    columns: [1, 2, 4],
    relu: ["conv", "pool", "own pass"],
    weights: ["global", "shared", "registers"],
    border: ["branch", "select"],
    pool: ["one", "two", "four"],
    store: ["plain", "vector"],
    block: ["32x8", "16x16", "32x4", "16x8"],
  },
  valid: (o) => o.store === "plain" || o.columns > 1,
  count: 28,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const cols = o.columns;
    const inside = `iy >= 0 && iy < HEIGHT && ix >= 0 && ix < WIDTH`;
    const tap = {
      global: "weight[(f * 8 + c) * 25 + ky * 5 + kx]",
      shared: "taps[c * 25 + ky * 5 + kx]",
      registers: "taps[ky * 5 + kx]",
    }[o.weights];
    const unrolled = o.weights === "registers" ? "#pragma unroll" : "";
    const inner = `const int iy = y + ky - 2;
        ${unrolled}
        for (int kx = 0; kx < 5; ++kx) {
          const float t = ${tap};
          ${repeat(cols, (k) => {
            const read = "x[((image * 8 + c) * HEIGHT + iy) * WIDTH + ix]";
            const use =
              o.border === "select"
                ? `sum${k} += t * (${inside} ? ${read} : 0.0f);`
                : `if (${inside}) sum${k} += t * ${read};`;
            return `{\nconst int ix = x0 + ${k} + kx - 2;\n${use}\n}`;
          })}
        }`;
    const done = (k: number): string => (o.relu === "conv" ? `fmaxf(sum${k}, 0.0f)` : `sum${k}`);
    const store =
      o.store === "vector"
        ? `*reinterpret_cast<float${cols}*>(to) = make_float${cols}(${repeat(cols, done, ", ")});`
        : repeat(cols, (k) => `to[${k}] = ${done(k)};`);
    const conv = `extern "C" __global__ void convolve(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias, float* __restrict__ work) {
        const int x0 = (blockIdx.x * blockDim.x + threadIdx.x) * ${cols};
        const int y = blockIdx.y * blockDim.y + threadIdx.y;
        const int f = blockIdx.z & 15, image = blockIdx.z >> 4;
        ${on(
          o.weights === "shared",
          `__shared__ float taps[200];
          for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < 200; i += blockDim.x * blockDim.y) taps[i] = weight[f * 200 + i];
          __syncthreads();`,
        )}
        float ${repeat(cols, (k) => `sum${k} = bias[f]`, ", ")};
        for (int c = 0; c < 8; ++c) {
          ${on(
            o.weights === "registers",
            `float taps[25];
            #pragma unroll
            for (int t = 0; t < 25; ++t) taps[t] = weight[(f * 8 + c) * 25 + t];`,
          )}
          ${unrolled}
          for (int ky = 0; ky < 5; ++ky) {
            ${inner}
          }
        }
        float* to = work + ((image * 16 + f) * HEIGHT + y) * WIDTH + x0;
        ${store}
      }`;
    const own = o.relu === "own pass";
    const activate = `extern "C" __global__ void activate(float* work) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        work[i] = fmaxf(work[i], 0.0f);
      }`;
    const source = `#define HEIGHT ${h}
      #define WIDTH ${w}

      ${conv}

      ${on(own, activate)}

      ${poolPass(o.pool, { n, ph, pw }, (v) => (o.relu === "pool" ? `fmaxf(${v}, 0.0f)` : v))}
    `;
    const [bx, by] = pair(o.block);
    return styled(
      {
        source,
        launches: [
          launch3("convolve", [w / cols / bx, h / by, 16 * n], [bx, by, 1], ["x", "weight", "bias", "work"]),
          ...(own ? [launch3("activate", [(16 * n * h * w) / 256, 1, 1], [256, 1, 1], ["work"])] : []),
          poolLaunch(o.pool, { n, ph, pw }),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

/** One launch per input channel adds into scratch. */
export const channelSweeps = template({
  id: "channel-sweeps",
  from: "separate-passes",
  idea: "Add one input channel per launch, with that channel's weights in registers or shared memory",
  options: {
    weights: ["shared", "global"],
    filters: [1, 2, 4, 16],
    columns: [2, 1, 4],
    row: ["cells", "strip"],
    bias: ["first", "pool"],
    pool: ["two", "one", "four"],
    block: ["32x8", "16x16", "32x4", "16x8"],
  },
  count: 22,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const { columns, filters } = o;
    const shared = o.weights === "shared";
    const tap = shared ? "taps[f * 25 + ky * 5 + kx]" : "weight[((f0 + f) * 8 + c) * 25 + ky * 5 + kx]";
    const cell = (ix: string): string =>
      `((unsigned)iy < HEIGHT && (unsigned)(${ix}) < WIDTH) ? image_rows[iy * WIDTH + ${ix}] : 0.0f`;
    const row =
      o.row === "strip"
        ? `float strip[${columns + 4}];
          #pragma unroll
          for (int k = 0; k < ${columns + 4}; ++k) strip[k] = ${cell("left + k - 2")};`
        : "";
    const value = (k: string): string => (o.row === "strip" ? `strip[${k} + kx]` : `(${cell(`left + ${k} + kx - 2`)})`);
    const start =
      o.bias === "first" ? "c == 0 ? bias[f0 + f] : to[f * PLANE + k]" : "c == 0 ? 0.0f : to[f * PLANE + k]";
    const source = `#define HEIGHT ${h}
      #define WIDTH ${w}
      #define PLANE (HEIGHT * WIDTH)

      extern "C" __global__ void add_channel(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias, float* work, int c) {
        const int left = (blockIdx.x * blockDim.x + threadIdx.x) * ${columns};
        const int y = blockIdx.y * blockDim.y + threadIdx.y;
        const int f0 = blockIdx.z % ${16 / filters} * ${filters};
        const int image = blockIdx.z / ${16 / filters};
        ${on(
          shared,
          `__shared__ float taps[${25 * filters}];
          for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < ${25 * filters}; i += blockDim.x * blockDim.y)
            taps[i] = weight[((f0 + i / 25) * 8 + c) * 25 + i % 25];
          __syncthreads();`,
        )}
        const float* image_rows = x + (image * 8 + c) * PLANE;
        float* to = work + (image * 16 + f0) * PLANE + y * WIDTH + left;
        float sums[${filters}][${columns}];
        #pragma unroll
        for (int f = 0; f < ${filters}; ++f) {
          #pragma unroll
          for (int k = 0; k < ${columns}; ++k) sums[f][k] = ${start};
        }
        #pragma unroll
        for (int ky = 0; ky < 5; ++ky) {
          const int iy = y + ky - 2;
          ${row}
          #pragma unroll
          for (int kx = 0; kx < 5; ++kx) {
            #pragma unroll
            for (int f = 0; f < ${filters}; ++f) {
              const float t = ${tap};
              #pragma unroll
              for (int k = 0; k < ${columns}; ++k) sums[f][k] += t * ${value("k")};
            }
          }
        }
        #pragma unroll
        for (int f = 0; f < ${filters}; ++f) {
          #pragma unroll
          for (int k = 0; k < ${columns}; ++k) to[f * PLANE + k] = sums[f][k];
        }
      }

      ${poolPass(o.pool, { n, ph, pw }, (v) => (o.bias === "pool" ? `fmaxf(${v} + bias[plane % 16], 0.0f)` : `fmaxf(${v}, 0.0f)`))}
    `;
    const [bx, by] = pair(o.block);
    const sweeps = Array.from({ length: 8 }, (_, c) =>
      launch3(
        "add_channel",
        [w / columns / bx, h / by, (16 / filters) * n],
        [bx, by, 1],
        ["x", "weight", "bias", "work", { i32: c }],
      ),
    );
    return styled({ source, launches: [...sweeps, poolLaunch(o.pool, { n, ph, pw })] }, { names: "snake", indent: 4 });
  },
});

/** The body of the copy with a border, by cells or by rows. */
function padBody(cells: boolean, n: number, h: number, w: number): string {
  return cells
    ? `const int i = blockIdx.x * blockDim.x + threadIdx.x;
          if (i >= ${n * 8} * ROWS * PITCH) return;
          const int column = i % PITCH - 2, row = i / PITCH % ROWS - 2, plane = i / (PITCH * ROWS);
          const bool inside = column >= 0 && column < ${w} && row >= 0 && row < ${h};
          padded[i] = inside ? x[(plane * ${h} + row) * ${w} + column] : 0.0f;`
    : `const int row = blockIdx.x % ROWS, plane = blockIdx.x / ROWS;
          float* line = padded + (plane * ROWS + row) * PITCH;
          for (int k = threadIdx.x; k < PITCH; k += blockDim.x)
            line[k] = row >= 2 && row < ${h + 2} && k >= 2 && k < ${w + 2} ? x[(plane * ${h} + row - 2) * ${w} + k - 2] : 0.0f;`;
}

/** Images with a border of zeros, so that no place needs a test. */
export const paddedImages = template({
  id: "padded-images",
  from: "pooled-thread",
  idea: "Copy the images with a border of zeros first, so that windows are read whole and as vectors",
  options: {
    read: ["scalar", "vector", "ldg"],
    filters: [1, 2, 4, 8],
    pad: ["cells", "rows"],
    weights: ["shared", "global"],
    macs: ["taps", "rows"],
    across: [1, 2],
    block: ["32x4", "16x8", "32x8", "16x4"],
  },
  valid: (o) => o.filters * o.across <= 8,
  count: 24,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const { filters, across } = o;
    const span = 2 * across + 4;
    const vector = across === 1 ? "float2" : "float4";
    const lanes = across === 1 ? 2 : 4;
    const load =
      o.read === "vector"
        ? `const ${vector}* line = reinterpret_cast<const ${vector}*>(corner + r * PITCH);
          #pragma unroll
          for (int v = 0; v < ${span / lanes}; ++v) {
            const ${vector} part = line[v];
            ${repeat(lanes, (k) => `window[r][${lanes} * v + ${k}] = part.${quad[k]};`)}
          }`
        : `#pragma unroll
          for (int k = 0; k < ${span}; ++k) window[r][k] = ${o.read === "ldg" ? "__ldg(corner + r * PITCH + k)" : "corner[r * PITCH + k]"};`;
    const tap =
      o.weights === "shared" ? "taps[(f * 8 + c) * 25 + ky * 5 + kx]" : "weight[((f0 + f) * 8 + c) * 25 + ky * 5 + kx]";
    const use = `const float t = ${tap};
        #pragma unroll
        for (int k = 0; k < ${2 * across}; ++k) {
          sums[f][0][k] += t * window[ky][k + kx];
          sums[f][1][k] += t * window[ky + 1][k + kx];
        }`;
    const each = (name: string, end: number, body: string): string =>
      `#pragma unroll\nfor (int ${name} = 0; ${name} < ${end}; ++${name}) {\n${body}\n}`;
    const macs =
      o.macs === "taps"
        ? each("ky", 5, each("kx", 5, each("f", filters, use)))
        : each("f", filters, each("ky", 5, each("kx", 5, use)));
    const [bx, by] = pair(o.block);
    const best = (k: number): string =>
      `fmaxf(fmaxf(fmaxf(sums[f][0][${2 * k}], sums[f][0][${2 * k + 1}]), fmaxf(sums[f][1][${2 * k}], sums[f][1][${2 * k + 1}])), 0.0f)`;
    const source = `constexpr int PITCH = ${w + 4}, ROWS = ${h + 4};

      extern "C" __global__ void pad_images(const float* __restrict__ x, float* __restrict__ padded) {
        ${padBody(o.pad === "cells", n, h, w)}
      }

      extern "C" __global__ void conv_windows(const float* __restrict__ padded, const float* __restrict__ weight, const float* __restrict__ bias, float* __restrict__ out) {
        const int px = (blockIdx.x * ${bx} + threadIdx.x) * ${across};
        const int py = blockIdx.y * ${by} + threadIdx.y;
        const int f0 = blockIdx.z % ${16 / filters} * ${filters};
        const int image = blockIdx.z / ${16 / filters};
        ${on(
          o.weights === "shared",
          `__shared__ float taps[${200 * filters}];
          for (int i = threadIdx.y * ${bx} + threadIdx.x; i < ${200 * filters}; i += ${bx * by}) taps[i] = weight[f0 * 200 + i];
          __syncthreads();`,
        )}
        float sums[${filters}][2][${2 * across}];
        ${each("f", filters, each("k", 2 * across, "sums[f][0][k] = sums[f][1][k] = bias[f0 + f];"))}
        for (int c = 0; c < 8; ++c) {
          const float* corner = padded + ((image * 8 + c) * ROWS + 2 * py) * PITCH + 2 * px;
          float window[6][${span}];
          ${each("r", 6, load)}
          ${macs}
        }
        ${each("f", filters, `float* to = out + ((image * 16 + f0 + f) * ${ph} + py) * ${pw} + px;\n${repeat(across, (k) => `to[${k}] = ${best(k)};`)}`)}
      }
    `;
    return styled(
      {
        source,
        launches: [
          o.pad === "cells"
            ? launch3("pad_images", [Math.ceil((8 * n * (h + 4) * (w + 4)) / 256), 1, 1], [256, 1, 1], ["x", "padded"])
            : launch3("pad_images", [8 * n * (h + 4), 1, 1], [128, 1, 1], ["x", "padded"]),
          launch3(
            "conv_windows",
            [pw / bx / across, ph / by, (16 / filters) * n],
            [bx, by, 1],
            ["padded", "weight", "bias", "out"],
          ),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});
