import {
  canonicalJson,
  sha256Hex,
  forecastCdf,
  normalCdf,
  probabilityBelow,
  type Decision,
  type Forecast,
  type TrustLevel,
} from "../../domain/index.ts";

/** A forecast with the would-be decision, as it was sealed. */
export interface SealedForecast {
  readonly seal: string;
  readonly forecast: Forecast;
  /** Of the moment of the first decision. */
  readonly incumbentUs: number;
  readonly winChance: number;
  readonly skip: boolean;
  readonly level: TrustLevel;
  readonly probability: number;
  readonly counts: boolean;
}

/**
 * The next link of the chain: a digest of the one before it with the forecast and the would-be decision. Whoever would change one
 * of them afterwards would have to change every later link, and the receipts that echo them.
 */
export function nextSeal(
  previous: string,
  { forecast, incumbentUs, skip, level, probability }: Omit<SealedForecast, "seal" | "counts" | "winChance">,
): string {
  const { kernelId, pOk, m, sigmaLow, sigmaHigh } = forecast;
  // Members are taken one by one: what a forecaster adds beside them is no part of a forecast.
  const forecastOnly = { kernelId, pOk, m, sigmaLow, sigmaHigh };
  return sha256Hex(
    canonicalJson({
      previous,
      forecast: forecastOnly,
      incumbentUs,
      skip,
      level,
      // Other engines differ in the last digits of what is computed.
      probability: Number(probability.toPrecision(6)),
    }),
  );
}

/** P(it works and beats the incumbent by the margin of a win). */
export function chanceToWin(forecast: Forecast, incumbentUs: number, winLog2: number): number {
  return forecast.pOk * probabilityBelow(forecast, Math.log2(incumbentUs) - winLog2);
}

/** PIT of a runtime under a forecast. */
export function pitOf(forecast: Forecast, runtimeUs: number): number {
  return forecastCdf(forecast, Math.log2(runtimeUs));
}

/** One of a pair of measured kernels. */
export interface MeasuredForecast {
  readonly forecast: Pick<Forecast, "m" | "sigmaLow" | "sigmaHigh">;
  readonly runtimeUs: number;
}

/** What both forecasts say of which of two kernels is the faster one, and which is. */
export function orderOf(one: MeasuredForecast, before: MeasuredForecast): { chance: number; faster: boolean } {
  const width = ({ sigmaLow, sigmaHigh }: MeasuredForecast["forecast"]): number => (sigmaLow + sigmaHigh) / 2;
  const spread = Math.hypot(width(one.forecast), width(before.forecast));
  return {
    chance: normalCdf((before.forecast.m - one.forecast.m) / spread),
    faster: one.runtimeUs < before.runtimeUs,
  };
}

/** The chance that a decision's candidate is measured with, by the audit that its policy drew. */
export function auditChance({ action, numbers }: Decision): number {
  if (action === "audit") return numbers["audit_probability"] ?? 1;
  return action === "skip" ? (numbers["audit_probability"] ?? 0) : 1;
}
