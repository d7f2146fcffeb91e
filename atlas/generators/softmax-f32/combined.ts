import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  blockReductions,
  eachOf,
  exponential,
  exponentialConstant,
  mapLoop,
  rescaling,
  type Exponential,
  type Walk,
} from "./parts.ts";

/** A running maximum with the sum relative to it; one pass for the statistics, one for the result. */
export const online: Template = template({
  id: "online-block",
  from: "block-per-row",
  idea: "Find the maximum and the sum in one pass by rescaling the running sum.",
  options: {
    update: ["branchless", "branch", "quad", "split-state"],
    merge: ["shuffle-pairs", "shared-pairs", "max-then-sum"],
    exp: ["fast", "expf", "folded"],
    block: [256, 512, 128, 1024],
    reverse: [false, true],
    inverse: [true, false],
    unroll: [false, true],
  },
  count: 36,
  write: ({ update, merge, exp, block, reverse, inverse, unroll }, { rows = 0, cols = 0 }) => {
    const length = cols / 4;
    const walk: Walk = { first: "threadIdx.x", step: "BLOCK", count: "LENGTH", vector: true, unroll };
    const value = (v: string): string => `${exponential(exp, v, "top")} ${inverse ? "* scale" : "/ all.sum"}`;
    const write = reverse
      ? `
        for (int j = LENGTH - BLOCK + threadIdx.x; j >= 0; j -= BLOCK) {
          float4 v = in[j];
          ${eachOf((part) => `v.${part} = ${value(`v.${part}`)};`)}
          out[j] = v;
        }`
      : mapLoop(walk, "in", "out", value);
    const source = `
      #define BLOCK ${block}
      #define LENGTH ${length}
      ${exponentialConstant(exp)}

      struct State {
        float top;
        float sum;
      };

      ${mergeFunction(exp)}
      ${on(merge === "max-then-sum", blockReductions("every-warp"))}
      ${mergeBlock(merge, exp)}
      extern "C" __global__ void online_softmax(const float4* __restrict__ x, float4* __restrict__ y) {
        const float4* in = x + (size_t)blockIdx.x * LENGTH;
        float4* out = y + (size_t)blockIdx.x * LENGTH;
        ${onlineLoop(update, exp, unroll)}
        State all = merge_block(mine);
        float top = all.top;
        ${on(inverse, "float scale = 1.0f / all.sum;")}
        ${write}
      }
    `;
    return styled(
      { source, launches: [launch("online_softmax", rows, block, ["x", "y"])] },
      { names: "camel", indent: 4 },
    );
  },
});

function mergeFunction(exp: Exponential): string {
  return `
    __device__ __forceinline__ State merge(State a, State b) {
      State c;
      c.top = fmaxf(a.top, b.top);
      c.sum = a.sum * ${rescaling(exp, "a.top", "c.top")} + b.sum * ${rescaling(exp, "b.top", "c.top")};
      return c;
    }
  `;
}

function mergeBlock(merge: "shuffle-pairs" | "shared-pairs" | "max-then-sum", exp: Exponential): string {
  const bodies = {
    "shuffle-pairs": `
      __shared__ State parts[BLOCK / 32];
      #pragma unroll
      for (int offset = 16; offset > 0; offset >>= 1) {
        State other;
        other.top = __shfl_xor_sync(0xffffffffu, mine.top, offset);
        other.sum = __shfl_xor_sync(0xffffffffu, mine.sum, offset);
        mine = merge(mine, other);
      }
      if (threadIdx.x % 32 == 0) {
        parts[threadIdx.x / 32] = mine;
      }
      __syncthreads();
      State all = parts[0];
      for (int w = 1; w < BLOCK / 32; ++w) {
        all = merge(all, parts[w]);
      }
      return all;`,
    "shared-pairs": `
      __shared__ State cells[BLOCK];
      cells[threadIdx.x] = mine;
      __syncthreads();
      for (int half = BLOCK / 2; half > 0; half >>= 1) {
        if (threadIdx.x < half) {
          cells[threadIdx.x] = merge(cells[threadIdx.x], cells[threadIdx.x + half]);
        }
        __syncthreads();
      }
      return cells[0];`,
    "max-then-sum": `
      State all;
      all.top = block_max<BLOCK>(mine.top);
      all.sum = block_sum<BLOCK>(mine.sum * ${rescaling(exp, "mine.top", "all.top")});
      return all;`,
  };
  return `
    __device__ State merge_block(State mine) {
      ${bodies[merge]}
    }
  `;
}

function onlineLoop(
  update: "branchless" | "branch" | "quad" | "split-state",
  exp: Exponential,
  unroll: boolean,
): string {
  const one = (state: string, v: string): string =>
    update === "branch"
      ? `
      if (${v} > ${state}.top) {
        ${state}.sum *= ${rescaling(exp, `${state}.top`, v)};
        ${state}.top = ${v};
      }
      ${state}.sum += ${rescaling(exp, v, `${state}.top`)};`
      : `${state} = merge(${state}, State{${v}, 1.0f});`;
  const quad = `
    float top = fmaxf(mine.top, fmaxf(fmaxf(v.x, v.y), fmaxf(v.z, v.w)));
    mine.sum *= ${rescaling(exp, "mine.top", "top")};
    mine.top = top;
    ${eachOf((part) => `mine.sum += ${rescaling(exp, `v.${part}`, "top")};`)}`;
  const body = {
    branchless: eachOf((part) => one("mine", `v.${part}`)),
    branch: eachOf((part) => one("mine", `v.${part}`)),
    quad,
    "split-state": ["x", "y", "z", "w"].map((part, index) => one(index % 2 ? "other" : "mine", `v.${part}`)).join("\n"),
  }[update];
  const split = update === "split-state";
  return `
    State mine = {-3.0e38f, 0.0f};
    ${on(split, "State other = {-3.0e38f, 0.0f};")}
    ${on(unroll, "#pragma unroll 4")}
    for (int j = threadIdx.x; j < LENGTH; j += BLOCK) {
      float4 v = in[j];
      ${body}
    }
    ${on(split, "mine = merge(mine, other);")}`;
}

/** Each row split over several blocks; statistics combined through global scratch. */
export const splitRow: Template = template({
  id: "split-row",
  from: "online-block",
  idea: "Split each row over several blocks and combine their statistics in a second launch.",
  options: {
    splits: [8, 4, 16, 32],
    combine: ["launch", "writer", "writer-warp"],
    vector: [true, false],
    exp: ["fast", "expf", "folded"],
    block: [128, 64, 256],
    order: ["rows-first", "splits-first"],
    interleaved: [true, false],
    write: ["same-grid", "flat"],
  },
  valid: ({ combine, write }) => combine === "launch" || write === "same-grid",
  count: 39,
  write: ({ splits, combine, vector, exp, block, order, interleaved, write }, { rows = 0, cols = 0 }) => {
    const type = vector ? "float4" : "float";
    const part = cols / splits / (vector ? 4 : 1);
    const top = interleaved ? "stats[2 * (row * SPLITS + #)]" : "stats[row * SPLITS + #]";
    const sum = interleaved ? "stats[2 * (row * SPLITS + #) + 1]" : "stats[ROWS * SPLITS + row * SPLITS + #]";
    const at = (text: string, index: string): string => text.replace("#", index);
    const rowsFirst = order === "rows-first";
    const place = rowsFirst
      ? "int row = blockIdx.x;\nint part = blockIdx.y;"
      : "int part = blockIdx.x;\nint row = blockIdx.y;";
    const grid = rowsFirst ? ([rows, splits] as const) : ([splits, rows] as const);
    const walk: Walk = { first: "threadIdx.x", step: "BLOCK", count: "PART", vector };
    const source = `
      #define BLOCK ${block}
      #define SPLITS ${splits}
      #define ROWS ${rows}
      #define PART ${part}  // ${type} per block
      ${exponentialConstant(exp)}

      ${blockReductions("first-warp")}
      extern "C" __global__ void part_stats(const ${type}* __restrict__ x, float* __restrict__ stats) {
        ${place}
        const ${type}* in = x + ((size_t)row * SPLITS + part) * PART;
        float peak = -3.0e38f;
        ${partLoop(vector, (v) => `peak = fmaxf(peak, ${v});`)}
        peak = block_max<BLOCK>(peak);
        float sum = 0.0f;
        ${partLoop(vector, (v) => `sum += ${exponential(exp, v, "peak")};`)}
        sum = block_sum<BLOCK>(sum);
        if (threadIdx.x == 0) {
          ${at(top, "part")} = peak;
          ${at(sum, "part")} = sum;
        }
      }

      ${on(combine === "launch", combineRows(exp, at(top, "s"), at(sum, "s")))}
      ${
        write === "flat"
          ? flatWriter(exp, type, vector)
          : `
      extern "C" __global__ void write_rows(const ${type}* __restrict__ x, const float* __restrict__ stats, ${type}* __restrict__ y) {
        ${place}
        const ${type}* in = x + ((size_t)row * SPLITS + part) * PART;
        ${type}* out = y + ((size_t)row * SPLITS + part) * PART;
        ${writerStats(combine, exp, at(top, "s"), at(sum, "s"))}
        ${mapLoop(walk, "in", "out", (v) => `${exponential(exp, v, "peak")} * scale`)}
      }`
      }
    `;
    const elements = (rows * cols) / (vector ? 4 : 1);
    const launches = [
      launch("part_stats", grid, block, ["x", "stats"]),
      ...(combine === "launch" ? [launch("combine_rows", Math.ceil(rows / 128), 128, ["stats", { i32: rows }])] : []),
      write === "flat"
        ? launch("write_flat", Math.ceil(elements / 256), 256, ["x", "stats", "y", { i32: elements }])
        : launch("write_rows", grid, block, ["x", "stats", "y"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

function partLoop(vector: boolean, line: (v: string) => string): string {
  const body = vector ? `float4 v = in[j];\n${eachOf((part) => line(`v.${part}`))}` : line("in[j]");
  return `for (int j = threadIdx.x; j < PART; j += BLOCK) {\n${body}\n}`;
}

/** The row's final statistics go behind the parts' statistics. */
const finals = "2 * ROWS * SPLITS + 2 * row";

function combineRows(exp: Exponential, top: string, sum: string): string {
  return `
    extern "C" __global__ void combine_rows(float* stats, int rows) {
      int row = blockIdx.x * blockDim.x + threadIdx.x;
      if (row >= rows) return;
      float peak = -3.0e38f, total = 0.0f;
      for (int s = 0; s < SPLITS; ++s) {
        peak = fmaxf(peak, ${top});
      }
      for (int s = 0; s < SPLITS; ++s) {
        total += ${sum} * ${exponential(exp, top, "peak")};
      }
      stats[${finals}] = peak;
      stats[${finals} + 1] = 1.0f / total;
    }
  `;
}

function writerStats(combine: "launch" | "writer" | "writer-warp", exp: Exponential, top: string, sum: string): string {
  if (combine === "launch") return `float peak = stats[${finals}];\nfloat scale = stats[${finals} + 1];`;
  if (combine === "writer") {
    return `
      float peak = -3.0e38f, total = 0.0f;
      for (int s = 0; s < SPLITS; ++s) peak = fmaxf(peak, ${top});
      for (int s = 0; s < SPLITS; ++s) total += ${sum} * ${exponential(exp, top, "peak")};
      float scale = 1.0f / total;`;
  }
  return `
    int s = threadIdx.x & 31;
    float part_peak = s < SPLITS ? ${top} : -3.0e38f;
    float part_sum = s < SPLITS ? ${sum} : 0.0f;
    float peak = warp_max(part_peak);
    float scale = 1.0f / warp_sum(part_sum * ${exponential(exp, "part_peak", "peak")});`;
}

function flatWriter(exp: Exponential, type: string, vector: boolean): string {
  const value = (v: string): string => `${exponential(exp, v, "peak")} * scale`;
  return `
    extern "C" __global__ void write_flat(const ${type}* __restrict__ x, const float* __restrict__ stats, ${type}* __restrict__ y, int count) {
      int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i >= count) return;
      int row = i / (SPLITS * PART);
      float peak = stats[${finals}];
      float scale = stats[${finals} + 1];
      ${vector ? `float4 v = x[i];\n${eachOf((part) => `v.${part} = ${value(`v.${part}`)};`)}\ny[i] = v;` : `y[i] = ${value("x[i]")};`}
    }
  `;
}
