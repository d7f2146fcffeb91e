import { keyedStream, mean } from "../../domain/index.ts";
import { figureOf, geomean, logGains, type Figure } from "./score-searches.ts";
import { bestAfter, type SearchResults } from "./search-results.ts";

/** What would be found if something that no search knows were known; a step of what `ours` leaves behind. */
export interface AnatomyStep {
  /** Plain words. */
  readonly what: string;
  /** The arm that shows it; absent for what no arm can reach. */
  readonly arm?: string;
  /** Geometric mean of measure-all's best runtime over that of this step. */
  readonly bestVsMeasureAll: Figure;
  /** Its log gain as a share of all that the pool holds. */
  readonly poolShare: number | undefined;
}

const armSteps: readonly (readonly [arm: string, what: string])[] = [
  ["static", "the static forecaster alone"],
  ["no-adaptation", "ours, taught nothing by the run"],
  ["ours", "ours"],
  ["oracle-calibration", "ours, calibrated on the very task"],
  ["oracle-adaptation", "ours, had it learnt from all other kernels of the task"],
  ["oracle", "forecasts are the truth"],
];

/** Where the gap between `ours` and the best kernel there is comes from. Empty without `ours`. */
export function gapAnatomy(results: SearchResults, seed: number): AnatomyStep[] {
  const { tasks, arms, measurements, cells } = results;
  if (!arms.includes("ours")) return [];
  const all = "measure-all";
  const gainsOver = (readUs: (taskId: string, place: number) => number): number[] =>
    tasks.map(({ taskId }) => {
      const gains = cells(all, taskId).map((cell, place) =>
        Math.log2(bestAfter(cell, measurements) / readUs(taskId, place)),
      );
      return mean(gains) ?? 0;
    });
  const best = new Map(tasks.map(({ taskId, bestUs }) => [taskId, bestUs]));
  const proposed = (arm: string): number[] =>
    gainsOver((taskId, place) => cells(arm, taskId)[place]?.bestProposedUs ?? Number.NaN);
  const steps: (readonly [what: string, arm: string | undefined, gains: number[]])[] = [
    ...armSteps
      .filter(([arm]) => arms.includes(arm))
      .map(([arm, what]) => {
        const gains = tasks.map(({ taskId }) => mean(logGains(results, taskId, arm, all)) ?? 0);
        return [what, arm, gains] as const;
      }),
    ["the best kernel that ours was proposed", undefined, proposed("ours")],
    ["the best kernel of the pool", undefined, gainsOver((taskId) => best.get(taskId) ?? Number.NaN)],
  ];
  const most = mean(steps.at(-1)?.[2] ?? []) ?? 0;
  return steps.map(([what, arm, gains]) => ({
    what,
    ...(arm === undefined ? {} : { arm }),
    bestVsMeasureAll: figureOf(gains, geomean, keyedStream(seed, "bench search", "anatomy", what)),
    poolShare: most > 0 ? (mean(gains) ?? 0) / most : undefined,
  }));
}
