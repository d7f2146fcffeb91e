/** Forecasters that know what no search can know: they show what a better forecast, calibration or adaptation would be worth. */
import {
  smallestSigma,
  type Anchor,
  type Forecast,
  type ForecastAnswer,
  type Forecaster,
  type ForecastOutcome,
  type ForecastRequest,
  type Kernel,
} from "../../domain/index.ts";
import { fitRecipe } from "../../forecast/calibrate/fit-recipe.ts";
import { kernelShingles, likeness } from "../../forecast/calibrate/kernel-likeness.ts";
import type { CalibrationRecipe } from "../../forecast/calibrate/recipe.ts";
import { ReferenceFinder } from "../../forecast/calibrate/reference.ts";
import { calibrate } from "../../forecast/calibrate/refit.ts";
import { calibrationExamples } from "../../train/calibration-pairs.ts";
import { measuredTruth, type BenchTask } from "./bench-task.ts";

const free = { cpuSeconds: 0, tokens: 0, usd: 0 } as const;

/** Surer than this no forecast may be: its log score would not be finite. */
const nearlySure = 0.999;

/** Forecasts the recorded truth. */
export function truthForecaster({ truthUs, seedScreenUs }: BenchTask): Forecaster {
  const forecast = ({ kernelId }: Kernel): Forecast => {
    const us = truthUs.get(kernelId);
    const pOk = us === undefined ? 1 - nearlySure : nearlySure;
    return { kernelId, pOk, m: Math.log2(us ?? seedScreenUs), sigmaLow: smallestSigma, sigmaHigh: smallestSigma };
  };
  return {
    name: "truth",
    forecast: ({ candidates }) => Promise.resolve({ forecasts: candidates.map(forecast), cost: free }),
  };
}

/** A forecaster that a run teaches nothing: of all that was measured it is told the seed kernel's time alone. */
export function unadapted(forecaster: Forecaster, { task }: BenchTask): Forecaster {
  const known = new Map<string, Forecast>();
  return {
    name: `${forecaster.name} without adaptation`,
    async forecast({ outcomes: _outcomes, ...request }, signal) {
      const anchors = request.anchors.filter(({ kernel }) => kernel.kernelId === task.seedKernel.kernelId);
      return remembered(known, request.candidates, (candidates) =>
        forecaster.forecast({ ...request, anchors, candidates }, signal),
      );
    },
  };
}

/** Asks for kernels not yet known and answers all; what is known depends on the kernel alone. */
async function remembered(
  known: Map<string, Forecast>,
  candidates: readonly Kernel[],
  ask: (candidates: readonly Kernel[]) => Promise<ForecastAnswer>,
): Promise<ForecastAnswer> {
  const fresh = candidates.filter(({ kernelId }) => !known.has(kernelId));
  const answer = fresh.length === 0 ? { forecasts: [], cost: free } : await ask(fresh);
  for (const forecast of answer.forecasts) known.set(forecast.kernelId, forecast);
  return { forecasts: candidates.flatMap(({ kernelId }) => known.get(kernelId) ?? []), cost: answer.cost };
}

/** A forecaster for which every other kernel of the task has been measured: what adaptation could teach it at most. */
export function fullyAdapted(forecaster: Forecaster, benchTask: BenchTask): Forecaster {
  const known = new Map<string, Forecast>();
  let outcomes: Promise<readonly ForecastOutcome[]> | undefined;
  let find: ((kernel: Kernel) => Anchor[]) | undefined;
  const alone = async (request: ForecastRequest, kernel: Kernel, signal: AbortSignal | undefined) => {
    find ??= anchorFinder(benchTask);
    const anchors = find(kernel);
    outcomes ??= allOutcomes(forecaster, request, benchTask);
    const taught = (await outcomes).filter(({ basis }) => basis.kernelId !== kernel.kernelId);
    return forecaster.forecast({ ...request, anchors, candidates: [kernel], outcomes: taught }, signal);
  };
  return {
    name: `${forecaster.name} that knows all others`,
    forecast: (request, signal) =>
      remembered(known, request.candidates, async (candidates) => {
        const forecasts: Forecast[] = [];
        for (const kernel of candidates) forecasts.push(...(await alone(request, kernel, signal)).forecasts);
        return { forecasts, cost: free };
      }),
  };
}

/** Most anchors beside the seed kernel: more than forecasters compare with. */
const mostAnchors = 63;

/** Gives the anchors for a kernel: the seed kernel, and of all others that work those most alike, the most alike first. */
function anchorFinder(benchTask: BenchTask): (kernel: Kernel) => Anchor[] {
  const { recording, task, truthUs } = benchTask;
  const seed = anchorOf(benchTask, task.seedKernel);
  const others = recording
    .kernels(task.taskId)
    .filter(({ kernel }) => kernel.kernelId !== task.seedKernel.kernelId && truthUs.has(kernel.kernelId))
    .map(({ kernel }) => ({ anchor: anchorOf(benchTask, kernel), shingles: kernelShingles(kernel) }));
  return (kernel) => {
    const own = kernelShingles(kernel);
    const ranked = others
      .filter(({ anchor }) => anchor.kernel.kernelId !== kernel.kernelId)
      .map(({ anchor, shingles }) => ({ anchor, alike: likeness(own, shingles) }))
      .sort((a, b) => b.alike - a.alike);
    return [seed, ...ranked.slice(0, mostAnchors).map(({ anchor }) => anchor)];
  };
}

/** Throws for a kernel that does not work. */
function anchorOf(benchTask: BenchTask, kernel: Kernel): Anchor {
  const us = benchTask.truthUs.get(kernel.kernelId);
  if (us === undefined) throw new Error(`kernel ${kernel.kernelId} has no time`);
  return { kernel, measurement: measuredTruth(benchTask, kernel.kernelId, us) };
}

/** What a run that had measured everything would have learnt from: forecasts at its start beside what came of them. */
async function allOutcomes(
  forecaster: Forecaster,
  request: ForecastRequest,
  benchTask: BenchTask,
): Promise<readonly ForecastOutcome[]> {
  const { recording, task, truthUs, deviceName } = benchTask;
  const measured = recording.measurements(task.taskId, deviceName);
  const candidates = recording.kernels(task.taskId).flatMap(({ kernel }) => {
    const isOther = kernel.kernelId !== task.seedKernel.kernelId && measured.has(kernel.kernelId);
    return isOther ? [kernel] : [];
  });
  const anchors = [anchorOf(benchTask, task.seedKernel)];
  const { basis = [] } = await forecaster.forecast({ task, device: request.device, anchors, candidates });
  return basis.map((one) => {
    const us = truthUs.get(one.kernelId);
    return { basis: one, log2Us: us === undefined ? null : Math.log2(us) };
  });
}

/** A forecaster calibrated by a recipe that was fitted to the very task. */
export function fullyCalibrated(forecaster: Forecaster, benchTask: BenchTask): Forecaster {
  const finder = new ReferenceFinder();
  let recipe: Promise<CalibrationRecipe> | undefined;
  return {
    name: `${forecaster.name} calibrated on the task`,
    async forecast(request, signal) {
      recipe ??= fitToTask(forecaster, request, benchTask);
      const fitted = await recipe;
      const { forecasts, ...answer } = await forecaster.forecast(request, signal);
      const kernels = new Map(request.candidates.map((kernel) => [kernel.kernelId, kernel]));
      const calibrated = forecasts.flatMap(({ kernelId, ...raw }): Forecast[] => {
        const kernel = kernels.get(kernelId);
        if (!kernel) return [];
        return [{ kernelId, ...calibrate(fitted, { raw, reference: finder.find(kernel, request.anchors) }) }];
      });
      return { ...answer, forecasts: calibrated };
    },
  };
}

async function fitToTask(
  forecaster: Forecaster,
  { device }: ForecastRequest,
  { recording, task }: BenchTask,
): Promise<CalibrationRecipe> {
  return fitRecipe(await calibrationExamples(forecaster, recording, { device, taskId: task.taskId }));
}
