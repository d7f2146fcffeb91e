import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { constants, narrow, storeSums, wide } from "./mma-parts.ts";
import { extents, orders, pair, tileOrder, type Sizes } from "./shared.ts";

const matrixLoad = `__device__ __forceinline__ void load_matrices(unsigned& r0, unsigned& r1, unsigned& r2, unsigned& r3, unsigned where) {
asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r0), "=r"(r1), "=r"(r2), "=r"(r3) : "r"(where) : "memory");
}
`;

interface TileChoice {
  readonly layout: string;
  readonly fragments: string;
  readonly instruction: string;
  readonly depth: number;
  readonly tile: string;
  readonly warps: string;
}

/** A function that gives the place, in bytes from the tile's start, of a 16-byte chunk of a row. */
function chunkPlace(layout: string, depth: number): string {
  const pitch = layout === "padded" ? "(BK + 16)" : "BK";
  const mixed = depth === 128 ? "chunk ^ (row & 7)" : "chunk ^ (row >> 1 & 3)";
  return `__device__ __forceinline__ int place(int row, int chunk) {
return row * ${pitch} + (${layout === "swizzled" ? mixed : "chunk"}) * 16;
}
`;
}

function tileFragments(o: TileChoice): string {
  if (o.fragments === "ldmatrix")
    return `#pragma unroll
for (int i = 0; i < MI; ++i) {
load_matrices(fa[i][0], fa[i][1], fa[i][2], fa[i][3], where + place(warp_row + i * 16 + lane % 16, kk / 16 + lane / 16));
}
#pragma unroll
for (int j = 0; j < NJ; j += 2) {
load_matrices(fb[j][0], fb[j][1], fb[j + 1][0], fb[j + 1][1], where + BM * PITCH + place(warp_col + j * 8 + lane / 16 * 8 + lane % 8, kk / 16 + lane / 8 % 2));
}`;
  return `#pragma unroll
for (int i = 0; i < MI; ++i) {
const int r = warp_row + i * 16 + lane / 4;
fa[i][0] = *reinterpret_cast<const unsigned*>(tile + place(r, kk / 16) + lane % 4 * 4);
fa[i][1] = *reinterpret_cast<const unsigned*>(tile + place(r + 8, kk / 16) + lane % 4 * 4);
fa[i][2] = *reinterpret_cast<const unsigned*>(tile + place(r, kk / 16 + 1) + lane % 4 * 4);
fa[i][3] = *reinterpret_cast<const unsigned*>(tile + place(r + 8, kk / 16 + 1) + lane % 4 * 4);
}
#pragma unroll
for (int j = 0; j < NJ; ++j) {
const int r = warp_col + j * 8 + lane / 4;
fb[j][0] = *reinterpret_cast<const unsigned*>(tile + BM * PITCH + place(r, kk / 16) + lane % 4 * 4);
fb[j][1] = *reinterpret_cast<const unsigned*>(tile + BM * PITCH + place(r, kk / 16 + 1) + lane % 4 * 4);
}`;
}

function tileMultiply(o: TileChoice, slot: string): string {
  const view =
    o.fragments === "ldmatrix"
      ? `const unsigned where = base + ${slot} * STAGE;`
      : `const unsigned char* tile = pool + ${slot} * STAGE;`;
  const product =
    o.instruction === "k32"
      ? "mma_k32(sums[i][j], fa[i], fb[j]);"
      : "mma_k16(sums[i][j], fa[i][0], fa[i][1], fb[j][0]);\nmma_k16(sums[i][j], fa[i][2], fa[i][3], fb[j][1]);";
  return `${view}
#pragma unroll
for (int kk = 0; kk < BK; kk += 32) {
unsigned fa[MI][4], fb[NJ][2];
${tileFragments(o)}
#pragma unroll
for (int i = 0; i < MI; ++i) {
#pragma unroll
for (int j = 0; j < NJ; ++j) {
${product}
}
}
}`;
}

function tileHeader(o: TileChoice, s: Sizes): string {
  const [bm, bn] = pair(o.tile);
  const [wm, wn] = pair(o.warps);
  return `${constants(s)}constexpr int BM = ${bm}, BN = ${bn}, BK = ${o.depth};
constexpr int WARPS_M = ${wm}, WARPS_N = ${wn}, THREADS = 32 * WARPS_M * WARPS_N;
constexpr int MI = BM / WARPS_M / 16, NJ = BN / WARPS_N / 8;
constexpr int PITCH = BK${on(o.layout === "padded", " + 16")};
constexpr int STAGE = (BM + BN) * PITCH;

${chunkPlace(o.layout, o.depth)}
${o.instruction === "k32" ? wide : narrow}
${on(o.fragments === "ldmatrix", matrixLoad)}`;
}

const tileStart = `const int lane = threadIdx.x % 32;
const int warp = threadIdx.x / 32;
const int warp_row = warp / WARPS_N * (BM / WARPS_M);
const int warp_col = warp % WARPS_N * (BN / WARPS_N);
`;

const stageBytes = (o: TileChoice): number => {
  const [bm, bn] = pair(o.tile);
  return (bm + bn) * (o.depth + (o.layout === "padded" ? 16 : 0));
};

function tileFits(o: TileChoice, most: number): boolean {
  const [bm, bn] = pair(o.tile);
  const [wm, wn] = pair(o.warps);
  const [mi, nj] = [bm / wm / 16, bn / wn / 8];
  const threads = 32 * wm * wn;
  return nj % 2 === 0 && mi >= 1 && mi * nj <= most && mi * nj >= 8 && (Math.min(bm, bn) * o.depth) / 16 >= threads;
}

const stagedOptions = {
  layout: ["linear", "padded", "swizzled"],
  fragments: ["loads", "ldmatrix"],
  instruction: ["k32", "k16"],
  ahead: [false, true],
  order: orders,
  pairs: [true, false],
  bounds: [true, false],
  depth: [64, 128],
  tile: ["128x128", "64x128", "128x64", "64x64"],
  warps: ["2x2", "2x4", "4x2"],
} as const;

function stagedLoop(o: Chosen<typeof stagedOptions>): string {
  const move = (name: string, rows: string, offset: string): string =>
    `#pragma unroll
for (int u = 0; u < ${rows} * (BK / 16) / THREADS; ++u) {
const int e = u * THREADS + threadIdx.x;
GET
}`.replace(
      "GET",
      `${name}[u] = *reinterpret_cast<const uint4*>(${offset} + (size_t)(e / (BK / 16)) * K + k0 + e % (BK / 16) * 16);`,
    );
  const put = (name: string, rows: string, offset: string): string => `#pragma unroll
for (int u = 0; u < ${rows} * (BK / 16) / THREADS; ++u) {
const int e = u * THREADS + threadIdx.x;
*reinterpret_cast<uint4*>(pool + ${offset}place(e / (BK / 16), e % (BK / 16))) = ${name}[u];
}`;
  const get = `${move("keep_a", "BM", "a_from")}\n${move("keep_b", "BN", "b_from")}`;
  const set = `${put("keep_a", "BM", "")}\n${put("keep_b", "BN", "BM * PITCH + ")}`;
  const keep = `uint4 keep_a[BM * (BK / 16) / THREADS], keep_b[BN * (BK / 16) / THREADS];`;
  if (!o.ahead)
    return `for (int k0 = 0; k0 < K; k0 += BK) {
${keep}
${get}
__syncthreads();
${set}
__syncthreads();
${tileMultiply(o, "0")}
}`;
  return `${keep}
int k0 = 0;
${get}
while (k0 < K) {
__syncthreads();
${set}
__syncthreads();
k0 += BK;
if (k0 < K) {
${get}
}
${tileMultiply(o, "0")}
}`;
}

/** Tiles pass through registers into shared memory. */
export const mmaStaged = template({
  id: "mma-staged",
  from: "mma-direct",
  idea: "Feed mma.sync from tiles in shared memory that arrive through registers",
  options: stagedOptions,
  valid: (o) => tileFits(o, 32),
  count: 26,
  write(o, s) {
    const { m, n } = extents(s);
    const [bm, bn] = pair(o.tile);
    const [wm, wn] = pair(o.warps);
    const source = `${tileHeader(o, s)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}s8_tiles(const signed char* __restrict__ a, const signed char* __restrict__ b, int* __restrict__ c) {
extern __shared__ __align__(128) unsigned char pool[];
${on(o.fragments === "ldmatrix", "const unsigned base = (unsigned)__cvta_generic_to_shared(pool);")}
${tileStart}${tileOrder(o.order)}
const signed char* a_from = a + (size_t)tile_row * BM * K;
const signed char* b_from = b + (size_t)tile_col * BN * K;
int sums[MI][NJ][4] = {};
${stagedLoop(o)}
${storeSums(o.pairs, "tile_row * BM + warp_row", "tile_col * BN + warp_col")}
}
`;
    const launches = [launch("s8_tiles", [n / bn, m / bm], 32 * wm * wn, ["a", "b", "c"], stageBytes(o))];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const ringOptions = {
  layout: ["swizzled", "padded", "linear"],
  fragments: ["ldmatrix", "loads"],
  instruction: ["k32", "k16"],
  copies: ["ptx", "pipeline"],
  turn: ["copy first", "multiply first"],
  order: orders,
  pairs: [true, false],
  residents: ["one", "two"],
  stages: [3, 4, 2],
  depth: [64, 128],
  tile: ["128x128", "128x256", "256x128", "64x128"],
  warps: ["2x4", "2x2", "4x2"],
} as const;

function ringCopies(copies: string): string {
  const body = (target: string): string =>
    copies === "ptx"
      ? `asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(${target}), "l"(from) : "memory");`
      : `__pipeline_memcpy_async(${target}, from, 16);`;
  const type = copies === "ptx" ? "unsigned" : "unsigned char*";
  return `template <int ROWS>
__device__ __forceinline__ void copy_rows(${type} to, const signed char* origin) {
#pragma unroll
for (int e = threadIdx.x; e < ROWS * (BK / 16); e += THREADS) {
const signed char* from = origin + (size_t)(e / (BK / 16)) * K + e % (BK / 16) * 16;
${body("to + place(e / (BK / 16), e % (BK / 16))")}
}
}
`;
}

function ringLoop(o: Chosen<typeof ringOptions>): string {
  const ptx = o.copies === "ptx";
  const start = ptx ? "base" : "pool";
  const commit = ptx ? `asm volatile("cp.async.commit_group;" ::: "memory");` : "__pipeline_commit();";
  const wait = ptx
    ? `asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");`
    : "__pipeline_wait_prior(STAGES - 2);";
  const copy = (step: string): string => `copy_rows<BM>(${start} + ${step} % STAGES * STAGE, a_from + ${step} * BK);
copy_rows<BN>(${start} + ${step} % STAGES * STAGE + BM * PITCH, b_from + ${step} * BK);`;
  const request = `const int next = step + STAGES - 1;
if (next < K / BK) {
${copy("next")}
}
${commit}`;
  const multiply = tileMultiply(o, "(step % STAGES)");
  return `for (int step = 0; step < STAGES - 1; ++step) {
${copy("step")}
${commit}
}
for (int step = 0; step < K / BK; ++step) {
${wait}
__syncthreads();
${o.turn === "copy first" ? `${request}\n${multiply}` : `${multiply}\n${request}`}
}`;
}

/** Tiles arrive by asynchronous copies in a ring of stages. */
export const mmaRing = template({
  id: "mma-ring",
  from: "mma-staged",
  idea: "Bring the tiles into a ring of stages with asynchronous copies while earlier ones are multiplied",
  options: ringOptions,
  valid: (o) =>
    tileFits(o, o.residents === "two" ? 16 : 32) &&
    stageBytes(o) * o.stages <= (o.residents === "two" ? 112 : 220) * 1024,
  count: 26,
  write(o, s) {
    const { m, n } = extents(s);
    const [bm, bn] = pair(o.tile);
    const [wm, wn] = pair(o.warps);
    const needsBase = o.fragments === "ldmatrix" || o.copies === "ptx";
    const source = `${on(o.copies === "pipeline", "#include <cuda_pipeline.h>\n\n")}${tileHeader(o, s)}
constexpr int STAGES = ${o.stages};

${ringCopies(o.copies)}
extern "C" __global__ void __launch_bounds__(THREADS${on(o.residents === "two", ", 2")}) s8_ring(const signed char* __restrict__ a, const signed char* __restrict__ b, int* __restrict__ c) {
extern __shared__ __align__(128) unsigned char pool[];
${on(needsBase, "const unsigned base = (unsigned)__cvta_generic_to_shared(pool);")}
${tileStart}${tileOrder(o.order)}
const signed char* a_from = a + (size_t)tile_row * BM * K;
const signed char* b_from = b + (size_t)tile_col * BN * K;
int sums[MI][NJ][4] = {};
${ringLoop(o)}
${storeSums(o.pairs, "tile_row * BM + warp_row", "tile_col * BN + warp_col")}
}
`;
    const bytes = stageBytes(o) * o.stages;
    const launches = [launch("s8_ring", [n / bn, m / bm], 32 * wm * wn, ["a", "b", "c"], bytes)];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});
