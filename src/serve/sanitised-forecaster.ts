import { sanitiseSource } from "../check/sanitise.ts";
import type { Anchor, Forecaster, Kernel } from "../domain/index.ts";

/**
 * A forecaster that sees sanitised sources and nothing of where kernels came from. For forecasters that read the text of a
 * source; those that read its meaning ignore comments anyway.
 */
export function sanitisedForecaster(forecaster: Forecaster): Forecaster {
  return {
    name: forecaster.name,
    forecast: (request, signal) =>
      forecaster.forecast(
        {
          ...request,
          anchors: request.anchors.map((anchor): Anchor => ({
            kernel: sanitised(anchor.kernel),
            measurement: anchor.measurement,
          })),
          candidates: request.candidates.map(sanitised),
        },
        signal,
      ),
    ...(forecaster.close ? { close: () => forecaster.close?.() ?? Promise.resolve() } : {}),
  };
}

function sanitised({ kernelId, source, launches, compileOptions }: Kernel): Kernel {
  return { kernelId, source: sanitiseSource(source), launches, compileOptions };
}
