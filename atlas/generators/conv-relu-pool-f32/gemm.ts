import { on, repeat, styled, template } from "../kit/code.ts";
import { launch3, shapeOf } from "./shape.ts";

/** The sizes and a read that takes places outside the image as zero. */
function pixelReader(h: number, w: number): string {
  return `#define HEIGHT ${h}
      #define WIDTH ${w}

      __device__ __forceinline__ float pixel(const float* __restrict__ plane, int y, int x) {
        return (unsigned)y < HEIGHT && (unsigned)x < WIDTH ? plane[y * WIDTH + x] : 0.0f;
      }`;
}

/** One row of pooled pixels as a matrix product: columns are windows, the inner dimension one channel's taps. */
export const matrixProduct = template({
  id: "matrix-product",
  from: "patch-in-shared",
  idea: "Lay each channel's windows out as a matrix in shared memory and multiply it by the weights",
  options: {
    layout: ["windows", "planes"],
    source: ["global", "rows"],
    filters: [4, 2, 8, 16],
    windows: [2, 1, 4],
    weights: ["shared", "channel", "global"],
    bounds: [false, true],
    unroll: ["#pragma unroll 5", "#pragma unroll", "#pragma unroll 1"],
  },
  valid: (o) => {
    const threads = (64 / o.windows) * (16 / o.filters);
    return threads >= 32 && threads <= 512;
  },
  count: 24,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const { filters, windows } = o;
    const across = pw / windows;
    const threads = across * (16 / filters);
    const byWindow = o.layout === "windows";
    const cell = byWindow ? "matrix[tap][window][q]" : "matrix[tap][q][window]";
    const value =
      o.source === "rows"
        ? "rows[q / 2 + tap / 5][2 * window + q % 2 + tap % 5]"
        : `pixel(plane, 2 * py + q / 2 + tap / 5 - 2, 2 * window + q % 2 + tap % 5 - 2)`;
    const fill = byWindow
      ? `const int q = i % 4, window = i / 4 % ${pw}, tap = i / ${4 * pw};`
      : `const int window = i % ${pw}, q = i / ${pw} % 4, tap = i / ${4 * pw};`;
    const loadA = (j: number): string =>
      byWindow
        ? `const float4 a${j} = *reinterpret_cast<const float4*>(matrix[tap][tx + ${j * across}]);`
        : `const float4 a${j} = make_float4(${repeat(4, (q) => `matrix[tap][${q}][tx + ${j * across}]`, ", ")});`;
    const weight = {
      shared: "taps[c * 25 + tap][f0 + f]",
      channel: "taps[tap][f0 + f]",
      global: "weight[((f0 + f) * 8 + c) * 25 + tap]",
    }[o.weights];
    const macs = repeat(windows, (j) =>
      ["x", "y", "z", "w"].map((k) => `sum[${j}][f].${k} += b * a${j}.${k};`).join("\n"),
    );
    const source = `${pixelReader(h, w)}
      extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${threads}) `)}conv_as_product(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias, float* __restrict__ out) {
        __shared__ __align__(16) float matrix[25]${byWindow ? `[${pw}][4]` : `[4][${pw}]`};
        ${on(o.source === "rows", `__shared__ float rows[6][WIDTH + 4];`)}
        ${{ shared: "__shared__ float taps[200][16];", channel: "__shared__ float taps[25][16];", global: "" }[o.weights]}
        const int tx = threadIdx.x % ${across}, f0 = threadIdx.x / ${across} * ${filters};
        const int py = blockIdx.x, image = blockIdx.y;
        ${on(o.weights === "shared", `for (int i = threadIdx.x; i < 3200; i += ${threads}) taps[i % 200][i / 200] = weight[i];`)}
        float4 sum[${windows}][${filters}];
        #pragma unroll
        for (int f = 0; f < ${filters}; ++f) {
          const float b = bias[f0 + f];
          ${repeat(windows, (j) => `sum[${j}][f] = make_float4(b, b, b, b);`)}
        }
        for (int c = 0; c < 8; ++c) {
          const float* plane = x + (image * 8 + c) * HEIGHT * WIDTH;
          __syncthreads();
          ${on(o.weights === "channel", `for (int i = threadIdx.x; i < 400; i += ${threads}) taps[i % 25][i / 25] = weight[(i / 25 * 8 + c) * 25 + i % 25];`)}
          ${on(
            o.source === "rows",
            `for (int i = threadIdx.x; i < 6 * (WIDTH + 4); i += ${threads})
              rows[i / (WIDTH + 4)][i % (WIDTH + 4)] = pixel(plane, 2 * py + i / (WIDTH + 4) - 2, i % (WIDTH + 4) - 2);
            __syncthreads();`,
          )}
          for (int i = threadIdx.x; i < ${100 * pw}; i += ${threads}) {
            ${fill}
            ${cell} = ${value};
          }
          __syncthreads();
          ${o.unroll}
          for (int tap = 0; tap < 25; ++tap) {
            ${repeat(windows, loadA)}
            #pragma unroll
            for (int f = 0; f < ${filters}; ++f) {
              const float b = ${weight};
              ${macs}
            }
          }
        }
        #pragma unroll
        for (int f = 0; f < ${filters}; ++f) {
          ${repeat(windows, (j) => `out[((image * 16 + f0 + f) * ${ph} + py) * ${pw} + tx + ${j * across}] = fmaxf(fmaxf(fmaxf(sum[${j}][f].x, sum[${j}][f].y), fmaxf(sum[${j}][f].z, sum[${j}][f].w)), 0.0f);`)}
        }
      }
    `;
    return styled(
      {
        source,
        launches: [launch3("conv_as_product", [ph, n, 1], [threads, 1, 1], ["x", "weight", "bias", "out"])],
      },
      { names: "snake", indent: 2 },
    );
  },
});
