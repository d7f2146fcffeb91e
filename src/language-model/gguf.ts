import { existsSync } from "node:fs";
import { checkAdapter, requireAdapter } from "./adapter-file.ts";
import { KernelcastError, type LanguageModelAbilities, type TokenChoice } from "../domain/index.ts";
import { noUsage } from "./cost.ts";
import type { RequestFault } from "./faults.ts";
import { redact } from "./keys.ts";
import {
  loadLlamaLibrary,
  type Llama,
  type LlamaModel,
  type LlamaModule,
  type LlamaSequence,
} from "./llama-library.ts";
import { createLlamaSequences, type LlamaSequences } from "./llama-sequences.ts";
import type { Provider, ProviderAnswer, ProviderRequest } from "./provider.ts";
import type { GgufSpecification } from "./specification.ts";
import { withBoundedLists } from "./bounded-lists.ts";

const mostContextTokens = 16_384;
const alternatives = 20;

/** Tokens that are read at once; between two such parts a request can be interrupted. */
const partTokens = 512;

/**
 * Opens a GGUF file in this process, with an adapter laid over it; throws `KernelcastError("model", …)` without node-llama-cpp, or for
 * a file that is no model or no adapter of it.
 */
export async function openGguf(
  { file, adapter }: GgufSpecification,
  concurrency: number,
): Promise<{ readonly provider: Provider; readonly abilities: LanguageModelAbilities }> {
  if (!existsSync(file)) throw new KernelcastError("model", `${file}: no such model file`);
  if (adapter !== undefined) requireAdapter(adapter);
  const library = await loadLlamaLibrary();
  // Without a limit of its own, the library would use as many threads as it takes the machine to have cores for mathematics.
  const llama = await library.getLlama({ build: "never", logLevel: "error", progressLogs: false, maxThreads: 0 });
  try {
    const model = await llama.loadModel({ modelPath: file });
    if (adapter !== undefined) await checkAdapter(adapter, model.fileInfo, library);
    const contextSize = Math.min(model.trainContextSize, mostContextTokens);
    const sequences = createLlamaSequences({ model, count: concurrency, mostRoom: contextSize, adapter });
    const ask = createAsk({ file, library, llama, model, sequences, contextSize });
    const abilities = {
      schemas: true,
      logprobs: alternatives,
      promptCaching: true,
      contextTokens: contextSize,
      price: { inputUsd: 0, cachedInputUsd: 0, outputUsd: 0, asOf: "2026-11-26" },
    };
    return { provider: { send: orFault(ask, file), close: () => llama.dispose() }, abilities };
  } catch (cause) {
    await llama.dispose();
    if (KernelcastError.isInstance(cause)) throw cause;
    throw new KernelcastError("model", `${file} cannot be read as a GGUF model`, { cause });
  }
}

interface Opened {
  readonly file: string;
  readonly library: LlamaModule;
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly sequences: LlamaSequences;
  readonly contextSize: number;
}

type Ask = Provider["send"];

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
  const { file, sequences, contextSize } = opened;
  return async (request, signal) => {
    signal.throwIfAborted();
    const prompt = chatTokens(opened, request);
    const room = prompt.length + request.maxOutputTokens;
    if (room > contextSize) {
      const message = `the prompt is too long for ${file}: ${prompt.length} and ${request.maxOutputTokens} tokens of ${contextSize}`;
      return { kind: "fault", fault: "context", message, sends: 1, usage: noUsage };
    }
    const { sequence, leave } = await sequences.take(prompt, room, signal);
    try {
      const { rest, cachedInputTokens } = await readPrompt(sequence, prompt, signal);
      const usage = { inputTokens: prompt.length, cachedInputTokens, cacheWriteTokens: 0, outputTokens: 1 };
      if (request.logprobs === undefined || request.maxTokens > 1) {
        return await writeAnswer(opened, sequence, rest, { request, usage, signal });
      }
      const firstToken = await firstChoices(opened, sequence, rest, request.logprobs);
      return { kind: "answer", text: firstToken[0]?.token ?? "", usage, firstToken };
    } finally {
      leave();
    }
  };
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

/** Reads all of a prompt but its last part: what the sequence remembers of it is not read anew. */
async function readPrompt(sequence: LlamaSequence, prompt: readonly number[], signal: AbortSignal) {
  await sequence.adaptStateToTokens(prompt.slice(0, -1), false);
  const cachedInputTokens = sequence.nextTokenIndex;
  let rest = prompt.slice(cachedInputTokens);
  for (; rest.length > partTokens; rest = rest.slice(partTokens)) {
    await sequence.evaluateWithoutGeneratingNewTokens(rest.slice(0, partTokens));
    signal.throwIfAborted();
  }
  return { rest, cachedInputTokens };
}

interface Writing {
  readonly request: ProviderRequest;
  readonly usage: ProviderAnswer["usage"];
  readonly signal: AbortSignal;
}

async function writeAnswer(
  { library, llama, model }: Opened,
  sequence: LlamaSequence,
  rest: readonly number[],
  { request, usage, signal }: Writing,
): Promise<ProviderAnswer | RequestFault> {
  const { schema, temperature = 0, seed = 0, maxOutputTokens } = request;
  const grammar = schema && (await llama.createGrammarForJsonSchema(withBoundedLists(schema)));
  const grammarEvaluationState = grammar && new library.LlamaGrammarEvaluationState({ model, grammar });
  const options = { temperature, seed, ...(grammarEvaluationState && { grammarEvaluationState }) };
  const written: number[] = [];
  for await (const token of sequence.evaluate(rest, options)) {
    signal.throwIfAborted();
    written.push(token);
    // A grammar lets line ends follow, which nobody needs.
    if (grammar && model.detokenize([token]).trimEnd().endsWith("}") && isJson(model.detokenize(written))) break;
    if (written.length < maxOutputTokens) continue;
    const message = `the answer was cut at ${maxOutputTokens} tokens; ask for less at once or allow more`;
    return { kind: "fault", fault: "cut", message, sends: 1, usage: { ...usage, outputTokens: written.length } };
  }
  const text = model.detokenize(written).trimEnd();
  return { kind: "answer", text, usage: { ...usage, outputTokens: written.length } };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The likeliest first tokens of the answer, from the model's whole distribution. */
async function firstChoices(
  { model }: Opened,
  sequence: LlamaSequence,
  rest: readonly number[],
  count: number,
): Promise<readonly TokenChoice[]> {
  const last = rest.at(-1);
  if (last === undefined) return [];
  const asked = [...rest.slice(0, -1), [last, { generateNext: { probabilities: true } }] as const];
  const evaluated = await sequence.controlledEvaluate(asked);
  const probabilities = evaluated.at(-1)?.next.probabilities ?? new Map<number, number>();
  return [...probabilities]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([token, probability]) => ({ token: model.detokenize([token]), logprob: Math.log(probability) }));
}
