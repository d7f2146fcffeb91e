import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { merging } from "./common.ts";

/** Single-bit matrix instructions of 16 queries by 8 codes, operands from registers. */
export const bitProducts: Template = template({
  id: "bit-mma",
  from: "warp-per-queries",
  idea: "Count common bits with single-bit matrix instructions and get distances from the numbers of ones.",
  options: {
    bits: ["and", "xor"],
    tiles: [2, 1, 4],
    norms: ["shuffles", "launch"],
    source: ["global", "shared"],
    fold: ["late", "early"],
    merge: ["atomic", "parts-thread", "parts-warp"],
    pair: [false, true],
    splits: [128, 64, 256],
    warps: [4, 8, 2],
    unroll: [false, true],
  },
  valid: ({ bits, norms, fold }) => bits === "and" || (norms === "shuffles" && fold === "late"),
  count: 25,
  write: (chosen, { q = 0, n = 0 }) => {
    const { bits, tiles, norms, source: from, fold, merge, pair, splits, warps, unroll } = chosen;
    const merged = merging(merge, q, splits);
    const prepared = bits === "and" && norms === "launch";
    const shared = from === "shared";
    const step = (k: number): string => `
      {
        unsigned int b0 = ${shared ? `tile[(i + ${8 * k} + group) * 8 + quad]` : `part[(size_t)(i + ${8 * k} + group) * 8 + quad]`};
        unsigned int b1 = ${shared ? `tile[(i + ${8 * k} + group) * 8 + quad + 4]` : `part[(size_t)(i + ${8 * k} + group) * 8 + quad + 4]`};
        ${on(bits === "and", codeOnes(prepared, shared ? `start + i + ${8 * k}` : `i + ${8 * k}`))}
        #pragma unroll
        for (int t = 0; t < TILES; ++t) {
          int c[4] = {0, 0, 0, 0};
          bit_product(c, a[t], b0, b1);
          ${foldIn(bits, fold)}
        }
      }`;
    const steps = repeat(pair ? 2 : 1, step);
    const loop = shared
      ? `
        __shared__ __align__(16) unsigned int tile[128 * 8];
        for (int start = 0; start < PART; start += 128) {
          __syncthreads();
          for (int j = threadIdx.x; j < 256; j += ${warps * 32}) {
            reinterpret_cast<uint4*>(tile)[j] = reinterpret_cast<const uint4*>(part)[start * 2 + j];
          }
          __syncthreads();
          ${on(unroll, "#pragma unroll 2")}
          for (int i = 0; i < 128; i += ${pair ? 16 : 8}) {
            ${steps}
          }
        }`
      : `
        ${on(unroll, "#pragma unroll 2")}
        for (int i = 0; i < PART; i += ${pair ? 16 : 8}) {
          ${steps}
        }`;
    const addOnes = bits === "and" && fold === "late";
    const source = `
      #define TILES ${tiles}
      #define PART ${n / splits}

      __device__ __forceinline__ void bit_product(int* c, const unsigned int* a, unsigned int b0, unsigned int b1) {
        asm volatile(
          "mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.${bits}.popc {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1)
        );
      }

      ${on(prepared, onesKernel)}
      ${merged.source}
      extern "C" __global__ void scan_products(const unsigned int* __restrict__ queries, const unsigned int* __restrict__ codes,
          ${on(prepared, "const int* __restrict__ planes, ")}unsigned int* ${merged.argument}) {
        const int lane = threadIdx.x % 32;
        const int group = lane / 4, quad = lane % 4;
        const int first = (blockIdx.x * ${warps} + threadIdx.x / 32) * 16 * TILES;
        const unsigned int* part = codes + (size_t)blockIdx.y * PART * 8;
        ${on(prepared, "const int* ones = planes + blockIdx.y * PART;")}
        ${queryOperands(bits)}
        ${loop}
        #pragma unroll
        for (int t = 0; t < TILES; ++t) {
          #pragma unroll
          for (int h = 0; h < 2; ++h) {
            int found = low[t][h];
            found = min(found, __shfl_xor_sync(0xffffffffu, found, 1));
            found = min(found, __shfl_xor_sync(0xffffffffu, found, 2));
            ${on(addOnes, "found += query_ones[t][h];")}
            if (quad == 0) {
              ${merged.store("(first + 16 * t + 8 * h + group)", "(unsigned int)found", "blockIdx.y")}
            }
          }
        }
      }
    `;
    const grid = [q / (warps * 16 * tiles), splits] as const;
    const args = ["queries", "codes", ...(prepared ? ["planes"] : []), merged.argument];
    const scan = launch("scan_products", grid, warps * 32, args);
    const launches = merged.around(prepared ? [launch("count_ones", n / 256, 256, ["codes", "planes"]), scan] : [scan]);
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** Two rows of eight words per tile and lane, as the instruction wants them. */
function queryOperands(bits: "and" | "xor"): string {
  return `
        unsigned int a[TILES][4];
        int low[TILES][2]${on(bits === "and", ", query_ones[TILES][2]")};
        #pragma unroll
        for (int t = 0; t < TILES; ++t) {
          const unsigned int* row = queries + (size_t)(first + 16 * t + group) * 8 + quad;
          a[t][0] = row[0];
          a[t][1] = row[64];
          a[t][2] = row[4];
          a[t][3] = row[68];
          #pragma unroll
          for (int h = 0; h < 2; ++h) {
            low[t][h] = 1000;
            ${
              bits === "and"
                ? `
            int count = __popc(a[t][h]) + __popc(a[t][h + 2]);
            count += __shfl_xor_sync(0xffffffffu, count, 1);
            count += __shfl_xor_sync(0xffffffffu, count, 2);
            query_ones[t][h] = count;`
                : ""
            }
          }
        }`;
}

const onesKernel = `
  extern "C" __global__ void count_ones(const uint4* codes, int* planes) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    uint4 u = codes[2 * i], v = codes[2 * i + 1];
    planes[i] = __popc(u.x) + __popc(u.y) + __popc(u.z) + __popc(u.w) + __popc(v.x) + __popc(v.y) + __popc(v.z) + __popc(v.w);
  }
`;

/** Ones of the two codes whose products a lane receives. */
function codeOnes(prepared: boolean, index: string): string {
  if (prepared) {
    return `
      int2 pair = *reinterpret_cast<const int2*>(ones + ${index} + 2 * quad);
      int even = pair.x, uneven = pair.y;`;
  }
  return `
    int count = __popc(b0) + __popc(b1);
    count += __shfl_xor_sync(0xffffffffu, count, 1);
    count += __shfl_xor_sync(0xffffffffu, count, 2);
    int even = __shfl_sync(0xffffffffu, count, 8 * quad);
    int uneven = __shfl_sync(0xffffffffu, count, 8 * quad + 4);`;
}

function foldIn(bits: "and" | "xor", fold: "late" | "early"): string {
  if (bits === "xor") {
    return `
      low[t][0] = min(low[t][0], min(c[0], c[1]));
      low[t][1] = min(low[t][1], min(c[2], c[3]));`;
  }
  const ones = (h: number): string => (fold === "early" ? ` + query_ones[t][${h}]` : "");
  return `
    low[t][0] = min(low[t][0], min(even - 2 * c[0]${ones(0)}, uneven - 2 * c[1]${ones(0)}));
    low[t][1] = min(low[t][1], min(even - 2 * c[2]${ones(1)}, uneven - 2 * c[3]${ones(1)}));`;
}

/** The same products through the wmma interface; distances pass through shared memory. */
export const bitFragments: Template = template({
  id: "bit-wmma",
  from: "warp-per-queries",
  idea: "Use single-bit fragments of 8 by 8 codes and read the counts back from shared memory.",
  options: {
    bits: ["xor", "and"],
    tiles: [1, 2, 4],
    held: [false, true],
    columns: ["row", "column"],
    minimum: ["lane-pairs", "rows", "shared-atomic"],
    depth: ["unrolled", "loop"],
    splits: [128, 64, 256],
    warps: [4, 2, 8],
    unroll: [false, true],
  },
  valid: ({ held, tiles }) => held || tiles === 1,
  count: 24,
  write: ({ bits, tiles, held, columns, minimum, depth, splits, warps, unroll }, { q = 0, n = 0 }) => {
    const merged = merging("atomic", q, splits);
    const and = bits === "and";
    const operation = and ? "bmmaBitOpAND" : "bmmaBitOpXOR";
    const query = held ? "a[t][half]" : "a";
    const product = (half: string): string => `
      {
        ${on(!held, `FragmentA a;\nwmma::load_matrix_sync(a, queries + (size_t)first * 8 + 4 * ${half}, 256);`)}
        wmma::bmma_sync(c, ${query.replace("half", half)}, b[${half}], c, wmma::experimental::${operation}, wmma::experimental::bmmaAccumulateOpPOPC);
      }`;
    const products =
      depth === "unrolled"
        ? product("0") + product("1")
        : `#pragma unroll\nfor (int half = 0; half < 2; ++half) {\n${product("half")}\n}`;
    const minima = fragmentMinima(minimum, and, columns);
    const source = `
      #include <mma.h>
      using namespace nvcuda;

      #define WARPS ${warps}
      #define TILES ${tiles}
      #define PART ${n / splits}

      typedef wmma::fragment<wmma::matrix_a, 8, 8, 128, wmma::experimental::precision::b1, wmma::row_major> FragmentA;
      typedef wmma::fragment<wmma::matrix_b, 8, 8, 128, wmma::experimental::precision::b1, wmma::col_major> FragmentB;
      typedef wmma::fragment<wmma::accumulator, 8, 8, 128, int> FragmentC;

      ${merged.source}
      extern "C" __global__ void scan_fragments(const unsigned int* queries, const unsigned int* codes, unsigned int* best) {
        __shared__ __align__(32) int cells[WARPS][64];
        ${on(and, "__shared__ int query_ones[WARPS][8 * TILES];\n__shared__ int code_ones[WARPS][8];")}
        ${on(minimum === "shared-atomic", "__shared__ int lows[WARPS][8 * TILES];")}
        int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        int first = (blockIdx.x * WARPS + warp) * 8 * TILES;
        const unsigned int* part = codes + (size_t)blockIdx.y * PART * 8;
        ${on(held, "FragmentA a[TILES][2];\n#pragma unroll\nfor (int j = 0; j < TILES * 2; ++j) wmma::load_matrix_sync(a[j / 2][j % 2], queries + (size_t)(first + 8 * (j / 2)) * 8 + 4 * (j % 2), 256);")}
        ${on(and, ones("query_ones", "(queries + (size_t)first * 8)", 8 * tiles))}
        ${
          minimum === "shared-atomic"
            ? "for (int j = lane; j < 8 * TILES; j += 32) lows[warp][j] = 256;"
            : "int low[TILES];\n#pragma unroll\nfor (int t = 0; t < TILES; ++t) low[t] = 256;"
        }
        __syncwarp();
        ${on(unroll, "#pragma unroll 2")}
        for (int i = 0; i < PART; i += 8) {
          FragmentB b[2];
          wmma::load_matrix_sync(b[0], part + (size_t)i * 8, 256);
          wmma::load_matrix_sync(b[1], part + (size_t)i * 8 + 4, 256);
          ${on(and, ones("code_ones", "(part + (size_t)i * 8)", 8))}
          #pragma unroll
          for (int t = 0; t < TILES; ++t) {
            FragmentC c;
            wmma::fill_fragment(c, 0);
            ${products}
            wmma::store_matrix_sync(cells[warp], c, 8, wmma::${columns === "row" ? "mem_row_major" : "mem_col_major"});
            __syncwarp();
            ${minima}
            __syncwarp();
          }
        }
        ${fragmentEnds(minimum)}
      }
    `;
    const grid = [q / (warps * 8 * tiles), splits] as const;
    const scan = launch("scan_fragments", grid, warps * 32, ["queries", "codes", "best"]);
    return styled({ source, launches: merged.around([scan]) }, { names: "snake", indent: 4 });
  },
});

type Minimum = "lane-pairs" | "rows" | "shared-atomic";

function fragmentMinima(minimum: Minimum, and: boolean, columns: "row" | "column"): string {
  // Row r of the small matrix is a query, column k a code.
  const cell = (r: string, k: string): string =>
    columns === "row" ? `cells[warp][8 * (${r}) + ${k}]` : `cells[warp][8 * (${k}) + ${r}]`;
  const value = (r: string, k: string): string =>
    and ? `query_ones[warp][8 * t + ${r}] + code_ones[warp][${k}] - 2 * ${cell(r, k)}` : cell(r, k);
  return {
    "lane-pairs": `
        low[t] = min(low[t], min(${value("lane / 4", "2 * (lane % 4)")}, ${value("lane / 4", "2 * (lane % 4) + 1")}));`,
    rows: `
        if (lane < 8) {
          for (int k = 0; k < 8; ++k) low[t] = min(low[t], ${value("lane", "k")});
        }`,
    "shared-atomic": `
        for (int j = lane; j < 64; j += 32) atomicMin(&lows[warp][8 * t + j / 8], ${value("j / 8", "j % 8")});`,
  }[minimum];
}

const ones = (into: string, from: string, count: number): string => `
      for (int r = lane; r < ${count}; r += 32) {
        int sum = 0;
        for (int w = 0; w < 8; ++w) sum += __popc(${from}[r * 8 + w]);
        ${into}[warp][r] = sum;
      }`;

function fragmentEnds(minimum: "lane-pairs" | "rows" | "shared-atomic"): string {
  if (minimum === "shared-atomic") {
    return "for (int j = lane; j < 8 * TILES; j += 32) atomicMin(best + first + j, (unsigned int)lows[warp][j]);";
  }
  if (minimum === "rows") {
    return `
      #pragma unroll
      for (int t = 0; t < TILES; ++t) {
        if (lane < 8) atomicMin(best + first + 8 * t + lane, (unsigned int)low[t]);
      }`;
  }
  return `
    #pragma unroll
    for (int t = 0; t < TILES; ++t) {
      int found = min(low[t], __shfl_xor_sync(0xffffffffu, low[t], 1));
      found = min(found, __shfl_xor_sync(0xffffffffu, found, 2));
      if (lane % 4 == 0) atomicMin(best + first + 8 * t + lane / 4, (unsigned int)found);
    }`;
}
