import { readFile } from "node:fs/promises";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync } from "node:zlib";
import {
  parquetMetadata,
  parquetRead,
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

export interface ParquetSelection {
  /** Columns to read, where the file has them; all by default. */
  readonly columns?: readonly string[];
  /** Ways to say which rows are wanted, all alike: the first that finds any is used. */
  readonly filters?: readonly RowFilter[];
}

/** Reads a Parquet file's rows; nested values come out as plain objects, arrays and numbers. */
export async function readParquet(path: string, selection: ParquetSelection = {}): Promise<TableFile> {
  const bytes = await readFile(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const metadata = parquetMetadata(file);
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const { columns = names, filters = [] } = selection;
  const source: ParquetSource = { file, metadata, columns: names.filter((name) => columns.includes(name)) };
  const applicable = filters.filter(({ column }) => names.includes(column));
  let rows = applicable.length === 0 ? await readRange(source) : [];
  for (const filter of applicable) if (rows.length === 0) rows = await readFiltered(source, filter);
  return {
    columns: new Set(names),
    rows: rows.map((row) => plainValue(row) as Row),
    positions: rows.map((row) => row[rowIndex] ?? 0),
  };
}

interface ParquetSource {
  readonly file: ArrayBuffer;
  readonly metadata: FileMetaData;
  readonly columns: readonly string[];
}

type ParquetRow = Awaited<ReturnType<typeof readRange>>[number];

function readRange({ file, metadata, columns }: ParquetSource, range: { rowStart?: number; rowEnd?: number } = {}) {
  return parquetReadObjects({
    file,
    metadata,
    columns: [...columns],
    compressors: decompressors,
    includeRowIndex: true,
    ...range,
  });
}

/**
 * Reads the filter's column alone first, then of each row group only the span that holds wanted rows: sources and samples of
 * other tasks are most of a file, and pages before the span are not even decompressed.
 */
async function readFiltered(source: ParquetSource, filter: RowFilter): Promise<ParquetRow[]> {
  const positions = await wantedPositions(source, filter);
  const wanted = new Set(positions);
  const rows: ParquetRow[] = [];
  for (const [rowStart, rowEnd] of spansOf(positions, rowGroupSizes(source.metadata))) {
    const span = await readRange(source, { rowStart, rowEnd });
    for (const row of span) if (wanted.has(row[rowIndex] ?? 0)) rows.push(row);
  }
  return rows;
}

/** Values up to which the reader's own filter, which skips row groups by their statistics, beats a set of ours. */
const fewValues = 8;

async function wantedPositions({ file, metadata }: ParquetSource, { column, values }: RowFilter): Promise<number[]> {
  const options = { file, metadata, columns: [column], compressors: decompressors };
  if (values.length <= fewValues) {
    const filter = { [column]: { $in: [...values] } };
    const found = await parquetReadObjects({ ...options, includeRowIndex: true, filter });
    return found.map((row) => row[rowIndex] ?? 0);
  }
  const wanted = new Set<unknown>(values);
  const positions: number[] = [];
  await parquetRead({
    ...options,
    onChunk: ({ columnData, rowStart }) => {
      for (let at = 0; at < columnData.length; at++) if (wanted.has(columnData[at])) positions.push(rowStart + at);
    },
  });
  return positions.sort((a, b) => a - b);
}

/** From the first to behind the last of the ascending positions in each group that has any. */
function spansOf(positions: readonly number[], groupSizes: readonly number[]): [number, number][] {
  const spans: [number, number][] = [];
  let groupEnd = 0;
  let next = 0;
  for (const size of groupSizes) {
    groupEnd += size;
    const first = positions[next];
    while (next < positions.length && (positions[next] as number) < groupEnd) next++;
    if (first !== undefined && first < groupEnd) spans.push([first, (positions[next - 1] as number) + 1]);
  }
  return spans;
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
