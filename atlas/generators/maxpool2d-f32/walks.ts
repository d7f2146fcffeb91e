import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { declareSizes, fetch, poolOf, preface, put, raise, type Larger, type Load } from "./words.ts";

type Left = "scalar" | "vector" | "shuffle";
type Outputs = "two" | "four" | "eight";
const countOf: Record<Outputs, number> = { two: 2, four: 4, eight: 8 };

/** `strip_maxima(line, g, m)`: the maxima of a row's windows for outputs COUNT g … COUNT g + COUNT - 1. */
function stripMaxima(count: number, left: Left, load: Load, larger: Larger): string {
  const vectors = count / 2;
  const before = {
    scalar: `const float before = g > 0 ? ${fetch(load, "line + 2 * COUNT * g - 1")} : LOWEST;`,
    vector: `const float before = g > 0 ? (${fetch(load, "quads - 1")}).w : LOWEST;`,
    shuffle: `float before = __shfl_up_sync(0xffffffffu, q${vectors - 1}.w, 1);\nif (g == 0) before = LOWEST;`,
  }[left];
  const outputs = repeat(count, (j) => {
    const first = `q${j >> 1}.${j % 2 ? "z" : "x"}`;
    const second = `q${j >> 1}.${j % 2 ? "w" : "y"}`;
    const previous = j === 0 ? "before" : `q${(j - 1) >> 1}.${j % 2 ? "y" : "w"}`;
    return `m[${j}] = ${previous};\n${raise(larger, `m[${j}]`, first)}\n${raise(larger, `m[${j}]`, second)}`;
  });
  return `
    __device__ __forceinline__ void strip_maxima(const float* line, int g, float (&m)[COUNT]) {
      const float4* quads = reinterpret_cast<const float4*>(line) + (COUNT / 2) * g;
      ${repeat(vectors, (k) => `const float4 q${k} = ${fetch(load, `quads + ${k}`)};`)}
      ${before}
      ${outputs}
    }
  `;
}

function storeStrip(count: number, how: "vector" | "pairs" | "scalars", stream: boolean): string {
  const store = stream ? "__stcs" : "plain";
  if (how === "scalars" || count === 2) {
    if (count === 2 && how !== "scalars")
      return put(store, "reinterpret_cast<float2*>(to)", "make_float2(best[0], best[1])");
    return `#pragma unroll\nfor (int j = 0; j < COUNT; ++j) ${put(store, "to + j", "best[j]")}`;
  }
  if (how === "pairs") {
    return repeat(count / 2, (k) =>
      put(store, `reinterpret_cast<float2*>(to) + ${k}`, `make_float2(best[${2 * k}], best[${2 * k + 1}])`),
    );
  }
  return repeat(count / 4, (k) =>
    put(
      store,
      `reinterpret_cast<float4*>(to) + ${k}`,
      `make_float4(best[${4 * k}], best[${4 * k + 1}], best[${4 * k + 2}], best[${4 * k + 3}])`,
    ),
  );
}

/** Neighbouring outputs of a row per thread, from vector loads. */
export const stripThread: Template = template({
  id: "strip-thread",
  from: "output-thread",
  idea: "Compute several neighbouring outputs per thread from float4 loads of the three rows.",
  options: {
    outputs: ["two", "four", "eight"],
    left: ["scalar", "vector"],
    rows: ["named", "loop"],
    load: ["plain", "__ldg", "__ldcs"],
    store: ["vector", "pairs", "scalars"],
    stream: [false, true],
    larger: ["fmaxf", "ternary", "helper", "branch"],
    sizing: ["const", "macro", "enum"],
    threads: [256, 128, 512],
  },
  count: 18,
  write: ({ outputs, left, rows, load, store, stream, larger, sizing, threads }, sizes) => {
    const pool = poolOf(sizes);
    const count = countOf[outputs];
    const body =
      rows === "named"
        ? `
          float best[COUNT], other[COUNT];
          strip_maxima(from, g, best);
          strip_maxima(from + IW, g, other);
          #pragma unroll
          for (int j = 0; j < COUNT; ++j) best[j] = fmaxf(best[j], other[j]);
          if (oy > 0) {
            strip_maxima(from - IW, g, other);
            #pragma unroll
            for (int j = 0; j < COUNT; ++j) best[j] = fmaxf(best[j], other[j]);
          }`
        : `
          float best[COUNT];
          #pragma unroll
          for (int j = 0; j < COUNT; ++j) best[j] = LOWEST;
          #pragma unroll
          for (int r = -1; r <= 1; ++r) {
            if (2 * oy + r < 0) continue;
            float here[COUNT];
            strip_maxima(from + r * IW, g, here);
            #pragma unroll
            for (int j = 0; j < COUNT; ++j) {
              ${raise(larger, "best[j]", "here[j]")}
            }
          }`;
    const source = `
      ${declareSizes(pool, sizing)}
      ${preface(larger)}
      #define COUNT ${count}
      #define GROUPS (OW / COUNT)

      ${stripMaxima(count, left, load, larger)}
      extern "C" __global__ void pool(const float* __restrict__ x, float* __restrict__ out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= IMAGES * OH * GROUPS) return;
        const int g = i % GROUPS;
        const int row = i / GROUPS;
        const int oy = row % OH;
        const int image = row / OH;
        const float* from = x + (image * IH + 2 * oy) * IW;
        ${body}
        float* to = out + row * OW + COUNT * g;
        ${storeStrip(count, store, stream)}
      }
    `;
    const total = (pool.images * pool.rows * pool.columns) / count;
    return styled(
      { source, launches: [launch("pool", Math.ceil(total / threads), threads, ["x", "out"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** The three values of a window's row, as left, most and right. */
const leftAndPair = (load: Load) => ({
  "three-loads": `
    float most = ${fetch(load, "line + 2 * ox")};
    const float right = ${fetch(load, "line + 2 * ox + 1")};
    const float left = ox > 0 ? ${fetch(load, "line + 2 * ox - 1")} : LOWEST;`,
  "pair-and-left": `
    const float2 two = ${fetch(load, "reinterpret_cast<const float2*>(line) + ox")};
    float most = two.x;
    const float right = two.y;
    const float left = ox > 0 ? ${fetch(load, "line + 2 * ox - 1")} : LOWEST;`,
  "shuffle-left": `
    const float2 two = ${fetch(load, "reinterpret_cast<const float2*>(line) + min(ox, OW - 1)")};
    float most = two.x;
    const float right = two.y;
    float left = __shfl_up_sync(0xffffffffu, two.y, 1);
    if ((threadIdx.x & 31) == 0) left = ox > 0 ? ${fetch(load, "line + 2 * ox - 1")} : LOWEST;`,
});

/** A column of outputs per thread: the row shared by two windows is read once. */
export const downThread: Template = template({
  id: "down-thread",
  from: "output-thread",
  idea: "Let a thread go down a column of outputs and keep the maximum of the row that the next window shares.",
  options: {
    fetch3: ["three-loads", "pair-and-left", "shuffle-left"],
    lookahead: [false, true],
    larger: ["fmaxf", "ternary", "branch", "helper"],
    load: ["plain", "__ldg", "__ldcs"],
    store: ["plain", "__stcs"],
    unroll: ["one", "two", "seven"],
    sizing: ["macro", "enum"],
    depth: [14, 28, 56, 7],
    threads: [128, 256, 64],
  },
  count: 33,
  write: ({ fetch3, lookahead, larger, load, store, unroll, sizing, depth, threads }, sizes) => {
    const pool = poolOf(sizes);
    const shuffle = fetch3 === "shuffle-left";
    const locate = shuffle
      ? `
        const int ox = threadIdx.x & 63;
        const int image = blockIdx.x * (blockDim.x / 64) + threadIdx.x / 64;`
      : `
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int ox = i % OW;
        const int image = i / OW;
        if (image >= IMAGES) return;`;
    const loop = lookahead
      ? `
        float next_upper = row_maximum(from, 2 * first, ox);
        float next_lower = row_maximum(from, 2 * first + 1, ox);
        ${{ one: "#pragma unroll 1", two: "#pragma unroll 2", seven: "#pragma unroll 7" }[unroll]}
        for (int oy = first; oy < last; ++oy) {
          const float upper = next_upper, lower = next_lower;
          if (oy + 1 < last) {
            next_upper = row_maximum(from, 2 * oy + 2, ox);
            next_lower = row_maximum(from, 2 * oy + 3, ox);
          }
          float best = shared_row;`
      : `
        ${{ one: "#pragma unroll 1", two: "#pragma unroll 2", seven: "#pragma unroll 7" }[unroll]}
        for (int oy = first; oy < last; ++oy) {
          float best = shared_row;
          const float upper = row_maximum(from, 2 * oy, ox);
          const float lower = row_maximum(from, 2 * oy + 1, ox);`;
    const source = `
      ${declareSizes(pool, sizing)}
      ${preface(larger)}
      #define DEPTH ${depth}

      __device__ __forceinline__ float row_maximum(const float* image, int y, int ox) {
        const float* line = image + y * IW;
        ${leftAndPair(load)[fetch3]}
        ${raise(larger, "most", "right")}
        ${raise(larger, "most", "left")}
        return most;
      }

      extern "C" __global__ void pool(const float* __restrict__ x, float* __restrict__ out) {
        ${locate}
        const int first = blockIdx.y * DEPTH;
        const int last = first + DEPTH < OH ? first + DEPTH : OH;
        const float* from = x + image * IH * IW;
        float* to = out + image * OH * OW + ox;
        float shared_row = LOWEST;
        if (first > 0) shared_row = row_maximum(from, 2 * first - 1, ox);
        ${loop}
          ${raise(larger, "best", "upper")}
          ${raise(larger, "best", "lower")}
          ${on(shuffle, "if (ox < OW) ")}{
            ${put(store, "to + oy * OW", "best")}
          }
          shared_row = lower;
        }
      }
    `;
    const across = shuffle ? pool.images / (threads / 64) : Math.ceil((pool.images * pool.columns) / threads);
    return styled(
      { source, launches: [launch("pool", [across, Math.ceil(pool.rows / depth)], threads, ["x", "out"])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Strips of outputs that go down the image. */
export const downStrip: Template = template({
  id: "down-strip",
  from: "strip-thread",
  idea: "Go down the image with strips of outputs from float4 loads, carrying the maxima of the shared row.",
  options: {
    outputs: ["four", "two", "eight"],
    left: ["scalar", "vector", "shuffle"],
    ahead: [false, true],
    load: ["plain", "__ldg", "__ldcs"],
    store: ["vector", "pairs", "scalars"],
    stream: [false, true],
    larger: ["fmaxf", "ternary"],
    unroll: ["one", "two", "four"],
    depth: [14, 28, 7, 56, 4],
    threads: [128, 256, 64],
  },
  count: 33,
  write: (o, sizes) => {
    const pool = poolOf(sizes);
    const count = countOf[o.outputs];
    const groups = pool.columns / count;
    const shuffle = o.left === "shuffle";
    const lanes = groups > 16 ? 32 : groups > 8 ? 16 : 8;
    const locate = shuffle
      ? `
        const int seat = threadIdx.x % SEATS;
        const int g = seat < GROUPS ? seat : GROUPS - 1;
        const int image = (blockIdx.x * blockDim.x + threadIdx.x) / SEATS;`
      : `
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        const int g = i % GROUPS;
        const int image = i / GROUPS;
        if (image >= IMAGES) return;`;
    const step = o.ahead
      ? `
        float upper[COUNT], lower[COUNT];
        #pragma unroll
        for (int j = 0; j < COUNT; ++j) {
          upper[j] = next_upper[j];
          lower[j] = next_lower[j];
        }
        if (oy + 1 < last) {
          strip_maxima(from + (2 * oy + 2) * IW, g, next_upper);
          strip_maxima(from + (2 * oy + 3) * IW, g, next_lower);
        }`
      : `
        float upper[COUNT], lower[COUNT];
        strip_maxima(from + 2 * oy * IW, g, upper);
        strip_maxima(from + (2 * oy + 1) * IW, g, lower);`;
    const source = `
      ${declareSizes(pool, "const")}
      #define LOWEST (-3.402823466e38f)
      const int COUNT = ${count};
      const int GROUPS = OW / COUNT;
      const int DEPTH = ${o.depth};
      ${on(shuffle, `const int SEATS = ${lanes};`)}

      ${stripMaxima(count, o.left, o.load, o.larger)}
      extern "C" __global__ void __launch_bounds__(${o.threads}) pool(const float* __restrict__ x, float* __restrict__ out) {
        ${locate}
        const int first = blockIdx.y * DEPTH;
        const int last = min(first + DEPTH, OH);
        const float* from = x + image * IH * IW;
        float carried[COUNT];
        #pragma unroll
        for (int j = 0; j < COUNT; ++j) carried[j] = LOWEST;
        if (first > 0) strip_maxima(from + (2 * first - 1) * IW, g, carried);
        ${on(
          o.ahead,
          `float next_upper[COUNT], next_lower[COUNT];
          strip_maxima(from + 2 * first * IW, g, next_upper);
          strip_maxima(from + (2 * first + 1) * IW, g, next_lower);`,
        )}
        ${{ one: "#pragma unroll 1", two: "#pragma unroll 2", four: "#pragma unroll 4" }[o.unroll]}
        for (int oy = first; oy < last; ++oy) {
          ${step}
          float best[COUNT];
          #pragma unroll
          for (int j = 0; j < COUNT; ++j) {
            best[j] = fmaxf(fmaxf(carried[j], upper[j]), lower[j]);
            carried[j] = lower[j];
          }
          float* to = out + (image * OH + oy) * OW + COUNT * g;
          ${shuffle ? `if (seat < GROUPS) {\n${storeStrip(count, o.store, o.stream)}\n}` : storeStrip(count, o.store, o.stream)}
        }
      }
    `;
    const across = shuffle ? (pool.images * lanes) / o.threads : Math.ceil((pool.images * groups) / o.threads);
    return styled(
      {
        source,
        launches: [launch("pool", [Math.ceil(across), Math.ceil(pool.rows / o.depth)], o.threads, ["x", "out"])],
      },
      { names: "snake", indent: 4 },
    );
  },
});
