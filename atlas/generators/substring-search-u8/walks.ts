import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
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
  type Counters,
} from "./shared.ts";
import { fillTable, verifyAll } from "./tables.ts";

/** Looks for the patterns that begin with the window. */
function checkWindow(test: "table" | "bits" | "all", counters: Counters): string {
  return {
    table: `unsigned int candidates = table[window & 255u];\n${verifyAll(counters)}`,
    bits: `
        if (bits[window >> 5 & 7u] >> (window & 31u) & 1u) {
          unsigned int candidates = table[window & 255u];
          ${verifyAll(counters)}
        }`,
    all: `
        for (int p = 0; p < 32; ++p) {
          if (((window ^ wanted[p].x) & wanted[p].y) == 0) ${countOne(counters, "p")}
        }`,
  }[test];
}

/** A thread walks over a piece of the text with a window that moves by a letter. */
export const rollingWindow: Template = template({
  id: "rolling-window",
  from: "prefix-table",
  idea: "Walk over a piece of the text per thread and move the window on by one letter at a time.",
  options: {
    test: ["table", "bits", "all"],
    read: ["letters", "words", "quads"],
    prime: ["loop", "quad"],
    counters: ["block", "warp", "memory"],
    layout: ["pieces", "interleaved"],
    prepare: ["letters", "vector"],
    run: [64, 128, 256],
    block: [128, 256],
  },
  count: 23,
  write: ({ test, read, prime, counters, layout, prepare, run, block }, sizes) => {
    const { n = 0 } = sizes;
    const check = checkWindow(test, counters);
    const step = `
      window = window >> 2 | (letter >> 1 & 3u) << 30;
      ${check}`;
    // The window holds 15 letters when a step begins; 16 more are read per round.
    const four = (value: string): string => `
      {
        unsigned int packed = ${value};
        for (int j = 0; j < 4; ++j) {
          const unsigned int letter = packed & 255u;
          packed >>= 8;
          ${step}
        }
      }`;
    const round = {
      letters: `for (int j = 0; j < 16; ++j) {\nconst unsigned int letter = text[next + j];\n${step}\n}`,
      words: `for (int part = 0; part < 4; ++part) {\n${four("*reinterpret_cast<const unsigned int*>(text + next + 4 * part)")}\n}`,
      quads: `const uint4 quad = *reinterpret_cast<const uint4*>(text + next);\nfor (int part = 0; part < 4; ++part) {\n${four("part == 0 ? quad.x : part == 1 ? quad.y : part == 2 ? quad.z : quad.w")}\n}`,
    }[read];
    // Windows that begin at begin - 15 ... end - 16 are seen when the letters begin ... end - 1 come in.
    const start =
      prime === "loop"
        ? `
          unsigned int window = 0;
          if (begin > 0) {
            for (int j = begin - 15; j < begin; ++j) window = window >> 2 | (unsigned int)(text[j] >> 1 & 3) << 30;
          }`
        : "unsigned int window = begin > 0 ? code16(reinterpret_cast<const uint4*>(text)[begin / 16 - 1]) : 0u;";
    const text = `
      ${encoder("product")}
      ${lastPlaces}
      extern "C" __global__ void walk_text(${pointers}) {
        __shared__ uint2 wanted[32];
        ${on(test !== "all", "__shared__ unsigned int table[256];")}
        ${on(test === "bits", "__shared__ unsigned int bits[8];")}
        ${countersStart(counters, block)}
        ${wantedCodes(prepare)}
        __syncthreads();
        ${on(test !== "all", `${fillTable("table[e]", 4, 0, block)}\n__syncthreads();`)}
        ${on(test === "bits", "if (threadIdx.x < 8) {\nunsigned int mask = 0;\nfor (int j = 0; j < 32; ++j) mask |= (table[32 * threadIdx.x + j] != 0 ? 1u : 0u) << j;\nbits[threadIdx.x] = mask;\n}\n__syncthreads();")}
        const int thread = blockIdx.x * ${block} + threadIdx.x;
        ${
          layout === "pieces"
            ? `const int begin = thread * ${run};`
            : `for (int turn = 0; turn < 2; ++turn) {\nconst int begin = turn * ${n / 2} + thread * ${run / 2};`
        }
        const int end = begin + ${layout === "pieces" ? run : run / 2};
        ${start}
        int next = begin;
        if (begin == 0) {
          // The first window is whole after 16 letters.
          for (int j = 0; j < 15; ++j) window = window >> 2 | (unsigned int)(text[j] >> 1 & 3) << 30;
          const unsigned int letter = text[15];
          ${step}
          next = 16;
        }
        for (; next < end; next += 16) {
          if (next == ${n - 16}) {
            // The window that ends with the text's last letter belongs to last_places.
            for (int j = 0; j < 15; ++j) {
              const unsigned int letter = text[next + j];
              ${step}
            }
            break;
          }
          ${round}
        }
        ${on(layout === "interleaved", "}")}
        ${countersEnd(counters, block)}
      }
    `;
    return styled(
      { source: text, launches: [lastLaunch(sizes), launch("walk_text", n / run / block, block, buffers)] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Appends the entries of the set `places` to the list. */
function pushPlaces(append: "warp" | "thread" | "block", item: string): string {
  const write = `
      while (places != 0) {
        const int k = __ffs(places) - 1;
        places &= places - 1;
        list[slot++] = ${item};
      }`;
  return {
    thread: `
        const unsigned int number = __popc(places);
        unsigned int slot = number != 0 ? atomicAdd(length, number) : 0u;
        ${write}`,
    warp: `
        const unsigned int number = __popc(places);
        unsigned int before = number;
        for (int step = 1; step < 32; step *= 2) {
          const unsigned int other = __shfl_up_sync(0xffffffffu, before, step);
          if ((threadIdx.x & 31) >= step) before += other;
        }
        unsigned int slot = 0;
        if ((threadIdx.x & 31) == 31) slot = atomicAdd(length, before);
        slot = __shfl_sync(0xffffffffu, slot, 31) + before - number;
        ${write}`,
    block: `
        __shared__ unsigned int taken, base;
        if (threadIdx.x == 0) taken = 0;
        __syncthreads();
        unsigned int slot = atomicAdd(&taken, __popc(places));
        __syncthreads();
        if (threadIdx.x == 0) base = atomicAdd(length, taken);
        __syncthreads();
        slot += base;
        ${write}`,
  }[append];
}

/** Places that pass a filter go to a list in memory. */
export const candidateList: Template = template({
  id: "candidate-list",
  from: "prefix-table",
  idea: "Write the places whose first letters fit some pattern to a list and compare these places in a second launch.",
  options: {
    append: ["warp", "thread", "block"],
    entry: ["place", "window"],
    source: ["direct", "shuffle", "staged"],
    encode: ["product", "shifts", "letters"],
    check: ["table", "all"],
    counters: ["block", "warp", "memory"],
    filter: ["bits", "table"],
    block: [256, 128],
  },
  count: 21,
  write: ({ append, entry, source, encode, check, counters, filter, block }, sizes) => {
    const words = (sizes["n"] ?? 0) / 16;
    const item = entry === "place" ? "(unsigned int)(16 * w + k)" : windowAt("k");
    const push = pushPlaces(append, item);
    const window =
      entry === "window"
        ? "const unsigned int window = list[i];"
        : `
          const unsigned int place = list[i];
          const uint4* from = reinterpret_cast<const uint4*>(text) + place / 16;
          const unsigned int low = code16(from[0]), high = code16(from[1]);
          const unsigned int window = ${windowAt("(place & 15u)")};`;
    const compare =
      check === "table"
        ? `unsigned int candidates = table[window & 255u];\n${verifyAll(counters)}`
        : `for (int p = 0; p < 32; ++p) {\nif (((window ^ wanted[p].x) & wanted[p].y) == 0) ${countOne(counters, "p")}\n}`;
    const passes = filter === "bits" ? "bits[head >> 5] >> (head & 31) & 1u" : "(table[head] != 0 ? 1u : 0u)";
    const tableStart = `
      __shared__ uint2 wanted[32];
      __shared__ unsigned int table[256];
      ${wantedCodes("vector")}
      __syncthreads();
      ${fillTable("table[e]", 4, 0, block)}
      __syncthreads();`;
    const text = `
      ${encoder(encode)}
      ${lastPlaces}
      extern "C" __global__ void clear_length(unsigned int* length) {
        *length = 0;
      }

      extern "C" __global__ void list_places(const unsigned char* __restrict__ text, const unsigned char* __restrict__ patterns, const int* __restrict__ lengths, unsigned int* list, unsigned int* length) {
        ${tableStart}
        ${on(filter === "bits", `__shared__ unsigned int bits[8];\nif (threadIdx.x < 8) bits[threadIdx.x] = 0;\n__syncthreads();\nfor (int e = threadIdx.x; e < 256; e += ${block}) {\nif (table[e] != 0) atomicOr(&bits[e >> 5], 1u << (e & 31));\n}\n__syncthreads();`)}
        ${wordsOf(source, block, words)}
        unsigned int places = 0;
        #pragma unroll
        for (int k = 0; k < 16; ++k) {
          const unsigned int head = ${windowAt("k")} & 255u;
          places |= (${passes}) << k;
        }
        if (!valid) places = 0;
        ${push}
      }

      extern "C" __global__ void check_list(${pointers}, const unsigned int* list, const unsigned int* length) {
        ${tableStart}
        ${countersStart(counters, block)}
        __syncthreads();
        for (unsigned int i = blockIdx.x * ${block} + threadIdx.x; i < *length; i += gridDim.x * ${block}) {
          ${window}
          ${compare}
        }
        ${countersEnd(counters, block)}
      }
    `;
    return styled(
      {
        source: text,
        launches: [
          lastLaunch(sizes),
          launch("clear_length", 1, 1, ["tables"]),
          launch("list_places", words / block, block, ["text", "patterns", "lengths", "work", "tables"]),
          launch("check_list", 132 * 8, block, [...buffers, "work", "tables"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});
