import { keyedUniform } from "../../domain/index.ts";

/**
 * The probability with which each of some skipped candidates is audited, so that audits are expected to be `share` of the
 * measurements: known before the draw, and logged with it, so that what audits find can be weighted by it.
 */
export function auditProbability(share: number, measured: number, skipped: number): number {
  if (skipped === 0 || share <= 0) return 0;
  return Math.min(1, (share * Math.max(1, measured)) / ((1 - share) * skipped));
}

/** Whether a skipped candidate is measured all the same: a draw of its own, once in a run. */
export function isAudited(seed: number, kernelId: string, probability: number): boolean {
  return probability > 0 && keyedUniform(seed, "audit", kernelId) < probability;
}
