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

function launch(
  kernel: string,
  source: string,
  grid: number,
  block: readonly [number, number],
  sizes: Sizes,
): KernelDraft {
  const { rows, cols } = shape(sizes);
  return {
    source,
    launches: [
      {
        kernel,
        grid: [grid, 1, 1],
        block: [...block, 1],
        smemBytes: 0,
        args: ["x", "q", "scale", { i32: rows }, { i32: cols }],
      },
    ],
  };
}

function writeThread(options: Options, sizes: Sizes): KernelDraft {
  const { rows } = shape(sizes);
  const factor = text(options, "factor");
  const round = rounding(text(options, "round"), factor, "quantise");
  const unroll = on(options, "unroll") ? "#pragma unroll 8\n    " : "";
  const block = count(options, "block");
  const pointer = on(options, "restrict") ? "* __restrict__" : "*";
  const backwards = on(options, "backwards");
  const width = text(options, "width");
  const loops: Readonly<Record<string, { max: string; write: string }>> = {
    scalar: {
      max: `for (int j = 0; j < cols; ++j) m = fmaxf(m, fabsf(in[j]));`,
      write: backwards
        ? `for (int j = cols - 1; j >= 0; --j) dst[j] = (signed char)quantise(in[j], k);`
        : `for (int j = 0; j < cols; ++j) dst[j] = (signed char)quantise(in[j], k);`,
    },
    "vector loads": {
      max: `for (int j = 0; j < cols / 4; ++j) m = largest4(m, in4[j]);`,
      write: `for (int j = 0; j < cols / 4; ++j) {
        const float4 v = in4[j];
        dst[4 * j] = (signed char)quantise(v.x, k);
        dst[4 * j + 1] = (signed char)quantise(v.y, k);
        dst[4 * j + 2] = (signed char)quantise(v.z, k);
        dst[4 * j + 3] = (signed char)quantise(v.w, k);
    }`,
    },
    packed: {
      max: `for (int j = 0; j < cols / 4; ++j) m = largest4(m, in4[j]);`,
      write: `${packedType("shift")}* dst4 = reinterpret_cast<${packedType("shift")}*>(dst);
    for (int j = ${backwards ? "cols / 4 - 1; j >= 0; --j" : "0; j < cols / 4; ++j"}) dst4[j] = pack(in4[j], k);`,
    },
    wide: {
      max: `for (int j = 0; j < cols / 4; ++j) m = largest4(m, in4[j]);`,
      write: `uint4* dst16 = reinterpret_cast<uint4*>(dst);
    for (int j = 0; j < cols / 16; ++j) {
        dst16[j] = make_uint4(pack(in4[4 * j], k), pack(in4[4 * j + 1], k), pack(in4[4 * j + 2], k), pack(in4[4 * j + 3], k));
    }`,
    },
  };
  const loop = loops[width];
  if (!loop) throw new Error("unknown width");
  const vector = width !== "scalar";
  const packs = width === "packed" || width === "wide";
  const source = `${round}
${vector ? `${largestOfFour}\n` : ""}${packs ? `${packFour("shift", "pack", "quantise")}\n` : ""}extern "C" __global__ void rowwise_int8(const float${pointer} x, signed char${pointer} q, float${pointer} scale, int rows, int cols) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const float* in = x + (size_t)row * cols;
    signed char* dst = q + (size_t)row * cols;
${vector ? "    const float4* in4 = reinterpret_cast<const float4*>(in);\n" : ""}    float m = 0.0f;
    ${unroll}${loop.max}
    scale[row] = m / 127.0f;
    const float k = ${factorOf(factor, "m")};
    ${loop.write}
}
`;
  return launch("rowwise_int8", source, Math.ceil(rows / block), [block, 1], sizes);
}

function writeBlock(options: Options, sizes: Sizes): KernelDraft {
  const { rows } = shape(sizes);
  const threads = count(options, "threads");
  const factor = text(options, "factor");
  const pack = text(options, "pack");
  const { declare, reduce } = blockMax(text(options, "reduce"), threads, "warp_max");
  const needsWarp = reduce.includes("warp_max");
  const vector = pack !== "bytes";
  const persistent = on(options, "persistent");
  const chunk = on(options, "chunked");
  const range = (limit: string): string =>
    chunk
      ? `int i = threadIdx.x * (${limit} / ${threads}); i < (threadIdx.x + 1) * (${limit} / ${threads}); ++i`
      : `int i = threadIdx.x; i < ${limit}; i += ${threads}`;
  const scan = vector
    ? `for (${range("cols / 4")}) m = largest4(m, src[i]);`
    : `for (${range("cols")}) m = fmaxf(m, fabsf(src[i]));`;
  const emit = vector
    ? `for (${range("cols / 4")}) dst[i] = pack4(src[i], k);`
    : `for (${range("cols")}) dst[i] = (signed char)to_int8(src[i], k);`;
  const type = vector ? "float4" : "float";
  const outType = vector ? packedType(pack) : "signed char";
  const pitch = vector ? "(cols / 4)" : "cols";
  const body = `const ${type}* src = reinterpret_cast<const ${type}*>(x) + (size_t)row * ${pitch};
  ${outType}* dst = reinterpret_cast<${outType}*>(q) + (size_t)row * ${pitch};
  float m = 0.0f;
  ${on(options, "unroll") ? "#pragma unroll 4\n  " : ""}${scan}
  ${reduce}
  if (threadIdx.x == 0) scale[row] = m * (1.0f / 127.0f);
  const float k = ${factorOf(factor, "m")};
  ${on(options, "unroll") ? "#pragma unroll 4\n  " : ""}${emit}`;
  const source = `${rounding(text(options, "round"), factor, "to_int8")}
${vector ? `${largestOfFour}\n${packFour(pack, "pack4", "to_int8")}\n` : ""}${needsWarp ? `${warpMax(text(options, "warp"), "warp_max")}\n` : ""}extern "C" __global__ void quantise_block_per_row(const float* __restrict__ x, signed char* __restrict__ q,
                                                  float* __restrict__ scale, int rows, int cols) {
  ${declare}
  ${
    persistent
      ? `for (int row = blockIdx.x; row < rows; row += gridDim.x) {
  ${body}
  __syncthreads();
  }`
      : `const int row = blockIdx.x;
  ${body}`
  }
}
`;
  const grid = persistent ? Math.min(rows, 132 * Math.floor(2048 / threads)) : rows;
  return launch("quantise_block_per_row", source, grid, [threads, 1], sizes);
}

function writeWarp(options: Options, sizes: Sizes): KernelDraft {
  const { rows, cols } = shape(sizes);
  const warps = count(options, "warps");
  const factor = text(options, "factor");
  const pack = text(options, "pack");
  const perLane = cols / 128;
  const keep = on(options, "keep");
  const persistent = on(options, "persistent");
  const load = on(options, "streaming") ? "__ldcs(row_in + lane + 32 * i)" : "row_in[lane + 32 * i]";
  const unroll = keep ? "#pragma unroll" : `#pragma unroll ${count(options, "unroll")}`;
  const scan = keep
    ? `float4 held[${perLane}];
    ${unroll}
    for (int i = 0; i < ${perLane}; i++) held[i] = ${load};
    ${unroll}
    for (int i = 0; i < ${perLane}; i++) peak = largest4(peak, held[i]);`
    : `${unroll}
    for (int i = 0; i < ${perLane}; i++) peak = largest4(peak, ${load});`;
  const emit = `${unroll}
    for (int i = 0; i < ${perLane}; i++) row_out[lane + 32 * i] = pack4(${keep ? "held[i]" : "row_in[lane + 32 * i]"}, k);`;
  const twoAxes = on(options, "two_axes");
  const first = twoAxes ? "blockIdx.x * blockDim.y + threadIdx.y" : "(blockIdx.x * blockDim.x + threadIdx.x) / 32";
  const stride = twoAxes ? "gridDim.x * blockDim.y" : "gridDim.x * blockDim.x / 32";
  const source = `${rounding(text(options, "round"), factor, "nearest")}
${largestOfFour}
${packFour(pack, "pack4", "nearest")}
${warpMax(text(options, "warp"), "warp_peak")}
extern "C" __global__ void ${on(options, "bounded") ? `__launch_bounds__(${warps * 32}) ` : ""}warp_rows(const float* x, signed char* q, float* scale, int rows, int cols) {
  const int lane = threadIdx.x${twoAxes ? "" : " % 32"};
  ${
    persistent
      ? `for (int row = ${first}; row < rows; row += ${stride}) {`
      : `const int row = ${first};
  if (row < rows) {`
  }
    const float4* row_in = reinterpret_cast<const float4*>(x + (size_t)row * cols);
    ${packedType(pack)}* row_out = reinterpret_cast<${packedType(pack)}*>(q + (size_t)row * cols);
    float peak = 0.0f;
    ${scan}
    peak = warp_peak(peak);
    if (lane == 0) scale[row] = peak / 127.0f;
    const float k = ${factorOf(factor, "peak")};
    ${emit}
  }
}
`;
  const needed = Math.ceil(rows / warps);
  return launch(
    "warp_rows",
    source,
    persistent ? Math.min(needed, 264) : needed,
    twoAxes ? [32, warps] : [warps * 32, 1],
    sizes,
  );
}

export const rowTemplates: readonly Template[] = [
  {
    id: "thread-per-row",
    from: null,
    count: 48,
    idea: "keep one thread per row and widen its accesses",
    options: {
      width: ["scalar", "vector loads", "packed", "wide"],
      factor: ["divide", "reciprocal"],
      round: ["rint", "rn", "floor"],
      backwards: [false, true],
      unroll: [false, true],
      restrict: [false, true],
      block: [128, 32, 64, 256],
    },
    write: writeThread,
  },
  {
    id: "block-per-row",
    from: "thread-per-row",
    count: 16,
    idea: "give each row to a block that reads it twice",
    options: {
      reduce: ["tree", "warps", "all-read", "atomic", "warp-atomic"],
      pack: ["bytes", "char4", "shift", "permute"],
      factor: ["divide", "reciprocal", "fast"],
      round: ["rint", "rn", "clamped", "roundf"],
      warp: ["xor", "down", "redux"],
      chunked: [false, true],
      persistent: [false, true],
      unroll: [false, true],
      threads: [256, 64, 512, 1024],
    },
    valid: (options) => options["chunked"] !== true || Number(options["threads"]) <= 256,
    write: writeBlock,
  },
  {
    id: "warp-per-row",
    from: "block-per-row",
    count: 50,
    idea: "give each row to a warp, without barriers",
    options: {
      keep: [false, true],
      pack: ["char4", "shift", "permute"],
      factor: ["reciprocal", "divide", "fast"],
      round: ["rn", "rint", "mantissa"],
      warp: ["xor", "down", "redux"],
      persistent: [false, true],
      streaming: [false, true],
      two_axes: [false, true],
      bounded: [false, true],
      unroll: [4, 1, 8],
      warps: [4, 8, 2, 16],
    },
    valid: (options) => !(options["keep"] === true && options["warps"] === 16 && options["bounded"] !== true),
    write: writeWarp,
  },
];
