import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { dealt, finishes, handOver, rowsOf, sideKernel, withSide } from "./common.ts";

/** Statements that bring a chunk of rows into `tile`, whose rows are PITCH apart. */
export function fillTile(fill: string, threads: string): string {
  if (fill === "scalars")
    return `for (int e = threadIdx.x; e < CHUNK * 64; e += ${threads}) {
tile[e / 64 * PITCH + e % 64] = from[e];
}`;
  return `for (int e = threadIdx.x; e < CHUNK * 16; e += ${threads}) {
*reinterpret_cast<float4*>(&tile[e / 16 * PITCH + e % 16 * 4]) = reinterpret_cast<const float4*>(from)[e];
}`;
}

/** Adds the products of a row at `line` to a thread's block, read element by element or as vectors. */
export function blockProducts(o: { quads: boolean; spread: string; fused: boolean }): string {
  const [row, col] =
    o.spread === "blocked"
      ? ["ti * TM + i", "tj * TN + j"]
      : ["i / 4 * (256 / TM) + ti * 4 + i % 4", "j / 4 * (256 / TN) + tj * 4 + j % 4"];
  const load = (name: string, index: string, at: string, count: string): string =>
    o.quads
      ? `#pragma unroll
for (int ${at} = 0; ${at} < ${count}; ${at} += 4) {
const float4 v = *reinterpret_cast<const float4*>(&line[${index}]);
${name}[${at}] = v.x;
${name}[${at} + 1] = v.y;
${name}[${at} + 2] = v.z;
${name}[${at} + 3] = v.w;
}`
      : `#pragma unroll
for (int ${at} = 0; ${at} < ${count}; ++${at}) {
${name}[${at}] = line[${index}];
}`;
  return `float p[TM], q[TN];
${load("p", row, "i", "TM")}
${load("q", col, "j", "TN")}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
${o.fused ? "acc[i][j] = fmaf(p[i], q[j], acc[i][j]);" : "acc[i][j] += p[i] * q[j];"}
}
}`;
}

const rowOptions = {
  finish: finishes,
  buffers: ["one", "two", "ahead"],
  fill: ["quads", "scalars"],
  fragments: ["quads", "scalars"],
  spread: ["blocked", "apart"],
  deal: ["stride", "runs"],
  fused: [false, true],
  unroll: [false, true],
  bounds: [true, false],
  chunk: [32, 16, 64],
  micro: ["4x4", "8x4", "8x8", "4x8"],
  grid: [264, 528, 132, 792],
} as const;

type RowChoice = Chosen<typeof rowOptions>;

function rowLoop(o: RowChoice): string {
  const use = `${on(o.unroll, "#pragma unroll 4\n")}for (int r = 0; r < CHUNK; ++r) {
const float* line = tile + r * PITCH;
${blockProducts({ quads: o.fragments === "quads", spread: o.spread, fused: o.fused })}
}`;
  const from = (chunk: string): string => `const float* from = x + (size_t)(${chunk}) * CHUNK * 64;`;
  if (o.buffers === "one")
    return `float* tile = pool;
for (int chunk = first; chunk < end; chunk += step) {
${from("chunk")}
__syncthreads();
${fillTile(o.fill, "THREADS")}
__syncthreads();
${use}
}`;
  if (o.buffers === "two")
    return `int now = 0;
if (first < end) {
float* tile = pool;
${from("first")}
${fillTile(o.fill, "THREADS")}
}
for (int chunk = first; chunk < end; chunk += step) {
__syncthreads();
if (chunk + step < end) {
float* tile = pool + (now ^ 1) * CHUNK * PITCH;
${from("chunk + step")}
${fillTile(o.fill, "THREADS")}
}
const float* tile = pool + now * CHUNK * PITCH;
${use}
now ^= 1;
}`;
  return `float* tile = pool;
float4 hold[CHUNK * 16 / THREADS];
const auto fetch = [&](int chunk) {
#pragma unroll
for (int u = 0; u < CHUNK * 16 / THREADS; ++u) {
hold[u] = reinterpret_cast<const float4*>(x + (size_t)chunk * CHUNK * 64)[u * THREADS + threadIdx.x];
}
};
if (first < end) {
fetch(first);
}
for (int chunk = first; chunk < end; chunk += step) {
__syncthreads();
#pragma unroll
for (int u = 0; u < CHUNK * 16 / THREADS; ++u) {
const int e = u * THREADS + threadIdx.x;
*reinterpret_cast<float4*>(&tile[e / 16 * PITCH + e % 16 * 4]) = hold[u];
}
__syncthreads();
if (chunk + step < end) {
fetch(chunk + step);
}
${use}
}`;
}

/** Chunks of rows in shared memory, the whole of G in the block's registers. */
export const rowTiles = template({
  id: "row-tiles",
  from: "global-tiles",
  idea: "Stage chunks of rows in shared memory and keep all of G in the registers of a block",
  options: rowOptions,
  valid: (o) => {
    const [tm = 4, tn = 4] = o.micro.split("x").map(Number);
    return o.buffers !== "ahead" || (o.fill === "quads" && (o.chunk * 16) % (4096 / (tm * tn)) === 0);
  },
  count: 30,
  write(o, s) {
    const [tm = 4, tn = 4] = o.micro.split("x").map(Number);
    const threads = 4096 / (tm * tn);
    const [row, col] =
      o.spread === "blocked"
        ? ["ti * TM + i", "tj * TN + j"]
        : ["(i / 4 * (256 / TM) + ti * 4 + i % 4)", "j / 4 * (256 / TN) + tj * 4 + j % 4"];
    const source = `constexpr int ROWS = ${rowsOf(s)};
constexpr int CHUNK = ${o.chunk}, CHUNKS = ROWS / CHUNK, PITCH = 64;
constexpr int TM = ${tm}, TN = ${tn}, THREADS = ${threads};

${sideKernel(o.finish, o.grid)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}gram_rows(const float* __restrict__ x, float* __restrict__ out) {
__shared__ __align__(16) float pool[${on(o.buffers === "two", "2 * ")}CHUNK * PITCH];
const int tj = threadIdx.x % (64 / TN);
const int ti = threadIdx.x / (64 / TN);
${dealt(o.deal)}
float acc[TM][TN] = {};
${rowLoop(o)}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
${handOver(o.finish, `(${row}) * 64 + ${col}`, "acc[i][j]")}
}
}
}
`;
    const launches = withSide(o.finish, (out) => launch("gram_rows", o.grid, threads, ["x", out]));
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const groupOptions = {
  finish: finishes,
  meet: ["each adds", "through shared"],
  rows: ["interleaved", "blocked"],
  fill: ["quads", "scalars"],
  fragments: ["quads", "scalars"],
  spread: ["apart", "blocked"],
  deal: ["stride", "runs"],
  bounds: [true, false],
  unroll: [false, true],
  groups: [4, 2, 8],
  chunk: [64, 32, 128],
  grid: [264, 132, 396],
} as const;

type GroupChoice = Chosen<typeof groupOptions>;

function groupFinish(o: GroupChoice): string {
  const [row, col] =
    o.spread === "blocked"
      ? ["ti * 8 + i", "tj * 8 + j"]
      : ["(i / 4 * 32 + ti * 4 + i % 4)", "j / 4 * 32 + tj * 4 + j % 4"];
  if (o.meet === "each adds")
    return `float* sums = pool;
for (int e = threadIdx.x; e < 4096; e += THREADS) {
sums[e] = 0.0f;
}
__syncthreads();
#pragma unroll
for (int i = 0; i < 8; ++i) {
#pragma unroll
for (int j = 0; j < 8; ++j) {
atomicAdd(&sums[(${row}) * 64 + ${col}], acc[i][j]);
}
}
__syncthreads();
for (int e = threadIdx.x; e < 4096; e += THREADS) {
${handOver(o.finish, "e", "sums[e]")}
}`;
  return `float* sums = pool;
for (int turn = 0; turn < GROUPS; ++turn) {
if (group == turn) {
#pragma unroll
for (int i = 0; i < 8; ++i) {
#pragma unroll
for (int j = 0; j < 8; ++j) {
float* to = &sums[(${row}) * 64 + ${col}];
*to = turn == 0 ? acc[i][j] : *to + acc[i][j];
}
}
}
__syncthreads();
}
for (int e = threadIdx.x; e < 4096; e += THREADS) {
${handOver(o.finish, "e", "sums[e]")}
}`;
}

/** Groups of 64 threads hold G each and share the chunk's rows out among them. */
export const groupedRows = template({
  id: "grouped-rows",
  from: "row-tiles",
  idea: "Let groups of a block's threads take different rows with larger blocks of G each, and add the groups at the end",
  options: groupOptions,
  count: 26,
  write(o, s) {
    const rows =
      o.rows === "interleaved"
        ? "for (int r = group; r < CHUNK; r += GROUPS)"
        : "for (int r = group * (CHUNK / GROUPS); r < (group + 1) * (CHUNK / GROUPS); ++r)";
    const source = `#define ROWS ${rowsOf(s)}
#define CHUNK ${o.chunk}
#define CHUNKS (ROWS / CHUNK)
#define PITCH 64
#define GROUPS ${o.groups}
#define THREADS (64 * GROUPS)
#define TM 8
#define TN 8

${sideKernel(o.finish, o.grid)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}gram_groups(const float* __restrict__ x, float* __restrict__ out) {
__shared__ __align__(16) float pool[${Math.max(o.chunk, 64)} * PITCH];
float* tile = pool;
const int group = threadIdx.x / 64;
const int tj = threadIdx.x % 8;
const int ti = threadIdx.x % 64 / 8;
${dealt(o.deal)}
float acc[8][8] = {};
for (int chunk = first; chunk < end; chunk += step) {
const float* from = x + (size_t)chunk * CHUNK * 64;
__syncthreads();
${fillTile(o.fill, "THREADS")}
__syncthreads();
${on(o.unroll, "#pragma unroll 2\n")}${rows} {
const float* line = tile + r * PITCH;
${blockProducts({ quads: o.fragments === "quads", spread: o.spread, fused: false })}
}
}
__syncthreads();
${groupFinish(o)}
}
`;
    const launches = withSide(o.finish, (out) => launch("gram_groups", o.grid, 64 * o.groups, ["x", out]));
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
