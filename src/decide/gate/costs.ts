import type { PieceCosts, StageCosts, SurrogateVerdict } from "../../domain/index.ts";

/** What an hour of each resource is taken to cost in USD, so that costs of stages can be compared. */
export interface Prices {
  readonly gpuUsdPerHour: number;
  readonly cpuUsdPerHour: number;
}

export const defaultPrices: Prices = { gpuUsdPerHour: 3, cpuUsdPerHour: 0.05 };

/** Pieces of work after which their mean cost is believed. */
const believedPieces = { forecasts: 16, measurements: 4 } as const;

/** USD of one piece of work: the mean so far; undefined before there was one. */
export function usdPerPiece({ pieces, gpuSeconds, cpuSeconds, usd }: PieceCosts, prices: Prices): number | undefined {
  if (pieces === 0) return undefined;
  return (usd + (gpuSeconds * prices.gpuUsdPerHour + cpuSeconds * prices.cpuUsdPerHour) / 3600) / pieces;
}

/** USD of measuring a candidate that has its forecast: compiling it and holding the device; 0 while not known. */
export function usdOfMeasuring({ measuring, compiling }: StageCosts, prices: Prices): number {
  return (usdPerPiece(measuring, prices) ?? 0) + (usdPerPiece(compiling, prices) ?? 0);
}

/**
 * Whether forecasts are worth their price: they are while forecasting n candidates and measuring the chosen share costs less
 * than measuring all n. Where the user rations measurements by number, a measurement is worth more than it costs, and the
 * surrogate stays; the user is told all the same.
 */
export function judgeSurrogate(
  costs: StageCosts,
  rationed: boolean,
  measuredShare: number,
  prices: Prices,
): SurrogateVerdict | undefined {
  const { forecasting, measuring } = costs;
  if (forecasting.pieces < believedPieces.forecasts || measuring.pieces < believedPieces.measurements) return undefined;
  const forecast = usdPerPiece(forecasting, prices) ?? 0;
  const measurement = usdOfMeasuring(costs, prices);
  if (forecast < (1 - measuredShare) * measurement) return undefined;
  const figures = `a forecast costs ${short(forecast)} USD, a measurement ${short(measurement)} USD, and ${(100 * (1 - measuredShare)).toFixed(0)} % of the candidates are spared one`;
  return rationed
    ? {
        off: false,
        message: `measuring is cheaper than forecasting (${figures}); forecasts go on because measurements are limited in number`,
      }
    : { off: true, message: `measuring is cheaper than forecasting (${figures}): the surrogate is switched off` };
}

function short(usd: number): string {
  return String(Number(usd.toPrecision(2)));
}
