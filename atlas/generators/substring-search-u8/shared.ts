import type { Launch } from "../../../src/domain/index.ts";
import { launch } from "../kit/code.ts";

export type Sizes = Readonly<Record<string, number>>;

/** Counts the occurrences that begin in the text's last 16 letters and so gives `counts` its first value. */
export const lastPlaces = `
  // Occurrences that begin in the last 16 letters; the other kernels look at the places before.
  extern "C" __global__ void last_places(const unsigned char* text, const unsigned char* patterns, const int* lengths, int* counts, int n) {
    const int p = threadIdx.x;
    int total = 0;
    for (int at = n - 16; at + lengths[p] <= n; ++at) {
      int k = 0;
      while (k < lengths[p] && text[at + k] == patterns[16 * p + k]) ++k;
      total += k == lengths[p];
    }
    counts[p] = total;
  }
`;

export function lastLaunch(sizes: Sizes): Launch {
  return launch("last_places", 1, 32, ["text", "patterns", "lengths", "counts", { i32: sizes["n"] ?? 0 }]);
}

export type Encode = "product" | "shifts" | "letters";

/** `code16(uint4)`: 16 letters as two bits each, the first one lowest. */
export function encoder(way: Encode): string {
  const four = {
    product: "return ((v >> 1 & 0x03030303u) * 0x01041040u) >> 24;",
    shifts: `
      v = v >> 1 & 0x03030303u;
      v |= v >> 6;
      return (v | v >> 12) & 255u;`,
    letters: "return (v >> 1 & 3u) | (v >> 9 & 3u) << 2 | (v >> 17 & 3u) << 4 | (v >> 25 & 3u) << 6;",
  }[way];
  return `
    __device__ __forceinline__ unsigned int code4(unsigned int v) {
      ${four}
    }

    __device__ __forceinline__ unsigned int code16(uint4 v) {
      return code4(v.x) | code4(v.y) << 8 | code4(v.z) << 16 | code4(v.w) << 24;
    }
  `;
}

export type Prepare = "letters" | "vector";

/** Fills the block's `wanted[32]` (code, mask) from the patterns; needs a barrier after it. */
export function wantedCodes(prepare: Prepare): string {
  if (prepare === "vector") {
    return `
      if (threadIdx.x < 32) {
        const int length = lengths[threadIdx.x];
        const unsigned int mask = length == 16 ? 0xffffffffu : (1u << 2 * length) - 1u;
        wanted[threadIdx.x] = make_uint2(code16(reinterpret_cast<const uint4*>(patterns)[threadIdx.x]) & mask, mask);
      }`;
  }
  return `
    if (threadIdx.x < 32) {
      unsigned int code = 0, mask = 0;
      for (int k = 0; k < lengths[threadIdx.x]; ++k) {
        code |= (unsigned int)(patterns[16 * threadIdx.x + k] >> 1 & 3) << 2 * k;
        mask |= 3u << 2 * k;
      }
      wanted[threadIdx.x] = make_uint2(code, mask);
    }`;
}

export type Source = "direct" | "shuffle" | "staged";

/**
 * Code that leaves the 32 letters from 16 w on in `low` and `high`, for the thread's word `w` of a flat grid; `words` is the
 * number of words of the text. `valid` is false for the last word, whose places last_places counts.
 */
export function wordsOf(source: Source, block: number, words: number): string {
  const read = (index: string): string => `code16(reinterpret_cast<const uint4*>(text)[${index}])`;
  const start = `
    const int w = blockIdx.x * ${block} + threadIdx.x;
    const bool valid = w < ${words - 1};`;
  if (source === "direct") {
    return `${start}
      const unsigned int low = ${read("w")}, high = ${read(`min(w + 1, ${words - 1})`)};`;
  }
  if (source === "shuffle") {
    return `${start}
      const unsigned int low = ${read("w")};
      unsigned int high = __shfl_down_sync(0xffffffffu, low, 1);
      if ((threadIdx.x & 31) == 31 && valid) high = ${read("w + 1")};`;
  }
  return `${start}
    __shared__ unsigned int staged[${block} + 1];
    staged[threadIdx.x] = ${read("w")};
    if (threadIdx.x == ${block} - 1) staged[${block}] = ${read(`min(w + 1, ${words - 1})`)};
    __syncthreads();
    const unsigned int low = staged[threadIdx.x], high = staged[threadIdx.x + 1];`;
}

/** The window of 16 letters from letter k of `low` and `high` on. */
export function windowAt(k: string): string {
  return `__funnelshift_r(low, high, 2 * ${k})`;
}

export type Counters = "block" | "warp" | "memory";

export function countersStart(counters: Counters, block: number): string {
  if (counters === "memory") return "";
  const rows = counters === "warp" ? block / 32 : 1;
  return `
    __shared__ int found[${rows}][32];
    for (int i = threadIdx.x; i < ${32 * rows}; i += ${block}) found[i / 32][i % 32] = 0;`;
}

export function countOne(counters: Counters, p: string, amount = "1"): string {
  if (counters === "memory") return `atomicAdd(&counts[${p}], ${amount});`;
  return `atomicAdd(&found[${counters === "warp" ? "threadIdx.x / 32" : "0"}][${p}], ${amount});`;
}

export function countersEnd(counters: Counters, block: number): string {
  if (counters === "memory") return "";
  const rows = counters === "warp" ? block / 32 : 1;
  const sum = Array.from({ length: rows }, (_, row) => `found[${row}][threadIdx.x]`).join(" + ");
  return `
    __syncthreads();
    if (threadIdx.x < 32) {
      const int total = ${sum};
      if (total != 0) atomicAdd(&counts[threadIdx.x], total);
    }`;
}

export const pointers =
  "const unsigned char* __restrict__ text, const unsigned char* __restrict__ patterns, const int* __restrict__ lengths, int* counts";
export const buffers = ["text", "patterns", "lengths", "counts"] as const;
