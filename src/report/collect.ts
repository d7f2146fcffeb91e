import type { TrustTracker } from "../decide/trust/trust-tracker.ts";
import { createPolicy, type PolicyName } from "../decide/policies.ts";
import { KernelcastError, type Confirmation, type Decision, type Forecast, type RunStore } from "../domain/index.ts";
import type { SearchInput, SearchNote } from "../search/events.ts";
import { replayRun } from "../search/replay.ts";
import type { CandidateState, SearchState } from "../search/state.ts";
import { TrustCollector, type ReportTrust } from "./trust.ts";
import { summarise, type SearchSummary } from "../search/summary.ts";

/** One screening or confirmation in the order in which it ended. */
export interface ReportMeasurement {
  readonly number: number;
  readonly kernelId: string;
  readonly mode: "screen" | "confirm";
  readonly status: string;
  readonly error?: string;
  readonly runtimeUs?: number;
  readonly confirmation?: Confirmation;
  readonly gpuSeconds: number;
  /** Seconds since the run's start. */
  readonly at: number;
  /** Runtime of the incumbent after this measurement. */
  readonly bestUs: number;
  readonly isWin: boolean;
}

export interface ReportDecision {
  readonly batchId: string;
  readonly parentId: string;
  readonly decision: Decision;
  readonly outcome: string;
}

/** What a decision of a policy that plans expected. */
export type ReportOutlook = Extract<SearchNote, { type: "outlook" }> & {
  /** Kernels measured before it. */
  readonly measured: number;
};

/** A candidate in the derivation tree. */
export interface ReportNode {
  readonly kernelId: string;
  readonly parentId: string | null;
  readonly status: CandidateState["status"];
  readonly idea: string;
  readonly runtimeUs?: number;
  readonly forecast?: Forecast;
  /** Lineage from the seed, seed first, as ids. */
  readonly path: readonly string[];
}

/** Everything that a report shows, read from a run's log alone. */
export interface ReportData {
  readonly summary: SearchSummary;
  readonly config: SearchState["config"];
  readonly measurements: readonly ReportMeasurement[];
  readonly decisions: readonly ReportDecision[];
  readonly outlooks: readonly ReportOutlook[];
  readonly nodes: readonly ReportNode[];
  /** Where a level of trust was asked for. */
  readonly trust: ReportTrust | undefined;
  /** Its state at the end. */
  readonly tracker: TrustTracker | undefined;
  readonly seedSource: string;
  readonly bestSource: string;
}

/** Reads a run from its log. Throws `KernelcastError("store", …)` for an unknown or unreadable run. */
export function collectReport(store: RunStore, runId: string): ReportData {
  const run = store.run(runId);
  if (!run) throw new KernelcastError("store", `no run named ${runId}`);
  const config = run.config as SearchState["config"];
  const measurements: ReportMeasurement[] = [];
  const batches = new Map<string, string>();
  const decisions: { batchId: string; decision: Decision }[] = [];
  const outlooks: ReportOutlook[] = [];
  const trust = new TrustCollector(store);
  const replayed = replayRun(store, runId, createPolicy(config.policy as PolicyName), (state, input, { notes }) => {
    if (input.type === "measurement-end")
      measurements.push(toMeasurement(state, input, notes, measurements.length + 1));
    trust.see(input, notes);
    for (const note of notes) {
      if (note.type === "batch-open") batches.set(note.batchId, note.parentId);
      if (note.type === "decision") decisions.push(note);
      if (note.type === "outlook") outlooks.push({ ...note, measured: state.counts.measured });
    }
  });
  if (!replayed) throw new KernelcastError("store", `run ${runId} has no events`);
  const { state } = replayed;
  return {
    summary: summarise(runId, state),
    config,
    measurements,
    decisions: decisions.map(({ batchId, decision }) => ({
      batchId,
      parentId: batches.get(batchId) ?? "",
      decision,
      outcome: outcomeOf(state.candidates.get(decision.kernelId)),
    })),
    outlooks,
    trust: trust.trust,
    tracker: state.trust?.tracker,
    nodes: [...state.candidates.values()].map((candidate) => toNode(state, candidate)),
    seedSource: sourceOf(store, state, state.seedId),
    bestSource: sourceOf(store, state, state.incumbentId ?? state.seedId),
  };
}

function toMeasurement(
  state: SearchState,
  { commandId, measurement }: Extract<SearchInput, { type: "measurement-end" }>,
  notes: readonly SearchNote[],
  number: number,
): ReportMeasurement {
  const ok = measurement.status === "ok";
  const incumbent = state.incumbentId === undefined ? undefined : state.candidates.get(state.incumbentId);
  return {
    number,
    kernelId: measurement.kernelId,
    mode: commandId.startsWith("confirm:") ? "confirm" : "screen",
    status: measurement.status,
    ...(ok ? { runtimeUs: measurement.runtime.medianUs } : { error: measurement.error }),
    ...(ok && measurement.confirmation ? { confirmation: measurement.confirmation } : {}),
    gpuSeconds: measurement.cost.gpuSeconds,
    at: state.now - state.startedAt,
    bestUs: incumbent?.measurement?.runtime.medianUs ?? Number.NaN,
    isWin: notes.some(({ type }) => type === "incumbent-change"),
  };
}

function outcomeOf(candidate: CandidateState | undefined): string {
  if (!candidate) return "";
  const { status, measurement } = candidate;
  return measurement ? `${measurement.runtime.medianUs.toFixed(1)} µs` : status;
}

function toNode(state: SearchState, candidate: CandidateState): ReportNode {
  const { record, status, forecast, measurement } = candidate;
  return {
    kernelId: record.kernelId,
    parentId: record.parentId,
    status,
    idea: record.idea ?? "",
    ...(measurement ? { runtimeUs: measurement.runtime.medianUs } : {}),
    ...(forecast ? { forecast } : {}),
    path: lineage(state, record.kernelId),
  };
}

function lineage(state: SearchState, kernelId: string): readonly string[] {
  const path: string[] = [];
  for (let id: string | null | undefined = kernelId; id; id = state.candidates.get(id)?.record.parentId) {
    path.unshift(id);
  }
  return path;
}

function sourceOf(store: RunStore, state: SearchState, kernelId: string): string {
  const sha256 = state.candidates.get(kernelId)?.record.sourceSha256;
  return (sha256 === undefined ? undefined : store.blob(sha256)) ?? "";
}
