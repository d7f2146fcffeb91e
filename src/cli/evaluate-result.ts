import { kernelsPerSecond, type EvaluationResult } from "../evaluate/evaluation-document.ts";
import type { Evaluation } from "../evaluate/evaluate-forecasters.ts";
import { worthDocument, worthText } from "../decide/worth.ts";
import { forecastCosts, worthOfForecaster } from "../evaluate/worth-of-forecaster.ts";
import { comparedScores } from "../evaluate/paired-differences.ts";
import type { ScoreName } from "../evaluate/score-task.ts";
import type { MeanScore } from "../evaluate/score-tasks.ts";
import { shortLabels } from "./short-labels.ts";
import { table } from "./table.ts";

/** Columns of the table. */
const columns: readonly (readonly [header: string, name: ScoreName])[] = [
  ["pairwise", "pairwise"],
  ["Spearman", "spearman"],
  ["top 10 %", "top tenth within 5 %"],
  ["CRPS", "crps"],
  ["log score", "log score"],
  ["ECE", "ece"],
  ["Brier", "brier"],
  ["cover 80", "coverage 80"],
  ["AURC", "aurc"],
  ["AUROC ok", "auroc of p_ok"],
];

/** The answer for people: a table of all forecasters, then intervals and paired differences. */
export function evaluationLines({ evaluations, setting }: EvaluationResult): string[] {
  const [first] = evaluations;
  if (!first) return [];
  const { tasks, kernels, pairs, scores } = first.scores;
  const evidence = first.judged.some(({ withEvidence }) => withEvidence > 0)
    ? "compile evidence"
    : "no compile evidence";
  const chance = scores["chance of top tenth"];
  const short = shortLabels(evaluations.map(({ label }) => label)) ?? ((label: string) => label);
  const named = evaluations.map((one) => ({ ...one, label: short(one.label) }));
  const isMissing = evaluations.some((one) => unanswered(one) > 0);
  return [
    `${setting.recording}, split ${setting.split}: ${count(tasks, "task")}, ${count(kernels, "kernel")}, ${count(pairs, "pair")}; ${setting.device}; view ${setting.view}, ${evidence}${setting.sources === "raw" ? "" : `, sources ${setting.sources}`}`,
    "",
    ...table([
      ["", ...columns.map(([header]) => header), ...(isMissing ? ["no answer"] : []), "kernels/s"],
      ...named.map((one) => [
        one.label,
        ...columns.map(([, name]) => figure(one.scores.scores[name].mean)),
        ...(isMissing ? [`${(100 * unanswered(one)).toFixed(1)} %`] : []),
        kernelsPerSecond(one)?.toPrecision(3) ?? "–",
      ]),
    ]),
    `Chance of the top 10 %: ${figure(chance.mean)} on the ${count(chance.tasks, "task")} that it is asked of; the prior's CRPS: ${figure(scores["crps of prior"].mean)}.`,
    ...named.filter(({ isBaseline }) => !isBaseline).flatMap(intervalLines),
    ...named.filter(asksForMoney).flatMap((one) => worthLines(one, setting.gpu_usd_per_hour)),
    ...named.filter(({ isBaseline }) => !isBaseline).flatMap((one) => pairedLines(one, short(first.label))),
  ];
}

function intervalLines({ label, scores: { scores, pooledEce, pooledEceIfCalibrated } }: Evaluation): string[] {
  const all: readonly (readonly [string, MeanScore])[] = [
    ...columns.map(([header, name]) => [header, scores[name]] as const),
    ["pairwise of parent and child", scores["pairwise parent-child"]],
    ["ECE of all tasks together", pooledEce],
  ];
  return [
    "",
    `${label}, means over tasks and their 95 % intervals:`,
    ...all.map(([header, score]) => `  ${header} ${withInterval(score)}`),
    `  The ECE would be ${figure(scores["ece if calibrated"].mean)} if all probabilities were right, and ${figure(pooledEceIfCalibrated)} of all tasks together.`,
  ];
}

/** Share of the kernels without a valid forecast. */
function unanswered({ judged }: Evaluation): number {
  const sum = (read: (task: Evaluation["judged"][number]) => number): number =>
    judged.reduce((total, task) => total + read(task), 0);
  return (
    sum(({ missing }) => missing) /
    Math.max(
      1,
      sum((task) => task.judged.length),
    )
  );
}

function asksForMoney(evaluation: Evaluation): boolean {
  const { tokens, usd } = forecastCosts(evaluation);
  return tokens > 0 || usd > 0;
}

function worthLines(evaluation: Evaluation, gpuUsdPerHour: number | undefined): string[] {
  const { tokens, usd } = forecastCosts(evaluation);
  const cost = `${count(tokens, "token")}${usd > 0 ? ` and ${Number(usd.toPrecision(3))} USD` : ""}, kept answers included`;
  const worth = worthText(worthDocument(worthOfForecaster(evaluation), gpuUsdPerHour), gpuUsdPerHour);
  return ["", `${evaluation.label}, what it cost and spared: ${cost}`, `  ${worth}`];
}

function pairedLines({ label, paired }: Evaluation, first: string): string[] {
  if (!paired) return [];
  const lines = comparedScores.map((name) => `  ${name} ${withInterval(paired[name], true)}`);
  return ["", `${label} less ${first}, paired by task:`, ...lines];
}

function withInterval({ mean, low, high, tasks }: MeanScore, signed = false): string {
  if (mean === undefined) return "–";
  const sign = (value: number): string => (signed && value > 0 ? `+${value.toFixed(3)}` : value.toFixed(3));
  const interval = low === undefined || high === undefined ? "" : `${sign(low)} to ${sign(high)}, `;
  return `${sign(mean)} (${interval}${count(tasks, "task")})`;
}

function figure(value: number | undefined): string {
  return value === undefined ? "–" : value.toFixed(3);
}

function count(number: number, noun: string): string {
  return `${String(number).replace(/\B(?=(\d{3})+$)/g, " ")} ${noun}${number === 1 ? "" : "s"}`;
}
