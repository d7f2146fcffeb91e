import { launch, on, repeat, styled, template, type Chosen } from "../kit/code.ts";
import { batchOf, inverseOf, quotients, refinement } from "./shared.ts";

const halvedOptions = {
  small: ["adjugate", "eliminate", "quarters"],
  first: ["upper", "lower"],
  load: ["quads", "scalars"],
  store: ["quads", "scalars"],
  quotient: quotients,
  staged: [false, true],
  product: ["function", "macro"],
  bounds: [false, true],
  block: [128, 64, 32, 256],
} as const;

type HalvedChoice = Chosen<typeof halvedOptions>;

const head = "__device__ __forceinline__ void invert_four(float (&m)[4][4]) {";

function eliminateFour(quotient: string): string {
  return `${head}
#pragma unroll
for (int k = 0; k < 4; ++k) {
const float scale = ${inverseOf(quotient, "m[k][k]")};
m[k][k] = 1.0f;
#pragma unroll
for (int j = 0; j < 4; ++j) {
m[k][j] *= scale;
}
#pragma unroll
for (int i = 0; i < 4; ++i) {
if (i != k) {
const float factor = m[i][k];
m[i][k] = 0.0f;
#pragma unroll
for (int j = 0; j < 4; ++j) {
m[i][j] -= factor * m[k][j];
}
}
}
}
}
`;
}

/** By blocks of two by two. */
function quarterFour(quotient: string): string {
  return `__device__ __forceinline__ void invert_two(float& a, float& b, float& c, float& d) {
const float scale = ${inverseOf(quotient, "(a * d - b * c)")};
const float old = a;
a = d * scale;
d = old * scale;
b *= -scale;
c *= -scale;
}

${head}
float p = m[0][0], q = m[0][1], r = m[1][0], s = m[1][1];
invert_two(p, q, r, s);
const float u00 = p * m[0][2] + q * m[1][2], u01 = p * m[0][3] + q * m[1][3];
const float u10 = r * m[0][2] + s * m[1][2], u11 = r * m[0][3] + s * m[1][3];
const float v00 = m[2][0] * p + m[2][1] * r, v01 = m[2][0] * q + m[2][1] * s;
const float v10 = m[3][0] * p + m[3][1] * r, v11 = m[3][0] * q + m[3][1] * s;
float w00 = m[2][2] - m[2][0] * u00 - m[2][1] * u10, w01 = m[2][3] - m[2][0] * u01 - m[2][1] * u11;
float w10 = m[3][2] - m[3][0] * u00 - m[3][1] * u10, w11 = m[3][3] - m[3][0] * u01 - m[3][1] * u11;
invert_two(w00, w01, w10, w11);
m[2][2] = w00;
m[2][3] = w01;
m[3][2] = w10;
m[3][3] = w11;
m[0][2] = -(u00 * w00 + u01 * w10);
m[0][3] = -(u00 * w01 + u01 * w11);
m[1][2] = -(u10 * w00 + u11 * w10);
m[1][3] = -(u10 * w01 + u11 * w11);
m[2][0] = -(w00 * v00 + w01 * v10);
m[2][1] = -(w00 * v01 + w01 * v11);
m[3][0] = -(w10 * v00 + w11 * v10);
m[3][1] = -(w10 * v01 + w11 * v11);
m[0][0] = p - m[0][2] * v00 - m[0][3] * v10;
m[0][1] = q - m[0][2] * v01 - m[0][3] * v11;
m[1][0] = r - m[1][2] * v00 - m[1][3] * v10;
m[1][1] = s - m[1][2] * v01 - m[1][3] * v11;
}
`;
}

/** By the adjugate, from the minors of the upper and the lower two rows. */
function adjugateFour(quotient: string): string {
  return `${head}
const float s0 = m[0][0] * m[1][1] - m[1][0] * m[0][1], s1 = m[0][0] * m[1][2] - m[1][0] * m[0][2];
const float s2 = m[0][0] * m[1][3] - m[1][0] * m[0][3], s3 = m[0][1] * m[1][2] - m[1][1] * m[0][2];
const float s4 = m[0][1] * m[1][3] - m[1][1] * m[0][3], s5 = m[0][2] * m[1][3] - m[1][2] * m[0][3];
const float c5 = m[2][2] * m[3][3] - m[3][2] * m[2][3], c4 = m[2][1] * m[3][3] - m[3][1] * m[2][3];
const float c3 = m[2][1] * m[3][2] - m[3][1] * m[2][2], c2 = m[2][0] * m[3][3] - m[3][0] * m[2][3];
const float c1 = m[2][0] * m[3][2] - m[3][0] * m[2][2], c0 = m[2][0] * m[3][1] - m[3][0] * m[2][1];
const float scale = ${inverseOf(quotient, "(s0 * c5 - s1 * c4 + s2 * c3 + s3 * c2 - s4 * c1 + s5 * c0)")};
float r[4][4];
r[0][0] = (m[1][1] * c5 - m[1][2] * c4 + m[1][3] * c3) * scale;
r[0][1] = (-m[0][1] * c5 + m[0][2] * c4 - m[0][3] * c3) * scale;
r[0][2] = (m[3][1] * s5 - m[3][2] * s4 + m[3][3] * s3) * scale;
r[0][3] = (-m[2][1] * s5 + m[2][2] * s4 - m[2][3] * s3) * scale;
r[1][0] = (-m[1][0] * c5 + m[1][2] * c2 - m[1][3] * c1) * scale;
r[1][1] = (m[0][0] * c5 - m[0][2] * c2 + m[0][3] * c1) * scale;
r[1][2] = (-m[3][0] * s5 + m[3][2] * s2 - m[3][3] * s1) * scale;
r[1][3] = (m[2][0] * s5 - m[2][2] * s2 + m[2][3] * s1) * scale;
r[2][0] = (m[1][0] * c4 - m[1][1] * c2 + m[1][3] * c0) * scale;
r[2][1] = (-m[0][0] * c4 + m[0][1] * c2 - m[0][3] * c0) * scale;
r[2][2] = (m[3][0] * s4 - m[3][1] * s2 + m[3][3] * s0) * scale;
r[2][3] = (-m[2][0] * s4 + m[2][1] * s2 - m[2][3] * s0) * scale;
r[3][0] = (-m[1][0] * c3 + m[1][1] * c1 - m[1][2] * c0) * scale;
r[3][1] = (m[0][0] * c3 - m[0][1] * c1 + m[0][2] * c0) * scale;
r[3][2] = (-m[3][0] * s3 + m[3][1] * s1 - m[3][2] * s0) * scale;
r[3][3] = (m[2][0] * s3 - m[2][1] * s1 + m[2][2] * s0) * scale;
#pragma unroll
for (int e = 0; e < 16; ++e) {
m[e / 4][e % 4] = r[e / 4][e % 4];
}
}
`;
}

/** A device function that inverts a 4 x 4 matrix in place. */
function smallInverse(small: string, quotient: string): string {
  if (small === "eliminate") return eliminateFour(quotient);
  return small === "quarters" ? quarterFour(quotient) : adjugateFour(quotient);
}

const productFunction = `// out = sign * (p q) + base, where base may be absent.
__device__ __forceinline__ void multiply(float (&out)[4][4], const float (&p)[4][4], const float (&q)[4][4], float sign) {
#pragma unroll
for (int i = 0; i < 4; ++i) {
#pragma unroll
for (int j = 0; j < 4; ++j) {
float sum = 0.0f;
#pragma unroll
for (int k = 0; k < 4; ++k) {
sum += p[i][k] * q[k][j];
}
out[i][j] = sign * sum;
}
}
}
`;

const productMacro = `#define MULTIPLY(out, p, q, sign) \\
_Pragma("unroll") for (int i = 0; i < 4; ++i) \\
_Pragma("unroll") for (int j = 0; j < 4; ++j) \\
out[i][j] = sign * (p[i][0] * q[0][j] + p[i][1] * q[1][j] + p[i][2] * q[2][j] + p[i][3] * q[3][j])
`;

function halvedBody(o: HalvedChoice): string {
  const [p, q, r, s] = o.first === "upper" ? ["m00", "m01", "m10", "m11"] : ["m11", "m10", "m01", "m00"];
  const times = (out: string, x: string, y: string, sign: string): string =>
    o.product === "function" ? `multiply(${out}, ${x}, ${y}, ${sign});` : `MULTIPLY(${out}, ${x}, ${y}, ${sign});`;
  const subtract = (to: string, what: string): string => `#pragma unroll
for (int e = 0; e < 16; ++e) {
${to}[e / 4][e % 4] -= ${what}[e / 4][e % 4];
}`;
  return `// With ${p} inverted, the other diagonal block becomes its Schur complement.
invert_four(${p});
float u[4][4], v[4][4], w[4][4];
${times("u", p, q, "1.0f")}
${times("v", r, p, "1.0f")}
${times("w", r, "u", "1.0f")}
${subtract(s, "w")}
invert_four(${s});
${times(q, "u", s, "-1.0f")}
${times(r, s, "v", "-1.0f")}
${times("w", q, "v", "1.0f")}
${subtract(p, "w")}`;
}

/** Four blocks of 4 x 4. */
export const halvedThreads = template({
  id: "halved-threads",
  from: "register-threads",
  idea: "Invert by blocks of four by four through the Schur complement, a matrix per thread",
  options: halvedOptions,
  valid: (o) => !o.staged || (o.load === "scalars" && o.store === "scalars" && o.block <= 128),
  count: 32,
  write(o, s) {
    const at = o.staged ? "board[threadIdx.x * 65 + ELEMENT]" : "from[ELEMENT]";
    const scalars = (store: boolean): string => `#pragma unroll
for (int e = 0; e < 16; ++e) {
const int i = e / 4, j = e % 4;
${[0, 1, 2, 3]
  .map((b) => {
    const element = `(i + ${4 * Math.floor(b / 2)}) * 8 + j + ${4 * (b % 2)}`;
    const name = `m${Math.floor(b / 2)}${b % 2}[i][j]`;
    const place = (store && !o.staged ? at.replace("from", "to") : at).replace("ELEMENT", element);
    return store ? `${place} = ${name};` : `${name} = ${place};`;
  })
  .join("\n")}
}`;
    const quads = (store: boolean): string => `#pragma unroll
for (int i = 0; i < 4; ++i) {
${[0, 1, 2, 3]
  .map((b) => {
    const [y, x] = [Math.floor(b / 2), b % 2];
    const name = `m${y}${x}[i]`;
    const place = `(i + ${4 * y}) * 2 + ${x}`;
    if (store)
      return `reinterpret_cast<float4*>(to)[${place}] = make_float4(${name}[0], ${name}[1], ${name}[2], ${name}[3]);`;
    return `const float4 v${y}${x} = reinterpret_cast<const float4*>(from)[${place}];
${repeat(4, (j) => `${name}[${j}] = v${y}${x}.${"xyzw"[j]};`)}`;
  })
  .join("\n")}
}`;
    const copyIn = `for (int e = threadIdx.x; e < ${o.block} * 64; e += ${o.block}) {
board[e / 64 * 65 + e % 64] = from[e];
}
__syncthreads();`;
    const copyOut = `__syncthreads();
for (int e = threadIdx.x; e < ${o.block} * 64; e += ${o.block}) {
to[e] = board[e / 64 * 65 + e % 64];
}`;
    const offset = o.staged
      ? `(size_t)blockIdx.x * ${o.block} * 64`
      : `((size_t)blockIdx.x * ${o.block} + threadIdx.x) * 64`;
    const source = `${refinement(o.quotient)}${smallInverse(o.small, o.quotient)}
${o.product === "function" ? productFunction : productMacro}
extern "C" __global__ void ${on(o.bounds, `__launch_bounds__(${o.block}) `)}invert_by_blocks(const float* __restrict__ a, float* __restrict__ inverse) {
${on(o.staged, "extern __shared__ float board[];")}
const float* from = a + ${offset};
float* to = inverse + ${offset};
${on(o.staged, copyIn)}
float m00[4][4], m01[4][4], m10[4][4], m11[4][4];
${o.load === "quads" ? quads(false) : scalars(false)}
${halvedBody(o)}
${o.store === "quads" ? quads(true) : scalars(true)}
${on(o.staged, copyOut)}
}
`;
    const bytes = o.staged ? 4 * 65 * o.block : 0;
    return styled(
      { source, launches: [launch("invert_by_blocks", batchOf(s) / o.block, o.block, ["a", "inverse"], bytes)] },
      { names: "snake", indent: 2 },
    );
  },
});
