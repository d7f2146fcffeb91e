import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
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
  traces,
} from "./parts.ts";

const inputs = (q: string): string =>
  `const float*${q} emissions, const float*${q} transitions, float*${q} score, int*${q} path`;

/** A thread per state; rows of scores in shared memory, transitions through the caches. */
export const statePerThread: Template = template({
  id: "state-per-thread",
  from: null,
  idea: "keep the row of scores in shared memory, one thread per state",
  options: {
    back: backs,
    style: choices,
    trace: traces,
    buffers: ["two", "one"],
    load: ["plain", "__ldg"],
    ahead: [false, true],
    unroll: [false, true],
    names: ["define", "constexpr"],
    restrict: [false, true],
    sequences: [1, 2, 4],
  },
  count: 28,
  write: ({ back, style, trace, buffers, load, ahead, unroll, names, restrict, sequences }) => {
    const q = on(restrict, " __restrict__");
    const two = buffers === "two";
    const read = (i: string): string => {
      const place = `transitions[(${i}) * STATES + s]`;
      return load === "plain" ? place : `__ldg(&${place})`;
    };
    const emission = ahead ? "emission" : "own[t * STATES + s]";
    const source = `
      ${constants[names]}
      extern "C" __global__ void viterbi_rows(${inputs(q)}${backParameter(back, q)}) {
        __shared__ float row[${two ? "2" : "1"}][${sequences}][STATES];
        ${backShared(back, sequences)}
        const int s = threadIdx.x % STATES, q = threadIdx.x / STATES;
        const int b = blockIdx.x * ${sequences} + q;
        const float* own = emissions + (size_t)b * STEPS * STATES;
        row[0][q][s] = own[s];
        __syncthreads();
        for (int t = 1; t < STEPS; ++t) {
          ${on(ahead, "const float emission = own[t * STATES + s];")}
          const float* previous = row[${two ? "(t - 1) & 1" : "0"}][q];
          ${overPredecessors({
            style,
            unroll: on(unroll, "#pragma unroll 8\n"),
            previous: (i) => `previous[${i}]`,
            transition: read,
          })}
          ${on(!two, "__syncthreads();")}
          row[${two ? "t & 1" : "0"}][q][s] = best + ${emission};
          ${backPlace(back, "t", "s")} = from;
          __syncthreads();
        }
        ${traceBack(
          trace,
          (i) => `row[${two ? "(STEPS - 1) & 1" : "0"}][q][${i}]`,
          (t, state) => backPlace(back, t, state),
        )}
      }
    `;
    const args = ["emissions", "transitions", "score", "path", ...backArgs(back)];
    return styled(
      { source, launches: [launch("viterbi_rows", batch / sequences, 64 * sequences, args)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** The transitions are copied to shared memory once and serve several sequences. */
export const sharedTransitions: Template = template({
  id: "shared-transitions",
  from: "state-per-thread",
  idea: "copy the transitions to shared memory and let a block run several sequences",
  options: {
    layout: ["rows", "columns"],
    quads: [false, true],
    back: backs,
    style: choices,
    trace: ["gathered", "one thread", "warp"],
    chains: [1, 2, 4],
    persistent: [false, true],
    unroll: [false, true],
    bounded: [false, true],
    sequences: [2, 1, 4],
  },
  valid: ({ back, sequences, layout, persistent, chains, unroll }) =>
    (back !== "shared byte" || sequences <= 2) &&
    (layout === "rows" || sequences > 1 || persistent) &&
    (chains === 1 || !unroll),
  count: 28,
  write: ({ layout, quads, back, style, trace, chains, persistent, unroll, bounded, sequences }) => {
    const rows = layout === "rows";
    const pitch = rows ? 64 : quads ? 68 : 65;
    const threads = 64 * sequences;
    const search = overPredecessors({
      style,
      quads,
      chains,
      unroll: on(unroll, "#pragma unroll\n", "#pragma unroll 4\n"),
      previous: (i) => `previous[${i}]`,
      transition: (i) => (rows ? `table[${i}][s]` : `table[s][${i}]`),
      ...(rows ? {} : { transitionQuad: (i: string) => `table[s][${i}]` }),
    });
    const work = `const float* own = emissions + (size_t)b * STEPS * STATES;
      row[0][q][s] = own[s];
      __syncthreads();
      for (int t = 1; t < STEPS; ++t) {
        const float emission = own[t * STATES + s];
        const float* previous = row[(t + 1) & 1][q];
        ${search}
        row[t & 1][q][s] = best + emission;
        ${backPlace(back, "t", "s")} = from;
        __syncthreads();
      }
      ${traceBack(
        trace,
        (i) => `row[1][q][${i}]`,
        (t, state) => backPlace(back, t, state),
      )}`;
    const source = `
      ${constants.constexpr}constexpr int SEQUENCES = ${sequences}, THREADS = SEQUENCES * STATES, PITCH = ${pitch};

      extern "C" __global__ void ${on(bounded, "__launch_bounds__(THREADS) ")}viterbi_table(${inputs(" __restrict__")}${backParameter(back)}) {
        __shared__ __align__(16) float table[STATES][PITCH];
        __shared__ __align__(16) float row[2][SEQUENCES][STATES];
        ${backShared(back, sequences)}
        for (int e = threadIdx.x; e < STATES * STATES; e += THREADS) ${rows ? "table[e / STATES][e % STATES]" : "table[e % STATES][e / STATES]"} = transitions[e];
        const int s = threadIdx.x % STATES, q = threadIdx.x / STATES;
        ${
          persistent
            ? `for (int b = blockIdx.x * SEQUENCES + q; b < BATCH; b += gridDim.x * SEQUENCES) {
              ${work}
              __syncthreads();
            }`
            : `const int b = blockIdx.x * SEQUENCES + q;\n${work}`
        }
      }
    `;
    const args = ["emissions", "transitions", "score", "path", ...backArgs(back)];
    // A power of two, so that all sequences of a block go through the same number of rounds.
    const grid = persistent ? 512 / sequences : batch / sequences;
    return styled({ source, launches: [launch("viterbi_table", grid, threads, args)] }, { names: "camel", indent: 2 });
  },
});
