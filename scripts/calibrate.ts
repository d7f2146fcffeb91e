/**
 * `npm run calibrate [-- --members static --recording atlas --split validation --out models/ensemble-static.json]`: asks the
 * shipped forecasters named for every kernel of a split, fits how each is calibrated and how they are weighed, and writes the
 * recipe that `ensemble:NAMES` and `auto` read. To be run again whenever a member's model changes.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { KernelcastError, mainDevice, sha256Hex } from "../src/domain/index.ts";
import { FactsCache } from "../src/forecast/static/facts-cache.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { memberNames, shippedMembers, type MemberSource } from "../src/serve/open-ensemble.ts";
import { calibrateEnsemble } from "../src/train/calibrate-ensemble.ts";

const { values } = parseArgs({
  options: {
    members: { type: "string", default: "static" },
    recording: { type: "string", default: "atlas" },
    split: { type: "string", default: "validation" },
    out: { type: "string" },
  },
});

const recording = await loadRecording(values.recording);
const device = recording.deviceInfos?.get(mainDevice(recording) ?? "");
if (!device) throw new KernelcastError("recording", `${recording.name}: nothing is known of its device`);
const names = memberNames(values.members);
const facts = new FactsCache();
const members = await Promise.all(
  names.map(async (name) => {
    const { model, open } = shippedMembers[name] as MemberSource;
    return { name, modelSha256: sha256Hex(await readFile(model, "utf8")), forecaster: await open(model, facts) };
  }),
);
const taskIds = [...recording.tasks.values()].flatMap(({ task, split }) =>
  split === values.split ? [task.taskId] : [],
);
const recipe = await calibrateEnsemble(members, recording, {
  device,
  taskIds,
  split: values.split,
  onProgress: (line) => console.error(line),
});
const out = values.out ?? `models/ensemble-${names.join("+")}.json`;
await writeFile(out, `${JSON.stringify(recipe, null, 1)}\n`);
console.error(`wrote ${out}: ${recipe.fittedOn.outcomes} outcomes of ${recipe.fittedOn.tasks.length} tasks`);
