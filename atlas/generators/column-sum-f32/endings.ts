import type { Launch } from "../../../src/domain/index.ts";
import { launch } from "../kit/code.ts";

export type Lanes = 1 | 2 | 4;

export const packed = (lanes: Lanes): string => ({ 1: "float", 2: "float2", 4: "float4" })[lanes];
const fields = ["x", "y", "z", "w"];

/** `target += value` for a float, float2 or float4. */
export function accumulate(lanes: Lanes, target: string, value: string): string {
  if (lanes === 1) return `${target} += ${value};`;
  return fields
    .slice(0, lanes)
    .map((field) => `${target}.${field} += ${value}.${field};`)
    .join("\n");
}

export const zero = (lanes: Lanes): string =>
  lanes === 1 ? "0.0f" : `make_float${lanes}(${Array.from({ length: lanes }, () => "0.0f").join(", ")})`;

/** Adds a pack to consecutive floats that other blocks add to as well. */
export function atomics(lanes: Lanes, place: string, value: string): string {
  if (lanes === 1) return `atomicAdd(${place}, ${value});`;
  return fields
    .slice(0, lanes)
    .map((field, k) => `atomicAdd(${place} + ${k}, ${value}.${field});`)
    .join("\n");
}

export interface Ending {
  readonly before: readonly Launch[];
  readonly after: readonly Launch[];
  readonly source: string;
}

export type Finish = "atomic" | "thread" | "split" | "warp";

/** The launches around a kernel that leaves `parts` rows of partial sums in work, or that adds to out by atomics. */
export function ending(finish: Finish, parts: number, cols: number): Ending {
  if (finish === "atomic")
    return {
      before: [launch("zero_out", Math.ceil(cols / 256), 256, ["out", { i32: cols }])],
      after: [],
      source: `
      extern "C" __global__ void zero_out(float* out, int cols) {
        int c = blockIdx.x * blockDim.x + threadIdx.x;
        if (c < cols) out[c] = 0.0f;
      }
    `,
    };
  const sources = {
    thread: `
      extern "C" __global__ void sum_parts(const float* __restrict__ work, float* __restrict__ out, int parts, int cols) {
        int c = blockIdx.x * blockDim.x + threadIdx.x;
        if (c >= cols) return;
        float sum = 0.0f;
        for (int p = 0; p < parts; ++p) sum += work[p * cols + c];
        out[c] = sum;
      }
    `,
    split: `
      extern "C" __global__ void sum_parts(const float* __restrict__ work, float* __restrict__ out, int parts, int cols) {
        __shared__ float bands[16][32];
        int c = blockIdx.x * 32 + threadIdx.x;
        float sum = 0.0f;
        for (int p = threadIdx.y; p < parts; p += 16) sum += work[p * cols + c];
        bands[threadIdx.y][threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.y == 0) {
          for (int y = 1; y < 16; ++y) sum += bands[y][threadIdx.x];
          out[c] = sum;
        }
      }
    `,
    warp: `
      extern "C" __global__ void sum_parts(const float* __restrict__ work, float* __restrict__ out, int parts, int cols) {
        int c = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
        float sum = 0.0f;
        for (int p = threadIdx.x % 32; p < parts; p += 32) sum += work[p * cols + c];
        for (int hop = 16; hop > 0; hop /= 2) sum += __shfl_down_sync(0xffffffffu, sum, hop);
        if (threadIdx.x % 32 == 0) out[c] = sum;
      }
    `,
  };
  const args = ["work", "out", { i32: parts }, { i32: cols }];
  const last = {
    thread: launch("sum_parts", Math.ceil(cols / 64), 64, args),
    split: launch("sum_parts", cols / 32, [32, 16], args),
    warp: launch("sum_parts", cols / 8, 256, args),
  }[finish];
  return { before: [], after: [last], source: sources[finish] };
}
