import type { SavedCost } from "./language-model.ts";
/**
 * A forecast of one kernel on one device: the probability that it compiles, runs and agrees, and, given that, a
 * two-piece normal over log2(runtime in µs) with median `m`, left width `sigmaLow` and right width `sigmaHigh`
 * (both > 0). Densities mix in 2 % of a broad component; see `two-piece-normal.ts`.
 */
export interface Forecast {
  readonly kernelId: string;
  readonly pOk: number;
  readonly m: number;
  readonly sigmaLow: number;
  readonly sigmaHigh: number;
}

/** What a forecast cost. */
export interface ForecastCost {
  readonly cpuSeconds: number;
  readonly tokens: number;
  readonly usd: number;
  /** What answers that were kept from earlier calls cost when they were made; in neither of the others. */
  readonly saved?: SavedCost;
}

/** One fact that moved a forecast: what changes when it is the anchor's instead, all else equal. */
export interface ForecastReason {
  /** The fact in words: `occupancy`. */
  readonly what: string;
  readonly value: string;
  readonly anchorValue: string;
  /** What it adds to log2 of the runtime; below 0 it makes the kernel faster. */
  readonly log2Change: number;
  readonly pOkChange: number;
}
