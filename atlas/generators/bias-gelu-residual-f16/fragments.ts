import type { LaunchArgument } from "../../../src/domain/index.ts";
import type { KernelDraft, Options } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;

export const text = (options: Options, name: string): string => String(options[name]);
export const count = (options: Options, name: string): number => Number(options[name]);
export const on = (options: Options, name: string): boolean => options[name] === true;

export function dimensions(sizes: Sizes): { rows: number; cols: number; n: number } {
  const rows = sizes["rows"] as number;
  const cols = sizes["cols"] as number;
  return { rows, cols, n: rows * cols };
}

/** A draft of one kernel with one launch. */
export function single(
  source: string,
  kernel: string,
  grid: readonly [number, number],
  block: readonly [number, number],
  args: readonly LaunchArgument[],
  smemBytes = 0,
): KernelDraft {
  return { source, launches: [{ kernel, grid: [...grid, 1], block: [...block, 1], smemBytes, args }] };
}

/** `__device__ float NAME(float)` in one of several spellings. */
export function gelu(kind: string, name: string): string {
  const bodies: Readonly<Record<string, string>> = {
    tanhf: `return 0.5f * v * (1.0f + tanhf(0.7978845608f * (v + 0.044715f * v * v * v)));`,
    approx: `float u = v * (0.7978845608f + 0.0356774081f * v * v);
  float t;
  asm("tanh.approx.f32 %0, %1;" : "=f"(t) : "f"(u));
  float h = 0.5f * v;
  return h + h * t;`,
    exp: `float u = v * (-1.5957691216f - 0.0713548163f * v * v);
  return v / (1.0f + expf(u));`,
    fastexp: `float u = v * (-1.5957691216f - 0.0713548163f * v * v);
  return __fdividef(v, 1.0f + __expf(u));`,
    erff: `return 0.5f * v * (1.0f + erff(v * 0.7071067812f));`,
    normcdf: `return 0.5f * v * erfcf(-0.7071067812f * v);`,
  };
  return `__device__ __forceinline__ float ${name}(float v) {
  ${bodies[kind]}
}
`;
}

/** `__device__ __half2 NAME(__half2)`. */
function geluPair(kind: string, name: string): string {
  const inner = `const __half2 square = __hmul2(v, v);
  const __half2 u = __hmul2(v, __hfma2(square, __float2half2_rn(0.0356774081f), __float2half2_rn(0.7978845608f)));`;
  const bodies: Readonly<Record<string, string>> = {
    tanh: `${inner}
  unsigned int t;
  asm("tanh.approx.f16x2 %0, %1;" : "=r"(t) : "r"(*reinterpret_cast<const unsigned int*>(&u)));
  const __half2 h = __hmul2(v, __float2half2_rn(0.5f));
  return __hfma2(h, *reinterpret_cast<const __half2*>(&t), h);`,
    exp: `${inner}
  const __half2 e = h2exp(__hmul2(u, __float2half2_rn(-2.0f)));
  return __hmul2(v, h2rcp(__hadd2(e, __float2half2_rn(1.0f))));`,
  };
  return `__device__ __forceinline__ __half2 ${name}(__half2 v) {
  ${bodies[kind]}
}
`;
}

/** The device functions that turn one pair of each tensor into a pair of results, as `NAME(x, bias, residual)`. */
export function pairMath(kind: string, name: string): string {
  if (kind === "half-tanh" || kind === "half-exp") {
    return `${geluPair(kind.slice(5), "gelu2")}
__device__ __forceinline__ __half2 ${name}(__half2 x, __half2 b, __half2 r) {
  return __hadd2(gelu2(__hadd2(x, b)), r);
}
`;
  }
  return `${gelu(kind, "gelu")}
__device__ __forceinline__ __half2 ${name}(__half2 x, __half2 b, __half2 r) {
  const float2 xf = __half22float2(x);
  const float2 bf = __half22float2(b);
  const float2 rf = __half22float2(r);
  return __floats2half2_rn(gelu(xf.x + bf.x) + rf.x, gelu(xf.y + bf.y) + rf.y);
}
`;
}

/** `NAME(uint4 x, uint4 bias, uint4 residual)`: eight results from `pair(...)`. */
export function eightMath(name: string, unpack: string): string {
  if (unpack === "fields") {
    return `__device__ __forceinline__ unsigned int word(unsigned int x, unsigned int b, unsigned int r) {
  const __half2 y = pair(*reinterpret_cast<__half2*>(&x), *reinterpret_cast<__half2*>(&b), *reinterpret_cast<__half2*>(&r));
  return *reinterpret_cast<const unsigned int*>(&y);
}

__device__ __forceinline__ uint4 ${name}(uint4 x, uint4 b, uint4 r) {
  return make_uint4(word(x.x, b.x, r.x), word(x.y, b.y, r.y), word(x.z, b.z, r.z), word(x.w, b.w, r.w));
}
`;
  }
  return `__device__ __forceinline__ uint4 ${name}(uint4 x, uint4 b, uint4 r) {
  const __half2* px = reinterpret_cast<const __half2*>(&x);
  const __half2* pb = reinterpret_cast<const __half2*>(&b);
  const __half2* pr = reinterpret_cast<const __half2*>(&r);
  uint4 y;
  __half2* py = reinterpret_cast<__half2*>(&y);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    py[i] = pair(px[i], pb[i], pr[i]);
  }
  return y;
}
`;
}

/** How a 16-byte value is read from and written to global memory. */
export function access(hint: string): {
  load: (address: string) => string;
  store: (address: string, value: string) => string;
} {
  if (hint === "streaming") return { load: (a) => `__ldcs(${a})`, store: (a, v) => `__stcs(${a}, ${v})` };
  if (hint === "read-only") return { load: (a) => `__ldg(${a})`, store: (a, v) => `*(${a}) = ${v}` };
  if (hint === "write-through") return { load: (a) => `__ldcg(${a})`, store: (a, v) => `__stwt(${a}, ${v})` };
  return { load: (a) => `*(${a})`, store: (a, v) => `*(${a}) = ${v}` };
}
