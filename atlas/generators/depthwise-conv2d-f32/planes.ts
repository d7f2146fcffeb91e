import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { constants, imagesOf, pointers, tapsFrom } from "./parts.ts";

type Text = (text: string) => string;

const outputs = (work: "pixels" | "quads" | "columns", tap: Text): string => {
  if (work === "pixels") {
    return `
      for (int i = threadIdx.x; i < H * W; i += THREADS) {
        const float* corner = cells + i / W * PITCH + i % W + 2;
        float sum = 0.0f;
        #pragma unroll
        for (int r = 0; r < 5; ++r)
          #pragma unroll
          for (int s = 0; s < 5; ++s) sum += corner[r * PITCH + s] * ${tap("r * 5 + s")};
        to[i] = sum;
      }`;
  }
  if (work === "quads") {
    return `
      for (int i = threadIdx.x; i < H * W / 4; i += THREADS) {
        const float* corner = cells + i / (W / 4) * PITCH + i % (W / 4) * 4;
        float sum[4] = {};
        #pragma unroll
        for (int r = 0; r < 5; ++r) {
          const float4* near = reinterpret_cast<const float4*>(corner + r * PITCH);
          const float4 l = near[0], m = near[1], q = near[2];
          const float v[8] = {l.z, l.w, m.x, m.y, m.z, m.w, q.x, q.y};
          #pragma unroll
          for (int s = 0; s < 5; ++s)
            #pragma unroll
            for (int p = 0; p < 4; ++p) sum[p] += v[p + s] * ${tap("r * 5 + s")};
        }
        reinterpret_cast<float4*>(to)[i] = make_float4(sum[0], sum[1], sum[2], sum[3]);
      }`;
  }
  return `
    const int col = threadIdx.x % W;
    constexpr int BANDS = THREADS / W;
    constexpr int DEEP = (H + BANDS - 1) / BANDS;
    const int top = threadIdx.x / W * DEEP;
    float part[5] = {};
    for (int y = top; y < min(top + DEEP, H) + 4; ++y) {
      #pragma unroll
      for (int s = 0; s < 5; ++s) {
        const float v = cells[y * PITCH + col + 2 + s];
        #pragma unroll
        for (int j = 0; j < 5; ++j) part[j] += v * ${tap("(4 - j) * 5 + s")};
      }
      if (y >= top + 4) to[(y - 4) * W + col] = part[0];
      #pragma unroll
      for (int j = 0; j < 4; ++j) part[j] = part[j + 1];
      part[4] = 0.0f;
    }`;
};

const fills = {
  scalar: `
    for (int i = threadIdx.x; i < H * W; i += THREADS) cells[(i / W + 2) * PITCH + 4 + i % W] = image[i];`,
  vector: `
    for (int i = threadIdx.x; i < H * W / 4; i += THREADS) {
      const float4 four = reinterpret_cast<const float4*>(image)[i];
      *reinterpret_cast<float4*>(cells + (i / (W / 4) + 2) * PITCH + 4 + i % (W / 4) * 4) = four;
    }`,
  async: `
    for (int i = threadIdx.x; i < H * W / 4; i += THREADS) {
      __pipeline_memcpy_async(cells + (i / (W / 4) + 2) * PITCH + 4 + i % (W / 4) * 4, image + 4 * i, 16);
    }
    __pipeline_commit();`,
};

/** A block holds a whole plane with its rim of zeros. */
export const wholePlane: Template = template({
  id: "whole-plane",
  from: "shared-tile",
  idea: "Keep a whole plane with a rim of zeros in shared memory, so that no tile's halo is read twice.",
  options: {
    work: ["pixels", "quads", "columns"],
    fill: ["scalar", "vector", "async"],
    rim: ["all", "edges"],
    taps: ["registers", "shared", "ldg"],
    persistent: [false, true],
    size: ["constexpr", "define"],
    threads: [448, 224, 896, 672],
    perGrid: [528, 396, 264],
  },
  count: 27,
  write: ({ work, fill, rim, taps, persistent, size, threads, perGrid }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const filter = tapsFrom(taps);
    const clear = {
      all: `for (int i = threadIdx.x; i < (H + 4) * PITCH; i += THREADS) cells[i] = 0.0f;`,
      edges: `
        for (int i = threadIdx.x; i < 4 * PITCH; i += THREADS) {
          cells[(i / PITCH < 2 ? i / PITCH : i / PITCH + H) * PITCH + i % PITCH] = 0.0f;
        }
        for (int i = threadIdx.x; i < H * 8; i += THREADS) {
          cells[(i / 8 + 2) * PITCH + (i % 8 < 4 ? i % 8 : i % 8 + W)] = 0.0f;
        }`,
    }[rim];
    const body = `
      const float* image = x + plane * H * W;
      float* to = out + plane * H * W;
      ${filter.prepare}
      ${fills[fill]}
      ${on(fill === "async", "__pipeline_wait_prior(0);")}
      __syncthreads();
      {
        ${outputs(work, filter.at)}
      }`;
    const source = `
      ${on(fill === "async", "#include <cuda_pipeline.h>\n")}
      ${constants(sizes, size)}
      #define PITCH (W + 8)
      #define THREADS ${threads}

      extern "C" __global__ void __launch_bounds__(THREADS) depthwise(${pointers(true)}) {
        extern __shared__ __align__(16) float cells[];
        ${clear}
        __syncthreads();
        ${
          persistent
            ? `for (int plane = blockIdx.x; plane < PLANES; plane += gridDim.x) {\n${body}\n__syncthreads();\n}`
            : `const int plane = blockIdx.x;\n${body}`
        }
      }
    `;
    const bytes = 4 * (h + 4) * (w + 8);
    const blocks = persistent ? Math.min(perGrid, planes) : planes;
    return styled(
      { source, launches: [launch("depthwise", blocks, threads, ["x", "weight", "out"], bytes)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Rows pass through a ring in shared memory. */
export const rowRing: Template = template({
  id: "row-ring",
  from: "column-march",
  idea: "Let a row of threads walk down the plane with the last rows in a ring in shared memory.",
  options: {
    ring: ["five", "six", "eight"],
    copy: ["direct", "ahead", "async"],
    taps: ["registers", "ldg"],
    store: ["plain", "__stcs"],
    modulo: ["remainder", "mask"],
    restrict: [true, false],
    stacked: [2, 1, 4],
    chunk: [112, 56, 28],
  },
  valid: ({ ring, copy, modulo }) =>
    (ring === "eight" || modulo === "remainder") && !(ring === "five" && copy === "async"),
  count: 24,
  write: ({ ring, copy, taps, store, modulo, restrict, stacked, chunk }, sizes) => {
    const { planes, h, w } = imagesOf(sizes);
    const filter = tapsFrom(taps);
    const deep = { five: 5, six: 6, eight: 8 }[ring];
    const slot = (row: string): string => (modulo === "mask" ? `((${row} + 2) & (RING - 1))` : `((${row} + 2) % RING)`);
    const value = (row: string): string => `${row} >= 0 && ${row} < H ? image[(${row}) * W + col] : 0.0f`;
    const copyRow = (row: string): string =>
      copy === "async"
        ? `{
            const bool live = ${row} >= 0 && ${row} < H;
            __pipeline_memcpy_async(&rows[${slot(row)}][col + 2], live ? image + (${row}) * W + col : image, 4, live ? 0 : 4);
          }`
        : `rows[${slot(row)}][col + 2] = ${value(row)};`;
    const store1 = store === "plain" ? "to[y * W] = sum;" : "__stcs(to + y * W, sum);";
    const advance = {
      direct: copyRow("y + 2"),
      ahead: `rows[${slot("y + 2")}][col + 2] = coming;\ncoming = ${value("y + 3")};`,
      async: `${copyRow("y + 3")}\n__pipeline_commit();\n__pipeline_wait_prior(1);`,
    }[copy];
    const before = {
      direct: "",
      ahead: `float coming = ${value("top + 2")};`,
      async: `${copyRow("top + 2")}\n__pipeline_commit();`,
    }[copy];
    const source = `
      ${on(copy === "async", "#include <cuda_pipeline.h>\n")}
      ${constants(sizes, "constexpr")}
      constexpr int RING = ${copy === "async" && ring === "six" ? 7 : deep};
      constexpr int STACKED = ${stacked};
      constexpr int CHUNK = ${chunk};

      extern "C" __global__ void depthwise(${pointers(restrict)}) {
        __shared__ float store[STACKED][RING][W + 4];
        float (*rows)[W + 4] = store[threadIdx.y];
        const int col = threadIdx.x;
        const int plane = blockIdx.x * STACKED + threadIdx.y;
        const int top = blockIdx.y * CHUNK;
        const float* image = x + plane * H * W;
        float* to = out + plane * H * W + col;
        ${filter.prepare}
        if (col < 4) {
          for (int i = 0; i < RING; ++i) rows[i][col < 2 ? col : W + col] = 0.0f;
        }
        for (int y = top - 2; y < top + 2; ++y) {
          ${copyRow("y")}
        }
        ${before}
        for (int y = top; y < min(top + CHUNK, H); ++y) {
          ${advance}
          __syncthreads();
          float sum = 0.0f;
          #pragma unroll
          for (int r = 0; r < 5; ++r) {
            const float* line = rows[${slot("y + r - 2")}] + col;
            #pragma unroll
            for (int s = 0; s < 5; ++s) sum = fmaf(line[s], ${filter.at("r * 5 + s")}, sum);
          }
          ${store1}
          ${on(ring === "five", "__syncthreads();")}
        }
      }
    `;
    return styled(
      {
        source,
        launches: [launch("depthwise", [planes / stacked, Math.ceil(h / chunk)], [w, stacked], ["x", "weight", "out"])],
      },
      { names: "camel", indent: 2 },
    );
  },
});
