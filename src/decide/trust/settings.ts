/** What trust is earned and lost by. Defaults are argued in `docs/decisions/0016-trust.md`. */
export interface TrustSettings {
  /** ρ: a surrogate that would skip this share of the wins, or more, is not to be promoted. */
  readonly missedShare: number;
  /** Chance, over any horizon, that one at a boundary is promoted all the same. */
  readonly falsePromotion: number;
  /** Wins seen before anything is believed. */
  readonly leastWins: number;
  /** The would-be decision: a candidate that the forecast gives less than this to win is skipped. */
  readonly skipBelow: number;
  /** A surrogate that would spare less than this share of the labelled candidates has nothing to be trusted with. */
  readonly leastSpared: number;
  /** Chance with which each candidate that is left out is audited in canary. */
  readonly canaryAudit: number;
  /** Bounds of calibration: of the mean of PIT, of the share in the 80 % interval, and of how far p_ok may be off on average. */
  readonly pitMean: readonly [number, number];
  readonly coverage: readonly [number, number];
  readonly okBias: number;
  /** Chance that one within these bounds is demoted in this many measurements. */
  readonly falseDemotion: number;
  readonly demotionHorizon: number;
}

export const defaultTrustSettings: TrustSettings = {
  missedShare: 0.25,
  falsePromotion: 0.05,
  leastWins: 20,
  skipBelow: 0.1,
  leastSpared: 0.1,
  canaryAudit: 0.5,
  pitMean: [0.35, 0.65],
  coverage: [0.6, 0.95],
  okBias: 0.1,
  falseDemotion: 0.05,
  demotionHorizon: 2000,
};
