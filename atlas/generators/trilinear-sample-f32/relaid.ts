import { launch, on, styled, template } from "../kit/code.ts";
import {
  baseOf,
  blended,
  blendHelpers,
  blends,
  clamps,
  extentOf,
  located,
  rawOf,
  shape,
  weights,
  widthOf,
  zeroOf,
} from "./parts.ts";
import { channelGroups, channelsLast, relays } from "./relay.ts";

/** A thread per point on the relaid volume. */
export const channelsLastThread = template({
  id: "channels-last",
  from: "point-thread",
  idea: "bring a voxel's channels side by side first, then read them as vectors",
  count: 28,
  options: {
    relay: relays,
    vector: ["float4", "float2", "float"],
    blend: blends,
    clamp: clamps,
    ldg: [false, true],
    fused: [true, false],
    unroll: [true, false],
    store: ["direct", "board", "streaming"],
    block: [128, 256, 64],
  },
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const width = widthOf(o.vector);
    const per = extent.c / width;
    const relay = channelsLast(o.relay, extent);
    const read = (index: string): string => (o.ldg ? `__ldg(&v[${index}])` : `v[${index}]`);
    const store = {
      direct: `reinterpret_cast<${o.vector}*>(out)[(size_t)i * ${per} + part] = result;`,
      streaming: `__stcs(reinterpret_cast<${o.vector}*>(out) + (size_t)i * ${per} + part, result);`,
      board: `board[threadIdx.x * ${per + 1} + part] = result;`,
    }[o.store];
    const source = `${shape(extent, true, per)}

${relay.source}
${blendHelpers(o.blend, o.vector, o.fused)}
extern "C" __global__ void sample_relaid(const ${o.vector}* __restrict__ relaid, const float* __restrict__ points, float* __restrict__ out) {
${on(o.store === "board", `__shared__ ${o.vector} board[${o.block} * ${per + 1}];`)}
const int i = blockIdx.x * blockDim.x + threadIdx.x;
${located(o.clamp, rawOf("i"))}
${baseOf()}
${weights(o.blend)}
#pragma unroll${on(!o.unroll, " 1")}
for (int part = 0; part < ${per}; ++part) {
const ${o.vector}* v = relaid + part;
${blended(o.blend, o.vector, read)}
${store}
}
${on(
  o.store === "board",
  `__syncthreads();
${o.vector}* to = reinterpret_cast<${o.vector}*>(out) + (size_t)blockIdx.x * ${o.block * per};
for (int e = threadIdx.x; e < ${o.block * per}; e += ${o.block}) to[e] = board[e / ${per} * ${per + 1} + e % ${per}];`,
)}
}
`;
    const main = launch("sample_relaid", extent.n / o.block, o.block, ["relaid", "points", "out"]);
    return styled({ source, launches: [relay.launch, main] }, { names: "snake", indent: 4 });
  },
});

/** A few lanes per point, so that a corner is one contiguous read. */
export const channelLanes = template({
  id: "channel-lanes",
  from: "channels-last",
  idea: "let a few lanes share a point so that each corner is one contiguous read",
  count: 6,
  options: {
    vector: ["float4", "float2", "float"],
    relay: ["tile", "by voxel", "by value"],
    blend: ["weights", "lerps", "loops"],
    clamp: clamps,
    coordinates: ["each", "shuffled"],
    turns: [1, 2, 4],
    streaming: [false, true],
    fused: [true, false],
    bounded: [false, true],
    block: [256, 128, 512],
  },
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const lanes = extent.c / widthOf(o.vector);
    const relay = channelsLast(o.relay, extent);
    const points = o.block / lanes;
    const shuffled = `const float own = points[3 * i + min(lane, 2)];
const float px = __shfl_sync(0xffffffffu, own, 0, LANES);
const float py = __shfl_sync(0xffffffffu, own, 1, LANES);
const float pz = __shfl_sync(0xffffffffu, own, 2, LANES);`;
    const each = o.coordinates === "each";
    const put = o.streaming
      ? "__stcs(out + (size_t)i * LANES + lane, result);"
      : "out[(size_t)i * LANES + lane] = result;";
    const body = `${on(!each, shuffled)}
${located(o.clamp, each ? rawOf("i") : ["px", "py", "pz"])}
${baseOf(" + lane")}
${weights(o.blend)}
${blended(o.blend, o.vector, (index) => `relaid[${index}]`, "base", "#pragma unroll\n")}
${put}`;
    const source = `${shape(extent, true, lanes)}
#define LANES ${lanes}

${relay.source}
${blendHelpers(o.blend, o.vector, o.fused)}
extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${o.block}) `)}sample_lanes(const ${o.vector}* __restrict__ relaid, const float* __restrict__ points, ${o.vector}* __restrict__ out) {
const int lane = threadIdx.x % LANES;
${
  o.turns === 1
    ? `const int i = blockIdx.x * ${points} + threadIdx.x / LANES;
${body}`
    : `#pragma unroll
for (int turn = 0; turn < ${o.turns}; ++turn) {
const int i = (blockIdx.x * ${o.turns} + turn) * ${points} + threadIdx.x / LANES;
${body}
}`
}
}
`;
    const main = launch("sample_lanes", extent.n / points / o.turns, o.block, ["relaid", "points", "out"]);
    return styled({ source, launches: [relay.launch, main] }, { names: "snake", indent: 2 });
  },
});

/** Corners on lanes; their weighted values meet by shuffles. */
export const cornerLanes = template({
  id: "corner-lanes",
  from: "channel-lanes",
  idea: "give every corner of a point its own lanes and add by shuffles",
  count: 25,
  options: {
    map: ["corner and quad", "corner", "half and quad"],
    relay: relays,
    clamp: clamps,
    down: [false, true],
    ldg: [false, true],
    choose: ["select", "arithmetic"],
    macros: [true, false],
    fused: [false, true],
    block: [256, 128, 64],
  },
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const quads = extent.c / 4;
    const relay = channelsLast(o.relay, extent);
    const corner = { "corner and quad": "lane / 4", corner: "lane", "half and quad": "lane / 4 * 4" }[o.map];
    const lanes = { "corner and quad": 32, corner: 8, "half and quad": 8 }[o.map];
    const read = (index: string): string => (o.ldg ? `__ldg(relaid + ${index})` : `relaid[${index}]`);
    const choose = (bit: string, f: string): string =>
      o.choose === "select" ? `(${bit} ? ${f} : 1.0f - ${f})` : `(1.0f - ${bit} - ${f} + 2.0f * ${bit} * ${f})`;
    const weighted = (k: string, part: string): string => `const int dx = ${k} & 1, dy = ${k} >> 1 & 1, dz = ${k} >> 2;
const float weight = ${choose("dx", "fx")} * ${choose("dy", "fy")} * ${choose("dz", "fz")};
add_scaled(sum, ${read(`base + dx * STEP_X + dy * STEP_Y + dz * STEP_Z + ${part}`)}, weight);`;
    const reduce = (first: number, last: number): string =>
      `for (int step = ${first}; step >= ${last}; step /= 2) {
${["x", "y", "z", "w"].map((axis) => `sum.${axis} += __shfl_${o.down ? "down" : "xor"}_sync(0xffffffffu, sum.${axis}, step, ${lanes});`).join("\n")}
}`;
    const body = {
      "corner and quad": `float4 sum = ${zeroOf("float4")};
${weighted(corner, "lane % 4")}
${reduce(16, 4)}
if (lane < 4) out[(size_t)i * ${quads} + lane] = sum;`,
      corner: `for (int part = 0; part < ${quads}; ++part) {
float4 sum = ${zeroOf("float4")};
${weighted(corner, "part")}
${reduce(4, 1)}
if (lane == 0) out[(size_t)i * ${quads} + part] = sum;
}`,
      "half and quad": `float4 sum = ${zeroOf("float4")};
#pragma unroll
for (int k = 0; k < 4; ++k) {
const int mine = ${corner} + k;
${weighted("mine", "lane % 4")}
}
${reduce(4, 4)}
if (lane < 4) out[(size_t)i * ${quads} + lane] = sum;`,
    }[o.map];
    const source = `${shape(extent, o.macros, quads)}

${relay.source}
${blendHelpers("weights", "float4", o.fused)}
extern "C" __global__ void sample_corners(const float4* __restrict__ relaid, const float* __restrict__ points, float4* __restrict__ out) {
const int t = blockIdx.x * blockDim.x + threadIdx.x;
const int i = t / ${lanes}, lane = t % ${lanes};
${located(o.clamp, rawOf("i"))}
${baseOf()}
${body}
}
`;
    const main = launch("sample_corners", (extent.n * lanes) / o.block, o.block, ["relaid", "points", "out"]);
    return styled({ source, launches: [relay.launch, main] }, { names: "camel", indent: 2 });
  },
});

/** Groups of channels one after the other, so that the part of the volume in use is small. */
export const channelGroup = template({
  id: "channel-groups",
  from: "channels-last",
  idea: "go through the points once per group of channels",
  count: 24,
  options: {
    vector: ["float4", "float2", "float"],
    by_voxel: [true, false],
    blend: ["lerps", "weights", "loops"],
    clamp: clamps,
    split: ["grid", "launches", "loop"],
    ldg: [false, true],
    fused: [true, false],
    macros: [false, true],
    block: [256, 128, 512],
  },
  valid: (o) => !(o.split === "launches" && o.vector === "float"),
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const width = widthOf(o.vector);
    const groups = extent.c / width;
    const relay = channelGroups(o.by_voxel, width, extent);
    const read = (index: string): string => (o.ldg ? `__ldg(v + ${index})` : `v[${index}]`);
    const group = `const ${o.vector}* v = relaid + g * VOXELS;
${blended(o.blend, o.vector, read)}
reinterpret_cast<${o.vector}*>(out)[(size_t)i * ${groups} + g] = result;`;
    const body = {
      grid: `const int g = blockIdx.y;\n${group}`,
      launches: group,
      loop: `for (int g = 0; g < ${groups}; ++g) {\n${group}\n}`,
    }[o.split];
    const source = `${shape(extent, o.macros)}

${relay.source}
${blendHelpers(o.blend, o.vector, o.fused)}
extern "C" __global__ void sample_group(const ${o.vector}* __restrict__ relaid, const float* __restrict__ points, float* __restrict__ out${on(o.split === "launches", ", int g")}) {
const int i = blockIdx.x * blockDim.x + threadIdx.x;
${located(o.clamp, rawOf("i"))}
${baseOf()}
${weights(o.blend)}
${body}
}
`;
    const args = ["relaid", "points", "out"] as const;
    const blocks = extent.n / o.block;
    const launches =
      o.split === "launches"
        ? Array.from({ length: groups }, (_, g) => launch("sample_group", blocks, o.block, [...args, { i32: g }]))
        : [launch("sample_group", o.split === "grid" ? [blocks, groups] : blocks, o.block, args)];
    return styled({ source, launches: [relay.launch, ...launches] }, { names: "snake", indent: 2 });
  },
});
