export type Sizes = Readonly<Record<string, number>>;

export const batchOf = (sizes: Sizes): number => sizes["batch"] ?? 0;
export const lengthOf = (sizes: Sizes): number => sizes["n"] ?? 0;

export const constants = (sizes: Sizes): string =>
  `constexpr int BATCH = ${batchOf(sizes)};\nconstexpr int N = ${lengthOf(sizes)};\n`;

export const divisions = ["divide", "reciprocal", "approximate", "__frcp_rn"] as const;

/** An expression for 1 / value. */
export function inverse(division: string, value: string): string {
  if (division === "approximate") return `__fdividef(1.0f, ${value})`;
  if (division === "__frcp_rn") return `__frcp_rn(${value})`;
  return `1.0f / (${value})`;
}

/** Statements that divide `names` by `pivot`, by divisions or by one reciprocal. */
export function divideAll(division: string, pivot: string, updates: readonly (readonly [string, string])[]): string {
  if (division === "divide") return updates.map(([to, value]) => `${to} = (${value}) / (${pivot});`).join("\n");
  const lines = updates.map(([to, value]) => `${to} = (${value}) * scale;`).join("\n");
  return `const float scale = ${inverse(division, pivot)};\n${lines}`;
}

export const parameters = (q: string): string =>
  `const float* ${q}a, const float* ${q}b, const float* ${q}c, const float* ${q}d, float* ${q}x`;

/** The arrays of a system: inputs, then with the solution. */
export const inputs = ["a", "b", "c", "d"] as const;
export const arrays = [...inputs, "x"] as const;
