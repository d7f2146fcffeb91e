import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { batch, choices, constants, lastState, overPredecessors, steps, walkBack } from "./parts.ts";

/** The body of the last launch: a thread or a warp per sequence. */
function traceLast(finish: "thread" | "warp" | "gathered"): string {
  const last = (i: string): string => `rows[(b * STEPS + STEPS - 1) * STATES + ${i}]`;
  const step = "state = back[(b * STEPS + t) * STATES + state];";
  return finish === "thread"
    ? `const int b = blockIdx.x * blockDim.x + threadIdx.x;
        int state = 0;
        for (int i = 1; i < STATES; ++i)
          if (${last("i")} > ${last("state")}) state = i;
        score[b] = ${last("state")};
        for (int t = STEPS - 1; t > 0; --t) {
          path[b * STEPS + t] = state;
          ${step}
        }
        path[b * STEPS] = state;`
    : `const int b = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
        const int lane = threadIdx.x % 32;
        ${lastState(last("lane"), last("lane + 32"))}
        ${walkBack(finish === "gathered", step)}`;
}

/** Launches of a few steps each; scores and predecessors pass through global memory. */
export const stepLaunches: Template = template({
  id: "step-launches",
  from: "state-per-thread",
  idea: "advance all sequences by a few steps per launch and trace the paths in a last launch",
  options: {
    finish: ["thread", "warp", "gathered"],
    style: choices,
    table: ["global", "shared"],
    start: ["own launch", "first step"],
    back: ["int", "byte"],
    unroll: [false, true],
    ldg: [false, true],
    names: ["constexpr", "define"],
    chunk: [8, 16, 4, 2],
    sequences: [2, 1, 4],
  },
  valid: ({ table, ldg }) => table === "global" || !ldg,
  count: 20,
  write: ({ finish, style, table, start, back, unroll, ldg, names, chunk, sequences }) => {
    const type = back === "int" ? "int" : "unsigned char";
    const separate = start === "own launch";
    const shared = table === "shared";
    const read = (i: string): string => {
      if (shared) return `table[${i}][s]`;
      const place = `transitions[(${i}) * STATES + s]`;
      return ldg ? `__ldg(&${place})` : place;
    };
    const ends = traceLast(finish);
    const begin = separate
      ? `extern "C" __global__ void start_rows(const float* emissions, float* rows) {
          const int id = blockIdx.x * blockDim.x + threadIdx.x;
          const int at = id / STATES * STEPS * STATES + id % STATES;
          rows[at] = emissions[at];
        }`
      : "";
    const source = `
      ${constants[names]}
      ${begin}

      extern "C" __global__ void advance_rows(const float* emissions, const float* transitions, float* rows, ${type}* back, int first) {
        __shared__ float row[2][${sequences}][STATES];
        const int s = threadIdx.x % STATES, q = threadIdx.x / STATES;
        const int b = blockIdx.x * ${sequences} + q;
        ${on(
          shared,
          `__shared__ float table[STATES][STATES];
          for (int e = threadIdx.x; e < STATES * STATES; e += blockDim.x) table[e / STATES][e % STATES] = transitions[e];`,
        )}
        const int base = b * STEPS * STATES;
        row[0][q][s] = ${separate ? "rows[base + (first - 1) * STATES + s]" : "first == 1 ? emissions[base + s] : rows[base + (first - 1) * STATES + s]"};
        __syncthreads();
        const int end = min(first + ${chunk}, STEPS);
        for (int t = first; t < end; ++t) {
          const float* previous = row[(t - first) & 1][q];
          ${overPredecessors({
            style,
            unroll: on(unroll, "#pragma unroll 16\n"),
            previous: (i) => `previous[${i}]`,
            transition: read,
          })}
          best += emissions[base + t * STATES + s];
          row[(t - first + 1) & 1][q][s] = best;
          if (t == end - 1) rows[base + t * STATES + s] = best;
          back[base + t * STATES + s] = from;
          __syncthreads();
        }
      }

      extern "C" __global__ void trace_paths(const float* rows, const ${type}* back, float* score, int* path) {
        ${ends}
      }
    `;
    const advances = Array.from({ length: Math.ceil((steps - 1) / chunk) }, (_, index) =>
      launch("advance_rows", batch / sequences, 64 * sequences, [
        "emissions",
        "transitions",
        "rows",
        "back",
        { i32: 1 + index * chunk },
      ]),
    );
    return styled(
      {
        source,
        launches: [
          ...(separate ? [launch("start_rows", (batch * 64) / 256, 256, ["emissions", "rows"])] : []),
          ...advances,
          launch("trace_paths", finish === "thread" ? batch / 64 : batch / 4, finish === "thread" ? 64 : 128, [
            "rows",
            "back",
            "score",
            "path",
          ]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});
