import { on } from "../kit/code.ts";

export type Exponent = "libm" | "intrinsic" | "base2";

export const lanes4 = ["x", "y", "z", "w"] as const;

/** exp(value - shift) in one of the ways in which people write it. */
export function expDifference(how: Exponent, value: string, shift: string): string {
  if (how === "libm") return `expf(${value} - ${shift})`;
  if (how === "intrinsic") return `__expf(${value} - ${shift})`;
  return `exp2f((${value} - ${shift}) * INV_LN2)`;
}

export function logarithm(how: Exponent, value: string): string {
  if (how === "libm") return `logf(${value})`;
  return how === "intrinsic" ? `__logf(${value})` : `log2f(${value}) * LN2`;
}

export function logConstants(how: Exponent): string {
  return on(how === "base2", "#define INV_LN2 1.44269504f\n#define LN2 0.69314718f");
}

/** A butterfly or a downward fold over one warp, as a device function on floats. */
export function warpFold(name: string, join: (a: string, b: string) => string, butterfly: boolean): string {
  const other = butterfly ? "__shfl_xor_sync(0xffffffffu, value, step)" : "__shfl_down_sync(0xffffffffu, value, step)";
  return `
    __device__ __forceinline__ float ${name}(float value) {
      for (int step = 16; step >= 1; step /= 2) {
        float other = ${other};
        value = ${join("value", "other")};
      }
      return value;
    }
  `;
}

export const larger = (a: string, b: string): string => `fmaxf(${a}, ${b})`;
export const plus = (a: string, b: string): string => `${a} + ${b}`;

/** Running peak and mass, with one logit or one quad taken in at a time. */
export function takeIn(how: Exponent, branching: boolean): string {
  return branching
    ? `
    __device__ __forceinline__ void take_in(float v, float& peak, float& mass) {
      if (v <= peak) {
        mass += ${expDifference(how, "v", "peak")};
      } else {
        mass = mass * ${expDifference(how, "peak", "v")} + 1.0f;
        peak = v;
      }
    }
  `
    : `
    __device__ __forceinline__ void take_in(float v, float& peak, float& mass) {
      float higher = fmaxf(peak, v);
      mass = mass * ${expDifference(how, "peak", "higher")} + ${expDifference(how, "v", "higher")};
      peak = higher;
    }
  `;
}
