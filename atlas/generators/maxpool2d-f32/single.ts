import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { declareSizes, fetch, poolOf, preface, put, raise, type Load } from "./words.ts";

/** One output per thread. */
export const outputThread: Template = template({
  id: "output-thread",
  from: null,
  idea: "One thread per output with lanes along the row and constant sizes.",
  options: {
    places: ["flat", "rows", "grid3"],
    edges: ["tests", "bounds", "clamp", "skip-first"],
    larger: ["fmaxf", "ternary", "branch", "helper"],
    load: ["plain", "__ldg", "__ldcs"],
    store: ["plain", "__stcs"],
    unroll: [false, true],
    index: ["int", "size_t"],
    sizing: ["macro", "const", "enum"],
    threads: [256, 128, 512, 64],
  },
  count: 33,
  write: ({ places, edges, larger, load, store, unroll, index, sizing, threads }, sizes) => {
    const pool = poolOf(sizes);
    const hint = on(unroll && edges !== "bounds", "#pragma unroll");
    const locate = {
      flat: `
        const ${index} i = (${index})blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= (${index})IMAGES * OH * OW) return;
        const int ox = (int)(i % OW);
        const int oy = (int)(i / OW % OH);
        const ${index} image = i / (OW * OH);`,
      rows: `
        const int spot = blockIdx.x * blockDim.x + threadIdx.x;
        if (spot >= OH * OW) return;
        const int oy = spot / OW;
        const int ox = spot - oy * OW;
        const ${index} image = blockIdx.y;`,
      grid3: `
        const int ox = threadIdx.x;
        const int oy = blockIdx.x * blockDim.y + threadIdx.y;
        const ${index} image = blockIdx.y;
        if (ox >= OW || oy >= OH) return;`,
    }[places];
    const windows = {
      tests: `
        ${hint}
        for (int r = -1; r < 2; ++r) {
          ${hint}
          for (int s = -1; s < 2; ++s) {
            const int y = 2 * oy + r;
            const int z = 2 * ox + s;
            if (y < 0 || y >= IH || z < 0 || z >= IW) continue;
            const float value = ${fetch(load, "from + y * IW + z")};
            ${raise(larger, "best", "value")}
          }
        }`,
      bounds: `
        for (int y = max(2 * oy - 1, 0); y <= min(2 * oy + 1, IH - 1); ++y) {
          for (int z = max(2 * ox - 1, 0); z <= min(2 * ox + 1, IW - 1); ++z) {
            const float value = ${fetch(load, "from + y * IW + z")};
            ${raise(larger, "best", "value")}
          }
        }`,
      clamp: `
        ${hint}
        for (int t = 0; t < 9; ++t) {
          const int y = min(max(2 * oy + t / 3 - 1, 0), IH - 1);
          const int z = min(max(2 * ox + t % 3 - 1, 0), IW - 1);
          const float value = ${fetch(load, "from + y * IW + z")};
          ${raise(larger, "best", "value")}
        }`,
      "skip-first": `
        const float* line = from + 2 * oy * IW + 2 * ox;
        ${hint}
        for (int r = oy == 0 ? 0 : -1; r < 2; ++r) {
          const float left = ox == 0 ? LOWEST : ${fetch(load, "line + r * IW - 1")};
          const float middle = ${fetch(load, "line + r * IW")};
          const float right = ${fetch(load, "line + r * IW + 1")};
          ${raise(larger, "best", "left")}
          ${raise(larger, "best", "middle")}
          ${raise(larger, "best", "right")}
        }`,
    }[edges];
    const source = `
      ${declareSizes(pool, sizing)}
      ${preface(larger)}

      extern "C" __global__ void pool(const float* __restrict__ x, float* __restrict__ out) {
        ${locate}
        const float* from = x + image * IH * IW;
        float best = LOWEST;
        ${windows}
        ${put(store, "out + (image * OH + oy) * OW + ox", "best")}
      }
    `;
    const entry = {
      flat: launch("pool", Math.ceil((pool.images * pool.rows * pool.columns) / threads), threads, ["x", "out"]),
      rows: launch("pool", [Math.ceil((pool.rows * pool.columns) / threads), pool.images], threads, ["x", "out"]),
      grid3: launch("pool", [Math.ceil(pool.rows / (threads / 64)), pool.images], [64, threads / 64], ["x", "out"]),
    }[places];
    return styled({ source, launches: [entry] }, { names: "snake", indent: 4 });
  },
});

/** A thread walks along an output row. */
export const rowThread: Template = template({
  id: "row-thread",
  from: "output-thread",
  idea: "Give each thread a piece of an output row and carry the shared input column along.",
  options: {
    lanes: ["rows", "images"],
    carry: ["column-maximum", "three-values", "none"],
    vector: [false, true],
    larger: ["fmaxf", "ternary", "helper"],
    load: ["plain", "__ldg"],
    restrict: [true, false],
    sizing: ["const", "macro"],
    piece: [56, 28, 14, 8],
    threads: [128, 64, 256],
  },
  valid: ({ vector, carry }) => !(vector && carry === "none"),
  count: 29,
  write: ({ lanes, carry, vector, larger, load, restrict, sizing, piece, threads }, sizes) => {
    const pool = poolOf(sizes);
    const mark = on(restrict, " __restrict__");
    const read = (z: string): string => `
      const float top = oy == 0 ? LOWEST : ${fetch(load, `line - IW + ${z}`)};
      const float low = ${fetch(load, `line + IW + ${z}`)};
      float tall = ${fetch(load, `line + ${z}`)};
      ${raise(larger, "tall", "top")}
      ${raise(larger, "tall", "low")}`;
    const start =
      carry === "none" ? "" : `float before = LOWEST;\nif (begin > 0) {\n${read("2 * begin - 1")}\nbefore = tall;\n}`;
    const scalar = `
      for (int ox = begin; ox < begin + PIECE; ++ox) {
        float best = ${carry === "none" ? "LOWEST" : "before"};
        ${
          carry === "none"
            ? `for (int z = max(2 * ox - 1, 0); z <= 2 * ox + 1; ++z) {\n${read("z")}\n${raise(larger, "best", "tall")}\n}`
            : `{\n${read("2 * ox")}\n${raise(larger, "best", "tall")}\n}\n{\n${read("2 * ox + 1")}\n${raise(larger, "best", "tall")}\nbefore = tall;\n}`
        }
        to[ox] = best;
      }`;
    const quad = (row: string): string => fetch(load, `reinterpret_cast<const float4*>(line ${row} + 2 * ox)`);
    const vectors = `
      for (int ox = begin; ox < begin + PIECE; ox += 2) {
        const float4 mid = ${quad("")};
        const float4 low = ${quad("+ IW")};
        const float4 top = oy == 0 ? mid : ${quad("- IW")};
        const float a = fmaxf(fmaxf(mid.x, low.x), top.x);
        const float b = fmaxf(fmaxf(mid.y, low.y), top.y);
        const float c = fmaxf(fmaxf(mid.z, low.z), top.z);
        const float d = fmaxf(fmaxf(mid.w, low.w), top.w);
        float first = before, second = b;
        ${raise(larger, "first", "a")}
        ${raise(larger, "first", "b")}
        ${raise(larger, "second", "c")}
        ${raise(larger, "second", "d")}
        ${carry === "column-maximum" ? "before = d;\nto[ox] = first;\nto[ox + 1] = second;" : "*reinterpret_cast<float2*>(to + ox) = make_float2(first, second);\nbefore = d;"}
      }`;
    const source = `
      ${declareSizes(pool, sizing)}
      ${preface(larger)}
      #define PIECE ${piece}

      extern "C" __global__ void pool(const float*${mark} x, float*${mark} out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= IMAGES * OH * (OW / PIECE)) return;
        ${
          lanes === "rows"
            ? "const int oy = i % OH;\nconst int image = i / OH % IMAGES;"
            : "const int image = i % IMAGES;\nconst int oy = i / IMAGES % OH;"
        }
        const int begin = i / (IMAGES * OH) * PIECE;
        const float* line = x + (image * IH + 2 * oy) * IW;
        float* to = out + (image * OH + oy) * OW;
        ${start}
        ${vector ? vectors : scalar}
      }
    `;
    const count = pool.images * pool.rows * (pool.columns / piece);
    return styled(
      { source, launches: [launch("pool", Math.ceil(count / threads), threads, ["x", "out"])] },
      { names: "camel", indent: 2 },
    );
  },
});

/** What one thread of the scattering kernel does with its inputs. */
function scatterBody(reduce: "each-input" | "pairs" | "column-pairs", load: Load): string {
  const spread = (y: string, z: string, value: string): string => `
    rise(cells, ${y} / 2, ${z} / 2, ${value});
    if (${z} & 1) rise(cells, ${y} / 2, ${z} / 2 + 1, ${value});
    if (${y} & 1) rise(cells, ${y} / 2 + 1, ${z} / 2, ${value});
    if ((${y} & 1) && (${z} & 1)) rise(cells, ${y} / 2 + 1, ${z} / 2 + 1, ${value});`;
  return {
    "each-input": `
      const int z = i % IW;
      const int y = i / IW;
      const float value = ${fetch(load, "from + i")};
      ${spread("y", "z", "value")}`,
    pairs: `
      const int y = i / (IW / 2);
      const int z = i % (IW / 2) * 2;
      const float2 two = ${fetch(load, "reinterpret_cast<const float2*>(from + y * IW + z)")};
      const float most = fmaxf(two.x, two.y);
      rise(cells, y / 2, z / 2, most);
      rise(cells, y / 2, z / 2 + 1, two.y);
      if (y & 1) {
        rise(cells, y / 2 + 1, z / 2, most);
        rise(cells, y / 2 + 1, z / 2 + 1, two.y);
      }`,
    "column-pairs": `
      const int y = i / IW * 2;
      const int z = i % IW;
      const float upper = ${fetch(load, "from + y * IW + z")};
      const float lower = ${fetch(load, "from + (y + 1) * IW + z")};
      const float most = fmaxf(upper, lower);
      rise(cells, y / 2, z / 2, most);
      rise(cells, y / 2 + 1, z / 2, lower);
      if (z & 1) {
        rise(cells, y / 2, z / 2 + 1, most);
        rise(cells, y / 2 + 1, z / 2 + 1, lower);
      }`,
  }[reduce];
}

/** Input-driven: every input raises the outputs whose windows hold it. */
export const scatter: Template = template({
  id: "scatter-maxima",
  from: "output-thread",
  idea: "Let every input raise the outputs whose windows contain it with an atomic maximum.",
  options: {
    reduce: ["each-input", "pairs", "column-pairs"],
    encode: ["sign-flip", "two-atomics"],
    test: [false, true],
    clear: ["kernel", "vector-kernel"],
    load: ["plain", "__ldg"],
    sizing: ["macro", "enum"],
    threads: [256, 128, 512],
  },
  count: 29,
  write: ({ reduce, encode, test, clear, load, sizing, threads }, sizes) => {
    const pool = poolOf(sizes);
    const flip = encode === "sign-flip";
    const lowest = flip ? "0x00800000u" : "__float_as_uint(LOWEST)";
    const atomic = flip
      ? "atomicMax(cell, code_of(value));"
      : "if (value >= 0.0f) {\natomicMax(reinterpret_cast<int*>(cell), __float_as_int(value));\n} else {\natomicMin(cell, __float_as_uint(value));\n}";
    const guarded = test
      ? `if (value > ${flip ? "value_of(*cell)" : "__uint_as_float(*cell)"}) {\n${atomic}\n}`
      : atomic;
    const rise = `
      __device__ __forceinline__ void rise(unsigned int* cells, int oy, int ox, float value) {
        if (oy >= OH || ox >= OW) return;
        ${on(test, "volatile ")}unsigned int* spot = cells + oy * OW + ox;
        unsigned int* cell = const_cast<unsigned int*>(spot);
        ${guarded.replaceAll("(*cell)", "(*spot)")}
      }
    `;
    const total = pool.images * pool.rows * pool.columns;
    const source = `
      ${declareSizes(pool, sizing)}
      #define LOWEST (-3.402823466e38f)

      ${on(
        flip,
        `// Order of unsigned integers equals the order of the floats that they stand for.
        __device__ __forceinline__ unsigned int code_of(float value) {
          const int bits = __float_as_int(value);
          return (unsigned int)(bits ^ ((bits >> 31) | (int)0x80000000));
        }

        __device__ __forceinline__ float value_of(unsigned int code) {
          return __uint_as_float(code & 0x80000000u ? code ^ 0x80000000u : ~code);
        }
        `,
      )}
      ${rise}
      extern "C" __global__ void lower_all(${clear === "kernel" ? "unsigned int" : "uint4"}* cells, int count) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < count) cells[i] = ${clear === "kernel" ? lowest : `make_uint4(${lowest}, ${lowest}, ${lowest}, ${lowest})`};
      }

      extern "C" __global__ void spread(const float* __restrict__ x, unsigned int* out) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i >= IH * IW${on(reduce !== "each-input", " / 2")}) return;
        const float* from = x + blockIdx.y * IH * IW;
        unsigned int* cells = out + blockIdx.y * OH * OW;
        ${scatterBody(reduce, load)}
      }
      ${on(
        flip,
        `
        extern "C" __global__ void reveal(unsigned int* cells, int count) {
          const int i = blockIdx.x * blockDim.x + threadIdx.x;
          if (i < count) cells[i] = __float_as_uint(value_of(cells[i]));
        }`,
      )}
    `;
    const cells = clear === "kernel" ? total : total / 4;
    const inputs = reduce === "each-input" ? pool.h * pool.w : (pool.h * pool.w) / 2;
    const launches = [
      launch("lower_all", Math.ceil(cells / 256), 256, ["out", { i32: cells }]),
      launch("spread", [Math.ceil(inputs / threads), pool.images], threads, ["x", "out"]),
      ...(flip ? [launch("reveal", Math.ceil(total / 256), 256, ["out", { i32: total }])] : []),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
