/** What a Gaussian process over a space's points was told by its measurements, in widths of their spread. */
export interface ProcessSetting {
  /** One over the square of the distance over which a coordinate counts. */
  readonly weights: Float64Array;
  readonly variance: number;
  readonly noise: number;
  /** What a point far from all others is expected to be. */
  readonly mean: number;
}

const rootFive = Math.sqrt(5);

/** Matérn covariance of smoothness 5/2 at a squared distance, 1 at 0: runtimes over a space are smooth, but for cliffs. */
export function matern(squared: number): number {
  const distance = rootFive * Math.sqrt(squared);
  return Math.exp(-distance) * (1 + distance + (5 / 3) * squared);
}

/** What {@link matern} changes by as the squared distance grows. */
export function maternSlope(squared: number): number {
  const distance = rootFive * Math.sqrt(squared);
  return (-5 / 6) * Math.exp(-distance) * (1 + distance);
}

/** Squared distance of two points in an array of coordinates, each by its place in it. */
export function squaredDistance(values: Float64Array, weights: Float64Array, one: number, other: number): number {
  const size = weights.length;
  const [a, b] = [one * size, other * size];
  let sum = 0;
  for (let at = 0; at < size; at++) {
    const difference = (values[a + at] as number) - (values[b + at] as number);
    sum += difference * difference * (weights[at] as number);
  }
  return sum;
}
