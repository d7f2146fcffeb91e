import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import {
  backArgs,
  backParameter,
  backPlace,
  backs,
  backShared,
  batch,
  choices,
  constants,
  overPredecessors,
  traceBack,
  walkBack,
} from "./parts.ts";

const pointers =
  "const float* __restrict__ emissions, const float* __restrict__ transitions, float* __restrict__ score, int* __restrict__ path";

/** Every thread keeps the transitions into its state in registers. */
export const registerColumns: Template = template({
  id: "register-columns",
  from: "shared-transitions",
  idea: "hold the transitions into a state in the registers of its thread",
  options: {
    back: backs,
    style: choices,
    trace: ["gathered", "warp", "one thread"],
    chains: [1, 2, 4],
    quads: [true, false],
    ahead: ["none", "next"],
    bounded: [true, false],
    order: ["strided", "blocked"],
    rounds: [4, 1, 8],
    sequences: [1, 2, 4],
  },
  valid: ({ rounds, order }) => rounds > 1 || order === "strided",
  count: 28,
  write: ({ back, style, trace, chains, quads, ahead, bounded, order, rounds, sequences }) => {
    const next = ahead === "next";
    const grid = batch / (rounds * sequences);
    const number =
      order === "strided"
        ? "(round * gridDim.x + blockIdx.x) * SEQUENCES + q"
        : "(blockIdx.x * ROUNDS + round) * SEQUENCES + q";
    const source = `
      ${constants.define}#define SEQUENCES ${sequences}
      #define ROUNDS ${rounds}

      extern "C" __global__ void ${on(bounded, "__launch_bounds__(SEQUENCES * STATES) ")}viterbi_columns(${pointers}${backParameter(back)}) {
        __shared__ __align__(16) float row[2][SEQUENCES][STATES];
        ${backShared(back, sequences)}
        const int s = threadIdx.x % STATES;
        const int q = threadIdx.x / STATES;
        float into[STATES];
        #pragma unroll
        for (int i = 0; i < STATES; ++i) into[i] = transitions[i * STATES + s];
        for (int round = 0; round < ROUNDS; ++round) {
          const int b = ${number};
          const float* own = emissions + b * (STEPS * STATES) + s;
          row[0][q][s] = own[0];
          ${on(next, "float coming = own[STATES];")}
          __syncthreads();
          for (int t = 1; t < STEPS; ++t) {
            const float emission = ${next ? "coming" : "own[t * STATES]"};
            ${on(next, "if (t + 1 < STEPS) coming = own[(t + 1) * STATES];")}
            const float* previous = row[(t - 1) & 1][q];
            ${overPredecessors({
              style,
              quads,
              chains,
              unroll: "#pragma unroll\n",
              previous: (i) => `previous[${i}]`,
              transition: (i) => `into[${i}]`,
            })}
            row[t & 1][q][s] = best + emission;
            ${backPlace(back, "t", "s")} = (${back === "global int" ? "int" : "unsigned char"})from;
            __syncthreads();
          }
          ${traceBack(
            trace,
            (i) => `row[(STEPS - 1) & 1][q][${i}]`,
            (t, state) => backPlace(back, t, state),
          )}
          __syncthreads();
        }
      }
    `;
    const args = ["emissions", "transitions", "score", "path", ...backArgs(back)];
    return styled(
      { source, launches: [launch("viterbi_columns", grid, 64 * sequences, args)] },
      { names: "snake", indent: 4 },
    );
  },
});

const keyOptions = {
  keep: ["registers", "shared"],
  largest: ["max", "viaddmax", "ternary"],
  back: ["global byte", "global int", "shared byte"],
  chains: [1, 2, 4],
  quads: [true, false],
  gathered: [true, false],
  ahead: [false, true],
  bounded: [true, false],
  rounds: [4, 1, 8],
  sequences: [1, 2, 4],
} as const;

/** Statements that leave the largest sum of keys and transitions in `best`. */
function largestKey(o: Chosen<typeof keyOptions>): string {
  const share = 64 / o.chains;
  const name = (k: number): string => (k === 0 ? "best" : `best${k}`);
  const transition = (i: string): string => (o.keep === "registers" ? `into[${i}]` : `table[${i}][s]`);
  const update = (k: number, key: string, i: string): string =>
    ({
      max: `${name(k)} = max(${name(k)}, ${key} + ${transition(i)});`,
      viaddmax: `${name(k)} = __viaddmax_s32(${key}, ${transition(i)}, ${name(k)});`,
      ternary: `{\nconst int sum = ${key} + ${transition(i)};\n${name(k)} = sum > ${name(k)} ? sum : ${name(k)};\n}`,
    })[o.largest];
  const body = repeat(o.chains, (k) => {
    const at = (add: number): string => (k * share + add === 0 ? "i" : `i + ${k * share + add}`);
    return o.quads
      ? `{\nconst int4 p = *reinterpret_cast<const int4*>(&previous[${at(0)}]);\n${["x", "y", "z", "w"].map((lane, add) => update(k, `p.${lane}`, at(add))).join("\n")}\n}`
      : update(k, `previous[${at(0)}]`, at(0));
  });
  return `int ${repeat(o.chains, (k) => `${name(k)} = -0x40000000`, ", ")};
    ${on(o.keep === "registers", "#pragma unroll\n", "#pragma unroll 4\n")}for (int i = 0; i < ${share}; i += ${o.quads ? 4 : 1}) {
      ${body}
    }
    ${repeat(o.chains - 1, (k) => `best = max(best, ${name(k + 1)});`)}`;
}

/** Score and predecessor in one integer, so that one maximum picks both. */
export const packedKeys: Template = template({
  id: "packed-keys",
  from: "register-columns",
  idea: "pack a score and its predecessor into one integer, so that a single maximum finds both",
  options: keyOptions,
  valid: (o) => o.back !== "shared byte" || o.keep === "registers" || o.sequences <= 2,
  count: 26,
  write: (o) => {
    const { keep, back, ahead, bounded, rounds, sequences, gathered } = o;
    const registers = keep === "registers";
    const emission = "(int)own[t * STATES]";
    const source = `
      ${constants.constexpr}constexpr int SEQUENCES = ${sequences}, ROUNDS = ${rounds};

      // A key is 64 times the score plus 63 minus the state: equal scores fall to the lowest state.
      extern "C" __global__ void ${on(bounded, "__launch_bounds__(SEQUENCES * STATES) ")}viterbi_keys(${pointers}${backParameter(back)}) {
        __shared__ __align__(16) int row[2][SEQUENCES][STATES];
        ${backShared(back, sequences)}
        const int s = threadIdx.x % STATES, q = threadIdx.x / STATES;
        ${
          registers
            ? `int into[STATES];
              #pragma unroll
              for (int i = 0; i < STATES; ++i) into[i] = (int)transitions[i * STATES + s] * 64;`
            : `__shared__ int table[STATES][STATES];
              for (int e = threadIdx.x; e < STATES * STATES; e += SEQUENCES * STATES) table[e / STATES][e % STATES] = (int)transitions[e] * 64;`
        }
        for (int round = 0; round < ROUNDS; ++round) {
          const int b = (round * gridDim.x + blockIdx.x) * SEQUENCES + q;
          const float* own = emissions + b * (STEPS * STATES) + s;
          row[0][q][s] = (int)own[0] * 64 + 63 - s;
          __syncthreads();
          for (int t = 1; t < STEPS; ++t) {
            ${on(ahead, `const int emission = ${emission};`)}
            const int* previous = row[(t - 1) & 1][q];
            ${largestKey(o)}
            ${backPlace(back, "t", "s")} = 63 - (best & 63);
            row[t & 1][q][s] = ((best >> 6) + ${ahead ? "emission" : emission}) * 64 + 63 - s;
            __syncthreads();
          }
          if (s < 32) {
            const int lane = s;
            int key = max(row[1][q][lane], row[1][q][lane + 32]);
            key = __reduce_max_sync(0xffffffffu, key);
            int state = 63 - (key & 63);
            if (lane == 0) score[b] = (float)(key >> 6);
            ${walkBack(gathered, `state = ${backPlace(back, "t", "state")};`)}
          }
          __syncthreads();
        }
      }
    `;
    const args = ["emissions", "transitions", "score", "path", ...backArgs(back)];
    return styled(
      { source, launches: [launch("viterbi_keys", batch / (rounds * sequences), 64 * sequences, args)] },
      { names: "snake", indent: 2 },
    );
  },
});
