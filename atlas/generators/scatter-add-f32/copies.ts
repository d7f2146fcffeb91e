import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { clearLaunch, clearOut, feed, pointers } from "./feed.ts";

/** Several copies of the result in global memory. */
export const globalCopies: Template = template({
  id: "global-copies",
  from: "global-atomics",
  idea: "Spread the atomics over many copies of the bins in global memory and add the copies up afterwards.",
  options: {
    pick: ["block", "warp", "lane"],
    layout: ["copy-major", "bin-major"],
    merge: ["thread", "warp"],
    clear: ["scalar", "quads"],
    walk: ["stride", "batch", "quads", "range"],
    load: ["plain", "ldcs"],
    copies: [32, 8, 64, 128, 16],
    threads: [256, 512],
  },
  valid: ({ copies, merge }) => merge === "thread" || copies >= 32,
  count: 28,
  write: ({ pick, layout, merge, clear, walk, load, copies, threads }, { n = 0, bins = 0 }) => {
    const which = {
      block: "blockIdx.x % COPIES",
      warp: "(blockIdx.x * (THREADS / 32) + threadIdx.x / 32) % COPIES",
      lane: "(threadIdx.x + 7 * blockIdx.x) % COPIES",
    }[pick];
    const at = (key: string, copy: string): string =>
      layout === "copy-major" ? `work[${copy} * BINS + ${key}]` : `work[${key} * COPIES + ${copy}]`;
    const merges = {
      thread: `
        const int k = blockIdx.x * blockDim.x + threadIdx.x;
        float sum = 0.0f;
        for (int c = 0; c < COPIES; ++c) sum += ${at("k", "c")};
        out[k] = sum;`,
      warp: `
        const int k = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
        float sum = 0.0f;
        for (int c = threadIdx.x % 32; c < COPIES; c += 32) sum += ${at("k", "c")};
        for (int d = 16; d > 0; d >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, d);
        if (threadIdx.x % 32 == 0) out[k] = sum;`,
    };
    const source = `
      constexpr int N = ${n};
      constexpr int BINS = ${bins};
      constexpr int COPIES = ${copies};
      constexpr int THREADS = ${threads};
      extern "C" __global__ void clear_copies(${clear === "quads" ? "float4" : "float"}* work) {
        work[blockIdx.x * blockDim.x + threadIdx.x] = ${clear === "quads" ? "make_float4(0.0f, 0.0f, 0.0f, 0.0f)" : "0.0f"};
      }

      extern "C" __global__ void scatter_copies(${pointers(true)}, float* work) {
        const int copy = ${which};
        ${feed(walk, load, (key, value) => `atomicAdd(&${at(key, "copy")}, ${value});`)}
      }

      extern "C" __global__ void merge_copies(const float* __restrict__ work, float* __restrict__ out) {
        ${merges[merge]}
      }
    `;
    const launches = [
      launch("clear_copies", (bins * copies) / 256 / (clear === "quads" ? 4 : 1), 256, ["work"]),
      launch("scatter_copies", 132 * (2048 / threads), threads, ["index", "x", "work"]),
      launch("merge_copies", merge === "thread" ? bins / 128 : bins / 8, merge === "thread" ? 128 : 256, [
        "work",
        "out",
      ]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** Blocks that own a range of bins read all pairs. */
export const binRanges: Template = template({
  id: "bin-ranges",
  from: "private-bins",
  idea: "Let each block look after a range of bins in a smaller piece of shared memory and pass over the pairs of others.",
  options: {
    borders: ["even", "cubed"],
    test: ["unsigned", "two-sided"],
    order: ["ranges-y", "ranges-x"],
    walk: ["stride", "quads", "batch"],
    load: ["plain", "ldg"],
    flush: ["all", "non-zero"],
    lazy: [false, true],
    ranges: [4, 2, 8],
    threads: [512, 256, 1024],
  },
  valid: ({ lazy, walk }) => !lazy || walk === "stride",
  count: 26,
  write: ({ borders, test, order, walk, load, flush, lazy, ranges, threads }, { n = 0, bins = 0 }) => {
    const border = (r: number): number =>
      borders === "even" ? (bins / ranges) * r : Math.round((bins * r * r * r) / (ranges * ranges * ranges));
    const widest = Math.max(...Array.from({ length: ranges }, (_, r) => border(r + 1) - border(r)));
    const range = order === "ranges-y" ? "blockIdx.y" : "(blockIdx.x % RANGES)";
    const inside = (key: string): string =>
      test === "unsigned"
        ? `(unsigned int)(${key} - low) < (unsigned int)(high - low)`
        : `${key} >= low && ${key} < high`;
    const loop = lazy
      ? `
        // The number is read only where it is needed.
        for (int i = slice * THREADS + threadIdx.x; i < N; i += slices * THREADS) {
          const int key = ${load === "ldg" ? "__ldg(index + i)" : "index[i]"};
          if (${inside("key")}) atomicAdd(&cells[key - low], x[i]);
        }`
      : feed(walk, load, (key, value) => `if (${inside(key)}) atomicAdd(&cells[${key} - low], ${value});`)
          .replaceAll("blockIdx.x", "slice")
          .replaceAll("gridDim.x", "slices");
    const source = `
      #define N ${n}
      #define BINS ${bins}
      #define RANGES ${ranges}
      #define THREADS ${threads}
      ${clearOut}
      extern "C" __global__ void scatter_ranges(${pointers(true)}, float* __restrict__ out) {
        extern __shared__ float cells[];
        const int range = ${range};
        ${
          order === "ranges-y"
            ? "const int slice = blockIdx.x, slices = gridDim.x;"
            : "const int slice = blockIdx.x / RANGES, slices = gridDim.x / RANGES;"
        }
        ${
          borders === "even"
            ? "const int low = range * (BINS / RANGES), high = low + BINS / RANGES;"
            : `const int low = (int)(((long long)BINS * range * range * range + ${ranges ** 3 / 2}) / ${ranges ** 3});
        const int high = (int)(((long long)BINS * (range + 1) * (range + 1) * (range + 1) + ${ranges ** 3 / 2}) / ${ranges ** 3});`
        }
        for (int k = threadIdx.x; k < high - low; k += THREADS) cells[k] = 0.0f;
        __syncthreads();
        ${loop}
        __syncthreads();
        for (int k = threadIdx.x; k < high - low; k += THREADS) {
          ${on(flush === "non-zero", "if (cells[k] != 0.0f) ")}atomicAdd(out + low + k, cells[k]);
        }
      }
    `;
    const slices = Math.ceil((132 * Math.floor(2048 / threads)) / ranges);
    const grid = order === "ranges-y" ? ([slices, ranges] as const) : slices * ranges;
    const launches = [clearLaunch(bins), launch("scatter_ranges", grid, threads, ["index", "x", "out"], widest * 4)];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
