import type { Forecast } from "./forecast.ts";

/** A forecast that somebody made and kept: a row of a recording's `forecasts`. */
export interface RecordedForecast {
  /** Name of who made it. */
  readonly forecaster: string;
  readonly forecast: Forecast;
  /** Measured kernels that it was made from, in the order shown. */
  readonly anchorIds: readonly string[];
  /** Device that it is for, where that was kept. */
  readonly device?: string;
  readonly tokens?: number;
  readonly usd?: number;
  readonly promptSha256?: string;
}
