import { repeat } from "../kit/code.ts";

export type Width = 1 | 2 | 4 | 8;
export type Unpack = "cast" | "union" | "bits";
export type Product = "float" | "half-weight" | "paired";

export const packOf = (width: Width): string => ({ 1: "__half", 2: "__half2", 4: "uint2", 8: "uint4" })[width];

const words = ["x", "y", "z", "w"] as const;

/**
 * Device functions on one pack of halves: power(pack) is the sum of squares, scaled(pack, weights, factor) the result.
 * `unpack` says how wide packs become pairs, `product` in which precision the weight is applied.
 */
export function packFunctions(width: Width, unpack: Unpack, product: Product): string {
  if (width === 1) return single(product);
  const pairs = width / 2;
  const type = packOf(width);
  const open = (name: string, from: string): string => {
    if (width === 2) return `__half2 ${name}[1] = {${from}};`;
    if (unpack === "union")
      return `union { ${type} pack; __half2 pair[${pairs}]; } ${name}_both;\n${name}_both.pack = ${from};\n__half2* ${name} = ${name}_both.pair;`;
    if (unpack === "bits")
      return `__half2 ${name}[${pairs}] = {${words
        .slice(0, pairs)
        .map((word) => `as_pair(${from}.${word})`)
        .join(", ")}};`;
    return `const __half2* ${name} = reinterpret_cast<const __half2*>(&${from});`;
  };
  const result =
    width === 2
      ? "return r[0];"
      : unpack === "bits"
        ? `${type} packed;\n${repeat(pairs, (k) => `packed.${words[k]} = as_word(r[${k}]);`)}\nreturn packed;`
        : `return *reinterpret_cast<${type}*>(r);`;
  const bits = `
    __device__ __forceinline__ __half2 as_pair(unsigned int word) {
      return *reinterpret_cast<__half2*>(&word);
    }

    __device__ __forceinline__ unsigned int as_word(__half2 pair) {
      return *reinterpret_cast<unsigned int*>(&pair);
    }
  `;
  return `
    ${unpack === "bits" && width > 2 ? bits : ""}
    __device__ __forceinline__ float power(${type} pack) {
      ${open("h", "pack")}
      float p = 0.0f;
      #pragma unroll
      for (int k = 0; k < ${pairs}; ++k) {
        float2 f = __half22float2(h[k]);
        p += f.x * f.x + f.y * f.y;
      }
      return p;
    }

    __device__ __forceinline__ ${type} scaled(${type} pack, ${type} weights, float factor) {
      ${open("h", "pack")}
      ${open("g", "weights")}
      ${width > 2 && unpack !== "bits" ? "__align__(16) " : ""}__half2 r[${pairs}];
      #pragma unroll
      for (int k = 0; k < ${pairs}; ++k) {
        ${pairProduct(product)}
      }
      ${result}
    }
  `;
}

function pairProduct(product: Product): string {
  if (product === "paired")
    return "float2 f = __half22float2(h[k]);\nr[k] = __hmul2(__floats2half2_rn(f.x * factor, f.y * factor), g[k]);";
  if (product === "half-weight")
    return `
        float2 f = __half22float2(h[k]);
        r[k] = __halves2half2(__hmul(__float2half(f.x * factor), __low2half(g[k])), __hmul(__float2half(f.y * factor), __high2half(g[k])));`;
  return `
        float2 f = __half22float2(h[k]);
        float2 u = __half22float2(g[k]);
        r[k] = __floats2half2_rn(f.x * factor * u.x, f.y * factor * u.y);`;
}

function single(product: Product): string {
  const value =
    product === "float"
      ? "__float2half(__half2float(pack) * factor * __half2float(weights))"
      : "__hmul(__float2half(__half2float(pack) * factor), weights)";
  return `
    __device__ __forceinline__ float power(__half pack) {
      float f = __half2float(pack);
      return f * f;
    }

    __device__ __forceinline__ __half scaled(__half pack, __half weights, float factor) {
      return ${value};
    }
  `;
}

/** Sum over a block of `threads` threads, as a device function; safe to call again after it returns. */
export function groupTotal(how: "board" | "tree" | "first-warp" | "shared-atomic", threads: string): string {
  const fold = "for (int hop = 16; hop > 0; hop >>= 1) v += __shfl_xor_sync(0xffffffffu, v, hop);";
  const bodies = {
    board: `
      __shared__ float board[32];
      ${fold}
      __syncthreads();
      if (threadIdx.x % 32 == 0) board[threadIdx.x / 32] = v;
      __syncthreads();
      v = 0.0f;
      for (int k = 0; k < (${threads} + 31) / 32; ++k) v += board[k];
      return v;`,
    tree: `
      __shared__ float board[1024];
      __syncthreads();
      board[threadIdx.x] = v;
      __syncthreads();
      // The number of threads need not be a power of two.
      for (int alive = ${threads}; alive > 1; alive = (alive + 1) / 2) {
        int half = (alive + 1) / 2;
        if (threadIdx.x + half < alive) board[threadIdx.x] += board[threadIdx.x + half];
        __syncthreads();
      }
      return board[0];`,
    "first-warp": `
      __shared__ float board[33];
      ${fold}
      __syncthreads();
      if (threadIdx.x % 32 == 0) board[threadIdx.x / 32] = v;
      __syncthreads();
      if (threadIdx.x < 32) {
        v = threadIdx.x < ${threads} / 32 ? board[threadIdx.x] : 0.0f;
        ${fold}
        if (threadIdx.x == 0) board[32] = v;
      }
      __syncthreads();
      return board[32];`,
    "shared-atomic": `
      __shared__ float board;
      ${fold}
      __syncthreads();
      if (threadIdx.x == 0) board = 0.0f;
      __syncthreads();
      if (threadIdx.x % 32 == 0) atomicAdd(&board, v);
      __syncthreads();
      return board;`,
  };
  return `
    __device__ float total_of(float v) {
      ${bodies[how]}
    }
  `;
}

export const header = "#include <cuda_fp16.h>\n";
