import type { KernelDraft, Options, Template } from "../kit/generator.ts";
import { dimensions, numberOf, single, sizeNames, when, type Sizes } from "./common.ts";

/** The loop of a dot product over k with one or several running sums. */
function dotLoop(sums: number, unroll: boolean, load: (step: string) => readonly [string, string]): string {
  const pragma = when(unroll, "  #pragma unroll 8\n");
  if (sums === 1) return `  float sum = 0.0f;\n${pragma}  for (int i = 0; i < K; ++i) sum += ${load("i").join(" * ")};`;
  const names = Array.from({ length: sums }, (_, index) => `s${index}`);
  const body = names.map(
    (name, index) => `    ${name} = fmaf(${load(index ? `(i + ${index})` : "i").join(", ")}, ${name});`,
  );
  return `  float ${names.map((name) => `${name} = 0.0f`).join(", ")};
${pragma}  for (int i = 0; i < K; i += ${sums}) {
${body.join("\n")}
  }
  float sum = ${names.join(" + ")};`;
}

const coordinates: Readonly<Record<string, string>> = {
  xcol: "  int col = blockIdx.x * blockDim.x + threadIdx.x;\n  int row = blockIdx.y * blockDim.y + threadIdx.y;",
  xrow: "  int row = blockIdx.x * blockDim.x + threadIdx.x;\n  int col = blockIdx.y * blockDim.y + threadIdx.y;",
  linear: "  int id = blockIdx.x * blockDim.x + threadIdx.x;\n  int row = id / N;\n  int col = id % N;",
};

function writeNaive(o: Options, s: Sizes): KernelDraft {
  const { m, n } = dimensions(s);
  const names = sizeNames(Boolean(o["fixed"]), s);
  const read = (pointer: string): string => (o["ldg"] ? `__ldg(&${pointer})` : pointer);
  const loop = dotLoop(numberOf(o, "sums"), Boolean(o["unroll"]), (i) => [
    read(`A[row * K + ${i}]`),
    read(`B[${i} * N + col]`),
  ]);
  const quality = when(o["restrict"], " __restrict__");
  const source = `${names.head}
extern "C" __global__ void matmul(const float*${quality} A, const float*${quality} B, float*${quality} C${names.parameters}) {
${coordinates[String(o["map"])]}
  if (row >= M || col >= N) return;
${loop}
  C[row * N + col] = sum;
}
`;
  const [bx, by] = String(o["block"]).split("x").map(Number) as [number, number];
  if (o["map"] === "linear") return single("matmul", source, [(m * n) / (bx * by), 1], [bx * by, 1], names.args);
  const [across, down] = o["map"] === "xrow" ? [m, n] : [n, m];
  return single("matmul", source, [across / bx, down / by], [bx, by], names.args);
}

export const naive: Template = {
  id: "naive",
  from: null,
  count: 25,
  idea: "one thread per element of C, sizes known to the compiler",
  options: {
    map: ["xcol", "linear", "xcol", "xrow"],
    block: ["16x16", "32x8", "32x16", "64x4"],
    fixed: [true, false],
    ldg: [false, true],
    sums: [1, 2, 4],
    unroll: [false, true],
    restrict: [false, true],
  },
  valid: (o) => o["map"] !== "xrow" || (o["block"] === "16x16" && Number(o["sums"]) < 4),
  write: writeNaive,
};

function writeDirect(o: Options, s: Sizes): KernelDraft {
  const { m, n } = dimensions(s);
  const rows = numberOf(o, "rows");
  const wide = Boolean(o["wideA"]);
  const ld = o["ldg"] ? "__ldg" : "*";
  const vector = Boolean(o["vectorB"]);
  const column = vector ? "4 * (blockIdx.x * blockDim.x + threadIdx.x)" : "blockIdx.x * (4 * blockDim.x) + threadIdx.x";
  const loadB = vector
    ? `      const float4 bv = ${ld}((const float4*)&B[(size_t)(p + q) * N + col]);`
    : `      const float* bp = &B[(size_t)(p + q) * N + col];
      const float4 bv = make_float4(${[0, 1, 2, 3].map((j) => `${ld}(bp + ${j} * blockDim.x)`).join(", ")});`;
  const loadA = wide
    ? `    float av[R][4];
    #pragma unroll
    for (int r = 0; r < R; ++r) {
      const float4 v = ${ld}((const float4*)&A[(size_t)(row + r) * K + p]);
      av[r][0] = v.x; av[r][1] = v.y; av[r][2] = v.z; av[r][3] = v.w;
    }
`
    : "";
  const store = vector
    ? "    *(float4*)&C[(size_t)(row + r) * N + col] = make_float4(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);"
    : "    for (int j = 0; j < 4; ++j) C[(size_t)(row + r) * N + col + j * blockDim.x] = acc[r][j];";
  const source = `// Each thread owns a small patch of C and reads its operands straight from global memory.
constexpr int M = ${m}, N = ${n}, K = ${dimensions(s).k};
constexpr int R = ${rows};

extern "C" __global__ void ${when(o["bounds"], `__launch_bounds__(${numberOf(o, "bx") * numberOf(o, "by")}) `)}gemm_patch(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {
  const int col = ${column};
  const int row = (blockIdx.y * blockDim.y + threadIdx.y) * R;
  float acc[R][4] = {};
${when(o["unroll"], "  #pragma unroll 2\n")}  for (int p = 0; p < K; p += ${wide ? 4 : 1}) {
${loadA}    #pragma unroll
    for (int q = 0; q < ${wide ? 4 : 1}; ++q) {
${loadB}
      #pragma unroll
      for (int r = 0; r < R; ++r) {
        const float x = ${wide ? "av[r][q]" : `${ld}(&A[(size_t)(row + r) * K + p])`};
        acc[r][0] += x * bv.x;
        acc[r][1] += x * bv.y;
        acc[r][2] += x * bv.z;
        acc[r][3] += x * bv.w;
      }
    }
  }
  #pragma unroll
  for (int r = 0; r < R; ++r) {
${store}
  }
}
`;
  const [bx, by] = [numberOf(o, "bx"), numberOf(o, "by")];
  return single("gemm_patch", source, [n / (4 * bx), m / (rows * by)], [bx, by]);
}

export const direct: Template = {
  id: "direct",
  from: "naive",
  count: 25,
  idea: "several elements of C per thread, kept in registers, without shared memory",
  options: {
    rows: [4, 2, 8, 1],
    bx: [32, 16, 8],
    by: [8, 4, 16],
    vectorB: [true, false],
    wideA: [false, true],
    ldg: [false, true],
    bounds: [false, true],
    unroll: [false, true],
  },
  write: writeDirect,
};

function writeWarpDot(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const cols = numberOf(o, "cols");
  const warps = numberOf(o, "warps");
  const parts = cols / 4;
  const staged = Boolean(o["stageA"]);
  const ld = o["ldg"] ? "__ldg" : "*";
  const update = Array.from(
    { length: parts },
    (_, part) => `    {
      float4 w = ${ld}((const float4*)&rhs[(size_t)i * N + first + ${4 * part}]);
      total[${4 * part}] += x * w.x; total[${4 * part + 1}] += x * w.y; total[${4 * part + 2}] += x * w.z; total[${4 * part + 3}] += x * w.w;
    }`,
  ).join("\n");
  const reduce =
    o["reduce"] === "xor"
      ? "for (int d = 16; d > 0; d >>= 1) total[j] += __shfl_xor_sync(0xffffffffu, total[j], d);"
      : "for (int d = 16; d > 0; d >>= 1) total[j] += __shfl_down_sync(0xffffffffu, total[j], d);";
  const source = `constexpr int N = ${n}, K = ${k};

// A warp splits the k dimension of one row of the left matrix between its lanes.
extern "C" __global__ void warp_dot(const float* __restrict__ lhs, const float* __restrict__ rhs, float* __restrict__ out) {
${when(
  staged,
  `  __shared__ float rowCache[K];
  for (int i = threadIdx.x; i < K; i += blockDim.x) rowCache[i] = lhs[(size_t)blockIdx.y * K + i];
  __syncthreads();
`,
)}  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int first = (blockIdx.x * ${warps} + warp) * ${cols};
  float total[${cols}] = {};
${when(o["unroll"], "  #pragma unroll 4\n")}  for (int i = lane; i < K; i += 32) {
    float x = ${staged ? "rowCache[i]" : `${ld}(&lhs[(size_t)blockIdx.y * K + i])`};
${update}
  }
  #pragma unroll
  for (int j = 0; j < ${cols}; ++j) {
    ${reduce}
  }
  if (lane == 0) {
    #pragma unroll
    for (int j = 0; j < ${cols}; ++j) out[(size_t)blockIdx.y * N + first + j] = total[j];
  }
}
`;
  return single("warp_dot", source, [n / (warps * cols), m], [32 * warps, 1]);
}

export const warpDot: Template = {
  id: "warp-dot",
  from: "naive",
  count: 14,
  idea: "a warp per group of outputs, lanes along k, combined by shuffles",
  options: {
    cols: [4, 8],
    warps: [4, 8],
    stageA: [false, true],
    reduce: ["xor", "down"],
    unroll: [false, true],
    ldg: [true, false],
  },
  write: writeWarpDot,
};

function writeStrip(o: Options, s: Sizes): KernelDraft {
  const { m, n, k } = dimensions(s);
  const rows = numberOf(o, "rows");
  const depth = numberOf(o, "depth");
  const threads = numberOf(o, "threads");
  const transposed = o["layout"] === "transposed";
  const shared = transposed ? "__shared__ float panel[DEPTH][ROWS];" : "__shared__ float panel[ROWS][DEPTH];";
  const fill = transposed ? "panel[e % DEPTH][e / DEPTH]" : "panel[e / DEPTH][e % DEPTH]";
  const value = transposed ? "panel[p][r]" : "panel[r][p]";
  const ld = o["ldg"] ? `__ldg(&b[(size_t)(base + p) * ${n} + col])` : `b[(size_t)(base + p) * ${n} + col]`;
  const prefetch = Boolean(o["prefetch"]);
  const inner = prefetch
    ? `    float column[DEPTH];
    #pragma unroll
    for (int p = 0; p < DEPTH; ++p) column[p] = ${ld};
    __syncthreads();
    #pragma unroll
    for (int p = 0; p < DEPTH; ++p) {
      #pragma unroll
      for (int r = 0; r < ROWS; ++r) sum[r] = fmaf(${value}, column[p], sum[r]);
    }`
    : `    __syncthreads();
${when(o["unroll"], "    #pragma unroll\n")}    for (int p = 0; p < DEPTH; ++p) {
      float x = ${ld};
      #pragma unroll
      for (int r = 0; r < ROWS; ++r) sum[r] = fmaf(${value}, x, sum[r]);
    }`;
  const source = `#define ROWS ${rows}
#define DEPTH ${depth}

// One column of C per thread, ROWS elements tall; the panel of A is shared by the whole block.
extern "C" __global__ void column_strip(const float*${when(o["restrict"], " __restrict__")} a, const float*${when(o["restrict"], " __restrict__")} b, float* c) {
  ${shared}
  int col = blockIdx.x * ${threads} + threadIdx.x;
  int top = blockIdx.y * ROWS;
  float sum[ROWS];
  #pragma unroll
  for (int r = 0; r < ROWS; ++r) sum[r] = 0.0f;
  for (int base = 0; base < ${k}; base += DEPTH) {
    for (int e = threadIdx.x; e < ROWS * DEPTH; e += ${threads}) ${fill} = a[(size_t)(top + e / DEPTH) * ${k} + base + e % DEPTH];
${inner}
    __syncthreads();
  }
  #pragma unroll
  for (int r = 0; r < ROWS; ++r) c[(size_t)(top + r) * ${n} + col] = sum[r];
}
`;
  return single("column_strip", source, [n / threads, m / rows], [threads, 1]);
}

export const columnStrip: Template = {
  id: "column-strip",
  from: "naive",
  count: 23,
  idea: "a tall strip of one column per thread, with A shared by the block",
  options: {
    rows: [16, 32, 64, 8],
    depth: [16, 32, 8],
    threads: [128, 64, 256],
    layout: ["row", "transposed"],
    prefetch: [false, true],
    unroll: [true, false],
    ldg: [false, true],
    restrict: [true, false],
  },
  valid: (o) => Number(o["rows"]) < 64 || (Number(o["depth"]) < 32 && !(o["layout"] === "row" && o["prefetch"])),
  write: writeStrip,
};
