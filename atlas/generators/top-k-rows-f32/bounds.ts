import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { lowest, reading } from "./parts.ts";

/** How the sixteenth of the maxima is found. */
const bounding = {
  rank: `maxima[threadIdx.x] = largest;
        __syncthreads();
        int before = 0;
        for (int t = 0; t < BLOCK; ++t) before += maxima[t] > largest || (maxima[t] == largest && t < (int)threadIdx.x);
        if (before == 15) limit = largest;
        __syncthreads();`,
  rounds: `maxima[threadIdx.x] = largest;
        __syncthreads();
        if (threadIdx.x < 32) {
          float head = LOWEST;
          for (int r = 0; r < 16; ++r) {
            float own = LOWEST;
            int place = threadIdx.x;
            for (int t = threadIdx.x; t < BLOCK; t += 32) {
              if (maxima[t] > own) {
                own = maxima[t];
                place = t;
              }
            }
            head = own;
            for (int d = 16; d > 0; d >>= 1) head = fmaxf(head, __shfl_xor_sync(0xffffffffu, head, d));
            unsigned int owners = __ballot_sync(0xffffffffu, own == head);
            if ((int)threadIdx.x == __ffs(owners) - 1) maxima[place] = LOWEST;
            __syncwarp();
          }
          if (threadIdx.x == 0) limit = head;
        }
        __syncthreads();`,
  sort: `maxima[threadIdx.x] = largest;
        __syncthreads();
        for (int size = 2; size <= BLOCK; size *= 2) {
          for (int span = size / 2; span > 0; span /= 2) {
            int other = threadIdx.x ^ span;
            if (other > (int)threadIdx.x) {
              float a = maxima[threadIdx.x], b = maxima[other];
              if ((a < b) == ((threadIdx.x & size) == 0)) {
                maxima[threadIdx.x] = b;
                maxima[other] = a;
              }
            }
            __syncthreads();
          }
        }
        if (threadIdx.x == 0) limit = maxima[15];
        __syncthreads();`,
};

/** How the sixteen largest of those that passed are written. */
const boundedFinish = {
  rank: `int count = min(taken, CAPACITY);
        for (int c = threadIdx.x; c < count; c += BLOCK) {
          float v = found[c];
          int place = 0;
          for (int o = 0; o < count; ++o) place += found[o] > v || (found[o] == v && o < c);
          if (place < 16) top[blockIdx.x * 16 + place] = v;
        }`,
  rounds: `int count = min(taken, CAPACITY);
        if (threadIdx.x < 32) {
          for (int r = 0; r < 16; ++r) {
            float own = LOWEST;
            int place = -1;
            for (int c = threadIdx.x; c < count; c += 32) {
              if (found[c] > own) {
                own = found[c];
                place = c;
              }
            }
            float head = own;
            for (int d = 16; d > 0; d >>= 1) head = fmaxf(head, __shfl_xor_sync(0xffffffffu, head, d));
            if ((int)threadIdx.x == __ffs(__ballot_sync(0xffffffffu, own == head)) - 1) {
              top[blockIdx.x * 16 + r] = head;
              if (place >= 0) found[place] = LOWEST;
            }
            __syncwarp();
          }
        }`,
};

/** The sixteenth of the threads' maxima bounds the result from below. */
export const boundFirst: Template = template({
  id: "bound-first",
  from: "repeated-maximum",
  idea: "Take each thread's maximum; the sixteenth of these bounds the result, so few numbers pass a second look.",
  options: {
    second: ["registers", "reread", "shared"],
    bound: ["rank", "rounds", "sort"],
    collect: ["atomic", "ballot"],
    finish: ["rank", "rounds"],
    load: ["quad", "single"],
    read: ["plain", "ldg"],
    block: [256, 512, 128],
  },
  count: 28,
  write: ({ second, bound, collect, finish, load, read, block }, { rows = 0, cols = 0 }) => {
    const vector = load === "quad";
    const items = cols / block / (vector ? 4 : 1);
    const type = vector ? "float4" : "float";
    const registers = second === "registers";
    const loop = registers ? "#pragma unroll\n" : "#pragma unroll 4\n";
    const source0 = reading(read, "in[k * BLOCK + threadIdx.x]");
    const look = (v: string): string => (vector ? `fmaxf(fmaxf(${v}.x, ${v}.y), fmaxf(${v}.z, ${v}.w))` : v);
    const store = { registers: "mine[k] = v;", reread: "", shared: "held[k * BLOCK + threadIdx.x] = v;" }[second];
    const back = { registers: "mine[k]", reread: source0, shared: "held[k * BLOCK + threadIdx.x]" }[second];
    const bounds = bounding[bound];
    const put = (v: string): string =>
      collect === "atomic"
        ? `if (${v} >= floor_value) {
              int place = atomicAdd(&taken, 1);
              if (place < CAPACITY) found[place] = ${v};
            }`
        : `{
              unsigned int passing = __ballot_sync(0xffffffffu, ${v} >= floor_value);
              if (passing) {
                int base = threadIdx.x % 32 == 0 ? atomicAdd(&taken, __popc(passing)) : 0;
                base = __shfl_sync(0xffffffffu, base, 0) + __popc(passing & ((1u << (threadIdx.x % 32)) - 1u));
                if (${v} >= floor_value && base < CAPACITY) found[base] = ${v};
              }
            }`;
    const puts = vector ? ["v.x", "v.y", "v.z", "v.w"].map(put).join("\n") : put("v");
    const finishes = boundedFinish[finish];
    const source = `
      #define BLOCK ${block}
      #define ITEMS ${items}
      #define LOWEST ${lowest}
      #define CAPACITY ${(16 * cols) / block + 512}

      extern "C" __global__ void __launch_bounds__(BLOCK) bounded_top(const ${type}* __restrict__ x, float* __restrict__ top) {
        ${on(second === "shared", `extern __shared__ __align__(16) ${type} held[];`)}
        __shared__ float maxima[BLOCK];
        __shared__ float found[CAPACITY];
        __shared__ float limit;
        __shared__ int taken;
        const ${type}* in = x + (size_t)blockIdx.x * (BLOCK * ITEMS);
        ${on(registers, `${type} mine[ITEMS];`)}
        if (threadIdx.x == 0) taken = 0;
        float largest = LOWEST;
        ${loop}for (int k = 0; k < ITEMS; ++k) {
          ${type} v = ${source0};
          ${store}
          largest = fmaxf(largest, ${look("v")});
        }
        ${bounds}
        float floor_value = limit;
        ${loop}for (int k = 0; k < ITEMS; ++k) {
          ${type} v = ${back};
          ${puts}
        }
        __syncthreads();
        ${finishes}
      }
    `;
    return styled(
      { source, launches: [launch("bounded_top", rows, block, ["x", "top"], second === "shared" ? cols * 4 : 0)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** How the head of a sorted tile joins the result so far. */
const headMerges = {
  rank: `if (threadIdx.x < 32) {
            float v = threadIdx.x < 16 ? result[threadIdx.x] : tile[threadIdx.x - 16];
            int place = 0;
            for (int q = 0; q < 16; ++q) {
              place += result[q] > v || (result[q] == v && q < (int)threadIdx.x);
              place += tile[q] > v || (tile[q] == v && q + 16 < (int)threadIdx.x);
            }
            __syncwarp();
            if (place < 16) result[place] = v;
          }`,
  serial: `if (threadIdx.x == 0) {
            for (int q = 0; q < 16 && tile[q] > result[15]; ++q) {
              int place = 15;
              while (place > 0 && result[place - 1] < tile[q]) {
                result[place] = result[place - 1];
                --place;
              }
              result[place] = tile[q];
            }
          }`,
};

/** Sorts the tile in descending order, at least its first sixteen. */
function tileSort(sort: "bitonic" | "odd-even-merge" | "halving", each: "pairs" | "xor"): string {
  const swap = (i: string, o: string, down: string): string => `float a = tile[${i}], b = tile[${o}];
              if ((a < b) == (${down})) {
                tile[${i}] = b;
                tile[${o}] = a;
              }`;
  const step = (body: (i: string, o: string) => string): string =>
    each === "pairs"
      ? `for (int p = threadIdx.x; p < TILE / 2; p += BLOCK) {
              int i = 2 * p - (p & (span - 1)), o = i + span;
              ${body("i", "o")}
            }`
      : `for (int i = threadIdx.x; i < TILE; i += BLOCK) {
              int o = i ^ span;
              if (o > i) {
                ${body("i", "o")}
              }
            }`;
  return {
    bitonic: `for (int size = 2; size <= TILE; size *= 2) {
          for (int span = size / 2; span > 0; span /= 2) {
            ${step((i, o) => swap(i, o, `(${i} & size) == 0`))}
            __syncthreads();
          }
        }`,
    "odd-even-merge": `for (int p = 1; p < TILE; p *= 2) {
          for (int k = p; k > 0; k /= 2) {
            for (int i = threadIdx.x; i + k < TILE; i += BLOCK) {
              int offset = i - k % p;
              if (offset >= 0 && offset % (2 * k) < k && i / (2 * p) == (i + k) / (2 * p)) {
                ${swap("i", "i + k", "true")}
              }
            }
            __syncthreads();
          }
        }`,
    halving: `// Runs of sixteen are sorted; of two runs the larger half stays.
        for (int size = 2; size <= 16; size *= 2) {
          for (int span = size / 2; span > 0; span /= 2) {
            ${step((i, o) => swap(i, o, `(${i} & size) == 0`))}
            __syncthreads();
          }
        }
        for (int runs = TILE / 16; runs > 1; runs /= 2) {
          // Runs descend and ascend in turn, so that equal places pair up.
          float kept[TILE / 2 / BLOCK > 0 ? TILE / 2 / BLOCK : 1];
          int used = 0;
          for (int p = threadIdx.x; p < runs * 8; p += BLOCK) kept[used++] = fmaxf(tile[p / 16 * 32 + p % 16], tile[p / 16 * 32 + 16 + p % 16]);
          __syncthreads();
          used = 0;
          for (int p = threadIdx.x; p < runs * 8; p += BLOCK) tile[p] = kept[used++];
          __syncthreads();
          for (int span = 8; span > 0; span /= 2) {
            for (int p = threadIdx.x; p < runs * 4; p += BLOCK) {
              int i = 2 * p - (p & (span - 1)), o = i + span;
              ${swap("i", "o", "(i & 16) == 0")}
            }
            __syncthreads();
          }
        }`,
  }[sort];
}

/** Tiles are sorted whole; their heads are merged. */
export const sortedTiles: Template = template({
  id: "sorted-tiles",
  from: "lists-per-thread",
  idea: "Sort whole tiles of the row in shared memory and merge the first sixteen of each with the result so far.",
  options: {
    sort: ["bitonic", "odd-even-merge", "halving"],
    each: ["pairs", "xor"],
    merge: ["rank", "serial"],
    prune: [false, true],
    read: ["plain", "ldg", "streaming"],
    tile: [1024, 512, 2048],
    block: [512, 256, 1024],
  },
  valid: ({ sort, each, tile, block }) => block <= tile && (sort !== "halving" || each === "pairs"),
  count: 26,
  write: ({ sort, each, merge, prune, read, tile, block }, { rows = 0, cols = 0 }) => {
    const sorts = tileSort(sort, each);
    const merges = headMerges[merge];
    const work = `${sorts}\n${merges}`;
    const source = `
      constexpr int TILE = ${tile};
      constexpr int BLOCK = ${block};
      constexpr int COLS = ${cols};

      extern "C" __global__ void tile_top(const float* __restrict__ x, float* __restrict__ top) {
        __shared__ float tile[TILE];
        __shared__ float result[16];
        const float* in = x + (size_t)blockIdx.x * COLS;
        if (threadIdx.x < 16) result[threadIdx.x] = ${lowest};
        for (int base = 0; base < COLS; base += TILE) {
          __syncthreads();
          ${on(prune, "int hopeful = 0;\nfloat least = result[15];")}
          for (int i = threadIdx.x; i < TILE; i += BLOCK) {
            float v = ${reading(read, "in[base + i]")};
            tile[i] = v;
            ${on(prune, "hopeful |= v > least;")}
          }
          ${prune ? `if (__syncthreads_or(hopeful)) {\n${work}\n}` : `__syncthreads();\n${work}`}
        }
        __syncthreads();
        if (threadIdx.x < 16) top[blockIdx.x * 16 + threadIdx.x] = result[threadIdx.x];
      }
    `;
    return styled({ source, launches: [launch("tile_top", rows, block, ["x", "top"])] }, { names: "camel", indent: 2 });
  },
});
