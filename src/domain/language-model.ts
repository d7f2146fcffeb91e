/** src/domain/language-model.ts: the port between what asks language models (forecast/llm, propose/llm) and the adapters (src/language-model). */

/** US dollars for a million tokens, and the day the price was looked up. */
export interface ModelPrice {
  readonly inputUsd: number;
  readonly cachedInputUsd: number;
  readonly outputUsd: number;
  readonly asOf: string;
}

/** What a model behind a provider can do; probed or declared, never assumed. */
export interface LanguageModelAbilities {
  /** Answers can be held to a JSON schema. */
  readonly schemas: boolean;
  /** Alternatives of a token whose log probabilities are given; 0 for none. */
  readonly logprobs: number;
  readonly promptCaching: boolean;
  readonly contextTokens: number | undefined;
  readonly price: ModelPrice | undefined;
}

export interface GenerateRequest {
  /** What the call is for, for events and the report: "forecast", "repair", "propose". */
  readonly purpose: string;
  readonly system: string;
  readonly prompt: string;
  /** JSON schema of the answer; given to models that can, checked by the caller in any case. */
  readonly schema?: Readonly<Record<string, unknown>>;
  readonly maxTokens: number;
  readonly temperature?: number;
  readonly seed?: number;
  /** Alternatives wanted for the first token, at most what the model can. */
  readonly logprobs?: number;
}

export interface TokenUsage {
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
}

export interface TokenChoice {
  readonly token: string;
  readonly logprob: number;
}

export interface Generated {
  readonly kind: "text";
  readonly text: string;
  readonly usage: TokenUsage;
  /** Undefined where the price is not known. */
  readonly usd: number | undefined;
  readonly latencySeconds: number;
  /** True for an answer that was kept from an earlier call: it cost nothing. */
  readonly kept: boolean;
  /** Alternatives of the first token. */
  readonly firstToken?: readonly TokenChoice[];
}

export type GenerationFault =
  | "key"
  | "model"
  | "unreachable"
  | "rate"
  | "context"
  | "refused"
  | "cut"
  | "timeout"
  | "budget"
  | "other";

/** A call that gave no answer; a value, for a search goes on. `message` is one line that says what to do. */
export interface GenerationFailure {
  readonly kind: "failed";
  readonly fault: GenerationFault;
  readonly message: string;
  readonly usage: TokenUsage;
  readonly usd: number | undefined;
}

export type GenerateOutcome = Generated | GenerationFailure;

export interface LanguageModel {
  /** `provider:model`. */
  readonly name: string;
  readonly abilities: LanguageModelAbilities;
  /** Never rejects but for an abort. */
  generate(request: GenerateRequest, signal?: AbortSignal): Promise<GenerateOutcome>;
  close?(): Promise<void>;
}
