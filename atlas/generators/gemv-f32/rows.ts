import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { blockSum, blockSums, colsOf, dotLoop, laneSum, laneSums, rowsOf, sizing, type Sizing } from "./shared.ts";

const threadOptions = {
  x: ["global", "ldg", "chunk"],
  walk: ["index", "pointer", "quads"],
  sums: ["one", "pair"],
  order: ["up", "rotated"],
  offset: ["size_t", "int"],
  restrict: [false, true],
  unroll: [false, true],
  size: ["args", "constexpr", "define"],
  block: [128, 32, 64, 256],
} as const;

function threadLoop(o: Chosen<typeof threadOptions>, size: Sizing): string {
  const chunk = o.x === "chunk";
  const xs = chunk ? "part" : "x";
  const readX = (place: string): string => (o.x === "ldg" ? `__ldg(&${place})` : place);
  const end = chunk ? "width" : size.cols;
  const pragma = on(o.unroll, "#pragma unroll 8\n");
  const pair = o.sums === "pair";
  if (o.walk === "quads")
    return `const float4* quads = reinterpret_cast<const float4*>(mine${on(chunk, " + start")});
const float4* x_quads = reinterpret_cast<const float4*>(${xs});
${pragma}for (int j = 0; j < ${end} / 4; ++j) {
const float4 p = quads[j];
const float4 q = ${readX("x_quads[j]")};
${pair ? "even += p.x * q.x + p.z * q.z;\nodd += p.y * q.y + p.w * q.w;" : "even += p.x * q.x + p.y * q.y + p.z * q.z + p.w * q.w;"}
}`;
  if (o.walk === "pointer")
    return `const float* at = mine${on(chunk, " + start")};
const float* x_at = ${xs};
${pragma}for (int left = ${end}; left > 0; left -= 2) {
even += at[0] * ${readX("x_at[0]")};
${pair ? "odd" : "even"} += at[1] * ${readX("x_at[1]")};
at += 2;
x_at += 2;
}`;
  const column = o.order === "rotated" ? "k" : "j";
  const rotate = `int k = j + (threadIdx.x % 32) * 4;
if (k >= ${end}) {
k -= ${end};
}
`;
  return `${pragma}for (int j = 0; j < ${end}; ++j) {
${on(o.order === "rotated", rotate)}${pair ? `if (j % 2 == 0) {\neven += mine[${on(chunk, "start + ")}${column}] * ${readX(`${xs}[${column}]`)};\n} else {\nodd += mine[${on(chunk, "start + ")}${column}] * ${readX(`${xs}[${column}]`)};\n}` : `even += mine[${on(chunk, "start + ")}${column}] * ${readX(`${xs}[${column}]`)};`}
}`;
}

/** A thread walks its row. */
export const rowThread = template({
  id: "row-thread",
  from: null,
  idea: "Keep one row per thread and change how the thread walks it and reads x",
  options: threadOptions,
  valid: (o) => o.order === "up" || o.walk === "index",
  count: 27,
  write(o, s) {
    const size = sizing(o.size, s);
    const q = on(o.restrict, " __restrict__");
    const loop = threadLoop(o, size);
    const body =
      o.x === "chunk"
        ? `__shared__ __align__(16) float part[1024];
for (int start = 0; start < ${size.cols}; start += 1024) {
const int width = min(1024, ${size.cols} - start);
__syncthreads();
for (int i = threadIdx.x; i < width; i += blockDim.x) {
part[i] = x[start + i];
}
__syncthreads();
${loop}
}`
        : loop;
    const source = `${size.header}extern "C" __global__ void matvec(const float*${q} a, const float*${q} x, float*${q} y${size.params}) {
const int row = blockIdx.x * blockDim.x + threadIdx.x;
const float* mine = a + ${o.offset === "int" ? `row * ${size.cols}` : `(size_t)row * ${size.cols}`};
float even = 0.0f;
${on(o.sums === "pair", "float odd = 0.0f;")}
${body}
y[row] = even${on(o.sums === "pair", " + odd")};
}
`;
    const draft = {
      source,
      launches: [launch("matvec", Math.ceil(rowsOf(s) / o.block), o.block, ["a", "x", "y", ...size.args])],
    };
    return styled(draft, { names: "snake", indent: 2 });
  },
});

/** A warp reads a row with neighbouring lanes on neighbouring columns. */
export const rowWarp = template({
  id: "row-warp",
  from: "row-thread",
  idea: "Give each row to a warp so that its loads coalesce",
  options: {
    width: [1, 4, 2],
    sums: ["one", "lanes", "chain"],
    unroll: ["none", "pragma", "ahead"],
    load: ["plain", "__ldg", "__ldcs"],
    loadX: ["plain", "__ldg"],
    reduce: laneSums,
    map: ["flat", "y axis", "stride"],
    restrict: [true, false],
    size: ["args", "constexpr", "define"],
    warps: [4, 8, 2, 16],
  },
  count: 24,
  write(o, s) {
    const size = sizing(o.size, s);
    const q = on(o.restrict, "__restrict__ ");
    const lane = o.map === "y axis" ? "threadIdx.x" : "threadIdx.x % 32";
    const first =
      o.map === "y axis" ? "blockIdx.x * blockDim.y + threadIdx.y" : "(blockIdx.x * blockDim.x + threadIdx.x) / 32";
    const loop = dotLoop({
      row: "mine",
      x: "x",
      first: "lane",
      step: "32",
      limit: size.cols,
      width: o.width,
      sums: o.sums,
      unroll: o.unroll,
      load: o.load,
      loadX: o.loadX,
    });
    const body = `const float* mine = a + (size_t)row * ${size.cols};
${loop}
sum = lane_total(sum);
if (lane == 0) {
y[row] = sum;
}`;
    const rows =
      o.map === "stride"
        ? `const int step = gridDim.x * blockDim.x / 32;
for (int row = ${first}; row < ${size.rows}; row += step) {
${body}
}`
        : `const int row = ${first};
if (row >= ${size.rows}) {
return;
}
${body}`;
    const source = `${size.header}${laneSum(o.reduce, "lane_total")}
extern "C" __global__ void row_per_warp(const float* ${q}a, const float* ${q}x, float* ${q}y${size.params}) {
const int lane = ${lane};
${rows}
}
`;
    const grid = o.map === "stride" ? 132 * Math.floor(64 / o.warps / 2) : Math.ceil(rowsOf(s) / o.warps);
    const block = o.map === "y axis" ? ([32, o.warps] as const) : o.warps * 32;
    const draft = { source, launches: [launch("row_per_warp", grid, block, ["a", "x", "y", ...size.args])] };
    return styled(draft, { names: "snake", indent: 4 });
  },
});

/** A block reads a row. */
export const rowBlock = template({
  id: "row-block",
  from: "row-warp",
  idea: "Give each row to a whole block and add its threads' sums in shared memory",
  options: {
    width: [1, 4, 2],
    reduce: blockSums,
    sums: ["one", "lanes", "chain"],
    unroll: ["none", "ahead", "pragma"],
    load: ["plain", "__ldg", "__ldcs"],
    part: ["strided", "contiguous"],
    persistent: [false, true],
    bounds: [false, true],
    size: ["constexpr", "args"],
    threads: [256, 128, 512, 1024, 64],
  },
  count: 16,
  write(o, s) {
    const size = sizing(o.size, s);
    const contiguous = o.part === "contiguous";
    const share = colsOf(s) / o.threads;
    const loop = dotLoop({
      row: contiguous ? "piece" : "mine",
      x: contiguous ? "x_piece" : "x",
      first: contiguous ? "0" : "threadIdx.x",
      step: contiguous ? "1" : "THREADS",
      limit: contiguous ? "SHARE" : size.cols,
      width: contiguous && share % 4 !== 0 ? 1 : o.width,
      sums: o.sums,
      unroll: o.unroll,
      load: o.load,
      loadX: "plain",
    });
    const pieces = `const float* piece = mine + threadIdx.x * SHARE;
const float* x_piece = x + threadIdx.x * SHARE;
`;
    const body = `const float* mine = a + (size_t)row * ${size.cols};
${on(contiguous, pieces)}${loop}
const float result = block_sum(sum);
if (threadIdx.x == 0) {
y[row] = result;
}`;
    const rows = o.persistent
      ? `for (int row = blockIdx.x; row < ${size.rows}; row += gridDim.x) {
${body}
}`
      : `const int row = blockIdx.x;
${body}`;
    const source = `#define THREADS ${o.threads}
${on(contiguous, `#define SHARE ${share}\n`)}
${size.header}${blockSum(o.reduce, o.threads)}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(THREADS) ")}gemv_rows(const float* __restrict__ a, const float* __restrict__ x,
float* __restrict__ y${size.params}) {
${rows}
}
`;
    const grid = o.persistent ? 132 * Math.max(1, 1024 / o.threads) : rowsOf(s);
    const draft = { source, launches: [launch("gemv_rows", grid, o.threads, ["a", "x", "y", ...size.args])] };
    return styled(draft, { names: "camel", indent: 2 });
  },
});
