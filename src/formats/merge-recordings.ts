import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { canonicalJson, KernelcastError, type RecordedKernel, type Recording } from "../domain/index.ts";
import { addUpMeasurements, type AddedMeasurements } from "./combine-measurements.ts";
import { loadRecording } from "./load-recording.ts";
import { makeRecording, recordingContents } from "./make-recording.ts";
import { recordingFolder } from "./recording-folder.ts";
import { fromKernel, fromTask, type TaskDraft } from "./recording-rows.ts";
import { loadRunTables, mergeRunTables } from "./run-tables.ts";
import { listFolder, tableFiles } from "./table-files.ts";
import { writeRecording, type WriteOptions } from "./write-recording.ts";

/** What adding recordings up found, beside the sum. */
export interface MergeReport extends Pick<AddedMeasurements, "outcomes" | "conflicts"> {
  readonly tasks: number;
  readonly kernels: number;
  readonly measurements: number;
}

export interface MergedRecordings {
  readonly recording: Recording;
  readonly report: MergeReport;
}

/**
 * The union of recordings. Tasks and kernels of one id must be the same in everything that says what is computed, else
 * `KernelcastError("recording", …)`; of a kernel's ideas, parents and a task's wording the first stands. Measurements of one
 * kernel on one device add up (`addUpMeasurements`). Merging a recording with itself changes nothing; the order of
 * recordings decides which passes are the first and second, never which verdict stands.
 */
export function mergeRecordings(recordings: readonly Recording[], name: string): MergedRecordings {
  const contents = recordings.map(recordingContents);
  const tasks = union(
    contents.map((content) => content.tasks),
    ({ taskId }) => taskId,
    sameTask,
  );
  const workloads = new Map(tasks.map(({ taskId, workload }) => [taskId, workload]));
  const identity = (kernel: RecordedKernel): unknown => {
    const { task_id, source, launches, compile_options } = fromKernel(
      kernel,
      workloads.get(kernel.taskId) ?? { sizes: {}, args: [], flops: 0, bytesMin: 0 },
    );
    return { task_id, source, launches, compile_options };
  };
  const kernels = union(
    contents.map((content) => content.kernels),
    ({ kernel }) => kernel.kernelId,
    (first, second, id) => requireEqual(identity(first), identity(second), `kernel ${id}`),
  );
  const { measurements, ...found } = addUpMeasurements(contents.flatMap((content) => content.measurements));
  const devices = union(
    contents.map((content) => content.devices ?? []),
    (device) => device.name,
    () => undefined,
  );
  const forecasts = distinct(contents.flatMap((content) => content.forecasts ?? []));
  const recording = makeRecording({ name, tasks, kernels, measurements, devices, forecasts });
  const counts = { tasks: tasks.length, kernels: kernels.length, measurements: measurements.length };
  return { recording, report: { ...counts, ...found } };
}

function union<T>(
  lists: readonly (readonly T[])[],
  key: (item: T) => string,
  check: (first: T, second: T, key: string) => void,
): T[] {
  const items = new Map<string, T>();
  for (const item of lists.flat()) {
    const id = key(item);
    const earlier = items.get(id);
    if (earlier === undefined) items.set(id, item);
    else check(earlier, item, id);
  }
  return [...items.values()];
}

function distinct<T>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [canonicalJson(item), item])).values()];
}

function sameTask(first: TaskDraft, second: TaskDraft, id: string): void {
  const identity = (draft: TaskDraft): unknown => {
    const row = fromTask({
      task: { ...draft, seedKernel: { kernelId: "", source: "", launches: [], compileOptions: [] } },
    });
    const { title: _title, description: _description, tunables: _tunables, ...rest } = row;
    return rest;
  };
  requireEqual(identity(first), identity(second), `task ${id}`);
}

function requireEqual(first: unknown, second: unknown, what: string): void {
  const differing = differingMember(first as Record<string, unknown>, second as Record<string, unknown>);
  if (differing === undefined) return;
  throw new KernelcastError(
    "recording",
    `${what} is not the same in the recordings: they differ in ${differing}; give one of them another id`,
  );
}

function differingMember(first: Record<string, unknown>, second: Record<string, unknown>): string | undefined {
  const names = [...new Set([...Object.keys(first), ...Object.keys(second)])];
  return names.find((name) => canonicalJson(first[name] ?? null) !== canonicalJson(second[name] ?? null));
}

/** Throws when the folder holds a table in another form, which would then be there twice. */
export async function requireRoomFor(out: string, format: NonNullable<WriteOptions["format"]>): Promise<void> {
  if (!existsSync(out)) return;
  const entries = await listFolder(out);
  for (const table of ["tasks", "kernels", "measurements", "forecasts"]) {
    const other = tableFiles(out, entries, table).find((path) => path !== join(out, `${table}.${format}`));
    if (other === undefined) continue;
    const message = `${out}: holds ${basename(other)}, which would stand beside the new ${table}.${format}`;
    throw new KernelcastError("usage", `${message}; choose an empty folder`);
  }
}

/** Loads recordings, adds them up with their receipts, and writes the sum into a folder. */
export async function mergeRecordingFolders(
  paths: readonly string[],
  out: string,
  options: Omit<WriteOptions, "runs"> = {},
): Promise<MergeReport> {
  if (paths.length === 0) throw new KernelcastError("usage", "nothing to merge: name at least one recording");
  await requireRoomFor(out, options.format ?? "parquet");
  const recordings: Recording[] = [];
  for (const path of paths) recordings.push(await loadRecording(path));
  const runs = mergeRunTables(await Promise.all(paths.map((path) => loadRunTables(recordingFolder(path)))));
  const { recording, report } = mergeRecordings(recordings, out);
  await writeRecording(out, recording, { ...options, runs });
  return report;
}
