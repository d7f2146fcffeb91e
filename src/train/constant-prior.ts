import { quantile, type RuntimeDistribution } from "../domain/index.ts";

/** The constant distribution at the quantiles of some targets. */
export function constantPrior(targets: readonly number[]): RuntimeDistribution {
  const at = (p: number): number => quantile(targets, p) ?? 0;
  const width = (half: number): number => Math.max(0.05, half / 1.2816);
  return { m: at(0.5), sigmaLow: width(at(0.5) - at(0.1)), sigmaHigh: width(at(0.9) - at(0.5)) };
}
