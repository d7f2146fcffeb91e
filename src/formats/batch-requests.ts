/** Prompts as files for the batch services of providers, or for whoever answers them. */
import type { BatchRequest } from "../domain/index.ts";
import type { EncodedFile } from "./write-files.ts";

export const batchFormats = ["openai", "anthropic", "plain"] as const;

export type BatchFormat = (typeof batchFormats)[number];

/**
 * A batch as the text of one file. `openai`: JSON Lines of requests to chat completions. `anthropic`: the body of one request to the
 * message batches, which is JSON, with a request a line. `plain`: JSON Lines of `{custom_id, system, prompt, schema?, max_tokens}`.
 */
export function encodeBatch(requests: readonly BatchRequest[], format: BatchFormat, model: string): string {
  const lines = requests.map((one) => JSON.stringify(encoders[format](one, model)));
  if (format === "anthropic") return `{"requests": [\n${lines.join(",\n")}\n]}\n`;
  return lines.map((line) => `${line}\n`).join("");
}

type Encoder = (request: BatchRequest, model: string) => object;

const encoders: Readonly<Record<BatchFormat, Encoder>> = { openai: toOpenAi, anthropic: toAnthropic, plain: toPlain };

function toOpenAi({ customId, request }: BatchRequest, model: string): object {
  const { system, prompt, schema, maxTokens, temperature, seed, logprobs } = request;
  return {
    custom_id: customId,
    method: "POST",
    url: "/v1/chat/completions",
    body: {
      model,
      messages: [
        { role: "system", content: system },
        { role: "user", content: prompt },
      ],
      max_completion_tokens: maxTokens,
      ...(schema
        ? { response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } } }
        : {}),
      ...(temperature === undefined ? {} : { temperature }),
      ...(seed === undefined ? {} : { seed }),
      ...(logprobs === undefined ? {} : { logprobs: true, top_logprobs: logprobs }),
    },
  };
}

function toAnthropic({ customId, request }: BatchRequest, model: string): object {
  const { system, prompt, maxTokens, temperature } = request;
  return {
    custom_id: customId,
    params: {
      model,
      max_tokens: maxTokens,
      system,
      messages: [{ role: "user", content: prompt }],
      ...(temperature === undefined ? {} : { temperature }),
    },
  };
}

function toPlain({ customId, request }: BatchRequest): object {
  const { system, prompt, schema, maxTokens, temperature, logprobs } = request;
  return {
    custom_id: customId,
    system,
    prompt,
    ...(schema ? { schema } : {}),
    max_tokens: maxTokens,
    ...(temperature === undefined ? {} : { temperature }),
    ...(logprobs === undefined ? {} : { logprobs }),
  };
}

/** A batch as a folder of texts, a file a prompt, for a reader who has nothing but them. */
export function encodeBatchFolder(requests: readonly BatchRequest[]): EncodedFile[] {
  return requests.map(({ customId, request: { system, prompt } }) => ({
    name: `${customId}${promptSuffix}`,
    content: `${system}\n\n${prompt}\n`,
  }));
}

const promptSuffix = ".prompt.txt";
/** How the answers to a folder's prompts are named, after the prompt's id. */
export const answerSuffixes = [".answer.json", ".answer.txt"] as const;
