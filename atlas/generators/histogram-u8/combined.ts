import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { clearedFirst, clearing, eachByte, reader, typeOf, walkItems, widthOf } from "./parts.ts";

/** Lanes with equal bytes find each other; one of them adds for all. */
export const warpMatch: Template = template({
  id: "warp-match",
  from: "warp-private",
  idea: "Let the lanes of a warp that hold the same byte elect one that adds for all of them.",
  options: {
    peers: ["match", "ballots"],
    table: ["warp", "block", "global"],
    leader: ["first", "last", "below"],
    load: ["word", "byte", "quad", "pair"],
    extract: ["shift", "loop", "perm"],
    walk: ["stride", "prefetch"],
    write: ["atomic", "plain"],
    warps: [8, 16, 4],
    perSm: [8, 4],
  },
  valid: ({ table, write, warps, perSm }) => (write === "atomic" || table === "warp") && warps * perSm <= 64,
  count: 23,
  write: ({ peers, table, leader, load, extract, walk, write, warps, perSm }, { n = 0 }) => {
    const who = {
      first: "lane == __ffs(same) - 1",
      last: "lane == 31 - __clz(same)",
      below: "(same & ((1u << lane) - 1u)) == 0u",
    }[leader];
    const target = table === "global" ? "bins" : table === "warp" ? "tables[threadIdx.x >> 5]" : "tables[0]";
    const find =
      peers === "match"
        ? `unsigned int same = __match_any_sync(0xffffffffu, value);`
        : `unsigned int same = 0xffffffffu;
          #pragma unroll
          for (int bit = 0; bit < 8; ++bit) {
            unsigned int set = __ballot_sync(0xffffffffu, (value >> bit) & 1u);
            same &= (value >> bit) & 1u ? set : ~set;
          }`;
    const plain = write === "plain";
    const source = `
      #define WARPS ${warps}
      #define BLOCK (32 * WARPS)
      #define COUNT ${n / widthOf[load]}

      __device__ __forceinline__ void add_matched(unsigned int* counters, unsigned int value) {
        const int lane = threadIdx.x & 31;
        ${find}
        if (${who}) ${plain ? "counters[value] += __popc(same);" : "atomicAdd(counters + value, (unsigned int)__popc(same));"}
        ${on(plain, "__syncwarp();")}
      }

      ${clearing("zero_result", "bins")}
      extern "C" __global__ void matched_histogram(const ${typeOf[load]}* __restrict__ in, unsigned int* bins) {
        ${
          table === "global"
            ? ""
            : `__shared__ unsigned int tables[${table === "warp" ? "WARPS" : "1"}][256];
        for (int j = threadIdx.x; j < ${table === "warp" ? "WARPS * 256" : "256"}; j += BLOCK) tables[j >> 8][j & 255] = 0u;
        __syncthreads();`
        }
        ${walkItems({ walk, load, body: (item) => eachByte(load, extract, item, (value) => `add_matched(${target}, ${value});`) })}
        ${on(
          table !== "global",
          `__syncthreads();
        for (int j = threadIdx.x; j < 256; j += BLOCK) {
          unsigned int sum = 0u;
          for (int w = 0; w < ${table === "warp" ? "WARPS" : "1"}; ++w) sum += tables[w][j];
          atomicAdd(bins + j, sum);
        }`,
        )}
      }
    `;
    return styled(clearedFirst(source, "zero_result", "matched_histogram", 132 * perSm, warps * 32), {
      names: "camel",
      indent: 4,
    });
  },
});

/** Equal neighbours, or a value seen often, are counted in registers first. */
export const registerRuns: Template = template({
  id: "register-runs",
  from: "shared-copies",
  idea: "Count what repeats in registers before it reaches the shared table.",
  options: {
    hold: ["run", "hot", "pairs", "word-pairs"],
    hotFrom: ["first", "block"],
    load: ["quad", "word", "pair"],
    walk: ["stride", "batch", "prefetch", "chunk"],
    tables: ["block", "warp", "half-warp"],
    read: ["plain", "streaming"],
    restrict: [true, false],
    flush: ["all", "nonzero"],
    block: [256, 512, 128],
    perSm: [4, 8],
  },
  valid: ({ hold, hotFrom, block, perSm, tables }) =>
    (hold === "hot" || hotFrom === "first") && block * perSm <= 2048 && (tables !== "half-warp" || block <= 512),
  count: 27,
  write: ({ hold, hotFrom, load, walk, tables, read, restrict, flush, block, perSm }, { n = 0 }) => {
    const q = on(restrict, "__restrict__ ");
    const copies = { block: 1, warp: block / 32, "half-warp": block / 16 }[tables];
    const add = (value: string, amount = "1u"): string => `atomicAdd(&own[${value}], ${amount});`;
    const run = (value: string): string => `if (${value} == held) {
          ++length;
        } else {
          ${add("held", "length")}
          held = ${value};
          length = 1u;
        }`;
    const hot = (value: string): string => `if (${value} == common) {
          ++seen;
        } else {
          ${add(value)}
        }`;
    const pair = (first: string, second: string): string => `{
          unsigned int p = ${first}, q = ${second};
          if (p == q) {
            ${add("p", "2u")}
          } else {
            ${add("p")}
            ${add("q")}
          }
        }`;
    const words = (item: string): readonly string[] =>
      load === "word" ? [item] : (load === "pair" ? ["x", "y"] : ["x", "y", "z", "w"]).map((part) => `${item}.${part}`);
    const byte = (word: string, k: number): string => `((${word} >> ${8 * k}) & 255u)`;
    const body = (item: string): string =>
      ({
        run: () => eachByte(load, "shift", item, run),
        hot: () => eachByte(load, "shift", item, hot),
        pairs: () =>
          words(item)
            .map((word) => pair(byte(word, 0), byte(word, 1)) + pair(byte(word, 2), byte(word, 3)))
            .join("\n"),
        "word-pairs": () =>
          words(item)
            .map(
              (word) => `if (((${word} ^ (${word} >> 8)) & 0xffffffu) == 0u) {
            ${add(byte(word, 0), "4u")}
          } else {
            ${repeat(4, (k) => add(byte(word, k)))}
          }`,
            )
            .join("\n"),
      })[hold]();
    const before = {
      run: "unsigned int held = 0u, length = 0u;",
      hot:
        hotFrom === "first"
          ? "const unsigned int common = reinterpret_cast<const unsigned char*>(in)[0];\nunsigned int seen = 0u;"
          : "const unsigned int common = reinterpret_cast<const unsigned char*>(in + blockIdx.x)[0];\nunsigned int seen = 0u;",
      pairs: "",
      "word-pairs": "",
    }[hold];
    const after = { run: add("held", "length"), hot: add("common", "seen"), pairs: "", "word-pairs": "" }[hold];
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int TABLES = ${copies};
      constexpr int COUNT = ${n / widthOf[load]};

      ${clearing("clear", "bins")}
      extern "C" __global__ void histogram_runs(const ${typeOf[load]}* ${q}in, unsigned int* ${q}bins) {
        __shared__ unsigned int counts[TABLES][256];
        for (int j = threadIdx.x; j < TABLES * 256; j += BLOCK) counts[j / 256][j % 256] = 0u;
        __syncthreads();
        unsigned int* own = counts[threadIdx.x / (BLOCK / TABLES)];
        ${before}
        ${walkItems({ walk, load, read: reader(read), body })}
        ${after}
        __syncthreads();
        for (int j = threadIdx.x; j < 256; j += BLOCK) {
          unsigned int sum = 0u;
          for (int c = 0; c < TABLES; c++) sum += counts[c][j];
          ${on(flush === "nonzero", "if (sum > 0u) ")}atomicAdd(&bins[j], sum);
        }
      }
    `;
    return styled(clearedFirst(source, "clear", "histogram_runs", 132 * perSm, block), { names: "snake", indent: 4 });
  },
});

const mergeKernels = {
  "thread-per-bin": (place: string): string => `
      extern "C" __global__ void merge_parts(const unsigned int* __restrict__ parts, unsigned int* __restrict__ bins) {
        unsigned int v = threadIdx.x;
        unsigned int sum = 0u;
        for (int b = 0; b < PARTS; ++b) sum += ${place};
        bins[v] = sum;
      }`,
  "block-per-bin": (place: string): string => `
      extern "C" __global__ void merge_parts(const unsigned int* __restrict__ parts, unsigned int* __restrict__ bins) {
        __shared__ unsigned int cells[128];
        unsigned int v = blockIdx.x;
        unsigned int sum = 0u;
        for (int b = threadIdx.x; b < PARTS; b += 128) sum += ${place};
        cells[threadIdx.x] = sum;
        __syncthreads();
        for (int half = 64; half > 0; half >>= 1) {
          if (threadIdx.x < half) cells[threadIdx.x] += cells[threadIdx.x + half];
          __syncthreads();
        }
        if (threadIdx.x == 0) bins[v] = cells[0];
      }`,
  "warp-per-bin": (place: string): string => `
      extern "C" __global__ void merge_parts(const unsigned int* __restrict__ parts, unsigned int* __restrict__ bins) {
        unsigned int v = blockIdx.x * 4 + threadIdx.x / 32;
        unsigned int sum = 0u;
        for (int b = threadIdx.x % 32; b < PARTS; b += 32) sum += ${place};
        sum = __reduce_add_sync(0xffffffffu, sum);
        if (threadIdx.x % 32 == 0) bins[v] = sum;
      }`,
};

/** Tables of the blocks go to scratch; a second launch adds them up. */
export const twoPasses: Template = template({
  id: "two-passes",
  from: "warp-private",
  idea: "Store each block's table to scratch and add the tables up in a second launch, without global atomics.",
  options: {
    merge: ["block-per-bin", "thread-per-bin", "warp-per-bin"],
    layout: ["part-major", "bin-major"],
    tables: ["warp", "block", "pair"],
    load: ["quad", "word", "pair"],
    extract: ["shift", "loop", "perm", "consume"],
    walk: ["chunk", "stride", "batch", "prefetch"],
    read: ["plain", "streaming", "ldg"],
    block: [256, 512, 1024],
    grid: [1056, 528, 264, 2112],
  },
  count: 29,
  write: ({ merge, layout, tables, load, extract, walk, read, block, grid }, { n = 0 }) => {
    const part = layout === "part-major";
    const place = part ? "parts[b * 256 + v]" : "parts[v * PARTS + b]";
    const copies = { warp: block / 32, block: 1, pair: 2 }[tables];
    const source = `
      #define BLOCK ${block}
      #define PARTS ${grid}
      #define COPIES ${copies}
      #define COUNT ${n / widthOf[load]}

      extern "C" __global__ void count_parts(const ${typeOf[load]}* __restrict__ in, unsigned int* __restrict__ parts) {
        __shared__ unsigned int local[COPIES * 256];
        for (int j = threadIdx.x; j < COPIES * 256; j += BLOCK) {
          local[j] = 0u;
        }
        __syncthreads();
        ${on(copies > 1, `unsigned int* own = local + ${tables === "pair" ? "(threadIdx.x & 1)" : "(threadIdx.x >> 5)"} * 256;`)}
        ${walkItems({
          walk,
          load,
          read: reader(read),
          body: (item) =>
            eachByte(load, extract, item, (value) => `atomicAdd(&${copies > 1 ? "own" : "local"}[${value}], 1u);`),
        })}
        __syncthreads();
        for (int v = threadIdx.x; v < 256; v += BLOCK) {
          ${
            copies > 1
              ? `unsigned int sum = 0u;
          for (int c = 0; c < COPIES; ++c) {
            sum += local[c * 256 + v];
          }`
              : "unsigned int sum = local[v];"
          }
          ${part ? "parts[blockIdx.x * 256 + v] = sum;" : "parts[v * PARTS + blockIdx.x] = sum;"}
        }
      }
      ${mergeKernels[merge](place)}
    `;
    const [mergeGrid, mergeBlock] = {
      "thread-per-bin": [1, 256],
      "block-per-bin": [256, 128],
      "warp-per-bin": [64, 128],
    }[merge] as [number, number];
    const launches = [
      launch("count_parts", grid, block, ["x", "partials"]),
      launch("merge_parts", mergeGrid, mergeBlock, ["partials", "bins"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** Tiles fetched asynchronously while the ones before are counted. */
export const tileRing: Template = template({
  id: "tile-ring",
  from: "warp-private",
  idea: "Fetch tiles asynchronously into a ring in shared memory and count from there.",
  options: {
    stages: [2, 3, 4],
    scope: ["warp", "block"],
    tables: ["warp", "block", "lanes"],
    take: ["quad", "word", "bank-bytes"],
    extract: ["shift", "loop", "perm"],
    per: [1, 2, 4],
    block: [256, 128, 512],
    perSm: [4, 6, 3],
    stop: ["guard", "zero-fill"],
  },
  valid: ({ block, perSm, scope, take, stages, per }) =>
    block * perSm <= 2048 && (take !== "bank-bytes" || scope === "block") && stages * per * block * 16 <= 65536,
  count: 26,
  write: ({ stages, scope, tables, take, extract, per, block, perSm, stop }, { n = 0 }) => {
    const copies = { warp: block / 32, block: 1, lanes: 8 }[tables];
    const table = {
      warp: "threadIdx.x / 32",
      block: "0",
      lanes: "threadIdx.x % 8",
    }[tables];
    const wait = scope === "warp" ? "__syncwarp();" : "__syncthreads();";
    const takes = tileTakes(take, scope === "warp", extract);
    const tile = per * block * 16;
    const fetch =
      stop === "guard"
        ? `if (number < TILES) {
            for (int k = 0; k < PER; ++k) __pipeline_memcpy_async(to + k * BLOCK + threadIdx.x, in + (size_t)number * (PER * BLOCK) + k * BLOCK + threadIdx.x, 16);
          }`
        : `for (int k = 0; k < PER; ++k) {
            const uint4* from = in + (size_t)(number < TILES ? number : 0) * (PER * BLOCK) + k * BLOCK + threadIdx.x;
            __pipeline_memcpy_async(to + k * BLOCK + threadIdx.x, from, 16, number < TILES ? 0 : 16);
          }`;
    const source = `
      #include <cuda_pipeline.h>

      #define BLOCK ${block}
      #define PER ${per}
      #define STAGES ${stages}
      #define TILES ${n / tile}
      #define COPIES ${copies}

      ${clearing("clear_counters", "bins")}
      __device__ __forceinline__ void fetch_tile(uint4* to, const uint4* in, int number) {
        ${fetch}
        __pipeline_commit();
      }

      extern "C" __global__ void ring_histogram(const uint4* __restrict__ in, unsigned int* __restrict__ bins) {
        extern __shared__ __align__(16) uint4 ring[];
        __shared__ unsigned int counters[COPIES * 256];
        for (int j = threadIdx.x; j < COPIES * 256; j += BLOCK) counters[j] = 0u;
        unsigned int* own = counters + (${table}) * 256;
        for (int s = 0; s < STAGES - 1; ++s) fetch_tile(ring + s * PER * BLOCK, in, blockIdx.x + s * gridDim.x);
        __syncthreads();
        int at = 0;
        for (int number = blockIdx.x; number < TILES; number += gridDim.x) {
          int ahead = at == 0 ? STAGES - 1 : at - 1;
          fetch_tile(ring + ahead * PER * BLOCK, in, number + (STAGES - 1) * gridDim.x);
          __pipeline_wait_prior(STAGES - 1);
          ${wait}
          const uint4* slot = ring + at * PER * BLOCK;
          ${takes}
          ${wait}
          at = at + 1 == STAGES ? 0 : at + 1;
        }
        __syncthreads();
        for (int j = threadIdx.x; j < 256; j += BLOCK) {
          unsigned int sum = 0u;
          for (int c = 0; c < COPIES; ++c) sum += counters[c * 256 + j];
          atomicAdd(&bins[j], sum);
        }
      }
    `;
    return styled(clearedFirst(source, "clear_counters", "ring_histogram", 132 * perSm, block, stages * tile), {
      names: "snake",
      indent: 2,
    });
  },
});

function tileTakes(
  take: "quad" | "word" | "bank-bytes",
  warpScope: boolean,
  extract: "shift" | "loop" | "perm",
): string {
  const add = (value: string): string => `atomicAdd(own + ${value}, 1u);`;
  return {
    quad: `for (int k = 0; k < PER; ++k) {
            uint4 item = slot[k * BLOCK + threadIdx.x];
            ${eachByte("quad", extract, "item", add)}
          }`,
    word: warpScope
      ? `for (int k = 0; k < PER; ++k) {
            const unsigned int* words = reinterpret_cast<const unsigned int*>(slot + k * BLOCK + threadIdx.x / 32 * 32);
            for (int j = threadIdx.x % 32; j < 128; j += 32) {
              unsigned int item = words[j];
              ${eachByte("word", extract, "item", add)}
            }
          }`
      : `const unsigned int* words = reinterpret_cast<const unsigned int*>(slot);
          for (int j = threadIdx.x; j < PER * BLOCK * 4; j += BLOCK) {
            unsigned int item = words[j];
            ${eachByte("word", extract, "item", add)}
          }`,
    "bank-bytes": `const unsigned char* bytes = reinterpret_cast<const unsigned char*>(slot);
          for (int j = threadIdx.x; j < PER * BLOCK * 16; j += BLOCK) {
            unsigned int value = bytes[j];
            ${add("value")}
          }`,
  }[take];
}
