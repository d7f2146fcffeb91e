import { on } from "../kit/code.ts";

/** How a walk advances: one step, an odd step with its halving, that without a branch, or odd to odd by counting zeros. */
export const steps = ["plain", "shortcut", "select", "zeros"] as const;
export type Step = (typeof steps)[number];

export const ull = "unsigned long long";

/** Statement that readies a number for `advance`: sequences that count zeros go from odd number to odd number. */
export function begin(step: Step, n = "n", count = "steps", narrow = false): string {
  if (step !== "zeros") return "";
  return `{
    const int low_zeros = ${narrow ? "__ffs" : "__ffsll"}(${n}) - 1;
    ${n} >>= low_zeros;
    ${count} += low_zeros;
  }`;
}

/** Statements that advance a number other than 1 without passing 1. */
export function advance(step: Step, n = "n", count = "steps", narrow = false): string {
  return {
    plain: `if (${n} & 1) ${n} = 3 * ${n} + 1;
      else ${n} >>= 1;
      ++${count};`,
    shortcut: `if (${n} & 1) {
        ${n} += (${n} >> 1) + 1;
        ${count} += 2;
      } else {
        ${n} >>= 1;
        ++${count};
      }`,
    select: `{
        const bool is_odd = ${n} & 1;
        ${n} = (${n} >> 1) + (is_odd ? ${n} + 1 : 0);
        ${count} += 1 + is_odd;
      }`,
    zeros: `{
        const ${narrow ? "unsigned int" : ull} tripled = 3 * ${n} + 1;
        const int zero_bits = ${narrow ? "__ffs" : "__ffsll"}(tripled) - 1;
        ${n} = tripled >> zero_bits;
        ${count} += zero_bits + 1;
      }`,
  }[step];
}

export function pointers(restrict = true): string {
  const mark = on(restrict, " __restrict__");
  return `const unsigned int*${mark} numbers, int*${mark} lengths`;
}

/** A loop over the numbers: one per thread or striding over a grid that stays. */
export function eachNumber(stride: boolean, block: number, body: string): string {
  return stride
    ? `for (int i = blockIdx.x * ${block} + threadIdx.x; i < COUNT; i += gridDim.x * ${block}) {
        ${body}
      }`
    : `const int i = blockIdx.x * ${block} + threadIdx.x;
      ${body}`;
}

/** Statements of r, that leave what `bits` halvings make of it: `value`, the power of three `factor`, `odds`. */
export function followLow(bits: string): string {
  return `unsigned int value = r, factor = 1;
      int odds = 0;
      for (int k = 0; k < ${bits}; ++k) {
        if (value & 1) {
          value += (value >> 1) + 1;
          factor *= 3;
          ++odds;
        } else {
          value >>= 1;
        }
      }`;
}
