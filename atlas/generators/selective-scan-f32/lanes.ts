import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { channels, exponents, keptRate, lanePlan, length, sequences, states, stateStep } from "./parts.ts";
import { stagedWalk, walkBytes } from "./walk.ts";

const args = ["x", "delta", "a", "b", "c", "skip", "y"] as const;

/** Several lanes share the states of a channel and sum by shuffles; operands come through the caches. */
export const stateLanes: Template = template({
  id: "state-lanes",
  from: "channel-per-thread",
  idea: "divide the states of a channel among the lanes of a warp",
  options: {
    lanes: [16, 8, 4, 2],
    outer: [false, true],
    strided: [false, true],
    reduce: ["xor", "down", "spelled"],
    loads: ["every", "first"],
    quads: [false, true],
    exponent: exponents,
    ahead: [false, true],
    define: [false, true],
    block: [128, 64, 256],
  },
  valid: ({ lanes, strided, quads }) => !quads || (!strided && lanes <= 4),
  count: 31,
  write: ({ lanes, outer, strided, reduce, loads, quads, exponent, ahead, define, block }) => {
    const { code, unit } = lanePlan(lanes, outer);
    const count = states / lanes;
    const state = (n: string): string => (strided ? `(${n}) * ${lanes} + part` : `part * ${count} + ${n}`);
    const rounds = Math.log2(lanes);
    const sum = {
      xor: `for (int offset = ${(lanes / 2) * unit}; offset >= ${unit}; offset /= 2) acc += __shfl_xor_sync(0xffffffffu, acc, offset);`,
      down: `#pragma unroll\nfor (int offset = ${(lanes / 2) * unit}; offset >= ${unit}; offset >>= 1) acc += __shfl_down_sync(0xffffffffu, acc, offset);`,
      spelled: repeat(rounds, (k) => `acc += __shfl_xor_sync(0xffffffffu, acc, ${unit << k});`),
    }[reduce];
    const leader = outer ? `threadIdx.x % ${unit}` : `threadIdx.x % 32 / ${lanes} * ${lanes}`;
    const value = (name: string, time: string): string => {
      const place = `${name}[(${time}) * CHANNELS + channel]`;
      return loads === "every" ? place : `part == 0 ? ${place} : 0.0f`;
    };
    const share = (name: string): string =>
      loads === "every" ? "" : `${name} = __shfl_sync(0xffffffffu, ${name}, leader);`;
    const constants = define
      ? `#define LENGTH ${length}\n#define CHANNELS ${channels}\n#define STATES ${states}\n#define OWN ${count}`
      : `constexpr int LENGTH = ${length};\nconstexpr int CHANNELS = ${channels};\nconstexpr int STATES = ${states};\nconstexpr int OWN = ${count};`;
    const source = `
      ${constants}

      extern "C" __global__ void scan_lanes(const float* __restrict__ x, const float* __restrict__ delta, const float* __restrict__ a, const float* __restrict__ b, const float* __restrict__ c, const float* __restrict__ skip, float* __restrict__ y) {
        ${code}
        const int id = blockIdx.x * ${block / lanes} + own;
        const int channel = id % CHANNELS;
        const int first = id / CHANNELS * LENGTH;
        ${on(loads === "first", `const int leader = ${leader};`)}
        float h[OWN], rate[OWN];
        #pragma unroll
        for (int n = 0; n < OWN; ++n) {
          h[n] = 0.0f;
          rate[n] = ${keptRate(exponent, `a[channel * STATES + ${state("n")}]`)};
        }
        const float through = skip[channel];
        ${on(ahead, `float next_x = ${value("x", "first")};\nfloat next_delta = ${value("delta", "first")};`)}
        for (int t = first; t < first + LENGTH; ++t) {
          float in = ${ahead ? "next_x" : value("x", "t")};
          float step = ${ahead ? "next_delta" : value("delta", "t")};
          ${on(ahead, `if (t + 1 < first + LENGTH) {\nnext_x = ${value("x", "t + 1")};\nnext_delta = ${value("delta", "t + 1")};\n}`)}
          ${share("in")}
          ${share("step")}
          const float gain = step * in;
          float acc = 0.0f;
          ${stateStep({
            exponent,
            count: "OWN",
            quads,
            rate: (n) => `rate[${n}]`,
            h: (n) => `h[${n}]`,
            b: (n) => `b[t * STATES + ${state(n)}]`,
            c: (n) => `c[t * STATES + ${state(n)}]`,
          })}
          ${sum}
          if (part == 0) y[t * CHANNELS + channel] = acc + through * in;
        }
      }
    `;
    return styled(
      { source, launches: [launch("scan_lanes", (sequences * lanes) / block, block, args)] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Lanes share a channel's states; a tile of time steps of all operands is staged. */
export const stateLanesStaged: Template = template({
  id: "state-lanes-staged",
  from: "state-lanes",
  idea: "stage tiles of time steps of all operands for the lanes",
  options: {
    lanes: [4, 8, 2, 16],
    outer: [false, true],
    reduce: ["each", "transposed"],
    store: ["direct", "tile"],
    quads: [false, true],
    exponent: exponents,
    asynchronous: [false, true],
    unroll: [false, true],
    bounded: [false, true],
    steps: [32, 16, 64],
    block: [128, 64, 256],
  },
  valid: (o) => walkBytes(o) <= 49152 && (!o.quads || o.lanes <= 4) && o.block / o.lanes >= 4,
  count: 31,
  write: (o) => {
    const { lanes, exponent, asynchronous, bounded, steps, block, outer } = o;
    const walk = stagedWalk({ ...o, time: "LENGTH", emit: true });
    const source = `
      ${on(asynchronous, "#include <cuda_pipeline.h>\n")}
      #define LENGTH ${length}
      #define CHANNELS ${channels}
      #define STATES ${states}
      #define THREADS ${block}
      #define GROUP ${block / lanes}
      #define OWN ${states / lanes}
      #define STEPS ${steps}

      extern "C" __global__ void ${on(bounded, "__launch_bounds__(THREADS) ")}scan_lanes_staged(const float* __restrict__ x, const float* __restrict__ delta, const float* __restrict__ a, const float* __restrict__ b, const float* __restrict__ c, const float* __restrict__ skip, float* __restrict__ y) {
        ${walk.shared}
        ${lanePlan(lanes, outer).code}
        const int c0 = blockIdx.x % (CHANNELS / GROUP) * GROUP;
        const int first = blockIdx.x / (CHANNELS / GROUP) * LENGTH;
        const float through = skip[c0 + own];
        float h[OWN], rate[OWN];
        #pragma unroll
        for (int n = 0; n < OWN; ++n) {
          h[n] = 0.0f;
          rate[n] = ${keptRate(exponent, "a[(c0 + own) * STATES + part * OWN + n]")};
        }
        ${walk.loop}
      }
    `;
    return styled(
      { source, launches: [launch("scan_lanes_staged", (sequences * lanes) / block, block, args)] },
      { names: "snake", indent: 4 },
    );
  },
});
