import type { Options, Template } from "../kit/generator.ts";
import { ceilDiv, constants, int, launch, packLaunch, packSource, read, shapeOf, unroll } from "./shared.ts";

function tapLoops(o: Options): string {
  const weight =
    o["weights"] === "shared" ? "taps[c * 9 + r * 3 + s]" : read(o["load"], "weight[((f * C + c) * 3 + r) * 3 + s]");
  const input = (y: string, z: string): string => read(o["load"], `x[((n * C + c) * H + ${y}) * W + ${z}]`);
  if (o["guard"] === "select") {
    return `        const int yy = y + r - 1;
        const int zz = z + s - 1;
        const bool in = yy >= 0 && yy < H && zz >= 0 && zz < W;
        const float v = in ? ${input("yy", "zz")} : 0.0f;
        sum += v * ${weight};`;
  }
  if (o["guard"] === "clamp") {
    return `        const int yy = min(max(y + r - 1, 0), H - 1);
        const int zz = min(max(z + s - 1, 0), W - 1);
        const float in = (yy == y + r - 1 && zz == z + s - 1) ? 1.0f : 0.0f;
        sum = fmaf(in * ${input("yy", "zz")}, ${weight}, sum);`;
  }
  return `        sum += ${input("y + r - 1", "z + s - 1")} * ${weight};`;
}

function tapNest(o: Options): string {
  const limits = o["guard"] === "limits";
  const rows = limits ? "for (int r = max(0, 1 - y); r < min(3, H + 1 - y); ++r)" : "for (int r = 0; r < 3; ++r)";
  const cols = limits ? "for (int s = max(0, 1 - z); s < min(3, W + 1 - z); ++s)" : "for (int s = 0; s < 3; ++s)";
  const hint = unroll(o["unrolled"] && !limits, "    ");
  const channels = "for (int c = 0; c < C; ++c)";
  if (o["order"] === "taps-first") {
    return `    ${rows}
    ${cols}
${o["unrolled"] ? "#pragma unroll 8\n" : ""}      ${channels} {
${tapLoops(o)}
      }`;
  }
  return `    ${channels} {
${hint}      ${rows} {
${hint}      ${cols} {
${tapLoops(o)}
      }
      }
    }`;
}

/** One thread per output value. */
export const perOutput: Template = {
  id: "output-per-thread",
  from: null,
  idea: "One thread per output value with the sizes known to the compiler",
  options: {
    mapping: ["planes", "flat"],
    guard: ["select", "limits", "clamp"],
    order: ["channels-first", "taps-first"],
    weights: ["global", "shared"],
    load: ["plain", "__ldg"],
    unrolled: [false, true],
    size: ["constexpr", "define"],
    block: ["16x16", "32x8", "56x4", "8x8", "64x2"],
    threads: [256, 128, 512],
  },
  valid: (o) => !(o["mapping"] === "flat" && o["weights"] === "shared"),
  count: 32,
  write(o, s) {
    const { n, k, h, w } = shapeOf(s);
    const [bx, by] = String(o["block"]).split("x").map(Number) as [number, number];
    const flat = o["mapping"] === "flat";
    const stage = o["weights"] === "shared";
    const locate = flat
      ? `  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= N * K * H * W) return;
  const int z = i % W;
  const int y = i / W % H;
  const int f = i / (W * H) % K;
  const int n = i / (W * H * K);
  {`
      : `  const int z = blockIdx.x * blockDim.x + threadIdx.x;
  const int y = blockIdx.y * blockDim.y + threadIdx.y;
  const int f = blockIdx.z % K;
  const int n = blockIdx.z / K;
${
  stage
    ? `  __shared__ float taps[C * 9];
  for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < C * 9; i += blockDim.x * blockDim.y) taps[i] = weight[f * C * 9 + i];
  __syncthreads();
`
    : ""
}  if (y < H && z < W) {`;
    const source = `${constants(s, o["size"])}
extern "C" __global__ void convolve(const float* __restrict__ x, const float* __restrict__ weight, float* __restrict__ out) {
${locate}
    float sum = 0.0f;
${tapNest(o)}
    out[((n * K + f) * H + y) * W + z] = sum;
  }
}
`;
    const args = ["x", "weight", "out"];
    if (flat)
      return {
        source,
        launches: [
          launch("convolve", [ceilDiv(n * k * h * w, int(o, "threads")), 1, 1], [int(o, "threads"), 1, 1], args),
        ],
      };
    return { source, launches: [launch("convolve", [ceilDiv(w, bx), ceilDiv(h, by), n * k], [bx, by, 1], args)] };
  },
};

function filterLaneBody(o: Options): string {
  const tap = o["packed"] ? "packed[(c * 9 + t) * K + f]" : "weight[(f * C + c) * 9 + t]";
  const hint = unroll(o["unrolled"], "    ");
  const input = "row >= 0 && row < H && col >= 0 && col < W ? x[((n * C + c) * H + row) * W + col] : 0.0f";
  if (o["stage"]) {
    return `    __syncthreads();
    for (int i = threadIdx.y * K + threadIdx.x; i < 3 * (RUN * blockDim.y + 2); i += K * blockDim.y) {
      const int row = y + i / (RUN * (int)blockDim.y + 2) - 1;
      const int col = (int)blockIdx.x * RUN * (int)blockDim.y + i % (RUN * (int)blockDim.y + 2) - 1;
      window[i] = ${input};
    }
    __syncthreads();
${hint}    for (int t = 0; t < 9; ++t) {
      const float a = ${tap};
#pragma unroll
      for (int p = 0; p < RUN; ++p) sum[p] += a * window[t / 3 * (RUN * blockDim.y + 2) + threadIdx.y * RUN + p + t % 3];
    }`;
  }
  return `${hint}    for (int t = 0; t < 9; ++t) {
      const float a = ${tap};
      const int row = y + t / 3 - 1;
#pragma unroll
      for (int p = 0; p < RUN; ++p) {
        const int col = z0 + p + t % 3 - 1;
        sum[p] += a * (${input});
      }
    }`;
}

/** Neighbouring threads compute neighbouring filters of the same pixels. */
export const filterLanes: Template = {
  id: "filter-lanes",
  from: "output-per-thread",
  idea: "Spread the filters over a block's threads so that inputs are shared by all of them",
  options: {
    packed: [false, true],
    stage: [false, true],
    unrolled: [false, true],
    bounds: [false, true],
    zero: ["loop", "braces"],
    run: [4, 8, 14, 1],
    rows: [4, 2, 1],
    size: ["constexpr", "define"],
  },
  count: 29,
  write(o, s) {
    const { n, k, h, w } = shapeOf(s);
    const [run, lanes] = [int(o, "run"), int(o, "rows")];
    const source = `${constants(s, o["size"])}#define RUN ${run}

${o["packed"] ? packSource : ""}extern "C" __global__ void ${o["bounds"] ? `__launch_bounds__(${k * lanes}) ` : ""}convolve(const float* __restrict__ x, const float* __restrict__ ${o["packed"] ? "packed" : "weight"}, float* __restrict__ out) {
${o["stage"] ? `  __shared__ float window[3 * (RUN * ${lanes} + 2)];\n` : ""}  const int f = threadIdx.x;
  const int z0 = (blockIdx.x * blockDim.y + threadIdx.y) * RUN;
  const int y = blockIdx.y;
  const int n = blockIdx.z;
  float sum[RUN]${o["zero"] === "braces" ? " = {}" : ""};
${o["zero"] === "braces" ? "" : "#pragma unroll\n  for (int p = 0; p < RUN; ++p) sum[p] = 0.0f;\n"}  for (int c = 0; c < C; ++c) {
${filterLaneBody(o)}
  }
#pragma unroll
  for (int p = 0; p < RUN; ++p) {
    if (z0 + p < W) out[((n * K + f) * H + y) * W + z0 + p] = sum[p];
  }
}
`;
    const main = launch(
      "convolve",
      [ceilDiv(w, run * lanes), h, n],
      [k, lanes, 1],
      ["x", o["packed"] ? "packed" : "weight", "out"],
    );
    return { source, launches: o["packed"] ? [packLaunch(s), main] : [main] };
  },
};

function fetchTaps(o: Options): string {
  const shared = o["weights"] === "shared";
  if (o["vector"]) {
    return `#pragma unroll
      for (int j = 0; j < FILTERS; j += 4) {
        const float4 q = *reinterpret_cast<const float4*>(&${shared ? "taps[t * FILTERS + j]" : "packed[(c * 9 + t) * K + f0 + j]"});
        a[j] = q.x;
        a[j + 1] = q.y;
        a[j + 2] = q.z;
        a[j + 3] = q.w;
      }`;
  }
  const direct = o["weights"] === "packed" ? "packed[(c * 9 + t) * K + f0 + j]" : "weight[((f0 + j) * C + c) * 9 + t]";
  return `#pragma unroll
      for (int j = 0; j < FILTERS; ++j) a[j] = ${shared ? "taps[t * FILTERS + j]" : read(o["load"], direct)};`;
}

const stageTaps = `    __syncthreads();
    for (int i = threadIdx.y * blockDim.x + threadIdx.x; i < 9 * FILTERS; i += blockDim.x * blockDim.y) {
      taps[i] = packed[(c * 9 + i / FILTERS) * K + f0 + i % FILTERS];
    }
    __syncthreads();\n`;

function blockLoop(o: Options): string {
  const along = o["axis"] === "along-row";
  const [rows, cols] = along ? ["3", "RUN + 2"] : ["RUN + 2", "3"];
  return `${o["channelLoop"] === "plain" ? "" : "#pragma unroll 2\n"}  for (int c = 0; c < C; ++c) {
${o["weights"] === "shared" ? stageTaps : ""}    const float* plane = x + (n * C + c) * H * W;
    float in[${rows}][${cols}];
#pragma unroll
    for (int r = 0; r < ${rows}; ++r)
#pragma unroll
      for (int q = 0; q < ${cols}; ++q) {
        const int yy = y + r - 1;
        const int zz = z + q - 1;
        in[r][q] = yy >= 0 && yy < H && zz >= 0 && zz < W ? ${read(o["load"], "plane[yy * W + zz]")} : 0.0f;
      }
#pragma unroll
    for (int t = 0; t < 9; ++t) {
      float a[FILTERS];
${fetchTaps(o)}
#pragma unroll
      for (int j = 0; j < FILTERS; ++j)
#pragma unroll
        for (int p = 0; p < RUN; ++p) sum[j][p] = fmaf(a[j], ${along ? "in[t / 3][p + t % 3]" : "in[p + t / 3][t % 3]"}, sum[j][p]);
    }
  }`;
}

function blockKernel(o: Options, from: string, threads: number): string {
  const along = o["axis"] === "along-row";
  return `extern "C" __global__ void ${o["bounds"] ? `__launch_bounds__(${threads}) ` : ""}convolve(const float* __restrict__ x, const float* __restrict__ ${from}, float* __restrict__ out) {
${o["weights"] === "shared" ? "  __shared__ __align__(16) float taps[9 * FILTERS];\n" : ""}  const int z = (blockIdx.x * blockDim.x + threadIdx.x)${along ? " * RUN" : ""};
  const int y = (blockIdx.y * blockDim.y + threadIdx.y)${along ? "" : " * RUN"};
  const int f0 = blockIdx.z % (K / FILTERS) * FILTERS;
  const int n = blockIdx.z / (K / FILTERS);
  float sum[FILTERS][RUN];
#pragma unroll
  for (int j = 0; j < FILTERS; ++j)
#pragma unroll
    for (int p = 0; p < RUN; ++p) sum[j][p] = 0.0f;

${blockLoop(o)}
#pragma unroll
  for (int j = 0; j < FILTERS; ++j)
#pragma unroll
    for (int p = 0; p < RUN; ++p) {
      const int yy = y${along ? "" : " + p"};
      const int zz = z${along ? " + p" : ""};
      if (yy < H && zz < W) out[((n * K + f0 + j) * H + yy) * W + zz] = sum[j][p];
    }
}
`;
}

/** Filters per thread in registers; inputs through the caches. */
export const filterBlock: Template = {
  id: "filter-block",
  from: "output-per-thread",
  idea: "Keep several filters' sums per thread so that every input read is used many times",
  options: {
    weights: ["global", "packed", "shared"],
    axis: ["along-row", "down-column"],
    load: ["plain", "__ldg"],
    bounds: [false, true],
    channelLoop: ["plain", "unroll 2"],
    vector: [false, true],
    filters: [8, 4, 16],
    run: [1, 2, 4],
    block: ["28x4", "14x8", "56x2", "56x4"],
  },
  valid: (o) => !(o["vector"] && o["weights"] === "global"),
  count: 32,
  write(o, s) {
    const { n, k, h, w } = shapeOf(s);
    const [bx, by] = String(o["block"]).split("x").map(Number) as [number, number];
    const [filters, run] = [int(o, "filters"), int(o, "run")];
    const [runX, runY] = o["axis"] === "along-row" ? [run, 1] : [1, run];
    const from = o["weights"] === "global" ? "weight" : "packed";
    const source = `${constants(s)}constexpr int FILTERS = ${filters};
constexpr int RUN = ${run};

${from === "packed" ? packSource : ""}${blockKernel(o, from, bx * by)}`;
    const grid: [number, number, number] = [ceilDiv(w, bx * runX), ceilDiv(h, by * runY), n * (k / filters)];
    const main = launch("convolve", grid, [bx, by, 1], ["x", from, "out"]);
    return { source, launches: from === "packed" ? [packLaunch(s), main] : [main] };
  },
};
