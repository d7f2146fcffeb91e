import {
  forecastCdf,
  forecastQuantile,
  widthOfQuantile,
  type Forecast,
  type RuntimeDistribution,
} from "../../domain/index.ts";

type Opinion = Omit<Forecast, "kernelId">;

/** A member's opinion and its weight; weights are ≥ 0 and need not sum to 1. */
export interface Weighted<T> {
  readonly value: T;
  readonly weight: number;
}

/** Pools opinions of one kernel: runtimes linearly, p_ok in log odds. Throws `RangeError` unless some weight is > 0. */
export function poolOpinions(opinions: readonly Weighted<Opinion>[]): Opinion {
  const total = opinions.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0)) throw new RangeError("poolOpinions: no opinion has a weight");
  const shares = opinions
    .filter(({ weight }) => weight > 0)
    .map(({ value, weight }) => ({ value, weight: weight / total }));
  const logOdds = shares.reduce((sum, { value, weight }) => sum + weight * Math.log(value.pOk / (1 - value.pOk)), 0);
  return { pOk: 1 / (1 + Math.exp(-logOdds)), ...project(shares) };
}

/** P(log2 runtime ≤ y) of the linear pool. Weights must sum to 1. */
export function poolCdf(opinions: readonly Weighted<RuntimeDistribution>[], y: number): number {
  return opinions.reduce((sum, { value, weight }) => sum + weight * forecastCdf(value, y), 0);
}

/**
 * The two-piece normal with the pool's 10, 50 and 90 % quantiles. Quantiles rather than moments: the median orders candidates and
 * the outer two are the interval that is reported, so these survive exactly; a pool of unlike members has
 * moments ruled by its tails, and a two-piece normal of equal moments would put its median elsewhere. What is lost is the
 * shape between two modes.
 */
export function project(opinions: readonly Weighted<RuntimeDistribution>[]): RuntimeDistribution {
  const m = poolQuantile(opinions, 0.5);
  return {
    m,
    sigmaLow: widthOfQuantile(m - poolQuantile(opinions, tail), tail),
    sigmaHigh: widthOfQuantile(poolQuantile(opinions, 1 - tail) - m, tail),
  };
}

const tail = 0.1;

function poolQuantile(opinions: readonly Weighted<RuntimeDistribution>[], p: number): number {
  const quantiles = opinions.map(({ value }) => forecastQuantile(value, p));
  let [low, high] = [Math.min(...quantiles), Math.max(...quantiles)];
  for (let step = 0; step < 60 && high - low > 1e-12 * Math.max(1, Math.abs(low)); step++) {
    const centre = 0.5 * (low + high);
    if (poolCdf(opinions, centre) < p) low = centre;
    else high = centre;
  }
  return 0.5 * (low + high);
}
