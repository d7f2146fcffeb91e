import { on } from "../kit/code.ts";

/** How mean and variance are found. */
export type Method = "two-pass" | "moments" | "shifted";

/** How the threads of a block add up. */
export type BlockReduce = "every-warp" | "first-warp" | "tree";

const zero = { float: "0.0f", float2: "make_float2(0.0f, 0.0f)" } as const;
type Reduced = keyof typeof zero;

const accumulate = (type: Reduced, into: string, from: string): string =>
  type === "float" ? `${into} += ${from};` : `${into}.x += ${from}.x;\n${into}.y += ${from}.y;`;

/** `warp_sum(v)`, valid in every lane. */
export function warpSum(type: Reduced = "float"): string {
  const shuffle = (v: string): string => `__shfl_xor_sync(0xffffffffu, ${v}, offset)`;
  return `
    __device__ __forceinline__ ${type} warp_sum(${type} v) {
      #pragma unroll
      for (int offset = 16; offset > 0; offset >>= 1) {
        ${type === "float" ? `v += ${shuffle("v")};` : `v.x += ${shuffle("v.x")};\nv.y += ${shuffle("v.y")};`}
      }
      return v;
    }
  `;
}

/** `block_sum<threads>(v)`, valid in every thread; may be called repeatedly. */
export function blockSum(kind: BlockReduce, type: Reduced = "float"): string {
  if (kind === "tree") {
    return `
      template <int THREADS>
      __device__ ${type} block_sum(${type} v) {
        __shared__ ${type} cells[THREADS];
        int t = threadIdx.x;
        __syncthreads();
        cells[t] = v;
        __syncthreads();
        for (int half = THREADS / 2; half > 0; half >>= 1) {
          if (t < half) {
            ${accumulate(type, "cells[t]", "cells[t + half]")}
          }
          __syncthreads();
        }
        return cells[0];
      }
    `;
  }
  const head = `
    ${warpSum(type)}
    template <int THREADS>
    __device__ __forceinline__ ${type} block_sum(${type} v) {
      __shared__ ${type} parts[32];`;
  if (kind === "every-warp") {
    return `${head}
        v = warp_sum(v);
        __syncthreads();
        if (threadIdx.x % 32 == 0) {
          parts[threadIdx.x / 32] = v;
        }
        __syncthreads();
        ${type} all = parts[0];
        #pragma unroll
        for (int w = 1; w < THREADS / 32; ++w) {
          ${accumulate(type, "all", "parts[w]")}
        }
        return all;
      }
    `;
  }
  return `${head}
      __shared__ ${type} result;
      int lane = threadIdx.x & 31;
      v = warp_sum(v);
      if (lane == 0) {
        parts[threadIdx.x >> 5] = v;
      }
      __syncthreads();
      if (threadIdx.x < 32) {
        v = lane < THREADS / 32 ? parts[lane] : ${zero[type]};
        v = warp_sum(v);
        if (lane == 0) {
          result = v;
        }
      }
      __syncthreads();
      return result;
    }
  `;
}

/** `unpack` and `pack` between eight bfloat16 in a uint4 and floats. */
export function packing(kind: "convert" | "shift"): string {
  const unpack =
    kind === "convert"
      ? `
      const __nv_bfloat162* pairs = reinterpret_cast<const __nv_bfloat162*>(&raw);
      #pragma unroll
      for (int p = 0; p < 4; ++p) {
        float2 two = __bfloat1622float2(pairs[p]);
        f[2 * p] = two.x;
        f[2 * p + 1] = two.y;
      }`
      : `
      // A bfloat16 is the upper half of a float.
      const unsigned int words[4] = {raw.x, raw.y, raw.z, raw.w};
      #pragma unroll
      for (int p = 0; p < 4; ++p) {
        f[2 * p] = __uint_as_float(words[p] << 16);
        f[2 * p + 1] = __uint_as_float(words[p] & 0xffff0000u);
      }`;
  return `
    __device__ __forceinline__ void unpack(uint4 raw, float (&f)[8]) {
      ${unpack}
    }

    __device__ __forceinline__ uint4 pack(const float (&f)[8]) {
      uint4 raw;
      __nv_bfloat162* pairs = reinterpret_cast<__nv_bfloat162*>(&raw);
      #pragma unroll
      for (int p = 0; p < 4; ++p) {
        pairs[p] = __floats2bfloat162_rn(f[2 * p], f[2 * p + 1]);
      }
      return raw;
    }
  `;
}

/** How many elements a thread handles at once. */
export type Width = "one" | "pair" | "eight";

export const widthOf = { one: 1, pair: 2, eight: 8 } as const;
export const typeOf = { one: "__nv_bfloat16", pair: "__nv_bfloat162", eight: "uint4" } as const;

/** Statements for each value that `from` holds, as floats. */
export function values(width: Width, from: string, line: (value: string) => string): string {
  if (width === "one") return line(`__bfloat162float(${from})`);
  if (width === "pair") return `float2 two = __bfloat1622float2(${from});\n${line("two.x")}\n${line("two.y")}`;
  return `float f[8];\nunpack(${from}, f);\n#pragma unroll\nfor (int p = 0; p < 8; ++p) {\n${line("f[p]")}\n}`;
}

/** Statements that normalise what `from` holds, with gamma and beta at `index`, and store it to `to`. */
export function affine(width: Width, from: string, to: string, index: string, write = "plain"): string {
  const store = (value: string): string =>
    write === "streaming" && width === "eight" ? `__stcs(&${to}, ${value});` : `${to} = ${value};`;
  if (width === "one") {
    return `
      float normal = (__bfloat162float(${from}) - mean) * scale;
      ${store(`__float2bfloat16(normal * __bfloat162float(gamma[${index}]) + __bfloat162float(beta[${index}]))`)}`;
  }
  if (width === "pair") {
    return `
      float2 v = __bfloat1622float2(${from});
      float2 g = __bfloat1622float2(gamma[${index}]);
      float2 b = __bfloat1622float2(beta[${index}]);
      ${store("__floats2bfloat162_rn((v.x - mean) * scale * g.x + b.x, (v.y - mean) * scale * g.y + b.y)")}`;
  }
  return `
    float v[8], g[8], b[8];
    unpack(${from}, v);
    unpack(gamma[${index}], g);
    unpack(beta[${index}], b);
    #pragma unroll
    for (int p = 0; p < 8; ++p) {
      v[p] = (v[p] - mean) * scale * g[p] + b[p];
    }
    ${store("pack(v)")}`;
}

/** Statistics of a row by loops over a thread's share of it. */
export interface StatisticsLoops {
  readonly method: Method;
  readonly width: Width;
  /** The head of the loop, up to its brace; `j` is the index. */
  readonly head: string;
  /** What the loop reads at `j`. */
  readonly at: string;
  readonly cols: string;
  readonly reduce: (value: string) => string;
  /** The row's first element as float, for the shifted method. */
  readonly firstElement: string;
  /** An inverse square root, `rsqrtf(v)` unless told. */
  readonly root?: (value: string) => string;
}

/** Declares `mean` and `scale`. */
export function statistics(given: StatisticsLoops): string {
  const { method, width, head, at, cols, reduce, firstElement } = given;
  const root = given.root ?? ((value: string): string => `rsqrtf(${value})`);
  const loop = (line: (value: string) => string): string => `${head}\n${values(width, at, line)}\n}`;
  if (method === "two-pass") {
    return `
      float sum = 0.0f;
      ${loop((v) => `sum += ${v};`)}
      float mean = ${reduce("sum")} / ${cols};
      float squares = 0.0f;
      ${loop((v) => on(width === "one", `float d = ${v} - mean;\nsquares += d * d;`, `squares += (${v} - mean) * (${v} - mean);`))}
      float scale = ${root(`${reduce("squares")} / ${cols} + 1e-5f`)};`;
  }
  const shift = method === "shifted";
  const moments = (v: string): string => {
    if (!shift && width !== "one") return `sum += ${v};\nsquares += ${v} * ${v};`;
    const body = `float d = ${v}${on(shift, " - shift")};\nsum += d;\nsquares += d * d;`;
    return width === "pair" ? `{\n${body}\n}` : body;
  };
  return `
    ${on(shift, `float shift = ${firstElement};`)}
    float sum = 0.0f, squares = 0.0f;
    ${loop(moments)}
    float mean = ${reduce("sum")} / ${cols};
    float variance = ${reduce("squares")} / ${cols} - mean * mean;
    ${on(shift, "mean += shift;")}
    float scale = ${root("variance + 1e-5f")};`;
}
