import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  bindLaunch,
  integerDefines,
  KernelcastError,
  suggestion,
  type DeviceInfo,
  type Names,
  type RecordedKernel,
  type Recording,
} from "../domain/index.ts";
import { toDeviceInfo, wireDeviceSchema } from "../measure/worker-messages.ts";
import { convert, located } from "./convert-row.ts";
import { readForecasts } from "./forecast-table.ts";
import { makeRecording } from "./make-recording.ts";
import { recordingFolder } from "./recording-folder.ts";
import { toRecordedKernel, toRecordedMeasurement, toTaskDraft, type TaskDraft } from "./recording-rows.ts";
import {
  knownColumns,
  kernelRowSchema,
  measurementRowSchema,
  requiredColumns,
  taskRowSchema,
} from "./recording-schema.ts";
import { listFolder, readTable, tableFiles } from "./table-files.ts";

export interface LoadOptions {
  /** Read these tasks only; with our own layout the rest of the files is not even decompressed. */
  readonly tasks?: readonly string[];
}

/**
 * Loads a recording by path, or the shipped one by the name `atlas`: tables as Parquet or JSON Lines. Throws
 * `KernelcastError("recording", …)`, or `"task"` for a task that it lacks: one line that names the file, the row or column, and
 * the fault.
 */
export async function loadRecording(nameOrPath: string, options: LoadOptions = {}): Promise<Recording> {
  const folder = recordingFolder(nameOrPath);
  const entries = await listFolder(folder);
  const files = (table: string): string[] => required(folder, tableFiles(folder, entries, table), table);
  const places = new WeakMap<object, string>();
  const { tasks, otherWorkload } = await loadTasks(files("tasks"), options.tasks, nameOrPath, places);
  const ofTasks = options.tasks && { column: "task_id", values: options.tasks };
  const kernelRows = await readTable(files("kernels"), {
    required: requiredColumns.kernels,
    columns: knownColumns.kernels,
    filters: ofTasks ? [ofTasks] : [],
  });
  const sizes = new Map(tasks.map(({ taskId, workload }) => [taskId, workload.sizes]));
  const kernels = kernelRows
    .map(({ row, place }) => convert({ row, place }, kernelRowSchema, (parsed) => ({ parsed, place })))
    .filter(({ parsed }) => !otherWorkload(parsed.task_id, parsed.workload_id))
    .map(({ parsed, place }) => at(place, places, () => resolved(toRecordedKernel(parsed), sizes)));
  const owners = new Map(kernels.map(({ kernel, taskId }) => [kernel.kernelId, taskId]));
  const measurementRows = await readTable(files("measurements"), {
    required: requiredColumns.measurements,
    columns: knownColumns.measurements,
    filters: ofTasks ? [ofTasks, { column: "kernel_id", values: [...owners.keys()] }] : [],
  });
  const measurements = measurementRows
    .filter(({ row }) => !options.tasks || owners.has(String(row["kernel_id"])))
    .map(({ row, place }) => convert({ row, place }, measurementRowSchema, (parsed) => ({ parsed, place })))
    .filter(({ parsed }) => !otherWorkload(owners.get(parsed.kernel_id) ?? "", parsed.workload_id))
    .map(({ parsed, place }) => at(place, places, () => toRecordedMeasurement(parsed)));
  const devices = await loadDevices(join(folder, "devices.jsonl"));
  const forecasts = await readForecasts(
    tableFiles(folder, entries, "forecasts"),
    options.tasks ? [{ column: "kernel_id", values: [...owners.keys()] }] : [],
  );
  return makeRecording({ name: nameOrPath, tasks, kernels, measurements, devices, forecasts, places });
}

/** Builds a value of a row and remembers where that stands. */
function at<T extends object>(place: string, places: WeakMap<object, string>, build: () => T): T {
  const value = located(place, build);
  places.set(value, place);
  return value;
}

/** Launches as numbers, so that what cannot be evaluated is found here, where the row is known. */
function resolved(recorded: RecordedKernel, sizes: ReadonlyMap<string, Names>): RecordedKernel {
  const { kernel } = recorded;
  const ofTask = sizes.get(recorded.taskId);
  if (!ofTask) return recorded;
  const names = { ...integerDefines(kernel.compileOptions), ...ofTask };
  const launches = located("launches", () => kernel.launches.map((launch) => bindLaunch(launch, names)));
  return { ...recorded, kernel: { ...kernel, launches } };
}

function required(folder: string, files: string[], table: string): string[] {
  if (files.length > 0) return files;
  throw new KernelcastError(
    "recording",
    `${folder}: not a recording: it has no ${table}.parquet and no ${table}.jsonl`,
  );
}

interface LoadedTasks {
  readonly tasks: readonly TaskDraft[];
  /** Whether a row is of a workload that is not the task's first. */
  readonly otherWorkload: (taskId: string, workloadId: string | null | undefined) => boolean;
}

/** A task may be there once for each of its workloads: the first is timed, rows of the others are left out. */
async function loadTasks(
  files: readonly string[],
  wanted: readonly string[] | undefined,
  name: string,
  places: WeakMap<object, string>,
): Promise<LoadedTasks> {
  const rows = await readTable(files, { required: requiredColumns.tasks });
  const chosen = wanted ? rows.filter(({ row }) => wanted.includes(String(row["task_id"]))) : rows;
  const missing = wanted?.find((taskId) => !chosen.some(({ row }) => row["task_id"] === taskId));
  if (missing !== undefined) {
    const known = rows.map(({ row }) => String(row["task_id"]));
    throw new KernelcastError(
      "task",
      `${name}: no task "${missing}" in it (it has: ${known.join(", ") || "none"})${suggestion(missing, known)}`,
    );
  }
  const first = new Map<string, string>();
  const severalWorkloads = new Set<string>();
  const tasks = chosen.flatMap(({ row, place }): TaskDraft[] => {
    const parsed = convert({ row, place }, taskRowSchema, (task) => task);
    const { task_id: taskId, workload_id: workloadId } = parsed;
    const earlier = first.get(taskId);
    if (workloadId != null && earlier !== undefined && earlier !== workloadId) {
      severalWorkloads.add(taskId);
      return [];
    }
    if (workloadId != null) first.set(taskId, workloadId);
    return [at(place, places, () => toTaskDraft(parsed))];
  });
  const otherWorkload: LoadedTasks["otherWorkload"] = (taskId, workloadId) =>
    workloadId != null && severalWorkloads.has(taskId) && first.get(taskId) !== workloadId;
  return { tasks, otherWorkload };
}

async function loadDevices(path: string): Promise<DeviceInfo[]> {
  if (!existsSync(path)) return [];
  const rows = await readTable([path], { required: ["name"] });
  return rows.map((row) => convert(row, wireDeviceSchema, toDeviceInfo));
}
