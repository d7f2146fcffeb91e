import type { Launch } from "../../../src/domain/index.ts";
import { launch, on } from "../kit/code.ts";

/** How a block's total reaches the result. */
export type Finish = "atomic" | "partials" | "last";

/** How the threads of a block add up their values. */
export type BlockSum = "shuffle" | "tree" | "hybrid";

/** The parts of a kernel that depend on how block totals are combined. */
export interface FinishParts {
  /** Kernels and globals above the main kernel. */
  readonly helpers: string;
  readonly parameters: string;
  readonly args: readonly string[];
  /** Statements at the end of the main kernel; they read `total`, which thread 0 holds. */
  readonly body: string;
  readonly before: readonly Launch[];
  readonly after: readonly Launch[];
}

export function finishParts(kind: Finish, grid: number, combineBlock: number): FinishParts {
  if (kind === "atomic") return atomicFinish();
  return kind === "partials" ? partialsFinish(grid, combineBlock) : lastBlockFinish();
}

function atomicFinish(): FinishParts {
  return {
    helpers: `
      extern "C" __global__ void clear_result(float* result) {
        result[0] = 0.0f;
      }
    `,
    parameters: "float* result",
    args: ["out"],
    body: `
      if (threadIdx.x == 0) {
        atomicAdd(result, total);
      }
    `,
    before: [launch("clear_result", 1, 1, ["out"])],
    after: [],
  };
}

function partialsFinish(grid: number, combineBlock: number): FinishParts {
  return {
    helpers: `
      extern "C" __global__ void combine_partials(const float* partials, float* result, int count) {
        float total = 0.0f;
        for (int i = threadIdx.x; i < count; i += blockDim.x) {
          total += partials[i];
        }
        total = block_sum<${combineBlock}>(total);
        if (threadIdx.x == 0) {
          result[0] = total;
        }
      }
    `,
    parameters: "float* partials",
    args: ["partials"],
    body: `
      if (threadIdx.x == 0) {
        partials[blockIdx.x] = total;
      }
    `,
    before: [],
    after: [launch("combine_partials", 1, combineBlock, ["partials", "out", { i32: grid }])],
  };
}

function lastBlockFinish(): FinishParts {
  return {
    helpers: `
      __device__ unsigned int blocks_done = 0;
    `,
    parameters: "float* partials, float* result",
    args: ["partials", "out"],
    body: `
      // The block that arrives last adds up what all blocks left.
      __shared__ bool is_last;
      if (threadIdx.x == 0) {
        partials[blockIdx.x] = total;
        __threadfence();
        is_last = atomicInc(&blocks_done, gridDim.x - 1) == gridDim.x - 1;
      }
      __syncthreads();
      if (is_last) {
        __threadfence();
        float rest = 0.0f;
        for (int i = threadIdx.x; i < gridDim.x; i += blockDim.x) {
          rest += __ldcg(partials + i);
        }
        rest = block_sum<BLOCK>(rest);
        if (threadIdx.x == 0) {
          result[0] = rest;
        }
      }
    `,
    before: [],
    after: [],
  };
}

/** \`block_sum<threads>(value)\`: the block's sum, valid in thread 0. */
export function blockSumFunction(kind: BlockSum, xor = false): string {
  if (kind === "tree") return treeSum();
  if (kind === "hybrid") return hybridSum();
  return `
    __device__ __forceinline__ float warp_sum(float v) {
      #pragma unroll
      for (int offset = 16; offset > 0; offset >>= 1) {
        v += ${on(xor, "__shfl_xor_sync", "__shfl_down_sync")}(0xffffffffu, v, offset);
      }
      return v;
    }

    template <int THREADS>
    __device__ float block_sum(float v) {
      __shared__ float warp_totals[32];
      int lane = threadIdx.x & 31;
      int warp = threadIdx.x >> 5;
      v = warp_sum(v);
      if (lane == 0) {
        warp_totals[warp] = v;
      }
      __syncthreads();
      if (warp == 0) {
        v = lane < THREADS / 32 ? warp_totals[lane] : 0.0f;
        v = warp_sum(v);
      }
      return v;
    }
  `;
}

function treeSum(): string {
  return `
    template <int THREADS>
    __device__ float block_sum(float v) {
      __shared__ float cells[THREADS];
      cells[threadIdx.x] = v;
      __syncthreads();
      for (int half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
          cells[threadIdx.x] += cells[threadIdx.x + half];
        }
        __syncthreads();
      }
      return cells[0];
    }
  `;
}

function hybridSum(): string {
  return `
    template <int THREADS>
    __device__ float block_sum(float v) {
      __shared__ float cells[THREADS];
      cells[threadIdx.x] = v;
      __syncthreads();
      #pragma unroll
      for (int half = THREADS / 2; half >= 32; half /= 2) {
        if (threadIdx.x < half) {
          cells[threadIdx.x] += cells[threadIdx.x + half];
        }
        __syncthreads();
      }
      // The remaining 32 values fit in one warp.
      if (threadIdx.x < 32) {
        v = cells[threadIdx.x];
        for (int offset = 16; offset > 0; offset >>= 1) {
          v += __shfl_down_sync(0xffffffffu, v, offset);
        }
      }
      return v;
    }
  `;
}
