import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { distanceFunction, loadCode, merging } from "./common.ts";

/** Codes pass through shared memory in tiles; each thread owns one or several queries. */
export const codeTiles: Template = template({
  id: "code-tiles",
  from: "thread-per-query",
  idea: "Bring tiles of codes into shared memory and give every thread several queries.",
  options: {
    perThread: [1, 2, 4],
    copy: ["words", "vectors"],
    layout: ["codes", "planes"],
    read: ["scalar", "four"],
    ahead: [false, true],
    form: ["loop", "tree", "long"],
    merge: ["atomic", "parts-thread", "parts-warp"],
    tile: [128, 64, 256],
    splits: [256, 128, 512],
    block: [128, 64],
    unroll: [true, false],
  },
  valid: ({ copy, layout, read, ahead, tile, block }) =>
    (layout === "codes" || (read === "scalar" && copy === "words")) && (!ahead || copy === "vectors") && tile >= block,
  count: 25,
  write: (chosen, { q = 0, n = 0 }) => {
    const { perThread, copy, layout, read, ahead, form, merge, tile, splits, block, unroll } = chosen;
    const merged = merging(merge, q, splits);
    const planes = layout === "planes";
    const codeOf = planes
      ? `
        #pragma unroll
        for (int w = 0; w < 8; ++w) code[w] = tile[w][i];`
      : loadCode(read, "code", "tile", "i");
    const queries = repeat(
      perThread,
      (r) => `unsigned int query${r}[8];\n${loadCode("four", `query${r}`, "queries", `first + ${r * block}`)}`,
    );
    const source = `
      #define TILE ${tile}
      #define PART ${n / splits}
      #define BLOCK ${block}

      ${distanceFunction(form)}
      ${merged.source}
      extern "C" __global__ void __launch_bounds__(BLOCK) scan_tiles(const unsigned int* __restrict__ queries,
          const unsigned int* __restrict__ codes, unsigned int* ${merged.argument}) {
        __shared__ ${planes ? "unsigned int tile[8][TILE + 1];" : "__align__(16) unsigned int tile[TILE * 8];"}
        int first = blockIdx.x * ${block * perThread} + threadIdx.x;
        const unsigned int* part = codes + (size_t)blockIdx.y * PART * 8;
        ${queries}
        ${repeat(perThread, (r) => `unsigned int low${r} = 256;`)}
        ${on(ahead, `uint4 next[TILE * 2 / BLOCK];\n${fetch("next", "0")}`)}
        for (int start = 0; start < PART; start += TILE) {
          ${copyTile(copy, planes, ahead)}
          __syncthreads();
          ${on(ahead, `if (start + TILE < PART) {\n${fetch("next", "start + TILE")}\n}`)}
          #pragma unroll ${unroll ? 4 : 1}
          for (int i = 0; i < TILE; ++i) {
            unsigned int code[8];
            ${codeOf}
            ${repeat(perThread, (r) => `low${r} = min(low${r}, code_distance(query${r}, code));`)}
          }
          __syncthreads();
        }
        ${repeat(perThread, (r) => merged.store(`(first + ${r * block})`, `low${r}`, "blockIdx.y"))}
      }
    `;
    const scan = launch("scan_tiles", [q / (block * perThread), splits], block, ["queries", "codes", merged.argument]);
    return styled({ source, launches: merged.around([scan]) }, { names: "snake", indent: 2 });
  },
});

const fetch = (into: string, start: string): string => `
  #pragma unroll
  for (int k = 0; k < TILE * 2 / BLOCK; ++k) {
    ${into}[k] = reinterpret_cast<const uint4*>(part + (size_t)(${start}) * 8)[threadIdx.x + k * BLOCK];
  }`;

function copyTile(copy: "words" | "vectors", planes: boolean, ahead: boolean): string {
  if (ahead) {
    return `
      #pragma unroll
      for (int k = 0; k < TILE * 2 / BLOCK; ++k) {
        reinterpret_cast<uint4*>(tile)[threadIdx.x + k * BLOCK] = next[k];
      }`;
  }
  if (copy === "vectors") {
    return `
      for (int j = threadIdx.x; j < TILE * 2; j += BLOCK) {
        reinterpret_cast<uint4*>(tile)[j] = reinterpret_cast<const uint4*>(part + (size_t)start * 8)[j];
      }`;
  }
  return `
    for (int j = threadIdx.x; j < TILE * 8; j += BLOCK) {
      ${planes ? "tile[j % 8][j / 8]" : "tile[j]"} = part[(size_t)start * 8 + j];
    }`;
}

/** Products of query and code tiles: a small rectangle of pairs per thread. */
export const rectangles: Template = template({
  id: "register-rectangles",
  from: "code-tiles",
  idea: "Give every thread a rectangle of query-code pairs, so that each word read from shared memory serves several pairs.",
  options: {
    rows: [4, 2, 8],
    columns: [4, 2, 8],
    vector: [false, true],
    padding: [true, false],
    words: ["unrolled", "rolled"],
    held: ["shared", "registers"],
    ends: ["shuffle", "shared-atomic", "global-atomic"],
    splits: [128, 64, 256],
    unsigned: ["unsigned", "alias"],
    bounds: [false, true],
  },
  valid: ({ vector, columns, held, rows, padding, words }) =>
    (!vector || (columns > 2 && !padding)) && (held === "shared" || (rows === 2 && words === "unrolled")),
  count: 25,
  write: (chosen, { q = 0, n = 0 }) => {
    const { rows, columns, vector, padding, words, held, ends, splits, unsigned, bounds } = chosen;
    const type = unsigned === "alias" ? "word" : "unsigned int";
    const merged = merging("atomic", q, splits);
    const spread = vector ? "COLUMNS * tx + c" : "tx + 16 * c";
    const readCodes = vector
      ? `
        #pragma unroll
        for (int c = 0; c < COLUMNS; c += 4) {
          uint4 four = *reinterpret_cast<const uint4*>(&code_tile[w][COLUMNS * tx + c]);
          b[c] = four.x;
          b[c + 1] = four.y;
          b[c + 2] = four.z;
          b[c + 3] = four.w;
        }`
      : `
        #pragma unroll
        for (int c = 0; c < COLUMNS; ++c) b[c] = code_tile[w][${spread}];`;
    const rowWord = held === "shared" ? "query_tile[w][ROWS * ty + r]" : "mine[r][w]";
    const source = `
      #define ROWS ${rows}
      #define COLUMNS ${columns}
      #define PART ${n / splits}
      ${on(unsigned === "alias", "typedef unsigned int word;")}

      ${merged.source}
      extern "C" __global__ void ${on(bounds, "__launch_bounds__(256, 2) ")}scan_rectangles(const ${type}* queries, const ${type}* codes, ${type}* best) {
        ${on(held === "shared", `__shared__ ${type} query_tile[8][16 * ROWS${on(padding, " + 1")}];`)}
        __shared__ __align__(16) ${type} code_tile[8][16 * COLUMNS${on(padding, " + 1")}];
        const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
        const int base = blockIdx.x * 16 * ROWS;
        ${
          held === "shared"
            ? `
        for (int j = threadIdx.x; j < 128 * ROWS; j += 256) query_tile[j % 8][j / 8] = queries[base * 8 + j];`
            : `
        ${type} mine[ROWS][8];
        #pragma unroll
        for (int r = 0; r < ROWS; ++r) {
          #pragma unroll
          for (int w = 0; w < 8; ++w) mine[r][w] = queries[(base + ROWS * ty + r) * 8 + w];
        }`
        }
        ${type} low[ROWS];
        #pragma unroll
        for (int r = 0; r < ROWS; ++r) low[r] = 256;
        for (int start = blockIdx.y * PART; start < (blockIdx.y + 1) * PART; start += 16 * COLUMNS) {
          __syncthreads();
          for (int j = threadIdx.x; j < 128 * COLUMNS; j += 256) code_tile[j % 8][j / 8] = codes[(size_t)start * 8 + j];
          __syncthreads();
          ${type} sum[ROWS][COLUMNS] = {};
          #pragma unroll ${words === "unrolled" ? 8 : 1}
          for (int w = 0; w < 8; ++w) {
            ${type} a[ROWS], b[COLUMNS];
            #pragma unroll
            for (int r = 0; r < ROWS; ++r) a[r] = ${rowWord};
            ${readCodes}
            #pragma unroll
            for (int r = 0; r < ROWS; ++r) {
              #pragma unroll
              for (int c = 0; c < COLUMNS; ++c) sum[r][c] += __popc(a[r] ^ b[c]);
            }
          }
          #pragma unroll
          for (int r = 0; r < ROWS; ++r) {
            #pragma unroll
            for (int c = 0; c < COLUMNS; ++c) low[r] = min(low[r], sum[r][c]);
          }
        }
        ${rectangleEnds(ends, type)}
      }
    `;
    const scan = launch("scan_rectangles", [q / (16 * rows), splits], 256, ["queries", "codes", "best"]);
    return styled({ source, launches: merged.around([scan]) }, { names: "camel", indent: 2 });
  },
});

function rectangleEnds(ends: "shuffle" | "shared-atomic" | "global-atomic", type: string): string {
  if (ends === "global-atomic") {
    return `
      #pragma unroll
      for (int r = 0; r < ROWS; ++r) atomicMin(best + base + ROWS * ty + r, low[r]);`;
  }
  if (ends === "shared-atomic") {
    return `
      __shared__ ${type} lows[16 * ROWS];
      for (int j = threadIdx.x; j < 16 * ROWS; j += 256) lows[j] = 256;
      __syncthreads();
      #pragma unroll
      for (int r = 0; r < ROWS; ++r) atomicMin(lows + ROWS * ty + r, low[r]);
      __syncthreads();
      for (int j = threadIdx.x; j < 16 * ROWS; j += 256) atomicMin(best + base + j, lows[j]);`;
  }
  return `
    #pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      for (int mask = 8; mask > 0; mask >>= 1) low[r] = min(low[r], __shfl_xor_sync(0xffffffffu, low[r], mask));
      if (tx == 0) atomicMin(best + base + ROWS * ty + r, low[r]);
    }`;
}
