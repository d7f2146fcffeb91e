/** The port between what asks language models (forecast/llm, propose/llm) and the adapters (src/language-model). */

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
  /** What the call is for, for events and the report: "forecast", "forecast-repair", "propose", "propose-repair". */
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

/** What an answer that was kept cost when it was made, at the price of today. */
export interface SavedCost {
  readonly tokens: number;
  /** 0 where the price is not known. */
  readonly usd: number;
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
  /** Of such an answer: what it cost when it was made. */
  readonly saved?: SavedCost;
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

export type LanguageModelLimit = "tokens" | "usd";

/** One call as the run's events and the report tell of it; never holds a key, a prompt or an answer. */
export interface LanguageModelCall {
  /** `provider:model`. */
  readonly model: string;
  readonly purpose: string;
  readonly usage: TokenUsage;
  /** Undefined where the price is not known. */
  readonly usd: number | undefined;
  readonly latencySeconds: number;
  /** Requests sent: 0 for an answer that was kept, 2 and more where one was sent again. */
  readonly attempts: number;
  readonly kept: boolean;
  /** Of a kept answer: what it cost when it was made. */
  readonly saved?: SavedCost;
  readonly fault?: GenerationFault;
  /** With the fault `budget`: the limit that the call's worst case would have crossed. */
  readonly limit?: LanguageModelLimit;
  readonly message?: string;
}

/** Answers by the digest of what was asked, kept over runs. What it holds must survive the process for a rerun to be free. */
export interface AnswerStore {
  answer(key: string): string | undefined;
  /** Idempotent: the first answer of a key stays. */
  keepAnswer(key: string, text: string): void;
  close?(): void;
}

export interface LanguageModel {
  /** `provider:model`. */
  readonly name: string;
  readonly abilities: LanguageModelAbilities;
  /** Never rejects but for an abort. */
  generate(request: GenerateRequest, signal?: AbortSignal): Promise<GenerateOutcome>;
  close?(): Promise<void>;
}
