import type {
  BatchAnswer,
  BatchRequest,
  GenerateOutcome,
  GenerateRequest,
  LanguageModel,
  LanguageModelAbilities,
  ModelPrice,
  TokenUsage,
} from "../../domain/index.ts";
import { promptHash } from "./prompt-hash.ts";

export interface BatchModelOptions {
  readonly name: string;
  /** By hash of the prompt. */
  readonly answers: ReadonlyMap<string, BatchAnswer>;
  readonly contextTokens?: number;
  /** Price of a batch, where it is known; providers ask half of the list price. */
  readonly price?: ModelPrice;
}

/** A model whose answers come in files. What it is asked and has no answer to is `pending`: the next batch. */
export interface BatchModel extends LanguageModel {
  readonly pending: ReadonlyMap<string, BatchRequest>;
  /** Hashes of the prompts that it was asked. */
  readonly asked: ReadonlySet<string>;
}

const defaultContext = 200_000;

/** Message of a prompt without an answer. */
export const unansweredMessage = "the batch has no answer to its prompt yet";

/** The prompts do not depend on the price, so that a batch is the same whenever it is read. */
export function createBatchModel({ name, answers, contextTokens, price }: BatchModelOptions): BatchModel {
  const pending = new Map<string, BatchRequest>();
  const asked = new Set<string>();
  const abilities: LanguageModelAbilities = {
    schemas: true,
    logprobs: 20,
    promptCaching: false,
    contextTokens: contextTokens ?? defaultContext,
    price: undefined,
  };
  return {
    name,
    abilities,
    pending,
    asked,
    async generate(request: GenerateRequest, signal?: AbortSignal): Promise<GenerateOutcome> {
      signal?.throwIfAborted();
      const customId = promptHash(request);
      asked.add(customId);
      const answer = answers.get(customId);
      if (answer) return toOutcome({ ...answer, usage: usageOf(answer, request) }, price);
      pending.set(customId, { customId, request });
      const usage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
      return { kind: "failed", fault: "other", message: unansweredMessage, usage, usd: undefined };
    },
  };
}

/** Characters of a token, where the answer does not tell how many tokens it took. */
const charactersPerToken = 4;

function usageOf(answer: BatchAnswer, { system, prompt }: GenerateRequest): TokenUsage {
  const { usage } = answer;
  if ("fault" in answer || usage.inputTokens + usage.outputTokens > 0) return usage;
  return {
    inputTokens: Math.ceil((system.length + prompt.length) / charactersPerToken),
    cachedInputTokens: 0,
    outputTokens: Math.ceil(answer.text.length / charactersPerToken),
  };
}

function toOutcome(answer: BatchAnswer, price: ModelPrice | undefined): GenerateOutcome {
  const usd = price && usdOf(answer.usage, price);
  if ("fault" in answer) return { kind: "failed", ...answer, usd };
  return { kind: "text", ...answer, usd, latencySeconds: 0, kept: false };
}

function usdOf({ inputTokens, cachedInputTokens, outputTokens }: TokenUsage, price: ModelPrice): number {
  const fresh = inputTokens - cachedInputTokens;
  return (fresh * price.inputUsd + cachedInputTokens * price.cachedInputUsd + outputTokens * price.outputUsd) / 1e6;
}
