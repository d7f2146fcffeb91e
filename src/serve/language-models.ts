import { join } from "node:path";
import {
  KernelcastError,
  type Forecaster,
  type LanguageModelCall,
  type Proposer,
  type RunStore,
} from "../domain/index.ts";
import type { LanguageModels } from "../language-model/index.ts";
import type { CallFeed } from "../search/effects.ts";
import type { SearchInput } from "../search/events.ts";
import { parseSpecification } from "./specification.ts";

/** Kinds of `--forecaster` and `--proposer` that name a language model. */
export const modelKinds = ["openai", "anthropic", "google", "openai-compatible", "gguf"] as const;

/** Whether a specification names a language model. */
export function namesModel(text: string | undefined): boolean {
  return text !== undefined && modelKinds.some((kind) => text.startsWith(`${kind}:`) || text === kind);
}

/** What a language model is named by in a flag, and what follows the question mark. Throws `KernelcastError("usage", …)`. */
export function splitModel(flag: string, text: string): { readonly kind: string; readonly detail: string } {
  const { kind, detail } = parseSpecification(flag, text, modelKinds);
  if (detail.trim() !== "") return { kind, detail };
  const example = { "openai-compatible": "MODEL@http://HOST:PORT/v1", gguf: "FILE" }[kind] ?? "MODEL";
  throw new KernelcastError("usage", `--${flag} ${text}: write what follows the colon, for example ${kind}:${example}`);
}

/** Limits of what language models may spend, all of a command together. */
export interface ModelBudget {
  readonly tokens?: number | undefined;
  readonly usd?: number | undefined;
}

export interface ModelSessionOptions {
  /** Folder whose store keeps answers; by default `.kernelcast`. */
  readonly workspace?: string | undefined;
  readonly budget?: ModelBudget | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly seed?: number | undefined;
}

/** Language models as one command uses them: one budget, answers kept in the workspace, calls told of. */
export interface ModelSession {
  readonly models: LanguageModels;
  readonly calls: CallFeed;
  close(): void;
}

/** Opens what the named forecasters and proposers need; undefined where none of them asks a language model. */
export async function openModelSession(
  names: readonly (string | undefined)[],
  { workspace = ".kernelcast", budget = {}, env, seed }: ModelSessionOptions,
): Promise<ModelSession | undefined> {
  if (!names.some(namesModel)) return undefined;
  const [{ createLanguageModels }, { openAnswerStore }] = await Promise.all([
    import("../language-model/index.ts"),
    import("../store/sqlite-run-store.ts"),
  ]);
  const answers = openAnswerStore(join(workspace, "kernelcast.sqlite"));
  const { feed, tell } = createCallFeed();
  const { tokens, usd } = budget;
  const limits = { ...(tokens === undefined ? {} : { tokens }), ...(usd === undefined ? {} : { usd }) };
  const models = createLanguageModels({
    answers,
    budget: limits,
    onCall: tell,
    ...(env ? { environment: env } : {}),
    ...(seed === undefined ? {} : { seed }),
  });
  return { models, calls: feed, close: () => answers.close?.() };
}

function createCallFeed(): { readonly feed: CallFeed; readonly tell: (call: LanguageModelCall) => void } {
  const waiting: LanguageModelCall[] = [];
  let listener: ((call: LanguageModelCall) => void) | undefined;
  return {
    tell: (call) => {
      if (listener) listener(call);
      else waiting.push(call);
    },
    feed: (next) => {
      listener = next;
      for (const call of waiting.splice(0)) next(call);
      return () => {
        listener = undefined;
      };
    },
  };
}

/** Counts what earlier processes of a run spent on language models out of its budget. */
export function chargeEarlier({ models }: ModelSession, store: RunStore, runId: string): void {
  const spent = { tokens: 0, usd: 0 };
  for (const { type, payload } of store.events(runId)) {
    if (type !== "model-call") continue;
    const { usage, usd = 0 } = (payload as Extract<SearchInput, { type: "model-call" }>).call;
    spent.tokens += usage.inputTokens + usage.outputTokens;
    spent.usd += usd;
  }
  models.charge(spent);
}

/** A forecaster whose tokens and USD are told of call by call, and so not once more in its answers. */
export function countedByCalls(forecaster: Forecaster): Forecaster {
  return {
    name: forecaster.name,
    forecast: async (request, signal) => {
      const answer = await forecaster.forecast(request, signal);
      return { ...answer, cost: { ...answer.cost, tokens: 0, usd: 0 } };
    },
    close: async () => forecaster.close?.(),
  };
}

/** The same of a proposer. */
export function proposerCountedByCalls(proposer: Proposer): Proposer {
  return {
    ...proposer,
    propose: async (context, signal) => {
      const proposal = await proposer.propose(context, signal);
      return { ...proposal, cost: { ...proposal.cost, tokens: 0, usd: 0 } };
    },
    close: async () => proposer.close?.(),
  };
}
