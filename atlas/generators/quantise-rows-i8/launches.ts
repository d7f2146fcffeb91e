import type { Launch } from "../../../src/domain/index.ts";
import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import {
  blockMax,
  count,
  factorOf,
  largestOfFour,
  on,
  packFour,
  packedType,
  rounding,
  shape,
  text,
  warpMax,
  type Sizes,
} from "./fragments.ts";

type Axis = readonly [number, number];

function step(kernel: string, grid: Axis, threads: number, args: Launch["args"]): Launch {
  return { kernel, grid: [...grid, 1], block: [threads, 1, 1], smemBytes: 0, args };
}

/** The elementwise kernel that rounds once each row's largest entry is known; `largest` is an expression over `row`. */
function roundingKernel(
  options: Options,
  sizes: Sizes,
  source: { parameter: string; largest: string; before: string },
): { code: string; grid: Axis } {
  const { rows, cols } = shape(sizes);
  const threads = count(options, "threads");
  const pack = text(options, "pack");
  const backwards = on(options, "backwards") ? `ROWS - 1 - ` : "";
  const layouts: Readonly<Record<string, { body: string; grid: Axis }>> = {
    flat: {
      grid: [(rows * cols) / 4 / threads, 1],
      body: `const int i = blockIdx.x * THREADS + threadIdx.x;
  const int row = i / ROW_VECTORS;
  ${source.before}const float largest = ${source.largest};
  if (i % ROW_VECTORS == 0) scale[row] = largest / 127.0f;
  out[i] = pack4(in[i], ${factorOf(text(options, "factor"), "largest")});`,
    },
    rows: {
      grid: [1, rows],
      body: `const int row = ${backwards}blockIdx.y;
  ${source.before}const float largest = ${source.largest};
  const float k = ${factorOf(text(options, "factor"), "largest")};
  if (threadIdx.x == 0) scale[row] = largest / 127.0f;
  for (int c = threadIdx.x; c < ROW_VECTORS; c += THREADS) {
    out[(size_t)row * ROW_VECTORS + c] = pack4(in[(size_t)row * ROW_VECTORS + c], k);
  }`,
    },
    stride: {
      grid: [1056, 1],
      body: `for (int i = blockIdx.x * THREADS + threadIdx.x; i < ROWS * ROW_VECTORS; i += gridDim.x * THREADS) {
    const int row = i / ROW_VECTORS;
    ${source.before}const float largest = ${source.largest};
    out[i] = pack4(in[i], ${factorOf(text(options, "factor"), "largest")});
    if (i % ROW_VECTORS == 0) scale[row] = largest / 127.0f;
  }`,
    },
  };
  const layout = layouts[text(options, "layout")];
  if (!layout) throw new Error("unknown layout");
  const code = `extern "C" __global__ void apply_scale(const float4* __restrict__ in, ${source.parameter}, ${packedType(pack)}* __restrict__ out, float* __restrict__ scale) {
  ${layout.body}
}
`;
  return { code, grid: layout.grid };
}

function common(options: Options, sizes: Sizes): string {
  const { rows, cols } = shape(sizes);
  return `#define ROWS ${rows}
#define ROW_VECTORS ${cols / 4}
#define THREADS ${count(options, "threads")}

${rounding(text(options, "round"), text(options, "factor"), "round_to_int")}
${packFour(text(options, "pack"), "pack4", "round_to_int")}
${largestOfFour}
`;
}

function writeAtomics(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols } = shape(sizes);
  const threads = count(options, "threads");
  const per = text(options, "per");
  const items = Math.min(count(options, "items"), cols / 4 / threads);
  const segments = cols / 4 / threads / items;
  const { declare, reduce } = blockMax("warps", threads, "warp_max");
  const spans = `const float4* row_in = in + (size_t)blockIdx.y * ROW_VECTORS + blockIdx.x * (THREADS * ${items}) + threadIdx.x;
  float m = 0.0f;
${on(options, "unroll") ? "#pragma unroll\n" : ""}  for (int k = 0; k < ${items}; ++k) m = largest4(m, row_in[k * THREADS]);`;
  const check = (body: string): string =>
    on(options, "look_first") ? `if (__float_as_int(m) > *(volatile int*)(top + blockIdx.y)) ${body}` : body;
  const bodies: Readonly<Record<string, string>> = {
    element: `const size_t i = ((size_t)blockIdx.y * gridDim.x + blockIdx.x) * (THREADS * ${items}) + threadIdx.x;
  for (int k = 0; k < ${items}; ++k) {
    const float4 v = in[i + k * THREADS];
    int* slot = top + (i + k * THREADS) / ROW_VECTORS;
    atomicMax(slot, __float_as_int(fabsf(v.x)));
    atomicMax(slot, __float_as_int(fabsf(v.y)));
    atomicMax(slot, __float_as_int(fabsf(v.z)));
    atomicMax(slot, __float_as_int(fabsf(v.w)));
  }`,
    thread: `${spans}
  ${check("atomicMax(top + blockIdx.y, __float_as_int(m));")}`,
    warp: `${spans}
  m = warp_max(m);
  if (threadIdx.x % 32 == 0) {
    ${check("atomicMax(top + blockIdx.y, __float_as_int(m));")}
  }`,
    block: `${declare}
  ${spans}
  ${reduce}
  if (threadIdx.x == 0) atomicMax(top + blockIdx.y, __float_as_int(m));`,
  };
  const needsWarp = per === "warp" || per === "block";
  const apply = roundingKernel(options, sizes, {
    parameter: "const int* __restrict__ top",
    largest: "__int_as_float(top[row])",
    before: "",
  });
  const source = `${common(options, sizes)}${needsWarp ? `${warpMax(text(options, "warp"), "warp_max")}\n` : ""}extern "C" __global__ void clear_top(int* top) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row < ROWS) top[row] = 0;
}

extern "C" __global__ void find_top(const float4* __restrict__ in, int* top) {
  ${bodies[per]}
}

${apply.code}`;
  return {
    source,
    launches: [
      step("clear_top", [Math.ceil(rows / 256), 1], 256, ["work"]),
      step("find_top", [segments, rows], threads, ["x", "work"]),
      step("apply_scale", apply.grid, threads, ["x", "work", "q", "scale"]),
    ],
  };
}

function writePartials(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols } = shape(sizes);
  const threads = count(options, "threads");
  const segments = Math.min(count(options, "segments"), cols / 4 / threads);
  const merge = text(options, "merge");
  const { declare, reduce } = blockMax(text(options, "reduce"), threads, "warp_max");
  const each = cols / 4 / threads / segments;
  const transposed = on(options, "transposed");
  const slot = (row: string, segment: string): string =>
    transposed ? `${segment} * ROWS + ${row}` : `${row} * SEGMENTS + ${segment}`;
  const gather = `#pragma unroll
    for (int s = 0; s < SEGMENTS; ++s) best = fmaxf(best, partials[${slot("row", "s")}]);`;
  const apply = roundingKernel(options, sizes, {
    parameter: "const float* __restrict__ partials",
    largest: merge === "launch" ? "partials[ROWS * SEGMENTS + row]" : "best",
    before: merge === "launch" ? "" : `float best = 0.0f;\n  ${gather}\n  `,
  });
  const needsWarp = reduce.includes("warp_max");
  const finish =
    merge === "launch"
      ? `extern "C" __global__ void merge_partials(float* partials) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row < ROWS) {
    float best = 0.0f;
    ${gather}
    partials[ROWS * SEGMENTS + row] = best;
  }
}

`
      : "";
  const source = `${common(options, sizes)}#define SEGMENTS ${segments}

${needsWarp ? `${warpMax(text(options, "warp"), "warp_max")}\n` : ""}extern "C" __global__ void segment_max(const float4* __restrict__ in, float* partials) {
  ${declare}
  const float4* first = in + (size_t)blockIdx.y * ROW_VECTORS + blockIdx.x * (ROW_VECTORS / SEGMENTS);
  float m = 0.0f;
${on(options, "unroll") ? "#pragma unroll\n" : ""}  for (int k = 0; k < ${each}; ++k) m = largest4(m, first[threadIdx.x + k * THREADS]);
  ${reduce}
  if (threadIdx.x == 0) partials[${slot("blockIdx.y", "blockIdx.x")}] = m;
}

${finish}${apply.code}`;
  return {
    source,
    launches: [
      step("segment_max", [segments, rows], threads, ["x", "work"]),
      ...(merge === "launch" ? [step("merge_partials", [Math.ceil(rows / 128), 1], 128, ["work"])] : []),
      step("apply_scale", apply.grid, threads, ["x", "work", "q", "scale"]),
    ],
  };
}

const shared = {
  layout: ["flat", "rows", "stride"],
  pack: ["char4", "shift", "permute"],
  factor: ["divide", "reciprocal", "fast"],
  round: ["rn", "rint", "clamped"],
  warp: ["xor", "redux"],
  unroll: [false, true],
  backwards: [false, true],
};

export const launchTemplates: readonly Template[] = [
  {
    id: "global-atomics",
    from: "block-per-row",
    count: 46,
    idea: "find every row's largest entry with atomics in a launch of its own",
    options: {
      per: ["element", "thread", "warp", "block"],
      look_first: [false, true],
      ...shared,
      items: [1, 2, 4],
      threads: [256, 128, 512],
    },
    valid: (options) => options["backwards"] !== true || options["layout"] === "rows",
    write: writeAtomics,
  },
  {
    id: "partial-maxima",
    from: "global-atomics",
    count: 45,
    idea: "write partial maxima of row segments instead of using atomics",
    options: {
      merge: ["launch", "inline"],
      transposed: [false, true],
      reduce: ["warps", "tree", "all-read", "atomic"],
      ...shared,
      segments: [4, 2, 8, 16],
      threads: [64, 128, 256],
    },
    valid: (options) => options["backwards"] !== true || options["layout"] === "rows",
    write: writePartials,
  },
];
