import { existsSync } from "node:fs";
import { join } from "node:path";
import { createPolicy } from "../decide/policies.ts";
import { worthDocument, worthOfAsking, type WorthDocument } from "../decide/worth.ts";
import {
  mainDevice,
  type GenerateRequest,
  type LanguageModel,
  type Recording,
  type RunStore,
} from "../domain/index.ts";
import { judgingRequests } from "../evaluate/judge-forecaster.ts";
import { createLlmForecaster } from "../forecast/llm/llm-forecaster.ts";
import { parseLlmSpecification } from "../forecast/llm/options.ts";
import { withSeedsFor } from "../formats/choose-seed.ts";
import { loadRecording } from "../formats/load-recording.ts";
import { recordedDeviceInfo } from "../measure/recorded-device-figures.ts";
import { screeningSeconds } from "../measure/recorded-device.ts";
import type { SearchConfig, SearchInput, SearchNote } from "../search/events.ts";
import { openRunStore } from "../store/sqlite-run-store.ts";
import { namesModel, openModelSession } from "./language-models.ts";
import { checkForecaster } from "./open-forecaster.ts";
import { sanitisedForecaster } from "./sanitised-forecaster.ts";

/** A user's set-up: who forecasts, what measures, and what that costs. */
export interface WeighRequest {
  readonly forecaster: string;
  readonly device: string;
  /** Folder whose runs tell what measurements and forecasts took so far. */
  readonly workspace: string;
  readonly gpuUsdPerHour?: number | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
}

export interface WeighedSetup {
  readonly worth: WorthDocument;
  /** Where the figures are from. */
  readonly sources: readonly string[];
}

/** What 100 forecasts of the set-up would cost and spare, by the workspace's runs, else by the atlas and list prices. */
export async function weighSetup(request: WeighRequest): Promise<WeighedSetup> {
  checkForecaster(request.forecaster);
  const history = readHistory(request);
  const atlas = history.measurements === 0 || history.forecasts === 0 ? await loadAtlas() : undefined;
  const forecast = await usdOfForecast(request, history, atlas);
  const share = history.considered > 0 ? history.skipped / history.considered : sharePolicySpares();
  const measured = history.measurements > 0;
  const seconds = measured ? history.gpuSeconds / history.measurements : meanSeconds(atlas as Atlas);
  const forecasts = 100;
  const worth = worthOfAsking({
    forecasts,
    usd: forecast.usd === undefined ? undefined : forecasts * forecast.usd,
    avoided: forecasts * share,
    measurementSeconds: seconds,
  });
  const percent = `${(100 * share).toFixed(0)} %`;
  return {
    worth: worthDocument(worth, request.gpuUsdPerHour),
    sources: [
      `a forecast's cost: ${forecast.source}`,
      measured
        ? `a measurement's length: the mean of ${history.measurements} on ${request.device} in ${request.workspace}`
        : "a measurement's length: the atlas's mean, for this workspace has none of this device",
      history.considered > 0
        ? `measurements spared: ${percent} of the candidates of its runs in ${request.workspace} were skipped`
        : `measurements spared: ${percent} of the candidates, as the policy top-k skips of a full batch`,
    ],
  };
}

interface History {
  measurements: number;
  gpuSeconds: number;
  forecasts: number;
  usd: number;
  considered: number;
  skipped: number;
}

/** What the workspace's runs tell of this device, and of this forecaster. */
function readHistory({ forecaster, device, workspace }: WeighRequest): History {
  const history: History = { measurements: 0, gpuSeconds: 0, forecasts: 0, usd: 0, considered: 0, skipped: 0 };
  const path = join(workspace, "kernelcast.sqlite");
  if (!existsSync(path)) return history;
  const store = openRunStore(path);
  try {
    for (const { runId, config } of store.runs()) {
      const run = config as SearchConfig;
      if (run.device === device) addMeasurements(history, store, runId);
      if (run.forecaster === forecaster) addForecasts(history, store, runId);
    }
  } finally {
    store.close();
  }
  return history;
}

function addMeasurements(history: History, store: RunStore, runId: string): void {
  for (const { payload } of store.events(runId)) {
    const input = payload as SearchInput;
    if (input.type !== "measurement-end") continue;
    history.measurements++;
    history.gpuSeconds += input.measurement.cost.gpuSeconds;
  }
}

function addForecasts(history: History, store: RunStore, runId: string): void {
  for (const { payload } of store.events(runId)) {
    const event = payload as SearchInput | SearchNote;
    if (event.type === "forecast-end") history.forecasts += event.forecasts.length;
    if (event.type === "decision" && event.decision.forecast) {
      history.considered++;
      if (event.decision.action === "skip") history.skipped++;
    }
    if (event.type === "model-call" && event.call.purpose.startsWith("forecast")) {
      history.usd += (event.call.usd ?? 0) + (event.call.saved?.usd ?? 0);
    }
  }
}

interface Atlas {
  readonly recording: Recording;
  readonly device: string;
}

/** Tasks that stand for the rest: a few of different kinds. */
const exampleTasks = ["softmax-f32", "matmul-f16", "transpose-f32"] as const;

async function loadAtlas(): Promise<Atlas> {
  const recording = await loadRecording("atlas", { tasks: exampleTasks });
  const device = mainDevice(recording) as string;
  return { recording: withSeedsFor(recording, device), device };
}

function meanSeconds({ recording, device }: Atlas): number {
  const all = [...recording.tasks.keys()].flatMap((taskId) => [...recording.measurements(taskId, device).values()]);
  return all.reduce((sum, one) => sum + screeningSeconds(one), 0) / all.length;
}

/** The share of a full batch that the gated policy skips. */
function sharePolicySpares(): number {
  const policy = createPolicy("top-k");
  const candidates = Array.from({ length: policy.proposalsPerParent }, (_, index) => ({
    kernel: { kernelId: String(index), source: "", launches: [], compileOptions: [] },
    parentId: null,
    origin: "",
  }));
  const context = { seed: 1, candidates, forecasts: new Map(), incumbentUs: 1, measurementsLeft: Infinity };
  return policy.decide(context).filter(({ action }) => action === "skip").length / candidates.length;
}

interface ForecastPrice {
  readonly usd: number | undefined;
  readonly source: string;
}

async function usdOfForecast(
  { forecaster, workspace, env }: WeighRequest,
  { forecasts, usd }: History,
  atlas: Atlas | undefined,
): Promise<ForecastPrice> {
  if (!namesModel(forecaster)) return { usd: 0, source: `${forecaster} asks nobody for money` };
  if (forecasts > 0 && usd > 0) {
    return {
      usd: usd / forecasts,
      source: `the mean of ${forecasts} in ${workspace}, kept answers as when they were made`,
    };
  }
  const session = await openModelSession([forecaster], { workspace, env });
  try {
    const colon = forecaster.indexOf(":");
    const { model, options } = parseLlmSpecification(forecaster.slice(colon + 1));
    const opened = await session?.models.open(`${forecaster.slice(0, colon)}:${model}`);
    if (!opened?.abilities.price) return { usd: undefined, source: `the price of ${forecaster} is not known` };
    return await estimate(opened, options, atlas ?? (await loadAtlas()));
  } finally {
    session?.close();
  }
}

/** Characters of a token. */
const charactersPerToken = 4;

/** What the prompts for a few kernels of the atlas would cost; nothing is asked. */
async function estimate(
  { name, abilities }: LanguageModel,
  options: Parameters<typeof createLlmForecaster>[1],
  { recording, device }: Atlas,
): Promise<ForecastPrice> {
  const requests: GenerateRequest[] = [];
  const usage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
  const silent: LanguageModel = {
    name,
    abilities,
    generate: (request) => {
      requests.push(request);
      return Promise.resolve({ kind: "failed", fault: "other", message: "not asked", usage, usd: 0 });
    },
  };
  const forecaster = sanitisedForecaster(createLlmForecaster(silent, { ...options, thinkingTokens: 0 }));
  const info = recordedDeviceInfo(recording, device);
  let kernels = 0;
  for (const taskId of recording.tasks.keys()) {
    const common = { device: info, taskId, view: "search", evidence: true, perTask: 16, seed: 1 } as const;
    for (const question of judgingRequests(recording, common)) {
      kernels += question.candidates.length;
      await forecaster.forecast(question);
    }
  }
  const { inputUsd = 0, outputUsd = 0, asOf = "" } = abilities.price ?? {};
  const usd = requests.reduce((sum, { system, prompt, maxTokens }) => {
    const inputTokens = (system.length + prompt.length) / charactersPerToken;
    return sum + (inputTokens * inputUsd + maxTokens * outputUsd) / 1e6;
  }, 0);
  return {
    usd: usd / kernels,
    source: `the prompts for ${kernels} kernels of the atlas at the list price of ${asOf}; what a model thinks comes on top`,
  };
}
