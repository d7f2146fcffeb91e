import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import {
  buffers,
  countersEnd,
  countersStart,
  countOne,
  encoder,
  lastLaunch,
  lastPlaces,
  pointers,
  wantedCodes,
  windowAt,
  wordsOf,
} from "./shared.ts";

/** Windows of two-bit letters against every pattern. */
export const packedWindows: Template = template({
  id: "packed-windows",
  from: "first-words",
  idea: "Encode letters in two bits, so that a window of 16 letters is one word and a comparison is one masked difference.",
  options: {
    source: ["direct", "shuffle", "staged"],
    encode: ["product", "shifts", "letters"],
    prepare: ["letters", "vector"],
    gather: ["lane", "votes", "if-any", "each"],
    windows: ["array", "recomputed"],
    counters: ["block", "warp", "memory"],
    unroll: [1, 2, 4],
    block: [256, 128, 512],
  },
  count: 25,
  write: ({ source, encode, prepare, gather, windows, counters, unroll, block }, sizes) => {
    const words = (sizes["n"] ?? 0) / 16;
    const window = (k: string): string => (windows === "array" ? `window[${k}]` : windowAt(k));
    const equal = (k: string): string => `((${window(k)} ^ pattern.x) & pattern.y) == 0`;
    const sum = `
      int number = 0;
      #pragma unroll
      for (int k = 0; k < 16; ++k) number += ${equal("k")} ? 1 : 0;
      if (!valid) number = 0;`;
    const body = {
      lane: `
        ${sum}
        number = __reduce_add_sync(0xffffffffu, number);
        if ((threadIdx.x & 31) == p) mine = number;`,
      votes: `
        int number = 0;
        #pragma unroll
        for (int k = 0; k < 16; ++k) number += __popc(__ballot_sync(0xffffffffu, valid && ${equal("k")}));
        if ((threadIdx.x & 31) == p) mine = number;`,
      "if-any": `
        ${sum}
        if (number != 0) ${countOne(counters, "p", "number")}`,
      each: `
        #pragma unroll
        for (int k = 0; k < 16; ++k) {
          if (valid && ${equal("k")}) ${countOne(counters, "p")}
        }`,
    }[gather];
    const held = gather === "lane" || gather === "votes";
    const text = `
      ${encoder(encode)}
      ${lastPlaces}
      extern "C" __global__ void count_windows(${pointers}) {
        __shared__ uint2 wanted[32];
        ${countersStart(counters, block)}
        ${wantedCodes(prepare)}
        __syncthreads();
        ${wordsOf(source, block, words)}
        ${on(windows === "array", `unsigned int window[16];\n#pragma unroll\nfor (int k = 0; k < 16; ++k) window[k] = ${windowAt("k")};`)}
        ${on(held, "int mine = 0;")}
        #pragma unroll ${unroll}
        for (int p = 0; p < 32; ++p) {
          const uint2 pattern = wanted[p];
          ${body}
        }
        ${on(held, countOne(counters, "threadIdx.x & 31", "mine"))}
        ${countersEnd(counters, block)}
      }
    `;
    return styled(
      { source: text, launches: [lastLaunch(sizes), launch("count_windows", words / block, block, buffers)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** How a lane counts a window that its pattern may begin. */
function laneTally(add: "select" | "branch" | "minimum"): string {
  return {
    select: "total += ((window ^ pattern.x) & pattern.y) == 0 ? 1 : 0;",
    branch: "if (((window ^ pattern.x) & pattern.y) == 0) ++total;",
    minimum: "missed += min((window ^ pattern.x) & pattern.y, 1u);",
  }[add];
}

/** Lanes hold the patterns. */
export const lanePatterns: Template = template({
  id: "lane-patterns",
  from: "packed-windows",
  idea: "Let each lane of a warp hold one pattern and count in a register while the warp walks over the text.",
  options: {
    feed: ["shuffle", "staged", "uniform"],
    encode: ["product", "shifts", "letters"],
    add: ["select", "branch", "minimum"],
    finish: ["memory", "block"],
    walk: ["chunk", "strided"],
    unroll: [false, true],
    prepare: ["letters", "vector"],
    block: [256, 128],
    blocks: [2048, 1024, 4096],
  },
  count: 23,
  write: ({ feed, encode, add, finish, walk, unroll, prepare, block, blocks }, sizes) => {
    const words = (sizes["n"] ?? 0) / 16;
    const warps = (blocks * block) / 32;
    const rounds = words / 32 / warps;
    const read = (index: string): string => `code16(reinterpret_cast<const uint4*>(text)[${index}])`;
    const windows = `
      #pragma unroll
      for (int k = 0; k < 16; ++k) {
        const unsigned int window = ${windowAt("k")};
        ${laneTally(add)}
      }
      ${on(add === "minimum", "tried += 16;")}`;
    const last = `if (32 * group + j == ${words - 1}) break;`;
    const pragma = unroll ? "#pragma unroll 4" : "#pragma unroll 1";
    const body = {
      shuffle: `
        const unsigned int code = ${read("32 * group + lane")};
        const unsigned int beyond = ${read(`min(32 * group + 32, ${words - 1})`)};
        ${pragma}
        for (int j = 0; j < 32; ++j) {
          ${last}
          const unsigned int low = __shfl_sync(0xffffffffu, code, j);
          const unsigned int next = __shfl_sync(0xffffffffu, code, j + 1);
          const unsigned int high = j == 31 ? beyond : next;
          ${windows}
        }`,
      staged: `
        unsigned int* row = staged[threadIdx.x / 32];
        __syncwarp();
        row[lane] = ${read("32 * group + lane")};
        if (lane == 0) row[32] = ${read(`min(32 * group + 32, ${words - 1})`)};
        __syncwarp();
        ${pragma}
        for (int j = 0; j < 32; ++j) {
          ${last}
          const unsigned int low = row[j], high = row[j + 1];
          ${windows}
        }`,
      uniform: `
        unsigned int low = ${read("32 * group")};
        ${pragma}
        for (int j = 0; j < 32; ++j) {
          ${last}
          const unsigned int high = ${read(`min(32 * group + j + 1, ${words - 1})`)};
          ${windows}
          low = high;
        }`,
    }[feed];
    const total = add === "minimum" ? "(int)(tried - missed)" : "total";
    const text = `
      ${encoder(encode)}
      ${lastPlaces}
      extern "C" __global__ void lanes_count(${pointers}) {
        __shared__ uint2 wanted[32];
        ${on(feed === "staged", `__shared__ unsigned int staged[${block / 32}][33];`)}
        ${on(finish === "block", countersStart("block", block))}
        ${wantedCodes(prepare)}
        __syncthreads();
        const int lane = threadIdx.x & 31;
        const int warp = (blockIdx.x * ${block} + threadIdx.x) / 32;
        const uint2 pattern = wanted[lane];
        ${add === "minimum" ? "unsigned int tried = 0, missed = 0;" : "int total = 0;"}
        for (int round = 0; round < ${rounds}; ++round) {
          const int group = ${walk === "chunk" ? `warp * ${rounds} + round` : `round * ${warps} + warp`};
          ${body}
        }
        ${
          finish === "block"
            ? `atomicAdd(&found[0][lane], ${total});\n${countersEnd("block", block)}`
            : `atomicAdd(&counts[lane], ${total});`
        }
      }
    `;
    return styled(
      { source: text, launches: [lastLaunch(sizes), launch("lanes_count", blocks, block, buffers)] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Adds the count of a block's pattern g to memory. */
function addTotals(reduce: "instruction" | "shuffle" | "atomic", g: number): string {
  return {
    instruction: `
          total${g} = __reduce_add_sync(0xffffffffu, total${g});
          if ((threadIdx.x & 31) == 0) atomicAdd(&counts[p + ${g}], total${g});`,
    shuffle: `
          for (int step = 16; step > 0; step >>= 1) total${g} += __shfl_xor_sync(0xffffffffu, total${g}, step);
          if (threadIdx.x % 32 == 0) atomicAdd(&counts[p + ${g}], total${g});`,
    atomic: `if (total${g}) atomicAdd(&counts[p + ${g}], total${g});`,
  }[reduce];
}

/** Encoded text through memory, a pattern per block. */
export const packFirst: Template = template({
  id: "pack-first",
  from: "packed-windows",
  idea: "Write the text in two bits a letter in a launch of its own and let blocks of one or two patterns read that.",
  options: {
    encode: ["product", "shifts", "letters"],
    group: ["one", "two", "four"],
    reduce: ["instruction", "shuffle", "atomic"],
    next: ["reload", "shuffle", "carried"],
    sum: ["select", "branch"],
    pack: ["word", "loop"],
    block: [256, 128, 512],
    chunks: [512, 256, 1024],
  },
  count: 24,
  write: ({ encode, group, reduce, next, sum, pack, block, chunks }, sizes) => {
    const words = (sizes["n"] ?? 0) / 16;
    const each = { one: 1, two: 2, four: 4 }[group];
    const chunk = words / chunks;
    const run = chunk / block;
    const tally = repeat(each, (g) =>
      sum === "select"
        ? `total${g} += ((window ^ code${g}) & mask${g}) == 0;`
        : `if (((window ^ code${g}) & mask${g}) == 0) ++total${g};`,
    );
    const windows = `
      #pragma unroll
      for (int k = 0; k < 16; ++k) {
        const unsigned int window = ${windowAt("k")};
        ${tally}
      }`;
    const walk = {
      reload: `
        for (int w = first + threadIdx.x; w < min(first + ${chunk}, ${words - 1}); w += ${block}) {
          const unsigned int low = codes[w], high = codes[w + 1];
          ${windows}
        }`,
      shuffle: `
        for (int w = first + threadIdx.x; w < first + ${chunk}; w += ${block}) {
          const unsigned int low = codes[w];
          unsigned int high = __shfl_down_sync(0xffffffffu, low, 1);
          if (w == ${words - 1}) break;
          if (threadIdx.x % 32 == 31) high = codes[w + 1];
          ${windows}
        }`,
      carried: `
        const int start = first + threadIdx.x * ${run};
        unsigned int low = codes[start];
        for (int w = start; w < min(start + ${run}, ${words - 1}); ++w) {
          const unsigned int high = codes[w + 1];
          ${windows}
          low = high;
        }`,
    }[next];
    const text = `
      ${encoder(encode)}
      ${lastPlaces}
      extern "C" __global__ void encode_text(const uint4* __restrict__ text, unsigned int* __restrict__ codes) {
        ${
          pack === "word"
            ? "const int w = blockIdx.x * blockDim.x + threadIdx.x;\ncodes[w] = code16(text[w]);"
            : `for (int w = blockIdx.x * blockDim.x + threadIdx.x; w < ${words}; w += gridDim.x * blockDim.x) codes[w] = code16(text[w]);`
        }
      }

      extern "C" __global__ void count_codes(const unsigned int* __restrict__ codes, const unsigned char* __restrict__ patterns, const int* __restrict__ lengths, int* counts) {
        const int p = blockIdx.y * ${each};
        const int first = blockIdx.x * ${chunk};
        ${repeat(
          each,
          (g) => `
        const unsigned int mask${g} = lengths[p + ${g}] == 16 ? 0xffffffffu : (1u << 2 * lengths[p + ${g}]) - 1u;
        const unsigned int code${g} = code16(reinterpret_cast<const uint4*>(patterns)[p + ${g}]) & mask${g};
        int total${g} = 0;`,
        )}
        ${walk}
        ${repeat(each, (g) => addTotals(reduce, g))}
      }
    `;
    return styled(
      {
        source: text,
        launches: [
          lastLaunch(sizes),
          launch("encode_text", pack === "word" ? words / 256 : 1056, 256, ["text", "work"]),
          launch("count_codes", [chunks, 32 / each], block, ["work", "patterns", "lengths", "counts"]),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});
