/** `npm run docs:atlas`: writes the tables of atlas/README.md from the recording. */
import { readFileSync, writeFileSync } from "node:fs";
import { loadRecording } from "../src/formats/load-recording.ts";
import { markdownTable, replaceBetween } from "./markdown.ts";
import { recordingInfo, type RecordingInfo } from "../src/formats/recording-info.ts";
import { keyedShuffle, recordedRuntimeUs, type Recording } from "../src/domain/index.ts";

const path = new URL("../atlas/README.md", import.meta.url);
const recording = await loadRecording("atlas");
const info = recordingInfo(recording);
const tables = [countsTable(info), agreementTable(info), taskTable(recording, info)].join("\n\n");
const card = readFileSync(path, "utf8");
writeFileSync(path, replaceBetween(card, "tables", tables));

function countsTable({ splits, ...counts }: RecordingInfo): string {
  const total = ["all", counts.tasks, counts.families, counts.kernels];
  return markdownTable(
    ["split", "tasks", "families", "kernels"],
    [total, ...Object.entries(splits).map(([name, split]) => [name, split.tasks, split.families, split.kernels])],
  );
}

function agreementTable({ devices }: RecordingInfo): string {
  const percent = (value: number | null): string => (value === null ? "-" : `${(100 * value).toFixed(2)} %`);
  return markdownTable(
    ["device", "measured", "ok", "failed", "median disagreement of the passes", "p90", "over 3 %"],
    Object.entries(devices).map(([name, { passes, ...device }]) => [
      name,
      device.measured,
      device.ok,
      device.failed,
      percent(passes.median),
      percent(passes.p90),
      passes.over3Percent,
    ]),
  );
}

function taskTable(source: Recording, { byTask }: RecordingInfo): string {
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
      randomOrder(source, task.taskId).toFixed(1),
    ]),
  );
}

/** Mean number of measurements, over 500 keyed random orders, until one is within 5 % of the best. */
function randomOrder(source: Recording, taskId: string): number {
  const measured = source.measurements(taskId, source.devices[0] ?? "");
  const runtimes = source.kernels(taskId).map(({ kernel }) => {
    const measurement = measured.get(kernel.kernelId);
    return measurement ? (recordedRuntimeUs(measurement) ?? Infinity) : Infinity;
  });
  const wanted = 1.05 * Math.min(...runtimes);
  const orders = Array.from({ length: 500 }, (_, seed) => keyedShuffle(runtimes, seed, "random order", taskId));
  return orders.reduce((sum, order) => sum + order.findIndex((runtime) => runtime <= wanted) + 1, 0) / orders.length;
}
