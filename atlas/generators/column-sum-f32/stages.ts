import type { Launch } from "../../../src/domain/index.ts";
import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { accumulate, atomics, ending, packed, zero } from "./endings.ts";

/** Passes that each add a few rows together. */
export const folding: Template = template({
  id: "folding-passes",
  from: "row-strips",
  idea: "Fold the matrix upon itself: each pass adds a few bands of rows together until one row is left.",
  options: {
    bands: ["near", "far"],
    lanes: [1, 4, 2],
    style: ["loop", "terms", "pairs"],
    stride: [false, true],
    restrict: [false, true],
    limit: [16, 256],
    radix: [8, 4, 16, 32],
    block: [256, 128, 512],
  },
  valid: ({ bands, radix }) => bands === "far" || radix > 4,
  count: 36,
  write: ({ bands, lanes, style, stride, restrict, limit, radix, block }, { rows = 0, cols = 0 }) => {
    const type = packed(lanes);
    const packs = cols / lanes;
    const mark = on(restrict, " __restrict__");
    const row = (k: string): string => (bands === "near" ? `r * ${radix} + ${k}` : `r + ${k} * rows`);
    const value = (k: string): string => `from[(size_t)(${row(k)}) * PACKS + c]`;
    const sums = {
      loop: `
          ${type} sum = ${zero(lanes)};
          #pragma unroll
          for (int k = 0; k < ${radix}; ++k) {
            const ${type} v = ${value("k")};
            ${accumulate(lanes, "sum", "v")}
          }`,
      terms: `
          ${type} sum = ${value("0")};
          ${repeat(radix - 1, (k) => `{\nconst ${type} v = ${value(String(k + 1))};\n${accumulate(lanes, "sum", "v")}\n}`)}`,
      pairs: `
          ${type} part[${radix}];
          #pragma unroll
          for (int k = 0; k < ${radix}; ++k) part[k] = ${value("k")};
          #pragma unroll
          for (int half = ${radix / 2}; half > 0; half /= 2) {
            #pragma unroll
            for (int k = 0; k < half; ++k) {
              ${accumulate(lanes, "part[k]", "part[k + half]")}
            }
          }
          const ${type} sum = part[0];`,
    };
    const grid = (count: number): number => (stride ? 132 * 8 : Math.ceil((count * packs) / block));
    const source = `
      #define PACKS ${packs}
      // Leaves \`rows\` rows in \`to\`, each the sum of ${radix} rows of \`from\`.
      extern "C" __global__ void fold_rows(const ${type}*${on(bands === "near", mark)} from, ${type}*${on(bands === "near", mark)} to, int rows, int from_skip, int to_skip) {
        from += (size_t)from_skip * PACKS;
        to += (size_t)to_skip * PACKS;
        ${
          stride
            ? "for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < rows * PACKS; i += gridDim.x * blockDim.x) {"
            : "const int i = blockIdx.x * blockDim.x + threadIdx.x;\nif (i < rows * PACKS) {"
        }
          const int r = i / PACKS;
          const int c = i % PACKS;
          ${sums[style]}
          to[(size_t)r * PACKS + c] = sum;
        }
      }

      extern "C" __global__ void sum_left_over(const ${type}* work, ${type}* out, int left, int skip) {
        const int c = blockIdx.x * blockDim.x + threadIdx.x;
        ${type} sum = ${zero(lanes)};
        for (int r = 0; r < left; ++r) {
          const ${type} v = work[(size_t)(skip + r) * PACKS + c];
          ${accumulate(lanes, "sum", "v")}
        }
        out[c] = sum;
      }
    `;
    return styled(
      { source, launches: foldLaunches(rows, radix, limit, bands === "near", grid, block, packs) },
      { names: "camel", indent: 4 },
    );
  },
});

/** Near passes go back and forth between two regions of work; far passes stay in place. */
function foldLaunches(
  rows: number,
  radix: number,
  limit: number,
  near: boolean,
  grid: (rows: number) => number,
  block: number,
  packs: number,
): Launch[] {
  const launches: Launch[] = [];
  let [from, skip, left] = ["a", 0, rows];
  while (left > limit && left % radix === 0) {
    left /= radix;
    const to = near && from === "work" && skip === 0 ? rows / radix : 0;
    launches.push(launch("fold_rows", grid(left), block, [from, "work", { i32: left }, { i32: skip }, { i32: to }]));
    [from, skip] = ["work", to];
  }
  launches.push(launch("sum_left_over", packs / 64, 64, ["work", "out", { i32: left }, { i32: skip }]));
  return launches;
}

/** Rows come through shared memory by asynchronous copies. */
export const asyncStrips: Template = template({
  id: "strip-ring",
  from: "whole-rows",
  idea: "Bring rows into a ring of shared memory with asynchronous copies, several rows ahead of the additions.",
  options: {
    finish: ["atomic", "split", "thread"],
    copy: ["own", "shared"],
    rowsOf: ["interleaved", "contiguous"],
    bounds: [false, true],
    group: [2, 1, 4],
    stages: [4, 3, 6],
    wide: [256, 128],
    perSm: [2, 1, 4],
  },
  valid: ({ group, stages, wide, perSm }) =>
    group * stages * wide * 16 * perSm <= 220_000 && group * stages * wide * 16 <= 49_152,
  count: 7,
  write: ({ finish, copy, rowsOf, bounds, group, stages, wide, perSm }, { rows = 0, cols = 0 }) => {
    const packs = cols / 4;
    const across = packs / wide;
    const blocks = Math.floor((132 * perSm) / across);
    const tail = ending(finish, blocks, cols);
    const contiguous = rowsOf === "contiguous";
    const share = group * Math.ceil(rows / group / blocks);
    const row = contiguous ? "blockIdx.x * SHARE + k * GROUP + g" : "(k * gridDim.x + blockIdx.x) * GROUP + g";
    const own = copy === "own";
    const spot = own ? "threadIdx.x" : "threadIdx.x ^ 1";
    const barrier = on(!own, "__syncthreads();");
    const source = `
      #include <cuda_pipeline.h>
      #define ROWS ${rows}
      #define PACKS ${packs}
      #define WIDE ${wide}
      #define GROUP ${group}
      #define STAGES ${stages}
      ${on(contiguous, `#define SHARE ${share}`)}
      ${tail.source}
      __device__ __forceinline__ int row_of(int k, int g) {
        return ${row};
      }

      __device__ __forceinline__ bool wanted(int k, int g) {
        return ${contiguous ? "k * GROUP + g < SHARE && row_of(k, g) < ROWS" : "row_of(k, g) < ROWS"};
      }

      __device__ __forceinline__ void start(float4* ring, const float4* a, int k) {
        #pragma unroll
        for (int g = 0; g < GROUP; ++g) {
          if (wanted(k, g)) {
            __pipeline_memcpy_async(ring + (k % STAGES * GROUP + g) * WIDE + threadIdx.x,
            a + (size_t)row_of(k, g) * PACKS + blockIdx.y * WIDE + threadIdx.x, sizeof(float4));
          }
        }
        __pipeline_commit();
      }

      extern "C" __global__ void ${on(bounds, "__launch_bounds__(WIDE) ")}ring_totals(const float4* __restrict__ a, ${finish === "atomic" ? "float* out" : "float4* __restrict__ work"}) {
        __shared__ float4 ring[STAGES * GROUP * WIDE];
        const int spot = ${spot};
        const int c = blockIdx.y * WIDE + spot;
        float4 total = ${zero(4)};
        for (int k = 0; k < STAGES - 1; ++k) start(ring, a, k);
        for (int k = 0; wanted(k, 0); ++k) {
          start(ring, a, k + STAGES - 1);
          __pipeline_wait_prior(STAGES - 1);
          ${barrier}
          #pragma unroll
          for (int g = 0; g < GROUP; ++g) {
            if (wanted(k, g)) {
              const float4 v = ring[(k % STAGES * GROUP + g) * WIDE + spot];
              ${accumulate(4, "total", "v")}
            }
          }
          ${barrier}
        }
        ${finish === "atomic" ? atomics(4, "out + 4 * c", "total") : "work[blockIdx.x * PACKS + c] = total;"}
      }
    `;
    const main = launch("ring_totals", [blocks, across], wide, ["a", finish === "atomic" ? "out" : "work"]);
    return styled({ source, launches: [...tail.before, main, ...tail.after] }, { names: "snake", indent: 2 });
  },
});
