import type {
  AnswerStore,
  GenerateOutcome,
  GenerateRequest,
  LanguageModel,
  LanguageModelCall,
  TokenUsage,
} from "../domain/index.ts";
import { KernelcastError } from "../domain/index.ts";
import { answerKey } from "./answer-key.ts";
import { createBell } from "./bell.ts";
import { callWithRetries, type CallContext, type CallResult } from "./call-with-retries.ts";
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
          reportKept(parts, request);
          return fromKept(kept);
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

/** A kept answer used and cost nothing now. */
function fromKept({ text, firstToken }: KeptAnswer): GenerateOutcome {
  return {
    kind: "text",
    text,
    usage: none,
    usd: 0,
    latencySeconds: 0,
    kept: true,
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
    ...(outcome.kind === "fault" && { fault: outcome.fault, message: outcome.message }),
  });
}

function reportKept({ name, onCall }: LanguageModelParts, { purpose }: GenerateRequest): void {
  onCall?.({ model: name, purpose, usage: none, usd: 0, latencySeconds: 0, attempts: 0, kept: true });
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
