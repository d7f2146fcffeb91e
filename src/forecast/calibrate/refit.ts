import { normalCdf, normalPdf, type RuntimeDistribution } from "../../domain/index.ts";
import { calibrateOk, calibrateRuntime, calibrateWin, fromLogOdds, logOdds, winPlace } from "./apply-recipe.ts";
import type { CalibrationRecipe, RawForecast, Reference } from "./recipe.ts";

/** A raw forecast with the kernel that it is calibrated against. */
export interface CalibrationInput {
  readonly raw: RawForecast;
  readonly reference: Reference | undefined;
}

/** An outcome that a run may learn from: log2 of the runtime in µs, undefined for a failure. */
export interface CalibrationOutcome extends CalibrationInput {
  readonly log2Us: number | undefined;
}

/** What a run's measurements add to a recipe. */
export interface Refit {
  /** Added to the median, in widths. */
  readonly shift: number;
  /** Factor of both widths. */
  readonly scale: number;
  /** Added to the shift of the recipe's win line. */
  readonly win: number;
  /** Added to the log odds of working. */
  readonly ok: number;
}

export const noRefit: Refit = { shift: 0, scale: 1, win: 0, ok: 0 };

/**
 * Outcomes that the recipe counts for: so many measurements of a run weigh as much as all that it was fitted to. Chosen on
 * recorded searches of families left out (decision 7).
 */
export interface RefitPrior {
  readonly shift: number;
  readonly scale: number;
  readonly win: number;
  readonly ok: number;
}

export const chosenPrior: RefitPrior = { shift: 32, scale: 32, win: 64, ok: 256 };

/** Errors beyond three widths count as three: the broad component explains them, not the widths. */
const errorLimit = 3;

/** E min(|z|, 3) of the forecast distribution itself, by which mean errors are divided. */
const expectedError = 0.842;

/**
 * Refits a recipe to a run's outcomes, shrunk towards it. Every correction is what pseudo-outcomes in agreement with the
 * recipe and the outcomes seen give together, so that none is made without outcomes and few make a small one.
 */
export function refit(
  recipe: CalibrationRecipe,
  outcomes: readonly CalibrationOutcome[],
  prior: RefitPrior = chosenPrior,
): Refit {
  const working = outcomes.flatMap(({ raw, reference, log2Us }) =>
    log2Us === undefined
      ? []
      : [{ forecast: calibrateRuntime(recipe.curve, raw, reference), reference, log2Us }],
  );
  const errors = working.map(({ forecast, log2Us }) => errorOf(forecast, log2Us));
  const shift = sum(errors.map((error) => Math.max(-1, Math.min(1, error)))) / (errors.length + prior.shift);
  const sizes = errors.map((error) => Math.min(errorLimit, Math.abs(error - shift)));
  const scale = (prior.scale + sum(sizes) / expectedError) / (prior.scale + sizes.length);
  const moved = { ...noRefit, shift, scale };
  const wins = working.flatMap(({ forecast, reference, log2Us }): Trial[] => {
    if (!reference) return [];
    const before = calibrateWin(recipe.win, move(forecast, moved), reference);
    const { limit, z, say } = winPlace(before, reference);
    const probability = (shift: number): number => widenedCdf(z + say * shift);
    return [{ probability, slope: (shift) => say * normalPdf(z + say * shift), hit: log2Us < limit }];
  });
  const trials = outcomes.map(({ raw, log2Us }): Trial => {
    const given = logOdds(calibrateOk(recipe.ok, raw.pOk));
    const probability = (shift: number): number => fromLogOdds(given + shift);
    const slope = (shift: number): number => probability(shift) * (1 - probability(shift));
    return { probability, slope, hit: log2Us !== undefined };
  });
  return {
    ...moved,
    win: mostLikelyShift(wins, prior.win * winInformation),
    ok: mostLikelyShift(trials, prior.ok * okInformation),
  };
}

/** What one outcome tells of a shift in widths where a win has a probability of about 0.3: φ(z)² / p(1 − p). */
const winInformation = 0.6;

/** What one outcome tells of a shift in log odds where p_ok is about 0.93: p(1 − p). */
const okInformation = 0.065;

/** Φ kept from 0 and 1 as the broad component keeps forecasts from them. */
function widenedCdf(z: number): number {
  return 0.01 + 0.98 * normalCdf(z);
}

/** Calibrates one forecast by a recipe and what the run has taught. */
export function calibrate(
  recipe: CalibrationRecipe,
  { raw, reference }: CalibrationInput,
  learned: Refit = noRefit,
): RawForecast {
  const moved = move(calibrateRuntime(recipe.curve, raw, reference), learned);
  const line = { slope: recipe.win.slope, shift: recipe.win.shift + learned.win };
  const { m, sigmaLow, sigmaHigh } = calibrateWin(line, moved, reference);
  const pOk = fromLogOdds(logOdds(calibrateOk(recipe.ok, raw.pOk)) + learned.ok);
  return { pOk, m, sigmaLow, sigmaHigh };
}

function move({ m, sigmaLow, sigmaHigh }: RuntimeDistribution, { shift, scale }: Refit): RuntimeDistribution {
  return { m: m + shift * Math.sqrt(sigmaLow * sigmaHigh), sigmaLow: scale * sigmaLow, sigmaHigh: scale * sigmaHigh };
}

function errorOf({ m, sigmaLow, sigmaHigh }: RuntimeDistribution, log2Us: number): number {
  return (log2Us - m) / (log2Us < m ? sigmaLow : sigmaHigh);
}

interface Trial {
  /** Of a hit, when `shift` is added, and its derivative. */
  readonly probability: (shift: number) => number;
  readonly slope: (shift: number) => number;
  readonly hit: boolean;
}

/** The shift that is most likely by the outcomes and by a normal prior around 0 with `prior` for information; Fisher's scoring. */
function mostLikelyShift(trials: readonly Trial[], prior: number): number {
  const information = (shift: number): number =>
    sum(trials.map(({ probability, slope }) => slope(shift) ** 2 / spread(probability(shift))));
  let shift = 0;
  for (let step = 0; step < 8; step++) {
    const pull = sum(
      trials.map(({ probability, slope, hit }) => {
        const p = probability(shift);
        return (((hit ? 1 : 0) - p) * slope(shift)) / spread(p);
      }),
    );
    shift += (pull - prior * shift) / (information(shift) + prior);
    shift = Math.max(-shiftLimit, Math.min(shiftLimit, shift));
  }
  return shift;
}

function spread(p: number): number {
  return p * (1 - p);
}

const shiftLimit = 3;

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
