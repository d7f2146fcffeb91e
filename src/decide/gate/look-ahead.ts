import { normalQuantile, type Forecast } from "../../domain/index.ts";
import { expectedGain, type Target } from "./gain.ts";

/** Errors that are equally likely, in standard widths: midpoints, since the best of several has kinks that other rules overshoot. */
const errors: readonly number[] = Array.from({ length: 12 }, (_, index) => normalQuantile((index + 0.5) / 12));

/**
 * What measuring each candidate is expected to bring beyond its own gain: how much better the next choice is for knowing the
 * outcome, because the errors of kernels that are alike are correlated. One step ahead:
 * E[max over the others of their gain, given the outcome] − E[the same, had the outcome told nothing of them]. Below 0 where
 * the others would win when it does and add little then.
 */
export function valueOfInformation(
  forecasts: readonly Forecast[],
  target: Target,
  correlation: Float64Array,
): readonly number[] {
  return forecasts.map((_, row) => informationOf(row, forecasts, target, correlation));
}

function informationOf(row: number, forecasts: readonly Forecast[], target: Target, correlation: Float64Array): number {
  const { pOk, m, sigmaLow, sigmaHigh } = forecasts[row] as Forecast;
  const size = forecasts.length;
  const related = forecasts.flatMap((forecast, other) => {
    const rho = correlation[row * size + other] as number;
    return other !== row && rho >= smallestCorrelation ? [{ forecast, rho }] : [];
  });
  if (related.length === 0) return 0;
  const others = forecasts.filter((_, other) => other !== row);
  let information = 0;
  for (const error of errors) {
    const y = m + error * (error < 0 ? sigmaLow : sigmaHigh);
    const after = beats(y, target) ? { ...target, incumbentLog2Us: y } : target;
    const informed = related.map(({ forecast, rho }) => knowing(forecast, rho, error));
    information += (pOk / errors.length) * gainOfKnowing(others, related, informed, after);
  }
  // A failure tells nothing of others: those of kernels that are alike are no more correlated than any (decision 13).
  return information;
}

/** Below this what one outcome tells of the other is lost in the rest. */
const smallestCorrelation = 0.1;

function beats(y: number, { incumbentLog2Us, winLog2 }: Target): boolean {
  return y <= incumbentLog2Us - winLog2;
}

/** How much the best of the others' gains rises when those that are related are known better. */
function gainOfKnowing(
  others: readonly Forecast[],
  related: readonly { readonly forecast: Forecast }[],
  informed: readonly Forecast[],
  target: Target,
): number {
  const gain = (forecast: Forecast): number => expectedGain(forecast, target);
  const relatedSet = new Set(related.map(({ forecast }) => forecast));
  let unrelatedBest = 0;
  for (const other of others) if (!relatedSet.has(other)) unrelatedBest = Math.max(unrelatedBest, gain(other));
  const before = related.reduce((best, { forecast }) => Math.max(best, gain(forecast)), unrelatedBest);
  const after = informed.reduce((best, forecast) => Math.max(best, gain(forecast)), unrelatedBest);
  return after - before;
}

/** A forecast once the standardised error of a related one is known: moved by its share of it, and narrower. */
export function knowing(forecast: Forecast, rho: number, error: number): Forecast {
  const width = Math.sqrt(1 - rho * rho);
  const shift = rho * error * (error < 0 ? forecast.sigmaLow : forecast.sigmaHigh);
  return {
    ...forecast,
    m: forecast.m + shift,
    sigmaLow: width * forecast.sigmaLow,
    sigmaHigh: width * forecast.sigmaHigh,
  };
}
