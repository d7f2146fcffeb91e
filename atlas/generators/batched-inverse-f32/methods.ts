import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { batchOf, inverseOf, quotients, refinement } from "./shared.ts";

const elementOptions = {
  phases: ["two barriers", "two boards"],
  scale: ["row", "factor"],
  quotient: quotients,
  pad: ["none", "column"],
  place: ["axes", "flat"],
  read: ["plain", "__ldg"],
  loop: ["rolled", "unrolled"],
  bounds: [false, true],
  matrices: [4, 2, 8, 1],
} as const;

type ElementChoice = Chosen<typeof elementOptions>;

function elementLoop(o: ElementChoice): string {
  const two = o.phases === "two boards";
  const slot = on(two, "[k % 2]");
  const next = on(two, "[(k + 1) % 2]");
  const update =
    o.scale === "row"
      ? `const float scaled = col == k ? scale : top * scale;
held = row == k ? scaled : (col == k ? 0.0f : held) - left * scaled;`
      : `const float factor = left * scale;
if (row == k) {
held = col == k ? scale : held * scale;
} else {
held = col == k ? -factor : held - factor * top;
}`;
  return `#pragma unroll${on(o.loop === "rolled", " 1")}
for (int k = 0; k < 8; ++k) {
const float scale = ${inverseOf(o.quotient, `board${slot}[which][k][k]`)};
const float top = board${slot}[which][k][col];
const float left = board${slot}[which][row][k];
${update}
${on(!two, "__syncthreads();\n")}board${next}[which][row][col] = held;
__syncthreads();
}`;
}

/** A thread per number, with the matrix in shared memory. */
export const elementThreads = template({
  id: "element-threads",
  from: "staged-threads",
  idea: "Give every number of a matrix a thread and keep the matrix in shared memory",
  options: elementOptions,
  count: 30,
  write(o, s) {
    const axes = o.place === "axes";
    const place = axes
      ? "const int col = threadIdx.x, row = threadIdx.y, which = threadIdx.z;"
      : "const int col = threadIdx.x % 8, row = threadIdx.x / 8 % 8, which = threadIdx.x / 64;";
    const source = `constexpr int MATRICES = ${o.matrices};

${refinement(o.quotient)}extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(64 * MATRICES) ")}invert_elements(const float* __restrict__ a, float* __restrict__ inverse) {
__shared__ float board${on(o.phases === "two boards", "[2]")}[MATRICES][8][${o.pad === "none" ? "8" : "9"}];
${place}
const size_t at = ((size_t)blockIdx.x * MATRICES + which) * 64 + row * 8 + col;
float held = ${o.read === "plain" ? "a[at]" : "__ldg(&a[at])"};
board${on(o.phases === "two boards", "[0]")}[which][row][col] = held;
__syncthreads();
${elementLoop(o)}
inverse[at] = held;
}
`;
    const main = launch("invert_elements", batchOf(s) / o.matrices, 64 * o.matrices, ["a", "inverse"]);
    const block = axes ? ([8, 8, o.matrices] as const) : main.block;
    return styled({ source, launches: [{ ...main, block }] }, { names: "snake", indent: 2 });
  },
});

const factorOptions = {
  factors: ["each lane", "shared"],
  solve: ["split", "joined"],
  quotient: quotients,
  load: ["quads", "scalars"],
  diagonal: ["stored inverse", "divided late"],
  order: ["by rows", "by columns"],
  bounds: [true, false],
  skip: [true, false],
  block: [128, 64, 256],
} as const;

type FactorChoice = Chosen<typeof factorOptions>;

/** The factors L and U replace the matrix; the diagonal may hold its inverses. */
function factorText(o: FactorChoice, at: (i: string, j: string) => string): string {
  const stored = o.diagonal === "stored inverse";
  const inner = (outer: string): string =>
    outer === "rows"
      ? `#pragma unroll
for (int i = 0; i < 8; ++i) {
if (i > k) {
${at("i", "k")} *= scale;
#pragma unroll
for (int j = 0; j < 8; ++j) {
if (j > k) {
${at("i", "j")} -= ${at("i", "k")} * ${at("k", "j")};
}
}
}
}`
      : `#pragma unroll
for (int i = 0; i < 8; ++i) {
if (i > k) {
${at("i", "k")} *= scale;
}
}
#pragma unroll
for (int j = 0; j < 8; ++j) {
if (j > k) {
#pragma unroll
for (int i = 0; i < 8; ++i) {
if (i > k) {
${at("i", "j")} -= ${at("i", "k")} * ${at("k", "j")};
}
}
}
}`;
  return `#pragma unroll
for (int k = 0; k < 8; ++k) {
const float scale = ${inverseOf(o.quotient, at("k", "k"))};
${on(stored, `${at("k", "k")} = scale;`)}
${inner(o.order === "by rows" ? "rows" : "columns")}
}`;
}

function solveText(o: FactorChoice, at: (i: string, j: string) => string): string {
  const last = o.diagonal === "stored inverse" ? `y[i] *= ${at("i", "i")};` : `y[i] = y[i] / ${at("i", "i")};`;
  const start = `float y[8];
#pragma unroll
for (int i = 0; i < 8; ++i) {
y[i] = i == lane ? 1.0f : 0.0f;
}`;
  const forward =
    o.solve === "split"
      ? `#pragma unroll
for (int i = 1; i < 8; ++i) {
${on(o.skip, "if (i > lane) {\n")}float sum = y[i];
#pragma unroll
for (int j = 0; j < 8; ++j) {
if (j < i) {
sum -= ${at("i", "j")} * y[j];
}
}
y[i] = sum;
${on(o.skip, "}\n")}}`
      : `#pragma unroll
for (int j = 0; j < 7; ++j) {
#pragma unroll
for (int i = 0; i < 8; ++i) {
if (i > j) {
y[i] -= ${at("i", "j")} * y[j];
}
}
}`;
  const backward =
    o.solve === "split"
      ? `#pragma unroll
for (int i = 7; i >= 0; --i) {
#pragma unroll
for (int j = 0; j < 8; ++j) {
if (j > i) {
y[i] -= ${at("i", "j")} * y[j];
}
}
${last}
}`
      : `#pragma unroll
for (int i = 7; i >= 0; --i) {
${last}
#pragma unroll
for (int above = 0; above < 8; ++above) {
if (above < i) {
y[above] -= ${at("above", "i")} * y[i];
}
}
}`;
  return `${start}\n${forward}\n${backward}`;
}

/** Factors first; then each lane solves for its column of the inverse. */
export const factorColumns = template({
  id: "factor-columns",
  from: "column-lanes",
  idea: "Factor the matrix and let eight lanes solve for a column of the inverse each",
  options: factorOptions,
  valid: (o) => o.solve === "split" || !o.skip,
  count: 30,
  write(o, s) {
    const per = o.block / 8;
    const shared = o.factors === "shared";
    const at = shared
      ? (i: string, j: string): string => `lu[${i}][${j}]`
      : (i: string, j: string): string => `m[${i}][${j}]`;
    const load = shared
      ? `for (int e = threadIdx.x; e < ${per} * 64; e += ${o.block}) {
(&boards[0][0][0])[e / 8 * 9 + e % 8] = a[(size_t)blockIdx.x * ${per} * 64 + e];
}
__syncthreads();
if (lane == 0) {
${factorText(o, at)}
}
__syncthreads();`
      : o.load === "quads"
        ? `float m[8][8];
#pragma unroll
for (int i = 0; i < 8; ++i) {
const float4 low = reinterpret_cast<const float4*>(from)[2 * i], high = reinterpret_cast<const float4*>(from)[2 * i + 1];
${repeat(4, (j) => `m[i][${j}] = low.${"xyzw"[j]};\nm[i][${j + 4}] = high.${"xyzw"[j]};`)}
}
${factorText(o, at)}`
        : `float m[8][8];
#pragma unroll
for (int e = 0; e < 64; ++e) {
m[e / 8][e % 8] = from[e];
}
${factorText(o, at)}`;
    const source = `${refinement(o.quotient)}extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.block}) `)}invert_by_factors(const float* __restrict__ a, float* __restrict__ inverse) {
const int lane = threadIdx.x % 8;
const int matrix = blockIdx.x * ${per} + threadIdx.x / 8;
${shared ? `__shared__ float boards[${per}][8][9];\nfloat (*lu)[9] = boards[threadIdx.x / 8];` : "const float* from = a + (size_t)matrix * 64;"}
${load}
${solveText(o, at)}
#pragma unroll
for (int i = 0; i < 8; ++i) {
inverse[(size_t)matrix * 64 + i * 8 + lane] = y[i];
}
}
`;
    return styled(
      { source, launches: [launch("invert_by_factors", batchOf(s) / per, o.block, ["a", "inverse"])] },
      { names: "camel", indent: 4 },
    );
  },
});
