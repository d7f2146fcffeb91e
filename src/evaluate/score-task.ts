import {
  auroc,
  debiasedCalibrationError,
  forecastCdf,
  forecastCrps,
  forecastLogScore,
  forecastQuantile,
  keyedUniform,
  mean,
  pairwiseAccuracy,
  reliabilityBins,
  spearman,
  type Forecast,
  type PairRange,
  type RuntimeDistribution,
} from "../domain/index.ts";

/** A forecast of one kernel beside what the device said. */
export interface JudgedForecast {
  readonly kernelId: string;
  readonly parentId: string | null;
  /** Kernels made from one template count once where the best of a pool is looked for. */
  readonly templateId: string | undefined;
  readonly forecast: Forecast;
  /** log2(runtime in µs); undefined for a kernel that failed. */
  readonly log2Us: number | undefined;
}

/** Forecasts of one task's kernels, none of which was an anchor. */
export interface JudgedTask {
  readonly taskId: string;
  readonly judged: readonly JudgedForecast[];
  /** log2(runtime in µs) of every working kernel of the task, anchors too: what children are compared with. */
  readonly log2Us: ReadonlyMap<string, number>;
  /** The constant distribution that forecasts must beat. */
  readonly prior: RuntimeDistribution;
}

/** Names of the scores of DESIGN §10, in the order of tables. */
export const scoreNames = [
  "pairwise",
  "pairwise 1.1-1.5",
  "pairwise 1.5-3",
  "pairwise over 3",
  "pairwise parent-child",
  "spearman",
  "top tenth within 5 %",
  "chance of top tenth",
  "crps",
  "crps of prior",
  "log score",
  "log score of prior",
  "coverage 50",
  "coverage 80",
  "coverage 95",
  "ece",
  "auroc of p_ok",
] as const;

export type ScoreName = (typeof scoreNames)[number];

/** Scores of one task; undefined where a score does not exist, for want of failures, pairs or choice. */
export type TaskScores = Readonly<Record<ScoreName, number | undefined>>;

type Working = JudgedForecast & { readonly log2Us: number };

/** Scores one task. `seed` draws the kernel that stands for a template. */
export function scoreTask(task: JudgedTask, seed: number): TaskScores {
  const working = task.judged.filter((one): one is Working => one.log2Us !== undefined);
  const predicted = working.map(({ forecast }) => forecast.m);
  const truth = working.map(({ log2Us }) => 2 ** log2Us);
  const pairs = (range?: PairRange): number | undefined => pairwiseAccuracy(predicted, truth, range);
  const top = topTenth(working, seed);
  const average = (score: (one: Working) => number): number | undefined => mean(working.map(score));
  return {
    pairwise: pairs(),
    "pairwise 1.1-1.5": pairs({ atLeast: 1.1, below: 1.5 }),
    "pairwise 1.5-3": pairs({ atLeast: 1.5, below: 3 }),
    "pairwise over 3": pairs({ atLeast: 3, below: Number.POSITIVE_INFINITY }),
    "pairwise parent-child": parentChild(working),
    spearman: spearman(predicted, truth),
    "top tenth within 5 %": top?.within,
    "chance of top tenth": top?.chance,
    crps: average(({ forecast, log2Us }) => forecastCrps(forecast, log2Us)),
    "crps of prior": average(({ log2Us }) => forecastCrps(task.prior, log2Us)),
    "log score": average(({ forecast, log2Us }) => forecastLogScore(forecast, log2Us)),
    "log score of prior": average(({ log2Us }) => forecastLogScore(task.prior, log2Us)),
    "coverage 50": average((one) => covered(one, 0.5)),
    "coverage 80": average((one) => covered(one, 0.8)),
    "coverage 95": average((one) => covered(one, 0.95)),
    ece: calibrationOfWins(working, task.log2Us),
    "auroc of p_ok": auroc(
      task.judged.map(({ forecast }) => forecast.pOk),
      task.judged.map(({ log2Us }) => log2Us !== undefined),
    ),
  };
}

function covered({ forecast, log2Us }: Working, level: number): number {
  const low = forecastQuantile(forecast, (1 - level) / 2);
  const high = forecastQuantile(forecast, (1 + level) / 2);
  return log2Us >= low && log2Us <= high ? 1 : 0;
}

/** Pairwise accuracy over the pairs of a kernel and its parent alone, both forecast. */
function parentChild(working: readonly Working[]): number | undefined {
  const byId = new Map(working.map((one) => [one.kernelId, one]));
  const right = working.flatMap((child) => {
    const parent = child.parentId === null ? undefined : byId.get(child.parentId);
    if (!parent) return [];
    return pairwiseAccuracy([child.forecast.m, parent.forecast.m], [2 ** child.log2Us, 2 ** parent.log2Us]) ?? [];
  });
  return mean(right);
}

const winLog2 = Math.log2(1.02);

/** Debiased calibration error of P(faster than its measured parent by more than 2 %, given ok). */
function calibrationOfWins(working: readonly Working[], log2UsOf: ReadonlyMap<string, number>): number | undefined {
  const pairs = working.flatMap(({ parentId, forecast, log2Us }) => {
    const parent = parentId === null ? undefined : log2UsOf.get(parentId);
    if (parent === undefined) return [];
    return [{ probability: forecastCdf(forecast, parent - winLog2), win: log2Us < parent - winLog2 }];
  });
  return debiasedCalibrationError(
    reliabilityBins(
      pairs.map(({ probability }) => probability),
      pairs.map(({ win }) => win),
    ),
  );
}

/** Above this chance of success at random a task tells nothing. */
const largestChance = 0.4;

/**
 * Whether the best of the tenth forecast fastest is within 5 % of the pool's best, on one kernel per template; and how
 * probable that is for a tenth drawn at random. Undefined where chance is 0.4 or more.
 */
export function topTenth(
  working: readonly Pick<Working, "kernelId" | "templateId" | "forecast" | "log2Us">[],
  seed: number,
): { readonly within: number; readonly chance: number } | undefined {
  const pool = onePerTemplate(working, seed);
  if (pool.length === 0) return undefined;
  const count = Math.max(1, Math.round(pool.length / 10));
  const limit = Math.min(...pool.map(({ log2Us }) => log2Us)) + Math.log2(1.05);
  const good = pool.filter(({ log2Us }) => log2Us <= limit).length;
  const chance = 1 - chanceOfNone(pool.length, good, count);
  if (chance >= largestChance) return undefined;
  const byForecast = pool.toSorted((a, b) => a.forecast.m - b.forecast.m || (a.kernelId < b.kernelId ? -1 : 1));
  return { within: byForecast.slice(0, count).some(({ log2Us }) => log2Us <= limit) ? 1 : 0, chance };
}

/** Probability that `count` of `total` drawn without replacement hold none of `good`. */
function chanceOfNone(total: number, good: number, count: number): number {
  let none = 1;
  for (let drawn = 0; drawn < count; drawn++) none *= Math.max(0, total - good - drawn) / (total - drawn);
  return none;
}

function onePerTemplate<T extends Pick<Working, "kernelId" | "templateId">>(working: readonly T[], seed: number): T[] {
  const chosen = new Map<string, T>();
  const draw = ({ kernelId }: T): number => keyedUniform(seed, "template", kernelId);
  for (const one of working) {
    const key = one.templateId === undefined ? `kernel ${one.kernelId}` : `template ${one.templateId}`;
    const before = chosen.get(key);
    if (!before || draw(one) < draw(before)) chosen.set(key, one);
  }
  return [...chosen.values()];
}
