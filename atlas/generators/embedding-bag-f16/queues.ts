import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bagLoop, include, packCode, vectorOf, type Width } from "./packs.ts";

const tables = (type: string): string =>
  `const ${type}* __restrict__ table, const int* __restrict__ indices, const int* __restrict__ offsets, ${type}* __restrict__ out`;

/** Sums one bag with the lanes of a warp, folding the groups that read different rows. */
function warpSum(width: Width, flight: number, style: "array" | "named" | "pragma", dim: number): string {
  const groups = (32 * width) / dim;
  const loop = bagLoop(flight, style, {
    from: groups > 1 ? "begin + group" : "begin",
    to: "end",
    step: groups,
    type: vectorOf(width),
    index: (i) => `indices[${i}]`,
    row: (index) => `table[(size_t)${index} * LANES + column]`,
  });
  const fold = `
        for (int d = LANES; d < 32; d *= 2) {
          for (int k = 0; k < ${width}; ++k) sum[k] += __shfl_xor_sync(0xffffffffu, sum[k], d);
        }
        if (group == 0) out[(size_t)bag * LANES + column] = to_pack(sum);`;
  return `
        float sum[${width}] = {};
        ${loop}
        ${groups > 1 ? fold : "out[(size_t)bag * LANES + column] = to_pack(sum);"}`;
}

function lanePlace(width: Width, dim: number): string {
  return `const int column = threadIdx.x % LANES;${on((32 * width) / dim > 1, "\nconst int group = threadIdx.x % 32 / LANES;")}`;
}

/** Resident warps draw bags from a counter. */
export const tickets: Template = template({
  id: "drawn-bags",
  from: "rows-abreast",
  idea: "Let resident warps draw the next bags from a counter, so that long bags do not hold others up.",
  options: {
    owner: ["warp", "block"],
    width: [8, 4],
    convert: ["pairs", "low-high", "singles"],
    flight: [2, 1, 4],
    style: ["array", "named", "pragma"],
    reset: ["thread", "tail"],
    batch: [4, 1, 2, 8, 16],
    warps: [8, 4, 16],
  },
  valid: ({ flight, style }) => flight > 1 || style === "pragma",
  count: 27,
  write: ({ owner, width, convert, flight, style, reset, batch, warps }, { bags = 0, dim = 0 }) => {
    const one = `
        const int begin = offsets[bag];
        const int end = offsets[bag + 1];
        ${warpSum(width, flight, style, dim)}`;
    const warp = `
        const int lane = threadIdx.x % 32;
        while (true) {
          int first = 0;
          if (lane == 0) first = atomicAdd(counter, BATCH);
          first = __shfl_sync(0xffffffffu, first, 0);
          if (first >= bags) break;
          for (int bag = first; bag < min(bags, first + BATCH); ++bag) {
            ${one}
          }
        }`;
    const block = `
        __shared__ int next;
        while (true) {
          __syncthreads();
          if (threadIdx.x == 0) next = atomicAdd(counter, BATCH * WARPS);
          __syncthreads();
          const int first = next;
          if (first >= bags) break;
          for (int bag = first + threadIdx.x / 32; bag < min(bags, first + BATCH * WARPS); bag += WARPS) {
            ${one}
          }
        }`;
    const source = `
      ${include}
      #define LANES ${dim / width}
      #define WARPS ${warps}
      #define BATCH ${batch}
      ${packCode(width, convert)}
      extern "C" __global__ void reset_counter(int* counter) {
        ${reset === "thread" ? "*counter = 0;" : "if (blockIdx.x == 0 && threadIdx.x == 0) counter[0] = 0;"}
      }

      extern "C" __global__ void draw_bags(${tables(vectorOf(width))}, int* counter, int bags) {
        ${lanePlace(width, dim)}
        ${owner === "warp" ? warp : block}
      }
    `;
    const launches = [
      launch("reset_counter", 1, reset === "thread" ? 1 : 32, ["work"]),
      launch("draw_bags", 132 * (64 / warps), warps * 32, [
        "table",
        "indices",
        "offsets",
        "out",
        "work",
        { i32: bags },
      ]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Short bags to warps, long bags to blocks. */
export const twoTiers: Template = template({
  id: "two-tiers",
  from: "bag-per-block",
  idea: "List the long bags first; warps sum the short bags and whole blocks the long ones.",
  options: {
    list: ["atomic", "ballot"],
    width: [8, 4],
    convert: ["pairs", "low-high", "singles"],
    flight: [1, 2, 4],
    style: ["array", "named", "pragma"],
    order: ["short-first", "long-first"],
    limit: [64, 48, 96, 32],
    threads: [256, 128],
  },
  valid: ({ flight, style }) => flight > 1 || style === "pragma",
  count: 25,
  write: ({ list, width, convert, flight, style, order, limit, threads }, { bags = 0, dim = 0 }) => {
    const type = vectorOf(width);
    const lanes = dim / width;
    const push = {
      atomic: "if (size > LIMIT) list[1 + atomicAdd(list, 1)] = bag;",
      ballot: `
        const unsigned int many = __ballot_sync(0xffffffffu, size > LIMIT);
        int base = 0;
        if (threadIdx.x % 32 == 0 && many != 0) base = atomicAdd(list, __popc(many));
        base = __shfl_sync(0xffffffffu, base, 0);
        if (size > LIMIT) list[1 + base + __popc(many & ((1u << threadIdx.x % 32) - 1))] = bag;`,
    }[list];
    const long = bagLoop(flight, style, {
      from: "begin + threadIdx.x / LANES",
      to: "end",
      step: threads / lanes,
      type,
      index: (i) => `indices[${i}]`,
      row: (index) => `table[(size_t)${index} * LANES + column]`,
    });
    const source = `
      ${include}
      #define LANES ${lanes}
      #define THREADS ${threads}
      #define LIMIT ${limit}
      ${packCode(width, convert)}
      extern "C" __global__ void empty_list(int* list) {
        list[0] = 0;
      }

      extern "C" __global__ void list_long(const int* __restrict__ offsets, int* list) {
        const int bag = blockIdx.x * blockDim.x + threadIdx.x;
        const int size = offsets[bag + 1] - offsets[bag];
        ${push}
      }

      extern "C" __global__ void short_bags(${tables(type)}) {
        ${lanePlace(width, dim)}
        const int bag = (blockIdx.x * THREADS + threadIdx.x) / 32;
        const int begin = offsets[bag], end = offsets[bag + 1];
        if (end - begin > LIMIT) return;
        ${warpSum(width, flight, style, dim)}
      }

      extern "C" __global__ void long_bags(${tables(type)}, const int* __restrict__ list) {
        __shared__ float parts[THREADS / LANES][${dim}];
        const int column = threadIdx.x % LANES;
        for (int entry = blockIdx.x; entry < list[0]; entry += gridDim.x) {
          const int bag = list[1 + entry];
          const int begin = offsets[bag], end = offsets[bag + 1];
          float sum[${width}] = {};
          ${long}
          for (int k = 0; k < ${width}; ++k) parts[threadIdx.x / LANES][column * ${width} + k] = sum[k];
          __syncthreads();
          if (threadIdx.x < ${dim}) {
            float all = 0.0f;
            for (int g = 0; g < THREADS / LANES; ++g) all += parts[g][threadIdx.x];
            reinterpret_cast<__half*>(out)[(size_t)bag * ${dim} + threadIdx.x] = __float2half(all);
          }
          __syncthreads();
        }
      }
    `;
    const args = ["table", "indices", "offsets", "out"];
    const shortOnes = launch("short_bags", (bags * 32) / threads, threads, args);
    const longOnes = launch("long_bags", 132 * 8, threads, [...args, "work"]);
    const launches = [
      launch("empty_list", 1, 1, ["work"]),
      launch("list_long", bags / 256, 256, ["offsets", "work"]),
      ...(order === "short-first" ? [shortOnes, longOnes] : [longOnes, shortOnes]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});
