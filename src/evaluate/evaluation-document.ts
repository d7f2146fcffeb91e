import { worthDocument } from "../decide/worth.ts";
import { worthOfForecaster } from "./worth-of-forecaster.ts";
import type { Evaluation, Evaluations } from "./evaluate-forecasters.ts";
import { addCosts } from "./judge-forecaster.ts";
import type { View } from "./plan-view.ts";
import type { SourceForm } from "./sources.ts";
import type { ScoreName, TaskScores } from "./score-task.ts";
import type { MeanScore } from "./score-tasks.ts";

/** What was judged on. */
export interface EvaluationSetting {
  /** Price of the GPU that measurements are weighed by, where the user gave one. */
  readonly gpu_usd_per_hour?: number;
  readonly recording: string;
  readonly split: string;
  readonly device: string;
  readonly view: View;
  readonly evidence: boolean;
  readonly sources: SourceForm;
  /** Most kernels of a task that were asked for; absent: all. */
  readonly per_task?: number;
  readonly seed: number;
  readonly notes: readonly string[];
}

/** What was judged, and on what. */
export interface EvaluationResult extends Evaluations {
  readonly setting: EvaluationSetting;
}

type Json = Readonly<Record<string, unknown>>;

/** One JSON document per forecaster that was asked for, each with the baselines beside it. Absent scores are null. */
export function evaluationDocuments({ evaluations, setting }: EvaluationResult): Json[] {
  const [first] = evaluations;
  const baselines = Object.fromEntries(
    evaluations.filter(({ isBaseline }) => isBaseline).map((one) => [one.label, scoreDocument(one, first)]),
  );
  const { notes, ...common } = setting;
  return evaluations
    .filter(({ isBaseline }) => !isBaseline)
    .map((one) => ({
      forecaster: one.label,
      ...common,
      evidence: one.judged.some(({ withEvidence }) => withEvidence > 0),
      ...scoreDocument(one, first, setting.gpu_usd_per_hour),
      by_task: byTask(one),
      baselines,
      notes: [...notes, ...evaluationNotes(one)],
    }));
}

/** What a reader must know of one forecaster's scores. */
export function evaluationNotes({ label, judged, scores: { scores } }: Evaluation): string[] {
  const missing = sum(judged.map((task) => task.missing));
  const compileErrors = sum(judged.map((task) => task.compileErrors));
  const faults = faultCounts(judged);
  const [crps, prior] = [scores.crps.mean, scores["crps of prior"].mean];
  return [
    ...(missing > 0 ? [`${label} gave no valid forecast of ${kernels(missing)}: scored as the prior`] : []),
    ...(faults.length > 0
      ? [`answers of ${label} at fault: ${faults.map(([kind, count]) => `${kind} ${count}`).join(", ")}`]
      : []),
    ...(compileErrors > 0
      ? [`the evidence tells of ${kernels(compileErrors)} not compiling: in no score, but with --no-evidence`]
      : []),
    ...(crps !== undefined && prior !== undefined && crps >= prior
      ? [`the CRPS of ${label} is no better than the prior's, so its ECE does not count`]
      : []),
  ];
}

/** What was wrong with a forecaster's answers, also where asking again cured it, most frequent first. */
function faultCounts(judged: Evaluation["judged"]): [kind: string, count: number][] {
  const counts = new Map<string, number>();
  for (const [kind, count] of judged.flatMap(({ faults }) => Object.entries(faults ?? {}))) {
    counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
}

function kernels(count: number): string {
  return count === 1 ? "1 kernel" : `${count} kernels`;
}

function scoreDocument(evaluation: Evaluation, first: Evaluation | undefined, gpuUsdPerHour?: number): Json {
  const { judged, scores: all, paired } = evaluation;
  const { scores, pooledEce, pit } = all;
  return {
    tasks: all.tasks,
    kernels: all.kernels,
    pairs: all.pairs,
    spearman: { mean: value(scores.spearman), ci: interval(scores.spearman) },
    pairwise_accuracy: {
      value: value(scores.pairwise),
      ci: interval(scores.pairwise),
      buckets: {
        "1.1-1.5": value(scores["pairwise 1.1-1.5"]),
        "1.5-3": value(scores["pairwise 1.5-3"]),
        ">3": value(scores["pairwise over 3"]),
      },
      parent_child: value(scores["pairwise parent-child"]),
    },
    top10_within5: {
      value: value(scores["top tenth within 5 %"]),
      ci: interval(scores["top tenth within 5 %"]),
      chance: value(scores["chance of top tenth"]),
      tasks: scores["top tenth within 5 %"].tasks,
    },
    ...withInterval("ece", scores.ece),
    ece_if_calibrated: value(scores["ece if calibrated"]),
    ...withInterval("ece_pooled", pooledEce),
    ece_pooled_if_calibrated: all.pooledEceIfCalibrated ?? null,
    ...withInterval("brier", scores.brier),
    ...withInterval("crps", scores.crps),
    crps_prior: value(scores["crps of prior"]),
    ...withInterval("log_score", scores["log score"]),
    log_score_prior: value(scores["log score of prior"]),
    coverage: {
      "50": value(scores["coverage 50"]),
      "80": value(scores["coverage 80"]),
      "95": value(scores["coverage 95"]),
    },
    pit,
    ...withInterval("aurc", scores.aurc),
    ...withInterval("aurc_normalised", scores["aurc normalised"]),
    ...withInterval("auroc_ok", scores["auroc of p_ok"]),
    ...withInterval("auroc_ok_with_compile_errors", scores["auroc with compile errors"]),
    kernels_per_second: kernelsPerSecond(evaluation),
    ...costDocument(evaluation),
    worth: worthDocument(worthOfForecaster(evaluation), gpuUsdPerHour),
    missing_forecasts: sum(judged.map(({ missing }) => missing)),
    compile_errors_left_out: sum(judged.map(({ compileErrors }) => compileErrors)),
    answer_faults: Object.fromEntries(faultCounts(judged)),
    ...(paired && first ? { paired: { against: first.label, ...pairedDocument(paired) } } : {}),
  };
}

/** Kernels forecast in a second of the forecaster's own time; null where it took none that could be told. */
export function kernelsPerSecond({ judged }: Evaluation): number | null {
  const seconds = sum(judged.map((task) => task.seconds));
  return seconds > 0 ? Number((sum(judged.map((task) => task.judged.length)) / seconds).toPrecision(4)) : null;
}

function costDocument({ judged }: Evaluation): Json {
  const nothing = { cpuSeconds: 0, tokens: 0, usd: 0 };
  const { cpuSeconds, tokens, usd, saved } = judged.map(({ cost }) => cost).reduce(addCosts, nothing);
  const kept = saved ? { saved_tokens: saved.tokens, saved_usd: saved.usd } : {};
  return { cost: { cpu_seconds: Number(cpuSeconds.toFixed(3)), tokens, usd, ...kept } };
}

function pairedDocument(paired: NonNullable<Evaluation["paired"]>): Json {
  return Object.fromEntries(
    Object.entries(paired).map(([name, score]) => [
      jsonNames[name as ScoreName],
      { difference: value(score), ci: interval(score), tasks: score.tasks },
    ]),
  );
}

/** Names of the scores in documents. */
const jsonNames: Readonly<Record<ScoreName, string>> = {
  pairwise: "pairwise_accuracy",
  "pairwise 1.1-1.5": "pairwise_accuracy_1.1-1.5",
  "pairwise 1.5-3": "pairwise_accuracy_1.5-3",
  "pairwise over 3": "pairwise_accuracy_>3",
  "pairwise parent-child": "pairwise_accuracy_parent_child",
  spearman: "spearman",
  "top tenth within 5 %": "top10_within5",
  "chance of top tenth": "top10_within5_chance",
  crps: "crps",
  "crps of prior": "crps_prior",
  "log score": "log_score",
  "log score of prior": "log_score_prior",
  "coverage 50": "coverage_50",
  "coverage 80": "coverage_80",
  "coverage 95": "coverage_95",
  ece: "ece",
  "ece if calibrated": "ece_if_calibrated",
  brier: "brier",
  aurc: "aurc",
  "aurc normalised": "aurc_normalised",
  "auroc of p_ok": "auroc_ok",
  "auroc with compile errors": "auroc_ok_with_compile_errors",
};

function byTask({ judged, scores }: Evaluation): Json[] {
  return judged.map(({ taskId, judged: asked }) => {
    const own = Object.entries(scores.byTask[taskId] as TaskScores).map(([name, score]) => [
      jsonNames[name as ScoreName],
      score ?? null,
    ]);
    return { task_id: taskId, kernels: asked.length, ...(Object.fromEntries(own) as Json) };
  });
}

function withInterval(name: string, score: MeanScore): Json {
  return { [name]: value(score), [`${name}_ci`]: interval(score) };
}

function value({ mean }: MeanScore): number | null {
  return mean ?? null;
}

function interval({ low, high }: MeanScore): [low: number, high: number] | null {
  return low === undefined || high === undefined ? null : [low, high];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, one) => total + one, 0);
}
