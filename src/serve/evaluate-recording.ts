import { KernelcastError, mainDevice } from "../domain/index.ts";
import { chooseTasks, type SplitChoice } from "../evaluate/choose-tasks.ts";
import {
  evaluateForecasters,
  type Evaluations,
  type EvaluateOptions,
  type NamedForecaster,
} from "../evaluate/evaluate-forecasters.ts";
import type { EvaluationResult } from "../evaluate/evaluation-document.ts";
import type { View } from "../evaluate/plan-view.ts";
import { withSources, type SourceForm } from "../evaluate/sources.ts";
import { baselineKinds } from "../forecast/baseline/baseline-forecaster.ts";
import { withSeedsFor } from "../formats/choose-seed.ts";
import { loadRecording } from "../formats/load-recording.ts";
import { recordedDeviceInfo } from "../measure/recorded-device-figures.ts";
import { findDevice } from "../measure/recorded-device.ts";
import { checkForecaster, openForecaster } from "./open-forecaster.ts";

export interface EvaluateRequest {
  /** In the grammar of `--forecaster`; differences are to the first. The baselines are added. */
  readonly forecasters: readonly string[];
  /** `atlas`, or a folder. */
  readonly recording: string;
  /** By default `test`, and of named tasks all. */
  readonly split?: SplitChoice | undefined;
  readonly tasks?: readonly string[] | undefined;
  /** A device of the recording or a part of its name; by default the one that measured most. */
  readonly device?: string | undefined;
  readonly view: View;
  readonly evidence: boolean;
  /** By default `raw`, as recorded. */
  readonly sources?: SourceForm | undefined;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onTask?: EvaluateOptions["onTask"];
}

/** Scores forecasters on a recording. Throws `KernelcastError` for what a user can get wrong. */
export async function evaluateRecording(request: EvaluateRequest): Promise<EvaluationResult> {
  const { recording: path, tasks, view, evidence, sources = "raw", seed, signal, onTask } = request;
  const labels = [...new Set(request.forecasters)];
  for (const label of labels) checkForecaster(label);
  const loaded = await loadRecording(path, tasks ? { tasks } : {});
  const device = request.device === undefined ? mainDevice(loaded) : findDevice(loaded, request.device);
  if (device === undefined) {
    throw new KernelcastError("recording", `${path}: the recording holds no measurements to judge by`);
  }
  const recording = withSources(withSeedsFor(loaded, device), sources);
  const { taskIds, split, note } = chooseTasks(recording, request.split ?? (tasks ? "all" : "test"));
  const options = { device: recordedDeviceInfo(recording, device), taskIds, view, evidence, seed };
  const result = await withForecasters(labels, signal, (named) =>
    evaluateForecasters(named, recording, {
      ...options,
      ...(signal ? { signal } : {}),
      ...(onTask ? { onTask } : {}),
    }),
  );
  const notes = [...(note === undefined ? [] : [note]), ...leftOutNotes(result, device)];
  return { ...result, setting: { recording: path, split, device, view, evidence, sources, seed, notes } };
}

/** Opens the named forecasters and the baselines, uses them and closes them, whatever happens. */
async function withForecasters<T>(
  labels: readonly string[],
  signal: AbortSignal | undefined,
  use: (named: readonly NamedForecaster[]) => Promise<T>,
): Promise<T> {
  const baselines = baselineKinds.map((kind) => `baseline:${kind}`).filter((label) => !labels.includes(label));
  const named: NamedForecaster[] = [];
  try {
    for (const label of [...labels, ...baselines]) {
      const forecaster = await openForecaster(label, { signal });
      named.push({ label, isBaseline: baselines.includes(label), forecaster });
    }
    return await use(named);
  } finally {
    for (const { forecaster } of named) await forecaster.close?.();
  }
}

function leftOutNotes({ leftOut }: Evaluations, device: string): string[] {
  if (leftOut.length === 0) return [];
  return [`left out, with fewer than two kernels that have a time on ${device}: ${leftOut.join(", ")}`];
}
