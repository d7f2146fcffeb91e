import { launch, on, styled, template } from "../kit/code.ts";
import { scaleOf, shapeOf, sizesText, type Exponential } from "./common.ts";

const instructions = `__device__ __forceinline__ void ldm_x4(unsigned* r, unsigned at) {
asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
: "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

__device__ __forceinline__ void ldm_x4_t(unsigned* r, unsigned at) {
asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
: "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

__device__ __forceinline__ void mma_step(float* c, const unsigned* a, const unsigned* b) {
asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
: "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
`;

const powerOfTwo = `__device__ __forceinline__ float ex2(float x) {
float y;
asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
return y;
}
`;

interface MmaChoice {
  readonly packed: boolean;
  readonly tile: number;
  readonly warps: number;
  readonly copy: string;
  readonly layout: string;
  readonly query: string;
  readonly shift: string;
  readonly mask: string;
  readonly skip: boolean;
  readonly power: string;
  readonly store: string;
  readonly scaling: string;
}

const rowPlace = (packed: boolean, r: string): string =>
  packed
    ? `((size_t)(i0 + (${r}) / SHARE) * HEADS + kv * SHARE + (${r}) % SHARE) * DIM`
    : `((size_t)(i0 + ${r}) * HEADS + h) * DIM`;

const queryOf = (o: MmaChoice, r: string): string => (o.packed ? `i0 + (${r}) / SHARE` : `i0 + ${r}`);

const power = (o: MmaChoice): { call: (x: string) => string; scale: string } => {
  const name = o.power === "ptx" ? "ex2" : o.power;
  const base: Exponential = o.power === "__expf" ? "__expf" : "exp2f";
  return { call: (x) => `${name}(${x})`, scale: scaleOf(base) };
};

const scoreProducts = (o: MmaChoice): string => `float s[TILE / 8][4] = {};
#pragma unroll
for (int n = 0; n < TILE / 8; ++n) {
unsigned b[8];
ldm_x4(b, key_at + place(n * 8 + lane % 8, lane / 8));
ldm_x4(b + 4, key_at + place(n * 8 + lane % 8, 4 + lane / 8));
#pragma unroll
for (int d = 0; d < 4; ++d) {
${on(o.query === "memory", "unsigned a[4];\nldm_x4(a, query_at + place(warp * 16 + lane % 16, d * 2 + lane / 16));")}
mma_step(s[n], ${o.query === "memory" ? "a" : "own[d]"}, b + 2 * d);
}
}`;

function maskText(o: MmaChoice): string {
  const element = `const int j = j0 + n * 8 + lane % 4 * 2 + (e & 1);
const int i = e < 2 ? upper : lower;
if (j > i || j <= i - WINDOW) s[n][e] = -1e30f;`;
  const all = `#pragma unroll
for (int n = 0; n < TILE / 8; ++n)
#pragma unroll
for (int e = 0; e < 4; ++e) {
${element}
}`;
  return o.mask === "every"
    ? all
    : `if (j0 + TILE - 1 > first_query || j0 <= last_query - WINDOW) {
${all}
}`;
}

/** Turns scores into weights and updates the running values of the two rows that a lane holds. */
function softmaxText(o: MmaChoice): string {
  const { call, scale } = power(o);
  const before = o.scaling === "first";
  const scaled = before
    ? `#pragma unroll
for (int n = 0; n < TILE / 8; ++n)
#pragma unroll
for (int e = 0; e < 4; ++e) s[n][e] *= ${scale};
`
    : "";
  const weigh = (shifted: (x: string) => string): string => `#pragma unroll
for (int n = 0; n < TILE / 8; ++n) {
s[n][2 * half_row] = ${call(shifted("s[n][2 * half_row]"))};
s[n][2 * half_row + 1] = ${call(shifted("s[n][2 * half_row + 1]"))};
total[half_row] += s[n][2 * half_row] + s[n][2 * half_row + 1];
}`;
  if (o.shift === "none")
    return `${scaled}${maskText(o)}
#pragma unroll
for (int half_row = 0; half_row < 2; ++half_row) {
${weigh((x) => (before ? x : `${x} * ${scale}`))}
}`;
  const fade = before ? call("top[half_row] - next") : call(`(top[half_row] - next) * ${scale}`);
  const update = `const float fade = ${fade};
total[half_row] *= fade;
#pragma unroll
for (int n = 0; n < 8; ++n) {
acc[n][2 * half_row] *= fade;
acc[n][2 * half_row + 1] *= fade;
}
top[half_row] = next;`;
  return `${scaled}${maskText(o)}
#pragma unroll
for (int half_row = 0; half_row < 2; ++half_row) {
float next = top[half_row];
#pragma unroll
for (int n = 0; n < TILE / 8; ++n) next = fmaxf(next, fmaxf(s[n][2 * half_row], s[n][2 * half_row + 1]));
next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 1));
next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, 2));
${o.shift === "lazy" ? `if (__any_sync(0xffffffffu, next > top[half_row])) {\n${update}\n}` : update}
${before ? "" : `const float base = next * ${scale};`}
${weigh((x) => (before ? `${x} - next` : `fmaf(${x}, ${scale}, -base)`))}
}`;
}

const valueProducts = `#pragma unroll
for (int t = 0; t < TILE / 32; ++t) {
unsigned p[8];
#pragma unroll
for (int u = 0; u < 4; ++u) {
p[2 * u] = pair_bits(s[4 * t + u][0], s[4 * t + u][1]);
p[2 * u + 1] = pair_bits(s[4 * t + u][2], s[4 * t + u][3]);
}
#pragma unroll
for (int n = 0; n < 8; ++n) {
unsigned b[4];
ldm_x4_t(b, value_at + place(t * 32 + lane, n));
mma_step(acc[n], p, b);
mma_step(acc[n], p + 4, b + 2);
}
}`;

function tileLoop(o: MmaChoice): string {
  const work = `${scoreProducts(o)}
${softmaxText(o)}
${valueProducts}`;
  const guarded = o.skip ? `if (j0 <= last_query && j0 + TILE - 1 > first_query - WINDOW) {\n${work}\n}` : work;
  const bring = (j: string, to: string): string => `for (int e = threadIdx.x; e < TILE * 8; e += THREADS) {
const size_t from = ((size_t)(${j} + e / 8) * KV_HEADS + kv) * DIM + e % 8 * 8;
${
  o.copy === "plain"
    ? `*reinterpret_cast<uint4*>(${to} + place(e / 8, e % 8)) = *reinterpret_cast<const uint4*>(k + from);
*reinterpret_cast<uint4*>(${to} + TILE_BYTES + place(e / 8, e % 8)) = *reinterpret_cast<const uint4*>(v + from);`
    : `__pipeline_memcpy_async(${to} + place(e / 8, e % 8), k + from, 16);
__pipeline_memcpy_async(${to} + TILE_BYTES + place(e / 8, e % 8), v + from, 16);`
}
}`;
  if (o.copy === "plain")
    return `for (int j0 = begin; j0 < i0 + QUERIES; j0 += TILE) {
__syncthreads();
${bring("j0", "tiles")}
__syncthreads();
const unsigned key_at = (unsigned)__cvta_generic_to_shared(tiles), value_at = key_at + TILE_BYTES;
${guarded}
}`;
  return `#pragma unroll
for (int stage = 0; stage < STAGES - 1; ++stage) {
if (begin + stage * TILE < i0 + QUERIES) {
${bring("begin + stage * TILE", "tiles + stage * 2 * TILE_BYTES")}
}
__pipeline_commit();
}
int slot = 0;
for (int j0 = begin; j0 < i0 + QUERIES; j0 += TILE) {
__pipeline_wait_prior(STAGES - 2);
__syncthreads();
const int later = j0 + (STAGES - 1) * TILE;
if (later < i0 + QUERIES) {
unsigned char* to = tiles + (slot + STAGES - 1) % STAGES * 2 * TILE_BYTES;
${bring("later", "to")}
}
__pipeline_commit();
const unsigned key_at = (unsigned)__cvta_generic_to_shared(tiles + slot * 2 * TILE_BYTES), value_at = key_at + TILE_BYTES;
${guarded}
slot = (slot + 1) % STAGES;
}`;
}

function storeText(o: MmaChoice): string {
  const scaled = (element: string): string => `acc[n][${element}] * inverse`;
  const rows = `#pragma unroll
for (int half_row = 0; half_row < 2; ++half_row) {
float all = total[half_row];
all += __shfl_xor_sync(0xffffffffu, all, 1);
all += __shfl_xor_sync(0xffffffffu, all, 2);
const float inverse = 1.0f / all;
const int r = warp * 16 + half_row * 8 + lane / 4;
#pragma unroll
for (int n = 0; n < 8; ++n) {
const half2 pair = __floats2half2_rn(${scaled("2 * half_row")}, ${scaled("2 * half_row + 1")});
TARGET = pair;
}
}`;
  if (o.store === "direct")
    return rows.replace("TARGET", `*reinterpret_cast<half2*>(out + ${rowPlace(o.packed, "r")} + n * 8 + lane % 4 * 2)`);
  return `${rows.replace("TARGET", "*reinterpret_cast<half2*>(room + place(r, n) + lane % 4 * 4)")}
__syncwarp();
for (int e = lane; e < 16 * 8; e += 32) {
const int r = warp * 16 + e / 8;
*reinterpret_cast<uint4*>(out + ${rowPlace(o.packed, "r")} + e % 8 * 8) = *reinterpret_cast<const uint4*>(room + place(r, e % 8));
}`;
}

/** Scores, weights and outputs stay in registers; a warp owns sixteen rows. */
export const mmaRunning = template({
  id: "mma-running",
  from: "wmma-online",
  idea: "hold scores and outputs in the registers of mma.sync",
  count: 20,
  options: {
    packed: [false, true],
    tile: [64, 32],
    warps: [4, 2, 8],
    copy: ["plain", "async"],
    stages: [2, 3],
    layout: ["padded", "swizzled", "linear"],
    query: ["memory", "held"],
    shift: ["always", "lazy", "none"],
    mask: ["every", "edge"],
    skip: [false, true],
    power: ["__expf", "exp2f", "ptx"],
    scaling: ["first", "folded"],
    store: ["direct", "board"],
    resident: [0, 2, 3],
  },
  valid: (o) => o.copy === "async" || o.stages === 2,
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const rows = 16 * o.warps;
    const queries = o.packed ? rows / shape.share : rows;
    const rowBytes = o.layout === "padded" ? 144 : 128;
    const ahead = o.copy === "async";
    const place = o.layout === "swizzled" ? "row * 128 + ((chunk ^ (row & 7)) << 4)" : `row * ${rowBytes} + chunk * 16`;
    const resident = o.resident === 0 ? "" : `, ${o.warps === 8 ? 1 : o.resident}`;
    const edges = o.skip || o.mask === "edge";
    const source = `${on(ahead, "#include <cuda_pipeline.h>\n")}#include <cuda_fp16.h>

${sizesText(shape, false)}
constexpr int WARPS = ${o.warps}, THREADS = 32 * WARPS, ROWS = 16 * WARPS, QUERIES = ${queries}, TILE = ${o.tile};
constexpr int TILE_BYTES = TILE * ${rowBytes}${on(ahead, `, STAGES = ${o.stages}`)};

${instructions}
${on(o.power === "ptx", powerOfTwo)}
__device__ __forceinline__ unsigned pair_bits(float x, float y) {
const half2 pair = __floats2half2_rn(x, y);
return *reinterpret_cast<const unsigned*>(&pair);
}

// Where a chunk of eight halves of a row lies, in bytes.
__device__ __forceinline__ int place(int row, int chunk) {
return ${place};
}

extern "C" __global__ void __launch_bounds__(THREADS${resident}) attend_window(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ out) {
extern __shared__ __align__(128) unsigned char room[];
unsigned char* tiles = room + ROWS * ${rowBytes};
const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
const int i0 = blockIdx.x * QUERIES;
${o.packed ? "const int kv = blockIdx.y;" : "const int h = blockIdx.y, kv = h / SHARE;"}
for (int e = threadIdx.x; e < ROWS * 8; e += THREADS) {
const int r = e / 8;
*reinterpret_cast<uint4*>(room + place(r, e % 8)) = *reinterpret_cast<const uint4*>(q + ${rowPlace(o.packed, "r")} + e % 8 * 8);
}
__syncthreads();
const unsigned query_at = (unsigned)__cvta_generic_to_shared(room);
${on(
  o.query === "held",
  `unsigned own[4][4];
#pragma unroll
for (int d = 0; d < 4; ++d) ldm_x4(own[d], query_at + place(warp * 16 + lane % 16, d * 2 + lane / 16));`,
)}
const int upper = ${queryOf(o, "warp * 16 + lane / 4")}, lower = ${queryOf(o, "warp * 16 + lane / 4 + 8")};
${on(edges, `const int first_query = ${queryOf(o, "warp * 16")}, last_query = ${queryOf(o, "warp * 16 + 15")};`)}
float acc[8][4] = {}, total[2] = {};
${on(o.shift !== "none", "float top[2] = {-1e30f, -1e30f};")}
const int begin = max(0, i0 - WINDOW + 1) / TILE * TILE;
${tileLoop(o)}
${storeText(o)}
}
`;
    const bytes = rowBytes * (rows + 2 * o.tile * (ahead ? o.stages : 1));
    const grid = [shape.seq / queries, o.packed ? shape.kvHeads : shape.heads] as const;
    const main = launch("attend_window", grid, 32 * o.warps, ["q", "k", "v", "out"], bytes);
    return styled({ source, launches: [main] }, { names: "snake", indent: 2 });
  },
});
