import type { Launch } from "../../../src/domain/index.ts";
import { launch } from "../kit/code.ts";
import type { Extent } from "./parts.ts";

export const relays = ["by voxel", "by value", "tile"] as const;

/** The kernel that writes the volume with its channels side by side, and its launch. */
export function channelsLast(
  kind: (typeof relays)[number],
  extent: Extent,
): { readonly source: string; readonly launch: Launch } {
  const { c, voxels } = extent;
  if (kind === "tile")
    return {
      source: `extern "C" __global__ void relay(const float* __restrict__ vol, float* __restrict__ relaid) {
__shared__ float board[C][33];
const int first = blockIdx.x * 32;
for (int ch = threadIdx.y; ch < C; ch += blockDim.y) board[ch][threadIdx.x] = vol[ch * VOXELS + first + threadIdx.x];
__syncthreads();
for (int e = threadIdx.y * 32 + threadIdx.x; e < 32 * C; e += 32 * blockDim.y) relaid[first * C + e] = board[e % C][e / C];
}
`,
      launch: launch("relay", voxels / 32, [32, 8], ["vol", "relaid"]),
    };
  if (kind === "by voxel")
    return {
      source: `extern "C" __global__ void relay(const float* __restrict__ vol, float* __restrict__ relaid) {
const int v = blockIdx.x * blockDim.x + threadIdx.x;
if (v >= VOXELS) return;
for (int ch = 0; ch < C; ++ch) relaid[v * C + ch] = vol[ch * VOXELS + v];
}
`,
      launch: launch("relay", Math.ceil(voxels / 256), 256, ["vol", "relaid"]),
    };
  return {
    source: `extern "C" __global__ void relay(const float* vol, float* relaid) {
const int e = blockIdx.x * blockDim.x + threadIdx.x;
if (e < VOXELS * C) relaid[e] = vol[e % C * VOXELS + e / C];
}
`,
    launch: launch("relay", Math.ceil((voxels * c) / 256), 256, ["vol", "relaid"]),
  };
}

/** The kernel that puts groups of `width` channels behind each other: [c / width][voxel][width]. */
export function channelGroups(
  byVoxel: boolean,
  width: number,
  extent: Extent,
): { readonly source: string; readonly launch: Launch } {
  const { c, voxels } = extent;
  if (byVoxel)
    return {
      source: `extern "C" __global__ void regroup(const float* vol, float* relaid) {
const int v = blockIdx.x * blockDim.x + threadIdx.x, g = blockIdx.y;
if (v >= VOXELS) return;
for (int k = 0; k < ${width}; ++k) relaid[(g * VOXELS + v) * ${width} + k] = vol[(g * ${width} + k) * VOXELS + v];
}
`,
      launch: launch("regroup", [Math.ceil(voxels / 128), c / width], 128, ["vol", "relaid"]),
    };
  return {
    source: `extern "C" __global__ void regroup(const float* vol, float* relaid) {
for (int e = blockIdx.x * blockDim.x + threadIdx.x; e < VOXELS * C; e += gridDim.x * blockDim.x) {
const int k = e % ${width}, v = e / ${width} % VOXELS, g = e / (${width} * VOXELS);
relaid[e] = vol[(g * ${width} + k) * VOXELS + v];
}
}
`,
    launch: launch("regroup", 2048, 256, ["vol", "relaid"]),
  };
}
