export type Sizes = Readonly<Record<string, number>>;

export const batchOf = (sizes: Sizes): number => sizes["batch"] ?? 0;

/** Statements dst.x += p * q.x and so on, by the named style. */
export function addScaled(style: string, to: readonly string[], p: string, from: readonly string[]): string {
  return to
    .map((name, i) =>
      style === "fmaf" ? `${name} = fmaf(${p}, ${from[i]}, ${name});` : `${name} += ${p} * ${from[i]};`,
    )
    .join("\n");
}

export const parts = ["x", "y", "z", "w"] as const;
export const quad = (name: string): readonly string[] => parts.map((part) => `${name}.${part}`);

export const pointers = (q: string): string => `const float* ${q}a, const float* ${q}b, float* ${q}c`;
