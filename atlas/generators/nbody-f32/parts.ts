import { on } from "../kit/code.ts";

export const weights = ["rsqrt", "divide", "cube", "reciprocal", "fast-divide"] as const;
export type Weight = (typeof weights)[number];

/** Statements that make `s`, the weight over the cubed distance, from the squared distance `d2`. */
function weightOf(weight: Weight, mass: string): string {
  return {
    rsqrt: `float inverse = rsqrtf(d2);
      float s = ${mass} * inverse * (inverse * inverse);`,
    divide: `float s = ${mass} / (d2 * sqrtf(d2));`,
    cube: `float s = ${mass} * rsqrtf(d2 * d2 * d2);`,
    reciprocal: `float inverse = 1.0f / sqrtf(d2);
      float s = ${mass} * (inverse * inverse * inverse);`,
    "fast-divide": `float s = __fdividef(${mass}, d2 * sqrtf(d2));`,
  }[weight];
}

export interface Pull {
  readonly weight: Weight;
  readonly fma?: boolean;
  readonly other: (part: "x" | "y" | "z" | "w") => string;
  readonly me: (part: "x" | "y" | "z") => string;
  readonly sum: (part: "x" | "y" | "z") => string;
}

const axes = ["x", "y", "z"] as const;

/** Statements that add the pull of one body on another. */
export function pull({ weight, fma = false, other, me, sum }: Pull): string {
  const square = fma ? "fmaf(dx, dx, fmaf(dy, dy, fmaf(dz, dz, EPS2)))" : "dx * dx + dy * dy + dz * dz + EPS2";
  return `{
      ${axes.map((axis) => `float d${axis} = ${other(axis)} - ${me(axis)};`).join("\n")}
      float d2 = ${square};
      ${weightOf(weight, other("w"))}
      ${axes.map((axis) => (fma ? `${sum(axis)} = fmaf(s, d${axis}, ${sum(axis)});` : `${sum(axis)} += s * d${axis};`)).join("\n")}
    }`;
}

/** The same as `pull`, as a device function on vectors. */
export function pullFunction(name: string, weight: Weight, fma: boolean): string {
  return `
    __device__ __forceinline__ void ${name}(float3& a, const float4& me, const float4& other) {
      ${pull({ weight, fma, other: (part) => `other.${part}`, me: (part) => `me.${part}`, sum: (part) => `a.${part}` })}
    }
  `;
}

export const storeAcc = (target: string, i: string, a: (part: "x" | "y" | "z") => string): string =>
  axes.map((axis, k) => `${target}[3 * (${i})${on(k > 0, ` + ${k}`)}] = ${a(axis)};`).join("\n");

/** A kernel that adds up `count` partial results, laid out as `at(part, entry)` of 3 n entries. */
export function sumParts(name: string, count: string, entries: string, at: string, unroll: boolean): string {
  return `
    extern "C" __global__ void ${name}(const float* __restrict__ parts, float* __restrict__ acc) {
      int e = blockIdx.x * 256 + threadIdx.x;
      float sum = 0.0f;
      ${on(unroll, "#pragma unroll")}
      for (int p = 0; p < ${count}; ++p) sum += parts[${at}];
      if (e < ${entries}) acc[e] = sum;
    }
  `;
}

export const unrolled = (factor: string): string => (factor === "none" ? "" : `#pragma unroll ${factor}`);
