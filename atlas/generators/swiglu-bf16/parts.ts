/** The task's extents; sources are written for them. */
export const rows = 2048;
export const columns = 4096;
export const depth = 1024;

export const type = "__nv_bfloat16";
export const args = ["x", "w1", "w2", "y"] as const;

export type Silu = "divide" | "library" | "fdividef" | "reciprocal" | "tanh";
export const silus = ["divide", "library", "fdividef", "reciprocal", "tanh"] as const;

/** The gated product of two floats as an expression; both are names. */
export function gated(silu: Silu, gate: string, value: string): string {
  return {
    divide: `${gate} / (1.0f + __expf(-${gate})) * ${value}`,
    library: `${gate} / (1.0f + expf(-${gate})) * ${value}`,
    fdividef: `__fdividef(${gate}, 1.0f + __expf(-${gate})) * ${value}`,
    reciprocal: `${gate} * __frcp_rn(1.0f + __expf(-${gate})) * ${value}`,
    tanh: `0.5f * ${gate} * (1.0f + tanhf(0.5f * ${gate})) * ${value}`,
  }[silu];
}

export function gateFunction(silu: Silu): string {
  return `__device__ __forceinline__ float gated(float gate, float value) {\nreturn ${gated(silu, "gate", "value")};\n}`;
}

export function parameters(restrict: boolean): string {
  const q = restrict ? " __restrict__" : "";
  return `const ${type}*${q} x, const ${type}*${q} w1, const ${type}*${q} w2, ${type}*${q} y`;
}
