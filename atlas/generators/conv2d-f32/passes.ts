import type { Options, Template } from "../kit/generator.ts";
import { ceilDiv, constants, int, launch, packLaunch, packSource, read, shapeOf, unroll } from "./shared.ts";

function inputAt(o: Options, row: string, col: string): string {
  const value = read(o["load"], `plane[${row} * W + ${col}]`);
  return `${row} >= 0 && ${row} < H && ${col} >= 0 && ${col} < W ? ${value} : 0.0f`;
}

function locate(o: Options, extra: string): string {
  const rest = (index: string): string => `  const int f0 = ${index} % (K / FILTERS) * FILTERS;
  const int n = ${index} / (K / FILTERS)${extra ? " % N" : ""};
${extra ? `  const int group = ${index} / (K / FILTERS) / N;\n` : ""}`;
  if (o["flat"]) {
    return `  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= H * W) return;
  const int z = i % W;
  const int y = i / W;
${rest("(int)blockIdx.y")}`;
  }
  return `  const int z = blockIdx.x * blockDim.x + threadIdx.x;
  const int y = blockIdx.y * blockDim.y + threadIdx.y;
${rest("(int)blockIdx.z")}  if (y >= H || z >= W) return;
`;
}

function geometry(
  o: Options,
  h: number,
  w: number,
  planes: number,
): [[number, number, number], [number, number, number]] {
  const [bx, by] = String(o["block"]).split("x").map(Number) as [number, number];
  if (o["flat"])
    return [
      [ceilDiv(h * w, bx * by), planes, 1],
      [bx * by, 1, 1],
    ];
  return [
    [ceilDiv(w, bx), ceilDiv(h, by), planes],
    [bx, by, 1],
  ];
}

function weightAt(o: Options, c: string, t: string): string {
  return o["packed"]
    ? read(o["load"], `packed[(${c} * 9 + ${t}) * K + f0 + j]`)
    : read(o["load"], `weight[((f0 + j) * C + ${c}) * 9 + ${t}]`);
}

const zeroSums = `  float sum[FILTERS];
#pragma unroll
  for (int j = 0; j < FILTERS; ++j) sum[j] = 0.0f;
`;

function groupKernel(o: Options): string {
  const atomic = o["combine"] === "atomic";
  const place = "[((n * K + f0 + j) * H + y) * W + z]";
  const result = atomic
    ? `atomicAdd(&out${place}, sum[j]);`
    : `work[(size_t)group * (N * K * H * W) + ((n * K + f0 + j) * H + y) * W + z] = sum[j];`;
  return `extern "C" __global__ void partial(const float* __restrict__ x, const float* __restrict__ ${o["packed"] ? "packed" : "weight"}, float* ${atomic ? "out" : "work"}) {
${locate(o, "group")}${zeroSums}  for (int c = group * (C / GROUPS); c < (group + 1) * (C / GROUPS); ++c) {
    const float* plane = x + (n * C + c) * (H * W);
${unroll(o["unrolled"], "    ").trimStart()}    for (int t = 0; t < 9; ++t) {
      const int row = y + t / 3 - 1;
      const int col = z + t % 3 - 1;
      const float v = ${inputAt(o, "row", "col")};
#pragma unroll
      for (int j = 0; j < FILTERS; ++j) sum[j] += v * ${weightAt(o, "c", "t")};
    }
  }
#pragma unroll
  for (int j = 0; j < FILTERS; ++j) ${result}
}
`;
}

/** Channels split over blocks, whose partial sums are added in memory. */
export const channelGroups: Template = {
  id: "channel-groups",
  from: "output-per-thread",
  idea: "Split the channels over blocks for more parallelism and add their partial sums",
  options: {
    combine: ["atomic", "scratch"],
    packed: [false, true],
    flat: [false, true],
    unrolled: [false, true],
    load: ["plain", "__ldg"],
    filters: [1, 4, 8],
    groups: [4, 2, 8],
    block: ["16x16", "32x8", "56x4", "8x8"],
  },
  count: 27,
  write(o, s) {
    const { n, k, h, w } = shapeOf(s);
    const groups = int(o, "groups");
    const values = n * k * h * w;
    const other =
      o["combine"] === "atomic"
        ? `extern "C" __global__ void clear(float* out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < N * K * H * W) out[i] = 0.0f;
}
`
        : `extern "C" __global__ void combine(const float* __restrict__ work, float* __restrict__ out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= N * K * H * W) return;
  float sum = 0.0f;
  for (int g = 0; g < GROUPS; ++g) sum += work[(size_t)g * (N * K * H * W) + i];
  out[i] = sum;
}
`;
    const source = `${constants(s)}constexpr int FILTERS = ${int(o, "filters")};
constexpr int GROUPS = ${groups};

${o["packed"] ? packSource : ""}${other}
${groupKernel(o)}`;
    const [grid, block] = geometry(o, h, w, n * (k / int(o, "filters")) * groups);
    const from = o["packed"] ? "packed" : "weight";
    const over: [number, number, number] = [ceilDiv(values, 256), 1, 1];
    const steps =
      o["combine"] === "atomic"
        ? [launch("clear", over, [256, 1, 1], ["out"]), launch("partial", grid, block, ["x", from, "out"])]
        : [launch("partial", grid, block, ["x", from, "work"]), launch("combine", over, [256, 1, 1], ["work", "out"])];
    return { source, launches: o["packed"] ? [packLaunch(s), ...steps] : steps };
  },
};

function passBody(o: Options): string {
  const products = (c: string, t: string): string => `#pragma unroll
      for (int j = 0; j < FILTERS; ++j) sum[j] += v * ${weightAt(o, c, t)};`;
  if (o["split"] === "channels") {
    return `  for (int c = first; c < first + CHANNELS; ++c) {
    const float* plane = x + (n * C + c) * (H * W);
${unroll(o["unrolled"], "    ")}    for (int t = 0; t < 9; ++t) {
      const int row = y + t / 3 - 1;
      const int col = z + t % 3 - 1;
      const float v = ${inputAt(o, "row", "col")};
${products("c", "t")}
    }
  }`;
  }
  if (o["split"] === "rows") {
    return `  const int row = y + first - 1;
  for (int c = 0; c < C; ++c) {
    const float* plane = x + (n * C + c) * (H * W);
${unroll(o["unrolled"], "    ")}    for (int s = 0; s < 3; ++s) {
      const int col = z + s - 1;
      const float v = ${inputAt(o, "row", "col")};
${products("c", "(first * 3 + s)")}
    }
  }`;
  }
  return `  const int row = y + first / 3 - 1;
  const int col = z + first % 3 - 1;
${o["unrolled"] ? "#pragma unroll 4\n" : ""}  for (int c = 0; c < C; ++c) {
    const float* plane = x + (n * C + c) * (H * W);
    const float v = ${inputAt(o, "row", "col")};
${products("c", "first")}
  }`;
}

/** Several launches that each add a part of the sum to the output. */
export const outputPasses: Template = {
  id: "output-passes",
  from: "output-per-thread",
  idea: "Launch one pass per part of the window and add into the output",
  options: {
    split: ["taps", "rows", "channels"],
    packed: [false, true],
    flat: [false, true],
    unrolled: [false, true],
    load: ["plain", "__ldg"],
    filters: [4, 1, 8, 16],
    channels: [16, 8],
    block: ["32x8", "16x16", "56x4", "28x4"],
  },
  count: 29,
  write(o, s) {
    const { n, k, c, h, w } = shapeOf(s);
    const from = o["packed"] ? "packed" : "weight";
    const source = `${constants(s)}constexpr int FILTERS = ${int(o, "filters")};
${o["split"] === "channels" ? `constexpr int CHANNELS = ${int(o, "channels")};\n` : ""}
${o["packed"] ? packSource : ""}extern "C" __global__ void add_part(const float* __restrict__ x, const float* __restrict__ ${from}, float* __restrict__ out, int first) {
${locate(o, "")}${zeroSums}${passBody(o)}
#pragma unroll
  for (int j = 0; j < FILTERS; ++j) {
    float* to = out + ((n * K + f0 + j) * H + y) * W + z;
    *to = first == 0 ? sum[j] : *to + sum[j];
  }
}
`;
    const [grid, block] = geometry(o, h, w, n * (k / int(o, "filters")));
    const [parts, step] =
      o["split"] === "taps" ? [9, 1] : o["split"] === "rows" ? [3, 1] : [c / int(o, "channels"), int(o, "channels")];
    const passes = Array.from({ length: parts }, (_, i) =>
      launch("add_part", grid, block, ["x", from, "out", { i32: i * step }]),
    );
    return { source, launches: o["packed"] ? [packLaunch(s), ...passes] : passes };
  },
};
