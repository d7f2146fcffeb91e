import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { batchOf, inverseOf, quotients, refinement } from "./shared.ts";

const everyLane = "0xffffffffu";

const columnOptions = {
  spread: ["shuffle", "shared"],
  choose: ["select", "branch"],
  quotient: quotients,
  read: ["plain", "__ldg", "__ldcs"],
  write: ["plain", "__stcs"],
  early: [false, true],
  persistent: [false, true],
  bounds: [true, false],
  walk: ["index", "pointer"],
  block: [128, 256, 64, 512],
} as const;

type ColumnChoice = Chosen<typeof columnOptions>;

function columnStep(o: ColumnChoice): string {
  const spread =
    o.spread === "shuffle"
      ? `#pragma unroll
for (int i = 0; i < 8; ++i) {
factor[i] = __shfl_sync(${everyLane}, col[i], k, 8);
}`
      : `__syncwarp();
if (lane == k) {
#pragma unroll
for (int i = 0; i < 8; ++i) {
line[i] = col[i];
}
}
__syncwarp();
#pragma unroll
for (int i = 0; i < 8; ++i) {
factor[i] = line[i];
}`;
  const update =
    o.choose === "select"
      ? `const float top = (lane == k ? 1.0f : col[k]) * scale;
#pragma unroll
for (int i = 0; i < 8; ++i) {
col[i] = (lane == k ? 0.0f : col[i]) - factor[i] * top;
}
col[k] = top;`
      : `if (lane == k) {
#pragma unroll
for (int i = 0; i < 8; ++i) {
col[i] = -factor[i] * scale;
}
col[k] = scale;
} else {
const float top = col[k] * scale;
#pragma unroll
for (int i = 0; i < 8; ++i) {
if (i != k) {
col[i] -= factor[i] * top;
}
}
col[k] = top;
}`;
  return o.early
    ? `const float scale = ${inverseOf(o.quotient, `__shfl_sync(${everyLane}, col[k], k, 8)`).replace("1.0f / __shfl_sync", "1.0f / __shfl_sync")};
${spread}
${update}`
    : `${spread}
const float scale = ${inverseOf(o.quotient, "factor[k]")};
${update}`;
}

/** Eight lanes hold a column each. */
export const columnLanes = template({
  id: "column-lanes",
  from: "row-lanes",
  idea: "Share a matrix out by columns, so that eight lanes read and write neighbouring numbers",
  options: columnOptions,
  count: 8,
  write(o, s) {
    const per = o.block / 8;
    const get = (place: string): string => (o.read === "plain" ? place : `${o.read}(&${place})`);
    const put = (place: string, value: string): string =>
      o.write === "plain" ? `${place} = ${value};` : `__stcs(&${place}, ${value});`;
    const pointer = o.walk === "pointer";
    const work = `const float* from = a + (size_t)matrix * 64 + lane;
float* to = inverse + (size_t)matrix * 64 + lane;
float col[8];
#pragma unroll
for (int i = 0; i < 8; ++i) {
${pointer ? `col[i] = ${get("*from").replace("&*", "")};\nfrom += 8;` : `col[i] = ${get("from[i * 8]")};`}
}
#pragma unroll
for (int k = 0; k < 8; ++k) {
float factor[8];
${columnStep(o)}
}
#pragma unroll
for (int i = 0; i < 8; ++i) {
${pointer ? `${put("*to", "col[i]").replace("&*", "")}\nto += 8;` : put("to[i * 8]", "col[i]")}
}`;
    const first = `blockIdx.x * ${per} + threadIdx.x / 8`;
    const body = o.persistent
      ? `for (int matrix = ${first}; matrix < BATCH; matrix += gridDim.x * ${per}) {
${work}
}`
      : `const int matrix = ${first};
${work}`;
    const source = `${on(o.persistent, `constexpr int BATCH = ${batchOf(s)};\n\n`)}${refinement(o.quotient)}extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.block}) `)}invert_by_columns(const float* __restrict__ a, float* __restrict__ inverse) {
const int lane = threadIdx.x % 8;
${on(o.spread === "shared", `__shared__ float lines[${per}][8];\nfloat* line = lines[threadIdx.x / 8];`)}
${body}
}
`;
    const grid = o.persistent ? Math.min(1024, batchOf(s) / per) : batchOf(s) / per;
    return styled(
      { source, launches: [launch("invert_by_columns", grid, o.block, ["a", "inverse"])] },
      { names: "camel", indent: 2 },
    );
  },
});

const elementOptions = {
  pair: ["halves", "columns"],
  quotient: quotients,
  scale: ["row", "factor"],
  read: ["plain", "__ldg"],
  loop: ["unrolled", "rolled"],
  together: [1, 2, 4],
  persistent: [false, true],
  bounds: [false, true],
  block: [128, 256, 64],
} as const;

type ElementChoice = Chosen<typeof elementOptions>;

/** The update of one held element, at row `row`, whose column is `col`. */
function elementUpdate(o: ElementChoice, e: string, row: string, col: string, top: string, left: string): string {
  if (o.scale === "row")
    return `{
const float scaled = ${col} == k ? scale : ${top} * scale;
${e} = ${row} == k ? scaled : (${col} == k ? 0.0f : ${e}) - ${left} * scaled;
}`;
  return `{
const float factor = ${left} * scale;
if (${row} == k) {
${e} = ${col} == k ? scale : ${e} * scale;
} else {
${e} = ${col} == k ? -factor : ${e} - factor * ${top};
}
}`;
}

function elementStep(o: ElementChoice): string {
  const shuffle = (value: string, lane: string): string => `__shfl_sync(${everyLane}, ${value}, ${lane})`;
  if (o.pair === "halves")
    return `const float held = k < 4 ? e0[t] : e1[t];
const float pivot = ${shuffle("held", "k % 4 * 8 + k")};
const float top = ${shuffle("held", "k % 4 * 8 + lane % 8")};
const float left0 = ${shuffle("e0[t]", "lane / 8 * 8 + k")};
const float left1 = ${shuffle("e1[t]", "lane / 8 * 8 + k")};
const float scale = ${inverseOf(o.quotient, "pivot")};
${elementUpdate(o, "e0[t]", "lane / 8", "lane % 8", "top", "left0")}
${elementUpdate(o, "e1[t]", "lane / 8 + 4", "lane % 8", "top", "left1")}`;
  return `const float pivot = ${shuffle("k % 2 == 0 ? e0[t] : e1[t]", "k * 4 + k / 2")};
const float top0 = ${shuffle("e0[t]", "k * 4 + lane % 4")};
const float top1 = ${shuffle("e1[t]", "k * 4 + lane % 4")};
const float left = ${shuffle("k % 2 == 0 ? e0[t] : e1[t]", "lane / 4 * 4 + k / 2")};
const float scale = ${inverseOf(o.quotient, "pivot")};
${elementUpdate(o, "e0[t]", "lane / 4", "lane % 4 * 2", "top0", "left")}
${elementUpdate(o, "e1[t]", "lane / 4", "(lane % 4 * 2 + 1)", "top1", "left")}`;
}

/** A warp holds a matrix, two numbers per lane. */
export const elementLanes = template({
  id: "element-lanes",
  from: "column-lanes",
  idea: "Give a whole warp to a matrix with two numbers per lane",
  options: elementOptions,
  count: 28,
  write(o, s) {
    const per = o.block / 32;
    const halves = o.pair === "halves";
    const get = (place: string): string => (o.read === "plain" ? place : `__ldg(&${place})`);
    const load = halves
      ? `e0[t] = ${get("a[base + t * 64]")};\ne1[t] = ${get("a[base + t * 64 + 32]")};`
      : `const float2 v = ${get("reinterpret_cast<const float2*>(a)[base + t * 32]")};\ne0[t] = v.x;\ne1[t] = v.y;`;
    const store = halves
      ? "inverse[base + t * 64] = e0[t];\ninverse[base + t * 64 + 32] = e1[t];"
      : "reinterpret_cast<float2*>(inverse)[base + t * 32] = make_float2(e0[t], e1[t]);";
    const each = (body: string): string => `#pragma unroll
for (int t = 0; t < TOGETHER; ++t) {
${body}
}`;
    const work = `const size_t base = (size_t)unit * TOGETHER * ${halves ? 64 : 32} + lane;
float e0[TOGETHER], e1[TOGETHER];
${each(load)}
#pragma unroll${on(o.loop === "rolled", " 1")}
for (int k = 0; k < 8; ++k) {
${each(elementStep(o))}
}
${each(store)}`;
    const units = batchOf(s) / o.together;
    const first = `blockIdx.x * ${per} + threadIdx.x / 32`;
    const body = o.persistent
      ? `for (int unit = ${first}; unit < ${units}; unit += gridDim.x * ${per}) {
${work}
}`
      : `const int unit = ${first};
${work}`;
    const source = `#define TOGETHER ${o.together}

${refinement(o.quotient)}extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.block}) `)}invert_in_warp(const float* __restrict__ a, float* __restrict__ inverse) {
const int lane = threadIdx.x % 32;
${body}
}
`;
    const grid = o.persistent ? Math.min(132 * (1024 / o.block), units / per) : units / per;
    return styled(
      { source, launches: [launch("invert_in_warp", grid, o.block, ["a", "inverse"])] },
      { names: "snake", indent: 2 },
    );
  },
});
