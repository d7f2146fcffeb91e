import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { groupSum, matrix, parameters, product } from "./parts.ts";

/** Resident warps take rows by tickets. */
export const tickets: Template = template({
  id: "row-tickets",
  from: "lane-groups",
  idea: "Keep a fixed set of warps resident and let each take the next few rows from a counter.",
  options: {
    taker: ["warp", "block"],
    reduce: ["xor", "down", "unrolled"],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    loop: ["simple", "pragma", "two"],
    early: [false, true],
    lanes: [8, 4, 16, 32],
    rounds: [4, 1, 8, 16],
    block: [256, 128, 512],
    perSm: [8, 4],
  },
  valid: ({ block, perSm, early, taker }) => block * perSm <= 2048 && (!early || taker === "warp"),
  count: 22,
  write: ({ taker, reduce, access, restrict, loop, early, lanes, rounds, block, perSm }, { rows = 0 }) => {
    const walk = {
      simple: `for (int j = row_ptr[row] + lane; j < end; j += LANES) sum += ${product(access, "j")};`,
      pragma: `#pragma unroll 4
            for (int j = row_ptr[row] + lane; j < end; j += LANES) sum += ${product(access, "j")};`,
      two: `int j = row_ptr[row] + lane;
            float second = 0.0f;
            for (; j + LANES < end; j += LANES + LANES) {
              sum += ${product(access, "j")};
              second += ${product(access, "(j + LANES)")};
            }
            if (j < end) sum += ${product(access, "j")};
            sum += second;`,
    }[loop];
    const warp = taker === "warp";
    const per = warp ? `(ROUNDS * 32 / LANES)` : "(ROUNDS * BLOCK / LANES)";
    const draw = warp
      ? `if (threadIdx.x % 32 == 0) ticket = atomicAdd(counter, TAKE);
          ticket = __shfl_sync(0xffffffffu, ticket, 0);`
      : `__syncthreads();
          if (threadIdx.x == 0) shared_ticket = atomicAdd(counter, TAKE);
          __syncthreads();
          ticket = shared_ticket;`;
    const next = early
      ? `int following = 0;
          if (threadIdx.x % 32 == 0) following = atomicAdd(counter, TAKE);`
      : "";
    const place = warp ? "threadIdx.x % 32 / LANES" : "threadIdx.x / LANES";
    const width = warp ? "32 / LANES" : "BLOCK / LANES";
    const source = `
      #define ROWS ${rows}
      #define LANES ${lanes}
      #define ROUNDS ${rounds}
      #define BLOCK ${block}
      #define TAKE ${per}

      extern "C" __global__ void reset_counter(int* counter) {
        *counter = 0;
      }

      extern "C" __global__ void take_rows(${parameters(restrict)}, int* counter) {
        ${on(!warp, "__shared__ int shared_ticket;")}
        int lane = threadIdx.x % LANES;
        int ticket = 0;
        ${early ? `${draw}\nwhile (ticket < ROWS) {\n${next}` : `for (;;) {\n${draw}\nif (ticket >= ROWS) break;`}
          for (int r = 0; r < ROUNDS; ++r) {
            int row = ticket + r * (${width}) + ${place};
            float sum = 0.0f;
            if (row < ROWS) {
              int end = row_ptr[row + 1];
              ${walk}
            }
            ${groupSum(reduce, "sum", lanes)}
            if (lane == 0 && row < ROWS) y[row] = sum;
          }
          ${on(early, "ticket = __shfl_sync(0xffffffffu, following, 0);")}
        }
      }
    `;
    const launches = [
      launch("reset_counter", 1, 1, ["work"]),
      launch("take_rows", 132 * perSm, block, [...matrix, "work"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** A warp owns 32 rows: short ones by lane, long ones together. */
export const warpRows: Template = template({
  id: "warp-of-rows",
  from: "thread-rows",
  idea: "Let each lane own a row as long as it is short, and let the whole warp help with the long ones.",
  options: {
    together: ["ballot", "loop-32", "leader-shuffle"],
    order: ["long-first", "short-first"],
    shorts: ["lane", "steps", "transposed"],
    access: ["plain", "ldg", "streaming"],
    restrict: [true, false],
    unroll: [false, true],
    reduce: ["xor", "down"],
    limit: [32, 16, 64, 128],
    block: [128, 256, 64],
  },
  count: 26,
  write: ({ together, order, shorts, access, restrict, unroll, reduce, limit, block }, { rows = 0 }) => {
    const helpOne = (owner: string): string => `
          int from = __shfl_sync(0xffffffffu, begin, ${owner});
          int to = __shfl_sync(0xffffffffu, end, ${owner});
          float part = 0.0f;
          ${on(unroll, "#pragma unroll 4\n")}for (int j = from + lane; j < to; j += 32) part += ${product(access, "j")};
          ${reduce === "xor" ? groupSum("xor", "part", 32) : `${groupSum("down", "part", 32)}\npart = __shfl_sync(0xffffffffu, part, 0);`}
          if (lane == ${owner}) sum = part;`;
    const longs = {
      ballot: `unsigned int waiting = __ballot_sync(0xffffffffu, end - begin > LIMIT);
        while (waiting) {
          int owner = __ffs(waiting) - 1;
          waiting &= waiting - 1;
          ${helpOne("owner")}
        }`,
      "loop-32": `for (int owner = 0; owner < 32; ++owner) {
          if (__shfl_sync(0xffffffffu, end - begin, owner) <= LIMIT) continue;
          ${helpOne("owner")}
        }`,
      "leader-shuffle": `bool waits = end - begin > LIMIT;
        while (__any_sync(0xffffffffu, waits)) {
          int owner = 31 - __clz(__ballot_sync(0xffffffffu, waits));
          ${helpOne("owner")}
          if (lane == owner) waits = false;
        }`,
    }[together];
    const shortLoops = {
      lane: `if (end - begin <= LIMIT) {
          for (int j = begin; j < end; ++j) sum += ${product(access, "j")};
        }`,
      steps: `int left = end - begin <= LIMIT ? end - begin : 0;
        int j = begin;
        while (left >= 2) {
          float first = ${product(access, "j")};
          float second = ${product(access, "(j + 1)")};
          sum += first + second;
          j += 2;
          left -= 2;
        }
        if (left) sum += ${product(access, "j")};`,
      transposed: `// Products of all short rows in order, then each lane adds its own.
        int start = __shfl_sync(0xffffffffu, begin, 0);
        int stop = __shfl_sync(0xffffffffu, end, 31);
        for (int base = start; base < stop; base += 128) {
          for (int k = lane; k < 128 && base + k < stop; k += 32) queue[threadIdx.x / 32][k] = ${product(access, "(base + k)")};
          __syncwarp();
          if (end - begin <= LIMIT) {
            for (int j = max(begin, base); j < min(end, base + 128); ++j) sum += queue[threadIdx.x / 32][j - base];
          }
          __syncwarp();
        }`,
    }[shorts];
    const source = `
      constexpr int LIMIT = ${limit};
      constexpr int BLOCK = ${block};

      extern "C" __global__ void spmv_lanes(${parameters(restrict)}) {
        ${on(shorts === "transposed", "__shared__ float queue[BLOCK / 32][128];")}
        const int lane = threadIdx.x % 32;
        const int row = blockIdx.x * BLOCK + threadIdx.x;
        const int begin = row_ptr[row];
        const int end = row_ptr[row + 1];
        float sum = 0.0f;
        ${order === "long-first" ? `${longs}\n${shortLoops}` : `${shortLoops}\n${longs}`}
        y[row] = sum;
      }
    `;
    return styled(
      { source, launches: [launch("spmv_lanes", rows / block, block, matrix)] },
      { names: "camel", indent: 2 },
    );
  },
});
