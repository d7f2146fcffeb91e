import { forecastCrps, type Forecast, type Forecaster, type ForecastRequest } from "../domain/index.ts";
import { scalesInOrder, type AdaptModel } from "../forecast/adapt/adapt-model.ts";
import { correctForecast, residualOf } from "../forecast/adapt/correct-forecast.ts";
import { differenceOf, type Difference } from "../forecast/adapt/covariance.ts";
import { PointReader, type KernelPoint } from "../forecast/adapt/kernel-point.ts";
import { ResidualProcess, type ResidualDatum } from "../forecast/adapt/residual-process.ts";
import type { FactsCache } from "../forecast/static/facts-cache.ts";
import { featureNames, featureVector } from "../forecast/static/features.ts";
import type { Situation } from "./adaptation-draws.ts";

type Setting = AdaptModel["settings"][number];

/** The settings among which a run chooses: reach, shares of text and parameters, noise. */
const grid: readonly Omit<Setting, "logPrior">[] = [0.25, 0.5, 1].flatMap((reach) =>
  [
    { text: 0, parameters: 0 },
    { text: 0.3, parameters: 0 },
    { text: 0, parameters: 0.3 },
    { text: 0, parameters: 1 },
  ].flatMap((shares) => [0.02, 0.1, 0.3, 1, 3].map((noise) => ({ reach, ...shares, noise }))),
);

/**
 * By how many nats a setting falls behind whose CRPS, over that without learning, is worse by 1. Chosen on families left out: from 10 to
 * 300 all are alike, none and thousands are worse.
 */
const strictness = 30;

/** A feature that hardly differs within tasks tells kernels apart by rounding. */
const leastSpread = 1e-3;

/** Mean CRPS of a setting over that of the forecaster alone, by task. */
export interface SettingScores {
  readonly family: string;
  readonly taskId: string;
  readonly ratios: readonly number[];
}

/** Typical spread of every feature within a task: the mean over tasks of its standard deviation. */
export function featureScales(situations: readonly Situation[], facts: FactsCache): Record<string, number> {
  const perTask = new Map(situations.map((situation) => [situation.taskId, situation]));
  const sums = new Float64Array(featureNames.length);
  const counts = new Float64Array(featureNames.length);
  for (const { request } of perTask.values()) {
    const { task, device, anchors, candidates } = request;
    const seed = {
      facts: facts.get(task.seedKernel, task, device, undefined),
      log2Us: Math.log2(anchors[0]?.measurement.runtime.medianUs ?? 1),
    };
    const rows = candidates.map((kernel) =>
      featureVector(facts.get(kernel, task, device, undefined), { task, device, seed }),
    );
    for (const index of featureNames.keys()) {
      const spread = deviation(rows.map((row) => row[index] as number).filter((value) => !Number.isNaN(value)));
      if (spread === undefined) continue;
      sums[index] = (sums[index] as number) + spread;
      counts[index] = (counts[index] as number) + 1;
    }
  }
  const scales = featureNames.map(
    (name, index) => [name, (sums[index] as number) / (counts[index] as number)] as const,
  );
  return Object.fromEntries(
    scales.filter(([, scale]) => scale > leastSpread).map(([name, scale]) => [name, Number(scale.toPrecision(4))]),
  );
}

function deviation(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

/** Scores every setting of the grid, alone, in the situations of one task where something was measured. */
export async function scoreSettings(
  forecaster: Forecaster,
  situations: readonly Situation[],
  { scales, facts }: Pick<AdaptModel, "scales"> & { readonly facts: FactsCache },
): Promise<SettingScores[]> {
  const [first] = situations;
  const reader = first && PointReader.open(first.request, facts, scalesInOrder({ scales }));
  if (!reader) return [];
  const priors = await priorForecasts(forecaster, first.request, situations);
  const scores: SettingScores[] = [];
  const difference = remembered(differenceOf);
  for (const { family, taskId, request, truth, measured } of situations) {
    if (measured === 0) continue;
    const data = request.anchors.slice(1).map(({ kernel, measurement }): ResidualDatum => ({
      kernelId: kernel.kernelId,
      point: reader.read(kernel),
      residual: residualOf(priors.get(kernel.kernelId) as Forecast, Math.log2(measurement.runtime.medianUs)),
    }));
    const { forecasts } = await forecaster.forecast(request);
    const ownCrps = crpsOf(request, truth, new Map(forecasts.map((forecast) => [forecast.kernelId, forecast])));
    const ratios = grid.map((setting) => {
      const process = new ResidualProcess(setting, difference);
      process.follow(data);
      const corrected = request.candidates.map((kernel) => {
        const learned = process.forecast(kernel.kernelId, reader.read(kernel));
        return [kernel.kernelId, correctForecast(priors.get(kernel.kernelId) as Forecast, learned)] as const;
      });
      return crpsOf(request, truth, new Map(corrected)) / ownCrps;
    });
    scores.push({ family, taskId, ratios });
  }
  return scores;
}

/** Every setting is made of the same differences, in every situation of a task. */
function remembered(difference: typeof differenceOf): typeof differenceOf {
  const known = new WeakMap<KernelPoint, WeakMap<KernelPoint, Difference>>();
  return (one, other) => {
    const row = known.get(one) ?? new WeakMap<KernelPoint, Difference>();
    known.set(one, row);
    const value = row.get(other) ?? difference(one, other);
    row.set(other, value);
    return value;
  };
}

/** What the forecaster says of all kernels of a task, given the seed kernel alone. */
async function priorForecasts(
  forecaster: Forecaster,
  { task, device, anchors }: ForecastRequest,
  situations: readonly Situation[],
): Promise<ReadonlyMap<string, Forecast>> {
  const kernels = new Map(
    situations.flatMap(({ request }) =>
      [...request.candidates, ...request.anchors.map(({ kernel }) => kernel)].map(
        (one) => [one.kernelId, one] as const,
      ),
    ),
  );
  const { forecasts } = await forecaster.forecast({
    task,
    device,
    anchors: anchors.slice(0, 1),
    candidates: [...kernels.values()],
  });
  return new Map(forecasts.map((forecast) => [forecast.kernelId, forecast]));
}

function crpsOf(
  { candidates }: ForecastRequest,
  truth: readonly number[],
  forecasts: ReadonlyMap<string, Forecast>,
): number {
  const scores = candidates.map(({ kernelId }, index) =>
    forecastCrps(forecasts.get(kernelId) as Forecast, truth[index] as number),
  );
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

/** The grid with priors: the better a setting did on average, the more data it takes to prefer another. */
export function priorSettings(scores: readonly SettingScores[]): Setting[] {
  const means = grid.map((_, index) => {
    const ratios = scores.map((one) => one.ratios[index] as number);
    return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  });
  const best = Math.min(...means);
  return grid.map((setting, index) => ({
    ...setting,
    logPrior: Number((-strictness * ((means[index] as number) - best)).toFixed(4)),
  }));
}
