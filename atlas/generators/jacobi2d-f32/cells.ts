import type { Template } from "../kit/generator.ts";
import { on, styled, template } from "../kit/code.ts";
import { ceilDiv, loaded, relaxed, restricted, sweeps, type Sum } from "./shared.ts";

const around = (at: (dy: number, dx: number) => string): string[] =>
  [-1, 0, 1].flatMap((dy) => [-1, 0, 1].filter((dx) => dy !== 0 || dx !== 0).map((dx) => at(dy, dx)));

const offset = (dy: number, dx: number): string =>
  `${{ [-1]: " - nx", 0: "", 1: " + nx" }[dy] ?? ""}${{ [-1]: " - 1", 0: "", 1: " + 1" }[dx] ?? ""}`;

type Mapping = "plane" | "segment" | "flat" | "stride" | "columns";

/** A thread per cell and a launch per sweep. */
export const cellGrid: Template = template({
  id: "cell-per-thread",
  from: null,
  idea: "Let consecutive threads take consecutive cells of a row.",
  options: {
    mapping: ["flat", "plane", "segment", "stride", "columns"],
    rim: ["copy", "select", "first"],
    sum: ["grouped", "fused", "columns"],
    load: ["plain", "ldg"],
    restrict: [false, true],
    sizes: ["arguments", "constants"],
    long_index: [false, true],
    shape: ["32x8", "64x4", "128x2", "16x16"],
  },
  count: 30,
  write: (options, sizes) => {
    const { mapping, rim, sum, load, restrict, long_index, shape } = options;
    const { nx = 0, ny = 0 } = sizes;
    const [width, height] = shape.split("x").map(Number) as [number, number];
    const keep = restricted(restrict);
    const scalars = options.sizes === "arguments";
    const index = long_index ? "size_t" : "int";
    const cell = `${index} here = ${long_index ? "(size_t)" : ""}y * nx + x;`;
    const source = `
      ${on(!scalars, `#define nx ${nx}\n#define ny ${ny}`)}

      extern "C" __global__ void sweep(const float*${keep} from, const float*${keep} force, float*${keep} to${on(scalars, ", int nx, int ny")}) {
        ${place(mapping, scalars)}
        ${cell}
        ${cellText(rim, sum, load)}
        ${on(mapping === "stride", "}")}
      }
    `;
    const [grid, block] = geometry(mapping, nx, ny, width, height);
    const more = scalars ? [{ i32: nx }, { i32: ny }] : [];
    return styled({ source, launches: sweeps("sweep", grid, block, { more }) }, { names: "snake", indent: 2 });
  },
});

type Geometry = readonly [grid: readonly [number, number], block: readonly [number, number]];

function geometry(mapping: Mapping, nx: number, ny: number, width: number, height: number): Geometry {
  const flat = ceilDiv(nx * ny, width * height);
  const choices: Readonly<Record<Mapping, Geometry>> = {
    flat: [
      [flat, 1],
      [width * height, 1],
    ],
    stride: [
      [132 * 8, 1],
      [width * height, 1],
    ],
    segment: [
      [ceilDiv(nx, width * height), ny],
      [width * height, 1],
    ],
    plane: [
      [ceilDiv(nx, width), ceilDiv(ny, height)],
      [width, height],
    ],
    columns: [
      [ceilDiv(ny, height), ceilDiv(nx, width)],
      [height, width],
    ],
  };
  return choices[mapping];
}

function place(mapping: Mapping, scalars: boolean): string {
  const guard = "if (x >= nx || y >= ny) return;";
  const split = scalars ? "int y = id / nx;\nint x = id - y * nx;" : "int x = id % nx;\nint y = id / nx;";
  return {
    flat: `int id = blockIdx.x * blockDim.x + threadIdx.x;\nif (id >= nx * ny) return;\n${split}`,
    stride: `for (int id = blockIdx.x * blockDim.x + threadIdx.x; id < nx * ny; id += gridDim.x * blockDim.x) {\n${split}`,
    segment: `int x = blockIdx.x * blockDim.x + threadIdx.x;\nint y = blockIdx.y;\n${guard}`,
    plane: `int x = blockIdx.x * blockDim.x + threadIdx.x;\nint y = blockIdx.y * blockDim.y + threadIdx.y;\n${guard}`,
    columns: `int y = blockIdx.x * blockDim.x + threadIdx.x;\nint x = blockIdx.y * blockDim.y + threadIdx.y;\n${guard}`,
  }[mapping];
}

function cellText(rim: "copy" | "select" | "first", sum: Sum, load: "plain" | "ldg"): string {
  const value = relaxed(
    sum,
    around((dy, dx) => loaded(load, `from[here${offset(dy, dx)}]`)),
    loaded(load, "force[here]"),
  );
  if (rim === "select") {
    const near = around((dy, dx) =>
      loaded(load, `from[${["up", "y", "down"][dy + 1]} * nx + ${["left", "x", "right"][dx + 1]}]`),
    );
    return `
      int up = y > 0 ? y - 1 : 0, down = y < ny - 1 ? y + 1 : y;
      int left = x > 0 ? x - 1 : 0, right = x < nx - 1 ? x + 1 : x;
      float value = ${relaxed(sum, near, loaded(load, "force[here]"))};
      bool inner = up < y && y < down && left < x && x < right;
      to[here] = inner ? value : from[here];`;
  }
  const test = "x > 0 && x < nx - 1 && y > 0 && y < ny - 1";
  if (rim === "first") return `float value = from[here];\nif (${test}) {\nvalue = ${value};\n}\nto[here] = value;`;
  return `if (${test}) {\nto[here] = ${value};\n} else {\nto[here] = from[here];\n}`;
}
