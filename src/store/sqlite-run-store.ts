import { dirname } from "node:path";
import {
  KernelcastError,
  sha256Hex,
  type AnswerStore,
  type Candidate,
  type RunStore,
  type RunSummary,
  type StoredEvent,
  type Submissions,
} from "../domain/index.ts";
import { makeFolder } from "./make-folder.ts";
import { migrate, requireOwn, rollBack } from "./migrations.ts";
import { networkFileSystem } from "./network-file-system.ts";
import { requireOpenForSubmissions } from "./submission-refusal.ts";
import { openSqlite, type SqliteDatabase, type SqliteEngineName, type SqliteStatement } from "./sqlite-engine.ts";

export interface SqliteRunStoreOptions {
  readonly engine?: SqliteEngineName;
  /** File-system probe; by default the real one. */
  readonly networkFileSystem?: (folder: string) => string | undefined;
}

/**
 * Opens the workspace's store, creating file and folder as needed. Uses write-ahead logging, or the rollback journal where
 * the file system is a network one. Throws `KernelcastError("store", …)`.
 */
export function openRunStore(path: string, options: SqliteRunStoreOptions = {}): RunStore {
  return guarded(path, () => createStore(path, openDatabase(path, options)));
}

/** Opens the same file for the answers of language models; its transactions are short, so that both may be open at once. */
export function openAnswerStore(path: string, options: SqliteRunStoreOptions = {}): AnswerStore {
  return guarded(path, () => {
    const database = openDatabase(path, options);
    const read = database.prepare("SELECT content FROM answer WHERE key = ?");
    const keep = database.prepare("INSERT OR IGNORE INTO answer (key, content) VALUES (?, ?)");
    return {
      answer: (key) => guarded(path, () => optional(read.get(key), (row) => String(row["content"]))),
      keepAnswer: (key, text) => guarded(path, () => void keep.run(key, text)),
      close: () => database.close(),
    };
  });
}

function openDatabase(path: string, options: SqliteRunStoreOptions): SqliteDatabase {
  makeFolder(dirname(path));
  const database = openSqlite(path, options.engine);
  const network = (options.networkFileSystem ?? networkFileSystem)(dirname(path));
  database.exec("PRAGMA busy_timeout = 10000");
  requireOwn(database, path);
  database.exec(`PRAGMA journal_mode = ${network === undefined ? "WAL" : "DELETE"}`);
  database.exec(`PRAGMA synchronous = ${network === undefined ? "NORMAL" : "FULL"}`);
  migrate(database);
  return database;
}

function createStore(path: string, database: SqliteDatabase): RunStore {
  const sql = prepareStatements(database);
  const transact = (work: () => void): void =>
    guarded(path, () => {
      database.exec("BEGIN IMMEDIATE");
      try {
        work();
        database.exec("COMMIT");
      } catch (error) {
        rollBack(database);
        throw error;
      }
    });
  return {
    createRun: (run) =>
      guarded(path, () => sql.createRun.run(run.runId, run.configKey, JSON.stringify(run.config), run.createdAt)),
    runs: () => guarded(path, () => sql.runs.all().map(toSummary)),
    run: (runId) => guarded(path, () => optional(sql.run.get(runId), toSummary)),
    append: (runId, events) =>
      transact(() => {
        for (const event of events) {
          sql.append.run(runId, event.seq, event.type, event.version, event.at, JSON.stringify(event.payload));
        }
      }),
    events: (runId, fromSeq = 0) => guarded(path, () => readEvents(sql.events, runId, fromSeq)),
    finishRun: (runId, at) => guarded(path, () => void sql.finish.run(at, runId)),
    submit: (runId, candidates, { last = false } = {}) => {
      let numbers: readonly number[] = [];
      transact(() => {
        numbers = submit(sql, runId, candidates, last);
      });
      return numbers;
    },
    submissions: (runId, after = 0) => guarded(path, () => readSubmissions(sql, runId, after)),
    putBlob: (text) => guarded(path, () => putBlob(sql.putBlob, text)),
    putBlobs: (texts) => {
      let sha256s: readonly string[] = [];
      transact(() => {
        sha256s = texts.map((text) => putBlob(sql.putBlob, text));
      });
      return sha256s;
    },
    blob: (sha256) => guarded(path, () => optional(sql.blob.get(sha256), (row) => String(row["content"]))),
    close: () => database.close(),
  };
}

function prepareStatements(database: SqliteDatabase) {
  return {
    createRun: database.prepare("INSERT INTO run (run_id, config_key, config, created_at) VALUES (?, ?, ?, ?)"),
    runs: database.prepare("SELECT * FROM run ORDER BY created_at, run_id"),
    run: database.prepare("SELECT * FROM run WHERE run_id = ?"),
    append: database.prepare("INSERT INTO event (run_id, seq, type, version, at, payload) VALUES (?, ?, ?, ?, ?, ?)"),
    events: database.prepare("SELECT * FROM event WHERE run_id = ? AND seq >= ? ORDER BY seq LIMIT ?"),
    finish: database.prepare("UPDATE run SET finished_at = ? WHERE run_id = ?"),
    submit: database.prepare("INSERT INTO submission (run_id, number, candidate) VALUES (?, ?, ?)"),
    submissions: database.prepare("SELECT * FROM submission WHERE run_id = ? AND number > ? ORDER BY number"),
    lastSubmission: database.prepare(
      "SELECT number, candidate FROM submission WHERE run_id = ? ORDER BY number DESC LIMIT 1",
    ),
    putBlob: database.prepare("INSERT OR IGNORE INTO blob (sha256, content) VALUES (?, ?)"),
    blob: database.prepare("SELECT content FROM blob WHERE sha256 = ?"),
  };
}

type Statements = ReturnType<typeof prepareStatements>;

/** Within a transaction: nothing is handed to a run that another process ends meanwhile. */
function submit(sql: Statements, runId: string, candidates: readonly Candidate[], last: boolean): readonly number[] {
  const newest = sql.lastSubmission.get(runId);
  const complete = newest !== undefined && newest["candidate"] === null;
  requireOpenForSubmissions(runId, optional(sql.run.get(runId), toSummary), complete);
  const first = Number(newest?.["number"] ?? 0) + 1;
  const numbers = candidates.map((_, index) => first + index);
  candidates.forEach((candidate, index) => sql.submit.run(runId, first + index, JSON.stringify(candidate)));
  if (last) sql.submit.run(runId, first + candidates.length, null);
  return numbers;
}

function readSubmissions(sql: Statements, runId: string, after: number): Submissions {
  // Asked first: what is complete now has no row that the next line would miss.
  const newest = sql.lastSubmission.get(runId);
  const rows = sql.submissions.all(runId, after);
  return {
    submissions: rows.flatMap(({ number, candidate }) =>
      candidate === null ? [] : [{ number: Number(number), candidate: JSON.parse(String(candidate)) as Candidate }],
    ),
    complete: newest !== undefined && newest["candidate"] === null,
  };
}

function putBlob(statement: SqliteStatement, text: string): string {
  const sha256 = sha256Hex(text);
  statement.run(sha256, text);
  return sha256;
}

const eventPage = 4096;

function* readEvents(statement: SqliteStatement, runId: string, fromSeq: number): Iterable<StoredEvent> {
  for (let from = fromSeq; ; from += eventPage) {
    const rows = statement.all(runId, from, eventPage);
    for (const row of rows) {
      yield {
        runId,
        seq: Number(row["seq"]),
        type: String(row["type"]),
        version: Number(row["version"]),
        at: Number(row["at"]),
        payload: JSON.parse(String(row["payload"])) as unknown,
      };
    }
    if (rows.length < eventPage) return;
  }
}

type Row = Readonly<Record<string, string | number | null>>;

function optional<T>(row: Row | undefined, map: (row: Row) => T): T | undefined {
  return row === undefined ? undefined : map(row);
}

function toSummary(row: Row): RunSummary {
  const finishedAt = row["finished_at"];
  return {
    runId: String(row["run_id"]),
    configKey: String(row["config_key"]),
    config: JSON.parse(String(row["config"])) as unknown,
    createdAt: Number(row["created_at"]),
    finishedAt: finishedAt === null || finishedAt === undefined ? null : Number(finishedAt),
  };
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (KernelcastError.isInstance(cause)) throw cause;
    throw new KernelcastError("store", `${path}: ${explain(cause)}`, { cause });
  }
}

const explanations: readonly (readonly [RegExp, string])[] = [
  [/full/i, "the disk is full; what was acknowledged is kept; free some space and give the same command again"],
  [/UNIQUE.*event/i, "another process is writing this run; wait for it to end or use another --workspace"],
  [
    /UNIQUE.*run/i,
    "a run of this name exists: another process has just started it; wait for it to end, or choose another --run",
  ],
  [/locked|busy/i, "another process keeps the store locked; wait for it to end or use another --workspace"],
  [/EEXIST|ENOTDIR/, "the workspace must be a folder, but a file is in its place; choose another --workspace"],
  [
    /readonly|read-only|EROFS|EACCES|permission|unable to open|ENOENT.*mkdir/i,
    "the store cannot be written; choose another --workspace",
  ],
  [/not a database|malformed|corrupt/i, "the file is not a kernelcast store or is damaged; move it away to start anew"],
  [
    /disk I\/O/i,
    "the disk failed or allows no more (a quota, a limit on file sizes); what was acknowledged is kept; give the same command again when it can be written",
  ],
  [/ENOSPC/, "the disk is full; free some space and give the same command again"],
];

function explain(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return explanations.find(([pattern]) => pattern.test(message))?.[1] ?? message.split("\n")[0] ?? message;
}
