import { on, repeat } from "../kit/code.ts";

/** How exp(value - peak) is written. */
export type Exponential = "expf" | "fast" | "folded";

export function exponential(kind: Exponential, value: string, peak: string): string {
  if (kind === "expf") return `expf(${value} - ${peak})`;
  if (kind === "fast") return `__expf(${value} - ${peak})`;
  return `exp2f(fmaf(${value}, LOG2E, -LOG2E * ${peak}))`;
}

/** exp(value - peak) in running sums: exactly 1 where the two are equal, so that nothing drifts. */
export function rescaling(kind: Exponential, value: string, peak: string): string {
  return kind === "folded" ? `exp2f(LOG2E * (${value} - ${peak}))` : exponential(kind, value, peak);
}

/** The constant that the folded form needs. */
export function exponentialConstant(kind: Exponential): string {
  return on(kind === "folded", "#define LOG2E 1.4426950408889634f");
}

/** How the threads of a block agree on a maximum or a sum. */
export type BlockReduce = "every-warp" | "first-warp" | "tree";
type Operation = "max" | "sum";

const combine = (operation: Operation, a: string, b: string): string =>
  operation === "max" ? `fmaxf(${a}, ${b})` : `${a} + ${b}`;

export function warpReduce(operation: Operation, hint = "xor"): string {
  const other = hint === "xor" ? "__shfl_xor_sync(0xffffffffu, v, offset)" : "__shfl_down_sync(0xffffffffu, v, offset)";
  return `
    __device__ __forceinline__ float warp_${operation}(float v) {
      #pragma unroll
      for (int offset = 16; offset > 0; offset >>= 1) {
        v = ${combine(operation, "v", other)};
      }
      return ${hint === "xor" ? "v" : "__shfl_sync(0xffffffffu, v, 0)"};
    }
  `;
}

/** `block_max<threads>(v)` and `block_sum<threads>(v)`, valid in every thread; calls of the two must alternate. */
export function blockReductions(kind: BlockReduce): string {
  if (kind === "tree") return treeReduce("max") + treeReduce("sum");
  const one = (operation: Operation): string =>
    warpReduce(operation) + (kind === "every-warp" ? everyWarp(operation) : firstWarp(operation));
  return one("max") + one("sum");
}

function treeReduce(operation: Operation): string {
  return `
    template <int THREADS>
    __device__ float block_${operation}(float v) {
      __shared__ float cells[THREADS];
      int t = threadIdx.x;
      cells[t] = v;
      __syncthreads();
      for (int half = THREADS / 2; half > 0; half >>= 1) {
        if (t < half) {
          cells[t] = ${combine(operation, "cells[t]", "cells[t + half]")};
        }
        __syncthreads();
      }
      return cells[0];
    }
  `;
}

function everyWarp(operation: Operation): string {
  return `
    template <int THREADS>
    __device__ __forceinline__ float block_${operation}(float v) {
      __shared__ float parts[THREADS / 32];
      v = warp_${operation}(v);
      if (threadIdx.x % 32 == 0) {
        parts[threadIdx.x / 32] = v;
      }
      __syncthreads();
      float all = parts[0];
      #pragma unroll
      for (int w = 1; w < THREADS / 32; ++w) {
        all = ${combine(operation, "all", "parts[w]")};
      }
      return all;
    }
  `;
}

function firstWarp(operation: Operation): string {
  return `
    template <int THREADS>
    __device__ float block_${operation}(float v) {
      __shared__ float parts[32];
      __shared__ float result;
      int lane = threadIdx.x & 31;
      int warp = threadIdx.x >> 5;
      v = warp_${operation}(v);
      if (lane == 0) {
        parts[warp] = v;
      }
      __syncthreads();
      if (warp == 0) {
        v = lane < THREADS / 32 ? parts[lane] : ${operation === "max" ? "-3.0e38f" : "0.0f"};
        v = warp_${operation}(v);
        if (lane == 0) {
          result = v;
        }
      }
      __syncthreads();
      return result;
    }
  `;
}

/** One thread's share of a row: elements first, first + step, … of `count` (float4 when `vector`). */
export interface Walk {
  readonly first: string;
  readonly step: string;
  readonly count: string;
  readonly vector: boolean;
  readonly unroll?: boolean;
}

/** A loop over the thread's share that runs `line` for each value read from `from`. */
function readLoop(walk: Walk, from: string, line: (value: string) => string): string {
  const head = `${on(walk.unroll ?? false, "#pragma unroll 4\n")}for (int j = ${walk.first}; j < ${walk.count}; j += ${walk.step}) {`;
  if (!walk.vector) return `${head}\n${line(`${from}[j]`)}\n}`;
  return `${head}\nfloat4 v = ${from}[j];\n${eachOf((part) => line(`v.${part}`))}\n}`;
}

/** A loop that writes `value` of each element of `from` to `to`; `extra` runs for each new value. */
export function mapLoop(
  walk: Walk,
  from: string,
  to: string,
  value: (old: string) => string,
  extra?: (fresh: string) => string,
): string {
  const head = `${on(walk.unroll ?? false, "#pragma unroll 4\n")}for (int j = ${walk.first}; j < ${walk.count}; j += ${walk.step}) {`;
  if (!walk.vector) {
    if (!extra) return `${head}\n${to}[j] = ${value(`${from}[j]`)};\n}`;
    return `${head}\nfloat e = ${value(`${from}[j]`)};\n${extra("e")}\n${to}[j] = e;\n}`;
  }
  return `${head}
    float4 v = ${from}[j];
    ${eachOf((part) => `v.${part} = ${value(`v.${part}`)};${extra ? `\n${extra(`v.${part}`)}` : ""}`)}
    ${to}[j] = v;
  }`;
}

export function eachOf(line: (part: string) => string): string {
  return repeat(4, (index) => line("xyzw"[index] as string));
}

/** What the loops over a row need to be written: names, the walk and the two reductions. */
export interface RowPasses {
  readonly walk: Walk;
  readonly exp: Exponential;
  readonly passes: "three" | "store" | "online";
  readonly inverse: boolean;
  readonly reduceMax: (value: string) => string;
  readonly reduceSum: (value: string) => string;
}

/** The passes over one row: `in` and `out` are the row's pointers (of float4 when the walk is in vectors). */
export function rowPasses({ walk, exp, passes, inverse, reduceMax, reduceSum }: RowPasses): string {
  const scale = (value: string): string => (inverse ? `${value} * inverse` : `${value} / sum`);
  const e = (value: string): string => exponential(exp, value, "peak");
  const inverseLine = on(inverse, "float inverse = 1.0f / sum;");
  if (passes === "online") {
    return `
      float peak = -3.0e38f, sum = 0.0f;
      ${readLoop(walk, "in", (value) => `online_add(peak, sum, ${value});`)}
      float mine = peak;
      peak = ${reduceMax("peak")};
      sum = ${reduceSum(`sum * ${exponential(exp, "mine", "peak")}`)};
      ${inverseLine}
      ${mapLoop(walk, "in", "out", (value) => scale(e(value)))}`;
  }
  const sumLoop =
    passes === "store"
      ? mapLoop(walk, "in", "out", e, (fresh) => `sum += ${fresh};`)
      : readLoop(walk, "in", (value) => `sum += ${e(value)};`);
  return `
    float peak = -3.0e38f;
    ${readLoop(walk, "in", (value) => `peak = fmaxf(peak, ${value});`)}
    peak = ${reduceMax("peak")};
    float sum = 0.0f;
    ${sumLoop}
    sum = ${reduceSum("sum")};
    ${inverseLine}
    ${passes === "store" ? mapLoop(walk, "out", "out", scale) : mapLoop(walk, "in", "out", (value) => scale(e(value)))}`;
}

/** Adds one value to a running maximum and the sum relative to it. */
export function onlineAdd(exp: Exponential, branch: boolean): string {
  const body = branch
    ? `
      if (value > peak) {
        sum = sum * ${rescaling(exp, "peak", "value")} + 1.0f;
        peak = value;
      } else {
        sum += ${rescaling(exp, "value", "peak")};
      }`
    : `
      float larger = fmaxf(peak, value);
      sum = sum * ${rescaling(exp, "peak", "larger")} + ${rescaling(exp, "value", "larger")};
      peak = larger;`;
  return `
    __device__ __forceinline__ void online_add(float& peak, float& sum, float value) {
      ${body}
    }
  `;
}
