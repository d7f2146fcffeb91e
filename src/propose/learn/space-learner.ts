import { keyedStream } from "../../domain/index.ts";
import { normalCdf, normalPdf } from "../../domain/statistics/index.ts";
import { consideredPlaces, coordinatesAt } from "./considered-places.ts";
import type { Coordinates } from "./coordinates.ts";
import { squaredDistance, type ProcessSetting } from "./covariance.ts";
import { fitSetting, priorSetting, type LogSetting, type Sample } from "./fit-setting.ts";
import { LikelyOk } from "./likely-ok.ts";
import { SpaceProcess } from "./space-process.ts";

/** Points that are measured before anything is learnt, and how many draws each is the farthest from the others of. */
const designPoints = 12;
const designDraws = 32;
/** Runtimes without which nothing is learnt. */
const leastRuntimes = 4;
/** The setting is fitted again once the measurements have grown by this share, on so many of them at most. */
const refitShare = 0.15;
const fittedRuntimes = 90;

export interface Outcome {
  readonly place: number;
  /** log2 of the runtime; null for a failure. */
  readonly log2Us: number | null;
}

/** A point, with why it is the next one; the design has no forecast. */
export interface NextPoint {
  readonly place: number;
  readonly forecast?: { readonly log2Us: number; readonly width: number; readonly pOk: number };
}

interface Learnt {
  /** Places of the points that are considered; what follows counts these alone. */
  readonly places: Int32Array;
  readonly rows: ReadonlyMap<number, number>;
  readonly process: SpaceProcess;
  readonly likelyOk: LikelyOk;
  /** Mean and spread of the measured values, in which the process is told them. */
  readonly centre: number;
  readonly spread: number;
}

/**
 * Learns the runtimes of a space from what was measured of it, and says where to measure next. What it says is a
 * function of the outcomes in their order and of the seed.
 */
export class SpaceLearner {
  readonly #points: Coordinates;
  readonly #seed: number;
  readonly #outcomes: Outcome[] = [];
  #logs: LogSetting;
  #learnt: Learnt | undefined;
  #refitAt = designPoints;

  constructor(points: Coordinates, seed: number) {
    this.#points = points;
    this.#seed = seed;
    this.#logs = priorSetting(points.size);
  }

  get outcomes(): readonly Outcome[] {
    return this.#outcomes;
  }

  add(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    const count = this.#outcomes.length;
    if (count >= this.#refitAt && this.#runtimes().length >= leastRuntimes) {
      this.#refit();
      this.#refitAt = count + Math.max(1, Math.floor(count * refitShare));
    } else if (this.#learnt) {
      tell(this.#learnt, outcome);
    }
  }

  /** The point to measure next; undefined when all are taken. */
  next(taken: (place: number) => boolean): NextPoint | undefined {
    return this.#learnt ? this.#mostExpected(this.#learnt, taken) : this.#farthest(taken);
  }

  #runtimes(): { readonly place: number; readonly log2Us: number }[] {
    return this.#outcomes.flatMap(({ place, log2Us }) => (log2Us === null ? [] : [{ place, log2Us }]));
  }

  #refit(): void {
    const runtimes = this.#runtimes();
    const values = runtimes.map(({ log2Us }) => log2Us);
    const centre = values.reduce((sum, value) => sum + value, 0) / values.length;
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / values.length) || 1;
    const sample = this.#sampleOf(mostTelling(runtimes), centre, spread);
    const { logs, setting } = fitSetting(sample, this.#logs);
    this.#logs = logs;
    this.#learnt = this.#start(setting, centre, spread);
    for (const outcome of this.#outcomes) tell(this.#learnt, outcome);
  }

  #start(setting: ProcessSetting, centre: number, spread: number): Learnt {
    const runtimes = this.#runtimes();
    const fastest = runtimes.reduce((best, other) => (other.log2Us < best.log2Us ? other : best)).place;
    const measured = this.#outcomes.map(({ place }) => place);
    const places = consideredPlaces(this.#points, measured, fastest, [this.#seed, measured.length]);
    const rows = new Map(Array.from(places, (place, row) => [place, row]));
    const points = coordinatesAt(this.#points, places);
    const process = new SpaceProcess(points, setting);
    return { places, rows, process, likelyOk: new LikelyOk(points, setting.weights), centre, spread };
  }

  #sampleOf(runtimes: readonly { place: number; log2Us: number }[], centre: number, spread: number): Sample {
    const places = Int32Array.from(runtimes, ({ place }) => place);
    const { size, values: coordinates } = coordinatesAt(this.#points, places);
    return { size, coordinates, values: Float64Array.from(runtimes, ({ log2Us }) => (log2Us - centre) / spread) };
  }

  /** The point whose expected gain over the fastest, times its chance to work, is largest. */
  #mostExpected(
    { places, process, likelyOk, centre, spread }: Learnt,
    taken: (place: number) => boolean,
  ): NextPoint | undefined {
    const fastest = Math.min(...this.#runtimes().map(({ log2Us }) => (log2Us - centre) / spread));
    let best: number | undefined;
    let bestGain = Number.NEGATIVE_INFINITY;
    for (let point = 0; point < places.length; point++) {
      const width = Math.sqrt(Math.max(process.variance[point] as number, 1e-12));
      const gain = logGain(fastest - (process.mean[point] as number), width) + Math.log(likelyOk.at(point));
      if (gain <= bestGain || taken(places[point] as number)) continue;
      best = point;
      bestGain = gain;
    }
    if (best === undefined) return undefined;
    const width = Math.sqrt(Math.max(process.variance[best] as number, 1e-12));
    const log2Us = centre + spread * (process.mean[best] as number);
    return { place: places[best] as number, forecast: { log2Us, width: spread * width, pOk: likelyOk.at(best) } };
  }

  /** Of some points drawn at random, the one farthest from all that were measured. */
  #farthest(taken: (place: number) => boolean): NextPoint | undefined {
    const uniform = keyedStream(this.#seed, "design", this.#outcomes.length);
    const free = Array.from({ length: this.#points.count }, (_, place) => place).filter((place) => !taken(place));
    let best: number | undefined;
    let bestDistance = -1;
    for (let draw = 0; draw < designDraws && free.length > 0; draw++) {
      const place = free[Math.floor(uniform() * free.length)] as number;
      const distance = this.#distanceToMeasured(place);
      if (distance <= bestDistance) continue;
      best = place;
      bestDistance = distance;
    }
    return best === undefined ? undefined : { place: best };
  }

  #distanceToMeasured(place: number): number {
    const { size, values } = this.#points;
    const alike = new Float64Array(size).fill(1);
    let least = Number.POSITIVE_INFINITY;
    for (const outcome of this.#outcomes) {
      least = Math.min(least, squaredDistance(values, alike, place, outcome.place));
    }
    return least;
  }
}

/** A point that is not considered, as others may measure one, tells nothing until the setting is fitted again. */
function tell({ rows, process, likelyOk, centre, spread }: Learnt, { place, log2Us }: Outcome): void {
  const row = rows.get(place);
  if (row === undefined) return;
  likelyOk.add(row, log2Us !== null);
  if (log2Us !== null) process.add(row, (log2Us - centre) / spread);
}

/** Those that a setting is fitted on: the faster ones, among which the search goes on, and the others at even ranks. */
function mostTelling<T extends { readonly log2Us: number }>(runtimes: readonly T[]): readonly T[] {
  if (runtimes.length <= fittedRuntimes) return runtimes;
  const ranked = runtimes.toSorted((a, b) => a.log2Us - b.log2Us);
  const half = fittedRuntimes / 2;
  const rest = ranked.slice(half);
  const spread = Array.from({ length: half }, (_, at) => rest[Math.floor((at * rest.length) / half)] as T);
  return [...ranked.slice(0, half), ...spread];
}

/** Log of the expected gain of a normal with a median so far below the fastest; in the far tail its leading term. */
function logGain(distance: number, width: number): number {
  const z = distance / width;
  if (z > -5) return Math.log(width * (z * normalCdf(z) + normalPdf(z)));
  return Math.log(width) + Math.log(normalPdf(0)) - 0.5 * z * z - 2 * Math.log(-z);
}
