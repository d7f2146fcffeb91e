import type { Forecast, IsotonicFit } from "../../domain/index.ts";

/** The measured kernel that a candidate is most like, as calibration sees it. */
export interface Reference {
  /** log2 of its runtime in µs. */
  readonly log2Us: number;
  /** See `likeness`: 0–1. */
  readonly likeness: number;
}

/** How the logarithm of one width moves: by `scale` always, and by the other terms as far as the reference is alike. */
export interface WidthLine {
  readonly scale: number;
  readonly base: number;
  /** Times the logarithm of the width that the forecaster gave. */
  readonly width: number;
  /** Times the unlikeness to the reference. */
  readonly unlikeness: number;
  /** Times the logarithm of how far the calibrated median is from the reference. */
  readonly gap: number;
  /** Times the side of the reference on which it is, −1 to 1. */
  readonly side: number;
}

/**
 * What turns a forecaster's answer into a calibrated one; fitted to outcomes, see `fitCurve`. A kernel much like a measured
 * one mostly runs as fast as that: as likeness grows, less of the forecast difference is believed and the widths
 * follow the difference. Far from every measured kernel only `scale` is left.
 */
export interface CalibrationCurve {
  /** Log odds of the share of the difference from a reference that is the same kernel which is believed. */
  readonly belief: number;
  /** Added to the median, in calibrated widths, as far as the reference is alike. */
  readonly shift: number;
  readonly low: WidthLine;
  readonly high: WidthLine;
}

/** A line in log odds: `slope` × the given ones + `shift`. */
export interface LogOddsLine {
  readonly slope: number;
  readonly shift: number;
}

/**
 * How the time that wins over a reference moves in a forecast, in widths from its median: from z by
 * ((`slope` − 1) z + `shift`) e^(−z²/8), so that forecasts sure of either outcome stay as they are.
 */
export interface WinLine {
  readonly slope: number;
  readonly shift: number;
}

/** How p_ok is calibrated: by a line in log odds, or by a non-decreasing step fit of p_ok against its log odds. */
export type OkCalibration =
  | ({ readonly kind: "line" } & LogOddsLine)
  | { readonly kind: "isotonic"; readonly fit: IsotonicFit };

/** What measured kernels taught about one forecaster on one device. Pure data, kept as JSON. */
export interface CalibrationRecipe {
  readonly curve: CalibrationCurve;
  /** Probability of a win over the reference, as far as the reference is alike. */
  readonly win: WinLine;
  readonly ok: OkCalibration;
}

/** What a forecast says before it is calibrated. */
export type RawForecast = Omit<Forecast, "kernelId">;

const plainLine: WidthLine = { scale: 0, base: 0, width: 0, unlikeness: 0, gap: 0, side: 0 };

/** The curve that believes a forecaster as it is. */
export const plainCurve: CalibrationCurve = { belief: 40, shift: 0, low: plainLine, high: plainLine };

/** The recipe of a forecaster of which no outcome is known: it is believed. */
export const plainRecipe: CalibrationRecipe = {
  curve: plainCurve,
  win: { slope: 1, shift: 0 },
  ok: { kind: "line", slope: 1, shift: 0 },
};
