/**
 * `npm run results:forms [-- --forecasts A.jsonl,B.jsonl --recording atlas --split test --per-task 11 --seed 1]`: scores recorded forecasts of
 * the same kernels in several forms of answer, as they were given, and writes docs/results/forms.md and .json.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { mainDevice } from "../src/domain/index.ts";
import { evaluateForecasters, type Evaluation } from "../src/evaluate/evaluate-forecasters.ts";
import { evaluationDocuments } from "../src/evaluate/evaluation-document.ts";
import type { ScoreName } from "../src/evaluate/score-task.ts";
import { recordedForecaster } from "../src/forecast/recorded/recorded-forecaster.ts";
import { loadForecasts } from "../src/formats/forecast-table.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { recordedDeviceInfo } from "../src/measure/recorded-device-figures.ts";
import { interval, markdownTable } from "./markdown.ts";
import { tasksOfSplit } from "./tasks-of-split.ts";

const { values } = parseArgs({
  options: {
    forecasts: {
      type: "string",
      default: "atlas/forecasts/claude/forecasts.jsonl,atlas/forecasts/claude-bins/forecasts.jsonl",
    },
    recording: { type: "string", default: "atlas" },
    split: { type: "string", default: "test" },
    "per-task": { type: "string", default: "11" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: "docs/results/forms" },
  },
});

const columns: readonly (readonly [string, ScoreName])[] = [
  ["pairwise", "pairwise"],
  ["1.1–1.5", "pairwise 1.1-1.5"],
  ["Spearman", "spearman"],
  ["CRPS", "crps"],
  ["covers 80 %", "coverage 80"],
  ["ECE", "ece"],
  ["AUROC of p_ok", "auroc of p_ok"],
];

const [perTask, seed] = [Number(values["per-task"]), Number(values.seed)];
const recording = await loadRecording(values.recording);
const device = recordedDeviceInfo(recording, mainDevice(recording) ?? "");
const files = await Promise.all(
  values.forecasts.split(",").map(async (path) => ({ path, rows: await loadForecasts(path) })),
);
const result = await evaluateForecasters(
  files.map(({ path, rows }) => {
    const forecaster = recordedForecaster(rows, { where: path });
    return { label: forecaster.name, forecaster, isBaseline: false };
  }),
  recording,
  { device, taskIds: tasksOfSplit(recording, values.split), perTask, seed, view: "start", evidence: true },
);
const documents = evaluationDocuments({
  ...result,
  setting: {
    recording: values.recording,
    split: values.split,
    device: device.name,
    view: "start",
    evidence: true,
    sources: "raw",
    seed,
    notes: [],
  },
});
await writeFile(`${values.out}.json`, `${JSON.stringify({ command: command(), documents }, null, 1)}\n`);
await writeFile(`${values.out}.md`, page(result.evaluations));

/** Mean tokens of a file's forecasts of the kernels that are scored. */
function tokensEach(index: number, { judged }: Evaluation): string {
  const asked = new Set(judged.flatMap(({ judged: kernels }) => kernels.map(({ kernelId }) => kernelId)));
  const told = (files[index]?.rows ?? []).filter(({ forecast }) => asked.has(forecast.kernelId));
  const tokens = told.reduce((sum, row) => sum + (row.tokens ?? 0), 0);
  return tokens === 0 ? "–" : String(Math.round(tokens / told.length));
}

function command(): string {
  return `npm run results:forms -- --forecasts ${values.forecasts} --recording ${values.recording} --split ${values.split} --per-task ${perTask} --seed ${seed}`;
}

function page(evaluations: readonly Evaluation[]): string {
  const [first] = evaluations;
  const kernels = first?.judged.reduce((sum, { judged }) => sum + judged.length, 0) ?? 0;
  return `${[
    "# Forms of a language model's forecast",
    `Written by \`${command()}\`; do not edit. The same ${kernels} kernels of ${first?.judged.length ?? 0} tasks, forecast at the start of a search from the seed's time alone, in each form, as given (not calibrated). Means over tasks with the 95 % interval of a bootstrap over tasks. *quantiles*: p_ok and the 10/50/90 % quantiles of a list of 25 kernels; *bins*: the probabilities of thirteen bins of the time relative to the measured kernel, one kernel a prompt, the form that was published; its outermost bins are open, beyond a factor of 4. Of bins, too, the quantiles are scored.`,
    markdownTable(
      ["forecaster", ...columns.map(([title]) => title), "tokens a forecast"],
      evaluations.map((evaluation, index) => [
        evaluation.label,
        ...columns.map(([, name]) => interval(evaluation.scores.scores[name])),
        tokensEach(index, evaluation),
      ]),
    ),
    ...evaluations
      .slice(1)
      .flatMap(({ label, paired }) =>
        paired
          ? [
              `${label} less ${first?.label}, paired by task: CRPS ${interval(paired.crps)}, pairwise ${interval(paired.pairwise)}.`,
            ]
          : [],
      ),
    "Tokens are estimated at four characters each. How the forecasts were made: [lists](../../atlas/forecasts/claude/README.md), [one at a time](../../atlas/forecasts/claude-bins/README.md).",
  ].join("\n\n")}\n`;
}
