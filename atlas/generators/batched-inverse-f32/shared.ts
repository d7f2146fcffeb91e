export type Sizes = Readonly<Record<string, number>>;

export const batchOf = (sizes: Sizes): number => sizes["batch"] ?? 0;

export const quotients = ["plain", "__frcp_rn", "__fdividef", "refined"] as const;

/** An expression for 1 / value. */
export function inverseOf(quotient: string, value: string): string {
  if (quotient === "__frcp_rn") return `__frcp_rn(${value})`;
  if (quotient === "__fdividef") return `__fdividef(1.0f, ${value})`;
  if (quotient === "refined") return `refined_inverse(${value})`;
  return `1.0f / ${value}`;
}

/** The helper that a refined quotient calls. */
export const refinement = (quotient: string): string =>
  quotient === "refined"
    ? `__device__ __forceinline__ float refined_inverse(float value) {
const float guess = __fdividef(1.0f, value);
return guess * (2.0f - value * guess);
}

`
    : "";

/** In-place elimination of an 8 x 8 matrix; `at` writes an element. */
export function eliminate(o: {
  quotient: string;
  order: string;
  pragma: string;
  at: (row: string, col: string) => string;
}): string {
  const { at, pragma } = o;
  const scale = `const float scale = ${inverseOf(o.quotient, at("k", "k"))};
${at("k", "k")} = 1.0f;
${pragma}for (int j = 0; j < 8; ++j) {
${at("k", "j")} *= scale;
}`;
  if (o.order === "rows")
    return `${pragma}for (int k = 0; k < 8; ++k) {
${scale}
${pragma}for (int i = 0; i < 8; ++i) {
if (i != k) {
const float factor = ${at("i", "k")};
${at("i", "k")} = 0.0f;
${pragma}for (int j = 0; j < 8; ++j) {
${at("i", "j")} -= factor * ${at("k", "j")};
}
}
}
}`;
  if (o.order === "columns")
    return `${pragma}for (int k = 0; k < 8; ++k) {
${scale}
${pragma}for (int j = 0; j < 8; ++j) {
if (j != k) {
const float top = ${at("k", "j")};
${pragma}for (int i = 0; i < 8; ++i) {
if (i != k) {
${at("i", "j")} -= ${at("i", "k")} * top;
}
}
}
}
${pragma}for (int i = 0; i < 8; ++i) {
if (i != k) {
${at("i", "k")} *= -${at("k", "k")};
}
}
}`;
  return `${pragma}for (int k = 0; k < 8; ++k) {
const float scale = ${inverseOf(o.quotient, at("k", "k"))};
${pragma}for (int i = 0; i < 8; ++i) {
if (i == k) {
continue;
}
const float factor = ${at("i", "k")} * scale;
${pragma}for (int j = 0; j < 8; ++j) {
if (j != k) {
${at("i", "j")} -= factor * ${at("k", "j")};
}
}
${at("i", "k")} = -factor;
}
${pragma}for (int j = 0; j < 8; ++j) {
${at("k", "j")} *= j == k ? 0.0f : scale;
}
${at("k", "k")} = scale;
}`;
}

export const orders = ["rows", "columns", "delayed"] as const;
