import type { Forecast } from "../../domain/index.ts";
import { expectedGain, type Target } from "./gain.ts";

/** Gauss–Hermite nodes and weights for a standard normal, three of them. */
const nodes = [-1.7320508075688772, 0, 1.7320508075688772] as const;
const weights = [1 / 6, 2 / 3, 1 / 6] as const;

/**
 * What asking a stronger surrogate about a candidate is expected to change, as a share of a measurement's worth:
 * E[max(v', v*)] − max(v, v*), over v*, where v is the candidate's expected gain, v' that by the stronger answer, and v* the gain of
 * what is measured instead. The stronger forecast is taken to be `width` as wide, and its median to be drawn so that both
 * forecasts agree on average. It is 0 where no answer could change the decision.
 */
export function escalationWorth(forecast: Forecast, target: Target, alternative: number, width: number): number {
  if (alternative <= 0) return 0;
  const now = Math.max(expectedGain(forecast, target), alternative);
  const spread = Math.sqrt(1 - width * width);
  let informed = 0;
  nodes.forEach((node, index) => {
    const shift = spread * node * (node < 0 ? forecast.sigmaLow : forecast.sigmaHigh);
    const answer = {
      ...forecast,
      m: forecast.m + shift,
      sigmaLow: width * forecast.sigmaLow,
      sigmaHigh: width * forecast.sigmaHigh,
    };
    informed += (weights[index] as number) * Math.max(expectedGain(answer, target), alternative);
  });
  return Math.max(0, informed - now) / alternative;
}
