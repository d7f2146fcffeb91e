import { launch, on, styled, template } from "../kit/code.ts";

/** Reads of one step into registers, and from there into shared memory as floats or halves. */
function movers(o: {
  halves: boolean;
  a_by: string;
  tm: number;
  tn: number;
  depth: number;
}): Record<"fetch" | "put", string> {
  const [bm, bn] = [16 * o.tm, 16 * o.tn];
  const aCount = (bm * o.depth) / 512;
  const bCount = (bn * o.depth) / 512;
  const spot =
    o.a_by === "channel"
      ? `const int m = e / (DEPTH / 2), c = e % (DEPTH / 2) * 2;`
      : `const int m = e % BM, c = e / BM * 2;`;
  const fetch = `{
      const int tap = step / (128 / DEPTH), c0 = step % (128 / DEPTH) * DEPTH;
      const int dy = tap / 3 - 1, dz = tap % 3 - 1;
      #pragma unroll
      for (int i = 0; i < ${aCount}; ++i) {
        const int e = threadIdx.x + i * 256;
        ${spot}
        const int pixel = first + m, y = pixel / 64 % 64 + dy, z = pixel % 64 + dz;
        got_a[i] = __floats2half2_rn(0.0f, 0.0f);
        if (y >= 0 && y < 64 && z >= 0 && z < 64)
          got_a[i] = *reinterpret_cast<const half2*>(x + (pixel + dy * 64 + dz) * 128 + c0 + c);
      }
      #pragma unroll
      for (int i = 0; i < ${bCount}; ++i) {
        const int e = threadIdx.x + i * 256;
        got_b[i] = *reinterpret_cast<const half2*>(weight + (tap * 128 + c0 + e / (BN / 2)) * 128 + filter + e % (BN / 2) * 2);
      }
    }`;
  const putA = o.halves
    ? `tile_a[slot][c][m] = __low2half(got_a[i]);\ntile_a[slot][c + 1][m] = __high2half(got_a[i]);`
    : `tile_a[slot][c][m] = __low2float(got_a[i]);\ntile_a[slot][c + 1][m] = __high2float(got_a[i]);`;
  const putB = o.halves
    ? `*reinterpret_cast<half2*>(&tile_b[slot][e / (BN / 2)][e % (BN / 2) * 2]) = got_b[i];`
    : `*reinterpret_cast<float2*>(&tile_b[slot][e / (BN / 2)][e % (BN / 2) * 2]) = __half22float2(got_b[i]);`;
  const put = `#pragma unroll
    for (int i = 0; i < ${aCount}; ++i) {
      const int e = threadIdx.x + i * 256;
      ${spot}
      ${putA}
    }
    #pragma unroll
    for (int i = 0; i < ${bCount}; ++i) {
      const int e = threadIdx.x + i * 256;
      ${putB}
    }`;
  return { fetch, put };
}

/** A matrix product on the ordinary cores: pixels by filters, a register tile a thread. */
export const registerTiles = template({
  id: "register-tiles",
  from: "staged",
  count: 26,
  idea: "treat the convolution as a product of pixels by filters and give each thread a register tile of it",
  options: {
    halves: [false, true],
    a_by: ["channel", "pixel"],
    owned: ["spread", "block"],
    ahead: [false, true],
    twice: [false, true],
    padded: [true, false],
    bounded: [false, true],
    restrict: [true, false],
    tm: [4, 8],
    tn: [4, 8],
    depth: [16, 8, 32],
  },
  valid: (o) =>
    (Math.min(o.tm, o.tn) * 16 * o.depth) % 512 === 0 &&
    (16 * (o.tm + o.tn) + 16) * o.depth * (o.halves ? 2 : 4) * (o.twice ? 2 : 1) <= 49152,
  write(o, { n = 0 }) {
    const q = on(o.restrict, " __restrict__");
    const [bm, bn] = [16 * o.tm, 16 * o.tn];
    const type = o.halves ? "half" : "float";
    const { fetch, put } = movers(o);
    const value = (text: string): string => (o.halves ? `__half2float(${text})` : text);
    const m = o.owned === "spread" ? "ty + 16 * i" : "ty * TM + i";
    const k = o.owned === "spread" ? "tx + 16 * j" : "tx * TN + j";
    const compute = `#pragma unroll
    for (int c = 0; c < DEPTH; ++c) {
      float u[TM], v[TN];
      #pragma unroll
      for (int i = 0; i < TM; ++i) u[i] = ${value(`tile_a[slot][c][${m}]`)};
      #pragma unroll
      for (int j = 0; j < TN; ++j) v[j] = ${value(`tile_b[slot][c][${k}]`)};
      #pragma unroll
      for (int i = 0; i < TM; ++i) {
        #pragma unroll
        for (int j = 0; j < TN; ++j) sum[i][j] += u[i] * v[j];
      }
    }`;
    const loop = o.ahead
      ? `int step = 0;
  ${fetch}
  while (step < STEPS) {
    const int slot = ${o.twice ? "step & 1" : "0"};
    ${put}
    __syncthreads();
    ++step;
    if (step < STEPS) ${fetch}
    ${compute}
    ${on(!o.twice, "__syncthreads();")}
  }`
      : `for (int step = 0; step < STEPS; ++step) {
    const int slot = ${o.twice ? "step & 1" : "0"};
    ${fetch}
    ${put}
    __syncthreads();
    ${compute}
    ${on(!o.twice, "__syncthreads();")}
  }`;
    const slots = o.twice ? 2 : 1;
    const source = `#include <cuda_fp16.h>

#define TM ${o.tm}
#define TN ${o.tn}
#define BM ${bm}
#define BN ${bn}
#define DEPTH ${o.depth}
#define STEPS (9 * 128 / DEPTH)

extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(256, 2) ")}conv_product(const half*${q} x, const half*${q} weight, half*${q} out) {
  __shared__ __align__(16) ${type} tile_a[${slots}][DEPTH][BM${on(o.padded, o.halves ? " + 2" : " + 1")}];
  __shared__ __align__(16) ${type} tile_b[${slots}][DEPTH][BN];
  const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  const int first = blockIdx.x * BM, filter = blockIdx.y * BN;
  half2 got_a[${(bm * o.depth) / 512}], got_b[${(bn * o.depth) / 512}];
  float sum[TM][TN] = {};
  ${loop}
  #pragma unroll
  for (int i = 0; i < TM; ++i) {
    #pragma unroll
    for (int j = 0; j < TN; ++j) out[(first + ${m}) * 128 + filter + ${k}] = __float2half(sum[i][j]);
  }
}
`;
    const grid = [(n * 4096) / bm, 128 / bn] as const;
    return styled(
      { source, launches: [launch("conv_product", grid, 256, ["x", "weight", "out"])] },
      { names: "snake", indent: 4 },
    );
  },
});
