import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { exponentials, lanesTo, scaleOf, shapeOf, sizesText } from "./common.ts";
import { fragments, preamble, spanOf } from "./wmma.ts";

const passOptions = {
  score_map: ["loop", "warps"],
  exponential: exponentials,
  shift: [true, false],
  normalise: ["early", "late"],
  value_map: ["dims", "keys"],
  unroll: [false, true],
  macros: [true, false],
  rows: [8, 4],
  warps: [4, 8],
} as const;
type Passes = Chosen<typeof passOptions>;

function scoresText(o: Passes): string {
  const pragma = on(o.unroll, "#pragma unroll 4\n");
  const scoreTile = `const int i0 = tile * 16, kj = max(0, i0 + 16 - SPAN) + n * 16;
Sums s;
wmma::fill_fragment(s, 0.0f);
#pragma unroll
for (int d = 0; d < 4; ++d) {
Left a;
Keys b;
wmma::load_matrix_sync(a, q + ((size_t)i0 * HEADS + h) * DIM + d * 16, HEADS * DIM);
wmma::load_matrix_sync(b, k + ((size_t)kj * KV_HEADS + kv) * DIM + d * 16, KV_HEADS * DIM);
wmma::mma_sync(s, a, b, s);
}
wmma::store_matrix_sync(workspace + ((size_t)h * SEQ + i0) * SPAN + n * 16, s, SPAN, wmma::mem_row_major);`;
  return o.score_map === "loop"
    ? `const int tile = blockIdx.x * WARPS + threadIdx.x / 32, h = blockIdx.y, kv = h / SHARE;
${pragma}for (int n = 0; n < SPAN / 16; ++n) {
${scoreTile}
}`
    : `const int tile = blockIdx.x, h = blockIdx.y, kv = h / SHARE;
for (int n = threadIdx.x / 32; n < SPAN / 16; n += WARPS) {
${scoreTile}
}`;
}

function weighKernel(o: Passes, chunks: number): string {
  const late = o.normalise === "late";
  return `// Scores become weights in halves at the begin of their row${on(late, "; the inverse of their sum lies at its end")}.
extern "C" __global__ void weigh(float* workspace) {
const int lane = threadIdx.x % 32;
const size_t place = (size_t)blockIdx.x * ${o.rows} + threadIdx.x / 32;
const int i = place % SEQ, j0 = max(0, i / 16 * 16 + 16 - SPAN);
float* row = workspace + place * SPAN;
float s[${chunks}];
float top = -1e30f, total = 0.0f;
#pragma unroll
for (int c = 0; c < ${chunks}; ++c) {
const int t = c * 32 + lane, j = j0 + t;
s[c] = -1e30f;
if (t < SPAN && j <= i && j > i - WINDOW) s[c] = row[t] * ${scaleOf(o.exponential)};
top = fmaxf(top, s[c]);
}
${o.shift ? lanesTo("top", "max") : "top = 0.0f;"}
#pragma unroll
for (int c = 0; c < ${chunks}; ++c) {
s[c] = ${o.exponential}(s[c] - top);
total += s[c];
}
${lanesTo("total", "sum")}
half* weights = reinterpret_cast<half*>(row);
#pragma unroll
for (int c = 0; c < ${chunks}; ++c) {
const int t = c * 32 + lane;
if (t < SPAN) weights[t] = __float2half(s[c]${on(!late, " / total")});
}
${on(late, "if (lane == 0) row[SPAN - 1] = 1.0f / total;")}
}`;
}

function valueKernel(o: Passes): string {
  const late = o.normalise === "late";
  const pragma = on(o.unroll, "#pragma unroll 4\n");
  const keysSplit = o.value_map === "keys";
  const products = (n: string, s: string): string => `Values b;
wmma::load_matrix_sync(b, v + ((size_t)(j0 + x * 16) * KV_HEADS + kv) * DIM + ${n} * 16, KV_HEADS * DIM);
wmma::mma_sync(${s}, a, b, ${s});`;
  const values = keysSplit
    ? `Sums s[4];
#pragma unroll
for (int n = 0; n < 4; ++n) wmma::fill_fragment(s[n], 0.0f);
for (int x = warp; x < SPAN / 16; x += 4) {
Left a;
wmma::load_matrix_sync(a, weights + x * 16, 2 * SPAN);
#pragma unroll
for (int n = 0; n < 4; ++n) {
${products("n", "s[n]")}
}
}
#pragma unroll
for (int n = 0; n < 4; ++n) wmma::store_matrix_sync(board[warp] + n * 16, s[n], 68, wmma::mem_row_major);`
    : `Sums s;
wmma::fill_fragment(s, 0.0f);
${pragma}for (int x = 0; x < SPAN / 16; ++x) {
Left a;
wmma::load_matrix_sync(a, weights + x * 16, 2 * SPAN);
${products("warp", "s")}
}
wmma::store_matrix_sync(board[0] + warp * 16, s, 68, wmma::mem_row_major);`;
  const total = (part: string): string =>
    keysSplit ? `(board[0][${part}] + board[1][${part}] + board[2][${part}] + board[3][${part}])` : `board[0][${part}]`;
  return `extern "C" __global__ void value_tiles(const float* __restrict__ workspace, const half* __restrict__ v, half* __restrict__ out) {
__shared__ __align__(128) float board[${keysSplit ? 4 : 1}][16 * 68];
const int warp = threadIdx.x / 32;
const int i0 = blockIdx.x * 16, h = blockIdx.y, kv = h / SHARE;
const int j0 = max(0, i0 + 16 - SPAN);
const half* weights = reinterpret_cast<const half*>(workspace + ((size_t)h * SEQ + i0) * SPAN);
${values}
__syncthreads();
for (int e = threadIdx.x; e < 16 * 32; e += 128) {
const int r = e / 32, d = e % 32 * 2;
${on(late, "const float scale = workspace[((size_t)h * SEQ + i0 + r + 1) * SPAN - 1];")}
*reinterpret_cast<half2*>(out + ((size_t)(i0 + r) * HEADS + h) * DIM + d) = __floats2half2_rn(${total("r * 68 + d")}${on(late, " * scale")}, ${total("r * 68 + d + 1")}${on(late, " * scale")});
}
}`;
}

/** The three passes over the band with tensor cores; scores lie in the workspace by tiles of sixteen queries. */
export const tensorPasses = template({
  id: "tensor-passes",
  from: "band-passes",
  idea: "compute the band of scores and the weighted values with tensor cores in separate passes",
  count: 22,
  options: passOptions,
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const span = spanOf(shape.window, 16);
    const chunks = Math.ceil(span / 32);
    const source = `${preamble}
${sizesText(shape, o.macros)}
#define SPAN ${span}
#define WARPS ${o.warps}

${fragments}
extern "C" __global__ void score_tiles(const half* __restrict__ q, const half* __restrict__ k, float* __restrict__ workspace) {
${scoresText(o)}
}

${weighKernel(o, chunks)}

${valueKernel(o)}
`;
    const tiles = shape.seq / 16;
    const launches = [
      launch("score_tiles", [o.score_map === "loop" ? tiles / o.warps : tiles, shape.heads], 32 * o.warps, [
        "q",
        "k",
        "workspace",
      ]),
      launch("weigh", (shape.seq * shape.heads) / o.rows, 32 * o.rows, ["workspace"]),
      launch("value_tiles", [tiles, shape.heads], 128, ["workspace", "v", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
