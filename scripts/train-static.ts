/**
 * `npx tsx scripts/train-static.ts --recording atlas --out models/static-v1.json`: trains the forecaster `static` on the
 * recording's tasks of split `train` (or `--tasks a,b`), and prints its scores on families left out in turn. How it does on
 * others: `kernelcast evaluate --forecaster static:FILE`.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { KernelcastError, mainDevice, type DeviceInfo, type Recording } from "../src/domain/index.ts";
import { scoreNames } from "../src/evaluate/score-task.ts";
import type { ForecastScores } from "../src/evaluate/score-tasks.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { tasksOfSplit } from "./tasks-of-split.ts";
import { trainStatic } from "../src/train/train-static.ts";

const { values } = parseArgs({
  options: {
    recording: { type: "string", default: "atlas" },
    device: { type: "string" },
    tasks: { type: "string" },
    out: { type: "string" },
  },
});

const recording = await loadRecording(values.recording);
const device = chooseDevice(recording, values.device);
const taskIds = values.tasks?.split(",") ?? tasksOfSplit(recording, "train");
const { model, heldOut } = trainStatic(recording, {
  device,
  taskIds,
  onProgress: (line) => console.error(line),
});
print("the seed as only anchor, no evidence", heldOut.seedOnly);
print("eight other anchors, compile evidence", heldOut.anchors);
if (values.out) {
  const text = `${JSON.stringify(model)}\n`;
  await writeFile(values.out, text);
  console.error(`wrote ${values.out}: ${text.length} bytes`);
}

function chooseDevice(from: Recording, name: string | undefined): DeviceInfo {
  const wanted = name ?? mainDevice(from) ?? "";
  const info = from.deviceInfos?.get(wanted);
  if (!info) throw new KernelcastError("recording", `${from.name}: nothing is known of the device "${wanted}"`);
  return info;
}

function print(title: string, { scores, byTask }: ForecastScores): void {
  console.log(`\nfamilies left out of training in turn: ${title}`);
  const rounded = (of: (name: (typeof scoreNames)[number]) => number | undefined): Record<string, number> =>
    Object.fromEntries(scoreNames.map((name) => [name, Number((of(name) ?? Number.NaN).toFixed(3))]));
  const rows = Object.entries(byTask).map(([taskId, own]) => [taskId, rounded((name) => own[name])] as const);
  console.table({ ...Object.fromEntries(rows), "mean over tasks": rounded((name) => scores[name].mean) });
}
