import { keyedStream, normalQuantile, type Forecast } from "../../domain/index.ts";
import type { Target } from "./gain.ts";

/** How alike two kernels are, 0–1. As a matrix over kernels it must be positive semidefinite, as shares of agreeing sketches are. */
export type Likeness = (one: string, other: string) => number;

/**
 * Correlation of the errors of two forecasts of one forecaster: the error of kernels that are nearly the same is nearly the
 * same. `most` · likeness^`power`; see docs/decisions/0013-deciding.md.
 */
export interface ErrorModel {
  readonly most: number;
  /** A whole number: products of positive semidefinite matrices, entry by entry, are again. */
  readonly power: number;
}

export const defaultErrorModel: ErrorModel = { most: 0.9, power: 2 };

function errorCorrelation(likeness: number, { most, power }: ErrorModel = defaultErrorModel): number {
  return most * Math.min(1, Math.max(0, likeness)) ** power;
}

/** Correlations among some kernels, row by row. */
export function correlations(
  kernelIds: readonly string[],
  likeness: Likeness | undefined,
  model?: ErrorModel,
): Float64Array {
  const size = kernelIds.length;
  const matrix = new Float64Array(size * size);
  for (let row = 0; row < size; row++) matrix[row * size + row] = 1;
  if (!likeness) return matrix;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < row; column++) {
      const value = errorCorrelation(likeness(kernelIds[row] as string, kernelIds[column] as string), model);
      matrix[row * size + column] = value;
      matrix[column * size + row] = value;
    }
  }
  return matrix;
}

/** Smallest pivot: rounding, or a likeness that is not quite positive semidefinite, must not give NaN. */
const smallestPivot = 1e-9;

/** The lower triangle L with L · Lᵀ = matrix, row by row. */
export function choleskyFactor(matrix: Float64Array, size: number): Float64Array {
  const factor = new Float64Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * size + column] as number;
      for (let k = 0; k < column; k++)
        sum -= (factor[row * size + k] as number) * (factor[column * size + k] as number);
      factor[row * size + column] =
        row === column ? Math.sqrt(Math.max(sum, smallestPivot)) : sum / (factor[column * size + column] as number);
    }
  }
  return factor;
}

/** Independent standard normals, draw by draw: the same for every decision of a run, so that candidates meet the same luck. */
export function independentDraws(seed: number, draws: number, size: number): Float64Array {
  const uniform = keyedStream(seed, "gate-draws", draws, size);
  return Float64Array.from({ length: draws * size }, () => normalQuantile((uniform() + 2 ** -54) / (1 + 2 ** -53)));
}

/** How the forecasts of some kernels may turn out together. */
export interface Outcomes {
  readonly draws: number;
  /** Log2 improvement of the incumbent by each candidate in each draw, candidate by candidate; 0 for no win. */
  readonly gains: Float64Array;
}

/**
 * Draws outcomes of all candidates together: the errors of runtimes are correlated as `factor` says
 * (a Gaussian copula over the two-piece parts), failures are independent. `normals` holds two fields of draws × candidates.
 */
export function drawOutcomes(
  forecasts: readonly Forecast[],
  target: Target,
  factor: Float64Array,
  normals: {
    readonly runtime: Float64Array;
    readonly success: Float64Array;
    readonly draws: number;
    readonly stride: number;
  },
): Outcomes {
  const { draws, stride } = normals;
  const size = forecasts.length;
  const gains = new Float64Array(size * draws);
  forecasts.forEach(({ pOk, m, sigmaLow, sigmaHigh }, row) => {
    const okBelow = normalQuantile(Math.min(1, Math.max(0, pOk)));
    const margin = target.incumbentLog2Us - m;
    for (let draw = 0; draw < draws; draw++) {
      let error = 0;
      const success = normals.success[draw * stride + row] as number;
      for (let k = 0; k <= row; k++) {
        const weight = factor[row * size + k] as number;
        error += weight * (normals.runtime[draw * stride + k] as number);
      }
      const gain = margin - error * (error < 0 ? sigmaLow : sigmaHigh);
      if (success <= okBelow && gain >= target.winLog2) gains[row * draws + draw] = gain;
    }
  });
  return { draws, gains };
}

/** Mean over draws of the best of some candidates. */
export function jointGain({ draws, gains }: Outcomes, rows: readonly number[]): number {
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) {
    let best = 0;
    for (const row of rows) best = Math.max(best, gains[row * draws + draw] as number);
    sum += best;
  }
  return sum / draws;
}
