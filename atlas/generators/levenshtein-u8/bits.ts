import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { addWords, columnEnd, columnStart, columnStep } from "./cells.ts";

/** Bit-parallel columns: a table's column in two words, positions of the four symbols in further ones. */
export const bitColumns: Template = template({
  id: "bit-columns",
  from: "rows-in-local-memory",
  idea: "Hold the differences of a column in two 64-bit words and advance a whole column by a few word operations.",
  options: {
    held: ["local", "select", "planes", "shared"],
    read: ["bytes", "words", "quads"],
    score: ["count", "shift", "branch", "ternary"],
    add: ["plain", "halves"],
    block: [128, 64, 256],
    unroll: [false, true],
    build: ["ternary", "shifted"],
  },
  count: 31,
  write: ({ held, read, score, add, block, unroll, build }, { pairs = 0 }) => {
    const entry = (k: string): string => (held === "shared" ? `places[${k}][threadIdx.x]` : `places[${k}]`);
    const bit = (condition: string): string =>
      build === "ternary" ? `(${condition} ? 1ull << i : 0ull)` : `((unsigned long long)(${condition}) << i)`;
    const note = {
      local: `${entry("s & 3")} |= 1ull << i;`,
      shared: `${entry("s & 3")} |= 1ull << i;`,
      select: `
        place0 |= ${bit("s == 0")};
        place1 |= ${bit("s == 1")};
        place2 |= ${bit("s == 2")};
        place3 |= ${bit("s == 3")};`,
      planes: `low |= ${bit("(s & 1) != 0")};\nhigh |= ${bit("(s & 2) != 0")};`,
    }[held];
    const start = {
      local: "unsigned long long places[4] = {0ull, 0ull, 0ull, 0ull};",
      shared: `
        __shared__ unsigned long long places[4][${block}];
        for (int k = 0; k < 4; ++k) places[k][threadIdx.x] = 0ull;`,
      select: "unsigned long long place0 = 0, place1 = 0, place2 = 0, place3 = 0;",
      planes: "unsigned long long low = 0, high = 0;",
    }[held];
    const equal = {
      local: "places[s & 3]",
      shared: entry("s & 3"),
      select: "s < 2 ? (s == 0 ? place0 : place1) : (s == 2 ? place2 : place3)",
      planes: "~((low ^ (s & 1 ? ~0ull : 0ull)) | (high ^ (s & 2 ? ~0ull : 0ull)))",
    }[held];
    const walk = (from: string, body: string, pragma: string): string => {
      if (read === "bytes") {
        return `${pragma}\nfor (int i = 0; i < 64; ++i) {\nint s = ${from}[(size_t)pair * 64 + i];\n${body}\n}`;
      }
      const four = (word: string, base: string): string => `
        {
          unsigned int word = ${word};
          #pragma unroll
          for (int i = ${base}; i < ${base} + 4; ++i) {
            int s = word & 255u;
            word >>= 8;
            ${body}
          }
        }`;
      if (read === "words") {
        return `${pragma}\nfor (int w = 0; w < 16; ++w) {\n${four(`reinterpret_cast<const unsigned int*>(${from})[(size_t)pair * 16 + w]`, "4 * w")}\n}`;
      }
      return `
        ${pragma}
        for (int w = 0; w < 4; ++w) {
          uint4 quad = reinterpret_cast<const uint4*>(${from})[(size_t)pair * 4 + w];
          ${["x", "y", "z", "w"].map((part, k) => four(`quad.${part}`, `16 * w + ${4 * k}`)).join("\n")}
        }`;
    };
    const source = `
      ${addWords(add)}
      extern "C" __global__ void distance_bits(const unsigned char* __restrict__ a, const unsigned char* __restrict__ b, int* __restrict__ distance) {
        const int pair = blockIdx.x * ${block} + threadIdx.x;
        ${start}
        ${walk("a", note, on(unroll, "#pragma unroll 2"))}
        ${columnStart(score)}
        ${walk("b", `unsigned long long equal = ${equal};\n${columnStep(score)}`, unroll ? "#pragma unroll 2" : "#pragma unroll 1")}
        distance[pair] = ${columnEnd(score)};
      }
    `;
    return styled(
      { source, launches: [launch("distance_bits", pairs / block, block, ["a", "b", "distance"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Bit planes of 64 symbols from memory: `low` and `high` of the four strings' planes. */
function planesOf(gather: "votes" | "shared" | "direct" | "shared-bytes"): string {
  if (gather === "votes") {
    return `
      __device__ __forceinline__ void read_planes(const unsigned char* strings, int first, unsigned long long& low, unsigned long long& high) {
        const int lane = threadIdx.x & 31;
        for (int p = 0; p < 32; ++p) {
          const unsigned char* string = strings + (size_t)(first + p) * 64;
          int s = string[lane], u = string[lane + 32];
          unsigned int s0 = __ballot_sync(0xffffffffu, s & 1), s1 = __ballot_sync(0xffffffffu, s & 2);
          unsigned int u0 = __ballot_sync(0xffffffffu, u & 1), u1 = __ballot_sync(0xffffffffu, u & 2);
          if (lane == p) {
            low = s0 | ((unsigned long long)u0 << 32);
            high = s1 | ((unsigned long long)u1 << 32);
          }
        }
      }
    `;
  }
  const squeeze = `
    // The lowest bits of four bytes, next to each other.
    __device__ __forceinline__ unsigned long long squeeze(unsigned int word) {
      return ((word & 0x01010101u) * 0x10204080u) >> 28;
    }
  `;
  if (gather === "direct") {
    return `
      ${squeeze}
      __device__ __forceinline__ void read_planes(const unsigned char* strings, int first, unsigned long long& low, unsigned long long& high) {
        const uint4* in = reinterpret_cast<const uint4*>(strings) + (size_t)(first + (threadIdx.x & 31)) * 4;
        low = high = 0;
        #pragma unroll
        for (int k = 0; k < 4; ++k) {
          uint4 v = in[k];
          low |= (squeeze(v.x) | (squeeze(v.y) << 4) | (squeeze(v.z) << 8) | (squeeze(v.w) << 12)) << (16 * k);
          high |= (squeeze(v.x >> 1) | (squeeze(v.y >> 1) << 4) | (squeeze(v.z >> 1) << 8) | (squeeze(v.w >> 1) << 12)) << (16 * k);
        }
      }
    `;
  }
  const one =
    gather === "shared"
      ? `
        unsigned int word = staged[threadIdx.x / 32][lane][k];
        low |= squeeze(word) << (4 * k);
        high |= squeeze(word >> 1) << (4 * k);`
      : `
        unsigned int word = staged[threadIdx.x / 32][lane][k];
        #pragma unroll
        for (int j = 0; j < 4; ++j) {
          low |= (unsigned long long)((word >> (8 * j)) & 1u) << (4 * k + j);
          high |= (unsigned long long)((word >> (8 * j + 1)) & 1u) << (4 * k + j);
        }`;
  return `
    ${on(gather === "shared", squeeze)}
    __device__ __forceinline__ void read_planes(const unsigned char* strings, int first, unsigned long long& low, unsigned long long& high) {
      __shared__ unsigned int staged[BLOCK / 32][32][17];
      const int lane = threadIdx.x & 31;
      const unsigned int* in = reinterpret_cast<const unsigned int*>(strings) + (size_t)first * 16;
      __syncwarp();
      for (int k = lane; k < 512; k += 32) staged[threadIdx.x / 32][k / 16][k % 16] = in[k];
      __syncwarp();
      low = high = 0;
      #pragma unroll
      for (int k = 0; k < 16; ++k) {
        ${one}
      }
    }
  `;
}

type Pick = "negate" | "select" | "signed";

/** Positions equal to symbol i of the text, whose bits are in `text_low` and `text_high`. */
function equalTo(pick: Pick): string {
  if (pick === "negate") {
    return `
      unsigned long long first_bit = 0ull - (text_low & 1ull), second_bit = 0ull - (text_high & 1ull);
      text_low >>= 1;
      text_high >>= 1;
      unsigned long long equal = ~((low ^ first_bit) | (high ^ second_bit));`;
  }
  if (pick === "signed") {
    return `
      unsigned long long first_bit = (unsigned long long)((long long)(text_low << (63 - i)) >> 63);
      unsigned long long second_bit = (unsigned long long)((long long)(text_high << (63 - i)) >> 63);
      unsigned long long equal = ~((low ^ first_bit) | (high ^ second_bit));`;
  }
  return `
    unsigned long long equal = (text_low >> i) & 1ull ? low : ~low;
    equal &= (text_high >> i) & 1ull ? high : ~high;`;
}

/** Both strings as bit planes, gathered by the warp. */
export const bitPlanes: Template = template({
  id: "bit-planes",
  from: "bit-columns",
  idea: "Turn both strings into bit planes as a warp, so that reads are in order and the columns need registers only.",
  options: {
    gather: ["votes", "shared", "direct", "shared-bytes"],
    pick: ["negate", "select", "signed"],
    score: ["count", "shift", "branch", "ternary"],
    add: ["plain", "halves"],
    block: [128, 64, 256],
    unroll: [4, 1, 64],
    volume: ["one", "loop"],
    bounds: [false, true],
  },
  count: 31,
  write: ({ gather, pick, score, add, block, unroll, volume, bounds }, { pairs = 0 }) => {
    const body = `
      unsigned long long low, high, text_low, text_high;
      read_planes(a, first, low, high);
      read_planes(b, first, text_low, text_high);
      ${columnStart(score)}
      #pragma unroll ${unroll}
      for (int i = 0; i < 64; ++i) {
        ${equalTo(pick)}
        ${columnStep(score)}
      }
      distance[first + (threadIdx.x & 31)] = ${columnEnd(score)};`;
    const source = `
      #define BLOCK ${block}

      ${addWords(add)}
      ${planesOf(gather)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}distance_planes(const unsigned char* __restrict__ a, const unsigned char* __restrict__ b, int* __restrict__ distance, int pairs) {
        ${
          volume === "loop"
            ? `for (int first = blockIdx.x * BLOCK + (threadIdx.x & ~31); first < pairs; first += gridDim.x * BLOCK) {\n${body}\n}`
            : `const int first = blockIdx.x * BLOCK + (threadIdx.x & ~31);\n${body}`
        }
      }
    `;
    const grid = volume === "loop" ? Math.min(pairs / block, 1024) : pairs / block;
    return styled(
      { source, launches: [launch("distance_planes", grid, block, ["a", "b", "distance", { i32: pairs }])] },
      { names: "snake", indent: 4 },
    );
  },
});

/** The planes go through global memory between two launches. */
export const planesFirst: Template = template({
  id: "planes-first",
  from: "bit-planes",
  idea: "Write the bit planes in a launch of their own and let a second launch compute distances from them.",
  options: {
    gather: ["direct", "votes", "shared", "shared-bytes"],
    kept: ["apart", "pairs", "together"],
    pick: ["negate", "select", "signed"],
    score: ["count", "shift", "branch", "ternary"],
    add: ["plain", "halves"],
    block: [128, 64, 256],
    unroll: [4, 1, 64],
    strings: ["both", "one"],
  },
  count: 31,
  write: ({ gather, kept, pick, score, add, block, unroll, strings }, { pairs = 0 }) => {
    const store = (string: string): string =>
      ({
        apart: `work[(size_t)(2 * ${string}) * PAIRS + pair] = low;\nwork[(size_t)(2 * ${string} + 1) * PAIRS + pair] = high;`,
        pairs: `reinterpret_cast<ulonglong2*>(work)[(size_t)${string} * PAIRS + pair] = make_ulonglong2(low, high);`,
        together: `work[(size_t)pair * 4 + 2 * ${string}] = low;\nwork[(size_t)pair * 4 + 2 * ${string} + 1] = high;`,
      })[kept];
    const load = {
      apart: `
        unsigned long long low = work[pair], high = work[PAIRS + pair];
        unsigned long long text_low = work[2 * PAIRS + pair], text_high = work[3 * PAIRS + pair];`,
      pairs: `
        ulonglong2 pattern = reinterpret_cast<const ulonglong2*>(work)[pair];
        ulonglong2 text = reinterpret_cast<const ulonglong2*>(work)[PAIRS + pair];
        unsigned long long low = pattern.x, high = pattern.y, text_low = text.x, text_high = text.y;`,
      together: `
        const unsigned long long* mine = work + (size_t)pair * 4;
        unsigned long long low = mine[0], high = mine[1], text_low = mine[2], text_high = mine[3];`,
    }[kept];
    const write =
      strings === "both"
        ? `
        read_planes(a, first, low, high);
        ${store("0")}
        read_planes(b, first, low, high);
        ${store("1")}`
        : `
        read_planes(blockIdx.y ? b : a, first, low, high);
        ${store("blockIdx.y")}`;
    const source = `
      #define BLOCK ${block}
      #define PAIRS ${pairs}

      ${addWords(add)}
      ${planesOf(gather)}
      extern "C" __global__ void write_planes(const unsigned char* a, const unsigned char* b, unsigned long long* work) {
        const int first = blockIdx.x * BLOCK + (threadIdx.x & ~31);
        const int pair = blockIdx.x * BLOCK + threadIdx.x;
        unsigned long long low, high;
        ${write}
      }

      extern "C" __global__ void distance_of_planes(const unsigned long long* work, int* distance) {
        const int pair = blockIdx.x * BLOCK + threadIdx.x;
        ${load}
        ${columnStart(score)}
        #pragma unroll ${unroll}
        for (int i = 0; i < 64; ++i) {
          ${equalTo(pick)}
          ${columnStep(score)}
        }
        distance[pair] = ${columnEnd(score)};
      }
    `;
    const launches = [
      launch("write_planes", [pairs / block, strings === "both" ? 1 : 2], block, ["a", "b", "work"]),
      launch("distance_of_planes", pairs / block, block, ["work", "distance"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
