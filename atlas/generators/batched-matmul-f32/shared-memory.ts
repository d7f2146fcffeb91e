import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { addScaled, batchOf, parts, pointers } from "./common.ts";

const tileOptions = {
  fill: ["scalars", "quads"],
  pad: [false, true],
  turned: ["none", "a"],
  rows: [1, 2, 4],
  style: ["plus", "fmaf"],
  unroll: [true, false],
  buffers: ["one", "two"],
  place: ["z", "y"],
  size: ["constexpr", "define"],
  edge: [16, 32],
} as const;

type TileChoice = Chosen<typeof tileOptions>;

function tileFill(o: TileChoice, slot: string): string {
  const put = (row: string, col: string): string =>
    o.turned === "a" ? `as${slot}[${col}][${row}]` : `as${slot}[${row}][${col}]`;
  if (o.fill === "quads")
    return `for (int e = tid; e < EDGE * EDGE / 4; e += THREADS) {
const int r = e / (EDGE / 4), q = e % (EDGE / 4) * 4;
const float4 va = *reinterpret_cast<const float4*>(a + base + (row0 + r) * SIZE + k0 + q);
const float4 vb = *reinterpret_cast<const float4*>(b + base + (k0 + r) * SIZE + col0 + q);
${parts.map((part, i) => `${put("r", `q + ${i}`)} = va.${part};\nbs${slot}[r][q + ${i}] = vb.${part};`).join("\n")}
}`;
  return `for (int e = tid; e < EDGE * EDGE; e += THREADS) {
const int r = e / EDGE, q = e % EDGE;
${put("r", "q")} = a[base + (row0 + r) * SIZE + k0 + q];
bs${slot}[r][q] = b[base + (k0 + r) * SIZE + col0 + q];
}`;
}

function tileUse(o: TileChoice, slot: string): string {
  const at = (r: number): string => {
    const row = r === 0 ? "ty" : `ty + ${r} * (EDGE / ROWS)`;
    return o.turned === "a" ? `as${slot}[k][${row}]` : `as${slot}[${row}][k]`;
  };
  return `${on(o.unroll, "#pragma unroll\n")}for (int k = 0; k < EDGE; ++k) {
const float q = bs${slot}[k][tx];
${repeat(o.rows, (r) => addScaled(o.style, [`sum${r}`], at(r), ["q"]))}
}`;
}

/** Tiles of C, with tiles of the operands along k in shared memory. */
export const tileBlocks = template({
  id: "tile-blocks",
  from: "element-threads",
  idea: "Cut each matrix into tiles, a block each, and stage tiles of the operands in shared memory",
  options: tileOptions,
  count: 25,
  write(o, s) {
    const batch = batchOf(s);
    const per = 64 / o.edge;
    const double = o.buffers === "two";
    const loop = double
      ? `int now = 0;
{
const int k0 = 0;
${tileFill(o, "[0]")}
}
for (int k0 = EDGE; k0 <= SIZE; k0 += EDGE) {
__syncthreads();
if (k0 < SIZE) {
${tileFill(o, "[now ^ 1]")}
}
${tileUse(o, "[now]")}
now ^= 1;
}`
      : `for (int k0 = 0; k0 < SIZE; k0 += EDGE) {
${tileFill(o, "")}
__syncthreads();
${tileUse(o, "")}
__syncthreads();
}`;
    const place =
      o.place === "z"
        ? "const int row0 = blockIdx.y * EDGE, col0 = blockIdx.x * EDGE;\nconst size_t base = (size_t)blockIdx.z * SIZE * SIZE;"
        : `const int row0 = blockIdx.x / ${per} * EDGE, col0 = blockIdx.x % ${per} * EDGE;
const size_t base = (size_t)blockIdx.y * SIZE * SIZE;`;
    const pitch = `EDGE${on(o.pad, " + 1")}`;
    const slots = on(double, "[2]");
    const header =
      o.size === "define"
        ? `#define SIZE 64\n#define EDGE ${o.edge}\n#define ROWS ${o.rows}\n#define THREADS (EDGE * EDGE / ROWS)\n`
        : `constexpr int SIZE = 64, EDGE = ${o.edge}, ROWS = ${o.rows};\nconstexpr int THREADS = EDGE * EDGE / ROWS;\n`;
    const source = `${header}
extern "C" __global__ void tile_products(${pointers("__restrict__ ")}) {
__shared__ float as${slots}[EDGE][${pitch}];
__shared__ float bs${slots}[EDGE][${pitch}];
const int tx = threadIdx.x, ty = threadIdx.y;
const int tid = ty * EDGE + tx;
${place}
${repeat(o.rows, (r) => `float sum${r} = 0.0f;`)}
${loop}
${repeat(o.rows, (r) => `c[base + (row0 + ty + ${r} * (EDGE / ROWS)) * SIZE + col0 + tx] = sum${r};`)}
}
`;
    const main = launch("tile_products", 1, [o.edge, o.edge / o.rows], ["a", "b", "c"]);
    const grid = o.place === "z" ? ([per, per, batch] as const) : ([per * per, batch, 1] as const);
    return styled({ source, launches: [{ ...main, grid }] }, { names: "snake", indent: 2 });
  },
});

const sharedOptions = {
  left: ["rows", "turned"],
  fragments: ["scalars", "quads"],
  spread: ["blocked", "interleaved"],
  fill: ["quads", "scalars", "async"],
  style: ["plus", "fmaf"],
  store: ["direct", "through shared"],
  unroll: ["full", "four", "none"],
  persistent: [false, true],
  bounds: [true, false],
  pad: [4, 0],
  micro: ["4x4", "8x4", "8x8", "2x4"],
} as const;

type SharedChoice = Chosen<typeof sharedOptions>;

function sharedFill(o: SharedChoice): string {
  const turned = o.left === "turned";
  if (o.fill === "scalars")
    return `for (int e = tid; e < 4096; e += THREADS) {
${turned ? "left[e % 64 * PITCH + e / 64]" : "left[e / 64 * PITCH + e % 64]"} = a[base + e];
right[e] = b[base + e];
}`;
  const put = turned
    ? `const float4 v = reinterpret_cast<const float4*>(a + base)[e];
${parts.map((part, i) => `left[(e % 16 * 4 + ${i}) * PITCH + e / 16] = v.${part};`).join("\n")}`
    : o.fill === "async"
      ? "__pipeline_memcpy_async(&left[e / 16 * PITCH + e % 16 * 4], a + base + 4 * e, 16);"
      : "*reinterpret_cast<float4*>(&left[e / 16 * PITCH + e % 16 * 4]) = reinterpret_cast<const float4*>(a + base)[e];";
  const other =
    o.fill === "async"
      ? "__pipeline_memcpy_async(&right[4 * e], b + base + 4 * e, 16);"
      : "reinterpret_cast<float4*>(right)[e] = reinterpret_cast<const float4*>(b + base)[e];";
  return `for (int e = tid; e < 1024; e += THREADS) {
${put}
${other}
}${on(o.fill === "async", "\n__pipeline_commit();\n__pipeline_wait_prior(0);")}`;
}

function sharedFragments(o: SharedChoice): string {
  const row = o.spread === "blocked" ? "ty * TM + i" : "i * (64 / TM) + ty";
  const col = o.spread === "blocked" ? "tx * TN + j" : "j / 4 * (256 / TN) + tx * 4 + j % 4";
  const left = o.left === "turned" ? `left[k * PITCH + ${row}]` : `left[(${row}) * PITCH + k]`;
  const quads = o.fragments === "quads";
  const leftQuads = quads && o.left === "turned" && o.spread === "blocked";
  const loadLeft = leftQuads
    ? `#pragma unroll
for (int i = 0; i < TM; i += LSTEP) {
LOADLEFT
}`
    : `#pragma unroll
for (int i = 0; i < TM; ++i) {
p[i] = ${left};
}`;
  const loadRight = quads
    ? `#pragma unroll
for (int j = 0; j < TN; j += 4) {
const float4 v = *reinterpret_cast<const float4*>(&right[k * 64 + ${col}]);
${parts.map((part, i) => `q[j + ${i}] = v.${part};`).join("\n")}
}`
    : `#pragma unroll
for (int j = 0; j < TN; ++j) {
q[j] = right[k * 64 + ${col}];
}`;
  const pairs = o.micro === "2x4";
  const leftBody = pairs
    ? `const float2 v = *reinterpret_cast<const float2*>(&left[k * PITCH + ${row}]);\np[i] = v.x;\np[i + 1] = v.y;`
    : `const float4 v = *reinterpret_cast<const float4*>(&left[k * PITCH + ${row}]);
${parts.map((part, i) => `p[i + ${i}] = v.${part};`).join("\n")}`;
  const filled = loadLeft.replace("LSTEP", pairs ? "2" : "4").replace("LOADLEFT", leftBody);
  return `float p[TM], q[TN];
${filled}
${loadRight}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
${addScaled(o.style, ["acc[i][j]"], "p[i]", ["q[j]"])}
}
}`;
}

function sharedStore(o: SharedChoice): string {
  const row = o.spread === "blocked" ? "ty * TM + i" : "i * (64 / TM) + ty";
  const col = o.spread === "blocked" ? "tx * TN + j" : "j / 4 * (256 / TN) + tx * 4";
  const value = "make_float4(acc[i][j], acc[i][j + 1], acc[i][j + 2], acc[i][j + 3])";
  const put = (to: string): string => `#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; j += 4) {
*reinterpret_cast<float4*>(${to} + (${row}) * 64 + ${col}) = ${value};
}
}`;
  if (o.store === "direct") return put("c + base");
  return `__syncthreads();
${put("right")}
__syncthreads();
for (int e = tid; e < 1024; e += THREADS) {
reinterpret_cast<float4*>(c + base)[e] = reinterpret_cast<const float4*>(right)[e];
}`;
}

/** Both operands lie whole in shared memory. */
export const sharedMatrices = template({
  id: "shared-matrices",
  from: "tile-blocks",
  idea: "Bring both whole matrices into shared memory and compute a small block of C per thread",
  options: sharedOptions,
  valid: (o) => o.fill !== "async" || o.left === "rows",
  count: 30,
  write(o, s) {
    const [tm = 4, tn = 4] = o.micro.split("x").map(Number);
    const threads = 4096 / (tm * tn);
    const pragma =
      o.unroll === "full" ? "#pragma unroll\n" : o.unroll === "four" ? "#pragma unroll 4\n" : "#pragma unroll 1\n";
    const work = `const size_t base = (size_t)matrix * 4096;
${on(o.persistent, "__syncthreads();\n")}${sharedFill(o)}
__syncthreads();
float acc[TM][TN] = {};
${pragma}for (int k = 0; k < 64; ++k) {
${sharedFragments(o)}
}
${sharedStore(o)}`;
    const body = o.persistent
      ? `for (int matrix = blockIdx.x; matrix < BATCH; matrix += gridDim.x) {
${work}
}`
      : `const int matrix = blockIdx.x;
${work}`;
    const source = `${on(o.fill === "async", "#include <cuda_pipeline.h>\n\n")}${on(o.persistent, `#define BATCH ${batchOf(s)}\n`)}#define TM ${tm}
#define TN ${tn}
#define THREADS ${threads}
#define PITCH (64 + ${o.pad})

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}matrices_in_shared(${pointers("__restrict__ ")}) {
__shared__ __align__(16) float left[64 * PITCH];
__shared__ __align__(16) float right[64 * 64];
const int tid = threadIdx.x;
const int tx = tid % (64 / TN), ty = tid / (64 / TN);
${body}
}
`;
    const resident = Math.max(1, Math.min(6, Math.floor(2048 / threads)));
    const grid = o.persistent ? 132 * resident : batchOf(s);
    return styled(
      { source, launches: [launch("matrices_in_shared", grid, threads, ["a", "b", "c"])] },
      { names: "camel", indent: 2 },
    );
  },
});

const warpOptions = {
  left: ["shared", "shuffle", "global"],
  right: ["shared", "global"],
  style: ["plus", "fmaf"],
  columns: ["pair", "halves"],
  quads: [false, true],
  bounds: [true, false],
  unroll: ["full", "four", "none"],
  strip: [16, 8, 32],
  warps: [4, 2, 8],
} as const;

type WarpChoice = Chosen<typeof warpOptions>;

function warpProduct(o: WarpChoice): string {
  const pair = o.columns === "pair";
  const right = o.right === "shared" ? "rb" : "b + base";
  const load = (k: string): string =>
    pair
      ? `const float2 q = *reinterpret_cast<const float2*>(${right} + (${k}) * 64 + 2 * lane);`
      : `const float2 q = make_float2((${right})[(${k}) * 64 + lane], (${right})[(${k}) * 64 + lane + 32]);`;
  const add = (p: string): string => addScaled(o.style, ["acc[r].x", "acc[r].y"], p, ["q.x", "q.y"]);
  const pragma =
    o.unroll === "full" ? "#pragma unroll\n" : o.unroll === "four" ? "#pragma unroll 4\n" : "#pragma unroll 1\n";
  if (o.left === "shuffle")
    return `for (int half = 0; half < 2; ++half) {
float held[STRIP];
#pragma unroll
for (int r = 0; r < STRIP; ++r) {
held[r] = a[base + (row0 + r) * 64 + half * 32 + lane];
}
${pragma}for (int k = 0; k < 32; ++k) {
${load("half * 32 + k")}
#pragma unroll
for (int r = 0; r < STRIP; ++r) {
const float p = __shfl_sync(0xffffffffu, held[r], k);
${add("p")}
}
}
}`;
  const left = o.left === "shared" ? "la" : "a + base";
  if (o.quads)
    return `${pragma}for (int k0 = 0; k0 < 64; k0 += 4) {
float4 p[STRIP];
#pragma unroll
for (int r = 0; r < STRIP; ++r) {
p[r] = *reinterpret_cast<const float4*>(${left} + (row0 + r) * 64 + k0);
}
${parts
  .map(
    (part, i) => `{
${load(`k0 + ${i}`)}
#pragma unroll
for (int r = 0; r < STRIP; ++r) {
${add(`p[r].${part}`)}
}
}`,
  )
  .join("\n")}
}`;
  return `${pragma}for (int k = 0; k < 64; ++k) {
${load("k")}
#pragma unroll
for (int r = 0; r < STRIP; ++r) {
${add(`(${left})[(row0 + r) * 64 + k]`)}
}
}`;
}

/** A warp computes a strip of rows, two columns per lane. */
export const warpMatrices = template({
  id: "warp-strips",
  from: "shared-matrices",
  idea: "Give a warp a strip of rows with two columns per lane, so that A's elements are the same for all lanes",
  options: warpOptions,
  valid: (o) => !(o.left === "shuffle" && o.quads),
  count: 26,
  write(o, s) {
    const strips = 64 / o.strip;
    const warps = o.left === "shared" || o.right === "shared" ? strips : o.warps;
    const shared = [
      on(o.left === "shared", "__shared__ __align__(16) float la[4096];"),
      on(o.right === "shared", "__shared__ __align__(16) float rb[4096];"),
    ].join("\n");
    const fill = on(
      o.left === "shared" || o.right === "shared",
      `for (int e = threadIdx.x; e < 1024; e += ${warps * 32}) {
${on(o.left === "shared", "reinterpret_cast<float4*>(la)[e] = reinterpret_cast<const float4*>(a + base)[e];")}
${on(o.right === "shared", "reinterpret_cast<float4*>(rb)[e] = reinterpret_cast<const float4*>(b + base)[e];")}
}
__syncthreads();`,
    );
    const pair = o.columns === "pair";
    const source = `constexpr int STRIP = ${o.strip};

extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${warps * 32}) `)}strip_products(${pointers("__restrict__ ")}) {
${shared}
const int lane = threadIdx.x % 32;
const int strip = blockIdx.x * ${warps} + threadIdx.x / 32;
const size_t base = (size_t)(strip / ${strips}) * 4096;
const int row0 = strip % ${strips} * STRIP;
${fill}
float2 acc[STRIP] = {};
${warpProduct(o)}
#pragma unroll
for (int r = 0; r < STRIP; ++r) {
${pair ? "*reinterpret_cast<float2*>(c + base + (row0 + r) * 64 + 2 * lane) = acc[r];" : "c[base + (row0 + r) * 64 + lane] = acc[r].x;\nc[base + (row0 + r) * 64 + lane + 32] = acc[r].y;"}
}
}
`;
    const grid = (batchOf(s) * strips) / warps;
    return styled(
      { source, launches: [launch("strip_products", grid, warps * 32, ["a", "b", "c"])] },
      { names: "snake", indent: 4 },
    );
  },
});
