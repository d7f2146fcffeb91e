import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileFault, KernelcastError } from "../domain/index.ts";
import { readParquet, type Row, type RowFilter, type TableFile } from "./parquet-table.ts";

/** A row with where it stands, for messages: `kernels.jsonl:17`. */
export interface LocatedRow {
  readonly row: Row;
  readonly place: string;
}

/**
 * The files of one table in a folder: `NAME.parquet` or `NAME.jsonl`, or parts as `NAME-*.parquet|jsonl` or
 * `NAME/*.parquet|jsonl`, in order of name. Throws when parts and a whole, or two formats, exist beside each other.
 */
export function tableFiles(folder: string, entries: readonly string[], name: string): string[] {
  const suffix = /\.(parquet|jsonl)$/;
  const stem = (entry: string): string => entry.replace(suffix, "");
  const files = entries.filter((entry) => suffix.test(entry));
  const whole = files.filter((entry) => stem(entry) === name);
  const parts = files.filter((entry) => entry.startsWith(`${name}-`) || entry.startsWith(`${name}/`));
  if (whole.length > 1 || (whole.length > 0 && parts.length > 0)) {
    const rest = [...whole, ...parts].slice(0, 3).join(", ");
    throw new KernelcastError("recording", `${folder}: the table ${name} is there more than once (${rest}); keep one`);
  }
  return [...whole, ...parts].sort().map((entry) => join(folder, entry));
}

/** Names of the files in a folder and in its direct sub-folders, with `/` between. Throws when it is not a folder. */
export async function listFolder(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const nested = await Promise.all(
      entries
        .filter((entry) => entry.isDirectory())
        .map(async ({ name }) => (await readdir(join(folder, name))).map((file) => `${name}/${file}`)),
    );
    return [...entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name), ...nested.flat()];
  } catch (cause) {
    const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
    const what = code === "ENOENT" ? "no such folder" : code === "ENOTDIR" ? "it is a file" : fileFault(cause);
    throw new KernelcastError(
      "recording",
      `${folder}: ${what}; a recording is a folder with tasks, kernels and measurements`,
      {
        cause,
      },
    );
  }
}

export interface TableRequirements {
  /** Columns that must be in each file. */
  readonly required: readonly string[];
  readonly filter?: RowFilter;
}

/** All rows of a table's files. Throws one line that names the file and the fault. */
export async function readTable(files: readonly string[], requirements: TableRequirements): Promise<LocatedRow[]> {
  const located: LocatedRow[] = [];
  for (const path of files) {
    const jsonl = path.endsWith(".jsonl");
    const table = jsonl ? await readJsonLines(path) : await readParquetFile(path, requirements.filter);
    requireColumns(path, table, requirements.required);
    const { filter } = requirements;
    const wanted = jsonl && filter && table.columns.has(filter.column) ? new Set<unknown>(filter.values) : undefined;
    table.rows.forEach((row, index) => {
      if (wanted && filter && !wanted.has(row[filter.column])) return;
      const position = (table.positions[index] ?? index) + 1;
      located.push({ row, place: `${path}${jsonl ? ":" : " row "}${position}` });
    });
  }
  return located;
}

function requireColumns(path: string, table: TableFile, required: readonly string[]): void {
  if (table.rows.length === 0) return;
  const missing = required.find((column) => !table.columns.has(column));
  if (missing === undefined) return;
  const present = [...table.columns].join(", ");
  throw new KernelcastError("recording", `${path}: required column "${missing}" is missing (it has: ${present})`);
}

async function readParquetFile(path: string, filter: RowFilter | undefined): Promise<TableFile> {
  try {
    return await readParquet(path, filter);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new KernelcastError("recording", `${path}: cannot be read as Parquet: ${message}`, { cause });
  }
}

async function readJsonLines(path: string): Promise<TableFile> {
  const lines = (await readFile(path, "utf8")).split("\n");
  const rows: Row[] = [];
  const positions: number[] = [];
  const columns = new Set<string>();
  lines.forEach((line, index) => {
    if (line.trim() === "") return;
    const row = parseLine(line, `${path}:${index + 1}`);
    for (const column of Object.keys(row)) columns.add(column);
    rows.push(row);
    positions.push(index);
  });
  return { columns, rows, positions };
}

/** Parses one line of JSON Lines that must hold an object; `place` is for the message. */
export function parseLine(line: string, place: string): Row {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new KernelcastError("recording", `${place}: not JSON: ${cause instanceof Error ? cause.message : ""}`, {
      cause,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new KernelcastError("recording", `${place}: not a JSON object`);
  }
  return value as Row;
}
