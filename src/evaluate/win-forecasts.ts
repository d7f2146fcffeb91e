import { debiasedCalibrationError, forecastCdf, keyedStream, mean, reliabilityBins } from "../domain/index.ts";
import { workingForecasts, type JudgedTask } from "./judged-task.ts";

/** What a forecast says of a kernel against its parent, and what came of it. */
export interface WinForecast {
  /** P(faster than its parent by more than 2 %, given ok). */
  readonly probability: number;
  readonly win: boolean;
}

const winLog2 = Math.log2(1.02);

/** Of each working kernel whose parent has a measured time; that time is the threshold, whether or not it was shown. */
export function winForecasts(task: JudgedTask): WinForecast[] {
  return workingForecasts(task).flatMap(({ parentId, forecast, log2Us }) => {
    const parent = parentId === null ? undefined : task.log2Us.get(parentId);
    if (parent === undefined) return [];
    const probability = withoutNoise(forecastCdf(forecast, parent - winLog2));
    return [{ probability, win: log2Us < parent - winLog2 }];
  });
}

/** Rounding errors would tear equal probabilities into different bins. */
function withoutNoise(probability: number): number {
  return Math.round(1e9 * probability) / 1e9;
}

/** Debiased calibration error in 15 bins of equal count. */
export function calibrationOf(wins: readonly WinForecast[]): number | undefined {
  return debiasedCalibrationError(
    reliabilityBins(
      wins.map(({ probability }) => probability),
      wins.map(({ win }) => win),
    ),
  );
}

const redraws = 20;

/**
 * What {@link calibrationOf} would be, on average, if each probability were exactly right: outcomes are redrawn from the
 * probabilities. With some hundreds of kernels debiasing leaves a few hundredths; an error like this one is no fault of the forecaster.
 */
export function calibrationIfTrue(
  wins: readonly WinForecast[],
  ...key: readonly (string | number)[]
): number | undefined {
  const uniform = keyedStream("calibration if true", ...key);
  // In ascending order, so that the order of the kernels decides nothing.
  const probabilities = wins.map(({ probability }) => probability).sort((a, b) => a - b);
  const errors = Array.from({ length: redraws }, () =>
    calibrationOf(probabilities.map((probability) => ({ probability, win: uniform() < probability }))),
  );
  return mean(errors.filter((error) => error !== undefined));
}
