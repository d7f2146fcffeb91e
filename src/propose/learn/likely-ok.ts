import type { Coordinates } from "./coordinates.ts";
import { squaredDistance } from "./covariance.ts";

/** Distance over which an outcome counts, beside what runtimes said of the coordinates. */
const reach = 0.7;
/** Added to every coordinate's weight: failures may go by one that runtimes do not go by. */
const ownWeight = 4;
/** Outcomes' worth of what is expected before any, and how much of it is ok. */
const priorWeight = 0.3;
const priorOk = 0.9;
/** Half squared distances beyond which an outcome counts for nothing. */
const farthest = 8;

/** How likely each point of a space is to work, by the outcomes near it. */
export class LikelyOk {
  readonly #points: Coordinates;
  readonly #weights: Float64Array;
  readonly #ok: Float64Array;
  readonly #all: Float64Array;
  #failed = false;

  constructor(points: Coordinates, weights: Float64Array) {
    this.#points = points;
    this.#weights = weights.map((weight) => weight + ownWeight);
    this.#ok = new Float64Array(points.count).fill(priorOk * priorWeight);
    this.#all = new Float64Array(points.count).fill(priorWeight);
  }

  add(place: number, ok: boolean): void {
    this.#failed ||= !ok;
    const { values, count } = this.#points;
    for (let point = 0; point < count; point++) {
      const half = squaredDistance(values, this.#weights, place, point) / (2 * reach * reach);
      if (half > farthest) continue;
      const weight = Math.exp(-half);
      this.#all[point] = (this.#all[point] as number) + weight;
      if (ok) this.#ok[point] = (this.#ok[point] as number) + weight;
    }
  }

  /** Near 1 everywhere while nothing has failed. */
  at(point: number): number {
    return this.#failed ? (this.#ok[point] as number) / (this.#all[point] as number) : 1;
  }
}
