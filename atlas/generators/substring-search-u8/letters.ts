import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { lastLaunch, lastPlaces } from "./shared.ts";

const clear = `
  extern "C" __global__ void clear_counts(int* counts) {
    counts[threadIdx.x] = 0;
  }
`;

/** One thread per place, all patterns in turn. */
export const placePerThread: Template = template({
  id: "place-per-thread",
  from: null,
  idea: "Compare all patterns at a place in one thread and leave a comparison at the first difference.",
  options: {
    compare: ["while", "first", "flag", "held"],
    patterns: ["memory", "shared"],
    letters: ["memory", "shared"],
    counters: ["memory", "shared"],
    volume: ["one", "loop", "run"],
    ends: ["clear", "last"],
    size: ["argument", "define"],
    restrict: [false, true],
    block: [256, 128, 512],
  },
  valid: ({ letters, volume }) => !(letters === "shared" && volume !== "one"),
  count: 30,
  write: ({ compare, patterns, letters, counters, volume, ends, size, restrict, block }, sizes) => {
    const { n = 0 } = sizes;
    const mark = on(restrict, " __restrict__");
    const tile = letters === "shared";
    const letter = (k: string): string => (tile ? `tile[threadIdx.x + ${k}]` : `text[at + ${k}]`);
    const wanted = (k: string): string => (patterns === "shared" ? `pattern_rows[p][${k}]` : `patterns[16 * p + ${k}]`);
    const length = patterns === "shared" ? "row_lengths[p]" : "lengths[p]";
    const add = counters === "shared" ? "atomicAdd(&found[p], 1);" : "atomicAdd(&counts[p], 1);";
    const test = {
      while: `
        int k = 0;
        while (k < length && ${letter("k")} == ${wanted("k")}) ++k;
        if (k == length) ${add}`,
      first: `
        if (${letter("0")} != ${wanted("0")}) continue;
        int k = 1;
        while (k < length && ${letter("k")} == ${wanted("k")}) ++k;
        if (k == length) ${add}`,
      flag: `
        bool same = true;
        for (int k = 0; k < length && same; ++k) same = ${letter("k")} == ${wanted("k")};
        if (same) ${add}`,
      held: `
        if (c0 != ${wanted("0")} || c1 != ${wanted("1")}) continue;
        int k = 2;
        for (; k < length; ++k) {
          if (${letter("k")} != ${wanted("k")}) break;
        }
        if (k >= length) ${add}`,
    }[compare];
    const place = `
      ${on(compare === "held", `const int c0 = ${letter("0")}, c1 = at + 1 < n ? ${letter("1")} : 0;`)}
      for (int p = 0; p < 32; ++p) {
        const int length = ${length};
        ${on(ends === "clear", "if (at + length > n) continue;")}
        ${test}
      }`;
    const limit = ends === "clear" ? "n" : "n - 16";
    const thread = "blockIdx.x * blockDim.x + threadIdx.x";
    const walk = {
      one: `const int at = ${thread};\nif (at < ${limit}) {\n${place}\n}`,
      loop: `for (int at = ${thread}; at < ${limit}; at += gridDim.x * blockDim.x) {\n${place}\n}`,
      run: `for (int i = 0; i < 8; ++i) {\nconst int at = (blockIdx.x * 8 + i) * blockDim.x + threadIdx.x;\nif (at >= ${limit}) break;\n${place}\n}`,
    }[volume];
    const source = `
      ${on(size === "define", `#define n ${n}\n`)}
      ${ends === "clear" ? clear : lastPlaces.replace(", int n)", size === "define" ? ")" : ", int n)")}
      extern "C" __global__ void count_places(const unsigned char*${mark} text, const unsigned char*${mark} patterns, const int*${mark} lengths, int* counts${on(size === "argument", ", int n")}) {
        ${on(
          patterns === "shared",
          `__shared__ unsigned char pattern_rows[32][16];
          __shared__ int row_lengths[32];
          for (int i = threadIdx.x; i < 512; i += blockDim.x) pattern_rows[i / 16][i % 16] = patterns[i];
          if (threadIdx.x < 32) row_lengths[threadIdx.x] = lengths[threadIdx.x];`,
        )}
        ${on(counters === "shared", "__shared__ int found[32];\nif (threadIdx.x < 32) found[threadIdx.x] = 0;")}
        ${on(
          tile,
          `__shared__ unsigned char tile[${block + 16}];
          for (int i = threadIdx.x; i < ${block + 16}; i += ${block}) {
            const int from = blockIdx.x * ${block} + i;
            tile[i] = from < n ? text[from] : 0;
          }`,
        )}
        ${on(tile || patterns === "shared" || counters === "shared", "__syncthreads();")}
        ${walk}
        ${on(counters === "shared", "__syncthreads();\nif (threadIdx.x < 32) atomicAdd(&counts[threadIdx.x], found[threadIdx.x]);")}
      }
    `;
    const argument = size === "argument" ? [{ i32: n }] : [];
    const grid = volume === "one" ? n / block : volume === "run" ? n / block / 8 : 132 * 8;
    const start =
      ends === "clear"
        ? launch("clear_counts", 1, 32, ["counts"])
        : launch("last_places", 1, 32, ["text", "patterns", "lengths", "counts", ...argument]);
    const main = launch("count_places", grid, block, ["text", "patterns", "lengths", "counts", ...argument]);
    return styled({ source, launches: [start, main] }, { names: "snake", indent: 2 });
  },
});

/** A pattern per block, counted in registers. */
export const patternPerBlock: Template = template({
  id: "pattern-per-block",
  from: null,
  idea: "Give each block one pattern, so that a thread counts in a register.",
  options: {
    compare: ["letters", "word", "words"],
    pattern: ["memory", "shared"],
    reduce: ["atomic", "shuffle", "tree", "instruction"],
    walk: ["strided", "chunk"],
    order: ["pattern-outside", "text-outside"],
    unroll: [false, true],
    block: [256, 128, 512],
    chunks: [1024, 512, 4096],
  },
  count: 27,
  write: ({ compare, pattern, reduce, walk, order, unroll, block, chunks }, sizes) => {
    const { n = 0 } = sizes;
    const letter = (k: string): string => (pattern === "shared" ? `wanted[${k}]` : `patterns[16 * p + ${k}]`);
    const wordAt = (offset: string): string =>
      `__funnelshift_r(words[(at + ${offset}) / 4], words[(at + ${offset}) / 4 + 1], 8 * (at & 3))`;
    const test = {
      letters: `
        int k = 0;
        while (k < length && text[at + k] == ${letter("k")}) ++k;
        total += k == length ? 1 : 0;`,
      word: `
        if (${wordAt("0")} == head) {
          int k = 4;
          while (k < length && text[at + k] == ${letter("k")}) ++k;
          total += k == length ? 1 : 0;
        }`,
      words: `
        if (${wordAt("0")} == head) {
          bool same = true;
          for (int k = 4; k < length && same; k += 4) {
            const unsigned int difference = ${wordAt("k")} ^ rows[k / 4];
            same = (length - k >= 4 ? difference : difference << 8 * (4 - length + k)) == 0;
          }
          if (same) ++total;
        }`,
    }[compare];
    const finish = {
      atomic: "if (total != 0) atomicAdd(&counts[p], total);",
      shuffle: `
        for (int step = 16; step > 0; step /= 2) total += __shfl_down_sync(0xffffffffu, total, step);
        if ((threadIdx.x & 31) == 0) atomicAdd(&counts[p], total);`,
      instruction: `
        total = __reduce_add_sync(0xffffffffu, total);
        if ((threadIdx.x & 31) == 0) atomicAdd(&counts[p], total);`,
      tree: `
        __shared__ int totals[${block}];
        totals[threadIdx.x] = total;
        __syncthreads();
        for (int half = ${block / 2}; half > 0; half /= 2) {
          if (threadIdx.x < half) totals[threadIdx.x] += totals[threadIdx.x + half];
          __syncthreads();
        }
        if (threadIdx.x == 0) atomicAdd(&counts[p], totals[0]);`,
    }[reduce];
    const chunk = n / chunks;
    const loop =
      walk === "strided"
        ? `for (int at = part * ${block} + threadIdx.x; at < ${n - 16}; at += ${block * chunks}) {`
        : `for (int at = part * ${chunk} + threadIdx.x; at < min((part + 1) * ${chunk}, ${n - 16}); at += ${block}) {`;
    const [p, part] = order === "pattern-outside" ? ["blockIdx.y", "blockIdx.x"] : ["blockIdx.x", "blockIdx.y"];
    const source = `
      ${lastPlaces}
      extern "C" __global__ void count_pattern(const unsigned char* __restrict__ text, const unsigned char* __restrict__ patterns, const int* __restrict__ lengths, int* counts) {
        const int p = ${p}, part = ${part};
        const int length = lengths[p];
        ${on(
          pattern === "shared",
          `__shared__ unsigned char wanted[16];
          if (threadIdx.x < 16) wanted[threadIdx.x] = patterns[16 * p + threadIdx.x];
          __syncthreads();`,
        )}
        ${on(compare !== "letters", "const unsigned int* words = reinterpret_cast<const unsigned int*>(text);\nconst unsigned int* rows = reinterpret_cast<const unsigned int*>(patterns) + 4 * p;\nconst unsigned int head = rows[0];")}
        int total = 0;
        ${on(unroll, "#pragma unroll 4")}
        ${loop}
          ${test}
        }
        ${finish}
      }
    `;
    const grid: [number, number] = order === "pattern-outside" ? [chunks, 32] : [32, chunks];
    return styled(
      {
        source,
        launches: [lastLaunch(sizes), launch("count_pattern", grid, block, ["text", "patterns", "lengths", "counts"])],
      },
      { names: "snake", indent: 4 },
    );
  },
});

/** First four letters as a word, several places per thread. */
export const firstWords: Template = template({
  id: "first-words",
  from: "place-per-thread",
  idea: "Compare the first four letters of several neighbouring places as words before looking at the rest.",
  options: {
    test: ["each", "any", "vote"],
    verify: ["letters", "words"],
    heads: ["shared", "pairs"],
    counters: ["shared", "memory"],
    windows: ["array", "recomputed"],
    unroll: [false, true],
    amount: [4, 8, 16],
    block: [256, 128],
  },
  count: 26,
  write: ({ test, verify, heads, counters, windows, unroll, amount, block }, sizes) => {
    const { n = 0 } = sizes;
    const loads = amount / 4 + 1;
    const window = (k: number): string =>
      windows === "array"
        ? `window[${k}]`
        : `__funnelshift_r(v${Math.floor(k / 4)}, v${Math.floor(k / 4) + 1}, ${8 * (k % 4)})`;
    const check = (k: string, p: string): string => `
      if (rest_equals(text, at + ${k}, rows, sizes[${p}], ${p})) ${counters === "shared" ? `atomicAdd(&found[${p}], 1);` : `atomicAdd(&counts[${p}], 1);`}`;
    const all = (head: string, p: string): string => {
      const each = repeat(amount, (k) => `if (${window(k)} == ${head}) {\n${check(String(k), p)}\n}`);
      if (test === "each") return each;
      const any = Array.from({ length: amount }, (_, k) => `(${window(k)} == ${head})`).join(" | ");
      return test === "any" ? `if (${any}) {\n${each}\n}` : `if (__any_sync(0xffffffffu, ${any})) {\n${each}\n}`;
    };
    const loop =
      heads === "shared"
        ? `for (int p = 0; p < 32; ++p) {\nconst unsigned int head = heads[p];\n${all("head", "p")}\n}`
        : `for (int p = 0; p < 32; p += 2) {\nconst uint2 pair = *reinterpret_cast<const uint2*>(&heads[p]);\n${all("pair.x", "p")}\n${all("pair.y", "(p + 1)")}\n}`;
    const rest =
      verify === "letters"
        ? `
          const unsigned char* row = reinterpret_cast<const unsigned char*>(rows) + 16 * p;
          for (int k = 4; k < size; ++k) {
            if (text[at + k] != row[k]) return false;
          }
          return true;`
        : `
          const unsigned int* words = reinterpret_cast<const unsigned int*>(text);
          for (int k = 4; k < size; k += 4) {
            const unsigned int word = __funnelshift_r(words[(at + k) / 4], words[(at + k) / 4 + 1], 8 * (at & 3));
            const unsigned int mask = size - k >= 4 ? 0xffffffffu : (1u << 8 * (size - k)) - 1u;
            if (((word ^ rows[4 * p + k / 4]) & mask) != 0) return false;
          }
          return true;`;
    const source = `
      ${lastPlaces}
      // Whether the letters after the first four are those of pattern p.
      __device__ bool rest_equals(const unsigned char* text, int at, const unsigned int* rows, int size, int p) {
        ${rest}
      }

      extern "C" __global__ void count_by_words(const unsigned char* __restrict__ text, const unsigned char* __restrict__ patterns, const int* __restrict__ lengths, int* counts) {
        __shared__ __align__(8) unsigned int heads[32];
        __shared__ unsigned int rows[128];
        __shared__ int sizes[32];
        ${on(counters === "shared", "__shared__ int found[32];")}
        if (threadIdx.x < 128) rows[threadIdx.x] = reinterpret_cast<const unsigned int*>(patterns)[threadIdx.x];
        if (threadIdx.x < 32) {
          heads[threadIdx.x] = reinterpret_cast<const unsigned int*>(patterns)[4 * threadIdx.x];
          sizes[threadIdx.x] = lengths[threadIdx.x];
          ${on(counters === "shared", "found[threadIdx.x] = 0;")}
        }
        __syncthreads();
        const int thread = blockIdx.x * blockDim.x + threadIdx.x;
        // Places near the end belong to last_places; a thread past them repeats the last one without counting.
        const int at = min(thread * ${amount}, ${n - 16 - amount});
        const bool counted = thread * ${amount} == at;
        const unsigned int* from = reinterpret_cast<const unsigned int*>(text) + at / 4;
        ${repeat(loads, (k) => `const unsigned int v${k} = counted ? from[${k}] : 0u;`)}
        ${on(windows === "array", `unsigned int window[${amount}];\n${repeat(amount, (k) => `window[${k}] = __funnelshift_r(v${Math.floor(k / 4)}, v${Math.floor(k / 4) + 1}, ${8 * (k % 4)});`)}`)}
        ${unroll ? "#pragma unroll 4" : "#pragma unroll 1"}
        ${loop}
        ${on(counters === "shared", "__syncthreads();\nif (threadIdx.x < 32) atomicAdd(&counts[threadIdx.x], found[threadIdx.x]);")}
      }
    `;
    return styled(
      {
        source,
        launches: [
          lastLaunch(sizes),
          launch("count_by_words", n / amount / block, block, ["text", "patterns", "lengths", "counts"]),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});
