import type { Decision, Forecast, Policy } from "../../domain/index.ts";
import { expectedPublishedBin } from "../published-bins.ts";

const proposed = 16;
const measured = 4;

/**
 * The gate of the published kernel search: sixteen proposals for each parent, of which the four of highest expected bin are
 * measured. Its bins are speedups over the seed kernel, whatever the incumbent; the probability of failing has no part in it; ties go
 * to what was proposed first; what was not forecast is not measured.
 */
export function publishedGate(seedUs: number): Policy {
  const seedLog2Us = Math.log2(seedUs);
  return {
    name: "published-gate",
    proposalsPerParent: proposed,
    needsForecasts: true,
    decide({ candidates, forecasts, measurementsLeft }) {
      const bins = candidates.map(({ kernel: { kernelId } }, place) => {
        const forecast = forecasts.get(kernelId);
        return { kernelId, place, forecast, bin: forecast ? expectedPublishedBin(forecast, seedLog2Us) : 0 };
      });
      const ranked = bins.filter(({ forecast }) => forecast).sort((a, b) => b.bin - a.bin || a.place - b.place);
      const chosen = new Set(ranked.slice(0, Math.min(measured, measurementsLeft)).map(({ kernelId }) => kernelId));
      return bins.map(({ kernelId, forecast, bin }) => decision(kernelId, chosen.has(kernelId), bin, forecast));
    },
  };
}

function decision(kernelId: string, isChosen: boolean, bin: number, forecast: Forecast | undefined): Decision {
  return {
    kernelId,
    action: isChosen ? "measure" : "skip",
    reason: `the ${measured} of highest expected bin are measured`,
    numbers: forecast ? { expected_bin: bin } : {},
    ...(forecast ? { forecast } : {}),
  };
}
