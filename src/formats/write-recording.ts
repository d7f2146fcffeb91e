import { toWireDevice, type Recording } from "../domain/index.ts";
import { fromRecordedForecast } from "./forecast-table.ts";
import { encodeParquet, type Row, type TableColumn } from "./parquet-table.ts";
import { fromKernel, fromMeasurement, fromTask } from "./recording-rows.ts";
import { writtenColumns } from "./recording-schema.ts";
import type { RunTables } from "./run-tables.ts";
import { encodeRunTables } from "./run-tables.ts";
import { writeFiles, type EncodedFile } from "./write-files.ts";

export interface WriteOptions {
  /** Parquet by default; JSON Lines for small recordings that people read and edit. */
  readonly format?: "parquet" | "jsonl";
  /** Tables about how the measurements were made. */
  readonly runs?: RunTables;
}

interface Group {
  readonly rows: readonly Row[];
}

/**
 * Writes a recording into a folder, which is made if need be; files are replaced whole. Kernels and measurements are
 * grouped by task, a row group each, so that one task can be read without the rest.
 */
export async function writeRecording(folder: string, recording: Recording, options: WriteOptions = {}): Promise<void> {
  const files = [
    ...encodeTable("tasks", [{ rows: [...recording.tasks.values()].map(fromTask) }], options),
    ...encodeTable("kernels", kernelGroups(recording), options),
    ...encodeTable("measurements", measurementGroups(recording), options),
    ...forecastFiles(recording, options),
    ...(options.runs ? encodeRunTables(options.runs) : []),
  ];
  const devices = [...(recording.deviceInfos?.values() ?? [])].map(toWireDevice);
  if (devices.length > 0) files.push({ name: "devices.jsonl", content: jsonLines(devices) });
  await writeFiles(folder, files);
}

function encodeTable(
  name: keyof typeof writtenColumns,
  groups: readonly Group[],
  options: WriteOptions,
): EncodedFile[] {
  const rows = groups.flatMap((group) => group.rows);
  if (options.format === "jsonl") return [{ name: `${name}.jsonl`, content: jsonLines(rows) }];
  const columns: readonly TableColumn[] = writtenColumns[name];
  const sizes = groups.map((group) => group.rows.length).filter((size) => size > 0);
  return [{ name: `${name}.parquet`, content: encodeParquet(rows, columns, sizes) }];
}

function forecastFiles({ forecasts = [] }: Recording, options: WriteOptions): EncodedFile[] {
  if (forecasts.length === 0) return [];
  return encodeTable("forecasts", [{ rows: forecasts.map(fromRecordedForecast) }], options);
}

function jsonLines(rows: readonly unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

function kernelGroups(recording: Recording): Group[] {
  return [...recording.tasks.values()].map(({ task }) => ({
    rows: recording.kernels(task.taskId).map((kernel) => fromKernel(kernel, task.workload)),
  }));
}

function measurementGroups(recording: Recording): Group[] {
  return [...recording.tasks.keys()].map((taskId) => ({
    rows: recording.devices.flatMap((device) =>
      [...recording.measurements(taskId, device).values()].map((measurement) => fromMeasurement(measurement, taskId)),
    ),
  }));
}
