import type { Launch } from "../../../src/domain/index.ts";
import { launch, on } from "../kit/code.ts";

export type Sizes = Readonly<Record<string, number>>;

export interface Images {
  readonly planes: number;
  readonly c: number;
  readonly h: number;
  readonly w: number;
}

export function imagesOf(sizes: Sizes): Images {
  const { n = 0, c = 0, h = 0, w = 0 } = sizes;
  return { planes: n * c, c, h, w };
}

/** The constants C, H, W and PLANES of a source. */
export function constants(sizes: Sizes, style: "constexpr" | "define" | "enum"): string {
  const { planes, c, h, w } = imagesOf(sizes);
  const entries = Object.entries({ C: c, H: h, W: w, PLANES: planes });
  if (style === "define") return entries.map(([name, value]) => `#define ${name} ${value}`).join("\n");
  if (style === "enum") return `enum { ${entries.map(([name, value]) => `${name} = ${value}`).join(", ")} };`;
  return entries.map(([name, value]) => `constexpr int ${name} = ${value};`).join("\n");
}

export const pointers = (restrict: boolean, from = "x"): string => {
  const mark = on(restrict, " __restrict__");
  return `const float*${mark} ${from}, const float*${mark} weight, float*${mark} out`;
};

/** Where the 25 taps of the plane's filter come from: the statements that prepare them, and how one is read. */
export interface Taps {
  readonly prepare: string;
  readonly at: (index: string) => string;
}

export type TapSource = "global" | "ldg" | "registers" | "shared";

/** `thread` is the thread's number in its block and `threads` their count; `plane` is uniform in the block for "shared". */
export function tapsFrom(source: TapSource, thread = "threadIdx.x", plane = "plane"): Taps {
  const place = (index: string): string => `weight[${plane} % C * 25 + ${index}]`;
  if (source === "global") return { prepare: "", at: place };
  if (source === "ldg") return { prepare: "", at: (index) => `__ldg(&${place(index)})` };
  if (source === "registers") {
    return {
      prepare: `
        float k[25];
        #pragma unroll
        for (int i = 0; i < 25; ++i) {
          k[i] = ${place("i")};
        }`,
      at: (index) => `k[${index}]`,
    };
  }
  return {
    prepare: `
      __shared__ float filter[25];
      if (${thread} < 25) {
        filter[${thread}] = ${place(thread)};
      }
      __syncthreads();`,
    at: (index) => `filter[${index}]`,
  };
}

export function launch3(
  grid: readonly [number, number, number],
  block: readonly [number, number],
  args: Launch["args"] = ["x", "weight", "out"],
  smemBytes = 0,
  kernel = "depthwise",
): Launch {
  return { ...launch(kernel, 1, block, args, smemBytes), grid };
}

export function pair(text: string): readonly [number, number] {
  const [x = 1, y = 1] = text.split("x").map(Number);
  return [x, y];
}

export const unrolled = (yes: boolean): string => on(yes, "#pragma unroll");
