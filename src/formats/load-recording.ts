import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { z } from "zod";
import { KernelcastError, suggestion, type DeviceInfo, type Recording } from "../domain/index.ts";
import { toDeviceInfo, wireDeviceSchema } from "../measure/worker-messages.ts";
import { describeIssue } from "./load-task.ts";
import { makeRecording } from "./make-recording.ts";
import type { Row } from "./parquet-table.ts";
import { toRecordedKernel, toRecordedMeasurement, toTaskDraft, type TaskDraft } from "./recording-rows.ts";
import { kernelRowSchema, measurementRowSchema, requiredColumns, taskRowSchema } from "./recording-schema.ts";
import { listFolder, readTable, tableFiles, type LocatedRow } from "./table-files.ts";

export interface LoadOptions {
  /** Read these tasks only; with our own layout the rest of the files is not even decompressed. */
  readonly tasks?: readonly string[];
}

/** The folder of a recording: `atlas` is the one that the package ships, anything else a path. */
export function recordingFolder(nameOrPath: string): string {
  if (nameOrPath !== "atlas") return nameOrPath;
  return fileURLToPath(new URL("../../atlas", import.meta.url));
}

/**
 * Loads a recording by path, or the shipped one by the name `atlas`: tables as Parquet or JSON Lines. Throws
 * `KernelcastError("recording", …)`: one line that names the file, the row or column, and the fault.
 */
export async function loadRecording(nameOrPath: string, options: LoadOptions = {}): Promise<Recording> {
  const folder = recordingFolder(nameOrPath);
  const entries = await listFolder(folder);
  const files = (table: string): string[] => required(folder, tableFiles(folder, entries, table), table);
  const tasks = await loadTasks(files("tasks"), options.tasks, nameOrPath);
  const taskIds = new Set(tasks.map(({ taskId }) => taskId));
  const filter = options.tasks ? { filter: { column: "task_id", values: options.tasks } } : {};
  const kernelRows = await readTable(files("kernels"), { required: requiredColumns.kernels, ...filter });
  const kernels = kernelRows.map((located) => convert(located, kernelRowSchema, toRecordedKernel));
  const measurementRows = await readTable(files("measurements"), {
    required: requiredColumns.measurements,
    ...filter,
  });
  const ownIds = new Set(kernels.map(({ kernel }) => kernel.kernelId));
  const wanted = options.tasks
    ? measurementRows.filter(({ row }) => ownIds.has(String(row["kernel_id"])))
    : measurementRows;
  return makeRecording({
    name: nameOrPath,
    tasks,
    kernels: options.tasks ? kernels.filter(({ taskId }) => taskIds.has(taskId)) : kernels,
    measurements: wanted.map((located) => convert(located, measurementRowSchema, toRecordedMeasurement)),
    devices: await loadDevices(join(folder, "devices.jsonl")),
  });
}

function required(folder: string, files: string[], table: string): string[] {
  if (files.length > 0) return files;
  throw new KernelcastError(
    "recording",
    `${folder}: not a recording: it has no ${table}.parquet and no ${table}.jsonl`,
  );
}

async function loadTasks(
  files: readonly string[],
  wanted: readonly string[] | undefined,
  name: string,
): Promise<TaskDraft[]> {
  const rows = await readTable(files, { required: requiredColumns.tasks });
  const chosen = wanted ? rows.filter(({ row }) => wanted.includes(String(row["task_id"]))) : rows;
  const missing = wanted?.find((taskId) => !chosen.some(({ row }) => row["task_id"] === taskId));
  if (missing !== undefined) {
    const known = rows.map(({ row }) => String(row["task_id"]));
    throw new KernelcastError(
      "recording",
      `${name}: no task "${missing}" in it (it has: ${known.join(", ")})${suggestion(missing, known)}`,
    );
  }
  return chosen.map((located) => convert(located, taskRowSchema, toTaskDraft));
}

function convert<S extends z.ZodType, T>(located: LocatedRow, schema: S, build: (row: z.output<S>) => T): T {
  const parsed = schema.safeParse(located.row);
  if (!parsed.success) {
    throw new KernelcastError("recording", `${located.place}: ${rowFault(located.row, parsed.error.issues[0])}`);
  }
  try {
    return build(parsed.data);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new KernelcastError("recording", `${located.place}: ${message}`, { cause });
  }
}

function rowFault(row: Row, issue: z.core.$ZodIssue | undefined): string {
  const column = issue?.path[0];
  if (issue && issue.path.length === 1 && typeof column === "string" && (row[column] ?? null) === null) {
    return `"${column}" is missing`;
  }
  return describeIssue(issue);
}

async function loadDevices(path: string): Promise<DeviceInfo[]> {
  if (!existsSync(path)) return [];
  const rows = await readTable([path], { required: ["name"] });
  return rows.map((located) => convert(located, wireDeviceSchema, toDeviceInfo));
}
