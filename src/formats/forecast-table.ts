/** The table `forecasts` of a recording, by itself or in its folder. */
import { existsSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { gzipSync } from "node:zlib";
import {
  canonicalJson,
  fromQuantiles,
  KernelcastError,
  toQuantilesUs,
  type RecordedForecast,
} from "../domain/index.ts";
import { convert } from "./convert-row.ts";
import { encodeParquet, type Row, type RowFilter } from "./parquet-table.ts";
import { recordingFolder } from "./recording-folder.ts";
import {
  forecastRowSchema,
  knownColumns,
  requiredColumns,
  writtenColumns,
  type ForecastRow,
} from "./recording-schema.ts";
import { listFolder, readTable, tableFiles } from "./table-files.ts";
import { writeFiles } from "./write-files.ts";

const fileSuffix = /\.(parquet|jsonl|jsonl\.gz)$/;

/** Reads the forecasts of table files. */
export async function readForecasts(
  files: readonly string[],
  filters: readonly RowFilter[] = [],
): Promise<RecordedForecast[]> {
  const { forecasts: columns } = knownColumns;
  const rows = await readTable(files, { required: requiredColumns.forecasts, columns, filters });
  return rows.map((row) => convert(row, forecastRowSchema, toRecordedForecast));
}

/**
 * Loads forecasts from a table file, or from a folder that holds the table `forecasts`. Throws
 * `KernelcastError("recording", …)` with one line.
 */
export async function loadForecasts(path: string): Promise<RecordedForecast[]> {
  const folder = recordingFolder(path);
  const found = statSync(folder, { throwIfNoEntry: false });
  if (!found) throw new KernelcastError("recording", `${path}: no such file or folder; give a table of forecasts`);
  if (found.isFile()) {
    if (fileSuffix.test(folder)) return readForecasts([folder]);
    throw new KernelcastError("recording", `${path}: a table of forecasts ends in .parquet, .jsonl or .jsonl.gz`);
  }
  const files = tableFiles(folder, await listFolder(folder), "forecasts");
  if (files.length > 0) return readForecasts(files);
  throw new KernelcastError(
    "recording",
    `${path}: it holds no forecasts.parquet and no forecasts.jsonl; kernelcast forecast --save makes one`,
  );
}

function toRecordedForecast(row: ForecastRow): RecordedForecast {
  return {
    forecaster: row.forecaster,
    forecast: { kernelId: row.kernel_id, pOk: row.p_ok, ...fromQuantiles(row.runtime_us) },
    anchorIds: row.anchor_ids ?? [],
    ...(row.device != null ? { device: row.device } : {}),
    ...(row.tokens != null ? { tokens: row.tokens } : {}),
    ...(row.usd != null ? { usd: row.usd } : {}),
    ...(row.prompt_sha256 != null ? { promptSha256: row.prompt_sha256 } : {}),
  };
}

/** The row of a forecast; numbers keep seven digits. */
export function fromRecordedForecast(recorded: RecordedForecast): Row {
  const { forecaster, forecast, anchorIds, device, tokens, usd, promptSha256 } = recorded;
  const { p10, p50, p90 } = toQuantilesUs(forecast);
  return {
    forecaster,
    kernel_id: forecast.kernelId,
    anchor_ids: anchorIds,
    device,
    p_ok: rounded(forecast.pOk),
    runtime_us: { p10: rounded(p10), p50: rounded(p50), p90: rounded(p90) },
    tokens,
    usd,
    prompt_sha256: promptSha256,
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(7));
}

/** Throws `KernelcastError("usage", …)` for a file that forecasts cannot be saved in. */
export function requireForecastFile(path: string): void {
  if (fileSuffix.test(path)) return;
  throw new KernelcastError("usage", `--save ${path}: give a file that ends in .jsonl, .jsonl.gz or .parquet`);
}

/**
 * Saves forecasts in a file, beside those that it holds: of one forecaster, device, kernel and set of anchors the new one
 * stands. Gives how many the file then holds.
 */
export async function saveForecasts(path: string, forecasts: readonly RecordedForecast[]): Promise<number> {
  requireForecastFile(path);
  const before = existsSync(path) ? await readForecasts([path]) : [];
  const kept = new Map([...before, ...forecasts].map((one) => [keyOf(one), one]));
  const rows = [...kept.values()].map(fromRecordedForecast);
  await writeFiles(dirname(path), [{ name: basename(path), content: encode(path, rows) }]);
  return rows.length;
}

function keyOf({ forecaster, device, forecast, anchorIds }: RecordedForecast): string {
  return canonicalJson([forecaster, device ?? null, forecast.kernelId, [...anchorIds].sort()]);
}

function encode(path: string, rows: readonly Row[]): Uint8Array | string {
  if (path.endsWith(".parquet")) return encodeParquet(rows, writtenColumns.forecasts, [rows.length]);
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  return path.endsWith(".gz") ? new Uint8Array(gzipSync(lines)) : lines;
}
