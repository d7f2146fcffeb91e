import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { KernelcastError, type LanguageModelAbilities, type TokenChoice } from "../domain/index.ts";
import { noUsage } from "./cost.ts";
import type { RequestFault } from "./faults.ts";
import { redact } from "./keys.ts";
import type { Provider, ProviderAnswer, ProviderRequest } from "./provider.ts";

/** The part of node-llama-cpp that is used; the package is an optional peer, so that its types are not at hand. */
interface LlamaModule {
  getLlama(options: object): Promise<Llama>;
  resolveChatWrapper(model: LlamaModel): ChatWrapper;
  readonly LlamaChatSession: new (options: object) => LlamaSession;
}
interface Llama {
  loadModel(options: object): Promise<LlamaModel>;
  createGrammarForJsonSchema(schema: object): Promise<object>;
  dispose(): Promise<void>;
}
interface LlamaModel {
  readonly trainContextSize: number;
  readonly tokenizer: unknown;
  createContext(options: object): Promise<LlamaContext>;
  tokenize(text: string): readonly number[];
  detokenize(tokens: readonly number[]): string;
}
interface LlamaContext {
  readonly contextSize: number;
  getSequence(): LlamaSequence;
}
interface LlamaSequence {
  clearHistory(): Promise<void>;
  controlledEvaluate(
    input: readonly (number | readonly [number, object])[],
  ): Promise<readonly (Evaluated | undefined)[]>;
}
interface Evaluated {
  readonly next: { readonly probabilities?: ReadonlyMap<number, number> };
}
interface ChatWrapper {
  generateContextState(options: object): { readonly contextText: { tokenize(tokenizer: unknown): readonly number[] } };
}
interface LlamaSession {
  promptWithMeta(
    prompt: string,
    options: object,
  ): Promise<{ readonly responseText: string; readonly stopReason: string }>;
  dispose(options?: object): void;
}

const mostContextTokens = 16_384;
const alternatives = 20;

/** Opens a GGUF file in this process; throws `KernelcastError("model", …)` without node-llama-cpp, or for a file that is no model. */
export async function openGguf(
  file: string,
): Promise<{ readonly provider: Provider; readonly abilities: LanguageModelAbilities }> {
  if (!existsSync(file)) throw new KernelcastError("model", `${file}: no such model file`);
  const library = await loadLibrary();
  const llama = await library.getLlama({ build: "never", logLevel: "error", progressLogs: false });
  try {
    const model = await llama.loadModel({ modelPath: file });
    const contextSize = Math.min(model.trainContextSize, mostContextTokens);
    const context = await model.createContext({ contextSize, threads: availableParallelism() });
    const ask = createAsk({ file, library, llama, model, sequence: context.getSequence(), contextSize });
    const abilities = {
      schemas: true,
      logprobs: alternatives,
      promptCaching: false,
      contextTokens: contextSize,
      price: { inputUsd: 0, cachedInputUsd: 0, outputUsd: 0, asOf: "2026-11-26" },
    };
    return { provider: { send: oneAtATime(orFault(ask, file)), close: () => llama.dispose() }, abilities };
  } catch (cause) {
    await llama.dispose();
    throw new KernelcastError("model", `${file} cannot be read as a GGUF model`, { cause });
  }
}

async function loadLibrary(): Promise<LlamaModule> {
  const name = "node-llama-cpp";
  try {
    return (await import(name)) as LlamaModule;
  } catch (cause) {
    const message =
      "gguf: models need the package node-llama-cpp: npm install node-llama-cpp; or serve the file and use openai-compatible:";
    throw new KernelcastError("model", message, { cause });
  }
}

interface Opened {
  readonly file: string;
  readonly library: LlamaModule;
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly sequence: LlamaSequence;
  readonly contextSize: number;
}

type Ask = Provider["send"];

/** The model has one context: requests take turns. */
function oneAtATime(ask: Ask): Ask {
  let last: Promise<unknown> = Promise.resolve();
  return (request, signal) => {
    const mine = last.then(() => ask(request, signal));
    last = mine.catch(() => undefined);
    return mine;
  };
}

/** What the library throws, such as for a schema that it cannot hold an answer to, is that request's fault alone. */
function orFault(ask: Ask, file: string): Ask {
  return async (request, signal) => {
    try {
      return await ask(request, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const said = redact(error instanceof Error ? error.message : String(error), undefined);
      return { kind: "fault", fault: "other", message: `${file} gave no answer: ${said}`, sends: 1, usage: noUsage };
    }
  };
}

function createAsk(opened: Opened): Ask {
  const { file, model, sequence, contextSize } = opened;
  return async (request, signal) => {
    signal.throwIfAborted();
    const inputTokens = chatTokens(opened, request).length;
    const usage = { inputTokens, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0 };
    if (inputTokens + request.maxOutputTokens > contextSize) {
      const message = `the prompt is too long for ${file}: ${inputTokens} and ${request.maxOutputTokens} tokens of ${contextSize}`;
      return { kind: "fault", fault: "context", message, sends: 1, usage: noUsage };
    }
    await sequence.clearHistory();
    if (request.logprobs !== undefined && request.maxTokens === 1) {
      const firstToken = await firstChoices(opened, request);
      return { kind: "answer", text: firstToken[0]?.token ?? "", usage: { ...usage, outputTokens: 1 }, firstToken };
    }
    const { responseText, stopReason } = await converse(opened, request, signal);
    const used = { ...usage, outputTokens: model.tokenize(responseText).length };
    return judge(responseText, stopReason, used, request);
  };
}

function judge(
  text: string,
  stopReason: string,
  usage: ProviderAnswer["usage"],
  { maxOutputTokens }: ProviderRequest,
): ProviderAnswer | RequestFault {
  if (stopReason !== "maxTokens") return { kind: "answer", text, usage };
  const message = `the answer was cut at ${maxOutputTokens} tokens; ask for less at once or allow more`;
  return { kind: "fault", fault: "cut", message, sends: 1, usage };
}

async function converse({ library, llama, sequence }: Opened, request: ProviderRequest, signal: AbortSignal) {
  const grammar = request.schema && (await llama.createGrammarForJsonSchema(request.schema));
  const session = new library.LlamaChatSession({ contextSequence: sequence, systemPrompt: request.system });
  try {
    return await session.promptWithMeta(request.prompt, {
      maxTokens: request.maxOutputTokens,
      temperature: request.temperature ?? 0,
      ...(request.seed !== undefined && { seed: request.seed }),
      ...(grammar && { grammar }),
      signal,
    });
  } finally {
    session.dispose({ disposeSequence: false });
  }
}

function chatTokens({ library, model }: Opened, { system, prompt }: ProviderRequest): readonly number[] {
  const chatHistory = [
    { type: "system", text: system },
    { type: "user", text: prompt },
    { type: "model", response: [] },
  ];
  const { contextText } = library.resolveChatWrapper(model).generateContextState({ chatHistory });
  return contextText.tokenize(model.tokenizer);
}

/** The likeliest first tokens of the answer, from the model's whole distribution. */
async function firstChoices(opened: Opened, request: ProviderRequest): Promise<readonly TokenChoice[]> {
  const { model, sequence } = opened;
  const tokens = chatTokens(opened, request);
  const last = tokens.at(-1);
  if (last === undefined) return [];
  const asked = [...tokens.slice(0, -1), [last, { generateNext: { probabilities: true } }] as const];
  const evaluated = await sequence.controlledEvaluate(asked);
  const probabilities = evaluated.at(-1)?.next.probabilities ?? new Map<number, number>();
  return [...probabilities]
    .sort(([, a], [, b]) => b - a)
    .slice(0, request.logprobs)
    .map(([token, probability]) => ({ token: model.detokenize([token]), logprob: Math.log(probability) }));
}
