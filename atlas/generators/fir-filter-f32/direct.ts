import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";

const loaded = (load: string, place: string): string => (load === "plain" ? place : `${load}(&${place})`);

/** One thread per output sample, everything through the caches. */
export const outputPerThread: Template = template({
  id: "output-per-thread",
  from: null,
  idea: "Map neighbouring threads to neighbouring samples of one channel.",
  options: {
    guard: ["bound", "branch", "split"],
    map: ["grid", "flat", "stride"],
    load: ["plain", "__ldg"],
    sizes: ["args", "define"],
    pair: [false, true],
    unroll: [false, true],
    restrict: [false, true],
    block: [256, 128, 512, 64],
  },
  valid: ({ guard, pair }) => !pair || guard !== "branch",
  count: 24,
  write: ({ guard, map, load, sizes, pair, unroll, restrict, block }, { channels = 0, n = 0, taps = 0 }) => {
    const term = (sum: string, k: string): string =>
      `${sum} += ${loaded(load, `h[${k}]`)} * ${loaded(load, `row[i - ${k.includes("+") ? `(${k})` : k}]`)};`;
    const pragma = on(unroll, "#pragma unroll 8\n");
    const loop = (end: string): string =>
      pair
        ? `int k = 0;\n${pragma}for (; k + 1 < ${end}; k += 2) {\n${term("sum", "k")}\n${term("odd", "k + 1")}\n}\nif (k < ${end}) ${term("sum", "k")}`
        : `${pragma}for (int k = 0; k < ${end}; ++k) {\n${term("sum", "k")}\n}`;
    const bodies = {
      bound: `int last = min(taps, i + 1);\n${loop("last")}`,
      branch: `${pragma}for (int k = 0; k < taps; ++k) {\nif (i >= k) ${term("sum", "k")}\n}`,
      split: `if (i >= taps - 1) {\n${loop("taps")}\n} else {\nfor (int k = 0; k <= i; ++k) {\n${term("sum", "k")}\n}\n}`,
    };
    const mark = on(restrict, " __restrict__");
    const define = sizes === "define";
    const compute = `
      const float* row = x + (size_t)channel * n;
      float sum = 0.0f${on(pair, ", odd = 0.0f")};
      ${bodies[guard]}
      y[(size_t)channel * n + i] = sum${on(pair, " + odd")};`;
    const places = {
      grid: `int i = blockIdx.x * blockDim.x + threadIdx.x;\nint channel = blockIdx.y;\nif (i >= n) return;\n${compute}`,
      flat: `
        int id = blockIdx.x * blockDim.x + threadIdx.x;
        if (id >= channels * n) return;
        int channel = id / n;
        int i = id - channel * n;
        ${compute}`,
      stride: `
        for (int id = blockIdx.x * blockDim.x + threadIdx.x; id < channels * n; id += gridDim.x * blockDim.x) {
          int channel = id / n;
          int i = id % n;
          ${compute}
        }`,
    };
    const source = `
      ${on(define, `#define channels ${channels}\n#define n ${n}\n#define taps ${taps}\n`)}
      extern "C" __global__ void fir(const float*${mark} x, const float*${mark} h, float*${mark} y${on(!define, ", int channels, int n, int taps")}) {
        ${places[map]}
      }
    `;
    const grids = {
      grid: [Math.ceil(n / block), channels] as const,
      flat: Math.ceil((channels * n) / block),
      stride: 132 * 8,
    };
    const args = ["x", "h", "y", ...(define ? [] : [{ i32: channels }, { i32: n }, { i32: taps }])];
    return styled({ source, launches: [launch("fir", grids[map], block, args)] }, { names: "snake", indent: 2 });
  },
});

/** A thread computes a run of neighbouring samples with the window in registers. */
export const stripPerThread: Template = template({
  id: "strip-per-thread",
  from: "output-per-thread",
  idea: "Compute a run of consecutive samples per thread and slide the window through registers.",
  options: {
    window: ["ring", "shift", "reload"],
    map: ["along", "across"],
    load: ["plain", "__ldg"],
    early: [false, true],
    vectorStore: [false, true],
    taps: ["each", "quad"],
    strip: [8, 4, 16, 32],
    block: [128, 64, 256],
  },
  valid: ({ window, taps }) => window !== "reload" || taps === "each",
  count: 24,
  write: (
    { window, map, load, early, vectorStore, taps: tapStyle, strip, block },
    { channels = 0, n = 0, taps = 0 },
  ) => {
    const at = (place: string, clear: boolean): string =>
      clear ? loaded(load, `row[${place}]`) : `(${place} >= 0 ? ${loaded(load, `row[${place}]`)} : 0.0f)`;
    const slide = (clear: boolean): string => windowLoop(window, tapStyle, (place) => at(place, clear), load);
    const strips = n / strip;
    const along = map === "along";
    const body = early ? `if (first >= TAPS) {\n${slide(true)}\n} else {\n${slide(false)}\n}` : slide(false);
    const store = vectorStore
      ? `
        #pragma unroll
        for (int j = 0; j < STRIP; j += 4) {
          *reinterpret_cast<float4*>(out + j) = make_float4(acc[j], acc[j + 1], acc[j + 2], acc[j + 3]);
        }`
      : "#pragma unroll\nfor (int j = 0; j < STRIP; ++j) out[j] = acc[j];";
    const source = `
      constexpr int STRIP = ${strip};  // samples per thread
      constexpr int TAPS = ${taps};
      constexpr int LENGTH = ${n};

      extern "C" __global__ void filter_strips(const float* __restrict__ x, const float* __restrict__ h, float* __restrict__ y) {
        const int channel = ${along ? "blockIdx.y" : "blockIdx.x * blockDim.x + threadIdx.x"};
        const int first = ${along ? "(blockIdx.x * blockDim.x + threadIdx.x)" : "blockIdx.y"} * STRIP;
        ${on(along ? strips % block !== 0 : channels % block !== 0, along ? "if (first >= LENGTH) return;" : `if (channel >= ${channels}) return;`)}
        const float* row = x + channel * LENGTH;
        float* out = y + channel * LENGTH + first;
        float acc[STRIP] = {};
        ${body}
        ${store}
      }
    `;
    const grid = along
      ? ([Math.ceil(strips / block), channels] as const)
      : ([Math.ceil(channels / block), strips] as const);
    return styled(
      { source, launches: [launch("filter_strips", grid, block, ["x", "h", "y"])] },
      { names: "camel", indent: 4 },
    );
  },
});

function windowLoop(
  window: "ring" | "shift" | "reload",
  taps: "each" | "quad",
  at: (place: string) => string,
  load: string,
): string {
  if (window === "reload") {
    return `
      for (int k = 0; k < TAPS; ++k) {
        const float tap = h[k];
        #pragma unroll
        for (int j = 0; j < STRIP; ++j) acc[j] += tap * ${at("first + j - k")};
      }`;
  }
  const quad = taps === "quad";
  const size = window === "ring" ? "STRIP" : quad ? "4" : "1";
  const tap = quad ? "taps4[kk % 4]" : loaded(load, `h[k${on(size !== "1", " + kk")}]`);
  const fetch = on(
    quad,
    `if (kk % 4 == 0) {
      const float4 four = *reinterpret_cast<const float4*>(h + k + kk);
      taps4[0] = four.x;
      taps4[1] = four.y;
      taps4[2] = four.z;
      taps4[3] = four.w;
    }`,
  );
  const offset = size === "1" ? "k + 1" : "k + kk + 1";
  const step =
    window === "ring"
      ? `
        #pragma unroll
        for (int j = 0; j < STRIP; ++j) acc[j] += tap * win[(j - kk + STRIP) % STRIP];
        win[STRIP - 1 - kk] = ${at(`first - (${offset})`)};`
      : `
        #pragma unroll
        for (int j = 0; j < STRIP; ++j) acc[j] += tap * win[j];
        #pragma unroll
        for (int j = STRIP - 1; j > 0; --j) win[j] = win[j - 1];
        win[0] = ${at(`first - (${offset})`)};`;
  const inner =
    size === "1"
      ? `const float tap = ${tap};\n${step}`
      : `${on(quad, "float taps4[4];")}
        #pragma unroll
        for (int kk = 0; kk < ${size}; ++kk) {
          ${fetch}
          const float tap = ${tap};
          ${step}
        }`;
  return `
    float win[STRIP];
    #pragma unroll
    for (int j = 0; j < STRIP; ++j) win[j] = ${at("first + j")};
    for (int k = 0; k < TAPS; k += ${size}) {
      ${inner}
    }`;
}

const lanes = ["x", "y", "z", "w"];

/** Sixteen products of four taps with eight samples, in one of two orders. */
export function quadProducts(acc: string, tap: string, now: string, before: string, order: "taps" | "outputs"): string {
  const sample = (index: number): string => (index >= 0 ? `${now}.${lanes[index]}` : `${before}.${lanes[index + 4]}`);
  if (order === "outputs")
    return repeat(
      4,
      (j) => `${acc}.${lanes[j]} += ${[0, 1, 2, 3].map((k) => `${tap}.${lanes[k]} * ${sample(j - k)}`).join(" + ")};`,
    );
  return repeat(4, (k) =>
    repeat(4, (j) => `${acc}.${lanes[j]} = fmaf(${tap}.${lanes[k]}, ${sample(j - k)}, ${acc}.${lanes[j]});`),
  );
}

/** Vectors of four samples straight from global memory. */
export const quadDirect: Template = template({
  id: "quad-direct",
  from: "strip-per-thread",
  idea: "Read four samples and four taps at a time as vectors and keep the previous vector in registers.",
  options: {
    edge: ["select", "loop", "split"],
    taps: ["global", "shared", "__ldg"],
    order: ["outputs", "taps"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    unroll: [true, false],
    quads: [1, 2, 4],
    block: [256, 128, 512],
  },
  valid: ({ quads, edge }) => quads === 1 || edge === "select",
  count: 26,
  write: ({ edge, taps: tapPlace, order, load, store, unroll, quads, block }, { channels = 0, n = 0, taps = 0 }) => {
    const many = quads > 1;
    const slot = (name: string): string => (many ? `${name}[q]` : name);
    const each = (body: string): string =>
      many ? `#pragma unroll\nfor (int q = 0; q < QUADS; ++q) {\n${body}\n}` : body;
    const place = many ? "(at + q * BLOCK)" : "at";
    const tap = tapPlace === "shared" ? "tap4[k]" : tapPlace === "__ldg" ? "__ldg(h + k)" : "h[k]";
    const read = (index: string): string => loaded(load, `row[${index}]`);
    const products = quadProducts(slot("acc"), "t", slot("now"), "before", order);
    const zero = "make_float4(0.0f, 0.0f, 0.0f, 0.0f)";
    const inner = (guarded: boolean): string => `
      const float4 t = ${tap};
      ${each(`
        const float4 before = ${guarded ? `${place} > k ? ${read(`${place} - k - 1`)} : ${zero}` : read(`${place} - k - 1`)};
        ${products}
        ${slot("now")} = before;`)}`;
    const pragma = on(unroll, "#pragma unroll 6\n");
    const loops = {
      select: `${pragma}for (int k = 0; k < GROUPS; ++k) {\n${inner(true)}\n}`,
      split: `
        if (at >= GROUPS) {
          ${pragma}for (int k = 0; k < GROUPS; ++k) {\n${inner(false)}\n}
        } else {
          for (int k = 0; k < GROUPS; ++k) {\n${inner(true)}\n}
        }`,
      loop: `
        const int whole = min(GROUPS, at);
        ${pragma}for (int k = 0; k < whole; ++k) {\n${inner(false)}\n}
        if (whole < GROUPS) {
          const float4 t = ${tap.replace("[k]", "[whole]").replace("+ k", "+ whole")};
          const float4 before = ${zero};
          ${products}
        }`,
    };
    const write = store === "plain" ? `out[${place}] = ${slot("acc")};` : `__stcs(out + ${place}, ${slot("acc")});`;
    const source = `
      #define BLOCK ${block}
      #define GROUPS ${taps / 4}
      #define WIDTH ${n / 4}
      ${on(many, `#define QUADS ${quads}`)}

      extern "C" __global__ void fir_vectors(const float4* __restrict__ x, const float4* __restrict__ h, float4* __restrict__ y) {
        ${on(
          tapPlace === "shared",
          "__shared__ float4 tap4[GROUPS];\nif (threadIdx.x < GROUPS) tap4[threadIdx.x] = h[threadIdx.x];\n__syncthreads();",
        )}
        const float4* row = x + blockIdx.y * WIDTH;
        float4* out = y + blockIdx.y * WIDTH;
        const int at = blockIdx.x * BLOCK${on(many, " * QUADS")} + threadIdx.x;
        float4 acc${on(many, "[QUADS]")}, now${on(many, "[QUADS]")};
        ${each(`${slot("acc")} = ${zero};\n${slot("now")} = ${read(place)};`)}
        ${loops[edge]}
        ${each(write)}
      }
    `;
    const grid = [n / 4 / block / quads, channels] as const;
    return styled(
      { source, launches: [launch("fir_vectors", grid, block, ["x", "h", "y"])] },
      { names: "snake", indent: 4 },
    );
  },
});
