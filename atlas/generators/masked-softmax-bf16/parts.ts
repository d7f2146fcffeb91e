import { on } from "../kit/code.ts";

export type Sizes = Readonly<Record<string, number>>;
export type Exponential = "fast" | "expf" | "exp2";
export type Convert = "bits" | "intrinsics";
export type Passes = "three" | "running" | "stored";
export type Skip = "stop" | "mask" | "guard";
export type Width = "one" | "two" | "eight";

export const perAccess: Readonly<Record<Width, 1 | 2 | 8>> = { one: 1, two: 2, eight: 8 };
export const accessType: Readonly<Record<Width, string>> = {
  one: "unsigned short",
  two: "unsigned int",
  eight: "uint4",
};

/** exp(v - top), for tops of unscaled scores. */
export const weight = (exp: Exponential, v: string, top: string): string =>
  ({
    fast: `__expf(${v} - ${top})`,
    expf: `expf(${v} - ${top})`,
    exp2: `exp2f((${v} - ${top}) * 1.44269504f)`,
  })[exp];

export const shape = ({ heads = 0, seq = 0 }: Sizes, kind: "define" | "constexpr" | "enum"): string =>
  ({
    define: `#define SEQ ${seq}\n#define ROWS ${heads * seq}`,
    constexpr: `constexpr int SEQ = ${seq};\nconstexpr int ROWS = ${heads * seq};`,
    enum: `enum { SEQ = ${seq}, ROWS = ${heads * seq} };`,
  })[kind];

/** `widen(raw, e)` and `narrow(e)` between an access and its floats. */
export function conversions(width: Width, convert: Convert): string {
  const type = accessType[width];
  const pair =
    convert === "bits"
      ? `
      __device__ __forceinline__ unsigned int round_bits(float v) {
        const unsigned int bits = __float_as_uint(v);
        return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
      }

      __device__ __forceinline__ unsigned int join(float low, float high) {
        return round_bits(low) | (round_bits(high) << 16);
      }`
      : `
      __device__ __forceinline__ unsigned int join(float low, float high) {
        const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
        return *reinterpret_cast<const unsigned int*>(&both);
      }`;
  const split = (word: string, at: number): string =>
    `e[${at}] = __uint_as_float(${word} << 16);\ne[${at + 1}] = __uint_as_float(${word} & 0xffff0000u);`;
  const members = ["x", "y", "z", "w"];
  const widen = {
    one: "e[0] = __uint_as_float((unsigned int)raw << 16);",
    two: split("raw", 0),
    eight: members.map((member, index) => split(`raw.${member}`, 2 * index)).join("\n"),
  }[width];
  const narrow = {
    one: "return (unsigned short)(join(e[0], 0.0f) & 0xffffu);",
    two: "return join(e[0], e[1]);",
    eight: "return make_uint4(join(e[0], e[1]), join(e[2], e[3]), join(e[4], e[5]), join(e[6], e[7]));",
  }[width];
  return `
    ${pair}

    __device__ __forceinline__ void widen(${type} raw, float* e) {
      ${widen}
    }

    __device__ __forceinline__ ${type} narrow(const float* e) {
      ${narrow}
    }
  `;
}

export const zeroOf: Readonly<Record<Width, string>> = { one: "0", two: "0u", eight: "make_uint4(0u, 0u, 0u, 0u)" };

export interface RowPasses {
  readonly width: Width;
  readonly exp: Exponential;
  readonly passes: Passes;
  readonly skip: Skip;
  readonly first: string;
  readonly step: string;
  readonly foldMax: (v: string) => string;
  readonly foldSum: (v: string) => string;
  readonly unroll?: boolean;
}

/** A row from `in` to `out` in accesses of `width`, for its `visible` first columns. */
export function rowPasses(row: RowPasses): string {
  const { width, exp, passes, foldMax, foldSum } = row;
  const each = (body: string): string => `#pragma unroll\nfor (int j = 0; j < ${perAccess[width]}; ++j) ${body}`;
  const maximum = `
    float top = -3.0e38f;
    ${visit(row, "in", each("top = fmaxf(top, e[j]);"))}
    top = ${foldMax("top")};`;
  const sums = `
    float sum = 0.0f;
    ${visit(row, "in", each(`sum += ${weight(exp, "e[j]", "top")};`))}
    sum = ${foldSum("sum")};
    const float scale = 1.0f / sum;`;
  if (passes === "three") {
    return `${maximum}\n${sums}\n${visit(row, "in", `${each(`e[j] = ${weight(exp, "e[j]", "top")} * scale;`)}\nout[c] = narrow(e);`)}\n${hidden(row)}`;
  }
  if (passes === "stored") {
    const storing = `
      float sum = 0.0f;
      ${visit(row, "in", `${each(`{\ne[j] = ${weight(exp, "e[j]", "top")};\nsum += e[j];\n}`)}\nout[c] = narrow(e);`)}
      sum = ${foldSum("sum")};
      const float scale = 1.0f / sum;`;
    return `${maximum}\n${storing}\n${visit({ ...row, skip: "stop" }, "out", `${each("e[j] *= scale;")}\nout[c] = narrow(e);`, false)}\n${hidden(row)}`;
  }
  return `
    float best = -3.0e38f, running = 0.0f;
    ${visit(
      row,
      "in",
      `float next = best;
      ${each("next = fmaxf(next, e[j]);")}
      running *= ${weight(exp, "best", "next")};
      best = next;
      ${each(`if (e[j] > -1.0e38f) running += ${weight(exp, "e[j]", "best")};`)}`,
    )}
    const float top = ${foldMax("best")};
    const float sum = ${foldSum(`running * ${weight(exp, "best", "top")}`)};
    const float scale = 1.0f / sum;
    ${visit(row, "in", `${each(`e[j] = ${weight(exp, "e[j]", "top")} * scale;`)}\nout[c] = narrow(e);`)}
    ${hidden(row)}`;
}

/** Loops over a row's accesses with the floats in `e`; hidden ones are so small that their weight is 0. */
function visit({ width, skip, first, step, unroll }: RowPasses, from: string, body: string, masked = true): string {
  const per = perAccess[width];
  const end = skip === "stop" ? (per === 1 ? "visible" : `(visible + ${per - 1}) / ${per}`) : `SEQ / ${per}`;
  const cover = `
    #pragma unroll
    for (int j = 0; j < ${per}; ++j) {
      if (${per} * c + j >= visible) e[j] = -3.0e38f;
    }`;
  const load =
    skip === "guard"
      ? `float e[${per}];
      if (${per} * c < visible) {
        widen(${from}[c], e);
      } else {
        #pragma unroll
        for (int j = 0; j < ${per}; ++j) e[j] = -3.0e38f;
      }`
      : `float e[${per}];\nwiden(${from}[c], e);`;
  const needsCover = masked && !(skip === "stop" && per === 1);
  return `
    ${on(unroll === true, "#pragma unroll 4")}
    for (int c = ${first}; c < ${end}; c += ${step}) {
      ${load}
      ${on(needsCover, cover)}
      ${body}
    }`;
}

/** Where the loops stop at the last visible column, the rest of the row still has to become 0. */
function hidden({ width, skip, first, step }: RowPasses): string {
  const per = perAccess[width];
  if (skip !== "stop") return "";
  const start = per === 1 ? "visible" : `(visible + ${per - 1}) / ${per}`;
  return `for (int c = ${start} + ${first}; c < SEQ / ${per}; c += ${step}) out[c] = ${zeroOf[width]};`;
}

/** `warp_max`, `warp_sum` over `lanes` neighbouring lanes. */
export function laneFolds(style: "xor" | "macro", lanes = 32): string {
  if (style === "macro") {
    return `
      #define LANE_FOLD(name, expression) \\
      __device__ __forceinline__ float name(float a) { \\
      for (int hop = ${lanes / 2}; hop > 0; hop /= 2) { \\
      const float b = __shfl_xor_sync(0xffffffffu, a, hop); \\
      a = expression; \\
      } \\
      return a; \\
      }
      LANE_FOLD(warp_max, fmaxf(a, b))
      LANE_FOLD(warp_sum, a + b)
    `;
  }
  return `
    __device__ __forceinline__ float warp_max(float a) {
      #pragma unroll
      for (int hop = ${lanes / 2}; hop > 0; hop >>= 1) a = fmaxf(a, __shfl_xor_sync(0xffffffffu, a, hop));
      return a;
    }

    __device__ __forceinline__ float warp_sum(float a) {
      #pragma unroll
      for (int hop = ${lanes / 2}; hop > 0; hop >>= 1) a += __shfl_xor_sync(0xffffffffu, a, hop);
      return a;
    }
  `;
}

/** `block_max`, `block_sum` over BLOCK threads; need warp folds except for the tree. */
export function blockFolds(style: "every" | "first" | "tree"): string {
  const one = (name: string, neutral: string, fold: (a: string, b: string) => string): string => {
    const bodies = {
      every: `
        v = warp_${name}(v);
        if (threadIdx.x % 32 == 0) cells[threadIdx.x / 32] = v;
        __syncthreads();
        v = cells[0];
        for (int w = 1; w < BLOCK / 32; ++w) v = ${fold("v", "cells[w]")};`,
      first: `
        v = warp_${name}(v);
        if (threadIdx.x % 32 == 0) cells[threadIdx.x / 32] = v;
        __syncthreads();
        if (threadIdx.x < 32) {
          v = warp_${name}(threadIdx.x < BLOCK / 32 ? cells[threadIdx.x] : ${neutral});
          if (threadIdx.x == 0) cells[0] = v;
        }
        __syncthreads();
        v = cells[0];`,
      tree: `
        cells[threadIdx.x] = v;
        __syncthreads();
        for (int n = BLOCK / 2; n > 0; n /= 2) {
          if (threadIdx.x < n) cells[threadIdx.x] = ${fold("cells[threadIdx.x]", "cells[threadIdx.x + n]")};
          __syncthreads();
        }
        v = cells[0];`,
    };
    return `
      __device__ float block_${name}(float v) {
        __shared__ float cells[BLOCK];
        ${bodies[style]}
        __syncthreads();
        return v;
      }`;
  };
  return `
    ${one("max", "-3.0e38f", (a, b) => `fmaxf(${a}, ${b})`)}
    ${one("sum", "0.0f", (a, b) => `${a} + ${b}`)}
  `;
}
