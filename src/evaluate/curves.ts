import { mean, ranks, reliabilityBins, riskCoverage, type ReliabilityBin } from "../domain/index.ts";
import { workingForecasts, type JudgedTask } from "./judged-task.ts";
import { riskOf } from "./score-task.ts";
import { winForecasts } from "./win-forecasts.ts";

/** Reliability of P(faster than the parent by 2 %), all tasks together. */
export function reliabilityCurve(tasks: readonly JudgedTask[]): ReliabilityBin[] {
  const wins = tasks.flatMap(winForecasts);
  return reliabilityBins(
    wins.map(({ probability }) => probability),
    wins.map(({ win }) => win),
  );
}

export interface RiskPointAt {
  /** Share of the kernels, the surest first. */
  readonly coverage: number;
  /** Their mean error in log2 units, averaged over tasks. */
  readonly risk: number;
}

const coverageSteps = 50;

/** Risk against coverage, averaged over tasks. */
export function riskCurve(tasks: readonly JudgedTask[]): RiskPointAt[] {
  const curves = tasks
    .map((task) => riskCoverage(workingForecasts(task).map(riskOf)))
    .filter(({ length }) => length > 0);
  return Array.from({ length: coverageSteps }, (_, step) => {
    const coverage = (step + 1) / coverageSteps;
    const risks = curves.map((curve) => curve[Math.ceil(coverage * curve.length) - 1] as number);
    return { coverage, risk: mean(risks) ?? Number.NaN };
  }).filter(({ risk }) => Number.isFinite(risk));
}

/** A kernel's place among the working kernels of its task: 0 the fastest, 1 the slowest. */
export interface RankPoint {
  readonly kernelId: string;
  readonly forecast: number;
  readonly truth: number;
}

/** Forecast and true ranks of a task, in true order; of many kernels an even choice. */
export function rankPoints(task: JudgedTask, most: number): RankPoint[] {
  const working = workingForecasts(task);
  const scale = Math.max(1, working.length - 1);
  const forecast = ranks(working.map((one) => one.forecast.m));
  const truth = ranks(working.map(({ log2Us }) => log2Us));
  const points = working
    .map(({ kernelId }, index) => ({
      kernelId,
      forecast: ((forecast[index] as number) - 1) / scale,
      truth: ((truth[index] as number) - 1) / scale,
    }))
    .sort((a, b) => a.truth - b.truth);
  if (points.length <= most) return points;
  return Array.from({ length: most }, (_, index) => points[Math.floor((index * points.length) / most)] as RankPoint);
}
