import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  acceptFunction,
  aroundWord,
  gatherFunction,
  likeNeighbours,
  packKernels,
  packThreads,
  spreadFunction,
} from "./bit-parts.ts";
import { perStep, philox, torusOf } from "./shared.ts";

type Share = "whole" | "eighths" | "quarters";
type Combine = "shuffle" | "reduce";

const threadsOf = { whole: 1, quarters: 4, eighths: 8 } as const;

/** A part of a word's groups per thread, put together by the word's lanes; the first lane stores. */
function wordParts(share: Share, combine: Combine, unroll: boolean, target: string, row: string): string {
  const lanes = threadsOf[share];
  const each = 8 / lanes;
  const call = (k: string): string => `accepted(three, four, 4 * (${k}), 8 * j + ${k}, ${row}, step, limit3, limit4)`;
  const collect =
    share === "eighths"
      ? `unsigned int flip = ${call("part")};`
      : `
        unsigned int flip = 0;
        #pragma unroll ${unroll ? each : 1}
        for (int k = ${share === "whole" ? "0" : "2 * part"}; k < ${share === "whole" ? "8" : "2 * part + 2"}; ++k) flip |= ${call("k")};`;
  if (share === "whole") return `${collect}\n${target} = own ^ (flip | ~(three | four));`;
  const join =
    combine === "reduce"
      ? `flip = __reduce_or_sync(${lanes === 8 ? "0xffu" : "0xfu"} << (threadIdx.x & ${lanes === 8 ? 24 : 28}), flip);`
      : [4, 2, 1]
          .filter((distance) => distance < lanes)
          .map((distance) => `flip |= __shfl_xor_sync(0xffffffffu, flip, ${distance});`)
          .join("\n");
  return `${collect}\n${join}\nif (part == 0) ${target} = own ^ (flip | ~(three | four));`;
}

/** 32 sites of a colour in a word. */
export const bitWords: Template = template({
  id: "bit-words",
  from: "colour-planes",
  idea: "Hold 32 spins of a colour in a word and count like neighbours by logical operations.",
  options: {
    share: ["whole", "eighths", "quarters"],
    combine: ["shuffle", "reduce"],
    adder: ["adders", "pairs", "products"],
    accept: ["masks", "select", "needed"],
    random: ["wide", "unrolled", "step"],
    pack: ["votes", "words"],
    unroll: [false, true],
    size: ["constexpr", "define"],
    block: [128, 64, 256],
  },
  count: 26,
  write: ({ share, combine, adder, accept, random, pack, unroll, size, block }, sizes) => {
    const torus = torusOf(size, sizes);
    const lanes = threadsOf[share];
    const source = `
      ${torus.header}
      #define WORDS (columns / 64)

      ${philox(random)}
      ${packKernels(pack)}
      ${acceptFunction(accept)}
      extern "C" __global__ void update_words(unsigned int* planes, const unsigned int* __restrict__ thresholds, int step) {
        const unsigned int limit3 = thresholds[3], limit4 = thresholds[4];
        unsigned int* mine = planes + (step & 1) * rows * WORDS;
        const unsigned int* other = planes + (1 - (step & 1)) * rows * WORDS;
        const int i = (blockIdx.x * blockDim.x + threadIdx.x)${on(lanes > 1, ` / ${lanes}`)};
        ${on(lanes > 1, `const int part = threadIdx.x % ${lanes};`)}
        const int y = i / WORDS, j = i % WORDS;
        const int up = (y + rows - 1) % rows, down = (y + 1) % rows;
        const unsigned int own = mine[i];
        ${aroundWord((line) => `${line} * WORDS`, "((y + step) & 1)")}
        ${likeNeighbours(adder)}
        ${wordParts(share, combine, unroll, "mine[i]", "y")}
      }
    `;
    const words = (torus.rows * torus.columns) / 64;
    const [packing, unpacking] = packThreads(pack, torus.rows, torus.columns);
    const launches = [
      launch("pack", packing / 128, 128, ["spins", "work"]),
      ...perStep(torus, (step) =>
        launch("update_words", (words * lanes) / block, block, ["work", "thresholds", { i32: step }]),
      ),
      launch("unpack", unpacking / 128, 128, ["work", "out"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** A lane per site; the new word is a vote. */
export const votedWords: Template = template({
  id: "voted-words",
  from: "bit-words",
  idea: "Let each lane of a warp decide one site of a word and collect the decisions by a vote.",
  options: {
    numbers: ["own", "shuffled"],
    count: ["word", "lane"],
    adder: ["adders", "pairs", "products"],
    random: ["wide", "unrolled", "high", "step"],
    pack: ["votes", "words"],
    volume: ["one", "loop", "four"],
    store: ["first-lane", "any-lane"],
    size: ["constexpr", "define"],
    block: [128, 256, 64],
  },
  count: 28,
  write: ({ numbers, count, adder, random, pack, volume, store, size, block }, sizes) => {
    const torus = torusOf(size, sizes);
    const number =
      numbers === "own"
        ? `
          const uint4 r = four_words(8 * j + lane / 4, y, step, seed);
          const unsigned int number = (lane & 2) ? ((lane & 1) ? r.w : r.z) : ((lane & 1) ? r.y : r.x);`
        : `
          const uint4 r = four_words(8 * j + (lane & 7), y, step, seed);
          const unsigned int n0 = __shfl_sync(0xffffffffu, r.x, lane / 4), n1 = __shfl_sync(0xffffffffu, r.y, lane / 4);
          const unsigned int n2 = __shfl_sync(0xffffffffu, r.z, lane / 4), n3 = __shfl_sync(0xffffffffu, r.w, lane / 4);
          const unsigned int number = (lane & 2) ? ((lane & 1) ? n3 : n2) : ((lane & 1) ? n1 : n0);`;
    const decide =
      count === "word"
        ? `
          ${likeNeighbours(adder)}
          const bool flip = ((four >> lane) & 1u) ? number <= limit4 : ((three >> lane) & 1u) ? number <= limit3 : true;`
        : `
          const unsigned int minus = ((above >> lane) & 1u) + ((below >> lane) & 1u) + ((level >> lane) & 1u) + ((beside >> lane) & 1u);
          const unsigned int alike = (own >> lane) & 1u ? minus : 4u - minus;
          const bool flip = alike < 3u || number <= (alike == 3u ? limit3 : limit4);`;
    const word = `
      const int y = i / WORDS, j = i % WORDS;
      const int up = (y + rows - 1) % rows, down = (y + 1) % rows;
      const unsigned int own = mine[i];
      ${aroundWord((line) => `${line} * WORDS`, "((y + step) & 1)")}
      ${number}
      ${decide}
      const unsigned int vote = __ballot_sync(0xffffffffu, flip);
      ${store === "first-lane" ? "if (lane == 0) mine[i] = own ^ vote;" : "if (lane == (i & 31)) mine[i] = own ^ vote;"}`;
    const warp = "(blockIdx.x * blockDim.x + threadIdx.x) / 32";
    const body = {
      one: `const int i = ${warp};\n${word}`,
      loop: `for (int i = ${warp}; i < rows * WORDS; i += gridDim.x * blockDim.x / 32) {\n${word}\n}`,
      four: `#pragma unroll\nfor (int k = 0; k < 4; ++k) {\nconst int i = ${warp} * 4 + k;\n${word}\n}`,
    }[volume];
    const source = `
      ${torus.header}
      #define WORDS (columns / 64)

      ${philox(random)}
      ${packKernels(pack)}
      extern "C" __global__ void vote_words(unsigned int* planes, const unsigned int* __restrict__ thresholds, int step) {
        const unsigned int limit3 = thresholds[3], limit4 = thresholds[4];
        unsigned int* mine = planes + (step & 1) * rows * WORDS;
        const unsigned int* other = planes + (1 - (step & 1)) * rows * WORDS;
        const int lane = threadIdx.x & 31;
        ${body}
      }
    `;
    const threads = (torus.rows * torus.columns) / 2;
    const grid = threads / block / (volume === "one" ? 1 : 4);
    const [packing, unpacking] = packThreads(pack, torus.rows, torus.columns);
    const launches = [
      launch("pack", packing / 128, 128, ["spins", "work"]),
      ...perStep(torus, (step) => launch("vote_words", grid, block, ["work", "thresholds", { i32: step }])),
      launch("unpack", unpacking / 128, 128, ["work", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** How a strip comes from the spins or their words, and where it goes. */
function stripEnds(fused: boolean, steps: number): readonly [load: string, store: string] {
  const load = `
      for (int i = threadIdx.x; i < 2 * LINES * WORDS; i += blockDim.x) {
        const int c = i / (LINES * WORDS), line = i / WORDS % LINES, j = i % WORDS;
        cells[i] = from[(c * rows + ((top + line) & (rows - 1))) * WORDS + j];
      }`;
  const store = `
      for (int i = threadIdx.x; i < 2 * HEIGHT * WORDS; i += blockDim.x) {
        const int c = i / (HEIGHT * WORDS), line = i / WORDS % HEIGHT + DEPTH, j = i % WORDS;
        to[(c * rows + top + line) * WORDS + j] = cells[(c * LINES + line) * WORDS + j];
      }`;
  const fusedLoad = `
      if (first == 0) {
        for (int i = threadIdx.x; i < LINES * WORDS; i += blockDim.x) {
          const int y = (top + i / WORDS) & (rows - 1);
          const uint2 pair = gathered(spins + ((size_t)y * WORDS + i % WORDS) * 8);
          cells[i] = y & 1 ? pair.y : pair.x;
          cells[LINES * WORDS + i] = y & 1 ? pair.x : pair.y;
        }
      } else {
        ${load}
      }`;
  const fusedStore = `
      if (first + DEPTH == ${steps}) {
        for (int i = threadIdx.x; i < HEIGHT * WORDS * 8; i += blockDim.x) {
          const int at = i / 8 + DEPTH * WORDS;
          const int y = top + DEPTH + i / (8 * WORDS);
          const unsigned int c0 = cells[at], c1 = cells[LINES * WORDS + at];
          out[(size_t)y * (8 * WORDS) + i % (8 * WORDS)] = y & 1 ? spread(c1, c0, 4 * (i & 7)) : spread(c0, c1, 4 * (i & 7));
        }
      } else {
        ${store}
      }`;
  return fused ? [fusedLoad, fusedStore] : [load, store];
}

/** Strips of bit rows in shared memory for several steps. */
export const bitStrips: Template = template({
  id: "bit-strips",
  from: "bit-words",
  idea: "Keep a strip of whole bit rows with a rim in shared memory and advance it by several steps per launch.",
  options: {
    share: ["eighths", "whole", "quarters"],
    combine: ["shuffle", "reduce"],
    adder: ["adders", "products"],
    accept: ["masks", "select", "needed"],
    random: ["unrolled", "wide"],
    ends: ["kernels", "fused"],
    loop: ["counted", "unrolled"],
    depth: [4, 2, 8],
    height: [16, 8, 32],
    block: [512, 256, 1024],
  },
  count: 17,
  write: ({ share, combine, adder, accept, random, ends, loop, depth, height, block }, sizes) => {
    const torus = torusOf("constexpr", sizes);
    const lanes = threadsOf[share];
    const fused = ends === "fused";
    const [load, store] = stripEnds(fused, torus.steps);
    const source = `
      ${torus.header}
      #define WORDS (columns / 64)
      #define DEPTH ${depth}
      #define HEIGHT ${height}
      #define LINES (HEIGHT + 2 * DEPTH)

      ${philox(random)}
      ${fused ? gatherFunction + spreadFunction : packKernels("words")}
      ${acceptFunction(accept)}
      extern "C" __global__ void advance(${on(fused, "const unsigned long long* spins, unsigned long long* out, ")}unsigned int* planes, const unsigned int* __restrict__ thresholds, int first) {
        extern __shared__ unsigned int cells[];
        const unsigned int limit3 = thresholds[3], limit4 = thresholds[4];
        const int turn = (first / DEPTH) & 1;
        const unsigned int* from = planes + turn * 2 * rows * WORDS;
        unsigned int* to = planes + (1 - turn) * 2 * rows * WORDS;
        const int top = blockIdx.x * HEIGHT - DEPTH;
        ${load}
        __syncthreads();
        #pragma unroll${on(loop !== "unrolled", " 1")}
        for (int d = 0; d < DEPTH; ++d) {
          const int step = first + d;
          unsigned int* mine = cells + (step & 1) * LINES * WORDS;
          const unsigned int* other = cells + (1 - (step & 1)) * LINES * WORDS;
          // Lines that still have what they need.
          const int count = LINES - 2 - 2 * d;
          for (int i = threadIdx.x; i < count * WORDS * ${lanes}; i += blockDim.x) {
            ${on(lanes > 1, `const int part = i % ${lanes};`)}
            const int y = i / (WORDS * ${lanes}) + d + 1, j = i / ${lanes} % WORDS;
            const int up = y - 1, down = y + 1;
            const int row = (top + y) & (rows - 1);
            const unsigned int own = mine[y * WORDS + j];
            ${aroundWord((line) => `${line} * WORDS`, "((row + step) & 1)")}
            ${likeNeighbours(adder)}
            ${wordParts(share, combine, true, "mine[y * WORDS + j]", "row")}
          }
          __syncthreads();
        }
        ${store}
      }
    `;
    const bytes = 4 * 2 * (height + 2 * depth) * (torus.columns / 64);
    const [packing, unpacking] = packThreads("words", torus.rows, torus.columns);
    const turns = Array.from({ length: torus.steps / depth }, (_, turn) =>
      launch(
        "advance",
        torus.rows / height,
        block,
        [...(fused ? ["spins", "out"] : []), "work", "thresholds", { i32: turn * depth }],
        bytes,
      ),
    );
    const launches = fused
      ? turns
      : [
          launch("pack", packing / 128, 128, ["spins", "work"]),
          ...turns,
          launch("unpack", unpacking / 128, 128, ["work", "out"]),
        ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
