import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { count, factorOf, on, rounding, shape, text, type Sizes } from "./fragments.ts";

const load = `for (int r = threadIdx.y; r < 32; r += blockDim.y)
      for (int c = threadIdx.x; c < WIDTH; c += 32)
        tile[r][c] = x[(size_t)(row0 + r) * cols + c0 + c];
    __syncthreads();`;

function spanOf(options: Options): string {
  return on(options, "interleaved")
    ? "int c = threadIdx.y; c < WIDTH; c += SLICES"
    : "int c = threadIdx.y * (WIDTH / SLICES); c < (threadIdx.y + 1) * (WIDTH / SLICES); c++";
}

/** The ways to round the rows once their factors are known. */
function secondPasses(options: Options): Readonly<Record<string, string>> {
  return {
    direct: `for (int r = threadIdx.y; r < 32; r += blockDim.y) {
    const float k = factor[r];
    ${on(options, "unroll") ? "#pragma unroll 4\n    " : ""}for (int c = threadIdx.x; c < cols; c += 32) {
      const size_t at = (size_t)(row0 + r) * cols + c;
      q[at] = (signed char)round_one(x[at], k);
    }
  }`,
    tile: `for (int c0 = 0; c0 < cols; c0 += WIDTH) {
    ${load}
    for (${spanOf(options)}) q[(size_t)(row0 + threadIdx.x) * cols + c0 + c] = (signed char)round_one(tile[threadIdx.x][c], factor[threadIdx.x]);
    __syncthreads();
  }`,
    words: `for (int r = threadIdx.y; r < 32; r += blockDim.y) {
    const float k = factor[r];
    const float4* from = reinterpret_cast<const float4*>(x + (size_t)(row0 + r) * cols);
    char4* to = reinterpret_cast<char4*>(q + (size_t)(row0 + r) * cols);
    ${on(options, "unroll") ? "#pragma unroll 4\n    " : ""}for (int c = threadIdx.x; c < cols / 4; c += 32) {
      const float4 v = from[c];
      to[c] = make_char4(round_one(v.x, k), round_one(v.y, k), round_one(v.z, k), round_one(v.w, k));
    }
  }`,
  };
}

/** Statements that leave the largest entry of row `threadIdx.x` in `m`, in an open block. */
function mergeSlices(options: Options): string {
  return on(options, "atomic_merge")
    ? `atomicMax(&merged[threadIdx.x], __float_as_int(best));
  __syncthreads();
  if (threadIdx.y == 0) {
    const float m = __int_as_float(merged[threadIdx.x]);`
    : `merged[threadIdx.y][threadIdx.x] = best;
  __syncthreads();
  if (threadIdx.y == 0) {
    float m = best;
    for (int s = 1; s < SLICES; s++) m = fmaxf(m, merged[s][threadIdx.x]);`;
}

/** A block takes 32 rows, tile by tile through shared memory; each thread follows one row of the tile. */
function writeTiles(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols } = shape(sizes);
  const width = count(options, "width");
  const slices = count(options, "slices");
  const factor = text(options, "factor");
  const padded = on(options, "padded");
  const source = `#define WIDTH ${width}
#define SLICES ${slices}

${rounding(text(options, "round"), factor, "round_one")}
extern "C" __global__ void tiled_quantise(const float* ${on(options, "restrict") ? "__restrict__ " : ""}x, signed char* q, float* scale, int cols) {
  __shared__ float tile[32][WIDTH${padded ? " + 1" : ""}];
  ${on(options, "atomic_merge") ? "__shared__ int merged[32];" : "__shared__ float merged[SLICES][32];"}
  __shared__ float factor[32];
  const int row0 = blockIdx.x * 32;
  float best = 0.0f;
${on(options, "atomic_merge") ? "  if (threadIdx.y == 0) merged[threadIdx.x] = 0;\n" : ""}  for (int c0 = 0; c0 < cols; c0 += WIDTH) {
    ${load}
    for (${spanOf(options)}) best = fmaxf(best, fabsf(tile[threadIdx.x][c]));
    __syncthreads();
  }
  ${mergeSlices(options)}
    scale[row0 + threadIdx.x] = m / 127.0f;
    factor[threadIdx.x] = ${factorOf(factor, "m")};
  }
  __syncthreads();
  ${secondPasses(options)[text(options, "second")]}
}
`;
  return {
    source,
    launches: [
      {
        kernel: "tiled_quantise",
        grid: [rows / 32, 1, 1],
        block: [32, slices, 1],
        smemBytes: 0,
        args: ["x", "q", "scale", { i32: cols }],
      },
    ],
  };
}

export const tileTemplates: readonly Template[] = [
  {
    id: "row-tiles",
    from: "thread-per-row",
    count: 50,
    idea: "bring tiles of 32 rows into shared memory so that loads coalesce",
    options: {
      second: ["tile", "direct", "words"],
      padded: [false, true],
      interleaved: [false, true],
      atomic_merge: [false, true],
      unroll: [false, true],
      restrict: [false, true],
      factor: ["divide", "reciprocal"],
      round: ["rint", "rn", "roundf"],
      width: [32, 64, 128],
      slices: [8, 4, 16, 32],
    },
    write: writeTiles,
  },
];
