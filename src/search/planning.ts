import { sketchLikeness } from "../check/sketch.ts";
import type {
  Candidate,
  Forecast,
  LanguageModelCall,
  Outlook,
  PlanningContext,
  PolicyContext,
  Spending,
} from "../domain/index.ts";
import type { CandidateRecord, SearchCommand, SearchInput } from "./events.ts";
import {
  committedMeasurements,
  incumbentOf,
  isSpent,
  proposesFromOutside,
  type Batch,
  type CandidateState,
  type PlanningState,
  type SearchState,
} from "./state.ts";
import type { StepBuilder } from "./step.ts";
import { decidesAlone } from "./trust.ts";

/** Skipped candidates that a policy sees, and how many more there may be before the least promising leave. */
const mostPending = 5000;
const pendingSlack = 500;
/** Outlooks kept; a policy reads the latest. */
const keptOutlooks = 32;

export function emptyPlanning(): PlanningState {
  const none = () => ({ pieces: 0, gpuSeconds: 0, cpuSeconds: 0, usd: 0, seconds: 0 });
  return {
    pendingIds: new Set(),
    escalated: new Set(),
    costs: { proposing: none(), measuring: none(), compiling: none(), forecasting: none(), escalating: none() },
    outlooks: [],
    verdict: undefined,
    stop: undefined,
  };
}

/** Leaves a candidate in the tree, with its forecast, for a later decision. */
export function skip(state: SearchState, candidate: CandidateState): void {
  candidate.status = "skipped";
  state.counts.skipped++;
  if (!state.policy.plan) return;
  const { pendingIds } = state.planning;
  pendingIds.add(candidate.record.kernelId);
  if (pendingIds.size > mostPending + pendingSlack) dropUnpromising(state, pendingIds);
}

function dropUnpromising({ candidates }: SearchState, pendingIds: Set<string>): void {
  const slowness = (kernelId: string): number => candidates.get(kernelId)?.forecast?.m ?? Number.POSITIVE_INFINITY;
  const ranked = [...pendingIds].sort((a, b) => slowness(a) - slowness(b) || (a < b ? -1 : 1));
  for (const kernelId of ranked.slice(mostPending)) pendingIds.delete(kernelId);
}

/** Takes a skipped candidate into a batch. */
export function takeUp(state: SearchState, candidate: CandidateState, batchId: string): void {
  candidate.status = "proposed";
  candidate.batchId = batchId;
  state.counts.skipped--;
  state.planning.pendingIds.delete(candidate.record.kernelId);
}

/** What a policy decides a batch by. */
export function policyContext(state: SearchState, members: readonly CandidateState[]): PolicyContext {
  const forecasts = new Map<string, Forecast>();
  for (const { record, forecast } of members) if (forecast) forecasts.set(record.kernelId, forecast);
  return {
    seed: state.config.seed,
    candidates: members.map(({ record }) => toCandidate(record)),
    forecasts,
    incumbentUs: incumbentOf(state).measurement.runtime.medianUs,
    measurementsLeft: measurementsLeft(state),
  };
}

/** What a policy that plans decides a batch by: those skipped before are there, too. */
export function planningContext(
  state: SearchState,
  members: readonly CandidateState[],
  batch: Pick<Batch, "again" | "escalated">,
): PolicyContext {
  const pending = pendingOf(state);
  const context = policyContext(state, [...members, ...pending]);
  return {
    ...context,
    candidates: context.candidates.slice(0, members.length),
    planning: planningOf(state, context.candidates.slice(members.length), batch),
  };
}

function pendingOf({ planning, candidates }: SearchState): CandidateState[] {
  return [...planning.pendingIds].flatMap((id) => candidates.get(id) ?? []);
}

function planningOf(
  state: SearchState,
  pending: readonly Candidate[],
  { again, escalated }: Pick<Batch, "again" | "escalated">,
): PlanningContext {
  const { config, counts, planning, spent } = state;
  const { measurements, usd } = config.budget;
  const alone = decidesAlone(state.trust);
  return {
    winLog2: config.winLog2,
    pending,
    likeness: (one, other) => likenessOf(state, one, other),
    costs: planning.costs,
    rationed: measurements !== undefined,
    ...(usd === undefined ? {} : { usdLeft: Math.max(0, usd - spent.usd) }),
    canEscalate: alone && config.strongForecaster !== undefined && !escalated && !isSpent(state),
    escalated: planning.escalated,
    proposalsAtHand: alone && !proposesFromOutside(state),
    ...(alone ? {} : { unaudited: true }),
    considered: counts.considered - counts.duplicates,
    measured: counts.measured,
    surrogateOff: planning.verdict?.off === true,
    again: again === true,
    outlooks: planning.outlooks,
  };
}

function likenessOf({ candidates }: SearchState, one: string, other: string): number {
  const sketch = candidates.get(one)?.record.sketch;
  const otherSketch = candidates.get(other)?.record.sketch;
  return sketch === undefined || otherSketch === undefined ? 0 : sketchLikeness(sketch, otherSketch);
}

/** Policies see what a candidate is, not its source: the state does not hold sources. */
function toCandidate(record: CandidateRecord): Candidate {
  const { kernelId, launches, compileOptions, parentId, origin } = record;
  return { kernel: { kernelId, source: "", launches, compileOptions }, parentId, origin };
}

export function measurementsLeft(state: SearchState): number {
  const limit = state.config.budget.measurements ?? Number.POSITIVE_INFINITY;
  return isSpent(state) ? 0 : Math.max(0, limit - state.counts.measured - committedMeasurements(state));
}

/** Pending candidates that are forecast anew with a batch: more was measured since they were. */
export function refreshedBeside(state: SearchState, batch: Batch): readonly string[] {
  const { policy, counts } = state;
  if (!policy.refresh || batch.again) return [];
  const stale = pendingOf(state).filter(({ forecastAt }) => (forecastAt ?? 0) < counts.measured);
  if (stale.length === 0) return [];
  const context = policyContext(state, stale);
  const planning = planningOf(state, context.candidates, batch);
  return policy.refresh({ ...context, candidates: [], planning });
}

/** Whether a batch is to be forecast. What the policy finds of the forecasts' price is noted when it changes. */
export function asksSurrogate(state: SearchState, step: StepBuilder): boolean {
  const { policy, planning, counts, config } = state;
  if (!policy.needsForecasts) return false;
  // Where it decides nothing it spares nothing: it is not judged by that.
  if (!planning.verdict && policy.judgeSurrogate && decidesAlone(state.trust)) {
    const decided = counts.measured + counts.skipped;
    const share = decided === 0 ? 1 : counts.measured / decided;
    const verdict = policy.judgeSurrogate(planning.costs, config.budget.measurements !== undefined, share);
    if (verdict) {
      planning.verdict = verdict;
      step.notes.push({ type: "surrogate-verdict", ...verdict });
    }
  }
  return planning.verdict?.off !== true;
}

export function rememberOutlook(state: SearchState, step: StepBuilder, batchId: string, outlook: Outlook): void {
  const { outlooks } = state.planning;
  outlooks.push(outlook);
  if (outlooks.length > keptOutlooks) outlooks.shift();
  step.notes.push({ type: "outlook", batchId, ...outlook });
}

/** A new incumbent is another target: what was expected of the old one says nothing of it. */
export function forgetOutlooks({ planning }: SearchState): void {
  planning.outlooks.length = 0;
}

/** Books what a command's end cost to its stage. */
export function chargeStage(
  { planning: { costs } }: SearchState,
  command: SearchCommand,
  input: Exclude<SearchInput, { type: "run-start" | "run-continue" | "trust-start" | "model-call" }>,
  seconds: number,
): void {
  if (input.type === "proposal-end" && command.type === "propose")
    charge(costs.proposing, command.count, { ...input.spent, seconds });
  if (input.type === "measurement-end" && command.type === "measure")
    charge(costs.measuring, command.mode === "screen" ? 1 : 0, { ...input.measurement.cost, seconds });
  if (input.type === "compile-end") charge(costs.compiling, input.outcomes.length, { ...input.spent, seconds });
  if (input.type === "forecast-end" && command.type === "forecast")
    charge(command.strong ? costs.escalating : costs.forecasting, command.kernelIds.length, {
      ...input.spent,
      seconds,
    });
}

/**
 * Books the money of a call; a forecast's to the stronger surrogate while it is the one that is asked. Kept answers count as when they were
 * made: what is decided must not hang on them, or the same search would ask anew.
 */
export function chargeCall(
  { pending, planning: { costs } }: SearchState,
  { purpose, usd = 0, saved }: LanguageModelCall,
): void {
  const cost = { usd: usd + (saved?.usd ?? 0) };
  if (purpose.startsWith("propose")) charge(costs.proposing, 0, cost);
  if (!purpose.startsWith("forecast")) return;
  const isStrong = [...pending.values()].some(({ command }) => command.type === "forecast" && command.strong);
  charge(isStrong ? costs.escalating : costs.forecasting, 0, cost);
}

function charge(
  costs: { pieces: number; gpuSeconds: number; cpuSeconds: number; usd: number; seconds: number },
  pieces: number,
  { gpuSeconds = 0, cpuSeconds = 0, usd = 0, seconds = 0 }: Partial<Spending> & { readonly seconds?: number },
): void {
  costs.pieces += pieces;
  costs.gpuSeconds += gpuSeconds;
  costs.cpuSeconds += cpuSeconds;
  costs.usd += usd;
  costs.seconds += seconds;
}
