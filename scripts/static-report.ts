/**
 * `npm run results:static [-- --recording atlas --model models/static-v0.json --folds 3 --seed 1]`: scores the static
 * forecaster on every split of a recording and writes docs/results/static-v0.md and .json. Families of `train` are judged
 * by models trained without them, a fold of families at a time (`--folds 0` leaves `train` out), the other splits by the model given.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import {
  KernelcastError,
  keyedShuffle,
  mainDevice,
  sha256Hex,
  type DeviceInfo,
  type Recording,
} from "../src/domain/index.ts";
import { judgeForecaster } from "../src/evaluate/judge-forecaster.ts";
import type { JudgedTask } from "../src/evaluate/judged-task.ts";
import type { View } from "../src/evaluate/plan-view.ts";
import { scoreNames } from "../src/evaluate/score-task.ts";
import { scoreTasks, type ForecastScores, type MeanScore } from "../src/evaluate/score-tasks.ts";
import { createStaticForecaster } from "../src/forecast/static/static-forecaster.ts";
import { parseStaticModel, type StaticModel } from "../src/forecast/static/static-model.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { trainStatic } from "../src/train/train-static.ts";

const { values } = parseArgs({
  options: {
    recording: { type: "string", default: "atlas" },
    model: { type: "string", default: "models/static-v0.json" },
    out: { type: "string", default: "docs/results/static-v0" },
    folds: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
  },
});

const situations = [
  {
    title: "At the start of a search: the seed kernel is the only anchor, no compile evidence",
    view: "start",
    evidence: false,
  },
  { title: "Within a search: parent and eight further anchors, compile evidence", view: "search", evidence: true },
] as const;

const taskColumns = [
  "pairwise",
  "spearman",
  "top tenth within 5 %",
  "crps",
  "crps of prior",
  "coverage 80",
  "auroc of p_ok",
] as const;

/** Which tasks a model judges. */
interface Fold {
  readonly split: string;
  readonly model: StaticModel;
  readonly taskIds: readonly string[];
}

const seed = Number(values.seed);
const recording = await loadRecording(values.recording);
const device = deviceOf(recording);
const text = await readFile(values.model, "utf8");
const shipped = parseStaticModel(text, values.model);
const folds = [
  ...foldsOfFamilies(
    shipped.trainedOn.tasks.filter((taskId) => recording.tasks.has(taskId)),
    Number(values.folds),
  ),
  ...(["validation", "test"] as const).map((split) => ({ split, model: shipped, taskIds: tasksOf(split) })),
];
const sections: { readonly title: string; readonly splits: Record<string, ForecastScores> }[] = [];
for (const { title, view, evidence } of situations) {
  const splits: Record<string, ForecastScores> = {};
  for (const split of new Set(folds.map((fold) => fold.split))) {
    const judged = await Promise.all(folds.filter((fold) => fold.split === split).map(judgeFold(view, evidence)));
    splits[split] = scoreTasks(judged.flat(), seed);
  }
  sections.push({ title, splits });
}
const model = { path: values.model, sha256: sha256Hex(text), trainedOn: shipped.trainedOn };
const command = `npm run results:static -- --recording ${values.recording} --model ${values.model} --folds ${values.folds} --seed ${seed}`;
const report = { command, seed, recording: values.recording, device: device.name, model, sections };
await writeFile(`${values.out}.json`, `${JSON.stringify(report, null, 1)}\n`);
await writeFile(`${values.out}.md`, page());
console.error(`wrote ${values.out}.md and .json`);

/** Training families, some at a time, with a model that has seen none of them, neither to fit nor to calibrate. */
function foldsOfFamilies(taskIds: readonly string[], count: number): Fold[] {
  const familyOf = (taskId: string): string => recording.tasks.get(taskId)?.task.family ?? "";
  const families = keyedShuffle([...new Set(taskIds.map(familyOf))].sort(), seed, "folds");
  return Array.from({ length: count }, (_, fold) => {
    const left = new Set(families.filter((_family, place) => place % count === fold));
    console.error(`training without ${[...left].join(", ")}`);
    const rest = taskIds.filter((taskId) => !left.has(familyOf(taskId)));
    const { model: fitted } = trainStatic(recording, { device, taskIds: rest });
    return { split: "train", model: fitted, taskIds: taskIds.filter((taskId) => left.has(familyOf(taskId))) };
  });
}

function judgeFold(view: View, evidence: boolean): (fold: Fold) => Promise<JudgedTask[]> {
  return async ({ model: fitted, taskIds }) => {
    const { median: m, sigmaLow, sigmaHigh, pOk } = fitted.prior;
    const options = { device, prior: { m, sigmaLow, sigmaHigh, pOk }, view, evidence, seed };
    const forecaster = createStaticForecaster(fitted);
    const judged = await Promise.all(
      taskIds.map((taskId) => judgeForecaster(forecaster, recording, { ...options, taskId })),
    );
    return judged.filter((task) => task !== undefined);
  };
}

function tasksOf(split: string): string[] {
  return [...recording.tasks.values()].filter((one) => one.split === split).map(({ task }) => task.taskId);
}

function deviceOf(source: Recording): DeviceInfo {
  const info = source.deviceInfos?.get(mainDevice(source) ?? "");
  if (!info) throw new KernelcastError("recording", `${source.name}: nothing is known of its device`);
  return info;
}

function page(): string {
  const { tasks, kernels } = shipped.trainedOn;
  return [
    "# Scores of the static forecaster, v0",
    "",
    `Written by \`${command}\` (bootstrap and draws seeded by ${seed}); do not edit. Device: ${device.name}. The model:`,
    `\`${values.model}\`, SHA-256 \`${model.sha256.slice(0, 16)}…\`, trained on ${tasks.length} tasks with ${kernels} kernels.`,
    "",
    "- Means over tasks, with the 95 % interval of a bootstrap over tasks, and the number of tasks that have the score. With",
    "  few tasks such intervals are too narrow, and with one task there is none: read differences between splits with care.",
    `- \`train\`: its families in ${values.folds} folds, each judged by a model that was neither fitted nor calibrated on any of its`,
    "  fold. `validation` and `test`: the shipped model. A family is in one split only.",
    "- Anchors are not scored, but for parents, each in a request where it is no anchor. Runtimes and forecasts are in log2 µs; the prior is a constant distribution around the seed",
    "  kernel's time, fitted on the training tasks. ECE is of P(faster than its parent by more than 2 %, given ok); the parent's",
    "  measured time is the threshold, and at the start of a search mostly no anchor, so that wide forecasts alone make it large.",
    "- *Top tenth within 5 %* counts tasks where the best of the tenth forecast fastest is within 5 % of the pool's best, on",
    "  one kernel per template, where chance is below 0.4.",
    "",
    ...sections.flatMap(({ title, splits }) => [
      `## ${title}`,
      "",
      ...summaryTable(splits),
      "",
      ...taskTable(splits),
      "",
    ]),
    "## What is bad",
    "",
    ...weaknesses(),
    "",
  ].join("\n");
}

function summaryTable(splits: Readonly<Record<string, ForecastScores>>): string[] {
  const columns = Object.entries(splits);
  const header = columns.map(([split, { tasks, kernels }]) => `${split}: ${tasks} tasks, ${kernels} kernels`);
  return [
    `| score | ${header.join(" | ")} |`,
    `| --- |${" --- |".repeat(columns.length)}`,
    ...scoreNames.map((name) => `| ${name} | ${columns.map(([, { scores }]) => cell(scores[name])).join(" | ")} |`),
  ];
}

function cell({ mean, low, high, tasks }: MeanScore): string {
  if (mean === undefined || low === undefined || high === undefined) return "–";
  const interval = tasks > 1 ? ` (${low.toFixed(3)} to ${high.toFixed(3)})` : "";
  return `${mean.toFixed(3)}${interval}, ${tasks}`;
}

function taskTable(splits: Readonly<Record<string, ForecastScores>>): string[] {
  const rows = Object.entries(splits).flatMap(([split, { byTask }]) =>
    Object.entries(byTask).map(([taskId, scores]) => {
      const cells = taskColumns.map((name) => scores[name]?.toFixed(3) ?? "–");
      return `| ${taskId} | ${split} | ${cells.join(" | ")} |`;
    }),
  );
  return [
    `| task | split | ${taskColumns.join(" | ")} |`,
    `| --- | --- |${" --- |".repeat(taskColumns.length)}`,
    ...rows,
  ];
}

/** What falls short of the figures aimed at on families never trained on, said by the numbers themselves. */
function weaknesses(): string[] {
  const goals = [
    ["pairwise", 0.8, "at least"],
    ["spearman", 0.65, "at least"],
    ["top tenth within 5 %", 0.8, "at least"],
    ["ece", 0.03, "at most"],
  ] as const;
  const lines = sections.flatMap(({ title, splits }) =>
    Object.entries(splits).flatMap(([split, { scores, byTask }]) => [
      ...goals.flatMap(([name, goal, sense]) => {
        const { mean } = scores[name];
        const missed = mean !== undefined && (sense === "at least" ? mean < goal : mean > goal);
        return missed
          ? [`- ${split}, ${situation(title)}: ${name} ${mean.toFixed(3)}, aimed at ${sense} ${goal}.`]
          : [];
      }),
      ...coverageFaults(split, title, scores["coverage 80"]),
      ...Object.entries(byTask).flatMap(([taskId, { crps, "crps of prior": prior }]) =>
        crps !== undefined && prior !== undefined && crps >= prior
          ? [
              `- ${taskId} (${split}), ${situation(title)}: its CRPS ${crps.toFixed(3)} is no better than the prior's ${prior.toFixed(3)}.`,
            ]
          : [],
      ),
    ]),
  );
  return lines.length > 0 ? lines : ["Nothing falls short of the figures aimed at."];
}

function coverageFaults(split: string, title: string, { mean }: MeanScore): string[] {
  if (mean === undefined || (mean >= 0.75 && mean <= 0.85)) return [];
  const fault = mean < 0.75 ? "too narrow" : "too wide";
  return [`- ${split}, ${situation(title)}: 80 % intervals cover ${(100 * mean).toFixed(0)} %: ${fault}.`];
}

function situation(title: string): string {
  return title.startsWith("At") ? "at the start" : "within a search";
}
