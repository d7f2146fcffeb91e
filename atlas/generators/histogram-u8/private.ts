import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { clearedFirst, clearing, eachByte, reader, typeOf, walkItems, widthOf } from "./parts.ts";

/** One table per warp, of words or of packed halves. */
export const warpPrivate: Template = template({
  id: "warp-private",
  from: "shared-atomics",
  idea: "Give each warp a table, so that only its own lanes collide.",
  options: {
    counter: ["word", "halves"],
    load: ["quad", "word", "pair"],
    extract: ["shift", "loop", "perm", "bytes", "consume"],
    walk: ["stride", "prefetch", "batch", "chunk"],
    merge: ["serial", "into-first", "quads"],
    read: ["plain", "ldg", "streaming"],
    zero: ["block", "warp"],
    tables: ["array", "pointer"],
    warps: [8, 16, 4, 32],
    perSm: [8, 4, 2],
  },
  valid: ({ warps, perSm, counter, merge }) =>
    warps * perSm >= 16 && warps * perSm <= 64 && (counter === "word" || merge !== "quads"),
  count: 31,
  write: ({ counter, load, extract, walk, merge, read, zero, tables, warps, perSm }, { n = 0 }) => {
    const halves = counter === "halves";
    const length = halves ? 128 : 256;
    const array = tables === "array";
    const own = array ? "tables[threadIdx.x / 32]" : "own";
    const cell = (w: string, j: string): string => (array ? `tables[${w}][${j}]` : `tables[(${w}) * LENGTH + ${j}]`);
    const add = (value: string): string =>
      halves
        ? `atomicAdd(&${own}[${value} >> 1], 1u << ((${value} & 1u) * 16u));`
        : `atomicAdd(&${own}[${value}], 1u);`;
    const flush = halves
      ? "atomicAdd(&bins[2 * j], low);\natomicAdd(&bins[2 * j + 1], high);"
      : "atomicAdd(&bins[j], total);";
    const gather = (w: string): string =>
      halves ? `low += ${cell(w, "j")} & 0xffffu;\nhigh += ${cell(w, "j")} >> 16;` : `total += ${cell(w, "j")};`;
    const start = halves ? "unsigned int low = 0u, high = 0u;" : "unsigned int total = 0u;";
    const merges = {
      serial: `for (int j = threadIdx.x; j < LENGTH; j += BLOCK) {
          ${start}
          for (int w = 0; w < WARPS; ++w) {
            ${gather("w")}
          }
          ${flush}
        }`,
      "into-first": `
        // Every warp adds a share of the tables' columns.
        for (int j = threadIdx.x; j < LENGTH; j += BLOCK) {
          ${start}
          #pragma unroll
          for (int w = WARPS - 1; w >= 0; --w) {
            ${gather("w")}
          }
          ${halves ? "if (low) atomicAdd(&bins[2 * j], low);\nif (high) atomicAdd(&bins[2 * j + 1], high);" : "if (total) atomicAdd(&bins[j], total);"}
        }`,
      quads: `for (int w = WARPS / 2; w > 0; w /= 2) {
          for (int j = threadIdx.x; j < w * 256; j += BLOCK) ${cell("j / 256", "j % 256")} += ${cell("j / 256 + w", "j % 256")};
          __syncthreads();
        }
        for (int j = threadIdx.x; j < 256; j += BLOCK) atomicAdd(&bins[j], ${cell("0", "j")});`,
    }[merge];
    const clear =
      zero === "block"
        ? `for (int j = threadIdx.x; j < WARPS * LENGTH; j += BLOCK) ${cell("j / LENGTH", "j % LENGTH")} = 0u;
        __syncthreads();`
        : `for (int j = threadIdx.x % 32; j < LENGTH; j += 32) ${cell("threadIdx.x / 32", "j")} = 0u;
        __syncwarp();`;
    const source = `
      #define WARPS ${warps}
      #define BLOCK (WARPS * 32)
      #define LENGTH ${length}
      #define COUNT ${n / widthOf[load]}

      ${clearing("clear_bins", "bins")}
      extern "C" __global__ void warp_tables(const ${typeOf[load]}* __restrict__ in, unsigned int* __restrict__ bins) {
        __shared__ unsigned int tables${array ? "[WARPS][LENGTH]" : "[WARPS * LENGTH]"};
        ${on(!array, "unsigned int* own = tables + threadIdx.x / 32 * LENGTH;")}
        ${clear}
        ${walkItems({ walk, load, read: reader(read), body: (item) => eachByte(load, extract, item, add) })}
        __syncthreads();
        ${merges}
      }
    `;
    return styled(clearedFirst(source, "clear_bins", "warp_tables", 132 * perSm, warps * 32), {
      names: "snake",
      indent: 2,
    });
  },
});

/** Byte counters of each thread's own, emptied before they can overflow. */
export const threadBytes: Template = template({
  id: "thread-bytes",
  from: "warp-private",
  idea: "Give every thread counters of one byte each, without atomics, and empty them before they overflow.",
  options: {
    place: ["rows", "bank-per-lane", "columns"],
    extract: ["shift", "loop", "perm", "bytes"],
    empty: ["masks", "bytes", "dot"],
    totals: ["registers", "shared"],
    loads: ["ahead", "each"],
    read: ["plain", "streaming"],
    items: [12, 8, 15],
    block: [128, 64],
    perSm: [6, 4, 3],
    unroll: [false, true],
  },
  valid: ({ place, empty }) => place !== "columns" || empty === "bytes",
  count: 31,
  write: ({ place, extract, empty, totals, loads, read, items, block, perSm, unroll }, { n = 0 }) => {
    const address = {
      rows: (v: string): string => `counts[${v} * BLOCK + t]`,
      "bank-per-lane": (v: string): string => `counts[${v} * BLOCK + slot]`,
      columns: (v: string): string => `counts[t * 260 + ${v}]`,
    }[place];
    const size = place === "columns" ? "BLOCK * 260" : "BLOCK * 256";
    const add = (value: string): string => `++${address(value)};`;
    const words = "reinterpret_cast<const unsigned int*>(counts)";
    const sums = {
      masks: `
          unsigned int even = 0u, odd = 0u;
          for (int j = 0; j < BLOCK / 4; ++j) {
            unsigned int four = ${words}[v * (BLOCK / 4) + (j + t) % (BLOCK / 4)];
            even += four & 0x00ff00ffu;
            odd += (four >> 8) & 0x00ff00ffu;
          }
          sum = (even & 0xffffu) + (even >> 16) + (odd & 0xffffu) + (odd >> 16);`,
      dot: `
          for (int j = 0; j < BLOCK / 4; ++j) sum = __dp4a(${words}[v * (BLOCK / 4) + (j + t) % (BLOCK / 4)], 0x01010101u, sum);`,
      bytes: `
          for (int j = 0; j < BLOCK; ++j) sum += ${place === "columns" ? "counts[j * 260 + v]" : "counts[v * BLOCK + (j + 4 * t) % BLOCK]"};`,
    }[empty];
    const keep = totals === "registers";
    const one = `if (index < COUNT) {
            uint4 item = ${reader(read)("in[index]")};
            ${eachByte("quad", extract, "item", add)}
          }`;
    const round =
      loads === "each"
        ? `for (int k = 0; k < ITEMS; ++k) {
          int index = base + k * BLOCK + t;
          ${one}
        }`
        : `uint4 next = make_uint4(0u, 0u, 0u, 0u);
        if (base + t < COUNT) next = ${reader(read)("in[base + t]")};
        ${on(unroll, "#pragma unroll\n")}for (int k = 0; k < ITEMS; ++k) {
          int index = base + k * BLOCK + t;
          uint4 item = next;
          if (k + 1 < ITEMS && index + BLOCK < COUNT) next = ${reader(read)("in[index + BLOCK]")};
          if (index < COUNT) {
            ${eachByte("quad", extract, "item", add)}
          }
        }`;
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int ITEMS = ${items};  // 16 bytes each: no counter exceeds ${items * 16}
      constexpr int COUNT = ${n / 16};

      ${clearing("clearBins", "bins")}
      extern "C" __global__ void byteCounters(const uint4* __restrict__ in, unsigned int* __restrict__ bins) {
        extern __shared__ __align__(16) unsigned char counts[];
        const int t = threadIdx.x;
        ${on(place === "bank-per-lane", "const int slot = (t % 32) * (BLOCK / 32) + t / 32;")}
        ${keep ? "unsigned int totals[256 / BLOCK] = {};" : "__shared__ unsigned int totals[256];\nfor (int v = t; v < 256; v += BLOCK) totals[v] = 0u;"}
        for (int base = blockIdx.x * BLOCK * ITEMS; base < COUNT; base += gridDim.x * BLOCK * ITEMS) {
          for (int j = t; j < (${size}) / 16; j += BLOCK) reinterpret_cast<uint4*>(counts)[j] = make_uint4(0u, 0u, 0u, 0u);
          __syncthreads();
          ${round}
          __syncthreads();
          ${on(keep, "#pragma unroll\n")}for (int q = 0; q < 256 / BLOCK; ++q) {
            const int v = q * BLOCK + t;
            unsigned int sum = 0u;
            ${sums}
            totals[${keep ? "q" : "v"}] += sum;
          }
          __syncthreads();
        }
        for (int q = 0; q < 256 / BLOCK; ++q) atomicAdd(&bins[q * BLOCK + t], totals[${keep ? "q" : "q * BLOCK + t"}]);
      }
    `;
    const bytes = place === "columns" ? block * 260 : block * 256;
    return styled(clearedFirst(source, "clearBins", "byteCounters", 132 * perSm, block, bytes), {
      names: "camel",
      indent: 2,
    });
  },
});

/** Each thread counts the occurrences of one value in a tile that all of them read. */
export const threadPerBin: Template = template({
  id: "thread-per-bin",
  from: "shared-atomics",
  idea: "Stage a tile and let each of 256 threads count its own value in it, without atomics on the table.",
  options: {
    compare: ["bytes", "simd", "zero-test"],
    staged: [true, false],
    tileLoad: ["quad", "word"],
    accumulate: ["one", "two"],
    unroll: ["none", "four", "eight"],
    walk: ["stride", "chunk"],
    tile: [4096, 2048, 8192],
    grid: [1056, 528, 2112],
  },
  valid: ({ staged, tileLoad }) => staged || tileLoad === "word",
  count: 18,
  write: ({ compare, staged, tileLoad, accumulate, unroll, walk, tile, grid }, { n = 0 }) => {
    const two = accumulate === "two";
    const into = (k: number): string => (two && k % 2 === 1 ? "more" : "mine");
    const count = (word: string, k: number): string =>
      ({
        bytes: repeat(4, (b) => `${into(b)} += ((${word} >> ${8 * b}) & 255u) == value;`),
        simd: `${into(k)} += __popc(__vcmpeq4(${word}, pattern)) >> 3;`,
        "zero-test": `{
            unsigned int d = ${word} ^ pattern;
            ${into(k)} += 4 - __popc((((d & 0x7f7f7f7fu) + 0x7f7f7f7fu) | d) & 0x80808080u);
          }`,
      })[compare];
    const pragma = { none: "", four: "#pragma unroll 4\n", eight: "#pragma unroll 8\n" }[unroll];
    const stage =
      tileLoad === "quad"
        ? "for (int j = threadIdx.x; j < TILE / 16; j += 256) reinterpret_cast<uint4*>(tile)[j] = reinterpret_cast<const uint4*>(words)[j];"
        : "for (int j = threadIdx.x; j < TILE / 4; j += 256) tile[j] = words[j];";
    const inner = two
      ? `${pragma}for (int j = 0; j < TILE / 4; j += 2) {
            unsigned int w = from[j], u = from[j + 1];
            ${count("w", 0)}
            ${count("u", 1)}
          }`
      : `${pragma}for (int j = 0; j < TILE / 4; ++j) {
            unsigned int w = from[j];
            ${count("w", 0)}
          }`;
    const loop =
      walk === "stride"
        ? "for (int number = blockIdx.x; number < TILES; number += gridDim.x)"
        : "for (int number = (long long)blockIdx.x * TILES / gridDim.x; number < (long long)(blockIdx.x + 1) * TILES / gridDim.x; ++number)";
    const source = `
      #define TILE ${tile}
      #define TILES ${n / tile}

      ${clearing("start_counts", "bins")}
      extern "C" __global__ void value_per_thread(const unsigned int* __restrict__ x, unsigned int* __restrict__ bins) {
        ${on(staged, "__shared__ __align__(16) unsigned int tile[TILE / 4];")}
        const unsigned int value = threadIdx.x;
        ${on(compare !== "bytes", "const unsigned int pattern = value * 0x01010101u;")}
        unsigned int mine = 0u${on(two, ", more = 0u")};
        ${loop} {
          const unsigned int* words = x + (size_t)number * (TILE / 4);
          ${on(staged, `${stage}\n__syncthreads();`)}
          const unsigned int* from = ${staged ? "tile" : "words"};
          ${inner}
          ${on(staged, "__syncthreads();")}
        }
        atomicAdd(bins + value, mine${on(two, " + more")});
      }
    `;
    const launches = [launch("start_counts", 1, 256, ["bins"]), launch("value_per_thread", grid, 256, ["x", "bins"])];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
