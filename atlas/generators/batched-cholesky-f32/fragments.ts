import type { LaunchArgument } from "../../../src/domain/index.ts";
import type { KernelDraft, Options } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;

export const text = (options: Options, name: string): string => String(options[name]);
export const count = (options: Options, name: string): number => Number(options[name]);
export const on = (options: Options, name: string): boolean => options[name] === true;
export const batchOf = (sizes: Sizes): number => sizes["batch"] as number;

export function single(
  source: string,
  kernel: string,
  grid: number,
  block: readonly [number, number, number],
  args: readonly LaunchArgument[],
  smemBytes = 0,
): KernelDraft {
  return { source, launches: [{ kernel, grid: [grid, 1, 1], block: [...block], smemBytes, args }] };
}

/** Declares `root`, the square root of `d`, and what `scaled` needs. */
export function pivot(kind: string, d: string): string {
  if (kind === "rsqrt") return `const float inv = rsqrtf(${d});\n      const float root = ${d} * inv;`;
  const root = `const float root = sqrtf(${d});`;
  return kind === "reciprocal" ? `${root}\n      const float inv = 1.0f / root;` : root;
}

export const scaled = (kind: string, value: string): string =>
  kind === "divide" ? `${value} / root` : `${value} * inv`;

export const pivots = ["divide", "reciprocal", "rsqrt"] as const;
export const orders = ["rows", "columns", "outer"] as const;

type At = (row: string, column: string) => string;

/** A whole factorisation by one thread, over entries that `at` names. `pragma` precedes every loop. */
export function serialFactor(order: string, kind: string, at: At, pragma: string): string {
  const loop = (head: string, body: string): string => `${pragma}for (int ${head}) {
      ${body}
    }`;
  const finish = (j: string): string => `const float d = ${at(j, j)};
      ${pivot(kind, "d")}
      ${at(j, j)} = root;
      ${loop(`r = ${j} + 1; r < 16; ++r`, `${at("r", j)} = ${scaled(kind, at("r", j))};`)}`;
  if (order === "outer") {
    return loop(
      "k = 0; k < 16; ++k",
      `${finish("k")}
      ${loop(
        "c = k + 1; c < 16; ++c",
        `const float t = ${at("c", "k")};
      ${loop("r = c; r < 16; ++r", `${at("r", "c")} -= ${at("r", "k")} * t;`)}`,
      )}`,
    );
  }
  if (order === "columns") {
    return loop(
      "j = 0; j < 16; ++j",
      `${loop(
        "k = 0; k < j; ++k",
        `const float t = ${at("j", "k")};
      ${loop("r = j; r < 16; ++r", `${at("r", "j")} -= ${at("r", "k")} * t;`)}`,
      )}
      ${finish("j")}`,
    );
  }
  return loop(
    "r = 0; r < 16; ++r",
    `${loop(
      "c = 0; c < r; ++c",
      `float sum = ${at("r", "c")};
      ${loop("k = 0; k < c; ++k", `sum -= ${at("r", "k")} * ${at("c", "k")};`)}
      ${at("r", "c")} = sum / ${at("c", "c")};`,
    )}
      float d = ${at("r", "r")};
      ${loop("k = 0; k < r; ++k", `d -= ${at("r", "k")} * ${at("r", "k")};`)}
      ${at("r", "r")} = sqrtf(d);`,
  );
}

/** `__device__ void NAME(float (&a)[16], int lane)`: sixteen lanes, each with a row (or, for "own columns", a column). */
export function laneFactor(looking: string, kind: string, name: string): string {
  const bodies: Readonly<Record<string, string>> = {
    right: `#pragma unroll
  for (int k = 0; k < 16; ++k) {
    const float d = __shfl_sync(0xffffffffu, a[k], k, 16);
    ${pivot(kind, "d")}
    a[k] = lane == k ? root : ${scaled(kind, "a[k]")};
#pragma unroll
    for (int j = k + 1; j < 16; ++j) {
      a[j] -= a[k] * __shfl_sync(0xffffffffu, a[k], j, 16);
    }
  }`,
    left: `#pragma unroll
  for (int j = 0; j < 16; ++j) {
    float sum = a[j];
#pragma unroll
    for (int k = 0; k < j; ++k) {
      sum -= a[k] * __shfl_sync(0xffffffffu, a[k], j, 16);
    }
    const float d = __shfl_sync(0xffffffffu, sum, j, 16);
    ${pivot(kind, "d")}
    a[j] = lane == j ? root : ${scaled(kind, "sum")};
  }`,
    "own columns": `#pragma unroll
  for (int k = 0; k < 16; ++k) {
    float v[16];
    float mine = 0.0f;
#pragma unroll
    for (int r = k; r < 16; ++r) {
      v[r] = __shfl_sync(0xffffffffu, a[r], k, 16);
      if (r > k && r == lane) mine = v[r];
    }
    const float d = v[k];
    ${pivot(kind, "d")}
    const float t = ${scaled(kind, scaled(kind, "mine"))};
#pragma unroll
    for (int r = k; r < 16; ++r) {
      a[r] = lane == k ? ${scaled(kind, "a[r]")} : a[r] - v[r] * t;
    }
  }`,
  };
  return `__device__ __forceinline__ void ${name}(float (&a)[16], int lane) {
  ${bodies[looking]}
}
`;
}
