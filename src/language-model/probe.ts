import { z } from "zod";
import {
  KernelcastError,
  type GenerateRequest,
  type LanguageModelAbilities,
  type ModelPrice,
} from "../domain/index.ts";
import { redact } from "./keys.ts";

/** The system prompt of a probe, by which a server in a test may know one. */
export const probeSystem = "This is a probe of what the server can do. Answer as briefly as you can.";

const probeSchema = {
  type: "object",
  properties: { word: { type: "string", enum: ["kernelcast"] } },
  required: ["word"],
  additionalProperties: false,
} as const;

const mostLogprobs = 20;

/** Sends one request, as the caller's limits and budget have it; undefined for one that the server refused for what it asks. */
export type ProbeCall = (
  request: GenerateRequest,
  abilities: LanguageModelAbilities,
) => Promise<{ readonly text: string; readonly alternatives: number } | undefined>;

/**
 * Asks a server what its model can do: whether an answer keeps to a schema that the prompt does not tell of, and how many
 * alternatives of a token it gives. `listed`: what the server's list of models says.
 */
export async function probeAbilities(call: ProbeCall, listed: ListedModel): Promise<LanguageModelAbilities> {
  const all: LanguageModelAbilities = {
    schemas: true,
    logprobs: mostLogprobs,
    promptCaching: false,
    contextTokens: listed.contextTokens,
    price: listed.price,
  };
  const base = { purpose: "probe", system: probeSystem, prompt: "Say hello.", temperature: 0 };
  const held = await call({ ...base, schema: probeSchema, maxTokens: 64 }, all);
  let logprobs = 0;
  for (const asked of [mostLogprobs, 5]) {
    const answer = await call({ ...base, maxTokens: 1, logprobs: asked }, all);
    logprobs = Math.max(logprobs, answer?.alternatives ?? 0);
    if (answer) break;
  }
  return { ...all, schemas: held !== undefined && keepsToSchema(held.text), logprobs };
}

function keepsToSchema(text: string): boolean {
  try {
    return (JSON.parse(text) as { readonly word?: unknown } | null)?.word === "kernelcast";
  } catch {
    return false;
  }
}

export interface ListedModel {
  readonly contextTokens: number | undefined;
  readonly price: ModelPrice | undefined;
}

const perToken = z.coerce.number().nonnegative();
const modelList = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      max_model_len: z.number().nullish(),
      context_length: z.number().nullish(),
      meta: z.object({ n_ctx: z.number().nullish() }).nullish(),
      pricing: z
        .object({ prompt: perToken, completion: perToken, input_cache_read: perToken.nullish() })
        .nullish()
        .catch(undefined),
    }),
  ),
});

/**
 * What a compatible server's list says of a model: its context (vLLM, OpenRouter and llama.cpp each in their own field) and
 * price. Servers without such a list say nothing; an unreachable one is told of by the first call.
 */
export async function readModelList(
  { baseUrl, model }: { readonly baseUrl: string; readonly model: string },
  key: string | undefined,
  today: string,
  seconds: number,
): Promise<ListedModel> {
  const nothing = { contextTokens: undefined, price: undefined };
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  try {
    const response = await fetch(`${baseUrl}/models`, { headers, signal: AbortSignal.timeout(seconds * 1000) });
    const list = modelList.safeParse(await response.json());
    const found = list.data?.data.find(({ id }) => id === model || id === `${model}:latest`);
    if (!found) return nothing;
    const { pricing } = found;
    return {
      contextTokens: found.max_model_len ?? found.context_length ?? found.meta?.n_ctx ?? undefined,
      price: pricing
        ? {
            inputUsd: pricing.prompt * 1e6,
            cachedInputUsd: (pricing.input_cache_read ?? pricing.prompt) * 1e6,
            outputUsd: pricing.completion * 1e6,
            asOf: today,
          }
        : undefined,
    };
  } catch {
    return nothing;
  }
}

/** A fault of a probe that would be every call's fault. */
export function probeFailure(message: string, key: string | undefined): KernelcastError {
  return new KernelcastError("model", redact(message, key));
}
