import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { exponentials, lanesTo, scaleOf, shapeOf, sizesText } from "./common.ts";
import { fragments, preamble, rowPlace, spanOf, stageQueries } from "./wmma.ts";

const bandOptions = {
  rows: [16, 32, 64],
  packed: [false, true],
  staged: [false, true],
  in_place: [false, true],
  loop: ["tiles", "columns"],
  skip: [false, true],
  exponential: exponentials,
  shift: [true, false],
  store: ["pairs", "eights"],
  bounded: [false, true],
  warps: [4, 8, 2],
} as const;
type Band = Chosen<typeof bandOptions>;

const weightPitch = (o: Band): string => (o.in_place ? "(2 * PITCH)" : "(SPAN + 8)");

/** True where no query of row tile `m` sees a key of the tile at `kj`. */
function unseen(o: Band, m: string): string {
  const firstOf = (m: string): string => (o.packed ? `i0 + ${m} * 16 / SHARE` : `i0 + ${m} * 16`);
  const lastOf = (m: string): string => (o.packed ? `i0 + (${m} * 16 + 15) / SHARE` : `i0 + ${m} * 16 + 15`);
  return `kj > ${lastOf(m)} || kj + 15 <= ${firstOf(m)} - WINDOW`;
}

function scoresText(o: Band): string {
  const left = (m: string): string =>
    o.staged
      ? `wmma::load_matrix_sync(a, queries + ${m} * 16 * 72 + d * 16, 72);`
      : `wmma::load_matrix_sync(a, q + ((size_t)(i0 + ${m} * 16) * HEADS + h) * DIM + d * 16, HEADS * DIM);`;
  const right = "wmma::load_matrix_sync(b, k + ((size_t)kj * KV_HEADS + kv) * DIM + d * 16, KV_HEADS * DIM);";
  return o.loop === "tiles"
    ? `for (int t = warp; t < ROWS / 16 * (SPAN / 16); t += WARPS) {
const int m = t % (ROWS / 16), n = t / (ROWS / 16), kj = j0 + n * 16;
${on(o.skip, `if (${unseen(o, "m")}) continue;`)}
Sums s;
wmma::fill_fragment(s, 0.0f);
#pragma unroll
for (int d = 0; d < 4; ++d) {
Left a;
Keys b;
${left("m")}
${right}
wmma::mma_sync(s, a, b, s);
}
wmma::store_matrix_sync(scores + m * 16 * PITCH + n * 16, s, PITCH, wmma::mem_row_major);
}`
    : `for (int n = warp; n < SPAN / 16; n += WARPS) {
const int kj = j0 + n * 16;
Sums s[ROWS / 16];
#pragma unroll
for (int m = 0; m < ROWS / 16; ++m) wmma::fill_fragment(s[m], 0.0f);
#pragma unroll
for (int d = 0; d < 4; ++d) {
Keys b;
${right}
#pragma unroll
for (int m = 0; m < ROWS / 16; ++m) {
${on(o.skip, `if (${unseen(o, "m")}) continue;`)}
Left a;
${left("m")}
wmma::mma_sync(s[m], a, b, s[m]);
}
}
#pragma unroll
for (int m = 0; m < ROWS / 16; ++m) wmma::store_matrix_sync(scores + m * 16 * PITCH + n * 16, s[m], PITCH, wmma::mem_row_major);
}`;
}

function softmaxText(o: Band, chunks: number): string {
  return `for (int r = warp; r < ROWS; r += WARPS) {
const int i = i0 + ${o.packed ? "r / SHARE" : "r"};
float s[${chunks}];
float top = -1e30f, total = 0.0f;
#pragma unroll
for (int c = 0; c < ${chunks}; ++c) {
const int t = c * 32 + lane, j = j0 + t;
s[c] = t < SPAN && j <= i && j > i - WINDOW ? scores[r * PITCH + t] * ${scaleOf(o.exponential)} : -1e30f;
top = fmaxf(top, s[c]);
}
${o.shift ? lanesTo("top", "max") : "top = 0.0f;"}
__syncwarp();
#pragma unroll
for (int c = 0; c < ${chunks}; ++c) {
const int t = c * 32 + lane;
const float e = ${o.exponential}(s[c] - top);
total += e;
if (t < SPAN) weights[r * ${weightPitch(o)} + t] = __float2half(e);
}
${lanesTo("total", "sum")}
if (lane == 0) inverse[r] = 1.0f / total;
}`;
}

function valuesText(o: Band): string {
  return `for (int t = warp; t < ROWS / 16 * 4; t += WARPS) {
const int m = t / 4, n = t % 4;
Sums s;
wmma::fill_fragment(s, 0.0f);
for (int x = 0; x < SPAN / 16; ++x) {
const int kj = j0 + x * 16;
${on(o.skip, `if (${unseen(o, "m")}) continue;`)}
Left a;
Values b;
wmma::load_matrix_sync(a, weights + m * 16 * ${weightPitch(o)} + x * 16, ${weightPitch(o)});
wmma::load_matrix_sync(b, v + ((size_t)kj * KV_HEADS + kv) * DIM + n * 16, KV_HEADS * DIM);
wmma::mma_sync(s, a, b, s);
}
wmma::store_matrix_sync(result + m * 16 * 68 + n * 16, s, 68, wmma::mem_row_major);
}`;
}

function storeText(o: Band): string {
  return o.store === "pairs"
    ? `for (int e = threadIdx.x; e < ROWS * 32; e += THREADS) {
const int r = e / 32, d = e % 32 * 2;
const float scale = inverse[r];
*reinterpret_cast<half2*>(out + ${rowPlace(o.packed, "r")} + d) = __floats2half2_rn(result[r * 68 + d] * scale, result[r * 68 + d + 1] * scale);
}`
    : `for (int e = threadIdx.x; e < ROWS * 8; e += THREADS) {
const int r = e / 8, d = e % 8 * 8;
const float scale = inverse[r];
__align__(16) half2 four[4];
#pragma unroll
for (int u = 0; u < 4; ++u) four[u] = __floats2half2_rn(result[r * 68 + d + 2 * u] * scale, result[r * 68 + d + 2 * u + 1] * scale);
*reinterpret_cast<uint4*>(out + ${rowPlace(o.packed, "r")} + d) = *reinterpret_cast<uint4*>(four);
}`;
}

/** The scores of a whole window in shared memory: products, softmax, products. */
export const wmmaBand = template({
  id: "wmma-band",
  from: "band-passes",
  idea: "keep the band of a few queries in shared memory and use tensor cores for both products",
  count: 22,
  options: bandOptions,
  valid: (o) => o.staged || !o.packed,
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const queries = o.packed ? o.rows / shape.share : o.rows;
    const span = spanOf(shape.window, queries);
    const chunks = Math.ceil(span / 32);
    const source = `${preamble}
${sizesText(shape, true)}
#define ROWS ${o.rows}
#define QUERIES ${queries}
#define SPAN ${span}
#define PITCH (SPAN + 4)
#define WARPS ${o.warps}
#define THREADS (32 * WARPS)

${fragments}
extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(THREADS) ")}attend_band(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ out) {
extern __shared__ __align__(128) unsigned char room[];
float* scores = reinterpret_cast<float*>(room);
${
  o.in_place
    ? `half* weights = reinterpret_cast<half*>(room);
float* result = scores + ROWS * PITCH;
float* inverse = result + ROWS * 68;`
    : `half* weights = reinterpret_cast<half*>(scores + ROWS * PITCH);
float* result = scores;
float* inverse = reinterpret_cast<float*>(weights + ROWS * (SPAN + 8));`
}
${on(o.staged, "half* queries = reinterpret_cast<half*>(inverse + ROWS);")}
const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
const int i0 = blockIdx.x * QUERIES;
const int j0 = max(0, i0 + QUERIES - SPAN);
${o.packed ? "const int kv = blockIdx.y;" : "const int h = blockIdx.y, kv = h / SHARE;"}
${on(o.staged, `${stageQueries(o.packed)}\n__syncthreads();`)}
${scoresText(o)}
__syncthreads();
${softmaxText(o, chunks)}
__syncthreads();
${valuesText(o)}
__syncthreads();
${storeText(o)}
}
`;
    const scoreBytes = o.rows * (span + 4) * 4;
    const more = o.in_place ? o.rows * 68 * 4 : o.rows * (span + 8) * 2;
    const bytes = scoreBytes + more + o.rows * 4 + (o.staged ? o.rows * 72 * 2 : 0);
    const grid = [shape.seq / queries, o.packed ? shape.kvHeads : shape.heads] as const;
    const main = launch("attend_band", grid, 32 * o.warps, ["q", "k", "v", "out"], bytes);
    return styled({ source, launches: [main] }, { names: "snake", indent: 2 });
  },
});
