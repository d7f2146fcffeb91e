import type { CudaToken } from "../../domain/index.ts";

/** What the words of a source tell, whatever they mean. */
export interface TextFacts {
  readonly tokens: number;
  readonly counts: Readonly<Record<TextCount, number>>;
  /** Largest integer literal not above 1024: mostly a tile's size. */
  readonly largestLiteral: number;
}

const patterns = {
  restrict: /^(__restrict__|__restrict)$/,
  readOnlyLoad: /^__ldg$/,
  cacheHint: /^__(ldc[agsv]|stc[gs]|ldlu|stwt)$/,
  unroll: /^#unroll/,
  launchBounds: /^__launch_bounds__$/,
  half2: /^(half2|__half2|__nv_bfloat162|nv_bfloat162)$/,
  vector: /^(float|int|uint|double|short|ushort|char|uchar)[24]$/,
  assembly: /^(asm|__asm__)$/,
  tensor: /^(wmma|mma_sync|mma|wgmma)$/,
  double: /^double$/,
  volatile: /^volatile$/,
  template: /^template$/,
  deviceFunction: /^__device__$/,
  sizeType: /^(size_t|long|int64_t|uint64_t)$/,
  ternary: /^\?$/,
  constant: /^constexpr$/,
} as const;

export type TextCount = keyof typeof patterns;

export const textCounts: readonly TextCount[] = Object.keys(patterns) as TextCount[];

/** Counts words of a preprocessed source: no comments, nothing inactive, and strings left out. */
export function textFacts(tokens: readonly CudaToken[]): TextFacts {
  const words = tokens.filter(({ kind }) => kind !== "string");
  const literals = words
    .filter(({ kind, text }) => kind === "number" && /^\d+[uUlL]*$/.test(text))
    .map(({ text }) => Number.parseInt(text, 10));
  const counts = Object.fromEntries(
    Object.entries(patterns).map(([name, pattern]) => [name, words.filter(({ text }) => pattern.test(text)).length]),
  ) as Record<TextCount, number>;
  return {
    tokens: words.length,
    counts,
    largestLiteral: Math.max(1, ...literals.filter((literal) => literal <= 1024)),
  };
}
