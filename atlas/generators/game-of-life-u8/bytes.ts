import type { Template } from "../kit/generator.ts";
import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { generations } from "./parts.ts";

const planes = { first: "cells", odd: "ping", even: "out" };
const generationCount = 32;

type Rule = "logic" | "shift" | "or" | "branch";

/** The next state from the number of living neighbours and the state. */
function decide(rule: Rule, target: string): string {
  return {
    logic: `${target} = count == 3 || (count == 2 && alive != 0);`,
    shift: `${target} = (alive ? 12 : 8) >> count & 1;`,
    or: `${target} = (count | alive) == 3;`,
    branch: `if (alive) {
        ${target} = count == 2 || count == 3;
      } else {
        ${target} = count == 3;
      }`,
  }[rule];
}

type Wrap = "modulo" | "compare" | "mask";

function around(wrap: Wrap, value: string, by: -1 | 1, size: string): string {
  if (wrap === "modulo") return by > 0 ? `(${value} + 1) % ${size}` : `(${value} + ${size} - 1) % ${size}`;
  if (wrap === "mask") return `(${value} ${by > 0 ? "+" : "-"} 1) & (${size} - 1)`;
  return by > 0 ? `${value} + 1 == ${size} ? 0 : ${value} + 1` : `${value} == 0 ? ${size} - 1 : ${value} - 1`;
}

/** A thread per cell. */
export const cellThread: Template = template({
  id: "cell-per-thread",
  from: null,
  idea: "Hold the neighbouring rows and columns as indices and count without branches.",
  options: {
    wrap: ["modulo", "compare", "mask"],
    rule: ["branch", "logic", "or", "shift"],
    sum: ["terms", "rows", "columns"],
    index: ["plane", "flat"],
    load: ["plain", "__ldg"],
    restrict: [false, true],
    size: ["args", "define"],
    block: ["32x8", "64x4", "128x2", "256x1", "16x16"],
  },
  count: 34,
  write: ({ wrap, rule, sum, index, load, restrict, size, block }, { height = 0, width = 0 }) => {
    const [bx = 32, by = 8] = block.split("x").map(Number);
    const [h, w] = size === "define" ? ["HEIGHT", "WIDTH"] : ["height", "width"];
    const mark = on(restrict, "__restrict__ ");
    const at = (row: string, x: string): string =>
      load === "plain" ? `from[${row} * ${w} + ${x}]` : `__ldg(from + ${row} * ${w} + ${x})`;
    const nine = (row: string): string => `${at(row, "left")} + ${at(row, "x")} + ${at(row, "right")}`;
    const column = (x: string): string => `${at("above", x)} + ${at("y", x)} + ${at("below", x)}`;
    const count = {
      terms: `const int count = ${nine("above")}
        + ${at("y", "left")} + ${at("y", "right")}
        + ${nine("below")};`,
      rows: `int count = -alive;
        const int rows[3] = {above, y, below};
        #pragma unroll
        for (int k = 0; k < 3; ++k) count += ${nine("rows[k]")};`,
      columns: `int count = ${column("left")};
        count += ${at("above", "x")} + ${at("below", "x")};
        count += ${column("right")};`,
    }[sum];
    const place =
      index === "plane"
        ? `const int x = blockIdx.x * ${bx} + threadIdx.x;\nconst int y = blockIdx.y * ${by} + threadIdx.y;`
        : `const int i = blockIdx.x * ${bx * by} + threadIdx.x;\nconst int x = i % ${w};\nconst int y = i / ${w};`;
    const source = `
      ${on(size === "define", `#define HEIGHT ${height}\n#define WIDTH ${width}`)}
      extern "C" __global__ void evolve(const unsigned char* ${mark}from, unsigned char* ${mark}to${on(size === "args", ", int height, int width")}) {
        ${place}
        const int above = ${around(wrap, "y", -1, h)};
        const int below = ${around(wrap, "y", 1, h)};
        const int left = ${around(wrap, "x", -1, w)};
        const int right = ${around(wrap, "x", 1, w)};
        const int alive = ${at("y", "x")};
        ${count}
        ${decide(rule, `to[y * ${w} + x]`)}
      }
    `;
    const scalars = size === "args" ? [{ i32: height }, { i32: width }] : [];
    const grid = index === "plane" ? ([width / bx, height / by] as const) : (height * width) / (bx * by);
    const threads = index === "plane" ? ([bx, by] as const) : bx * by;
    const launches = generations(generationCount, planes, (from, to) => [
      launch("evolve", grid, threads, [from, to, ...scalars]),
    ]);
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** The rule for four cells in the bytes of a word; `total` includes the cell itself. */
function fourCells(rule: "compare" | "carry" | "zero", total: string, alive: string): string {
  return {
    compare: `(__vcmpeq4(${total}, 0x03030303u) & 0x01010101u) | (${alive} & __vcmpeq4(${total}, 0x04040404u))`,
    carry: `~((((${total} - ${alive}) | ${alive}) ^ 0x03030303u) + 0x7f7f7f7fu) >> 7 & 0x01010101u`,
    zero: `__vseteq4((${total} - ${alive}) | ${alive}, 0x03030303u)`,
  }[rule];
}

/** Four cells per word with sums in the bytes of registers. */
export const byteWords: Template = template({
  id: "bytes-in-words",
  from: "cell-per-thread",
  idea: "Handle four cells at once in the bytes of a register and walk down several rows.",
  options: {
    words: [1, 2, 4],
    rows: [1, 2, 4, 8],
    rule: ["compare", "carry", "zero"],
    shift: ["shift", "funnel", "permute"],
    sides: ["words", "bytes"],
    restrict: [true, false],
    unroll: [true, false],
    rolling: [true, false],
    block: ["32x8", "64x4", "128x1", "128x2"],
  },
  count: 32,
  write: ({ words, rows, rule, shift, sides, restrict, unroll, rolling, block }, { height = 0, width = 0 }) => {
    const [bx = 32, by = 8] = block.split("x").map(Number);
    const parts = words === 1 ? [""] : [".x", ".y", ".z", ".w"].slice(0, words);
    const type = words === 1 ? "unsigned int" : `uint${words}`;
    const left = {
      shift: "m << 8 | before >> 24",
      funnel: "__funnelshift_l(before, m, 8)",
      permute: "__byte_perm(before, m, 0x6543)",
    }[shift];
    const right = {
      shift: "m >> 8 | after << 24",
      funnel: "__funnelshift_r(m, after, 8)",
      permute: "__byte_perm(m, after, 0x4321)",
    }[shift];
    const beside = (spot: string, high: boolean): string =>
      sides === "words"
        ? `reinterpret_cast<const unsigned int*>(row)[(${spot}) & (WIDTH / 4 - 1)]`
        : `(unsigned int)row[(4 * (${spot})${on(high, " + 3")}) & (WIDTH - 1)]${on(high, " << 24")}`;
    const mark = on(restrict, "__restrict__ ");
    const step = rolling
      ? `Sums up = add_row(from, x, y0 - 1), here = add_row(from, x, y0);
        ${on(unroll, "#pragma unroll", "#pragma unroll 1")}
        for (int k = 0; k < ROWS; ++k) {
          const Sums down = add_row(from, x, y0 + k + 1);
          put_row(to, x, y0 + k, up, here, down);
          up = here;
          here = down;
        }`
      : `${on(unroll, "#pragma unroll", "#pragma unroll 1")}
        for (int k = 0; k < ROWS; ++k) {
          put_row(to, x, y0 + k, add_row(from, x, y0 + k - 1), add_row(from, x, y0 + k), add_row(from, x, y0 + k + 1));
        }`;
    const source = `
      #define HEIGHT ${height}
      #define WIDTH ${width}
      #define ROWS ${rows}
      typedef ${type} Pack;

      // The cells of a row and the sums of three neighbours in it.
      struct Sums {
        unsigned int cell[${words}], near[${words}];
      };

      __device__ __forceinline__ unsigned int near_sum(unsigned int before, unsigned int m, unsigned int after) {
        return m + (${left}) + (${right});
      }

      __device__ __forceinline__ Sums add_row(const unsigned char* ${mark}from, int x, int y) {
        const unsigned char* row = from + (size_t)(y & (HEIGHT - 1)) * WIDTH;
        const Pack p = reinterpret_cast<const Pack*>(row)[x];
        Sums sums;
        ${parts.map((part, index) => `sums.cell[${index}] = p${part};`).join("\n")}
        const unsigned int before = ${beside(`x * ${words} - 1`, true)};
        const unsigned int after = ${beside(`x * ${words} + ${words}`, false)};
        ${repeat(words, (index) => `sums.near[${index}] = near_sum(${index === 0 ? "before" : `sums.cell[${index - 1}]`}, sums.cell[${index}], ${index === words - 1 ? "after" : `sums.cell[${index + 1}]`});`)}
        return sums;
      }

      __device__ __forceinline__ void put_row(unsigned char* ${mark}to, int x, int y, const Sums& up, const Sums& here, const Sums& down) {
        Pack p;
        ${parts.map((part, index) => `{\nconst unsigned int total = up.near[${index}] + here.near[${index}] + down.near[${index}];\np${part} = ${fourCells(rule, "total", `here.cell[${index}]`)};\n}`).join("\n")}
        reinterpret_cast<Pack*>(to + (size_t)y * WIDTH)[x] = p;
      }

      extern "C" __global__ void evolve_words(const unsigned char* ${mark}from, unsigned char* ${mark}to) {
        const int x = blockIdx.x * ${bx} + threadIdx.x;
        const int y0 = (blockIdx.y * ${by} + threadIdx.y) * ROWS;
        ${step}
      }
    `;
    const launches = generations(generationCount, planes, (from, to) => [
      launch("evolve_words", [width / (4 * words * bx), height / (by * rows)], [bx, by], [from, to]),
    ]);
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

/** Sums along rows in one launch, sums of columns and the rule in the next. */
export const rowSums: Template = template({
  id: "row-sums-first",
  from: "cell-per-thread",
  idea: "Add up rows of three cells in one launch and columns of those sums in the next.",
  options: {
    width4: [false, true],
    second: ["cell", "column"],
    wrap: ["mask", "compare", "modulo"],
    rule: ["or", "logic", "shift", "branch"],
    packed: ["compare", "carry", "zero"],
    restrict: [true, false],
    load: ["plain", "__ldg"],
    run: [4, 8, 16],
    block: [256, 128, 512],
  },
  count: 27,
  write: ({ width4, second, wrap, rule, packed, restrict, load, run, block }, { height = 0, width = 0 }) => {
    const type = width4 ? "unsigned int" : "unsigned char";
    const mark = on(restrict, "__restrict__ ");
    const count = width4 ? width / 4 : width;
    const get = (name: string, spot: string): string =>
      load === "plain" ? `${name}[${spot}]` : `__ldg(${name} + ${spot})`;
    const along = width4
      ? `const unsigned int m = ${get("from", "y * COUNT + x")};
        const unsigned int before = ${get("from", "y * COUNT + left")}, after = ${get("from", "y * COUNT + right")};
        sums[y * COUNT + x] = m + (m << 8 | before >> 24) + (m >> 8 | after << 24);`
      : `sums[y * COUNT + x] = ${get("from", "y * COUNT + left")} + ${get("from", "y * COUNT + x")} + ${get("from", "y * COUNT + right")};`;
    const end = (total: string, y: string): string =>
      width4
        ? `const unsigned int alive = ${get("from", `${y} * COUNT + x`)};
          const unsigned int total = ${total};
          to[${y} * COUNT + x] = ${fourCells(packed, "total", "alive")};`
        : `const int alive = ${get("from", `${y} * COUNT + x`)};
          const int count = ${total} - alive;
          ${decide(rule, `to[${y} * COUNT + x]`)}`;
    const sum = (y: string): string => get("sums", `(${y}) * COUNT + x`);
    const down =
      second === "cell"
        ? `const int x = blockIdx.x * ${block} + threadIdx.x, y = blockIdx.y;
          const int above = ${around(wrap, "y", -1, "HEIGHT")};
          const int below = ${around(wrap, "y", 1, "HEIGHT")};
          ${end(`${sum("above")} + ${sum("y")} + ${sum("below")}`, "y")}`
        : `const int x = blockIdx.x * ${block} + threadIdx.x;
          const int first = blockIdx.y * ${run};
          unsigned int up = ${sum("(first - 1) & (HEIGHT - 1)")}, here = ${sum("first")};
          for (int y = first; y < first + ${run}; ++y) {
            const unsigned int low = ${sum("(y + 1) & (HEIGHT - 1)")};
            ${end("up + here + low", "y")}
            up = here;
            here = low;
          }`;
    const source = `
      #define HEIGHT ${height}
      #define COUNT ${count}
      extern "C" __global__ void add_along(const ${type}* ${mark}from, ${type}* ${mark}sums) {
        const int x = blockIdx.x * ${block} + threadIdx.x, y = blockIdx.y;
        const int left = ${around(wrap, "x", -1, "COUNT")};
        const int right = ${around(wrap, "x", 1, "COUNT")};
        ${along}
      }

      extern "C" __global__ void add_down(const ${type}* ${mark}from, const ${type}* ${mark}sums, ${type}* ${mark}to) {
        ${down}
      }
    `;
    const launches = generations(generationCount, planes, (from, to) => [
      launch("add_along", [count / block, height], block, [from, "sums"]),
      launch("add_down", [count / block, second === "cell" ? height : height / run], block, [from, "sums", to]),
    ]);
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
