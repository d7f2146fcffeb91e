import type { Forecaster, LanguageModelCall, Recording } from "../../src/domain/index.ts";
import { judgeForecaster, type AskOptions, type JudgedAnswers } from "../../src/evaluate/judge-forecaster.ts";
import { constantPOk, constantPrior } from "../../src/forecast/baseline/baseline-forecaster.ts";

/** What the calls for one form came to. */
export interface CallTally {
  repairs: number;
  sent: number;
  kept: number;
  inputTokens: number;
  /** Of these, what the model remembered from the prompt before and did not read again. */
  cachedInputTokens: number;
  outputTokens: number;
}

export function tally(calls: CallTally, { purpose, kept, usage, attempts }: LanguageModelCall): void {
  if (purpose === "forecast-repair") calls.repairs += 1;
  if (kept) calls.kept += 1;
  calls.sent += attempts;
  calls.inputTokens += usage.inputTokens;
  calls.cachedInputTokens += usage.cachedInputTokens;
  calls.outputTokens += usage.outputTokens;
}

interface LaneOptions extends Omit<AskOptions, "taskId"> {
  readonly taskIds: readonly string[];
  readonly lanes: number;
}

interface Asked {
  readonly judged: readonly JudgedAnswers[];
  /** Kernels that stayed without a forecast, by fault. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Asks for several tasks at once, each in its own lane: within a task prompts begin alike, so that they come one after the other. */
export async function askInLanes(
  forecaster: Forecaster,
  recording: Recording,
  { taskIds, lanes, ...options }: LaneOptions,
): Promise<Asked> {
  const failures: Record<string, number> = {};
  const counting: Forecaster = {
    name: forecaster.name,
    forecast: async (request, signal) => {
      const answer = await forecaster.forecast(request, signal);
      for (const { fault } of answer.failures ?? []) failures[fault] = (failures[fault] ?? 0) + 1;
      return answer;
    },
  };
  const judged = new Map<string, JudgedAnswers>();
  const waiting = taskIds.values();
  const prior = { ...constantPrior, pOk: constantPOk };
  // The lanes take from one iterator.
  const lane = async (): Promise<void> => {
    for (const taskId of waiting) {
      const answers = await judgeForecaster(counting, recording, { ...options, taskId, prior });
      if (answers) judged.set(taskId, answers);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { judged: taskIds.flatMap((taskId) => judged.get(taskId) ?? []), failures };
}
