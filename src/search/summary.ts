import type { Spending } from "../domain/index.ts";
import type { SearchState } from "./state.ts";

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
  readonly proposal_failures?: { readonly count: number; readonly last: string };
  readonly spent: {
    readonly gpu_seconds: number;
    readonly cpu_seconds: number;
    readonly wall_seconds: number;
    readonly usd: number;
    readonly tokens: number;
  };
  readonly stopped: string | null;
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
    ...proposalFailures(state),
    spent: spentOf(state.spent),
    stopped: state.ended ?? null,
  };
}

function proposalFailures({ proposalFailures: count, lastProposalFailure: last }: SearchState) {
  return last ? { proposal_failures: { count, last: `${last.fault}: ${last.message}` } } : {};
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
