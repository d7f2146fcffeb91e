/**
 * `npx tsx scripts/embedded-dataset.ts --recording atlas --out FOLDER [--vocabulary FILE] [--limit 2048] [--jobs 2]`: writes what
 * `python/kernelcast_train` reads: `meta.json` and one JSON Lines file a task. Without `--vocabulary` one is built from the tasks of split train.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { KernelcastError } from "../src/domain/index.ts";
import {
  magnitudeBins,
  nameSlots,
  reservedWords,
  Tokenizer,
  type Vocabulary,
} from "../src/forecast/embedded/tokenizer.ts";
import { featureNames } from "../src/forecast/static/features.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { embeddedTask } from "../src/train/embedded-dataset.ts";
import { buildVocabulary } from "../src/train/embedded-vocabulary.ts";
import { runInParts, taskPart } from "./in-parts.ts";

const { values } = parseArgs({
  options: {
    recording: { type: "string", default: "atlas" },
    device: { type: "string" },
    out: { type: "string", default: "training-data" },
    vocabulary: { type: "string" },
    limit: { type: "string", default: "2048" },
    jobs: { type: "string", default: "1" },
    part: { type: "string", default: "1/1" },
    splits: { type: "string", default: "train,validation,test" },
  },
});

const recording = await loadRecording(values.recording);
const name = values.device ?? recording.devices[0] ?? "";
const device = recording.deviceInfos?.get(name);
if (!device) throw new KernelcastError("recording", `${values.recording}: nothing is known of the device "${name}"`);
await mkdir(values.out, { recursive: true });
const vocabulary: Vocabulary = values.vocabulary
  ? (JSON.parse(await readFile(values.vocabulary, "utf8")) as Vocabulary)
  : trainingVocabulary();
await writeFile(join(values.out, "vocabulary.json"), `${JSON.stringify(vocabulary)}\n`);
const tokenizer = new Tokenizer(vocabulary);
const limit = Number(values.limit);
const options = { device, tokenizer, limit };
const measured = [...recording.tasks.values()].filter(
  ({ split, task }) =>
    values.splits.split(",").includes(split ?? "") &&
    recording.measurements(task.taskId, name).get(task.seedKernel.kernelId)?.status === "ok",
);
const tasks = measured.map(({ task }) => task.taskId);
const jobs = Number(values.jobs);
const isPart = values.part !== "1/1";
if (jobs > 1 && !isPart) await runInParts(jobs);
else await writeTasks(taskPart(tasks, values.part));
if (!isPart) {
  const firstName = reservedWords.indexOf("name 0");
  const sizes = { vocabularySize: tokenizer.size, magnitudeBins, firstName, nameSlots, limit };
  const meta = { tasks, featureNames, ...sizes, device: device.name };
  await writeFile(join(values.out, "meta.json"), `${JSON.stringify(meta)}\n`);
}

async function writeTasks(chosen: readonly string[]): Promise<void> {
  for (const taskId of chosen) {
    const task = embeddedTask(recording, taskId, options);
    if (!task) continue;
    const { kernels, ...head } = task;
    const rows = [head, ...kernels].map((row) => `${JSON.stringify(row)}\n`);
    await writeFile(join(values.out, `${taskId}.jsonl`), rows.join(""));
    console.error(`${taskId}\t${kernels.length}`);
  }
}

function trainingVocabulary(): Vocabulary {
  const training = [...recording.tasks.values()].filter(({ split }) => split === "train");
  const sources = training.flatMap(({ task }) =>
    recording.kernels(task.taskId).map(({ kernel }) => ({ task, kernel })),
  );
  return buildVocabulary(sources, 1024);
}
