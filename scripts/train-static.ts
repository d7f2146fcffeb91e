/**
 * `npx tsx scripts/train-static.ts --recording atlas --out models/static-v0.json`: trains the forecaster `static` on the
 * recording's tasks of split `train` (or `--tasks a,b`), prints its scores on families left out, and on `--judge` tasks
 * or splits never trained on.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { KernelcastError, mainDevice, type DeviceInfo, type Recording } from "../src/domain/index.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { judgeStatic } from "../src/train/judge-static.ts";
import type { StaticScores } from "../src/train/static-judgement.ts";
import type { Scores, StaticReport } from "../src/train/static-report.ts";
import { trainStatic } from "../src/train/train-static.ts";

const { values } = parseArgs({
  options: {
    recording: { type: "string", default: "atlas" },
    device: { type: "string" },
    tasks: { type: "string" },
    judge: { type: "string", default: "validation" },
    out: { type: "string" },
  },
});

const recording = await loadRecording(values.recording);
const device = chooseDevice(recording, values.device);
const taskIds = values.tasks?.split(",") ?? tasksOf(recording, "train");
const { model, heldOut } = trainStatic(recording, {
  device,
  taskIds,
  onProgress: (line) => console.error(line),
});
print("families left out of training in turn", heldOut);
const judged = tasksOf(recording, values.judge).filter((taskId) => !taskIds.includes(taskId));
if (judged.length > 0) {
  print(`tasks of ${values.judge}`, judgeStatic(model, recording, { device, taskIds: judged }));
}
if (values.out) {
  const text = `${JSON.stringify(model)}\n`;
  await writeFile(values.out, text);
  console.error(`wrote ${values.out}: ${text.length} bytes`);
}

/** Tasks of a split, or the listed ones. */
function tasksOf(from: Recording, choice: string): string[] {
  const all = [...from.tasks.values()];
  const bySplit = all.filter(({ split, task }) => (split ?? task.split) === choice).map(({ task }) => task.taskId);
  return bySplit.length > 0 ? bySplit : choice.split(",").filter((taskId) => from.tasks.has(taskId));
}

function chooseDevice(from: Recording, name: string | undefined): DeviceInfo {
  const wanted = name ?? mainDevice(from) ?? "";
  const info = from.deviceInfos?.get(wanted);
  if (!info) throw new KernelcastError("recording", `${from.name}: nothing is known of the device "${wanted}"`);
  return info;
}

function print(title: string, { seedOnly, anchors }: StaticScores): void {
  printReport(`${title}: the seed as only anchor, no evidence`, seedOnly);
  printReport(`${title}: eight other anchors, compile evidence`, anchors);
}

function printReport(title: string, report: StaticReport): void {
  console.log(`\n${title}`);
  console.table({ ...mapValues(report.tasks), "mean over tasks": rounded(report.mean) });
}

function mapValues(tasks: Readonly<Record<string, Scores>>): Record<string, Record<string, number>> {
  return Object.fromEntries(Object.entries(tasks).map(([taskId, scores]) => [taskId, rounded(scores)]));
}

function rounded(scores: Scores): Record<string, number> {
  return Object.fromEntries(
    Object.entries(scores).map(([name, value]: [string, number | undefined]) => [
      name,
      Number((value ?? Number.NaN).toFixed(3)),
    ]),
  );
}
