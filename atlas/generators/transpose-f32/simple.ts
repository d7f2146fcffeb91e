import type { Template } from "../kit/generator.ts";
import {
  ceilDiv,
  colsOf,
  int,
  launch,
  pointers,
  read,
  read4,
  rowsOf,
  sizing,
  unroll,
  write,
  write4,
} from "./shared.ts";

/** One thread per element on a 2-D grid. */
export const naive: Template = {
  id: "naive-2d",
  from: null,
  idea: "Use 2-D blocks, one thread per element",
  options: {
    contiguous: ["read", "write"],
    guard: [true, false],
    index: ["size_t", "int", "pointer"],
    load: ["plain", "__ldg", "__ldcs"],
    store: ["plain", "__stcs"],
    size: ["args", "define"],
    bx: [32, 16, 8, 64, 128],
    by: [8, 16, 4, 1],
  },
  count: 46,
  write(o, s) {
    const size = sizing(o["size"], s);
    const [bx, by] = [int(o, "bx"), int(o, "by")];
    const reads = o["contiguous"] === "read";
    const [fast, slow] = reads ? ["col", "row"] : ["row", "col"];
    const wide = o["index"] === "size_t" ? "(size_t)" : "";
    const body =
      o["index"] === "pointer"
        ? `const float* from = x + row * cols + col;
    float* to = out + col * rows + row;
    ${write(o["store"], "to[0]", read(o["load"], "from[0]"))}`
        : write(o["store"], `out[${wide}col * rows + row]`, read(o["load"], `x[${wide}row * cols + col]`));
    const source = `${size.header}extern "C" __global__ void transpose(${pointers(o["load"] === "plain")}${size.params}) {
  int ${fast} = blockIdx.x * blockDim.x + threadIdx.x;
  int ${slow} = blockIdx.y * blockDim.y + threadIdx.y;
  ${o["guard"] ? "if (row < rows && col < cols) " : ""}{
    ${body}
  }
}
`;
    const [nx, ny] = reads ? [colsOf(s), rowsOf(s)] : [rowsOf(s), colsOf(s)];
    return {
      source,
      launches: [launch([ceilDiv(nx, bx), ceilDiv(ny, by), 1], [bx, by, 1], ["x", "out", ...size.args])],
    };
  },
};

function linearBody(o: Readonly<Record<string, unknown>>, type: string): string {
  if (o["vector"]) {
    return `    ${type} c = i / rows;
    ${type} r = i % rows;
    const float* column = x + r * cols + c;
    float4 four;
    four.x = column[0];
    four.y = column[cols];
    four.z = column[2 * cols];
    four.w = column[3 * cols];
    ${write4(o["store"] as string, "out[i]", "four")}`;
  }
  if (o["side"] === "gather") {
    return `    ${type} c = i / rows;
    ${type} r = i - c * rows;
    ${write(o["store"] as string, "out[i]", read(o["load"] as string, "x[r * cols + c]"))}`;
  }
  return `    ${type} r = i / cols;
    ${type} c = i % cols;
    ${write(o["store"] as string, "out[c * rows + r]", read(o["load"] as string, "x[i]"))}`;
}

/** A flat index with division and remainder. */
export const linear: Template = {
  id: "flat-index",
  from: null,
  idea: "Walk a flat index over the matrix and split it into row and column",
  options: {
    side: ["gather", "scatter"],
    stride: [false, true],
    type: ["int", "unsigned int", "long long"],
    vector: [false, true],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs", "__stwt"],
    size: ["args", "constexpr"],
    threads: [256, 128, 512, 1024],
    waves: [8, 32, 4],
  },
  valid: (o) => !(o["vector"] && (o["side"] === "scatter" || o["load"] !== "plain")),
  count: 44,
  write(o, s) {
    const size = sizing(o["size"], s);
    const type = String(o["type"]);
    const step = o["vector"] ? 4 : 1;
    const total = rowsOf(s) * colsOf(s);
    const threads = int(o, "threads");
    const scale = step === 4 ? " * 4" : "";
    const start = `((${type})blockIdx.x * blockDim.x + threadIdx.x)${scale}`;
    const head = o["stride"]
      ? `  const ${type} step = (${type})gridDim.x * blockDim.x${scale};
  for (${type} i = ${start}; i < total; i += step) {`
      : `  ${type} i = ${start};
  if (i < total) {`;
    const source = `${size.header}extern "C" __global__ void transpose(${pointers(true)}${size.params}) {
  const ${type} total = (${type})rows * cols;
${head}
${linearBody(o, type)}
  }
}
`;
    const grid = o["stride"] ? 132 * int(o, "waves") : ceilDiv(total / step, threads);
    return { source, launches: [launch([grid, 1, 1], [threads, 1, 1], ["x", "out", ...size.args])] };
  },
};

function stripCopy(o: Readonly<Record<string, unknown>>, along: boolean): string {
  const items = Number(o["items"]);
  const hint = unroll(Boolean(o["unrolled"]), "  ");
  const store = o["store"] as string;
  if (o["vector"] && along) {
    return `${hint}  for (int i = 0; i < STRIP; i += 4) {
    float4 v = ${read4("plain", "x[row * cols + first + i]")};
    ${write(store, "out[(first + i) * rows + row]", "v.x")}
    ${write(store, "out[(first + i + 1) * rows + row]", "v.y")}
    ${write(store, "out[(first + i + 2) * rows + row]", "v.z")}
    ${write(store, "out[(first + i + 3) * rows + row]", "v.w")}
  }`;
  }
  if (o["vector"]) {
    return `${hint}  for (int i = 0; i < STRIP; i += 4) {
    const float* p = x + (first + i) * cols + col;
    float4 v = make_float4(p[0], p[cols], p[2 * cols], p[3 * cols]);
    ${write4(store, "out[col * rows + first + i]", "v")}
  }`;
  }
  const from = along ? "x[row * cols + first + i]" : "x[(first + i) * cols + col]";
  const to = along ? "out[(first + i) * rows + row]" : "out[col * rows + first + i]";
  if (o["staged"] && items <= 64) {
    return `  float held[STRIP];
#pragma unroll
  for (int i = 0; i < STRIP; ++i) held[i] = ${from};
#pragma unroll
  for (int i = 0; i < STRIP; ++i) ${write(store, to, "held[i]")}`;
  }
  return `${hint}  for (int i = 0; i < STRIP; ++i) {
    ${write(store, to, from)}
  }`;
}

/** Each thread moves a strip of one row or of one column. */
export const strips: Template = {
  id: "thread-strips",
  from: "naive-2d",
  idea: "Let each thread move a strip of several elements to amortise index arithmetic",
  options: {
    walk: ["row", "column"],
    vector: [false, true],
    staged: [false, true],
    unrolled: [false, true],
    store: ["plain", "__stcs"],
    size: ["args", "constexpr"],
    items: [8, 16, 32, 64, 256],
    threads: [128, 64, 256, 32],
  },
  valid: (o) =>
    !(o["vector"] && o["staged"]) && !(o["staged"] && o["unrolled"]) && !(o["staged"] && o["items"] === 256),
  count: 46,
  write(o, s) {
    const size = sizing(o["size"], s);
    const along = o["walk"] === "row";
    const [items, threads] = [int(o, "items"), int(o, "threads")];
    const lane = along ? "row" : "col";
    const limit = along ? "rows" : "cols";
    const source = `#define STRIP ${items}
${size.header}extern "C" __global__ void transpose(${pointers(true)}${size.params}) {
  const int ${lane} = blockIdx.x * blockDim.x + threadIdx.x;
  const int first = blockIdx.y * STRIP;
  if (${lane} >= ${limit}) return;
${stripCopy(o, along)}
}
`;
    const [lanes, length] = along ? [rowsOf(s), colsOf(s)] : [colsOf(s), rowsOf(s)];
    const grid: [number, number, number] = [ceilDiv(lanes, threads), ceilDiv(length, items), 1];
    return { source, launches: [launch(grid, [threads, 1, 1], ["x", "out", ...size.args])] };
  },
};
