import type { GenerateRequest, ModelPrice, TokenUsage } from "../domain/index.ts";

/** Usage with the tokens that a provider wrote to its cache, which cost more than plain input. */
export interface BilledUsage extends TokenUsage {
  readonly cacheWriteTokens: number;
}

export const noUsage: BilledUsage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, cacheWriteTokens: 0 };

/** Writing to the cache costs a quarter more than input, at OpenAI (since GPT-5.6) and Anthropic alike. */
const cacheWriteFactor = 1.25;

/** What a call cost; undefined where the price is not known. */
export function usdOf(usage: BilledUsage, price: ModelPrice | undefined): number | undefined {
  if (!price) return undefined;
  const plain = Math.max(0, usage.inputTokens - usage.cachedInputTokens - usage.cacheWriteTokens);
  const input = (plain + usage.cacheWriteTokens * cacheWriteFactor) * price.inputUsd;
  return (input + usage.cachedInputTokens * price.cachedInputUsd + usage.outputTokens * price.outputUsd) / 1e6;
}

/** Tokens of the frame that a chat template puts around messages, generously. */
const frameTokens = 64;

/**
 * The most tokens that a request can use. No tokeniser in use makes more tokens of a text than it has bytes of UTF-8, so the
 * bound holds for every model; real usage of code is about a third of it.
 */
export function worstCase(request: GenerateRequest, maxOutputTokens: number): BilledUsage {
  const schema = request.schema ? JSON.stringify(request.schema) : "";
  const bytes = [request.system, request.prompt, schema].map((text) => Buffer.byteLength(text));
  const inputTokens = bytes.reduce((sum, length) => sum + length, frameTokens);
  return { inputTokens, cachedInputTokens: 0, cacheWriteTokens: inputTokens, outputTokens: maxOutputTokens };
}

/** What a request will probably use, for the rate of tokens: four bytes of input a token, and half of the answer's allowance. */
export function likelyTokens(request: GenerateRequest): number {
  return Math.ceil((request.system.length + request.prompt.length) / 4 + request.maxTokens / 2);
}
