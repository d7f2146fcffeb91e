import type { Decision, PolicyPlan } from "../domain/index.ts";
import { planningContext, policyContext, rememberOutlook, skip, takeUp } from "./planning.ts";
import { incumbentOf, type Batch, type SearchState } from "./state.ts";
import { issue, type StepBuilder } from "./step.ts";
import { trustedDecisions, type TrustedDecision } from "./trust-decisions.ts";
import { decidesAlone, seal } from "./trust.ts";

const escalation = "escalate:";

/** Whether a forecast that ended was the stronger surrogate's. */
export function isEscalation(commandId: string): boolean {
  return commandId.startsWith(escalation);
}

/** Asks the policy and does what it decided: compiles what is to be measured, or asks the stronger surrogate first. */
export function decideBatch(state: SearchState, step: StepBuilder, batch: Batch): void {
  const plan = planOf(state, batch);
  const { decisions, outlook, stop } = plan;
  const asked = decisions.filter(({ action }) => action === "escalate").map(({ kernelId }) => kernelId);
  if (asked.length > 0) return escalate(state, step, batch, decisions, asked);
  if (outlook) rememberOutlook(state, step, batch.batchId, outlook);
  const chosen = trustedDecisions(state, batch, plan).flatMap((trusted) => {
    sealDecision(state, step, trusted);
    return carryOut(state, step, batch, trusted.decision) ? [trusted.decision.kernelId] : [];
  });
  batch.unmeasured = chosen.length;
  if (batch.again && chosen.length === 0) state.reconsiders = false;
  if (stop !== undefined && decidesAlone(state.trust) && state.planning.stop === undefined) {
    state.planning.stop = stop;
    step.notes.push({ type: "policy-stop", message: stop });
  }
  if (chosen.length > 0)
    issue(state, step, { type: "compile", commandId: `compile:${batch.batchId}`, kernelIds: chosen });
}

function sealDecision(state: SearchState, step: StepBuilder, { decision, probability, counts }: TrustedDecision): void {
  const candidate = state.candidates.get(decision.kernelId);
  if (candidate) seal(state, step, candidate, { probability, counts });
}

function planOf(state: SearchState, batch: Batch): PolicyPlan {
  const { policy } = state;
  const members = batch.kernelIds.flatMap((id) => state.candidates.get(id) ?? []);
  if (!policy.plan) return { decisions: policy.decide(policyContext(state, members)) };
  return policy.plan(planningContext(state, members, batch));
}

/** Notes a decision and applies it to its candidate; true when it is to be measured. */
function carryOut(state: SearchState, step: StepBuilder, batch: Batch, decision: Decision): boolean {
  const candidate = state.candidates.get(decision.kernelId);
  if (!candidate) return false;
  candidate.decision = decision;
  step.notes.push({ type: "decision", batchId: batch.batchId, decision });
  if (decision.action === "skip") {
    skip(state, candidate);
    return false;
  }
  if (candidate.status === "skipped") {
    takeUp(state, candidate, batch.batchId);
    batch.kernelIds.push(decision.kernelId);
  }
  if (decision.action === "audit") state.counts.audited++;
  return decision.action === "measure" || decision.action === "audit";
}

/** The stronger surrogate is asked once for a batch; then the policy decides with what it said. */
function escalate(
  state: SearchState,
  step: StepBuilder,
  batch: Batch,
  decisions: readonly Decision[],
  kernelIds: readonly string[],
): void {
  batch.escalated = true;
  for (const decision of decisions) step.notes.push({ type: "decision", batchId: batch.batchId, decision });
  const commandId = `${escalation}${batch.batchId}`;
  const anchorIds = anchorsOf(state, batch, state.config.strongForecaster);
  issue(state, step, { type: "forecast", commandId, kernelIds, anchorIds, strong: true });
}

/** Most measured kernels that a forecast is given beside the incumbent, the parent and the seed. */
const furtherAnchors = 5;

/** The same for forecasters that learn from every anchor. */
const learningAnchors = 512;

/** The incumbent first, then the parent and the seed, then the kernels measured last; `asked` is the forecaster they are for. */
export function anchorsOf(state: SearchState, batch: Batch, asked = state.config.forecaster): readonly string[] {
  const recent = state.okIds.slice(learnsFromAnchors(asked) ? -learningAnchors : -furtherAnchors).toReversed();
  return [...new Set([incumbentOf(state).record.kernelId, batch.parentId, state.seedId, ...recent])];
}

/** Whether a forecaster is one of `adapt:…` or an ensemble with `adapted`. */
function learnsFromAnchors(forecaster: string): boolean {
  return forecaster.startsWith("adapt:") || /^ensemble:(?:.*\+)?adapted(?:\+|$)/.test(forecaster);
}
