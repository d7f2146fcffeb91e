import type { LanguageModelLimit, ModelPrice } from "../domain/index.ts";
import { createBell } from "./bell.ts";
import { usdOf, type BilledUsage } from "./cost.ts";

export interface LanguageModelBudget {
  /** Input and output tokens together. */
  readonly tokens?: number;
  readonly usd?: number;
}

/** A call's claim on the budget. It must be settled, with what the call used or with the claim itself. */
export interface Reservation {
  readonly tokens: number;
  readonly usd: number;
  settle(usage: BilledUsage): void;
  /** For a call that was sent and whose usage nobody will know: counts the worst case. */
  settleUnknown(): void;
}

export interface Spent {
  readonly tokens: number;
  /** Of the calls whose price is known. */
  readonly usd: number;
}

/** Why the budget forbids a call for good. */
export interface Refusal {
  readonly limit: LanguageModelLimit;
  /** "of 1000 tokens 950 are spent" */
  readonly why: string;
}

/** Holds many calls together under one budget: each claims its worst case before it is sent. */
export interface Spending {
  spent(): Spent;
  /** Counts what was spent elsewhere out of the same budget, as by an earlier process of a run. */
  charge(spent: Spent): void;
  /** Waits while other calls hold what they may not need. Rejects once the signal aborts. */
  reserve(worst: BilledUsage, price: ModelPrice | undefined, signal?: AbortSignal): Promise<Reservation | Refusal>;
}

export function createSpending(budget: LanguageModelBudget = {}): Spending {
  const [maxTokens, maxUsd] = [budget.tokens ?? Infinity, budget.usd ?? Infinity];
  const spent = { tokens: 0, usd: 0 };
  const held = { tokens: 0, usd: 0 };
  const change = createBell();

  const claim = (tokens: number, usd: number, price: ModelPrice | undefined): Reservation => {
    held.tokens += tokens;
    held.usd += usd;
    const release = (used: Spent): void => {
      held.tokens -= tokens;
      held.usd -= usd;
      spent.tokens += used.tokens;
      spent.usd += used.usd;
      change.ring();
    };
    return {
      tokens,
      usd,
      settle: (usage) => release({ tokens: usage.inputTokens + usage.outputTokens, usd: usdOf(usage, price) ?? 0 }),
      settleUnknown: () => release({ tokens, usd }),
    };
  };

  return {
    spent: () => ({ ...spent }),
    charge: ({ tokens, usd }) => {
      spent.tokens += tokens;
      spent.usd += usd;
    },
    async reserve(worst, price, signal) {
      if (maxUsd < Infinity && !price) {
        return { limit: "usd", why: "the budget is in USD and the price of this model is not known" };
      }
      const tokens = worst.inputTokens + worst.outputTokens;
      const usd = usdOf(worst, price) ?? 0;
      for (;;) {
        signal?.throwIfAborted();
        if (spent.tokens + held.tokens + tokens <= maxTokens && spent.usd + held.usd + usd <= maxUsd) {
          return claim(tokens, usd, price);
        }
        if (spent.tokens + tokens > maxTokens) {
          return { limit: "tokens", why: `of ${maxTokens} tokens ${spent.tokens} are spent` };
        }
        if (spent.usd + usd > maxUsd) {
          return { limit: "usd", why: `of ${maxUsd} USD ${spent.usd.toFixed(4)} are spent` };
        }
        await change.wait(signal);
      }
    },
  };
}
