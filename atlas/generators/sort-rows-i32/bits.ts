import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";

/** The places of the zeros from the counts of the warps. */
const zeroSums = {
  serial: `if (threadIdx.x == 0) {
            int sum = 0;
            for (int g = 0; g < GROUPS; ++g) {
              int count = zeros[g];
              zeros[g] = sum;
              sum += count;
            }
            zeros[GROUPS] = sum;
          }
          __syncthreads();`,
  "warp-scan": `if (threadIdx.x < 32) {
            int count = zeros[threadIdx.x], upto = count;
            for (int d = 1; d < 32; d <<= 1) {
              int left = __shfl_up_sync(0xffffffffu, upto, d);
              if ((int)threadIdx.x >= d) upto += left;
            }
            zeros[threadIdx.x] = upto - count;
            if (threadIdx.x == 31) zeros[32] = upto;
          }
          __syncthreads();`,
  "atomic-free": `int all = 0;
          for (int g = 0; g < GROUPS; ++g) {
            #pragma unroll
            for (int k = 0; k < HELD; ++k) {
              if (g == k * WARPS + warp) earlier[k] = all;
            }
            all += zeros[g];
          }`,
};

/** One bit per pass: zeros to the front, ones to the back, in order. */
export const bitSplits: Template = template({
  id: "bit-splits",
  from: "digit-passes",
  idea: "Split the row by one bit after the other, with votes of the warps for the places.",
  options: {
    totals: ["serial", "warp-scan", "atomic-free"],
    held: [1, 2, 4],
    ends: ["sign-last", "flipped"],
    skip: [false, true],
    buffer: ["one", "two"],
    unroll: [false, true],
    restrict: [true, false],
  },
  valid: ({ totals, held }) => totals !== "warp-scan" || held === 1,
  count: 20,
  write: ({ totals, held, ends, skip, buffer, unroll, restrict }, { rows = 0, cols = 0 }) => {
    const threads = cols / held;
    const groups = cols / 32;
    const q = on(restrict, " __restrict__");
    const flipped = ends === "flipped";
    const one = flipped ? "(value[k] >> bit) & 1u" : "bit == 31 ? (value[k] >> 31) ^ 1u : (value[k] >> bit) & 1u";
    const two = buffer === "two";
    const array = two ? "row[bit & 1]" : "row";
    const sums = zeroSums[totals];
    const own = totals === "atomic-free" ? "earlier[k]" : "zeros[k * WARPS + warp]";
    const total = totals === "atomic-free" ? "all" : "zeros[GROUPS]";
    const source = `
      #define COLS ${cols}
      #define HELD ${held}
      #define THREADS ${threads}
      #define WARPS (THREADS / 32)
      #define GROUPS ${groups}

      extern "C" __global__ void split_by_bits(const unsigned int*${q} x, unsigned int*${q} y) {
        __shared__ unsigned int row${on(two, "[2]")}[COLS];
        __shared__ int zeros[GROUPS + 1];
        const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
        unsigned int value[HELD], votes[HELD];
        ${on(totals === "atomic-free", "int earlier[HELD];")}
        #pragma unroll
        for (int k = 0; k < HELD; ++k) value[k] = x[(size_t)blockIdx.x * COLS + k * THREADS + threadIdx.x]${on(flipped, " ^ 0x80000000u")};
        ${on(unroll, "#pragma unroll 4\n")}for (int bit = 0; bit < 32; ++bit) {
          #pragma unroll
          for (int k = 0; k < HELD; ++k) {
            votes[k] = __ballot_sync(0xffffffffu, (${one}) == 0u);
            if (lane == 0) zeros[k * WARPS + warp] = __popc(votes[k]);
          }
          __syncthreads();
          ${sums}
          ${on(
            skip,
            `// Nothing moves when all bits are equal.
          bool same = ${total} == COLS || ${total} == 0;
          if (same) {
            __syncthreads();
            continue;
          }`,
          )}
          #pragma unroll
          for (int k = 0; k < HELD; ++k) {
            int before = ${own} + __popc(votes[k] & ((1u << lane) - 1u));
            int place = (${one}) == 0u ? before : ${total} + (k * THREADS + (int)threadIdx.x) - before;
            ${array}[place] = value[k];
          }
          __syncthreads();
          #pragma unroll
          for (int k = 0; k < HELD; ++k) value[k] = ${array}[k * THREADS + threadIdx.x];
          ${on(!two, "__syncthreads();")}
        }
        #pragma unroll
        for (int k = 0; k < HELD; ++k) y[(size_t)blockIdx.x * COLS + k * THREADS + threadIdx.x] = value[k]${on(flipped, " ^ 0x80000000u")};
      }
    `;
    return styled(
      { source, launches: [launch("split_by_bits", rows, threads, ["x", "y"])] },
      { names: "snake", indent: 4 },
    );
  },
});
