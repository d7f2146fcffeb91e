import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { dimensions, exponential, numberOf, single, unpackEight, when, type Sizes } from "./common.ts";

function loadTransposed(o: Options, tile: string, source: string, rows: string, scale = ""): string {
  const half = o["storage"] === "half";
  const put = half
    ? `      const half* x = (const half*)&raw;
      #pragma unroll
      for (int u = 0; u < 8; ++u) ${tile}[c + u][r] = x[u];`
    : `      float x[8];
      unpack8(raw, x);
      #pragma unroll
      for (int u = 0; u < 8; ++u) ${tile}[c + u][r] = x[u]${scale};`;
  return `    for (int e = tid; e < ${rows} * 8; e += 256) {
      const int r = e / 8, c = e % 8 * 8;
      const uint4 raw = *(const uint4*)(${source} + (size_t)r * D + c);
${put}
    }`;
}

function loadValues(o: Options): string {
  const put = o["storage"] === "half" ? "*(uint4*)&vs[r][c] = raw;" : "unpack8(raw, &vs[r][c]);";
  return `    for (int e = tid; e < BC * 8; e += 256) {
      const int r = e / 8, c = e % 8 * 8;
      const uint4 raw = *(const uint4*)(v + head + (size_t)(j0 + r) * D + c);
      ${put}
    }`;
}

/** Columns of a thread: neighbours, or spread over the tile. */
function spot(o: Options, width: string): string {
  return o["spread"] ? "tx + 16 * c" : `tx * ${width} + c`;
}

function valueReader(o: Options): (text: string) => string {
  return (text) => (o["storage"] === "half" ? `__half2float(${text})` : text);
}

function scoreProducts(o: Options): string {
  const value = valueReader(o);
  return `    float sc[RT][CT] = {};
${when(o["unroll"], "    #pragma unroll 8\n")}    for (int d = 0; d < D; ++d) {
      float x[RT], y[CT];
      #pragma unroll
      for (int r = 0; r < RT; ++r) x[r] = ${value("qs[d][ty * RT + r]")};
      #pragma unroll
      for (int c = 0; c < CT; ++c) y[c] = ${value(`ks[d][${spot(o, "CT")}]`)};
      #pragma unroll
      for (int r = 0; r < RT; ++r)
        #pragma unroll
        for (int c = 0; c < CT; ++c) sc[r][c] += x[r] * y[c];
    }`;
}

function softmaxRows(o: Options): string {
  const exp = exponential(String(o["exp"]));
  const mask = o["mask"] === "diagonal" ? "if (j0 + BC > i0) " : "";
  return `    #pragma unroll
    for (int r = 0; r < RT; ++r) {
      float next = top[r];
      #pragma unroll
      for (int c = 0; c < CT; ++c) {
        sc[r][c] *= ${exp.scale};
        ${mask}if (j0 + ${spot(o, "CT")} > i0 + ty * RT + r) sc[r][c] = -1e30f;
        next = fmaxf(next, sc[r][c]);
      }
      for (int w = 8; w > 0; w >>= 1) next = fmaxf(next, __shfl_xor_sync(0xffffffffu, next, w));
      const float fade = ${exp.call("top[r] - next")};
      top[r] = next;
      sum[r] *= fade;
      #pragma unroll
      for (int c = 0; c < 4; ++c) acc[r][c] *= fade;
      #pragma unroll
      for (int c = 0; c < CT; ++c) {
        const float p = ${exp.call("sc[r][c] - next")};
        sum[r] += p;
        ps[ty * RT + r][${spot(o, "CT")}] = p;
      }
    }`;
}

function writeFlash(o: Options, s: Sizes): KernelDraft {
  const { heads, seq } = dimensions(s);
  const [br, bc] = [numberOf(o, "br"), numberOf(o, "bc")];
  const half = o["storage"] === "half";
  const type = half ? "half" : "float";
  const value = valueReader(o);
  const pad = half ? 8 : 4;
  const bytes = (half ? 2 : 4) * (64 * (br + pad) + 64 * (bc + pad) + bc * (64 + pad)) + 4 * br * (bc + 4);
  const skip = o["mask"] === "all" ? "S" : "i0 + BR";
  const source = `#include <cuda_fp16.h>

constexpr int S = ${seq}, D = 64, BR = ${br}, BC = ${bc}, RT = BR / 16, CT = BC / 16;

${unpackEight}
// 16 x 16 threads; thread (tx, ty) owns RT rows and CT score columns, and four dimensions of the output.
extern "C" __global__ void __launch_bounds__(256) flash_tile(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ o) {
  extern __shared__ __align__(16) unsigned char pool[];
  ${type} (*qs)[BR + ${pad}] = (${type} (*)[BR + ${pad}])pool;
  ${type} (*ks)[BC + ${pad}] = (${type} (*)[BC + ${pad}])(qs + D);
  ${type} (*vs)[D + ${pad}] = (${type} (*)[D + ${pad}])(ks + D);
  float (*ps)[BC + 4] = (float (*)[BC + 4])(vs + BC);
  const int tid = threadIdx.x, tx = tid % 16, ty = tid / 16;
  const int i0 = ${o["reversed"] ? "(gridDim.x - 1 - blockIdx.x)" : "blockIdx.x"} * BR;
  const size_t head = (size_t)blockIdx.y * S * D;
${loadTransposed(o, "qs", "q + head + (size_t)i0 * D", "BR")}
  float acc[RT][4] = {}, top[RT], sum[RT];
  #pragma unroll
  for (int r = 0; r < RT; ++r) {
    top[r] = -1e30f;
    sum[r] = 0.0f;
  }
  for (int j0 = 0; j0 < ${skip}; j0 += BC) {
    __syncthreads();
${loadTransposed(o, "ks", "k + head + (size_t)j0 * D", "BC")}
${loadValues(o)}
    __syncthreads();
${scoreProducts(o)}
${softmaxRows(o)}
    ${o["barrier"] === "warp" ? "__syncwarp();" : "__syncthreads();"}
${when(o["unroll"], "    #pragma unroll 8\n")}    for (int j = 0; j < BC; ++j) {
      float y[4];
      #pragma unroll
      for (int c = 0; c < 4; ++c) y[c] = ${value(`vs[j][${spot(o, "4")}]`)};
      #pragma unroll
      for (int r = 0; r < RT; ++r) {
        const float p = ps[ty * RT + r][j];
        #pragma unroll
        for (int c = 0; c < 4; ++c) acc[r][c] += p * y[c];
      }
    }
  }
  #pragma unroll
  for (int r = 0; r < RT; ++r) {
    for (int w = 8; w > 0; w >>= 1) sum[r] += __shfl_xor_sync(0xffffffffu, sum[r], w);
    #pragma unroll
    for (int c = 0; c < 4; ++c) o[head + (size_t)(i0 + ty * RT + r) * D + ${spot(o, "4")}] = __float2half(acc[r][c] / sum[r]);
  }
}
`;
  return single("flash_tile", source, [seq / br, heads, 1], 256, bytes);
}

export const flashScalar: Template = {
  id: "flash-scalar",
  from: "thread-per-query",
  count: 27,
  idea: "tiles of queries and keys in shared memory, fp32 products from registers",
  options: {
    br: [64, 32, 128],
    bc: [64, 32],
    storage: ["float", "half"],
    spread: [false, true],
    mask: ["every", "diagonal", "all"],
    exp: ["__expf", "expf", "exp2f"],
    barrier: ["block", "warp"],
    reversed: [false, true],
    unroll: [true, false],
  },
  write: writeFlash,
};
