import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { combineKernel, combineLaunch, partials, power, scaleOf, type Exponential } from "./common.ts";

/** Tensor-core fragments with the query as one column of an otherwise empty matrix. */
export const fragments: Template = template({
  id: "matrix-fragments",
  from: "warp-walk",
  idea: "Leave the products to tensor cores, with the query as the only column of a matrix.",
  options: {
    shape: ["square", "tall"],
    keys: ["direct", "staged"],
    rescale: ["always", "when-larger"],
    sums: ["lanes", "end"],
    clear: ["once", "each"],
    combine: ["two-loops", "running", "shared-weights", "quads"],
    layout: ["packed", "separate"],
    exp: ["fast", "expf", "exp2"],
    shares: [32, 64, 16],
    warps: [4, 2],
    bounds: [false, true],
  },
  count: 33,
  write: (options, sizes) => {
    const { shape, keys, rescale, sums, clear, combine, layout, exp, shares, warps, bounds } = options;
    const { heads = 0, seq = 0 } = sizes;
    const tall = shape === "tall";
    const [step, columns] = tall ? [32, 8] : [16, 16];
    const source = `
      #include <cuda_fp16.h>
      #include <mma.h>

      using namespace nvcuda;

      ${partials(layout, shares, sizes)}
      constexpr int WARPS = ${warps};
      constexpr int SHARE = ${seq / shares};  // keys per warp
      constexpr int STEP = ${step};
      constexpr int COLUMNS = ${columns};
      ${tileTypes}

      extern "C" __global__ void ${on(bounds, "__launch_bounds__(WARPS * 32) ")}attend_fragments(const half* q, const half* k, const half* v, float* work) {
        __shared__ __align__(32) half columns[COLUMNS * DIM];
        __shared__ __align__(32) float scores[WARPS][STEP * COLUMNS];
        __shared__ __align__(32) half weights[WARPS][COLUMNS * STEP];
        ${on(keys === "staged", "__shared__ __align__(32) half stage[WARPS][STEP * DIM];")}
        const int lane = threadIdx.x % 32;
        const int warp = threadIdx.x / 32;
        const int head = blockIdx.y;
        const int slot = head * SPLITS + blockIdx.x * WARPS + warp;
        const half* keys = k + (size_t)slot * SHARE * DIM;
        const half* values = v + (size_t)slot * SHARE * DIM;
        for (int i = threadIdx.x; i < COLUMNS * DIM; i += WARPS * 32) {
          columns[i] = i < DIM ? q[head * DIM + i] : __float2half(0.0f);
        }
        ${on(clear === "once", "for (int i = lane; i < COLUMNS * STEP; i += 32) weights[warp][i] = __float2half(0.0f);")}
        __syncthreads();
        OutTile acc[DIM / STEP];
        for (int n = 0; n < DIM / STEP; ++n) wmma::fill_fragment(acc[n], 0.0f);
        float top = -1.0e30f, sum = 0.0f;
        for (int start = 0; start < SHARE; start += STEP) {
          ScoreTile score;
          wmma::fill_fragment(score, 0.0f);
          ${on(
            keys === "staged",
            `for (int i = lane; i < STEP * DIM / 8; i += 32) {
              reinterpret_cast<uint4*>(stage[warp])[i] = reinterpret_cast<const uint4*>(keys + (size_t)start * DIM)[i];
            }
            __syncwarp();`,
          )}
          #pragma unroll
          for (int d = 0; d < DIM; d += 16) {
            KeyTile a;
            QueryTile b;
            wmma::load_matrix_sync(a, ${keys === "staged" ? "stage[warp] + d" : "keys + (size_t)start * DIM + d"}, DIM);
            wmma::load_matrix_sync(b, columns + d, DIM);
            wmma::mma_sync(score, a, b, score);
          }
          wmma::store_matrix_sync(scores[warp], score, COLUMNS, wmma::mem_row_major);
          __syncwarp();
          ${on(clear === "each", "for (int i = lane; i < COLUMNS * STEP; i += 32) weights[warp][i] = __float2half(0.0f);\n__syncwarp();")}
          ${weightText(exp, rescale, sums)}
          __syncwarp();
          ${productLoop}
          __syncwarp();
        }
        ${on(sums === "end", shuffleSum)}
        for (int n = 0; n < DIM / STEP; ++n) {
          wmma::store_matrix_sync(scores[warp], acc[n], STEP, wmma::mem_row_major);
          __syncwarp();
          if (lane < STEP) ACC(slot, n * STEP + lane) = scores[warp][lane];
          __syncwarp();
        }
        if (lane == 0) {
          TOP(slot) = top;
          SUM(slot) = sum;
        }
      }

      ${combineKernel(combine, exp)}
    `;
    const launches = [
      launch("attend_fragments", [shares / warps, heads], warps * 32, ["q", "k", "v", "work"]),
      combineLaunch(combine, sizes),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const tileTypes = `
  using KeyTile = wmma::fragment<wmma::matrix_a, STEP, COLUMNS, 16, half, wmma::row_major>;
  using QueryTile = wmma::fragment<wmma::matrix_b, STEP, COLUMNS, 16, half, wmma::col_major>;
  using ScoreTile = wmma::fragment<wmma::accumulator, STEP, COLUMNS, 16, float>;
  using WeightTile = wmma::fragment<wmma::matrix_a, COLUMNS, STEP, 16, half, wmma::row_major>;
  using ValueTile = wmma::fragment<wmma::matrix_b, COLUMNS, STEP, 16, half, wmma::row_major>;
  using OutTile = wmma::fragment<wmma::accumulator, COLUMNS, STEP, 16, float>;
`;

const productLoop = `
  #pragma unroll
  for (int n = 0; n < DIM / STEP; ++n) {
    for (int j = 0; j < STEP; j += 16) {
      WeightTile a;
      ValueTile b;
      wmma::load_matrix_sync(a, weights[warp] + j, STEP);
      wmma::load_matrix_sync(b, values + (size_t)(start + j) * DIM + n * STEP, DIM);
      wmma::mma_sync(acc[n], a, b, acc[n]);
    }
  }`;

const shuffleSum = "for (int hop = 16; hop > 0; hop /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, hop);";

function weightText(exp: Exponential, rescale: "always" | "when-larger", sums: "lanes" | "end"): string {
  const scale = `
    const float keep = ${power(exp, "top - next")};
    sum *= keep;
    for (int n = 0; n < DIM / STEP; ++n) {
      for (int e = 0; e < acc[n].num_elements; ++e) acc[n].x[e] *= keep;
    }
    top = next;`;
  return `
    const float mine = lane < STEP ? scores[warp][lane * COLUMNS] * ${scaleOf(exp)} : -1.0e30f;
    float next = fmaxf(top, mine);
    for (int hop = 16; hop > 0; hop /= 2) next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, hop));
    ${rescale === "always" ? scale : `if (next > top) {\n${scale}\n}`}
    ${
      sums === "end"
        ? "const float p = lane < STEP ? " + power(exp, "mine - top") + " : 0.0f;\nsum += p;"
        : `const float p = lane < STEP ? ${power(exp, "mine - top")} : 0.0f;\nfloat step_sum = p;\nfor (int hop = 16; hop > 0; hop /= 2) step_sum += __shfl_xor_sync(0xffffffffu, step_sum, hop);\nsum += step_sum;`
    }
    if (lane < STEP) weights[warp][lane] = __float2half(p);`;
}
