import { launch, on, styled, template } from "../kit/code.ts";
import {
  around,
  atomsOf,
  constants,
  distance,
  feed,
  feedParameter,
  forms,
  guarded,
  guards,
  inverses,
  accumulate,
  ownCell,
  ownPlace,
  packedFirst,
  place,
  placeNames,
  strength,
  walks,
  wraps,
  zeroSums,
} from "./parts.ts";

const store = (kind: string): string =>
  kind === "quad"
    ? "reinterpret_cast<float4*>(force)[i] = make_float4(fx, fy, fz, en);"
    : `force[4 * i] = fx;
force[4 * i + 1] = fy;
force[4 * i + 2] = fz;
force[4 * i + 3] = en;`;

export const atomThread = template({
  id: "atom-thread",
  from: null,
  idea: "keep an atom's sums in registers and drop the roots and powers",
  count: 26,
  options: {
    walk: walks,
    wrap: wraps,
    inverse: inverses,
    form: forms,
    guard: guards,
    cell: ["multiply", "divide", "floor"],
    prune: [false, true],
    store: ["scalars", "quad"],
    macros: [true, false],
    block: [128, 64, 256],
  },
  write: (o, sizes) => {
    const n = atomsOf(sizes);
    const pair = `${place(false, "j", "p")}
${distance(o.wrap, "", placeNames(false, "p"))}
${guarded(o, "j == i")}`;
    const source = `${constants(o.macros, sizes)}
extern "C" __global__ void forces_of_atoms(const float* __restrict__ pos, const int* __restrict__ start, float* __restrict__ force, int n) {
const int i = blockIdx.x * blockDim.x + threadIdx.x;
if (i >= n) return;
${ownPlace(false, "i")}
${ownCell(o.cell)}
${zeroSums}
${around(o, `for (int j = a; j < b; ++j) {\n${pair}\n}`)}
${store(o.store)}
}
`;
    const main = launch("forces_of_atoms", Math.ceil(n / o.block), o.block, ["pos", "start", "force", { i32: n }]);
    return styled({ source, launches: [main] }, { names: "snake", indent: 2 });
  },
});

export const atomPacked = template({
  id: "atom-packed",
  from: "atom-thread",
  idea: "repack the positions as quads before the walk",
  count: 24,
  options: {
    walk: walks,
    wrap: ["compare", "shift", "rint"],
    inverse: inverses,
    form: ["powers", "direct", "factored"],
    guard: guards,
    ldg: [false, true],
    prune: [false, true],
    unroll: ["", "#pragma unroll 2\n", "#pragma unroll 4\n"],
    pair_of_atoms: [false, true],
    bounded: [false, true],
    block: [128, 64, 256],
  },
  valid: (o) => !(o.pair_of_atoms && o.unroll !== "" && o.guard === "clamp"),
  write: (o, sizes) => {
    const n = atomsOf(sizes);
    const pair = (index: string, name: string): string => `{
${place(true, index, name, on(o.ldg, "ldg"))}
${distance(o.wrap, "", placeNames(true, name))}
${guarded(o, `${index} == i`)}
}`;
    const inner = o.pair_of_atoms
      ? `int j = a;
for (; j + 1 < b; j += 2) {
const int k1 = j + 1;
${pair("j", "p")}
${pair("k1", "q4")}
}
if (j < b) ${pair("j", "p")}`
      : `${o.unroll}for (int j = a; j < b; ++j) ${pair("j", "p")}`;
    const source = `${constants(false, sizes)}
// One thread sums what acts on one atom.
extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${o.block}) `)}quad_forces(${feedParameter(true)}, const int* __restrict__ start, float4* __restrict__ force) {
const int i = blockIdx.x * ${o.block} + threadIdx.x;
${ownPlace(true, "i")}
${ownCell("multiply")}
${zeroSums}
${around(o, inner)}
force[i] = make_float4(fx, fy, fz, en);
}
`;
    const main = launch("quad_forces", n / o.block, o.block, ["packed", "start", "force"]);
    return styled(packedFirst(true, sizes, source, [main]), { names: "camel", indent: 4 });
  },
});

/** One thread per atom that first marks who is near in a word of bits, then evaluates the marked ones. */
export const hitMask = template({
  id: "hit-mask",
  from: "atom-packed",
  idea: "mark the near atoms of a chunk in a bit mask, then evaluate only those",
  count: 25,
  options: {
    packed: [true, false],
    walk: ["rows", "nested", "flat"],
    wrap: ["shift", "compare", "rint"],
    inverse: inverses,
    form: forms,
    chunk: ["unsigned int", "unsigned long long", "unsigned short"],
    pick: ["first", "last"],
    select: ["shift", "test"],
    prune: [false, true],
    unroll: [false, true],
    block: [128, 64, 256],
  },
  valid: (o) => !(o.pick === "last" && o.chunk === "unsigned short"),
  write: (o, sizes) => {
    const n = atomsOf(sizes);
    const wide = o.chunk === "unsigned long long";
    const bits = o.chunk === "unsigned short" ? 16 : wide ? 64 : 32;
    const word = wide ? "unsigned long long" : "unsigned int";
    const one = wide ? "1ull" : "1u";
    const names = placeNames(o.packed, "p");
    const take =
      o.pick === "first"
        ? `const int k = ${wide ? "__ffsll" : "__ffs"}(near) - 1;
near &= near - 1;`
        : `const int k = ${wide ? "63 - __clzll" : "31 - __clz"}(near);
near ^= ${one} << k;`;
    const mark =
      o.select === "shift" ? `near |= (${word})(r2 < CUT2 ? 1 : 0) << k;` : `if (r2 < CUT2) near |= ${one} << k;`;
    const inner = `for (int t = a; t < b; t += ${bits}) {
const int m = min(${bits}, b - t);
${word} near = 0;
${on(o.unroll, "#pragma unroll 4\n")}for (int k = 0; k < m; ++k) {
${place(o.packed, "t + k", "p")}
${distance(o.wrap, "", names)}
${mark}
}
if (i >= t && i < t + m) near &= ~(${one} << (i - t));
while (near != 0) {
${take}
${place(o.packed, "t + k", "p")}
${distance(o.wrap, "", names)}
${strength(o)}
${accumulate}
}
}`;
    const source = `${constants(true, sizes)}
extern "C" __global__ void masked_forces(${feedParameter(o.packed)}, const int* __restrict__ start, float4* __restrict__ force, int n) {
int i = blockIdx.x * blockDim.x + threadIdx.x;
if (i >= n) return;
${ownPlace(o.packed, "i")}
${ownCell("floor")}
${zeroSums}
${around(o, inner)}
force[i] = make_float4(fx, fy, fz, en);
}
`;
    const main = launch("masked_forces", Math.ceil(n / o.block), o.block, [
      feed(o.packed),
      "start",
      "force",
      { i32: n },
    ]);
    return styled(packedFirst(o.packed, sizes, source, [main]), { names: "snake", indent: 4 });
  },
});
