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
  guarded,
  guards,
  inverses,
  laneSums,
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

const full = "0xffffffffu";

export const atomWarp = template({
  id: "atom-warp",
  from: "atom-thread",
  idea: "spread an atom's partners over the lanes of a warp",
  count: 23,
  options: {
    packed: [false, true],
    walk: walks,
    wrap: wraps,
    inverse: inverses,
    form: forms,
    guard: guards,
    down: [false, true],
    in_turn: [false, true],
    prune: [false, true],
    warps: [4, 8, 2],
  },
  write: (o, sizes) => {
    const n = atomsOf(sizes);
    const turns = o.in_turn ? 4 : 1;
    const inner = `for (int j = a + lane; j < b; j += 32) {
${place(o.packed, "j", "p")}
${distance(o.wrap, "", placeNames(o.packed, "p"))}
${guarded(o, "j == i")}
}`;
    const body = `${ownPlace(o.packed, "i")}
${ownCell("multiply")}
${zeroSums}
${around(o, inner)}
${laneSums(32, o.down)}
if (lane == 0) force[i] = make_float4(fx, fy, fz, en);`;
    const source = `${constants(o.in_turn, sizes)}
extern "C" __global__ void warp_forces(${feedParameter(o.packed)}, const int* __restrict__ start, float4* __restrict__ force) {
const int lane = threadIdx.x & 31;
const int warp = (blockIdx.x * blockDim.x + threadIdx.x) >> 5;
${
  o.in_turn
    ? `for (int i = warp * 4; i < warp * 4 + 4; ++i) {
${body}
}`
    : `const int i = warp;
${body}`
}
}
`;
    const main = launch("warp_forces", n / turns / o.warps, 32 * o.warps, [feed(o.packed), "start", "force"]);
    return styled(packedFirst(o.packed, sizes, source, [main]), { names: "camel", indent: 2 });
  },
});

export const atomGroup = template({
  id: "atom-group",
  from: "atom-warp",
  idea: "let a few lanes share an atom",
  count: 24,
  options: {
    lanes: [8, 4, 16, 2],
    packed: [true, false],
    walk: ["rows", "nested", "flat"],
    wrap: ["shift", "rint", "compare"],
    inverse: inverses,
    form: forms,
    guard: guards,
    sums: ["xor", "down", "shared"],
    blocked: [false, true],
    prune: [false, true],
    block: [128, 256, 64],
  },
  write: (o, sizes) => {
    const n = atomsOf(sizes);
    const head = o.blocked
      ? `const int each = (b - a + LANES - 1) / LANES;
for (int j = a + each * sub; j < min(b, a + each * sub + each); ++j) {`
      : `for (int j = a + sub; j < b; j += LANES) {`;
    const inner = `${head}
${place(o.packed, "j", "p")}
${distance(o.wrap, "", placeNames(o.packed, "p"))}
${guarded(o, "j == i")}
}`;
    const finish =
      o.sums === "shared"
        ? `board[threadIdx.x] = make_float4(fx, fy, fz, en);
__syncwarp();
if (sub == 0) {
float4 all = board[threadIdx.x];
for (int t = 1; t < LANES; ++t) {
const float4 v = board[threadIdx.x + t];
all.x += v.x;
all.y += v.y;
all.z += v.z;
all.w += v.w;
}
force[i] = all;
}`
        : `${laneSums("LANES", o.sums === "down")}
if (sub == 0) force[i] = make_float4(fx, fy, fz, en);`;
    const source = `${constants(true, sizes)}#define LANES ${o.lanes}

extern "C" __global__ void group_forces(${feedParameter(o.packed)}, const int* __restrict__ start, float4* __restrict__ force) {
${on(o.sums === "shared", `__shared__ float4 board[${o.block}];`)}
const int tid = blockIdx.x * ${o.block} + threadIdx.x;
const int i = tid / LANES;
const int sub = tid % LANES;
${ownPlace(o.packed, "i")}
${ownCell("floor")}
${zeroSums}
${around(o, inner)}
${finish}
}
`;
    const main = launch("group_forces", (n * o.lanes) / o.block, o.block, [feed(o.packed), "start", "force"]);
    return styled(packedFirst(o.packed, sizes, source, [main]), { names: "snake", indent: 2 });
  },
});

/** A warp per atom; near partners wait in a queue until there are enough for all lanes. */
export const warpQueue = template({
  id: "warp-queue",
  from: "atom-warp",
  idea: "queue the near partners in shared memory and evaluate a full warp of them at a time",
  count: 24,
  options: {
    packed: [true, false],
    walk: ["rows", "nested", "flat"],
    wrap: ["shift", "compare", "rint"],
    inverse: inverses,
    form: forms,
    queue: ["distances", "indices"],
    rank: ["mask", "shift"],
    down: [false, true],
    prune: [false, true],
    warps: [4, 8, 2],
  },
  valid: (o) => o.queue === "distances" || o.wrap !== "shift",
  write: (o, sizes) => {
    const n = atomsOf(sizes);
    const byIndex = o.queue === "indices";
    const measure = (index: string): string => `${place(o.packed, index, "p")}
${distance(o.wrap, "", placeNames(o.packed, "p"))}`;
    const take = byIndex
      ? `const int other_atom = waiting[slot + lane];
${measure("other_atom")}`
      : `const float4 d = waiting[slot + lane];
const float dx = d.x, dy = d.y, dz = d.z, r2 = d.w;`;
    const evaluate = `${take}
${strength(o)}
${accumulate}`;
    const earlier = o.rank === "mask" ? "__popc(votes & below)" : "__popc(votes << (31 - lane)) - 1";
    const inner = `for (int t = a; t < b; t += 32) {
const int j = t + lane;
bool hit = false;
${byIndex ? "" : "float4 d = make_float4(0.0f, 0.0f, 0.0f, 0.0f);"}
if (j < b) {
${measure("j")}
hit = r2 < CUT2 && j != i;
${byIndex ? "" : "d = make_float4(dx, dy, dz, r2);"}
}
const unsigned int votes = __ballot_sync(${full}, hit);
if (hit) waiting[slot + held + ${earlier}] = ${byIndex ? "j" : "d"};
held += __popc(votes);
__syncwarp();
if (held >= 32) {
{
${evaluate}
}
__syncwarp();
held -= 32;
if (lane < held) waiting[slot + lane] = waiting[slot + lane + 32];
__syncwarp();
}
}`;
    const source = `${constants(false, sizes)}
// waiting: per warp up to 63 partners that lie in reach.
extern "C" __global__ void queued_forces(${feedParameter(o.packed)}, const int* __restrict__ start, float4* __restrict__ force) {
__shared__ ${byIndex ? "int" : "float4"} waiting[${o.warps} * 64];
const int lane = threadIdx.x % 32;
const int slot = threadIdx.x / 32 * 64;
const int i = blockIdx.x * ${o.warps} + threadIdx.x / 32;
${on(o.rank === "mask", "const unsigned int below = (1u << lane) - 1;")}
${ownPlace(o.packed, "i")}
${ownCell("multiply")}
${zeroSums}
int held = 0;
${around(o, inner)}
if (lane < held) {
${evaluate}
}
__syncwarp();
${laneSums(32, o.down)}
if (lane == 0) force[i] = make_float4(fx, fy, fz, en);
}
`;
    const main = launch("queued_forces", n / o.warps, 32 * o.warps, [feed(o.packed), "start", "force"]);
    return styled(packedFirst(o.packed, sizes, source, [main]), { names: "snake", indent: 4 });
  },
});
