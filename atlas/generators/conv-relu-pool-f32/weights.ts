import { styled, template } from "../kit/code.ts";
import { launch3, shapeOf } from "./shape.ts";

type Border = "select" | "predicate" | "interior";

/** How a thread tests the border: facts about its window, and the value of row r, column k. */
function borderOf(kind: Border): { facts: string; at: (r: string) => string } {
  const place = (r: string): string => `plane[(y0 + ${r}) * W + x0 + k]`;
  if (kind === "select")
    return {
      facts: "",
      at: (r) => `(y0 + ${r} >= 0 && y0 + ${r} < H && x0 + k >= 0 && x0 + k < W) ? ${place(r)} : 0.0f`,
    };
  if (kind === "predicate")
    return {
      facts: `int rowsInside = 0, columnsInside = 0;
        #pragma unroll
        for (int k = 0; k < 6; ++k) {
          rowsInside |= (y0 + k >= 0 && y0 + k < H) << k;
          columnsInside |= (x0 + k >= 0 && x0 + k < W) << k;
        }`,
      at: (r) => `((rowsInside >> (${r})) & (columnsInside >> k) & 1) ? ${place(r)} : 0.0f`,
    };
  return {
    facts: "const bool interior = py > 0 && py < H / 2 - 1 && px > 0 && px < W / 2 - 1;",
    at: (r) => `(interior || ((unsigned)(y0 + ${r}) < H && (unsigned)(x0 + k) < W)) ? ${place(r)} : 0.0f`,
  };
}

/** The sums over one channel, from a whole patch in registers or two rows at a time. */
function channelSums(whole: boolean, at: (r: string) => string, load: string, fma: boolean): string {
  const [upper, lower] = whole ? ["patch[ky]", "patch[ky + 1]"] : ["upper", "lower"];
  const mac = (q: number, row: string, k: string): string =>
    fma ? `sum[${q}][f] = fmaf(${row}[${k}], tap[f], sum[${q}][f]);` : `sum[${q}][f] += ${row}[${k}] * tap[f];`;
  const taps = `#pragma unroll
      for (int kx = 0; kx < 5; ++kx) {
        __align__(16) float tap[F];
        ${load}
        #pragma unroll
        for (int f = 0; f < F; ++f) {
          ${mac(0, upper, "kx")}
          ${mac(1, upper, "kx + 1")}
          ${mac(2, lower, "kx")}
          ${mac(3, lower, "kx + 1")}
        }
      }`;
  return whole
    ? `float patch[6][6];
      #pragma unroll
      for (int r = 0; r < 6; ++r) {
        #pragma unroll
        for (int k = 0; k < 6; ++k) patch[r][k] = ${at("r")};
      }
      #pragma unroll
      for (int ky = 0; ky < 5; ++ky) {
        ${taps}
      }`
    : `float upper[6], lower[6];
      #pragma unroll
      for (int k = 0; k < 6; ++k) lower[k] = ${at("0")};
      for (int ky = 0; ky < 5; ++ky) {
        #pragma unroll
        for (int k = 0; k < 6; ++k) {
          upper[k] = lower[k];
          lower[k] = ${at("ky + 1")};
        }
        ${taps}
      }`;
}

/** Weights in shared memory, several filters per thread, images through the caches. */
export const sharedWeights = template({
  id: "weights-in-shared",
  from: "pooled-thread",
  idea: "Keep all weights in shared memory and compute several filters per thread from one patch in registers",
  options: {
    filters: [4, 2, 8, 16, 1],
    order: ["turned", "as-given"],
    patch: ["whole", "rolling"],
    border: ["select", "predicate", "interior"],
    map: ["flat", "rows"],
    channels: ["loop", "unroll 2"],
    fma: [false, true],
    threads: [128, 256, 64],
  },
  count: 24,
  write: (o, sizes) => {
    const { n, h, w, ph, pw } = shapeOf(sizes);
    const F = o.filters;
    const turned = o.order === "turned";
    const vector = turned && F % 4 === 0;
    const border = borderOf(o.border);
    const load = vector
      ? `#pragma unroll
        for (int f = 0; f < F; f += 4) *reinterpret_cast<float4*>(tap + f) = *reinterpret_cast<const float4*>(&taps[((c * 5 + ky) * 5 + kx) * 16 + f0 + f]);`
      : `#pragma unroll
        for (int f = 0; f < F; ++f) tap[f] = taps[${turned ? "((c * 5 + ky) * 5 + kx) * 16 + f0 + f" : "((f0 + f) * 8 + c) * 25 + ky * 5 + kx"}];`;
    const sums = channelSums(o.patch === "whole", border.at, load, o.fma);
    const threads = o.threads;
    const place =
      o.map === "flat"
        ? `const int pooled = blockIdx.x * ${threads} + threadIdx.x;
          const int px = pooled % (W / 2);
          const int py = pooled / (W / 2) % (H / 2);
          const int image = pooled / (W / 2 * (H / 2));`
        : `const int px = threadIdx.x % (W / 2);
          const int py = blockIdx.x % (H / 2 / ${threads / pw}) * ${threads / pw} + threadIdx.x / (W / 2);
          const int image = blockIdx.x / (H / 2 / ${threads / pw});`;
    const source = `constexpr int H = ${h}, W = ${w};
      constexpr int F = ${F};

      extern "C" __global__ void __launch_bounds__(${threads}) fusedLayer(const float* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias, float* __restrict__ out) {
        __shared__ __align__(16) float taps[3200];
        for (int i = threadIdx.x; i < 3200; i += ${threads}) taps[${turned ? "i % 200 * 16 + i / 200" : "i"}] = weight[i];
        __syncthreads();
        ${place}
        const int y0 = 2 * py - 2, x0 = 2 * px - 2;
        ${border.facts}
        const int f0 = blockIdx.y * F;
        float sum[4][F];
        #pragma unroll
        for (int f = 0; f < F; ++f) sum[0][f] = sum[1][f] = sum[2][f] = sum[3][f] = bias[f0 + f];
        ${o.channels === "loop" ? "#pragma unroll 1" : "#pragma unroll 2"}
        for (int c = 0; c < 8; ++c) {
          const float* plane = x + (image * 8 + c) * H * W;
          ${sums}
        }
        #pragma unroll
        for (int f = 0; f < F; ++f) {
          const float best = fmaxf(fmaxf(sum[0][f], sum[1][f]), fmaxf(sum[2][f], sum[3][f]));
          out[((image * 16 + f0 + f) * (H / 2) + py) * (W / 2) + px] = fmaxf(best, 0.0f);
        }
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch3("fusedLayer", [(n * ph * pw) / threads, 16 / F, 1], [threads, 1, 1], ["x", "weight", "bias", "out"]),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});
