import type { ForecastRequest, LanguageModelAbilities, Recording, Split } from "../../domain/index.ts";
import { judgingRequests, type AskOptions } from "../../evaluate/judge-forecaster.ts";
import { settingsOf, type LlmForecasterOptions } from "../../forecast/llm/options.ts";
import { PromptWriter } from "../../forecast/llm/prompt/prompt-writer.ts";
import { promptHash } from "../../forecast/llm/prompt-hash.ts";
import {
  binAnswer,
  confirmedTruth,
  quantilesAnswer,
  taughtSureness,
  type LabelledTruth,
  type Spread,
} from "./answers.ts";

/** Forms that a model can be taught. */
export const taughtForms = ["quantiles", "bins-logprobs"] as const;

export type TaughtForm = (typeof taughtForms)[number];

/** One prompt, as a forecaster with the same options would ask it, and what is true. */
export interface TrainingExample {
  readonly promptSha256: string;
  readonly taskId: string;
  readonly family: string;
  readonly split: Split;
  readonly form: TaughtForm;
  readonly system: string;
  readonly prompt: string;
  /** What a model is taught to say. */
  readonly answer: string;
  readonly anchorIds: readonly string[];
  /** log2 µs of the measured kernel that is shown first. */
  readonly scaleLog2Us: number;
  readonly kernels: readonly LabelledTruth[];
}

export interface ExampleOptions extends Omit<AskOptions, "taskId" | "seed"> {
  readonly form: TaughtForm;
  /** As in `--forecaster MODEL?…`. */
  readonly asked: Omit<LlmForecasterOptions, "form" | "seed">;
  readonly contextTokens: number;
  readonly spread: Spread;
  /** Times that every task is gone through: other orders, labels, anchors and samples each time. */
  readonly draws: number;
  readonly seed: number;
}

/** The examples of one task; its sources are to be sanitised before. */
export function taskExamples(
  recording: Recording,
  place: { readonly taskId: string; readonly split: Split },
  options: ExampleOptions,
): TrainingExample[] {
  return Array.from({ length: options.draws }, (_, draw) => options.seed + draw).flatMap((seed) =>
    judgingRequests(recording, { ...options, taskId: place.taskId, seed }).flatMap((request) =>
      requestExamples(recording, place.split, confirmed(recording, request), { ...options, seed }),
    ),
  );
}

/** The request without what no two passes agree on; without anchors it is none. */
function confirmed(recording: Recording, request: ForecastRequest): ForecastRequest {
  const measurements = recording.measurements(request.task.taskId, request.device.name);
  const isTrue = (kernelId: string): boolean => {
    const measurement = measurements.get(kernelId);
    return measurement !== undefined && confirmedTruth(measurement) !== undefined;
  };
  return {
    ...request,
    anchors: request.anchors.filter(({ kernel }) => isTrue(kernel.kernelId)),
    candidates: request.candidates.filter(({ kernelId }) => isTrue(kernelId)),
  };
}

function requestExamples(
  recording: Recording,
  split: Split,
  request: ForecastRequest,
  { form, asked, contextTokens, spread, seed }: ExampleOptions,
): TrainingExample[] {
  if (request.anchors.length === 0 || request.candidates.length === 0) return [];
  const { task, anchors, device } = request;
  const { taskId, family } = task;
  const measurements = recording.measurements(taskId, device.name);
  const writer = new PromptWriter(request, settingsOf({ ...asked, form, seed }), abilities(contextTokens));
  const { scale } = writer;
  if (!scale) return [];
  const anchorIds = anchors.map(({ kernel }) => kernel.kernelId);
  return writer.lists.map((list): TrainingExample => {
    const kernels = list.map(({ label, kernel: { kernelId } }): LabelledTruth => {
      const measurement = measurements.get(kernelId);
      return { label, kernelId, log2Us: (measurement && confirmedTruth(measurement)) ?? null };
    });
    const asking = writer.write(list, 0);
    const { system, prompt } = asking;
    const scaleLog2Us = scale.log2Us;
    const answer =
      form === "quantiles"
        ? quantilesAnswer(kernels, scaleLog2Us, (kernelId) => taughtSureness(spread, kernelId, seed))
        : binAnswer(kernels[0]?.log2Us ?? null, scale);
    const about = { taskId, family, split, form };
    return { promptSha256: promptHash(asking), ...about, system, prompt, answer, anchorIds, scaleLog2Us, kernels };
  });
}

/** Those of a GGUF file, which prompts are the same for. */
function abilities(contextTokens: number): LanguageModelAbilities {
  const price = { inputUsd: 0, cachedInputUsd: 0, outputUsd: 0, asOf: "2026-11-26" };
  return { schemas: true, logprobs: 20, promptCaching: true, contextTokens, price };
}
