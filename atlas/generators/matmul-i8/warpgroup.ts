import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { extents, orders, tileOrder } from "./shared.ts";

const groupOptions = {
  copies: ["loop", "columns"],
  turn: ["multiply first", "copy first"],
  store: ["pairs", "scalars", "board"],
  order: orders,
  primitives: ["ptx", "pipeline"],
  batch: ["tile", "step"],
  bounds: ["one", "two"],
  stages: [4, 3, 5],
  groups: [2, 1, 4],
  width: [128, 256, 64],
} as const;

type GroupChoice = Chosen<typeof groupOptions>;

/** The instruction for 64 x width sums and 32 bytes of k. */
function instruction(width: number): string {
  const count = width / 2;
  const names = Array.from({ length: count }, (_, i) => `%${i}`).join(", ");
  const outputs = Array.from({ length: count }, (_, i) => `"+r"(d[${i}])`).join(", ");
  return `__device__ __forceinline__ void multiply_async(int (&d)[${count}], unsigned long long a, unsigned long long b) {
asm volatile("{\\n.reg .pred p;\\nsetp.ne.b32 p, %${count + 2}, 0;\\n"
"wgmma.mma_async.sync.aligned.m64n${width}k32.s32.s8.s8 {${names}}, %${count}, %${count + 1}, p;\\n}"
: ${outputs}
: "l"(a), "l"(b), "r"(1));
}
`;
}

const helpers = `// A tile with rows of 128 bytes, k contiguous, chunks of 16 bytes exchanged by the row's low bits.
__device__ __forceinline__ unsigned long long describe(unsigned where) {
unsigned long long bits = (where & 0x3FFFF) >> 4;
bits |= 1ull << 16;
bits |= 64ull << 32;
bits |= 1ull << 62;
return bits;
}
`;

function stageCopy(o: GroupChoice): string {
  const ptx = o.primitives === "ptx";
  const type = ptx ? "unsigned" : "unsigned char*";
  const move = (to: string, from: string): string =>
    ptx
      ? `asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(${to}), "l"(${from}) : "memory");`
      : `__pipeline_memcpy_async(${to}, ${from}, 16);`;
  if (o.copies === "columns")
    return `// A thread keeps to its chunk of a row and steps down the rows.
__device__ __forceinline__ void fetch(${type} stage, const signed char* a, const signed char* b, int k0) {
const int row = threadIdx.x / 8;
const int chunk = threadIdx.x % 8;
${type} to = stage + row * 128 + (chunk ^ row % 8) * 16;
a += (size_t)row * K + k0 + chunk * 16;
b += (size_t)row * K + k0 + chunk * 16;
#pragma unroll
for (int r = 0; r < BM; r += THREADS / 8) {
${move("to + r * 128", "a + (size_t)r * K")}
}
#pragma unroll
for (int r = 0; r < BN; r += THREADS / 8) {
${move("to + (BM + r) * 128", "b + (size_t)r * K")}
}
}
`;
  return `__device__ __forceinline__ void fetch(${type} stage, const signed char* a, const signed char* b, int k0) {
#pragma unroll 4
for (int e = threadIdx.x; e < (BM + BN) * 8; e += THREADS) {
const int row = e / 8;
const int chunk = e % 8;
const signed char* from = row < BM ? a + (size_t)row * K : b + (size_t)(row - BM) * K;
${move("stage + row * 128 + (chunk ^ row % 8) * 16", "(from + k0 + chunk * 16)")}
}
}
`;
}

function groupLoop(o: GroupChoice): string {
  const ptx = o.primitives === "ptx";
  const pool = ptx ? "base" : "pool";
  const commit = ptx ? `asm volatile("cp.async.commit_group;" ::: "memory");` : "__pipeline_commit();";
  const wait = ptx
    ? `asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");`
    : "__pipeline_wait_prior(STAGES - 2);";
  const request = `if (step + STAGES - 1 < STEPS) {
fetch(${pool} + (step + STAGES - 1) % STAGES * STAGE, a_from, b_from, (step + STAGES - 1) * 128);
}
${commit}`;
  const submit = `asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");`;
  const multiply = `const unsigned stage = base + step % STAGES * STAGE;
const unsigned long long left = describe(stage + group * 8192);
const unsigned long long right = describe(stage + BM * 128);
asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
for (int part = 0; part < 4; ++part) {
multiply_async(sums, left + part * 2, right + part * 2);
${on(o.batch === "step", submit)}
}
${on(o.batch === "tile", submit)}`;
  return `for (int step = 0; step < STAGES - 1; ++step) {
fetch(${pool} + step * STAGE, a_from, b_from, step * 128);
${commit}
}
for (int step = 0; step < STEPS; ++step) {
${wait}
asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
__syncthreads();
${o.turn === "copy first" ? `${request}\n${multiply}` : `${multiply}\n${request}`}
}
asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");`;
}

function groupStore(o: GroupChoice): string {
  const line = (place: string, from: string): string =>
    o.store === "scalars"
      ? `(${place})[0] = sums[${from}];\n(${place})[1] = sums[${from} + 1];`
      : `*reinterpret_cast<int2*>(${place}) = make_int2(sums[${from}], sums[${from} + 1]);`;
  if (o.store !== "board")
    return `int* to = c + (size_t)(tile_row * BM + group * 64 + warp % 4 * 16 + lane / 4) * N + tile_col * BN + lane % 4 * 2;
#pragma unroll
for (int j = 0; j < BN / 8; ++j) {
${line("to + j * 8", "4 * j")}
${line("to + 8 * N + j * 8", "4 * j + 2")}
}`;
  return `__syncthreads();
int* board = reinterpret_cast<int*>(pool);
for (int part = 0; part < BN / 64; ++part) {
int* at = board + (group * 64 + warp % 4 * 16 + lane / 4) * 72 + lane % 4 * 2;
#pragma unroll
for (int j = 0; j < 8; ++j) {
#pragma unroll
for (int q = 0; q < BN / 64; ++q) {
if (q == part) {
${line("at + j * 8", "4 * (q * 8 + j)")}
${line("at + 8 * 72 + j * 8", "4 * (q * 8 + j) + 2")}
}
}
}
__syncthreads();
for (int e = threadIdx.x; e < BM * 16; e += THREADS) {
*reinterpret_cast<int4*>(c + (size_t)(tile_row * BM + e / 16) * N + tile_col * BN + part * 64 + e % 16 * 4) = *reinterpret_cast<const int4*>(board + e / 16 * 72 + e % 16 * 4);
}
__syncthreads();
}`;
}

const bytesOf = (o: GroupChoice): number => (o.groups * 64 + o.width) * 128 * o.stages;

/** Warpgroup products read both tiles from shared memory. */
export const warpgroup = template({
  id: "warpgroup",
  from: "mma-ring",
  idea: "Let whole warpgroups multiply tiles in shared memory with asynchronous instructions",
  options: groupOptions,
  valid: (o) =>
    bytesOf(o) <= (o.bounds === "two" ? 112 : 224) * 1024 &&
    !(o.groups === 4 && o.width === 256) &&
    (o.bounds === "one" || (o.groups * o.width <= 256 && o.width <= 128)),
  count: 24,
  write(o, s) {
    const { m, n, k } = extents(s);
    const source = `${on(o.primitives === "pipeline", "#include <cuda_pipeline.h>\n\n")}constexpr int M = ${m}, N = ${n}, K = ${k};
constexpr int BM = ${o.groups * 64}, BN = ${o.width};
constexpr int THREADS = ${o.groups * 128};
constexpr int STAGES = ${o.stages}, STEPS = K / 128;
constexpr int STAGE = (BM + BN) * 128;

${instruction(o.width)}
${helpers}
${stageCopy(o)}
extern "C" __global__ void __launch_bounds__(THREADS${on(o.bounds === "two", ", 2")}) s8_warpgroups(const signed char* __restrict__ a, const signed char* __restrict__ b, int* __restrict__ c) {
extern __shared__ __align__(1024) unsigned char pool[];
const unsigned base = (unsigned)__cvta_generic_to_shared(pool);
const int lane = threadIdx.x % 32;
const int warp = threadIdx.x / 32;
const int group = threadIdx.x / 128;
${tileOrder(o.order)}
const signed char* a_from = a + (size_t)tile_row * BM * K;
const signed char* b_from = b + (size_t)tile_col * BN * K;
int sums[BN / 2];
#pragma unroll
for (int i = 0; i < BN / 2; ++i) {
sums[i] = 0;
}
${groupLoop(o)}
${groupStore(o)}
}
`;
    const grid: [number, number] = [n / o.width, m / (o.groups * 64)];
    const draft = { source, launches: [launch("s8_warpgroups", grid, o.groups * 128, ["a", "b", "c"], bytesOf(o))] };
    return styled(draft, { names: "snake", indent: 2 });
  },
});
