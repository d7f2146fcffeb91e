import {
  keyedShuffle,
  recordedRuntimeUs,
  type Anchor,
  type DeviceInfo,
  type Evidence,
  type Forecaster,
  type RecordedKernel,
  type RecordedMeasurement,
  type Recording,
  type RuntimeDistribution,
} from "../domain/index.ts";
import type { JudgedTask } from "./score-task.ts";

export interface JudgeOptions {
  readonly device: DeviceInfo;
  readonly taskId: string;
  /** Over log2(runtime / seed kernel's runtime). */
  readonly prior: RuntimeDistribution;
  /** Measured kernels beside the seed that the forecaster is shown; they are not scored. */
  readonly anchors: number;
  /** Whether it sees what the compiler said; kernels that do not compile are not scored then. */
  readonly evidence: boolean;
  readonly seed: number;
}

interface Known {
  readonly recorded: RecordedKernel;
  readonly measurement: RecordedMeasurement;
  readonly us: number | undefined;
}

/** Asks a forecaster for every measured kernel of a task but its anchors. Undefined where the seed kernel has no time. */
export async function judgeForecaster(
  forecaster: Forecaster,
  recording: Recording,
  { device, taskId, prior, anchors, evidence, seed }: JudgeOptions,
): Promise<JudgedTask | undefined> {
  const task = recording.tasks.get(taskId)?.task;
  if (!task) return undefined;
  const known = knownKernels(recording, taskId, device.name);
  const seedKernel = known.find(({ recorded }) => recorded.kernel.kernelId === task.seedKernel.kernelId);
  if (seedKernel?.us === undefined) return undefined;
  const working = known.filter((one) => one !== seedKernel && one.us !== undefined);
  const shown = [seedKernel, ...keyedShuffle(working, seed, "judge-anchors", taskId).slice(0, anchors)];
  const asked = known.filter(
    (one) => !shown.includes(one) && !(evidence && one.measurement.status === "compile_error"),
  );
  const { forecasts } = await forecaster.forecast({
    task,
    device,
    anchors: shown.map(toAnchor),
    candidates: asked.map(({ recorded }) => recorded.kernel),
    ...(evidence ? { evidence: evidenceOf(asked) } : {}),
  });
  const byId = new Map(forecasts.map((forecast) => [forecast.kernelId, forecast]));
  return {
    taskId,
    judged: asked.flatMap(({ recorded: { kernel, parentId, templateId }, us }) => {
      const forecast = byId.get(kernel.kernelId);
      const log2Us = us === undefined ? undefined : Math.log2(us);
      return forecast ? [{ kernelId: kernel.kernelId, parentId, templateId, forecast, log2Us }] : [];
    }),
    log2Us: new Map(
      known.flatMap(({ recorded, us }) => (us === undefined ? [] : [[recorded.kernel.kernelId, Math.log2(us)]])),
    ),
    prior: { ...prior, m: prior.m + Math.log2(seedKernel.us) },
  };
}

function knownKernels(recording: Recording, taskId: string, device: string): Known[] {
  const measurements = recording.measurements(taskId, device);
  return recording.kernels(taskId).flatMap((recorded) => {
    const measurement = measurements.get(recorded.kernel.kernelId);
    return measurement ? [{ recorded, measurement, us: recordedRuntimeUs(measurement) }] : [];
  });
}

function toAnchor({ recorded, measurement, us = Number.NaN }: Known): Anchor {
  const { kernelId, device } = measurement;
  const runtime = { medianUs: us, p10Us: us, p90Us: us, n: 1, samplesUs: [] };
  return {
    kernel: recorded.kernel,
    measurement: { kernelId, device, status: "ok", runtime, cost: { gpuSeconds: 0, cpuSeconds: 0 } },
  };
}

function evidenceOf(known: readonly Known[]): ReadonlyMap<string, Evidence> {
  return new Map(
    known.flatMap(({ measurement: { kernelId, evidence } }) => (evidence ? [[kernelId, evidence] as const] : [])),
  );
}
