import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { addScaled, batchOf, parts, pointers, quad } from "./common.ts";

const turnedOptions = {
  turn: ["tile", "scattered", "whole"],
  main: ["global", "shared"],
  style: ["plus", "fmaf"],
  read: ["plain", "__ldg"],
  names: ["array", "named"],
  order: ["columns first", "rows first"],
  unroll: ["none", "two", "full"],
  bounds: [false, true],
  pad: [1, 0],
  height: [4, 8],
} as const;

type TurnedChoice = Chosen<typeof turnedOptions>;

function turnKernel(o: TurnedChoice): string {
  if (o.turn === "scattered")
    return `extern "C" __global__ void turn_left(const float* __restrict__ a, float* __restrict__ turned) {
const size_t base = (size_t)blockIdx.x * 4096;
for (int e = threadIdx.x; e < 4096; e += 256) {
turned[base + e % 64 * 64 + e / 64] = a[base + e];
}
}
`;
  if (o.turn === "whole")
    return `extern "C" __global__ void turn_left(const float* __restrict__ a, float* __restrict__ turned) {
__shared__ float board[64][64 + ${o.pad}];
const size_t base = (size_t)blockIdx.x * 4096;
for (int e = threadIdx.x; e < 4096; e += 256) {
board[e / 64][e % 64] = a[base + e];
}
__syncthreads();
for (int e = threadIdx.x; e < 4096; e += 256) {
turned[base + e] = board[e % 64][e / 64];
}
}
`;
  return `extern "C" __global__ void turn_left(const float* __restrict__ a, float* __restrict__ turned) {
__shared__ float board[32][32 + ${o.pad}];
const size_t base = (size_t)(blockIdx.x / 4) * 4096;
const int row0 = blockIdx.x / 2 % 2 * 32, col0 = blockIdx.x % 2 * 32;
for (int e = threadIdx.x; e < 1024; e += 256) {
board[e / 32][e % 32] = a[base + (row0 + e / 32) * 64 + col0 + e % 32];
}
__syncthreads();
for (int e = threadIdx.x; e < 1024; e += 256) {
turned[base + (col0 + e / 32) * 64 + row0 + e % 32] = board[e % 32][e / 32];
}
}
`;
}

function turnedProduct(o: TurnedChoice): string {
  const shared = o.main === "shared";
  const quads = o.height / 4;
  const pragma =
    o.unroll === "none" ? "#pragma unroll 1\n" : o.unroll === "two" ? "#pragma unroll 2\n" : "#pragma unroll\n";
  const get = (place: string): string =>
    shared || o.read === "plain"
      ? `*reinterpret_cast<const float4*>(${place})`
      : `__ldg(reinterpret_cast<const float4*>(${place}))`;
  const [left, right] = shared ? ["left", "right"] : ["turned + base", "b + base"];
  const sum = (r: number): string => (o.names === "array" ? `acc[${r}]` : `acc${r}`);
  return `${pragma}for (int k = 0; k < 64; ++k) {
${repeat(quads, (h) => `const float4 p${h} = ${get(`${left} + k * 64 + row + ${4 * h}`)};`)}
const float4 q = ${get(`${right} + k * 64 + col`)};
${repeat(o.height, (r) => addScaled(o.style, quad(sum(r)), `p${Math.floor(r / 4)}.${parts[r % 4]}`, quad("q")))}
}
${repeat(o.height, (r) => `*reinterpret_cast<float4*>(c + base + (row + ${r}) * 64 + col) = ${sum(r)};`)}`;
}

/** A is turned in a launch of its own, so that a thread's rows are neighbours in memory. */
export const turnedFirst = template({
  id: "turned-first",
  from: "global-blocks",
  idea: "Turn every A in a launch of its own, so that several rows load as one vector",
  options: turnedOptions,
  valid: (o) => o.turn !== "scattered" || o.pad === 1,
  count: 24,
  write(o, s) {
    const threads = 1024 / o.height;
    const place =
      o.order === "columns first"
        ? `const int col = threadIdx.x % 16 * 4, row = threadIdx.x / 16 * ${o.height};`
        : `const int row = threadIdx.x % ${64 / o.height} * ${o.height}, col = threadIdx.x / ${64 / o.height} * 4;`;
    const declare =
      o.names === "array"
        ? `float4 acc[${o.height}] = {};`
        : repeat(o.height, (r) => `float4 acc${r} = make_float4(0.0f, 0.0f, 0.0f, 0.0f);`);
    const stage = `__shared__ __align__(16) float left[4096];
__shared__ __align__(16) float right[4096];
for (int e = threadIdx.x; e < 1024; e += ${threads}) {
reinterpret_cast<float4*>(left)[e] = reinterpret_cast<const float4*>(turned + base)[e];
reinterpret_cast<float4*>(right)[e] = reinterpret_cast<const float4*>(b + base)[e];
}
__syncthreads();`;
    const source = `${turnKernel(o)}
extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${threads}) `)}multiply_turned(const float* __restrict__ turned, const float* __restrict__ b, float* __restrict__ c) {
const size_t base = (size_t)blockIdx.x * 4096;
${place}
${on(o.main === "shared", stage)}
${declare}
${turnedProduct(o)}
}
`;
    const launches = [
      launch("turn_left", batchOf(s) * (o.turn === "tile" ? 4 : 1), 256, ["a", "scratch"]),
      launch("multiply_turned", batchOf(s), threads, ["scratch", "b", "c"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

const tensorOptions = {
  from: ["global", "shared"],
  split: ["function", "inline"],
  terms: ["small first", "large first", "own sum"],
  store: ["direct", "through shared"],
  fill: ["quads", "scalars", "async"],
  hold: ["rows", "both"],
  bounds: [false, true],
  pad: [4, 0, 8],
  warps: [4, 8, 2],
} as const;

type TensorChoice = Chosen<typeof tensorOptions>;

const splitFunction = `// Cuts a fragment into its leading bits and the rest.
template <class Fragment>
__device__ __forceinline__ void cut(const Fragment& whole, Fragment& high, Fragment& low) {
#pragma unroll
for (int t = 0; t < whole.num_elements; ++t) {
high.x[t] = wmma::__float_to_tf32(whole.x[t]);
low.x[t] = wmma::__float_to_tf32(whole.x[t] - high.x[t]);
}
}
`;

function cut(o: TensorChoice, whole: string, high: string, low: string): string {
  if (o.split === "function") return `cut(${whole}, ${high}, ${low});`;
  return `#pragma unroll
for (int t = 0; t < ${whole}.num_elements; ++t) {
${high}.x[t] = wmma::__float_to_tf32(${whole}.x[t]);
${low}.x[t] = wmma::__float_to_tf32(${whole}.x[t] - ${high}.x[t]);
}`;
}

function tensorTerms(o: TensorChoice, a: string, b: string, sum: string): string {
  const term = (to: string, p: string, q: string): string => `wmma::mma_sync(${to}, ${p}, ${q}, ${to});`;
  const small = o.terms === "own sum" ? sum.replace("sums", "rest") : sum;
  const lines = [
    term(small, `${a}_low`, `${b}_high`),
    term(small, `${a}_high`, `${b}_low`),
    term(sum, `${a}_high`, `${b}_high`),
  ];
  return (o.terms === "large first" ? lines.toReversed() : lines).join("\n");
}

function tensorLoop(o: TensorChoice): string {
  const shared = o.from === "shared";
  const loadA = `wmma::load_matrix_sync(fa, ${shared ? "left + row0 * PITCH + k" : "a + base + row0 * 64 + k"}, ${shared ? "PITCH" : "64"});`;
  const loadB = `wmma::load_matrix_sync(fb, ${shared ? "right + k * PITCH + col0 + j * 16" : "b + base + k * 64 + col0 + j * 16"}, ${shared ? "PITCH" : "64"});`;
  if (o.hold === "rows")
    return `for (int k = 0; k < 64; k += 8) {
Left fa, fa_high, fa_low;
${loadA}
${cut(o, "fa", "fa_high", "fa_low")}
#pragma unroll
for (int j = 0; j < COLS; ++j) {
Right fb, fb_high, fb_low;
${loadB}
${cut(o, "fb", "fb_high", "fb_low")}
${tensorTerms(o, "fa", "fb", "sums[j]")}
}
}`;
  return `#pragma unroll
for (int k = 0; k < 64; k += 8) {
Left fa, fa_high, fa_low;
Right fb, fb_high[COLS], fb_low[COLS];
${loadA}
#pragma unroll
for (int j = 0; j < COLS; ++j) {
${loadB}
${cut(o, "fb", "fb_high[j]", "fb_low[j]")}
}
${cut(o, "fa", "fa_high", "fa_low")}
#pragma unroll
for (int j = 0; j < COLS; ++j) {
${tensorTerms(o, "fa", "fb", "sums[j]").replaceAll("fb_low", "fb_low[j]").replaceAll("fb_high", "fb_high[j]")}
}
}`;
}

function tensorFill(o: TensorChoice): string {
  if (o.fill === "scalars")
    return `for (int e = threadIdx.x; e < 4096; e += THREADS) {
left[e / 64 * PITCH + e % 64] = a[base + e];
right[e / 64 * PITCH + e % 64] = b[base + e];
}
__syncthreads();`;
  const line = (to: string, from: string): string =>
    o.fill === "async"
      ? `__pipeline_memcpy_async(${to} + e / 16 * PITCH + e % 16 * 4, ${from} + base + 4 * e, 16);`
      : `*reinterpret_cast<float4*>(${to} + e / 16 * PITCH + e % 16 * 4) = reinterpret_cast<const float4*>(${from} + base)[e];`;
  return `for (int e = threadIdx.x; e < 1024; e += THREADS) {
${line("left", "a")}
${line("right", "b")}
}
${on(o.fill === "async", "__pipeline_commit();\n__pipeline_wait_prior(0);\n")}__syncthreads();`;
}

/** Tensor cores on numbers cut in two, so that the products keep single precision. */
export const splitTensor = template({
  id: "split-tensor",
  from: "shared-matrices",
  idea: "Cut every number into two shorter ones and multiply on the tensor cores, three products for one",
  options: tensorOptions,
  valid: (o) =>
    (o.from === "shared" || (o.fill === "quads" && o.store === "direct")) &&
    (o.terms !== "own sum" || o.hold === "rows"),
  count: 26,
  write(o, s) {
    const shared = o.from === "shared";
    const own = o.terms === "own sum";
    const async = o.fill === "async";
    const cols = o.warps === 8 ? 2 : 4;
    const rounds = o.warps === 2 ? 2 : 1;
    const place =
      o.warps === 8
        ? "const int row0 = warp / 2 * 16, col0 = warp % 2 * 32;"
        : o.warps === 4
          ? "const int row0 = warp * 16, col0 = 0;"
          : "const int row0 = (warp * 2 + round) * 16, col0 = 0;";
    const through = o.store === "through shared";
    const store = through
      ? `wmma::store_matrix_sync(out + row0 * 64 + col0 + j * 16, sums[j], 64, wmma::mem_row_major);`
      : `wmma::store_matrix_sync(c + base + row0 * 64 + col0 + j * 16, sums[j], 64, wmma::mem_row_major);`;
    const add = `#pragma unroll
for (int t = 0; t < sums[j].num_elements; ++t) {
sums[j].x[t] += rest[j].x[t];
}
`;
    const work = `${place}
Sum sums[COLS]${on(own, ", rest[COLS]")};
#pragma unroll
for (int j = 0; j < COLS; ++j) {
wmma::fill_fragment(sums[j], 0.0f);
${on(own, "wmma::fill_fragment(rest[j], 0.0f);")}
}
${tensorLoop(o)}
#pragma unroll
for (int j = 0; j < COLS; ++j) {
${on(own, add)}${store}
}`;
    const source = `#include <mma.h>
${on(async, "#include <cuda_pipeline.h>\n")}using namespace nvcuda;

constexpr int THREADS = ${o.warps * 32};
constexpr int COLS = ${cols};
${on(shared, `constexpr int PITCH = 64 + ${o.pad};\n`)}using Left = wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major>;
using Right = wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major>;
using Sum = wmma::fragment<wmma::accumulator, 16, 16, 8, float>;

${on(o.split === "function", splitFunction)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}tensor_products(${pointers("__restrict__ ")}) {
${on(shared, "extern __shared__ __align__(128) float pool[];\nfloat* left = pool;\nfloat* right = pool + 64 * PITCH;")}
${on(through, "float* out = pool + 128 * PITCH;")}
const int warp = threadIdx.x / 32;
const size_t base = (size_t)blockIdx.x * 4096;
${on(shared, tensorFill(o))}
${rounds === 2 ? `for (int round = 0; round < 2; ++round) {\n${work}\n}` : work}
${on(
  through,
  `__syncthreads();
for (int e = threadIdx.x; e < 1024; e += THREADS) {
reinterpret_cast<float4*>(c + base)[e] = reinterpret_cast<const float4*>(out)[e];
}`,
)}
}
`;
    const bytes = shared ? 4 * (128 * (64 + o.pad) + (through ? 4096 : 0)) : 0;
    return styled(
      { source, launches: [launch("tensor_products", batchOf(s), o.warps * 32, ["a", "b", "c"], bytes)] },
      { names: "snake", indent: 2 },
    );
  },
});
