import { launch, on, styled, template } from "../kit/code.ts";
import { constants } from "./mma-parts.ts";
import { extents, orders, pair, tileOrder } from "./shared.ts";
import {
  blockBytes,
  blockHeader,
  blockPointers,
  blockStart,
  fits,
  sharedLoop,
  storeDirect,
  storeShared,
} from "./wmma-parts.ts";

const directOptions = {
  fragments: ["one", "block"],
  steps: ["one", "pair"],
  order: orders,
  alias: ["using", "typedef"],
  axis: ["warps down", "warps across"],
  unroll: [false, true],
  bounds: [false, true],
  shape: ["16x16", "32x8", "8x32"],
  per: ["2x2", "4x2", "2x4", "1x2"],
  warps: [4, 2],
} as const;

/** The warp's fragments come straight from global memory. */
export const fragmentsDirect = template({
  id: "fragments-direct",
  from: "dot-per-thread",
  idea: "Multiply on the integer tensor cores with fragments loaded from global memory",
  options: directOptions,
  valid: (o) => o.fragments === "block" || o.per === "2x2",
  count: 22,
  write(o, s) {
    const { m, n } = extents(s);
    const [fm, fn] = pair(o.shape);
    const [wm, wn] = o.fragments === "one" ? [1, 1] : pair(o.per);
    const down = o.axis === "warps down";
    const declare =
      o.alias === "using"
        ? `using FragmentA = wmma::fragment<wmma::matrix_a, FM, FN, 16, signed char, wmma::row_major>;
using FragmentB = wmma::fragment<wmma::matrix_b, FM, FN, 16, signed char, wmma::col_major>;
using FragmentC = wmma::fragment<wmma::accumulator, FM, FN, 16, int>;`
        : `typedef wmma::fragment<wmma::matrix_a, FM, FN, 16, signed char, wmma::row_major> FragmentA;
typedef wmma::fragment<wmma::matrix_b, FM, FN, 16, signed char, wmma::col_major> FragmentB;
typedef wmma::fragment<wmma::accumulator, FM, FN, 16, int> FragmentC;`;
    const one = o.fragments === "one";
    const step = (at: string): string =>
      one
        ? `wmma::load_matrix_sync(fa, a + (size_t)row * K + ${at}, K);
wmma::load_matrix_sync(fb, b + (size_t)col * K + ${at}, K);
wmma::mma_sync(acc, fa, fb, acc);`
        : `#pragma unroll
for (int i = 0; i < WM; ++i) {
wmma::load_matrix_sync(fa[i], a + (size_t)(row + i * FM) * K + ${at}, K);
}
#pragma unroll
for (int j = 0; j < WN; ++j) {
wmma::load_matrix_sync(fb[j], b + (size_t)(col + j * FN) * K + ${at}, K);
}
#pragma unroll
for (int i = 0; i < WM; ++i) {
#pragma unroll
for (int j = 0; j < WN; ++j) {
wmma::mma_sync(acc[i][j], fa[i], fb[j], acc[i][j]);
}
}`;
    const store = one
      ? "wmma::store_matrix_sync(c + (size_t)row * N + col, acc, N, wmma::mem_row_major);"
      : `for (int i = 0; i < WM; ++i) {
for (int j = 0; j < WN; ++j) {
wmma::store_matrix_sync(c + (size_t)(row + i * FM) * N + col + j * FN, acc[i][j], N, wmma::mem_row_major);
}
}`;
    const source = `#include <mma.h>
using namespace nvcuda;

${constants(s)}constexpr int FM = ${fm}, FN = ${fn};
${on(!one, `constexpr int WM = ${wm}, WN = ${wn};\n`)}constexpr int WARPS = ${o.warps};
${declare}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(WARPS * 32) ")}wmma_s8(const signed char* __restrict__ a, const signed char* __restrict__ b, int* __restrict__ c) {
const int warp = threadIdx.x / 32;
${tileOrder(o.order)}
const int row = (tile_row${on(down, " * WARPS + warp")}) * ${wm * fm};
const int col = (tile_col${on(!down, " * WARPS + warp")}) * ${wn * fn};
${
  one
    ? "FragmentA fa;\nFragmentB fb;\nFragmentC acc;\nwmma::fill_fragment(acc, 0);"
    : `FragmentA fa[WM];
FragmentB fb[WN];
FragmentC acc[WM][WN];
for (int i = 0; i < WM; ++i) {
for (int j = 0; j < WN; ++j) {
wmma::fill_fragment(acc[i][j], 0);
}
}`
}
${on(o.unroll, "#pragma unroll 4\n")}for (int k0 = 0; k0 < K; k0 += ${o.steps === "pair" ? 32 : 16}) {
${step("k0")}
${on(o.steps === "pair", step("k0 + 16"))}
}
${store}
}
`;
    const grid: [number, number] = down
      ? [n / (wn * fn), m / (wm * fm * o.warps)]
      : [n / (wn * fn * o.warps), m / (wm * fm)];
    const draft = { source, launches: [launch("wmma_s8", grid, o.warps * 32, ["a", "b", "c"])] };
    return styled(draft, { names: "snake", indent: 2 });
  },
});

const sharedOptions = {
  copy: ["int4", "bytes4", "async"],
  buffers: ["one", "two"],
  pad: [false, true],
  hoist: [false, true],
  order: orders,
  bounds: [true, false],
  store: ["direct", "through shared"],
  depth: [64, 32, 128],
  tile: ["128x128", "64x64", "128x64", "256x128"],
  warps: ["2x2", "4x2", "2x4", "4x4"],
} as const;

/** Tiles in shared memory feed the fragments. */
export const fragmentsShared = template({
  id: "fragments-shared",
  from: "fragments-direct",
  idea: "Stage tiles in shared memory and load the tensor cores' fragments from there",
  options: sharedOptions,
  valid: (o) => fits(o, 16),
  count: 26,
  write(o, s) {
    const { m, n } = extents(s);
    const [bm, bn] = pair(o.tile);
    const [wm, wn] = pair(o.warps);
    const source = `#include <mma.h>
${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}using namespace nvcuda;

${blockHeader(o, s)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}igemm_tiles(const signed char* __restrict__ a, const signed char* __restrict__ b, int* __restrict__ c) {
extern __shared__ __align__(128) signed char tiles[];
${blockStart}${tileOrder(o.order)}
${blockPointers}${sharedLoop(o, "0", "K")}
${o.store === "direct" ? storeDirect("c") : storeShared}
}
`;
    const draft = {
      source,
      launches: [launch("igemm_tiles", [n / bn, m / bm], 32 * wm * wn, ["a", "b", "c"], blockBytes(o))],
    };
    return styled(draft, { names: "snake", indent: 4 });
  },
});
