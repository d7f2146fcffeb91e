import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { groupTotal, header, packFunctions } from "./halves.ts";

/** Resident blocks with the weights in registers. */
export const residentWeights: Template = template({
  id: "resident-weights",
  from: "row-kept-by-block",
  idea: "Keep the weights in registers of resident blocks that loop over rows, and load the next row before finishing this one.",
  options: {
    ahead: [false, true],
    unpack: ["cast", "union", "bits"],
    product: ["float", "paired", "half-weight"],
    total: ["board", "first-warp", "shared-atomic"],
    rowsTogether: ["one", "two"],
    deal: ["stride", "chunk"],
    load: ["plain", "ldcs"],
    threads: [640, 320, 160],
    perSm: [2, 1, 3, 4, 6],
  },
  valid: ({ ahead, rowsTogether, threads, perSm, deal }) =>
    !(ahead && rowsTogether === "two") && threads * perSm <= 2048 && (deal === "stride" || !ahead),
  count: 27,
  write: (options, { rows = 0, cols = 0 }) => {
    const { ahead, unpack, product, total, rowsTogether, deal, load, threads, perSm } = options;
    const each = cols / 8 / threads;
    const get = (row: string): string => {
      const place = `x + (size_t)(${row}) * PACKS + tid + k * THREADS`;
      return load === "plain" ? `*(${place})` : `__ldcs(${place})`;
    };
    const fetch = (name: string, row: string): string =>
      `#pragma unroll\nfor (int k = 0; k < EACH; ++k) ${name}[k] = ${get(row)};`;
    const finish = (name: string, row: string, factor: string): string => `
      #pragma unroll
      for (int k = 0; k < EACH; ++k) {
        y[(size_t)(${row}) * PACKS + tid + k * THREADS] = scaled(${name}[k], gain[k], ${factor});
      }`;
    const two = rowsTogether === "two";
    const step = two ? "2 * gridDim.x" : "gridDim.x";
    const first = two ? "2 * blockIdx.x" : "blockIdx.x";
    const perBlock = 2 * Math.ceil(rows / (2 * 132 * perSm));
    const range =
      deal === "stride"
        ? `for (int row = ${first}; row < rows; row += ${step}) {`
        : `const int stop = min(rows, ((int)blockIdx.x + 1) * SHARE);
      for (int row = blockIdx.x * SHARE; row < stop; row += ${two ? "2" : "1"}) {`;
    const body = residentBody(two, ahead, fetch, finish);
    const source = `
      ${header}
      #define COLS ${cols}
      #define PACKS (COLS / 8)
      #define THREADS ${threads}
      #define EACH ${each}
      ${on(deal === "chunk", `#define SHARE ${perBlock}`)}
      ${packFunctions(8, unpack, product)}
      ${groupTotal(total, "THREADS")}
      extern "C" __global__ void __launch_bounds__(THREADS) resident_rms(const uint4* __restrict__ x, const uint4* __restrict__ w, uint4* __restrict__ y, int rows) {
        const int tid = threadIdx.x;
        uint4 gain[EACH];
        #pragma unroll
        for (int k = 0; k < EACH; ++k) gain[k] = w[tid + k * THREADS];
        ${on(ahead, `uint4 a[EACH];\nif (blockIdx.x < rows) {\n${fetch("a", "blockIdx.x")}\n}`)}
        ${range}
        ${body}
        }
      }
    `;
    return styled(
      { source, launches: [launch("resident_rms", 132 * perSm, threads, ["x", "w", "y", { i32: rows }])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Rows pass through a ring in shared memory, one warp or the whole block per row. */
export const rowRing: Template = template({
  id: "row-ring",
  from: "row-kept-in-shared",
  idea: "Copy the coming rows asynchronously into a ring of shared rows while the present one is normalised.",
  options: {
    owner: ["block", "warp"],
    reread: [false, true],
    unpack: ["cast", "union", "bits"],
    product: ["float", "paired", "half-weight"],
    total: ["board", "first-warp", "shared-atomic"],
    store: ["plain", "stcs"],
    stages: [3, 2, 4],
    threads: [128, 256, 160, 320],
  },
  valid: ({ owner, total, threads, stages }) =>
    (owner === "block" || (total === "board" && threads <= 160 && (threads / 32) * stages * 10240 <= 220_000)) &&
    !(owner === "warp" && threads === 160 && stages === 4),
  count: 26,
  write: ({ owner, reread, unpack, product, total, store, stages, threads }, { rows = 0, cols = 0 }) => {
    const warp = owner === "warp";
    const members = warp ? 32 : threads;
    const rings = warp ? threads / 32 : 1;
    const bytes = rings * stages * cols * 2;
    const perSm = Math.max(1, Math.min(Math.floor(2048 / threads), Math.floor(225_000 / bytes)));
    const grid = 132 * perSm;
    const put = store === "plain" ? "out[c] = $;" : "__stcs(out + c, $);";
    const each = (body: string): string => `for (int c = member; c < PACKS; c += MEMBERS) ${body}`;
    const kept = Math.ceil(cols / 8 / members);
    const held = `
      uint4 held[HELD];
      #pragma unroll
      for (int k = 0; k < HELD; ++k) {
        const int c = member + k * MEMBERS;
        if (c < PACKS) {
          held[k] = slot[c];
          sum += power(held[k]);
        }
      }
      const float factor = rsqrtf(sum_all(sum) / COLS + 1e-6f);
      #pragma unroll
      for (int k = 0; k < HELD; ++k) {
        const int c = member + k * MEMBERS;
        if (c < PACKS) {
          ${put.replace("$", "scaled(held[k], w[c], factor)")}
        }
      }`;
    const twice = `
      ${each("sum += power(slot[c]);")}
      const float factor = rsqrtf(sum_all(sum) / COLS + 1e-6f);
      ${each(put.replace("$", "scaled(slot[c], w[c], factor)"))}`;
    const source = `
      ${header}
      #include <cuda_pipeline.h>
      constexpr int COLS = ${cols}, PACKS = COLS / 8;
      constexpr int MEMBERS = ${warp ? "32" : String(threads)};
      constexpr int STAGES = ${stages};
      ${on(!reread, `constexpr int HELD = ${kept};`)}
      ${packFunctions(8, unpack, product)}
      ${warp ? "" : groupTotal(total, "MEMBERS")}
      __device__ __forceinline__ float sum_all(float v) {
        ${warp ? "for (int hop = 16; hop > 0; hop >>= 1) v += __shfl_xor_sync(0xffffffffu, v, hop);\nreturn v;" : "return total_of(v);"}
      }

      // Every member copies the packs that it reads itself.
      __device__ __forceinline__ void request(uint4* slot, const uint4* x, int row, int rows, int member) {
        if (row < rows) {
          ${each("__pipeline_memcpy_async(slot + c, x + (size_t)row * PACKS + c, 16);")}
        }
        __pipeline_commit();
      }

      extern "C" __global__ void ring_rms(const uint4* __restrict__ x, const uint4* __restrict__ w, uint4* __restrict__ y, int rows) {
        extern __shared__ uint4 ring_memory[];
        const int member = threadIdx.x % MEMBERS;
        const int group = ${warp ? `blockIdx.x * ${rings} + threadIdx.x / 32` : "blockIdx.x"};
        const int groups = gridDim.x${on(warp, ` * ${rings}`)};
        uint4* ring = ring_memory${on(warp, " + threadIdx.x / 32 * STAGES * PACKS")};
        for (int s = 0; s < STAGES - 1; ++s) request(ring + s * PACKS, x, group + s * groups, rows, member);
        int turn = 0;
        for (int row = group; row < rows; row += groups, ++turn) {
          request(ring + (turn + STAGES - 1) % STAGES * PACKS, x, row + (STAGES - 1) * groups, rows, member);
          __pipeline_wait_prior(STAGES - 1);
          const uint4* slot = ring + turn % STAGES * PACKS;
          uint4* out = y + (size_t)row * PACKS;
          float sum = 0.0f;
          ${reread ? twice : held}
        }
      }
    `;
    return styled(
      { source, launches: [launch("ring_rms", grid, threads, ["x", "w", "y", { i32: rows }], bytes)] },
      { names: "camel", indent: 2 },
    );
  },
});

function residentBody(
  two: boolean,
  ahead: boolean,
  fetch: (name: string, row: string) => string,
  finish: (name: string, row: string, factor: string) => string,
): string {
  return two
    ? `
        uint4 a[EACH], b[EACH];
        ${fetch("a", "row")}
        ${fetch("b", "row + 1")}
        float sum_a = 0.0f, sum_b = 0.0f;
        #pragma unroll
        for (int k = 0; k < EACH; ++k) {
          sum_a += power(a[k]);
          sum_b += power(b[k]);
        }
        const float factor_a = rsqrtf(total_of(sum_a) / COLS + 1e-6f);
        const float factor_b = rsqrtf(total_of(sum_b) / COLS + 1e-6f);
        ${finish("a", "row", "factor_a")}
        ${finish("b", "row + 1", "factor_b")}`
    : ahead
      ? `
        uint4 next[EACH];
        const int following = min(row + (int)gridDim.x, rows - 1);
        ${fetch("next", "following")}
        float sum = 0.0f;
        #pragma unroll
        for (int k = 0; k < EACH; ++k) sum += power(a[k]);
        const float factor = rsqrtf(total_of(sum) / COLS + 1e-6f);
        ${finish("a", "row", "factor")}
        #pragma unroll
        for (int k = 0; k < EACH; ++k) a[k] = next[k];`
      : `
        uint4 a[EACH];
        ${fetch("a", "row")}
        float sum = 0.0f;
        #pragma unroll
        for (int k = 0; k < EACH; ++k) sum += power(a[k]);
        const float factor = rsqrtf(total_of(sum) / COLS + 1e-6f);
        ${finish("a", "row", "factor")}`;
}
