import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { dealt, finishes, handOver, rowsOf, sideKernel, withSide } from "./common.ts";
import { blockProducts, fillTile } from "./tiles.ts";

const ringOptions = {
  finish: finishes,
  copies: ["pipeline", "ptx"],
  early: [true, false],
  fragments: ["quads", "scalars"],
  spread: ["apart", "blocked"],
  deal: ["stride", "runs"],
  guard: ["branch", "clamp"],
  unroll: [false, true],
  bounds: [true, false],
  stages: [3, 2, 4],
  chunk: [32, 16],
  micro: ["8x8", "4x4", "8x4"],
  grid: [264, 528, 396],
} as const;

type RingChoice = Chosen<typeof ringOptions>;

function ringRequest(o: RingChoice): string {
  const copy =
    o.copies === "pipeline"
      ? "__pipeline_memcpy_async(slot + 4 * e, from + 4 * e, 16);"
      : `asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(slot + 4 * e)), "l"(from + 4 * e) : "memory");`;
  const commit =
    o.copies === "pipeline" ? "__pipeline_commit();" : `asm volatile("cp.async.commit_group;" ::: "memory");`;
  const body = `const float* from = x + (size_t)WHICH * CHUNK * 64;
for (int e = threadIdx.x; e < CHUNK * 16; e += THREADS) {
${copy}
}`;
  return o.guard === "clamp"
    ? `${body.replace("WHICH", "min(chunk, CHUNKS - 1)")}\n${commit}`
    : `if (chunk < end) {\n${body.replace("WHICH", "chunk")}\n}\n${commit}`;
}

/** Chunks of rows arrive asynchronously in a ring. */
export const rowRing = template({
  id: "row-ring",
  from: "row-tiles",
  idea: "Bring the chunks of rows asynchronously into a ring of slots ahead of their use",
  options: ringOptions,
  count: 27,
  write(o, s) {
    const [tm = 4, tn = 4] = o.micro.split("x").map(Number);
    const threads = 4096 / (tm * tn);
    const [row, col] =
      o.spread === "blocked"
        ? ["ti * TM + i", "tj * TN + j"]
        : ["(i / 4 * (256 / TM) + ti * 4 + i % 4)", "j / 4 * (256 / TN) + tj * 4 + j % 4"];
    const left = o.early ? "STAGES - 2" : "STAGES - 1";
    const wait =
      o.copies === "pipeline"
        ? `__pipeline_wait_prior(${left});`
        : `asm volatile("cp.async.wait_group %0;" ::"n"(${left}) : "memory");`;
    const ask = (n: string): string => `request(pool + ${n} % STAGES * SLOT, x, first + ${n} * step, end);`;
    const source = `${on(o.copies === "pipeline", "#include <cuda_pipeline.h>\n\n")}constexpr int ROWS = ${rowsOf(s)};
constexpr int CHUNK = ${o.chunk}, CHUNKS = ROWS / CHUNK;
constexpr int STAGES = ${o.stages}, SLOT = CHUNK * 64;
constexpr int TM = ${tm}, TN = ${tn}, THREADS = ${threads};

${sideKernel(o.finish, o.grid)}
__device__ __forceinline__ void request(float* slot, const float* x, int chunk, int end) {
${ringRequest(o)}
}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}gram_ring(const float* __restrict__ x, float* __restrict__ out) {
extern __shared__ __align__(16) float pool[];
const int tj = threadIdx.x % (64 / TN);
const int ti = threadIdx.x / (64 / TN);
${dealt(o.deal)}
for (int n = 0; n < STAGES${on(o.early, " - 1")}; ++n) {
${ask("n")}
}
float acc[TM][TN] = {};
int n = 0;
for (int chunk = first; chunk < end; chunk += step, ++n) {
${wait}
__syncthreads();
${on(o.early, ask("(n + STAGES - 1)"))}
const float* tile = pool + n % STAGES * SLOT;
${on(o.unroll, "#pragma unroll 4\n")}for (int r = 0; r < CHUNK; ++r) {
const float* line = tile + r * 64;
${blockProducts({ quads: o.fragments === "quads", spread: o.spread, fused: true })}
}
${on(!o.early, `__syncthreads();\n${ask("(n + STAGES)")}`)}
}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
${handOver(o.finish, `(${row}) * 64 + ${col}`, "acc[i][j]")}
}
}
}
`;
    const bytes = o.stages * o.chunk * 256;
    const launches = withSide(o.finish, (out) => launch("gram_ring", o.grid, threads, ["x", out], bytes));
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

const ticketOptions = {
  tickets: ["one", "per group"],
  vote: ["shared flag", "syncthreads or"],
  finish: ["serial", "unrolled"],
  fill: ["quads", "scalars"],
  fragments: ["quads", "scalars"],
  spread: ["blocked", "apart"],
  deal: ["stride", "runs"],
  load: ["__ldcg", "volatile"],
  bounds: [true, false],
  chunk: [32, 64, 16],
  micro: ["4x4", "8x4", "8x8"],
  grid: [256, 128, 512],
} as const;

type TicketChoice = Chosen<typeof ticketOptions>;

function ticketFinish(o: TicketChoice): string {
  const one = o.tickets === "one";
  const [ticket, parts] = one ? ["counters", "gridDim.x"] : ["counters + blockIdx.x / GROUP", "GROUP"];
  const arrive =
    o.vote === "shared flag"
      ? `__shared__ bool last;
__threadfence();
__syncthreads();
if (threadIdx.x == 0) {
last = atomicAdd(${ticket}, 1) == (int)${parts} - 1;
}
__syncthreads();
if (!last) {
return;
}`
      : `__threadfence();
__syncthreads();
int mine = 0;
if (threadIdx.x == 0) {
mine = atomicAdd(${ticket}, 1) == (int)${parts} - 1;
}
if (!__syncthreads_or(mine)) {
return;
}`;
  const base = one ? "0" : "blockIdx.x / GROUP * GROUP";
  const get =
    o.load === "__ldcg"
      ? "__ldcg(&partial[(size_t)(from + part) * 4096 + e])"
      : "((const volatile float*)partial)[(size_t)(from + part) * 4096 + e]";
  const put = one ? "g[e] = sum;" : "atomicAdd(&g[e], sum);";
  return `${arrive}
__threadfence();
const int from = ${base};
for (int e = threadIdx.x; e < 4096; e += THREADS) {
float sum = 0.0f;
${on(o.finish === "unrolled", "#pragma unroll 8\n")}for (int part = 0; part < (int)${parts}; ++part) {
sum += ${get};
}
${put}
}`;
}

/** The block that finishes last adds the blocks' sums. */
export const ticketTiles = template({
  id: "ticket-tiles",
  from: "row-tiles",
  idea: "Let the last block to finish, of all or of a group, add the partial sums",
  options: ticketOptions,
  count: 25,
  write(o, s) {
    const [tm = 4, tn = 4] = o.micro.split("x").map(Number);
    const [row, col] =
      o.spread === "blocked"
        ? ["ti * TM + i", "tj * TN + j"]
        : ["(i / 4 * (256 / TM) + ti * 4 + i % 4)", "j / 4 * (256 / TN) + tj * 4 + j % 4"];
    const threads = 4096 / (tm * tn);
    const group = o.tickets === "per group";
    const clear = group
      ? `extern "C" __global__ void reset(int* counters, float* g) {
const int i = blockIdx.x * blockDim.x + threadIdx.x;
g[i] = 0.0f;
if (i < 64) {
counters[i] = 0;
}
}`
      : `extern "C" __global__ void reset(int* counters) {
counters[threadIdx.x] = 0;
}`;
    const source = `#define ROWS ${rowsOf(s)}
#define CHUNK ${o.chunk}
#define CHUNKS (ROWS / CHUNK)
#define PITCH 64
#define TM ${tm}
#define TN ${tn}
#define THREADS ${threads}
${on(group, "#define GROUP 16\n")}
${clear}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}gram_tickets(const float* __restrict__ x, float* partial, float* g, int* counters) {
__shared__ __align__(16) float tile[CHUNK * PITCH];
const int tj = threadIdx.x % (64 / TN);
const int ti = threadIdx.x / (64 / TN);
${dealt(o.deal)}
float acc[TM][TN] = {};
for (int chunk = first; chunk < end; chunk += step) {
const float* from = x + (size_t)chunk * CHUNK * 64;
__syncthreads();
${fillTile(o.fill, "THREADS")}
__syncthreads();
for (int r = 0; r < CHUNK; ++r) {
const float* line = tile + r * PITCH;
${blockProducts({ quads: o.fragments === "quads", spread: o.spread, fused: false })}
}
}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
partial[(size_t)blockIdx.x * 4096 + (${row}) * 64 + ${col}] = acc[i][j];
}
}
${ticketFinish(o)}
}
`;
    const launches = [
      group ? launch("reset", 16, 256, ["counters", "g"]) : launch("reset", 1, 64, ["counters"]),
      launch("gram_tickets", o.grid, threads, ["x", "partial", "g", "counters"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
