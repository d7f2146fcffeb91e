import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { channels, copyQuads, exponents, keptRate, length, sequences, states, stateStep } from "./parts.ts";

const chunkedOptions = {
  halves: [false, true],
  fold: ["spread", "own"],
  rows: ["cache", "shared"],
  quads: [false, true],
  exponent: exponents,
  keep: ["registers", "reread"],
  restrict: [true, false],
  bounded: [true, false],
  warps: [8, 16, 4],
  run: [8, 16, 4],
} as const;

function chunkedParts(o: Chosen<typeof chunkedOptions>) {
  const { halves, fold, rows, quads, exponent, keep, restrict } = o;
  const group = halves ? 16 : 32;
  const own = halves ? states / 2 : states;
  const q = on(restrict, " __restrict__");
  const shared = rows === "shared";
  const registers = keep === "registers";
  const slot = halves ? "half * OWN + n" : "n";
  const at = (which: "b" | "c", n: string): string => {
    const index = halves ? `half * OWN + ${n}` : n;
    return shared ? `rows_${which}[(warp * RUN + s) * STATES + ${index}]` : `${which}[(begin + s) * STATES + ${index}]`;
  };
  const step = (emit: boolean): string => `#pragma unroll
    for (int s = 0; s < RUN; ++s) {
      const float in = ${registers ? "xs[s]" : "x[(begin + s) * CHANNELS + channel]"};
      const float step = ${registers ? "ds[s]" : "delta[(begin + s) * CHANNELS + channel]"};
      const float gain = step * in;
      ${on(emit, "float acc = 0.0f;", "total += step;")}
      ${stateStep({
        exponent,
        count: "OWN",
        quads,
        rate: (n) => `rate[${n}]`,
        h: (n) => `h[${n}]`,
        b: (n) => at("b", n),
        ...(emit ? { c: (n: string) => at("c", n) } : {}),
      })}
      ${on(emit && halves, "acc += __shfl_xor_sync(0xffffffffu, acc, 16);")}
      ${on(emit, `${on(halves, "if (half == 0) ")}y[(begin + s) * CHANNELS + channel] = acc + through * in;`)}
    }`;
  const stage = on(
    shared,
    `${copyQuads("THREADS", "TILE * STATES / 4", "rows_b[4 * i]", "b[(first + t0) * STATES + 4 * i]", false)}
     ${copyQuads("THREADS", "TILE * STATES / 4", "rows_c[4 * i]", "c[(first + t0) * STATES + 4 * i]", false)}
     __syncthreads();`,
  );
  const combine =
    fold === "spread"
      ? `for (int e = threadIdx.x; e < STATES * GROUP; e += THREADS) {
          const int n = e / GROUP, g = e % GROUP;
          const float r = ${keptRate(exponent, "a[(c0 + g) * STATES + n]")};
          float state = carry[n][g];
          for (int w = 0; w < WARPS; ++w) {
            const float end = ends[w][n][g];
            ends[w][n][g] = state;
            state = ${exponent}(totals[w][g] * r) * state + end;
          }
          carry[n][g] = state;
        }
        __syncthreads();
        #pragma unroll
        for (int n = 0; n < OWN; ++n) h[n] = ends[warp][${slot}][me];`
      : `#pragma unroll
        for (int n = 0; n < OWN; ++n) before[n] = carry[${slot}][me];
        for (int w = 0; w < WARPS; ++w) {
          const float passed = totals[w][me];
          #pragma unroll
          for (int n = 0; n < OWN; ++n) {
            if (w == warp) h[n] = before[n];
            before[n] = ${exponent}(passed * rate[n]) * before[n] + ends[w][${slot}][me];
          }
        }
        __syncthreads();
        if (warp == 0) {
          #pragma unroll
          for (int n = 0; n < OWN; ++n) carry[${slot}][me] = before[n];
        }`;
  return { group, own, q, shared, registers, slot, step, stage, combine };
}

/** The warps of a block take neighbouring chunks of the same channels and exchange their ends in shared memory. */
export const blockChunks: Template = template({
  id: "block-chunks",
  from: "chunk-passes",
  idea: "let the warps of a block run the chunks and exchange carries in shared memory",
  options: chunkedOptions,
  valid: ({ warps, run, rows }) =>
    4 * (warps * (states + 1) * 32 + states * 32 + (rows === "shared" ? 2 * warps * run * states : 0)) <= 49152,
  count: 26,
  write: (o) => {
    const { halves, fold, exponent, bounded, warps, run } = o;
    const { group, own, q, shared, registers, slot, step, stage, combine } = chunkedParts(o);
    const source = `
      #define LENGTH ${length}
      #define CHANNELS ${channels}
      #define STATES ${states}
      #define WARPS ${warps}
      #define RUN ${run}
      #define GROUP ${group}
      #define OWN ${own}
      #define THREADS (WARPS * 32)
      #define TILE (WARPS * RUN)

      extern "C" __global__ void ${on(bounded, "__launch_bounds__(THREADS) ")}scan_block(const float*${q} x, const float*${q} delta, const float*${q} a, const float*${q} b, const float*${q} c, const float*${q} skip, float*${q} y) {
        __shared__ float ends[WARPS][STATES][GROUP], carry[STATES][GROUP], totals[WARPS][GROUP];
        ${on(shared, "__shared__ __align__(16) float rows_b[TILE * STATES], rows_c[TILE * STATES];")}
        const int warp = threadIdx.x / 32;
        const int me = threadIdx.x % GROUP;
        ${on(halves, "const int half = threadIdx.x / 16 % 2;")}
        const int c0 = blockIdx.x % (CHANNELS / GROUP) * GROUP;
        const int channel = c0 + me;
        const int first = blockIdx.x / (CHANNELS / GROUP) * LENGTH;
        const float through = skip[channel];
        float h[OWN], rate[OWN]${on(fold === "own", ", before[OWN]")};
        #pragma unroll
        for (int n = 0; n < OWN; ++n) rate[n] = ${keptRate(exponent, `a[channel * STATES + ${slot}]`)};
        for (int e = threadIdx.x; e < STATES * GROUP; e += THREADS) carry[e / GROUP][e % GROUP] = 0.0f;
        for (int t0 = 0; t0 < LENGTH; t0 += TILE) {
          const int begin = first + t0 + warp * RUN;
          ${on(
            registers,
            `float xs[RUN], ds[RUN];
            #pragma unroll
            for (int s = 0; s < RUN; ++s) {
              xs[s] = x[(begin + s) * CHANNELS + channel];
              ds[s] = delta[(begin + s) * CHANNELS + channel];
            }`,
          )}
          __syncthreads();
          ${stage}
          #pragma unroll
          for (int n = 0; n < OWN; ++n) h[n] = 0.0f;
          float total = 0.0f;
          ${step(false)}
          #pragma unroll
          for (int n = 0; n < OWN; ++n) ends[warp][${slot}][me] = h[n];
          ${on(halves, "if (half == 0) ")}totals[warp][me] = total;
          __syncthreads();
          ${combine}
          ${step(true)}
        }
      }
    `;
    return styled(
      {
        source,
        launches: [launch("scan_block", sequences / group, warps * 32, ["x", "delta", "a", "b", "c", "skip", "y"])],
      },
      { names: "camel", indent: 2 },
    );
  },
});
