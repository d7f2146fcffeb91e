import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { dealt, finishes, handOver, rowsOf, sideKernel, withSide } from "./common.ts";

const dotOptions = {
  turn: ["tile", "scattered", "wide tile"],
  load: ["quads", "scalars"],
  reduce: ["xor", "down", "shared"],
  half: [true, false],
  combine: ["warps then atomics", "each warp"],
  axis: ["pairs first", "slices first"],
  unroll: [false, true],
  bounds: [false, true],
  pad: [1, 0],
  edge: [4, 8, 2],
  slices: [32, 16, 64],
  threads: [128, 256],
} as const;

type DotChoice = Chosen<typeof dotOptions>;

function turnKernel(o: DotChoice): string {
  if (o.turn === "scattered")
    return `extern "C" __global__ void turn_rows(const float* __restrict__ x, float* __restrict__ turned) {
const size_t e = (size_t)blockIdx.x * 256 + threadIdx.x;
turned[e % 64 * ROWS + e / 64] = x[e];
}
`;
  const width = o.turn === "tile" ? 32 : 64;
  const column = width === 32 ? "const int col0 = blockIdx.y * 32;" : "const int col0 = 0;";
  return `extern "C" __global__ void turn_rows(const float* __restrict__ x, float* __restrict__ turned) {
__shared__ float tile[32][${width} + ${o.pad}];
const int row0 = blockIdx.x * 32;
${column}
for (int e = threadIdx.x; e < 32 * ${width}; e += 256) {
tile[e / ${width}][e % ${width}] = x[(size_t)(row0 + e / ${width}) * 64 + col0 + e % ${width}];
}
__syncthreads();
for (int e = threadIdx.x; e < 32 * ${width}; e += 256) {
turned[(size_t)(col0 + e / 32) * ROWS + row0 + e % 32] = tile[e % 32][e / 32];
}
}
`;
}

function dotLoop(o: DotChoice): string {
  const pragma = on(o.unroll, "#pragma unroll 2\n");
  if (o.load === "scalars")
    return `${pragma}for (int r = slice * SPAN + threadIdx.x; r < (slice + 1) * SPAN; r += THREADS) {
float p[EDGE], q[EDGE];
#pragma unroll
for (int i = 0; i < EDGE; ++i) {
p[i] = left[(size_t)i * ROWS + r];
q[i] = right[(size_t)i * ROWS + r];
}
#pragma unroll
for (int i = 0; i < EDGE; ++i) {
#pragma unroll
for (int j = 0; j < EDGE; ++j) {
acc[i][j] += p[i] * q[j];
}
}
}`;
  return `${pragma}for (int r = slice * SPAN + 4 * threadIdx.x; r < (slice + 1) * SPAN; r += 4 * THREADS) {
float4 p[EDGE];
#pragma unroll
for (int i = 0; i < EDGE; ++i) {
p[i] = *reinterpret_cast<const float4*>(left + (size_t)i * ROWS + r);
}
#pragma unroll
for (int j = 0; j < EDGE; ++j) {
const float4 q = *reinterpret_cast<const float4*>(right + (size_t)j * ROWS + r);
#pragma unroll
for (int i = 0; i < EDGE; ++i) {
acc[i][j] += p[i].x * q.x + p[i].y * q.y + p[i].z * q.z + p[i].w * q.w;
}
}
}`;
}

function dotReduce(o: DotChoice): string {
  const mirror = (value: string): string => `atomicAdd(&g[(bi * EDGE + i) * 64 + bj * EDGE + j], ${value});
${on(o.half, `if (bi != bj) {\natomicAdd(&g[(bj * EDGE + j) * 64 + bi * EDGE + i], ${value});\n}`)}`;
  const loops = (body: string): string => `#pragma unroll
for (int i = 0; i < EDGE; ++i) {
#pragma unroll
for (int j = 0; j < EDGE; ++j) {
${body}
}
}`;
  const shuffle = o.reduce === "down" ? "__shfl_down_sync(0xffffffffu, v, d)" : "__shfl_xor_sync(0xffffffffu, v, d)";
  const warpSum = `float v = acc[i][j];
#pragma unroll
for (int d = 16; d > 0; d >>= 1) {
v += ${shuffle};
}`;
  if (o.reduce === "shared")
    return `__shared__ float lanes[THREADS];
${loops(`__syncthreads();
lanes[threadIdx.x] = acc[i][j];
__syncthreads();
for (int d = THREADS / 2; d > 0; d >>= 1) {
if (threadIdx.x < d) {
lanes[threadIdx.x] += lanes[threadIdx.x + d];
}
__syncthreads();
}
if (threadIdx.x == 0) {
${mirror("lanes[0]")}
}`)}`;
  if (o.combine === "each warp")
    return loops(`${warpSum}
if (threadIdx.x % 32 == 0) {
${mirror("v")}
}`);
  return `__shared__ float of_warps[THREADS / 32][EDGE * EDGE];
${loops(`${warpSum}
if (threadIdx.x % 32 == 0) {
of_warps[threadIdx.x / 32][i * EDGE + j] = v;
}`)}
__syncthreads();
if (threadIdx.x < EDGE * EDGE) {
const int i = threadIdx.x / EDGE, j = threadIdx.x % EDGE;
float v = 0.0f;
for (int w = 0; w < THREADS / 32; ++w) {
v += of_warps[w][threadIdx.x];
}
${mirror("v")}
}`;
}

/** X is turned first; then G's elements are dot products of contiguous lines. */
export const turnedDots = template({
  id: "turned-dots",
  from: "element-slices",
  idea: "Turn X in a launch of its own and take dot products of its contiguous columns",
  options: dotOptions,
  valid: (o) => o.reduce !== "shared" || o.combine === "each warp",
  count: 22,
  write(o, s) {
    const rows = rowsOf(s);
    const per = 64 / o.edge;
    const pairs = o.half ? (per * (per + 1)) / 2 : per * per;
    const first = o.axis === "pairs first";
    const [pair, slice] = first ? ["blockIdx.x", "blockIdx.y"] : ["blockIdx.y", "blockIdx.x"];
    const find = o.half
      ? `int bi = 0;
while ((bi + 1) * (bi + 2) / 2 <= pair) {
++bi;
}
const int bj = pair - bi * (bi + 1) / 2;`
      : `const int bi = pair / ${per}, bj = pair % ${per};`;
    const source = `#define ROWS ${rows}
#define EDGE ${o.edge}
#define THREADS ${o.threads}
#define SPAN (ROWS / ${o.slices})

${turnKernel(o)}
extern "C" __global__ void empty_gram(float* g) {
g[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;
}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}column_dots(const float* __restrict__ turned, float* g) {
const int pair = ${pair};
const int slice = ${slice};
${find}
const float* left = turned + (size_t)bi * EDGE * ROWS;
const float* right = turned + (size_t)bj * EDGE * ROWS;
float acc[EDGE][EDGE] = {};
${dotLoop(o)}
${dotReduce(o)}
}
`;
    const turn =
      o.turn === "scattered"
        ? launch("turn_rows", rows / 4, 256, ["x", "turned"])
        : launch("turn_rows", [rows / 32, o.turn === "tile" ? 2 : 1], 256, ["x", "turned"]);
    const grid: [number, number] = first ? [pairs, o.slices] : [o.slices, pairs];
    const launches = [
      turn,
      launch("empty_gram", 16, 256, ["g"]),
      launch("column_dots", grid, o.threads, ["turned", "g"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const tensorOptions = {
  finish: finishes,
  owner: ["rows of G", "own rows"],
  from: ["global", "shared"],
  terms: ["small first", "large first"],
  split: ["function", "inline"],
  skip: [false, true],
  deal: ["stride", "runs"],
  meet: ["warp by warp", "atomics"],
  bounds: [true, false],
  pad: [4, 0],
  chunk: [32, 64],
  grid: [264, 132, 396],
} as const;

type TensorChoice = Chosen<typeof tensorOptions>;

const cutFunction = `// high keeps the leading bits of whole, low what is left.
template <class F>
__device__ __forceinline__ void split_fragment(F& whole, F& low) {
#pragma unroll
for (int e = 0; e < whole.num_elements; ++e) {
const float high = wmma::__float_to_tf32(whole.x[e]);
low.x[e] = wmma::__float_to_tf32(whole.x[e] - high);
whole.x[e] = high;
}
}
`;

function splitInto(o: TensorChoice, whole: string, low: string): string {
  if (o.split === "function") return `split_fragment(${whole}, ${low});`;
  return `#pragma unroll
for (int e = 0; e < ${whole}.num_elements; ++e) {
const float high = wmma::__float_to_tf32(${whole}.x[e]);
${low}.x[e] = wmma::__float_to_tf32(${whole}.x[e] - high);
${whole}.x[e] = high;
}`;
}

function tensorChunk(o: TensorChoice): string {
  const shared = o.from === "shared";
  const base = shared ? "tile" : "from";
  const pitch = shared ? "PITCH" : "64";
  const term = (sum: string, p: string, q: string): string => `wmma::mma_sync(${sum}, ${p}, ${q}, ${sum});`;
  const three = (sum: string, p: string, q: string): string => {
    const lines = [term(sum, `${p}_low`, q), term(sum, p, `${q}_low`), term(sum, p, q)];
    return (o.terms === "small first" ? lines : lines.toReversed()).join("\n");
  };
  const loadRight = (j: string): string => `Right q, q_low;
wmma::load_matrix_sync(q, ${base} + r * ${pitch} + ${j} * 16, ${pitch});
${splitInto(o, "q", "q_low")}`;
  if (o.owner === "rows of G")
    return `for (int r = 0; r < CHUNK; r += 8) {
Left p, p_low;
wmma::load_matrix_sync(p, ${base} + r * ${pitch} + warp * 16, ${pitch});
${splitInto(o, "p", "p_low")}
#pragma unroll
for (int j = 0; j < 4; ++j) {
${on(o.skip, "if (j > warp) {\ncontinue;\n}")}
${loadRight("j")}
${three("sums[j]", "p", "q")}
}
}`;
  return `for (int r = warp * 8; r < CHUNK; r += 32) {
#pragma unroll
for (int i = 0; i < 4; ++i) {
Left p, p_low;
wmma::load_matrix_sync(p, ${base} + r * ${pitch} + i * 16, ${pitch});
${splitInto(o, "p", "p_low")}
#pragma unroll
for (int j = 0; j < ${o.skip ? "i + 1" : "4"}; ++j) {
${loadRight("j")}
${three("sums[i][j]", "p", "q")}
}
}
}`;
}

function tensorFinish(o: TensorChoice): string {
  const give = `for (int e = threadIdx.x; e < 4096; e += 128) {
${o.skip ? "const int i = e / 64, j = e % 64;\nconst float v = j / 16 > i / 16 ? whole[j * 64 + i] : whole[e];" : "const float v = whole[e];"}
${handOver(o.finish, "e", "v")}
}`;
  if (o.owner === "rows of G")
    return `#pragma unroll
for (int j = 0; j < 4; ++j) {
wmma::store_matrix_sync(whole + warp * 1024 + j * 16, sums[j], 64, wmma::mem_row_major);
}
__syncthreads();
${give}`;
  if (o.meet === "atomics")
    return `for (int e = threadIdx.x; e < 4096; e += 128) {
whole[e] = 0.0f;
}
__syncthreads();
#pragma unroll
for (int i = 0; i < 4; ++i) {
#pragma unroll
for (int j = 0; j < 4; ++j) {
wmma::store_matrix_sync(board + warp * 256, sums[i][j], 16, wmma::mem_row_major);
__syncwarp();
for (int e = threadIdx.x % 32; e < 256; e += 32) {
atomicAdd(&whole[(i * 16 + e / 16) * 64 + j * 16 + e % 16], board[warp * 256 + e]);
}
__syncwarp();
}
}
__syncthreads();
${give}`;
  return `for (int turn = 0; turn < 4; ++turn) {
if (warp == turn) {
#pragma unroll
for (int i = 0; i < 4; ++i) {
#pragma unroll
for (int j = 0; j < 4; ++j) {
float* place = whole + i * 1024 + j * 16;
if (turn > 0) {
Sum before;
wmma::load_matrix_sync(before, place, 64, wmma::mem_row_major);
#pragma unroll
for (int e = 0; e < before.num_elements; ++e) {
sums[i][j].x[e] += before.x[e];
}
}
wmma::store_matrix_sync(place, sums[i][j], 64, wmma::mem_row_major);
}
}
}
__syncthreads();
}
${give}`;
}

/** Tensor cores on numbers cut in two. */
export const splitTensor = template({
  id: "split-tensor",
  from: "row-tiles",
  idea: "Cut the numbers in two and add up three tensor-core products for each product of G",
  options: tensorOptions,
  valid: (o) => (o.from === "shared" || o.pad === 4) && (o.owner === "own rows" || o.meet === "warp by warp"),
  count: 26,
  write(o, s) {
    const shared = o.from === "shared";
    const own = o.owner === "own rows";
    const stage = `__syncthreads();
for (int e = threadIdx.x; e < CHUNK * 16; e += 128) {
*reinterpret_cast<float4*>(&tile[e / 16 * PITCH + e % 16 * 4]) = reinterpret_cast<const float4*>(from)[e];
}
__syncthreads();
`;
    const clear = own
      ? `#pragma unroll
for (int i = 0; i < 4; ++i) {
#pragma unroll
for (int j = 0; j < 4; ++j) {
wmma::fill_fragment(sums[i][j], 0.0f);
}
}`
      : repeat(4, (j) => `wmma::fill_fragment(sums[${j}], 0.0f);`);
    const source = `#include <mma.h>
using namespace nvcuda;

constexpr int ROWS = ${rowsOf(s)};
constexpr int CHUNK = ${o.chunk}, CHUNKS = ROWS / CHUNK;
${on(shared, `constexpr int PITCH = 64 + ${o.pad};\n`)}using Left = wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::col_major>;
using Right = wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major>;
using Sum = wmma::fragment<wmma::accumulator, 16, 16, 8, float>;

${sideKernel(o.finish, o.grid)}
${on(o.split === "function", cutFunction)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(128) ")}gram_tensor(const float* __restrict__ x, float* __restrict__ out) {
__shared__ __align__(32) float whole[4096];
${on(own && o.meet === "atomics", "__shared__ __align__(32) float board[1024];")}
${on(shared, "__shared__ __align__(32) float tile[CHUNK * PITCH];")}
const int warp = threadIdx.x / 32;
${dealt(o.deal)}
Sum sums[4]${on(own, "[4]")};
${clear}
for (int chunk = first; chunk < end; chunk += step) {
const float* from = x + (size_t)chunk * CHUNK * 64;
${on(shared, stage)}${tensorChunk(o)}
}
${tensorFinish(o)}
}
`;
    const launches = withSide(o.finish, (out) => launch("gram_tensor", o.grid, 128, ["x", out]));
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
