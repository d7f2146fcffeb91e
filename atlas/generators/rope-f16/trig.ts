import { on, repeat } from "../kit/code.ts";

export type Trig = "divide" | "powf" | "separate" | "exp2" | "approx" | "half-turns" | "double";

/** The frequency of pair `index`, as an expression. */
export function frequency(trig: Trig, index: string): string {
  if (trig === "divide" || trig === "powf") return `powf(10000.0f, -2.0f * (${index}) / 128.0f)`;
  if (trig === "separate") return `expf(-0.14391157f * (float)(${index}))`;
  if (trig === "double") return `pow(10000.0, -(double)(${index}) / 64.0)`;
  return `exp2f(-0.207620506f * (float)(${index}))`;
}

/** Lines that set the declared floats `c` and `s` to the cosine and sine of `position * frequency`. */
export function angleLines(trig: Trig, position: string, frequency: string, c: string, s: string): string {
  const angle = `(float)${position} * ${frequency}`;
  return {
    divide: `sincosf(${angle}, &${s}, &${c});`,
    powf: `sincosf(${angle}, &${s}, &${c});`,
    separate: `${c} = cosf(${angle});\n${s} = sinf(${angle});`,
    exp2: `sincosf(${angle}, &${s}, &${c});`,
    approx: `__sincosf(${angle}, &${s}, &${c});`,
    "half-turns": `sincospif(${angle} * 0.318309886f, &${s}, &${c});`,
    double: `${c} = (float)cos((double)${position} * ${frequency});\n${s} = (float)sin((double)${position} * ${frequency});`,
  }[trig];
}

/** Cosine and sine of pair `index` at `position`, into declared floats. */
export function trigLines(trig: Trig, position: string, index: string, c: string, s: string): string {
  if (trig === "divide") {
    return `sincosf((float)${position} / powf(10000.0f, (float)(${index}) / 64.0f), &${s}, &${c});`;
  }
  return angleLines(trig, position, frequency(trig, index), c, s);
}

/** The type that holds `width` half numbers. */
export const packed = (width: number): string => ({ 2: "unsigned int", 4: "uint2", 8: "uint4" })[width] ?? "uint4";

/**
 * Rotates the packed registers `a` and `b` into `lo` and `hi` by cosines `c(i)` and sines `s(i)`, in single precision.
 */
export function rotateText(
  width: number,
  c: (pair: string) => string,
  s: (pair: string) => string,
  unrolled: boolean,
): string {
  const body = (j: string, even: string, odd: string): string =>
    `
    ${on(!unrolled, "const ")}float2 u${on(unrolled, j)} = __half22float2(reinterpret_cast<const __half2*>(&a)[${j}]);
    ${on(!unrolled, "const ")}float2 w${on(unrolled, j)} = __half22float2(reinterpret_cast<const __half2*>(&b)[${j}]);
    reinterpret_cast<__half2*>(&lo)[${j}] = __floats2half2_rn(U.x * ${c(even)} - W.x * ${s(even)}, U.y * ${c(odd)} - W.y * ${s(odd)});
    reinterpret_cast<__half2*>(&hi)[${j}] = __floats2half2_rn(W.x * ${c(even)} + U.x * ${s(even)}, W.y * ${c(odd)} + U.y * ${s(odd)});`
      .replaceAll("U.", `u${on(unrolled, j)}.`)
      .replaceAll("W.", `w${on(unrolled, j)}.`);
  if (unrolled) return `{\n${repeat(width / 2, (j) => body(String(j), String(2 * j), String(2 * j + 1)))}\n}`;
  return `
    #pragma unroll
    for (int j = 0; j < ${width / 2}; ++j) {
      ${body("j", "2 * j", "2 * j + 1")}
    }`;
}

/** The same with products of half pairs; `c2(j)` and `s2(j)` are half pairs. */
export function rotateHalf(
  width: number,
  form: "fma" | "mul-add" | "negate",
  c2: (pair: string) => string,
  s2: (pair: string) => string,
): string {
  const lines = {
    fma: ["__hfma2(u, C, __hneg2(__hmul2(w, S)))", "__hfma2(w, C, __hmul2(u, S))"],
    "mul-add": ["__hsub2(__hmul2(u, C), __hmul2(w, S))", "__hadd2(__hmul2(w, C), __hmul2(u, S))"],
    negate: ["__hfma2(__hneg2(w), S, __hmul2(u, C))", "__hfma2(u, S, __hmul2(w, C))"],
  }[form].map((line) => line.replaceAll("C", c2("j")).replaceAll("S", s2("j")));
  return `
    #pragma unroll
    for (int j = 0; j < ${width / 2}; ++j) {
      const __half2 u = reinterpret_cast<const __half2*>(&a)[j];
      const __half2 w = reinterpret_cast<const __half2*>(&b)[j];
      reinterpret_cast<__half2*>(&lo)[j] = ${lines[0]};
      reinterpret_cast<__half2*>(&hi)[j] = ${lines[1]};
    }`;
}

export type Hint = "plain" | "stream" | "stores" | "nc";

export function get(hint: Hint, pointer: string): string {
  if (hint === "stream") return `__ldcs(${pointer})`;
  if (hint === "nc") return `__ldg(${pointer})`;
  return `*(${pointer})`;
}

export function put(hint: Hint, pointer: string, value: string): string {
  return hint === "stream" || hint === "stores" ? `__stcs(${pointer}, ${value});` : `*(${pointer}) = ${value};`;
}
