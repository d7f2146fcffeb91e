import { forecastCdf, forecastCrps, forecastLogScore, type RuntimeDistribution } from "../../domain/index.ts";
import { minimise } from "./minimise.ts";
import { calibrateRuntime, winLog2 } from "./apply-recipe.ts";
import { plainCurve, type CalibrationCurve, type RawForecast, type Reference, type WidthLine } from "./recipe.ts";

/** A forecast beside what the device said. */
export interface CalibrationPair {
  readonly raw: RawForecast;
  readonly reference: Reference | undefined;
  /** log2 of the runtime in µs; undefined for a kernel that failed. */
  readonly log2Us: number | undefined;
  /** Its say among the others. */
  readonly weight: number;
}

/** What a fit minimises, summed with weights. */
export interface Objective {
  readonly crps: number;
  /** Of "faster than the reference by more than 2 %". */
  readonly brier: number;
  /** Logarithmic score. */
  readonly log: number;
}

type Measured = CalibrationPair & { readonly log2Us: number };

/**
 * The curve with the lowest mean score on working kernels, held near the forecaster as it is by a penalty. Half of the
 * differences from a reference are doubted at the start: far from the flat ends, where a fit would not move.
 */
export function fitCurve(pairs: readonly CalibrationPair[], objective: Objective): CalibrationCurve {
  const measured = pairs.filter((pair): pair is Measured => pair.log2Us !== undefined);
  const total = measured.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return plainCurve;
  const cost = (vector: readonly number[]): number => {
    const curve = toCurve(vector);
    let sum = 0;
    for (const pair of measured) {
      sum += pair.weight * scoreOf(calibrateRuntime(curve, pair.raw, pair.reference), pair, objective);
    }
    return sum / total + penalty * strainOf(vector);
  };
  return toCurve(minimise(cost, toVector({ ...plainCurve, belief: 0 })));
}

/** How far a curve is from the plain one; doubts count only beyond one half, by their log odds. */
function strainOf([belief = 0, ...others]: readonly number[]): number {
  return others.reduce((sum, part) => sum + part ** 2, Math.min(0, belief) ** 2);
}

/** Fits to eight tasks with a hundredth of it were too narrow on ten others (decision 8). */
const penalty = 1e-2;

function scoreOf(
  forecast: RuntimeDistribution,
  { log2Us, reference }: Measured,
  { crps, brier, log }: Objective,
): number {
  let score = 0;
  if (crps > 0) score += crps * forecastCrps(forecast, log2Us);
  if (log > 0) score += log * forecastLogScore(forecast, log2Us);
  if (brier > 0 && reference) {
    const limit = reference.log2Us - winLog2;
    score += brier * (forecastCdf(forecast, limit) - (log2Us < limit ? 1 : 0)) ** 2;
  }
  return score;
}

function toVector({ belief, shift, low, high }: CalibrationCurve): number[] {
  return [belief, shift, ...lineToVector(low), ...lineToVector(high)];
}

function lineToVector({ scale, base, width, unlikeness, gap, side }: WidthLine): number[] {
  return [scale, base, width, unlikeness, gap, side];
}

function toCurve(vector: readonly number[]): CalibrationCurve {
  const at = (index: number): number => vector[index] as number;
  const line = (from: number): WidthLine => ({
    scale: at(from),
    base: at(from + 1),
    width: at(from + 2),
    unlikeness: at(from + 3),
    gap: at(from + 4),
    side: at(from + 5),
  });
  return { belief: at(0), shift: at(1), low: line(2), high: line(8) };
}
