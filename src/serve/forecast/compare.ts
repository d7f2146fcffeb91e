import {
  forecastCdf,
  forecastQuantile,
  speedupAgainst,
  toQuantilesUs,
  type Forecast,
  type RuntimeDistribution,
  type RuntimeQuantiles,
} from "../../domain/index.ts";

/** What candidates are compared with: a measured runtime, or the forecast of a kernel that was not measured. */
export type Reference =
  | { readonly measured: true; readonly us: number }
  | { readonly measured: false; readonly forecast: Forecast };

/** A win is at least this much faster. */
const winLog2 = Math.log2(1.02);

/** Quantiles that a reference's forecast is sampled at. */
const steps = 400;

/** Median runtime of the reference in µs. */
export function referenceUs(reference: Reference): number {
  return reference.measured ? reference.us : 2 ** reference.forecast.m;
}

/**
 * P(ok and more than 2 % faster than the reference). Two forecasts are taken as independent, which understates how sure
 * the order of two similar kernels is.
 */
export function probabilityOfWin(forecast: Forecast, reference: Reference): number {
  if (reference.measured) return forecast.pOk * forecastCdf(forecast, Math.log2(reference.us) - winLog2);
  let sum = 0;
  for (let step = 0; step < steps; step++) {
    sum += forecastCdf(forecast, forecastQuantile(reference.forecast, (step + 0.5) / steps) - winLog2);
  }
  return (forecast.pOk * sum) / steps;
}

/** Speedup over the reference: 10, 50 and 90 % quantiles, given ok. */
export function speedupQuantiles(forecast: Forecast, reference: Reference): RuntimeQuantiles {
  if (reference.measured) return toQuantilesUs(speedupAgainst(forecast, Math.log2(reference.us)));
  const { m, sigmaLow, sigmaHigh } = reference.forecast;
  const ratio: RuntimeDistribution = {
    m: m - forecast.m,
    sigmaLow: Math.hypot(sigmaLow, forecast.sigmaHigh),
    sigmaHigh: Math.hypot(sigmaHigh, forecast.sigmaLow),
  };
  return toQuantilesUs(ratio);
}
