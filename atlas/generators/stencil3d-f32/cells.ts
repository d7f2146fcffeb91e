import type { Options, Template } from "../kit/generator.ts";
import { ceilDiv, combine, gridOf, inside, int, launch, pointers, read, shape, write } from "./shared.ts";

function neighbours(o: Options): { near: string[]; far: string[]; before: string; cell: string } {
  const load = o["load"];
  const at = (dx: string, dy: string, dz: string): string => {
    if (o["access"] === "macro") return `U(x${dx}, y${dy}, z${dz})`;
    const offset = dz ? `${dz.slice(0, 3)} ${dz.slice(3)} * plane` : dy ? `${dy.slice(0, 3)} ${dy.slice(3)} * nx` : dx;
    const base = o["access"] === "pointer" ? offset.trim() || "0" : `i${offset}`;
    return read(load, `${o["access"] === "pointer" ? "p" : "u"}[${base.replace("  ", " ").replace("1 * ", "")}]`);
  };
  const ring = (d: number): string[] => [
    at(` - ${d}`, "", ""),
    at(` + ${d}`, "", ""),
    at("", ` - ${d}`, ""),
    at("", ` + ${d}`, ""),
    at("", "", ` - ${d}`),
    at("", "", ` + ${d}`),
  ];
  const before = o["access"] === "pointer" ? "  const float* p = u + i;\n" : "";
  return { near: ring(1), far: ring(2), before, cell: at("", "", "") };
}

function clamped(o: Options): string {
  const get = (x: string, y: string, z: string): string => read(o["load"], `u[(${z} * ny + ${y}) * nx + ${x}]`);
  const near = [
    get("x1", "y", "z"),
    get("x3", "y", "z"),
    get("x", "y1", "z"),
    get("x", "y3", "z"),
    get("x", "y", "z1"),
    get("x", "y", "z3"),
  ];
  const far = [
    get("x0", "y", "z"),
    get("x4", "y", "z"),
    get("x", "y0", "z"),
    get("x", "y4", "z"),
    get("x", "y", "z0"),
    get("x", "y", "z4"),
  ];
  const ends = (["x", "y", "z"] as const).map(
    (a) =>
      `  int ${a}0 = max(${a} - 2, 0), ${a}1 = max(${a} - 1, 0), ${a}3 = min(${a} + 1, n${a} - 1), ${a}4 = min(${a} + 2, n${a} - 1);`,
  );
  return `${ends.join("\n")}
  float cell = ${read(o["load"], "u[i]")};
  float value = ${combine(o["sum"], "cell", near, far)};
  ${write(o["store"], "out[i]", `(${inside}) ? value : cell`)}`;
}

function cellBody(o: Options): string {
  if (o["guard"] === "clamp") return clamped(o);
  const { near, far, before, cell } = neighbours(o);
  const value = combine(o["sum"], o["guard"] === "select" ? "value" : cell, near, far);
  if (o["guard"] === "select") {
    return `${before}  float value = ${cell};
  if (${inside}) {
    value = ${value};
  }
  ${write(o["store"], "out[i]", "value")}`;
  }
  return `${before}  if (x < 2 || x >= nx - 2 || y < 2 || y >= ny - 2 || z < 2 || z >= nz - 2) {
    ${write(o["store"], "out[i]", cell)}
    return;
  }
  ${write(o["store"], "out[i]", value)}`;
}

/** One thread per cell with x fastest. */
export const perCell: Template = {
  id: "cell-per-thread",
  from: null,
  idea: "Map neighbouring threads to neighbouring cells along x",
  options: {
    guard: ["early", "select", "clamp"],
    access: ["index", "macro", "pointer"],
    sum: ["grouped", "fma", "terms"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    size: ["args", "define"],
    block: ["8x8x8", "32x8", "16x8x4", "64x4", "128x2", "32x4x4", "256"],
  },
  valid: (o) => !(o["guard"] === "clamp" && o["access"] !== "index"),
  count: 29,
  write(o, s) {
    const grid = gridOf(o["size"], s);
    const block = shape(o["block"]);
    const macro =
      o["access"] === "macro" ? `#define U(x, y, z) ${read(o["load"], "u[((z) * ny + (y)) * nx + (x)]")}\n\n` : "";
    const source = `${grid.header}${macro}extern "C" __global__ void sweep(${pointers(o["load"] === "plain" ? o["guard"] === "select" : true)}${grid.params}) {
  int x = blockIdx.x * blockDim.x + threadIdx.x;
  int y = blockIdx.y * blockDim.y + threadIdx.y;
  int z = blockIdx.z * blockDim.z + threadIdx.z;
  if (x >= nx || y >= ny || z >= nz) return;
${o["access"] === "macro" || o["guard"] === "clamp" ? "" : "  int plane = nx * ny;\n"}  int i = (z * ny + y) * nx + x;
${cellBody(o)}
}
`;
    const blocks: [number, number, number] = [
      ceilDiv(grid.nx, block[0]),
      ceilDiv(grid.ny, block[1]),
      ceilDiv(grid.nz, block[2]),
    ];
    return { source, launches: [launch(blocks, block, ["u", "out", ...grid.args])] };
  },
};

function flatScalar(o: Options, type: string): string {
  const { near, far, cell } = neighbours({ ...o, access: "index" });
  return `    const ${type} x = i % nx;
    const ${type} row = i / nx;
    const ${type} y = row % ny;
    const ${type} z = row / ny;
    float value = ${cell};
    if (${inside}) {
      value = ${combine(o["sum"], "value", near, far)};
    }
    ${write(o["store"], "out[i]", "value")}`;
}

function flatVector(o: Options, type: string): string {
  const get = (offset: string): string => read(o["load"], `u4[q${offset}]`);
  const names = ["x", "y", "z", "w"];
  const line = ["l.z", "l.w", "c.x", "c.y", "c.z", "c.w", "r.x", "r.y"];
  const lanes = names.map((k, j) => {
    const near = [line[j + 1], line[j + 3], `n1.${k}`, `s1.${k}`, `b1.${k}`, `t1.${k}`] as string[];
    const far = [line[j], line[j + 4], `n2.${k}`, `s2.${k}`, `b2.${k}`, `t2.${k}`] as string[];
    return `      v.${k} = ${combine(o["sum"], `c.${k}`, near, far)};`;
  });
  return `    const ${type} row = q / (nx / 4);
    const ${type} x = (q - row * (nx / 4)) * 4;
    const ${type} y = row % ny;
    const ${type} z = row / ny;
    const float4 c = ${get("")};
    float4 v = c;
    if (y >= 2 && y < ny - 2 && z >= 2 && z < nz - 2) {
      const float4 l = x > 0 ? ${get(" - 1")} : c;
      const float4 r = x < nx - 4 ? ${get(" + 1")} : c;
      const float4 n1 = ${get(" - nx / 4")}, s1 = ${get(" + nx / 4")};
      const float4 n2 = ${get(" - nx / 2")}, s2 = ${get(" + nx / 2")};
      const float4 b1 = ${get(" - plane")}, t1 = ${get(" + plane")};
      const float4 b2 = ${get(" - 2 * plane")}, t2 = ${get(" + 2 * plane")};
${lanes.join("\n")}
      if (x == 0) {
        v.x = c.x;
        v.y = c.y;
      }
      if (x == nx - 4) {
        v.z = c.z;
        v.w = c.w;
      }
    }
    ${write(o["store"], "out4[q]", "v")}`;
}

/** A flat index, for one cell or for four at once. */
export const flat: Template = {
  id: "flat-index",
  from: "cell-per-thread",
  idea: "Use a flat index over the cells and split it into coordinates",
  options: {
    vector: [false, true],
    stride: [false, true],
    type: ["int", "unsigned int", "long long"],
    sum: ["grouped", "fma"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    size: ["args", "constexpr"],
    threads: [256, 128, 512],
    waves: [16, 8, 4],
  },
  count: 29,
  write(o, s) {
    const grid = gridOf(o["size"], s);
    const type = String(o["type"]);
    const [index, width] = o["vector"] ? ["q", 4] : ["i", 1];
    const total = (grid.nx * grid.ny * grid.nz) / width;
    const threads = int(o, "threads");
    const scale = o["vector"] ? " / 4" : "";
    const views = `  const float4* u4 = reinterpret_cast<const float4*>(u);
  float4* out4 = reinterpret_cast<float4*>(out);\n`;
    const start = `(${type})blockIdx.x * blockDim.x + threadIdx.x`;
    const head = o["stride"]
      ? `  for (${type} ${index} = ${start}; ${index} < total; ${index} += gridDim.x * blockDim.x) {`
      : `  const ${type} ${index} = ${start};
  if (${index} < total) {`;
    const source = `${grid.header}extern "C" __global__ void sweep(${pointers(true)}${grid.params}) {
  const ${type} plane = nx * ny${scale};
  const ${type} total = plane * nz;
${o["vector"] ? views : ""}${head}
${o["vector"] ? flatVector(o, type) : flatScalar(o, type)}
  }
}
`;
    const blocks = o["stride"] ? 132 * int(o, "waves") : ceilDiv(total, threads);
    return { source, launches: [launch([blocks, 1, 1], [threads, 1, 1], ["u", "out", ...grid.args])] };
  },
};

function marchX(o: Options): string {
  const line = (j: number): string => read(o["load"], `row[x + ${j}]`);
  const others = (d: number): string[] => {
    const k = d === 1 ? "" : `${d} * `;
    return [`row[x - ${k}nx]`, `row[x + ${k}nx]`, `row[x - ${k}plane]`, `row[x + ${k}plane]`].map((place) =>
      read(o["load"], place),
    );
  };
  const rolling = o["rolling"];
  const near = [...(rolling ? ["w1", "e1"] : ["row[x - 1]", "row[x + 1]"]), ...others(1)];
  const far = [...(rolling ? ["w2", "e2"] : ["row[x - 2]", "row[x + 2]"]), ...others(2)];
  return `  const float* row = u + (z * ny + y) * nx;
  float* to = out + (z * ny + y) * nx;
  if (y < 2 || y >= ny - 2 || z < 2 || z >= nz - 2) {
    for (int x = x0; x < x1; ++x) to[x] = row[x];
    return;
  }
  for (int x = x0; x < min(x1, 2); ++x) to[x] = row[x];
  for (int x = max(x0, nx - 2); x < x1; ++x) to[x] = row[x];
  const int first = max(x0, 2);
  const int last = min(x1, nx - 2);
${rolling ? "  float w2 = row[first - 2], w1 = row[first - 1], c = row[first], e1 = row[first + 1];\n" : ""}${o["unrolled"] ? "#pragma unroll 4\n" : ""}  for (int x = first; x < last; ++x) {
${rolling ? `    const float e2 = ${line(2)};\n` : ""}    to[x] = ${combine(o["sum"], rolling ? "c" : "row[x]", near, far)};
${rolling ? "    w2 = w1;\n    w1 = c;\n    c = e1;\n    e1 = e2;\n" : ""}  }`;
}

/** Threads spread over rows; each walks along x. */
export const rowWalk: Template = {
  id: "row-walk",
  from: null,
  idea: "Give each thread a run of a row and walk along x, keeping the line in registers",
  options: {
    lanes: ["y", "z"],
    rolling: [false, true],
    unrolled: [false, true],
    sum: ["grouped", "fma", "terms"],
    load: ["plain", "__ldg"],
    size: ["args", "constexpr"],
    run: [32, 64, 16, 128, 8],
    block: ["32x4", "16x16", "8x8", "64x2"],
  },
  count: 29,
  write(o, s) {
    const grid = gridOf(o["size"], s);
    const block = shape(o["block"]);
    const run = int(o, "run");
    const [fast, slow] = o["lanes"] === "y" ? ["y", "z"] : ["z", "y"];
    const source = `#define RUN ${run}
${grid.header}extern "C" __global__ void sweep(${pointers(true)}${grid.params}) {
  const int plane = nx * ny;
  const int ${fast} = blockIdx.x * blockDim.x + threadIdx.x;
  const int ${slow} = blockIdx.y * blockDim.y + threadIdx.y;
  if (y >= ny || z >= nz) return;
  const int x0 = blockIdx.z * RUN;
  const int x1 = min(x0 + RUN, nx);
${marchX(o)}
}
`;
    const [n0, n1] = o["lanes"] === "y" ? [grid.ny, grid.nz] : [grid.nz, grid.ny];
    const blocks: [number, number, number] = [ceilDiv(n0, block[0]), ceilDiv(n1, block[1]), ceilDiv(grid.nx, run)];
    return { source, launches: [launch(blocks, block, ["u", "out", ...grid.args])] };
  },
};
