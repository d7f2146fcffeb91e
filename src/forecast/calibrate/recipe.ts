import { smallestSigma, type Forecast, type RuntimeDistribution } from "../../domain/index.ts";

/** The measured kernel that a candidate is most like, as calibration sees it. */
export interface Reference {
  /** log2 of its runtime in µs. */
  readonly log2Us: number;
  /** See `likeness`: 0–1. */
  readonly likeness: number;
}

/** How the logarithm of one width follows from what is known before the outcome; a sum of products. */
export interface WidthLine {
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

/** What turns a forecaster's answer into a calibrated one. Fitted to outcomes, see `fitCurve`. */
export interface CalibrationCurve {
  /** Log odds of the share of the forecast difference from the reference that is believed: `base` + `unlikeness` × unlikeness. */
  readonly belief: { readonly base: number; readonly unlikeness: number };
  /** Added to the median, in calibrated widths. */
  readonly shift: number;
  readonly low: WidthLine;
  readonly high: WidthLine;
}

/** Log odds of working: `slope` × the forecaster's + `shift`. */
export interface OkLine {
  readonly slope: number;
  readonly shift: number;
}

/** The curve that believes a forecaster as it is. */
export const plainCurve: CalibrationCurve = {
  belief: { base: 12, unlikeness: 0 },
  shift: 0,
  low: { base: 0, width: 1, unlikeness: 0, gap: 0, side: 0 },
  high: { base: 0, width: 1, unlikeness: 0, gap: 0, side: 0 },
};

/** Kernels alike to 98 % are as good as the same; without this the logarithm would run away. */
const unlikenessFloor = 0.02;

/** Differences of 2 % and less are noise. */
const gapFloor = 0.03;

/** The narrowest and widest calibrated width, in log2 units. */
const widthBounds = [Math.max(smallestSigma, 0.003), 8] as const;

/** Logarithm of the share of token runs not in common: 0 without a reference, about −4 for the same kernel. */
export function unlikenessOf(reference: Reference | undefined): number {
  return reference ? Math.log((1 - reference.likeness + unlikenessFloor) / (1 + unlikenessFloor)) : 0;
}

/** The runtime's distribution as calibrated. Without a reference the median is only shifted. */
export function calibrateRuntime(
  curve: CalibrationCurve,
  raw: RuntimeDistribution,
  reference: Reference | undefined,
): RuntimeDistribution {
  const unlikeness = unlikenessOf(reference);
  const belief = 1 / (1 + Math.exp(-(curve.belief.base + curve.belief.unlikeness * unlikeness)));
  const difference = reference ? belief * (raw.m - reference.log2Us) : 0;
  const centre = reference ? reference.log2Us + difference : raw.m;
  const gap = Math.log(Math.abs(difference) + gapFloor);
  const side = Math.tanh(difference / Math.sqrt(raw.sigmaLow * raw.sigmaHigh));
  const width = ({ base, ...line }: WidthLine, given: number): number =>
    Math.exp(
      base + line.width * Math.log(given) + line.unlikeness * unlikeness + line.gap * gap + line.side * side,
    );
  const [narrowest, widest] = widthBounds;
  const sigmaLow = Math.min(widest, Math.max(narrowest, width(curve.low, raw.sigmaLow)));
  const sigmaHigh = Math.min(widest, Math.max(narrowest, width(curve.high, raw.sigmaHigh)));
  return { m: centre + curve.shift * Math.sqrt(sigmaLow * sigmaHigh), sigmaLow, sigmaHigh };
}

/** p_ok kept away from certainty, which no number of measurements gives. */
const certainty = 0.999;

/** p_ok as calibrated. */
export function calibrateOk({ slope, shift }: OkLine, pOk: number): number {
  const p = 1 / (1 + Math.exp(-(slope * logOdds(pOk) + shift)));
  return Math.min(certainty, Math.max(1 - certainty, p));
}

/** ln(p / (1 − p)), finite for every p in [0, 1]. */
export function logOdds(p: number): number {
  const inside = Math.min(1 - 1e-6, Math.max(1e-6, p));
  return Math.log(inside / (1 - inside));
}

/** What a forecast says before it is calibrated. */
export type RawForecast = Omit<Forecast, "kernelId">;
