import { KernelcastError, keyedUniform, type GenerateRequest, type LanguageModelAbilities } from "../domain/index.ts";
import type { Clock } from "./clock.ts";
import { likelyTokens, noUsage, usdOf, worstCase, type BilledUsage } from "./cost.ts";
import type { RequestFault } from "./faults.ts";
import type { Provider, ProviderAnswer, ProviderRequest } from "./provider.ts";
import type { Gate } from "./rate-limits.ts";
import type { Refusal, Spending } from "./spending.ts";

export interface CallContext {
  readonly provider: Provider;
  readonly abilities: LanguageModelAbilities;
  readonly gate: Gate;
  readonly spending: Spending;
  readonly clock: Clock;
  /** Of one request; retries have their own. */
  readonly timeoutSeconds: number;
  /** The most requests of one call, whatever the fault. */
  readonly maxSends: number;
  /** Tokens for thoughts, on top of the answer's. */
  readonly thinkingTokens: number;
  readonly seed: number;
  /** False while the provider could not be reached at the last try: then nobody tries twice. */
  readonly reachable: { value: boolean };
}

export interface CallResult {
  readonly outcome: ProviderAnswer | RequestFault;
  /** Of all requests of the call. */
  readonly usage: BilledUsage;
  readonly usd: number | undefined;
  readonly latencySeconds: number;
  readonly sends: number;
}

/** Waits longer than this for a provider are no waits but failures. */
const longestWaitSeconds = 600;

/** Sends a request until it is answered or sending it again would not help. Rejects only once the signal aborts. */
export async function callWithRetries(
  request: GenerateRequest,
  key: string,
  context: CallContext,
  signal: AbortSignal | undefined,
): Promise<CallResult> {
  const held = holdToAbilities(request, context);
  const total = { usage: noUsage, latencySeconds: 0 };
  for (let sends = 1; ; sends++) {
    const { outcome, used, latencySeconds, sent } = await sendOnce(held, context, signal).catch(orInterrupted(signal));
    total.usage = addUsage(total.usage, used);
    total.latencySeconds += latencySeconds;
    if (sent && (outcome.kind === "answer" || !outcome.noConnection)) context.reachable.value = true;
    const delay = outcome.kind === "fault" ? delayBefore(sends, outcome, key, context) : undefined;
    if (delay === undefined) {
      const usd = usdOf(total.usage, context.abilities.price);
      return { outcome, ...total, usd, sends: sent ? sends : sends - 1 };
    }
    await context.clock.sleep(delay, signal).catch(orInterrupted(signal));
  }
}

function orInterrupted(signal: AbortSignal | undefined): (cause: unknown) => never {
  return (cause) => {
    if (!signal?.aborted) throw cause;
    throw new KernelcastError("interrupted", "a call of a language model was interrupted", { cause });
  };
}

function holdToAbilities(
  { schema, logprobs, ...request }: GenerateRequest,
  { abilities, thinkingTokens }: CallContext,
): ProviderRequest {
  const alternatives = Math.min(logprobs ?? 0, abilities.logprobs);
  return {
    ...request,
    ...(schema && abilities.schemas && { schema }),
    ...(alternatives > 0 && { logprobs: alternatives }),
    maxOutputTokens: request.maxTokens + thinkingTokens,
  };
}

interface Sending {
  readonly outcome: ProviderAnswer | RequestFault;
  /** What it counts for: the worst case where nobody will know. */
  readonly used: BilledUsage;
  readonly latencySeconds: number;
  readonly sent: boolean;
}

async function sendOnce(
  request: ProviderRequest,
  { provider, abilities, gate, spending, clock, timeoutSeconds }: CallContext,
  signal: AbortSignal | undefined,
): Promise<Sending> {
  const turn = await gate.enter(likelyTokens(request), signal);
  let used: number | undefined = 0;
  try {
    const worst = worstCase(request, request.maxOutputTokens);
    const reserved = await spending.reserve(worst, abilities.price, signal);
    if ("limit" in reserved) return { outcome: overBudget(reserved), used: noUsage, latencySeconds: 0, sent: false };
    const started = clock.now();
    try {
      const outcome = await sendInTime(provider, request, timeoutSeconds, signal);
      used = outcome.usage && outcome.usage.inputTokens + outcome.usage.outputTokens;
      if (outcome.usage) reserved.settle(outcome.usage);
      else reserved.settleUnknown();
      const wait = outcome.kind === "fault" && outcome.fault === "rate" ? outcome.retryAfterSeconds : undefined;
      if (wait !== undefined && wait <= longestWaitSeconds) gate.pause(wait);
      return { outcome, used: outcome.usage ?? worst, latencySeconds: clock.now() - started, sent: true };
    } catch (error) {
      reserved.settleUnknown();
      throw error;
    }
  } finally {
    turn.leave(used);
  }
}

/** The provider's answer, or a timeout as a value; rejects once the caller's signal aborts. */
async function sendInTime(
  provider: Provider,
  request: ProviderRequest,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<ProviderAnswer | RequestFault> {
  signal?.throwIfAborted();
  const control = new AbortController();
  const abort = (): void => control.abort();
  signal?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(abort, seconds * 1000);
  try {
    return await provider.send(request, control.signal);
  } catch (error) {
    if (signal?.aborted || !control.signal.aborted) throw error;
    const message = `no answer within ${seconds} s; allow more time or ask for less at once`;
    return { kind: "fault", fault: "timeout", message, sends: 2, usage: undefined };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function overBudget({ limit, why }: Refusal): RequestFault {
  const message = `the budget for language models forbids another call: ${why}`;
  return { kind: "fault", fault: "budget", limit, message, sends: 1, usage: noUsage };
}

/** Seconds to wait before a request is sent again; undefined where it is not. */
function delayBefore(sends: number, fault: RequestFault, key: string, context: CallContext): number | undefined {
  const { reachable, maxSends, seed } = context;
  if (fault.noConnection && !reachable.value) return undefined;
  if (sends >= Math.min(fault.sends, maxSends)) {
    if (fault.noConnection) reachable.value = false;
    return undefined;
  }
  const asked = fault.retryAfterSeconds ?? 0;
  if (asked > longestWaitSeconds) return undefined;
  // Spread by a keyed draw, so that those who were turned away together do not come back together.
  const backoff = Math.min(30, 0.5 * 2 ** (sends - 1)) * (0.5 + keyedUniform(seed, "retry", key, sends));
  return asked + backoff * (asked > 0 ? 0.2 : 1);
}

function addUsage(a: BilledUsage, b: BilledUsage): BilledUsage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    outputTokens: a.outputTokens + b.outputTokens,
  };
}
