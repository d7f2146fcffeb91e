import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { extents, orders, pair, tileOrder } from "./shared.ts";

const microOptions = {
  fill: ["int4", "int"],
  owner: ["blocked", "strided", "halves"],
  ahead: [false, true],
  store: ["vector", "scalar"],
  inner: ["rows outside", "columns outside"],
  order: orders,
  bounds: [true, false],
  unroll: ["all", "none"],
  pad: [4, 0, 1],
  words: [8, 16, 4],
  tile: ["128x128", "64x64", "128x64", "64x128"],
  micro: ["8x8", "4x4", "8x4", "4x8"],
} as const;

interface MicroShape {
  readonly bm: number;
  readonly bn: number;
  readonly tm: number;
  readonly tn: number;
  readonly threads: number;
}

function shapeOf(tile: string, micro: string): MicroShape {
  const [bm, bn] = pair(tile);
  const [tm, tn] = pair(micro);
  return { bm, bn, tm, tn, threads: (bm / tm) * (bn / tn) };
}

/** Index within the tile of a thread's i-th row or column. */
function owned(owner: string, coordinate: string, extent: string, each: string, i: string): string {
  if (owner === "blocked") return `${coordinate} * ${each} + ${i}`;
  if (owner === "strided") return `${i} * (${extent} / ${each}) + ${coordinate}`;
  return `${i} / (${each} / 2) * (${extent} / 2) + ${coordinate} * (${each} / 2) + ${i} % (${each} / 2)`;
}

function microKernel(owner: string, inner: string, unroll: string): string {
  const pragma = on(unroll === "all", "#pragma unroll\n");
  const loops =
    inner === "rows outside"
      ? ["for (int i = 0; i < TM; ++i)", "for (int j = 0; j < TN; ++j)"]
      : ["for (int j = 0; j < TN; ++j)", "for (int i = 0; i < TM; ++i)"];
  return `${pragma}for (int w = 0; w < KW; ++w) {
int ra[TM], rb[TN];
#pragma unroll
for (int i = 0; i < TM; ++i) {
ra[i] = sa[w][${owned(owner, "ty", "BM", "TM", "i")}];
}
#pragma unroll
for (int j = 0; j < TN; ++j) {
rb[j] = sb[w][${owned(owner, "tx", "BN", "TN", "j")}];
}
#pragma unroll
${loops[0]} {
#pragma unroll
${loops[1]} {
acc[i][j] = __dp4a(ra[i], rb[j], acc[i][j]);
}
}
}`;
}

function microStore(store: string, owner: string): string {
  const row = `(size_t)(tile_row * BM + ${owned(owner, "ty", "BM", "TM", "i")}) * N + tile_col * BN`;
  if (store === "vector" && owner !== "strided")
    return `#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; j += 2) {
*reinterpret_cast<int2*>(c + ${row} + ${owned(owner, "tx", "BN", "TN", "j")}) = make_int2(acc[i][j], acc[i][j + 1]);
}
}`;
  return `#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
c[${row} + ${owned(owner, "tx", "BN", "TN", "j")}] = acc[i][j];
}
}`;
}

function microFill(o: Chosen<typeof microOptions>): { load: string; put: string; now: string } {
  const quads = o.fill === "int4";
  const unit = quads ? "KW / 4" : "KW";
  const type = quads ? "int4" : "int";
  const one = (tile: "a" | "b"): { get: string; set: string } => {
    const get = quads
      ? `reinterpret_cast<const int4*>(${tile}_words + (size_t)(e / (KW / 4)) * (K / 4) + start)[e % (KW / 4)]`
      : `${tile}_words[(size_t)(e / KW) * (K / 4) + start + e % KW]`;
    const set = quads
      ? repeat(4, (part) => `s${tile}[e % (KW / 4) * 4 + ${part}][e / (KW / 4)] = VALUE.${"xyzw"[part]};`)
      : `s${tile}[e % KW][e / KW] = VALUE;`;
    return { get, set };
  };
  const both = [
    { name: "a", extent: "BM", ...one("a") },
    { name: "b", extent: "BN", ...one("b") },
  ];
  const load = both
    .map(
      ({ name, extent, get }) => `#pragma unroll
for (int u = 0; u < ${extent} * ${unit} / THREADS; ++u) {
const int e = u * THREADS + tid;
keep_${name}[u] = ${get};
}`,
    )
    .join("\n");
  const put = both
    .map(
      ({ name, extent, set }) => `#pragma unroll
for (int u = 0; u < ${extent} * ${unit} / THREADS; ++u) {
const int e = u * THREADS + tid;
${set.replaceAll("VALUE", `keep_${name}[u]`)}
}`,
    )
    .join("\n");
  const now = both
    .map(
      ({ extent, get, set }) => `for (int e = tid; e < ${extent} * ${unit}; e += THREADS) {
const ${type} word = ${get};
${set.replaceAll("VALUE", "word")}
}`,
    )
    .join("\n");
  return { load, put, now };
}

function microLoop(o: Chosen<typeof microOptions>): string {
  const { load, put, now } = microFill(o);
  const multiply = microKernel(o.owner, o.inner, o.unroll);
  if (!o.ahead)
    return `for (int start = 0; start < K / 4; start += KW) {
${now}
__syncthreads();
${multiply}
__syncthreads();
}`;
  const type = o.fill === "int4" ? "int4" : "int";
  const unit = o.fill === "int4" ? "KW / 4" : "KW";
  return `${type} keep_a[BM * ${unit} / THREADS], keep_b[BN * ${unit} / THREADS];
int start = 0;
${load}
while (start < K / 4) {
${put}
__syncthreads();
start += KW;
if (start < K / 4) {
${load}
}
${multiply}
__syncthreads();
}`;
}

/** A small block of C per thread, in registers. */
export const registerTile = template({
  id: "register-tile",
  from: "word-tile",
  idea: "Hold a small block of C in each thread's registers, so that a shared word serves several products",
  options: microOptions,
  valid: (o) => {
    const { bm, bn, threads } = shapeOf(o.tile, o.micro);
    const units = Math.min(bm, bn) * (o.fill === "int4" ? o.words / 4 : o.words);
    return (
      threads <= 512 &&
      threads >= 64 &&
      (!o.ahead || units % threads === 0) &&
      (bm + bn + 8) * o.words * 4 <= 48 * 1024 &&
      (o.owner !== "strided" || o.store === "scalar")
    );
  },
  count: 26,
  write(o, s) {
    const { m, n, k } = extents(s);
    const { bm, bn, tm, tn, threads } = shapeOf(o.tile, o.micro);
    const pitch = (extent: string): string => (o.pad === 0 ? extent : `${extent} + ${o.pad}`);
    const source = `constexpr int M = ${m}, N = ${n}, K = ${k};
constexpr int BM = ${bm}, BN = ${bn}, KW = ${o.words};
constexpr int TM = ${tm}, TN = ${tn};
constexpr int THREADS = ${threads};

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}gemm_s8_micro(const signed char* __restrict__ a, const signed char* __restrict__ b, int* __restrict__ c) {
__shared__ __align__(16) int sa[KW][${pitch("BM")}];
__shared__ __align__(16) int sb[KW][${pitch("BN")}];
const int tid = threadIdx.x;
const int tx = tid % (BN / TN), ty = tid / (BN / TN);
${tileOrder(o.order)}
const int* a_words = reinterpret_cast<const int*>(a) + (size_t)tile_row * BM * (K / 4);
const int* b_words = reinterpret_cast<const int*>(b) + (size_t)tile_col * BN * (K / 4);
int acc[TM][TN] = {};
${microLoop(o)}
${microStore(o.store, o.owner)}
}
`;
    const draft = { source, launches: [launch("gemm_s8_micro", [n / bn, m / bm], threads, ["a", "b", "c"])] };
    return styled(draft, { names: "camel", indent: 2 });
  },
});

const packOptions = {
  turn: ["scattered", "through shared"],
  which: ["both", "only b"],
  stage: ["shared", "registers"],
  owner: ["blocked", "strided", "halves"],
  inner: ["rows outside", "columns outside"],
  store: ["vector", "scalar"],
  bounds: [false, true],
  words: [8, 16],
  tile: ["128x128", "64x64", "128x64"],
  micro: ["8x8", "4x4", "8x4"],
} as const;

function turnKernel(turn: string): string {
  if (turn === "scattered")
    return `// Writes word w of row r at column r of line w.
extern "C" __global__ void turn_words(const signed char* __restrict__ from, int* __restrict__ to, int rows) {
const int w = blockIdx.x * 32 + threadIdx.x;
for (int r = blockIdx.y * 32 + threadIdx.y; r < blockIdx.y * 32 + 32; r += 8) {
to[(size_t)w * rows + r] = reinterpret_cast<const int*>(from)[(size_t)r * (K / 4) + w];
}
}
`;
  return `// Writes word w of row r at column r of line w, a square of 32 by 32 words per block.
extern "C" __global__ void turn_words(const signed char* __restrict__ from, int* __restrict__ to, int rows) {
__shared__ int square[32][33];
const int w0 = blockIdx.x * 32;
const int r0 = blockIdx.y * 32;
for (int r = threadIdx.y; r < 32; r += 8) {
square[r][threadIdx.x] = reinterpret_cast<const int*>(from)[(size_t)(r0 + r) * (K / 4) + w0 + threadIdx.x];
}
__syncthreads();
for (int w = threadIdx.y; w < 32; w += 8) {
to[(size_t)(w0 + w) * rows + r0 + threadIdx.x] = square[threadIdx.x][w];
}
}
`;
}

function packedLoop(o: Chosen<typeof packOptions>): string {
  const both = o.which === "both";
  if (o.stage === "registers")
    return `for (int w = 0; w < K / 4; ++w) {
int ra[TM], rb[TN];
#pragma unroll
for (int i = 0; i < TM; ++i) {
ra[i] = ${both ? `at[(size_t)w * M + tile_row * BM + ${owned(o.owner, "ty", "BM", "TM", "i")}]` : `a_words[(size_t)(${owned(o.owner, "ty", "BM", "TM", "i")}) * (K / 4) + w]`};
}
#pragma unroll
for (int j = 0; j < TN; ++j) {
rb[j] = bt[(size_t)w * N + tile_col * BN + ${owned(o.owner, "tx", "BN", "TN", "j")}];
}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
acc[i][j] = __dp4a(ra[i], rb[j], acc[i][j]);
}
}
}`;
  const fillA = both
    ? `for (int e = tid * 4; e < KW * BM; e += THREADS * 4) {
*reinterpret_cast<int4*>(&sa[e / BM][e % BM]) = *reinterpret_cast<const int4*>(at + (size_t)(start + e / BM) * M + tile_row * BM + e % BM);
}`
    : `for (int e = tid; e < KW * BM; e += THREADS) {
sa[e % KW][e / KW] = a_words[(size_t)(e / KW) * (K / 4) + start + e % KW];
}`;
  return `for (int start = 0; start < K / 4; start += KW) {
${fillA}
for (int e = tid * 4; e < KW * BN; e += THREADS * 4) {
*reinterpret_cast<int4*>(&sb[e / BN][e % BN]) = *reinterpret_cast<const int4*>(bt + (size_t)(start + e / BN) * N + tile_col * BN + e % BN);
}
__syncthreads();
${microKernel(o.owner, o.inner, "all")}
__syncthreads();
}`;
}

/** The inputs' words are turned first, so that neighbouring rows are neighbours in memory. */
export const packedWords = template({
  id: "packed-words",
  from: "register-tile",
  idea: "Turn the inputs' words in a launch of their own and multiply from the turned copies",
  options: packOptions,
  valid: (o) => {
    const { threads } = shapeOf(o.tile, o.micro);
    return (
      threads <= 512 &&
      threads >= 64 &&
      (o.owner !== "strided" || o.store === "scalar") &&
      (o.stage === "shared" || o.words === 8)
    );
  },
  count: 22,
  write(o, s) {
    const { m, n, k } = extents(s);
    const { bm, bn, tm, tn, threads } = shapeOf(o.tile, o.micro);
    const both = o.which === "both";
    const source = `#define M ${m}
#define N ${n}
#define K ${k}
#define BM ${bm}
#define BN ${bn}
#define TM ${tm}
#define TN ${tn}
#define KW ${o.words}
#define THREADS ${threads}

${turnKernel(o.turn)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}multiply_words(${both ? "" : "const signed char* __restrict__ a, "}const int* __restrict__ turned, int* __restrict__ c) {
${on(o.stage === "shared", `__shared__ __align__(16) int sa[KW][BM];\n__shared__ __align__(16) int sb[KW][BN];`)}
const int* bt = turned;
${both ? "const int* at = turned + (size_t)N * (K / 4);" : "const int* a_words = reinterpret_cast<const int*>(a) + (size_t)blockIdx.y * BM * (K / 4);"}
const int tid = threadIdx.x;
const int tx = tid % (BN / TN), ty = tid / (BN / TN);
const int tile_row = blockIdx.y, tile_col = blockIdx.x;
int acc[TM][TN] = {};
${packedLoop(o)}
${microStore(o.store, o.owner)}
}
`;
    const turnA = source.replace(
      "int* __restrict__ to, int rows) {\n",
      "int* __restrict__ workspace, int rows, int offset) {\nint* to = workspace + offset;\n",
    );
    const turn = (matrix: "a" | "b", rows: number, offset: number) =>
      launch("turn_words", [k / 128, rows / 32], [32, 8], [matrix, "workspace", { i32: rows }, { i32: offset }]);
    const launches = [
      turn("b", n, 0),
      ...(both ? [turn("a", m, (n * k) / 4)] : []),
      launch("multiply_words", [n / bn, m / bm], threads, [...(both ? [] : ["a"]), "workspace", "c"]),
    ];
    return styled({ source: turnA, launches }, { names: "snake", indent: 2 });
  },
});
