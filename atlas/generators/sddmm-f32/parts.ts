import { repeat } from "../kit/code.ts";

export const csr = ["row_ptr", "cols", "scale", "a", "b", "out"] as const;
export const coo = ["rows", "cols", "scale", "a", "b", "out"] as const;

const typeOf = { row_ptr: "const int*", rows: "const int*", cols: "const int*", out: "float*" } as const;

/** The parameters of a kernel over these arrays. */
export function parameters(names: readonly string[], restrict: boolean): string {
  return names
    .map(
      (name) =>
        `${(typeOf as Record<string, string>)[name] ?? "const float*"}${restrict ? " __restrict__" : ""} ${name}`,
    )
    .join(", ");
}

/** How a row of 64 floats is spread over the lanes of a group: `count` vectors a lane, `pitch` vectors a row. */
export interface Spread {
  readonly type: "float2" | "float4";
  readonly count: number;
  readonly pitch: number;
}

export function spreadOver(lanes: number): Spread {
  return lanes === 32 ? { type: "float2", count: 1, pitch: 32 } : { type: "float4", count: 16 / lanes, pitch: 16 };
}

const fields = { float2: ["x", "y"], float4: ["x", "y", "z", "w"] } as const;

/** Adds the product of two vectors to `sum`, in one expression or by a chain of fused operations. */
export function addProduct(type: Spread["type"], sum: string, left: string, right: string, chained: boolean): string {
  if (chained) return fields[type].map((f) => `${sum} = fmaf(${left}.${f}, ${right}.${f}, ${sum});`).join("\n");
  return `${sum} += ${fields[type].map((f) => `${left}.${f} * ${right}.${f}`).join(" + ")};`;
}

/** Sums `sum` over groups of lanes. */
export function sumOverGroup(style: "xor" | "down" | "loop", lanes: number): string {
  if (style === "loop")
    return `#pragma unroll
    for (int o = ${lanes / 2}; o > 0; o /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, o);`;
  const steps = Math.log2(lanes);
  const call = style === "xor" ? "__shfl_xor_sync" : "__shfl_down_sync";
  return repeat(steps, (i) => `sum += ${call}(0xffffffffu, sum, ${lanes >> (i + 1)});`);
}

/** Statements that leave in lane t of a warp the sum of the t-th entry: p[i] is the lane's part of its group's i-th entry. */
export function foldParts(how: string, lanes: number): string {
  if (how === "board")
    return `#pragma unroll
      for (int i = 0; i < ${lanes}; ++i) board[warp][g * ${lanes} + i][l] = p[i];
      __syncwarp();
      float total = 0.0f;
      #pragma unroll
      for (int i = 0; i < ${lanes}; ++i) total += board[warp][lane][i];
      __syncwarp();`;
  return `#pragma unroll
      for (int w = ${lanes / 2}; w > 0; w /= 2) {
        const bool upper = l & w;
        #pragma unroll
        for (int i = 0; i < w; ++i) {
          const float give = upper ? p[i] : p[i + w];
          const float keep = upper ? p[i + w] : p[i];
          p[i] = keep + __shfl_xor_sync(0xffffffffu, give, w);
        }
      }
      const float total = p[0];`;
}

export const boardOf = (how: string, warps: number, lanes: number): string =>
  how === "board" ? `__shared__ float board[${warps}][32][${lanes + 1}];` : "";
