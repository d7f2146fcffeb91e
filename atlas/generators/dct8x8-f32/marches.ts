import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { call, columns, extent, gains, transform, weighed } from "./parts.ts";

/** Windows below each other share the transforms of their rows in registers. */
export const windowRun: Template = template({
  id: "window-run",
  from: "folded-window",
  idea: "Give a thread several windows below each other and transform each row once for all of them.",
  options: {
    kind: ["halves", "scaled", "quarters", "written-out"],
    form: ["array", "scalars"],
    gather: ["lines", "each", "before"],
    order: ["rows-first", "as-needed"],
    bounds: ["none", "threads", "two-blocks"],
    size: ["constexpr", "define"],
    run: [2, 4, 6],
    threads: [128, 64, 256],
  },
  valid: (o) => o.run !== 6 || o.bounds !== "two-blocks" || o.threads < 256,
  count: 29,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const bounds = {
      none: "",
      threads: `__launch_bounds__(${o.threads}) `,
      "two-blocks": `__launch_bounds__(${o.threads}, 2) `,
    }[o.bounds];
    const take = (i: string): string => `
      #pragma unroll
      for (int j = 0; j < 8; ++j) line[${i}][j] = from[(${i}) * PITCH + j];
      ${call(o.form, `line[${i}]`)}
      ${weighed(o.gather, `line[${i}]`)}`;
    const needed = o.order === "as-needed";
    // A last run that leaves the image reads its own rows again.
    const start = h % o.run === 0 ? "blockIdx.y * RUN" : "min((int)blockIdx.y * RUN, HEIGHT - RUN)";
    const source = `
      ${extent(sizes, o.size)}
      ${o.size === "define" ? `#define RUN ${o.run}` : `constexpr int RUN = ${o.run};`}
      ${transform(o.kind, o.form)}
      extern "C" __global__ void ${bounds}runs_of_windows(const float* __restrict__ image, float* __restrict__ out) {
        const int x = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = ${start};
        const float gain[8] = ${gains(o.kind)};
        const float* from = image + y * PITCH + x;
        float line[RUN + 7][8];
        #pragma unroll
        for (int i = 0; i < ${needed ? "7" : "RUN + 7"}; ++i) {
          ${take("i")}
        }
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          ${on(needed, `{${take("p + 7")}}`)}
          float energy = 0.0f;
          ${columns(o.gather, o.form, (k, v) => `line[p + ${k}][${v}]`, "energy")}
          out[(y + p) * WIDTH + x] = energy;
        }
      }
    `;
    const grid: [number, number] = [w / o.threads, Math.ceil(h / o.run)];
    return styled(
      { source, launches: [launch("runs_of_windows", grid, o.threads, ["image", "out"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A thread walks down its column of windows with the last eight rows' transforms in a ring of registers. */
export const ringMarch: Template = template({
  id: "ring-march",
  from: "window-run",
  idea: "March down the image with a ring of eight transformed rows in registers, one new row per window.",
  options: {
    kind: ["halves", "scaled", "quarters"],
    form: ["array", "scalars"],
    gather: ["lines", "each", "before"],
    ring: ["phases", "moved"],
    ahead: [false, true],
    source: ["global", "shared-line"],
    bounds: [true, false],
    chunk: [32, 16, 64, 8],
    threads: [128, 64, 256],
  },
  count: 20,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const phases = o.ring === "phases";
    const shared = o.source === "shared-line";
    const index = (k: string): string => (phases ? `(step + ${k}) % 8` : k);
    const pixels = (target: string, row: string): string =>
      shared
        ? `${o.ahead ? "" : "__syncthreads();"}
          pixels[${bufferOf(o.ahead, row)}][threadIdx.x] = image[(${row}) * PITCH + x];
          if (threadIdx.x < 7) pixels[${bufferOf(o.ahead, row)}][THREADS + threadIdx.x] = image[(${row}) * PITCH + x + THREADS];
          __syncthreads();
          #pragma unroll
          for (int j = 0; j < 8; ++j) ${target}[j] = pixels[${bufferOf(o.ahead, row)}][threadIdx.x + j];`
        : `#pragma unroll
          for (int j = 0; j < 8; ++j) ${target}[j] = image[(${row}) * PITCH + x + j];`;
    const finish = (target: string): string => `${call(o.form, target)}\n${weighed(o.gather, target)}`;
    const prefetch = o.ahead && !shared;
    const one = `
      ${
        prefetch
          ? `#pragma unroll
            for (int j = 0; j < 8; ++j) ring[${index("7")}][j] = next[j];
            if (y + step < first + CHUNK - 1) {
              ${pixels("next", "y + step + 8")}
            }`
          : pixels(`ring[${index("7")}]`, "y + step + 7")
      }
      ${finish(`ring[${index("7")}]`)}
      float energy = 0.0f;
      ${columns(o.gather, o.form, (k, v) => `ring[${index(`${k}`)}][${v}]`, "energy")}
      out[(y + step) * WIDTH + x] = energy;`;
    const moved = `
      #pragma unroll
      for (int i = 0; i < 7; ++i) {
        #pragma unroll
        for (int j = 0; j < 8; ++j) ring[i][j] = ring[i + 1][j];
      }`;
    const source = `
      ${extent(sizes, "constexpr")}
      constexpr int THREADS = ${o.threads}, CHUNK = ${o.chunk};
      ${transform(o.kind, o.form)}
      extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}march_down(const float* __restrict__ image, float* __restrict__ out) {
        ${on(shared, `__shared__ float pixels[${o.ahead ? 2 : 1}][THREADS + 7];`)}
        const int x = blockIdx.x * THREADS + threadIdx.x;
        const int first = blockIdx.y * CHUNK;
        const float gain[8] = ${gains(o.kind)};
        float ring[8][8];
        #pragma unroll
        for (int i = 0; i < 7; ++i) {
          ${pixels("ring[i]", "first + i")}
          ${finish("ring[i]")}
        }
        ${on(prefetch, `float next[8];\n${pixels("next", "first + 7")}`)}
        ${
          phases
            ? `#pragma unroll 1
              for (int y = first; y < first + CHUNK; y += 8) {
                #pragma unroll
                for (int step = 0; step < 8; ++step) {
                  ${one}
                }
              }`
            : `#pragma unroll 1
              for (int y = first; y < first + CHUNK; ++y) {
                const int step = 0;
                ${one}
                ${moved}
              }`
        }
      }
    `;
    return styled(
      { source, launches: [launch("march_down", [w / o.threads, h / o.chunk], o.threads, ["image", "out"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** With two lines, rows alternate between them, and one barrier per row is enough. */
function bufferOf(two: boolean, row: string): string {
  return two ? `(${row}) % 2` : "0";
}

/** Eight lanes share a window, a frequency along the row each. */
export const frequencyLanes: Template = template({
  id: "frequency-lanes",
  from: "ring-march",
  idea: "Spread the eight frequencies along the rows over eight lanes; each transforms its own column.",
  options: {
    kind: ["halves", "written-out", "scaled", "quarters"],
    form: ["scalars", "array"],
    source: ["global", "tile"],
    basis: ["argument", "folded"],
    store: ["leader", "own-row"],
    chunk: [16, 32, 8],
    windows: [16, 32, 8],
  },
  count: 26,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const tile = o.source === "tile";
    const pixel = (row: string, j: string): string =>
      tile ? `pixels[${row}][place + ${j}]` : `image[(first + ${row}) * PITCH + x + ${j}]`;
    const folded = o.basis === "folded";
    const dot = (target: string, row: string): string =>
      folded
        ? `{
            float sum = 0.0f;
            #pragma unroll
            for (int j = 0; j < 4; ++j) {
              sum = fmaf(factor[j], ${pixel(row, "j")} + sign * ${pixel(row, "7 - j")}, sum);
            }
            ${target} = sum;
          }`
        : `{
            float sum = 0.0f;
            #pragma unroll
            for (int j = 0; j < 8; ++j) sum += factor[j] * ${pixel(row, "j")};
            ${target} = sum;
          }`;
    const own = o.store === "own-row";
    const source = `
      ${extent(sizes, "define")}
      #define CHUNK ${o.chunk}
      #define WINDOWS ${o.windows}
      ${transform(o.kind, o.form)}
      extern "C" __global__ void __launch_bounds__(8 * WINDOWS) lanes_of_frequencies(const float* __restrict__ image, const float* __restrict__ basis, float* __restrict__ out) {
        const int v = threadIdx.x % 8;
        const int place = threadIdx.x / 8;
        const int x = blockIdx.x * WINDOWS + place;
        const int first = blockIdx.y * CHUNK;
        const float gain[8] = ${gains(o.kind)};
        float factor[${folded ? 4 : 8}];
        #pragma unroll
        for (int j = 0; j < ${folded ? 4 : 8}; ++j) factor[j] = basis[8 * v + j] * (1 + v) * 0.125f;
        ${on(folded, "const float sign = v % 2 ? -1.0f : 1.0f;")}
        ${on(tile, pixelsOfChunk)}
        float ring[8];
        #pragma unroll
        for (int i = 0; i < 7; ++i) ${dot("ring[i]", "i")}
        #pragma unroll 1
        for (int top = 0; top < CHUNK; top += 8) {
          ${on(own, "float mine = 0.0f;")}
          #pragma unroll
          for (int step = 0; step < 8; ++step) {
            ${dot("ring[(step + 7) % 8]", "top + step + 7")}
            float column[8];
            #pragma unroll
            for (int k = 0; k < 8; ++k) column[k] = ring[(step + k) % 8];
            ${call(o.form, "column")}
            float energy = 0.0f;
            #pragma unroll
            for (int u = 0; u < 8; ++u) energy += gain[u] * fabsf(column[u]);
            energy += __shfl_xor_sync(0xffffffffu, energy, 4);
            energy += __shfl_xor_sync(0xffffffffu, energy, 2);
            energy += __shfl_xor_sync(0xffffffffu, energy, 1);
            ${own ? "if (v == step) mine = energy;" : "if (v == 0) out[(first + top + step) * WIDTH + x] = energy;"}
          }
          ${on(own, "out[(first + top + v) * WIDTH + x] = mine;")}
        }
      }
    `;
    return styled(
      {
        source,
        launches: [
          launch("lanes_of_frequencies", [w / o.windows, h / o.chunk], 8 * o.windows, ["image", "basis", "out"]),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});

const pixelsOfChunk = `__shared__ float pixels[CHUNK + 7][WINDOWS + 7];
          for (int i = threadIdx.x; i < (CHUNK + 7) * (WINDOWS + 7); i += 8 * WINDOWS) {
            const int a = i / (WINDOWS + 7), b = i % (WINDOWS + 7);
            pixels[a][b] = image[(first + a) * PITCH + blockIdx.x * WINDOWS + b];
          }
          __syncthreads();`;
