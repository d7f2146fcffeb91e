/**
 * `npm run results:ablations [-- --forecasters static,compare --recording atlas --tasks a,b --sources raw,sanitised,renamed
 * --jobs 2]`: what compile evidence, names in sources and another device do to forecasts, and how accuracy grows with what was
 * trained on (from learning-curves.jsonl). Writes docs/results/ablations.md and the curves as SVG. Answers are kept in
 * .tmp/ablations: a run that was stopped goes on, and answers are asked for anew where code, models or recording changed.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { mainDevice } from "../src/domain/index.ts";
import type { JudgedAnswers } from "../src/evaluate/judge-forecaster.ts";
import { views } from "../src/evaluate/plan-view.ts";
import { sourceForms, type SourceForm } from "../src/evaluate/sources.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { readCurveLines } from "./ablations/curve-lines.ts";
import { curveChart, curvePoints, curveTable } from "./ablations/curve-plots.ts";
import { runInParts, taskPart } from "./in-parts.ts";
import { judgeAll } from "./ablations/judge-all.ts";
import { answerKey, KeptFolder } from "./ablations/kept-folder.ts";
import { ablationSettings, shared, usual, type Setting } from "./ablations/settings.ts";
import { comparisonTable } from "./ablations/tables.ts";

const { values } = parseArgs({
  options: {
    forecasters: { type: "string", default: "static,compare,auto" },
    recording: { type: "string", default: "atlas" },
    tasks: { type: "string" },
    sources: { type: "string", default: "raw,sanitised,renamed" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
    part: { type: "string" },
    curves: {
      type: "string",
      default: "docs/results/learning-curves.jsonl,docs/results/learning-curves-embedded.jsonl",
    },
    losses: { type: "string", default: "docs/results/training-losses.jsonl" },
    work: { type: "string", default: ".tmp/ablations" },
    out: { type: "string", default: "docs/results/ablations" },
  },
});

const splits = ["validation", "test"] as const;
const seed = Number(values.seed);
const forecasters = values.forecasters.split(",");
const forms = values.sources.split(",").map((name): SourceForm => {
  const form = sourceForms.find((one) => one === name);
  if (!form) throw new Error(`--sources ${name}: none of ${sourceForms.join(", ")}`);
  return form;
});
const recording = await loadRecording(values.recording, values.tasks ? { tasks: values.tasks.split(",") } : {});
const main = mainDevice(recording) ?? "";
const devices = [main, ...recording.devices.filter((name) => name !== main)];
const taskIds = [...recording.tasks.values()]
  .filter(({ split, task }) => splits.some((one) => one === (split ?? task.split)))
  .map(({ task }) => task.taskId)
  .sort((a, b) => recording.kernels(b).length - recording.kernels(a).length);
const settings = ablationSettings(devices, forms);

if (values.part === undefined && Number(values.jobs) > 1) await runInParts(Number(values.jobs));
const kept = await KeptFolder.open(values.work, values.recording);
const mine = values.part === undefined ? taskIds : taskPart(taskIds, values.part);
await judgeAll({ recording, forecasters, taskIds: mine, settings, seed, kept });
if (values.part === undefined) await writeReport();

async function writeReport(): Promise<void> {
  const sections = [
    "## Compile evidence",
    "What registers, spills and shared memory as the compiler tells them are worth. Kernels that do not compile are left out on both sides.",
    ...(await comparisons(
      (view) => ["with", usual(main, view)],
      (view) => ["without", { ...usual(main, view), evidence: false }],
    )),
    "## Sources",
    "Whether forecasts come from what a kernel does, or from what its author calls things: comments and the contents of strings gone (*sanitised*), then also neutral names for all that it declares itself (*renamed*), the same in all kernels of a task (*renamed-alone*: each by itself).",
  ];
  for (const form of forms.filter((one) => one !== "raw")) {
    const change = (view: Setting["view"]): Setting => ({ ...usual(main, view), sources: form });
    sections.push(
      `### Raw and ${form}`,
      ...(await comparisons(
        (view) => ["raw", usual(main, view)],
        (view) => [form, change(view)],
      )),
    );
  }
  for (const other of devices.slice(1)) {
    sections.push(
      `## From ${main} to ${other}`,
      `Models trained on ${main} forecast ${other}, whose figures they are given, beside the same kernels on the ${main}.`,
      ...(await comparisons(
        (view) => [main, shared(main, devices, view)],
        (view) => [other, shared(other, devices, view)],
      )),
    );
  }
  await writeFile(`${values.out}.md`, page([...sections, ...(await curveSections()), ...(await lossSections())]));
  console.error(`wrote ${values.out}.md`);
}

type Side = readonly [name: string, setting: Setting];

async function comparisons(
  first: (view: Setting["view"]) => Side,
  second: (view: Setting["view"]) => Side,
): Promise<string[]> {
  const sections: string[] = [];
  for (const view of views) {
    for (const split of splits) {
      const side = async (label: string, [name, setting]: Side) => ({
        name,
        answers: await answersOf(label, split, setting),
      });
      const rows = await Promise.all(
        forecasters.map(async (forecaster) => ({
          forecaster,
          first: await side(forecaster, first(view)),
          second: await side(forecaster, second(view)),
        })),
      );
      if (rows.every((row) => row.first.answers.length === 0 || row.second.answers.length === 0)) continue;
      sections.push(`**${view}, ${split}**, ${comparisonTable(rows, seed)}`);
    }
  }
  return sections;
}

async function answersOf(label: string, wanted: string, setting: Setting): Promise<JudgedAnswers[]> {
  const answers: JudgedAnswers[] = [];
  for (const taskId of taskIds) {
    const recorded = recording.tasks.get(taskId);
    if ((recorded?.split ?? recorded?.task.split) !== wanted) continue;
    const one = kept.get(await answerKey(label, taskId, setting, seed));
    if (one) answers.push(one);
  }
  return answers;
}

async function curveSections(): Promise<string[]> {
  const points = curvePoints(await readCurveLines(values.curves.split(",")));
  if (points.length === 0) return [];
  const most = (forecaster: string): number =>
    Math.max(...points.filter((point) => point.forecaster === forecaster).map(({ tasks }) => tasks));
  const byTasks = points.filter(({ share }) => share === 1);
  const byKernels = points.filter(({ forecaster, tasks }) => tasks === most(forecaster));
  await mkdir(values.out, { recursive: true });
  const folder = values.out.split("/").at(-1) ?? "";
  const images: string[] = [];
  for (const [of, x] of [
    [byTasks, "tasks"],
    [byKernels, "kernels"],
  ] as const) {
    for (const score of ["pairwise", "crps"]) {
      await writeFile(`${values.out}/${score}-by-${x}.svg`, curveChart(of, x, score));
      images.push(`![${score} by ${x} trained on](${folder}/${score}-by-${x}.svg)`);
    }
  }
  return [
    "## How much training data it takes",
    [
      "Models trained on whole families drawn at random, and on a share of every task's kernels. Points are means over the draws, bars their range.",
      ...(points.some(({ forecaster }) => forecaster === "static")
        ? ["`static`: `npm run results:learning-curve`."]
        : []),
      "The networks: `curve.jsonl` of [their training](../guide/training-forecasters.md), before calibration; *start* is without compile evidence there. `embedded-text` reads no features.",
    ].join(" "),
    ...images,
    "### By tasks",
    curveTable(byTasks),
    "### By kernels, of all tasks",
    curveTable(byKernels),
  ];
}

async function lossSections(): Promise<string[]> {
  const points = curvePoints(await readCurveLines([values.losses]));
  if (points.length === 0) return [];
  return [
    "## Likelihood against CRPS",
    "The network of `embedded` trained alike on all tasks but for what judges its runtimes (`likelihood_until` of [the training](../guide/training-forecasters.md)); before calibration, one seed each.",
    curveTable(points),
  ];
}

function page(sections: readonly string[]): string {
  const options = `--forecasters ${values.forecasters} --recording ${values.recording} --sources ${values.sources} --seed ${seed}`;
  const introduction = [
    `Written by \`npm run results:ablations -- ${options}${values.tasks ? ` --tasks ${values.tasks}` : ""}\`; do not edit. Scores are means over tasks;`,
    "differences are the second row less the first, paired by task on the same kernels, with the 95 % interval of a bootstrap over tasks. *start*: the seed is the only",
    "measured kernel; *search*: also the parent and eight others. Nothing was tuned on test.",
  ];
  return `${["# Ablations", introduction.join("\n"), ...sections].join("\n\n")}\n`;
}
