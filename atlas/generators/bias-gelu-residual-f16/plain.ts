import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { count, dimensions, gelu, on, single, text, type Sizes } from "./fragments.ts";

const conversions = `__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(__half v) { return __half2float(v); }
__device__ __forceinline__ void put(float* p, float v) { *p = v; }
__device__ __forceinline__ void put(__half* p, float v) { *p = __float2half_rn(v); }
`;

const quads = `struct Quad {
  float v[4];
};

__device__ __forceinline__ Quad get(const float* p, int q) {
  float4 f = reinterpret_cast<const float4*>(p)[q];
  return {{f.x, f.y, f.z, f.w}};
}

__device__ __forceinline__ Quad get(const __half* p, int q) {
  uint2 raw = reinterpret_cast<const uint2*>(p)[q];
  float2 a = __half22float2(*reinterpret_cast<__half2*>(&raw.x));
  float2 b = __half22float2(*reinterpret_cast<__half2*>(&raw.y));
  return {{a.x, a.y, b.x, b.y}};
}

__device__ __forceinline__ void put(float* p, int q, Quad s) {
  reinterpret_cast<float4*>(p)[q] = make_float4(s.v[0], s.v[1], s.v[2], s.v[3]);
}

__device__ __forceinline__ void put(__half* p, int q, Quad s) {
  __half2 a = __floats2half2_rn(s.v[0], s.v[1]);
  __half2 b = __floats2half2_rn(s.v[2], s.v[3]);
  uint2 raw = make_uint2(*reinterpret_cast<unsigned int*>(&a), *reinterpret_cast<unsigned int*>(&b));
  reinterpret_cast<uint2*>(p)[q] = raw;
}
`;

interface Stage {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly steps: readonly string[];
}

/** One elementwise kernel that applies `steps` (bias, gelu, residual) between two buffers. */
function stageKernel(stage: Stage, options: Options): string {
  const vector = on(options, "vector");
  const bias = stage.steps.includes("bias");
  const residual = stage.steps.includes("residual");
  const parameters = [
    `const ${stage.from}* src`,
    ...(bias ? ["const __half* bias", "int cols"] : []),
    ...(residual ? ["const __half* residual"] : []),
    `${stage.to}* dst`,
    "int n",
  ].join(", ");
  const apply = (value: string, b: string, r: string): string => {
    const withBias = bias ? `${value} + ${b}` : value;
    const activated = stage.steps.includes("gelu") ? `gelu(${withBias})` : withBias;
    return residual ? `${activated} + ${r}` : activated;
  };
  const body = vector
    ? `Quad s = get(src, i);
${bias ? "    Quad b = get(bias, i % (cols / 4));\n" : ""}${residual ? "    Quad r = get(residual, i);\n" : ""}    for (int k = 0; k < 4; k++) s.v[k] = ${apply("s.v[k]", "b.v[k]", "r.v[k]")};
    put(dst, i, s);`
    : `put(dst + i, ${apply("to_float(src[i])", "to_float(bias[i % cols])", "to_float(residual[i])")});`;
  const start = "blockIdx.x * blockDim.x + threadIdx.x";
  const loop = on(options, "stride")
    ? `for (int i = ${start}; i < n; i += gridDim.x * blockDim.x) {\n    ${body}\n  }`
    : `int i = ${start};\n  if (i < n) {\n    ${body}\n  }`;
  return `extern "C" __global__ void ${stage.name}(${parameters}) {
  ${loop}
}
`;
}

const splits: Readonly<Record<string, readonly (readonly [string, readonly string[]])[]>> = {
  "three passes": [
    ["add_bias", ["bias"]],
    ["activate", ["gelu"]],
    ["add_residual", ["residual"]],
  ],
  "activation with bias": [
    ["bias_gelu", ["bias", "gelu"]],
    ["add_residual", ["residual"]],
  ],
  "activation with residual": [
    ["add_bias", ["bias"]],
    ["gelu_residual", ["gelu", "residual"]],
  ],
};

function writeUnfused(options: Options, sizes: Sizes): KernelDraft {
  const { cols, n } = dimensions(sizes);
  const parts = splits[text(options, "split")] ?? [];
  const middle = on(options, "half_scratch") ? "__half" : "float";
  const stages = parts.map(([name, steps], i): Stage => ({
    name,
    steps,
    from: i === 0 ? "__half" : middle,
    to: i === parts.length - 1 ? "__half" : middle,
  }));
  const units = on(options, "vector") ? n / 4 : n;
  const block = count(options, "block");
  const grid = on(options, "stride")
    ? Math.min(count(options, "blocks"), Math.ceil(units / block))
    : Math.ceil(units / block);
  const source = `#include <cuda_fp16.h>

${on(options, "vector") ? quads : conversions}
${gelu(text(options, "gelu"), "gelu")}
${stages.map((stage) => stageKernel(stage, options)).join("\n")}`;
  return {
    source,
    launches: stages.map(({ name, steps }, i) => ({
      kernel: name,
      grid: [grid, 1, 1],
      block: [block, 1, 1],
      smemBytes: 0,
      args: [
        i === 0 ? "x" : "scratch",
        ...(steps.includes("bias") ? ["bias", { i32: cols }] : []),
        ...(steps.includes("residual") ? ["residual"] : []),
        i === stages.length - 1 ? "out" : "scratch",
        { i32: units },
      ],
    })),
  };
}

function writeScalar(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols, n } = dimensions(sizes);
  const block = count(options, "block");
  const read = (tensor: string, at: string): string =>
    on(options, "ldg") ? `__half2float(__ldg(&${tensor}[${at}]))` : `__half2float(${tensor}[${at}])`;
  const compute = (at: string, col: string): string =>
    `out[${at}] = __float2half(gelu(${read("x", at)} + ${read("bias", col)}) + ${read("residual", at)});`;
  const pointer = on(options, "restrict") ? "* __restrict__" : "*";
  const bodies: Readonly<Record<string, string>> = {
    flat: `const int idx = blockIdx.x * blockDim.x + threadIdx.x;
    if (idx >= rows * cols) return;
    ${compute("idx", "idx % cols")}`,
    grid2d: `const int col = blockIdx.x * blockDim.x + threadIdx.x;
    const int row = blockIdx.y;
    if (col >= cols) return;
    const int idx = row * cols + col;
    ${compute("idx", "col")}`,
    row: `const int row = blockIdx.x;
    for (int col = threadIdx.x; col < cols; col += blockDim.x) {
        ${compute("row * cols + col", "col")}
    }`,
    stride: `const int total = rows * cols;
    for (int idx = blockIdx.x * blockDim.x + threadIdx.x; idx < total; idx += gridDim.x * blockDim.x) {
        ${compute("idx", "idx % cols")}
    }`,
    consecutive: `const int first = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
    for (int idx = first; idx < first + 4 && idx < rows * cols; ++idx) {
        ${compute("idx", "idx % cols")}
    }`,
  };
  const grids: Readonly<Record<string, readonly [number, number]>> = {
    flat: [Math.ceil(n / block), 1],
    grid2d: [Math.ceil(cols / block), rows],
    row: [rows, 1],
    stride: [1056, 1],
    consecutive: [Math.ceil(n / (4 * block)), 1],
  };
  const index = text(options, "index");
  const source = `#include <cuda_fp16.h>

${gelu(text(options, "gelu"), "gelu")}
extern "C" __global__ void fused_bias_gelu(const __half${pointer} x, const __half${pointer} bias,
                                           const __half${pointer} residual, __half${pointer} out, int rows, int cols) {
    ${bodies[index]}
}
`;
  const args = ["x", "bias", "residual", "out", { i32: rows }, { i32: cols }];
  return single(source, "fused_bias_gelu", grids[index] as readonly [number, number], [block, 1], args);
}

/** Threads with neighbouring threadIdx.x work on neighbouring rows. */
function writeColumnMajor(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols } = dimensions(sizes);
  const tall = count(options, "tall");
  const wide = count(options, "wide");
  const paired = on(options, "paired");
  const strip = count(options, "strip");
  const type = paired ? "__half2" : "__half";
  const width = paired ? cols / 2 : cols;
  const store = paired
    ? `float2 a = __half22float2(x[at]), b = __half22float2(bias[c]), s = __half22float2(residual[at]);
      out[at] = __floats2half2_rn(act(a.x + b.x) + s.x, act(a.y + b.y) + s.y);`
    : `float v = __half2float(x[at]) + __half2float(bias[c]);
      out[at] = __float2half_rn(act(v) + __half2float(residual[at]));`;
  const walks: Readonly<Record<string, string>> = {
    columns: `for (int c = c0; c < min(c0 + ${strip}, width); c++) {
      size_t at = (size_t)r * width + c;
      ${store}
    }`,
    strided: `for (int c = blockIdx.y * blockDim.y + threadIdx.y; c < width; c += gridDim.y * blockDim.y) {
      size_t at = (size_t)r * width + c;
      ${store}
    }`,
  };
  const walk = text(options, "walk");
  const order = on(options, "swap") ? ["threadIdx.y", "threadIdx.x"] : ["threadIdx.x", "threadIdx.y"];
  const setup =
    walk === "columns"
      ? `int r = blockIdx.x * ${tall} + ${order[0]};
  int c0 = (blockIdx.y * ${wide} + ${order[1]}) * ${strip};`
      : `int r = blockIdx.x * blockDim.x + threadIdx.x;`;
  const source = `#include <cuda_fp16.h>

${gelu(text(options, "gelu"), "act")}
extern "C" __global__ void column_walk(const ${type}* x, const ${type}* bias, const ${type}* residual, ${type}* out,
                                       int rows, int width) {
  ${setup}
  if (r < rows) {
    ${on(options, "unroll") ? "#pragma unroll 4\n    " : ""}${walks[walk]}
  }
}
`;
  const block: readonly [number, number] = on(options, "swap") && walk === "columns" ? [wide, tall] : [tall, wide];
  const across = Math.ceil(width / (wide * strip));
  return single(source, "column_walk", [Math.ceil(rows / tall), across], block, [
    "x",
    "bias",
    "residual",
    "out",
    { i32: rows },
    { i32: width },
  ]);
}

export const plainTemplates: readonly Template[] = [
  {
    id: "unfused",
    from: null,
    count: 50,
    idea: "vary how the three steps are split over launches and what is kept between them",
    options: {
      split: ["three passes", "activation with bias", "activation with residual"],
      vector: [false, true],
      half_scratch: [false, true],
      gelu: ["tanhf", "exp", "erff"],
      stride: [false, true],
      block: [256, 128, 512, 1024],
      blocks: [1056, 264, 4224],
    },
    write: writeUnfused,
  },
  {
    id: "scalar-fused",
    from: "unfused",
    count: 48,
    idea: "do all three steps in one kernel, one element at a time",
    options: {
      index: ["flat", "grid2d", "row", "stride", "consecutive"],
      gelu: ["tanhf", "approx", "fastexp", "erff", "normcdf"],
      ldg: [false, true],
      restrict: [false, true],
      block: [256, 64, 1024],
    },
    write: writeScalar,
  },
  {
    id: "column-walk",
    from: "scalar-fused",
    count: 44,
    idea: "let neighbouring threads take neighbouring rows, so that each keeps its columns' bias",
    options: {
      walk: ["columns", "strided"],
      paired: [false, true],
      swap: [false, true],
      unroll: [false, true],
      gelu: ["tanhf", "exp", "approx"],
      tall: [32, 8, 128],
      wide: [8, 2, 1],
      strip: [1, 8, 64],
    },
    valid: (options) =>
      Number(options["tall"]) * Number(options["wide"]) >= 32 &&
      (options["walk"] === "columns" || options["swap"] !== true),
    write: writeColumnMajor,
  },
];
