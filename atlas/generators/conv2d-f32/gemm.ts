import type { Options } from "../kit/generator.ts";

/** What a matrix product over tiles reads and writes; `m` is a filter, `p` a column, `kk` the summed index. */
export interface Gemm {
  readonly name: string;
  readonly params: string;
  /** Length of the sum, as an expression. */
  readonly length: string;
  readonly columns: string;
  readonly setup: string;
  readonly a: string;
  readonly b: string;
  /** Where the sum of filter `m` and column `p` goes; four neighbouring columns from a multiple of four are contiguous. */
  readonly place: string;
  /** True when `a` is contiguous in `m`; otherwise it is contiguous in `kk`. */
  readonly filtersContiguous: boolean;
}

export interface Micro {
  readonly tm: number;
  readonly tn: number;
  readonly bn: number;
  readonly threads: number;
}

export function microOf(o: Options): Micro {
  const [tm, tn] = String(o["micro"]).split("x").map(Number) as [number, number];
  const bn = tm === 2 ? 32 : tm === 4 && tn === 4 ? 64 : 128;
  return { tm, tn, bn, threads: (64 / tm) * (bn / tn) };
}

export function microHeader(o: Options): string {
  const { tm, tn, bn, threads } = microOf(o);
  return `constexpr int BM = 64, BN = ${bn}, BK = ${Number(o["depth"])};
constexpr int TM = ${tm}, TN = ${tn};
constexpr int THREADS = ${threads};
`;
}

/** Column of a thread's value `i` within the tile. */
function columnOf(o: Options, i: string): string {
  return o["split"] ? `${i} / 4 * (BN / 2) + tx * 4 + ${i} % 4` : `tx * TN + ${i}`;
}

function fragment(name: string, tile: string, place: string, count: string, vector: boolean): string {
  if (!vector) {
    return `#pragma unroll
      for (int i = 0; i < ${count}; ++i) ${name}[i] = ${tile}[kk][${place}];`;
  }
  return `#pragma unroll
      for (int i = 0; i < ${count}; i += 4) {
        const float4 q = *reinterpret_cast<const float4*>(&${tile}[kk][${place}]);
        ${name}[i] = q.x;
        ${name}[i + 1] = q.y;
        ${name}[i + 2] = q.z;
        ${name}[i + 3] = q.w;
      }`;
}

function product(o: Options, slot: string): string {
  const vector = Boolean(o["vector"]) && microOf(o).tm >= 4;
  return `#pragma unroll
    for (int kk = 0; kk < BK; ++kk) {
      float ra[TM], rb[TN];
${fragment("ra", `as${slot}`, "ty * TM + i", "TM", vector)}
${fragment("rb", `bs${slot}`, columnOf(o, "i"), "TN", vector)}
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j) sum[i][j] = fmaf(ra[i], rb[j], sum[i][j]);
    }`;
}

function mainLoop(o: Options, g: Gemm): string {
  const [kOf, mOf] = g.filtersContiguous ? ["i / BM", "i % BM"] : ["i % BK", "i / BK"];
  const rows = `for (int row = tid / BN; row < BK; row += THREADS / BN)`;
  if (!o["prefetch"]) {
    return `  for (int k0 = 0; k0 < ${g.length}; k0 += BK) {
    for (int i = tid; i < BK * BM; i += THREADS) {
      const int kk = k0 + ${kOf};
      const int m = ${mOf};
      as[${kOf}][m] = ${g.a};
    }
    ${rows} {
      const int kk = k0 + row;
      bs[row][tid % BN] = ${g.b};
    }
    __syncthreads();
${product(o, "")}
    __syncthreads();
  }`;
  }
  const loads = (base: string): string => `#pragma unroll
    for (int s = 0; s < BK * BM / THREADS; ++s) {
      const int i = tid + s * THREADS;
      const int kk = ${base} + ${kOf};
      const int m = ${mOf};
      na[s] = ${g.a};
    }
#pragma unroll
    for (int s = 0; s < BK * BN / THREADS; ++s) {
      const int kk = ${base} + tid / BN + s * (THREADS / BN);
      nb[s] = ${g.b};
    }`;
  const stores = (slot: string): string => `#pragma unroll
    for (int s = 0; s < BK * BM / THREADS; ++s) {
      const int i = tid + s * THREADS;
      as[${slot}][${kOf}][${mOf}] = na[s];
    }
#pragma unroll
    for (int s = 0; s < BK * BN / THREADS; ++s) bs[${slot}][tid / BN + s * (THREADS / BN)][tid % BN] = nb[s];`;
  return `  float na[BK * BM / THREADS], nb[BK * BN / THREADS];
  {
${loads("0")}
${stores("0")}
  }
  __syncthreads();
  int slot = 0;
  for (int k0 = 0; k0 < ${g.length}; k0 += BK) {
    const bool more = k0 + BK < ${g.length};
    if (more) {
${loads("k0 + BK")}
    }
${product(o, "[slot]")}
    if (more) {
${stores("slot ^ 1")}
    }
    __syncthreads();
    slot ^= 1;
  }`;
}

function storeColumns(o: Options, g: Gemm): string {
  const wide = Boolean(o["vector"]) && microOf(o).tn >= 4;
  const value = wide
    ? `*reinterpret_cast<float4*>(&${g.place}) = make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);`
    : `${g.place} = sum[i][j];`;
  return `#pragma unroll
    for (int j = 0; j < TN; ${wide ? "j += 4" : "++j"}) {
      const int p = blockIdx.x * BN + ${columnOf(o, "j")};
      if (p < ${g.columns}) ${value}
    }`;
}

/** True for tiles that divide evenly among the threads. */
export function microFits(o: Options): boolean {
  return (
    !(o["micro"] === "2x2" && o["prefetch"] && o["depth"] === 8) && !(o["split"] && !String(o["micro"]).endsWith("x8"))
  );
}

/** A kernel that multiplies a 64-row matrix with a wide one in tiles of BN columns. */
export function gemmKernel(o: Options, g: Gemm): string {
  const slots = o["prefetch"] ? "[2]" : "";
  const pad = o["pad"] ? " + 4" : "";
  return `extern "C" __global__ void ${o["bounds"] ? "__launch_bounds__(THREADS) " : ""}${g.name}(${g.params}) {
  __shared__ __align__(16) float as${slots}[BK][BM${pad}];
  __shared__ __align__(16) float bs${slots}[BK][BN];
  const int tid = threadIdx.x;
  const int tx = tid % (BN / TN);
  const int ty = tid / (BN / TN);
  const int column = blockIdx.x * BN + tid % BN;
${g.setup}
  float sum[TM][TN];
#pragma unroll
  for (int i = 0; i < TM; ++i)
#pragma unroll
    for (int j = 0; j < TN; ++j) sum[i][j] = 0.0f;

${mainLoop(o, g)}

#pragma unroll
  for (int i = 0; i < TM; ++i) {
    const int m = ty * TM + i;
${storeColumns(o, g)}
  }
}
`;
}
