import type { Launch } from "../../../src/domain/index.ts";
import { launch, on, repeat } from "../kit/code.ts";

export type Form = "loop" | "tree" | "long";
export type Load = "scalar" | "two" | "four" | "ldg";
export type Merge = "atomic" | "parts-thread" | "parts-warp";

/** Distance of two codes of eight words that pointers or arrays give. */
export function distanceFunction(form: Form): string {
  const word = (w: number): string => `__popc(a[${w}] ^ b[${w}])`;
  const bodies = {
    loop: `
      unsigned int d = 0;
      #pragma unroll
      for (int w = 0; w < 8; ++w) {
        d += __popc(a[w] ^ b[w]);
      }
      return d;`,
    tree: `
      return ((${word(0)} + ${word(1)}) + (${word(2)} + ${word(3)}))
           + ((${word(4)} + ${word(5)}) + (${word(6)} + ${word(7)}));`,
    long: `
      unsigned int d = 0;
      #pragma unroll
      for (int w = 0; w < 8; w += 2) {
        unsigned long long both = ((unsigned long long)(a[w + 1] ^ b[w + 1]) << 32) | (a[w] ^ b[w]);
        d += __popcll(both);
      }
      return d;`,
  };
  return `
    __device__ __forceinline__ unsigned int code_distance(const unsigned int* a, const unsigned int* b) {
      ${bodies[form]}
    }
  `;
}

/** Statements that fill the array `into` with the code at `index` of `from`. */
export function loadCode(load: Load, into: string, from: string, index: string): string {
  if (load === "scalar") {
    return `
      #pragma unroll
      for (int w = 0; w < 8; ++w) {
        ${into}[w] = ${from}[(size_t)8 * (${index}) + w];
      }`;
  }
  if (load === "two") {
    return repeat(
      4,
      (k) => `
        uint2 ${into}_${k} = reinterpret_cast<const uint2*>(${from})[(size_t)4 * (${index}) + ${k}];
        ${into}[${2 * k}] = ${into}_${k}.x;
        ${into}[${2 * k + 1}] = ${into}_${k}.y;`,
    );
  }
  const at = (k: number): string =>
    `reinterpret_cast<const uint4*>(${from})${on(load === "ldg", " + ", "[")}` +
    `(size_t)2 * (${index}) + ${k}${on(load === "four", "]")}`;
  const value = (k: number): string => (load === "ldg" ? `__ldg(${at(k)})` : at(k));
  return repeat(
    2,
    (k) => `
      uint4 ${into}_${k} = ${value(k)};
      ${into}[${4 * k}] = ${into}_${k}.x;
      ${into}[${4 * k + 1}] = ${into}_${k}.y;
      ${into}[${4 * k + 2}] = ${into}_${k}.z;
      ${into}[${4 * k + 3}] = ${into}_${k}.w;`,
  );
}

/** How the minima of several blocks become one per query. */
export interface Merging {
  readonly source: string;
  readonly argument: string;
  readonly store: (query: string, value: string, split: string) => string;
  readonly around: (scan: readonly Launch[]) => readonly Launch[];
}

export function merging(merge: Merge, queries: number, splits: number): Merging {
  if (merge === "atomic") {
    return {
      source: `
        extern "C" __global__ void clear_best(unsigned int* best, int count) {
          int i = blockIdx.x * blockDim.x + threadIdx.x;
          if (i < count) best[i] = 0xffffffffu;
        }
      `,
      argument: "best",
      store: (query, value) => `atomicMin(best + ${query}, ${value});`,
      around: (scan) => [launch("clear_best", Math.ceil(queries / 128), 128, ["best", { i32: queries }]), ...scan],
    };
  }
  const warps = merge === "parts-warp";
  const finish = warps
    ? `
      int query = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
      unsigned int low = 0xffffffffu;
      for (int s = threadIdx.x % 32; s < splits; s += 32) {
        low = min(low, parts[query * splits + s]);
      }
      low = __reduce_min_sync(0xffffffffu, low);
      if (threadIdx.x % 32 == 0 && query < count) best[query] = low;`
    : `
      int query = blockIdx.x * blockDim.x + threadIdx.x;
      if (query >= count) return;
      unsigned int low = parts[query];
      for (int s = 1; s < splits; ++s) {
        low = min(low, parts[s * count + query]);
      }
      best[query] = low;`;
  return {
    source: `
      extern "C" __global__ void finish_best(const unsigned int* parts, unsigned int* best, int count, int splits) {
        ${finish}
      }
    `,
    argument: "parts",
    store: (query, value, split) =>
      warps
        ? `parts[(${query}) * ${splits} + ${split}] = ${value};`
        : `parts[(${split}) * ${queries} + ${query}] = ${value};`,
    around: (scan) => [
      ...scan,
      launch("finish_best", Math.ceil(queries / (warps ? 8 : 64)), warps ? 256 : 64, [
        "parts",
        "best",
        { i32: queries },
        { i32: splits },
      ]),
    ],
  };
}

export type WarpReduce = "xor" | "down" | "redux";

/** Minimum over a warp; with "down", in lane 0 only. */
export function warpLow(reduce: WarpReduce): string {
  const body = {
    xor: `
      #pragma unroll
      for (int mask = 16; mask > 0; mask >>= 1) {
        v = min(v, __shfl_xor_sync(0xffffffffu, v, mask));
      }
      return v;`,
    down: `
      for (int offset = 16; offset > 0; offset /= 2) {
        v = min(v, __shfl_down_sync(0xffffffffu, v, offset));
      }
      return v;`,
    redux: "return __reduce_min_sync(0xffffffffu, v);",
  }[reduce];
  return `
    __device__ __forceinline__ unsigned int warp_low(unsigned int v) {
      ${body}
    }
  `;
}
