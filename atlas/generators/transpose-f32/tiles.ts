import type { Options, Template } from "../kit/generator.ts";
import { colsOf, int, launch, pointers, read, read4, rowsOf, sizing, unroll, write, write4 } from "./shared.ts";

function blockOrder(order: unknown): string {
  if (order === "diagonal") {
    return `  int bid = blockIdx.x + gridDim.x * blockIdx.y;
  int tileY = bid % gridDim.y;
  int tileX = (bid / gridDim.y + tileY) % gridDim.x;
`;
  }
  if (order === "columns") {
    return `  int bid = blockIdx.x + gridDim.x * blockIdx.y;
  int tileY = bid % gridDim.y;
  int tileX = bid / gridDim.y;
`;
  }
  return "  int tileX = blockIdx.x;\n  int tileY = blockIdx.y;\n";
}

/** The textbook tile in shared memory, one scalar at a time. */
export const classic: Template = {
  id: "smem-tile",
  from: "naive-2d",
  idea: "Stage a square tile in shared memory so that reads and writes are both coalesced",
  options: {
    pad: [false, true],
    memory: ["static", "dynamic"],
    order: ["plain", "diagonal", "columns"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    unrolled: [false, true],
    size: ["args", "define"],
    tile: [32, 16, 64],
    height: [8, 4, 16],
  },
  count: 32,
  write(o, s) {
    const size = sizing(o["size"], s);
    const [tile, height] = [int(o, "tile"), int(o, "height")];
    const pad = o["pad"] ? " + 1" : "";
    const dynamic = o["memory"] === "dynamic";
    const cell = (r: string, c: string): string =>
      dynamic ? `tile[(${r}) * (TILE${pad}) + ${c}]` : `tile[${r}][${c}]`;
    const hint = unroll(o["unrolled"], "  ");
    const source = `#define TILE ${tile}
#define HEIGHT ${height}
${size.header}extern "C" __global__ void transpose(${pointers(o["load"] !== "plain")}${size.params}) {
  ${dynamic ? "extern __shared__ float tile[];" : `__shared__ float tile[TILE][TILE${pad}];`}
${blockOrder(o["order"])}
  int c = tileX * TILE + threadIdx.x;
  int r = tileY * TILE + threadIdx.y;
${hint}  for (int j = 0; j < TILE; j += HEIGHT) {
    ${cell("threadIdx.y + j", "threadIdx.x")} = ${read(o["load"], "x[(r + j) * cols + c]")};
  }
  __syncthreads();

  r = tileY * TILE + threadIdx.x;
  c = tileX * TILE + threadIdx.y;
${hint}  for (int j = 0; j < TILE; j += HEIGHT) {
    ${write(o["store"], "out[(c + j) * rows + r]", cell("threadIdx.x", "threadIdx.y + j"))}
  }
}
`;
    const bytes = dynamic ? 4 * tile * (tile + (o["pad"] ? 1 : 0)) : 0;
    const grid: [number, number, number] = [colsOf(s) / tile, rowsOf(s) / tile, 1];
    return { source, launches: [launch(grid, [tile, height, 1], ["x", "out", ...size.args], bytes)] };
  },
};

function vectorFill(o: Options): string {
  const from = "x[(row0 + r) * cols + col0 + c]";
  if (o["turn"] === "drain") {
    if (o["async"]) return `    __pipeline_memcpy_async(&tile[r][c], &${from}, 16);`;
    if (o["pad"] === 1) {
      return `    const float4 v = ${read4("plain", from)};
    tile[r][c] = v.x;
    tile[r][c + 1] = v.y;
    tile[r][c + 2] = v.z;
    tile[r][c + 3] = v.w;`;
    }
    return `    *reinterpret_cast<float4*>(&tile[r][c]) = ${read4("plain", from)};`;
  }
  if (o["async"]) {
    return `    for (int k = 0; k < 4; ++k) __pipeline_memcpy_async(&tile[c + k][r], &x[(row0 + r) * cols + col0 + c + k], 4);`;
  }
  return `    const float4 v = ${read4("plain", from)};
    tile[c][r] = v.x;
    tile[c + 1][r] = v.y;
    tile[c + 2][r] = v.z;
    tile[c + 3][r] = v.w;`;
}

function vectorDrain(o: Options): string {
  const to = "out[(col0 + c) * rows + row0 + r]";
  if (o["turn"] === "drain") {
    return `    float4 v;
    v.x = tile[r][c];
    v.y = tile[r + 1][c];
    v.z = tile[r + 2][c];
    v.w = tile[r + 3][c];
    ${write4(o["store"], to, "v")}`;
  }
  if (o["pad"] === 1) {
    return `    ${write4(o["store"], to, "make_float4(tile[c][r], tile[c][r + 1], tile[c][r + 2], tile[c][r + 3])")}`;
  }
  return `    ${write4(o["store"], to, "*reinterpret_cast<const float4*>(&tile[c][r])")}`;
}

/** A shared tile with 16-byte global accesses on both sides. */
export const vectorTile: Template = {
  id: "vec4-tile",
  from: "smem-tile",
  idea: "Use float4 for global loads and stores around the shared tile",
  options: {
    turn: ["drain", "fill"],
    pad: [0, 4, 1],
    async: [false, true],
    store: ["plain", "__stcs"],
    unrolled: [false, true],
    size: ["args", "constexpr"],
    tile: [32, 64],
    threads: [256, 128, 512],
  },
  valid: (o) => !(o["async"] && o["turn"] === "drain" && o["pad"] === 1) && !(o["tile"] === 32 && o["threads"] === 512),
  count: 6,
  write(o, s) {
    const size = sizing(o["size"], s);
    const [tile, threads] = [int(o, "tile"), int(o, "threads")];
    const fill = o["turn"] === "fill";
    const shape = `[TILE][TILE${o["pad"] ? ` + ${int(o, "pad")}` : ""}]`;
    const hint = unroll(o["unrolled"], "  ");
    const sync = o["async"] ? "  __pipeline_commit();\n  __pipeline_wait_prior(0);\n" : "";
    const source = `${o["async"] ? "#include <cuda_pipeline.h>\n\n" : ""}constexpr int TILE = ${tile};
constexpr int THREADS = ${threads};
constexpr int QUADS = TILE / 4;
${size.header}
extern "C" __global__ void __launch_bounds__(THREADS) transpose(${pointers(true)}${size.params}) {
  // ${fill ? "tile[column][row]" : "tile[row][column]"}
  __shared__ __align__(16) float tile${shape};
  const int row0 = blockIdx.y * TILE;
  const int col0 = blockIdx.x * TILE;

${hint}  for (int i = threadIdx.x; i < TILE * QUADS; i += THREADS) {
    const int r = i / QUADS;
    const int c = (i % QUADS) * 4;
${vectorFill(o)}
  }
${sync}  __syncthreads();

${hint}  for (int i = threadIdx.x; i < TILE * QUADS; i += THREADS) {
    const int c = i / QUADS;
    const int r = (i % QUADS) * 4;
${vectorDrain(o)}
  }
}
`;
    const grid: [number, number, number] = [colsOf(s) / tile, rowsOf(s) / tile, 1];
    return { source, launches: [launch(grid, [threads, 1, 1], ["x", "out", ...size.args])] };
  },
};

const turnFour = `    const float4 t0 = make_float4(a0.x, a1.x, a2.x, a3.x);
    const float4 t1 = make_float4(a0.y, a1.y, a2.y, a3.y);
    const float4 t2 = make_float4(a0.z, a1.z, a2.z, a3.z);
    const float4 t3 = make_float4(a0.w, a1.w, a2.w, a3.w);`;

function swizzleFill(o: Options): string {
  const from = "src[r * (cols / 4) + q]";
  if (o["fill"] === "async") return `    __pipeline_memcpy_async(&tile[spot(r, q)], &${from}, 16);`;
  return `    tile[spot(r, q)] = ${read(o["fill"], from)};`;
}

function swizzleDrain(o: Options): string {
  if (o["drain"] === "scalars") {
    return `  const float* cells = reinterpret_cast<const float*>(tile);
  for (int i = threadIdx.x; i < EDGE * QUADS; i += THREADS) {
    const int c = i / QUADS;
    const int p = i % QUADS;
    float4 t;
    t.x = cells[spot(4 * p, c >> 2) * 4 + (c & 3)];
    t.y = cells[spot(4 * p + 1, c >> 2) * 4 + (c & 3)];
    t.z = cells[spot(4 * p + 2, c >> 2) * 4 + (c & 3)];
    t.w = cells[spot(4 * p + 3, c >> 2) * 4 + (c & 3)];
    ${write(o["store"], "dst[c * (rows / 4) + p]", "t")}
  }`;
  }
  const store = (j: number): string => `    ${write(o["store"], `dst[(4 * q + ${j}) * (rows / 4) + p]`, `t${j}`)}`;
  return `  for (int i = threadIdx.x; i < QUADS * QUADS; i += THREADS) {
    const int p = i % QUADS;
    const int q = i / QUADS;
    const float4 a0 = tile[spot(4 * p, q)];
    const float4 a1 = tile[spot(4 * p + 1, q)];
    const float4 a2 = tile[spot(4 * p + 2, q)];
    const float4 a3 = tile[spot(4 * p + 3, q)];
${turnFour}
${[0, 1, 2, 3].map(store).join("\n")}
  }`;
}

/** Shared memory addressed in float4 words with a permutation instead of padding. */
export const swizzled: Template = {
  id: "vec4-swizzle",
  from: "vec4-tile",
  idea: "Permute the float4 words of each shared row so that both sides are free of bank conflicts without padding",
  options: {
    pattern: ["xor", "rotate"],
    drain: ["scalars", "registers"],
    fill: ["plain", "__ldg", "__ldcs", "async"],
    store: ["plain", "__stcs"],
    columnFirst: [false, true],
    size: ["args", "constexpr"],
    edge: [64, 32, 128],
    threads: [256, 128, 512],
  },
  valid: (o) => !(o["edge"] === 32 && o["threads"] !== 128) && !(o["edge"] === 64 && o["threads"] === 512),
  count: 3,
  write(o, s) {
    const size = sizing(o["size"], s);
    const [edge, threads] = [int(o, "edge"), int(o, "threads")];
    const mixed = o["pattern"] === "xor" ? "(q ^ (r >> 2)) & (QUADS - 1)" : "(q + (r >> 2)) & (QUADS - 1)";
    const [bx, by] = o["columnFirst"] ? ["blockIdx.y", "blockIdx.x"] : ["blockIdx.x", "blockIdx.y"];
    const sync = o["fill"] === "async" ? "  __pipeline_commit();\n  __pipeline_wait_prior(0);\n" : "";
    const source = `${o["fill"] === "async" ? "#include <cuda_pipeline.h>\n\n" : ""}constexpr int EDGE = ${edge};
constexpr int THREADS = ${threads};
constexpr int QUADS = EDGE / 4;
${size.header}
// Where word q of row r of the tile is kept.
__device__ __forceinline__ int spot(int r, int q) {
  return r * QUADS + (${mixed});
}

extern "C" __global__ void __launch_bounds__(THREADS) transpose(${pointers(true)}${size.params}) {
  extern __shared__ float4 tile[];
  const int row0 = ${by} * EDGE;
  const int col0 = ${bx} * EDGE;
  const float4* src = reinterpret_cast<const float4*>(x + (size_t)row0 * cols + col0);
  float4* dst = reinterpret_cast<float4*>(out + (size_t)col0 * rows + row0);

  for (int i = threadIdx.x; i < EDGE * QUADS; i += THREADS) {
    const int r = i / QUADS;
    const int q = i % QUADS;
${swizzleFill(o)}
  }
${sync}  __syncthreads();
${swizzleDrain(o)}
}
`;
    const [nx, ny] = [colsOf(s) / edge, rowsOf(s) / edge];
    const grid: [number, number, number] = o["columnFirst"] ? [ny, nx, 1] : [nx, ny, 1];
    return { source, launches: [launch(grid, [threads, 1, 1], ["x", "out", ...size.args], 4 * edge * edge)] };
  },
};
