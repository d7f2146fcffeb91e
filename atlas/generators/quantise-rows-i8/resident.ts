import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import {
  blockMax,
  count,
  factorOf,
  largestOfFour,
  on,
  packFour,
  packedType,
  rounding,
  shape,
  text,
  warpMax,
  type Sizes,
} from "./fragments.ts";

function preamble(options: Options, threads: number): { head: string; declare: string; reduce: string } {
  const { declare, reduce } = blockMax(text(options, "reduce"), threads, "warpMax");
  const head = `${rounding(text(options, "round"), text(options, "factor"), "toInt8")}
${largestOfFour}
${packFour(text(options, "pack"), "pack4", "toInt8")}${reduce.includes("warpMax") ? `\n${warpMax(text(options, "warp"), "warpMax")}` : ""}`;
  return { head, declare, reduce };
}

/** The statements that round and write the thread's part of a row. */
function emitRow(options: Options, quads: boolean): string {
  const put = on(options, "streaming_store")
    ? (a: string, v: string) => `__stcs(${a}, ${v})`
    : (a: string, v: string) => `*(${a}) = ${v}`;
  return quads
    ? `#pragma unroll
  for (int i = 0; i < kEach; i += 4) {
    const uint4 word = make_uint4(pack4(v[i], k), pack4(v[i + 1], k), pack4(v[i + 2], k), pack4(v[i + 3], k));
    ${put("reinterpret_cast<uint4*>(out) + (size_t)row * (kRowVectors / 4) + threadIdx.x + i / 4 * kThreads", "word")};
  }`
    : `#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    ${put("out + (size_t)row * kRowVectors + threadIdx.x + i * kThreads", "pack4(v[i], k)")};
  }`;
}

function registerWalks(options: Options, reduce: string, quads: boolean): Readonly<Record<string, string>> {
  const at = quads ? "threadIdx.x * 4 + (i / 4) * (4 * kThreads) + i % 4" : "threadIdx.x + i * kThreads";
  const read = (row: string): string => {
    const address = `in + (size_t)${row} * kRowVectors + ${at}`;
    return on(options, "streaming") ? `__ldcs(${address})` : `*(${address})`;
  };
  const finish = `float m = 0.0f;
#pragma unroll
  for (int i = 0; i < kEach; ++i) m = largest4(m, v[i]);
  ${reduce}
  if (threadIdx.x == 0) scale[row] = m / 127.0f;
  const float k = ${factorOf(text(options, "factor"), "m")};
  ${emitRow(options, quads)}`;
  const loadRow = (row: string, into: string): string => `#pragma unroll
  for (int i = 0; i < kEach; ++i) ${into}[i] = ${read(row)};`;
  return {
    once: `const int row = blockIdx.x;
  float4 v[kEach];
  ${loadRow("row", "v")}
  ${finish}`,
    persistent: `for (int row = blockIdx.x; row < kRows; row += gridDim.x) {
  float4 v[kEach];
  ${loadRow("row", "v")}
  ${finish}
  __syncthreads();
  }`,
    prefetch: `float4 next[kEach];
  ${loadRow("blockIdx.x", "next")}
  for (int row = blockIdx.x; row < kRows; row += gridDim.x) {
  float4 v[kEach];
#pragma unroll
  for (int i = 0; i < kEach; ++i) v[i] = next[i];
  if (row + gridDim.x < kRows) {
  ${loadRow("(row + gridDim.x)", "next")}
  }
  ${finish}
  __syncthreads();
  }`,
  };
}

/** The row stays in registers between the search for its largest entry and the rounding. */
function writeRegisters(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols } = shape(sizes);
  const threads = count(options, "threads");
  const each = cols / 4 / threads;
  const { head, declare, reduce } = preamble(options, threads);
  const type = packedType(text(options, "pack"));
  const quads = on(options, "sixteen_bytes") && each % 4 === 0;
  const walk = text(options, "walk");
  const source = `constexpr int kRows = ${rows};
constexpr int kRowVectors = ${cols / 4};
constexpr int kThreads = ${threads};
constexpr int kEach = kRowVectors / kThreads;

${head}
extern "C" __global__ void ${on(options, "bounded") ? "__launch_bounds__(kThreads) " : ""}quantizeResident(const float4* __restrict__ in, ${quads ? "unsigned int" : type}* __restrict__ out, float* __restrict__ scale) {
  ${declare}
  ${registerWalks(options, reduce, quads)[walk]}
}
`;
  const grid =
    walk === "once" ? rows : Math.min(rows, 132 * Math.min(count(options, "per_sm"), Math.floor(2048 / threads)));
  return {
    source,
    launches: [
      {
        kernel: "quantizeResident",
        grid: [grid, 1, 1],
        block: [threads, 1, 1],
        smemBytes: 0,
        args: ["x", "q", "scale"],
      },
    ],
  };
}

/** The loop over a block's rows. */
function ringLoop(options: Options, stages: number, reduce: string): string {
  const wait = on(options, "asynchronous") ? `__pipeline_wait_prior(${stages - 1});\n  ` : "";
  const shifted = on(options, "shifted");
  const slot = shifted ? `(THREADS - 1 - threadIdx.x)` : `threadIdx.x`;
  const unroll = on(options, "unroll") ? "#pragma unroll\n  " : "";
  const consume = `${wait}${shifted || !on(options, "asynchronous") ? "__syncthreads();\n  " : ""}float m = 0.0f;
  ${unroll}for (int i = ${slot}; i < ROW_VECTORS; i += THREADS) m = largest4(m, tile[i]);
  ${reduce}
  if (threadIdx.x == 0) scale[row] = m * (1.0f / 127.0f);
  const float k = ${factorOf(text(options, "factor"), "m")};
  ${unroll}for (int i = ${slot}; i < ROW_VECTORS; i += THREADS) out[(size_t)row * ROW_VECTORS + i] = pack4(tile[i], k);
  __syncthreads();`;
  return stages > 1
    ? `for (int s = 0; s < STAGES - 1; ++s) fetch(ring + s * ROW_VECTORS, in, blockIdx.x + s * gridDim.x);
  int step = 0;
  for (int row = blockIdx.x; row < ROWS; row += gridDim.x, ++step) {
  fetch(ring + (step + STAGES - 1) % STAGES * ROW_VECTORS, in, row + (STAGES - 1) * gridDim.x);
  const float4* tile = ring + step % STAGES * ROW_VECTORS;
  ${consume}
  }`
    : `const float4* tile = ring;
  for (int row = blockIdx.x; row < ROWS; row += gridDim.x) {
  fetch(ring, in, row);
  ${consume}
  }`;
}

/** Rows go through a ring in shared memory, filled by asynchronous copies or by plain ones. */
function writeShared(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols } = shape(sizes);
  const threads = count(options, "threads");
  const stages = on(options, "ring") ? count(options, "stages") : 1;
  const { head, declare, reduce } = preamble(options, threads);
  const type = packedType(text(options, "pack"));
  const copy = on(options, "asynchronous")
    ? "__pipeline_memcpy_async(&tile[i], in + (size_t)row * ROW_VECTORS + i, 16);"
    : "tile[i] = in[(size_t)row * ROW_VECTORS + i];";
  const commit = on(options, "asynchronous") ? "\n  __pipeline_commit();" : "";
  const source = `${on(options, "asynchronous") ? "#include <cuda_pipeline.h>\n\n" : ""}#define ROWS ${rows}
#define ROW_VECTORS ${cols / 4}
#define THREADS ${threads}
#define STAGES ${stages}

${head}
__device__ __forceinline__ void fetch(float4* tile, const float4* in, int row) {
  if (row < ROWS) {
    for (int i = threadIdx.x; i < ROW_VECTORS; i += THREADS) {
      ${copy}
    }
  }${commit}
}

extern "C" __global__ void quantise_staged(const float4* __restrict__ in, ${type}* __restrict__ out, float* __restrict__ scale) {
  extern __shared__ float4 ring[];
  ${declare}
  ${ringLoop(options, stages, reduce)}
}
`;
  const bytes = stages * cols * 4;
  const resident = Math.min(Math.floor(2048 / threads), Math.floor(225000 / (bytes + 2048)), count(options, "per_sm"));
  const grid = on(options, "persistent") ? Math.min(rows, 132 * Math.max(1, resident)) : rows;
  return {
    source,
    launches: [
      {
        kernel: "quantise_staged",
        grid: [grid, 1, 1],
        block: [threads, 1, 1],
        smemBytes: bytes,
        args: ["x", "q", "scale"],
      },
    ],
  };
}

const arithmetic = {
  pack: ["shift", "char4", "permute"],
  factor: ["reciprocal", "divide", "fast"],
  round: ["rn", "clamped", "mantissa"],
  warp: ["xor", "redux"],
};

export const residentTemplates: readonly Template[] = [
  {
    id: "registers",
    from: "block-per-row",
    count: 5,
    idea: "hold the row in registers so that it is read once",
    options: {
      walk: ["once", "persistent", "prefetch"],
      reduce: ["warps", "all-read", "warp-atomic", "tree"],
      ...arithmetic,
      streaming: [false, true],
      streaming_store: [false, true],
      sixteen_bytes: [false, true],
      bounded: [true, false],
      threads: [256, 128, 512, 1024],
      per_sm: [8, 4, 16],
    },
    valid: (options) =>
      options["sixteen_bytes"] !== true || (options["pack"] !== "char4" && Number(options["threads"]) <= 256),
    write: writeRegisters,
  },
  {
    id: "shared-ring",
    from: "registers",
    count: 16,
    idea: "stage rows in shared memory while earlier ones are rounded",
    options: {
      ring: [false, true],
      asynchronous: [false, true],
      persistent: [true, false],
      shifted: [false, true],
      unroll: [false, true],
      reduce: ["warps", "all-read", "atomic", "tree"],
      ...arithmetic,
      threads: [256, 128, 512],
      stages: [2, 3, 4],
      per_sm: [8, 3, 1],
    },
    valid: (options) => options["ring"] !== true || options["persistent"] === true,
    write: writeShared,
  },
];
