import type { Launch } from "../../../src/domain/index.ts";
import { launch } from "../kit/code.ts";

export interface Shape {
  readonly tokens: number;
  readonly heads: number;
  readonly keyHeads: number;
}

export function shape(sizes: Readonly<Record<string, number>>): Shape {
  const { tokens = 0, heads = 0, kv_heads: keyHeads = 0 } = sizes;
  return { tokens, heads, keyHeads };
}

export const rows = ({ tokens, heads, keyHeads }: Shape): number => tokens * (heads + keyHeads);

/** Whether queries and keys share one launch, found by the row's number, or have a launch each. */
export type Joint = "each" | "joint";

export function parameters(joint: Joint, restrict = "", type = "__half"): string {
  return joint === "joint"
    ? `const ${type}* ${restrict}q, const ${type}* ${restrict}k, const int* ${restrict}positions, ${type}* ${restrict}q_out, ${type}* ${restrict}k_out`
    : `const ${type}* ${restrict}x, const int* ${restrict}positions, ${type}* ${restrict}y, int heads`;
}

/** Declares `token`, `in` and `out` (the row's first element) of the row numbered `row`. */
export function rowLines(joint: Joint, { tokens, heads, keyHeads }: Shape, type = "__half", length = 128): string {
  return joint === "joint"
    ? `
      const bool is_key = row >= ${tokens * heads};
      const int own = is_key ? row - ${tokens * heads} : row;
      const int token = own / (is_key ? ${keyHeads} : ${heads});
      const ${type}* in = (is_key ? k : q) + (size_t)own * ${length};
      ${type}* out = (is_key ? k_out : q_out) + (size_t)own * ${length};`
    : `
      const int token = row / heads;
      const ${type}* in = x + (size_t)row * ${length};
      ${type}* out = y + (size_t)row * ${length};`;
}

/** Launches over rows: `grid` and `block` for a number of rows. */
export function rowLaunches(
  joint: Joint,
  kernel: string,
  given: Shape,
  grid: (rows: number) => number | readonly [number, number],
  block: number | readonly [number, number],
  smemBytes = 0,
): readonly Launch[] {
  const { tokens, heads, keyHeads } = given;
  if (joint === "joint") {
    return [launch(kernel, grid(rows(given)), block, ["q", "k", "positions", "q_out", "k_out"], smemBytes)];
  }
  return [
    launch(kernel, grid(tokens * heads), block, ["q", "positions", "q_out", { i32: heads }], smemBytes),
    launch(kernel, grid(tokens * keyHeads), block, ["k", "positions", "k_out", { i32: keyHeads }], smemBytes),
  ];
}
