/** Answers of a batch: JSON Lines in the format of OpenAI, of Anthropic, or plain, told apart line by line. */
import { z } from "zod";
import type { BatchAnswer, GenerationFault, TokenUsage } from "../domain/index.ts";

export interface ReadBatch {
  readonly answers: ReadonlyMap<string, BatchAnswer>;
  /** One line for each line of the file that is of no use. */
  readonly faults: readonly string[];
}

const count = z.number().int().min(0).catch(0);
const choice = z.object({ token: z.string(), logprob: z.number() });

const openAiLine = z.object({
  custom_id: z.string(),
  error: z.object({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
  response: z
    .object({
      status_code: z.number().nullish(),
      body: z.object({
        error: z.object({ message: z.string().nullish() }).nullish(),
        choices: z
          .array(
            z.object({
              message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
              logprobs: z
                .object({ content: z.array(z.object({ top_logprobs: z.array(choice).nullish() })).nullish() })
                .nullish(),
            }),
          )
          .nullish(),
        usage: z
          .object({
            prompt_tokens: count,
            completion_tokens: count,
            prompt_tokens_details: z.object({ cached_tokens: count }).nullish(),
          })
          .nullish(),
      }),
    })
    .nullish(),
});

const anthropicLine = z.object({
  custom_id: z.string(),
  result: z.object({
    type: z.string(),
    error: z.object({ error: z.object({ message: z.string() }).nullish(), message: z.string().nullish() }).nullish(),
    message: z
      .object({
        stop_reason: z.string().nullish(),
        content: z.array(z.object({ type: z.string(), text: z.string().nullish() })),
        usage: z
          .object({
            input_tokens: count,
            output_tokens: count,
            cache_read_input_tokens: count.nullish(),
            cache_creation_input_tokens: count.nullish(),
          })
          .nullish(),
      })
      .nullish(),
  }),
});

const plainLine = z.object({
  custom_id: z.string(),
  text: z.string().nullish(),
  answer: z.union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())]).nullish(),
  error: z.string().nullish(),
  first_token: z.array(choice).nullish(),
  usage: z.object({ input_tokens: count, output_tokens: count }).nullish(),
});

const nothing: TokenUsage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };

/** Reads the answers of a file; of two to one prompt the later stands. */
export function readBatchAnswers(text: string, where: string): ReadBatch {
  const answers = new Map<string, BatchAnswer>();
  const faults: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const read = readLine(line);
    if ("wrong" in read) faults.push(`${where}:${index + 1}: ${read.wrong}`);
    else {
      if (answers.has(read.customId))
        faults.push(`${where}:${index + 1}: a second answer to ${read.customId}; it stands`);
      answers.set(read.customId, read.answer);
    }
  }
  return { answers, faults };
}

/** The answer that a file of a folder holds, as whoever read the prompt wrote it. */
export function plainAnswer(text: string): BatchAnswer {
  return { text, usage: nothing };
}

type ReadLine = { readonly customId: string; readonly answer: BatchAnswer } | { readonly wrong: string };

function readLine(line: string): ReadLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { wrong: `not JSON: ${line.trim().slice(0, 60)}` };
  }
  if (typeof value !== "object" || value === null) return { wrong: "not an object with custom_id" };
  if ("result" in value) return decode(anthropicLine, value, fromAnthropic);
  if ("response" in value) return decode(openAiLine, value, fromOpenAi);
  return decode(plainLine, value, fromPlain);
}

function decode<T extends { readonly custom_id: string }>(
  schema: z.ZodType<T>,
  value: unknown,
  toAnswer: (line: T) => BatchAnswer | undefined,
): ReadLine {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return { wrong: `${issue?.path.join(".") || "the line"}: ${issue?.message ?? "not an answer"}` };
  }
  const answer = toAnswer(parsed.data);
  return answer ? { customId: parsed.data.custom_id, answer } : { wrong: "neither an answer nor an error is in it" };
}

type OpenAiBody = NonNullable<z.infer<typeof openAiLine>["response"]>["body"];

function fromOpenAi({ error, response }: z.infer<typeof openAiLine>): BatchAnswer | undefined {
  const body = response?.body;
  const said = body?.choices?.[0];
  if (body && said) return ofChoice(said, openAiUsage(body));
  const why = (error ?? body?.error)?.message;
  return why == null ? undefined : failed("other", why, nothing);
}

function ofChoice({ message, logprobs }: NonNullable<OpenAiBody["choices"]>[number], usage: TokenUsage): BatchAnswer {
  const { content, refusal } = message;
  if (refusal != null) return failed("refused", refusal, usage);
  const firstToken = logprobs?.content?.[0]?.top_logprobs;
  return { text: content ?? "", usage, ...(firstToken ? { firstToken } : {}) };
}

function openAiUsage({ usage }: OpenAiBody): TokenUsage {
  if (!usage) return nothing;
  const cachedInputTokens = usage.prompt_tokens_details?.cached_tokens ?? 0;
  return { inputTokens: usage.prompt_tokens, cachedInputTokens, outputTokens: usage.completion_tokens };
}

function fromAnthropic({ result }: z.infer<typeof anthropicLine>): BatchAnswer | undefined {
  const { type, message, error } = result;
  if (message) {
    const used = message.usage;
    const cachedInputTokens = used?.cache_read_input_tokens ?? 0;
    const usage = used
      ? {
          inputTokens: used.input_tokens + cachedInputTokens + (used.cache_creation_input_tokens ?? 0),
          cachedInputTokens,
          outputTokens: used.output_tokens,
        }
      : nothing;
    if (message.stop_reason === "refusal") return failed("refused", "the model refused to answer", usage);
    return { text: message.content.map(({ text }) => text ?? "").join(""), usage };
  }
  return failed("other", error?.error?.message ?? error?.message ?? `the batch says: ${type}`, nothing);
}

function fromPlain({ text, answer, error, first_token: first, usage: used }: z.infer<typeof plainLine>) {
  const usage = used
    ? { inputTokens: used.input_tokens, cachedInputTokens: 0, outputTokens: used.output_tokens }
    : nothing;
  const said = text ?? (typeof answer === "object" && answer !== null ? JSON.stringify(answer) : answer);
  if (said != null) return { text: said, usage, ...(first ? { firstToken: first } : {}) };
  if (first) return { text: first[0]?.token ?? "", usage, firstToken: first };
  return error == null ? undefined : failed("other", error, usage);
}

function failed(fault: GenerationFault, message: string, usage: TokenUsage): BatchAnswer {
  return { fault, message: message.replaceAll(/\s+/g, " ").slice(0, 200), usage };
}
