import { mean } from "../../src/domain/index.ts";
import type { ScoreName } from "../../src/evaluate/score-task.ts";
import { medianSpread, truthSpread, type MedianSpread } from "../../src/evaluate/study/median-spread.ts";
import { averageRuns, type RunsScore, type RunsScores } from "../../src/evaluate/study/average-runs.ts";
import type { ArmDifference, ArmSide } from "../../src/evaluate/study/arm-differences.ts";
import type { Calibration, JudgedArm } from "../../src/evaluate/study/judged-arm.ts";
import { comparedScores, type PairedDifferences } from "../../src/evaluate/paired-differences.ts";
import type { MeanScore } from "../../src/evaluate/score-tasks.ts";
import { interval, markdownTable } from "../markdown.ts";

/** An arm, taken in one way, as it scores. */
export interface ScoredArm {
  readonly label: string;
  readonly as: Calibration;
  readonly scores: RunsScores;
}

const columns: readonly (readonly [string, ScoreName])[] = [
  ["pairwise", "pairwise"],
  ["Spearman", "spearman"],
  ["top tenth within 5 %", "top tenth within 5 %"],
  ["CRPS", "crps"],
  ["log score", "log score"],
  ["covers 80 %", "coverage 80"],
  ["ECE", "ece"],
  ["Brier", "brier"],
  ["AURC", "aurc"],
  ["AUROC of p_ok", "auroc of p_ok"],
];

export function scoreArms(arms: readonly JudgedArm[], seed: number): ScoredArm[] {
  return arms.map(({ label, as, runs }) => ({ label, as, scores: averageRuns(runs, seed) }));
}

/** A row of each arm, with the 95 % intervals. */
export function scoreTable(arms: readonly ScoredArm[]): string {
  return markdownTable(
    ["forecaster", "runs", ...columns.map(([title]) => title), "no answer"],
    arms.map(({ label, scores }) => [
      label,
      scores.runs,
      ...columns.map(([, name]) => interval(scores.scores[name])),
      percent(scores.unanswered.mean),
    ]),
  );
}

/** The least and most of an arm's runs; empty where no arm has several. */
export function rangeTable(arms: readonly ScoredArm[]): string | undefined {
  const several = arms.filter(({ scores }) => scores.runs > 1);
  if (several.length === 0) return undefined;
  return markdownTable(
    ["forecaster", "as", "runs", ...columns.map(([title]) => title)],
    several.map(({ label, as, scores }) => [
      label,
      as,
      scores.runs,
      ...columns.map(([, name]) => range(scores.scores[name])),
    ]),
  );
}

/** Whether medians follow the tasks: of each arm as answered, its runs' means, and of the truth. */
export function spreadTable(arms: readonly JudgedArm[]): string {
  const raw = arms.filter(({ as }) => as === "raw");
  const [truth] = raw.flatMap(({ runs }) => runs);
  const rows = raw.map(({ label, runs }): [string, readonly MedianSpread[]] => [label, runs.map(medianSpread)]);
  const meanOf = (spreads: readonly MedianSpread[], part: keyof MedianSpread): string =>
    mean(spreads.flatMap((one) => one[part] ?? []))?.toFixed(2) ?? "–";
  return markdownTable(
    ["forecaster", "between tasks", "within a task", "follows the tasks"],
    [...(truth ? [["*measured*", [truthSpread(truth)]] as const] : []), ...rows].map(([label, spreads]) => [
      label,
      meanOf(spreads, "betweenTasks"),
      meanOf(spreads, "withinTasks"),
      meanOf(spreads, "followsTasks"),
    ]),
  );
}

function range({ least, most }: RunsScore): string {
  return least === undefined || most === undefined ? "–" : `${least.toFixed(3)} to ${most.toFixed(3)}`;
}

function percent(share: number | undefined): string {
  return share === undefined ? "–" : `${(100 * share).toFixed(1)} %`;
}

const differenceColumns = columns.filter(([, name]) => comparedScores.some((one) => one === name));

/** A row of each difference; bold where the interval excludes 0. */
export function differenceTable(differences: readonly ArmDifference[], on: "all" | "common"): string {
  return markdownTable(
    ["", "of", "less", "kernels", ...differenceColumns.map(([title]) => title)],
    differences.map((one) => [
      one.what,
      sideText(one.of),
      sideText(one.from),
      on === "all" ? one.kernels : one.commonKernels,
      ...differenceColumns.map(([, name]) => signed(one[on][name as keyof PairedDifferences])),
    ]),
  );
}

export function sideText({ arm, as }: ArmSide): string {
  return as === "raw" ? arm : `${arm}, ${as}`;
}

/** A difference, bold where its interval excludes 0. */
export function signed(score: MeanScore): string {
  const { low, high } = score;
  const excludes = low !== undefined && high !== undefined && (low > 0 || high < 0);
  return excludes ? `**${interval(score)}**` : interval(score);
}
