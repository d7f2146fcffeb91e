import { on } from "../kit/code.ts";

export const lowest = "-3.402823466e38f";

export type Insert = "bubble" | "chain" | "search";

/** Puts `v` into the thread's descending list `best` of sixteen. */
export function insert(kind: Insert, v: string): string {
  return {
    bubble: `if (${v} > best[15]) {
        best[15] = ${v};
        #pragma unroll
        for (int q = 15; q > 0; --q) {
          if (best[q] > best[q - 1]) {
            float swap = best[q];
            best[q] = best[q - 1];
            best[q - 1] = swap;
          }
        }
      }`,
    chain: `if (${v} > best[15]) {
        float carry = ${v};
        #pragma unroll
        for (int q = 0; q < 16; ++q) {
          float high = fmaxf(best[q], carry);
          carry = fminf(best[q], carry);
          best[q] = high;
        }
      }`,
    search: `if (${v} > best[15]) {
        float fresh = ${v};
        #pragma unroll
        for (int q = 15; q > 0; --q) best[q] = fresh > best[q - 1] ? best[q - 1] : fmaxf(best[q], fresh);
        best[0] = fmaxf(best[0], fresh);
      }`,
  }[kind];
}

export const emptyList = `float best[16];
      #pragma unroll
      for (int q = 0; q < 16; ++q) best[q] = ${lowest};`;

const eachPart = (line: (v: string) => string): string => ["v.x", "v.y", "v.z", "v.w"].map(line).join("\n");

export type Merge = "heads" | "bitonic" | "pairs";

/** `merge_lanes(best)`: the lists of the lanes become the list of the warp, valid in lane 0. */
export function mergeLanes(kind: Merge): string {
  const bodies = {
    heads: `float all[16];
      #pragma unroll
      for (int r = 0; r < 16; ++r) {
        float head = best[0];
        for (int d = 16; d > 0; d >>= 1) head = fmaxf(head, __shfl_xor_sync(0xffffffffu, head, d));
        unsigned int owners = __ballot_sync(0xffffffffu, best[0] == head);
        if ((int)(threadIdx.x & 31) == __ffs(owners) - 1) {
          #pragma unroll
          for (int q = 0; q < 15; ++q) best[q] = best[q + 1];
          best[15] = ${lowest};
        }
        all[r] = head;
      }
      #pragma unroll
      for (int q = 0; q < 16; ++q) best[q] = all[q];`,
    bitonic: `for (int d = 1; d < 32; d <<= 1) {
        float other[16];
        #pragma unroll
        for (int q = 0; q < 16; ++q) other[q] = __shfl_xor_sync(0xffffffffu, best[15 - q], d);
        #pragma unroll
        for (int q = 0; q < 16; ++q) best[q] = fmaxf(best[q], other[q]);
        #pragma unroll
        for (int span = 8; span > 0; span >>= 1) {
          #pragma unroll
          for (int q = 0; q < 16; ++q) {
            if ((q & span) == 0) {
              float a = best[q], b = best[q + span];
              best[q] = fmaxf(a, b);
              best[q + span] = fminf(a, b);
            }
          }
        }
      }`,
    pairs: `for (int d = 16; d > 0; d >>= 1) {
        float theirs[16];
        #pragma unroll
        for (int q = 0; q < 16; ++q) theirs[q] = __shfl_down_sync(0xffffffffu, best[q], d);
        if ((int)(threadIdx.x & 31) < d) {
          for (int q = 0; q < 16; ++q) {
            float v = theirs[q];
            if (v <= best[15]) break;
            ${insert("chain", "v")}
          }
        }
      }`,
  };
  return `
    __device__ __forceinline__ void merge_lanes(float (&best)[16]) {
      ${bodies[kind]}
    }
  `;
}

/** Merges the lists of a block's threads and writes the result of the first lane to `out`. */
export function finishBlock(warps: number): string {
  if (warps === 1)
    return `merge_lanes(best);
      if (threadIdx.x == 0) {
        for (int q = 0; q < 16; ++q) out[q] = best[q];
      }`;
  return `__shared__ float lists[${warps}][16];
      merge_lanes(best);
      if (threadIdx.x % 32 == 0) {
        #pragma unroll
        for (int q = 0; q < 16; ++q) lists[threadIdx.x / 32][q] = best[q];
      }
      __syncthreads();
      if (threadIdx.x < 32) {
        #pragma unroll
        for (int q = 0; q < 16; ++q) best[q] = threadIdx.x < ${warps} ? lists[threadIdx.x][q] : ${lowest};
        merge_lanes(best);
        if (threadIdx.x == 0) {
          #pragma unroll
          for (int q = 0; q < 16; ++q) out[q] = best[q];
        }
      }`;
}

export type Read = "plain" | "ldg" | "streaming";

export const reading = (read: Read, place: string): string =>
  ({ plain: place, ldg: `__ldg(&${place})`, streaming: `__ldcs(&${place})` })[read];

/** A strided walk over `COUNT` items of a row at `in`. */
export function walkRow(
  options: { vector: boolean; read: Read; unroll: string; ahead?: boolean; first: string; step: string; count: string },
  line: (v: string) => string,
): string {
  const { vector, read, unroll, ahead = false, first, step, count } = options;
  const type = vector ? "float4" : "float";
  const body = vector ? eachPart(line) : line("v");
  if (ahead)
    return `int j = ${first};
      ${type} coming = ${reading(read, "in[j]")};
      while (j < ${count}) {
        ${type} v = coming;
        j += ${step};
        if (j < ${count}) coming = ${reading(read, "in[j]")};
        ${body}
      }`;
  return `${on(unroll !== "none", `#pragma unroll ${unroll}`)}
      for (int j = ${first}; j < ${count}; j += ${step}) {
        ${type} v = ${reading(read, "in[j]")};
        ${body}
      }`;
}
