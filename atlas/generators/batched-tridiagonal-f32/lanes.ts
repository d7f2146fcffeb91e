import { launch, on, styled, template, type Chosen } from "../kit/code.ts";
import { arrays, batchOf, divideAll, divisions, inverse } from "./shared.ts";

const full = "0xffffffffu";

const stridedOptions = {
  form: ["unit", "plain"],
  tail: ["thomas", "doubling"],
  ends: ["zero", "any"],
  division: divisions,
  load: ["plain", "__ldg", "__ldcs"],
  persistent: [false, true],
  store: ["plain", "__stcs"],
  loop: ["unrolled", "rolled"],
  bounds: [true, false],
  warps: [4, 8, 2],
} as const;

type StridedChoice = Chosen<typeof stridedOptions>;

function mixStrided(o: StridedChoice): string {
  if (o.form === "plain") {
    const ratio = (value: string, by: string): string =>
      o.division === "divide" ? `${value} / ${by}` : `${value} * (${inverse(o.division, by)})`;
    return `const float k1 = ${ratio("a[q]", "lb")};
const float k2 = ${ratio("c[q]", "rb")};
na[q] = -la * k1;
nb[q] = b[q] - lc * k1 - ra * k2;
nc[q] = -rc * k2;
nd[q] = d[q] - ld * k1 - rd * k2;`;
  }
  return `const float pivot = 1.0f - a[q] * lc - c[q] * ra;
${divideAll(o.division, "pivot", [
  ["na[q]", "-a[q] * la"],
  ["nc[q]", "-c[q] * rc"],
  ["nd[q]", "d[q] - a[q] * ld - c[q] * rd"],
])}`;
}

/** One doubling step whose neighbours lie in other lanes. */
function acrossLanes(o: StridedChoice): string {
  const names = o.form === "plain" ? ["a", "b", "c", "d"] : ["a", "c", "d"];
  const neutral = (k: string): string => (o.ends === "any" ? "" : k === "b" ? "1.0f" : "0.0f");
  const lowEnd = (k: string): string => (o.ends === "any" ? `u${k}[0]` : neutral(k));
  const highEnd = (k: string): string => (o.ends === "any" ? `w${k}[3]` : neutral(k));
  return `float ${names.map((k) => `u${k}[4], w${k}[4], n${k}[4]`).join(", ")};
#pragma unroll
for (int q = 0; q < 4; ++q) {
${names
  .map(
    (k) => `u${k}[q] = __shfl_sync(${full}, ${k}[q], lane - distance);
w${k}[q] = __shfl_sync(${full}, ${k}[q], lane + distance);`,
  )
  .join("\n")}
}
#pragma unroll
for (int q = 0; q < 4; ++q) {
${names.map((k) => `const float l${k} = lane >= distance ? u${k}[q] : (q > 0 ? u${k}[q > 0 ? q - 1 : 0] : ${lowEnd(k)});`).join("\n")}
${names.map((k) => `const float r${k} = lane + distance < 32 ? w${k}[q] : (q < 3 ? w${k}[q < 3 ? q + 1 : 3] : ${highEnd(k)});`).join("\n")}
${mixStrided(o)}
}
#pragma unroll
for (int q = 0; q < 4; ++q) {
${names.map((k) => `${k}[q] = n${k}[q];`).join("\n")}
}`;
}

function stridedTail(o: StridedChoice): string {
  const plain = o.form === "plain";
  if (o.tail === "thomas")
    return `float last_c = 0.0f, last_d = 0.0f;
#pragma unroll
for (int q = 0; q < 4; ++q) {
const float pivot = ${plain ? "b[q]" : "1.0f"} - a[q] * last_c;
${divideAll(o.division, "pivot", [
  ["last_d", "d[q] - a[q] * last_d"],
  ["last_c", "c[q]"],
])}
c[q] = last_c;
d[q] = last_d;
}
#pragma unroll
for (int q = 2; q >= 0; --q) {
d[q] -= c[q] * d[q + 1];
}`;
  const names = plain ? ["a", "b", "c", "d"] : ["a", "c", "d"];
  const zero = (k: string): string => (k === "b" ? "1.0f" : "0.0f");
  return `#pragma unroll
for (int jump = 1; jump < 4; jump *= 2) {
float ${names.map((k) => `n${k}[4]`).join(", ")};
#pragma unroll
for (int q = 0; q < 4; ++q) {
${names.map((k) => `const float l${k} = q >= jump ? ${k}[q >= jump ? q - jump : 0] : ${zero(k)};`).join("\n")}
${names.map((k) => `const float r${k} = q + jump < 4 ? ${k}[q + jump < 4 ? q + jump : 3] : ${zero(k)};`).join("\n")}
${mixStrided(o)}
}
#pragma unroll
for (int q = 0; q < 4; ++q) {
${names.map((k) => `${k}[q] = n${k}[q];`).join("\n")}
}
}
${on(plain, "#pragma unroll\nfor (int q = 0; q < 4; ++q) {\nd[q] /= b[q];\n}")}`;
}

/** Lanes hold every 32nd row. */
export const stridedLanes = template({
  id: "strided-lanes",
  from: "pcr-then-thomas",
  idea: "Hold a system in a warp's registers, every 32nd row per lane, and double the distance by shuffles",
  options: stridedOptions,
  count: 26,
  write(o, s) {
    const get = (k: string): string =>
      o.load === "plain" ? `in_${k}[base + 32 * q]` : `${o.load}(&in_${k}[base + 32 * q])`;
    const put = o.store === "plain" ? "out[base + 32 * q] = d[q];" : "__stcs(&out[base + 32 * q], d[q]);";
    const unit = `{
const float pivot = b[q];
${divideAll(o.division, "pivot", [
  ["a[q]", "a[q]"],
  ["c[q]", "c[q]"],
  ["d[q]", "d[q]"],
])}
}`;
    const work = `const size_t base = (size_t)system * 128 + lane;
float a[4], b[4], c[4], d[4];
#pragma unroll
for (int q = 0; q < 4; ++q) {
${["a", "b", "c", "d"].map((k) => `${k}[q] = ${get(k)};`).join("\n")}
${on(o.form === "unit", unit)}
}
#pragma unroll${on(o.loop === "rolled", " 1")}
for (int distance = 1; distance < 32; distance *= 2) {
${acrossLanes(o)}
}
${stridedTail(o)}
#pragma unroll
for (int q = 0; q < 4; ++q) {
${put}
}`;
    const first = `blockIdx.x * ${o.warps} + threadIdx.x / 32`;
    const body = o.persistent
      ? `for (int system = ${first}; system < BATCH; system += gridDim.x * ${o.warps}) {
${work}
}`
      : `const int system = ${first};
${work}`;
    const source = `#define BATCH ${batchOf(s)}

extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.warps * 32}) `)}warp_doubling(const float* __restrict__ in_a, const float* __restrict__ in_b, const float* __restrict__ in_c, const float* __restrict__ in_d, float* __restrict__ out) {
const int lane = threadIdx.x % 32;
${body}
}
`;
    const grid = o.persistent ? 132 * (32 / o.warps) : batchOf(s) / o.warps;
    return styled(
      { source, launches: [launch("warp_doubling", grid, o.warps * 32, arrays)] },
      { names: "snake", indent: 2 },
    );
  },
});
