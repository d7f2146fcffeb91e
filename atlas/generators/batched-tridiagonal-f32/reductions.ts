import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { arrays, batchOf, constants, divideAll, divisions, inverse, lengthOf, parameters } from "./shared.ts";

type Form = "plain" | "unit";

/** Statements that combine the row v with its neighbours l and r at the current distance. */
function combineRows(form: Form, division: string): string {
  if (form === "plain") {
    const ratio = (value: string, by: string): string =>
      division === "divide" ? `${value} / ${by}` : `${value} * (${inverse(division, by)})`;
    return `const float k1 = ${ratio("va", "lb")};
const float k2 = ${ratio("vc", "rb")};
vb = vb - lc * k1 - ra * k2;
vd = vd - ld * k1 - rd * k2;
va = -la * k1;
vc = -rc * k2;`;
  }
  return `const float pivot = 1.0f - va * lc - vc * ra;
${divideAll(division, "pivot", [
  ["vd", "vd - va * ld - vc * rd"],
  ["va", "-va * la"],
  ["vc", "-vc * rc"],
])}`;
}

const makeUnit = (division: string): string => `{
const float pivot = vb;
${divideAll(division, "pivot", [
  ["va", "va"],
  ["vc", "vc"],
  ["vd", "vd"],
])}
}`;

const letters = (form: Form): readonly string[] => (form === "plain" ? ["a", "b", "c", "d"] : ["a", "c", "d"]);

interface Exchange {
  readonly form: Form;
  readonly storage: string;
  readonly guard: string;
  readonly buffers: string;
}

function exchangeArrays(o: Exchange): string {
  const slots = on(o.buffers === "double", "[2]");
  return o.storage === "quads"
    ? `__shared__ float4 rows${slots}[SYSTEMS * N];`
    : `__shared__ float ${letters(o.form)
        .map((k) => `s${k}${slots}[SYSTEMS * N]`)
        .join(", ")};`;
}

/** Puts this thread's row into shared memory and reads the rows `distance` away. */
function exchangeRows(o: Exchange, distance: string): string {
  const slot = on(o.buffers === "double", "[slot]");
  const names = letters(o.form);
  const quads = o.storage === "quads";
  const put = quads
    ? `rows${slot}[at] = make_float4(va, ${o.form === "plain" ? "vb" : "1.0f"}, vc, vd);`
    : names.map((k) => `s${k}${slot}[at] = v${k};`).join("\n");
  const get = (side: string, index: string, declare: string): string =>
    quads
      ? `const float4 ${side}_row = rows${slot}[${index}];
${names.map((k) => `${declare}${side}${k} = ${side}_row.${{ a: "x", b: "y", c: "z", d: "w" }[k]};`).join("\n")}`
      : names.map((k) => `${declare}${side}${k} = s${k}${slot}[${index}];`).join("\n");
  const reads =
    o.guard === "clamp"
      ? `const int low = max(i - ${distance}, 0) + at - i;
const int high = min(i + ${distance}, N - 1) + at - i;
${get("l", "low", "const float ")}
${get("r", "high", "const float ")}`
      : `float ${names.map((k) => `l${k} = ${k === "b" ? "1.0f" : "0.0f"}`).join(", ")};
float ${names.map((k) => `r${k} = ${k === "b" ? "1.0f" : "0.0f"}`).join(", ")};
if (i >= ${distance}) {
${get("l", `at - ${distance}`, "")}
}
if (i + ${distance} < N) {
${get("r", `at + ${distance}`, "")}
}`;
  const after = o.buffers === "double" ? "slot ^= 1;" : "__syncthreads();";
  return `${put}
__syncthreads();
${reads}
${after}`;
}

const startRow = (form: Form, division: string): string => `float va = a[where], vb = b[where];
float vc = c[where], vd = d[where];
${on(form === "unit", makeUnit(division))}`;

const pcrOptions = {
  form: ["plain", "unit"],
  storage: ["arrays", "quads"],
  guard: ["branch", "clamp"],
  buffers: ["single", "double"],
  block: ["two axes", "flat"],
  loop: ["for", "unrolled", "while"],
  division: divisions,
  bounds: [false, true],
  systems: [1, 2, 4, 8],
} as const;

function pcrLoop(o: Chosen<typeof pcrOptions>): string {
  const step = `${exchangeRows(o, "distance")}
${combineRows(o.form, o.division)}`;
  if (o.loop === "while")
    return `int distance = 1;
while (distance < N) {
${step}
distance <<= 1;
}`;
  return `${on(o.loop === "unrolled", "#pragma unroll\n")}for (int distance = 1; distance < N; distance *= 2) {
${step}
}`;
}

/** A thread per unknown; every step doubles the distance of the neighbours. */
export const parallelReduction = template({
  id: "parallel-reduction",
  from: "serial-threads",
  idea: "Give every unknown a thread and reduce in parallel, doubling the distance of the neighbours",
  options: pcrOptions,
  count: 28,
  write(o, s) {
    const n = lengthOf(s);
    const axes = o.block === "two axes";
    const place = axes
      ? `const int i = threadIdx.x;
const int at = threadIdx.y * N + i;`
      : `const int at = threadIdx.x;
const int i = at % N;`;
    const source = `${constants(s)}constexpr int SYSTEMS = ${o.systems};

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(N * SYSTEMS) ")}pcr_solve(${parameters("__restrict__ ")}) {
${exchangeArrays(o)}
${place}
const size_t where = (size_t)blockIdx.x * SYSTEMS * N + at;
${startRow(o.form, o.division)}
${on(o.buffers === "double", "int slot = 0;")}
${pcrLoop(o)}
x[where] = ${o.form === "plain" ? "vd / vb" : "vd"};
}
`;
    const block = axes ? ([n, o.systems] as const) : n * o.systems;
    const draft = { source, launches: [launch("pcr_solve", batchOf(s) / o.systems, block, arrays)] };
    return styled(draft, { names: "snake", indent: 2 });
  },
});

const cyclicOptions = {
  workers: ["warp", "half block"],
  index: ["plain", "padded", "mixed"],
  division: divisions,
  fill: ["scalars", "quads"],
  last: ["separate", "in loop"],
  unroll: [false, true],
  solution: ["in place", "own array"],
  steps: ["shift", "multiply"],
  bounds: [false, true],
  systems: [4, 8, 2],
} as const;

type CyclicChoice = Chosen<typeof cyclicOptions>;

function cyclicSweeps(o: CyclicChoice, barrier: string): string {
  const ratio = (value: string, by: string): string =>
    o.division === "divide" ? `${value} / ${by}` : `${value} * (${inverse(o.division, by)})`;
  const pragma = on(o.unroll, "#pragma unroll\n");
  const own = o.solution === "own array";
  const x = own ? "sx" : "sd";
  const grow = o.steps === "shift" ? "stride <<= 1" : "stride *= 2";
  const shrink = o.steps === "shift" ? "stride >>= 1" : "stride /= 2";
  return `${pragma}for (int stride = 1; stride < N; ${grow}) {
for (int t = worker; t < N / (2 * stride); t += WORKERS) {
const int i = 2 * stride * (t + 1) - 1;
const int here = slot(i), low = slot(i - stride), high = slot(min(i + stride, N - 1));
const float k1 = ${ratio("sa[here]", "sb[low]")};
const float k2 = ${ratio("sc[here]", "sb[high]")};
const float next_a = -sa[low] * k1;
const float next_c = -sc[high] * k2;
sb[here] = sb[here] - sc[low] * k1 - sa[high] * k2;
sd[here] = sd[here] - sd[low] * k1 - sd[high] * k2;
sa[here] = next_a;
sc[here] = next_c;
}
${barrier}
}
${
  o.last === "separate"
    ? `if (worker == 0) {
${x}[slot(N - 1)] = sd[slot(N - 1)] / sb[slot(N - 1)];
}`
    : `const int bottom = slot(N - 1);
if (worker == WORKERS - 1) {
${x}[bottom] = __fdividef(sd[bottom], sb[bottom]);
}`
}
${barrier}
${pragma}for (int stride = N / 2; stride > 0; ${shrink}) {
for (int t = worker; t < N / (2 * stride); t += WORKERS) {
const int i = 2 * stride * t + stride - 1;
const int here = slot(i), high = slot(i + stride);
const float below = i >= stride ? sa[here] * ${x}[slot(i - stride)] : 0.0f;
${x}[here] = ${ratio(`(sd[here] - below - sc[here] * ${x}[high])`, "sb[here]")};
}
${barrier}
}`;
}

function cyclicFill(o: CyclicChoice): string {
  const names = ["a", "b", "c", "d"];
  if (o.fill === "scalars")
    return `for (int i = worker; i < N; i += WORKERS) {
${names.map((k) => `s${k}[slot(i)] = ${k}[base + i];`).join("\n")}
}`;
  return `for (int i = 4 * worker; i < N; i += 4 * WORKERS) {
${names
  .map(
    (k) => `const float4 q${k} = *reinterpret_cast<const float4*>(${k} + base + i);
${repeat(4, (p) => `s${k}[slot(i + ${p})] = q${k}.${"xyzw"[p]};`)}`,
  )
  .join("\n")}
}`;
}

const slotFunctions: Readonly<Record<string, string>> = {
  plain: "return i;",
  padded: "return i + i / 32;",
  mixed: "return i ^ (i >> 5 & 31);",
};

/** Half of the unknowns goes in each step; the rest follow on the way back. */
export const cyclicReduction = template({
  id: "cyclic-reduction",
  from: "parallel-reduction",
  idea: "Eliminate every other unknown in each step and fill them in on the way back",
  options: cyclicOptions,
  count: 26,
  write(o, s) {
    const warp = o.workers === "warp";
    const workers = warp ? 32 : 64;
    const own = o.solution === "own array";
    const pitch = o.index === "padded" ? "(N + N / 32)" : "N";
    const held = own ? ["a", "b", "c", "d", "x"] : ["a", "b", "c", "d"];
    const barrier = warp ? "__syncwarp();" : "__syncthreads();";
    const source = `${constants(s)}constexpr int SYSTEMS = ${o.systems};
constexpr int WORKERS = ${workers};
constexpr int PITCH = ${pitch};

__device__ __forceinline__ int slot(int i) {
${slotFunctions[o.index]}
}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(SYSTEMS * WORKERS) ")}reduce_cyclic(${parameters("__restrict__ ")}) {
__shared__ float pool[${held.length}][SYSTEMS][PITCH];
const int worker = threadIdx.x % WORKERS;
const int system = threadIdx.x / WORKERS;
${held.map((k, index) => `float* s${k} = pool[${index}][system];`).join("\n")}
const size_t base = ((size_t)blockIdx.x * SYSTEMS + system) * N;
${cyclicFill(o)}
${barrier}
${cyclicSweeps(o, barrier)}
for (int i = worker; i < N; i += WORKERS) {
x[base + i] = ${own ? "sx" : "sd"}[slot(i)];
}
}
`;
    const launches = [launch("reduce_cyclic", batchOf(s) / o.systems, workers * o.systems, arrays)];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});

const splitOptions = {
  form: ["plain", "unit"],
  tail: ["in place", "registers"],
  storage: ["arrays", "quads"],
  guard: ["clamp", "branch"],
  buffers: ["single", "double"],
  division: divisions,
  store: ["coalesced", "direct"],
  bounds: [false, true],
  depth: [4, 3, 5, 2],
  systems: [2, 4, 1, 8],
} as const;

type SplitChoice = Chosen<typeof splitOptions>;

function splitTail(o: SplitChoice): string {
  const plain = o.form === "plain";
  const step = (keepC: string, keepD: string): string => `const int row = from + k * PARTS;
const float ta = ta_all[row];
const float pivot = ${plain ? "tb_all[row]" : "1.0f"} - ta * last_c;
${divideAll(o.division, "pivot", [
  ["last_d", "td_all[row] - ta * last_d"],
  ["last_c", "tc_all[row]"],
])}
${keepC} = last_c;
${keepD} = last_d;`;
  const direct = o.store === "direct";
  const put = direct ? "x[(size_t)blockIdx.x * SYSTEMS * N + row] = next;" : "td_all[row] = next;";
  const registers = o.tail === "registers";
  const pragma = on(registers, "#pragma unroll\n");
  const [c, d] = registers ? ["factor[k]", "value[k]"] : ["tc_all[row]", "td_all[row]"];
  return `if (at < SYSTEMS * PARTS) {
const int from = at / PARTS * N + at % PARTS;
float last_c = 0.0f, last_d = 0.0f;
${on(registers, "float factor[N / PARTS], value[N / PARTS];")}
${pragma}for (int k = 0; k < N / PARTS; ++k) {
${step(c, d)}
}
float next = 0.0f;
${pragma}for (int k = N / PARTS - 1; k >= 0; --k) {
const int row = from + k * PARTS;
next = ${d} - ${c} * next;
${put}
}
}
${on(!direct, `__syncthreads();\nx[where] = td_all[at];`)}`;
}

/** A few doubling steps split a system into short ones, each for a thread. */
export const pcrThenThomas = template({
  id: "pcr-then-thomas",
  from: "parallel-reduction",
  idea: "Split each system into interleaved short ones by a few parallel steps and finish those serially",
  options: splitOptions,
  valid: (o) =>
    o.systems * 128 * 16 * (o.buffers === "double" ? 3 : 2) <= 48 * 1024 && (o.tail === "in place" || o.systems < 8),
  count: 26,
  write(o, s) {
    const plain = o.form === "plain";
    const source = `#define BATCH ${batchOf(s)}
#define N ${lengthOf(s)}
#define SYSTEMS ${o.systems}
#define PARTS ${2 ** o.depth}

extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(N * SYSTEMS) ")}split_and_solve(${parameters("__restrict__ ")}) {
${exchangeArrays(o)}
__shared__ float ta_all[SYSTEMS * N], ${on(plain, "tb_all[SYSTEMS * N], ")}tc_all[SYSTEMS * N], td_all[SYSTEMS * N];
const int at = threadIdx.x;
const int i = at % N;
const size_t where = (size_t)blockIdx.x * SYSTEMS * N + at;
${startRow(o.form, o.division)}
${on(o.buffers === "double", "int slot = 0;")}
#pragma unroll
for (int distance = 1; distance < PARTS; distance *= 2) {
${exchangeRows(o, "distance")}
${combineRows(o.form, o.division)}
}
ta_all[at] = va;
${on(plain, "tb_all[at] = vb;")}
tc_all[at] = vc;
td_all[at] = vd;
__syncthreads();
${splitTail(o)}
}
`;
    const launches = [launch("split_and_solve", batchOf(s) / o.systems, lengthOf(s) * o.systems, arrays)];
    return styled({ source, launches }, { names: "camel", indent: 2 });
  },
});
