import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { exponentials, scaleOf, shapeOf, sizesText } from "./common.ts";
import { fragments, preamble, rowPlace, stageQueries } from "./wmma.ts";

const onlineOptions = {
  packed: [false, true],
  shift: [true, false],
  copy: ["plain", "async"],
  query: ["memory", "held"],
  split: ["interleaved", "halves"],
  skip: [false, true],
  exponential: exponentials,
  unroll: [false, true],
  bounded: [false, true],
  tile: [64, 32],
  warps: [4, 2, 8],
} as const;
type Online = Chosen<typeof onlineOptions>;

const slotOf = (o: Online): string => (o.copy === "async" ? " + slot * TILE * 72" : "");

function bringText(o: Online, j: string, to: string): string {
  const ahead = o.copy === "async";
  const move = ahead
    ? (to: string, from: string): string => `__pipeline_memcpy_async(${to}, ${from}, 16);`
    : (to: string, from: string): string =>
        `*reinterpret_cast<uint4*>(${to}) = *reinterpret_cast<const uint4*>(${from});`;
  return `for (int e = threadIdx.x; e < TILE * 8; e += THREADS) {
const int r = e / 8, d = e % 8 * 8;
const size_t from = ((size_t)(${j} + r) * KV_HEADS + kv) * DIM + d;
${move(`keys${to} + r * 72 + d`, "k + from")}
${move(`values${to} + r * 72 + d`, "v + from")}
}`;
}

function softmaxText(o: Online): string {
  const columns =
    o.split === "interleaved"
      ? "for (int c = side; c < TILE; c += 2)"
      : "for (int c = side * (TILE / 2); c < (side + 1) * (TILE / 2); ++c)";
  const seen = "j <= i && j > i - WINDOW";
  return o.shift
    ? `float next = top;
${columns} {
const int j = j0 + c;
if (${seen}) next = fmaxf(next, board[row * (TILE + 4) + c] * ${scaleOf(o.exponential)});
}
next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 1));
const float fade = ${o.exponential}(top - next);
top = next;
total *= fade;
${columns} {
const int j = j0 + c;
const float e = ${seen} ? ${o.exponential}(board[row * (TILE + 4) + c] * ${scaleOf(o.exponential)} - next) : 0.0f;
total += e;
weights[row * (TILE + 8) + c] = __float2half(e);
}
for (int d = side * 32; d < side * 32 + 32; ++d) sums[row * 68 + d] *= fade;`
    : `${columns} {
const int j = j0 + c;
const float e = ${seen} ? ${o.exponential}(board[row * (TILE + 4) + c] * ${scaleOf(o.exponential)}) : 0.0f;
total += e;
weights[row * (TILE + 8) + c] = __float2half(e);
}`;
}

function workText(o: Online): string {
  const pragma = on(o.unroll, "#pragma unroll\n");
  return `${pragma}for (int n = 0; n < TILE / 16; ++n) {
Sums s;
wmma::fill_fragment(s, 0.0f);
#pragma unroll
for (int d = 0; d < 4; ++d) {
Keys b;
wmma::load_matrix_sync(b, keys${slotOf(o)} + n * 16 * 72 + d * 16, 72);
${
  o.query === "held"
    ? "wmma::mma_sync(s, own[d], b, s);"
    : `Left a;
wmma::load_matrix_sync(a, queries + warp * 16 * 72 + d * 16, 72);
wmma::mma_sync(s, a, b, s);`
}
}
wmma::store_matrix_sync(board + n * 16, s, TILE + 4, wmma::mem_row_major);
}
__syncwarp();
${softmaxText(o)}
__syncwarp();
#pragma unroll
for (int n = 0; n < 4; ++n) {
${on(o.shift, "Sums s;\nwmma::load_matrix_sync(s, sums + n * 16, 68, wmma::mem_row_major);")}
${pragma}for (int x = 0; x < TILE / 16; ++x) {
Left a;
Values b;
wmma::load_matrix_sync(a, weights + x * 16, TILE + 8);
wmma::load_matrix_sync(b, values${slotOf(o)} + x * 16 * 72 + n * 16, 72);
wmma::mma_sync(${o.shift ? "s, a, b, s" : "acc[n], a, b, acc[n]"});
}
${on(o.shift, "wmma::store_matrix_sync(sums + n * 16, s, 68, wmma::mem_row_major);")}
}
__syncwarp();`;
}

function loopText(o: Online): string {
  const work = workText(o);
  const guarded = o.skip ? `if (j0 <= lastQuery && j0 + TILE - 1 > firstQuery - WINDOW) {\n${work}\n}` : work;
  return o.copy === "async"
    ? `int slot = 0;
${bringText(o, "begin", "")}
__pipeline_commit();
for (int j0 = begin; j0 < i0 + QUERIES; j0 += TILE) {
if (j0 + TILE < i0 + QUERIES) {
${bringText(o, "j0 + TILE", " + (slot ^ 1) * TILE * 72")}
}
__pipeline_commit();
__pipeline_wait_prior(1);
__syncthreads();
${guarded}
__syncthreads();
slot ^= 1;
}`
    : `for (int j0 = begin; j0 < i0 + QUERIES; j0 += TILE) {
__syncthreads();
${bringText(o, "j0", "")}
__syncthreads();
${guarded}
}`;
}

/** Tiles of keys one after the other; every warp owns sixteen rows. */
export const wmmaOnline = template({
  id: "wmma-online",
  from: "wmma-band",
  idea: "walk over tiles of keys in shared memory with a running softmax per warp",
  count: 24,
  options: onlineOptions,
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const rows = 16 * o.warps;
    const queries = o.packed ? rows / shape.share : rows;
    const ahead = o.copy === "async";
    const slots = ahead ? 2 : 1;
    const source = `${on(ahead, "#include <cuda_pipeline.h>\n")}${preamble}
${sizesText(shape, false)}
constexpr int WARPS = ${o.warps}, THREADS = 32 * WARPS, ROWS = 16 * WARPS, QUERIES = ${queries}, TILE = ${o.tile};

${fragments}
extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(THREADS) ")}attend_running(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ out) {
extern __shared__ __align__(128) unsigned char room[];
half* queries = reinterpret_cast<half*>(room);
half* keys = queries + ROWS * 72;
half* values = keys + ${slots} * TILE * 72;
const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
half* weights = values + ${slots} * TILE * 72 + warp * 16 * (TILE + 8);
float* board = reinterpret_cast<float*>(values + ${slots} * TILE * 72 + WARPS * 16 * (TILE + 8)) + warp * 16 * (TILE + 4);
float* sums = reinterpret_cast<float*>(values + ${slots} * TILE * 72 + WARPS * 16 * (TILE + 8)) + WARPS * 16 * (TILE + 4) + warp * 16 * 68;
const int i0 = blockIdx.x * QUERIES;
${o.packed ? "const int kv = blockIdx.y;" : "const int h = blockIdx.y, kv = h / SHARE;"}
const int row = lane / 2, side = lane % 2;
const int i = i0 + ${o.packed ? "(warp * 16 + row) / SHARE" : "warp * 16 + row"};
${on(o.skip, `const int firstQuery = i0 + ${o.packed ? "warp * 16 / SHARE" : "warp * 16"}, lastQuery = i0 + ${o.packed ? "(warp * 16 + 15) / SHARE" : "warp * 16 + 15"};`)}
${stageQueries(o.packed)}
for (int d = side * 32; d < side * 32 + 32; ++d) sums[row * 68 + d] = 0.0f;
__syncthreads();
${on(
  o.query === "held",
  `Left own[4];
#pragma unroll
for (int d = 0; d < 4; ++d) wmma::load_matrix_sync(own[d], queries + warp * 16 * 72 + d * 16, 72);`,
)}
${on(!o.shift, "Sums acc[4];\n#pragma unroll\nfor (int n = 0; n < 4; ++n) wmma::fill_fragment(acc[n], 0.0f);")}
float ${on(o.shift, "top = -1e30f, ")}total = 0.0f;
const int begin = max(0, i0 - WINDOW + 1) / TILE * TILE;
${loopText(o)}
${on(!o.shift, "#pragma unroll\nfor (int n = 0; n < 4; ++n) wmma::store_matrix_sync(sums + n * 16, acc[n], 68, wmma::mem_row_major);\n__syncwarp();")}
total += __shfl_xor_sync(0xffffffffu, total, 1);
const float inverse = 1.0f / total;
half* to = out + ${rowPlace(o.packed, "(warp * 16 + row)")};
for (int d = side * 32; d < side * 32 + 32; d += 2) *reinterpret_cast<half2*>(to + d) = __floats2half2_rn(sums[row * 68 + d] * inverse, sums[row * 68 + d + 1] * inverse);
}
`;
    const bytes =
      2 * (rows * 72 + 2 * slots * o.tile * 72 + rows * (o.tile + 8)) + 4 * (rows * (o.tile + 4) + rows * 68);
    const grid = [shape.seq / queries, o.packed ? shape.kvHeads : shape.heads] as const;
    const main = launch("attend_running", grid, 32 * o.warps, ["q", "k", "v", "out"], bytes);
    return styled({ source, launches: [main] }, { names: "snake", indent: 4 });
  },
});
