import { on } from "../kit/code.ts";

export type Sizes = Readonly<Record<string, number>>;

/** H, W, R and TAPS as macros or typed constants. */
export function imageConstants({ h = 0, w = 0, r = 0 }: Sizes, macros: boolean): string {
  return macros
    ? `#define H ${h}\n#define W ${w}\n#define R ${r}\n#define TAPS (2 * R + 1)`
    : `static constexpr int H = ${h};\nstatic constexpr int W = ${w};\nstatic constexpr int R = ${r};\nstatic constexpr int TAPS = 2 * R + 1;`;
}

/** Where a kernel reads its taps: straight from memory, a shared copy, or registers (for loops that unroll entirely). */
export type TapHome = "memory" | "cached" | "shared" | "registers";

/** Statements that bring the taps to where `tapOf` reads them; those for "shared" contain a barrier. */
export function bringTaps(home: TapHome, thread: string, threads: string): string {
  if (home === "shared") {
    return `
      __shared__ float coef[TAPS];
      for (int k = ${thread}; k < TAPS; k += ${threads}) coef[k] = taps[k];
      __syncthreads();`;
  }
  return on(
    home === "registers",
    "float coef[R + 1];\n#pragma unroll\nfor (int k = 0; k <= R; ++k) coef[k] = taps[R + k];",
  );
}

/** The tap at distance `offset` from the middle; `offset` is an expression that may be negative. */
export function tapOf(home: TapHome, offset: string): string {
  if (home === "shared") return `coef[R + (${offset})]`;
  if (home === "registers") return `coef[(${offset}) < 0 ? -(${offset}) : (${offset})]`;
  return home === "cached" ? `__ldg(taps + R + (${offset}))` : `taps[R + (${offset})]`;
}

/** Adds the weighted values around one place to `sum`; `value(offset)` reads the value at a signed distance. */
export function gather(home: TapHome, folded: boolean, hint: string, value: (offset: string) => string): string {
  if (folded) {
    return `
      float sum = ${tapOf(home, "0")} * ${value("0")};
      ${hint}
      for (int k = 1; k <= R; ++k) sum += ${tapOf(home, "k")} * (${value("-k")} + ${value("k")});`;
  }
  return `
    float sum = 0.0f;
    ${hint}
    for (int k = -R; k <= R; ++k) sum += ${tapOf(home, "k")} * ${value("k")};`;
}

export const hints = { none: "", whole: "#pragma unroll", some: "#pragma unroll 4", never: "#pragma unroll 1" };

export function clamp(value: string, count: string): string {
  return `min(max(${value}, 0), ${count} - 1)`;
}
