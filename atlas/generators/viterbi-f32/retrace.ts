import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { batch, constants, findPredecessor, lastState, lookups, walkBack } from "./parts.ts";

const options = {
  saved: ["global", "shared float", "shared short"],
  keep: ["registers", "shared"],
  lookup: lookups,
  chains: [1, 2, 4],
  quads: [false, true],
  gathered: [false, true],
  ahead: [false, true],
  names: ["constexpr", "define"],
  bounded: [true, false],
  rounds: [2, 1, 4],
  sequences: [2, 1, 4],
} as const;
type Options = Chosen<typeof options>;

function savedBytes(o: Options): number {
  if (o.saved === "global") return 0;
  return o.sequences * 128 * 64 * (o.saved === "shared short" ? 2 : 4);
}

/** Statements that leave the largest candidate in `best`. */
function largest(o: Options): string {
  const share = 64 / o.chains;
  const name = (k: number): string => (k === 0 ? "best" : `best${k}`);
  const transition = (i: string): string => (o.keep === "registers" ? `into[${i}]` : `table[${i}][s]`);
  const body = repeat(o.chains, (k) => {
    const at = (add: number): string => (k * share + add === 0 ? "i" : `i + ${k * share + add}`);
    return o.quads
      ? `{\nconst float4 p = *reinterpret_cast<const float4*>(&previous[${at(0)}]);\n${["x", "y", "z", "w"].map((lane, add) => `${name(k)} = fmaxf(${name(k)}, p.${lane} + ${transition(at(add))});`).join("\n")}\n}`
      : `${name(k)} = fmaxf(${name(k)}, previous[${at(0)}] + ${transition(at(0))});`;
  });
  return `float ${repeat(o.chains, (k) => `${name(k)} = -1.0e30f`, ", ")};
    ${on(o.keep === "registers", "#pragma unroll\n", "#pragma unroll 4\n")}for (int i = 0; i < ${share}; i += ${o.quads ? 4 : 1}) {
      ${body}
    }
    ${repeat(o.chains - 1, (k) => `best = fmaxf(best, ${name(k + 1)});`)}`;
}

function body(o: Options): string {
  const inRows = o.saved === "shared float";
  const place = (t: string, i: string): string =>
    o.saved === "global" ? `rows[(b * STEPS + ${t}) * STATES + ${i}]` : `kept[(q * STEPS + ${t}) * STATES + ${i}]`;
  const value = (t: string, i: string): string => (o.saved === "shared short" ? `(float)${place(t, i)}` : place(t, i));
  const put = (t: string, result: string): string =>
    `${place(t, "s")} = ${on(o.saved === "shared short", "(short)")}${result};${on(!inRows, `\nrow[(${t}) & 1][q][s] = ${result};`)}`;
  const lookup = findPredecessor(
    o.lookup,
    "float",
    (i) =>
      `${value("(t - 1)", i)} + ${o.keep === "shared" ? `table[${i}][state]` : `transitions[(${i}) * STATES + state]`}`,
    `${value("t", "state")} - emissions[(b * STEPS + t) * STATES + state]`,
  );
  return `const float* own = emissions + b * (STEPS * STATES) + s;
    ${put("0", "own[0]")}
    __syncthreads();
    for (int t = 1; t < STEPS; ++t) {
      ${on(o.ahead, "const float emission = own[t * STATES];")}
      const float* previous = ${inRows ? `&${place("(t - 1)", "0")}` : "row[(t - 1) & 1][q]"};
      ${largest(o)}
      best += ${o.ahead ? "emission" : "own[t * STATES]"};
      ${put("t", "best")}
      __syncthreads();
    }
    if (s < 32) {
      const int lane = s;
      ${lastState(value("(STEPS - 1)", "lane"), value("(STEPS - 1)", "lane + 32"))}
      ${walkBack(o.gathered, lookup)}
    }`;
}

/** Only scores are kept on the way forward; the predecessors on the path are found again on the way back. */
export const retracedPath: Template = template({
  id: "retraced-path",
  from: "register-columns",
  idea: "keep only the scores and find the predecessors on the best path again on the way back",
  options,
  valid: (o) => savedBytes(o) <= 131072,
  count: 30,
  write: (o) => {
    const { saved, keep, names, bounded, rounds, sequences } = o;
    const global = saved === "global";
    const source = `
      ${constants[names]}
      extern "C" __global__ void ${on(bounded, `__launch_bounds__(${64 * sequences}) `)}viterbi_scores(const float* __restrict__ emissions, const float* __restrict__ transitions, float* __restrict__ score, int* __restrict__ path${on(global, ", float* rows")}) {
        ${on(!global, `extern __shared__ __align__(16) ${saved === "shared short" ? "short" : "float"} kept[];`)}
        ${on(saved !== "shared float", `__shared__ __align__(16) float row[2][${sequences}][STATES];`)}
        const int s = threadIdx.x % STATES, q = threadIdx.x / STATES;
        ${
          keep === "registers"
            ? "float into[STATES];\n#pragma unroll\nfor (int i = 0; i < STATES; ++i) into[i] = transitions[i * STATES + s];"
            : "__shared__ float table[STATES][STATES + 1];\nfor (int e = threadIdx.x; e < STATES * STATES; e += blockDim.x) table[e / STATES][e % STATES] = transitions[e];"
        }
        ${
          rounds > 1
            ? `for (int round = 0; round < ${rounds}; ++round) {
              const int b = (blockIdx.x * ${rounds} + round) * ${sequences} + q;
              ${body(o)}
              __syncthreads();
            }`
            : `const int b = blockIdx.x * ${sequences} + q;\n${body(o)}`
        }
      }
    `;
    const args = ["emissions", "transitions", "score", "path", ...(global ? ["rows"] : [])];
    return styled(
      {
        source,
        launches: [launch("viterbi_scores", batch / (rounds * sequences), 64 * sequences, args, savedBytes(o))],
      },
      { names: "snake", indent: 2 },
    );
  },
});
