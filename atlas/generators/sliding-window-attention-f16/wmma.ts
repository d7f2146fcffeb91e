/** What the kernels with wmma fragments share. */
export const preamble = `#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;
`;
export const fragments = `typedef wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> Left;
typedef wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> Keys;
typedef wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> Values;
typedef wmma::fragment<wmma::accumulator, 16, 16, 16, float> Sums;
`;

export const spanOf = (window: number, queries: number): number => Math.ceil((window - 1 + queries) / 16) * 16;

/** Where row `r` of a tile lies in q and in out. */
export const rowPlace = (packed: boolean, r: string): string =>
  packed
    ? `((size_t)(i0 + ${r} / SHARE) * HEADS + kv * SHARE + ${r} % SHARE) * DIM`
    : `((size_t)(i0 + ${r}) * HEADS + h) * DIM`;

export const stageQueries = (packed: boolean): string => `for (int e = threadIdx.x; e < ROWS * 8; e += THREADS) {
const int r = e / 8, d = e % 8 * 8;
*reinterpret_cast<uint4*>(queries + r * 72 + d) = *reinterpret_cast<const uint4*>(q + ${rowPlace(packed, "r")} + d);
}`;
