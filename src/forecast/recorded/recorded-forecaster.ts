import {
  KernelcastError,
  suggestion,
  type Forecaster,
  type ForecastRequest,
  type RecordedForecast,
} from "../../domain/index.ts";

export interface RecordedForecasterOptions {
  /** Where the forecasts come from, for messages. */
  readonly where: string;
  /** Whose forecasts; needed where there are several forecasters'. */
  readonly name?: string | undefined;
}

/**
 * Forecasts that somebody made and kept. Of several of one kernel, those for the request's device and of anchors that the
 * request has too stand, of these the one with most; else the first. A kernel without one is not forecast. Throws
 * `KernelcastError("model", …)` for a name that is not there.
 */
export function recordedForecaster(
  forecasts: readonly RecordedForecast[],
  { where, name }: RecordedForecasterOptions,
): Forecaster {
  const chosen = chooseName(forecasts, where, name);
  const byKernel = new Map<string, RecordedForecast[]>();
  for (const recorded of forecasts) {
    if (recorded.forecaster !== chosen) continue;
    const { kernelId } = recorded.forecast;
    byKernel.set(kernelId, [...(byKernel.get(kernelId) ?? []), recorded]);
  }
  return {
    name: chosen,
    async forecast({ candidates, anchors, device }: ForecastRequest, signal?: AbortSignal) {
      signal?.throwIfAborted();
      const anchorIds = new Set(anchors.map(({ kernel }) => kernel.kernelId));
      const found = [...new Set(candidates.map(({ kernelId }) => kernelId))].flatMap((kernelId) => {
        const recorded = choose(byKernel.get(kernelId) ?? [], device.name, anchorIds);
        return recorded ? [recorded] : [];
      });
      const total = (part: "tokens" | "usd"): number => found.reduce((sum, recorded) => sum + (recorded[part] ?? 0), 0);
      return {
        forecasts: found.map(({ forecast }) => forecast),
        cost: { cpuSeconds: 0, tokens: total("tokens"), usd: total("usd") },
      };
    },
  };
}

function chooseName(forecasts: readonly RecordedForecast[], where: string, wanted: string | undefined): string {
  const known = [...new Set(forecasts.map(({ forecaster }) => forecaster))];
  const [only] = known;
  if (only === undefined) throw new KernelcastError("model", `${where}: there is no forecast in it`);
  if (wanted === undefined && known.length === 1) return only;
  if (wanted !== undefined && known.includes(wanted)) return wanted;
  const fault = wanted === undefined ? "several forecasters made these" : `no forecast by "${wanted}" is in it`;
  throw new KernelcastError(
    "model",
    `${where}: ${fault}; name one with recorded:${where}#NAME (${known.join(", ")})${suggestion(wanted ?? "", known)}`,
  );
}

function choose(
  recorded: readonly RecordedForecast[],
  device: string,
  anchorIds: ReadonlySet<string>,
): RecordedForecast | undefined {
  const ofDevice = recorded.filter((one) => one.device === undefined || one.device === device);
  const fitting = ofDevice.filter((one) => one.anchorIds.every((id) => anchorIds.has(id)));
  const most = Math.max(...fitting.map((one) => one.anchorIds.length));
  return fitting.find((one) => one.anchorIds.length === most) ?? ofDevice[0];
}
