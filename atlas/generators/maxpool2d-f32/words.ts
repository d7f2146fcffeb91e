import { on } from "../kit/code.ts";

export interface Pool {
  readonly images: number;
  readonly h: number;
  readonly w: number;
  readonly rows: number;
  readonly columns: number;
}

/** The task's counts: images are planes, rows and columns are those of the output. */
export function poolOf({ n = 0, c = 0, h = 0, w = 0 }: Readonly<Record<string, number>>): Pool {
  return { images: n * c, h, w, rows: Math.ceil(h / 2), columns: Math.ceil(w / 2) };
}

export type Sizing = "enum" | "macro" | "const";

export function declareSizes(pool: Pool, how: Sizing): string {
  const pairs: readonly (readonly [string, number])[] = [
    ["IMAGES", pool.images],
    ["IH", pool.h],
    ["IW", pool.w],
    ["OH", pool.rows],
    ["OW", pool.columns],
  ];
  if (how === "enum") return `enum Extent : int { ${pairs.map(([name, value]) => `${name} = ${value}`).join(", ")} };`;
  const line =
    how === "macro"
      ? (name: string, value: number) => `#define ${name} ${value}`
      : (name: string, value: number) => `const int ${name} = ${value};`;
  return pairs.map(([name, value]) => line(name, value)).join("\n");
}

export type Larger = "fmaxf" | "ternary" | "branch" | "helper";

/** `best` becomes the larger of itself and `value`. */
export function raise(how: Larger, best: string, value: string): string {
  if (how === "ternary") return `${best} = ${value} > ${best} ? ${value} : ${best};`;
  if (how === "branch") return `if (${value} > ${best}) ${best} = ${value};`;
  if (how === "helper") return `take_larger(${best}, ${value});`;
  return `${best} = fmaxf(${best}, ${value});`;
}

/** Definitions that `raise` and the lower bound need. */
export function preface(how: Larger): string {
  return `
    #define LOWEST (-3.402823466e38f)
    ${on(how === "helper", "\n__device__ __forceinline__ void take_larger(float& best, float value) {\nbest = fmaxf(best, value);\n}\n")}`;
}

export type Load = "plain" | "__ldg" | "__ldcs";
export type Store = "plain" | "__stcs";

export function fetch(how: Load, address: string): string {
  return how === "plain" ? `*(${address})` : `${how}(${address})`;
}

export function put(how: Store, address: string, value: string): string {
  return how === "plain" ? `*(${address}) = ${value};` : `${how}(${address}, ${value});`;
}
