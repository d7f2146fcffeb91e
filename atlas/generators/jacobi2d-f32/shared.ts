import { launch as single, on } from "../kit/code.ts";
import type { KernelDraft } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;
export type Sum = "grouped" | "fused" | "columns";
type Launches = KernelDraft["launches"];
type Arguments = Parameters<typeof single>[3];

/** Launches that go from u to out in `passes` passes, with the first plane of work between. */
export function sweeps(
  kernel: string,
  grid: readonly [number, number],
  block: number | readonly [number, number],
  { passes = 4, more = [], smem = 0 }: { passes?: 1 | 2 | 4; more?: Arguments; smem?: number } = {},
): Launches {
  const chain = { 1: ["u", "out"], 2: ["u", "work", "out"], 4: ["u", "work", "out", "work", "out"] }[passes];
  return chain
    .slice(0, -1)
    .map((from, index) => single(kernel, grid, block, [from, "force", chain[index + 1] as string, ...more], smem));
}

/** The new value of a cell from its eight neighbours and its force. */
export function relaxed(sum: Sum, n: readonly string[], force: string): string {
  const [nw, north, ne, west, east, sw, south, se] = n;
  return {
    grouped: `0.2f * (${north} + ${south} + ${west} + ${east}) + 0.05f * (${nw} + ${ne} + ${sw} + ${se}) + ${force}`,
    fused: `fmaf(0.2f, (${north} + ${south}) + (${west} + ${east}), fmaf(0.05f, (${nw} + ${se}) + (${ne} + ${sw}), ${force}))`,
    columns: `0.05f * (${nw} + ${sw}) + 0.2f * (${north} + ${south}) + 0.05f * (${ne} + ${se}) + 0.2f * (${west} + ${east}) + ${force}`,
  }[sum];
}

export const loaded = (load: "plain" | "ldg", text: string): string => (load === "ldg" ? `__ldg(&${text})` : text);

export const plane = ({ nx = 0, ny = 0 }: Sizes, kind: "define" | "constexpr" | "enum"): string =>
  ({
    define: `#define NX ${nx}\n#define NY ${ny}`,
    constexpr: `constexpr int NX = ${nx};\nconstexpr int NY = ${ny};`,
    enum: `enum { NX = ${nx}, NY = ${ny} };`,
  })[kind];

export const restricted = (restrict: boolean): string => on(restrict, " __restrict__");

export const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);
