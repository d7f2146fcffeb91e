import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { dealt, finishes, handOver, rowsOf, sideKernel, withSide } from "./common.ts";

const elementOptions = {
  finish: finishes,
  rows: ["stride", "range"],
  half: [false, true],
  sums: ["one", "two", "four"],
  walk: ["index", "pointer"],
  read: ["plain", "__ldg"],
  unroll: [false, true],
  size: ["constexpr", "args"],
  slices: [128, 64, 256, 512],
  block: [256, 128, 512],
} as const;

type ElementChoice = Chosen<typeof elementOptions>;

function elementLoop(o: ElementChoice): string {
  const count = o.sums === "one" ? 1 : o.sums === "two" ? 2 : 4;
  const get = (place: string): string => (o.read === "plain" ? place : `__ldg(&${place})`);
  const stride = o.rows === "stride";
  const step = stride ? "gridDim.y" : "1";
  const declare = `float ${repeat(count, (k) => `s${k} = 0.0f`, ", ")};`;
  const range = `const int span = (ROWS + gridDim.y - 1) / gridDim.y;
const int begin = blockIdx.y * span, end = min(begin + span, ROWS);
`;
  const [begin, end] = stride ? ["blockIdx.y", "ROWS"] : ["begin", "end"];
  const pragma = on(o.unroll, "#pragma unroll 4\n");
  const head = `${declare}\n${on(!stride, range)}`;
  const total = repeat(count, (k) => `s${k}`, " + ");
  if (o.walk === "pointer")
    return `${head}const float* at = x + (size_t)${stride ? "blockIdx.y" : "begin"} * 64;
${pragma}for (int row = ${begin}; row < ${end}; row += ${count} * ${step}) {
${repeat(count, (k) => `${on(count > 1, `if (row + ${k} * ${step} < ${end}) {\n`)}s${k} += ${get("at[i]")} * ${get("at[j]")};${on(count > 1, "\n}")}\nat += 64 * (size_t)${step};`)}
}
const float sum = ${total};`;
  const term = (k: number): string => {
    const row = `(size_t)(row + ${k} * ${step}) * 64`;
    return `s${k} += ${get(`x[${row} + i]`)} * ${get(`x[${row} + j]`)};`;
  };
  return `${head}int row = ${begin};
${pragma}for (; row + ${count - 1} * ${step} < ${end}; row += ${count} * ${step}) {
${repeat(count, term)}
}
for (; row < ${end}; row += ${step}) {
${term(0)}
}
const float sum = ${total};`;
}

/** An element of G per thread and range of rows. */
export const elementSlices = template({
  id: "element-slices",
  from: null,
  idea: "Keep one element of G per thread and change how the rows are sliced and the slices' sums meet",
  options: elementOptions,
  count: 25,
  write(o, s) {
    const args = o.size === "args";
    const mirror = `if (i != j) {
${handOver(o.finish, "j * 64 + i", "sum", "blockIdx.y")}
}`;
    const source = `${args ? "" : `constexpr int ROWS = ${rowsOf(s)};\n`}
${sideKernel(o.finish, o.slices)}
extern "C" __global__ void gram_elements(const float* __restrict__ x, float* __restrict__ out${on(args, ", int ROWS")}) {
const int element = blockIdx.x * blockDim.x + threadIdx.x;
const int i = element / 64, j = element % 64;
${on(o.half, "if (i > j) {\nreturn;\n}")}
${elementLoop(o)}
${handOver(o.finish, "element", "sum", "blockIdx.y")}
${on(o.half, mirror)}
}
`;
    const scalars = args ? [{ i32: rowsOf(s) }] : [];
    const launches = withSide(o.finish, (out) =>
      launch("gram_elements", [4096 / o.block, o.slices], o.block, ["x", out, ...scalars]),
    );
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

const tileOptions = {
  finish: finishes,
  micro: ["4x4", "8x4", "8x8"],
  load: ["quads", "scalars"],
  deal: ["stride", "runs"],
  copies: ["one", "two"],
  named: [true, false],
  read: ["plain", "__ldg"],
  unroll: ["two", "none", "four"],
  bounds: [false, true],
  chunk: [32, 64, 128],
  grid: [264, 512, 132],
} as const;

type TileChoice = Chosen<typeof tileOptions>;

function tileRow(o: TileChoice, tm: number, tn: number): string {
  const vector = (name: string, side: string, width: number): string =>
    repeat(
      width / 4,
      (h) =>
        `const float4 ${name}${h} = ${o.read === "plain" ? `*reinterpret_cast<const float4*>(line + ${side} + ${4 * h})` : `__ldg(reinterpret_cast<const float4*>(line + ${side} + ${4 * h}))`};`,
    );
  const part = (name: string, k: number): string => `${name}${Math.floor(k / 4)}.${"xyzw"[k % 4]}`;
  if (o.load === "quads" && o.named)
    return `${vector("p", "i0", tm)}
${vector("q", "j0", tn)}
${repeat(tm, (i) => repeat(tn, (j) => `acc[${i}][${j}] += ${part("p", i)} * ${part("q", j)};`))}`;
  const fill =
    o.load === "quads"
      ? `${vector("p", "i0", tm)}
${vector("q", "j0", tn)}
const float left[TM] = {${repeat(tm, (k) => part("p", k), ", ")}};
const float right[TN] = {${repeat(tn, (k) => part("q", k), ", ")}};`
      : `float left[TM], right[TN];
#pragma unroll
for (int i = 0; i < TM; ++i) {
left[i] = line[i0 + i];
}
#pragma unroll
for (int j = 0; j < TN; ++j) {
right[j] = line[j0 + j];
}`;
  return `${fill}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
acc[i][j] += left[i] * right[j];
}
}`;
}

/** A block of G per thread, rows straight from global memory. */
export const globalTiles = template({
  id: "global-tiles",
  from: "element-slices",
  idea: "Sum a small block of G per thread and read the rows straight from global memory",
  options: tileOptions,
  count: 25,
  write(o, s) {
    const [tm = 4, tn = 4] = o.micro.split("x").map(Number);
    const per = 4096 / (tm * tn);
    const copies = o.copies === "two" ? 2 : 1;
    const threads = per * copies;
    const pragma = o.unroll === "two" ? "#pragma unroll 2\n" : o.unroll === "four" ? "#pragma unroll 4\n" : "";
    // With two copies each handles every other row, so each has an own part.
    const part = copies === 2 ? "(blockIdx.x * 2 + threadIdx.x / PER)" : "blockIdx.x";
    const source = `#define ROWS ${rowsOf(s)}
#define CHUNK ${o.chunk}
#define CHUNKS (ROWS / CHUNK)
#define TM ${tm}
#define TN ${tn}
#define PER ${per}

${sideKernel(o.finish, o.grid * copies)}
extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${threads}) `)}gram_tiles(const float* __restrict__ x, float* __restrict__ out) {
const int me = threadIdx.x${on(copies === 2, " % PER")};
const int j0 = me % (64 / TN) * TN;
const int i0 = me / (64 / TN) * TM;
${dealt(o.deal)}
float acc[TM][TN] = {};
for (int chunk = first; chunk < end; chunk += step) {
${pragma}for (int r = ${copies === 2 ? "threadIdx.x / PER" : "0"}; r < CHUNK; r += ${copies}) {
const float* line = x + ((size_t)chunk * CHUNK + r) * 64;
${tileRow(o, tm, tn)}
}
}
#pragma unroll
for (int i = 0; i < TM; ++i) {
#pragma unroll
for (int j = 0; j < TN; ++j) {
${handOver(o.finish, "(i0 + i) * 64 + j0 + j", "acc[i][j]", part)}
}
}
}
`;
    const launches = withSide(o.finish, (out) => launch("gram_tiles", o.grid, threads, ["x", out]));
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});
