import { extents, type Sizes } from "./shared.ts";

export const wide = `// One 16 x 8 block of sums grows by 32 products each.
__device__ __forceinline__ void mma_k32(int* d, const unsigned* a, const unsigned* b) {
asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
: "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
`;

export const narrow = `// One 16 x 8 block of sums grows by 16 products each.
__device__ __forceinline__ void mma_k16(int* d, unsigned a0, unsigned a1, unsigned b0) {
asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
: "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
: "r"(a0), "r"(a1), "r"(b0));
}
`;

export const constants = (s: Sizes): string => {
  const { m, n, k } = extents(s);
  return `constexpr int M = ${m}, N = ${n}, K = ${k};\n`;
};

export function storeSums(pairs: boolean, row: string, col: string): string {
  const line = (from: number, to: string): string =>
    pairs
      ? `*reinterpret_cast<int2*>(${to}) = make_int2(sums[i][j][${from}], sums[i][j][${from + 1}]);`
      : `(${to})[0] = sums[i][j][${from}];\n(${to})[1] = sums[i][j][${from + 1}];`;
  return `#pragma unroll
for (int i = 0; i < MI; ++i) {
#pragma unroll
for (int j = 0; j < NJ; ++j) {
int* to = c + (size_t)(${row} + i * 16 + lane / 4) * N + ${col} + j * 8 + lane % 4 * 2;
${line(0, "to")}
${line(2, "to + 8 * N")}
}
}`;
}
