import { keyedUniform } from "../../domain/index.ts";

/**
 * The probability with which each of some skipped candidates is audited, so that audits are expected to be `share` of the
 * measurements, as far as there is room: known before the draw, and logged with it, so that what audits find can be weighted by it.
 */
export function auditProbability(share: number, measured: number, skipped: number, room: number): number {
  if (skipped === 0 || share <= 0 || room <= 0) return 0;
  return Math.min(skipped, room, (share * Math.max(1, measured)) / (1 - share)) / skipped;
}

/**
 * Draws which of the skipped are audited, each with the probability given: the whole part of their expected number and, by
 * chance, one more, in the order of draws of their own. Never more than that number rounded up, so that a budget that covers it
 * cuts no draw short, and the probability is exact.
 */
export function drawAudits(seed: number, kernelIds: readonly string[], probability: number): ReadonlySet<string> {
  const expected = probability * kernelIds.length;
  if (expected <= 0) return new Set();
  const ranked = kernelIds
    .map((kernelId) => ({ kernelId, draw: keyedUniform(seed, "audit", kernelId) }))
    .sort((a, b) => a.draw - b.draw || (a.kernelId < b.kernelId ? -1 : 1));
  // Keyed by all of them, in an order that is not the draws': the number drawn and who comes first are independent.
  const oneMore = keyedUniform(seed, "audits", ...kernelIds.toSorted()) < expected - Math.floor(expected);
  return new Set(ranked.slice(0, Math.floor(expected) + (oneMore ? 1 : 0)).map(({ kernelId }) => kernelId));
}
