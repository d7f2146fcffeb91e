import type { Options, Template } from "../kit/generator.ts";
import { ceilDiv, constants, int, launch, packLaunch, packSource, shapeOf } from "./shared.ts";

function stageInput(o: Options, buffer: string): string {
  const copy = o["async"]
    ? `      __pipeline_memcpy_async(&${buffer}cells[i], in ? &x[at] : x, 4, in ? 0 : 4);`
    : `      ${buffer}cells[i] = in ? x[at] : 0.0f;`;
  return `    for (int i = tid; i < CB * IH * PITCH; i += THREADS) {
      const int row = y0 + i / PITCH % IH - 1;
      const int col = z0 + i % PITCH - 1;
      const bool in = row >= 0 && row < H && col >= 0 && col < W;
      const int at = ((n * C + c0 + i / (PITCH * IH)) * H + row) * W + col;
${copy}
    }`;
}

function stageTaps(o: Options, buffer: string): string {
  if (o["packed"]) {
    const copy = o["async"]
      ? `__pipeline_memcpy_async(&${buffer}taps[4 * i], &packed[at], 16);`
      : `*reinterpret_cast<float4*>(&${buffer}taps[4 * i]) = *reinterpret_cast<const float4*>(&packed[at]);`;
    return `    for (int i = tid; i < CB * 9 * KB / 4; i += THREADS) {
      const int at = (c0 * 9 + 4 * i / KB) * K + f0 + 4 * i % KB;
      ${copy}
    }`;
  }
  const copy = o["async"]
    ? `__pipeline_memcpy_async(&${buffer}taps[i % (CB * 9) * KB + i / (CB * 9)], &weight[at], 4);`
    : `${buffer}taps[i % (CB * 9) * KB + i / (CB * 9)] = weight[at];`;
  return `    for (int i = tid; i < CB * 9 * KB; i += THREADS) {
      const int at = ((f0 + i / (CB * 9)) * C + c0) * 9 + i % (CB * 9);
      ${copy}
    }`;
}

function accumulate(o: Options, buffer: string): string {
  const weights = o["vector"]
    ? `#pragma unroll
        for (int j = 0; j < KT; j += 4) {
          const float4 q = *reinterpret_cast<const float4*>(&${buffer}taps[(cc * 9 + t) * KB + kg * KT + j]);
          a[j] = q.x;
          a[j + 1] = q.y;
          a[j + 2] = q.z;
          a[j + 3] = q.w;
        }`
    : `#pragma unroll
        for (int j = 0; j < KT; ++j) a[j] = ${buffer}taps[(cc * 9 + t) * KB + kg * KT + j];`;
  return `${o["unrolled"] ? "#pragma unroll\n" : "#pragma unroll 1\n"}    for (int cc = 0; cc < CB; ++cc) {
      float in[3][PX + 2];
#pragma unroll
      for (int r = 0; r < 3; ++r)
#pragma unroll
        for (int q = 0; q < PX + 2; ++q) in[r][q] = ${buffer}cells[(cc * IH + ty + r) * PITCH + tx * PX + q];
#pragma unroll
      for (int t = 0; t < 9; ++t) {
        float a[KT];
${weights}
#pragma unroll
        for (int j = 0; j < KT; ++j)
#pragma unroll
          for (int p = 0; p < PX; ++p) sum[j][p] = fmaf(a[j], in[t / 3][p + t % 3], sum[j][p]);
      }
    }`;
}

function channelLoop(o: Options): string {
  if (!o["async"]) {
    return `  for (int c0 = 0; c0 < C; c0 += CB) {
${stageInput(o, "")}
${stageTaps(o, "")}
    __syncthreads();
${accumulate(o, "")}
    __syncthreads();
  }`;
  }
  return `  {
    const int c0 = 0;
    float* cells = shared;
    float* taps = shared + CELLS;
${stageInput(o, "")}
${stageTaps(o, "")}
    __pipeline_commit();
  }
  for (int step = 0; step < C / CB; ++step) {
    const float* cells = shared + step % 2 * (CELLS + TAPS);
    const float* taps = cells + CELLS;
    if (step + 1 < C / CB) {
      const int c0 = (step + 1) * CB;
      float* next_cells = shared + (step + 1) % 2 * (CELLS + TAPS);
      float* next_taps = next_cells + CELLS;
${stageInput(o, "next_")}
${stageTaps(o, "next_")}
    }
    __pipeline_commit();
    __pipeline_wait_prior(1);
    __syncthreads();
${accumulate(o, "")}
    __syncthreads();
  }`;
}

function tileSource(o: Options, head: string): string {
  const from = o["packed"] ? "packed" : "weight";
  const memory = o["async"]
    ? "  extern __shared__ __align__(16) float shared[];"
    : "  __shared__ __align__(16) float cells[CELLS];\n  __shared__ __align__(16) float taps[TAPS];";
  return `${o["async"] ? "#include <cuda_pipeline.h>\n\n" : ""}${head}
${o["packed"] ? packSource : ""}extern "C" __global__ void ${o["bounds"] ? "__launch_bounds__(THREADS) " : ""}convolve(const float* __restrict__ x, const float* __restrict__ ${from}, float* __restrict__ out) {
${memory}
  const int tid = threadIdx.x;
  const int tx = tid % LANES;
  const int ty = tid / LANES % TH;
  const int kg = tid / (LANES * TH);
  const int z0 = blockIdx.x * (LANES * PX);
  const int y0 = blockIdx.y * TH;
  const int f0 = blockIdx.z % (K / KB) * KB;
  const int n = blockIdx.z / (K / KB);
  float sum[KT][PX];
#pragma unroll
  for (int j = 0; j < KT; ++j)
#pragma unroll
    for (int p = 0; p < PX; ++p) sum[j][p] = 0.0f;

${channelLoop(o)}

  if (y0 + ty < H) {
#pragma unroll
    for (int j = 0; j < KT; ++j)
#pragma unroll
      for (int p = 0; p < PX; ++p) {
        const int z = z0 + tx * PX + p;
        if (z < W) out[((n * K + f0 + kg * KT + j) * H + y0 + ty) * W + z] = sum[j][p];
      }
  }
}
`;
}

/** Input tile and weights in shared memory, pixels times filters in registers. */
export const inputTile: Template = {
  id: "input-tile",
  from: "filter-block",
  idea: "Stage an input tile and its weights in shared memory and block pixels and filters in registers",
  options: {
    packed: [false, true],
    async: [false, true],
    vector: [false, true],
    unrolled: [false, true],
    bounds: [true, false],
    // pixels per thread, threads along a row, rows, filters per thread, groups of filters
    tile: ["7x8x8x8x4", "4x7x8x4x4", "7x8x4x8x8", "4x14x4x8x4", "7x8x4x8x4", "4x14x4x8x8", "2x14x4x4x8", "14x4x8x4x8"],
    channels: [4, 8, 2],
  },
  count: 36,
  write(o, s) {
    const { n, k, h, w } = shapeOf(s);
    const [px, lanes, th, kt, groups] = String(o["tile"]).split("x").map(Number) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const channels = int(o, "channels");
    const threads = lanes * th * groups;
    const [cells, taps] = [ceilDiv(channels * (th + 2) * (px * lanes + 2), 4) * 4, channels * 9 * kt * groups];
    const head = `${constants(s)}
constexpr int PX = ${px};
constexpr int LANES = ${lanes};
constexpr int TH = ${th};
constexpr int KT = ${kt};
constexpr int KB = KT * ${groups};
constexpr int CB = ${channels};
constexpr int THREADS = ${threads};
constexpr int IH = TH + 2;
constexpr int PITCH = LANES * PX + 2;
constexpr int CELLS = ${cells};
constexpr int TAPS = CB * 9 * KB;
`;
    const grid: [number, number, number] = [ceilDiv(w, px * lanes), ceilDiv(h, th), n * (k / (kt * groups))];
    const bytes = o["async"] ? 8 * (cells + taps) : 0;
    const main = launch("convolve", grid, [threads, 1, 1], ["x", o["packed"] ? "packed" : "weight", "out"], bytes);
    return { source: tileSource(o, head), launches: o["packed"] ? [packLaunch(s), main] : [main] };
  },
};
