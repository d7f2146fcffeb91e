import { launch, repeat, styled, template } from "../kit/code.ts";
import { followLow, pointers, ull } from "./steps.ts";
import { ending, jumpTable } from "./tables.ts";

const branchFree = {
  select: (k: string): string => `{
      const ${ull} half = n[${k}] >> 1;
      const bool odd = n[${k}] & 1;
      const bool open = n[${k}] != 1;
      n[${k}] = open ? (odd ? n[${k}] + half + 1 : half) : 1;
      steps[${k}] += open ? 1 + odd : 0;
    }`,
  guarded: (k: string): string => `if (n[${k}] != 1) {
      if (n[${k}] & 1) n[${k}] = 3 * n[${k}] + 1;
      else n[${k}] >>= 1;
      ++steps[${k}];
    }`,
  zeros: (k: string): string => `{
      const ${ull} m = n[${k}] == 1 ? 1 : 3 * n[${k}] + 1;
      const int z = __ffsll(m) - 1;
      steps[${k}] += n[${k}] == 1 ? 0 : z + 1;
      n[${k}] = m >> z;
    }`,
} as const;

/** Several walks at once in one thread. */
export const severalWalks = template({
  id: "several-walks",
  from: "trailing-zeros",
  idea: "Advance several numbers in one thread so that their instructions overlap",
  options: {
    step: ["select", "guarded", "zeros"],
    held: ["array", "named"],
    test: ["or", "max", "count"],
    layout: ["strided", "neighbours"],
    repeatStep: [1, 2, 4],
    walks: [2, 4, 8],
    block: [128, 256, 64],
  },
  valid: (o) => o.held === "array" || o.walks < 8,
  count: 22,
  write: (o, { n: total = 0 }) => {
    const named = o.held === "named";
    const flatten = (text: string): string =>
      named ? text.replaceAll(/\bn\[(\d)\]/g, "n$1").replaceAll(/\bsteps\[(\d)\]/g, "steps$1") : text;
    const indices = Array.from({ length: o.walks }, (_, k) => String(k));
    const each = (line: (k: string) => string): string =>
      named
        ? indices.map((k) => flatten(line(k))).join("\n")
        : `#pragma unroll\nfor (int k = 0; k < ${o.walks}; ++k) {\n${line("k")}\n}`;
    const place = (k: string): string =>
      o.layout === "strided" ? `first + ${k} * THREADS` : `first * ${o.walks} + ${k}`;
    const test = flatten(
      {
        or: `(${indices.map((k) => `(n[${k}] ^ 1)`).join(" | ")}) != 0`,
        max: indices.slice(1).reduce((all, k) => `max(${all}, n[${k}])`, "n[0]") + " > 1",
        count: `${indices.map((k) => `(n[${k}] == 1)`).join(" + ")} < ${o.walks}`,
      }[o.test],
    );
    const declare = named
      ? `${ull} ${indices.map((k) => `n${k} = numbers[${place(k)}]`).join(", ")};
        int ${indices.map((k) => `steps${k} = 0`).join(", ")};`
      : `${ull} n[${o.walks}];
        int steps[${o.walks}];
        ${each((k) => `n[${k}] = numbers[${place(k)}];\nsteps[${k}] = 0;`)}`;
    const ready =
      o.step === "zeros" ? each((k) => `steps[${k}] = __ffsll(n[${k}]) - 1;\nn[${k}] >>= steps[${k}];`) : "";
    const source = `#define THREADS ${total / o.walks}

      extern "C" __global__ void walk_several(${pointers()}) {
        const int first = blockIdx.x * blockDim.x + threadIdx.x;
        ${declare}
        ${ready}
        while (${test}) {
          ${repeat(o.repeatStep, () => each(branchFree[o.step]))}
        }
        ${each((k) => `lengths[${place(k)}] = steps[${k}];`)}
      }
    `;
    return styled(
      {
        source,
        launches: [launch("walk_several", total / o.walks / o.block, o.block, ["numbers", "lengths"])],
      },
      { names: "camel", indent: 2 },
    );
  },
});

/** Jumps from shared memory by lanes that are refilled, or several at once per thread. */
export const busyJumps = template({
  id: "busy-jumps",
  from: "jumps-in-shared",
  idea: "Keep all lanes at jumps: refill a warp's idle lanes, endings from a table",
  options: {
    layout: ["pair", "word", "columns"],
    narrow: [true, false],
    ending: ["table", "zeros"],
    fill: ["vote", "counter", "none"],
    round: [2, 1, 4, 8],
    bits: [10, 9, 11, 8],
    wait: [8, 4, 16],
    threads: ["512x3", "256x6", "1024x2", "256x4"],
  },
  count: 16,
  write: (o, { n: total = 0 }) => {
    const [block = 0, resident = 0] = o.threads.split("x").map(Number);
    const table = jumpTable(o.layout, o.narrow);
    const end = ending(o.ending);
    const take = {
      vote: `const unsigned int idle = __ballot_sync(0xffffffffu, index < 0);
        const int idle_lanes = __popc(idle);
        if (next < last) {
          if (idle_lanes >= ${o.wait}) {
            const int mine = next + __popc(idle & ((1u << lane) - 1u));
            if (index < 0 && mine < last) {
              index = mine;
              n = numbers[mine];
              steps = 0;
            }
            next += idle_lanes;
          }
        } else if (idle_lanes == 32) {
          break;
        }`,
      counter: `if (index < 0) {
          index = atomicAdd(&taken, 1);
          if (index >= last) break;
          n = numbers[index];
          steps = 0;
        }`,
      none: `if (index < 0) {
          if (next + lane >= last) break;
          index = next + lane;
          next += 32;
          n = numbers[index];
          steps = 0;
        }`,
    }[o.fill];
    const share =
      o.fill === "counter"
        ? `__shared__ int taken;
          const int last = (int)((long long)COUNT * (blockIdx.x + 1) / gridDim.x);
          if (threadIdx.x == 0) taken = (int)((long long)COUNT * blockIdx.x / gridDim.x);`
        : `const int lane = threadIdx.x & 31;
          const int warp = blockIdx.x * ${block / 32} + threadIdx.x / 32;
          int next = (int)((long long)COUNT * warp / ${132 * resident * (block / 32)});
          const int last = (int)((long long)COUNT * (warp + 1) / ${132 * resident * (block / 32)});`;
    const source = `#define COUNT ${total}
      #define BITS ${o.bits}
      #define SIZE (1 << BITS)

      extern "C" __global__ void __launch_bounds__(${block}) busy_walk(${pointers()}) {
        ${table.arrays}
        ${end.array}
        ${share}
        for (int r = threadIdx.x; r < SIZE; r += ${block}) {
          ${followLow("BITS")}
          ${table.store}
          ${end.store}
        }
        __syncthreads();
        int index = -1;
        unsigned int steps = 0;
        ${ull} n = 1;
        for (;;) {
          if (index >= 0 && n < SIZE) {
            ${end.finish}
            lengths[index] = steps;
            index = -1;
          }
          ${take}
          #pragma unroll
          for (int k = 0; k < ${o.round}; ++k) {
            if (n >= SIZE) {
              ${table.jump}
            }
          }
        }
      }
    `;
    return styled(
      { source, launches: [launch("busy_walk", 132 * resident, block, ["numbers", "lengths"])] },
      { names: "snake", indent: 2 },
    );
  },
});
