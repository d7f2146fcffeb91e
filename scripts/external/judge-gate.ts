import { auroc, forecastCdf, pairwiseAccuracy, spearman, type Forecast } from "../../src/domain/index.ts";
import type { ExternalCandidate, ExternalRun } from "./read-external-run.ts";

/** What the forecasts and the gate of one search got right, by what was measured afterwards; undefined where nothing can be said. */
export interface GateJudgement {
  readonly forecasts: number;
  /** Candidates that the search itself did not measure, and their share of those that were no duplicates. */
  readonly spared: number;
  readonly sparedShare: number | undefined;
  /** Candidates that beat the incumbent of their time by the search's margin, as the later run measured them. */
  readonly wins: number;
  /** Those of them that were first skipped. */
  readonly missed: readonly ExternalCandidate[];
  /** Failures of the later run, and those that were skipped. */
  readonly failures: number;
  readonly failuresSpared: number;
  readonly spearman: number | undefined;
  readonly pairwise: number | undefined;
  readonly coverage80: number | undefined;
  readonly aurocOfOk: number | undefined;
  /** The fastest of all candidates by the later run, and the search's best by that run. */
  readonly fastestOfAll: ExternalCandidate | undefined;
  readonly foundUs: number | undefined;
}

/** Judges the gate of a search by the run that measured every candidate. */
export function judgeGate({ candidates, search, hindsight }: ExternalRun): GateJudgement {
  const { state } = search;
  const isWin = ({ hindsight: truth, incumbentUs }: ExternalCandidate): boolean =>
    truth?.us !== undefined && incumbentUs !== undefined && truth.us <= incumbentUs * 2 ** -state.config.winLog2;
  const wasSkipped = ({ decision }: ExternalCandidate): boolean => decision?.action === "skip";
  const spared = candidates.filter(({ measured, decision }) => decision && !measured);
  const wins = candidates.filter(isWin);
  const failed = candidates.filter(({ hindsight: truth }) => truth && truth.status !== "ok");
  const ok = candidates.flatMap(({ hindsight: truth, ...one }) =>
    truth?.us === undefined ? [] : [{ ...one, us: truth.us }],
  );
  const fastest = ok.toSorted((a, b) => a.us - b.us)[0];
  const best = state.incumbentId;
  return {
    ...scoreForecasts(candidates),
    spared: spared.length,
    sparedShare: candidates.length === 0 ? undefined : spared.length / candidates.length,
    wins: wins.length,
    missed: wins.filter(wasSkipped),
    failures: failed.length,
    failuresSpared: failed.filter(wasSkipped).length,
    fastestOfAll: fastest && candidates.find(({ kernelId }) => kernelId === fastest.kernelId),
    foundUs: best === undefined ? undefined : hindsight.state.candidates.get(best)?.measurement?.runtime.medianUs,
  };
}

type ForecastScores = Pick<GateJudgement, "forecasts" | "spearman" | "pairwise" | "coverage80" | "aurocOfOk">;

function scoreForecasts(candidates: readonly ExternalCandidate[]): ForecastScores {
  const told = candidates.flatMap(({ forecast, hindsight: truth }) => (forecast && truth ? [{ forecast, truth }] : []));
  const ok = told.flatMap(({ forecast, truth: { us } }) => (us === undefined ? [] : [{ forecast, us }]));
  const medians = ok.map(({ forecast }) => forecast.m);
  const runtimes = ok.map(({ us }) => us);
  const covered = ok.filter(({ forecast, us }) => isWithin80(forecast, us)).length;
  return {
    forecasts: candidates.filter(({ forecast }) => forecast).length,
    spearman: spearman(medians, runtimes),
    pairwise: pairwiseAccuracy(medians, runtimes),
    coverage80: ok.length === 0 ? undefined : covered / ok.length,
    aurocOfOk: auroc(
      told.map(({ forecast }) => forecast.pOk),
      told.map(({ truth }) => truth.status === "ok"),
    ),
  };
}

function isWithin80(forecast: Forecast, us: number): boolean {
  return Math.abs(forecastCdf(forecast, Math.log2(us)) - 0.5) <= 0.4;
}
