import type {
  GenerateOutcome,
  GenerateRequest,
  GenerationFailure,
  LanguageModel,
  LanguageModelAbilities,
  TokenUsage,
} from "../domain/index.ts";

export type ScriptedAnswer = string | Pick<GenerationFailure, "fault" | "message">;

/** A language model that answers from a function, and keeps what it was asked. A token is four characters. */
export interface ScriptedLanguageModel extends LanguageModel {
  readonly requests: readonly GenerateRequest[];
}

/** For tests of what asks language models, without one. `answer` gets the request and how many came before. */
export function scriptedLanguageModel(
  answer: (request: GenerateRequest, call: number) => ScriptedAnswer,
  abilities: Partial<LanguageModelAbilities> = {},
): ScriptedLanguageModel {
  const requests: GenerateRequest[] = [];
  return {
    name: "scripted:model",
    abilities: {
      schemas: true,
      logprobs: 0,
      promptCaching: false,
      contextTokens: undefined,
      price: undefined,
      ...abilities,
    },
    requests,
    async generate(request, signal): Promise<GenerateOutcome> {
      signal?.throwIfAborted();
      const given = answer(request, requests.length);
      requests.push(request);
      const inputTokens = Math.ceil((request.system.length + request.prompt.length) / 4);
      if (typeof given !== "string") return { kind: "failed", ...given, usage: usageOf(inputTokens, 0), usd: 0 };
      const usage = usageOf(inputTokens, Math.ceil(given.length / 4));
      return { kind: "text", text: given, usage, usd: 0, latencySeconds: 0, kept: false };
    },
  };
}

function usageOf(inputTokens: number, outputTokens: number): TokenUsage {
  return { inputTokens, cachedInputTokens: 0, outputTokens };
}
