import { applyIsotonic, fitIsotonic, widthOfQuantile, type Forecaster, type IsotonicFit } from "../../domain/index.ts";
import { calibrateOk } from "./apply-recipe.ts";
import type { CalibrationPair } from "./fit-curve.ts";
import { fitOkSteps } from "./fit-recipe.ts";
import type { RawForecast } from "./recipe.ts";

/** The tails that a forecast's three quantiles leave out. */
const tail = 0.1;

/**
 * Recalibration that knows nothing but a forecaster's own probabilities (Kuleshov, Fenner and Ermon 2018): where truths lay in their
 * forecasts, as a non-decreasing function of where they should, goes before every forecast's distribution. A forecast holds three
 * quantiles, so it is read at these three.
 */
export interface IsotonicRecipe {
  /** Where 10, 50 and 90 % of the truths lay below, in widths from the median; none where nothing worked. */
  readonly places?: readonly [p10: number, p50: number, p90: number];
  /** p_ok against its log odds. */
  readonly ok: IsotonicFit;
}

/** Fits to forecasts and their outcomes. Deterministic. Throws `RangeError` without any. */
export function fitIsotonicRecipe(pairs: readonly CalibrationPair[]): IsotonicRecipe {
  if (pairs.length === 0) throw new RangeError("fitIsotonicRecipe: there is no outcome to fit to");
  const { fit } = fitOkSteps(pairs);
  const places = truePlaces(pairs);
  return { ok: fit, ...(places ? { places } : {}) };
}

/**
 * The inverse, at three levels, of the isotonic regression of the share of truths below a place on the place. A place is in widths of
 * its side: Φ of it is the probability transform of the forecast's narrow part, but far outliers stay apart.
 */
function truePlaces(pairs: readonly CalibrationPair[]): IsotonicRecipe["places"] {
  const placed = pairs
    .flatMap(({ raw: { m, sigmaLow, sigmaHigh }, log2Us, weight }) =>
      log2Us === undefined ? [] : [{ z: (log2Us - m) / (log2Us < m ? sigmaLow : sigmaHigh), weight }],
    )
    .sort((a, b) => a.z - b.z);
  const total = placed.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return undefined;
  let below = 0;
  const shares = placed.map(({ weight }) => {
    below += weight;
    return (below - weight / 2) / total;
  });
  const { x, y } = fitIsotonic(
    placed.map(({ z }) => z),
    shares,
    placed.map(({ weight }) => weight),
  );
  const at = (level: number): number => applyIsotonic({ x: y, y: x }, level);
  return [at(tail), at(0.5), at(1 - tail)];
}

/** One forecast as recalibrated. */
export function applyIsotonicRecipe({ places, ok }: IsotonicRecipe, raw: RawForecast): RawForecast {
  const pOk = calibrateOk({ kind: "isotonic", fit: ok }, raw.pOk);
  if (!places) return { ...raw, pOk };
  const [low, m, high] = places.map((z) => raw.m + z * (z < 0 ? raw.sigmaLow : raw.sigmaHigh)) as [
    number,
    number,
    number,
  ];
  return { pOk, m, sigmaLow: widthOfQuantile(m - low, tail), sigmaHigh: widthOfQuantile(high - m, tail) };
}

/** A forecaster whose answers are recalibrated. */
export function isotonicForecaster(forecaster: Forecaster, recipe: IsotonicRecipe, name: string): Forecaster {
  return {
    name,
    async forecast(request, signal) {
      const answer = await forecaster.forecast(request, signal);
      const forecasts = answer.forecasts.map((one) => ({
        kernelId: one.kernelId,
        ...applyIsotonicRecipe(recipe, one),
      }));
      return { ...answer, forecasts };
    },
  };
}
