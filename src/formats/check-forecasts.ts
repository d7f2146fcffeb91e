import type { RecordedForecast, Recording } from "../domain/index.ts";
import type { Finding } from "./check-recording.ts";

/** Kept forecasts must be of kernels of the recording, and from anchors that are measured and are not the kernel itself. */
export function checkForecasts(recording: Recording): Finding[] {
  const { forecasts = [] } = recording;
  if (forecasts.length === 0) return [];
  const ok = new Map(
    [...recording.tasks.keys()].flatMap((taskId) =>
      recording
        .kernels(taskId)
        .map(({ kernel }) => [kernel.kernelId, isOk(recording, taskId, kernel.kernelId)] as const),
    ),
  );
  return forecasts.flatMap((recorded): Finding[] => {
    const fault = forecastFault(recorded, ok);
    return fault
      ? [{ severity: "error", rule: "forecast", message: `a forecast by ${recorded.forecaster}: ${fault}` }]
      : [];
  });
}

function isOk(recording: Recording, taskId: string, kernelId: string): boolean {
  return recording.devices.some((device) => recording.measurements(taskId, device).get(kernelId)?.status === "ok");
}

function forecastFault(
  { forecast: { kernelId }, anchorIds }: RecordedForecast,
  ok: ReadonlyMap<string, boolean>,
): string | undefined {
  if (!ok.has(kernelId)) return `kernel ${kernelId} is not in kernels`;
  if (anchorIds.includes(kernelId)) return `kernel ${kernelId} is its own anchor, so its runtime was known`;
  const unmeasured = anchorIds.find((id) => ok.get(id) !== true);
  return unmeasured === undefined ? undefined : `anchor ${unmeasured} of kernel ${kernelId} has no ok measurement`;
}
