import { smallestSigma, type RuntimeDistribution } from "../../domain/index.ts";
import type { ResidualForecast } from "./residual-process.ts";

/** Errors of more widths than this are taken for so many: one wild forecast is no reason to move all the others. */
const residualLimit = 6;

/** How far a measured kernel was from its forecast's median, in the forecast's mean width. */
export function residualOf(forecast: RuntimeDistribution, log2Us: number): number {
  const error = (log2Us - forecast.m) / widthOf(forecast);
  return Math.max(-residualLimit, Math.min(residualLimit, error));
}

/** A forecast with its median moved by the residual that is expected and its widths narrowed by what is known of it. */
export function correctForecast<T extends RuntimeDistribution>(forecast: T, { mean, left }: ResidualForecast): T {
  const narrowing = Math.sqrt(left);
  return {
    ...forecast,
    m: forecast.m + mean * widthOf(forecast),
    sigmaLow: Math.max(smallestSigma, narrowing * forecast.sigmaLow),
    sigmaHigh: Math.max(smallestSigma, narrowing * forecast.sigmaHigh),
  };
}

function widthOf({ sigmaLow, sigmaHigh }: RuntimeDistribution): number {
  return Math.sqrt(sigmaLow * sigmaHigh);
}
