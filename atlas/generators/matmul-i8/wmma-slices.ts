import { launch, on, styled, template } from "../kit/code.ts";
import { extents, orders, pair, tileOrder } from "./shared.ts";
import {
  blockBytes,
  blockHeader,
  blockPointers,
  blockStart,
  fits,
  sharedLoop,
  sharedProducts,
  storeDirect,
} from "./wmma-parts.ts";

const slicedOptions = {
  combine: ["atomic", "workspace"],
  copy: ["int4", "async", "bytes4"],
  buffers: ["two", "one"],
  pad: [true, false],
  hoist: [true, false],
  axis: ["z", "y"],
  finish: ["plain", "vector"],
  order: ["plain", "bands"],
  bounds: [true, false],
  depth: [64, 32],
  slices: [2, 4],
  tile: ["128x128", "64x64", "128x64"],
  warps: ["2x2", "4x2", "2x4"],
} as const;

/** K is cut into slices. */
export const slicedFragments = template({
  id: "sliced-k",
  from: "fragments-shared",
  idea: "Cut k into slices for more blocks and add the slices' exact sums afterwards",
  options: slicedOptions,
  valid: (o) => fits(o, 16) && (o.axis === "z" || o.order === "plain"),
  count: 22,
  write(o, s) {
    const { m, n } = extents(s);
    const [bm, bn] = pair(o.tile);
    const [wm, wn] = pair(o.warps);
    const atomic = o.combine === "atomic";
    const vector = o.finish === "vector";
    const type = vector ? "int4" : "int";
    const adds = vector ? ["x", "y", "z", "w"].map((p) => `v.${p} += part.${p};`).join("\n") : "v += part;";
    const side = atomic
      ? `extern "C" __global__ void clear_sums(${type}* c) {
c[(size_t)blockIdx.x * blockDim.x + threadIdx.x] = ${vector ? "make_int4(0, 0, 0, 0)" : "0"};
}`
      : `extern "C" __global__ void add_sums(const ${type}* workspace, ${type}* c) {
const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
${type} v = workspace[i];
for (int slice = 1; slice < SLICES; ++slice) {
const ${type} part = workspace[i + slice * ((size_t)M * N / ${vector ? 4 : 1})];
${adds}
}
c[i] = v;
}`;
    const finish = atomic
      ? `int* board = reinterpret_cast<int*>(tiles) + warp * 320;
__syncthreads();
for (int i = 0; i < NI; ++i) {
for (int j = 0; j < NJ; ++j) {
wmma::store_matrix_sync(board, acc[i][j], 20, wmma::mem_row_major);
__syncwarp();
for (int e = lane; e < 256; e += 32) {
atomicAdd(out + (size_t)(tile_row * BM + warp_row + i * 16 + e / 16) * N + tile_col * BN + warp_col + j * 16 + e % 16, board[e / 16 * 20 + e % 16]);
}
__syncwarp();
}
}`
      : storeDirect("out + (size_t)slice * M * N");
    const place =
      o.axis === "z"
        ? `${tileOrder(o.order)}\nconst int slice = blockIdx.z;`
        : `const int tile_row = blockIdx.y / SLICES, tile_col = blockIdx.x;
const int slice = blockIdx.y % SLICES;`;
    const source = `#include <mma.h>
${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}using namespace nvcuda;

${blockHeader(o, s)}constexpr int SLICES = ${o.slices};

${side}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}igemm_slice(const signed char* __restrict__ a, const signed char* __restrict__ b, int* __restrict__ out) {
extern __shared__ __align__(128) signed char tiles[];
${blockStart}${place}
${blockPointers}${sharedLoop(o, "slice * (K / SLICES)", "(slice + 1) * (K / SLICES)")}
${finish}
}
`;
    const grid = [n / bn, (m / bm) * (o.axis === "y" ? o.slices : 1), o.axis === "z" ? o.slices : 1] as const;
    const main = {
      ...launch("igemm_slice", 1, 32 * wm * wn, ["a", "b", atomic ? "c" : "workspace"], blockBytes(o)),
      grid,
    };
    const blocks = (m * n) / (vector ? 1024 : 256);
    const launches = atomic
      ? [launch("clear_sums", blocks, 256, ["c"]), main]
      : [main, launch("add_sums", blocks, 256, ["workspace", "c"])];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const halfOptions = {
  convert: ["each byte", "four bytes"],
  result: ["board", "own board"],
  pad: [true, false],
  order: orders,
  hoist: [true, false],
  bounds: [true, false],
  depth: [32, 64],
  tile: ["128x128", "64x64", "128x64"],
  warps: ["2x2", "4x2", "2x4"],
} as const;

function halfCopy(convert: string, name: string, rows: string): string {
  if (convert === "each byte")
    return `for (int e = threadIdx.x; e < ${rows} * BK; e += THREADS) {
${name}[e / BK * LD + e % BK] = __int2half_rn(${name}_from[(size_t)(e / BK) * K + k0 + e % BK]);
}`;
  return `for (int e = threadIdx.x; e < ${rows} * (BK / 4); e += THREADS) {
const char4 v = *reinterpret_cast<const char4*>(${name}_from + (size_t)(e / (BK / 4)) * K + k0 + e % (BK / 4) * 4);
half* to = &${name}[e / (BK / 4) * LD + e % (BK / 4) * 4];
to[0] = __int2half_rn(v.x);
to[1] = __int2half_rn(v.y);
to[2] = __int2half_rn(v.z);
to[3] = __int2half_rn(v.w);
}`;
}

/** The bytes become halves: their products and these sums are exact in single precision. */
export const halfFragments = template({
  id: "half-fragments",
  from: "fragments-shared",
  idea: "Convert the bytes to half precision on the way and use the floating-point tensor cores, whose sums stay exact here",
  options: halfOptions,
  valid: (o) => fits({ ...o, buffers: "one" }, 16),
  count: 20,
  write(o, s) {
    const { m, n } = extents(s);
    const [bm, bn] = pair(o.tile);
    const [wm, wn] = pair(o.warps);
    const header = blockHeader({ ...o, buffers: "one" }, s)
      .replaceAll("signed char", "half")
      .replace("16, 16, 16, int>", "16, 16, 16, float>")
      .replace("BK + 16", "BK + 8");
    const own = o.result === "own board";
    const write = `wmma::store_matrix_sync(board, acc[i][j], 20, wmma::mem_row_major);
__syncwarp();
for (int e = lane; e < 256; e += 32) {
c[(size_t)(tile_row * BM + warp_row + i * 16 + e / 16) * N + tile_col * BN + warp_col + j * 16 + e % 16] = ${own ? "__float2int_rn" : "(int)"}(board[e / 16 * 20 + e % 16]);
}
__syncwarp();`;
    const source = `#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda;

${header}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}gemm_as_half(const signed char* __restrict__ a, const signed char* __restrict__ b, int* __restrict__ c) {
extern __shared__ __align__(128) half tiles[];
${own ? "__shared__ __align__(32) float boards[WARPS_M * WARPS_N][320];\n" : ""}${blockStart}${tileOrder(o.order)}
${blockPointers.replace("acc[i][j], 0)", "acc[i][j], 0.0f)")}half* ta = tiles;
half* tb = tiles + BM * LD;
for (int k0 = 0; k0 < K; k0 += BK) {
${halfCopy(o.convert, "ta", "BM")}
${halfCopy(o.convert, "tb", "BN")}
__syncthreads();
${sharedProducts(o.hoist)}
__syncthreads();
}
float* board = ${own ? "boards[warp]" : "reinterpret_cast<float*>(tiles) + warp * 320"};
for (int i = 0; i < NI; ++i) {
for (int j = 0; j < NJ; ++j) {
${write}
}
}
}
`;
    const bytes = Math.max((bm + bn) * (o.depth + (o.pad ? 8 : 0)) * 2, own ? 0 : wm * wn * 1280);
    const draft = {
      source,
      launches: [launch("gemm_as_half", [n / bn, m / bm], 32 * wm * wn, ["a", "b", "c"], bytes)],
    };
    return styled(draft, { names: "snake", indent: 2 });
  },
});
