import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { blockScan, stagedFits, stagedParts, tileScan, tileStore } from "./blocks.ts";

const clear = `
      extern "C" __global__ void clear_board(int* aux, int count) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < count) aux[i] = 0;
      }
    `;

type Read = "volatile" | "atomic" | "ldcv";

function packedBoard(read: Read): string {
  const load = {
    volatile: "*(volatile unsigned long long*)(board + tile)",
    atomic: "atomicAdd(board + tile, 0ull)",
    ldcv: "__ldcv(board + tile)",
  }[read];
  return `
    // The upper half tells what the lower half is: 1 the tile's own sum, 2 the sum up to its end.
    __device__ __forceinline__ void publish(unsigned long long* board, int tile, unsigned int kind, int sum) {
      const unsigned long long word = ((unsigned long long)kind << 32) | (unsigned int)sum;
      ${read === "atomic" ? "atomicExch(board + tile, word);" : "*(volatile unsigned long long*)(board + tile) = word;"}
    }

    __device__ __forceinline__ unsigned int inspect(unsigned long long* board, int tile, int& sum) {
      const unsigned long long word = ${load};
      sum = (int)(unsigned int)word;
      return (unsigned int)(word >> 32);
    }
  `;
}

function fencedBoard(read: Read): string {
  const flag = {
    volatile: "*(volatile int*)(board + tile)",
    atomic: "atomicAdd((int*)board + tile, 0)",
    ldcv: "__ldcv((const int*)board + tile)",
  }[read];
  return `
    // Flags, then own sums, then sums up to the end of each tile.
    __device__ __forceinline__ void publish(int* board, int tile, int kind, int sum) {
      *(volatile int*)(board + kind * TILES + tile) = sum;
      __threadfence();
      ${read === "atomic" ? "atomicExch(board + tile, kind);" : "*(volatile int*)(board + tile) = kind;"}
    }

    __device__ __forceinline__ int inspect(int* board, int tile, int& sum) {
      const int kind = ${flag};
      __threadfence();
      sum = kind == 0 ? 0 : *(volatile int*)(board + kind * TILES + tile);
      return kind;
    }
  `;
}

function lookBack(by: "thread" | "warp", pause: boolean): string {
  const rest = on(pause, "if (kind == 0) __nanosleep(40);");
  if (by === "thread")
    return `
      if (threadIdx.x == 0) {
        int before = 0;
        publish(board, tile, tile == 0 ? 2 : 1, tile_total);
        int at = tile - 1;
        while (at >= 0) {
          int sum;
          const int kind = inspect(board, at, sum);
          ${rest}
          if (kind == 0) continue;
          before += sum;
          if (kind == 2) break;
          --at;
        }
        if (tile > 0) publish(board, tile, 2, before + tile_total);
        shared_base = before;
      }
      __syncthreads();`;
  return `
      if (threadIdx.x < 32) {
        const int lane = threadIdx.x;
        int before = 0;
        if (lane == 0) publish(board, tile, tile == 0 ? 2 : 1, tile_total);
        for (int at = tile - 1 - lane; tile > 0; at -= 32) {
          int sum = 0, kind = 2;
          if (at >= 0) {
            do {
              kind = inspect(board, at, sum);
              ${rest}
            } while (kind == 0);
          }
          __syncwarp();
          const unsigned int ended = __ballot_sync(0xffffffffu, kind == 2);
          if (ended != 0 && lane > __ffs(ended) - 1) sum = 0;
          for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
          before += sum;
          if (ended != 0) break;
        }
        if (lane == 0) {
          if (tile > 0) publish(board, tile, 2, before + tile_total);
          shared_base = before;
        }
      }
      __syncthreads();`;
}

/** One pass: every tile looks back at the sums of those before it. */
export const lookBackScan: Template = template({
  id: "look-back",
  from: "reduce-then-scan",
  idea: "Scan in one pass: tiles take tickets, publish their sums and look back until they meet a finished prefix.",
  options: {
    by: ["thread", "warp"],
    board: ["packed", "fenced"],
    read: ["volatile", "atomic", "ldcv"],
    arrange: ["rows", "blocked", "staged"],
    kind: ["shuffle", "serial", "hillis", "sweep"],
    warp: ["select", "branch"],
    pause: [false, true],
    persistent: [false, true],
    quads: [4, 2, 8, 1],
    threads: [256, 128, 512],
  },
  valid: ({ arrange, quads, threads }) => stagedFits(arrange, threads, quads) && threads * quads >= 256,
  count: 36,
  write: (options, { n = 0 }) => {
    const { by, board, read, arrange, kind, warp, pause, persistent, quads, threads } = options;
    const tiles = n / (threads * quads * 4);
    const packed = board === "packed";
    const words = packed ? 2 * tiles : 3 * tiles;
    const { define, declare } = stagedParts(arrange);
    const ticket = `
        if (threadIdx.x == 0) shared_tile = atomicAdd(aux + ${packed ? "2" : "3"} * TILES, 1);
        __syncthreads();
        const int tile = shared_tile;`;
    const work = `
        const int4* from = x + tile * (THREADS * QUADS);
        int4* to = out + tile * (THREADS * QUADS);
        ${tileScan(arrange, "from")}
        ${lookBack(by, pause)}
        ${tileStore(arrange, "to", "shared_base")}`;
    const source = `
      #define THREADS ${threads}
      #define QUADS ${quads}
      #define TILES ${tiles}
      ${define}
      ${blockScan(kind, warp)}
      ${packed ? packedBoard(read) : fencedBoard(read)}
      ${clear}
      extern "C" __global__ void scan_in_one_pass(const int4* __restrict__ x, int4* __restrict__ out, int* aux) {
        __shared__ int shared_tile, shared_base;
        ${declare}
        ${packed ? "unsigned long long* board = (unsigned long long*)aux;" : "int* board = aux;"}
        ${persistent ? `while (true) {\n${ticket}\nif (tile >= TILES) break;\n${work}\n__syncthreads();\n}` : `${ticket}\n${work}`}
      }
    `;
    const grid = persistent ? Math.min(tiles, 132 * Math.max(1, Math.floor(1024 / threads))) : tiles;
    const launches = [
      launch("clear_board", Math.ceil((words + 1) / 256), 256, ["aux", { i32: words + 1 }]),
      launch("scan_in_one_pass", grid, threads, ["x", "out", "aux"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Each tile waits for the one before it alone. */
export const chain: Template = template({
  id: "tile-chain",
  from: "scan-then-add",
  idea: "Scan in one pass with a chain: every tile waits for the final sum of the tile before it.",
  options: {
    message: ["offset-flag", "packed", "fenced"],
    arrange: ["blocked", "rows", "staged"],
    kind: ["shuffle", "serial", "ping-pong", "sweep"],
    warp: ["branch", "select", "lane-left"],
    early: [true, false],
    pause: [false, true],
    quads: [8, 4, 2],
    threads: [512, 1024, 256],
  },
  valid: ({ arrange, quads, threads }) => stagedFits(arrange, threads, quads) && threads * quads >= 1024,
  count: 25,
  write: ({ message, arrange, kind, warp, early, pause, quads, threads }, { n = 0 }) => {
    const tiles = n / (threads * quads * 4);
    const { define, declare } = stagedParts(arrange);
    const send = {
      packed: "*(volatile unsigned long long*)(link + 2 * tile) = (1ull << 32) | (unsigned int)(before + tile_total);",
      "offset-flag": `
        *(volatile int*)(link + 2 * tile + 1) = before + tile_total;
        __threadfence();
        atomicExch(link + 2 * tile, 1);`,
      fenced: `
        *(volatile int*)(link + TILES + tile) = before + tile_total;
        __threadfence();
        *(volatile int*)(link + tile) = 1;`,
    }[message];
    const wait = `
        if (threadIdx.x == 0) {
          int before = 0;
          if (tile > 0) {
            ${receiveCode(message, pause ? "__nanosleep(20);" : "")}
          }
          ${send}
          base = before;
        }
        __syncthreads();`;
    const late = `
        int tile_sum = 0;
        for (int i = threadIdx.x; i < THREADS * QUADS; i += THREADS) {
          const int4 v = from[i];
          tile_sum += v.x + v.y + v.z + v.w;
        }
        int tile_total;
        block_scan(tile_sum, tile_total);
        ${wait}`;
    const source = `
      #define THREADS ${threads}
      #define QUADS ${quads}
      #define TILES ${tiles}
      ${define}
      ${blockScan(kind, warp)}
      ${clear}
      extern "C" __global__ void scan_chain(const int4* __restrict__ x, int4* __restrict__ out, int* link) {
        __shared__ int ticket, base;
        ${declare}
        if (threadIdx.x == 0) ticket = atomicAdd(link + 2 * TILES, 1);
        __syncthreads();
        const int tile = ticket;
        const int4* from = x + tile * (THREADS * QUADS);
        int4* to = out + tile * (THREADS * QUADS);
        ${early ? `${tileScan(arrange, "from")}\n${wait}` : `{\n${late}\n}\n${tileScan(arrange, "from")}`}
        ${tileStore(arrange, "to", "base")}
      }
    `;
    const launches = [
      launch("clear_board", Math.ceil((2 * tiles + 1) / 256), 256, ["aux", { i32: 2 * tiles + 1 }]),
      launch("scan_chain", tiles, threads, ["x", "out", "aux"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

function receiveCode(message: "packed" | "offset-flag" | "fenced", nap: string): string {
  return {
    packed: `
          unsigned long long word = 0;
          while ((word >> 32) == 0) {
            word = *(volatile unsigned long long*)(link + 2 * (tile - 1));
            ${nap}
          }
          before = (int)(unsigned int)word;`,
    "offset-flag": `
          while (atomicAdd(link + 2 * (tile - 1), 0) == 0) {
            ${nap}
          }
          __threadfence();
          before = *(volatile int*)(link + 2 * (tile - 1) + 1);`,
    fenced: `
          volatile int* flag = link + tile - 1;
          while (*flag == 0) {
            ${nap}
          }
          __threadfence();
          before = *(volatile int*)(link + TILES + tile - 1);`,
  }[message];
}
