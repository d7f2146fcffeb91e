import { launch, on, styled, template } from "../kit/code.ts";
import { advance, begin, pointers, steps, ull } from "./steps.ts";

/** Lanes that are through take their warp's next numbers. */
export const warpRefill = template({
  id: "warp-refill",
  from: "trailing-zeros",
  idea: "Give a warp a run of numbers and refill lanes that are through, found by a vote",
  options: {
    step: steps,
    state: ["index", "flag"],
    prefix: ["mask", "lanemask"],
    rounds: ["loop", "unrolled", "exit"],
    wait: [1, 8, 16],
    round: [4, 8, 16],
    chunk: [1024, 512, 2048, 4096],
    block: [128, 256, 512],
  },
  count: 26,
  write: (o, { n: total = 0 }) => {
    const flag = o.state === "flag";
    const idle = flag ? "!busy" : "index < 0";
    const below = o.prefix === "mask" ? "((1u << lane) - 1u)" : "lanes_below()";
    const loop =
      o.rounds === "exit"
        ? `for (int k = 0; k < ${o.round} && n != 1; ++k) {\n${advance(o.step)}\n}`
        : `${on(o.rounds === "unrolled", "#pragma unroll", "#pragma unroll 1")}
          for (int k = 0; k < ${o.round}; ++k) {
            if (n != 1) {
              ${advance(o.step)}
            }
          }`;
    const source = `#define CHUNK ${o.chunk}

      ${on(
        o.prefix === "lanemask",
        `__device__ __forceinline__ unsigned int lanes_below() {
          unsigned int mask;
          asm("mov.u32 %0, %%lanemask_lt;" : "=r"(mask));
          return mask;
        }`,
      )}
      extern "C" __global__ void refill(${pointers()}) {
        const int lane = threadIdx.x & 31;
        int next = (blockIdx.x * (${o.block} / 32) + threadIdx.x / 32) * CHUNK;
        const int end = next + CHUNK;
        ${flag ? "bool busy = false;\nint index = 0;" : "int index = -1;"}
        int steps = 0;
        ${ull} n = 1;
        for (;;) {
          if (n == 1 && ${flag ? "busy" : "index >= 0"}) {
            lengths[index] = steps;
            ${flag ? "busy = false;" : "index = -1;"}
          }
          const unsigned int idle = __ballot_sync(0xffffffffu, ${idle});
          const int idle_lanes = __popc(idle);
          if (next < end) {
            if (idle_lanes >= ${o.wait}) {
              const int mine = next + __popc(idle & ${below});
              if (${idle} && mine < end) {
                ${on(flag, "busy = true;")}
                index = mine;
                n = numbers[mine];
                steps = 0;
                ${begin(o.step)}
              }
              next += idle_lanes;
            }
          } else if (idle_lanes == 32) {
            break;
          }
          ${loop}
        }
      }
    `;
    const blocks = total / o.chunk / (o.block / 32);
    return styled(
      { source, launches: [launch("refill", blocks, o.block, ["numbers", "lengths"])] },
      { names: "snake", indent: 4 },
    );
  },
});

interface Ticketing {
  readonly scope: "block" | "device";
  readonly draw: "lane" | "warp";
  readonly batch: number;
}

/** Statements that give `ticket` to a thread; a warp draws for all of its active lanes at once where asked. */
function drawTicket({ scope, draw, batch }: Ticketing): string {
  const counter = scope === "block" ? "&taken" : "places";
  if (draw === "lane") return `ticket = atomicAdd(${counter}, ${batch});`;
  return `{
      const unsigned int peers = __activemask();
      const int leader = __ffs(peers) - 1;
      const int rank = __popc(peers & ((1u << (threadIdx.x & 31)) - 1u));
      int base = 0;
      if (rank == 0) base = atomicAdd(${counter}, ${batch} * __popc(peers));
      ticket = __shfl_sync(peers, base, leader) + ${batch} * rank;
    }`;
}

/** Threads draw the next numbers from a counter. */
export const tickets = template({
  id: "tickets",
  from: "warp-refill",
  idea: "Let every thread draw its next number from an atomic counter",
  options: {
    scope: ["block", "device"],
    draw: ["lane", "warp"],
    shape: ["flat", "nested"],
    step: steps,
    burst: [1, 4, 8],
    batch: [1, 2, 4],
    block: [256, 128, 512],
    segment: [8192, 16384, 4096],
  },
  count: 26,
  write: (o, { n: total = 0 }) => {
    const block = o.scope === "block";
    const draw = drawTicket(o);
    const [first, limit] = block ? ["blockIdx.x * SEGMENT + ", "SEGMENT"] : ["", "COUNT"];
    const burst =
      o.burst === 1
        ? advance(o.step)
        : `#pragma unroll
          for (int k = 0; k < ${o.burst}; ++k) {
            if (n != 1) {
              ${advance(o.step)}
            }
          }`;
    const nested = `int ticket;
        for (;;) {
          ${draw}
          if (ticket >= ${limit}) break;
          for (int i = ticket; i < ticket + ${o.batch}; ++i) {
            ${ull} n = numbers[${first}i];
            int steps = 0;
            ${begin(o.step)}
            while (n != 1) {
              ${burst}
            }
            lengths[${first}i] = steps;
          }
        }`;
    const flat = `int ticket, left = ${o.batch};
        ${draw}
        if (ticket >= ${limit}) return;
        ${ull} n = numbers[${first}ticket];
        int steps = 0;
        ${begin(o.step)}
        for (;;) {
          if (n == 1) {
            lengths[${first}ticket] = steps;
            ++ticket;
            if (--left == 0) {
              ${draw}
              left = ${o.batch};
              if (ticket >= ${limit}) break;
            }
            n = numbers[${first}ticket];
            steps = 0;
            ${begin(o.step)}
          } else {
            ${burst}
          }
        }`;
    const source = `constexpr int ${block ? `SEGMENT = ${o.segment}` : `COUNT = ${total}`};

      ${on(!block, `extern "C" __global__ void no_tickets(int* places) {\nplaces[0] = 0;\n}\n`)}
      extern "C" __global__ void draw_numbers(${pointers()}${on(!block, ", int* places")}) {
        ${on(
          block,
          `__shared__ int taken;
          if (threadIdx.x == 0) taken = 0;
          __syncthreads();`,
        )}
        ${o.shape === "flat" ? flat : nested}
      }
    `;
    const launches = block
      ? [launch("draw_numbers", total / o.segment, o.block, ["numbers", "lengths"])]
      : [
          launch("no_tickets", 1, 1, ["places"]),
          launch("draw_numbers", (132 * 2048) / o.block, o.block, ["numbers", "lengths", "places"]),
        ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

const appends = {
  lane: `if (open) slot = atomicAdd(places, 1);`,
  warp: `const unsigned int votes = __ballot_sync(0xffffffffu, open);
      const int lane = threadIdx.x & 31;
      int first = 0;
      if (lane == 0 && votes) first = atomicAdd(places, __popc(votes));
      slot = __shfl_sync(0xffffffffu, first, 0) + __popc(votes & ((1u << lane) - 1u));`,
  block: `__shared__ int waiting, first;
      if (threadIdx.x == 0) waiting = 0;
      __syncthreads();
      if (open) slot = atomicAdd(&waiting, 1);
      __syncthreads();
      if (threadIdx.x == 0) first = atomicAdd(places, waiting);
      __syncthreads();
      slot += first;`,
} as const;

/** A bounded walk for all; what is left is gathered and walked on by dense warps. */
export const survivors = template({
  id: "survivors-gathered",
  from: "trailing-zeros",
  idea: "Walk a bounded number of steps, gather the numbers that are not through and finish those densely",
  options: {
    append: ["warp", "lane", "block"],
    step: ["zeros", "plain", "shortcut", "select"],
    rest: ["stride", "per-thread"],
    kept: ["value", "index"],
    unroll: [false, true],
    budget: [40, 20, 80, 120],
    block: [256, 128, 512],
  },
  count: 24,
  write: (o, { n: total = 0 }) => {
    const value = o.kept === "value";
    const finish = `const int i = places[64 + k];
      ${ull} n = ${value ? "queue[k]" : "numbers[i]"};
      int steps = ${value ? "lengths[i]" : "0"};
      ${on(!value, begin(o.step))}
      while (n != 1) {
        ${advance(o.step)}
      }
      lengths[i] = steps;`;
    const rest =
      o.rest === "stride"
        ? `const int waiting = places[0];
          for (int k = blockIdx.x * blockDim.x + threadIdx.x; k < waiting; k += gridDim.x * blockDim.x) {
            ${finish}
          }`
        : `const int k = blockIdx.x * blockDim.x + threadIdx.x;
          if (k >= places[0]) return;
          ${finish}`;
    const source = `#define BUDGET ${o.budget}

      extern "C" __global__ void empty_list(int* places) {
        if (threadIdx.x == 0) places[0] = 0;
      }

      extern "C" __global__ void bounded(${pointers()}, int* places${on(value, `, ${ull}* queue`)}) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        ${ull} n = numbers[i];
        int steps = 0;
        ${begin(o.step)}
        ${on(o.unroll, "#pragma unroll 4")}
        for (int round = 0; round < BUDGET; ++round) {
          if (n == 1) break;
          ${advance(o.step)}
        }
        const bool open = n != 1;
        int slot = 0;
        ${appends[o.append]}
        if (open) {
          places[64 + slot] = i;
          ${on(value, "queue[slot] = n;")}
        }
        ${value ? "lengths[i] = steps;" : "else {\nlengths[i] = steps;\n}"}
      }

      extern "C" __global__ void finish(${on(value, pointers(false).replace("const unsigned int* numbers, ", ""), pointers(false))}, const int* places${on(value, `, const ${ull}* queue`)}) {
        ${rest}
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("empty_list", 1, 32, ["places"]),
          launch("bounded", total / o.block, o.block, ["numbers", "lengths", "places", ...(value ? ["queue"] : [])]),
          launch("finish", o.rest === "stride" ? (132 * 2048) / o.block : total / o.block, o.block, [
            ...(value ? ["lengths"] : ["numbers", "lengths"]),
            "places",
            ...(value ? ["queue"] : []),
          ]),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});
