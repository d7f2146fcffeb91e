import { pairedDifferences, type comparedScores, type PairedDifferences } from "../paired-differences.ts";
import type { MeanScore } from "../score-tasks.ts";
import { averageRuns } from "./average-runs.ts";
import { onCommonKernels, type Calibration, type JudgedArm } from "./judged-arm.ts";

/** An arm taken in one way. */
export interface ArmSide {
  readonly arm: string;
  readonly as: Calibration;
}

/** What a difference is to be; `not higher`: its interval does not lie above 0 as a whole. */
export const wantedSigns = ["lower", "higher", "not higher"] as const;

export interface Claim {
  readonly score: (typeof comparedScores)[number];
  readonly wanted: (typeof wantedSigns)[number];
}

/** Scores of one arm less those of another, and what they are to show. */
export interface WantedDifference {
  readonly what: string;
  readonly of: ArmSide;
  readonly from: ArmSide;
  readonly claims: readonly Claim[];
}

export interface ArmDifference extends WantedDifference {
  /** On all kernels, the prior in place of what has no answer. */
  readonly all: PairedDifferences;
  readonly kernels: number;
  /** On the kernels that every run of both sides has answered. */
  readonly common: PairedDifferences;
  readonly commonKernels: number;
  readonly claims: readonly (Claim & { readonly holds: boolean })[];
}

/** The differences whose both sides are there. Claims are decided on all kernels. */
export function armDifferences(
  arms: readonly JudgedArm[],
  wanted: readonly WantedDifference[],
  seed: number,
): ArmDifference[] {
  return wanted.flatMap((difference) => {
    const [one, other] = [findArm(arms, difference.of), findArm(arms, difference.from)];
    if (!one || !other) return [];
    const all = compare(one, other, seed);
    const common = compare(...onCommonKernels(one, other), seed);
    return [
      {
        ...difference,
        all: all.differences,
        kernels: all.kernels,
        common: common.differences,
        commonKernels: common.kernels,
        claims: difference.claims.map((claim) => ({
          ...claim,
          holds: holds(all.differences[claim.score], claim.wanted),
        })),
      },
    ];
  });
}

interface Compared {
  readonly differences: PairedDifferences;
  readonly kernels: number;
}

function compare(one: JudgedArm, other: JudgedArm, seed: number): Compared {
  const [first, second] = [averageRuns(other.runs, seed), averageRuns(one.runs, seed)];
  return { differences: pairedDifferences(first, second, seed), kernels: second.kernels };
}

function findArm(arms: readonly JudgedArm[], { arm, as }: ArmSide): JudgedArm | undefined {
  return arms.find((one) => one.label === arm && one.as === as);
}

/** Of a difference without an interval nothing holds. */
export function holds({ low, high }: Pick<MeanScore, "low" | "high">, wanted: Claim["wanted"]): boolean {
  if (low === undefined || high === undefined) return false;
  if (wanted === "lower") return high < 0;
  return wanted === "higher" ? low > 0 : low <= 0;
}
