import type { DetectorState } from "./change-detector.ts";
import { freshDetector } from "./change-detector.ts";
import { CalibrationBets } from "./calibration-bets.ts";
import { MissedWinsBet, VetoBet } from "./missed-wins.ts";
import type { TrustSettings } from "./settings.ts";
import type { TrustLevel } from "../../domain/index.ts";
import type { Wealth } from "./wealth.ts";

/** What was gathered since the level changed last. */
export interface Evidence {
  /** Labels that count. */
  labels: number;
  /** Of those, how many it would have skipped, how many were wins, and how many both. */
  spared: number;
  wins: number;
  missed: number;
  readonly winsWealth: Wealth;
  calibrationWealths: Wealth[];
}

/** What a family of tasks says of its own. */
export interface FamilyEvidence {
  wins: number;
  missed: number;
  readonly vetoWealth: Wealth;
  /** What lifts a veto. */
  readonly winsWealth: Wealth;
  vetoed: boolean;
}

/** How far a surrogate is trusted on a device: a function of its labels and of what people set, in their order. Plain data. */
export interface TrustRecord {
  level: TrustLevel;
  evidence: Evidence;
  detector: DetectorState;
  families: Record<string, FamilyEvidence>;
  /** Times that trust was lost: each makes it dearer to regain, so that a false promotion stays as rare over any horizon. */
  losses: number;
}

export function freshRecord(settings: TrustSettings, level: TrustLevel = "shadow"): TrustRecord {
  return { level, evidence: freshEvidence(settings), detector: freshDetector(), families: {}, losses: 0 };
}

export function freshEvidence(settings: TrustSettings): Evidence {
  return {
    labels: 0,
    spared: 0,
    wins: 0,
    missed: 0,
    winsWealth: new MissedWinsBet(settings.missedShare, 1).wealth,
    calibrationWealths: new CalibrationBets(settings).wealths,
  };
}

export function freshFamily({ missedShare, canaryAudit }: TrustSettings): FamilyEvidence {
  return {
    wins: 0,
    missed: 0,
    vetoWealth: new VetoBet(missedShare, canaryAudit).wealth,
    winsWealth: new MissedWinsBet(missedShare, canaryAudit).wealth,
    vetoed: false,
  };
}

/** The least chance with which a candidate is measured at a level that promotes: what stakes are scaled by. */
export function leastAudit(level: TrustLevel, { canaryAudit }: TrustSettings): number {
  return level === "shadow" ? 1 : canaryAudit;
}

/** Most of α is for the first promotion; the rest is divided among those after each loss of trust, so that all add up to α. */
const firstShare = 0.8;

/** Logarithm of the capital that a promotion takes. */
export function promotionLimit(losses: number, { falsePromotion }: TrustSettings): number {
  const share = losses === 0 ? firstShare : (1 - firstShare) / (losses * (losses + 1));
  return -Math.log(share * falsePromotion);
}
