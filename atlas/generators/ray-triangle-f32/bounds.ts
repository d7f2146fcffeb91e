import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  edgeTest,
  extent,
  meetCorners,
  planeMaker,
  planesKernel,
  planeTest,
  rayReader,
  spheresKernel,
} from "./parts.ts";

/** A sphere about each group of triangles rules the group out for a ray. */
export const groupSpheres: Template = template({
  id: "group-spheres",
  from: "prepared-planes",
  idea: "Bound groups of neighbouring triangles by spheres and test only the groups whose sphere the ray meets.",
  options: {
    vote: ["thread", "warp", "block"],
    test: ["planes", "corners"],
    depth: [true, false],
    division: ["approximate", "plain"],
    spheres: ["global", "shared"],
    order: ["front", "back"],
    pairs: [false, true],
    group: [16, 8, 32, 64, 4],
    block: [128, 256, 64],
  },
  count: 28,
  write: (o, sizes) => {
    const { n = 0, m = 0 } = sizes;
    const planes = o.test === "planes";
    const shared = o.spheres === "shared";
    const groups = m / o.group;
    const test = planes
      ? `best = cut(r, prepared[3 * k], prepared[3 * k + 1], prepared[3 * k + 2], best);`
      : `best = ${meetCorners((c) => `triangles[9 * k + ${c}]`, "r", "best")};`;
    const wanted = {
      thread: "if (may_hit) {",
      warp: "if (__any_sync(0xffffffffu, may_hit)) {",
      block: "if (__syncthreads_or(may_hit)) {",
    }[o.vote];
    const counted =
      o.order === "front" ? "for (int g = 0; g < GROUPS; ++g) {" : "for (int g = GROUPS - 1; g >= 0; --g) {";
    const source = `
      ${extent(sizes, "constexpr")}
      constexpr int GROUP = ${o.group}, GROUPS = TRIANGLES / GROUP;
      ${rayReader(o.pairs)}
      ${planes ? planeMaker() + planeTest("prune", o.division) + planesKernel("TRIANGLES") : edgeTest("early", o.division)}
      ${spheresKernel("GROUP", "GROUPS")}
      extern "C" __global__ void search_groups(const float* __restrict__ rays, const ${planes ? "float4* __restrict__ prepared" : "float* __restrict__ triangles"}, const float4* __restrict__ spheres, float* __restrict__ nearest) {
        ${on(
          shared,
          `extern __shared__ float4 held[];
          for (int g = threadIdx.x; g < GROUPS; g += blockDim.x) held[g] = spheres[g];
          __syncthreads();`,
        )}
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const Ray r = read_ray(rays, i);
        float best = FAR_AWAY;
        #pragma unroll 1
        ${counted}
          const float4 s = ${shared ? "held" : "spheres"}[g];
          const float x = s.x - r.ox, y = s.y - r.oy, z = s.z - r.oz;
          const float along = x * r.dx + y * r.dy + z * r.dz;
          const float reach = s.w + 1.0e-3f;
          const bool may_hit = x * x + y * y + z * z - along * along <= reach * reach${on(o.depth, " && along - reach < best")};
          ${wanted}
            for (int k = g * GROUP; k < (g + 1) * GROUP; ++k) ${test}
          }
        }
        nearest[i] = best;
      }
    `;
    return styled(
      {
        source,
        launches: [
          ...(planes ? [launch("prepare_planes", Math.ceil(m / 128), 128, ["triangles", "prepared"])] : []),
          launch("bound_triangles", Math.ceil(groups / 64), 64, ["triangles", "spheres"]),
          launch(
            "search_groups",
            n / o.block,
            o.block,
            ["rays", planes ? "prepared" : "triangles", "spheres", "nearest"],
            shared ? 16 * groups : 0,
          ),
        ],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** Device code that finds how far a bundle's rays start and point apart from its middle ray. */
function bundleSpread(join: "atomics" | "shuffles", per: number): string {
  const loop = (line: string): string =>
    per === 1 ? line.replaceAll("[p]", "[0]") : `#pragma unroll\nfor (int p = 0; p < PER; ++p) {\n${line}\n}`;
  return `
    const Ray middle = read_ray(rays, blockIdx.x * BUNDLE + BUNDLE / 2);
    float apart = 0.0f, turned = 0.0f;
    ${loop(`{
      const float x = r[p].ox - middle.ox, y = r[p].oy - middle.oy, z = r[p].oz - middle.oz;
      apart = fmaxf(apart, x * x + y * y + z * z);
      const float a = r[p].dx - middle.dx, b = r[p].dy - middle.dy, c = r[p].dz - middle.dz;
      turned = fmaxf(turned, a * a + b * b + c * c);
    }`)}
    __shared__ int widest[2];
    if (threadIdx.x < 2) widest[threadIdx.x] = 0;
    __syncthreads();
    ${on(
      join === "shuffles",
      `#pragma unroll
      for (int step = 16; step > 0; step /= 2) {
        apart = fmaxf(apart, __shfl_xor_sync(0xffffffffu, apart, step));
        turned = fmaxf(turned, __shfl_xor_sync(0xffffffffu, turned, step));
      }`,
    )}
    ${on(join === "shuffles", "if (threadIdx.x % 32 == 0) {")}
    atomicMax(&widest[0], __float_as_int(apart));
    atomicMax(&widest[1], __float_as_int(turned));
    ${on(join === "shuffles", "}")}
    __syncthreads();
    const float spread = sqrtf(__int_as_float(widest[0]));
    const float opening = 1.01f * sqrtf(__int_as_float(widest[1]));`;
}

/** Whether any ray of the bundle may meet a sphere: its rays stay within the spread plus the opening times the way. */
const nearBundle = `
  __device__ __forceinline__ bool near_bundle(const float4& s, const Ray& middle, float spread, float opening) {
    const float x = s.x - middle.ox, y = s.y - middle.oy, z = s.z - middle.oz;
    const float along = x * middle.dx + y * middle.dy + z * middle.dz;
    const float square = x * x + y * y + z * z;
    const float reach = s.w + spread + (sqrtf(square) + s.w + spread) * opening + 1.0e-3f;
    return square - along * along <= reach * reach;
  }
`;

/** How a thread puts a triangle on the block's list. */
function append(aggregated: boolean, what: (slot: string) => string): string {
  return aggregated
    ? `const unsigned int votes = __ballot_sync(0xffffffffu, near);
      int slot = 0;
      if (threadIdx.x % 32 == 0) slot = atomicAdd(&count, __popc(votes));
      slot = __shfl_sync(0xffffffffu, slot, 0) + __popc(votes & ((1u << (threadIdx.x % 32)) - 1u));
      if (near) {
        ${what("slot")}
      }`
    : `if (near) {
        const int slot = atomicAdd(&count, 1);
        ${what("slot")}
      }`;
}

/** A block rules triangles out for its whole bundle of rays before any ray tests them. */
export const bundleLists: Template = template({
  id: "bundle-list",
  from: "group-spheres",
  idea: "Neighbouring rays see the same triangles: rule out per block with a widened middle ray, list the rest and test only those.",
  options: {
    listed: ["numbers", "planes", "short-numbers"],
    test: ["prune", "flat", "halfway"],
    division: ["approximate", "plain"],
    appended: ["each", "warp"],
    join: ["atomics", "shuffles"],
    own: [false, true],
    unroll: [false, true],
    per: [1, 2, 4],
    chunk: [1024, 512, 2048],
    block: [128, 64, 256],
  },
  valid: (o) => o.listed !== "planes" || o.chunk <= 1024,
  count: 20,
  write: (o, sizes) => {
    const { n = 0, m = 0 } = sizes;
    const listsPlanes = o.listed === "planes";
    const cell = { numbers: "int", "short-numbers": "unsigned short", planes: "float4" }[o.listed];
    const put = (slot: string): string =>
      listsPlanes
        ? [0, 1, 2].map((part) => `list[3 * ${slot} + ${part}] = prepared[3 * k + ${part}];`).join("\n")
        : `list[${slot}] = (${cell})k;`;
    const read = listsPlanes
      ? `const float4 a = list[3 * j], b = list[3 * j + 1], c = list[3 * j + 2];`
      : `const int k = list[j];
        const float4 a = prepared[3 * k], b = prepared[3 * k + 1], c = prepared[3 * k + 2];`;
    const source = `
      ${extent(sizes, "define")}
      #define BLOCK ${o.block}
      #define PER ${o.per}
      #define BUNDLE (BLOCK * PER)
      #define CHUNK ${o.chunk}
      ${rayReader(true)}
      ${planeMaker()}
      ${planeTest(o.test, o.division)}
      ${nearBundle}
      ${planesKernel("TRIANGLES")}
      ${on(!o.own, spheresKernel("1", "TRIANGLES"), ownSphere)}
      extern "C" __global__ void __launch_bounds__(BLOCK) search_listed(const float* __restrict__ rays, const float4* __restrict__ prepared, const ${o.own ? "float* __restrict__ triangles" : "float4* __restrict__ spheres"}, float* __restrict__ nearest) {
        extern __shared__ ${cell} list[];
        __shared__ int count;
        Ray r[PER];
        float best[PER];
        #pragma unroll
        for (int p = 0; p < PER; ++p) {
          r[p] = read_ray(rays, blockIdx.x * BUNDLE + p * BLOCK + threadIdx.x);
          best[p] = FAR_AWAY;
        }
        ${bundleSpread(o.join, o.per)}
        for (int base = 0; base < TRIANGLES; base += CHUNK) {
          __syncthreads();
          if (threadIdx.x == 0) count = 0;
          __syncthreads();
          for (int k = base + threadIdx.x; k < base + CHUNK; k += BLOCK) {
            const bool near = near_bundle(${o.own ? "sphere_about(triangles + 9 * k)" : "spheres[k]"}, middle, spread, opening);
            ${append(o.appended === "warp", put)}
          }
          __syncthreads();
          const int listed = count;
          ${on(o.unroll, "#pragma unroll 2", "#pragma unroll 1")}
          for (int j = 0; j < listed; ++j) {
            ${read}
            #pragma unroll
            for (int p = 0; p < PER; ++p) best[p] = cut(r[p], a, b, c, best[p]);
          }
        }
        #pragma unroll
        for (int p = 0; p < PER; ++p) nearest[blockIdx.x * BUNDLE + p * BLOCK + threadIdx.x] = best[p];
      }
    `;
    const bytes = o.chunk * { numbers: 4, "short-numbers": 2, planes: 48 }[o.listed];
    return styled(
      {
        source,
        launches: [
          launch("prepare_planes", Math.ceil(m / 128), 128, ["triangles", "prepared"]),
          ...(o.own ? [] : [launch("bound_triangles", Math.ceil(m / 128), 128, ["triangles", "spheres"])]),
          launch(
            "search_listed",
            n / (o.block * o.per),
            o.block,
            ["rays", "prepared", o.own ? "triangles" : "spheres", "nearest"],
            bytes,
          ),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

const ownSphere = `
  __device__ __forceinline__ float4 sphere_about(const float* __restrict__ c) {
    const float x = (c[0] + c[3] + c[6]) / 3.0f, y = (c[1] + c[4] + c[7]) / 3.0f, z = (c[2] + c[5] + c[8]) / 3.0f;
    float largest = 0.0f;
    #pragma unroll
    for (int k = 0; k < 9; k += 3) {
      const float a = c[k] - x, b = c[k + 1] - y, d = c[k + 2] - z;
      largest = fmaxf(largest, a * a + b * b + d * d);
    }
    return make_float4(x, y, z, sqrtf(largest) + 1.0e-4f);
  }
`;

/** One launch lists each bundle's triangles in global memory, the next tests them. */
export const listLaunches: Template = template({
  id: "list-launches",
  from: "bundle-list",
  idea: "Write the lists of bundles to global memory in a launch of their own; another launch only tests.",
  options: {
    test: ["corners", "planes"],
    exits: ["early", "flat", "deferred"],
    division: ["plain", "approximate"],
    appended: ["warp", "each"],
    join: ["shuffles", "atomics"],
    staged: [false, true],
    lister: ["bundle", "half"],
    unroll: [false, true],
    bundle: [128, 64, 256],
  },
  count: 25,
  write: (o, sizes) => {
    const { n = 0, m = 0 } = sizes;
    const planes = o.test === "planes";
    const half = o.lister === "half" && o.bundle >= 128;
    const listers = half ? o.bundle / 2 : o.bundle;
    const test = planes
      ? "best = cut(r, prepared[3 * k], prepared[3 * k + 1], prepared[3 * k + 2], best);"
      : `best = ${meetCorners((c) => `triangles[9 * k + ${c}]`, "r", "best")};`;
    const walk = listWalk(o.staged, o.unroll, test);
    const tests = planes
      ? planeMaker() + planeTest(planeTests[o.exits], o.division) + planesKernel("TRIANGLES")
      : edgeTest(o.exits, o.division);
    const source = `
      ${extent(sizes, "constexpr")}
      constexpr int BUNDLE = ${o.bundle};
      ${half ? "constexpr int PER = 2;" : ""}
      constexpr int LISTERS = ${half ? "BUNDLE / PER" : "BUNDLE"};
      ${rayReader(false)}
      ${tests}
      ${spheresKernel("1", "TRIANGLES")}
      ${nearBundle}
      // A bundle's list starts with how many it holds.
      extern "C" __global__ void list_triangles(const float* __restrict__ rays, const float4* __restrict__ spheres, int* __restrict__ lists) {
        __shared__ int count;
        if (threadIdx.x == 0) count = 0;
        int* list = lists + (size_t)blockIdx.x * (TRIANGLES + 1);
        Ray r[${half ? "PER" : "1"}];
        ${half ? "for (int p = 0; p < PER; ++p) r[p] = read_ray(rays, blockIdx.x * BUNDLE + p * LISTERS + threadIdx.x);" : "r[0] = read_ray(rays, blockIdx.x * BUNDLE + threadIdx.x);"}
        ${bundleSpread(o.join, half ? 2 : 1)}
        for (int k = threadIdx.x; k < TRIANGLES; k += LISTERS) {
          const bool near = near_bundle(spheres[k], middle, spread, opening);
          ${append(o.appended === "warp", (slot) => `list[1 + ${slot}] = k;`)}
        }
        __syncthreads();
        if (threadIdx.x == 0) list[0] = count;
      }

      extern "C" __global__ void test_listed(const float* __restrict__ rays, const ${planes ? "float4* __restrict__ prepared" : "float* __restrict__ triangles"}, const int* __restrict__ lists, float* __restrict__ nearest) {
        ${on(o.staged, "__shared__ int held[BUNDLE];")}
        const int i = blockIdx.x * BUNDLE + threadIdx.x;
        const int* list = lists + (size_t)blockIdx.x * (TRIANGLES + 1) + 1;
        const int total = list[-1];
        const Ray r = read_ray(rays, i);
        float best = FAR_AWAY;
        ${walk}
        nearest[i] = best;
      }
    `;
    return styled(
      {
        source,
        launches: [
          ...(planes ? [launch("prepare_planes", Math.ceil(m / 256), 256, ["triangles", "prepared"])] : []),
          launch("bound_triangles", Math.ceil(m / 256), 256, ["triangles", "spheres"]),
          launch("list_triangles", n / o.bundle, listers, ["rays", "spheres", "lists"]),
          launch("test_listed", n / o.bundle, o.bundle, [
            "rays",
            planes ? "prepared" : "triangles",
            "lists",
            "nearest",
          ]),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});

const planeTests = { early: "prune", flat: "flat", deferred: "halfway" } as const;

/** The walk over a bundle's list, read number by number or by parts through shared memory. */
function listWalk(staged: boolean, unrolled: boolean, test: string): string {
  const unroll = on(unrolled, "#pragma unroll 4", "#pragma unroll 1");
  return staged
    ? `for (int base = 0; base < total; base += BUNDLE) {
        __syncthreads();
        if (base + (int)threadIdx.x < total) held[threadIdx.x] = list[base + threadIdx.x];
        __syncthreads();
        const int part = min(BUNDLE, total - base);
        ${unroll}
        for (int j = 0; j < part; ++j) {
          const int k = held[j];
          ${test}
        }
      }`
    : `${unroll}
      for (int j = 0; j < total; ++j) {
        const int k = list[j];
        ${test}
      }`;
}
