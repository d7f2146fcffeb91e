import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { addTap, column, definitions, extent, outcome, row, spatialOf, taken, type Sum, type Weight } from "./parts.ts";

/** A padded copy of the image first, so that the filter needs no clamping. */
export const paddedImage: Template = template({
  id: "padded-image",
  from: "pixel-thread",
  idea: "Write a copy of the image with its border repeated, then filter without looking at borders.",
  options: {
    weight: ["scaled", "ex2", "exp2f", "intrinsic"],
    spatial: ["table", "computed", "separable"],
    copy: ["rows", "flat"],
    sum: ["value", "offset"],
    unroll: ["both", "inner"],
    read: ["plain", "ldg"],
    run: [1, 2, 4],
    block: ["32x8", "64x4", "128x2", "16x16"],
  },
  count: 27,
  write: (o, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const [bx = 0, by = 0] = o.block.split("x").map(Number);
    const tap = addTap(o.weight, o.sum, {
      pixel: "v",
      centre: "centre[p]",
      place: spatialOf(o.weight, o.spatial, "dx", "(j - p - R)"),
      total: "total[p]",
      weights: "weights[p]",
    });
    const from = "padded[(y + j) * PITCH + x + dx + 16]";
    const copy =
      o.copy === "rows"
        ? `const int b = blockIdx.x * blockDim.x + threadIdx.x;
          const int a = blockIdx.y;
          if (b >= PITCH) return;`
        : `const int i = blockIdx.x * blockDim.x + threadIdx.x;
          if (i >= (H + 2 * R) * PITCH) return;
          const int a = i / PITCH;
          const int b = i % PITCH;`;
    const source = `
      ${extent(sizes, "define")}
      #define PITCH (W + 32)
      #define RUN ${o.run}
      ${definitions(o.weight, o.spatial, r)}

      extern "C" __global__ void pad_image(const float* image, float* padded) {
        ${copy}
        padded[a * PITCH + b] = ${taken(o.weight, `image[${row("a - R")} * W + ${column("b - 16")}]`)};
      }

      extern "C" __global__ void filter_padded(const float* __restrict__ padded, float* __restrict__ out) {
        const int x = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = (blockIdx.y * blockDim.y + threadIdx.y) * RUN;
        float centre[RUN], total[RUN], weights[RUN];
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          centre[p] = padded[(y + p + R) * PITCH + x + 16];
          total[p] = 0.0f;
          weights[p] = 0.0f;
        }
        ${on(o.unroll === "both", "#pragma unroll", "#pragma unroll 1")}
        for (int dx = -R; dx <= R; ++dx) {
          #pragma unroll
          for (int j = 0; j < RUN + 2 * R; ++j) {
            const float v = ${o.read === "ldg" ? `__ldg(&${from})` : from};
            #pragma unroll
            for (int p = 0; p < RUN; ++p) {
              if (j >= p && j < p + SIDE) {
                ${tap}
              }
            }
          }
        }
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          out[(y + p) * W + x] = ${outcome(o.weight, o.sum, "total[p]", "weights[p]", "centre[p]")};
        }
      }
    `;
    const pitch = w + 32;
    const grid: number | [number, number] =
      o.copy === "rows" ? [Math.ceil(pitch / 256), h + 2 * r] : Math.ceil((pitch * (h + 2 * r)) / 256);
    return styled(
      {
        source,
        launches: [
          launch("pad_image", grid, 256, ["image", "padded"]),
          launch("filter_padded", [w / bx, h / (by * o.run)], [bx, by], ["padded", "out"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

/** A launch per group of window rows; sums of pixels and weights wait in global memory. */
export const rowLaunches: Template = template({
  id: "launch-per-rows",
  from: "pixel-thread",
  idea: "Take some rows of the window per launch and keep the sums of pixels and weights in global memory.",
  options: {
    weight: ["intrinsic", "expf", "exp2f", "ex2"],
    spatial: ["separable", "table", "computed"],
    sum: ["value", "offset"],
    layout: ["planes", "pairs"],
    divide: ["last", "launch"],
    first: ["stores", "clears"],
    unroll: [true, false],
    rows: [1, 3, 5],
    block: ["32x8", "256x1", "64x4"],
  },
  count: 24,
  write: (o, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const [bx = 0, by = 0] = o.block.split("x").map(Number);
    const groups = Math.ceil((2 * r + 1) / o.rows);
    const pairs = o.layout === "pairs";
    const get = pairs ? ["sums[2 * at]", "sums[2 * at + 1]"] : ["sums[at]", "sums[H * W + at]"];
    const tap = addTap(o.weight, o.sum, {
      pixel: "v",
      centre: "centre",
      place: spatialOf(o.weight, o.spatial, "dx", "dy"),
      total: "total",
      weights: "weights",
    });
    const clears = o.first === "clears";
    const begin = clears
      ? `float total = ${get[0]}, weights = ${get[1]};`
      : `float total = top > -R ? ${get[0]} : 0.0f;
        float weights = top > -R ? ${get[1]} : 0.0f;`;
    const place = `
        const int x = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = blockIdx.y * blockDim.y + threadIdx.y;
        const int at = y * W + x;`;
    const keep = `${get[0]} = total;\n${get[1]} = weights;`;
    const source = `
      ${extent(sizes, "define")}
      #define ROWS ${o.rows}
      ${definitions(o.weight, o.spatial, r)}
      ${on(
        clears,
        `extern "C" __global__ void clear_sums(float* sums) {
          sums[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;
        }`,
      )}

      extern "C" __global__ void add_rows(const float* image, float* sums, float* out, int top) {
        ${place}
        const float centre = image[at];
        ${begin}
        ${on(o.unroll, "", "#pragma unroll 1")}
        for (int dy = top; dy < min(top + ROWS, R + 1); ++dy) {
          const float* from = image + ${row("y + dy")} * W;
          ${on(o.unroll, "#pragma unroll", "#pragma unroll 1")}
          for (int dx = -R; dx <= R; ++dx) {
            const float v = from[${column("x + dx")}];
            ${tap}
          }
        }
        ${
          o.divide === "launch"
            ? keep
            : `if (top + ROWS > R) {
                out[at] = ${outcome(o.weight, o.sum, "total", "weights", "centre")};
              } else {
                ${keep}
              }`
        }
      }

      ${on(
        o.divide === "launch",
        `extern "C" __global__ void divide_sums(const float* image, const float* sums, float* out) {
          ${place}
          out[at] = ${outcome(o.weight, o.sum, get[0] as string, get[1] as string, "image[at]")};
        }`,
      )}
    `;
    const grid: [number, number] = [w / bx, h / by];
    return styled(
      {
        source,
        launches: [
          ...(clears ? [launch("clear_sums", (2 * h * w) / 256, 256, ["sums"])] : []),
          ...Array.from({ length: groups }, (_, k) =>
            launch("add_rows", grid, [bx, by], ["image", "sums", "out", { i32: -r + k * o.rows }]),
          ),
          ...(o.divide === "launch" ? [launch("divide_sums", grid, [bx, by], ["image", "sums", "out"])] : []),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** Threads split a window between them and add their parts up. */
export const splitWindow: Template = template({
  id: "split-window",
  from: "rim-tile",
  idea: "Split each window's rows over threads and add their sums up through shared memory or shuffles.",
  options: {
    weight: ["exp2f", "ex2", "intrinsic"],
    spatial: ["table", "separable", "computed"],
    join: ["shared", "atomics", "lanes"],
    source: ["global", "tile"],
    sum: ["offset", "value"],
    unroll: [false, true],
    pixels: [32, 64],
  },
  valid: (o) => o.join !== "lanes" || o.source === "global",
  count: 22,
  write: (o, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const side = 2 * r + 1;
    const byLanes = o.join === "lanes";
    return styled(
      {
        source: `
          ${extent(sizes, "constexpr")}
          constexpr int PIXELS = ${o.pixels};
          ${definitions(o.weight, o.spatial, r)}
          ${byLanes ? lanesKernel(o.weight, o.spatial, o.sum, o.unroll) : groupsKernel(o)}
        `,
        launches: [
          byLanes
            ? launch("split_window", [w / (o.pixels / 2), h], o.pixels * 8, ["image", "out"])
            : launch("split_window", [w / o.pixels, h], [o.pixels, side], ["image", "out"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

interface Split {
  readonly weight: Weight;
  readonly spatial: "computed" | "table" | "separable";
  readonly join: "shared" | "atomics" | "lanes";
  readonly source: "global" | "tile";
  readonly sum: Sum;
  readonly unroll: boolean;
}

function groupsKernel(o: Split): string {
  const tile = o.source === "tile";
  const tap = addTap(o.weight, o.sum, {
    pixel: "v",
    centre: "centre",
    place: spatialOf(o.weight, o.spatial, "dx", "dy"),
    total: "total",
    weights: "weights",
  });
  const join =
    o.join === "shared"
      ? `totals[threadIdx.y][threadIdx.x] = total;
        parts[threadIdx.y][threadIdx.x] = weights;
        __syncthreads();
        if (threadIdx.y == 0) {
          for (int k = 1; k < SIDE; ++k) {
            total += totals[k][threadIdx.x];
            weights += parts[k][threadIdx.x];
          }`
      : `atomicAdd(&totals[0][threadIdx.x], total);
        atomicAdd(&parts[0][threadIdx.x], weights);
        __syncthreads();
        if (threadIdx.y == 0) {
          total = totals[0][threadIdx.x];
          weights = parts[0][threadIdx.x];`;
  const height = o.join === "shared" ? "SIDE" : "1";
  return `
    extern "C" __global__ void split_window(const float* __restrict__ image, float* __restrict__ out) {
      __shared__ float totals[${height}][PIXELS], parts[${height}][PIXELS];
      ${on(tile, "__shared__ float strip[SIDE][PIXELS + 2 * R];")}
      const int x = blockIdx.x * PIXELS + threadIdx.x;
      const int y = blockIdx.y;
      const int dy = (int)threadIdx.y - R;
      const float* from = image + ${row("y + dy")} * W;
      ${on(
        o.join === "atomics",
        `if (threadIdx.y == 0) {
          totals[0][threadIdx.x] = 0.0f;
          parts[0][threadIdx.x] = 0.0f;
        }`,
      )}
      ${on(
        tile,
        `for (int b = threadIdx.x; b < PIXELS + 2 * R; b += PIXELS) {
          strip[threadIdx.y][b] = from[${column("(int)(blockIdx.x * PIXELS) + b - R")}];
        }`,
      )}
      ${on(tile || o.join === "atomics", "__syncthreads();")}
      const float centre = ${tile ? "strip[R][threadIdx.x + R]" : "image[y * W + x]"};
      float total = 0.0f;
      float weights = 0.0f;
      ${on(o.unroll, "#pragma unroll", "#pragma unroll 1")}
      for (int dx = -R; dx <= R; ++dx) {
        const float v = ${tile ? "strip[threadIdx.y][(int)threadIdx.x + dx + R]" : `from[${column("x + dx")}]`};
        ${tap}
      }
      ${join}
        out[y * W + x] = ${outcome(o.weight, o.sum, "total", "weights", "centre")};
      }
    }`;
}

function lanesKernel(weight: Weight, spatial: Split["spatial"], sum: Sum, unroll: boolean): string {
  const tap = addTap(weight, sum, {
    pixel: "v",
    centre: "centre",
    place: spatialOf(weight, spatial, "dx", "dy"),
    total: "total",
    weights: "weights",
  });
  const halves = repeat(
    4,
    (k) => `total += __shfl_xor_sync(0xffffffffu, total, ${8 >> k});
      weights += __shfl_xor_sync(0xffffffffu, weights, ${8 >> k});`,
  );
  return `
    // Sixteen lanes share a pixel; lanes beyond the window's width only help to add.
    extern "C" __global__ void split_window(const float* __restrict__ image, float* __restrict__ out) {
      const int part = threadIdx.x % 16;
      const int x = blockIdx.x * (PIXELS / 2) + threadIdx.x / 16;
      const int y = blockIdx.y;
      const int dx = part - R;
      const float centre = image[y * W + x];
      float total = 0.0f;
      float weights = 0.0f;
      if (part < SIDE) {
        ${on(unroll, "#pragma unroll", "#pragma unroll 1")}
        for (int dy = -R; dy <= R; ++dy) {
          const float v = image[${row("y + dy")} * W + ${column("x + dx")}];
          ${tap}
        }
      }
      ${halves}
      if (part == 0) {
        out[y * W + x] = ${outcome(weight, sum, "total", "weights", "centre")};
      }
    }`;
}
