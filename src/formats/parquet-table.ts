import { readFile } from "node:fs/promises";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync } from "node:zlib";
import {
  parquetMetadata,
  parquetReadObjects,
  parquetSchema,
  rowIndex,
  type Compressors,
  type FileMetaData,
} from "hyparquet";
import { compressors as pureCompressors } from "hyparquet-compressors";
import { parquetWriteBuffer } from "hyparquet-writer";

export type Row = Readonly<Record<string, unknown>>;

export interface TableColumn {
  readonly name: string;
  /** `JSON` holds nested values as text; readers that know the logical type parse it. */
  readonly type: "STRING" | "JSON" | "INT32" | "DOUBLE";
}

/** Rows of one file with their positions in it, and the columns that the file has. */
export interface TableFile {
  readonly columns: ReadonlySet<string>;
  readonly rows: readonly Row[];
  /** Zero-based position of `rows[i]` in the file. */
  readonly positions: readonly number[];
}

/** Keeps the rows whose `column` is one of `values`; ignored by files without that column. */
export interface RowFilter {
  readonly column: string;
  readonly values: readonly string[];
}

// zlib's native decoders where Node has them, pure JavaScript for the rest (ZSTD, LZ4).
const decompressors: Compressors = withEmptyPages({
  ...pureCompressors,
  BROTLI: (input) => new Uint8Array(brotliDecompressSync(input)),
  GZIP: (input) => new Uint8Array(gunzipSync(input)),
});

/** Pages without values are compressed too, but not every decoder takes them. */
function withEmptyPages(compressors: Compressors): Compressors {
  const entries = Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, length: number) => (length === 0 ? new Uint8Array(0) : decompress(input, length)),
  ]);
  return Object.fromEntries(entries) as Compressors;
}

/** The highest quality is eleven times as slow and saves one percent more. */
const brotliQuality = 9;

function brotli(input: Uint8Array): Uint8Array {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: brotliQuality,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: input.length,
  };
  return new Uint8Array(brotliCompressSync(input, { params }));
}

/**
 * Rows as a Parquet file, Brotli-compressed: sources of one task resemble each other, and Brotli's window of 16 MiB finds
 * that where Snappy and GZIP cannot. `groupSizes` are the rows of each row group; a reader that filters by a column which
 * is constant in each group reads only the groups it needs. Columns without any value are left out.
 */
export function encodeParquet(
  rows: readonly Row[],
  columns: readonly TableColumn[],
  groupSizes: readonly number[],
): Uint8Array {
  const used = columns.filter(({ name }) => rows.some((row) => row[name] !== undefined && row[name] !== null));
  const buffer = parquetWriteBuffer({
    columnData: used.map(({ name, type }) => ({ name, type, data: rows.map((row) => row[name] ?? null) })),
    codec: "BROTLI",
    compressors: { BROTLI: brotli },
    rowGroupSize: groupSizes.length > 0 ? [...groupSizes] : 1,
    statisticsTruncateLength: Infinity,
    pageSize: 1 << 26,
    createdBy: "kernelcast",
  });
  return new Uint8Array(buffer);
}

/** Reads a Parquet file's rows; nested values come out as plain objects, arrays and numbers. See `TableRequirements` for filters. */
export async function readParquet(path: string, filters: readonly RowFilter[] = []): Promise<TableFile> {
  const bytes = await readFile(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const metadata = parquetMetadata(file);
  const columns = new Set(parquetSchema(metadata).children.map(({ element }) => element.name));
  const applicable = filters.filter(({ column }) => columns.has(column));
  const read = (filter?: RowFilter): Promise<Row[]> =>
    parquetReadObjects({
      file,
      metadata,
      compressors: decompressors,
      includeRowIndex: true,
      ...(filter ? { filter: { [filter.column]: { $in: [...filter.values] } } } : {}),
    });
  let rows = await read(applicable[0]);
  for (const filter of applicable.slice(1)) if (rows.length === 0) rows = await read(filter);
  return {
    columns,
    rows: rows.map((row) => plainValue(row) as Row),
    positions: rows.map((row) => (row as { readonly [rowIndex]?: number })[rowIndex] ?? 0),
  };
}

/** Row counts of a file's row groups, for tests of the layout. */
export function rowGroupSizes(metadata: FileMetaData): number[] {
  return metadata.row_groups.map((group) => Number(group.num_rows));
}

/** Big integers as numbers, typed arrays as arrays, members that are null or not a number left out; all else as it is. */
function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number | bigint>, Number);
  if (Array.isArray(value)) return value.map(plainValue);
  const members: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (member !== null && member !== undefined && !Number.isNaN(member)) members[name] = plainValue(member);
  }
  return members;
}
