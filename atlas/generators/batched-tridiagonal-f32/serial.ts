import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { arrays, batchOf, constants, divideAll, divisions, lengthOf, parameters } from "./shared.ts";

const threadOptions = {
  keep: ["system", "interleaved", "local"],
  load: ["scalar", "quads"],
  division: divisions,
  carry: ["running", "reread"],
  unroll: ["none", "pragma"],
  store: ["scalar", "quads"],
  read: ["plain", "__ldg"],
  restrict: [true, false],
  size: ["constexpr", "args"],
  block: [128, 32, 64, 256],
} as const;

type ThreadChoice = Chosen<typeof threadOptions>;

const parts = ["x", "y", "z", "w"];

/** Where the scaled upper diagonal and right-hand side of row i are kept. */
function keptAt(keep: string, i: string): { c: string; d: string } {
  if (keep === "system") return { c: `work[base + ${i}]`, d: `x[base + ${i}]` };
  if (keep === "local") return { c: `kept_c[${i}]`, d: `kept_d[${i}]` };
  return { c: `work[(size_t)(${i}) * BATCH + id]`, d: `work[(size_t)(N + ${i}) * BATCH + id]` };
}

function forwardStep(o: ThreadChoice, i: string, from: readonly [string, string, string, string]): string {
  const [a, b, c, d] = from;
  const at = keptAt(o.keep, i);
  return `{
const float pivot = ${b} - ${a} * last_c;
${divideAll(o.division, "pivot", [
  ["last_d", `${d} - ${a} * last_d`],
  ["last_c", c],
])}
${at.c} = last_c;
${at.d} = last_d;
}`;
}

function forward(o: ThreadChoice): string {
  const get = (place: string): string => (o.read === "plain" ? place : `__ldg(&${place})`);
  const pragma = on(o.unroll === "pragma", "#pragma unroll 4\n");
  if (o.load === "scalar")
    return `${pragma}for (int i = 0; i < N; ++i) {
const float va = ${get("a[base + i]")}, vb = ${get("b[base + i]")};
const float vc = ${get("c[base + i]")}, vd = ${get("d[base + i]")};
${forwardStep(o, "i", ["va", "vb", "vc", "vd"])}
}`;
  const quad = (name: string): string =>
    `const float4 ${name}4 = ${o.read === "plain" ? `*reinterpret_cast<const float4*>(${name} + base + i)` : `__ldg(reinterpret_cast<const float4*>(${name} + base + i))`};`;
  return `${pragma}for (int i = 0; i < N; i += 4) {
${["a", "b", "c", "d"].map(quad).join("\n")}
${parts.map((p, k) => forwardStep(o, `i + ${k}`, [`a4.${p}`, `b4.${p}`, `c4.${p}`, `d4.${p}`])).join("\n")}
}`;
}

function backward(o: ThreadChoice): string {
  const at = keptAt(o.keep, "i");
  const pragma = on(o.unroll === "pragma", "#pragma unroll 4\n");
  if (o.store === "quads") {
    const step = (k: number): string => {
      const kept = keptAt(o.keep, `i + ${k}`);
      return `next = ${kept.d} - ${kept.c} * next;\nout.${parts[k]} = next;`;
    };
    return `float next = 0.0f;
${pragma}for (int i = N - 4; i >= 0; i -= 4) {
float4 out;
${[3, 2, 1, 0].map(step).join("\n")}
*reinterpret_cast<float4*>(x + base + i) = out;
}`;
  }
  if (o.carry === "running")
    return `float next = 0.0f;
${pragma}for (int i = N - 1; i >= 0; --i) {
next = ${at.d} - ${at.c} * next;
x[base + i] = next;
}`;
  const last = keptAt(o.keep, "N - 1");
  return `x[base + N - 1] = ${last.d};
${pragma}for (int i = N - 2; i >= 0; --i) {
x[base + i] = ${at.d} - ${at.c} * x[base + i + 1];
}`;
}

/** A system per thread. */
export const serialThreads = template({
  id: "serial-threads",
  from: null,
  idea: "Keep one system per thread and change where the factors are kept and how rows are read",
  options: threadOptions,
  valid: (o) => (o.store === "scalar" || o.carry === "running") && (o.keep !== "system" || o.store === "scalar"),
  count: 28,
  write(o, s) {
    const [batch, n] = [batchOf(s), lengthOf(s)];
    const args = o.size === "args";
    const q = on(o.restrict, "__restrict__ ");
    const local = o.keep === "local";
    const work = on(!local, `, float* ${q}work`);
    const rename = (text: string): string => (args ? text.replace(/\bBATCH\b/g, "batch").replace(/\bN\b/g, "n") : text);
    const source = `${args ? on(local, `#define MAX_N ${n}\n\n`) : constants(s)}
extern "C" __global__ void solve_systems(${parameters(q)}${work}${on(args, ", int batch, int n")}) {
const int id = blockIdx.x * blockDim.x + threadIdx.x;
if (id >= ${rename("BATCH")}) {
return;
}
const size_t base = (size_t)id * ${rename("N")};
${on(local, `float kept_c[${args ? "MAX_N" : "N"}], kept_d[${args ? "MAX_N" : "N"}];`)}
float last_c = 0.0f;
float last_d = 0.0f;
${rename(forward(o))}
${rename(backward(o))}
}
`;
    const scalars = args ? [{ i32: batch }, { i32: n }] : [];
    const draft = {
      source,
      launches: [
        launch("solve_systems", Math.ceil(batch / o.block), o.block, [
          ...arrays,
          ...(local ? [] : ["work"]),
          ...scalars,
        ]),
      ],
    };
    return styled(draft, { names: "snake", indent: 2 });
  },
});

const endsOptions = {
  keep: ["array", "unrolled", "work"],
  load: ["scalar", "quads"],
  division: divisions,
  partner: ["neighbour", "half warp"],
  meet: ["shuffle", "shared"],
  sign: ["pointer", "select"],
  bounds: [false, true],
  store: ["running", "quads"],
  block: [128, 64, 256],
} as const;

type EndsChoice = Chosen<typeof endsOptions>;

function endsRows(o: EndsChoice): string {
  const at =
    o.keep === "work"
      ? { c: "work[(size_t)k * THREADS + thread]", d: "work[(size_t)(HALF + k) * THREADS + thread]" }
      : { c: "factor[k]", d: "value[k]" };
  const pragma = on(o.keep === "unrolled", "#pragma unroll\n");
  const step = (near: string, far: string, b: string, d: string): string => `{
const float pivot = ${b} - ${near} * last_c;
${divideAll(o.division, "pivot", [
  ["last_d", `${d} - ${near} * last_d`],
  ["last_c", far],
])}
${at.c} = last_c;
${at.d} = last_d;
}`;
  if (o.load === "scalar")
    return `${pragma}for (int k = 0; k < HALF; ++k) {
const int i = top ? k : N - 1 - k;
${o.sign === "pointer" ? "const float near = close_side[base + i], far = far_side[base + i];" : "const float low = a[base + i], high = c[base + i];\nconst float near = top ? low : high, far = top ? high : low;"}
const float vb = b[base + i], vd = d[base + i];
${step("near", "far", "vb", "vd")}
}`;
  const names = o.sign === "pointer" ? ["close_side", "b", "far_side", "d"] : ["a", "b", "c", "d"];
  const picks = ["n", "b", "f", "d"];
  return `${pragma}for (int quad = 0; quad < HALF / 4; ++quad) {
const int first = top ? 4 * quad : N - 4 - 4 * quad;
${names.map((name, i) => `const float4 ${picks[i]}4 = *reinterpret_cast<const float4*>(${name} + base + first);`).join("\n")}
const float rows_a[4] = {n4.x, n4.y, n4.z, n4.w}, rows_c[4] = {f4.x, f4.y, f4.z, f4.w};
const float rows_b[4] = {b4.x, b4.y, b4.z, b4.w}, rows_d[4] = {d4.x, d4.y, d4.z, d4.w};
#pragma unroll
for (int r = 0; r < 4; ++r) {
const int k = 4 * quad + r;
const float vb = top ? rows_b[r] : rows_b[3 - r];
const float vd = top ? rows_d[r] : rows_d[3 - r];
${
  o.sign === "select"
    ? "const float near = top ? rows_a[r] : rows_c[3 - r];\nconst float far = top ? rows_c[r] : rows_a[3 - r];"
    : "const float near = top ? rows_a[r] : rows_a[3 - r];\nconst float far = top ? rows_c[r] : rows_c[3 - r];"
}
${step("near", "far", "vb", "vd")}
}
}`;
}

function endsMeet(o: EndsChoice): string {
  const distance = o.partner === "neighbour" ? "1" : "16";
  if (o.meet === "shuffle")
    return `const float other_c = __shfl_xor_sync(0xffffffffu, last_c, ${distance});
const float other_d = __shfl_xor_sync(0xffffffffu, last_d, ${distance});`;
  return `__shared__ float2 meeting[BLOCK];
meeting[threadIdx.x] = make_float2(last_c, last_d);
__syncwarp();
const float other_c = meeting[threadIdx.x ^ ${distance}].x;
const float other_d = meeting[threadIdx.x ^ ${distance}].y;`;
}

function endsBack(o: EndsChoice): string {
  const at = (k: string): { c: string; d: string } =>
    o.keep === "work"
      ? { c: `work[(size_t)(${k}) * THREADS + thread]`, d: `work[(size_t)(HALF + ${k}) * THREADS + thread]` }
      : { c: `factor[${k}]`, d: `value[${k}]` };
  const pragma = on(o.keep === "unrolled", "#pragma unroll\n");
  if (o.store === "running")
    return `x[base + (top ? HALF - 1 : HALF)] = found;
${pragma}for (int k = HALF - 2; k >= 0; --k) {
found = ${at("k").d} - ${at("k").c} * found;
x[base + (top ? k : N - 1 - k)] = found;
}`;
  return `${pragma}for (int quad = HALF / 4 - 1; quad >= 0; --quad) {
float four[4];
#pragma unroll
for (int r = 3; r >= 0; --r) {
const int k = 4 * quad + r;
if (k < HALF - 1) {
found = ${at("k").d} - ${at("k").c} * found;
}
four[r] = found;
}
const float4 out = top ? make_float4(four[0], four[1], four[2], four[3]) : make_float4(four[3], four[2], four[1], four[0]);
*reinterpret_cast<float4*>(x + base + (top ? 4 * quad : N - 4 - 4 * quad)) = out;
}`;
}

/** Two threads eliminate from both ends and meet in the middle. */
export const twoEnds = template({
  id: "two-ends",
  from: "serial-threads",
  idea: "Let two threads eliminate from both ends of a system and meet in its middle",
  options: endsOptions,
  count: 24,
  write(o, s) {
    const work = o.keep === "work";
    const system =
      o.partner === "neighbour"
        ? "const int id = thread / 2;\nconst bool top = thread % 2 == 0;"
        : "const int id = thread / 32 * 16 + thread % 16;\nconst bool top = thread % 32 < 16;";
    const source = `${constants(s)}constexpr int HALF = N / 2;
constexpr int BLOCK = ${o.block};
${on(work, "constexpr int THREADS = 2 * BATCH;\n")}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(BLOCK) ")}meet_in_the_middle(${parameters("__restrict__ ")}${on(work, ", float* __restrict__ work")}) {
const int thread = blockIdx.x * BLOCK + threadIdx.x;
${system}
const size_t base = (size_t)id * N;
${on(o.sign === "pointer", "const float* close_side = top ? a : c;\nconst float* far_side = top ? c : a;")}
${on(!work, "float factor[HALF], value[HALF];")}
float last_c = 0.0f;
float last_d = 0.0f;
${endsRows(o)}
${endsMeet(o)}
float found = (last_d - last_c * other_d) / (1.0f - last_c * other_c);
${endsBack(o)}
}
`;
    const launches = [
      launch("meet_in_the_middle", (2 * batchOf(s)) / o.block, o.block, [...arrays, ...(work ? ["work"] : [])]),
    ];
    return styled({ source, launches }, { names: "camel", indent: 4 });
  },
});
