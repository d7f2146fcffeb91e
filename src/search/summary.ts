import { worthDocument, worthOfAsking, type WorthDocument } from "../decide/worth.ts";
import type { Spending, TrustLevel } from "../domain/index.ts";
import type { CallTally, ModelLedger } from "./model-ledger.ts";
import type { PlanningState, SearchState } from "./state.ts";
import type { RunTrust, TrustMode } from "./trust.ts";

/** A run's outcome in the words of the `--json` document; runtimes in µs. */
export interface SearchSummary {
  readonly run_id: string;
  readonly task: string;
  readonly device: string;
  readonly seed_kernel: { readonly kernel_id: string; readonly runtime_us: number | null };
  readonly best: {
    readonly kernel_id: string;
    readonly runtime_us: number;
    readonly speedup: number;
    readonly confirmed: boolean;
  } | null;
  readonly considered: number;
  readonly measured: number;
  readonly skipped: number;
  readonly audited: number;
  readonly duplicates: number;
  readonly failed: number;
  /** Proposals that came to nothing, where there were any. */
  readonly proposal_failures?: {
    readonly count: number;
    readonly by_kind: Readonly<Record<string, number>>;
    readonly last: string;
  };
  /** Candidates that got no forecast, by why, where there were any. */
  readonly forecast_failures?: Readonly<Record<string, number>>;
  /** What was wrong with answers of the forecaster, also where asking again cured it. */
  readonly answer_faults?: Readonly<Record<string, number>>;
  /** Calls of language models, where there were any. */
  readonly language_models?: readonly CallSummary[];
  /** What the forecasts of a language model cost against the measurements that they spared: the skipped candidates'. */
  readonly worth?: WorthDocument;
  readonly spent: {
    readonly gpu_seconds: number;
    readonly cpu_seconds: number;
    readonly wall_seconds: number;
    readonly usd: number;
    readonly tokens: number;
  };
  readonly stopped: string | null;
  /** How far the forecaster was trusted, where that was asked for. */
  readonly trust?: TrustSummary;
  /** What a policy that plans has to say: why it ended the run, or that forecasts cost more than measuring. */
  readonly policy_notes?: readonly string[];
}

/** Trust in one run, in the words of the `--json` document. */
export interface TrustSummary {
  readonly asked: TrustMode;
  /** At the start and at the end, in the run's family. */
  readonly started: TrustLevel;
  readonly ended: TrustLevel;
  /** Sealed forecasts whose outcome is new. */
  readonly labels: number;
  /** What it lacks for the next level. */
  readonly lacking: readonly string[];
}

/** Calls of one language model for one purpose, in the words of the `--json` document. */
export interface CallSummary {
  readonly model: string;
  readonly purpose: string;
  readonly calls: number;
  /** Answered by what was kept from an earlier call, at no cost. */
  readonly kept: number;
  readonly failed: number;
  /** Requests sent, those sent again included. */
  readonly requests: number;
  readonly input_tokens: number;
  readonly cached_input_tokens: number;
  readonly output_tokens: number;
  /** Null where no price is known. */
  readonly usd: number | null;
  /** Of calls that were sent. */
  readonly latency_seconds: { readonly mean: number; readonly longest: number };
  readonly faults: Readonly<Record<string, number>>;
}

/** Summarises a run at any moment. The best kernel is the incumbent: measured, and confirmed unless it is the seed. */
export function summarise(runId: string, state: SearchState): SearchSummary {
  const seedUs = state.candidates.get(state.seedId)?.measurement?.runtime.medianUs;
  return {
    run_id: runId,
    task: state.config.taskId,
    device: state.config.device,
    seed_kernel: { kernel_id: state.seedId, runtime_us: seedUs === undefined ? null : round(seedUs, 3) },
    best: seedUs === undefined ? null : bestOf(state, seedUs),
    ...state.counts,
    ...failuresOf(state.ledger),
    ...callsOf(state.ledger),
    ...worthOf(state),
    spent: spentOf(state.spent),
    stopped: state.ended ?? null,
    ...trustOf(state.trust),
    ...notesOf(state.planning),
  };
}

function trustOf(trust: RunTrust | undefined): Pick<SearchSummary, "trust"> {
  if (!trust) return {};
  const { start, tracker, labels } = trust;
  const started = start.record.families[start.family]?.vetoed ? "shadow" : start.record.level;
  const ended = tracker.levelIn(start.family);
  return { trust: { asked: start.mode, started, ended, labels, lacking: tracker.obstacles() } };
}

function notesOf({ stop, verdict }: PlanningState): Pick<SearchSummary, "policy_notes"> {
  const policy_notes = [stop, verdict?.message].filter((note) => note !== undefined);
  return policy_notes.length > 0 ? { policy_notes } : {};
}

function failuresOf({ proposalFailures, lastProposalFailure: last, forecastFailures, answerFaults }: ModelLedger) {
  const count = [...proposalFailures.values()].reduce((sum, one) => sum + one, 0);
  const by_kind = Object.fromEntries(proposalFailures);
  return {
    ...(last ? { proposal_failures: { count, by_kind, last: `${last.fault}: ${last.message}` } } : {}),
    ...(forecastFailures.size > 0 ? { forecast_failures: Object.fromEntries(forecastFailures) } : {}),
    ...(answerFaults.size > 0 ? { answer_faults: Object.fromEntries(answerFaults) } : {}),
  };
}

function callsOf({ calls }: ModelLedger): Pick<SearchSummary, "language_models"> {
  return calls.size > 0 ? { language_models: [...calls.values()].map(summariseCalls) } : {};
}

function worthOf({ ledger, candidates, counts, spent }: SearchState): Pick<SearchSummary, "worth"> {
  const asked = [...ledger.calls.values()].filter(({ purpose }) => purpose.startsWith("forecast"));
  if (asked.length === 0) return {};
  const isPriced = asked.every(
    ({ unpriced, savedTokens, savedUsd }) => unpriced === 0 && (savedTokens === 0 || savedUsd > 0),
  );
  const usd = asked.reduce((sum, tally) => sum + tally.usd + tally.savedUsd, 0);
  const worth = worthOfAsking({
    forecasts: [...candidates.values()].filter(({ forecast }) => forecast !== undefined).length,
    usd: isPriced ? usd : undefined,
    avoided: counts.skipped,
    measurementSeconds: counts.measured === 0 ? 0 : spent.gpuSeconds / counts.measured,
  });
  return { worth: worthDocument(worth) };
}

function summariseCalls(tally: CallTally): CallSummary {
  const sent = tally.calls - tally.kept;
  return {
    model: tally.model,
    purpose: tally.purpose,
    calls: tally.calls,
    kept: tally.kept,
    failed: tally.failed,
    requests: tally.requests,
    input_tokens: tally.inputTokens,
    cached_input_tokens: tally.cachedInputTokens,
    output_tokens: tally.outputTokens,
    usd: tally.unpriced > 0 ? null : round(tally.usd, 6),
    latency_seconds: {
      mean: round(sent > 0 ? tally.latencySeconds / sent : 0, 3),
      longest: round(tally.longestSeconds, 3),
    },
    faults: Object.fromEntries(tally.faults),
  };
}

function bestOf(state: SearchState, seedUs: number): SearchSummary["best"] {
  const incumbent = state.incumbentId === undefined ? undefined : state.candidates.get(state.incumbentId);
  if (!incumbent?.measurement) return null;
  const { medianUs } = incumbent.measurement.runtime;
  return {
    kernel_id: incumbent.record.kernelId,
    runtime_us: round(medianUs, 3),
    speedup: round(seedUs / medianUs, 4),
    confirmed: incumbent.confirmed,
  };
}

function spentOf(spent: Spending): SearchSummary["spent"] {
  return {
    gpu_seconds: round(spent.gpuSeconds, 3),
    cpu_seconds: round(spent.cpuSeconds, 3),
    wall_seconds: round(spent.wallSeconds, 3),
    usd: round(spent.usd, 6),
    tokens: spent.tokens,
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
