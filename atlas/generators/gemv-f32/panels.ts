import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { blockSum, laneSum, laneSums, read, rowsOf, sizing, type Sizing } from "./shared.ts";

const components = ["x", "y", "z", "w"];

function dot(width: number, p: string, q: string): string {
  if (width === 1) return `${p} * ${q}`;
  return components
    .slice(0, width)
    .map((k) => `${p}.${k} * ${q}.${k}`)
    .join(" + ");
}

const groupOptions = {
  lanes: [8, 16, 4, 2],
  width: [4, 1, 2],
  reduce: ["xor", "down", "shared"],
  pairs: [false, true],
  rows: ["adjacent", "spread"],
  load: ["plain", "__ldg", "__ldcs", "__ldcg"],
  loadX: ["plain", "__ldg"],
  unroll: [false, true],
  restrict: [true, false],
  size: ["constexpr", "args", "define"],
  block: [128, 256, 64],
} as const;

function groupFinish(o: Chosen<typeof groupOptions>): string {
  if (o.reduce === "shared")
    return `__shared__ float sums[${o.block}];
sums[threadIdx.x] = sum;
__syncthreads();
if (lane == 0) {
float total = 0.0f;
for (int i = 0; i < LANES; ++i) {
total += sums[threadIdx.x + i];
}
y[row] = total;
}`;
  const shuffle =
    o.reduce === "xor" ? "__shfl_xor_sync(0xffffffffu, sum, d, LANES)" : "__shfl_down_sync(0xffffffffu, sum, d, LANES)";
  return `#pragma unroll
for (int d = LANES / 2; d > 0; d >>= 1) {
sum += ${shuffle};
}
if (lane == 0) {
y[row] = sum;
}`;
}

/** A few lanes per row. */
export const laneGroups = template({
  id: "lane-groups",
  from: "row-warp",
  idea: "Let a few lanes of a warp share a row, so that a warp reads several rows",
  options: groupOptions,
  count: 30,
  write(o, s) {
    const size = sizing(o.size, s);
    const type = o.width === 1 ? "float" : `float${o.width}`;
    const view = (name: string): string =>
      o.width === 1 ? name : `reinterpret_cast<const ${type}*>(${name.includes("+") ? `(${name})` : name})`;
    const q = on(o.restrict, " __restrict__");
    const groups = `${o.block} / LANES`;
    const row =
      o.rows === "adjacent"
        ? `blockIdx.x * (${groups}) + threadIdx.x / LANES`
        : `(threadIdx.x / LANES) * gridDim.x + blockIdx.x`;
    const step = (name: string, at: string): string => `const ${type} ${name}p = ${read(o.load, `mine[${at}]`)};
const ${type} ${name}q = ${read(o.loadX, `vec[${at}]`)};`;
    const count = `${size.cols} / ${o.width}`;
    const loop = o.pairs
      ? `int j = lane;
for (; j + LANES < ${count}; j += 2 * LANES) {
${step("a", "j")}
${step("b", "j + LANES")}
sum += ${dot(o.width, "ap", "aq")};
other += ${dot(o.width, "bp", "bq")};
}
if (j < ${count}) {
${step("c", "j")}
sum += ${dot(o.width, "cp", "cq")};
}
sum += other;`
      : `${on(o.unroll, "#pragma unroll 8\n")}for (int j = lane; j < ${count}; j += LANES) {
${step("a", "j")}
sum += ${dot(o.width, "ap", "aq")};
}`;
    const source = `#define LANES ${o.lanes}
${size.header}
extern "C" __global__ void group_gemv(const float*${q} a, const float*${q} x, float*${q} y${size.params}) {
int lane = threadIdx.x % LANES;
int row = ${row};
const ${type}* mine = ${view(`a + (size_t)row * ${size.cols}`)};
const ${type}* vec = ${view("x")};
float sum = 0.0f;
${on(o.pairs, "float other = 0.0f;")}
${loop}
${groupFinish(o)}
}
`;
    const grid = (rowsOf(s) * o.lanes) / o.block;
    const draft = { source, launches: [launch("group_gemv", grid, o.block, ["a", "x", "y", ...size.args])] };
    return styled(draft, { names: "camel", indent: 4 });
  },
});

const warpOptions = {
  style: ["array", "named"],
  width: [4, 1, 2],
  rows: [4, 2, 8],
  finish: ["lane zero", "lane per row", "folded"],
  load: ["plain", "__ldg", "__ldcs"],
  loadX: ["plain", "__ldg"],
  order: ["loads first", "mixed"],
  unroll: ["none", "two", "four"],
  which: ["adjacent", "spread"],
  bounds: [false, true],
  size: ["constexpr", "args"],
  warps: [4, 2, 8],
} as const;

type WarpChoice = Chosen<typeof warpOptions>;

function warpPanelBody(o: WarpChoice, type: string): string {
  const load = (r: number | string): string => read(o.load, `at[${r} * STRIDE + j]`);
  const pragma = o.unroll === "none" ? "" : o.unroll === "two" ? "#pragma unroll 2\n" : "#pragma unroll 4\n";
  const head = `${pragma}for (int j = lane; j < STRIDE; j += 32) {
const ${type} q = ${read(o.loadX, "vec[j]")};`;
  if (o.style === "named") {
    const loads = repeat(o.rows, (r) => `const ${type} p${r} = ${load(r)};`);
    const adds = repeat(o.rows, (r) => `sum${r} += ${dot(o.width, `p${r}`, "q")};`);
    const mixed = repeat(o.rows, (r) => `const ${type} p${r} = ${load(r)};\nsum${r} += ${dot(o.width, `p${r}`, "q")};`);
    return `${repeat(o.rows, (r) => `float sum${r} = 0.0f;`)}
${head}
${o.order === "mixed" ? mixed : `${loads}\n${adds}`}
}`;
  }
  const split = `${type} p[R];
#pragma unroll
for (int r = 0; r < R; ++r) {
p[r] = ${load("r")};
}
#pragma unroll
for (int r = 0; r < R; ++r) {
sum[r] += ${dot(o.width, "p[r]", "q")};
}`;
  const mixed = `#pragma unroll
for (int r = 0; r < R; ++r) {
const ${type} p = ${load("r")};
sum[r] += ${dot(o.width, "p", "q")};
}`;
  return `float sum[R] = {};
${head}
${o.order === "mixed" ? mixed : split}
}`;
}

function warpPanelFinish(o: WarpChoice): string {
  const sum = (r: number): string => (o.style === "named" ? `sum${r}` : `sum[${r}]`);
  if (o.finish === "folded") {
    const folds: string[] = [];
    let live = Array.from({ length: o.rows }, (_, r) => sum(r));
    let mask = 16;
    while (live.length > 1) {
      const half = live.length / 2;
      const next: string[] = [];
      for (let i = 0; i < half; i++) {
        const name = `f${mask}_${i}`;
        const [low, high] = [live[i] ?? "", live[i + half] ?? ""];
        folds.push(`const float ${name} = ((lane & ${mask}) ? ${high} : ${low}) +
__shfl_xor_sync(0xffffffffu, (lane & ${mask}) ? ${low} : ${high}, ${mask});`);
        next.push(name);
      }
      live = next;
      mask /= 2;
    }
    const rest = Array.from({ length: Math.log2(mask) + 1 }, (_, i) => mask >> i);
    const bits = Math.log2(o.rows);
    return `${folds.join("\n")}
float total = ${live[0]};
${rest.map((d) => `total += __shfl_xor_sync(0xffffffffu, total, ${d});`).join("\n")}
if (lane % ${32 >> bits} == 0) {
y[row${o.which === "adjacent" ? " + " : " + WARPS * gridDim.x * "}(lane / ${32 >> bits})] = total;
}`;
  }
  const target = (r: string): string => (o.which === "adjacent" ? `row + ${r}` : `row + ${r} * WARPS * gridDim.x`);
  if (o.style === "named" || o.finish === "lane zero")
    return `${repeat(o.rows, (r) => `${sum(r)} = over_lanes(${sum(r)});`)}
if (lane == 0) {
${repeat(o.rows, (r) => `y[${target(String(r))}] = ${sum(r)};`)}
}`;
  return `#pragma unroll
for (int r = 0; r < R; ++r) {
const float total = over_lanes(sum[r]);
if (lane == r) {
y[${target("r")}] = total;
}
}`;
}

/** A warp with several rows. */
export const warpRows = template({
  id: "warp-rows",
  from: "row-warp",
  idea: "Reuse each piece of x for several rows of one warp",
  options: warpOptions,
  count: 30,
  write(o, s) {
    const size = sizing(o.size, s);
    const type = o.width === 1 ? "float" : `float${o.width}`;
    const first = `blockIdx.x * WARPS + threadIdx.x / 32`;
    const stride = `${size.cols} / ${o.width}`;
    const rowStride = o.which === "adjacent" ? "" : " * WARPS * gridDim.x";
    const body = warpPanelBody(o, type).replaceAll(
      /at\[(\w+) \* STRIDE \+ j\]/g,
      (_, r: string) => `at[(size_t)(${r}${rowStride}) * stride + j]`,
    );
    const source = `#define WARPS ${o.warps}
#define R ${o.rows}
${size.header}
${on(o.finish !== "folded", laneSum("xor", "over_lanes"))}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(WARPS * 32) ")}gemv_panel(const float* __restrict__ a, const float* __restrict__ x, float* __restrict__ y${size.params}) {
const int lane = threadIdx.x & 31;
const int row = ${o.which === "adjacent" ? `(${first}) * R` : first};
const int stride = ${stride};
const ${type}* at = (const ${type}*)a + (size_t)row * stride;
const ${type}* vec = (const ${type}*)x;
${body.replaceAll("j < STRIDE", "j < stride")}
${warpPanelFinish(o)}
}
`;
    const grid = rowsOf(s) / (o.warps * o.rows);
    const draft = { source, launches: [launch("gemv_panel", grid, o.warps * 32, ["a", "x", "y", ...size.args])] };
    return styled(draft, { names: "snake", indent: 2 });
  },
});

const blockOptions = {
  finish: ["row by row", "shared matrix", "warp table"],
  width: [4, 1, 2],
  rows: [4, 2, 8],
  early: [false, true],
  load: ["plain", "__ldg", "__ldcs", "__ldcg"],
  loop: ["for", "while"],
  reduce: laneSums,
  bounds: [true, false],
  persistent: [false, true],
  size: ["constexpr", "args"],
  threads: [256, 128, 512],
} as const;

function blockFinish(o: Chosen<typeof blockOptions>): string {
  if (o.finish === "row by row")
    return `#pragma unroll
for (int r = 0; r < R; ++r) {
const float total = block_sum(sum[r]);
if (threadIdx.x == 0) {
y[row0 + r] = total;
}
}`;
  if (o.finish === "warp table")
    return `__shared__ float table[R][T / 32];
__syncthreads();
#pragma unroll
for (int r = 0; r < R; ++r) {
const float part = lane_sum(sum[r]);
if (threadIdx.x % 32 == 0) {
table[r][threadIdx.x / 32] = part;
}
}
__syncthreads();
if (threadIdx.x < R) {
float total = 0.0f;
for (int w = 0; w < T / 32; ++w) {
total += table[threadIdx.x][w];
}
y[row0 + threadIdx.x] = total;
}`;
  return `__shared__ float cells[R][T + 1];
__syncthreads();
#pragma unroll
for (int r = 0; r < R; ++r) {
cells[r][threadIdx.x] = sum[r];
}
__syncthreads();
for (int r = threadIdx.x / 32; r < R; r += T / 32) {
float v = 0.0f;
for (int i = threadIdx.x % 32; i < T; i += 32) {
v += cells[r][i];
}
v = lane_sum(v);
if (threadIdx.x % 32 == 0) {
y[row0 + r] = v;
}
}`;
}

function blockStep(o: Chosen<typeof blockOptions>, type: string): string {
  const place = "a_view[(size_t)(row0 + r) * stride + j]";
  if (!o.early)
    return `const ${type} q = x_view[j];
#pragma unroll
for (int r = 0; r < R; ++r) {
const ${type} p = ${read(o.load, place)};
sum[r] += ${dot(o.width, "p", "q")};
}`;
  return `${type} p[R];
#pragma unroll
for (int r = 0; r < R; ++r) {
p[r] = ${read(o.load, place)};
}
const ${type} q = __ldg(&x_view[j]);
#pragma unroll
for (int r = 0; r < R; ++r) {
sum[r] += ${dot(o.width, "p[r]", "q")};
}`;
}

function blockLoop(o: Chosen<typeof blockOptions>, type: string): string {
  const step = blockStep(o, type);
  return o.loop === "for"
    ? `for (int j = threadIdx.x; j < stride; j += T) {
${step}
}`
    : `int j = threadIdx.x;
while (j < stride) {
${step}
j += T;
}`;
}

function blockPanelSource(o: Chosen<typeof blockOptions>, size: Sizing): string {
  const type = o.width === 1 ? "float" : `float${o.width}`;
  const work = `float sum[R] = {};
${blockLoop(o, type)}
${blockFinish(o)}`;
  const rows = o.persistent
    ? `for (int row0 = blockIdx.x * R; row0 < ${size.rows}; row0 += gridDim.x * R) {
${work}
}`
    : `const int row0 = blockIdx.x * R;
${work}`;
  const helper = o.finish === "row by row" ? blockSum("each adds", o.threads) : laneSum(o.reduce, "lane_sum");
  return `constexpr int T = ${o.threads};
constexpr int R = ${o.rows};
${size.header}${helper}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(T) ")}rows_by_block(const float* __restrict__ a, const float* __restrict__ x, float* __restrict__ y${size.params}) {
const int stride = ${size.cols} / ${o.width};
const ${type}* a_view = reinterpret_cast<const ${type}*>(a);
const ${type}* x_view = reinterpret_cast<const ${type}*>(x);
${rows}
}
`;
}

/** A block with several rows. */
export const blockRows = template({
  id: "block-rows",
  from: "row-block",
  idea: "Let a block sweep several rows at once, so that each thread reads its part of x once for all of them",
  options: blockOptions,
  valid: (o) => o.finish !== "row by row" || o.reduce === "down",
  count: 14,
  write(o, s) {
    const size = sizing(o.size, s);
    const source = blockPanelSource(o, size);
    const grid = o.persistent ? 132 * (o.threads === 512 ? 2 : 4) : rowsOf(s) / o.rows;
    const draft = { source, launches: [launch("rows_by_block", grid, o.threads, ["a", "x", "y", ...size.args])] };
    return styled(draft, { names: "camel", indent: 2 });
  },
});
