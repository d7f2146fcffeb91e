import { expectedImprovement, probabilityBelow, type Forecast } from "../../domain/index.ts";

/** What a candidate must beat: log2 of the incumbent's runtime in µs, and by how much (log2) for it to be a win. */
export interface Target {
  readonly incumbentLog2Us: number;
  readonly winLog2: number;
}

/** Most log2 improvement that the broad part of a forecast counts for: one doubling. */
export const broadMost = 1;

/** P(ok and faster than the incumbent by at least the margin of a win). */
export function winProbability(forecast: Forecast, { incumbentLog2Us, winLog2 }: Target): number {
  return forecast.pOk * probabilityBelow(forecast, incumbentLog2Us - winLog2);
}

/**
 * Expected log2 improvement of the incumbent's runtime by measuring a candidate, failures and all: E[(b − y) · 1(ok, y ≤ b − δ)]
 * with b the incumbent and δ the margin, for what is faster by less changes nothing. Never negative.
 */
export function expectedGain(forecast: Forecast, { incumbentLog2Us, winLog2 }: Target): number {
  const limit = incumbentLog2Us - winLog2;
  const beyondMargin = expectedImprovement(forecast, limit, broadMost);
  return forecast.pOk * (beyondMargin + winLog2 * probabilityBelow(forecast, limit));
}
