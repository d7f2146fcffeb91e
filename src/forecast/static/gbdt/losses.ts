/**
 * What the trees minimise: squared error, absolute error, the pinball loss of a quantile, or the logistic loss of labels
 * 0 and 1.
 */
export type Loss =
  | { readonly kind: "squared" }
  | { readonly kind: "absolute" }
  | { readonly kind: "quantile"; readonly level: number }
  | { readonly kind: "logistic" };

/** Level that the loss's leaf values are quantiles of; undefined where they follow from gradients. */
export function leafLevel(loss: Loss): number | undefined {
  if (loss.kind === "absolute") return 0.5;
  return loss.kind === "quantile" ? loss.level : undefined;
}

/** Negative gradient of the loss at one row, for a prediction. */
export function pull(loss: Loss, target: number, prediction: number): number {
  if (loss.kind === "squared") return target - prediction;
  if (loss.kind === "absolute") return Math.sign(target - prediction);
  if (loss.kind === "quantile") return target > prediction ? loss.level : loss.level - 1;
  return target - 1 / (1 + Math.exp(-prediction));
}

/** Curvature of the loss at one row. */
export function curvature(loss: Loss, prediction: number): number {
  if (loss.kind !== "logistic") return 1;
  const p = 1 / (1 + Math.exp(-prediction));
  return Math.max(1e-6, p * (1 - p));
}

/** The best constant. */
export function baseValue(loss: Loss, targets: ArrayLike<number>, weights: ArrayLike<number>): number {
  const level = leafLevel(loss);
  const values = Array.from(targets);
  if (level !== undefined) return weightedQuantile(values, Array.from(weights), level);
  const total = Array.from(weights).reduce((sum, weight) => sum + weight, 0);
  const mean = values.reduce((sum, value, row) => sum + value * (weights[row] as number), 0) / total;
  if (loss.kind === "squared") return mean;
  const p = Math.min(1 - 1e-4, Math.max(1e-4, mean));
  return Math.log(p / (1 - p));
}

/** The value below which a share `level` of the weight lies. */
export function weightedQuantile(values: readonly number[], weights: readonly number[], level: number): number {
  const order = values.map((_, row) => row).sort((a, b) => (values[a] as number) - (values[b] as number));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let below = 0;
  for (const row of order) {
    below += weights[row] as number;
    if (below >= level * total) return values[row] as number;
  }
  return values[order.at(-1) ?? 0] ?? 0;
}
