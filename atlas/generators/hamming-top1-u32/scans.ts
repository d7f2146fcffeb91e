import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { distanceFunction, loadCode, merging, warpLow } from "./common.ts";

/** One block, or a row of blocks, per query. */
export const blockQuery: Template = template({
  id: "block-per-query",
  from: null,
  idea: "A block looks for one query's neighbour among all codes and reduces what its threads found.",
  options: {
    load: ["scalar", "two", "four", "ldg"],
    held: ["global", "registers", "shared"],
    form: ["loop", "tree", "long"],
    reduce: ["tree", "shuffle", "redux", "shared-atomic"],
    walk: ["strided", "contiguous"],
    splits: [1, 4, 16],
    block: [256, 128, 512],
    unroll: [false, true],
  },
  count: 26,
  write: ({ load, held, form, reduce, walk, splits, block, unroll }, { q = 0, n = 0 }) => {
    const merged = merging("atomic", q, splits);
    const split = splits > 1;
    const query = { global: "queries + 8 * blockIdx.x", registers: "mine", shared: "mine" }[held];
    const hold = {
      global: "",
      registers: `unsigned int mine[8];\n${loadCode("scalar", "mine", "queries", "blockIdx.x")}`,
      shared: `
        __shared__ unsigned int mine[8];
        if (threadIdx.x < 8) mine[threadIdx.x] = queries[8 * blockIdx.x + threadIdx.x];
        __syncthreads();`,
    }[held];
    const head =
      walk === "strided"
        ? "for (int i = first + threadIdx.x; i < first + PART; i += BLOCK) {"
        : "for (int i = first + threadIdx.x * SHARE; i < first + (threadIdx.x + 1) * SHARE; ++i) {";
    const source = `
      #define BLOCK ${block}
      #define PART ${n / splits}
      ${on(walk === "contiguous", "#define SHARE (PART / BLOCK)")}

      ${distanceFunction(form)}
      ${on(reduce === "shuffle" || reduce === "redux", warpLow(reduce === "redux" ? "redux" : "down"))}
      ${on(split, merged.source)}
      extern "C" __global__ void scan_block(const unsigned int* queries, const unsigned int* codes, unsigned int* best) {
        int first = ${split ? "blockIdx.y * PART" : "0"};
        ${hold}
        unsigned int low = 256;
        ${on(unroll, "#pragma unroll 4")}
        ${head}
          unsigned int code[8];
          ${loadCode(load, "code", "codes", "i")}
          low = min(low, code_distance(${query}, code));
        }
        ${blockLow(reduce)}
        if (threadIdx.x == 0) ${split ? "atomicMin(best + blockIdx.x, low);" : "best[blockIdx.x] = low;"}
      }
    `;
    const scan = [launch("scan_block", [q, splits], block, ["queries", "codes", "best"])];
    return styled({ source, launches: split ? merged.around(scan) : scan }, { names: "snake", indent: 4 });
  },
});

function blockLow(reduce: "tree" | "shuffle" | "redux" | "shared-atomic"): string {
  if (reduce === "tree") {
    return `
      __shared__ unsigned int lows[BLOCK];
      lows[threadIdx.x] = low;
      __syncthreads();
      for (int half = BLOCK / 2; half > 0; half >>= 1) {
        if (threadIdx.x < half) lows[threadIdx.x] = min(lows[threadIdx.x], lows[threadIdx.x + half]);
        __syncthreads();
      }
      low = lows[0];`;
  }
  if (reduce === "shared-atomic") {
    return `
      __shared__ unsigned int lowest;
      if (threadIdx.x == 0) lowest = 256;
      __syncthreads();
      atomicMin(&lowest, low);
      __syncthreads();
      low = lowest;`;
  }
  return `
    __shared__ unsigned int lows[BLOCK / 32];
    low = warp_low(low);
    if (threadIdx.x % 32 == 0) lows[threadIdx.x / 32] = low;
    __syncthreads();
    for (int w = 0; w < BLOCK / 32; ++w) low = min(low, lows[w]);`;
}

/** A query per thread; the threads of a warp read the same code. */
export const threadQuery: Template = template({
  id: "thread-per-query",
  from: "block-per-query",
  idea: "Keep a query in each thread's registers and let the whole warp read the same code.",
  options: {
    load: ["scalar", "two", "four", "ldg"],
    form: ["loop", "tree", "long"],
    merge: ["atomic", "parts-thread", "parts-warp"],
    splits: [256, 128, 512, 1024],
    block: [128, 64, 256],
    unroll: [false, true],
    update: ["min", "branch", "two-lows"],
    order: ["queries-first", "parts-first"],
    interleaved: [false, true],
  },
  count: 26,
  write: ({ load, form, merge, splits, block, unroll, update, order, interleaved }, { q = 0, n = 0 }) => {
    const merged = merging(merge, q, splits);
    const queriesFirst = order === "queries-first";
    const [group, part] = queriesFirst ? ["blockIdx.x", "blockIdx.y"] : ["blockIdx.y", "blockIdx.x"];
    const index = interleaved ? "i * SPLITS + part" : "part * PART + i";
    const one = (low: string, at: string): string => `
      {
        unsigned int code[8];
        ${loadCode(load, "code", "codes", at)}
        unsigned int d = code_distance(query, code);
        ${update === "branch" ? `if (d < ${low}) ${low} = d;` : `${low} = min(${low}, d);`}
      }`;
    const two = update === "two-lows";
    const source = `
      constexpr int SPLITS = ${splits};
      constexpr int PART = ${n / splits};

      ${distanceFunction(form)}
      ${merged.source}
      extern "C" __global__ void scan_thread(const unsigned int* __restrict__ queries, const unsigned int* __restrict__ codes,
          unsigned int* __restrict__ ${merged.argument}) {
        const int mine = ${group} * ${block} + threadIdx.x;
        const int part = ${part};
        unsigned int query[8];
        ${loadCode(load === "ldg" ? "four" : load, "query", "queries", "mine")}
        unsigned int low = 0xffffffffu;
        ${on(two, "unsigned int other = 0xffffffffu;")}
        ${on(unroll, "#pragma unroll 4")}
        for (int i = 0; i < PART; ${two ? "i += 2" : "++i"}) {
          ${one("low", index)}
          ${on(two, one("other", index.replace(/\bi\b/, "(i + 1)")))}
        }
        ${on(two, "low = min(low, other);")}
        ${merged.store("mine", "low", "part")}
      }
    `;
    const grid = queriesFirst ? ([q / block, splits] as const) : ([splits, q / block] as const);
    return styled(
      { source, launches: merged.around([launch("scan_thread", grid, block, ["queries", "codes", merged.argument])]) },
      { names: "camel", indent: 2 },
    );
  },
});
