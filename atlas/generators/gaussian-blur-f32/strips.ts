import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bringTaps, clamp, hints, imageConstants, tapOf, type TapHome } from "./common.ts";

/** A run of outputs along a row from registers; the values around it arrive as vectors or one by one. */
function rowRun(home: TapHome, fetch: "vectors" | "scalars", folded: boolean, store: "vector" | "scalar"): string {
  const load =
    fetch === "vectors"
      ? `
        #pragma unroll
        for (int i = 0; i < (RUN + 2 * R) / 4; ++i) {
          const int x = x0 - R + 4 * i;
          const float4 q = *reinterpret_cast<const float4*>(line + (x < 0 ? 0 : x >= W ? W - 4 : x));
          v[4 * i] = x < 0 ? q.x : x >= W ? q.w : q.x;
          v[4 * i + 1] = x < 0 ? q.x : x >= W ? q.w : q.y;
          v[4 * i + 2] = x < 0 ? q.x : x >= W ? q.w : q.z;
          v[4 * i + 3] = x < 0 ? q.x : q.w;
        }`
      : `
        #pragma unroll
        for (int i = 0; i < RUN + 2 * R; ++i) v[i] = line[${clamp("x0 - R + i", "W")}];`;
  const sum = folded
    ? `
      #pragma unroll
      for (int p = 0; p < RUN; ++p) {
        sum[p] = ${tapOf(home, "0")} * v[p + R];
        #pragma unroll
        for (int k = 1; k <= R; ++k) sum[p] = fmaf(${tapOf(home, "k")}, v[p + R - k] + v[p + R + k], sum[p]);
      }`
    : `
      #pragma unroll
      for (int p = 0; p < RUN; ++p) sum[p] = 0.0f;
      #pragma unroll
      for (int k = 0; k < TAPS; ++k) {
        const float c = ${tapOf(home, "k - R")};
        #pragma unroll
        for (int p = 0; p < RUN; ++p) sum[p] = fmaf(c, v[p + k], sum[p]);
      }`;
  const write =
    store === "vector"
      ? `
        #pragma unroll
        for (int p = 0; p < RUN; p += 4) {
          *reinterpret_cast<float4*>(to + y * W + x0 + p) = make_float4(sum[p], sum[p + 1], sum[p + 2], sum[p + 3]);
        }`
      : `
        #pragma unroll
        for (int p = 0; p < RUN; ++p) to[y * W + x0 + p] = sum[p];`;
  return `float v[RUN + 2 * R];\n${load}\nfloat sum[RUN];\n${sum}\n${write}`;
}

type Width = "float" | "float2" | "float4";
const lanesOf: Record<Width, readonly string[]> = {
  float: [""],
  float2: [".x", ".y"],
  float4: [".x", ".y", ".z", ".w"],
};

/** A run of outputs down a column, or down two or four columns, from values read once each. */
function columnRun(home: TapHome, width: Width, unroll: string): string {
  const add = lanesOf[width].map((lane) => `total[p]${lane} = fmaf(c, v${lane}, total[p]${lane});`).join("\n");
  const zero = lanesOf[width].map((lane) => `total[p]${lane} = 0.0f;`).join("\n");
  return `
    ${width} total[DEEP];
    #pragma unroll
    for (int p = 0; p < DEEP; ++p) {
      ${zero}
    }
    ${unroll}
    for (int i = 0; i < DEEP + 2 * R; ++i) {
      const ${width} v = column[${clamp("y0 + i - R", "H")} * PITCH];
      #pragma unroll
      for (int p = 0; p < DEEP; ++p) {
        if (i - p >= 0 && i - p < TAPS) {
          const float c = ${tapOf(home, "i - p - R")};
          ${add}
        }
      }
    }
    #pragma unroll
    for (int p = 0; p < DEEP; ++p) reinterpret_cast<${width}*>(to)[(y0 + p) * PITCH + x] = total[p];`;
}

/** Runs of outputs per thread from registers, without shared tiles. */
export const registerRuns: Template = template({
  id: "register-runs",
  from: "two-passes",
  idea: "Compute a run of outputs per thread in both passes, reading every value once into registers.",
  options: {
    fetch: ["scalars", "vectors"],
    store: ["scalar", "vector"],
    folded: [false, true],
    rowTaps: ["cached", "shared", "registers"],
    columnTaps: ["cached", "shared"],
    width: ["float", "float2", "float4"],
    order: ["rows-first", "columns-first"],
    macros: [false, true],
    run: [4, 8, 16],
    deep: [8, 4, 16],
    rowThreads: [128, 256, 64],
    columnThreads: [128, 256, 64],
  },
  count: 28,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const per = lanesOf[o.width].length;
    const source = `
      ${imageConstants(sizes, o.macros)}
      constexpr int RUN = ${o.run};
      constexpr int DEEP = ${o.deep};
      constexpr int PITCH = W / ${per};

      extern "C" __global__ void blur_rows(const float* __restrict__ from, const float* __restrict__ taps, float* __restrict__ to) {
        ${bringTaps(o.rowTaps, "threadIdx.x", "blockDim.x")}
        const int run = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = run / (W / RUN);
        const int x0 = run % (W / RUN) * RUN;
        if (y >= H) return;
        const float* line = from + y * W;
        ${rowRun(o.rowTaps, o.fetch, o.folded, o.store)}
      }

      extern "C" __global__ void blur_columns(const float* __restrict__ from, const float* __restrict__ taps, float* __restrict__ to) {
        ${bringTaps(o.columnTaps, "threadIdx.x", "blockDim.x")}
        const int x = blockIdx.x * blockDim.x + threadIdx.x;
        const int y0 = blockIdx.y * DEEP;
        if (x >= PITCH) return;
        const ${o.width}* column = reinterpret_cast<const ${o.width}*>(from) + x;
        ${columnRun(o.columnTaps, o.width, "#pragma unroll")}
      }
    `;
    const [first, second] = [
      ["image", "taps", "scratch"],
      ["scratch", "taps", "out"],
    ] as const;
    const rowsFirst = o.order === "rows-first";
    const rows = launch(
      "blur_rows",
      Math.ceil((h * w) / o.run / o.rowThreads),
      o.rowThreads,
      rowsFirst ? first : second,
    );
    const columns = launch(
      "blur_columns",
      [Math.ceil(w / per / o.columnThreads), h / o.deep],
      o.columnThreads,
      rowsFirst ? second : first,
    );
    return styled({ source, launches: rowsFirst ? [rows, columns] : [columns, rows] }, { names: "snake", indent: 4 });
  },
});

/** One kernel launched twice: blurs along rows and writes the transpose. */
export const transposingPasses: Template = template({
  id: "transposing-passes",
  from: "staged-passes",
  idea: "Blur along rows and write the result transposed, so that the same kernel serves both directions.",
  options: {
    turn: ["shared", "scattered"],
    outputs: ["one", "four"],
    taps: ["shared", "cached", "registers"],
    folded: [true, false],
    unroll: ["whole", "some"],
    bank: ["odd", "even"],
    sizes: ["arguments", "square"],
    // rows and columns of a tile
    tile: ["32x64", "32x32", "16x64", "32x128"],
    threads: [256, 128, 512],
  },
  valid: ({ taps, unroll }) => taps !== "registers" || unroll === "whole",
  count: 26,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [rows = 0, columns = 0] = o.tile.split("x").map(Number);
    const bank = on(o.bank === "odd", " + 1");
    const many = o.outputs === "one" ? 1 : 4;
    const args = o.sizes === "arguments" || h !== w;
    const one = (index: string): string => {
      const value = (k: string): string => `tile[a][b + R + (${k})]`;
      const body = o.folded
        ? `
          float sum = ${tapOf(o.taps, "0")} * ${value("0")};
          ${hints[o.unroll]}
          for (int k = 1; k <= R; ++k) sum += ${tapOf(o.taps, "k")} * (${value("-k")} + ${value("k")});`
        : `
          float sum = 0.0f;
          ${hints[o.unroll]}
          for (int k = -R; k <= R; ++k) sum = fmaf(${tapOf(o.taps, "k")}, ${value("k")}, sum);`;
      return `
        const int a = ${index} / COLS;
        const int b = ${index} % COLS;
        ${body}
        ${o.turn === "shared" ? "turned[b][a] = sum;" : "to[(x0 + b) * height + y0 + a] = sum;"}`;
    };
    const four = `
      const int a = i % ROWS;
      const int b = i / ROWS * 4;
      float v[2 * R + 4];
      #pragma unroll
      for (int k = 0; k < 2 * R + 4; ++k) v[k] = tile[a][b + k];
      float sum[4] = {};
      ${o.taps === "registers" ? "#pragma unroll" : hints.whole}
      for (int k = 0; k < TAPS; ++k)
        #pragma unroll
        for (int p = 0; p < 4; ++p) sum[p] = fmaf(${tapOf(o.taps, "k - R")}, v[k + p], sum[p]);
      #pragma unroll
      for (int p = 0; p < 4; ++p) ${o.turn === "shared" ? "turned[b + p][a] = sum[p];" : "to[(x0 + b + p) * height + y0 + a] = sum[p];"}`;
    const source = `
      ${imageConstants(sizes, true)}
      #define ROWS ${rows}
      #define COLS ${columns}
      #define THREADS ${o.threads}

      extern "C" __global__ void blur_turn(const float* __restrict__ from, const float* __restrict__ taps, float* __restrict__ to${on(args, ", int height, int width")}) {
        __shared__ float tile[ROWS][COLS + 2 * R${bank}];
        ${on(o.turn === "shared", `__shared__ float turned[COLS][ROWS${bank}];`)}
        ${on(!args, "const int height = H, width = W;")}
        const int x0 = blockIdx.x * COLS;
        const int y0 = blockIdx.y * ROWS;
        ${bringTaps(o.taps, "threadIdx.x", "THREADS")}
        for (int i = threadIdx.x; i < ROWS * (COLS + 2 * R); i += THREADS) {
          const int a = i / (COLS + 2 * R);
          const int b = i % (COLS + 2 * R);
          tile[a][b] = from[(y0 + a) * width + min(max(x0 + b - R, 0), width - 1)];
        }
        __syncthreads();
        for (int i = threadIdx.x; i < ROWS * COLS / ${many}; i += THREADS) {
          ${many === 1 ? one("i") : four}
        }
        ${on(
          o.turn === "shared",
          `__syncthreads();
          for (int i = threadIdx.x; i < ROWS * COLS; i += THREADS) {
            to[(x0 + i / ROWS) * height + y0 + i % ROWS] = turned[i / ROWS][i % ROWS];
          }`,
        )}
      }
    `;
    const scalars = (height: number, width: number) => (args ? [{ i32: height }, { i32: width }] : []);
    const launches = [
      launch("blur_turn", [w / columns, h / rows], o.threads, ["image", "taps", "scratch", ...scalars(h, w)]),
      launch("blur_turn", [h / columns, w / rows], o.threads, ["scratch", "taps", "out", ...scalars(w, h)]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

const rowKernels = {
  "shared-line": `
    __shared__ float line[256 + 2 * R];
    const int x0 = blockIdx.x * 256;
    const int y = blockIdx.y;
    for (int i = threadIdx.x; i < 256 + 2 * R; i += 256) line[i] = from[y * W + ${clamp("x0 + i - R", "W")}];
    __syncthreads();
    float sum = 0.0f;
    #pragma unroll
    for (int k = 0; k < TAPS; ++k) sum += __ldg(taps + k) * line[threadIdx.x + k];
    to[y * W + x0 + threadIdx.x] = sum;`,
  "window-registers": `
    const int y = blockIdx.y;
    const int x0 = (blockIdx.x * 32 + threadIdx.x) * 8;
    if (x0 >= W) return;
    ${rowRun("cached", "vectors", false, "vector")}`,
};

/** Rows from shared memory, columns by threads that march down with all pending sums in registers. */
export const marchingColumns: Template = template({
  id: "marching-columns",
  from: "register-runs",
  idea: "Let the threads of the column pass march down the image with the last values or the pending sums in registers.",
  options: {
    state: ["values", "sums"],
    turn: ["shift", "rotate"],
    rowPass: ["shared-line", "window-registers"],
    folded: [true, false],
    taps: ["registers", "shared"],
    restrict: [true, false],
    macros: [true, false],
    march: [132, 66, 264],
    threads: [128, 64, 256],
  },
  count: 24,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const mark = on(o.restrict, " __restrict__");
    const rotate = o.turn === "rotate";
    const slot = (offset: string): string => (rotate ? `pending[(j + ${offset}) % TAPS]` : `pending[${offset}]`);
    const emit = (value: string): string => `if (i >= y0 + R && i - R < end) to[(i - R) * W + x] = ${value};`;
    const values = `
      ${slot("TAPS - 1")} = fresh;
      float sum = ${o.folded ? `${tapOf(o.taps, "0")} * ${slot("R")}` : "0.0f"};
      #pragma unroll
      for (int k = ${o.folded ? "1; k <= R" : "0; k < TAPS"}; ++k) {
        sum += ${o.folded ? `${tapOf(o.taps, "k")} * (${slot("R - k")} + ${slot("R + k")})` : `${tapOf(o.taps, "k - R")} * ${slot("k")}`};
      }
      ${emit("sum")}
      ${on(!rotate, "#pragma unroll\nfor (int k = 0; k < TAPS - 1; ++k) pending[k] = pending[k + 1];")}`;
    const sums = `
      #pragma unroll
      for (int k = 0; k < TAPS; ++k) ${slot("k")} = fmaf(${tapOf(o.taps, "k - R")}, fresh, ${slot("k")});
      ${emit(slot("0"))}
      ${rotate ? `${slot("0")} = 0.0f;` : "#pragma unroll\nfor (int k = 0; k < TAPS - 1; ++k) pending[k] = pending[k + 1];\npending[TAPS - 1] = 0.0f;"}`;
    const step = o.state === "values" ? values : sums;
    const walk = rotate
      ? `
        for (int base = y0 - R; base < end + R; base += TAPS) {
          #pragma unroll
          for (int j = 0; j < TAPS; ++j) {
            const int i = base + j;
            const float fresh = from[${clamp("i", "H")} * W + x];
            ${step}
          }
        }`
      : `
        for (int i = y0 - R; i < end + R; ++i) {
          const float fresh = from[${clamp("i", "H")} * W + x];
          ${step}
        }`;
    const source = `
      ${imageConstants(sizes, o.macros)}
      ${on(o.rowPass !== "shared-line", "#define RUN 8")}
      #define MARCH ${o.march}

      extern "C" __global__ void blur_rows(const float*${mark} from, const float*${mark} taps, float*${mark} to) {
        ${on(o.rowPass !== "shared-line", "const float* line = from + blockIdx.y * W;")}
        ${rowKernels[o.rowPass]}
      }

      extern "C" __global__ void blur_columns(const float*${mark} from, const float*${mark} taps, float*${mark} to) {
        ${bringTaps(o.taps, "threadIdx.x", "blockDim.x")}
        const int x = blockIdx.x * blockDim.x + threadIdx.x;
        const int y0 = blockIdx.y * MARCH;
        const int end = min(y0 + MARCH, H);
        float pending[TAPS];
        #pragma unroll
        for (int k = 0; k < TAPS; ++k) pending[k] = 0.0f;
        ${walk}
      }
    `;
    const rows =
      o.rowPass === "shared-line"
        ? launch("blur_rows", [w / 256, h], 256, ["image", "taps", "scratch"])
        : launch("blur_rows", [Math.ceil(w / 256), h], 32, ["image", "taps", "scratch"]);
    const columns = launch("blur_columns", [w / o.threads, Math.ceil(h / o.march)], o.threads, [
      "scratch",
      "taps",
      "out",
    ]);
    return styled({ source, launches: [rows, columns] }, { names: "snake", indent: 2 });
  },
});
