/**
 * `npm run fit:baselines`: fits the baselines' constants to the atlas's training split, and writes
 * src/forecast/baseline/fitted.ts.
 */
import { writeFileSync } from "node:fs";
import { KernelcastError, mainDevice } from "../src/domain/index.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { fitBaselines } from "../src/train/fit-baselines.ts";

const recording = await loadRecording("atlas");
const device = recording.deviceInfos?.get(mainDevice(recording) ?? "");
if (!device) throw new KernelcastError("recording", "atlas: nothing is known of its device");
const taskIds = [...recording.tasks.values()].filter(({ split }) => split === "train").map(({ task }) => task.taskId);
const fitted = fitBaselines(recording, { device, taskIds });
const file = new URL("../src/forecast/baseline/fitted.ts", import.meta.url);
writeFileSync(
  file,
  `/** Constants of the baselines, in log2 units. Written by \`npm run fit:baselines\`; do not edit. */\nexport const fittedBaselines = ${JSON.stringify(fitted)} as const;\n`,
);
console.log(JSON.stringify(fitted));
