import { covarianceOf, differenceOf, type CovarianceSetting, type Difference } from "./covariance.ts";
import { GrowingCholesky } from "./growing-cholesky.ts";
import type { ResidualDatum } from "./residual-process.ts";

/** A setting with the logarithm of how good it was on other tasks, up to a constant. */
export interface PriorSetting extends CovarianceSetting {
  readonly logPrior: number;
}

/** Most data that a setting is chosen by: the first ones. More would cost more than they tell. */
export const choosingData = 64;

/** Pseudo-data that say that residuals are as large as the forecasts' widths. */
const steadiness = 16;

/** The setting under which the data are most likely, its prior counted. The first of equals. */
export function chooseSetting<Setting extends PriorSetting>(
  settings: readonly Setting[],
  data: readonly ResidualDatum[],
): Setting {
  const used = data.slice(0, choosingData);
  const differences = used.map(({ point }, row) => used.slice(0, row).map((other) => differenceOf(point, other.point)));
  const residuals = used.map(({ residual }) => residual);
  let [best, most] = [settings[0] as Setting, Number.NEGATIVE_INFINITY];
  for (const setting of settings) {
    const value = setting.logPrior + logEvidence(setting, differences, residuals);
    if (value > most) [best, most] = [setting, value];
  }
  return best;
}

/**
 * Logarithm of how likely residuals are, up to a constant that is the same for every setting. How large they are is not certain, so
 * that one wild datum does not decide: it is a t distribution of as many degrees of freedom as there are pseudo-data.
 */
function logEvidence(
  setting: CovarianceSetting,
  differences: readonly (readonly Difference[])[],
  residuals: readonly number[],
): number {
  const whole = 1 + setting.noise;
  const factor = new GrowingCholesky();
  for (const row of differences) {
    factor.append(
      row.map((difference) => covarianceOf(difference, setting)),
      whole,
    );
  }
  const solved = Float64Array.from(residuals);
  factor.solveLower(solved);
  const squares = whole * solved.reduce((sum, value) => sum + value * value, 0);
  const n = residuals.length;
  const fit = 0.5 * (steadiness + n) * Math.log1p(squares / steadiness);
  return 0.5 * n * Math.log(whole) - factor.logDiagonal() - fit;
}
