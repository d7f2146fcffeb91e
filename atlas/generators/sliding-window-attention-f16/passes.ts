import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { dotRow, exponentials, include, lanesTo, scaleOf, shapeOf, sizesText, spreadEight } from "./common.ts";

const turnKernel = `extern "C" __global__ void turn_keys(const half* __restrict__ k, half* __restrict__ turned) {
__shared__ half board[32][34];
const int j0 = blockIdx.x * 32, c0 = blockIdx.y * 32;
for (int r = threadIdx.y; r < 32; r += 8) board[r][threadIdx.x] = k[(size_t)(j0 + r) * KV_HEADS * DIM + c0 + threadIdx.x];
__syncthreads();
for (int r = threadIdx.y; r < 32; r += 8) turned[(size_t)(c0 + r) * SEQ + j0 + threadIdx.x] = board[threadIdx.x][r];
}
`;

const bandOptions = {
  turned: [false, true],
  wide: [false, true],
  together: [false, true],
  normalise: ["early", "late"],
  values: ["pairs", "eights"],
  exponential: exponentials,
  shift: [true, false],
  unroll: [false, true],
  restrict: [false, true],
  rows: [4, 8],
} as const;
type Band = Chosen<typeof bandOptions>;

function scoresText(o: Band): string {
  const score = o.turned
    ? `const half* key = turned + (size_t)kv * DIM * SEQ + max(j, 0);
float sum = 0.0f;
${on(o.unroll, "#pragma unroll 8\n")}for (int d = 0; d < DIM; ++d) sum += own[d] * __half2float(key[(size_t)d * SEQ]);`
    : `const half* key = k + ((size_t)max(j, 0) * KV_HEADS + kv) * DIM;
${dotRow(o.wide, "own", "key")}`;
  return o.together
    ? `__shared__ float queries[SHARE][DIM];
const int i = blockIdx.x, kv = blockIdx.y;
for (int e = threadIdx.x; e < SHARE * DIM; e += WINDOW) queries[e / DIM][e % DIM] = ${scaleOf(o.exponential)} * __half2float(q[((size_t)i * HEADS + kv * SHARE) * DIM + e]);
__syncthreads();
const int j = i - WINDOW + 1 + threadIdx.x;
for (int s = 0; s < SHARE; ++s) {
const float* own = queries[s];
${score}
workspace[((size_t)(kv * SHARE + s) * SEQ + i) * WINDOW + threadIdx.x] = j >= 0 ? sum : -1e30f;
}`
    : `__shared__ float own[DIM];
const int i = blockIdx.x, h = blockIdx.y, kv = h / SHARE;
if (threadIdx.x < DIM) own[threadIdx.x] = ${scaleOf(o.exponential)} * __half2float(q[((size_t)i * HEADS + h) * DIM + threadIdx.x]);
__syncthreads();
const int j = i - WINDOW + 1 + threadIdx.x;
${score}
workspace[((size_t)h * SEQ + i) * WINDOW + threadIdx.x] = j >= 0 ? sum : -1e30f;`;
}

function softmaxText(o: Band): string {
  const late = o.normalise === "late";
  return `extern "C" __global__ void weigh_rows(float* workspace) {
const int lane = threadIdx.x % 32;
float* row = workspace + ((size_t)blockIdx.x * ${o.rows} + threadIdx.x / 32) * WINDOW;
${
  o.shift
    ? `float top = -1e30f;
for (int t = lane; t < WINDOW; t += 32) top = fmaxf(top, row[t]);
${lanesTo("top", "max")}`
    : "const float top = 0.0f;"
}
${late ? "" : "float total = 0.0f;"}
for (int t = lane; t < WINDOW; t += 32) {
const float e = ${o.exponential}(row[t] - top);
row[t] = e;
${late ? "" : "total += e;"}
}
${late ? "" : `${lanesTo("total", "sum")}\nfor (int t = lane; t < WINDOW; t += 32) row[t] /= total;`}
}
`;
}

function pairsText(o: Band): string {
  const late = o.normalise === "late";
  const pragma = on(o.unroll, "#pragma unroll 4\n");
  return `const int lane = threadIdx.x % 32;
const size_t row = (size_t)blockIdx.x * ${o.rows} + threadIdx.x / 32;
const int i = row % SEQ, h = row / SEQ, kv = h / SHARE;
const float* weight = workspace + row * WINDOW;
float ax = 0.0f, ay = 0.0f${on(late, ", total = 0.0f")};
${pragma}for (int t = max(0, WINDOW - 1 - i); t < WINDOW; ++t) {
const float2 b = __half22float2(reinterpret_cast<const half2*>(v + ((size_t)(i - WINDOW + 1 + t) * KV_HEADS + kv) * DIM)[lane]);
const float w = weight[t];
ax += w * b.x;
ay += w * b.y;
${on(late, "total += w;")}
}
${on(late, "ax /= total;\nay /= total;")}
reinterpret_cast<half2*>(out + ((size_t)i * HEADS + h) * DIM)[lane] = __floats2half2_rn(ax, ay);`;
}

function eightsText(o: Band): string {
  const late = o.normalise === "late";
  const pragma = on(o.unroll, "#pragma unroll 4\n");
  return `const int part = threadIdx.x % 8;
const size_t row = (size_t)blockIdx.x * ${o.rows * 4} + threadIdx.x / 8;
const int i = row % SEQ, h = row / SEQ, kv = h / SHARE;
const float* weight = workspace + row * WINDOW;
float acc[8] = {}${on(late, ", total = 0.0f")};
${pragma}for (int t = max(0, WINDOW - 1 - i); t < WINDOW; ++t) {
float b[8];
spread_eight(v + ((size_t)(i - WINDOW + 1 + t) * KV_HEADS + kv) * DIM + part * 8, b);
const float w = weight[t];
for (int u = 0; u < 8; ++u) acc[u] += w * b[u];
${on(late, "total += w;")}
}
__align__(16) half2 four[4];
for (int u = 0; u < 4; ++u) four[u] = __floats2half2_rn(acc[2 * u]${on(late, " / total")}, acc[2 * u + 1]${on(late, " / total")});
*reinterpret_cast<uint4*>(out + ((size_t)i * HEADS + h) * DIM + part * 8) = *reinterpret_cast<uint4*>(four);`;
}

/** Scores of the whole band, their softmax and the weighted values in launches of their own. */
export const bandPasses = template({
  id: "band-passes",
  from: "query-block",
  idea: "write the band of scores to the workspace and go over it in separate passes",
  count: 24,
  options: bandOptions,
  valid: (o) => !(o.turned && o.wide) && !(o.together && o.turned),
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const q = o.restrict ? " __restrict__" : "";
    const inEights = o.values === "eights";
    const source = `${include}
${sizesText(shape, true)}

${on(o.wide || inEights, spreadEight)}${on(o.turned, turnKernel)}
extern "C" __global__ void band_scores(const half*${q} q, const half*${q} ${o.turned ? "turned" : "k"}, float*${q} workspace) {
${scoresText(o)}
}

${softmaxText(o)}
extern "C" __global__ void band_values(const float*${q} workspace, const half*${q} v, half*${q} out) {
${inEights ? eightsText(o) : pairsText(o)}
}
`;
    const rows = shape.seq * shape.heads;
    const keys = o.turned ? "turned" : "k";
    const launches = [
      launch("band_scores", [shape.seq, o.together ? shape.kvHeads : shape.heads], shape.window, [
        "q",
        keys,
        "workspace",
      ]),
      launch("weigh_rows", rows / o.rows, 32 * o.rows, ["workspace"]),
      launch("band_values", inEights ? rows / o.rows / 4 : rows / o.rows, 32 * o.rows, ["workspace", "v", "out"]),
    ];
    const turn = launch("turn_keys", [shape.seq / 32, (shape.kvHeads * 64) / 32], [32, 8], ["k", "turned"]);
    return styled({ source, launches: o.turned ? [turn, ...launches] : launches }, { names: "snake", indent: 2 });
  },
});
