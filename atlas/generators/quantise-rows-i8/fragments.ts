import type { Options } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;

export const text = (options: Options, name: string): string => String(options[name]);
export const count = (options: Options, name: string): number => Number(options[name]);
export const on = (options: Options, name: string): boolean => options[name] === true;

export function shape(sizes: Sizes): { rows: number; cols: number } {
  return { rows: sizes["rows"] as number, cols: sizes["cols"] as number };
}

/** `__device__ int NAME(float v, float k)`: the rounded quotient; `k` is what `factor` makes of the largest magnitude. */
export function rounding(kind: string, factor: string, name: string): string {
  const scaled = factor === "divide" ? "v / k" : "v * k";
  const bodies: Readonly<Record<string, string>> = {
    rn: `return __float2int_rn(${scaled});`,
    clamped: `int r = __float2int_rn(${scaled});
  return max(-127, min(127, r));`,
    rint: `return (int)rintf(fminf(fmaxf(${scaled}, -127.0f), 127.0f));`,
    roundf: `return (int)roundf(${scaled});`,
    // The low bits of the mantissa hold the integer.
    mantissa: `return __float_as_int(${scaled} + 12582912.0f);`,
    floor: `return (int)floorf(${scaled} + 0.5f);`,
  };
  return `__device__ __forceinline__ int ${name}(float v, float k) {
  ${bodies[kind]}
}
`;
}

/** The second argument of the rounding function, from the largest magnitude `m`. */
export function factorOf(factor: string, m: string): string {
  if (factor === "divide") return `${m} * (1.0f / 127.0f)`;
  if (factor === "fast") return `__fdividef(127.0f, ${m})`;
  return `127.0f / ${m}`;
}

/** `__device__ TYPE NAME(float4 v, float k)`: four bytes, as `char4` or as a word. */
export function packFour(kind: string, name: string, round: string): string {
  const lanes = ["x", "y", "z", "w"].map((lane) => `${round}(v.${lane}, k)`);
  if (kind === "char4") {
    return `__device__ __forceinline__ char4 ${name}(float4 v, float k) {
  return make_char4(${lanes.join(", ")});
}
`;
  }
  const bodies: Readonly<Record<string, string>> = {
    shift: `return (a & 0xff) | ((b & 0xff) << 8) | ((c & 0xff) << 16) | ((unsigned int)d << 24);`,
    permute: `return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);`,
  };
  return `__device__ __forceinline__ unsigned int ${name}(float4 v, float k) {
  const unsigned int a = ${lanes[0]}, b = ${lanes[1]}, c = ${lanes[2]}, d = ${lanes[3]};
  ${bodies[kind]}
}
`;
}

/** The type that `packFour` returns. */
export const packedType = (kind: string): string => (kind === "char4" ? "char4" : "unsigned int");

export const largestOfFour = `__device__ __forceinline__ float largest4(float m, float4 v) {
  m = fmaxf(m, fmaxf(fabsf(v.x), fabsf(v.y)));
  return fmaxf(m, fmaxf(fabsf(v.z), fabsf(v.w)));
}
`;

/** `__device__ float NAME(float m)`: the largest over a warp, in every lane. */
export function warpMax(kind: string, name: string): string {
  const bodies: Readonly<Record<string, string>> = {
    xor: `#pragma unroll
  for (int step = 16; step > 0; step >>= 1) {
    m = fmaxf(m, __shfl_xor_sync(0xffffffffu, m, step));
  }
  return m;`,
    down: `for (int step = 16; step > 0; step /= 2) {
    m = fmaxf(m, __shfl_down_sync(0xffffffffu, m, step));
  }
  return __shfl_sync(0xffffffffu, m, 0);`,
    // Magnitudes order like their bits.
    redux: `return __uint_as_float(__reduce_max_sync(0xffffffffu, __float_as_uint(m)));`,
  };
  return `__device__ __forceinline__ float ${name}(float m) {
  ${bodies[kind]}
}
`;
}

/** Statements that leave the block's largest `m` in every thread; `threads` is a multiple of 32. */
export function blockMax(kind: string, threads: number, warp: string): { declare: string; reduce: string } {
  const warps = threads / 32;
  if (kind === "tree") {
    return {
      declare: `__shared__ float partial[${threads}];`,
      reduce: `partial[threadIdx.x] = m;
  __syncthreads();
  for (int half = ${threads / 2}; half > 0; half >>= 1) {
    if (threadIdx.x < half) partial[threadIdx.x] = fmaxf(partial[threadIdx.x], partial[threadIdx.x + half]);
    __syncthreads();
  }
  m = partial[0];`,
    };
  }
  if (kind === "atomic") {
    return {
      declare: "__shared__ int top;",
      reduce: `if (threadIdx.x == 0) top = 0;
  __syncthreads();
  atomicMax(&top, __float_as_int(m));
  __syncthreads();
  m = __int_as_float(top);`,
    };
  }
  if (kind === "warp-atomic") {
    return {
      declare: "__shared__ int top;",
      reduce: `if (threadIdx.x == 0) top = 0;
  m = ${warp}(m);
  __syncthreads();
  if (threadIdx.x % 32 == 0) atomicMax(&top, __float_as_int(m));
  __syncthreads();
  m = __int_as_float(top);`,
    };
  }
  return {
    declare: `__shared__ float partial[${warps}];`,
    reduce: `m = ${warp}(m);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = m;
  __syncthreads();
${
  kind === "all-read"
    ? `#pragma unroll
  for (int w = 0; w < ${warps}; ++w) m = fmaxf(m, partial[w]);`
    : `  m = ${warp}(threadIdx.x % 32 < ${warps} ? partial[threadIdx.x % 32] : 0.0f);`
}`,
  };
}
