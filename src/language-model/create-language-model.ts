import type {
  AnswerStore,
  GenerateOutcome,
  GenerateRequest,
  LanguageModel,
  LanguageModelAbilities,
  LanguageModelCall,
  SavedCost,
  TokenUsage,
} from "../domain/index.ts";
import { KernelcastError } from "../domain/index.ts";
import { answerKey } from "./answer-key.ts";
import { createBell } from "./bell.ts";
import { callWithRetries, type CallContext, type CallResult } from "./call-with-retries.ts";
import { usdOf } from "./cost.ts";
import { keepAnswer, readAnswer, type KeptAnswer } from "./kept-answers.ts";

export interface LanguageModelParts extends CallContext {
  /** `provider:model`. */
  readonly name: string;
  /** Names the model among kept answers; differs from the name where a name may stand for another model one day. */
  readonly identity: string;
  readonly answers: AnswerStore;
  readonly onCall: ((call: LanguageModelCall) => void) | undefined;
}

/** A language model over a provider: kept answers first, then calls within limits and budget. */
export function createLanguageModel(parts: LanguageModelParts): LanguageModel {
  const { name, identity, abilities, answers, provider } = parts;
  const underWay = createUnderWay();

  const call = async (request: GenerateRequest, key: string, signal: AbortSignal | undefined) => {
    const result = await callWithRetries(request, key, parts, signal);
    if (result.outcome.kind === "answer") {
      keepAnswer(answers, key, { ...result.outcome, usage: plainUsage(result.outcome.usage) });
    }
    report(parts, request, result);
    return toOutcome(result);
  };

  return {
    name,
    abilities,
    async generate(request, signal) {
      const key = answerKey(identity, request);
      for (;;) {
        if (signal?.aborted) throw new KernelcastError("interrupted", "a call of a language model was interrupted");
        const kept = readAnswer(answers, key);
        if (kept) {
          const saved = savedBy(kept, abilities);
          reportKept(parts, request, saved);
          return fromKept(kept, saved);
        }
        const other = underWay.wait(key, signal);
        if (!other) break;
        // Two equal requests at once are one call: the second reads what the first kept, or fails as it did.
        const failure = await other;
        if (failure) return failure;
      }
      return await underWay.run(key, () => call(request, key, signal));
    },
    close: async () => {
      await provider.close?.();
    },
  };
}

const none: TokenUsage = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };

function plainUsage({ inputTokens, cachedInputTokens, outputTokens }: TokenUsage): TokenUsage {
  return { inputTokens, cachedInputTokens, outputTokens };
}

function savedBy({ usage }: KeptAnswer, { price }: LanguageModelAbilities): SavedCost {
  const usd = usdOf({ ...usage, cacheWriteTokens: 0 }, price) ?? 0;
  return { tokens: usage.inputTokens + usage.outputTokens, usd };
}

/** A kept answer used and cost nothing now. */
function fromKept({ text, firstToken }: KeptAnswer, saved: SavedCost): GenerateOutcome {
  return {
    kind: "text",
    text,
    usage: none,
    usd: 0,
    latencySeconds: 0,
    kept: true,
    saved,
    ...(firstToken && { firstToken }),
  };
}

function toOutcome({ outcome, usage: billed, usd, latencySeconds }: CallResult): GenerateOutcome {
  const usage = plainUsage(billed);
  if (outcome.kind === "fault") {
    return { kind: "failed", fault: outcome.fault, message: outcome.message, usage, usd };
  }
  const { text, firstToken } = outcome;
  return { kind: "text", text, usage, usd, latencySeconds, kept: false, ...(firstToken && { firstToken }) };
}

function report({ name, onCall }: LanguageModelParts, { purpose }: GenerateRequest, result: CallResult): void {
  const { outcome, usage, usd, latencySeconds, sends } = result;
  onCall?.({
    model: name,
    purpose,
    usage: plainUsage(usage),
    usd,
    latencySeconds,
    attempts: sends,
    kept: false,
    ...faultOf(outcome),
  });
}

/** What a report says of a call that brought no answer. */
export function faultOf(outcome: CallResult["outcome"]): Pick<LanguageModelCall, "fault" | "message" | "limit"> {
  if (outcome.kind === "answer") return {};
  const { fault, message, limit } = outcome;
  return { fault, message, ...(limit && { limit }) };
}

function reportKept({ name, onCall }: LanguageModelParts, { purpose }: GenerateRequest, saved: SavedCost): void {
  onCall?.({ model: name, purpose, usage: none, usd: 0, latencySeconds: 0, attempts: 0, kept: true, saved });
}

/** Calls under way, by key. */
function createUnderWay() {
  const calls = new Map<string, { readonly bell: ReturnType<typeof createBell>; outcome?: GenerateOutcome }>();
  return {
    /** Resolves once the call of this key has ended, with its failure; undefined where there is none. */
    wait(key: string, signal: AbortSignal | undefined): Promise<GenerateOutcome | undefined> | undefined {
      const running = calls.get(key);
      if (!running) return undefined;
      const ended = running.bell.wait(signal).catch((cause: unknown) => {
        throw new KernelcastError("interrupted", "a call of a language model was interrupted", { cause });
      });
      return ended.then(() => {
        const { outcome } = running;
        return outcome?.kind === "failed" ? { ...outcome, usage: none, usd: 0 } : undefined;
      });
    },
    async run(key: string, call: () => Promise<GenerateOutcome>): Promise<GenerateOutcome> {
      const running: { readonly bell: ReturnType<typeof createBell>; outcome?: GenerateOutcome } = {
        bell: createBell(),
      };
      calls.set(key, running);
      try {
        running.outcome = await call();
        return running.outcome;
      } finally {
        calls.delete(key);
        running.bell.ring();
      }
    },
  };
}
