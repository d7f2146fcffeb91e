import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { pull, pullFunction, storeAcc, sumParts, unrolled, weights } from "./parts.ts";

/** One thread per body; the others come straight from global memory. */
export const threadBody: Template = template({
  id: "thread-per-body",
  from: null,
  idea: "Keep one thread per body, read vectors and change how the weight is computed.",
  options: {
    weight: weights,
    read: ["vector", "ldg", "scalars"],
    fma: [false, true],
    unroll: ["none", "4", "8", "2"],
    skip: [false, true],
    restrict: [true, false],
    sums: ["one", "two"],
    block: [256, 128, 64, 32],
  },
  count: 22,
  write: ({ weight, read, fma, unroll, skip, restrict, sums, block }, { n = 0 }) => {
    const q = on(restrict, " __restrict__");
    const body = (index: string, into: string): string =>
      ({
        vector: `float4 ${into} = bodies[${index}];`,
        ldg: `float4 ${into} = __ldg(bodies + ${index});`,
        scalars: `const float* p_${into} = reinterpret_cast<const float*>(bodies + ${index});
          float4 ${into} = make_float4(p_${into}[0], p_${into}[1], p_${into}[2], p_${into}[3]);`,
      })[read];
    const one = (index: string, sum: string): string => `{
          ${body(index, "b")}
          ${on(skip, `if (${index} != i) `)}${pull({ weight, fma, other: (part) => `b.${part}`, me: (part) => `me.${part}`, sum: (part) => `${sum}.${part}` })}
        }`;
    const two = sums === "two";
    const source = `
      #define N ${n}
      #define EPS2 0.01f

      extern "C" __global__ void gravity(const float4*${q} bodies, float*${q} acc) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        ${body("i", "me")}
        float3 a = make_float3(0.0f, 0.0f, 0.0f);
        ${on(two, "float3 b2 = make_float3(0.0f, 0.0f, 0.0f);")}
        ${unrolled(unroll)}
        for (int j = 0; j < N; ${two ? "j += 2" : "++j"}) {
          ${one("j", "a")}
          ${on(two, one("(j + 1)", "b2"))}
        }
        ${storeAcc("acc", "i", (part) => (two ? `a.${part} + b2.${part}` : `a.${part}`))}
      }
    `;
    return styled(
      { source, launches: [launch("gravity", n / block, block, ["bodies", "acc"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Tiles of bodies in shared memory. */
export const sharedTiles: Template = template({
  id: "shared-tiles",
  from: "thread-per-body",
  idea: "Load a tile of bodies into shared memory once per block and let every thread walk it.",
  options: {
    tile: ["vectors", "arrays", "ldg"],
    weight: weights,
    style: ["inline", "function"],
    unroll: ["none", "8", "16", "4", "32"],
    fma: [false, true],
    twice: [false, true],
    order: ["same", "rotated"],
    bounds: [false, true],
    block: [256, 128, 64, 512],
  },
  valid: ({ tile, style }) => style === "inline" || tile !== "arrays",
  count: 30,
  write: ({ tile, weight, style, unroll, fma, twice, order, bounds, block }, { n = 0 }) => {
    const arrays = tile === "arrays";
    const other = (part: string): string => (arrays ? `${part === "w" ? "m" : part}s[j]` : `tile[j].${part}`);
    const step =
      style === "function"
        ? "add_pull(a, me, tile[j]);"
        : pull({ weight, fma, other, me: (part) => `me.${part}`, sum: (part) => `a.${part}` });
    const put = (at: string, from: string): string =>
      arrays
        ? `{
            float4 b = bodies[${from}];
            xs[${at}] = b.x;
            ys[${at}] = b.y;
            zs[${at}] = b.z;
            ms[${at}] = b.w;
          }`
        : tile === "ldg"
          ? `tile[${at}] = __ldg(bodies + ${from});`
          : `tile[${at}] = bodies[${from}];`;
    const length = twice ? "(2 * BLOCK)" : "BLOCK";
    const first = order === "rotated" ? `int start = (base + blockIdx.x * ${length}) % N;` : "int start = base;";
    const source = `
      constexpr int N = ${n};
      constexpr int BLOCK = ${block};
      constexpr float EPS2 = 0.01f;

      ${on(style === "function", pullFunction("add_pull", weight, fma))}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}tiled_forces(const float4* __restrict__ bodies, float* __restrict__ acc) {
        ${arrays ? `__shared__ float xs[${length}], ys[${length}], zs[${length}], ms[${length}];` : `__shared__ float4 tile[${length}];`}
        const int i = blockIdx.x * BLOCK + threadIdx.x;
        const float4 me = bodies[i];
        float3 a = {0.0f, 0.0f, 0.0f};
        for (int base = 0; base < N; base += ${length}) {
          ${first}
          ${put("threadIdx.x", "start + threadIdx.x")}
          ${on(twice, put("threadIdx.x + BLOCK", "start + BLOCK + threadIdx.x"))}
          __syncthreads();
          ${unrolled(unroll)}
          for (int j = 0; j < ${length}; ++j) {
            ${step}
          }
          __syncthreads();
        }
        ${storeAcc("acc", "i", (part) => `a.${part}`)}
      }
    `;
    return styled(
      { source, launches: [launch("tiled_forces", n / block, block, ["bodies", "acc"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** A warp for each body, or for a few. */
export const warpBodies: Template = template({
  id: "warp-per-bodies",
  from: "thread-per-body",
  idea: "Let the lanes of a warp share the sum for a few bodies and add up with shuffles.",
  options: {
    bodies: [1, 2, 4, 8],
    weight: weights,
    fma: [false, true],
    reduce: ["xor", "down", "loop"],
    ahead: [false, true],
    read: ["plain", "ldg"],
    unroll: ["none", "2", "4"],
    warps: [4, 8, 2],
  },
  count: 26,
  write: ({ bodies, weight, fma, reduce, ahead, read, unroll, warps }, { n = 0 }) => {
    const get = (index: string): string => (read === "ldg" ? `__ldg(&bodies[${index}])` : `bodies[${index}]`);
    const calls = {
      xor: (v: string): string => repeat(5, (k) => `${v} += __shfl_xor_sync(0xffffffffu, ${v}, ${16 >> k});`),
      down: (v: string): string => repeat(5, (k) => `${v} += __shfl_down_sync(0xffffffffu, ${v}, ${16 >> k});`),
      loop: (v: string): string => `for (int d = 16; d > 0; d >>= 1) ${v} += __shfl_xor_sync(0xffffffffu, ${v}, d);`,
    }[reduce];
    const step = repeat(bodies, (k) =>
      pull({
        weight,
        fma,
        other: (part) => `b.${part}`,
        me: (part) => `me${k}.${part}`,
        sum: (part) => `a${k}.${part}`,
      }),
    );
    const source = `
      #define N ${n}
      #define EPS2 0.01f
      #define WARPS ${warps}

      extern "C" __global__ void warp_gravity(const float4* __restrict__ bodies, float* __restrict__ acc) {
        int lane = threadIdx.x & 31;
        int i = (blockIdx.x * WARPS + (threadIdx.x >> 5)) * ${bodies};
        ${repeat(bodies, (k) => `float4 me${k} = bodies[i + ${k}];\nfloat3 a${k} = make_float3(0.0f, 0.0f, 0.0f);`)}
        ${on(ahead, `float4 next = ${get("lane")};`)}
        ${unrolled(unroll)}
        for (int j = lane; j < N; j += 32) {
          ${
            ahead
              ? `float4 b = next;
          if (j + 32 < N) next = ${get("j + 32")};`
              : `float4 b = ${get("j")};`
          }
          ${step}
        }
        ${repeat(bodies, (k) => ["x", "y", "z"].map((part) => calls(`a${k}.${part}`)).join("\n"))}
        if (lane == 0) {
          ${repeat(bodies, (k) => storeAcc("acc", `i + ${k}`, (part) => `a${k}.${part}`))}
        }
      }
    `;
    const draft = { source, launches: [launch("warp_gravity", n / bodies / warps, warps * 32, ["bodies", "acc"])] };
    return styled(draft, { names: "snake", indent: 4 });
  },
});

/** Several bodies per thread, the others broadcast from the caches. */
export const broadcastLoads: Template = template({
  id: "broadcast-loads",
  from: "thread-per-body",
  idea: "Hold several bodies per thread, so that each body read by the whole warp at once serves several sums.",
  options: {
    bodies: [4, 2, 8],
    split: [8, 1, 4, 16, 32],
    weight: weights,
    fma: [false, true],
    ahead: ["none", "one", "pair"],
    spread: [true, false],
    arrays: [true, false],
    unroll: ["none", "4", "2"],
    block: [128, 64, 256],
  },
  valid: ({ bodies, block }) => bodies * block <= 1024,
  count: 26,
  write: ({ bodies, split, weight, fma, ahead, spread, arrays, unroll, block }, { n = 0 }) => {
    const mine = (k: string | number): string => (arrays ? `me[${k}]` : `me${k}`);
    const sum = (k: string | number): string => (arrays ? `a[${k}]` : `a${k}`);
    const one = (k: string | number, b: string): string =>
      pull({
        weight,
        fma,
        other: (part) => `${b}.${part}`,
        me: (part) => `${mine(k)}.${part}`,
        sum: (part) => `${sum(k)}.${part}`,
      });
    const all = (b: string): string =>
      arrays ? `#pragma unroll\nfor (int k = 0; k < HELD; ++k) ${one("k", b)}` : repeat(bodies, (k) => one(k, b));
    const loops = {
      none: `${unrolled(unroll)}
        for (int j = first; j < first + LENGTH; ++j) {
          float4 b = __ldg(bodies + j);
          ${all("b")}
        }`,
      one: `float4 next = __ldg(bodies + first);
        ${unrolled(unroll)}
        for (int j = first; j < first + LENGTH; ++j) {
          float4 b = next;
          next = __ldg(bodies + min(j + 1, N - 1));
          ${all("b")}
        }`,
      pair: `${unrolled(unroll)}
        for (int j = first; j < first + LENGTH; j += 2) {
          float4 b = __ldg(bodies + j), c = __ldg(bodies + j + 1);
          ${all("b")}
          ${all("c")}
        }`,
    }[ahead];
    const place = (k: string | number): string => (spread ? `i + ${k} * BLOCK` : `i + ${k}`);
    const store = (k: string | number): string =>
      storeAcc(split > 1 ? "(out + blockIdx.y * 3 * N)" : "out", place(k), (part) => `${sum(k)}.${part}`);
    const source = `
      constexpr int N = ${n}, BLOCK = ${block}, HELD = ${bodies}, SPLIT = ${split};
      constexpr int LENGTH = N / SPLIT;
      constexpr float EPS2 = 0.01f;

      extern "C" __global__ void held_bodies(const float4* __restrict__ bodies, float* __restrict__ out) {
        const int i = blockIdx.x * BLOCK * HELD + threadIdx.x${on(!spread, " * HELD")};
        const int first = blockIdx.y * LENGTH;
        ${
          arrays
            ? `float4 me[HELD];
        float3 a[HELD];
        for (int k = 0; k < HELD; ++k) {
          me[k] = bodies[${place("k")}];
          a[k] = make_float3(0.0f, 0.0f, 0.0f);
        }`
            : repeat(bodies, (k) => `const float4 me${k} = bodies[${place(k)}];\nfloat3 a${k} = {0.0f, 0.0f, 0.0f};`)
        }
        ${loops}
        ${arrays ? `for (int k = 0; k < HELD; ++k) {\n${store("k")}\n}` : repeat(bodies, store)}
      }
      ${on(split > 1, sumParts("add_parts", "SPLIT", "3 * N", "p * 3 * N + e", true))}
    `;
    const main = launch("held_bodies", [n / block / bodies, split], block, ["bodies", split > 1 ? "parts" : "acc"]);
    const launches = split > 1 ? [main, launch("add_parts", (3 * n) / 256, 256, ["parts", "acc"])] : [main];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
