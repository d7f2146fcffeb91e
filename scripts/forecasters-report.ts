/**
 * `npm run results:forecasters [-- --forecasters static,compare,embedded,auto --recording atlas --seed 1 --jobs 2]`: scores forecasters beside the
 * baselines, at the start of a search and within one, on the splits validation and test, and writes
 * docs/results/forecasters.md and .json. Answers are kept in .tmp/ablations, which `npm run results:ablations` shares. The same
 * figures, kernel by kernel: `kernelcast evaluate`.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { mainDevice } from "../src/domain/index.ts";
import type { Evaluation } from "../src/evaluate/evaluate-forecasters.ts";
import { evaluationDocuments, type EvaluationResult } from "../src/evaluate/evaluation-document.ts";
import type { JudgedAnswers } from "../src/evaluate/judge-forecaster.ts";
import { pairedDifferences } from "../src/evaluate/paired-differences.ts";
import { views, type View } from "../src/evaluate/plan-view.ts";
import type { ScoreName } from "../src/evaluate/score-task.ts";
import { scoreTasks } from "../src/evaluate/score-tasks.ts";
import { baselineKinds } from "../src/forecast/baseline/baseline-forecaster.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { judgeAll } from "./ablations/judge-all.ts";
import { answerKey, KeptFolder } from "./ablations/kept-folder.ts";
import { usual } from "./ablations/settings.ts";
import { runInParts, taskPart } from "./in-parts.ts";
import { interval, markdownTable } from "./markdown.ts";
import { tasksOfSplit } from "./tasks-of-split.ts";

const { values } = parseArgs({
  options: {
    forecasters: { type: "string", default: "static,compare,embedded,auto" },
    recording: { type: "string", default: "atlas" },
    out: { type: "string", default: "docs/results/forecasters" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
    part: { type: "string" },
    work: { type: "string", default: ".tmp/ablations" },
  },
});

const splits = ["validation", "test"] as const;
const columns: readonly (readonly [string, ScoreName])[] = [
  ["pairwise", "pairwise"],
  ["Spearman", "spearman"],
  ["top tenth within 5 %", "top tenth within 5 %"],
  ["CRPS", "crps"],
  ["covers 80 %", "coverage 80"],
  ["ECE", "ece"],
  ["AUROC of p_ok", "auroc of p_ok"],
  ["with compile errors", "auroc with compile errors"],
];

const seed = Number(values.seed);
const labels = values.forecasters.split(",");
const command = `npm run results:forecasters -- --forecasters ${values.forecasters} --recording ${values.recording} --seed ${seed}`;
const recording = await loadRecording(values.recording);
const main = mainDevice(recording) ?? "";
const settings = views.map((view) => usual(main, view));
const named = [...labels, ...baselineKinds.map((kind) => `baseline:${kind}`)];
const taskIds = splits
  .flatMap((split) => tasksOfSplit(recording, split))
  .sort((a, b) => recording.kernels(b).length - recording.kernels(a).length);

if (values.part === undefined && Number(values.jobs) > 1) await runInParts(Number(values.jobs));
const kept = await KeptFolder.open(values.work, values.recording);
const mine = values.part === undefined ? taskIds : taskPart(taskIds, values.part);
await judgeAll({ recording, forecasters: named, taskIds: mine, settings, seed, kept });
if (values.part === undefined) await writeReport();

async function writeReport(): Promise<void> {
  const results: EvaluationResult[] = [];
  for (const view of views) for (const split of splits) results.push(await resultOf(view, split));
  // Forecasters shared what was read of the kernels, so that their speeds would be wrong.
  const documents = results
    .flatMap(evaluationDocuments)
    .map((document) => JSON.parse(JSON.stringify(document, withoutSpeed)) as unknown);
  await writeFile(`${values.out}.json`, `${JSON.stringify({ command, documents }, null, 1)}\n`);
  await writeFile(`${values.out}.md`, page(results.map(section)));
  console.error(`wrote ${values.out}.md and .json`);
}

function withoutSpeed(key: string, value: unknown): unknown {
  return key === "kernels_per_second" ? undefined : value;
}

async function resultOf(view: View, split: (typeof splits)[number]): Promise<EvaluationResult> {
  const evaluations: Evaluation[] = [];
  for (const label of named) {
    const judged: JudgedAnswers[] = [];
    for (const taskId of tasksOfSplit(recording, split)) {
      const answers = kept.get(await answerKey(label, taskId, usual(main, view), seed));
      if (answers) judged.push(answers);
    }
    const scores = scoreTasks(judged, seed);
    const [first] = evaluations;
    const paired = first && pairedDifferences(first.scores, scores, seed);
    evaluations.push({ label, isBaseline: !labels.includes(label), judged, scores, paired });
  }
  const setting = {
    recording: values.recording,
    split,
    device: main,
    view,
    evidence: true,
    sources: "raw" as const,
    seed,
  };
  return { evaluations, leftOut: [], setting: { ...setting, notes: [] } };
}

function section(result: EvaluationResult): string {
  const { view, split, device } = result.setting;
  const [first] = result.evaluations;
  const tasks = first?.judged.length ?? 0;
  const kernels = first?.judged.reduce((sum, { judged }) => sum + judged.length, 0) ?? 0;
  const rows = result.evaluations.map(({ label, scores }) => [
    label,
    ...columns.map(([, name]) => interval(scores.scores[name])),
  ]);
  return [
    `## ${view === "start" ? "At the start of a search" : "Within a search"}: ${split}, ${tasks} tasks, ${kernels} kernels`,
    "",
    `Device: ${device}.`,
    "",
    markdownTable(["forecaster", ...columns.map(([title]) => title)], rows),
    "",
    ...result.evaluations.slice(1, labels.length).map(({ label, paired }) => {
      return paired ? `CRPS of ${label} less that of ${first?.label}, paired by task: ${interval(paired.crps)}.` : "";
    }),
    "",
  ].join("\n");
}

function page(sections: readonly string[]): string {
  return [
    "# Scores of the forecasters",
    "",
    `Written by \`${command}\`; do not edit. Means over tasks, with the 95 % interval of a bootstrap over tasks; families of test and`,
    "validation were never trained on. *Start*: the seed kernel is the only anchor. *Search*: the seed, the kernel's own parent and eight",
    "others have been measured, as within a search. Compile evidence is given. What the scores are:",
    "[judging forecasters](../guide/judging-forecasters.md). Models were chosen on validation; nothing was tuned on test.",
    "",
    ...sections,
  ].join("\n");
}
