import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { closer, normKernel, shuffled } from "./parts.ts";

const device = `
  __device__ __forceinline__ unsigned int to_tf32(float value) {
    unsigned int bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
    return bits;
  }

  // The part that the tensor cores see and what it leaves over.
  __device__ __forceinline__ void divide(float value, unsigned int& high, unsigned int& low) {
    high = to_tf32(value);
    low = to_tf32(value - __uint_as_float(high));
  }

  __device__ __forceinline__ void mma(float (&d)[4], const unsigned int (&a)[4], unsigned int b0, unsigned int b1) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
`;

const divideKernel = (count: number): string => `
  extern "C" __global__ void divide_centroids(const float* centroids, unsigned int* halves) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e < ${count}) divide(centroids[e], halves[e], halves[${count} + e]);
  }
`;

function bringTile(split: "ahead" | "tile" | "use"): string {
  const body = {
    ahead: `high[place] = halves[base * D + e];\nlow[place] = halves[K * D + base * D + e];`,
    tile: `divide(centroids[base * D + e], high[place], low[place]);`,
    use: `high[place] = __float_as_uint(centroids[base * D + e]);`,
  }[split];
  return `
    for (int e = threadIdx.x; e < TILE * D; e += THREADS) {
      const int place = e / D * PITCH + e % D;
      ${body}
    }`;
}

function products(order: "grouped" | "chained" | "separate", blocks: number, all: boolean): string {
  const terms = [...(all ? [["low", "l"]] : []), ["low", "h"], ["high", "l"], ["high", "h"]] as const;
  const call = (target: string, [a, b]: readonly string[], m: number): string =>
    `mma(${target}[${m}], ${a}_a[${m}][s], ${b}0, ${b}1);`;
  const target = (pair: readonly string[]): string =>
    order === "separate" && !(pair[0] === "high" && pair[1] === "h") ? "rest" : "sum";
  if (order === "grouped") return terms.map((pair) => repeat(blocks, (m) => call("sum", pair, m))).join("\n");
  return repeat(blocks, (m) => terms.map((pair) => call(target(pair), pair, m)).join("\n"));
}

const holdPoints = (point: string): string => `
        unsigned int high_a[ROWS][D / 8][4], low_a[ROWS][D / 8][4];
        float best[ROWS][2], own[ROWS][2];
        int choice[ROWS][2];
        #pragma unroll
        for (int m = 0; m < ROWS; ++m) {
          best[m][0] = best[m][1] = 3.0e38f;
          own[m][0] = own[m][1] = 0.0f;
          choice[m][0] = choice[m][1] = 0;
          #pragma unroll
          for (int s = 0; s < D / 8; ++s) {
            #pragma unroll
            for (int r = 0; r < 4; ++r) {
              const float x = ${point};
              own[m][r % 2] = fmaf(x, x, own[m][r % 2]);
              divide(x, high_a[m][s][r], low_a[m][s][r]);
            }
          }
        }
`;

const scores = (sum: string): string => `
            const int column = base + j + 2 * t;
            const float norm0 = norms[column], norm1 = norms[column + 1];
            #pragma unroll
            for (int m = 0; m < ROWS; ++m) {
              #pragma unroll
              for (int r = 0; r < 4; ++r) {
                const float value = fmaf(-2.0f, ${sum}, r % 2 ? norm1 : norm0);
                if (value < best[m][r / 2]) {
                  best[m][r / 2] = value;
                  choice[m][r / 2] = column + r % 2;
                }
              }
            }
`;

const finish = `
        #pragma unroll
        for (int m = 0; m < ROWS; ++m) {
          #pragma unroll
          for (int r = 0; r < 2; ++r) {
            own[m][r] += __shfl_xor_sync(0xffffffffu, own[m][r], 1);
            own[m][r] += __shfl_xor_sync(0xffffffffu, own[m][r], 2);
            ${shuffled("best[m][r]", "choice[m][r]", "4")}
            if (t == 0) {
              const int i = origin + m * 16 + g + 8 * r;
              assignment[i] = choice[m][r];
              distance[i] = fmaxf(best[m][r] + own[m][r], 0.0f);
            }
          }
        }
`;

/** Dot products on the tensor cores, each number as a sum of two of their format. */
export const splitTensor: Template = template({
  id: "split-tensor",
  from: "register-tiles",
  idea: "Compute the dot products on the tensor cores with every number split into two parts of their format.",
  options: {
    split: ["use", "tile", "ahead"],
    order: ["chained", "grouped", "separate"],
    all: [true, false],
    padded: [false, true],
    rows: [1, 2],
    points: ["global", "shared"],
    bounds: [false, true],
    unroll: [false, true],
    warps: [4, 8, 2],
    tile: [64, 128, 256],
  },
  count: 20,
  write: ({ split, order, all, padded, rows, points, bounds, unroll, warps, tile }, { n = 0, k = 0, d = 0 }) => {
    const pitch = padded ? d + 4 : d;
    const threads = 32 * warps;
    const span = warps * rows * 16;
    const words = tile * pitch * (split === "use" ? 1 : 2);
    const staging = points === "shared" ? span * (d + 4) : 0;
    const point = (row: string, c: string): string =>
      points === "shared"
        ? `staged[(warp * ROWS * 16 + ${row}) * (D + 4) + ${c}]`
        : `points[(size_t)(origin + ${row}) * D + ${c}]`;
    const load =
      split === "use"
        ? `unsigned int h0, h1, l0, l1;
          divide(__uint_as_float(high[spot]), h0, l0);
          divide(__uint_as_float(high[spot + 4]), h1, l1);`
        : `const unsigned int h0 = high[spot], h1 = high[spot + 4];
          const unsigned int l0 = low[spot], l1 = low[spot + 4];`;
    const separate = order === "separate";
    const source = `
      constexpr int D = ${d}, K = ${k};
      constexpr int TILE = ${tile}, PITCH = ${pitch};
      constexpr int WARPS = ${warps}, THREADS = 32 * WARPS, ROWS = ${rows};  // blocks of 16 points per warp
      ${device}
      ${closer}
      ${normKernel(d, k, true)}
      ${on(split === "ahead", divideKernel(d * k))}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}assign_mma(const float* __restrict__ points,
          ${split === "ahead" ? "const unsigned int* __restrict__ halves" : "const float* __restrict__ centroids"}, const float* __restrict__ norms, int* __restrict__ assignment, float* __restrict__ distance) {
        extern __shared__ unsigned int high[];
        ${on(split !== "use", "unsigned int* low = high + TILE * PITCH;")}
        ${on(points === "shared", `float* staged = reinterpret_cast<float*>(high + ${words});`)}
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const int g = lane / 4, t = lane % 4;
        const int origin = (blockIdx.x * WARPS + warp) * ROWS * 16;
        ${on(
          points === "shared",
          `for (int e = threadIdx.x; e < ${span} * D; e += THREADS) staged[e / D * (D + 4) + e % D] = points[(size_t)blockIdx.x * ${span} * D + e];
        __syncthreads();`,
        )}
        ${holdPoints(point("m * 16 + g + r % 2 * 8", "8 * s + t + r / 2 * 4"))}
        for (int base = 0; base < K; base += TILE) {
          __syncthreads();
          ${bringTile(split)}
          __syncthreads();
          ${on(unroll, "#pragma unroll 2")}
          for (int j = 0; j < TILE; j += 8) {
            float sum[ROWS][4] = {};
            ${on(separate, "float rest[ROWS][4] = {};")}
            #pragma unroll
            for (int s = 0; s < D / 8; ++s) {
              const int spot = (j + g) * PITCH + 8 * s + t;
              ${load}
              ${products(order, rows, all)}
            }
            ${scores(separate ? "sum[m][r] + rest[m][r]" : "sum[m][r]")}
          }
        }
        ${finish}
      }
    `;
    const second = split === "ahead" ? "halves" : "centroids";
    const launches = [
      launch("centroid_norms", Math.ceil(k / 128), 128, ["centroids", "norms"]),
      ...(split === "ahead"
        ? [launch("divide_centroids", Math.ceil((d * k) / 256), 256, ["centroids", "halves"])]
        : []),
      launch(
        "assign_mma",
        n / span,
        threads,
        ["points", second, "norms", "assignment", "distance"],
        4 * (words + staging),
      ),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
