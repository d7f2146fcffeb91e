import type { ScoreName } from "../../src/evaluate/score-task.ts";
import { averageRuns, type RunsScore, type RunsScores } from "../../src/evaluate/study/average-runs.ts";
import { comparedScores, pairedDifferences, type PairedDifferences } from "../../src/evaluate/paired-differences.ts";
import type { MeanScore } from "../../src/evaluate/score-tasks.ts";
import { interval, markdownTable } from "../markdown.ts";
import { onCommonKernels, type JudgedArm } from "./judge-runs.ts";
import type { Calibration, Side, Study } from "./study.ts";

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

function range({ least, most }: RunsScore): string {
  return least === undefined || most === undefined ? "–" : `${least.toFixed(3)} to ${most.toFixed(3)}`;
}

function percent(share: number | undefined): string {
  return share === undefined ? "–" : `${(100 * share).toFixed(1)} %`;
}

/** How much higher one arm's scores are than another's, task by task. */
export interface ArmDifference {
  readonly what: string;
  readonly of: Side;
  readonly from: Side;
  /** On all kernels, the prior standing for what has no answer. */
  readonly all: PairedDifferences;
  readonly kernels: number;
  /** On the kernels that every run of both has answered. */
  readonly common: PairedDifferences;
  readonly commonKernels: number;
  readonly claims: readonly ClaimFound[];
}

/** What a difference is to show, and whether its interval does. */
export interface ClaimFound {
  readonly score: (typeof comparedScores)[number];
  readonly wanted: Claim["wanted"];
  readonly holds: boolean;
}

type Claim = Study["differences"][number]["claims"][number];

/** The differences whose both sides were judged. */
export function armDifferences(
  arms: readonly JudgedArm[],
  wanted: Study["differences"],
  seed: number,
): ArmDifference[] {
  return wanted.flatMap(({ what, of, from, claims }) => {
    const [one, other] = [findArm(arms, of), findArm(arms, from)];
    if (!one || !other) return [];
    const [all, common] = [[one, other] as const, onCommonKernels(one, other)].map(([first, second]) => {
      const [high, low] = [averageRuns(first.runs, seed), averageRuns(second.runs, seed)];
      return { differences: pairedDifferences(low, high, seed), kernels: high.kernels };
    }) as [Paired, Paired];
    const found = claims.map((claim) => ({ ...claim, holds: holds(all.differences[claim.score], claim.wanted) }));
    return [
      {
        what,
        of,
        from,
        all: all.differences,
        kernels: all.kernels,
        common: common.differences,
        commonKernels: common.kernels,
        claims: found,
      },
    ];
  });
}

interface Paired {
  readonly differences: PairedDifferences;
  readonly kernels: number;
}

function findArm(arms: readonly JudgedArm[], { arm, as }: Side): JudgedArm | undefined {
  return arms.find((one) => one.label === arm && one.as === as);
}

function holds({ low, high }: MeanScore, wanted: Claim["wanted"]): boolean {
  if (low === undefined || high === undefined) return false;
  if (wanted === "lower") return high < 0;
  return wanted === "higher" ? low > 0 : low <= 0;
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

export function sideText({ arm, as }: Side): string {
  return as === "raw" ? arm : `${arm}, ${as}`;
}

/** A difference, bold where its interval excludes 0. */
export function signed(score: MeanScore): string {
  const { low, high } = score;
  const excludes = low !== undefined && high !== undefined && (low > 0 || high < 0);
  return excludes ? `**${interval(score)}**` : interval(score);
}
