import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import {
  backArgs,
  backParameter,
  backPlace,
  backs,
  backShared,
  batch,
  choices,
  choose,
  constants,
  traceBack,
} from "./parts.ts";

const options = {
  keep: ["registers", "shared", "global"],
  share: ["blocked", "strided"],
  combine: ["pair", "key", "reduce"],
  back: backs,
  style: choices,
  trace: ["warp", "gathered", "one thread"],
  ahead: [false, true],
  bounded: [true, false],
  rounds: [2, 1, 4],
  parts: [4, 2, 8],
  sequences: [1, 2],
} as const;
type Options = Chosen<typeof options>;

/** Statements that leave the best of all parts in `best` and `from`, in all lanes of a state. */
function combineParts(o: Options): string {
  if (o.combine === "pair")
    return `#pragma unroll
      for (int offset = PARTS / 2; offset > 0; offset >>= 1) {
        const float other = __shfl_xor_sync(0xffffffffu, best, offset);
        const int other_from = __shfl_xor_sync(0xffffffffu, from, offset);
        if (other > best || (other == best && other_from < from)) {
          best = other;
          from = other_from;
        }
      }`;
  const rounds =
    o.combine === "key"
      ? `#pragma unroll
        for (int offset = PARTS / 2; offset > 0; offset >>= 1) key = max(key, __shfl_xor_sync(0xffffffffu, key, offset));`
      : "key = __reduce_max_sync(lanes, key);";
  return `int key = (int)best * 64 + 63 - from;
    ${rounds}
    best = (float)(key >> 6);
    from = 63 - (key & 63);`;
}

/** Several lanes divide the predecessors of a state among themselves. */
export const splitPredecessors: Template = template({
  id: "split-predecessors",
  from: "register-columns",
  idea: "divide the predecessors of a state among lanes and combine their best by shuffles",
  options,
  valid: (o) =>
    o.parts * o.sequences <= 8 &&
    (o.back !== "shared byte" || o.keep !== "shared" || o.sequences === 1) &&
    (o.rounds > 1 || o.keep !== "shared"),
  count: 26,
  write: (o) => {
    const { keep, share, back, style, trace, ahead, bounded, rounds, parts, sequences } = o;
    const index = share === "blocked" ? "part * SHARE + k" : "k * PARTS + part";
    const transition = { registers: "into[k]", shared: "table[i][s]", global: "transitions[i * STATES + s]" }[keep];
    const threads = 64 * parts * sequences;
    const source = `
      ${constants.constexpr}constexpr int PARTS = ${parts}, SHARE = STATES / PARTS, SEQUENCES = ${sequences}, THREADS = STATES * PARTS * SEQUENCES;

      extern "C" __global__ void ${on(bounded, "__launch_bounds__(THREADS) ")}viterbi_parts(const float* __restrict__ emissions, const float* __restrict__ transitions, float* __restrict__ score, int* __restrict__ path${backParameter(back)}) {
        __shared__ float row[2][SEQUENCES][STATES];
        ${backShared(back, sequences)}
        const int part = threadIdx.x % PARTS;
        const int s = threadIdx.x / PARTS % STATES;
        const int q = threadIdx.x / (PARTS * STATES);
        const int place = threadIdx.x % (PARTS * STATES);
        ${on(o.combine === "reduce", "const unsigned lanes = ((1u << PARTS) - 1) << (threadIdx.x % 32 / PARTS * PARTS);")}
        ${
          {
            registers: `float into[SHARE];
              #pragma unroll
              for (int k = 0; k < SHARE; ++k) into[k] = transitions[(${index}) * STATES + s];`,
            shared: `__shared__ float table[STATES][STATES];
              for (int e = threadIdx.x; e < STATES * STATES; e += THREADS) table[e / STATES][e % STATES] = transitions[e];`,
            global: "",
          }[keep]
        }
        for (int round = 0; round < ${rounds}; ++round) {
          const int b = (round * gridDim.x + blockIdx.x) * SEQUENCES + q;
          const float* own = emissions + b * (STEPS * STATES);
          if (part == 0) row[0][q][s] = own[s];
          __syncthreads();
          for (int t = 1; t < STEPS; ++t) {
            ${on(ahead, "const float emission = own[t * STATES + s];")}
            const float* previous = row[(t - 1) & 1][q];
            float best = -1.0e30f;
            int from = 0;
            #pragma unroll
            for (int k = 0; k < SHARE; ++k) {
              const int i = ${index};
              const float c = previous[i] + ${transition};
              ${choose(style, "c", "best", "from", "i")}
            }
            ${combineParts(o)}
            if (part == 0) {
              row[t & 1][q][s] = best + ${ahead ? "emission" : "own[t * STATES + s]"};
              ${backPlace(back, "t", "s")} = from;
            }
            __syncthreads();
          }
          ${traceBack(
            trace,
            (i) => `row[1][q][${i}]`,
            (t, state) => backPlace(back, t, state),
            "place",
          )}
          __syncthreads();
        }
      }
    `;
    const args = ["emissions", "transitions", "score", "path", ...backArgs(back)];
    return styled(
      { source, launches: [launch("viterbi_parts", batch / (rounds * sequences), threads, args)] },
      { names: "snake", indent: 2 },
    );
  },
});
