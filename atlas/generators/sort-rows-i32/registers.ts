import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";

type Compare = "minmax" | "ternary" | "branch";

const inThread = (compare: Compare): string =>
  ({
    minmax: `int a = v[k], b = v[k + gap];
            v[k] = up ? min(a, b) : max(a, b);
            v[k + gap] = up ? max(a, b) : min(a, b);`,
    ternary: `int a = v[k], b = v[k + gap];
            bool wrong = (a > b) == up;
            v[k] = wrong ? b : a;
            v[k + gap] = wrong ? a : b;`,
    branch: `if ((v[k] > v[k + gap]) == up) {
              int t = v[k];
              v[k] = v[k + gap];
              v[k + gap] = t;
            }`,
  })[compare];

const betweenThreads = (compare: Compare): string =>
  ({
    minmax: "v[k] = up == lower ? min(v[k], other) : max(v[k], other);",
    ternary: "v[k] = (v[k] > other) == (up == lower) ? other : v[k];",
    branch: `if (up == lower) v[k] = min(v[k], other);
            else v[k] = max(v[k], other);`,
  })[compare];

/** Writes the sorted registers. */
function registerStore(quad: boolean, direct: boolean, place: string): string {
  const store =
    quad && direct
      ? `#pragma unroll
        for (int k = 0; k < HELD; k += 4) reinterpret_cast<int4*>(out + t * HELD)[k / 4] = make_int4(v[k], v[k + 1], v[k + 2], v[k + 3]);`
      : direct
        ? `#pragma unroll
        for (int k = 0; k < HELD; ++k) out[${place}] = v[k];`
        : `__syncthreads();
        #pragma unroll
        for (int k = 0; k < HELD; ++k) staged[${place}] = v[k];
        __syncthreads();
        for (int i = t; i < COLS; i += THREADS) out[i] = staged[i];`;
  return store;
}

/** A bitonic network over registers, lanes and, for the widest spans, shared memory. */
export const bitonicRegisters: Template = template({
  id: "bitonic-in-registers",
  from: "bitonic-in-shared",
  idea: "Keep several numbers per thread in registers; exchange near ones by shuffles and far ones through shared memory.",
  options: {
    layout: ["blocked", "striped"],
    compare: ["minmax", "ternary", "branch"],
    unroll: ["all", "inner"],
    buffer: ["one", "two"],
    load: ["quad", "single"],
    write: ["direct", "shared"],
    bounds: [false, true],
    held: [4, 8, 2, 16],
  },
  valid: ({ layout, load, held }) => load === "single" || (layout === "blocked" && held >= 4),
  count: 32,
  write: ({ layout, compare, unroll, buffer, load, write, bounds, held }, { rows = 0, cols = 0 }) => {
    const threads = cols / held;
    const blocked = layout === "blocked";
    const place = blocked ? "(t * HELD + k)" : "(k * THREADS + t)";
    const inner = blocked ? "span < HELD" : "span >= THREADS";
    const gap = blocked ? "span" : "span / THREADS";
    const distance = blocked ? "span / HELD" : "span";
    const two = buffer === "two";
    const pragma = unroll === "all" ? "#pragma unroll\n" : "#pragma unroll 1\n";
    const cell = (who: string): string => (two ? `far[turn][k * THREADS + (${who})]` : `far[k * THREADS + (${who})]`);
    const fetch =
      load === "quad"
        ? `for (int k = 0; k < HELD; k += 4) {
          int4 four = reinterpret_cast<const int4*>(in + t * HELD)[k / 4];
          v[k] = four.x;
          v[k + 1] = four.y;
          v[k + 2] = four.z;
          v[k + 3] = four.w;
        }`
        : `for (int k = 0; k < HELD; ++k) v[k] = in[${place}];`;
    const store = registerStore(load === "quad", write === "direct", place);
    // Loops over constants: every index into v is known when they are unrolled.
    const gaps = `#pragma unroll
            for (int k = 0; k < HELD; ++k) {
              bool up = (${place} & size) == 0;`;
    const near = `#pragma unroll
          for (int gap = HELD / 2; gap > 0; gap /= 2) {
            if (gap == ${gap}) {
              ${gaps}
              if ((k & gap) == 0) {
                ${inThread(compare)}
              }
            }
            }
          }`;
    const source = `
      constexpr int COLS = ${cols};
      constexpr int HELD = ${held};
      constexpr int THREADS = ${threads};

      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}register_sort(const int* __restrict__ x, int* __restrict__ y) {
        __shared__ int far${on(two, "[2]")}[COLS];
        ${on(write === "shared", "__shared__ int staged[COLS];")}
        const int t = threadIdx.x;
        const int* in = x + (size_t)blockIdx.x * COLS;
        int* out = y + (size_t)blockIdx.x * COLS;
        int v[HELD];
        ${on(two, "int turn = 0;")}
        #pragma unroll
        ${fetch}
        ${pragma}for (int size = 2; size <= COLS; size *= 2) {
          ${pragma}for (int span = size / 2; span > 0; span /= 2) {
            if (${inner}) {
              ${near}
            } else if (${distance} < 32) {
              bool lower = (t & (${distance})) == 0;
              ${gaps}
                int other = __shfl_xor_sync(0xffffffffu, v[k], ${distance});
                ${betweenThreads(compare)}
              }
            } else {
              bool lower = (t & (${distance})) == 0;
              ${two ? "turn ^= 1;" : "__syncthreads();"}
              #pragma unroll
              for (int k = 0; k < HELD; ++k) ${cell("t")} = v[k];
              __syncthreads();
              ${gaps}
                int other = ${cell(`t ^ (${distance})`)};
                ${betweenThreads(compare)}
              }
            }
          }
        }
        ${store}
      }
    `;
    return styled(
      { source, launches: [launch("register_sort", rows, threads, ["x", "y"])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** The network of a warp, from runs or from single numbers. */
function warpNetwork(lanesFirst: boolean, runs: boolean, place: string, compare: Compare): string {
  const network = `#pragma unroll
        for (int size = ${runs ? "2 * HELD" : "2"}; size <= COLS; size *= 2) {
          #pragma unroll
          for (int span = size / 2; span > 0; span /= 2) {
            if (${lanesFirst ? "span >= HELD" : "span < 32"}) {
              const int distance = ${lanesFirst ? "span / HELD" : "span"};
              bool lower = (lane & distance) == 0;
              #pragma unroll
              for (int k = 0; k < HELD; ++k) {
                int other = __shfl_xor_sync(0xffffffffu, v[k], distance);
                bool up = (${runs ? "(lane * HELD + k)" : place} & size) == 0;
                ${betweenThreads(compare)}
              }
            } else {
              const int gap = ${lanesFirst ? "span" : "span / 32"};
              #pragma unroll
              for (int k = 0; k < HELD; ++k) {
                if ((k & gap) == 0) {
                  bool up = (${runs ? "(lane * HELD + k)" : place} & size) == 0;
                  ${inThread(compare)}
                }
              }
            }
          }
        }`;
  return network;
}

/** One warp per row, everything in registers. */
export const warpRegisters: Template = template({
  id: "warp-registers",
  from: "bitonic-in-registers",
  idea: "Let one warp hold a whole row in its registers, so that no barrier is needed.",
  options: {
    layout: ["striped", "blocked"],
    compare: ["minmax", "ternary"],
    form: ["network", "sorted-runs"],
    load: ["single", "quad"],
    turn: ["none", "transpose-out"],
    restrict: [true, false],
    bounds: [false, true],
    warps: [4, 2, 8, 1],
  },
  valid: ({ layout, load, turn }) =>
    (load === "single" || layout === "blocked") && (turn === "none" || layout === "blocked"),
  count: 28,
  write: ({ layout, compare, form, load, turn, restrict, bounds, warps }, { rows = 0, cols = 0 }) => {
    const held = cols / 32;
    const blocked = layout === "blocked";
    const q = on(restrict, " __restrict__");
    const place = blocked ? "(lane * HELD + k)" : "(k * 32 + lane)";
    const runs = form === "sorted-runs";
    // With runs, each lane (or each register row) is sorted first by plain exchanges of neighbours.
    const presort = runs
      ? `#pragma unroll
        for (int round = 0; round < HELD; ++round) {
          #pragma unroll
          for (int k = round & 1; k + 1 < HELD; k += 2) {
            int a = v[k], b = v[k + 1];
            bool up = (lane & 1) == 0;
            v[k] = up ? min(a, b) : max(a, b);
            v[k + 1] = up ? max(a, b) : min(a, b);
          }
        }`
      : "";
    const network = warpNetwork(blocked || runs, runs, place, compare);
    const fetch =
      load === "quad"
        ? `for (int k = 0; k < HELD; k += 4) {
          int4 four = reinterpret_cast<const int4*>(in + lane * HELD)[k / 4];
          v[k] = four.x;
          v[k + 1] = four.y;
          v[k + 2] = four.z;
          v[k + 3] = four.w;
        }`
        : `for (int k = 0; k < HELD; ++k) v[k] = in[${place}];`;
    const shared = turn === "transpose-out" || (runs && !blocked);
    const store = shared
      ? `#pragma unroll
        for (int k = 0; k < HELD; ++k) tile[warp][lane * 33 + k] = v[k];
        __syncwarp();
        for (int k = 0; k < HELD; ++k) out[k * 32 + lane] = tile[warp][k * 33 + lane];`
      : `#pragma unroll
        for (int k = 0; k < HELD; ++k) out[${place}] = v[k];`;
    const source = `
      #define COLS ${cols}
      #define HELD ${held}
      #define WARPS ${warps}

      extern "C" __global__ void ${on(bounds, "__launch_bounds__(WARPS * 32) ")}warp_sorts_row(const int*${q} x, int*${q} y) {
        ${on(shared, "__shared__ int tile[WARPS][32 * 33];")}
        const int lane = threadIdx.x & 31;
        const int warp = threadIdx.x >> 5;
        const int* in = x + ((size_t)blockIdx.x * WARPS + warp) * COLS;
        int* out = y + ((size_t)blockIdx.x * WARPS + warp) * COLS;
        int v[HELD];
        #pragma unroll
        ${fetch}
        ${presort}
        ${network}
        ${store}
      }
    `;
    return styled(
      { source, launches: [launch("warp_sorts_row", rows / warps, warps * 32, ["x", "y"])] },
      { names: "snake", indent: 4 },
    );
  },
});
