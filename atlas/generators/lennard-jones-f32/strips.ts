import { launch, on, styled, template } from "../kit/code.ts";
import {
  accumulate,
  constants,
  distance,
  edgeCells,
  feed,
  feedParameter,
  forms,
  inverses,
  laneSums,
  ownPlace,
  packedFirst,
  strength,
  zeroSums,
} from "./parts.ts";

interface StripChoice {
  readonly lanes: number;
  readonly mode: string;
  readonly layout: string;
  readonly threads: number;
  readonly prune: boolean;
}

/** No more atoms than this lie around a strip: the sites of the lattice that reach into it. */
const capacity = (span: number): number => (Math.floor((3 * (span + 2) + 0.2) / (60 / 57)) + 1) * 81;

const scans = {
  serial: `if (tid == 0) {
int sum = 0;
for (int c = 0; c < 9 * SLOTS; ++c) {
const int count = offs[c];
offs[c] = sum;
sum += count;
}
offs[9 * SLOTS] = sum;
}`,
  warp: `if (tid < 32) {
int carry = 0;
for (int c = tid; c < (9 * SLOTS + 31) / 32 * 32; c += 32) {
const int count = c < 9 * SLOTS ? offs[c] : 0;
int sum = count;
for (int d = 1; d < 32; d *= 2) {
const int before = __shfl_up_sync(0xffffffffu, sum, d);
if (tid >= d) sum += before;
}
if (c < 9 * SLOTS) offs[c] = carry + sum - count;
carry += __shfl_sync(0xffffffffu, sum, 31);
}
if (tid == 0) offs[9 * SLOTS] = carry;
}`,
} as const;

const slotCell = `const int r = c / SLOTS, ox = c % SLOTS - 1;
const int oy = r % 3 - 1, oz = r / 3 - 1;
const int nx = (s0 + ox + CELLS) % CELLS;
const int ny = (cy + oy + CELLS) % CELLS;
const int nz = (cz + oz + CELLS) % CELLS;
const int cell = (nz * CELLS + ny) * CELLS + nx;`;

const offset = (axis: string, base: string): string =>
  `${base} + o${axis} < 0 ? -BOX : (${base} + o${axis} >= CELLS ? BOX : 0.0f)`;

function stage(packed: boolean, quads: boolean, byWarp: boolean): string {
  const load = packed
    ? "const float4 p = packed[first + k];"
    : "const float3 p = make_float3(pos[3 * (first + k)], pos[3 * (first + k) + 1], pos[3 * (first + k) + 2]);";
  const put = quads
    ? "around[offs[c] + k] = make_float4(p.x + hx, p.y + hy, p.z + hz, 0.0f);"
    : `around_x[offs[c] + k] = p.x + hx;
around_y[offs[c] + k] = p.y + hy;
around_z[offs[c] + k] = p.z + hz;`;
  const [from, step] = byWarp ? ["tid & 31", "32"] : ["tid % 8", "8"];
  const [worker, workers] = byWarp ? ["tid / 32", "THREADS / 32"] : ["tid / 8", "THREADS / 8"];
  return `for (int c = ${worker}; c < 9 * SLOTS; c += ${workers}) {
${slotCell}
const int first = start[cell], count = offs[c + 1] - offs[c];
const float hx = ${offset("x", "s0")};
const float hy = ${offset("y", "cy")};
const float hz = ${offset("z", "cz")};
for (int k = ${from}; k < count; k += ${step}) {
${load}
${put}
}
}`;
}

/** The sums of one atom over its nine rows of staged partners. */
function evaluate(o: StripChoice & Parameters<typeof strength>[0], unroll: boolean): string {
  const quads = o.layout === "quads";
  const single = o.lanes === 1;
  const measure = (index: string): string =>
    `${quads ? `const float4 p = around[${index}];` : ""}
${distance("shift", "", quads ? ["p.x", "p.y", "p.z"] : [`around_x[${index}]`, `around_y[${index}]`, `around_z[${index}]`])}`.replaceAll(
      /= s([xyz]) -/g,
      "= $1 -",
    );
  const work = `${strength(o)}
${accumulate}`;
  const pragma = on(unroll, "#pragma unroll 4\n");
  const start = single ? "from" : "from + sub";
  const plain = `${pragma}for (int q1 = ${start}; q1 < to; q1 += ${o.lanes}) {
${measure("q1")}
${
  o.mode === "clamp"
    ? `r2 = r2 > 0.0f ? fminf(r2, CUT2) : CUT2;
${work}`
    : `if (r2 < CUT2 && r2 > 0.0f) {
${work}
}`
}
}`;
  const masked = `for (int t = ${start}; t < to; t += ${32 * o.lanes}) {
const int m = min(32, (to - t + ${o.lanes - 1}) / ${o.lanes});
unsigned int near = 0;
${pragma}for (int k = 0; k < m; ++k) {
${measure(single ? "t + k" : `t + k * ${o.lanes}`)}
if (r2 < CUT2 && r2 > 0.0f) near |= 1u << k;
}
while (near) {
const int k = __ffs(near) - 1;
near &= near - 1;
${measure(single ? "t + k" : `t + k * ${o.lanes}`)}
${work}
}
}`;
  return `for (int r = 0; r < 9; ++r) {
${on(
  o.prune,
  `const int oy = r % 3 - 1, oz = r / 3 - 1;
const float gy = oy < 0 ? y - cy * EDGE : (oy > 0 ? (cy + 1) * EDGE - y : 0.0f);
const float gz = oz < 0 ? z - cz * EDGE : (oz > 0 ? (cz + 1) * EDGE - z : 0.0f);
if (gy * gy + gz * gz >= CUT2) continue;`,
)}
const int from = offs[r * SLOTS + own], to = offs[r * SLOTS + own + 3];
${o.mode === "mask" ? masked : plain}
}`;
}

export const rowStrip = template({
  id: "row-strip",
  from: "hit-mask",
  idea: "stage everything around a strip of cells in shared memory, moved across the periodic faces",
  count: 20,
  options: {
    mode: ["branch", "mask", "clamp"],
    layout: ["quads", "axes"],
    lanes: [1, 2, 4, 8],
    span: [4, 2, 5, 10],
    threads: [128, 64, 256],
    scan: ["serial", "warp"],
    packed: [false, true],
    by_warp: [true, false],
    prune: [false, true],
    unroll: [false, true],
    inverse: inverses,
    form: forms,
  },
  write: (o, sizes) => {
    const cells = edgeCells(sizes);
    const quads = o.layout === "quads";
    const room = capacity(o.span);
    const own = `int own = 0;
while (own < SPAN - 1 && i >= start[row + own + 1]) ++own;`;
    const source = `${constants(true, sizes)}#define SPAN ${o.span}
#define SLOTS (SPAN + 2)
#define THREADS ${o.threads}
#define ROOM ${room}

extern "C" __global__ void __launch_bounds__(THREADS) strip_forces(${feedParameter(o.packed)}, const int* __restrict__ start, float4* __restrict__ force) {
extern __shared__ float4 around[];
__shared__ int offs[9 * SLOTS + 1];
${on(!quads, "float* around_x = reinterpret_cast<float*>(around);\nfloat* around_y = around_x + ROOM;\nfloat* around_z = around_y + ROOM;")}
const int tid = threadIdx.x;
const int s0 = blockIdx.x % (CELLS / SPAN) * SPAN;
const int cy = blockIdx.x / (CELLS / SPAN) % CELLS;
const int cz = blockIdx.x / (CELLS / SPAN * CELLS);
for (int c = tid; c < 9 * SLOTS; c += THREADS) {
${slotCell}
offs[c] = start[cell + 1] - start[cell];
}
__syncthreads();
${scans[o.scan]}
__syncthreads();
${stage(o.packed, quads, o.by_warp)}
__syncthreads();
const int row = (cz * CELLS + cy) * CELLS + s0;
const int end = start[row + SPAN];
${on(o.lanes > 1, `const int sub = tid % ${o.lanes};`)}
for (int base = start[row]; base < end; base += THREADS / ${o.lanes}) {
const int i = base + tid / ${o.lanes};
${zeroSums}
if (i < end) {
${ownPlace(o.packed, "i")}
${own}
${evaluate({ ...o, wrap: "shift" }, o.unroll)}
}
${on(o.lanes > 1, `__syncwarp();\n${laneSums(o.lanes, false)}`)}
if (i < end${on(o.lanes > 1, " && sub == 0")}) force[i] = make_float4(fx, fy, fz, en);
}
}
`;
    const blocks = (cells / o.span) * cells * cells;
    const bytes = Math.ceil((room * (quads ? 16 : 12)) / 16) * 16;
    const main = launch("strip_forces", blocks, o.threads, [feed(o.packed), "start", "force"], bytes);
    const draft = packedFirst(o.packed, sizes, source, [main]);
    return styled(draft, { names: "snake", indent: 2 });
  },
});
