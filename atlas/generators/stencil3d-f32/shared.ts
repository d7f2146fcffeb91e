import type { Launch, LaunchArgument } from "../../../src/domain/index.ts";
import type { OptionValue, Options } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;

export interface Grid {
  readonly nx: number;
  readonly ny: number;
  readonly nz: number;
  readonly header: string;
  readonly params: string;
  readonly args: readonly LaunchArgument[];
}

/** The grid's sizes, as kernel parameters or as constants of the source. */
export function gridOf(mode: OptionValue | undefined, sizes: Sizes): Grid {
  const [nx, ny, nz] = [sizes["nx"] ?? 0, sizes["ny"] ?? 0, sizes["nz"] ?? 0];
  if (mode === "args") {
    return {
      nx,
      ny,
      nz,
      header: "",
      params: ", int nx, int ny, int nz",
      args: [{ i32: nx }, { i32: ny }, { i32: nz }],
    };
  }
  const header =
    mode === "define"
      ? `#define nx ${nx}\n#define ny ${ny}\n#define nz ${nz}\n\n`
      : `constexpr int nx = ${nx};\nconstexpr int ny = ${ny};\nconstexpr int nz = ${nz};\n\n`;
  return { nx, ny, nz, header, params: "", args: [] };
}

export function pointers(restrict: OptionValue | undefined, from = "u", to = "out"): string {
  const mark = restrict ? " __restrict__" : "";
  return `const float*${mark} ${from}, float*${mark} ${to}`;
}

export function read(how: OptionValue | undefined, place: string): string {
  return how === "plain" ? place : `${String(how)}(&${place})`;
}

export function write(how: OptionValue | undefined, place: string, value: string): string {
  return how === "plain" ? `${place} = ${value};` : `${String(how)}(&${place}, ${value});`;
}

/** The weighted sum of a cell and its neighbours in one of the ways in which people write it. */
export function combine(
  style: OptionValue | undefined,
  cell: string,
  near: readonly string[],
  far: readonly string[],
): string {
  if (style === "fma") return `fmaf(-0.0625f, ${far.join(" + ")}, fmaf(0.1875f, ${near.join(" + ")}, 0.25f * ${cell}))`;
  if (style === "terms") {
    const terms = [...near.map((name) => `0.1875f * ${name}`), ...far.map((name) => `-0.0625f * ${name}`)];
    return [`0.25f * ${cell}`, ...terms].join(" + ");
  }
  return `0.25f * ${cell} + 0.1875f * (${near.join(" + ")}) - 0.0625f * (${far.join(" + ")})`;
}

export function int(options: Options, name: string): number {
  return Number(options[name]);
}

/** A block shape written as "32x8" or "32x4x2". */
export function shape(value: OptionValue | undefined): [number, number, number] {
  const [x = 1, y = 1, z = 1] = String(value).split("x").map(Number);
  return [x, y, z];
}

export function ceilDiv(a: number, b: number): number {
  return Math.ceil(a / b);
}

export function launch(
  grid: readonly [number, number, number],
  block: readonly [number, number, number],
  args: readonly LaunchArgument[],
  smemBytes = 0,
  kernel = "sweep",
): Launch {
  return { kernel, grid, block, smemBytes, args };
}

export const inside = "x >= 2 && x < nx - 2 && y >= 2 && y < ny - 2 && z >= 2 && z < nz - 2";
