import type { Template } from "../kit/generator.ts";
import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { args, columns, depth, gateFunction, parameters, rows, silus, type } from "./parts.ts";

const options = {
  hold: ["float", "bf16"],
  columnsOf: ["neighbours", "strided"],
  load: ["eight", "two"],
  double: [false, true],
  padded: [true, false],
  pairStore: [false, true],
  silu: silus,
  bounded: [true, false],
  swapGrid: [false, true],
  tm: [8, 4],
  tn: [4, 2],
  bm: [64, 128],
  bk: [16, 32],
} as const;

function sharedBytes(o: Chosen<typeof options>): number {
  const pad = o.padded ? (o.hold === "float" ? 4 : 2) : 0;
  return (o.hold === "float" ? 4 : 2) * (o.double ? 2 : 1) * o.bk * (o.bm + pad + 128);
}

/** Statements that bring a tile into buffer `buffer`, from column `start` of x on. */
function loads(o: Chosen<typeof options>, buffer: string, start: string): string {
  const count = o.load === "eight" ? 8 : 2;
  const vector = o.load === "eight" ? "uint4" : "unsigned";
  const put = (place: string): string => (o.hold === "float" ? `__bfloat162float(${place})` : place);
  const weights = (which: string): string =>
    `const ${vector} packed = *reinterpret_cast<const ${vector}*>(&${which}[(size_t)(${start} + r) * N + col0 + q]);
     const ${type}* part = reinterpret_cast<const ${type}*>(&packed);
     #pragma unroll
     for (int i = 0; i < ${count}; ++i) ${which}s[${buffer}][r][q + i] = ${put("part[i]")};`;
  return `for (int e = threadIdx.x; e < BM * BK / ${count}; e += THREADS) {
      const int r = e / (BK / ${count}), q = e % (BK / ${count}) * ${count};
      const ${vector} packed = *reinterpret_cast<const ${vector}*>(&x[(size_t)(row0 + r) * K + ${start} + q]);
      const ${type}* part = reinterpret_cast<const ${type}*>(&packed);
      #pragma unroll
      for (int i = 0; i < ${count}; ++i) xs[${buffer}][q + i][r] = ${put("part[i]")};
    }
    for (int e = threadIdx.x; e < BK * BN / ${count}; e += THREADS) {
      const int r = e / (BN / ${count}), q = e % (BN / ${count}) * ${count};
      {
        ${weights("w1")}
      }
      {
        ${weights("w2")}
      }
    }`;
}

function products(o: Chosen<typeof options>, buffer: string): string {
  const use = (place: string): string => (o.hold === "float" ? place : `__bfloat162float(${place})`);
  return `#pragma unroll
    for (int p = 0; p < BK; ++p) {
      float in[TM], g[TN], v[TN];
      #pragma unroll
      for (int i = 0; i < TM; ++i) in[i] = ${use(`xs[${buffer}][p][ty * TM + i]`)};
      #pragma unroll
      for (int j = 0; j < TN; ++j) {
        g[j] = ${use(`w1s[${buffer}][p][COLUMN(j)]`)};
        v[j] = ${use(`w2s[${buffer}][p][COLUMN(j)]`)};
      }
      #pragma unroll
      for (int i = 0; i < TM; ++i)
        #pragma unroll
        for (int j = 0; j < TN; ++j) {
          gate[i][j] += in[i] * g[j];
          value[i][j] += in[i] * v[j];
        }
    }`;
}

/** A thread holds a patch of sums of both products in registers and works on the CUDA cores. */
export const registerTile: Template = template({
  id: "register-tile",
  from: "shared-tile",
  idea: "compute a patch of outputs per thread from staged tiles, so that every staged value serves several sums",
  options,
  valid: (o) => (!o.pairStore || o.columnsOf === "neighbours") && sharedBytes(o) <= 49152,
  count: 32,
  write: (o) => {
    const threads = (o.bm / o.tm) * (64 / o.tn);
    const kept = o.hold === "float" ? "float" : type;
    const buffers = o.double ? 2 : 1;
    const store = o.pairStore
      ? `for (int j = 0; j < TN; j += 2)
          *reinterpret_cast<__nv_bfloat162*>(&y[(size_t)(row0 + ty * TM + i) * N + col0 + COLUMN(j)]) =
            __floats2bfloat162_rn(gated(gate[i][j], value[i][j]), gated(gate[i][j + 1], value[i][j + 1]));`
      : `for (int j = 0; j < TN; ++j)
          y[(size_t)(row0 + ty * TM + i) * N + col0 + COLUMN(j)] = __float2bfloat16(gated(gate[i][j], value[i][j]));`;
    const loop = o.double
      ? `${loads(o, "0", "0")}
        for (int start = 0; start < K; start += BK) {
          const int now = start / BK & 1;
          __syncthreads();
          if (start + BK < K) {
            ${loads(o, "now ^ 1", "start + BK")}
          }
          ${products(o, "now")}
        }`
      : `for (int start = 0; start < K; start += BK) {
          __syncthreads();
          ${loads(o, "0", "start")}
          __syncthreads();
          ${products(o, "0")}
        }`;
    const source = `
      #include <cuda_bf16.h>

      #define N ${columns}
      #define K ${depth}
      #define BM ${o.bm}
      #define BN 64
      #define BK ${o.bk}
      #define TM ${o.tm}
      #define TN ${o.tn}
      #define THREADS ${threads}
      #define COLUMN(j) ${o.columnsOf === "neighbours" ? "(tx * TN + (j))" : "(tx + (j) * (BN / TN))"}

      ${gateFunction(o.silu)}

      extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(THREADS) ")}gated_patches(${parameters(true)}) {
        __shared__ ${kept} xs[${buffers}][BK][BM${on(o.padded, o.hold === "float" ? " + 4" : " + 2")}];
        __shared__ ${kept} w1s[${buffers}][BK][BN], w2s[${buffers}][BK][BN];
        const int tx = threadIdx.x % (BN / TN), ty = threadIdx.x / (BN / TN);
        const int row0 = blockIdx.${o.swapGrid ? "x" : "y"} * BM, col0 = blockIdx.${o.swapGrid ? "y" : "x"} * BN;
        float gate[TM][TN] = {}, value[TM][TN] = {};
        ${loop}
        #pragma unroll
        for (int i = 0; i < TM; ++i)
          #pragma unroll
          ${store}
      }
    `;
    const [down, across] = [rows / o.bm, columns / 64];
    return styled(
      {
        source,
        launches: [launch("gated_patches", o.swapGrid ? [down, across] : [across, down], threads, args)],
      },
      { names: "snake", indent: 4 },
    );
  },
});
