import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { groupTotal, header, packFunctions, packOf } from "./halves.ts";

/** A warp keeps its row in registers. */
export const warpKept: Template = template({
  id: "row-kept-by-warp",
  from: "lanes-per-row",
  idea: "Keep the packs of the row in the registers of one warp between the two passes.",
  options: {
    width: [8, 4, 2],
    unpack: ["cast", "union", "bits"],
    product: ["float", "paired", "half-weight"],
    load: ["plain", "ldcs", "ldg"],
    store: ["plain", "stcs"],
    weights: ["late", "early"],
    rowLoop: [false, true],
    floats: [false, true],
    warps: [4, 8, 2, 1],
  },
  valid: ({ width, unpack, weights, floats, product, store, load }) =>
    (width > 2 || (unpack === "cast" && store === "plain" && load === "plain")) &&
    (!floats || (width === 8 && product === "float" && unpack === "cast")) &&
    (weights === "late" || width === 8),
  count: 27,
  write: (options, { rows = 0, cols = 0 }) => {
    const { width, unpack, product, load, store, weights, rowLoop, floats, warps } = options;
    const type = packOf(width);
    const get = { plain: "in[lane + 32 * k]", ldcs: "__ldcs(in + lane + 32 * k)", ldg: "__ldg(in + lane + 32 * k)" }[
      load
    ];
    const put = (value: string): string =>
      store === "plain" ? `out[lane + 32 * k] = ${value};` : `__stcs(out + lane + 32 * k, ${value});`;
    const early = weights === "early";
    const weight = early ? "mine[k]" : "w[lane + 32 * k]";
    const asFloats = `
      float kept[PER][8];
      float sum = 0.0f;
      #pragma unroll
      for (int k = 0; k < PER; ++k) {
        uint4 pack = ${get};
        const __half* h = reinterpret_cast<const __half*>(&pack);
        #pragma unroll
        for (int e = 0; e < 8; ++e) {
          kept[k][e] = __half2float(h[e]);
          sum = fmaf(kept[k][e], kept[k][e], sum);
        }
      }
      sum = warp_total(sum);
      const float factor = rsqrtf(sum * (1.0f / COLS) + 1e-6f);
      #pragma unroll
      for (int k = 0; k < PER; ++k) {
        uint4 g = ${weight};
        uint4 r;
        const __half* gain = reinterpret_cast<const __half*>(&g);
        __half* result = reinterpret_cast<__half*>(&r);
        #pragma unroll
        for (int e = 0; e < 8; ++e) result[e] = __float2half(kept[k][e] * factor * __half2float(gain[e]));
        ${put("r")}
      }`;
    const asPacks = `
      ${type} kept[PER];
      #pragma unroll
      for (int k = 0; k < PER; ++k) kept[k] = ${get};
      float sum = 0.0f;
      #pragma unroll
      for (int k = 0; k < PER; ++k) sum += power(kept[k]);
      sum = warp_total(sum);
      const float factor = rsqrtf(sum * (1.0f / COLS) + 1e-6f);
      #pragma unroll
      for (int k = 0; k < PER; ++k) ${put(`scaled(kept[k], ${weight}, factor)`)}`;
    const work = `
      const ${type}* in = x + (size_t)row * (COLS / ${width});
      ${type}* out = y + (size_t)row * (COLS / ${width});
      ${floats ? asFloats : asPacks}`;
    const source = `
      ${header}
      #define COLS ${cols}
      #define WARPS ${warps}
      #define PER (COLS / ${32 * width})
      ${on(!floats, packFunctions(width, unpack, product))}
      __device__ __forceinline__ float warp_total(float v) {
        #pragma unroll
        for (int hop = 1; hop < 32; hop *= 2) v += __shfl_xor_sync(0xffffffffu, v, hop);
        return v;
      }

      extern "C" __global__ void keep_rows(const ${type}* __restrict__ x, const ${type}* __restrict__ w, ${type}* __restrict__ y${on(rowLoop, ", int rows")}) {
        const int lane = threadIdx.x & 31;
        const int first = blockIdx.x * WARPS + (threadIdx.x >> 5);
        ${on(early, "uint4 mine[PER];\n#pragma unroll\nfor (int k = 0; k < PER; ++k) mine[k] = w[lane + 32 * k];")}
        ${rowLoop ? `for (int row = first; row < rows; row += gridDim.x * WARPS) {\n${work}\n}` : `const int row = first;\n${work}`}
      }
    `;
    const grid = rowLoop ? 132 * (16 / warps) : rows / warps;
    const args = ["x", "w", "y", ...(rowLoop ? [{ i32: rows }] : [])];
    return styled({ source, launches: [launch("keep_rows", grid, 32 * warps, args)] }, { names: "camel", indent: 2 });
  },
});

/** A block keeps its row in registers. */
export const blockKept: Template = template({
  id: "row-kept-by-block",
  from: "row-per-block",
  idea: "Size the block to the row so that every thread keeps a few packs of it in registers.",
  options: {
    unpack: ["cast", "union", "bits"],
    product: ["float", "paired", "half-weight"],
    total: ["board", "first-warp", "shared-atomic", "tree"],
    weights: ["late", "early"],
    load: ["plain", "ldcs"],
    store: ["plain", "stcs", "stcg"],
    pairs: [false, true],
    bounds: [false, true],
    threads: [640, 320, 160, 128],
  },
  count: 27,
  write: (options, { rows = 0, cols = 0 }) => {
    const { unpack, product, total, weights, load, store, pairs, bounds, threads } = options;
    const per = cols / 8 / threads;
    const put = (index: string, value: string): string =>
      ({
        plain: `out[${index}] = ${value};`,
        stcs: `__stcs(&out[${index}], ${value});`,
        stcg: `__stcg(&out[${index}], ${value});`,
      })[store];
    const get = (index: string): string => (load === "plain" ? `in[${index}]` : `__ldcs(&in[${index}])`);
    const at = pairs ? "tid * EACH + k" : "tid + k * THREADS";
    const early = weights === "early";
    const one = `
        const uint4 mine = ${get("tid")};
        ${on(early, "const uint4 gain = w[tid];")}
        const float sum = total_of(power(mine));
        const float factor = rsqrtf(sum / COLS + 1e-6f);
        ${put("tid", `scaled(mine, ${early ? "gain" : "w[tid]"}, factor)`)}`;
    const several = `
        uint4 mine[EACH];
        ${on(early, "uint4 gain[EACH];")}
        float sum = 0.0f;
        #pragma unroll
        for (int k = 0; k < EACH; ++k) mine[k] = ${get(at)};
        ${on(early, `#pragma unroll\nfor (int k = 0; k < EACH; ++k) gain[k] = w[${at}];`)}
        #pragma unroll
        for (int k = 0; k < EACH; ++k) sum += power(mine[k]);
        const float factor = rsqrtf(total_of(sum) / COLS + 1e-6f);
        #pragma unroll
        for (int k = 0; k < EACH; ++k) {
          ${put(at, `scaled(mine[k], ${early ? "gain[k]" : `w[${at}]`}, factor)`)}
        }`;
    const source = `
      ${header}
      constexpr int COLS = ${cols};
      constexpr int THREADS = ${threads};
      ${on(per > 1, `constexpr int EACH = ${per};`)}
      ${packFunctions(8, unpack, product)}
      ${groupTotal(total, "THREADS")}
      extern "C" __global__ ${on(bounds, "__launch_bounds__(THREADS) ")}void block_keep(const uint4* __restrict__ x, const uint4* __restrict__ w, uint4* __restrict__ y) {
        const int tid = threadIdx.x;
        const uint4* in = x + (size_t)blockIdx.x * (COLS / 8);
        uint4* out = y + (size_t)blockIdx.x * (COLS / 8);
        ${per > 1 ? several : one}
      }
    `;
    return styled(
      { source, launches: [launch("block_keep", rows, threads, ["x", "w", "y"])] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Row staged in shared memory as halves or floats. */
export const sharedKept: Template = template({
  id: "row-kept-in-shared",
  from: "row-per-block",
  idea: "Stage the row in shared memory during the first pass and scale it from there.",
  options: {
    keep: ["halves", "floats"],
    copy: ["registers", "async"],
    width: [8, 4, 2],
    product: ["float", "paired", "half-weight"],
    total: ["board", "first-warp", "tree"],
    rowsPerBlock: ["one", "two"],
    weight: ["global", "shared"],
    threads: [256, 128, 512, 640],
  },
  valid: ({ keep, copy, product, rowsPerBlock, weight, total }) =>
    (keep === "halves" || (copy === "registers" && product === "float")) &&
    (rowsPerBlock === "two" || weight === "global") &&
    (total !== "tree" || rowsPerBlock === "one"),
  count: 26,
  write: (options, { rows = 0, cols = 0 }) => {
    const { keep, copy, width, product, total, rowsPerBlock, weight, threads } = options;
    const type = packOf(width);
    const floats = keep === "floats";
    const two = rowsPerBlock === "two";
    const fill =
      copy === "async"
        ? `
        for (int c = tid; c < PACKS; c += T) __pipeline_memcpy_async(&kept[c], &in[c], sizeof(${type}));
        __pipeline_commit();
        __pipeline_wait_prior(0);
        for (int c = tid; c < PACKS; c += T) sum += power(kept[c]);`
        : floats
          ? `
        for (int c = tid; c < PACKS; c += T) {
          ${type} pack = in[c];
          const __half* h = reinterpret_cast<const __half*>(&pack);
          for (int e = 0; e < ${width}; ++e) {
            float f = __half2float(h[e]);
            wide[e * PACKS + c] = f;
            sum += f * f;
          }
        }`
          : `
        for (int c = tid; c < PACKS; c += T) {
          ${type} pack = in[c];
          kept[c] = pack;
          sum += power(pack);
        }`;
    const gain = weight === "shared" ? "gains[c]" : "w[c]";
    const drain = floats
      ? `
        for (int c = tid; c < PACKS; c += T) {
          ${type} g = ${gain};
          ${type} r;
          const __half* gh = reinterpret_cast<const __half*>(&g);
          __half* rh = reinterpret_cast<__half*>(&r);
          for (int e = 0; e < ${width}; ++e) rh[e] = __float2half(wide[e * PACKS + c] * factor * __half2float(gh[e]));
          out[c] = r;
        }`
      : `for (int c = tid; c < PACKS; c += T) out[c] = scaled(kept[c], ${gain}, factor);`;
    const work = `
        const ${type}* in = x + (size_t)row * PACKS;
        ${type}* out = y + (size_t)row * PACKS;
        float sum = 0.0f;
        ${fill}
        float factor = rsqrtf(total_of(sum) / COLS + 1e-6f);
        ${drain}`;
    const shared = weight === "shared";
    const source = `
      ${header}
      ${on(copy === "async", "#include <cuda_pipeline.h>")}
      #define COLS ${cols}
      #define PACKS (COLS / ${width})
      #define T ${threads}
      ${on(!floats, packFunctions(width, "cast", product))}
      ${groupTotal(total, "T")}
      extern "C" __global__ void stage_rows(const ${type}* __restrict__ x, const ${type}* __restrict__ w, ${type}* __restrict__ y) {
        extern __shared__ uint4 arena[];
        ${floats ? "float* wide = reinterpret_cast<float*>(arena);" : `${type}* kept = reinterpret_cast<${type}*>(arena);`}
        const int tid = threadIdx.x;
        ${on(shared, `${type}* gains = reinterpret_cast<${type}*>(arena + ${floats ? "COLS / 4" : "COLS / 8"});\nfor (int c = tid; c < PACKS; c += T) gains[c] = w[c];`)}
        ${two ? `for (int row = 2 * blockIdx.x; row < 2 * (int)blockIdx.x + 2; ++row) {\n${work}\n}` : `const int row = blockIdx.x;\n${work}`}
      }
    `;
    const bytes = (floats ? 4 : 2) * cols + (shared ? 2 * cols : 0);
    return styled(
      { source, launches: [launch("stage_rows", two ? rows / 2 : rows, threads, ["x", "w", "y"], bytes)] },
      { names: "camel", indent: 4 },
    );
  },
});
