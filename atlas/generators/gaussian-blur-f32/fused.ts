import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bringTaps, clamp, gather, hints, imageConstants, tapOf, type TapHome } from "./common.ts";

const fills = (copy: "scalar" | "async" | "nested", rows: string, columns: string, pitch: string): string => {
  const from = `image[${clamp("y0 + a - R", "H")} * W + ${clamp("x0 + b - R", "W")}]`;
  if (copy === "nested") {
    return `
      for (int a = threadIdx.x / 32; a < ${rows}; a += THREADS / 32) {
        for (int b = threadIdx.x % 32; b < ${columns}; b += 32) cells[a * ${pitch} + b] = ${from};
      }`;
  }
  const put =
    copy === "async"
      ? `__pipeline_memcpy_async(&cells[a * ${pitch} + b], &${from}, 4);`
      : `cells[a * ${pitch} + b] = ${from};`;
  return `
    for (int i = threadIdx.x; i < (${rows}) * (${columns}); i += THREADS) {
      const int a = i / (${columns});
      const int b = i % (${columns});
      ${put}
    }
    ${on(copy === "async", "__pipeline_commit();\n__pipeline_wait_prior(0);")}`;
};

interface TilePass {
  readonly count: string;
  readonly wide: string;
  readonly value: (offset: string) => string;
  readonly to: string;
}

function tilePass(home: TapHome, folded: boolean, hint: string, { count, wide, value, to }: TilePass): string {
  return `
    for (int i = threadIdx.x; i < ${count}; i += THREADS) {
      const int a = i / ${wide};
      const int b = i % ${wide};
      ${gather(home, folded, hint, value)}
      ${to} = sum;
    }`;
}

/** Both directions in one kernel, from a tile with its rim. */
export const fusedTile: Template = template({
  id: "fused-tile",
  from: "staged-passes",
  idea: "Do both passes on a tile in shared memory within one kernel, so that nothing goes through scratch.",
  options: {
    copy: ["scalar", "async", "nested"],
    order: ["rows-first", "columns-first"],
    taps: ["shared", "cached", "registers"],
    folded: [true, false],
    unroll: ["whole", "some", "none"],
    memory: ["dynamic", "static"],
    macros: [true, false],
    tile: ["64x32", "32x32", "64x64", "128x32", "32x64"],
    threads: [256, 512, 128],
  },
  valid: ({ taps, unroll, memory, tile }) =>
    (taps !== "registers" || unroll === "whole") && (memory === "dynamic" || tile === "32x32" || tile === "64x32"),
  count: 28,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [tx = 0, ty = 0] = o.tile.split("x").map(Number);
    const rowsFirst = o.order === "rows-first";
    const middle = rowsFirst ? "(TY + 2 * R) * TX" : "TY * (TX + 2 * R)";
    const memory =
      o.memory === "dynamic"
        ? "extern __shared__ __align__(16) float cells[];\nfloat* middle = cells + (TY + 2 * R) * (TX + 2 * R);"
        : `__shared__ float cells[(TY + 2 * R) * (TX + 2 * R)];\n__shared__ float middle[${middle}];`;
    const passes = rowsFirst
      ? [
          {
            count: "(TY + 2 * R) * TX",
            wide: "TX",
            value: (k: string) => `cells[a * (TX + 2 * R) + b + R + (${k})]`,
            to: "middle[i]",
          },
          {
            count: "TY * TX",
            wide: "TX",
            value: (k: string) => `middle[(a + R + (${k})) * TX + b]`,
            to: "out[(y0 + a) * W + x0 + b]",
          },
        ]
      : [
          {
            count: "TY * (TX + 2 * R)",
            wide: "(TX + 2 * R)",
            value: (k: string) => `cells[(a + R + (${k})) * (TX + 2 * R) + b]`,
            to: "middle[i]",
          },
          {
            count: "TY * TX",
            wide: "TX",
            value: (k: string) => `middle[a * (TX + 2 * R) + b + R + (${k})]`,
            to: "out[(y0 + a) * W + x0 + b]",
          },
        ];
    const source = `
      ${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}
      ${imageConstants(sizes, o.macros)}
      #define TX ${tx}
      #define TY ${ty}
      #define THREADS ${o.threads}

      extern "C" __global__ void __launch_bounds__(THREADS) blur(const float* __restrict__ image, const float* __restrict__ taps, float* __restrict__ out) {
        ${memory}
        const int x0 = blockIdx.x * TX;
        const int y0 = blockIdx.y * TY;
        ${bringTaps(o.taps, "threadIdx.x", "THREADS")}
        ${fills(o.copy, "TY + 2 * R", "TX + 2 * R", "(TX + 2 * R)")}
        __syncthreads();
        ${tilePass(o.taps, o.folded, hints[o.unroll], passes[0] as TilePass)}
        __syncthreads();
        ${tilePass(o.taps, o.folded, hints[o.unroll], passes[1] as TilePass)}
      }
    `;
    const r = sizes["r"] ?? 0;
    const bytes = 4 * ((ty + 2 * r) * (tx + 2 * r) + (rowsFirst ? (ty + 2 * r) * tx : ty * (tx + 2 * r)));
    return styled(
      {
        source,
        launches: [
          launch(
            "blur",
            [w / tx, Math.ceil(h / ty)],
            o.threads,
            ["image", "taps", "out"],
            o.memory === "dynamic" ? bytes : 0,
          ),
        ],
      },
      { names: "camel", indent: 2 },
    );
  },
});

interface RunOptions {
  readonly rowRead: "scalars" | "vectors";
  readonly reuse: "second-buffer" | "in-place";
  readonly taps: TapHome;
  readonly lanes: "along-row" | "down-column";
}

/** The pass along rows: runs from registers, into a second buffer or back into the tile once all have read it. */
function runsAlongRows(o: RunOptions): string {
  const inPlace = o.reuse === "in-place";
  const pick =
    o.lanes === "along-row"
      ? "const int a = t / (TX / RUN);\nconst int b = t % (TX / RUN) * RUN;"
      : "const int a = t % (TY + 2 * R);\nconst int b = t / (TY + 2 * R) * RUN;";
  const read =
    o.rowRead === "vectors"
      ? `
        #pragma unroll
        for (int k = 0; k < RUN + 2 * R; k += 4) {
          const float4 q = *reinterpret_cast<const float4*>(&cells[a * PITCH + b + k]);
          v[k] = q.x;
          v[k + 1] = q.y;
          v[k + 2] = q.z;
          v[k + 3] = q.w;
        }`
      : `
        #pragma unroll
        for (int k = 0; k < RUN + 2 * R; ++k) v[k] = cells[a * PITCH + b + k];`;
  const along = `
    ${pick}
    float v[RUN + 2 * R];
    ${read}
    #pragma unroll
    for (int p = 0; p < RUN; ++p) {
      float s = 0.0f;
      #pragma unroll
      for (int k = 0; k < TAPS; ++k) s = fmaf(${tapOf(o.taps, "k - R")}, v[p + k], s);
      ${inPlace ? "held[round][p] = s;" : "middle[a * TX + b + p] = s;"}
    }`;
  return inPlace
    ? `
      float held[ROUNDS][RUN];
      #pragma unroll
      for (int round = 0; round < ROUNDS; ++round) {
        const int t = threadIdx.x + round * THREADS;
        if (t >= (TY + 2 * R) * TX / RUN) break;
        ${along}
      }
      __syncthreads();
      #pragma unroll
      for (int round = 0; round < ROUNDS; ++round) {
        const int t = threadIdx.x + round * THREADS;
        if (t >= (TY + 2 * R) * TX / RUN) break;
        ${pick}
        #pragma unroll
        for (int p = 0; p < RUN; ++p) cells[a * TX + b + p] = held[round][p];
      }`
    : `
      for (int t = threadIdx.x; t < (TY + 2 * R) * TX / RUN; t += THREADS) {
        ${along}
      }`;
}

/** The fused tile with runs of outputs in registers in both directions. */
export const fusedRuns: Template = template({
  id: "fused-runs",
  from: "fused-tile",
  idea: "Compute runs of outputs from registers in both passes of the fused tile to read shared memory less often.",
  options: {
    copy: ["scalar", "async", "nested"],
    rowRead: ["scalars", "vectors"],
    reuse: ["second-buffer", "in-place"],
    taps: ["cached", "shared", "registers"],
    pitch: ["even", "skewed"],
    store: ["plain", "__stcs"],
    lanes: ["along-row", "down-column"],
    tile: ["64x64", "64x32", "128x32", "64x128", "32x64"],
    run: [8, 4],
    deep: [8, 16, 4],
    threads: [256, 512, 128],
  },
  count: 30,
  write: (o, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const [tx = 0, ty = 0] = o.tile.split("x").map(Number);
    const pitch = tx + 2 * r + (o.pitch === "skewed" ? 4 : 0);
    const inPlace = o.reuse === "in-place";
    const rounds = Math.ceil(((ty + 2 * r) * tx) / o.run / o.threads);
    const rowPass = runsAlongRows(o);
    const put = o.store === "plain" ? "*to = s[p];" : "__stcs(to, s[p]);";
    const source = `
      ${on(o.copy === "async", "#include <cuda_pipeline.h>\n")}
      ${imageConstants(sizes, false)}
      constexpr int TX = ${tx};
      constexpr int TY = ${ty};
      constexpr int RUN = ${o.run};
      constexpr int DEEP = ${o.deep};
      constexpr int THREADS = ${o.threads};
      constexpr int PITCH = ${pitch};
      ${on(inPlace, `constexpr int ROUNDS = ${rounds};`)}

      extern "C" __global__ void __launch_bounds__(THREADS) blur(const float* __restrict__ image, const float* __restrict__ taps, float* __restrict__ out) {
        extern __shared__ __align__(16) float cells[];
        ${inPlace ? "const float* middle = cells;" : "float* middle = cells + (TY + 2 * R) * PITCH;"}
        const int x0 = blockIdx.x * TX;
        const int y0 = blockIdx.y * TY;
        ${bringTaps(o.taps, "threadIdx.x", "THREADS")}
        ${fills(o.copy, "TY + 2 * R", "TX + 2 * R", "PITCH")}
        __syncthreads();
        ${rowPass}
        __syncthreads();
        for (int t = threadIdx.x; t < TX * TY / DEEP; t += THREADS) {
          const int b = t % TX;
          const int a = t / TX * DEEP;
          float s[DEEP] = {};
          #pragma unroll
          for (int k = 0; k < DEEP + 2 * R; ++k) {
            const float v = middle[(a + k) * TX + b];
            #pragma unroll
            for (int p = 0; p < DEEP; ++p) {
              if (k - p >= 0 && k - p < TAPS) s[p] = fmaf(${tapOf(o.taps, "k - p - R")}, v, s[p]);
            }
          }
          #pragma unroll
          for (int p = 0; p < DEEP; ++p) {
            float* to = out + (y0 + a + p) * W + x0 + b;
            ${put}
          }
        }
      }
    `;
    const bytes = 4 * (ty + 2 * r) * (pitch + (inPlace ? 0 : tx));
    return styled(
      { source, launches: [launch("blur", [w / tx, Math.ceil(h / ty)], o.threads, ["image", "taps", "out"], bytes)] },
      { names: "snake", indent: 2 },
    );
  },
});

/** Rows stream through a block: blurred along the row at once, down the columns as they collect. */
export const fusedMarch: Template = template({
  id: "fused-march",
  from: "marching-columns",
  idea: "Stream rows through the block: blur each along the row from shared memory and keep the column state per thread.",
  options: {
    state: ["ring", "rotating-sums", "shifted-sums"],
    lines: ["one", "two"],
    taps: ["registers", "shared"],
    folded: [true, false],
    ahead: [false, true],
    bounds: [true, false],
    macros: [false, true],
    march: [128, 256, 64],
    threads: [128, 256, 64],
  },
  count: 27,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const two = o.lines === "two";
    const line = two ? "line[i & 1]" : "line";
    const load = (row: string): string => `
      mine = from_row(image, ${row}, x0 + (int)threadIdx.x - R);
      if (threadIdx.x < 2 * R) extra = from_row(image, ${row}, x0 + (int)threadIdx.x + THREADS - R);`;
    const value = (k: string): string => `${line}[threadIdx.x + R + (${k})]`;
    const emit = (v: string): string => `if (i >= y0 + R && i - R < end) out[(i - R) * W + x0 + threadIdx.x] = ${v};`;
    const states = {
      ring: `
        ring[(i - y0 + R) % TAPS][threadIdx.x] = sum;
        if (i >= y0 + R && i - R < end) {
          float total = 0.0f;
          int at = (i - y0 + R + 1) % TAPS;
          #pragma unroll
          for (int k = 0; k < TAPS; ++k) {
            total = fmaf(${tapOf(o.taps, "k - R")}, ring[at][threadIdx.x], total);
            at = at + 1 == TAPS ? 0 : at + 1;
          }
          out[(i - R) * W + x0 + threadIdx.x] = total;
        }`,
      "rotating-sums": `
        #pragma unroll
        for (int k = 0; k < TAPS; ++k) part[(j + k) % TAPS] = fmaf(${tapOf(o.taps, "k - R")}, sum, part[(j + k) % TAPS]);
        ${emit("part[j]")}
        part[j] = 0.0f;`,
      "shifted-sums": `
        #pragma unroll
        for (int k = 0; k < TAPS; ++k) part[k] = fmaf(${tapOf(o.taps, "k - R")}, sum, part[k]);
        ${emit("part[0]")}
        #pragma unroll
        for (int k = 0; k < TAPS - 1; ++k) part[k] = part[k + 1];
        part[TAPS - 1] = 0.0f;`,
    };
    const step = `
      ${on(!o.ahead, load("i"))}
      ${line}[threadIdx.x] = mine;
      if (threadIdx.x < 2 * R) ${line}[threadIdx.x + THREADS] = extra;
      ${on(o.ahead, load("i + 1"))}
      __syncthreads();
      {
        ${gather(o.taps, o.folded, hints.whole, value)}
        ${states[o.state]}
      }
      ${on(!two, "__syncthreads();")}`;
    const rotating = o.state === "rotating-sums";
    const source = `
      ${imageConstants(sizes, o.macros)}
      #define THREADS ${o.threads}
      #define MARCH ${o.march}

      __device__ __forceinline__ float from_row(const float* image, int row, int col) {
        return image[${clamp("row", "H")} * W + ${clamp("col", "W")}];
      }

      extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}blur(const float* __restrict__ image, const float* __restrict__ taps, float* __restrict__ out) {
        __shared__ float line${on(two, "[2]")}[THREADS + 2 * R];
        ${on(o.state === "ring", "__shared__ float ring[TAPS][THREADS];")}
        const int x0 = blockIdx.x * THREADS;
        const int y0 = blockIdx.y * MARCH;
        const int end = min(y0 + MARCH, H);
        ${bringTaps(o.taps, "threadIdx.x", "THREADS")}
        ${on(o.state !== "ring", "float part[TAPS] = {};")}
        float mine = 0.0f, extra = 0.0f;
        ${on(o.ahead, load("y0 - R"))}
        ${
          rotating
            ? `for (int base = y0 - R; base < end + R; base += TAPS) {\n#pragma unroll\nfor (int j = 0; j < TAPS; ++j) {\nconst int i = base + j;\n${step}\n}\n}`
            : `for (int i = y0 - R; i < end + R; ++i) {\n${step}\n}`
        }
      }
    `;
    return styled(
      {
        source,
        launches: [launch("blur", [w / o.threads, Math.ceil(h / o.march)], o.threads, ["image", "taps", "out"])],
      },
      { names: "camel", indent: 4 },
    );
  },
});
