import { forecastCdf, type RuntimeDistribution } from "../../domain/index.ts";
import { calibrateOk, calibrateRuntime, calibrateWin, fromLogOdds, logOdds, winLog2 } from "./apply-recipe.ts";
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
  /** Added to the log odds of a win, as far as the reference is alike. */
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

export const chosenPrior: RefitPrior = { shift: 32, scale: 32, win: 32, ok: 256 };

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
    const limit = reference.log2Us - winLog2;
    const before = calibrateWin(recipe.win, move(forecast, moved), reference);
    return [{ given: logOdds(forecastCdf(before, limit)), say: reference.likeness ** 2, hit: log2Us < limit }];
  });
  const trials = outcomes.map(({ raw, log2Us }): Trial => ({
    given: logOdds(calibrateOk(recipe.ok, raw.pOk)),
    say: 1,
    hit: log2Us !== undefined,
  }));
  return { ...moved, win: logOddsShift(wins, prior.win), ok: logOddsShift(trials, prior.ok) };
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
  readonly given: number;
  readonly say: number;
  readonly hit: boolean;
}

/**
 * What to add to log odds: the maximum of the outcomes' likelihood times that of `pseudo` outcomes in agreement, by
 * Newton's method. The pseudo-outcomes have the information of a coin of the same mean probability.
 */
function logOddsShift(trials: readonly Trial[], pseudo: number): number {
  if (trials.length === 0) return 0;
  const information = sum(trials.map(({ given }) => fromLogOdds(given) * (1 - fromLogOdds(given)))) / trials.length;
  let shift = 0;
  for (let step = 0; step < 8; step++) {
    let [slope, curvature] = [pseudo * information * shift, pseudo * information];
    for (const { given, say, hit } of trials) {
      const p = fromLogOdds(given + say * shift);
      slope += say * (p - (hit ? 1 : 0));
      curvature += say * say * p * (1 - p);
    }
    shift = Math.max(-shiftLimit, Math.min(shiftLimit, shift - slope / curvature));
  }
  return shift;
}

const shiftLimit = 4;

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
