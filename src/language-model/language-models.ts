import {
  canonicalJson,
  KernelcastError,
  sha256Hex,
  type AnswerStore,
  type LanguageModel,
  type LanguageModelAbilities,
  type LanguageModelCall,
} from "../domain/index.ts";
import { callWithRetries, type CallContext } from "./call-with-retries.ts";
import { systemClock, type Clock } from "./clock.ts";
import { createLanguageModel, faultOf } from "./create-language-model.ts";
import { ggufIdentity } from "./gguf-identity.ts";
import { openGguf } from "./gguf.ts";
import { readKey, type Environment } from "./keys.ts";
import { hostedAbilities, knownModel } from "./known-models.ts";
import { createMemoryAnswerStore } from "./memory-answer-store.ts";
import { openProvider } from "./open-provider.ts";
import { probeAbilities, probeFailure, readModelList, type ProbeCall } from "./probe.ts";
import type { Provider } from "./provider.ts";
import { createGate, type Gate, type ProviderLimits } from "./rate-limits.ts";
import { modelName, parseModelSpecification, type ModelSpecification } from "./specification.ts";
import { createSpending, type LanguageModelBudget, type Spent } from "./spending.ts";

export interface LanguageModelsOptions {
  /** Where keys are read from; by default the process's environment. */
  readonly environment?: Environment;
  /** Where answers are kept; by default nowhere beyond this object's life. */
  readonly answers?: AnswerStore;
  /** Of all models together. */
  readonly budget?: LanguageModelBudget;
  /** Of each provider; a server of one's own counts as one. A `gguf:` model answers one request at a time unless `concurrency` says more. */
  readonly limits?: ProviderLimits;
  /** Of one request, at most 290; 180 by default. For `gguf:`, where no connection can be lost, without limit; 1800 by default. */
  readonly timeoutSeconds?: number;
  /** The most requests of one call; 6 by default, fewer for faults that seldom pass. */
  readonly maxSends?: number;
  /** Tokens for thoughts on top of an answer's; by default 16 384 for models known to think, else 0. */
  readonly thinkingTokens?: number;
  /** Keys the spread of retries. */
  readonly seed?: number;
  /** What a model can do, where the user knows better than table and probe; a price for one that has none. */
  readonly abilities?: Partial<LanguageModelAbilities>;
  /** Told of every call once it has ended. */
  readonly onCall?: (call: LanguageModelCall) => void;
  readonly clock?: Clock;
  /** YYYY-MM-DD, for prices; by default today. */
  readonly today?: string;
}

/** Language models that share limits, budget and kept answers. */
export interface LanguageModels {
  /**
   * Opens `provider:model`. Throws `KernelcastError("usage", …)` for a name that is none and `KernelcastError("model", …)` for a
   * missing key, and for a server that cannot be reached or refuses the probe. A budget in USD needs a model whose price is known.
   */
  open(specification: string): Promise<LanguageModel>;
  spent(): Spent;
  /** Counts against the budget what was spent out of it before, as by an earlier process of the same run. */
  charge(spent: Spent): void;
}

const defaultThinkingTokens = 16_384;

export function createLanguageModels(options: LanguageModelsOptions = {}): LanguageModels {
  const clock = options.clock ?? systemClock;
  const spending = createSpending(options.budget);
  const answers = options.answers ?? createMemoryAnswerStore();
  const gates = new Map<string, Gate>();
  const gateOf = (specification: ModelSpecification): Gate => {
    const name = "baseUrl" in specification ? new URL(specification.baseUrl).origin : specification.provider;
    // Callers of a model in this process wait here, outside of the time limit, until a sequence is free.
    const limits = specification.provider === "gguf" ? { concurrency: sequencesOf(options) } : (options.limits ?? {});
    const gate = gates.get(name) ?? createGate(limits, clock);
    gates.set(name, gate);
    return gate;
  };

  return {
    spent: () => spending.spent(),
    charge: (spent) => spending.charge(spent),
    async open(text) {
      const specification = parseModelSpecification(text);
      const key = readKey(specification, options.environment ?? process.env);
      const { provider, thinks, abilities } = await openAt(specification, key, options);
      const context: Omit<CallContext, "abilities"> = {
        provider,
        gate: gateOf(specification),
        spending,
        clock,
        timeoutSeconds: timeoutOf(specification, options),
        maxSends: options.maxSends ?? 6,
        thinkingTokens: options.thinkingTokens ?? (thinks ? defaultThinkingTokens : 0),
        seed: options.seed ?? 0,
        reachable: { value: true },
      };
      const found = abilities ?? (await probed(specification, key, context, answers, options));
      requirePrice(specification, { ...found, ...options.abilities }, options);
      return createLanguageModel({
        ...context,
        name: modelName(specification),
        identity: identityOf(specification),
        abilities: { ...found, ...options.abilities },
        answers,
        onCall: options.onCall,
      });
    },
  };
}

/**
 * Requests that a model in this process works on together. Prompts that begin alike are read once where they come one after the
 * other, so that more pays only for those who ask about several tasks at once.
 */
function sequencesOf({ limits }: LanguageModelsOptions): number {
  return limits?.concurrency ?? 1;
}

function timeoutOf({ provider }: ModelSpecification, { timeoutSeconds }: LanguageModelsOptions): number {
  return provider === "gguf" ? (timeoutSeconds ?? 1800) : Math.min(timeoutSeconds ?? 180, 290);
}

/** A limit in USD holds only where what a call can cost is known before it is sent. */
function requirePrice(
  specification: ModelSpecification,
  { price }: Pick<LanguageModelAbilities, "price">,
  { budget }: LanguageModelsOptions,
): void {
  if (budget?.usd === undefined || price) return;
  throw new KernelcastError(
    "usage",
    `the price of ${modelName(specification)} is not known, so a limit in USD cannot hold; limit tokens instead`,
  );
}

interface Opened {
  readonly provider: Provider;
  readonly thinks: boolean;
  /** Undefined where only a probe can tell. */
  readonly abilities: LanguageModelAbilities | undefined;
}

async function openAt(
  specification: ModelSpecification,
  key: string | undefined,
  options: LanguageModelsOptions,
): Promise<Opened> {
  if (specification.provider === "gguf") {
    return { ...(await openGguf(specification, sequencesOf(options))), thinks: false };
  }
  const provider = await openProvider(specification, key, options.environment ?? process.env);
  if (specification.provider === "openai-compatible") {
    const { abilities = {} } = options;
    const told = abilities.schemas !== undefined && abilities.logprobs !== undefined;
    const unknown = { schemas: false, logprobs: 0, promptCaching: false, contextTokens: undefined, price: undefined };
    return { provider, thinks: false, abilities: told ? { ...unknown, ...abilities } : undefined };
  }
  const known = knownModel(specification.provider, specification.model, todayOf(options));
  return { provider, thinks: known?.thinks ?? true, abilities: hostedAbilities(known) };
}

/** A probe's result is kept like an answer, so that a run which is given again makes no call at all. */
async function probed(
  specification: ModelSpecification,
  key: string | undefined,
  context: Omit<CallContext, "abilities">,
  answers: AnswerStore,
  options: LanguageModelsOptions,
): Promise<LanguageModelAbilities> {
  if (specification.provider !== "openai-compatible") throw new Error("only compatible servers are probed");
  const probeKey = sha256Hex(canonicalJson({ probe: 1, model: modelName(specification) }));
  const kept = answers.answer(probeKey);
  if (kept !== undefined) return readAbilities(kept);
  const listed = await readModelList(specification, key, todayOf(options), context.timeoutSeconds);
  requirePrice(specification, { price: options.abilities?.price ?? listed.price }, options);
  const call: ProbeCall = async (request, abilities) => {
    const priced = { ...abilities, price: options.abilities?.price ?? abilities.price };
    const result = await callWithRetries(request, probeKey, { ...context, abilities: priced }, undefined);
    const { outcome, usage, usd, latencySeconds, sends } = result;
    const { cacheWriteTokens: _tokens, ...plain } = usage;
    options.onCall?.({
      model: modelName(specification),
      purpose: "probe",
      usage: plain,
      usd,
      latencySeconds,
      attempts: sends,
      kept: false,
      ...faultOf(outcome),
    });
    if (outcome.kind === "answer") return { text: outcome.text, alternatives: outcome.firstToken?.length ?? 0 };
    if (outcome.fault === "other" || outcome.fault === "cut" || outcome.fault === "refused") return undefined;
    throw probeFailure(outcome.message, key);
  };
  const abilities = await probeAbilities(call, listed);
  answers.keepAnswer(probeKey, JSON.stringify(abilities));
  return abilities;
}

function readAbilities(text: string): LanguageModelAbilities {
  const kept = JSON.parse(text) as Omit<LanguageModelAbilities, "contextTokens" | "price"> &
    Partial<LanguageModelAbilities>;
  // JSON leaves undefined members out.
  return { ...kept, contextTokens: kept.contextTokens, price: kept.price };
}

function identityOf(specification: ModelSpecification): string {
  return specification.provider === "gguf" ? ggufIdentity(specification) : modelName(specification);
}

function todayOf({ today }: LanguageModelsOptions): string {
  return today ?? new Date().toISOString().slice(0, 10);
}
