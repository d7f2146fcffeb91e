import { normalCdf } from "./normal.ts";
import { ranks } from "./rank.ts";

/** Largest number of non-zero differences for which the signed-rank distribution is enumerated. */
const largestExact = 50;

/**
 * Two-sided Wilcoxon signed-rank test that paired differences are symmetric about 0: its p-value, 1 where every
 * difference is 0. Zeros are dropped; exact for up to 50 untied differences, else the normal approximation with the
 * variance corrected for ties and no continuity correction (as SciPy's `wilcoxon`).
 */
export function wilcoxonSignedRank(differences: readonly number[]): number {
  const nonzero = differences.filter((difference) => difference !== 0);
  if (nonzero.length === 0) return 1;
  const sizes = nonzero.map(Math.abs);
  const rank = ranks(sizes);
  const positive = rank.reduce((sum, value, index) => ((nonzero[index] as number) > 0 ? sum + value : sum), 0);
  const tied = new Set(sizes).size < sizes.length;
  return tied || nonzero.length > largestExact ? approximate(positive, rank) : exact(positive, nonzero.length);
}

function exact(positive: number, n: number): number {
  const total = (n * (n + 1)) / 2;
  const counts = new Float64Array(total + 1);
  counts[0] = 1;
  for (let rank = 1; rank <= n; rank++) {
    for (let sum = total; sum >= rank; sum--) counts[sum] = (counts[sum] as number) + (counts[sum - rank] as number);
  }
  const smaller = Math.min(positive, total - positive);
  const below = counts.subarray(0, smaller + 1).reduce((sum, count) => sum + count, 0);
  return Math.min(1, (2 * below) / 2 ** n);
}

function approximate(positive: number, rank: readonly number[]): number {
  const n = rank.length;
  const groups = new Map<number, number>();
  for (const value of rank) groups.set(value, (groups.get(value) ?? 0) + 1);
  const ties = [...groups.values()].reduce((sum, size) => sum + size ** 3 - size, 0);
  const spread = Math.sqrt((n * (n + 1) * (2 * n + 1) - ties / 2) / 24);
  return Math.min(1, 2 * normalCdf(-Math.abs(positive - (n * (n + 1)) / 4) / spread));
}

/** Holm's step-down correction: adjusted p-values in the order given; reject those ≤ the family-wise level. */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, index) => index).sort((a, b) => (pValues[a] as number) - (pValues[b] as number));
  const adjusted = Array.from(pValues, () => 1);
  let largest = 0;
  order.forEach((index, place) => {
    largest = Math.max(largest, Math.min(1, (pValues[index] as number) * (pValues.length - place)));
    adjusted[index] = largest;
  });
  return adjusted;
}
