import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";

const before = {
  both: (other: string, j: string, value: string, i: string): string =>
    `${other} < ${value} || (${other} == ${value} && ${j} < ${i})`,
  bitwise: (other: string, j: string, value: string, i: string): string =>
    `(${other} < ${value}) | ((${other} == ${value}) & (${j} < ${i}))`,
  sided: (other: string, j: string, value: string, i: string): string =>
    `(${j} < ${i} ? ${other} <= ${value} : ${other} < ${value})`,
};

/** The place of each number by counting, with the row in global memory. */
export const countGlobal: Template = template({
  id: "count-in-global",
  from: null,
  idea: "Count what goes before each number, with vector loads and several numbers per thread.",
  options: {
    test: ["both", "bitwise", "sided"],
    load: ["quad", "single", "pair"],
    held: [1, 2, 4],
    ldg: [false, true],
    unroll: ["none", "4", "8"],
    restrict: [true, false],
    block: [128, 256, 64],
  },
  valid: ({ held, block }) => held * block <= 1024,
  count: 22,
  write: ({ test, load, held, ldg, unroll, restrict, block }, { rows = 0, cols = 0 }) => {
    const q = on(restrict, " __restrict__");
    const width = { quad: 4, pair: 2, single: 1 }[load];
    const type = { quad: "int4", pair: "int2", single: "int" }[load];
    const parts = { quad: [".x", ".y", ".z", ".w"], pair: [".x", ".y"], single: [""] }[load];
    const get = ldg ? "__ldg(items + j)" : "items[j]";
    const counts = parts
      .map((part, p) =>
        repeat(held, (k) => `place${k} += ${before[test](`o${part}`, `(${width} * j + ${p})`, `value${k}`, `i${k}`)};`),
      )
      .join("\n");
    const source = `
      #define COLS ${cols}

      extern "C" __global__ void count_places(const int*${q} x, int*${q} y) {
        const int* row = x + (size_t)blockIdx.y * COLS;
        ${repeat(held, (k) => `int i${k} = blockIdx.x * ${held * block} + threadIdx.x + ${k * block};\nint value${k} = row[i${k}], place${k} = 0;`)}
        const ${type}* items = reinterpret_cast<const ${type}*>(row);
        ${on(unroll !== "none", `#pragma unroll ${unroll}`)}
        for (int j = 0; j < COLS / ${width}; ++j) {
          ${type} o = ${get};
          ${counts}
        }
        ${repeat(held, (k) => `y[(size_t)blockIdx.y * COLS + place${k}] = value${k};`)}
      }
    `;
    return styled(
      { source, launches: [launch("count_places", [cols / block / held, rows], block, ["x", "y"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** The same with the row in shared memory. */
export const countShared: Template = template({
  id: "count-in-shared",
  from: "count-in-global",
  idea: "Hold the row in shared memory and count there, several numbers per thread.",
  options: {
    test: ["both", "bitwise", "sided", "halves"],
    load: ["quad", "single"],
    held: [4, 2, 8, 1],
    unroll: ["none", "4", "8"],
    store: ["direct", "shared"],
    skew: [false, true],
    bounds: [false, true],
    threads: [256, 128, 512],
  },
  valid: ({ held, threads, load, skew }) => held * threads === 1024 && (load === "single" || !skew),
  count: 26,
  write: ({ test, load, held, unroll, store, skew, bounds, threads }, { rows = 0, cols = 0 }) => {
    const quad = load === "quad";
    const parts = quad ? [".x", ".y", ".z", ".w"] : [""];
    const width = parts.length;
    const pragma = on(unroll !== "none", `#pragma unroll ${unroll}\n`);
    const index = skew ? "(j + threadIdx.x) % COLS" : "j";
    const get = quad ? "const int4 o = reinterpret_cast<const int4*>(row)[j];" : `const int o = row[${index}];`;
    const at = (p: number): string => (quad ? `(4 * j + ${p})` : skew ? "((j + threadIdx.x) % COLS)" : "j");
    const counted = (line: (other: string, j: string, k: number) => string): string =>
      parts.map((part, p) => repeat(held, (k) => line(`o${part}`, at(p), k))).join("\n");
    const loop = (from: string, to: string, body: string): string => `${pragma}for (int j = ${from}; j < ${to}; ++j) {
          ${get}
          ${body}
        }`;
    const ties = (other: string, j: string, k: number): string =>
      `place[${k}] += ${before[test === "halves" ? "both" : test](other, `(int)${j}`, `value[${k}]`, `(int)(threadIdx.x + ${k * threads})`)};`;
    const walk =
      test === "halves"
        ? `// Equal numbers are rare: they are told apart only where one occurs.
        bool twice = false;
        ${loop(
          "0",
          `COLS / ${width}`,
          counted((other, _, k) => `place[${k}] += ${other} < value[${k}];\nsame[${k}] += ${other} == value[${k}];`),
        )}
        for (int k = 0; k < ${held}; ++k) twice |= same[k] > 1;
        if (twice) {
          for (int k = 0; k < ${held}; ++k) {
            for (int j = 0; j < (int)threadIdx.x + k * ${threads}; ++j) place[k] += row[j] == value[k];
          }
        }`
        : loop("0", `COLS / ${width}`, counted(ties));
    const write =
      store === "direct"
        ? `for (int k = 0; k < ${held}; ++k) y[(size_t)blockIdx.x * COLS + place[k]] = value[k];`
        : `__syncthreads();
        for (int k = 0; k < ${held}; ++k) row[place[k]] = value[k];
        __syncthreads();
        for (int k = 0; k < ${held}; ++k) y[(size_t)blockIdx.x * COLS + k * ${threads} + threadIdx.x] = row[k * ${threads} + threadIdx.x];`;
    const source = `
      constexpr int COLS = ${cols};

      extern "C" __global__ void ${on(bounds, `__launch_bounds__(${threads}) `)}rank_in_shared(const int* __restrict__ x, int* __restrict__ y) {
        __shared__ __align__(16) int row[COLS];
        int value[${held}], place[${held}];
        ${on(test === "halves", `int same[${held}];`)}
        #pragma unroll
        for (int k = 0; k < ${held}; ++k) {
          value[k] = x[(size_t)blockIdx.x * COLS + k * ${threads} + threadIdx.x];
          place[k] = 0;
          ${on(test === "halves", "same[k] = 0;")}
          row[k * ${threads} + threadIdx.x] = value[k];
        }
        __syncthreads();
        ${walk}
        #pragma unroll
        ${write}
      }
    `;
    const safe = source.replace("#pragma unroll\n        __syncthreads();", "__syncthreads();");
    return styled(
      { source: safe, launches: [launch("rank_in_shared", rows, threads, ["x", "y"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** The start of each bucket from the counts. */
const bucketScans = {
  serial: `if (threadIdx.x == 0) {
          int sum = 0;
          for (int b = 0; b < BUCKETS; ++b) {
            start[b] = sum;
            sum += count[b];
          }
          start[BUCKETS] = sum;
        }
        __syncthreads();`,
  warp: `if (threadIdx.x < 32) {
          int carried = 0;
          for (int b = threadIdx.x; b < BUCKETS; b += 32) {
            int mine = count[b], sum = mine;
            for (int d = 1; d < 32; d <<= 1) {
              int other = __shfl_up_sync(0xffffffffu, sum, d);
              if ((int)threadIdx.x >= d) sum += other;
            }
            start[b] = carried + sum - mine;
            carried += __shfl_sync(0xffffffffu, sum, 31);
          }
          if (threadIdx.x == 0) start[BUCKETS] = carried;
        }
        __syncthreads();`,
  steps: `if (threadIdx.x < BUCKETS) start[threadIdx.x + 1] = count[threadIdx.x];
        if (threadIdx.x == 0) start[0] = 0;
        __syncthreads();
        for (int d = 1; d < BUCKETS; d *= 2) {
          int other = 0;
          if (threadIdx.x < BUCKETS && (int)threadIdx.x >= d) other = start[threadIdx.x + 1 - d];
          __syncthreads();
          if (threadIdx.x < BUCKETS) start[threadIdx.x + 1] += other;
          __syncthreads();
        }`,
};

/** Ranks each number within its bucket. */
function rankWithin(numbersInOrder: boolean, direct: boolean, bucketOf: (v: string) => string): string {
  const last = (i: string, v: string): string => `
          const unsigned int b = ${bucketOf(v)};
          int at = start[b];
          for (int j = start[b]; j < start[b + 1]; ++j) at += sorted[j] < ${v} || (sorted[j] == ${v} && j < ${i});
          ${direct ? `y[(size_t)blockIdx.x * COLS + at] = ${v};` : `finished[at] = ${v};`}`;
  const ranks = numbersInOrder
    ? `for (int i = threadIdx.x; i < COLS; i += THREADS) {
          const int v = sorted[i];
          ${last("i", "v")}
        }`
    : `for (int k = 0; k < HELD; ++k) {
          const int i = threadIdx.x * HELD + k;
          const int v = sorted[i];
          ${last("i", "v")}
        }`;
  return ranks;
}

/** Numbers go to buckets by their highest bits and are ranked within. */
export const buckets: Template = template({
  id: "buckets",
  from: "count-in-shared",
  idea: "Distribute the numbers to buckets by their highest bits and count places within each bucket only.",
  options: {
    scan: ["warp", "steps", "serial"],
    slot: ["first", "second"],
    rank: ["own", "numbers-in-order"],
    store: ["direct", "shared"],
    key: ["xor", "subtract"],
    load: ["single", "quad"],
    bits: [8, 7, 6, 9],
    threads: [256, 512, 128],
  },
  valid: ({ bits, threads, scan }) => scan !== "steps" || 1 << bits <= threads,
  count: 28,
  write: ({ scan, slot, rank, store, key, load, bits, threads }, { rows = 0, cols = 0 }) => {
    const held = cols / threads;
    const bucketOf = (v: string): string =>
      key === "xor"
        ? `(((unsigned int)${v} ^ 0x80000000u) >> ${32 - bits})`
        : `((unsigned int)((${v} >> ${32 - bits}) + ${1 << (bits - 1)}))`;
    const scans = bucketScans[scan];
    const fetch =
      load === "quad"
        ? `for (int k = 0; k < HELD; k += 4) {
          const int4 v = reinterpret_cast<const int4*>(x + (size_t)blockIdx.x * COLS)[k / 4 * THREADS + threadIdx.x];
          value[k] = v.x;
          value[k + 1] = v.y;
          value[k + 2] = v.z;
          value[k + 3] = v.w;
        }`
        : "for (int k = 0; k < HELD; ++k) value[k] = x[(size_t)blockIdx.x * COLS + k * THREADS + threadIdx.x];";
    const first = slot === "first";
    const counts = first
      ? `for (int k = 0; k < HELD; ++k) offset[k] = atomicAdd(&count[${bucketOf("value[k]")}], 1);`
      : `for (int k = 0; k < HELD; ++k) atomicAdd(&count[${bucketOf("value[k]")}], 1);`;
    const place = first
      ? `for (int k = 0; k < HELD; ++k) sorted[start[${bucketOf("value[k]")}] + offset[k]] = value[k];`
      : `for (int b = threadIdx.x; b < BUCKETS; b += THREADS) count[b] = start[b];
        __syncthreads();
        for (int k = 0; k < HELD; ++k) sorted[atomicAdd(&count[${bucketOf("value[k]")}], 1)] = value[k];`;
    const ranks = rankWithin(rank === "numbers-in-order", store === "direct", bucketOf);
    const source = `
      #define COLS ${cols}
      #define THREADS ${threads}
      #define HELD ${held}
      #define BUCKETS ${1 << bits}

      extern "C" __global__ void sort_by_buckets(const int* __restrict__ x, int* __restrict__ y)
      {
        __shared__ int count[BUCKETS], start[BUCKETS + 1], sorted[COLS];
        ${on(store === "shared", "__shared__ int finished[COLS];")}
        int value[HELD];
        ${on(first, "int offset[HELD];")}
        for (int b = threadIdx.x; b < BUCKETS; b += THREADS) count[b] = 0;
        ${fetch}
        __syncthreads();
        ${counts}
        __syncthreads();
        ${scans}
        ${place}
        __syncthreads();
        ${ranks}
        ${on(
          store === "shared",
          `__syncthreads();
        for (int i = threadIdx.x; i < COLS; i += THREADS) y[(size_t)blockIdx.x * COLS + i] = finished[i];`,
        )}
      }
    `;
    return styled(
      { source, launches: [launch("sort_by_buckets", rows, threads, ["x", "y"])] },
      { names: "snake", indent: 4 },
    );
  },
});
