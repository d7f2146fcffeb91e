import type { Template } from "../kit/generator.ts";
import { on, styled, template } from "../kit/code.ts";
import { ceilDiv, plane, relaxed, sweeps } from "./shared.ts";

const eight = (at: (dy: number, dx: number) => string): string[] =>
  [-1, 0, 1].flatMap((dy) => [-1, 0, 1].filter((dx) => dy !== 0 || dx !== 0).map((dx) => at(dy, dx)));

const step = (delta: number): string => ["- 1", "", "+ 1"][delta + 1] ?? "";

/** One sweep per launch from a tile with its rim in shared memory. */
export const sharedTile: Template = template({
  id: "shared-tile",
  from: "cell-per-thread",
  idea: "Bring a tile and its rim into shared memory once per block.",
  options: {
    fill: ["flat", "rows", "edges"],
    layout: ["square", "line"],
    sum: ["grouped", "fused", "columns"],
    outside: ["clamp", "zero"],
    threads: ["32x8", "64x4", "32x16", "16x16"],
    height: [16, 32, 64],
    kind: ["define", "constexpr", "enum"],
    unroll: [true, false],
  },
  valid: ({ fill, layout }) => fill !== "flat" || layout === "square",
  count: 26,
  write: ({ fill, layout, sum, outside, threads, height, kind, unroll }, sizes) => {
    const { nx = 0, ny = 0 } = sizes;
    const [bx, by] = threads.split("x").map(Number) as [number, number];
    const at = (y: string, x: string): string =>
      layout === "square" ? `tile[${y}][${x}]` : `tile[(${y}) * PITCH + ${x}]`;
    const outer =
      outside === "clamp"
        ? "from[min(max(gy, 0), NY - 1) * NX + min(max(gx, 0), NX - 1)]"
        : "gx >= 0 && gx < NX && gy >= 0 && gy < NY ? from[gy * NX + gx] : 0.0f";
    const n = eight((dy, dx) => at(`r + 1 ${step(dy)}`, `tx + 1 ${step(dx)}`));
    const source = `
      ${plane(sizes, kind)}
      #define BX ${bx}
      #define BY ${by}
      #define HEIGHT ${height}
      ${on(layout === "line", "#define PITCH (BX + 2)")}

      extern "C" __global__ void relax_tile(const float* from, const float* force, float* to) {
        __shared__ float ${layout === "square" ? "tile[HEIGHT + 2][BX + 2]" : "tile[(HEIGHT + 2) * PITCH]"};
        int tx = threadIdx.x;
        int ty = threadIdx.y;
        int x0 = blockIdx.x * BX;
        int y0 = blockIdx.y * HEIGHT;
        ${fillText(fill, outer, at)}
        __syncthreads();
        int x = x0 + tx;
        ${unroll ? "#pragma unroll" : "#pragma unroll 1"}
        for (int r = ty; r < HEIGHT; r += BY) {
          int y = y0 + r;
          float value = ${at("r + 1", "tx + 1")};
          if (x > 0 && x < NX - 1 && y > 0 && y < NY - 1) {
            value = ${relaxed(sum, n, "force[y * NX + x]")};
          }
          to[y * NX + x] = value;
        }
      }
    `;
    return styled(
      { source, launches: sweeps("relax_tile", [nx / bx, ny / height], [bx, by]) },
      { names: "camel", indent: 4 },
    );
  },
});

function fillText(fill: "flat" | "rows" | "edges", outer: string, at: (y: string, x: string) => string): string {
  if (fill === "flat") {
    return `
      for (int i = ty * BX + tx; i < (HEIGHT + 2) * (BX + 2); i += BX * BY) {
        int r = i / (BX + 2);
        int c = i % (BX + 2);
        int gy = y0 + r - 1;
        int gx = x0 + c - 1;
        ${at("r", "c")} = ${outer};
      }`;
  }
  if (fill === "rows") {
    return `
      for (int r = ty; r < HEIGHT + 2; r += BY) {
        int gy = y0 + r - 1;
        for (int c = tx; c < BX + 2; c += BX) {
          int gx = x0 + c - 1;
          ${at("r", "c")} = ${outer};
        }
      }`;
  }
  return `
    for (int r = ty; r < HEIGHT + 2; r += BY) {
      int gy = y0 + r - 1;
      int gx = x0 + tx;
      ${at("r", "tx + 1")} = ${outer};
      if (tx == 0) {
        gx = x0 - 1;
        ${at("r", "0")} = ${outer};
      }
      if (tx == BX - 1) {
        gx = x0 + BX;
        ${at("r", "BX + 1")} = ${outer};
      }
    }`;
}

/** Two or four sweeps inside shared memory; the rim of the tile shrinks by a cell per sweep. */
export const fusedTile: Template = template({
  id: "fused-tile",
  from: "shared-tile",
  idea: "Load a tile with a wider rim and make several sweeps on it before it goes back.",
  options: {
    fused: ["four", "two"],
    buffers: ["two", "registers"],
    region: ["shrink", "inner"],
    mapping: ["rows", "flat"],
    force: ["global", "shared"],
    sum: ["fused", "grouped", "columns"],
    width: [64, 128, 96],
    height: [32, 64, 16],
    threads: [256, 512, 128],
    padded: [false, true],
    unrolled: [false, true],
    kind: ["constexpr", "define"],
  },
  valid: ({ buffers, region, mapping, width, height, threads }) =>
    buffers === "two" || (region === "inner" && mapping === "flat" && ((width + 8) * (height + 8)) / threads <= 40),
  count: 34,
  write: (options, sizes) => {
    const { fused, buffers, region, mapping, force, sum, width, height, threads, padded, unrolled, kind } = options;
    const { nx = 0, ny = 0 } = sizes;
    const steps = fused === "four" ? 4 : 2;
    const pitch = width + 2 * steps + (padded ? 1 : 0);
    const rows = height + 2 * steps;
    const n = eight((dy, dx) => `now[i ${["- PITCH", "", "+ PITCH"][dy + 1]} ${step(dx)}]`);
    const pushed = force === "shared" ? "push[i]" : "force[gy * NX + gx]";
    const cell = `
      const int gy = y0 + r;
      const int gx = x0 + c;
      const int i = r * PITCH + c;
      float value = now[i];
      if (gx > 0 && gx < NX - 1 && gy > 0 && gy < NY - 1) {
        value = ${relaxed(sum, n, pushed)};
      }`;
    const edge = region === "shrink" ? "s" : "1";
    const inner = { start: edge, rows: `(TALL - 2 * ${edge})`, columns: `(WIDE - 2 * ${edge})` };
    const planes = (buffers === "two" ? 2 : 1) + (force === "shared" ? 1 : 0);
    const constants = { WIDTH: width, HEIGHT: height, STEPS: steps, PITCH: pitch, THREADS: threads };
    const source = `
      ${plane(sizes, kind)}
      ${Object.entries(constants)
        .map(([name, value]) => (kind === "define" ? `#define ${name} ${value}` : `constexpr int ${name} = ${value};`))
        .join("\n")}
      ${kind === "define" ? "#define WIDE (WIDTH + 2 * STEPS)\n#define TALL (HEIGHT + 2 * STEPS)" : "constexpr int WIDE = WIDTH + 2 * STEPS;\nconstexpr int TALL = HEIGHT + 2 * STEPS;"}

      extern "C" __global__ void __launch_bounds__(THREADS) relax_steps(const float* __restrict__ from, const float* __restrict__ force, float* __restrict__ to) {
        extern __shared__ float room[];
        float* now = room;
        ${on(buffers === "two", "float* next = room + TALL * PITCH;")}
        ${on(force === "shared", `float* push = room + ${buffers === "two" ? 2 : 1} * TALL * PITCH;`)}
        const int x0 = blockIdx.x * WIDTH - STEPS;
        const int y0 = blockIdx.y * HEIGHT - STEPS;
        ${cellLoop(
          mapping,
          { start: "0", rows: "TALL", columns: "WIDE" },
          `
          const int at = min(max(y0 + r, 0), NY - 1) * NX + min(max(x0 + c, 0), NX - 1);
          now[r * PITCH + c] = from[at];
          ${on(force === "shared", "push[r * PITCH + c] = force[at];")}`,
        )}
        __syncthreads();
        ${on(unrolled, "#pragma unroll")}
        for (int s = 1; s <= STEPS; ++s) {
          ${
            buffers === "two"
              ? `${cellLoop(mapping, inner, `${cell}\nnext[i] = value;`)}
          __syncthreads();
          float* other = now;
          now = next;
          next = other;`
              : registerStep(cell)
          }
        }
        for (int i = threadIdx.x; i < HEIGHT * WIDTH; i += THREADS) {
          const int r = i / WIDTH;
          const int c = i % WIDTH;
          const int gx = x0 + STEPS + c;
          const int gy = y0 + STEPS + r;
          if (gx < NX && gy < NY) to[gy * NX + gx] = now[(r + STEPS) * PITCH + c + STEPS];
        }
      }
    `;
    const grid = [ceilDiv(nx, width), ceilDiv(ny, height)] as const;
    const launches = sweeps("relax_steps", grid, threads, {
      passes: steps === 4 ? 1 : 2,
      smem: 4 * planes * rows * pitch,
    });
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

interface Region {
  /** First row and first column. */
  readonly start: string;
  readonly rows: string;
  readonly columns: string;
}

function cellLoop(mapping: "rows" | "flat", { start, rows, columns }: Region, body: string): string {
  const plus = start === "0" ? "" : `${start} + `;
  if (mapping === "rows") {
    return `
      for (int r = ${plus}threadIdx.x / 32; r < ${plus}${rows}; r += THREADS / 32) {
        for (int c = ${plus}threadIdx.x % 32; c < ${plus}${columns}; c += 32) {
          ${body}
        }
      }`;
  }
  return `
    for (int k = threadIdx.x; k < ${rows} * ${columns}; k += THREADS) {
      const int r = ${plus}k / ${columns};
      const int c = ${plus}k % ${columns};
      ${body}
    }`;
}

/** All new values wait in registers until every thread has read the old ones. */
const registerStep = (cell: string): string => `
  constexpr int CELLS = (TALL - 2) * (WIDE - 2);
  constexpr int EACH = (CELLS + THREADS - 1) / THREADS;
  float held[EACH];
  #pragma unroll
  for (int e = 0; e < EACH; ++e) {
    const int k = threadIdx.x + e * THREADS;
    if (k < CELLS) {
      const int r = 1 + k / (WIDE - 2);
      const int c = 1 + k % (WIDE - 2);
      ${cell}
      held[e] = value;
    }
  }
  __syncthreads();
  #pragma unroll
  for (int e = 0; e < EACH; ++e) {
    const int k = threadIdx.x + e * THREADS;
    if (k < CELLS) now[(1 + k / (WIDE - 2)) * PITCH + 1 + k % (WIDE - 2)] = held[e];
  }
  __syncthreads();`;
