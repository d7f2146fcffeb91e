import { bootstrapGroups, holm, keyedStream, mean, wilcoxonSignedRank, type Interval } from "../../domain/index.ts";
import type { TaskFacts } from "./bench-task.ts";
import type { SearchCell } from "./search-cell.ts";
import { bestAfter, measurementsToWithin, type SearchResults } from "./search-results.ts";

/** A figure over tasks with its 95 % interval of a bootstrap over tasks; undefined where it does not exist. */
export interface Figure {
  readonly value: number | undefined;
  readonly interval: Interval | undefined;
}

/** How an arm did on one task, paired with measure-all by seed. */
export interface TaskScore {
  readonly taskId: string;
  /** Geometric mean over seeds of measure-all's best runtime over the arm's: above 1 the arm's kernels are faster. */
  readonly ratio: number;
  /** Of the paired test that the ratio is 1, corrected for the number of tasks. */
  readonly p: number;
  readonly verdict: "win" | "tie" | "loss";
}

export interface ArmScore {
  readonly arm: string;
  readonly bestVsMeasureAll: Figure;
  /** The same against every other arm. */
  readonly bestVs: ReadonlyMap<string, Figure>;
  /** Log gain over measure-all, as a share of the oracle's. */
  readonly oracleShare: Figure;
  readonly toWithin: {
    readonly mean: Figure;
    /** How many times fewer than measure-all needs. */
    readonly fewer: Figure;
    /** Share of searches that came so far. */
    readonly reached: number | undefined;
    readonly tasks: number;
  };
  readonly consideredPerMeasured: number | undefined;
  /** Means of one search. */
  readonly gpuSeconds: number | undefined;
  readonly usd: number | undefined;
  readonly tokens: number | undefined;
  readonly byTask: readonly TaskScore[];
}

/** A kernel counts as found when it is this near to the task's best. */
export const near = 0.05;
/** Tasks on which random order finds one sooner say nothing of how to search. */
export const leastNeeds = 15;
/** A task is lost only where the kernels found are slower than by this ratio; won where they are faster by as much. */
const lossRatio = 0.98;
const level = 0.05;

/** Scores every arm against measure-all and the oracle, which must both be there. */
export function scoreSearches(results: SearchResults, seed: number): ArmScore[] {
  return results.arms.map((arm) => scoreArm(results, arm, seed));
}

function scoreArm(results: SearchResults, arm: string, seed: number): ArmScore {
  const { tasks, arms } = results;
  const cells = tasks.flatMap(({ taskId }) => results.cells(arm, taskId));
  const over = (read: (cell: SearchCell) => number): number | undefined => macroMean(results, arm, read);
  return {
    arm,
    bestVsMeasureAll: ratioFigure(results, arm, "measure-all", seed),
    bestVs: new Map(
      arms.filter((other) => other !== arm).map((other) => [other, ratioFigure(results, arm, other, seed)]),
    ),
    oracleShare: shareFigure(results, arm, seed),
    toWithin: toWithin(results, arm, seed),
    consideredPerMeasured: over(({ considered, measured }) => considered / measured),
    gpuSeconds: over(({ gpuSeconds }) => gpuSeconds),
    usd: over(({ usd }) => usd),
    tokens: over(({ tokens }) => tokens),
    byTask: cells.length === 0 ? [] : byTask(results, arm),
  };
}

/** Mean over tasks of the mean over seeds. */
function macroMean({ tasks, cells }: SearchResults, arm: string, read: (cell: SearchCell) => number) {
  return mean(tasks.flatMap(({ taskId }) => mean(cells(arm, taskId).map(read)) ?? []));
}

/** log2 of `other`'s best runtime over the arm's, seed by seed. */
export function logGains(results: SearchResults, taskId: string, arm: string, other: string): number[] {
  const { measurements } = results;
  const theirs = results.cells(other, taskId);
  return results.cells(arm, taskId).flatMap((cell, place) => {
    const paired = theirs[place];
    return paired ? [Math.log2(bestAfter(paired, measurements) / bestAfter(cell, measurements))] : [];
  });
}

function meanGain(results: SearchResults, { taskId }: TaskFacts, arm: string, other: string): number {
  return mean(logGains(results, taskId, arm, other)) ?? 0;
}

function ratioFigure(results: SearchResults, arm: string, other: string, seed: number): Figure {
  const gains = results.tasks.map((task) => meanGain(results, task, arm, other));
  return figureOf(gains, geomean, keyedStream(seed, "bench search", "ratio", arm, other));
}

export function geomean(log2s: readonly number[]): number | undefined {
  const centre = mean(log2s);
  return centre === undefined ? undefined : 2 ** centre;
}

/** Mean gains are taken together before they are divided: on some tasks the oracle has next to nothing to gain. */
function shareFigure(results: SearchResults, arm: string, seed: number): Figure {
  const pairs = results.tasks.map((task) => ({
    own: meanGain(results, task, arm, "measure-all"),
    most: meanGain(results, task, "oracle", "measure-all"),
  }));
  const share = (drawn: typeof pairs): number | undefined => {
    const most = mean(drawn.map((one) => one.most)) ?? 0;
    return most > 0 ? (mean(drawn.map(({ own }) => own)) ?? 0) / most : undefined;
  };
  return figureOf(pairs, share, keyedStream(seed, "bench search", "share", arm));
}

/** Figures over tasks by the bootstrap. */
export function figureOf<T>(
  groups: readonly T[],
  statistic: (drawn: T[]) => number | undefined,
  uniform: () => number,
): Figure {
  const interval = bootstrapGroups(groups, (drawn) => statistic([...drawn]), { uniform });
  return { value: statistic([...groups]), interval };
}

function toWithin(results: SearchResults, arm: string, seed: number): ArmScore["toWithin"] {
  const hard = results.tasks.filter(({ randomOrderNeeds }) => randomOrderNeeds >= leastNeeds);
  const restricted = (name: string, { taskId, bestUs }: TaskFacts): number =>
    mean(results.cells(name, taskId).map((cell) => measurementsToWithin(cell, near, bestUs) ?? results.measurements)) ??
    results.measurements;
  const needs = hard.map((task) => ({ own: restricted(arm, task), all: restricted("measure-all", task) }));
  const ownMean = (drawn: typeof needs): number | undefined => mean(drawn.map(({ own }) => own));
  const ratio = (drawn: typeof needs): number | undefined => {
    const own = ownMean(drawn);
    return own === undefined ? undefined : (mean(drawn.map(({ all }) => all)) ?? 0) / own;
  };
  const reached = hard.flatMap(({ taskId, bestUs }) =>
    results.cells(arm, taskId).map((cell) => (measurementsToWithin(cell, near, bestUs) === undefined ? 0 : 1)),
  );
  return {
    mean: figureOf(needs, ownMean, keyedStream(seed, "bench search", "needs", arm)),
    fewer: figureOf(needs, ratio, keyedStream(seed, "bench search", "fewer", arm)),
    reached: mean(reached),
    tasks: hard.length,
  };
}

function byTask(results: SearchResults, arm: string): TaskScore[] {
  const gains = results.tasks.map(({ taskId }) => logGains(results, taskId, arm, "measure-all"));
  const adjusted = holm(gains.map(wilcoxonSignedRank));
  return results.tasks.map(({ taskId }, place) => {
    const ratio = geomean(gains[place] ?? []) ?? 1;
    const p = adjusted[place] ?? 1;
    return { taskId, ratio, p, verdict: p <= level ? verdictOf(ratio) : "tie" };
  });
}

function verdictOf(ratio: number): TaskScore["verdict"] {
  if (ratio < lossRatio) return "loss";
  return ratio > 1 / lossRatio ? "win" : "tie";
}
