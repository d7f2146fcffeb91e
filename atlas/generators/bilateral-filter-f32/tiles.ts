import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { addTap, column, definitions, extent, outcome, polynomial, row, spatialOf, taken, weightOf } from "./parts.ts";

/** Tile with its rim in shared memory, a pixel per thread. */
export const rimTile: Template = template({
  id: "rim-tile",
  from: "pixel-thread",
  idea: "Stage the tile's pixels with their rim in shared memory.",
  options: {
    weight: ["intrinsic", "expf", "exp2f", "ex2", "scaled"],
    spatial: ["table", "computed", "separable"],
    fill: ["linear", "nested"],
    sum: ["value", "offset"],
    unroll: ["both", "inner", "none"],
    accumulate: ["one", "row-sums"],
    memory: ["static", "dynamic"],
    tile: ["32x8", "16x16", "32x16", "64x4"],
  },
  count: 28,
  write: (o, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const [tx = 0, ty = 0] = o.tile.split("x").map(Number);
    const at = (a: string, b: string): string =>
      o.memory === "static" ? `tile[${a}][${b}]` : `tile[(${a}) * (TX + 2 * R) + ${b}]`;
    const rows = o.accumulate === "row-sums";
    const tap = addTap(o.weight, o.sum, {
      pixel: "v",
      centre: "centre",
      place: spatialOf(o.weight, o.spatial, "dx", "dy"),
      total: rows ? "rowTotal" : "total",
      weights: rows ? "rowWeights" : "weights",
    });
    const put = `${at("a", "b")} = ${taken(o.weight, `image[${row("y0 + a - R")} * W + ${column("x0 + b - R")}]`)};`;
    const fill =
      o.fill === "linear"
        ? `for (int i = threadIdx.y * TX + threadIdx.x; i < (TX + 2 * R) * (TY + 2 * R); i += TX * TY) {
            const int a = i / (TX + 2 * R);
            const int b = i % (TX + 2 * R);
            ${put}
          }`
        : `for (int a = threadIdx.y; a < TY + 2 * R; a += TY) {
            for (int b = threadIdx.x; b < TX + 2 * R; b += TX) {
              ${put}
            }
          }`;
    const source = `
      ${extent(sizes, "define")}
      #define TX ${tx}
      #define TY ${ty}
      ${definitions(o.weight, o.spatial, r)}

      extern "C" __global__ void bilateralTile(const float* __restrict__ image, float* __restrict__ out) {
        ${o.memory === "static" ? "__shared__ float tile[TY + 2 * R][TX + 2 * R];" : "extern __shared__ float tile[];"}
        const int x0 = blockIdx.x * TX;
        const int y0 = blockIdx.y * TY;
        ${fill}
        __syncthreads();
        const float centre = ${at("threadIdx.y + R", "threadIdx.x + R")};
        float total = 0.0f, weights = 0.0f;
        ${on(o.unroll === "both", "#pragma unroll")}
        for (int dy = -R; dy <= R; ++dy) {
          ${on(rows, "float rowTotal = 0.0f, rowWeights = 0.0f;")}
          ${on(o.unroll !== "none", "#pragma unroll", "#pragma unroll 1")}
          for (int dx = -R; dx <= R; ++dx) {
            const float v = ${at("(int)threadIdx.y + dy + R", "(int)threadIdx.x + dx + R")};
            ${tap}
          }
          ${on(rows, "total += rowTotal;\nweights += rowWeights;")}
        }
        out[(y0 + threadIdx.y) * W + x0 + threadIdx.x] = ${outcome(o.weight, o.sum, "total", "weights", "centre")};
      }
    `;
    const bytes = o.memory === "static" ? 0 : 4 * (tx + 2 * r) * (ty + 2 * r);
    return styled(
      { source, launches: [launch("bilateralTile", [w / tx, h / ty], [tx, ty], ["image", "out"], bytes)] },
      { names: "camel", indent: 2 },
    );
  },
});

/** Several pixels down per thread from a tile; part of the powers by polynomials. */
export const tallTile: Template = template({
  id: "tall-tile",
  from: "rim-tile",
  idea: "Give each thread a run of pixels down the staged tile and take part of the powers by arithmetic.",
  options: {
    powers: ["special", "every-fourth", "every-sixth", "one-row", "all"],
    spatial: ["folded", "column-factor", "table"],
    unroll: ["rows", "all"],
    sum: ["value", "offset"],
    accumulate: ["direct", "column-sums"],
    bounds: [false, true],
    run: [4, 2, 8],
    tile: ["32x32", "64x16", "32x16", "64x32"],
  },
  valid: (o) =>
    (o.spatial === "column-factor" ? o.accumulate === "column-sums" : true) &&
    (o.unroll === "rows" || o.run <= 4) &&
    Number(o.tile.split("x")[1]) * Number(o.tile.split("x")[0]) <= 1024 * o.run,
  count: 20,
  write: (o, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const [tx = 0, ty = 0] = o.tile.split("x").map(Number);
    const columns = o.accumulate === "column-sums";
    const place = {
      folded: spatialOf("scaled", "computed", "dx", "(j - p - R)"),
      "column-factor": spatialOf("scaled", "computed", "0", "(j - p - R)"),
      table: spatialOf("scaled", "table", "dx", "(j - p - R)"),
    }[o.spatial];
    const arithmetic = {
      special: "false",
      "every-fourth": "(j + p) % 4 == 0",
      "every-sixth": "(j + p) % 6 == 0",
      "one-row": "j - p == R",
      all: "true",
    }[o.powers];
    const source = `
      ${extent(sizes, "constexpr")}
      constexpr int TX = ${tx};
      constexpr int TY = ${ty};
      constexpr int RUN = ${o.run};
      constexpr int PITCH = TX + 2 * R;
      ${definitions("scaled", o.spatial === "table" ? "table" : "computed", r)}
      ${on(o.powers !== "special", polynomial)}
      extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(TX * TY / RUN) ")}filter_tile(const float* __restrict__ image, float* __restrict__ out) {
        __shared__ float tile[(TY + 2 * R) * PITCH];
        const int x0 = blockIdx.x * TX, y0 = blockIdx.y * TY;
        for (int a = threadIdx.y; a < TY + 2 * R; a += TY / RUN) {
          const float* from = image + ${row("y0 + a - R")} * W;
          for (int b = threadIdx.x; b < PITCH; b += TX) {
            tile[a * PITCH + b] = ${taken("scaled", `from[${column("x0 + b - R")}]`)};
          }
        }
        __syncthreads();
        const float* top = tile + threadIdx.y * RUN * PITCH + threadIdx.x;
        float centre[RUN], total[RUN], weights[RUN];
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          centre[p] = top[(p + R) * PITCH + R];
          total[p] = 0.0f;
          weights[p] = 0.0f;
        }
        ${on(o.unroll === "all", "#pragma unroll", "#pragma unroll 1")}
        for (int dx = -R; dx <= R; ++dx) {
          ${on(columns, "float column_total[RUN] = {}, column_weights[RUN] = {};")}
          #pragma unroll
          for (int j = 0; j < RUN + 2 * R; ++j) {
            const float v = top[j * PITCH + dx + R];
            #pragma unroll
            for (int p = 0; p < RUN; ++p) {
              if (j >= p && j < p + SIDE) {
                const float d = v - centre[p];
                const float e = fmaf(-d, d, ${place});
                const float g = ${powerText(o.powers, arithmetic)};
                ${columns ? "column_total" : "total"}[p] = fmaf(g, ${o.sum === "offset" ? "d" : "v"}, ${columns ? "column_total" : "total"}[p]);
                ${columns ? "column_weights" : "weights"}[p] += g;
              }
            }
          }
          ${on(columns, columnSums(o.spatial === "column-factor"))}
        }
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          out[(y0 + threadIdx.y * RUN + p) * W + x0 + threadIdx.x] = ${outcome("scaled", o.sum, "total[p]", "weights[p]", "centre[p]")};
        }
      }
    `;
    return styled(
      { source, launches: [launch("filter_tile", [w / tx, h / ty], [tx, ty / o.run], ["image", "out"])] },
      { names: "snake", indent: 4 },
    );
  },
});

function powerText(powers: string, arithmetic: string): string {
  if (powers === "special") return "ex2(e)";
  return powers === "all" ? "power_of_two(e)" : `${arithmetic} ? power_of_two(e) : ex2(e)`;
}

function columnSums(factor: boolean): string {
  const along = factor ? `const float along = ex2(${spatialOf("scaled", "computed", "dx", "0")});` : "";
  return `
    ${along}
    #pragma unroll
    for (int p = 0; p < RUN; ++p) {
      total[p] ${factor ? "= fmaf(along, column_total[p], total[p])" : "+= column_total[p]"};
      weights[p] ${factor ? "= fmaf(along, column_weights[p], weights[p])" : "+= column_weights[p]"};
    }`;
}

/** Four pixels across per thread, a row's pixels in registers. */
export const quadTile: Template = template({
  id: "quad-tile",
  from: "rim-tile",
  idea: "Give each thread four pixels side by side and read a row of the tile into registers.",
  options: {
    weight: ["ex2", "scaled", "intrinsic"],
    spatial: ["separable", "computed", "table"],
    read: ["quads", "scalars"],
    sum: ["value", "offset"],
    unroll: [false, true],
    store: ["quad", "scalars"],
    interior: [false, true],
    tile: ["64x8", "128x8", "64x16", "128x4"],
  },
  count: 26,
  write: (o, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const [tx = 0, ty = 0] = o.tile.split("x").map(Number);
    const place = spatialOf(o.weight, o.spatial, "dx", "dy");
    const pull =
      o.read === "quads"
        ? `const float4* quads = reinterpret_cast<const float4*>(&tile[threadIdx.y + R + dy][4 * threadIdx.x]);
          #pragma unroll
          for (int k = 0; k < 5; ++k) {
            const float4 q = quads[k];
            line_of[4 * k] = q.x;
            line_of[4 * k + 1] = q.y;
            line_of[4 * k + 2] = q.z;
            line_of[4 * k + 3] = q.w;
          }`
        : `#pragma unroll
          for (int k = 8 - R; k < 12 + R; ++k) {
            line_of[k] = tile[threadIdx.y + R + dy][4 * threadIdx.x + k];
          }`;
    const pixel = taken(o.weight, `image[${row("y0 + a - R")} * W + ${column("x0 + b - 8")}]`);
    const fill = (text: string): string => `
      for (int a = threadIdx.y; a < TY + 2 * R; a += TY) {
        for (int b = threadIdx.x; b < TX + 16; b += TX / 4) tile[a][b] = ${text};
      }`;
    const result = (p: number): string => outcome(o.weight, o.sum, `total[${p}]`, `weights[${p}]`, `centre[${p}]`);
    const source = `
      ${extent(sizes, "constexpr")}
      constexpr int TX = ${tx}, TY = ${ty};
      ${definitions(o.weight, o.spatial, r)}

      extern "C" __global__ void quads_of_pixels(const float* __restrict__ image, float* __restrict__ out) {
        // Eight columns on each side keep the groups of four aligned.
        __shared__ __align__(16) float tile[TY + 2 * R][TX + 16];
        const int x0 = blockIdx.x * TX;
        const int y0 = blockIdx.y * TY;
        ${
          o.interior
            ? `if (x0 >= 8 && x0 + TX + 8 <= W && y0 >= R && y0 + TY + R <= H) {
                ${fill(taken(o.weight, "image[(y0 + a - R) * W + x0 + b - 8]"))}
              } else {
                ${fill(pixel)}
              }`
            : fill(pixel)
        }
        __syncthreads();
        float centre[4], total[4], weights[4];
        #pragma unroll
        for (int p = 0; p < 4; ++p) {
          centre[p] = tile[threadIdx.y + R][4 * threadIdx.x + 8 + p];
          total[p] = 0.0f;
          weights[p] = 0.0f;
        }
        ${on(o.unroll, "#pragma unroll", "#pragma unroll 1")}
        for (int dy = -R; dy <= R; ++dy) {
          float line_of[20];
          ${pull}
          #pragma unroll
          for (int dx = -R; dx <= R; ++dx) {
            const float near_by = ${place};
            #pragma unroll
            for (int p = 0; p < 4; ++p) {
              const float d = line_of[8 + p + dx] - centre[p];
              const float g = ${weightOf(o.weight, "d", "near_by")};
              total[p] += g * ${o.sum === "offset" ? "d" : "line_of[8 + p + dx]"};
              weights[p] += g;
            }
          }
        }
        float* to = out + (y0 + threadIdx.y) * W + x0 + 4 * threadIdx.x;
        ${
          o.store === "quad"
            ? `*reinterpret_cast<float4*>(to) = make_float4(${[0, 1, 2, 3].map(result).join(", ")});`
            : [0, 1, 2, 3].map((p) => `to[${p}] = ${result(p)};`).join("\n")
        }
      }
    `;
    return styled(
      { source, launches: [launch("quads_of_pixels", [w / tx, h / ty], [tx / 4, ty], ["image", "out"])] },
      { names: "camel", indent: 4 },
    );
  },
});
