import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { ceilDiv, combine, gridOf, inside, int, launch, pointers, read, shape, write, type Grid } from "./shared.ts";

const components = ["x", "y", "z", "w"];

function stripValue(o: Options, line: readonly string[]): string {
  const get = (offset: string): string => read(o["load"], `here[${offset}]`);
  if (!o["vector"]) {
    const near = [get("-1"), get("1"), line[1], line[3], get("-plane"), get("plane")] as string[];
    const far = [get("-2"), get("2"), line[0], line[4], get("-2 * plane"), get("2 * plane")] as string[];
    return `      value = ${combine(o["sum"], "value", near, far)};`;
  }
  const c = line[2] as string;
  const row = ["l.z", "l.w", ...components.map((k) => `${c}.${k}`), "r.x", "r.y"];
  const lanes = components.map((k, j) => {
    const near = [row[j + 1], row[j + 3], `${line[1]}.${k}`, `${line[3]}.${k}`, `b1.${k}`, `t1.${k}`] as string[];
    const far = [row[j], row[j + 4], `${line[0]}.${k}`, `${line[4]}.${k}`, `b2.${k}`, `t2.${k}`] as string[];
    return `      ${j < 2 ? "if (x > 0)" : "if (x < width - 1)"} value.${k} = ${combine(o["sum"], `${c}.${k}`, near, far)};`;
  });
  return `      const float4 l = ${get("-1")}, r = ${get("1")};
      const float4 b1 = ${get("-plane")}, t1 = ${get("plane")};
      const float4 b2 = ${get("-2 * plane")}, t2 = ${get("2 * plane")};
${lanes.join("\n")}`;
}

function stripBody(o: Options, type: string): string {
  const at = (y: string): string => read(o["load"], `sheet[min(max(${y}, 0), ny - 1) * width]`);
  const columns = o["vector"] ? "" : "x >= 2 && x < nx - 2 && ";
  const test = `${columns}y >= 2 && y < ny - 2 && z >= 2 && z < nz - 2`;
  const array = o["style"] === "array";
  const line = array
    ? ["line[j]", "line[j + 1]", "line[j + 2]", "line[j + 3]", "line[j + 4]"]
    : ["n2", "n1", "c", "s1", "s2"];
  const head = array
    ? `  ${type} line[RUN + 4];
#pragma unroll
  for (int k = 0; k < RUN + 4; ++k) line[k] = ${at("y0 - 2 + k")};
#pragma unroll
  for (int j = 0; j < RUN; ++j) {
    const int y = y0 + j;
    if (y >= ny) break;`
    : `  ${type} n2 = ${at("y0 - 2")};
  ${type} n1 = ${at("y0 - 1")};
  ${type} c = ${at("y0")};
  ${type} s1 = ${at("y0 + 1")};
${o["unrolled"] ? "#pragma unroll 4\n" : ""}  for (int y = y0; y < min(y0 + RUN, ny); ++y) {
    const ${type} s2 = ${at("y + 2")};`;
  return `${head}
    ${type} value = ${line[2]};
    if (${test}) {
      const ${type}* here = sheet + y * width;
${stripValue(o, line)}
    }
    ${write(o["store"], "to[y * width]", "value")}
${array ? "" : "    n2 = n1;\n    n1 = c;\n    c = s1;\n    s1 = s2;\n"}  }`;
}

/** Each thread computes a strip along y; planes above and below come through the caches. */
export const yStrip: Template = {
  id: "y-strip",
  from: "cell-per-thread",
  idea: "Compute several rows per thread and reuse the values along y",
  options: {
    style: ["rolling", "array"],
    vector: [false, true],
    unrolled: [false, true],
    sum: ["grouped", "fma"],
    load: ["plain", "__ldg"],
    store: ["plain", "__stcs"],
    size: ["args", "constexpr"],
    run: [4, 8, 2, 16],
    block: ["32x4", "64x2", "128", "32x8"],
  },
  valid: (o) => !(o["style"] === "array" && (o["unrolled"] || Number(o["run"]) > 8)),
  count: 29,
  write(o, s) {
    const grid = gridOf(o["size"], s);
    const block = shape(o["block"]);
    const [type, cells] = o["vector"] ? (["float4", 4] as const) : (["float", 1] as const);
    const view = (to: string, from: string, mark: string): string =>
      o["vector"] ? `reinterpret_cast<${mark}float4*>(${from}) + ${to}` : `${from} + ${to}`;
    const source = `#define RUN ${int(o, "run")}
${grid.header}extern "C" __global__ void sweep(${pointers(true)}${grid.params}) {
  const int width = nx${o["vector"] ? " / 4" : ""};
  const int plane = width * ny;
  const int x = blockIdx.x * blockDim.x + threadIdx.x;
  const int z = blockIdx.y * blockDim.y + threadIdx.y;
  const int y0 = blockIdx.z * RUN;
  if (x >= width || z >= nz) return;
  const ${type}* sheet = ${view("z * plane + x", "u", "const ")};
  ${type}* to = ${view("z * plane + x", "out", "")};
${stripBody(o, type)}
}
`;
    const blocks: [number, number, number] = [
      ceilDiv(grid.nx / cells, block[0]),
      ceilDiv(grid.nz, block[1]),
      ceilDiv(grid.ny, int(o, "run")),
    ];
    return { source, launches: [launch(blocks, block, ["u", "out", ...grid.args])] };
  },
};

function pass(o: Options, name: string, grid: Grid, body: string, pair: string): string {
  const index = o["flat"]
    ? `  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= nx * ny * nz) return;
  const int x = i % nx;
  const int y = i / nx % ny;
  const int z = i / (nx * ny);`
    : `  const int x = blockIdx.x * blockDim.x + threadIdx.x;
  const int y = blockIdx.y * blockDim.y + threadIdx.y;
  const int z = blockIdx.z;
  if (x >= nx || y >= ny) return;
  const int i = (z * ny + y) * nx + x;`;
  return `extern "C" __global__ void ${name}(${pair}${grid.params}) {
${index}
  const bool inner = ${inside};
${body}
}
`;
}

function axis(o: Options, stride: string): string {
  const get = (offset: string): string => read(o["load"], `u[i ${offset}]`);
  return `0.1875f * (${get(`- ${stride}`)} + ${get(`+ ${stride}`)}) - 0.0625f * (${get(`- 2 * ${stride}`)} + ${get(`+ 2 * ${stride}`)})`;
}

type Pass = readonly [name: string, target: "out" | "scratch", body: string];

function passList(o: Options): readonly Pass[] {
  const [along, across, deep] = [axis(o, "1"), axis(o, "nx"), axis(o, "(nx * ny)")];
  const cell = read(o["load"], "u[i]");
  if (o["route"] === "scatter") {
    const reach = ["x", "y", "z"].flatMap((a) => [-2, -1, 1, 2].map((d) => [a, d] as const));
    const adds = reach.map(([a, d]) => {
      const stride = a === "x" ? "1" : a === "y" ? "nx" : "nx * ny";
      const rest = ["x", "y", "z"]
        .filter((b) => b !== a)
        .map((b) => `in${b}`)
        .join(" && ");
      return `  if (${rest} && ${a} + ${d} >= 2 && ${a} + ${d} < n${a} - 2) atomicAdd(&out[i + ${d} * (${stride})], ${Math.abs(d) === 1 ? "0.1875f" : "-0.0625f"} * value);`;
    });
    const within = ["x", "y", "z"].map((a) => `  const bool in${a} = ${a} >= 2 && ${a} < n${a} - 2;`);
    return [
      ["centre", "out", `  out[i] = inner ? 0.25f * ${cell} : ${cell};`],
      ["spread", "out", `  const float value = ${cell};\n${within.join("\n")}\n${adds.join("\n")}`],
    ];
  }
  if (o["route"] === "two") {
    return [
      ["depth", "out", `  out[i] = inner ? 0.25f * ${cell} + ${deep} : ${cell};`],
      ["plane", "out", `  if (inner) out[i] += ${along} + ${across};`],
    ];
  }
  const on = o["route"] === "scratch" ? "scratch" : "out";
  const last =
    on === "scratch" ? `  out[i] = inner ? scratch[i] + ${along} : ${cell};` : `  if (inner) out[i] += ${along};`;
  return [
    [
      "depth",
      on,
      on === "out"
        ? `  out[i] = inner ? 0.25f * ${cell} + ${deep} : ${cell};`
        : `  if (inner) scratch[i] = 0.25f * ${cell} + ${deep};`,
    ],
    ["across", on, `  if (inner) ${on}[i] += ${across};`],
    ["along", "out", last],
  ];
}

/** One pass per axis, adding into the output or into scratch. */
export const axisPasses: Template = {
  id: "axis-passes",
  from: "cell-per-thread",
  idea: "Split the star into passes that each add one axis",
  options: {
    route: ["out", "scratch", "two", "scatter"],
    flat: [false, true],
    restrict: [false, true],
    load: ["plain", "__ldg"],
    size: ["args", "constexpr"],
    block: ["32x8", "128x2", "256", "64x4"],
  },
  count: 27,
  write(o, s): KernelDraft {
    const grid = gridOf(o["size"], s);
    const block = shape(o["block"]);
    const passes = passList(o);
    const usesScratch = (step: Pass): boolean => step[1] === "scratch" || step[2].includes("scratch");
    const mark = o["restrict"] ? " __restrict__" : "";
    const text = passes.map((step) => {
      const extra = step[1] === "out" && usesScratch(step) ? `, const float*${mark} scratch` : "";
      return pass(o, step[0], grid, step[2], `${pointers(o["restrict"], "u", step[1])}${extra}`);
    });
    const blocks: [number, number, number] = o["flat"]
      ? [ceilDiv(grid.nx * grid.ny * grid.nz, block[0] * block[1]), 1, 1]
      : [ceilDiv(grid.nx, block[0]), ceilDiv(grid.ny, block[1]), grid.nz];
    const threads: [number, number, number] = o["flat"] ? [block[0] * block[1], 1, 1] : block;
    const launches = passes.map((step) => {
      const buffers = step[1] === "out" && usesScratch(step) ? ["u", "out", "scratch"] : ["u", step[1]];
      return launch(blocks, threads, [...buffers, ...grid.args], 0, step[0]);
    });
    return { source: grid.header + text.join("\n"), launches };
  },
};
