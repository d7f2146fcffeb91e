import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bagLoop, include, packCode, vectorOf } from "./packs.ts";

/** Several rows per warp at once. */
export const rowsPerWarp: Template = template({
  id: "rows-abreast",
  from: "bag-per-warp",
  idea: "Let groups of lanes load different rows of the same bag with wide reads, and fold the groups at the end.",
  options: {
    width: [8, 4],
    convert: ["pairs", "low-high", "singles"],
    flight: [1, 2, 4],
    style: ["array", "named", "pragma"],
    fold: ["xor", "down"],
    finish: ["first-group", "spread"],
    load: ["plain", "ldg", "ldcg"],
    bagLoops: [false, true],
    warps: [8, 4, 2, 1],
  },
  valid: ({ width, flight, style, finish, fold }) =>
    (flight > 1 || style === "pragma") && (finish === "first-group" || (fold === "xor" && width === 8)),
  count: 32,
  write: (options, { bags = 0, dim = 0 }) => {
    const { width, convert, flight, style, fold, finish, load, bagLoops, warps } = options;
    const type = vectorOf(width);
    const lanes = dim / width;
    const groups = 32 / lanes;
    const read = (place: string): string =>
      ({ plain: `table[${place}]`, ldg: `__ldg(&table[${place}])`, ldcg: `__ldcg(&table[${place}])` })[load];
    const one = groups === 1;
    const hop = fold === "xor" ? "__shfl_xor_sync" : "__shfl_down_sync";
    const folded = one
      ? ""
      : `
        #pragma unroll
        for (int hop = LANES; hop < 32; hop *= 2) {
          #pragma unroll
          for (int k = 0; k < ${width}; ++k) sum[k] += ${hop}(0xffffffffu, sum[k], hop);
        }`;
    const spread = `
        // Each group writes its part of the pack.
        reinterpret_cast<uint2*>(out)[((size_t)bag * LANES + column) * 2 + group] =
            group == 0 ? half_pack(sum[0], sum[1], sum[2], sum[3]) : half_pack(sum[4], sum[5], sum[6], sum[7]);`;
    const useSpread = finish === "spread" && groups === 2;
    const work = `
        const int end = offsets[bag + 1];
        float sum[${width}] = {};
        ${bagLoop(flight, style, {
          from: one ? "offsets[bag]" : "offsets[bag] + group",
          to: "end",
          step: groups,
          type,
          index: (i) => `indices[${i}]`,
          row: (index) => read(`(size_t)${index} * LANES + column`),
        })}
        ${folded}
        ${useSpread ? spread : `${on(!one, "if (group == 0) ")}out[(size_t)bag * LANES + column] = to_pack(sum);`}`;
    const source = `
      ${include}
      #define LANES ${lanes}  // lanes per row
      #define WARPS ${warps}
      ${packCode(width, convert)}
      ${on(
        useSpread,
        `__device__ __forceinline__ uint2 half_pack(float a, float b, float c, float d) {
        __align__(8) __half2 r[2] = {__floats2half2_rn(a, b), __floats2half2_rn(c, d)};
        return *reinterpret_cast<uint2*>(r);
      }`,
      )}
      extern "C" __global__ void abreast(const ${type}* __restrict__ table, const int* __restrict__ indices, const int* __restrict__ offsets, ${type}* __restrict__ out, int bags) {
        const int column = threadIdx.x % LANES;
        ${on(!one, "const int group = threadIdx.x % 32 / LANES;")}
        ${
          bagLoops
            ? `for (int bag = blockIdx.x * WARPS + threadIdx.x / 32; bag < bags; bag += gridDim.x * WARPS) {\n${work}\n}`
            : `const int bag = blockIdx.x * WARPS + threadIdx.x / 32;\n${work}`
        }
      }
    `;
    const args = ["table", "indices", "offsets", "out", { i32: bags }];
    const grid = bagLoops ? 132 * (64 / warps) : bags / warps;
    return styled({ source, launches: [launch("abreast", grid, warps * 32, args)] }, { names: "camel", indent: 2 });
  },
});

/** A block per bag. */
export const blockBag: Template = template({
  id: "bag-per-block",
  from: "column-per-thread",
  idea: "Use a whole block per bag: its warps take different rows and the partial sums meet in shared memory.",
  options: {
    meet: ["columns", "atomic", "tree"],
    stage: ["none", "indices"],
    width: [4, 8, 2],
    convert: ["pairs", "low-high", "singles"],
    flight: [1, 2, 4],
    style: ["array", "named", "pragma"],
    bounds: [false, true],
    threads: [128, 256, 64],
  },
  valid: ({ flight, style, meet, stage }) =>
    (flight > 1 || style === "pragma") && (stage === "none" || meet !== "tree"),
  count: 30,
  write: ({ meet, stage, width, convert, flight, style, bounds, threads }, { bags = 0, dim = 0 }) => {
    const type = vectorOf(width);
    const lanes = dim / width;
    const groups = threads / lanes;
    const staged = stage === "indices";
    const loop = bagLoop(flight, style, {
      from: staged ? "group" : "begin + group",
      to: staged ? "many" : "end",
      step: groups,
      type,
      index: (i) => (staged ? `stage[${i}]` : `indices[${i}]`),
      row: (index) => `table[(size_t)${index} * LANES + column]`,
    });
    const walk = staged
      ? `
        for (int first = begin; first < end; first += STAGE) {
          const int many = min(STAGE, end - first);
          __syncthreads();
          for (int k = threadIdx.x; k < many; k += THREADS) stage[k] = indices[first + k];
          __syncthreads();
          ${loop}
        }`
      : loop;
    const source = `
      ${include}
      #define THREADS ${threads}
      #define LANES ${lanes}
      #define GROUPS ${groups}
      ${on(staged, "#define STAGE 256")}
      ${packCode(width, convert)}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(THREADS) ")}block_bag(const ${type}* __restrict__ table, const int* __restrict__ indices, const int* __restrict__ offsets, ${type}* __restrict__ out) {
        ${on(staged, "__shared__ int stage[STAGE];")}
        const int column = threadIdx.x % LANES;
        const int group = threadIdx.x / LANES;
        const int begin = offsets[blockIdx.x];
        const int end = offsets[blockIdx.x + 1];
        float sum[${width}] = {};
        ${walk}
        ${meetCode(meet, width, dim)}
      }
    `;
    return styled(
      { source, launches: [launch("block_bag", bags, threads, ["table", "indices", "offsets", "out"])] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Columns in slices, so that a slice of the table stays in the cache. */
export const slicedTable: Template = template({
  id: "table-slices",
  from: "rows-abreast",
  idea: "Work through the table in slices of columns, one after the other, so that a slice can stay in the cache.",
  options: {
    launches: ["one-grid", "launch-per-slice", "block-loop"],
    width: [4, 8, 2],
    convert: ["pairs", "singles", "low-high"],
    flight: [4, 2, 1],
    style: ["array", "named", "pragma"],
    slice: [32, 64, 16],
    load: ["plain", "ldg"],
    block: [256, 128, 512],
  },
  valid: ({ width, slice, flight, style }) => slice / width >= 2 && (flight > 1 || style === "pragma"),
  count: 28,
  write: ({ launches: how, width, convert, flight, style, slice, load, block }, { bags = 0, dim = 0 }) => {
    const type = vectorOf(width);
    const lanes = slice / width;
    const per = block / lanes;
    const slices = dim / slice;
    const read = (place: string): string => (load === "plain" ? `table[${place}]` : `__ldg(table + ${place})`);
    const work = `
        float sum[${width}] = {};
        ${bagLoop(flight, style, {
          from: "begin",
          to: "end",
          step: 1,
          type,
          index: (i) => `indices[${i}]`,
          row: (index) => read(`(size_t)${index} * PACKS + column`),
        })}
        out[(size_t)bag * PACKS + column] = to_pack(sum);`;
    const body = {
      "one-grid": `const int column = blockIdx.y * LANES + threadIdx.x % LANES;\n${work}`,
      "launch-per-slice": `const int column = slice * LANES + threadIdx.x % LANES;\n${work}`,
      "block-loop": `for (int column = threadIdx.x % LANES; column < PACKS; column += LANES) {\n${work}\n}`,
    }[how];
    const source = `
      ${include}
      #define PACKS ${dim / width}
      #define LANES ${lanes}  // packs of a row in a slice
      ${packCode(width, convert)}
      extern "C" __global__ void sum_slice(const ${type}* __restrict__ table, const int* __restrict__ indices, const int* __restrict__ offsets, ${type}* __restrict__ out${on(how === "launch-per-slice", ", int slice")}) {
        const int bag = blockIdx.x * (blockDim.x / LANES) + threadIdx.x / LANES;
        const int begin = offsets[bag], end = offsets[bag + 1];
        ${body}
      }
    `;
    const args = ["table", "indices", "offsets", "out"];
    const launches =
      how === "launch-per-slice"
        ? Array.from({ length: slices }, (_, s) => launch("sum_slice", bags / per, block, [...args, { i32: s }]))
        : [launch("sum_slice", how === "one-grid" ? [bags / per, slices] : bags / per, block, args)];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

function meetCode(meet: "columns" | "atomic" | "tree", width: number, dim: number): string {
  return {
    columns: `
        __shared__ float parts[GROUPS][${dim}];
        #pragma unroll
        for (int k = 0; k < ${width}; ++k) parts[group][column * ${width} + k] = sum[k];
        __syncthreads();
        for (int c = threadIdx.x; c < ${dim}; c += THREADS) {
          float all = 0.0f;
          for (int g = 0; g < GROUPS; ++g) all += parts[g][c];
          reinterpret_cast<__half*>(out)[(size_t)blockIdx.x * ${dim} + c] = __float2half(all);
        }`,
    atomic: `
        __shared__ float parts[${dim}];
        for (int c = threadIdx.x; c < ${dim}; c += THREADS) parts[c] = 0.0f;
        __syncthreads();
        #pragma unroll
        for (int k = 0; k < ${width}; ++k) atomicAdd(&parts[column * ${width} + k], sum[k]);
        __syncthreads();
        for (int c = threadIdx.x; c < ${dim}; c += THREADS) {
          reinterpret_cast<__half*>(out)[(size_t)blockIdx.x * ${dim} + c] = __float2half(parts[c]);
        }`,
    tree: `
        __shared__ float parts[THREADS][${width}];
        for (int k = 0; k < ${width}; ++k) parts[threadIdx.x][k] = sum[k];
        for (int half = GROUPS / 2; half > 0; half /= 2) {
          __syncthreads();
          if (group < half) {
            for (int k = 0; k < ${width}; ++k) parts[threadIdx.x][k] += parts[threadIdx.x + half * LANES][k];
          }
        }
        if (group == 0) {
          for (int k = 0; k < ${width}; ++k) sum[k] = parts[threadIdx.x][k];
          out[(size_t)blockIdx.x * LANES + column] = to_pack(sum);
        }`,
  }[meet];
}
