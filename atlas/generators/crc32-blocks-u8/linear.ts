import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bitStep, hexadecimal, multiply, power, sharedTables, takeWord, warpXor } from "./words.ts";

/** Every bit of the data contributes a constant; a thread keeps the constants of one word's bits. */
export const bitConstants: Template = template({
  id: "bit-constants",
  from: "segments-on-lanes",
  idea: "The remainder is linear: keep the contribution of each bit of a word in registers and add those of the set bits.",
  options: {
    choose: ["mask", "signed", "branch", "select"],
    together: [4, 1, 8],
    reduce: ["redux", "xor", "down"],
    ends: ["shared", "atomic", "pair"],
    product: ["loop", "unrolled", "early"],
    sums: ["one", "two"],
    start: ["power", "walk"],
    resident: [4, 2, 8],
    bounds: [false, true],
  },
  count: 25,
  write: ({ choose, together, reduce, ends, product, sums, start, resident, bounds }, { blocks = 0, length = 0 }) => {
    const words = length / 4;
    const into = (i: string): string => (sums === "two" ? `sum[${i} & 1]` : "sum");
    const add = {
      mask: `${into("i")} ^= constants[i] & (0u - ((word >> i) & 1u));`,
      signed: `${into("i")} ^= constants[i] & (unsigned int)((int)(word << (31 - i)) >> 31);`,
      branch: `if (word & (1u << i)) ${into("i")} ^= constants[i];`,
      select: `${into("i")} ^= (word >> i) & 1u ? constants[i] : 0u;`,
    }[choose];
    const first =
      start === "power"
        ? `
        unsigned int v = 0x80000000u;
        unsigned int square = ${hexadecimal(power(32))};
        for (int e = WORDS - threadIdx.x; e > 0; e >>= 1) {
          if (e & 1) v = multiply(v, square);
          square = multiply(square, square);
        }`
        : `
        unsigned int v = 0x80000000u;
        for (int e = threadIdx.x; e < WORDS; ++e) v = multiply(v, ${hexadecimal(power(32))});`;
    const sumOf = sums === "two" ? "sum[0] ^ sum[1]" : "sum";
    const source = `
      #define POLY 0xedb88320u
      #define WORDS ${words}
      #define TOGETHER ${together}

      ${multiply(product)}
      ${warpXor(reduce)}
      ${on(ends === "atomic", 'extern "C" __global__ void all_ones(unsigned int* crc) {\ncrc[blockIdx.x * blockDim.x + threadIdx.x] = 0xffffffffu;\n}')}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(WORDS) ")}crc_constants(const unsigned int* __restrict__ data, unsigned int* crc, int blocks) {
        ${on(ends !== "atomic", "__shared__ unsigned int found[TOGETHER][WORDS / 32];")}
        ${first}
        unsigned int constants[32];
        #pragma unroll
        for (int i = 31; i >= 0; --i) {
          constants[i] = v;
          ${bitStep("mask", "v")}
        }
        for (int block = blockIdx.x * TOGETHER; block < blocks; block += gridDim.x * TOGETHER) {
          #pragma unroll
          for (int u = 0; u < TOGETHER; ++u) {
            unsigned int word = data[(size_t)(block + u) * WORDS + threadIdx.x];
            if (threadIdx.x == 0) word = ~word;
            unsigned int sum${sums === "two" ? "[2] = {0u, 0u}" : " = 0u"};
            #pragma unroll
            for (int i = 0; i < 32; ++i) {
              ${add}
            }
            unsigned int all = warp_xor(${sumOf});
            ${ending[ends]}
        }
      }
    `;
    const launches = [
      ...(ends === "atomic" ? [launch("all_ones", blocks / 256, 256, ["crc"])] : []),
      launch("crc_constants", 132 * resident, words, ["data", "crc", { i32: blocks }]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

/** Closes the loop over the blocks at hand and stores what the warps found. */
const ending = {
  shared: `
        if (threadIdx.x % 32 == 0) found[u][threadIdx.x / 32] = all;
      }
      __syncthreads();
      if (threadIdx.x < TOGETHER) {
        unsigned int r = 0;
        for (int w = 0; w < WORDS / 32; ++w) r ^= found[threadIdx.x][w];
        crc[block + threadIdx.x] = ~r;
      }
      __syncthreads();`,
  pair: `
        if (threadIdx.x % 32 == 0) found[u][threadIdx.x / 32] = all;
      }
      __syncthreads();
      for (int u = threadIdx.x / 32; u < TOGETHER; u += WORDS / 32) {
        unsigned int r = threadIdx.x % 32 < WORDS / 32 ? found[u][threadIdx.x % 32] : 0u;
        r = warp_xor(r);
        if (threadIdx.x % 32 == 0) crc[block + u] = ~r;
      }
      __syncthreads();`,
  atomic: `
        if (threadIdx.x % 32 == 0) atomicXor(crc + block + u, all);
      }`,
};

/** A thread block per block of data; remainders combine in shared memory. */
export const blockTree: Template = template({
  id: "tree-in-shared",
  from: "segments-on-lanes",
  idea: "Let a thread block handle one block of data and combine the remainders in a tree in shared memory.",
  options: {
    threads: [64, 128, 256, 32],
    form: ["mask", "slice", "bytes", "nibbles", "branch"],
    pairs: ["modulo", "compact"],
    shift: ["constants", "squares"],
    product: ["loop", "unrolled", "early"],
    volume: ["one", "loop"],
    staged: [false, true],
  },
  count: 24,
  write: ({ threads, form, pairs, shift, product, volume, staged }, { blocks = 0, length = 0 }) => {
    const words = length / 4 / threads;
    const levels = Math.log2(threads);
    const shifts = Array.from({ length: levels }, (_, k) => hexadecimal(power(32 * words * 2 ** k)));
    const factor = shift === "constants" ? "shifts[level]" : "square";
    const pair =
      pairs === "modulo"
        ? `
        if (threadIdx.x % (2 << level) == 0) {
          sums[threadIdx.x] = multiply(sums[threadIdx.x], ${factor}) ^ sums[threadIdx.x + (1 << level)];
        }`
        : `
        int left = threadIdx.x << (level + 1);
        if (left < THREADS) sums[left] = multiply(sums[left], ${factor}) ^ sums[left + (1 << level)];`;
    const from = staged
      ? "staged[threadIdx.x * WORDS + i]"
      : "data[((size_t)block * THREADS + threadIdx.x) * WORDS + i]";
    const body = `
      ${on(staged, "for (int i = threadIdx.x; i < THREADS * WORDS; i += THREADS) staged[i] = data[(size_t)block * THREADS * WORDS + i];\n__syncthreads();")}
      unsigned int r = threadIdx.x == 0 ? 0xffffffffu : 0u;
      for (int i = 0; i < WORDS; ++i) r = take_word(r, ${from}, table);
      sums[threadIdx.x] = r;
      __syncthreads();
      ${on(shift === "squares", `unsigned int square = ${hexadecimal(power(32 * words))};`)}
      for (int level = 0; level < LEVELS; ++level) {
        ${pair}
        ${on(shift === "squares", "square = multiply(square, square);")}
        __syncthreads();
      }
      if (threadIdx.x == 0) crc[block] = ~sums[0];`;
    const source = `
      constexpr unsigned int POLY = 0xedb88320u;
      constexpr int THREADS = ${threads};
      constexpr int WORDS = ${words};
      constexpr int LEVELS = ${levels};

      ${on(shift === "constants", `__constant__ unsigned int shifts[LEVELS] = {\n${shifts.join(", ")}\n};`)}
      ${takeWord(form)}
      ${multiply(product)}
      extern "C" __global__ void crc_tree(const unsigned int* __restrict__ data, unsigned int* __restrict__ crc, int blocks) {
        __shared__ unsigned int sums[THREADS];
        ${on(staged, "__shared__ unsigned int staged[THREADS * WORDS];")}
        ${sharedTables(form, threads)}
        ${
          volume === "loop"
            ? `for (int block = blockIdx.x; block < blocks; block += gridDim.x) {\n${body}\n__syncthreads();\n}`
            : `const int block = blockIdx.x;\n${body}`
        }
      }
    `;
    const grid = volume === "loop" ? 132 * 8 : blocks;
    return styled(
      { source, launches: [launch("crc_tree", grid, threads, ["data", "crc", { i32: blocks }])] },
      { names: "snake", indent: 4 },
    );
  },
});

/** A table of 65536 remainders in global memory: two bytes per lookup. */
export const halfWords: Template = template({
  id: "half-word-table",
  from: "byte-table",
  idea: "Build a table for all pairs of bytes in global memory and look up two bytes at a time.",
  options: {
    load: ["ldg", "plain", "restrict"],
    read: ["words", "pairs", "quads", "halves"],
    build: ["steps", "products", "bytes"],
    rolled: [false, true],
    both: ["after", "ahead"],
    block: [128, 64, 256],
    volume: ["one", "loop"],
  },
  valid: ({ read, both }) => read !== "halves" || both === "after",
  count: 22,
  write: ({ load, read, build, rolled, both, block, volume }, { blocks = 0, length = 0 }) => {
    const entry = (index: string): string => (load === "ldg" ? `__ldg(lookup + (${index}))` : `lookup[${index}]`);
    const eat = (word: string): string =>
      both === "after"
        ? `
        r ^= ${word};
        r = (r >> 16) ^ ${entry("r & 0xffffu")};
        r = (r >> 16) ^ ${entry("r & 0xffffu")};`
        : `
        {
          unsigned int low = ${entry(`(r ^ ${word}) & 0xffffu`)};
          unsigned int high = (r ^ ${word}) >> 16;
          r = (low >> 16) ^ ${entry("(low & 0xffffu) ^ high")};
        }`;
    const type = { words: "unsigned int", pairs: "uint2", quads: "uint4", halves: "unsigned short" }[read];
    const size = { words: 4, pairs: 8, quads: 16, halves: 2 }[read];
    const line = {
      words: eat("in[i]"),
      pairs: `uint2 v = in[i];\n${eat("v.x")}\n${eat("v.y")}`,
      quads: `uint4 v = in[i];\n${["x", "y", "z", "w"].map((part) => eat(`v.${part}`)).join("\n")}`,
      halves: `r = (r >> 16) ^ ${entry("(r ^ in[i]) & 0xffffu")};`,
    }[read];
    const fill = {
      steps: `unsigned int v = j;\nfor (int bit = 0; bit < 16; ++bit) ${bitStep("select", "v")}`,
      products: `unsigned int v = multiply(j, ${hexadecimal(power(16))});`,
      bytes: `
        unsigned int low = j & 255u, high = j >> 8;
        for (int bit = 0; bit < 8; ++bit) ${bitStep("mask", "low")}
        unsigned int v = (low ^ high) & 255u;
        for (int bit = 0; bit < 8; ++bit) ${bitStep("mask", "v")}
        v ^= low >> 8;`,
    }[build];
    const body = `
      const ${type}* in = reinterpret_cast<const ${type}*>(data + (size_t)block * ${length});
      unsigned int r = 0xffffffffu;
      ${on(rolled, "#pragma unroll 1")}
      for (int i = 0; i < ${length / size}; ++i) {
        ${line}
      }
      crc[block] = ~r;`;
    const source = `
      #define POLY 0xedb88320u

      ${on(build === "products", multiply("loop"))}
      extern "C" __global__ void make_lookup(unsigned int* lookup) {
        unsigned int j = blockIdx.x * blockDim.x + threadIdx.x;
        ${fill}
        lookup[j] = v;
      }

      extern "C" __global__ void crc_halves(const unsigned char* data, const unsigned int* ${on(load === "restrict", "__restrict__ ")}lookup, unsigned int* ${on(load === "restrict", "__restrict__ ")}crc, int blocks) {
        ${
          volume === "loop"
            ? `for (int block = blockIdx.x * ${block} + threadIdx.x; block < blocks; block += gridDim.x * ${block}) {\n${body}\n}`
            : `int block = blockIdx.x * ${block} + threadIdx.x;\n${body}`
        }
      }
    `;
    const launches = [
      launch("make_lookup", 256, 256, ["lookup"]),
      launch("crc_halves", blocks / block / (volume === "loop" ? 2 : 1), block, [
        "data",
        "lookup",
        "crc",
        { i32: blocks },
      ]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
