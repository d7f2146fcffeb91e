import { existsSync } from "node:fs";
import { KernelcastError, type Recording } from "../domain/index.ts";
import { loadRecording } from "./load-recording.ts";
import { recordingFolder } from "./recording-folder.ts";
import { mergeRecordings, requireRoomFor, type MergeReport } from "./merge-recordings.ts";
import { loadRunTables, mergeRunTables, type RunTables } from "./run-tables.ts";
import { listFolder, tableFiles } from "./table-files.ts";
import { writeRecording, type WriteOptions } from "./write-recording.ts";

/** Where a recording that is added to comes from and goes to. */
export interface AdditionTarget {
  /** The recording that there is; undefined for a new one. */
  readonly base: string | undefined;
  readonly folder: string;
  readonly format: NonNullable<WriteOptions["format"]>;
}

export interface TargetChoice {
  /** A recording, or a folder that is to become one. */
  readonly recording: string;
  readonly out?: string | undefined;
  /** Whether the recording's own files may be replaced. */
  readonly inPlace: boolean;
}

/** Decides what is read and what is written. Throws `KernelcastError("usage", …)` before a recording would be overwritten. */
export async function additionTarget({ recording, out, inPlace }: TargetChoice): Promise<AdditionTarget> {
  const exists = await holdsRecording(recordingFolder(recording));
  const base = exists ? recording : undefined;
  if (out !== undefined && inPlace) throw new KernelcastError("usage", "--out and --in-place exclude each other");
  const folder = recordingFolder(out ?? recording);
  if (out === undefined && exists) {
    if (!inPlace) {
      throw new KernelcastError(
        "usage",
        `${recording} is a recording already: --out FOLDER writes the sum elsewhere, --in-place replaces its tables`,
      );
    }
    return { base, folder, format: await ownFormat(folder) };
  }
  if (out !== undefined && (await holdsRecording(folder))) {
    throw new KernelcastError("usage", `--out ${out}: it holds a recording already; choose another folder`);
  }
  await requireRoomFor(folder, "parquet");
  return { base, folder, format: "parquet" };
}

/** Whether a folder holds the tables of a recording. */
export async function holdsRecording(folder: string): Promise<boolean> {
  return existsSync(folder) && tableFiles(folder, await listFolder(folder), "tasks").length > 0;
}

/** The one form in which a recording's tables can be replaced: each a whole file, all as Parquet or all as JSON Lines. */
async function ownFormat(folder: string): Promise<AdditionTarget["format"]> {
  const entries = await listFolder(folder);
  const optional = tableFiles(folder, entries, "forecasts").length > 0 ? ["forecasts"] : [];
  const tables = ["tasks", "kernels", "measurements", ...optional];
  const whole = (format: string): boolean => tables.every((table) => entries.includes(`${table}.${format}`));
  if (whole("parquet")) return "parquet";
  if (whole("jsonl")) return "jsonl";
  throw new KernelcastError(
    "usage",
    `${folder}: its tables come in parts or in several forms, so they cannot be replaced; write the sum with --out`,
  );
}

/** Adds a recording with its receipts to the target's, and writes the sum. */
export async function addToRecording(
  { base, folder, format }: AdditionTarget,
  addition: Recording,
  tables: RunTables,
  loaded?: Recording,
): Promise<{ readonly recording: Recording; readonly report: MergeReport }> {
  const before = base === undefined ? [] : [loaded ?? (await loadRecording(base))];
  const earlier = base === undefined ? [] : [await loadRunTables(recordingFolder(base))];
  const { recording, report } = mergeRecordings([...before, addition], folder);
  await writeRecording(folder, recording, { format, runs: mergeRunTables([...earlier, tables]) });
  return { recording, report };
}
