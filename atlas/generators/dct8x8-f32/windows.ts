import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { call, columns, cosineTable, extent, gains, transform, weighed } from "./parts.ts";

const pick = (form: string): [number, number] => form.split("x").map(Number) as [number, number];

/** A window per thread by products with the basis, rows first. */
export const productWindow: Template = template({
  id: "product-window",
  from: null,
  idea: "Transform the rows of a window once, then its columns, instead of every coefficient from the pixels.",
  options: {
    basis: ["argument", "shared", "constant", "written-out"],
    order: ["rows-first", "frequency-outer"],
    weigh: ["each", "lines", "formula"],
    read: ["plain", "ldg", "pointer"],
    size: ["define", "constexpr", "arguments"],
    block: ["32x8", "16x16", "64x4", "32x4"],
  },
  valid: (o) => o.basis !== "written-out" || o.order === "rows-first",
  count: 31,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [bx, by] = pick(o.block);
    const written = o.basis === "written-out";
    const b = (u: string, k: string): string =>
      ({ argument: `basis[8 * ${u} + ${k}]`, shared: `table[${u}][${k}]`, constant: `cosines[8 * ${u} + ${k}]` })[
        o.basis as "argument"
      ];
    const at = o.read === "pointer" ? "from[i * PITCH + j]" : "image[(y + i) * PITCH + x + j]";
    const pixel = o.read === "ldg" ? `__ldg(&${at})` : at;
    const weigh = {
      each: "energy += gain[u] * gain[v] * fabsf(c);",
      lines: "part += gain[u] * fabsf(c);",
      formula: "energy += (float)((1 + u) * (1 + v)) * 0.015625f * fabsf(c);",
    }[o.weigh];
    const product = `
      #pragma unroll
      for (int u = 0; u < 8; ++u) {
        float c = 0.0f;
        #pragma unroll
        for (int i = 0; i < 8; ++i) c += ${b("u", "i")} * ${o.order === "rows-first" ? "rows[i][v]" : "rows[i]"};
        ${weigh}
      }`;
    const down = written
      ? `float column[8];
        #pragma unroll
        for (int i = 0; i < 8; ++i) column[i] = rows[i][v];
        ${call("array", "column")}
        #pragma unroll
        for (int u = 0; u < 8; ++u) {
          const float c = column[u];
          ${weigh}
        }`
      : product;
    return styled(
      {
        source: `
          ${o.size === "arguments" ? "#define PITCH (width + 8)\n#define WIDTH width" : extent(sizes, o.size)}
          ${on(written, transform("written-out", "array"))}
          ${on(o.basis === "constant", cosineTable)}
          extern "C" __global__ void window_products(const float* __restrict__ image, const float* __restrict__ basis, float* __restrict__ out${on(o.size === "arguments", ", int width")}) {
            const int x = blockIdx.x * blockDim.x + threadIdx.x;
            const int y = blockIdx.y * blockDim.y + threadIdx.y;
            ${on(
              o.basis === "shared",
              `__shared__ float table[8][8];
              const int thread = threadIdx.y * blockDim.x + threadIdx.x;
              if (thread < 64) table[thread / 8][thread % 8] = basis[thread];
              __syncthreads();`,
            )}
            ${on(o.read === "pointer", "const float* from = image + y * PITCH + x;")}
            ${on(o.weigh !== "formula", `const float gain[8] = ${gains("table")};`)}
            float energy = 0.0f;
            ${o.order === "rows-first" ? rowsFirst(pixel, written ? undefined : b) : frequencyOuter(pixel, b)}
              ${on(o.weigh === "lines", "float part = 0.0f;")}
              ${down}
              ${on(o.weigh === "lines", "energy += gain[v] * part;")}
            }
            out[y * WIDTH + x] = energy;
          }
        `,
        launches: [
          launch(
            "window_products",
            [w / bx, h / by],
            [bx, by],
            ["image", "basis", "out", ...(o.size === "arguments" ? [{ i32: w }] : [])],
          ),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

type Factor = (u: string, k: string) => string;

/** All rows' transforms, then the head of the loop over their frequencies; without factors by the written-out transform. */
function rowsFirst(pixel: string, factor: Factor | undefined): string {
  const products = factor
    ? `#pragma unroll
      for (int v = 0; v < 8; ++v) {
        rows[i][v] = 0.0f;
        #pragma unroll
        for (int j = 0; j < 8; ++j) rows[i][v] += ${factor("v", "j")} * p[j];
      }`
    : `${call("array", "p")}
      #pragma unroll
      for (int v = 0; v < 8; ++v) rows[i][v] = p[v];`;
  return `
    float rows[8][8];
    #pragma unroll
    for (int i = 0; i < 8; ++i) {
      float p[8];
      #pragma unroll
      for (int j = 0; j < 8; ++j) p[j] = ${pixel};
      ${products}
    }
    #pragma unroll
    for (int v = 0; v < 8; ++v) {`;
}

/** The head of a loop over frequencies that transforms the rows for each of them. */
function frequencyOuter(pixel: string, factor: Factor): string {
  return `
    #pragma unroll 1
    for (int v = 0; v < 8; ++v) {
      float rows[8];
      #pragma unroll
      for (int i = 0; i < 8; ++i) {
        rows[i] = 0.0f;
        #pragma unroll
        for (int j = 0; j < 8; ++j) rows[i] += ${factor("v", "j")} * ${pixel};
      }`;
}

/** A window per thread with the cosines' symmetries. */
export const foldedWindow: Template = template({
  id: "folded-window",
  from: "product-window",
  idea: "Use the symmetries of the cosines: sums and differences of opposite pixels halve the products.",
  options: {
    kind: ["halves", "quarters", "scaled"],
    form: ["array", "scalars"],
    gather: ["each", "lines", "before"],
    read: ["plain", "ldg", "pairs"],
    place: ["plane", "line"],
    size: ["constexpr", "define"],
    bounds: [false, true],
    threads: [128, 256, 64],
  },
  count: 29,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const plane = o.place === "plane";
    const fetch = {
      plain: `line[i][j] = from[i * PITCH + j];`,
      ldg: `line[i][j] = __ldg(from + i * PITCH + j);`,
      pairs: "",
    }[o.read];
    const rows =
      o.read === "pairs"
        ? `// Windows at odd places start in the middle of a pair.
          const bool odd = x % 2;
          const float2* pairs = reinterpret_cast<const float2*>(from - odd) + i * (PITCH / 2);
          const float2 p0 = pairs[0], p1 = pairs[1], p2 = pairs[2], p3 = pairs[3], p4 = pairs[4];
          ${[0, 1, 2, 3].map((k) => `line[i][${2 * k}] = odd ? p${k}.y : p${k}.x;\nline[i][${2 * k + 1}] = odd ? p${k + 1}.x : p${k}.y;`).join("\n")}`
        : `#pragma unroll
          for (int j = 0; j < 8; ++j) ${fetch}`;
    const source = `
      ${extent(sizes, o.size)}
      ${o.size === "define" ? `#define THREADS ${o.threads}` : `constexpr int THREADS = ${o.threads};`}
      ${transform(o.kind, o.form)}
      extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}window_texture(const float* __restrict__ image, float* __restrict__ out) {
        ${
          plane
            ? `const int x = blockIdx.x * 32 + threadIdx.x % 32;
              const int y = blockIdx.y * (THREADS / 32) + threadIdx.x / 32;`
            : `const int x = blockIdx.x * THREADS + threadIdx.x;
              const int y = blockIdx.y;`
        }
        const float gain[8] = ${gains(o.kind)};
        const float* from = image + y * PITCH + x;
        float line[8][8];
        #pragma unroll
        for (int i = 0; i < 8; ++i) {
          ${rows}
          ${call(o.form, "line[i]")}
          ${weighed(o.gather, "line[i]")}
        }
        float energy = 0.0f;
        ${columns(o.gather, o.form, (k, v) => `line[${k}][${v}]`, "energy")}
        out[y * WIDTH + x] = energy;
      }
    `;
    const grid: [number, number] = plane ? [w / 32, h / (o.threads / 32)] : [w / o.threads, h];
    return styled(
      { source, launches: [launch("window_texture", grid, o.threads, ["image", "out"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** The pixels of a tile of windows in shared memory. */
export const pixelTile: Template = template({
  id: "pixel-tile",
  from: "folded-window",
  idea: "Stage the pixels of a tile of windows in shared memory.",
  options: {
    kind: ["halves", "written-out", "quarters", "scaled", "table"],
    form: ["array", "scalars"],
    gather: ["lines", "each", "before"],
    fill: ["linear", "nested", "async"],
    padding: [false, true],
    run: ["one", "strided"],
    tile: ["32x8", "32x16", "64x8", "64x4", "16x16"],
  },
  count: 29,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [tx, ty] = pick(o.tile);
    const rowsOfThreads = o.run === "one" ? ty : ty / 2;
    const copy = (place: string, a: string, b: string): string =>
      o.fill === "async"
        ? `__pipeline_memcpy_async(&${place}, image + (y0 + ${a}) * PITCH + x0 + ${b}, 4);`
        : `${place} = image[(y0 + ${a}) * PITCH + x0 + ${b}];`;
    const fill =
      o.fill === "linear"
        ? `for (int i = threadIdx.y * TX + threadIdx.x; i < (TY + 7) * (TX + 7); i += TX * TR) {
            const int a = i / (TX + 7), b = i % (TX + 7);
            ${copy("pixels[a][b]", "a", "b")}
          }`
        : `for (int a = threadIdx.y; a < TY + 7; a += TR) {
            for (int b = threadIdx.x; b < TX + 7; b += TX) {
              ${copy("pixels[a][b]", "a", "b")}
            }
          }`;
    const work = `
      float line[8][8];
      #pragma unroll
      for (int i = 0; i < 8; ++i) {
        #pragma unroll
        for (int j = 0; j < 8; ++j) line[i][j] = pixels[r + i][threadIdx.x + j];
        ${call(o.form, "line[i]")}
        ${weighed(o.gather, "line[i]")}
      }
      float energy = 0.0f;
      ${columns(o.gather, o.form, (k, v) => `line[${k}][${v}]`, "energy")}
      out[(y0 + r) * WIDTH + x0 + threadIdx.x] = energy;`;
    const source = `
      ${on(o.fill === "async", "#include <cuda_pipeline.h>\n")}
      ${extent(sizes, "define")}
      #define TX ${tx}
      #define TY ${ty}
      #define TR ${rowsOfThreads}
      ${transform(o.kind, o.form)}
      extern "C" __global__ void tile_energy(const float* __restrict__ image, float* __restrict__ out) {
        __shared__ float pixels[TY + 7][TX + ${o.padding ? 9 : 7}];
        const int x0 = blockIdx.x * TX;
        const int y0 = blockIdx.y * TY;
        const float gain[8] = ${gains(o.kind)};
        ${fill}
        ${on(o.fill === "async", "__pipeline_commit();\n__pipeline_wait_prior(0);")}
        __syncthreads();
        ${
          o.run === "one"
            ? `const int r = threadIdx.y;\n${work}`
            : `#pragma unroll 1
              for (int r = threadIdx.y; r < TY; r += TR) {
                ${work}
              }`
        }
      }
    `.replaceAll("transform(", "dct8(");
    return styled(
      { source, launches: [launch("tile_energy", [w / tx, h / ty], [tx, rowsOfThreads], ["image", "out"])] },
      { names: "snake", indent: 4 },
    );
  },
});

/** Every coefficient as a sum over the window's 64 pixels. */
export const planeProducts: Template = template({
  id: "plane-products",
  from: "product-window",
  idea: "Hold the window's pixels in registers and take each coefficient as one sum of 64 products.",
  options: {
    factors: ["shared-vectors", "shared-scalars", "rank-one"],
    weigh: ["formula", "table"],
    symmetric: [false, true],
    unroll: [false, true],
    chains: ["one", "four"],
    run: [1, 2],
    block: ["32x4", "64x2", "128x1", "32x8"],
  },
  count: 26,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [bx, by] = pick(o.block);
    const four = o.chains === "four";
    const all = four ? "(c[p][0] + c[p][1]) + (c[p][2] + c[p][3])" : "c[p][0]";
    const inner = planeSum(o.factors, four ? "c[p][i % 4]" : "c[p][0]");
    const planes = o.factors !== "rank-one";
    const fillLine = o.symmetric
      ? "planes[f][i] = table[8 * (f / 8) + i / 8] * table[8 * (f % 8) + i % 8];"
      : "planes[f][i] = basis[8 * (f / 8) + i / 8] * basis[8 * (f % 8) + i % 8];";
    const table = o.symmetric || !planes;
    const source = `
      ${extent(sizes, "constexpr")}
      constexpr int RUN = ${o.run};
      constexpr int THREADS = ${bx * by};

      extern "C" __global__ void __launch_bounds__(THREADS) plane_products(const float* __restrict__ image, const float* __restrict__ basis, float* __restrict__ out) {
        ${on(planes, "__shared__ __align__(16) float planes[64][64];")}
        ${on(table, "__shared__ float table[64];")}
        const int thread = threadIdx.y * blockDim.x + threadIdx.x;
        ${on(table, "if (thread < 64) table[thread] = basis[thread];\n__syncthreads();")}
        ${on(
          planes,
          `for (int k = thread; k < 64 * 64; k += THREADS) {
            const int f = k / 64, i = k % 64;
            ${fillLine}
          }
          __syncthreads();`,
        )}
        const int x = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = (blockIdx.y * blockDim.y + threadIdx.y) * RUN;
        float window[7 + RUN][8];
        #pragma unroll
        for (int i = 0; i < 7 + RUN; ++i) {
          #pragma unroll
          for (int j = 0; j < 8; ++j) window[i][j] = image[(y + i) * PITCH + x + j];
        }
        float energy[RUN] = {};
        ${on(o.unroll, "#pragma unroll 2", "#pragma unroll 1")}
        for (int f = 0; f < 64; ++f) {
          const int u = f / 8, v = f % 8;
          float c[RUN][${four ? 4 : 1}] = {};
          ${inner}
          ${o.weigh === "formula" ? "const float gain = (float)((1 + u) * (1 + v)) / 64.0f;" : "const float gain = (0.125f + 0.125f * u) * (0.125f + 0.125f * v);"}
          #pragma unroll
          for (int p = 0; p < RUN; ++p) energy[p] += gain * fabsf(${all});
        }
        #pragma unroll
        for (int p = 0; p < RUN; ++p) out[(y + p) * WIDTH + x] = energy[p];
      }
    `;
    return styled(
      {
        source,
        launches: [launch("plane_products", [w / bx, h / (by * o.run)], [bx, by], ["image", "basis", "out"])],
      },
      { names: "camel", indent: 2 },
    );
  },
});

/** Adds the products of one coefficient's plane with the pixels to `sum`. */
function planeSum(factors: "shared-vectors" | "shared-scalars" | "rank-one", sum: string): string {
  return {
    "shared-vectors": `
        const float4* factors = reinterpret_cast<const float4*>(planes[f]);
        #pragma unroll
        for (int i = 0; i < 16; ++i) {
          const float4 q = factors[i];
          #pragma unroll
          for (int p = 0; p < RUN; ++p) {
            const float* row = &window[i / 2 + p][4 * (i % 2)];
            ${sum} += q.x * row[0] + q.y * row[1] + q.z * row[2] + q.w * row[3];
          }
        }`,
    "shared-scalars": `
        #pragma unroll
        for (int i = 0; i < 64; ++i) {
          const float q = planes[f][i];
          #pragma unroll
          for (int p = 0; p < RUN; ++p) ${sum} += q * window[i / 8 + p][i % 8];
        }`,
    "rank-one": `
        #pragma unroll
        for (int i = 0; i < 64; ++i) {
          const float q = table[8 * u + i / 8] * table[8 * v + i % 8];
          #pragma unroll
          for (int p = 0; p < RUN; ++p) ${sum} += q * window[i / 8 + p][i % 8];
        }`,
  }[factors];
}
