import {
  areaUnderRisk,
  auroc,
  brierScore,
  forecastCdf,
  forecastCrps,
  forecastLogScore,
  mean,
  normalisedAreaUnderRisk,
  pairwiseAccuracy,
  spearman,
  type PairRange,
  type RiskPoint,
} from "../domain/index.ts";
import { workingForecasts, type JudgedTask, type WorkingForecast } from "./judged-task.ts";
import { topTenth } from "./top-tenth.ts";
import { calibrationIfTrue, calibrationOf, winForecasts, type WinForecast } from "./win-forecasts.ts";

/** Names of the scores of DESIGN §10, in the order of tables. */
export const scoreNames = [
  "pairwise",
  "pairwise 1.1-1.5",
  "pairwise 1.5-3",
  "pairwise over 3",
  "pairwise parent-child",
  "spearman",
  "top tenth within 5 %",
  "chance of top tenth",
  "crps",
  "crps of prior",
  "log score",
  "log score of prior",
  "coverage 50",
  "coverage 80",
  "coverage 95",
  "ece",
  "ece if calibrated",
  "brier",
  "aurc",
  "aurc normalised",
  "auroc of p_ok",
  "auroc with compile errors",
] as const;

export type ScoreName = (typeof scoreNames)[number];

/** Scores of one task; undefined where a score does not exist, for want of failures, pairs or choice. */
export type TaskScores = Readonly<Record<ScoreName, number | undefined>>;

/** Scores one task. `seed` draws the kernel that stands for a template. */
export function scoreTask(task: JudgedTask, seed: number): TaskScores {
  const working = workingForecasts(task);
  const predicted = working.map(({ forecast }) => forecast.m);
  const truth = working.map(({ log2Us }) => 2 ** log2Us);
  const pairs = (range?: PairRange): number | undefined => pairwiseAccuracy(predicted, truth, range);
  const top = topTenth(working, seed);
  const risks = working.map(riskOf);
  const works = task.judged.map(({ log2Us }) => log2Us !== undefined);
  const separation = auroc(
    task.judged.map(({ forecast }) => forecast.pOk),
    works,
  );
  return {
    pairwise: pairs(),
    "pairwise 1.1-1.5": pairs({ atLeast: 1.1, below: 1.5 }),
    "pairwise 1.5-3": pairs({ atLeast: 1.5, below: 3 }),
    "pairwise over 3": pairs({ atLeast: 3, below: Number.POSITIVE_INFINITY }),
    "pairwise parent-child": parentChild(working),
    spearman: rankCorrelation(predicted, truth),
    "top tenth within 5 %": top?.within,
    "chance of top tenth": top?.chance,
    ...densityScores(task, working),
    ...winScores(winForecasts(task), [seed, task.taskId]),
    aurc: areaUnderRisk(risks),
    "aurc normalised": normalisedAreaUnderRisk(risks),
    "auroc of p_ok": separation,
    "auroc with compile errors": withCompileErrors(separation, works, task.compileErrors ?? 0),
  };
}

/** The AUROC where kernels that the compiler was seen to refuse count as failures below all that were forecast. */
function withCompileErrors(
  separation: number | undefined,
  works: readonly boolean[],
  refused: number,
): number | undefined {
  const failed = works.filter((one) => !one).length;
  if (refused === 0 || failed === works.length) return separation;
  return ((separation ?? 0) * failed + refused) / (failed + refused);
}

/** The error of a forecast's median and its mean width, both in log2 units. */
export function riskOf({ forecast, log2Us }: WorkingForecast): RiskPoint {
  return { risk: Math.abs(forecast.m - log2Us), uncertainty: (forecast.sigmaLow + forecast.sigmaHigh) / 2 };
}

/** Spearman's; 0 for forecasts that are all alike of runtimes that are not, so that saying nothing wins nothing. */
function rankCorrelation(predicted: readonly number[], truth: readonly number[]): number | undefined {
  return spearman(predicted, truth) ?? (new Set(truth).size > 1 ? 0 : undefined);
}

type DensityScore = Extract<ScoreName, `crps${string}` | `log score${string}` | `coverage ${string}`>;

function densityScores(
  { prior }: JudgedTask,
  working: readonly WorkingForecast[],
): Record<DensityScore, number | undefined> {
  const average = (score: (one: WorkingForecast) => number): number | undefined => mean(working.map(score));
  const covers = (level: number) => (one: WorkingForecast) =>
    Math.abs(probabilityTransform(one) - 0.5) <= level / 2 ? 1 : 0;
  return {
    crps: average(({ forecast, log2Us }) => forecastCrps(forecast, log2Us)),
    "crps of prior": average(({ log2Us }) => forecastCrps(prior, log2Us)),
    "log score": average(({ forecast, log2Us }) => forecastLogScore(forecast, log2Us)),
    "log score of prior": average(({ log2Us }) => forecastLogScore(prior, log2Us)),
    "coverage 50": average(covers(0.5)),
    "coverage 80": average(covers(0.8)),
    "coverage 95": average(covers(0.95)),
  };
}

/** Where the truth lies in its forecast, 0–1: uniform for a calibrated forecaster (PIT). */
export function probabilityTransform({ forecast, log2Us }: WorkingForecast): number {
  return forecastCdf(forecast, log2Us);
}

/** Pairwise accuracy over the pairs of a kernel and its parent alone, both forecast. */
function parentChild(working: readonly WorkingForecast[]): number | undefined {
  const byId = new Map(working.map((one) => [one.kernelId, one]));
  const right = working.flatMap((child) => {
    const parent = child.parentId === null ? undefined : byId.get(child.parentId);
    if (!parent) return [];
    return pairwiseAccuracy([child.forecast.m, parent.forecast.m], [2 ** child.log2Us, 2 ** parent.log2Us]) ?? [];
  });
  return mean(right);
}

/** Scores of P(faster than its parent by more than 2 %): its debiased calibration error, and Brier's. */
function winScores(
  wins: readonly WinForecast[],
  key: readonly (string | number)[],
): Record<"ece" | "ece if calibrated" | "brier", number | undefined> {
  return {
    ece: calibrationOf(wins),
    "ece if calibrated": calibrationIfTrue(wins, ...key),
    brier: brierScore(
      wins.map(({ probability }) => probability),
      wins.map(({ win }) => win),
    ),
  };
}
