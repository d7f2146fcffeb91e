import { resolve } from "node:path";
import type {
  ForecastAnswer,
  ForecastCost,
  Forecaster,
  ForecastFailure,
  ForecastRequest,
  RecordedForecast,
} from "../../domain/index.ts";
import { addCosts, judgingRequests } from "../../evaluate/judge-forecaster.ts";
import { requireForecastFile, saveForecasts } from "../../formats/forecast-table.ts";
import { recordedDeviceInfo } from "../../measure/recorded-device-figures.ts";
import { openJudged, type EvaluateRequest } from "../evaluate-recording.ts";
import { openModelSession, type ModelBudget, type ModelSession } from "../language-models.ts";
import { checkForecaster, openForecaster } from "../open-forecaster.ts";
import { checkBatch, openBatch, type BatchFiles, type BatchOutcome } from "./batch.ts";

/** What a user asks of `kernelcast forecast --recording`: the questions that `kernelcast evaluate` asks with the same choices. */
export interface ForecastRecordingRequest extends Pick<
  EvaluateRequest,
  "recording" | "split" | "tasks" | "device" | "view" | "evidence" | "perTask" | "seed" | "signal"
> {
  readonly forecaster: string;
  readonly forecasterTimeout?: number | undefined;
  /** Limits of what a language model may spend. */
  readonly budget?: ModelBudget | undefined;
  /** Folder whose store keeps answers of language models; by default `.kernelcast`. */
  readonly workspace?: string | undefined;
  /** File to save the forecasts in. */
  readonly save?: string | undefined;
  readonly batch?: BatchFiles | undefined;
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Told before each task. */
  readonly onTask?: (taskId: string, done: number, all: number) => void;
}

export interface ForecastRecordingResult {
  readonly recording: string;
  readonly device: string;
  readonly split: string;
  readonly forecaster: string;
  readonly tasks: number;
  readonly asked: number;
  readonly forecasts: readonly RecordedForecast[];
  readonly failures: readonly ForecastFailure[];
  readonly faults: Readonly<Record<string, number>>;
  readonly cost: ForecastCost;
  readonly batch: BatchOutcome | undefined;
}

/** Forecasts the measured kernels of a recording, as `evaluate` would ask for them, and keeps what was said. */
export async function forecastRecording(request: ForecastRecordingRequest): Promise<ForecastRecordingResult> {
  const { forecaster: text, save, batch, cwd } = request;
  if (batch) checkBatch(text, batch, cwd);
  else checkForecaster(text);
  if (save !== undefined) requireForecastFile(save);
  const opened = await openJudged(request);
  const files = batch && (await openBatch(text, batch, cwd));
  const session = files ? undefined : await openModelSession([text], request);
  const forecaster = files?.forecaster ?? (await openOne(request, session));
  try {
    const answers = await askAll(forecaster, opened, request);
    const forecasts = answers.flatMap(({ question, answer }) => recordedForecasts(forecaster.name, question, answer));
    if (save !== undefined) await saveForecasts(resolve(cwd, save), forecasts);
    return {
      recording: request.recording,
      device: opened.device,
      split: opened.split,
      forecaster: forecaster.name,
      tasks: opened.taskIds.length,
      asked: answers.reduce((sum, { question }) => sum + question.candidates.length, 0),
      forecasts,
      failures: answers.flatMap(({ answer }) => answer.failures ?? []),
      faults: countFaults(answers.map(({ answer }) => answer)),
      cost: answers.map(({ answer }) => answer.cost).reduce(addCosts, { cpuSeconds: 0, tokens: 0, usd: 0 }),
      batch: await files?.finish(),
    };
  } finally {
    await forecaster.close?.();
    session?.close();
  }
}

async function openOne(
  { forecaster, forecasterTimeout: limitSeconds, env, signal }: ForecastRecordingRequest,
  session: ModelSession | undefined,
): Promise<Forecaster> {
  return openForecaster(forecaster, { limitSeconds, signal, models: session?.models, ...(env ? { env } : {}) });
}

interface Asked {
  readonly question: ForecastRequest;
  readonly answer: ForecastAnswer;
}

async function askAll(
  forecaster: Forecaster,
  { recording, device, taskIds }: Awaited<ReturnType<typeof openJudged>>,
  { view, evidence, perTask, seed, signal, onTask }: ForecastRecordingRequest,
): Promise<Asked[]> {
  const asked: Asked[] = [];
  const common = { device: recordedDeviceInfo(recording, device), view, evidence, seed };
  for (const [done, taskId] of taskIds.entries()) {
    onTask?.(taskId, done, taskIds.length);
    const options = { ...common, taskId, ...(perTask === undefined ? {} : { perTask }) };
    for (const question of judgingRequests(recording, options)) {
      asked.push({ question, answer: await forecaster.forecast(question, signal) });
    }
  }
  return asked;
}

/** An answer as rows of the recording format; its cost is shared out evenly. */
export function recordedForecasts(
  forecaster: string,
  { anchors, device }: ForecastRequest,
  { forecasts, cost, prompts }: ForecastAnswer,
): RecordedForecast[] {
  const { tokens, usd } = cost;
  const anchorIds = anchors.map(({ kernel }) => kernel.kernelId);
  return forecasts.map((forecast) => {
    const promptSha256 = prompts?.get(forecast.kernelId);
    return {
      forecaster,
      forecast,
      anchorIds,
      device: device.name,
      ...(tokens > 0 ? { tokens: tokens / forecasts.length } : {}),
      ...(usd > 0 ? { usd: usd / forecasts.length } : {}),
      ...(promptSha256 === undefined ? {} : { promptSha256 }),
    };
  });
}

function countFaults(answers: readonly ForecastAnswer[]): Record<string, number> {
  const faults: Record<string, number> = {};
  for (const [kind, count] of answers.flatMap((answer) => Object.entries(answer.faults ?? {}))) {
    faults[kind] = (faults[kind] ?? 0) + count;
  }
  return faults;
}
