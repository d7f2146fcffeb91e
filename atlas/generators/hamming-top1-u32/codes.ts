import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { distanceFunction, loadCode, merging, warpLow } from "./common.ts";

/** Codes stay in registers, queries stream by; the minima of all queries live in shared memory. */
export const threadCode: Template = template({
  id: "thread-per-code",
  from: "code-tiles",
  idea: "Keep codes in registers, stream the queries past them and update minima in shared memory when they fall.",
  options: {
    perThread: [2, 1, 4],
    queriesFrom: ["shared", "global", "ldg"],
    update: ["checked-atomic", "atomic", "redux", "xor", "vote"],
    load: ["scalar", "four"],
    form: ["loop", "tree", "long"],
    block: [256, 128, 512],
    unroll: [false, true],
    spread: ["strided", "adjacent"],
    start: [false, true],
  },
  valid: ({ update, perThread }) => update !== "atomic" || perThread > 1,
  count: 26,
  write: ({ perThread, queriesFrom, update, load, form, block, unroll, spread, start }, { q = 0, n = 0 }) => {
    const merged = merging("atomic", q, 1);
    const shared = queriesFrom === "shared";
    const readQuery = loadCode(queriesFrom === "ldg" ? "ldg" : "four", "query", shared ? "all" : "queries", "j");
    const at = (k: number): string =>
      spread === "strided" ? `first + threadIdx.x + ${k * block}` : `first + threadIdx.x * ${perThread} + ${k}`;
    const updates = {
      "checked-atomic": "if (d < lows[j]) atomicMin(lows + j, d);",
      atomic: "atomicMin(lows + j, d);",
      redux: "d = warp_low(d);\nif (threadIdx.x % 32 == 0 && d < lows[j]) atomicMin(lows + j, d);",
      xor: "d = warp_low(d);\nif (threadIdx.x % 32 == 0) atomicMin(lows + j, d);",
      vote: `
        if (__any_sync(0xffffffffu, d < lows[j])) {
          d = warp_low(d);
          if (threadIdx.x % 32 == 0) atomicMin(lows + j, d);
        }`,
    };
    const needsWarp = update === "redux" || update === "xor" || update === "vote";
    const source = `
      constexpr int BLOCK = ${block};
      constexpr int QUERIES = ${q};

      ${distanceFunction(form)}
      ${on(needsWarp, warpLow(update === "redux" ? "redux" : "xor"))}
      ${merged.source}
      extern "C" __global__ void scan_codes(const unsigned int* __restrict__ queries, const unsigned int* __restrict__ codes, unsigned int* best) {
        ${on(shared, "__shared__ __align__(16) unsigned int all[QUERIES * 8];")}
        __shared__ unsigned int lows[QUERIES];
        int first = blockIdx.x * ${block * perThread};
        ${repeat(perThread, (k) => `unsigned int code${k}[8];\n${loadCode(load, `code${k}`, "codes", at(k))}`)}
        ${on(shared, "for (int j = threadIdx.x; j < QUERIES * 2; j += BLOCK) reinterpret_cast<uint4*>(all)[j] = reinterpret_cast<const uint4*>(queries)[j];")}
        for (int j = threadIdx.x; j < QUERIES; j += BLOCK) lows[j] = 256;
        __syncthreads();
        ${on(start, "int turn = (threadIdx.x / 32) * 16 % QUERIES;")}
        ${on(unroll, "#pragma unroll 2")}
        for (int step = 0; step < QUERIES; ++step) {
          int j = ${start ? "(step + turn) % QUERIES" : "step"};
          unsigned int query[8];
          ${readQuery}
          unsigned int d = code_distance(query, code0);
          ${repeat(perThread - 1, (k) => `d = min(d, code_distance(query, code${k + 1}));`)}
          ${updates[update]}
        }
        __syncthreads();
        for (int j = threadIdx.x; j < QUERIES; j += BLOCK) atomicMin(best + j, lows[j]);
      }
    `;
    const scan = launch("scan_codes", n / (block * perThread), block, ["queries", "codes", "best"]);
    return styled({ source, launches: merged.around([scan]) }, { names: "snake", indent: 4 });
  },
});

/** A warp holds some queries in every lane; its lanes read different codes. */
export const warpQueries: Template = template({
  id: "warp-per-queries",
  from: "block-per-query",
  idea: "Let a warp hold several queries in registers while its lanes stride over the codes.",
  options: {
    perWarp: [1, 2, 4, 8],
    load: ["scalar", "four", "two", "ldg"],
    form: ["loop", "tree", "long"],
    reduce: ["xor", "redux", "down"],
    merge: ["atomic", "parts-warp", "parts-thread"],
    splits: [64, 32, 128, 16],
    warps: [4, 8, 2],
    ahead: [false, true],
    unroll: [false, true],
  },
  count: 26,
  write: ({ perWarp, load, form, reduce, merge, splits, warps, ahead, unroll }, { q = 0, n = 0 }) => {
    const merged = merging(merge, q, splits);
    const update = (code: string): string =>
      repeat(perWarp, (r) => `low[${r}] = min(low[${r}], code_distance(query[${r}], ${code}));`);
    const loop = ahead
      ? `
        unsigned int next[8];
        {
          ${loadCode(load, "next", "part", "lane")}
        }
        for (int i = lane; i < PART; i += 32) {
          unsigned int code[8];
          #pragma unroll
          for (int w = 0; w < 8; ++w) code[w] = next[w];
          if (i + 32 < PART) {
            ${loadCode(load, "next", "part", "i + 32")}
          }
          ${update("code")}
        }`
      : `
        ${on(unroll, "#pragma unroll 2")}
        for (int i = lane; i < PART; i += 32) {
          unsigned int code[8];
          ${loadCode(load, "code", "part", "i")}
          ${update("code")}
        }`;
    const source = `
      #define WARPS ${warps}
      #define PER_WARP ${perWarp}
      #define PART ${n / splits}

      ${distanceFunction(form)}
      ${warpLow(reduce)}
      ${merged.source}
      extern "C" __global__ void scan_warps(const unsigned int* __restrict__ queries, const unsigned int* __restrict__ codes,
          unsigned int* ${merged.argument}) {
        int lane = threadIdx.x & 31;
        int first = (blockIdx.x * WARPS + (threadIdx.x >> 5)) * PER_WARP;
        const unsigned int* part = codes + (size_t)blockIdx.y * PART * 8;
        unsigned int query[PER_WARP][8];
        unsigned int low[PER_WARP];
        #pragma unroll
        for (int r = 0; r < PER_WARP; ++r) {
          low[r] = 256;
          #pragma unroll
          for (int w = 0; w < 8; ++w) query[r][w] = queries[(first + r) * 8 + w];
        }
        ${loop}
        #pragma unroll
        for (int r = 0; r < PER_WARP; ++r) {
          unsigned int found = warp_low(low[r]);
          if (lane == 0) {
            ${merged.store("(first + r)", "found", "blockIdx.y")}
          }
        }
      }
    `;
    const grid = [q / (warps * perWarp), splits] as const;
    return styled(
      {
        source,
        launches: merged.around([launch("scan_warps", grid, warps * 32, ["queries", "codes", merged.argument])]),
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** The words of a code lie on neighbouring lanes, whose counts are added by shuffles. */
export const laneWords: Template = template({
  id: "words-on-lanes",
  from: "warp-per-queries",
  idea: "Spread a code's words over neighbouring lanes, so that reads are contiguous, and add the counts by shuffles.",
  options: {
    lanes: [8, 4, 2],
    perWarp: [1, 2, 4],
    add: ["xor", "down", "packed"],
    reduce: ["xor", "redux"],
    merge: ["atomic", "parts-thread", "parts-warp"],
    splits: [64, 128, 32],
    warps: [8, 4],
    flat: [false, true],
    unroll: [false, true],
  },
  valid: ({ add, perWarp }) => add !== "packed" || perWarp > 1,
  count: 25,
  write: ({ lanes, perWarp, add, reduce, merge, splits, warps, flat, unroll }, { q = 0, n = 0 }) => {
    const merged = merging(merge, q, splits);
    const words = 8 / lanes;
    const type = ({ 8: "unsigned int", 4: "uint2", 2: "uint4" } as const)[lanes];
    const parts = words === 1 ? [""] : [".x", ".y", ".z", ".w"].slice(0, words);
    const counted = (r: number): string => parts.map((p) => `__popc(code${p} ^ mine${r}${p})`).join(" + ");
    const shuffle = add === "down" ? "__shfl_down_sync" : "__shfl_xor_sync";
    const sum = (name: string): string => `
      #pragma unroll
      for (int step = ${lanes / 2}; step > 0; step /= 2) ${name} += ${shuffle}(0xffffffffu, ${name}, step);`;
    // With "down" only the first lane of a group holds the whole sum, so the others are kept out of the minimum.
    const keep = (r: number, d: string): string =>
      add === "down" ? `if (place == 0) low${r} = min(low${r}, ${d});` : `low${r} = min(low${r}, ${d});`;
    const body =
      add === "packed"
        ? repeat(
            perWarp / 2,
            (h) => `
          unsigned int both${h} = (${counted(2 * h)}) | ((${counted(2 * h + 1)}) << 16);
          ${sum(`both${h}`)}
          ${keep(2 * h, `both${h} & 0xffffu`)}
          ${keep(2 * h + 1, `both${h} >> 16`)}`,
          )
        : repeat(perWarp, (r) => `unsigned int d${r} = ${counted(r)};\n${sum(`d${r}`)}\n${keep(r, `d${r}`)}`);
    const source = `
      constexpr int LANES = ${lanes};
      constexpr int PART = ${n / splits};

      ${warpLow(reduce)}
      ${merged.source}
      extern "C" __global__ void scan_lanes(const ${type}* __restrict__ queries, const ${type}* __restrict__ codes,
          unsigned int* ${merged.argument}) {
        const int lane = threadIdx.x % 32;
        const int place = lane % LANES;
        const int first = (blockIdx.x * ${warps} + threadIdx.x / 32) * ${perWarp};
        ${repeat(perWarp, (r) => `const ${type} mine${r} = queries[(first + ${r}) * LANES + place];\nunsigned int low${r} = 256;`)}
        const ${type}* part = codes + (size_t)blockIdx.y * PART * LANES;
        ${on(unroll, "#pragma unroll 4")}
        ${flat ? "for (int i = lane; i < PART * LANES; i += 32) {" : "for (int i = 0; i < PART; i += 32 / LANES) {"}
          ${type} code = ${flat ? "part[i]" : "part[i * LANES + lane]"};
          ${body}
        }
        ${repeat(perWarp, (r) => `low${r} = warp_low(low${r});`)}
        if (lane == 0) {
          ${repeat(perWarp, (r) => merged.store(`(first + ${r})`, `low${r}`, "blockIdx.y"))}
        }
      }
    `;
    const grid = [q / (warps * perWarp), splits] as const;
    return styled(
      {
        source,
        launches: merged.around([launch("scan_lanes", grid, warps * 32, ["queries", "codes", merged.argument])]),
      },
      { names: "snake", indent: 2 },
    );
  },
});
