import type { LanguageModelAbilities, ModelPrice } from "../domain/index.ts";
import { parseModelSpecification, type HostedProvider } from "./specification.ts";

/**
 * What the hosted models can do and what they cost, in US dollars for a million tokens at list price, each with the day on which it
 * was read. From developers.openai.com/api/docs/pricing, platform.claude.com/docs/en/about-claude/pricing and
 * ai.google.dev/gemini-api/docs/pricing, as quoted by those who read them on these days. Where a model costs more beyond a
 * length of prompt, `contextTokens` is that length, so that the price given holds. Where no price of cached input was read, it
 * is that of input. A model that is not here has no price.
 */
export interface KnownModel {
  readonly contextTokens: number;
  /** Thinks before it answers, out of the same allowance of tokens. */
  readonly thinks: boolean;
  readonly logprobs: number;
  readonly price: ModelPrice;
}

type Row = readonly [contextTokens: number, thinks: boolean, logprobs: number, price: ModelPrice];

const perMillion = (inputUsd: number, cachedInputUsd: number, outputUsd: number, asOf: string): ModelPrice => ({
  inputUsd,
  cachedInputUsd,
  outputUsd,
  asOf,
});

const openai: Readonly<Record<string, Row>> = {
  "gpt-6.2-astra": [272_000, true, 0, perMillion(8, 0.4, 40, "2026-11-18")],
  "gpt-6.2-sol": [272_000, true, 0, perMillion(2, 0.1, 10, "2026-11-18")],
  "gpt-6.1-sol": [272_000, true, 0, perMillion(2, 0.1, 10, "2026-10-01")],
  "gpt-6.1-terra": [272_000, true, 0, perMillion(1, 0.05, 5, "2026-10-27")],
  "gpt-6-astra": [272_000, true, 0, perMillion(10, 1, 50, "2026-09-07")],
  "gpt-6-sol": [272_000, true, 0, perMillion(2, 0.2, 10, "2026-09-23")],
  "gpt-6-luna": [272_000, true, 0, perMillion(0.1, 0.01, 0.5, "2026-09-23")],
  "gpt-5.6-sol": [272_000, true, 0, perMillion(5, 0.5, 30, "2026-08-01")],
  "gpt-5.6-terra": [272_000, true, 0, perMillion(2, 0.2, 12, "2026-08-01")],
  "gpt-5.6-luna": [272_000, true, 0, perMillion(0.2, 0.02, 1.2, "2026-08-01")],
  "gpt-5.5": [272_000, true, 0, perMillion(5, 0.5, 30, "2026-06-04")],
  "gpt-5.4": [272_000, true, 0, perMillion(2.5, 0.25, 15, "2026-06-04")],
  "gpt-5.4-mini": [272_000, true, 0, perMillion(0.75, 0.075, 4.5, "2026-06-04")],
  "gpt-5.4-nano": [272_000, true, 0, perMillion(0.2, 0.02, 1.25, "2026-06-04")],
  "gpt-5": [272_000, true, 0, perMillion(1.25, 0.125, 10, "2026-03-21")],
  "gpt-5-mini": [272_000, true, 0, perMillion(0.25, 0.25, 2, "2026-03-21")],
  "gpt-5-nano": [272_000, true, 0, perMillion(0.05, 0.05, 0.4, "2026-03-21")],
  "gpt-4.1": [1_000_000, false, 20, perMillion(2, 0.5, 8, "2026-06-21")],
  "gpt-4.1-mini": [1_000_000, false, 20, perMillion(0.4, 0.1, 1.6, "2026-06-21")],
  "gpt-4.1-nano": [1_000_000, false, 20, perMillion(0.1, 0.1, 0.4, "2026-04-01")],
  "gpt-4o": [128_000, false, 20, perMillion(2.5, 1.25, 10, "2026-05-01")],
  "gpt-4o-mini": [128_000, false, 20, perMillion(0.15, 0.075, 0.6, "2026-05-01")],
};

const anthropic: Readonly<Record<string, Row>> = {
  "claude-fable-5-1": [1_000_000, true, 0, perMillion(10, 0.25, 50, "2026-10-24")],
  "claude-opus-5-5": [1_000_000, true, 0, perMillion(4, 0.2, 20, "2026-10-24")],
  "claude-opus-5": [1_000_000, true, 0, perMillion(5, 0.5, 25, "2026-10-24")],
  "claude-sonnet-5-5": [1_000_000, true, 0, perMillion(2, 0.1, 10, "2026-10-24")],
  "claude-sonnet-5": [1_000_000, true, 0, perMillion(2, 0.2, 10, "2026-10-24")],
  "claude-sonnet-4-6": [200_000, false, 0, perMillion(3, 0.3, 15, "2026-10-24")],
  "claude-sonnet-4-5": [200_000, false, 0, perMillion(3, 0.3, 15, "2026-10-24")],
  "claude-haiku-5-5": [100_000, true, 0, perMillion(0.1, 0.01, 0.5, "2026-10-24")],
  "claude-haiku-4-5": [200_000, false, 0, perMillion(1, 0.1, 5, "2026-10-24")],
};

const google: Readonly<Record<string, Row>> = {
  "gemini-3.8-flash": [1_048_576, true, 0, perMillion(0.75, 0.075, 3.75, "2026-10-07")],
  "gemini-3.5-flash": [1_048_576, true, 0, perMillion(1.5, 1.5, 9, "2026-10-07")],
  "gemini-3.5-flash-lite": [1_048_576, true, 0, perMillion(0.3, 0.3, 2.5, "2026-10-07")],
  "gemini-3.1-pro-preview": [200_000, true, 0, perMillion(2, 2, 12, "2026-10-07")],
};

const later: Readonly<Record<string, ModelPrice & { readonly from: string }>> = {
  "gemini-3.8-flash": { ...perMillion(1.5, 0.15, 7.5, "2026-10-07"), from: "2027-01-01" },
};

const tables = { openai, anthropic, google };

/** What is known of a hosted model; a name with a date behind it is its family's. `today`: YYYY-MM-DD. */
export function knownModel(provider: HostedProvider, model: string, today: string): KnownModel | undefined {
  const name = model.replace(/-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$/, "");
  const row = Object.hasOwn(tables[provider], name) ? tables[provider][name] : undefined;
  if (!row) return undefined;
  const [contextTokens, thinks, logprobs, listed] = row;
  const change = later[name];
  const price = change && today >= change.from ? withoutDay(change) : listed;
  return { contextTokens, thinks, logprobs, price };
}

/** What a batch of `provider:model` costs, which is half of the list price; undefined where that is not known. */
export function batchPrice(text: string, today: string): ModelPrice | undefined {
  const specification = parseModelSpecification(text);
  if (!("model" in specification) || specification.provider === "openai-compatible") return undefined;
  const price = knownModel(specification.provider, specification.model, today)?.price;
  if (!price) return undefined;
  const { inputUsd, cachedInputUsd, outputUsd, asOf } = price;
  return { inputUsd: inputUsd / 2, cachedInputUsd: cachedInputUsd / 2, outputUsd: outputUsd / 2, asOf };
}

/** Of a hosted model that the table lacks, the abilities that all of its provider's current models have. */
export function hostedAbilities(known: KnownModel | undefined): LanguageModelAbilities {
  return {
    schemas: true,
    logprobs: known?.logprobs ?? 0,
    promptCaching: true,
    contextTokens: known?.contextTokens,
    price: known?.price,
  };
}

function withoutDay({ from: _from, ...price }: ModelPrice & { readonly from: string }): ModelPrice {
  return price;
}
