import { KernelcastError } from "../domain/index.ts";

/** The part of node-llama-cpp that is used; the package is an optional peer, so that its types are not at hand. */
export interface LlamaModule {
  getLlama(options: object): Promise<Llama>;
  readGgufFileInfo(path: string, options: object): Promise<GgufFileInfo>;
  resolveChatWrapper(model: LlamaModel): ChatWrapper;
  readonly LlamaGrammarEvaluationState: new (options: {
    readonly model: LlamaModel;
    readonly grammar: object;
  }) => object;
}

/** What the header of a GGUF file says. */
export interface GgufFileInfo {
  readonly metadata: {
    readonly general?: { readonly architecture?: string; readonly type?: string };
    readonly adapter?: { readonly type?: string };
  };
  readonly tensorInfo?: readonly { readonly name: string; readonly dimensions: readonly (number | bigint)[] }[];
}

export interface Llama {
  loadModel(options: object): Promise<LlamaModel>;
  createGrammarForJsonSchema(schema: object): Promise<object>;
  dispose(): Promise<void>;
}

export interface LlamaModel {
  readonly trainContextSize: number;
  readonly fileInfo: GgufFileInfo;
  readonly tokenizer: unknown;
  createContext(options: object): Promise<LlamaContext>;
  detokenize(tokens: readonly number[]): string;
}

export interface LlamaContext {
  getSequence(): LlamaSequence;
  dispose(): Promise<void>;
}

export interface LlamaSequence {
  /** Tokens that have been read and not been erased. */
  readonly nextTokenIndex: number;
  compareContextTokens(tokens: readonly number[]): { readonly firstDifferentIndex: number };
  /** Erases what differs from the tokens, and what goes beyond them. */
  adaptStateToTokens(tokens: readonly number[], allowShift: boolean): Promise<void>;
  evaluateWithoutGeneratingNewTokens(tokens: readonly number[]): Promise<void>;
  evaluate(tokens: readonly number[], options: object): AsyncIterable<number>;
  controlledEvaluate(
    input: readonly (number | readonly [number, object])[],
  ): Promise<readonly (Evaluated | undefined)[]>;
}

interface Evaluated {
  readonly next: { readonly probabilities?: ReadonlyMap<number, number> };
}

export interface ChatWrapper {
  generateContextState(options: object): { readonly contextText: { tokenize(tokenizer: unknown): readonly number[] } };
}

/** Throws `KernelcastError("model", …)` where the package is not installed. */
export async function loadLlamaLibrary(): Promise<LlamaModule> {
  const name = "node-llama-cpp";
  try {
    return (await import(name)) as LlamaModule;
  } catch (cause) {
    const message =
      "gguf: models need the package node-llama-cpp: npm install node-llama-cpp; or serve the file and use openai-compatible:";
    throw new KernelcastError("model", message, { cause });
  }
}
