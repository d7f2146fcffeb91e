import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { channels, copyQuads, exponents, keptRate, length, sequences, states, stateStep, tileLoop } from "./parts.ts";

const args = ["x", "delta", "a", "b", "c", "skip", "y"] as const;

/** One thread per channel walks through time and reads everything through the caches. */
export const channelPerThread: Template = template({
  id: "channel-per-thread",
  from: null,
  idea: "keep the states of a channel in the thread's own array",
  options: {
    loop: ["unrolled", "rolled", "partly"],
    rates: ["kept", "reread"],
    rows: ["single", "quads"],
    exponent: exponents,
    twoSums: [false, true],
    ahead: [false, true],
    advance: [false, true],
    restrict: [false, true],
    block: [128, 32, 64, 256],
  },
  valid: ({ loop, rows }) => rows === "single" || loop !== "partly",
  count: 28,
  write: ({ loop, rates, rows, exponent, twoSums, ahead, advance, restrict, block }) => {
    const q = on(restrict, " __restrict__");
    const unroll = { unrolled: "#pragma unroll\n", rolled: "#pragma unroll 1\n", partly: "#pragma unroll 4\n" }[loop];
    const kept = rates === "kept";
    const rate = (n: string): string =>
      kept ? `rate[${n}]` : `(${keptRate(exponent, `a[channel * ${states} + ${n}]`)})`;
    const update = stateStep({
      exponent,
      count: String(states),
      quads: rows === "quads",
      twoSums,
      unroll,
      rate,
      h: (n) => `h[${n}]`,
      b: (n) => (advance ? `b[${n}]` : `b[row * ${states} + ${n}]`),
      c: (n) => (advance ? `c[${n}]` : `c[row * ${states} + ${n}]`),
    });
    const at = (name: string): string => (advance ? `*${name}` : `${name}[row * ${channels} + channel]`);
    const next = (name: string): string =>
      advance ? `${name}[${channels}]` : `${name}[(row + 1) * ${channels} + channel]`;
    const start = advance
      ? `x += (size_t)first * ${channels} + channel;
         delta += (size_t)first * ${channels} + channel;
         y += (size_t)first * ${channels} + channel;
         b += first * ${states};
         c += first * ${states};`
      : "";
    const move = advance
      ? `x += ${channels};\ndelta += ${channels};\ny += ${channels};\nb += ${states};\nc += ${states};`
      : "";
    const source = `
      extern "C" __global__ void scan_channels(const float*${q} x, const float*${q} delta, const float*${q} a, const float*${q} b, const float*${q} c, const float*${q} skip, float*${q} y) {
        const int id = blockIdx.x * blockDim.x + threadIdx.x;
        const int channel = id % ${channels};
        const int first = id / ${channels} * ${length};
        const float through = skip[channel];
        float h[${states}];
        ${on(kept, `float rate[${states}];`)}
        ${unroll}for (int n = 0; n < ${states}; ++n) {
          h[n] = 0.0f;
          ${on(kept, `rate[n] = ${keptRate(exponent, `a[channel * ${states} + n]`)};`)}
        }
        ${start}
        ${on(ahead, `${on(!advance, "int row = first;\n")}float next_x = ${at("x")}, next_delta = ${at("delta")};`)}
        for (int t = 0; t < ${length}; ++t) {
          ${on(!advance, "const int row = first + t;")}
          const float in = ${ahead ? "next_x" : at("x")};
          const float step = ${ahead ? "next_delta" : at("delta")};
          ${on(ahead, `if (t + 1 < ${length}) {\nnext_x = ${next("x")};\nnext_delta = ${next("delta")};\n}`)}
          const float gain = step * in;
          float acc = through * in${on(twoSums, ", odd = 0.0f")};
          ${update}
          ${at("y")} = acc${on(twoSums, " + odd")};
          ${move}
        }
      }
    `;
    return styled(
      { source, launches: [launch("scan_channels", sequences / block, block, args)] },
      { names: "snake", indent: 2 },
    );
  },
});

const stagedOptions = {
  ahead: ["none", "registers", "shared"],
  rows: ["single", "quads"],
  joined: [false, true],
  exponent: exponents,
  asynchronous: [false, true],
  twoSums: [false, true],
  ldg: [false, true],
  bounded: [false, true],
  steps: [32, 16, 64],
  block: [32, 64, 128],
} as const;

function stagedParts(o: Chosen<typeof stagedOptions>) {
  const { ahead, rows, joined, exponent, asynchronous, twoSums, ldg } = o;
  const held = ahead === "shared";
  const read = (name: string, row: string): string => {
    const place = `${name}[(${row}) * CHANNELS + channel]`;
    return ldg ? `__ldg(&${place})` : place;
  };
  const buffers = asynchronous ? 2 : 1;
  const pool = joined
    ? `__shared__ __align__(16) float shared_rows[${buffers}][2][STEPS * STATES];`
    : `__shared__ __align__(16) float rows_b[${buffers}][STEPS * STATES];\n__shared__ __align__(16) float rows_c[${buffers}][STEPS * STATES];`;
  const place = (which: "b" | "c", buffer: string): string =>
    joined ? `shared_rows[${buffer}][${which === "b" ? 0 : 1}]` : `rows_${which}[${buffer}]`;
  const own = `for (int s = 0; s < STEPS; ++s) {
    ${
      asynchronous
        ? `__pipeline_memcpy_async(&held_x[BUFFER][s][threadIdx.x], &x[(first + TILE * STEPS + s) * CHANNELS + channel], 4);
           __pipeline_memcpy_async(&held_delta[BUFFER][s][threadIdx.x], &delta[(first + TILE * STEPS + s) * CHANNELS + channel], 4);`
        : `held_x[BUFFER][s][threadIdx.x] = ${read("x", "first + TILE * STEPS + s")};
           held_delta[BUFFER][s][threadIdx.x] = ${read("delta", "first + TILE * STEPS + s")};`
    }
  }`;
  const copy = (which: "b" | "c", buffer: string, tile: string): string =>
    copyQuads(
      "BLOCK",
      "STEPS * STATES / 4",
      `${place(which, buffer)}[4 * i]`,
      `${which}[(first + ${tile} * STEPS) * STATES + 4 * i]`,
      asynchronous,
    );
  const fetch = (buffer: string, tile: string): string =>
    `${copy("b", buffer, tile)}\n${copy("c", buffer, tile)}\n${on(held, own.replaceAll("BUFFER", buffer).replaceAll("TILE", tile))}`;
  const update = (s: string, buffer: string): string =>
    stateStep({
      exponent,
      count: "STATES",
      quads: rows === "quads",
      twoSums,
      rate: (n) => `rate[${n}]`,
      h: (n) => `h[${n}]`,
      b: (n) => `${place("b", buffer)}[(${s}) * STATES + ${n}]`,
      c: (n) => `${place("c", buffer)}[(${s}) * STATES + ${n}]`,
    });
  return { held, read, buffers, pool, fetch, update };
}

/** One thread per channel; the rows that all channels share pass through shared memory. */
export const channelStaged: Template = template({
  id: "channel-staged",
  from: "channel-per-thread",
  idea: "stage the rows of b and c, which every channel reads, in shared memory",
  options: stagedOptions,
  valid: ({ ahead, steps, block, asynchronous }) =>
    4 * (asynchronous ? 2 : 1) * steps * (2 * states + (ahead === "shared" ? 2 * block : 0)) <= 49152,
  count: 28,
  write: (o) => {
    const { ahead, exponent, asynchronous, twoSums, bounded, steps, block } = o;
    const { held, read, buffers, pool, fetch, update } = stagedParts(o);
    const body = (s: string, buffer: string, in_x: string, in_delta: string): string => `
      const float in = ${in_x};
      const float step = ${in_delta};
      const float gain = step * in;
      float acc = through * in${on(twoSums, ", odd = 0.0f")};
      ${update(s, buffer)}
      y[(base + ${s}) * CHANNELS + channel] = acc${on(twoSums, " + odd")};`;
    const use = (buffer: string): string =>
      ahead === "registers"
        ? `const int base = first + tile * STEPS;
          for (int s0 = 0; s0 < STEPS; s0 += 8) {
            float xs[8], ds[8];
            #pragma unroll
            for (int k = 0; k < 8; ++k) {
              xs[k] = ${read("x", "base + s0 + k")};
              ds[k] = ${read("delta", "base + s0 + k")};
            }
            #pragma unroll
            for (int k = 0; k < 8; ++k) {
              ${body("s0 + k", buffer, "xs[k]", "ds[k]")}
            }
          }`
        : `const int base = first + tile * STEPS;
          for (int s = 0; s < STEPS; ++s) {
            ${
              held
                ? body("s", buffer, `held_x[${buffer}][s][threadIdx.x]`, `held_delta[${buffer}][s][threadIdx.x]`)
                : body("s", buffer, read("x", "base + s"), read("delta", "base + s"))
            }
          }`;
    const source = `
      ${on(asynchronous, "#include <cuda_pipeline.h>\n")}
      constexpr int LENGTH = ${length}, CHANNELS = ${channels}, STATES = ${states};
      constexpr int BLOCK = ${block}, STEPS = ${steps};

      extern "C" __global__ void ${on(bounded, "__launch_bounds__(BLOCK) ")}scan_staged(const float* __restrict__ x, const float* __restrict__ delta, const float* __restrict__ a, const float* __restrict__ b, const float* __restrict__ c, const float* __restrict__ skip, float* __restrict__ y) {
        ${pool}
        ${on(held, `__shared__ float held_x[${buffers}][STEPS][BLOCK], held_delta[${buffers}][STEPS][BLOCK];`)}
        const int id = blockIdx.x * BLOCK + threadIdx.x;
        const int channel = id % CHANNELS, first = id / CHANNELS * LENGTH;
        const float through = skip[channel];
        float h[STATES], rate[STATES];
        #pragma unroll
        for (int n = 0; n < STATES; ++n) {
          h[n] = 0.0f;
          rate[n] = ${keptRate(exponent, "a[channel * STATES + n]")};
        }
        ${tileLoop("LENGTH / STEPS", asynchronous, fetch, use)}
      }
    `;
    return styled(
      { source, launches: [launch("scan_staged", sequences / block, block, args)] },
      { names: "camel", indent: 4 },
    );
  },
});
