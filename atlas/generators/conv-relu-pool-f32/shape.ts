import type { Launch, LaunchArgument } from "../../../src/domain/index.ts";

export type Sizes = Readonly<Record<string, number>>;
type Triple = readonly [number, number, number];

export interface Shape {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly ph: number;
  readonly pw: number;
}

/** Eight input channels and sixteen filters are written into every template; the rest comes from the task. */
export function shapeOf(sizes: Sizes): Shape {
  const [n, h, w] = [sizes["n"] ?? 0, sizes["h"] ?? 0, sizes["w"] ?? 0];
  return { n, h, w, ph: h / 2, pw: w / 2 };
}

export function launch3(
  kernel: string,
  grid: Triple,
  block: Triple,
  args: readonly LaunchArgument[],
  smemBytes = 0,
): Launch {
  return { kernel, grid, block, smemBytes, args };
}

export function pair(text: string): [number, number] {
  const [a = 1, b = 1] = text.split("x").map(Number);
  return [a, b];
}

/** The launch that turns the weights into [c][25][16], filters last. */
export const packKernel = `extern "C" __global__ void pack(const float* __restrict__ weight, float* __restrict__ packed) {
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < 3200) packed[i % 200 * 16 + i / 200] = weight[i];
      }
`;

export const packLaunch: Launch = launch3("pack", [25, 1, 1], [128, 1, 1], ["weight", "packed"]);
