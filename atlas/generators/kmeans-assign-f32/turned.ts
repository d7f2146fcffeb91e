import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { keep, normKernel } from "./parts.ts";

const lanes = ["x", "y", "z", "w"] as const;

function turnPoints(how: "writes" | "reads" | "tile", n: number, d: number): string {
  if (how !== "tile") {
    const [to, from] = how === "writes" ? ["e % D * N + e / D", "e"] : ["e", "(size_t)(e % N) * D + e / N"];
    return `
      extern "C" __global__ void turn_points(const float* __restrict__ points, float* __restrict__ turned) {
        const int e = blockIdx.x * blockDim.x + threadIdx.x;
        if (e < ${n * d}) turned[${to}] = points[${from}];
      }
    `;
  }
  return `
    extern "C" __global__ void turn_points(const float* __restrict__ points, float* __restrict__ turned) {
      __shared__ float square[32][33];
      const int base = blockIdx.x * 32;
      for (int r = threadIdx.y; r < 32; r += 8) square[r][threadIdx.x] = points[(size_t)(base + r) * D + threadIdx.x];
      __syncthreads();
      for (int r = threadIdx.y; r < 32; r += 8) turned[(size_t)r * N + base + threadIdx.x] = square[threadIdx.x][r];
    }
  `;
}

const bring = {
  global: "",
  rows: "bank[e] = centroids[e];",
  columns: "bank[e % D * K + e / D] = centroids[e];",
} as const;

/** Points as columns: a thread walks the coordinates outermost with several centroids' sums at once. */
export const turnedPoints: Template = template({
  id: "turned-points",
  from: "shared-centroids",
  idea: "Turn the points so that reads coalesce and keep the sums of a group of centroids while walking the coordinates.",
  options: {
    turn: ["writes", "reads", "tile"],
    width: [1, 2, 4],
    group: [4, 8, 16],
    source: ["global", "rows", "columns"],
    form: ["difference", "expanded"],
    branch: [true, false],
    unroll: [true, false],
    quads: [false, true],
    block: [128, 64, 256],
  },
  valid: ({ quads, source }) => !quads || source === "columns",
  count: 30,
  write: ({ turn, width, group, source: held, form, branch, unroll, quads, block }, { n = 0, k = 0, d = 0 }) => {
    const expanded = form === "expanded";
    const parts = width === 1 ? [""] : lanes.slice(0, width).map((lane) => `.${lane}`);
    const type = width === 1 ? "float" : `float${width}`;
    const centroid = {
      global: "centroids[(base + g) * D + c]",
      rows: "bank[(base + g) * D + c]",
      columns: "bank[c * K + base + g]",
    }[held];
    const add = (g: string, q: string): string =>
      parts
        .map((part, index) =>
          expanded
            ? `sum[${g}][${index}] = fmaf(x${part}, ${q}, sum[${g}][${index}]);`
            : `{ const float gap = x${part} - ${q}; sum[${g}][${index}] = fmaf(gap, gap, sum[${g}][${index}]); }`,
        )
        .join("\n");
    const inner = quads
      ? `#pragma unroll
          for (int g = 0; g < GROUP; g += 4) {
            const float4 q = *reinterpret_cast<const float4*>(bank + c * K + base + g);
            ${lanes.map((lane, index) => add(`g + ${index}`, `q.${lane}`)).join("\n")}
          }`
      : `#pragma unroll
          for (int g = 0; g < GROUP; ++g) {
            const float q = ${centroid};
            ${add("g", "q")}
          }`;
    const own = (index: number, part: string): string =>
      expanded ? `fmaxf(best[${index}] + own${part}, 0.0f)` : `best[${index}]`;
    const source = `
      #define N ${n}
      #define D ${d}
      #define K ${k}
      #define GROUP ${group}
      ${normKernel(d, k, expanded)}
      ${turnPoints(turn, n, d)}
      extern "C" __global__ void assign_columns(const ${type}* __restrict__ turned, const float* __restrict__ centroids,
          ${on(expanded, "const float* __restrict__ norms,")} int* assignment, float* distance) {
        ${on(held !== "global", `extern __shared__ __align__(16) float bank[];\nfor (int e = threadIdx.x; e < D * K; e += ${block}) ${bring[held]}\n__syncthreads();`)}
        const int i = blockIdx.x * ${block} + threadIdx.x;
        float best[${width}];
        int choice[${width}];
        ${repeat(width, (index) => `best[${index}] = 3.0e38f;\nchoice[${index}] = 0;`)}
        for (int base = 0; base < K; base += GROUP) {
          float sum[GROUP][${width}] = {};
          ${on(unroll, "#pragma unroll 4", "#pragma unroll 1")}
          for (int c = 0; c < D; ++c) {
            const ${type} x = turned[(size_t)c * (N / ${width}) + i];
            ${inner}
          }
          #pragma unroll
          for (int g = 0; g < GROUP; ++g) {
            ${on(expanded, "const float norm = norms[base + g];")}
            ${repeat(width, (index) => `const float value${index} = ${expanded ? `fmaf(-2.0f, sum[g][${index}], norm)` : `sum[g][${index}]`};\n${keep(branch, `best[${index}]`, `choice[${index}]`, `value${index}`, "base + g")}`)}
          }
        }
        ${on(
          expanded,
          `${type} own = {};
        for (int c = 0; c < D; ++c) {
          const ${type} x = turned[(size_t)c * (N / ${width}) + i];
          ${parts.map((part) => `own${part} = fmaf(x${part}, x${part}, own${part});`).join("\n")}
        }`,
        )}
        ${parts.map((part, index) => `assignment[i * ${width} + ${index}] = choice[${index}];\ndistance[i * ${width} + ${index}] = ${own(index, part)};`).join("\n")}
      }
    `;
    const args = ["turned", "centroids", ...(expanded ? ["norms"] : []), "assignment", "distance"];
    const launches = [
      ...(expanded ? [launch("centroid_norms", Math.ceil(k / 64), 64, ["centroids", "norms"])] : []),
      turn === "tile"
        ? launch("turn_points", n / 32, [32, 8], ["points", "turned"])
        : launch("turn_points", Math.ceil((n * d) / 256), 256, ["points", "turned"]),
      launch("assign_columns", n / (block * width), block, args, held === "global" ? 0 : 4 * d * k),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
