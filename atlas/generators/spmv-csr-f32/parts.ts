import type { LaunchArgument } from "../../../src/domain/index.ts";
import { repeat } from "../kit/code.ts";

export type Access = "plain" | "ldg" | "streaming";

/** One product; `streaming` marks the matrix as read once. */
export function product(access: Access, j: string): string {
  return {
    plain: `vals[${j}] * x[cols[${j}]]`,
    ldg: `__ldg(vals + ${j}) * __ldg(x + __ldg(cols + ${j}))`,
    streaming: `__ldcs(vals + ${j}) * __ldg(x + __ldcs(cols + ${j}))`,
  }[access];
}

export const matrix = ["row_ptr", "cols", "vals", "x", "y"] as const satisfies readonly LaunchArgument[];

/** Parameters for the matrix, x and y. */
export function parameters(restrict: boolean): string {
  const q = restrict ? " __restrict__" : "";
  return `const int*${q} row_ptr, const int*${q} cols, const float*${q} vals, const float*${q} x, float*${q} y`;
}

/** A kernel that sets ROWS numbers to zero, one per thread of blocks of 256. */
export const zeroRows = (name: string, target: string): string => `
  extern "C" __global__ void ${name}(float* ${target}) {
    int i = blockIdx.x * 256 + threadIdx.x;
    if (i < ROWS) ${target}[i] = 0.0f;
  }
`;

/** Adds `value` over groups of `lanes` lanes. */
export function groupSum(style: "xor" | "down" | "unrolled", value: string, lanes: number): string {
  const steps = Math.log2(lanes);
  if (style === "unrolled")
    return repeat(steps, (k) => `${value} += __shfl_xor_sync(0xffffffffu, ${value}, ${lanes >> (k + 1)});`);
  const call = style === "xor" ? "__shfl_xor_sync" : "__shfl_down_sync";
  const width = style === "xor" || lanes === 32 ? "" : `, ${lanes}`;
  return `for (int offset = ${lanes / 2}; offset > 0; offset >>= 1) ${value} += ${call}(0xffffffffu, ${value}, offset${width});`;
}
