import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { addScaled, batchOf, parts, pointers, quad } from "./common.ts";

const heldOptions = {
  left: ["shared", "global"],
  walk: ["quads", "scalars"],
  together: [1, 2, 4],
  sums: ["one", "two"],
  style: ["plus", "fmaf"],
  turn: ["blocked", "alternating"],
  bounds: [true, false],
  fill: ["quads", "scalars"],
  groups: [4, 2, 8],
} as const;

type HeldChoice = Chosen<typeof heldOptions>;

function heldRows(o: HeldChoice): string {
  const left = o.left === "shared" ? "rows" : "a + base";
  const target = (k: number): string => (o.sums === "two" && k % 2 === 1 ? "odd" : "even");
  const inner =
    o.walk === "quads"
      ? `#pragma unroll
for (int k = 0; k < 64; k += 4) {
#pragma unroll
for (int t = 0; t < TOGETHER; ++t) {
const float4 p = *reinterpret_cast<const float4*>(${left} + (row + t) * 64 + k);
${parts.map((part, k) => addScaled(o.style, [`${target(k)}[t]`], `p.${part}`, [`held[k + ${k}]`])).join("\n")}
}
}`
      : `#pragma unroll
for (int k = 0; k < 64; k += 2) {
#pragma unroll
for (int t = 0; t < TOGETHER; ++t) {
${[0, 1].map((k) => addScaled(o.style, [`${target(k)}[t]`], `(${left})[(row + t) * 64 + k + ${k}]`, [`held[k + ${k}]`])).join("\n")}
}
}`;
  const loop =
    o.turn === "blocked"
      ? "for (int row = group * (64 / GROUPS); row < (group + 1) * (64 / GROUPS); row += TOGETHER)"
      : "for (int row = group * TOGETHER; row < 64; row += GROUPS * TOGETHER)";
  return `#pragma unroll 1
${loop} {
float even[TOGETHER] = {}${on(o.sums === "two", ", odd[TOGETHER] = {}")};
${inner}
#pragma unroll
for (int t = 0; t < TOGETHER; ++t) {
c[base + (row + t) * 64 + col] = even[t]${on(o.sums === "two", " + odd[t]")};
}
}`;
}

/** A thread holds a column of B in registers and meets one row of A after the other. */
export const fewRows = template({
  id: "held-columns",
  from: "row-threads",
  idea: "Hold a column of B in each thread's registers and stream the rows of A past it",
  options: heldOptions,
  valid: (o) => (o.left === "shared" || o.fill === "quads") && o.groups * o.together <= 64,
  count: 24,
  write(o, s) {
    const shared = o.left === "shared";
    const fill =
      o.fill === "quads"
        ? `for (int e = threadIdx.x; e < 1024; e += 64 * GROUPS) {
reinterpret_cast<float4*>(rows)[e] = reinterpret_cast<const float4*>(a + base)[e];
}`
        : `for (int e = threadIdx.x; e < 4096; e += 64 * GROUPS) {
rows[e] = a[base + e];
}`;
    const source = `#define GROUPS ${o.groups}
#define TOGETHER ${o.together}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(64 * GROUPS) ")}columns_held(${pointers("__restrict__ ")}) {
${on(shared, "__shared__ __align__(16) float rows[4096];")}
const int col = threadIdx.x % 64;
const int group = threadIdx.x / 64;
const size_t base = (size_t)blockIdx.x * 4096;
${on(shared, `${fill}\n__syncthreads();`)}
float held[64];
#pragma unroll
for (int k = 0; k < 64; ++k) {
held[k] = b[base + k * 64 + col];
}
${heldRows(o)}
}
`;
    const launches = [launch("columns_held", batchOf(s), 64 * o.groups, ["a", "b", "c"])];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const sliceOptions = {
  ahead: ["registers", "none"],
  buffers: ["two", "one"],
  fragments: ["quads", "scalars"],
  style: ["plus", "fmaf"],
  rows: ["whole", "half"],
  order: ["a first", "b first"],
  unroll: [true, false],
  bounds: [true, false],
  pad: [4, 0, 1],
  depth: [16, 8, 32],
  micro: ["4x4", "8x4", "8x8"],
} as const;

type SliceChoice = Chosen<typeof sliceOptions>;

interface SliceText {
  readonly get: string;
  readonly put: (slot: string) => string;
  readonly use: (slot: string) => string;
}

function sliceText(o: SliceChoice): SliceText {
  const getA = `#pragma unroll
for (int u = 0; u < ROWS * BK / THREADS; ++u) {
const int e = u * THREADS + tid;
hold_a[u] = a[base + (row0 + e / BK) * 64 + k0 + e % BK];
}`;
  const getB = `#pragma unroll
for (int u = 0; u < 64 * BK / THREADS; ++u) {
const int e = u * THREADS + tid;
hold_b[u] = b[base + (k0 + e / 64) * 64 + e % 64];
}`;
  const put = (slot: string): string => `#pragma unroll
for (int u = 0; u < ROWS * BK / THREADS; ++u) {
const int e = u * THREADS + tid;
sa${slot}[e % BK][e / BK] = hold_a[u];
}
#pragma unroll
for (int u = 0; u < 64 * BK / THREADS; ++u) {
const int e = u * THREADS + tid;
sb${slot}[e / 64][e % 64] = hold_b[u];
}`;
  const quads = o.fragments === "quads" && o.pad !== 1;
  const fragment = (name: string, from: string, count: string): string =>
    quads
      ? `#pragma unroll
for (int i = 0; i < ${count}; i += 4) {
*reinterpret_cast<float4*>(&${name}[i]) = *reinterpret_cast<const float4*>(&${from});
}`
      : `#pragma unroll
for (int i = 0; i < ${count}; ++i) {
${name}[i] = ${from};
}`;
  const use = (slot: string): string => `${on(o.unroll, "#pragma unroll\n")}for (int k = 0; k < BK; ++k) {
__align__(16) float p[TM];
__align__(16) float q[TN];
${fragment("p", `sa${slot}[k][ty * TM + i]`, "TM")}
${fragment("q", `sb${slot}[k][tx * TN + i]`, "TN")}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
${addScaled(o.style, ["acc[i][j]"], "p[i]", ["q[j]"])}
}
}
}`;
  return { get: o.order === "a first" ? `${getA}\n${getB}` : `${getB}\n${getA}`, put, use };
}

function sliceLoop(o: SliceChoice): string {
  const { get, put, use } = sliceText(o);
  if (o.buffers === "one" || o.ahead === "none") {
    const slot = on(o.buffers === "two", "[k0 / BK % 2]");
    if (o.ahead === "none")
      return `for (int k0 = 0; k0 < 64; k0 += BK) {
${get}
${put(slot)}
__syncthreads();
${use(slot)}
${on(o.buffers === "one", "__syncthreads();")}
}`;
    return `int k0 = 0;
${get}
while (k0 < 64) {
${put("")}
__syncthreads();
k0 += BK;
if (k0 < 64) {
${get}
}
${use("")}
__syncthreads();
}`;
  }
  return `int k0 = 0;
int now = 0;
${get}
${put("[0]")}
__syncthreads();
for (k0 = BK; k0 <= 64; k0 += BK) {
if (k0 < 64) {
${get}
}
${use("[now]")}
if (k0 < 64) {
${put("[now ^ 1]")}
}
now ^= 1;
__syncthreads();
}`;
}

/** Slices along k pass through shared memory. */
export const depthSlices = template({
  id: "depth-slices",
  from: "tile-blocks",
  idea: "Bring slices along k into shared memory, fetching the next slice into registers while one is multiplied",
  options: sliceOptions,
  valid: (o) => {
    const [tm = 1, tn = 1] = o.micro.split("x").map(Number);
    const rows = o.rows === "half" ? 32 : 64;
    const threads = (rows * 64) / (tm * tn);
    return (
      threads >= 32 &&
      (rows * o.depth) % threads === 0 &&
      (64 * o.depth) % threads === 0 &&
      (o.fragments === "scalars" || o.pad !== 1)
    );
  },
  count: 28,
  write(o, s) {
    const [tm = 1, tn = 1] = o.micro.split("x").map(Number);
    const half = o.rows === "half";
    const threads = ((half ? 32 : 64) * 64) / (tm * tn);
    const slots = on(o.buffers === "two", "[2]");
    const source = `constexpr int ROWS = ${half ? 32 : 64}, BK = ${o.depth};
constexpr int TM = ${tm}, TN = ${tn};
constexpr int THREADS = ${threads};

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}slice_products(${pointers("__restrict__ ")}) {
__shared__ __align__(16) float sa${slots}[BK][ROWS + ${o.pad}];
__shared__ __align__(16) float sb${slots}[BK][64 + ${o.pad}];
const int tid = threadIdx.x;
const int tx = tid % (64 / TN), ty = tid / (64 / TN);
const size_t base = (size_t)${half ? "(blockIdx.x / 2)" : "blockIdx.x"} * 4096;
const int row0 = ${half ? "blockIdx.x % 2 * ROWS" : "0"};
float hold_a[ROWS * BK / THREADS], hold_b[64 * BK / THREADS];
float acc[TM][TN] = {};
${sliceLoop(o)}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; j += 4) {
*reinterpret_cast<float4*>(c + base + (row0 + ty * TM + i) * 64 + tx * TN + j) = make_float4(acc[i][j], acc[i][j + 1], acc[i][j + 2], acc[i][j + 3]);
}
}
}
`;
    const grid = batchOf(s) * (half ? 2 : 1);
    return styled(
      { source, launches: [launch("slice_products", grid, threads, ["a", "b", "c"])] },
      { names: "camel", indent: 4 },
    );
  },
});

const asyncOptions = {
  copies: ["pipeline", "ptx"],
  walk: ["k by k", "four k"],
  guard: ["branch", "clamp"],
  style: ["plus", "fmaf"],
  early: [true, false],
  deal: ["stride", "runs"],
  bounds: [true, false],
  unroll: ["full", "four", "none"],
  pitch: [68, 64],
  stages: [2, 3],
  micro: ["4x4", "8x4", "8x8", "4x8"],
} as const;

type AsyncChoice = Chosen<typeof asyncOptions>;

function asyncUse(o: AsyncChoice): string {
  const pragma =
    o.unroll === "full" ? "#pragma unroll\n" : o.unroll === "four" ? "#pragma unroll 4\n" : "#pragma unroll 1\n";
  const loadRight = (k: string): string => `float4 q[TN / 4];
#pragma unroll
for (int j = 0; j < TN / 4; ++j) {
q[j] = *reinterpret_cast<const float4*>(&right[(${k}) * 64 + j * (256 / TN) + tx * 4]);
}`;
  const products = (p: string): string => `#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN / 4; ++j) {
${addScaled(o.style, quad("acc[i][j]"), p, quad("q[j]"))}
}
}`;
  if (o.walk === "k by k")
    return `${pragma}for (int k = 0; k < 64; ++k) {
${loadRight("k")}
float p[TM];
#pragma unroll
for (int i = 0; i < TM; ++i) {
p[i] = left[(ty * TM + i) * PITCH + k];
}
${products("p[i]")}
}`;
  return `${pragma}for (int k = 0; k < 64; k += 4) {
float4 p[TM];
#pragma unroll
for (int i = 0; i < TM; ++i) {
p[i] = *reinterpret_cast<const float4*>(&left[(ty * TM + i) * PITCH + k]);
}
${repeat(4, (i) => `{\n${loadRight(`k + ${i}`)}\n${products(`p[i].${parts[i]}`)}\n}`)}
}`;
}

function asyncRequest(o: AsyncChoice): string {
  const copy = (to: string, from: string): string =>
    o.copies === "pipeline"
      ? `__pipeline_memcpy_async(${to}, ${from}, 16);`
      : `asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(${to})), "l"(${from}) : "memory");`;
  const commit =
    o.copies === "pipeline" ? "__pipeline_commit();" : `asm volatile("cp.async.commit_group;" ::: "memory");`;
  const body = `const size_t base = (size_t)WHICH * 4096;
for (int e = threadIdx.x; e < 1024; e += THREADS) {
${copy("stage + e / 16 * PITCH + e % 16 * 4", "a + base + 4 * e")}
${copy("stage + 64 * PITCH + 4 * e", "b + base + 4 * e")}
}`;
  if (o.guard === "clamp") return `${body.replace("WHICH", "min(matrix, BATCH - 1)")}\n${commit}`;
  return `if (matrix < end) {\n${body.replace("WHICH", "matrix")}\n}\n${commit}`;
}

/** Blocks stay; the next matrices arrive while one product is computed. */
export const asyncMatrices = template({
  id: "async-matrices",
  from: "shared-matrices",
  idea: "Let blocks stay and copy their next pair of matrices asynchronously during a product",
  options: asyncOptions,
  count: 28,
  write(o, s) {
    const batch = batchOf(s);
    const [tm = 4, tn = 4] = o.micro.split("x").map(Number);
    const threads = 4096 / (tm * tn);
    const bytes = 4 * (64 * o.pitch + 4096) * o.stages;
    const resident = Math.max(1, Math.min(Math.floor(227_000 / (bytes + 1024)), Math.floor(2048 / threads)));
    const grid = Math.min(132 * resident, batch);
    const runs = o.deal === "runs";
    const wait =
      o.copies === "pipeline"
        ? `__pipeline_wait_prior(STAGES - ${o.early ? 2 : 1});`
        : `asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - ${o.early ? 2 : 1}) : "memory");`;
    const ask = (n: string): string => `request(pool + ${n} % STAGES * STAGE, a, b, begin + (${n}) * step, end);`;
    const source = `${on(o.copies === "pipeline", "#include <cuda_pipeline.h>\n\n")}#define BATCH ${batch}
#define TM ${tm}
#define TN ${tn}
#define THREADS ${threads}
#define STAGES ${o.stages}
#define PITCH ${o.pitch}
#define STAGE (64 * PITCH + 4096)
${on(runs, `#define RUN ${Math.ceil(batch / grid)}\n`)}
__device__ __forceinline__ void request(float* stage, const float* a, const float* b, int matrix, int end) {
${asyncRequest(o)}
}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}products_in_flight(${pointers("__restrict__ ")}) {
extern __shared__ __align__(16) float pool[];
const int tx = threadIdx.x % (64 / TN), ty = threadIdx.x / (64 / TN);
const int begin = ${runs ? "blockIdx.x * RUN" : "blockIdx.x"};
const int end = ${runs ? "min(begin + RUN, BATCH)" : "BATCH"};
const int step = ${runs ? "1" : "gridDim.x"};
for (int n = 0; n < STAGES${on(o.early, " - 1")}; ++n) {
${ask("n")}
}
int n = 0;
for (int matrix = begin; matrix < end; matrix += step, ++n) {
${wait}
__syncthreads();
${on(o.early, ask("(n + STAGES - 1)"))}
const float* left = pool + n % STAGES * STAGE;
const float* right = left + 64 * PITCH;
float4 acc[TM][TN / 4] = {};
${asyncUse(o)}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN / 4; ++j) {
*reinterpret_cast<float4*>(c + (size_t)matrix * 4096 + (ty * TM + i) * 64 + j * (256 / TN) + tx * 4) = acc[i][j];
}
}
${on(!o.early, `__syncthreads();\n${ask("(n + STAGES)")}`)}
}
}
`;
    return styled(
      { source, launches: [launch("products_in_flight", grid, threads, ["a", "b", "c"], bytes)] },
      { names: "snake", indent: 2 },
    );
  },
});
