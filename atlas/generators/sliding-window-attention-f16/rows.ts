import { launch, on, styled, template } from "../kit/code.ts";
import {
  dotRow,
  exponentials,
  include,
  lanesTo,
  restrict,
  scaleOf,
  shapeOf,
  shifts,
  sizesText,
  softmaxStep,
  spreadEight,
} from "./common.ts";

const pointers = (o: { restrict: boolean }): string =>
  `const half*${restrict(o.restrict)} q, const half*${restrict(o.restrict)} k, const half*${restrict(o.restrict)} v, half*${restrict(o.restrict)} out`;

/** A thread per query and head with the query and the sums in registers. */
export const queryThread = template({
  id: "query-thread",
  from: null,
  idea: "keep a query and its running sums in the registers of one thread",
  count: 24,
  options: {
    order: ["heads first", "queries first"],
    keys: ["own", "union"],
    shift: shifts,
    exponential: exponentials,
    wide: [false, true],
    restrict: [true, false],
    store: ["pairs", "eights"],
    bounded: [false, true],
    macros: [true, false],
    block: [128, 64, 256],
  },
  valid: (o) => o.keys === "own" || o.order === "queries first",
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const union = o.keys === "union";
    const step = softmaxStep(
      o.shift,
      o.exponential,
      "score",
      (factor) => `#pragma unroll
for (int d = 0; d < DIM; ++d) acc[d] *= ${factor};`,
      (weight) =>
        o.wide
          ? `#pragma unroll
for (int d = 0; d < DIM; d += 8) {
float b[8];
spread_eight(value + d, b);
#pragma unroll
for (int u = 0; u < 8; ++u) acc[d + u] += ${weight} * b[u];
}`
          : `#pragma unroll
for (int d = 0; d < DIM; d += 2) {
const float2 b = __half22float2(*reinterpret_cast<const half2*>(value + d));
acc[d] += ${weight} * b.x;
acc[d + 1] += ${weight} * b.y;
}`,
    );
    const head =
      o.order === "heads first"
        ? "const int h = index % HEADS, i = index / HEADS;"
        : "const int i = index % SEQ, h = index / SEQ;";
    const loop = union
      ? `const int front = i & ~31;
for (int j = max(0, front - WINDOW + 1); j < front + 32; ++j) {
if (j > i || j <= i - WINDOW) continue;`
      : "for (int j = max(0, i - WINDOW + 1); j <= i; ++j) {";
    const put =
      o.store === "pairs"
        ? `#pragma unroll
for (int d = 0; d < DIM; d += 2) *reinterpret_cast<half2*>(to + d) = __floats2half2_rn(acc[d] / total, acc[d + 1] / total);`
        : `const float inverse = 1.0f / total;
#pragma unroll
for (int d = 0; d < DIM; d += 8) {
__align__(16) half2 four[4];
#pragma unroll
for (int u = 0; u < 4; ++u) four[u] = __floats2half2_rn(acc[d + 2 * u] * inverse, acc[d + 2 * u + 1] * inverse);
*reinterpret_cast<uint4*>(to + d) = *reinterpret_cast<uint4*>(four);
}`;
    const source = `${include}
${sizesText(shape, o.macros)}

${on(o.wide, spreadEight)}
extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${o.block}) `)}attend(${pointers(o)}) {
const int index = blockIdx.x * blockDim.x + threadIdx.x;
${head}
const int kv = h / SHARE;
float own[DIM], acc[DIM];
#pragma unroll
for (int d = 0; d < DIM; ++d) {
own[d] = ${scaleOf(o.exponential)} * __half2float(q[((size_t)i * HEADS + h) * DIM + d]);
acc[d] = 0.0f;
}
${on(o.shift !== "none", "float top = -1e30f;")}
float total = 0.0f;
${loop}
const half* key = k + ((size_t)j * KV_HEADS + kv) * DIM;
const half* value = v + ((size_t)j * KV_HEADS + kv) * DIM;
${dotRow(o.wide, "own", "key")}
const float score = sum;
${step}
}
half* to = out + ((size_t)i * HEADS + h) * DIM;
${put}
}
`;
    const main = launch("attend", (shape.seq * shape.heads) / o.block, o.block, ["q", "k", "v", "out"]);
    return styled({ source, launches: [main] }, { names: "snake", indent: 2 });
  },
});

/** A warp per query: its lanes are dimensions. */
export const dimensionLanes = template({
  id: "dimension-lanes",
  from: "query-thread",
  idea: "spread the dimensions of a query over a warp",
  count: 23,
  options: {
    ahead: [1, 4, 8],
    shift: ["always", "branch", "none"],
    exponential: exponentials,
    heads_in_turn: [false, true],
    neighbours: ["queries", "heads"],
    restrict: [true, false],
    up: [false, true],
    bounded: [false, true],
    warps: [4, 8, 2],
  },
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const rows = (shape.seq * shape.heads) / (o.heads_in_turn ? shape.share : 1);
    const step = softmaxStep(
      o.shift,
      o.exponential,
      "score",
      (factor) => `ax *= ${factor}, ay *= ${factor};`,
      (weight) => `const float2 b = __half22float2(vs[u]);
ax += ${weight} * b.x, ay += ${weight} * b.y;`,
    );
    const units = o.heads_in_turn ? "KV_HEADS" : "HEADS";
    const place =
      o.neighbours === "queries"
        ? `const int i = row % SEQ, unit = row / SEQ;`
        : `const int unit = row % ${units}, i = row / ${units};`;
    const body = `const float2 own = __half22float2(reinterpret_cast<const half2*>(q + ((size_t)i * HEADS + h) * DIM)[lane]);
float ax = 0.0f, ay = 0.0f, total = 0.0f;
${on(o.shift !== "none", "float top = -1e30f;")}
for (int j0 = max(0, i - WINDOW + 1); j0 <= i; j0 += ${o.ahead}) {
half2 ks[${o.ahead}], vs[${o.ahead}];
#pragma unroll
for (int u = 0; u < ${o.ahead}; ++u) {
const int j = min(j0 + u, i);
ks[u] = keys[(size_t)j * KV_HEADS * 32];
vs[u] = values[(size_t)j * KV_HEADS * 32];
}
#pragma unroll
for (int u = 0; u < ${o.ahead}; ++u) {
if (j0 + u > i) break;
const float2 a = __half22float2(ks[u]);
float sum = own.x * a.x + own.y * a.y;
${lanesTo("sum", "sum", 32, o.up)}
const float score = sum * ${scaleOf(o.exponential)};
${step}
}
}
reinterpret_cast<half2*>(out + ((size_t)i * HEADS + h) * DIM)[lane] = __floats2half2_rn(ax / total, ay / total);`;
    const source = `${include}
${sizesText(shape, true)}

extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${32 * o.warps}) `)}attend_by_warp(${pointers(o)}) {
const int lane = threadIdx.x & 31;
const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
${place}
const int kv = ${o.heads_in_turn ? "unit" : "unit / SHARE"};
const half2* keys = reinterpret_cast<const half2*>(k + kv * DIM) + lane;
const half2* values = reinterpret_cast<const half2*>(v + kv * DIM) + lane;
${
  o.heads_in_turn
    ? `for (int h = kv * SHARE; h < kv * SHARE + SHARE; ++h) {
${body}
}`
    : `const int h = unit;
${body}`
}
}
`;
    const main = launch("attend_by_warp", rows / o.warps, 32 * o.warps, ["q", "k", "v", "out"]);
    return styled({ source, launches: [main] }, { names: "camel", indent: 4 });
  },
});

/** A warp per query: its lanes are keys first and dimensions afterwards. */
export const keyLanes = template({
  id: "key-lanes",
  from: "dimension-lanes",
  idea: "give every lane whole keys for the scores and two dimensions for the values",
  count: 24,
  options: {
    query: ["shared", "shuffled"],
    weights: ["shuffled", "shared"],
    shift: [true, false],
    exponential: exponentials,
    wide: [true, false],
    order: ["heads", "queries"],
    guard: ["select", "range"],
    unroll: [false, true],
    restrict: [true, false],
    warps: [4, 8, 2],
  },
  valid: (o) => o.query === "shared" || !o.wide,
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const chunks = shape.window / 32;
    const ownShared = o.query === "shared";
    const dot = ownShared
      ? dotRow(o.wide, "own", "key")
      : `float sum = 0.0f;
#pragma unroll
for (int d = 0; d < 32; ++d) {
const float2 b = __half22float2(reinterpret_cast<const half2*>(key)[d]);
sum += __shfl_sync(0xffffffffu, mine.x, d) * b.x + __shfl_sync(0xffffffffu, mine.y, d) * b.y;
}`;
    const weightOf = o.weights === "shuffled" ? "__shfl_sync(0xffffffffu, score[c], l)" : "board[warp][c * 32 + l]";
    const accumulate = `const float weight = ${weightOf};
const float2 b = __half22float2(reinterpret_cast<const half2*>(v + ((size_t)${o.guard === "select" ? "max(first + c * 32 + l, 0)" : "(first + c * 32 + l)"} * KV_HEADS + kv) * DIM)[lane]);
ax += weight * b.x;
ay += weight * b.y;`;
    const values =
      o.guard === "select"
        ? `for (int l = 0; l < 32; ++l) {
${accumulate}
}`
        : `for (int l = max(0, -first - c * 32); l < 32; ++l) {
${accumulate}
}`;
    const source = `${include}
${sizesText(shape, false)}

${on(o.wide, spreadEight)}
extern "C" __global__ void attend_by_keys(${pointers(o)}) {
${on(ownShared, `__shared__ float queries[${o.warps}][DIM];`)}
${on(o.weights === "shared", `__shared__ float board[${o.warps}][WINDOW];`)}
const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
const int row = blockIdx.x * ${o.warps} + warp;
${o.order === "heads" ? "const int h = row % HEADS, i = row / HEADS;" : "const int i = row % SEQ, h = row / SEQ;"}
const int kv = h / SHARE;
const float2 mine = __half22float2(reinterpret_cast<const half2*>(q + ((size_t)i * HEADS + h) * DIM)[lane]);
${on(
  ownShared,
  `queries[warp][2 * lane] = mine.x;
queries[warp][2 * lane + 1] = mine.y;
__syncwarp();
const float* own = queries[warp];`,
)}
const int first = i - WINDOW + 1;
float score[${chunks}];
float top = -1e30f;
#pragma unroll
for (int c = 0; c < ${chunks}; ++c) {
const int j = first + c * 32 + lane;
const half* key = k + ((size_t)max(j, 0) * KV_HEADS + kv) * DIM;
${dot}
score[c] = j >= 0 ? sum * ${scaleOf(o.exponential)} : -1e30f;
top = fmaxf(top, score[c]);
}
${o.shift ? lanesTo("top", "max") : "top = 0.0f;"}
float total = 0.0f;
#pragma unroll
for (int c = 0; c < ${chunks}; ++c) {
score[c] = ${o.exponential}(score[c] - top);
total += score[c];
${on(o.weights === "shared", "board[warp][c * 32 + lane] = score[c];")}
}
${lanesTo("total", "sum")}
${on(o.weights === "shared", "__syncwarp();")}
float ax = 0.0f, ay = 0.0f;
#pragma unroll
for (int c = 0; c < ${chunks}; ++c) {
${on(o.unroll, "#pragma unroll 8\n")}${values}
}
reinterpret_cast<half2*>(out + ((size_t)i * HEADS + h) * DIM)[lane] = __floats2half2_rn(ax / total, ay / total);
}
`;
    const main = launch("attend_by_keys", (shape.seq * shape.heads) / o.warps, 32 * o.warps, ["q", "k", "v", "out"]);
    return styled({ source, launches: [main] }, { names: "snake", indent: 4 });
  },
});

/** A block per query: one thread per key of the window. */
export const queryBlock = template({
  id: "query-block",
  from: null,
  idea: "one thread per key of the window, then groups of threads over the values",
  count: 23,
  options: {
    together: [false, true],
    wide: [false, true],
    reduce: ["lanes", "tree"],
    exponential: exponentials,
    shift: [true, false],
    order: ["queries", "heads"],
    restrict: [false, true],
    half_weights: [false, true],
    unroll: [false, true],
    macros: [false, true],
  },
  valid: (o) => !(o.half_weights && !o.shift),
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const reduce = (name: string, operation: "sum" | "max"): string =>
      o.reduce === "lanes"
        ? `${lanesTo(name, operation)}
if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = ${name};
__syncthreads();
${name} = partial[0];
for (int w = 1; w < 8; ++w) ${name} = ${operation === "sum" ? `${name} + partial[w]` : `fmaxf(${name}, partial[w])`};
__syncthreads();`
        : `partial[threadIdx.x] = ${name};
__syncthreads();
for (int step = WINDOW / 2; step > 0; step /= 2) {
if (threadIdx.x < step) partial[threadIdx.x] = ${operation === "sum" ? "partial[threadIdx.x] + partial[threadIdx.x + step]" : "fmaxf(partial[threadIdx.x], partial[threadIdx.x + step])"};
__syncthreads();
}
${name} = partial[0];
__syncthreads();`;
    const body = `if (threadIdx.x < DIM) own[threadIdx.x] = __half2float(q[((size_t)i * HEADS + h) * DIM + threadIdx.x]) * ${scaleOf(o.exponential)};
__syncthreads();
const half* key = k + ((size_t)max(j, 0) * KV_HEADS + kv) * DIM;
${dotRow(o.wide, "own", "key")}
const float score = j >= 0 ? sum : -1e30f;
${o.shift ? `float top = score;\n${reduce("top", "max")}` : "const float top = 0.0f;"}
float total = ${o.exponential}(score - top);
weight[threadIdx.x] = ${o.half_weights ? "__float2half(total)" : "total"};
${reduce("total", "sum")}
const int group = threadIdx.x / 32, lane = threadIdx.x % 32;
float ax = 0.0f, ay = 0.0f;
${on(o.unroll, "#pragma unroll 8\n")}for (int t = group * (WINDOW / 8); t < (group + 1) * (WINDOW / 8); ++t) {
const float2 b = __half22float2(reinterpret_cast<const half2*>(v + ((size_t)max(first + t, 0) * KV_HEADS + kv) * DIM)[lane]);
const float w = ${o.half_weights ? "__half2float(weight[t])" : "weight[t]"};
ax += w * b.x;
ay += w * b.y;
}
sums[group][lane] = make_float2(ax, ay);
__syncthreads();
if (group == 0) {
for (int g = 1; g < 8; ++g) ax += sums[g][lane].x, ay += sums[g][lane].y;
reinterpret_cast<half2*>(out + ((size_t)i * HEADS + h) * DIM)[lane] = __floats2half2_rn(ax / total, ay / total);
}`;
    const units = o.together ? "KV_HEADS" : "HEADS";
    const place =
      o.order === "queries"
        ? "const int i = blockIdx.x, unit = blockIdx.y;"
        : `const int i = blockIdx.x / ${units}, unit = blockIdx.x % ${units};`;
    const source = `${include}
${sizesText(shape, o.macros)}

${on(o.wide, spreadEight)}
extern "C" __global__ void attend_by_block(${pointers(o)}) {
__shared__ float own[DIM];
__shared__ float partial[WINDOW];
__shared__ ${o.half_weights ? "half" : "float"} weight[WINDOW];
__shared__ float2 sums[8][32];
${place}
const int kv = ${o.together ? "unit" : "unit / SHARE"};
const int first = i - WINDOW + 1;
const int j = first + threadIdx.x;
${
  o.together
    ? `for (int h = kv * SHARE; h < (kv + 1) * SHARE; ++h) {
${body}
__syncthreads();
}`
    : `const int h = unit;
${body}`
}
}
`;
    const unitCount = o.together ? shape.kvHeads : shape.heads;
    const grid = o.order === "queries" ? ([shape.seq, unitCount] as const) : shape.seq * unitCount;
    const main = launch("attend_by_block", grid, shape.window, ["q", "k", "v", "out"]);
    return styled({ source, launches: [main] }, { names: "snake", indent: 2 });
  },
});
