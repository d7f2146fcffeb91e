import type { LaunchArgument } from "../../../src/domain/index.ts";
import type { KernelDraft, OptionValue, Options } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;

/** The matrix's sizes: as constants of the source, or as kernel parameters. */
export interface Sizing {
  readonly header: string;
  readonly params: string;
  readonly args: readonly LaunchArgument[];
}

export function rowsOf(sizes: Sizes): number {
  return sizes["rows"] ?? 0;
}

export function colsOf(sizes: Sizes): number {
  return sizes["cols"] ?? 0;
}

export function sizing(mode: OptionValue | undefined, sizes: Sizes): Sizing {
  const rows = rowsOf(sizes);
  const cols = colsOf(sizes);
  if (mode === "constexpr") {
    return { header: `constexpr int rows = ${rows};\nconstexpr int cols = ${cols};\n\n`, params: "", args: [] };
  }
  if (mode === "define") return { header: `#define rows ${rows}\n#define cols ${cols}\n\n`, params: "", args: [] };
  return { header: "", params: ", int rows, int cols", args: [{ i32: rows }, { i32: cols }] };
}

/** Pointer parameters with or without `__restrict__`. */
export function pointers(restrict: OptionValue | undefined, from = "x", to = "out"): string {
  const mark = restrict ? " __restrict__" : "";
  return `const float*${mark} ${from}, float*${mark} ${to}`;
}

/** Reads one element through plain access or a cache-hint intrinsic. */
export function read(how: OptionValue | undefined, place: string): string {
  return how === "plain" ? place : `${String(how)}(&${place})`;
}

export function read4(how: OptionValue | undefined, place: string): string {
  const pointer = `reinterpret_cast<const float4*>(&${place})`;
  return how === "plain" ? `*${pointer}` : `${String(how)}(${pointer})`;
}

export function write(how: OptionValue | undefined, place: string, value: string): string {
  return how === "plain" ? `${place} = ${value};` : `${String(how)}(&${place}, ${value});`;
}

export function write4(how: OptionValue | undefined, place: string, value: string): string {
  const pointer = `reinterpret_cast<float4*>(&${place})`;
  return how === "plain" ? `*${pointer} = ${value};` : `${String(how)}(${pointer}, ${value});`;
}

export function unroll(on: OptionValue | undefined, indent: string): string {
  return on ? `${indent}#pragma unroll\n` : "";
}

export function int(options: Options, name: string): number {
  return Number(options[name]);
}

export function ceilDiv(a: number, b: number): number {
  return Math.ceil(a / b);
}

export function launch(
  grid: readonly [number, number, number],
  block: readonly [number, number, number],
  args: readonly LaunchArgument[],
  smemBytes = 0,
  kernel = "transpose",
): KernelDraft["launches"][number] {
  return { kernel, grid, block, smemBytes, args };
}
