import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { call, columns, cosineTable, extent, gains, transform, weighed } from "./parts.ts";

const shape = (text: string): [number, number] => text.split("x").map(Number) as [number, number];

/** A block transforms its rows once, keeps them in shared memory, and its threads transform columns. */
export const sharedLines: Template = template({
  id: "shared-lines",
  from: "pixel-tile",
  idea: "Transform each row of a tile once into shared memory and let the windows read their columns there.",
  options: {
    kind: ["halves", "scaled", "quarters", "table"],
    form: ["array", "scalars"],
    gather: ["lines", "before", "each"],
    layout: ["planes", "padded-lines", "lines"],
    pixels: ["global", "shared"],
    unroll: [true, false],
    bounds: [false, true],
    run: [1, 2, 4],
    tile: ["32x16", "64x8", "32x8", "32x32", "128x4"],
  },
  valid: (o) => {
    const [tx, ty] = shape(o.tile);
    return ty % o.run === 0 && (tx * ty) / o.run <= 1024 && (o.unroll || o.gather === "lines");
  },
  count: 29,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [tx, ty] = shape(o.tile);
    const perPlace = o.layout === "padded-lines" ? 9 : 8;
    const spot = (a: string, b: string, v: string): string =>
      o.layout === "planes"
        ? `lines[((${v}) * (TY + 7) + ${a}) * TX + ${b}]`
        : `lines[((${a}) * TX + ${b}) * ${perPlace} + ${v}]`;
    const pixel = o.pixels === "shared" ? "pixels[a * (TX + 7) + b + j]" : "image[(y0 + a) * PITCH + x0 + b + j]";
    const source = `
      ${extent(sizes, "constexpr")}
      constexpr int TX = ${tx}, TY = ${ty}, RUN = ${o.run};
      constexpr int THREADS = TX * TY / RUN;
      ${transform(o.kind, o.form)}
      extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}energy_from_lines(const float* __restrict__ image, float* __restrict__ out) {
        extern __shared__ float lines[];
        ${on(o.pixels === "shared", `float* pixels = lines + ${perPlace} * (TY + 7) * TX;`)}
        const int thread = threadIdx.x;
        const int x0 = blockIdx.x * TX;
        const int y0 = blockIdx.y * TY;
        const float gain[8] = ${gains(o.kind)};
        ${on(
          o.pixels === "shared",
          `for (int i = thread; i < (TY + 7) * (TX + 7); i += THREADS) {
            pixels[i] = image[(y0 + i / (TX + 7)) * PITCH + x0 + i % (TX + 7)];
          }
          __syncthreads();`,
        )}
        for (int i = thread; i < (TY + 7) * TX; i += THREADS) {
          const int a = i / TX, b = i % TX;
          float p[8];
          #pragma unroll
          for (int j = 0; j < 8; ++j) p[j] = ${pixel};
          ${call(o.form, "p")}
          ${weighed(o.gather, "p")}
          #pragma unroll
          for (int v = 0; v < 8; ++v) ${spot("a", "b", "v")} = p[v];
        }
        __syncthreads();
        const int b = thread % TX;
        const int a = thread / TX * RUN;
        ${o.unroll ? unrolledRuns(o, spot) : rolledRuns(o, spot)}
      }
    `;
    const bytes = 4 * (perPlace * (ty + 7) * tx + (o.pixels === "shared" ? (ty + 7) * (tx + 7) : 0));
    return styled(
      {
        source,
        launches: [launch("energy_from_lines", [w / tx, h / ty], (tx * ty) / o.run, ["image", "out"], bytes)],
      },
      { names: "camel", indent: 4 },
    );
  },
});

interface Runs {
  readonly form: "array" | "scalars";
  readonly gather: "each" | "lines" | "before";
}
type Spot = (a: string, b: string, v: string) => string;

/** Each window by itself; the compiler may keep what the next one shares. */
function unrolledRuns(o: Runs, spot: Spot): string {
  return `
    #pragma unroll
    for (int p = 0; p < RUN; ++p) {
      float energy = 0.0f;
      ${columns(o.gather, o.form, (k, v) => spot(`a + p + ${k}`, "b", v), "energy")}
      out[(y0 + a + p) * WIDTH + x0 + b] = energy;
    }`;
}

/** Frequency by frequency: a column of numbers that serves the whole run. */
function rolledRuns(o: Runs, spot: Spot): string {
  return `
    float energy[RUN] = {};
    #pragma unroll 2
    for (int v = 0; v < 8; ++v) {
      float held[RUN + 7];
      #pragma unroll
      for (int k = 0; k < RUN + 7; ++k) held[k] = ${spot("a + k", "b", "v")};
      const float along = gain[v];
      #pragma unroll
      for (int p = 0; p < RUN; ++p) {
        float column[8];
        #pragma unroll
        for (int k = 0; k < 8; ++k) column[k] = held[p + k];
        ${call(o.form, "column")}
        float part = 0.0f;
        #pragma unroll
        for (int u = 0; u < 8; ++u) part += gain[u] * fabsf(column[u]);
        energy[p] += along * part;
      }
    }
    #pragma unroll
    for (int p = 0; p < RUN; ++p) out[(y0 + a + p) * WIDTH + x0 + b] = energy[p];`;
}

/** Rows in one launch, columns in another. */
export const twoLaunches: Template = template({
  id: "two-launches",
  from: "folded-window",
  idea: "Transform all rows in a first launch, then the columns of what it left in a second.",
  options: {
    kind: ["halves", "quarters", "scaled", "written-out"],
    form: ["array", "scalars"],
    gather: ["lines", "before", "each"],
    layout: ["planes", "vectors", "lines"],
    staged: [false, true],
    size: ["define", "constexpr"],
    run: [1, 2, 4],
    block: [128, 256, 64],
  },
  count: 29,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const planes = o.layout === "planes";
    const vectors = o.layout === "vectors";
    const spot = (y: string, v: string): string =>
      planes ? `lines[((${v}) * (HEIGHT + 7) + ${y}) * PITCH + x]` : `lines[((${y}) * PITCH + x) * 8 + ${v}]`;
    const store = vectors
      ? `float4* to = reinterpret_cast<float4*>(lines) + (y * PITCH + x) * 2;
        to[0] = make_float4(p[0], p[1], p[2], p[3]);
        to[1] = make_float4(p[4], p[5], p[6], p[7]);`
      : `#pragma unroll
        for (int v = 0; v < 8; ++v) ${spot("y", "v")} = p[v];`;
    const get = vectors
      ? `const float4* from = reinterpret_cast<const float4*>(lines) + ((y + i) * PITCH + x) * 2;
        const float4 lower = from[0], upper = from[1];
        ${["x", "y", "z", "w"].map((part, k) => `held[i][${k}] = lower.${part};\nheld[i][${k + 4}] = upper.${part};`).join("\n")}`
      : `#pragma unroll
        for (int v = 0; v < 8; ++v) held[i][v] = ${spot("y + i", "v")};`;
    const source = `
      ${extent(sizes, o.size)}
      ${o.size === "define" ? `#define RUN ${o.run}\n#define THREADS ${o.block}` : `constexpr int RUN = ${o.run}, THREADS = ${o.block};`}
      ${transform(o.kind, o.form)}
      extern "C" __global__ void transform_rows(const float* __restrict__ image, float* __restrict__ lines) {
        const int x = blockIdx.x * THREADS + threadIdx.x;
        const int y = blockIdx.y;
        ${on(o.gather === "before", `const float gain[8] = ${gains(o.kind)};`)}
        float p[8];
        ${
          o.staged
            ? `__shared__ float pixels[THREADS + 7];
              pixels[threadIdx.x] = image[y * PITCH + x];
              if (threadIdx.x < 7) pixels[THREADS + threadIdx.x] = image[y * PITCH + x + THREADS];
              __syncthreads();
              #pragma unroll
              for (int j = 0; j < 8; ++j) p[j] = pixels[threadIdx.x + j];`
            : `#pragma unroll
              for (int j = 0; j < 8; ++j) p[j] = image[y * PITCH + x + j];`
        }
        ${call(o.form, "p")}
        ${weighed(o.gather, "p")}
        ${store}
      }

      extern "C" __global__ void transform_columns(const float* __restrict__ lines, float* __restrict__ out) {
        const int x = blockIdx.x * THREADS + threadIdx.x;
        const int y = blockIdx.y * RUN;
        const float gain[8] = ${gains(o.kind)};
        float held[RUN + 7][8];
        #pragma unroll
        for (int i = 0; i < RUN + 7; ++i) {
          ${get}
        }
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          float energy = 0.0f;
          ${columns(o.gather, o.form, (k, v) => `held[p + ${k}][${v}]`, "energy")}
          out[(y + p) * WIDTH + x] = energy;
        }
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("transform_rows", [w / o.block, h + 7], o.block, ["image", "lines"]),
          launch("transform_columns", [w / o.block, h / o.run], o.block, ["lines", "out"]),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});

/** One frequency along the rows per launch, energies summed in the output. */
export const frequencyLaunches: Template = template({
  id: "launch-per-frequency",
  from: "window-run",
  idea: "Take one frequency along the rows per launch, so that little is held, and add up in the output.",
  options: {
    kind: ["halves", "written-out", "quarters", "scaled"],
    form: ["scalars", "array"],
    factors: ["argument", "constant", "mirrored"],
    first: ["stores", "clears"],
    source: ["global", "tile"],
    frequencies: [1, 2, 4],
    run: [4, 8, 2, 1],
    block: ["32x4", "64x2", "32x8", "128x1"],
  },
  count: 27,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [bx, by] = shape(o.block);
    const tile = o.source === "tile";
    const clears = o.first === "clears";
    const constant = o.factors === "constant";
    const factor = (j: string): string => (constant ? `cosine_rows[8 * v + ${j}]` : `basis[8 * v + ${j}]`);
    const pixel = (j: string): string =>
      tile ? `pixels[threadIdx.y * RUN + i][threadIdx.x + ${j}]` : `image[(y + i) * PITCH + x + ${j}]`;
    const mirrored = o.factors === "mirrored";
    const whole = `#pragma unroll
      for (int j = 0; j < 8; ++j) held[i] += ${factor("j")} * ${pixel("j")};`;
    const folded = `#pragma unroll
      for (int j = 0; j < 4; ++j) held[i] += ${factor("j")} * (${pixel("j")} + sign * ${pixel("7 - j")});`;
    const source = `
      ${extent(sizes, "define")}
      #define BX ${bx}
      #define BY ${by}
      #define RUN ${o.run}
      #define FREQUENCIES ${o.frequencies}
      ${on(constant, cosineTable.replace("cosines", "cosine_rows"))}
      ${transform(o.kind, o.form)}
      ${on(
        clears,
        `extern "C" __global__ void clear_energy(float* out) {
          out[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;
        }`,
      )}

      extern "C" __global__ void add_frequencies(const float* __restrict__ image, const float* __restrict__ basis, float* out, int from) {
        ${on(tile, pixelsOfBlock)}
        const int x = blockIdx.x * BX + threadIdx.x;
        const int y = (blockIdx.y * BY + threadIdx.y) * RUN;
        const float gain[8] = ${gains(o.kind)};
        float energy[RUN] = {};
        ${on(o.frequencies > 1, "#pragma unroll 1")}
        for (int v = from; v < from + FREQUENCIES; ++v) {
          ${on(mirrored, "const float sign = v & 1 ? -1.0f : 1.0f;")}
          float held[RUN + 7];
          #pragma unroll
          for (int i = 0; i < RUN + 7; ++i) {
            held[i] = 0.0f;
            ${mirrored ? folded : whole}
          }
          #pragma unroll
          for (int p = 0; p < RUN; ++p) {
            float column[8];
            #pragma unroll
            for (int k = 0; k < 8; ++k) column[k] = held[p + k];
            ${call(o.form, "column")}
            float part = 0.0f;
            #pragma unroll
            for (int u = 0; u < 8; ++u) part += gain[u] * fabsf(column[u]);
            energy[p] += part * (1 + v) * 0.125f;
          }
        }
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          const int at = (y + p) * WIDTH + x;
          ${clears ? "out[at] += energy[p];" : "out[at] = from == 0 ? energy[p] : out[at] + energy[p];"}
        }
      }
    `;
    const grid: [number, number] = [w / bx, h / (by * o.run)];
    return styled(
      {
        source,
        launches: [
          ...(clears ? [launch("clear_energy", (h * w) / 256, 256, ["out"])] : []),
          ...Array.from({ length: 8 / o.frequencies }, (_, k) =>
            launch("add_frequencies", grid, [bx, by], ["image", "basis", "out", { i32: k * o.frequencies }]),
          ),
        ],
      },
      { names: "snake", indent: 2 },
    );
  },
});

const pixelsOfBlock = `__shared__ float pixels[BY * RUN + 7][BX + 7];
          for (int k = threadIdx.y * BX + threadIdx.x; k < (BY * RUN + 7) * (BX + 7); k += BX * BY) {
            const int a = k / (BX + 7), b = k % (BX + 7);
            pixels[a][b] = image[(blockIdx.y * BY * RUN + a) * PITCH + blockIdx.x * BX + b];
          }
          __syncthreads();`;
