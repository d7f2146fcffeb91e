import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { blockSumFunction, finishParts } from "./finish.ts";

const multiprocessors = 132;
const add4 = (v: string): string => `(${v}.x + ${v}.y) + (${v}.z + ${v}.w)`;

/** One tile per block, held in registers. */
export const tile: Template = template({
  id: "register-tile",
  from: "grid-stride",
  idea: "Load one tile of float4 per block into registers before adding anything.",
  options: {
    items: [4, 8, 2, 16],
    block: [256, 128, 512, 1024],
    load: ["plain", "ldg", "ldcs"],
    order: ["loads-first", "add-at-once", "registers-tree"],
    layout: ["striped", "blocked"],
    sum: ["shuffle", "hybrid", "tree"],
    finish: ["partials", "atomic", "last"],
    bounds: [false, true],
  },
  count: 31,
  write: ({ items, block, load, order, layout, sum, finish, bounds }, sizes) => {
    const n = sizes["n"] as number;
    const grid = n / (4 * items * block);
    const parts = finishParts(finish, grid, 512);
    const at = layout === "striped" ? "threadIdx.x + k * BLOCK" : "threadIdx.x * ITEMS + k";
    const read = { plain: `tile[${at}]`, ldg: `__ldg(&tile[${at}])`, ldcs: `__ldcs(&tile[${at}])` }[load];
    const atOnce = `
      float sum = 0.0f;
      #pragma unroll
      for (int k = 0; k < ITEMS; ++k) {
        float4 v = ${read};
        sum += ${add4("v")};
      }`;
    const fetch = `
      float4 v[ITEMS];
      #pragma unroll
      for (int k = 0; k < ITEMS; ++k) {
        v[k] = ${read};
      }`;
    const loadsFirst = `
      ${fetch}
      float sum = 0.0f;
      #pragma unroll
      for (int k = 0; k < ITEMS; ++k) {
        sum += ${add4("v[k]")};
      }`;
    const registersTree = `
      ${fetch}
      #pragma unroll
      for (int gap = ITEMS / 2; gap > 0; gap /= 2) {
        #pragma unroll
        for (int k = 0; k < gap; ++k) {
          v[k].x += v[k + gap].x;
          v[k].y += v[k + gap].y;
          v[k].z += v[k + gap].z;
          v[k].w += v[k + gap].w;
        }
      }
      float sum = ${add4("v[0]")};`;
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int ITEMS = ${items};

      ${blockSumFunction(sum)}
      ${parts.helpers}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}sum_tiles(const float4* __restrict__ x, ${parts.parameters}) {
        const float4* tile = x + (size_t)blockIdx.x * (BLOCK * ITEMS);
        ${{ "loads-first": loadsFirst, "add-at-once": atOnce, "registers-tree": registersTree }[order]}
        float total = block_sum<BLOCK>(sum);
        ${parts.body}
      }
    `;
    const main = launch("sum_tiles", grid, block, ["x", ...parts.args]);
    return styled({ source, launches: [...parts.before, main, ...parts.after] }, { names: "snake", indent: 4 });
  },
});

/** Persistent blocks with several independent loads in flight. */
export const stream: Template = template({
  id: "stream",
  from: "register-tile",
  idea: "Keep one wave of blocks resident and several float4 loads in flight per thread.",
  options: {
    unroll: [4, 2, 8, 6],
    waves: [4, 2, 8, 1],
    block: [256, 512, 128, 1024],
    walk: ["interleaved", "slab"],
    prefetch: [false, true],
    load: ["ldcs", "plain", "ldg"],
    sums: ["scalar", "float4", "per-load"],
    finish: ["last", "partials", "atomic"],
    bounds: [false, true],
  },
  valid: ({ waves, block }) => waves * block <= 2048,
  count: 34,
  write: ({ unroll, waves, block, walk, prefetch, load, sums, finish, bounds }, sizes) => {
    const total = (sizes["n"] as number) / 4;
    const grid = multiprocessors * waves;
    const parts = finishParts(finish, grid, 512);
    const read = { ldcs: "__ldcs(x + at)", plain: "x[at]", ldg: "__ldg(x + at)" }[load];
    const fetch = (into: string, tileName: string): string => `
      #pragma unroll
      for (int u = 0; u < UNROLL; ++u) {
        int at = ${tileName} * (BLOCK * UNROLL) + u * BLOCK + threadIdx.x;
        ${into}[u] = at < COUNT ? ${read} : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      }`;
    const consume = `
      #pragma unroll
      for (int u = 0; u < UNROLL; ++u) {
        ${consumeLine[sums]}
      }`;
    const step = walk === "slab" ? "1" : "gridDim.x";
    const loop = prefetch
      ? `
        float4 next[UNROLL];
        int tile = first;
        ${fetch("next", "tile")}
        while (tile < end) {
          float4 now[UNROLL];
          #pragma unroll
          for (int u = 0; u < UNROLL; ++u) now[u] = next[u];
          tile += ${step};
          if (tile < end) {
            ${fetch("next", "tile")}
          }
          ${consume}
        }`
      : `
        for (int tile = first; tile < end; tile += ${step}) {
          float4 now[UNROLL];
          ${fetch("now", "tile")}
          ${consume}
        }`;
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int UNROLL = ${unroll};
      constexpr int COUNT = ${total};  // float4 in the vector
      constexpr int TILES = (COUNT + BLOCK * UNROLL - 1) / (BLOCK * UNROLL);

      ${blockSumFunction("shuffle", true)}
      ${on(sums === "per-load", addAll)}
      ${parts.helpers}
      extern "C" __global__ void ${on(bounds, `__launch_bounds__(BLOCK, ${waves}) `)}stream_sum(const float4* __restrict__ x, ${parts.parameters}) {
        ${walk === "slab" ? slabRange : "int first = blockIdx.x;\nint end = TILES;"}
        ${sumDeclaration[sums]}
        ${loop}
        float total = block_sum<BLOCK>(${sumValue[sums]});
        ${parts.body}
      }
    `;
    const main = launch("stream_sum", grid, block, ["x", ...parts.args]);
    return styled({ source, launches: [...parts.before, main, ...parts.after] }, { names: "camel", indent: 4 });
  },
});

const slabRange = `
  int first = (int)((long long)TILES * blockIdx.x / gridDim.x);
  int end = (int)((long long)TILES * (blockIdx.x + 1) / gridDim.x);`;

const consumeLine = {
  scalar: `sum += ${add4("now[u]")};`,
  float4: "sum.x += now[u].x;\nsum.y += now[u].y;\nsum.z += now[u].z;\nsum.w += now[u].w;",
  "per-load": `sums[u] += ${add4("now[u]")};`,
} as const;

const sumDeclaration = {
  scalar: "float sum = 0.0f;",
  float4: "float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);",
  "per-load": "float sums[UNROLL] = {};",
} as const;

const addAll = `
  __device__ __forceinline__ float add_all(const float* v) {
    float all = 0.0f;
    #pragma unroll
    for (int i = 0; i < UNROLL; ++i) all += v[i];
    return all;
  }
`;

const sumValue = {
  scalar: "sum",
  float4: add4("sum"),
  "per-load": "add_all(sums)",
} as const;

/** Asynchronous copies into a ring of shared-memory stages. */
export const staged: Template = template({
  id: "async-stages",
  from: "register-tile",
  idea: "Copy tiles into shared memory asynchronously, several stages ahead of the additions.",
  options: {
    stages: [3, 2, 4, 6],
    chunk: [2, 1, 4],
    block: [256, 128, 512],
    waves: [2, 1, 4],
    read: ["own", "shared", "scalars"],
    finish: ["partials", "atomic", "last"],
    dynamic: [true, false],
    tail: ["always-commit", "wait-all"],
  },
  valid: ({ stages, chunk, block, waves, dynamic }) => {
    const bytes = stages * chunk * block * 16;
    return waves * block <= 2048 && waves * bytes <= 220 * 1024 && (dynamic || bytes <= 47 * 1024);
  },
  count: 29,
  write: ({ stages, chunk, block, waves, read, finish, dynamic, tail }, sizes) => {
    const n = sizes["n"] as number;
    const grid = multiprocessors * waves;
    const bytes = stages * chunk * block * 16;
    const parts = finishParts(finish, grid, 256);
    const wait =
      tail === "always-commit"
        ? "__pipeline_wait_prior(STAGES - 1);"
        : `if (tile + STAGES * gridDim.x < tiles) {\n__pipeline_wait_prior(STAGES - 1);\n} else {\n__pipeline_wait_prior(0);\n}`;
    const sync = on(read !== "own", "__syncthreads();");
    const source = `
      #include <cuda_pipeline.h>

      #define BLOCK ${block}
      #define STAGES ${stages}
      #define CHUNK ${chunk}  // float4 per thread and stage

      ${blockSumFunction("shuffle")}
      ${parts.helpers}
      __device__ __forceinline__ void copy_tile(float4* stage, const float4* x, int tile, int tiles) {
        if (tile < tiles) {
          #pragma unroll
          for (int c = 0; c < CHUNK; ++c) {
            int slot = c * BLOCK + threadIdx.x;
            __pipeline_memcpy_async(&stage[slot], &x[tile * (CHUNK * BLOCK) + slot], sizeof(float4));
          }
        }
        __pipeline_commit();
      }

      extern "C" __global__ void staged_sum(const float4* x, ${parts.parameters}, int tiles) {
        ${dynamic ? "extern __shared__ float4 ring[];" : "__shared__ float4 ring[STAGES * CHUNK * BLOCK];"}
        float sum = 0.0f;
        for (int s = 0; s < STAGES; ++s) {
          copy_tile(ring + s * (CHUNK * BLOCK), x, blockIdx.x + s * gridDim.x, tiles);
        }
        int stage = 0;
        for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
          ${wait}
          ${sync}
          ${stagedRead[read]}
          ${sync}
          copy_tile(ring + stage * (CHUNK * BLOCK), x, tile + STAGES * gridDim.x, tiles);
          stage = stage + 1 == STAGES ? 0 : stage + 1;
        }
        float total = block_sum<BLOCK>(sum);
        ${parts.body}
      }
    `;
    const tiles = n / (4 * chunk * block);
    const main = launch("staged_sum", grid, block, ["x", ...parts.args, { i32: tiles }], dynamic ? bytes : 0);
    return styled({ source, launches: [...parts.before, main, ...parts.after] }, { names: "snake", indent: 2 });
  },
});

const stagedRead = {
  own: `
    #pragma unroll
    for (int c = 0; c < CHUNK; ++c) {
      float4 v = ring[(stage * CHUNK + c) * BLOCK + threadIdx.x];
      sum += ${add4("v")};
    }`,
  shared: `
    const float4* mine = ring + stage * (CHUNK * BLOCK) + threadIdx.x * CHUNK;
    #pragma unroll
    for (int c = 0; c < CHUNK; ++c) {
      sum += ${add4("mine[c]")};
    }`,
  scalars: `
    const float* values = reinterpret_cast<const float*>(ring + stage * (CHUNK * BLOCK));
    #pragma unroll
    for (int c = 0; c < 4 * CHUNK; ++c) {
      sum += values[c * BLOCK + threadIdx.x];
    }`,
} as const;
