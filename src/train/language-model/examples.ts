import type { ForecastRequest, Kernel, LanguageModelAbilities, Recording, Split } from "../../domain/index.ts";
import { judgingRequests, type AskOptions } from "../../evaluate/judge-forecaster.ts";
import { settingsOf, type LlmForecasterOptions } from "../../forecast/llm/options.ts";
import { PromptWriter, type LabelledKernel } from "../../forecast/llm/prompt/prompt-writer.ts";
import { promptHash } from "../../forecast/llm/prompt-hash.ts";
import {
  binAnswer,
  confirmedTruth,
  doublingsAnswer,
  quantilesAnswer,
  taughtSureness,
  type LabelledTruth,
  type Spread,
  type Told,
} from "./answers.ts";
import { comparisonReason } from "./reasons.ts";

/** Forms that a model can be taught. */
export const taughtForms = ["quantiles", "doublings", "bins-logprobs"] as const;

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
  /** Kernels of a list, by turns over the draws; without any as `asked` has it. */
  readonly lists?: readonly number[] | undefined;
  readonly seed: number;
}

/** The examples of one task; its sources are to be sanitised before. */
export function taskExamples(
  recording: Recording,
  place: { readonly taskId: string; readonly split: Split },
  options: ExampleOptions,
): TrainingExample[] {
  const { draws, lists, asked } = options;
  return Array.from({ length: draws }, (_, draw) => draw).flatMap((draw) => {
    const seed = options.seed + draw;
    const list = lists?.[draw % lists.length];
    const own = { ...options, seed, asked: list === undefined ? asked : { ...asked, list } };
    return judgingRequests(recording, { ...own, taskId: place.taskId }).flatMap((request) =>
      requestExamples(recording, place.split, confirmed(recording, request), own),
    );
  });
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
    const told = toldOf(request, list, scale.label, { asked, spread, seed });
    const taught = { truths: kernels, scaleLog2Us, told };
    const answers = {
      quantiles: () => quantilesAnswer(taught),
      doublings: () => doublingsAnswer(taught),
      "bins-logprobs": () => binAnswer(kernels[0]?.log2Us ?? null, scale),
    };
    const answer = answers[form]();
    const about = { taskId, family, split, form };
    return { promptSha256: promptHash(asking), ...about, system, prompt, answer, anchorIds, scaleLog2Us, kernels };
  });
}

/** What is said of a list's kernels besides their truth. */
function toldOf(
  { task, anchors: [first], evidence }: ForecastRequest,
  list: readonly LabelledKernel[],
  scaleLabel: string,
  { asked, spread, seed }: Pick<ExampleOptions, "asked" | "spread" | "seed">,
): Told {
  const sureness = (kernelId: string) => taughtSureness(spread, kernelId, seed);
  if (asked.reasons !== "short" || !first) return { sureness };
  const measured = { kernel: first.kernel, evidence: first.measurement.evidence };
  const kernels = new Map(list.map(({ kernel }) => [kernel.kernelId, kernel]));
  return {
    sureness,
    reason(kernelId) {
      const kernel = kernels.get(kernelId) as Kernel;
      return comparisonReason({ kernel, evidence: evidence?.get(kernelId) }, measured, scaleLabel, task.workload.sizes);
    },
  };
}

/** Those of a GGUF file, which prompts are the same for. */
function abilities(contextTokens: number): LanguageModelAbilities {
  const price = { inputUsd: 0, cachedInputUsd: 0, outputUsd: 0, asOf: "2026-11-26" };
  return { schemas: true, logprobs: 20, promptCaching: true, contextTokens, price };
}
