import { KernelcastError } from "../domain/index.ts";
import type { SqliteDatabase } from "./sqlite-engine.ts";

/** Applied in order, in one transaction; a published one is never edited. */
const migrations: readonly string[] = [
  `CREATE TABLE run (
     run_id TEXT PRIMARY KEY,
     config_key TEXT NOT NULL,
     config TEXT NOT NULL,
     created_at REAL NOT NULL,
     finished_at REAL
   ) STRICT;
   CREATE TABLE event (
     run_id TEXT NOT NULL REFERENCES run (run_id),
     seq INTEGER NOT NULL,
     type TEXT NOT NULL,
     version INTEGER NOT NULL,
     at REAL NOT NULL,
     payload TEXT NOT NULL,
     PRIMARY KEY (run_id, seq)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE blob (sha256 TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  // Answers of language models, by the digest of what was asked.
  "CREATE TABLE answer (key TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT, WITHOUT ROWID",
  // A row without a candidate says that none will follow.
  `CREATE TABLE submission (
     run_id TEXT NOT NULL REFERENCES run (run_id),
     number INTEGER NOT NULL,
     candidate TEXT,
     PRIMARY KEY (run_id, number)
   ) STRICT, WITHOUT ROWID;`,
];

/**
 * Throws `KernelcastError("store", …)` for a file that is not a store of ours, or newer than this program. It changes nothing,
 * so that another program's file stays as it is.
 */
export function requireOwn(database: SqliteDatabase, path: string): void {
  database.exec("BEGIN");
  const [found, present] = [version(database), tables(database)];
  database.exec("COMMIT");
  if (found > migrations.length) {
    throw new KernelcastError(
      "store",
      `${path} was written by a newer kernelcast (schema ${found}); update kernelcast`,
    );
  }
  const [foreign] = found === 0 ? present : [];
  if (foreign !== undefined) throw notOurs(path, `it has a table "${foreign}"`);
  const missing = found > 0 ? ["run", "event", "blob"].find((name) => !present.includes(name)) : undefined;
  if (missing !== undefined) throw notOurs(path, `it has no table "${missing}"`);
}

/** Brings a database to the newest schema. */
export function migrate(database: SqliteDatabase): void {
  if (version(database) >= migrations.length) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    // Read again under the lock: another process may have brought the file up to date in the meantime.
    for (const sql of migrations.slice(version(database))) database.exec(sql);
    database.exec(`PRAGMA user_version = ${migrations.length}`);
    database.exec("COMMIT");
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

function version(database: SqliteDatabase): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}

function tables(database: SqliteDatabase): readonly string[] {
  return database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
    .all()
    .map((row) => String(row["name"]));
}

function notOurs(path: string, why: string): KernelcastError {
  return new KernelcastError(
    "store",
    `${path} is a database of another program (${why}); move it away, or choose another --workspace`,
  );
}

/** Ends a transaction that failed. */
export function rollBack(database: SqliteDatabase): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // SQLite has already rolled back by itself after some errors, a full disk among them.
  }
}
