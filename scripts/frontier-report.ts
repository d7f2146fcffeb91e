/**
 * `npm run results:frontier [-- --forecasts atlas/forecasts/claude/forecasts.jsonl --recording atlas --per-task 50 --seed 1]`: scores recorded
 * forecasts of a language model, raw and calibrated on split validation, beside forecasters that ship, on the same kernels,
 * and writes docs/results/frontier.md and .json.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { mainDevice, sha256Hex } from "../src/domain/index.ts";
import { evaluateForecasters, type Evaluation, type NamedForecaster } from "../src/evaluate/evaluate-forecasters.ts";
import { evaluationDocuments } from "../src/evaluate/evaluation-document.ts";
import type { ScoreName } from "../src/evaluate/score-task.ts";
import { baselineKinds } from "../src/forecast/baseline/baseline-forecaster.ts";
import { createEnsembleForecaster } from "../src/forecast/ensemble/ensemble-forecaster.ts";
import { recordedForecaster } from "../src/forecast/recorded/recorded-forecaster.ts";
import { loadForecasts } from "../src/formats/forecast-table.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { knownModel } from "../src/language-model/known-models.ts";
import { recordedDeviceInfo } from "../src/measure/recorded-device-figures.ts";
import { openForecaster } from "../src/serve/open-forecaster.ts";
import { calibrateEnsemble } from "../src/train/calibrate-ensemble.ts";
import { interval, markdownTable } from "./markdown.ts";
import { tasksOfSplit } from "./tasks-of-split.ts";

const { values } = parseArgs({
  options: {
    forecasts: { type: "string", default: "atlas/forecasts/claude/forecasts.jsonl" },
    recording: { type: "string", default: "atlas" },
    beside: { type: "string", default: "static,auto" },
    "per-task": { type: "string", default: "50" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: "docs/results/frontier" },
  },
});

const columns: readonly (readonly [string, ScoreName])[] = [
  ["pairwise", "pairwise"],
  ["1.1–1.5", "pairwise 1.1-1.5"],
  ["Spearman", "spearman"],
  ["top tenth within 5 %", "top tenth within 5 %"],
  ["CRPS", "crps"],
  ["covers 80 %", "coverage 80"],
  ["ECE", "ece"],
  ["AUROC of p_ok", "auroc of p_ok"],
];

const seed = Number(values.seed);
const perTask = Number(values["per-task"]);
const recording = await loadRecording(values.recording);
const device = recordedDeviceInfo(recording, mainDevice(recording) ?? "");
const recorded = await loadForecasts(values.forecasts);
const raw = recordedForecaster(recorded, { where: values.forecasts });
const recipe = await calibrateEnsemble(
  [{ name: raw.name, modelSha256: sha256Hex(await readFile(values.forecasts, "utf8")), forecaster: raw }],
  recording,
  { device, taskIds: tasksOfSplit(recording, "validation"), split: "validation", views: ["seed"] },
);
const calibrated = createEnsembleForecaster({
  name: `${raw.name}, calibrated`,
  members: recipe.members.map((member) => ({ ...member, forecaster: raw })),
  device: device.name,
});
const named: NamedForecaster[] = [
  { label: `${raw.name}, raw`, forecaster: raw, isBaseline: false },
  { label: `${raw.name}, calibrated`, forecaster: calibrated, isBaseline: false },
];
for (const label of values.beside.split(",")) {
  named.push({ label, forecaster: await openForecaster(label), isBaseline: false });
}
for (const kind of baselineKinds) {
  named.push({ label: `baseline:${kind}`, forecaster: await openForecaster(`baseline:${kind}`), isBaseline: true });
}
const sections: string[] = [];
const documents: unknown[] = [];
for (const split of ["test", "validation"]) await judgeSplit(split);
await writeFile(`${values.out}.json`, `${JSON.stringify({ command: command(), recipe, documents }, null, 1)}\n`);
await writeFile(`${values.out}.md`, page());
for (const { forecaster } of named) await forecaster.close?.();

async function judgeSplit(split: string): Promise<void> {
  const options = { device, taskIds: tasksOfSplit(recording, split), perTask, seed };
  const result = await evaluateForecasters(named, recording, { ...options, view: "start", evidence: true });
  const setting = { recording: values.recording, split, device: device.name, view: "start", evidence: true } as const;
  documents.push(...evaluationDocuments({ ...result, setting: { ...setting, sources: "raw", seed, notes: [] } }));
  const [first] = result.evaluations;
  const kernels = first?.judged.reduce((sum, { judged }) => sum + judged.length, 0) ?? 0;
  sections.push(
    `## ${split}, ${first?.judged.length ?? 0} tasks, ${kernels} kernels`,
    ...(split === "validation" ? ["The calibration was fitted on these; only the raw forecasts are honest here."] : []),
    markdownTable(
      ["forecaster", ...columns.map(([title]) => title)],
      result.evaluations.map(({ label, scores }) => [
        label,
        ...columns.map(([, name]) => interval(scores.scores[name])),
      ]),
    ),
    ...result.evaluations.slice(1).flatMap(against),
  );
}

function against({ label, isBaseline, paired }: Evaluation): string[] {
  if (isBaseline || !paired) return [];
  return [`${label} less raw, paired by task: CRPS ${interval(paired.crps)}, pairwise ${interval(paired.pairwise)}.`];
}

/** Tokens by what the forecasts say they cost, and what these would be at list prices of a few models. */
function costs(): string[] {
  const tokens = recorded.reduce((sum, one) => sum + (one.tokens ?? 0), 0);
  const perForecast = tokens / recorded.length;
  const rows = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"].flatMap((model) => {
    const price = knownModel("anthropic", model, "2026-11-26")?.price;
    if (!price) return [];
    // Answers are some 5 % of the tokens; all are counted as input and these once more as output.
    const usd = (perForecast * (price.inputUsd + 0.05 * price.outputUsd)) / 1e6;
    return [[model, usd.toFixed(5), (usd / 2).toFixed(5), price.asOf]];
  });
  return [
    "## Cost",
    `${Math.round(tokens)} tokens for ${recorded.length} forecasts, ${Math.round(perForecast)} each, estimated at four characters a token. At list prices, had it been one of these models (which it was is not known):`,
    markdownTable(["model", "USD a forecast", "in a batch, half", "price of"], rows),
  ];
}

function command(): string {
  return `npm run results:frontier -- --forecasts ${values.forecasts} --recording ${values.recording} --beside ${values.beside} --per-task ${perTask} --seed ${seed}`;
}

function page(): string {
  return `${[
    "# A frontier language model as a surrogate",
    `Written by \`${command()}\`; do not edit. Forecasts made by reading alone, from prompts that hold the task, the device and one measured kernel, the seed ([how they were made](../../atlas/forecasts/claude/README.md)). Kernels that do not compile are left out, as the evidence tells of them. *Calibrated*: widths, medians and p_ok by a recipe fitted on the tasks of validation. Means over tasks with the 95 % interval of a bootstrap over tasks.`,
    ...sections,
    ...costs(),
  ].join("\n\n")}\n`;
}
