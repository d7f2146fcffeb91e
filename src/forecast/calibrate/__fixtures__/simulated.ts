import { forecastQuantile, keyedUniform, normalQuantile } from "../../../domain/index.ts";
import type { FamilyPair } from "../fit-recipe.ts";

export interface Simulation {
  readonly key: string;
  readonly count: number;
  /** How far forecasts are above the truth, in widths. */
  readonly bias?: number;
  /** The widths stated over the true ones. */
  readonly boldness?: number;
  /** Share of kernels that run exactly as fast as their reference. */
  readonly ties?: number;
}

/**
 * Forecasts of kernels whose outcomes are drawn from the true distribution, which the forecaster states shifted and too
 * narrow or wide. Half of the references are near kin, half are strangers; four families.
 */
export function simulatedPairs({ key, count, bias = 0, boldness = 1, ties = 0 }: Simulation): FamilyPair[] {
  return Array.from({ length: count }, (_, index) => {
    const draw = (what: string): number => keyedUniform(key, what, index);
    const sigma = 0.2 + 0.8 * draw("sigma");
    const truth = { m: 4 + 4 * draw("m"), sigmaLow: sigma, sigmaHigh: 1.3 * sigma };
    const referenceLog2Us = truth.m + 0.5 * normalQuantile(draw("reference"));
    const tied = draw("tie") < ties;
    const log2Us = tied ? referenceLog2Us : forecastQuantile(truth, draw("outcome"));
    const pOk = 0.5 + 0.49 * draw("p");
    return {
      family: `family ${index % 4}`,
      weight: 1,
      raw: {
        pOk,
        m: truth.m + bias * sigma,
        sigmaLow: truth.sigmaLow * boldness,
        sigmaHigh: truth.sigmaHigh * boldness,
      },
      reference: { log2Us: referenceLog2Us, likeness: index % 2 === 0 ? 0.95 : 0.05 },
      log2Us: draw("works") < pOk ? log2Us : undefined,
    };
  });
}
