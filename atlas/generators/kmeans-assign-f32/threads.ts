import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { keep, normKernel, score, squared, start, term, type Form } from "./parts.ts";

const lanes = ["x", "y", "z", "w"] as const;

/** Sums one centroid's distance into `sum` from whatever holds the point. */
function innerLoop(form: Form, hold: string, centroid: string, pair: boolean, norm: boolean): string {
  const sum = (index: number): string => (pair && index % 2 === 1 ? "more" : "sum");
  const length = (c: string): string => on(norm, `length = fmaf(${c}, ${c}, length);`);
  if (centroid === "float4") {
    const x = (index: number): string =>
      hold === "vectors" ? `x[c / 4].${lanes[index]}` : hold === "global" ? `p[c + ${index}]` : `x[c + ${index}]`;
    return `
      #pragma unroll
      for (int c = 0; c < DIM; c += 4) {
        const float4 q = *reinterpret_cast<const float4*>(row + c);
        ${repeat(4, (index) => `${term(form, sum(index), x(index), `q.${lanes[index]}`)}\n${length(`q.${lanes[index]}`)}`)}
      }`;
  }
  const read = (index: number): string => (centroid === "ldg" ? `__ldg(row + c + ${index})` : `row[c + ${index}]`);
  const x = (index: number): string =>
    hold === "vectors"
      ? `reinterpret_cast<const float*>(x)[c + ${index}]`
      : `${hold === "global" ? "p" : "x"}[c + ${index}]`;
  const step = pair ? 2 : 1;
  return `
    ${on(hold !== "global", "#pragma unroll")}
    for (int c = 0; c < DIM; c += ${step}) {
      ${repeat(step, (index) => `const float q${index} = ${read(index)};\n${term(form, sum(index), x(index), `q${index}`)}\n${length(`q${index}`)}`)}
    }`;
}

function holdPoint(hold: string): string {
  return {
    global: "",
    registers: "float x[DIM];\n#pragma unroll\nfor (int c = 0; c < DIM; ++c) x[c] = p[c];",
    vectors:
      "float4 x[DIM / 4];\n#pragma unroll\nfor (int c = 0; c < DIM / 4; ++c) x[c] = reinterpret_cast<const float4*>(p)[c];",
  }[hold] as string;
}

/** A thread per point; centroids come through the caches. */
export const pointThread: Template = template({
  id: "point-per-thread",
  from: null,
  idea: "Give each thread a point and let the threads of a warp read the same centroid.",
  options: {
    hold: ["global", "registers", "vectors"],
    centroid: ["plain", "ldg", "float4"],
    form: ["difference", "expanded", "halved"],
    norms: ["kernel", "inline"],
    branch: [true, false],
    pair: [false, true],
    unroll: [false, true],
    block: [128, 64, 256, 512],
  },
  valid: ({ form, norms }) => form === "expanded" || norms === "kernel",
  count: 34,
  write: ({ hold, centroid, form, norms, branch, pair, unroll, block }, { n = 0, k = 0, d = 0 }) => {
    const stored = form !== "difference" && norms === "kernel";
    const inline = form === "expanded" && norms === "inline";
    const norm = inline ? "length" : "norms[j]";
    const source = `
      #define DIM ${d}
      #define CENTROIDS ${k}
      ${normKernel(d, k, stored)}
      extern "C" __global__ void assign_points(const float* __restrict__ points, const float* __restrict__ centroids,
          ${on(stored, "const float* __restrict__ norms,")} int* assignment, float* distance) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const float* p = points + (size_t)i * DIM;
        ${holdPoint(hold)}
        float best = 3.0e38f;
        int choice = 0;
        ${on(unroll, "#pragma unroll 2")}
        for (int j = 0; j < CENTROIDS; ++j) {
          const float* row = centroids + j * DIM;
          float sum = ${start(form, norm)};
          ${on(pair, "float more = 0.0f;")}
          ${on(inline, "float length = 0.0f;")}
          ${innerLoop(form, hold, centroid, pair, inline)}
          ${on(pair, "sum += more;")}
          const float value = ${score(form, "sum", norm)};
          ${keep(branch, "best", "choice", "value", "j")}
        }
        ${on(form !== "difference", "float own = 0.0f;\nfor (int c = 0; c < DIM; ++c) own = fmaf(p[c], p[c], own);")}
        assignment[i] = choice;
        distance[i] = ${squared(form, "best", "own")};
      }
    `;
    const main = launch("assign_points", n / block, block, [
      "points",
      "centroids",
      ...(stored ? ["norms"] : []),
      "assignment",
      "distance",
    ]);
    const before = stored ? [launch("centroid_norms", Math.ceil(k / 128), 128, ["centroids", "norms"])] : [];
    return styled({ source, launches: [...before, main] }, { names: "snake", indent: 2 });
  },
});

/** Brings `rows` centroids from `first` on into `tile`. */
function fillTile(fill: "scalar" | "float4" | "async"): string {
  if (fill === "scalar")
    return `for (int e = threadIdx.x; e < TILE * D; e += BLOCK) tile[e] = centroids[first * D + e];`;
  const vector = (text: string): string => `for (int e = threadIdx.x; e < TILE * D / 4; e += BLOCK) {\n${text}\n}`;
  if (fill === "float4") {
    return vector("reinterpret_cast<float4*>(tile)[e] = reinterpret_cast<const float4*>(centroids + first * D)[e];");
  }
  return `${vector("__pipeline_memcpy_async(tile + 4 * e, centroids + first * D + 4 * e, 16);")}
    __pipeline_commit();
    __pipeline_wait_prior(0);`;
}

/** Centroids in shared memory; a thread holds one or more points in registers. */
export const sharedCentroids: Template = template({
  id: "shared-centroids",
  from: "point-per-thread",
  idea: "Stage tiles of centroids in shared memory and let every thread compare them with the points that it holds.",
  options: {
    points: [1, 2, 4],
    fill: ["scalar", "float4", "async"],
    read: ["scalar", "float4"],
    form: ["difference", "expanded", "halved"],
    norms: ["tile", "kernel"],
    branch: [true, false],
    unroll: [false, true],
    bounds: [false, true],
    tile: [128, 64, 256, 512],
    block: [128, 256, 64],
  },
  valid: ({ form, norms }) => form !== "difference" || norms === "tile",
  count: 30,
  write: ({ points, fill, read, form, norms, branch, unroll, bounds, tile, block }, { n = 0, k = 0, d = 0 }) => {
    const expanded = form !== "difference";
    const stored = expanded && norms === "kernel";
    const each = (line: (p: string) => string): string =>
      points === 1 ? line("0") : `#pragma unroll\nfor (int p = 0; p < HELD; ++p) {\n${line("p")}\n}`;
    const inner =
      read === "float4"
        ? `#pragma unroll
          for (int c = 0; c < D; c += 4) {
            const float4 q = *reinterpret_cast<const float4*>(tile + j * D + c);
            ${each((p) => repeat(4, (index) => term(form, `sum[${p}]`, `x[${p}][c + ${index}]`, `q.${lanes[index]}`)))}
          }`
        : `#pragma unroll
          for (int c = 0; c < D; ++c) {
            const float q = tile[j * D + c];
            ${each((p) => term(form, `sum[${p}]`, `x[${p}][c]`, "q"))}
          }`;
    const lengths = {
      tile: `for (int j = threadIdx.x; j < TILE; j += BLOCK) {
          float s = 0.0f;
          for (int c = 0; c < D; ++c) s = fmaf(tile[j * D + c], tile[j * D + c], s);
          length[j] = s;
        }
        __syncthreads();`,
      kernel: "",
    }[norms];
    const source = `
      ${on(fill === "async", "#include <cuda_pipeline.h>")}
      constexpr int D = ${d}, K = ${k};
      constexpr int TILE = ${tile}, BLOCK = ${block}, HELD = ${points};
      ${normKernel(d, k, stored)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}assign_tiled(const float* __restrict__ points,
          const float* __restrict__ centroids, ${on(stored, "const float* __restrict__ norms, ")}int* __restrict__ assignment, float* __restrict__ distance) {
        extern __shared__ __align__(16) float tile[];
        ${on(expanded, "float* length = tile + TILE * D;")}
        const int origin = blockIdx.x * BLOCK * HELD + threadIdx.x;
        float x[HELD][D], best[HELD];
        int choice[HELD];
        ${each(
          (p) => `
          const float4* from = reinterpret_cast<const float4*>(points + (size_t)(origin + ${p} * BLOCK) * D);
          #pragma unroll
          for (int c = 0; c < D / 4; ++c) {
            const float4 v = from[c];
            ${lanes.map((lane, index) => `x[${p}][4 * c + ${index}] = v.${lane};`).join("\n")}
          }
          best[${p}] = 3.0e38f;
          choice[${p}] = 0;`,
        )}
        for (int first = 0; first < K; first += TILE) {
          ${fillTile(fill)}
          ${on(stored, "for (int j = threadIdx.x; j < TILE; j += BLOCK) length[j] = norms[first + j];")}
          __syncthreads();
          ${on(expanded, lengths)}
          ${on(unroll, "#pragma unroll 2")}
          for (int j = 0; j < TILE; ++j) {
            float sum[HELD];
            ${each((p) => `sum[${p}] = ${start(form, "length[j]")};`)}
            ${inner}
            ${each((p) => `const float value = ${score(form, `sum[${p}]`, "length[j]")};\n${keep(branch, `best[${p}]`, `choice[${p}]`, "value", "first + j")}`)}
          }
          __syncthreads();
        }
        ${each(
          (p) => `
          ${on(expanded, `float own = 0.0f;\n#pragma unroll\nfor (int c = 0; c < D; ++c) own = fmaf(x[${p}][c], x[${p}][c], own);`)}
          assignment[origin + ${p} * BLOCK] = choice[${p}];
          distance[origin + ${p} * BLOCK] = ${squared(form, `best[${p}]`, "own")};`,
        )}
      }
    `;
    const args = ["points", "centroids", ...(stored ? ["norms"] : []), "assignment", "distance"];
    const main = launch("assign_tiled", n / (block * points), block, args, 4 * tile * (d + (expanded ? 1 : 0)));
    const before = stored ? [launch("centroid_norms", Math.ceil(k / 256), 256, ["centroids", "norms"])] : [];
    return styled({ source, launches: [...before, main] }, { names: "camel", indent: 4 });
  },
});

/** Shares of the centroids in the grid's second dimension. */
export const centroidSplit: Template = template({
  id: "centroid-split",
  from: "point-per-thread",
  idea: "Split the centroids over the grid's second dimension and join what the shares found.",
  options: {
    join: ["atomic", "parts", "parts-warp"],
    form: ["difference", "expanded", "halved"],
    own: ["last", "first"],
    centroid: ["global", "shared"],
    hold: ["scalar", "vector"],
    branch: [false, true],
    order: ["points-first", "shares-first"],
    splits: [4, 8, 16, 2],
    block: [128, 256, 64],
  },
  valid: ({ join, splits, own, form }) =>
    (join !== "parts-warp" || splits === 8) && (own === "last" || form !== "difference"),
  count: 30,
  write: ({ join, form, own, centroid, hold, branch, order, splits, block }, { n = 0, k = 0, d = 0 }) => {
    const expanded = form !== "difference";
    const [i, share] = order === "points-first" ? ["blockIdx.x", "blockIdx.y"] : ["blockIdx.y", "blockIdx.x"];
    const row = centroid === "shared" ? "rows + j * D" : "centroids + (share * SHARE + j) * D";
    const ownSum = "float own = 0.0f;\n#pragma unroll\nfor (int c = 0; c < D; ++c) own = fmaf(x[c], x[c], own);";
    const pack = `((unsigned long long)__float_as_uint(${squared(form, "best", "own")}) << 32) | (unsigned int)(share * SHARE + choice)`;
    const source = `
      #define N ${n}
      #define D ${d}
      #define SPLITS ${splits}
      #define SHARE ${k / splits}
      typedef unsigned long long Key;
      ${normKernel(d, k, expanded)}
      ${joining(join, n)}
      extern "C" __global__ void assign_share(const float* __restrict__ points, const float* __restrict__ centroids, const float* __restrict__ norms, Key* keys) {
        const int i = ${i} * ${block} + threadIdx.x;
        const int share = ${share};
        ${on(
          centroid === "shared",
          `__shared__ float rows[SHARE * D];
        for (int e = threadIdx.x; e < SHARE * D; e += ${block}) rows[e] = centroids[share * SHARE * D + e];
        __syncthreads();`,
        )}
        float x[D];
        ${
          hold === "vector"
            ? `#pragma unroll
        for (int c = 0; c < D; c += 4) {
          const float4 v = *reinterpret_cast<const float4*>(points + (size_t)i * D + c);
          ${lanes.map((lane, index) => `x[c + ${index}] = v.${lane};`).join("\n")}
        }`
            : "#pragma unroll\nfor (int c = 0; c < D; ++c) x[c] = points[(size_t)i * D + c];"
        }
        ${on(expanded && own === "first", ownSum)}
        float best = 3.0e38f;
        int choice = 0;
        for (int j = 0; j < SHARE; ++j) {
          const float* row = ${row};
          float sum = ${start(form, "norms[share * SHARE + j]")};
          #pragma unroll
          for (int c = 0; c < D; ++c) {
            ${term(form, "sum", "x[c]", "row[c]")}
          }
          const float value = ${score(form, "sum", "norms[share * SHARE + j]")};
          ${keep(branch, "best", "choice", "value", "j")}
        }
        ${on(expanded && own === "last", ownSum)}
        const Key key = ${pack};
        ${join === "atomic" ? "atomicMin(keys + i, key);" : "keys[(size_t)share * N + i] = key;"}
      }
    `;
    const grid = order === "points-first" ? ([n / block, splits] as const) : ([splits, n / block] as const);
    const keys = join === "atomic" ? "keys" : "scores";
    const launches = [
      ...(expanded ? [launch("centroid_norms", Math.ceil(k / 64), 64, ["centroids", "norms"])] : []),
      ...(join === "atomic" ? [launch("clear_keys", n / 256, 256, ["keys"])] : []),
      launch("assign_share", grid, block, ["points", "centroids", "norms", keys]),
      launch("unpack_keys", join === "parts-warp" ? n / 32 : n / 256, 256, [keys, "assignment", "distance"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

function joining(join: "atomic" | "parts" | "parts-warp", n: number): string {
  const write = "assignment[i] = (int)(key & 0xffffffffu);\ndistance[i] = __uint_as_float((unsigned int)(key >> 32));";
  if (join === "parts-warp") {
    return `
      extern "C" __global__ void unpack_keys(const Key* keys, int* assignment, float* distance) {
        __shared__ Key shares[8][32];
        const int lane = threadIdx.x % 32, group = threadIdx.x / 32;
        const int i = blockIdx.x * 32 + lane;
        shares[group][lane] = keys[(size_t)group * ${n} + i];
        __syncthreads();
        if (group > 0) return;
        Key key = shares[0][lane];
        for (int s = 1; s < 8; ++s) key = shares[s][lane] < key ? shares[s][lane] : key;
        ${write}
      }
    `;
  }
  const clear = `
    extern "C" __global__ void clear_keys(Key* keys) {
      keys[blockIdx.x * blockDim.x + threadIdx.x] = ~0ull;
    }
  `;
  return `
    ${on(join === "atomic", clear)}
    extern "C" __global__ void unpack_keys(const Key* keys, int* assignment, float* distance) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      Key key = keys[i];
      ${on(join === "parts", `for (int s = 1; s < SPLITS; ++s) {\nconst Key other = keys[(size_t)s * ${n} + i];\nif (other < key) key = other;\n}`)}
      ${write}
    }
  `;
}
