import type { AnatomyStep } from "./gap-anatomy.ts";
import { near, type ArmScore, type Figure } from "./score-searches.ts";
import type { SearchResults } from "./search-results.ts";

type Json = Readonly<Record<string, unknown>>;

/** What the document tells beside the scores. */
export interface DocumentSetting {
  readonly recording: string;
  readonly split: string;
  readonly device: string;
  /** Price of the device, where the user gave one: then `usd` counts its time, too. */
  readonly gpuUsdPerHour?: number | undefined;
  readonly notes: readonly string[];
}

/** The bench as one JSON document; a figure that does not exist is null. */
export function searchDocument(
  results: SearchResults,
  scores: readonly ArmScore[],
  anatomy: readonly AnatomyStep[],
  setting: DocumentSetting,
): Json {
  const { recording, split, device, gpuUsdPerHour, notes } = setting;
  return {
    recording,
    split,
    device,
    ...(gpuUsdPerHour === undefined ? {} : { gpu_usd_per_hour: gpuUsdPerHour }),
    measurements: results.measurements,
    seeds: results.seeds,
    tasks: results.tasks.length,
    kernels: results.tasks.reduce((sum, { kernels }) => sum + kernels, 0),
    arms: Object.fromEntries(scores.map((score) => [score.arm, armDocument(score, gpuUsdPerHour)])),
    by_task: results.tasks.map((task, place) => ({
      task: task.taskId,
      kernels: task.kernels,
      random_order_needs: digits(task.randomOrderNeeds),
      seed_us: digits(task.seedUs),
      best_us: digits(task.bestUs),
      arms: Object.fromEntries(scores.map((score) => [score.arm, taskDocument(score, place)])),
    })),
    anatomy: anatomy.map(({ what, arm, bestVsMeasureAll, poolShare }) => ({
      what,
      arm: arm ?? null,
      best_vs_measure_all: named("geomean", bestVsMeasureAll),
      pool_share: digits(poolShare),
    })),
    notes,
  };
}

function armDocument(score: ArmScore, gpuUsdPerHour: number | undefined): Json {
  const { toWithin, byTask, usd = 0, gpuSeconds } = score;
  const count = (wanted: string): number => byTask.filter(({ verdict }) => verdict === wanted).length;
  return {
    best_vs_measure_all: named("geomean", score.bestVsMeasureAll),
    best_vs: Object.fromEntries([...score.bestVs].map(([other, figure]) => [other, named("geomean", figure)])),
    oracle_share: named("value", score.oracleShare),
    [`measurements_to_within_${100 * near}pct`]: {
      ...named("mean", toWithin.mean),
      tasks: toWithin.tasks,
      reached: digits(toWithin.reached),
      times_fewer: named("value", toWithin.fewer),
    },
    considered_per_measured: digits(score.consideredPerMeasured),
    wins: count("win"),
    ties: count("tie"),
    losses: count("loss"),
    worse_tasks: byTask.filter(({ verdict }) => verdict === "loss").map(({ taskId }) => taskId),
    gpu_seconds: digits(gpuSeconds),
    usd: digits(usdOf(usd, gpuSeconds, gpuUsdPerHour)),
    tokens: digits(score.tokens),
  };
}

/** Of one search: what forecasts and proposals cost, and the device where its price is known. */
function usdOf(usd: number, gpuSeconds: number | undefined, gpuUsdPerHour: number | undefined): number {
  return usd + ((gpuSeconds ?? 0) * (gpuUsdPerHour ?? 0)) / 3600;
}

function taskDocument({ byTask }: ArmScore, place: number): Json {
  const score = byTask[place];
  return score ? { ratio: digits(score.ratio), p: digits(score.p), verdict: score.verdict } : {};
}

function named(name: string, { value, interval }: Figure): Json {
  return { [name]: digits(value), ci: interval ? [digits(interval.low), digits(interval.high)] : null };
}

function digits(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : Number(value.toPrecision(5));
}
