/**
 * `npx tsx scripts/atlas-build.ts --pass1 FILE… --pass2 FILE… [--pass3 FILE…] [--out atlas] [--tasks a,b]`: expands the
 * generators, adds the worker's responses of up to three passes, and writes the recording with its splits and receipts.
 *
 * With `--from atlas`, what that recording measured of kernels that the generators still make is kept, but for the tasks of
 * `--again a,b`, which were measured anew as a whole.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { KernelcastError, type RecordedKernel } from "../src/domain/index.ts";
import { loadSplits } from "../src/formats/load-splits.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { recordingFolder } from "../src/formats/recording-folder.ts";
import { recordingContents } from "../src/formats/make-recording.ts";
import { recordingOfRuns, type EarlierMeasurements, type RunReport } from "../src/formats/recording-of-runs.ts";
import { loadRunTables } from "../src/formats/run-tables.ts";
import { writeRecording } from "../src/formats/write-recording.ts";
import { expandAtlas, type AtlasTask } from "./atlas-tasks.ts";
import { passOptions, readPassFiles } from "./pass-files.ts";

const { values, tokens } = parseArgs({
  allowPositionals: true,
  tokens: true,
  options: {
    ...passOptions,
    out: { type: "string", default: "atlas" },
    tasks: { type: "string", default: "" },
    from: { type: "string" },
    again: { type: "string", default: "" },
    splits: { type: "string", default: fileURLToPath(new URL("../atlas/splits.yaml", import.meta.url)) },
  },
});

const atlas = await expandAtlas(values.tasks.split(",").filter((name) => name !== ""));
const splits = await loadSplits(values.splits);
const kernels = atlas.flatMap(toRecordedKernels);
const earlier = values.from === undefined ? undefined : await earlierMeasurements(values.from);
const tasks = atlas.map(({ task: { seedKernel: _seedKernel, ...task } }) => ({ ...task, split: splitOf(task.family) }));
const { recording, tables, report } = recordingOfRuns({
  name: values.out,
  tasks,
  kernels,
  runs: await readPassFiles(tokens),
  ...(earlier ? { earlier } : {}),
});
await writeRecording(values.out, recording, { runs: tables });
print(report);

async function earlierMeasurements(path: string): Promise<EarlierMeasurements> {
  const again = new Set(values.again.split(","));
  const made = new Set(kernels.filter(({ taskId }) => !again.has(taskId)).map(({ kernel }) => kernel.kernelId));
  const contents = recordingContents(await loadRecording(path));
  const { runs, receipts } = await loadRunTables(recordingFolder(path));
  return {
    devices: contents.devices ?? [],
    measurements: contents.measurements.filter(({ kernelId }) => made.has(kernelId)),
    tables: { runs, receipts: receipts.filter(({ kernel_id }) => made.has(String(kernel_id))) },
  };
}

function splitOf(family: string): "train" | "validation" | "test" {
  const split = splits.get(family);
  if (!split) throw new KernelcastError("recording", `${values.splits}: family "${family}" is in no split; add it`);
  return split;
}

function toRecordedKernels({ task, kernels: generated }: AtlasTask): RecordedKernel[] {
  return generated.map(({ kernel, parentId, templateId, idea }) => ({
    kernel,
    taskId: task.taskId,
    parentId,
    idea,
    templateId,
    origin: parentId === null ? "seed" : "generator",
  }));
}

function print({ measured, unmeasured, outcomes, conflicts, strangers, refused }: RunReport): void {
  const taskOf = new Map(kernels.map(({ kernel, taskId }) => [kernel.kernelId, taskId]));
  console.log(`${atlas.length} tasks, ${kernels.length} kernels, ${measured} measured, in ${values.out}`);
  console.log(`passes: ${JSON.stringify(outcomes)}`);
  for (const { kernelId, statuses } of conflicts) {
    console.log(`conflict\t${taskOf.get(kernelId) ?? "?"}\t${kernelId}\t${statuses.join(", then ")}`);
  }
  for (const { id, code, message } of refused) console.log(`refused\t${id}\t${code}\t${message}`);
  if (strangers > 0) console.log(`${strangers} measurements are of kernels that no generator makes any more; left out`);
  for (const { kernel, taskId } of unmeasured.slice(0, 20)) console.log(`not measured\t${taskId}\t${kernel.kernelId}`);
}
