import type {
  ForecastFailure,
  LanguageModelCall,
  LanguageModelLimit,
  ProposalFailure,
  Spending,
} from "../domain/index.ts";

/** Calls of one language model for one purpose. */
export interface CallTally {
  readonly model: string;
  readonly purpose: string;
  calls: number;
  /** Of those, answered by what was kept from an earlier call, at no cost. */
  kept: number;
  /** Of those, without an answer. */
  failed: number;
  /** Requests sent, those sent again included. */
  requests: number;
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  /** Of calls whose price is known. */
  usd: number;
  /** What kept answers cost when they were made. */
  savedTokens: number;
  savedUsd: number;
  /** Calls that were sent and whose price is not known. */
  unpriced: number;
  /** Of calls that were sent: together, and the longest. */
  latencySeconds: number;
  longestSeconds: number;
  readonly faults: Map<string, number>;
}

/** What a run asked of language models and what was wrong with what they said. */
export interface ModelLedger {
  /** By model and purpose. */
  readonly calls: Map<string, CallTally>;
  /** What was wrong with answers of the forecaster, also where asking again cured it. */
  readonly answerFaults: Map<string, number>;
  /** Candidates that got no forecast, by why. */
  readonly forecastFailures: Map<string, number>;
  /** Proposals that came to nothing, by why. */
  readonly proposalFailures: Map<string, number>;
  lastProposalFailure: ProposalFailure | undefined;
  /** The limit that a language model's next call would have crossed: it counts as reached. */
  refused: LanguageModelLimit | undefined;
}

export function emptyLedger(): ModelLedger {
  return {
    calls: new Map(),
    answerFaults: new Map(),
    forecastFailures: new Map(),
    proposalFailures: new Map(),
    lastProposalFailure: undefined,
    refused: undefined,
  };
}

/** Counts a call; what it cost is the run's. */
export function recordCall(ledger: ModelLedger, call: LanguageModelCall): Pick<Spending, "tokens" | "usd"> {
  const { usage, usd, latencySeconds, attempts, kept, fault } = call;
  const tally = tallyOf(ledger, call);
  tally.calls++;
  if (kept) tally.kept++;
  tally.requests += attempts;
  tally.inputTokens += usage.inputTokens;
  tally.cachedInputTokens += usage.cachedInputTokens;
  tally.outputTokens += usage.outputTokens;
  tally.usd += usd ?? 0;
  tally.savedTokens += call.saved?.tokens ?? 0;
  tally.savedUsd += call.saved?.usd ?? 0;
  if (usd === undefined && attempts > 0) tally.unpriced++;
  tally.latencySeconds += latencySeconds;
  tally.longestSeconds = Math.max(tally.longestSeconds, latencySeconds);
  if (fault !== undefined) {
    tally.failed++;
    increase(tally.faults, fault);
  }
  if (call.limit !== undefined) ledger.refused = call.limit;
  return { tokens: usage.inputTokens + usage.outputTokens, usd: usd ?? 0 };
}

function tallyOf({ calls }: ModelLedger, { model, purpose }: LanguageModelCall): CallTally {
  const key = JSON.stringify([model, purpose]);
  const known = calls.get(key);
  if (known) return known;
  const nothing = { calls: 0, kept: 0, failed: 0, requests: 0, usd: 0, savedTokens: 0, savedUsd: 0, unpriced: 0 };
  const noTokens = { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
  const tally = { model, purpose, ...nothing, ...noTokens, latencySeconds: 0, longestSeconds: 0, faults: new Map() };
  calls.set(key, tally);
  return tally;
}

export function recordForecastFaults(
  ledger: ModelLedger,
  failures: readonly ForecastFailure[] = [],
  faults: Readonly<Record<string, number>> = {},
): void {
  for (const { fault } of failures) increase(ledger.forecastFailures, fault);
  for (const [fault, count] of Object.entries(faults)) increase(ledger.answerFaults, fault, count);
}

export function recordProposalFailures(ledger: ModelLedger, failures: readonly ProposalFailure[] = []): void {
  for (const { fault } of failures) increase(ledger.proposalFailures, fault);
  ledger.lastProposalFailure = failures.at(-1) ?? ledger.lastProposalFailure;
}

function increase(counts: Map<string, number>, name: string, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}
