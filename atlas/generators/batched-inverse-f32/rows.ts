import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { batchOf, inverseOf, quotients, refinement } from "./shared.ts";

const everyLane = "0xffffffffu";

const rowOptions = {
  spread: ["shuffle", "shared"],
  scale: ["pivot row", "factor"],
  choose: ["branch", "select"],
  quotient: quotients,
  load: ["quads", "scalars", "staged"],
  read: ["plain", "__ldg", "__ldcs"],
  cyclic: [false, true],
  persistent: [false, true],
  bounds: [true, false],
  lanes: [8, 4, 2],
  block: [128, 256, 64],
} as const;

type RowChoice = Chosen<typeof rowOptions>;

/** The matrix row that a lane's r-th register row is, and where pivot row k lives. */
const rowOf = (o: RowChoice): string => (o.cyclic ? "r * LANES + lane" : "lane * ROWS + r");
const ownerOf = (o: RowChoice): [string, string] => (o.cyclic ? ["k % LANES", "k / LANES"] : ["k / ROWS", "k % ROWS"]);

function rowStep(o: RowChoice): string {
  const [owner, register] = ownerOf(o);
  const spread =
    o.spread === "shuffle"
      ? `#pragma unroll
for (int j = 0; j < 8; ++j) {
pivot[j] = __shfl_sync(${everyLane}, m[${register}][j], ${owner}, LANES);
}`
      : `__syncwarp();
if (lane == ${owner}) {
#pragma unroll
for (int j = 0; j < 8; ++j) {
line[j] = m[${register}][j];
}
}
__syncwarp();
#pragma unroll
for (int j = 0; j < 8; ++j) {
pivot[j] = line[j];
}`;
  const here = `${rowOf(o)} == k`;
  if (o.scale === "factor")
    return `${spread}
const float scale = ${inverseOf(o.quotient, "pivot[k]")};
#pragma unroll
for (int r = 0; r < ROWS; ++r) {
const bool here = ${here};
const float factor = here ? 1.0f - scale : m[r][k] * scale;
m[r][k] = 0.0f;
#pragma unroll
for (int j = 0; j < 8; ++j) {
if (j != k) {
m[r][j] -= factor * pivot[j];
}
}
m[r][k] = here ? scale : -factor;
}`;
  const rest =
    o.choose === "branch"
      ? `if (${here}) {
#pragma unroll
for (int j = 0; j < 8; ++j) {
m[r][j] = pivot[j];
}
} else {
const float factor = m[r][k];
m[r][k] = 0.0f;
#pragma unroll
for (int j = 0; j < 8; ++j) {
m[r][j] -= factor * pivot[j];
}
}`
      : `const bool here = ${here};
const float factor = here ? -1.0f : m[r][k];
#pragma unroll
for (int j = 0; j < 8; ++j) {
const float old = here || j == k ? 0.0f : m[r][j];
m[r][j] = old - factor * pivot[j];
}`;
  return `${spread}
const float scale = ${inverseOf(o.quotient, "pivot[k]")};
pivot[k] = 1.0f;
#pragma unroll
for (int j = 0; j < 8; ++j) {
pivot[j] *= scale;
}
#pragma unroll
for (int r = 0; r < ROWS; ++r) {
${rest}
}`;
}

function rowTransfer(o: RowChoice): { load: string; store: string } {
  const get = (place: string): string => (o.read === "plain" ? place : `${o.read}(&${place})`);
  const row = `(${rowOf(o)})`;
  if (o.load === "staged")
    return {
      load: `__syncwarp();
#pragma unroll
for (int q = 0; q < 16 / LANES; ++q) {
reinterpret_cast<float4*>(board)[q * LANES + lane] = ${get("reinterpret_cast<const float4*>(from)[q * LANES + lane]")};
}
__syncwarp();
#pragma unroll
for (int r = 0; r < ROWS; ++r) {
#pragma unroll
for (int j = 0; j < 8; ++j) {
m[r][j] = board[${row} * 8 + j];
}
}`,
      store: `__syncwarp();
#pragma unroll
for (int r = 0; r < ROWS; ++r) {
#pragma unroll
for (int j = 0; j < 8; ++j) {
board[${row} * 8 + j] = m[r][j];
}
}
__syncwarp();
#pragma unroll
for (int q = 0; q < 16 / LANES; ++q) {
reinterpret_cast<float4*>(to)[q * LANES + lane] = reinterpret_cast<const float4*>(board)[q * LANES + lane];
}`,
    };
  if (o.load === "scalars")
    return {
      load: `#pragma unroll
for (int r = 0; r < ROWS; ++r) {
#pragma unroll
for (int j = 0; j < 8; ++j) {
m[r][j] = ${get(`from[${row} * 8 + j]`)};
}
}`,
      store: `#pragma unroll
for (int r = 0; r < ROWS; ++r) {
#pragma unroll
for (int j = 0; j < 8; ++j) {
to[${row} * 8 + j] = m[r][j];
}
}`,
    };
  return {
    load: `#pragma unroll
for (int r = 0; r < ROWS; ++r) {
const float4 low = ${get(`reinterpret_cast<const float4*>(from)[2 * ${row}]`)};
const float4 high = ${get(`reinterpret_cast<const float4*>(from)[2 * ${row} + 1]`)};
${repeat(4, (i) => `m[r][${i}] = low.${"xyzw"[i]};\nm[r][${i + 4}] = high.${"xyzw"[i]};`)}
}`,
    store: `#pragma unroll
for (int r = 0; r < ROWS; ++r) {
reinterpret_cast<float4*>(to)[2 * ${row}] = make_float4(m[r][0], m[r][1], m[r][2], m[r][3]);
reinterpret_cast<float4*>(to)[2 * ${row} + 1] = make_float4(m[r][4], m[r][5], m[r][6], m[r][7]);
}`,
  };
}

/** Lanes hold rows; the pivot row goes to all lanes of its matrix. */
export const rowLanes = template({
  id: "row-lanes",
  from: "register-threads",
  idea: "Share a matrix out by rows among a few lanes that receive each pivot row",
  options: rowOptions,
  valid: (o) => o.scale === "pivot row" || o.choose === "branch",
  count: 9,
  write(o, s) {
    const { load, store } = rowTransfer(o);
    const per = o.block / o.lanes;
    const board = o.load === "staged" || o.spread === "shared";
    const work = `const float* from = a + (size_t)matrix * 64;
float* to = inverse + (size_t)matrix * 64;
float m[ROWS][8];
${load}
#pragma unroll
for (int k = 0; k < 8; ++k) {
float pivot[8];
${rowStep(o)}
}
${store}`;
    const first = `blockIdx.x * ${per} + threadIdx.x / LANES`;
    const body = o.persistent
      ? `for (int matrix = ${first}; matrix < ${batchOf(s)}; matrix += gridDim.x * ${per}) {
${work}
}`
      : `const int matrix = ${first};
${work}`;
    const source = `#define LANES ${o.lanes}
#define ROWS (8 / LANES)

${refinement(o.quotient)}extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.block}) `)}invert_by_rows(const float* __restrict__ a, float* __restrict__ inverse) {
const int lane = threadIdx.x % LANES;
${on(board, `__shared__ __align__(16) float boards[${per}][64];`)}
${on(o.load === "staged", "float* board = boards[threadIdx.x / LANES];")}
${on(o.spread === "shared", "float* line = boards[threadIdx.x / LANES];")}
${body}
}
`;
    // Every warp makes the same number of turns: the batch is a multiple of the grid's matrices.
    const grid = o.persistent ? Math.min(1024, batchOf(s) / per) : batchOf(s) / per;
    return styled(
      { source, launches: [launch("invert_by_rows", grid, o.block, ["a", "inverse"])] },
      { names: "snake", indent: 4 },
    );
  },
});

const ringOptions = {
  copies: ["pipeline", "ptx"],
  early: [true, false],
  guard: ["branch", "clamp"],
  quotient: quotients,
  choose: ["branch", "select"],
  deal: ["stride", "runs"],
  write: ["plain", "__stcs"],
  bounds: [true, false],
  stages: [2, 3, 4],
  block: [128, 64, 256],
  resident: [8, 4, 2],
} as const;

type RingChoice = Chosen<typeof ringOptions>;

function ringRequest(o: RingChoice): string {
  const one = (half: number): string => {
    const [to, from] = [`&slot[${half}]`, `from + ${half}`];
    return o.copies === "pipeline"
      ? `__pipeline_memcpy_async(${to}, ${from}, 16);`
      : `asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(${to})), "l"(${from}) : "memory");`;
  };
  const commit =
    o.copies === "pipeline" ? "__pipeline_commit();" : `asm volatile("cp.async.commit_group;" ::: "memory");`;
  const body = `const float4* from = reinterpret_cast<const float4*>(a) + (size_t)WHICH * 64 + threadIdx.x % 32 * 2;
${one(0)}
${one(1)}`;
  return o.guard === "clamp"
    ? `${body.replace("WHICH", "min(group, GROUPS - 1)")}\n${commit}`
    : `if (group < end) {\n${body.replace("WHICH", "group")}\n}\n${commit}`;
}

/** Rows arrive asynchronously; each lane copies the row that it holds. */
export const rowRing = template({
  id: "row-ring",
  from: "row-lanes",
  idea: "Let warps stay and copy the rows of their next matrices asynchronously",
  options: ringOptions,
  count: 28,
  write(o, s) {
    const groups = batchOf(s) / 4;
    const warps = o.block / 32;
    const grid = Math.min((132 * o.resident * 128) / o.block, groups / warps);
    const runs = o.deal === "runs";
    const wait =
      o.copies === "pipeline"
        ? "__pipeline_wait_prior(STAGES - 1);"
        : `asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 1) : "memory");`;
    const ask = "request(slots + turn * 64, a, group + STAGES * step, end);";
    const step = rowStep({
      spread: "shuffle",
      scale: "pivot row",
      choose: o.choose,
      quotient: o.quotient,
      load: "quads",
      read: "plain",
      cyclic: false,
      persistent: true,
      bounds: o.bounds,
      lanes: 8,
      block: 128,
    });
    const put = (half: number): string => {
      const value = `make_float4(${[0, 1, 2, 3].map((i) => `m[0][${4 * half + i}]`).join(", ")})`;
      return o.write === "plain" ? `to[${half}] = ${value};` : `__stcs(to + ${half}, ${value});`;
    };
    const source = `${on(o.copies === "pipeline", "#include <cuda_pipeline.h>\n\n")}#define LANES 8
#define ROWS 1
#define STAGES ${o.stages}
#define GROUPS ${groups}
#define WARPS ${warps}
${on(runs, `#define RUN ${Math.ceil(groups / (grid * warps))}\n`)}
${refinement(o.quotient)}// A group is the four matrices of a warp.
__device__ __forceinline__ void request(float4* slot, const float* a, int group, int end) {
${ringRequest(o)}
}

extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.block}) `)}invert_streamed(const float* __restrict__ a, float* __restrict__ inverse) {
extern __shared__ float4 pool[];
const int lane = threadIdx.x % 8;
float4* slots = pool + threadIdx.x / 32 * (STAGES * 64) + threadIdx.x % 32 * 2;
const int worker = blockIdx.x * WARPS + threadIdx.x / 32;
const int begin = ${runs ? "worker * RUN" : "worker"};
const int end = ${runs ? "min(begin + RUN, GROUPS)" : "GROUPS"};
const int step = ${runs ? "1" : "gridDim.x * WARPS"};
for (int n = 0; n < STAGES; ++n) {
request(slots + n * 64, a, begin + n * step, end);
}
int turn = 0;
for (int group = begin; group < end; group += step) {
${wait}
const float4 low = slots[turn * 64], high = slots[turn * 64 + 1];
float m[1][8] = {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
${on(o.early, ask)}
#pragma unroll
for (int k = 0; k < 8; ++k) {
float pivot[8];
${step}
}
float4* to = reinterpret_cast<float4*>(inverse) + (size_t)group * 64 + threadIdx.x % 32 * 2;
${put(0)}
${put(1)}
${on(!o.early, ask)}
turn = turn + 1 == STAGES ? 0 : turn + 1;
}
}
`;
    const bytes = 16 * 64 * o.stages * warps;
    return styled(
      { source, launches: [launch("invert_streamed", grid, o.block, ["a", "inverse"], bytes)] },
      { names: "camel", indent: 4 },
    );
  },
});
