import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { include, packCode, vectorOf } from "./packs.ts";

/** Equal shares of the indices, joined by atomics. */
export const equalShares: Template = template({
  id: "equal-shares",
  from: "column-per-thread",
  idea: "Give every group of lanes the same number of indices whatever bags they belong to, and add up the bags with atomics.",
  options: {
    find: ["fill", "search", "scan-on"],
    flush: ["scalar", "vector"],
    width: [4, 8, 2],
    convert: ["pairs", "low-high", "singles"],
    clear: ["flat", "stride"],
    ahead: [false, true],
    share: [32, 16, 64, 8],
    block: [256, 128, 64],
  },
  valid: ({ flush, width }) => flush === "scalar" || width >= 4,
  count: 27,
  write: ({ find, flush, width, convert, clear, ahead, share, block }, { bags = 0, dim = 0, count = 0 }) => {
    const type = vectorOf(width);
    const lanes = dim / width;
    const fill = find === "fill";
    const add =
      flush === "scalar"
        ? `for (int k = 0; k < ${width}; ++k) atomicAdd(&totals[(size_t)bag * DIM + column * ${width} + k], sum[k]);`
        : `for (int k = 0; k < ${width}; k += 4) {
            atomicAdd(reinterpret_cast<float4*>(&totals[(size_t)bag * DIM + column * ${width} + k]), make_float4(sum[k], sum[k + 1], sum[k + 2], sum[k + 3]));
          }`;
    const row = (i: string): string => `table[(size_t)indices[${i}] * LANES + column]`;
    const source = `
      ${include}
      #define BAGS ${bags}
      #define DIM ${dim}
      #define COUNT ${count}
      #define LANES ${lanes}
      #define SHARE ${share}
      ${packCode(width, convert)}
      extern "C" __global__ void clear_totals(float* totals) {
        ${
          clear === "flat"
            ? "totals[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;"
            : "for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < BAGS * DIM; i += gridDim.x * blockDim.x) totals[i] = 0.0f;"
        }
      }
      ${on(
        fill,
        `
      extern "C" __global__ void fill_owners(const int* __restrict__ offsets, float* totals) {
        int* owners = reinterpret_cast<int*>(totals + BAGS * DIM);
        const int bag = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
        for (int i = offsets[bag] + threadIdx.x % 32; i < offsets[bag + 1]; i += 32) owners[i] = bag;
      }`,
      )}

      extern "C" __global__ void add_shares(const ${type}* __restrict__ table, const int* __restrict__ indices, ${on(!fill, "const int* __restrict__ offsets, ")}float* totals) {
        ${on(fill, "const int* owners = reinterpret_cast<const int*>(totals + BAGS * DIM);")}
        const int column = threadIdx.x % LANES;
        const int first = (blockIdx.x * blockDim.x + threadIdx.x) / LANES * SHARE;
        ${findBag(find).begin}
        float sum[${width}] = {};
        ${on(ahead, `${type} next = ${row("first")};`)}
        for (int i = first; i < first + SHARE; ++i) {
          ${ahead ? `const ${type} pack = next;\nif (i + 1 < first + SHARE) next = ${row("i + 1")};` : `const ${type} pack = ${row("i")};`}
          ${findBag(find).now}
          if (mine != bag) {
            ${add}
            for (int k = 0; k < ${width}; ++k) sum[k] = 0.0f;
            bag = mine;
          }
          add_row(sum, pack);
        }
        ${add}
      }

      extern "C" __global__ void round_totals(const float* __restrict__ totals, __half2* __restrict__ out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const float2 v = reinterpret_cast<const float2*>(totals)[i];
        out[i] = __floats2half2_rn(v.x, v.y);
      }
    `;
    const launches = [
      launch("clear_totals", clear === "flat" ? (bags * dim) / 256 : 132 * 8, 256, ["work"]),
      ...(fill ? [launch("fill_owners", bags / 8, 256, ["offsets", "work"])] : []),
      launch("add_shares", ((count / share) * lanes) / block, block, [
        "table",
        "indices",
        ...(fill ? [] : ["offsets"]),
        "work",
      ]),
      launch("round_totals", (bags * dim) / 512, 256, ["work", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** Rows arrive in shared memory by asynchronous copies. */
export const asyncRows: Template = template({
  id: "rows-in-flight",
  from: "bag-per-warp",
  idea: "Copy the coming rows of a bag asynchronously into a ring of the warp's shared memory.",
  options: {
    copy: ["eight-bytes", "sixteen-bytes"],
    read: ["own", "pairs"],
    convert: ["pairs", "low-high", "singles"],
    index: ["plain", "ldg"],
    bounds: [false, true],
    bagLoops: [false, true],
    stages: [8, 4, 16, 6],
    warps: [4, 8, 2],
  },
  valid: ({ copy, read, stages, warps }) => copy === "eight-bytes" || (read === "own" && warps * stages <= 64),
  count: 27,
  write: ({ copy, read, convert, index, bounds, bagLoops, stages, warps }, { bags = 0, dim = 0 }) => {
    const wide = copy === "sixteen-bytes";
    const width = wide ? 8 : 4;
    const type = vectorOf(width);
    const groups = wide ? 2 : 1;
    const other = read === "pairs";
    const get = other ? "reinterpret_cast<const __half2*>(ring + k % STAGES * 32)" : `ring[k % STAGES * 32 + lane]`;
    const work = `
        const int begin = offsets[bag];
        const int end = offsets[bag + 1];
        const int steps = (end - begin + ${groups - 1}) / ${groups};
        float sum[${width}] = {};
        for (int k = 0; k < STAGES - 1; ++k) {
          request(ring, table, indices, k, begin, end, lane);
        }
        for (int k = 0; k < steps; ++k) {
          request(ring, table, indices, k + STAGES - 1, begin, end, lane);
          __pipeline_wait_prior(STAGES - 1);
          ${
            other
              ? `__syncwarp();
          const __half2* line = ${get};
          const float2 a = __half22float2(line[lane]);
          const float2 b = __half22float2(line[lane + 32]);
          sum[0] += a.x;
          sum[1] += a.y;
          sum[2] += b.x;
          sum[3] += b.y;
          __syncwarp();`
              : `${on(groups > 1, "if (begin + 2 * k + lane / 16 < end) ")}add_row(sum, ${get});`
          }
        }
        __pipeline_wait_prior(0);
        ${
          wide
            ? `for (int j = 0; j < 8; ++j) sum[j] += __shfl_xor_sync(0xffffffffu, sum[j], 16);
        if (lane < 16) out[(size_t)bag * 16 + lane] = to_pack(sum);`
            : other
              ? `__half2* line = reinterpret_cast<__half2*>(out) + (size_t)bag * 64;
        line[lane] = __floats2half2_rn(sum[0], sum[1]);
        line[lane + 32] = __floats2half2_rn(sum[2], sum[3]);`
              : "out[(size_t)bag * 32 + lane] = to_pack(sum);"
        }`;
    const row = index === "ldg" ? "__ldg(indices + i)" : "indices[i]";
    const source = `
      ${include}
      #include <cuda_pipeline.h>
      #define STAGES ${stages}
      #define WARPS ${warps}
      ${on(!other, packCode(width, convert))}
      // Starts step k of the bag; the group is committed even when there is nothing to copy.
      __device__ __forceinline__ void request(${type}* ring, const ${type}* table, const int* indices, int k, int begin, int end, int lane) {
        const int i = begin + ${wide ? "2 * k + lane / 16" : "k"};
        if (i < end) {
          const ${type}* row = table + (size_t)${row} * ${dim / width};
          __pipeline_memcpy_async(ring + k % STAGES * 32 + lane, row + lane${on(wide, " % 16")}, ${width * 2});
        }
        __pipeline_commit();
      }

      extern "C" __global__ void ${on(bounds, "__launch_bounds__(WARPS * 32) ")}flying_rows(const ${type}* __restrict__ table, const int* __restrict__ indices, const int* __restrict__ offsets, ${type}* __restrict__ out, int bags) {
        __shared__ ${type} rings[WARPS][STAGES * 32];
        const int lane = threadIdx.x % 32;
        ${type}* ring = rings[threadIdx.x / 32];
        ${
          bagLoops
            ? `for (int bag = blockIdx.x * WARPS + threadIdx.x / 32; bag < bags; bag += gridDim.x * WARPS) {\n${work}\n}`
            : `const int bag = blockIdx.x * WARPS + threadIdx.x / 32;\n${work}`
        }
      }
    `;
    const args = ["table", "indices", "offsets", "out", { i32: bags }];
    const grid = bagLoops ? 132 * (32 / warps) : bags / warps;
    return styled({ source, launches: [launch("flying_rows", grid, warps * 32, args)] }, { names: "camel", indent: 2 });
  },
});

function findBag(find: "fill" | "search" | "scan-on"): { begin: string; now: string } {
  const search = `
        // The last bag that begins at or before the first index.
        int bag = 0, above = BAGS;
        while (above - bag > 1) {
          const int middle = (bag + above) / 2;
          if (offsets[middle] <= first) bag = middle;
          else above = middle;
        }`;
  const begin = {
    fill: "int bag = owners[first];",
    search,
    "scan-on": `${search}\nint stop = offsets[bag + 1];`,
  }[find];
  const now = {
    fill: "const int mine = owners[i];",
    search: "int mine = bag;\nwhile (offsets[mine + 1] <= i) ++mine;",
    "scan-on": `
          int mine = bag;
          while (stop <= i) {
            ++mine;
            stop = offsets[mine + 1];
          }`,
  }[find];
  return { begin, now };
}
