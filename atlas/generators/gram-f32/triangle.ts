import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { dealt, finishes, handOver, rowsOf, sideKernel, withSide } from "./common.ts";
import { blockProducts } from "./tiles.ts";

const triangleOptions = {
  finish: finishes,
  place: ["search", "root", "table"],
  fill: ["quads", "scalars"],
  fragments: ["quads", "scalars"],
  deal: ["stride", "runs"],
  mirror: ["both", "second launch"],
  double: [false, true],
  fused: [false, true],
  unroll: [true, false],
  edge: [8, 4],
  copies: [4, 2, 6],
  chunk: [48, 24],
  grid: [264, 132, 528],
} as const;

type TriangleChoice = Chosen<typeof triangleOptions>;

/** Statements that find the pair ti >= tj of blocks of EDGE columns from a running number. */
function pairOf(place: string): string {
  if (place === "search")
    return `int ti = 0;
while ((ti + 1) * (ti + 2) / 2 <= pair) {
++ti;
}
const int tj = pair - ti * (ti + 1) / 2;`;
  if (place === "root")
    return `int ti = (int)((sqrtf(8.0f * pair + 1.0f) - 1.0f) * 0.5f);
if (ti * (ti + 1) / 2 > pair) {
--ti;
} else if ((ti + 1) * (ti + 2) / 2 <= pair) {
++ti;
}
const int tj = pair - ti * (ti + 1) / 2;`;
  return `const int ti = row_of_pair[pair];
const int tj = pair - ti * (ti + 1) / 2;`;
}

function pairTable(edge: number): string {
  const rows: number[] = [];
  for (let i = 0; i < 64 / edge; i++) for (let j = 0; j <= i; j++) rows.push(i);
  return `__constant__ unsigned char row_of_pair[${rows.length}] = {${rows.join(", ")}};\n`;
}

function triangleLoop(o: TriangleChoice): string {
  const use = `if (busy) {
${on(o.unroll, "#pragma unroll 2\n")}for (int r = copy; r < CHUNK; r += COPIES) {
const float* line = tile + r * PITCH;
${blockProducts({ quads: o.fragments === "quads", spread: "blocked", fused: o.fused })}
}
}`;
  const body = (name: string): string => `const float* from = x + (size_t)(${name}) * CHUNK * 64;
const int valid = min(CHUNK, ROWS - (${name}) * CHUNK) * 64;
${
  o.fill === "quads"
    ? `for (int e = threadIdx.x; e < CHUNK * 16; e += THREADS) {
reinterpret_cast<float4*>(tile)[e] = 4 * e < valid ? reinterpret_cast<const float4*>(from)[e] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
}`
    : `for (int e = threadIdx.x; e < CHUNK * 64; e += THREADS) {
tile[e] = e < valid ? from[e] : 0.0f;
}`
}`;
  if (!o.double)
    return `float* tile = pool;
for (int chunk = first; chunk < end; chunk += step) {
__syncthreads();
${body("chunk")}
__syncthreads();
${use}
}`;
  return `int now = 0;
for (int chunk = first; chunk < end; chunk += step) {
float* tile = pool + now * CHUNK * PITCH;
${body("chunk")}
__syncthreads();
${use}
now ^= 1;
}`;
}

/** Only blocks on and below the diagonal. */
export const packedTriangle = template({
  id: "packed-triangle",
  from: "grouped-rows",
  idea: "Sum only the blocks of G on and below its diagonal, packed onto the threads, and mirror them",
  options: triangleOptions,
  valid: (o) =>
    (o.edge === 8 || o.copies === 2) && (o.finish === "atomic" ? o.mirror === "both" : o.grid * o.copies <= 2048),
  count: 28,
  write(o, s) {
    const pairs = ((64 / o.edge) * (64 / o.edge + 1)) / 2;
    const threads = Math.ceil((pairs * o.copies) / 32) * 32;
    const both = o.mirror === "both";
    const parts = o.grid * o.copies;
    const part = "(blockIdx.x * COPIES + copy)";
    const give = handOver(o.finish, "(ti * TM + i) * 64 + tj * TN + j", "acc[i][j]", part);
    const other = handOver(o.finish, "(tj * TN + j) * 64 + ti * TM + i", "acc[i][j]", part);
    const mirrorKernel = `extern "C" __global__ void mirror_gram(float* g) {
const int i = blockIdx.x, j = threadIdx.x;
if (j / ${o.edge} > i / ${o.edge}) {
g[i * 64 + j] = g[j * 64 + i];
}
}
`;
    const source = `#define ROWS ${rowsOf(s)}
#define CHUNK ${o.chunk}
#define CHUNKS ((ROWS + CHUNK - 1) / CHUNK)
#define PITCH 64
#define TM ${o.edge}
#define TN ${o.edge}
#define PAIRS ${pairs}
#define COPIES ${o.copies}
#define THREADS ${threads}

${on(o.place === "table", pairTable(o.edge))}
${sideKernel(o.finish, parts)}
${on(!both, mirrorKernel)}
extern "C" __global__ void __launch_bounds__(THREADS) gram_triangle(const float* __restrict__ x, float* __restrict__ out) {
__shared__ __align__(16) float pool[${on(o.double, "2 * ")}CHUNK * PITCH];
const bool busy = threadIdx.x < PAIRS * COPIES;
const int pair = threadIdx.x % PAIRS;
const int copy = threadIdx.x / PAIRS;
${pairOf(o.place)}
${dealt(o.deal)}
float acc[TM][TN] = {};
${triangleLoop(o)}
if (busy) {
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
${give}
${on(both, `if (ti != tj) {\n${other}\n}`)}
}
}
}
}
`;
    const launches = withSide(o.finish, (out) => launch("gram_triangle", o.grid, threads, ["x", out]));
    if (!both) launches.push(launch("mirror_gram", 64, 64, ["g"]));
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
