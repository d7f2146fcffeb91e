import { on } from "../kit/code.ts";

export type Mixer = "umulhi" | "wide" | "macro" | "keys";
export type Trig = "pi" | "split" | "short";
export type Log = "natural" | "short" | "two";
export type Exp = "expf" | "short" | "exp2f" | "machine";

const first = "0xD2511F53u";
const second = "0xCD9E8D57u";

/** Philox4x32-10 as different authors write it: `philox(path, group, key)` gives four words. */
export function philox(mixer: Mixer): string {
  const head = "__device__ __forceinline__ uint4 philox(unsigned int path, unsigned int group, uint2 key) {";
  if (mixer === "macro") {
    return `
      #define MIX(a, b, c, d)                                                  \\
        {                                                                      \\
          const unsigned int up = __umulhi(${first}, a), vp = __umulhi(${second}, c); \\
          const unsigned int keep = ${first} * a;                             \\
          const unsigned int left = ${second} * c;                             \\
          a = vp ^ b ^ key.x;                                                  \\
          c = up ^ d ^ key.y;                                                  \\
          b = left;                                                            \\
          d = keep;                                                            \\
          key.x += 0x9E3779B9u;                                                \\
          key.y += 0xBB67AE85u;                                                \\
        }

      ${head}
        unsigned int a = path, b = group, c = 0, d = 0;
        MIX(a, b, c, d) MIX(a, b, c, d) MIX(a, b, c, d) MIX(a, b, c, d) MIX(a, b, c, d)
        MIX(a, b, c, d) MIX(a, b, c, d) MIX(a, b, c, d) MIX(a, b, c, d) MIX(a, b, c, d)
        return make_uint4(a, b, c, d);
      }
    `;
  }
  const product =
    mixer === "wide"
      ? `const unsigned long long p = (unsigned long long)${first} * w.x;
        const unsigned long long q = (unsigned long long)${second} * w.z;`
      : "";
  const mixed =
    mixer === "wide"
      ? "make_uint4((unsigned int)(q >> 32) ^ w.y ^ key.x, (unsigned int)q, (unsigned int)(p >> 32) ^ w.w ^ key.y, (unsigned int)p)"
      : `make_uint4(__umulhi(${second}, w.z) ^ w.y ^ key.x, ${second} * w.z, __umulhi(${first}, w.x) ^ w.w ^ key.y, ${first} * w.x)`;
  const byRound = mixer === "keys";
  return `
    ${head}
      uint4 w = make_uint4(path, group, 0u, 0u);
      #pragma unroll
      for (int round = 0; round < 10; ++round) {
        ${product}
        w = ${byRound ? mixed.replace("key.x", "(key.x + round * 0x9E3779B9u)").replace("key.y", "(key.y + round * 0xBB67AE85u)") : mixed};
        ${on(!byRound, "key = make_uint2(key.x + 0x9E3779B9u, key.y + 0xBB67AE85u);")}
      }
      return w;
    }
  `;
}

/** Box and Muller: `gauss_pair(a, b)` turns two words into two normals, `gauss_four` four into four. */
export function gauss(log: Log, trig: Trig): string {
  const radius = {
    natural: "sqrtf(-2.0f * logf(u))",
    short: "sqrtf(fmaxf(-2.0f * __logf(u), 0.0f))",
    two: "sqrtf(fmaxf(-1.3862944f * __log2f(u), 0.0f))",
  }[log];
  const angle = {
    pi: "sincospif(2.0f * v, &s, &c);",
    split: "s = sinf(6.2831853f * v);\nc = cosf(6.2831853f * v);",
    short: "__sincosf(6.2831853f * v, &s, &c);",
  }[trig];
  return `
    __device__ __forceinline__ float2 gauss_pair(unsigned int a, unsigned int b) {
      const float u = fmaf((float)a, 2.3283064e-10f, 1.1641532e-10f);
      const float v = fmaf((float)b, 2.3283064e-10f, 1.1641532e-10f);
      float s, c;
      ${angle}
      const float radius = ${radius};
      return make_float2(radius * c, radius * s);
    }

    __device__ __forceinline__ float4 gauss_four(unsigned int path, unsigned int group, uint2 key) {
      const uint4 words = philox(path, group, key);
      const float2 front = gauss_pair(words.x, words.y);
      const float2 back = gauss_pair(words.z, words.w);
      return make_float4(front.x, front.y, back.x, back.y);
    }
  `;
}

/** The exponential of what an option's drift and sigma add up to. */
export function exponential(exp: Exp, x: string): string {
  return { expf: `expf(${x})`, short: `__expf(${x})`, exp2f: `exp2f(${x})`, machine: `power(${x})` }[exp];
}

/** An option's constants per step; drift and sigma are in the exponential's base. */
export function contract(exp: Exp, paths: number, steps: number): string {
  const base = exp === "exp2f" || exp === "machine" ? " * 1.4426950f" : "";
  const power = `
    __device__ __forceinline__ float power(float x) {
      float y;
      asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
      return y;
    }
  `;
  return `
    ${on(exp === "machine", power)}
    struct Contract {
      float drift, sigma;  // per step
      float level, strike, weight;
    };

    __device__ __forceinline__ Contract read_contract(const float* book, int option) {
      const float* row = book + 5 * option;
      const float dt = row[4] / ${steps}.0f;
      Contract c;
      c.drift = (row[2] - 0.5f * row[3] * row[3]) * dt${base};
      c.sigma = row[3] * sqrtf(dt)${base};
      c.level = row[0] / ${steps}.0f;
      c.strike = row[1];
      c.weight = expf(-row[2] * row[4]) / ${paths}.0f;
      return c;
    }

    // Discounted share of one path in the price.
    __device__ __forceinline__ float worth(const Contract& c, float sum) {
      return fmaxf(fmaf(c.level, sum, -c.strike), 0.0f) * c.weight;
    }
  `;
}

export const clearPrices = (options: number): string => `
  extern "C" __global__ void clear_prices(float* price) {
    const int o = blockIdx.x * blockDim.x + threadIdx.x;
    if (o < ${options}) price[o] = 0.0f;
  }
`;

export type Reduce = "tree" | "warps" | "warp-atomic" | "thread-atomic" | "shared-atomic";

/** Adds every thread's `value` to `target` (a pointer); blocks of `block` threads. */
export function addToPrice(reduce: Reduce, target: string, block: number, value = "value"): string {
  const warp = `
    #pragma unroll
    for (int step = 16; step > 0; step >>= 1) ${value} += __shfl_xor_sync(0xffffffffu, ${value}, step);`;
  if (reduce === "thread-atomic") return `atomicAdd(${target}, ${value});`;
  if (reduce === "warp-atomic") return `${warp}\nif (threadIdx.x % 32 == 0) atomicAdd(${target}, ${value});`;
  if (reduce === "shared-atomic") {
    return `
      __shared__ float total;
      if (threadIdx.x == 0) total = 0.0f;
      __syncthreads();
      ${warp}
      if (threadIdx.x % 32 == 0) atomicAdd(&total, ${value});
      __syncthreads();
      if (threadIdx.x == 0) atomicAdd(${target}, total);`;
  }
  if (reduce === "warps") {
    return `
      __shared__ float parts[${block / 32}];
      ${warp}
      if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = ${value};
      __syncthreads();
      if (threadIdx.x == 0) {
        for (int w = 1; w < ${block / 32}; ++w) ${value} += parts[w];
        atomicAdd(${target}, ${value});
      }`;
  }
  return `
    __shared__ float parts[${block}];
    parts[threadIdx.x] = ${value};
    __syncthreads();
    for (int half = ${block / 2}; half > 0; half /= 2) {
      if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
      __syncthreads();
    }
    if (threadIdx.x == 0) atomicAdd(${target}, parts[0]);`;
}
