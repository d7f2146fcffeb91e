import { KernelcastError, mainDevice, type Recording } from "../domain/index.ts";
import type { AnsweredBy } from "../evaluate/answered-by.ts";
import { chooseTasks, type ChosenTasks, type SplitChoice } from "../evaluate/choose-tasks.ts";
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
import { openModelSession, type ModelBudget } from "./language-models.ts";
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
  /** Most kernels of a task that are asked for, drawn by the seed; by default all. */
  readonly perTask?: number | undefined;
  /** By default `raw`, as recorded. */
  readonly sources?: SourceForm | undefined;
  readonly seed: number;
  /** Score only the kernels that any, or all, of the named forecasters have answered. */
  readonly answered?: AnsweredBy | undefined;
  /** Limits of what language models may spend, all forecasters together. */
  readonly budget?: ModelBudget | undefined;
  /** Folder whose store keeps answers of language models; by default `.kernelcast`. */
  readonly workspace?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** What an hour of the GPU costs, to weigh forecasts against measurements. */
  readonly gpuUsdPerHour?: number | undefined;
  readonly signal?: AbortSignal;
  readonly onTask?: EvaluateOptions["onTask"];
}

/** Scores forecasters on a recording. Throws `KernelcastError` for what a user can get wrong. */
export async function evaluateRecording(request: EvaluateRequest): Promise<EvaluationResult> {
  const { recording: path, view, evidence, sources = "raw", perTask, seed, signal, onTask } = request;
  const labels = [...new Set(request.forecasters)];
  for (const label of labels) checkForecaster(label);
  const { recording, device, taskIds, split, note } = await openJudged(request);
  const { answered } = request;
  const sample = { ...(perTask === undefined ? {} : { perTask }), ...(answered === undefined ? {} : { answered }) };
  const options = { device: recordedDeviceInfo(recording, device), taskIds, view, evidence, seed, ...sample };
  const result = await withForecasters(labels, request, (named) =>
    evaluateForecasters(named, recording, {
      ...options,
      ...(signal ? { signal } : {}),
      ...(onTask ? { onTask } : {}),
    }),
  );
  const notes = [
    ...(note === undefined ? [] : [note]),
    ...leftOutNotes(result, device),
    ...unansweredNotes(result, answered),
  ];
  const { gpuUsdPerHour } = request;
  const setting = {
    recording: path,
    split,
    device,
    view,
    evidence,
    sources,
    seed,
    notes,
    ...(perTask === undefined ? {} : { per_task: perTask }),
    ...(gpuUsdPerHour === undefined ? {} : { gpu_usd_per_hour: gpuUsdPerHour }),
  };
  return { ...result, setting };
}

interface Judged extends ChosenTasks {
  readonly recording: Recording;
  readonly device: string;
}

/** The recording as forecasters see it, and the tasks and the device that are asked for. */
export async function openJudged(
  request: Pick<EvaluateRequest, "recording" | "tasks" | "split" | "device" | "sources">,
): Promise<Judged> {
  const { recording: path, tasks, sources = "raw" } = request;
  const loaded = await loadRecording(path, tasks ? { tasks } : {});
  const device = request.device === undefined ? mainDevice(loaded) : findDevice(loaded, request.device);
  if (device === undefined) {
    throw new KernelcastError("recording", `${path}: the recording holds no measurements to judge by`);
  }
  const recording = withSources(withSeedsFor(loaded, device), sources);
  return { recording, device, ...chooseTasks(recording, request.split ?? (tasks ? "all" : "test")) };
}

/** Opens the named forecasters and the baselines, uses them and closes them, whatever happens. */
async function withForecasters<T>(
  labels: readonly string[],
  { signal, budget, workspace, env }: EvaluateRequest,
  use: (named: readonly NamedForecaster[]) => Promise<T>,
): Promise<T> {
  const baselines = baselineKinds.map((kind) => `baseline:${kind}`).filter((label) => !labels.includes(label));
  const session = await openModelSession(labels, { workspace, budget, env });
  const named: NamedForecaster[] = [];
  try {
    for (const label of [...labels, ...baselines]) {
      const forecaster = await openForecaster(label, { signal, models: session?.models, ...(env ? { env } : {}) });
      named.push({ label, isBaseline: baselines.includes(label), forecaster });
    }
    return await use(named);
  } finally {
    for (const { forecaster } of named) await forecaster.close?.();
    session?.close();
  }
}

function leftOutNotes({ leftOut }: Evaluations, device: string): string[] {
  if (leftOut.length === 0) return [];
  return [`left out, with fewer than two kernels that have a time on ${device}: ${leftOut.join(", ")}`];
}

function unansweredNotes({ unanswered }: Evaluations, by: AnsweredBy = "all"): string[] {
  if (!unanswered) return [];
  return [`left out, for ${by === "any" ? "none" : "not all"} of the forecasters has an answer: ${unanswered} kernels`];
}
