import type { Launch } from "../../../src/domain/index.ts";
import type { KernelDraft, Options } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;

/** The task's sizes as numbers; every head has 64 dimensions. */
export function dimensions(sizes: Sizes): { heads: number; seq: number } {
  return { heads: sizes["heads"] ?? 0, seq: sizes["seq"] ?? 0 };
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
  args: Launch["args"] = ["q", "k", "v", "o"],
  smemBytes = 0,
): Launch {
  return { kernel, grid, block: [block[0], block[1], 1], smemBytes, args };
}

/** A draft with one launch on q, k, v and o. */
export function single(
  kernel: string,
  source: string,
  grid: readonly [number, number, number],
  threads: number,
  smemBytes = 0,
): KernelDraft {
  return { source, launches: [launch(kernel, grid, [threads, 1], ["q", "k", "v", "o"], smemBytes)] };
}

/** Converts eight packed halves to floats. */
export const unpackEight = `__device__ __forceinline__ void unpack8(uint4 raw, float* f) {
  const half2* h = (const half2*)&raw;
  #pragma unroll
  for (int u = 0; u < 4; ++u) {
    const float2 t = __half22float2(h[u]);
    f[2 * u] = t.x;
    f[2 * u + 1] = t.y;
  }
}
`;

/** The exponential of a scaled score; with exp2 the scale carries the base's logarithm. */
export function exponential(style: string): { scale: string; call: (x: string) => string } {
  if (style === "exp2f") return { scale: "0.18033688f", call: (x) => `exp2f(${x})` };
  return { scale: "0.125f", call: (x) => `${style}(${x})` };
}

/** PTX helpers around cp.async. */
export const asyncCopy = `__device__ __forceinline__ void cp16(unsigned dst, const void* src) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(dst), "l"(src) : "memory");
}
__device__ __forceinline__ void cp_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int LEFT>
__device__ __forceinline__ void cp_wait() {
  asm volatile("cp.async.wait_group %0;" :: "n"(LEFT) : "memory");
}
`;
