import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  clampColumn,
  clampRow,
  exchangeDefinition,
  extent,
  fromColumns,
  network,
  threes,
  type Least,
} from "./order.ts";

interface Walk {
  readonly mapping: "square" | "flat" | "row";
  readonly border: "clamp" | "conditional" | "inner";
  readonly load: "plain" | "__ldg";
}

/** Where a thread's pixel is. */
const places = {
  square: `
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    const int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= WIDTH || y >= HEIGHT) return;`,
  flat: `
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= WIDTH * HEIGHT) return;
    const int y = i / WIDTH;
    const int x = i - y * WIDTH;`,
  row: `
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    const int y = blockIdx.y;
    if (x >= WIDTH) return;`,
};

function grid(mapping: Walk["mapping"], h: number, w: number, threads: number) {
  const args = ["image", "out"];
  if (mapping === "square")
    return launch("median", [Math.ceil(w / 32), Math.ceil(h / (threads / 32))], [32, threads / 32], args);
  if (mapping === "flat") return launch("median", Math.ceil((h * w) / threads), threads, args);
  return launch("median", [Math.ceil(w / threads), h], threads, args);
}

/** Reads the window into p[0 … 8], row by row. */
function readWindow({ border, load }: Walk): string {
  const get = (place: string): string => (load === "plain" ? `image[${place}]` : `__ldg(&image[${place}])`);
  const loop = (row: string, column: string): string => `
    #pragma unroll
    for (int k = 0; k < 9; ++k) p[k] = ${get(`${row} * WIDTH + ${column}`)};`;
  const clamped = loop(clampRow("y + k / 3 - 1"), clampColumn("x + k % 3 - 1"));
  if (border === "clamp") return clamped;
  if (border === "inner") {
    return `
      if (x > 0 && x < WIDTH - 1 && y > 0 && y < HEIGHT - 1) {
        ${loop("(y + k / 3 - 1)", "x + k % 3 - 1")}
      } else {
        ${clamped}
      }`;
  }
  return `
    const int above = (y > 0 ? y - 1 : y) * WIDTH;
    const int here = y * WIDTH;
    const int below = (y < HEIGHT - 1 ? y + 1 : y) * WIDTH;
    const int left = x > 0 ? x - 1 : x;
    const int right = x < WIDTH - 1 ? x + 1 : x;
    p[0] = ${get("above + left")}, p[1] = ${get("above + x")}, p[2] = ${get("above + right")};
    p[3] = ${get("here + left")}, p[4] = ${get("here + x")}, p[5] = ${get("here + right")};
    p[6] = ${get("below + left")}, p[7] = ${get("below + x")}, p[8] = ${get("below + right")};`;
}

const sorts = {
  insertion: (type: string, hint: string): string => `
    ${hint}
    for (int i = 1; i < 9; ++i) {
      const ${type} value = p[i];
      int j = i;
      for (; j > 0 && p[j - 1] > value; --j) p[j] = p[j - 1];
      p[j] = value;
    }
    const ${type} result = p[4];`,
  selection: (type: string, hint: string): string => `
    ${hint}
    for (int i = 0; i < 5; ++i) {
      ${hint}
      for (int j = i + 1; j < 9; ++j) {
        if (p[j] < p[i]) {
          const ${type} t = p[i];
          p[i] = p[j];
          p[j] = t;
        }
      }
    }
    const ${type} result = p[4];`,
  bubble: (type: string, hint: string): string => `
    ${hint}
    for (int end = 8; end >= 4; --end) {
      ${hint}
      for (int j = 0; j < end; ++j) {
        const ${type} small = p[j] < p[j + 1] ? p[j] : p[j + 1];
        p[j + 1] = p[j] < p[j + 1] ? p[j + 1] : p[j];
        p[j] = small;
      }
    }
    const ${type} result = p[4];`,
  ranks: (type: string, hint: string): string => `
    ${type} result = 0;
    ${hint}
    for (int i = 0; i < 9; ++i) {
      int below = 0, equal = 0;
      ${hint}
      for (int j = 0; j < 9; ++j) {
        below += p[j] < p[i];
        equal += p[j] == p[i];
      }
      if (below <= 4 && below + equal > 4) result = p[i];
    }`,
  "bit-search": (type: string, hint: string): string => `
    ${type} result = 0;
    ${hint}
    for (int bit = 128; bit > 0; bit >>= 1) {
      int count = 0;
      ${hint}
      for (int j = 0; j < 9; ++j) count += (int)p[j] >= (int)result + bit;
      if (count >= 5) result += bit;
    }`,
};

/** Sorts or ranks the nine values of a pixel. */
export const sortThread: Template = template({
  id: "sort-thread",
  from: null,
  idea: "One thread per pixel that orders its nine values with loops, sizes known to the compiler.",
  options: {
    sort: ["selection", "insertion", "bubble", "ranks", "bit-search"],
    open: [false, true],
    type: ["unsigned char", "int"],
    mapping: ["square", "flat", "row"],
    border: ["clamp", "conditional", "inner"],
    load: ["plain", "__ldg"],
    size: ["define", "constexpr"],
    threads: [256, 128, 512],
  },
  count: 28,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const source = `
      ${extent(sizes, o.size)}

      extern "C" __global__ void median(const unsigned char* __restrict__ image, unsigned char* __restrict__ out) {
        ${places[o.mapping]}
        ${o.type} p[9];
        ${readWindow(o)}
        ${sorts[o.sort](o.type, on(o.open, "#pragma unroll"))}
        out[y * WIDTH + x] = (unsigned char)result;
      }
    `;
    return styled({ source, launches: [grid(o.mapping, h, w, o.threads)] }, { names: "snake", indent: 2 });
  },
});

const elements = { int: "min-max", unsigned: "min-max", float: "float", compare: "conditional" } as const;

/** A network of exchanges per pixel. */
export const networkThread: Template = template({
  id: "network-thread",
  from: "sort-thread",
  idea: "Find the median with a fixed network of minima and maxima in registers.",
  options: {
    element: ["int", "unsigned", "float", "compare"],
    method: ["nine", "columns"],
    shape: ["macro", "function", "inline"],
    mapping: ["square", "flat", "row"],
    border: ["clamp", "conditional", "inner"],
    load: ["plain", "__ldg"],
    size: ["constexpr", "define"],
    threads: [256, 128, 512, 64],
  },
  count: 28,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const kind: Least = elements[o.element];
    const type = { int: "int", unsigned: "unsigned int", float: "float", compare: "int" }[o.element];
    const columns = ["l", "c", "r"]
      .map(
        (name, k) =>
          `${type} low_${name}, mid_${name}, high_${name};\nsort_three(p[${k}], p[${k + 3}], p[${k + 6}], low_${name}, mid_${name}, high_${name});`,
      )
      .join("\n");
    const source = `
      ${extent(sizes, o.size)}
      ${o.method === "nine" ? exchangeDefinition(o.shape, type, kind) : threes(type, kind)}

      extern "C" __global__ void median(const unsigned char* __restrict__ image, unsigned char* __restrict__ out) {
        ${places[o.mapping]}
        ${type} p[9];
        ${readWindow(o)}
        ${o.method === "nine" ? network(o.shape, type, kind) : columns}
        out[y * WIDTH + x] = (unsigned char)${o.method === "nine" ? "p[4]" : fromColumns(kind, ["l", "c", "r"])};
      }
    `;
    return styled({ source, launches: [grid(o.mapping, h, w, o.threads)] }, { names: "camel", indent: 4 });
  },
});

/** A thread slides along a row or a column and keeps the sorted columns that the next pixel shares. */
export const slidingThread: Template = template({
  id: "sliding-thread",
  from: "network-thread",
  idea: "Let a thread slide over pixels and keep what it knows of the columns or rows that windows share.",
  options: {
    way: ["down", "along"],
    keep: ["sorted", "values"],
    element: ["int", "unsigned", "compare", "float"],
    unroll: ["none", "four", "three"],
    load: ["plain", "__ldg"],
    ahead: [false, true],
    size: ["define", "constexpr"],
    reach: [32, 16, 64, 8],
    threads: [128, 256, 64],
  },
  count: 25,
  write: (o, sizes) => {
    const { h = 0, w = 0 } = sizes;
    const kind: Least = elements[o.element];
    const type = { int: "int", unsigned: "unsigned int", float: "float", compare: "int" }[o.element];
    const down = o.way === "down";
    const get = (place: string): string => (o.load === "plain" ? `image[${place}]` : `__ldg(image + ${place})`);
    // a line is a row of three pixels when sliding down and a column of three when sliding along
    const at = (step: string, k: number): string =>
      down
        ? get(`${clampRow(step)} * WIDTH + ${clampColumn(`x + ${k - 1}`)}`)
        : get(`${clampRow(`y + ${k - 1}`)} * WIDTH + ${clampColumn(step)}`);
    const readLine = (step: string, name: string): string =>
      o.keep === "sorted"
        ? `sort_three(${at(step, 0)}, ${at(step, 1)}, ${at(step, 2)}, low_${name}, mid_${name}, high_${name});`
        : `a_${name} = ${at(step, 0)}, b_${name} = ${at(step, 1)}, c_${name} = ${at(step, 2)};`;
    const parts = o.keep === "sorted" ? ["low", "mid", "high"] : ["a", "b", "c"];
    const declare = (name: string): string => `${type} ${parts.map((part) => `${part}_${name}`).join(", ")};`;
    const move = (to: string, from: string): string =>
      parts.map((part) => `${part}_${to} = ${part}_${from};`).join(" ");
    const ready =
      o.keep === "sorted"
        ? ""
        : ["p", "q", "r"]
            .map(
              (name) =>
                `${type} low_${name}, mid_${name}, high_${name};\nsort_three(a_${name}, b_${name}, c_${name}, low_${name}, mid_${name}, high_${name});`,
            )
            .join("\n");
    const locate = down
      ? "const int x = blockIdx.x * blockDim.x + threadIdx.x;\nconst int first = blockIdx.y * REACH;\nif (x >= WIDTH) return;"
      : "const int y = blockIdx.y * blockDim.x + threadIdx.x;\nconst int first = blockIdx.x * REACH;\nif (y >= HEIGHT) return;";
    const hint = { none: "#pragma unroll 1", four: "#pragma unroll 4", three: "#pragma unroll 3" }[o.unroll];
    const source = `
      ${extent(sizes, o.size)}
      #define REACH ${o.reach}
      ${threes(type, kind)}

      extern "C" __global__ void median(const unsigned char* __restrict__ image, unsigned char* __restrict__ out) {
        ${locate}
        ${["p", "q", "r"].map(declare).join("\n")}
        ${readLine("first - 1", "p")}
        ${readLine("first", "q")}
        ${on(o.ahead, `${declare("n")}\n${readLine("first + 1", "n")}`)}
        ${hint}
        for (int step = first; step < first + REACH; ++step) {
          ${o.ahead ? `${move("r", "n")}\n${readLine("step + 2", "n")}` : readLine("step + 1", "r")}
          ${ready ? `{\n${ready}` : "{"}
            out[${down ? "step * WIDTH + x" : "y * WIDTH + step"}] = (unsigned char)${fromColumns(kind, ["p", "q", "r"])};
          }
          ${move("p", "q")}
          ${move("q", "r")}
        }
      }
    `;
    const blocks: readonly [number, number] = down
      ? [Math.ceil(w / o.threads), Math.ceil(h / o.reach)]
      : [Math.ceil(w / o.reach), Math.ceil(h / o.threads)];
    return styled(
      { source, launches: [launch("median", blocks, o.threads, ["image", "out"])] },
      { names: "snake", indent: 4 },
    );
  },
});
