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
  type Counters,
} from "./shared.ts";

/** Fills `table` of 4^letters masks: bit p says that pattern p may continue with these letters from `offset` on. */
export function fillTable(target: string, letters: number, offset: number, block: number): string {
  const entries = 4 ** letters;
  return `
    for (int e = threadIdx.x; e < ${entries}; e += ${block}) {
      unsigned int mask = 0;
      for (int p = 0; p < 32; ++p) {
        const unsigned int differs = ((unsigned int)e ^ wanted[p].x >> ${2 * offset}) & wanted[p].y >> ${2 * offset} & ${entries - 1}u;
        mask |= (differs == 0 ? 1u : 0u) << p;
      }
      ${target} = mask;
    }`;
}

/** Compares the patterns of the set `candidates` with `window`. */
export const verifyAll = (counters: Counters): string => `
  while (candidates != 0) {
    const int p = __ffs(candidates) - 1;
    candidates &= candidates - 1;
    if (((window ^ wanted[p].x) & wanted[p].y) == 0) ${countOne(counters, "p")}
  }`;

/** Patterns that start with a window's first letters, from a table. */
export const prefixTable: Template = template({
  id: "prefix-table",
  from: "packed-windows",
  idea: "Look up which patterns start with a window's first letters and compare only those.",
  options: {
    filter: ["table", "bits", "both"],
    when: ["at-once", "deferred", "voted"],
    source: ["direct", "shuffle", "staged"],
    encode: ["product", "shifts", "letters"],
    prepare: ["letters", "vector"],
    counters: ["block", "warp", "memory"],
    unroll: [false, true],
    letters: [4, 5],
    block: [256, 512, 128],
  },
  count: 20,
  write: ({ filter, when, source, encode, prepare, counters, unroll, letters, block }, sizes) => {
    const words = (sizes["n"] ?? 0) / 16;
    const entries = 4 ** letters;
    const head = `(window & ${entries - 1}u)`;
    const passes = {
      table: "table[head] != 0",
      bits: "(bits[head >> 5] >> (head & 31) & 1u) != 0",
      both: "(bits[head >> 5] >> (head & 31) & 1u) != 0",
    }[filter];
    const all =
      filter === "bits"
        ? `
          for (int p = 0; p < 32; ++p) {
            if (((window ^ wanted[p].x) & wanted[p].y) == 0) ${countOne(counters, "p")}
          }`
        : `unsigned int candidates = table[window & ${entries - 1}u];\n${verifyAll(counters)}`;
    const body =
      when === "deferred"
        ? `
          unsigned int places = 0;
          #pragma unroll
          for (int k = 0; k < 16; ++k) {
            const unsigned int head = ${windowAt("k")} & ${entries - 1}u;
            places |= (${passes} ? 1u : 0u) << k;
          }
          if (!valid) places = 0;
          while (places != 0) {
            const int k = __ffs(places) - 1;
            places &= places - 1;
            const unsigned int window = ${windowAt("k")};
            ${all}
          }`
        : `
          ${unroll ? "#pragma unroll" : "#pragma unroll 1"}
          for (int k = 0; k < 16; ++k) {
            const unsigned int window = ${windowAt("k")};
            const unsigned int head = ${head};
            const bool passes = valid && ${passes};
            ${when === "voted" ? "if (!__any_sync(0xffffffffu, passes)) continue;" : ""}
            if (passes) {
              ${all}
            }
          }`;
    const text = `
      ${encoder(encode)}
      ${lastPlaces}
      extern "C" __global__ void count_by_table(${pointers}) {
        __shared__ uint2 wanted[32];
        __shared__ unsigned int table[${entries}];
        ${on(filter !== "table", `__shared__ unsigned int bits[${entries / 32}];`)}
        ${countersStart(counters, block)}
        ${wantedCodes(prepare)}
        __syncthreads();
        ${fillTable("table[e]", letters, 0, block)}
        __syncthreads();
        ${on(
          filter !== "table",
          `for (int e = threadIdx.x; e < ${entries}; e += ${block}) {
            const unsigned int vote = __ballot_sync(0xffffffffu, table[e] != 0);
            if (e % 32 == 0) bits[e / 32] = vote;
          }
          __syncthreads();`,
        )}
        for (int turn = 0; turn < TURNS; ++turn) {
          ${on(source === "staged", "__syncthreads();")}
          ${wordsOf(source, block, words).replace("blockIdx.x *", "(blockIdx.x * TURNS + turn) *")}
          ${body}
        }
        ${countersEnd(counters, block)}
      }
    `.replaceAll("TURNS", "8");
    return styled(
      { source: text, launches: [lastLaunch(sizes), launch("count_by_table", words / block / 8, block, buffers)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Intersects the sets that the tables' entries `looks` give. */
function chainOf(stop: "never" | "first" | "halves", looks: readonly string[]): string {
  return {
    never: `const unsigned int sets = ${looks.join(" & ")};`,
    first: `unsigned int sets = ${looks[0]};\nif (sets != 0) sets &= ${looks.slice(1).join(" & ")};`,
    halves: `unsigned int sets = ${looks[0]} & ${looks[1]};\nif (sets != 0) sets &= ${looks.slice(2).join(" & ")};`,
  }[stop];
}

const wantedStart = `
  __shared__ uint2 wanted[32];
  ${wantedCodes("vector")}
  __syncthreads();`;

/** Tables for all letters of a window. */
export const tableChain: Template = template({
  id: "table-chain",
  from: "prefix-table",
  idea: "Intersect the sets of patterns that agree with each piece of the window, so that what is left occurs here.",
  options: {
    stop: ["never", "first", "halves"],
    when: ["at-once", "deferred"],
    place: ["shared", "spread", "memory"],
    pieces: ["four", "six"],
    source: ["direct", "shuffle", "staged"],
    encode: ["product", "shifts"],
    counters: ["block", "warp", "memory"],
    unroll: [true, false],
    block: [256, 512],
  },
  valid: ({ place, pieces, source }) => !(place === "spread" && (pieces === "six" || source === "staged")),
  count: 25,
  write: ({ stop, when, place, pieces, source, encode, counters, unroll, block }, sizes) => {
    const words = (sizes["n"] ?? 0) / 16;
    const letters = pieces === "four" ? 4 : 6;
    const tables = pieces === "four" ? 4 : 3;
    const entries = 4 ** letters;
    const spread = place === "spread";
    const piece = (t: number): string => `window >> ${2 * letters * t} & ${entries - 1}u`;
    const look = (t: number): string =>
      spread && t === 0 ? `first_table[${piece(0)}][threadIdx.x & 31]` : `tables[${entries * t} + (${piece(t)})]`;
    const chain = chainOf(
      stop,
      Array.from({ length: tables }, (_, t) => look(t)),
    );
    const count = `
      for (unsigned int left = sets; left != 0; left &= left - 1) {
        const int p = __ffs(left) - 1;
        ${countOne(counters, "p")}
      }`;
    const body =
      when === "at-once"
        ? `
          ${unroll ? "#pragma unroll" : "#pragma unroll 2"}
          for (int k = 0; k < 16; ++k) {
            const unsigned int window = ${windowAt("k")};
            ${chain}
            if (valid) {
              ${count}
            }
          }`
        : `
          unsigned int places = 0;
          #pragma unroll
          for (int k = 0; k < 16; ++k) {
            const unsigned int window = ${windowAt("k")};
            places |= (${look(0)} != 0 ? 1u : 0u) << k;
          }
          for (places = valid ? places : 0; places != 0; places &= places - 1) {
            const int k = __ffs(places) - 1;
            const unsigned int window = ${windowAt("k")};
            ${chain}
            ${count}
          }`;
    const build = repeat(tables, (t) =>
      fillTable(`tables[${entries * t} + e]`, letters, letters * t, place === "memory" ? 256 : block),
    );
    const inMemory = place === "memory";
    const text = `
      ${encoder(encode)}
      ${lastPlaces}
      ${on(
        inMemory,
        `extern "C" __global__ void fill_tables(const unsigned char* patterns, const int* lengths, unsigned int* tables) {
          ${wantedStart}
          ${build}
        }`,
      )}
      extern "C" __global__ void intersect(${pointers}${on(inMemory, ", const unsigned int* __restrict__ tables")}) {
        ${on(!inMemory, `extern __shared__ unsigned int tables[];`)}
        ${on(spread, `unsigned int (*first_table)[32] = reinterpret_cast<unsigned int (*)[32]>(tables + ${entries * tables});`)}
        ${countersStart(counters, block)}
        ${inMemory ? "__syncthreads();" : `${wantedStart}\n${build}\n__syncthreads();`}
        ${on(spread, `for (int i = threadIdx.x; i < ${32 * entries}; i += ${block}) first_table[i / 32][i % 32] = tables[i / 32];\n__syncthreads();`)}
        for (int turn = 0; turn < 16; ++turn) {
          ${on(source === "staged", "__syncthreads();")}
          ${wordsOf(source, block, words).replace("blockIdx.x *", "(blockIdx.x * 16 + turn) *")}
          ${body}
        }
        ${countersEnd(counters, block)}
      }
    `;
    const bytes = inMemory ? 0 : 4 * entries * (tables + (spread ? 32 : 0));
    const launches = [
      lastLaunch(sizes),
      ...(inMemory ? [launch("fill_tables", 1, 256, ["patterns", "lengths", "tables"])] : []),
      launch("intersect", words / block / 16, block, [...buffers, ...(inMemory ? ["tables"] : [])], bytes),
    ];
    return styled({ source: text, launches }, { names: "camel", indent: 2 });
  },
});
