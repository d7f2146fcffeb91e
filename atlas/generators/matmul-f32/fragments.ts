/** Which rows and columns of the block's tile belong to a thread. */
export function positions(map: string): string {
  const inline = "__device__ __forceinline__ int";
  if (map === "contiguous")
    return `
${inline} rowOf(int ty, int i) { return ty * TM + i; }
${inline} colOf(int tx, int j) { return tx * TN + j; }
`;
  if (map === "strided")
    return `
${inline} rowOf(int ty, int i) { return ty + i * (BM / TM); }
${inline} colOf(int tx, int j) { return tx + j * (BN / TN); }
`;
  return `
// Groups of four neighbours, the groups spread over the tile.
${inline} rowOf(int ty, int i) { return (i / 4) * (BM / TM * 4) + ty * 4 + i % 4; }
${inline} colOf(int tx, int j) { return (j / 4) * (BN / TN * 4) + tx * 4 + j % 4; }
`;
}

/** The block's tile coordinates: by launch order, or in groups of rows that share columns of B. */
export function blockOrder(grouped: boolean, tilesDown: number): string {
  if (!grouped) return "  const int bx = blockIdx.x, by = blockIdx.y;";
  return `  const int serial = blockIdx.y * gridDim.x + blockIdx.x;
  const int group = ${Math.min(8, tilesDown)};
  const int by = (serial / (group * gridDim.x)) * group + serial % group;
  const int bx = (serial / group) % gridDim.x;`;
}

/** A thread's place in the block's grid of thread tiles. */
export function threadPlace(place: string): string {
  if (place === "plain")
    return "  const int tid = threadIdx.x;\n  const int tx = tid % (BN / TN), ty = tid / (BN / TN);";
  return `  const int tid = threadIdx.x, lane = tid & 31, warp = tid >> 5;
  const int tx = (warp % (BN / TN / 8)) * 8 + lane % 8;
  const int ty = (warp / (BN / TN / 8)) * 4 + lane / 8;`;
}

/** Copies the tiles at k0 from Ap and Bp into shared memory. */
export function copies(vector: boolean, putA: (row: string, col: string) => string, tileB: string): string {
  if (!vector)
    return `    for (int e = tid; e < BM * BK; e += NT) ${putA("e / BK", "e % BK")} = Ap[(size_t)(e / BK) * K + k0 + e % BK];
    for (int e = tid; e < BK * BN; e += NT) ${tileB}[e / BN][e % BN] = Bp[(size_t)(k0 + e / BN) * N + e % BN];`;
  return `    for (int e = tid; e < BM * BK / 4; e += NT) {
      const int r = e / (BK / 4), q = (e % (BK / 4)) * 4;
      const float4 v = *(const float4*)&Ap[(size_t)r * K + k0 + q];
      ${putA("r", "q")} = v.x;
      ${putA("r", "q + 1")} = v.y;
      ${putA("r", "q + 2")} = v.z;
      ${putA("r", "q + 3")} = v.w;
    }
    for (int e = tid; e < BK * BN / 4; e += NT) {
      const int r = e / (BN / 4), q = (e % (BN / 4)) * 4;
      *(float4*)&${tileB}[r][q] = *(const float4*)&Bp[(size_t)(k0 + r) * N + q];
    }`;
}

/** Reads `count` values of a fragment, four at a time where neighbours lie side by side. */
export function readFragment(name: string, count: string, from: (index: string) => string, wide: boolean): string {
  if (!wide)
    return `      #pragma unroll
      for (int i = 0; i < ${count}; ++i) ${name}[i] = ${from("i")};`;
  return `      #pragma unroll
      for (int i = 0; i < ${count}; i += 4) {
        const float4 v = *(const float4*)&${from("i")};
        ${name}[i] = v.x; ${name}[i + 1] = v.y; ${name}[i + 2] = v.z; ${name}[i + 3] = v.w;
      }`;
}

/** Stores acc at the tile (bx, by) of C. */
export function writeBack(wide: boolean, target = "C", stride = "N"): string {
  const body = wide
    ? `    for (int j = 0; j < TN; j += 4)
      *(float4*)&${target}[(size_t)(by * BM + rowOf(ty, i)) * ${stride} + bx * BN + colOf(tx, j)] = make_float4(acc[i][j], acc[i][j + 1], acc[i][j + 2], acc[i][j + 3]);`
    : `    for (int j = 0; j < TN; ++j) ${target}[(size_t)(by * BM + rowOf(ty, i)) * ${stride} + bx * BN + colOf(tx, j)] = acc[i][j];`;
  return `  #pragma unroll
  for (int i = 0; i < TM; ++i)
    #pragma unroll
${body}`;
}

/** A cp.async of `bytes`, by intrinsic or in PTX. */
export function asyncHelpers(style: string): string {
  if (style === "intrinsic")
    return `#include <cuda_pipeline.h>

#define COPY16(dst, src) __pipeline_memcpy_async(dst, src, 16)
#define COPY4(dst, src) __pipeline_memcpy_async(dst, src, 4)
#define COMMIT() __pipeline_commit()
#define WAIT(n) __pipeline_wait_prior(n)
`;
  return `__device__ __forceinline__ void COPY16(void* dst, const void* src) {
  unsigned d = (unsigned)__cvta_generic_to_shared(dst);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(d), "l"(src) : "memory");
}
__device__ __forceinline__ void COPY4(void* dst, const void* src) {
  unsigned d = (unsigned)__cvta_generic_to_shared(dst);
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" :: "r"(d), "l"(src) : "memory");
}
#define COMMIT() asm volatile("cp.async.commit_group;" ::: "memory")
#define WAIT(n) asm volatile("cp.async.wait_group %0;" :: "n"(n) : "memory")
`;
}
