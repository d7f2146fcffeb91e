import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { finishes, handOver, rowsOf, sideKernel, withSide } from "./common.ts";

const warpOptions = {
  finish: finishes,
  spread: ["shuffle", "shared", "global"],
  meet: ["each warp", "block first"],
  columns: ["pair", "halves"],
  ahead: [false, true],
  rows: ["interleaved", "range"],
  bounds: [true, false],
  unroll: [false, true],
  strip: [16, 32, 8],
  grid: [132, 264, 528],
} as const;

type WarpChoice = Chosen<typeof warpOptions>;

/** Statements that multiply the row held as v by its elements of the warp's strip. */
function warpRow(o: WarpChoice): string {
  const pair = o.columns === "pair";
  const add = (k: string, p: string): string => `sums[${k}].x += ${p} * v.x;
sums[${k}].y += ${p} * v.y;`;
  if (o.spread === "shuffle") {
    const source = pair
      ? `const float p = __shfl_sync(0xffffffffu, k % 2 == 0 ? v.x : v.y, (strip0 + k) / 2);`
      : `const float p = __shfl_sync(0xffffffffu, strip0 + k < 32 ? v.x : v.y, (strip0 + k) % 32);`;
    return `#pragma unroll
for (int k = 0; k < STRIP; ++k) {
${source}
${add("k", "p")}
}`;
  }
  const line = o.spread === "shared" ? "line" : "x + (size_t)row * 64";
  const stage = pair ? "reinterpret_cast<float2*>(line)[lane] = v;" : "line[lane] = v.x;\nline[lane + 32] = v.y;";
  return `${on(o.spread === "shared", `__syncwarp();\n${stage}\n__syncwarp();\n`)}#pragma unroll
for (int k = 0; k < STRIP; k += 4) {
const float4 p = *reinterpret_cast<const float4*>(${line} + strip0 + k);
${["x", "y", "z", "w"].map((part, i) => add(`k + ${i}`, `p.${part}`)).join("\n")}
}`;
}

function warpLoop(o: WarpChoice): string {
  const pair = o.columns === "pair";
  const get = (row: string): string =>
    pair
      ? `reinterpret_cast<const float2*>(x + (size_t)(${row}) * 64)[lane]`
      : `make_float2(x[(size_t)(${row}) * 64 + lane], x[(size_t)(${row}) * 64 + 32 + lane])`;
  const range =
    o.rows === "interleaved"
      ? `const int begin = walker, stop = ROWS, step = WALKERS;`
      : `const int begin = walker * (ROWS / WALKERS), stop = walker == WALKERS - 1 ? ROWS : begin + ROWS / WALKERS, step = 1;`;
  const pragma = on(o.unroll, "#pragma unroll 2\n");
  if (o.ahead)
    return `${range}
float2 next = ${get("begin")};
for (int row = begin; row < stop; row += step) {
const float2 v = next;
if (row + step < stop) {
next = ${get("row + step")};
}
${warpRow(o)}
}`;
  return `${range}
${pragma}for (int row = begin; row < stop; row += step) {
const float2 v = ${get("row")};
${warpRow(o)}
}`;
}

/** A warp walks rows with two columns per lane and a strip of G's rows. */
export const warpColumns = template({
  id: "warp-columns",
  from: "element-slices",
  idea: "Give each warp a strip of G's rows with two columns per lane and let it walk down X",
  options: warpOptions,
  valid: (o) => !(o.ahead && o.unroll) && (o.meet === "block first" || o.finish === "atomic"),
  count: 24,
  write(o, s) {
    const strips = 64 / o.strip;
    const warps = 8;
    const perBlock = warps / strips;
    const pair = o.columns === "pair";
    const places = (k: string): [string, string] => {
      const row = `(strip0 + ${k}) * 64`;
      return pair ? [`${row} + 2 * lane`, `${row} + 2 * lane + 1`] : [`${row} + lane`, `${row} + lane + 32`];
    };
    const [left, right] = places("k");
    const direct = `#pragma unroll
for (int k = 0; k < STRIP; ++k) {
${handOver(o.finish, left, "sums[k].x")}
${handOver(o.finish, right, "sums[k].y")}
}`;
    const first = `__shared__ float whole[4096];
for (int e = threadIdx.x; e < 4096; e += 256) {
whole[e] = 0.0f;
}
__syncthreads();
#pragma unroll
for (int k = 0; k < STRIP; ++k) {
atomicAdd(&whole[${left}], sums[k].x);
atomicAdd(&whole[${right}], sums[k].y);
}
__syncthreads();
for (int e = threadIdx.x; e < 4096; e += 256) {
${handOver(o.finish, "e", "whole[e]")}
}`;
    const source = `constexpr int ROWS = ${rowsOf(s)};
constexpr int STRIP = ${o.strip};
// Warps of a block with the same strip walk different rows.
constexpr int WALKERS = ${perBlock * o.grid};

${sideKernel(o.finish, o.grid)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(256) ")}gram_walk(const float* __restrict__ x, float* __restrict__ out) {
const int lane = threadIdx.x % 32;
const int warp = threadIdx.x / 32;
const int strip0 = warp % ${strips} * STRIP;
const int walker = blockIdx.x * ${perBlock} + warp / ${strips};
${on(o.spread === "shared", "__shared__ __align__(16) float lines[8][64];\nfloat* line = lines[warp];")}
float2 sums[STRIP] = {};
${warpLoop(o)}
${o.meet === "each warp" ? direct : first}
}
`;
    const launches = withSide(o.finish, (out) => launch("gram_walk", o.grid, 256, ["x", out]));
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

const pairOptions = {
  finish: finishes,
  fill: ["quads", "scalars"],
  diagonal: ["shared once", "loaded twice"],
  meet: ["atomics", "turns"],
  deal: ["stride", "runs"],
  fragments: ["quads", "scalars"],
  axis: ["y", "x"],
  bounds: [true, false],
  unroll: [true, false],
  edge: [32, 16],
  groups: [4, 8],
  chunk: [32, 64],
  grid: [132, 264, 66],
} as const;

type PairChoice = Chosen<typeof pairOptions>;

function pairFill(o: PairChoice): string {
  const one = (name: string, block: string): string =>
    o.fill === "quads"
      ? `for (int e = threadIdx.x; e < CHUNK * EDGE / 4; e += THREADS) {
reinterpret_cast<float4*>(${name})[e] = *reinterpret_cast<const float4*>(from + e / (EDGE / 4) * 64 + ${block} * EDGE + e % (EDGE / 4) * 4);
}`
      : `for (int e = threadIdx.x; e < CHUNK * EDGE; e += THREADS) {
${name}[e] = from[e / EDGE * 64 + ${block} * EDGE + e % EDGE];
}`;
  const second = one("right_tile", "bj");
  return `${one("left_tile", "bi")}
${o.diagonal === "shared once" ? `if (bi != bj) {\n${second}\n}` : second}`;
}

function pairMeet(o: PairChoice): string {
  const give = `for (int e = threadIdx.x; e < EDGE * EDGE; e += THREADS) {
const int i = bi * EDGE + e / EDGE, j = bj * EDGE + e % EDGE;
${handOver(o.finish, "i * 64 + j", "sums[e]", "slice")}
if (bi != bj) {
${handOver(o.finish, "j * 64 + i", "sums[e]", "slice")}
}
}`;
  const at = "sums[(ti * 4 + i) * EDGE + tj * 4 + j]";
  const loops = (line: string): string => `#pragma unroll
for (int i = 0; i < 4; ++i) {
#pragma unroll
for (int j = 0; j < 4; ++j) {
${line}
}
}`;
  if (o.meet === "atomics")
    return `for (int e = threadIdx.x; e < EDGE * EDGE; e += THREADS) {
sums[e] = 0.0f;
}
__syncthreads();
${loops(`atomicAdd(&${at}, acc[i][j]);`)}
__syncthreads();
${give}`;
  return `for (int turn = 0; turn < GROUPS; ++turn) {
if (group == turn) {
${loops(`${at} = turn == 0 ? acc[i][j] : ${at} + acc[i][j];`)}
}
__syncthreads();
}
${give}`;
}

/** Blocks take pairs of column ranges, on and below the diagonal. */
export const tilePairs = template({
  id: "tile-pairs",
  from: "row-tiles",
  idea: "Give each block one pair of column ranges on or below the diagonal and a slice of the rows",
  options: pairOptions,
  count: 25,
  write(o, s) {
    const per = 64 / o.edge;
    const pairs = (per * (per + 1)) / 2;
    const holders = (o.edge / 4) ** 2;
    const groups = o.edge === 32 ? o.groups / 2 : o.groups * 2;
    const y = o.axis === "y";
    const loadFrom = (name: string, at: string): string =>
      o.fragments === "quads"
        ? `const float4 ${name} = *reinterpret_cast<const float4*>(&${at});`
        : `const float4 ${name} = make_float4((&${at})[0], (&${at})[1], (&${at})[2], (&${at})[3]);`;
    const parts = ["x", "y", "z", "w"];
    const source = `#define ROWS ${rowsOf(s)}
#define CHUNK ${o.chunk}
#define CHUNKS (ROWS / CHUNK)
#define EDGE ${o.edge}
#define GROUPS ${groups}
#define THREADS ${holders * groups}
#define SLICES ${o.grid}

${sideKernel(o.finish, o.grid)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}gram_pairs(const float* __restrict__ x, float* __restrict__ out) {
__shared__ __align__(16) float left_tile[CHUNK * EDGE];
__shared__ __align__(16) float right_tile[CHUNK * EDGE];
__shared__ float sums[EDGE * EDGE];
const int pair = ${y ? "blockIdx.y" : `blockIdx.x % ${pairs}`};
const int slice = ${y ? "blockIdx.x" : `blockIdx.x / ${pairs}`};
int bi = 0;
while ((bi + 1) * (bi + 2) / 2 <= pair) {
++bi;
}
const int bj = pair - bi * (bi + 1) / 2;
const float* right = ${o.diagonal === "shared once" ? "bi == bj ? left_tile : right_tile" : "right_tile"};
const int group = threadIdx.x / (EDGE * EDGE / 16);
const int me = threadIdx.x % (EDGE * EDGE / 16);
const int ti = me / (EDGE / 4), tj = me % (EDGE / 4);
${
  o.deal === "stride"
    ? "const int first = slice, end = CHUNKS, step = SLICES;"
    : "const int each = (CHUNKS + SLICES - 1) / SLICES;\nconst int first = slice * each, end = min(first + each, CHUNKS), step = 1;"
}
float acc[4][4] = {};
for (int chunk = first; chunk < end; chunk += step) {
const float* from = x + (size_t)chunk * CHUNK * 64;
__syncthreads();
${pairFill(o)}
__syncthreads();
${on(o.unroll, "#pragma unroll 4\n")}for (int r = group; r < CHUNK; r += GROUPS) {
${loadFrom("p", "left_tile[r * EDGE + ti * 4]")}
${loadFrom("q", "right[r * EDGE + tj * 4]")}
${parts.map((p, i) => parts.map((q, j) => `acc[${i}][${j}] += p.${p} * q.${q};`).join("\n")).join("\n")}
}
}
__syncthreads();
${pairMeet(o)}
}
`;
    const grid: [number, number] = y ? [o.grid, pairs] : [o.grid * pairs, 1];
    const launches = withSide(o.finish, (out) => launch("gram_pairs", grid, holders * groups, ["x", out]));
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
