import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bringTaps, clamp, gather, hints, imageConstants, tapOf } from "./common.ts";

/** A pass along rows and one along columns, each pixel on its own. */
export const twoPasses: Template = template({
  id: "two-passes",
  from: "whole-window",
  idea: "Split the blur into a pass along rows and a pass along columns with scratch between them.",
  options: {
    order: ["rows-first", "columns-first"],
    taps: ["memory", "cached", "shared", "registers"],
    folded: [false, true],
    border: ["clamp", "branch"],
    unroll: ["none", "some", "whole"],
    load: ["plain", "__ldg"],
    restrict: [false, true],
    macros: [false, true],
    rowBlock: ["16x16", "32x8", "256x1", "128x2"],
    columnBlock: ["32x8", "64x4", "32x16", "16x16"],
  },
  valid: ({ taps, unroll }) => taps !== "registers" || unroll === "whole",
  count: 26,
  write: ({ order, taps, folded, border, unroll, load, restrict, macros, rowBlock, columnBlock }, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const mark = on(restrict, " __restrict__");
    const read = (place: string): string => (load === "plain" ? place : `__ldg(&${place})`);
    const hint = hints[unroll];
    const cell = {
      row: (k: string, safe: boolean) => (safe ? `line[x + ${k}]` : `line[${clamp(`x + ${k}`, "W")}]`),
      column: (k: string, safe: boolean) =>
        safe ? `from[(y + ${k}) * W + x]` : `from[${clamp(`y + ${k}`, "H")} * W + x]`,
    };
    const kernel = (axis: "row" | "column"): string => {
      const sum = (safe: boolean): string =>
        gather(taps, folded, hint, (k) => read(cell[axis](k === "0" ? "0" : k === "k" ? "k" : "(-k)", safe)));
      const safe = axis === "row" ? "x >= R && x < W - R" : "y >= R && y < H - R";
      const body =
        border === "clamp"
          ? `${sum(false)}\nto[y * W + x] = sum;`
          : `if (${safe}) {\n${sum(true)}\nto[y * W + x] = sum;\n} else {\n${sum(false)}\nto[y * W + x] = sum;\n}`;
      return `
        extern "C" __global__ void blur_${axis}s(const float*${mark} from, const float*${mark} taps, float*${mark} to) {
          const int x = blockIdx.x * blockDim.x + threadIdx.x;
          const int y = blockIdx.y * blockDim.y + threadIdx.y;
          ${bringTaps(taps, "threadIdx.y * blockDim.x + threadIdx.x", "blockDim.x * blockDim.y")}
          if (x >= W || y >= H) return;
          ${on(axis === "row", "const float* line = from + y * W;")}
          ${body}
        }
      `;
    };
    const source = `${imageConstants(sizes, macros)}\n${kernel("row")}${kernel("column")}`;
    const pass = (name: string, block: string, from: string, to: string) => {
      const [bx = 1, by = 1] = block.split("x").map(Number);
      return launch(name, [Math.ceil(w / bx), Math.ceil(h / by)], [bx, by], [from, "taps", to]);
    };
    const launches =
      order === "rows-first"
        ? [pass("blur_rows", rowBlock, "image", "scratch"), pass("blur_columns", columnBlock, "scratch", "out")]
        : [pass("blur_columns", columnBlock, "image", "scratch"), pass("blur_rows", rowBlock, "scratch", "out")];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const places = {
  one: "threadIdx.x",
  "strided-four": "threadIdx.x + p * (SEGMENT / 4)",
  "adjacent-four": "threadIdx.x * 4 + p",
};

const rowFills = {
  scalar: `
    for (int i = threadIdx.x; i < SEGMENT + 2 * R; i += blockDim.x) {
      line[threadIdx.y][i] = from[y * W + ${clamp("x0 + i - R", "W")}];
    }`,
  vector: `
    for (int i = threadIdx.x; i < (SEGMENT + 2 * R) / 4; i += blockDim.x) {
      const int x = x0 + 4 * i - R;
      float4 four;
      if (x >= 0 && x < W) {
        four = *reinterpret_cast<const float4*>(from + y * W + x);
      } else {
        const float edge = from[y * W + (x < 0 ? 0 : W - 1)];
        four = make_float4(edge, edge, edge, edge);
      }
      *reinterpret_cast<float4*>(&line[threadIdx.y][4 * i]) = four;
    }`,
};

/** Both passes from shared memory. */
export const stagedPasses: Template = template({
  id: "staged-passes",
  from: "two-passes",
  idea: "Stage row segments and column strips with their rims in shared memory for the two passes.",
  options: {
    rowOutputs: ["one", "strided-four", "adjacent-four"],
    columnOutputs: ["one", "four"],
    rowFill: ["scalar", "vector"],
    taps: ["shared", "registers", "cached"],
    folded: [true, false],
    unroll: ["whole", "some", "none"],
    macros: [true, false],
    segment: [256, 512, 128],
    rows: [1, 2, 4],
    strip: ["32x64", "32x32", "64x32", "32x128"],
  },
  valid: ({ taps, unroll, segment, rows }) => (taps !== "registers" || unroll === "whole") && segment * rows <= 1024,
  count: 27,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [sx = 0, sy = 0] = o.strip.split("x").map(Number);
    const many = o.rowOutputs === "one" ? 1 : 4;
    const deep = o.columnOutputs === "one" ? 1 : 4;
    const hint = hints[o.unroll];
    const lanes = o.segment / many;
    const source = `
      ${imageConstants(sizes, o.macros)}
      #define SEGMENT ${o.segment}
      #define ROWS ${o.rows}
      #define SX ${sx}
      #define SY ${sy}

      extern "C" __global__ void blur_rows(const float* __restrict__ from, const float* __restrict__ taps, float* __restrict__ to) {
        __shared__ __align__(16) float line[ROWS][SEGMENT + 2 * R];
        ${bringTaps(o.taps, "threadIdx.y * blockDim.x + threadIdx.x", "blockDim.x * blockDim.y")}
        const int x0 = blockIdx.x * SEGMENT;
        const int y = blockIdx.y * ROWS + threadIdx.y;
        ${rowFills[o.rowFill]}
        __syncthreads();
        ${on(many > 1, "#pragma unroll")}
        for (int p = 0; p < ${many}; ++p) {
          const int i = ${places[o.rowOutputs]};
          ${gather(o.taps, o.folded, hint, (k) => `line[threadIdx.y][i + R + (${k})]`)}
          to[y * W + x0 + i] = sum;
        }
      }

      extern "C" __global__ void blur_columns(const float* __restrict__ from, const float* __restrict__ taps, float* __restrict__ to) {
        __shared__ float strip[SY + 2 * R][SX];
        ${bringTaps(o.taps, "threadIdx.y * blockDim.x + threadIdx.x", "blockDim.x * blockDim.y")}
        const int x = blockIdx.x * SX + threadIdx.x;
        const int y0 = blockIdx.y * SY;
        for (int i = threadIdx.y; i < SY + 2 * R; i += blockDim.y) {
          strip[i][threadIdx.x] = from[${clamp("y0 + i - R", "H")} * W + x];
        }
        __syncthreads();
        ${
          deep === 1
            ? `for (int i = threadIdx.y; i < SY; i += blockDim.y) {
                ${gather(o.taps, o.folded, hint, (k) => `strip[i + R + (${k})][threadIdx.x]`)}
                to[(y0 + i) * W + x] = sum;
              }`
            : `for (int i = threadIdx.y * 4; i < SY; i += blockDim.y * 4) {
                float total[4] = {};
                ${on(o.taps === "registers", "#pragma unroll", hint)}
                for (int k = 0; k < TAPS + 3; ++k) {
                  const float v = strip[i + k][threadIdx.x];
                  #pragma unroll
                  for (int p = 0; p < 4; ++p) {
                    if (k - p >= 0 && k - p < TAPS) total[p] += ${tapOf(o.taps, "k - p - R")} * v;
                  }
                }
                #pragma unroll
                for (int p = 0; p < 4; ++p) to[(y0 + i + p) * W + x] = total[p];
              }`
        }
      }
    `;
    const launches = [
      launch("blur_rows", [w / o.segment, h / o.rows], [lanes, o.rows], ["image", "taps", "scratch"]),
      launch("blur_columns", [w / sx, Math.ceil(h / sy)], [sx, 8], ["scratch", "taps", "out"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
