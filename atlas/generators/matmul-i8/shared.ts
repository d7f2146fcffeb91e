import type { LaunchArgument } from "../../../src/domain/index.ts";

export type Sizes = Readonly<Record<string, number>>;

export function extents(sizes: Sizes): { m: number; n: number; k: number } {
  return { m: sizes["m"] ?? 0, n: sizes["n"] ?? 0, k: sizes["k"] ?? 0 };
}

/** M, N and K as parameters or as constants of the source. */
export function sizing(
  kind: "args" | "constexpr" | "define",
  sizes: Sizes,
): { header: string; params: string; args: readonly LaunchArgument[] } {
  const { m, n, k } = extents(sizes);
  if (kind === "args")
    return { header: "", params: ", int M, int N, int K", args: [{ i32: m }, { i32: n }, { i32: k }] };
  if (kind === "define") return { header: `#define M ${m}\n#define N ${n}\n#define K ${k}\n`, params: "", args: [] };
  return { header: `constexpr int M = ${m}, N = ${n}, K = ${k};\n`, params: "", args: [] };
}

export function pair(text: string): [number, number] {
  const [first = 0, second = 0] = text.split("x").map(Number);
  return [first, second];
}

/** Statements that set tile_row and tile_col: in launch order, or in bands of rows that share columns of B. */
export function tileOrder(order: "plain" | "bands" | "swapped"): string {
  if (order === "plain") return "const int tile_row = blockIdx.y, tile_col = blockIdx.x;";
  if (order === "swapped")
    return `const int flat = blockIdx.y * gridDim.x + blockIdx.x;
const int tile_row = flat % gridDim.y, tile_col = flat / gridDim.y;`;
  return `const int flat = blockIdx.y * gridDim.x + blockIdx.x;
const int per_band = 4 * gridDim.x;
const int tile_row = flat / per_band * 4 + flat % 4, tile_col = flat % per_band / 4;`;
}

export const orders = ["plain", "bands", "swapped"] as const;
