import { launch, on, styled, template } from "../kit/code.ts";
import { binning, fetched, orderedInput, tileCounts, tileNames, type BinChoice } from "./binning.ts";
import {
  baseOf,
  blended,
  blendHelpers,
  clamps,
  extentOf,
  located,
  rawOf,
  shape,
  weights,
  widthOf,
  zeroOf,
} from "./parts.ts";
import { channelsLast, relays } from "./relay.ts";

const tiles: Readonly<Record<string, BinChoice["tile"]>> = {
  "4 4 4": [4, 4, 4],
  "8 4 4": [8, 4, 4],
  "8 8 4": [8, 8, 4],
  "8 8 8": [8, 8, 8],
  "16 8 8": [16, 8, 8],
  "16 16 16": [16, 16, 16],
};

const tileOf = (name: string): BinChoice["tile"] => tiles[name] as BinChoice["tile"];

/** Points in the order of their tiles, read through the caches. */
export const orderedPoints = template({
  id: "ordered-points",
  from: "channel-lanes",
  idea: "order the points by region first, so that neighbours in time are neighbours in space",
  count: 27,
  options: {
    tile: ["8 8 8", "4 4 4", "16 16 16", "8 4 4"],
    count: ["global", "shared"],
    place: ["global", "reserved"],
    scan: ["serial", "block"],
    payload: ["index", "coordinates"],
    vector: ["float4", "float2", "float"],
    blend: ["weights", "lerps", "loops"],
    relay: relays,
    clamp: clamps,
    ldg: [false, true],
    block: [256, 128],
  },
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const choice: BinChoice = { ...o, tile: tileOf(o.tile) };
    const lanes = extent.c / widthOf(o.vector);
    const relay = channelsLast(o.relay, extent);
    const bins = binning(choice, extent);
    const point = fetched(choice, "slot");
    const input = orderedInput(choice);
    const read = (index: string): string => (o.ldg ? `__ldg(relaid + ${index})` : `relaid[${index}]`);
    const source = `${shape(extent, true, lanes)}
${tileNames(extent, choice.tile)}
#define LANES ${lanes}

${relay.source}
${bins.source}
${blendHelpers(o.blend, o.vector, true)}
extern "C" __global__ void sample_in_order(const ${o.vector}* __restrict__ relaid, ${input.parameters}, ${o.vector}* __restrict__ out) {
const int lane = threadIdx.x % LANES;
const int slot = blockIdx.x * ${o.block / lanes} + threadIdx.x / LANES;
${point.code}
${located(o.clamp, point.raw)}
${baseOf(" + lane")}
${weights(o.blend)}
${blended(o.blend, o.vector, read, "base", "#pragma unroll\n")}
out[(size_t)i * LANES + lane] = result;
}
`;
    const main = launch("sample_in_order", (extent.n * lanes) / o.block, o.block, ["relaid", ...input.args, "out"]);
    return styled({ source, launches: [relay.launch, ...bins.launches, main] }, { names: "snake", indent: 2 });
  },
});

/** Where a tile's voxels lie in shared memory: `voxels` rows of the channels, or one plane per channel. */
function tileStage(fromRelaid: boolean, vector: string): string {
  const put = vector === "planes" ? "tile[ch * TILE_VOXELS + v]" : "tile[v * PITCH + ch]";
  const place = (vExpression: string): string => `const int v = ${vExpression};
const int tx = v % (TILE_X + 1), ty = v / (TILE_X + 1) % (TILE_Y + 1), tz = v / ((TILE_X + 1) * (TILE_Y + 1));
const int x = min(x0 + tx, W - 1), y = min(y0 + ty, H - 1), z = min(z0 + tz, D - 1);`;
  return fromRelaid
    ? `for (int e = threadIdx.x; e < TILE_VOXELS * C; e += THREADS) {
const int ch = e % C;
${place("e / C")}
${put} = relaid[((z * H + y) * W + x) * C + ch];
}`
    : `for (int e = threadIdx.x; e < TILE_VOXELS * C; e += THREADS) {
const int ch = e / TILE_VOXELS;
${place("e % TILE_VOXELS")}
${put} = vol[ch * VOXELS + (z * H + y) * W + x];
}`;
}

/** A block per tile: the tile's voxels in shared memory, then its points. */
export const sharedTiles = template({
  id: "shared-tiles",
  from: "ordered-points",
  idea: "give every region's points to a block that holds the region in shared memory",
  count: 23,
  options: {
    tile: ["8 8 8", "8 8 4", "8 4 4", "4 4 4"],
    lanes: ["quads", "one", "values", "planes"],
    padded: [false, true],
    share: [1, 2, 4],
    source: ["given", "relaid"],
    count: ["shared", "global"],
    place: ["reserved", "global"],
    scan: ["block", "serial"],
    payload: ["coordinates", "index"],
    blend: ["weights", "lerps"],
    unroll: [false, true],
    threads: [256, 128, 512],
  },
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const choice: BinChoice = { ...o, clamp: "minmax", tile: tileOf(o.tile) };
    const [tx, ty, tz] = choice.tile;
    const fromRelaid = o.source === "relaid";
    const scalar = o.lanes === "values" || o.lanes === "planes";
    const pitch = extent.c + (o.padded ? (scalar ? 1 : 4) : 0);
    const planes = o.lanes === "planes";
    const vector = scalar ? "float" : "float4";
    const per = planes ? 1 : pitch / widthOf(vector);
    const bins = binning(choice, extent);
    const point = fetched(choice, "slot");
    const input = orderedInput(choice);
    const relay = channelsLast("tile", extent);
    const group = { quads: extent.c / 4, one: 1, values: extent.c, planes: 1 }[o.lanes];
    const parts = scalar ? extent.c : extent.c / 4;
    const read = (index: string): string =>
      planes ? `tile[${index} + part * TILE_VOXELS]` : vector === "float4" ? `quads[${index}]` : `tile[${index}]`;
    const base = `const int base = (((iz - z0) * (TILE_Y + 1) + iy - y0) * (TILE_X + 1) + ix - x0) * ${per}`;
    const one = group === 1;
    const evaluate = one
      ? `${o.unroll ? "#pragma unroll" : "#pragma unroll 1"}
for (int part = 0; part < ${parts}; ++part) {
${blended(o.blend, vector, (index) => read(planes ? index : `${index} + part`))}
to[part] = result;
}`
      : `${blended(o.blend, vector, read)}
to[lane] = result;`;
    const source = `${shape(extent, true)}
${tileNames(extent, choice.tile)}
#define TILE_VOXELS ((TILE_X + 1) * (TILE_Y + 1) * (TILE_Z + 1))
#define PITCH ${pitch}
#define THREADS ${o.threads}
#undef STEP_X
#undef STEP_Y
#undef STEP_Z
#define STEP_X ${per}
#define STEP_Y ((TILE_X + 1) * STEP_X)
#define STEP_Z ((TILE_Y + 1) * STEP_Y)

${on(fromRelaid, relay.source)}
${bins.source}
${blendHelpers(o.blend, vector, true)}
extern "C" __global__ void __launch_bounds__(THREADS) sample_tiles(const float* __restrict__ ${fromRelaid ? "relaid" : "vol"}, ${input.parameters}, const int* __restrict__ bins, ${vector}* __restrict__ out) {
extern __shared__ __align__(16) float tile[];
const int b = blockIdx.x;
const int x0 = b % TILES_X * TILE_X, y0 = b / TILES_X % TILES_Y * TILE_Y, z0 = b / (TILES_X * TILES_Y) * TILE_Z;
const int begin = b == 0 ? 0 : bins[b - 1], end = bins[b];
${tileStage(fromRelaid, o.lanes)}
__syncthreads();
${on(vector === "float4", "const float4* quads = reinterpret_cast<const float4*>(tile);")}
${on(!one, `const int lane = threadIdx.x % ${group};`)}
${on(!one && o.unroll, "#pragma unroll 2\n")}for (int slot = begin + ${o.share > 1 ? `blockIdx.y * ${o.threads / group} + ` : ""}threadIdx.x${on(!one, ` / ${group}`)}; slot < end; slot += ${(o.threads / group) * o.share}) {
${point.code}
${located("minmax", point.raw)}
${base}${on(!one, " + lane")};
${weights(o.blend)}
${vector}* to = out + (size_t)i * ${parts};
${evaluate}
}
}
`;
    const [nx, ny, nz] = tileCounts(extent, choice.tile);
    const bytes = (tx + 1) * (ty + 1) * (tz + 1) * (planes ? extent.c : pitch) * 4;
    const main = launch(
      "sample_tiles",
      [nx * ny * nz, o.share],
      o.threads,
      [fromRelaid ? "relaid" : "vol", ...input.args, "bins", "out"],
      bytes,
    );
    const launches = [...(fromRelaid ? [relay.launch] : []), ...bins.launches, main];
    return styled({ source, launches }, { names: "snake", indent: 2 });
  },
});

/** A block locates its points once in shared memory, then all of its threads share the channels. */
export const stagedPoints = template({
  id: "staged-points",
  from: "channel-lanes",
  idea: "locate a block's points once, then let all threads work through points and channels",
  count: 25,
  options: {
    keep: ["place", "weights"],
    vector: ["float4", "float2", "float"],
    relay: relays,
    clamp: clamps,
    points: [128, 64, 256],
    persistent: [false, true],
    streaming: [false, true],
    unroll: [false, true],
    fused: [true, false],
    threads: [256, 128],
  },
  write: (o, sizes) => {
    const extent = extentOf(sizes);
    const per = extent.c / widthOf(o.vector);
    const relay = channelsLast(o.relay, extent);
    const whole = o.keep === "weights";
    const blend = whole ? "weights" : "lerps";
    const keep = whole
      ? `${weights("weights")}
low[p] = base;
${[0, 1, 2, 3, 4, 5, 6, 7].map((k) => `weight[${k}][p] = w${k};`).join("\n")}`
      : "place[p] = make_float4(fx, fy, fz, __int_as_float(base));";
    const work = whole
      ? `const ${o.vector}* v = relaid + low[p] + lane;
${o.vector} result = ${zeroOf(o.vector)};
#pragma unroll
for (int k = 0; k < 8; ++k) add_scaled(result, v[(k & 1) * STEP_X + (k >> 1 & 1) * STEP_Y + (k >> 2) * STEP_Z], weight[k][p]);`
      : `const float4 at = place[p];
const float fx = at.x, fy = at.y, fz = at.z;
const int base = __float_as_int(at.w) + lane;
${blended("lerps", o.vector, (index) => `relaid[${index}]`)}`;
    const batch = `for (int p = threadIdx.x; p < POINTS; p += ${o.threads}) {
const int i = batch * POINTS + p;
${located(o.clamp, rawOf("i"))}
${baseOf()}
${keep}
}
__syncthreads();
${on(o.unroll, "#pragma unroll 4\n")}for (int e = threadIdx.x; e < POINTS * ${per}; e += ${o.threads}) {
const int p = e / ${per}, lane = e % ${per};
${work}
${o.streaming ? `__stcs(out + (size_t)batch * POINTS * ${per} + e, result);` : `out[(size_t)batch * POINTS * ${per} + e] = result;`}
}`;
    const source = `${shape(extent, true, per)}
#define POINTS ${o.points}

${relay.source}
${blendHelpers(blend, o.vector, o.fused)}
extern "C" __global__ void sample_batches(const ${o.vector}* __restrict__ relaid, const float* __restrict__ points, ${o.vector}* __restrict__ out) {
${whole ? "__shared__ int low[POINTS];\n__shared__ float weight[8][POINTS];" : "__shared__ float4 place[POINTS];"}
${
  o.persistent
    ? `for (int batch = blockIdx.x; batch < N / POINTS; batch += gridDim.x) {
${batch}
__syncthreads();
}`
    : `const int batch = blockIdx.x;
${batch}`
}
}
`;
    const grid = o.persistent ? Math.min(132 * (2048 / o.threads), extent.n / o.points) : extent.n / o.points;
    const main = launch("sample_batches", grid, o.threads, ["relaid", "points", "out"]);
    return styled({ source, launches: [relay.launch, main] }, { names: "camel", indent: 2 });
  },
});
