import type { Template } from "../kit/generator.ts";
import { on, repeat, styled, template } from "../kit/code.ts";
import { ceilDiv, plane, sweeps } from "./shared.ts";

/** Warps stream down the plane with several sweeps in flight, a few rows apart, all in registers. */
export const registerWave: Template = template({
  id: "register-wave",
  from: "column-walk",
  idea: "Walk down a strip once with all sweeps in flight: as soon as a row is new, the next sweep takes the row above it.",
  options: {
    fused: ["four", "two"],
    cells: ["one", "two", "four"],
    force: ["reload", "ring"],
    across: [true, false],
    ahead: [false, true],
    edges: ["test", "mask"],
    rows: [64, 128, 32, 256],
    warps: [4, 2, 8, 1],
    kind: ["constexpr", "define"],
    sum: ["fused", "grouped"],
    store: ["plain", "streaming"],
  },
  count: 34,
  write: (options, sizes) => {
    const { fused, cells, force, across, ahead, edges, rows, warps, kind, sum, store } = options;
    const { nx = 0, ny = 0 } = sizes;
    const steps = fused === "four" ? 4 : 2;
    const per = { one: 1, two: 2, four: 4 }[cells];
    // The rim of a strip is a multiple of a lane's cells, so that vector accesses stay aligned.
    const rim = Math.ceil(steps / per) * per;
    const valid = 32 * per - 2 * rim;
    const strips = ceilDiv(nx, valid);
    const bands = ny / rows;
    const value = relaxedCell(sum);
    const source = `
      ${plane(sizes, kind)}
      enum { STEPS = ${steps}, CELLS = ${per}, RIM = ${rim}, VALID = 32 * CELLS - 2 * RIM, ROWS = ${rows}, WARPS = ${warps} };

      ${loadFunction(per)}
      extern "C" __global__ void wave(const float* __restrict__ from, const float* __restrict__ force, float* __restrict__ to) {
        const int lane = threadIdx.x % 32;
        const int warp = threadIdx.x / 32;
        ${
          across
            ? "const int strip = blockIdx.x * WARPS + warp;\nconst int band = blockIdx.y;"
            : "const int strip = blockIdx.x;\nconst int band = blockIdx.y * WARPS + warp;"
        }
        const int x = strip * VALID - RIM + lane * CELLS;
        const int y0 = band * ROWS;
        if (strip * VALID >= NX || y0 >= NY) return;
        float old_c[STEPS][CELLS] = {}, old_h[STEPS][CELLS] = {}, mid_c[STEPS][CELLS] = {}, mid_h[STEPS][CELLS] = {};
        ${on(force === "ring", "float pushes[STEPS + 1][CELLS] = {};")}
        ${on(edges === "mask", "bool inner[CELLS];\n#pragma unroll\nfor (int j = 0; j < CELLS; ++j) inner[j] = x + j > 0 && x + j < NX - 1;")}
        ${on(ahead, "float coming[CELLS];\nload_cells(from, x, y0 - STEPS, coming);")}
        for (int y = y0 - STEPS; y < y0 + ROWS + STEPS; ++y) {
          float row[CELLS];
          ${
            ahead
              ? `#pragma unroll
          for (int j = 0; j < CELLS; ++j) row[j] = coming[j];
          load_cells(from, x, y + 1, coming);`
              : "load_cells(from, x, y, row);"
          }
          ${on(
            force === "ring",
            `#pragma unroll
          for (int s = STEPS; s > 0; --s) {
            #pragma unroll
            for (int j = 0; j < CELLS; ++j) pushes[s][j] = pushes[s - 1][j];
          }
          load_cells(force, x, y, pushes[0]);`,
          )}
          #pragma unroll
          for (int s = 0; s < STEPS; ++s) {
            float sides[CELLS], fresh[CELLS];
            const float left = __shfl_up_sync(0xffffffffu, row[CELLS - 1], 1);
            const float right = __shfl_down_sync(0xffffffffu, row[0], 1);
            ${sidesText(per)}
            const int at = y - s - 1;
            ${on(force === "reload", "float push[CELLS];\nload_cells(force, x, at, push);")}
            const bool moving = at > 0 && at < NY - 1;
            #pragma unroll
            for (int j = 0; j < CELLS; ++j) {
              const float value = ${value.replace("PUSH", force === "reload" ? "push[j]" : "pushes[s + 1][j]")};
              fresh[j] = moving && ${edges === "mask" ? "inner[j]" : "x + j > 0 && x + j < NX - 1"} ? value : mid_c[s][j];
              old_c[s][j] = mid_c[s][j];
              old_h[s][j] = mid_h[s][j];
              mid_c[s][j] = row[j];
              mid_h[s][j] = sides[j];
            }
            #pragma unroll
            for (int j = 0; j < CELLS; ++j) row[j] = fresh[j];
          }
          const int done = y - STEPS;
          if (done >= y0 && lane >= RIM / CELLS && lane < 32 - RIM / CELLS && x < NX) {
            ${storeText(per, store)}
          }
        }
      }
    `;
    const grid = across ? ([ceilDiv(strips, warps), bands] as const) : ([strips, ceilDiv(bands, warps)] as const);
    const launches = sweeps("wave", grid, warps * 32, { passes: steps === 4 ? 1 : 2 });
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const relaxedCell = (sum: "fused" | "grouped"): string =>
  sum === "fused"
    ? "fmaf(0.2f, (old_c[s][j] + row[j]) + mid_h[s][j], fmaf(0.05f, old_h[s][j] + sides[j], PUSH))"
    : "0.2f * (old_c[s][j] + row[j] + mid_h[s][j]) + 0.05f * (old_h[s][j] + sides[j]) + PUSH";

/** Rows and columns outside the plane are read from inside it: nothing that is kept depends on them. */
function loadFunction(per: number): string {
  const body = {
    1: "cells[0] = __ldg(line + min(max(x, 0), NX - 1));",
    2: `
      const float2 two = __ldg(reinterpret_cast<const float2*>(line + min(max(x, 0), NX - 2)));
      cells[0] = two.x;
      cells[1] = two.y;`,
    4: `
      const float4 four = __ldg(reinterpret_cast<const float4*>(line + min(max(x, 0), NX - 4)));
      cells[0] = four.x;
      cells[1] = four.y;
      cells[2] = four.z;
      cells[3] = four.w;`,
  }[per];
  return `
    __device__ __forceinline__ void load_cells(const float* __restrict__ plane, int x, int y, float* cells) {
      const float* line = plane + min(max(y, 0), NY - 1) * NX;
      ${body}
    }
  `;
}

const sidesText = (per: number): string =>
  per === 1
    ? "sides[0] = left + right;"
    : `sides[0] = left + row[1];\n${repeat(per - 2, (j) => `sides[${j + 1}] = row[${j}] + row[${j + 2}];`)}\nsides[${per - 1}] = row[${per - 2}] + right;`;

function storeText(per: number, store: "plain" | "streaming"): string {
  const type = { 1: "float", 2: "float2", 4: "float4" }[per] ?? "float";
  const value = per === 1 ? "row[0]" : `make_${type}(${repeat(per, (j) => `row[${j}]`, ", ")})`;
  const place = per === 1 ? "to + done * NX + x" : `reinterpret_cast<${type}*>(to + done * NX + x)`;
  return store === "streaming" ? `__stcs(${place}, ${value});` : `*(${place}) = ${value};`;
}

/** As the register wave, for a whole block: rows meet their neighbours in shared memory. */
export const blockWave: Template = template({
  id: "block-wave",
  from: "register-wave",
  idea: "Let a whole block walk down together and exchange neighbours through lines in shared memory.",
  options: {
    order: ["skewed", "in-step"],
    fused: ["four", "two"],
    force: ["reload", "early"],
    line: ["padded", "guarded"],
    ahead: [false, true],
    rows: [64, 128, 32, 256],
    block: [128, 256, 64],
    load: ["plain", "ldg"],
    kind: ["define", "enum"],
    bounds: [false, true],
  },
  count: 28,
  write: ({ order, fused, force, line, ahead, rows, block, load, kind, bounds }, sizes) => {
    const { nx = 0, ny = 0 } = sizes;
    const steps = fused === "four" ? 4 : 2;
    const skew = order === "skewed";
    const get = (name: string, y: string): string =>
      `${on(load === "ldg", "__ldg(&")}${name}[row_start(${y}) + column]${on(load === "ldg", ")")}`;
    const pad = line === "padded";
    const sides = (s: string): string =>
      pad
        ? `line[turn][${s}][t] + line[turn][${s}][t + 2]`
        : `line[turn][${s}][t > 0 ? t - 1 : 0] + line[turn][${s}][t < BLOCK - 1 ? t + 1 : t]`;
    const put = (s: string, v: string): string => `line[turn][${s}][t${on(pad, " + 1")}] = ${v};`;
    const relax = (at: string, row: string): string => `
      const float side = ${sides("s")};
      const int at = ${at};
      float value = mid_c[s];
      if (inside && at > 0 && at < NY - 1) {
        value = 0.2f * (old_c[s] + ${row} + mid_h[s]) + 0.05f * (old_h[s] + side) + ${force === "early" ? "push[s]" : get("force", "at")};
      }
      old_c[s] = mid_c[s];
      old_h[s] = mid_h[s];
      mid_c[s] = ${row};
      mid_h[s] = side;`;
    const lag = skew ? "2 * s" : "s";
    const body = (skew ? skewedRows : rowsInStep)(put, relax);
    const source = `
      ${plane(sizes, kind)}
      #define STEPS ${steps}
      #define BLOCK ${block}
      #define VALID (BLOCK - 2 * STEPS)
      #define ROWS ${rows}

      __device__ int row_start(int y) {
        return min(max(y, 0), NY - 1) * NX;
      }

      extern "C" __global__ void ${on(bounds, "__launch_bounds__(BLOCK) ")}block_wave(const float* __restrict__ from, const float* __restrict__ force, float* __restrict__ to) {
        __shared__ float line[2][STEPS][BLOCK${on(pad, " + 2")}];
        int t = threadIdx.x;
        int x = blockIdx.x * VALID - STEPS + t;
        int column = min(max(x, 0), NX - 1);
        int y0 = blockIdx.y * ROWS;
        bool inside = x > 0 && x < NX - 1;
        bool keeps = t >= STEPS && t < BLOCK - STEPS && x < NX;
        float old_c[STEPS] = {}, old_h[STEPS] = {}, mid_c[STEPS] = {}, mid_h[STEPS] = {};
        float rows[STEPS] = {};
        ${on(ahead, `float coming = ${get("from", "y0 - STEPS")};`)}
        int turn = 0;
        for (int y = y0 - STEPS; y < y0 + ROWS + ${skew ? "2 * STEPS - 1" : "STEPS"}; ++y) {
          ${ahead ? `rows[0] = coming;\ncoming = ${get("from", "y + 1")};` : `rows[0] = ${get("from", "y")};`}
          ${on(
            force === "early",
            `float push[STEPS];
          #pragma unroll
          for (int s = 0; s < STEPS; ++s) push[s] = ${get("force", `y - ${lag} - 1`)};`,
          )}
          ${body}
          turn ^= 1;
          if (keeps && done >= y0) to[done * NX + x] = result;
        }
      }
    `;
    const grid = [ceilDiv(nx, block - 2 * steps), ny / rows] as const;
    const launches = sweeps("block_wave", grid, block, { passes: steps === 4 ? 1 : 2 });
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

type Put = (s: string, value: string) => string;
type Relax = (at: string, row: string) => string;

/** All sweeps take their row at once, two rows apart; one barrier for all. */
const skewedRows = (put: Put, relax: Relax): string => `
  #pragma unroll
  for (int s = 0; s < STEPS; ++s) ${put("s", "rows[s]")}
  __syncthreads();
  float fresh[STEPS];
  #pragma unroll
  for (int s = 0; s < STEPS; ++s) {
    ${relax("y - 2 * s - 1", "rows[s]")}
    fresh[s] = value;
  }
  #pragma unroll
  for (int s = 1; s < STEPS; ++s) rows[s] = fresh[s - 1];
  const float result = fresh[STEPS - 1];
  const int done = y - 2 * STEPS + 1;`;

const rowsInStep = (put: Put, relax: Relax): string => `
  #pragma unroll
  for (int s = 0; s < STEPS; ++s) {
    ${put("s", "rows[0]")}
    __syncthreads();
    ${relax("y - s - 1", "rows[0]")}
    rows[0] = value;
  }
  const float result = rows[0];
  const int done = y - STEPS;`;

/** A warp holds a whole tile: a column per lane, its rows in registers. */
export const registerTile: Template = template({
  id: "register-tile",
  from: "register-wave",
  idea: "Hold a tile of a column per lane in registers and make all sweeps on it without any memory between.",
  options: {
    fused: ["four", "two"],
    force: ["reload", "held"],
    tall: [32, 24, 16, 40],
    warps: [4, 8, 2],
    sides: ["late", "kept"],
    place: ["row-of-warps", "stack"],
    guard: ["select", "branch"],
    kind: ["constexpr", "enum"],
    sum: ["grouped", "fused"],
  },
  count: 22,
  write: ({ fused, force, tall, warps, sides, place, guard, kind, sum }, sizes) => {
    const { nx = 0, ny = 0 } = sizes;
    const steps = fused === "four" ? 4 : 2;
    const strips = ceilDiv(nx, 32 - 2 * steps);
    const bands = ceilDiv(ny, tall - 2 * steps);
    const stack = place === "stack";
    const pushed = force === "held" ? "push[r]" : "__ldg(force + line(y) + column)";
    const value =
      sum === "grouped"
        ? `0.2f * (above + cell[r + 1] + here_sides) + 0.05f * (above_sides + below_sides) + ${pushed}`
        : `fmaf(0.2f, above + cell[r + 1] + here_sides, fmaf(0.05f, above_sides + below_sides, ${pushed}))`;
    const sidesOf = (v: string): string =>
      `__shfl_up_sync(0xffffffffu, ${v}, 1) + __shfl_down_sync(0xffffffffu, ${v}, 1)`;
    const source = `
      ${plane(sizes, kind)}
      constexpr int STEPS = ${steps};
      constexpr int TALL = ${tall};
      constexpr int WARPS = ${warps};

      __device__ __forceinline__ int line(int y) {
        return min(max(y, 0), NY - 1) * NX;
      }

      extern "C" __global__ void tile_in_registers(const float* __restrict__ from, const float* __restrict__ force, float* __restrict__ to) {
        const int lane = threadIdx.x & 31;
        const int strip = ${stack ? "blockIdx.x" : "blockIdx.x * WARPS + (threadIdx.x >> 5)"};
        const int band = ${stack ? "blockIdx.y * WARPS + (threadIdx.x >> 5)" : "blockIdx.y"};
        const int x = strip * (32 - 2 * STEPS) - STEPS + lane;
        const int y0 = band * (TALL - 2 * STEPS) - STEPS;
        if (strip * (32 - 2 * STEPS) >= NX || y0 + STEPS >= NY) return;
        const int column = min(max(x, 0), NX - 1);
        const bool inside = x > 0 && x < NX - 1;
        float cell[TALL]${on(force === "held", ", push[TALL]")};
        #pragma unroll
        for (int r = 0; r < TALL; ++r) cell[r] = __ldg(from + line(y0 + r) + column);
        ${on(force === "held", "#pragma unroll\nfor (int r = 0; r < TALL; ++r) push[r] = __ldg(force + line(y0 + r) + column);")}
        ${on(sides === "kept", "float side[TALL];")}
        for (int s = 0; s < STEPS; ++s) {
          ${on(sides === "kept", `#pragma unroll\nfor (int r = 0; r < TALL; ++r) side[r] = ${sidesOf("cell[r]")};`)}
          float above = cell[0];
          float above_sides = ${sides === "kept" ? "side[0]" : sidesOf("cell[0]")};
          ${on(sides === "late", `float here_sides = ${sidesOf("cell[1]")};`)}
          #pragma unroll
          for (int r = 1; r < TALL - 1; ++r) {
            const int y = y0 + r;
            ${on(sides === "kept", "const float here_sides = side[r];")}
            const float below_sides = ${sides === "kept" ? "side[r + 1]" : sidesOf("cell[r + 1]")};
            const float here = cell[r];
            ${
              guard === "select"
                ? `const float value = ${value};\ncell[r] = inside && y > 0 && y < NY - 1 ? value : here;`
                : `if (inside && y > 0 && y < NY - 1) cell[r] = ${value};`
            }
            above = here;
            above_sides = here_sides;
            ${on(sides === "late", "here_sides = below_sides;")}
          }
        }
        if (lane >= STEPS && lane < 32 - STEPS && x < NX) {
          #pragma unroll
          for (int r = STEPS; r < TALL - STEPS; ++r) {
            if (y0 + r < NY) to[(y0 + r) * NX + x] = cell[r];
          }
        }
      }
    `;
    const grid = stack ? ([strips, ceilDiv(bands, warps)] as const) : ([ceilDiv(strips, warps), bands] as const);
    const launches = sweeps("tile_in_registers", grid, warps * 32, { passes: steps === 4 ? 1 : 2 });
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
