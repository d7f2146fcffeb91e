import { existsSync } from "node:fs";
import { join } from "node:path";
import { canonicalJson } from "../domain/index.ts";
import { encodeParquet, type Row, type TableColumn } from "./parquet-table.ts";
import { readTable } from "./table-files.ts";

/**
 * How the measurements of a recording were made. `runs`: one row per worker run (device, environment, controls, worker's
 * hash); `receipts`: one row per measurement of a run (hashes of seeds and inputs, checks). Both are for people and for
 * audits; no command needs them.
 */
export interface RunTables {
  readonly runs: readonly Row[];
  readonly receipts: readonly Row[];
}

const receiptColumns: readonly TableColumn[] = [
  { name: "run", type: "STRING" },
  { name: "task_id", type: "STRING" },
  { name: "kernel_id", type: "STRING" },
  { name: "mode", type: "STRING" },
  { name: "seeds_sha256", type: "STRING" },
  { name: "input_sha256", type: "JSON" },
  { name: "checks", type: "JSON" },
  { name: "floor_us", type: "DOUBLE" },
  { name: "state", type: "JSON" },
  { name: "started_at", type: "STRING" },
];

/** Reads the run tables of a recording's folder; empty where it has none. */
export async function loadRunTables(folder: string): Promise<RunTables> {
  const read = async (file: string): Promise<Row[]> => {
    const path = join(folder, file);
    if (!existsSync(path)) return [];
    return (await readTable([path], { required: ["run"] })).map(({ row }) => row);
  };
  return { runs: await read("runs.jsonl"), receipts: await read("receipts.parquet") };
}

/** The union of run tables, equal rows once. */
export function mergeRunTables(tables: readonly RunTables[]): RunTables {
  return {
    runs: distinct(tables.flatMap(({ runs }) => runs)),
    receipts: distinct(tables.flatMap(({ receipts }) => receipts)),
  };
}

function distinct(rows: readonly Row[]): Row[] {
  return [...new Map(rows.map((row) => [canonicalJson(row), row])).values()];
}

/** The files of the run tables. */
export function encodeRunTables({ runs, receipts }: RunTables): { name: string; content: Uint8Array | string }[] {
  const sorted = [...receipts].sort((a, b) => compare(receiptKey(a), receiptKey(b)));
  return [
    ...(runs.length > 0
      ? [{ name: "runs.jsonl", content: runs.map((row) => `${JSON.stringify(row)}\n`).join("") }]
      : []),
    ...(sorted.length > 0
      ? [{ name: "receipts.parquet", content: encodeParquet(sorted, receiptColumns, [sorted.length]) }]
      : []),
  ];
}

function receiptKey(row: Row): string {
  return `${String(row["run"])}\n${String(row["task_id"])}\n${String(row["started_at"])}\n${String(row["kernel_id"])}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
