import { keyedUniform, type Decision, type Forecast, type Policy, type PolicyContext } from "../domain/index.ts";
import { createGate } from "./gate/gate.ts";

/** Proposals per parent and measurements per batch of the gated policies: those of the published search (4 of 16). */
const gatedProposals = 16;
const gatedMeasurements = 4;

/** Measures every candidate in proposal order. */
function measureAll(): Policy {
  return {
    name: "measure-all",
    proposalsPerParent: gatedMeasurements,
    needsForecasts: false,
    decide: ({ candidates, measurementsLeft }) =>
      candidates.map(({ kernel }, index) =>
        index < measurementsLeft
          ? { kernelId: kernel.kernelId, action: "measure", reason: "every candidate is measured", numbers: {} }
          : overBudget(kernel.kernelId),
      ),
  };
}

/** Measures a keyed random share of each batch: the control for every gate. */
function randomSubset(perBatch: number = gatedMeasurements): Policy {
  return {
    name: "random-subset",
    proposalsPerParent: gatedProposals,
    needsForecasts: false,
    decide: (context) =>
      chooseLowest(context, perBatch, "random draw", ({ kernelId }) => ({
        score: keyedUniform(context.seed, "random-subset", kernelId),
      })),
  };
}

/**
 * How many doublings slower than the incumbent a failed kernel counts when a forecast is ranked: a failure costs its
 * measurement and gains nothing, so a kernel twice as likely to fail must promise a clearly shorter runtime.
 */
const failurePenaltyLog2 = 2;

/** Expected log2 runtime in µs when a failure counts as four times the incumbent's runtime; lower is better. */
export function expectedLog2Us({ pOk, m }: Pick<Forecast, "pOk" | "m">, incumbentUs: number): number {
  return pOk * m + (1 - pOk) * (Math.log2(incumbentUs) + failurePenaltyLog2);
}

/**
 * Measures the best of each batch by forecast. Score, lower is better: p_ok · m + (1 − p_ok) · (log2 incumbent + 2), the
 * expected log2 runtime in µs when a failure counts as four times the incumbent's.
 */
export function topK(perBatch: number = gatedMeasurements): Policy {
  return {
    name: "top-k",
    proposalsPerParent: gatedProposals,
    needsForecasts: true,
    decide: (context) =>
      chooseLowest(context, perBatch, "expected log2 runtime", ({ forecast }) =>
        scoreForecast(forecast, context.incumbentUs),
      ),
  };
}

interface Scored {
  readonly score: number;
  readonly numbers?: Readonly<Record<string, number>>;
}

function scoreForecast(forecast: Forecast | undefined, incumbentUs: number): Scored {
  if (!forecast) return { score: Number.POSITIVE_INFINITY };
  return {
    score: expectedLog2Us(forecast, incumbentUs),
    numbers: { p_ok: forecast.pOk, forecast_us: 2 ** forecast.m, incumbent_us: incumbentUs },
  };
}

function chooseLowest(
  context: PolicyContext,
  perBatch: number,
  what: string,
  scoreOf: (candidate: { readonly kernelId: string; readonly forecast: Forecast | undefined }) => Scored,
): readonly Decision[] {
  const scored = context.candidates.map(({ kernel: { kernelId } }) => {
    const forecast = context.forecasts.get(kernelId);
    return { kernelId, forecast, ...scoreOf({ kernelId, forecast }) };
  });
  const ranked = scored.toSorted((a, b) => a.score - b.score || (a.kernelId < b.kernelId ? -1 : 1));
  const limit = Math.min(perBatch, context.measurementsLeft);
  const ranks = new Map(ranked.map(({ kernelId }, index) => [kernelId, index + 1]));
  return scored.map(({ kernelId, forecast, score, numbers }) => {
    const rank = ranks.get(kernelId) ?? scored.length;
    const chosen = rank <= limit;
    return {
      kernelId,
      action: chosen ? "measure" : "skip",
      reason: `rank ${rank} of ${scored.length} by ${what}; the first ${limit} are measured`,
      numbers: { rank, ...(Number.isFinite(score) ? { score } : {}), ...numbers },
      ...(forecast ? { forecast } : {}),
    };
  });
}

function overBudget(kernelId: string): Decision {
  return { kernelId, action: "skip", reason: "the budget of measurements is spent", numbers: {} };
}

const policies = {
  "measure-all": measureAll,
  "random-subset": randomSubset,
  "top-k": topK,
  gate: createGate,
} as const;

export type PolicyName = keyof typeof policies;
export const policyNames: readonly PolicyName[] = ["measure-all", "random-subset", "top-k", "gate"];

/** The policy of a name, with its default batch sizes. */
export function createPolicy(name: PolicyName): Policy {
  return policies[name]();
}
