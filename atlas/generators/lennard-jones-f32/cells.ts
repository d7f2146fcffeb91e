import type { Launch } from "../../../src/domain/index.ts";
import { launch, on, styled, template } from "../kit/code.ts";
import {
  around,
  atomsOf,
  constants,
  distance,
  edgeCells,
  feed,
  feedParameter,
  forms,
  guarded,
  guards,
  inverses,
  ownPlace,
  packedFirst,
  place,
  placeNames,
  walks,
  zeroSums,
} from "./parts.ts";

const cellOfBlock = (cell: string): string =>
  `const int home_cell = ${cell};
const int cx = home_cell % CELLS, cy = home_cell / CELLS % CELLS, cz = home_cell / (CELLS * CELLS);`;

const ownOrZero = (packed: boolean): string =>
  packed
    ? `float x = 0.0f, y = 0.0f, z = 0.0f;
if (active) {
const float4 me = packed[i];
x = me.x, y = me.y, z = me.z;
}`
    : `float x = 0.0f, y = 0.0f, z = 0.0f;
if (active) x = pos[3 * i], y = pos[3 * i + 1], z = pos[3 * i + 2];`;

const fetch = (packed: boolean, index: string): string =>
  packed
    ? `packed[${index}]`
    : `make_float4(pos[3 * (${index})], pos[3 * (${index}) + 1], pos[3 * (${index}) + 2], 0.0f)`;

/** A block per cell; ranges of partners pass through shared memory, several slices of threads share them. */
export const cellBlock = template({
  id: "cell-block",
  from: "atom-packed",
  idea: "give a cell to a block and stage its neighbours in shared memory",
  count: 25,
  options: {
    packed: [true, false],
    walk: walks,
    wrap: ["rint", "compare", "shift"],
    inverse: inverses,
    form: forms,
    guard: guards,
    slices: [2, 1, 4, 8],
    layout: ["quads", "axes"],
    unroll: [false, true],
    macros: [true, false],
  },
  write: (o, sizes) => {
    const cells = edgeCells(sizes) ** 3;
    const threads = 32 * o.slices;
    const quads = o.layout === "quads";
    const declare = quads
      ? `__shared__ float4 tile[${threads}];`
      : `__shared__ float tile_x[${threads}], tile_y[${threads}], tile_z[${threads}];`;
    const put = quads
      ? `tile[tid] = ${fetch(o.packed, "t + tid")};`
      : `const float4 v = ${fetch(o.packed, "t + tid")};
tile_x[tid] = v.x;
tile_y[tid] = v.y;
tile_z[tid] = v.z;`;
    const names: readonly [string, string, string] = quads
      ? ["tile[k].x", "tile[k].y", "tile[k].z"]
      : ["tile_x[k]", "tile_y[k]", "tile_z[k]"];
    const inner = `for (int t = a; t < b; t += ${threads}) {
__syncthreads();
if (t + tid < b) {
${put}
}
__syncthreads();
const int m = min(${threads}, b - t);
if (active) {
${on(o.unroll, "#pragma unroll 4\n")}for (int k = ${o.slices > 1 ? "threadIdx.y" : "0"}; k < m; k += ${o.slices}) {
${distance(o.wrap, "", names)}
${guarded(o, "t + k == i")}
}
}
}`;
    const finish =
      o.slices > 1
        ? `sums[tid] = make_float4(fx, fy, fz, en);
__syncthreads();
if (threadIdx.y == 0 && active) {
for (int k = 1; k < ${o.slices}; ++k) {
const float4 v = sums[k * 32 + threadIdx.x];
fx += v.x;
fy += v.y;
fz += v.z;
en += v.w;
}
force[i] = make_float4(fx, fy, fz, en);
}
__syncthreads();`
        : "if (active) force[i] = make_float4(fx, fy, fz, en);";
    const source = `${constants(o.macros, sizes)}
extern "C" __global__ void cell_forces(${feedParameter(o.packed)}, const int* __restrict__ start, float4* __restrict__ force) {
${declare}
${on(o.slices > 1, `__shared__ float4 sums[${threads}];`)}
const int tid = threadIdx.y * 32 + threadIdx.x;
${cellOfBlock("blockIdx.x")}
const int end = start[home_cell + 1];
for (int base = start[home_cell]; base < end; base += 32) {
const int i = base + threadIdx.x;
const bool active = i < end;
${ownOrZero(o.packed)}
${zeroSums}
${around({ ...o, prune: false }, inner)}
${finish}
}
}
`;
    const main = launch("cell_forces", cells, [32, o.slices], [feed(o.packed), "start", "force"]);
    return styled(packedFirst(o.packed, sizes, source, [main]), { names: "snake", indent: 2 });
  },
});

export const cellWarp = template({
  id: "cell-warp",
  from: "cell-block",
  idea: "give a cell to a warp whose lanes pass their partners on",
  count: 24,
  options: {
    exchange: ["shuffle", "rotate", "tile"],
    packed: [true, false],
    walk: ["nested", "rows", "flat"],
    wrap: ["shift", "compare", "rint"],
    inverse: inverses,
    form: forms,
    guard: ["branch", "clamp", "positive"],
    unroll: [false, true],
    warps: [4, 2, 8, 1],
  },
  write: (o, sizes) => {
    const cells = edgeCells(sizes) ** 3;
    const load = `const int mine = t + lane;
float4 held = make_float4(1.0e6f, 1.0e6f, 1.0e6f, 0.0f);
if (mine < b) held = ${fetch(o.packed, "mine")};`;
    const pragma = on(o.unroll, "#pragma unroll 4\n");
    const pair = (names: readonly [string, string, string], same: string): string =>
      `${distance(o.wrap, "", names)}
${guarded(o, same)}`;
    const shuffled = `${pragma}for (int k = 0; k < m; ++k) {
const float px = __shfl_sync(0xffffffffu, held.x, k);
const float py = __shfl_sync(0xffffffffu, held.y, k);
const float pz = __shfl_sync(0xffffffffu, held.z, k);
${pair(["px", "py", "pz"], "t + k == i")}
}`;
    const rotated = `${pragma}for (int k = 0; k < 32; ++k) {
const int from = (lane + k) & 31;
const float px = __shfl_sync(0xffffffffu, held.x, from);
const float py = __shfl_sync(0xffffffffu, held.y, from);
const float pz = __shfl_sync(0xffffffffu, held.z, from);
if (t + from < b) {
${pair(["px", "py", "pz"], "t + from == i")}
}
}`;
    const tiled = `__syncwarp();
tile[threadIdx.x] = held;
__syncwarp();
${pragma}for (int k = 0; k < m; ++k) {
const float4 p = tile[(threadIdx.x & ~31) + k];
${pair(["p.x", "p.y", "p.z"], "t + k == i")}
}`;
    const step = { shuffle: shuffled, rotate: rotated, tile: tiled }[o.exchange];
    const inner = `for (int t = a; t < b; t += 32) {
${load}
${on(o.exchange !== "rotate", "const int m = min(32, b - t);")}
${step}
}`;
    const source = `${constants(false, sizes)}
extern "C" __global__ void cell_warps(${feedParameter(o.packed)}, const int* __restrict__ start, float4* __restrict__ force) {
${on(o.exchange === "tile", `__shared__ float4 tile[${32 * o.warps}];`)}
const int lane = threadIdx.x & 31;
${cellOfBlock(o.warps === 1 ? "blockIdx.x" : `blockIdx.x * ${o.warps} + threadIdx.x / 32`)}
const int end = start[home_cell + 1];
for (int base = start[home_cell]; base < end; base += 32) {
const int i = base + lane;
const bool active = i < end;
${ownOrZero(o.packed)}
${zeroSums}
${around({ ...o, prune: false }, inner)}
if (active) force[i] = make_float4(fx, fy, fz, en);
}
}
`;
    const main = launch("cell_warps", cells / o.warps, 32 * o.warps, [feed(o.packed), "start", "force"]);
    return styled(packedFirst(o.packed, sizes, source, [main]), { names: "camel", indent: 2 });
  },
});

const clearForces = `extern "C" __global__ void clear_forces(float4* force, int n) {
int i = blockIdx.x * blockDim.x + threadIdx.x;
if (i < n) force[i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
}
`;

const splits = {
  planes: {
    count: 3,
    loop: "const int oz = (int)blockIdx.y - 1;\nfor (int oy = -1; oy <= 1; ++oy)\nfor (int ox = -1; ox <= 1; ++ox) {",
  },
  rows: {
    count: 9,
    loop: "const int oz = (int)blockIdx.y / 3 - 1, oy = (int)blockIdx.y % 3 - 1;\nfor (int ox = -1; ox <= 1; ++ox) {",
  },
  cells: {
    count: 27,
    loop: "const int oz = (int)blockIdx.y / 9 - 1, oy = (int)blockIdx.y / 3 % 3 - 1, ox = (int)blockIdx.y % 3 - 1;\n{",
  },
} as const;

/** The partners of a cell split over blocks; partial sums meet in the result or in scratch. */
export const splitPartners = template({
  id: "split-partners",
  from: "cell-block",
  idea: "split a cell's neighbours over several blocks and add their partial sums",
  count: 23,
  options: {
    split: ["planes", "rows", "cells"],
    meet: ["atomics", "quad atomics", "scratch"],
    packed: [false, true],
    wrap: ["compare", "rint"],
    inverse: inverses,
    form: forms,
    guard: guards,
    part_major: [false, true],
    warps: [1, 4, 2],
  },
  write: (o, sizes) => {
    const n = atomsOf(sizes);
    const split = splits[o.split];
    const scratch = o.meet === "scratch";
    const partIndex = (part: string, i: string): string =>
      o.part_major ? `${part} * ${n} + ${i}` : `${i} * ${split.count} + ${part}`;
    const add = {
      atomics: `float* to = force + 4 * i;
atomicAdd(to, fx);
atomicAdd(to + 1, fy);
atomicAdd(to + 2, fz);
atomicAdd(to + 3, en);`,
      "quad atomics": "atomicAdd(reinterpret_cast<float4*>(force) + i, make_float4(fx, fy, fz, en));",
      scratch: `parts[${partIndex("blockIdx.y", "i")}] = make_float4(fx, fy, fz, en);`,
    }[o.meet];
    const target = scratch ? "float4* __restrict__ parts" : "float* force";
    const around27 = ["x", "y", "z"].map((axis) => `const int n${axis} = (c${axis} + o${axis} + CELLS) % CELLS;`);
    const gather = `extern "C" __global__ void add_parts(const float4* parts, float4* force) {
const int i = blockIdx.x * blockDim.x + threadIdx.x;
float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
for (int part = 0; part < ${split.count}; ++part) {
const float4 v = parts[${partIndex("part", "i")}];
sum.x += v.x, sum.y += v.y, sum.z += v.z, sum.w += v.w;
}
force[i] = sum;
}
`;
    const source = `${constants(true, sizes)}
${scratch ? gather : clearForces}
extern "C" __global__ void partial_forces(${feedParameter(o.packed)}, const int* __restrict__ start, ${target}) {
${cellOfBlock(o.warps === 1 ? "blockIdx.x" : `blockIdx.x * ${o.warps} + threadIdx.y`)}
for (int i = start[home_cell] + threadIdx.x; i < start[home_cell + 1]; i += 32) {
${ownPlace(o.packed, "i")}
${zeroSums}
${split.loop}
${around27.join("\n")}
const int cell = (nz * CELLS + ny) * CELLS + nx;
for (int j = start[cell]; j < start[cell + 1]; ++j) {
${place(o.packed, "j", "p")}
${distance(o.wrap, "", placeNames(o.packed, "p"))}
${guarded(o, "j == i")}
}
}
${add}
}
}
`;
    const cells = edgeCells(sizes) ** 3;
    const target2 = scratch ? "parts" : "force";
    const main: Launch = {
      kernel: "partial_forces",
      grid: [cells / o.warps, split.count, 1],
      block: [32, o.warps, 1],
      smemBytes: 0,
      args: [feed(o.packed), "start", target2],
    };
    const launches = scratch
      ? [main, launch("add_parts", n / 256, 256, ["parts", "force"])]
      : [launch("clear_forces", n / 256, 256, ["force", { i32: n }]), main];
    return styled(packedFirst(o.packed, sizes, source, launches), { names: "snake", indent: 4 });
  },
});
