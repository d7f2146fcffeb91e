/** The page of the study. */
import { basename } from "node:path";
import type { View } from "../../src/evaluate/plan-view.ts";
import type { ArmDifference } from "../../src/evaluate/study/arm-differences.ts";
import { calibrations, type Calibration, type JudgedArm } from "../../src/evaluate/study/judged-arm.ts";
import { markdownTable } from "../markdown.ts";
import { costTable, trainingTable, unreadTable, type FoundArm } from "./run-tables.ts";
import { searchesSection, type NamedSearches } from "./searches.ts";
import { differenceTable, rangeTable, scoreTable, sideText, signed, spreadTable, type ScoredArm } from "./tables.ts";

export interface StudyPage {
  readonly title: string;
  readonly command: string;
  /** Name of the folder that holds the curves. */
  readonly folder: string;
  readonly view: View;
  readonly summary: string | undefined;
  readonly arms: readonly FoundArm[];
  readonly missing: readonly string[];
  readonly scored: readonly ScoredArm[];
  readonly judged: readonly JudgedArm[];
  /** Labels of the arms whose p_ok the recipe calibrates by isotonic regression. */
  readonly isotonicOk: readonly string[];
  readonly perTask: number;
  readonly seed: number;
  readonly differences: readonly ArmDifference[];
  /** File names in the folder, and what they show. */
  readonly curves: readonly { readonly name: string; readonly label: string }[];
  readonly searches: NamedSearches | undefined;
  /** How all models are judged by the command line. */
  readonly evaluateCommand: string;
}

export function studyPage(page: StudyPage): string {
  return `${[
    `# ${page.title}`,
    `Written by \`${page.command}\`; do not edit. Does reinforcement learning make a language model a better and better calibrated forecaster of kernels than supervised training does, and than supervised training with calibration after it? The runs, with their configurations, events and forecasts, are in [${page.folder}](${page.folder}); how they are trained: [decision 17](../decisions/0017-training-language-models.md).`,
    ...(page.summary === undefined ? [] : [page.summary]),
    ...(page.missing.length > 0 ? [`Not there (yet): ${page.missing.map((run) => `\`${run}\``).join(", ")}.`] : []),
    ...claimSection(page.differences),
    ...trainingSection(page),
    ...scoreSection(page),
    ...differenceSection(page.differences),
    ...curveSection(page),
    "## Cost",
    "GPU-minutes of the runs that are there. What a run that was killed did after its last checkpoint is not counted; loading the model before training is not either, before answering it is.",
    costTable(page.arms),
    ...searchSection(page),
  ].join("\n\n")}\n`;
}

/** Forecasts within a search depend on what it measured, so that none can be replayed by them. */
function searchSection({ searches, view }: StudyPage): string[] {
  if (view !== "start") return [];
  const found = searches
    ? searchesSection(searches)
    : ["No searches by these forecasts have been run yet: `--search` does."];
  return ["## What it changes in searches", ...found];
}

const wantedText = {
  lower: "has a lower",
  higher: "has a higher",
  "not higher": "is not shown to have a higher",
} as const;

function claimSection(differences: readonly ArmDifference[]): string[] {
  const rows = differences.flatMap(({ of, from, all, claims }) =>
    claims.map(({ score, wanted, holds }) => [
      `${sideText(of)} ${wantedText[wanted]} ${shown[score] ?? score} than ${sideText(from)}`,
      signed(all[score]),
      holds ? "holds" : "does not hold",
    ]),
  );
  if (rows.length === 0) return [];
  return [
    "## What was to be shown",
    "Each is decided by the 95 % interval of the paired difference on split test: *lower* and *higher* hold where it excludes 0 on that side, *not shown to have a higher* where it does not lie above 0 as a whole.",
    markdownTable(["claim", "difference", ""], rows),
  ];
}

const shown: Readonly<Record<string, string>> = {
  crps: "CRPS",
  ece: "ECE",
  aurc: "AURC",
  pairwise: "pairwise accuracy",
};

function trainingSection({ arms, folder }: StudyPage): string[] {
  const bases = [
    ...new Set(
      arms.flatMap(({ found }) => found.flatMap(({ config }) => (config.model ? basename(config.model.base) : []))),
    ),
  ];
  const devices = [...new Set(arms.flatMap(({ found }) => found.flatMap(({ log }) => log.start?.device ?? [])))];
  const notes = arms.flatMap(({ label, note }) => (note ? [`- *${label}*: ${note}`] : []));
  return [
    "## What was trained",
    `Base model ${bases.map((base) => `\`${base}\``).join(", ")}${devices.length > 0 ? `, on ${devices.join(", ")}` : ""}. Low-rank adapters; the base's weights stay. Families of kernels in split train are in no other split. *Answers a second*: answers drawn and learned from, over the time of both, median over steps.`,
    trainingTable(arms),
    `Again: \`npm run fetch:test-model\`; \`npm run study:rl-data\` and \`npm run study:rl\` write data and configurations; each run is \`npx kernelcast train sft\` (or \`rl\`) \`--config training-runs/configs/RUN.json\`, and is judged by \`npx kernelcast train eval\` with \`RUN-validation.json\` and \`RUN-test.json\`; \`npx tsx scripts/rl/collect-runs.ts training-runs --to docs/results/${folder}\` puts what they left here.`,
    ...(notes.length > 0 ? [notes.join("\n")] : []),
  ];
}

const ways: Readonly<Record<Calibration, string>> = {
  raw: "As answered",
  calibrated: "Calibrated by the recipe that the product uses",
  isotonic: "Calibrated by isotonic regression alone",
};

const known: Readonly<Record<View, string>> = {
  start: "at the start of a search: the seed kernel is the only one whose time is told",
  search: "within a search: the times of the kernel's parent and of eight others are known besides the seed kernel's",
};

function scoreSection(page: StudyPage): string[] {
  const { scored, judged, arms, perTask, seed, view, isotonicOk, evaluateCommand } = page;
  const [first] = scored;
  const explained: Readonly<Record<Calibration, string>> = {
    raw: `Beside them what ships, ${view === "start" ? "the frontier model's forecasts " : ""}and the baselines, on the same kernels.`,
    calibrated: `Widths, medians and p_ok by a recipe fitted on the run's own forecasts of split validation ([decision 8](../decisions/0008-calibration.md)). It is a parametric curve that also looks at how alike a kernel is to the measured one${isotonicOk.length > 0 ? `; p_ok is by isotonic regression for ${isotonicOk.join(", ")}, else by a line in log odds` : "; nothing in it is isotonic: with fewer than a hundred failures p_ok, too, is moved by a line in log odds"}. What it knows of likeness orders kernels by itself: how well, the baselines beside tell, which have no model to calibrate. Arms without forecasts of validation are left out.`,
    isotonic:
      "Nothing is known but the forecasts' own probabilities: where the truths of split validation lay in their forecasts goes before every forecast's distribution (Kuleshov, Fenner and Ermon 2018), read at the three quantiles that a forecast holds; p_ok by isotonic regression. Fitted on the run's own forecasts of split validation.",
  };
  const ranges = rangeTable(scored);
  const told = unreadTable(arms);
  return [
    `## Scores: split test, ${first?.scores.tasks ?? 0} tasks, ${first?.scores.kernels ?? 0} kernels`,
    `At most ${perTask} kernels of a task, drawn by seed ${seed}, ${known[view]}. Kernels that do not compile are left out, as the evidence tells of them, and those that no run was asked for: whose time no two passes agree on, or whose prompts were too long. A kernel without an answer that could be read is scored as the constant prior, and counted under *no answer*. Means over tasks with the 95 % interval of a bootstrap over tasks; where an arm has several runs, which differ by seed, each task's score is their mean.`,
    ...calibrations.flatMap((as) => {
      const rows = scored.filter((one) => one.as === as);
      return rows.length === 0 ? [] : [`### ${ways[as]}`, explained[as], scoreTable(rows), ...belowPrior(rows)];
    }),
    ...(ranges ? ["### Range over seeds", "Least and most of an arm's runs.", ranges] : []),
    "### What the medians follow",
    "Standard deviations of the forecast medians in log2 units, as answered: of the tasks' means, and within a task; and the rank correlation of the tasks' mean medians with their mean times. A forecaster that does not make use of what it is shown says the same of every task.",
    spreadTable(judged),
    ...(told
      ? [
          "### What the trainer could not read",
          "By its own count, of all that it asked; mean over tasks and runs.",
          told,
        ]
      : []),
    "All models in one table of the command line, on the same kernels:",
    `\`\`\`sh\n${evaluateCommand}\n\`\`\``,
  ];
}

/** Whose calibration does not count, for saying nothing would have been as good. */
function belowPrior(rows: readonly ScoredArm[]): string[] {
  const worse = rows.filter(({ scores: { scores } }) => (scores.crps.mean ?? 0) >= (scores["crps of prior"].mean ?? 0));
  const labels = worse.map(({ label }) => label).filter((label) => !label.startsWith("baseline:"));
  return labels.length === 0
    ? []
    : [`No better than the prior by CRPS, so that their ECE does not count: ${labels.join("; ")}.`];
}

function differenceSection(differences: readonly ArmDifference[]): string[] {
  if (differences.length === 0) return [];
  const isLess = differences.some(({ kernels, commonKernels }) => commonKernels < kernels);
  return [
    "## Differences",
    "Paired by task, each task's score being the mean of an arm's runs; 95 % intervals of a bootstrap over tasks, **bold** where they exclude 0. CRPS, log score, ECE, Brier and AURC are better where they are lower.",
    differenceTable(differences, "all"),
    ...(isLess
      ? ["The same on the kernels alone that every run of both sides answered:", differenceTable(differences, "common")]
      : []),
  ];
}

function curveSection({ curves, folder }: StudyPage): string[] {
  if (curves.length === 0) return [];
  return [
    "## Learning curves",
    "Means of several steps where there are many; runs of one arm share a colour.",
    ...curves.map(({ name, label }) => `![${label}](${folder}/${name})`),
  ];
}
