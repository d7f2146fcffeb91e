import { forecastCdf, type RuntimeDistribution } from "./two-piece-normal.ts";

/**
 * Edges of the bin view on log2(speedup), ascending. Thirteen bins: below the first edge, between neighbours, and above
 * the last; the middle one is a tie. A bin holds its lower edge. Bins are a view for scores and prompts that need them;
 * forecasts are distributions.
 */
export const speedupBinEdges = [-2, -1, -0.5, -0.25, -0.1, -0.03, 0.03, 0.1, 0.25, 0.5, 1, 2] as const;

/** Number of bins: 13. */
export const speedupBinCount: number = speedupBinEdges.length + 1;

/** Index of the tie, 6; lower bins are slower than the anchor, higher ones faster. */
export const tieBin: number = speedupBinEdges.length / 2;

/** Bin, 0–12, of a log2 speedup against an anchor (positive: faster). */
export function speedupBin(log2Speedup: number): number {
  return speedupBinEdges.filter((edge) => log2Speedup >= edge).length;
}

/** Probability of each of the 13 bins, given ok, against an anchor with log2 runtime `anchorLog2Us`; sums to 1. */
export function speedupBinProbabilities(forecast: RuntimeDistribution, anchorLog2Us: number): number[] {
  const reachesEdge = speedupBinEdges.map((edge) => forecastCdf(forecast, anchorLog2Us - edge));
  const bounds = [1, ...reachesEdge, 0];
  return bounds.slice(0, -1).map((bound, index) => bound - (bounds[index + 1] as number));
}

/** The bin's bounds as speedup factors, for tables and prompts: `low` ≤ speedup < `high`; 0 and ∞ at the ends. */
export function speedupBinBounds(bin: number): { readonly low: number; readonly high: number } {
  if (!Number.isInteger(bin) || bin < 0 || bin >= speedupBinCount) {
    throw new RangeError(`speedup bins are 0 to ${speedupBinCount - 1}, got ${bin}`);
  }
  const below = speedupBinEdges[bin - 1];
  const above = speedupBinEdges[bin];
  return {
    low: below === undefined ? 0 : 2 ** below,
    high: above === undefined ? Number.POSITIVE_INFINITY : 2 ** above,
  };
}
