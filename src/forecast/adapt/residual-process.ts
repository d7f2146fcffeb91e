import { covarianceOf, differenceOf, type CovarianceSetting } from "./covariance.ts";
import { GrowingCholesky } from "./growing-cholesky.ts";
import type { KernelPoint } from "./kernel-point.ts";

/** A measured kernel: where it lies, and by how many of its forecast's widths it was slower than forecast. */
export interface ResidualDatum {
  readonly kernelId: string;
  readonly point: KernelPoint;
  readonly residual: number;
}

/** What measured kernels say of another one. */
export interface ResidualForecast {
  /** Expected residual, in the kernel's own widths. */
  readonly mean: number;
  /** Share of the residual's variance that is left, above 0 and at most 1. */
  readonly left: number;
}

/** Kernels whose part of the work is kept between measurements; with 500 measured ones, 4 kB each. */
const keptQueries = 8192;

interface Query {
  /** L⁻¹k so far, and for how many of the data. */
  solution: Float64Array;
  solved: number;
}

/**
 * A Gaussian process over residuals. A measurement costs O(n²) to add and O(n) for every kernel that was asked for before: what
 * was solved for a kernel is kept and goes on from there.
 */
export class ResidualProcess {
  readonly setting: CovarianceSetting;
  readonly #data: ResidualDatum[] = [];
  readonly #factor = new GrowingCholesky();
  /** L⁻¹z. */
  #weights = new Float64Array(64);
  readonly #queries = new Map<string, Query>();

  readonly #difference: typeof differenceOf;

  /** `difference`: how kernels differ, where that is known already. */
  constructor(setting: CovarianceSetting, difference = differenceOf) {
    this.setting = setting;
    this.#difference = difference;
  }

  get size(): number {
    return this.#data.length;
  }

  add(datum: ResidualDatum): void {
    const entries = this.#data.map(({ point }) => this.#covariance(point, datum.point));
    this.#factor.append(entries, 1 + this.setting.noise);
    const at = this.#data.push(datum) - 1;
    if (at >= this.#weights.length) this.#weights = grown(this.#weights, at + 1);
    this.#weights[at] = datum.residual;
    this.#factor.solveLower(this.#weights, at);
  }

  /** Makes these its data, in this order. What it has in common with the data before is kept. */
  follow(data: readonly ResidualDatum[]): void {
    const own = this.#data;
    let common = 0;
    while (common < own.length && isSame(own[common], data[common])) common++;
    this.truncate(common);
    for (const datum of data.slice(common)) this.add(datum);
  }

  /** Forgets all data from `size` on. */
  truncate(size: number): void {
    this.#data.splice(size);
    this.#factor.truncate(size);
    for (const query of this.#queries.values()) query.solved = Math.min(query.solved, size);
  }

  /** `kernelId` names the point: one of the same name is taken to be the same. */
  forecast(kernelId: string, point: KernelPoint): ResidualForecast {
    const { solution } = this.#solve(kernelId, point);
    let [mean, explained] = [0, 0];
    for (let at = 0; at < this.#data.length; at++) {
      const part = solution[at] as number;
      mean += part * (this.#weights[at] as number);
      explained += part * part;
    }
    const whole = 1 + this.setting.noise;
    return { mean, left: Math.max(leastLeft, (whole - explained) / whole) };
  }

  #covariance(one: KernelPoint, other: KernelPoint): number {
    return covarianceOf(this.#difference(one, other), this.setting);
  }

  #solve(kernelId: string, point: KernelPoint): Query {
    const n = this.#data.length;
    const known = this.#queries.get(kernelId);
    const query = known ?? { solution: new Float64Array(n), solved: 0 };
    if (query.solution.length < n) query.solution = grown(query.solution, n);
    for (let at = query.solved; at < n; at++) {
      query.solution[at] = this.#covariance((this.#data[at] as ResidualDatum).point, point);
    }
    this.#factor.solveLower(query.solution, query.solved);
    query.solved = n;
    if (!known) {
      if (this.#queries.size >= keptQueries) this.#queries.delete(this.#queries.keys().next().value ?? "");
      this.#queries.set(kernelId, query);
    }
    return query;
  }
}

/** A residual is never known without any doubt. */
const leastLeft = 1e-6;

/** Whether two lists hold equal residuals of the same kernels. */
export function isSameData(one: readonly ResidualDatum[], other: readonly ResidualDatum[]): boolean {
  return one.length === other.length && one.every((datum, index) => isSame(datum, other[index]));
}

function isSame(one: ResidualDatum | undefined, other: ResidualDatum | undefined): boolean {
  return one?.kernelId === other?.kernelId && one?.residual === other?.residual;
}

function grown(values: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.max(length, Math.ceil(1.5 * values.length)));
  larger.set(values);
  return larger;
}
