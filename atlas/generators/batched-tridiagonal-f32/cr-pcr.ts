import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { arrays, batchOf, constants, divisions, inverse } from "./shared.ts";

const options = {
  where: ["shared", "registers"],
  fill: ["quads", "scalars"],
  division: divisions,
  helper: [true, false],
  doubling: ["unrolled", "rolled"],
  persistent: [false, true],
  store: ["plain", "__stcs"],
  read: ["plain", "__ldg", "__ldcs"],
  bounds: [false, true],
  warps: [4, 8, 2],
} as const;

type Choice = Chosen<typeof options>;

const over = (o: Choice, value: string, by: string): string =>
  o.division === "divide" ? `${value} / (${by})` : `${value} * (${inverse(o.division, by)})`;

/** Combines a row with its lower and upper neighbours; each is named by how its four numbers are written. */
function combine(
  o: Choice,
  row: (k: string) => string,
  low: (k: string) => string,
  high: (k: string) => string,
): string {
  const all = (of: (k: string) => string): string => ["a", "b", "c", "d"].map(of).join(", ");
  if (o.helper) return `combine(${all(row)}, ${all(low)}, ${all(high)});`;
  return `{
const float k1 = ${over(o, row("a"), low("b"))};
const float k2 = ${over(o, row("c"), high("b"))};
${row("b")} -= ${low("c")} * k1 + ${high("a")} * k2;
${row("d")} -= ${low("d")} * k1 + ${high("d")} * k2;
${row("a")} = -${low("a")} * k1;
${row("c")} = -${high("c")} * k2;
}`;
}

const helperOf = (
  o: Choice,
): string => `__device__ __forceinline__ void combine(float& a, float& b, float& c, float& d, float la, float lb, float lc, float ld, float ra, float rb, float rc, float rd) {
const float k1 = ${over(o, "a", "lb")};
const float k2 = ${over(o, "c", "rb")};
b -= lc * k1 + ra * k2;
d -= ld * k1 + rd * k2;
a = -la * k1;
c = -rc * k2;
}
`;

/** The lanes' rows a, b, c, d, one per lane, become x. */
function doublingSteps(o: Choice): string {
  const names = ["a", "b", "c", "d"];
  return `#pragma unroll${on(o.doubling === "rolled", " 1")}
for (int distance = 1; distance < 32; distance *= 2) {
${names.map((k) => `const float l${k} = __shfl_up_sync(0xffffffffu, ${k}, distance);`).join("\n")}
${names.map((k) => `const float r${k} = __shfl_down_sync(0xffffffffu, ${k}, distance);`).join("\n")}
${combine(
  o,
  (k) => k,
  (k) => `l${k}`,
  (k) => `r${k}`,
)}
}
const float x3 = ${over(o, "d", "b")};`;
}

function inRegisters(o: Choice): string {
  const names = ["a", "b", "c", "d"];
  const read = (k: string): string => {
    const place = `reinterpret_cast<const float4*>(${k}_in + base) + lane`;
    return o.read === "plain" ? `*(${place})` : `${o.read}(${place})`;
  };
  const row = (part: string) => (k: string) => `q${k}.${part}`;
  const store = `make_float4(x0, x1, x2, x3)`;
  const target = "reinterpret_cast<float4*>(x_out + base) + lane";
  return `${names.map((k) => `float4 q${k} = ${read(k)};`).join("\n")}
${combine(o, row("y"), row("x"), row("z"))}
{
${names.map((k) => `const float n${k} = __shfl_down_sync(0xffffffffu, q${k}.x, 1);`).join("\n")}
${combine(o, row("w"), row("z"), (k) => `n${k}`)}
}
{
${names.map((k) => `const float n${k} = __shfl_down_sync(0xffffffffu, q${k}.y, 1);`).join("\n")}
${combine(o, row("w"), row("y"), (k) => `n${k}`)}
}
float a = qa.w, b = qb.w, c = qc.w, d = qd.w;
${doublingSteps(o)}
const float before = __shfl_up_sync(0xffffffffu, x3, 1);
const float x1 = ${over(o, "(qd.y - qa.y * before - qc.y * x3)", "qb.y")};
const float x0 = ${over(o, "(qd.x - qa.x * before - qc.x * x1)", "qb.x")};
const float x2 = ${over(o, "(qd.z - qa.z * x1 - qc.z * x3)", "qb.z")};
${o.store === "plain" ? `*(${target}) = ${store};` : `__stcs(${target}, ${store});`}`;
}

function sharedFill(o: Choice): string {
  const names = ["a", "b", "c", "d"];
  const get = (place: string): string => (o.read === "plain" ? place : `${o.read}(&${place})`);
  if (o.fill === "scalars")
    return `for (int i = lane; i < N; i += 32) {
${names.map((k) => `s${k}[i] = ${get(`${k}_in[base + i]`)};`).join("\n")}
}`;
  return names
    .map(
      (k) =>
        `reinterpret_cast<float4*>(s${k})[lane] = ${get(`reinterpret_cast<const float4*>(${k}_in + base)[lane]`)};`,
    )
    .join("\n");
}

function inShared(o: Choice): string {
  const at = (index: string) => (k: string) => `s${k}[${index}]`;
  const put = o.store === "plain" ? "x_out[base + i] = sd[i];" : "__stcs(&x_out[base + i], sd[i]);";
  return `__syncwarp();
${sharedFill(o)}
__syncwarp();
for (int i = 2 * lane + 1; i < N; i += 64) {
${combine(o, at("i"), at("i - 1"), at("min(i + 1, N - 1)"))}
}
__syncwarp();
const int mine = 4 * lane + 3;
${combine(o, at("mine"), at("mine - 2"), at("min(mine + 2, N - 1)"))}
__syncwarp();
float a = sa[mine], b = sb[mine], c = sc[mine], d = sd[mine];
${doublingSteps(o)}
sd[mine] = x3;
__syncwarp();
{
const int i = 4 * lane + 1;
const float before = lane > 0 ? sd[i - 2] : 0.0f;
sd[i] = ${over(o, "(sd[i] - sa[i] * before - sc[i] * sd[i + 2])", "sb[i]")};
}
__syncwarp();
for (int i = 2 * lane; i < N; i += 64) {
const float before = i > 0 ? sd[i - 1] : 0.0f;
sd[i] = ${over(o, "(sd[i] - sa[i] * before - sc[i] * sd[i + 1])", "sb[i]")};
}
__syncwarp();
for (int i = lane; i < N; i += 32) {
${put}
}`;
}

/** Two halving steps leave a row per lane. */
export const crThenPcr = template({
  id: "cr-then-pcr",
  from: "cyclic-reduction",
  idea: "Halve the unknowns twice, solve the remaining row per lane by doubling shuffles, and fill the others in",
  options,
  valid: (o) => o.where === "shared" || o.fill === "quads",
  count: 25,
  write(o, s) {
    const shared = o.where === "shared";
    const work = `const size_t base = (size_t)system * N;
${shared ? inShared(o) : inRegisters(o)}`;
    const first = "blockIdx.x * WARPS + threadIdx.x / 32";
    const body = o.persistent
      ? `for (int system = ${first}; system < BATCH; system += gridDim.x * WARPS) {
${work}
}`
      : `const int system = ${first};
${work}`;
    const tiles = `__shared__ __align__(16) float tiles[WARPS][4][N];
${repeat(4, (index) => `float* s${"abcd"[index]} = tiles[threadIdx.x / 32][${index}];`)}`;
    const source = `${constants(s)}constexpr int WARPS = ${o.warps};

${on(o.helper, helperOf(o))}
extern "C" __global__ void ${on(o.bounds, "__launch_bounds__(WARPS * 32) ")}halve_and_double(const float* __restrict__ a_in, const float* __restrict__ b_in, const float* __restrict__ c_in, const float* __restrict__ d_in, float* __restrict__ x_out) {
const int lane = threadIdx.x % 32;
${on(shared, tiles)}
${body}
}
`;
    const grid = o.persistent ? 132 * (32 / o.warps) : batchOf(s) / o.warps;
    const launches = [launch("halve_and_double", grid, o.warps * 32, arrays)];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});
