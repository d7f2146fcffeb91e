import type { Coordinates } from "./coordinates.ts";
import { matern, squaredDistance, type ProcessSetting } from "./covariance.ts";
import { jitter } from "./fit-setting.ts";

/** Least variance left, as a share: less is rounding. */
const leastShare = 1e-9;

/**
 * A Gaussian process's answers at every point of a space at once. A measurement adds one row to the Cholesky factor, which is
 * solved for all points as they stand: O(points × measurements), with nothing done twice.
 */
export class SpaceProcess {
  readonly #points: Coordinates;
  readonly #setting: ProcessSetting;
  /** Rows of the solution for all points: one for each measurement. */
  readonly #rows: Float32Array[] = [];
  /** The solution for the measured values. */
  readonly #solved: number[] = [];
  readonly mean: Float64Array;
  readonly variance: Float64Array;

  constructor(points: Coordinates, setting: ProcessSetting) {
    this.#points = points;
    this.#setting = setting;
    this.mean = new Float64Array(points.count).fill(setting.mean);
    this.variance = new Float64Array(points.count).fill(setting.variance);
  }

  add(place: number, value: number): void {
    const { variance, noise, mean } = this.#setting;
    const factors = this.#rows.map((row) => row[place] as number);
    let left = variance * (1 + jitter) + noise;
    let rest = value - mean;
    for (const [at, factor] of factors.entries()) {
      left -= factor * factor;
      rest -= factor * (this.#solved[at] as number);
    }
    const diagonal = Math.sqrt(Math.max(left, leastShare * variance));
    const solved = rest / diagonal;
    const row = this.#solveRow(place, factors, diagonal);
    for (let point = 0; point < row.length; point++) {
      const part = row[point] as number;
      this.mean[point] = (this.mean[point] as number) + part * solved;
      this.variance[point] = (this.variance[point] as number) - part * part;
    }
    this.#rows.push(row);
    this.#solved.push(solved);
  }

  #solveRow(place: number, factors: readonly number[], diagonal: number): Float32Array {
    const { values, count } = this.#points;
    const { weights, variance } = this.#setting;
    const row = new Float64Array(count);
    for (let point = 0; point < count; point++) {
      row[point] = variance * matern(squaredDistance(values, weights, place, point));
    }
    for (const [at, factor] of factors.entries()) {
      const earlier = this.#rows[at] as Float32Array;
      for (let point = 0; point < count; point++) {
        row[point] = (row[point] as number) - factor * (earlier[point] as number);
      }
    }
    return Float32Array.from(row, (value) => value / diagonal);
  }
}
