/** Arithmetic mean; undefined for no values. */
export function mean(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Unbiased sample variance (divided by n − 1); undefined for fewer than two values. */
export function variance(values: readonly number[]): number | undefined {
  const centre = mean(values);
  if (centre === undefined || values.length < 2) return undefined;
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}

/** Geometric mean of positive values; undefined for no values. */
export function geometricMean(values: readonly number[]): number | undefined {
  const logarithm = mean(values.map(Math.log));
  return logarithm === undefined ? undefined : Math.exp(logarithm);
}

/**
 * Sample quantile by linear interpolation between order statistics (Hyndman and Fan's type 7, NumPy's default).
 * `p` is clamped to [0, 1]; undefined for no values.
 */
export function quantile(values: readonly number[], p: number): number | undefined {
  return quantileSorted(
    [...values].sort((a, b) => a - b),
    p,
  );
}

/** {@link quantile} of values already in ascending order. */
export function quantileSorted(sorted: readonly number[], p: number): number | undefined {
  const position = Math.min(1, Math.max(0, p)) * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below];
  const high = sorted[Math.min(below + 1, sorted.length - 1)];
  if (low === undefined || high === undefined) return undefined;
  return low === high ? low : low + (position - below) * (high - low);
}

/** Sample median; undefined for no values. */
export function median(values: readonly number[]): number | undefined {
  return quantile(values, 0.5);
}
