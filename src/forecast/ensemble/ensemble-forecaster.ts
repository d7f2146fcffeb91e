import type {
  Forecast,
  ForecastAnswer,
  ForecastBasis,
  ForecastCost,
  Forecaster,
  ForecastOutcome,
  ForecastRequest,
} from "../../domain/index.ts";
import { ReferenceFinder } from "../calibrate/reference.ts";
import { calibrate, refit, chosenPrior, type Refit, type RefitPrior } from "../calibrate/refit.ts";
import type { CalibrationRecipe } from "../calibrate/recipe.ts";
import { poolOpinions } from "./pool.ts";
import { learnWeights, memberWeights, untaught, type WeightState } from "./weights.ts";

export interface EnsembleMember {
  readonly name: string;
  readonly forecaster: Forecaster;
  readonly recipe: CalibrationRecipe;
  /** Its weight before a run has shown anything. */
  readonly weight: number;
}

export interface EnsembleOptions {
  readonly name: string;
  readonly members: readonly EnsembleMember[];
  /** The device on which the recipes were fitted; on another one a run's own measurements count for more. */
  readonly device?: string;
}

/** Adds an outcome of the run to what is known of the members: each is judged as its recipe calibrates it. Pure. */
export function learn(
  state: WeightState,
  members: readonly Pick<EnsembleMember, "name" | "recipe">[],
  { basis, log2Us }: ForecastOutcome,
): WeightState {
  const opinions = Object.fromEntries(
    members.flatMap(({ name, recipe }) => {
      const raw = basis.members[name];
      return raw ? [[name, calibrate(recipe, { raw, reference: basis.reference })] as const] : [];
    }),
  );
  const names = members.map(({ name }) => name);
  return learnWeights(state, names, opinions, log2Us);
}

/** On a device that no recipe was fitted on, a recipe counts for this share of the outcomes that it otherwise counts for. */
const elsewhere = 0.25;

/**
 * Asks its members, calibrates each by its recipe and by what the run has measured, and pools them. With one member it is that one,
 * calibrated. An answer is a function of the request alone: what the run has taught comes with it, so that a run
 * that is continued or replayed from its log forecasts the same. Reasons are those of the first member that gives any.
 */
export function createEnsembleForecaster({ name, members, device }: EnsembleOptions): Forecaster {
  const finder = new ReferenceFinder();
  const explaining = members.find(({ forecaster }) => "explain" in forecaster)?.forecaster;
  return {
    name,
    ...(explaining?.explain ? { explain: explaining.explain.bind(explaining) } : {}),
    close: async () => {
      await Promise.all(members.map(async ({ forecaster }) => forecaster.close?.()));
    },
    async forecast(request: ForecastRequest, signal?: AbortSignal): Promise<ForecastAnswer> {
      const answers = await Promise.all(members.map(({ forecaster }) => forecaster.forecast(request, signal)));
      const started = performance.now();
      const basis = gather(request, members, answers, finder);
      const prior =
        device === undefined || device === request.device.name ? chosenPrior : scaled(chosenPrior, elsewhere);
      const judge = createJudge(members, request.outcomes ?? [], prior);
      const forecasts = basis.map(judge);
      const cost = addCosts(answers.map((answer) => answer.cost));
      const cpuSeconds = cost.cpuSeconds + (performance.now() - started) / 1000;
      return { forecasts, cost: { ...cost, cpuSeconds }, basis, ...faultsOf(answers) };
    },
  };
}

function gather(
  { anchors, candidates }: ForecastRequest,
  members: readonly EnsembleMember[],
  answers: readonly ForecastAnswer[],
  finder: ReferenceFinder,
): ForecastBasis[] {
  const byMember = answers.map(({ forecasts }) => new Map(forecasts.map((forecast) => [forecast.kernelId, forecast])));
  return candidates.flatMap((kernel) => {
    const opinions = members.flatMap(({ name }, index) => {
      const forecast = byMember[index]?.get(kernel.kernelId);
      if (!forecast) return [];
      const { pOk, m, sigmaLow, sigmaHigh } = forecast;
      return [[name, { pOk, m, sigmaLow, sigmaHigh }] as const];
    });
    if (opinions.length === 0) return [];
    const reference = finder.find(kernel, anchors);
    return [{ kernelId: kernel.kernelId, ...(reference ? { reference } : {}), members: Object.fromEntries(opinions) }];
  });
}

/** How a run's outcomes so far make a basis a forecast. */
function createJudge(
  members: readonly EnsembleMember[],
  outcomes: readonly ForecastOutcome[],
  prior: RefitPrior,
): (basis: ForecastBasis) => Forecast {
  const taught = outcomes.reduce((state, outcome) => learn(state, members, outcome), untaught);
  const weights = memberWeights(taught, Object.fromEntries(members.map((member) => [member.name, member.weight])));
  const refits = new Map<string, Refit>(
    members.map((member) => [member.name, refit(member.recipe, outcomesOf(member, outcomes), prior)]),
  );
  return ({ kernelId, reference, members: raw }) => {
    const opinions = members.flatMap((member) => {
      const own = raw[member.name];
      if (!own) return [];
      const value = calibrate(member.recipe, { raw: own, reference }, refits.get(member.name));
      return [{ value, weight: weights[member.name] as number }];
    });
    return { kernelId, ...poolOpinions(opinions) };
  };
}

function outcomesOf({ name }: EnsembleMember, outcomes: readonly ForecastOutcome[]) {
  return outcomes.flatMap(({ basis, log2Us }) => {
    const raw = basis.members[name];
    return raw ? [{ raw, reference: basis.reference, log2Us: log2Us ?? undefined }] : [];
  });
}

function scaled(prior: RefitPrior, factor: number): RefitPrior {
  const { shift, scale, win, ok } = prior;
  return { shift: shift * factor, scale: scale * factor, win: win * factor, ok: ok * factor };
}

/** What was wrong with the members' answers, together. */
function faultsOf(answers: readonly ForecastAnswer[]): Pick<ForecastAnswer, "faults"> {
  const faults: Record<string, number> = {};
  for (const [kind, count] of answers.flatMap((answer) => Object.entries(answer.faults ?? {}))) {
    faults[kind] = (faults[kind] ?? 0) + count;
  }
  return Object.keys(faults).length > 0 ? { faults } : {};
}

function addCosts(costs: readonly ForecastCost[]): ForecastCost {
  return costs.reduce(
    (sum, { cpuSeconds, tokens, usd }) => ({
      cpuSeconds: sum.cpuSeconds + cpuSeconds,
      tokens: sum.tokens + tokens,
      usd: sum.usd + usd,
    }),
    { cpuSeconds: 0, tokens: 0, usd: 0 },
  );
}
