import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { batch, constants, findPredecessor, lookups, walkBack } from "./parts.ts";

const options = {
  saved: ["shared", "global"],
  largest: ["vmaxs2", "viaddmax"],
  keep: ["registers", "shared"],
  lookup: lookups,
  table: ["global", "shared"],
  chains: [1, 2, 4],
  quads: [false, true],
  gathered: [false, true],
  ahead: [false, true],
  bounded: [true, false],
  rounds: [1, 2, 4],
  groups: [1, 2, 4],
} as const;
type Options = Chosen<typeof options>;

function savedBytes(o: Options): number {
  return o.saved === "shared" ? o.groups * 128 * 64 * 4 : 0;
}

/** Statements that leave both sequences' largest candidates in `best`. */
function largest(o: Options): string {
  const share = 64 / o.chains;
  const name = (k: number): string => (k === 0 ? "best" : `best${k}`);
  const transition = (i: string): string => (o.keep === "registers" ? `into[${i}]` : `pairs[${i}][s]`);
  const update = (k: number, value: string, i: string): string =>
    o.largest === "viaddmax"
      ? `${name(k)} = __viaddmax_s16x2(${value}, ${transition(i)}, ${name(k)});`
      : `${name(k)} = __vmaxs2(${name(k)}, __vadd2(${value}, ${transition(i)}));`;
  const body = repeat(o.chains, (k) => {
    const at = (add: number): string => (k * share + add === 0 ? "i" : `i + ${k * share + add}`);
    return o.quads
      ? `{\nconst uint4 p = *reinterpret_cast<const uint4*>(&previous[${at(0)}]);\n${["x", "y", "z", "w"].map((lane, add) => update(k, `p.${lane}`, at(add))).join("\n")}\n}`
      : update(k, `previous[${at(0)}]`, at(0));
  });
  return `unsigned ${repeat(o.chains, (k) => `${name(k)} = 0x80008000u`, ", ")};
    ${on(o.keep === "registers", "#pragma unroll\n", "#pragma unroll 4\n")}for (int i = 0; i < ${share}; i += ${o.quads ? 4 : 1}) {
      ${body}
    }
    ${repeat(o.chains - 1, (k) => `best = __vmaxs2(best, ${name(k + 1)});`)}`;
}

/** One round: both sequences of a pair forward, then each warp traces one of them. */
function pairOfSequences(o: Options): string {
  const shared = o.saved === "shared";
  const place = (t: string, i: string): string =>
    shared ? `kept[(g * STEPS + ${t}) * STATES + ${i}]` : `rows[(pair * STEPS + ${t}) * STATES + ${i}]`;
  const value = (t: string, i: string): string => `(int)(short)(${place(t, i)} >> shift)`;
  const put = (t: string, result: string): string =>
    `${place(t, "s")} = ${result};${on(!shared, `\nrow[(${t}) & 1][g][s] = ${result};`)}`;
  const into = (i: string): string =>
    o.table === "shared" ? `table[${i}][state]` : `(int)transitions[(${i}) * STATES + state]`;
  const lookup = findPredecessor(
    o.lookup,
    "int",
    (i) => `${value("(t - 1)", i)} + ${into(i)}`,
    `${value("t", "state")} - (int)emissions[(b * STEPS + t) * STATES + state]`,
  );
  const both = "both(first[t * STATES], second[t * STATES])";
  return `const float* first = emissions + 2 * pair * (STEPS * STATES) + s;
    const float* second = first + STEPS * STATES;
    const unsigned start = both(first[0], second[0]);
    ${put("0", "start")}
    __syncthreads();
    for (int t = 1; t < STEPS; ++t) {
      ${on(o.ahead, `const unsigned emission = ${both};`)}
      const unsigned* previous = ${shared ? `&${place("(t - 1)", "0")}` : "row[(t - 1) & 1][g]"};
      ${largest(o)}
      best = __vadd2(best, ${o.ahead ? "emission" : both});
      ${put("t", "best")}
      __syncthreads();
    }
    {
      const int lane = s % 32, b = 2 * pair + s / 32, shift = s / 32 * 16;
      int key = max(${value("(STEPS - 1)", "lane")} * 64 + 63 - lane, ${value("(STEPS - 1)", "lane + 32")} * 64 + 31 - lane);
      key = __reduce_max_sync(0xffffffffu, key);
      int state = 63 - (key & 63);
      if (lane == 0) score[b] = (float)(key >> 6);
      ${walkBack(o.gathered, lookup.replace("int key", "int found").replace(/\bkey\b/g, "found"))}
    }`;
}

/** Two sequences share 32-bit words: additions and maxima of 16-bit halves, and the path is found again afterwards. */
export const pairedHalfwords: Template = template({
  id: "paired-halfwords",
  from: "retraced-path",
  idea: "put the scores of two sequences into the halves of a word and use the paired 16-bit instructions",
  options,
  valid: (o) => savedBytes(o) <= 131072 && (o.keep === "registers" || o.table === "global" || o.groups > 1),
  count: 22,
  write: (o) => {
    const { saved, keep, table, bounded, rounds, groups } = o;
    const shared = saved === "shared";
    const source = `
      ${constants.constexpr}constexpr int GROUPS = ${groups}, THREADS = GROUPS * STATES;

      __device__ __forceinline__ unsigned both(float low, float high) {
        return ((unsigned)(int)low & 0xffffu) | ((unsigned)(int)high << 16);
      }

      extern "C" __global__ void ${on(bounded, "__launch_bounds__(THREADS) ")}viterbi_pairs(const float* __restrict__ emissions, const float* __restrict__ transitions, float* __restrict__ score, int* __restrict__ path${on(!shared, ", unsigned* rows")}) {
        ${shared ? "extern __shared__ __align__(16) unsigned kept[];" : "__shared__ __align__(16) unsigned row[2][GROUPS][STATES];"}
        const int s = threadIdx.x % STATES, g = threadIdx.x / STATES;
        ${
          keep === "registers"
            ? "unsigned into[STATES];\n#pragma unroll\nfor (int i = 0; i < STATES; ++i) into[i] = both(transitions[i * STATES + s], transitions[i * STATES + s]);"
            : "__shared__ unsigned pairs[STATES][STATES];\nfor (int e = threadIdx.x; e < STATES * STATES; e += THREADS) pairs[e / STATES][e % STATES] = both(transitions[e], transitions[e]);"
        }
        ${on(
          table === "shared",
          "__shared__ int table[STATES][STATES + 1];\nfor (int e = threadIdx.x; e < STATES * STATES; e += THREADS) table[e / STATES][e % STATES] = (int)transitions[e];",
        )}
        ${
          rounds > 1
            ? `for (int round = 0; round < ${rounds}; ++round) {
              const int pair = (blockIdx.x * ${rounds} + round) * GROUPS + g;
              ${pairOfSequences(o)}
              __syncthreads();
            }`
            : `const int pair = blockIdx.x * GROUPS + g;\n${pairOfSequences(o)}`
        }
      }
    `;
    const args = ["emissions", "transitions", "score", "path", ...(shared ? [] : ["rows"])];
    return styled(
      {
        source,
        launches: [launch("viterbi_pairs", batch / (2 * rounds * groups), 64 * groups, args, savedBytes(o))],
      },
      { names: "snake", indent: 2 },
    );
  },
});
