import {
  forecastCrps,
  KernelcastError,
  mean,
  recordedRuntimeUs,
  type DeviceInfo,
  type Recording,
  type RuntimeDistribution,
} from "../domain/index.ts";
import { rooflineLog2Us } from "../forecast/baseline/roofline.ts";
import { log2Tokens } from "../forecast/baseline/source-length.ts";

/** A working kernel's log2 runtime relative to what the baselines know. */
interface BaselineExample {
  readonly overSeed: number;
  /** Undefined where the kernel has no working parent but the seed. */
  readonly overParent: number | undefined;
  readonly overRoofline: number;
  /** log2 of its number of tokens over the seed's. */
  readonly length: number;
}

interface TaskExamples {
  readonly kernels: number;
  readonly working: readonly BaselineExample[];
}

export interface FittedBaselines {
  readonly trainedOn: {
    readonly recording: string;
    readonly device: string;
    readonly tasks: number;
    readonly kernels: number;
  };
  readonly pOk: number;
  readonly constant: RuntimeDistribution;
  readonly anchor: { readonly seed: RuntimeDistribution; readonly other: RuntimeDistribution };
  readonly length: RuntimeDistribution & { readonly slope: number };
  readonly roofline: RuntimeDistribution;
}

/**
 * Fits the baselines' constants to tasks of a recording: the lowest CRPS, averaged over tasks, as they are scored by. Throws
 * `KernelcastError("recording", …)` where no task has a measured seed and another working kernel.
 */
export function fitBaselines(
  recording: Recording,
  { device, taskIds }: { readonly device: DeviceInfo; readonly taskIds: readonly string[] },
): FittedBaselines {
  const tasks = taskIds
    .map((taskId) => taskExamples(recording, taskId, device))
    .filter((one) => one.working.length > 0);
  const kernels = tasks.reduce((sum, task) => sum + task.kernels, 0);
  if (tasks.length === 0) {
    throw new KernelcastError("recording", `${recording.name}: no measured tasks to fit to on ${device.name}`);
  }
  const fit = (value: (one: BaselineExample) => number | undefined, isFree: boolean): RuntimeDistribution =>
    fitDistribution(
      tasks.map(({ working }) => working.flatMap((one) => value(one) ?? [])),
      isFree,
    );
  return {
    trainedOn: { recording: recording.name, device: device.name, tasks: tasks.length, kernels },
    pOk: rounded(mean(tasks.map((task) => task.working.length / task.kernels)) as number),
    constant: fit(({ overSeed }) => overSeed, true),
    anchor: { seed: fit(({ overSeed }) => overSeed, false), other: fit(({ overParent }) => overParent, false) },
    length: fitLength(tasks),
    roofline: fit(({ overRoofline }) => overRoofline, false),
  };
}

function taskExamples(recording: Recording, taskId: string, device: DeviceInfo): TaskExamples {
  const task = recording.tasks.get(taskId)?.task;
  const measurements = recording.measurements(taskId, device.name);
  const log2Us = (kernelId: string | null): number | undefined => {
    const measurement = kernelId === null ? undefined : measurements.get(kernelId);
    const us = measurement && recordedRuntimeUs(measurement);
    return us === undefined ? undefined : Math.log2(us);
  };
  const seed = task && log2Us(task.seedKernel.kernelId);
  if (!task || seed === undefined) return { kernels: 0, working: [] };
  const tokens = log2Tokens(task.seedKernel);
  const roofline = rooflineLog2Us(task, device);
  const working = recording.kernels(taskId).flatMap(({ kernel, parentId }): BaselineExample[] => {
    const own = log2Us(kernel.kernelId);
    if (own === undefined || kernel.kernelId === task.seedKernel.kernelId) return [];
    const parent = parentId === task.seedKernel.kernelId ? undefined : log2Us(parentId);
    return [
      {
        overSeed: own - seed,
        overParent: parent === undefined ? undefined : own - parent,
        overRoofline: own - roofline,
        length: log2Tokens(kernel) - tokens,
      },
    ];
  });
  return { kernels: measurements.size - 1, working };
}

/** Mean over tasks of the mean CRPS of a constant distribution. */
function macroCrps(tasks: readonly (readonly number[])[], distribution: RuntimeDistribution): number {
  return mean(tasks.flatMap((values) => mean(values.map((value) => forecastCrps(distribution, value))) ?? [])) ?? 0;
}

function fitDistribution(tasks: readonly (readonly number[])[], isFree: boolean): RuntimeDistribution {
  const toDistribution = ([low = 0, high = 0, m = 0]: readonly number[]): RuntimeDistribution => ({
    m: rounded(m),
    sigmaLow: width(low),
    sigmaHigh: width(high),
  });
  const start = isFree ? [0, 0, 0] : [0, 0];
  return toDistribution(descend(start, (point) => macroCrps(tasks, toDistribution(point))));
}

/** The median is a line over the number of tokens. */
function fitLength(tasks: readonly TaskExamples[]): FittedBaselines["length"] {
  const rest = (slope: number): number[][] =>
    tasks.map(({ working }) => working.map(({ overSeed, length }) => overSeed - slope * length));
  const split = ([low = 0, high = 0, m = 0, slope = 0]: readonly number[]): FittedBaselines["length"] => ({
    slope: rounded(slope),
    m: rounded(m),
    sigmaLow: width(low),
    sigmaHigh: width(high),
  });
  return split(descend([0, 0, 0, 0], (point) => macroCrps(rest(split(point).slope), split(point))));
}

/** Three decimals: more would be noise. */
function rounded(value: number): number {
  return Number(value.toFixed(3));
}

/** Narrower ones would say that a side is impossible. */
const narrowest = 0.05;

function width(log2Width: number): number {
  return Math.max(narrowest, rounded(2 ** log2Width));
}

const smallestStep = 0.0005;

/** Lowest point of a smooth cost: one coordinate at a time, with steps that shrink where none helps. */
function descend(start: readonly number[], cost: (point: readonly number[]) => number): readonly number[] {
  let best = { point: start, cost: cost(start) };
  for (let step = 0.5; step > smallestStep; step /= 2) {
    for (let improved = true; improved;) {
      improved = false;
      for (const [index, sign] of start.flatMap((_, place) => [[place, 1] as const, [place, -1] as const])) {
        const point = best.point.map((value, place) => (place === index ? value + sign * step : value));
        const own = cost(point);
        if (own < best.cost) [best, improved] = [{ point, cost: own }, true];
      }
    }
  }
  return best.point;
}
