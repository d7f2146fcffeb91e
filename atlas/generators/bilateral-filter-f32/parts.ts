import { on } from "../kit/code.ts";

export type Weight = "expf" | "intrinsic" | "exp2f" | "ex2" | "scaled";
export type Spatial = "computed" | "table" | "separable";
export type Sum = "value" | "offset";

const near = 3;
const alike = 30;
const log2e = Math.LOG2E;
const digits = (value: number): string => {
  const text = value.toPrecision(9);
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
};

const space = 1 / (2 * near * near);
const range = 1 / (2 * alike * alike);
export const rangeExp2 = digits(range * log2e);
const scale = Math.sqrt(range * log2e);

const inLogs = (weight: Weight): boolean => weight !== "expf" && weight !== "intrinsic";

/** The weight of a place as a number: a factor, or the logarithm to base two of one. */
function place(weight: Weight, squared: number): string {
  return digits(inLogs(weight) ? -space * log2e * squared : Math.exp(-space * squared));
}

/** Names that the weight and the spatial part need, before the kernel. */
export function definitions(weight: Weight, spatial: Spatial, r: number): string {
  const line = Array.from({ length: 2 * r + 1 }, (_, k) => k - r);
  const ex2 = `
    __device__ __forceinline__ float ex2(float x) {
      float y;
      asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
      return y;
    }
  `;
  const tables = {
    computed: "",
    table: `__constant__ float spatial[${line.length * line.length}] = {${line.map((y) => line.map((x) => place(weight, x * x + y * y)).join(", ")).join(",\n")}};`,
    separable: `__constant__ float line[${line.length}] = {${line.map((x) => place(weight, x * x)).join(", ")}};`,
  };
  return `${tables[spatial]}
    ${on(weight === "ex2" || weight === "scaled", ex2)}`;
}

/** The spatial part of a tap, written with the texts of its offsets. */
export function spatialOf(weight: Weight, spatial: Spatial, dx: string, dy: string): string {
  const squared = `(float)((${dx}) * (${dx}) + (${dy}) * (${dy}))`;
  if (spatial === "computed")
    return inLogs(weight) ? `${digits(-space * log2e)} * ${squared}` : `__expf(${digits(-space)} * ${squared})`;
  if (spatial === "table") return `spatial[(${dy} + R) * SIDE + ${dx} + R]`;
  return `line[${dx} + R] ${inLogs(weight) ? "+" : "*"} line[${dy} + R]`;
}

/** The weight of a tap whose difference is `d`. */
export function weightOf(weight: Weight, d: string, place: string): string {
  return {
    expf: `(${place}) * expf(-(${d} * ${d}) * ${digits(range)})`,
    intrinsic: `(${place}) * __expf(${d} * ${d} * ${digits(-range)})`,
    exp2f: `exp2f(fmaf(${d} * ${d}, ${digits(-range * log2e)}, ${place}))`,
    ex2: `ex2(fmaf(${d} * ${d}, ${digits(-range * log2e)}, ${place}))`,
    scaled: `ex2(fmaf(-${d}, ${d}, ${place}))`,
  }[weight];
}

export interface Tap {
  readonly pixel: string;
  readonly centre: string;
  readonly place: string;
  readonly total: string;
  readonly weights: string;
}

/** Adds one pixel of the window. */
export function addTap(weight: Weight, sum: Sum, tap: Tap): string {
  return `const float d = ${tap.pixel} - ${tap.centre};
    const float g = ${weightOf(weight, "d", tap.place)};
    ${tap.total} += g * ${sum === "offset" ? "d" : tap.pixel};
    ${tap.weights} += g;`;
}

/** A pixel on its way in: scaled so that the square of a difference is the exponent, where the weight wants it. */
export function taken(weight: Weight, pixel: string): string {
  return weight === "scaled" ? `${pixel} * ${digits(scale)}` : pixel;
}

/** What is written for a pixel. */
export function outcome(weight: Weight, sum: Sum, total: string, weights: string, centre: string): string {
  const value = sum === "offset" ? `${centre} + ${total} / ${weights}` : `${total} / ${weights}`;
  return weight === "scaled" ? `(${value}) * ${digits(1 / scale)}` : value;
}

/** Two to a power below zero by arithmetic alone. */
export const polynomial = `
  __device__ __forceinline__ float power_of_two(float x) {
    const float shifted = x + 12582912.0f;
    const float f = x - (shifted - 12582912.0f);
    float p = 0.00133335581f;
    p = fmaf(p, f, 0.00961812911f);
    p = fmaf(p, f, 0.0555041087f);
    p = fmaf(p, f, 0.240226507f);
    p = fmaf(p, f, 0.693147181f);
    p = fmaf(p, f, 1.0f);
    return __int_as_float(__float_as_int(p) + (__float_as_int(shifted) << 23));
  }
`;

/** Rows and columns moved into the image. */
export const row = (text: string): string => `min(max(${text}, 0), H - 1)`;
export const column = (text: string): string => `min(max(${text}, 0), W - 1)`;

/** The image's extent and the window's, as macros or constants. */
export function extent(sizes: Readonly<Record<string, number>>, form: "define" | "constexpr"): string {
  const { h = 0, w = 0, r = 0 } = sizes;
  const names: [string, string][] = [
    ["H", `${h}`],
    ["W", `${w}`],
    ["R", `${r}`],
    ["SIDE", "(2 * R + 1)"],
  ];
  return names
    .map(([name, text]) => (form === "define" ? `#define ${name} ${text}` : `constexpr int ${name} = ${text};`))
    .join("\n");
}
