import type { Options, Template } from "../kit/generator.ts";
import { gemmKernel, microFits, microHeader, microOf } from "./gemm.ts";
import { ceilDiv, constants, int, launch, packLaunch, packSource, shapeOf } from "./shared.ts";

const outputPlace = "out[(p / (H * W) * K + m) * (H * W) + p % (H * W)]";

const commonOptions = {
  vector: [false, true],
  prefetch: [false, true],
  bounds: [true, false],
  split: [false, true],
  micro: ["8x8", "4x8", "4x4", "2x2", "8x4"],
} as const;

function implicitA(o: Options): string {
  if (o["taps"] === "channels-inside") {
    return o["packed"] ? "packed[(kk % C * 9 + kk / C) * K + m]" : "weight[(m * C + kk % C) * 9 + kk / C]";
  }
  return o["packed"] ? "packed[kk * K + m]" : "weight[m * (C * 9) + kk]";
}

function implicitB(o: Options): string {
  const [c, t] = o["taps"] === "channels-inside" ? ["kk % C", "kk / C"] : ["kk / 9", "kk % 9"];
  if (o["gather"] === "mask")
    return `mask >> (${t}) & 1 ? pixel[(${c}) * (H * W) + (${t}) / 3 * W + (${t}) % 3] : 0.0f`;
  return `gather(x, column, ${c}, ${t})`;
}

const maskSetup = `  const int cy = column % (H * W) / W;
  const int cz = column % W;
  const float* pixel = x + column / (H * W) * (C * H * W) + (cy - 1) * W + cz - 1;
  // One bit per tap that lies inside the image.
  unsigned mask = 0;
#pragma unroll
  for (int t = 0; t < 9; ++t) {
    const int row = cy + t / 3 - 1;
    const int col = cz + t % 3 - 1;
    if (column < N * H * W && row >= 0 && row < H && col >= 0 && col < W) mask |= 1u << t;
  }`;

const gatherFunction = `// Channel c of the input under tap t of pixel p; zero outside of the image.
__device__ __forceinline__ float gather(const float* __restrict__ x, int p, int c, int t) {
  const int row = p % (H * W) / W + t / 3 - 1;
  const int col = p % W + t % 3 - 1;
  if (p >= N * H * W || row < 0 || row >= H || col < 0 || col >= W) return 0.0f;
  return x[((p / (H * W) * C + c) * H + row) * W + col];
}

`;

/** A matrix product whose right side is gathered from the images on the way. */
export const implicitGemm: Template = {
  id: "implicit-gemm",
  from: "filter-block",
  idea: "Treat the convolution as a matrix product and gather its right side on the fly",
  options: {
    gather: ["function", "mask"],
    taps: ["taps-inside", "channels-inside"],
    packed: [false, true],
    ...commonOptions,
    pad: [false, true],
    depth: [8, 16],
  },
  valid: microFits,
  count: 34,
  write(o, s) {
    const { n, h, w } = shapeOf(s);
    const { bn, threads } = microOf(o);
    const from = o["packed"] ? "packed" : "weight";
    const kernel = gemmKernel(o, {
      name: "convolve",
      params: `const float* __restrict__ x, const float* __restrict__ ${from}, float* __restrict__ out`,
      length: "C * 9",
      columns: "N * H * W",
      setup: o["gather"] === "mask" ? maskSetup : "",
      a: implicitA(o),
      b: implicitB(o),
      place: outputPlace,
      filtersContiguous: Boolean(o["packed"]),
    });
    const source = `${constants(s)}${microHeader(o)}
${o["packed"] ? packSource : ""}${o["gather"] === "mask" ? "" : gatherFunction}${kernel}`;
    const main = launch("convolve", [ceilDiv(n * h * w, bn), 1, 1], [threads, 1, 1], ["x", from, "out"]);
    return { source, launches: o["packed"] ? [packLaunch(s), main] : [main] };
  },
};

function unfold(o: Options): string {
  if (o["unfold"] === "per-value") {
    return `extern "C" __global__ void unfold(const float* __restrict__ x, float* __restrict__ work) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= C * 9 * N * H * W) return;
  const int p = i % (N * H * W);
  const int t = i / (N * H * W) % 9;
  const int c = i / (N * H * W) / 9;
  const int row = p % (H * W) / W + t / 3 - 1;
  const int col = p % W + t % 3 - 1;
  const bool in = row >= 0 && row < H && col >= 0 && col < W;
  work[i] = in ? x[((p / (H * W) * C + c) * H + row) * W + col] : 0.0f;
}
`;
  }
  const taps =
    o["unfold"] === "push"
      ? "    const int row = y - t / 3 + 1;\n    const int col = z - t % 3 + 1;"
      : "    const int row = y + t / 3 - 1;\n    const int col = z + t % 3 - 1;";
  const body =
    o["unfold"] === "push"
      ? `    if (row >= 0 && row < H && col >= 0 && col < W) to[(size_t)t * (N * H * W) + row * W + col] = value;
    // Taps beyond the image belong to the pixel on the opposite side.
    const int far_row = (row + H) % H;
    const int far_col = (col + W) % W;
    if (row != far_row || col != far_col) to[(size_t)t * (N * H * W) + far_row * W + far_col] = 0.0f;`
      : `    const bool in = row >= 0 && row < H && col >= 0 && col < W;
    to[(size_t)t * (N * H * W) + y * W + z] = in ? plane[row * W + col] : 0.0f;`;
  return `extern "C" __global__ void unfold(const float* __restrict__ x, float* __restrict__ work) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= N * C * H * W) return;
  const int z = i % W;
  const int y = i / W % H;
  const int c = i / (H * W) % C;
  const int n = i / (H * W) / C;
  const float* plane = x + (n * C + c) * (H * W);
  float* to = work + (size_t)c * 9 * (N * H * W) + n * (H * W);
${o["unfold"] === "push" ? "  const float value = plane[y * W + z];\n" : ""}#pragma unroll
  for (int t = 0; t < 9; ++t) {
${taps}
${body}
  }
}
`;
}

/** im2col into scratch, then a matrix product. */
export const unfolded: Template = {
  id: "unfold-gemm",
  from: "implicit-gemm",
  idea: "Unfold the images into a matrix in scratch and multiply it with the weights",
  options: {
    unfold: ["per-value", "per-pixel", "push"],
    packed: [false, true],
    ...commonOptions,
    pad: [false, true],
    depth: [8, 16],
    threads: [256, 128],
  },
  valid: microFits,
  count: 29,
  write(o, s) {
    const { n, c, h, w } = shapeOf(s);
    const { bn, threads } = microOf(o);
    const from = o["packed"] ? "packed" : "weight";
    const kernel = gemmKernel(o, {
      name: "multiply",
      params: `const float* __restrict__ work, const float* __restrict__ ${from}, float* __restrict__ out`,
      length: "C * 9",
      columns: "N * H * W",
      setup: "  const bool valid = column < N * H * W;",
      a: o["packed"] ? "packed[kk * K + m]" : "weight[m * (C * 9) + kk]",
      b: "valid ? work[kk * (N * H * W) + column] : 0.0f",
      place: outputPlace,
      filtersContiguous: Boolean(o["packed"]),
    });
    const source = `${constants(s)}${microHeader(o)}
${o["packed"] ? packSource : ""}${unfold(o)}
${kernel}`;
    const cells = n * c * h * w * (o["unfold"] === "per-value" ? 9 : 1);
    const first = launch("unfold", [ceilDiv(cells, int(o, "threads")), 1, 1], [int(o, "threads"), 1, 1], ["x", "work"]);
    const main = launch("multiply", [ceilDiv(n * h * w, bn), 1, 1], [threads, 1, 1], ["work", from, "out"]);
    return { source, launches: [...(o["packed"] ? [packLaunch(s)] : []), first, main] };
  },
};

const filterTransform = `extern "C" __global__ void transform_weights(const float* __restrict__ weight, float* __restrict__ packed) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= C * K) return;
  const int f = i % K;
  const int c = i / K;
  const float* g = weight + (f * C + c) * 9;
  float half[4][3];
  for (int s = 0; s < 3; ++s) {
    half[0][s] = g[s];
    half[1][s] = 0.5f * (g[s] + g[3 + s] + g[6 + s]);
    half[2][s] = 0.5f * (g[s] - g[3 + s] + g[6 + s]);
    half[3][s] = g[6 + s];
  }
  for (int r = 0; r < 4; ++r) {
    packed[((4 * r + 0) * C + c) * K + f] = half[r][0];
    packed[((4 * r + 1) * C + c) * K + f] = 0.5f * (half[r][0] + half[r][1] + half[r][2]);
    packed[((4 * r + 2) * C + c) * K + f] = 0.5f * (half[r][0] - half[r][1] + half[r][2]);
    packed[((4 * r + 3) * C + c) * K + f] = half[r][2];
  }
}

`;

function inputTransform(o: Options): string {
  const load = o["edge"] === "select" ? "in ? plane[row * W + col] : 0.0f" : "in ? __ldg(&plane[row * W + col]) : 0.0f";
  return `extern "C" __global__ void transform_input(const float* __restrict__ x, float* __restrict__ work) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= C * TILES) return;
  const int p = i % TILES;
  const int c = i / TILES;
  const int y = p % (TH * TW) / TW * 2 - 1;
  const int z = p % TW * 2 - 1;
  const float* plane = x + (p / (TH * TW) * C + c) * (H * W);
  float d[4][4], t[4][4];
#pragma unroll
  for (int r = 0; r < 4; ++r)
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      const int row = y + r;
      const int col = z + s;
      const bool in = row >= 0 && row < H && col >= 0 && col < W;
      d[r][s] = ${load};
    }
#pragma unroll
  for (int s = 0; s < 4; ++s) {
    t[0][s] = d[0][s] - d[2][s];
    t[1][s] = d[1][s] + d[2][s];
    t[2][s] = d[2][s] - d[1][s];
    t[3][s] = d[1][s] - d[3][s];
  }
#pragma unroll
  for (int r = 0; r < 4; ++r) {
    float* to = work + (size_t)(4 * r * C + c) * TILES + p;
    to[0] = t[r][0] - t[r][2];
    to[(size_t)C * TILES] = t[r][1] + t[r][2];
    to[(size_t)2 * C * TILES] = t[r][2] - t[r][1];
    to[(size_t)3 * C * TILES] = t[r][1] - t[r][3];
  }
}

`;
}

function outputTransform(o: Options): string {
  const pair = o["paired"]
    ? `    *reinterpret_cast<float2*>(to + r * W) = make_float2(u[r][0] + u[r][1] + u[r][2], u[r][1] - u[r][2] - u[r][3]);`
    : `    to[r * W] = u[r][0] + u[r][1] + u[r][2];
    to[r * W + 1] = u[r][1] - u[r][2] - u[r][3];`;
  return `extern "C" __global__ void transform_output(const float* __restrict__ work, float* __restrict__ out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= K * TILES) return;
  const int p = i % TILES;
  const int f = i / TILES;
  const float* product = work + (size_t)16 * C * TILES + (size_t)f * TILES + p;
  float m[4][4], u[2][4];
#pragma unroll
  for (int e = 0; e < 16; ++e) m[e / 4][e % 4] = product[(size_t)e * K * TILES];
#pragma unroll
  for (int s = 0; s < 4; ++s) {
    u[0][s] = m[0][s] + m[1][s] + m[2][s];
    u[1][s] = m[1][s] - m[2][s] - m[3][s];
  }
  float* to = out + ((p / (TH * TW) * K + f) * H + p % (TH * TW) / TW * 2) * W + p % TW * 2;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
${pair}
  }
}

`;
}

/** Winograd's form F(2x2,3x3) with its transformed tiles in scratch. */
export const winograd: Template = {
  id: "winograd",
  from: "unfold-gemm",
  idea: "Use Winograd's F(2x2,3x3): transform tiles, multiply sixteen matrices, transform back",
  options: {
    edge: ["select", "ldg"],
    paired: [false, true],
    ...commonOptions,
    pad: [false, true],
    depth: [8, 16],
    threads: [256, 128],
  },
  valid: microFits,
  count: 29,
  write(o, s) {
    const { n, c, k, h, w } = shapeOf(s);
    const { bn, threads } = microOf(o);
    const tiles = (n * h * w) / 4;
    const kernel = gemmKernel(o, {
      name: "multiply",
      params: "const float* __restrict__ packed, float* work",
      length: "C",
      columns: "TILES",
      setup: `  const float* left = packed + blockIdx.y * (C * K);
  const float* right = work + (size_t)blockIdx.y * C * TILES;
  float* product = work + (size_t)16 * C * TILES + (size_t)blockIdx.y * K * TILES;
  const bool valid = column < TILES;`,
      a: "left[kk * K + m]",
      b: "valid ? right[kk * TILES + column] : 0.0f",
      place: "product[m * TILES + p]",
      filtersContiguous: true,
    });
    const source = `${constants(s)}constexpr int TH = H / 2, TW = W / 2;
constexpr int TILES = N * TH * TW;
${microHeader(o)}
${filterTransform}${inputTransform(o)}${outputTransform(o)}${kernel}`;
    const block: [number, number, number] = [int(o, "threads"), 1, 1];
    const over = (count: number): [number, number, number] => [ceilDiv(count, block[0]), 1, 1];
    return {
      source,
      launches: [
        launch("transform_weights", over(c * k), block, ["weight", "packed"]),
        launch("transform_input", over(c * tiles), block, ["x", "work"]),
        launch("multiply", [ceilDiv(tiles, bn), 16, 1], [threads, 1, 1], ["packed", "work"]),
        launch("transform_output", over(k * tiles), block, ["work", "out"]),
      ],
    };
  },
};
