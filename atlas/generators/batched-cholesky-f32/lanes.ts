import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { batchOf, count, laneFactor, on, pivot, pivots, scaled, single, text, type Sizes } from "./fragments.ts";

const quadsIn = (from: string): string => `#pragma unroll
    for (int q = 0; q < 4; ++q) {
      const float4 v = ${from};
      row[4 * q] = v.x;
      row[4 * q + 1] = v.y;
      row[4 * q + 2] = v.z;
      row[4 * q + 3] = v.w;
    }`;

const entry = (k: number): string => `4 * q + ${k} <= lane ? row[4 * q + ${k}] : 0.0f`;

const quadsOut = (to: string): string => `#pragma unroll
    for (int q = 0; q < 4; ++q) {
      ${to} = make_float4(${entry(0)}, ${entry(1)}, ${entry(2)}, ${entry(3)});
    }`;

function halfWarpLoad(kind: string, columns: boolean): string {
  if (kind === "staged") {
    return `#pragma unroll
    for (int i = threadIdx.x % 32; i < 128; i += 32) {
      stage[(i / 4) * PITCH + i % 4] = reinterpret_cast<const float4*>(a)[(matrix & ~1) * 64 + i];
    }
    __syncwarp();
    ${quadsIn("stage[(threadIdx.x % 32) * PITCH + q]")}
    __syncwarp();`;
  }
  if (kind === "scalars") {
    const index = columns ? "i * 16 + lane" : "lane * 16 + i";
    return `#pragma unroll
    for (int i = 0; i < 16; ++i) row[i] = a[(size_t)matrix * 256 + ${index}];`;
  }
  return quadsIn("reinterpret_cast<const float4*>(a)[(size_t)matrix * 64 + lane * 4 + q]");
}

function halfWarpStore(kind: string, columns: boolean): string {
  if (columns) {
    return `#pragma unroll
    for (int i = 0; i < 16; ++i) l[(size_t)matrix * 256 + i * 16 + lane] = i >= lane ? row[i] : 0.0f;`;
  }
  if (kind === "staged") {
    return `${quadsOut("stage[(threadIdx.x % 32) * PITCH + q]")}
    __syncwarp();
#pragma unroll
    for (int i = threadIdx.x % 32; i < 128; i += 32) {
      reinterpret_cast<float4*>(l)[(matrix & ~1) * 64 + i] = stage[(i / 4) * PITCH + i % 4];
    }
    __syncwarp();`;
  }
  if (kind === "scalars") {
    return `#pragma unroll
    for (int i = 0; i < 16; ++i) l[(size_t)matrix * 256 + lane * 16 + i] = i <= lane ? row[i] : 0.0f;`;
  }
  return quadsOut("reinterpret_cast<float4*>(l)[(size_t)matrix * 64 + lane * 4 + q]");
}

function writeHalfWarp(options: Options, sizes: Sizes): KernelDraft {
  const batch = batchOf(sizes);
  const block = count(options, "block");
  const looking = text(options, "looking");
  const columns = looking === "own columns";
  const staged = text(options, "load") === "staged" || (text(options, "store") === "staged" && !columns);
  const loop = on(options, "persistent");
  const first = "(blockIdx.x * blockDim.x + threadIdx.x) / 16";
  const source = `${laneFactor(looking, text(options, "pivot"), "factor_lanes")}
${staged ? `#define PITCH ${on(options, "padded") ? 5 : 4}\n\n` : ""}extern "C" __global__ void ${on(options, "bounded") ? `__launch_bounds__(${block}) ` : ""}cholesky_half_warp(const float* __restrict__ a, float* __restrict__ l, int batch) {
${staged ? `  __shared__ float4 stages[${block / 32}][32 * PITCH];\n  float4* stage = stages[threadIdx.x / 32];\n` : ""}  const int lane = threadIdx.x % 16;
  ${loop ? `for (int matrix = ${first}; matrix < batch; matrix += gridDim.x * blockDim.x / 16) {` : `const int matrix = ${first};\n  {`}
    float row[16];
    ${halfWarpLoad(text(options, "load"), columns)}
    factor_lanes(row, lane);
    ${halfWarpStore(text(options, "store"), columns)}
  }
}
`;
  const needed = (batch * 16) / block;
  return single(
    source,
    "cholesky_half_warp",
    loop ? Math.min(needed, 132 * Math.floor(2048 / block / 2)) : needed,
    [block, 1, 1],
    ["a", "l", { i32: batch }],
  );
}

/** The factorisation over rows `w` of a group of lanes. */
function subgroupFactor(options: Options): string {
  const kind = text(options, "pivot");
  const cyclic = on(options, "cyclic");
  const guard = on(options, "guarded");
  const own = (j: string): string => (cyclic ? `w[(${j}) / G]` : `w[(${j}) % R]`);
  const lane = (j: string): string => (cyclic ? `(${j}) % G` : `(${j}) / R`);
  const share = (value: string, j: string): string => `__shfl_sync(0xffffffffu, ${value}, ${lane(j)}, G)`;
  const update = (j: string, k: string): string => `const float t = ${share(`${own(j)}[${k}]`, j)};
#pragma unroll
      for (int i = 0; i < R; ++i) {
        ${guard ? `if (ROW(i) >= ${j}) ` : ""}w[i][${j}] -= w[i][${k}] * t;
      }`;
  const finish = (k: string): string => `const float d = ${share(`${own(k)}[${k}]`, k)};
    ${pivot(kind, "d")}
#pragma unroll
    for (int i = 0; i < R; ++i) w[i][${k}] = ROW(i) == ${k} ? root : ${scaled(kind, `w[i][${k}]`)};`;
  return on(options, "left")
    ? `#pragma unroll
  for (int j = 0; j < 16; ++j) {
#pragma unroll
    for (int k = 0; k < j; ++k) {
      ${update("j", "k")}
    }
    ${finish("j")}
  }`
    : `#pragma unroll
  for (int k = 0; k < 16; ++k) {
    ${finish("k")}
#pragma unroll
    for (int j = k + 1; j < 16; ++j) {
      ${update("j", "k")}
    }
  }`;
}

/** Two, four or eight lanes share a matrix; each holds several rows in registers. */
function writeSubgroup(options: Options, sizes: Sizes): KernelDraft {
  const batch = batchOf(sizes);
  const block = count(options, "block");
  const group = count(options, "group");
  const cyclic = on(options, "cyclic");
  const read = on(options, "streaming") ? "__ldcs(src + ROW(i) * 4 + q)" : "src[ROW(i) * 4 + q]";
  const quad = [0, 1, 2, 3]
    .map((k) => `4 * q + ${k} <= ROW(i) ? w[i][4 * q + ${k}] : 0.0f`)
    .join(",\n                               ");
  const put = on(options, "streaming")
    ? `__stcs(dst + ROW(i) * 4 + q, make_float4(${quad}))`
    : `dst[ROW(i) * 4 + q] = make_float4(${quad})`;
  const needs = on(options, "lower_only") ? "if (4 * q <= ROW(i)) " : "";
  const source = `#define G ${group}
#define R (16 / G)
#define ROW(i) (${cyclic ? "(i) * G + g" : "g * R + (i)"})

extern "C" __global__ void ${on(options, "bounded") ? `__launch_bounds__(${block}) ` : ""}cholesky_subgroup(const float4* __restrict__ a, float4* __restrict__ l) {
  const int g = threadIdx.x % G;
  const size_t matrix = (blockIdx.x * blockDim.x + threadIdx.x) / G;
  const float4* src = a + matrix * 64;
  float4* dst = l + matrix * 64;
  float w[R][16];
#pragma unroll
  for (int i = 0; i < R; ++i) {
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      float4 v = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      ${needs}v = ${read};
      w[i][4 * q] = v.x;
      w[i][4 * q + 1] = v.y;
      w[i][4 * q + 2] = v.z;
      w[i][4 * q + 3] = v.w;
    }
  }
  ${subgroupFactor(options)}
#pragma unroll
  for (int i = 0; i < R; ++i) {
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      ${put};
    }
  }
}
`;
  return single(source, "cholesky_subgroup", (batch * group) / block, [block, 1, 1], ["a", "l"]);
}

type Slot = (row: string, q: string) => string;

/** Where a ring keeps quarter `q` of a row. */
function slotOf(options: Options): Slot {
  return on(options, "swizzled")
    ? (row, q) => `(${row}) * 4 + ((${q}) ^ ((${row}) >> 1 & 3))`
    : (row, q) => `(${row}) * 4 + (${q})`;
}

/** `request(pair, a, p, me)`: begins the copy of pair `p`. */
function requestFunction(options: Options, slot: Slot): string {
  return `__device__ __forceinline__ void request(float4* pair, const float4* a, int p, int me) {
  if (p < PAIRS) {
#pragma unroll
    for (int i = me; i < 128; i += 32) {
      ${on(options, "lower_only") ? "if (i % 4 * 4 <= i / 4 % 16) " : ""}__pipeline_memcpy_async(&pair[${slot("i / 4", "i % 4")}], a + (size_t)p * 128 + i, 16);
    }
  }
  __pipeline_commit();
}

`;
}

/** Pairs of matrices arrive in a ring per warp by asynchronous copies; half a warp factors each. */
function writeRing(options: Options, sizes: Sizes): KernelDraft {
  const batch = batchOf(sizes);
  const warps = count(options, "warps");
  const stages = count(options, "stages");
  const slot = slotOf(options);
  const store = on(options, "staged_store")
    ? `${quadsOut(`pair[${slot("me", "q")}]`)}
    __syncwarp();
#pragma unroll
    for (int i = me; i < 128; i += 32) l[(size_t)p * 128 + i] = pair[${slot("i / 4", "i % 4")}];
    __syncwarp();`
    : quadsOut("l[(size_t)p * 128 + me * 4 + q]");
  const source = `#include <cuda_pipeline.h>

#define PAIRS ${batch / 2}
#define STAGES ${stages}
#define WARPS ${warps}

${laneFactor(text(options, "looking"), text(options, "pivot"), "factor_rows")}
${requestFunction(options, slot)}extern "C" __global__ void ${on(options, "bounded") ? "__launch_bounds__(WARPS * 32) " : ""}cholesky_ring(const float4* __restrict__ a, float4* __restrict__ l) {
  extern __shared__ float4 storage[];
  float4* ring = storage + threadIdx.x / 32 * (STAGES * 128);
  const int me = threadIdx.x % 32;
  const int lane = me % 16;
  const int step = gridDim.x * WARPS;
  const int first = ${on(options, "spread") ? "threadIdx.x / 32 * gridDim.x + blockIdx.x" : "blockIdx.x * WARPS + threadIdx.x / 32"};
  for (int s = 0; s < STAGES - 1; ++s) request(ring + s * 128, a, first + s * step, me);
  int slot = 0;
  for (int p = first; p < PAIRS; p += step) {
    request(ring + (slot + STAGES - 1) % STAGES * 128, a, p + (STAGES - 1) * step, me);
    __pipeline_wait_prior(STAGES - 1);
    __syncwarp();
    float4* pair = ring + slot * 128;
    float row[16];
    ${quadsIn(`pair[${slot("me", "q")}]`)}
    __syncwarp();
    factor_rows(row, lane);
    ${store}
    slot = (slot + 1) % STAGES;
  }
}
`;
  const bytes = warps * stages * 2048;
  const resident = Math.max(
    1,
    Math.min(Math.floor(64 / warps), Math.floor(225_000 / (bytes + 1024)), count(options, "per_sm")),
  );
  return single(
    source,
    "cholesky_ring",
    Math.min(132 * resident, Math.ceil(batch / 2 / warps)),
    [warps * 32, 1, 1],
    ["a", "l"],
    bytes,
  );
}

export const laneTemplates: readonly Template[] = [
  {
    id: "half-warp",
    from: "thread-registers",
    count: 24,
    idea: "give a matrix to sixteen lanes that exchange by shuffles",
    options: {
      looking: ["right", "left", "own columns"],
      pivot: [...pivots],
      load: ["quads", "scalars", "staged"],
      store: ["quads", "scalars", "staged"],
      padded: [false, true],
      persistent: [false, true],
      bounded: [false, true],
      block: [256, 64, 128, 512],
    },
    write: writeHalfWarp,
  },
  {
    id: "subgroup",
    from: "half-warp",
    count: 30,
    idea: "let fewer lanes share a matrix, each with several rows",
    options: {
      group: [4, 2, 8],
      cyclic: [true, false],
      left: [false, true],
      guarded: [false, true],
      lower_only: [false, true],
      streaming: [false, true],
      pivot: [...pivots],
      bounded: [false, true],
      block: [128, 64, 256],
    },
    write: writeSubgroup,
  },
  {
    id: "async-ring",
    from: "half-warp",
    count: 30,
    idea: "fetch the next matrices asynchronously while factoring",
    options: {
      looking: ["right", "left"],
      swizzled: [false, true],
      staged_store: [false, true],
      lower_only: [false, true],
      spread: [false, true],
      pivot: ["rsqrt", "reciprocal", "divide"],
      bounded: [true, false],
      stages: [2, 3, 4],
      warps: [4, 8, 2],
      per_sm: [16, 8, 4],
    },
    write: writeRing,
  },
];
