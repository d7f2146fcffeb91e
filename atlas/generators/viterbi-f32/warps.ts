import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { batch, choices, choose, constants, lastState, walkBack } from "./parts.ts";

const options = {
  layout: ["halves", "pairs"],
  exchange: ["shuffle", "shared"],
  table: ["shared", "global"],
  back: ["byte", "int"],
  style: choices,
  gathered: [true, false],
  ahead: [false, true],
  unroll: ["part", "all", "none"],
  bounded: [true, false],
  warps: [4, 2, 8, 16],
} as const;
type Options = Chosen<typeof options>;

/** Statements over all predecessors in rising order. */
function search(o: Options): string {
  const pairs = o.layout === "pairs";
  const [first, second] = pairs ? ["2 * lane", "2 * lane + 1"] : ["lane", "lane + 32"];
  const table = (i: string, s: string): string =>
    o.table === "shared" ? `table[${i}][${s}]` : `transitions[(${i}) * STATES + ${s}]`;
  const one = (index: string, previous: string): string => `{
      const float p = ${previous};
      ${
        pairs
          ? `const float2 two = *reinterpret_cast<const float2*>(&${table(index, "2 * lane")});\nconst float c0 = p + two.x, c1 = p + two.y;`
          : `const float c0 = p + ${table(index, first)}, c1 = p + ${table(index, second)};`
      }
      ${choose(o.style, "c0", "best0", "from0", index)}
      ${choose(o.style, "c1", "best1", "from1", index)}
    }`;
  const pragma = { part: "#pragma unroll 4\n", all: "#pragma unroll\n", none: "#pragma unroll 1\n" }[o.unroll];
  const shuffled = (value: string): string => `__shfl_sync(0xffffffffu, ${value}, i)`;
  if (o.exchange === "shared") return `${pragma}for (int i = 0; i < STATES; ++i) {\n${one("i", "row[warp][i]")}\n}`;
  return pairs
    ? `${pragma}for (int i = 0; i < 32; ++i) {\n${one("2 * i", shuffled("mine0"))}\n${one("2 * i + 1", shuffled("mine1"))}\n}`
    : `${pragma}for (int i = 0; i < 32; ++i) {\n${one("i", shuffled("mine0"))}\n}\n${pragma}for (int i = 0; i < 32; ++i) {\n${one("i + 32", shuffled("mine1"))}\n}`;
}

/** A warp per sequence: two states per lane, no barriers of the block on the way. */
export const warpPerSequence: Template = template({
  id: "warp-per-sequence",
  from: "shared-transitions",
  idea: "give a warp a whole sequence, two states per lane, so that no block barrier is needed",
  options,
  count: 26,
  write: (o) => {
    const { layout, exchange, table, back, gathered, ahead, bounded, warps } = o;
    const pairs = layout === "pairs";
    const [first, second] = pairs ? ["2 * lane", "2 * lane + 1"] : ["lane", "lane + 32"];
    const type = back === "byte" ? "unsigned char" : "int";
    const share = on(
      exchange === "shared",
      `__syncwarp();\nrow[warp][${first}] = mine0;\nrow[warp][${second}] = mine1;\n__syncwarp();`,
    );
    const keep =
      pairs && back === "byte"
        ? `*reinterpret_cast<uchar2*>(&own_back[t * STATES + 2 * lane]) = make_uchar2(from0, from1);`
        : `own_back[t * STATES + ${first}] = from0;\nown_back[t * STATES + ${second}] = from1;`;
    const source = `
      ${constants.constexpr}constexpr int WARPS = ${warps};

      extern "C" __global__ void ${on(bounded, "__launch_bounds__(WARPS * 32) ")}viterbi_warps(const float* __restrict__ emissions, const float* __restrict__ transitions, float* __restrict__ score, int* __restrict__ path, ${type}* back) {
        ${on(table === "shared", "__shared__ __align__(16) float table[STATES][STATES];")}
        ${on(exchange === "shared", "__shared__ float row[WARPS][STATES];")}
        ${on(
          table === "shared",
          `for (int e = threadIdx.x; e < STATES * STATES; e += WARPS * 32) table[e / STATES][e % STATES] = transitions[e];
          __syncthreads();`,
        )}
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const int b = blockIdx.x * WARPS + warp;
        const float* own = emissions + b * (STEPS * STATES);
        ${type}* own_back = back + b * (STEPS * STATES);
        float mine0 = own[${first}], mine1 = own[${second}];
        for (int t = 1; t < STEPS; ++t) {
          ${on(ahead, `const float emission0 = own[t * STATES + ${first}], emission1 = own[t * STATES + ${second}];`)}
          ${share}
          float best0 = -1.0e30f, best1 = -1.0e30f;
          int from0 = 0, from1 = 0;
          ${search(o)}
          mine0 = best0 + ${ahead ? "emission0" : `own[t * STATES + ${first}]`};
          mine1 = best1 + ${ahead ? "emission1" : `own[t * STATES + ${second}]`};
          ${keep}
        }
        __syncwarp();
        ${lastState("mine0", "mine1", first, second)}
        ${walkBack(gathered, "state = own_back[t * STATES + state];")}
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("viterbi_warps", batch / warps, 32 * warps, ["emissions", "transitions", "score", "path", "back"]),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});
