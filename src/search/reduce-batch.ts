import type { CompileOutcome } from "../domain/index.ts";
import { decideBatch, isEscalation, anchorsOf } from "./decide-batch.ts";
import type { DuplicateRecord, SearchInput } from "./events.ts";
import { recordForecastFaults } from "./model-ledger.ts";
import { asksSurrogate, refreshedBeside, takeUp } from "./planning.ts";
import { consider, isRevision, noteFailures, openRevision, rememberResult, sendBack } from "./reduce-proposals.ts";
import {
  incumbentOf,
  machineCodeKey,
  rememberOutcome,
  type Batch,
  type CandidateState,
  type SearchState,
} from "./state.ts";
import { issue, type StepBuilder } from "./step.ts";
import { observeOutcome } from "./trust.ts";

type Input<T extends SearchInput["type"]> = Extract<SearchInput, { type: T }>;

function batchOf(state: SearchState, commandId: string): Batch | undefined {
  return state.batches.get(commandId.slice(commandId.indexOf(":") + 1));
}

/**
 * Takes proposals in but for duplicates by id and by normalised text, then forecasts or decides. Duplicates of a proposer that
 * takes them back are sent back first, once, so that what comes in their place is judged beside the rest.
 */
export function receiveProposals(state: SearchState, step: StepBuilder, input: Input<"proposal-end">): void {
  const batch = batchOf(state, input.commandId);
  if (!batch) return;
  noteFailures(state, input);
  if (input.exhausted) state.tree.exhaust(batch.parentId);
  if (input.revises) batch.revises = true;
  const duplicates = input.candidates.flatMap((record) => consider(state, step, batch, record) ?? []);
  if (!isRevision(input.commandId) && sendBack(state, step, batch, duplicates)) return;
  if (batch.kernelIds.length === 0) {
    batch.unmeasured = 0;
    state.repeatedBatches++;
  } else {
    state.repeatedBatches = 0;
    judge(state, step, batch);
  }
}

function judge(state: SearchState, step: StepBuilder, batch: Batch): void {
  if (!asksSurrogate(state, step)) return decideBatch(state, step, batch);
  const refreshed = refreshedBeside(state, batch);
  issue(state, step, {
    type: "forecast",
    commandId: `forecast:${batch.batchId}`,
    kernelIds: refreshed.length > 0 ? [...batch.kernelIds, ...refreshed] : batch.kernelIds,
    anchorIds: anchorsOf(state, batch),
  });
}

/** Most skipped kernels that are forecast anew at once. */
const reconsideredAtOnce = 64;

/**
 * Takes up kernels that were skipped, the most promising first, as a batch of their own: what a search with measurements left
 * does when nothing new is proposed. Returns false when none was skipped.
 */
export function reconsiderSkipped(state: SearchState, step: StepBuilder): boolean {
  const skipped = [...state.candidates.values()].filter(({ status }) => status === "skipped");
  const promise = ({ forecast }: CandidateState): number => forecast?.m ?? 0;
  if (state.policy.needsForecasts) skipped.sort((a, b) => promise(a) - promise(b)).splice(reconsideredAtOnce);
  if (skipped.length === 0) return false;
  const batchId = `b${state.nextBatch++}`;
  const parentId = incumbentOf(state).record.kernelId;
  const kernelIds = skipped.map(({ record }) => record.kernelId);
  const batch: Batch = { batchId, parentId, kernelIds, unmeasured: Number.POSITIVE_INFINITY, again: true };
  for (const candidate of skipped) {
    takeUp(state, candidate, batchId);
  }
  state.batches.set(batchId, batch);
  step.notes.push({ type: "batch-open", batchId, parentId, score: 0 });
  judge(state, step, batch);
  return true;
}

export function receiveForecasts(state: SearchState, step: StepBuilder, input: Input<"forecast-end">): void {
  const batch = batchOf(state, input.commandId);
  if (!batch) return;
  const isStrong = isEscalation(input.commandId);
  for (const forecast of input.forecasts) {
    const candidate = state.candidates.get(forecast.kernelId);
    if (!candidate) continue;
    candidate.forecast = forecast;
    candidate.forecastAt = state.counts.measured;
    if (isStrong) state.planning.escalated.add(forecast.kernelId);
  }
  recordForecastFaults(state.ledger, input.failures, input.faults);
  // A candidate that another batch took up meanwhile has its outcome, which is not to be told again.
  for (const basis of isStrong ? [] : (input.basis ?? [])) {
    const candidate = state.candidates.get(basis.kernelId);
    if (candidate && !candidate.measurement && !candidate.failure) candidate.basis = basis;
  }
  decideBatch(state, step, batch);
}

/** Ends the candidates that do not compile or are another one's machine code; the rest wait for the device, in the order chosen. */
export function receiveCompiled(
  state: SearchState,
  step: StepBuilder,
  input: Input<"compile-end">,
  chosen: readonly string[],
): void {
  const batch = batchOf(state, input.commandId);
  if (!batch) return;
  const outcomes = new Map(input.outcomes.map((outcome) => [outcome.kernelId, outcome]));
  const duplicates: DuplicateRecord[] = [];
  for (const kernelId of chosen) {
    const candidate = state.candidates.get(kernelId);
    if (!candidate || admitCompiled(state, step, candidate, outcomes.get(kernelId))) continue;
    batch.unmeasured--;
    const { record, duplicateOf } = candidate;
    if (duplicateOf !== undefined) duplicates.push({ record, of: duplicateOf, by: "machine-code" });
  }
  openRevision(state, step, batch, duplicates);
}

/** Whether a compiled candidate waits for the device now. One that the device said nothing of has failed. */
function admitCompiled(
  state: SearchState,
  step: StepBuilder,
  candidate: CandidateState,
  outcome: CompileOutcome | undefined,
): boolean {
  const { kernelId } = candidate.record;
  if (!outcome?.ok) {
    rememberOutcome(state, candidate, null);
    observeOutcome(state, step, kernelId, null);
    candidate.status = "failed";
    candidate.failure = { status: "compile_error", error: outcome?.error ?? "the compiler gave no answer" };
    state.counts.failed++;
    rememberResult(state, candidate);
    return false;
  }
  candidate.evidence = outcome.evidence;
  const key = machineCodeKey(candidate);
  const twin = key === undefined ? undefined : state.byMachineCode.get(key);
  if (twin !== undefined) {
    candidate.status = "duplicate";
    candidate.duplicateOf = twin;
    state.counts.duplicates++;
    rememberResult(state, candidate);
    step.notes.push({ type: "candidate-duplicate", kernelId, of: twin, by: "machine-code" });
    return false;
  }
  if (key !== undefined) state.byMachineCode.set(key, kernelId);
  candidate.status = "waiting";
  state.waiting.push(kernelId);
  return true;
}
