import type { Launch } from "../../../src/domain/index.ts";
import { launch, on } from "../kit/code.ts";
import { located, rawOf, type Clamp, type Extent } from "./parts.ts";

export interface BinChoice {
  readonly tile: readonly [number, number, number];
  readonly clamp: Clamp;
  readonly count: "global" | "shared";
  readonly place: "global" | "reserved";
  readonly scan: "serial" | "block";
  readonly payload: "index" | "coordinates";
}

const tilesAlong = (size: number, tile: number): number => Math.ceil((size - 1) / tile);

export function tileCounts(extent: Extent, tile: BinChoice["tile"]): readonly [number, number, number] {
  return [tilesAlong(extent.w, tile[0]), tilesAlong(extent.h, tile[1]), tilesAlong(extent.d, tile[2])];
}

export function tileNames(extent: Extent, tile: BinChoice["tile"]): string {
  const counts = tileCounts(extent, tile);
  return `#define TILE_X ${tile[0]}
#define TILE_Y ${tile[1]}
#define TILE_Z ${tile[2]}
#define TILES_X ${counts[0]}
#define TILES_Y ${counts[1]}
#define TILES_Z ${counts[2]}
#define BINS (TILES_X * TILES_Y * TILES_Z)`;
}

const scans = {
  serial: {
    threads: 32,
    code: `if (threadIdx.x > 0) return;
int sum = 0;
for (int b = 0; b < BINS; ++b) {
const int count = bins[b];
bins[b] = sum;
sum += count;
}`,
  },
  block: {
    threads: 512,
    code: `__shared__ int sums[512];
const int tid = threadIdx.x;
const int each = (BINS + 511) / 512;
int total = 0;
for (int k = 0; k < each; ++k) {
const int b = tid * each + k;
if (b < BINS) total += bins[b];
}
sums[tid] = total;
__syncthreads();
for (int step = 1; step < 512; step *= 2) {
const int before = tid >= step ? sums[tid - step] : 0;
__syncthreads();
sums[tid] += before;
__syncthreads();
}
int run = sums[tid] - total;
for (int k = 0; k < each; ++k) {
const int b = tid * each + k;
if (b < BINS) {
const int count = bins[b];
bins[b] = run;
run += count;
}
}`,
  },
} as const;

/** Points per thread where a block counts or reserves for all of its points at once. */
const each = 8;

/**
 * Kernels that order the points by tile. Afterwards bins[b] is the end of bin b, which is the begin of bin b + 1; `order`
 * holds indices, or `sorted` coordinates with the index as the bits of the fourth component.
 */
export function binning(
  o: BinChoice,
  extent: Extent,
): { readonly source: string; readonly launches: readonly Launch[] } {
  const { n } = extent;
  const coordinates = o.payload === "coordinates";
  const target = coordinates ? "sorted" : "order";
  const write = (slot: string, i: string): string =>
    coordinates
      ? `sorted[${slot}] = make_float4(points[3 * ${i}], points[3 * ${i} + 1], points[3 * ${i} + 2], __int_as_float(${i}));`
      : `order[${slot}] = ${i};`;
  const count =
    o.count === "global"
      ? `extern "C" __global__ void count_points(const float* __restrict__ points, int* bins) {
const int i = blockIdx.x * blockDim.x + threadIdx.x;
atomicAdd(&bins[tile_of(points, i)], 1);
}
`
      : `extern "C" __global__ void count_points(const float* __restrict__ points, int* bins) {
__shared__ int local[BINS];
for (int b = threadIdx.x; b < BINS; b += 256) local[b] = 0;
__syncthreads();
for (int k = 0; k < ${each}; ++k) atomicAdd(&local[tile_of(points, (blockIdx.x * ${each} + k) * 256 + threadIdx.x)], 1);
__syncthreads();
for (int b = threadIdx.x; b < BINS; b += 256) if (local[b] > 0) atomicAdd(&bins[b], local[b]);
}
`;
  const place =
    o.place === "global"
      ? `const int i = blockIdx.x * blockDim.x + threadIdx.x;
const int slot = atomicAdd(&bins[tile_of(points, i)], 1);
${write("slot", "i")}`
      : `__shared__ int local[BINS];
for (int b = threadIdx.x; b < BINS; b += 256) local[b] = 0;
__syncthreads();
int key[${each}], rank[${each}];
#pragma unroll
for (int k = 0; k < ${each}; ++k) {
key[k] = tile_of(points, (blockIdx.x * ${each} + k) * 256 + threadIdx.x);
rank[k] = atomicAdd(&local[key[k]], 1);
}
__syncthreads();
for (int b = threadIdx.x; b < BINS; b += 256) if (local[b] > 0) local[b] = atomicAdd(&bins[b], local[b]);
__syncthreads();
#pragma unroll
for (int k = 0; k < ${each}; ++k) {
const int i = (blockIdx.x * ${each} + k) * 256 + threadIdx.x;
${write("local[key[k]] + rank[k]", "i")}
}`;
  const scan = scans[o.scan];
  const source = `__device__ __forceinline__ int tile_of(const float* __restrict__ points, int i) {
${located(o.clamp, rawOf("i"))}
return (iz / TILE_Z * TILES_Y + iy / TILE_Y) * TILES_X + ix / TILE_X;
}

extern "C" __global__ void clear_bins(int* bins) {
const int b = blockIdx.x * blockDim.x + threadIdx.x;
if (b < BINS) bins[b] = 0;
}

${count}
extern "C" __global__ void scan_bins(int* bins) {
${scan.code}
}

extern "C" __global__ void place_points(const float* __restrict__ points, int* bins, ${on(coordinates, "float4", "int")}* __restrict__ ${target}) {
${place}
}
`;
  const bins = tileCounts(extent, o.tile).reduce((product, value) => product * value, 1);
  const blocks = (whole: boolean): number => n / (whole ? 256 : 256 * each);
  return {
    source,
    launches: [
      launch("clear_bins", Math.ceil(bins / 256), 256, ["bins"]),
      launch("count_points", blocks(o.count === "global"), 256, ["points", "bins"]),
      launch("scan_bins", 1, scan.threads, ["bins"]),
      launch("place_points", blocks(o.place === "global"), 256, ["points", "bins", target]),
    ],
  };
}

/** Declares `i` and the raw coordinates of the point in `slot`. */
export function fetched(o: BinChoice, slot: string): { readonly code: string; readonly raw: [string, string, string] } {
  return o.payload === "coordinates"
    ? {
        code: `const float4 point = sorted[${slot}];
const int i = __float_as_int(point.w);`,
        raw: ["point.x", "point.y", "point.z"],
      }
    : { code: `const int i = order[${slot}];`, raw: [...rawOf("i")] as [string, string, string] };
}

/** Parameters and arguments of a kernel that reads the ordered points. */
export function orderedInput(o: BinChoice): { readonly parameters: string; readonly args: readonly string[] } {
  return o.payload === "coordinates"
    ? { parameters: "const float4* __restrict__ sorted", args: ["sorted"] }
    : { parameters: "const int* __restrict__ order, const float* __restrict__ points", args: ["order", "points"] };
}
