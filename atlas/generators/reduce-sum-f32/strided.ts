import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { blockSumFunction, finishParts } from "./finish.ts";

const multiprocessors = 132;

/** A fixed number of blocks walks over the vector with a grid-wide stride. */
export const gridStride: Template = template({
  id: "grid-stride",
  from: "tree",
  idea: "Launch a fixed number of blocks that stride over the vector, and reduce with warp shuffles.",
  options: {
    vector: ["float", "float2", "float4"],
    load: ["plain", "ldg", "ldcs"],
    sums: [1, 2, 4],
    finish: ["atomic", "partials", "last"],
    waves: [8, 1, 2, 4, 16, 32],
    block: [256, 128, 512, 1024],
    wide: [false, true],
  },
  count: 31,
  write: ({ vector, load, sums, finish, waves, block, wide }, sizes) => {
    const n = sizes["n"] as number;
    const grid = multiprocessors * waves;
    const parts = finishParts(finish, grid, 1024);
    const width = { float: 1, float2: 2, float4: 4 }[vector];
    const index = wide ? "size_t" : "int";
    const read = (at: string): string =>
      ({ plain: `data[${at}]`, ldg: `__ldg(data + ${at})`, ldcs: `__ldcs(data + ${at})` })[load];
    const sumOf = { float: "v", float2: "v.x + v.y", float4: "(v.x + v.y) + (v.z + v.w)" }[vector];
    const take = (sum: number, at: string): string =>
      vector === "float" ? `s${sum} += ${read(at)};` : `{\n${vector} v = ${read(at)};\ns${sum} += ${sumOf};\n}`;
    const source = `
      #define BLOCK ${block}

      ${blockSumFunction("shuffle")}
      ${parts.helpers}
      extern "C" __global__ void reduce_strided(const float* __restrict__ x, ${parts.parameters}, int count) {
        const ${vector}* data = ${vector === "float" ? "x" : `reinterpret_cast<const ${vector}*>(x)`};
        const ${index} stride = ${on(wide, "(size_t)")}gridDim.x * BLOCK;
        ${index} i = ${on(wide, "(size_t)")}blockIdx.x * BLOCK + threadIdx.x;
        float ${repeat(sums, (k) => `s${k} = 0.0f`, ", ")};
        ${on(
          sums > 1,
          `for (; i + ${sums - 1} * stride < count; i += ${sums} * stride) {
          ${repeat(sums, (k) => take(k, k === 0 ? "i" : `i + ${k} * stride`))}
        }`,
        )}
        for (; i < count; i += stride) {
          ${take(0, "i")}
        }
        float total = block_sum<BLOCK>(${{ 1: "s0", 2: "s0 + s1", 4: "(s0 + s1) + (s2 + s3)" }[sums]});
        ${parts.body}
      }
    `;
    const main = launch("reduce_strided", grid, block, ["x", ...parts.args, { i32: n / width }]);
    return styled({ source, launches: [...parts.before, main, ...parts.after] }, { names: "camel", indent: 4 });
  },
});

/** Threads own columns of a matrix view and walk down its rows. */
export const columns: Template = template({
  id: "columns",
  from: "grid-stride",
  idea: "View the vector as a matrix and let every thread add up a column of it.",
  options: {
    width: [16384, 4096, 65536, 262144],
    splits: [8, 1, 2, 32],
    vector: [false, true],
    unroll: ["pragma", "none", "four-rows"],
    gather: ["one-block", "atomic", "in-block"],
    block: [128, 256, 64],
    pointer: [true, false],
  },
  valid: ({ width, splits, vector, block }) => (width / (vector ? 4 : 1)) % block === 0 && width * splits <= 1 << 20,
  count: 25,
  write: ({ width, splits, vector, unroll, gather, block, pointer }, sizes) => {
    const n = sizes["n"] as number;
    const rows = n / width / splits;
    const type = vector ? "float4" : "float";
    const perRow = width / (vector ? 4 : 1);
    const grid = [perRow / block, splits] as const;
    const at = (row: string): string =>
      pointer ? (row === "0" ? "*p" : `p[${row} * PITCH]`) : `cells[start + (r + ${row}) * PITCH]`;
    const add = (row: string): string =>
      vector ? `v = ${at(row)};\nsum += v.x + v.y + v.z + v.w;` : `sum += ${at(row)};`;
    const step = unroll === "four-rows" ? 4 : 1;
    const ends = {
      "one-block": "partials[blockIdx.y * PITCH + column] = sum;",
      atomic: `
        sum = warp_sum(sum);
        if (threadIdx.x % 32 == 0) {
          atomicAdd(result, sum);
        }`,
      "in-block": `
        sum = block_sum<BLOCK>(sum);
        if (threadIdx.x == 0) {
          partials[blockIdx.y * gridDim.x + blockIdx.x] = sum;
        }`,
    }[gather];
    const collect = gather === "in-block" ? grid[0] * splits : perRow * splits;
    const parts = finishParts(gather === "atomic" ? "atomic" : "partials", collect, 1024);
    const source = `
      #define BLOCK ${block}
      #define PITCH ${perRow}
      #define ROWS ${rows}

      ${blockSumFunction("shuffle", true)}
      ${parts.helpers}
      extern "C" __global__ void column_sums(const ${type}* cells, ${parts.parameters}) {
        int column = blockIdx.x * BLOCK + threadIdx.x;
        float sum = 0.0f;
        ${on(vector, `${type} v;`)}
        ${pointer ? `const ${type}* p = cells + blockIdx.y * (ROWS * PITCH) + column;` : "int start = blockIdx.y * (ROWS * PITCH) + column;"}
        ${on(unroll === "pragma", "#pragma unroll 8")}
        for (int r = 0; r < ROWS; r += ${step}) {
          ${repeat(step, (k) => add(String(k)))}
          ${on(pointer, `p += ${step === 1 ? "PITCH" : `${step} * PITCH`};`)}
        }
        ${ends}
      }
    `;
    const main = launch("column_sums", grid, block, ["x", ...parts.args]);
    return styled({ source, launches: [...parts.before, main, ...parts.after] }, { names: "snake", indent: 2 });
  },
});

/** Accumulation in more than single precision. */
export const precise: Template = template({
  id: "precise",
  from: "grid-stride",
  idea: "Accumulate in higher precision so that the order of additions hardly matters.",
  options: {
    kind: ["double", "kahan", "pair"],
    batch: ["each", "four", "eight"],
    vector: [true, false],
    waves: [4, 2, 8, 16],
    block: [256, 128, 512],
    across: ["shuffle", "shared"],
    finish: ["partials", "atomic"],
  },
  count: 25,
  write: ({ kind, batch, vector, waves, block, across, finish }, sizes) => {
    const n = sizes["n"] as number;
    const grid = multiprocessors * waves;
    const parts = finishParts(finish, grid, 256);
    const type = kind === "double" ? "double" : "float";
    const group = { each: 1, four: 4, eight: 8 }[batch];
    const source = `
      #define BLOCK ${block}

      ${accumulators[kind]}
      ${on(finish === "partials", blockSumFunction("shuffle"))}
      ${parts.helpers}
      ${across === "shuffle" ? wideShuffle(type) : wideShared(type)}
      extern "C" __global__ void precise_sum(const float* x, ${parts.parameters}, int n) {
        Accumulator acc;
        int step = gridDim.x * BLOCK * ${group};
        for (int i = (blockIdx.x * BLOCK + threadIdx.x) * ${group}; i < n; i += step) {
          ${preciseBody(group, vector)}
        }
        float total = (float)block_total(acc.value());
        ${parts.body}
      }
    `;
    const main = launch("precise_sum", grid, block, ["x", ...parts.args, { i32: n }]);
    return styled({ source, launches: [...parts.before, main, ...parts.after] }, { names: "camel", indent: 2 });
  },
});

function preciseBody(group: number, vector: boolean): string {
  if (group === 1) return vector ? "acc.add(__ldg(x + i));" : "acc.add(x[i]);";
  if (vector && group === 4) {
    return `
      float4 v = *reinterpret_cast<const float4*>(x + i);
      acc.add((v.x + v.y) + (v.z + v.w));`;
  }
  if (vector) {
    return `
      float4 a = *reinterpret_cast<const float4*>(x + i);
      float4 b = *reinterpret_cast<const float4*>(x + i + 4);
      acc.add((a.x + a.y) + (a.z + a.w));
      acc.add((b.x + b.y) + (b.z + b.w));`;
  }
  return `
    float few = 0.0f;
    #pragma unroll
    for (int k = 0; k < ${group}; ++k) few += x[i + k];
    acc.add(few);`;
}

const accumulators = {
  double: `
    struct Accumulator {
      double sum = 0.0;
      __device__ void add(float v) { sum += v; }
      __device__ double value() const { return sum; }
    };
  `,
  kahan: `
    struct Accumulator {
      float sum = 0.0f;
      float carry = 0.0f;
      __device__ void add(float v) {
        float y = v - carry;
        float t = sum + y;
        carry = (t - sum) - y;
        sum = t;
      }
      __device__ float value() const { return sum - carry; }
    };
  `,
  pair: `
    // The sum is high + low; the error of each addition goes to low.
    struct Accumulator {
      float high = 0.0f;
      float low = 0.0f;
      __device__ void add(float v) {
        float t = high + v;
        float part = t - high;
        low += (high - (t - part)) + (v - part);
        high = t;
      }
      __device__ float value() const { return high + low; }
    };
  `,
} as const;

function wideShuffle(type: string): string {
  return `
    __device__ ${type} block_total(${type} v) {
      __shared__ ${type} rows[BLOCK / 32];
      for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
      if (threadIdx.x % 32 == 0) rows[threadIdx.x / 32] = v;
      __syncthreads();
      ${type} sum = 0;
      for (int w = 0; w < BLOCK / 32; ++w) sum += rows[w];
      return sum;
    }
  `;
}

function wideShared(type: string): string {
  return `
    __device__ ${type} block_total(${type} v) {
      __shared__ ${type} all[BLOCK];
      all[threadIdx.x] = v;
      __syncthreads();
      for (int half = BLOCK / 2; half > 0; half >>= 1) {
        if (threadIdx.x < half) all[threadIdx.x] += all[threadIdx.x + half];
        __syncthreads();
      }
      return all[0];
    }
  `;
}
