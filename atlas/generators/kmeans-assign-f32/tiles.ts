import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { closer, keep, normKernel, shuffled } from "./parts.ts";

const lanes = ["x", "y", "z", "w"] as const;

interface TileOptions {
  readonly layout: "columns" | "rows";
  readonly owner: "blocked" | "strided";
  readonly stage: "single" | "double" | "whole";
  readonly vector: boolean;
  readonly partial: boolean;
  readonly tm: number;
  readonly tn: number;
}

/** Moves `count` rows of D floats into a tile, turned or as rows. */
function fill(layout: "columns" | "rows", vector: boolean, tile: string, from: string, count: string): string {
  const place = (row: string, c: string): string =>
    layout === "columns" ? `${tile}[(${c}) * (${count} + PAD) + ${row}]` : `${tile}[${row} * (D + PAD) + ${c}]`;
  if (!vector)
    return `for (int e = threadIdx.x; e < ${count} * D; e += THREADS) ${place("e / D", "e % D")} = (${from})[e];`;
  return `
    for (int e = threadIdx.x; e < ${count} * D / 4; e += THREADS) {
      const float4 v = reinterpret_cast<const float4*>(${from})[e];
      const int row = e / (D / 4);
      const int c = e % (D / 4) * 4;
      ${lanes.map((lane, index) => `${place("row", `c + ${index}`)} = v.${lane};`).join("\n")}
    }`;
}

/** Loads the fragments of one coordinate. */
function fragments({ layout, owner, tm, tn }: TileOptions): string {
  const column = owner === "blocked" ? "tx * TN + b" : "tx + b * WIDE";
  if (layout === "rows") {
    return `
      #pragma unroll
      for (int a = 0; a < TM; ++a) p[a] = left[(ty * TM + a) * (D + PAD) + c];
      #pragma unroll
      for (int b = 0; b < TN; ++b) q[b] = right[(${column}) * (D + PAD) + c];`;
  }
  const quads = (name: string, count: number, from: string): string =>
    repeat(
      count / 4,
      (index) =>
        `*reinterpret_cast<float4*>(${name} + ${4 * index}) = *reinterpret_cast<const float4*>(${from} + ${4 * index});`,
    );
  return `
    ${quads("p", tm, "left + c * (BM + PAD) + ty * TM")}
    ${
      owner === "blocked"
        ? quads("q", tn, "right + c * (BN + PAD) + tx * TN")
        : `#pragma unroll\nfor (int b = 0; b < TN; ++b) q[b] = right[c * (BN + PAD) + tx + b * WIDE];`
    }`;
}

function tileSteps(o: TileOptions): string {
  const size = o.layout === "columns" ? "(D * (BN + PAD))" : "(BN * (D + PAD))";
  const bring = (to: string, from: string): string => fill(o.layout, o.vector, to, `centroids + (${from}) * D`, "BN");
  const before = {
    single: `const float* right = bank;\n${bring("bank", "base")}\n__syncthreads();`,
    double: `const float* right = bank + (base / BN) % 2 * ${size};
      if (base + BN < K) {
        float* next = bank + (base / BN + 1) % 2 * ${size};
        ${bring("next", "base + BN")}
      }`,
    whole: `const float* right = bank + base / BN * ${size};`,
  }[o.stage];
  const ahead = {
    single: "__syncthreads();",
    double: `${bring("bank", "0")}\n__syncthreads();`,
    whole: `for (int base = 0; base < K; base += BN) {
        float* to = bank + base / BN * ${size};
        ${bring("to", "base")}
      }
      __syncthreads();`,
  }[o.stage];
  const column = o.owner === "blocked" ? "tx * TN + b" : "tx + b * WIDE";
  return `
    ${ahead}
    for (int base = 0; base < K; base += BN) {
      ${before}
      float sum[TM][TN] = {};
      ${on(o.partial, "#pragma unroll 4", "#pragma unroll")}
      for (int c = 0; c < D; ++c) {
        __align__(16) float p[TM];
        __align__(16) float q[TN];
        ${fragments(o)}
        #pragma unroll
        for (int a = 0; a < TM; ++a) {
          #pragma unroll
          for (int b = 0; b < TN; ++b) sum[a][b] = fmaf(p[a], q[b], sum[a][b]);
        }
      }
      #pragma unroll
      for (int b = 0; b < TN; ++b) {
        const int j = base + ${column};
        const float norm = norms[j];
        #pragma unroll
        for (int a = 0; a < TM; ++a) {
          const float value = fmaf(-2.0f, sum[a][b], norm);
          ${keep(true, "best[a]", "choice[a]", "value", "j")}
        }
      }
      ${on(o.stage !== "whole", "__syncthreads();")}
    }`;
}

/** Tiles of points against tiles of centroids with a rectangle of sums per thread. */
export const registerTiles: Template = template({
  id: "register-tiles",
  from: "shared-centroids",
  idea: "Treat the dot products as a matrix product with a rectangle of sums per thread and reduce each row of the tile.",
  options: {
    layout: ["columns", "rows"],
    owner: ["blocked", "strided"],
    stage: ["single", "double", "whole"],
    vector: [false, true],
    finish: ["shuffle", "shared"],
    bounds: [false, true],
    partial: [false, true],
    tm: [4, 8],
    tn: [4, 8],
    bn: [64, 128],
    bm: [64, 128],
    pad: [4, 1, 0],
  },
  valid: ({ layout, pad, bm, bn, tm, tn }) =>
    (layout === "columns" ? pad !== 1 : pad !== 4) && (bm / tm) * (bn / tn) >= 64 && bn / tn <= 32,
  count: 21,
  write: ({ layout, owner, stage, vector, finish, bounds, partial, tm, tn, bn, bm, pad }, { n = 0, k = 0, d = 0 }) => {
    const threads = (bm / tm) * (bn / tn);
    const floats = (rows: number): number => (layout === "columns" ? d * (rows + pad) : rows * (d + pad));
    const tiles = { single: 1, double: 2, whole: k / bn }[stage];
    const reduce =
      finish === "shuffle"
        ? shuffled("best[a]", "choice[a]", "WIDE")
        : `__syncthreads();
          lows[threadIdx.x] = best[a];
          places[threadIdx.x] = choice[a];
          __syncthreads();
          if (tx == 0) {
            for (int t = 1; t < WIDE; ++t) take_closer(best[a], choice[a], lows[threadIdx.x + t], places[threadIdx.x + t]);
          }`;
    const source = `
      constexpr int D = ${d}, K = ${k};
      constexpr int BM = ${bm}, BN = ${bn}, TM = ${tm}, TN = ${tn}, PAD = ${pad};
      constexpr int WIDE = BN / TN;  // threads along the centroids
      constexpr int THREADS = BM / TM * WIDE;
      ${closer}
      ${normKernel(d, k, true)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}assign_tiles(const float* __restrict__ points, const float* __restrict__ centroids,
          const float* __restrict__ norms, int* __restrict__ assignment, float* __restrict__ distance) {
        extern __shared__ __align__(16) float left[];
        float* bank = left + ${floats(bm)};
        ${on(finish === "shared", "__shared__ float lows[THREADS];\n__shared__ int places[THREADS];")}
        const int tx = threadIdx.x % WIDE;
        const int ty = threadIdx.x / WIDE;
        const int origin = blockIdx.x * BM;
        ${fill(layout, vector, "left", "points + (size_t)origin * D", "BM")}
        float best[TM];
        int choice[TM];
        #pragma unroll
        for (int a = 0; a < TM; ++a) {
          best[a] = 3.0e38f;
          choice[a] = 0;
        }
        ${tileSteps({ layout, owner, stage, vector, partial, tm, tn })}
        #pragma unroll
        for (int a = 0; a < TM; ++a) {
          ${reduce}
          if (tx == 0) {
            const int i = origin + ty * TM + a;
            float own = 0.0f;
            for (int c = 0; c < D; ++c) own = fmaf(points[(size_t)i * D + c], points[(size_t)i * D + c], own);
            assignment[i] = choice[a];
            distance[i] = fmaxf(best[a] + own, 0.0f);
          }
        }
      }
    `;
    const launches = [
      launch("centroid_norms", Math.ceil(k / 128), 128, ["centroids", "norms"]),
      launch(
        "assign_tiles",
        n / bm,
        threads,
        ["points", "centroids", "norms", "assignment", "distance"],
        4 * (floats(bm) + tiles * floats(bn)),
      ),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Writes all scores first, then looks for the least of each row. */
export const scoreMatrix: Template = template({
  id: "score-matrix",
  from: "point-per-thread",
  idea: "Write the matrix of all distances first and take the least of every row in a second launch.",
  options: {
    first: ["tile", "row", "column"],
    second: ["thread", "warp", "warp-vector", "block"],
    whole: [true, false],
    padded: [false, true],
    stream: [false, true],
    unroll: [false, true],
    branch: [true, false],
    edge: [16, 32],
  },
  valid: ({ first, padded, edge }) => first === "tile" || (!padded && edge === 16),
  count: 27,
  write: ({ first, second, whole, padded, stream, unroll, branch, edge }, { n = 0, k = 0, d = 0 }) => {
    const put = (i: string, j: string, value: string): string => {
      const place = `scores + (size_t)(${i}) * COUNT + ${j}`;
      return stream ? `__stcs(${place}, ${value});` : `*(${place}) = ${value};`;
    };
    const own = on(
      !whole,
      "for (int c = 0; c < D; ++c) own = fmaf(points[(size_t)i * D + c], points[(size_t)i * D + c], own);",
    );
    const source = `
      #define D ${d}
      #define COUNT ${k}
      #define EDGE ${edge}
      ${closer}
      ${scoreKernel(first, whole, padded, unroll, put)}
      ${leastKernel(second, branch, own)}
    `;
    const grids = {
      tile: launch("score_points", [k / edge, n / edge], [edge, edge], ["points", "centroids", "scores"]),
      row: launch("score_points", [k / 128, n / 8], 128, ["points", "centroids", "scores"]),
      column: launch("score_points", [n / 256, k / 4], 256, ["points", "centroids", "scores"]),
    };
    const seconds = { thread: n / 128, warp: n / 8, "warp-vector": n / 4, block: n } as const;
    const threads = { thread: 128, warp: 256, "warp-vector": 128, block: 64 } as const;
    const launches = [
      grids[first],
      launch("least_score", seconds[second], threads[second], ["points", "scores", "assignment", "distance"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

type Put = (i: string, j: string, value: string) => string;

function scoreKernel(first: string, whole: boolean, padded: boolean, unroll: boolean, put: Put): string {
  const add = (x: string, q: string): string =>
    whole
      ? `{ const float gap = ${x} - ${q}; sum += gap * gap; }`
      : `norm = fmaf(${q}, ${q}, norm);\nsum = fmaf(${x}, ${q}, sum);`;
  const sums = `float sum = 0.0f;\n${on(!whole, "float norm = 0.0f;")}`;
  const value = whole ? "sum" : "fmaf(-2.0f, sum, norm)";
  const head =
    'extern "C" __global__ void score_points(const float* __restrict__ points, const float* __restrict__ centroids, float* __restrict__ scores) {';
  const hint = on(unroll, "#pragma unroll");
  if (first === "tile") {
    return `
      ${head}
        __shared__ float a[EDGE][EDGE${on(padded, " + 1")}], b[EDGE][EDGE${on(padded, " + 1")}];
        const int tx = threadIdx.x, ty = threadIdx.y;
        const int i0 = blockIdx.y * EDGE, j0 = blockIdx.x * EDGE;
        ${sums}
        for (int base = 0; base < D; base += EDGE) {
          a[ty][tx] = points[(size_t)(i0 + ty) * D + base + tx];
          b[ty][tx] = centroids[(j0 + ty) * D + base + tx];
          __syncthreads();
          ${hint}
          for (int c = 0; c < EDGE; ++c) {
            ${add("a[ty][c]", "b[tx][c]")}
          }
          __syncthreads();
        }
        ${put("i0 + ty", "j0 + tx", value)}
      }
    `;
  }
  if (first === "row") {
    return `
      ${head}
        const int j = blockIdx.x * 128 + threadIdx.x;
        float row[D];
        #pragma unroll
        for (int c = 0; c < D; ++c) row[c] = centroids[j * D + c];
        ${on(unroll, "#pragma unroll 2")}
        for (int i = blockIdx.y * 8; i < blockIdx.y * 8 + 8; ++i) {
          ${sums}
          #pragma unroll
          for (int c = 0; c < D; ++c) {
            ${add("points[(size_t)i * D + c]", "row[c]")}
          }
          ${put("i", "j", value)}
        }
      }
    `;
  }
  return `
    ${head}
      const int i = blockIdx.x * 256 + threadIdx.x;
      for (int j = blockIdx.y * 4; j < blockIdx.y * 4 + 4; ++j) {
        ${sums}
        ${hint}
        for (int c = 0; c < D; ++c) {
          ${add("points[(size_t)i * D + c]", "centroids[j * D + c]")}
        }
        ${put("i", "j", value)}
      }
    }
  `;
}

function leastKernel(second: string, branch: boolean, own: string): string {
  const scan = (index: string, value: string): string =>
    `const float value = ${value};\n${keep(branch, "best", "choice", "value", index)}`;
  const strided = (step: number, from: string): string => `
    for (int j = ${from}; j < COUNT; j += ${step}) {
      ${scan("j", "scores[(size_t)i * COUNT + j]")}
    }`;
  const vector = `
    for (int g = lane; g < COUNT / 4; g += 32) {
      const float4 v = reinterpret_cast<const float4*>(scores + (size_t)i * COUNT)[g];
      ${lanes.map((part, index) => `{ ${scan(`4 * g + ${index}`, `v.${part}`)} }`).join("\n")}
    }`;
  const lane = (warps: number): string =>
    `const int lane = threadIdx.x & 31;\nconst int i = blockIdx.x * ${warps} + (threadIdx.x >> 5);`;
  const parts = {
    thread: { place: "const int i = blockIdx.x * 128 + threadIdx.x;", loop: strided(1, "0"), end: "", writer: "true" },
    warp: { place: lane(8), loop: strided(32, "lane"), end: shuffled("best", "choice", "32"), writer: "lane == 0" },
    "warp-vector": { place: lane(4), loop: vector, end: shuffled("best", "choice", "32"), writer: "lane == 0" },
    block: {
      place: "__shared__ float lows[64];\n__shared__ int places[64];\nconst int i = blockIdx.x;",
      loop: strided(64, "threadIdx.x"),
      end: `lows[threadIdx.x] = best;
        places[threadIdx.x] = choice;
        __syncthreads();
        for (int half = 32; half > 0; half >>= 1) {
          if (threadIdx.x < half) take_closer(lows[threadIdx.x], places[threadIdx.x], lows[threadIdx.x + half], places[threadIdx.x + half]);
          __syncthreads();
        }
        best = lows[0];
        choice = places[0];`,
      writer: "threadIdx.x == 0",
    },
  }[second as "thread"];
  return `
    extern "C" __global__ void least_score(const float* __restrict__ points, const float* __restrict__ scores, int* assignment, float* distance) {
      ${parts.place}
      float best = 3.0e38f;
      int choice = 0;
      ${parts.loop}
      ${parts.end}
      if (${parts.writer}) {
        float own = 0.0f;
        ${own}
        assignment[i] = choice;
        distance[i] = fmaxf(best + own, 0.0f);
      }
    }
  `;
}
