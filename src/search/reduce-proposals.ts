import type { CandidateRecord, DuplicateRecord, SearchCommand, SearchInput } from "./events.ts";
import { recordProposalFailures } from "./model-ledger.ts";
import {
  committedCandidates,
  isSpent,
  learnsFromAll,
  type Batch,
  type CandidateState,
  type SearchState,
} from "./state.ts";
import { issue, type StepBuilder } from "./step.ts";

/** Asks for the next proposals of a parent. */
export function openBatch(
  state: SearchState,
  step: StepBuilder,
  parent: { readonly kernelId: string; readonly score: number },
): void {
  const limit = state.config.budget.candidates ?? Number.POSITIVE_INFINITY;
  const count = Math.min(state.policy.proposalsPerParent, limit - committedCandidates(state));
  const batch = newBatch(state, step, parent, {});
  issue(state, step, askFor(state, `propose:${batch.batchId}`, batch.parentId, count));
}

function newBatch(
  state: SearchState,
  step: StepBuilder,
  { kernelId: parentId, score }: { readonly kernelId: string; readonly score: number },
  kind: Pick<Batch, "revision">,
): Batch {
  const batchId = `b${state.nextBatch++}`;
  const batch: Batch = { batchId, parentId, kernelIds: [], unmeasured: Number.POSITIVE_INFINITY, ...kind };
  state.batches.set(batchId, batch);
  step.notes.push({ type: "batch-open", batchId, parentId, score });
  return batch;
}

function askFor(
  state: SearchState,
  commandId: string,
  parentId: string,
  count: number,
): Extract<SearchCommand, { type: "propose" }> {
  const firstIndex = state.proposalsOf.get(parentId) ?? 0;
  state.proposalsOf.set(parentId, firstIndex + count);
  return { type: "propose", commandId, parentId, firstIndex, count, historyIds: historyOf(state, parentId) };
}

/** Takes a proposal into its batch, or says of which kernel it is a duplicate. */
export function consider(
  state: SearchState,
  step: StepBuilder,
  batch: Batch,
  record: CandidateRecord,
): DuplicateRecord | undefined {
  state.counts.considered++;
  const { kernelId } = record;
  const sameText = state.byText.get(record.normalisedSha256);
  const of = state.candidates.has(kernelId) ? kernelId : sameText;
  if (of !== undefined) {
    const by = of === kernelId ? "id" : "text";
    state.counts.duplicates++;
    step.notes.push({ type: "candidate-duplicate", kernelId, of, by });
    return { record, of, by };
  }
  state.byText.set(record.normalisedSha256, kernelId);
  state.candidates.set(kernelId, { record, batchId: batch.batchId, status: "proposed", confirmed: false });
  batch.kernelIds.push(kernelId);
  return undefined;
}

/** Whether what ended was a second asking, whose duplicates are dropped. */
export function isRevision(commandId: string): boolean {
  return commandId.startsWith("revise:");
}

/** Sends duplicates back to a proposer that takes them; false when none is sent, so that the batch goes on as it is. */
export function sendBack(
  state: SearchState,
  step: StepBuilder,
  batch: Batch,
  duplicates: readonly DuplicateRecord[],
): boolean {
  const sent = sendable(state, batch, duplicates);
  if (sent.length === 0) return false;
  const command = askFor(state, `revise:${batch.batchId}`, batch.parentId, sent.length);
  issue(state, step, { ...command, duplicates: sent });
  return true;
}

/** Sends back what only its machine code showed to be a duplicate: its batch is under way, so another one takes the answers. */
export function openRevision(
  state: SearchState,
  step: StepBuilder,
  from: Batch,
  duplicates: readonly DuplicateRecord[],
): void {
  const sent = sendable(state, from, duplicates);
  if (sent.length === 0) return;
  const batch = newBatch(state, step, { kernelId: from.parentId, score: 0 }, { revision: true });
  const command = askFor(state, `propose:${batch.batchId}`, batch.parentId, sent.length);
  issue(state, step, { ...command, duplicates: sent });
}

function sendable(
  state: SearchState,
  { revises, revision }: Batch,
  duplicates: readonly DuplicateRecord[],
): readonly DuplicateRecord[] {
  if (!revises || revision || isSpent(state)) return [];
  const limit = state.config.budget.candidates ?? Number.POSITIVE_INFINITY;
  return duplicates.slice(0, Math.max(0, limit - committedCandidates(state)));
}

/** Counts proposals that came to nothing. */
export function noteFailures(
  state: SearchState,
  { candidates, failures = [] }: Pick<Extract<SearchInput, { type: "proposal-end" }>, "candidates" | "failures">,
): void {
  recordProposalFailures(state.ledger, failures);
  state.lostProposals = failures.length > 0 && candidates.length === 0 ? state.lostProposals + 1 : 0;
}

/** Results of a parent, and failures of the run, that are remembered for proposers: the latest. */
const rememberedResults = 32;
/** Of those, how many a proposer is told of. */
const toldResults = 8;
const toldFailures = 4;

/** Notes that something is known of a candidate: a runtime, a failure, or that it is another one's machine code. */
export function rememberResult(state: SearchState, candidate: CandidateState): void {
  const { kernelId, parentId } = candidate.record;
  state.resultIds.add(kernelId);
  const results = state.resultsOf.get(parentId ?? "") ?? [];
  state.resultsOf.set(parentId ?? "", results);
  pushLatest(results, kernelId);
  if (candidate.failure) pushLatest(state.recentFailures, kernelId);
}

function pushLatest(latest: string[], kernelId: string): void {
  latest.push(kernelId);
  if (latest.length > rememberedResults) latest.shift();
}

/**
 * What a proposer that learns is told when it is asked for a parent's next proposals: the run's latest failures, whoever's
 * children they are, the latest results of this parent, and the incumbent; each once, the parent itself not. One that learns from
 * all is told of all results and of what is under way.
 */
function historyOf(state: SearchState, parentId: string): readonly string[] {
  if (learnsFromAll(state)) return [...new Set([...state.resultIds, ...state.candidates.keys()])];
  const failures = state.recentFailures.slice(-toldFailures);
  const results = (state.resultsOf.get(parentId) ?? []).slice(-toldResults);
  const told = new Set([...failures, ...results, state.incumbentId ?? parentId]);
  told.delete(parentId);
  return [...told];
}
