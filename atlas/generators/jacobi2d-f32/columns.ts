import type { Template } from "../kit/generator.ts";
import { on, styled, template } from "../kit/code.ts";
import { ceilDiv, loaded, plane, restricted, sweeps } from "./shared.ts";

type Sides = "loads" | "shuffles" | "line";

/** A thread walks down a column with the rows above and below in registers. */
export const columnWalk: Template = template({
  id: "column-walk",
  from: "cell-per-thread",
  idea: "Let each thread walk down a column, so that a row is read once and kept for three cells.",
  options: {
    sides: ["loads", "shuffles", "line"],
    keep: ["sums", "cells"],
    ahead: [false, true],
    rows: [16, 32, 64, 8],
    block: [128, 256, 64],
    unroll: [false, true],
    load: ["plain", "ldg"],
    restrict: [true, false],
    kind: ["constexpr", "define", "enum"],
    walk: ["down", "up"],
  },
  count: 30,
  write: ({ sides, keep, ahead, rows, block, unroll, load, restrict, kind, walk }, sizes) => {
    const { nx = 0, ny = 0 } = sizes;
    const pointer = restricted(restrict);
    const down = walk === "down";
    const row = (name: string, y: string): string => `
      ${name}_c = ${loaded(load, `from[${y} * NX + x]`)};
      ${sideText(sides, name, y, load)}`;
    const source = `
      ${plane(sizes, kind)}
      ${kind === "define" ? `#define ROWS ${rows}\n#define BLOCK ${block}` : `const int ROWS = ${rows};\nconst int BLOCK = ${block};`}

      __device__ __forceinline__ int row_of(int y) {
        return min(max(y, 0), NY - 1);
      }

      extern "C" __global__ void walk_columns(const float*${pointer} from, const float*${pointer} force, float*${pointer} to) {
        const int x = blockIdx.x * BLOCK + threadIdx.x;
        const int first = blockIdx.y * ROWS;
        const bool inside = x > 0 && x < NX - 1;
        ${on(sides === "line", "__shared__ float line[2][BLOCK + 2];\nint turn = 0;")}
        ${on(sides === "shuffles", "const int lane = threadIdx.x % 32;")}
        float a_c, a_l, a_r, b_c, b_l, b_r, c_c, c_l, c_r;
        ${row("a", down ? "row_of(first - 1)" : "row_of(first + ROWS)")}
        ${row("b", down ? "first" : "(first + ROWS - 1)")}
        ${on(keep === "sums", "float a_s = a_l + a_r, b_s = b_l + b_r;")}
        ${on(ahead, `float coming = ${loaded(load, "force[@ * NX + x]").replace("@", down ? "first" : "(first + ROWS - 1)")};`)}
        ${on(unroll, "#pragma unroll 4")}
        for (int k = 0; k < ROWS; ++k) {
          const int y = first + ${down ? "k" : "ROWS - 1 - k"};
          ${row("c", down ? "row_of(y + 1)" : "row_of(y - 1)")}
          ${on(keep === "sums", "const float c_s = c_l + c_r;")}
          ${on(ahead, `const float push = coming;\ncoming = ${loaded(load, `force[row_of(y ${down ? "+" : "-"} 1) * NX + x]`)};`)}
          float value = b_c;
          if (inside && y > 0 && y < NY - 1) {
            value = ${
              keep === "sums"
                ? "0.2f * (a_c + c_c + b_s) + 0.05f * (a_s + c_s)"
                : "0.2f * (a_c + c_c + b_l + b_r) + 0.05f * (a_l + a_r + c_l + c_r)"
            } + ${ahead ? "push" : loaded(load, "force[y * NX + x]")};
          }
          to[y * NX + x] = value;
          a_c = b_c;
          b_c = c_c;
          ${keep === "sums" ? "a_s = b_s;\nb_s = c_s;" : "a_l = b_l;\na_r = b_r;\nb_l = c_l;\nb_r = c_r;"}
        }
      }
    `;
    return styled(
      { source, launches: sweeps("walk_columns", [nx / block, ny / rows], block) },
      { names: "snake", indent: 4 },
    );
  },
});

function sideText(sides: Sides, name: string, y: string, load: "plain" | "ldg"): string {
  const get = (x: string): string => loaded(load, `from[${y} * NX + ${x}]`);
  if (sides === "loads") return `${name}_l = ${get("max(x - 1, 0)")};\n${name}_r = ${get("min(x + 1, NX - 1)")};`;
  if (sides === "shuffles") {
    return `
      ${name}_l = __shfl_up_sync(0xffffffffu, ${name}_c, 1);
      ${name}_r = __shfl_down_sync(0xffffffffu, ${name}_c, 1);
      if (lane == 0) ${name}_l = ${get("max(x - 1, 0)")};
      if (lane == 31) ${name}_r = ${get("min(x + 1, NX - 1)")};`;
  }
  return `
    line[turn][threadIdx.x + 1] = ${name}_c;
    if (threadIdx.x == 0) line[turn][0] = ${get("max(x - 1, 0)")};
    if (threadIdx.x == BLOCK - 1) line[turn][BLOCK + 1] = ${get("min(x + 1, NX - 1)")};
    __syncthreads();
    ${name}_l = line[turn][threadIdx.x];
    ${name}_r = line[turn][threadIdx.x + 2];
    turn ^= 1;`;
}

const parts = ["x", "y", "z", "w"] as const;

/** Four cells of a row from three rows of six; `a`, `b`, `c` are structs of left, quad, right. */
function quadText(style: "members" | "array" | "sums", force: string): string {
  const cell = (row: string, index: number): string => {
    if (index < 0) return `${row}.left`;
    return index > 3 ? `${row}.right` : `${row}.quad.${parts[index]}`;
  };
  if (style === "array") {
    return `
      const float up[6] = {a.left, a.quad.x, a.quad.y, a.quad.z, a.quad.w, a.right};
      const float mid[6] = {b.left, b.quad.x, b.quad.y, b.quad.z, b.quad.w, b.right};
      const float low[6] = {c.left, c.quad.x, c.quad.y, c.quad.z, c.quad.w, c.right};
      float push[4] = {${parts.map((part) => `${force}.${part}`).join(", ")}};
      #pragma unroll
      for (int j = 0; j < 4; ++j) {
        push[j] += 0.2f * (up[j + 1] + low[j + 1] + mid[j] + mid[j + 2]) + 0.05f * (up[j] + up[j + 2] + low[j] + low[j + 2]);
      }
      float4 value = make_float4(push[0], push[1], push[2], push[3]);`;
  }
  const vertical = style === "sums";
  return `
    ${on(
      vertical,
      `const float v[6] = {a.left + c.left, a.quad.x + c.quad.x, a.quad.y + c.quad.y, a.quad.z + c.quad.z, a.quad.w + c.quad.w, a.right + c.right};`,
    )}
    float4 value;
    ${parts
      .map((part, j) =>
        vertical
          ? `value.${part} = 0.2f * (v[${j + 1}] + ${cell("b", j - 1)} + ${cell("b", j + 1)}) + 0.05f * (v[${j}] + v[${j + 2}]) + ${force}.${part};`
          : `value.${part} = 0.2f * (${cell("a", j)} + ${cell("c", j)} + ${cell("b", j - 1)} + ${cell("b", j + 1)}) + 0.05f * (${cell("a", j - 1)} + ${cell("a", j + 1)} + ${cell("c", j - 1)} + ${cell("c", j + 1)}) + ${force}.${part};`,
      )
      .join("\n")}`;
}

function readRow(sides: "loads" | "shuffles", load: "plain" | "ldg"): string {
  const get = (text: string): string => loaded(load, text);
  const outer =
    sides === "loads"
      ? `row.left = ${get("line[max(x - 1, 0)]")};\nrow.right = ${get("line[min(x + 4, NX - 1)]")};`
      : `
      row.left = __shfl_up_sync(0xffffffffu, row.quad.w, 1);
      row.right = __shfl_down_sync(0xffffffffu, row.quad.x, 1);
      if ((threadIdx.x & 31) == 0) row.left = ${get("line[max(x - 1, 0)]")};
      if ((threadIdx.x & 31) == 31) row.right = ${get("line[min(x + 4, NX - 1)]")};`;
  return `
    struct Row {
      float left;
      float4 quad;
      float right;
    };

    __device__ __forceinline__ Row read_row(const float* __restrict__ from, int x, int y) {
      const float* line = from + min(max(y, 0), NY - 1) * NX;
      Row row;
      row.quad = ${get("*reinterpret_cast<const float4*>(line + x)")};
      ${outer}
      return row;
    }
  `;
}

/** Four cells of a row per thread, in 16-byte words, for one or several rows. */
export const quads: Template = template({
  id: "quad-rows",
  from: "column-walk",
  idea: "Read and write four cells at a time, and take the cells beside them from neighbouring lanes.",
  options: {
    sides: ["shuffles", "loads"],
    body: ["members", "array", "sums"],
    rows: ["walk", "one", "pair"],
    ahead: [false, true],
    load: ["plain", "ldg"],
    store: ["plain", "streaming"],
    force: ["plain", "streaming"],
    height: [16, 32, 64, 8],
    block: [128, 64, 256],
    kind: ["constexpr", "define"],
    unroll: [false, true],
  },
  valid: ({ rows, ahead, unroll }) => rows === "walk" || (!ahead && !unroll),
  count: 34,
  write: (options, sizes) => {
    const { sides, body, rows, ahead, load, store, force, height, block, kind, unroll } = options;
    const { nx = 0, ny = 0 } = sizes;
    const push = (y: string): string =>
      `${force === "streaming" ? "__ldcs" : "__ldg"}(reinterpret_cast<const float4*>(force + ${y} * NX + x))`;
    const cells = (y: string, pushed: string): string => `
      ${quadText(body, pushed)}
      const bool fixed = ${y} == 0 || ${y} == NY - 1;
      if (fixed || x == 0) value.x = b.quad.x;
      if (fixed || x == NX - 4) value.w = b.quad.w;
      if (fixed) {
        value.y = b.quad.y;
        value.z = b.quad.z;
      }
      ${store === "streaming" ? `__stcs(reinterpret_cast<float4*>(to + ${y} * NX + x), value);` : `*reinterpret_cast<float4*>(to + ${y} * NX + x) = value;`}`;
    const walk = `
      Row a = read_row(from, x, first - 1);
      Row b = read_row(from, x, first);
      ${on(ahead, "Row coming = read_row(from, x, first + 1);")}
      ${on(unroll, "#pragma unroll 4")}
      for (int y = first; y < first + ROWS; ++y) {
        ${ahead ? "const Row c = coming;\ncoming = read_row(from, x, y + 2);" : "const Row c = read_row(from, x, y + 1);"}
        const float4 pushed = ${push("y")};
        ${cells("y", "pushed")}
        a = b;
        b = c;
      }`;
    const single = (count: number): string => `
      ${on(count === 2, "#pragma unroll\nfor (int k = 0; k < 2; ++k) {")}
        const int y = first${on(count === 2, " + k")};
        const Row a = read_row(from, x, y - 1);
        const Row b = read_row(from, x, y);
        const Row c = read_row(from, x, y + 1);
        const float4 pushed = ${push("y")};
        ${cells("y", "pushed")}
      ${on(count === 2, "}")}`;
    const count = { walk: height, one: 1, pair: 2 }[rows];
    const source = `
      ${plane(sizes, kind)}
      ${on(rows === "walk", kind === "define" ? `#define ROWS ${height}` : `constexpr int ROWS = ${height};`)}

      ${readRow(sides, load)}
      extern "C" __global__ void relax_quads(const float* __restrict__ from, const float* __restrict__ force, float* __restrict__ to) {
        const int x = 4 * (blockIdx.x * ${block} + threadIdx.x);
        const int first = blockIdx.y${count > 1 ? ` * ${rows === "walk" ? "ROWS" : 2}` : ""};
        ${rows === "walk" ? walk : single(count)}
      }
    `;
    return styled(
      { source, launches: sweeps("relax_quads", [ceilDiv(nx, 4 * block), ny / count], block) },
      { names: "camel", indent: 2 },
    );
  },
});
