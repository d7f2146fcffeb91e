import { forecastLogScore, type Forecast } from "../../domain/index.ts";

type Opinion = Omit<Forecast, "kernelId">;

/** How fast weights follow what a run shows. */
export interface WeightRule {
  /**
   * By how much a nat of log score counts. Outcomes of one run are of like kernels and tell less than as many independent ones; at 1
   * a few of them would decide.
   */
  readonly learningRate: number;
  /** What is left of a past score after each outcome: 0.98 halves it in 34. */
  readonly memory: number;
  /** The least share of any member, so that one that was wrong once can come back. */
  readonly floor: number;
}

export const chosenRule: WeightRule = { learningRate: 0.3, memory: 0.98, floor: 0.02 };

/** What a run has taught of its members: their faded log scores. Plain data. */
export interface WeightState {
  readonly scores: Readonly<Record<string, number>>;
}

export const untaught: WeightState = { scores: {} };

/** Losses above this count as this: one outcome no member expected must not decide. */
const lossLimit = 8;

/** Log score of an opinion in nats: of whether the kernel works and, where it does, of its runtime. Lower is better. */
export function opinionLoss(opinion: Opinion, log2Us: number | null): number {
  return log2Us === null ? -Math.log(1 - opinion.pOk) : -Math.log(opinion.pOk) + forecastLogScore(opinion, log2Us);
}

/** Adds an outcome. A member without an opinion on it is taken for the average of the others: silence is not a merit. */
export function learnWeights(
  state: WeightState,
  members: readonly string[],
  opinions: Readonly<Record<string, Opinion>>,
  log2Us: number | null,
  { memory }: WeightRule = chosenRule,
): WeightState {
  const losses = members.map((name) => {
    const opinion = opinions[name];
    return opinion && Math.min(lossLimit, opinionLoss(opinion, log2Us));
  });
  const voiced = losses.filter((loss) => loss !== undefined);
  if (voiced.length === 0) return state;
  const average = voiced.reduce((sum, loss) => sum + loss, 0) / voiced.length;
  const scores = members.map((name, index) => {
    const before = state.scores[name] ?? 0;
    return [name, memory * before + (losses[index] ?? average) - average] as const;
  });
  return { scores: Object.fromEntries(scores) };
}

/** The members' weights, summing to 1: `prior` × e^(−rate × score), with a floor. Priors must be ≥ 0, one of them > 0. */
export function memberWeights(
  state: WeightState,
  prior: Readonly<Record<string, number>>,
  { learningRate, floor }: WeightRule = chosenRule,
): Record<string, number> {
  const names = Object.keys(prior);
  const best = Math.min(...names.map((name) => state.scores[name] ?? 0));
  const powers = names.map(
    (name) => (prior[name] as number) * Math.exp(-learningRate * ((state.scores[name] ?? 0) - best)),
  );
  const total = powers.reduce((sum, power) => sum + power, 0);
  const least = names.length > 1 ? floor : 0;
  const share = (power: number): number => (total > 0 ? power / total : 1 / names.length);
  return Object.fromEntries(
    names.map((name, index) => [name, (1 - least * names.length) * share(powers[index] as number) + least]),
  );
}

/**
 * The weights of the linear pool with the best log score on outcomes: `densities[i][k]` is member k's density (or probability) at
 * outcome i. By expectation maximisation, which never lowers that score.
 */
export function fitPoolWeights(densities: readonly (readonly number[])[], weights: readonly number[]): number[] {
  const size = densities[0]?.length ?? 0;
  let shares = Array.from({ length: size }, () => 1 / size);
  for (let step = 0; step < 200; step++) {
    const sums = Array.from({ length: size }, () => 0);
    densities.forEach((row, index) => {
      const pooled = row.reduce((sum, density, member) => sum + density * (shares[member] as number), 0);
      if (!(pooled > 0)) return;
      row.forEach((density, member) => {
        (sums[member] as number) += ((weights[index] as number) * density * (shares[member] as number)) / pooled;
      });
    });
    const total = sums.reduce((sum, value) => sum + value, 0);
    if (!(total > 0)) break;
    shares = sums.map((value) => value / total);
  }
  return shares;
}
