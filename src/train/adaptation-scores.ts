import { forecastCdf, forecastCrps, mean, pairwiseAccuracy, type Forecaster } from "../domain/index.ts";
import { drawKinds, measuredCounts, type DrawKind, type Situation } from "./adaptation-draws.ts";

/** How a forecaster did in one situation. */
export interface LearningScore {
  readonly forecaster: string;
  readonly taskId: string;
  readonly kind: DrawKind;
  readonly measured: number;
  readonly crps: number;
  readonly pairwise: number | undefined;
  /** Share of outcomes inside the central 80 %. */
  readonly coverage: number;
}

export async function scoreSituations(
  forecaster: Forecaster,
  situations: readonly Situation[],
): Promise<LearningScore[]> {
  const scores: LearningScore[] = [];
  for (const { taskId, kind, measured, request, truth } of situations) {
    const { forecasts } = await forecaster.forecast(request);
    const byId = new Map(forecasts.map((forecast) => [forecast.kernelId, forecast]));
    const pairs = request.candidates.flatMap(({ kernelId }, index) => {
      const forecast = byId.get(kernelId);
      return forecast ? [{ forecast, log2Us: truth[index] as number }] : [];
    });
    scores.push({
      forecaster: forecaster.name,
      taskId,
      kind,
      measured,
      crps: average(pairs.map(({ forecast, log2Us }) => forecastCrps(forecast, log2Us))),
      pairwise: pairwiseAccuracy(
        pairs.map(({ forecast }) => forecast.m),
        pairs.map(({ log2Us }) => 2 ** log2Us),
      ),
      coverage: average(
        pairs.map(({ forecast, log2Us }) => Number(Math.abs(forecastCdf(forecast, log2Us) - 0.5) <= 0.4)),
      ),
    });
  }
  return scores;
}

/** Means over tasks, a line for each forecaster, kind of draw and number of measured kernels. */
export function learningTable(scores: readonly LearningScore[]): string {
  const names = [...new Set(scores.map(({ forecaster }) => forecaster))];
  const lines = drawKinds.flatMap((kind) =>
    measuredCounts.flatMap((measured) =>
      names.map((name) => {
        const own = scores.filter((one) => one.forecaster === name && one.kind === kind && one.measured === measured);
        const over = (value: (one: LearningScore) => number | undefined): string => overTasks(own, value).toFixed(3);
        const cells = [name, kind, measured, over(({ crps }) => crps), over(({ pairwise }) => pairwise)];
        return `| ${[...cells, over(({ coverage }) => coverage), worseTasks(own, scores, names[0])].join(" | ")} |`;
      }),
    ),
  );
  return [
    "| forecaster | drawn | measured | CRPS | pairwise | covers 80 % | tasks with a higher CRPS |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}

function worseTasks(own: readonly LearningScore[], all: readonly LearningScore[], first: string | undefined): string {
  const tasks = [...new Set(own.map(({ taskId }) => taskId))];
  const worse = tasks.filter((taskId) => {
    const of = (one: LearningScore): boolean => one.taskId === taskId;
    const alike = (one: LearningScore): boolean =>
      one.forecaster === first && one.kind === own[0]?.kind && one.measured === own[0].measured && of(one);
    return average(own.filter(of).map(({ crps }) => crps)) > average(all.filter(alike).map(({ crps }) => crps)) + 1e-9;
  });
  return `${worse.length} of ${tasks.length}`;
}

function overTasks(scores: readonly LearningScore[], value: (one: LearningScore) => number | undefined): number {
  const tasks = [...new Set(scores.map(({ taskId }) => taskId))];
  return average(
    tasks.flatMap(
      (taskId) => mean(scores.filter((one) => one.taskId === taskId).flatMap((one) => value(one) ?? [])) ?? [],
    ),
  );
}

function average(values: readonly number[]): number {
  return mean(values) ?? Number.NaN;
}
