import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { exponentials, include, lanesTo, scaleOf, shapeOf, sizesText } from "./common.ts";

const registerOptions = {
  rows: ["queries", "heads"],
  turned: [false, true],
  columns: ["strided", "adjacent"],
  share_room: [false, true],
  exponential: exponentials,
  shift: [true, false],
  skip: ["none", "open"],
  unroll: [false, true],
  half_room: [false, true],
  bounded: [false, true],
  pad: [1, 4],
} as const;
type Registers = Chosen<typeof registerOptions>;

const valueOf = (o: Registers, text: string): string => (o.half_room ? `__half2float(${text})` : text);
const columnOf = (o: Registers): string => (o.columns === "strided" ? "tx + 16 * c" : "tx * 4 + c");
const keyAt = (o: Registers, key: string, d: string): string =>
  o.turned ? `keys[(${d}) * PITCH + ${key}]` : `keys[(${key}) * PITCH + ${d}]`;

function fillText(o: Registers, target: string, from: string): string {
  return `for (int e = tid; e < 64 * 32; e += 256) {
const int r = e / 32, d = e % 32 * 2;
const half2 pair = *reinterpret_cast<const half2*>(${from} + ((size_t)min(j0 + r, SEQ - 1) * KV_HEADS + kv) * DIM + d);
${target === "keys" ? keyAt(o, "r", "d") : "values[r * PITCH + d]"} = ${o.half_room ? "pair.x" : "__low2float(pair)"};
${target === "keys" ? keyAt(o, "r", "d + 1") : "values[r * PITCH + d + 1]"} = ${o.half_room ? "pair.y" : "__high2float(pair)"};
}`;
}

function maskText(o: Registers): string {
  const packed = o.rows === "heads";
  return o.skip === "open"
    ? `const bool open = j0 + 63 <= i0 && j0 > i0 + QUERIES - 1 - WINDOW;
if (!open) {
#pragma unroll
for (int r = 0; r < 4; ++r)
#pragma unroll
for (int c = 0; c < 4; ++c) {
const int j = j0 + ${columnOf(o)}, i = i0 + ${packed ? "(ty * 4 + r) / SHARE" : "ty * 4 + r"};
if (j > i || j <= i - WINDOW) s[r][c] = -1e30f;
}
}`
    : `#pragma unroll
for (int r = 0; r < 4; ++r)
#pragma unroll
for (int c = 0; c < 4; ++c) {
const int j = j0 + ${columnOf(o)}, i = i0 + ${packed ? "(ty * 4 + r) / SHARE" : "ty * 4 + r"};
s[r][c] = j > i || j <= i - WINDOW ? -1e30f : s[r][c];
}`;
}

function softmaxText(o: Registers): string {
  return o.shift
    ? `float next = top[r];
#pragma unroll
for (int c = 0; c < 4; ++c) next = fmaxf(next, s[r][c]);
${lanesTo("next", "max", 16)}
const float fade = ${o.exponential}(top[r] - next);
top[r] = next;
total[r] *= fade;
#pragma unroll
for (int c = 0; c < 4; ++c) {
acc[r][c] *= fade;
const float e = s[r][c] > -1e29f ? ${o.exponential}(s[r][c] - next) : 0.0f;`
    : `#pragma unroll
for (int c = 0; c < 4; ++c) {
const float e = ${o.exponential}(s[r][c]);`;
}

function scoresText(o: Registers): string {
  const pragma = on(o.unroll, "#pragma unroll 8\n");
  return `float s[4][4] = {};
${pragma}for (int d = 0; d < DIM; ++d) {
float a[4], b[4];
#pragma unroll
for (int r = 0; r < 4; ++r) a[r] = ${valueOf(o, "queries[(ty * 4 + r) * PITCH + d]")};
#pragma unroll
for (int c = 0; c < 4; ++c) b[c] = ${valueOf(o, keyAt(o, columnOf(o), "d"))};
#pragma unroll
for (int r = 0; r < 4; ++r)
#pragma unroll
for (int c = 0; c < 4; ++c) s[r][c] = fmaf(a[r], b[c], s[r][c]);
}
#pragma unroll
for (int r = 0; r < 4; ++r)
#pragma unroll
for (int c = 0; c < 4; ++c) s[r][c] *= ${scaleOf(o.exponential)};
${maskText(o)}
#pragma unroll
for (int r = 0; r < 4; ++r) {
${softmaxText(o)}
total[r] += e;
weights[(ty * 4 + r) * PITCH + ${columnOf(o)}] = ${o.half_room ? "__float2half(e)" : "e"};
}
}`;
}

function productsText(o: Registers): string {
  const pragma = on(o.unroll, "#pragma unroll 8\n");
  return `${pragma}for (int t = 0; t < 64; ++t) {
float a[4], b[4];
#pragma unroll
for (int r = 0; r < 4; ++r) a[r] = ${valueOf(o, "weights[(ty * 4 + r) * PITCH + t]")};
#pragma unroll
for (int c = 0; c < 4; ++c) b[c] = ${valueOf(o, `values[t * PITCH + ${columnOf(o)}]`)};
#pragma unroll
for (int r = 0; r < 4; ++r)
#pragma unroll
for (int c = 0; c < 4; ++c) acc[r][c] = fmaf(a[r], b[c], acc[r][c]);
}`;
}

/** Scores and outputs in register tiles on the ordinary cores: 64 rows by 64 keys per block of 256 threads. */
export const registerTile = template({
  id: "register-tile",
  from: "key-tile",
  idea: "compute tiles of scores and of outputs in registers, four by four per thread",
  count: 24,
  options: registerOptions,
  valid: (o) => !(o.half_room && o.turned),
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const packed = o.rows === "heads";
    const queries = packed ? 64 / shape.share : 64;
    const type = o.half_room ? "half" : "float";
    const pitch = o.half_room ? 66 : 64 + o.pad;
    const bytes = o.half_room ? 2 : 4;
    const source = `${include}
${sizesText(shape, true)}
#define QUERIES ${queries}
#define PITCH ${pitch}

extern "C" __global__ void ${on(o.bounded, "__launch_bounds__(256, 2) ")}attend_register_tiles(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, half* __restrict__ out) {
extern __shared__ __align__(16) unsigned char room[];
${type}* queries = reinterpret_cast<${type}*>(room);
${type}* keys = queries + 64 * PITCH;
${type}* values = ${o.share_room ? "keys" : "keys + 64 * PITCH"};
${type}* weights = keys + ${o.share_room ? "64" : "128"} * PITCH;
const int tid = threadIdx.x, tx = tid % 16, ty = tid / 16;
const int i0 = blockIdx.x * QUERIES;
const int kv = ${packed ? "blockIdx.y" : "blockIdx.y / SHARE"}${on(!packed, ", h = blockIdx.y")};
for (int e = tid; e < 64 * 64; e += 256) {
const int r = e / 64, d = e % 64;
${packed ? "const int i = i0 + r / SHARE, head = kv * SHARE + r % SHARE;" : "const int i = i0 + r, head = h;"}
queries[r * PITCH + d] = q[((size_t)i * HEADS + head) * DIM + d];
}
float acc[4][4] = {}, total[4] = {};
${on(o.shift, "float top[4] = {-1e30f, -1e30f, -1e30f, -1e30f};")}
for (int j0 = max(0, i0 - WINDOW + 1) / 64 * 64; j0 < i0 + QUERIES; j0 += 64) {
__syncthreads();
${fillText(o, "keys", "k")}
${on(!o.share_room, fillText(o, "values", "v"))}
__syncthreads();
${scoresText(o)}
__syncthreads();
${on(o.share_room, `${fillText(o, "values", "v")}\n__syncthreads();`)}
${productsText(o)}
}
#pragma unroll
for (int r = 0; r < 4; ++r) {
float all = total[r];
${lanesTo("all", "sum", 16)}
const int row = ty * 4 + r;
${packed ? "const int i = i0 + row / SHARE, head = kv * SHARE + row % SHARE;" : "const int i = i0 + row, head = h;"}
#pragma unroll
for (int c = 0; c < 4; ++c) out[((size_t)i * HEADS + head) * DIM + ${columnOf(o)}] = __float2half(acc[r][c] / all);
}
}
`;
    const room = (o.share_room ? 3 : 4) * 64 * pitch * bytes;
    const grid = [shape.seq / queries, packed ? shape.kvHeads : shape.heads] as const;
    const main = launch("attend_register_tiles", grid, 256, ["q", "k", "v", "out"], room);
    return styled({ source, launches: [main] }, { names: "snake", indent: 2 });
  },
});
