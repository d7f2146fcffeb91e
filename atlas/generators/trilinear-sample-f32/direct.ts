import { launch, on, repeat, styled, template } from "../kit/code.ts";
import { baseOf, blended, blendHelpers, blends, clamps, extentOf, located, rawOf, shape, weights } from "./parts.ts";

const pragmas = ["", "#pragma unroll\n", "#pragma unroll 2\n"] as const;

export const pointThread = template({
  id: "point-thread",
  from: null,
  idea: "place a point once and loop over its channels",
  count: 33,
  options: {
    blend: blends,
    clamp: clamps,
    outer: ["channels", "corners"],
    store: ["direct", "quads", "board"],
    pragma: pragmas,
    ldg: [false, true],
    fused: [false, true],
    wide_index: [false, true],
    macros: [false, true],
    block: [256, 128, 64],
  },
  valid: (o) => o.outer === "channels" || (o.blend === "loops" && o.store !== "board"),
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const read = (index: string): string => (o.ldg ? `__ldg(&v[${index}])` : `v[${index}]`);
    const index = o.wide_index ? "long long" : "int";
    const channel = (ch: string): string => `const float* v = vol + (${index})(${ch}) * VOXELS;
${blended(o.blend, "float", read)}`;
    const byChannels = {
      direct: `${o.pragma}for (int ch = 0; ch < C; ++ch) {
${channel("ch")}
out[(${index})i * C + ch] = result;
}`,
      quads: `${o.pragma}for (int ch = 0; ch < C; ch += 4) {
float4 quad;
${repeat(4, (k) => `{\n${channel(`ch + ${k}`)}\nquad.${"xyzw"[k]} = result;\n}`)}
*reinterpret_cast<float4*>(out + (${index})i * C + ch) = quad;
}`,
      board: `${o.pragma}for (int ch = 0; ch < C; ++ch) {
${channel("ch")}
board[threadIdx.x][ch] = result;
}
__syncthreads();
const int first = blockIdx.x * ${o.block} * C;
for (int e = threadIdx.x; e < ${o.block} * C; e += ${o.block}) out[first + e] = board[e / C][e % C];`,
    }[o.store];
    const byCorners = `float acc[C];
for (int ch = 0; ch < C; ++ch) acc[ch] = 0.0f;
for (int corner = 0; corner < 8; ++corner) {
const int dx = corner & 1, dy = corner >> 1 & 1, dz = corner >> 2;
const float weight = (dx ? fx : 1.0f - fx) * (dy ? fy : 1.0f - fy) * (dz ? fz : 1.0f - fz);
const float* v = vol + base + dx * STEP_X + dy * STEP_Y + dz * STEP_Z;
#pragma unroll
for (int ch = 0; ch < C; ++ch) add_scaled(acc[ch], ${o.ldg ? "__ldg(v + ch * VOXELS)" : "v[ch * VOXELS]"}, weight);
}
${
  o.store === "quads"
    ? `for (int ch = 0; ch < C; ch += 4)
*reinterpret_cast<float4*>(out + (${index})i * C + ch) = make_float4(acc[ch], acc[ch + 1], acc[ch + 2], acc[ch + 3]);`
    : `for (int ch = 0; ch < C; ++ch) out[(${index})i * C + ch] = acc[ch];`
}`;
    const source = `${shape(extent, o.macros)}

${blendHelpers(o.blend, "float", o.fused)}
extern "C" __global__ void sample_points(const float* __restrict__ vol, const float* __restrict__ points, float* __restrict__ out) {
${on(o.store === "board", `__shared__ float board[${o.block}][C + 1];`)}
const int i = blockIdx.x * ${o.block} + threadIdx.x;
${located(o.clamp, rawOf("i"))}
${baseOf()}
${o.outer === "corners" ? "" : weights(o.blend)}
${o.outer === "corners" ? byCorners : byChannels}
}
`;
    const main = launch("sample_points", extent.n / o.block, o.block, ["vol", "points", "out"]);
    return styled({ source, launches: [main] }, { names: "snake", indent: 2 });
  },
});

export const channelThread = template({
  id: "channel-thread",
  from: null,
  idea: "give a point's channels to neighbouring threads",
  count: 31,
  options: {
    map: ["channel first", "point first", "block row"],
    blend: ["lerps", "weights", "loops"],
    clamp: clamps,
    stride: [false, true],
    ldg: [false, true],
    fused: [true, false],
    restrict: [true, false],
    pragma: ["#pragma unroll\n", "", "#pragma unroll 1\n"],
    block: [256, 128, 512],
  },
  valid: (o) => !(o.stride && o.map === "block row"),
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const read = (index: string): string => (o.ldg ? `__ldg(v + ${index})` : `v[${index}]`);
    const q = o.restrict ? " __restrict__" : "";
    const split = {
      "channel first": "const int i = t / C, ch = t % C;",
      "point first": "const int i = t % N, ch = t / N;",
      "block row": `const int i = blockIdx.x * ${o.block / 16} + threadIdx.y, ch = threadIdx.x;`,
    }[o.map];
    const body = `${split}
${located(o.clamp, rawOf("i"))}
${baseOf()}
const float* v = vol + ch * VOXELS;
${weights(o.blend)}
${blended(o.blend, "float", read, "base", o.pragma)}
out[i * C + ch] = result;`;
    const main =
      o.map === "block row"
        ? body
        : o.stride
          ? `for (int t = blockIdx.x * blockDim.x + threadIdx.x; t < N * C; t += gridDim.x * blockDim.x) {
${body}
}`
          : `const int t = blockIdx.x * blockDim.x + threadIdx.x;
${body}`;
    const source = `${shape(extent, true)}

${blendHelpers(o.blend, "float", o.fused)}
extern "C" __global__ void sample_values(const float*${q} vol, const float*${q} points, float*${q} out) {
${main}
}
`;
    const values = extent.n * extent.c;
    const args = ["vol", "points", "out"] as const;
    const entry =
      o.map === "block row"
        ? launch("sample_values", extent.n / (o.block / 16), [16, o.block / 16], args)
        : launch("sample_values", o.stride ? 132 * (2048 / o.block) : values / o.block, o.block, args);
    return styled({ source, launches: [entry] }, { names: "camel", indent: 4 });
  },
});
