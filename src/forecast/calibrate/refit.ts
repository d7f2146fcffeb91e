import { normalCdf, normalPdf, type RuntimeDistribution } from "../../domain/index.ts";
import { calibrateOk, calibrateRuntime, calibrateWin, fromLogOdds, logOdds, winPlace } from "./apply-recipe.ts";
import { mostLikelyShift, type Trial } from "./likely-shift.ts";
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
 * recorded searches of families left out (decision 8).
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
  const working = outcomes.flatMap(({ raw, reference, log2Us }): Working[] =>
    log2Us === undefined ? [] : [{ forecast: calibrateRuntime(recipe.curve, raw, reference), reference, log2Us }],
  );
  const errors = working.map(({ forecast, log2Us }) => errorOf(forecast, log2Us));
  const shift = sum(errors.map((error) => Math.max(-1, Math.min(1, error)))) / (errors.length + prior.shift);
  const sizes = errors.map((error) => Math.min(errorLimit, Math.abs(error - shift)));
  const scale = (prior.scale + sum(sizes) / expectedError) / (prior.scale + sizes.length);
  const moved = { ...noRefit, shift, scale };
  return {
    ...moved,
    win: mostLikelyShift(winTrials(recipe, working, moved), prior.win * winInformation),
    ok: mostLikelyShift(okTrials(recipe, outcomes), prior.ok * okInformation),
  };
}

interface Working {
  readonly forecast: RuntimeDistribution;
  readonly reference: Reference | undefined;
  readonly log2Us: number;
}

function winTrials({ win }: CalibrationRecipe, working: readonly Working[], moved: Refit): Trial[] {
  return working.flatMap(({ forecast, reference, log2Us }) => {
    if (!reference) return [];
    const { limit, z, say } = winPlace(calibrateWin(win, move(forecast, moved), reference), reference);
    return {
      probability: (shift) => widenedCdf(z + say * shift),
      slope: (shift) => say * normalPdf(z + say * shift),
      hit: log2Us < limit,
    };
  });
}

function okTrials({ ok }: CalibrationRecipe, outcomes: readonly CalibrationOutcome[]): Trial[] {
  return outcomes.map(({ raw, log2Us }) => {
    const given = logOdds(calibrateOk(ok, raw.pOk));
    const probability = (shift: number): number => fromLogOdds(given + shift);
    return {
      probability,
      slope: (shift) => probability(shift) * (1 - probability(shift)),
      hit: log2Us !== undefined,
    };
  });
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

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
