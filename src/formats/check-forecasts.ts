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
  return forecasts.flatMap((recorded) => forecastFinding(recorded, ok) ?? []);
}

function isOk(recording: Recording, taskId: string, kernelId: string): boolean {
  return recording.devices.some((device) => recording.measurements(taskId, device).get(kernelId)?.status === "ok");
}

function forecastFinding(
  { forecaster, forecast: { kernelId }, anchorIds }: RecordedForecast,
  ok: ReadonlyMap<string, boolean>,
): Finding | undefined {
  const rule = "forecast";
  const unmeasured = anchorIds.find((id) => ok.get(id) !== true);
  if (!ok.has(kernelId))
    return { severity: "error", rule, message: `${forecaster}: kernel ${kernelId} is not in kernels` };
  if (unmeasured !== undefined) {
    const message = `${forecaster}: anchor ${unmeasured} of kernel ${kernelId} has no ok measurement`;
    return { severity: "error", rule, message };
  }
  if (!anchorIds.includes(kernelId)) return undefined;
  return {
    severity: "warning",
    rule,
    message: `${forecaster}: kernel ${kernelId} was its own anchor, so its runtime was known`,
  };
}
