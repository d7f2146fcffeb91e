import { on } from "../kit/code.ts";

export type Sizes = Readonly<Record<string, number>>;

export interface Shape {
  readonly seq: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly share: number;
  readonly window: number;
}

export function shapeOf(sizes: Sizes): Shape {
  const [seq, heads, kvHeads, window] = ["seq", "heads", "kv_heads", "window"].map((name) => sizes[name] as number) as [
    number,
    number,
    number,
    number,
  ];
  return { seq, heads, kvHeads, share: heads / kvHeads, window };
}

/** The task's sizes as macros or as typed constants. */
export function sizesText(shape: Shape, macros: boolean): string {
  const values: readonly (readonly [string, number])[] = [
    ["SEQ", shape.seq],
    ["HEADS", shape.heads],
    ["KV_HEADS", shape.kvHeads],
    ["SHARE", shape.share],
    ["WINDOW", shape.window],
    ["DIM", 64],
  ];
  return values
    .map(([name, value]) => (macros ? `#define ${name} ${value}` : `constexpr int ${name} = ${value};`))
    .join("\n");
}

export const exponentials = ["expf", "__expf", "exp2f"] as const;
export type Exponential = (typeof exponentials)[number];

/** The factor on raw scores; with exp2f it carries the base's logarithm. */
export const scaleOf = (exponential: Exponential): string => (exponential === "exp2f" ? "0.18033688f" : "0.125f");

export const shifts = ["branch", "always", "none"] as const;
export type Shift = (typeof shifts)[number];

/**
 * One step of the running softmax for the scaled score `score`: updates `top` and `total`, and the sums by `rescale`
 * (given the factor's name) and `add` (given the weight's name).
 */
export function softmaxStep(
  shift: Shift,
  exponential: Exponential,
  score: string,
  rescale: (factor: string) => string,
  add: (weight: string) => string,
): string {
  if (shift === "none")
    return `const float weight = ${exponential}(${score});
total += weight;
${add("weight")}`;
  if (shift === "branch")
    return `if (${score} > top) {
const float fade = ${exponential}(top - ${score});
total *= fade;
${rescale("fade")}
top = ${score};
}
const float weight = ${exponential}(${score} - top);
total += weight;
${add("weight")}`;
  return `const float next = fmaxf(top, ${score});
const float fade = ${exponential}(top - next);
const float weight = ${exponential}(${score} - next);
top = next;
total = total * fade + weight;
${rescale("fade")}
${add("weight")}`;
}

/** Adds or maximises a value over a warp, or over `width` lanes. */
export function lanesTo(name: string, operation: "sum" | "max", width = 32, down = false): string {
  const other = `__shfl_xor_sync(0xffffffffu, ${name}, step)`;
  const combined = operation === "sum" ? `${name} + ${other}` : `fmaxf(${name}, ${other})`;
  return down
    ? `for (int step = 1; step < ${width}; step *= 2) ${name} = ${combined};`
    : `for (int step = ${width / 2}; step > 0; step /= 2) ${name} = ${combined};`;
}

export const include = "#include <cuda_fp16.h>\n";

/** Reads eight halves at once into floats. */
export const spreadEight = `__device__ __forceinline__ void spread_eight(const half* from, float* to) {
const uint4 raw = *reinterpret_cast<const uint4*>(from);
const half2* pairs = reinterpret_cast<const half2*>(&raw);
#pragma unroll
for (int u = 0; u < 4; ++u) {
const float2 pair = __half22float2(pairs[u]);
to[2 * u] = pair.x;
to[2 * u + 1] = pair.y;
}
}
`;

/** Declares `sum`, the dot product of the 64 floats `a` and a row of halves. */
export function dotRow(wide: boolean, a: string, row: string): string {
  return wide
    ? `float sum = 0.0f;
#pragma unroll
for (int d = 0; d < 64; d += 8) {
float b[8];
spread_eight(${row} + d, b);
#pragma unroll
for (int u = 0; u < 8; ++u) sum = fmaf(${a}[d + u], b[u], sum);
}`
    : `float sum = 0.0f;
#pragma unroll
for (int d = 0; d < 64; d += 2) {
const float2 b = __half22float2(*reinterpret_cast<const half2*>(${row} + d));
sum += ${a}[d] * b.x + ${a}[d + 1] * b.y;
}`;
}

export const restrict = (yes: boolean): string => on(yes, " __restrict__");
