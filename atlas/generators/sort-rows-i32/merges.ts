import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";

const startRuns = {
  transposition: `#pragma unroll
        for (int round = 0; round < HELD; ++round) {
          #pragma unroll
          for (int k = round & 1; k + 1 < HELD; k += 2) {
            int a = v[k], b = v[k + 1];
            v[k] = min(a, b);
            v[k + 1] = max(a, b);
          }
        }`,
  insertion: `#pragma unroll
        for (int n = 1; n < HELD; ++n) {
          #pragma unroll
          for (int k = n; k > 0; --k) {
            int a = v[k - 1], b = v[k];
            v[k - 1] = min(a, b);
            v[k] = max(a, b);
          }
        }`,
  "shell-like": `#pragma unroll
        for (int gap = HELD / 2; gap > 0; gap /= 2) {
          #pragma unroll
          for (int n = gap; n < HELD; ++n) {
            #pragma unroll
            for (int k = n; k >= gap; k -= gap) {
              if (v[k - gap] > v[k]) {
                int c = v[k];
                v[k] = v[k - gap];
                v[k - gap] = c;
              }
            }
          }
        }`,
};

/** The two ways to merge all runs: equal parts per thread, or a search per number. */
function mergeLoops(
  at: (i: string) => string,
  spread: (array: string, i: string) => string,
  options: { search: "between" | "steps"; take: "branch" | "select"; direct: boolean },
): { path: string; rank: string } {
  const searches = {
    between: `int low = max(0, step - width), high = min(step, width);
          while (low < high) {
            int middle = (low + high) / 2;
            int from_b = step - 1 - middle;
            if (${at("(first + middle)")} <= ${at("(second + from_b)")}) low = middle + 1;
            else high = middle;
          }
          int a = low, b = step - low;`,
    steps: `int a = max(0, step - width);
          for (int jump = width; jump > 0; jump /= 2) {
            int next = a + jump;
            if (next <= min(step, width) && ${at("(first + next - 1)")} <= ${at("(second + step - next)")}) a = next;
          }
          int b = step - a;`,
  }[options.search];
  const takes =
    options.take === "branch"
      ? `for (int k = 0; k < HELD; ++k) {
            if (b >= width || (a < width && ${at("(first + a)")} <= ${at("(second + b)")})) {
              v[k] = ${at("(first + a)")};
              ++a;
            } else {
              v[k] = ${at("(second + b)")};
              ++b;
            }
          }`
      : `for (int k = 0; k < HELD; ++k) {
            int left = a < width ? ${at("(first + a)")} : 0;
            int right = b < width ? ${at("(second + b)")} : 0;
            bool use_left = b >= width || (a < width && left <= right);
            v[k] = use_left ? left : right;
            a += use_left;
            b += !use_left;
          }`;
  const path = `for (int width = HELD; width < COLS; width *= 2) {
          int mine = threadIdx.x * HELD;
          int first = mine / (2 * width) * (2 * width), second = first + width;
          int step = mine - first;
          ${searches}
          #pragma unroll
          ${takes}
          __syncthreads();
          ${options.direct ? "if (2 * width == COLS) break;" : ""}
          #pragma unroll
          for (int k = 0; k < HELD; ++k) ${at("(mine + k)")} = v[k];
          __syncthreads();
        }`;
  const rank = `int* from = run;
        int* to = other;
        for (int width = HELD; width < COLS; width *= 2) {
          for (int i = threadIdx.x; i < COLS; i += THREADS) {
            int value = ${spread("from", "i")};
            int base = i / (2 * width) * (2 * width);
            bool in_first = i - base < width;
            int low = in_first ? base + width : base, begin = low, high = low + width;
            // Equal numbers of the first run go before those of the second.
            while (low < high) {
              int middle = (low + high) / 2;
              int there = ${spread("from", "middle")};
              if (there < value || (there == value && !in_first)) low = middle + 1;
              else high = middle;
            }
            int place = i - (in_first ? 0 : width) + (low - begin);
            ${options.direct ? `if (2 * width == COLS) out[place] = value;\nelse ` : ""}${spread("to", "place")} = value;
          }
          __syncthreads();
          int* swap = from;
          from = to;
          to = swap;
        }`;
  return { path, rank };
}

/** Runs are merged in shared memory until one is left. */
export const mergeRuns: Template = template({
  id: "merge-runs",
  from: "bitonic-in-registers",
  idea: "Sort a few numbers per thread and merge the runs, each thread taking an equal part of every merge.",
  options: {
    start: ["transposition", "insertion", "shell-like"],
    merge: ["path", "rank"],
    take: ["branch", "select"],
    search: ["between", "steps"],
    load: ["striped", "blocked"],
    padded: [false, true],
    last: ["shared", "direct"],
    held: [8, 4, 16],
  },
  valid: ({ merge, take, search }) => merge === "path" || (take === "select" && search === "between"),
  count: 30,
  write: ({ start, merge, take, search, load, padded, last, held }, { rows = 0, cols = 0 }) => {
    const threads = cols / held;
    const at = (i: string): string => (padded ? `run[${i} + ${i} / 32]` : `run[${i}]`);
    const spread = (array: string, i: string): string => (padded ? `${array}[${i} + ${i} / 32]` : `${array}[${i}]`);
    const { path, rank } = mergeLoops(at, spread, { search, take, direct: last === "direct" });
    const blocked = load === "blocked";
    const source = `
      #define COLS ${cols}
      #define HELD ${held}
      #define THREADS ${threads}
      #define ROOM (COLS${on(padded, " + COLS / 32")})

      extern "C" __global__ void merge_sort_rows(const int* __restrict__ x, int* __restrict__ y) {
        __shared__ int run[ROOM];
        ${on(merge === "rank", "__shared__ int other[ROOM];")}
        const int* in = x + (size_t)blockIdx.x * COLS;
        int* out = y + (size_t)blockIdx.x * COLS;
        int v[HELD];
        #pragma unroll
        for (int k = 0; k < HELD; ++k) v[k] = in[${blocked ? "threadIdx.x * HELD + k" : "k * THREADS + threadIdx.x"}];
        ${startRuns[start]}
        #pragma unroll
        for (int k = 0; k < HELD; ++k) ${at("(threadIdx.x * HELD + k)")} = v[k];
        __syncthreads();
        ${merge === "path" ? path : rank}
        ${
          last === "direct"
            ? on(merge === "path", "#pragma unroll\nfor (int k = 0; k < HELD; ++k) out[threadIdx.x * HELD + k] = v[k];")
            : `for (int i = threadIdx.x; i < COLS; i += THREADS) out[i] = ${merge === "path" ? at("i") : spread("from", "i")};`
        }
      }
    `;
    return styled(
      { source, launches: [launch("merge_sort_rows", rows, threads, ["x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** The first place of the thread's counters from their sums. */
const digitScans = {
  warps: `int upto = sum;
          for (int d = 1; d < 32; d *= 2) {
            int left = __shfl_up_sync(0xffffffffu, upto, d);
            if ((int)(threadIdx.x & 31) >= d) upto += left;
          }
          if ((threadIdx.x & 31) == 31) totals[threadIdx.x / 32] = upto;
          __syncthreads();
          int base = upto - sum;
          for (int w = 0; w < (int)threadIdx.x / 32; ++w) base += totals[w];`,
  steps: `totals[threadIdx.x] = sum;
          __syncthreads();
          for (int d = 1; d < THREADS; d *= 2) {
            int left = (int)threadIdx.x >= d ? totals[threadIdx.x - d] : 0;
            __syncthreads();
            totals[threadIdx.x] += left;
            __syncthreads();
          }
          int base = totals[threadIdx.x] - sum;`,
};

/** The counter at place threadIdx.x * DIGITS + q in the order of digits and threads. */
function scanEntry(swizzled: boolean): string {
  const index = "(threadIdx.x * DIGITS + q)";
  const row = `${index} / THREADS`;
  return `counts[${row} * THREADS + (${index} % THREADS${swizzled ? ` ^ (${row} & 7)` : ""})]`;
}

/** Digit by digit from the lowest, with counters per thread. */
export const digitPasses: Template = template({
  id: "digit-passes",
  from: "buckets",
  idea: "Sort by digits from the lowest up, with counters per thread and digit in shared memory.",
  options: {
    scan: ["warps", "steps"],
    counter: ["int", "unsigned short"],
    order: ["digit-major", "swizzled"],
    load: ["striped", "blocked"],
    key: ["at-ends", "each-pass"],
    keep: ["registers", "two-arrays"],
    bits: [4, 2, 3],
    threads: [128, 256, 64],
  },
  valid: ({ bits, threads, order }) => (1 << bits) * threads <= 4096 && (order === "digit-major" || bits === 4),
  count: 26,
  write: ({ scan, counter, order, load, key, keep, bits, threads }, { rows = 0, cols = 0 }) => {
    const held = cols / threads;
    const digits = 1 << bits;
    const ends = key === "at-ends";
    const flip = (v: string): string => (ends ? `${v} ^ 0x80000000u` : v);
    const digit = (v: string): string =>
      ends ? `((${v} >> shift) & (DIGITS - 1))` : `(((${v} ^ 0x80000000u) >> shift) & (DIGITS - 1))`;
    const swizzled = order === "swizzled";
    const cell = (d: string): string =>
      swizzled ? `counts[${d} * THREADS + (threadIdx.x ^ (${d} & 7))]` : `counts[${d} * THREADS + threadIdx.x]`;
    const mine = scanEntry(swizzled);
    const scans = digitScans[scan];
    const two = keep === "two-arrays";
    const current = two ? "from[threadIdx.x * HELD + k]" : "value[k]";
    const source = `
      constexpr int COLS = ${cols};
      constexpr int THREADS = ${threads};
      constexpr int HELD = ${held};
      constexpr int BITS = ${bits};
      constexpr int DIGITS = ${digits};

      extern "C" __global__ void digit_sort(const unsigned int* __restrict__ x, unsigned int* __restrict__ y) {
        __shared__ ${counter} counts[DIGITS * THREADS];
        __shared__ int totals[THREADS];
        __shared__ unsigned int row[COLS]${on(two, ", spare[COLS]")};
        const unsigned int* in = x + (size_t)blockIdx.x * COLS;
        ${on(two, "unsigned int* from = row;\nunsigned int* to = spare;")}
        ${on(!two, "unsigned int value[HELD];")}
        int place[HELD];
        ${
          load === "striped" || two
            ? `for (int i = threadIdx.x; i < COLS; i += THREADS) row[i] = ${flip("in[i]")};
        __syncthreads();
        ${on(
          !two,
          `#pragma unroll
        for (int k = 0; k < HELD; ++k) value[k] = row[threadIdx.x * HELD + k];
        __syncthreads();`,
        )}`
            : `#pragma unroll
        for (int k = 0; k < HELD; ++k) value[k] = ${flip("in[threadIdx.x * HELD + k]")};`
        }
        for (int shift = 0; shift < 32; shift += BITS) {
          for (int d = 0; d < DIGITS; ++d) ${cell("d")} = 0;
          // A thread's numbers keep their order: the count so far is the place among equal digits.
          #pragma unroll
          for (int k = 0; k < HELD; ++k) place[k] = ${cell(digit(current))}++;
          __syncthreads();
          int sum = 0;
          for (int q = 0; q < DIGITS; ++q) sum += ${mine};
          ${scans}
          for (int q = 0; q < DIGITS; ++q) {
            int count = ${mine};
            ${mine} = base;
            base += count;
          }
          __syncthreads();
          #pragma unroll
          for (int k = 0; k < HELD; ++k) place[k] += ${cell(digit(current))};
          ${on(two, "unsigned int* target = to;", "unsigned int* target = row;")}
          #pragma unroll
          for (int k = 0; k < HELD; ++k) target[place[k]] = ${current};
          __syncthreads();
          ${
            two
              ? "to = from;\nfrom = target;"
              : `#pragma unroll
          for (int k = 0; k < HELD; ++k) value[k] = row[threadIdx.x * HELD + k];
          __syncthreads();`
          }
        }
        ${on(two, "const unsigned int* result = from;", "const unsigned int* result = row;")}
        for (int i = threadIdx.x; i < COLS; i += THREADS) y[(size_t)blockIdx.x * COLS + i] = ${flip("result[i]")};
      }
    `;
    return styled(
      { source, launches: [launch("digit_sort", rows, threads, ["x", "y"])] },
      { names: "camel", indent: 4 },
    );
  },
});
