/** The parts of an OpenAI-compatible chat request that a fake answers by. */
export interface FakeChatRequest {
  readonly model: string;
  readonly system: string;
  readonly prompt: string;
  readonly schema: Readonly<Record<string, unknown>> | undefined;
  readonly maxTokens: number | undefined;
  readonly temperature: number | undefined;
  readonly seed: number | undefined;
  /** Alternatives asked for. */
  readonly logprobs: number | undefined;
  readonly stream: boolean;
  /** Counts from 0 over the server's life, probes left out. */
  readonly index: number;
}

export interface FakeUsage {
  readonly inputTokens?: number;
  readonly cachedInputTokens?: number;
  readonly outputTokens?: number;
}

/** How a fake answers one request; a string is an answer of that text. */
export type FakeChatAnswer =
  | string
  | {
      readonly text: string;
      /** Alternatives of the first token, for requests that ask for some; by default the text's first word alone. */
      readonly firstToken?: readonly { readonly token: string; readonly logprob: number }[];
      readonly finish?: "stop" | "length" | "content_filter";
      readonly refusal?: string;
      readonly usage?: FakeUsage;
    }
  /** An error as servers give it. */
  | {
      readonly status: number;
      readonly message?: string;
      readonly code?: string;
      readonly retryAfterSeconds?: number;
    }
  /** The answer's body or stream, closed after so many of its characters. */
  | { readonly text: string; readonly cutAfter: number }
  /** A body with status 200 that is no chat completion. */
  | { readonly nonsense: string };

export type FakeChatText = Extract<Exclude<FakeChatAnswer, string>, { text: string }>;

export interface WireRequest {
  readonly model?: string;
  readonly messages?: readonly { readonly role: string; readonly content: unknown }[];
  readonly response_format?: { readonly json_schema?: { readonly schema?: Readonly<Record<string, unknown>> } };
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly temperature?: number;
  readonly seed?: number;
  readonly top_logprobs?: number;
  readonly stream?: boolean;
}

export function readChatRequest(wire: WireRequest, index: number): FakeChatRequest {
  return {
    model: wire.model ?? "",
    system: textOf(wire, ["system", "developer"]),
    prompt: textOf(wire, ["user"]),
    schema: wire.response_format?.json_schema?.schema,
    maxTokens: wire.max_tokens ?? wire.max_completion_tokens,
    temperature: wire.temperature,
    seed: wire.seed,
    logprobs: wire.top_logprobs,
    stream: wire.stream === true,
    index,
  };
}

function textOf({ messages = [] }: WireRequest, roles: readonly string[]): string {
  return messages
    .filter(({ role }) => roles.includes(role))
    .map(({ content }) => contentText(content))
    .join("\n");
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: { readonly text?: unknown }) => (typeof part.text === "string" ? part.text : "")).join("");
}

/** Four characters are a token here. */
export function fakeTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

/** A chat completion on the wire. */
export function completionBody(request: FakeChatRequest, answer: FakeChatText): object {
  const parts = "cutAfter" in answer ? { text: answer.text } : answer;
  return {
    id: `chatcmpl-${request.index}`,
    object: "chat.completion",
    created: 0,
    model: request.model,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: parts.text,
          ...(parts.refusal !== undefined && { refusal: parts.refusal }),
        },
        finish_reason: finishOf(request, parts),
        logprobs: request.logprobs === undefined ? null : { content: [firstTokenOf(request.logprobs, parts)] },
      },
    ],
    usage: usageOf(request, parts),
  };
}

type TextParts = Omit<Extract<FakeChatText, { finish?: unknown }>, "cutAfter">;

function finishOf({ maxTokens }: FakeChatRequest, { text, finish }: TextParts): string {
  return finish ?? (maxTokens !== undefined && fakeTokens(text) > maxTokens ? "length" : "stop");
}

function firstTokenOf(wanted: number, { text, firstToken }: TextParts): object {
  const top = (firstToken ?? [{ token: /^\s*\S+/.exec(text)?.[0] ?? "", logprob: 0 }]).slice(0, wanted);
  return { token: top[0]?.token ?? "", logprob: top[0]?.logprob ?? 0, top_logprobs: top };
}

function usageOf(request: FakeChatRequest, { text, usage = {} }: TextParts): object {
  const input = usage.inputTokens ?? fakeTokens(request.system + request.prompt);
  const output = usage.outputTokens ?? fakeTokens(text);
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens ?? 0 },
  };
}

/** The same completion as server-sent events, some twenty characters to a chunk. */
export function completionStream(request: FakeChatRequest, answer: FakeChatText): string {
  const parts = "cutAfter" in answer ? { text: answer.text } : answer;
  const chunk = (rest: object): string => {
    const head = { id: `chatcmpl-${request.index}`, object: "chat.completion.chunk", created: 0, model: request.model };
    return `data: ${JSON.stringify({ ...head, ...rest })}\n\n`;
  };
  const pieces = parts.text.match(/[^]{1,20}/g) ?? [];
  const events = pieces.map((content) => chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] }));
  const end = chunk({ choices: [{ index: 0, delta: {}, finish_reason: finishOf(request, parts) }] });
  return [...events, end, chunk({ choices: [], usage: usageOf(request, parts) }), "data: [DONE]\n\n"].join("");
}

/** The smallest value that a JSON schema allows, as a model that is held to the schema might answer. */
export function exampleOf(schema: unknown): unknown {
  const parts = (schema ?? {}) as SchemaParts;
  if (parts.const !== undefined) return parts.const;
  if (parts.enum?.length) return parts.enum[0];
  return examples[parts.type ?? ""]?.(parts) ?? null;
}

const examples: Readonly<Record<string, (parts: SchemaParts) => unknown>> = {
  object: ({ properties = {} }) =>
    Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, exampleOf(inner)])),
  array: ({ items, minItems = 0 }) => Array.from({ length: minItems }, () => exampleOf(items)),
  number: ({ minimum = 0 }) => minimum,
  integer: ({ minimum = 0 }) => minimum,
  boolean: () => false,
  string: () => "",
};

interface SchemaParts {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly items?: unknown;
  readonly minItems?: number;
  readonly minimum?: number;
}
