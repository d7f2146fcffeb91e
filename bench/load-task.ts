/**
 * `npm run bench:load-task [-- --json]`: how long loading what a search of one task needs takes (milliseconds), for each
 * task of the atlas in turn.
 */
import { parseArgs } from "node:util";
import { loadRecording } from "../src/formats/load-recording.ts";

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const taskIds = [...(await loadRecording("atlas")).tasks.keys()];
const times: number[] = [];
for (const taskId of taskIds) {
  const started = performance.now();
  await loadRecording("atlas", { tasks: [taskId] });
  times.push(performance.now() - started);
}
const sorted = times.toSorted((a, b) => a - b);
const result = {
  tasks: taskIds.length,
  median_ms: Math.round(sorted[sorted.length >> 1] ?? 0),
  most_ms: Math.round(sorted.at(-1) ?? 0),
};
console.log(
  values.json
    ? JSON.stringify(result)
    : `${result.tasks} tasks: median ${result.median_ms} ms, most ${result.most_ms} ms`,
);
