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

/** `text` where the condition holds, nothing elsewhere. */
export function when(condition: unknown, text: string, otherwise = ""): string {
  return condition ? text : otherwise;
}

export function launch(
  kernel: string,
  grid: readonly [number, number, number],
  block: readonly [number, number],
  args: Launch["args"] = ["a", "b", "c"],
  smemBytes = 0,
): Launch {
  return { kernel, grid, block: [block[0], block[1], 1], smemBytes, args };
}

/** A draft with one launch on a, b and c. */
export function single(
  kernel: string,
  source: string,
  grid: readonly [number, number],
  block: readonly [number, number],
  scalars: Launch["args"] = [],
  smemBytes = 0,
): KernelDraft {
  return { source, launches: [launch(kernel, [grid[0], grid[1], 1], block, ["a", "b", "c", ...scalars], smemBytes)] };
}

/** The block's tile coordinates bx, by: by launch order, or in groups of rows that share columns. */
export function blockOrder(grouped: boolean, tilesDown: number): string {
  if (!grouped) return "  const int bx = blockIdx.x, by = blockIdx.y;";
  return `  const int serial = blockIdx.y * gridDim.x + blockIdx.x;
  const int band = ${Math.min(8, tilesDown)};
  const int by = (serial / (band * gridDim.x)) * band + serial % band;
  const int bx = (serial / band) % gridDim.x;`;
}

/** PTX helpers around cp.async. */
export const asyncCopy = `__device__ __forceinline__ void copy_async(unsigned dst, const void* src) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(dst), "l"(src) : "memory");
}
__device__ __forceinline__ void copy_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int LEFT>
__device__ __forceinline__ void copy_wait() {
  asm volatile("cp.async.wait_group %0;" :: "n"(LEFT) : "memory");
}
`;
