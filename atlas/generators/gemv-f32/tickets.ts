import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { blockSum, dotLoop, laneSum, read, rowsOf, shape } from "./shared.ts";

const lastOptions = {
  ticket: ["shared flag", "syncthreads or"],
  rows: [2, 1, 4],
  width: [4, 1],
  load: ["plain", "__ldg", "__ldcs"],
  total: ["serial", "parallel"],
  unroll: [false, true],
  axes: ["slice first", "row first"],
  bounds: [true, false],
  slices: [4, 2, 8],
  threads: [128, 256],
} as const;

function lastFinish(o: Chosen<typeof lastOptions>): string {
  const arrive =
    o.ticket === "shared flag"
      ? `__shared__ bool last;
if (threadIdx.x == 0) {
__threadfence();
last = atomicAdd(counters + group, 1) == SLICES - 1;
}
__syncthreads();
if (!last) {
return;
}`
      : `int mine = 0;
if (threadIdx.x == 0) {
__threadfence();
mine = atomicAdd(counters + group, 1) == SLICES - 1;
}
if (!__syncthreads_or(mine)) {
return;
}`;
  const add =
    o.total === "serial"
      ? `if (threadIdx.x == 0) {
for (int r = 0; r < R; ++r) {
float total = 0.0f;
for (int k = 0; k < SLICES; ++k) {
total += __ldcg(&partial[k * ROWS + row + r]);
}
y[row + r] = total;
}
}`
      : `if (threadIdx.x < R) {
float total = 0.0f;
for (int k = 0; k < SLICES; ++k) {
total += __ldcg(&partial[k * ROWS + row + threadIdx.x]);
}
y[row + threadIdx.x] = total;
}`;
  return `${arrive}
__threadfence();
${add}`;
}

/** The block that finishes a row's last slice adds the slices. */
export const lastBlock = template({
  id: "last-block",
  from: "split-partials",
  idea: "Let the block that finishes last add a row's slices, instead of another pass",
  options: lastOptions,
  count: 4,
  write(o, s) {
    const type = o.width === 4 ? "float4" : "float";
    const dot = o.width === 4 ? "p.x * q.x + p.y * q.y + p.z * q.z + p.w * q.w" : "p * q";
    const [slice, group] = o.axes === "slice first" ? ["blockIdx.x", "blockIdx.y"] : ["blockIdx.y", "blockIdx.x"];
    const source = `#define THREADS ${o.threads}
#define SLICES ${o.slices}
#define R ${o.rows}
${shape(s)}
extern "C" __global__ void reset_counters(int* counters) {
counters[blockIdx.x * blockDim.x + threadIdx.x] = 0;
}

${blockSum("first warp", o.threads)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}gemv_tickets(const float* __restrict__ a, const float* __restrict__ x, float* y, float* partial, int* counters) {
const int slice = ${slice};
const int group = ${group};
const int row = group * R;
const int width = COLS / SLICES / ${o.width};
const ${type}* vec = reinterpret_cast<const ${type}*>(x) + slice * width;
float sum[R] = {};
${on(o.unroll, "#pragma unroll 4\n")}for (int j = threadIdx.x; j < width; j += THREADS) {
const ${type} q = vec[j];
#pragma unroll
for (int r = 0; r < R; ++r) {
const ${type}* at = reinterpret_cast<const ${type}*>(a + (size_t)(row + r) * COLS) + slice * width;
const ${type} p = ${read(o.load, "at[j]")};
sum[r] += ${dot};
}
}
for (int r = 0; r < R; ++r) {
const float total = block_sum(sum[r]);
if (threadIdx.x == 0) {
partial[slice * ROWS + row + r] = total;
}
}
${lastFinish(o)}
}
`;
    const groups = rowsOf(s) / o.rows;
    const grid: [number, number] = o.axes === "slice first" ? [o.slices, groups] : [groups, o.slices];
    const launches = [
      launch("reset_counters", rowsOf(s) / 256, 256, ["counters"]),
      launch("gemv_tickets", grid, o.threads, ["a", "x", "y", "partial", "counters"]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});

const queueOptions = {
  unit: ["warp", "block"],
  width: [4, 1, 2],
  sums: ["one", "lanes", "chain"],
  unroll: ["none", "ahead", "pragma"],
  load: ["plain", "__ldg", "__ldcs"],
  loadX: ["plain", "__ldg"],
  loop: ["for", "while"],
  batch: [1, 2, 4],
  threads: [256, 128, 512],
} as const;

/** Rows are handed out by a counter. */
export const rowQueue = template({
  id: "row-queue",
  from: "row-block",
  idea: "Hand out rows by an atomic counter to warps or blocks that stay",
  options: queueOptions,
  count: 29,
  write(o, s) {
    const warp = o.unit === "warp";
    const loop = dotLoop({
      row: "mine",
      x: "x",
      first: warp ? "threadIdx.x % 32" : "threadIdx.x",
      step: warp ? "32" : "THREADS",
      limit: "COLS",
      width: o.width,
      sums: o.sums,
      unroll: o.unroll,
      load: o.load,
      loadX: o.loadX,
    });
    const take = warp
      ? `int first = 0;
if (threadIdx.x % 32 == 0) {
first = atomicAdd(counters, BATCH);
}
first = __shfl_sync(0xffffffffu, first, 0);`
      : `__shared__ int taken;
__syncthreads();
if (threadIdx.x == 0) {
taken = atomicAdd(counters, BATCH);
}
__syncthreads();
const int first = taken;`;
    const rows = `for (int row = first; row < first + BATCH; ++row) {
const float* mine = a + (size_t)row * COLS;
${loop}
const float total = ${warp ? "lane_total(sum)" : "block_sum(sum)"};
if (threadIdx.x${on(warp, " % 32")} == 0) {
y[row] = total;
}
}`;
    const body =
      o.loop === "for"
        ? `for (;;) {
${take}
if (first >= ROWS) {
return;
}
${rows}
}`
        : `bool more = true;
while (more) {
${take}
more = first < ROWS;
if (more) {
${rows}
}
}`;
    const source = `#define THREADS ${o.threads}
#define BATCH ${o.batch}
${shape(s)}
extern "C" __global__ void open_queue(int* counters) {
counters[0] = 0;
}

${warp ? laneSum("down", "lane_total") : blockSum("first warp", o.threads)}
extern "C" __global__ void gemv_queue(const float* __restrict__ a, const float* __restrict__ x, float* __restrict__ y, int* counters) {
${body}
}
`;
    const launches = [
      launch("open_queue", 1, 1, ["counters"]),
      launch("gemv_queue", 132 * (1024 / o.threads), o.threads, ["a", "x", "y", "counters"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
