import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { batch, choices, constants, overPredecessors } from "./parts.ts";

/** A thread runs a whole sequence by itself. */
export const sequencePerThread: Template = template({
  id: "sequence-per-thread",
  from: "state-per-thread",
  idea: "run a sequence per thread, which then needs no exchange of scores at all",
  options: {
    hold: ["registers", "shared", "local"],
    table: ["global", "columns"],
    quads: [false, true],
    style: choices,
    order: ["by sequence", "by step"],
    back: ["byte", "int"],
    names: ["define", "constexpr"],
    restrict: [true, false],
    block: [32, 64],
  },
  valid: ({ quads, table, hold }) => !quads || (table === "columns" && hold !== "shared"),
  count: 24,
  write: ({ hold, table, quads, style, order, back, names, restrict, block }) => {
    const q = on(restrict, " __restrict__");
    const columns = table === "columns";
    const type = back === "byte" ? "unsigned char" : "int";
    const place = (t: string, j: string): string =>
      order === "by sequence" ? `back[(b * STEPS + ${t}) * STATES + ${j}]` : `back[(${t} * STATES + ${j}) * BATCH + b]`;
    const shared = hold === "shared";
    const previous = (i: string): string => (shared ? `before[${i}][threadIdx.x]` : `before[${i}]`);
    const search = overPredecessors({
      style,
      quads: quads && !shared,
      unroll:
        hold === "registers" ? "#pragma unroll\n" : hold === "shared" ? "#pragma unroll 4\n" : "#pragma unroll 1\n",
      previous,
      transition: (i) => (columns ? `table[j][${i}]` : `transitions[(${i}) * STATES + j]`),
      ...(columns ? { transitionQuad: (i: string) => `table[j][${i}]` } : {}),
    });
    // Four scores at a time come from the thread's own array, which vectors cannot address in registers.
    const loop =
      quads && !shared
        ? search.replaceAll(
            /const float4 p = \*reinterpret_cast<const float4\*>\(&before\[i\]\);/g,
            "const float4 p = make_float4(before[i], before[i + 1], before[i + 2], before[i + 3]);",
          )
        : search;
    const pragma = hold === "registers" ? "#pragma unroll\n" : "";
    const source = `
      ${constants[names]}
      extern "C" __global__ void viterbi_threads(const float*${q} emissions, const float*${q} transitions, float*${q} score, int*${q} path, ${type}*${q} back) {
        __shared__ float after[STATES][${block}];
        ${on(columns, "__shared__ __align__(16) float table[STATES][STATES];")}
        ${shared ? `__shared__ float before[STATES][${block}];` : "float before[STATES];"}
        ${on(
          columns,
          `for (int e = threadIdx.x; e < STATES * STATES; e += ${block}) table[e % STATES][e / STATES] = transitions[e];
          __syncthreads();`,
        )}
        const int b = blockIdx.x * ${block} + threadIdx.x;
        const float* own = emissions + b * (STEPS * STATES);
        ${pragma}for (int i = 0; i < STATES; ++i) ${previous("i")} = own[i];
        for (int t = 1; t < STEPS; ++t) {
          for (int j = 0; j < STATES; ++j) {
            ${loop}
            after[j][threadIdx.x] = best + own[t * STATES + j];
            ${place("t", "j")} = from;
          }
          ${pragma}for (int i = 0; i < STATES; ++i) ${previous("i")} = after[i][threadIdx.x];
        }
        int state = 0;
        float top = after[0][threadIdx.x];
        for (int i = 1; i < STATES; ++i) {
          if (after[i][threadIdx.x] > top) {
            top = after[i][threadIdx.x];
            state = i;
          }
        }
        score[b] = top;
        for (int t = STEPS - 1; t > 0; --t) {
          path[b * STEPS + t] = state;
          state = ${place("t", "state")};
        }
        path[b * STEPS] = state;
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("viterbi_threads", batch / block, block, ["emissions", "transitions", "score", "path", "back"]),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});
