import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { blockScan, stagedFits, stagedParts, sumScan, tileScan, tileStore } from "./blocks.ts";

function definitions(threads: number, quads: number, define: string): string {
  return `
      #define THREADS ${threads}
      #define QUADS ${quads}
      ${define}`;
}

/** Tiles are scanned and written; a last launch adds what lies before each. */
export const scanThenAdd: Template = template({
  id: "scan-then-add",
  from: "chunk-per-thread",
  idea: "Scan tiles of the vector with one block each, scan the tiles' sums, then add them to the tiles.",
  options: {
    arrange: ["blocked", "rows", "staged"],
    kind: ["hillis", "shuffle", "serial", "ping-pong", "sweep"],
    warp: ["branch", "select", "lane-left"],
    sums: ["block", "chunks"],
    add: ["same-tiles", "flat", "stride"],
    restrict: [true, false],
    quads: [2, 4, 1, 8],
    threads: [256, 512, 128, 1024],
  },
  valid: ({ arrange, quads, threads, kind }) =>
    stagedFits(arrange, threads, quads) && !(arrange === "rows" && quads === 8 && kind === "hillis"),
  count: 28,
  write: ({ arrange, kind, warp, sums, add, restrict, quads, threads }, { n = 0 }) => {
    const tile = threads * quads * 4;
    const tiles = n / tile;
    const mark = on(restrict, " __restrict__");
    const { define, declare } = stagedParts(arrange);
    const plus = "v.x += b;\nv.y += b;\nv.z += b;\nv.w += b;";
    const adders = {
      "same-tiles": `
        int4* mine = out + blockIdx.x * (THREADS * QUADS);
        const int b = sums[blockIdx.x];
        #pragma unroll
        for (int k = 0; k < QUADS; ++k) {
          int4 v = mine[k * THREADS + threadIdx.x];
          ${plus}
          mine[k * THREADS + threadIdx.x] = v;
        }`,
      flat: `
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int b = sums[i / (THREADS * QUADS)];
        int4 v = out[i];
        ${plus}
        out[i] = v;`,
      stride: `
        for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
          const int b = sums[i / (THREADS * QUADS)];
          int4 v = out[i];
          ${plus}
          out[i] = v;
        }`,
    };
    const source = `
      ${definitions(threads, quads, define)}
      ${blockScan(kind, warp)}
      extern "C" __global__ void scan_tiles(const int4*${mark} x, int4*${mark} out, int*${mark} sums) {
        ${declare}
        const int4* from = x + blockIdx.x * (THREADS * QUADS);
        int4* to = out + blockIdx.x * (THREADS * QUADS);
        ${tileScan(arrange, "from")}
        ${tileStore(arrange, "to", "0")}
        if (threadIdx.x == 0) sums[blockIdx.x] = tile_total;
      }

      ${sumScan(sums)}
      extern "C" __global__ void add_sums(int4*${mark} out, const int*${mark} sums${on(add === "stride", ", int count")}) {
        ${adders[add]}
      }
    `;
    const addLaunch = {
      "same-tiles": launch("add_sums", tiles, threads, ["out", "aux"]),
      flat: launch("add_sums", n / 1024, 256, ["out", "aux"]),
      stride: launch("add_sums", 132 * 8, 256, ["out", "aux", { i32: n / 4 }]),
    }[add];
    const launches = [
      launch("scan_tiles", tiles, threads, ["x", "out", "aux"]),
      launch("scan_sums", 1, threads, ["aux", { i32: tiles }]),
      addLaunch,
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Only sums are written by the first launch. */
export const reduceThenScan: Template = template({
  id: "reduce-then-scan",
  from: "scan-then-add",
  idea: "Let the first launch only sum the tiles, and scan them in the last launch with their offsets at hand.",
  options: {
    arrange: ["blocked", "rows", "staged"],
    kind: ["shuffle", "serial", "hillis", "sweep", "ping-pong"],
    warp: ["select", "branch", "lane-left"],
    sums: ["block", "chunks", "in-place-of-launch"],
    reduce: ["scan", "shuffle-atomic", "leaders"],
    order: ["forward", "backward"],
    quads: [4, 2, 8, 1],
    threads: [256, 512, 128],
  },
  valid: ({ arrange, quads, threads, sums }) =>
    stagedFits(arrange, threads, quads) && (sums !== "in-place-of-launch" || threads * quads >= 1024),
  count: 28,
  write: ({ arrange, kind, warp, sums, reduce, order, quads, threads }, { n = 0 }) => {
    const tiles = n / (threads * quads * 4);
    const { define, declare } = stagedParts(arrange);
    const own = sums === "in-place-of-launch";
    const reducers = {
      scan: "int all;\nblock_scan(mine, all);\nif (threadIdx.x == 0) sums[blockIdx.x] = all;",
      "shuffle-atomic": `
        __shared__ int all;
        if (threadIdx.x == 0) all = 0;
        __syncthreads();
        for (int d = 16; d > 0; d >>= 1) mine += __shfl_down_sync(0xffffffffu, mine, d);
        if (threadIdx.x % 32 == 0) atomicAdd(&all, mine);
        __syncthreads();
        if (threadIdx.x == 0) sums[blockIdx.x] = all;`,
      leaders: `
        __shared__ int parts[THREADS / 32];
        for (int d = 16; d > 0; d >>= 1) mine += __shfl_xor_sync(0xffffffffu, mine, d);
        if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = mine;
        __syncthreads();
        if (threadIdx.x == 0) {
          for (int k = 1; k < THREADS / 32; ++k) mine += parts[k];
          sums[blockIdx.x] = mine;
        }`,
    };
    const base = own
      ? `
        // Every block adds up the sums before its own.
        int part = 0;
        for (int i = threadIdx.x; i < tile; i += THREADS) part += sums[i];
        int base;
        block_scan(part, base);`
      : "const int base = sums[tile];";
    const source = `
      ${definitions(threads, quads, define)}
      ${blockScan(kind, warp)}
      extern "C" __global__ void sum_tiles(const int4* __restrict__ x, int* __restrict__ sums) {
        const int4* from = x + blockIdx.x * (THREADS * QUADS);
        int mine = 0;
        #pragma unroll
        for (int k = 0; k < QUADS; ++k) {
          const int4 v = from[k * THREADS + threadIdx.x];
          mine += (v.x + v.y) + (v.z + v.w);
        }
        ${reducers[reduce]}
      }

      ${on(!own, sumScan(own ? "block" : sums))}
      extern "C" __global__ void scan_tiles(const int4* __restrict__ x, const int* __restrict__ sums, int4* __restrict__ out) {
        ${declare}
        const int tile = ${order === "forward" ? "blockIdx.x" : "gridDim.x - 1 - blockIdx.x"};
        ${base}
        const int4* from = x + tile * (THREADS * QUADS);
        int4* to = out + tile * (THREADS * QUADS);
        ${tileScan(arrange, "from")}
        ${tileStore(arrange, "to", "base")}
      }
    `;
    const launches = [
      launch("sum_tiles", tiles, threads, ["x", "aux"]),
      ...(own ? [] : [launch("scan_sums", 1, threads, ["aux", { i32: tiles }])]),
      launch("scan_tiles", tiles, threads, ["x", "aux", "out"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

/** A few resident blocks own long ranges. */
export const residentRanges: Template = template({
  id: "resident-ranges",
  from: "reduce-then-scan",
  idea: "Give a few blocks per multiprocessor long ranges that they sum first and then scan tile by tile with a carry.",
  options: {
    arrange: ["rows", "blocked", "staged"],
    kind: ["shuffle", "serial", "hillis", "sweep"],
    warp: ["select", "branch", "lane-left"],
    prefix: ["each-block", "launch", "one-thread"],
    walk: ["up", "down"],
    unroll: [false, true],
    quads: [2, 4, 1],
    threads: [512, 256, 1024],
    perSm: [2, 1, 4],
  },
  valid: ({ arrange, quads, threads, perSm }) => stagedFits(arrange, threads, quads) && threads * perSm <= 2048,
  count: 27,
  write: ({ arrange, kind, warp, prefix, walk, unroll, quads, threads, perSm }, { n = 0 }) => {
    const blocks = 132 * perSm;
    const tiles = n / (threads * quads * 4);
    const { define, declare } = stagedParts(arrange);
    const pragma = on(unroll, "#pragma unroll 4");
    const bases = {
      launch: "int carry = sums[blockIdx.x];",
      "each-block": `
        int before = 0;
        for (int i = threadIdx.x; i < (int)blockIdx.x; i += THREADS) before += sums[i];
        int carry;
        block_scan(before, carry);`,
      "one-thread": `
        __shared__ int start;
        if (threadIdx.x == 0) {
          int before = 0;
          for (int i = 0; i < (int)blockIdx.x; ++i) before += sums[i];
          start = before;
        }
        __syncthreads();
        int carry = start;`,
    };
    const source = `
      ${definitions(threads, quads, define)}
      #define TILES ${tiles}
      #define SHARE ${Math.ceil(tiles / blocks)}  // tiles per block
      ${blockScan(kind, warp)}
      extern "C" __global__ void range_sums(const int4* __restrict__ x, int* __restrict__ sums) {
        const int begin = min(TILES, (int)blockIdx.x * SHARE) * (THREADS * QUADS);
        const int end = min(TILES, ((int)blockIdx.x + 1) * SHARE) * (THREADS * QUADS);
        int mine = 0;
        ${pragma}
        ${walk === "up" ? "for (int i = begin + threadIdx.x; i < end; i += THREADS) {" : "for (int i = end - 1 - threadIdx.x; i >= begin; i -= THREADS) {"}
          const int4 v = x[i];
          mine += v.x + v.y + v.z + v.w;
        }
        int all;
        block_scan(mine, all);
        if (threadIdx.x == 0) sums[blockIdx.x] = all;
      }

      ${on(prefix === "launch", sumScan("block"))}
      extern "C" __global__ void scan_ranges(const int4* __restrict__ x, const int* __restrict__ sums, int4* __restrict__ out) {
        ${declare}
        ${bases[prefix]}
        const int last = min(TILES, ((int)blockIdx.x + 1) * SHARE);
        for (int tile = blockIdx.x * SHARE; tile < last; ++tile) {
          const int4* from = x + tile * (THREADS * QUADS);
          int4* to = out + tile * (THREADS * QUADS);
          ${tileScan(arrange, "from")}
          ${tileStore(arrange, "to", "carry")}
          carry += tile_total;
          ${on(arrange === "staged", "__syncthreads();")}
        }
      }
    `;
    const launches = [
      launch("range_sums", blocks, threads, ["x", "aux"]),
      ...(prefix === "launch" ? [launch("scan_sums", 1, threads, ["aux", { i32: blocks }])] : []),
      launch("scan_ranges", blocks, threads, ["x", "aux", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
