import type { Options, Template } from "../kit/generator.ts";
import { ceilDiv, colsOf, int, launch, read, read4, rowsOf, write, write4 } from "./shared.ts";

function place(o: Options): string {
  if (o["layout"] === "padded") return "r * (QUADS + 1) + q";
  return o["layout"] === "xor" ? "r * QUADS + (q ^ ((r >> 2) & (QUADS - 1)))" : "r * QUADS + ((q + (r >> 2)) % QUADS)";
}

function tileDrain(o: Options): string {
  if (o["drain"] === "scalars") {
    return `  const float* cells = reinterpret_cast<const float*>(tile);
  for (int i = threadIdx.x; i < EDGE * EDGE; i += THREADS) {
    const int c = i / EDGE;
    const int r = i % EDGE;
    ${write(o["store"], "out[(size_t)(col0 + c) * ROWS + row0 + r]", "cells[4 * word(r, c / 4) + c % 4]")}
  }`;
  }
  return `  for (int i = threadIdx.x; i < QUADS * QUADS; i += THREADS) {
    const int p = i % QUADS;
    const int q = i / QUADS;
    float4 a[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) a[k] = tile[word(4 * p + k, q)];
    float* to = out + (size_t)(col0 + 4 * q) * ROWS + row0 + 4 * p;
    ${write4(o["store"], "to[0]", "make_float4(a[0].x, a[1].x, a[2].x, a[3].x)")}
    ${write4(o["store"], "to[ROWS]", "make_float4(a[0].y, a[1].y, a[2].y, a[3].y)")}
    ${write4(o["store"], "to[2 * ROWS]", "make_float4(a[0].z, a[1].z, a[2].z, a[3].z)")}
    ${write4(o["store"], "to[3 * ROWS]", "make_float4(a[0].w, a[1].w, a[2].w, a[3].w)")}
  }`;
}

const registerLoop = `  float4 held[SHARE];
  pick(x, blockIdx.x, held);
  for (int t = blockIdx.x; t < TILES; t += gridDim.x) {
#pragma unroll
    for (int k = 0; k < SHARE; ++k) {
      const int i = threadIdx.x + k * THREADS;
      ring[word(i / QUADS, i % QUADS)] = held[k];
    }
    __syncthreads();
    if (t + gridDim.x < TILES) pick(x, t + gridDim.x, held);
    drain(ring, out, t);
    __syncthreads();
  }`;

const asyncLoop = `  for (int s = 0; s < STAGES - 1; ++s) {
    const int t = blockIdx.x + s * gridDim.x;
    if (t < TILES) fetch(ring + s * WORDS, x, t);
    __pipeline_commit();
  }
  int stage = 0;
  for (int t = blockIdx.x; t < TILES; t += gridDim.x) {
    __pipeline_wait_prior(STAGES - 2);
    __syncthreads();
    const int ahead = t + (STAGES - 1) * gridDim.x;
    if (ahead < TILES) fetch(ring + ((stage + STAGES - 1) % STAGES) * WORDS, x, ahead);
    __pipeline_commit();
    drain(ring + stage * WORDS, out, t);
    stage = (stage + 1) % STAGES;
  }`;

function fetchFunction(o: Options): string {
  const head = `  const int row0 = tileRow(t) * EDGE;
  const int col0 = tileCol(t) * EDGE;`;
  if (o["ahead"] === "registers") {
    return `__device__ __forceinline__ void pick(const float* __restrict__ x, int t, float4 (&held)[SHARE]) {
${head}
#pragma unroll
  for (int k = 0; k < SHARE; ++k) {
    const int i = threadIdx.x + k * THREADS;
    held[k] = ${read4("plain", "x[(size_t)(row0 + i / QUADS) * COLS + col0 + 4 * (i % QUADS)]")};
  }
}`;
  }
  return `__device__ __forceinline__ void fetch(float4* tile, const float* __restrict__ x, int t) {
${head}
  for (int i = threadIdx.x; i < EDGE * QUADS; i += THREADS) {
    const int r = i / QUADS;
    const int q = i % QUADS;
    __pipeline_memcpy_async(&tile[word(r, q)], &x[(size_t)(row0 + r) * COLS + col0 + 4 * q], 16);
  }
}`;
}

/** Blocks that stay and overlap the next tile's loads with this tile's stores. */
export const persistent: Template = {
  id: "persistent-ring",
  from: "vec4-swizzle",
  idea: "Keep a fixed number of blocks and prefetch the next tiles while the current one is written",
  options: {
    ahead: ["cp.async", "registers"],
    layout: ["padded", "xor", "rotate"],
    drain: ["registers", "scalars"],
    order: ["row", "column"],
    store: ["plain", "__stcs"],
    edge: [64, 32],
    stages: [2, 3, 4],
    perSm: [2, 4, 1, 6],
    threads: [256, 128],
  },
  count: 3,
  write(o, s) {
    const [edge, threads, stages] = [int(o, "edge"), int(o, "threads"), int(o, "stages")];
    const usesAsync = o["ahead"] === "cp.async";
    const [down, across] = [rowsOf(s) / edge, colsOf(s) / edge];
    const [tileRow, tileCol] =
      o["order"] === "row" ? [`t / ${across}`, `t % ${across}`] : [`t % ${down}`, `t / ${down}`];
    const words = edge * (edge / 4 + (o["layout"] === "padded" ? 1 : 0));
    const source = `${usesAsync ? "#include <cuda_pipeline.h>\n\n" : ""}constexpr int ROWS = ${rowsOf(s)};
constexpr int COLS = ${colsOf(s)};
constexpr int EDGE = ${edge};
constexpr int QUADS = EDGE / 4;
constexpr int THREADS = ${threads};
${usesAsync ? `constexpr int STAGES = ${stages};\nconstexpr int WORDS = ${words};` : "constexpr int SHARE = EDGE * QUADS / THREADS;"}
constexpr int TILES = (ROWS / EDGE) * (COLS / EDGE);

__device__ __forceinline__ int tileRow(int t) { return ${tileRow}; }
__device__ __forceinline__ int tileCol(int t) { return ${tileCol}; }
__device__ __forceinline__ int word(int r, int q) { return ${place(o)}; }

${fetchFunction(o)}

__device__ __forceinline__ void drain(const float4* tile, float* __restrict__ out, int t) {
  const int row0 = tileRow(t) * EDGE;
  const int col0 = tileCol(t) * EDGE;
${tileDrain(o)}
}

extern "C" __global__ void __launch_bounds__(THREADS) transpose_tiles(const float* __restrict__ x, float* __restrict__ out) {
  extern __shared__ float4 ring[];
${usesAsync ? asyncLoop : registerLoop}
}
`;
    const bytes = 16 * words * (usesAsync ? stages : 1);
    const grid: [number, number, number] = [132 * int(o, "perSm"), 1, 1];
    return { source, launches: [launch(grid, [threads, 1, 1], ["x", "out"], bytes, "transpose_tiles")] };
  },
};

function tilePasses(o: Options): [string, string] {
  const first = o["route"] === "tiles-turned-first";
  const element = `const int i = threadIdx.x + k * blockDim.x;`;
  const straight = o["vector"];
  const packed = first
    ? `    ${write("plain", "scratch[base + (i % TILE) * TILE + i / TILE]", read(o["load"], "x[(row0 + i / TILE) * COLS + col0 + i % TILE]"))}`
    : straight
      ? `    ${write4("plain", "scratch[base + 4 * i]", read4(o["load"], "x[(row0 + 4 * i / TILE) * COLS + col0 + 4 * i % TILE]"))}`
      : `    ${write("plain", "scratch[base + i]", read(o["load"], "x[(row0 + i / TILE) * COLS + col0 + i % TILE]"))}`;
  const unpacked = !first
    ? `    ${write(o["store"], "out[(col0 + i / TILE) * ROWS + row0 + i % TILE]", "scratch[base + (i % TILE) * TILE + i / TILE]")}`
    : straight
      ? `    ${write4(o["store"], "out[(col0 + 4 * i / TILE) * ROWS + row0 + 4 * i % TILE]", read4("plain", "scratch[base + 4 * i]"))}`
      : `    ${write(o["store"], "out[(col0 + i / TILE) * ROWS + row0 + i % TILE]", "scratch[base + i]")}`;
  const loop = (vector: boolean, text: string): string => `  const int row0 = blockIdx.y * TILE;
  const int col0 = blockIdx.x * TILE;
  const int base = (blockIdx.y * gridDim.x + blockIdx.x) * TILE * TILE;
  for (int k = 0; k < TILE * TILE${vector ? " / 4" : ""} / THREADS; ++k) {
    ${element}
${text}
  }`;
  return [loop(Boolean(straight) && !first, packed), loop(Boolean(straight) && first, unpacked)];
}

function flatPasses(o: Options): [string, string] {
  const at = "  const int i = blockIdx.x * blockDim.x + threadIdx.x;\n";
  if (o["route"] === "copy") {
    const copy = o["vector"]
      ? `  if (4 * i < ROWS * COLS) ${write4("plain", "scratch[4 * i]", read4(o["load"], "x[4 * i]"))}`
      : `  if (i < ROWS * COLS) ${write("plain", "scratch[i]", read(o["load"], "x[i]"))}`;
    return [
      at + copy,
      `${at}  if (i < ROWS * COLS) ${write(o["store"], "out[i]", "scratch[(i % ROWS) * COLS + i / ROWS]")}`,
    ];
  }
  return [
    `${at}  const int r = i / (COLS / 4);
  const int q = i % (COLS / 4);
  if (r < ROWS) ${write4("plain", "scratch[4 * (q * ROWS + r)]", read4(o["load"], "x[4 * i]"))}`,
    `${at}  const int q = i / ROWS;
  const int r = i % ROWS;
  if (q < COLS / 4) {
    const float4 v = ${read4("plain", "scratch[4 * i]")};
    ${write(o["store"], "out[(4 * q + 0) * ROWS + r]", "v.x")}
    ${write(o["store"], "out[(4 * q + 1) * ROWS + r]", "v.y")}
    ${write(o["store"], "out[(4 * q + 2) * ROWS + r]", "v.z")}
    ${write(o["store"], "out[(4 * q + 3) * ROWS + r]", "v.w")}
  }`,
  ];
}

/** Two passes through global scratch. */
export const twoPass: Template = {
  id: "two-pass",
  from: "flat-index",
  idea: "Reorder into scratch first, so that each of two passes has simple access",
  options: {
    route: ["copy", "tiles-turned-second", "tiles-turned-first", "column-quads"],
    vector: [false, true],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    tile: [32, 16, 64],
    threads: [256, 128],
  },
  count: 44,
  write(o, s) {
    const tiled = String(o["route"]).startsWith("tiles");
    const [tile, threads] = [int(o, "tile"), int(o, "threads")];
    const tileThreads = tile === 16 ? 64 : threads;
    const [pack, unpack] = tiled ? tilePasses(o) : flatPasses(o);
    const total = rowsOf(s) * colsOf(s);
    const source = `#define ROWS ${rowsOf(s)}
#define COLS ${colsOf(s)}
${tiled ? `#define TILE ${tile}\n#define THREADS ${tileThreads}\n` : ""}
extern "C" __global__ void pack(const float* __restrict__ x, float* __restrict__ scratch) {
${pack}
}

extern "C" __global__ void unpack(const float* __restrict__ scratch, float* __restrict__ out) {
${unpack}
}
`;
    const width = tiled ? tileThreads : threads;
    const grid = (perItem: number): [number, number, number] =>
      tiled ? [colsOf(s) / tile, rowsOf(s) / tile, 1] : [ceilDiv(total / perItem, threads), 1, 1];
    const quads = o["route"] === "column-quads";
    const [one, two] = [grid(quads || o["vector"] ? 4 : 1), grid(quads ? 4 : 1)];
    return {
      source,
      launches: [
        launch(one, [width, 1, 1], ["x", "scratch"], 0, "pack"),
        launch(two, [width, 1, 1], ["scratch", "out"], 0, "unpack"),
      ],
    };
  },
};
