import type { Template } from "../kit/generator.ts";
import { on, styled, template } from "../kit/code.ts";
import { constants, imagesOf, launch3, pair, pointers, tapsFrom, unrolled } from "./parts.ts";

/** A tile with its halo in shared memory, one output per thread. */
export const sharedTile: Template = template({
  id: "shared-tile",
  from: "pixel-per-thread",
  idea: "Stage the block's tile with its halo in shared memory and take the 25 taps from there.",
  options: {
    fill: ["strided", "rows", "quarters"],
    layout: ["two-dimensional", "flat"],
    taps: ["shared", "registers", "global"],
    guard: ["select", "clear-first"],
    open: [true, false],
    load: ["plain", "ldg"],
    size: ["constexpr", "define"],
    block: ["16x16", "28x8", "56x8", "32x16", "112x4", "112x8"],
  },
  valid: ({ taps, open, fill, block }) =>
    !(taps === "registers" && !open) && !(fill === "quarters" && (pair(block)[0] < 8 || pair(block)[1] < 4)),
  count: 27,
  write: ({ fill, layout, taps, guard, open, load, size, block }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const [bx, by] = pair(block);
    const filter = tapsFrom(taps, "lane");
    const cell = (row: string, col: string): string =>
      layout === "flat" ? `cells[(${row}) * (TX + 4) + ${col}]` : `cells[${row}][${col}]`;
    const read = (place: string): string => (load === "ldg" ? `__ldg(&${place})` : place);
    const put = (row: string, col: string): string =>
      guard === "select"
        ? `
          const int y = y0 + ${row} - 2;
          const int z = z0 + ${col} - 2;
          ${cell(row, col)} = y >= 0 && y < H && z >= 0 && z < W ? ${read("image[y * W + z]")} : 0.0f;`
        : `
          const int y = y0 + ${row} - 2;
          const int z = z0 + ${col} - 2;
          ${cell(row, col)} = 0.0f;
          if (y < 0 || y >= H || z < 0 || z >= W) continue;
          ${cell(row, col)} = ${read("image[y * W + z]")};`;
    const fills = {
      strided: `
        for (int i = lane; i < (TX + 4) * (TY + 4); i += TX * TY) {
          const int a = i / (TX + 4);
          const int b = i % (TX + 4);
          ${put("a", "b")}
        }`,
      rows: `
        for (int a = threadIdx.y; a < TY + 4; a += TY) {
          for (int b = threadIdx.x; b < TX + 4; b += TX) {
            ${put("a", "b")}
          }
        }`,
      quarters: `
        #pragma unroll
        for (int part = 0; part < 4; ++part) {
          const int a = threadIdx.y + (part / 2) * TY;
          const int b = threadIdx.x + (part % 2) * TX;
          if (a >= TY + 4 || b >= TX + 4) continue;
          ${put("a", "b")}
        }`,
    };
    const source = `
      ${constants(sizes, size)}
      #define TX ${bx}
      #define TY ${by}

      extern "C" __global__ void depthwise(${pointers(true)}) {
        __shared__ float ${layout === "flat" ? "cells[(TX + 4) * (TY + 4)]" : "cells[TY + 4][TX + 4]"};
        const int lane = threadIdx.y * TX + threadIdx.x;
        const int plane = blockIdx.z;
        const int z0 = blockIdx.x * TX;
        const int y0 = blockIdx.y * TY;
        const float* image = x + plane * H * W;
        ${filter.prepare}
        ${fills[fill]}
        __syncthreads();
        const int row = y0 + threadIdx.y;
        const int col = z0 + threadIdx.x;
        if (row >= H || col >= W) return;
        float sum = 0.0f;
        ${unrolled(open)}
        for (int r = 0; r < 5; ++r) {
          ${unrolled(open)}
          for (int s = 0; s < 5; ++s) {
            sum += ${cell("threadIdx.y + r", "threadIdx.x + s")} * ${filter.at("r * 5 + s")};
          }
        }
        out[(plane * H + row) * W + col] = sum;
      }
    `;
    return styled(
      { source, launches: [launch3([Math.ceil(w / bx), Math.ceil(h / by), planes], [bx, by])] },
      { names: "camel", indent: 4 },
    );
  },
});

const stripBodies = {
  down: (tap: (index: string) => string): string => `
    #pragma unroll
    for (int i = 0; i < RUN + 4; ++i) {
      float v[5];
      #pragma unroll
      for (int s = 0; s < 5; ++s) v[s] = tile[row + i][col + LEFT - 2 + s];
      #pragma unroll
      for (int r = 0; r < 5; ++r) {
        if (i - r < 0 || i - r >= RUN) continue;
        #pragma unroll
        for (int s = 0; s < 5; ++s) sum[i - r] = fmaf(v[s], ${tap("r * 5 + s")}, sum[i - r]);
      }
    }`,
  across: (tap: (index: string) => string): string => `
    #pragma unroll
    for (int r = 0; r < 5; ++r) {
      float v[RUN + 4];
      #pragma unroll
      for (int i = 0; i < RUN + 4; ++i) v[i] = tile[row + r][col + LEFT - 2 + i];
      #pragma unroll
      for (int s = 0; s < 5; ++s) {
        #pragma unroll
        for (int p = 0; p < RUN; ++p) sum[p] = fmaf(v[p + s], ${tap("r * 5 + s")}, sum[p]);
      }
    }`,
};

/** A wide tile in shared memory and a strip of outputs per thread. */
export const tileStrips: Template = template({
  id: "tile-strips",
  from: "shared-tile",
  idea: "Use a larger tile than there are threads and compute a strip of outputs per thread from registers.",
  options: {
    axis: ["down", "across"],
    copy: ["scalar", "async", "vector"],
    taps: ["registers", "shared", "ldg"],
    store: ["plain", "__stcs"],
    bounds: [false, true],
    pitch: ["tight", "padded"],
    // columns, rows and outputs per thread
    tile: ["112x28x7", "56x28x4", "112x16x4", "28x56x8", "112x14x2", "56x56x14"],
    size: ["constexpr", "enum"],
  },
  valid: ({ axis, tile }) => axis === "down" || tile !== "28x56x8",
  count: 27,
  write: ({ axis, copy, taps, store, bounds, pitch, tile, size }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const [columns = 0, rows = 0, run = 0] = tile.split("x").map(Number);
    const threads = (columns * rows) / run;
    const filter = tapsFrom(taps);
    const wide = copy === "vector";
    const put = (place: string, value: string): string =>
      store === "plain" ? `${place} = ${value};` : `__stcs(&${place}, ${value});`;
    const fills = {
      scalar: `tile[a][b] = inside ? image[y * W + z] : 0.0f;`,
      async: `__pipeline_memcpy_async(&tile[a][b], inside ? &image[y * W + z] : image, 4, inside ? 0 : 4);`,
      vector: `
        float4 four = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (inside) four = *reinterpret_cast<const float4*>(image + y * W + z);
        *reinterpret_cast<float4*>(&tile[a][b]) = four;`,
    };
    const source = `
      ${on(copy === "async", "#include <cuda_pipeline.h>\n")}
      ${constants(sizes, size)}
      constexpr int TW = ${columns};
      constexpr int TH = ${rows};
      constexpr int RUN = ${run};
      constexpr int LEFT = ${wide ? 4 : 2};
      constexpr int PITCH = TW + 2 * LEFT${on(pitch === "padded", wide ? " + 4" : " + 1")};
      constexpr int THREADS = TW * TH / RUN;

      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}depthwise(${pointers(true)}) {
        __shared__ __align__(16) float tile[TH + 4][PITCH];
        const int plane = blockIdx.z;
        const int z0 = blockIdx.x * TW;
        const int y0 = blockIdx.y * TH;
        const float* image = x + plane * H * W;
        ${filter.prepare}
        for (int i = threadIdx.x; i < (TH + 4) * (TW + 2 * LEFT)${on(wide, " / 4")}; i += THREADS) {
          const int a = i / (${wide ? "(TW + 2 * LEFT) / 4" : "TW + 2 * LEFT"});
          const int b = ${wide ? "4 * (i % ((TW + 2 * LEFT) / 4))" : "i % (TW + 2 * LEFT)"};
          const int y = y0 + a - 2;
          const int z = z0 + b - LEFT;
          const bool inside = y >= 0 && y < H && z >= 0 && z < W;
          ${fills[copy]}
        }
        ${on(copy === "async", "__pipeline_commit();\n__pipeline_wait_prior(0);")}
        __syncthreads();
        ${
          axis === "down"
            ? "const int col = threadIdx.x % TW;\nconst int row = threadIdx.x / TW * RUN;"
            : "const int col = threadIdx.x % (TW / RUN) * RUN;\nconst int row = threadIdx.x / (TW / RUN);"
        }
        float sum[RUN] = {};
        ${stripBodies[axis](filter.at)}
        float* to = out + (plane * H + y0 + row) * W + z0 + col;
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          if (y0 + row${on(axis === "down", " + p")} < H) ${put(axis === "down" ? "to[p * W]" : "to[p]", "sum[p]")}
        }
      }
    `;
    return styled(
      { source, launches: [launch3([Math.ceil(w / columns), Math.ceil(h / rows), planes], [threads, 1])] },
      { names: "snake", indent: 2 },
    );
  },
});
