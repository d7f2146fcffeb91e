import { matern, maternSlope, squaredDistance, type ProcessSetting } from "./covariance.ts";
import { factorise, inverseOf, solveLower, solveUpper } from "./dense.ts";

/** Points of a few coordinates, one after another, with a value each. */
export interface Sample {
  readonly coordinates: Float64Array;
  readonly size: number;
  readonly values: Float64Array;
}

/** What a setting's logarithms are taken to be before anything is measured: means and widths. Long reaches: most parameters matter little. */
export interface SettingPrior {
  readonly reach: readonly [mean: number, width: number];
  readonly variance: readonly [mean: number, width: number];
  readonly noise: readonly [mean: number, width: number];
}

const settingPrior: SettingPrior = { reach: [0.7, 0.7], variance: [0, 1], noise: [-6.9, 1.5] };

/** Logarithms of the reaches of the coordinates, of the variance and of the noise. */
export type LogSetting = Float64Array;

export function priorSetting(size: number, { reach, variance, noise }: SettingPrior = settingPrior): LogSetting {
  return Float64Array.from([...Array.from({ length: size }, () => reach[0]), variance[0], noise[0]]);
}

/** Precision of the mean before anything is measured, when it is taken to be 0. */
const meanPrecision = 0.1;
/** Added to the diagonal, as a share of the variance, so that rounding leaves it positive. */
export const jitter = 1e-6;

/**
 * Minus the log of the marginal likelihood of a setting and its prior, up to a constant, and its slope. Given the reaches, the mean is
 * the likeliest.
 */
export function settingCost(
  sample: Sample,
  logs: LogSetting,
  prior: SettingPrior = settingPrior,
): { readonly cost: number; readonly slope: Float64Array; readonly mean: number } {
  const count = sample.values.length;
  const { weights, variance, noise } = fromLogs(logs, 0);
  const { covariance, slopes } = covariances(sample, weights, variance);
  const factor = covariance.slice();
  for (let at = 0; at < count; at++) factor[at * count + at] = variance * (1 + jitter) + noise;
  factorise(factor, count);
  const mean = likeliestMean(factor, sample.values);
  const solved = sample.values.map((value) => value - mean);
  solveLower(factor, count, solved);
  let cost = 0.5 * meanPrecision * mean * mean;
  for (let at = 0; at < count; at++) {
    cost += 0.5 * (solved[at] as number) ** 2 + Math.log(factor[at * count + at] as number);
  }
  solveUpper(factor, count, solved);
  const slope = likelihoodSlope({ sample, weights, variance, noise, covariance, slopes, factor, solved });
  return { cost: cost + addPrior(logs, slope, prior), slope, mean };
}

function covariances(
  { coordinates, values }: Sample,
  weights: Float64Array,
  variance: number,
): { readonly covariance: Float64Array; readonly slopes: Float64Array } {
  const count = values.length;
  const covariance = new Float64Array(count * count);
  const slopes = new Float64Array(count * count);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < row; column++) {
      const squared = squaredDistance(coordinates, weights, row, column);
      covariance[row * count + column] = variance * matern(squared);
      slopes[row * count + column] = variance * maternSlope(squared);
    }
  }
  return { covariance, slopes };
}

function likeliestMean(factor: Float64Array, values: Float64Array): number {
  const count = values.length;
  const ones = new Float64Array(count).fill(1);
  const solved = values.slice();
  solveLower(factor, count, ones);
  solveLower(factor, count, solved);
  let [weighted, total] = [0, meanPrecision];
  for (let at = 0; at < count; at++) {
    weighted += (ones[at] as number) * (solved[at] as number);
    total += (ones[at] as number) ** 2;
  }
  return weighted / total;
}

interface SlopeParts {
  readonly sample: Sample;
  readonly weights: Float64Array;
  readonly variance: number;
  readonly noise: number;
  readonly covariance: Float64Array;
  readonly slopes: Float64Array;
  readonly factor: Float64Array;
  /** The inverse covariance times the values. */
  readonly solved: Float64Array;
}

function likelihoodSlope({
  sample,
  weights,
  variance,
  noise,
  covariance,
  slopes,
  factor,
  solved,
}: SlopeParts): Float64Array {
  const { coordinates, size, values } = sample;
  const count = values.length;
  const slope = new Float64Array(size + 2);
  const inverse = inverseOf(factor, count);
  let [byVariance, byNoise] = [0, 0];
  for (let row = 0; row < count; row++) {
    const own = solved[row] as number;
    for (let column = 0; column < row; column++) {
      const at = row * count + column;
      const pull = (inverse[at] as number) - own * (solved[column] as number);
      byVariance += pull * (covariance[at] as number);
      const byDistance = -2 * pull * (slopes[at] as number);
      for (let k = 0; k < size; k++) {
        const difference = (coordinates[row * size + k] as number) - (coordinates[column * size + k] as number);
        slope[k] = (slope[k] as number) + byDistance * difference * difference * (weights[k] as number);
      }
    }
    const pull = 0.5 * ((inverse[row * count + row] as number) - own * own);
    byVariance += pull * variance * (1 + jitter);
    byNoise += pull * noise;
  }
  slope[size] = byVariance;
  slope[size + 1] = byNoise;
  return slope;
}

/** Adds the prior's slope and returns its cost. */
function addPrior(logs: LogSetting, slope: Float64Array, prior: SettingPrior): number {
  const size = logs.length - 2;
  let cost = 0;
  for (let at = 0; at < logs.length; at++) {
    const [mean, width] = at < size ? prior.reach : at === size ? prior.variance : prior.noise;
    const distance = ((logs[at] as number) - mean) / width;
    cost += 0.5 * distance * distance;
    slope[at] = (slope[at] as number) + distance / width;
  }
  return cost;
}

function fromLogs(logs: LogSetting, mean: number): ProcessSetting {
  const size = logs.length - 2;
  return {
    weights: logs.slice(0, size).map((log) => Math.exp(-2 * log)),
    variance: Math.exp(logs[size] as number),
    noise: Math.exp(logs[size + 1] as number),
    mean,
  };
}

const mostSteps = 25;
const firstStep = 0.15;
const leastStep = 0.02;

/**
 * A likelier setting from a start, by steps that follow the signs of the slope and grow while those stay (resilient propagation,
 * Riedmiller and Braun 1993): it needs no line search, and a few steps do after one more measurement.
 */
export function fitSetting(
  sample: Sample,
  start: LogSetting,
): { readonly logs: LogSetting; readonly setting: ProcessSetting } {
  const logs = start.slice();
  const steps = new Float64Array(start.length).fill(firstStep);
  const earlier = new Float64Array(start.length);
  let best = { cost: Number.POSITIVE_INFINITY, logs: start, mean: 0 };
  for (let step = 0; step < mostSteps && Math.max(...steps) >= leastStep; step++) {
    const { cost, slope, mean } = settingCost(sample, logs);
    if (cost < best.cost) best = { cost, logs: logs.slice(), mean };
    stepAlong(logs, slope, earlier, steps);
  }
  return { logs: best.logs, setting: fromLogs(best.logs, best.mean) };
}

function stepAlong(logs: LogSetting, slope: Float64Array, earlier: Float64Array, steps: Float64Array): void {
  for (let at = 0; at < logs.length; at++) {
    const agreement = (slope[at] as number) * (earlier[at] as number);
    if (agreement > 0) steps[at] = Math.min((steps[at] as number) * 1.3, 1);
    if (agreement < 0) steps[at] = (steps[at] as number) * 0.5;
    const now = agreement < 0 ? 0 : (slope[at] as number);
    logs[at] = (logs[at] as number) - Math.sign(now) * (steps[at] as number);
    earlier[at] = now;
  }
}
