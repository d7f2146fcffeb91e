import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { colsOf, laneSum, laneSums, read, rowsOf, sizing, type Sizing } from "./shared.ts";

const vectorOptions = {
  stage: ["whole", "pieces"],
  copy: ["scalars", "quads", "async"],
  width: [4, 1],
  rows: [1, 2, 4],
  load: ["plain", "__ldg", "__ldcs"],
  reduce: laneSums,
  unroll: [false, true],
  bounds: [false, true],
  deal: ["round robin", "runs"],
  size: ["constexpr", "args"],
  warps: [16, 8, 32],
} as const;

type VectorChoice = Chosen<typeof vectorOptions>;

function copyVector(copy: string, from: string, count: string): string {
  if (copy === "scalars")
    return `for (int i = threadIdx.x; i < ${count}; i += WARPS * 32) {
xs[i] = ${from}[i];
}`;
  const move =
    copy === "quads"
      ? `reinterpret_cast<float4*>(xs)[i] = reinterpret_cast<const float4*>(${from})[i];`
      : `__pipeline_memcpy_async(xs + 4 * i, ${from} + 4 * i, 16);`;
  const wait = on(copy === "async", "\n__pipeline_commit();\n__pipeline_wait_prior(0);");
  return `for (int i = threadIdx.x; i < (${count}) / 4; i += WARPS * 32) {
${move}
}${wait}`;
}

function vectorDot(o: VectorChoice, offset: string, count: string, size: Sizing): string {
  const row = `a + (size_t)(row + r) * ${size.cols}${offset}`;
  if (o.width === 1)
    return `${on(o.unroll, "#pragma unroll 4\n")}for (int j = lane; j < ${count}; j += 32) {
const float v = xs[j];
#pragma unroll
for (int r = 0; r < R; ++r) {
const float* at = ${row};
sum[r] += ${read(o.load, "at[j]")} * v;
}
}`;
  return `${on(o.unroll, "#pragma unroll 4\n")}for (int j = lane; j < (${count}) / 4; j += 32) {
const float4 v = reinterpret_cast<const float4*>(xs)[j];
#pragma unroll
for (int r = 0; r < R; ++r) {
const float4* at = reinterpret_cast<const float4*>(${row});
const float4 p = ${read(o.load, "at[j]")};
sum[r] += p.x * v.x + p.y * v.y + p.z * v.z + p.w * v.w;
}
}`;
}

const storeRows = `#pragma unroll
for (int r = 0; r < R; ++r) {
const float total = sum_lanes(sum[r]);
if (lane == 0) {
y[row + r] = total;
}
}`;

function vectorBody(o: VectorChoice, size: Sizing): string {
  const whole = o.stage === "whole";
  if (!whole)
    return `__shared__ __align__(16) float xs[PIECE];
const int row = (blockIdx.x * WARPS + threadIdx.x / 32) * R;
float sum[R] = {};
for (int start = 0; start < ${size.cols}; start += PIECE) {
const int width = min(PIECE, ${size.cols} - start);
__syncthreads();
${copyVector(o.copy, "(x + start)", "width")}
__syncthreads();
${vectorDot(o, " + start", "width", size)}
}
${storeRows}`;
  const first = "(blockIdx.x * WARPS + threadIdx.x / 32)";
  const loop =
    o.deal === "round robin"
      ? `for (int row = ${first} * R; row < ${size.rows}; row += gridDim.x * WARPS * R)`
      : `const int per_warp = (${size.rows} / R + gridDim.x * WARPS - 1) / (gridDim.x * WARPS) * R;
const int begin = ${first} * per_warp;
const int end = min(begin + per_warp, ${size.rows});
for (int row = begin; row < end; row += R)`;
  return `extern __shared__ __align__(16) float xs[];
${copyVector(o.copy, "x", size.cols)}
__syncthreads();
${loop} {
float sum[R] = {};
${vectorDot(o, "", size.cols, size)}
${storeRows}
}`;
}

/** x, or a piece of it, lies in shared memory. */
export const sharedVector = template({
  id: "shared-vector",
  from: "warp-rows",
  idea: "Bring x into shared memory once per block and let the block's warps take rows from there",
  options: vectorOptions,
  valid: (o) => (o.stage === "whole" || o.deal === "round robin") && (o.warps < 32 || o.bounds),
  count: 30,
  write(o, s) {
    const size = sizing(o.size, s);
    const whole = o.stage === "whole";
    const source = `${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}
#define WARPS ${o.warps}
#define R ${o.rows}
${on(!whole, "#define PIECE 4096\n")}${size.header}
${laneSum(o.reduce, "sum_lanes")}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(WARPS * 32) ")}gemv_shared_x(const float* __restrict__ a, const float* __restrict__ x, float* __restrict__ y${size.params}) {
const int lane = threadIdx.x % 32;
${vectorBody(o, size)}
}
`;
    const grid = whole ? 132 * (o.warps === 32 ? 1 : 2) : rowsOf(s) / (o.warps * o.rows);
    const bytes = whole ? 4 * colsOf(s) : 0;
    const draft = {
      source,
      launches: [launch("gemv_shared_x", grid, o.warps * 32, ["a", "x", "y", ...size.args], bytes)],
    };
    return styled(draft, { names: "camel", indent: 4 });
  },
});

const tileOptions = {
  fill: ["scalars", "quads"],
  pad: [true, false],
  vector: ["global", "shared"],
  ahead: [false, true],
  gather: ["atomic", "partials"],
  unroll: [true, false],
  load: ["plain", "__ldg", "__ldcs"],
  width: [32, 64],
  slices: [16, 4, 8, 32, 2],
  rows: [128, 64, 256],
} as const;

type TileChoice = Chosen<typeof tileOptions>;

function tileFill(o: TileChoice): { fetch: string; put: string } {
  const quads = o.fill === "quads";
  const step = quads ? "W / 4" : "W";
  const count = quads ? "W / 4" : "W";
  const place = (row: string, col: string): string => `a[(size_t)(row0 + ${row}) * COLS + start + ${col}]`;
  const source = quads
    ? read(o.load, `reinterpret_cast<const float4*>(a + (size_t)(row0 + e / (W / 4)) * COLS + start)[e % (W / 4)]`)
    : read(o.load, place("e / W", "e % W"));
  const fetch = `#pragma unroll
for (int u = 0; u < ${count}; ++u) {
const int e = u * TILE + threadIdx.x;
keep[u] = ${source};
}`;
  const put = quads
    ? `#pragma unroll
for (int u = 0; u < ${count}; ++u) {
const int e = u * TILE + threadIdx.x;
float* to = &tile[e / (${step})][e % (${step}) * 4];
to[0] = keep[u].x;
to[1] = keep[u].y;
to[2] = keep[u].z;
to[3] = keep[u].w;
}`
    : `#pragma unroll
for (int u = 0; u < ${count}; ++u) {
const int e = u * TILE + threadIdx.x;
tile[e / W][e % W] = keep[u];
}`;
  return { fetch, put };
}

function tileLoop(o: TileChoice): string {
  const { fetch, put } = tileFill(o);
  const keep = o.fill === "quads" ? "float4 keep[W / 4];" : "float keep[W];";
  const xs = o.vector === "shared";
  const use = `${on(o.unroll, "#pragma unroll 16\n")}for (int j = 0; j < W; ++j) {
sum += tile[threadIdx.x][j] * ${xs ? "xs[j]" : "x[column + j]"};
}`;
  const stageX = on(xs, "if (threadIdx.x < W) {\nxs[threadIdx.x] = x[column + threadIdx.x];\n}\n");
  if (o.ahead)
    return `int start = blockIdx.y * SLICE;
${keep}
${fetch}
for (int column = start; column < (blockIdx.y + 1) * SLICE; column += W) {
__syncthreads();
${put}
${stageX}__syncthreads();
start = column + W;
if (start < (blockIdx.y + 1) * SLICE) {
${fetch}
}
${use}
}`;
  return `for (int column = blockIdx.y * SLICE; column < (blockIdx.y + 1) * SLICE; column += W) {
const int start = column;
${keep}
${fetch}
__syncthreads();
${put}
${stageX}__syncthreads();
${use}
}`;
}

/** Tiles arrive coalesced and are walked row by row from shared memory. */
export const turnedTile = template({
  id: "turned-tile",
  from: "row-thread",
  idea: "Stage tiles in shared memory so that a thread can walk its own row there",
  options: tileOptions,
  valid: (o) => o.rows * (o.width + (o.pad ? 1 : 0)) * 4 + 256 <= 48 * 1024 && o.rows >= o.width,
  count: 30,
  write(o, s) {
    const rows = rowsOf(s);
    const atomic = o.gather === "atomic";
    const other = atomic
      ? `extern "C" __global__ void clear_rows(float* y) {
y[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;
}`
      : `extern "C" __global__ void add_slices(const float* partial, float* y) {
const int row = blockIdx.x * blockDim.x + threadIdx.x;
float sum = 0.0f;
for (int slice = 0; slice < SLICES; ++slice) {
sum += partial[slice * ROWS + row];
}
y[row] = sum;
}`;
    const source = `constexpr int ROWS = ${rows}, COLS = ${colsOf(s)};
constexpr int TILE = ${o.rows}, W = ${o.width}, SLICES = ${o.slices};
constexpr int SLICE = COLS / SLICES;

${other}

extern "C" __global__ void tile_gemv(const float* __restrict__ a, const float* __restrict__ x, float* out) {
__shared__ float tile[TILE][W${on(o.pad, " + 1")}];
${on(o.vector === "shared", "__shared__ float xs[W];")}
const int row0 = blockIdx.x * TILE;
float sum = 0.0f;
${tileLoop(o)}
${atomic ? "atomicAdd(out + row0 + threadIdx.x, sum);" : "out[blockIdx.y * ROWS + row0 + threadIdx.x] = sum;"}
}
`;
    const main = launch("tile_gemv", [rows / o.rows, o.slices], o.rows, ["a", "x", atomic ? "y" : "partial"]);
    const side = launch(atomic ? "clear_rows" : "add_slices", rows / 128, 128, atomic ? ["y"] : ["partial", "y"]);
    return styled({ source, launches: atomic ? [side, main] : [main, side] }, { names: "snake", indent: 4 });
  },
});

const ringOptions = {
  scope: ["warp", "block"],
  copies: ["pipeline", "ptx"],
  reduce: laneSums,
  vector: ["plain", "__ldg"],
  persistent: [false, true],
  bounds: [true, false],
  guard: ["branch", "clamp"],
  stages: [3, 2, 4, 6],
  depth: [2, 1, 4],
  warps: [4, 8, 2],
} as const;

type RingChoice = Chosen<typeof ringOptions>;

function ringPrimitives(copies: string): string {
  return copies === "pipeline"
    ? `#include <cuda_pipeline.h>

#define COPY16(to, from) __pipeline_memcpy_async(to, from, 16)
#define COMMIT() __pipeline_commit()
#define WAIT(n) __pipeline_wait_prior(n)
`
    : `#define COPY16(to, from) asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(to)), "l"(from) : "memory")
#define COMMIT() asm volatile("cp.async.commit_group;" ::: "memory")
#define WAIT(n) asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory")
`;
}

function ringRequest(o: RingChoice): string {
  const body =
    o.scope === "warp"
      ? `#pragma unroll
for (int d = 0; d < DEPTH; ++d) {
COPY16(&slots[(piece % STAGES * DEPTH + d) * 32 + lane], &from[(SOURCE * DEPTH + d) * 32 + lane]);
}`
      : `float4* to = slots + piece % STAGES * STAGE;
for (int i = threadIdx.x; i < STAGE; i += WARPS * 32) {
const int line = i / (DEPTH * 32);
const int column = i % (DEPTH * 32);
const float4* origin = line < WARPS ? from + (size_t)line * (COLS / 4) : vec;
COPY16(&to[i], &origin[SOURCE * DEPTH * 32 + column]);
}`;
  if (o.guard === "clamp") return `${body.replace("SOURCE", "min(piece, PIECES - 1)")}\nCOMMIT();`;
  return `if (piece < PIECES) {
${body.replace("SOURCE", "piece")}
}
COMMIT();`;
}

function ringUse(o: RingChoice): string {
  const product = "sum += p.x * q.x + p.y * q.y + p.z * q.z + p.w * q.w;";
  if (o.scope === "warp")
    return `#pragma unroll
for (int d = 0; d < DEPTH; ++d) {
const float4 p = slots[(piece % STAGES * DEPTH + d) * 32 + lane];
const float4 q = ${read(o.vector, "vec[(piece * DEPTH + d) * 32 + lane]")};
${product}
}`;
  return `const float4* now = slots + piece % STAGES * STAGE;
#pragma unroll
for (int d = 0; d < DEPTH; ++d) {
const float4 p = now[(warp * DEPTH + d) * 32 + lane];
const float4 q = now[(WARPS * DEPTH + d) * 32 + lane];
${product}
}`;
}

/** Pieces of rows arrive by asynchronous copies ahead of their use. */
export const asyncRing = template({
  id: "async-ring",
  from: "shared-vector",
  idea: "Copy the rows asynchronously into a ring in shared memory, several pieces ahead",
  options: ringOptions,
  count: 6,
  write(o, s) {
    const [rows, cols] = [rowsOf(s), colsOf(s)];
    const warpScope = o.scope === "warp";
    const row = warpScope ? "unit * WARPS + warp" : "unit * WARPS";
    const barrier = warpScope ? "" : "__syncthreads();\n";
    const work = `const float4* from = reinterpret_cast<const float4*>(a) + (size_t)(${row}) * (COLS / 4);
${barrier}#pragma unroll
for (int piece = 0; piece < STAGES - 1; ++piece) {
request(slots, from, vec, piece);
}
float sum = 0.0f;
for (int piece = 0; piece < PIECES; ++piece) {
${warpScope ? "request(slots, from, vec, piece + STAGES - 1);\nWAIT(STAGES - 1);" : "WAIT(STAGES - 2);\n__syncthreads();\nrequest(slots, from, vec, piece + STAGES - 1);"}
${ringUse(o)}
}
sum = all_lanes(sum);
if (lane == 0) {
y[unit * WARPS + warp] = sum;
}
WAIT(0);`;
    const body = o.persistent
      ? `for (int unit = blockIdx.x; unit < ROWS / WARPS; unit += gridDim.x) {
${work}
}`
      : `const int unit = blockIdx.x;
${work}`;
    const stage = warpScope ? o.depth * 32 * o.warps : (o.warps + 1) * o.depth * 32;
    const source = `${ringPrimitives(o.copies)}
constexpr int ROWS = ${rows}, COLS = ${cols};
constexpr int WARPS = ${o.warps}, STAGES = ${o.stages}, DEPTH = ${o.depth};
constexpr int PIECES = COLS / (DEPTH * 128);
${on(!warpScope, "constexpr int STAGE = (WARPS + 1) * DEPTH * 32;")}

${laneSum(o.reduce, "all_lanes")}
__device__ __forceinline__ void request(float4* slots, const float4* from, const float4* vec, int piece) {
${on(warpScope, "const int lane = threadIdx.x % 32;")}
${ringRequest(o)}
}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(WARPS * 32) ")}gemv_ring(const float* __restrict__ a, const float* __restrict__ x, float* __restrict__ y) {
extern __shared__ float4 ring[];
const int lane = threadIdx.x % 32;
const int warp = threadIdx.x / 32;
const float4* vec = reinterpret_cast<const float4*>(x);
float4* slots = ring${on(warpScope, " + warp * STAGES * DEPTH * 32")};
${body}
}
`;
    const bytes = stage * o.stages * 16;
    const resident = Math.max(1, Math.min(Math.floor(220_000 / (bytes + 1024)), Math.floor(64 / o.warps), 16));
    const grid = o.persistent ? Math.min(132 * resident, rows / o.warps) : rows / o.warps;
    const draft = { source, launches: [launch("gemv_ring", grid, o.warps * 32, ["a", "x", "y"], bytes)] };
    return styled(draft, { names: "camel", indent: 2 });
  },
});
