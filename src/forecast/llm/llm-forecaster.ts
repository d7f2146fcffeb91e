import {
  KernelcastError,
  type Forecast,
  type ForecastAnswer,
  type Forecaster,
  type ForecastFailure,
  type ForecastRequest,
  type LanguageModel,
} from "../../domain/index.ts";
import { askList, type ListResult } from "./ask-list.ts";
import type { Form } from "./form.ts";
import { settingsOf, type LlmForecasterOptions, type LlmSettings } from "./options.ts";
import { PromptWriter, type LabelledKernel } from "./prompt/prompt-writer.ts";

/**
 * Forecasts by a language model, which reads the sources it is given as they are: wrap it so that they are sanitised. Answers are
 * validated and asked for once more; what is still wrong is among the answer's `failures`. Closing it closes the model. Throws
 * `KernelcastError("model", …)` where the model cannot do what the form needs, and rejects with it where no call can work.
 */
export function createLlmForecaster(model: LanguageModel, options: LlmForecasterOptions = {}): Forecaster {
  const settings = settingsOf(options);
  const { form } = settings;
  if (form.logprobs !== undefined && model.abilities.logprobs === 0) {
    throw new KernelcastError(
      "model",
      `${model.name} gives no log probabilities, which the form ${form.name} needs; use form=bins or form=quantiles`,
    );
  }
  return {
    name: nameOf(model, settings),
    forecast: (request, signal) => forecastAll(model, settings, request, signal),
    close: async () => model.close?.(),
  };
}

/** By what it is and how it is asked, where that is not as usual: trust is earned, and answers are kept, by name. */
function nameOf({ name }: LanguageModel, { form, reasons }: LlmSettings): string {
  const unusual = [
    ...(form.name === "quantiles" ? [] : [`form=${form.name}`]),
    ...(reasons === "none" ? [] : [`reasons=${reasons}`]),
  ];
  return unusual.length === 0 ? name : `${name}?${unusual.join("&")}`;
}

async function forecastAll(
  model: LanguageModel,
  settings: LlmSettings,
  request: ForecastRequest,
  signal: AbortSignal | undefined,
): Promise<ForecastAnswer> {
  signal?.throwIfAborted();
  if (request.candidates.length === 0) return { forecasts: [], cost: { cpuSeconds: 0, tokens: 0, usd: 0 } };
  const { form, concurrency } = settings;
  if (form.needsScale && request.anchors.length === 0) {
    throw new KernelcastError("internal", `the form ${form.name} needs a measured kernel`);
  }
  const started = process.cpuUsage();
  const writer = new PromptWriter(request, settings, model.abilities);
  const asker = { model, form, writer, signal };
  const jobs = writer.lists.flatMap((kernels) =>
    Array.from({ length: form.samples }, (_, sample) => ({ kernels, sample })),
  );
  const results = await inLanes(jobs, concurrency, ({ kernels, sample }) => askList(asker, kernels, sample));
  refuseSilence(model, results);
  const { user, system } = process.cpuUsage(started);
  return gather(form, writer.lists.flat(), results, (user + system) / 1e6);
}

/** A host that nobody reached is a mistake of the user's, not of a kernel. */
function refuseSilence(model: LanguageModel, results: readonly ListResult[]): void {
  const failures = results.flatMap((one) => [...one.failures.values()]);
  const isSilent = results.every(({ readings }) => readings.size === 0);
  const [first] = failures;
  if (first && isSilent && failures.every(({ kind }) => kind === "unreachable")) {
    throw new KernelcastError("model", `${model.name}: ${first.message}`);
  }
}

/** Runs jobs with so many under way; after one rejects no other is begun. */
async function inLanes<T, R>(jobs: readonly T[], lanes: number, work: (job: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  let isBroken = false;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < jobs.length && !isBroken; index = next++) {
      try {
        results[index] = await work(jobs[index] as T);
      } catch (cause) {
        isBroken = true;
        throw cause;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, jobs.length) }, lane));
  return results;
}

function gather(
  form: Form,
  kernels: readonly LabelledKernel[],
  results: readonly ListResult[],
  cpuSeconds: number,
): ForecastAnswer {
  const forecasts: Forecast[] = [];
  const failures: ForecastFailure[] = [];
  const prompts = new Map<string, string>();
  for (const { label, kernel } of kernels) {
    const { kernelId } = kernel;
    const read = results.flatMap(({ readings }) => readings.get(label) ?? []);
    const belief = read.length > 0 ? form.combine(read.map(({ reading }) => reading)) : undefined;
    if (belief && read[0]) {
      forecasts.push({ kernelId, ...belief });
      prompts.set(kernelId, read[0].promptSha256);
      continue;
    }
    const failed = results.flatMap((one) => one.failures.get(label) ?? []);
    const { kind: fault, message } = failed[0] ?? { kind: "missing", message: `${label} is missing` };
    failures.push({ kernelId, fault, message });
  }
  const faults: Record<string, number> = {};
  for (const kind of results.flatMap((one) => one.faults)) faults[kind] = (faults[kind] ?? 0) + 1;
  const sum = (part: "tokens" | "usd" | "savedTokens" | "savedUsd"): number =>
    results.reduce((total, one) => total + one[part], 0);
  const saved = { tokens: sum("savedTokens"), usd: sum("savedUsd") };
  const cost = { cpuSeconds, tokens: sum("tokens"), usd: sum("usd"), ...(saved.tokens > 0 ? { saved } : {}) };
  return { forecasts, cost, failures, faults, prompts };
}
