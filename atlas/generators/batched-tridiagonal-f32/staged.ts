import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { arrays, batchOf, constants, divideAll, divisions, inputs, lengthOf } from "./shared.ts";

const turnOptions = {
  turn: ["tile", "padded tile", "scattered"],
  passes: ["four", "one"],
  output: ["turned back", "direct"],
  ahead: [false, true],
  kept: ["in place", "local"],
  division: divisions,
  unroll: [false, true],
  names: ["pointers", "macro"],
  block: [128, 64, 256],
} as const;

type TurnChoice = Chosen<typeof turnOptions>;

/** A kernel that turns rows x cols into cols x rows, 32 x 32 per block of 32 x 8 threads. */
function turnKernel(o: TurnChoice, name: string, choose: string, params: string): string {
  const body =
    o.turn === "scattered"
      ? `for (int k = threadIdx.y; k < 32; k += 8) {
to[(size_t)(col0 + threadIdx.x) * rows + row0 + k] = from[(size_t)(row0 + k) * cols + col0 + threadIdx.x];
}`
      : `__shared__ float tile[32][${o.turn === "tile" ? "32" : "33"}];
for (int k = threadIdx.y; k < 32; k += 8) {
tile[k][threadIdx.x] = from[(size_t)(row0 + k) * cols + col0 + threadIdx.x];
}
__syncthreads();
for (int k = threadIdx.y; k < 32; k += 8) {
to[(size_t)(col0 + k) * rows + row0 + threadIdx.x] = tile[threadIdx.x][k];
}`;
  return `extern "C" __global__ void ${name}(${params}, int rows, int cols) {
${choose}const int row0 = blockIdx.y * 32;
const int col0 = blockIdx.x * 32;
${body}
}
`;
}

function turnedRows(o: TurnChoice): string {
  const at = (which: number, i: string): string =>
    o.names === "macro" ? `AT(${which}, ${i})` : `${["lower", "diag", "upper", "rhs"][which]}[(size_t)(${i}) * BATCH]`;
  const local = o.kept === "local";
  const kept = local ? ["factor[i]", "value[i]"] : [at(2, "i"), at(3, "i")];
  const pragma = on(o.unroll, "#pragma unroll 4\n");
  const row = (va: string, vb: string, vc: string, vd: string): string => `const float pivot = ${vb} - ${va} * last_c;
${divideAll(o.division, "pivot", [
  ["last_d", `${vd} - ${va} * last_d`],
  ["last_c", vc],
])}
${kept[0]} = last_c;
${kept[1]} = last_d;`;
  const loop = o.ahead
    ? `float na = ${at(0, "0")}, nb = ${at(1, "0")}, nc = ${at(2, "0")}, nd = ${at(3, "0")};
${pragma}for (int i = 0; i < N; ++i) {
const float va = na, vb = nb, vc = nc, vd = nd;
if (i + 1 < N) {
na = ${at(0, "i + 1")};
nb = ${at(1, "i + 1")};
nc = ${at(2, "i + 1")};
nd = ${at(3, "i + 1")};
}
${row("va", "vb", "vc", "vd")}
}`
    : `${pragma}for (int i = 0; i < N; ++i) {
const float va = ${at(0, "i")};
${row("va", at(1, "i"), at(2, "i"), at(3, "i"))}
}`;
  const put = o.output === "direct" ? "x[(size_t)id * N + i] = next;" : `${at(3, "i")} = next;`;
  return `float last_c = 0.0f, last_d = 0.0f;
${loop}
float next = 0.0f;
${pragma}for (int i = N - 1; i >= 0; --i) {
next = ${kept[1]} - ${kept[0]} * next;
${put}
}`;
}

/** The arrays are turned so that neighbouring threads' rows are neighbours. */
export const turnedSystems = template({
  id: "turned-systems",
  from: "serial-threads",
  idea: "Turn the arrays first so that threads' accesses coalesce, and turn the solution back",
  options: turnOptions,
  count: 24,
  write(o, s) {
    const [batch, n] = [batchOf(s), lengthOf(s)];
    const one = o.passes === "one";
    const choose = one
      ? `const float* sources[4] = {a, b, c, d};
const float* from = sources[blockIdx.z];
float* to = work + blockIdx.z * (size_t)rows * cols;
`
      : `float* to = work + (size_t)slot * rows * cols;
`;
    const params = one
      ? "const float* a, const float* b, const float* c, const float* d, float* work"
      : "const float* __restrict__ from, float* __restrict__ work, int slot";
    const views = o.names === "macro" ? "#define AT(which, i) work[((size_t)(which) * N + (i)) * BATCH + id]\n" : "";
    const pointers = `float* lower = work + id;
float* diag = lower + (size_t)N * BATCH;
float* upper = diag + (size_t)N * BATCH;
float* rhs = upper + (size_t)N * BATCH;
`;
    const direct = o.output === "direct";
    const back = turnKernel(
      o,
      "turn_back",
      "const float* from = work + 3 * (size_t)rows * cols;\n",
      "const float* __restrict__ work, float* __restrict__ to",
    );
    const source = `${constants(s)}${views}
${turnKernel(o, "turn_in", choose, params)}
extern "C" __global__ void eliminate(float* __restrict__ work${on(direct, ", float* __restrict__ x")}) {
const int id = blockIdx.x * blockDim.x + threadIdx.x;
${on(o.names === "pointers", pointers)}${on(o.kept === "local", "float factor[N], value[N];\n")}${turnedRows(o)}
}

${on(!direct, back)}`;
    const grid = [n / 32, batch / 32] as const;
    const scalars = [{ i32: batch }, { i32: n }];
    const turns = one
      ? [{ ...launch("turn_in", 1, [32, 8], [...inputs, "work", ...scalars]), grid: [n / 32, batch / 32, 4] as const }]
      : inputs.map((name, slot) => launch("turn_in", grid, [32, 8], [name, "work", { i32: slot }, ...scalars]));
    const launches = [
      ...turns,
      launch("eliminate", batch / o.block, o.block, direct ? ["work", "x"] : ["work"]),
      ...(direct
        ? []
        : [launch("turn_back", [batch / 32, n / 32], [32, 8], ["work", "x", { i32: n }, { i32: batch }])]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const stagedOptions = {
  stage: ["whole", "chunks"],
  fill: ["scalars", "quads", "async"],
  kept: ["tile", "local"],
  division: divisions,
  back: ["loop", "pointer"],
  unroll: [true, false],
  pad: [1, 0],
  copiers: ["same", "more"],
  systems: [32, 64],
} as const;

type StagedChoice = Chosen<typeof stagedOptions>;

/** Copies W columns from `start` of the block's systems; `from` and `tile` are pointers. */
function stagedFill(o: StagedChoice, from: string, tile: string): string {
  if (o.fill === "quads")
    return `for (int e = threadIdx.x; e < SYSTEMS * W / 4; e += THREADS) {
const float4 v = *reinterpret_cast<const float4*>(${from} + (size_t)(first + e / (W / 4)) * N + start + e % (W / 4) * 4);
float* to = ${tile} + e / (W / 4) * PITCH + e % (W / 4) * 4;
to[0] = v.x;
to[1] = v.y;
to[2] = v.z;
to[3] = v.w;
}`;
  const place = `${tile} + e / W * PITCH + e % W`;
  const source = `${from} + (size_t)(first + e / W) * N + start + e % W`;
  const move = o.fill === "async" ? `__pipeline_memcpy_async(${place}, ${source}, 4);` : `*(${place}) = *(${source});`;
  return `for (int e = threadIdx.x; e < SYSTEMS * W; e += THREADS) {
${move}
}`;
}

function stagedForward(o: StagedChoice): string {
  const chunks = o.stage === "chunks";
  const row = `(size_t)threadIdx.x * PITCH + i`;
  const index = chunks ? "start + i" : "i";
  const keep =
    o.kept === "local"
      ? `factor[${index}] = last_c;\nvalue[${index}] = last_d;`
      : `tile_c[${row}] = last_c;\ntile_d[${row}] = last_d;`;
  return `${on(o.unroll, "#pragma unroll 4\n")}for (int i = 0; i < W; ++i) {
const float va = tile_a[${row}];
const float pivot = tile_b[${row}] - va * last_c;
${divideAll(o.division, "pivot", [
  ["last_d", `tile_d[${row}] - va * last_d`],
  ["last_c", `tile_c[${row}]`],
])}
${keep}
}`;
}

function stagedBackward(o: StagedChoice): string {
  const chunks = o.stage === "chunks";
  const index = chunks ? "start + i" : "i";
  const row = "(size_t)threadIdx.x * PITCH + i";
  const local = o.kept === "local";
  const c = local ? `factor[${index}]` : `tile_c[${row}]`;
  const d = local ? `value[${index}]` : `tile_d[${row}]`;
  if (o.back === "pointer" && !local)
    return `float* at_d = tile_d + (size_t)threadIdx.x * PITCH + W - 1;
const float* at_c = tile_c + (size_t)threadIdx.x * PITCH + W - 1;
${on(o.unroll, "#pragma unroll 4\n")}for (int left = W; left > 0; --left) {
next = *at_d - *at_c-- * next;
*at_d-- = next;
}`;
  return `${on(o.unroll, "#pragma unroll 4\n")}for (int i = W - 1; i >= 0; --i) {
next = ${d} - ${c} * next;
tile_d[${row}] = next;
}`;
}

function stagedBody(o: StagedChoice): string {
  const guard = (text: string): string => (o.copiers === "more" ? `if (threadIdx.x < SYSTEMS) {\n${text}\n}` : text);
  const wait = on(o.fill === "async", "__pipeline_commit();\n__pipeline_wait_prior(0);\n");
  const fill = ["a", "b", "c", "d"].map((name) => stagedFill(o, name, `tile_${name}`)).join("\n");
  const store = `for (int e = threadIdx.x; e < SYSTEMS * W; e += THREADS) {
x[(size_t)(first + e / W) * N + start + e % W] = tile_d[e / W * PITCH + e % W];
}`;
  if (o.stage === "whole")
    return `const int start = 0;
${fill}
${wait}__syncthreads();
float last_c = 0.0f, last_d = 0.0f, next = 0.0f;
${guard(`${stagedForward(o)}\n${stagedBackward(o)}`)}
__syncthreads();
${store}`;
  return `float last_c = 0.0f, last_d = 0.0f;
for (int start = 0; start < N; start += W) {
__syncthreads();
${fill}
${wait}__syncthreads();
${guard(stagedForward(o))}
}
float next = 0.0f;
for (int start = N - W; start >= 0; start -= W) {
__syncthreads();
${guard(stagedBackward(o))}
__syncthreads();
${store}
}`;
}

/** Systems, or runs of their columns, pass through shared memory. */
export const stagedThreads = template({
  id: "staged-threads",
  from: "serial-threads",
  idea: "Bring the block's systems through shared memory so that global accesses coalesce",
  options: stagedOptions,
  valid: (o) => (o.stage === "whole" || o.kept === "local") && (o.stage === "chunks" || o.systems === 32),
  count: 26,
  write(o, s) {
    const n = lengthOf(s);
    const width = o.stage === "whole" ? n : 32;
    const threads = o.systems * (o.copiers === "more" ? 4 : 1);
    const source = `${on(o.fill === "async", "#include <cuda_pipeline.h>\n\n")}#define BATCH ${batchOf(s)}
#define N ${n}
#define W ${width}
#define PITCH (W + ${o.pad})
#define SYSTEMS ${o.systems}
#define THREADS ${threads}

extern "C" __global__ void thomas_staged(const float* __restrict__ a, const float* __restrict__ b, const float* __restrict__ c, const float* __restrict__ d, float* __restrict__ x) {
extern __shared__ float tiles[];
float* tile_a = tiles;
float* tile_b = tile_a + SYSTEMS * PITCH;
float* tile_c = tile_b + SYSTEMS * PITCH;
float* tile_d = tile_c + SYSTEMS * PITCH;
const int first = blockIdx.x * SYSTEMS;
${on(o.kept === "local", "float factor[N], value[N];")}
${stagedBody(o)}
}
`;
    const bytes = 16 * o.systems * (width + o.pad);
    const launches = [launch("thomas_staged", batchOf(s) / o.systems, threads, arrays, bytes)];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
