import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import {
  dotRow,
  exponentials,
  include,
  scaleOf,
  shapeOf,
  shifts,
  sizesText,
  softmaxStep,
  spreadEight,
} from "./common.ts";

const splitOptions = {
  splits: [4, 2],
  layout: ["rows", "columns"],
  join: ["thread", "warp"],
  spread: ["chunks", "interleaved"],
  shift: shifts,
  exponential: exponentials,
  wide: [false, true],
  order: ["heads", "queries"],
  bounded: [true, false],
  block: [128, 64],
} as const;
type Split = Chosen<typeof splitOptions>;

const at = (o: Split, row: string, split: string, part: string): string =>
  o.layout === "rows"
    ? `workspace[((size_t)${row} * SPLITS + ${split}) * 66 + ${part}]`
    : `workspace[((size_t)(${part}) * SPLITS + ${split}) * ROWS + ${row}]`;

const placeText = (o: Split): string =>
  o.order === "heads" ? "const int h = row % HEADS, i = row / HEADS;" : "const int i = row % SEQ, h = row / SEQ;";

function joinText(o: Split): string {
  const joined = (d: string): string => `float sum${d} = 0.0f;
for (int s = 0; s < SPLITS; ++s) sum${d} += factor[s] * ${at(o, "row", "s", o.join === "thread" ? "2 + d" : d === "0" ? "2 + lane" : "34 + lane")};`;
  const join =
    o.join === "thread"
      ? `const int index = blockIdx.x * blockDim.x + threadIdx.x;
${o.layout === "rows" ? "const int row = index / DIM, d = index % DIM;" : "const int row = index % ROWS, d = index / ROWS;"}`
      : `const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;`;
  const store =
    o.join === "thread"
      ? `${joined("0")}
out[((size_t)i * HEADS + h) * DIM + d] = __float2half(sum0 / total);`
      : `${joined("0")}
${joined("1")}
half* to = out + ((size_t)i * HEADS + h) * DIM;
to[lane] = __float2half(sum0 / total);
to[lane + 32] = __float2half(sum1 / total);`;
  return `extern "C" __global__ void join_parts(const float* __restrict__ workspace, half* __restrict__ out) {
${join}
${placeText(o)}
float factor[SPLITS], top = -1e30f, total = 0.0f;
for (int s = 0; s < SPLITS; ++s) top = fmaxf(top, ${at(o, "row", "s", "0")});
for (int s = 0; s < SPLITS; ++s) {
factor[s] = ${o.exponential}(${at(o, "row", "s", "0")} - top);
total += factor[s] * ${at(o, "row", "s", "1")};
}
${store}
}`;
}

/** The window of a query split over threads, whose partial results a second kernel joins. */
export const splitWindow = template({
  id: "split-window",
  from: "query-thread",
  idea: "split each window over several threads and join their partial results",
  count: 23,
  options: splitOptions,
  write: (o, sizes) => {
    const shape = shapeOf(sizes);
    const rows = shape.seq * shape.heads;
    const step = softmaxStep(
      o.shift,
      o.exponential,
      "score",
      (factor) => `#pragma unroll
for (int d = 0; d < DIM; ++d) acc[d] *= ${factor};`,
      (weight) => `#pragma unroll
for (int d = 0; d < DIM; d += 2) {
const float2 b = __half22float2(*reinterpret_cast<const half2*>(value + d));
acc[d] = fmaf(${weight}, b.x, acc[d]);
acc[d + 1] = fmaf(${weight}, b.y, acc[d + 1]);
}`,
    );
    const loop =
      o.spread === "chunks"
        ? `const int low = i - WINDOW + 1 + split * (WINDOW / SPLITS);
for (int j = max(0, low); j < min(low + WINDOW / SPLITS, i + 1); ++j) {`
        : `for (int j = i - split; j >= max(0, i - WINDOW + 1); j -= SPLITS) {`;
    const source = `${include}
${sizesText(shape, false)}
constexpr int SPLITS = ${o.splits}, ROWS = SEQ * HEADS;

${on(o.wide, spreadEight)}
extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${o.block}) `)}part_of_window(const half* __restrict__ q, const half* __restrict__ k, const half* __restrict__ v, float* __restrict__ workspace) {
const int row = blockIdx.x * blockDim.x + threadIdx.x, split = blockIdx.y;
${placeText(o)}
const int kv = h / SHARE;
float own[DIM], acc[DIM] = {};
#pragma unroll
for (int d = 0; d < DIM; ++d) own[d] = __half2float(q[((size_t)i * HEADS + h) * DIM + d]) * ${scaleOf(o.exponential)};
float top = ${o.shift === "none" ? "0.0f" : "-1e30f"}, total = 0.0f;
${loop}
const half* key = k + ((size_t)j * KV_HEADS + kv) * DIM;
const half* value = v + ((size_t)j * KV_HEADS + kv) * DIM;
${dotRow(o.wide, "own", "key")}
const float score = sum;
${step}
}
${at(o, "row", "split", "0")} = top;
${at(o, "row", "split", "1")} = total;
for (int d = 0; d < DIM; ++d) ${at(o, "row", "split", "2 + d")} = acc[d];
}

${joinText(o)}
`;
    const threads = o.join === "thread" ? rows * 64 : rows * 32;
    return styled(
      {
        source,
        launches: [
          launch("part_of_window", [rows / o.block, o.splits], o.block, ["q", "k", "v", "workspace"]),
          launch("join_parts", threads / 256, 256, ["workspace", "out"]),
        ],
      },
      { names: "snake", indent: 4 },
    );
  },
});
