import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3GenerateResult,
  SharedV3ProviderOptions,
} from "@ai-sdk/provider";
import type { TokenChoice } from "../domain/index.ts";
import type { BilledUsage } from "./cost.ts";
import { readFault, type Correspondent, type RequestFault } from "./faults.ts";
import type { Provider, ProviderAnswer, ProviderRequest } from "./provider.ts";

/** What differs between providers that the AI SDK reaches. */
export interface SdkDialect {
  readonly model: LanguageModelV3;
  /** Options of one request that the SDK has no common name for. */
  readonly options: (request: ProviderRequest) => SharedV3ProviderOptions;
  /** Set on the system prompt, which many calls share. */
  readonly systemOptions?: SharedV3ProviderOptions;
  readonly firstToken?: (result: LanguageModelV3GenerateResult) => readonly TokenChoice[] | undefined;
}

/** A provider through the Vercel AI SDK: its model, asked once, without the SDK's own retries. */
export function createSdkProvider(dialect: SdkDialect, correspondent: Correspondent): Provider {
  return {
    async send(request, signal) {
      try {
        const result = await dialect.model.doGenerate(callOptions(dialect, request, signal));
        return readResult(result, request, dialect, correspondent);
      } catch (error) {
        if (signal.aborted) throw error;
        return readFault(error, correspondent);
      }
    },
  };
}

function callOptions(dialect: SdkDialect, request: ProviderRequest, signal: AbortSignal): LanguageModelV3CallOptions {
  const { systemOptions } = dialect;
  return {
    prompt: [
      { role: "system", content: request.system, ...(systemOptions && { providerOptions: systemOptions }) },
      { role: "user", content: [{ type: "text", text: request.prompt }] },
    ],
    maxOutputTokens: request.maxOutputTokens,
    ...(request.temperature !== undefined && { temperature: request.temperature }),
    ...(request.seed !== undefined && { seed: request.seed }),
    ...(request.schema && { responseFormat: { type: "json", schema: request.schema, name: "answer" } }),
    providerOptions: dialect.options(request),
    abortSignal: signal,
  };
}

function readResult(
  result: LanguageModelV3GenerateResult,
  request: ProviderRequest,
  dialect: SdkDialect,
  correspondent: Correspondent,
): ProviderAnswer | RequestFault {
  const text = result.content.map((part) => (part.type === "text" ? part.text : "")).join("");
  const usage = readUsage(result.usage) ?? guessUsage(request, text);
  const firstToken = request.logprobs === undefined ? undefined : dialect.firstToken?.(result);
  const bare = text === "" && !firstToken?.length;
  const problem =
    judgeEnd(result, request, firstToken, correspondent) ?? (bare ? emptyAnswer(correspondent) : undefined);
  if (problem) return { kind: "fault", ...problem, usage };
  return { kind: "answer", text, usage, ...(firstToken && { firstToken }) };
}

type Problem = Pick<RequestFault, "fault" | "message" | "sends">;

function emptyAnswer({ name, model }: Correspondent): Problem {
  return { fault: "other", message: `${model} at ${name} gave an empty answer`, sends: 2 };
}

/** What the way in which an answer ended says against it. */
function judgeEnd(
  { finishReason, response }: LanguageModelV3GenerateResult,
  { maxOutputTokens }: ProviderRequest,
  firstToken: readonly TokenChoice[] | undefined,
  { name, model }: Correspondent,
): Problem | undefined {
  if (finishReason.unified === "content-filter" || refusalText(response?.body) !== undefined) {
    return { fault: "refused", message: `${model} at ${name} declined to answer this prompt`, sends: 1 };
  }
  // Who asks for the alternatives of one token wants no more than that token.
  if (finishReason.unified !== "length" || firstToken?.length) return undefined;
  const message = `the answer of ${model} was cut at ${maxOutputTokens} tokens; ask for less at once or allow more`;
  return { fault: "cut", message, sends: 1 };
}

function readUsage({ inputTokens, outputTokens }: LanguageModelV3GenerateResult["usage"]): BilledUsage | undefined {
  if (inputTokens.total === undefined && outputTokens.total === undefined) return undefined;
  const cachedInputTokens = inputTokens.cacheRead ?? 0;
  const cacheWriteTokens = inputTokens.cacheWrite ?? 0;
  return {
    inputTokens: inputTokens.total ?? (inputTokens.noCache ?? 0) + cachedInputTokens + cacheWriteTokens,
    cachedInputTokens,
    cacheWriteTokens,
    outputTokens: outputTokens.total ?? (outputTokens.text ?? 0) + (outputTokens.reasoning ?? 0),
  };
}

/** For servers that do not count: three characters of code to a token. */
function guessUsage({ system, prompt }: ProviderRequest, text: string): BilledUsage {
  const tokens = (length: number): number => Math.ceil(length / 3);
  const inputTokens = tokens(system.length + prompt.length);
  return { inputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: tokens(text.length) };
}

interface ChatBody {
  readonly choices?: readonly { readonly message?: { readonly refusal?: unknown } }[];
}

function refusalText(body: unknown): string | undefined {
  const refusal = (body as ChatBody | undefined)?.choices?.[0]?.message?.refusal;
  return typeof refusal === "string" && refusal !== "" ? refusal : undefined;
}
