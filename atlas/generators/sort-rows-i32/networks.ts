import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";

/** A bitonic network in shared memory. */
export const bitonicShared: Template = template({
  id: "bitonic-in-shared",
  from: "count-in-shared",
  idea: "Sort the row in shared memory with a bitonic network.",
  options: {
    form: ["pairs", "xor", "flip"],
    swap: ["branch", "minmax", "pair-order"],
    inner: ["barrier", "warp-tail"],
    load: ["single", "quad"],
    unroll: [false, true],
    padded: [false, true],
    threads: [512, 256, 1024, 128],
  },
  valid: ({ form, inner, threads, load, padded, swap }) =>
    (inner === "barrier" || (form !== "xor" && threads === 512)) &&
    (load === "single" || !padded) &&
    (form !== "flip" || swap !== "pair-order"),
  count: 28,
  write: ({ form, swap, inner, load, unroll, padded, threads }, { rows = 0, cols = 0 }) => {
    const at = (i: string): string => (padded ? `row[${i} + ${i} / 32]` : `row[${i}]`);
    const exchange = (low: string, high: string, up: string): string =>
      ({
        branch: `int a = ${at(low)}, b = ${at(high)};
            if ((a > b) == (${up})) {
              ${at(low)} = b;
              ${at(high)} = a;
            }`,
        minmax: `int a = ${at(low)}, b = ${at(high)};
            ${at(low)} = ${up === "true" ? "min(a, b)" : `(${up}) ? min(a, b) : max(a, b)`};
            ${at(high)} = ${up === "true" ? "max(a, b)" : `(${up}) ? max(a, b) : min(a, b)`};`,
        "pair-order": `bool up = ${up};
            int first = up ? ${low} : ${high}, last = up ? ${high} : ${low};
            int a = ${at("first")}, b = ${at("last")};
            if (a > b) {
              ${at("first")} = b;
              ${at("last")} = a;
            }`,
      })[swap];
    const barrier = inner === "warp-tail" ? "if (span > 32) __syncthreads();\nelse __syncwarp();" : "__syncthreads();";
    const pairStep = `for (int p = threadIdx.x; p < COLS / 2; p += THREADS) {
            int low = 2 * p - (p & (span - 1));
            int high = low + span;
            ${exchange("low", "high", form === "flip" ? "true" : "(low & size) == 0")}
          }`;
    const xorStep = `for (int low = threadIdx.x; low < COLS; low += THREADS) {
            int high = low ^ span;
            if (high > low) {
              ${exchange("low", "high", "(low & size) == 0")}
            }
          }`;
    const flipStep = `for (int p = threadIdx.x; p < COLS / 2; p += THREADS) {
            int within = p & (size / 2 - 1);
            int low = 2 * p - within, high = low + size - 1 - 2 * within;
            ${exchange("low", "high", "true")}
          }`;
    const body =
      form === "flip"
        ? `{
            const int span = size / 2;
            ${flipStep}
            ${barrier}
          }
          for (int span = size / 4; span > 0; span /= 2) {
            ${pairStep}
            ${barrier}
          }`
        : `for (int span = size / 2; span > 0; span /= 2) {
            ${form === "pairs" ? pairStep : xorStep}
            ${barrier}
          }`;
    const fill =
      load === "quad"
        ? "for (int i = threadIdx.x; i < COLS / 4; i += THREADS) reinterpret_cast<int4*>(row)[i] = reinterpret_cast<const int4*>(x + (size_t)blockIdx.x * COLS)[i];"
        : `for (int i = threadIdx.x; i < COLS; i += THREADS) ${at("i")} = x[(size_t)blockIdx.x * COLS + i];`;
    const drain =
      load === "quad"
        ? "for (int i = threadIdx.x; i < COLS / 4; i += THREADS) reinterpret_cast<int4*>(y + (size_t)blockIdx.x * COLS)[i] = reinterpret_cast<const int4*>(row)[i];"
        : `for (int i = threadIdx.x; i < COLS; i += THREADS) y[(size_t)blockIdx.x * COLS + i] = ${at("i")};`;
    const source = `
      #define COLS ${cols}
      #define THREADS ${threads}

      extern "C" __global__ void bitonic_row(const int* __restrict__ x, int* __restrict__ y) {
        __shared__ __align__(16) int row[COLS${on(padded, " + COLS / 32")}];
        ${fill}
        __syncthreads();
        ${on(unroll, "#pragma unroll\n")}for (int size = 2; size <= COLS; size *= 2) {
          ${body}
          ${on(inner === "warp-tail", "__syncthreads();")}
        }
        ${drain}
      }
    `;
    return styled(
      { source, launches: [launch("bitonic_row", rows, threads, ["x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Batcher's merge of odd and even places, and the plain transposition of neighbours. */
export const oddEven: Template = template({
  id: "odd-even",
  from: "bitonic-in-shared",
  idea: "Use exchanges of odd and even places, all in ascending direction.",
  options: {
    kind: ["merge", "transposition"],
    swap: ["branch", "minmax"],
    index: ["all", "packed"],
    early: [false, true],
    load: ["single", "quad"],
    unroll: [false, true],
    threads: [512, 256, 1024],
  },
  valid: ({ kind, early, index, threads }) =>
    (kind === "transposition" || !early) &&
    (kind === "merge" || index === "packed") &&
    (kind === "merge" || threads === 512),
  count: 22,
  write: ({ kind, swap, index, early, load, unroll, threads }, { rows = 0, cols = 0 }) => {
    const exchange = (low: string, high: string): string =>
      swap === "branch"
        ? `int a = row[${low}], b = row[${high}];
            if (a > b) {
              row[${low}] = b;
              row[${high}] = a;
              ${on(early, "moved = 1;")}
            }`
        : `int a = row[${low}], b = row[${high}];
            ${on(early, "moved |= a > b;")}
            row[${low}] = min(a, b);
            row[${high}] = max(a, b);`;
    const merge = `for (int p = 1; p < COLS; p *= 2) {
          ${on(unroll, "#pragma unroll 2\n")}for (int k = p; k > 0; k /= 2) {
            ${
              index === "all"
                ? `for (int i = threadIdx.x; i + k < COLS; i += THREADS) {
              int past = i - (k & (p - 1));
              if (past >= 0 && (past & k) == 0 && ((i ^ (i + k)) & ~(2 * p - 1)) == 0) {
                ${exchange("i", "(i + k)")}
              }
            }`
                : `for (int q = threadIdx.x; q < COLS / 2; q += THREADS) {
              int i = (k & (p - 1)) + 2 * q - (q & (k - 1));
              if (i + k < COLS && ((i ^ (i + k)) & ~(2 * p - 1)) == 0) {
                ${exchange("i", "(i + k)")}
              }
            }`
            }
            __syncthreads();
          }
        }`;
    const round = (first: string): string => `for (int q = threadIdx.x; 2 * q + ${first} + 1 < COLS; q += THREADS) {
            ${exchange(`(2 * q + ${first})`, `(2 * q + ${first} + 1)`)}
          }`;
    const transposition = early
      ? `for (int step = 0; step < COLS / 2; ++step) {
          int moved = 0;
          ${round("0")}
          __syncthreads();
          ${round("1")}
          if (!__syncthreads_or(moved)) break;
        }`
      : `${on(unroll, "#pragma unroll 2\n")}for (int step = 0; step < COLS; ++step) {
          int odd = step & 1;
          ${round("odd")}
          __syncthreads();
        }`;
    const copy = (to: string, from: string): string =>
      load === "quad"
        ? `for (int i = threadIdx.x; i < COLS / 4; i += THREADS) reinterpret_cast<int4*>(${to})[i] = reinterpret_cast<const int4*>(${from})[i];`
        : `for (int i = threadIdx.x; i < COLS; i += THREADS) (${to})[i] = (${from})[i];`;
    const source = `
      constexpr int COLS = ${cols};
      constexpr int THREADS = ${threads};

      extern "C" __global__ void odd_even_sort(const int* __restrict__ x, int* __restrict__ y) {
        __shared__ __align__(16) int row[COLS];
        ${copy("row", "x + (size_t)blockIdx.x * COLS")}
        __syncthreads();
        ${kind === "merge" ? merge : transposition}
        ${copy("y + (size_t)blockIdx.x * COLS", "row")}
      }
    `;
    return styled(
      { source, launches: [launch("odd_even_sort", rows, threads, ["x", "y"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** A tile's steps in shared memory or by shuffles. */
function narrowBodies(tile: number, exchange: (up: string) => string): { shared: string; shuffles: string } {
  const shared = `
        __shared__ int part[TILE];
        for (int i = threadIdx.x; i < TILE; i += ${tile / 2}) part[i] = from[blockIdx.x * TILE + i];
        __syncthreads();
        for (int size = lowest; size <= highest; size *= 2) {
          for (int span = min(size / 2, TILE / 2); span > 0; span /= 2) {
            int low = 2 * threadIdx.x - (threadIdx.x & (span - 1));
            int a = part[low], b = part[low + span];
            bool up = ((blockIdx.x * TILE + low) & (COLS - 1) & size) == 0;
            ${exchange("up")}
            part[low] = a;
            part[low + span] = b;
            __syncthreads();
          }
        }
        for (int i = threadIdx.x; i < TILE; i += ${tile / 2}) y[blockIdx.x * TILE + i] = part[i];`;
  const shuffles = `
        // Each lane holds ${tile / 32} numbers, 32 apart.
        int held[${tile / 32}];
        int start = (blockIdx.x * 4 + threadIdx.x / 32) * TILE + threadIdx.x % 32;
        #pragma unroll
        for (int k = 0; k < ${tile / 32}; ++k) held[k] = from[start + 32 * k];
        for (int size = lowest; size <= highest; size *= 2) {
          #pragma unroll
          for (int span = TILE / 2; span > 0; span /= 2) {
            if (span < size) {
              if (span >= 32) {
                #pragma unroll
                for (int k = 0; k < ${tile / 32}; ++k) {
                  if ((k & (span / 32)) == 0) {
                    int a = held[k], b = held[k + span / 32];
                    bool up = ((start + 32 * k) & (COLS - 1) & size) == 0;
                    ${exchange("up")}
                    held[k] = a;
                    held[k + span / 32] = b;
                  }
                }
              } else {
                #pragma unroll
                for (int k = 0; k < ${tile / 32}; ++k) {
                  int other = __shfl_xor_sync(0xffffffffu, held[k], span);
                  bool up = ((start + 32 * k) & (COLS - 1) & size) == 0;
                  bool lower = (threadIdx.x & span) == 0;
                  held[k] = up == lower ? min(held[k], other) : max(held[k], other);
                }
              }
            }
          }
        }
        #pragma unroll
        for (int k = 0; k < ${tile / 32}; ++k) y[start + 32 * k] = held[k];`;
  return { shared, shuffles };
}

/** A launch per step of the network, or per few steps. */
export const stageLaunches: Template = template({
  id: "stage-launches",
  from: "bitonic-in-shared",
  idea: "Run each wide step of the network as a launch of its own over the whole matrix; narrow steps share one.",
  options: {
    tile: [256, 512, 128, 64],
    first: ["tile-sort", "copy"],
    pair: ["pairs", "quads"],
    swap: ["branch", "minmax"],
    step: ["arguments", "macros"],
    tail: ["shared", "shuffles"],
    threads: [256, 128, 512],
  },
  valid: ({ tail, tile }) => tail === "shared" || tile === 64 || tile === 128,
  count: 18,
  write: ({ tile, first, pair, swap, step, tail, threads }, { rows = 0, cols = 0 }) => {
    const exchange = (up: string): string =>
      swap === "branch"
        ? `if ((a > b) == ${up}) {\nint c = a;\na = b;\nb = c;\n}`
        : `int less = min(a, b), more = max(a, b);\na = ${up} ? less : more;\nb = ${up} ? more : less;`;
    const quads = pair === "quads";
    const one = (part: string): string =>
      `{\nint a = left${part}, b = right${part};\n${exchange("up")}\nleft${part} = a;\nright${part} = b;\n}`;
    const type = quads ? "int4" : "int";
    const wide = `
      extern "C" __global__ void wide_step(${type}* y, int size, int span) {
        int p = blockIdx.x * ${threads} + threadIdx.x;
        int low = 2 * p - (p & (span - 1));
        bool up = ((low${on(quads, " * 4")}) & (COLS - 1) & size) == 0;
        ${type} left = y[low], right = y[low + span];
        ${quads ? [".x", ".y", ".z", ".w"].map(one).join("\n") : one("")}
        y[low] = left;
        y[low + span] = right;
      }`;
    const { shared, shuffles } = narrowBodies(tile, exchange);
    const source = `
      #define COLS ${cols}
      #define TILE ${tile}
      ${on(step === "macros", "#define NUMBERS (COLS * " + rows + ")")}

      // Sizes lowest to highest of the network, as far as they stay within tiles.
      extern "C" __global__ void narrow_steps(const int* from, int* y, int lowest, int highest) {
        ${tail === "shared" ? shared : shuffles}
      }
      ${wide}
      ${on(
        first === "copy",
        `extern "C" __global__ void copy_rows(const int* x, int* y) {
        int i = blockIdx.x * 256 + threadIdx.x;
        ${step === "macros" ? "if (i < NUMBERS) " : ""}y[i] = x[i];
      }`,
      )}
    `;
    const numbers = rows * cols;
    const narrowGrid = tail === "shared" ? numbers / tile : numbers / tile / 4;
    const narrowBlock = tail === "shared" ? tile / 2 : 128;
    const narrow = (from: string, low: number, high: number) =>
      launch("narrow_steps", narrowGrid, narrowBlock, [from, "y", { i32: low }, { i32: high }]);
    const launches = [
      ...(first === "copy" ? [launch("copy_rows", numbers / 256, 256, ["x", "y"])] : []),
      narrow(first === "copy" ? "y" : "x", 2, tile),
    ];
    for (let size = 2 * tile; size <= cols; size *= 2) {
      for (let span = size / 2; span >= tile; span /= 2) {
        const per = quads ? 4 : 1;
        launches.push(
          launch("wide_step", numbers / 2 / per / threads, threads, ["y", { i32: size }, { i32: span / per }]),
        );
      }
      launches.push(narrow("y", size, size));
    }
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
