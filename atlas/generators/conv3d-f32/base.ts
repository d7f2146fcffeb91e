import type { Launch } from "../../../src/domain/index.ts";
import { launch, on } from "../kit/code.ts";

export interface Volume {
  readonly cin: number;
  readonly cout: number;
  readonly d: number;
  readonly h: number;
  readonly w: number;
}

export function volumeOf({ cin = 0, cout = 0, d = 0, h = 0, w = 0 }: Readonly<Record<string, number>>): Volume {
  return { cin, cout, d, h, w };
}

export function constantsOf(volume: Volume, macros: boolean): string {
  return Object.entries({ CIN: volume.cin, COUT: volume.cout, D: volume.d, H: volume.h, W: volume.w })
    .map(([name, value]) => (macros ? `#define ${name} ${value}` : `constexpr int ${name} = ${value};`))
    .join("\n");
}

/** Where weights are read: as given, through the read-only path, from a shared copy, or from scratch with filters innermost. */
export type WeightHome = "given" | "ldg" | "shared" | "packed";

/** The weight of filter `f`, channel `c` and tap `t`. */
export function weightAt(home: WeightHome, f: string, c: string, t: string): string {
  const given = `weight[((${f}) * CIN + ${c}) * 27 + ${t}]`;
  if (home === "given") return given;
  if (home === "ldg") return `__ldg(&${given})`;
  return `${home === "shared" ? "filters" : "packed"}[(${c} * 27 + ${t}) * COUT + ${f}]`;
}

/** Copies all weights into shared memory with filters innermost; ends in a barrier. */
export function stageWeights(home: WeightHome, thread: string, threads: string): string {
  return on(
    home === "shared",
    `
    __shared__ __align__(16) float filters[CIN * 27 * COUT];
    for (int i = ${thread}; i < CIN * 27 * COUT; i += ${threads}) {
      filters[i % (CIN * 27) * COUT + i / (CIN * 27)] = weight[i];
    }
    __syncthreads();`,
  );
}

/** The kernel that writes the packed weights, for homes that need it. */
export function packKernel(home: WeightHome): string {
  return on(
    home === "packed",
    `
    extern "C" __global__ void pack_filters(const float* __restrict__ weight, float* __restrict__ packed) {
      const int i = blockIdx.x * blockDim.x + threadIdx.x;
      if (i < CIN * 27 * COUT) packed[i] = weight[i % COUT * CIN * 27 + i / COUT];
    }
    `,
  );
}

export function packLaunches(home: WeightHome, { cin, cout }: Volume): readonly Launch[] {
  return home === "packed"
    ? [launch("pack_filters", Math.ceil((cin * cout * 27) / 128), 128, ["weight", "packed"])]
    : [];
}

/** The parameters and arguments of a kernel that reads a volume and the weights. */
export function parameters(home: WeightHome, restrict: boolean, from = "x"): string {
  const mark = on(restrict, " __restrict__");
  return `const float*${mark} ${from}, const float*${mark} ${home === "packed" ? "packed" : "weight"}, float*${mark} out`;
}

export function argumentsOf(home: WeightHome, from = "x"): readonly string[] {
  return [from, home === "packed" ? "packed" : "weight", "out"];
}

export function launch3(
  kernel: string,
  grid: readonly [number, number, number],
  block: readonly [number, number],
  args: Launch["args"],
  smemBytes = 0,
): Launch {
  return { ...launch(kernel, 1, block, args, smemBytes), grid };
}

export function numbers(text: string): readonly [number, number, number] {
  const [a = 1, b = 1, c = 1] = text.split("x").map(Number);
  return [a, b, c];
}
