import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { edgeTest, extent, meetCorners, planeMaker, planesKernel, planeTest, rayReader } from "./parts.ts";

/** Tiles of corners or edges in shared memory. */
export const cornerTile: Template = template({
  id: "corner-tile",
  from: "ray-thread",
  idea: "Let a block bring a tile of triangles to shared memory, where all its rays test it.",
  options: {
    holds: ["corners", "edges", "vectors"],
    exits: ["early", "flat", "deferred"],
    division: ["plain", "approximate"],
    pairs: [true, false],
    unroll: ["none", "two", "eight"],
    memory: ["static", "dynamic"],
    tile: [256, 128, 512],
    block: [256, 128, 64],
  },
  count: 29,
  write: (o, sizes) => {
    const { n = 0 } = sizes;
    const vectors = o.holds === "vectors";
    const edges = `const float* v = triangles + 9 * (base + j);`;
    const fills = {
      corners: `for (int j = threadIdx.x; j < 9 * TILE; j += BLOCK) tile[j] = triangles[9 * base + j];`,
      edges: `for (int j = threadIdx.x; j < TILE; j += BLOCK) {
          ${edges}
          #pragma unroll
          for (int c = 0; c < 3; ++c) {
            tile[9 * j + c] = v[c];
            tile[9 * j + 3 + c] = v[3 + c] - v[c];
            tile[9 * j + 6 + c] = v[6 + c] - v[c];
          }
        }`,
      vectors: `for (int j = threadIdx.x; j < TILE; j += BLOCK) {
          ${edges}
          tile[3 * j] = make_float4(v[0], v[1], v[2], v[3] - v[0]);
          tile[3 * j + 1] = make_float4(v[4] - v[1], v[5] - v[2], v[6] - v[0], v[7] - v[1]);
          tile[3 * j + 2] = make_float4(v[8] - v[2], 0.0f, 0.0f, 0.0f);
        }`,
    };
    const tests = {
      corners: `best = ${meetCorners((k) => `tile[9 * j + ${k}]`, "r", "best")};`,
      edges: `best = meet(r, ${Array.from({ length: 9 }, (_, k) => `tile[9 * j + ${k}]`).join(", ")}, best);`,
      vectors: `const float4 a = tile[3 * j], b = tile[3 * j + 1];
          best = meet(r, a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w, tile[3 * j + 2].x, best);`,
    };
    const type = vectors ? "float4" : "float";
    const per = vectors ? 3 : 9;
    const unroll = { none: "#pragma unroll 1", two: "#pragma unroll 2", eight: "#pragma unroll 8" }[o.unroll];
    const source = `
      ${extent(sizes, "define")}
      #define BLOCK ${o.block}
      #define TILE ${o.tile}
      ${rayReader(o.pairs)}
      ${edgeTest(o.exits, o.division)}
      extern "C" __global__ void cast_rays(const float* __restrict__ rays, const float* __restrict__ triangles, float* __restrict__ nearest) {
        ${o.memory === "static" ? `__shared__ ${type} tile[${per} * TILE];` : `extern __shared__ ${type} tile[];`}
        const int i = blockIdx.x * BLOCK + threadIdx.x;
        const Ray r = read_ray(rays, i);
        float best = FAR_AWAY;
        for (int base = 0; base < TRIANGLES; base += TILE) {
          ${fills[o.holds]}
          __syncthreads();
          ${unroll}
          for (int j = 0; j < TILE; ++j) {
            ${tests[o.holds]}
          }
          __syncthreads();
        }
        nearest[i] = best;
      }
    `;
    const bytes = o.memory === "static" ? 0 : o.tile * (vectors ? 48 : 36);
    return styled(
      { source, launches: [launch("cast_rays", n / o.block, o.block, ["rays", "triangles", "nearest"], bytes)] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Tiles of planes in shared memory and several rays per thread. */
export const planeTile: Template = template({
  id: "plane-tile",
  from: "corner-tile",
  idea: "Stage planes instead of corners and let each thread test several rays with what it reads.",
  options: {
    test: ["flat", "prune", "halfway"],
    division: ["approximate", "plain"],
    made: ["in-block", "first-launch", "async"],
    spacing: ["strided", "adjacent"],
    unroll: ["none", "two", "four"],
    bounds: [false, true],
    per: [2, 4, 1],
    tile: [256, 128, 512],
    block: [128, 256, 64],
  },
  count: 25,
  write: (o, sizes) => {
    const { n = 0, m = 0 } = sizes;
    const strided = o.spacing === "strided";
    const prepared = o.made !== "in-block";
    const async = o.made === "async";
    const unroll = { none: "#pragma unroll 1", two: "#pragma unroll 2", four: "#pragma unroll 4" }[o.unroll];
    const index = strided ? "first + p * BLOCK" : "first + p";
    const start = strided ? "blockIdx.x * (BLOCK * PER) + threadIdx.x" : "(blockIdx.x * BLOCK + threadIdx.x) * PER";
    const work = (buffer: string): string => `
      ${unroll}
      for (int j = 0; j < TILE; ++j) {
        const float4 a = ${buffer}[3 * j], b = ${buffer}[3 * j + 1], c = ${buffer}[3 * j + 2];
        #pragma unroll
        for (int p = 0; p < PER; ++p) best[p] = cut(r[p], a, b, c, best[p]);
      }`;
    const fill =
      o.made === "in-block"
        ? `for (int j = threadIdx.x; j < TILE; j += BLOCK) {
            const Planes q = make_planes(triangles + 9 * (base + j));
            tile[3 * j] = q.normal;
            tile[3 * j + 1] = q.along;
            tile[3 * j + 2] = q.across;
          }`
        : `for (int j = threadIdx.x; j < 3 * TILE; j += BLOCK) tile[j] = prepared[3 * base + j];`;
    const request = (base: string, buffer: string): string => `
      for (int j = threadIdx.x; j < 3 * TILE; j += BLOCK) {
        __pipeline_memcpy_async(&tile[${buffer}][j], prepared + 3 * (${base}) + j, 16);
      }
      __pipeline_commit();`;
    const loop = async
      ? `${request("0", "0")}
        for (int base = 0, turn = 0; base < TRIANGLES; base += TILE, turn ^= 1) {
          __pipeline_wait_prior(0);
          __syncthreads();
          if (base + TILE < TRIANGLES) {
            ${request("base + TILE", "turn ^ 1")}
          }
          ${work("tile[turn]")}
        }`
      : `for (int base = 0; base < TRIANGLES; base += TILE) {
          __syncthreads();
          ${fill}
          __syncthreads();
          ${work("tile")}
        }`;
    const source = `
      ${on(async, "#include <cuda_pipeline.h>\n")}
      ${extent(sizes, "constexpr")}
      constexpr int BLOCK = ${o.block}, PER = ${o.per}, TILE = ${o.tile};
      ${rayReader(!strided)}
      ${planeMaker(o.division === "approximate")}
      ${planeTest(o.test, o.division)}
      ${on(prepared, planesKernel("TRIANGLES"))}
      extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(BLOCK) ")}cast_bundles(const float* __restrict__ rays, const ${prepared ? "float4* __restrict__ prepared" : "float* __restrict__ triangles"}, float* __restrict__ nearest) {
        ${async ? "__shared__ float4 tile[2][3 * TILE];" : "__shared__ float4 tile[3 * TILE];"}
        const int first = ${start};
        Ray r[PER];
        float best[PER];
        #pragma unroll
        for (int p = 0; p < PER; ++p) {
          r[p] = read_ray(rays, ${index});
          best[p] = FAR_AWAY;
        }
        ${loop}
        #pragma unroll
        for (int p = 0; p < PER; ++p) nearest[${index}] = best[p];
      }
    `;
    const search = launch("cast_bundles", n / (o.block * o.per), o.block, [
      "rays",
      prepared ? "prepared" : "triangles",
      "nearest",
    ]);
    const prepare = launch("prepare_planes", Math.ceil(m / 128), 128, ["triangles", "prepared"]);
    return styled({ source, launches: prepared ? [prepare, search] : [search] }, { names: "snake", indent: 4 });
  },
});

/** Blocks share a ray's triangles and join by atomics or a last launch. */
export const splitTriangles: Template = template({
  id: "split-triangles",
  from: "corner-tile",
  idea: "Split the triangles over more blocks and join the distances by atomic minima or in a last launch.",
  options: {
    join: ["atomic", "launch", "guarded"],
    test: ["edges", "planes"],
    exits: ["early", "flat", "deferred"],
    staged: [true, false],
    division: ["plain", "approximate"],
    pairs: [false, true],
    unroll: [false, true],
    splits: [4, 8, 16, 32, 2],
    block: [128, 256],
  },
  count: 29,
  write: (o, sizes) => {
    const { n = 0, m = 0 } = sizes;
    const planes = o.test === "planes";
    const launched = o.join === "launch";
    const sourceName = planes ? "prepared" : "triangles";
    const type = planes ? "float4" : "float";
    const per = planes ? 3 : 9;
    const from = o.staged ? "tile" : "mine";
    const slot = o.staged ? "j" : "k";
    const test = planes
      ? `best = cut(r, ${from}[3 * ${slot}], ${from}[3 * ${slot} + 1], ${from}[3 * ${slot} + 2], best);`
      : `best = ${meetCorners((k) => `${from}[9 * ${slot} + ${k}]`, "r", "best")};`;
    const walk = shareWalk(o.staged, o.unroll, per, test);
    const join = {
      // Bits of positive floats are in the order of the floats.
      atomic: "atomicMin(nearest + i, __float_as_int(best));",
      guarded: "if (best < FAR_AWAY) atomicMin(nearest + i, __float_as_int(best));",
      launch: "parts[blockIdx.y * RAYS + i] = best;",
    }[o.join];
    const source = `
      ${extent(sizes, "define")}
      #define SPLITS ${o.splits}
      #define SHARE (TRIANGLES / SPLITS)
      ${rayReader(o.pairs)}
      ${planes ? planeMaker() + planeTest(planeTests[o.exits], o.division) + planesKernel("TRIANGLES") : edgeTest(o.exits, o.division)}
      ${
        launched
          ? `extern "C" __global__ void least_part(const float* __restrict__ parts, float* __restrict__ nearest) {
              const int i = blockIdx.x * blockDim.x + threadIdx.x;
              float best = parts[i];
              for (int s = 1; s < SPLITS; ++s) best = fminf(best, parts[s * RAYS + i]);
              nearest[i] = best;
            }`
          : `extern "C" __global__ void set_far(float* nearest) {
              nearest[blockIdx.x * blockDim.x + threadIdx.x] = FAR_AWAY;
            }`
      }

      extern "C" __global__ void search_share(const float* __restrict__ rays, const ${type}* __restrict__ ${sourceName}, ${launched ? "float* __restrict__ parts" : "int* nearest"}) {
        ${on(o.staged, `__shared__ ${type} tile[${per} * 128];`)}
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const ${type}* mine = ${sourceName} + ${per} * SHARE * blockIdx.y;
        const Ray r = read_ray(rays, i);
        float best = FAR_AWAY;
        ${walk}
        ${join}
      }
    `;
    const grid: [number, number] = [n / o.block, o.splits];
    return styled(
      {
        source,
        launches: [
          ...(planes ? [launch("prepare_planes", Math.ceil(m / 256), 256, ["triangles", "prepared"])] : []),
          ...(launched ? [] : [launch("set_far", n / 256, 256, ["nearest"])]),
          launch("search_share", grid, o.block, ["rays", sourceName, launched ? "parts" : "nearest"]),
          ...(launched ? [launch("least_part", n / 256, 256, ["parts", "nearest"])] : []),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

const planeTests = { early: "prune", flat: "flat", deferred: "halfway" } as const;

/** The walk over a block's share of the triangles, through shared memory or not. */
function shareWalk(staged: boolean, unrolled: boolean, per: number, test: string): string {
  const unroll = on(unrolled, "#pragma unroll 4", "#pragma unroll 1");
  return staged
    ? `for (int base = 0; base < SHARE; base += 128) {
        __syncthreads();
        for (int j = threadIdx.x; j < ${per} * 128; j += blockDim.x) tile[j] = mine[${per} * base + j];
        __syncthreads();
        ${unroll}
        for (int j = 0; j < 128; ++j) ${test}
      }`
    : `${unroll}
      for (int k = 0; k < SHARE; ++k) ${test}`;
}
