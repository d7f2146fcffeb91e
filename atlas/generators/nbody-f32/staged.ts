import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { pull, storeAcc, sumParts, unrolled, weights } from "./parts.ts";

/** The loop over the tiles of a slice, with those that follow on their way. */
function aheadLoop(registers: boolean, walk: string): string {
  const ask = (
    tile: string,
  ): string => `if (${tile} < TILES) __pipeline_memcpy_async(&ring[(${tile}) % STAGES][threadIdx.x], bodies + first + (${tile}) * BLOCK + threadIdx.x, 16);
          __pipeline_commit();`;
  return registers
    ? `float4 coming = bodies[first + threadIdx.x];
        for (int tile = 0; tile < TILES; ++tile) {
          float4* slot = ring[tile % STAGES];
          slot[threadIdx.x] = coming;
          __syncthreads();
          if (tile + 1 < TILES) coming = bodies[first + (tile + 1) * BLOCK + threadIdx.x];
          ${walk}
        }`
    : `for (int s = 0; s < STAGES - 1; ++s) {
          ${ask("s")}
        }
        for (int tile = 0; tile < TILES; ++tile) {
          __pipeline_wait_prior(STAGES - 2);
          __syncthreads();
          ${ask("tile + STAGES - 1")}
          const float4* slot = ring[tile % STAGES];
          ${walk}
        }`;
}

/** The next tile is on its way while the threads walk the present one. */
export const tilesAhead: Template = template({
  id: "tiles-ahead",
  from: "register-blocks",
  idea: "Fetch the next tile while the present one is walked.",
  options: {
    fetch: ["async", "registers", "async-deep"],
    bodies: [2, 4, 1],
    weight: weights,
    fma: [false, true],
    unroll: ["8", "4", "none", "16"],
    split: [8, 4, 16],
    loads: ["struct", "locals"],
    finish: ["sum", "atomic"],
    block: [128, 256, 64],
  },
  valid: ({ bodies, block }) => bodies * block <= 1024,
  count: 24,
  write: ({ fetch, bodies, weight, fma, unroll, split, loads, finish, block }, { n = 0 }) => {
    const registers = fetch === "registers";
    const stages = fetch === "async-deep" ? 3 : 2;
    const step = repeat(bodies, (k) =>
      pull({
        weight,
        fma,
        other: (part) => (loads === "struct" ? `b.${part}` : `b${part}`),
        me: (part) => `mine[${k}].${part}`,
        sum: (part) => `total[${k}].${part}`,
      }),
    );
    const read =
      loads === "struct"
        ? "const float4 b = slot[j];"
        : "const float bx = slot[j].x, by = slot[j].y, bz = slot[j].z, bw = slot[j].w;";
    const walk = `${unrolled(unroll)}
          for (int j = 0; j < BLOCK; ++j) {
            ${read}
            ${step}
          }`;
    const loop = aheadLoop(registers, walk);
    const atomic = finish === "atomic";
    const store = atomic
      ? ["x", "y", "z"].map((part, c) => `atomicAdd(&out[3 * (i + k * BLOCK) + ${c}], total[k].${part});`).join("\n")
      : storeAcc("(out + blockIdx.y * 3 * N)", "i + k * BLOCK", (part) => `total[k].${part}`);
    const source = `
      ${on(!registers, "#include <cuda_pipeline.h>")}

      constexpr int N = ${n};
      constexpr int BLOCK = ${block};
      constexpr int HELD = ${bodies};
      constexpr int SPLIT = ${split};
      constexpr int TILES = N / SPLIT / BLOCK;
      constexpr int STAGES = ${stages};
      constexpr float EPS2 = 0.01f;

      ${on(atomic, `extern "C" __global__ void reset_acc(float* acc) {\nacc[blockIdx.x * 256 + threadIdx.x] = 0.0f;\n}\n`)}
      extern "C" __global__ void ahead_forces(const float4* __restrict__ bodies, float* __restrict__ out) {
        __shared__ __align__(16) float4 ring[STAGES][BLOCK];
        const int i = blockIdx.x * BLOCK * HELD + threadIdx.x;
        const int first = blockIdx.y * (N / SPLIT);
        float4 mine[HELD];
        float3 total[HELD];
        #pragma unroll
        for (int k = 0; k < HELD; ++k) {
          mine[k] = bodies[i + k * BLOCK];
          total[k] = make_float3(0.0f, 0.0f, 0.0f);
        }
        ${loop}
        #pragma unroll
        for (int k = 0; k < HELD; ++k) {
          ${store}
        }
      }
      ${on(!atomic, sumParts("sum_ahead", "SPLIT", "3 * N", "p * 3 * N + e", false))}
    `;
    const launches = [
      ...(atomic ? [launch("reset_acc", (3 * n) / 256, 256, ["acc"])] : []),
      launch("ahead_forces", [n / block / bodies, split], block, ["bodies", atomic ? "acc" : "parts"]),
      ...(atomic ? [] : [launch("sum_ahead", (3 * n) / 256, 256, ["parts", "acc"])]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

/** The bodies are split into arrays first, so that four of them are four vectors. */
export const arraysFirst: Template = template({
  id: "arrays-first",
  from: "broadcast-loads",
  idea: "Split the bodies into arrays of coordinates first and read four of them per vector load.",
  options: {
    by: ["lanes", "threads"],
    bodies: [2, 1, 4],
    weight: weights,
    fma: [false, true],
    split: [8, 4, 16],
    read: ["ldg", "plain"],
    reduce: ["xor", "down"],
    unroll: ["none", "2", "4"],
    block: [128, 256, 64],
  },
  valid: ({ bodies, block }) => bodies * block <= 1024,
  count: 24,
  write: ({ by, bodies, weight, fma, split, read, reduce, unroll, block }, { n = 0 }) => {
    const get = (array: string): string => (read === "ldg" ? `__ldg(${array} + q)` : `${array}[q]`);
    const step = ["x", "y", "z", "w"]
      .map((lane) =>
        repeat(bodies, (k) =>
          pull({
            weight,
            fma,
            other: (part) => `${part === "w" ? "m" : part}4.${lane}`,
            me: (part) => `me${k}.${part}`,
            sum: (part) => `a${k}.${part}`,
          }),
        ),
      )
      .join("\n");
    const body = `float4 x4 = ${get("xs")}, y4 = ${get("ys")}, z4 = ${get("zs")}, m4 = ${get("ms")};
          ${step}`;
    const lanes = by === "lanes";
    const shuffle = reduce === "xor" ? "__shfl_xor_sync" : "__shfl_down_sync";
    const sums = repeat(bodies, (k) =>
      ["x", "y", "z"].map((part) => `a${k}.${part} += ${shuffle}(0xffffffffu, a${k}.${part}, d);`).join("\n"),
    );
    const main = lanes
      ? `int i = (blockIdx.x * (BLOCK / 32) + threadIdx.x / 32) * ${bodies};
        ${repeat(bodies, (k) => `float4 me${k} = bodies[i + ${k}];\nfloat3 a${k} = make_float3(0.0f, 0.0f, 0.0f);`)}
        ${unrolled(unroll)}
        for (int q = threadIdx.x % 32; q < N / 4; q += 32) {
          ${body}
        }
        for (int d = 16; d > 0; d /= 2) {
          ${sums}
        }
        if (threadIdx.x % 32 == 0) {
          ${repeat(bodies, (k) => storeAcc("out", `i + ${k}`, (part) => `a${k}.${part}`))}
        }`
      : `int i = blockIdx.x * BLOCK * ${bodies} + threadIdx.x;
        ${repeat(bodies, (k) => `float4 me${k} = bodies[i + ${k} * BLOCK];\nfloat3 a${k} = make_float3(0.0f, 0.0f, 0.0f);`)}
        ${unrolled(unroll)}
        for (int q = blockIdx.y * (N / 4 / SPLIT); q < (blockIdx.y + 1) * (N / 4 / SPLIT); ++q) {
          ${body}
        }
        ${repeat(bodies, (k) => storeAcc("(out + blockIdx.y * 3 * N)", `i + ${k} * BLOCK`, (part) => `a${k}.${part}`))}`;
    const source = `
      #define N ${n}
      #define BLOCK ${block}
      ${on(!lanes, `#define SPLIT ${split}`)}
      #define EPS2 0.01f

      extern "C" __global__ void split_bodies(const float4* bodies, float* arrays) {
        int i = blockIdx.x * 256 + threadIdx.x;
        float4 b = bodies[i];
        arrays[i] = b.x;
        arrays[N + i] = b.y;
        arrays[2 * N + i] = b.z;
        arrays[3 * N + i] = b.w;
      }

      extern "C" __global__ void sum_quads(const float4* __restrict__ bodies, const float4* __restrict__ arrays, float* __restrict__ result) {
        const float4* xs = arrays;
        const float4* ys = arrays + N / 4;
        const float4* zs = arrays + N / 2;
        const float4* ms = arrays + 3 * N / 4;
        float* out = result${on(!lanes, " + 4 * N")};
        ${main}
      }
      ${on(!lanes, sumParts("sum_slices", "SPLIT", "3 * N", "4 * N + p * 3 * N + e", true))}
    `;
    const launches = [
      launch("split_bodies", n / 256, 256, ["bodies", "parts"]),
      lanes
        ? launch("sum_quads", n / bodies / (block / 32), block, ["bodies", "parts", "acc"])
        : launch("sum_quads", [n / block / bodies, split], block, ["bodies", "parts", "parts"]),
      ...(lanes ? [] : [launch("sum_slices", (3 * n) / 256, 256, ["parts", "acc"])]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
