import type { Decision, Outlook, Policy, PolicyContext, PolicyPlan } from "../../domain/index.ts";
import { auditProbability, drawAudits } from "./audit.ts";
import { judgeSurrogate, usdPerPiece } from "./costs.ts";
import { escalationWorth } from "./escalate.ts";
import { gainText, measured, percent, putOff, skipped, toDecision } from "./explain.ts";
import type { Target } from "./gain.ts";
import { lookFurther } from "./look-further.ts";
import { defaultGateOptions, type GateOptions } from "./options.ts";
import { prospectsOf, targetOf, type Prospect } from "./prospects.ts";
import { createDraws, weigh, type Draws, type Weighing } from "./weigh.ts";

/**
 * Measures where the answer matters: candidates are weighed by the improvement that their forecast promises over the incumbent and by
 * what measuring them tells of others, per unit of cost, among the batch's and those skipped before.
 */
export function createGate(settings: Partial<GateOptions> = {}): Policy {
  const options = { ...defaultGateOptions, ...settings };
  const draws = createDraws(options);
  const plan = (context: PolicyContext): PolicyPlan => planBatch(context, options, draws);
  return {
    name: "gate",
    proposalsPerParent: options.proposalsPerParent,
    needsForecasts: true,
    plan,
    decide: (context) => plan(context).decisions,
    refresh: (context) => refreshed(context, options),
    judgeSurrogate: (costs, rationed, share) => judgeSurrogate(costs, rationed, share, options.prices),
  };
}

function planBatch(context: PolicyContext, options: GateOptions, draws: Draws): PolicyPlan {
  if (context.planning?.surrogateOff) return measureInOrder(context);
  const target = targetOf(context);
  const prospects = prospectsOf(context, target, options.surelyFails);
  const look = lookFurther(prospects, context, options);
  if (look.isWorth) {
    const waiting = prospects.filter(({ pending }) => !pending);
    return { decisions: waiting.map((prospect) => toDecision(prospect, target, putOff(prospect, look))) };
  }
  const weighing = weigh(prospects, target, context, options, draws(context.seed));
  const stop = stopReason(weighing.outlook, context, options);
  if (stop !== undefined)
    return { ...decideAll(prospects, target, { ...weighing, choices: [] }, context, options, stop), stop };
  const asked = escalations(weighing, target, context, options);
  if (asked.length > 0) return { decisions: asked };
  return decideAll(prospects, target, weighing, context, options);
}

/** Without a surrogate every candidate is measured, in the order proposed. */
function measureInOrder({ candidates, measurementsLeft }: PolicyContext): PolicyPlan {
  const decisions = candidates.map(({ kernel: { kernelId } }, index): Decision =>
    index < measurementsLeft
      ? {
          kernelId,
          action: "measure",
          reason: "the surrogate is switched off: every candidate is measured",
          numbers: {},
        }
      : { kernelId, action: "skip", reason: "the budget of measurements is spent", numbers: {} },
  );
  return { decisions };
}

function decideAll(
  prospects: readonly Prospect[],
  target: Target,
  weighing: Weighing,
  context: PolicyContext,
  options: GateOptions,
  stop?: string,
): PolicyPlan {
  const places = new Map(
    weighing.choices.map((choice, place) => [weighing.shortlist[choice.row]?.prospect.kernelId, { choice, place }]),
  );
  const rest = prospects.filter(({ kernelId, pending }) => !pending && !places.has(kernelId));
  const audit = stop === undefined ? auditsOf(rest, places.size, context, options) : undefined;
  const decisions = prospects.flatMap((prospect): Decision[] => {
    const chosen = places.get(prospect.kernelId);
    if (chosen) return [toDecision(prospect, target, measured(chosen.choice, chosen.place, weighing))];
    if (prospect.pending) return [];
    const { reason, numbers } =
      stop === undefined
        ? skipped(prospect, weighing, { surelyFails: options.surelyFails, measurementsLeft: context.measurementsLeft })
        : { reason: stop, numbers: {} };
    if (!audit) return [toDecision(prospect, target, { action: "skip", reason, numbers: numbers ?? {} })];
    const isDrawn = audit.drawn.has(prospect.kernelId);
    const why = isDrawn ? `audit, drawn with probability ${percent(audit.probability)}; else: ${reason}` : reason;
    const told = { ...numbers, audit_probability: audit.probability };
    return [toDecision(prospect, target, { action: isDrawn ? "audit" : "skip", reason: why, numbers: told })];
  });
  return { decisions, outlook: weighing.outlook };
}

/** Draws among the skipped of a new batch; what was skipped before had its draw then. */
function auditsOf(rest: readonly Prospect[], chosen: number, context: PolicyContext, { auditShare }: GateOptions) {
  if (context.planning?.again || context.planning?.unaudited) return undefined;
  const room = context.measurementsLeft - chosen;
  const probability = auditProbability(auditShare, chosen, rest.length, room);
  if (probability === 0) return undefined;
  const kernelIds = rest.map(({ kernelId }) => kernelId);
  return { probability, drawn: drawAudits(context.seed, kernelIds, probability) };
}

/** Why the run should end; undefined while it should not. */
function stopReason(
  outlook: Outlook,
  { planning, measurementsLeft }: PolicyContext,
  { stopLog2, stopPatience }: GateOptions,
): string | undefined {
  if (!planning || measurementsLeft === 0) return undefined;
  const latest = [...planning.outlooks.slice(1 - stopPatience), outlook];
  if (latest.length < stopPatience || latest.some(({ gainLog2 }) => gainLog2 >= stopLog2)) return undefined;
  const left = Number.isFinite(measurementsLeft) ? `the ${measurementsLeft} measurements left` : "further measurements";
  return `${left} promise ${gainText(outlook.gainLog2)} together, and less than ${gainText(stopLog2)} in each of the last ${stopPatience} decisions`;
}

/** Candidates about which a stronger surrogate's answer could change the decision by more than it costs. */
function escalations(
  { shortlist, choices, costUsd }: Weighing,
  target: Target,
  context: PolicyContext,
  options: GateOptions,
): readonly Decision[] {
  const { planning } = context;
  if (!planning?.canEscalate || choices.length === 0) return [];
  const chosen = new Set(choices.map(({ row }) => row));
  const gains = shortlist.map(({ prospect }) => prospect.gain);
  const leastChosen = Math.min(...choices.map(({ row }) => gains[row] as number));
  const bestOther = Math.max(0, ...gains.filter((_, row) => !chosen.has(row)));
  const strongUsd = usdPerPiece(planning.costs.escalating, options.prices) ?? 0;
  const worthUsd = measurementWorth(context, costUsd);
  const worthy = shortlist.flatMap(({ prospect }, row) => {
    if (planning.escalated.has(prospect.kernelId)) return [];
    const alternative = chosen.has(row) ? bestOther : leastChosen;
    const share = escalationWorth(prospect.forecast, target, alternative, options.strongWidth);
    const isWorth = share >= options.leastEscalation && (worthUsd === undefined || share * worthUsd > strongUsd);
    return isWorth ? [{ prospect, share, alternative }] : [];
  });
  return worthy
    .sort((a, b) => b.share - a.share || (a.prospect.kernelId < b.prospect.kernelId ? -1 : 1))
    .slice(0, options.escalations)
    .map(({ prospect, share, alternative }) =>
      toDecision(prospect, target, {
        action: "escalate",
        reason: `a stronger forecast could change the decision: asking is worth ${percent(share)} of a measurement`,
        numbers: { escalation_share: share, alternative_gain_log2: alternative, strong_usd: strongUsd },
      }),
    );
}

/** USD that a measurement is worth: what it costs, or the money that is left for each, where both are rationed; undefined: no limit. */
function measurementWorth({ planning, measurementsLeft }: PolicyContext, costUsd: number): number | undefined {
  if (!planning?.rationed || !Number.isFinite(measurementsLeft)) return costUsd;
  return planning.usdLeft === undefined
    ? undefined
    : Math.max(costUsd, planning.usdLeft / Math.max(1, measurementsLeft));
}

/** The most promising pending candidates, where forecasts cost no money; the incumbent's part of their gain is always up to date. */
function refreshed(context: PolicyContext, { refreshes, surelyFails }: GateOptions): readonly string[] {
  const { planning, measurementsLeft } = context;
  if (!planning || planning.costs.forecasting.usd > 0 || measurementsLeft === 0) return [];
  const target = targetOf(context);
  return prospectsOf({ ...context, candidates: [] }, target, surelyFails)
    .filter(({ fails }) => !fails)
    .sort((a, b) => b.gain - a.gain || (a.kernelId < b.kernelId ? -1 : 1))
    .slice(0, refreshes)
    .map(({ kernelId }) => kernelId);
}
