import { on, repeat } from "../kit/code.ts";

export type Kind = "table" | "written-out" | "halves" | "quarters" | "scaled";
export type Form = "array" | "scalars";
export type Gather = "each" | "lines" | "before";

const basis = (u: number, k: number): number =>
  u === 0 ? Math.sqrt(1 / 8) : Math.cos(((2 * k + 1) * u * Math.PI) / 16) / 2;

const number = (value: number): string => `${value.toFixed(9)}f`;

/** What a raw output of the butterfly network is of the orthonormal coefficient. */
const networkScale = (u: number): number =>
  Math.sqrt(8) * (u === 0 || u === 4 ? 1 : Math.SQRT2 * Math.cos((u * Math.PI) / 16));

/** The weight of a frequency, with what the transform leaves unscaled. */
export function gains(kind: Kind): string {
  const values = Array.from({ length: 8 }, (_, u) => number((1 + u) / 8 / (kind === "scaled" ? networkScale(u) : 1)));
  return `{${values.join(", ")}}`;
}

export const cosineTable = `__constant__ float cosines[64] = {${Array.from({ length: 64 }, (_, i) => number(basis(i >> 3, i & 7))).join(", ")}};`;

const letters = ["a", "b", "c", "d", "e", "f", "g", "h"];

/** A device function `transform` of eight numbers in place. */
export function transform(kind: Kind, form: Form): string {
  const v = (k: number): string => (form === "array" ? `v[${k}]` : (letters[k] as string));
  const parameters = form === "array" ? "float (&v)[8]" : letters.map((letter) => `float& ${letter}`).join(", ");
  return `
    ${on(kind === "table", cosineTable)}
    __device__ __forceinline__ void transform(${parameters}) {
      ${bodies[kind](v)}
    }
  `;
}

export function call(form: Form, array: string): string {
  return form === "array"
    ? `transform(${array});`
    : `transform(${Array.from({ length: 8 }, (_, k) => `${array}[${k}]`).join(", ")});`;
}

type Place = (k: number) => string;

/** A sum of products, as nested multiply-adds. */
function products(factors: readonly number[], names: readonly string[]): string {
  return factors.reduce(
    (text, factor, k) =>
      k === 0 ? `${number(factor)} * ${names[0]}` : `fmaf(${number(factor)}, ${names[k]}, ${text})`,
    "",
  );
}

const sums = `float p0, p1, p2, p3, m0, m1, m2, m3;`;
const split = (v: Place): string => repeat(4, (k) => `p${k} = ${v(k)} + ${v(7 - k)};\nm${k} = ${v(k)} - ${v(7 - k)};`);

const oddHalf = (v: Place): string =>
  [1, 3, 5, 7]
    .map(
      (u) =>
        `${v(u)} = ${products(
          [0, 1, 2, 3].map((k) => basis(u, k)),
          ["m0", "m1", "m2", "m3"],
        )};`,
    )
    .join("\n");

const bodies: Record<Kind, (v: Place) => string> = {
  table: (v) => `
    const float old[8] = {${Array.from({ length: 8 }, (_, k) => v(k)).join(", ")}};
    ${repeat(8, (u) => `${v(u)} = 0.0f;`)}
    #pragma unroll
    for (int k = 0; k < 8; ++k) {
      ${repeat(8, (u) => `${v(u)} += cosines[${8 * u} + k] * old[k];`)}
    }`,
  "written-out": (v) => `
    const float ${Array.from({ length: 8 }, (_, k) => `old${k} = ${v(k)}`).join(", ")};
    ${repeat(
      8,
      (u) =>
        `${v(u)} = ${products(
          Array.from({ length: 8 }, (_, k) => basis(u, k)),
          Array.from({ length: 8 }, (_, k) => `old${k}`),
        )};`,
    )}`,
  halves: (v) => `
    ${sums}
    ${split(v)}
    ${[0, 2, 4, 6]
      .map(
        (u) =>
          `${v(u)} = ${products(
            [0, 1, 2, 3].map((k) => basis(u, k)),
            ["p0", "p1", "p2", "p3"],
          )};`,
      )
      .join("\n")}
    ${oddHalf(v)}`,
  quarters: (v) => `
    ${sums}
    ${split(v)}
    const float outer = p0 + p3, inner = p1 + p2, across = p0 - p3, within = p1 - p2;
    ${v(0)} = ${number(basis(0, 0))} * (outer + inner);
    ${v(4)} = ${number(basis(4, 0))} * (outer - inner);
    ${v(2)} = ${products([basis(2, 0), basis(2, 1)], ["across", "within"])};
    ${v(6)} = ${products([basis(6, 0), basis(6, 1)], ["across", "within"])};
    ${oddHalf(v)}`,
  scaled: (v) => `
    ${sums}
    ${split(v)}
    const float outer = p0 + p3, inner = p1 + p2, across = p0 - p3, within = p1 - p2;
    ${v(0)} = outer + inner;
    ${v(4)} = outer - inner;
    const float turned = (within + across) * 0.707106781f;
    ${v(2)} = across + turned;
    ${v(6)} = across - turned;
    const float low = m3 + m2, middle = (m2 + m1) * 0.707106781f, high = m1 + m0;
    const float shared = (low - high) * 0.382683433f;
    const float first = fmaf(0.541196100f, low, shared);
    const float second = fmaf(1.306562965f, high, shared);
    const float up = m0 + middle, down = m0 - middle;
    ${v(5)} = down + first;
    ${v(3)} = down - first;
    ${v(1)} = up + second;
    ${v(7)} = up - second;`,
};

/**
 * Columns of transformed rows to the energy: `line(k)` is the name of the k-th row's eight frequencies. Gains along the
 * rows are on the numbers already where they are put on before.
 */
export function columns(gather: Gather, form: Form, at: (k: number, v: string) => string, energy: string): string {
  const weighing = {
    each: `
      #pragma unroll
      for (int u = 0; u < 8; ++u) ${energy} += gain[u] * gain[v] * fabsf(column[u]);`,
    lines: `
      float part = 0.0f;
      #pragma unroll
      for (int u = 0; u < 8; ++u) part += gain[u] * fabsf(column[u]);
      ${energy} += gain[v] * part;`,
    before: `
      #pragma unroll
      for (int u = 0; u < 8; ++u) part[u] += fabsf(column[u]);`,
  }[gather];
  return `
    ${on(gather === "before", "float part[8] = {};")}
    #pragma unroll
    for (int v = 0; v < 8; ++v) {
      float column[8] = {${Array.from({ length: 8 }, (_, k) => at(k, "v")).join(", ")}};
      ${call(form, "column")}
      ${weighing}
    }
    ${on(
      gather === "before",
      `#pragma unroll
      for (int u = 0; u < 8; ++u) ${energy} += gain[u] * part[u];`,
    )}`;
}

/** Puts a row's gains on where the gathering wants them before. */
export function weighed(gather: Gather, line: string): string {
  return on(
    gather === "before",
    `#pragma unroll
    for (int v = 0; v < 8; ++v) ${line}[v] *= gain[v];`,
  );
}

/** Sizes of the task, as macros or constants. */
export function extent(sizes: Readonly<Record<string, number>>, form: "define" | "constexpr"): string {
  const { h = 0, w = 0 } = sizes;
  return form === "define"
    ? `#define HEIGHT ${h}\n#define WIDTH ${w}\n#define PITCH (WIDTH + 8)`
    : `constexpr int HEIGHT = ${h}, WIDTH = ${w}, PITCH = WIDTH + 8;`;
}
