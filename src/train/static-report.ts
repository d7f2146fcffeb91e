import {
  auroc,
  forecastCrps,
  forecastQuantile,
  mean,
  pairwiseAccuracy,
  quantile,
  spearman,
  type RuntimeDistribution,
} from "../domain/index.ts";

/** A forecast beside the truth, both over log2(runtime / seed's runtime). */
export interface Judged {
  readonly taskId: string;
  readonly ok: boolean;
  readonly target: number;
  readonly pOk: number;
  readonly forecast: RuntimeDistribution;
}

/** Scores of one task, or their means over tasks; undefined where a score does not exist. */
export interface Scores {
  readonly kernels: number;
  readonly pairwise: number | undefined;
  readonly spearman: number | undefined;
  readonly crps: number | undefined;
  /** CRPS of the best constant distribution for tasks not seen: a two-piece normal at the pooled quantiles. */
  readonly crpsPrior: number | undefined;
  readonly cover50: number | undefined;
  readonly cover80: number | undefined;
  readonly aurocOk: number | undefined;
  /** Best of the 10 % forecast fastest, over the task's best: 1 is perfect. */
  readonly topTenth: number | undefined;
}

export interface StaticReport {
  readonly tasks: Readonly<Record<string, Scores>>;
  /** Macro-averages over tasks. */
  readonly mean: Scores;
}

/** Scores forecasts task by task against a constant prior. */
export function reportOn(judged: readonly Judged[], prior: RuntimeDistribution): StaticReport {
  const taskIds = [...new Set(judged.map(({ taskId }) => taskId))];
  const tasks = Object.fromEntries(
    taskIds.map((taskId) => [
      taskId,
      scoreTask(
        judged.filter((one) => one.taskId === taskId),
        prior,
      ),
    ]),
  );
  return { tasks, mean: meanScores(Object.values(tasks)) };
}

function scoreTask(list: readonly Judged[], prior: RuntimeDistribution): Scores {
  const working = list.filter(({ ok }) => ok);
  const predicted = working.map(({ forecast }) => forecast.m);
  const truth = working.map(({ target }) => 2 ** target);
  return {
    kernels: list.length,
    pairwise: pairwiseAccuracy(predicted, truth),
    spearman: spearman(predicted, truth),
    crps: mean(working.map(({ forecast, target }) => forecastCrps(forecast, target))),
    crpsPrior: mean(working.map(({ target }) => forecastCrps(prior, target))),
    cover50: coverage(working, 0.5),
    cover80: coverage(working, 0.8),
    aurocOk: auroc(
      list.map(({ pOk }) => pOk),
      list.map(({ ok }) => ok),
    ),
    topTenth: topTenth(working),
  };
}

function coverage(working: readonly Judged[], level: number): number | undefined {
  const covered = working.map(({ forecast, target }): number => {
    const low = forecastQuantile(forecast, (1 - level) / 2);
    const high = forecastQuantile(forecast, (1 + level) / 2);
    return target >= low && target <= high ? 1 : 0;
  });
  return mean(covered);
}

function topTenth(working: readonly Judged[]): number | undefined {
  const count = Math.max(1, Math.round(working.length / 10));
  const chosen = working.toSorted((a, b) => a.forecast.m - b.forecast.m).slice(0, count);
  const best = Math.min(...working.map(({ target }) => target));
  return working.length === 0 ? undefined : 2 ** (Math.min(...chosen.map(({ target }) => target)) - best);
}

function meanScores(scores: readonly Scores[]): Scores {
  const average = (pick: (score: Scores) => number | undefined): number | undefined =>
    mean(scores.flatMap((score) => pick(score) ?? []));
  return {
    kernels: scores.reduce((sum, { kernels }) => sum + kernels, 0),
    pairwise: average(({ pairwise }) => pairwise),
    spearman: average((score) => score.spearman),
    crps: average(({ crps }) => crps),
    crpsPrior: average(({ crpsPrior }) => crpsPrior),
    cover50: average(({ cover50 }) => cover50),
    cover80: average(({ cover80 }) => cover80),
    aurocOk: average(({ aurocOk }) => aurocOk),
    topTenth: average((score) => score.topTenth),
  };
}

/** The constant distribution at the quantiles of some targets. */
export function constantPrior(targets: readonly number[]): RuntimeDistribution {
  const at = (p: number): number => quantile(targets, p) ?? 0;
  const width = (half: number): number => Math.max(0.05, half / 1.2816);
  return { m: at(0.5), sigmaLow: width(at(0.5) - at(0.1)), sigmaHigh: width(at(0.9) - at(0.5)) };
}
