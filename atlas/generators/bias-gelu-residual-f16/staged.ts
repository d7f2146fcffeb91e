import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { count, dimensions, eightMath, on, pairMath, single, text, type Sizes } from "./fragments.ts";

/** Statements that turn the arrived tile `t` into results. */
function consumeTile(options: Options, index: string): string {
  const mode = text(options, "consume");
  return mode === "pairs"
    ? `const __half2* sx = reinterpret_cast<const __half2*>(ring[slot].x);
    const __half2* sr = reinterpret_cast<const __half2*>(ring[slot].r);
    const __half2* b2 = reinterpret_cast<const __half2*>(bias);
    __half2* y2 = reinterpret_cast<__half2*>(out) + (size_t)${index} * (TILE * 4);
    for (int i = threadIdx.x; i < TILE * 4; i += THREADS) {
      y2[i] = pair(sx[i], b2[(${index} * (TILE * 4) + i) % (ROW_VECTORS * 4)], sr[i]);
    }`
    : `${on(options, "unroll") ? "#pragma unroll\n    " : ""}for (int v = 0; v < VECTORS; ++v) {
      const int i = v * THREADS + ${mode === "mirrored" ? "THREADS - 1 - threadIdx.x" : "threadIdx.x"};
      const int at = ${index} * TILE + i;
      ${on(options, "streaming_store") ? "__stcs(out + at, eight(ring[slot].x[i], bias[at % ROW_VECTORS], ring[slot].r[i]))" : "out[at] = eight(ring[slot].x[i], bias[at % ROW_VECTORS], ring[slot].r[i])"};
    }`;
}

const stripIndex = `// Consecutive steps of a block go down one strip of columns.
__device__ __forceinline__ int tile_index(int t) {
  return (t % (TILES / STRIPS)) * STRIPS + t / (TILES / STRIPS);
}

`;

/** Tiles of x and residual go through shared memory in a ring of asynchronous copies. */
function writeStaged(options: Options, sizes: Sizes): KernelDraft {
  const { cols, n } = dimensions(sizes);
  const block = count(options, "block");
  const stages = count(options, "stages");
  const vectors = count(options, "vectors");
  const mode = text(options, "consume");
  const tile = block * vectors;
  const strips = on(options, "follow_column");
  const perRow = cols / 8;
  const tiles = n / 8 / tile;
  const index = strips ? "tile_index(t)" : "t";
  const sync = mode === "own" ? "" : "\n    __syncthreads();";
  const source = `#include <cuda_fp16.h>
#include <cuda_pipeline.h>

#define THREADS ${block}
#define VECTORS ${vectors}
#define TILE (THREADS * VECTORS)
#define STAGES ${stages}
#define TILES ${tiles}
#define ROW_VECTORS ${perRow}
${strips ? `#define STRIPS ${Math.max(1, perRow / tile)}\n` : ""}
struct Slot {
  uint4 x[TILE];
  uint4 r[TILE];
};

${pairMath(text(options, "math"), "pair")}
${mode === "pairs" ? "" : eightMath("eight", text(options, "unpack"))}
${strips ? stripIndex : ""}__device__ __forceinline__ void fetch(Slot& slot, const uint4* x, const uint4* residual, int t) {
  if (t < TILES) {
    for (int i = threadIdx.x; i < TILE; i += THREADS) {
      __pipeline_memcpy_async(&slot.x[i], x + ${index} * TILE + i, 16);
      __pipeline_memcpy_async(&slot.r[i], residual + ${index} * TILE + i, 16);
    }
  }
  __pipeline_commit();
}

extern "C" __global__ void ${on(options, "bounded") ? "__launch_bounds__(THREADS) " : ""}staged_fused(const uint4* x, const uint4* bias, const uint4* residual, uint4* out) {
  extern __shared__ __align__(16) unsigned char storage[];
  Slot* ring = reinterpret_cast<Slot*>(storage);
  for (int s = 0; s < STAGES - 1; ++s) {
    fetch(ring[s], x, residual, blockIdx.x + s * gridDim.x);
  }
  int slot = 0;
  for (int t = blockIdx.x; t < TILES; t += gridDim.x) {
    fetch(ring[(slot + STAGES - 1) % STAGES], x, residual, t + (STAGES - 1) * gridDim.x);
    __pipeline_wait_prior(STAGES - 1);${sync}
    ${consumeTile(options, index)}${sync}
    slot = (slot + 1) % STAGES;
  }
}
`;
  const bytes = stages * tile * 32;
  const resident = Math.max(1, Math.min(Math.floor(2048 / block), Math.floor(230000 / (bytes + 1024))));
  const blocks = Math.min(tiles, 132 * Math.min(resident, count(options, "per_sm")));
  return single(source, "staged_fused", [blocks, 1], [block, 1], ["x", "bias", "residual", "out"], bytes);
}

export const stagedTemplates: readonly Template[] = [
  {
    id: "async-ring",
    from: "vector8",
    count: 17,
    idea: "keep several tiles in flight with asynchronous copies into shared memory",
    options: {
      consume: ["own", "mirrored", "pairs"],
      math: ["fastexp", "approx", "half-tanh"],
      unpack: ["loop", "fields"],
      follow_column: [false, true],
      streaming_store: [false, true],
      unroll: [true, false],
      bounded: [false, true],
      stages: [3, 2, 4, 6],
      vectors: [1, 2, 4],
      block: [256, 128, 512],
      per_sm: [8, 4, 2],
    },
    valid: (options) =>
      Number(options["stages"]) * Number(options["vectors"]) * Number(options["block"]) * 32 <= 200_000,
    write: writeStaged,
  },
];
