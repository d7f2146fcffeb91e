import { KernelcastError } from "../domain/index.ts";
import type { SqliteDatabase } from "./sqlite-engine.ts";

/** Applied in order, each in its own transaction; a published one is never edited. */
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
];

/** Brings a database to the newest schema. Throws `KernelcastError("store", …)` when the file is newer than this program. */
export function migrate(database: SqliteDatabase, path: string): void {
  const found = Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (found > migrations.length) {
    throw new KernelcastError(
      "store",
      `${path} was written by a newer kernelcast (schema ${found}); update kernelcast`,
    );
  }
  migrations.slice(found).forEach((sql, index) => {
    database.exec("BEGIN IMMEDIATE");
    database.exec(sql);
    database.exec(`PRAGMA user_version = ${found + index + 1}`);
    database.exec("COMMIT");
  });
}
