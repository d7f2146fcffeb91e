import {
  keyedShuffle,
  recordedRuntimeUs,
  type Anchor,
  type DeviceInfo,
  type Evidence,
  type Forecaster,
  type Kernel,
  type RecordedKernel,
  type RecordedMeasurement,
  type Recording,
  type Task,
} from "../domain/index.ts";
import type { FamilyPair } from "../forecast/calibrate/fit-recipe.ts";
import { ReferenceFinder } from "../forecast/calibrate/reference.ts";

/** What a forecaster is shown when it is asked for calibration: the situations of a search, from its first forecast on. */
export type CalibrationView = "seed" | "anchors" | "parent";

const calibrationViews: readonly CalibrationView[] = ["seed", "anchors", "parent"];

/** Most forecasts of a search are made with the parent among the anchors. */
const viewWeights: Readonly<Record<CalibrationView, number>> = { seed: 1, anchors: 1, parent: 2 };

/** A forecast of a recorded kernel with its outcome and, for scoring, its parent's time. */
export interface CalibrationExample extends FamilyPair {
  readonly taskId: string;
  readonly kernelId: string;
  readonly view: CalibrationView;
  /** log2 of its parent's runtime in µs. */
  readonly parentLog2Us: number | undefined;
}

interface Known {
  readonly recorded: RecordedKernel;
  readonly measurement: RecordedMeasurement;
  readonly us: number | undefined;
}

interface Question {
  readonly anchors: readonly Known[];
  readonly asked: readonly Known[];
  readonly evidence: boolean;
}

export interface CalibrationQuestions {
  readonly device: DeviceInfo;
  readonly taskId: string;
  /** By default all. */
  readonly views?: readonly CalibrationView[];
  readonly signal?: AbortSignal;
}

/** Asks a forecaster for every kernel of a task in every view. Empty where the seed kernel has no time on the device. */
export async function calibrationExamples(
  forecaster: Forecaster,
  recording: Recording,
  { device, taskId, views = calibrationViews, signal }: CalibrationQuestions,
): Promise<CalibrationExample[]> {
  const task = recording.tasks.get(taskId)?.task;
  const known = knownKernels(recording, taskId, device.name);
  const seed = known.find(({ recorded }) => recorded.kernel.kernelId === task?.seedKernel.kernelId);
  if (!task || seed?.us === undefined) return [];
  const finder = new ReferenceFinder();
  const times = new Map(known.map(({ recorded, us }) => [recorded.kernel.kernelId, us]));
  const examples: CalibrationExample[] = [];
  for (const view of views) {
    const questions = questionsOf(view, taskId, known, seed);
    const total = questions.reduce((sum, { asked }) => sum + asked.length, 0);
    for (const question of questions) {
      const anchors = question.anchors.map(toAnchor);
      const { forecasts } = await forecaster.forecast(toRequest(task, device, question, anchors), signal);
      const byId = new Map(forecasts.map((forecast) => [forecast.kernelId, forecast]));
      for (const { recorded, us } of question.asked) {
        const { kernel, parentId } = recorded;
        const raw = byId.get(kernel.kernelId);
        if (!raw) continue;
        examples.push({
          taskId,
          family: task.family,
          kernelId: kernel.kernelId,
          view,
          raw: { pOk: raw.pOk, m: raw.m, sigmaLow: raw.sigmaLow, sigmaHigh: raw.sigmaHigh },
          reference: finder.find(kernel, anchors),
          log2Us: log2Of(us),
          parentLog2Us: parentId === null ? undefined : log2Of(times.get(parentId)),
          weight: viewWeights[view] / total,
        });
      }
    }
  }
  return examples;
}

/** Anchors beside the seed: as many as `evaluate` shows, and as a search does. */
const anchorCount = 8;
const furtherAnchors = 5;

function questionsOf(view: CalibrationView, taskId: string, known: readonly Known[], seed: Known): Question[] {
  const others = known.filter((one) => one !== seed);
  const working = others.filter(({ us }) => us !== undefined);
  if (view === "seed") return [{ anchors: [seed], asked: others, evidence: false }];
  if (view === "anchors") {
    const shown = keyedShuffle(working, 1, "calibrate-anchors", taskId).slice(0, anchorCount);
    const asked = others.filter((one) => !shown.includes(one) && one.measurement.status !== "compile_error");
    return [{ anchors: [seed, ...shown], asked, evidence: true }];
  }
  const byId = new Map(known.map((one) => [one.recorded.kernel.kernelId, one]));
  const parents = new Set(others.flatMap(({ recorded: { parentId } }) => byId.get(parentId ?? "") ?? []));
  return [...parents].flatMap((parent) => {
    if (parent.us === undefined) return [];
    const { kernelId } = parent.recorded.kernel;
    const asked = others.filter(({ recorded }) => recorded.parentId === kernelId);
    const strangers = working.filter((one) => one !== parent && !asked.includes(one));
    const drawn = keyedShuffle(strangers, 1, "calibrate-anchors", taskId, kernelId).slice(0, furtherAnchors);
    return [{ anchors: [...new Set([parent, seed]), ...drawn], asked, evidence: false }];
  });
}

function toRequest(task: Task, device: DeviceInfo, { asked, evidence }: Question, anchors: readonly Anchor[]) {
  const candidates: Kernel[] = asked.map(({ recorded }) => recorded.kernel);
  return { task, device, anchors, candidates, ...(evidence ? { evidence: evidenceOf(asked) } : {}) };
}

function evidenceOf(known: readonly Known[]): ReadonlyMap<string, Evidence> {
  return new Map(
    known.flatMap(({ measurement: { kernelId, evidence } }) => (evidence ? [[kernelId, evidence] as const] : [])),
  );
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

function log2Of(us: number | undefined): number | undefined {
  return us === undefined ? undefined : Math.log2(us);
}
