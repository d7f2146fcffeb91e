import type { Launch } from "../../../src/domain/index.ts";
import type { KernelDraft, Options } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;

/** The task's sizes as numbers. */
export function dimensions(sizes: Sizes): { m: number; n: number; k: number } {
  return { m: sizes["m"] ?? 0, n: sizes["n"] ?? 0, k: sizes["k"] ?? 0 };
}

export function numberOf(options: Options, name: string): number {
  return Number(options[name]);
}

/** `text` where the option is true, nothing elsewhere. */
export function when(condition: unknown, text: string, otherwise = ""): string {
  return condition ? text : otherwise;
}

/** Sizes as constants of the source or as parameters of the kernel, always named M, N and K. */
export function sizeNames(fixed: boolean, sizes: Sizes): { head: string; parameters: string; args: Launch["args"] } {
  const { m, n, k } = dimensions(sizes);
  if (fixed) return { head: `constexpr int M = ${m}, N = ${n}, K = ${k};\n`, parameters: "", args: [] };
  return { head: "", parameters: ", int M, int N, int K", args: [{ i32: m }, { i32: n }, { i32: k }] };
}

/** A draft with one launch of `kernel` on a, b, c and the given scalars. */
export function single(
  kernel: string,
  source: string,
  grid: readonly [number, number],
  block: readonly [number, number],
  scalars: Launch["args"] = [],
  smemBytes = 0,
): KernelDraft {
  return {
    source,
    launches: [
      {
        kernel,
        grid: [grid[0], grid[1], 1],
        block: [block[0], block[1], 1],
        smemBytes,
        args: ["a", "b", "c", ...scalars],
      },
    ],
  };
}
