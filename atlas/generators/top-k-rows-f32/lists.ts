import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { emptyList, finishBlock, insert, mergeLanes, walkRow } from "./parts.ts";

/** One thread per row. */
export const threadRow: Template = template({
  id: "thread-per-row",
  from: null,
  idea: "Keep the list of a row in registers and read vectors.",
  options: {
    insert: ["bubble", "chain", "search"],
    vector: [true, false],
    read: ["plain", "ldg", "streaming"],
    unroll: ["none", "2", "4"],
    ahead: [false, true],
    restrict: [true, false],
    block: [32, 64, 128],
  },
  valid: ({ ahead, unroll }) => !ahead || unroll === "none",
  count: 22,
  write: ({ insert: kind, vector, read, unroll, ahead, restrict, block }, { rows = 0, cols = 0 }) => {
    const type = vector ? "float4" : "float";
    const q = on(restrict, " __restrict__");
    const source = `
      #define COLS ${vector ? cols / 4 : cols}

      extern "C" __global__ void row_lists(const ${type}*${q} x, float*${q} top) {
        const int row = blockIdx.x * blockDim.x + threadIdx.x;
        const ${type}* in = x + (size_t)row * COLS;
        ${emptyList}
        ${walkRow({ vector, read, unroll, ahead, first: "0", step: "1", count: "COLS" }, (v) => insert(kind, v))}
        #pragma unroll
        for (int q = 0; q < 16; ++q) top[(size_t)row * 16 + q] = best[q];
      }
    `;
    return styled(
      { source, launches: [launch("row_lists", rows / block, block, ["x", "top"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** One warp per row, a list per lane. */
export const warpLists: Template = template({
  id: "lists-per-lane",
  from: "thread-per-row",
  idea: "Share a row between the lanes of a warp, each with a list of its own, and merge the lists.",
  options: {
    merge: ["heads", "bitonic", "pairs"],
    insert: ["bubble", "chain", "search"],
    vector: [true, false],
    read: ["plain", "ldg", "streaming"],
    unroll: ["none", "2", "4"],
    ahead: [false, true],
    warps: [4, 8, 2, 1],
  },
  valid: ({ ahead, unroll }) => !ahead || unroll === "none",
  count: 28,
  write: ({ merge, insert: kind, vector, read, unroll, ahead, warps }, { rows = 0, cols = 0 }) => {
    const type = vector ? "float4" : "float";
    const source = `
      constexpr int WARPS = ${warps};
      constexpr int COLS = ${vector ? cols / 4 : cols};

      ${mergeLanes(merge)}
      extern "C" __global__ void warp_lists(const ${type}* __restrict__ x, float* __restrict__ top) {
        const int row = blockIdx.x * WARPS + threadIdx.x / 32;
        const int lane = threadIdx.x % 32;
        const ${type}* in = x + (size_t)row * COLS;
        ${emptyList}
        ${walkRow({ vector, read, unroll, ahead, first: "lane", step: "32", count: "COLS" }, (v) => insert(kind, v))}
        merge_lanes(best);
        if (lane == 0) {
          #pragma unroll
          for (int q = 0; q < 16; ++q) top[(size_t)row * 16 + q] = best[q];
        }
      }
    `;
    return styled(
      { source, launches: [launch("warp_lists", rows / warps, warps * 32, ["x", "top"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** One block per row, a list per thread. */
export const blockLists: Template = template({
  id: "lists-per-thread",
  from: "lists-per-lane",
  idea: "Share a row between the threads of a block, each with a list of its own.",
  options: {
    merge: ["heads", "bitonic", "pairs", "tree"],
    insert: ["chain", "bubble", "search"],
    vector: [true, false],
    read: ["plain", "ldg", "streaming"],
    unroll: ["none", "2", "4"],
    gate: ["own", "quad"],
    bounds: [false, true],
    warps: [4, 8, 2],
  },
  valid: ({ gate, vector }) => gate === "own" || vector,
  count: 28,
  write: ({ merge, insert: kind, vector, read, unroll, gate, bounds, warps }, { rows = 0, cols = 0 }) => {
    const type = vector ? "float4" : "float";
    const block = warps * 32;
    const line = (v: string): string => insert(kind, v);
    const plainWalk = walkRow({ vector, read, unroll, first: "threadIdx.x", step: "BLOCK", count: "COLS" }, line);
    const walk =
      gate === "quad"
        ? `for (int j = threadIdx.x; j < COLS; j += BLOCK) {
          float4 v = in[j];
          // Most vectors hold nothing for the list.
          if (fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)) > best[15]) {
            ${["v.x", "v.y", "v.z", "v.w"].map(line).join("\n")}
          }
        }`
        : plainWalk;
    const tree = `__shared__ float lists[BLOCK][17];
        for (int q = 0; q < 16; ++q) lists[threadIdx.x][q] = best[q];
        __syncthreads();
        for (int half = BLOCK / 2; half > 0; half >>= 1) {
          if (threadIdx.x < half) {
            float merged[16];
            int a = 0, b = 0;
            #pragma unroll
            for (int q = 0; q < 16; ++q) {
              float left = lists[threadIdx.x][a], right = lists[threadIdx.x + half][b];
              bool take = left >= right;
              merged[q] = take ? left : right;
              a += take;
              b += !take;
            }
            #pragma unroll
            for (int q = 0; q < 16; ++q) lists[threadIdx.x][q] = merged[q];
          }
          __syncthreads();
        }
        if (threadIdx.x < 16) out[threadIdx.x] = lists[0][threadIdx.x];`;
    const source = `
      #define BLOCK ${block}
      #define COLS ${vector ? cols / 4 : cols}

      ${merge === "tree" ? "" : mergeLanes(merge)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}top_of_row(const ${type}* __restrict__ x, float* __restrict__ top) {
        const ${type}* in = x + (size_t)blockIdx.x * COLS;
        float* out = top + blockIdx.x * 16;
        ${emptyList}
        ${walk}
        ${merge === "tree" ? tree : finishBlock(warps)}
      }
    `;
    return styled(
      { source, launches: [launch("top_of_row", rows, block, ["x", "top"])] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Rows split over blocks; a second launch merges the lists. */
export const splitRows: Template = template({
  id: "split-rows",
  from: "lists-per-thread",
  idea: "Split each row over several blocks, store their lists to scratch and merge them in a second launch.",
  options: {
    merge: ["bitonic", "heads", "pairs"],
    insert: ["chain", "bubble"],
    second: ["warp", "rank"],
    order: ["part-fastest", "row-fastest"],
    read: ["plain", "ldg", "streaming"],
    unroll: ["none", "2", "4"],
    interleaved: [false, true],
    splits: [4, 2, 8],
    warps: [2, 4, 1],
  },
  count: 28,
  write: ({ merge, insert: kind, second, order, read, unroll, interleaved, splits, warps }, { rows = 0, cols = 0 }) => {
    const part = cols / 4 / splits;
    const fastest = order === "part-fastest";
    const walk = interleaved
      ? walkRow(
          { vector: true, read, unroll, first: "part * BLOCK + threadIdx.x", step: "SPLITS * BLOCK", count: "COLS" },
          (v) => insert(kind, v),
        )
      : walkRow(
          {
            vector: true,
            read,
            unroll,
            first: "part * SHARE + threadIdx.x",
            step: "BLOCK",
            count: "(part + 1) * SHARE",
          },
          (v) => insert(kind, v),
        );
    const seconds = {
      warp: `int row = blockIdx.x * 4 + threadIdx.x / 32;
        ${emptyList}
        const float* in = parts + row * SPLITS * 16;
        for (int j = threadIdx.x % 32; j < SPLITS * 16; j += 32) {
          float v = in[j];
          ${insert(kind, "v")}
        }
        merge_lanes(best);
        if (threadIdx.x % 32 == 0) {
          for (int q = 0; q < 16; ++q) top[row * 16 + q] = best[q];
        }`,
      rank: `// The place of a number is the count of those that precede it.
        __shared__ float all[SPLITS * 16];
        const float* in = parts + blockIdx.x * SPLITS * 16;
        for (int j = threadIdx.x; j < SPLITS * 16; j += 128) all[j] = in[j];
        __syncthreads();
        for (int j = threadIdx.x; j < SPLITS * 16; j += 128) {
          float v = all[j];
          int rank = 0;
          for (int o = 0; o < SPLITS * 16; ++o) rank += all[o] > v || (all[o] == v && o < j);
          if (rank < 16) top[blockIdx.x * 16 + rank] = v;
        }`,
    }[second];
    const source = `
      #define BLOCK ${warps * 32}
      #define COLS ${cols / 4}
      #define SPLITS ${splits}
      #define SHARE ${part}

      ${mergeLanes(merge)}
      extern "C" __global__ void part_lists(const float4* __restrict__ x, float* __restrict__ parts) {
        const int part = blockIdx.${fastest ? "x" : "y"}, row = blockIdx.${fastest ? "y" : "x"};
        const float4* in = x + (size_t)row * COLS;
        float* out = parts + (row * SPLITS + part) * 16;
        ${emptyList}
        ${walk}
        ${finishBlock(warps)}
      }

      extern "C" __global__ void merge_lists(const float* __restrict__ parts, float* __restrict__ top) {
        ${seconds}
      }
    `;
    const launches = [
      launch("part_lists", fastest ? [splits, rows] : [rows, splits], warps * 32, ["x", "parts"]),
      launch("merge_lists", second === "warp" ? rows / 4 : rows, 128, ["parts", "top"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

const sortSixteen = (network: "bitonic" | "odd-even" | "insertion"): string =>
  ({
    bitonic: `#pragma unroll
      for (int size = 2; size <= 16; size <<= 1) {
        #pragma unroll
        for (int span = size >> 1; span > 0; span >>= 1) {
          #pragma unroll
          for (int q = 0; q < 16; ++q) {
            if ((q & span) == 0) {
              float a = r[q], b = r[q + span];
              bool down = (q & size) == 0 || size == 16;
              r[q] = down ? fmaxf(a, b) : fminf(a, b);
              r[q + span] = down ? fminf(a, b) : fmaxf(a, b);
            }
          }
        }
      }`,
    "odd-even": `#pragma unroll
      for (int p = 1; p < 16; p <<= 1) {
        #pragma unroll
        for (int k = p; k > 0; k >>= 1) {
          #pragma unroll
          for (int j = k % p; j + k < 16; j += 2 * k) {
            #pragma unroll
            for (int i = 0; i < k; ++i) {
              if (i + j + k < 16 && (i + j) / (2 * p) == (i + j + k) / (2 * p)) {
                float a = r[i + j], b = r[i + j + k];
                r[i + j] = fmaxf(a, b);
                r[i + j + k] = fminf(a, b);
              }
            }
          }
        }
      }`,
    insertion: `#pragma unroll
      for (int n = 1; n < 16; ++n) {
        #pragma unroll
        for (int q = n; q > 0; --q) {
          float a = r[q - 1], b = r[q];
          r[q - 1] = fmaxf(a, b);
          r[q] = fminf(a, b);
        }
      }`,
  })[network];

/** Sixteen numbers at a time are sorted in registers and merged with the list. */
export const networks: Template = template({
  id: "register-networks",
  from: "lists-per-thread",
  idea: "Sort sixteen numbers at a time in registers with a network and keep the larger half of a merge.",
  options: {
    network: ["bitonic", "odd-even", "insertion"],
    merge: ["bitonic", "heads", "pairs"],
    gate: ["always", "any"],
    read: ["plain", "ldg", "streaming"],
    place: ["strided", "contiguous"],
    scope: ["block", "warp"],
    warps: [4, 8, 2],
  },
  count: 13,
  write: ({ network, merge, gate, read, place, scope, warps }, { rows = 0, cols = 0 }) => {
    const at = place === "strided" ? "base + q * THREADS + member" : "base + member * 4 + q";
    const get = { plain: `in[${at}]`, ldg: `__ldg(in + ${at})`, streaming: `__ldcs(in + ${at})` }[read];
    const keep = `#pragma unroll
          for (int q = 0; q < 16; ++q) best[q] = fmaxf(best[q], r[15 - q]);
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
          }`;
    const gated =
      gate === "always"
        ? `${sortSixteen(network)}\n${keep}`
        : `float largest = r[0];
          #pragma unroll
          for (int q = 1; q < 16; ++q) largest = fmaxf(largest, r[q]);
          if (largest > best[15]) {
            ${sortSixteen(network)}
            ${keep}
          }`;
    const warp = scope === "warp";
    const source = `
      constexpr int WARPS = ${warps};
      constexpr int THREADS = ${warp ? 32 : warps * 32};
      constexpr int COLS = ${cols / 4};

      ${mergeLanes(merge)}
      extern "C" __global__ void network_top(const float4* __restrict__ x, float* __restrict__ top) {
        const int row = ${warp ? "blockIdx.x * WARPS + threadIdx.x / 32" : "blockIdx.x"};
        const int member = threadIdx.x % THREADS;
        const float4* in = x + (size_t)row * COLS;
        float* out = top + row * 16;
        ${emptyList}
        for (int base = 0; base < COLS; base += 4 * THREADS) {
          float r[16];
          #pragma unroll
          for (int q = 0; q < 4; ++q) {
            const float4 v = ${get};
            r[4 * q] = v.x;
            r[4 * q + 1] = v.y;
            r[4 * q + 2] = v.z;
            r[4 * q + 3] = v.w;
          }
          ${gated}
        }
        ${
          warp
            ? `merge_lanes(best);
        if (member == 0) {
          for (int q = 0; q < 16; ++q) out[q] = best[q];
        }`
            : finishBlock(warps)
        }
      }
    `;
    return styled(
      { source, launches: [launch("network_top", warp ? rows / warps : rows, warps * 32, ["x", "top"])] },
      { names: "camel", indent: 2 },
    );
  },
});
