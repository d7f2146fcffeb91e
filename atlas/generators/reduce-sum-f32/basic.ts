import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { blockSumFunction, finishParts } from "./finish.ts";

/** One element, or a few, per thread; a tree in shared memory. */
export const tree: Template = template({
  id: "tree",
  from: null,
  idea: "Reduce each block's elements by a tree in shared memory.",
  options: {
    order: ["sequential", "interleaved", "strided"],
    items: ["one", "two", "loop"],
    block: [256, 128, 512, 1024, 64],
    finish: ["atomic", "partials"],
    lastWarp: [false, true],
    restrict: [false, true],
  },
  valid: ({ order, lastWarp }) => order === "sequential" || !lastWarp,
  count: 27,
  write: ({ order, items, block, finish, lastWarp, restrict }, sizes) => {
    const n = sizes["n"] as number;
    const perThread = { one: 1, two: 2, loop: 8 }[items];
    const grid = Math.ceil(n / (block * perThread));
    const parts = finishParts(finish, grid, 512);
    const load = {
      one: `
        int i = blockIdx.x * BLOCK + tid;
        cells[tid] = i < n ? x[i] : 0.0f;`,
      two: `
        int i = blockIdx.x * (2 * BLOCK) + tid;
        float mine = i < n ? x[i] : 0.0f;
        if (i + BLOCK < n) {
          mine += x[i + BLOCK];
        }
        cells[tid] = mine;`,
      loop: `
        int first = blockIdx.x * (ITEMS * BLOCK) + tid;
        float mine = 0.0f;
        for (int k = 0; k < ITEMS; ++k) {
          int i = first + k * BLOCK;
          if (i < n) {
            mine += x[i];
          }
        }
        cells[tid] = mine;`,
    }[items];
    const source = `
      #define BLOCK ${block}
      ${on(items === "loop", `#define ITEMS ${perThread}`)}

      ${on(finish === "partials", blockSumFunction("tree"))}
      ${parts.helpers}
      extern "C" __global__ void sum_blocks(const float* ${on(restrict, "__restrict__ ")}x, ${parts.parameters}, int n) {
        __shared__ float cells[BLOCK];
        int tid = threadIdx.x;
        ${load}
        __syncthreads();
        ${treeSteps(order, lastWarp)}
        float total = cells[0];
        ${parts.body}
      }
    `;
    const main = launch("sum_blocks", grid, block, ["x", ...parts.args, { i32: n }]);
    return styled({ source, launches: [...parts.before, main, ...parts.after] }, { names: "snake", indent: 2 });
  },
});

function treeSteps(order: "sequential" | "interleaved" | "strided", lastWarp: boolean): string {
  if (order === "interleaved") {
    return `
      for (int step = 1; step < BLOCK; step *= 2) {
        if (tid % (2 * step) == 0) {
          cells[tid] += cells[tid + step];
        }
        __syncthreads();
      }`;
  }
  if (order === "strided") {
    return `
      for (int step = 1; step < BLOCK; step *= 2) {
        int slot = 2 * step * tid;
        if (slot < BLOCK) {
          cells[slot] += cells[slot + step];
        }
        __syncthreads();
      }`;
  }
  if (!lastWarp) {
    return `
      for (int step = BLOCK / 2; step > 0; step >>= 1) {
        if (tid < step) {
          cells[tid] += cells[tid + step];
        }
        __syncthreads();
      }`;
  }
  return `
    for (int step = BLOCK / 2; step >= 32; step >>= 1) {
      if (tid < step) {
        cells[tid] += cells[tid + step];
      }
      __syncthreads();
    }
    if (tid < 32) {
      float v = cells[tid];
      for (int offset = 16; offset > 0; offset >>= 1) {
        v += __shfl_down_sync(0xffffffff, v, offset);
      }
      if (tid == 0) {
        cells[0] = v;
      }
    }`;
}

/** Every thread walks through its own contiguous stretch. */
export const chunks: Template = template({
  id: "chunk-per-thread",
  from: "tree",
  idea: "Give every thread a contiguous chunk to add up in a register.",
  options: {
    chunk: [1024, 256, 64, 512, 4096],
    vector: [false, true],
    compensated: [false, true],
    unroll: ["none", "pragma", "two-sums"],
    finish: ["block", "thread-atomic", "warp-atomic"],
    block: [128, 256, 64],
  },
  valid: ({ compensated, unroll }) => !compensated || unroll !== "two-sums",
  count: 25,
  write: ({ chunk, vector, compensated, unroll, finish, block }, sizes) => {
    const n = sizes["n"] as number;
    const grid = Math.ceil(n / (chunk * block));
    const parts = finishParts("atomic", grid, 256);
    const two = unroll === "two-sums";
    const add = (value: string, target = "sum"): string =>
      compensated ? `addCompensated(sum, lost, ${value});` : `${target} += ${value};`;
    const other = two ? "odd" : "sum";
    const vectorBody = `
      float4 q = *reinterpret_cast<const float4*>(mine + k);
      ${add("q.x")}
      ${add("q.y", other)}
      ${add("q.z")}
      ${add("q.w", other)}`;
    const scalarBody = two ? `sum += mine[k];\nodd += mine[k + 1];` : add("mine[k]");
    const step = vector ? 4 : two ? 2 : 1;
    const ends = {
      block: `float total = block_sum<kThreads>(sum);\n${parts.body}`,
      "thread-atomic": "atomicAdd(result, sum);",
      "warp-atomic": `
        for (int d = 16; d > 0; d /= 2) sum += __shfl_down_sync(0xffffffffu, sum, d);
        if (threadIdx.x % 32 == 0) atomicAdd(result, sum);`,
    }[finish];
    const source = `
      constexpr int kThreads = ${block};
      constexpr int kChunk = ${chunk};

      ${on(finish === "block", blockSumFunction("tree"))}
      ${on(compensated, compensatedAdd)}
      ${parts.helpers}
      extern "C" __global__ void sum_chunks(const float* x, float* result) {
        const float* mine = x + (size_t)(blockIdx.x * kThreads + threadIdx.x) * kChunk;
        float sum = 0.0f${on(two, ", odd = 0.0f")}${on(compensated, ", lost = 0.0f")};
        ${on(unroll === "pragma", "#pragma unroll 8")}
        for (int k = 0; k < kChunk; k += ${step}) {
          ${vector ? vectorBody : scalarBody}
        }
        ${on(two, "sum += odd;")}
        ${ends}
      }
    `;
    const main = launch("sum_chunks", grid, block, ["x", "out"]);
    return styled({ source, launches: [...parts.before, main] }, { names: "camel", indent: 4 });
  },
});

const compensatedAdd = `
  // Kahan's summation: keeps the low-order part that the sum cannot hold.
  __device__ void addCompensated(float& sum, float& lost, float value) {
    float corrected = value - lost;
    float next = sum + corrected;
    lost = (next - sum) - corrected;
    sum = next;
  }
`;

/** Atomic additions as the means of combining, at several places. */
export const atomics: Template = template({
  id: "atomics",
  from: "tree",
  idea: "Let the hardware combine the threads' sums by atomic additions.",
  options: {
    target: ["shared-one", "shared-lanes", "global-slots", "global-one"],
    items: [16, 8, 32, 64],
    warpFirst: [false, true],
    vector: [false, true],
    block: [256, 128, 512],
    slots: [1024, 128, 4096],
    guarded: [true, false],
  },
  valid: ({ target, items, warpFirst }) => items > 8 || warpFirst || target !== "global-one",
  count: 25,
  write: ({ target, items, warpFirst, vector, block, slots, guarded }, sizes) => {
    const n = sizes["n"] as number;
    const grid = Math.ceil(n / (block * items));
    const source = `
      #define SLOTS ${slots}

      extern "C" __global__ void zero(float* values, int count) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < count) values[i] = 0.f;
      }

      extern "C" __global__ void accumulate(const float* __restrict__ in, float* acc, int n) {
        ${on(target === "shared-one", "__shared__ float bin;\nif (threadIdx.x == 0) bin = 0.f;\n__syncthreads();")}
        ${on(target === "shared-lanes", "__shared__ float bins[32];\nif (threadIdx.x < 32) bins[threadIdx.x] = 0.f;\n__syncthreads();")}
        ${vector ? vectorItems(items, block, guarded) : scalarItems(items, block, guarded)}
        ${on(warpFirst, `#pragma unroll\nfor (int o = 16; o; o >>= 1) s += __shfl_xor_sync(0xffffffff, s, o);`)}
        ${atomicTarget(target, warpFirst)}
      }

      ${on(target === "global-slots", slotsKernel)}
    `;
    const slotted = target === "global-slots";
    const where = slotted ? "partials" : "out";
    const count = slotted ? slots : 1;
    const launches = [
      launch("zero", Math.ceil(count / 128), 128, [where, { i32: count }]),
      launch("accumulate", grid, block, ["x", where, { i32: n }]),
      ...(slotted ? [launch("addSlots", 1, 128, ["partials", "out"])] : []),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

function scalarItems(items: number, block: number, guarded: boolean): string {
  return `
    float s = 0.f;
    int base = blockIdx.x * ${items * block} + threadIdx.x;
    for (int k = 0; k < ${items}; k++) {
      int i = base + k * ${block};
      ${on(guarded, "if (i < n) ")}s += in[i];
    }`;
}

function vectorItems(items: number, block: number, guarded: boolean): string {
  return `
    float s = 0.f;
    const float4* in4 = (const float4*)in;
    int base = blockIdx.x * ${(items / 4) * block} + threadIdx.x;
    for (int k = 0; k < ${items / 4}; k++) {
      ${on(guarded, `if (base + k * ${block} >= n / 4) break;`)}
      float4 v = in4[base + k * ${block}];
      s += v.x + v.y + v.z + v.w;
    }`;
}

function atomicTarget(
  target: "shared-one" | "shared-lanes" | "global-slots" | "global-one",
  warpFirst: boolean,
): string {
  const lead = on(warpFirst, "if ((threadIdx.x & 31) == 0) ");
  if (target === "shared-one") {
    return `${lead}atomicAdd(&bin, s);\n__syncthreads();\nif (threadIdx.x == 0) atomicAdd(acc, bin);`;
  }
  if (target === "shared-lanes") {
    const slot = warpFirst ? "threadIdx.x >> 5" : "threadIdx.x & 31";
    return `
      ${lead}atomicAdd(&bins[${slot}], s);
      __syncthreads();
      if (threadIdx.x < 32) atomicAdd(acc, bins[threadIdx.x]);`;
  }
  if (target === "global-one") return `${lead}atomicAdd(acc, s);`;
  const slot = warpFirst
    ? "(blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32)"
    : "(blockIdx.x * blockDim.x + threadIdx.x)";
  return `${lead}atomicAdd(&acc[${slot} % SLOTS], s);`;
}

const slotsKernel = `
  extern "C" __global__ void addSlots(const float* slots, float* out) {
    __shared__ float total;
    if (threadIdx.x == 0) total = 0.f;
    __syncthreads();
    float s = 0.f;
    for (int i = threadIdx.x; i < SLOTS; i += blockDim.x) s += slots[i];
    atomicAdd(&total, s);
    __syncthreads();
    if (threadIdx.x == 0) *out = total;
  }
`;

/** A sequence of launches, each of which shrinks the vector by a factor through global scratch. */
export const passes: Template = template({
  id: "passes",
  from: "tree",
  idea: "Shrink the vector pass by pass through scratch until one number is left.",
  options: {
    unit: ["thread", "warp", "block"],
    factor: [8, 4, 16, 32, 64],
    layout: ["strided", "neighbours", "vector"],
    block: [256, 128, 512],
    unroll: ["none", "pragma", "by-hand"],
    restrict: [false, true],
  },
  count: 25,
  write: ({ unit, factor, layout, block, unroll, restrict }, sizes) => {
    const shrink = factor * { thread: 1, warp: 32, block }[unit];
    const launches = [];
    let count = sizes["n"] as number;
    let from = 0;
    let to = 0;
    let source = "x";
    while (count > 1) {
      const left = Math.ceil(count / shrink);
      const units =
        unit === "thread" ? Math.ceil(left / block) : unit === "warp" ? Math.ceil((left * 32) / block) : left;
      const target = left === 1 ? "out" : "partials";
      const offsets = [{ i32: from }, { i32: left === 1 ? 0 : to }];
      launches.push(launch("shrink", units, block, [source, target, ...offsets, { i32: count }, { i32: left }]));
      [source, from, to, count] = [target, to, to + Math.ceil(left / 4) * 4, left];
    }
    return styled(
      { source: shrinkKernel(unit, factor, layout, block, unroll, restrict), launches },
      { names: "camel", indent: 2 },
    );
  },
});

function shrinkKernel(
  unit: "thread" | "warp" | "block",
  factor: number,
  layout: "strided" | "neighbours" | "vector",
  block: number,
  unroll: "none" | "pragma" | "by-hand",
  restrict: boolean,
): string {
  const width = { thread: 1, warp: 32, block }[unit];
  const index = layout === "strided" ? `first + lane + k * WIDTH` : `first + lane * FACTOR + k`;
  const element = (k: string): string => {
    const i = index.replace(/\bk\b/, k);
    return `sum += ${i} < count ? src[${i}] : 0.0f;`;
  };
  const loop =
    unroll === "by-hand"
      ? `for (int k = 0; k < FACTOR; k += 4) {\n${repeat(4, (j) => element(j === 0 ? "k" : `(k + ${j})`))}\n}`
      : `${on(unroll === "pragma", "#pragma unroll\n")}for (int k = 0; k < FACTOR; ++k) {\n${element("k")}\n}`;
  const vectorLoop = `
    ${on(unroll === "pragma", "#pragma unroll")}
    for (int k = 0; k < FACTOR; k += 4) {
      int i = first + ${unroll === "by-hand" ? "k * WIDTH + 4 * lane" : "lane * FACTOR + k"};
      if (i + 3 < count) {
        float4 four = *reinterpret_cast<const float4*>(src + i);
        sum += (four.x + four.y) + (four.z + four.w);
      } else {
        for (int j = i; j < count; ++j) sum += src[j];
      }
    }`;
  const reduce = {
    thread: "if (item < left) dst[item] = sum;",
    warp: `
      for (int step = 16; step > 0; step >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, step);
      if (lane == 0 && item < left) dst[item] = sum;`,
    block: `
      sum = block_sum<WIDTH>(sum);
      if (lane == 0) dst[item] = sum;`,
  }[unit];
  const place = {
    thread: "int item = blockIdx.x * blockDim.x + threadIdx.x;\nint lane = 0;",
    warp: "int item = (blockIdx.x * blockDim.x + threadIdx.x) / 32;\nint lane = threadIdx.x % 32;",
    block: "int item = blockIdx.x;\nint lane = threadIdx.x;",
  }[unit];
  return `
    #define FACTOR ${factor}
    #define WIDTH ${width}

    ${on(unit === "block", blockSumFunction("shuffle"))}
    // Adds FACTOR * WIDTH neighbours of src into one element of dst.
    extern "C" __global__ void shrink(const float* ${on(restrict, "__restrict__ ")}from, float* to, int from_offset, int to_offset, int count, int left) {
      const float* src = from + from_offset;
      float* dst = to + to_offset;
      ${place}
      int first = item * (FACTOR * WIDTH);
      float sum = 0.0f;
      ${layout === "vector" ? vectorLoop : loop}
      ${reduce}
    }
  `;
}
