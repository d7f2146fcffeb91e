import { on } from "../kit/code.ts";

/** How a distance is summed: differences squared, or a dot product joined with squared lengths. */
export type Form = "difference" | "expanded" | "halved";

/** One coordinate's contribution to `sum`. */
export function term(form: Form, sum: string, x: string, c: string): string {
  return form === "difference"
    ? `{ const float gap = ${x} - ${c}; ${sum} = fmaf(gap, gap, ${sum}); }`
    : `${sum} = fmaf(${x}, ${c}, ${sum});`;
}

export function start(form: Form, norm: string): string {
  return form === "halved" ? `-0.5f * ${norm}` : "0.0f";
}

/** What is least for the nearest centroid. */
export function score(form: Form, sum: string, norm: string): string {
  return { difference: sum, expanded: `fmaf(-2.0f, ${sum}, ${norm})`, halved: `-${sum}` }[form];
}

/** The squared distance from the least score and the point's squared length. */
export function squared(form: Form, least: string, length: string): string {
  return {
    difference: least,
    expanded: `fmaxf(${least} + ${length}, 0.0f)`,
    halved: `fmaxf(fmaf(2.0f, ${least}, ${length}), 0.0f)`,
  }[form];
}

/** Keeps the lower of a running score and a new one with its index. */
export function keep(branch: boolean, best: string, choice: string, value: string, index: string): string {
  return branch
    ? `if (${value} < ${best}) {\n${best} = ${value};\n${choice} = ${index};\n}`
    : `${choice} = ${value} < ${best} ? ${index} : ${choice};\n${best} = fminf(${best}, ${value});`;
}

export function normKernel(d: number, k: number, needed: boolean): string {
  return on(
    needed,
    `
    extern "C" __global__ void centroid_norms(const float* centroids, float* norms) {
      const int j = blockIdx.x * blockDim.x + threadIdx.x;
      if (j >= ${k}) return;
      float sum = 0.0f;
      for (int c = 0; c < ${d}; ++c) sum = fmaf(centroids[j * ${d} + c], centroids[j * ${d} + c], sum);
      norms[j] = sum;
    }
  `,
  );
}

/** Takes over the other candidate of a pair where it is nearer. */
export const closer = `
  __device__ __forceinline__ void take_closer(float& best, int& choice, float other, int index) {
    if (other < best || (other == best && index < choice)) {
      best = other;
      choice = index;
    }
  }
`;

/** Reduces best and choice over `width` neighbouring lanes. */
export function shuffled(best: string, choice: string, width: string, down = false): string {
  const shuffle = down ? "__shfl_down_sync" : "__shfl_xor_sync";
  return `
    #pragma unroll
    for (int step = ${width} / 2; step > 0; step /= 2) {
      const float other = ${shuffle}(0xffffffffu, ${best}, step);
      const int index = ${shuffle}(0xffffffffu, ${choice}, step);
      take_closer(${best}, ${choice}, other, index);
    }`;
}
