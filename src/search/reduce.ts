import {
  addSpending,
  exhausted,
  type Budget,
  type Measurement,
  type OkMeasurement,
  type Spending,
} from "../domain/index.ts";
import { receiveCompiled, receiveForecasts, receiveProposals, reconsiderSkipped } from "./reduce-batch.ts";
import { openBatch, rememberResult } from "./reduce-proposals.ts";
import type { SearchCommand, SearchInput, StopReason } from "./events.ts";
import { recordCall } from "./model-ledger.ts";
import { chargeCall, chargeStage, forgetOutlooks, skip } from "./planning.ts";
import {
  committedCandidates,
  committedMeasurements,
  incumbentOf,
  isSpent,
  machineCodeKey,
  proposesFromOutside,
  rememberOutcome,
  type CandidateState,
  type SearchState,
} from "./state.ts";
import { issue, type Step, type StepBuilder } from "./step.ts";
import { observeOutcome, startTrust } from "./trust.ts";

/**
 * Applies one input at a time: the search's whole behaviour, a function of the sequence of inputs alone. The state is
 * owned by the caller and updated in place: copying it for each of 100 000 candidates would break the figure of 1 ms.
 * An input whose command is not pending is ignored, so that a repeated result does no harm.
 */
export function applyInput(state: SearchState, input: Exclude<SearchInput, { type: "run-start" }>, at: number): Step {
  const step: StepBuilder = { commands: [], notes: [] };
  if (input.type === "run-continue") {
    skipDowntime(state, at);
    return step;
  }
  if (input.type === "trust-start") {
    startTrust(state, input);
    return step;
  }
  if (input.type === "model-call") {
    const cost = recordCall(state.ledger, input.call);
    state.spent = addSpending(state.spent, cost);
    chargeCall(state, input.call);
    return step;
  }
  const pending = state.pending.get(input.commandId);
  if (!pending) return step;
  state.pending.delete(input.commandId);
  state.now = at;
  chargeStage(state, pending.command, input, at - pending.issuedAt);
  spend(state, input.type === "measurement-end" ? input.measurement.cost : input.spent, at);
  switch (input.type) {
    case "proposal-end":
      receiveProposals(state, step, input);
      break;
    case "forecast-end":
      receiveForecasts(state, step, input);
      break;
    case "compile-end":
      if (pending.command.type === "compile") receiveCompiled(state, step, input, pending.command.kernelIds);
      break;
    case "measurement-end":
      receiveMeasurement(state, step, input.measurement, pending.command);
      break;
  }
  advance(state, step);
  return step;
}

/** The time since the last event, in which no process worked on the run, is not the run's. */
function skipDowntime(state: SearchState, at: number): void {
  state.startedAt += Math.max(0, at - state.now);
  state.now = at;
}

function spend(state: SearchState, cost: Partial<Spending>, at: number): void {
  state.spent = { ...addSpending(state.spent, cost), wallSeconds: at - state.startedAt };
}

function receiveMeasurement(
  state: SearchState,
  step: StepBuilder,
  measurement: Measurement,
  command: SearchCommand,
): void {
  const candidate = state.candidates.get(measurement.kernelId);
  if (!candidate || command.type !== "measure") return;
  if (measurement.evidence) candidate.evidence = measurement.evidence;
  if (command.mode === "screen") receiveScreening(state, step, candidate, measurement);
  else receiveConfirmation(state, step, candidate, measurement);
}

function receiveScreening(
  state: SearchState,
  step: StepBuilder,
  candidate: CandidateState,
  measurement: Measurement,
): void {
  const { kernelId, parentId } = candidate.record;
  state.counts.measured++;
  const batch = candidate.batchId === null ? undefined : state.batches.get(candidate.batchId);
  if (batch) batch.unmeasured--;
  rememberMachineCode(state, candidate);
  observeOutcome(state, step, kernelId, measurement);
  rememberOutcome(state, candidate, measurement.status === "ok" ? Math.log2(measurement.runtime.medianUs) : null);
  if (measurement.status !== "ok") {
    candidate.status = "failed";
    candidate.failure = { status: measurement.status, error: measurement.error };
    state.counts.failed++;
    rememberResult(state, candidate);
    if (kernelId !== state.seedId) return;
    state.seedFailure = `${measurement.status}: ${measurement.error}`;
    end(state, step, "seed-failed");
    return;
  }
  candidate.status = "ok";
  candidate.measurement = measurement;
  state.okIds.push(kernelId);
  rememberResult(state, candidate);
  if (kernelId === state.seedId) {
    promote(state, step, candidate, measurement);
    state.tree.add({ kernelId, parentId: null, reward: 0 });
    return;
  }
  const seedUs = state.candidates.get(state.seedId)?.measurement?.runtime.medianUs ?? measurement.runtime.medianUs;
  state.tree.add({ kernelId, parentId, reward: Math.log2(seedUs / measurement.runtime.medianUs) });
  state.contenders.add(kernelId);
}

function rememberMachineCode(state: SearchState, candidate: CandidateState): void {
  const key = machineCodeKey(candidate);
  if (key !== undefined && !state.byMachineCode.has(key)) state.byMachineCode.set(key, candidate.record.kernelId);
}

/**
 * Confirms the fastest contender against the incumbent, one at a time: each change of incumbent leaves fewer contenders,
 * so that a run of ever faster kernels costs one confirmation rather than one for each. Once a spending limit is reached only
 * one more is made: without it the run's fastest kernel would be no result.
 */
function confirmFastest(state: SearchState, step: StepBuilder, spent: boolean): void {
  if (state.contenders.size === 0 || state.closingConfirmation || isConfirming(state)) return;
  const incumbent = incumbentOf(state);
  const kernelId = fastestContender(state, incumbent.measurement.runtime.medianUs * 2 ** -state.config.winLog2);
  if (kernelId === undefined) return;
  const anchorId = incumbent.record.kernelId;
  state.closingConfirmation = spent;
  state.contenders.delete(kernelId);
  const commandId = `confirm:${kernelId}:${anchorId}`;
  issue(state, step, { type: "measure", commandId, kernelId, mode: "confirm", anchorId });
}

function isConfirming(state: SearchState): boolean {
  return [...state.pending.values()].some(({ command }) => command.type === "measure" && command.mode === "confirm");
}

/** The contender with the shortest runtime, ties by id; those that no longer beat the limit are dropped. */
function fastestContender(state: SearchState, limitUs: number): string | undefined {
  let fastest: string | undefined;
  let fastestUs = limitUs;
  for (const kernelId of state.contenders) {
    const runtimeUs = state.candidates.get(kernelId)?.measurement?.runtime.medianUs;
    if (runtimeUs === undefined || runtimeUs > limitUs) {
      state.contenders.delete(kernelId);
    } else if (runtimeUs < fastestUs || fastest === undefined || (runtimeUs === fastestUs && kernelId < fastest)) {
      fastest = kernelId;
      fastestUs = runtimeUs;
    }
  }
  return fastest;
}

function receiveConfirmation(
  state: SearchState,
  step: StepBuilder,
  candidate: CandidateState,
  measurement: Measurement,
): void {
  if (measurement.status !== "ok") {
    candidate.status = "failed";
    candidate.failure = { status: measurement.status, error: measurement.error };
    state.counts.failed++;
    rememberResult(state, candidate);
    disown(state, candidate);
    return;
  }
  candidate.confirmed = true;
  candidate.measurement = measurement;
  const { confirmation } = measurement;
  if (confirmation && confirmation.high < 0 && confirmation.logRatio <= -state.config.winLog2) {
    promote(state, step, candidate, measurement);
  }
}

/** What fails with fresh inputs is no longer a parent or an anchor. Its runtime stays, for work under way. */
function disown(state: SearchState, { record: { kernelId } }: CandidateState): void {
  state.tree.remove(kernelId);
  const place = state.okIds.indexOf(kernelId);
  if (place >= 0) state.okIds.splice(place, 1);
}

function promote(state: SearchState, step: StepBuilder, candidate: CandidateState, measurement: OkMeasurement): void {
  const previousId = state.incumbentId ?? null;
  forgetOutlooks(state);
  state.incumbentId = candidate.record.kernelId;
  step.notes.push({
    type: "incumbent-change",
    kernelId: candidate.record.kernelId,
    runtimeUs: measurement.runtime.medianUs,
    previousId,
    confirmed: candidate.confirmed,
  });
}

/**
 * Batches in a row of which nothing reached the device (duplicates, kernels that do not compile), after which the proposer is
 * taken to have nothing more to say.
 */
const barrenBatchLimit = 64;
/** Batches in a row that held nothing new, after which candidates that were skipped are taken up instead, where the policy looks back. */
const repeatedBatchLimit = 4;
/** Askings in a row of which nothing came but failures, each of which may cost as much as a proposal. */
const lostProposalLimit = 4;

/** Fills the free places: measurements first, then new batches, and ends the run when nothing is left to do. */
function advance(state: SearchState, step: StepBuilder): void {
  if (state.ended) return;
  const spent = isSpent(state);
  if (spent) dropWaiting(state, step);
  closeBatches(state);
  confirmFastest(state, step, spent);
  startMeasurements(state, step);
  const stop = limitReached(state, committedCandidates(state)) ?? stopOf(state);
  if (!stop) goOn(state, step);
  if (isIdle(state)) end(state, step, stop ?? "no-more-proposals");
  else if (onlyWaits(state)) endWaiting(state, step);
}

function limitReached(state: SearchState, candidates: number): keyof Budget | undefined {
  const measurements = state.counts.measured + committedMeasurements(state);
  return state.ledger.refused ?? exhausted(state.config.budget, state.spent, { measurements, candidates });
}

/** The policy's own end of the run: what is under way is still awaited. */
function stopOf({ planning }: SearchState): StopReason | undefined {
  return planning.stop === undefined ? undefined : "little-to-gain";
}

function goOn(state: SearchState, step: StepBuilder): void {
  const isBarren =
    state.barrenBatches >= barrenBatchLimit || state.lostProposals >= lostProposalLimit || onlyRepeats(state);
  if (!isBarren || proposesFromOutside(state)) openBatches(state, step);
  if (isIdle(state) && state.reconsiders && reconsiderSkipped(state, step)) closeBatches(state);
}

/** Ends a run at its limit although it still waits: what others might yet hand in is no candidate of it. */
function endWaiting(state: SearchState, step: StepBuilder): void {
  const reached = limitReached(state, state.counts.considered) ?? stopOf(state);
  if (reached) end(state, step, reached);
}

/** Whether what is proposed is known, and candidates wait that the policy may want. */
function onlyRepeats({ policy, repeatedBatches, reconsiders, planning }: SearchState): boolean {
  return (
    policy.plan !== undefined && reconsiders && repeatedBatches >= repeatedBatchLimit && planning.pendingIds.size > 0
  );
}

function isIdle(state: SearchState): boolean {
  return state.pending.size === 0 && state.waiting.length === 0;
}

/** Whether nothing is under way but waiting for candidates from outside, which a run that has reached a limit does not. */
function onlyWaits(state: SearchState): boolean {
  if (!proposesFromOutside(state) || state.waiting.length > 0) return false;
  return [...state.pending.values()].every(({ command }) => command.type === "propose");
}

function dropWaiting(state: SearchState, step: StepBuilder): void {
  for (const kernelId of state.waiting.splice(0)) {
    const candidate = state.candidates.get(kernelId);
    const batch = candidate?.batchId ? state.batches.get(candidate.batchId) : undefined;
    if (!candidate || !batch) continue;
    batch.unmeasured--;
    skip(state, candidate);
    const decision = {
      kernelId,
      action: "skip",
      reason: "a spending limit was reached before its turn",
      numbers: {},
    } as const;
    candidate.decision = decision;
    step.notes.push({ type: "decision", batchId: batch.batchId, decision });
  }
}

function closeBatches(state: SearchState): void {
  for (const batch of state.batches.values()) {
    if (batch.unmeasured > 0) continue;
    state.batches.delete(batch.batchId);
    state.barrenBatches = batch.reachedDevice ? 0 : state.barrenBatches + 1;
  }
}

function startMeasurements(state: SearchState, step: StepBuilder): void {
  let running = 0;
  for (const { command } of state.pending.values()) if (command.type === "measure") running++;
  while (running < state.config.measureConcurrency && state.waiting.length > 0) {
    const kernelId = state.waiting.shift() as string;
    const candidate = state.candidates.get(kernelId);
    if (!candidate) continue;
    candidate.status = "measuring";
    const batch = state.batches.get(candidate.batchId ?? "");
    if (batch) batch.reachedDevice = true;
    issue(state, step, {
      type: "measure",
      commandId: `screen:${kernelId}`,
      kernelId,
      mode: "screen",
      anchorId: state.incumbentId ?? null,
      ...sealOf(state, kernelId),
    });
    running++;
  }
}

function sealOf({ trust }: SearchState, kernelId: string): { readonly sealed?: string } {
  const sealed = trust?.sealed.get(kernelId)?.seal;
  return sealed === undefined ? {} : { sealed };
}

function openBatches(state: SearchState, step: StepBuilder): void {
  const limit = state.config.budget.candidates ?? Number.POSITIVE_INFINITY;
  while (state.batches.size < state.config.openBatches && committedCandidates(state) < limit) {
    const busy = new Set([...state.batches.values()].map(({ parentId }) => parentId));
    const selected = state.tree.select(busy);
    if (!selected) return;
    openBatch(state, step, selected);
  }
}

function end(state: SearchState, step: StepBuilder, reason: NonNullable<SearchState["ended"]>): void {
  state.ended = reason;
  step.notes.push({ type: "run-end", reason });
}
