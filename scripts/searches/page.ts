import type { AnatomyStep } from "../../src/evaluate/searches/gap-anatomy.ts";
import { leastNeeds, near, type ArmScore, type Figure } from "../../src/evaluate/searches/score-searches.ts";
import type { SearchResults } from "../../src/evaluate/searches/search-results.ts";
import type { BenchSetting } from "../../src/serve/bench/bench-search.ts";
import { markdownTable } from "../markdown.ts";

export interface PageParts {
  readonly command: string;
  readonly results: SearchResults;
  readonly setting: BenchSetting;
  readonly scores: readonly ArmScore[];
  readonly anatomy: readonly AnatomyStep[];
  /** File names of the plots, beside the page in `search/`. */
  readonly plots: readonly string[];
}

/** A page without results yet: what stands between the marks is replaced by the commands that make it. */
export const emptyPage: string = [
  "# Ways to search, compared",
  "",
  "## On the atlas",
  "",
  "<!-- searches:start -->",
  "<!-- searches:end -->",
  "",
  "## With a frontier model's forecasts",
  "",
  "<!-- frontier:start -->",
  "<!-- frontier:end -->",
  "",
  "## On other tuners' spaces",
  "",
  "On spaces that others measured, beside Kernel Tuner's strategies: [kernel-tuner](kernel-tuner.md).",
  "",
].join("\n");

/** What the bench found, as Markdown. */
export function searchSection(parts: PageParts): string {
  const { results, setting, scores, anatomy, plots } = parts;
  return [
    introduction(parts),
    markdownTable(armHeader(results), scores.map(armRow)),
    armNotes(results, scores),
    ...imagesOf(plots, "best-found", "Best kernel found against measurements"),
    ...imagesOf(plots, "within-5-percent", "Share of searches near the best kernel against measurements"),
    "### Each arm against each other",
    "Geometric mean of the column's best runtime over the row's: above 1 the row found the faster kernels.",
    markdownTable(
      ["", ...results.arms],
      scores.map((score) => pairRow(score, results.arms)),
    ),
    "### By task",
    `Against measure-all, ${setting.split}; **bold** where the difference is no accident.`,
    markdownTable(
      ["task", "kernels", "random order needs", ...results.arms.filter(isCompared)],
      taskRows(results, scores),
    ),
    ...imagesOf(plots, "tasks", "Best kernel found by task"),
    ...anatomySection(anatomy),
    ...imagesOf(plots, "anatomy", "Where the gap comes from"),
  ].join("\n\n");
}

function introduction({ command, results, setting }: PageParts): string {
  const { tasks, seeds, measurements } = results;
  const kernels = tasks.reduce((sum, task) => sum + task.kernels, 0);
  return [
    `Written by \`${command}\`; the same figures: \`${benchCommand(setting, results)}\`. ${setting.recording}, split ${setting.split}:`,
    `${tasks.length} tasks, ${kernels} kernels measured on ${setting.device}; ${seeds} seeds, ${measurements} measurements a search, the seed`,
    "kernel's included. All arms of a seed see the same stream of proposals. Brackets: 95 % intervals of a bootstrap over tasks.",
  ].join("\n");
}

function benchCommand({ recording, split }: BenchSetting, { arms, seeds, measurements }: SearchResults): string {
  return `npx kernelcast bench search --recording ${recording} --split ${split} --arms ${arms.join(",")} --seeds ${seeds} --measurements ${measurements}`;
}

function armHeader({ measurements }: SearchResults): string[] {
  return [
    "arm",
    `best after ${measurements}, × measure-all`,
    "share of the oracle's log gain",
    `measurements to within ${100 * near} %`,
    "times fewer than measure-all",
    "came so far",
    "considered per measured",
    "tasks won / tied / lost",
    "GPU-seconds",
    "USD",
  ];
}

function armRow(score: ArmScore): string[] {
  const { toWithin, byTask } = score;
  const counts = ["win", "tie", "loss"].map((wanted) => byTask.filter(({ verdict }) => verdict === wanted).length);
  return [
    score.arm,
    withInterval(score.bestVsMeasureAll, 3),
    withInterval(score.oracleShare, 2),
    withInterval(toWithin.mean, 1),
    withInterval(toWithin.fewer, 2),
    toWithin.reached === undefined ? "–" : `${Math.round(100 * toWithin.reached)} %`,
    plain(score.consideredPerMeasured, 2),
    counts.join(" / "),
    plain(score.gpuSeconds, 2),
    score.usd ? String(Number(score.usd.toPrecision(3))) : "0",
  ];
}

function armNotes({ measurements }: SearchResults, scores: readonly ArmScore[]): string {
  const lost = scores.flatMap(({ arm, byTask }) => {
    const tasks = byTask.filter(({ verdict }) => verdict === "loss").map(({ taskId }) => taskId);
    return tasks.length > 0 ? [`${arm} on ${tasks.join(", ")}`] : [];
  });
  return [
    `Measurements to within ${100 * near} % of the best kernel of the pool: ${measurements} where a search never came so far; on the`,
    `${scores[0]?.toWithin.tasks ?? 0} tasks where random order needs at least ${leastNeeds}. GPU-seconds and USD: of one search; USD are what forecasts cost.`,
    `Worse than measure-all (Wilcoxon's test, Holm's correction at 5 %, and slower by more than 2 %): ${lost.join("; ") || "none"}.`,
  ].join("\n");
}

function pairRow({ arm, bestVs }: ArmScore, arms: readonly string[]): string[] {
  return [arm, ...arms.map((other) => (other === arm ? "" : plain(bestVs.get(other)?.value, 3)))];
}

function isCompared(arm: string): boolean {
  return arm !== "measure-all";
}

function taskRows({ tasks }: SearchResults, scores: readonly ArmScore[]): string[][] {
  return tasks.map(({ taskId, kernels, randomOrderNeeds }, place) => [
    taskId,
    String(kernels),
    randomOrderNeeds.toFixed(1),
    ...scores
      .filter(({ arm }) => isCompared(arm))
      .map(({ byTask }) => {
        const score = byTask[place];
        if (!score) return "–";
        return score.verdict === "tie" ? score.ratio.toFixed(3) : `**${score.ratio.toFixed(3)}**`;
      }),
  ]);
}

function anatomySection(anatomy: readonly AnatomyStep[]): string[] {
  if (anatomy.length === 0) return [];
  return [
    "### Where the gap comes from",
    "What would be found if a search knew more than any search can: its forecasts calibrated on the very task, learnt from every other kernel of it, or true.",
    markdownTable(
      ["", "best, × measure-all", "share of the pool's log gain"],
      anatomy.map(({ what, bestVsMeasureAll, poolShare }) => [
        what,
        withInterval(bestVsMeasureAll, 3),
        plain(poolShare, 2),
      ]),
    ),
  ];
}

function imagesOf(plots: readonly string[], kind: string, title: string): string[] {
  return plots.filter((name) => name.startsWith(kind)).map((name) => `![${title}](search/${name})`);
}

function withInterval({ value, interval }: Figure, digits: number): string {
  if (value === undefined) return "–";
  return interval
    ? `${value.toFixed(digits)} (${interval.low.toFixed(digits)} to ${interval.high.toFixed(digits)})`
    : value.toFixed(digits);
}

function plain(value: number | undefined, digits: number): string {
  return value === undefined ? "–" : value.toFixed(digits);
}
