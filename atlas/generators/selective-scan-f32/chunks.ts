import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { channels, copyQuads, exponents, keptRate, lanePlan, length, sequences, states, stateStep } from "./parts.ts";
import { stagedWalk, walkBytes } from "./walk.ts";

const passesOptions = {
  finish: ["rerun", "correct"],
  inner: ["channel", "state"],
  staged: [false, true],
  quads: [false, true],
  exponent: exponents,
  twoSums: [false, true],
  allChunks: [true, false],
  bounded: [false, true],
  chunk: [64, 128, 32, 256],
  block: [128, 64, 256],
} as const;

function passesParts(o: Chosen<typeof passesOptions>) {
  const { finish, inner, staged, quads, exponent, twoSums, bounded, chunk } = o;
  const count = length / chunk;
  const at = (k: string, n: string): string =>
    inner === "channel"
      ? `((${k} * 2 + sequence) * STATES + ${n}) * CHANNELS + channel`
      : `((${k} * 2 + sequence) * CHANNELS + channel) * STATES + ${n}`;
  const correct = finish === "correct";
  const row = (which: "b" | "c", n: string): string =>
    staged ? `rows_${which}[s * STATES + ${n}]` : `${which}[(first + s) * STATES + ${n}]`;
  const stage = (both: boolean): string => {
    const copy = (which: "b" | "c"): string =>
      copyQuads("BLOCK", "CHUNK * STATES / 4", `rows_${which}[4 * i]`, `${which}[first * STATES + 4 * i]`, false);
    return on(
      staged,
      `__shared__ __align__(16) float rows_b[CHUNK * STATES]${on(both, ", rows_c[CHUNK * STATES]")};\n${copy("b")}\n${on(both, copy("c"))}\n__syncthreads();`,
    );
  };
  const place = `const int channel = blockIdx.x % (CHANNELS / BLOCK) * BLOCK + threadIdx.x;
    const int chunk = blockIdx.x / (CHANNELS / BLOCK), sequence = blockIdx.y;
    const int first = sequence * LENGTH + chunk * CHUNK;`;
  const walk = (emit: boolean): string => `for (int s = 0; s < CHUNK; ++s) {
    const int here = (first + s) * CHANNELS + channel;
    const float in = x[here], step = delta[here];
    const float gain = step * in;
    ${on(emit, `float acc = through * in${on(twoSums, ", odd = 0.0f")};`, "total += step;")}
    ${stateStep({
      exponent,
      count: "STATES",
      quads,
      twoSums: emit && twoSums,
      rate: (n) => `rate[${n}]`,
      h: (n) => `h[${n}]`,
      b: (n) => row("b", n),
      ...(emit ? { c: (n: string) => row("c", n) } : {}),
    })}
    ${on(emit, `y[here] = acc${on(twoSums, " + odd")};`)}
    ${on(emit && correct, "total += step;")}
  }`;
  const bounds = on(bounded, "__launch_bounds__(BLOCK) ");
  const setUp = (start: string): string => `float h[STATES], rate[STATES];
    #pragma unroll
    for (int n = 0; n < STATES; ++n) {
      rate[n] = ${keptRate(exponent, "a[channel * STATES + n]")};
      h[n] = ${start};
    }`;
  const save = `#pragma unroll
    for (int n = 0; n < STATES; ++n) work[${at("chunk", "n")}] = h[n];
    work[TOTALS + (chunk * 2 + sequence) * CHANNELS + channel] = total;`;
  const correction = `extern "C" __global__ void ${bounds}correct_chunks(const float* __restrict__ delta, const float* __restrict__ a, const float* __restrict__ c, float* y, const float* __restrict__ work) {
      ${place}
      ${on(staged, `__shared__ __align__(16) float rows_c[CHUNK * STATES];\n${copyQuads("BLOCK", "CHUNK * STATES / 4", "rows_c[4 * i]", "c[first * STATES + 4 * i]", false)}\n__syncthreads();`)}
      ${setUp(`work[${at("chunk", "n")}]`)}
      float total = 0.0f;
      for (int s = 0; s < CHUNK; ++s) {
        const int here = (first + s) * CHANNELS + channel;
        total += delta[here];
        float acc = 0.0f;
        #pragma unroll
        for (int n = 0; n < STATES; ++n) acc += ${row("c", "n")} * h[n] * ${exponent}(total * rate[n]);
        y[here] += acc;
      }
    }`;
  return { count, at, correct, row, stage, place, walk, bounds, correction, setUp, save };
}

/** Three launches: every chunk from zero, the carries along chunks, and every chunk again (or its correction). */
export const chunkPasses: Template = template({
  id: "chunk-passes",
  from: "channel-staged",
  idea: "cut time into chunks that run at once, then carry states from chunk to chunk",
  options: passesOptions,
  count: 26,
  write: (o) => {
    const { inner, exponent, allChunks, chunk, block } = o;
    const { count, at, correct, correction, stage, place, walk, bounds, setUp, save } = passesParts(o);
    const again = `extern "C" __global__ void ${bounds}emit_chunks(const float* __restrict__ x, const float* __restrict__ delta, const float* __restrict__ a, const float* __restrict__ b, const float* __restrict__ c, const float* __restrict__ skip, float* __restrict__ y, const float* __restrict__ work) {
      ${place}
      ${stage(true)}
      const float through = skip[channel];
      ${setUp(`work[${at("chunk", "n")}]`)}
      ${walk(true)}
    }`;
    const headArgs = correct
      ? ", const float* __restrict__ c, const float* __restrict__ skip, float* __restrict__ y"
      : "";
    const source = `
      constexpr int LENGTH = ${length}, CHANNELS = ${channels}, STATES = ${states};
      constexpr int CHUNK = ${chunk}, CHUNKS = LENGTH / CHUNK, BLOCK = ${block};
      constexpr int TOTALS = CHUNKS * 2 * STATES * CHANNELS;

      extern "C" __global__ void ${bounds}run_chunks(const float* __restrict__ x, const float* __restrict__ delta, const float* __restrict__ a, const float* __restrict__ b${headArgs}, float* __restrict__ work) {
        ${place}
        ${stage(correct)}
        ${on(correct, "const float through = skip[channel];")}
        ${setUp("0.0f")}
        float total = 0.0f;
        ${walk(correct)}
        ${save}
      }

      extern "C" __global__ void carry_states(const float* __restrict__ a, float* __restrict__ work) {
        const int id = blockIdx.x * blockDim.x + threadIdx.x;
        ${
          inner === "channel"
            ? "const int channel = id % CHANNELS, n = id / CHANNELS % STATES, sequence = id / (CHANNELS * STATES);"
            : "const int n = id % STATES, channel = id / STATES % CHANNELS, sequence = id / (CHANNELS * STATES);"
        }
        const float rate = ${keptRate(exponent, "a[channel * STATES + n]")};
        float h = 0.0f;
        for (int k = 0; k < CHUNKS; ++k) {
          const float end = ${on(!allChunks, "k == CHUNKS - 1 ? 0.0f : ")}work[${at("k", "n")}];
          const float total = ${on(!allChunks, "k == CHUNKS - 1 ? 0.0f : ")}work[TOTALS + (k * 2 + sequence) * CHANNELS + channel];
          work[${at("k", "n")}] = h;
          h = ${exponent}(total * rate) * h + end;
        }
      }

      ${correct ? correction : again}
    `;
    const grid = [(channels / block) * count, 2] as const;
    const firstGrid = allChunks || correct ? grid : ([(channels / block) * (count - 1), 2] as const);
    const last = correct
      ? launch("correct_chunks", grid, block, ["delta", "a", "c", "y", "work"])
      : launch("emit_chunks", grid, block, ["x", "delta", "a", "b", "c", "skip", "y", "work"]);
    return styled(
      {
        source,
        launches: [
          launch("run_chunks", firstGrid, block, [
            "x",
            "delta",
            "a",
            "b",
            ...(correct ? ["c", "skip", "y"] : []),
            "work",
          ]),
          launch("carry_states", (sequences * states) / 256, 256, ["a", "work"]),
          last,
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

/** Two launches: the ends of all chunks, then each chunk folds those before it and gives its results. */
export const chunkFold: Template = template({
  id: "chunk-fold",
  from: "chunk-passes",
  idea: "let every chunk fold the ends of those before it, with lanes sharing a channel and staged tiles",
  options: {
    lanes: [2, 1, 4],
    outer: [true, false],
    reduce: ["each", "transposed"],
    store: ["direct", "tile"],
    quads: [false, true],
    exponent: exponents,
    asynchronous: [false, true],
    unroll: [false, true],
    bounded: [true, false],
    inner: ["channel", "state"],
    chunk: [128, 256, 64],
    steps: [32, 16],
    block: [128, 64, 256],
  },
  valid: (o) => walkBytes(o) <= 49152 && (o.lanes > 1 || o.reduce === "each"),
  count: 22,
  write: (o) => {
    const { lanes, outer, exponent, asynchronous, bounded, inner, chunk, steps, block } = o;
    const count = length / chunk;
    const at = (k: string): string =>
      inner === "channel"
        ? `((${k} * 2 + sequence) * STATES + part * OWN + n) * CHANNELS + c0 + own`
        : `((${k} * 2 + sequence) * CHANNELS + c0 + own) * STATES + part * OWN + n`;
    const ends = stagedWalk({ ...o, time: "CHUNK", emit: false });
    const results = stagedWalk({ ...o, time: "CHUNK", emit: true });
    const plan = lanePlan(lanes, outer).code;
    const place = `${plan}
      const int c0 = blockIdx.x * GROUP;
      const int chunk = blockIdx.y % CHUNKS_HERE, sequence = blockIdx.y / CHUNKS_HERE;
      const int first = sequence * LENGTH + chunk * CHUNK;
      float h[OWN], rate[OWN];
      #pragma unroll
      for (int n = 0; n < OWN; ++n) {
        h[n] = 0.0f;
        rate[n] = ${keptRate(exponent, "a[(c0 + own) * STATES + part * OWN + n]")};
      }`;
    const bounds = on(bounded, "__launch_bounds__(THREADS) ");
    const inputs =
      "const float* __restrict__ x, const float* __restrict__ delta, const float* __restrict__ a, const float* __restrict__ b";
    const source = `
      ${on(asynchronous, "#include <cuda_pipeline.h>\n")}
      constexpr int LENGTH = ${length};
      constexpr int CHANNELS = ${channels};
      constexpr int STATES = ${states};
      constexpr int THREADS = ${block};
      constexpr int GROUP = THREADS / ${lanes};
      constexpr int OWN = STATES / ${lanes};
      constexpr int STEPS = ${steps};
      constexpr int CHUNK = ${chunk};
      constexpr int CHUNKS = LENGTH / CHUNK;
      constexpr int TOTALS = CHUNKS * 2 * STATES * CHANNELS;

      // End states of all chunks but the last, each from zero.
      extern "C" __global__ void ${bounds}chunk_ends(${inputs}, float* __restrict__ work) {
        ${ends.shared}
        ${place.replaceAll("CHUNKS_HERE", "(CHUNKS - 1)")}
        float total = 0.0f;
        ${ends.loop}
        #pragma unroll
        for (int n = 0; n < OWN; ++n) work[${at("chunk")}] = h[n];
        if (part == 0) work[TOTALS + (chunk * 2 + sequence) * CHANNELS + c0 + own] = total;
      }

      extern "C" __global__ void ${bounds}chunk_results(${inputs}, const float* __restrict__ c, const float* __restrict__ skip, float* __restrict__ y, const float* __restrict__ work) {
        ${results.shared}
        ${place.replaceAll("CHUNKS_HERE", "CHUNKS")}
        for (int k = 0; k < chunk; ++k) {
          const float total = work[TOTALS + (k * 2 + sequence) * CHANNELS + c0 + own];
          #pragma unroll
          for (int n = 0; n < OWN; ++n) h[n] = ${exponent}(total * rate[n]) * h[n] + work[${at("k")}];
        }
        const float through = skip[c0 + own];
        ${results.loop}
      }
    `;
    const across = (channels * lanes) / block;
    return styled(
      {
        source,
        launches: [
          launch("chunk_ends", [across, 2 * (count - 1)], block, ["x", "delta", "a", "b", "work"]),
          launch("chunk_results", [across, 2 * count], block, ["x", "delta", "a", "b", "c", "skip", "y", "work"]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});
