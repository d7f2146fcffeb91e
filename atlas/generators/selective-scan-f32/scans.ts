import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { channels, exponents, keptRate, length, sequences, states } from "./parts.ts";

const args = ["x", "delta", "a", "b", "c", "skip", "y"] as const;
const parameters = (q: string): string =>
  ["x", "delta", "a", "b", "c", "skip"].map((name) => `const float*${q} ${name}, `).join("") + `float*${q} y`;

const warpOptions = {
  rows: ["cache", "shared"],
  columns: ["direct", "tile"],
  hold: [false, true],
  carry: ["registers", "shared"],
  round: ["branch", "select"],
  exponent: exponents,
  unroll: ["all", "none", "two"],
  restrict: [true, false],
  items: [2, 1, 4],
  warps: [8, 4, 16],
} as const;

function warpParts(o: Chosen<typeof warpOptions>) {
  const { rows, columns, carry, round, exponent, unroll } = o;
  const tile = columns === "tile";
  const inShared = rows === "shared";
  const pragma = { all: "#pragma unroll\n", none: "#pragma unroll 1\n", two: "#pragma unroll 2\n" }[unroll];
  const kept = carry === "registers" ? "state[n]" : "state[warp][n]";
  const at = (which: "b" | "c"): string =>
    inShared ? `rows_${which}[lane * ITEMS + i][n]` : `${which}[(t0 + lane * ITEMS + i) * STATES + n]`;
  const value = (name: string): string =>
    tile ? `tile_${name}[lane * ITEMS + i][warp]` : `${name}[(t0 + lane * ITEMS + i) * CHANNELS + channel]`;
  const fetch =
    on(
      inShared,
      `for (int e = threadIdx.x; e < WINDOW * STATES; e += WARPS * 32) {
        rows_b[e / STATES][e % STATES] = b[t0 * STATES + e];
        rows_c[e / STATES][e % STATES] = c[t0 * STATES + e];
      }\n`,
    ) +
    on(
      tile,
      `for (int e = threadIdx.x; e < WINDOW * WARPS; e += WARPS * 32) {
        tile_x[e / WARPS][e % WARPS] = x[(t0 + e / WARPS) * CHANNELS + c0 + e % WARPS];
        tile_delta[e / WARPS][e % WARPS] = delta[(t0 + e / WARPS) * CHANNELS + c0 + e % WARPS];
      }\n`,
    );
  const fence = on(inShared || tile, "__syncthreads();");
  const scanRound =
    round === "branch"
      ? `const float p_left = __shfl_up_sync(0xffffffffu, p, offset);
         const float q_left = __shfl_up_sync(0xffffffffu, q, offset);
         if (lane >= offset) {
           q = p * q_left + q;
           p = p * p_left;
         }`
      : `float p_left = __shfl_up_sync(0xffffffffu, p, offset);
         float q_left = __shfl_up_sync(0xffffffffu, q, offset);
         p_left = lane >= offset ? p_left : 1.0f;
         q_left = lane >= offset ? q_left : 0.0f;
         q = fmaf(p, q_left, q);
         p *= p_left;`;
  const power = `${exponent}(ds[i] * rate)`;
  return { tile, inShared, pragma, kept, at, value, fetch, fence, scanRound, power };
}

/** Lanes are times: a warp scans the pairs (decay, input) of a window, one state after the other. */
export const warpScan: Template = template({
  id: "warp-scan",
  from: "state-lanes",
  idea: "let the lanes of a warp stand for time steps and scan the recurrence with shuffles",
  options: warpOptions,
  valid: ({ rows, columns, items, warps, unroll, carry }) =>
    4 *
      (32 * items * (rows === "shared" ? 34 : 0) +
        32 * items * (columns === "tile" ? 3 * (warps + 1) : 0) +
        (carry === "shared" ? 16 * warps : 0)) <=
      49152 &&
    (unroll === "all" || carry === "shared"),
  count: 25,
  write: (o) => {
    const { hold, carry, exponent, restrict, items, warps } = o;
    const { tile, inShared, pragma, kept, at, value, fetch, fence, scanRound, power } = warpParts(o);
    const source = `
      constexpr int LENGTH = ${length}, CHANNELS = ${channels}, STATES = ${states};
      constexpr int WARPS = ${warps}, ITEMS = ${items}, WINDOW = 32 * ITEMS;

      // One warp per channel; lanes hold ITEMS successive time steps.
      extern "C" __global__ void __launch_bounds__(WARPS * 32) scan_windows(${parameters(on(restrict, " __restrict__"))}) {
        ${on(inShared, "__shared__ float rows_b[WINDOW][STATES + 1], rows_c[WINDOW][STATES + 1];")}
        ${on(tile, "__shared__ float tile_x[WINDOW][WARPS + 1], tile_delta[WINDOW][WARPS + 1], tile_y[WINDOW][WARPS + 1];")}
        ${on(carry === "shared", "__shared__ float state[WARPS][STATES];")}
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const int c0 = blockIdx.x % (CHANNELS / WARPS) * WARPS;
        const int first = blockIdx.x / (CHANNELS / WARPS) * LENGTH;
        const int channel = c0 + warp;
        const float through = skip[channel];
        ${
          carry === "registers"
            ? "float state[STATES];\n#pragma unroll\nfor (int n = 0; n < STATES; ++n) state[n] = 0.0f;"
            : "if (lane < STATES) state[warp][lane] = 0.0f;\n__syncwarp();"
        }
        for (int t0 = first; t0 < first + LENGTH; t0 += WINDOW) {
          ${fence}
          ${fetch}
          ${fence}
          float xs[ITEMS], ds[ITEMS], sums[ITEMS];
          #pragma unroll
          for (int i = 0; i < ITEMS; ++i) {
            xs[i] = ${value("x")};
            ds[i] = ${value("delta")};
            sums[i] = through * xs[i];
            xs[i] *= ds[i];
          }
          ${pragma}for (int n = 0; n < STATES; ++n) {
            const float rate = ${keptRate(exponent, "a[channel * STATES + n]")};
            float p = 1.0f, q = 0.0f;
            ${on(hold, "float powers[ITEMS], inputs[ITEMS];")}
            #pragma unroll
            for (int i = 0; i < ITEMS; ++i) {
              ${
                hold
                  ? `powers[i] = ${power};\ninputs[i] = xs[i] * ${at("b")};\np *= powers[i];\nq = powers[i] * q + inputs[i];`
                  : `const float power = ${power};\np *= power;\nq = power * q + xs[i] * ${at("b")};`
              }
            }
            #pragma unroll
            for (int offset = 1; offset < 32; offset *= 2) {
              ${scanRound}
            }
            const float before = ${kept};
            const float p_before = __shfl_up_sync(0xffffffffu, p, 1);
            const float q_before = __shfl_up_sync(0xffffffffu, q, 1);
            float h = lane == 0 ? before : p_before * before + q_before;
            #pragma unroll
            for (int i = 0; i < ITEMS; ++i) {
              h = ${hold ? "powers[i] * h + inputs[i]" : `${power} * h + xs[i] * ${at("b")}`};
              sums[i] += h * ${at("c")};
            }
            ${
              carry === "registers"
                ? "state[n] = __shfl_sync(0xffffffffu, h, 31);"
                : "__syncwarp();\nif (lane == 31) state[warp][n] = h;\n__syncwarp();"
            }
          }
          #pragma unroll
          for (int i = 0; i < ITEMS; ++i) ${tile ? "tile_y[lane * ITEMS + i][warp]" : "y[(t0 + lane * ITEMS + i) * CHANNELS + channel]"} = sums[i];
          ${on(
            tile,
            `__syncthreads();
            for (int e = threadIdx.x; e < WINDOW * WARPS; e += WARPS * 32)
              y[(t0 + e / WARPS) * CHANNELS + c0 + e % WARPS] = tile_y[e / WARPS][e % WARPS];`,
          )}
        }
      }
    `;
    return styled(
      { source, launches: [launch("scan_windows", sequences / warps, warps * 32, args)] },
      { names: "camel", indent: 2 },
    );
  },
});

const blockOptions = {
  hold: [false, true],
  across: ["serial", "warp"],
  carry: ["shared", "register"],
  vector: [false, true],
  exponent: exponents,
  unroll: [false, true],
  double: [false, true],
  restrict: [true, false],
  order: ["channels first", "sequences first"],
  items: [8, 4, 16],
  threads: [128, 64, 256],
} as const;

/** Statements that bring `h` past the warps before. */
function priorWarps(across: string, buffer: string): string {
  return across === "serial"
    ? `for (int w = 0; w < warp; ++w) h = ends_p${buffer}[w] * h + ends_q${buffer}[w];`
    : `float p_warp = lane < WARPS ? ends_p${buffer}[lane] : 1.0f;
        float q_warp = lane < WARPS ? ends_q${buffer}[lane] : 0.0f;
        #pragma unroll
        for (int offset = 1; offset < WARPS; offset *= 2) {
          const float p_left = __shfl_up_sync(0xffffffffu, p_warp, offset);
          const float q_left = __shfl_up_sync(0xffffffffu, q_warp, offset);
          if (lane >= offset) {
            q_warp += p_warp * q_left;
            p_warp *= p_left;
          }
        }
        const float p_prior = __shfl_sync(0xffffffffu, p_warp, (warp + 31) % 32);
        const float q_prior = __shfl_sync(0xffffffffu, q_warp, (warp + 31) % 32);
        if (warp > 0) h = p_prior * h + q_prior;`;
}

function blockParts(o: Chosen<typeof blockOptions>) {
  const { hold, across, carry, vector, exponent, unroll, double, threads } = o;
  const warps = threads / 32;
  const buffer = double ? "[n & 1]" : "";
  const power = `${exponent}(ds[i] * rate)`;
  const place = (which: "b" | "c"): string => `${which}[(start + i) * STATES + n]`;
  // With vectors a thread reads four states' rows at once and scans them one after the other.
  const rowOf = (which: "b" | "c"): string => (vector ? `quad_${which}[i][k]` : place(which));
  const load = (
    which: "b" | "c",
  ): string => `const float4 four = *reinterpret_cast<const float4*>(&${which}[(start + i) * STATES + n0]);
    quad_${which}[i][0] = four.x;
    quad_${which}[i][1] = four.y;
    quad_${which}[i][2] = four.z;
    quad_${which}[i][3] = four.w;`;
  const prior = priorWarps(across, buffer);
  const registerCarry = carry === "register";
  const before = registerCarry ? "state[n]" : "state[n]";
  const endOf = registerCarry
    ? `float end = state[n];
       for (int w = 0; w < WARPS; ++w) end = ends_p${buffer}[w] * end + ends_q${buffer}[w];
       state[n] = end;`
    : "if (threadIdx.x == THREADS - 1) state[n] = h;";
  const body = `const float rate = ${keptRate(exponent, "a[channel * STATES + n]")};
    float p = 1.0f, q = 0.0f;
    ${on(hold, "float powers[ITEMS];")}
    #pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const float power = ${power};
      ${on(hold, "powers[i] = power;")}
      p *= power;
      q = power * q + us[i] * ${rowOf("b")};
    }
    #pragma unroll
    for (int offset = 1; offset < 32; offset <<= 1) {
      const float p_left = __shfl_up_sync(0xffffffffu, p, offset);
      const float q_left = __shfl_up_sync(0xffffffffu, q, offset);
      if (lane >= offset) {
        q += p * q_left;
        p *= p_left;
      }
    }
    if (lane == 31) {
      ends_p${buffer}[warp] = p;
      ends_q${buffer}[warp] = q;
    }
    const float p_lane = __shfl_up_sync(0xffffffffu, p, 1);
    const float q_lane = __shfl_up_sync(0xffffffffu, q, 1);
    __syncthreads();
    float h = ${before};
    ${prior}
    if (lane > 0) h = p_lane * h + q_lane;
    #pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      h = ${hold ? "powers[i]" : power} * h + us[i] * ${rowOf("b")};
      sums[i] += h * ${rowOf("c")};
    }
    ${on(!double || !registerCarry, registerCarry ? `${endOf}\n__syncthreads();` : `__syncthreads();\n${endOf}`, endOf)}`;
  const loop = vector
    ? `#pragma unroll
      for (int n0 = 0; n0 < STATES; n0 += 4) {
        float quad_b[ITEMS][4], quad_c[ITEMS][4];
        #pragma unroll
        for (int i = 0; i < ITEMS; ++i) {
          {
            ${load("b")}
          }
          {
            ${load("c")}
          }
        }
        #pragma unroll
        for (int k = 0; k < 4; ++k) {
          const int n = n0 + k;
          ${body}
        }
      }`
    : `${registerCarry || unroll ? "#pragma unroll\n" : "#pragma unroll 1\n"}for (int n = 0; n < STATES; ++n) {\n${body}\n}`;
  return { warps, registerCarry, loop };
}

/** A block scans a window of one channel: threads, then warps, then the block. */
export const blockScan: Template = template({
  id: "block-scan",
  from: "warp-scan",
  idea: "let a whole block scan long windows of one channel, several steps per thread",
  options: blockOptions,
  valid: ({ threads, items, vector, unroll }) => threads * items <= length && (!vector || !unroll),
  count: 22,
  write: (o) => {
    const { double, restrict, order, items, threads } = o;
    const { warps, registerCarry, loop } = blockParts(o);
    const source = `
      #define LENGTH ${length}
      #define CHANNELS ${channels}
      #define STATES ${states}
      #define THREADS ${threads}
      #define WARPS ${warps}
      #define ITEMS ${items}

      extern "C" __global__ void scan_channel(${parameters(on(restrict, " __restrict__"))}) {
        __shared__ float ends_p${on(double, "[2]")}[WARPS], ends_q${on(double, "[2]")}[WARPS];
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        ${
          order === "channels first"
            ? "const int channel = blockIdx.x % CHANNELS, first = blockIdx.x / CHANNELS * LENGTH;"
            : `const int channel = blockIdx.x / ${sequences / channels}, first = blockIdx.x % ${sequences / channels} * LENGTH;`
        }
        const float through = skip[channel];
        ${
          registerCarry
            ? "float state[STATES];\n#pragma unroll\nfor (int n = 0; n < STATES; ++n) state[n] = 0.0f;"
            : "__shared__ float state[STATES];\nif (threadIdx.x < STATES) state[threadIdx.x] = 0.0f;\n__syncthreads();"
        }
        for (int t0 = 0; t0 < LENGTH; t0 += THREADS * ITEMS) {
          const int start = first + t0 + threadIdx.x * ITEMS;
          float us[ITEMS], ds[ITEMS], sums[ITEMS];
          #pragma unroll
          for (int i = 0; i < ITEMS; ++i) {
            const float in = x[(start + i) * CHANNELS + channel];
            ds[i] = delta[(start + i) * CHANNELS + channel];
            us[i] = in * ds[i];
            sums[i] = through * in;
          }
          ${loop}
          ${on(double, "__syncthreads();")}
          #pragma unroll
          for (int i = 0; i < ITEMS; ++i) y[(start + i) * CHANNELS + channel] = sums[i];
        }
      }
    `;
    return styled(
      { source, launches: [launch("scan_channel", sequences, threads, args)] },
      { names: "snake", indent: 2 },
    );
  },
});
