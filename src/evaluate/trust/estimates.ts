/** A figure with its 95 % interval. */
export interface Estimate {
  readonly value: number;
  readonly ci: readonly [number, number];
}

const z95 = 1.959964;

/** A share of equally likely histories, with Wilson's interval. */
export function shareEstimate(count: number, histories: number): Estimate {
  const share = count / histories;
  const spread = z95 ** 2 / histories;
  const middle = (share + spread / 2) / (1 + spread);
  const half = (z95 / (1 + spread)) * Math.sqrt((share * (1 - share)) / histories + spread / (4 * histories));
  return { value: share, ci: [rounded(Math.max(0, middle - half)), rounded(Math.min(1, middle + half))] };
}

/** A mean over histories, with its normal interval. */
export function meanEstimate(values: readonly number[]): Estimate {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  const half = z95 * Math.sqrt(variance / values.length);
  return { value: rounded(mean), ci: [rounded(mean - half), rounded(mean + half)] };
}

function rounded(value: number): number {
  return Number(value.toFixed(5));
}
