import type { ScoreName } from "./score-task.ts";
import { meanOver, type ForecastScores, type MeanScore } from "./score-tasks.ts";

/** Scores that forecasters are compared by. */
export const comparedScores = [
  "pairwise",
  "spearman",
  "top tenth within 5 %",
  "ece",
  "brier",
  "crps",
  "log score",
  "aurc",
  "auroc of p_ok",
] as const satisfies readonly ScoreName[];

/** How much higher the second forecaster's scores are, task by task: means, intervals and tasks that both have. */
export type PairedDifferences = Readonly<Record<(typeof comparedScores)[number], MeanScore>>;

/** Differences second − first paired by task, with a bootstrap over tasks. */
export function pairedDifferences(
  first: Pick<ForecastScores, "byTask">,
  second: Pick<ForecastScores, "byTask">,
  seed: number,
): PairedDifferences {
  const entries = comparedScores.map((name) => {
    const differences = Object.entries(second.byTask).map(([taskId, scores]) => {
      const [before, after] = [first.byTask[taskId]?.[name], scores[name]];
      return before === undefined || after === undefined ? undefined : after - before;
    });
    return [name, meanOver(differences, seed, `paired ${name}`)] as const;
  });
  return Object.fromEntries(entries) as Record<(typeof comparedScores)[number], MeanScore>;
}
