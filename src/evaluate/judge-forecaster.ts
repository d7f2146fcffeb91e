import {
  keyedShuffle,
  type Anchor,
  type DeviceInfo,
  type Evidence,
  type Forecast,
  type ForecastCost,
  type Forecaster,
  type ForecastRequest,
  type Recording,
  type RuntimeDistribution,
  type SavedCost,
  type Task,
} from "../domain/index.ts";
import { screeningSeconds } from "../measure/recorded-device.ts";
import type { JudgedForecast, JudgedTask } from "./judged-task.ts";
import { knownKernels, type Known } from "./known-kernels.ts";
import { planView, type View, type ViewRequest } from "./plan-view.ts";

/** What a forecaster is asked of one task. */
export interface AskOptions {
  readonly device: DeviceInfo;
  readonly taskId: string;
  readonly view: View;
  /**
   * Whether it sees what the compiler said, where the recording has that. Kernels that do not compile are not scored then: a
   * compiler has told, and the port has no word for it.
   */
  readonly evidence: boolean;
  /** Most kernels that are asked for, drawn by key; by default all. */
  readonly perTask?: number;
  readonly seed: number;
}

export interface JudgeOptions extends AskOptions {
  /** Over log2(runtime / seed kernel's runtime), and p_ok: what a kernel without a forecast is scored by. */
  readonly prior: RuntimeDistribution & { readonly pOk: number };
  readonly signal?: AbortSignal;
}

/** A task's forecasts with what is told beside scores. */
export interface JudgedAnswers extends JudgedTask {
  /** Kernels that were asked for and got no valid forecast: scored as the prior. */
  readonly missing: number;
  /** Kernels left out because the evidence tells that they do not compile. */
  readonly compileErrors: number;
  readonly withEvidence: number;
  /** Time that the forecaster took, and what it says that it spent. */
  readonly seconds: number;
  readonly cost: ForecastCost;
  /** Runtime of the seed kernel. */
  readonly seedUs: number;
  /** Device time of measuring all that was asked for. */
  readonly measuringSeconds: number;
  /** What was wrong with its answers on the way: how often, by kind. */
  readonly faults?: Readonly<Record<string, number>>;
}

/** The requests of a task, and what they are made of. */
interface Questions {
  readonly task: Task;
  readonly known: readonly Known[];
  readonly seedUs: number;
  readonly requests: readonly ViewRequest[];
  readonly evidence: boolean;
  readonly compileErrors: number;
}

/** Undefined where the seed kernel has no time. */
function planQuestions(recording: Recording, options: AskOptions): Questions | undefined {
  const { device, taskId, view, seed, perTask } = options;
  const task = recording.tasks.get(taskId)?.task;
  if (!task) return undefined;
  const known = knownKernels(recording, taskId, device.name);
  const seedKernel = known.find(({ recorded }) => recorded.kernel.kernelId === task.seedKernel.kernelId);
  if (seedKernel?.us === undefined) return undefined;
  // A recording without any evidence shows none, and then its compile errors are not told.
  const evidence = options.evidence && known.some(({ measurement }) => measurement.evidence !== undefined);
  const isTold = ({ measurement }: Known): boolean => evidence && measurement.status === "compile_error";
  const plan = planView(known, seedKernel, { view, seed, taskId });
  const all = plan.flatMap(({ asked }) => asked);
  const open = all.filter((one) => !isTold(one));
  const drawn = new Set(
    perTask === undefined ? open : keyedShuffle(open, seed, "judge-sample", taskId).slice(0, perTask),
  );
  const requests = plan
    .map(({ anchors, asked }) => ({ anchors, asked: asked.filter((one) => drawn.has(one)) }))
    .filter(({ asked }) => asked.length > 0);
  return { task, known, seedUs: seedKernel.us, requests, evidence, compileErrors: all.length - open.length };
}

/** What a forecaster is asked when it is judged on a task; empty where the seed kernel has no time. */
export function judgingRequests(recording: Recording, options: AskOptions): ForecastRequest[] {
  const questions = planQuestions(recording, options);
  if (!questions) return [];
  const { task, requests, evidence } = questions;
  return requests.map((request) => toRequest(task, options.device, request, evidence));
}

/** Asks a forecaster for the measured kernels of a task. Undefined where the seed kernel has no time. */
export async function judgeForecaster(
  forecaster: Forecaster,
  recording: Recording,
  options: JudgeOptions,
): Promise<JudgedAnswers | undefined> {
  const { device, taskId, prior, signal } = options;
  const questions = planQuestions(recording, options);
  if (!questions) return undefined;
  const { task, known, seedUs, requests, evidence, compileErrors } = questions;
  const log2Prior = { ...prior, m: prior.m + Math.log2(seedUs) };
  const asked = requests.flatMap((request) => request.asked);
  const started = performance.now();
  const forecasts: Forecast[] = [];
  let cost: ForecastCost = { cpuSeconds: 0, tokens: 0, usd: 0 };
  const faults: Record<string, number> = {};
  for (const request of requests) {
    const answer = await forecaster.forecast(toRequest(task, device, request, evidence), signal);
    forecasts.push(...answer.forecasts.filter(isValid));
    cost = addCosts(cost, answer.cost);
    for (const [kind, count] of Object.entries(answer.faults ?? {})) faults[kind] = (faults[kind] ?? 0) + count;
  }
  const seconds = (performance.now() - started) / 1000;
  const byId = new Map(forecasts.map((forecast) => [forecast.kernelId, forecast]));
  return {
    taskId,
    judged: asked.map((one) => judge(one, byId.get(one.recorded.kernel.kernelId), log2Prior)),
    log2Us: new Map(
      known.flatMap(({ recorded, us }) => (us === undefined ? [] : [[recorded.kernel.kernelId, Math.log2(us)]])),
    ),
    prior: log2Prior,
    missing: asked.filter(({ recorded }) => !byId.has(recorded.kernel.kernelId)).length,
    compileErrors,
    withEvidence: evidence ? asked.filter(({ measurement }) => measurement.evidence !== undefined).length : 0,
    seconds,
    cost,
    seedUs,
    measuringSeconds: asked.reduce((sum, { measurement }) => sum + screeningSeconds(measurement), 0),
    ...(Object.keys(faults).length > 0 ? { faults } : {}),
  };
}

/** What two forecasts, or the forecasts of two tasks, cost together. */
export function addCosts(one: ForecastCost, other: ForecastCost): ForecastCost {
  return {
    cpuSeconds: one.cpuSeconds + other.cpuSeconds,
    tokens: one.tokens + other.tokens,
    usd: one.usd + other.usd,
    ...addSaved(one.saved, other.saved),
  };
}

function addSaved(one: SavedCost | undefined, other: SavedCost | undefined): Pick<ForecastCost, "saved"> {
  if (!one || !other) return one || other ? { saved: (one ?? other) as SavedCost } : {};
  return { saved: { tokens: one.tokens + other.tokens, usd: one.usd + other.usd } };
}

function judge(
  { recorded: { kernel, parentId, templateId }, us }: Known,
  answered: Forecast | undefined,
  prior: Omit<Forecast, "kernelId">,
): JudgedForecast {
  const { kernelId } = kernel;
  const log2Us = us === undefined ? undefined : Math.log2(us);
  const forecast = { ...(answered ?? prior), kernelId };
  return { kernelId, parentId, templateId, forecast, log2Us, ...(answered ? {} : { isUnanswered: true }) };
}

function isValid({ pOk, m, sigmaLow, sigmaHigh }: Forecast): boolean {
  const widths = [sigmaLow, sigmaHigh].every((sigma) => sigma > 0 && sigma < Number.POSITIVE_INFINITY);
  return widths && Number.isFinite(m) && pOk >= 0 && pOk <= 1;
}

function toRequest(
  task: Task,
  device: DeviceInfo,
  { anchors, asked }: { readonly anchors: readonly Known[]; readonly asked: readonly Known[] },
  evidence: boolean,
): ForecastRequest {
  return {
    task,
    device,
    anchors: anchors.map((anchor) => toAnchor(anchor, evidence)),
    candidates: asked.map(({ recorded }) => recorded.kernel),
    ...(evidence ? { evidence: evidenceOf(asked) } : {}),
  };
}

function toAnchor({ recorded, measurement, us = Number.NaN }: Known, shows: boolean): Anchor {
  const { kernelId, device, evidence } = measurement;
  const runtime = { medianUs: us, p10Us: us, p90Us: us, n: 1, samplesUs: [] };
  const cost = { gpuSeconds: 0, cpuSeconds: 0 };
  return {
    kernel: recorded.kernel,
    measurement: { kernelId, device, status: "ok", runtime, cost, ...(shows && evidence ? { evidence } : {}) },
  };
}

function evidenceOf(known: readonly Known[]): ReadonlyMap<string, Evidence> {
  return new Map(
    known.flatMap(({ measurement: { kernelId, evidence } }) => (evidence ? [[kernelId, evidence] as const] : [])),
  );
}
