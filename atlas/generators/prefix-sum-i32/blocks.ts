import { on } from "../kit/code.ts";

export type BlockScan = "shuffle" | "serial" | "hillis" | "ping-pong" | "sweep";
export type WarpScan = "branch" | "select" | "lane-left";

function warpScan(style: WarpScan): string {
  const step = {
    branch: "int below = __shfl_up_sync(0xffffffffu, v, d);\nif (lane >= d) v += below;",
    select: "int below = __shfl_up_sync(0xffffffffu, v, d);\nv += lane >= d ? below : 0;",
    "lane-left": "int below = __shfl_sync(0xffffffffu, v, lane - d);\nv += lane < d ? 0 : below;",
  }[style];
  return `
    // Inclusive scan over the lanes of a warp.
    __device__ __forceinline__ int warp_scan(int v) {
      const int lane = threadIdx.x & 31;
      #pragma unroll
      for (int d = 1; d < 32; d <<= 1) {
        ${step}
      }
      return v;
    }
  `;
}

const bodies: Readonly<Record<BlockScan, string>> = {
  shuffle: `
      __shared__ int of_warps[32];
      const int warp = threadIdx.x >> 5, lane_id = threadIdx.x & 31;
      const int upto = warp_scan(v);
      __syncthreads();
      if (lane_id == 31) of_warps[warp] = upto;
      __syncthreads();
      if (warp == 0) {
        int s = lane_id < THREADS / 32 ? of_warps[lane_id] : 0;
        of_warps[lane_id] = warp_scan(s);
      }
      __syncthreads();
      total = of_warps[THREADS / 32 - 1];
      return upto - v + (warp > 0 ? of_warps[warp - 1] : 0);`,
  serial: `
      __shared__ int of_warps[32];
      const int warp = threadIdx.x >> 5;
      const int upto = warp_scan(v);
      __syncthreads();
      if ((threadIdx.x & 31) == 31) of_warps[warp] = upto;
      __syncthreads();
      int before = 0;
      total = 0;
      for (int k = 0; k < THREADS / 32; ++k) {
        if (k == warp) before = total;
        total += of_warps[k];
      }
      return before + upto - v;`,
  hillis: `
      __shared__ int cells[THREADS];
      const int t = threadIdx.x;
      __syncthreads();
      cells[t] = v;
      __syncthreads();
      for (int d = 1; d < THREADS; d *= 2) {
        const int below = t >= d ? cells[t - d] : 0;
        __syncthreads();
        cells[t] += below;
        __syncthreads();
      }
      total = cells[THREADS - 1];
      return cells[t] - v;`,
  "ping-pong": `
      __shared__ int cells[2][THREADS];
      const int t = threadIdx.x;
      int now = 0;
      __syncthreads();
      cells[0][t] = v;
      __syncthreads();
      for (int d = 1; d < THREADS; d *= 2) {
        cells[1 - now][t] = cells[now][t] + (t >= d ? cells[now][t - d] : 0);
        now = 1 - now;
        __syncthreads();
      }
      total = cells[now][THREADS - 1];
      return cells[now][t] - v;`,
  sweep: `
      __shared__ int nodes[THREADS];
      const int t = threadIdx.x;
      __syncthreads();
      nodes[t] = v;
      for (int d = 1; d < THREADS; d *= 2) {
        __syncthreads();
        const int i = (t + 1) * 2 * d - 1;
        if (i < THREADS) nodes[i] += nodes[i - d];
      }
      __syncthreads();
      total = nodes[THREADS - 1];
      __syncthreads();
      if (t == 0) nodes[THREADS - 1] = 0;
      for (int d = THREADS / 2; d > 0; d /= 2) {
        __syncthreads();
        const int i = (t + 1) * 2 * d - 1;
        if (i < THREADS) {
          const int left = nodes[i - d];
          nodes[i - d] = nodes[i];
          nodes[i] += left;
        }
      }
      __syncthreads();
      return nodes[t];`,
};

/** `block_scan(v, total)`: the exclusive prefix of v over the block's THREADS threads, and the sum of all. */
export function blockScan(kind: BlockScan, warp: WarpScan, withWarp = false): string {
  return `
    ${on(withWarp || kind === "shuffle" || kind === "serial", warpScan(warp))}
    __device__ int block_scan(int v, int& total) {
      ${bodies[kind]}
    }
  `;
}

export type SumScan = "block" | "chunks" | "thread";

/** `scan_sums(sums, count)`: one block turns sums into exclusive prefixes in place. */
export function sumScan(kind: SumScan): string {
  const inner = {
    block: `
      int carry = 0;
      for (int first = 0; first < count; first += THREADS) {
        const int i = first + threadIdx.x;
        const int v = i < count ? sums[i] : 0;
        int total;
        const int before = block_scan(v, total);
        if (i < count) sums[i] = carry + before;
        carry += total;
      }`,
    chunks: `
      const int each = (count + THREADS - 1) / THREADS;
      const int first = min(count, (int)threadIdx.x * each), last = min(count, first + each);
      int mine = 0;
      for (int i = first; i < last; ++i) mine += sums[i];
      int total;
      int before = block_scan(mine, total);
      for (int i = first; i < last; ++i) {
        const int v = sums[i];
        sums[i] = before;
        before += v;
      }`,
    thread: `
      if (threadIdx.x > 0) return;
      int before = 0;
      for (int i = 0; i < count; ++i) {
        const int v = sums[i];
        sums[i] = before;
        before += v;
      }`,
  }[kind];
  return `
    extern "C" __global__ void scan_sums(int* sums, int count) {
      ${inner}
    }
  `;
}

export type Arrange = "blocked" | "rows" | "staged";

/**
 * Reads a tile of THREADS * QUADS int4 from `from` and leaves `quad` scanned within the thread or row, `offset[k]` what goes
 * before quad k within the tile, and `tile_total`.
 */
export function tileScan(arrange: Arrange, from: string): string {
  const within = `
        quad[k].y += quad[k].x;
        quad[k].z += quad[k].y;
        quad[k].w += quad[k].z;`;
  if (arrange === "rows")
    return `
      int4 quad[QUADS];
      int offset[QUADS];
      int tile_total = 0;
      #pragma unroll
      for (int k = 0; k < QUADS; ++k) quad[k] = ${from}[k * THREADS + threadIdx.x];
      #pragma unroll
      for (int k = 0; k < QUADS; ++k) {
        ${within}
        int row_total;
        offset[k] = tile_total + block_scan(quad[k].w, row_total);
        tile_total += row_total;
      }`;
  const load =
    arrange === "blocked"
      ? `
      #pragma unroll
      for (int k = 0; k < QUADS; ++k) quad[k] = ${from}[threadIdx.x * QUADS + k];`
      : `
      #pragma unroll
      for (int k = 0; k < QUADS; ++k) turn[SPOT(k * THREADS + threadIdx.x)] = ${from}[k * THREADS + threadIdx.x];
      __syncthreads();
      #pragma unroll
      for (int k = 0; k < QUADS; ++k) quad[k] = turn[SPOT(threadIdx.x * QUADS + k)];`;
  return `
      int4 quad[QUADS];
      int offset[QUADS];
      int tile_total;
      ${load}
      int mine = 0;
      #pragma unroll
      for (int k = 0; k < QUADS; ++k) {
        ${within}
        offset[k] = mine;
        mine += quad[k].w;
      }
      const int ahead = block_scan(mine, tile_total);
      #pragma unroll
      for (int k = 0; k < QUADS; ++k) offset[k] += ahead;`;
}

/** Writes the tile that `tileScan` left, with `base` before it. */
export function tileStore(arrange: Arrange, to: string, base: string): string {
  const add = `
        const int b = ${base} + offset[k];
        const int4 r = make_int4(quad[k].x + b, quad[k].y + b, quad[k].z + b, quad[k].w + b);`;
  if (arrange === "staged")
    return `
      #pragma unroll
      for (int k = 0; k < QUADS; ++k) {
        ${add}
        turn[SPOT(threadIdx.x * QUADS + k)] = r;
      }
      __syncthreads();
      #pragma unroll
      for (int k = 0; k < QUADS; ++k) ${to}[k * THREADS + threadIdx.x] = turn[SPOT(k * THREADS + threadIdx.x)];`;
  return `
      #pragma unroll
      for (int k = 0; k < QUADS; ++k) {
        ${add}
        ${to}[${arrange === "rows" ? "k * THREADS + threadIdx.x" : "threadIdx.x * QUADS + k"}] = r;
      }`;
}

/** Declarations that a staged tile needs before the kernel and in it. */
export function stagedParts(arrange: Arrange): { define: string; declare: string } {
  if (arrange !== "staged") return { define: "", declare: "" };
  return { define: "#define SPOT(i) ((i) + (i) / 8)", declare: "__shared__ int4 turn[SPOT(THREADS * QUADS) + 1];" };
}

/** Whether the staged tile's shared memory fits. */
export function stagedFits(arrange: Arrange, threads: number, quads: number): boolean {
  return arrange !== "staged" || threads * quads * 18 + 16 <= 40_000;
}
