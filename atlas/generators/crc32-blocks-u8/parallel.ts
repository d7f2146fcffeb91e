import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { hexadecimal, multiply, power, sharedTables, takeWord, warpXor } from "./words.ts";

/** Neighbouring lanes take contiguous parts of a block; remainders are shifted into place by products. */
export const laneSegments: Template = template({
  id: "segments-on-lanes",
  from: "slicing",
  idea: "Divide a block's data among lanes and combine the remainders, multiplied by powers of x.",
  options: {
    lanes: [32, 16, 8],
    form: ["slice", "bytes", "mask", "nibbles"],
    combine: ["tree", "lane-constant", "horner"],
    product: ["loop", "unrolled", "early"],
    read: ["words", "quads"],
    copies: [1, 4],
    block: [128, 256],
    volume: ["loop", "one"],
  },
  valid: ({ form, copies }) => copies === 1 || form === "slice" || form === "bytes",
  count: 26,
  write: ({ lanes, form, combine, product, read, copies, block, volume }, { blocks = 0, length = 0 }) => {
    const words = length / 4 / lanes;
    const shifts = Array.from({ length: lanes }, (_, lane) => hexadecimal(power(32 * words * (lanes - 1 - lane))));
    const level = (k: number): string => `
      r = multiply(r, ${hexadecimal(power(32 * words * 2 ** k))}) ^ __shfl_down_sync(0xffffffffu, r, ${2 ** k}, LANES);`;
    const combined = {
      tree: repeat(Math.log2(lanes), level),
      "lane-constant": `
        r = multiply(r, shifts[lane]);
        #pragma unroll
        for (int step = LANES / 2; step > 0; step >>= 1) r ^= __shfl_xor_sync(0xffffffffu, r, step);`,
      horner: `
        unsigned int all = __shfl_sync(0xffffffffu, r, 0, LANES);
        for (int other = 1; other < LANES; ++other) {
          all = multiply(all, ${hexadecimal(power(32 * words))}) ^ __shfl_sync(0xffffffffu, r, other, LANES);
        }
        r = all;`,
    }[combine];
    const loop =
      read === "words"
        ? `
        const unsigned int* in = data + ((size_t)block * LANES + lane) * WORDS;
        for (int i = 0; i < WORDS; ++i) r = take_word(r, in[i], table);`
        : `
        const uint4* in = reinterpret_cast<const uint4*>(data) + ((size_t)block * LANES + lane) * (WORDS / 4);
        for (int i = 0; i < WORDS / 4; ++i) {
          uint4 v = in[i];
          r = take_word(r, v.x, table);
          r = take_word(r, v.y, table);
          r = take_word(r, v.z, table);
          r = take_word(r, v.w, table);
        }`;
    const body = `
      unsigned int r = lane == 0 ? 0xffffffffu : 0u;
      ${loop}
      ${combined}
      if (lane == 0) crc[block] = ~r;`;
    const source = `
      #define POLY 0xedb88320u
      #define LANES ${lanes}
      #define WORDS ${words}

      ${on(combine === "lane-constant", `__constant__ unsigned int shifts[LANES] = {\n${shifts.join(", ")}\n};`)}
      ${takeWord(form, copies)}
      ${multiply(product)}
      extern "C" __global__ void crc_segments(const unsigned int* __restrict__ data, unsigned int* __restrict__ crc, int blocks) {
        ${sharedTables(form, block, copies)}
        const int lane = threadIdx.x % LANES;
        ${
          volume === "loop"
            ? `for (int block = (blockIdx.x * ${block} + threadIdx.x) / LANES; block < blocks; block += gridDim.x * ${block} / LANES) {\n${body}\n}`
            : `const int block = (blockIdx.x * ${block} + threadIdx.x) / LANES;\n${body}`
        }
      }
    `;
    // A power of two divides the blocks evenly, so that whole warps stay together in the loop.
    const all = (blocks * lanes) / block;
    const grid = volume === "loop" ? Math.min(all, 1024) : all;
    return styled(
      { source, launches: [launch("crc_segments", grid, block, ["data", "crc", { i32: blocks }])] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Lanes read neighbouring words; a second set of tables jumps over the words of the other lanes. */
export const interleavedLanes: Template = template({
  id: "interleaved-lanes",
  from: "segments-on-lanes",
  idea: "Interleave a block's words over the lanes and use tables that advance a remainder past the other lanes' words.",
  options: {
    vector: [1, 2, 4],
    copies: [1, 2, 4, 8],
    product: ["loop", "unrolled", "early"],
    reduce: ["redux", "xor", "down"],
    together: [1, 2, 4],
    warps: [8, 4, 16],
    resident: [2, 4, 1],
    last: ["peeled", "inside"],
    load: ["plain", "ldcs"],
  },
  valid: ({ vector, copies }) => copies < 8 || vector === 1,
  count: 27,
  write: (chosen, { blocks = 0, length = 0 }) => {
    const { vector, copies, product, reduce, together, warps, resident, last, load } = chosen;
    const steps = length / 4 / 32 / vector;
    const type = ({ 1: "unsigned int", 2: "uint2", 4: "uint4" } as const)[vector];
    const parts = { 1: [""], 2: [".x", ".y"], 4: [".x", ".y", ".z", ".w"] }[vector];
    const times = on(copies > 1, ` * ${copies}`);
    const shifts = Array.from({ length: 32 }, (_, lane) => hexadecimal(power(32 * (vector * (31 - lane) + 1))));
    const value = (b: number, k: string): string => {
      const at = `in[((size_t)${b} * STEPS + ${k}) * 32 + lane]`;
      return load === "ldcs" ? `__ldcs(&${at})` : at;
    };
    const take = (b: number, k: string): string => `
      ${type} v${b} = ${value(b, k)};
      ${parts.map((part, j) => (j < vector - 1 ? `r${b} = take_word(r${b}, v${b}${part}, table);` : `r${b} ^= v${b}${part};`)).join("\n")}`;
    const each = (line: (b: number) => string): string => repeat(together, line);
    const loop =
      last === "peeled"
        ? `
        #pragma unroll
        for (int k = 0; k < STEPS - 1; ++k) {
          ${each((b) => `${take(b, "k")}\nr${b} = jump(r${b}, far);`)}
        }
        ${each((b) => take(b, "(STEPS - 1)"))}`
        : `
        for (int k = 0; k < STEPS; ++k) {
          ${each((b) => `if (k > 0) r${b} = jump(r${b}, far);\n${take(b, "k")}`)}
        }`;
    const source = `
      constexpr unsigned int POLY = 0xedb88320u;
      constexpr int WARPS = ${warps};
      constexpr int STEPS = ${steps};

      // Lane l's last word is this power of x away from the end of the block.
      __constant__ unsigned int shifts[32] = {
        ${shifts.join(", ")}
      };

      ${on(vector > 1, takeWord("slice", copies))}
      ${multiply(product)}
      ${warpXor(reduce)}
      __device__ __forceinline__ unsigned int jump(unsigned int r, const unsigned int* far) {
        return far[(r & 255u)${times}] ^ far[(256 + ((r >> 8) & 255u))${times}]
          ^ far[(512 + ((r >> 16) & 255u))${times}] ^ far[(768 + (r >> 24))${times}];
      }

      extern "C" __global__ void crc_lanes(const ${type}* __restrict__ data, unsigned int* __restrict__ crc, int blocks) {
        __shared__ unsigned int jumps[1024${times}];
        for (int j = threadIdx.x; j < 1024; j += WARPS * 32) {
          unsigned int entry = multiply((unsigned int)(j & 255) << (8 * (j >> 8)), ${hexadecimal(power(32 * (1 + 31 * vector)))});
          for (int c = 0; c < ${copies}; ++c) jumps[j${times} + c] = entry;
        }
        ${vector > 1 ? sharedTables("slice", warps * 32, copies) : "__syncthreads();"}
        const unsigned int* far = jumps${on(copies > 1, ` + threadIdx.x % ${copies}`)};
        const int lane = threadIdx.x % 32;
        const unsigned int shift = shifts[lane];
        for (int block = (blockIdx.x * WARPS + threadIdx.x / 32) * ${together}; block < blocks; block += gridDim.x * WARPS * ${together}) {
          const ${type}* in = data + (size_t)block * STEPS * 32;
          ${each((b) => `unsigned int r${b} = lane == 0 ? 0xffffffffu : 0u;`)}
          ${loop}
          ${each((b) => `r${b} = warp_xor(multiply(r${b}, shift));`)}
          if (lane == 0) {
            ${each((b) => `crc[block + ${b}] = ~r${b};`)}
          }
        }
      }
    `;
    const scan = launch("crc_lanes", 132 * resident, warps * 32, ["data", "crc", { i32: blocks }]);
    return styled({ source, launches: [scan] }, { names: "camel", indent: 2 });
  },
});

/** Remainders of segments in a first launch, their combination in a second one. */
export const twoLaunches: Template = template({
  id: "two-launches",
  from: "slicing",
  idea: "Compute remainders of short segments in one launch and combine those of a block in another.",
  options: {
    segments: [8, 4, 16, 32],
    form: ["slice", "bytes", "mask", "select", "nibbles"],
    order: ["segment-first", "block-first"],
    kept: ["together", "apart"],
    product: ["loop", "unrolled", "early"],
    combine: ["horner", "powers"],
    read: ["words", "quads"],
    copies: [1, 4],
    block: [128, 256],
  },
  valid: ({ form, copies }) => copies === 1 || form === "slice" || form === "bytes",
  count: 25,
  write: (chosen, { blocks = 0, length = 0 }) => {
    const { segments, form, order, kept, product, combine, read, copies, block } = chosen;
    const words = length / 4 / segments;
    const place =
      order === "segment-first"
        ? "int segment = t % SEGMENTS;\nint which = t / SEGMENTS;"
        : "int which = t % BLOCKS;\nint segment = t / BLOCKS;";
    const at = (segment: string): string =>
      kept === "together" ? `partial[which * SEGMENTS + ${segment}]` : `partial[(${segment}) * BLOCKS + which]`;
    const powers = Array.from({ length: segments }, (_, s) => hexadecimal(power(32 * words * (segments - 1 - s))));
    const loop =
      read === "words"
        ? `
        const unsigned int* in = data + ((size_t)which * SEGMENTS + segment) * WORDS;
        for (int i = 0; i < WORDS; ++i) r = take_word(r, in[i], table);`
        : `
        const uint4* in = reinterpret_cast<const uint4*>(data + ((size_t)which * SEGMENTS + segment) * WORDS);
        for (int i = 0; i < WORDS / 4; ++i) {
          uint4 four = in[i];
          r = take_word(take_word(r, four.x, table), four.y, table);
          r = take_word(take_word(r, four.z, table), four.w, table);
        }`;
    const combined =
      combine === "horner"
        ? `
        unsigned int r = ${at("0")};
        for (int s = 1; s < SEGMENTS; ++s) r = multiply(r, ${hexadecimal(power(32 * words))}) ^ ${at("s")};`
        : `
        unsigned int r = 0;
        for (int s = 0; s < SEGMENTS; ++s) r ^= multiply(powers[s], ${at("s")});`;
    const source = `
      #define POLY 0xedb88320u
      #define BLOCKS ${blocks}
      #define SEGMENTS ${segments}
      #define WORDS ${words}

      ${on(combine === "powers", `__constant__ unsigned int powers[SEGMENTS] = {\n${powers.join(", ")}\n};`)}
      ${takeWord(form, copies)}
      ${multiply(product)}
      extern "C" __global__ void segment_remainders(const unsigned int* data, unsigned int* partial) {
        ${sharedTables(form, block, copies)}
        int t = blockIdx.x * ${block} + threadIdx.x;
        ${place}
        unsigned int r = segment == 0 ? 0xffffffffu : 0u;
        ${loop}
        ${at("segment")} = r;
      }

      extern "C" __global__ void combine_segments(const unsigned int* partial, unsigned int* crc) {
        int which = blockIdx.x * blockDim.x + threadIdx.x;
        ${combined}
        crc[which] = ~r;
      }
    `;
    const launches = [
      launch("segment_remainders", (blocks * segments) / block, block, ["data", "partial"]),
      launch("combine_segments", blocks / 128, 128, ["partial", "crc"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
