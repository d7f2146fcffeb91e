import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import { bringTaps, clamp, hints, imageConstants, tapOf } from "./common.ts";

/** All 33x33 pixels per output, read from memory. */
export const window2d: Template = template({
  id: "whole-window",
  from: null,
  idea: "Sum the window of each pixel directly, with sizes known to the compiler.",
  options: {
    nest: ["product", "row-sums"],
    border: ["each", "row-once", "inner-blocks"],
    taps: ["memory", "cached", "shared"],
    mapping: ["square", "flat"],
    unroll: ["none", "some", "whole"],
    pointers: ["plain", "restrict"],
    macros: [true, false],
    block: [16, 8, 32],
  },
  valid: ({ mapping, border }) => mapping === "square" || border !== "inner-blocks",
  count: 24,
  write: ({ nest, border, taps, mapping, unroll, pointers, macros, block }, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const mark = on(pointers === "restrict", " __restrict__");
    const hint = unroll === "whole" ? "#pragma unroll 11" : hints[unroll];
    const loops = (col: string, row: string): string => `
      for (int dy = -R; dy <= R; ++dy) {
        const float* line = image + ${row} * W;
        ${on(nest === "row-sums", "float along = 0.0f;")}
        ${hint}
        for (int dx = -R; dx <= R; ++dx) {
          ${
            nest === "row-sums"
              ? `along += ${tapOf(taps, "dx")} * line[${col}];`
              : `sum += ${tapOf(taps, "dy")} * ${tapOf(taps, "dx")} * line[${col}];`
          }
        }
        ${on(nest === "row-sums", `sum += ${tapOf(taps, "dy")} * along;`)}
      }`;
    const clamped = loops(clamp("x + dx", "W"), clamp("y + dy", "H"));
    const body = {
      each: clamped,
      "row-once": loops(
        "x + dx < 0 ? 0 : (x + dx >= W ? W - 1 : x + dx)",
        "(y + dy < 0 ? 0 : (y + dy >= H ? H - 1 : y + dy))",
      ),
      "inner-blocks": `
        const bool inner = blockIdx.x * blockDim.x >= R && (blockIdx.x + 1) * blockDim.x + R <= W &&
        blockIdx.y * blockDim.y >= R && (blockIdx.y + 1) * blockDim.y + R <= H;
        if (inner) {
          ${loops("x + dx", "(y + dy)")}
        } else {
          ${clamped}
        }`,
    }[border];
    const square = mapping === "square";
    const source = `
      ${imageConstants(sizes, macros)}

      extern "C" __global__ void blur(const float*${mark} image, const float*${mark} taps, float*${mark} out) {
        ${bringTaps(taps, square ? "threadIdx.y * blockDim.x + threadIdx.x" : "threadIdx.x", square ? "blockDim.x * blockDim.y" : "blockDim.x")}
        ${
          square
            ? "const int x = blockIdx.x * blockDim.x + threadIdx.x;\nconst int y = blockIdx.y * blockDim.y + threadIdx.y;"
            : "const int i = blockIdx.x * blockDim.x + threadIdx.x;\nconst int x = i % W;\nconst int y = i / W;"
        }
        if (x >= W || y >= H) return;
        float sum = 0.0f;
        ${body}
        out[y * W + x] = sum;
      }
    `;
    const threads = block * Math.max(block, 8);
    const entry = square
      ? launch("blur", [Math.ceil(w / block), Math.ceil(h / block)], [block, block], ["image", "taps", "out"])
      : launch("blur", Math.ceil((w * h) / threads), threads, ["image", "taps", "out"]);
    return styled({ source, launches: [entry] }, { names: "snake", indent: 2 });
  },
});

/** The same sum from a tile in shared memory. */
export const windowTile: Template = template({
  id: "window-tile",
  from: "whole-window",
  idea: "Stage the tile and its rim in shared memory and sum each window from there.",
  options: {
    nest: ["row-sums", "product"],
    outputs: ["one", "column-of-four", "row-of-four"],
    fill: ["linear", "nested"],
    taps: ["shared", "cached"],
    extra: ["none", "pad"],
    unroll: ["none", "some", "whole"],
    macros: [false, true],
    tile: ["32x32", "32x16", "64x16", "16x16"],
  },
  count: 24,
  write: ({ nest, outputs, fill, taps, extra, unroll, macros, tile }, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const [tx = 0, ty = 0] = tile.split("x").map(Number);
    const many = outputs === "one" ? 1 : 4;
    const [bx, by] = outputs === "row-of-four" ? [tx / 4, ty] : [tx, ty / many];
    const [stepX, stepY] = outputs === "row-of-four" ? ["4", "1"] : ["1", String(many)];
    const at = outputs === "row-of-four" ? "tile[ly + dy][lx + dx + p]" : "tile[ly + dy + p][lx + dx]";
    const inner =
      nest === "product"
        ? `
          const float weight = ${tapOf(taps, "dy - R")} * ${tapOf(taps, "dx - R")};
          #pragma unroll
          for (int p = 0; p < OUTS; ++p) sum[p] += weight * ${at};`
        : `
          const float weight = ${tapOf(taps, "dx - R")};
          #pragma unroll
          for (int p = 0; p < OUTS; ++p) along[p] += weight * ${at};`;
    const put = `tile[a][b] = image[${clamp("y0 + a - R", "H")} * W + ${clamp("x0 + b - R", "W")}];`;
    const source = `
      ${imageConstants(sizes, macros)}
      #define TX ${tx}
      #define TY ${ty}
      #define OUTS ${many}

      extern "C" __global__ void blur(const float* __restrict__ image, const float* __restrict__ taps, float* __restrict__ out) {
        __shared__ float tile[TY + 2 * R][TX + 2 * R${on(extra === "pad", " + 1")}];
        const int x0 = blockIdx.x * TX;
        const int y0 = blockIdx.y * TY;
        const int thread = threadIdx.y * blockDim.x + threadIdx.x;
        ${bringTaps(taps, "thread", "blockDim.x * blockDim.y")}
        ${
          fill === "linear"
            ? `for (int i = thread; i < (TX + 2 * R) * (TY + 2 * R); i += blockDim.x * blockDim.y) {
                const int a = i / (TX + 2 * R);
                const int b = i % (TX + 2 * R);
                ${put}
              }`
            : `for (int a = threadIdx.y; a < TY + 2 * R; a += blockDim.y) {
                for (int b = threadIdx.x; b < TX + 2 * R; b += blockDim.x) ${put}
              }`
        }
        __syncthreads();
        const int lx = threadIdx.x * ${stepX};
        const int ly = threadIdx.y * ${stepY};
        float sum[OUTS] = {};
        for (int dy = 0; dy < TAPS; ++dy) {
          ${on(nest === "row-sums", "float along[OUTS] = {};")}
          ${unroll === "whole" ? "#pragma unroll" : hints[unroll]}
          for (int dx = 0; dx < TAPS; ++dx) {
            ${inner}
          }
          ${on(nest === "row-sums", `#pragma unroll\nfor (int p = 0; p < OUTS; ++p) sum[p] += ${tapOf(taps, "dy - R")} * along[p];`)}
        }
        #pragma unroll
        for (int p = 0; p < OUTS; ++p) {
          out[(y0 + ly${on(outputs === "column-of-four", " + p")}) * W + x0 + lx${on(outputs === "row-of-four", " + p")}] = sum[p];
        }
      }
    `;
    return styled(
      {
        source,
        launches: [launch("blur", [Math.ceil(w / tx), Math.ceil(h / ty)], [bx, by], ["image", "taps", "out"])],
      },
      { names: "camel", indent: 4 },
    );
  },
});

/** A launch per tap and direction. */
export const tapLaunches: Template = template({
  id: "tap-launches",
  from: "two-passes",
  idea: "Launch once per few taps and direction, each launch adding its shifted image.",
  options: {
    group: ["eleven", "three", "thirty-three"],
    clear: ["kernel", "first-launch"],
    vector: [false, true],
    restrict: [true, false],
    columns: ["loop", "flat"],
    macros: [true, false],
    block: [256, 128, 512],
  },
  count: 18,
  write: ({ group, clear, vector, restrict, columns, macros, block }, sizes) => {
    const { h = 0, w = 0, r = 0 } = sizes;
    const mark = on(restrict, " __restrict__");
    const per = { eleven: 11, three: 3, "thirty-three": 33 }[group];
    const step = vector ? 4 : 1;
    const type = vector ? "float4" : "float";
    const across = vector
      ? `
        const float* line = from + y * W;
        sum.x += c * line[${clamp("x + k - R", "W")}];
        sum.y += c * line[${clamp("x + 1 + k - R", "W")}];
        sum.z += c * line[${clamp("x + 2 + k - R", "W")}];
        sum.w += c * line[${clamp("x + 3 + k - R", "W")}];`
      : `sum += c * from[y * W + ${clamp("x + k - R", "W")}];`;
    const down = vector
      ? `
        const float4 v = *reinterpret_cast<const float4*>(from + ${clamp("y + k - R", "H")} * W + x);
        sum.x += c * v.x;
        sum.y += c * v.y;
        sum.z += c * v.z;
        sum.w += c * v.w;`
      : `sum += c * from[${clamp("y + k - R", "H")} * W + x];`;
    const zero = vector ? "make_float4(0.0f, 0.0f, 0.0f, 0.0f)" : "0.0f";
    const locate =
      columns === "flat"
        ? `
          const int i = (blockIdx.x * blockDim.x + threadIdx.x) * ${step};
          const int x = i % W;
          const int y = i / W;
          if (y >= H) return;
          {`
        : `
          const int y = blockIdx.x;
          for (int x = threadIdx.x * ${step}; x < W; x += blockDim.x * ${step}) {`;
    const kernel = (name: string, body: string): string => `
      extern "C" __global__ void ${name}(const float*${mark} from, const float*${mark} taps, float*${mark} to, int first, int last) {
        ${locate}
          ${type}* cell = reinterpret_cast<${type}*>(to + y * W + x);
          ${type} sum = ${clear === "kernel" ? "*cell" : `first == 0 ? ${zero} : *cell`};
          for (int k = first; k < last; ++k) {
            const float c = taps[k];
            ${body}
          }
          *cell = sum;
        }
      }
    `;
    const source = `
      ${imageConstants(sizes, macros)}

      ${on(clear === "kernel", `extern "C" __global__ void clear_image(float* to) {\nto[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;\n}\n`)}
      ${kernel("add_across", across)}
      ${kernel("add_down", down)}
    `;
    const blocks = columns === "flat" ? Math.ceil((h * w) / step / block) : h;
    const pass = (name: string, from: string, to: string) => [
      ...(clear === "kernel" ? [launch("clear_image", (h * w) / 256, 256, [to])] : []),
      ...Array.from({ length: Math.ceil((2 * r + 1) / per) }, (_, index) =>
        launch(name, blocks, block, [
          from,
          "taps",
          to,
          { i32: index * per },
          { i32: Math.min((index + 1) * per, 2 * r + 1) },
        ]),
      ),
    ];
    const launches = [...pass("add_across", "image", "scratch"), ...pass("add_down", "scratch", "out")];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
