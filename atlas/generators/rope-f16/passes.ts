import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { parameters, rowLaunches, rowLines, rows, shape } from "./layout.ts";
import { get, packed, put, rotateText, trigLines, type Hint } from "./trig.ts";

const hints = ["plain", "stream", "stores", "nc"] as const satisfies readonly Hint[];

/** Sines and cosines go to a table in a launch of their own. */
export const tableLaunch: Template = template({
  id: "table-launch",
  from: "packed-pairs",
  idea: "Fill a table of sines and cosines in a first launch and read it when rotating.",
  options: {
    keyed: ["position", "token"],
    layout: ["pairs", "planes", "split-row"],
    trig: ["powf", "double", "exp2", "approx", "separate"],
    width: [2, 4, 8],
    joint: ["joint", "each"],
    hint: hints,
    unrolled: [true, false],
    fetch: ["scalar", "vector"],
    rowsPerBlock: [16, 8, 32],
  },
  valid: ({ width, rowsPerBlock }) => (64 / width) * rowsPerBlock >= 64,
  count: 28,
  write: ({ keyed, layout, trig, width, joint, hint, unrolled, fetch, rowsPerBlock }, sizes) => {
    const given = shape(sizes);
    const entries = keyed === "position" ? 4096 : given.tokens;
    const type = packed(width);
    const lanes = 64 / width;
    const block = lanes * rowsPerBlock;
    const [cosine, sine] = places(layout, "entry", "i");
    const [cosineAt, sineAt] = places(layout, "entry", "first");
    const [readC, readS] = places(layout, "entry", "first + e");
    const scalar = `
      #pragma unroll
      for (int e = 0; e < ${width}; ++e) {
        c[e] = ${readC};
        s[e] = ${readS};
      }`;
    const vector =
      layout === "pairs"
        ? `
          #pragma unroll
          for (int e = 0; e < ${width}; e += 2) {
            const float4 both = *reinterpret_cast<const float4*>(&${places(layout, "entry", "first + e")[0]});
            c[e] = both.x;
            s[e] = both.y;
            c[e + 1] = both.z;
            s[e + 1] = both.w;
          }`
        : `
          #pragma unroll
          for (int e = 0; e < ${width / 2}; ++e) {
            reinterpret_cast<float2*>(c)[e] = reinterpret_cast<const float2*>(&${cosineAt})[e];
            reinterpret_cast<float2*>(s)[e] = reinterpret_cast<const float2*>(&${sineAt})[e];
          }`;
    const source = `
      #include <cuda_fp16.h>
      #define ENTRIES ${entries}

      extern "C" __global__ void fill_table(${on(keyed === "token", "const int* positions, ")}float* table) {
        const int n = blockIdx.x * blockDim.x + threadIdx.x;
        const int entry = n / 64;
        const int i = n % 64;
        const int position = ${keyed === "token" ? "positions[entry]" : "entry"};
        float c, s;
        ${trigLines(trig, "position", "i", "c", "s")}
        ${cosine} = c;
        ${sine} = s;
      }

      extern "C" __global__ void apply_table(${parameters(joint, "__restrict__ ", type)}, const float* __restrict__ table) {
        const int n = blockIdx.x * ${block} + threadIdx.x;
        const int row = n / ${lanes};
        const int lane = n % ${lanes};
        const int first = lane * ${width};
        ${rowLines(joint, given, type, 128 / width)}
        const int entry = ${keyed === "token" ? "token" : "positions[token]"};
        __align__(16) float c[${width}];
        __align__(16) float s[${width}];
        ${fetch === "scalar" ? scalar : vector}
        const ${type} a = ${get(hint, "in + lane")};
        const ${type} b = ${get(hint, `in + lane + ${lanes}`)};
        ${type} lo, hi;
        ${rotateText(
          width,
          (pair) => `c[${pair}]`,
          (pair) => `s[${pair}]`,
          unrolled,
        )}
        ${put(hint, "out + lane", "lo")}
        ${put(hint, `out + lane + ${lanes}`, "hi")}
      }
    `;
    const applies = rowLaunches(joint, "apply_table", given, (count) => count / rowsPerBlock, block);
    const launches = [
      launch("fill_table", entries / 4, 256, keyed === "token" ? ["positions", "table"] : ["table"]),
      ...applies.map((entry) => ({ ...entry, args: [...entry.args, "table"] })),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** A row per warp part: lanes exchange their partners' halves. */
export const shuffled: Template = template({
  id: "warp-shuffle",
  from: "packed-pairs",
  idea: "Let a warp hold a whole head with one load per lane and fetch each partner by a shuffle.",
  options: {
    width: [4, 8],
    trig: ["exp2", "powf", "approx", "half-turns"],
    heads: ["one", "loop"],
    exchange: ["xor", "index"],
    sign: ["select", "multiply"],
    hint: hints,
    warps: [8, 4, 16],
    convert: ["pairs", "single"],
    unroll: [false, true],
  },
  count: 26,
  write: ({ width, trig, heads: loop, exchange, sign, hint, warps, convert, unroll }, sizes) => {
    const given = shape(sizes);
    const { tokens, heads, keyHeads } = given;
    const type = packed(width);
    const team = 128 / width;
    const words = width / 2;
    const lanes = words === 2 ? ["x", "y"] : ["x", "y", "z", "w"];
    const perWarp = 32 / team;
    const partner = exchange === "xor" ? `${team / 2}` : `(threadIdx.x & 31) ^ ${team / 2}`;
    const call = exchange === "xor" ? "__shfl_xor_sync" : "__shfl_sync";
    const pairs = `
      #pragma unroll
      for (int j = 0; j < ${words}; ++j) {
        const float2 u = __half22float2(reinterpret_cast<const __half2*>(&mine)[j]);
        const float2 w = __half22float2(reinterpret_cast<const __half2*>(&other)[j]);
        reinterpret_cast<__half2*>(&result)[j] = __floats2half2_rn(u.x * c[2 * j] + w.x * s[2 * j], u.y * c[2 * j + 1] + w.y * s[2 * j + 1]);
      }`;
    const single = `
      #pragma unroll
      for (int e = 0; e < ${width}; ++e) {
        const float u = __half2float(reinterpret_cast<const __half*>(&mine)[e]);
        const float w = __half2float(reinterpret_cast<const __half*>(&other)[e]);
        reinterpret_cast<__half*>(&result)[e] = __float2half_rn(fmaf(w, s[e], u * c[e]));
      }`;
    const turn = `
      const ${type} mine = ${get(hint, "from")};
      ${type} other, result;
      ${lanes.map((lane) => `other.${lane} = ${call}(0xffffffffu, mine.${lane}, ${partner});`).join("\n")}
      ${convert === "pairs" ? pairs : single}
      ${put(hint, "to", "result")}`;
    const angles = `
      float c[${width}], s[${width}];
      #pragma unroll
      for (int e = 0; e < ${width}; ++e) {
        ${trigLines(trig, "position", `lane % ${team / 2} * ${width} + e`, "c[e]", "s[e]")}
        ${sign === "select" ? `if (lane < ${team / 2}) s[e] = -s[e];` : `s[e] *= lane < ${team / 2} ? -1.0f : 1.0f;`}
      }`;
    const one = `
      const int row = (blockIdx.x * blockDim.x + threadIdx.x) / TEAM;
      ${rowLines("joint", given, type, team)}
      const int position = positions[token];
      ${angles}
      const ${type}* from = in + lane;
      ${type}* to = out + lane;
      ${turn}`;
    const slots = warps * perWarp;
    const looped = `
      const int token = blockIdx.x;
      const int position = positions[token];
      ${angles}
      ${on(unroll, "#pragma unroll 2")}
      for (int h = threadIdx.x / TEAM; h < ${heads + keyHeads}; h += ${slots}) {
        const bool query = h < ${heads};
        const size_t row = query ? (size_t)token * ${heads} + h : (size_t)token * ${keyHeads} + h - ${heads};
        const ${type}* from = (query ? q : k) + row * TEAM + lane;
        ${type}* to = (query ? q_out : k_out) + row * TEAM + lane;
        ${turn}
      }`;
    const source = `
      #include <cuda_fp16.h>
      constexpr int TEAM = ${team};

      extern "C" __global__ void rope_exchange(${parameters("joint", "__restrict__ ", type)}) {
        const int lane = threadIdx.x % TEAM;
        ${loop === "one" ? one : looped}
      }
    `;
    const grid = loop === "one" ? rows(given) / slots : tokens;
    return styled(
      { source, launches: rowLaunches("joint", "rope_exchange", given, () => grid, warps * 32) },
      { names: "camel", indent: 4 },
    );
  },
  valid: ({ heads, warps, width }) => heads === "one" || warps * (width / 4) <= 8,
});

/** Rows go through shared memory so that every access to global memory is a full vector in order. */
export const stagedRows: Template = template({
  id: "staged-rows",
  from: "pair-per-thread",
  idea: "Copy a token's heads into shared memory as whole vectors and rotate them there.",
  options: {
    copy: ["vectors", "async", "words"],
    trig: ["powf", "exp2", "approx", "separate"],
    angles: ["per-pair", "hoisted"],
    result: ["in-place", "direct", "buffer"],
    unit: ["scalar", "pair"],
    block: [256, 128, 512, 64],
    rowsPerBlock: [32, 8, 16, 64],
    hint: ["plain", "stores"],
  },
  valid: ({ block, rowsPerBlock, angles }) => rowsPerBlock * 64 >= block && (angles === "per-pair" || block >= 64),
  count: 24,
  write: ({ copy, trig, angles, result, unit, block, rowsPerBlock, hint }, sizes) => {
    const given = shape(sizes);
    const { tokens, heads } = given;
    const queryRows = tokens * heads;
    const copyType = copy === "words" ? "unsigned int" : "uint4";
    const vectors = (rowsPerBlock * 128 * 2) / (copy === "words" ? 4 : 16);
    const load =
      copy === "async"
        ? "__pipeline_memcpy_async(reinterpret_cast<uint4*>(tile) + v, from + v, 16);"
        : `reinterpret_cast<${copyType}*>(tile)[v] = from[v];`;
    const perRow = unit === "pair" ? 32 : 64;
    const target = { "in-place": "tile", direct: "to_halves", buffer: "turned" }[result];
    const paired = unit === "pair";
    const cell = cellText(target, paired);
    const getAngles = `
      float c, s;
      ${trigLines(trig, "position", "i", "c", "s")}
      ${on(paired, `float d, t;\n${trigLines(trig, "position", "i + 1", "d", "t")}`)}`;
    const tokenOf = `(first_row + r - (is_key ? ${queryRows} : 0)) / (is_key ? ${given.keyHeads} : ${heads})`;
    const cellIndex = paired ? `v % ${perRow} * 2` : `v % ${perRow}`;
    const work =
      angles === "per-pair"
        ? `
          for (int v = threadIdx.x; v < ROWS * ${perRow}; v += ${block}) {
            const int r = v / ${perRow};
            const int i = ${cellIndex};
            const int position = positions[${tokenOf}];
            ${getAngles}
            ${cell}
          }`
        : `
          const int i = threadIdx.x % ${perRow}${on(paired, " * 2")};
          int last = -1;
          float c = 0.0f, s = 0.0f;
          ${on(paired, "float d = 0.0f, t = 0.0f;")}
          for (int r = threadIdx.x / ${perRow}; r < ROWS; r += ${block / perRow}) {
            const int token = ${tokenOf};
            if (token != last) {
              const int position = positions[token];
              ${trigLines(trig, "position", "i", "c", "s")}
              ${on(paired, trigLines(trig, "position", "i + 1", "d", "t"))}
              last = token;
            }
            ${cell}
          }`;
    const writeBack = `
      __syncthreads();
      for (int v = threadIdx.x; v < ${vectors}; v += ${block}) {
        ${put(hint, "to + v", `reinterpret_cast<const ${copyType}*>(${result === "buffer" ? "turned" : "tile"})[v]`)}
      }`;
    const source = `
      #include <cuda_fp16.h>
      ${on(copy === "async", "#include <cuda_pipeline.h>")}
      #define ROWS ${rowsPerBlock}

      extern "C" __global__ void rope_staged(${parameters("joint", "__restrict__ ")}) {
        __shared__ __align__(16) __half tile[ROWS * 128];
        ${on(result === "buffer", "__shared__ __align__(16) __half turned[ROWS * 128];")}
        const int first_row = blockIdx.x * ROWS;
        const bool is_key = first_row >= ${queryRows};
        const size_t offset = (size_t)(first_row - (is_key ? ${queryRows} : 0)) * 128;
        const ${copyType}* from = reinterpret_cast<const ${copyType}*>((is_key ? k : q) + offset);
        ${result === "direct" ? "__half* to_halves = (is_key ? k_out : q_out) + offset;" : `${copyType}* to = reinterpret_cast<${copyType}*>((is_key ? k_out : q_out) + offset);`}
        for (int v = threadIdx.x; v < ${vectors}; v += ${block}) {
          ${load}
        }
        ${on(copy === "async", "__pipeline_commit();\n__pipeline_wait_prior(0);")}
        __syncthreads();
        ${work}
        ${on(result !== "direct", writeBack)}
      }
    `;
    return styled(
      { source, launches: rowLaunches("joint", "rope_staged", given, (count) => count / rowsPerBlock, block) },
      { names: "snake", indent: 4 },
    );
  },
});

/** Rotates the pair or the two pairs at `i` of the tile's row `r` into `target`. */
function cellText(target: string, paired: boolean): string {
  const scalar = `
      const float a = __half2float(tile[r * 128 + i]);
      const float b = __half2float(tile[r * 128 + i + 64]);
      ${target}[r * 128 + i] = __float2half_rn(a * c - b * s);
      ${target}[r * 128 + i + 64] = __float2half_rn(b * c + a * s);`;
  const pair = `
      const float2 a = __half22float2(*reinterpret_cast<const __half2*>(tile + r * 128 + i));
      const float2 b = __half22float2(*reinterpret_cast<const __half2*>(tile + r * 128 + i + 64));
      *reinterpret_cast<__half2*>(${target} + r * 128 + i) = __floats2half2_rn(a.x * c - b.x * s, a.y * d - b.y * t);
      *reinterpret_cast<__half2*>(${target} + r * 128 + i + 64) = __floats2half2_rn(b.x * c + a.x * s, b.y * d + a.y * t);`;
  return paired ? pair : scalar;
}

/** Where the cosine and the sine of pair `i` of an entry lie. */
function places(layout: "pairs" | "planes" | "split-row", entry: string, i: string): readonly [string, string] {
  if (layout === "pairs") return [`table[(${entry} * 64 + ${i}) * 2]`, `table[(${entry} * 64 + ${i}) * 2 + 1]`];
  if (layout === "planes") return [`table[${entry} * 64 + ${i}]`, `table[(ENTRIES + ${entry}) * 64 + ${i}]`];
  return [`table[${entry} * 128 + ${i}]`, `table[${entry} * 128 + 64 + ${i}]`];
}
