import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { count, dimensions, gelu, on, pairMath, single, text, type Sizes } from "./fragments.ts";

interface PairLayout {
  readonly body: string;
  readonly grid: readonly [number, number];
  readonly stage: string;
  readonly smem: number;
}

function pairLayouts(options: Options, sizes: Sizes): Readonly<Record<string, PairLayout>> {
  const { rows, cols, n } = dimensions(sizes);
  const block = count(options, "block");
  const items = count(options, "items");
  const half2Cols = cols / 2;
  const shared = on(options, "shared_bias");
  const bias = (col: string): string => (shared ? `bias_tile[${col}]` : `bias[${col}]`);
  const one = (at: string, col: string): string => `out[${at}] = fuse(x[${at}], ${col}, residual[${at}]);`;
  return {
    flat: {
      stage: "",
      smem: 0,
      grid: [Math.ceil(n / 2 / (block * items)), 1],
      body: `int i = blockIdx.x * (blockDim.x * ${items}) + threadIdx.x;
#pragma unroll
  for (int k = 0; k < ${items}; k++, i += blockDim.x) {
    ${one("i", "bias[i % COLS2]")}
  }`,
    },
    stride: {
      smem: half2Cols * 4,
      grid: [Math.min(1056, n / 2 / block), 1],
      stage: "for (int c = threadIdx.x; c < COLS2; c += blockDim.x) bias_tile[c] = bias[c];\n  __syncthreads();",
      body: `for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < TOTAL2; i += gridDim.x * blockDim.x) {
    ${one("i", bias("i % COLS2"))}
  }`,
    },
    rows: {
      smem: block * 4,
      grid: [half2Cols / block, rows / items],
      stage: "bias_tile[threadIdx.x] = bias[blockIdx.x * blockDim.x + threadIdx.x];\n  __syncthreads();",
      body: `const int c = blockIdx.x * blockDim.x + threadIdx.x;
  ${shared ? "" : "const __half2 b = bias[c];\n  "}int i = blockIdx.y * ${items} * COLS2 + c;
#pragma unroll
  for (int k = 0; k < ${items}; k++, i += COLS2) {
    ${one("i", shared ? "bias_tile[threadIdx.x]" : "b")}
  }`,
    },
  };
}

function writePairs(options: Options, sizes: Sizes): KernelDraft {
  const { cols, n } = dimensions(sizes);
  const block = count(options, "block");
  const layout = pairLayouts(options, sizes)[text(options, "layout")];
  if (!layout) throw new Error("unknown layout");
  const usesTile = on(options, "shared_bias") && layout.stage !== "";
  const q = on(options, "restrict") ? " __restrict__" : "";
  const source = `#include <cuda_fp16.h>

constexpr int COLS2 = ${cols / 2};
constexpr int TOTAL2 = ${n / 2};

${pairMath(text(options, "math"), "fuse")}
extern "C" __global__ void bias_gelu_residual_h2(const __half2*${q} x, const __half2*${q} bias,
                                                 const __half2*${q} residual, __half2*${q} out) {
  ${usesTile ? `extern __shared__ __half2 bias_tile[];\n  ${layout.stage}\n  ` : ""}${layout.body}
}
`;
  return single(
    source,
    "bias_gelu_residual_h2",
    layout.grid,
    [block, 1],
    ["x", "bias", "residual", "out"],
    usesTile ? layout.smem : 0,
  );
}

const lookups: Readonly<Record<string, string>> = {
  // One entry per half-precision number, indexed by its bits.
  bits: `__device__ __forceinline__ float activate(TABLE_SPACE table, float v) {
  return __half2float(table[__half_as_ushort(__float2half_rn(v))]);
}`,
  linear: `__device__ __forceinline__ float activate(TABLE_SPACE table, float v) {
  float pos = fminf(fmaxf((v + 8.0f) * (ENTRIES / 16.0f), 0.0f), ENTRIES - 1.001f);
  int k = (int)pos;
  float lo = table[k];
  float g = lo + (table[k + 1] - lo) * (pos - (float)k);
  return v >= 8.0f ? v : g;
}`,
  nearest: `__device__ __forceinline__ float activate(TABLE_SPACE table, float v) {
  int k = __float2int_rn((v + 8.0f) * (ENTRIES / 16.0f));
  k = min(max(k, 0), ENTRIES - 1);
  return v >= 7.9f ? v : table[k];
}`,
};

function tableBuilder(lookup: string, into: string, index: string, step: string): string {
  const value =
    lookup === "bits"
      ? "__float2half_rn(gelu(__half2float(__ushort_as_half((unsigned short)k))))"
      : "gelu((float)k * (16.0f / ENTRIES) - 8.0f)";
  return `for (int k = ${index}; k < ENTRIES; k += ${step}) ${into}[k] = ${value};`;
}

function tableStep(paired: boolean): string {
  return paired
    ? `float2 a = __half22float2(x[i]);
    float2 b = __half22float2(bias[i % WIDTH]);
    float2 r = __half22float2(residual[i]);
    out[i] = __floats2half2_rn(activate(lut, a.x + b.x) + r.x, activate(lut, a.y + b.y) + r.y);`
    : `float v = __half2float(x[i]) + __half2float(bias[i % WIDTH]);
    out[i] = __float2half_rn(activate(lut, v) + __half2float(residual[i]));`;
}

interface Table {
  readonly lookup: string;
  readonly entries: number;
  readonly element: string;
  readonly bytes: number;
}

function tableOf(options: Options): Table {
  const lookup = text(options, "lookup");
  const entries = lookup === "bits" ? 65536 : lookup === "nearest" ? 8192 : count(options, "entries");
  const element = lookup === "bits" ? "__half" : "float";
  const bytes = entries * (lookup === "bits" ? 2 : 4);
  return { lookup, entries, element, bytes };
}

/** The kernel that fills the table in global memory. */
function tableKernel({ lookup, element }: Table): string {
  return `extern "C" __global__ void build_table(${element}* table) {
  ${tableBuilder(lookup, "table", "blockIdx.x * blockDim.x + threadIdx.x", "gridDim.x * blockDim.x")}
}

`;
}

/** Statements that make `lut` the table, in shared memory or in global memory. */
function preparedTable({ lookup, element }: Table, place: string): string {
  const fill =
    place === "shared-copied"
      ? "for (int k = threadIdx.x; k < ENTRIES; k += blockDim.x) lut[k] = table[k];"
      : tableBuilder(lookup, "lut", "threadIdx.x", "blockDim.x");
  return place !== "global"
    ? `extern __shared__ ${element} lut[];\n  ${fill}\n  __syncthreads();`
    : `const ${element}* lut = table;`;
}

function writeTable(options: Options, sizes: Sizes): KernelDraft {
  const { cols, n } = dimensions(sizes);
  const block = count(options, "block");
  const table = tableOf(options);
  const { entries, element, bytes } = table;
  const place = text(options, "place");
  const paired = on(options, "paired");
  const inShared = place !== "global";
  const units = paired ? n / 2 : n;
  const blocks = inShared ? 132 * Math.max(1, Math.min(Math.floor(2048 / block), Math.floor(220000 / bytes))) : 2112;
  const type = paired ? "__half2" : "__half";
  const usesGlobal = place !== "shared";
  const source = `#include <cuda_fp16.h>

#define ENTRIES ${entries}
#define WIDTH ${paired ? cols / 2 : cols}
#define TABLE_SPACE const ${element}*${on(options, "restrict") ? " __restrict__" : ""}

${gelu(text(options, "gelu"), "gelu")}
${lookups[table.lookup]}

${usesGlobal ? tableKernel(table) : ""}extern "C" __global__ void apply_table(const ${type}* x, const ${type}* bias, const ${type}* residual, ${type}* out,
                                       ${usesGlobal ? `TABLE_SPACE table, ` : ""}int n) {
  ${preparedTable(table, place)}
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    ${tableStep(paired)}
  }
}
`;
  const apply = single(
    source,
    "apply_table",
    [Math.min(blocks, Math.ceil(units / block)), 1],
    [block, 1],
    ["x", "bias", "residual", "out", ...(usesGlobal ? ["scratch"] : []), { i32: units }],
    inShared ? bytes + 16 : 0,
  );
  if (!usesGlobal) return apply;
  const first = {
    kernel: "build_table",
    grid: [64, 1, 1] as const,
    block: [256, 1, 1] as const,
    smemBytes: 0,
    args: ["scratch"],
  };
  return { source, launches: [first, ...apply.launches] };
}

export const pairTemplates: readonly Template[] = [
  {
    id: "half-pairs",
    from: "scalar-fused",
    count: 50,
    idea: "load and store half pairs",
    options: {
      layout: ["flat", "stride", "rows"],
      math: ["tanhf", "approx", "fastexp", "half-tanh", "half-exp"],
      shared_bias: [false, true],
      restrict: [false, true],
      block: [256, 128, 512],
      items: [1, 4, 16],
    },
    write: writePairs,
  },
  {
    id: "lookup-table",
    from: "half-pairs",
    count: 44,
    idea: "replace the activation's arithmetic by a table",
    options: {
      lookup: ["bits", "linear", "nearest"],
      place: ["global", "shared", "shared-copied"],
      paired: [false, true],
      gelu: ["tanhf", "erff"],
      restrict: [true, false],
      entries: [2048, 4096],
      block: [512, 256, 1024],
    },
    write: writeTable,
  },
];
