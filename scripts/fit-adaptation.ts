/**
 * `npm run fit:adaptation [-- --out models/adapt-v1.json --draws 2 --show]`: fits how `adapt` tells kernels alike and which of its
 * settings it prefers, on validation, for the forecaster `static`. To be run again whenever that model or its features change. With
 * `--show` it also prints what learning gains: scores with and without after 0 to 32 measured kernels, every family by priors that were
 * fitted without it.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { KernelcastError, mainDevice, sha256Hex } from "../src/domain/index.ts";
import { parseAdaptModel, type AdaptModel } from "../src/forecast/adapt/adapt-model.ts";
import { adapted } from "../src/forecast/adapt/adapted-forecaster.ts";
import { FactsCache } from "../src/forecast/static/facts-cache.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { openForecaster } from "../src/serve/open-forecaster.ts";
import { packagePath } from "../src/serve/package-paths.ts";
import { drawSituations } from "../src/train/adaptation-draws.ts";
import { learningTable, scoreSituations, type LearningScore } from "../src/train/adaptation-scores.ts";
import { featureScales, priorSettings, scoreSettings, type SettingScores } from "../src/train/fit-adaptation.ts";

const { values } = parseArgs({
  options: {
    recording: { type: "string", default: "atlas" },
    split: { type: "string", default: "validation" },
    out: { type: "string", default: "models/adapt-v1.json" },
    draws: { type: "string", default: "2" },
    show: { type: "boolean", default: false },
    /** Besides the learning forecaster and its own: others to show, for instance `auto`. */
    beside: { type: "string", default: "" },
  },
});

if (values.split === "test") throw new KernelcastError("usage", "--split test: nothing is fitted to the test split");
const recording = await loadRecording(values.recording);
const device = recording.deviceInfos?.get(mainDevice(recording) ?? "");
if (!device) throw new KernelcastError("recording", `${recording.name}: nothing is known of its device`);
const facts = new FactsCache();
const forecaster = await openForecaster("static", { facts });
const taskIds = [...recording.tasks.values()].flatMap(({ task, split }) =>
  split === values.split ? [task.taskId] : [],
);
const draws = Number(values.draws);
const perTask = [];
for (const taskId of taskIds) {
  console.error(`drawing kernels of ${taskId}`);
  perTask.push(await drawSituations(recording, { device, taskId, draws, ranking: forecaster }));
}
const situations = perTask.flat();
const scales = featureScales(situations, facts);
const scores: SettingScores[] = [];
for (const [index, own] of perTask.entries()) {
  console.error(`scoring settings on ${taskIds[index]}`);
  scores.push(...(await scoreSettings(forecaster, own, { scales, facts })));
}
const file = "static-v1.json";
const fittedOn = {
  recording: recording.name,
  split: values.split,
  device: device.name,
  forecaster: { file, sha256: sha256Hex(await readFile(packagePath(`models/${file}`), "utf8")) },
  tasks: taskIds,
};
const modelOf = (chosen: typeof scores): AdaptModel => ({
  format: "kernelcast-adapt-1",
  scales,
  settings: priorSettings(chosen),
  fittedOn,
});
const text = `${JSON.stringify(modelOf(scores), null, 1)}\n`;
parseAdaptModel(text, values.out);
await writeFile(values.out, text);
console.error(`wrote ${values.out}: ${scores.length} situations of ${taskIds.length} tasks`);

if (values.show) {
  const others = values.beside === "" ? [] : values.beside.split(",");
  const beside = await Promise.all(others.map((name) => openForecaster(name, { facts })));
  const shown: LearningScore[] = [];
  for (const [index, own] of perTask.entries()) {
    console.error(`judging on ${taskIds[index]}`);
    const model = modelOf(scores.filter(({ family }) => family !== own[0]?.family));
    const arms = [forecaster, adapted(forecaster, { model, facts }), ...beside];
    for (const arm of arms) shown.push(...(await scoreSituations(arm, own)));
  }
  console.log(learningTable(shown));
}
