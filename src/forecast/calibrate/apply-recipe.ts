import { applyIsotonic, smallestSigma, type RuntimeDistribution } from "../../domain/index.ts";
import type { CalibrationCurve, OkCalibration, Reference, WidthLine, WinLine } from "./recipe.ts";

/** Kernels alike to 98 % are as good as the same; without this the logarithm would run away. */
const unlikenessFloor = 0.02;

/** Differences of 2 % and less are noise. */
const gapFloor = 0.03;

/** The narrowest and widest calibrated width, in log2 units. */
const widthBounds = [Math.max(smallestSigma, 0.003), 8] as const;

/** Logarithm of the share of token runs not in common: 0 without a reference, about −4 for the same kernel. */
function unlikenessOf(reference: Reference | undefined): number {
  return reference ? Math.log((1 - reference.likeness + unlikenessFloor) / (1 + unlikenessFloor)) : 0;
}

/** The runtime's distribution as calibrated. */
export function calibrateRuntime(
  curve: CalibrationCurve,
  raw: RuntimeDistribution,
  reference: Reference | undefined,
): RuntimeDistribution {
  const likeness = reference?.likeness ?? 0;
  const unlikeness = unlikenessOf(reference);
  const believed = 1 - likeness / (1 + Math.exp(curve.belief));
  const difference = reference ? believed * (raw.m - reference.log2Us) : 0;
  const gap = Math.log(Math.abs(difference) + gapFloor);
  const side = Math.tanh(difference / Math.sqrt(raw.sigmaLow * raw.sigmaHigh));
  const width = ({ scale, base, ...line }: WidthLine, given: number): number => {
    const near = base + line.width * Math.log(given) + line.unlikeness * unlikeness + line.gap * gap + line.side * side;
    return clampWidth(given * Math.exp(scale + likeness * near));
  };
  const sigmaLow = width(curve.low, raw.sigmaLow);
  const sigmaHigh = width(curve.high, raw.sigmaHigh);
  const centre = reference ? reference.log2Us + difference : raw.m;
  return { m: centre + curve.shift * likeness * Math.sqrt(sigmaLow * sigmaHigh), sigmaLow, sigmaHigh };
}

function clampWidth(width: number): number {
  const [narrowest, widest] = widthBounds;
  return Math.min(widest, Math.max(narrowest, width));
}

/** A win is faster than the reference by more than 2 %. */
export const winLog2 = Math.log2(1.02);

/** Where the time that wins lies in a forecast, and how far its probability is to be moved. */
export interface WinPlace {
  /** log2 of the time below which it is a win. */
  readonly limit: number;
  /** The limit's distance from the median, in the width of its side. */
  readonly z: number;
  /** By how many of those widths one unit of shift moves it. */
  readonly say: number;
}

export function winPlace(forecast: RuntimeDistribution, { log2Us, likeness }: Reference): WinPlace {
  const limit = log2Us - winLog2;
  const z = (limit - forecast.m) / (limit < forecast.m ? forecast.sigmaLow : forecast.sigmaHigh);
  return { limit, z, say: likeness ** 2 * Math.exp((-z * z) / 8) };
}

/**
 * Moves a distribution so that its probability of a win over the reference is the calibrated one. Moved, not narrowed: that
 * costs the least of coverage and of the log score (decision 8). A reference that is unlike has no say.
 */
export function calibrateWin<T extends RuntimeDistribution>(
  { slope, shift }: WinLine,
  forecast: T,
  reference: Reference | undefined,
): T {
  if (!reference) return forecast;
  const { limit, z, say } = winPlace(forecast, reference);
  const move = say * ((slope - 1) * z + shift);
  if (move === 0) return forecast;
  const moved = z + move;
  return { ...forecast, m: limit - moved * (moved < 0 ? forecast.sigmaLow : forecast.sigmaHigh) };
}

/** No number of measurements makes a failure or a success certain. */
const certainty = 0.999;

/** p_ok as calibrated. */
export function calibrateOk(calibration: OkCalibration, pOk: number): number {
  const given = logOdds(pOk);
  const p =
    calibration.kind === "isotonic"
      ? applyIsotonic(calibration.fit, given)
      : fromLogOdds(calibration.slope * given + calibration.shift);
  return Math.min(certainty, Math.max(1 - certainty, p));
}

/** ln(p / (1 − p)), finite for every p in [0, 1]. */
export function logOdds(p: number): number {
  const inside = Math.min(1 - 1e-6, Math.max(1e-6, p));
  return Math.log(inside / (1 - inside));
}

export function fromLogOdds(value: number): number {
  return 1 / (1 + Math.exp(-value));
}
