import { resolve } from "node:path";
import { KernelcastError } from "../../domain/index.ts";
import type { View } from "../../evaluate/plan-view.ts";
import { parseLlmSpecification } from "../../forecast/llm/options.ts";
import { recordedDeviceInfo } from "../../measure/recorded-device-figures.ts";
import { taughtForms, type TaughtForm } from "../../train/language-model/examples.ts";
import type { Spread } from "../../train/language-model/answers.ts";
import { writeTrainingData, type SplitCount } from "../../train/language-model/training-data.ts";
import { openJudged } from "../evaluate-recording.ts";

/** What a user asks of `kernelcast train data`. */
export interface TrainingDataRequest {
  readonly recording: string;
  readonly tasks?: readonly string[] | undefined;
  readonly device?: string | undefined;
  readonly out: string;
  /** How the model is asked, as after the question mark of `--forecaster gguf:FILE?…`. */
  readonly asked: string;
  readonly view: View;
  readonly evidence: boolean;
  readonly perTask?: number | undefined;
  readonly contextTokens: number;
  readonly spread: Spread;
  readonly draws: number;
  readonly seed: number;
  readonly cwd: string;
}

/** Writes prompts with their answers for training, from the kernels of a recording, with sanitised sources. */
export async function exportTrainingData(request: TrainingDataRequest): Promise<readonly SplitCount[]> {
  const { form = "quantiles", seed: _seed, ...asked } = parseLlmSpecification(`model?${request.asked}`).options;
  if (!taughtForms.some((one) => one === form)) {
    throw new KernelcastError(
      "usage",
      `--asked ${request.asked}: models are taught the forms ${taughtForms.join(", ")}`,
    );
  }
  const { recording: path, tasks, device: named, out, view, evidence, perTask, cwd } = request;
  const opened = await openJudged({ recording: path, tasks, split: "all", device: named, sources: "sanitised" });
  const { contextTokens, spread, draws, seed } = request;
  return writeTrainingData(resolve(cwd, out), opened.recording, opened.taskIds, {
    device: recordedDeviceInfo(opened.recording, opened.device),
    form: form as TaughtForm,
    asked,
    view,
    evidence,
    ...(perTask === undefined ? {} : { perTask }),
    contextTokens,
    spread,
    draws,
    seed,
  });
}
