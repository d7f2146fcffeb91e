import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { dimensions, launch, numberOf, single, when, type Sizes } from "./common.ts";

function dotStep(width: string, ld: (pointer: string) => string, target: string, right: string): string {
  if (width === "half2")
    return `      float2 x = __half22float2(${ld("(const half2*)(left + i)")});
      float2 y = __half22float2(${ld(`(const half2*)(${right} + i)`)});
      ${target} = fmaf(x.x, y.x, ${target});
      ${target} = fmaf(x.y, y.y, ${target});`;
  return `      uint4 xr = ${ld("(const uint4*)(left + i)")};
      uint4 yr = ${ld(`(const uint4*)(${right} + i)`)};
      const half2* xs = (const half2*)&xr;
      const half2* ys = (const half2*)&yr;
      #pragma unroll
      for (int u = 0; u < 4; ++u) {
        float2 x = __half22float2(xs[u]), y = __half22float2(ys[u]);
        ${target} += x.x * y.x + x.y * y.y;
      }`;
}

function writeDot(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const step = o["width"] === "half2" ? 2 : 8;
  const ld = (pointer: string): string => (o["ldg"] ? `__ldg(${pointer})` : `*(${pointer})`);
  const twin = Boolean(o["twin"]);
  const byRow = o["map"] === "rows";
  const place = byRow
    ? "  int row = blockIdx.x * blockDim.x + threadIdx.x;\n  int col = blockIdx.y * blockDim.y + threadIdx.y;"
    : "  int col = blockIdx.x * blockDim.x + threadIdx.x;\n  int row = blockIdx.y * blockDim.y + threadIdx.y;";
  const fixed = Boolean(o["fixed"]);
  const [N, K] = fixed ? [`${n}`, `${k}`] : ["n", "k"];
  const colTwo = byRow ? `(col + ${n / 2})` : `(col + ${n / 2})`;
  const second = twin ? `    {\n${dotStep(String(o["width"]), ld, "sum1", "right1")}\n    }\n` : "";
  const quality = when(o["restrict"], " __restrict__");
  const source = `#include <cuda_fp16.h>

extern "C" __global__ void linear_dot(const half*${quality} a, const half*${quality} b, half*${quality} c${when(!fixed, ", int n, int k")}) {
${place}
  const half* left = a + (size_t)row * ${K};
  const half* right0 = b + (size_t)col * ${K};
  float sum0 = 0.0f;
${when(twin, `  const half* right1 = b + (size_t)${colTwo} * ${K};\n  float sum1 = 0.0f;\n`)}${when(o["unroll"], "  #pragma unroll 4\n")}  for (int i = 0; i < ${K}; i += ${step}) {
    {
${dotStep(String(o["width"]), ld, "sum0", "right0")}
    }
${second}  }
  c[(size_t)row * ${N} + col] = __float2half(sum0);
${when(twin, `  c[(size_t)row * ${N} + ${colTwo}] = __float2half(sum1);\n`)}}
`;
  const cols = twin ? n / 2 : n;
  const [bx, by] = String(o["block"]).split("x").map(Number) as [number, number];
  const scalars = fixed ? [] : [{ i32: n }, { i32: k }];
  return single("linear_dot", source, byRow ? [m / bx, cols / by] : [cols / bx, m / by], [bx, by], scalars);
}

export const dot: Template = {
  id: "dot",
  from: null,
  count: 25,
  idea: "one thread per output, wide loads along k, no shared memory",
  options: {
    width: ["uint4", "half2", "uint4"],
    map: ["columns", "rows"],
    block: ["16x16", "8x16", "32x8", "8x32"],
    twin: [false, true],
    ldg: [false, true],
    unroll: [false, true],
    fixed: [true, false],
    restrict: [true, false],
  },
  valid: (o) => o["width"] === "uint4" || (o["map"] === "columns" && o["block"] !== "32x8"),
  write: writeDot,
};

function writeTile(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const early = Boolean(o["early"]);
  const flipped = Boolean(o["flipB"]);
  const type = early ? "float" : "half";
  const put = (value: string): string => (early ? `__half2float(${value})` : value);
  const get = (value: string): string => (early ? value : `__half2float(${value})`);
  const pad = when(o["pad"], early ? " + 1" : " + 2");
  const double = Boolean(o["double"]);
  const [now, later] = double ? ["[t & 1]", "[(t + 1) & 1]"] : ["", ""];
  const stage = (
    buffer: string,
    step: string,
  ): string => `wa${buffer}[ty][tx] = ${put(`a[(size_t)row * K + (${step}) * T + tx]`)};
    wb${buffer}${flipped ? "[tx][ty]" : "[ty][tx]"} = ${put(`b[(size_t)(blockIdx.x * T + ty) * K + (${step}) * T + tx]`)};`;
  const sum = `for (int i = 0; i < T; ++i) acc += ${get(`wa${now}[ty][i]`)} * ${get(flipped ? `wb${now}[i][tx]` : `wb${now}[tx][i]`)};`;
  const body = double
    ? `  {
    ${stage("[0]", "0")}
  }
  __syncthreads();
  for (int t = 0; t < K / T; ++t) {
    if (t + 1 < K / T) {
    ${stage(later, "t + 1")}
    }
${when(o["unroll"], "    #pragma unroll\n")}    ${sum}
    __syncthreads();
  }`
    : `  for (int t = 0; t < K / T; ++t) {
    ${stage("", "t")}
    __syncthreads();
${when(o["unroll"], "    #pragma unroll\n")}    ${sum}
    __syncthreads();
  }`;
  const source = `#include <cuda_fp16.h>

#define T ${numberOf(o, "tile")}
#define K ${k}
#define N ${n}

extern "C" __global__ void linear_tiled(const half*${when(o["restrict"], " __restrict__")} a, const half*${when(o["restrict"], " __restrict__")} b, half* c) {
  __shared__ ${type} wa${when(double, "[2]")}[T][T${pad}];
  __shared__ ${type} wb${when(double, "[2]")}[T][T${pad}];
  int tx = threadIdx.x;
  int ty = threadIdx.y;
  int row = blockIdx.y * T + ty;
  int col = blockIdx.x * T + tx;
  float acc = 0.0f;
${body}
  c[(size_t)row * N + col] = __float2half(acc);
}
`;
  const tile = numberOf(o, "tile");
  return single("linear_tiled", source, [n / tile, m / tile], [tile, tile]);
}

export const tile: Template = {
  id: "tile",
  from: null,
  count: 31,
  idea: "square tiles in shared memory, one output per thread",
  options: {
    tile: [16, 32],
    early: [false, true],
    flipB: [false, true],
    pad: [false, true],
    double: [false, true],
    unroll: [true, false],
    restrict: [true, false],
  },
  write: writeTile,
};

const loadHalves = `    for (int e = tid; e < ROWS * BK / 8; e += NT) {
      const int r = e / (BK / 8), q = (e % (BK / 8)) * 8;
      const uint4 raw = *(const uint4*)(src + (size_t)r * K + q);
      const half2* h = (const half2*)&raw;
      #pragma unroll
      for (int u = 0; u < 4; ++u) {
        const float2 f = __half22float2(h[u]);
        DST[q + 2 * u][r] = f.x;
        DST[q + 2 * u + 1][r] = f.y;
      }
    }`;

function registerLoads(wide: boolean, kind: string): string {
  const one = (rows: string, src: string, dst: string): string => {
    if (kind === "float")
      return `    for (int e = tid; e < ${rows} * BK / 4; e += NT) {
      const int r = e / (BK / 4), q = (e % (BK / 4)) * 4;
      const float4 f = *(const float4*)(${src} + (size_t)r * K + k0 + q);
      ${dst}[q][r] = f.x; ${dst}[q + 1][r] = f.y; ${dst}[q + 2][r] = f.z; ${dst}[q + 3][r] = f.w;
    }`;
    if (wide)
      return loadHalves
        .replaceAll("ROWS", rows)
        .replaceAll("src + (size_t)r * K", `${src} + (size_t)r * K + k0`)
        .replaceAll("DST", dst);
    return `    for (int e = tid; e < ${rows} * BK; e += NT) ${dst}[e % BK][e / BK] = __half2float(${src}[(size_t)(e / BK) * K + k0 + e % BK]);`;
  };
  return `${one("BM", "aBlock", "sa")}\n${one("BN", "bBlock", "sb")}`;
}

/** A register-tiled kernel on the fp32 units that reads halves, or floats where the inputs were converted before. */
function registerBody(o: Options, kind: string): string {
  const split = o["map"] === "split";
  const spot = (base: string, size: string, thread: string): string =>
    split ? `(${base} / 4) * (${size} * 4) + ${thread} * 4 + ${base} % 4` : `${thread} + ${base} * ${size}`;
  const read = (name: string, count: string, tileName: string, size: string, thread: string): string =>
    split
      ? `      #pragma unroll
      for (int i = 0; i < ${count}; i += 4) {
        const float4 f = *(const float4*)&${tileName}[p][(i / 4) * (${size} * 4) + ${thread} * 4];
        ${name}[i] = f.x; ${name}[i + 1] = f.y; ${name}[i + 2] = f.z; ${name}[i + 3] = f.w;
      }`
      : `      #pragma unroll
      for (int i = 0; i < ${count}; ++i) ${name}[i] = ${tileName}[p][${thread} + i * ${size}];`;
  return `  __shared__ __align__(16) float sa[BK][BM + 4];
  __shared__ __align__(16) float sb[BK][BN + 4];
  const int tid = threadIdx.x, tx = tid % (BN / TN), ty = tid / (BN / TN);
  const ${kind}* aBlock = a + (size_t)blockIdx.y * BM * K;
  const ${kind}* bBlock = b + (size_t)blockIdx.x * BN * K;
  float acc[TM][TN] = {};
  for (int k0 = 0; k0 < K; k0 += BK) {
${registerLoads(Boolean(o["wide"]), kind)}
    __syncthreads();
${when(o["unroll"], "    #pragma unroll\n")}    for (int p = 0; p < BK; ++p) {
      float x[TM], y[TN];
${read("x", "TM", "sa", "(BM / TM)", "ty")}
${read("y", "TN", "sb", "(BN / TN)", "tx")}
      #pragma unroll
      for (int i = 0; i < TM; ++i)
        #pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] = fmaf(x[i], y[j], acc[i][j]);
    }
    __syncthreads();
  }
  #pragma unroll
  for (int i = 0; i < TM; ++i)
    #pragma unroll
    for (int j = 0; j < TN; ${o["pairs"] ? "j += 2" : "++j"}) {
      half* out = c + (size_t)(blockIdx.y * BM + ${spot("i", "(BM / TM)", "ty")}) * N + blockIdx.x * BN + ${spot("j", "(BN / TN)", "tx")};
      ${o["pairs"] ? "*(half2*)out = __floats2half2_rn(acc[i][j], acc[i][j + 1]);" : "*out = __float2half(acc[i][j]);"}
    }`;
}

function tileShape(o: Options, s: Sizes): string {
  const { m, n, k } = dimensions(s);
  return `constexpr int M = ${m}, N = ${n}, K = ${k};
constexpr int BM = ${numberOf(o, "bm")}, BN = ${numberOf(o, "bn")}, BK = ${numberOf(o, "bk")}, TM = ${numberOf(o, "per")}, TN = ${numberOf(o, "per")};
constexpr int NT = (BM / TM) * (BN / TN);
`;
}

function threadsOf(o: Options): number {
  return (Number(o["bm"]) * Number(o["bn"])) / Number(o["per"]) ** 2;
}

function writeRegister(o: Options, s: Sizes): KernelDraft {
  const { m, n } = dimensions(s);
  const source = `#include <cuda_fp16.h>

${tileShape(o, s)}
extern "C" __global__ void ${when(o["bounds"], "__launch_bounds__(NT) ")}linear_regs(const half* __restrict__ a, const half* __restrict__ b, half* __restrict__ c) {
${registerBody(o, "half")}
}
`;
  return single("linear_regs", source, [n / numberOf(o, "bn"), m / numberOf(o, "bm")], [threadsOf(o), 1]);
}

export const registers: Template = {
  id: "registers",
  from: "tile",
  count: 31,
  idea: "fp32 products with a tile of outputs in each thread's registers",
  options: {
    bm: [64, 128],
    bn: [64, 128],
    bk: [16, 8, 32],
    per: [4, 8],
    map: ["strided", "split"],
    wide: [false, true],
    pairs: [false, true],
    unroll: [true, false],
    bounds: [true, false],
  },
  valid: (o) => threadsOf(o) >= 64 && threadsOf(o) <= 1024 && (o["map"] === "split" || !o["pairs"]),
  write: writeRegister,
};

function writeConverted(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const vector = Boolean(o["vectorPass"]);
  const convert = vector
    ? `extern "C" __global__ void widen(const half* src, float* dst, int offset) {
  size_t i = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) * 4;
  half2 lo = ((const half2*)(src + i))[0], hi = ((const half2*)(src + i))[1];
  float2 u = __half22float2(lo), v = __half22float2(hi);
  *(float4*)(dst + offset + i) = make_float4(u.x, u.y, v.x, v.y);
}
`
    : `extern "C" __global__ void widen(const half* src, float* dst, int offset) {
  size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
  dst[offset + i] = __half2float(src[i]);
}
`;
  const source = `#include <cuda_fp16.h>

${tileShape(o, s)}
${convert}
extern "C" __global__ void ${when(o["bounds"], "__launch_bounds__(NT) ")}linear_f32(const float* __restrict__ both, half* __restrict__ c) {
  const float* a = both;
  const float* b = both + (size_t)M * K;
${registerBody(o, "float")}
}
`;
  const per = 256 * (vector ? 4 : 1);
  return {
    source,
    launches: [
      launch("widen", [(m * k) / per, 1, 1], [256, 1], ["a", "workspace", { i32: 0 }]),
      launch("widen", [(n * k) / per, 1, 1], [256, 1], ["b", "workspace", { i32: m * k }]),
      launch("linear_f32", [n / numberOf(o, "bn"), m / numberOf(o, "bm"), 1], [threadsOf(o), 1], ["workspace", "c"]),
    ],
  };
}

export const converted: Template = {
  id: "converted",
  from: "registers",
  count: 20,
  idea: "convert both inputs to floats once, then multiply floats",
  options: {
    bm: [64, 128],
    bn: [64, 128],
    bk: [16, 8, 32],
    per: [4, 8],
    map: ["strided", "split"],
    vectorPass: [false, true],
    pairs: [false, true],
    unroll: [true, false],
    bounds: [true, false],
  },
  valid: (o) => threadsOf(o) >= 64 && threadsOf(o) <= 1024 && (o["map"] === "split" || !o["pairs"]),
  write: writeConverted,
};
