import { scorePaired } from "../../src/evaluate/common-kernels.ts";
import type { JudgedTask } from "../../src/evaluate/judged-task.ts";
import { comparedScores } from "../../src/evaluate/paired-differences.ts";
import type { MeanScore } from "../../src/evaluate/score-tasks.ts";
import { markdownTable } from "../markdown.ts";

type Compared = (typeof comparedScores)[number];

const columns: readonly (readonly [title: string, name: Compared])[] = [
  ["pairwise", "pairwise"],
  ["Spearman", "spearman"],
  ["top tenth within 5 %", "top tenth within 5 %"],
  ["CRPS", "crps"],
  ["ECE", "ece"],
  ["AUROC of p_ok", "auroc of p_ok"],
];

/** One comparison: a forecaster's answers in a setting, and in another. */
export interface Comparison {
  readonly forecaster: string;
  readonly first: { readonly name: string; readonly answers: readonly JudgedTask[] };
  readonly second: { readonly name: string; readonly answers: readonly JudgedTask[] };
}

/** A table of what scores are in two settings, and the difference paired by task with its interval; and what it is over. */
export function comparisonTable(comparisons: readonly Comparison[], seed: number): string {
  let extent = "";
  const rows = comparisons.flatMap(({ forecaster, first, second }) => {
    const paired = scorePaired(first.answers, second.answers, seed);
    extent = `${paired.first.tasks} tasks, ${paired.first.kernels} kernels`;
    const row = (name: string, score: (name: Compared) => string): string[] => [
      name,
      ...columns.map(([, column]) => score(column)),
    ];
    return [
      row(`${forecaster}, ${first.name}`, (name) => figure(paired.first.scores[name].mean)),
      row(`${forecaster}, ${second.name}`, (name) => figure(paired.second.scores[name].mean)),
      row("difference", (name) => difference(paired.differences[name])),
    ];
  });
  return `${extent}:\n\n${markdownTable(["", ...columns.map(([title]) => title)], rows)}`;
}

export function figure(value: number | undefined): string {
  return value === undefined ? "–" : value.toFixed(3);
}

function difference({ mean, low, high }: MeanScore): string {
  const signed = (value: number): string => {
    const text = value.toFixed(3);
    return Number(text) === 0 ? "0.000" : value > 0 ? `+${text}` : text;
  };
  if (mean === undefined) return "–";
  return low === undefined || high === undefined ? signed(mean) : `${signed(mean)} (${signed(low)} to ${signed(high)})`;
}
