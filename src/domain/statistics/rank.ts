/** Ranks from 1, ties sharing their average rank, in the order of the values. */
export function ranks(values: readonly number[]): number[] {
  const order = values.map((_, index) => index).sort((a, b) => at(values, a) - at(values, b));
  const result = Array.from(values, () => 0);
  for (let start = 0; start < order.length;) {
    const value = at(values, at(order, start));
    let end = start + 1;
    while (end < order.length && at(values, at(order, end)) === value) end++;
    for (let place = start; place < end; place++) result[at(order, place)] = (start + 1 + end) / 2;
    start = end;
  }
  return result;
}

function at(values: readonly number[], index: number): number {
  return values[index] as number;
}

/** Pearson's correlation; undefined for fewer than two points or where one side is constant. */
export function pearson(x: readonly number[], y: readonly number[]): number | undefined {
  const n = x.length;
  if (n !== y.length) throw new RangeError(`pearson: ${n} values against ${y.length}`);
  const meanX = x.reduce((sum, value) => sum + value, 0) / n;
  const meanY = y.reduce((sum, value) => sum + value, 0) / n;
  let [xx, yy, xy] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const dx = at(x, i) - meanX;
    const dy = at(y, i) - meanY;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return n < 2 || xx === 0 || yy === 0 ? undefined : xy / Math.sqrt(xx * yy);
}

/** Spearman's rank correlation with average ranks for ties; undefined where {@link pearson} is. */
export function spearman(x: readonly number[], y: readonly number[]): number | undefined {
  return pearson(ranks(x), ranks(y));
}

/** Which pairs count: those whose larger true value is at least `atLeast` and below `below` times the smaller one. */
export interface PairRange {
  readonly atLeast: number;
  readonly below: number;
}

/** Pairs judged, and how many of them the forecast put in the right order, a tie counting one half. */
export interface PairCount {
  readonly pairs: number;
  readonly right: number;
}

/** The pairs of DESIGN §10: true runtimes that differ by at least 10 %. */
export const decidedPairs: PairRange = { atLeast: 1.1, below: Number.POSITIVE_INFINITY };

/**
 * Counts the pairs of one task whose true runtimes (> 0) differ by a ratio within `range`, and those whose predictions
 * (any increasing scale) order them alike.
 */
export function countPairs(
  predicted: readonly number[],
  truth: readonly number[],
  range: PairRange = decidedPairs,
): PairCount {
  if (predicted.length !== truth.length)
    throw new RangeError(`countPairs: ${predicted.length} values against ${truth.length}`);
  let [pairs, right] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    for (let j = 0; j < i; j++) {
      const ratio = Math.max(at(truth, i), at(truth, j)) / Math.min(at(truth, i), at(truth, j));
      if (!(ratio >= range.atLeast && ratio < range.below)) continue;
      pairs++;
      right += agreement(at(predicted, i) - at(predicted, j), at(truth, i) - at(truth, j));
    }
  }
  return { pairs, right };
}

function agreement(predicted: number, truth: number): number {
  if (predicted === 0) return 0.5;
  return predicted > 0 === truth > 0 ? 1 : 0;
}

/** Share of one task's pairs that the prediction orders rightly; undefined where no pair is in range. */
export function pairwiseAccuracy(
  predicted: readonly number[],
  truth: readonly number[],
  range: PairRange = decidedPairs,
): number | undefined {
  const { pairs, right } = countPairs(predicted, truth, range);
  return pairs === 0 ? undefined : right / pairs;
}

/**
 * Area under the receiver's operating curve: the probability that a positive scores above a negative, ties counting one
 * half. Undefined without both kinds.
 */
export function auroc(scores: readonly number[], positive: readonly boolean[]): number | undefined {
  if (scores.length !== positive.length)
    throw new RangeError(`auroc: ${scores.length} scores against ${positive.length} labels`);
  const positives = positive.filter(Boolean).length;
  const negatives = positive.length - positives;
  if (positives === 0 || negatives === 0) return undefined;
  const sum = ranks(scores).reduce((total, rank, index) => (positive[index] ? total + rank : total), 0);
  return (sum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
