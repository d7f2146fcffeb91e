import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { addScaled, batchOf, parts, pointers, quad } from "./common.ts";

const elementOptions = {
  place: ["matrix per z", "flat", "matrix per block"],
  sums: ["one", "two", "four"],
  axis: ["x to columns", "x to rows"],
  read: ["plain", "__ldg"],
  unroll: ["none", "four", "full"],
  walk: ["index", "pointer"],
  restrict: [false, true],
  size: ["constexpr", "args"],
  shape: ["32x8", "16x16", "64x4", "8x32"],
} as const;

type ElementChoice = Chosen<typeof elementOptions>;

function elementDot(o: ElementChoice): string {
  const get = (place: string): string => (o.read === "plain" ? place : `__ldg(&${place})`);
  const count = o.sums === "one" ? 1 : o.sums === "two" ? 2 : 4;
  const sums = Array.from({ length: count }, (_, i) => `s${i}`);
  const pragma = o.unroll === "none" ? "" : o.unroll === "four" ? "#pragma unroll 4\n" : "#pragma unroll\n";
  const terms =
    o.walk === "index"
      ? sums.map((sum, i) => `${sum} += ${get(`left[k + ${i}]`)} * ${get(`right[(k + ${i}) * N]`)};`)
      : sums.map((sum) => `${sum} += ${get("left[0]")} * ${get("right[0]")};\n++left;\nright += N;`);
  return `float ${sums.map((sum) => `${sum} = 0.0f`).join(", ")};
${pragma}for (int k = 0; k < N; k += ${count}) {
${terms.join("\n")}
}
const float sum = ${sums.join(" + ")};`;
}

/** An element of C per thread. */
export const elementThreads = template({
  id: "element-threads",
  from: null,
  idea: "Keep one element of C per thread and change how threads map to it and how it adds",
  options: elementOptions,
  count: 25,
  write(o, s) {
    const batch = batchOf(s);
    const [bx = 32, by = 8] = o.shape.split("x").map(Number);
    const swap = o.axis === "x to rows";
    const q = on(o.restrict, "__restrict__ ");
    const args = o.size === "args";
    const flat = `const int i = blockIdx.x * ${bx * by} + threadIdx.x;
const size_t base = (size_t)(i / (N * N)) * N * N;
${swap ? "const int row = i % N, col = i / N % N;" : "const int col = i % N, row = i / N % N;"}
`;
    const z = `const size_t base = (size_t)blockIdx.z * N * N;
const int ${swap ? "row" : "col"} = blockIdx.x * ${bx} + threadIdx.x;
const int ${swap ? "col" : "row"} = blockIdx.y * ${by} + threadIdx.y;
`;
    const block = `const size_t base = (size_t)blockIdx.x * N * N;
for (int e = threadIdx.x; e < N * N; e += ${bx * by}) {
${swap ? "const int row = e % N, col = e / N;" : "const int col = e % N, row = e / N;"}
`;
    const core = `const float* left = a + base + row * N;
const float* right = b + base + col;
${elementDot(o)}
c[base + row * N + col] = sum;`;
    const body = o.place === "flat" ? flat + core : o.place === "matrix per z" ? z + core : `${block}${core}\n}`;
    const source = `${args ? "" : "constexpr int N = 64;\n"}
extern "C" __global__ void small_products(${pointers(q)}${on(args, ", int N")}) {
${body}
}
`;
    const scalars = args ? [{ i32: 64 }] : [];
    const main =
      o.place === "matrix per z"
        ? {
            ...launch("small_products", 1, [bx, by], ["a", "b", "c", ...scalars]),
            grid: [64 / bx, 64 / by, batch] as const,
          }
        : launch("small_products", o.place === "flat" ? (batch * 4096) / (bx * by) : batch, bx * by, [
            "a",
            "b",
            "c",
            ...scalars,
          ]);
    return styled({ source, launches: [main] }, { names: "snake", indent: 2 });
  },
});

const rowOptions = {
  hold: ["scalars", "quads"],
  axis: ["row", "column"],
  part: [64, 32, 16],
  style: ["plus", "fmaf"],
  read: ["plain", "__ldg"],
  first: ["global", "shared"],
  unroll: [true, false],
  bounds: [false, true],
  matrices: [2, 4, 1],
} as const;

type RowChoice = Chosen<typeof rowOptions>;

function rowInner(o: RowChoice): string {
  const get = (place: string): string => (o.read === "plain" ? place : `__ldg(&${place})`);
  const pragma = on(o.unroll, "#pragma unroll 4\n");
  if (o.axis === "column")
    return `${pragma}for (int k = 0; k < 64; ++k) {
const float q = ${get("right[k * 64 + line]")};
#pragma unroll
for (int j = 0; j < PART; ++j) {
${addScaled(o.style, ["acc[j]"], "q", [o.first === "shared" ? "board[slot][(start + j) * 64 + k]" : get("left[(start + j) * 64 + k]")])}
}
}
#pragma unroll
for (int j = 0; j < PART; ++j) {
out[(start + j) * 64 + line] = acc[j];
}`;
  const right = o.first === "shared" ? "board[slot]" : "right";
  if (o.hold === "quads")
    return `${pragma}for (int k = 0; k < 64; ++k) {
const float p = ${get("left[line * 64 + k]")};
const float4* from = reinterpret_cast<const float4*>(${right} + k * 64 + start);
#pragma unroll
for (int j = 0; j < PART / 4; ++j) {
const float4 q = from[j];
${addScaled(
  o.style,
  parts.map((_, i) => `acc[4 * j + ${i}]`),
  "p",
  quad("q"),
)}
}
}
#pragma unroll
for (int j = 0; j < PART / 4; ++j) {
reinterpret_cast<float4*>(out + line * 64 + start)[j] = make_float4(acc[4 * j], acc[4 * j + 1], acc[4 * j + 2], acc[4 * j + 3]);
}`;
  return `${pragma}for (int k = 0; k < 64; ++k) {
const float p = ${get("left[line * 64 + k]")};
#pragma unroll
for (int j = 0; j < PART; ++j) {
${addScaled(o.style, ["acc[j]"], "p", [`${right}[k * 64 + start + j]`])}
}
}
#pragma unroll
for (int j = 0; j < PART; ++j) {
out[line * 64 + start + j] = acc[j];
}`;
}

/** A row or column of C, or a part of it, per thread. */
export const rowThreads = template({
  id: "row-threads",
  from: "element-threads",
  idea: "Give a thread a whole row or column of C, held in registers",
  options: rowOptions,
  valid: (o) =>
    (o.axis === "row" || o.hold === "scalars") &&
    (o.first === "global" || o.matrices < 4) &&
    (64 / o.part) * o.matrices <= 8,
  count: 24,
  write(o, s) {
    const per = 64 / o.part;
    const threads = 64 * per * o.matrices;
    const shared = o.first === "shared";
    const source = `#define PART ${o.part}
#define MATRICES ${o.matrices}
#define LINES ${64 * per}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(LINES * MATRICES) ")}row_products(${pointers("__restrict__ ")}) {
${on(shared, "__shared__ __align__(16) float board[MATRICES][4096];")}
const int slot = threadIdx.x / LINES;
const int line = threadIdx.x % 64;
const int start = threadIdx.x % LINES / 64 * PART;
const size_t base = ((size_t)blockIdx.x * MATRICES + slot) * 4096;
const float* left = a + base;
const float* right = b + base;
float* out = c + base;
${on(
  shared,
  `for (int e = threadIdx.x % LINES; e < 4096; e += LINES) {
board[slot][e] = ${o.axis === "row" ? "right" : "left"}[e];
}
__syncthreads();`,
)}
float acc[PART] = {};
${rowInner(o)}
}
`;
    const launches = [launch("row_products", batchOf(s) / o.matrices, threads, ["a", "b", "c"])];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});

const blockOptions = {
  left: ["scalars", "quads"],
  name: ["array", "named"],
  style: ["plus", "fmaf"],
  read: ["plain", "__ldg", "__ldcs"],
  store: ["quad", "scalars"],
  order: ["columns first", "rows first"],
  unroll: ["none", "two", "full"],
  bounds: [false, true],
  height: [4, 8, 2],
  matrices: [1, 2],
} as const;

type BlockChoice = Chosen<typeof blockOptions>;

function blockLoop(o: BlockChoice): string {
  const pragma =
    o.unroll === "none" ? "#pragma unroll 1\n" : o.unroll === "two" ? "#pragma unroll 2\n" : "#pragma unroll\n";
  const get4 = (place: string): string => {
    const pointer = `reinterpret_cast<const float4*>(${place})`;
    return o.read === "plain" ? `*${pointer}` : `${o.read}(${pointer})`;
  };
  const sum = (r: number | string): string => (o.name === "array" ? `acc[${r}]` : `acc${r}`);
  const row = (r: number | string, p: string): string => addScaled(o.style, quad(sum(r)), p, quad("q"));
  const rows = (p: (r: number | string) => string): string =>
    o.name === "named"
      ? repeat(o.height, (r) => row(r, p(r)))
      : `#pragma unroll
for (int r = 0; r < H; ++r) {
${row("r", p("r"))}
}`;
  if (o.left === "scalars")
    return `${pragma}for (int k = 0; k < 64; ++k) {
const float4 q = ${get4("right + k * 64")};
${rows((r) => `left[${r} * 64 + k]`)}
}`;
  const each = (part: (typeof parts)[number], i: number): string => `{
const float4 q = ${get4(`right + (k + ${i}) * 64`)};
${rows((r) => `p[${r}].${part}`)}
}`;
  return `${pragma}for (int k = 0; k < 64; k += 4) {
float4 p[H];
#pragma unroll
for (int r = 0; r < H; ++r) {
p[r] = *reinterpret_cast<const float4*>(left + r * 64 + k);
}
${parts.map(each).join("\n")}
}`;
}

/** A block of rows by four columns per thread, operands straight from global memory. */
export const globalBlocks = template({
  id: "global-blocks",
  from: "element-threads",
  idea: "Compute a block of rows by four columns per thread and leave the reuse between threads to the caches",
  options: blockOptions,
  count: 24,
  write(o, s) {
    const rows = 64 / o.height;
    const threads = 16 * rows;
    const place =
      o.order === "columns first"
        ? "const int col = tid % 16 * 4, row = tid / 16 * H;"
        : `const int row = tid % ${rows} * H, col = tid / ${rows} * 4;`;
    const sum = (r: number): string => (o.name === "array" ? `acc[${r}]` : `acc${r}`);
    const store = repeat(o.height, (r) =>
      o.store === "quad"
        ? `*reinterpret_cast<float4*>(out + ${r} * 64) = ${sum(r)};`
        : parts.map((part, i) => `out[${r} * 64 + ${i}] = ${sum(r)}.${part};`).join("\n"),
    );
    const declare =
      o.name === "array"
        ? "float4 acc[H] = {};"
        : repeat(o.height, (r) => `float4 acc${r} = make_float4(0.0f, 0.0f, 0.0f, 0.0f);`);
    const source = `constexpr int H = ${o.height};

extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${threads * o.matrices}) `)}block_products(${pointers("__restrict__ ")}) {
const int tid = threadIdx.x${on(o.matrices > 1, ` % ${threads}`)};
${place}
const size_t base = (size_t)${o.matrices > 1 ? `(blockIdx.x * ${o.matrices} + threadIdx.x / ${threads})` : "blockIdx.x"} * 4096;
const float* left = a + base + row * 64;
const float* right = b + base + col;
float* out = c + base + row * 64 + col;
${declare}
${blockLoop(o)}
${store}
}
`;
    const launches = [launch("block_products", batchOf(s) / o.matrices, threads * o.matrices, ["a", "b", "c"])];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
