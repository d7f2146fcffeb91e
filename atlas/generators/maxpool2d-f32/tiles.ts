import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { declareSizes, poolOf, preface, put, raise, type Larger, type Store } from "./words.ts";

const bandFills = {
  scalar: "cells[a][LEFT + b] = y >= 0 ? from[y * IW + b] : LOWEST;",
  vector: `
    float4 four = make_float4(LOWEST, LOWEST, LOWEST, LOWEST);
    if (y >= 0) four = *reinterpret_cast<const float4*>(from + y * IW + b);
    *reinterpret_cast<float4*>(&cells[a][LEFT + b]) = four;`,
  async: `
    if (y >= 0) {
      __pipeline_memcpy_async(&cells[a][LEFT + b], from + y * IW + b, 16);
    } else {
      *reinterpret_cast<float4*>(&cells[a][LEFT + b]) = make_float4(LOWEST, LOWEST, LOWEST, LOWEST);
    }`,
};

/** The loops that pool a staged band, by how they reduce. */
function bandWork(edge: "column-of-lowest" | "test", larger: Larger, store: Store) {
  const before = (row: string): string =>
    edge === "test" ? `(ox > 0 ? cells[${row}][LEFT + 2 * ox - 1] : LOWEST)` : `cells[${row}][LEFT + 2 * ox - 1]`;
  const across = (row: string, best: string): string =>
    [before(row), `cells[${row}][LEFT + 2 * ox]`, `cells[${row}][LEFT + 2 * ox + 1]`]
      .map((value) => `{\nconst float value = ${value};\n${raise(larger, best, "value")}\n}`)
      .join("\n");
  return {
    window: `
      for (int i = threadIdx.x; i < BAND * OW; i += THREADS) {
        const int ox = i % OW;
        const int oy = i / OW;
        float best = LOWEST;
        #pragma unroll
        for (int r = 0; r < 3; ++r) {
          ${across("2 * oy + r", "best")}
        }
        ${put(store, "to + i", "best")}
      }`,
    "rows-then-columns": `
      for (int i = threadIdx.x; i < (2 * BAND + 1) * OW; i += THREADS) {
        const int ox = i % OW;
        float best = LOWEST;
        ${across("i / OW", "best")}
        narrow[i / OW][ox] = best;
      }
      __syncthreads();
      for (int i = threadIdx.x; i < BAND * OW; i += THREADS) {
        const float (*at)[OW] = narrow + 2 * (i / OW);
        float best = fmaxf(at[0][i % OW], at[1][i % OW]);
        best = fmaxf(best, at[2][i % OW]);
        ${put(store, "to + i", "best")}
      }`,
    "in-registers": `
      for (int ox = threadIdx.x % 64; ox < OW; ox += 64) {
        for (int oy = threadIdx.x / 64; oy < BAND; oy += THREADS / 64) {
          float best = LOWEST, second = LOWEST, third = LOWEST;
          ${across("2 * oy", "best")}
          ${across("2 * oy + 1", "second")}
          ${across("2 * oy + 2", "third")}
          best = fmaxf(best, fmaxf(second, third));
          ${put(store, "to + oy * OW + ox", "best")}
        }
      }`,
  };
}

/** A band of input rows in shared memory. */
export const sharedBand: Template = template({
  id: "shared-band",
  from: "output-thread",
  idea: "Stage a band of whole input rows in shared memory and pool from there.",
  options: {
    copy: ["scalar", "vector", "async"],
    reduce: ["window", "rows-then-columns", "in-registers"],
    edge: ["column-of-lowest", "test"],
    larger: ["fmaxf", "ternary", "branch"],
    store: ["plain", "__stcs"],
    sizing: ["const", "enum", "macro"],
    bands: ["one", "loop"],
    band: [14, 7, 28, 8, 4],
    threads: [256, 128, 512],
  },
  count: 32,
  write: ({ copy, reduce, edge, larger, store, sizing, bands, band, threads }, sizes) => {
    const pool = poolOf(sizes);
    const left = edge === "column-of-lowest" ? 4 : 0;
    const wide = copy !== "scalar";
    const count = pool.rows / band;
    const loop =
      bands === "loop" ? "for (int part = 0; part < OH / BAND; ++part) {" : "{\nconst int part = blockIdx.y;";
    const source = `
      ${on(copy === "async", "#include <cuda_pipeline.h>\n")}
      ${declareSizes(pool, sizing)}
      ${preface(larger)}
      #define BAND ${band}
      #define LEFT ${left}
      #define THREADS ${threads}

      extern "C" __global__ void pool(const float* __restrict__ x, float* __restrict__ out) {
        __shared__ __align__(16) float cells[2 * BAND + 1][LEFT + IW];
        ${on(reduce === "rows-then-columns", "__shared__ float narrow[2 * BAND + 1][OW];")}
        const float* from = x + blockIdx.x * IH * IW;
        ${on(left > 0, "for (int i = threadIdx.x; i < 2 * BAND + 1; i += THREADS) cells[i][LEFT - 1] = LOWEST;")}
        ${loop}
          float* to = out + (blockIdx.x * OH + part * BAND) * OW;
          for (int i = threadIdx.x; i < (2 * BAND + 1) * ${wide ? "(IW / 4)" : "IW"}; i += THREADS) {
            const int a = i / ${wide ? "(IW / 4)" : "IW"};
            const int b = ${wide ? "i % (IW / 4) * 4" : "i % IW"};
            const int y = part * BAND * 2 + a - 1;
            ${bandFills[copy]}
          }
          ${on(copy === "async", "__pipeline_commit();\n__pipeline_wait_prior(0);")}
          __syncthreads();
          ${bandWork(edge, larger, store)[reduce]}
          ${on(bands === "loop", "__syncthreads();")}
        }
      }
    `;
    const grid: readonly [number, number] = bands === "loop" ? [pool.images, 1] : [pool.images, count];
    return styled({ source, launches: [launch("pool", grid, threads, ["x", "out"])] }, { names: "snake", indent: 4 });
  },
});

/** Rows stream through a small ring in shared memory, two per output row. */
export const rowStream: Template = template({
  id: "row-stream",
  from: "shared-band",
  idea: "Stream pairs of input rows through a ring in shared memory with asynchronous copies ahead of use.",
  options: {
    copy: ["async16", "async4", "registers"],
    stages: ["two", "three", "four"],
    pooled: ["carried", "reread"],
    larger: ["fmaxf", "helper", "ternary"],
    store: ["plain", "__stcs"],
    sizing: ["enum", "const"],
    perBlock: [2, 1, 4],
    depth: [56, 28, 14],
  },
  valid: ({ pooled, stages }) => pooled === "carried" || stages !== "two",
  count: 30,
  write: ({ copy, stages, pooled, larger, store, sizing, perBlock, depth }, sizes) => {
    const pool = poolOf(sizes);
    const count = { two: 2, three: 3, four: 4 }[stages];
    const pieces = {
      async16:
        "for (int k = lane; k < 2 * IW / 4; k += 64) __pipeline_memcpy_async(&ring[slot][4 * k], from + 2 * oy * IW + 4 * k, 16);",
      async4:
        "for (int k = lane; k < 2 * IW; k += 64) __pipeline_memcpy_async(&ring[slot][k], from + 2 * oy * IW + k, 4);",
      registers: "for (int k = lane; k < 2 * IW; k += 64) ring[slot][k] = from[2 * oy * IW + k];",
    }[copy];
    const async = copy !== "registers";
    const best = (line: string, name: string): string => `
      float ${name} = ${line}[2 * lane];
      ${raise(larger, name, `${line}[2 * lane + 1]`)}
      if (lane > 0) {
        ${raise(larger, name, `${line}[2 * lane - 1]`)}
      }`;
    const source = `
      ${on(async, "#include <cuda_pipeline.h>\n")}
      ${declareSizes(pool, sizing)}
      ${preface(larger)}
      #define STAGES ${count}
      #define DEPTH ${depth}
      #define PER_BLOCK ${perBlock}

      __device__ __forceinline__ void bring_rows(float (*ring)[2 * IW], const float* from, int oy, int lane) {
        const int slot = oy % STAGES;
        ${pieces}
      }

      extern "C" __global__ void pool(const float* __restrict__ x, float* __restrict__ out) {
        __shared__ __align__(16) float rings[PER_BLOCK][STAGES][2 * IW];
        const int lane = threadIdx.x;
        const int image = blockIdx.x * PER_BLOCK + threadIdx.y;
        float (*ring)[2 * IW] = rings[threadIdx.y];
        const float* from = x + image * IH * IW;
        const int first = blockIdx.y * DEPTH;
        const int last = min(first + DEPTH, OH);
        ${
          pooled === "carried"
            ? "float carried = LOWEST;\nif (first > 0 && lane < OW) {\nconst float* line = from + (2 * first - 1) * IW;\n" +
              best("line", "above") +
              "\ncarried = above;\n}"
            : "if (first > 0) {\nfor (int k = lane; k < IW; k += 64) ring[(first - 1) % STAGES][IW + k] = from[(2 * first - 1) * IW + k];\n}"
        }
        for (int oy = first; oy < min(first + STAGES - ${pooled === "carried" ? "1" : "2"}, last); ++oy) {
          bring_rows(ring, from, oy, lane);
          ${on(async, "__pipeline_commit();")}
        }
        for (int oy = first; oy < last; ++oy) {
          const int coming = oy + STAGES - ${pooled === "carried" ? "1" : "2"};
          if (coming < last) bring_rows(ring, from, coming, lane);
          ${on(async, `__pipeline_commit();\n__pipeline_wait_prior(STAGES - ${pooled === "carried" ? "1" : "2"});`)}
          __syncthreads();
          if (lane < OW) {
            const float* line = ring[oy % STAGES];
            ${best("line", "most")}
            ${best("(line + IW)", "lower")}
            ${
              pooled === "carried"
                ? `float value = lower;\n${raise(larger, "value", "most")}\n${raise(larger, "value", "carried")}\ncarried = lower;`
                : `float value = lower;\n${raise(larger, "value", "most")}\nif (oy > 0) {\nconst float* past = ring[(oy - 1) % STAGES] + IW;\n${best("past", "above")}\n${raise(larger, "value", "above")}\n}`
            }
            ${put(store, "out + (image * OH + oy) * OW + lane", "value")}
          }
          __syncthreads();
        }
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("pool", [pool.images / perBlock, Math.ceil(pool.rows / depth)], [64, perBlock], ["x", "out"]),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});
