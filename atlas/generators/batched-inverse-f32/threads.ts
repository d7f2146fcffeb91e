import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { batchOf, eliminate, orders, quotients, refinement } from "./shared.ts";

const globalOptions = {
  order: orders,
  copy: ["elements", "quads", "rows"],
  quotient: quotients,
  unroll: ["none", "inner"],
  where: ["inverse", "work"],
  restrict: [true, false],
  guard: [true, false],
  size: ["define", "args"],
  block: [128, 64, 256, 32],
} as const;

function copyText(copy: string, from: string, to: string): string {
  if (copy === "quads")
    return `for (int q = 0; q < 16; ++q) {
reinterpret_cast<float4*>(${to})[q] = reinterpret_cast<const float4*>(${from})[q];
}`;
  if (copy === "rows")
    return `for (int i = 0; i < 8; ++i) {
for (int j = 0; j < 8; ++j) {
${to}[i * 8 + j] = ${from}[i * 8 + j];
}
}`;
  return `for (int e = 0; e < 64; ++e) {
${to}[e] = ${from}[e];
}`;
}

/** Elimination in place in global memory. */
export const globalThreads = template({
  id: "global-threads",
  from: null,
  idea: "Copy the matrix once and eliminate in place, without a second matrix beside it",
  options: globalOptions,
  count: 28,
  write(o, s) {
    const q = on(o.restrict, " __restrict__");
    const work = o.where === "work";
    const args = o.size === "args";
    const pragma = on(o.unroll === "inner", "#pragma unroll\n");
    const source = `${on(!args, `#define BATCH ${batchOf(s)}\n\n`)}${refinement(o.quotient)}extern "C" __global__ void invert_in_place(const float*${q} a, float*${q} inverse${on(work, `, float*${q} work`)}${on(args, ", int BATCH")}) {
const int matrix = blockIdx.x * blockDim.x + threadIdx.x;
${on(o.guard, "if (matrix >= BATCH) {\nreturn;\n}")}
const float* from = a + (size_t)matrix * 64;
float* to = ${work ? "work" : "inverse"} + (size_t)matrix * 64;
${copyText(o.copy, "from", "to")}
${eliminate({ quotient: o.quotient, order: o.order, pragma, at: (i, j) => `to[${i} * 8 + ${j}]` })}
${on(work, `float* result = inverse + (size_t)matrix * 64;\n${copyText(o.copy, "to", "result")}`)}
}
`;
    const launches = [
      launch("invert_in_place", batchOf(s) / o.block, o.block, [
        "a",
        "inverse",
        ...(work ? ["work"] : []),
        ...(args ? [{ i32: batchOf(s) }] : []),
      ]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const registerOptions = {
  order: orders,
  load: ["quads", "scalars"],
  store: ["quads", "scalars"],
  read: ["plain", "__ldg", "__ldcs"],
  write: ["plain", "__stcs"],
  quotient: quotients,
  unrolled: [true, false],
  persistent: [false, true],
  bounds: [false, true],
  block: [128, 64, 256, 32],
} as const;

type RegisterChoice = Chosen<typeof registerOptions>;

function registerLoad(o: Pick<RegisterChoice, "load" | "read" | "unrolled">): string {
  const get = (place: string): string => (o.read === "plain" ? place : `${o.read}(&${place})`);
  const pragma = on(o.unrolled, "#pragma unroll\n");
  if (o.load === "scalars")
    return `${pragma}for (int e = 0; e < 64; ++e) {
m[e / 8][e % 8] = ${get("from[e]")};
}`;
  return `${pragma}for (int i = 0; i < 8; ++i) {
const float4 left = ${get("reinterpret_cast<const float4*>(from)[2 * i]")};
const float4 right = ${get("reinterpret_cast<const float4*>(from)[2 * i + 1]")};
m[i][0] = left.x;
m[i][1] = left.y;
m[i][2] = left.z;
m[i][3] = left.w;
m[i][4] = right.x;
m[i][5] = right.y;
m[i][6] = right.z;
m[i][7] = right.w;
}`;
}

function registerStore(o: Pick<RegisterChoice, "store" | "write" | "unrolled">): string {
  const pragma = on(o.unrolled, "#pragma unroll\n");
  const put = (place: string, value: string): string =>
    o.write === "plain" ? `${place} = ${value};` : `__stcs(&${place}, ${value});`;
  if (o.store === "scalars")
    return `${pragma}for (int e = 0; e < 64; ++e) {
${put("to[e]", "m[e / 8][e % 8]")}
}`;
  return `${pragma}for (int i = 0; i < 8; ++i) {
${put("reinterpret_cast<float4*>(to)[2 * i]", "make_float4(m[i][0], m[i][1], m[i][2], m[i][3])")}
${put("reinterpret_cast<float4*>(to)[2 * i + 1]", "make_float4(m[i][4], m[i][5], m[i][6], m[i][7])")}
}`;
}

/** The whole matrix in a thread's registers. */
export const registerThreads = template({
  id: "register-threads",
  from: "global-threads",
  idea: "Hold the whole matrix in an array of the thread's own while eliminating",
  options: registerOptions,
  count: 32,
  write(o, s) {
    const pragma = on(o.unrolled, "#pragma unroll\n");
    const work = `const float* from = a + (size_t)id * 64;
float* to = inverse + (size_t)id * 64;
float m[8][8];
${registerLoad(o)}
${eliminate({ quotient: o.quotient, order: o.order, pragma, at: (i, j) => `m[${i}][${j}]` })}
${registerStore(o)}`;
    const first = `blockIdx.x * ${o.block} + threadIdx.x`;
    const body = o.persistent
      ? `for (int id = ${first}; id < ${batchOf(s)}; id += gridDim.x * ${o.block}) {
${work}
}`
      : `const int id = ${first};
${work}`;
    const source = `${refinement(o.quotient)}extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.block}) `)}gauss_jordan(const float* __restrict__ a, float* __restrict__ inverse) {
${body}
}
`;
    const grid = o.persistent ? 132 * (512 / o.block) : batchOf(s) / o.block;
    return styled(
      { source, launches: [launch("gauss_jordan", grid, o.block, ["a", "inverse"])] },
      { names: "camel", indent: 4 },
    );
  },
});

const stagedOptions = {
  fill: ["quads", "scalars", "async"],
  hold: ["registers", "shared"],
  store: ["staged", "direct"],
  layout: ["rows", "columns"],
  order: orders,
  quotient: quotients,
  persistent: [false, true],
  bounds: [true, false],
  pad: [1, 0],
  block: [64, 32, 128],
} as const;

type StagedChoice = Chosen<typeof stagedOptions>;

function stagedCopyIn(o: StagedChoice, slot: (matrix: string, e: string) => string): string {
  if (o.fill === "quads")
    return `for (int e = threadIdx.x; e < THREADS * 16; e += THREADS) {
const float4 v = reinterpret_cast<const float4*>(from)[e];
${["x", "y", "z", "w"].map((part, i) => `board[${slot("e / 16", `(e % 16 * 4 + ${i})`)}] = v.${part};`).join("\n")}
}`;
  const place = slot("e / 64", "e % 64");
  return `for (int e = threadIdx.x; e < THREADS * 64; e += THREADS) {
${o.fill === "async" ? `__pipeline_memcpy_async(&board[${place}], from + e, 4);` : `board[${place}] = from[e];`}
}${on(o.fill === "async", "\n__pipeline_commit();\n__pipeline_wait_prior(0);")}`;
}

/** A block's matrices pass through shared memory. */
export const stagedThreads = template({
  id: "staged-threads",
  from: "register-threads",
  idea: "Bring the block's matrices through shared memory, so that neighbouring threads read neighbouring numbers",
  options: stagedOptions,
  valid: (o) => o.hold === "registers" || o.store === "staged",
  count: 30,
  write(o, s) {
    const slot = (matrix: string, e: string): string =>
      o.layout === "rows" ? `${matrix} * PITCH + ${e}` : `(${e}) * PITCH + ${matrix}`;
    const pitch = (o.layout === "rows" ? 64 : o.block) + o.pad;
    const inRegisters = o.hold === "registers";
    const own = (i: string, j: string): string => `board[${slot("threadIdx.x", `(${i}) * 8 + ${j}`)}]`;
    const at = inRegisters ? (i: string, j: string): string => `m[${i}][${j}]` : own;
    const move = (back: boolean): string => `#pragma unroll
for (int i = 0; i < 8; ++i) {
#pragma unroll
for (int j = 0; j < 8; ++j) {
${back ? `${own("i", "j")} = m[i][j];` : `m[i][j] = ${own("i", "j")};`}
}
}`;
    const staged = `__syncthreads();
for (int e = threadIdx.x; e < THREADS * 64; e += THREADS) {
to[e] = board[${slot("e / 64", "e % 64")}];
}`;
    const direct = `float4* mine = reinterpret_cast<float4*>(to + threadIdx.x * 64);
#pragma unroll
for (int i = 0; i < 8; ++i) {
mine[2 * i] = make_float4(m[i][0], m[i][1], m[i][2], m[i][3]);
mine[2 * i + 1] = make_float4(m[i][4], m[i][5], m[i][6], m[i][7]);
}`;
    const work = `const float* from = a + (size_t)group * THREADS * 64;
float* to = inverse + (size_t)group * THREADS * 64;
${on(o.persistent, "__syncthreads();\n")}${stagedCopyIn(o, slot)}
__syncthreads();
${on(inRegisters, `float m[8][8];\n${move(false)}`)}
${eliminate({ quotient: o.quotient, order: o.order, pragma: "#pragma unroll\n", at })}
${on(inRegisters && o.store === "staged", move(true))}
${o.store === "staged" ? staged : direct}`;
    const body = o.persistent
      ? `for (int group = blockIdx.x; group < GROUPS; group += gridDim.x) {
${work}
}`
      : `const int group = blockIdx.x;
${work}`;
    const groups = batchOf(s) / o.block;
    const bytes = 4 * pitch * (o.layout === "rows" ? o.block : 64);
    const source = `${on(o.fill === "async", "#include <cuda_pipeline.h>\n\n")}#define THREADS ${o.block}
#define PITCH ${pitch}
${on(o.persistent, `#define GROUPS ${groups}\n`)}
${refinement(o.quotient)}extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}invert_staged(const float* __restrict__ a, float* __restrict__ inverse) {
extern __shared__ float board[];
${body}
}
`;
    const resident = Math.max(1, Math.min(16, Math.floor(227_000 / (bytes + 1024))));
    const grid = o.persistent ? Math.min(groups, 132 * resident) : groups;
    return styled(
      { source, launches: [launch("invert_staged", grid, o.block, ["a", "inverse"], bytes)] },
      { names: "snake", indent: 2 },
    );
  },
});

const turnedOptions = {
  turn: ["tile", "scattered", "padded tile"],
  back: ["kernel", "direct"],
  order: orders,
  quotient: quotients,
  read: ["plain", "__ldg"],
  index: ["product", "running"],
  bounds: [false, true],
  block: [128, 64, 256],
} as const;

type TurnedChoice = Chosen<typeof turnedOptions>;

function turnKernels(o: TurnedChoice, batch: number): string {
  const pitch = o.turn === "padded tile" ? "65" : "64";
  const scattered = o.turn === "scattered";
  const inward = scattered
    ? `const size_t e = (size_t)blockIdx.x * 256 + threadIdx.x;
work[e % 64 * BATCH + e / 64] = a[e];`
    : `__shared__ float tile[64][${pitch}];
const size_t first = (size_t)blockIdx.x * 64;
for (int e = threadIdx.x; e < 4096; e += 256) {
tile[e / 64][e % 64] = a[first * 64 + e];
}
__syncthreads();
for (int e = threadIdx.x; e < 4096; e += 256) {
work[(size_t)(e / 64) * BATCH + first + e % 64] = tile[e % 64][e / 64];
}`;
  const outward = scattered
    ? `const size_t e = (size_t)blockIdx.x * 256 + threadIdx.x;
inverse[e] = work[e % 64 * BATCH + e / 64];`
    : `__shared__ float tile[64][${pitch}];
const size_t first = (size_t)blockIdx.x * 64;
for (int e = threadIdx.x; e < 4096; e += 256) {
tile[e / 64][e % 64] = work[(size_t)(e / 64) * BATCH + first + e % 64];
}
__syncthreads();
for (int e = threadIdx.x; e < 4096; e += 256) {
inverse[first * 64 + e] = tile[e % 64][e / 64];
}`;
  return `constexpr int BATCH = ${batch};

extern "C" __global__ void interleave(const float* __restrict__ a, float* __restrict__ work) {
${inward}
}
${on(o.back === "kernel", `\nextern "C" __global__ void separate(const float* __restrict__ work, float* __restrict__ inverse) {\n${outward}\n}\n`)}`;
}

/** Element by element interleaved copies, so that threads' accesses coalesce. */
export const turnedThreads = template({
  id: "interleaved-threads",
  from: "register-threads",
  idea: "Interleave the matrices element by element first and separate the inverses afterwards",
  options: turnedOptions,
  count: 26,
  write(o, s) {
    const batch = batchOf(s);
    const direct = o.back === "direct";
    const running = o.index === "running";
    const get = (place: string): string => (o.read === "plain" ? place : `__ldg(&${place})`);
    const load = running
      ? `const float* next = work + id;
#pragma unroll
for (int e = 0; e < 64; ++e) {
m[e / 8][e % 8] = *next;
next += BATCH;
}`
      : `#pragma unroll
for (int e = 0; e < 64; ++e) {
m[e / 8][e % 8] = ${direct ? get("work[(size_t)e * BATCH + id]") : "work[(size_t)e * BATCH + id]"};
}`;
    const store = direct
      ? registerStore({ store: running ? "scalars" : "quads", write: "plain", unrolled: true })
      : `#pragma unroll
for (int e = 0; e < 64; ++e) {
work[(size_t)e * BATCH + id] = m[e / 8][e % 8];
}`;
    const source = `${refinement(o.quotient)}${turnKernels(o, batch)}
extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.block}) `)}invert_interleaved(${direct ? "const float* __restrict__ work, float* __restrict__ inverse" : "float* work"}) {
const int id = blockIdx.x * ${o.block} + threadIdx.x;
${on(direct, "float* to = inverse + (size_t)id * 64;")}
float m[8][8];
${load}
${eliminate({ quotient: o.quotient, order: o.order, pragma: "#pragma unroll\n", at: (i, j) => `m[${i}][${j}]` })}
${store}
}
`;
    const turnGrid = o.turn === "scattered" ? batch / 4 : batch / 64;
    const launches = [
      launch("interleave", turnGrid, 256, ["a", "work"]),
      launch("invert_interleaved", batch / o.block, o.block, direct ? ["work", "inverse"] : ["work"]),
      ...(direct ? [] : [launch("separate", turnGrid, 256, ["work", "inverse"])]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
