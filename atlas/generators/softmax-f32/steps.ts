import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { blockReductions, eachOf, exponential, exponentialConstant, warpReduce, type Exponential } from "./parts.ts";

/** A launch per step: maxima, sums, division. */
export const steps: Template = template({
  id: "launch-per-step",
  from: "block-per-row",
  idea: "Write one simple kernel per step: row maxima, exponentials with their sums, division.",
  options: {
    maxima: ["block", "atomic"],
    sums: ["block", "atomic", "thread-atomic"],
    stored: [true, false],
    vector: [false, true],
    exp: ["expf", "fast", "folded"],
    block: [256, 128, 512],
    chunk: [2048, 1024, 4096],
  },
  valid: ({ vector, block, chunk }) => !vector || chunk / 4 >= block,
  count: 36,
  write: ({ maxima, sums, stored, vector, exp, block, chunk }, { rows = 0, cols = 0 }) => {
    const type = vector ? "float4" : "float";
    const per = vector ? 4 : 1;
    const total = (rows * cols) / per;
    const source = `
      #define BLOCK ${block}
      #define COLS ${cols / per}
      #define CHUNK ${chunk / per}
      ${exponentialConstant(exp)}

      ${maxima === "block" || sums === "block" ? blockReductions("first-warp") : warpReduce("max") + warpReduce("sum")}
      ${on(maxima === "atomic" || sums !== "block", prepare)}
      ${maximaKernel(maxima, type, vector)}
      ${sumsKernel(sums, type, vector, stored, exp, maxima)}
      extern "C" __global__ void divide_rows(const ${type}* x, const float* stats, ${type}* y, int rows, int count) {
        const float* maxima = stats;
        const float* sums = stats + rows;
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= count) return;
        int row = i / COLS;
        ${on(!stored, `float peak = ${peakOf(maxima)};`)}
        ${divideBody(vector, stored, exp)}
      }
    `;
    const chunks = cols / chunk;
    const launches = [
      ...(maxima === "atomic" || sums !== "block"
        ? [launch("prepare", Math.ceil((2 * rows) / 256), 256, ["stats", { i32: 2 * rows }])]
        : []),
      launch("row_maxima", maxima === "block" ? rows : [chunks, rows], block, ["x", "stats"]),
      launch("row_sums", sums === "block" ? rows : [chunks, rows], block, ["x", "stats", "y", { i32: rows }]),
      launch("divide_rows", Math.ceil(total / block), block, ["x", "stats", "y", { i32: rows }, { i32: total }]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

const prepare = `
  extern "C" __global__ void prepare(float* stats, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) stats[i] = 0.0f;
  }
`;

const peakOf = (maxima: "block" | "atomic", row = "row"): string =>
  maxima === "block" ? `maxima[${row}]` : `decode(__float_as_uint(maxima[${row}]))`;

function maximaKernel(maxima: "block" | "atomic", type: string, vector: boolean): string {
  const loop = (count: string, from: string): string => `
    float peak = -3.0e38f;
    for (int j = threadIdx.x; j < ${count}; j += BLOCK) {
      ${vector ? `float4 v = ${from}[j];\npeak = fmaxf(peak, fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)));` : `peak = fmaxf(peak, ${from}[j]);`}
    }`;
  if (maxima === "block") {
    return `
      extern "C" __global__ void row_maxima(const ${type}* x, float* maxima) {
        const ${type}* in = x + (size_t)blockIdx.x * COLS;
        ${loop("COLS", "in")}
        peak = block_max<BLOCK>(peak);
        if (threadIdx.x == 0) maxima[blockIdx.x] = peak;
      }
    `;
  }
  return `
    // Unsigned integers in the order of the floats that they encode.
    __device__ unsigned int encode(float v) {
      unsigned int bits = __float_as_uint(v);
      return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    }

    __device__ float decode(unsigned int bits) {
      return __uint_as_float(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
    }

    extern "C" __global__ void row_maxima(const ${type}* x, float* maxima) {
      const ${type}* in = x + (size_t)blockIdx.y * COLS + blockIdx.x * CHUNK;
      ${loop("CHUNK", "in")}
      peak = warp_max(peak);
      if (threadIdx.x % 32 == 0) {
        atomicMax(reinterpret_cast<unsigned int*>(maxima) + blockIdx.y, encode(peak));
      }
    }
  `;
}

function sumsKernel(
  sums: "block" | "atomic" | "thread-atomic",
  type: string,
  vector: boolean,
  stored: boolean,
  exp: Exponential,
  maxima: "block" | "atomic",
): string {
  const row = sums === "block" ? "blockIdx.x" : "blockIdx.y";
  const count = sums === "block" ? "COLS" : "CHUNK";
  const offset = `(size_t)${row} * COLS${on(sums !== "block", " + blockIdx.x * CHUNK")}`;
  const e = (v: string): string => exponential(exp, v, "peak");
  const body = vector
    ? `
      float4 v = in[j];
      ${eachOf((part) => `v.${part} = ${e(`v.${part}`)};`)}
      sum += (v.x + v.y) + (v.z + v.w);
      ${on(stored, "out[j] = v;")}`
    : `float e = ${e("in[j]")};\nsum += e;\n${on(stored, "out[j] = e;")}`;
  const ends = {
    block: `sum = block_sum<BLOCK>(sum);\nif (threadIdx.x == 0) stats[rows + ${row}] = sum;`,
    atomic: `sum = warp_sum(sum);\nif (threadIdx.x % 32 == 0) atomicAdd(stats + rows + ${row}, sum);`,
    "thread-atomic": `atomicAdd(stats + rows + ${row}, sum);`,
  }[sums];
  return `
    extern "C" __global__ void row_sums(const ${type}* x, float* stats, ${type}* y, int rows) {
      const float* maxima = stats;
      const ${type}* in = x + ${offset};
      ${on(stored, `${type}* out = y + ${offset};`)}
      float peak = ${peakOf(maxima, row)};
      float sum = 0.0f;
      for (int j = threadIdx.x; j < ${count}; j += BLOCK) {
        ${body}
      }
      ${ends}
    }
  `;
}

function divideBody(vector: boolean, stored: boolean, exp: Exponential): string {
  const value = (v: string): string => (stored ? `${v} / sums[row]` : `${exponential(exp, v, "peak")} / sums[row]`);
  const from = stored ? "y" : "x";
  if (!vector) return `y[i] = ${value(`${from}[i]`)};`;
  return `float4 v = ${from}[i];\n${eachOf((part) => `v.${part} = ${value(`v.${part}`)};`)}\ny[i] = v;`;
}
