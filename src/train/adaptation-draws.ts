import {
  keyedShuffle,
  recordedRuntimeUs,
  type Anchor,
  type DeviceInfo,
  type Forecaster,
  type ForecastRequest,
  type Kernel,
  type Recording,
  type Task,
} from "../domain/index.ts";

/** How measured kernels are drawn: at random, or as a search does, the best by forecast of some at a time. */
export const drawKinds = ["random", "search"] as const;

export type DrawKind = (typeof drawKinds)[number];

/** Numbers of measured kernels besides the seed kernel at which learning is looked at. */
export const measuredCounts = [0, 4, 8, 16, 32] as const;

/** A task at some point of a run: what was measured, and the working kernels that were not, with log2 of their times. */
export interface Situation {
  readonly taskId: string;
  readonly family: string;
  readonly kind: DrawKind;
  readonly measured: number;
  readonly request: ForecastRequest;
  readonly truth: readonly number[];
}

interface KnownKernel {
  readonly kernel: Kernel;
  readonly us: number | undefined;
}

export interface DrawOptions {
  readonly device: DeviceInfo;
  readonly taskId: string;
  /** Draws of each kind. */
  readonly draws: number;
  /** Ranks kernels for draws as a search does; it is shown what was measured before. */
  readonly ranking: Forecaster;
}

/** Situations of a task; none where its seed kernel was not measured. Kernels that fail count as measured and teach nothing. */
export async function drawSituations(recording: Recording, options: DrawOptions): Promise<Situation[]> {
  const { device, taskId, draws } = options;
  const task = recording.tasks.get(taskId)?.task;
  const known = knownKernels(recording, taskId, device);
  const seed = known.find(({ kernel }) => kernel.kernelId === task?.seedKernel.kernelId);
  if (!task || seed?.us === undefined) return [];
  const others = known.filter((one) => one !== seed);
  const situations: Situation[] = [];
  for (const kind of drawKinds) {
    for (let draw = 0; draw < draws; draw++) {
      const order = keyedShuffle(others, "adaptation", draw, taskId);
      const drawn = kind === "random" ? order : await searchOrder(order, seed, task, options);
      for (const measured of measuredCounts) {
        const shown = drawn.slice(0, measured);
        const asked = others.filter((one) => one.us !== undefined && !shown.includes(one));
        if (asked.length === 0) continue;
        situations.push({
          taskId,
          family: task.family,
          kind,
          measured,
          request: {
            task,
            device,
            anchors: anchorsOf([seed, ...shown], device),
            candidates: asked.map(({ kernel }) => kernel),
          },
          truth: asked.map(({ us = Number.NaN }) => Math.log2(us)),
        });
      }
    }
  }
  return situations;
}

/** Proposals of a batch, and how many of it are measured: those of the gated policies. */
const [proposed, chosenAtOnce] = [16, 4];

async function searchOrder(
  order: readonly KnownKernel[],
  seed: KnownKernel,
  task: Task,
  { device, ranking }: DrawOptions,
): Promise<KnownKernel[]> {
  const most = Math.max(...measuredCounts);
  const measured: KnownKernel[] = [];
  let pending = [...order];
  while (measured.length < most && pending.length > 0) {
    const batch = pending.slice(0, proposed);
    const anchors = anchorsOf([seed, ...measured], device);
    const answer = await ranking.forecast({ task, device, anchors, candidates: batch.map(({ kernel }) => kernel) });
    const medians = new Map(answer.forecasts.map(({ kernelId, m }) => [kernelId, m]));
    const medianOf = ({ kernel }: KnownKernel): number => medians.get(kernel.kernelId) ?? Number.POSITIVE_INFINITY;
    const best = batch.toSorted((a, b) => medianOf(a) - medianOf(b)).slice(0, chosenAtOnce);
    measured.push(...best);
    // What was not chosen waits behind what is new, as skipped kernels do in a search.
    pending = [...pending.slice(proposed), ...batch.filter((one) => !best.includes(one))];
  }
  return measured;
}

function knownKernels(recording: Recording, taskId: string, device: DeviceInfo): KnownKernel[] {
  const measurements = recording.measurements(taskId, device.name);
  return recording.kernels(taskId).flatMap(({ kernel }) => {
    const measurement = measurements.get(kernel.kernelId);
    return measurement ? [{ kernel, us: recordedRuntimeUs(measurement) }] : [];
  });
}

function anchorsOf(kernels: readonly KnownKernel[], device: DeviceInfo): Anchor[] {
  return kernels.flatMap(({ kernel, us }) => {
    if (us === undefined) return [];
    const runtime = { medianUs: us, p10Us: us, p90Us: us, n: 1, samplesUs: [] };
    const { kernelId } = kernel;
    const cost = { gpuSeconds: 0, cpuSeconds: 0 };
    return [{ kernel, measurement: { kernelId, device: device.name, status: "ok", runtime, cost } }];
  });
}
