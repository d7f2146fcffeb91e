import { normalCdf } from "./normal.ts";
import { mean } from "./summary.ts";

/** One bin of a reliability diagram: `count` forecasts, their mean probability and the share that came true. */
export interface ReliabilityBin {
  readonly count: number;
  readonly meanProbability: number;
  readonly share: number;
}

/**
 * Reliability bins of about equal count, in ascending probability; equal probabilities stay together, so there may be
 * fewer than `bins`.
 */
export function reliabilityBins(
  probabilities: readonly number[],
  outcomes: readonly boolean[],
  bins = 15,
): ReliabilityBin[] {
  const n = probabilities.length;
  if (n !== outcomes.length)
    throw new RangeError(`reliabilityBins: ${n} forecasts against ${outcomes.length} outcomes`);
  const order = probabilities.map((p, index) => ({ p, hit: outcomes[index] ? 1 : 0 })).sort((a, b) => a.p - b.p);
  const result: ReliabilityBin[] = [];
  for (let bin = 1, start = 0; bin <= bins; bin++) {
    let end = Math.round((bin * n) / bins);
    while (end > start && end < n && order[end]?.p === order[end - 1]?.p) end++;
    if (end <= start) continue;
    const members = order.slice(start, end);
    result.push({
      count: members.length,
      meanProbability: members.reduce((sum, { p }) => sum + p, 0) / members.length,
      share: members.reduce((sum, { hit }) => sum + hit, 0) / members.length,
    });
    start = end;
  }
  return result;
}

/** Expected calibration error of equal-mass bins: mean absolute gap between forecast and share. Biased upwards. */
export function calibrationError(bins: readonly ReliabilityBin[]): number | undefined {
  return weighted(bins, (bin) => Math.abs(bin.meanProbability - bin.share));
}

/**
 * {@link calibrationError} less the bias that sampling noise gives it, not below 0. The bias is estimated as Kumar, Liang and Ma
 * (2019) do, by redrawing each bin's share from a normal around the observed one; its expectation is taken in closed
 * form (the mean of a folded normal) instead of by simulation.
 */
export function debiasedCalibrationError(bins: readonly ReliabilityBin[]): number | undefined {
  const plain = calibrationError(bins);
  const redrawn = weighted(bins, ({ count, meanProbability, share }) =>
    foldedNormalMean(meanProbability - share, Math.sqrt((share * (1 - share)) / count)),
  );
  return plain === undefined || redrawn === undefined ? undefined : Math.max(0, 2 * plain - redrawn);
}

function foldedNormalMean(centre: number, deviation: number): number {
  if (deviation === 0) return Math.abs(centre);
  const z = centre / deviation;
  return deviation * Math.sqrt(2 / Math.PI) * Math.exp(-0.5 * z * z) + centre * (1 - 2 * normalCdf(-z));
}

function weighted(bins: readonly ReliabilityBin[], value: (bin: ReliabilityBin) => number): number | undefined {
  const total = bins.reduce((sum, { count }) => sum + count, 0);
  return total === 0 ? undefined : bins.reduce((sum, bin) => sum + bin.count * value(bin), 0) / total;
}

/** Brier score: mean squared difference of probability and outcome (1 or 0). Lower is better; undefined without forecasts. */
export function brierScore(probabilities: readonly number[], outcomes: readonly boolean[]): number | undefined {
  if (probabilities.length !== outcomes.length)
    throw new RangeError(`brierScore: ${probabilities.length} forecasts against ${outcomes.length} outcomes`);
  return mean(probabilities.map((probability, index) => (probability - (outcomes[index] ? 1 : 0)) ** 2));
}
