import { launch, on, styled, template } from "../kit/code.ts";
import { baseOf, blendHelpers, clamps, extentOf, located, rawOf, shape } from "./parts.ts";
import { channelsLast, relays } from "./relay.ts";

const offset = (corner: string): string =>
  `(${corner} & 1) * STEP_X + (${corner} >> 1 & 1) * STEP_Y + (${corner} >> 2) * STEP_Z`;

/** Adds a few corners per launch to the result. */
export const cornerPasses = template({
  id: "corner-passes",
  from: "point-thread",
  idea: "add a few corners in each of several launches",
  count: 28,
  options: {
    passes: [8, 4, 2],
    layout: ["given", "relaid"],
    relay: relays,
    clamp: clamps,
    first: ["flag", "clear"],
    map: ["value", "point"],
    fused: [false, true],
    ldg: [false, true],
    block: [256, 128],
  },
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const relaid = o.layout === "relaid";
    const relay = channelsLast(o.relay, extent);
    const each = 8 / o.passes;
    const place = relaid ? `base + ${offset("corner")} + ch` : `ch * VOXELS + base + ${offset("corner")}`;
    const name = relaid ? "relaid" : "vol";
    const value = o.ldg ? `__ldg(${name} + ${place})` : `${name}[${place}]`;
    const flagged = o.first === "flag";
    const add = `float sum = ${flagged ? "begin == 0 ? 0.0f : out[i * C + ch]" : "out[i * C + ch]"};
for (int corner = begin; corner < begin + ${each}; ++corner) {
const float weight = ((corner & 1) ? fx : 1.0f - fx) * ((corner >> 1 & 1) ? fy : 1.0f - fy) * ((corner >> 2) ? fz : 1.0f - fz);
add_scaled(sum, ${value}, weight);
}
out[i * C + ch] = sum;`;
    const locate = `${located(o.clamp, rawOf("i"))}
${baseOf()}`;
    const body =
      o.map === "value"
        ? `const int i = t / C, ch = t % C;
${locate}
${add}`
        : `const int i = t;
${locate}
for (int ch = 0; ch < C; ++ch) {
${add}
}`;
    const clear = `extern "C" __global__ void clear_samples(float* out) {
out[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;
}
`;
    const source = `${shape(extent, true, relaid ? extent.c : 1)}

${on(relaid, relay.source)}${on(!flagged, clear)}${blendHelpers("loops", "float", o.fused)}
extern "C" __global__ void add_corners(const float* __restrict__ ${name}, const float* __restrict__ points, float* out, int begin) {
const int t = blockIdx.x * blockDim.x + threadIdx.x;
${body}
}
`;
    const threads = extent.n * (o.map === "value" ? extent.c : 1);
    const launches = Array.from({ length: o.passes }, (_, k) =>
      launch("add_corners", threads / o.block, o.block, [name, "points", "out", { i32: k * each }]),
    );
    const first = flagged ? [] : [launch("clear_samples", (extent.n * extent.c) / 256, 256, ["out"])];
    return styled(
      { source, launches: [...(relaid ? [relay.launch] : []), ...first, ...launches] },
      { names: "snake", indent: 2 },
    );
  },
});

/** A volume of neighbours along x: each entry holds a value and what comes next to it. */
export const neighbourPairs = template({
  id: "neighbour-pairs",
  from: "channels-last",
  idea: "store every value with its neighbour along x, so that a point needs four reads",
  count: 28,
  options: {
    content: ["next", "slope"],
    lanes: [8, 4, 16, 1],
    by_voxel: [false, true],
    across: ["lerps", "weights"],
    clamp: clamps,
    ldg: [false, true],
    restrict: [true, false],
    bounded: [false, true],
    block: [256, 128, 512],
  },
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const slope = o.content === "slope";
    const scalar = o.lanes === 16;
    const type = scalar ? "float2" : "float4";
    const per = scalar ? extent.c : extent.c / 2;
    const parts = per / o.lanes;
    const second = slope ? "next - here" : "next";
    const build = o.by_voxel
      ? `const int v = blockIdx.x * blockDim.x + threadIdx.x;
if (v >= VOXELS) return;
for (int ch = 0; ch < C; ++ch) {
const float here = vol[ch * VOXELS + v], next = v % W + 1 < W ? vol[ch * VOXELS + v + 1] : 0.0f;
relaid[v * C + ch] = make_float2(here, ${second});
}`
      : `const int e = blockIdx.x * blockDim.x + threadIdx.x;
if (e >= VOXELS * C) return;
const int v = e / C, ch = e % C;
const float here = vol[ch * VOXELS + v], next = v % W + 1 < W ? vol[ch * VOXELS + v + 1] : 0.0f;
relaid[e] = make_float2(here, ${second});`;
    const q = o.restrict ? " __restrict__" : "";
    const read = (index: string): string => (o.ldg ? `__ldg(relaid + ${index})` : `relaid[${index}]`);
    const along = (a: string, b: string): string => (slope ? `fmaf(fx, ${b}, ${a})` : `fmaf(fx, ${b} - ${a}, ${a})`);
    const value = (pair: string, which: number): string =>
      along(`${pair}.${which === 0 ? "x" : "z"}`, `${pair}.${which === 0 ? "y" : "w"}`);
    const across = (which: number): string =>
      o.across === "weights"
        ? `(1.0f - fz) * ((1.0f - fy) * ${value("p0", which)} + fy * ${value("p1", which)}) + fz * ((1.0f - fy) * ${value("p2", which)} + fy * ${value("p3", which)})`
        : `lerp(lerp(${value("p0", which)}, ${value("p1", which)}, fy), lerp(${value("p2", which)}, ${value("p3", which)}, fy), fz)`;
    const put = scalar ? across(0) : `make_float2(${across(0)}, ${across(1)})`;
    const lane = o.lanes === 1 ? "part" : parts === 1 ? "lane" : `(lane + part * ${o.lanes})`;
    const work = `const ${type} p0 = ${read(`base + ${lane}`)};
const ${type} p1 = ${read(`base + STEP_Y + ${lane}`)};
const ${type} p2 = ${read(`base + STEP_Z + ${lane}`)};
const ${type} p3 = ${read(`base + STEP_Z + STEP_Y + ${lane}`)};
out[(size_t)i * ${per} + ${lane}] = ${put};`;
    const source = `${shape(extent, false, per)}

extern "C" __global__ void pair_up(const float*${q} vol, float2*${q} relaid) {
${build}
}

${on(
  o.across === "lerps",
  `__device__ __forceinline__ float lerp(float a, float b, float t) {
return a + t * (b - a);
}
`,
)}
extern "C" __global__ void ${on(o.bounded, `__launch_bounds__(${o.block}, ${2048 / o.block}) `)}sample_pairs(const ${type}*${q} relaid, const float*${q} points, ${scalar ? "float" : "float2"}*${q} out) {
const int t = blockIdx.x * blockDim.x + threadIdx.x;
${o.lanes === 1 ? "const int i = t;" : `const int i = t / ${o.lanes}, lane = t % ${o.lanes};`}
${located(o.clamp, rawOf("i"))}
${baseOf()}
${parts === 1 ? work : `#pragma unroll\nfor (int part = 0; part < ${parts}; ++part) {\n${work}\n}`}
}
`;
    const entries = o.by_voxel ? extent.voxels : extent.voxels * extent.c;
    const launches = [
      launch("pair_up", Math.ceil(entries / 256), 256, ["vol", "relaid"]),
      launch("sample_pairs", (extent.n * o.lanes) / o.block, o.block, ["relaid", "points", "out"]),
    ];
    return styled({ source, launches }, { names: "snake", indent: 4 });
  },
});
