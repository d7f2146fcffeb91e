import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { closer, keep, normKernel, score, shuffled, squared, start, term, type Form } from "./parts.ts";

const turnKernel = (d: number, k: number): string => `
  extern "C" __global__ void turn_centroids(const float* centroids, float* columns) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e < ${d * k}) columns[e % ${d} * ${k} + e / ${d}] = centroids[e];
  }
`;

function warpResult(p: number, form: Form, down: boolean): string {
  const own = `
    float own = mine${p} * mine${p};
    #pragma unroll
    for (int step = 16; step > 0; step /= 2) own += __shfl_xor_sync(0xffffffffu, own, step);`;
  return `
    {
      ${on(form !== "difference", own)}
      ${shuffled(`best${p}`, `choice${p}`, "32", down)}
      if (lane == 0) {
        assignment[first + ${p}] = choice${p};
        distance[first + ${p}] = ${squared(form, `best${p}`, "own")};
      }
    }`;
}

/** A warp per few points; each lane owns every 32nd centroid of a turned copy. */
export const centroidLanes: Template = template({
  id: "centroids-on-lanes",
  from: "point-per-thread",
  idea: "Spread the centroids over the lanes of a warp, turned so that the lanes read neighbours, and reduce over the warp.",
  options: {
    columns: ["global", "shared"],
    broadcast: ["uniform", "shuffle", "staged"],
    form: ["expanded", "difference", "halved"],
    points: [1, 2, 4],
    groups: [1, 2, 4],
    down: [false, true],
    branch: [true, false],
    walk: ["blocked", "strided"],
    warps: [4, 8, 16],
  },
  count: 32,
  write: ({ columns, broadcast, form, points, groups, down, branch, walk, warps }, { n = 0, k = 0, d = 0 }) => {
    const expanded = form !== "difference";
    const shared = columns === "shared";
    const blocks = shared ? 264 : n / (warps * points);
    const rounds = n / (warps * points);
    const value = {
      uniform: (p: number): string => `points[(size_t)(first + ${p}) * D + c]`,
      shuffle: (p: number): string => `__shfl_sync(0xffffffffu, mine${p}, c)`,
      staged: (p: number): string => `staged[warp][${p}][c]`,
    }[broadcast];
    const each = (line: (p: number) => string): string => repeat(points, line);
    const body = `
      const int first = (${walk === "blocked" ? "round * WARPS + warp" : `warp * ${rounds} + round`}) * HELD;
      ${on(
        broadcast !== "uniform" || expanded,
        each((p) => `const float mine${p} = points[(size_t)(first + ${p}) * D + lane];`),
      )}
      ${on(broadcast === "staged", `__syncwarp();\n${each((p) => `staged[warp][${p}][lane] = mine${p};`)}\n__syncwarp();`)}
      ${each((p) => `float best${p} = 3.0e38f;\nint choice${p} = 0;`)}
      for (int base = lane; base < K; base += 32 * GROUPS) {
        ${each((p) => `float sum${p}[GROUPS];`)}
        #pragma unroll
        for (int g = 0; g < GROUPS; ++g) {
          ${each((p) => `sum${p}[g] = ${start(form, "norms[base + 32 * g]")};`)}
        }
        #pragma unroll 8
        for (int c = 0; c < D; ++c) {
          ${each((p) => `const float x${p} = ${value(p)};`)}
          #pragma unroll
          for (int g = 0; g < GROUPS; ++g) {
            const float q = ${shared ? "table" : "columns"}[c * K + base + 32 * g];
            ${each((p) => term(form, `sum${p}[g]`, `x${p}`, "q"))}
          }
        }
        #pragma unroll
        for (int g = 0; g < GROUPS; ++g) {
          ${each((p) => `const float value${p} = ${score(form, `sum${p}[g]`, "norms[base + 32 * g]")};\n${keep(branch, `best${p}`, `choice${p}`, `value${p}`, "base + 32 * g")}`)}
        }
      }
      ${each((p) => warpResult(p, form, down))}`;
    const source = `
      #define D ${d}
      #define K ${k}
      #define WARPS ${warps}
      #define HELD ${points}
      #define GROUPS ${groups}
      ${closer}
      ${normKernel(d, k, expanded)}
      ${turnKernel(d, k)}
      extern "C" __global__ void assign_warp(const float* __restrict__ points, const float* __restrict__ columns,
          const float* __restrict__ norms, int* __restrict__ assignment, float* __restrict__ distance) {
        ${on(broadcast === "staged", "__shared__ float staged[WARPS][HELD][D];")}
        const int lane = threadIdx.x & 31;
        const int warp = threadIdx.x >> 5;
        ${on(
          shared,
          `extern __shared__ float table[];
        for (int e = threadIdx.x; e < D * K; e += 32 * WARPS) table[e] = columns[e];
        __syncthreads();`,
        )}
        ${shared ? `for (int round = blockIdx.x; round < ${rounds}; round += gridDim.x) {\n${body}\n}` : `const int round = blockIdx.x;\n${body}`}
      }
    `;
    const launches = [
      ...(expanded ? [launch("centroid_norms", Math.ceil(k / 128), 128, ["centroids", "norms"])] : []),
      launch("turn_centroids", Math.ceil((d * k) / 256), 256, ["centroids", "halves"]),
      launch(
        "assign_warp",
        blocks,
        32 * warps,
        ["points", "halves", "norms", "assignment", "distance"],
        shared ? 4 * d * k : 0,
      ),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** A group of lanes shares a point's coordinates and sums each distance by shuffles. */
export const dimensionLanes: Template = template({
  id: "coordinates-on-lanes",
  from: "centroids-on-lanes",
  idea: "Split the coordinates of a point over a group of lanes and sum every distance with shuffles.",
  options: {
    group: [8, 4, 16, 32, 2],
    rows: ["global", "shared", "ldg"],
    form: ["difference", "expanded", "halved"],
    pair: [false, true],
    reduce: ["xor", "down"],
    order: ["interleaved", "contiguous"],
    branch: [true, false],
    unroll: [false, true],
    block: [256, 128, 512],
  },
  count: 30,
  write: ({ group, rows, form, pair, reduce, order, branch, unroll, block }, { n = 0, k = 0, d = 0 }) => {
    const expanded = form !== "difference";
    const spot = order === "interleaved" ? "lane + GROUP * c" : "lane * SHARE + c";
    const row = { global: "centroids[#]", ldg: "__ldg(centroids + #)", shared: "rows[#]" }[rows];
    const read = (j: string): string => row.replace("#", `${rows === "shared" ? `(${j} - first)` : j} * DIM + ${spot}`);
    const shuffle = reduce === "xor" ? "__shfl_xor_sync" : "__shfl_down_sync";
    const total = (sum: string): string => `
      #pragma unroll
      for (int step = GROUP / 2; step > 0; step /= 2) ${sum} += ${shuffle}(0xffffffffu, ${sum}, step);`;
    const one = (j: string, tag: string): string => `
      float sum${tag} = 0.0f;
      #pragma unroll
      for (int c = 0; c < SHARE; ++c) {
        ${term(form, `sum${tag}`, "x[c]", read(j))}
      }
      ${total(`sum${tag}`)}
      ${on(form === "halved", `sum${tag} -= 0.5f * norms[${j}];`)}
      const float value${tag} = ${score(form, `sum${tag}`, `norms[${j}]`)};
      ${keep(branch, "best", "choice", `value${tag}`, j)}`;
    const loop = (from: string, to: string): string => `
      ${on(unroll, "#pragma unroll 4")}
      for (int j = ${from}; j < ${to}; ${pair ? "j += 2" : "++j"}) {
        ${one("j", "_a")}
        ${on(pair, one("(j + 1)", "_b"))}
      }`;
    const source = `
      constexpr int DIM = ${d};
      constexpr int CENTROIDS = ${k};
      constexpr int GROUP = ${group};
      constexpr int SHARE = DIM / GROUP;  // coordinates per lane
      ${normKernel(d, k, expanded)}
      extern "C" __global__ void assign_group(const float* points, const float* centroids, const float* norms, int* assignment, float* distance) {
        const int lane = threadIdx.x % GROUP;
        const int i = (blockIdx.x * ${block} + threadIdx.x) / GROUP;
        float x[SHARE];
        #pragma unroll
        for (int c = 0; c < SHARE; ++c) x[c] = points[(size_t)i * DIM + ${spot}];
        float best = 3.0e38f;
        int choice = 0;
        ${
          rows === "shared"
            ? `__shared__ float rows[128 * DIM];
        for (int first = 0; first < CENTROIDS; first += 128) {
          __syncthreads();
          for (int e = threadIdx.x; e < 128 * DIM; e += ${block}) rows[e] = centroids[first * DIM + e];
          __syncthreads();
          ${loop("first", "first + 128")}
        }`
            : loop("0", "CENTROIDS")
        }
        ${on(expanded, `float own = 0.0f;\n#pragma unroll\nfor (int c = 0; c < SHARE; ++c) own = fmaf(x[c], x[c], own);\n${total("own")}`)}
        if (lane == 0) {
          assignment[i] = choice;
          distance[i] = ${squared(form, "best", "own")};
        }
      }
    `;
    const launches = [
      ...(expanded ? [launch("centroid_norms", Math.ceil(k / 128), 128, ["centroids", "norms"])] : []),
      launch("assign_group", (n * group) / block, block, ["points", "centroids", "norms", "assignment", "distance"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

function blockReduction(reduce: "tree" | "warps" | "atomic"): string {
  if (reduce === "tree") {
    return `
      lows[threadIdx.x] = best;
      places[threadIdx.x] = choice;
      __syncthreads();
      for (int half = BLOCK / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) take_closer(lows[threadIdx.x], places[threadIdx.x], lows[threadIdx.x + half], places[threadIdx.x + half]);
        __syncthreads();
      }
      best = lows[0];
      choice = places[0];`;
  }
  if (reduce === "warps") {
    return `
      ${shuffled("best", "choice", "32")}
      if (threadIdx.x % 32 == 0) {
        lows[threadIdx.x / 32] = best;
        places[threadIdx.x / 32] = choice;
      }
      __syncthreads();
      for (int w = 0; w < BLOCK / 32; ++w) take_closer(best, choice, lows[w], places[w]);`;
  }
  return `
    if (threadIdx.x == 0) nearest = ~0ull;
    __syncthreads();
    atomicMin(&nearest, ((unsigned long long)__float_as_uint(best) << 32) | (unsigned int)choice);
    __syncthreads();
    best = __uint_as_float((unsigned int)(nearest >> 32));
    choice = (int)(nearest & 0xffffffffu);`;
}

/** The threads of a block share the centroids; points come one after another. */
export const pointBlock: Template = template({
  id: "point-per-block",
  from: "point-per-thread",
  idea: "Let a whole block compare one point with all centroids and reduce in shared memory.",
  options: {
    reduce: ["tree", "warps", "atomic"],
    rows: ["rows", "columns", "held"],
    point: ["global", "staged"],
    form: ["difference", "expanded"],
    loop: [true, false],
    branch: [false, true],
    unroll: [false, true],
    block: [128, 256, 64, 512],
  },
  valid: ({ rows, block, loop }) => rows !== "held" || (block === 512 && loop),
  count: 28,
  write: ({ reduce, rows, point, form, loop, branch, unroll, block }, { n = 0, k = 0, d = 0 }) => {
    const x = point === "staged" ? "mine[c]" : "points[(size_t)i * D + c]";
    const q = { rows: "centroids[j * D + c]", columns: "centroids[c * K + j]", held: "row[c]" }[rows];
    const source = `
      #define BLOCK ${block}
      #define K ${k}
      #define D ${d}
      ${on(reduce !== "atomic", closer)}
      ${on(rows === "columns", turnKernel(d, k))}
      extern "C" __global__ void assign_block(const float* __restrict__ points, const float* __restrict__ centroids, int* assignment, float* distance) {
        ${reduce === "atomic" ? "__shared__ unsigned long long nearest;" : "__shared__ float lows[BLOCK];\n__shared__ int places[BLOCK];"}
        ${on(point === "staged", "__shared__ float mine[D];")}
        ${on(
          rows === "held",
          `float row[D];
        #pragma unroll
        for (int c = 0; c < D; ++c) row[c] = centroids[threadIdx.x * D + c];`,
        )}
        ${loop ? `for (int i = blockIdx.x; i < ${n}; i += gridDim.x) {` : "{ const int i = blockIdx.x;"}
          ${on(point === "staged", "if (threadIdx.x < D) mine[threadIdx.x] = points[(size_t)i * D + threadIdx.x];\n__syncthreads();")}
          float best = 3.0e38f;
          int choice = 0;
          for (int j = threadIdx.x; j < K; j += BLOCK) {
            float sum = 0.0f;
            ${on(form === "expanded", "float norm = 0.0f, own = 0.0f;")}
            ${rows === "held" ? "#pragma unroll" : on(unroll, "#pragma unroll 8")}
            for (int c = 0; c < D; ++c) {
              ${form === "expanded" ? `norm = fmaf(${q}, ${q}, norm);\nown = fmaf(${x}, ${x}, own);` : ""}
              ${term(form, "sum", x, q)}
            }
            const float value = ${form === "expanded" ? "fmaxf(fmaf(-2.0f, sum, norm + own), 0.0f)" : "sum"};
            ${keep(branch, "best", "choice", "value", "j")}
          }
          ${blockReduction(reduce)}
          if (threadIdx.x == 0) {
            assignment[i] = choice;
            distance[i] = best;
          }
          ${on(loop, "__syncthreads();")}
        }
      }
    `;
    const turned = rows === "columns";
    const args = ["points", turned ? "halves" : "centroids", "assignment", "distance"];
    const launches = [
      ...(turned ? [launch("turn_centroids", Math.ceil((d * k) / 256), 256, ["centroids", "halves"])] : []),
      launch("assign_block", loop ? 132 * Math.max(2, 1024 / block) : n, block, args),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
