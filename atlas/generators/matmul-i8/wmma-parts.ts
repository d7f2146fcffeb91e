import { on } from "../kit/code.ts";
import { constants } from "./mma-parts.ts";
import { pair, type Sizes } from "./shared.ts";

/** Loops that copy ROWS rows of BK bytes into a tile with rows of LD bytes. */
function copyTile(copy: string, name: string, rows: string): string {
  if (copy === "bytes4")
    return `for (int e = threadIdx.x; e < ${rows} * (BK / 4); e += THREADS) {
*reinterpret_cast<int*>(&${name}[e / (BK / 4) * LD + e % (BK / 4) * 4]) = *reinterpret_cast<const int*>(${name}_from + (size_t)(e / (BK / 4)) * K + k0 + e % (BK / 4) * 4);
}`;
  const put =
    copy === "async"
      ? `__pipeline_memcpy_async(to, from, 16);`
      : `*reinterpret_cast<int4*>(to) = *reinterpret_cast<const int4*>(from);`;
  return `for (int e = threadIdx.x; e < ${rows} * (BK / 16); e += THREADS) {
signed char* to = &${name}[e / (BK / 16) * LD + e % (BK / 16) * 16];
const signed char* from = ${name}_from + (size_t)(e / (BK / 16)) * K + k0 + e % (BK / 16) * 16;
${put}
}`;
}

/** How tiles reach shared memory and how they are multiplied there. */
interface LoopChoice {
  readonly copy: string;
  readonly buffers: string;
  readonly hoist: boolean;
}

export function sharedProducts(hoist: boolean): string {
  const load = (i: string, which: "a" | "b"): string =>
    which === "a"
      ? `wmma::load_matrix_sync(fa${hoist ? `[${i}]` : ""}, &ta[(warp_row + ${i} * 16) * LD + kk], LD);`
      : `wmma::load_matrix_sync(fb[${i}], &tb[(warp_col + ${i} * 16) * LD + kk], LD);`;
  const loadB = `#pragma unroll
for (int j = 0; j < NJ; ++j) {
${load("j", "b")}
}`;
  const products = (fa: string): string => `#pragma unroll
for (int j = 0; j < NJ; ++j) {
wmma::mma_sync(acc[i][j], ${fa}, fb[j], acc[i][j]);
}`;
  if (!hoist)
    return `for (int kk = 0; kk < BK; kk += 16) {
FragmentB fb[NJ];
${loadB}
#pragma unroll
for (int i = 0; i < NI; ++i) {
FragmentA fa;
${load("i", "a")}
${products("fa")}
}
}`;
  return `#pragma unroll
for (int kk = 0; kk < BK; kk += 16) {
FragmentA fa[NI];
FragmentB fb[NJ];
#pragma unroll
for (int i = 0; i < NI; ++i) {
${load("i", "a")}
}
${loadB}
#pragma unroll
for (int i = 0; i < NI; ++i) {
${products("fa[i]")}
}
}`;
}

export function sharedLoop(o: LoopChoice, from: string, to: string): string {
  const copies = `${copyTile(o.copy, "ta", "BM")}
${copyTile(o.copy, "tb", "BN")}`;
  const commit = on(o.copy === "async", "__pipeline_commit();\n");
  const wait = on(o.copy === "async", "__pipeline_wait_prior(0);\n");
  if (o.buffers === "one")
    return `signed char* ta = tiles;
signed char* tb = tiles + BM * LD;
for (int k0 = ${from}; k0 < ${to}; k0 += BK) {
${copies}
${commit}${wait}__syncthreads();
${sharedProducts(o.hoist)}
__syncthreads();
}`;
  return `int phase = 0;
{
signed char* ta = tiles;
signed char* tb = tiles + BM * LD;
const int k0 = ${from};
${copies}
${commit}}
for (int next = ${from} + BK; next <= ${to}; next += BK) {
${wait}__syncthreads();
if (next < ${to}) {
signed char* ta = tiles + (phase ^ 1) * (BM + BN) * LD;
signed char* tb = ta + BM * LD;
const int k0 = next;
${copies}
${commit}}
const signed char* ta = tiles + phase * (BM + BN) * LD;
const signed char* tb = ta + BM * LD;
${sharedProducts(o.hoist)}
phase ^= 1;
}`;
}

export const storeDirect = (target: string): string => `#pragma unroll
for (int i = 0; i < NI; ++i) {
#pragma unroll
for (int j = 0; j < NJ; ++j) {
wmma::store_matrix_sync(${target} + (size_t)(tile_row * BM + warp_row + i * 16) * N + tile_col * BN + warp_col + j * 16, acc[i][j], N, wmma::mem_row_major);
}
}`;

export const storeShared = `int* board = reinterpret_cast<int*>(tiles) + warp * 16 * 20;
for (int i = 0; i < NI; ++i) {
for (int j = 0; j < NJ; ++j) {
__syncthreads();
wmma::store_matrix_sync(board, acc[i][j], 20, wmma::mem_row_major);
__syncwarp();
for (int e = lane; e < 64; e += 32) {
const int4 v = *reinterpret_cast<const int4*>(board + e / 4 * 20 + e % 4 * 4);
*reinterpret_cast<int4*>(c + (size_t)(tile_row * BM + warp_row + i * 16 + e / 4) * N + tile_col * BN + warp_col + j * 16 + e % 4 * 4) = v;
}
}
}`;

interface BlockShape {
  readonly tile: string;
  readonly warps: string;
  readonly depth: number;
  readonly pad: boolean;
  readonly buffers: string;
}

export function fits(o: BlockShape, mostPerWarp: number): boolean {
  const [bm, bn] = pair(o.tile);
  const [wm, wn] = pair(o.warps);
  const [ni, nj] = [bm / wm / 16, bn / wn / 16];
  return Number.isInteger(ni) && Number.isInteger(nj) && ni * nj <= mostPerWarp && ni * nj >= 2;
}

export function blockBytes(o: BlockShape): number {
  const [bm, bn] = pair(o.tile);
  const [wm, wn] = pair(o.warps);
  const tiles = (bm + bn) * (o.depth + (o.pad ? 16 : 0)) * (o.buffers === "two" ? 2 : 1);
  return Math.max(tiles, wm * wn * 16 * 20 * 4);
}

export function blockHeader(o: BlockShape, s: Sizes): string {
  const [bm, bn] = pair(o.tile);
  const [wm, wn] = pair(o.warps);
  return `${constants(s)}constexpr int BM = ${bm}, BN = ${bn}, BK = ${o.depth};
constexpr int LD = BK${on(o.pad, " + 16")};
constexpr int WARPS_M = ${wm}, WARPS_N = ${wn};
constexpr int THREADS = 32 * WARPS_M * WARPS_N;
constexpr int NI = BM / WARPS_M / 16, NJ = BN / WARPS_N / 16;
using FragmentA = wmma::fragment<wmma::matrix_a, 16, 16, 16, signed char, wmma::row_major>;
using FragmentB = wmma::fragment<wmma::matrix_b, 16, 16, 16, signed char, wmma::col_major>;
using FragmentC = wmma::fragment<wmma::accumulator, 16, 16, 16, int>;
`;
}

export const blockStart = `const int warp = threadIdx.x / 32;
const int lane = threadIdx.x % 32;
const int warp_row = warp / WARPS_N * (BM / WARPS_M);
const int warp_col = warp % WARPS_N * (BN / WARPS_N);
`;

export const blockPointers = `const signed char* ta_from = a + (size_t)tile_row * BM * K;
const signed char* tb_from = b + (size_t)tile_col * BN * K;
FragmentC acc[NI][NJ];
for (int i = 0; i < NI; ++i) {
for (int j = 0; j < NJ; ++j) {
wmma::fill_fragment(acc[i][j], 0);
}
}
`;
