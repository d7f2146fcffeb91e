import { launch, on, styled, template } from "../kit/code.ts";

interface TileChoices {
  readonly bm: number;
  readonly bn: number;
  readonly bk: number;
  readonly warpsM: number;
  readonly warpsN: number;
  readonly pad: number;
  readonly copy: string;
  readonly stages: number;
  readonly store: string;
  readonly bounded: boolean;
  readonly fragments: string;
  readonly unroll: string;
  readonly restrict: boolean;
}

/** Threads, copies a thread makes, and the bytes of shared memory of a tile kernel. */
function measures(o: TileChoices): Readonly<Record<"threads" | "aCopies" | "bCopies" | "bytes", number>> {
  const threads = 32 * o.warpsM * o.warpsN;
  const stages = o.copy === "async" ? o.stages : 1;
  const stage = 2 * (o.bm * (o.bk + o.pad) + o.bk * (o.bn + o.pad));
  const board = 1024 * o.warpsM * o.warpsN;
  return {
    threads,
    aCopies: (o.bm * o.bk) / 8 / threads,
    bCopies: (o.bk * o.bn) / 8 / threads,
    bytes: Math.max(stage * stages, board),
  };
}

const fits = (o: TileChoices): boolean => {
  const { threads, aCopies, bCopies, bytes } = measures(o);
  const fragments = (o.bm * o.bn) / 256 / (threads / 32);
  return (
    Number.isInteger(aCopies) &&
    Number.isInteger(bCopies) &&
    bytes <= 220 * 1024 &&
    fragments >= 2 &&
    fragments <= 16 &&
    o.bm / o.warpsM >= 16 &&
    o.bn / o.warpsN >= 16
  );
};

/** Where the eight halves of a tile's row come from: x itself, or the unfolded copy. */
function rowSource(unfolded: boolean): string {
  if (unfolded)
    return `const bool inside = true;
      const half* from = columns + (size_t)(first + m) * 1152 + step * BK + part;`;
  return `const int tap = step / (128 / BK), pixel = first + m;
      const int y = pixel / 64 % 64 + tap / 3 - 1, z = pixel % 64 + tap % 3 - 1;
      const bool inside = y >= 0 && y < 64 && z >= 0 && z < 64;
      const half* from = x + (inside ? (pixel / 4096 * 4096 + y * 64 + z) * 128 + step % (128 / BK) * BK + part : 0);`;
}

function copies(o: TileChoices, unfolded: boolean): Readonly<Record<"fetch" | "put" | "copy", string>> {
  const { aCopies, bCopies } = measures(o);
  const each = (count: number, body: string): string => `#pragma unroll
    for (int i = 0; i < ${count}; ++i) {
      const int e = threadIdx.x + i * THREADS;
      ${body}
    }`;
  const spotA = "const int m = e / (BK / 8), part = e % (BK / 8) * 8;";
  const spotB = "const int row = e / (BN / 8), part = e % (BN / 8) * 8;";
  const toA = "a_tile + m * PITCH_A + part";
  const toB = "b_tile + row * PITCH_B + part";
  const fromB = "weight + (step * BK + row) * 128 + filter0 + part";
  return {
    fetch: `${each(
      aCopies,
      `${spotA}
      ${rowSource(unfolded)}
      held_a[i] = inside ? *reinterpret_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);`,
    )}
    ${each(bCopies, `${spotB}\nheld_b[i] = *reinterpret_cast<const uint4*>(${fromB});`)}`,
    put: `${each(aCopies, `${spotA}\n*reinterpret_cast<uint4*>(${toA}) = held_a[i];`)}
    ${each(bCopies, `${spotB}\n*reinterpret_cast<uint4*>(${toB}) = held_b[i];`)}`,
    copy: `${each(
      aCopies,
      `${spotA}
      ${rowSource(unfolded)}
      __pipeline_memcpy_async(${toA}, from, 16, inside ? 0 : 16);`,
    )}
    ${each(bCopies, `${spotB}\n__pipeline_memcpy_async(${toB}, ${fromB}, 16);`)}`,
  };
}

const fragmentA = "wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major>";
const fragmentB = "wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major>";

/** The products of one step, with all fragments of a slice at hand or with one of them at a time. */
function stepProduct(o: TileChoices): string {
  const loadA = (i: string, to: string): string =>
    `wmma::load_matrix_sync(${to}, a_tile + (row0 + 16 * ${i}) * PITCH_A + c, PITCH_A);`;
  const loadB = (j: string, to: string): string =>
    `wmma::load_matrix_sync(${to}, b_tile + c * PITCH_B + col0 + 16 * ${j}, PITCH_B);`;
  const kinds: Readonly<Record<string, string>> = {
    all: `${fragmentA} fa[WM];
      ${fragmentB} fb[WN];
      #pragma unroll
      for (int i = 0; i < WM; ++i) ${loadA("i", "fa[i]")}
      #pragma unroll
      for (int j = 0; j < WN; ++j) ${loadB("j", "fb[j]")}
      #pragma unroll
      for (int i = 0; i < WM; ++i) {
        #pragma unroll
        for (int j = 0; j < WN; ++j) wmma::mma_sync(acc[i][j], fa[i], fb[j], acc[i][j]);
      }`,
    pixels: `${fragmentA} fa[WM];
      #pragma unroll
      for (int i = 0; i < WM; ++i) ${loadA("i", "fa[i]")}
      #pragma unroll
      for (int j = 0; j < WN; ++j) {
        ${fragmentB} fb;
        ${loadB("j", "fb")}
        #pragma unroll
        for (int i = 0; i < WM; ++i) wmma::mma_sync(acc[i][j], fa[i], fb, acc[i][j]);
      }`,
    filters: `${fragmentB} fb[WN];
      #pragma unroll
      for (int j = 0; j < WN; ++j) ${loadB("j", "fb[j]")}
      #pragma unroll
      for (int i = 0; i < WM; ++i) {
        ${fragmentA} fa;
        ${loadA("i", "fa")}
        #pragma unroll
        for (int j = 0; j < WN; ++j) wmma::mma_sync(acc[i][j], fa, fb[j], acc[i][j]);
      }`,
  };
  return `${o.unroll}for (int c = 0; c < BK; c += 16) {
      ${kinds[o.fragments] ?? ""}
    }`;
}

function mainLoop(o: TileChoices, unfolded: boolean): string {
  const { aCopies, bCopies } = measures(o);
  const { fetch, put, copy } = copies(o, unfolded);
  const product = stepProduct(o);
  const tiles = `half* a_tile = memory;
    half* b_tile = memory + BM * PITCH_A;`;
  if (o.copy === "plain")
    return `uint4 held_a[${aCopies}], held_b[${bCopies}];
  ${tiles}
  for (int step = 0; step < STEPS; ++step) {
    ${fetch}
    __syncthreads();
    ${put}
    __syncthreads();
    ${product}
  }`;
  if (o.copy === "ahead")
    return `uint4 held_a[${aCopies}], held_b[${bCopies}];
  ${tiles}
  int step = 0;
  ${fetch}
  while (step < STEPS) {
    __syncthreads();
    ${put}
    __syncthreads();
    ++step;
    if (step < STEPS) {
      ${fetch}
    }
    ${product}
  }`;
  const slot = (at: string): string => `half* a_tile = memory + (${at}) % STAGES * STAGE;
    half* b_tile = a_tile + BM * PITCH_A;`;
  return `#pragma unroll
  for (int step = 0; step < STAGES - 1; ++step) {
    ${slot("step")}
    ${copy}
    __pipeline_commit();
  }
  for (int now = 0; now < STEPS; ++now) {
    __pipeline_wait_prior(STAGES - 2);
    __syncthreads();
    {
      const int step = now + STAGES - 1;
      if (step < STEPS) {
        ${slot("step")}
        ${copy}
      }
      __pipeline_commit();
    }
    ${slot("now")}
    ${product}
  }`;
}

/** The kernel of a tiled product by wmma, over x or over its unfolded copy. */
function tileKernel(o: TileChoices, unfolded: boolean, name: string): string {
  const q = on(o.restrict, " __restrict__");
  const { threads } = measures(o);
  const write =
    o.store === "wide"
      ? `const int p = lane / 2, k = lane % 2 * 8;
      __align__(16) half2 row[4];
      #pragma unroll
      for (int u = 0; u < 4; ++u) row[u] = __floats2half2_rn(board[p * 16 + k + 2 * u], board[p * 16 + k + 2 * u + 1]);
      *reinterpret_cast<uint4*>(to + p * 128 + k) = *reinterpret_cast<uint4*>(row);`
      : `for (int e = lane; e < 128; e += 32)
        *reinterpret_cast<half2*>(to + e / 8 * 128 + e % 8 * 2) = __floats2half2_rn(board[2 * e], board[2 * e + 1]);`;
  return `extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${threads}) `)}${name}(const half*${q} ${unfolded ? "columns" : "x"}, const half*${q} weight, half*${q} out) {
  extern __shared__ __align__(128) half memory[];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int first = blockIdx.x * BM, filter0 = blockIdx.y * BN;
  const int row0 = warp / WARPS_N * 16 * WM, col0 = warp % WARPS_N * 16 * WN;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> acc[WM][WN];
  #pragma unroll
  for (int i = 0; i < WM; ++i) {
    #pragma unroll
    for (int j = 0; j < WN; ++j) wmma::fill_fragment(acc[i][j], 0.0f);
  }
  ${mainLoop(o, unfolded)}
  __syncthreads();
  float* board = reinterpret_cast<float*>(memory) + warp * 256;
  #pragma unroll
  for (int i = 0; i < WM; ++i) {
    #pragma unroll
    for (int j = 0; j < WN; ++j) {
      half* to = out + (first + row0 + 16 * i) * 128 + filter0 + col0 + 16 * j;
      wmma::store_matrix_sync(board, acc[i][j], 16, wmma::mem_row_major);
      __syncwarp();
      ${write}
      __syncwarp();
    }
  }
}
`;
}

function definitions(o: TileChoices): string {
  const { threads } = measures(o);
  return `${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda;

constexpr int BM = ${o.bm}, BN = ${o.bn}, BK = ${o.bk}, STEPS = 1152 / BK;
constexpr int PITCH_A = BK + ${o.pad}, PITCH_B = BN + ${o.pad};
constexpr int WARPS_N = ${o.warpsN}, THREADS = ${threads};
constexpr int WM = BM / ${16 * o.warpsM}, WN = BN / ${16 * o.warpsN};
${on(o.copy === "async", `constexpr int STAGES = ${o.stages}, STAGE = BM * PITCH_A + BK * PITCH_B;\n`)}`;
}

const tileOptions = {
  copy: ["plain", "ahead", "async"],
  pad: [8, 16, 0],
  store: ["wide", "pairs"],
  bounded: [false, true],
  fragments: ["all", "pixels", "filters"],
  unroll: ["#pragma unroll\n", "", "#pragma unroll 1\n"],
  restrict: [true, false],
  bm: [64, 128, 256],
  bn: [64, 128],
  bk: [32, 64, 16],
  warpsM: [2, 4],
  warpsN: [2, 1, 4],
  stages: [2, 3, 4],
} as const;

const unfolds = {
  eights: {
    each: 8,
    code: `const int part = i % 16 * 8, tap = i / 16 % 9, pixel = i / 144;
  const int y = pixel / 64 % 64 + tap / 3 - 1, z = pixel % 64 + tap % 3 - 1;
  uint4 v = make_uint4(0, 0, 0, 0);
  if (y >= 0 && y < 64 && z >= 0 && z < 64)
    v = *reinterpret_cast<const uint4*>(x + (pixel / 4096 * 4096 + y * 64 + z) * 128 + part);
  reinterpret_cast<uint4*>(columns)[i] = v;`,
  },
  pairs: {
    each: 2,
    code: `const int part = i % 64 * 2, tap = i / 64 % 9, pixel = i / 576;
  const int y = pixel / 64 % 64 + tap / 3 - 1, z = pixel % 64 + tap % 3 - 1;
  half2 v = __floats2half2_rn(0.0f, 0.0f);
  if (y >= 0 && y < 64 && z >= 0 && z < 64)
    v = *reinterpret_cast<const half2*>(x + (pixel / 4096 * 4096 + y * 64 + z) * 128 + part);
  reinterpret_cast<half2*>(columns)[i] = v;`,
  },
  // A thread writes the nine copies that its pixel's channels have in its neighbours' rows.
  scatter: {
    each: 72,
    code: `const int part = i % 16 * 8, pixel = i / 16, y = pixel / 64 % 64, z = pixel % 64;
  const uint4 v = *reinterpret_cast<const uint4*>(x + pixel * 128 + part);
  for (int tap = 0; tap < 9; ++tap) {
    const int dy = tap / 3 - 1, dz = tap % 3 - 1;
    if (y - dy >= 0 && y - dy < 64 && z - dz >= 0 && z - dz < 64)
      *reinterpret_cast<uint4*>(columns + ((size_t)(pixel - dy * 64 - dz) * 9 + tap) * 128 + part) = v;
    if (y + dy < 0 || y + dy >= 64 || z + dz < 0 || z + dz >= 64)
      *reinterpret_cast<uint4*>(columns + ((size_t)pixel * 9 + tap) * 128 + part) = make_uint4(0, 0, 0, 0);
  }`,
  },
} as const;

export const unfolded = template({
  id: "unfolded",
  from: "register-tiles",
  count: 26,
  idea: "unfold the taps into a matrix in scratch and multiply it on tensor cores by tiles",
  options: { unfold: ["eights", "pairs", "scatter"], ...tileOptions },
  valid: (o) => fits(o) && (o.copy === "async" || o.stages === 2),
  write(o, { n = 0 }) {
    const pixels = n * 4096;
    const { each, code } = unfolds[o.unfold];
    const source = `${definitions(o)}
extern "C" __global__ void unfold(const half* __restrict__ x, half* __restrict__ columns) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  ${code}
}

${tileKernel(o, true, "multiply_columns")}`;
    const { threads, bytes } = measures(o);
    const launches = [
      launch("unfold", (pixels * 1152) / each / 256, 256, ["x", "columns"]),
      launch("multiply_columns", [pixels / o.bm, 128 / o.bn], threads, ["columns", "weight", "out"], bytes),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

export const implicitTiles = template({
  id: "implicit-tiles",
  from: "unfolded",
  count: 30,
  idea: "gather the unfolded tile on its way into shared memory instead of storing the unfolded matrix",
  options: tileOptions,
  valid: (o) => fits(o) && (o.copy === "async" || o.stages === 2),
  write(o, { n = 0 }) {
    const { threads, bytes } = measures(o);
    const source = `${definitions(o)}
${tileKernel(o, false, "conv_tiles")}`;
    const grid = [(n * 4096) / o.bm, 128 / o.bn] as const;
    return styled(
      { source, launches: [launch("conv_tiles", grid, threads, ["x", "weight", "out"], bytes)] },
      { names: "snake", indent: 4 },
    );
  },
});
