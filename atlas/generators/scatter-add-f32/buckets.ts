import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";

const countAndScan = `
      extern "C" __global__ void scan_counts(float* work, int many) {
        __shared__ int sums[1024];
        int* counts = COUNTS(work);
        const int t = threadIdx.x;
        const int each = (many + 1023) / 1024;
        const int first = min(many, t * each), last = min(many, first + each);
        int sum = 0;
        for (int i = first; i < last; ++i) sum += counts[i];
        sums[t] = sum;
        __syncthreads();
        for (int d = 1; d < 1024; d *= 2) {
          const int below = t >= d ? sums[t - d] : 0;
          __syncthreads();
          sums[t] += below;
          __syncthreads();
        }
        int before = sums[t] - sum;
        for (int i = first; i < last; ++i) {
          const int here = counts[i];
          counts[i] = before;
          before += here;
        }
      }
    `;

type Pairing = "together" | "apart";

const store = (pairing: Pairing): string =>
  pairing === "together"
    ? "reinterpret_cast<int2*>(work)[at] = make_int2(key, __float_as_int(value));"
    : "reinterpret_cast<int*>(work)[at] = key;\nwork[N + at] = value;";

const fetch = (pairing: Pairing): string =>
  pairing === "together"
    ? "const int2 pair = reinterpret_cast<const int2*>(work)[i];\nconst int key = pair.x;\nconst float value = __int_as_float(pair.y);"
    : "const int key = reinterpret_cast<const int*>(work)[i];\nconst float value = work[N + i];";

/** Pairs are first moved into buckets of neighbouring bins. */
export const buckets: Template = template({
  id: "buckets-first",
  from: "bin-ranges",
  idea: "Move the pairs into buckets of neighbouring bins first, then add up each bucket in a little shared memory.",
  options: {
    pairing: ["together", "apart"],
    tally: ["thread", "warp-match"],
    divide: ["slash", "shift"],
    add: ["shared", "copies"],
    unroll: [false, true],
    flush: ["all", "non-zero"],
    buckets: [64, 32, 128],
    perSm: [2, 1],
    threads: [512, 256, 1024],
  },
  valid: ({ perSm, threads, add, buckets: count }) => perSm * threads <= 2048 && (add === "shared" || count >= 64),
  count: 25,
  write: ({ pairing, tally, divide, add, unroll, flush, buckets: count, perSm, threads }, { n = 0, bins = 0 }) => {
    const blocks = 132 * perSm;
    const width = bins / count;
    const share = 32 * Math.ceil(n / 32 / blocks);
    const bucketOf = divide === "slash" ? "key / WIDTH" : `key >> ${Math.log2(width)}`;
    const pragma = on(unroll, "#pragma unroll 4");
    const walk = (body: string): string => `
        ${pragma}
        for (int i = first + threadIdx.x; i < last; i += THREADS) {
          const int key = index[i];
          ${body}
        }`;
    const tallies = {
      thread: `atomicAdd(&mine[${bucketOf}], 1);`,
      "warp-match": `
          const int bucket = ${bucketOf};
          const unsigned int peers = __match_any_sync(0xffffffffu, bucket);
          if ((int)threadIdx.x % 32 == __ffs(peers) - 1) atomicAdd(&mine[bucket], __popc(peers));`,
    };
    const place =
      tally === "thread"
        ? `const int at = atomicAdd(&mine[${bucketOf}], 1);`
        : `
          const int bucket = ${bucketOf};
          const unsigned int peers = __match_any_sync(0xffffffffu, bucket);
          const int leader = __ffs(peers) - 1;
          int at = 0;
          if ((int)threadIdx.x % 32 == leader) at = atomicAdd(&mine[bucket], __popc(peers));
          at = __shfl_sync(0xffffffffu, at, leader) + __popc(peers & ((1u << threadIdx.x % 32) - 1));`;
    const source = `
      #define N ${n}
      #define BUCKETS ${count}
      #define WIDTH ${width}  // bins per bucket
      #define BLOCKS ${blocks}
      #define SHARE ${share}
      #define THREADS ${threads}
      // Behind the pairs: for each bucket what each block puts there.
      #define COUNTS(work) (reinterpret_cast<int*>(work) + 2 * N)
      extern "C" __global__ void count_keys(const int* __restrict__ index, float* work) {
        __shared__ int mine[BUCKETS];
        const int first = blockIdx.x * SHARE, last = min(N, first + SHARE);
        for (int b = threadIdx.x; b < BUCKETS; b += THREADS) mine[b] = 0;
        __syncthreads();
        ${walk(tallies[tally])}
        __syncthreads();
        for (int b = threadIdx.x; b < BUCKETS; b += THREADS) COUNTS(work)[b * BLOCKS + blockIdx.x] = mine[b];
      }

      ${countAndScan}
      extern "C" __global__ void move_pairs(const int* __restrict__ index, const float* __restrict__ x, float* work) {
        __shared__ int mine[BUCKETS];
        const int first = blockIdx.x * SHARE, last = min(N, first + SHARE);
        for (int b = threadIdx.x; b < BUCKETS; b += THREADS) mine[b] = COUNTS(work)[b * BLOCKS + blockIdx.x];
        __syncthreads();
        ${walk(`const float value = x[i];\n${place}\n${store(pairing)}`)}
      }

      ${bucketSums(pairing, add === "copies", pragma, flush === "non-zero")}
      extern "C" __global__ void clear_result(float* out) {
        out[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;
      }
    `;
    const launches = [
      launch("clear_result", bins / 256, 256, ["out"]),
      launch("count_keys", blocks, threads, ["index", "work"]),
      launch("scan_counts", 1, 1024, ["work", { i32: blocks * count }]),
      launch("move_pairs", blocks, threads, ["index", "x", "work"]),
      launch("add_buckets", 528, threads, ["work", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

function bucketSums(pairing: Pairing, copies: boolean, pragma: string, nonZero: boolean): string {
  const cell = copies ? "cells[(threadIdx.x / 32 % 4) * WIDTH + key % WIDTH]" : "cells[key % WIDTH]";
  const sum = copies ? "(cells[k] + cells[WIDTH + k]) + (cells[2 * WIDTH + k] + cells[3 * WIDTH + k])" : "cells[k]";
  return `
      extern "C" __global__ void add_buckets(float* work, float* out) {
        __shared__ float cells[${copies ? "4 * WIDTH" : "WIDTH"}];
        const int* starts = COUNTS(work);
        const int chunk = (N + gridDim.x - 1) / gridDim.x;
        const int low = blockIdx.x * chunk, high = min(N, low + chunk);
        for (int b = 0; b < BUCKETS; ++b) {
          const int from = max(low, starts[b * BLOCKS]);
          const int to = min(high, b + 1 < BUCKETS ? starts[(b + 1) * BLOCKS] : N);
          if (from >= to) continue;
          for (int k = threadIdx.x; k < ${copies ? "4 * WIDTH" : "WIDTH"}; k += THREADS) cells[k] = 0.0f;
          __syncthreads();
          ${pragma}
          for (int i = from + threadIdx.x; i < to; i += THREADS) {
            ${fetch(pairing)}
            atomicAdd(&${cell}, value);
          }
          __syncthreads();
          for (int k = threadIdx.x; k < WIDTH; k += THREADS) {
            const float sum = ${sum};
            ${on(nonZero, "if (sum != 0.0f) ")}atomicAdd(out + b * WIDTH + k, sum);
          }
          __syncthreads();
        }
      }
    `;
}
