import type { Launch, LaunchArgument } from "../../../src/domain/index.ts";
import type { OptionValue, Options } from "../kit/generator.ts";

export type Sizes = Readonly<Record<string, number>>;

export interface Shape {
  readonly n: number;
  readonly c: number;
  readonly k: number;
  readonly h: number;
  readonly w: number;
}

export function shapeOf(sizes: Sizes): Shape {
  const get = (name: string): number => sizes[name] ?? 0;
  return { n: get("n"), c: get("c"), k: get("k"), h: get("h"), w: get("w") };
}

/** The sizes as constants N, C, K, H, W of the source. */
export function constants(sizes: Sizes, style: OptionValue | undefined = "constexpr"): string {
  const entries = Object.entries(shapeOf(sizes));
  if (style === "define")
    return `${entries.map(([name, value]) => `#define ${name.toUpperCase()} ${value}`).join("\n")}\n`;
  return `${entries.map(([name, value]) => `constexpr int ${name.toUpperCase()} = ${value};`).join("\n")}\n`;
}

export function read(how: OptionValue | undefined, place: string): string {
  return how === "plain" ? place : `${String(how)}(&${place})`;
}

export function unroll(on: OptionValue | undefined, indent: string): string {
  return on ? `${indent}#pragma unroll\n` : "";
}

export function int(options: Options, name: string): number {
  return Number(options[name]);
}

export function ceilDiv(a: number, b: number): number {
  return Math.ceil(a / b);
}

export function launch(
  kernel: string,
  grid: readonly [number, number, number],
  block: readonly [number, number, number],
  args: readonly LaunchArgument[],
  smemBytes = 0,
): Launch {
  return { kernel, grid, block, smemBytes, args };
}

/** A kernel that rearranges the weights to [c][3][3][k], so that filters are contiguous. */
export const packSource = `extern "C" __global__ void pack_weights(const float* __restrict__ weight, float* __restrict__ packed) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < C * 9 * K) packed[i] = weight[(i % K) * C * 9 + i / K];
}

`;

export function packLaunch(sizes: Sizes): Launch {
  const { c, k } = shapeOf(sizes);
  return launch("pack_weights", [ceilDiv(c * 9 * k, 256), 1, 1], [256, 1, 1], ["weight", "packed"]);
}
