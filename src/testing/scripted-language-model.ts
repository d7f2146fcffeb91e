import type {
  GenerateOutcome,
  GenerateRequest,
  GenerationFault,
  LanguageModel,
  LanguageModelAbilities,
  TokenChoice,
} from "../domain/index.ts";

/** What a script says to a request: a text, the first token's alternatives, or a fault. */
export type ScriptedAnswer =
  | string
  | { readonly fault: GenerationFault; readonly message?: string }
  | { readonly firstToken: readonly TokenChoice[] };

/** A script, and what the model that follows it is said to be able to do. */
export interface ScriptedModelOptions {
  readonly name?: string;
  readonly abilities?: Partial<LanguageModelAbilities>;
  /** `call` counts requests from 0. */
  readonly answer: (request: GenerateRequest, call: number) => ScriptedAnswer;
}

/** A language model in the process that answers by a script, a token for every four characters, and keeps what it was asked. */
export interface ScriptedModel extends LanguageModel {
  readonly requests: readonly GenerateRequest[];
}

/** Makes such a model; it can all and has a context of 200 000 tokens unless `abilities` say otherwise. */
export function scriptedLanguageModel({
  name = "scripted:model",
  abilities,
  answer,
}: ScriptedModelOptions): ScriptedModel {
  const requests: GenerateRequest[] = [];
  return {
    name,
    requests,
    abilities: {
      schemas: true,
      logprobs: 20,
      promptCaching: false,
      contextTokens: 200_000,
      price: undefined,
      ...abilities,
    },
    async generate(request, signal) {
      signal?.throwIfAborted();
      requests.push(request);
      return toOutcome(request, answer(request, requests.length - 1));
    },
  };
}

function toOutcome({ system, prompt }: GenerateRequest, said: ScriptedAnswer): GenerateOutcome {
  const usage = { inputTokens: tokensOf(system + prompt), cachedInputTokens: 0, outputTokens: 0 };
  if (typeof said === "string") {
    const outputTokens = tokensOf(said);
    return { kind: "text", text: said, usage: { ...usage, outputTokens }, usd: 0.001, latencySeconds: 0, kept: false };
  }
  if ("fault" in said) {
    const { fault, message = `the script says ${fault}` } = said;
    return { kind: "failed", fault, message, usage, usd: undefined };
  }
  const text = said.firstToken[0]?.token ?? "";
  return { kind: "text", text, usage, usd: 0.001, latencySeconds: 0, kept: false, firstToken: said.firstToken };
}

function tokensOf(text: string): number {
  return Math.ceil(text.length / 4);
}

/** The labels that a prompt of the forecast forms asks for, from its last line. */
export function askedLabels({ prompt }: GenerateRequest): string[] {
  const last = prompt.slice(prompt.lastIndexOf("\n") + 1);
  return last.match(/\bK\d{2,}\b/g) ?? [];
}
