import { auditProbability, drawAudits } from "../decide/gate/audit.ts";
import { auditChance } from "../decide/trust/sealed.ts";
import { expectedLog2Us } from "../decide/policies.ts";
import { keyedUniform, type Decision, type PolicyPlan } from "../domain/index.ts";
import { measurementsLeft } from "./planning.ts";
import type { Batch, SearchState } from "./state.ts";
import { currentLevel } from "./trust.ts";

/** A decision with the chance that its candidate is measured with; what is no part of a draw does not count for promotion. */
export interface TrustedDecision {
  readonly decision: Decision;
  readonly probability: number;
  readonly counts: boolean;
}

/** Share of the measurements that audits are in live, for policies that draw none of their own. */
const liveAudits = 0.04;

/** What trust makes of a policy's decisions: what it would leave out is measured, all of it in shadow, a share of it in canary and live. */
export function trustedDecisions(state: SearchState, batch: Batch, plan: PolicyPlan): readonly TrustedDecision[] {
  const { trust } = state;
  const { decisions } = plan;
  if (!trust || state.planning.verdict?.off) return decisions.map(untouched);
  const level = currentLevel(trust);
  if (level === "live") return liveDecisions(state, batch, decisions);
  const members = new Set(batch.kernelIds);
  // What was skipped before, and is decided anew, had its draw then.
  const isDrawn = ({ kernelId, action }: Decision): boolean =>
    action === "skip" && members.has(kernelId) && !batch.again;
  const left = decisions.filter(isDrawn);
  const room = Math.max(0, measurementsLeft(state) - (decisions.length - decisions.filter(isSkip).length));
  const share = level === "shadow" ? 1 : trust.start.settings.canaryAudit;
  const drawn = draw(state, left, share);
  const fitting = fit(state, drawn, room);
  const isWhole = fitting.size === drawn.length;
  const probability = level === "shadow" ? (isWhole ? 1 : fitting.size / Math.max(1, drawn.length)) : share;
  const trusted = decisions.map((decision): TrustedDecision => {
    if (!isDrawn(decision)) {
      const counts = isWhole && members.has(decision.kernelId) && !batch.again;
      return { decision, probability: 1, counts };
    }
    const told = { ...decision.numbers, audit_probability: probability };
    if (!fitting.has(decision.kernelId))
      return { decision: { ...decision, numbers: told }, probability, counts: false };
    const why = level === "shadow" ? "in shadow everything is measured" : `audit, drawn with probability ${share}`;
    const reason = `${why}; else: ${decision.reason}`;
    return { decision: { ...decision, action: "audit", reason, numbers: told }, probability, counts: isWhole };
  });
  return inOrder(trusted, state);
}

const isSkip = ({ action }: Decision): boolean => action === "skip";

function untouched(decision: Decision): TrustedDecision {
  return { decision, probability: auditChance(decision), counts: false };
}

/** Candidates that are measured whatever the forecast: each with the same chance, by a draw of its own. */
function draw({ config }: SearchState, left: readonly Decision[], share: number): readonly string[] {
  return left
    .map(({ kernelId }) => kernelId)
    .filter((kernelId) => share >= 1 || keyedUniform(config.seed, "canary", kernelId) < share);
}

/** As many of them as there is room for, by a draw: what the budget cuts off says nothing of the forecasts then. */
function fit({ config }: SearchState, drawn: readonly string[], room: number): ReadonlySet<string> {
  if (drawn.length <= room) return new Set(drawn);
  const ranked = drawn
    .map((kernelId) => ({ kernelId, rank: keyedUniform(config.seed, "room", kernelId) }))
    .sort((a, b) => a.rank - b.rank || (a.kernelId < b.kernelId ? -1 : 1));
  return new Set(ranked.slice(0, room).map(({ kernelId }) => kernelId));
}

/** What the policy chose comes first, then the rest by what their forecasts promise. */
function inOrder(trusted: readonly TrustedDecision[], state: SearchState): readonly TrustedDecision[] {
  const incumbentUs = state.candidates.get(state.incumbentId ?? "")?.measurement?.runtime.medianUs ?? 1;
  const promise = ({ decision }: TrustedDecision): number => {
    if (decision.action !== "audit") return Number.NEGATIVE_INFINITY;
    const { forecast } = state.candidates.get(decision.kernelId) ?? {};
    return forecast ? expectedLog2Us(forecast, incumbentUs) : Number.POSITIVE_INFINITY;
  };
  // The sort is stable: the policy's own order stays.
  return trusted
    .map((one) => ({ one, rank: promise(one) }))
    .sort((a, b) => (a.rank === b.rank ? 0 : a.rank - b.rank))
    .map(({ one }) => one);
}

/** A policy that plans draws its own audits; for the others they are drawn here. */
function liveDecisions(state: SearchState, batch: Batch, decisions: readonly Decision[]): readonly TrustedDecision[] {
  const skips = decisions.filter(isSkip).map(({ kernelId }) => kernelId);
  if (state.policy.plan || batch.again) return decisions.map((one) => ({ ...untouched(one), counts: !batch.again }));
  const chosen = decisions.length - skips.length;
  const room = measurementsLeft(state) - chosen;
  const probability = auditProbability(liveAudits, chosen, skips.length, room);
  const drawn = drawAudits(state.config.seed, skips, probability);
  return decisions.map((decision): TrustedDecision => {
    if (!isSkip(decision)) return { decision, probability: 1, counts: true };
    const numbers = { ...decision.numbers, audit_probability: probability };
    if (!drawn.has(decision.kernelId)) return { decision: { ...decision, numbers }, probability, counts: true };
    const reason = `audit, drawn with probability ${Number(probability.toPrecision(2))}; else: ${decision.reason}`;
    return { decision: { ...decision, action: "audit", reason, numbers }, probability, counts: true };
  });
}
