import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import {
  blockPlace,
  constants,
  depthLoop,
  drainBoard,
  finish,
  fits,
  headers,
  poolBytes,
  setUp,
  stageLoader,
  threadsOf,
} from "./engine.ts";
import { args, columns, depth, gateFunction, parameters, rows, silus, type } from "./parts.ts";

const directOptions = {
  weights: ["joint", "separate"],
  ahead: [false, true],
  along: ["rows", "columns"],
  silu: silus,
  wideStore: [false, true],
  unroll: [false, true],
  bounded: [false, true],
  wm: [1, 2, 4],
  wn: [1, 2],
  warps: [4, 8, 2],
} as const;

function directLoop(o: Chosen<typeof directOptions>, weights: readonly ("w1" | "w2")[]): string {
  const sums = { w1: "gate", w2: "value" };
  const load = (slot: string, p: string): string => `#pragma unroll
    for (int i = 0; i < WM; ++i) wmma::load_matrix_sync(fx${slot}[i], x + (size_t)(row0 + 16 * i) * K + ${p}, K);
    #pragma unroll
    for (int j = 0; j < WN; ++j) {
      ${weights.map((w) => `wmma::load_matrix_sync(f${w}${slot}[j], ${w} + (size_t)(${p}) * N + col0 + 16 * j, N);`).join("\n")}
    }`;
  const multiply = (slot: string): string => `#pragma unroll
    for (int i = 0; i < WM; ++i)
      #pragma unroll
      for (int j = 0; j < WN; ++j) {
        ${weights.map((w) => `wmma::mma_sync(${sums[w]}[i][j], fx${slot}[i], f${w}${slot}[j], ${sums[w]}[i][j]);`).join("\n")}
      }`;
  return o.ahead
    ? `${load("[0]", "0")}
      for (int p = 0; p < K; p += 32) {
        ${load("[1]", "p + 16")}
        ${multiply("[0]")}
        if (p + 32 < K) {
          ${load("[0]", "p + 32")}
        }
        ${multiply("[1]")}
      }`
    : `${on(o.unroll, "#pragma unroll 4\n")}for (int p = 0; p < K; p += 16) {
        ${load("", "p")}
        ${multiply("")}
      }`;
}

/** Warps read fragments of x and both weights from global memory. */
export const wmmaDirect: Template = template({
  id: "wmma-direct",
  from: "output-per-thread",
  idea: "multiply on the tensor cores, with fragments straight from global memory",
  options: directOptions,
  valid: (o) => o.wm * o.wn < 8 || !o.ahead,
  count: 28,
  write: (o) => {
    const slots = on(o.ahead, "[2]");
    const byRows = o.along === "rows";
    const loops =
      o.weights === "joint" ? directLoop(o, ["w1", "w2"]) : `${directLoop(o, ["w1"])}\n${directLoop(o, ["w2"])}`;
    const source = `
      #include <cuda_bf16.h>
      #include <mma.h>

      using namespace nvcuda;

      constexpr int N = ${columns}, K = ${depth};
      constexpr int WM = ${o.wm}, WN = ${o.wn}, WARPS = ${o.warps};

      ${gateFunction(o.silu)}

      extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(WARPS * 32) ")}gated_fragments(${parameters(true)}) {
        __shared__ __align__(128) float boards[WARPS][256];
        const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        float* board = boards[warp];
        const int row0 = ${byRows ? "(blockIdx.y * WARPS + warp)" : "blockIdx.y"} * 16 * WM;
        const int col0 = ${byRows ? "blockIdx.x" : "(blockIdx.x * WARPS + warp)"} * 16 * WN;
        wmma::fragment<wmma::matrix_a, 16, 16, 16, ${type}, wmma::row_major> fx${slots}[WM];
        wmma::fragment<wmma::matrix_b, 16, 16, 16, ${type}, wmma::row_major> fw1${slots}[WN], fw2${slots}[WN];
        wmma::fragment<wmma::accumulator, 16, 16, 16, float> gate[WM][WN], value[WM][WN];
        #pragma unroll
        for (int i = 0; i < WM; ++i)
          #pragma unroll
          for (int j = 0; j < WN; ++j) {
            wmma::fill_fragment(gate[i][j], 0.0f);
            wmma::fill_fragment(value[i][j], 0.0f);
          }
        ${loops}
        #pragma unroll
        for (int i = 0; i < WM; ++i) {
          #pragma unroll
          for (int j = 0; j < WN; ++j) {
            const int row = row0 + 16 * i, col = col0 + 16 * j;
            #pragma unroll
            for (int e = 0; e < gate[i][j].num_elements; ++e) gate[i][j].x[e] = gated(gate[i][j].x[e], value[i][j].x[e]);
            wmma::store_matrix_sync(board, gate[i][j], 16, wmma::mem_row_major);
            __syncwarp();
            ${drainBoard(o.wideStore)}
            __syncwarp();
          }
        }
      }
    `;
    const grid = byRows
      ? ([columns / (16 * o.wn), rows / (16 * o.wm * o.warps)] as const)
      : ([columns / (16 * o.wn * o.warps), rows / (16 * o.wm)] as const);
    return styled(
      { source, launches: [launch("gated_fragments", grid, o.warps * 32, args)] },
      { names: "snake", indent: 2 },
    );
  },
});

const gateFragments = `#pragma unroll
  for (int e = 0; e < gate[i][j].num_elements; ++e) gate[i][j].x[e] = gated(gate[i][j].x[e], value[i][j].x[e]);`;

const tiledOptions = {
  copy: ["plain", "async"],
  pad: [false, true],
  banded: [false, true],
  silu: silus,
  wideStore: [false, true],
  unroll: [true, false],
  bounded: [true, false],
  bm: [64, 128],
  bn: [64, 32, 128],
  bk: [32, 16, 64],
  warpsM: [2, 4],
  warpsN: [2, 4, 1],
  stages: [2, 3, 4],
} as const;

/** Both products at once from staged tiles. */
export const wmmaTiled: Template = template({
  id: "wmma-tiled",
  from: "wmma-direct",
  idea: "stage tiles of x and both weights in shared memory for the fragments",
  options: tiledOptions,
  valid: (o) => fits(o, 2) && poolBytes(o, { names: ["w1", "w2"] }) <= 220 * 1024,
  count: 28,
  write: (o) => {
    const weights = { names: ["w1", "w2"] };
    const source = `
      ${headers(o)}
      ${constants(o, weights)}

      ${gateFunction(o.silu)}

      ${stageLoader(o, weights)}

      extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(NT) ")}gated_tiles(${parameters(true)}) {
        ${setUp(weights, ["gate", "value"])}
        ${blockPlace(o.banded)}
        ${depthLoop(o, weights, "x + (size_t)row0 * K, w1 + col0, w2 + col0", ["gate", "value"])}
        ${finish(o.wideStore, gateFragments)}
      }
    `;
    const grid = [columns / o.bn, rows / o.bm] as const;
    return styled(
      { source, launches: [launch("gated_tiles", grid, threadsOf(o), args, poolBytes(o, weights))] },
      { names: "snake", indent: 2 },
    );
  },
});

/** One product after the other in the same kernel; the first one's fragments wait in registers. */
export const gateThenValue: Template = template({
  id: "gate-then-value",
  from: "wmma-tiled",
  idea: "finish the gate before the value, so that a stage holds a single weight tile",
  options: { ...tiledOptions, early: [false, true], bn: [64, 128, 32] },
  valid: (o) => fits(o, 2) && poolBytes(o, { names: ["w"] }) <= 220 * 1024,
  count: 26,
  write: (o) => {
    const weights = { names: ["w"] };
    const activate = `#pragma unroll
      for (int i = 0; i < FM; ++i)
        #pragma unroll
        for (int j = 0; j < FN; ++j)
          #pragma unroll
          for (int e = 0; e < gate[i][j].num_elements; ++e) gate[i][j].x[e] = gated(gate[i][j].x[e], 1.0f);`;
    const product = `#pragma unroll
      for (int e = 0; e < gate[i][j].num_elements; ++e) gate[i][j].x[e] *= value[i][j].x[e];`;
    const source = `
      ${headers(o)}
      ${constants(o, weights)}

      ${gateFunction(o.silu)}

      ${stageLoader(o, weights)}

      extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(NT) ")}gateAndValue(${parameters(true)}) {
        ${setUp(weights, ["gate", "value"])}
        ${blockPlace(o.banded)}
        ${depthLoop(o, weights, "x + (size_t)row0 * K, w1 + col0", ["gate"])}
        ${on(o.early, activate)}
        __syncthreads();
        ${depthLoop(o, weights, "x + (size_t)row0 * K, w2 + col0", ["value"])}
        ${finish(o.wideStore, o.early ? product : gateFragments)}
      }
    `;
    const grid = [columns / o.bn, rows / o.bm] as const;
    return styled(
      { source, launches: [launch("gateAndValue", grid, threadsOf(o), args, poolBytes(o, weights))] },
      { names: "snake", indent: 4 },
    );
  },
});
