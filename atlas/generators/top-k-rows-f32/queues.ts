import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { lowest, reading } from "./parts.ts";

const sortLanes = `
      // Ascending over the lanes.
      __device__ __forceinline__ float sort_lanes(float v, int lane) {
        #pragma unroll
        for (int size = 2; size <= 32; size <<= 1) {
          #pragma unroll
          for (int span = size >> 1; span > 0; span >>= 1) {
            float other = __shfl_xor_sync(0xffffffffu, v, span);
            bool up = (lane & size) == 0 || size == 32;
            bool lower = (lane & span) == 0;
            v = up == lower ? fminf(v, other) : fmaxf(v, other);
          }
        }
        return v;
      }
`;

const absorb = `
      // Merges ascending numbers with the descending queue; the larger 32 stay.
      __device__ __forceinline__ float absorb(float queue, float ascending, int lane) {
        float kept = fmaxf(queue, ascending);
        #pragma unroll
        for (int span = 16; span > 0; span >>= 1) {
          float other = __shfl_xor_sync(0xffffffffu, kept, span);
          kept = (lane & span) == 0 ? fmaxf(kept, other) : fminf(kept, other);
        }
        return kept;
      }
`;

const take: Readonly<Record<"one-by-one" | "batch" | "count", string>> = {
  "one-by-one": `unsigned int waiting = __ballot_sync(0xffffffffu, v > limit);
          while (waiting) {
            int from = __ffs(waiting) - 1;
            waiting &= waiting - 1;
            float candidate = __shfl_sync(0xffffffffu, v, from);
            if (candidate > limit) {
              int place = __popc(__ballot_sync(0xffffffffu, queue >= candidate));
              float before = __shfl_up_sync(0xffffffffu, queue, 1);
              queue = lane < place ? queue : lane == place ? candidate : before;
              limit = __shfl_sync(0xffffffffu, queue, 15);
            }
          }`,
  batch: `if (__any_sync(0xffffffffu, v > limit)) {
            queue = absorb(queue, sort_lanes(v, lane), lane);
            limit = __shfl_sync(0xffffffffu, queue, 15);
          }`,
  count: `unsigned int waiting = __ballot_sync(0xffffffffu, v > limit);
          if (__popc(waiting) > 3) {
            queue = absorb(queue, sort_lanes(v, lane), lane);
          } else {
            for (; waiting; waiting &= waiting - 1) {
              float candidate = __shfl_sync(0xffffffffu, v, __ffs(waiting) - 1);
              int place = __popc(__ballot_sync(0xffffffffu, queue >= candidate));
              float before = __shfl_up_sync(0xffffffffu, queue, 1);
              if (lane >= place) queue = lane == place ? candidate : before;
            }
          }
          limit = __shfl_sync(0xffffffffu, queue, 15);`,
};

/** The warp's sorted queue has one number per lane. */
export const warpQueue: Template = template({
  id: "warp-queue",
  from: "lists-per-lane",
  idea: "Keep one sorted queue per warp, a number per lane, and let only numbers above its sixteenth in.",
  options: {
    take: ["one-by-one", "batch", "count"],
    scope: ["warp", "block"],
    load: ["quad", "single", "pair-of-quads"],
    gate: [true, false],
    read: ["plain", "ldg", "streaming"],
    unroll: ["none", "2", "4"],
    gather: ["absorb", "insert"],
    warps: [4, 8, 2],
  },
  valid: ({ scope, gather }) => scope === "block" || gather === "absorb",
  count: 30,
  write: ({ take: kind, scope, load, gate, read, unroll, gather, warps }, { rows = 0, cols = 0 }) => {
    const block = scope === "block";
    const first = block ? "threadIdx.x" : "lane";
    const step = block ? warps * 32 : 32;
    const offer = (v: string): string => `{\nfloat v = ${v};\n${take[kind]}\n}`;
    const quad = (name: string): string => {
      const all = ["x", "y", "z", "w"].map((part) => offer(`${name}.${part}`)).join("\n");
      return gate
        ? `if (__any_sync(0xffffffffu, fmaxf(fmaxf(${name}.x, ${name}.y), fmaxf(${name}.z, ${name}.w)) > limit)) {\n${all}\n}`
        : all;
    };
    const pragma = on(unroll !== "none", `#pragma unroll ${unroll}\n`);
    const loops = {
      quad: `${pragma}for (int j = ${first}; j < COLS / 4; j += ${step}) {
          float4 item = ${reading(read, "quads[j]")};
          ${quad("item")}
        }`,
      "pair-of-quads": `${pragma}for (int j = ${first}; j < COLS / 4; j += 2 * ${step}) {
          float4 one = ${reading(read, "quads[j]")};
          float4 two = ${reading(read, `quads[j + ${step}]`)};
          ${quad("one")}
          ${quad("two")}
        }`,
      single: `${pragma}for (int j = ${first}; j < COLS; j += ${step}) {
          float item = ${reading(read, "in[j]")};
          ${offer("item")}
        }`,
    }[load];
    const gathered =
      gather === "absorb"
        ? "queue = absorb(queue, lane >= 16 ? found[w][31 - lane] : LOWEST, lane);"
        : `for (int q = 0; q < 16; ++q) {
            float candidate = found[w][q];
            int place = __popc(__ballot_sync(0xffffffffu, queue >= candidate));
            float before = __shfl_up_sync(0xffffffffu, queue, 1);
            queue = lane < place ? queue : lane == place ? candidate : before;
          }`;
    const finish = block
      ? `__shared__ float found[WARPS][16];
        if (lane < 16) found[threadIdx.x / 32][lane] = queue;
        __syncthreads();
        if (threadIdx.x < 32) {
          for (int w = 1; w < WARPS; ++w) {
            ${gathered}
          }
          if (lane < 16) top[(size_t)row * 16 + lane] = queue;
        }`
      : "if (lane < 16) top[(size_t)row * 16 + lane] = queue;";
    const source = `
      #define COLS ${cols}
      #define WARPS ${warps}
      #define LOWEST ${lowest}

      ${on(kind !== "one-by-one", sortLanes)}
      ${on(kind !== "one-by-one" || (block && gather === "absorb"), absorb)}
      extern "C" __global__ void queue_rows(const float* __restrict__ x, float* __restrict__ top) {
        const int lane = threadIdx.x & 31;
        const int row = ${block ? "blockIdx.x" : "blockIdx.x * WARPS + threadIdx.x / 32"};
        const float* in = x + (size_t)row * COLS;
        ${on(load !== "single", "const float4* quads = reinterpret_cast<const float4*>(in);")}
        float queue = LOWEST, limit = LOWEST;
        ${loops}
        ${finish}
      }
    `;
    return styled(
      { source, launches: [launch("queue_rows", block ? rows : rows / warps, warps * 32, ["x", "top"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** How numbers enter the waiting room and leave it. */
function waitingSteps(
  append: "ballot" | "atomic",
  drain: "loop" | "once",
  early: boolean,
): { put: string; drains: string } {
  const put =
    append === "ballot"
      ? `unsigned int passing = __ballot_sync(0xffffffffu, v > limit);
          if (v > limit) room[warp][waiting + __popc(passing & ((1u << lane) - 1u))] = v;
          waiting += __popc(passing);
          __syncwarp();`
      : `if (v > limit) room[warp][atomicAdd(&counts[warp], 1)] = v;
          __syncwarp();
          waiting = counts[warp];
          __syncwarp();`;
  const lowered = on(append === "atomic", "if (lane == 0) counts[warp] = waiting;\n__syncwarp();");
  const drains = {
    loop: `while (waiting >= 32) {
            waiting -= 32;
            float v = room[warp][waiting + lane];
            queue = absorb(queue, sort_lanes(v, lane), lane);
            ${on(early, "limit = __shfl_sync(0xffffffffu, queue, 15);")}
            __syncwarp();
            ${lowered}
          }`,
    once: `if (waiting >= 32) {
            float v = room[warp][lane];
            queue = absorb(queue, sort_lanes(v, lane), lane);
            waiting -= 32;
            v = room[warp][32 + lane];
            __syncwarp();
            room[warp][lane] = v;
            ${on(early, "limit = __shfl_sync(0xffffffffu, queue, 15);")}
            __syncwarp();
            ${lowered}
          }`,
  }[drain];
  return { put, drains };
}

/** Candidates wait in shared memory until there are enough of them to sort. */
export const waitingRoom: Template = template({
  id: "waiting-room",
  from: "warp-queue",
  idea: "Collect the numbers above the limit in shared memory and merge them into the queue 32 at a time.",
  options: {
    append: ["ballot", "atomic"],
    scope: ["block", "warp"],
    drain: ["loop", "once"],
    refill: ["limit", "lazy"],
    load: ["quad", "single"],
    gate: [false, true],
    read: ["plain", "ldg", "streaming"],
    unroll: ["none", "2"],
    warps: [8, 4, 2],
  },
  count: 20,
  write: ({ append, scope, drain, refill, load, gate, read, unroll, warps }, { rows = 0, cols = 0 }) => {
    const block = scope === "block";
    const { put, drains } = waitingSteps(append, drain, refill === "limit");
    const offer = (v: string): string => `{
          float v = ${v};
          ${put}
          ${drains}
        }`;
    const members = block ? warps * 32 : 32;
    const first = block ? "threadIdx.x" : "lane";
    const quads = ["x", "y", "z", "w"].map((part) => offer(`item.${part}`)).join("\n");
    const lazy = on(refill === "lazy", "limit = __shfl_sync(0xffffffffu, queue, 15);");
    const loop =
      load === "quad"
        ? `${on(unroll !== "none", `#pragma unroll ${unroll}\n`)}for (int j = ${first}; j < COLS / 4; j += ${members}) {
          float4 item = ${reading(read, "reinterpret_cast<const float4*>(in)[j]")};
          ${gate ? `if (__any_sync(0xffffffffu, fmaxf(fmaxf(item.x, item.y), fmaxf(item.z, item.w)) > limit)) {\n${quads}\n}` : quads}
          ${lazy}
        }`
        : `${on(unroll !== "none", `#pragma unroll ${unroll}\n`)}for (int j = ${first}; j < COLS; j += ${members}) {
          float item = ${reading(read, "in[j]")};
          ${gate ? `if (__any_sync(0xffffffffu, item > limit)) ${offer("item")}` : offer("item")}
          ${lazy}
        }`;
    const source = `
      constexpr int COLS = ${cols};
      constexpr int WARPS = ${warps};
      constexpr float LOWEST = ${lowest};

      ${sortLanes}
      ${absorb}
      extern "C" __global__ void collect_top(const float* __restrict__ x, float* __restrict__ top) {
        __shared__ float room[WARPS][64];
        ${on(append === "atomic", "__shared__ int counts[WARPS];")}
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const int row = ${block ? "blockIdx.x" : "blockIdx.x * WARPS + warp"};
        const float* in = x + (size_t)row * COLS;
        float queue = LOWEST, limit = LOWEST;
        int waiting = 0;
        ${on(append === "atomic", "if (lane == 0) counts[warp] = 0;\n__syncwarp();")}
        ${loop}
        float rest = lane < waiting ? room[warp][lane] : LOWEST;
        queue = absorb(queue, sort_lanes(rest, lane), lane);
        ${
          block
            ? `__syncthreads();
        if (lane < 16) room[warp][15 - lane] = queue;
        __syncthreads();
        if (warp == 0) {
          for (int w = 1; w < WARPS; ++w) queue = absorb(queue, lane < 16 ? LOWEST : room[w][lane - 16], lane);
        }`
            : ""
        }
        if (lane < 16${on(block, " && warp == 0")}) top[(size_t)row * 16 + lane] = queue;
      }
    `;
    return styled(
      { source, launches: [launch("collect_top", block ? rows : rows / warps, warps * 32, ["x", "top"])] },
      { names: "camel", indent: 2 },
    );
  },
});
