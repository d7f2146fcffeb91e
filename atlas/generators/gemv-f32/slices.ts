import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { blockSum, colsOf, dotLoop, laneSum, laneSums, read, rowsOf, shape } from "./shared.ts";

const atomicOptions = {
  unit: ["warp", "block", "lanes"],
  axes: ["slice first", "row first"],
  width: [4, 1, 2],
  sums: ["one", "lanes", "chain"],
  unroll: ["none", "ahead", "pragma"],
  load: ["plain", "__ldg", "__ldcs"],
  clear: ["loop", "thread each"],
  reduce: laneSums,
  threads: [128, 256, 64],
  slices: [4, 2, 8, 16],
} as const;

function atomicFinish(unit: string): string {
  if (unit === "lanes") return "atomicAdd(y + row, sum);";
  const total = unit === "warp" ? "warp_total(sum)" : "block_sum(sum)";
  const leader = unit === "warp" ? "threadIdx.x % 32 == 0" : "threadIdx.x == 0";
  return `const float total = ${total};
if (${leader}) {
atomicAdd(y + row, total);
}`;
}

/** Rows are cut into slices whose sums meet by atomic additions. */
export const splitAtomic = template({
  id: "split-atomic",
  from: "row-block",
  idea: "Cut the rows into slices for more parallel work and add the slices' sums atomically",
  options: atomicOptions,
  count: 4,
  write(o, s) {
    const block = o.unit === "block";
    const rowsPer = block ? 1 : o.threads / 32;
    const [slice, group] = o.axes === "slice first" ? ["blockIdx.x", "blockIdx.y"] : ["blockIdx.y", "blockIdx.x"];
    const row = block ? group : `${group} * ${rowsPer} + threadIdx.x / 32`;
    const loop = dotLoop({
      row: "piece",
      x: "x_piece",
      first: block ? "threadIdx.x" : "threadIdx.x % 32",
      step: block ? "THREADS" : "32",
      limit: "SLICE",
      width: o.width,
      sums: o.sums,
      unroll: o.unroll,
      load: o.load,
      loadX: "plain",
    });
    const helper =
      o.unit === "block" ? blockSum("first warp", o.threads) : o.unit === "warp" ? laneSum(o.reduce, "warp_total") : "";
    const clear =
      o.clear === "loop"
        ? `for (int i = threadIdx.x; i < ROWS; i += blockDim.x) {
y[i] = 0.0f;
}`
        : "y[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;";
    const source = `#define THREADS ${o.threads}
${shape(s)}constexpr int SLICE = COLS / ${o.slices};

extern "C" __global__ void set_zero(float* y) {
${clear}
}

${helper}
extern "C" __global__ void add_slice(const float* __restrict__ a, const float* __restrict__ x, float* y) {
const int row = ${row};
const int start = ${slice} * SLICE;
const float* piece = a + (size_t)row * COLS + start;
const float* x_piece = x + start;
${loop}
${atomicFinish(o.unit)}
}
`;
    const groups = rowsOf(s) / rowsPer;
    const grid: [number, number] = o.axes === "slice first" ? [o.slices, groups] : [groups, o.slices];
    const zero =
      o.clear === "loop" ? launch("set_zero", 1, 1024, ["y"]) : launch("set_zero", rowsOf(s) / 256, 256, ["y"]);
    const draft = { source, launches: [zero, launch("add_slice", grid, o.threads, ["a", "x", "y"])] };
    return styled(draft, { names: "snake", indent: 2 });
  },
});

const partialOptions = {
  table: ["slice major", "row major"],
  finish: ["thread", "warp"],
  width: [4, 1, 2],
  sums: ["one", "lanes", "chain"],
  unroll: ["none", "ahead", "pragma"],
  load: ["plain", "__ldg", "__ldcs"],
  loadX: ["plain", "__ldg"],
  reduce: laneSums,
  warps: [4, 8, 2],
  slices: [4, 2, 8, 16, 32],
} as const;

function partialFinish(o: Chosen<typeof partialOptions>): string {
  const at = o.table === "slice major" ? "partial[slice * ROWS + row]" : "partial[row * SLICES + slice]";
  if (o.finish === "thread")
    return `extern "C" __global__ void finish_rows(const float* partial, float* y) {
const int row = blockIdx.x * blockDim.x + threadIdx.x;
float sum = 0.0f;
for (int slice = 0; slice < SLICES; ++slice) {
sum += ${at};
}
y[row] = sum;
}`;
  return `extern "C" __global__ void finish_rows(const float* partial, float* y) {
const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
const int slice = threadIdx.x % 32;
const float sum = add_up(slice < SLICES ? ${at} : 0.0f);
if (slice == 0) {
y[row] = sum;
}
}`;
}

/** Slices' sums go to a table that a second kernel adds up. */
export const splitPartials = template({
  id: "split-partials",
  from: "split-atomic",
  idea: "Write the slices' sums to a table and add them in a second launch",
  options: partialOptions,
  count: 27,
  write(o, s) {
    const rows = rowsOf(s);
    const loop = dotLoop({
      row: "(a + (size_t)row * COLS + blockIdx.y * SLICE)",
      x: "(x + blockIdx.y * SLICE)",
      first: "lane",
      step: "32",
      limit: "SLICE",
      width: o.width,
      sums: o.sums,
      unroll: o.unroll,
      load: o.load,
      loadX: o.loadX,
    });
    const to = o.table === "slice major" ? "partial[blockIdx.y * ROWS + row]" : "partial[row * SLICES + blockIdx.y]";
    const source = `${shape(s)}constexpr int SLICES = ${o.slices};
constexpr int SLICE = COLS / SLICES;
constexpr int WARPS = ${o.warps};

${laneSum(o.reduce, "add_up")}
extern "C" __global__ void slice_products(const float* __restrict__ a, const float* __restrict__ x, float* __restrict__ partial) {
const int lane = threadIdx.x % 32;
const int row = blockIdx.x * WARPS + threadIdx.x / 32;
${loop}
sum = add_up(sum);
if (lane == 0) {
${to} = sum;
}
}

${partialFinish(o)}
`;
    const finish = o.finish === "thread" ? rows / 128 : rows / 4;
    const launches = [
      launch("slice_products", [rows / o.warps, o.slices], o.warps * 32, ["a", "x", "partial"]),
      launch("finish_rows", finish, 128, ["partial", "y"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

const marchOptions = {
  hold: ["array", "ahead"],
  store: ["table", "atomic"],
  together: [1, 2, 4],
  reduce: laneSums,
  load: ["plain", "__ldg", "__ldcs"],
  finish: ["thread", "warp"],
  bounds: [false, true],
  quads: [4, 8, 16],
  run: [32, 64, 16, 128],
  warps: [4, 8],
} as const;

function marchRows(o: Chosen<typeof marchOptions>): string {
  const product = (p: string): string =>
    `${p}.x * vec[k].x + ${p}.y * vec[k].y + ${p}.z * vec[k].z + ${p}.w * vec[k].w`;
  const put = o.store === "table" ? "partial[strip * ROWS + row + r] = total;" : "atomicAdd(out + row + r, total);";
  const sums =
    o.hold === "array"
      ? `#pragma unroll
for (int k = 0; k < Q; ++k) {
#pragma unroll
for (int r = 0; r < TOGETHER; ++r) {
const float4 p = ${read(o.load, "at[(size_t)(row + r) * (COLS / 4) + k * 32]")};
sum[r] += ${product("p")};
}
}`
      : `#pragma unroll
for (int r = 0; r < TOGETHER; ++r) {
float4 p[Q];
#pragma unroll
for (int k = 0; k < Q; ++k) {
p[k] = ${read(o.load, "at[(size_t)(row + r) * (COLS / 4) + k * 32]")};
}
#pragma unroll
for (int k = 0; k < Q; ++k) {
sum[r] += ${product("p[k]")};
}
}`;
  return `for (int row = row0; row < row0 + RUN; row += TOGETHER) {
float sum[TOGETHER] = {};
${sums}
#pragma unroll
for (int r = 0; r < TOGETHER; ++r) {
const float total = reduce_lanes(sum[r]);
if (lane == 0) {
${put}
}
}
}`;
}

/** A warp keeps its columns' part of x in registers and marches down the rows. */
export const stripMarch = template({
  id: "strip-march",
  from: "split-partials",
  idea: "Keep a strip of x in the registers of a warp and march down a run of rows",
  options: marchOptions,
  valid: (o) => (o.store === "table" || o.finish === "thread") && o.quads * (o.hold === "ahead" ? 2 : 1) <= 16,
  count: 7,
  write(o, s) {
    const rows = rowsOf(s);
    const table = o.store === "table";
    const side = table
      ? o.finish === "thread"
        ? `extern "C" __global__ void add_strips(const float* partial, float* y) {
const int row = blockIdx.x * blockDim.x + threadIdx.x;
float sum = 0.0f;
for (int strip = 0; strip < STRIPS; ++strip) {
sum += partial[strip * ROWS + row];
}
y[row] = sum;
}`
        : `extern "C" __global__ void add_strips(const float* partial, float* y) {
const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
float sum = 0.0f;
for (int strip = threadIdx.x % 32; strip < STRIPS; strip += 32) {
sum += partial[strip * ROWS + row];
}
sum = reduce_lanes(sum);
if (threadIdx.x % 32 == 0) {
y[row] = sum;
}
}`
      : `extern "C" __global__ void zero_rows(float* y) {
y[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;
}`;
    const source = `${shape(s)}constexpr int Q = ${o.quads};
constexpr int STRIPS = COLS / (128 * Q);
constexpr int RUN = ${o.run};
constexpr int TOGETHER = ${o.together};
constexpr int WARPS = ${o.warps};

${laneSum(o.reduce, "reduce_lanes")}
${side}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(32 * WARPS) ")}strip_gemv(const float* __restrict__ a, const float* __restrict__ x, float* ${table ? "partial" : "out"}) {
const int lane = threadIdx.x % 32;
const int strip = blockIdx.x;
const int row0 = (blockIdx.y * WARPS + threadIdx.x / 32) * RUN;
if (row0 >= ROWS) {
return;
}
const float4* at = reinterpret_cast<const float4*>(a) + strip * Q * 32 + lane;
const float4* x_at = reinterpret_cast<const float4*>(x) + strip * Q * 32 + lane;
float4 vec[Q];
#pragma unroll
for (int k = 0; k < Q; ++k) {
vec[k] = x_at[k * 32];
}
${marchRows(o)}
}
`;
    const grid: [number, number] = [colsOf(s) / (128 * o.quads), Math.ceil(rows / (o.warps * o.run))];
    const main = launch("strip_gemv", grid, o.warps * 32, ["a", "x", table ? "partial" : "y"]);
    const launches = table
      ? [main, launch("add_strips", o.finish === "thread" ? rows / 128 : rows / 4, 128, ["partial", "y"])]
      : [launch("zero_rows", rows / 256, 256, ["y"]), main];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
