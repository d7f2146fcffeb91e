import { launch, on, styled, template } from "../kit/code.ts";
import {
  accumulate,
  around,
  atomsOf,
  constants,
  distance,
  feed,
  feedParameter,
  forms,
  inverses,
  laneSums,
  ownCell,
  ownPlace,
  packedFirst,
  place,
  placeNames,
  strength,
  walks,
  zeroSums,
} from "./parts.ts";

/** The kernel that writes who is near whom, by a thread or by a warp per atom. */
function buildKernel(
  o: {
    build: string;
    by_slot: boolean;
    packed: boolean;
    walk: (typeof walks)[number];
    wrap: "compare" | "rint" | "shift";
    prune: boolean;
  },
  n: number,
): string {
  const measure = `${place(o.packed, "j", "p")}
${distance(o.wrap, "", placeNames(o.packed, "p"))}`;
  const slot = (k: string): string => (o.by_slot ? `list[(${k}) * ${n} + i]` : `list[i * 128 + ${k}]`);
  const byWarp = o.build === "warp";
  const inner = byWarp
    ? `for (int t = a; t < b; t += 32) {
const int j = t + lane;
bool hit = false;
if (j < b) {
${measure}
hit = r2 < CUT2 && j != i;
}
const unsigned int votes = __ballot_sync(0xffffffffu, hit);
if (hit) ${slot("found + __popc(votes & ((1u << lane) - 1))")} = j;
found += __popc(votes);
}`
    : `for (int j = a; j < b; ++j) {
${measure}
if (r2 < CUT2 && j != i) {
${slot("found")} = j;
++found;
}
}`;
  return `extern "C" __global__ void find_neighbours(${feedParameter(o.packed)}, const int* __restrict__ start, int* __restrict__ list, int* __restrict__ counts) {
const int thread = blockIdx.x * blockDim.x + threadIdx.x;
${byWarp ? "const int lane = thread & 31;\nconst int i = thread >> 5;" : "const int i = thread;"}
${ownPlace(o.packed, "i")}
${ownCell("multiply")}
int found = 0;
${around(o, inner)}
${on(byWarp, "if (lane == 0) ")}counts[i] = found;
}
`;
}

export const neighbourList = template({
  id: "neighbour-list",
  from: "atom-thread",
  idea: "write neighbour lists first and evaluate them in a second pass",
  count: 25,
  options: {
    build: ["thread", "warp"],
    by_slot: [false, true],
    lanes: [1, 4, 8, 32],
    packed: [false, true],
    walk: walks,
    wrap: ["compare", "rint", "shift"],
    inverse: inverses,
    form: forms,
    prune: [false, true],
    unroll: [false, true],
    block: [128, 256],
  },
  write: (o, sizes) => {
    const n = atomsOf(sizes);
    const alone = o.lanes === 1;
    const entry = o.by_slot ? `list[k * ${n} + i]` : "list[i * 128 + k]";
    const minimum = o.wrap === "rint" ? "rint" : "compare";
    const source = `${constants(true, sizes)}
${buildKernel(o, n)}
extern "C" __global__ void sum_neighbours(${feedParameter(o.packed)}, const int* __restrict__ list, const int* __restrict__ counts, float4* __restrict__ force) {
const int thread = blockIdx.x * blockDim.x + threadIdx.x;
${alone ? "const int i = thread;" : `const int i = thread / ${o.lanes}, sub = thread % ${o.lanes};`}
${ownPlace(o.packed, "i")}
${zeroSums}
const int found = counts[i];
${on(o.unroll, "#pragma unroll 4\n")}for (int k = ${alone ? "0" : "sub"}; k < found; ${alone ? "++k" : `k += ${o.lanes}`}) {
const int j = ${entry};
${place(o.packed, "j", "p")}
${distance(minimum, "", placeNames(o.packed, "p"))}
${strength(o)}
${accumulate}
}
${on(!alone, laneSums(o.lanes, false))}
${on(!alone, "if (sub == 0) ")}force[i] = make_float4(fx, fy, fz, en);
}
`;
    const atoms = feed(o.packed);
    return styled(
      packedFirst(o.packed, sizes, source, [
        launch("find_neighbours", (n * (o.build === "warp" ? 32 : 1)) / o.block, o.block, [
          atoms,
          "start",
          "list",
          "counts",
        ]),
        launch("sum_neighbours", (n * o.lanes) / o.block, o.block, [atoms, "list", "counts", "force"]),
      ]),
      { names: "camel", indent: 2 },
    );
  },
});

/** Every pair once: the atom with the lower index adds to both. */
export const halfPairs = template({
  id: "half-pairs",
  from: "atom-packed",
  idea: "evaluate every pair once and add to both atoms",
  count: 23,
  options: {
    lanes: [1, 8, 32],
    meet: ["atomics", "quad atomics"],
    packed: [true, false],
    walk: walks,
    wrap: ["compare", "rint", "shift"],
    inverse: inverses,
    form: forms,
    start_late: [false, true],
    prune: [false, true],
    block: [128, 64, 256],
  },
  write: (o, sizes) => {
    const n = atomsOf(sizes);
    const alone = o.lanes === 1;
    const add = (index: string, sign: string, [x, y, z, w]: readonly string[]): string =>
      o.meet === "atomics"
        ? `atomicAdd(force + 4 * ${index}, ${sign}${x});
atomicAdd(force + 4 * ${index} + 1, ${sign}${y});
atomicAdd(force + 4 * ${index} + 2, ${sign}${z});
atomicAdd(force + 4 * ${index} + 3, ${w});`
        : `atomicAdd(reinterpret_cast<float4*>(force) + ${index}, make_float4(${sign}${x}, ${sign}${y}, ${sign}${z}, ${w}));`;
    const from = o.start_late ? "max(a, i + 1)" : "a";
    const inner = `for (int j = ${from}${on(!alone, " + sub")}; j < b; j += ${o.lanes}) {
${on(!o.start_late, "if (j <= i) continue;")}
${place(o.packed, "j", "p")}
${distance(o.wrap, "", placeNames(o.packed, "p"))}
if (r2 >= CUT2) continue;
${strength(o)}
${accumulate}
${add("j", "-", ["s * dx", "s * dy", "s * dz", "u"])}
}`;
    const source = `${constants(false, sizes)}
extern "C" __global__ void clear_forces(float* force) {
force[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;
}

extern "C" __global__ void pair_forces(${feedParameter(o.packed)}, const int* __restrict__ start, float* force) {
const int thread = blockIdx.x * blockDim.x + threadIdx.x;
${alone ? "const int i = thread;" : `const int i = thread / ${o.lanes}, sub = thread % ${o.lanes};`}
${ownPlace(o.packed, "i")}
${ownCell("multiply")}
${zeroSums}
${around(o, inner)}
${on(!alone, laneSums(o.lanes, true))}
${on(!alone, "if (sub != 0) return;")}
${add("i", "", ["fx", "fy", "fz", "en"])}
}
`;
    return styled(
      packedFirst(o.packed, sizes, source, [
        launch("clear_forces", (4 * n) / 256, 256, ["force"]),
        launch("pair_forces", (n * o.lanes) / o.block, o.block, [feed(o.packed), "start", "force"]),
      ]),
      { names: "snake", indent: 2 },
    );
  },
});
