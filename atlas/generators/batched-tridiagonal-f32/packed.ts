import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { arrays, batchOf, constants, divideAll, divisions } from "./shared.ts";

const full = "0xffffffffu";

/** Eliminates inside each lane's M neighbouring rows; the first and last remain coupled to other lanes. */
function eliminateInside(division: string): string {
  const first = (i: string): string => `{
const float pivot = b[${i}];
${divideAll(division, "pivot", [
  [`a[${i}]`, `a[${i}]`],
  [`c[${i}]`, `c[${i}]`],
  [`d[${i}]`, `d[${i}]`],
])}
}`;
  return `${first("0")}
${first("1")}
#pragma unroll
for (int i = 2; i < M; ++i) {
const float pivot = b[i] - a[i] * c[i - 1];
${divideAll(division, "pivot", [
  ["d[i]", "d[i] - a[i] * d[i - 1]"],
  ["a[i]", "-a[i] * a[i - 1]"],
  ["c[i]", "c[i]"],
])}
}
#pragma unroll
for (int i = M - 3; i > 0; --i) {
d[i] -= c[i] * d[i + 1];
a[i] -= c[i] * a[i + 1];
c[i] = -c[i] * c[i + 1];
}
{
const float pivot = 1.0f - c[0] * a[1];
${divideAll(division, "pivot", [
  ["d[0]", "d[0] - c[0] * d[1]"],
  ["a[0]", "a[0]"],
  ["c[0]", "-c[0] * c[1]"],
])}
}`;
}

const up = (value: string, by: string): string => `__shfl_up_sync(${full}, ${value}, ${by}, LANES)`;
const down = (value: string, by: string): string => `__shfl_down_sync(${full}, ${value}, ${by}, LANES)`;

function doubling(division: string, row: string): string {
  return `{
const float la = ${up(`a${row}`, "distance")}, lc = ${up(`c${row}`, "distance")}, ld = ${up(`d${row}`, "distance")};
const float ra = ${down(`a${row}`, "distance")}, rc = ${down(`c${row}`, "distance")}, rd = ${down(`d${row}`, "distance")};
const float pivot = 1.0f - a${row} * lc - c${row} * ra;
${divideAll(division, "pivot", [
  [`d${row}`, `d${row} - a${row} * ld - c${row} * rd`],
  [`a${row}`, `-a${row} * la`],
  [`c${row}`, `-c${row} * rc`],
])}
}`;
}

/** Solves the system of the lanes' first and last rows; leaves them in x0 and xm. */
function solveReduced(reduced: string, division: string): string {
  const start = `float a0 = a[0], c0 = c[0], d0 = d[0];
float am = a[M - 1], cm = c[M - 1], dm = d[M - 1];
const float lower_a = ${up("am", "1")}, lower_c = ${up("cm", "1")}, lower_d = ${up("dm", "1")};
`;
  const firstRow = `{
const float pivot = 1.0f - a0 * lower_c - c0 * am;
${divideAll(division, "pivot", [
  ["d0", "d0 - a0 * lower_d - c0 * dm"],
  ["a0", "-a0 * lower_a"],
  ["c0", "-c0 * cm"],
])}
}`;
  if (reduced === "firsts")
    return `${start}${firstRow}
#pragma unroll
for (int distance = 1; distance < LANES; distance *= 2) {
${doubling(division, "0")}
}
const float x0 = d0;
const float xm = dm - am * x0 - cm * ${down("x0", "1")};`;
  return `${start}const float upper_a = ${down("a0", "1")}, upper_c = ${down("c0", "1")}, upper_d = ${down("d0", "1")};
const float old_a = a0, old_c = c0, old_d = d0;
${firstRow}
{
const float pivot = 1.0f - am * old_c - cm * upper_a;
${divideAll(division, "pivot", [
  ["dm", "dm - am * old_d - cm * upper_d"],
  ["am", "-am * old_a"],
  ["cm", "-cm * upper_c"],
])}
}
#pragma unroll
for (int distance = 1; distance < LANES; distance *= 2) {
${doubling(division, "0")}
${doubling(division, "m")}
}
const float x0 = d0;
const float xm = dm;`;
}

const insideSolution = `d[0] = x0;
d[M - 1] = xm;
#pragma unroll
for (int i = 1; i < M - 1; ++i) {
d[i] -= a[i] * x0 + c[i] * xm;
}`;

const packedOptions = {
  reduced: ["pairs", "firsts"],
  division: divisions,
  load: ["plain", "__ldg", "__ldcs"],
  store: ["plain", "__stcs"],
  persistent: [false, true],
  staged: [false, true],
  rows: ["array", "union"],
  bounds: [true, false],
  lanes: [32, 16, 8],
  warps: [4, 8, 2],
} as const;

type PackedChoice = Chosen<typeof packedOptions>;

const spread = (k: string, at: string): string => `${k}[${at}] = q${k}.x;
${k}[${at} + 1] = q${k}.y;
${k}[${at} + 2] = q${k}.z;
${k}[${at} + 3] = q${k}.w;`;

function packedLoad(o: PackedChoice): string {
  const names = ["a", "b", "c", "d"];
  const read = (place: string): string => (o.load === "plain" ? `*(${place})` : `${o.load}(${place})`);
  if (o.staged)
    return names
      .map(
        (k) => `__syncwarp();
#pragma unroll
for (int p = 0; p < M / 4; ++p) {
mine[p * 32 + lane] = ${read(`reinterpret_cast<const float4*>(in_${k} + base) + p * 32 + lane`)};
}
__syncwarp();
#pragma unroll
for (int p = 0; p < M / 4; ++p) {
const float4 q${k} = mine[lane * (M / 4) + p];
${spread(k, "4 * p")}
}`,
      )
      .join("\n");
  const place = (k: string): string => `reinterpret_cast<const float4*>(in_${k} + base + lane * M) + p`;
  if (o.rows === "union")
    return `#pragma unroll
for (int p = 0; p < M / 4; ++p) {
${names.map((k) => `reinterpret_cast<float4*>(${k})[p] = ${read(place(k))};`).join("\n")}
}`;
  return `#pragma unroll
for (int p = 0; p < M / 4; ++p) {
${names.map((k) => `const float4 q${k} = ${read(place(k))};\n${spread(k, "4 * p")}`).join("\n")}
}`;
}

function packedStore(o: PackedChoice): string {
  const value = "make_float4(d[4 * p], d[4 * p + 1], d[4 * p + 2], d[4 * p + 3])";
  const put = (place: string, what: string): string =>
    o.store === "plain" ? `*(${place}) = ${what};` : `__stcs(${place}, ${what});`;
  if (o.staged)
    return `__syncwarp();
#pragma unroll
for (int p = 0; p < M / 4; ++p) {
mine[lane * (M / 4) + p] = ${value};
}
__syncwarp();
#pragma unroll
for (int p = 0; p < M / 4; ++p) {
${put("reinterpret_cast<float4*>(out + base) + p * 32 + lane", "mine[p * 32 + lane]")}
}`;
  return `#pragma unroll
for (int p = 0; p < M / 4; ++p) {
${put("reinterpret_cast<float4*>(out + base + lane * M) + p", value)}
}`;
}

/** Lanes hold runs of neighbouring rows. */
export const packedLanes = template({
  id: "packed-lanes",
  from: "strided-lanes",
  idea: "Give each lane a run of neighbouring rows, eliminate inside it, and couple only its ends through shuffles",
  options: packedOptions,
  valid: (o) => !o.staged || (o.rows === "array" && o.lanes < 32),
  count: 28,
  write(o, s) {
    const union = o.rows === "union";
    const work = `const size_t base = (size_t)unit * SHARE * N;
${union ? "__align__(16) float a[M], b[M], c[M], d[M];" : "float a[M], b[M], c[M], d[M];"}
${packedLoad(o)}
${eliminateInside(o.division)}
${solveReduced(o.reduced, o.division)}
${insideSolution}
${packedStore(o)}`;
    const first = "blockIdx.x * WARPS + threadIdx.x / 32";
    const body = o.persistent
      ? `for (int unit = ${first}; unit < BATCH / SHARE; unit += gridDim.x * WARPS) {
${work}
}`
      : `const int unit = ${first};
${work}`;
    const share = 32 / o.lanes;
    const source = `${constants(s)}constexpr int LANES = ${o.lanes};
constexpr int M = N / LANES;
// Systems of a warp.
constexpr int SHARE = 32 / LANES;
constexpr int WARPS = ${o.warps};

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(WARPS * 32) ")}lane_runs(const float* __restrict__ in_a, const float* __restrict__ in_b, const float* __restrict__ in_c, const float* __restrict__ in_d, float* __restrict__ out) {
${on(o.staged, "__shared__ float4 board[WARPS][8 * M];\nfloat4* mine = board[threadIdx.x / 32];")}
const int lane = threadIdx.x % 32;
${body}
}
`;
    const units = batchOf(s) / share;
    const grid = o.persistent ? 132 * (32 / o.warps) : units / o.warps;
    return styled(
      { source, launches: [launch("lane_runs", grid, o.warps * 32, arrays)] },
      { names: "camel", indent: 2 },
    );
  },
});

const ringOptions = {
  copies: ["pipeline", "ptx"],
  reduced: ["firsts", "pairs"],
  division: divisions,
  guard: ["branch", "clamp"],
  deal: ["round robin", "runs"],
  store: ["plain", "__stcs"],
  bounds: [true, false],
  early: [true, false],
  stages: [2, 3, 4],
  warps: [4, 8, 2],
  resident: [4, 2, 8],
} as const;

type RingChoice = Chosen<typeof ringOptions>;

function ringRequest(o: RingChoice): string {
  const copy = (k: string, part: number): string => {
    const [to, from] = [`&ring[${part * 32}]`, `in_${k} + at`];
    return o.copies === "pipeline"
      ? `__pipeline_memcpy_async(${to}, ${from}, 16);`
      : `asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(${to})), "l"(${from}) : "memory");`;
  };
  const copies = ["a", "b", "c", "d"].map(copy).join("\n");
  const commit =
    o.copies === "pipeline" ? "__pipeline_commit();" : `asm volatile("cp.async.commit_group;" ::: "memory");`;
  const place = "const size_t at = (size_t)WHICH * N + 4 * (threadIdx.x % 32);";
  if (o.guard === "clamp") return `${place.replace("WHICH", "min(system, BATCH - 1)")}\n${copies}\n${commit}`;
  return `if (system < end) {\n${place.replace("WHICH", "system")}\n${copies}\n}\n${commit}`;
}

/** Systems arrive asynchronously ahead of their turn. */
export const asyncChunks = template({
  id: "async-systems",
  from: "packed-lanes",
  idea: "Let warps stay and copy their next systems asynchronously while they solve the present one",
  options: ringOptions,
  valid: (o) => o.warps * o.resident <= 32,
  count: 24,
  write(o, s) {
    const batch = batchOf(s);
    const grid = Math.min(132 * o.resident, batch / o.warps);
    const robin = o.deal === "round robin";
    const per = Math.ceil(batch / (grid * o.warps));
    const wait =
      o.copies === "pipeline"
        ? "__pipeline_wait_prior(STAGES - 1);"
        : `asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 1) : "memory");`;
    const next = "request(slots + turn * 128, in_a, in_b, in_c, in_d, system + STAGES * step, end);";
    const reads = ["a", "b", "c", "d"]
      .map((k, part) => `const float4 q${k} = ring[${part * 32}];\n${spread(k, "0")}`)
      .join("\n");
    const put = "make_float4(d[0], d[1], d[2], d[3])";
    const target = "reinterpret_cast<float4*>(out + (size_t)system * N) + lane";
    const source = `${on(o.copies === "pipeline", "#include <cuda_pipeline.h>\n\n")}${constants(s)}constexpr int LANES = 32;
constexpr int M = 4;
constexpr int STAGES = ${o.stages};
constexpr int WARPS = ${o.warps};
${on(!robin, `constexpr int RUN = ${per};\n`)}
// Each lane copies what it reads later itself.
__device__ __forceinline__ void request(float4* ring, const float* in_a, const float* in_b, const float* in_c, const float* in_d, int system, int end) {
${ringRequest(o)}
}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(WARPS * 32) ")}stream_systems(const float* __restrict__ in_a, const float* __restrict__ in_b, const float* __restrict__ in_c, const float* __restrict__ in_d, float* __restrict__ out) {
extern __shared__ float4 pool[];
const int lane = threadIdx.x % 32;
float4* slots = pool + threadIdx.x / 32 * (STAGES * 128) + lane;
const int worker = blockIdx.x * WARPS + threadIdx.x / 32;
const int begin = ${robin ? "worker" : "worker * RUN"};
const int end = ${robin ? "BATCH" : "min(begin + RUN, BATCH)"};
const int step = ${robin ? "gridDim.x * WARPS" : "1"};
for (int s = 0; s < STAGES; ++s) {
request(slots + s * 128, in_a, in_b, in_c, in_d, begin + s * step, end);
}
int turn = 0;
for (int system = begin; system < end; system += step) {
${wait}
const float4* ring = slots + turn * 128;
float a[M], b[M], c[M], d[M];
${reads}
${on(o.early, next)}
${eliminateInside(o.division)}
${solveReduced(o.reduced, o.division)}
${insideSolution}
${o.store === "plain" ? `*(${target}) = ${put};` : `__stcs(${target}, ${put});`}
${on(!o.early, next)}
turn = (turn + 1) % STAGES;
}
}
`;
    const launches = [launch("stream_systems", grid, o.warps * 32, arrays, 16 * 128 * o.stages * o.warps)];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
