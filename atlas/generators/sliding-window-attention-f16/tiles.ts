import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { exponentials, include, scaleOf, shapeOf, shifts, sizesText, softmaxStep, spreadEight } from "./common.ts";

const tileOptions = {
  keep: ["halves", "floats"],
  rows: ["queries", "heads"],
  shift: shifts,
  exponential: exponentials,
  values: ["staged", "global"],
  copy: ["eights", "pairs"],
  wide: [false, true],
  unroll: [false, true],
  tile: [32, 64],
  block: [64, 128],
} as const;
type Tile = Chosen<typeof tileOptions>;

function fillText(o: Tile, name: string, from: string): string {
  return o.keep === "floats"
    ? o.copy === "eights"
      ? `spread_eight(${from}, &${name}[r][c]);`
      : `const float2 pair_${name} = __half22float2(*reinterpret_cast<const half2*>(${from}));
${name}[r][c] = pair_${name}.x;
${name}[r][c + 1] = pair_${name}.y;`
    : `*reinterpret_cast<${o.copy === "eights" ? "uint4" : "half2"}*>(&${name}[r][c]) = *reinterpret_cast<const ${o.copy === "eights" ? "uint4" : "half2"}*>(${from});`;
}

function readRow(o: Tile, row: string, use: (index: string, value: string) => string, isHalf: boolean): string {
  return !isHalf
    ? `#pragma unroll
for (int d = 0; d < DIM; ++d) {
${use("d", `${row}[d]`)}
}`
    : o.wide
      ? `#pragma unroll
for (int d = 0; d < DIM; d += 8) {
float b[8];
spread_eight(${row} + d, b);
#pragma unroll
for (int u = 0; u < 8; ++u) {
${use("d + u", "b[u]")}
}
}`
      : `#pragma unroll
for (int d = 0; d < DIM; d += 2) {
const float2 b = __half22float2(*reinterpret_cast<const half2*>(${row} + d));
${use("d", "b.x")}
${use("d + 1", "b.y")}
}`;
}

/** A thread per query; tiles of keys and values pass through shared memory. */
export const keyTile = template({
  id: "key-tile",
  from: "query-thread",
  idea: "stage tiles of keys and values in shared memory for the queries of a block",
  count: 24,
  options: tileOptions,
  valid: (o) => o.keep === "halves" || (!o.wide && o.tile === 32),
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const packed = o.rows === "heads";
    const queries = packed ? o.block / shape.share : o.block;
    const floats = o.keep === "floats";
    const staged = o.values === "staged";
    const type = floats ? "float" : "half";
    const each = o.copy === "eights" ? 8 : 2;
    const valueRow = staged ? "values[t]" : "(v + ((size_t)j * KV_HEADS + kv) * DIM)";
    const step = softmaxStep(
      o.shift,
      o.exponential,
      "score",
      (factor) => `#pragma unroll
for (int d = 0; d < DIM; ++d) acc[d] *= ${factor};`,
      (weight) => readRow(o, valueRow, (d, value) => `acc[${d}] += ${weight} * ${value};`, !floats || !staged),
    );
    const helper = o.wide || (floats && o.copy === "eights");
    const source = `${include}
${sizesText(shape, true)}
#define TILE ${o.tile}
#define THREADS ${o.block}
#define QUERIES ${queries}

${on(helper, spreadEight)}
extern "C" __global__ void attend_tiles(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ out) {
__shared__ __align__(16) ${type} keys[TILE][DIM];
${on(staged, `__shared__ __align__(16) ${type} values[TILE][DIM];`)}
const int i0 = blockIdx.x * QUERIES;
${
  packed
    ? `const int kv = blockIdx.y;
const int i = i0 + threadIdx.x / SHARE, h = kv * SHARE + threadIdx.x % SHARE;`
    : `const int h = blockIdx.y, kv = h / SHARE;
const int i = i0 + threadIdx.x;`
}
float own[DIM], acc[DIM] = {};
#pragma unroll
for (int d = 0; d < DIM; ++d) own[d] = ${scaleOf(o.exponential)} * __half2float(q[((size_t)i * HEADS + h) * DIM + d]);
${on(o.shift !== "none", "float top = -1e30f;")}
float total = 0.0f;
for (int j0 = max(0, i0 - WINDOW + 1) / TILE * TILE; j0 < i0 + QUERIES; j0 += TILE) {
__syncthreads();
for (int e = threadIdx.x; e < TILE * DIM / ${each}; e += THREADS) {
const int r = e / (DIM / ${each}), c = e % (DIM / ${each}) * ${each};
const size_t from = ((size_t)(j0 + r) * KV_HEADS + kv) * DIM + c;
${fillText(o, "keys", "k + from")}
${on(staged, fillText(o, "values", "v + from"))}
}
__syncthreads();
${on(o.unroll, "#pragma unroll 2\n")}for (int t = 0; t < TILE; ++t) {
const int j = j0 + t;
if (j > i || j <= i - WINDOW) continue;
float score = 0.0f;
${readRow(o, "keys[t]", (d, value) => `score += own[${d}] * ${value};`, !floats)}
${step}
}
}
half* to = out + ((size_t)i * HEADS + h) * DIM;
#pragma unroll
for (int d = 0; d < DIM; d += 2) *reinterpret_cast<half2*>(to + d) = __floats2half2_rn(acc[d] / total, acc[d + 1] / total);
}
`;
    const grid = [shape.seq / queries, packed ? shape.kvHeads : shape.heads] as const;
    const main = launch("attend_tiles", grid, o.block, ["q", "k", "v", "out"]);
    return styled({ source, launches: [main] }, { names: "camel", indent: 2 });
  },
});
