import type { LaunchArgument } from "../../../src/domain/index.ts";
import { launch, on } from "../kit/code.ts";
import type { KernelDraft } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;

export const atomsOf = (sizes: Sizes): number => sizes["n"] as number;
export const edgeCells = (sizes: Sizes): number => sizes["c"] as number;

export const walks = ["nested", "flat", "rows"] as const;
export const wraps = ["rint", "compare", "shift"] as const;
export const inverses = ["divide", "reciprocal", "intrinsic", "root"] as const;
export const forms = ["direct", "powers", "factored"] as const;
export const guards = ["branch", "positive", "clamp"] as const;

/** The geometry as macros or as typed constants. */
export function constants(macros: boolean, sizes: Sizes): string {
  const cells = edgeCells(sizes);
  return macros
    ? `#define CELLS ${cells}
#define EDGE 3.0f
#define BOX ${cells * 3}.0f
#define CUT2 7.84f
`
    : `constexpr int CELLS = ${cells};
constexpr float EDGE = 3.0f;
constexpr float BOX = CELLS * EDGE;
constexpr float CUT2 = 7.84f;
`;
}

const inverse: Readonly<Record<(typeof inverses)[number], string>> = {
  divide: "float q = 1.0f / r2;",
  reciprocal: "float q = __frcp_rn(r2);",
  intrinsic: "float q = __fdividef(1.0f, r2);",
  root: "float ir = rsqrtf(r2);\nfloat q = ir * ir;",
};

const terms: Readonly<Record<(typeof forms)[number], string>> = {
  direct: `float q3 = q * q * q;
float w = 1.0f - r2 * (1.0f / CUT2);
float h = (q3 - 1.0f) * q3 * w;
float s = 24.0f * (2.0f * q3 - 1.0f) * q3 * q * w * w + (16.0f / CUT2) * h;
float u = 2.0f * h * w;`,
  powers: `float w = 1.0f - r2 / CUT2;
float q6 = q * q * q;
float q12 = q6 * q6;
float s = (48.0f * q12 - 24.0f * q6) * q * w * w + (16.0f / CUT2) * (q12 - q6) * w;
float u = 2.0f * (q12 - q6) * w * w;`,
  factored: `float q3 = q * q * q;
float w = fmaf(r2, -1.0f / CUT2, 1.0f);
float t3 = q3 * w;
float s = t3 * fmaf(24.0f * w * q, fmaf(2.0f, q3, -1.0f), (16.0f / CUT2) * (q3 - 1.0f));
float u = 2.0f * w * t3 * (q3 - 1.0f);`,
};

export interface PairChoice {
  readonly wrap: (typeof wraps)[number];
  readonly inverse: (typeof inverses)[number];
  readonly form: (typeof forms)[number];
}

/** dx, dy, dz and r2 between the own atom (`own` names its coordinates) and the place `px`, `py`, `pz`. */
export function distance(wrap: PairChoice["wrap"], own: string, place: readonly [string, string, string]): string {
  const axes = ["x", "y", "z"] as const;
  const lines = axes.map((axis, index) => {
    const difference = `float d${axis} = ${wrap === "shift" ? "s" : own}${axis} - ${place[index]};`;
    if (wrap === "rint") return `${difference}\nd${axis} -= BOX * rintf(d${axis} * (1.0f / BOX));`;
    if (wrap === "compare")
      return `${difference}\nd${axis} += d${axis} > 0.5f * BOX ? -BOX : (d${axis} < -0.5f * BOX ? BOX : 0.0f);`;
    return difference;
  });
  return `${lines.join("\n")}\nfloat r2 = dx * dx + dy * dy + dz * dz;`;
}

/** s (the factor of the distance) and u (half of the pair's energy) from r2. */
export function strength(choice: PairChoice): string {
  return `${inverse[choice.inverse]}\n${terms[choice.form]}`;
}

export const accumulate = `fx += s * dx;
fy += s * dy;
fz += s * dz;
en += u;`;

/** Adds the pair's force where it is in reach and not the atom with itself; `same` tells the latter. */
export function guarded(choice: PairChoice & { guard: (typeof guards)[number] }, same: string): string {
  const work = `${strength(choice)}\n${accumulate}`;
  if (choice.guard === "clamp") return `r2 = ${same} ? CUT2 : fminf(r2, CUT2);\n${work}`;
  const other = choice.guard === "positive" ? "r2 > 0.0f" : `!(${same})`;
  return `if (r2 < CUT2 && ${other}) {\n${work}\n}`;
}

/** Coordinates of atom `index` as three names. */
export function place(packed: boolean, index: string, name: string, constant = ""): string {
  return packed
    ? `const float4 ${name} = ${on(constant === "ldg", `__ldg(packed + ${index})`, `packed[${index}]`)};`
    : `const float ${name}x = pos[3 * (${index})];
const float ${name}y = pos[3 * (${index}) + 1];
const float ${name}z = pos[3 * (${index}) + 2];`;
}

export const placeNames = (packed: boolean, name: string): readonly [string, string, string] =>
  packed ? [`${name}.x`, `${name}.y`, `${name}.z`] : [`${name}x`, `${name}y`, `${name}z`];

export const ownCell = (style: string): string => {
  const of = (axis: string): string =>
    style === "floor"
      ? `__float2int_rd(${axis} * (1.0f / EDGE))`
      : style === "divide"
        ? `(int)(${axis} / EDGE)`
        : `(int)(${axis} * (1.0f / EDGE))`;
  return `const int cx = ${of("x")}, cy = ${of("y")}, cz = ${of("z")};`;
};

const wrapped = (axis: string): string =>
  `int n${axis} = c${axis} + o${axis};
n${axis} += n${axis} < 0 ? CELLS : (n${axis} >= CELLS ? -CELLS : 0);`;
const shifted = (axis: string): string =>
  `const float s${axis} = ${axis} + (c${axis} + o${axis} < 0 ? BOX : (c${axis} + o${axis} >= CELLS ? -BOX : 0.0f));`;
const gap = (axis: string): string =>
  `const float g${axis} = o${axis} < 0 ? ${axis} - c${axis} * EDGE : (o${axis} > 0 ? (c${axis} + 1) * EDGE - ${axis} : 0.0f);`;

export interface WalkChoice {
  readonly walk: (typeof walks)[number];
  readonly wrap: PairChoice["wrap"];
  readonly prune: boolean;
}

/**
 * The ranges of atoms around cell (cx, cy, cz): `inner` is the code of one range from `a` to `b`. Pruning needs the own
 * atom's x, y, z and leaves out cells beyond its reach.
 */
export function around(choice: WalkChoice, inner: string, pragma = ""): string {
  const shift = (axes: readonly string[]): string =>
    choice.wrap === "shift" ? axes.map((axis) => shifted(axis)).join("\n") : "";
  const prune = (axes: readonly string[]): string =>
    choice.prune
      ? `${axes.map((axis) => gap(axis)).join("\n")}
if (${axes.map((axis) => `g${axis} * g${axis}`).join(" + ")} >= CUT2) continue;`
      : "";
  if (choice.walk === "rows")
    return `const int low = max(cx - 1, 0), high = min(cx + 2, CELLS);
const int pieces = cx == 0 || cx == CELLS - 1 ? 2 : 1;
const int other = cx == 0 ? CELLS - 1 : 0;
${pragma}for (int oz = -1; oz <= 1; ++oz) {
for (int oy = -1; oy <= 1; ++oy) {
${prune(["y", "z"])}
${wrapped("y")}
${wrapped("z")}
${shift(["y", "z"])}
const int row = (nz * CELLS + ny) * CELLS;
for (int piece = 0; piece < pieces; ++piece) {
${on(choice.wrap === "shift", "const float sx = piece == 0 ? x : (cx == 0 ? x + BOX : x - BOX);")}
const int a = start[row + (piece == 0 ? low : other)];
const int b = start[row + (piece == 0 ? high : other + 1)];
${inner}
}
}
}`;
  const cell = `${prune(["x", "y", "z"])}
${["x", "y", "z"].map((axis) => wrapped(axis)).join("\n")}
${shift(["x", "y", "z"])}
const int cell = (nz * CELLS + ny) * CELLS + nx;
const int a = start[cell], b = start[cell + 1];
${inner}`;
  return choice.walk === "flat"
    ? `${pragma}for (int k = 0; k < 27; ++k) {
const int ox = k % 3 - 1, oy = k / 3 % 3 - 1, oz = k / 9 - 1;
${cell}
}`
    : `${pragma}for (int oz = -1; oz <= 1; ++oz) {
for (int oy = -1; oy <= 1; ++oy) {
for (int ox = -1; ox <= 1; ++ox) {
${cell}
}
}
}`;
}

const packKernel = `extern "C" __global__ void pack_atoms(const float* pos, float4* packed, int n) {
int i = blockIdx.x * blockDim.x + threadIdx.x;
if (i < n) packed[i] = make_float4(pos[3 * i], pos[3 * i + 1], pos[3 * i + 2], 0.0f);
}
`;

/** A kernel after the one that packs the positions, where `packed`. */
export function packedFirst(packed: boolean, sizes: Sizes, source: string, main: KernelDraft["launches"]): KernelDraft {
  const n = atomsOf(sizes);
  const first = launch("pack_atoms", Math.ceil(n / 256), 256, ["pos", "packed", { i32: n }]);
  return packed ? { source: `${packKernel}\n${source}`, launches: [first, ...main] } : { source, launches: main };
}

export const feed = (packed: boolean): LaunchArgument => (packed ? "packed" : "pos");
export const feedParameter = (packed: boolean, restrict = true): string =>
  `const float${packed ? "4" : ""}*${restrict ? " __restrict__" : ""} ${packed ? "packed" : "pos"}`;
export const ownPlace = (packed: boolean, index: string): string =>
  packed
    ? `const float4 me = packed[${index}];
const float x = me.x, y = me.y, z = me.z;`
    : `const float x = pos[3 * (${index})], y = pos[3 * (${index}) + 1], z = pos[3 * (${index}) + 2];`;
export const zeroSums = "float fx = 0.0f, fy = 0.0f, fz = 0.0f, en = 0.0f;";
/** Adds the lanes of a group of `width`; every lane of the warp takes part. */
export function laneSums(width: string | number, down: boolean): string {
  const sum = (name: string): string =>
    `${name} += __shfl_${down ? "down" : "xor"}_sync(0xffffffffu, ${name}, step, ${width});`;
  return `for (int step = ${width} / 2; step > 0; step /= 2) {
${["fx", "fy", "fz", "en"].map((name) => sum(name)).join("\n")}
}`;
}
