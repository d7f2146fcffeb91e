/**
 * `npm run docs:atlas`: writes the tables of atlas/README.md from the recording, and its plots: docs/results/atlas.html and
 * docs/results/atlas/*.svg. `--recording PATH --card FILE --plots FOLDER` for another recording.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadRecording } from "../src/formats/load-recording.ts";
import { markdownTable, replaceBetween } from "./markdown.ts";
import { recordingFigures } from "../src/report/recording/figures.ts";
import { plotRecording, type RecordingPlots } from "../src/report/recording/page.ts";
import { recordingInfo, type RecordingInfo } from "../src/formats/recording-info.ts";
import type { Recording } from "../src/domain/index.ts";
import { deviceAgreement } from "../src/formats/device-agreement.ts";
import { randomOrderNeeds } from "../src/formats/random-order.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({
  options: {
    recording: { type: "string", default: "atlas" },
    card: { type: "string", default: `${repository}atlas/README.md` },
    plots: { type: "string", default: `${repository}docs/results` },
  },
});
const path = values.card;
const recording = await loadRecording(values.recording);
const info = recordingInfo(recording);
const tables = [
  countsTable(info),
  agreementTable(info),
  ...deviceTables(recording, info),
  taskTable(recording, info),
].join("\n\n");
const card = readFileSync(path, "utf8");
const plots = plotRecording(recordingFigures(recording));
writePlots(plots);
writeFileSync(path, replaceBetween(replaceBetween(card, "tables", tables), "plots", plotLinks(plots)));

/** Two charts as they are, the others as links. */
function plotLinks({ files, titles }: RecordingPlots): string {
  const shown = ["spread.svg", "passes.svg"].filter((name) => files.has(name));
  const others = [...files.keys()].filter((name) => !shown.includes(name));
  const link = (name: string): string => `[${titles.get(name) ?? name}](../docs/results/atlas/${name})`;
  return [
    ...shown.map((name) => `!${link(name)}`),
    ["Further:", ...others.map((name) => `- ${link(name)}`)].join("\n"),
  ].join("\n\n");
}

/** The charts of an earlier recording go: one that has no second device has no chart of it. */
function writePlots({ page, files }: RecordingPlots): void {
  const folder = `${values.plots}/atlas`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${values.plots}/atlas.html`, page);
  for (const [name, svg] of files) writeFileSync(`${folder}/${name}`, svg);
}

function countsTable({ splits, ...counts }: RecordingInfo): string {
  const total = ["all", counts.tasks, counts.families, counts.kernels];
  return markdownTable(
    ["split", "tasks", "families", "kernels"],
    [total, ...Object.entries(splits).map(([name, split]) => [name, split.tasks, split.families, split.kernels])],
  );
}

function agreementTable({ devices }: RecordingInfo): string {
  return markdownTable(
    [
      "device",
      "measured",
      "ok",
      "failed",
      "median disagreement of the passes",
      "p90",
      "over 3 %",
      "measured a third time",
      "not confirmed",
    ],
    Object.entries(devices).map(([name, { passes, ...device }]) => [
      name,
      device.measured,
      device.ok,
      device.failed,
      percent(passes.median),
      percent(passes.p90),
      passes.over3Percent,
      passes.thirdPasses,
      passes.unconfirmed,
    ]),
  );
}

/** How the main device's figures carry over to each other one; nothing where there is no other. */
function deviceTables(source: Recording, { mainDevice, devices }: RecordingInfo): string[] {
  const others = Object.keys(devices).filter((device) => device !== mainDevice);
  if (mainDevice === null || others.length === 0) return [];
  const decimals = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(3));
  const rows = others.map((device) => {
    const { kernels, otherVerdict, spearman, pairwise, ratio } = deviceAgreement(source, mainDevice, device);
    return [`${mainDevice}, ${device}`, kernels, otherVerdict, decimals(spearman), percent(pairwise), decimals(ratio)];
  });
  return [
    markdownTable(
      [
        "devices",
        "kernels on both",
        "another verdict",
        "Spearman",
        "pairs 10 % apart in the same order",
        "runtime, second / first",
      ],
      rows,
    ),
  ];
}

function percent(value: number | null | undefined): string {
  return value == null ? "-" : `${(100 * value).toFixed(2)} %`;
}

function taskTable(source: Recording, { byTask, mainDevice }: RecordingInfo): string {
  const us = (value: number | null): string => (value === null ? "-" : value.toFixed(1));
  return markdownTable(
    [
      "task",
      "family",
      "split",
      "kernels",
      "templates",
      "depth",
      "failed",
      "only constants differ",
      "seed µs",
      "best µs",
      "slowest µs",
      "random order to within 5 %",
    ],
    byTask.map((task) => [
      task.taskId,
      task.family,
      task.split ?? "-",
      task.kernels,
      task.templates,
      task.depth,
      `${((100 * task.failed) / task.measured).toFixed(1)} %`,
      `${(100 * task.constantShare).toFixed(0)} %`,
      us(task.seedUs),
      us(task.bestUs),
      us(task.worstUs),
      randomOrderNeeds(source, task.taskId, mainDevice ?? "")?.toFixed(1) ?? "-",
    ]),
  );
}
