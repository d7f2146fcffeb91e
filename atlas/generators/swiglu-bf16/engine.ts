import { on } from "../kit/code.ts";
import { columns, depth } from "./parts.ts";

/** Block tiles of a kernel on wmma fragments. */
export interface Tiles {
  readonly bm: number;
  readonly bn: number;
  readonly bk: number;
  readonly warpsM: number;
  readonly warpsN: number;
  readonly copy: "plain" | "async";
  readonly stages: number;
  readonly pad: boolean;
  readonly unroll: boolean;
}

/** How many weight tiles a stage holds, and whether a tile's rows run along k or along n. */
export interface Weights {
  readonly names: readonly string[];
  readonly transposed?: boolean;
  /** Elements from one row of the weights to the next. */
  readonly stride?: number;
  readonly steps?: string;
}

export function threadsOf(o: Tiles): number {
  return o.warpsM * o.warpsN * 32;
}

/** Bytes of the stages, or of the warps' boards for the results if those need more. */
export function poolBytes(o: Tiles, weights: Weights): number {
  const pad = o.pad ? 8 : 0;
  const weight = weights.transposed ? o.bn * (o.bk + pad) : o.bk * (o.bn + pad);
  const stage = o.bm * (o.bk + pad) + weights.names.length * weight;
  return Math.max(2 * stage * (o.copy === "async" ? o.stages : 1), threadsOf(o) * 32);
}

/** Whether every warp has whole fragments, few enough for its registers. */
export function fits(o: Tiles, accumulators: number): boolean {
  const [down, across] = [o.bm / o.warpsM / 16, o.bn / o.warpsN / 16];
  return down >= 1 && across >= 1 && down * across * accumulators >= 2 && down * across * accumulators <= 16;
}

export function constants(o: Tiles, weights: Weights): string {
  const pad = on(o.pad, " + 8");
  return `constexpr int N = ${columns}, K = ${depth};
    constexpr int BM = ${o.bm}, BN = ${o.bn}, BK = ${o.bk};
    constexpr int WARPS_M = ${o.warpsM}, WARPS_N = ${o.warpsN}, NT = WARPS_M * WARPS_N * 32;
    constexpr int FM = BM / WARPS_M / 16, FN = BN / WARPS_N / 16;
    constexpr int LDX = BK${pad}, LDW = ${weights.transposed ? "BK" : "BN"}${pad}, WSIZE = ${weights.transposed ? "BN" : "BK"} * LDW;
    constexpr int STAGE = BM * LDX + ${weights.names.length} * WSIZE, STEPS = ${weights.steps ?? "K / BK"};
    ${on(o.copy === "async", `constexpr int STAGES = ${o.stages};`)}`;
}

/** A function that brings one stage into shared memory; pointers are at the block's first row or column. */
export function stageLoader(o: Tiles, weights: Weights): string {
  const move = (to: string, from: string): string =>
    o.copy === "async"
      ? `__pipeline_memcpy_async(${to}, ${from}, 16);`
      : `*reinterpret_cast<uint4*>(${to}) = *reinterpret_cast<const uint4*>(${from});`;
  const pragma = on(o.unroll, "#pragma unroll\n");
  const stride = weights.stride ?? columns;
  const part = (name: string, index: number): string =>
    weights.transposed
      ? `${pragma}for (int e = threadIdx.x; e < BN * BK / 8; e += NT) {
          const int r = e / (BK / 8), q = e % (BK / 8) * 8;
          ${move(`to + BM * LDX + ${index} * WSIZE + r * LDW + q`, `${name} + (size_t)r * K + k0 + q`)}
        }`
      : `${pragma}for (int e = threadIdx.x; e < BK * BN / 8; e += NT) {
          const int r = e / (BN / 8), q = e % (BN / 8) * 8;
          ${move(`to + BM * LDX + ${index} * WSIZE + r * LDW + q`, `${name} + (size_t)(k0 + r) * ${stride} + q`)}
        }`;
  return `__device__ __forceinline__ void load_stage(__nv_bfloat16* to, const __nv_bfloat16* xs, ${weights.names.map((name) => `const __nv_bfloat16* ${name}`).join(", ")}, int k0) {
    ${pragma}for (int e = threadIdx.x; e < BM * BK / 8; e += NT) {
      const int r = e / (BK / 8), q = e % (BK / 8) * 8;
      ${move("to + r * LDX + q", "xs + (size_t)r * K + k0 + q")}
    }
    ${weights.names.map(part).join("\n")}
  }`;
}

/** The loop over k. `given` are the pointers for the loader; `sums` the accumulators of each weight tile. */
export function depthLoop(o: Tiles, weights: Weights, given: string, sums: readonly string[], begin = "0"): string {
  const multiply = `${on(o.unroll, "#pragma unroll\n")}for (int kk = 0; kk < BK; kk += 16) {
      #pragma unroll
      for (int i = 0; i < FM; ++i) wmma::load_matrix_sync(fx[i], tx + (wr * FM + i) * 16 * LDX + kk, LDX);
      #pragma unroll
      for (int j = 0; j < FN; ++j) {
        ${sums
          .map(
            (name, index) => `wmma::load_matrix_sync(fw, tw + ${index} * WSIZE + ${
              weights.transposed ? "(wc * FN + j) * 16 * LDW + kk" : "kk * LDW + (wc * FN + j) * 16"
            }, LDW);
            #pragma unroll
            for (int i = 0; i < FM; ++i) wmma::mma_sync(${name}[i][j], fx[i], fw, ${name}[i][j]);`,
          )
          .join("\n")}
      }
    }`;
  const load = (stage: string, step: string): string =>
    `load_stage(pool + ${stage}, ${given}, ${begin === "0" ? "" : `${begin} + `}${step});`;
  if (o.copy === "async")
    return `for (int s = 0; s < STAGES - 1; ++s) {
        ${load("s * STAGE", "s * BK")}
        __pipeline_commit();
      }
      for (int t = 0; t < STEPS; ++t) {
        __pipeline_wait_prior(STAGES - 2);
        __syncthreads();
        if (t + STAGES - 1 < STEPS) ${load("(t + STAGES - 1) % STAGES * STAGE", "(t + STAGES - 1) * BK")}
        __pipeline_commit();
        const __nv_bfloat16* tx = pool + t % STAGES * STAGE;
        const __nv_bfloat16* tw = tx + BM * LDX;
        ${multiply}
      }`;
  return `for (int t = 0; t < STEPS; ++t) {
      __syncthreads();
      ${load("0", "t * BK")}
      __syncthreads();
      const __nv_bfloat16* tx = pool;
      const __nv_bfloat16* tw = pool + BM * LDX;
      ${multiply}
    }`;
}

export const headers = (o: Tiles): string =>
  `#include <cuda_bf16.h>\n${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}#include <mma.h>\n\nusing namespace nvcuda;\n`;

/** Warp coordinates, fragments and cleared accumulators. */
export function setUp(weights: Weights, sums: readonly string[]): string {
  return `extern __shared__ __align__(128) unsigned char bytes[];
    __nv_bfloat16* pool = reinterpret_cast<__nv_bfloat16*>(bytes);
    const int warp = threadIdx.x / 32, wr = warp / WARPS_N, wc = warp % WARPS_N;
    wmma::fragment<wmma::matrix_a, 16, 16, 16, __nv_bfloat16, wmma::row_major> fx[FM];
    wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, wmma::${weights.transposed ? "col" : "row"}_major> fw;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> ${sums.map((name) => `${name}[FM][FN]`).join(", ")};
    #pragma unroll
    for (int i = 0; i < FM; ++i)
      #pragma unroll
      for (int j = 0; j < FN; ++j) {
        ${sums.map((name) => `wmma::fill_fragment(${name}[i][j], 0.0f);`).join("\n")}
      }`;
}

/** Block coordinates, row by row or in bands of rows that share weights. */
export function blockPlace(banded: boolean): string {
  return banded
    ? `const int serial = blockIdx.y * gridDim.x + blockIdx.x;
      const int row0 = (serial / (8 * gridDim.x) * 8 + serial % 8) * BM;
      const int col0 = serial / 8 % gridDim.x * BN;`
    : "const int row0 = blockIdx.y * BM, col0 = blockIdx.x * BN;";
}

/** Writes a warp's 16 x 16 board of floats as bfloat16; `row` and `col` are its place. */
export function drainBoard(wide: boolean): string {
  return wide
    ? `{
        const float* from = board + lane / 2 * 16 + lane % 2 * 8;
        uint4 packed;
        __nv_bfloat162* pairs = reinterpret_cast<__nv_bfloat162*>(&packed);
        #pragma unroll
        for (int u = 0; u < 4; ++u) pairs[u] = __floats2bfloat162_rn(from[2 * u], from[2 * u + 1]);
        *reinterpret_cast<uint4*>(&y[(size_t)(row + lane / 2) * N + col + lane % 2 * 8]) = packed;
      }`
    : `for (int e = lane; e < 256; e += 32) y[(size_t)(row + e / 16) * N + col + e % 16] = __float2bfloat16(board[e]);`;
}

/** Gates the accumulators in place, fragment by fragment, and writes them. */
export function finish(wide: boolean, gate: string): string {
  return `__syncthreads();
    const int lane = threadIdx.x % 32;
    float* board = reinterpret_cast<float*>(bytes) + warp * 256;
    #pragma unroll
    for (int i = 0; i < FM; ++i) {
      #pragma unroll
      for (int j = 0; j < FN; ++j) {
        const int row = row0 + (wr * FM + i) * 16, col = col0 + (wc * FN + j) * 16;
        ${gate}
        wmma::store_matrix_sync(board, gate[i][j], 16, wmma::mem_row_major);
        __syncwarp();
        ${drainBoard(wide)}
        __syncwarp();
      }
    }`;
}
