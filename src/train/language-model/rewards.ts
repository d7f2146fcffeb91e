/**
 * Rewards of written forecasts. The trainer computes the same in Python: `python/tests/fixtures/rewards.json` holds what both must give.
 */
import {
  forecastCrps,
  forecastLogScore,
  speedupBin,
  speedupBinProbabilities,
  type Forecast,
} from "../../domain/index.ts";

export const rewardNames = ["correctness", "correctness+brier", "correctness+crps", "crps", "log"] as const;

export type RewardName = (typeof rewardNames)[number];

/** What is true of the kernel, and the measured kernel that bins are relative to; log2 µs, null for one that does not work. */
export interface RewardedTruth {
  readonly log2Us: number | null;
  readonly scaleLog2Us: number;
}

type Belief = Omit<Forecast, "kernelId">;

/** A CRPS beyond this, in log2 units, is as bad as it gets: else a few would rule the gradient. */
const worstCrps = 4;

/** Likewise for the log score, in nats. */
const worstLog = -10;

/** An answer that cannot be read: below whatever a forecast can get. */
export const unreadReward: Readonly<Record<RewardName, number>> = {
  correctness: -1,
  "correctness+brier": -2,
  "correctness+crps": -3,
  crps: -3,
  log: worstLog - 2,
};

/** Reward of one kernel's forecast; the reward of a list is their mean. */
export function reward(name: RewardName, belief: Belief | undefined, truth: RewardedTruth): number {
  if (!belief) return unreadReward[name];
  if (name === "log") return Math.max(worstLog, logReward(belief, truth));
  if (name === "crps") return -crpsLoss(belief, truth);
  const { correct, confidence } = predict(belief, truth);
  if (name === "correctness") return correct;
  if (name === "correctness+brier") return correct - (confidence - correct) ** 2;
  return correct - crpsLoss(belief, truth);
}

function logReward(belief: Belief, { log2Us }: RewardedTruth): number {
  return log2Us === null ? Math.log(1 - belief.pOk) : Math.log(belief.pOk) - forecastLogScore(belief, log2Us);
}

/** The likeliest outcome, of the bins and failure: whether it came, and how probable it was said to be. */
function predict(belief: Belief, { log2Us, scaleLog2Us }: RewardedTruth): { correct: number; confidence: number } {
  const { pOk } = belief;
  const outcomes = [...speedupBinProbabilities(belief, scaleLog2Us).map((one) => pOk * one), 1 - pOk];
  const confidence = Math.max(...outcomes);
  const truth = log2Us === null ? outcomes.length - 1 : speedupBin(scaleLog2Us - log2Us);
  return { correct: outcomes.indexOf(confidence) === truth ? 1 : 0, confidence };
}

/** 0 to 2: the CRPS of the time where there is one, as a share of the worst, and the Brier score of p_ok. */
function crpsLoss(belief: Belief, { log2Us }: RewardedTruth): number {
  const brier = (belief.pOk - (log2Us === null ? 0 : 1)) ** 2;
  return log2Us === null ? brier : brier + Math.min(worstCrps, forecastCrps(belief, log2Us)) / worstCrps;
}
