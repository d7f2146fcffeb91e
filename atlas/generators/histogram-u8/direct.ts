import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { clearedFirst, clearing, eachByte, reader, restricted, typeOf, walkItems, widthOf } from "./parts.ts";

/** Every byte goes straight to the counters in global memory. */
export const globalAtomics: Template = template({
  id: "global-atomics",
  from: null,
  idea: "Read several bytes per load and add each to the global counters.",
  options: {
    load: ["word", "byte", "quad", "pair"],
    extract: ["shift", "loop", "bytes", "perm"],
    walk: ["stride", "chunk", "own", "batch"],
    merge: ["none", "neighbours"],
    read: ["plain", "ldg"],
    restrict: [false, true],
    index: ["int", "unsigned int"],
    block: [256, 128, 512],
    waves: [8, 4, 16],
  },
  valid: ({ load, merge, walk }) => (load !== "byte" || merge === "none") && (walk !== "own" || load !== "byte"),
  count: 20,
  write: ({ load, extract, walk, merge, read, restrict, index, block, waves }, { n = 0 }) => {
    const add = (value: string): string =>
      merge === "none"
        ? `atomicAdd(bins + ${value}, 1u);`
        : `{
            unsigned int v = ${value};
            if (v == last) {
              ++run;
            } else {
              if (run) atomicAdd(bins + last, run);
              last = v;
              run = 1u;
            }
          }`;
    const source = `
      #define BLOCK ${block}
      #define COUNT ${n / widthOf[load]}

      ${clearing("clear_counts", "bins")}
      extern "C" __global__ void count_bytes(const ${typeOf[load]}*${restricted(restrict)} in, unsigned int*${restricted(restrict)} bins) {
        ${on(merge !== "none", "unsigned int last = 0u, run = 0u;")}
        ${walkItems({ walk, load, read: reader(read), index, body: (item) => eachByte(load, extract, item, add) })}
        ${on(merge !== "none", "if (run) atomicAdd(bins + last, run);")}
      }
    `;
    return styled(clearedFirst(source, "clear_counts", "count_bytes", 132 * waves, block), {
      names: "snake",
      indent: 2,
    });
  },
});

const flushes = {
  all: "atomicAdd(&bins[v], counts[v]);",
  nonzero: `unsigned int c = counts[v];
      if (c != 0u) atomicAdd(&bins[v], c);`,
};

/** One table per block in shared memory. */
export const sharedAtomics: Template = template({
  id: "shared-atomics",
  from: "global-atomics",
  idea: "Count in a table of the block's own in shared memory and add it to the result at the end.",
  options: {
    load: ["byte", "word", "quad", "pair"],
    extract: ["shift", "loop", "bytes", "perm", "consume"],
    walk: ["stride", "chunk", "prefetch", "batch", "own"],
    flush: ["all", "nonzero"],
    read: ["plain", "ldg", "streaming"],
    helper: [false, true],
    zero: ["loop", "leader-warp"],
    bounds: [false, true],
    block: [256, 512, 1024, 128],
    perSm: [8, 4, 2, 16],
  },
  valid: ({ load, walk, helper, extract, block, perSm }) =>
    (walk !== "own" || load !== "byte") &&
    (!helper || (load !== "byte" && extract !== "bytes")) &&
    block * perSm <= 2048,
  count: 29,
  write: ({ load, extract, walk, flush, read, helper, zero, bounds, block, perSm }, { n = 0 }) => {
    const table = helper ? "table" : "counts";
    const add = (value: string): string => `atomicAdd(&${table}[${value}], 1u);`;
    const body = (item: string): string =>
      helper
        ? (load === "word" ? [""] : load === "pair" ? [".x", ".y"] : [".x", ".y", ".z", ".w"])
            .map((part) => `tally(counts, ${item}${part});`)
            .join("\n")
        : eachByte(load, extract, item, add);
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int COUNT = ${n / widthOf[load]};

      ${on(helper, `__device__ __forceinline__ void tally(unsigned int* table, unsigned int word) {\n${eachByte("word", extract, "word", add)}\n}`)}
      ${clearing("zeroBins", "bins")}
      extern "C" __global__ void ${on(bounds, `__launch_bounds__(BLOCK, ${perSm}) `)}blockHistogram(const ${typeOf[load]}* __restrict__ in, unsigned int* __restrict__ bins) {
        __shared__ unsigned int counts[256];
        ${zero === "loop" ? "for (int v = threadIdx.x; v < 256; v += BLOCK) counts[v] = 0u;" : "if (threadIdx.x < 32) {\nfor (int v = threadIdx.x; v < 256; v += 32) counts[v] = 0u;\n}"}
        __syncthreads();
        ${walkItems({ walk, load, read: reader(read), body })}
        __syncthreads();
        for (int v = threadIdx.x; v < 256; v += BLOCK) {
          ${flushes[flush]}
        }
      }
    `;
    return styled(clearedFirst(source, "zeroBins", "blockHistogram", 132 * perSm, block), {
      names: "camel",
      indent: 4,
    });
  },
});

/** Several interleaved tables per block. */
export const sharedCopies: Template = template({
  id: "shared-copies",
  from: "shared-atomics",
  idea: "Spread a block's counting over several copies of the table so that equal bytes of a warp collide less.",
  options: {
    layout: ["copy-major", "bin-major"],
    by: ["lane", "warp", "thread"],
    load: ["word", "quad", "pair"],
    extract: ["shift", "loop", "perm", "bytes"],
    walk: ["stride", "batch", "prefetch", "chunk"],
    padded: [false, true],
    flush: ["thread-per-bin", "reversed", "quarter-warps"],
    read: ["plain", "streaming"],
    copies: [8, 4, 16, 32],
    block: [256, 512, 1024],
    perSm: [4, 2, 6],
  },
  valid: ({ by, copies, block, perSm, flush }) =>
    (by !== "warp" || copies <= block / 32) && block * perSm <= 2048 && (flush !== "quarter-warps" || copies >= 8),
  count: 31,
  write: ({ layout, by, load, extract, walk, padded, flush, read, copies, block, perSm }, { n = 0 }) => {
    const major = layout === "copy-major";
    const pad = on(padded, " + 1");
    const size = major ? `COPIES * (256${pad})` : `256 * (COPIES${pad})`;
    const place = (copy: string, bin: string): string =>
      major ? `(${copy}) * (256${pad}) + ${bin}` : `(${bin}) * (COPIES${pad}) + ${copy}`;
    const mine = {
      lane: "threadIdx.x % 32 % COPIES",
      warp: "threadIdx.x / 32 % COPIES",
      thread: "(threadIdx.x / 32 + threadIdx.x) % COPIES",
    }[by];
    const add = (value: string): string =>
      major ? `atomicAdd(own + ${value}, 1u);` : `atomicAdd(own + ${value} * (COPIES${pad}), 1u);`;
    const sum = {
      "thread-per-bin": `for (int b = threadIdx.x; b < 256; b += BLOCK) {
          unsigned int sum = 0u;
          for (int c = 0; c < COPIES; ++c) sum += h[${place("c", "b")}];
          atomicAdd(bins + b, sum);
        }`,
      reversed: `for (int b = threadIdx.x; b < 256; b += BLOCK) {
          unsigned int sum = 0u;
          #pragma unroll
          for (int c = 0; c < COPIES; ++c) {
            int which = (c + b) % COPIES;
            sum += h[${place("which", "b")}];
          }
          if (sum) atomicAdd(bins + b, sum);
        }`,
      "quarter-warps": `for (int b = threadIdx.x / 8; b < 256; b += BLOCK / 8) {
          unsigned int sum = 0u;
          for (int c = threadIdx.x % 8; c < COPIES; c += 8) sum += h[${place("c", "b")}];
          sum += __shfl_xor_sync(0xffffffffu, sum, 4);
          sum += __shfl_xor_sync(0xffffffffu, sum, 2);
          sum += __shfl_xor_sync(0xffffffffu, sum, 1);
          if (threadIdx.x % 8 == 0) atomicAdd(bins + b, sum);
        }`,
    }[flush];
    const source = `
      #define BLOCK ${block}
      #define COPIES ${copies}
      #define COUNT ${n / widthOf[load]}

      ${clearing("reset", "bins")}
      extern "C" __global__ void histogram_copies(const ${typeOf[load]}* __restrict__ in, unsigned int* bins)
      {
        __shared__ unsigned int h[${size}];
        for (int j = threadIdx.x; j < ${size}; j += BLOCK)
        h[j] = 0u;
        __syncthreads();
        unsigned int* own = h + ${major ? `(${mine}) * (256${pad})` : mine};
        ${walkItems({ walk, load, read: reader(read), body: (item) => eachByte(load, extract, item, add) })}
        __syncthreads();
        ${sum}
      }
    `;
    return styled(clearedFirst(source, "reset", "histogram_copies", 132 * perSm, block), { names: "snake", indent: 4 });
  },
});

const listed = (load: "word" | "quad"): readonly string[] =>
  load === "word" ? ["item"] : ["item.x", "item.y", "item.z", "item.w"];

/** Every block looks at a range of values only, with counters that no other thread touches. */
export const binRanges: Template = template({
  id: "bin-ranges",
  from: "shared-atomics",
  idea: "Give each block a range of the values, so that every thread can have counters of its own for them.",
  options: {
    test: ["subtract", "shift", "compare"],
    load: ["word", "quad"],
    extract: ["shift", "loop", "perm"],
    walk: ["stride", "prefetch", "batch"],
    order: ["range-fastest", "range-slowest"],
    sum: ["serial", "warp"],
    type: ["unsigned int", "unsigned short"],
    ranges: [8, 4, 16],
    block: [128, 64, 256],
  },
  valid: ({ type, ranges, block }) => (256 / ranges) * block * (type === "unsigned int" ? 4 : 2) <= 49152,
  count: 20,
  write: ({ test, load, extract, walk, order, sum, type, ranges, block }, { n = 0 }) => {
    const span = 256 / ranges;
    const bits = Math.log2(span);
    const add = (value: string): string =>
      ({
        subtract: `{
          unsigned int d = ${value} - low;
          if (d < SPAN) ++mine[d * BLOCK];
        }`,
        shift: `if ((${value} >> ${bits}) == range) ++mine[(${value} & (SPAN - 1)) * BLOCK];`,
        compare: `if (${value} >= low && ${value} < low + SPAN) ++mine[(${value} - low) * BLOCK];`,
      })[test];
    const groups = 132 * 8;
    const fastest = order === "range-fastest";
    const loop = walkItems({
      walk,
      load,
      body: (item) =>
        listed(load)
          .map((word) => eachByte("word", extract, item + word.slice(4), add))
          .join("\n"),
    })
      .replaceAll("blockIdx.x", "group")
      .replaceAll("gridDim.x", "GROUPS");
    const finish =
      sum === "serial"
        ? `for (int d = threadIdx.x; d < SPAN; d += BLOCK) {
          unsigned int total = 0u;
          for (int t = 0; t < BLOCK; ++t) total += counters[d * BLOCK + (t + d) % BLOCK];
          atomicAdd(&bins[low + d], total);
        }`
        : `for (int d = threadIdx.x / 32; d < SPAN; d += BLOCK / 32) {
          unsigned int total = 0u;
          for (int t = threadIdx.x % 32; t < BLOCK; t += 32) total += counters[d * BLOCK + t];
          for (int s = 16; s > 0; s /= 2) total += __shfl_down_sync(~0u, total, s);
          if (threadIdx.x % 32 == 0) atomicAdd(&bins[low + d], total);
        }`;
    const source = `
      constexpr int BLOCK = ${block}, GROUPS = ${groups}, COUNT = ${n / widthOf[load]};
      constexpr unsigned int SPAN = ${span};

      ${clearing("clear_all", "bins")}
      // The blocks of a group read the same bytes; each keeps ${span} values.
      extern "C" __global__ void count_ranges(const ${typeOf[load]}* __restrict__ in, unsigned int* __restrict__ bins) {
        __shared__ ${type} counters[SPAN * BLOCK];
        const unsigned int range = ${fastest ? `blockIdx.x % ${ranges}` : "blockIdx.x / GROUPS"};
        const int group = ${fastest ? `blockIdx.x / ${ranges}` : "blockIdx.x % GROUPS"};
        const unsigned int low = range * SPAN;
        for (int j = threadIdx.x; j < SPAN * BLOCK; j += BLOCK) counters[j] = 0;
        __syncthreads();
        ${type}* mine = counters + threadIdx.x;
        ${loop}
        __syncthreads();
        ${finish}
      }
    `;
    const draft = {
      source,
      launches: [launch("clear_all", 1, 256, ["bins"]), launch("count_ranges", groups * ranges, block, ["x", "bins"])],
    };
    return styled(draft, { names: "camel", indent: 2 });
  },
});
