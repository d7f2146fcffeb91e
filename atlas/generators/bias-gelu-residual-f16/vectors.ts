import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { access, count, dimensions, eightMath, on, pairMath, single, text, type Sizes } from "./fragments.ts";

const tensors = ["x", "bias", "residual", "out"];

function header(options: Options): string {
  return `#include <cuda_fp16.h>

${pairMath(text(options, "math"), "pair")}
${eightMath("eight", text(options, "unpack"))}`;
}

function signature(name: string, block: number, bounded: boolean): string {
  const bounds = bounded ? `__launch_bounds__(${block}) ` : "";
  return `extern "C" __global__ void ${bounds}${name}(const uint4* __restrict__ x, const uint4* __restrict__ bias,
                                  const uint4* __restrict__ residual, uint4* __restrict__ out)`;
}

function writeVectors(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols, n } = dimensions(sizes);
  const block = count(options, "block");
  const items = count(options, "items");
  const { load, store } = access(text(options, "hint"));
  const column = on(options, "mask") ? "& (kVectorsPerRow - 1)" : "% kVectorsPerRow";
  const batched = `uint4 xs[kItems], rs[kItems];
#pragma unroll
  for (int k = 0; k < kItems; ++k) {
    xs[k] = ${load("x + first + k * kThreads")};
    rs[k] = ${load("residual + first + k * kThreads")};
  }
#pragma unroll
  for (int k = 0; k < kItems; ++k) {
    const int i = first + k * kThreads;
    ${store("out + i", `eight(xs[k], bias[i ${column}], rs[k])`)};
  }`;
  const simple = `#pragma unroll
  for (int i = first; i < first + kItems * kThreads; i += kThreads) {
    ${store("out + i", `eight(${load("x + i")}, bias[i ${column}], ${load("residual + i")})`)};
  }`;
  const stride = `for (int i = first; i < kVectors; i += gridDim.x * kThreads) {
    ${store("out + i", `eight(${load("x + i")}, bias[i ${column}], ${load("residual + i")})`)};
  }`;
  const adjacent = `#pragma unroll
  for (int k = 0; k < kItems; ++k) {
    const int i = (blockIdx.x * kThreads + threadIdx.x) * kItems + k;
    ${store("out + i", `eight(${load("x + i")}, bias[i ${column}], ${load("residual + i")})`)};
  }`;
  const bodies: Readonly<Record<string, string>> = { batched, simple, stride, adjacent };
  const shape = text(options, "shape");
  const start =
    shape === "stride" ? "blockIdx.x * kThreads + threadIdx.x" : "blockIdx.x * (kThreads * kItems) + threadIdx.x";
  const source = `${header(options)}
constexpr int kThreads = ${block};
constexpr int kItems = ${items};
constexpr int kVectors = ${n / 8};  // ${rows} rows of ${cols / 8} vectors
constexpr int kVectorsPerRow = ${cols / 8};

${signature("fused_vec8", block, on(options, "bounded"))} {
${shape === "adjacent" ? "" : `  const int first = ${start};\n`}  ${bodies[shape]}
}
`;
  const grid =
    shape === "stride" ? Math.min(count(options, "blocks"), n / 8 / block) : Math.ceil(n / 8 / (block * items));
  return single(source, "fused_vec8", [grid, 1], [block, 1], tensors);
}

/** Each thread keeps eight columns' bias in registers and goes down the rows. */
function writeStrip(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols } = dimensions(sizes);
  const block = count(options, "block");
  const height = Math.min(count(options, "height"), rows);
  const { load, store } = access(text(options, "hint"));
  const interleaved = on(options, "interleaved");
  const step = interleaved ? "(int)gridDim.y" : "1";
  const first = interleaved ? "blockIdx.y" : `blockIdx.y * ${height}`;
  const bias = on(options, "reload") ? "bias[column]" : "b";
  const plain = `${on(options, "unroll") ? "#pragma unroll 4\n  " : ""}for (int k = 0; k < ${height}; ++k) {
    ${store("out + at", `eight(${load("x + at")}, ${bias}, ${load("residual + at")})`)};
    at += pitch;
  }`;
  const prefetch = `uint4 next_x = ${load("x + at")};
  uint4 next_r = ${load("residual + at")};
  ${on(options, "unroll") ? "#pragma unroll 4\n  " : ""}for (int k = 0; k < ${height}; ++k) {
    const uint4 cur_x = next_x;
    const uint4 cur_r = next_r;
    if (k + 1 < ${height}) {
      next_x = ${load("x + at + pitch")};
      next_r = ${load("residual + at + pitch")};
    }
    ${store("out + at", `eight(cur_x, ${bias}, cur_r)`)};
    at += pitch;
  }`;
  const source = `${header(options)}
#define ROW_VECTORS ${cols / 8}

${signature("strip_fused", block, on(options, "bounded"))} {
  const int column = blockIdx.x * ${block} + threadIdx.x;
  ${on(options, "reload") ? "" : "const uint4 b = bias[column];\n  "}const int pitch = ROW_VECTORS * ${step};
  int at = (${first}) * ROW_VECTORS + column;
  ${on(options, "prefetch") ? prefetch : plain}
}
`;
  return single(source, "strip_fused", [Math.ceil(cols / 8 / block), rows / height], [block, 1], tensors);
}

/** One block per group of rows, with the bias converted once into shared memory. */
function writeSharedBias(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols } = dimensions(sizes);
  const block = count(options, "block");
  const group = Math.min(count(options, "rows_per_block"), rows);
  const asFloat = on(options, "float_bias");
  const { load, store } = access(text(options, "hint"));
  const lanes = ["x", "y", "z", "w"];
  const arithmetic = asFloat
    ? `const uint4 xv = ${load("xr + v")};
      const uint4 rv = ${load("rr + v")};
      const float* b = s_bias + v * 8;
      uint4 y;
${lanes.map((lane, k) => `      y.${lane} = two(xv.${lane}, b[${2 * k}], b[${2 * k + 1}], rv.${lane});`).join("\n")}
      ${store("yr + v", "y")};`
    : store("yr + v", `eight(${load("xr + v")}, s_bias[v], ${load("rr + v")})`).concat(";");
  const stage = asFloat
    ? `const __half* plain = reinterpret_cast<const __half*>(bias);
  for (int c = threadIdx.x; c < COLS; c += blockDim.x) s_bias[c] = __half2float(plain[c]);`
    : `for (int v = threadIdx.x; v < COLS / 8; v += blockDim.x) s_bias[v] = bias[v];`;
  const two = asFloat
    ? `__device__ __forceinline__ unsigned int two(unsigned int xw, float b0, float b1, unsigned int rw) {
  const float2 a = __half22float2(*reinterpret_cast<const __half2*>(&xw));
  const float2 r = __half22float2(*reinterpret_cast<const __half2*>(&rw));
  const __half2 y = __floats2half2_rn(gelu(a.x + b0) + r.x, gelu(a.y + b1) + r.y);
  return *reinterpret_cast<const unsigned int*>(&y);
}

`
    : "";
  const persistent = on(options, "persistent");
  const rowLoop = persistent
    ? `for (int row = blockIdx.x; row < ROWS; row += gridDim.x)`
    : `for (int row = blockIdx.x * ${group}; row < (blockIdx.x + 1) * ${group}; ++row)`;
  const source = `${header(options)}
#define ROWS ${rows}
#define COLS ${cols}

${two}${signature("rows_fused", block, on(options, "bounded"))} {
  extern __shared__ ${asFloat ? "float" : "uint4"} s_bias[];
  ${stage}
  __syncthreads();
  ${rowLoop} {
    const uint4* xr = x + (size_t)row * (COLS / 8);
    const uint4* rr = residual + (size_t)row * (COLS / 8);
    uint4* yr = out + (size_t)row * (COLS / 8);
    for (int v = threadIdx.x; v < COLS / 8; v += blockDim.x) {
      ${arithmetic}
    }
  }
}
`;
  const grid = persistent ? Math.min(rows, 132 * Math.max(1, Math.floor(2048 / block / 2))) : rows / group;
  return single(source, "rows_fused", [grid, 1], [block, 1], tensors, cols * (asFloat ? 4 : 2));
}

export const vectorTemplates: readonly Template[] = [
  {
    id: "vector8",
    from: "half-pairs",
    count: 5,
    idea: "move 16 bytes per access",
    options: {
      shape: ["batched", "simple", "stride", "adjacent"],
      math: ["fastexp", "approx", "tanhf", "half-tanh"],
      hint: ["plain", "streaming", "read-only", "write-through"],
      unpack: ["loop", "fields"],
      mask: [false, true],
      bounded: [false, true],
      items: [2, 1, 4, 8],
      block: [256, 128, 512],
      blocks: [1056, 264, 132],
    },
    write: writeVectors,
  },
  {
    id: "column-strip",
    from: "vector8",
    count: 6,
    idea: "keep the bias of eight columns in registers and walk down the rows",
    options: {
      prefetch: [false, true],
      unroll: [false, true],
      math: ["fastexp", "approx", "half-tanh"],
      hint: ["plain", "streaming"],
      unpack: ["loop", "fields"],
      interleaved: [false, true],
      reload: [false, true],
      bounded: [true, false],
      height: [16, 4, 64, 1024],
      block: [256, 128, 64],
    },
    valid: (options) => !(options["unroll"] === true && Number(options["height"]) < 4),
    write: writeStrip,
  },
  {
    id: "shared-bias",
    from: "vector8",
    count: 15,
    idea: "stage the whole bias in shared memory for a group of rows",
    options: {
      float_bias: [false, true],
      persistent: [false, true],
      math: ["fastexp", "approx", "tanhf"],
      hint: ["plain", "streaming"],
      unpack: ["loop", "fields"],
      bounded: [false, true],
      rows_per_block: [4, 1, 32],
      block: [256, 512, 1024],
    },
    write: writeSharedBias,
  },
];
