import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { loadCode, merging, warpLow } from "./common.ts";

const partsOf = { 1: [""], 2: [".x", ".y"], 4: [".x", ".y", ".z", ".w"] } as const;

/** A first launch stores word w of all codes together; the scan then reads planes. */
export const wordPlanes: Template = template({
  id: "word-planes",
  from: "warp-per-queries",
  idea: "Rewrite the codes as eight planes first, so that neighbouring threads read neighbouring words in the scan.",
  options: {
    turn: ["reads", "writes", "shared"],
    perThread: [1, 2, 4],
    queries: [2, 1, 4, 8],
    held: ["registers", "shared", "global"],
    order: ["plane-by-plane", "all-planes"],
    ends: ["warp-atomic", "block-tree", "shared-atomic"],
    splits: [16, 32, 64],
    block: [256, 128],
    constant: [false, true],
  },
  valid: ({ queries, held }) => queries < 8 || held !== "registers",
  count: 26,
  write: ({ turn, perThread, queries, held, order, ends, splits, block, constant }, { q = 0, n = 0 }) => {
    const merged = merging("atomic", q, 1);
    const type = ({ 1: "unsigned int", 2: "uint2", 4: "uint4" } as const)[perThread];
    const parts = partsOf[perThread];
    const query = { registers: "query[r][w]", shared: "query[r][w]", global: "queries[(first + r) * 8 + w]" }[held];
    const counts = parts.map((p, k) => `count[r][${k}] += __popc(${query} ^ word${p});`).join("\n");
    const plane = "planes[(size_t)w * LENGTH + i]";
    const body =
      order === "plane-by-plane"
        ? `
        #pragma unroll
        for (int w = 0; w < 8; ++w) {
          ${type} word = ${plane};
          #pragma unroll
          for (int r = 0; r < QUERIES; ++r) {
            ${counts}
          }
        }`
        : `
        ${type} words[8];
        #pragma unroll
        for (int w = 0; w < 8; ++w) words[w] = ${plane};
        #pragma unroll
        for (int r = 0; r < QUERIES; ++r) {
          #pragma unroll
          for (int w = 0; w < 8; ++w) {
            ${type} word = words[w];
            ${counts}
          }
        }`;
    const hold = {
      registers: `
        unsigned int query[QUERIES][8];
        #pragma unroll
        for (int j = 0; j < QUERIES * 8; ++j) query[j / 8][j % 8] = queries[first * 8 + j];`,
      shared: `
        __shared__ unsigned int query[QUERIES][8];
        if (threadIdx.x < QUERIES * 8) query[threadIdx.x / 8][threadIdx.x % 8] = queries[first * 8 + threadIdx.x];
        __syncthreads();`,
      global: "",
    }[held];
    const codesType = constant ? "const unsigned int* __restrict__" : "const unsigned int*";
    const source = `
      #define BLOCK ${block}
      #define QUERIES ${queries}
      #define LENGTH ${n / perThread}
      #define PART (LENGTH / ${splits})

      ${turnKernel(turn, n)}
      ${warpLow("redux")}
      ${merged.source}
      extern "C" __global__ void scan_planes(${codesType} queries, const ${type}* ${on(constant, "__restrict__ ")}planes, unsigned int* best) {
        const int first = blockIdx.x * QUERIES;
        ${hold}
        unsigned int low[QUERIES];
        #pragma unroll
        for (int r = 0; r < QUERIES; ++r) low[r] = 256;
        for (int i = blockIdx.y * PART + threadIdx.x; i < (blockIdx.y + 1) * PART; i += BLOCK) {
          unsigned int count[QUERIES][${perThread}] = {};
          ${body}
          #pragma unroll
          for (int r = 0; r < QUERIES; ++r) {
            ${repeat(perThread, (k) => `low[r] = min(low[r], count[r][${k}]);`)}
          }
        }
        ${planeEnds(ends)}
      }
    `;
    const turned =
      turn === "reads"
        ? launch("make_planes", n / 256, 256, ["codes", "planes"])
        : turn === "writes"
          ? launch("make_planes", n / 32, 256, ["codes", "planes"])
          : launch("make_planes", n / 256, 256, ["codes", "planes"]);
    const scan = launch("scan_planes", [q / queries, splits], block, ["queries", "planes", "best"]);
    return styled({ source, launches: merged.around([turned, scan]) }, { names: "camel", indent: 4 });
  },
});

function turnKernel(turn: "reads" | "writes" | "shared", n: number): string {
  const bodies = {
    reads: `
      int i = blockIdx.x * blockDim.x + threadIdx.x;
      for (int w = 0; w < 8; ++w) planes[(size_t)w * ${n} + i] = codes[(size_t)i * 8 + w];`,
    writes: `
      int j = blockIdx.x * blockDim.x + threadIdx.x;
      planes[(size_t)(j % 8) * ${n} + j / 8] = codes[j];`,
    shared: `
      __shared__ unsigned int turned[8][257];
      size_t base = (size_t)blockIdx.x * 2048;
      for (int j = threadIdx.x; j < 2048; j += 256) turned[j % 8][j / 8] = codes[base + j];
      __syncthreads();
      for (int w = 0; w < 8; ++w) planes[(size_t)w * ${n} + blockIdx.x * 256 + threadIdx.x] = turned[w][threadIdx.x];`,
  };
  return `
    extern "C" __global__ void make_planes(const unsigned int* codes, unsigned int* planes) {
      ${bodies[turn]}
    }
  `;
}

function planeEnds(ends: "warp-atomic" | "block-tree" | "shared-atomic"): string {
  if (ends === "warp-atomic") {
    return `
      #pragma unroll
      for (int r = 0; r < QUERIES; ++r) {
        unsigned int found = warp_low(low[r]);
        if (threadIdx.x % 32 == 0) atomicMin(best + first + r, found);
      }`;
  }
  if (ends === "shared-atomic") {
    return `
      __shared__ unsigned int lows[QUERIES];
      if (threadIdx.x < QUERIES) lows[threadIdx.x] = 256;
      __syncthreads();
      #pragma unroll
      for (int r = 0; r < QUERIES; ++r) atomicMin(lows + r, low[r]);
      __syncthreads();
      if (threadIdx.x < QUERIES) atomicMin(best + first + threadIdx.x, lows[threadIdx.x]);`;
  }
  return `
    __shared__ unsigned int lows[BLOCK / 32][QUERIES];
    #pragma unroll
    for (int r = 0; r < QUERIES; ++r) {
      unsigned int found = warp_low(low[r]);
      if (threadIdx.x % 32 == 0) lows[threadIdx.x / 32][r] = found;
    }
    __syncthreads();
    if (threadIdx.x < QUERIES) {
      unsigned int found = 256;
      for (int k = 0; k < BLOCK / 32; ++k) found = min(found, lows[k][threadIdx.x]);
      atomicMin(best + first + threadIdx.x, found);
    }`;
}

type Adder = "seven" | "two" | "half" | "swar" | "table";

/** Carry-save adders and other ways to count bits with fewer population counts. */
export const carrySave: Template = template({
  id: "carry-save",
  from: "warp-per-queries",
  idea: "Add the differing bits of several words by carry-save adders, so that fewer population counts are needed.",
  options: {
    adder: ["seven", "two", "half", "swar", "table"],
    logic: ["plain", "lop3"],
    scan: ["lanes", "broadcast", "tiles"],
    queries: [2, 1, 4],
    load: ["four", "scalar", "ldg"],
    merge: ["atomic", "parts-warp"],
    splits: [128, 64, 256],
    block: [128, 64, 256],
    unroll: [false, true],
  },
  valid: ({ adder, logic, scan, load, block, queries }) =>
    (scan === "lanes" || block * queries <= 512) &&
    (logic === "plain" || ["seven", "two", "half"].includes(adder)) &&
    (scan !== "tiles" || load === "four"),
  count: 26,
  write: ({ adder, logic, scan, queries, load, merge, splits, block, unroll }, { q = 0, n = 0 }) => {
    const merged = merging(merge, q, splits);
    const lanes = scan === "lanes";
    const first = lanes
      ? `(blockIdx.x * ${block / 32} + threadIdx.x / 32) * ${queries}`
      : `blockIdx.x * ${block * queries} + threadIdx.x`;
    const at = (r: number): string => (lanes ? `first + ${r}` : `first + ${r * block}`);
    const table = adder === "table";
    const each = repeat(
      queries,
      (r) => `
        unsigned int d${r} = differing(query${r}, code${on(table, ", nibbles")});
        low${r} = min(low${r}, d${r});`,
    );
    const pragma = on(unroll, "#pragma unroll 2");
    const loops = {
      lanes: `
        ${pragma}
        for (int i = threadIdx.x % 32; i < PART; i += 32) {
          unsigned int code[8];
          ${loadCode(load, "code", "part", "i")}
          ${each}
        }`,
      broadcast: `
        ${pragma}
        for (int i = 0; i < PART; ++i) {
          unsigned int code[8];
          ${loadCode(load, "code", "part", "i")}
          ${each}
        }`,
      tiles: `
        __shared__ __align__(16) unsigned int tile[128 * 8];
        for (int start = 0; start < PART; start += 128) {
          for (int j = threadIdx.x; j < 256; j += ${block}) {
            reinterpret_cast<uint4*>(tile)[j] = reinterpret_cast<const uint4*>(part)[start * 2 + j];
          }
          __syncthreads();
          ${pragma}
          for (int i = 0; i < 128; ++i) {
            unsigned int code[8];
            ${loadCode("four", "code", "tile", "i")}
            ${each}
          }
          __syncthreads();
        }`,
    };
    const source = `
      #define PART ${n / splits}

      ${adderFunctions(adder, logic)}
      ${on(lanes, warpLow("xor"))}
      ${merged.source}
      extern "C" __global__ void scan_adders(const unsigned int* __restrict__ queries, const unsigned int* __restrict__ codes,
          unsigned int* ${merged.argument}) {
        ${on(table, nibbleTable(block))}
        int first = ${first};
        const unsigned int* part = codes + (size_t)blockIdx.y * PART * 8;
        ${repeat(queries, (r) => `unsigned int query${r}[8];\n${loadCode("scalar", `query${r}`, "queries", at(r))}\nunsigned int low${r} = 256;`)}
        ${loops[scan]}
        ${repeat(queries, (r) =>
          lanes
            ? `low${r} = warp_low(low${r});\nif (threadIdx.x % 32 == 0) {\n${merged.store(`(${at(r)})`, `low${r}`, "blockIdx.y")}\n}`
            : merged.store(`(${at(r)})`, `low${r}`, "blockIdx.y"),
        )}
      }
    `;
    const grid = [lanes ? q / ((block / 32) * queries) : q / (block * queries), splits] as const;
    const scanned = launch("scan_adders", grid, block, ["queries", "codes", merged.argument]);
    return styled({ source, launches: merged.around([scanned]) }, { names: "snake", indent: 2 });
  },
});

function nibbleTable(block: number): string {
  return `
    __shared__ unsigned char nibbles[256];
    for (int j = threadIdx.x; j < 256; j += ${block}) {
      int bits = 0;
      for (int b = 0; b < 8; ++b) bits += (j >> b) & 1;
      nibbles[j] = bits;
    }
    __syncthreads();`;
}

function adderFunctions(adder: Adder, logic: "plain" | "lop3"): string {
  const odd =
    logic === "plain"
      ? "return a ^ b ^ c;"
      : `unsigned int r;\nasm("lop3.b32 %0, %1, %2, %3, 0x96;" : "=r"(r) : "r"(a), "r"(b), "r"(c));\nreturn r;`;
  const most =
    logic === "plain"
      ? "return (a & b) | (c & (a ^ b));"
      : `unsigned int r;\nasm("lop3.b32 %0, %1, %2, %3, 0xE8;" : "=r"(r) : "r"(a), "r"(b), "r"(c));\nreturn r;`;
  const helpers = `
    __device__ __forceinline__ unsigned int odd(unsigned int a, unsigned int b, unsigned int c) {
      ${odd}
    }
    __device__ __forceinline__ unsigned int most(unsigned int a, unsigned int b, unsigned int c) {
      ${most}
    }
  `;
  const x = (w: number): string => `(a[${w}] ^ b[${w}])`;
  const xs = repeat(8, (w) => `unsigned int x${w} = ${x(w)};`);
  const firstTwo = `
    unsigned int s0 = odd(x0, x1, x2), c0 = most(x0, x1, x2);
    unsigned int s1 = odd(x3, x4, x5), c1 = most(x3, x4, x5);`;
  const bodies: Readonly<Record<Adder, string>> = {
    seven: `
      ${xs}
      ${firstTwo}
      unsigned int ones = odd(s0, s1, x6), c2 = most(s0, s1, x6);
      unsigned int twos = odd(c0, c1, c2), fours = most(c0, c1, c2);
      return __popc(ones) + __popc(x7) + 2 * __popc(twos) + 4 * __popc(fours);`,
    two: `
      ${xs}
      ${firstTwo}
      return __popc(s0) + __popc(s1) + __popc(x6) + __popc(x7) + 2 * (__popc(c0) + __popc(c1));`,
    half: `
      ${xs}
      ${firstTwo}
      unsigned int s2 = odd(s0, s1, x6), c2 = most(s0, s1, x6);
      unsigned int ones = s2 ^ x7, c3 = s2 & x7;
      unsigned int s3 = odd(c0, c1, c2), fours = most(c0, c1, c2);
      return __popc(ones) + 2 * (__popc(s3) + __popc(c3)) + 4 * __popc(fours);`,
    swar: `
      unsigned int bytes = 0;
      #pragma unroll
      for (int w = 0; w < 8; ++w) {
        unsigned int v = a[w] ^ b[w];
        v = v - ((v >> 1) & 0x55555555u);
        v = (v & 0x33333333u) + ((v >> 2) & 0x33333333u);
        bytes += (v + (v >> 4)) & 0x0f0f0f0fu;
      }
      bytes = (bytes & 0x00ff00ffu) + ((bytes >> 8) & 0x00ff00ffu);
      return (bytes & 0xffffu) + (bytes >> 16);`,
    table: `
      unsigned int d = 0;
      #pragma unroll
      for (int w = 0; w < 8; ++w) {
        unsigned int v = a[w] ^ b[w];
        d += nibbles[v & 255] + nibbles[(v >> 8) & 255] + nibbles[(v >> 16) & 255] + nibbles[v >> 24];
      }
      return d;`,
  };
  return `
    ${on(adder !== "swar" && adder !== "table", helpers)}
    __device__ __forceinline__ unsigned int differing(const unsigned int* a, const unsigned int* b${on(adder === "table", ", const unsigned char* nibbles")}) {
      ${bodies[adder]}
    }
  `;
}
