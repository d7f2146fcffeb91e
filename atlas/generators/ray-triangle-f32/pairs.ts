import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { edgeTest, extent, meetCorners, planeMaker, planesKernel, planeTest, rayReader } from "./parts.ts";

/** A ray per thread against every triangle, corners from global memory. */
export const rayThread: Template = template({
  id: "ray-thread",
  from: null,
  idea: "Keep the ray and its nearest hit in registers and leave a triangle as soon as it is missed.",
  options: {
    exits: ["early", "flat", "deferred"],
    division: ["plain", "approximate"],
    read: ["plain", "ldg", "pointer"],
    pairs: [false, true],
    loop: ["for", "while", "unrolled"],
    size: ["define", "constexpr", "arguments"],
    guard: [true, false],
    block: [128, 256, 64, 512],
  },
  count: 31,
  write: (o, sizes) => {
    const { n = 0, m = 0 } = sizes;
    const [rays, triangles] = o.size === "arguments" ? ["n", "m"] : ["RAYS", "TRIANGLES"];
    const at = (k: number): string =>
      ({ plain: `triangles[9 * k + ${k}]`, ldg: `__ldg(triangles + 9 * k + ${k})`, pointer: `corner[${k}]` })[o.read];
    const test = `best = ${meetCorners(at, "r", "best")};`;
    const step = o.read === "pointer" ? "corner += 9;" : "";
    const loops = {
      for: `for (int k = 0; k < ${triangles}; ++k) {
          ${test}
          ${step}
        }`,
      while: `int k = ${triangles};
        while (k-- > 0) {
          ${test}
          ${step}
        }`,
      unrolled: `#pragma unroll 4
        for (int k = 0; k < ${triangles}; ++k) {
          ${test}
          ${step}
        }`,
    };
    const source = `
      ${o.size === "arguments" ? "#define FAR_AWAY 100.0f" : extent(sizes, o.size)}
      ${rayReader(o.pairs)}
      ${edgeTest(o.exits, o.division)}
      extern "C" __global__ void trace(const float* __restrict__ rays, const float* __restrict__ triangles, float* __restrict__ nearest${on(o.size === "arguments", ", int n, int m")}) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        ${on(o.guard, `if (i >= ${rays}) return;`)}
        const Ray r = read_ray(rays, i);
        float best = FAR_AWAY;
        ${on(o.read === "pointer", "const float* corner = triangles;")}
        ${loops[o.loop]}
        nearest[i] = best;
      }
    `;
    const scalars = o.size === "arguments" ? [{ i32: n }, { i32: m }] : [];
    return styled(
      { source, launches: [launch("trace", n / o.block, o.block, ["rays", "triangles", "nearest", ...scalars])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Corner and edges are prepared in a launch of their own. */
export const preparedEdges: Template = template({
  id: "prepared-edges",
  from: "ray-thread",
  idea: "Compute the edges once in a first launch and read prepared triangles.",
  options: {
    layout: ["quads", "planes", "tight"],
    exits: ["early", "deferred", "flat"],
    division: ["approximate", "plain"],
    ldg: [false, true],
    perThread: ["one", "two"],
    unroll: [false, true],
    bounds: [false, true],
    block: [256, 128, 64],
  },
  count: 30,
  write: (o, sizes) => {
    const { n = 0, m = 0 } = sizes;
    const quads = o.layout === "quads";
    const two = o.perThread === "two";
    const spot = (k: number): string =>
      o.layout === "planes" ? `prepared[${k} * TRIANGLES + k]` : `prepared[9 * k + ${k}]`;
    const read = (k: number): string => (o.ldg ? `__ldg(&${spot(k)})` : spot(k));
    const quad = (k: number): string => (o.ldg ? `__ldg(prepared + 3 * k + ${k})` : `prepared[3 * k + ${k}]`);
    const values = quads
      ? "a.x, a.y, a.z, b.x, b.y, b.z, c.x, c.y, c.z"
      : Array.from({ length: 9 }, (_, k) => `w${k}`).join(", ");
    const loads = quads
      ? `const float4 a = ${quad(0)}, b = ${quad(1)}, c = ${quad(2)};`
      : `const float ${Array.from({ length: 9 }, (_, k) => `w${k} = ${read(k)}`).join(", ")};`;
    const source = `
      ${extent(sizes, "define")}
      #define THREADS ${o.block}
      ${rayReader(quads)}
      ${edgeTest(o.exits, o.division)}
      extern "C" __global__ void find_edges(const float* __restrict__ triangles, ${quads ? "float4" : "float"}* __restrict__ prepared) {
        const int k = blockIdx.x * blockDim.x + threadIdx.x;
        if (k >= TRIANGLES) return;
        const float* v = triangles + 9 * k;
        ${
          quads
            ? `prepared[3 * k] = make_float4(v[0], v[1], v[2], 0.0f);
              prepared[3 * k + 1] = make_float4(v[3] - v[0], v[4] - v[1], v[5] - v[2], 0.0f);
              prepared[3 * k + 2] = make_float4(v[6] - v[0], v[7] - v[1], v[8] - v[2], 0.0f);`
            : repeat(9, (k) => `${spot(k)} = v[${k}]${on(k >= 3, ` - v[${k % 3}]`)};`)
        }
      }

      extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}nearest_by_edges(const float* __restrict__ rays, const ${quads ? "float4" : "float"}* __restrict__ prepared, float* __restrict__ nearest) {
        const int i = blockIdx.x * ${two ? "(2 * THREADS)" : "THREADS"} + threadIdx.x;
        const Ray r = read_ray(rays, i);
        float best = FAR_AWAY;
        ${on(two, "const Ray other = read_ray(rays, i + THREADS);\nfloat best_other = FAR_AWAY;")}
        ${on(o.unroll, "#pragma unroll 2", "#pragma unroll 1")}
        for (int k = 0; k < TRIANGLES; ++k) {
          ${loads}
          best = meet(r, ${values}, best);
          ${on(two, `best_other = meet(other, ${values}, best_other);`)}
        }
        nearest[i] = best;
        ${on(two, "nearest[i + THREADS] = best_other;")}
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("find_edges", Math.ceil(m / 128), 128, ["triangles", "prepared"]),
          launch("nearest_by_edges", n / (o.block * (two ? 2 : 1)), o.block, ["rays", "prepared", "nearest"]),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** The plane first, then barycentric coordinates as linear functions of the place. */
export const preparedPlanes: Template = template({
  id: "prepared-planes",
  from: "prepared-edges",
  idea: "Prepare each triangle's plane and its barycentric coordinates as linear functions, which leaves few operations per pair.",
  options: {
    test: ["prune", "flat", "halfway"],
    division: ["plain", "approximate"],
    layout: ["together", "apart"],
    pairs: [false, true],
    shared: ["none", "chunks"],
    unroll: ["none", "two", "four"],
    size: ["constexpr", "define"],
    block: [128, 256, 64],
  },
  count: 29,
  write: (o, sizes) => {
    const { n = 0, m = 0 } = sizes;
    const apart = o.layout === "apart";
    const spot = (k: string, part: number): string =>
      apart ? `prepared[${part} * TRIANGLES + ${k}]` : `prepared[3 * (${k}) + ${part}]`;
    const unroll = { none: "#pragma unroll 1", two: "#pragma unroll 2", four: "#pragma unroll 4" }[o.unroll];
    const chunks = o.shared === "chunks";
    const loop = chunks
      ? `for (int base = 0; base < TRIANGLES; base += 256) {
          __syncthreads();
          for (int k = threadIdx.x; k < 256; k += blockDim.x) {
            ${[0, 1, 2].map((part) => `held[${part}][k] = ${spot("base + k", part)};`).join("\n")}
          }
          __syncthreads();
          ${unroll}
          for (int k = 0; k < 256; ++k) best = cut(r, held[0][k], held[1][k], held[2][k], best);
        }`
      : `${unroll}
        for (int k = 0; k < TRIANGLES; ++k) {
          best = cut(r, ${spot("k", 0)}, ${spot("k", 1)}, ${spot("k", 2)}, best);
        }`;
    const source = `
      ${extent(sizes, o.size)}
      ${rayReader(o.pairs)}
      ${planeMaker()}
      ${planeTest(o.test, o.division)}
      ${planesKernel("TRIANGLES")
        .replace("prepared[3 * k] =", `${spot("k", 0)} =`)
        .replace("prepared[3 * k + 1] =", `${spot("k", 1)} =`)
        .replace("prepared[3 * k + 2] =", `${spot("k", 2)} =`)}
      extern "C" __global__ void nearest_by_planes(const float* __restrict__ rays, const float4* __restrict__ prepared, float* __restrict__ nearest) {
        ${on(chunks, "__shared__ float4 held[3][256];")}
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const Ray r = read_ray(rays, i);
        float best = FAR_AWAY;
        ${loop}
        nearest[i] = best;
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("prepare_planes", Math.ceil(m / 256), 256, ["triangles", "prepared"]),
          launch("nearest_by_planes", n / o.block, o.block, ["rays", "prepared", "nearest"]),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});

/** A warp per ray (or few), lanes over triangles. */
export const triangleLanes: Template = template({
  id: "triangle-lanes",
  from: "ray-thread",
  idea: "Give a ray to a warp, spread the triangles over its lanes and take the least distance by shuffles.",
  options: {
    layout: ["planes", "staged", "quads"],
    exits: ["flat", "early", "deferred"],
    division: ["approximate", "plain"],
    reduce: ["down", "xor", "bits"],
    rays: ["one", "two", "four"],
    unroll: [false, true],
    warps: [8, 4, 16],
  },
  count: 28,
  write: (o, sizes) => {
    const { n = 0, m = 0 } = sizes;
    const per = { one: 1, two: 2, four: 4 }[o.rays];
    const staged = o.layout === "staged";
    const reductions = {
      down: `for (int step = 16; step > 0; step /= 2) {
          best[p] = fminf(best[p], __shfl_down_sync(0xffffffffu, best[p], step));
        }`,
      xor: `for (int step = 1; step < 32; step *= 2) {
          best[p] = fminf(best[p], __shfl_xor_sync(0xffffffffu, best[p], step));
        }`,
      // Distances are positive, so that their bits are in the same order.
      bits: `best[p] = __uint_as_float(__reduce_min_sync(0xffffffffu, __float_as_uint(best[p])));`,
    }[o.reduce];
    const values = {
      planes: Array.from({ length: 9 }, (_, k) => `prepared[${k} * TRIANGLES + k]`),
      quads: ["a", "b", "c"].flatMap((name) => ["x", "y", "z"].map((part) => `${name}.${part}`)),
      staged: [],
    }[o.layout];
    const meet = (p: string): string =>
      staged
        ? `best[${p}] = ${meetCorners((k) => `held[9 * lane_of + ${k}]`, `r[${p}]`, `best[${p}]`)};`
        : `best[${p}] = meet(r[${p}], ${values.join(", ")}, best[${p}]);`;
    const each = `#pragma unroll
        for (int p = 0; p < PER; ++p) ${meet("p")}`;
    const unroll = on(o.unroll, "#pragma unroll 4", "#pragma unroll 1");
    const loops = {
      planes: `${unroll}
        for (int k = lane; k < TRIANGLES; k += 32) {
          ${each}
        }`,
      quads: `${unroll}
        for (int k = lane; k < TRIANGLES; k += 32) {
          const float4 a = prepared[3 * k], b = prepared[3 * k + 1], c = prepared[3 * k + 2];
          ${each}
        }`,
      staged: `for (int base = 0; base < TRIANGLES; base += CHUNK) {
          __syncthreads();
          for (int j = threadIdx.x; j < 9 * CHUNK; j += 32 * WARPS) held[j] = triangles[9 * base + j];
          __syncthreads();
          ${unroll}
          for (int lane_of = lane; lane_of < CHUNK; lane_of += 32) {
            ${each}
          }
        }`,
    };
    const type = o.layout === "quads" ? "float4" : "float";
    const source = `
      ${extent(sizes, "constexpr")}
      constexpr int WARPS = ${o.warps}, PER = ${per};
      ${on(staged, "constexpr int CHUNK = 512;")}
      ${rayReader(false)}
      ${edgeTest(o.exits, o.division)}
      ${on(!staged, laneEdges(o.layout === "quads"))}
      extern "C" __global__ void __launch_bounds__(32 * WARPS) rays_by_warps(const float* __restrict__ rays, const ${type}* __restrict__ ${staged ? "triangles" : "prepared"}, float* __restrict__ nearest) {
        ${on(staged, "__shared__ float held[9 * CHUNK];")}
        const int lane = threadIdx.x % 32;
        const int first = (blockIdx.x * WARPS + threadIdx.x / 32) * PER;
        Ray r[PER];
        float best[PER];
        #pragma unroll
        for (int p = 0; p < PER; ++p) {
          r[p] = read_ray(rays, first + p);
          best[p] = FAR_AWAY;
        }
        ${loops[o.layout]}
        #pragma unroll
        for (int p = 0; p < PER; ++p) {
          ${reductions}
          if (lane == 0) nearest[first + p] = best[p];
        }
      }
    `;
    const search = launch("rays_by_warps", n / (o.warps * per), 32 * o.warps, [
      "rays",
      staged ? "triangles" : "prepared",
      "nearest",
    ]);
    const prepare = launch("lane_edges", Math.ceil(m / 256), 256, ["triangles", "prepared"]);
    return styled({ source, launches: staged ? [search] : [prepare, search] }, { names: "snake", indent: 2 });
  },
});

function laneEdges(quads: boolean): string {
  const writes = quads
    ? repeat(
        3,
        (part) =>
          `prepared[3 * k + ${part}] = make_float4(${[0, 1, 2].map((c) => `t[${3 * part + c}]${on(part > 0, ` - t[${c}]`)}`).join(", ")}, 0.0f);`,
      )
    : repeat(9, (k) => `prepared[${k} * TRIANGLES + k] = t[${k}]${on(k >= 3, ` - t[${k % 3}]`)};`);
  return `
    extern "C" __global__ void lane_edges(const float* __restrict__ triangles, ${quads ? "float4" : "float"}* __restrict__ prepared) {
      const int k = blockIdx.x * blockDim.x + threadIdx.x;
      const float* t = triangles + 9 * k;
      ${writes}
    }
  `;
}
