import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { buffers, countersEnd, countersStart, countOne, encoder, lastLaunch, lastPlaces, pointers } from "./shared.ts";

/** Runs `one` for the letters of a stretch of the text. */
function readLetters(
  read: "letters" | "words" | "quads",
  one: (fresh: string) => string,
  from: string,
  to: string,
  start: string,
): string {
  const bytes = (from: string, to: string, start: string): string =>
    `for (int at = ${from}; at < ${to}; ++at) {\nconst int letter = text[at];\n${one(start)}\n}`;
  const word = (value: string, at: string, start: string): string => `
      {
        unsigned int four = ${value};
        for (int at = ${at}; at < ${at} + 4; ++at) {
          const int letter = four & 255;
          four >>= 8;
          ${one(start)}
        }
      }`;
  if (read === "letters") return bytes(from, to, start);
  if (read === "words") {
    return `for (int base_at = ${from}; base_at < ${to}; base_at += 4) {\n${word("*reinterpret_cast<const unsigned int*>(text + base_at)", "base_at", start)}\n}`;
  }
  return `
        for (int base_at = ${from}; base_at < ${to}; base_at += 16) {
          const uint4 quad = *reinterpret_cast<const uint4*>(text + base_at);
          for (int part = 0; part < 4; ++part) {
            ${word("part == 0 ? quad.x : part == 1 ? quad.y : part == 2 ? quad.z : quad.w", "base_at + 4 * part", start)}
          }
        }`;
}

/** Shift-and automata, two patterns a word. */
export const shiftAnd: Template = template({
  id: "shift-and",
  from: "place-per-thread",
  idea: "Run all patterns as bit-parallel automata, two in a word, over a piece of the text per thread.",
  options: {
    table: ["shared", "padded", "selected"],
    read: ["letters", "words", "quads"],
    hit: ["each", "any"],
    counters: ["shared", "memory"],
    tail: ["flag", "loops"],
    states: [16, 8],
    run: [64, 128, 32],
    block: [128, 64],
  },
  valid: ({ table, states }) => !(table === "selected" && states === 16),
  count: 21,
  write: ({ table, read, hit, counters, tail, states, run, block }, sizes) => {
    const { n = 0 } = sizes;
    // With eight states a block looks for half of the patterns.
    const rowLength = table === "padded" ? states + 1 : states;
    const follow = (index: string): string =>
      table === "selected"
        ? `(c & 2 ? (c & 1 ? follow[3][${index}] : follow[2][${index}]) : (c & 1 ? follow[1][${index}] : follow[0][${index}]))`
        : `follow[c][${index}]`;
    const add = (p: string): string =>
      counters === "shared" ? `atomicAdd(&found[${p}], 1);` : `atomicAdd(&counts[base + ${p}], 1);`;
    const hits = `
      for (int s = 0; s < STATES; ++s) {
        const unsigned int done = state[s] & last[s];
        if (done & 0xffffu) ${add("2 * s")}
        if (done >> 16) ${add("2 * s + 1")}
      }`;
    const step = (fresh: string): string => `
      ${on(hit === "any", "unsigned int ended = 0;")}
      #pragma unroll
      for (int s = 0; s < STATES; ++s) {
        state[s] = ((state[s] << 1 & 0xfffefffeu) | ${fresh}) & ${follow("s")};
        ${on(hit === "any", "ended |= state[s] & last[s];")}
      }
      ${hit === "any" ? `if (ended != 0) {\n#pragma unroll\n${hits}\n}` : `#pragma unroll\n${hits}`}`;
    const one = (fresh: string): string => `const int c = letter >> 1 & 3;\n${step(fresh)}`;
    const fresh = tail === "flag" ? "(at < end ? 0x00010001u : 0u)" : "0x00010001u";
    const stretch = (from: string, to: string, start: string): string => readLetters(read, one, from, to, start);
    const walk =
      tail === "flag"
        ? stretch("begin", "end + 16", fresh)
        : `${stretch("begin", "end", fresh)}\n// No new beginnings, only ends of what began before.\n${stretch("end", "end + 16", "0u")}`;
    const source = `
      #define STATES ${states}

      ${lastPlaces}
      extern "C" __global__ void run_automata(${pointers}) {
        __shared__ unsigned int follow[4][${rowLength}];
        __shared__ unsigned int last[STATES];
        ${on(counters === "shared", "__shared__ int found[2 * STATES];\nif (threadIdx.x < 2 * STATES) found[threadIdx.x] = 0;")}
        const int base = blockIdx.y * 2 * STATES;
        if (threadIdx.x < STATES) {
          unsigned int rows[4] = {0, 0, 0, 0};
          unsigned int ends = 0;
          for (int half = 0; half < 2; ++half) {
            const int p = base + 2 * threadIdx.x + half;
            for (int k = 0; k < lengths[p]; ++k) {
              const unsigned int c = patterns[16 * p + k] >> 1 & 3;
              for (int r = 0; r < 4; ++r) rows[r] |= (c == r ? 1u : 0u) << (16 * half + k);
            }
            ends |= 1u << (16 * half + lengths[p] - 1);
          }
          for (int r = 0; r < 4; ++r) follow[r][threadIdx.x] = rows[r];
          last[threadIdx.x] = ends;
        }
        __syncthreads();
        unsigned int state[STATES];
        #pragma unroll
        for (int s = 0; s < STATES; ++s) state[s] = 0;
        const int begin = (blockIdx.x * blockDim.x + threadIdx.x) * ${run};
        // Places from n - 16 on belong to last_places; they are a part of the last thread's piece only.
        const int end = min(begin + ${run}, ${n - 16});
        ${walk}
        ${on(counters === "shared", "__syncthreads();\nif (threadIdx.x < 2 * STATES) atomicAdd(&counts[base + threadIdx.x], found[threadIdx.x]);")}
      }
    `;
    const grid: [number, number] = [n / run / block, 16 / states];
    return styled(
      { source, launches: [lastLaunch(sizes), launch("run_automata", grid, block, buffers)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Leaves in `same` the places where pattern p occurs, letter by letter. */
function letterTests(planes: "registers" | "shifted", leave: "length" | "quarter" | "never", signs: boolean): string {
  const low = (k: string): string => (planes === "registers" ? `lows[${k}]` : `__funnelshift_r(low0, low1, ${k})`);
  const high = (k: string): string => (planes === "registers" ? `highs[${k}]` : `__funnelshift_r(high0, high1, ${k})`);
  const a = (k: number): string => (signs ? `signs[p][${k}].x` : `(0u - (code >> ${2 * k} & 1u))`);
  const b = (k: number): string => (signs ? `signs[p][${k}].y` : `(0u - (code >> ${2 * k + 1} & 1u))`);
  const letter = (k: number): string => `same &= ~((${low(String(k))} ^ ${a(k)}) | (${high(String(k))} ^ ${b(k)}));`;
  const guarded = (k: number): string => {
    if (leave === "never") return `if (length > ${k}) ${letter(k)}`;
    return letter(k);
  };
  return repeat(4, (q) => {
    const part = repeat(4, (j) => {
      const k = 4 * q + j;
      return leave === "never" || q === 0 ? guarded(k) : `if (length > ${k}) ${letter(k)}`;
    });
    if (q === 0 || leave === "never") return part;
    const any = leave === "quarter" ? " && __any_sync(0xffffffffu, same != 0)" : "";
    return `if (length > ${4 * q}${any}) {\n${part}\n}`;
  });
}

/** Bit planes of 32 places. */
export const bitPlanes: Template = template({
  id: "bit-planes",
  from: "packed-windows",
  idea: "Take 32 places at once as two planes of bits and compare a pattern letter by letter with all of them.",
  options: {
    gather: ["direct", "votes", "shared"],
    planes: ["registers", "shifted"],
    leave: ["length", "quarter", "never"],
    count: ["reduce", "if-any", "halves"],
    letters: ["signs", "bits"],
    counters: ["block", "warp"],
    volume: ["one", "two"],
    block: [128, 256],
  },
  count: 19,
  write: ({ gather, planes, leave, count, letters, counters, volume, block }, sizes) => {
    const words = (sizes["n"] ?? 0) / 16;
    const pieces = words / 2;
    const signs = letters === "signs";
    const quarters = letterTests(planes, leave, signs);
    const finish = {
      reduce: `
        const int number = __reduce_add_sync(0xffffffffu, __popc(same));
        if ((threadIdx.x & 31) == p) mine += number;`,
      "if-any": `if (same != 0) ${countOne(counters, "p", "__popc(same)")}`,
      halves: `
        if (__any_sync(0xffffffffu, same != 0)) {
          const int number = __reduce_add_sync(0xffffffffu, __popc(same));
          if ((threadIdx.x & 31) == p) mine += number;
        }`,
    }[count];
    const held = count !== "if-any";
    const body = `
      ${gatherPlanes(gather, pieces)}
      ${on(
        planes === "registers",
        `unsigned int lows[16], highs[16];
        #pragma unroll
        for (int k = 0; k < 16; ++k) {
          lows[k] = __funnelshift_r(low0, low1, k);
          highs[k] = __funnelshift_r(high0, high1, k);
        }`,
      )}
      #pragma unroll 1
      for (int p = 0; p < 32; ++p) {
        const int length = sizes[p];
        ${on(!signs, "const unsigned int code = codes[p];")}
        unsigned int same = limit;
        ${quarters}
        ${finish}
      }`;
    const source = `
      ${encoder("letters")}
      ${lastPlaces}
      ${planeFunction}
      extern "C" __global__ void compare_planes(${pointers}) {
        __shared__ int sizes[32];
        ${signs ? "__shared__ uint2 signs[32][16];" : "__shared__ unsigned int codes[32];"}
        ${on(gather === "shared", `__shared__ unsigned int tile_low[${block} + 1], tile_high[${block} + 1];`)}
        ${countersStart(counters, block)}
        if (threadIdx.x < 32) {
          sizes[threadIdx.x] = lengths[threadIdx.x];
          const unsigned int code = code16(reinterpret_cast<const uint4*>(patterns)[threadIdx.x]);
          ${
            signs
              ? `for (int k = 0; k < 16; ++k) signs[threadIdx.x][k] = make_uint2(0u - (code >> 2 * k & 1u), 0u - (code >> (2 * k + 1) & 1u));`
              : "codes[threadIdx.x] = code;"
          }
        }
        __syncthreads();
        ${on(held, "int mine = 0;")}
        ${
          volume === "one"
            ? `const int piece = blockIdx.x * ${block} + threadIdx.x;\n${body}`
            : `for (int turn = 0; turn < 2; ++turn) {\nconst int piece = (blockIdx.x * 2 + turn) * ${block} + threadIdx.x;\n${on(gather === "shared", "__syncthreads();")}\n${body}\n}`
        }
        ${on(held, countOne(counters, "threadIdx.x & 31", "mine"))}
        ${countersEnd(counters, block)}
      }
    `.replaceAll("SPAN", String(block));
    return styled(
      {
        source,
        launches: [
          lastLaunch(sizes),
          launch("compare_planes", pieces / block / (volume === "one" ? 1 : 2), block, buffers),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

const planeFunction = `
  // Every other bit of a word of 16 letters, next to each other.
  __device__ __forceinline__ unsigned int every_other(unsigned int v) {
    v &= 0x55555555u;
    v = (v | v >> 1) & 0x33333333u;
    v = (v | v >> 2) & 0x0f0f0f0fu;
    v = (v | v >> 4) & 0x00ff00ffu;
    return (v | v >> 8) & 0x0000ffffu;
  }

  __device__ __forceinline__ uint2 planes_of(const unsigned char* text, int piece) {
    const uint4* from = reinterpret_cast<const uint4*>(text) + 2 * piece;
    const unsigned int first = code16(from[0]), second = code16(from[1]);
    return make_uint2(every_other(first) | every_other(second) << 16, every_other(first >> 1) | every_other(second >> 1) << 16);
  }
`;

/** The two planes of a thread's 32 places and of the next ones; `limit` has the places that this kernel counts. */
function gatherPlanes(gather: "direct" | "votes" | "shared", pieces: number): string {
  const limit = `const unsigned int limit = piece == ${pieces - 1} ? 0x0000ffffu : 0xffffffffu;`;
  if (gather === "direct") {
    return `
      ${limit}
      const uint2 here = planes_of(text, piece), next = planes_of(text, min(piece + 1, ${pieces - 1}));
      const unsigned int low0 = here.x, high0 = here.y, low1 = next.x, high1 = next.y;`;
  }
  if (gather === "shared") {
    return `
      ${limit}
      const uint2 here = planes_of(text, piece);
      tile_low[threadIdx.x] = here.x;
      tile_high[threadIdx.x] = here.y;
      if (threadIdx.x == SPAN - 1) {
        const uint2 after = planes_of(text, min(piece + 1, ${pieces - 1}));
        tile_low[SPAN] = after.x;
        tile_high[SPAN] = after.y;
      }
      __syncthreads();
      const unsigned int low0 = here.x, high0 = here.y, low1 = tile_low[threadIdx.x + 1], high1 = tile_high[threadIdx.x + 1];`;
  }
  return `
    ${limit}
    const int lane = threadIdx.x & 31;
    unsigned int low0 = 0, high0 = 0;
    #pragma unroll 4
    for (int j = 0; j < 32; ++j) {
      const unsigned int letter = text[(piece - lane + j) * 32 + lane];
      const unsigned int low_vote = __ballot_sync(0xffffffffu, (letter & 2u) != 0), high_vote = __ballot_sync(0xffffffffu, (letter & 4u) != 0);
      if (lane == j) {
        low0 = low_vote;
        high0 = high_vote;
      }
    }
    unsigned int low1 = __shfl_down_sync(0xffffffffu, low0, 1), high1 = __shfl_down_sync(0xffffffffu, high0, 1);
    if (lane == 31) {
      const uint2 after = planes_of(text, min(piece + 1, ${pieces - 1}));
      low1 = after.x;
      high1 = after.y;
    }`;
}
