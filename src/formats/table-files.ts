import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { fileFault, KernelcastError } from "../domain/index.ts";
import { readParquet, type ParquetSelection, type Row, type RowFilter, type TableFile } from "./parquet-table.ts";

/** A row with where it stands, for messages: `kernels.jsonl:17`. */
export interface LocatedRow {
  readonly row: Row;
  readonly place: string;
}

/**
 * The files of one table in a folder: `NAME.parquet`, `NAME.jsonl` or `NAME.jsonl.gz`, or parts as `NAME-*` or `NAME/*` with
 * these endings, in order of name. Throws when parts and a whole, or two formats, exist beside each other.
 */
export function tableFiles(folder: string, entries: readonly string[], name: string): string[] {
  const suffix = /\.(parquet|jsonl|jsonl\.gz)$/;
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

export interface TableRequirements extends ParquetSelection {
  /** Columns that must be in each file. */
  readonly required: readonly string[];
}

/** All rows of a table's files. Throws one line that names the file and the fault. */
export async function readTable(files: readonly string[], requirements: TableRequirements): Promise<LocatedRow[]> {
  const found: LocatedRow[] = [];
  for (const path of files) {
    const isParquet = path.endsWith(".parquet");
    const table = isParquet
      ? await readParquetFile(path, requirements)
      : await readJsonLines(path, requirements.filters?.at(-1));
    requireColumns(path, table, requirements.required);
    table.rows.forEach((row, index) => {
      const position = (table.positions[index] ?? index) + 1;
      found.push({ row, place: `${path}${isParquet ? " row " : ":"}${position}` });
    });
  }
  return found;
}

function requireColumns(path: string, table: TableFile, required: readonly string[]): void {
  if (table.rows.length === 0) return;
  const missing = required.find((column) => !table.columns.has(column));
  if (missing === undefined) return;
  const present = [...table.columns].join(", ");
  throw new KernelcastError("recording", `${path}: required column "${missing}" is missing (it has: ${present})`);
}

async function readParquetFile(path: string, selection: ParquetSelection): Promise<TableFile> {
  try {
    return await readParquet(path, selection);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new KernelcastError("recording", `${path}: cannot be read as Parquet: ${message}`, { cause });
  }
}

async function readJsonLines(path: string, filter: RowFilter | undefined): Promise<TableFile> {
  const bytes = await readBytes(path);
  const skip = filter ? skipOf(bytes, filter) : () => false;
  const wanted = filter && new Set<unknown>(filter.values);
  const rows: Row[] = [];
  const positions: number[] = [];
  const columns = new Set<string>();
  for (const { index, start, end } of linesOf(bytes)) {
    const line = columns.size > 0 && skip(start, end) ? "" : bytes.toString("utf8", start, end);
    if (line.trim() === "") continue;
    const row = parseLine(line, `${path}:${index + 1}`);
    for (const column of Object.keys(row)) columns.add(column);
    if (filter && filter.column in row && !wanted?.has(row[filter.column])) continue;
    rows.push(row);
    positions.push(index);
  }
  return { columns, rows, positions };
}

function* linesOf(bytes: Buffer): Generator<{ readonly index: number; readonly start: number; readonly end: number }> {
  let start = 0;
  for (let index = 0; start < bytes.length; index++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    yield { index, start, end };
    start = end + 1;
  }
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    const stored = await readFile(path);
    const bytes = path.endsWith(".gz") ? gunzipSync(stored) : stored;
    const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    return hasMark ? bytes.subarray(3) : bytes;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new KernelcastError("recording", `${path}: cannot be read: ${message}`, { cause });
  }
}

/**
 * Tells lines that a filter will drop, without decoding or parsing them, which takes most of the time: each member of the
 * column's name in the line, nested ones too, has a value that is plain text and not wanted.
 */
function skipOf(bytes: Buffer, { column, values }: RowFilter): (start: number, end: number) => boolean {
  const wanted = new Set(values);
  const key = Buffer.from(`"${column}"`);
  let next = bytes.indexOf(key);
  return (start, end) => {
    let seen = false;
    while (next >= 0 && next < start) next = bytes.indexOf(key, next + key.length);
    for (; next >= 0 && next < end; next = bytes.indexOf(key, next + key.length)) {
      const value = plainText(bytes, next + key.length, end);
      if (value === undefined || wanted.has(value)) return false;
      seen = true;
    }
    return seen;
  };
}

/** The text behind `:`, when it is text without escapes. */
function plainText(bytes: Buffer, from: number, end: number): string | undefined {
  const open = bytes.indexOf(0x22, from);
  if (open < 0 || open >= end || bytes.toString("latin1", from, open).trim() !== ":") return undefined;
  const close = bytes.indexOf(0x22, open + 1);
  const value = close < 0 || close >= end ? "\\" : bytes.toString("utf8", open + 1, close);
  return value.includes("\\") ? undefined : value;
}

/** Parses one line of JSON Lines that must hold an object; `place` is for the message. */
export function parseLine(line: string, place: string): Row {
  let value: unknown;
  try {
    value = parseJson(line);
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

/** Python writes NaN and infinities as words that JSON does not know; they say that there is no value. */
export function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    const plain = line.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (part) =>
      part.startsWith('"') ? part : "null",
    );
    if (plain === line) throw cause;
    return JSON.parse(plain);
  }
}
