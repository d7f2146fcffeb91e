import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { addTap, column, definitions, extent, outcome, row, spatialOf, taken } from "./parts.ts";

/** A pixel per thread, the window read from global memory. */
export const pixelThread: Template = template({
  id: "pixel-thread",
  from: null,
  idea: "Fix the radius at compile time and fold both exponentials into one.",
  options: {
    weight: ["intrinsic", "expf", "exp2f", "ex2", "scaled"],
    spatial: ["table", "computed", "separable"],
    border: ["clamp", "row-pointer", "two-paths"],
    sum: ["value", "offset"],
    unroll: ["both", "inner", "none"],
    size: ["define", "constexpr"],
    block: ["16x16", "32x8", "32x4", "8x32"],
  },
  count: 28,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [bx = 0, by = 0] = o.block.split("x").map(Number);
    const place = spatialOf(o.weight, o.spatial, "dx", "dy");
    const add = (pixel: string): string =>
      `const float v = ${taken(o.weight, pixel)};
      ${addTap(o.weight, o.sum, { pixel: "v", centre: "centre", place, total: "total", weights: "weights" })}`;
    const loops = (rowStart: string, pixel: string): string => `
      ${on(o.unroll === "both", "#pragma unroll")}
      for (int dy = -R; dy <= R; ++dy) {
        ${rowStart}
        ${on(o.unroll !== "none", "#pragma unroll", "#pragma unroll 1")}
        for (int dx = -R; dx <= R; ++dx) {
          ${add(pixel)}
        }
      }`;
    const body = {
      clamp: loops("", `image[${row("y + dy")} * W + ${column("x + dx")}]`),
      "row-pointer": loops(`const float* from = image + ${row("y + dy")} * W;`, `from[${column("x + dx")}]`),
      "two-paths": `
        if (x >= R && x < W - R && y >= R && y < H - R) {
          ${loops("const float* from = image + (y + dy) * W + x;", "from[dx]")}
        } else {
          ${loops(`const float* from = image + ${row("y + dy")} * W;`, `from[${column("x + dx")}]`)}
        }`,
    }[o.border];
    const source = `
      ${extent(sizes, o.size)}
      ${definitions(o.weight, o.spatial, sizes["r"] ?? 0)}

      extern "C" __global__ void smooth(const float* __restrict__ image, float* __restrict__ out) {
        const int x = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = blockIdx.y * blockDim.y + threadIdx.y;
        const float centre = ${taken(o.weight, "image[y * W + x]")};
        float total = 0.0f;
        float weights = 0.0f;
        ${body}
        out[y * W + x] = ${outcome(o.weight, o.sum, "total", "weights", "centre")};
      }
    `;
    return styled(
      { source, launches: [launch("smooth", [w / bx, h / by], [bx, by], ["image", "out"])] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A run of pixels down a column per thread; a pixel that is read serves every window that holds it. */
export const columnRun: Template = template({
  id: "column-run",
  from: "pixel-thread",
  idea: "Give a thread several pixels below each other, so that a pixel read once serves all their windows.",
  options: {
    weight: ["exp2f", "intrinsic", "ex2", "scaled"],
    spatial: ["computed", "table", "separable"],
    sum: ["offset", "value"],
    order: ["rows", "columns"],
    unroll: ["rows-only", "all"],
    guard: ["branch", "select"],
    size: ["constexpr", "define"],
    run: [4, 2, 8],
    block: ["32x4", "64x2", "128x1", "32x8"],
  },
  valid: (o) => o.unroll === "rows-only" || o.run <= 4,
  count: 28,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [bx = 0, by = 0] = o.block.split("x").map(Number);
    const tap = addTap(o.weight, o.sum, {
      pixel: "v",
      centre: "centre[p]",
      place: spatialOf(o.weight, o.spatial, "dx", "(j - p - R)"),
      total: "total[p]",
      weights: "weights[p]",
    });
    const guarded =
      o.guard === "branch"
        ? `if (j >= p && j < p + SIDE) {
          ${tap}
        }`
        : `if (j < p || j >= p + SIDE) continue;
        ${tap}`;
    const work = `
      #pragma unroll
      for (int p = 0; p < RUN; ++p) {
        ${guarded}
      }`;
    const dxLoop = on(o.unroll === "all", "#pragma unroll", "#pragma unroll 1");
    const loops =
      o.order === "rows"
        ? `
        #pragma unroll
        for (int j = 0; j < RUN + 2 * R; ++j) {
          const float* from = image + ${row("y + j - R")} * W;
          ${dxLoop}
          for (int dx = -R; dx <= R; ++dx) {
            const float v = ${taken(o.weight, `__ldg(from + ${column("x + dx")})`)};
            ${work}
          }
        }`
        : `
        ${dxLoop}
        for (int dx = -R; dx <= R; ++dx) {
          const float* from = image + ${column("x + dx")};
          #pragma unroll
          for (int j = 0; j < RUN + 2 * R; ++j) {
            const float v = ${taken(o.weight, `__ldg(from + ${row("y + j - R")} * W)`)};
            ${work}
          }
        }`;
    const source = `
      ${extent(sizes, o.size)}
      ${o.size === "define" ? `#define RUN ${o.run}` : `constexpr int RUN = ${o.run};`}
      ${definitions(o.weight, o.spatial, sizes["r"] ?? 0)}

      extern "C" __global__ void filter_columns(const float* __restrict__ image, float* __restrict__ out) {
        const int x = blockIdx.x * blockDim.x + threadIdx.x;
        const int y = (blockIdx.y * blockDim.y + threadIdx.y) * RUN;
        float centre[RUN], total[RUN], weights[RUN];
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          centre[p] = ${taken(o.weight, "image[(y + p) * W + x]")};
          total[p] = 0.0f;
          weights[p] = 0.0f;
        }
        ${loops}
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          out[(y + p) * W + x] = ${outcome(o.weight, o.sum, "total[p]", "weights[p]", "centre[p]")};
        }
      }
    `;
    return styled(
      { source, launches: [launch("filter_columns", [w / bx, h / (by * o.run)], [bx, by], ["image", "out"])] },
      { names: "camel", indent: 4 },
    );
  },
});

/** Lanes hold a row of pixels; windows read their neighbours by shuffles. */
export const lanes: Template = template({
  id: "shuffled-rows",
  from: "column-run",
  idea: "Keep a row of the image in a warp's lanes and fetch the neighbours by shuffles.",
  options: {
    weight: ["ex2", "intrinsic", "exp2f", "scaled"],
    spatial: ["computed", "table", "separable"],
    sum: ["value", "offset"],
    shuffle: ["index", "up-down"],
    unroll: ["all", "columns"],
    ahead: [false, true],
    run: [1, 2, 4],
    warps: [4, 8, 2],
  },
  valid: (o) => o.unroll === "all" || o.run === 1,
  count: 26,
  write: (o, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const outputs = 32 - 2 * r;
    const fetch =
      o.shuffle === "index"
        ? `__shfl_sync(0xffffffffu, held, lane + dx)`
        : `dx < 0 ? __shfl_up_sync(0xffffffffu, held, -dx) : __shfl_down_sync(0xffffffffu, held, dx)`;
    const read = (j: string): string => taken(o.weight, `image[${row(`y + ${j} - R`)} * W + source]`);
    const tap = addTap(o.weight, o.sum, {
      pixel: "v",
      centre: "centre[p]",
      place: spatialOf(o.weight, o.spatial, "dx", "(j - p - R)"),
      total: "total[p]",
      weights: "weights[p]",
    });
    const source = `
      ${extent(sizes, "constexpr")}
      constexpr int RUN = ${o.run};
      constexpr int WARPS = ${o.warps};
      constexpr int OUTPUTS = 32 - 2 * R;
      ${definitions(o.weight, o.spatial, r)}

      extern "C" __global__ void __launch_bounds__(32 * WARPS) smooth_by_lanes(const float* __restrict__ image, float* __restrict__ out) {
        const int lane = threadIdx.x;
        const int x = blockIdx.x * OUTPUTS + lane - R;
        const int y = (blockIdx.y * WARPS + threadIdx.y) * RUN;
        const int source = ${column("x")};
        float centre[RUN], total[RUN], weights[RUN];
        #pragma unroll
        for (int p = 0; p < RUN; ++p) {
          centre[p] = ${taken(o.weight, "image[(y + p) * W + source]")};
          total[p] = weights[p] = 0.0f;
        }
        ${on(o.ahead, `float next = ${read("0")};`)}
        ${on(o.unroll === "all", "#pragma unroll", "#pragma unroll 1")}
        for (int j = 0; j < RUN + 2 * R; ++j) {
          ${o.ahead ? `const float held = next;\nnext = ${read("j + 1")};` : `const float held = ${read("j")};`}
          #pragma unroll
          for (int dx = -R; dx <= R; ++dx) {
            const float v = ${fetch};
            #pragma unroll
            for (int p = 0; p < RUN; ++p) {
              if (j >= p && j < p + SIDE) {
                ${tap}
              }
            }
          }
        }
        if (lane >= R && lane < 32 - R && x < W) {
          #pragma unroll
          for (int p = 0; p < RUN; ++p) {
            out[(y + p) * W + x] = ${outcome(o.weight, o.sum, "total[p]", "weights[p]", "centre[p]")};
          }
        }
      }
    `;
    const grid: [number, number] = [Math.ceil(w / outputs), h / (o.warps * o.run)];
    return styled(
      { source, launches: [launch("smooth_by_lanes", grid, [32, o.warps], ["image", "out"])] },
      { names: "snake", indent: 4 },
    );
  },
});
