import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { batch, choices, choose, constants } from "./parts.ts";

const options = {
  keep: ["shared", "registers", "global"],
  back: ["bytes", "word"],
  style: choices,
  trace: ["threads", "warp"],
  vector: [true, false],
  ahead: [false, true],
  unroll: [false, true],
  bounded: [true, false],
  restrict: [true, false],
  tile: [4, 2, 8],
  groups: [2, 1, 4],
} as const;
type Options = Chosen<typeof options>;

const lanes = ["x", "y", "z", "w"];

/** Statements that bring the scores of predecessor `i` of all sequences of the tile into `p0`, `p1` … */
function scores(o: Options): string {
  if (!o.vector) return repeat(o.tile, (k) => `const float p${k} = previous[i * TILE + ${k}];`);
  const width = Math.min(o.tile, 4);
  return repeat(o.tile / width, (v) => {
    const load = `const float${width} v${v} = *reinterpret_cast<const float${width}*>(&previous[i * TILE + ${v * width}]);`;
    return `${load}\n${repeat(width, (k) => `const float p${v * width + k} = v${v}.${lanes[k] ?? "x"};`)}`;
  });
}

function trace(o: Options): string {
  const back =
    o.back === "bytes"
      ? "state = back[(b * STEPS + t) * STATES + state];"
      : "state = back[(group * STEPS + t) * STATES + state] >> (8 * k) & 255;";
  const last = "row[(STEPS - 1) & 1][g][STATE * TILE + k]";
  if (o.trace === "threads")
    return `if (s < TILE) {
      const int k = s, b = group * TILE + k;
      int state = 0;
      for (int i = 1; i < STATES; ++i)
        if (${last.replace("STATE *", "i *")} > ${last.replace("STATE *", "state *")}) state = i;
      score[b] = ${last.replace("STATE *", "state *")};
      for (int t = STEPS - 1; t > 0; --t) {
        path[b * STEPS + t] = state;
        ${back}
      }
      path[b * STEPS] = state;
    }`;
  return `if (s < 32) {
    for (int k = 0; k < TILE; ++k) {
      const int b = group * TILE + k;
      const float first = ${last.replace("STATE *", "s *")}, second = ${last.replace("STATE *", "(s + 32) *")};
      int key = max((int)first * 64 + 63 - s, (int)second * 64 + 31 - s);
      for (int offset = 16; offset > 0; offset /= 2) key = max(key, __shfl_xor_sync(0xffffffffu, key, offset));
      int state = 63 - (key & 63);
      if (s == 0) score[b] = (float)(key >> 6);
      for (int t0 = STEPS - 32; t0 >= 0; t0 -= 32) {
        int mine = 0;
        for (int t = t0 + 31; t >= t0; --t) {
          if (s == t - t0) mine = state;
          if (t > 0) {
            ${back}
          }
        }
        path[b * STEPS + t0 + s] = mine;
      }
    }
  }`;
}

/** A thread carries its state through several sequences at once, so that a transition read serves all of them. */
export const sequenceTiles: Template = template({
  id: "sequence-tiles",
  from: "shared-transitions",
  idea: "carry several sequences per thread, so that every transition that is read serves all of them",
  options,
  valid: (o) => (o.back === "bytes" || o.tile <= 4) && (o.keep !== "registers" || o.tile <= 4),
  count: 26,
  write: (o) => {
    const { keep, back, style, ahead, unroll, bounded, restrict, tile, groups } = o;
    const q = on(restrict, " __restrict__");
    const type = back === "bytes" ? "unsigned char" : tile === 2 ? "unsigned short" : "unsigned";
    const into = { shared: "table[i][s]", registers: "into[i]", global: "transitions[i * STATES + s]" }[keep];
    const emission = "own[(k * STEPS + t) * STATES + s]";
    const store =
      back === "bytes"
        ? "#pragma unroll\nfor (int k = 0; k < TILE; ++k) back[((group * TILE + k) * STEPS + t) * STATES + s] = from[k];"
        : `back[(group * STEPS + t) * STATES + s] = (${type})(${repeat(tile, (k) => (k === 0 ? "from[0]" : `from[${k}] << ${8 * k}`), " | ")});`;
    const source = `
      ${constants.constexpr}constexpr int TILE = ${tile}, GROUPS = ${groups}, THREADS = GROUPS * STATES;

      extern "C" __global__ void ${on(bounded, "__launch_bounds__(THREADS) ")}viterbi_tiles(const float*${q} emissions, const float*${q} transitions, float*${q} score, int*${q} path, ${type}*${q} back) {
        __shared__ __align__(16) float row[2][GROUPS][STATES * TILE];
        const int s = threadIdx.x % STATES, g = threadIdx.x / STATES;
        const int group = blockIdx.x * GROUPS + g;
        ${
          {
            shared: `__shared__ float table[STATES][STATES];
              for (int e = threadIdx.x; e < STATES * STATES; e += THREADS) table[e / STATES][e % STATES] = transitions[e];`,
            registers:
              "float into[STATES];\n#pragma unroll\nfor (int i = 0; i < STATES; ++i) into[i] = transitions[i * STATES + s];",
            global: "",
          }[keep]
        }
        const float* own = emissions + group * TILE * (STEPS * STATES);
        #pragma unroll
        for (int k = 0; k < TILE; ++k) row[0][g][s * TILE + k] = own[k * STEPS * STATES + s];
        __syncthreads();
        for (int t = 1; t < STEPS; ++t) {
          ${on(ahead, `float emission[TILE];\n#pragma unroll\nfor (int k = 0; k < TILE; ++k) emission[k] = ${emission};`)}
          const float* previous = row[(t - 1) & 1][g];
          float best[TILE];
          int from[TILE];
          #pragma unroll
          for (int k = 0; k < TILE; ++k) {
            best[k] = -1.0e30f;
            from[k] = 0;
          }
          ${keep === "registers" ? "#pragma unroll\n" : on(unroll, "#pragma unroll 8\n", "#pragma unroll 2\n")}for (int i = 0; i < STATES; ++i) {
            const float w = ${into};
            ${scores(o)}
            ${repeat(tile, (k) => `{\nconst float c = p${k} + w;\n${choose(style, "c", `best[${k}]`, `from[${k}]`, "i")}\n}`)}
          }
          #pragma unroll
          for (int k = 0; k < TILE; ++k) row[t & 1][g][s * TILE + k] = best[k] + ${ahead ? "emission[k]" : emission};
          ${store}
          __syncthreads();
        }
        ${trace(o)}
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("viterbi_tiles", batch / (tile * groups), 64 * groups, [
            "emissions",
            "transitions",
            "score",
            "path",
            "back",
          ]),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});
