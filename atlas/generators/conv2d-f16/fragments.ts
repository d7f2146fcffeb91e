import { launch, on, styled, template } from "../kit/code.ts";

export const preamble = `#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda;
`;

/** A copy of x with a border of zeros, so that every tap of 16 neighbouring pixels is a plain matrix. */
function padKernel(unit: string): { code: string; grid: number } {
  const [type, units, zero] =
    unit === "eights" ? (["uint4", 16, "make_uint4(0, 0, 0, 0)"] as const) : (["unsigned", 64, "0u"] as const);
  return {
    grid: (24 * 66 * 66 * units) / 256,
    code: `extern "C" __global__ void pad_image(const half* x, half* columns) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const int part = i % ${units}, z = i / ${units} % 66 - 1, y = i / ${units} / 66 % 66 - 1, plane = i / ${units} / 66 / 66;
  ${type} v = ${zero};
  if (y >= 0 && y < 64 && z >= 0 && z < 64) v = reinterpret_cast<const ${type}*>(x)[((plane * 64 + y) * 64 + z) * ${units} + part];
  reinterpret_cast<${type}*>(columns)[i] = v;
}
`,
  };
}

/** Statements by which a warp writes one 16 x 16 accumulator as halves, by way of its own 256 floats. */
export function drain(wide: boolean, accumulator: string, pixel: string, filter: string): string {
  const write = wide
    ? `half2 four[4];
      #pragma unroll
      for (int u = 0; u < 4; ++u) four[u] = __floats2half2_rn(mine[lane * 8 + 2 * u], mine[lane * 8 + 2 * u + 1]);
      *reinterpret_cast<uint4*>(out + (${pixel} + lane / 2) * 128 + ${filter} + lane % 2 * 8) = *reinterpret_cast<const uint4*>(four);`
    : `for (int e = lane; e < 256; e += 32) out[(${pixel} + e / 16) * 128 + ${filter} + e % 16] = __float2half(mine[e]);`;
  return `wmma::store_matrix_sync(mine, ${accumulator}, 16, wmma::mem_row_major);
      __syncwarp();
      ${wide ? write.replace("half2 four[4];", "__align__(16) half2 four[4];") : write}
      __syncwarp();`;
}

export const zeroAccumulators = `wmma::fragment<wmma::accumulator, 16, 16, 16, float> acc[WM][WN];
  #pragma unroll
  for (int i = 0; i < WM; ++i) {
    #pragma unroll
    for (int j = 0; j < WN; ++j) wmma::fill_fragment(acc[i][j], 0.0f);
  }`;

export const multiply = (a: string, b: string): string => `#pragma unroll
      for (int i = 0; i < WM; ++i) {
        #pragma unroll
        for (int j = 0; j < WN; ++j) wmma::mma_sync(acc[i][j], ${a}[i], ${b}[j], acc[i][j]);
      }`;

export const fragmentA = "wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major>";
export const fragmentB = "wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major>";

/** Where the 16 pixels of fragment i start in the padded copy. */
const paddedStart = (rows: boolean): string =>
  rows
    ? "((pixel0 / 4096 * 66 + pixel0 / 64 % 64 + i) * 66 + pixel0 % 64) * 128"
    : "(((pixel0 + 16 * i) / 4096 * 66 + (pixel0 + 16 * i) / 64 % 64) * 66 + (pixel0 + 16 * i) % 64) * 128";

/** Each warp reads its fragments from a padded copy of x and from the weights, with no shared memory but for the results. */
export const padded = template({
  id: "padded-fragments",
  from: "direct",
  count: 28,
  idea: "pad x once and feed tensor cores with fragments straight from global memory, tap after tap",
  options: {
    order: ["taps", "channels"],
    unit: ["eights", "pairs"],
    ahead: [false, true],
    wide: [true, false],
    stacked: [false, true],
    side: ["pixels", "filters"],
    unroll: ["", "#pragma unroll 2\n", "#pragma unroll 4\n"],
    bounded: [false, true],
    wm: [2, 1, 4],
    wn: [2, 1, 4],
    warps: [4, 2, 8],
  },
  valid: (o) =>
    o.wm * o.wn <= 8 &&
    (o.side === "pixels" || o.wn * o.warps <= 8) &&
    (!o.ahead || o.order === "taps") &&
    (!o.stacked || o.wm > 1),
  write(o, { n = 0 }) {
    const pad = padKernel(o.unit);
    const byPixels = o.side === "pixels";
    const base = paddedStart(o.stacked);
    const load = (a: string, b: string, tap: string, c: string): string => `#pragma unroll
      for (int i = 0; i < WM; ++i) wmma::load_matrix_sync(${a}[i], start[i] + (${tap} / 3 * 66 + ${tap} % 3) * 128 + ${c}, 128);
      #pragma unroll
      for (int j = 0; j < WN; ++j) wmma::load_matrix_sync(${b}[j], weight + (${tap} * 128 + ${c}) * 128 + filter0 + 16 * j, 128);`;
    const plain = `${fragmentA} fa[WM];
      ${fragmentB} fb[WN];
      ${load("fa", "fb", "tap", "c")}
      ${multiply("fa", "fb")}`;
    const loops = {
      taps: `for (int tap = 0; tap < 9; ++tap) {
    ${o.unroll}for (int c = 0; c < 128; c += 16) {
      ${plain}
    }
  }`,
      channels: `for (int c = 0; c < 128; c += 16) {
    ${o.unroll}for (int tap = 0; tap < 9; ++tap) {
      ${plain}
    }
  }`,
    };
    const ahead = `${fragmentA} fa[WM], next_a[WM];
  ${fragmentB} fb[WN], next_b[WN];
  ${load("fa", "fb", "0", "0")}
  ${o.unroll}for (int step = 0; step < 72; step += 2) {
      ${load("next_a", "next_b", "((step + 1) / 8)", "(step + 1) % 8 * 16")}
      ${multiply("fa", "fb")}
      if (step + 2 < 72) {
        ${load("fa", "fb", "((step + 2) / 8)", "(step + 2) % 8 * 16")}
      }
      ${multiply("next_a", "next_b")}
  }`;
    const pixelsPerWarp = 16 * o.wm;
    const groups = byPixels ? o.warps : 1;
    // Stacked fragments lie in rows below each other: a warp then has 16 columns of WM rows.
    const group = `blockIdx.x${byPixels ? ` * ${o.warps} + warp` : ""}`;
    const place = o.stacked
      ? `const int tile = ${group};
  const int pixel0 = tile / 4 * WM * 64 + tile % 4 * 16;`
      : `const int pixel0 = (${group}) * ${pixelsPerWarp};`;
    const source = `${preamble}
#define WM ${o.wm}
#define WN ${o.wn}

${pad.code}
extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${32 * o.warps}) `)}conv_fragments(const half* __restrict__ columns, const half* __restrict__ weight, half* __restrict__ out) {
  __shared__ __align__(32) float board[${o.warps}][256];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  float* mine = board[warp];
  ${place}
  const int filter0 = (blockIdx.y${byPixels ? "" : ` * ${o.warps} + warp`}) * 16 * WN;
  const half* start[WM];
  #pragma unroll
  for (int i = 0; i < WM; ++i) start[i] = columns + ${base};
  ${zeroAccumulators}
  ${o.ahead ? ahead : loops[o.order]}
  #pragma unroll
  for (int i = 0; i < WM; ++i) {
    #pragma unroll
    for (int j = 0; j < WN; ++j) {
      ${drain(o.wide, "acc[i][j]", o.stacked ? "pixel0 + 64 * i" : "pixel0 + 16 * i", "filter0 + 16 * j")}
    }
  }
}
`;
    const grid = [(n * 4096) / (pixelsPerWarp * groups), 128 / (16 * o.wn * (byPixels ? 1 : o.warps))] as const;
    const launches = [
      launch("pad_image", pad.grid, 256, ["x", "columns"]),
      launch("conv_fragments", grid, 32 * o.warps, ["columns", "weight", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** A launch per tap or per row of taps; the sums wait in scratch between them. */
export const tapPasses = template({
  id: "tap-passes",
  from: "padded-fragments",
  count: 22,
  idea: "add one tap's product a launch to sums in scratch, each a plain matrix product",
  options: {
    taps: [1, 3],
    layout: ["rows", "blocks"],
    start: ["flag", "cleared"],
    unit: ["eights", "pairs"],
    narrow: ["pairs", "single", "quads"],
    unroll: ["", "#pragma unroll 2\n", "#pragma unroll\n"],
    bounded: [false, true],
    wm: [1, 2, 4],
    wn: [2, 1, 4],
    warps: [4, 2, 8],
  },
  valid: (o) => o.wm * o.wn <= 8,
  write(o, { n = 0 }) {
    const pixels = n * 4096;
    const pad = padKernel(o.unit);
    const rows = o.layout === "rows";
    const at = rows
      ? "partial + (pixel0 + 16 * i) * 128 + filter0 + 16 * j, acc[i][j], 128"
      : "partial + ((pixel0 / 16 + i) * 8 + filter0 / 16 + j) * 256, acc[i][j], 16";
    const [address = "", name = "", pitch = ""] = at.split(", ");
    const get = `wmma::load_matrix_sync(${name}, ${address}, ${pitch}, wmma::mem_row_major);`;
    const begin = o.start === "flag" ? `if (first == 0) wmma::fill_fragment(acc[i][j], 0.0f);\nelse ${get}` : get;
    const source$ = (i: string): string =>
      rows ? i : `((${i}) / 2048 * 8 + (${i}) % 128 / 16) * 256 + (${i}) / 128 % 16 * 16 + (${i}) % 16`;
    const narrow = {
      single: { each: 1, code: `out[i] = __float2half(partial[${source$("i")}]);` },
      pairs: {
        each: 2,
        code: `const float2 v = *reinterpret_cast<const float2*>(partial + ${source$("2 * i")});
  reinterpret_cast<half2*>(out)[i] = __floats2half2_rn(v.x, v.y);`,
      },
      quads: {
        each: 4,
        code: `const float4 v = *reinterpret_cast<const float4*>(partial + ${source$("4 * i")});
  reinterpret_cast<half2*>(out)[2 * i] = __floats2half2_rn(v.x, v.y);
  reinterpret_cast<half2*>(out)[2 * i + 1] = __floats2half2_rn(v.z, v.w);`,
      },
    }[o.narrow];
    const clear = `extern "C" __global__ void clear_sums(float4* partial) {
  partial[blockIdx.x * blockDim.x + threadIdx.x] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
}
`;
    const source = `${preamble}
#define WM ${o.wm}
#define WN ${o.wn}

${pad.code}
${on(o.start === "cleared", clear)}
extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${32 * o.warps}) `)}add_taps(const half* columns, const half* weight, float* partial, int first) {
  const int pixel0 = (blockIdx.x * ${o.warps} + threadIdx.x / 32) * 16 * WM;
  const int filter0 = blockIdx.y * 16 * WN;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> acc[WM][WN];
  #pragma unroll
  for (int i = 0; i < WM; ++i) {
    #pragma unroll
    for (int j = 0; j < WN; ++j) {
      ${begin}
    }
  }
  for (int tap = first; tap < first + ${o.taps}; ++tap) {
    ${o.unroll}for (int c = 0; c < 128; c += 16) {
      ${fragmentA} fa[WM];
      ${fragmentB} fb[WN];
      #pragma unroll
      for (int i = 0; i < WM; ++i) wmma::load_matrix_sync(fa[i], columns + ${paddedStart(false)} + (tap / 3 * 66 + tap % 3) * 128 + c, 128);
      #pragma unroll
      for (int j = 0; j < WN; ++j) wmma::load_matrix_sync(fb[j], weight + (tap * 128 + c) * 128 + filter0 + 16 * j, 128);
      ${multiply("fa", "fb")}
    }
  }
  #pragma unroll
  for (int i = 0; i < WM; ++i) {
    #pragma unroll
    for (int j = 0; j < WN; ++j) wmma::store_matrix_sync(${address}, ${name}, ${pitch}, wmma::mem_row_major);
  }
}

extern "C" __global__ void round_sums(const float* partial, half* out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  ${narrow.code}
}
`;
    const grid = [pixels / (16 * o.wm * o.warps), 8 / o.wn] as const;
    const passes = Array.from({ length: 9 / o.taps }, (_, i) =>
      launch("add_taps", grid, 32 * o.warps, ["columns", "weight", "partial", { i32: i * o.taps }]),
    );
    const launches = [
      launch("pad_image", pad.grid, 256, ["x", "columns"]),
      ...(o.start === "cleared" ? [launch("clear_sums", (pixels * 32) / 256, 256, ["partial"])] : []),
      ...passes,
      launch("round_sums", (pixels * 128) / narrow.each / 256, 256, ["partial", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
